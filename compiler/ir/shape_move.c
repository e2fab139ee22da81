/*
 * shape_move.c -- result types of movement and indexing. See shape_rules.c.
 */
#include "ir/shape.h"

/* ---- movement ---- */

bool shape_spread(Infer *r)
{
    if (r->src[0].batched)
        return misfit(r, "the value is per example already");
    *r->out = r->src[0];
    r->out->batched = true;
    return true;
}

static void like_source(Infer *r)
{
    r->out->dt = r->src[0].dt;
    r->out->batched = any_batched(r);
}

static bool result_dims(Infer *r, int from, int n)
{
    if (n < 0 || n > RANK_MAX)
        return misfit(r, "the result has more than %d dims", RANK_MAX);
    for (int k = 0; k < n; k++)
        if (!push_dim(r, r->attr->i[from + k]))
            return false;
    return true;
}

bool shape_bcast(Infer *r)
{
    Shape s = r->src[0].shape, *to = &r->out->shape;
    int rank = r->attr->n - s.rank;

    like_source(r);
    if (!has_attrs(r, r->attr->n) || !result_dims(r, 0, rank))
        return false;
    for (int k = 0; k < s.rank; k++) {
        int64_t at = r->attr->i[rank + k];
        if (at < 0 || at >= rank || (k && at <= r->attr->i[rank + k - 1]) ||
            (s.dim[k] != 1 && s.dim[k] != to->dim[at]))
            return misfit(r, "shape %s does not stretch to %s",
                          shape_str(s).s, shape_str(*to).s);
    }
    return true;
}

bool shape_reshape(Infer *r)
{
    Shape s = r->src[0].shape;

    like_source(r);
    if (!has_attrs(r, r->attr->n) || !result_dims(r, 0, r->attr->n) ||
        !shape_check(r->out->shape, r->err, r->err_bytes))
        return false;
    if (shape_size(s) != shape_size(r->out->shape))
        return misfit(r, "shape %s has %lld elements, shape %s has %lld",
                      shape_str(s).s, (long long)shape_size(s),
                      shape_str(r->out->shape).s,
                      (long long)shape_size(r->out->shape));
    return true;
}

/* Are the numbers in attr distinct dims of s? */
static bool are_axes(Infer *r, Shape s)
{
    unsigned seen = 0;

    for (int k = 0; k < r->attr->n; k++) {
        if (!is_axis(r, s, r->attr->i[k]))
            return false;
        if (seen & 1u << r->attr->i[k])
            return misfit(r, "dim %lld is named twice",
                          (long long)r->attr->i[k]);
        seen |= 1u << r->attr->i[k];
    }
    return true;
}

bool shape_perm(Infer *r)
{
    Shape s = r->src[0].shape;

    like_source(r);
    if (r->attr->n != s.rank)
        return misfit(r, "%d dims are named, the value has shape %s",
                      r->attr->n, shape_str(s).s);
    if (!are_axes(r, s))
        return false;
    for (int k = 0; k < s.rank; k++)
        push_dim(r, s.dim[r->attr->i[k]]);
    return true;
}

bool shape_slice(Infer *r)
{
    Shape s = r->src[0].shape;

    like_source(r);
    if (!has_attrs(r, 3 * s.rank))
        return false;
    for (int k = 0; k < s.rank; k++) {
        int64_t start = r->attr->i[3 * k], limit = r->attr->i[3 * k + 1];
        int64_t stride = r->attr->i[3 * k + 2];
        if (start < 0 || limit > s.dim[k] || start >= limit)
            return misfit(r, "%lld .. %lld is no part of dim %d of shape %s",
                          (long long)start, (long long)limit, k,
                          shape_str(s).s);
        if (stride < 1)
            return misfit(r, "the stride is %lld, less than 1",
                          (long long)stride);
        push_dim(r, (limit - start + stride - 1) / stride);
    }
    return true;
}

