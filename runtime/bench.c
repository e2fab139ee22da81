/*
 * bench.c -- how fast entry points and their kernels are.
 *
 * A unit is one call on one batch: a training step, an attack, an inference.
 * Warm-up first; then the median over calls with least and greatest. Kernels
 * are timed in calls of their own, so that the clock does not disturb the
 * medians; each one's time is the median of those calls.
 */
#include "bench.h"
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPS_MIN = 5, REPS_MAX = 10000, KERNEL_REPS = 15 };
#define WARM_PART 0.2  // of --seconds
#define KERNEL_PART 0.5
#define SLOW_PART 3.0  // enough, even if that is fewer than REPS_MIN calls
#define YARD_S 0.03    // between samples of the peak

typedef struct Bench {
    RnnBench b;
    RnnSession *s;
    RnnRun run;
    RnnYard *yard;
    double seconds; // --seconds
} Bench;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *sorted, int n)
{
    int h = n / 2;

    return n % 2 ? sorted[h] : 0.5 * (sorted[h - 1] + sorted[h]);
}

double rnn_bench_median(const RnnBench *b)
{
    return median(b->time, b->nrep);
}

double rnn_bench_work(const RnnBench *b, int k, bool bytes)
{
    const RnnKernelInfo *i = &b->e->kernel[k];
    double once = bytes ? i->bytes_example * (double)b->n + i->bytes_call
                        : i->flops_example * (double)b->n + i->flops_call;

    if (b->counted && i->runs > 0)
        return once * b->runs[k] / i->runs;
    return i->in_loop ? NAN : once;
}

double rnn_bench_flops(const RnnBench *b)
{
    double sum = 0;

    if (!b->e->nkernel)
        return b->e->flops_example * (double)b->n + b->e->flops_call;
    for (int k = 0; k < b->e->nkernel; k++)
        sum += rnn_bench_work(b, k, false);
    return sum;
}

/* --- measuring ------------------------------------------------------------ */

static double timed(Bench *h)
{
    double from;

    if (rnn_seconds() - h->yard->last > YARD_S)
        rnn_yard_peak(h->yard);
    from = rnn_now_ns();
    rnn_run_call(&h->run);
    return (rnn_now_ns() - from) * 1e-9;
}

/* A call that counts how often kernels run, which costs nothing to speak of.
 * Not the first one, which has the set-up part too. */
static double timed_and_counted(Bench *h)
{
    RnnBench *b = &h->b;
    size_t n = (size_t)b->e->nkernel;
    int64_t *runs = rnn_alloc(sizeof *runs * n);
    double t;

    h->run.call.kernel_runs = runs;
    t = timed(h);
    h->run.call.kernel_runs = NULL;
    b->runs = rnn_alloc(sizeof *b->runs * n);
    for (size_t k = 0; k < n; k++) {
        b->runs[k] = (double)runs[k];
        b->counted = b->counted || runs[k] > 0;
    }
    free(runs);
    return t;
}

static void measure(Bench *h)
{
    RnnBench *b = &h->b;
    int64_t asked = h->s->f->reps;
    int cap = asked ? (int)asked : REPS_MAX;
    double sum = 0, most = SLOW_PART * h->seconds;

    do
        sum += timed(h);
    while (sum < WARM_PART * h->seconds);
    sum = 0;
    h->yard->peak.n = 0;
    b->time = rnn_alloc(sizeof *b->time * (size_t)cap);
    while (b->nrep < cap) {
        double t = b->nrep ? timed(h) : timed_and_counted(h);

        b->time[b->nrep++] = t;
        sum += t;
        if (!asked &&
            ((b->nrep >= REPS_MIN && sum >= h->seconds) || sum > most))
            break;
    }
    rnn_yard_peak(h->yard);
    b->peak = rnn_samples_median(&h->yard->peak);
    qsort(b->time, (size_t)b->nrep, sizeof *b->time, by_size);
}

/* Times of one call's kernels to ns[k * KERNEL_REPS + rep]. */
static void time_kernels(Bench *h, double *ns, int rep)
{
    RnnBench *b = &h->b;
    size_t n = (size_t)b->e->nkernel;

    memset(b->ns, 0, sizeof *b->ns * n);
    h->run.call.kernel_ns = b->ns;
    timed(h);
    h->run.call.kernel_ns = NULL;
    for (size_t k = 0; k < n; k++)
        ns[k * KERNEL_REPS + (size_t)rep] = b->ns[k];
}

static void measure_kernels(Bench *h)
{
    RnnBench *b = &h->b;
    size_t n = (size_t)b->e->nkernel;
    double *ns = rnn_alloc(sizeof *ns * n * KERNEL_REPS), start;
    int reps = 0;

    b->ns = rnn_alloc(sizeof *b->ns * n);
    h->yard->peak.n = h->yard->read.n = 0;
    for (int i = 0; i < 3; i++)
        rnn_yard_read(h->yard);
    if (b->time[0] < 0.1 * h->seconds)
        timed(h); // the caches are warm again
    start = rnn_seconds();
    do {
        rnn_yard_peak(h->yard);
        time_kernels(h, ns, reps++);
    } while (reps < KERNEL_REPS &&
             rnn_seconds() - start < KERNEL_PART * h->seconds);
    rnn_yard_peak(h->yard);
    for (int i = 0; i < 2; i++)
        rnn_yard_read(h->yard);
    b->kernel_peak = rnn_samples_median(&h->yard->peak);
    b->read = rnn_samples_median(&h->yard->read);
    for (size_t k = 0; k < n; k++) {
        qsort(ns + k * KERNEL_REPS, (size_t)reps, sizeof *ns, by_size);
        b->ns[k] = median(ns + k * KERNEL_REPS, reps);
    }
    free(ns);
}

