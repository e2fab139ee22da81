/*
 * infer.c -- a net applied to an array from a file.
 *
 * The array is [N, dims], or one example [dims]; dims of size 1 may be left
 * out, so images without a channel dim fit a net with one channel.
 */
#include "face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 8 }; // of a net

typedef struct Infer {
    RnnSession *s;
    const RnnEntry *e;
    RnnRun run;
    RnnArrays file;
    int nin;
    int slot[INPUTS]; // input of the entry
    const RnnArray *from[INPUTS];
    int64_t n;
    RnnResults res;
    int *array;       // of res, by output
} Infer;

/* Dims of t from `skip` on that are not 1; their number. */
static int squeeze(const RnnType *t, int skip, int64_t *dim)
{
    int n = 0;

    for (int i = skip; i < t->rank; i++)
        if (t->dim[i] != 1)
            dim[n++] = t->dim[i];
    return n;
}

static bool fits(const RnnType *file, int skip, const RnnType *want,
                 bool exact)
{
    int64_t a[RNN_RANK_MAX], b[RNN_RANK_MAX];
    int na, nb;

    if (skip > file->rank)
        return false;
    if (exact)
        return file->rank - skip == want->rank &&
               !memcmp(file->dim + skip, want->dim,
                       sizeof *want->dim * (size_t)want->rank);
    na = squeeze(file, skip, a);
    nb = squeeze(want, 0, b);
    return na == nb && !memcmp(a, b, sizeof *a * (size_t)na);
}

/* Number of examples in an array of this type, -1 if it does not fit. */
static int64_t examples(const RnnType *file, const RnnType *want)
{
    for (int exact = 1; exact >= 0; exact--) {
        if (fits(file, 1, want, exact))
            return file->dim[0];
        if (fits(file, 0, want, exact))
            return 1;
    }
    return -1;
}

/* The name of an input in a file of several arrays. */
static const char *input_name(const Infer *x, int k)
{
    const RnnEntry *e = x->e;
    int ref = e->input[x->slot[k]].ref;

    if (e->data >= 0 && ref >= 0 && ref < x->s->p->data[e->data].nfield)
        return x->s->p->data[e->data].field[ref].name;
    return "x";
}

static RnnStatus find_array(Infer *x, int k, RnnError *err)
{
    const char *path = x->s->f->in, *name = input_name(x, k);
    const RnnType *want = &x->e->input[x->slot[k]].type;
    char is[128], need[128];
    const RnnArray *a = rnn_arrays_find(&x->file, name);

    if (!a && x->file.n == 1 && x->nin == 1)
        a = &x->file.array[0];
    if (!a)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" holds no array named \"%s\", the input of "
                        "\"%s\"", path, name, x->e->name);
    int64_t n = examples(&a->type, want);
    rnn_type_text(&a->type, is, sizeof is);
    rnn_type_text(want, need, sizeof need);
    if (n < 1 || a->type.dt == RNN_BOOL)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" has the wrong shape for \"%s\": it holds %s, "
                        "an example is %s", path, x->e->name, is, need);
    if (want->dt == RNN_I32 && a->type.dt != RNN_I32)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" holds %s, but \"%s\" needs whole numbers, %s",
                        path, is, x->e->name, need);
    if (k && n != x->n)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "the arrays of \"%s\" have %lld and %lld examples",
                        path, (long long)x->n, (long long)n);
    x->n = n;
    x->from[k] = a;
    return RNN_OK;
}

/* Warns of values the net was not made for. */
static RnnStatus check_values(const Infer *x, int k, RnnError *err)
{
    const RnnEntry *e = x->e;
    const RnnArray *a = x->from[k];
    int64_t count = rnn_type_count(&a->type), nout = 0;
    int64_t bad = rnn_first_bad(a->at, a->type.dt, count);
    int ref = e->input[x->slot[k]].ref;

    if (bad >= 0)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" holds a value that is not finite (element "
                        "%lld)", x->s->f->in, (long long)bad);
    if (e->data < 0 || ref < 0 || ref >= x->s->p->data[e->data].nfield)
        return RNN_OK;
    const RnnField *f = &x->s->p->data[e->data].field[ref];
    for (int64_t i = 0; i < count; i++) {
        double v = rnn_element(a->at, a->type.dt, i);

        nout += v < f->lo || v > f->hi;
    }
    if (nout && !x->s->f->quiet)
        fprintf(stderr, "note: %lld of %lld values in \"%s\" are outside the "
                "range of \"%s\", [%g, %g]\n", (long long)nout,
                (long long)count, x->s->f->in, f->name, f->lo, f->hi);
    return RNN_OK;
}

