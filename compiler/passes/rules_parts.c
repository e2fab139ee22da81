/*
 * rules_parts.c -- convolutions of values that are the same everywhere in some
 * channel: the time that an ODE's layers see as one channel more.
 *
 *     conv(concat(t, x), w) = conv(x, w[1..]) + t conv(ones, w[0])
 *
 * where the last factor depends on the weights alone, so it is computed once
 * for all examples and all steps of a solver. What goes back needs channels
 * of the gradient only that are read: slices move to the weights.
 */
#include "passes/rewrite.h"

enum { PARTS = 8 };

static Val input(Graph *g, int k, bool batched, Shape s)
{
    return ir_input(g, batched ? INPUT_FIELD : INPUT_VAR, internf("x%d", k),
                    type_of(DT_f64, batched, s));
}

/* The number that fills one channel [H, W, 1]; NULL if it is not one. */
static Val channel_number(Graph *g, Val x)
{
    double f;

    if (x->type.shape.rank != 3 || x->type.shape.dim[2] != 1)
        return NULL;
    if (is_fill(x, &f))
        return ir_const(g, x->type.dt, f);
    while (x->op == OP_spread)
        x = x->src[0];
    if (x->op != OP_broadcast || shape_size(x->src[0]->type.shape) != 1)
        return NULL;
    return ir_reshape(g, x->src[0], shape_of(0));
}

/* Places from .. to of dim `dim` of v. */
static Val part_of(Graph *g, Val v, int dim, int64_t from, int64_t to)
{
    int64_t start[RANK_MAX] = {0}, limit[RANK_MAX];

    for (int k = 0; k < v->type.shape.rank; k++)
        limit[k] = v->type.shape.dim[k];
    start[dim] = from;
    limit[dim] = to;
    return ir_slice(g, v, start, limit, NULL);
}

static Val joined(Graph *g, const Val *part, int n, int dim)
{
    return n == 1 ? part[0] : ir_concat(g, part, n, dim);
}

/* [H, W, 1] of ones like x. */
static Val ones_like(Graph *g, Val x)
{
    return ir_fill(g, x->type.dt, 1,
                   shape_of(3, x->type.shape.dim[0], x->type.shape.dim[1],
                            (int64_t)1));
}

static bool is_parts(Val x)
{
    return x->op == OP_concat && x->attr.i[0] == 2 && x->nsrc <= PARTS;
}

static Val conv_parts(Graph *g, Val v)
{
    Val x = v->src[0], w = v->src[1], rest[PARTS], weight[PARTS], sum = NULL;
    int64_t at = 0;
    int n = 0;

    if (!is_parts(x))
        return NULL;
    for (int k = 0; k < x->nsrc; k++) {
        int64_t to = at + x->src[k]->type.shape.dim[2];
        Val t = channel_number(g, x->src[k]);
        Val part = part_of(g, w, 2, at, to);

        at = to;
        if (t) {
            Val y = ir_conv(g, ones_like(g, x), part, ir_conv_dims(v));
            y = ir_mul(g, y, ir_broadcast(g, t, y->type.shape, NULL));
            sum = sum ? ir_add(g, sum, y) : y;
        } else {
            rest[n] = x->src[k];
            weight[n++] = part;
        }
    }
    if (!sum || !n)
        return NULL;
    return ir_add(g, ir_conv(g, joined(g, rest, n, 2), joined(g, weight, n, 2),
                             ir_conv_dims(v)), sum);
}

/* conv_dw(concat(t, x), y) = concat(conv_dw(ones, batch_sum(t y)),
 *                                   conv_dw(x, y)) */
static Val conv_dw_parts(Graph *g, Val v)
{
    Val x = v->src[0], y = v->src[1], part[PARTS];
    bool found = false;

    if (!is_parts(x))
        return NULL;
    for (int k = 0; k < x->nsrc; k++) {
        Val t = channel_number(g, x->src[k]), z = y, from = x->src[k];

        if (t) {
            z = ir_mul(g, y, ir_broadcast(g, t, y->type.shape, NULL));
            z = z->type.batched ? ir_op1(g, OP_batch_sum, z) : z;
            from = ones_like(g, x);
        } else if (from->type.batched != y->type.batched) {
            from = as_batched(g, from, true);
            z = as_batched(g, z, true);
        }
        found = found || t;
        part[k] = ir_conv_dw(g, from, z, ir_conv_dims(v), v->attr.i[6],
                             v->attr.i[7]);
    }
    return found ? ir_concat(g, part, x->nsrc, 2) : NULL;
}

/* A slice that keeps some channels of a convolution, all of each. */
static Val conv_sliced(Graph *g, Val v)
{
    Val c = v->src[0], w;
    const int64_t *a = v->attr.i;

    if (c->op != OP_conv || a[2] != 1 || a[5] != 1 || a[8] != 1 || a[0] ||
        a[3] || a[1] != c->type.shape.dim[0] || a[4] != c->type.shape.dim[1])
        return NULL;
    w = part_of(g, c->src[1], 3, a[6], a[7]);
    return ir_conv(g, c->src[0], w, ir_conv_dims(c));
}

static Val timed(Graph *g)
{
    Val t = input(g, 3, false, shape_of(0));
    Shape image = shape_of(3, (int64_t)4, (int64_t)3, (int64_t)1);
    Val x[3];

    x[0] = ir_broadcast(g, t, image, NULL);
    image.dim[2] = 2;
    x[1] = input(g, 0, true, image);
    image.dim[2] = 1;
    x[2] = input(g, 1, true, image);
    return ir_concat(g, x, 3, 2);
}

static Val conv_parts_ex(Graph *g, Shape s)
{
    Shape w = shape_of(4, (int64_t)3, (int64_t)2, (int64_t)4, (int64_t)3);

    (void)s;
    return ir_conv(g, timed(g), input(g, 2, false, w),
                   (ConvDims){2, 1, 1, 0, 0, 2});
}

static Val conv_dw_parts_ex(Graph *g, Shape s)
{
    Shape y = shape_of(3, (int64_t)2, (int64_t)4, (int64_t)3);

    (void)s;
    return ir_conv_dw(g, timed(g), input(g, 2, true, y),
                      (ConvDims){2, 1, 1, 0, 0, 2}, 3, 2);
}

static Val conv_sliced_ex(Graph *g, Shape s)
{
    Shape x = shape_of(3, (int64_t)4, (int64_t)3, (int64_t)2);
    Shape w = shape_of(4, (int64_t)3, (int64_t)2, (int64_t)2, (int64_t)5);
    Val y = ir_conv(g, input(g, 0, true, x), input(g, 1, false, w),
                    (ConvDims){1, 1, 1, 1, 0, 1});

    (void)s;
    return part_of(g, y, 2, 1, 4);
}

const Rule rules_parts[] = {
    RULE_FN("conv-parts", RULE_ROUND, OP_conv, conv_parts,
            "conv(concat(t, x), w) -> add(conv(x, w), mul(conv(1, w), t))",
            conv_parts_ex),
    RULE_FN("conv-dw-parts", RULE_ROUND, OP_conv_dw, conv_dw_parts,
            "conv_dw(concat(t, x), y) -> "
            "concat(conv_dw(1, batch_sum(mul(y, t))), conv_dw(x, y))",
            conv_dw_parts_ex),
    RULE_FN("conv-sliced", RULE_ROUND, OP_slice, conv_sliced,
            "slice(conv(x, w)) -> conv(x, slice(w))", conv_sliced_ex),
    RULE_END,
};
