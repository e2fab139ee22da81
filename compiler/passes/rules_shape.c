/*
 * rules_shape.c -- movement ops among themselves and elementwise ops on copied
 * values. Broadcasts and spreads sink towards the results, so that less is
 * computed; equal neighbours merge; what moves nothing disappears. All are
 * exact: no arithmetic changes.
 */
#include "passes/rewrite.h"

#define SHAPE(name, op, fn, text, example) \
    RULE_FN(name, RULE_EXACT, OP_##op, fn, text, example)

static Val real_in(Graph *g, int k, bool batched, Shape s)
{
    return ir_input(g, batched ? INPUT_FIELD : INPUT_VAR, internf("x%d", k),
                    type_of(DT_f64, batched, s));
}

static Shape dims4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return shape_of(4, a, b, c, d);
}

/* ---- transpose ---- */

/* transpose(transpose(x, p), q) = transpose(x, p[q]) */
static Val transpose_transpose(Graph *g, Val v)
{
    Val x = v->src[0];
    int perm[RANK_MAX];

    if (x->op != OP_transpose)
        return NULL;
    for (int k = 0; k < v->attr.n; k++)
        perm[k] = (int)x->attr.i[v->attr.i[k]];
    return ir_transpose(g, x->src[0], perm);
}

static Val transpose_transpose_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, dims4(2, 3, 1, 4));

    (void)s;
    x = ir_transpose(g, x, (int[]){1, 2, 3, 0});
    return ir_transpose(g, x, (int[]){2, 0, 1, 3});
}

/* A transpose that only moves dims of size 1 is a reshape. */
static Val transpose_ones(Graph *g, Val v)
{
    Shape s = v->src[0]->type.shape;
    int64_t last = -1;

    for (int k = 0; k < v->attr.n; k++) {
        if (s.dim[v->attr.i[k]] == 1)
            continue;
        if (v->attr.i[k] < last)
            return NULL;
        last = v->attr.i[k];
    }
    return ir_reshape(g, v->src[0], v->type.shape);
}

static Val transpose_ones_ex(Graph *g, Shape s)
{
    (void)s;
    return ir_transpose(g, real_in(g, 0, true, dims4(1, 3, 4, 1)),
                        (int[]){1, 3, 2, 0});
}

/* transpose(broadcast(x)) = broadcast(transpose(x)) */
static Val transpose_broadcast(Graph *g, Val v)
{
    Val b = v->src[0];

    if (b->op != OP_broadcast)
        return NULL;

    Val x = b->src[0];
    const int64_t *place = b->attr.i + b->type.shape.rank;
    int perm[RANK_MAX], to[RANK_MAX], n = 0;
    for (int k = 0; k < v->attr.n; k++)
        for (int s = 0; s < x->type.shape.rank; s++)
            if (place[s] == v->attr.i[k]) {
                perm[n] = s;
                to[n++] = k;
            }
    return ir_broadcast(g, ir_transpose(g, x, perm), v->type.shape, to);
}

static Val transpose_broadcast_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(2, (int64_t)3, (int64_t)4));

    (void)s;
    x = ir_broadcast(g, x, dims4(3, 2, 4, 5), (int[]){0, 2});
    return ir_transpose(g, x, (int[]){2, 3, 1, 0});
}

/* ---- reshape ---- */

/* reshape(reshape(x)) = reshape(x) */
static Val reshape_reshape(Graph *g, Val v)
{
    Val x = v->src[0];

    return x->op == OP_reshape ? ir_reshape(g, x->src[0], v->type.shape)
                               : NULL;
}

static Val reshape_reshape_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, dims4(2, 3, 2, 2));

    (void)s;
    x = ir_reshape(g, x, shape_of(2, (int64_t)8, (int64_t)3));
    return ir_reshape(g, x, shape_of(2, (int64_t)6, (int64_t)4));
}

