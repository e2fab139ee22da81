/*
 * sample.c -- generated examples: an entry point without data, whose draws are
 * keyed by the number of the example.
 */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

typedef struct Sample {
    RnnSession *s;
    const RnnEntry *e;
    RnnRun run;
    RnnResults res;
    int *array; // of res, by output
    int64_t n;
    RnnScores scores;
    RnnJson *j;
} Sample;

static RnnStatus pictures(const Sample *x, RnnError *err)
{
    RnnTable text = {.align = "l"};
    RnnScores set = x->scores;
    RnnStats st = {x->s, x->e, &set, 1, x->s->f->quiet ? NULL : &text, x->j};

    rnn_json_begin(x->j, "plots", '[');
    RnnStatus status = rnn_stats_pictures(&st, err);
    rnn_json_end(x->j, ']');
    return status;
}

static RnnStatus sample(Sample *x, RnnError *err)
{
    RnnSession *s = x->s;
    int64_t batch = rnn_batch_of(s, x->e, 64, x->n);
    RnnProgress g;
    RnnStatus st;

    x->array = rnn_alloc(sizeof *x->array * (size_t)x->e->nout);
    if ((st = rnn_stats_check(s, x->e, err)) != RNN_OK)
        return st;
    if (s->f->out || !x->e->nstat) // pictures may be all that is wanted
        st = rnn_results_of(&x->res, x->array, s->f, x->e, x->n, err);
    else
        st = RNN_OK;
    rnn_scores_open(&x->scores, x->e, x->e->name, x->n);
    if (st == RNN_OK)
        st = rnn_weights_default(s, err);
    if (st == RNN_OK)
        st = rnn_run_open(&x->run, s, x->e, batch, err);
    if (st != RNN_OK)
        return st;
    x->run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    rnn_progress_start(&g, s->f, 0, x->n, 1);
    for (int64_t at = 0; at < x->n; at += batch) {
        int64_t n = x->n - at < batch ? x->n - at : batch;

        rnn_run_load_range(&x->run, NULL, at, n);
        rnn_run_call(&x->run);
        if ((st = rnn_run_failed(&x->run, err)) != RNN_OK)
            return st;
        rnn_scores_add(&x->scores, &x->run, n);
        for (int o = 0; s->f->out && o < x->e->nout; o++)
            rnn_results_put(&x->res, x->array[o], &x->e->output[o].type, at, n,
                            x->run.out[o]);
        if (at + batch < x->n && rnn_progress_due(&g))
            rnn_progress_show(&g, at + batch, x->e->name, "");
    }
    rnn_progress_clear(&g);
    st = s->f->out ? rnn_results_save(&x->res, s->f, err) : RNN_OK;
    return st == RNN_OK ? pictures(x, err) : st;
}

RnnStatus rnn_sample(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnSession s;
    RnnJson j;
    Sample x = {.s = &s, .e = &p->entry[f->entry[0]]};
    RnnStatus st = rnn_session_open(&s, p, f, err);

    x.n = f->count ? f->count : x.e->count > 0 ? x.e->count : 64;
    x.j = &j;
    rnn_json_open(&j, p, f);
    if (st == RNN_OK)
        st = sample(&x, err);
    rnn_json_text(&j, "weights", s.p ? s.weights : "");
    rnn_json_seed(&j, "seed", f->seed);
    rnn_json_text(&j, "name", x.e->name);
    rnn_json_int(&j, "n", x.n);
    rnn_json_text(&j, "out", f->out ? f->out : "");
    if (st == RNN_OK)
        st = rnn_json_save(&j, f, err);
    rnn_json_drop(&j);
    rnn_run_close(&x.run);
    rnn_results_close(&x.res);
    free(x.array);
    rnn_scores_close(&x.scores);
    rnn_session_close(&s);
    return st;
}
