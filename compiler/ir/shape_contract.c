/*
 * shape_contract.c -- result types of reductions, contractions, pooling,
 * random draws and gradients. See shape_rules.c.
 */
#include "ir/shape.h"

#include <string.h>

/* ---- reductions ---- */

static bool without_dims(Infer *r, const int64_t *axis, int n)
{
    Shape s = r->src[0].shape;
    unsigned gone = 0;

    for (int k = 0; k < n; k++) {
        if (!is_axis(r, s, axis[k]))
            return false;
        if (gone & 1u << axis[k])
            return misfit(r, "dim %lld is named twice", (long long)axis[k]);
        gone |= 1u << axis[k];
    }
    for (int k = 0; k < s.rank; k++)
        if (!(gone & 1u << k))
            push_dim(r, s.dim[k]);
    return true;
}

bool shape_reduce(Infer *r)
{
    r->out->dt = r->src[0].dt;
    r->out->batched = r->src[0].batched;
    return without_dims(r, r->attr->i, r->attr->n);
}

bool shape_argreduce(Infer *r)
{
    r->out->dt = DT_i32;
    r->out->batched = r->src[0].batched;
    return has_attrs(r, 1) && without_dims(r, r->attr->i, 1);
}

bool shape_argsort(Infer *r)
{
    bool ok = shape_same(r);

    r->out->dt = DT_i32;
    return ok;
}

bool shape_unbatch(Infer *r)
{
    *r->out = r->src[0];
    r->out->batched = false;
    if (!r->src[0].batched)
        return misfit(r, "the value is the same for every example, so there "
                         "is nothing to reduce over the batch");
    return true;
}

/* ---- contractions ---- */

/* The dims of one source by role: bit k set if dim k is contracted or batch.
 * false if one is named twice or does not exist. */
static bool dot_roles(Infer *r, Shape s, const int64_t *c, int nc,
                      const int64_t *b, int nb, unsigned *bound)
{
    *bound = 0;
    for (int k = 0; k < nc + nb; k++) {
        int64_t axis = k < nc ? c[k] : b[k - nc];
        if (!is_axis(r, s, axis))
            return false;
        if (*bound & 1u << axis)
            return misfit(r, "dim %lld is named twice", (long long)axis);
        *bound |= 1u << axis;
    }
    return true;
}

static bool push_free(Infer *r, Shape s, unsigned bound)
{
    for (int k = 0; k < s.rank; k++)
        if (!(bound & 1u << k) && !push_dim(r, s.dim[k]))
            return false;
    return true;
}

bool shape_dot(Infer *r)
{
    const int64_t *a = r->attr->i;
    int64_t nc = a[0], nb = a[1];
    Shape x = r->src[0].shape, y = r->src[1].shape;
    unsigned bound_x, bound_y;

    if (r->attr->n < 3 || nc < 0 || nb < 0 || nc > RANK_MAX ||
        nb > RANK_MAX || nc + nb > RANK_MAX ||
        r->attr->n != 3 + 2 * (nc + nb))
        return misfit(r, "the dims of a contraction are not well formed");
    const int64_t *cx = a + 3, *cy = cx + nc, *bx = cy + nc, *by = bx + nb;
    if (!same_dtype(r, r->src[0], r->src[1]) ||
        !dot_roles(r, x, cx, (int)nc, bx, (int)nb, &bound_x) ||
        !dot_roles(r, y, cy, (int)nc, by, (int)nb, &bound_y))
        return false;
    for (int k = 0; k < nc; k++)
        if (x.dim[cx[k]] != y.dim[cy[k]])
            return misfit(r, "inner sizes differ: %lld and %lld",
                          (long long)x.dim[cx[k]], (long long)y.dim[cy[k]]);
    for (int k = 0; k < nb; k++)
        if (x.dim[bx[k]] != y.dim[by[k]])
            return misfit(r, "paired sizes differ: %lld and %lld",
                          (long long)x.dim[bx[k]], (long long)y.dim[by[k]]);
    if (a[2] && !(r->src[0].batched && r->src[1].batched))
        return misfit(r, "a sum over the examples needs two per-example "
                         "values");
    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r) && !a[2];
    for (int k = 0; k < nb; k++)
        push_dim(r, x.dim[bx[k]]);
    return push_free(r, x, bound_x) && push_free(r, y, bound_y);
}

static bool has_rank(Infer *r, int k, int rank, const char *form)
{
    if (r->src[k].shape.rank != rank)
        return misfit(r, "a value of form %s expected, not of shape %s", form,
                      shape_str(r->src[k].shape).s);
    return true;
}

/* Places of a window of `size` on an extent with padding. 0 after misfit. */
static int64_t places(Infer *r, int64_t extent, int64_t size, int64_t stride,
                      int64_t lo, int64_t hi)
{
    if (stride < 1)
        misfit(r, "the stride is %lld, less than 1", (long long)stride);
    else if (lo < 0 || hi < 0)
        misfit(r, "the padding is negative");
    else if (size < 1 || extent < 1)
        misfit(r, "the window or the value is empty");
    else if (extent + lo + hi < size)
        misfit(r, "a window of %lld does not fit into %lld%s",
               (long long)size, (long long)(extent + lo + hi),
               lo + hi ? " (with its padding)" : "");
    else
        return (extent + lo + hi - size) / stride + 1;
    return 0;
}

