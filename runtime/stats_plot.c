/*
 * stats_plot.c -- the pictures of stats.def: gathered values as series of a
 * chart, tensors as a grid of images.
 */
#include "plot.h"
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_MAX = 16 };

static RnnChart chart_of(const RnnStatAt *a, const char *x, const char *y)
{
    return (RnnChart){.title = a->stat->name, .x = {.label = x},
                      .y = {.label = y}};
}

/* --- histogram: one per set, over common edges ---------------------------- */

static bool span_of(const RnnStatAt *a, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (int k = 0; k < a->all->nset; k++) {
        const double *v = rnn_stat_value(a, k, 0);

        for (int64_t i = 0; i < a->all->set[k].n; i++)
            if (isfinite(v[i])) {
                *lo = fmin(*lo, v[i]);
                *hi = fmax(*hi, v[i]);
            }
    }
    if (*lo == *hi) {
        *lo -= 0.5;
        *hi += 0.5;
    }
    return *lo < *hi;
}

RnnStatus rnn_picture_histogram(const RnnStatAt *a, const char *path,
                                RnnError *err)
{
    int bins = (int)rnn_stat_param(a, 0, 50), n = a->all->nset;
    RnnSeries series[SERIES_MAX] = {0};
    RnnChart c = chart_of(a, a->stat->label[0], "density");
    double lo, hi, *at;
    RnnStatus st;

    n = n > SERIES_MAX ? SERIES_MAX : n;
    bins = bins < 1 ? 1 : bins > 1000 ? 1000 : bins;
    if (!span_of(a, &lo, &hi))
        lo = 0, hi = 1;
    lo = rnn_stat_param(a, 1, lo);
    hi = rnn_stat_param(a, 2, hi);
    at = rnn_alloc(sizeof *at * (size_t)(n * (2 * bins + 1)));
    for (int k = 0; k < n; k++) {
        double *edge = at + k * (2 * bins + 1), *y = edge + bins + 1;

        rnn_histogram(rnn_stat_value(a, k, 0), a->all->set[k].n, lo, hi, bins,
                      true, edge, y);
        series[k] = (RnnSeries){.mark = RNN_MARK_STEP, .x = edge, .y = y,
                                .n = bins, .label = a->all->set[k].name};
    }
    c.nseries = n;
    c.series = series;
    st = rnn_chart_write(path, &c, err);
    free(at);
    return st;
}

/* --- reliability ---------------------------------------------------------- */

