/*
 * bench.c -- how fast entry points and their kernels are.
 *
 * A unit is one call on one batch: a training step, an attack, an inference.
 * Warm-up first; then the median over calls with least and greatest. Kernels
 * are timed in calls of their own, so that the clock does not disturb the
 * medians. Rates count the flops of the tables, loops by the passes they ran.
 */
#include "face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPS_MIN = 5, REPS_MAX = 10000, KERNEL_REPS = 3, SHOWN = 16 };
#define WARM_S 0.2
#define TIME_S 1.0
#define SLOW_S 10.0 // enough, even if that is fewer than REPS_MIN calls

typedef struct Bench {
    RnnSession *s;
    const RnnEntry *e;
    RnnRun run;
    int64_t n; // examples of a call
    bool made_up;
    int nrep;
    double *time; // [nrep] seconds, sorted
    double *ns;   // [nkernel] per call
    int64_t *runs; // [nkernel] per call, 0: not counted
} Bench;

static const char *const unit_name[] = {"", "training step", "evaluation",
                                        "attack", "inference", "sampling", ""};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double timed(Bench *b)
{
    double from = rnn_now_ns();

    rnn_run_call(&b->run);
    return (rnn_now_ns() - from) * 1e-9;
}

static void measure(Bench *b)
{
    int64_t asked = b->s->f->reps;
    int cap = asked ? (int)asked : REPS_MAX;
    double warm = 0, sum = 0;

    for (int i = 0; i < 2 || warm < WARM_S; i++) {
        warm += timed(b);
        if (warm > SLOW_S)
            break;
    }
    b->time = rnn_alloc(sizeof *b->time * (size_t)cap);
    while (b->nrep < cap) {
        double t = timed(b);

        b->time[b->nrep++] = t;
        sum += t;
        if (!asked && ((b->nrep >= REPS_MIN && sum >= TIME_S) || sum > SLOW_S))
            break;
    }
    qsort(b->time, (size_t)b->nrep, sizeof *b->time, by_size);
}

static void measure_kernels(Bench *b)
{
    size_t n = (size_t)b->e->nkernel;

    b->ns = rnn_alloc(sizeof *b->ns * n);
    b->runs = rnn_alloc(sizeof *b->runs * n);
    b->run.call.kernel_ns = b->ns;
    b->run.call.kernel_runs = b->runs;
    for (int i = 0; i < KERNEL_REPS; i++)
        rnn_run_call(&b->run);
    b->run.call.kernel_ns = NULL;
    b->run.call.kernel_runs = NULL;
    for (size_t k = 0; k < n; k++) {
        b->ns[k] /= KERNEL_REPS;
        b->runs[k] /= KERNEL_REPS;
    }
}

static double median(const Bench *b)
{
    int h = b->nrep / 2;

    return b->nrep % 2 ? b->time[h] : 0.5 * (b->time[h - 1] + b->time[h]);
}

/* Flops (bytes) of kernel k in one call, NAN if its passes are not known. */
static double work_of(const Bench *b, int k, bool bytes)
{
    const RnnKernelInfo *i = &b->e->kernel[k];
    double once = bytes ? i->bytes_example * (double)b->n + i->bytes_call
                        : i->flops_example * (double)b->n + i->flops_call;

    if (b->runs && b->runs[k])
        return once * (i->in_loop ? (double)b->runs[k] : 1);
    return i->in_loop ? NAN : once;
}

static double flops_of(const Bench *b)
{
    double sum = 0;

    if (!b->e->nkernel)
        return b->e->flops_example * (double)b->n + b->e->flops_call;
    for (int k = 0; k < b->e->nkernel; k++)
        sum += work_of(b, k, false);
    return sum;
}

/* --- report -------------------------------------------------------------- */

static void print_time(char *buf, size_t n, double seconds)
{
    const char *unit = seconds < 1e-3 ? "us" : seconds < 1 ? "ms" : "s";
    double v = seconds * (seconds < 1e-3 ? 1e6 : seconds < 1 ? 1e3 : 1);

    snprintf(buf, n, "%.*f %s", v < 10 ? 3 : v < 100 ? 2 : 1, v, unit);
}

static void rate_cell(RnnTable *t, double work, double seconds)
{
    if (work > 0 && seconds > 0)
        rnn_cell(t, "%.1f", work / seconds * 1e-9);
    else
        rnn_cell(t, "-");
}

static void kernel_row(const Bench *b, RnnTable *t, int k, double all)
{
    const RnnKernelInfo *i = &b->e->kernel[k];
    char time[32];

    print_time(time, sizeof time, b->ns[k] * 1e-9);
    rnn_cell(t, "%s", i->name);
    rnn_cell(t, "%s", i->place);
    rnn_cell(t, "%s", time);
    rnn_cell(t, "%.1f %%", all > 0 ? 100 * b->ns[k] / all : 0);
    rate_cell(t, work_of(b, k, false), b->ns[k] * 1e-9);
    rate_cell(t, work_of(b, k, true), b->ns[k] * 1e-9);
    rnn_cell(t, "%s", i->slow ? "slow path" : "");
}

static void print_kernels(const Bench *b)
{
    static const char *const head[] = {"kernel", "place", "time", "share",
                                       "GFLOP/s", "GB/s", ""};
    RnnTable t = {.align = "llrrrrl"};
    int n = b->e->nkernel;
    bool *done = rnn_alloc(sizeof *done * (size_t)n);
    double all = 0, rest = 0;
    char time[32];

    for (int k = 0; k < n; k++)
        all += b->ns[k];
    for (int i = 0; i < 7; i++)
        rnn_cell(&t, "%s", head[i]);
    for (int row = 0; row < n && row < SHOWN; row++) {
        int top = -1;

        for (int k = 0; k < n; k++)
            if (!done[k] && (top < 0 || b->ns[k] > b->ns[top]))
                top = k;
        done[top] = true;
        kernel_row(b, &t, top, all);
    }
    for (int k = 0; k < n; k++)
        rest += done[k] ? 0 : b->ns[k];
    rnn_table_print(stdout, &t, 4);
    if (n > SHOWN) {
        print_time(time, sizeof time, rest * 1e-9);
        printf("    and %d more kernels: %s\n", n - SHOWN, time);
    }
    free(done);
}