/* [Ho, Wo, O] of a convolution of [H, W, C] with [R, S, C, O]. */
static bool conv_out(Infer *r, Shape x, Shape w, Shape *out)
{
    const int64_t *i = r->attr->i;
    int64_t ho = places(r, x.dim[0], w.dim[0], i[0], i[2], i[3]);
    int64_t wo = ho ? places(r, x.dim[1], w.dim[1], i[1], i[4], i[5]) : 0;

    if (x.dim[2] != w.dim[2])
        return misfit(r, "numbers of channels differ: %lld in %s and %lld in "
                         "%s", (long long)x.dim[2], shape_str(x).s,
                      (long long)w.dim[2], shape_str(w).s);
    *out = shape_of(3, ho, wo, w.dim[3]);
    return wo > 0;
}

static bool conv_gives(Infer *r, Shape x, Shape w, Shape dy)
{
    Shape out;

    if (!conv_out(r, x, w, &out))
        return false;
    if (!shape_eq(out, dy))
        return misfit(r, "the convolution gives shape %s, its adjoint is "
                         "given %s", shape_str(out).s, shape_str(dy).s);
    return true;
}

bool shape_conv(Infer *r)
{
    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
    return has_attrs(r, 6) && has_rank(r, 0, 3, "[H, W, C]") &&
           has_rank(r, 1, 4, "[R, S, C, O]") &&
           same_dtype(r, r->src[0], r->src[1]) &&
           conv_out(r, r->src[0].shape, r->src[1].shape, &r->out->shape);
}

bool shape_conv_dx(Infer *r)
{
    const int64_t *i = r->attr->i;
    Shape w = r->src[1].shape;

    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
    if (!has_attrs(r, 8) || !has_rank(r, 0, 3, "[Ho, Wo, O]") ||
        !has_rank(r, 1, 4, "[R, S, C, O]") ||
        !same_dtype(r, r->src[0], r->src[1]))
        return false;
    r->out->shape = shape_of(3, i[6], i[7], w.dim[2]);
    return conv_gives(r, r->out->shape, w, r->src[0].shape);
}

bool shape_conv_up(Infer *r)
{
    const int64_t *i = r->attr->i;
    Shape w = r->src[1].shape;

    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
    if (!has_attrs(r, 8) || !has_rank(r, 0, 3, "[Hi, Wi, C]") ||
        !has_rank(r, 1, 4, "[R, S, C, O]") ||
        !same_dtype(r, r->src[0], r->src[1]))
        return false;
    r->out->shape = shape_of(3, i[6], i[7], w.dim[3]);
    w.dim[2] = w.dim[3];
    w.dim[3] = r->src[1].shape.dim[2];
    return conv_gives(r, r->out->shape, w, r->src[0].shape);
}

bool shape_conv_dw(Infer *r)
{
    const int64_t *i = r->attr->i;
    Shape x = r->src[0].shape, dy = r->src[1].shape;

    r->out->dt = r->src[0].dt;
    if (!has_attrs(r, 8) || !has_rank(r, 0, 3, "[H, W, C]") ||
        !has_rank(r, 1, 3, "[Ho, Wo, O]") ||
        !same_dtype(r, r->src[0], r->src[1]))
        return false;
    if (r->src[0].batched != r->src[1].batched)
        return misfit(r, "one value is per example and the other is not");
    r->out->shape = shape_of(4, i[6], i[7], x.dim[2], dy.dim[2]);
    return conv_gives(r, x, r->out->shape, dy);
}

/* ---- pooling ---- */

/* [Ho, Wo, C] of a pooling of [H, W, C]. Padding narrower than the window,
 * so that every window holds an element. */
static bool pool_out(Infer *r, Shape x, Shape *out)
{
    const int64_t *i = r->attr->i;

    if (i[4] >= i[0] || i[5] >= i[0] || i[6] >= i[1] || i[7] >= i[1])
        return misfit(r, "the padding is as wide as the window");
    int64_t ho = places(r, x.dim[0], i[0], i[2], i[4], i[5]);
    int64_t wo = ho ? places(r, x.dim[1], i[1], i[3], i[6], i[7]) : 0;
    *out = shape_of(3, ho, wo, x.dim[2]);
    return wo > 0;
}

bool shape_pool(Infer *r)
{
    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
    return has_attrs(r, 8) && has_rank(r, 0, 3, "[H, W, C]") &&
           pool_out(r, r->src[0].shape, &r->out->shape);
}

bool shape_pool2(Infer *r)
{
    if (!same_dtype(r, r->src[0], r->src[1]))
        return false;
    if (!shape_eq(r->src[0].shape, r->src[1].shape))
        return misfit(r, "shapes %s and %s differ",
                      shape_str(r->src[0].shape).s,
                      shape_str(r->src[1].shape).s);
    return shape_pool(r);
}