static RnnStatus read_input(Infer *x, RnnError *err)
{
    const RnnFlags *f = x->s->f;
    RnnStatus st;

    if (!f->in)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"infer\" needs --in FILE, the input of \"%s\"",
                        x->e->name);
    for (int i = 0; i < x->e->nin; i++)
        if (x->e->input[i].kind == RNN_IN_FIELD && x->nin < INPUTS)
            x->slot[x->nin++] = i;
    if ((st = rnn_arrays_read(f->in, &x->file, err)) != RNN_OK)
        return st;
    for (int k = 0; k < x->nin && st == RNN_OK; k++) {
        st = find_array(x, k, err);
        if (st == RNN_OK)
            st = check_values(x, k, err);
    }
    if (f->limit && x->n > f->limit)
        x->n = f->limit;
    return st;
}

static void one_batch(Infer *x, int64_t first, int64_t n)
{
    RnnRun *r = &x->run;

    rnn_run_load_range(r, NULL, first, n);
    for (int k = 0; k < x->nin; k++) {
        const RnnType *t = &x->e->input[x->slot[k]].type;
        const RnnArray *a = x->from[k];
        int64_t each = rnn_type_count(t);

        rnn_convert(r->in[x->slot[k]], t->dt,
                    (char *)a->at + (size_t)(first * each) *
                                        rnn_dtype_bytes(a->type.dt),
                    a->type.dt, n * each);
    }
    rnn_run_call(r);
    for (int o = 0; o < x->e->nout; o++)
        rnn_results_put(&x->res, x->array[o], &x->e->output[o].type, first, n,
                        r->out[o]);
}

static RnnStatus infer(Infer *x, RnnError *err)
{
    RnnStatus st = read_input(x, err);
    RnnProgress g;

    x->array = rnn_alloc(sizeof *x->array * (size_t)x->e->nout);
    if (st == RNN_OK)
        st = rnn_results_of(&x->res, x->array, x->s->f, x->e, x->n, err);
    if (st == RNN_OK)
        st = rnn_weights_default(x->s, err);
    int64_t batch = rnn_batch_of(x->s, x->e, 128, x->n);
    if (st == RNN_OK)
        st = rnn_run_open(&x->run, x->s, x->e, batch, err);
    if (st != RNN_OK)
        return st;
    rnn_progress_start(&g, x->s->f, 0, x->n, 1);
    for (int64_t at = 0; at < x->n; at += batch) {
        one_batch(x, at, x->n - at < batch ? x->n - at : batch);
        if ((st = rnn_run_failed(&x->run, err)) != RNN_OK)
            return st;
        if (at + batch < x->n && rnn_progress_due(&g))
            rnn_progress_show(&g, at + batch, x->e->name, "");
    }
    rnn_progress_clear(&g);
    return rnn_results_save(&x->res, x->s->f, err);
}

RnnStatus rnn_infer(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnSession s;
    RnnJson j;
    Infer x = {.s = &s, .e = &p->entry[f->entry[0]]};
    RnnStatus st = rnn_session_open(&s, p, f, err);

    rnn_json_open(&j, p, f);
    if (st == RNN_OK)
        st = infer(&x, err);
    rnn_json_text(&j, "weights", s.p ? s.weights : "");
    rnn_json_text(&j, "name", x.e->name);
    rnn_json_int(&j, "n", x.n);
    rnn_json_text(&j, "out", f->out ? f->out : "");
    if (st == RNN_OK)
        st = rnn_json_save(&j, f, err);
    rnn_json_drop(&j);
    rnn_run_close(&x.run);
    rnn_results_close(&x.res);
    rnn_arrays_free(&x.file);
    free(x.array);
    rnn_session_close(&s);
    return st;
}
