/*
 * attack.c -- adversarial examples of a data set, saved beside the clean ones:
 * x_adv, x, y, index, and where a net of the program has the attacked field as
 * its input and a score per class as its output, pred, pred_adv and success.
 */
#include "face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Attack {
    RnnSession *s;
    const RnnEntry *e;
    const RnnDataset *data;
    RnnRun run;
    int out;    // its tensor
    int field;  // the one attacked, -1: none has its shape
    int label;  // the class field, -1: none
    const RnnEntry *net; // or NULL
    RnnRun net_run;
    int64_t n, batch;
    RnnResults res;
    int adv, index, pred, pred_adv, success, *clean; // arrays of res
    int64_t nright, nright_adv, nsuccess, nmoved;
    double linf, linf_sum, l2_sum; // of x_adv - x
} Attack;

static bool same_type(const RnnType *a, const RnnType *b)
{
    return a->rank == b->rank && a->batched == b->batched &&
           !memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->rank);
}

/* The field shaped like the result, "x" before others. */
static int attacked_field(const RnnData *d, const RnnType *t)
{
    int found = -1;

    for (int i = d->nfield - 1; i >= 0; i--)
        if (d->field[i].nclass == 0 && same_type(&d->field[i].type, t) &&
            (found < 0 || strcmp(d->field[found].name, "x")))
            found = i;
    return found;
}

static int class_field(const RnnData *d)
{
    for (int i = 0; i < d->nfield; i++)
        if (d->field[i].nclass > 0)
            return i;
    return -1;
}

/* The only net from the attacked field to a score per class, or NULL. */
static const RnnEntry *classifier(const Attack *a)
{
    const RnnProgram *p = a->s->p;
    const RnnField *f = p->data[a->e->data].field;
    const RnnEntry *found = NULL;

    if (a->field < 0 || a->label < 0)
        return NULL;
    for (int i = 0; i < p->nentry; i++) {
        const RnnEntry *e = &p->entry[i];
        int in = rnn_find_input(e, RNN_IN_FIELD, 0);
        int out = rnn_find_output(e, RNN_OUT_TENSOR, 0);

        if (e->kind != RNN_ENTRY_INFER || in < 0 || out < 0 ||
            rnn_find_input(e, RNN_IN_FIELD, in + 1) >= 0 ||
            !same_type(&e->input[in].type, &f[a->field].type) ||
            e->output[out].type.rank != 1 || !e->output[out].type.batched ||
            e->output[out].type.dim[0] != f[a->label].nclass)
            continue;
        if (found)
            return NULL;
        found = e;
    }
    return found;
}

static int argmax(const void *at, const RnnType *t, int64_t i)
{
    int64_t n = t->dim[0], best = 0;

    for (int64_t k = 1; k < n; k++)
        if (rnn_element(at, t->dt, i * n + k) >
            rnn_element(at, t->dt, i * n + best))
            best = k;
    return (int)best;
}

/* Classes of the n examples at x into pred [n] at `first`. */
static void predict(Attack *a, const void *x, int32_t dt, int64_t first,
                    int64_t n, int k)
{
    RnnRun *r = &a->net_run;
    int in = rnn_find_input(a->net, RNN_IN_FIELD, 0);
    int out = rnn_find_output(a->net, RNN_OUT_TENSOR, 0);
    const RnnType *t = &a->net->input[in].type;
    int32_t *pred = a->res.arrays.array[k].at;

    rnn_run_load_range(r, NULL, first, n);
    rnn_convert(r->in[in], t->dt, x, dt, n * rnn_type_count(t));
    rnn_run_call(r);
    for (int64_t i = 0; i < n; i++)
        pred[first + i] = argmax(r->out[out], &a->net->output[out].type, i);
}

static void measure(Attack *a, int64_t first, int64_t n)
{
    const RnnArray *adv = &a->res.arrays.array[a->adv];
    const RnnArray *x = &a->res.arrays.array[a->clean[a->field]];
    int64_t each = rnn_type_count(&a->e->output[a->out].type);

    for (int64_t i = first; i < first + n; i++) {
        double big = 0, square = 0;

        for (int64_t k = i * each; k < (i + 1) * each; k++) {
            double d = rnn_element(adv->at, adv->type.dt, k) -
                       rnn_element(x->at, x->type.dt, k);
            big = fabs(d) > big || isnan(d) ? fabs(d) : big;
            square += d * d;
        }
        a->linf = big > a->linf || isnan(big) ? big : a->linf;
        a->linf_sum += big;
        a->l2_sum += sqrt(square);
        a->nmoved += big != 0;
    }
}

