/*
 * plot_bins.c -- histograms and reliability diagrams: values into bins.
 */
#include "plot.h"

#include <math.h>
#include <stdlib.h>

static void range_of(const double *v, int64_t n, double *lo, double *hi)
{
    double a = INFINITY, b = -INFINITY;

    for (int64_t k = 0; k < n; k++)
        if (isfinite(v[k])) {
            a = fmin(a, v[k]);
            b = fmax(b, v[k]);
        }
    if (a > b) {
        a = 0;
        b = 1;
    } else if (a == b) {
        double half = a == 0 ? 0.5 : 0.5 * fabs(a);

        a -= half;
        b += half;
    }
    *lo = a;
    *hi = b;
}

int64_t rnn_histogram(const double *v, int64_t n, double lo, double hi,
                      int bins, bool density, double *edge, double *y)
{
    int64_t outside = 0, finite = 0;

    if (!(lo < hi))
        range_of(v, n, &lo, &hi);
    for (int i = 0; i <= bins; i++)
        edge[i] = lo + (hi - lo) * i / bins;
    for (int i = 0; i < bins; i++)
        y[i] = 0;
    for (int64_t k = 0; k < n; k++) {
        double at = floor((v[k] - lo) / (hi - lo) * bins);

        finite += isfinite(v[k]) != 0;
        if (v[k] == hi)
            at = bins - 1;
        if (v[k] >= lo && v[k] <= hi)
            y[(int)fmin(at, bins - 1)]++;
        else
            outside++;
    }
    for (int i = 0; i < bins && density && finite; i++)
        y[i] /= (double)finite * (hi - lo) / bins;
    return outside;
}

double rnn_reliability(const double *confidence, const bool *right, int64_t n,
                       int bins, double *mid, double *accuracy, double *mean,
                       double *share)
{
    double error = 0;

    for (int i = 0; i < bins; i++) {
        mid[i] = (i + 0.5) / bins;
        accuracy[i] = mean[i] = share[i] = 0;
    }
    for (int64_t k = 0; k < n; k++) {
        double at = ceil(confidence[k] * bins) - 1;
        int i = at > 0 ? at < bins ? (int)at : bins - 1 : 0; // NaN: the first

        share[i]++;
        accuracy[i] += right[k];
        mean[i] += confidence[k];
    }
    for (int i = 0; i < bins; i++) {
        accuracy[i] = share[i] > 0 ? accuracy[i] / share[i] : NAN;
        mean[i] = share[i] > 0 ? mean[i] / share[i] : NAN;
        if (share[i] > 0)
            error += share[i] / (double)n * fabs(accuracy[i] - mean[i]);
        share[i] = n ? share[i] / (double)n : 0;
    }
    return error;
}
