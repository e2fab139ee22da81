/*
 * vjp_reduce.c -- rules of reductions over dims and over the batch.
 */
#include "autodiff/autodiff.h"

/* A reduced value copied back along the reduced dims of y's source. */
static Val back(Graph *g, Val y, Val v)
{
    Shape to = y->src[0]->type.shape;
    int place[RANK_MAX], n = 0;

    for (int k = 0, a = 0; k < to.rank; k++) {
        if (a < y->attr.n && y->attr.i[a] == k)
            a++;
        else
            place[n++] = k;
    }
    return ir_broadcast(g, v, to, place);
}

/* y = sum of x over dims:  dx = dy copied along them */
void vjp_sum(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], back(ad_graph(ad), y, dy));
}

/* i32: row-major place within the reduced dims of each element of x */
static Val places(Graph *g, Val y)
{
    Shape s = y->src[0]->type.shape;
    Val sum = NULL;
    int64_t stride = 1;

    for (int a = y->attr.n; a-- > 0;) {
        int axis = (int)y->attr.i[a];
        Val at = ir_iota(g, s.dim[axis]);
        if (stride > 1)
            at = ir_mul(g, at, ir_like(g, at, (double)stride));
        at = ir_broadcast(g, at, s, &axis);
        sum = sum ? ir_add(g, sum, at) : at;
        stride *= s.dim[axis];
    }
    return sum;
}

/* i32, shaped like y: row-major place within the reduced dims of the first
 * extreme element. Reduced dims are moved last and made one. */
static Val first_place(Graph *g, Val y, Op arg)
{
    Val x = y->src[0];
    Shape merged = y->type.shape;
    int perm[RANK_MAX], n = 0, rank = x->type.shape.rank;
    int64_t size = 1;

    for (int k = 0, a = 0; k < rank; k++) {
        if (a < y->attr.n && y->attr.i[a] == k)
            a++;
        else
            perm[n++] = k;
    }
    for (int a = 0; a < y->attr.n; a++) {
        perm[n++] = (int)y->attr.i[a];
        size *= x->type.shape.dim[y->attr.i[a]];
    }
    merged.dim[merged.rank++] = size;
    x = ir_reshape(g, ir_transpose(g, x, perm), merged);
    return ir_axis(g, arg, x, merged.rank - 1);
}

/* y = extreme of x:  dx = dy at the first place it is taken, else 0 */
static void extreme(Ad *ad, Val y, Val dy, Op arg)
{
    Graph *g = ad_graph(ad);
    Val here = ir_eq(g, back(g, y, first_place(g, y, arg)), places(g, y));

    dy = back(g, y, dy);
    ad_add(ad, y->src[0], ir_select(g, here, dy, ir_like(g, dy, 0)));
}

/* y = max of x:  dx = dy at the first largest, else 0 */
void vjp_max_reduce(Ad *ad, Val y, Val dy)
{
    extreme(ad, y, dy, OP_argmax);
}

/* y = min of x:  dx = dy at the first smallest, else 0 */
void vjp_min_reduce(Ad *ad, Val y, Val dy)
{
    extreme(ad, y, dy, OP_argmin);
}

/* y = sum over n of x_n:  dx_n = dy */
void vjp_batch_sum(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], dy);
}