static void judge(Attack *a, int64_t first, int64_t n)
{
    const RnnArray *array = a->res.arrays.array;
    const int32_t *y = array[a->clean[a->label]].at;
    const int32_t *pred = array[a->pred].at, *adv = array[a->pred_adv].at;
    unsigned char *success = array[a->success].at;

    for (int64_t i = first; i < first + n; i++) {
        success[i] = pred[i] == y[i] && adv[i] != y[i];
        a->nright += pred[i] == y[i];
        a->nright_adv += adv[i] == y[i];
        a->nsuccess += success[i];
    }
}

static void one_batch(Attack *a, int64_t first, int64_t n)
{
    const RnnData *d = &a->s->p->data[a->e->data];
    const RnnOutput *out = &a->e->output[a->out];
    RnnArray *array = a->res.arrays.array;

    rnn_run_load_range(&a->run, a->data, first, n);
    rnn_results_put(&a->res, a->index,
                    &(RnnType){.dt = RNN_I32, .batched = 1}, first, n,
                    a->run.index);
    for (int i = 0; i < d->nfield; i++) {
        int32_t dt = d->field[i].type.dt;
        size_t each = (size_t)rnn_type_count(&d->field[i].type) *
                      rnn_dtype_bytes(dt);

        rnn_data_gather(a->data, i, a->run.index, n, dt,
                        (char *)array[a->clean[i]].at + (size_t)first * each);
    }
    rnn_run_call(&a->run);
    rnn_results_put(&a->res, a->adv, &out->type, first, n,
                    a->run.out[a->out]);
    if (a->field >= 0)
        measure(a, first, n);
    if (a->net) {
        const RnnType *t = &d->field[a->field].type;

        predict(a, (char *)array[a->clean[a->field]].at +
                       (size_t)(first * rnn_type_count(t)) *
                           rnn_dtype_bytes(t->dt),
                t->dt, first, n, a->pred);
        predict(a, a->run.out[a->out], out->type.dt, first, n, a->pred_adv);
        judge(a, first, n);
    }
}

static RnnStatus open_results(Attack *a, RnnError *err)
{
    const RnnData *d = &a->s->p->data[a->e->data];
    const RnnType number = {.dt = RNN_I32, .batched = 1};
    const RnnType flag = {.dt = RNN_BOOL, .batched = 1};
    RnnResults *r = &a->res;

    rnn_results_open(r, d->nfield + 5, a->n, err);
    a->adv = rnn_results_add(r, &a->e->output[a->out].type, "%s%sadv",
                             a->field >= 0 ? d->field[a->field].name : "",
                             a->field >= 0 ? "_" : "");
    for (int i = 0; i < d->nfield; i++)
        a->clean[i] = rnn_results_add(r, &d->field[i].type, "%s",
                                      d->field[i].name);
    a->index = rnn_results_add(r, &number, "index");
    if (!a->net)
        return r->status;
    a->pred = rnn_results_add(r, &number, "pred");
    a->pred_adv = rnn_results_add(r, &number, "pred_adv");
    a->success = rnn_results_add(r, &flag, "success");
    return r->status;
}

