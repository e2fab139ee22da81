/*
 * vjp_contract.c -- rules of dot, convolution and pooling. Each family is
 * closed: the derivative of a member is made of members.
 */
#include "autodiff/walk.h"

/* The free dims of a source of a dot: neither contracted nor batch. */
static int free_dims(Shape s, const int *c, int nc, const int *b, int nb,
                     int *out)
{
    int n = 0;

    for (int k = 0; k < s.rank; k++) {
        bool used = false;
        for (int i = 0; i < nc; i++)
            used = used || c[i] == k;
        for (int i = 0; i < nb; i++)
            used = used || b[i] == k;
        if (!used)
            out[n++] = k;
    }
    return n;
}

/*
 * The adjoint of source x of z = dot, from dz and the other source y: dz and
 * y contracted over the free dims of y, which stand in dz from dim `at` on.
 * cx, bx: contracted and batch dims of x, cy, by: of y, paired.
 */
static Val dot_source(Graph *g, Val z, Val dz, Val x, Val y, const int *cx,
                      const int *cy, const int *bx, const int *by, int at)
{
    DotDims z_dims = ir_dot_dims(z), d = {0};
    int nc = z_dims.ncontract, nb = z_dims.nbatch, place[RANK_MAX] = {0};
    int fx[RANK_MAX], nfx = free_dims(x->type.shape, cx, nc, bx, nb, fx);

    d.ncontract = free_dims(y->type.shape, cy, nc, by, nb, d.cy);
    for (int k = 0; k < d.ncontract; k++)
        d.cx[k] = at + k;
    d.nbatch = nb;
    for (int k = 0; k < nb; k++) {
        d.bx[k] = k;
        d.by[k] = by[k];
    }
    d.sum_batch = dz->type.batched && y->type.batched && !x->type.batched;

    // The result has batch dims, free dims of x, then y's contracted dims in
    // ascending order; put them where they are in x.
    for (int k = 0; k < nb; k++)
        place[bx[k]] = k;
    for (int k = 0; k < nfx; k++)
        place[fx[k]] = nb + k;
    for (int k = 0; k < nc; k++) {
        int before = 0;
        for (int i = 0; i < nc; i++)
            before += cy[i] < cy[k];
        place[cx[k]] = nb + nfx + before;
    }
    return ir_transpose(g, ir_dot(g, dz, y, &d), place);
}

/* z = x . y:  dx = dz . y over y's free dims, dy = dz . x over x's */
void vjp_dot(Ad *ad, Val z, Val dz)
{
    DotDims d = ir_dot_dims(z);
    Val x = z->src[0], y = z->src[1];
    int unused[RANK_MAX];
    int nfx = free_dims(x->type.shape, d.cx, d.ncontract, d.bx, d.nbatch,
                        unused);

    if (ad_wants(ad, x))
        ad_add(ad, x, dot_source(ad_graph(ad), z, dz, x, y, d.cx, d.cy, d.bx,
                                 d.by, d.nbatch + nfx));
    if (ad_wants(ad, y))
        ad_add(ad, y, dot_source(ad_graph(ad), z, dz, y, x, d.cy, d.cx, d.by,
                                 d.bx, d.nbatch));
}

/* Is the adjoint of w wanted? Weights are shared: it is summed over the
 * examples. */
static bool wants_weights(Ad *ad, Val w)
{
    if (!ad_wants(ad, w))
        return false;
    if (!w->type.batched)
        return true;
    ad->failed = true;
    if (ad->d)
        diag_error(ad->d, ad->at, "cannot differentiate a convolution in "
                   "weights that differ from example to example");
    return false;
}

/* y = conv(x, w):  dx = conv_dx(dy, w), dw = conv_dw(x, dy) */
void vjp_conv(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val x = y->src[0], w = y->src[1];
    const int64_t *xd = x->type.shape.dim, *wd = w->type.shape.dim;

    if (ad_wants(ad, x))
        ad_add(ad, x, ir_conv_dx(g, dy, w, ir_conv_dims(y), xd[0], xd[1]));
    if (wants_weights(ad, w))
        ad_add(ad, w, ir_conv_dw(g, x, dy, ir_conv_dims(y), wd[0], wd[1]));
}

