/*
 * rollback.c -- undoing an epoch of training.
 *
 * A train that may be rolled back keeps a copy of all variables as they were
 * at the beginning of the epoch. Going back restores them, starts the epoch
 * anew with other random numbers (and so another order of the examples), and
 * then lets the train's ROLLBACK entry, if it has one, change states: what it
 * makes is part of the new copy. The number of times is part of a checkpoint,
 * and so is the copy, if the run is not at the beginning of an epoch.
 */
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { IN_A_ROW = 10000 };

bool rnn_can_roll_back(const RnnEntry *e)
{
    return e->epoch > 0 || rnn_find_output(e, RNN_OUT_BACK, 0) >= 0;
}

void rnn_copy_take(Train *t)
{
    RnnTraining *at = &t->at;
    const RnnProgram *p = t->s.p;

    if (!rnn_can_roll_back(at->e))
        return;
    if (!at->back) {
        at->back = rnn_alloc(sizeof *at->back * (size_t)p->nvar);
        for (int v = 0; v < p->nvar; v++)
            at->back[v] = rnn_alloc(rnn_var_bytes(&p->var[v]));
    }
    for (int v = 0; v < p->nvar; v++)
        memcpy(at->back[v], t->s.var[v], rnn_var_bytes(&p->var[v]));
}

void rnn_copy_restore(Train *t)
{
    RnnTraining *at = &t->at;
    const RnnProgram *p = t->s.p;

    if (!at->back)
        return;
    for (int v = 0; v < p->nvar; v++)
        memcpy(t->s.var[v], at->back[v], rnn_var_bytes(&p->var[v]));
    at->step = at->epoch * at->steps_per_epoch;
    memset(at->sum, 0, sizeof *at->sum * (size_t)at->nsum);
}

void rnn_copy_free(RnnTraining *at, const RnnProgram *p)
{
    for (int v = 0; at->back && v < p->nvar; v++)
        free(at->back[v]);
    free(at->back);
    at->back = NULL;
}

/* Counters, so nothing of the first try is met again. */
uint64_t rnn_try_seed(const Train *t)
{
    return t->s.seed + 0x9e3779b97f4a7c15u * (uint64_t)t->at.rollbacks;
}

void rnn_swap_variables(RnnSession *s, const RnnEntry *e)
{
    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];

        if (out->kind != RNN_OUT_VAR || out->inplace)
            continue;
        void *old = s->var[out->ref];
        s->var[out->ref] = s->next[out->ref];
        s->next[out->ref] = old;
    }
}

RnnStatus rnn_run_once(Train *t, RnnRun *r, const RnnEntry *e, RnnError *err)
{
    const int32_t zero = 0;
    RnnStatus st = rnn_run_open(r, &t->s, e, 1, err);

    if (st != RNN_OK)
        return st;
    memcpy(r->clock, t->run.clock, sizeof r->clock);
    r->clock[RNN_CLOCK_STEP] = (int32_t)t->at.step;
    r->clock[RNN_CLOCK_EPOCH] = (int32_t)t->at.epoch;
    r->call.seed = rnn_try_seed(t);
    t->s.arena_of = NULL;
    rnn_run_load(r, NULL, &zero, 1);
    rnn_run_call(r);
    return RNN_OK;
}

RnnStatus rnn_roll_back(Train *t, const char *why, RnnError *err)
{
    RnnTraining *at = &t->at;
    const RnnProgram *p = t->s.p;
    int64_t step = at->step;
    RnnStatus st = RNN_OK;

    if (++t->in_a_row > IN_A_ROW)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "epoch %lld was rolled back %d times in a row, the "
                        "last time because %s; the rollback block should "
                        "change what it depends on", (long long)at->epoch + 1,
                        IN_A_ROW, why);
    rnn_copy_restore(t);
    at->rollbacks++;
    t->run.call.seed = rnn_try_seed(t);
    if (at->e->rollback > 0) {
        const RnnEntry *e = &p->entry[at->e->rollback];
        RnnRun r = {0};

        st = rnn_run_once(t, &r, e, err);
        if (st == RNN_OK)
            rnn_swap_variables(&t->s, e);
        rnn_run_close(&r);
        rnn_copy_take(t);
    } else if (!t->progress.quiet) {
        rnn_progress_clear(&t->progress);
        printf("epoch %lld: rolled back after step %lld: %s\n",
               (long long)at->epoch + 1, (long long)step, why);
        fflush(stdout);
    }
    return st;
}
