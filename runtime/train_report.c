/*
 * train_report.c -- what training says about itself: a headline, progress, a
 * line per epoch, and the same as JSON.
 */
#include "train.h"

#include <string.h>

/* "loss 0.41  accuracy 84.1 %": averages over the epoch so far. */
static void averages(const Train *t, char *buf, size_t n)
{
    const RnnEntry *e = t->at.e;
    int64_t done = t->at.step - t->at.epoch * t->at.steps_per_epoch;
    double count = (double)(done * t->at.batch);
    const double *sum = t->at.sum;
    size_t at = 0;

    buf[0] = 0;
    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];

        if (!rnn_train_sums(out))
            continue;
        double v = *sum++ / count;
        if (at < n)
            at += (size_t)snprintf(buf + at, n - at, "%s%s ", at ? "  " : "",
                                   out->name[0] ? out->name : "loss");
        if (at < n)
            at += (size_t)snprintf(buf + at, n - at,
                                   out->type.dt == RNN_BOOL ? "%.2f %%"
                                                            : "%.5g",
                                   out->type.dt == RNN_BOOL ? 100 * v : v);
    }
}

/* The epoch block's values, and how often the epoch was tried. */
static void add_end(const Train *t, char *buf, size_t n)
{
    const RnnEntry *e = t->end.e;
    size_t at = strlen(buf);

    for (int o = 0; e && o < e->nout && at < n; o++)
        if (e->output[o].kind == RNN_OUT_WATCH)
            at += (size_t)snprintf(
                buf + at, n - at, "  %s %.*g", e->output[o].name,
                e->output[o].type.dt == RNN_F64 ? 8 : 5,
                rnn_run_value(&t->end, o, 0));
    if (t->in_a_row && at < n)
        snprintf(buf + at, n - at, "  rolled back %lld time%s",
                 (long long)t->in_a_row, t->in_a_row == 1 ? "" : "s");
}

static void title(const Train *t, char *buf, size_t n)
{
    int digits = snprintf(NULL, 0, "%lld", (long long)t->at.epochs);

    snprintf(buf, n, "epoch %*lld/%lld", digits, (long long)t->at.epoch + 1,
             (long long)t->at.epochs);
}

void rnn_train_show(Train *t)
{
    char head[64], text[512];

    if (!rnn_progress_due(&t->progress))
        return;
    title(t, head, sizeof head);
    averages(t, text, sizeof text);
    rnn_progress_show(&t->progress, t->at.step, head, text);
}

void rnn_train_epoch(Train *t)
{
    const RnnEntry *e = t->at.e;
    int64_t steps = t->at.step - t->at.epoch * t->at.steps_per_epoch;
    double now = rnn_seconds(), took = now - t->epoch_began;
    double rate = (double)((t->at.step - t->epoch_from) * t->at.batch) /
                  (took > 0 ? took : 1);
    char head[64], text[1024], time[32], speed[32];
    const double *sum = t->at.sum;

    rnn_progress_clear(&t->progress);
    title(t, head, sizeof head);
    averages(t, text, sizeof text);
    add_end(t, text, sizeof text);
    if (!t->progress.quiet) {
        printf("%s  %s  %s  %s\n", head, text,
               rnn_duration(took, time, sizeof time),
               rnn_scaled(rate, "ex/s", speed, sizeof speed));
        fflush(stdout);
    }
    rnn_json_line(&t->json, NULL, '{');
    rnn_json_int(&t->json, "epoch", t->at.epoch + 1);
    rnn_json_int(&t->json, "step", t->at.step);
    for (int o = 0; o < e->nout; o++)
        if (rnn_train_sums(&e->output[o]))
            rnn_json_real(&t->json, e->output[o].name[0] ? e->output[o].name
                                                         : "loss",
                          *sum++ / (double)(steps * t->at.batch));
    for (int o = 0; t->end.e && o < t->end.e->nout; o++)
        if (t->end.e->output[o].kind == RNN_OUT_WATCH)
            rnn_json_real(&t->json, t->end.e->output[o].name,
                          rnn_run_value(&t->end, o, 0));
    if (t->at.back)
        rnn_json_int(&t->json, "rolled_back", t->in_a_row);
    rnn_json_real(&t->json, "seconds", took);
    rnn_json_end(&t->json, '}');
    t->epoch_began = now;
    t->epoch_from = t->at.step;
}

void rnn_train_headline(const Train *t)
{
    const RnnTraining *at = &t->at;
    int64_t rest = at->examples % at->batch;

    if (t->progress.quiet)
        return;
    printf("%s%s%s%s%s: %lld examples, %lld epochs of %lld steps, batch %lld, "
           "seed %llu, %d threads, %s\n", at->e->name, t->data ? " on " : "",
           t->data ? t->data->decl->name : "", t->data ? "." : "",
           t->data ? at->e->split : "", (long long)at->examples,
           (long long)at->epochs, (long long)at->steps_per_epoch,
           (long long)at->batch, (unsigned long long)t->s.seed,
           rnn_pool_threads(t->s.pool), rnn_dtype_name(t->s.p->real));
    printf("from %s", t->s.weights);
    if (at->step)
        printf(", step %lld", (long long)at->step);
    if (rest)
        printf("; %lld examples of each epoch make no whole batch and are "
               "left out", (long long)rest);
    printf("\n");
    fflush(stdout);
}

RnnStatus rnn_train_finish(Train *t, RnnError *err)
{
    char time[32];

    rnn_json_end(&t->json, ']');
    rnn_json_text(&t->json, "weights", t->path);
    rnn_json_int(&t->json, "steps", t->at.step);
    rnn_json_text(&t->json, "stopped", t->reason ? t->reason : "");
    rnn_json_real(&t->json, "seconds", rnn_seconds() - t->began);
    if (!t->progress.quiet) {
        if (t->reason)
            printf("stopped after step %lld: %s\n", (long long)t->at.step,
                   t->reason);
        printf("weights: %s (%lld steps, %s)\n", t->path,
               (long long)t->at.step,
               rnn_duration(rnn_seconds() - t->began, time, sizeof time));
    }
    return rnn_json_save(&t->json, t->f, err);
}
