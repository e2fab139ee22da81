/*
 * random_ops.c -- one more value for a random function, op by op.
 *
 * Sizes and errors of the results are estimates (a sum of n terms grows as
 * the square root of n); test_random_graph.c measures that they hold.
 */
#include "support/random_pool.h"

#include <string.h>

static const Type any;

/* ---- elementwise ---- */

/* f(x) with slope at most `slope` and values up to `bound`. */
static bool smooth(Gen *r, Op op, Known x, double slope, double bound)
{
    x.v = ir_op1(r->g, op, x.v);
    x.err = slope * x.err + bound;
    x.size = bound < 1 ? bound : 1;
    x.bound = bound;
    x.exact = false;
    return gen_keep(r, x);
}

static bool unary(Gen *r, Op op)
{
    Known x = gen_pick(r, fits_real, any);

    switch (op) {
    case OP_exp: case OP_expm1:
        return smooth(r, op, gen_squash(r, x), 2.8, 2.8);
    case OP_log: case OP_sqrt:
        return smooth(r, op, gen_positive(r, x), 2, 1 + log(x.bound + 2));
    case OP_log1p:
        x = gen_positive(r, x);
        return smooth(r, op, x, 0.7, log(x.bound + 2));
    case OP_tanh: case OP_sigmoid: case OP_erf: case OP_sin: case OP_cos:
        return smooth(r, op, x, 1.2, 1);
    case OP_softplus:
        return smooth(r, op, x, 1, x.bound + 0.7);
    default: // neg, abs, relu: no rounding, no jump
        x = gen_pick(r, fits_number, any);
        x.v = ir_op1(r->g, op, x.v);
        return gen_keep(r, x);
    }
}

/* Where f jumps, the source must be the same for everyone. */
static bool jump(Gen *r, Op op)
{
    Known x = gen_pick(r, op == OP_is_finite ? fits_real : fits_exact_real,
                       any);

    if (!x.v)
        return false;
    x.v = ir_op1(r->g, op, x.v);
    x.exact = true;
    x.err = 0;
    if (op == OP_sign)
        x.size = x.bound = 1;
    else if (op == OP_floor || op == OP_round)
        x.bound += 1;
    return gen_keep(r, x);
}

static bool cast(Gen *r)
{
    static const DType to[] = {DT_f32, DT_i32, DT_bool, DT_f32};
    Known x = gen_pick(r, fits_number, any);
    DType dt = to[gen_int(r, 0, 3)] == DT_f32 ? r->real
                                               : to[gen_int(r, 1, 2)];

    if (x.v->type.dt == dt || (!x.exact && dt != r->real))
        return false;
    x.v = ir_cast(r->g, x.v, dt);
    if (dt == DT_bool)
        x.size = x.bound = 1;
    return gen_keep(r, x);
}

static bool int_pair(Gen *r, Op op)
{
    Known x = gen_pick(r, fits_int, any), y;

    if (!x.v)
        return false;
    y = gen_like(r, x.v->type, true);
    x.v = ir_op2(r->g, op, x.v, y.v);
    x.bound = op == OP_mul ? x.bound * y.bound : x.bound + y.bound;
    x.size = x.bound;
    return gen_keep(r, x);
}

static bool binary(Gen *r, Op op)
{
    Known x = gen_pick(r, fits_real, any), y = gen_like(r, x.v->type, false);

    if ((op == OP_add || op == OP_sub || op == OP_mul || op == OP_div ||
         op == OP_max || op == OP_min) && gen_chance(r, 20))
        return int_pair(r, op);
    if (op == OP_div || op == OP_pow)
        y = op == OP_div ? gen_positive(r, y) : gen_squash(r, y);
    if (op == OP_pow)
        x = gen_positive(r, gen_squash(r, x));
    Known z = {.v = ir_op2(r->g, op, x.v, y.v)};
    switch (op) {
    case OP_max: case OP_min:
        z.exact = x.exact && y.exact;
        z.size = x.size > y.size ? x.size : y.size;
        z.bound = x.bound > y.bound ? x.bound : y.bound;
        z.err = x.err > y.err ? x.err : y.err;
        break;
    case OP_mul:
        z.size = x.size * y.size;
        z.bound = x.bound * y.bound;
        z.err = x.err * y.size + y.err * x.size + z.size;
        break;
    case OP_div:
        z.size = x.size / (0.5 + y.size / 2);
        z.bound = 2 * x.bound;
        z.err = 2 * x.err + 4 * x.size * y.err + z.size;
        break;
    case OP_pow:
        z.size = 1;
        z.bound = 2;
        z.err = 2 * x.err + y.err + 2;
        break;
    default: // add, sub; x - x is 0
        z.size = hypot(x.size, y.size);
        z.bound = x.bound + y.bound;
        z.err = x.err + y.err + z.size;
    }
    return gen_keep(r, z);
}

