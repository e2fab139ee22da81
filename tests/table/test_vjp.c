/*
 * test_vjp.c -- every row of ops.def that has a derivative, against central
 * differences in f64: first and second derivatives, random shapes and
 * attributes, mixtures of per-example and shared sources.
 */
#include "support/slope.h"

#include <string.h>

enum { TRIALS = 12, BATCH = 3 };

typedef struct Case { // one random use of an op
    Point p;
    Dice *d;
    Op op;
    bool kink; // inputs must be apart from each other
} Case;

static const Domain small = {DOM_IN, -2, 2, 0};

static Shape random_shape(Dice *d, int lo, int hi)
{
    Shape s = {.rank = (int)dice_int(d, lo, hi)};

    for (int k = 0; k < s.rank; k++)
        s.dim[k] = dice_int(d, 1, s.rank > 2 ? 2 : 3);
    return s;
}

static bool flip(Case *c)
{
    return dice_int(c->d, 0, 1);
}

static Val real_in(Case *c, Shape s)
{
    Domain domain = op_info[c->op].domain;

    return point_input(&c->p, DT_f64, flip(c), s,
                       domain.kind == DOM_NONE ? small : domain);
}

static Val index_in(Case *c, bool batched, Shape s, int64_t n)
{
    return point_input(&c->p, DT_i32, batched, s,
                       (Domain){DOM_IN, -0.49, (double)n - 0.51, 0});
}

static void random_axes(Case *c, int rank, Attr *a)
{
    for (int k = 0; k < rank; k++)
        if (flip(c) || (k == rank - 1 && !a->n))
            a->i[a->n++] = k;
}

static void shuffle(Case *c, int64_t *i, int n)
{
    for (int k = 0; k < n; k++)
        i[k] = k;
    for (int k = n - 1; k > 0; k--) {
        int64_t j = dice_int(c->d, 0, k), t = i[k];
        i[k] = i[j];
        i[j] = t;
    }
}

/* ---- one builder per kind of op ---- */

static Val point_op(Case *c)
{
    Shape s = random_shape(c->d, 0, 3);
    Val x[3];
    int n = op_info[c->op].arity;

    for (int k = 0; k < n; k++)
        x[k] = c->op == OP_select && k == 0
                   ? point_input(&c->p, DT_bool, flip(c), s, small)
                   : real_in(c, s);
    if (c->op == OP_cast)
        return ir_cast(c->p.g, ir_cast(c->p.g, x[0], DT_f32), DT_f64);
    return ir_node(c->p.g, c->op, NULL, x, n);
}

static Val broadcast(Case *c)
{
    Shape to = random_shape(c->d, 1, 4), s = {0};
    int place[RANK_MAX];

    for (int k = 0; k < to.rank; k++) {
        if (flip(c))
            continue;
        place[s.rank] = k;
        s.dim[s.rank++] = flip(c) ? 1 : to.dim[k];
    }
    return ir_broadcast(c->p.g, real_in(c, s), to, place);
}

static Val reshape(Case *c)
{
    Shape s = random_shape(c->d, 1, 3);
    Val x = real_in(c, s);

    return ir_reshape(c->p.g, x, shape_of(2, (int64_t)1, shape_size(s)));
}

static Val transpose(Case *c)
{
    Shape s = random_shape(c->d, 1, 4);
    Attr a = {.n = s.rank};
    Val x = real_in(c, s);

    shuffle(c, a.i, s.rank);
    return ir_node(c->p.g, OP_transpose, &a, &x, 1);
}

static Val slice(Case *c)
{
    Shape s = random_shape(c->d, 1, 3);
    Attr a = {.n = 3 * s.rank};
    Val x;

    for (int k = 0; k < s.rank; k++) {
        s.dim[k] += 3;
        a.i[3 * k] = dice_int(c->d, 0, 2);
        a.i[3 * k + 1] = dice_int(c->d, 3, s.dim[k]);
        a.i[3 * k + 2] = dice_int(c->d, 1, 2);
    }
    x = real_in(c, s);
    return ir_node(c->p.g, OP_slice, &a, &x, 1);
}

static Val pad(Case *c)
{
    Shape s = random_shape(c->d, 1, 3);
    Attr a = {.n = 3 * s.rank, .f = 0.5};
    Val x = real_in(c, s);

    for (int k = 0; k < a.n; k++)
        a.i[k] = dice_int(c->d, 0, 2);
    return ir_node(c->p.g, OP_pad, &a, &x, 1);
}

static Val concat(Case *c)
{
    Shape s = random_shape(c->d, 1, 3);
    int n = (int)dice_int(c->d, 2, 4), axis = (int)dice_int(c->d, 0,
                                                            s.rank - 1);
    Val x[4];

    for (int k = 0; k < n; k++) {
        s.dim[axis] = dice_int(c->d, 1, 3);
        x[k] = real_in(c, s);
    }
    return ir_concat(c->p.g, x, n, axis);
}

