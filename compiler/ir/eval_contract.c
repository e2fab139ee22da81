/*
 * eval_contract.c -- meaning of dot and of convolution with its adjoints.
 */
#include "ir/eval.h"

#include <string.h>

/*
 * out[b, f, g] = sum over c of x[b, f, c] y[b, g, c], where b are the batch
 * dims, f and g the free dims of x and y, c the contracted dims; each group
 * stands where the attributes say.
 */
typedef struct Roles {
    DotDims d;
    int nfx, nfy;
    int fx[RANK_MAX], fy[RANK_MAX]; // free dims of x and y
    Shape inner;                    // extents of the contracted dims
} Roles;

static int free_dims(Shape s, const int *c, int nc, const int *b, int nb,
                     int *dims)
{
    int n = 0;

    for (int k = 0; k < s.rank; k++) {
        bool bound = false;
        for (int j = 0; j < nc; j++)
            bound = bound || c[j] == k;
        for (int j = 0; j < nb; j++)
            bound = bound || b[j] == k;
        if (!bound)
            dims[n++] = k;
    }
    return n;
}

static Roles roles(const EvalOp *e)
{
    Roles r = {.d = ir_dot_dims(e->v)};
    Shape x = e->src[0].type.shape, y = e->src[1].type.shape;
    DotDims *d = &r.d;

    r.nfx = free_dims(x, d->cx, d->ncontract, d->bx, d->nbatch, r.fx);
    r.nfy = free_dims(y, d->cy, d->ncontract, d->by, d->nbatch, r.fy);
    r.inner.rank = d->ncontract;
    for (int k = 0; k < d->ncontract; k++)
        r.inner.dim[k] = x.dim[d->cx[k]];
    return r;
}

/* The element of the result at `to` for one example. */
static double dot_at(const EvalOp *e, const Roles *r, const int64_t *to,
                     int64_t b)
{
    const DotDims *d = &r->d;
    int64_t ix[RANK_MAX], iy[RANK_MAX], c[RANK_MAX] = {0};
    const double *x = eval_at(&e->src[0], b), *y = eval_at(&e->src[1], b);
    double sum = 0;

    for (int k = 0; k < d->nbatch; k++)
        ix[d->bx[k]] = iy[d->by[k]] = to[k];
    for (int k = 0; k < r->nfx; k++)
        ix[r->fx[k]] = to[d->nbatch + k];
    for (int k = 0; k < r->nfy; k++)
        iy[r->fy[k]] = to[d->nbatch + r->nfx + k];
    do {
        for (int k = 0; k < d->ncontract; k++)
            ix[d->cx[k]] = iy[d->cy[k]] = c[k];
        sum += x[eval_offset(e->src[0].type.shape, ix)] *
               y[eval_offset(e->src[1].type.shape, iy)];
    } while (eval_step(r->inner, c));
    return sum;
}

void eval_dot(EvalOp *e)
{
    Roles r = roles(e);

    for (int64_t b = 0; b < e->out->batch; b++) {
        int64_t to[RANK_MAX] = {0};
        double *out = eval_at(e->out, b);
        do {
            double sum = 0;
            if (r.d.sum_batch)
                for (int64_t k = 0; k < e->batch; k++)
                    sum += dot_at(e, &r, to, k);
            else
                sum = dot_at(e, &r, to, b);
            *out++ = eval_fit(e->out->type.dt, sum);
        } while (eval_step(e->out->type.shape, to));
    }
}

/*
 * Convolution: y[p, q, o] += x[p sh + r - ph, q sw + s - pw, c] w[r, s, c, o]
 * for every place, tap, channel and output. The adjoints run through the
 * same terms and add to x or w instead.
 */
typedef void Term(double *x, double *w, double *y);

static void term_y(double *x, double *w, double *y)
{
    *y += *x * *w;
}

static void term_x(double *x, double *w, double *y)
{
    *x += *y * *w;
}

static void term_w(double *x, double *w, double *y)
{
    *w += *y * *x;
}

/* One row of taps: all q, s, c, o for given p and r. */
static void conv_row(double *x, double *w, double *y, const int64_t *xd,
                     const int64_t *wd, const int64_t *yd, ConvDims d,
                     Term *term)
{
    for (int64_t q = 0; q < yd[1]; q++)
        for (int64_t s = 0; s < wd[1]; s++) {
            int64_t j = q * d.sw + s - d.pw_lo;
            if (j < 0 || j >= xd[1])
                continue;
            for (int64_t c = 0; c < wd[2]; c++)
                for (int64_t o = 0; o < wd[3]; o++)
                    term(&x[j * xd[2] + c], &w[(s * wd[2] + c) * wd[3] + o],
                         &y[q * yd[2] + o]);
        }
}

static void conv_terms(const EvalOp *e, const Tensor *x, const Tensor *w,
                       const Tensor *y, int64_t batch, Term *term)
{
    const int64_t *xd = x->type.shape.dim, *wd = w->type.shape.dim;
    const int64_t *yd = y->type.shape.dim;
    ConvDims d = ir_conv_dims(e->v);
    const Tensor *out = e->out;

    memset(out->at, 0, (size_t)(out->batch * shape_size(out->type.shape)) *
                           sizeof(double));
    for (int64_t b = 0; b < batch; b++)
        for (int64_t p = 0; p < yd[0]; p++)
            for (int64_t r = 0; r < wd[0]; r++) {
                int64_t i = p * d.sh + r - d.ph_lo;
                if (i >= 0 && i < xd[0])
                    conv_row(eval_at(x, b) + i * xd[1] * xd[2],
                             eval_at(w, b) + r * wd[1] * wd[2] * wd[3],
                             eval_at(y, b) + p * yd[1] * yd[2], xd, wd, yd, d,
                             term);
            }
}

void eval_conv(EvalOp *e)
{
    conv_terms(e, &e->src[0], &e->src[1], e->out, e->out->batch, term_y);
}

void eval_conv_dx(EvalOp *e)
{
    conv_terms(e, e->out, &e->src[1], &e->src[0], e->out->batch, term_x);
}

/* conv_dx of w with its last two dims exchanged. */
void eval_conv_up(EvalOp *e)
{
    const Tensor *w = &e->src[1];
    Tensor t = *w;
    int64_t *d = t.type.shape.dim, C = d[2], O = d[3];
    int64_t n = shape_size(t.type.shape) * w->batch;
    Arena *tmp = arena_new();

    d[2] = O;
    d[3] = C;
    t.at = NEW_N(tmp, double, n);
    for (int64_t k = 0; k < n; k++)
        t.at[k / (C * O) * C * O + k % O * C + k / O % C] = w->at[k];
    conv_terms(e, e->out, &t, &e->src[0], e->out->batch, term_x);
    arena_free(tmp);
}

void eval_conv_dw(EvalOp *e)
{
    conv_terms(e, &e->src[0], e->out, &e->src[1], e->src[0].batch, term_w);
}
