/*
 * run.c -- one entry point with the memory of its inputs and outputs.
 *
 * Inputs and outputs that are variables point into the session and are bound
 * anew before each call, because training swaps old and new values; all
 * others have buffers here, made once for the largest batch.
 */
#include "face.h"
#include "rng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MADE_UP_STREAM (-2) // of no draw in a program, nor of the shuffle

static size_t bytes_of(const RnnType *t, int64_t batch)
{
    return (size_t)rnn_type_count(t) * rnn_dtype_bytes(t->dt) *
           (size_t)(t->batched ? batch : 1);
}

int rnn_find_output(const RnnEntry *e, int32_t kind, int from)
{
    for (int i = from; i < e->nout; i++)
        if (e->output[i].kind == kind)
            return i;
    return -1;
}

int rnn_find_input(const RnnEntry *e, int32_t kind, int from)
{
    for (int i = from; i < e->nin; i++)
        if (e->input[i].kind == kind)
            return i;
    return -1;
}

int64_t rnn_batch_of(const RnnSession *s, const RnnEntry *e, int64_t usual,
                     int64_t n)
{
    int64_t batch = s->f->batch ? s->f->batch : e->batch > 0 ? e->batch : usual;

    return n > 0 && batch > n ? n : batch;
}

static void open_input(RnnRun *r, int i)
{
    RnnSession *s = r->s;
    const RnnInput *in = &r->e->input[i];

    switch (in->kind) {
    case RNN_IN_FIELD:
        r->own_in[i] = true;
        break;
    case RNN_IN_VAR:
        r->own_in[i] = in->type.dt != s->p->var[in->ref].type.dt;
        break;
    case RNN_IN_OPTION:
    case RNN_IN_FOLD:
        r->own_in[i] = true;
        break;
    default:
        r->in[i] = in->ref == RNN_CLOCK_INDEX ? r->index : &r->clock[in->ref];
        return;
    }
    if (!r->own_in[i])
        return;
    r->in[i] = rnn_alloc(bytes_of(&in->type, r->batch));
    if (in->kind == RNN_IN_OPTION)
        rnn_convert(r->in[i], in->type.dt,
                    &s->f->option[rnn_option_at(s->p, r->e, in->ref)],
                    RNN_F64, 1);
}

/* Bytes of the batched buffers, as a double: it may not fit a size. */
static double buffer_bytes(const RnnEntry *e, int64_t batch)
{
    double sum = (double)sizeof(int32_t);

    for (int i = 0; i < e->nin; i++)
        if (e->input[i].kind == RNN_IN_FIELD)
            sum += (double)bytes_of(&e->input[i].type, 1);
    for (int o = 0; o < e->nout; o++)
        if (e->output[o].kind != RNN_OUT_VAR && e->output[o].type.batched)
            sum += (double)bytes_of(&e->output[o].type, 1);
    return sum * (double)batch;
}

RnnStatus rnn_run_open(RnnRun *r, RnnSession *s, const RnnEntry *e,
                       int64_t batch, RnnError *err)
{
    *r = (RnnRun){.s = s, .e = e, .batch = batch,
                  .failure = {.code = RNN_SOLVE_DONE}};
    RnnStatus st = rnn_session_arena(s, e, batch, buffer_bytes(e, batch), err);

    if (st != RNN_OK)
        return st;
    r->in = rnn_alloc(sizeof *r->in * (size_t)e->nin);
    r->out = rnn_alloc(sizeof *r->out * (size_t)e->nout);
    r->own_in = rnn_alloc(sizeof *r->own_in * (size_t)e->nin);
    r->own_out = rnn_alloc(sizeof *r->own_out * (size_t)e->nout);
    r->index = rnn_alloc(sizeof *r->index * (size_t)batch);
    r->others = rnn_alloc(sizeof *r->others * (size_t)batch);
    for (int i = 0; i < e->nin; i++)
        open_input(r, i);
    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];

        if (out->kind != RNN_OUT_VAR) {
            r->own_out[o] = true;
            r->out[o] = rnn_alloc(bytes_of(&out->type, batch));
        } else if (!out->inplace && !s->next[out->ref]) {
            s->next[out->ref] = rnn_alloc(rnn_var_bytes(&s->p->var[out->ref]));
        }
    }
    r->call = (RnnCall){.n = batch,
                        .in = r->in,
                        .out = r->out,
                        .index = r->index,
                        .seed = s->seed,
                        .pool = s->pool,
                        .bad_kernel = -1};
    return RNN_OK;
}

void rnn_run_close(RnnRun *r)
{
    for (int i = 0; r->own_in && i < r->e->nin; i++)
        if (r->own_in[i])
            free(r->in[i]);
    for (int o = 0; r->own_out && o < r->e->nout; o++)
        if (r->own_out[o])
            free(r->out[o]);
    free(r->in);
    free(r->out);
    free(r->own_in);
    free(r->own_out);
    free(r->index);
    free(r->others);
    *r = (RnnRun){0};
}

