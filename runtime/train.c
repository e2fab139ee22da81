/*
 * train.c -- the training loop.
 *
 * A step reads the variables and writes new ones beside them; only a step
 * whose loss and new parameters are finite is kept, by swapping the pointers.
 *
 *   for each epoch:
 *     order the examples (seed, epoch)
 *     for each whole batch: step, look, swap, add up; save if it is time
 *     report the epoch, save
 */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCAN = 1 << 15 }; // elements a task looks at

/* --- looking at a step --------------------------------------------------- */

typedef struct Scan {
    const char *at;
    int32_t dt;
    int64_t count;
    int bad;
} Scan;

static void scan_tasks(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    Scan *s = ptr[0];
    int64_t from = lo * SCAN, to = hi * SCAN;

    (void)n;
    if (to > s->count)
        to = s->count;
    if (rnn_any_bad(s->at + (size_t)from * rnn_dtype_bytes(s->dt), s->dt,
                    to - from))
        __atomic_store_n(&s->bad, 1, __ATOMIC_RELAXED);
}

/* Whether the loss and the new parameters are finite. */
static bool step_is_good(Train *t)
{
    const RnnEntry *e = t->at.e;

    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];

        if (out->kind == RNN_OUT_LOSS &&
            !isfinite(rnn_run_value(&t->run, o, 0)))
            return false;
        if (out->kind != RNN_OUT_VAR || !t->s.p->var[out->ref].is_param ||
            (out->type.dt != RNN_F32 && out->type.dt != RNN_F64))
            continue;
        Scan scan = {t->run.out[o], out->type.dt, rnn_type_count(&out->type),
                     0};
        void *ptr = &scan;
        rnn_parallel(&t->run.call, scan_tasks, &ptr,
                     (scan.count + SCAN - 1) / SCAN);
        if (scan.bad)
            return false;
    }
    return true;
}

static void swap_variables(Train *t)
{
    const RnnEntry *e = t->at.e;

    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];

        if (out->kind != RNN_OUT_VAR || out->inplace)
            continue;
        void *old = t->s.var[out->ref];
        t->s.var[out->ref] = t->s.next[out->ref];
        t->s.next[out->ref] = old;
    }
}

static void add_up(Train *t)
{
    const RnnEntry *e = t->at.e;
    double *sum = t->at.sum;

    for (int o = 0; o < e->nout; o++) {
        if (!rnn_train_sums(&e->output[o]))
            continue;
        for (int64_t i = 0; i < t->at.batch; i++)
            *sum += rnn_run_value(&t->run, o, i);
        sum++;
    }
}

static RnnStatus step(Train *t, RnnError *err)
{
    RnnTraining *at = &t->at;
    int64_t b = at->step % at->steps_per_epoch;
    RnnRun *r = &t->run;

    r->clock[RNN_CLOCK_STEP] = (int32_t)at->step;
    r->clock[RNN_CLOCK_EPOCH] = (int32_t)at->epoch;
    rnn_run_load(r, t->data, t->order + b * at->batch, at->batch);
    rnn_run_call(r);
    if (!step_is_good(t)) {
        RnnStatus st = rnn_blame(r, at, err);
        size_t n = strlen(err->text);

        if (access(t->path, F_OK) == 0)
            snprintf(err->text + n, sizeof err->text - n,
                     "\n  note: \"%s\" keeps what was saved last", t->path);
        return st;
    }
    add_up(t);
    swap_variables(t);
    at->step++;
    for (int o = 0; o < at->e->nout; o++)
        if (at->e->output[o].kind == RNN_OUT_STOP && !t->reason &&
            rnn_run_value(r, o, 0) != 0)
            t->reason = rnn_record_text(&t->s, at->e, at->e->output[o].text);
    return RNN_OK;
}

/* --- the loop ------------------------------------------------------------ */

static RnnStatus save(Train *t, RnnError *err)
{
    return rnn_checkpoint_write(&t->s, &t->at, t->path, err);
}

static void end_epoch(Train *t)
{
    rnn_train_epoch(t);
    t->at.epoch++;
    memset(t->at.sum, 0, sizeof *t->at.sum * (size_t)t->at.nsum);
}

static RnnStatus interrupted(Train *t, RnnError *err)
{
    RnnStatus st = save(t, err);

    if (st != RNN_OK)
        return st;
    rnn_progress_clear(&t->progress);
    fprintf(stderr, "%s: stopped after step %lld of %lld and saved \"%s\"; go "
            "on with: train --resume --out %s\n", t->s.p->name,
            (long long)t->at.step,
            (long long)(t->at.epochs * t->at.steps_per_epoch), t->path,
            t->path);
    return RNN_INTERRUPTED;
}

static RnnStatus loop(Train *t, RnnError *err)
{
    RnnTraining *at = &t->at;
    int64_t last = at->epochs * at->steps_per_epoch, ordered = -1;
    RnnStatus st = RNN_OK;

    if (at->step >= last) // no epochs: the initial values are the result
        return save(t, err);
    t->epoch_began = rnn_seconds();
    t->epoch_from = at->step;
    while (at->step < last) {
        if (ordered != at->epoch)
            rnn_epoch_order(t->s.seed, ordered = at->epoch, at->examples,
                            t->order);
        if ((st = step(t, err)) != RNN_OK)
            return st;
        bool whole = at->step % at->steps_per_epoch == 0;
        if (whole)
            end_epoch(t);
        else if (t->reason)
            rnn_train_epoch(t);
        else
            rnn_train_show(t);
        if (t->reason)
            return save(t, err);
        if (rnn_interrupted() && at->step < last)
            return interrupted(t, err);
        if (whole || (t->f->save_every && at->step % t->f->save_every == 0))
            st = save(t, err);
        if (st != RNN_OK)
            return st;
    }
    return RNN_OK;
}

