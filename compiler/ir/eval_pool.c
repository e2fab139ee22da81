/*
 * eval_pool.c -- meaning of pooling over [H, W, C], its adjoints, and
 * convolutions of what they unpool.
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

static void window_place(EvalOp *e, const Window *w, int64_t b)
{
    PoolDims d = ir_pool_dims(e->v);
    const int64_t *in = e->src[0].type.shape.dim, *to = e->out->type.shape.dim;
    int64_t best = largest(eval_at(&e->src[0], b), w) / in[2];
    int64_t p = w->out / to[2] / to[1], q = w->out / to[2] % to[1];
    int64_t r = best / in[1] - p * d.sh + d.ph_lo;
    int64_t s = best % in[1] - q * d.sw + d.pw_lo;

    eval_at(e->out, b)[w->out] = (double)(r * d.kw + s);
}

void eval_pool_place(EvalOp *e)
{
    windows(e, e->src[0].type.shape, e->out->type.shape, window_place);
}

void eval_sum_pool(EvalOp *e)
{
    windows(e, e->src[0].type.shape, e->out->type.shape, window_sum);
}

void eval_sum_pool_dx(EvalOp *e)
{
    windows(e, e->out->type.shape, e->src[0].type.shape, window_sum_dx);
}

/*
 * Convolutions of an unpooled value: what stands in a window of dy goes to
 * (i, j), the tap of the window that `place` names; from there
 *     dx[i + r - ph, j + s - pw, c] += dy w[o, r, s, c]
 *     dw[o, r, s, c] += dy x[i + r, j + s, c]
 */
typedef struct Spot {
    int64_t i, j, o;
    double dy;
} Spot;

typedef void PerSpot(EvalOp *e, const Spot *s, int64_t b);

static void spots(EvalOp *e, const Tensor *dy, const Tensor *place,
                  int64_t batch, PerSpot *f)
{
    UnpoolDims u = ir_unpool_dims(e->v);
    Shape at = dy->type.shape;

    memset(e->out->at, 0,
           (size_t)(e->out->batch * shape_size(e->out->type.shape)) *
               sizeof(double));
    for (int64_t b = 0; b < batch; b++) {
        int64_t i[RANK_MAX] = {0};
        do {
            int64_t k = (int64_t)eval_at(place, b)[eval_offset(at, i)];
            Spot s = {i[0] * u.kh + k / u.kw, i[1] * u.kw + k % u.kw, i[2],
                      eval_at(dy, b)[eval_offset(at, i)]};

            if (s.dy != 0 && k >= 0 && k < u.kh * u.kw)
                f(e, &s, b);
        } while (eval_step(at, i));
    }
}

static void spot_dx(EvalOp *e, const Spot *at, int64_t b)
{
    UnpoolDims u = ir_unpool_dims(e->v);
    int64_t C = e->out->type.shape.dim[2];

    for (int64_t r = 0; r < u.R; r++)
        for (int64_t s = 0; s < u.S; s++) {
            int64_t i = at->i + r - u.ph, j = at->j + s - u.pw;
            const double *w = eval_at(&e->src[1], b) +
                              ((at->o * u.R + r) * u.S + s) * C;

            if (i < 0 || i >= u.H || j < 0 || j >= u.W)
                continue;
            for (int64_t c = 0; c < C; c++)
                eval_at(e->out, b)[(i * u.W + j) * C + c] += at->dy * w[c];
        }
}

void eval_conv_dx_pooled(EvalOp *e)
{
    spots(e, &e->src[0], &e->src[2], e->out->batch, spot_dx);
}

static void spot_dw(EvalOp *e, const Spot *at, int64_t b)
{
    UnpoolDims u = ir_unpool_dims(e->v);
    const int64_t *d = e->src[0].type.shape.dim;

    for (int64_t r = 0; r < u.R; r++)
        for (int64_t s = 0; s < u.S; s++) {
            const double *x = eval_at(&e->src[0], b) +
                              ((at->i + r) * d[1] + at->j + s) * d[2];

            for (int64_t c = 0; c < d[2]; c++)
                e->out->at[((at->o * u.R + r) * u.S + s) * d[2] + c] +=
                    at->dy * x[c];
        }
}

void eval_conv_dw_pooled(EvalOp *e)
{
    spots(e, &e->src[1], &e->src[2], e->src[0].batch, spot_dw);
}
