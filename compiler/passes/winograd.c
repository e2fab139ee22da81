/*
 * winograd -- convolutions with fewer multiplications where that pays.
 *
 * needs:  conv, layout
 * keeps:  the value of every output, but for rounding
 * breaks: nothing that runs afterwards; there is no derivative of the new ops
 *
 *     conv(x, w)     = conv_wino(x, wino_w(w))   stride 1, or 3x3 at stride 2
 *     conv_up(x, w)  = conv_wino(x, wino_w(w))   3x3 at stride 2
 *     conv_dw(x, dy) = conv_dw_wino(x, dy)       stride 1
 *
 * for 3x3 and 5x5 filters in f32. wino_w is a value of its own: where w stays
 * the same for a loop or a run it is computed once for it. A pad around x
 * becomes the op's own padding.
 *
 * Costs are in multiplications (with additions) of the plain formula; those of
 * transforms were measured.
 */
#include "ir/wino.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

enum { EXAMPLES = 8 }; // at least, where weights are transformed every time

typedef struct Size { // of a convolution; of conv_up, x for y
    int64_t Ho, Wo, R, C, O;
    WinoForm form;
} Size;

/* Of the multiplications a kernel does at its best it takes the time of this
 * many more: few channels make short sums, narrow panels waste lanes. */
static double plain_cost(Size s)
{
    double width = ceil((double)s.O / 16) * 16;

    return 1.08 * (double)(s.Ho * s.Wo * s.R * s.R * s.C) * width;
}

/* Padded copies and windows at the border: the plain kernel leaves out the
 * taps outside. n outputs with r taps, same size: the share it does. */
static double inside_share(int64_t n, int64_t r)
{
    double cut = (double)(r / 2) * (double)(r / 2 + 1);

    return 1 - cut / (double)(n * r);
}

static double wino_cost(Size s, int64_t m, bool weights)
{
    Wino f;
    bool known = wino_of(m, s.R, s.form, &f);
    double T = f.t * f.t, U = f.nu * f.nu;
    double tiles = ceil((double)s.Ho / (double)m) *
                   ceil((double)s.Wo / (double)m);
    double C = (double)s.C;
    double O = ceil((double)s.O / WINO_PANEL) * WINO_PANEL;

    if (!known)
        return INFINITY;
    if (weights) {
        // Blocks of channels transform what they need, again and again.
        double mc = C >= 128 ? 64 : C >= 64 ? 32 : 16, nc = O < 64 ? O : 64;

        return tiles * T * (1.15 * ceil(C / mc) * mc * O +
                            16 * C * ceil(O / nc) + 16 * O * ceil(C / mc)) +
               T * C * O / 2;
    }
    return tiles * T * (1.1 * C * O + 4 * (C + O)) + 24 * U * C * O / EXAMPLES;
}

/* The best m, or 0. */
static int64_t choose(Size s, bool weights)
{
    double best = plain_cost(s) * inside_share(s.Ho, s.R) *
                  inside_share(s.Wo, s.R) * 0.95;
    int64_t m = 0;

    if ((s.R != 3 && s.R != 5) || s.C < 16 || s.O < 16)
        return 0;
    for (int64_t k = 2; k + s.R - 1 <= WINO_MAX; k += 2)
        if (wino_cost(s, k, weights) < best) {
            best = wino_cost(s, k, weights);
            m = k;
        }
    return m;
}

/* x without the zeros around it, which are added to d. */
static Val unframed(Val x, WinoDims *d)
{
    const int64_t *i = x->attr.i;

    if (x->op != OP_pad || x->attr.f != 0 || x->type.shape.rank != 3 || i[2] ||
        i[5] || i[6] || i[7] || i[8] || d->ph_lo + i[0] >= d->r ||
        d->ph_hi + i[1] >= d->r || d->pw_lo + i[3] >= d->r ||
        d->pw_hi + i[4] >= d->r)
        return x;
    d->ph_lo += i[0];
    d->ph_hi += i[1];
    d->pw_lo += i[3];
    d->pw_hi += i[4];
    return x->src[0];
}

