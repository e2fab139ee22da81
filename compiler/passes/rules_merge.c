/*
 * rules_merge.c -- reshapes that merge or split dims, as in group norm, where
 * [C, H, W] becomes [groups, n] and back.
 *
 * Two shapes of one size have a common refinement if the ends of their dims
 * lie at common multiples: [16, 32, 32] and [8, 2048] are both [8, 2, 32, 32]
 * with some neighbours joined. Through it a reduction or a copy along the dims
 * of one shape is one along dims of the other, with a small step for a dim
 * that takes part by half. So the merged shape disappears from the large
 * values, and with it the order it would force them to be stored in.
 */
#include "passes/rewrite.h"

#include <string.h>

enum { FINE_MAX = 2 * RANK_MAX, SOURCES = 16 };

typedef struct Fine { // dims of the common refinement, none of them 1
    int n;
    int64_t dim[FINE_MAX];
    int a[FINE_MAX], b[FINE_MAX]; // whose part it is in either shape
} Fine;

/* From the last dims: the smaller of what is left must divide the larger. */
static bool refine(Shape a, Shape b, Fine *f)
{
    int i = a.rank, j = b.rank;
    int64_t x = 1, y = 1;
    Fine t = {0};

    for (;;) {
        while (x == 1 && i > 0)
            x = a.dim[--i];
        while (y == 1 && j > 0)
            y = b.dim[--j];
        if (x == 1 && y == 1)
            break;
        int64_t d = x < y ? x : y;
        if (d <= 1 || x % d || y % d || t.n == FINE_MAX)
            return false;
        t.dim[t.n] = d;
        t.a[t.n] = i;
        t.b[t.n++] = j;
        x /= d;
        y /= d;
    }
    f->n = t.n;
    for (int k = 0; k < t.n; k++) {
        f->dim[k] = t.dim[t.n - 1 - k];
        f->a[k] = t.a[t.n - 1 - k];
        f->b[k] = t.b[t.n - 1 - k];
    }
    return true;
}

static bool has_axis(Val v, int64_t axis)
{
    for (int k = 0; k < v->attr.n; k++)
        if (v->attr.i[k] == axis)
            return true;
    return false;
}

/* ---- reductions ---- */

/* Dims of the source that are reduced whole; returns how many. */
static int whole_dims(Val v, const Fine *f, Shape from, int *axes)
{
    int n = 0;

    for (int d = 0; d < from.rank; d++) {
        bool whole = from.dim[d] != 1;
        for (int k = 0; k < f->n; k++)
            whole = whole && (f->a[k] != d || has_axis(v, f->b[k]));
        if (whole)
            axes[n++] = d;
    }
    return n;
}

/* sum(reshape(x)) = sum(reshape(sum(x))): first over dims of x that go whole,
 * then over the parts of what is left. */
static Val reduce_merged(Graph *g, Val v)
{
    Val r = v->nsrc ? v->src[0] : NULL, x;
    int axes[RANK_MAX], rest[RANK_MAX], n, nrest = 0;
    Shape mid = {0};
    Fine f;

    if ((v->op != OP_sum && v->op != OP_max_reduce &&
         v->op != OP_min_reduce) || r->op != OP_reshape)
        return NULL;
    x = r->src[0];
    if (!refine(x->type.shape, r->type.shape, &f))
        return NULL;
    n = whole_dims(v, &f, x->type.shape, axes);
    if (!n)
        return NULL;
    for (int k = 0; k < f.n; k++) {
        bool gone = false;
        for (int i = 0; i < n; i++)
            gone = gone || axes[i] == f.a[k];
        if (gone)
            continue;
        if (mid.rank == RANK_MAX)
            return NULL;
        if (has_axis(v, f.b[k]))
            rest[nrest++] = mid.rank;
        mid.dim[mid.rank++] = f.dim[k];
    }
    x = ir_reduce(g, v->op, x, axes, n);
    if (nrest)
        x = ir_reduce(g, v->op, ir_reshape(g, x, mid), rest, nrest);
    return ir_reshape(g, x, v->type.shape);
}

static Val batched_in(Graph *g, int k, Shape s)
{
    return ir_input(g, INPUT_FIELD, internf("x%d", k),
                    type_of(DT_f64, true, s));
}

static Val reduce_merged_ex(Graph *g, Shape s)
{
    Val x = batched_in(g, 0, shape_of(3, (int64_t)4, (int64_t)3, (int64_t)2));

    (void)s;
    x = ir_reshape(g, x, shape_of(2, (int64_t)2, (int64_t)12));
    return ir_reduce(g, OP_sum, x, (int[]){1}, 1);
}

/* ---- copies ---- */

/* Which dims of the refinement are there before the copies of b. */
static bool copied_from(Val b, const Fine *f, bool *there)
{
    Val x = b->src[0];
    const int64_t *at = b->attr.i + b->type.shape.rank;

    memset(there, 0, sizeof(bool) * FINE_MAX);
    for (int s = 0; s < x->type.shape.rank; s++) {
        if (x->type.shape.dim[s] != b->type.shape.dim[at[s]] ||
            (s > 0 && at[s] <= at[s - 1]))
            return false;
        for (int k = 0; k < f->n; k++)
            there[k] = there[k] || f->a[k] == at[s];
    }
    return true;
}

