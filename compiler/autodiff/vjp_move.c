/*
 * vjp_move.c -- rules of ops that move elements: each is linear, so its rule
 * is its adjoint.
 */
#include "autodiff/autodiff.h"

/* y_n = x for each example n:  dx = sum over n of dy_n */
void vjp_spread(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], dy);
}

/* y[.., i, ..] = x[..]:  dx = sum of dy over the dims x was copied along */
void vjp_broadcast(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val x = y->src[0];
    Shape to = y->type.shape, from = x->type.shape;
    const int64_t *place = y->attr.i + to.rank;
    int axes[RANK_MAX], n = 0, perm[RANK_MAX], kept = 0;

    for (int k = 0; k < to.rank; k++) {
        int s = 0;
        while (s < from.rank && place[s] != k)
            s++;
        if (s == from.rank || from.dim[s] != to.dim[k])
            axes[n++] = k;
    }
    dy = ir_reduce(g, OP_sum, dy, axes, n);
    // What is left has the kept dims of x in the order of their places.
    for (int s = 0; s < from.rank; s++) {
        int before = 0, stays = from.dim[s] == to.dim[place[s]];
        for (int t = 0; t < from.rank; t++)
            before += place[t] < place[s] &&
                      from.dim[t] == to.dim[place[t]];
        if (stays)
            perm[kept++] = before;
    }
    dy = ir_transpose(g, dy, perm);
    ad_add(ad, x, ir_reshape(g, dy, from));
}

/* y = reshape(x):  dx = reshape(dy) */
void vjp_reshape(Ad *ad, Val y, Val dy)
{
    Val x = y->src[0];

    ad_add(ad, x, ir_reshape(ad_graph(ad), dy, x->type.shape));
}

/* y = transpose(x, p):  dx = transpose(dy, p^-1) */
void vjp_transpose(Ad *ad, Val y, Val dy)
{
    int inverse[RANK_MAX] = {0};

    for (int k = 0; k < y->attr.n; k++)
        inverse[y->attr.i[k]] = k;
    ad_add(ad, y->src[0], ir_transpose(ad_graph(ad), dy, inverse));
}

/* y = x[start + k stride]:  dx = dy with zeros between and around */
void vjp_slice(Ad *ad, Val y, Val dy)
{
    Val x = y->src[0];
    int64_t lo[RANK_MAX], hi[RANK_MAX], interior[RANK_MAX];

    for (int k = 0; k < x->type.shape.rank; k++) {
        int64_t n = y->type.shape.dim[k];
        lo[k] = n ? y->attr.i[3 * k] : 0;
        interior[k] = y->attr.i[3 * k + 2] - 1;
        hi[k] = x->type.shape.dim[k] - lo[k] -
                (n ? (n - 1) * (interior[k] + 1) + 1 : 0);
    }
    ad_add(ad, x, ir_pad(ad_graph(ad), dy, lo, hi, interior, 0));
}

/* y = x with a frame and gaps:  dx = dy at the places of x */
void vjp_pad(Ad *ad, Val y, Val dy)
{
    Val x = y->src[0];
    int64_t start[RANK_MAX], limit[RANK_MAX], stride[RANK_MAX];

    for (int k = 0; k < x->type.shape.rank; k++) {
        int64_t n = x->type.shape.dim[k];
        start[k] = y->attr.i[3 * k];
        stride[k] = y->attr.i[3 * k + 2] + 1;
        limit[k] = start[k] + (n ? (n - 1) * stride[k] + 1 : 0);
    }
    ad_add(ad, x, ir_slice(ad_graph(ad), dy, start, limit, stride));
}

/* y = x reversed along some dims:  dx = dy reversed along them */
void vjp_reverse(Ad *ad, Val y, Val dy)
{
    int axes[RANK_MAX];

    for (int k = 0; k < y->attr.n; k++)
        axes[k] = (int)y->attr.i[k];
    ad_add(ad, y->src[0], ir_reverse(ad_graph(ad), dy, axes, y->attr.n));
}

/* y = x_0, x_1, ... along a dim:  dx_k = the part of dy where x_k went */
void vjp_concat(Ad *ad, Val y, Val dy)
{
    int axis = (int)y->attr.i[0];
    int64_t start[RANK_MAX] = {0}, limit[RANK_MAX];

    for (int k = 0; k < y->type.shape.rank; k++)
        limit[k] = y->type.shape.dim[k];
    for (int k = 0; k < y->nsrc; k++) {
        limit[axis] = start[axis] + y->src[k]->type.shape.dim[axis];
        if (ad_wants(ad, y->src[k]))
            ad_add(ad, y->src[k],
                   ir_slice(ad_graph(ad), dy, start, limit, NULL));
        start[axis] = limit[axis];
    }
}