static bool fits(const WinoDims *d)
{
    return d->ph_lo < d->r && d->ph_hi < d->r && d->pw_lo < d->r &&
           d->pw_hi < d->r;
}

/* The form of v; conv_up needs frames that say the size of the result, and
 * the same phase first in both dims. */
static bool form_of(Val v, WinoDims *d)
{
    ConvDims c = ir_conv_dims(v);
    const int64_t *x = v->src[0]->type.shape.dim;

    if (c.sh != c.sw || c.sh > 2 || (c.sh == 2 && v->op == OP_conv_dw))
        return false;
    if (v->op != OP_conv_up) {
        d->form = c.sh == 2 ? WINO_DOWN : WINO_SAME;
        return true;
    }
    d->form = c.ph_lo % 2 ? WINO_UP_ODD : WINO_UP;
    d->ph_hi = 2 * (x[0] - 1) + d->r - d->ph_lo - v->type.shape.dim[0];
    d->pw_hi = 2 * (x[1] - 1) + d->r - d->pw_lo - v->type.shape.dim[1];
    return c.sh == 2 && c.ph_lo % 2 == c.pw_lo % 2 && d->ph_hi >= 0 &&
           d->pw_hi >= 0;
}

static bool is_order(Val w, const int64_t *order)
{
    return w->op == OP_transpose &&
           !memcmp(w->attr.i, order, 4 * sizeof *order);
}

/* The weights w transformed; a reversal of the taps and a transpose from the
 * order in which a layer keeps them are left to that. */
static Val transformed(Graph *g, Val w, const WinoDims *d)
{
    static const int64_t ocrr[4] = {2, 3, 1, 0}, corr[4] = {2, 3, 0, 1};
    WinoRead read = {.m = d->m, .form = d->form};

    if (w->op == OP_reverse && w->attr.n == 2 && w->attr.i[0] == 0 &&
        w->attr.i[1] == 1) {
        read.turned = 1;
        w = w->src[0];
    }
    if (is_order(w, ocrr) || is_order(w, corr)) {
        read.order = is_order(w, ocrr) ? WINO_OCRR : WINO_CORR;
        w = w->src[0];
    }
    return ir_wino_w(g, w, read);
}

static Val winograd_node(void *env, Graph *g, Val old, Val v)
{
    bool weights = v->op == OP_conv_dw;
    const int64_t *w, *y;
    ConvDims c;
    WinoDims d;
    Val x;

    (void)env;
    (void)old;
    if ((v->op != OP_conv && v->op != OP_conv_up && !weights) ||
        v->type.dt != DT_f32)
        return NULL;
    w = weights ? v->type.shape.dim : v->src[1]->type.shape.dim;
    y = (weights ? v->src[1] : v->op == OP_conv_up ? v->src[0]
                                                   : v)->type.shape.dim;
    c = ir_conv_dims(v);
    if (w[0] != w[1] || (!weights && v->src[1]->type.batched) ||
        (weights && !v->src[0]->type.batched))
        return NULL;
    d = (WinoDims){0, w[0], c.ph_lo, c.ph_hi, c.pw_lo, c.pw_hi, w[3],
                   WINO_SAME};
    if (!form_of(v, &d))
        return NULL;
    d.m = choose((Size){y[0], y[1], w[0], w[2], w[3], (WinoForm)d.form},
                 weights);
    if (!d.m || !fits(&d))
        return NULL;
    x = v->op == OP_conv_up ? v->src[0] : unframed(v->src[0], &d);
    if (weights)
        return ir_conv_dw_wino(g, x, v->src[1], d);
    return ir_conv_wino(g, x, transformed(g, v->src[1], &d), d);
}

void pass_winograd(Func *f, const PassOptions *opt)
{
    if (opt->winograd)
        ir_rewrite(f->g, f->out, f->nout, winograd_node, NULL);
}
