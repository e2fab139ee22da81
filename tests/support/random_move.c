/*
 * random_move.c -- views and indexing in random functions.
 */
#include "support/random_pool.h"

/* ---- views ---- */

static Known whatever(Gen *r)
{
    return r->pool.at[gen_int(r, 0, r->pool.n - 1)];
}

static Val reshaped(Gen *r, Val x)
{
    Shape s = x->type.shape, t = {0};
    int64_t n = shape_size(s), f = gen_int(r, 2, 8);

    if (n % f == 0)
        t = gen_chance(r, 50) ? shape_of(2, f, n / f) : shape_of(2, n / f, f);
    else
        t = gen_chance(r, 50) ? shape_of(1, n)
                              : shape_of(3, n, (int64_t)1, (int64_t)1);
    // Prime factors as dims of their own.
    for (f = 2; f < 8 && gen_chance(r, 50); f++)
        while (t.rank < RANK_MAX && t.dim[t.rank - 1] % f == 0) {
            t.dim[t.rank] = f;
            t.dim[t.rank++ - 1] /= f;
        }
    return ir_reshape(r->g, x, t);
}

static Val broadcast(Gen *r, Val x)
{
    Shape s = x->type.shape, to = {0};
    int place[RANK_MAX];

    for (int k = 0; k < s.rank; k++) {
        if (to.rank < 2 && s.rank < 4 && gen_chance(r, 40))
            to.dim[to.rank++] = gen_int(r, 1, 5);
        place[k] = to.rank;
        to.dim[to.rank++] = s.dim[k] == 1 ? gen_int(r, 1, 9) : s.dim[k];
    }
    if (to.rank < 4 && gen_chance(r, 40))
        to.dim[to.rank++] = gen_int(r, 1, 9);
    return ir_broadcast(r->g, x, to, place);
}

static Val transposed(Gen *r, Val x)
{
    int perm[RANK_MAX] = {0, 1, 2, 3, 4, 5};

    for (int k = x->type.shape.rank - 1; k > 0; k--) {
        int j = (int)gen_int(r, 0, k), t = perm[k];
        perm[k] = perm[j];
        perm[j] = t;
    }
    return ir_transpose(r->g, x, perm);
}

static Val sliced(Gen *r, Val x)
{
    int64_t start[RANK_MAX], limit[RANK_MAX], stride[RANK_MAX];

    for (int k = 0; k < x->type.shape.rank; k++) {
        int64_t n = x->type.shape.dim[k];
        bool whole = gen_chance(r, 40);
        start[k] = whole ? 0 : gen_int(r, 0, n - 1);
        limit[k] = whole ? n : gen_int(r, start[k] + 1, n);
        stride[k] = gen_chance(r, 70) ? 1 : gen_int(r, 2, 3);
    }
    return ir_slice(r->g, x, start, limit, stride);
}

static Val padded(Gen *r, Val x)
{
    int64_t lo[RANK_MAX], hi[RANK_MAX], interior[RANK_MAX];
    double fill = x->type.dt == DT_bool ? 1 : (double)gen_int(r, -1, 1);

    for (int k = 0; k < x->type.shape.rank; k++) {
        lo[k] = gen_int(r, 0, 2);
        hi[k] = gen_int(r, 0, 2);
        interior[k] = gen_chance(r, 75) ? 0 : gen_int(r, 1, 2);
    }
    return ir_pad(r->g, x, lo, hi, interior, fill);
}

static bool concat(Gen *r)
{
    Known x = whatever(r), y = gen_like(r, x.v->type, false);

    if (!x.v->type.shape.rank)
        return false;
    x.v = ir_concat(r->g, (Val[]){x.v, y.v, x.v}, (int)gen_int(r, 2, 3),
                    (int)gen_int(r, 0, x.v->type.shape.rank - 1));
    x.bound = x.bound > y.bound ? x.bound : y.bound;
    x.err = x.err > y.err ? x.err : y.err;
    x.exact = x.exact && y.exact;
    return gen_keep(r, x);
}

bool gen_view(Gen *r, Op op)
{
    Known x = whatever(r);
    int axis = x.v->type.shape.rank
                   ? (int)gen_int(r, 0, x.v->type.shape.rank - 1)
                   : 0;

    switch (op) {
    case OP_concat: return concat(r);
    case OP_spread: x.v = ir_spread(r->g, x.v); break;
    case OP_stop_gradient: x.v = ir_op1(r->g, op, x.v); break;
    case OP_reshape: x.v = reshaped(r, x.v); break;
    case OP_broadcast: x.v = broadcast(r, x.v); break;
    case OP_transpose: x.v = transposed(r, x.v); break;
    case OP_slice: x.v = sliced(r, x.v); break;
    case OP_pad:
        x.v = padded(r, x.v);
        x.bound = x.bound > 1 ? x.bound : 1;
        break;
    default:
        if (!x.v->type.shape.rank)
            return false;
        x.v = ir_reverse(r->g, x.v, &axis, 1);
    }
    return gen_keep(r, x);
}

/* ---- indexing ---- */

static bool fits_put(Gen *r, const Known *k, Type want)
{
    (void)r, (void)want;
    return k->v->op == OP_put;
}

static Known index_of(Gen *r)
{
    Known i = gen_pick(r, fits_int, (Type){0});

    return i.v && i.v->type.shape.rank <= 2 && gen_chance(r, 80)
               ? i
               : gen_input(r, type_of(DT_i32, gen_chance(r, 60),
                                      gen_shape(r, 0, 1)));
}

/* A put into a variable (a chain of them) may be done in its place. */
static Known variable(Gen *r)
{
    Known x = gen_pick(r, fits_put, (Type){0});

    if (x.v && gen_chance(r, 50))
        return x;
    return gen_input(r, type_of(r->real, false, gen_shape(r, 1, 3)));
}

bool gen_indexing(Gen *r, Op op)
{
    Known x = whatever(r), i = index_of(r);

    if (op == OP_put && gen_chance(r, 40))
        x = variable(r);
    Shape s = x.v->type.shape, at = i.v->type.shape;

    if (s.rank == 0 || s.rank + at.rank > 4)
        return false;
    for (int k = 1; k < s.rank; k++)
        at.dim[at.rank++] = s.dim[k];
    if (shape_size(at) > SIZE_MAX_ELEMS)
        return false;
    if (op == OP_take) {
        x.v = ir_op2(r->g, op, x.v, i.v);
        return gen_keep(r, x);
    }
    Known v = gen_like(r, type_of(x.v->type.dt, false, at), false);
    if (op == OP_put) {
        x.v = ir_op3(r->g, op, x.v, i.v, v.v);
        x.bound = x.bound > v.bound ? x.bound : v.bound;
        x.err = x.err > v.err ? x.err : v.err;
        x.exact = x.exact && v.exact;
        return gen_keep(r, x);
    }
    if (v.v->type.dt == DT_bool)
        return false;
    double n = (double)shape_size(i.v->type.shape);
    v.v = ir_node(r->g, op, &(Attr){.n = 1, .i = {gen_int(r, 1, 6)}},
                  (Val[]){i.v, v.v}, 2);
    v.bound *= n;
    v.err = n * (v.err + v.size);
    v.exact = v.exact && v.v->type.dt == DT_i32;
    return gen_keep(r, v);
}