/* --- start --------------------------------------------------------------- */

static RnnStatus start_values(Train *t, bool resume, RnnError *err)
{
    RnnStatus st;

    if (resume)
        return rnn_checkpoint_read(&t->s, &t->at, t->f, t->path, err);
    st = rnn_session_init(&t->s, err);
    if (st == RNN_OK && t->f->weights && strcmp(t->f->weights, "init"))
        st = rnn_weights_load(&t->s, t->f->weights, err);
    return st;
}

static RnnStatus place_in_data(Train *t, bool resume, RnnError *err)
{
    RnnTraining *at = &t->at;
    const RnnEntry *e = at->e;
    int64_t n;
    RnnStatus st = rnn_session_data(&t->s, e, &t->data, err);

    if (st != RNN_OK)
        return st;
    at->batch = rnn_batch_of(&t->s, e, 128, 0);
    n = t->data ? t->data->n : e->count > 0 ? e->count : at->batch;
    if (resume && at->examples != n)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" cannot be resumed: it was made with %lld "
                        "examples, now there are %lld; --limit chooses how "
                        "many", t->path, (long long)at->examples,
                        (long long)n);
    at->examples = n;
    at->epochs = t->f->epochs_given ? t->f->epochs
                 : e->epochs > 0    ? e->epochs
                                    : 1;
    at->steps_per_epoch = n / at->batch;
    if (!at->steps_per_epoch)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "a batch of %lld does not fit into %lld examples; "
                        "give a smaller --batch", (long long)at->batch,
                        (long long)n);
    if (at->epochs > INT32_MAX / at->steps_per_epoch)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--epochs %lld are more than 2^31 steps",
                        (long long)at->epochs);
    if (resume && at->epoch != at->step / at->steps_per_epoch &&
        at->step % at->steps_per_epoch)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" is damaged: step %lld is not in epoch %lld",
                        t->path, (long long)at->step, (long long)at->epoch);
    at->epoch = at->step / at->steps_per_epoch;
    return RNN_OK;
}

static RnnStatus prepare(Train *t, RnnError *err)
{
    RnnFlags *f = t->f;
    RnnTraining *at = &t->at;
    bool resume = f->resume;
    const char *dot;
    RnnStatus st;

    snprintf(t->path, sizeof t->path, "%s%s", f->out ? f->out : t->s.p->name,
             f->out ? "" : ".safetensors");
    dot = strrchr(t->path, '.');
    if (!dot || strcmp(dot, ".safetensors"))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--out \"%s\" must end in .safetensors: the state of "
                        "training goes there too", t->path);
    if ((st = rnn_check_writable("out", t->path, err)) != RNN_OK)
        return st;
    if (resume && f->weights)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--resume continues with the weights in \"%s\"; "
                        "--weights cannot be given too", t->path);
    if (resume && access(t->path, F_OK)) {
        resume = false;
        if (!f->quiet)
            fprintf(stderr, "note: there is no \"%s\" yet: starting from the "
                    "beginning\n", t->path);
    }
    for (int o = 0; o < at->e->nout; o++)
        at->nsum += rnn_train_sums(&at->e->output[o]);
    at->sum = rnn_alloc(sizeof *at->sum * (size_t)at->nsum);
    if ((st = start_values(t, resume, err)) != RNN_OK ||
        (st = place_in_data(t, resume, err)) != RNN_OK ||
        (st = rnn_run_open(&t->run, &t->s, at->e, at->batch, err)) != RNN_OK)
        return st;
    t->run.clock[RNN_CLOCK_EPOCHS] = (int32_t)at->epochs;
    t->run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = (int32_t)at->steps_per_epoch;
    t->order = rnn_alloc(sizeof *t->order * (size_t)at->examples);
    for (int64_t i = 0; i < at->examples; i++)
        t->order[i] = (int32_t)i;
    return RNN_OK;
}

RnnStatus rnn_train(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    Train t = {.f = f, .began = rnn_seconds()};
    RnnStatus st = rnn_session_open(&t.s, p, f, err);

    t.at.e = &p->entry[f->entry[0]];
    if (st == RNN_OK)
        st = prepare(&t, err);
    if (st == RNN_OK && f->epochs_given && t.at.step &&
        t.at.epochs * t.at.steps_per_epoch <= t.at.step) {
        if (!f->quiet)
            printf("\"%s\" is complete: %lld epochs; more with --epochs\n",
                   t.path, (long long)t.at.epoch);
    } else if (st == RNN_OK) {
        rnn_interrupt_catch();
        rnn_progress_start(&t.progress, f, t.at.step,
                           t.at.epochs * t.at.steps_per_epoch,
                           (double)t.at.batch);
        rnn_json_open(&t.json, p, f);
        rnn_json_seed(&t.json, "seed", t.s.seed);
        rnn_json_int(&t.json, "batch", t.at.batch);
        rnn_json_int(&t.json, "examples", t.at.examples);
        rnn_json_options(&t.json, &t.s, t.at.e);
        rnn_json_begin(&t.json, "epochs", '[');
        rnn_train_headline(&t);
        st = loop(&t, err);
        rnn_progress_clear(&t.progress);
        if (st == RNN_OK)
            st = rnn_train_finish(&t, err);
    }
    rnn_json_drop(&t.json);
    rnn_run_close(&t.run);
    free(t.order);
    free(t.at.sum);
    free(t.reason);
    rnn_session_close(&t.s);
    return st;
}
