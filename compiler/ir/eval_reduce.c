/*
 * eval_reduce.c -- meaning of reductions, sorting and running sums.
 */
#include "ir/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef double Merge(double sum, double x);

static double plus(double sum, double x)
{
    return sum + x;
}

static double larger(double best, double x)
{
    return eval_beats(x, best) ? x : best;
}

static double smaller(double best, double x)
{
    return eval_under(x, best) ? x : best;
}

/* out[index without the named dims] = the merge of all elements there. */
static void reduce(EvalOp *e, Merge *merge)
{
    Shape s = e->src[0].type.shape, t = e->out->type.shape;
    bool gone[RANK_MAX] = {false};

    for (int k = 0; k < e->v->attr.n; k++)
        gone[e->v->attr.i[k]] = true;
    for (int64_t b = 0; b < e->out->batch; b++) {
        const double *x = eval_at(&e->src[0], b);
        double *out = eval_at(e->out, b);
        bool *begun = NEW_N(e->tmp, bool, shape_size(t));
        int64_t i[RANK_MAX] = {0};
        do {
            int64_t j[RANK_MAX], n = 0;
            for (int k = 0; k < s.rank; k++)
                if (!gone[k])
                    j[n++] = i[k];
            int64_t at = eval_offset(t, j);
            out[at] = begun[at] ? merge(out[at], *x) : *x;
            begun[at] = true;
            x++;
        } while (eval_step(s, i));
        for (int64_t k = 0; k < shape_size(t); k++)
            out[k] = eval_fit(e->out->type.dt, out[k]);
    }
}

void eval_sum(EvalOp *e)
{
    reduce(e, plus);
}

void eval_max_reduce(EvalOp *e)
{
    reduce(e, larger);
}

void eval_min_reduce(EvalOp *e)
{
    reduce(e, smaller);
}

static void over_batch(EvalOp *e, Merge *merge)
{
    for (int64_t k = 0; k < shape_size(e->out->type.shape); k++) {
        double sum = eval_at(&e->src[0], 0)[k];
        for (int64_t b = 1; b < e->src[0].batch; b++)
            sum = merge(sum, eval_at(&e->src[0], b)[k]);
        e->out->at[k] = eval_fit(e->out->type.dt, sum);
    }
}

void eval_batch_sum(EvalOp *e)
{
    over_batch(e, plus);
}

void eval_batch_max(EvalOp *e)
{
    over_batch(e, larger);
}

/* ---- along one dim ---- */

/* Works on n elements of x that lie `stride` apart; out has the same stride,
 * or is one element where the dim goes away. */
typedef void Along(EvalOp *e, const double *x, double *out, int64_t n,
                   int64_t stride);

static void along(EvalOp *e, Along *f)
{
    Shape s = e->src[0].type.shape;
    int axis = (int)e->v->attr.i[0];
    int64_t stride = 1, n = s.dim[axis], outer = 1;
    bool keeps = e->out->type.shape.rank == s.rank;

    for (int k = 0; k < s.rank; k++)
        *(k < axis ? &outer : &stride) *= k == axis ? 1 : s.dim[k];
    for (int64_t b = 0; b < e->out->batch; b++)
        for (int64_t o = 0; o < outer; o++)
            for (int64_t k = 0; k < stride; k++)
                f(e, eval_at(&e->src[0], b) + o * n * stride + k,
                  eval_at(e->out, b) + o * (keeps ? n : 1) * stride + k, n,
                  stride);
}

static void first_best(const double *x, double *out, int64_t n, int64_t stride,
                       bool (*better)(double, double))
{
    int64_t best = 0;

    for (int64_t k = 1; k < n; k++)
        if (better(x[k * stride], x[best * stride]))
            best = k;
    *out = (double)best;
}

static bool beats(double y, double x)
{
    return eval_beats(y, x);
}

static bool under(double y, double x)
{
    return eval_under(y, x);
}

static void along_argmax(EvalOp *e, const double *x, double *out, int64_t n,
                         int64_t stride)
{
    (void)e;
    first_best(x, out, n, stride, beats);
}

static void along_argmin(EvalOp *e, const double *x, double *out, int64_t n,
                         int64_t stride)
{
    (void)e;
    first_best(x, out, n, stride, under);
}

void eval_argmax(EvalOp *e)
{
    along(e, along_argmax);
}

void eval_argmin(EvalOp *e)
{
    along(e, along_argmin);
}

typedef struct Place {
    double x;
    int64_t at;
} Place;

/* Ascending, NaN last, equals by place: a stable order. */
static int by_value(const void *p, const void *q)
{
    const Place *a = p, *b = q;
    bool na = isnan(a->x), nb = isnan(b->x);

    if (na != nb)
        return na - nb;
    if (!na && a->x != b->x)
        return a->x < b->x ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

static const Place *sorted(EvalOp *e, const double *x, int64_t n,
                           int64_t stride)
{
    Place *p = NEW_N(e->tmp, Place, n);

    for (int64_t k = 0; k < n; k++)
        p[k] = (Place){x[k * stride], k};
    qsort(p, (size_t)n, sizeof *p, by_value);
    return p;
}

static void along_sort(EvalOp *e, const double *x, double *out, int64_t n,
                       int64_t stride)
{
    const Place *p = sorted(e, x, n, stride);

    for (int64_t k = 0; k < n; k++)
        out[k * stride] = p[k].x;
}

static void along_argsort(EvalOp *e, const double *x, double *out, int64_t n,
                          int64_t stride)
{
    const Place *p = sorted(e, x, n, stride);

    for (int64_t k = 0; k < n; k++)
        out[k * stride] = (double)p[k].at;
}

static void along_cumsum(EvalOp *e, const double *x, double *out, int64_t n,
                         int64_t stride)
{
    double sum = 0;

    for (int64_t k = 0; k < n; k++) {
        sum = eval_fit(e->out->type.dt, sum + x[k * stride]);
        out[k * stride] = sum;
    }
}

void eval_sort(EvalOp *e)
{
    along(e, along_sort);
}

void eval_argsort(EvalOp *e)
{
    along(e, along_argsort);
}

void eval_cumsum(EvalOp *e)
{
    along(e, along_cumsum);
}
