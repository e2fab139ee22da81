/*
 * shape_wino.c -- shapes of the ops of wino.h.
 */
#include "ir/shape.h"
#include "ir/wino.h"

static bool is_known(Infer *r, int64_t m, int64_t taps)
{
    Wino w;

    return wino_of(m, taps, &w) ||
           misfit(r, "there is no F(%lld, %lld) here", (long long)m,
                  (long long)taps);
}

bool shape_wino_w(Infer *r)
{
    Shape w = r->src[0].shape;
    int64_t m = r->attr->i[0], t;

    *r->out = r->src[0];
    if (!has_attrs(r, 1) || w.rank != 4 || w.dim[0] != w.dim[1])
        return misfit(r, "the weights must have shape [R, R, C, O], not %s",
                      shape_str(w).s);
    if (!is_known(r, m, w.dim[0]))
        return false;
    t = m + w.dim[0] - 1;
    r->out->shape = shape_of(4, (w.dim[3] + WINO_PANEL - 1) / WINO_PANEL,
                             t * t, w.dim[2], (int64_t)WINO_PANEL);
    return true;
}

/* Places of a filter of r taps along n elements with a frame. */
static bool places(Infer *r, int64_t n, int64_t lo, int64_t hi, int64_t taps,
                   int64_t *out)
{
    *out = n + lo + hi - taps + 1;
    if (lo < 0 || hi < 0 || lo >= taps || hi >= taps)
        return misfit(r, "the padding is as wide as the filter");
    return *out > 0 || misfit(r, "the filter is larger than the image");
}

static bool extents(Infer *r, Shape *y)
{
    const int64_t *i = r->attr->i;
    Shape x = r->src[0].shape;

    if (!has_attrs(r, 7) || !is_known(r, i[0], i[1]))
        return false;
    if (x.rank != 3 || i[6] < 1)
        return misfit(r, "the image must have shape [H, W, C], not %s",
                      shape_str(x).s);
    y->rank = 3;
    y->dim[2] = i[6];
    return same_dtype(r, r->src[0], r->src[1]) &&
           places(r, x.dim[0], i[2], i[3], i[1], &y->dim[0]) &&
           places(r, x.dim[1], i[4], i[5], i[1], &y->dim[1]);
}

bool shape_conv_wino(Infer *r)
{
    const int64_t *i = r->attr->i, t = i[0] + i[1] - 1;
    Shape x = r->src[0].shape, want;

    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
    if (!extents(r, &r->out->shape))
        return false;
    want = shape_of(4, (i[6] + WINO_PANEL - 1) / WINO_PANEL, t * t, x.dim[2],
                    (int64_t)WINO_PANEL);
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

    r->out->dt = r->src[0].dt;
    if (!extents(r, &y))
        return false;
    if (!shape_eq(y, r->src[1].shape))
        return misfit(r, "the convolution gives shape %s, its adjoint is "
                         "given %s", shape_str(y).s,
                      shape_str(r->src[1].shape).s);
    if (r->src[0].batched != r->src[1].batched)
        return misfit(r, "one value is per example and the other is not");
    r->out->shape = shape_of(4, i[1], i[1], x.dim[2], i[6]);
    return true;
}