static void print_entry(const Bench *b)
{
    char mid[32], lo[32], hi[32], each[32];
    double m = median(b), flops = flops_of(b);

    print_time(mid, sizeof mid, m);
    print_time(lo, sizeof lo, b->time[0]);
    print_time(hi, sizeof hi, b->time[b->nrep - 1]);
    print_time(each, sizeof each, m / (double)b->n);
    printf("%s (%s, batch %lld%s): %s, %s .. %s in %d calls; %s per example",
           b->e->name, unit_name[b->e->kind], (long long)b->n,
           b->made_up ? ", random data" : "", mid, lo, hi, b->nrep, each);
    if (flops > 0)
        printf(", %.1f GFLOP/s", flops / m * 1e-9);
    printf("\n");
    if (b->e->nkernel)
        print_kernels(b);
    fflush(stdout);
}

static void json_entry(const Bench *b, RnnJson *j)
{
    double m = median(b);

    rnn_json_begin(j, NULL, '{');
    rnn_json_text(j, "name", b->e->name);
    rnn_json_text(j, "unit", unit_name[b->e->kind]);
    rnn_json_int(j, "batch", b->n);
    rnn_json_int(j, "calls", b->nrep);
    rnn_json_real(j, "median_s", m);
    rnn_json_real(j, "min_s", b->time[0]);
    rnn_json_real(j, "max_s", b->time[b->nrep - 1]);
    rnn_json_real(j, "example_s", m / (double)b->n);
    rnn_json_real(j, "flops", flops_of(b));
    rnn_json_real(j, "gflops", flops_of(b) / m * 1e-9);
    rnn_json_begin(j, "kernels", '[');
    for (int k = 0; k < b->e->nkernel; k++) {
        rnn_json_line(j, NULL, '{');
        rnn_json_text(j, "name", b->e->kernel[k].name);
        rnn_json_text(j, "place", b->e->kernel[k].place);
        rnn_json_real(j, "s", b->ns[k] * 1e-9);
        rnn_json_int(j, "runs", b->runs[k]);
        rnn_json_real(j, "flops", work_of(b, k, false));
        rnn_json_real(j, "bytes", work_of(b, k, true));
        rnn_json_bool(j, "slow", b->e->kernel[k].slow != 0);
        rnn_json_end(j, '}');
    }
    rnn_json_end(j, ']');
    rnn_json_end(j, '}');
}

/* --- running ------------------------------------------------------------- */

static RnnStatus load(Bench *b, RnnError *err)
{
    const RnnDataset *d = NULL;
    RnnError why;

    if (rnn_session_data(b->s, b->e, &d, &why) != RNN_OK && b->s->f->data)
        return rnn_fail(err, RNN_BAD_INPUT, "%s", why.text);
    b->made_up = !d && rnn_find_input(b->e, RNN_IN_FIELD, 0) >= 0;
    if (!d) {
        rnn_run_make_up(&b->run, b->n);
        return RNN_OK;
    }
    for (int64_t i = 0; i < b->n; i++)
        b->run.index[i] = (int32_t)(i % d->n);
    rnn_run_load(&b->run, d, b->run.index, b->n);
    return RNN_OK;
}

static RnnStatus bench(RnnSession *s, const RnnEntry *e, RnnJson *j,
                       RnnError *err)
{
    Bench b = {.s = s, .e = e, .n = rnn_batch_of(s, e, 128, 0)};
    RnnStatus st = rnn_run_open(&b.run, s, e, b.n, err);

    b.run.clock[RNN_CLOCK_EPOCHS] = 1;
    b.run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    if (st == RNN_OK)
        st = load(&b, err);
    if (st == RNN_OK) {
        measure(&b);
        measure_kernels(&b);
        if (!s->f->quiet && !(s->f->json && !strcmp(s->f->json, "-")))
            print_entry(&b);
        json_entry(&b, j);
    }
    free(b.time);
    free(b.ns);
    free(b.runs);
    rnn_run_close(&b.run);
    return st;
}

RnnStatus rnn_bench(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnSession s;
    RnnJson j;
    RnnStatus st = rnn_session_open(&s, p, f, err);

    if (st == RNN_OK && f->json)
        st = rnn_check_writable("json", f->json, err);
    if (st == RNN_OK)
        st = rnn_weights_any(&s, err);
    rnn_json_open(&j, p, f);
    rnn_json_text(&j, "cpu", p->cpu);
    rnn_json_int(&j, "threads", rnn_pool_threads(s.pool));
    rnn_json_begin(&j, "entries", '[');
    if (st == RNN_OK && !f->quiet && !(f->json && !strcmp(f->json, "-")))
        printf("%s for %s, %d threads, %s\n", p->name, p->cpu,
               rnn_pool_threads(s.pool), rnn_dtype_name(p->real));
    for (int i = 0; i < f->nentry && st == RNN_OK; i++)
        st = bench(&s, &p->entry[f->entry[i]], &j, err);
    rnn_json_end(&j, ']');
    if (st == RNN_OK)
        st = rnn_json_save(&j, f, err);
    rnn_json_drop(&j);
    rnn_session_close(&s);
    return st;
}
