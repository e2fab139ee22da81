/*
 * stats_rival.c -- the same scores on what a data set is compared with: other
 * data, whose fields are found by name, or the same data with one field made
 * anew by an entry of kind RIVAL.
 */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

typedef struct Rival {
    const RnnRival *decl;
    const RnnDataset *data;
    int *field_of;  // by field of the entry's data
    RnnRun run, make;
} Rival;

static int field_named(const RnnData *d, const char *name)
{
    for (int i = 0; i < d->nfield; i++)
        if (!strcmp(d->field[i].name, name))
            return i;
    return -1;
}

/* Which fields of the rival's data stand for the entry's. One of another
 * shape is none: the compiler has seen to it that no score needs it. */
static void match_fields(Rival *r, const RnnProgram *p, const RnnEntry *e)
{
    const RnnData *own = &p->data[e->data], *d = &p->data[r->decl->data];

    r->field_of = rnn_alloc(sizeof *r->field_of * (size_t)own->nfield);
    for (int i = 0; i < own->nfield; i++) {
        int k = field_named(d, own->field[i].name);

        if (k >= 0 && rnn_type_count(&d->field[k].type) !=
                          rnn_type_count(&own->field[i].type))
            k = -1;
        r->field_of[i] = k;
    }
    r->run.field_of = r->field_of;
}

static void replace_field(Rival *r, int64_t n)
{
    const RnnEntry *e = r->run.e;
    int out = rnn_find_output(r->make.e, RNN_OUT_TENSOR, 0);
    const RnnType *t = &r->make.e->output[out].type;

    for (int i = 0; i < e->nin; i++)
        if (e->input[i].kind == RNN_IN_FIELD &&
            e->input[i].ref == r->decl->field && !e->input[i].other)
            rnn_convert(r->run.in[i], e->input[i].type.dt, r->make.out[out],
                        t->dt, n * rnn_type_count(t));
}

static void one_batch(Rival *r, int64_t first, int64_t n, RnnScores *out)
{
    if (r->make.e) {
        rnn_run_load_range(&r->make, r->data, first, n);
        rnn_run_call(&r->make);
    }
    rnn_run_load_range(&r->run, r->data, first, n);
    if (r->make.e)
        replace_field(r, n);
    rnn_run_call(&r->run);
    rnn_scores_add(out, &r->run, n);
}

RnnStatus rnn_scores_rival(RnnSession *s, const RnnEntry *e,
                           const RnnRival *decl, RnnScores *out, RnnError *err)
{
    Rival r = {.decl = decl};
    bool other = decl->data >= 0;
    RnnProgress g;
    RnnStatus st = other ? rnn_session_split(s, decl->data, decl->split,
                                             &r.data, err)
                         : rnn_session_data(s, e, &r.data, err);

    if (st != RNN_OK)
        return st;
    int64_t batch = rnn_batch_of(s, e, 100, r.data->n);
    st = rnn_run_open(&r.run, s, e, batch, err);
    if (st == RNN_OK && !other)
        st = rnn_run_open(&r.make, s, &s->p->entry[decl->entry], batch, err);
    if (st == RNN_OK && other)
        match_fields(&r, s->p, e);
    r.run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    r.make.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    rnn_scores_open(out, e, decl->name, r.data->n);
    rnn_progress_start(&g, s->f, 0, r.data->n, 1);
    for (int64_t at = 0; st == RNN_OK && at < r.data->n; at += batch) {
        int64_t n = r.data->n - at < batch ? r.data->n - at : batch;

        one_batch(&r, at, n, out);
        if (at + n < r.data->n && rnn_progress_due(&g))
            rnn_progress_show(&g, at + n, decl->name, "");
        st = rnn_run_failed(&r.run, err);
        if (st == RNN_OK && r.make.e)
            st = rnn_run_failed(&r.make, err);
    }
    rnn_progress_clear(&g);
    if (r.run.e)
        rnn_run_close(&r.run);
    if (r.make.e)
        rnn_run_close(&r.make);
    free(r.field_of);
    return st;
}