static bool pool_gives(Infer *r, Shape x, Shape dy)
{
    Shape out;

    if (!pool_out(r, x, &out))
        return false;
    if (!shape_eq(out, dy))
        return misfit(r, "the pooling gives shape %s, its adjoint is given "
                         "%s", shape_str(out).s, shape_str(dy).s);
    return true;
}

bool shape_pool_sc(Infer *r)
{
    *r->out = r->src[0];
    r->out->batched = any_batched(r);
    return has_attrs(r, 8) && has_rank(r, 0, 3, "[H, W, C]") &&
           has_rank(r, 1, 3, "[Ho, Wo, C]") &&
           same_dtype(r, r->src[0], r->src[1]) &&
           pool_gives(r, r->src[0].shape, r->src[1].shape);
}

bool shape_pool_dx(Infer *r)
{
    Shape dy = r->src[0].shape;

    r->out->dt = r->src[0].dt;
    r->out->batched = r->src[0].batched;
    if (!has_attrs(r, 10) || !has_rank(r, 0, 3, "[Ho, Wo, C]"))
        return false;
    r->out->shape = shape_of(3, r->attr->i[8], r->attr->i[9], dy.dim[2]);
    return pool_gives(r, r->out->shape, dy);
}

bool shape_pool_place(Infer *r)
{
    bool ok = shape_pool(r);

    r->out->dt = DT_i32;
    return ok;
}

/* Source k is dy of an unpooled value of O channels, the last one its places,
 * the other one x or w. */
static bool unpooled(Infer *r, int k)
{
    const int64_t *i = r->attr->i;
    Type dy = r->src[k], place = r->src[2];

    if (place.dt != DT_i32 || !dtype_real(dy.dt))
        return misfit(r, "a real value and an int place expected");
    if (i[0] < 1 || i[1] < 1)
        return misfit(r, "the window is empty");
    if (!shape_eq(dy.shape, place.shape))
        return misfit(r, "shapes %s and %s differ", shape_str(dy.shape).s,
                      shape_str(place.shape).s);
    return has_rank(r, k, 3, "[Ho, Wo, O]");
}

bool shape_conv_dxp(Infer *r)
{
    const int64_t *i = r->attr->i;
    Shape w = r->src[1].shape;

    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
    if (!has_attrs(r, 6) || !unpooled(r, 0) ||
        !has_rank(r, 1, 4, "[O, R, S, C]") ||
        !same_dtype(r, r->src[0], r->src[1]))
        return false;
    if (w.dim[0] != r->src[0].shape.dim[2])
        return misfit(r, "numbers of channels differ: %s and %s",
                      shape_str(r->src[0].shape).s, shape_str(w).s);
    if (i[2] < 0 || i[3] < 0 || i[2] >= w.dim[1] || i[3] >= w.dim[2])
        return misfit(r, "the padding is as wide as the window");
    r->out->shape = shape_of(3, i[4], i[5], w.dim[3]);
    return true;
}

bool shape_conv_dwp(Infer *r)
{
    const int64_t *i = r->attr->i;
    Shape x = r->src[0].shape, dy = r->src[1].shape;

    r->out->dt = r->src[0].dt;
    if (!has_attrs(r, 4) || !has_rank(r, 0, 3, "[H, W, C]") ||
        !unpooled(r, 1) || !same_dtype(r, r->src[0], r->src[1]))
        return false;
    if (r->src[0].batched != r->src[1].batched ||
        r->src[1].batched != r->src[2].batched)
        return misfit(r, "one value is per example and another is not");
    if (i[2] < 1 || i[3] < 1 || x.dim[0] < dy.dim[0] * i[0] + i[2] - 1 ||
        x.dim[1] < dy.dim[1] * i[1] + i[3] - 1)
        return misfit(r, "taps lie outside of %s", shape_str(x).s);
    r->out->shape = shape_of(4, dy.dim[2], i[2], i[3], x.dim[2]);
    return true;
}

/* ---- draws and gradients ---- */

bool shape_rand(Infer *r)
{
    r->out->dt = DT_f32;
    if (r->attr->n < 2 || r->attr->n > 2 + RANK_MAX)
        return misfit(r, "the result has more than %d dims", RANK_MAX);
    r->out->batched = r->attr->i[1] != 0;
    for (int k = 0; k < r->nsrc; k++) {
        if (r->src[k].dt != DT_i32 || r->src[k].shape.rank)
            return misfit(r, "a key of a random draw is no int");
        if (r->src[k].batched && !r->out->batched)
            return misfit(r, "a shared random draw has a per-example key");
    }
    for (int k = 2; k < r->attr->n; k++)
        push_dim(r, r->attr->i[k]);
    return true;
}

bool shape_randint(Infer *r)
{
    bool ok = shape_rand(r);

    r->out->dt = DT_i32;
    if (ok && (r->out->shape.rank != 1 || r->out->shape.dim[0] > INT32_MAX))
        return misfit(r, "the number of elements of a permutation expected");
    return ok;
}

bool shape_grad(Infer *r)
{
    *r->out = r->src[1];
    if (r->src[0].shape.rank)
        return misfit(r, "a scalar to differentiate expected, not a value of "
                         "shape %s", shape_str(r->src[0].shape).s);
    return true;
}
