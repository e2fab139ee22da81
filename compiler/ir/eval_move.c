/*
 * eval_move.c -- meaning of views and indexing.
 *
 * A view is stated as where an element comes from: a function from an index
 * of the result to an index of the source, false where the fill stands.
 */
#include "ir/eval.h"

#include <string.h>

typedef bool From(const EvalOp *e, const int64_t *to, int64_t *from);

static void view(EvalOp *e, From *f)
{
    Shape s = e->src[0].type.shape, t = e->out->type.shape;

    for (int64_t b = 0; b < e->out->batch; b++) {
        double *out = eval_at(e->out, b);
        const double *x = eval_at(&e->src[0], b);
        int64_t to[RANK_MAX] = {0};
        do {
            int64_t from[RANK_MAX];
            *out++ = f(e, to, from) ? x[eval_offset(s, from)]
                                    : eval_fit(e->out->type.dt, e->v->attr.f);
        } while (eval_step(t, to));
    }
}

static bool from_same(const EvalOp *e, const int64_t *to, int64_t *from)
{
    memcpy(from, to, (size_t)e->out->type.shape.rank * sizeof *to);
    return true;
}

static bool from_broadcast(const EvalOp *e, const int64_t *to, int64_t *from)
{
    Shape s = e->src[0].type.shape;
    const int64_t *place = e->v->attr.i + e->out->type.shape.rank;

    for (int k = 0; k < s.rank; k++)
        from[k] = s.dim[k] == 1 ? 0 : to[place[k]];
    return true;
}

static bool from_transpose(const EvalOp *e, const int64_t *to, int64_t *from)
{
    for (int k = 0; k < e->v->attr.n; k++)
        from[e->v->attr.i[k]] = to[k];
    return true;
}

static bool from_slice(const EvalOp *e, const int64_t *to, int64_t *from)
{
    const int64_t *a = e->v->attr.i;

    for (int k = 0; k < e->out->type.shape.rank; k++)
        from[k] = a[3 * k] + to[k] * a[3 * k + 2];
    return true;
}

static bool from_pad(const EvalOp *e, const int64_t *to, int64_t *from)
{
    const int64_t *a = e->v->attr.i;
    Shape s = e->src[0].type.shape;

    for (int k = 0; k < s.rank; k++) {
        int64_t at = to[k] - a[3 * k], step = a[3 * k + 2] + 1;
        from[k] = at / step;
        if (at < 0 || at % step || from[k] >= s.dim[k])
            return false;
    }
    return true;
}

static bool from_reverse(const EvalOp *e, const int64_t *to, int64_t *from)
{
    from_same(e, to, from);
    for (int k = 0; k < e->v->attr.n; k++) {
        int64_t axis = e->v->attr.i[k];
        from[axis] = e->out->type.shape.dim[axis] - 1 - to[axis];
    }
    return true;
}

void eval_spread(EvalOp *e)
{
    view(e, from_same);
}

void eval_broadcast(EvalOp *e)
{
    view(e, from_broadcast);
}

void eval_reshape(EvalOp *e)
{
    size_t n = (size_t)(e->out->batch * shape_size(e->out->type.shape));

    memcpy(e->out->at, e->src[0].at, n * sizeof(double));
}

void eval_transpose(EvalOp *e)
{
    view(e, from_transpose);
}

void eval_slice(EvalOp *e)
{
    view(e, from_slice);
}

void eval_pad(EvalOp *e)
{
    view(e, from_pad);
}

void eval_reverse(EvalOp *e)
{
    view(e, from_reverse);
}

void eval_concat(EvalOp *e)
{
    int64_t axis = e->v->attr.i[0];
    Shape t = e->out->type.shape;

    for (int64_t b = 0; b < e->out->batch; b++) {
        int64_t to[RANK_MAX] = {0};
        double *out = eval_at(e->out, b);
        do {
            int64_t from[RANK_MAX];
            int k = 0;
            memcpy(from, to, sizeof from);
            while (from[axis] >= e->src[k].type.shape.dim[axis])
                from[axis] -= e->src[k++].type.shape.dim[axis];
            *out++ = eval_at(&e->src[k], b)[eval_offset(e->src[k].type.shape,
                                                        from)];
        } while (eval_step(t, to));
    }
}

/* ---- indexing: places outside 0 .. n - 1 mean the nearest one inside ---- */

static int64_t row(double i, int64_t n)
{
    return i < 0 ? 0 : i >= (double)n ? n - 1 : (int64_t)i;
}

/* Elements of one row of x T[n, ..]. */
static int64_t row_size(Shape x)
{
    return shape_size(x) / x.dim[0];
}

void eval_take(EvalOp *e)
{
    Shape x = e->src[0].type.shape;
    int64_t n = shape_size(e->src[1].type.shape), size = row_size(x);

    for (int64_t b = 0; b < e->out->batch; b++) {
        const double *i = eval_at(&e->src[1], b);
        for (int64_t k = 0; k < n; k++)
            memcpy(eval_at(e->out, b) + k * size,
                   eval_at(&e->src[0], b) + row(i[k], x.dim[0]) * size,
                   (size_t)size * sizeof(double));
    }
}

void eval_put(EvalOp *e)
{
    const Tensor *x = &e->src[0], *i = &e->src[1], *v = &e->src[2];
    int64_t n = shape_size(i->type.shape), size = row_size(x->type.shape);
    int64_t writers = i->batch > v->batch ? i->batch : v->batch;

    memcpy(e->out->at, x->at, (size_t)(x->batch * shape_size(x->type.shape)) *
                                  sizeof(double));
    if (x->batch > writers)
        writers = x->batch;
    for (int64_t b = 0; b < writers; b++)
        for (int64_t k = 0; k < n; k++)
            memcpy(eval_at(e->out, b) +
                       row(eval_at(i, b)[k], x->type.shape.dim[0]) * size,
                   eval_at(v, b) + k * size, (size_t)size * sizeof(double));
}

void eval_scatter_add(EvalOp *e)
{
    const Tensor *i = &e->src[0], *v = &e->src[1];
    Shape s = e->out->type.shape;
    int64_t n = shape_size(i->type.shape), size = row_size(s);

    for (int64_t b = 0; b < e->out->batch; b++) {
        double *out = eval_at(e->out, b);
        memset(out, 0, (size_t)shape_size(s) * sizeof(double));
        for (int64_t k = 0; k < n * size; k++) {
            double *at = out + row(eval_at(i, b)[k / size], s.dim[0]) * size +
                         k % size;
            *at = eval_fit(e->out->type.dt, *at + eval_at(v, b)[k]);
        }
    }
}
