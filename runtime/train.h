/*
 * train.h -- private to train.c and train_report.c: one run of training.
 */
#ifndef RNN_TRAIN_H
#define RNN_TRAIN_H

#include "face.h"

typedef struct Train {
    RnnSession s;
    RnnFlags *f;
    RnnTraining at;
    RnnRun run;
    const RnnDataset *data;
    int32_t *order;
    char path[1024]; // of the checkpoint
    RnnJson json;
    RnnProgress progress;
    double began, epoch_began; // seconds
    int64_t epoch_from;        // step at epoch_began, for the rate
    char *reason;              // of a stop, owned
} Train;

/* Outputs that are averaged over the epoch: losses and watched values. */
static inline bool rnn_train_sums(const RnnOutput *o)
{
    return o->kind == RNN_OUT_LOSS || o->kind == RNN_OUT_WATCH;
}

void rnn_train_headline(const Train *t);
void rnn_train_show(Train *t);  // progress, if it is time
void rnn_train_epoch(Train *t); // the line and the JSON row of an epoch
RnnStatus rnn_train_finish(Train *t, RnnError *err);

#endif