/* Dims of s that are not 1; returns how many. */
static int wide_dims(Shape s, int *out)
{
    int n = 0;

    for (int k = 0; k < s.rank; k++)
        if (s.dim[k] != 1)
            out[n++] = k;
    return n;
}

static Shape without_ones(Shape s)
{
    Shape t = {0};

    for (int k = 0; k < s.rank; k++)
        if (s.dim[k] != 1)
            t.dim[t.rank++] = s.dim[k];
    return t;
}

/* reshape(broadcast(x)) = broadcast(reshape(x)) where the reshape only adds
 * or drops dims of size 1, or x is one element */
static Val reshape_broadcast(Graph *g, Val v)
{
    Val b = v->src[0], x = b->op == OP_broadcast ? b->src[0] : NULL;
    Shape from = b->type.shape, to = v->type.shape;
    int wide_from[RANK_MAX], wide_to[RANK_MAX], place[RANK_MAX], n = 0;

    if (!x)
        return NULL;
    if (shape_size(x->type.shape) == 1)
        return ir_broadcast(g, ir_reshape(g, x, shape_of(0)), to, NULL);
    if (!shape_eq(without_ones(from), without_ones(to)))
        return NULL;
    wide_dims(from, wide_from);
    int nwide = wide_dims(to, wide_to);
    for (int s = 0; s < x->type.shape.rank; s++)
        for (int k = 0; k < nwide; k++)
            if (x->type.shape.dim[s] != 1 &&
                b->attr.i[from.rank + s] == wide_from[k])
                place[n++] = wide_to[k];
    x = ir_reshape(g, x, without_ones(x->type.shape));
    return ir_broadcast(g, x, to, place);
}

static Val reshape_broadcast_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(2, (int64_t)3, (int64_t)1));

    (void)s;
    x = ir_broadcast(g, x, dims4(2, 1, 3, 4), (int[]){2, 3});
    return ir_reshape(g, x, shape_of(3, (int64_t)2, (int64_t)3, (int64_t)4));
}

/* ---- broadcast ---- */

/* broadcast(broadcast(x)) = broadcast(x) */
static Val broadcast_broadcast(Graph *g, Val v)
{
    Val b = v->src[0];
    int place[RANK_MAX];

    if (b->op != OP_broadcast)
        return NULL;
    for (int s = 0; s < b->src[0]->type.shape.rank; s++)
        place[s] = (int)v->attr.i[v->type.shape.rank +
                                  b->attr.i[b->type.shape.rank + s]];
    return ir_broadcast(g, b->src[0], v->type.shape, place);
}

static Val broadcast_broadcast_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(1, (int64_t)3));

    (void)s;
    x = ir_broadcast(g, x, shape_of(2, (int64_t)1, (int64_t)3), (int[]){1});
    return ir_broadcast(g, x, dims4(2, 5, 3, 4), (int[]){1, 2});
}

/* A broadcast names only dims it does not stretch. */
static Val broadcast_ones(Graph *g, Val v)
{
    Shape s = v->src[0]->type.shape, kept = {0}, to = v->type.shape;
    int place[RANK_MAX];

    for (int k = 0; k < s.rank; k++) {
        int64_t at = v->attr.i[to.rank + k];
        if (s.dim[k] == 1 && to.dim[at] != 1)
            continue;
        place[kept.rank] = (int)at;
        kept.dim[kept.rank++] = s.dim[k];
    }
    if (kept.rank == s.rank)
        return NULL;
    return ir_broadcast(g, ir_reshape(g, v->src[0], kept), to, place);
}

static Val broadcast_ones_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(2, (int64_t)1, (int64_t)3));

    (void)s;
    return ir_broadcast_to(g, x, shape_of(3, (int64_t)2, (int64_t)4,
                                          (int64_t)3));
}

