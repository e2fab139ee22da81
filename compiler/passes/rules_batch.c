/*
 * rules_batch.c -- sums over the examples move inwards to where they meet a
 * contraction, which then sums over the examples itself: a weight gradient is
 * one matrix product, not one for each example.
 */
#include "passes/rewrite.h"

static Val batched_in(Graph *g, int k, Shape s)
{
    return ir_input(g, INPUT_FIELD, internf("x%d", k),
                    type_of(DT_f64, true, s));
}

static Val shared_in(Graph *g, int k, Shape s)
{
    return ir_input(g, INPUT_VAR, internf("x%d", k),
                    type_of(DT_f64, false, s));
}

static Val batch_sum(Graph *g, Val v)
{
    return ir_op1(g, OP_batch_sum, v);
}

/* batch_sum(spread(x)) = x * batch_size */
static Val sum_spread(Graph *g, Val v)
{
    Val x = v->src[0];

    if (x->op != OP_spread)
        return NULL;
    Val n = ir_cast(g, ir_node(g, OP_batch_size, NULL, NULL, 0), v->type.dt);
    return ir_mul(g, x->src[0], scalar_fill(g, n, v->type));
}

static Val sum_spread_ex(Graph *g, Shape s)
{
    return batch_sum(g, ir_spread(g, shared_in(g, 0, s)));
}

/* batch_sum(dot(x, y)) = dot(x, y) summed over the examples */
static Val sum_dot(Graph *g, Val v)
{
    Val p = v->src[0];

    if (p->op != OP_dot)
        return NULL;

    Val x = p->src[0], y = p->src[1];
    DotDims d = ir_dot_dims(p);
    if (x->type.batched && y->type.batched) {
        d.sum_batch = true;
        return ir_dot(g, x, y, &d);
    }
    return ir_dot(g, x->type.batched ? batch_sum(g, x) : x,
                  y->type.batched ? batch_sum(g, y) : y, &d);
}

static Val sum_dot_ex(Graph *g, Shape s)
{
    DotDims d = {.ncontract = 1, .cx = {1}, .cy = {0}};

    (void)s;
    return batch_sum(g, ir_dot(g, batched_in(g, 0, shape_of(2, (int64_t)2,
                                                            (int64_t)3)),
                               batched_in(g, 1, shape_of(1, (int64_t)3)),
                               &d));
}

/* dot(spread(x), y) summed over the examples = dot(x, batch_sum(y)) */
static Val dot_spread(Graph *g, Val v)
{
    Val x = v->src[0], y = v->src[1];
    DotDims d = ir_dot_dims(v);

    if (!d.sum_batch)
        return NULL;
    d.sum_batch = false;
    if (x->op == OP_spread)
        return ir_dot(g, x->src[0], batch_sum(g, y), &d);
    if (y->op == OP_spread)
        return ir_dot(g, batch_sum(g, x), y->src[0], &d);
    return NULL;
}

static Val dot_spread_ex(Graph *g, Shape s)
{
    DotDims d = {.ncontract = 1, .sum_batch = true};

    (void)s;
    return ir_dot(g, ir_spread(g, shared_in(g, 0, shape_of(1, (int64_t)3))),
                  batched_in(g, 1, shape_of(2, (int64_t)3, (int64_t)2)), &d);
}

/* batch_sum(m(x)) = m(batch_sum(x)) for a movement that is linear */
static Val sum_moved(Graph *g, Val v)
{
    Val m = v->src[0];

    switch (m->op) {
    case OP_transpose: case OP_reshape: case OP_broadcast: case OP_reverse:
    case OP_neg: {
        Val x = batch_sum(g, m->src[0]);
        return ir_node(g, m->op, &m->attr, &x, 1);
    }
    default:
        return NULL;
    }
}

static Val sum_moved_ex(Graph *g, Shape s)
{
    return batch_sum(g, ir_reshape(g, batched_in(g, 0, s),
                                   shape_of(1, shape_size(s))));
}