/* Quotients of quarters are whole or far from whole. */
static bool mod(Gen *r)
{
    Known x = gen_pick(r, fits_int, any);

    if (!x.v || gen_chance(r, 30))
        return int_pair(r, OP_mod);
    Shape s = x.v->type.shape;
    Val quarter = gen_const(r, r->real, 0.25, s).v;
    Val by = gen_const(r, r->real, 0.75, s).v;
    x.v = ir_op2(r->g, OP_mod,
                 ir_mul(r->g, ir_cast(r->g, x.v, r->real), quarter), by);
    x.size = x.bound = 0.75;
    return gen_keep(r, x);
}

static bool compare(Gen *r, Op op)
{
    Known x = gen_chance(r, 30) ? gen_pick(r, fits_int, any)
                                : gen_pick(r, fits_exact_real, any);

    if (!x.v)
        return false;
    x.v = ir_op2(r->g, op, x.v, gen_like(r, x.v->type, true).v);
    x.size = x.bound = 1;
    return gen_keep(r, x);
}

static bool fits_bool(Gen *r, const Known *k, Type want)
{
    (void)r, (void)want;
    return k->v->type.dt == DT_bool;
}

static bool logic(Gen *r, Op op)
{
    Known x = gen_pick(r, fits_bool, any);

    if (!x.v)
        return false;
    x.v = op == OP_not ? ir_not(r->g, x.v)
                       : ir_op2(r->g, op, x.v,
                                gen_like(r, x.v->type, true).v);
    return gen_keep(r, x);
}

static bool choose(Gen *r)
{
    Known x = gen_pick(r, fits_number, any), y = gen_like(r, x.v->type, false);
    Known c = gen_like(r, type_of(DT_bool, false, x.v->type.shape), true);

    x.v = ir_select(r->g, c.v, x.v, y.v);
    x.size = x.size > y.size ? x.size : y.size;
    x.bound = x.bound > y.bound ? x.bound : y.bound;
    x.err = x.err > y.err ? x.err : y.err;
    x.exact = x.exact && y.exact;
    return gen_keep(r, x);
}

/* ---- reductions ---- */

static bool reduce(Gen *r, Op op)
{
    Known x = gen_pick(r, fits_number, any);
    Shape s = x.v->type.shape;
    int axes[RANK_MAX], n = 0;
    double terms = 1;

    for (int k = 0; k < s.rank; k++)
        if (gen_chance(r, 60)) {
            axes[n++] = k;
            terms *= (double)s.dim[k];
        }
    if (!n)
        return false;
    x.v = ir_reduce(r->g, op, x.v, axes, n);
    if (op == OP_sum) {
        x.err = sqrt(terms) * (x.err + x.size);
        x.size *= sqrt(terms);
        x.bound *= terms;
        x.exact = x.exact && x.v->type.dt == DT_i32;
    }
    return gen_keep(r, x);
}