/* A broadcast that copies nothing is a reshape. */
static Val broadcast_nothing(Graph *g, Val v)
{
    if (shape_size(v->type.shape) != shape_size(v->src[0]->type.shape) ||
        is_fill(v, NULL))
        return NULL;
    return ir_reshape(g, v->src[0], v->type.shape);
}

static Val broadcast_nothing_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(1, (int64_t)3));

    (void)s;
    return ir_broadcast(g, x, dims4(1, 1, 3, 1), (int[]){2});
}

/* ---- dot ---- */

/* Dims named by side `side` of dot d, in terms of the source of transpose t;
 * false if the free dims would change places. */
static bool rename_dims(DotDims *d, int side, Val t)
{
    int *c = side ? d->cy : d->cx, *b = side ? d->by : d->bx;
    int64_t last = -1;

    for (int k = 0; k < t->attr.n; k++) {
        bool used = false;
        for (int i = 0; i < d->ncontract; i++)
            used = used || c[i] == k;
        for (int i = 0; i < d->nbatch; i++)
            used = used || b[i] == k;
        if (used)
            continue;
        if (t->attr.i[k] < last)
            return false;
        last = t->attr.i[k];
    }
    for (int i = 0; i < d->ncontract; i++)
        c[i] = (int)t->attr.i[c[i]];
    for (int i = 0; i < d->nbatch; i++)
        b[i] = (int)t->attr.i[b[i]];
    return true;
}

/* dot(transpose(x), y) = dot(x, y) with other dims named */
static Val dot_transpose(Graph *g, Val v)
{
    for (int side = 0; side < 2; side++) {
        DotDims d = ir_dot_dims(v);
        Val src[2] = {v->src[0], v->src[1]};
        if (src[side]->op != OP_transpose ||
            !rename_dims(&d, side, src[side]))
            continue;
        src[side] = src[side]->src[0];
        return ir_dot(g, src[0], src[1], &d);
    }
    return NULL;
}

static Val dot_transpose_ex(Graph *g, Shape s)
{
    DotDims d = {.ncontract = 1, .cx = {1}, .cy = {0}};
    Val x = real_in(g, 0, true, shape_of(2, (int64_t)3, (int64_t)2));

    (void)s;
    return ir_dot(g, ir_transpose(g, x, (int[]){1, 0}),
                  real_in(g, 1, true, shape_of(2, (int64_t)3, (int64_t)4)),
                  &d);
}

const Rule rules_shape[] = {
    SHAPE("transpose-transpose", transpose, transpose_transpose,
          "transpose(transpose(x)) -> transpose(x)", transpose_transpose_ex),
    SHAPE("transpose-ones", transpose, transpose_ones,
          "transpose(x) -> reshape(x)", transpose_ones_ex),
    SHAPE("transpose-broadcast", transpose, transpose_broadcast,
          "transpose(broadcast(x)) -> broadcast(transpose(x))",
          transpose_broadcast_ex),
    SHAPE("reshape-reshape", reshape, reshape_reshape,
          "reshape(reshape(x)) -> reshape(x)", reshape_reshape_ex),
    SHAPE("reshape-broadcast", reshape, reshape_broadcast,
          "reshape(broadcast(x)) -> broadcast(reshape(x))",
          reshape_broadcast_ex),
    SHAPE("broadcast-broadcast", broadcast, broadcast_broadcast,
          "broadcast(broadcast(x)) -> broadcast(x)", broadcast_broadcast_ex),
    SHAPE("broadcast-nothing", broadcast, broadcast_nothing,
          "broadcast(x) -> reshape(x)", broadcast_nothing_ex),
    SHAPE("broadcast-ones", broadcast, broadcast_ones,
          "broadcast(x) -> broadcast(reshape(x))", broadcast_ones_ex),
    RULE_FN("dot-transpose", RULE_ROUND, OP_dot, dot_transpose,
            "dot(transpose(x), y) -> dot(x, y)", dot_transpose_ex),
    RULE_END,
};