bool shape_pad(Infer *r)
{
    Shape s = r->src[0].shape;

    like_source(r);
    if (!has_attrs(r, 3 * s.rank))
        return false;
    for (int k = 0; k < s.rank; k++) {
        const int64_t *at = &r->attr->i[3 * k];
        if (at[0] < 0 || at[1] < 0 || at[2] < 0)
            return misfit(r, "the padding of dim %d is negative", k);
        if (at[2] > EXTENT_MAX / s.dim[k])
            return misfit(r, "%lld is too large a padding", (long long)at[2]);
        push_dim(r, at[0] + at[1] + s.dim[k] + (s.dim[k] - 1) * at[2]);
    }
    return true;
}

bool shape_reverse(Infer *r)
{
    *r->out = r->src[0];
    return are_axes(r, r->src[0].shape);
}

bool shape_concat(Infer *r)
{
    if (r->nsrc < 1)
        return misfit(r, "there is nothing to put together");
    *r->out = r->src[0];
    r->out->batched = any_batched(r);
    if (!has_attrs(r, 1) || !is_axis(r, r->src[0].shape, r->attr->i[0]))
        return false;
    int axis = (int)r->attr->i[0];
    for (int k = 1; k < r->nsrc; k++) {
        Shape s = r->src[k].shape;
        if (!same_dtype(r, r->src[0], r->src[k]))
            return false;
        if (s.rank == r->out->shape.rank)
            s.dim[axis] = r->src[0].shape.dim[axis];
        if (!shape_eq(s, r->src[0].shape))
            return misfit(r, "shapes %s and %s differ in more than dim %d",
                          shape_str(r->src[0].shape).s,
                          shape_str(r->src[k].shape).s, axis);
        r->out->shape.dim[axis] += r->src[k].shape.dim[axis];
    }
    return true;
}

/* ---- indexing ---- */

static bool is_index(Infer *r, Type i)
{
    if (i.dt != DT_i32)
        return misfit(r, "the index is %s, not int", dtype_word(i.dt));
    return true;
}

/* The dims of i, then all but the first of x. */
static bool rows_at(Infer *r, Shape i, Shape x)
{
    for (int k = 0; k < i.rank; k++)
        if (!push_dim(r, i.dim[k]))
            return false;
    for (int k = 1; k < x.rank; k++)
        if (!push_dim(r, x.dim[k]))
            return false;
    return true;
}

static bool has_rows(Infer *r, Type x)
{
    if (x.shape.rank == 0)
        return misfit(r, "a scalar cannot be indexed");
    return true;
}

bool shape_take(Infer *r)
{
    like_source(r);
    return has_rows(r, r->src[0]) && is_index(r, r->src[1]) &&
           rows_at(r, r->src[1].shape, r->src[0].shape);
}

bool shape_put(Infer *r)
{
    Type x = r->src[0], i = r->src[1], v = r->src[2];

    if (!has_rows(r, x) || !is_index(r, i) || !same_dtype(r, x, v) ||
        !rows_at(r, i.shape, x.shape))
        return false;
    if (!shape_eq(r->out->shape, v.shape))
        return misfit(r, "places of shape %s are given values of shape %s",
                      shape_str(r->out->shape).s, shape_str(v.shape).s);
    *r->out = x;
    return true;
}

bool shape_scatter(Infer *r)
{
    Shape i = r->src[0].shape, v = r->src[1].shape;

    r->out->dt = r->src[1].dt;
    r->out->batched = any_batched(r);
    if (!has_attrs(r, 1) || !is_index(r, r->src[0]))
        return false;
    if (r->src[1].dt == DT_bool)
        return misfit(r, "a number expected, not bool");
    for (int k = 0; k < i.rank; k++)
        if (k >= v.rank || i.dim[k] != v.dim[k])
            return misfit(r, "indices of shape %s are given values of shape "
                             "%s", shape_str(i).s, shape_str(v).s);
    push_dim(r, r->attr->i[0]);
    for (int k = i.rank; k < v.rank; k++)
        if (!push_dim(r, v.dim[k]))
            return false;
    return true;
}