static Val over_axes(Case *c) // reverse and reductions
{
    Shape s = random_shape(c->d, 1, 3);
    Attr a = {0};
    Val x = real_in(c, s);

    random_axes(c, s.rank, &a);
    return ir_node(c->p.g, c->op, &a, &x, 1);
}

static Val over_axis(Case *c) // sort, cumsum
{
    Shape s = random_shape(c->d, 1, 3);
    int axis = (int)dice_int(c->d, 0, s.rank - 1);

    return ir_axis(c->p.g, c->op, real_in(c, s), axis);
}

static Val over_batch(Case *c) // spread, batch_sum
{
    Val x = point_input(&c->p, DT_f64, c->op == OP_batch_sum,
                        random_shape(c->d, 0, 2), small);

    return ir_op1(c->p.g, c->op, x);
}

static Shape rows_of(Shape i, Shape x)
{
    Shape s = i;

    for (int k = 1; k < x.rank; k++)
        s.dim[s.rank++] = x.dim[k];
    return s;
}

static Val index_op(Case *c)
{
    Graph *g = c->p.g;
    Shape x = random_shape(c->d, 1, 2), at = random_shape(c->d, 0, 2);

    x.dim[0] += 2;
    Val i = index_in(c, flip(c), at, x.dim[0]);
    if (c->op == OP_take)
        return ir_op2(g, OP_take, real_in(c, x), i);
    if (c->op == OP_put) {
        Val to = real_in(c, x), v = real_in(c, rows_of(at, x));
        return ir_op3(g, OP_put, to, i, v);
    }
    return ir_node(g, OP_scatter_add, &(Attr){.n = 1, .i = {x.dim[0]}},
                   (Val[]){i, real_in(c, rows_of(at, x))}, 2);
}

static Val dot(Case *c)
{
    DotDims d = {.ncontract = (int)dice_int(c->d, 0, 2),
                 .nbatch = (int)dice_int(c->d, 0, 1)};
    int both = d.ncontract + d.nbatch;
    int rx = both + (int)dice_int(c->d, 0, 2);
    int ry = both + (int)dice_int(c->d, 0, 1);
    int64_t px[RANK_MAX], py[RANK_MAX];
    Shape sx = {.rank = rx}, sy = {.rank = ry};

    for (int k = 0; k < rx; k++)
        sx.dim[k] = dice_int(c->d, 1, 3);
    for (int k = 0; k < ry; k++)
        sy.dim[k] = dice_int(c->d, 1, 3);
    shuffle(c, px, rx);
    shuffle(c, py, ry);
    for (int k = 0; k < both; k++) {
        int *cx = k < d.ncontract ? &d.cx[k] : &d.bx[k - d.ncontract];
        int *cy = k < d.ncontract ? &d.cy[k] : &d.by[k - d.ncontract];
        *cx = (int)px[k];
        *cy = (int)py[k];
        sy.dim[*cy] = sx.dim[*cx];
    }
    Val x = real_in(c, sx), y = real_in(c, sy);
    d.sum_batch = x->type.batched && y->type.batched && flip(c);
    return ir_dot(c->p.g, x, y, &d);
}

static Val conv(Case *c)
{
    ConvDims d = {dice_int(c->d, 1, 2), dice_int(c->d, 1, 2),
                  dice_int(c->d, 0, 1), dice_int(c->d, 0, 2),
                  dice_int(c->d, 0, 1), dice_int(c->d, 0, 1)};
    int64_t H = dice_int(c->d, 3, 4), W = dice_int(c->d, 3, 4);
    int64_t R = dice_int(c->d, 1, 3), S = dice_int(c->d, 1, 3);
    int64_t C = dice_int(c->d, 1, 2), O = dice_int(c->d, 1, 2);
    Shape x = shape_of(3, H, W, C), w = shape_of(4, R, S, C, O);
    Shape y = shape_of(3, (H + d.ph_lo + d.ph_hi - R) / d.sh + 1,
                       (W + d.pw_lo + d.pw_hi - S) / d.sw + 1, O);
    bool batched = flip(c);
    bool back = c->op == OP_conv_dx || c->op == OP_conv_up;
    Val a = point_input(&c->p, DT_f64, batched, back ? y : x, small);

    if (c->op == OP_conv_dw) {
        Val b = point_input(&c->p, DT_f64, batched, y, small);
        return ir_conv_dw(c->p.g, a, b, d, R, S);
    }
    if (c->op == OP_conv_up) {
        w.dim[2] = O;
        w.dim[3] = C;
    }
    Val b = point_input(&c->p, DT_f64, false, w, small);
    if (c->op == OP_conv_up)
        return ir_conv_up(c->p.g, a, b, d, H, W);
    return c->op == OP_conv ? ir_conv(c->p.g, a, b, d)
                            : ir_conv_dx(c->p.g, a, b, d, H, W);
}