static void load_field(RnnRun *r, const RnnDataset *d, int i, int64_t n)
{
    const RnnInput *in = &r->e->input[i];
    int field = r->field_of ? r->field_of[in->ref] : in->ref;
    int32_t *at = r->index;

    if (field < 0) {
        memset(r->in[i], 0, bytes_of(&in->type, n));
        return;
    }
    if (in->other) {
        at = r->others;
        for (int64_t k = 0; k < n; k++)
            at[k] = r->other ? r->other[in->other - 1][k]
                             : (int32_t)((r->index[k] + in->other) % d->n);
    }
    rnn_data_gather(d, field, at, n, in->type.dt, r->in[i]);
}

void rnn_run_load(RnnRun *r, const RnnDataset *d, const int32_t *index,
                  int64_t n)
{
    assert(n >= 1 && n <= r->batch);
    r->call.n = n;
    if (index != r->index)
        memcpy(r->index, index, (size_t)n * sizeof *index);
    for (int i = 0; d && i < r->e->nin; i++)
        if (r->e->input[i].kind == RNN_IN_FIELD)
            load_field(r, d, i, n);
}

void rnn_run_load_range(RnnRun *r, const RnnDataset *d, int64_t first,
                        int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        r->index[i] = (int32_t)(first + i);
    rnn_run_load(r, d, r->index, n);
}

/* Variables as they stand now: old values in, new ones out. */
static void bind(RnnRun *r)
{
    const RnnEntry *e = r->e;
    RnnSession *s = r->s;

    for (int i = 0; i < e->nin; i++) {
        const RnnInput *in = &e->input[i];

        if (in->kind == RNN_IN_FOLD)
            rnn_convert(r->in[i], in->type.dt, &s->fold[in->ref], RNN_F64, 1);
        if (in->kind != RNN_IN_VAR)
            continue;
        if (r->own_in[i])
            rnn_convert(r->in[i], in->type.dt, s->var[in->ref],
                        s->p->var[in->ref].type.dt, rnn_type_count(&in->type));
        else
            r->in[i] = s->var[in->ref];
    }
    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];

        if (out->kind == RNN_OUT_VAR)
            r->out[o] = out->inplace ? s->var[out->ref] : s->next[out->ref];
    }
}

void rnn_run_again(RnnRun *r)
{
    RnnSession *s = r->s;
    int32_t kind = r->e->kind;

    r->call.arena = s->arena;
    r->call.fresh = kind == RNN_ENTRY_TRAIN || kind == RNN_ENTRY_CHECK ||
                    s->arena_of != r->e;
    s->arena_of = r->e;
    r->call.bad_kernel = -1;
    r->call.failure = &r->failure;
    r->e->fn(&r->call);
}

void rnn_run_call(RnnRun *r)
{
    bind(r);
    rnn_run_again(r);
}

const RnnField *rnn_run_field(const RnnRun *r, int i)
{
    const RnnProgram *p = r->s->p;
    const RnnInput *in = &r->e->input[i];

    if (in->kind != RNN_IN_FIELD || r->e->data < 0 || in->ref < 0 ||
        in->ref >= p->data[r->e->data].nfield)
        return NULL;
    return &p->data[r->e->data].field[in->ref];
}

void rnn_run_make_up(RnnRun *r, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        r->index[i] = (int32_t)i;
    rnn_run_load(r, NULL, r->index, n);
    for (int i = 0; i < r->e->nin; i++) {
        const RnnInput *in = &r->e->input[i];
        const RnnField *f = rnn_run_field(r, i);
        int64_t each = rnn_type_count(&in->type);
        double lo = f && isfinite(f->lo) ? f->lo : 0;
        double hi = f && isfinite(f->hi) ? f->hi : lo + 1;

        if (in->kind != RNN_IN_FIELD)
            continue;
        if (in->type.dt == RNN_I32 && f && f->nclass > 0)
            hi = (double)f->nclass;
        for (int64_t k = 0; k < n * each; k++) {
            double u = rnn_uniform_at(r->s->seed, MADE_UP_STREAM - i,
                                      (int32_t)(k / each), 0, k % each);
            double x = lo + u * (hi - lo);

            rnn_convert((char *)r->in[i] + (size_t)k *
                                               rnn_dtype_bytes(in->type.dt),
                        in->type.dt, &x, RNN_F64, 1);
        }
    }
}

double rnn_run_value(const RnnRun *r, int o, int64_t i)
{
    const RnnType *t = &r->e->output[o].type;

    return rnn_element(r->out[o], t->dt, t->batched ? i : 0);
}
