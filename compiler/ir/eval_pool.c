/*
 * eval_pool.c -- meaning of pooling over [H, W, C] and its adjoints.
 *
 * Every op is a walk over windows; `at` holds the offsets in x of the
 * elements of one window, in row-major order, padding left out.
 */
#include "ir/eval.h"

#include <string.h>

typedef struct Window {
    int64_t *at, n; // offsets in [H, W, C]
    int64_t out;    // offset of the window in [Ho, Wo, C]
} Window;

typedef void PerWindow(EvalOp *e, const Window *w, int64_t b);

static void gather_window(Window *w, PoolDims d, const int64_t *in, int64_t p,
                          int64_t q, int64_t c)
{
    w->n = 0;
    for (int64_t r = 0; r < d.kh; r++)
        for (int64_t s = 0; s < d.kw; s++) {
            int64_t i = p * d.sh + r - d.ph_lo, j = q * d.sw + s - d.pw_lo;
            if (i >= 0 && i < in[0] && j >= 0 && j < in[1])
                w->at[w->n++] = (i * in[1] + j) * in[2] + c;
        }
}

/* For every window of x; `in` and `to` are the dims of x and of the result
 * of pooling it. */
static void windows(EvalOp *e, Shape in, Shape to, PerWindow *f)
{
    PoolDims d = ir_pool_dims(e->v);
    Window w = {.at = NEW_N(e->tmp, int64_t, d.kh * d.kw)};

    memset(e->out->at, 0,
           (size_t)(e->out->batch * shape_size(e->out->type.shape)) *
               sizeof(double));
    for (int64_t b = 0; b < e->out->batch; b++) {
        int64_t i[RANK_MAX] = {0};
        do {
            gather_window(&w, d, in.dim, i[0], i[1], i[2]);
            w.out = eval_offset(to, i);
            f(e, &w, b);
        } while (eval_step(to, i));
    }
}

static int64_t largest(const double *x, const Window *w)
{
    int64_t best = w->at[0];

    for (int64_t k = 1; k < w->n; k++)
        if (eval_beats(x[w->at[k]], x[best]))
            best = w->at[k];
    return best;
}

static void window_max(EvalOp *e, const Window *w, int64_t b)
{
    const double *x = eval_at(&e->src[0], b);

    eval_at(e->out, b)[w->out] = x[largest(x, w)];
}

static void window_gather(EvalOp *e, const Window *w, int64_t b)
{
    int64_t best = largest(eval_at(&e->src[0], b), w);

    eval_at(e->out, b)[w->out] = eval_at(&e->src[1], b)[best];
}

static void window_scatter(EvalOp *e, const Window *w, int64_t b)
{
    int64_t best = largest(eval_at(&e->src[0], b), w);

    eval_at(e->out, b)[best] += eval_at(&e->src[1], b)[w->out];
}

static void window_sum(EvalOp *e, const Window *w, int64_t b)
{
    for (int64_t k = 0; k < w->n; k++)
        eval_at(e->out, b)[w->out] += eval_at(&e->src[0], b)[w->at[k]];
}

static void window_sum_dx(EvalOp *e, const Window *w, int64_t b)
{
    for (int64_t k = 0; k < w->n; k++)
        eval_at(e->out, b)[w->at[k]] += eval_at(&e->src[0], b)[w->out];
}

void eval_max_pool(EvalOp *e)
{
    windows(e, e->src[0].type.shape, e->out->type.shape, window_max);
}

void eval_pool_gather(EvalOp *e)
{
    windows(e, e->src[0].type.shape, e->out->type.shape, window_gather);
}

void eval_pool_scatter(EvalOp *e)
{
    windows(e, e->src[0].type.shape, e->src[1].type.shape, window_scatter);
}

void eval_sum_pool(EvalOp *e)
{
    windows(e, e->src[0].type.shape, e->out->type.shape, window_sum);
}

void eval_sum_pool_dx(EvalOp *e)
{
    windows(e, e->out->type.shape, e->src[0].type.shape, window_sum_dx);
}