static bool along(Gen *r, Op op)
{
    bool jumps = op == OP_argmax || op == OP_argmin || op == OP_argsort;
    Known x = gen_pick(r, jumps ? fits_exact_real : fits_number, any);

    if (!x.v || !x.v->type.shape.rank)
        return false;
    int axis = (int)gen_int(r, 0, x.v->type.shape.rank - 1);
    double n = (double)x.v->type.shape.dim[axis];
    x.v = ir_axis(r->g, op, x.v, axis);
    if (jumps) {
        x.size = x.bound = n;
    } else if (op == OP_cumsum) {
        x.err = sqrt(n) * (x.err + x.size);
        x.size *= sqrt(n);
        x.bound *= n;
        x.exact = x.exact && x.v->type.dt == DT_i32;
    }
    return gen_keep(r, x);
}

static bool fits_batched(Gen *r, const Known *k, Type want)
{
    return k->v->type.batched && fits_number(r, k, want);
}

static bool over_batch(Gen *r, Op op)
{
    Known x = gen_pick(r, fits_batched, any);

    if (!x.v)
        return false;
    x.v = ir_op1(r->g, op, x.v);
    if (op == OP_batch_sum) {
        x.err = 3 * (x.err + x.size);
        x.size *= 2;
        x.bound *= 16; // examples in a batch of a test
        x.exact = x.exact && x.v->type.dt == DT_i32;
    }
    return gen_keep(r, x);
}

/* ---- contractions and draws ---- */

static bool fits_factor(Gen *r, const Known *k, Type want)
{
    return fits_real(r, k, want) && k->v->type.shape.rank > 0 &&
           k->v->type.shape.rank <= 3;
}

/* Wide enough to be cut into blocks and panels, packed or not. */
static bool wide_dot(Gen *r)
{
    static const int64_t few[] = {1, 2, 7, 20}, many[] = {1, 9, 131, 300};
    int64_t m = few[gen_int(r, 0, 3)], k = many[gen_int(r, 0, 3)];
    int64_t n = many[gen_int(r, 0, 3)];
    int tx = gen_chance(r, 30), ty = gen_chance(r, 30);
    DotDims d = {.ncontract = 1, .cx = {!tx}, .cy = {ty}};
    Shape sx = tx ? shape_of(2, k, m) : shape_of(2, m, k);
    Shape sy = ty ? shape_of(2, n, k) : shape_of(2, k, n);

    if (m * n > SIZE_MAX_ELEMS)
        return false;
    Known x = gen_input(r, type_of(r->real, gen_chance(r, 60), sx));
    Known y = gen_input(r, type_of(r->real, gen_chance(r, 20), sy));
    r->pool.n -= 2; // too large for the others
    x = gen_chance(r, 50) ? gen_squash(r, x) : x;
    Known z = {.v = ir_dot(r->g, x.v, y.v, &d)};
    z.size = sqrt((double)k) * x.size * y.size;
    z.bound = 4 * (double)k;
    z.err = 2 * z.size;
    return gen_keep(r, z);
}

static bool dot(Gen *r)
{
    if (gen_chance(r, 30))
        return wide_dot(r);
    Known x = gen_pick(r, fits_factor, any);
    DotDims d = {.ncontract = 1, .nbatch = gen_chance(r, 20)};
    Shape s = x.v->type.shape, t = {.rank = (int)gen_int(r, 1, 2) + d.nbatch};

    if (s.rank < 1 + d.nbatch)
        return false;
    d.cx[0] = (int)gen_int(r, 0, s.rank - 1);
    d.bx[0] = (d.cx[0] + 1) % s.rank;
    d.cy[0] = (int)gen_int(r, 0, t.rank - 1);
    d.by[0] = (d.cy[0] + 1) % t.rank;
    for (int k = 0; k < t.rank; k++)
        t.dim[k] = gen_dim(r);
    t.dim[d.cy[0]] = s.dim[d.cx[0]];
    if (d.nbatch)
        t.dim[d.by[0]] = s.dim[d.bx[0]];
    if (shape_size(t) > SIZE_MAX_ELEMS ||
        shape_size(s) * shape_size(t) > 16 * SIZE_MAX_ELEMS)
        return false;
    Known y = gen_like(r, type_of(r->real, false, t), false);
    double n = (double)s.dim[d.cx[0]];
    d.sum_batch = x.v->type.batched && y.v->type.batched && gen_chance(r, 30);
    if (d.sum_batch)
        n *= 4;
    Known z = {.v = ir_dot(r->g, x.v, y.v, &d)};
    z.size = sqrt(n) * x.size * y.size;
    z.bound = 4 * n * x.bound * y.bound;
    z.err = sqrt(n) * (x.size * y.err + y.size * x.err + x.size * y.size);
    return gen_keep(r, z);
}

