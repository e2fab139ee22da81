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
    int nother;         // other orders that the entry reads: another(x, k)
    int32_t **other;    // [nother][examples] of this epoch
    int32_t **at_other; // [nother] of this batch
    char path[1024]; // of the checkpoint
    RnnJson json;
    RnnProgress progress;
    double began, epoch_began; // seconds
    int64_t epoch_from;        // step at epoch_began, for the rate
    char *reason;              // of a stop, owned
    RnnRun end;                // the EPOCH entry's last run: watched values
    int64_t in_a_row;          // rollbacks since an epoch was kept
} Train;

/* --- train_order.c: which examples a batch holds -------------------------- */

void rnn_orders_open(Train *t); // once the number of examples is known
void rnn_orders_epoch(Train *t); // those of this epoch
/* The examples of batch b into t->run. */
void rnn_orders_load(Train *t, int64_t b);
void rnn_orders_close(Train *t);

/* --- rollback.c: one mechanism for all that undoes steps ------------------ */

/* Does the train have an epoch block or a `rollback if`? */
bool rnn_can_roll_back(const RnnEntry *e);
/* Notes all variables as what an epoch begins with (t->at.back). Nothing
 * happens in a train that cannot be rolled back. */
void rnn_copy_take(Train *t);
/* All variables and the position as they were then. */
void rnn_copy_restore(Train *t);
void rnn_copy_free(RnnTraining *at, const RnnProgram *p);
/* Back to the beginning of the epoch, with other random numbers; `why` is a
 * clause: "the loss is not finite". Runs the ROLLBACK entry; without one, the
 * log says that it happened. An error after thousands in a row. */
RnnStatus rnn_roll_back(Train *t, const char *why, RnnError *err);
/* The seed of draws and orders since the last rollback. */
uint64_t rnn_try_seed(const Train *t);
/* New values of variables become their values. */
void rnn_swap_variables(RnnSession *s, const RnnEntry *e);
/* Opens and calls an entry without data at this point of the training. The
 * caller closes r. */
RnnStatus rnn_run_once(Train *t, RnnRun *r, const RnnEntry *e, RnnError *err);

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
