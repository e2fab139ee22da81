/*
 * shape_wino.c -- shapes of the ops of wino.h.
 */
#include "ir/shape.h"
#include "ir/wino.h"

static bool is_known(Infer *r, int64_t m, int64_t taps, int64_t form, Wino *w)
{
    return wino_of(m, taps, form, w) ||
           misfit(r, "there is no F(%lld, %lld) here", (long long)m,
                  (long long)taps);
}

bool shape_wino_w(Infer *r)
{
    const int64_t *a = r->attr->i;
    Shape s = r->src[0].shape;
    WinoWeights w;
    int taps;
    Wino f;

    *r->out = r->src[0];
    if (!has_attrs(r, 4) || a[2] < 0 || a[2] >= WINO_ORDERS || a[3] < 0 ||
        a[3] > 1)
        return misfit(r, "it needs a size, a form, an order and a turn");
    taps = a[2] == WINO_RRCO ? 0 : 2;
    if (s.rank != 4 || s.dim[taps] != s.dim[taps + 1])
        return misfit(r, "the weights must have shape %s, not %s",
                      taps ? "[.., .., R, R]" : "[R, R, C, O]",
                      shape_str(s).s);
    w = wino_weights(s, (WinoRead){a[0], a[1], a[2], a[3]});
    if (!is_known(r, a[0], w.R, a[1], &f))
        return false;
    r->out->shape = shape_of(4, (w.O + WINO_PANEL - 1) / WINO_PANEL,
                             (int64_t)(f.nu * f.nu), w.C,
                             (int64_t)WINO_PANEL);
    return true;
}

/* Places of a filter along n elements with a frame; from so many places. */
static bool places(Infer *r, int64_t n, int64_t lo, int64_t hi, int64_t *out)
{
    int64_t taps = r->attr->i[1], form = r->attr->i[7];
    bool down = form == WINO_DOWN;

    *out = (n + lo + hi - taps) / (down ? 2 : 1) + 1;
    if (form == WINO_UP || form == WINO_UP_ODD)
        *out = 2 * (n - 1) + taps - lo - hi;
    if (form > WINO_DOWN && lo % 2 != (form == WINO_UP_ODD))
        return misfit(r, "the padding is not of this form");
    if (lo < 0 || hi < 0 || lo >= taps || hi >= taps)
        return misfit(r, "the padding is as wide as the filter");
    return (*out > 0 && n + lo + hi >= (form > WINO_DOWN ? 0 : taps)) ||
           misfit(r, "the filter is larger than the image");
}

static bool extents(Infer *r, Shape *y, Wino *f)
{
    const int64_t *i = r->attr->i;
    Shape x = r->src[0].shape;

    if (!has_attrs(r, 8) || !is_known(r, i[0], i[1], i[7], f))
        return false;
    if (x.rank != 3 || i[6] < 1)
        return misfit(r, "the image must have shape [H, W, C], not %s",
                      shape_str(x).s);
    y->rank = 3;
    y->dim[2] = i[6];
    return same_dtype(r, r->src[0], r->src[1]) &&
           places(r, x.dim[0], i[2], i[3], &y->dim[0]) &&
           places(r, x.dim[1], i[4], i[5], &y->dim[1]);
}

bool shape_conv_wino(Infer *r)
{
    const int64_t *i = r->attr->i;
    Shape x = r->src[0].shape, want;
    Wino f;

    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
    if (!extents(r, &r->out->shape, &f))
        return false;
    want = shape_of(4, (i[6] + WINO_PANEL - 1) / WINO_PANEL, (int64_t)(f.nu * f.nu), x.dim[2], (int64_t)WINO_PANEL);
    if (!shape_eq(want, r->src[1].shape))
        return misfit(r, "the transformed weights must have shape %s, not %s",
                      shape_str(want).s, shape_str(r->src[1].shape).s);
    if (r->src[1].batched)
        return misfit(r, "the transformed weights must be shared");
    return true;
}

bool shape_conv_dw_wino(Infer *r)
{
    const int64_t *i = r->attr->i;
    Shape x = r->src[0].shape, y = {0};
    Wino f;

    r->out->dt = r->src[0].dt;
    if (!extents(r, &y, &f))
        return false;
    if (i[7] != WINO_SAME)
        return misfit(r, "there is no such form of a weight gradient");
    if (!shape_eq(y, r->src[1].shape))
        return misfit(r, "the convolution gives shape %s, its adjoint is "
                         "given %s", shape_str(y).s,
                      shape_str(r->src[1].shape).s);
    if (r->src[0].batched != r->src[1].batched)
        return misfit(r, "one value is per example and the other is not");
    r->out->shape = shape_of(4, i[1], i[1], x.dim[2], i[6]);
    return true;
}