static void report(const Attack *a, RnnJson *j)
{
    RnnTable t = {.align = "lrl"};
    double n = (double)a->n;
    bool quiet = a->s->f->quiet ||
                 (a->s->f->json && !strcmp(a->s->f->json, "-"));

    rnn_json_text(j, "weights", a->s->weights);
    rnn_json_seed(j, "seed", a->s->seed);
    rnn_json_text(j, "name", a->e->name);
    rnn_json_text(j, "data", a->data->decl->name);
    rnn_json_text(j, "split", a->e->split);
    rnn_json_int(j, "n", a->n);
    if (a->s->f->examples)
        rnn_json_text(j, "examples", a->s->f->examples);
    rnn_json_options(j, a->s, a->e);
    rnn_json_text(j, "out", a->s->f->out);
    if (a->net) {
        rnn_cell(&t, "clean accuracy");
        rnn_cell(&t, "%.2f %%", 100 * (double)a->nright / n);
        rnn_cell(&t, "(%lld/%lld)", (long long)a->nright, (long long)a->n);
        rnn_cell(&t, "accuracy under attack");
        rnn_cell(&t, "%.2f %%", 100 * (double)a->nright_adv / n);
        rnn_cell(&t, "(%lld/%lld)", (long long)a->nright_adv, (long long)a->n);
        rnn_json_int(j, "right", a->nright);
        rnn_json_int(j, "right_adv", a->nright_adv);
        rnn_json_int(j, "success", a->nsuccess);
    }
    if (a->field >= 0) {
        rnn_cell(&t, "Linf distance");
        rnn_cell(&t, "%.6g", a->linf_sum / n);
        rnn_cell(&t, "mean, %.6g largest; %lld examples moved", a->linf,
                 (long long)a->nmoved);
        rnn_cell(&t, "L2 distance");
        rnn_cell(&t, "%.6g", a->l2_sum / n);
        rnn_cell(&t, "mean");
        rnn_json_real(j, "linf", a->linf_sum / n);
        rnn_json_real(j, "linf_max", a->linf);
        rnn_json_real(j, "l2", a->l2_sum / n);
        rnn_json_int(j, "moved", a->nmoved);
    }
    if (quiet) {
        rnn_table_drop(&t);
        return;
    }
    printf("%s on %s.%s: %lld examples, weights %s, seed %llu, %s\n",
           a->e->name, a->data->decl->name, a->e->split, (long long)a->n,
           a->s->weights, (unsigned long long)a->s->seed,
           rnn_dtype_name(a->s->p->real));
    if (a->s->f->examples)
        printf("  the examples that \"%s\" lists\n", a->s->f->examples);
    rnn_table_print(stdout, &t, 2);
}

static RnnStatus run(Attack *a, RnnError *err)
{
    RnnProgress g;
    RnnStatus st = rnn_run_open(&a->run, a->s, a->e, a->batch, err);

    a->run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    if (st == RNN_OK && a->net)
        st = rnn_run_open(&a->net_run, a->s, a->net, a->batch, err);
    if (st != RNN_OK)
        return st;
    rnn_progress_start(&g, a->s->f, 0, a->n, 1);
    for (int64_t at = 0; at < a->n; at += a->batch) {
        one_batch(a, at, a->n - at < a->batch ? a->n - at : a->batch);
        st = rnn_run_failed(&a->run, err);
        if (st == RNN_OK && a->net)
            st = rnn_run_failed(&a->net_run, err);
        if (st != RNN_OK)
            return st;
        if (at + a->batch < a->n && rnn_progress_due(&g))
            rnn_progress_show(&g, at + a->batch, a->e->name, "");
    }
    rnn_progress_clear(&g);
    return RNN_OK;
}

static RnnStatus prepare(Attack *a, RnnError *err)
{
    const RnnProgram *p = a->s->p;
    RnnStatus st = rnn_results_check(a->s->f, true, err);

    if (st == RNN_OK && a->s->f->json)
        st = rnn_check_writable("json", a->s->f->json, err);
    if (st == RNN_OK && (a->e->data < 0 || a->out < 0))
        st = rnn_fail(err, RNN_BAD_INPUT,
                      "attack \"%s\" has no data set to attack", a->e->name);
    if (st == RNN_OK)
        st = rnn_weights_default(a->s, err);
    if (st == RNN_OK)
        st = rnn_session_data(a->s, a->e, &a->data, err);
    if (st != RNN_OK)
        return st;
    a->n = a->data->n;
    a->batch = rnn_batch_of(a->s, a->e, 128, a->n);
    a->field = attacked_field(&p->data[a->e->data],
                              &a->e->output[a->out].type);
    a->label = class_field(&p->data[a->e->data]);
    a->net = classifier(a);
    a->clean = rnn_alloc(sizeof *a->clean *
                         (size_t)p->data[a->e->data].nfield);
    return open_results(a, err);
}

RnnStatus rnn_attack(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnSession s;
    RnnJson j;
    Attack a = {.s = &s, .e = &p->entry[f->entry[0]]};
    RnnStatus st = rnn_session_open(&s, p, f, err);

    rnn_json_open(&j, p, f);
    a.out = rnn_find_output(a.e, RNN_OUT_TENSOR, 0);
    if (st == RNN_OK)
        st = prepare(&a, err);
    if (st == RNN_OK)
        st = run(&a, err);
    if (st == RNN_OK)
        report(&a, &j);
    if (st == RNN_OK)
        st = rnn_results_save(&a.res, f, err);
    if (st == RNN_OK)
        st = rnn_json_save(&j, f, err);
    rnn_json_drop(&j);
    rnn_run_close(&a.run);
    rnn_run_close(&a.net_run);
    rnn_results_close(&a.res);
    free(a.clean);
    rnn_session_close(&s);
    return st;
}