static bool draw(Gen *r, Op op)
{
    bool order = op == OP_permutation;
    Type t = type_of(order ? DT_i32 : r->real, gen_chance(r, 60),
                     gen_shape(r, order, order ? 1 : 3));
    Known key = gen_pick(r, fits_like, type_of(DT_i32, false, shape_of(0)));
    bool keyed = key.v && (t.batched || !key.v->type.batched);
    Known k = {.size = 0.6, .bound = 1, .exact = true};

    k.v = ir_random(r->g, op, r->stream++, t, &key.v, keyed);
    if (order)
        k.size = k.bound = (double)t.shape.dim[0];
    if (op == OP_normal)
        k = (Known){k.v, 1, 7, 1, false};
    return gen_keep(r, k);
}

/* Is a whole number 1? */
static bool solved(Gen *r)
{
    Known code = gen_pick(r, fits_like, type_of(DT_i32, false, shape_of(0)));
    Val x[2] = {code.v, ir_fill(r->g, DT_f64, 2, shape_of(1, (int64_t)6))};

    if (!code.v || code.v->type.dt != DT_i32 || code.v->type.shape.rank)
        return false;
    if (code.v->type.batched)
        x[1] = ir_spread(r->g, x[1]);
    return gen_keep(r, (Known){ir_node(r->g, OP_solved, &(Attr){0}, x, 2), 1, 1,
                               0, true});
}

static bool leaf(Gen *r, Op op)
{
    int64_t n = gen_int(r, 1, 12);

    if (op == OP_iota)
        return gen_keep(r, (Known){ir_iota(r->g, n), (double)n, (double)n, 0,
                                   true});
    return gen_keep(r, gen_const(r, r->real, (double)gen_int(r, -8, 8) / 4,
                                 gen_shape(r, 0, 2)));
}

bool gen_op(Gen *r, Op op)
{
    switch (op) {
    case OP_const: case OP_iota:
        return leaf(r, op);
    case OP_sign: case OP_floor: case OP_round: case OP_is_finite:
        return jump(r, op);
    case OP_not: case OP_and: case OP_or:
        return logic(r, op);
    case OP_cast: return cast(r);
    case OP_mod: return mod(r);
    case OP_lt: case OP_le: case OP_eq: case OP_ne:
        return compare(r, op);
    case OP_select: return choose(r);
    case OP_take: case OP_put: case OP_scatter_add:
        return gen_indexing(r, op);
    case OP_sum: case OP_max_reduce: case OP_min_reduce:
        return reduce(r, op);
    case OP_argmax: case OP_argmin: case OP_sort: case OP_argsort:
    case OP_cumsum:
        return along(r, op);
    case OP_batch_sum: case OP_batch_max:
        return over_batch(r, op);
    case OP_dot: return dot(r);
    case OP_uniform: case OP_normal: case OP_permutation:
        return draw(r, op);
    case OP_solved: return solved(r);
    case OP_loop: return gen_loop(r);
    case OP_input: case OP_loopvar: case OP_batch_size: case OP_proj:
    case OP_grad: case OP_adjoint:
        return false; // made elsewhere, or in no machine code
    default:
        break;
    }
    if (op_info[op].attr == ATTR_WINO)
        return false; // made by a pass only
    if (op_info[op].attr == ATTR_CONV || op_info[op].attr == ATTR_POOL ||
        op_info[op].attr == ATTR_UNPOOL)
        return gen_window(r, op);
    if (op_info[op].lower == LOWER_VIEW || op == OP_stop_gradient)
        return gen_view(r, op);
    return op_info[op].arity == 1 ? unary(r, op) : binary(r, op);
}
