/*
 * fold.c -- one number out of all examples of a data set.
 *
 * An entry may name a FOLD entry to be run before it: that one gives values
 * of each example, which are folded here one after the other in the order of
 * the data, in double precision, so a result does not depend on the batch size
 * or the number of threads. Sums are compensated (Neumaier 1974). Results
 * stand in the session's slots, where later entries read them.
 */
#include "face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Acc { // of one output
    double a, c; // sum and what rounding lost of it; or the best, or the scale
    int64_t n, at;
} Acc;

static void add_to(Acc *acc, double x)
{
    double t = acc->a + x;

    if (fabs(acc->a) >= fabs(x))
        acc->c += (acc->a - t) + x;
    else
        acc->c += (x - t) + acc->a;
    acc->a = t;
}

/* m exp(s): c is the largest scale so far, a the sum beside it. */
static void add_log(Acc *acc, double m, double s)
{
    double f;

    if (!acc->n || s > acc->c) {
        f = acc->n ? exp(acc->c - s) : 0;
        acc->a = acc->a * f + m;
        acc->c = s;
    } else {
        f = exp(s - acc->c);
        acc->a += m * f;
    }
}

static void take(Acc *acc, int32_t fold, double x, double scale)
{
    bool most = fold == RNN_FOLD_MAX || fold == RNN_FOLD_ARGMAX;

    switch (fold) {
    case RNN_FOLD_SUM:
    case RNN_FOLD_MEAN:
        add_to(acc, x);
        break;
    case RNN_FOLD_LOG_SUM:
    case RNN_FOLD_LOG_MEAN:
        add_log(acc, x, scale);
        break;
    default:
        if (!acc->n || (!isnan(acc->a) &&
                        (isnan(x) || (most ? x > acc->a : x < acc->a)))) {
            acc->a = x;
            acc->at = acc->n;
        }
    }
    acc->n++;
}

static void result(const Acc *acc, int32_t fold, double *slot)
{
    double sum = acc->a + acc->c;

    if (!isfinite(sum)) // the compensation of an infinite sum is none
        sum = acc->a;
    switch (fold) {
    case RNN_FOLD_SUM:
        slot[0] = sum;
        break;
    case RNN_FOLD_MEAN:
        slot[0] = sum / (double)acc->n;
        break;
    case RNN_FOLD_MAX:
    case RNN_FOLD_MIN:
        slot[0] = acc->a;
        break;
    case RNN_FOLD_ARGMAX:
    case RNN_FOLD_ARGMIN:
        slot[0] = (double)acc->at;
        break;
    default:
        slot[0] = fold == RNN_FOLD_LOG_SUM ? acc->a : acc->a / (double)acc->n;
        slot[1] = acc->c;
    }
}

static void fold_batch(const RnnRun *r, Acc *acc, int64_t n)
{
    const RnnEntry *e = r->e;

    for (int o = 0; o < e->nout; o++) {
        int32_t fold = e->output[o].fold;
        bool log = fold == RNN_FOLD_LOG_SUM || fold == RNN_FOLD_LOG_MEAN;

        for (int64_t i = 0; i < n && fold != RNN_FOLD_SCALE; i++)
            take(&acc[o], fold, rnn_run_value(r, o, i),
                 log ? rnn_run_value(r, o + 1, i) : 0);
    }
}

static RnnStatus run_pass(RnnSession *s, const RnnEntry *e,
                          const RnnDataset *d, int64_t batch,
                          const int32_t *clock, RnnError *err)
{
    RnnRun r;
    RnnStatus st = rnn_run_open(&r, s, e, batch, err);

    if (st == RNN_OK) {
        Acc *acc = rnn_alloc(sizeof *acc * (size_t)e->nout);

        memcpy(r.clock, clock, sizeof r.clock);
        s->arena_of = NULL; // parameters have changed
        for (int64_t at = 0; at < d->n && st == RNN_OK; at += batch) {
            int64_t n = d->n - at < batch ? d->n - at : batch;

            rnn_run_load_range(&r, d, at, n);
            rnn_run_call(&r);
            fold_batch(&r, acc, n);
            st = rnn_run_failed(&r, err);
        }
        for (int o = 0; o < e->nout; o++)
            if (e->output[o].fold != RNN_FOLD_SCALE)
                result(&acc[o], e->output[o].fold,
                       &s->fold[e->output[o].ref]);
        free(acc);
    }
    rnn_run_close(&r);
    return st;
}

RnnStatus rnn_fold_before(RnnSession *s, const RnnEntry *e,
                          const RnnDataset *d, int64_t batch,
                          const int32_t *clock, RnnError *err)
{
    const RnnEntry *before;

    if (e->before <= 0)
        return RNN_OK;
    before = &s->p->entry[e->before];
    RnnStatus st = rnn_fold_before(s, before, d, batch, clock, err);
    return st == RNN_OK ? run_pass(s, before, d, batch, clock, err) : st;
}
