/*
 * vjp_adjoint.c -- values that bring their gradients along.
 */
#include "autodiff/walk.h"

static Val strip(void *env, Graph *g, Val old, Val rebuilt)
{
    (void)env;
    (void)g;
    (void)old;
    return rebuilt->op == OP_adjoint ? rebuilt->src[0] : NULL;
}

void ad_strip(Func *f)
{
    ir_rewrite(f->g, f->out, f->nout, strip, NULL);
}

/* y = adjoint(x, u, c, d, ..):  dc = d with dy for u */
void vjp_adjoint(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    int floor = walk_loop_depth(dy->region);

    if (walk_loop_depth(y->region) > floor)
        floor = walk_loop_depth(y->region);
    Subst *s = ir_subst_new(g, ad->tmp, floor);
    ir_subst_set(s, y->src[1], dy);
    for (int k = 2; k < y->nsrc; k += 2)
        if (ad_wants(ad, y->src[k]))
            ad_add(ad, y->src[k], ir_subst(s, y->src[k + 1]));
}