static Val pool(Case *c)
{
    int64_t k = dice_int(c->d, 1, 3), H = 3 + dice_int(c->d, 0, 2), W = 4;
    PoolDims p = {k, 2, dice_int(c->d, 1, 2), dice_int(c->d, 1, 2),
                  dice_int(c->d, 0, k - 1), dice_int(c->d, 0, k - 1),
                  dice_int(c->d, 0, 1), 0};
    int64_t C = dice_int(c->d, 1, 2);
    Shape x = shape_of(3, H, W, C);
    Shape y = shape_of(3, (H + p.ph_lo + p.ph_hi - k) / p.sh + 1,
                       (W + p.pw_lo + p.pw_hi - 2) / p.sw + 1, C);
    Graph *g = c->p.g;

    if (c->op == OP_sum_pool_dx)
        return ir_sum_pool_dx(g, real_in(c, y), p, H, W);
    Val in = real_in(c, x);
    if (c->op == OP_pool_gather)
        return ir_pool(g, c->op, in, real_in(c, x), p);
    if (c->op == OP_pool_scatter)
        return ir_pool(g, c->op, in, real_in(c, y), p);
    return ir_pool(g, c->op, in, NULL, p);
}

/* NULL: tested elsewhere (loops, in test_autodiff.c). */
static Val random_use(Case *c)
{
    switch (c->op) {
    case OP_broadcast:
        return broadcast(c);
    case OP_reshape:
        return reshape(c);
    case OP_transpose:
        return transpose(c);
    case OP_slice:
        return slice(c);
    case OP_pad:
        return pad(c);
    case OP_concat:
        return concat(c);
    case OP_spread: case OP_batch_sum:
        return over_batch(c);
    case OP_reverse: case OP_sum: case OP_max_reduce: case OP_min_reduce:
        return over_axes(c);
    case OP_sort: case OP_cumsum:
        return over_axis(c);
    case OP_take: case OP_put: case OP_scatter_add:
        return index_op(c);
    case OP_dot:
        return dot(c);
    case OP_conv: case OP_conv_dx: case OP_conv_up: case OP_conv_dw:
        return conv(c);
    case OP_max_pool: case OP_pool_gather: case OP_pool_scatter:
    case OP_sum_pool: case OP_sum_pool_dx:
        return pool(c);
    case OP_loop: case OP_proj: // tests/unit/test_autodiff.c
    case OP_adjoint:            // is what its sources say: test_solve.c
        return NULL;
    default:
        assert_int_equal(op_info[c->op].lower, LOWER_MAP);
        return point_op(c);
    }
}

static void slopes_match_differences(void **state)
{
    const OpInfo *info = *state;

    if (info->grad != GRAD_OWN)
        return;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        Arena *a = arena_new();
        Dice dice = {(trial << 8) + (uint64_t)(info - op_info)};
        Case c = {.p = point_new(a, &dice, BATCH), .d = &dice,
                  .op = (Op)(info - op_info)};
        Val y = random_use(&c);

        if (y) {
            if (info->domain.kind == DOM_APART)
                point_apart(&c.p, info->domain);
            check_slopes(&c.p, point_scalar(&c.p, y), 2, info->name);
        }
        arena_free(a);
    }
}

/* Per-example e, per-example v: each example's own slope, which does not
 * depend on how many examples there are. */
static void per_example_slopes_are_each_their_own(void **state)
{
    (void)state;
    Arena *a = arena_new();
    Dice dice = {5};
    Point p = point_new(a, &dice, 4);
    Val x = point_input(&p, DT_f64, true, shape_of(1, (int64_t)3), small);
    Val w = point_input(&p, DT_f64, false, shape_of(1, (int64_t)3), small);
    Val e = ir_reduce_all(p.g, OP_sum,
                          ir_mul(p.g, w, ir_mul(p.g, x, ir_mul(p.g, x, x))));
    Val slope = point_expand(&p, ir_op2(p.g, OP_grad, e, x));
    Tensor t = point_eval(&p, slope);

    assert_true(slope->type.batched);
    for (int64_t k = 0; k < 12; k++) {
        double at = p.at.at[0].at[k];
        assert_close(t.at[k], 3 * at * at * p.at.at[1].at[k % 3], tol_grad(),
                     "element %d", (int)k);
    }
    arena_free(a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define OP(name, ...)                                                         \
    {"slopes of " #name " match differences", slopes_match_differences, NULL, \
     NULL, (void *)(uintptr_t)&op_info[OP_##name]},
#include "ir/ops.def"
#undef OP
        cmocka_unit_test(per_example_slopes_are_each_their_own),
    };

    return cmocka_run_group_tests_name("vjp", tests, NULL, NULL);
}
