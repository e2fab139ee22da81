/*
 * metrics.h -- numbers about a whole data set, from values of each example in
 * double precision. NaN among the values makes every result NaN.
 */
#ifndef RNN_METRICS_H
#define RNN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

/* Area under the ROC curve: the chance that a positive is above a negative,
 * ties counting one half (Mann & Whitney 1947). */
double rnn_auroc(const double *pos, int64_t npos, const double *neg,
                 int64_t nneg);
/* Average precision: the sum over falling thresholds of (recall gained) *
 * precision, equal scores at one threshold; no interpolation. */
double rnn_average_precision(const double *pos, int64_t npos,
                             const double *neg, int64_t nneg);
/* Rate of false positives at the highest threshold whose rate of true ones is
 * at least tpr. */
double rnn_fpr_at(const double *pos, int64_t npos, const double *neg,
                  int64_t nneg, double tpr);
/* Distance of accuracy and mean confidence over bins: norm 1 weighs |gap| by
 * the bin's share (ECE), 2 is the root of the weighted squares, infinity the
 * largest gap of a bin that is not empty (MCE). Bins are equally wide on
 * [0, 1], each open below and closed above but the first, which holds 0; or,
 * equal_mass, hold equally many examples as near as ties permit, which stay
 * together. */
double rnn_calibration(const double *confidence, const double *right,
                       int64_t n, int bins, double norm, bool equal_mass);
/* The value a part q does not exceed, linear between order statistics. */
double rnn_quantile(const double *v, int64_t n, double q);

#endif
