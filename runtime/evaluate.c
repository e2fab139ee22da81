/*
 * evaluate.c -- tables of results over a data set.
 *
 * Per-example values are added in f64 in the order of the examples, so neither
 * the batch size nor the threads can change a digit. A rate comes with its
 * 95 % interval (Wilson), a mean with its standard error.
 */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Row {
    double sum, mean, m2; // m2: squared distances from the mean (Welford)
    double lo, hi;        // least and greatest: equal means constant
    int64_t n, nbad;      // examples, and those not finite
} Row;

static void add(Row *r, double x, double weight)
{
    double d = x - r->mean;

    if (!r->n || x < r->lo || isnan(x))
        r->lo = x;
    if (!r->n || x > r->hi || isnan(x))
        r->hi = x;
    r->n += (int64_t)weight;
    r->nbad += !isfinite(x);
    r->sum += weight * x;
    r->mean += weight * d / (double)r->n;
    r->m2 += weight * d * (x - r->mean);
}

/* p +- : Wilson's score interval for k of n at 95 %; it ends at 0 for none and
 * at 1 for all, where mid and half cancel only but for a rounding. */
static void wilson(double k, double n, double *lo, double *hi)
{
    const double z = 1.959963984540054;
    double p = k / n, d = 1 + z * z / n;
    double mid = (p + z * z / (2 * n)) / d;
    double half = z / d * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

    *lo = k > 0 ? fmax(0, mid - half) : 0;
    *hi = k < n ? fmin(1, mid + half) : 1;
}

static double value_of(const Row *r)
{
    return r->lo == r->hi ? r->lo : r->sum / (double)r->n;
}

static double error_of(const Row *r)
{
    return r->n > 1 ? sqrt(r->m2 / (double)(r->n - 1) / (double)r->n) : NAN;
}

/* --- one row, as text and as JSON ---------------------------------------- */

static void print_row(RnnTable *t, const RnnOutput *out, const Row *r,
                      const char *record)
{
    double v = value_of(r), lo, hi;

    rnn_cell(t, "%s", out->name);
    if (out->type.dt == RNN_BOOL && out->type.batched) {
        wilson(r->sum, (double)r->n, &lo, &hi);
        rnn_cell(t, "%.2f %%", 100 * r->sum / (double)r->n);
        rnn_cell(t, "(%.0f/%lld)", r->sum, (long long)r->n);
        rnn_cell(t, "%.2f .. %.2f %%", 100 * lo, 100 * hi);
    } else if (out->type.dt == RNN_BOOL && r->lo == r->hi) {
        rnn_cell(t, "%s", v != 0 ? "yes" : "no");
        rnn_cell(t, "%s", "");
        rnn_cell(t, "%s", "");
    } else {
        rnn_cell(t, "%.6g", v);
        if (out->type.batched && r->n > 1)
            rnn_cell(t, "\xc2\xb1 %.2g", error_of(r));
        else
            rnn_cell(t, "%s", "");
        if (r->nbad)
            rnn_cell(t, "%lld not finite", (long long)r->nbad);
        else
            rnn_cell(t, "%s", "");
    }
    rnn_cell(t, "%s", record);
}

static void json_row(RnnJson *j, const RnnOutput *out, const Row *r,
                     const char *record)
{
    bool rate = out->type.dt == RNN_BOOL && out->type.batched;
    double lo, hi;

    rnn_json_line(j, NULL, '{');
    rnn_json_text(j, "name", out->name);
    rnn_json_text(j, "kind", rate                ? "rate"
                             : out->type.batched ? "mean"
                                                 : "value");
    rnn_json_real(j, "value", rate ? r->sum / (double)r->n : value_of(r));
    rnn_json_int(j, "n", r->n);
    if (rate) {
        wilson(r->sum, (double)r->n, &lo, &hi);
        rnn_json_int(j, "k", (int64_t)r->sum);
        rnn_json_real(j, "lo", lo);
        rnn_json_real(j, "hi", hi);
    } else if (out->type.batched) {
        rnn_json_real(j, "error", error_of(r));
        rnn_json_int(j, "not_finite", r->nbad);
    }
    if (record[0])
        rnn_json_text(j, "record", record);
    rnn_json_text(j, "place", out->place);
    rnn_json_end(j, '}');
}

/* --- one entry ----------------------------------------------------------- */

typedef struct Table {
    RnnSession *s;
    const RnnEntry *e;
    const RnnDataset *data;
    int64_t n;
    Row *row; // by output
    char name[256];   // of the data
    RnnScores *set;   // of the data and its rivals
} Table;

static void one_batch(Table *t, RnnRun *run, int64_t first, int64_t n)
{
    rnn_run_load_range(run, t->data, first, n);
    rnn_run_call(run);
    for (int o = 0; o < t->e->nout; o++) {
        const RnnOutput *out = &t->e->output[o];

        if (out->kind != RNN_OUT_ROW)
            continue;
        if (!out->type.batched)
            add(&t->row[o], rnn_run_value(run, o, 0), (double)n);
        else
            for (int64_t i = 0; i < n; i++)
                add(&t->row[o], rnn_run_value(run, o, i), 1);
    }
    rnn_scores_add(&t->set[0], run, n);
}

/* Rows of folds alone need no examples. */
static bool of_examples(const RnnEntry *e)
{
    bool batched = false;

    for (int o = 0; o < e->nout; o++)
        batched = batched || e->output[o].type.batched;
    return batched || e->before <= 0 || rnn_find_input(e, RNN_IN_FIELD, 0) >= 0;
}