RnnStatus rnn_picture_reliability(const RnnStatAt *a, const char *path,
                                  RnnError *err)
{
    int bins = (int)rnn_stat_param(a, 0, 15);
    int64_t n = a->all->set[0].n;
    const double *conf = rnn_stat_value(a, 0, 0);
    const double *right = rnn_stat_value(a, 0, 1);
    RnnChart c = chart_of(a, "confidence", "accuracy");
    char text[96];

    bins = bins < 1 ? 1 : bins > 1000 ? 1000 : bins;
    double *mid = rnn_alloc(sizeof *mid * (size_t)(4 * bins));
    double *acc = mid + bins, *mean = acc + bins, *share = mean + bins;
    bool *is_right = rnn_alloc(sizeof *is_right * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        is_right[i] = right[i] != 0;
    double ece = rnn_reliability(conf, is_right, n, bins, mid, acc, mean,
                                 share);
    snprintf(text, sizeof text, "ECE %.4f: %d equal bins (lo, hi], %lld "
             "examples", ece, bins, (long long)n);
    RnnSeries series[] = {
        {.mark = RNN_MARK_BAR, .label = "accuracy", .n = bins, .x = mid,
         .y = acc, .width = 1.0 / bins, .gaps = true},
        {.mark = RNN_MARK_BAR, .label = "share of the examples", .n = bins,
         .x = mid, .y = share, .width = 0.4 / bins},
        {.mark = RNN_MARK_POINT, .label = "mean confidence", .n = bins,
         .x = mean, .y = acc, .gaps = true}};
    c.subtitle = text;
    c.series = series;
    c.nseries = 3;
    c.diagonal = c.square = true;
    c.x.lo = c.y.lo = 0;
    c.x.hi = c.y.hi = 1;
    RnnStatus st = rnn_chart_write(path, &c, err);
    free(mid);
    free(is_right);
    return st;
}

/* --- survival: the share above x, a curve per set -------------------------- */

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* 201 points of the share of v above x. */
enum { CURVE = 201 };
static void survival(const double *v, int64_t n, double max, double *x,
                     double *y)
{
    double *s = rnn_alloc(sizeof *s * (size_t)n);
    int64_t k = 0;

    memcpy(s, v, sizeof *s * (size_t)n);
    qsort(s, (size_t)n, sizeof *s, rising);
    for (int i = 0; i < CURVE; i++) {
        x[i] = max * i / (CURVE - 1);
        while (k < n && !(s[k] > x[i]))
            k++;
        y[i] = (double)(n - k) / (double)n;
    }
    free(s);
}

RnnStatus rnn_picture_survival(const RnnStatAt *a, const char *path,
                               RnnError *err)
{
    int n = a->all->nset > SERIES_MAX ? SERIES_MAX : a->all->nset;
    RnnChart c = chart_of(a, a->stat->label[0], "share above");
    RnnSeries series[SERIES_MAX] = {0};
    double lo, hi, *at = rnn_alloc(sizeof *at * (size_t)(2 * CURVE * n));

    if (!span_of(a, &lo, &hi) || hi <= 0)
        hi = 1;
    hi = rnn_stat_param(a, 0, hi);
    for (int k = 0; k < n; k++) {
        double *x = at + 2 * CURVE * k;

        survival(rnn_stat_value(a, k, 0), a->all->set[k].n, hi, x, x + CURVE);
        series[k] = (RnnSeries){.mark = RNN_MARK_LINE, .n = CURVE, .x = x,
                                .y = x + CURVE, .plain = true,
                                .label = a->all->set[k].name};
    }
    c.nseries = n;
    c.series = series;
    c.y.hi = 1;
    RnnStatus st = rnn_chart_write(path, &c, err);
    free(at);
    return st;
}

/* --- lines and points: value 0 is x, the others are series ----------------- */

typedef struct Pair {
    double x, y;
} Pair;

static int by_x(const void *a, const void *b)
{
    const Pair *p = a, *q = b;

    return (p->x > q->x) - (p->x < q->x);
}

static RnnStatus over_x(const RnnStatAt *a, RnnMark mark, const char *path,
                        RnnError *err)
{
    int64_t n = a->all->set[0].n;
    int ny = a->stat->nvalue - 1 > SERIES_MAX ? SERIES_MAX
                                              : a->stat->nvalue - 1;
    RnnChart c = chart_of(a, a->stat->label[0], ny == 1 ? a->stat->label[1]
                                                        : "");
    RnnSeries series[SERIES_MAX] = {0};
    Pair *pair = rnn_alloc(sizeof *pair * (size_t)n);
    double *at = rnn_alloc(sizeof *at * (size_t)(2 * n * (ny + 1)));

    for (int k = 0; k < ny; k++) {
        const double *x = rnn_stat_value(a, 0, 0);
        const double *y = rnn_stat_value(a, 0, k + 1);
        double *to = at + 2 * n * k;

        for (int64_t i = 0; i < n; i++)
            pair[i] = (Pair){x[i], y[i]};
        if (mark == RNN_MARK_LINE)
            qsort(pair, (size_t)n, sizeof *pair, by_x);
        for (int64_t i = 0; i < n; i++) {
            to[i] = pair[i].x;
            to[n + i] = pair[i].y;
        }
        series[k] = (RnnSeries){.mark = mark, .n = n, .x = to, .y = to + n,
                                .label = ny > 1 ? a->stat->label[k + 1]
                                                : NULL};
    }
    c.nseries = ny;
    c.series = series;
    RnnStatus st = rnn_chart_write(path, &c, err);
    free(pair);
    free(at);
    return st;
}

RnnStatus rnn_picture_lines(const RnnStatAt *a, const char *path, RnnError *err)
{
    return over_x(a, RNN_MARK_LINE, path, err);
}

RnnStatus rnn_picture_points(const RnnStatAt *a, const char *path,
                             RnnError *err)
{
    return over_x(a, RNN_MARK_POINT, path, err);
}

/* --- images ---------------------------------------------------------------- */

RnnStatus rnn_picture_images(const RnnStatAt *a, const char *path,
                             RnnError *err)
{
    const RnnScores *s = &a->all->set[0];
    int o = a->stat->value[0];
    const int64_t *dim = s->e->output[o].type.dim;
    int64_t count = (int64_t)rnn_stat_param(a, 1, 100);

    count = count > s->n ? s->n : count;
    count = count > RNN_IMAGES_MAX ? RNN_IMAGES_MAX : count < 1 ? 1 : count;
    if (dim[0] != 1 && dim[0] != 3)
        return rnn_fail(err, RNN_BAD_INPUT, "%s: a picture has 1 channel "
                        "(grey) or 3, and these have %lld", a->stat->place,
                        (long long)dim[0]);
    if (!(rnn_stat_param(a, 2, 0) < rnn_stat_param(a, 3, 1)))
        return rnn_fail(err, RNN_BAD_INPUT, "%s: black, \"lo\", must be less "
                        "than white, \"hi\"", a->stat->place);
    RnnImages im = {.n = count, .channels = dim[0], .height = dim[1],
                    .width = dim[2], .at = s->tensor[o],
                    .lo = rnn_stat_param(a, 2, 0),
                    .hi = rnn_stat_param(a, 3, 1),
                    .columns = (int64_t)rnn_stat_param(a, 0, 0), .gap = 2};
    return rnn_images_write(path, &im, err);
}
