/*
 * stats.h -- private to evaluate.c, sample.c and the stats_*.c: values of each
 * example gathered over whole data sets, and what is made of them.
 */
#ifndef RNN_STATS_H
#define RNN_STATS_H

#include "face.h"

enum { RNN_IMAGES_MAX = 400 }; // kept of a tensor

/* What an entry's SCORE outputs gave on one data set. */
typedef struct RnnScores {
    const RnnEntry *e;
    const char *name;
    int64_t n;        // examples so far
    double **value;   // [nout] of scalars: one per example; else NULL
    float **tensor;   // [nout] of tensors: the first RNN_IMAGES_MAX
} RnnScores;

void rnn_scores_open(RnnScores *s, const RnnEntry *e, const char *name,
                     int64_t n);
/* The outputs of the last call, n examples. */
void rnn_scores_add(RnnScores *s, const RnnRun *r, int64_t n);
void rnn_scores_close(RnnScores *s);
/* stats_rival.c: opens `out` and fills it with the scores of a rival. */
RnnStatus rnn_scores_rival(RnnSession *s, const RnnEntry *e,
                           const RnnRival *decl, RnnScores *out, RnnError *err);

/* All stats of an entry: rows into `text` and `j`, pictures into files. set[0]
 * is the data, the others its rivals. */
typedef struct RnnStats {
    const RnnSession *s;
    const RnnEntry *e;
    RnnScores *set;
    int nset;
    RnnTable *text; // NULL: nothing is printed
    RnnJson *j;
} RnnStats;
/* Whether the pictures of e can be written, asked before the work is done. */
RnnStatus rnn_stats_check(const RnnSession *s, const RnnEntry *e,
                          RnnError *err);
RnnStatus rnn_stats_numbers(const RnnStats *st, RnnError *err);
RnnStatus rnn_stats_pictures(const RnnStats *st, RnnError *err);

typedef struct RnnStatAt { // one stat at work
    const RnnStats *all;
    const RnnStat *stat;
    const double *param; // NaN: left out
} RnnStatAt;
/* Value k of the stat in a set. */
static inline const double *rnn_stat_value(const RnnStatAt *a, int set, int k)
{
    return a->all->set[set].value[a->stat->value[k]];
}
/* Parameter k, or `otherwise` where it was left out. */
static inline double rnn_stat_param(const RnnStatAt *a, int k, double otherwise)
{
    return k < a->stat->nparam && a->param[k] == a->param[k] ? a->param[k]
                                                             : otherwise;
}

/* A number: of set 0, or of set 0 against set `rival`. note [n] written: how
 * it was computed. */
typedef double RnnStatNumber(const RnnStatAt *a, int rival, char *note,
                             size_t n);
/* A picture to `path`. */
typedef RnnStatus RnnStatPicture(const RnnStatAt *a, const char *path,
                                 RnnError *err);
RnnStatPicture rnn_picture_histogram, rnn_picture_reliability,
    rnn_picture_survival, rnn_picture_lines, rnn_picture_points,
    rnn_picture_images;

#endif