/* reshape(b, to) for a broadcast b as a broadcast of something smaller than
 * `to`; NULL if there is none. A dim of `to` with a part that was copied and
 * one that was not is filled by copies first. */
static Val copied_as(Graph *g, Val b, Shape to)
{
    Shape parts = {0}, filled = {0}, kept = {0};
    int place[RANK_MAX], last[RANK_MAX], n = 0;
    bool there[FINE_MAX];
    Fine f;

    if (!refine(b->type.shape, to, &f) || !copied_from(b, &f, there))
        return NULL;
    for (int d = 0; d < to.rank; d++) {
        bool any = false;
        for (int k = 0; k < f.n; k++)
            any = any || (f.b[k] == d && there[k]);
        if (!any)
            continue;
        last[kept.rank] = d;
        kept.dim[kept.rank++] = to.dim[d];
        for (int k = 0; k < f.n; k++) {
            if (f.b[k] != d)
                continue;
            if (filled.rank == RANK_MAX)
                return NULL;
            if (there[k]) {
                place[n++] = filled.rank;
                parts.dim[parts.rank++] = f.dim[k];
            }
            filled.dim[filled.rank++] = f.dim[k];
        }
    }
    if (shape_size(kept) == shape_size(to))
        return NULL;
    b = ir_reshape(g, b->src[0], parts);
    if (!shape_eq(parts, filled))
        b = ir_broadcast(g, b, filled, place);
    return ir_broadcast(g, ir_reshape(g, b, kept), to, last);
}

static Val reshape_copied(Graph *g, Val v)
{
    return v->src[0]->op == OP_broadcast
               ? copied_as(g, v->src[0], v->type.shape)
               : NULL;
}

static Val reshape_copied_ex(Graph *g, Shape s)
{
    Val x = batched_in(g, 0, shape_of(1, (int64_t)2));

    (void)s;
    x = ir_broadcast(g, x, shape_of(2, (int64_t)2, (int64_t)12), (int[]){0});
    return ir_reshape(g, x, shape_of(3, (int64_t)4, (int64_t)3, (int64_t)2));
}

/* One source of f in the shape `from` that reshapes give it; NULL: no way. */
static Val unmerged(Graph *g, Val x, Val lead)
{
    Shape from = lead->src[0]->type.shape;
    double c;

    if (is_fill(x, &c))
        return ir_fill(g, x->type.dt, c, from);
    if (x->op == OP_reshape)
        return shape_eq(x->src[0]->type.shape, from) ? x->src[0] : NULL;
    if (x->op == OP_broadcast)
        return copied_as(g, x, from);
    return !x->type.batched && lead->type.batched ? ir_reshape(g, x, from)
                                                  : NULL;
}

/* f(reshape(x), broadcast(y)) = reshape(f(x, broadcast'(y))) */
static Val sink_merged(Graph *g, Val v)
{
    Val src[SOURCES], lead = NULL;

    if (!is_elementwise(v->op) || v->nsrc > SOURCES)
        return NULL;
    for (int k = 0; k < v->nsrc && !lead; k++)
        if (v->src[k]->op == OP_reshape && v->src[k]->type.batched)
            lead = v->src[k];
    for (int k = 0; lead && k < v->nsrc; k++) {
        src[k] = unmerged(g, v->src[k], lead);
        if (!src[k])
            return NULL;
    }
    if (!lead)
        return NULL;
    return ir_reshape(g, ir_node(g, v->op, &v->attr, src, v->nsrc),
                      v->type.shape);
}

static Val sink_merged_ex(Graph *g, Shape s)
{
    Shape to = shape_of(2, (int64_t)2, (int64_t)12);
    Val x = batched_in(g, 0, shape_of(3, (int64_t)4, (int64_t)3, (int64_t)2));
    Val y = batched_in(g, 1, shape_of(1, (int64_t)2));

    (void)s;
    return ir_sub(g, ir_reshape(g, x, to),
                  ir_broadcast(g, y, to, (int[]){0}));
}

const Rule rules_merge[] = {
    RULE_FN("reduce-merged", RULE_ROUND, OP_COUNT, reduce_merged,
            "sum(reshape(x)) -> reshape(sum(reshape(sum(x))))",
            reduce_merged_ex),
    RULE_FN("reshape-copied", RULE_EXACT, OP_reshape, reshape_copied,
            "reshape(broadcast(x)) -> broadcast(reshape(broadcast(x)))",
            reshape_copied_ex),
    RULE_FN("sink-merged", RULE_EXACT, OP_COUNT, sink_merged,
            "f(reshape(x), broadcast(y)) -> reshape(f(x, broadcast(y)))",
            sink_merged_ex),
    RULE_END,
};