/* --- running ------------------------------------------------------------- */

static RnnStatus load(Bench *h, RnnError *err)
{
    RnnBench *b = &h->b;
    const RnnDataset *d = NULL;
    RnnError why;

    if (rnn_session_data(h->s, b->e, &d, &why) != RNN_OK && h->s->f->data)
        return rnn_fail(err, RNN_BAD_INPUT, "%s", why.text);
    b->made_up = !d && rnn_find_input(b->e, RNN_IN_FIELD, 0) >= 0;
    if (!d) {
        rnn_run_make_up(&h->run, b->n);
        return RNN_OK;
    }
    for (int64_t i = 0; i < b->n; i++)
        h->run.index[i] = (int32_t)(i % d->n);
    rnn_run_load(&h->run, d, h->run.index, b->n);
    return RNN_OK;
}

static RnnStatus bench(Bench *h, const RnnEntry *e, RnnError *err)
{
    RnnStatus st;

    h->b = (RnnBench){.e = e, .n = rnn_batch_of(h->s, e, 128, 0)};
    st = rnn_run_open(&h->run, h->s, e, h->b.n, err);
    h->run.clock[RNN_CLOCK_EPOCHS] = 1;
    h->run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    if (st == RNN_OK)
        st = load(h, err);
    if (st == RNN_OK) {
        measure(h);
        if (h->s->f->brief)
            h->b.kernel_peak = h->b.read = NAN;
        else
            measure_kernels(h);
    }
    rnn_run_close(&h->run);
    return st;
}

static RnnStatus bench_all(Bench *h, const RnnProgram *p, RnnFlags *f,
                           RnnJson *j, RnnError *err)
{
    RnnBench *all = rnn_alloc(sizeof *all * (size_t)f->nentry);
    bool shown = !f->quiet && !(f->json && !strcmp(f->json, "-"));
    RnnStatus st = RNN_OK;
    char title[200];

    if (shown)
        printf("%s for %s, %d threads, %s\n", p->name, p->cpu,
               h->yard->threads, rnn_dtype_name(p->real));
    for (int i = 0; i < f->nentry && st == RNN_OK; i++) {
        st = bench(h, &p->entry[f->entry[i]], err);
        all[i] = h->b;
        if (st != RNN_OK)
            break;
        if (shown)
            rnn_bench_print(&all[i]);
        rnn_bench_json(&all[i], j);
    }
    snprintf(title, sizeof title, "%s, %d thread%s", p->name,
             h->yard->threads, h->yard->threads == 1 ? "" : "s");
    if (st == RNN_OK && f->plot)
        st = rnn_bench_plot(all, f->nentry, title, f->plot, err);
    for (int i = 0; i < f->nentry; i++) {
        free(all[i].time);
        free(all[i].ns);
        free(all[i].runs);
    }
    free(all);
    return st;
}

static RnnStatus check_flags(Bench *h, const RnnFlags *f, RnnError *err)
{
    RnnStatus st = RNN_OK;

    h->seconds = 1;
    if (f->seconds && (!rnn_parse_real(f->seconds, &h->seconds) ||
                       !(h->seconds > 0 && h->seconds <= 3600)))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--seconds must be a number above 0 and at most 3600, "
                        "not \"%s\"", f->seconds);
    if (f->brief && f->plot)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--plot shows kernels, and --brief leaves them out");
    if (f->json)
        st = rnn_check_writable("json", f->json, err);
    if (st == RNN_OK && f->plot)
        st = rnn_chart_check(f->plot, err);
    if (st == RNN_OK && f->plot)
        st = rnn_check_writable("plot", f->plot, err);
    return st;
}

RnnStatus rnn_bench(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnSession s;
    RnnJson j;
    RnnYard yard;
    Bench h = {.s = &s, .yard = &yard};
    RnnStatus st = rnn_session_open(&s, p, f, err);

    if (st == RNN_OK)
        st = check_flags(&h, f, err);
    if (st == RNN_OK)
        st = rnn_weights_any(&s, err);
    rnn_json_open(&j, p, f);
    rnn_json_text(&j, "cpu", p->cpu);
    rnn_json_int(&j, "threads", rnn_pool_threads(s.pool));
    rnn_json_begin(&j, "entries", '[');
    if (st == RNN_OK) {
        rnn_yard_open(&yard, p, s.pool);
        st = bench_all(&h, p, f, &j, err);
        rnn_yard_close(&yard);
    }
    rnn_json_end(&j, ']');
    if (st == RNN_OK)
        st = rnn_json_save(&j, f, err);
    rnn_json_drop(&j);
    rnn_session_close(&s);
    return st;
}
