/*
 * rules_reduce.c -- reductions of moved or copied values, and of reductions.
 * Sums may be added in another order afterwards.
 */
#include "passes/rewrite.h"

static bool is_reduce(Val v)
{
    return v->op == OP_sum || v->op == OP_max_reduce ||
           v->op == OP_min_reduce;
}

static bool has_axis(Val v, int64_t axis)
{
    for (int k = 0; k < v->attr.n; k++)
        if (v->attr.i[k] == axis)
            return true;
    return false;
}

static Val real_in(Graph *g, Shape s)
{
    return ir_input(g, INPUT_FIELD, "x0", type_of(DT_f64, true, s));
}

/* Dim k of v's source as a dim of v; k is not reduced. */
static int result_dim(Val v, int64_t k)
{
    int n = 0;

    for (int64_t j = 0; j < k; j++)
        n += !has_axis(v, j);
    return n;
}

/* Reducing over dims of size 1 only takes them out. */
static Val reduce_ones(Graph *g, Val v)
{
    int axes[RANK_MAX], n = 0;

    if (!is_reduce(v))
        return NULL;
    Shape s = v->src[0]->type.shape;
    for (int k = 0; k < v->attr.n; k++)
        if (s.dim[v->attr.i[k]] != 1)
            axes[n++] = (int)v->attr.i[k];
    if (n == v->attr.n)
        return NULL;
    return ir_reshape(g, ir_reduce(g, v->op, v->src[0], axes, n),
                      v->type.shape);
}

static Val reduce_ones_ex(Graph *g, Shape s)
{
    Val x = real_in(g, shape_of(3, (int64_t)1, (int64_t)3, (int64_t)4));

    (void)s;
    return ir_reduce(g, OP_sum, x, (int[]){0, 2}, 2);
}

/* sum(sum(x)) = sum(x) over the dims of both */
static Val reduce_reduce(Graph *g, Val v)
{
    int axes[RANK_MAX], n = 0;

    if (!is_reduce(v) || v->src[0]->op != v->op)
        return NULL;
    Val x = v->src[0];
    for (int k = 0; k < x->src[0]->type.shape.rank; k++)
        if (has_axis(x, k) || has_axis(v, result_dim(x, k)))
            axes[n++] = k;
    return ir_reduce(g, v->op, x->src[0], axes, n);
}

static Val reduce_reduce_ex(Graph *g, Shape s)
{
    Val x = real_in(g, shape_of(3, (int64_t)2, (int64_t)3, (int64_t)4));

    (void)s;
    x = ir_reduce(g, OP_sum, x, (int[]){1}, 1);
    return ir_reduce(g, OP_sum, x, (int[]){1}, 1);
}

/* sum(transpose(x)) = transpose(sum(x)) */
static Val reduce_transpose(Graph *g, Val v)
{
    int axes[RANK_MAX], perm[RANK_MAX], n = 0;

    if (!is_reduce(v) || v->src[0]->op != OP_transpose)
        return NULL;
    Val t = v->src[0];
    for (int k = 0; k < v->attr.n; k++)
        axes[k] = (int)t->attr.i[v->attr.i[k]];
    Val sum = ir_reduce(g, v->op, t->src[0], axes, v->attr.n);
    for (int k = 0; k < t->attr.n; k++)
        if (!has_axis(v, k))
            perm[n++] = result_dim(sum, t->attr.i[k]);
    return ir_transpose(g, sum, perm);
}

static Val reduce_transpose_ex(Graph *g, Shape s)
{
    Val x = real_in(g, shape_of(3, (int64_t)2, (int64_t)3, (int64_t)4));

    (void)s;
    x = ir_transpose(g, x, (int[]){2, 0, 1});
    return ir_reduce(g, OP_sum, x, (int[]){1}, 1);
}

/* sum(reshape(x)) = sum(x) over everything */
static Val reduce_reshape(Graph *g, Val v)
{
    if (!is_reduce(v) || v->src[0]->op != OP_reshape || v->type.shape.rank)
        return NULL;
    return ir_reduce_all(g, v->op, v->src[0]->src[0]);
}

static Val reduce_reshape_ex(Graph *g, Shape s)
{
    Val x = ir_reshape(g, real_in(g, s), shape_of(1, shape_size(s)));

    return ir_reduce_all(g, OP_sum, x);
}

