/*
 * train.c -- the training loop.
 *
 * A step reads the variables and writes new ones beside them; only a step
 * whose loss and new parameters are finite is kept, by swapping the pointers.
 *
 *   for each epoch:
 *     order the examples (seed, epoch)
 *     for each whole batch: step, look, swap, add up; save if it is time
 *     run the epoch block, if there is one; go back if it does not accept
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

/* Why the step just run has to be undone, or NULL. */
static const char *fault(Train *t)
{
    const RnnEntry *e = t->at.e;

    if (!step_is_good(t))
        return "the loss or a new parameter is not finite";
    for (int o = 0; o < e->nout; o++)
        if (e->output[o].kind == RNN_OUT_BACK &&
            rnn_run_value(&t->run, o, 0) != 0)
            return e->output[o].text;
    return NULL;
}

/* *undone: the epoch was rolled back. */
static RnnStatus step(Train *t, bool *undone, RnnError *err)
{
    const char *why;
    RnnTraining *at = &t->at;
    int64_t b = at->step % at->steps_per_epoch;
    RnnRun *r = &t->run;

    r->clock[RNN_CLOCK_STEP] = (int32_t)at->step;
    r->clock[RNN_CLOCK_EPOCH] = (int32_t)at->epoch;
    rnn_orders_load(t, b);
    rnn_run_call(r);
    RnnStatus st = rnn_run_failed(r, err);
    if (st != RNN_OK)
        return st;
    why = fault(t);
    *undone = why && at->back;
    if (*undone)
        return rnn_roll_back(t, why, err);
    if (why) {
        st = rnn_blame(r, at, err);
        size_t n = strlen(err->text);

        if (access(t->path, F_OK) == 0)
            snprintf(err->text + n, sizeof err->text - n,
                     "\n  note: \"%s\" keeps what was saved last", t->path);
        return st;
    }
    add_up(t);
    rnn_swap_variables(&t->s, at->e);
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
    t->in_a_row = 0;
    rnn_copy_take(t);
    memset(t->at.sum, 0, sizeof *t->at.sum * (size_t)t->at.nsum);
}

/* --- the end of an epoch ------------------------------------------------- */

/* "model.safetensors" and "early" -> "model-early.safetensors" */
static RnnStatus save_as(Train *t, const char *name, RnnError *err)
{
    char path[sizeof t->path + 256];
    int stem = (int)(strrchr(t->path, '.') - t->path);

    snprintf(path, sizeof path, "%.*s-%s.safetensors", stem, t->path, name);
    rnn_progress_clear(&t->progress);
    if (!t->progress.quiet)
        printf("saving \"%s\"\n", path);
    return rnn_checkpoint_write(&t->s, &t->at, path, err);
}

/* Runs the epoch block; *kept: the epoch stays. Its watched values are in
 * t->end until the next one. */
static RnnStatus judge(Train *t, bool *kept, RnnError *err)
{
    const RnnProgram *p = t->s.p;
    const RnnEntry *e = t->at.e->epoch > 0 ? &p->entry[t->at.e->epoch] : NULL;
    RnnStatus st;

    *kept = true;
    if (!e)
        return RNN_OK;
    rnn_run_close(&t->end);
    t->run.clock[RNN_CLOCK_STEP] = (int32_t)t->at.step;
    st = rnn_fold_before(&t->s, e, t->data, t->at.batch, t->run.clock, err);
    if (st == RNN_OK)
        st = rnn_run_once(t, &t->end, e, err);
    if (st != RNN_OK)
        return st;
    for (int o = 0; o < e->nout; o++) {
        double v = rnn_run_value(&t->end, o, 0);

        if (e->output[o].kind == RNN_OUT_ACCEPT)
            *kept = v != 0;
        if (e->output[o].kind == RNN_OUT_STOP && v != 0 && !t->reason)
            t->reason = rnn_record_text(&t->s, e, e->output[o].text);
    }
    if (!*kept)
        return rnn_roll_back(t, "it was not accepted", err);
    rnn_swap_variables(&t->s, e);
    return RNN_OK;
}

/* What the epoch block wants to keep of the epoch just finished. */
static RnnStatus save_copies(Train *t, RnnError *err)
{
    const RnnEntry *e = t->end.e;
    RnnStatus st = RNN_OK;

    for (int o = 0; e && o < e->nout && st == RNN_OK; o++)
        if (e->output[o].kind == RNN_OUT_SAVE &&
            rnn_run_value(&t->end, o, 0) != 0)
            st = save_as(t, e->output[o].text, err);
    return st;
}

/* Of a train whose epochs have to be accepted the last one that was is saved:
 * what came after may yet be undone, and is run again to the same bits. Where
 * there is only a guard (`rollback if`), every step done so far counts. */
static RnnStatus interrupted(Train *t, RnnError *err)
{
    if (t->at.e->epoch > 0)
        rnn_copy_restore(t);
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
        bool undone = false, whole = false;

        if (ordered != at->epoch)
            rnn_orders_epoch(t);
        ordered = at->epoch;
        if ((st = step(t, &undone, err)) != RNN_OK)
            return st;
        if (!undone && at->step % at->steps_per_epoch == 0) {
            if ((st = judge(t, &whole, err)) != RNN_OK)
                return st;
            undone = !whole;
        }
        if (undone)
            ordered = -1;
        else if (whole)
            end_epoch(t);
        else if (t->reason)
            rnn_train_epoch(t);
        else
            rnn_train_show(t);
        if (whole && (st = save_copies(t, err)) != RNN_OK)
            return st;
        if (t->reason)
            return save(t, err);
        if (rnn_interrupted() && at->step < last)
            return interrupted(t, err);
        if (whole || (!undone && t->f->save_every &&
                      at->step % t->f->save_every == 0))
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

    rnn_copy_take(t);
    if (resume)
        return rnn_checkpoint_read(&t->s, &t->at, t->f, t->path, err);
    st = rnn_session_init(&t->s, err);
    if (st == RNN_OK && t->f->weights && strcmp(t->f->weights, "init"))
        st = rnn_weights_load(&t->s, t->f->weights, err);
    rnn_copy_take(t);
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
    t->run.call.seed = rnn_try_seed(t);
    t->run.clock[RNN_CLOCK_EPOCHS] = (int32_t)at->epochs;
    t->run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = (int32_t)at->steps_per_epoch;
    rnn_orders_open(t);
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
        if (st == RNN_INTERRUPTED) { // what is known so far is kept
            t.progress.quiet = true;
            t.reason = t.reason ? t.reason : strdup("interrupted");
            if (rnn_train_finish(&t, err) != RNN_OK)
                st = RNN_SURROUNDINGS;
        } else if (st == RNN_OK) {
            st = rnn_train_finish(&t, err);
        }
    }
    rnn_json_drop(&t.json);
    rnn_run_close(&t.run);
    rnn_run_close(&t.end);
    rnn_copy_free(&t.at, p);
    rnn_orders_close(&t);
    free(t.at.sum);
    free(t.reason);
    rnn_session_close(&t.s);
    return st;
}