/* z = conv_dx(y, w):  dy = conv(dz, w), dw = conv_dw(dz, y) */
void vjp_conv_dx(Ad *ad, Val z, Val dz)
{
    Graph *g = ad_graph(ad);
    Val y = z->src[0], w = z->src[1];
    const int64_t *wd = w->type.shape.dim;

    if (ad_wants(ad, y))
        ad_add(ad, y, ir_conv(g, dz, w, ir_conv_dims(z)));
    if (wants_weights(ad, w))
        ad_add(ad, w, ir_conv_dw(g, dz, y, ir_conv_dims(z), wd[0], wd[1]));
}

/* y = conv_up(x, w) = conv_dx(x, w'), w' = w with the last dims exchanged:
 * dx = conv(dy, w'), dw = conv_dw(dy, x)' */
void vjp_conv_up(Ad *ad, Val y, Val dy)
{
    static const int swap[] = {0, 1, 3, 2};
    Graph *g = ad_graph(ad);
    Val x = y->src[0], w = y->src[1];
    const int64_t *wd = w->type.shape.dim;

    if (ad_wants(ad, x))
        ad_add(ad, x, ir_conv(g, dy, ir_transpose(g, w, swap),
                              ir_conv_dims(y)));
    if (wants_weights(ad, w))
        ad_add(ad, w, ir_transpose(g, ir_conv_dw(g, dy, x, ir_conv_dims(y),
                                                 wd[0], wd[1]), swap));
}

/* w = conv_dw(x, y):  dx = conv_dx(y, dw), dy = conv(x, dw) */
void vjp_conv_dw(Ad *ad, Val w, Val dw)
{
    Graph *g = ad_graph(ad);
    Val x = w->src[0], y = w->src[1];
    const int64_t *xd = x->type.shape.dim;

    if (ad_wants(ad, x))
        ad_add(ad, x, ir_conv_dx(g, y, dw, ir_conv_dims(w), xd[0], xd[1]));
    if (ad_wants(ad, y))
        ad_add(ad, y, ir_conv(g, x, dw, ir_conv_dims(w)));
}

/* y = largest of x in each window:  dx = dy scattered to their places */
void vjp_max_pool(Ad *ad, Val y, Val dy)
{
    Val x = y->src[0];

    ad_add(ad, x, ir_pool(ad_graph(ad), OP_pool_scatter, x, dy,
                          ir_pool_dims(y)));
}

/* y = v at the places of the largest x:  dv = dy scattered to them */
void vjp_pool_gather(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[1], ir_pool(ad_graph(ad), OP_pool_scatter, y->src[0],
                                  dy, ir_pool_dims(y)));
}

/* z = v scattered to the places of the largest x:  dv = dz at them */
void vjp_pool_scatter(Ad *ad, Val z, Val dz)
{
    ad_add(ad, z->src[1], ir_pool(ad_graph(ad), OP_pool_gather, z->src[0],
                                  dz, ir_pool_dims(z)));
}

/* y = sum of x over windows:  dx = sum of dy over the windows it is in */
void vjp_sum_pool(Ad *ad, Val y, Val dy)
{
    Val x = y->src[0];

    ad_add(ad, x, ir_sum_pool_dx(ad_graph(ad), dy, ir_pool_dims(y),
                                 x->type.shape.dim[0], x->type.shape.dim[1]));
}

/* z = sum_pool_dx(y):  dy = sum_pool(dz) */
void vjp_sum_pool_dx(Ad *ad, Val z, Val dz)
{
    ad_add(ad, z->src[0], ir_pool(ad_graph(ad), OP_sum_pool, dz, NULL,
                                  ir_pool_dims(z)));
}
