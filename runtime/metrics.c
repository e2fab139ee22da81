/*
 * metrics.c -- numbers about a whole data set: metrics.h says which.
 *
 * All are functions of the multiset of values: sorting comes first, equal
 * values are taken together, so neither the order of examples nor that of
 * equal scores can change a digit.
 */
#include "metrics.h"

#include "rt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Scored {
    double score;
    double second; // 1 for a positive; or whether the prediction was right
} Scored;

static int by_score(const void *a, const void *b)
{
    const Scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return (x->second > y->second) - (x->second < y->second);
}

static bool any_nan(const double *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (isnan(v[i]))
            return true;
    return false;
}

/* Both classes in one rising order: returned. NULL: there is no answer. */
static Scored *merged(const double *pos, int64_t npos, const double *neg,
                      int64_t nneg)
{
    if (npos < 1 || nneg < 1 || any_nan(pos, npos) || any_nan(neg, nneg))
        return NULL;
    Scored *s = rnn_alloc(sizeof *s * (size_t)(npos + nneg));
    for (int64_t i = 0; i < npos; i++)
        s[i] = (Scored){pos[i], 1};
    for (int64_t i = 0; i < nneg; i++)
        s[npos + i] = (Scored){neg[i], 0};
    qsort(s, (size_t)(npos + nneg), sizeof *s, by_score);
    return s;
}

/* The end of the run of equal scores from i on; counts its positives. */
static int64_t run_of(const Scored *s, int64_t i, int64_t n, double *npos)
{
    int64_t k = i;

    for (*npos = 0; k < n && s[k].score == s[i].score; k++)
        *npos += s[k].second;
    return k;
}

double rnn_auroc(const double *pos, int64_t npos, const double *neg,
                 int64_t nneg)
{
    Scored *s = merged(pos, npos, neg, nneg);
    double below = 0, sum = 0, p;

    if (!s)
        return NAN;
    for (int64_t i = 0, k; i < npos + nneg; i = k) {
        k = run_of(s, i, npos + nneg, &p);
        double q = (double)(k - i) - p;
        sum += p * (below + q / 2);
        below += q;
    }
    free(s);
    return sum / ((double)npos * (double)nneg);
}

/* Falling order is that of the negated scores, rising. */
static double *negated(const double *v, int64_t n)
{
    double *out = rnn_alloc(sizeof *out * (size_t)n);

    for (int64_t i = 0; i < n; i++)
        out[i] = -v[i];
    return out;
}

static Scored *falling(const double *pos, int64_t npos, const double *neg,
                       int64_t nneg)
{
    double *p = negated(pos, npos), *q = negated(neg, nneg);
    Scored *s = merged(p, npos, q, nneg);

    free(p);
    free(q);
    return s;
}

double rnn_average_precision(const double *pos, int64_t npos,
                             const double *neg, int64_t nneg)
{
    Scored *s = falling(pos, npos, neg, nneg);
    double found = 0, sum = 0, p;

    if (!s)
        return NAN;
    for (int64_t i = 0, k; i < npos + nneg; i = k) {
        k = run_of(s, i, npos + nneg, &p);
        found += p;
        sum += p * (found / (double)k);
    }
    free(s);
    return sum / (double)npos;
}

double rnn_fpr_at(const double *pos, int64_t npos, const double *neg,
                  int64_t nneg, double tpr)
{
    Scored *s = falling(pos, npos, neg, nneg);
    double found = 0, fpr = NAN, p;

    if (!s)
        return NAN;
    for (int64_t i = 0, k; i < npos + nneg; i = k) {
        k = run_of(s, i, npos + nneg, &p);
        found += p;
        if (found / (double)npos >= tpr) {
            fpr = ((double)k - found) / (double)nneg;
            break;
        }
    }
    free(s);
    return fpr;
}

/* --- calibration --------------------------------------------------------- */

static int bin_of(double c, int bins)
{
    int b = (int)fmin(fmax(ceil(c * bins) - 1, 0), bins - 1);

    while (b > 0 && c <= (double)b / bins)
        b--;
    while (b < bins - 1 && c > (double)(b + 1) / bins)
        b++;
    return b;
}

double rnn_calibration(const double *confidence, const double *right,
                       int64_t n, int bins, double norm, bool equal_mass)
{
    if (n < 1 || bins < 1 || any_nan(confidence, n))
        return NAN;
    Scored *s = rnn_alloc(sizeof *s * (size_t)n);
    double *gap = rnn_alloc(sizeof *gap * (size_t)bins);
    int64_t *count = rnn_alloc(sizeof *count * (size_t)bins);
    double sum = 0;
    int b = 0;

    for (int64_t i = 0; i < n; i++)
        s[i] = (Scored){confidence[i], right[i] != 0};
    qsort(s, (size_t)n, sizeof *s, by_score);
    for (int64_t i = 0; i < n; i++) {
        if (!equal_mass)
            b = bin_of(s[i].score, bins);
        else if (i && s[i].score != s[i - 1].score)
            while (b < bins - 1 && i * bins >= (b + 1) * n)
                b++;
        gap[b] += s[i].second - s[i].score;
        count[b]++;
    }
    for (b = 0; b < bins; b++) {
        double c = (double)count[b], g = count[b] ? fabs(gap[b] / c) : 0;

        if (isinf(norm))
            sum = fmax(sum, g);
        else
            sum += c / (double)n * (norm == 2 ? g * g : g);
    }
    free(s);
    free(gap);
    free(count);
    return norm == 2 ? sqrt(sum) : sum;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double rnn_quantile(const double *v, int64_t n, double q)
{
    if (n < 1 || any_nan(v, n) || !(q >= 0 && q <= 1))
        return NAN;
    double *s = rnn_alloc(sizeof *s * (size_t)n);
    memcpy(s, v, sizeof *s * (size_t)n);
    qsort(s, (size_t)n, sizeof *s, rising);
    double at = q * (double)(n - 1), lo = floor(at);
    int64_t k = (int64_t)lo;
    double x = s[k];
    if (at > lo && s[k + 1] != x)
        x += (at - lo) * (s[k + 1] - x);
    free(s);
    return x;
}
