/*
 * eval_wino.c -- the meaning of the ops of wino.h, term by term.
 */
#include "ir/eval.h"
#include "ir/wino.h"

#include <string.h>

/* U[panel, (i, j), c, o] = sum over r, s  G[i][r] w[r, s, c, o] G[j][s] */
void eval_wino_w(EvalOp *e)
{
    WinoRead read = wino_read(e->v);
    WinoWeights x = wino_weights(e->src[0].type.shape, read);
    Shape out = e->out->type.shape;
    int64_t i[RANK_MAX] = {0};
    Wino f;

    wino_of(read.m, x.R, read.form, &f);
    for (int64_t b = 0; b < e->out->batch; b++) {
        double *u = eval_at(e->out, b), *w = eval_at(&e->src[0], b);

        do {
            int64_t o = i[0] * WINO_PANEL + i[3];
            double sum = 0;

            for (int64_t r = 0; r < x.R && o < x.O; r++)
                for (int64_t s = 0; s < x.R; s++)
                    sum += f.g[i[1] / f.nu][r] * f.g[i[1] % f.nu][s] *
                           w[x.at + r * x.r + s * x.s + i[2] * x.c + o * x.o];
            *u++ = sum;
        } while (eval_step(out, i));
    }
}

typedef struct Image { // one example
    const double *x;
    int64_t H, W, C, h0, w0; // the tile's first element
} Image;

static double pixel(const Image *m, int64_t r, int64_t s, int64_t c)
{
    int64_t h = m->h0 + r, w = m->w0 + s;

    if (h < 0 || w < 0 || h >= m->H || w >= m->W)
        return 0;
    return m->x[(h * m->W + w) * m->C + c];
}

/* (B^T d B)[i][j] of channel c */
static double transformed(const Image *m, const Wino *f, int i, int j,
                          int64_t c)
{
    double sum = 0;

    for (int r = 0; r < f->in; r++)
        for (int s = 0; s < f->in; s++)
            if (f->bt[i][r] != 0 && f->bt[j][s] != 0)
                sum += f->bt[i][r] * f->bt[j][s] *
                       pixel(m, f->from[r], f->from[s], c);
    return sum;
}

/* Adds v at point (i, j) to the outputs of the tile at y that exist: `high`
 * and `wide` are left of the image. */
static void spread(const Wino *f, int i, int j, double v, double *y,
                   int64_t high, int64_t wide, const int64_t *yd)
{
    for (int a = 0; a < f->out; a++)
        for (int b = 0; b < f->out; b++)
            if (f->at[a][i] != 0 && f->at[b][j] != 0 && f->to[a] < high &&
                f->to[b] < wide)
                y[(f->to[a] * yd[1] + f->to[b]) * yd[2]] +=
                    f->at[a][i] * f->at[b][j] * v;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* One tile at output (p, q). */
static void tile(const Image *m, const Wino *f, const double *u, double *y,
                 int64_t p, int64_t q, const int64_t *yd)
{
    int64_t O = yd[2], T = f->nu * f->nu;
    int last = f->nu - 1;

    for (int i = 0; i < f->t; i++)
        for (int j = 0; j < f->t; j++)
            for (int64_t c = 0; c < m->C; c++) {
                double d = transformed(m, f, i, j, c);

                for (int64_t o = 0; o < O; o++) {
                    int64_t at = o / WINO_PANEL * T +
                                 least(i, last) * f->nu + least(j, last);
                    double v = d * u[(at * m->C + c) * WINO_PANEL +
                                     o % WINO_PANEL];

                    spread(f, i, j, v, y + (p * yd[1] + q) * O + o,
                           yd[0] - p, yd[1] - q, yd);
                }
            }
}

void eval_conv_wino(EvalOp *e)
{
    WinoDims d = wino_dims(e->v);
    const int64_t *xd = e->src[0].type.shape.dim;
    const int64_t *yd = e->out->type.shape.dim;
    Image m = {.H = xd[0], .W = xd[1], .C = xd[2]};
    Wino f;

    wino_of(d.m, d.r, d.form, &f);
    for (int64_t b = 0; b < e->out->batch; b++) {
        double *y = eval_at(e->out, b);

        m.x = eval_at(&e->src[0], b);
        memset(y, 0, (size_t)shape_size(e->out->type.shape) * sizeof *y);
        for (int64_t p = 0; p < yd[0]; p += f.out)
            for (int64_t q = 0; q < yd[1]; q += f.out) {
                m.h0 = p / f.out * f.hop - wino_lead(d.form, d.ph_lo);
                m.w0 = q / f.out * f.hop - wino_lead(d.form, d.pw_lo);
                tile(&m, &f, eval_at(&e->src[1], b), y, p, q, yd);
            }
    }
}

/* The same number by any algorithm: that of conv_dw. */
void eval_conv_dw_wino(EvalOp *e)
{
    WinoDims d = wino_dims(e->v);
    const int64_t *xd = e->src[0].type.shape.dim;
    const int64_t *yd = e->src[1].type.shape.dim;
    int64_t i[RANK_MAX] = {0};
    double *out = e->out->at;

    do {
        double sum = 0;

        for (int64_t b = 0; b < e->src[0].batch; b++) {
            Image m = {eval_at(&e->src[0], b), xd[0], xd[1], xd[2], 0, 0};
            const double *dy = eval_at(&e->src[1], b) + i[3];

            for (int64_t p = 0; p < yd[0] * yd[1]; p++)
                sum += dy[p * yd[2]] *
                       pixel(&m, p / yd[1] + i[0] - d.ph_lo,
                             p % yd[1] + i[1] - d.pw_lo, i[2]);
        }
        *out++ = sum;
    } while (eval_step(e->out->type.shape, i));
}
