/*
 * along.c -- products with transposed weights, summed along their rows.
 *
 * The way back through a layer is a product with the transpose of its weights,
 * whose columns are the rows that a batch of one reads on the way there
 * (panels.c). Where a mask leaves out some of its results a batch of one sums
 * along the rows that are wanted (emit_along.c), so that both ways read one
 * copy of the weights, half as much of the third cache. Vectors along a
 * row sum every 16th element apart. So that all batches have the same bits,
 * panels and the other source are then in the order of these partial sums:
 *
 *     part r = sum over j of x[16 j + r] w[16 j + r, n],   place J r + j
 */
#include "loop/lower.h"

enum {
    PART_LEAST = 32, // elements of a partial sum
    PART_MOST = 256,
    DEPTH = 4        // of what a mask is computed from
};

Val along_of(const Lower *lo, Val dot)
{
    for (int i = 0; i < lo->along.n; i++)
        if (lo->along.at[i].view == dot)
            return lo->along.at[i].rows;
    return NULL;
}

static Val only_user(const Lower *lo, Val v)
{
    const Fact *f = fact_of(lo, v);

    return f->use.n == 1 ? f->use.at[0].user : NULL;
}

/* Is all that is read of v behind a condition? */
static bool is_masked(const Lower *lo, Val v)
{
    Val u = only_user(lo, v);

    if (u && u->op == OP_reshape) {
        v = u;
        u = only_user(lo, u);
    }
    return u && u->op == OP_select && u->src[1] == v && u->src[0] != v &&
           u->src[2] != v;
}

Val along_rows(const Lower *lo, Graph *g, Val old, Val v, int slot, int axis)
{
    Val w = v->src[slot], x = v->src[!slot], r;
    int64_t N, K;

    if (v->op != OP_dot || w->type.shape.rank != 2 ||
        v->type.dt != DT_f32 || lo->opt->vector_bytes != 4 * ALONG_LANES ||
        !x->type.batched || x->type.shape.rank != 1 || !is_masked(lo, old))
        return NULL;
    N = w->type.shape.dim[axis];
    K = w->type.shape.dim[!axis];
    if (K % ALONG_LANES || N % ALONG_LANES || K / ALONG_LANES < PART_LEAST ||
        K / ALONG_LANES > PART_MOST)
        return NULL;
    r = axis ? ir_transpose(g, w, (int[]){1, 0}) : w;
    for (int i = 0; i < lo->rows.n; i++)
        if (lo->rows.at[i].rows == r)
            return r;
    return NULL;
}

Val along_order(Graph *g, Val v, int axis)
{
    Shape s = v->type.shape, cut = shape_of(0);
    int perm[RANK_MAX];

    cut.rank = s.rank + 1;
    for (int d = 0; d < cut.rank; d++) {
        cut.dim[d] = s.dim[d > axis ? d - 1 : d];
        perm[d] = d;
    }
    cut.dim[axis] = s.dim[axis] / ALONG_LANES;
    cut.dim[axis + 1] = ALONG_LANES;
    perm[axis] = axis + 1;
    perm[axis + 1] = axis;
    return ir_reshape(g, ir_transpose(g, ir_reshape(g, v, cut), perm), s);
}

/* Elementwise v, or whatever it is, in another shape of as many elements. */
static Val reshaped(Graph *g, Val v, Shape to, int depth)
{
    Val src[4];

    if (v->op == OP_broadcast && shape_size(v->src[0]->type.shape) == 1)
        return ir_broadcast_to(g, ir_reshape(g, v->src[0], shape_of(0)), to);
    if (!depth || kind_of(v) != LOWER_MAP || !v->nsrc || v->nsrc > 4)
        return ir_reshape(g, v, to);
    for (int i = 0; i < v->nsrc; i++) {
        if (!shape_eq(v->src[i]->type.shape, v->type.shape))
            return ir_reshape(g, v, to);
        src[i] = reshaped(g, v->src[i], to, depth - 1);
    }
    return ir_node(g, v->op, &v->attr, src, v->nsrc);
}

Val along_mask(const Lower *lo, Graph *g, Val v)
{
    Val dot = v->src[1], on, other;
    Shape s;

    if (dot->op != OP_reshape || !along_of(lo, dot->src[0]))
        return NULL;
    dot = dot->src[0];
    s = dot->type.shape;
    on = reshaped(g, v->src[0], s, DEPTH);
    other = reshaped(g, v->src[2], s, DEPTH);
    return ir_reshape(g, ir_select(g, on, dot, other), v->type.shape);
}
