/*
 * rules_copy.c -- copies sink towards the results: what is computed of a
 * shared or broadcast value is computed once and copied afterwards. Reshapes
 * sink through elementwise ops, too. Nothing about the arithmetic changes.
 */
#include "passes/rewrite.h"

#include <string.h>

enum { SOURCES = 16 };

/* Ops that do not mean the same with a source shared by all examples. */
static bool needs_examples(Val v)
{
    switch (v->op) {
    case OP_loop: case OP_proj: case OP_put: case OP_conv_dw: case OP_spread:
    case OP_batch_sum: case OP_batch_max: case OP_grad:
        return true;
    case OP_dot:
        return ir_dot_dims(v).sum_batch;
    default:
        return op_info[v->op].attr == ATTR_RAND;
    }
}

/* f(spread(x), y) = f(x, y), spread if nothing else is per example */
static Val drop_spread(Graph *g, Val v)
{
    Val src[SOURCES];
    bool found = false;

    if (v->nsrc < 1 || v->nsrc > SOURCES || needs_examples(v))
        return NULL;
    for (int k = 0; k < v->nsrc; k++) {
        bool is = v->src[k]->op == OP_spread;
        src[k] = is ? v->src[k]->src[0] : v->src[k];
        found = found || is;
    }
    return found ? ir_node(g, v->op, &v->attr, src, v->nsrc) : NULL;
}

static Val drop_spread_ex(Graph *g, Shape s)
{
    Val x = ir_input(g, INPUT_VAR, "x0", type_of(DT_f64, false, s));

    return ir_exp(g, ir_spread(g, x));
}

static bool same_attr(const Attr *a, const Attr *b)
{
    return a->n == b->n &&
           !memcmp(a->i, b->i, (size_t)a->n * sizeof a->i[0]);
}

/* f(m(x), m(y), fill) = m(f(x, y, fill)) for one movement m */
static Val sink(Graph *g, Val v, Op move)
{
    Val src[SOURCES], lead = NULL;

    if (!is_elementwise(v->op) || v->nsrc > SOURCES)
        return NULL;
    for (int k = 0; k < v->nsrc; k++) {
        Val x = v->src[k];
        if (is_fill(x, NULL))
            continue;
        if (x->op != move)
            return NULL;
        if (lead && (!same_attr(&x->attr, &lead->attr) ||
                     !shape_eq(x->src[0]->type.shape,
                               lead->src[0]->type.shape)))
            return NULL;
        lead = lead ? lead : x;
    }
    if (!lead)
        return NULL;
    for (int k = 0; k < v->nsrc; k++) {
        double f;
        src[k] = is_fill(v->src[k], &f)
                     ? ir_fill(g, v->src[k]->type.dt, f,
                               lead->src[0]->type.shape)
                     : v->src[k]->src[0];
    }
    Val x = ir_node(g, v->op, &v->attr, src, v->nsrc);
    return ir_node(g, move, &lead->attr, &x, 1);
}

static Val sink_broadcast(Graph *g, Val v)
{
    return sink(g, v, OP_broadcast);
}

static Val sink_broadcast_ex(Graph *g, Shape s)
{
    Shape row = shape_of(1, s.dim[s.rank - 1]);
    Val x = ir_input(g, INPUT_VAR, "x0", type_of(DT_f64, false, row));
    Val y = ir_input(g, INPUT_FIELD, "x1", type_of(DT_f64, true, row));

    x = ir_broadcast_to(g, x, s);
    y = ir_broadcast_to(g, y, s);
    return ir_select(g, ir_lt(g, x, y), ir_mul(g, x, y), ir_like(g, x, 2));
}

static Val sink_reshape(Graph *g, Val v)
{
    return sink(g, v, OP_reshape);
}

static Val sink_reshape_ex(Graph *g, Shape s)
{
    Shape flat = shape_of(1, shape_size(s));
    Val x = ir_input(g, INPUT_FIELD, "x0", type_of(DT_f64, true, s));

    x = ir_reshape(g, x, flat);
    return ir_mul(g, x, ir_like(g, x, 3));
}

/* Sums of what is turned alike: the gradient of a weight used in several
 * places is turned to the weight's order once, not place by place. */
static Val sink_transpose(Graph *g, Val v)
{
    if (v->nsrc != 2 || v->src[0]->op != OP_transpose ||
        v->src[1]->op != OP_transpose)
        return NULL;
    return sink(g, v, OP_transpose);
}

static Val turned_alike(Graph *g, Op op, Shape s)
{
    Val x = ir_input(g, INPUT_VAR, "x0", type_of(DT_f64, false, s));
    Val y = ir_input(g, INPUT_FIELD, "x1", type_of(DT_f64, true, s));
    int perm[RANK_MAX];

    for (int k = 0; k < s.rank; k++)
        perm[k] = s.rank - 1 - k;
    return ir_op2(g, op, ir_transpose(g, x, perm), ir_transpose(g, y, perm));
}

static Val sink_transpose_add_ex(Graph *g, Shape s)
{
    return turned_alike(g, OP_add, s);
}

static Val sink_transpose_sub_ex(Graph *g, Shape s)
{
    return turned_alike(g, OP_sub, s);
}

const Rule rules_copy[] = {
    RULE_FN("drop-spread", RULE_EXACT, OP_COUNT, drop_spread,
            "f(spread(x)) -> spread(f(x))", drop_spread_ex),
    RULE_FN("sink-broadcast", RULE_EXACT, OP_COUNT, sink_broadcast,
            "f(broadcast(x)) -> broadcast(f(x))", sink_broadcast_ex),
    RULE_FN("sink-transpose-add", RULE_EXACT, OP_add, sink_transpose,
            "add(transpose(x), transpose(y)) -> transpose(add(x, y))",
            sink_transpose_add_ex),
    RULE_FN("sink-transpose-sub", RULE_EXACT, OP_sub, sink_transpose,
            "sub(transpose(x), transpose(y)) -> transpose(sub(x, y))",
            sink_transpose_sub_ex),
    RULE_FN("sink-reshape", RULE_EXACT, OP_COUNT, sink_reshape,
            "f(reshape(x)) -> reshape(f(x))", sink_reshape_ex),
    RULE_END,
};
