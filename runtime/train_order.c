/*
 * train_order.c -- which examples a batch of training holds: its part of the
 * epoch's order, and for another(x, k) the same part of the k-th other order,
 * so that several independent streams run through one data set.
 */
#include "train.h"

#include <stdlib.h>

void rnn_orders_open(Train *t)
{
    const RnnEntry *e = t->at.e;
    size_t bytes = sizeof *t->order * (size_t)t->at.examples;

    for (int i = 0; i < e->nin; i++)
        if (e->input[i].kind == RNN_IN_FIELD && e->input[i].other > t->nother)
            t->nother = e->input[i].other;
    t->order = rnn_alloc(bytes);
    for (int64_t i = 0; i < t->at.examples; i++)
        t->order[i] = (int32_t)i;
    t->other = rnn_alloc(sizeof *t->other * (size_t)t->nother);
    t->at_other = rnn_alloc(sizeof *t->at_other * (size_t)t->nother);
    for (int k = 0; k < t->nother; k++)
        t->other[k] = rnn_alloc(bytes);
}

void rnn_orders_epoch(Train *t)
{
    uint64_t seed = rnn_try_seed(t);

    rnn_epoch_order(seed, t->at.epoch, t->at.examples, t->order);
    for (int k = 0; k < t->nother; k++)
        rnn_epoch_order(seed ^ (0x2545f4914f6cdd1du * (uint64_t)(k + 1)),
                        t->at.epoch, t->at.examples, t->other[k]);
}

void rnn_orders_load(Train *t, int64_t b)
{
    for (int k = 0; k < t->nother; k++)
        t->at_other[k] = t->other[k] + b * t->at.batch;
    t->run.other = t->nother ? t->at_other : NULL;
    rnn_run_load(&t->run, t->data, t->order + b * t->at.batch, t->at.batch);
}

void rnn_orders_close(Train *t)
{
    for (int k = 0; k < t->nother; k++)
        free(t->other[k]);
    free(t->other);
    free(t->at_other);
    free(t->order);
}