static RnnStatus fill(Table *t, RnnError *err)
{
    static const int32_t clock[RNN_CLOCK_INDEX] = {
        [RNN_CLOCK_STEPS_PER_EPOCH] = 1};
    int64_t batch = rnn_batch_of(t->s, t->e, 100, t->n);
    RnnProgress g;
    RnnRun run = {0};
    RnnStatus st = rnn_fold_before(t->s, t->e, t->data, batch, clock, err);

    if (st == RNN_OK)
        st = rnn_run_open(&run, t->s, t->e, batch, err);

    run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    if (st == RNN_OK && !of_examples(t->e)) {
        one_batch(t, &run, 0, 1);
        st = rnn_run_failed(&run, err);
    } else if (st == RNN_OK) {
        rnn_progress_start(&g, t->s->f, 0, t->n, 1);
        for (int64_t at = 0; at < t->n && st == RNN_OK; at += batch) {
            one_batch(t, &run, at, t->n - at < batch ? t->n - at : batch);
            st = rnn_run_failed(&run, err);
            if (at + batch < t->n && rnn_progress_due(&g))
                rnn_progress_show(&g, at + batch, t->e->name, "");
        }
        rnn_progress_clear(&g);
    }
    rnn_run_close(&run);
    return st;
}

static RnnStatus gather(Table *t, RnnError *err)
{
    const RnnEntry *e = t->e;
    RnnStatus st;

    t->set = rnn_alloc(sizeof *t->set * (size_t)(e->nrival + 1));
    if (t->data)
        snprintf(t->name, sizeof t->name, "%s.%s", t->data->decl->name,
                 e->split);
    rnn_scores_open(&t->set[0], e, t->name, t->n);
    st = fill(t, err);
    for (int r = 0; r < e->nrival && st == RNN_OK; r++)
        st = rnn_scores_rival(t->s, e, &e->rival[r], &t->set[r + 1], err);
    return st;
}

static RnnStatus report(const Table *t, RnnJson *j, bool quiet, RnnError *err)
{
    RnnTable text = {.align = "lrlll"};
    const RnnEntry *e = t->e;
    RnnStats stats = {t->s, e, t->set, e->nrival + 1, quiet ? NULL : &text, j};
    RnnStatus st;

    if (!quiet) {
        printf("%s", e->name);
        if (t->data)
            printf(" on %s.%s", t->data->decl->name, e->split);
        printf(": %lld example%s, weights %s, seed %llu, %s\n",
               (long long)t->n, t->n == 1 ? "" : "s", t->s->weights,
               (unsigned long long)t->s->seed,
               rnn_dtype_name(t->s->p->real));
        if (t->s->f->examples)
            printf("  the examples that \"%s\" lists\n", t->s->f->examples);
    }
    rnn_json_begin(j, NULL, '{');
    rnn_json_text(j, "name", e->name);
    if (t->s->f->examples)
        rnn_json_text(j, "examples", t->s->f->examples);
    rnn_json_text(j, "data", t->data ? t->data->decl->name : "");
    rnn_json_text(j, "split", e->split);
    rnn_json_int(j, "n", t->n);
    rnn_json_options(j, t->s, e);
    rnn_json_begin(j, "rows", '[');
    for (int o = 0; o < e->nout; o++) {
        if (e->output[o].kind != RNN_OUT_ROW)
            continue;
        char *record = rnn_record_text(t->s, e, e->output[o].text);

        print_row(&text, &e->output[o], &t->row[o], record);
        json_row(j, &e->output[o], &t->row[o], record);
        free(record);
    }
    st = rnn_stats_numbers(&stats, err);
    rnn_json_end(j, ']');
    if (quiet)
        rnn_table_drop(&text);
    else
        rnn_table_print(stdout, &text, 2);
    rnn_json_begin(j, "plots", '[');
    if (st == RNN_OK)
        st = rnn_stats_pictures(&stats, err);
    rnn_json_end(j, ']');
    rnn_json_end(j, '}');
    fflush(stdout);
    return st;
}

static RnnStatus evaluate(RnnSession *s, const RnnEntry *e, RnnJson *j,
                          RnnError *err)
{
    Table t = {.s = s, .e = e};
    RnnStatus st = rnn_session_data(s, e, &t.data, err);

    if (st != RNN_OK)
        return st;
    t.n = t.data ? t.data->n : e->count > 0 ? e->count : 1;
    t.row = rnn_alloc(sizeof *t.row * (size_t)e->nout);
    st = gather(&t, err);
    if (st == RNN_OK)
        st = report(&t, j, s->f->quiet || (s->f->json &&
                                           !strcmp(s->f->json, "-")), err);
    for (int i = 0; t.set && i <= e->nrival; i++)
        rnn_scores_close(&t.set[i]);
    free(t.set);
    free(t.row);
    return st;
}

RnnStatus rnn_evaluate(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnSession s;
    RnnJson j;
    RnnStatus st = rnn_session_open(&s, p, f, err);

    if (st == RNN_OK && f->json)
        st = rnn_check_writable("json", f->json, err);
    for (int i = 0; i < f->nentry && st == RNN_OK; i++)
        st = rnn_stats_check(&s, &p->entry[f->entry[i]], err);
    if (st == RNN_OK)
        st = rnn_weights_default(&s, err);
    rnn_json_open(&j, p, f);
    rnn_json_text(&j, "weights", s.weights);
    rnn_json_seed(&j, "seed", f->seed);
    rnn_json_int(&j, "threads", rnn_pool_threads(s.pool));
    rnn_json_begin(&j, "tables", '[');
    for (int i = 0; i < f->nentry && st == RNN_OK; i++)
        st = evaluate(&s, &p->entry[f->entry[i]], &j, err);
    rnn_json_end(&j, ']');
    if (st == RNN_OK)
        st = rnn_json_save(&j, f, err);
    rnn_json_drop(&j);
    rnn_session_close(&s);
    return st;
}