/* batch_sum(x * s) = batch_sum(x) * s for a shared s; likewise x / s */
static Val sum_scaled(Graph *g, Val v)
{
    Val m = v->src[0], x, s;

    if ((m->op != OP_mul && m->op != OP_div) || !dtype_real(v->type.dt))
        return NULL;
    x = m->src[0];
    s = m->src[1];
    if (m->op == OP_mul && !x->type.batched) {
        x = m->src[1];
        s = m->src[0];
    }
    if (s->type.batched || !x->type.batched)
        return NULL;
    return ir_op2(g, m->op, batch_sum(g, x), s);
}

static Val sum_scaled_ex(Graph *g, Shape s)
{
    return batch_sum(g, ir_mul(g, batched_in(g, 0, s), shared_in(g, 1, s)));
}

/*
 * batch_sum(broadcast(x) * broadcast(y)) = an outer product summed over the
 * examples, where each dim of the result is a dim of x or of y but not both
 */
static Val sum_outer(Graph *g, Val v)
{
    Val m = v->src[0];
    DotDims d = {.sum_batch = true};
    int perm[RANK_MAX], n = 0;

    if (m->op != OP_mul)
        return NULL;
    for (int k = 0; k < RANK_MAX; k++)
        perm[k] = -1;
    for (int k = 0; k < 2; k++) {
        Val b = m->src[k];
        if (b->op != OP_broadcast || !b->type.batched)
            return NULL;
        for (int s = 0; s < b->src[0]->type.shape.rank; s++) {
            int64_t at = b->attr.i[b->type.shape.rank + s];
            if (perm[at] >= 0 ||
                b->src[0]->type.shape.dim[s] != v->type.shape.dim[at])
                return NULL;
            perm[at] = n++;
        }
    }
    if (n != v->type.shape.rank)
        return NULL;
    return ir_transpose(g, ir_dot(g, m->src[0]->src[0], m->src[1]->src[0],
                                  &d), perm);
}

static Val sum_outer_ex(Graph *g, Shape s)
{
    Shape row = shape_of(1, s.dim[1]), col = shape_of(1, s.dim[0]);
    Val x = batched_in(g, 0, row), y = batched_in(g, 1, col);

    s.rank = 2;
    x = ir_broadcast(g, x, s, (int[]){1});
    y = ir_broadcast(g, y, s, (int[]){0});
    return batch_sum(g, ir_mul(g, x, y));
}

/* batch_max(spread(x)) = x */
static Val max_spread(Graph *g, Val v)
{
    (void)g;
    return v->src[0]->op == OP_spread ? v->src[0]->src[0] : NULL;
}

static Val max_spread_ex(Graph *g, Shape s)
{
    return ir_op1(g, OP_batch_max, ir_spread(g, shared_in(g, 0, s)));
}

const Rule rules_batch[] = {
    RULE_FN("batch-sum-spread", RULE_ROUND, OP_batch_sum, sum_spread,
            "batch_sum(spread(x)) -> mul(x, batch_size)", sum_spread_ex),
    RULE_FN("batch-sum-dot", RULE_ROUND, OP_batch_sum, sum_dot,
            "batch_sum(dot(x, y)) -> dot(x, y)", sum_dot_ex),
    RULE_FN("dot-spread", RULE_ROUND, OP_dot, dot_spread,
            "dot(spread(x), y) -> dot(x, batch_sum(y))", dot_spread_ex),
    RULE_FN("batch-sum-outer", RULE_ROUND, OP_batch_sum, sum_outer,
            "batch_sum(mul(broadcast(x), broadcast(y))) -> dot(x, y)",
            sum_outer_ex),
    RULE_FN("batch-sum-moved", RULE_EXACT, OP_batch_sum, sum_moved,
            "batch_sum(reshape(x)) -> reshape(batch_sum(x))", sum_moved_ex),
    RULE_FN("batch-sum-scaled", RULE_ROUND, OP_batch_sum, sum_scaled,
            "batch_sum(mul(x, y)) -> mul(batch_sum(x), y)", sum_scaled_ex),
    RULE_FN("batch-max-spread", RULE_EXACT, OP_batch_max, max_spread,
            "batch_max(spread(x)) -> x", max_spread_ex),
    RULE_END,
};