/* sum over copies = n times; max over copies = the value */
static Val reduce_broadcast(Graph *g, Val v)
{
    int axes[RANK_MAX], place[RANK_MAX], naxes = 0, n = 0;
    double copies = 1;

    if (!is_reduce(v) || v->src[0]->op != OP_broadcast)
        return NULL;
    Val b = v->src[0], x = b->src[0];
    const int64_t *at = b->attr.i + b->type.shape.rank;
    for (int k = 0; k < v->attr.n; k++)
        copies *= (double)b->type.shape.dim[v->attr.i[k]];
    for (int s = 0; s < x->type.shape.rank; s++) {
        if (has_axis(v, at[s])) {
            axes[naxes++] = s;
            copies /= (double)x->type.shape.dim[s];
        } else {
            place[n++] = result_dim(v, at[s]);
        }
    }
    Val to = ir_reduce(g, v->op, x, axes, naxes);
    if (v->op == OP_sum)
        to = ir_mul(g, to, ir_like(g, to, copies));
    return ir_broadcast(g, to, v->type.shape, place);
}

static Val reduce_broadcast_ex(Graph *g, Shape s)
{
    Val x = real_in(g, shape_of(2, (int64_t)3, (int64_t)4));

    (void)s;
    x = ir_broadcast(g, x, shape_of(4, (int64_t)2, (int64_t)3, (int64_t)5,
                                    (int64_t)4), (int[]){1, 3});
    return ir_reduce(g, OP_sum, x, (int[]){0, 1}, 2);
}

/* sum(-x) = -sum(x) */
static Val sum_neg(Graph *g, Val v)
{
    Val x = v->src[0];

    if (x->op != OP_neg)
        return NULL;
    return ir_neg(g, ir_node(g, OP_sum, &v->attr, x->src, 1));
}

static Val sum_neg_ex(Graph *g, Shape s)
{
    return ir_reduce(g, OP_sum, ir_neg(g, real_in(g, s)), (int[]){0}, 1);
}

/* sum(x * c) = sum(x) * c for a constant c */
static Val sum_scaled(Graph *g, Val v)
{
    Val x = v->src[0];
    double c;

    if (x->op != OP_mul || !is_fill(x->src[1], &c) ||
        !dtype_real(v->type.dt))
        return NULL;
    Val sum = ir_node(g, OP_sum, &v->attr, x->src, 1);
    return ir_mul(g, sum, ir_like(g, sum, c));
}

static Val sum_scaled_ex(Graph *g, Shape s)
{
    Val x = real_in(g, s);

    return ir_reduce(g, OP_sum, ir_mul(g, x, ir_like(g, x, 0.3)),
                     (int[]){1}, 1);
}

/* sum(batch_sum(x)) = batch_sum(sum(x)): each example reduces what it has */
static Val sum_batch_sum(Graph *g, Val v)
{
    Val b = v->src[0];

    if (b->op != OP_batch_sum)
        return NULL;
    return ir_op1(g, OP_batch_sum, ir_node(g, OP_sum, &v->attr, b->src, 1));
}

static Val sum_batch_sum_ex(Graph *g, Shape s)
{
    return ir_reduce_all(g, OP_sum,
                         ir_op1(g, OP_batch_sum, real_in(g, s)));
}

const Rule rules_reduce[] = {
    RULE_FN("reduce-ones", RULE_EXACT, OP_COUNT, reduce_ones,
            "sum(x) -> reshape(x)", reduce_ones_ex),
    RULE_FN("reduce-broadcast", RULE_ROUND, OP_COUNT, reduce_broadcast,
            "sum(broadcast(x)) -> mul(sum(x), n)", reduce_broadcast_ex),
    RULE_FN("reduce-reduce", RULE_ROUND, OP_COUNT, reduce_reduce,
            "sum(sum(x)) -> sum(x)", reduce_reduce_ex),
    RULE_FN("reduce-transpose", RULE_ROUND, OP_COUNT, reduce_transpose,
            "sum(transpose(x)) -> transpose(sum(x))", reduce_transpose_ex),
    RULE_FN("reduce-reshape", RULE_ROUND, OP_COUNT, reduce_reshape,
            "sum(reshape(x)) -> sum(x)", reduce_reshape_ex),
    RULE_FN("sum-neg", RULE_EXACT, OP_sum, sum_neg,
            "sum(neg(x)) -> neg(sum(x))", sum_neg_ex),
    RULE_FN("sum-batch-sum", RULE_ROUND, OP_sum, sum_batch_sum,
            "sum(batch_sum(x)) -> batch_sum(sum(x))", sum_batch_sum_ex),
    RULE_FN("sum-scaled", RULE_ROUND, OP_sum, sum_scaled,
            "sum(mul(x, 1)) -> mul(sum(x), 1)", sum_scaled_ex),
    RULE_END,
};
