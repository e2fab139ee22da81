/*
 * bench_report.c -- what was measured: a table of the kernels that take most
 * of the time, JSON with all of them, and a roofline chart (Williams et al.
 * 2009). In table and chart, kernels of one name that come from one place of
 * the program are one line: a solver unrolled into thirty steps has thirty of
 * each.
 *
 * Flops are those of the plain formulas. A kernel that leaves some out (by
 * Winograd's method, or where a factor is zero) may pass the peak by that
 * count, and says so.
 */
#include "bench.h"
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 16, NAMED = 8 };
#define DRAWN_PART 0.002 // of the time: kernels that take less are left out

static const char *const unit_name[] = {"", "training step", "evaluation",
                                        "attack", "inference", "sampling", ""};

static const char *time_text(double seconds, char *buf, size_t n)
{
    const char *unit = seconds < 1e-3 ? "us" : seconds < 1 ? "ms" : "s";
    double v = seconds * (seconds < 1e-3 ? 1e6 : seconds < 1 ? 1e3 : 1);

    snprintf(buf, n, "%.*f %s", v < 10 ? 3 : v < 100 ? 2 : 1, v, unit);
    return buf;
}

static double rate(double work, double ns)
{
    return ns > 0 && work > 0 ? work / (ns * 1e-9) : NAN;
}

typedef struct Line { // kernels of one name and place, in one call
    const RnnKernelInfo *i; // of the first
    double ns, runs, flops, bytes;
} Line;

static Line *find_line(Line *line, int n, const RnnKernelInfo *i)
{
    for (int k = 0; k < n; k++)
        if (!strcmp(line[k].i->name, i->name) &&
            !strcmp(line[k].i->place, i->place) && line[k].i->slow == i->slow)
            return &line[k];
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    const Line *x = a, *y = b;

    return x->ns > y->ns ? -1 : x->ns < y->ns;
}

/* By falling time; *n of them. To be freed. */
static Line *lines_of(const RnnBench *b, int *n)
{
    Line *line = rnn_alloc(sizeof *line * (size_t)(b->e->nkernel + 1));

    *n = 0;
    for (int k = 0; k < b->e->nkernel; k++) {
        const RnnKernelInfo *i = &b->e->kernel[k];
        Line *l = find_line(line, *n, i);

        if (!l) {
            l = &line[(*n)++];
            *l = (Line){.i = i};
        }
        l->ns += b->ns[k];
        l->runs += b->counted ? b->runs[k] : 0;
        l->flops += rnn_bench_work(b, k, false);
        l->bytes += rnn_bench_work(b, k, true);
    }
    qsort(line, (size_t)*n, sizeof *line, by_time);
    return line;
}

static const char *note_of(const RnnBench *b, const Line *l)
{
    if (l->i->slow)
        return "slow path";
    if (rate(l->flops, l->ns) > 1.005 * b->kernel_peak)
        return "by the plain count";
    return "";
}

static double all_ns(const RnnBench *b)
{
    double all = 0;

    for (int k = 0; k < b->e->nkernel; k++)
        all += b->ns[k];
    return all;
}

/* --- text ----------------------------------------------------------------- */

static void rate_cells(RnnTable *t, double r, double most)
{
    if (isnan(r)) {
        rnn_cell(t, "-");
        rnn_cell(t, "%s", "");
        return;
    }
    rnn_cell(t, "%.1f", r * 1e-9);
    if (most > 0)
        rnn_cell(t, "%.0f %%", 100 * r / most);
    else
        rnn_cell(t, "%s", "");
}

static void kernel_row(const RnnBench *b, RnnTable *t, const Line *l,
                       double all)
{
    char time[32];

    rnn_cell(t, "%s", l->i->name);
    rnn_cell(t, "%s", l->i->place);
    if (b->counted)
        rnn_cell(t, "%.0f", l->runs);
    else
        rnn_cell(t, "%s", "");
    rnn_cell(t, "%s", time_text(l->ns * 1e-9, time, sizeof time));
    rnn_cell(t, "%.1f %%", all > 0 ? 100 * l->ns / all : 0);
    rate_cells(t, rate(l->flops, l->ns), b->kernel_peak);
    rate_cells(t, rate(l->bytes, l->ns), b->read);
    rnn_cell(t, "%s", note_of(b, l));
}

static void print_kernels(const RnnBench *b)
{
    static const char *const head[] = {"kernel", "place", "runs", "time",
                                       "share", "GFLOP/s", "of peak", "GB/s",
                                       "of memory", ""};
    RnnTable t = {.align = "llrrrrrrrl"};
    double all = all_ns(b), rest = 0;
    char time[32];
    int n;
    Line *line = lines_of(b, &n);

    for (int i = 0; i < 10; i++)
        rnn_cell(&t, "%s", head[i]);
    for (int i = 0; i < n; i++)
        if (i < SHOWN)
            kernel_row(b, &t, &line[i], all);
        else
            rest += line[i].ns;
    rnn_table_print(stdout, &t, 4);
    if (n > SHOWN)
        printf("    and %d more kernels: %s\n", n - SHOWN,
               time_text(rest * 1e-9, time, sizeof time));
    free(line);
}

void rnn_bench_print(const RnnBench *b)
{
    char mid[32], lo[32], hi[32], each[32];
    double m = rnn_bench_median(b), flops = rnn_bench_flops(b);

    time_text(m, mid, sizeof mid);
    time_text(b->time[0], lo, sizeof lo);
    time_text(b->time[b->nrep - 1], hi, sizeof hi);
    time_text(m / (double)b->n, each, sizeof each);
    printf("\n%s (%s, batch %lld%s): %s, %s .. %s in %d calls; %s per example",
           b->e->name, unit_name[b->e->kind], (long long)b->n,
           b->made_up ? ", random data" : "", mid, lo, hi, b->nrep, each);
    if (flops > 0)
        printf(", %.1f GFLOP/s", flops / m * 1e-9);
    if (flops > 0 && b->peak > 0)
        printf(", %.0f %% of peak", 100 * flops / m / b->peak);
    printf("\n");
    if (b->peak > 0) {
        printf("  at most, measured in between: %.1f GFLOP/s",
               b->peak * 1e-9);
        if (b->read > 0)
            printf(", %.1f GB/s from memory", b->read * 1e-9);
        printf("\n");
    }
    if (b->e->nkernel && b->ns)
        print_kernels(b);
    fflush(stdout);
}

/* --- JSON ----------------------------------------------------------------- */

static void json_kernel(const RnnBench *b, RnnJson *j, int k)
{
    const RnnKernelInfo *i = &b->e->kernel[k];
    double work = rnn_bench_work(b, k, false);
    double moved = rnn_bench_work(b, k, true);
    double flops = rate(work, b->ns[k]), bytes = rate(moved, b->ns[k]);

    rnn_json_line(j, NULL, '{');
    rnn_json_text(j, "name", i->name);
    rnn_json_text(j, "place", i->place);
    rnn_json_real(j, "s", b->ns[k] * 1e-9);
    rnn_json_real(j, "runs", b->counted ? b->runs[k] : NAN);
    rnn_json_real(j, "flops", work);
    rnn_json_real(j, "bytes", moved);
    rnn_json_real(j, "gflops", flops * 1e-9);
    rnn_json_real(j, "of_peak", flops / b->kernel_peak);
    rnn_json_real(j, "of_memory", bytes / b->read);
    rnn_json_bool(j, "slow", i->slow != 0);
    rnn_json_end(j, '}');
}

void rnn_bench_json(const RnnBench *b, RnnJson *j)
{
    double m = rnn_bench_median(b), flops = rnn_bench_flops(b);

    rnn_json_begin(j, NULL, '{');
    rnn_json_text(j, "name", b->e->name);
    rnn_json_text(j, "unit", unit_name[b->e->kind]);
    rnn_json_int(j, "batch", b->n);
    rnn_json_int(j, "calls", b->nrep);
    rnn_json_real(j, "median_s", m);
    rnn_json_real(j, "min_s", b->time[0]);
    rnn_json_real(j, "max_s", b->time[b->nrep - 1]);
    rnn_json_real(j, "example_s", m / (double)b->n);
    rnn_json_real(j, "flops", flops);
    rnn_json_real(j, "gflops", flops / m * 1e-9);
    rnn_json_real(j, "of_peak", flops / m / b->peak);
    rnn_json_real(j, "peak_gflops", b->peak * 1e-9);
    rnn_json_real(j, "memory_gb_s", b->read * 1e-9);
    rnn_json_begin(j, "kernels", '[');
    for (int k = 0; k < b->e->nkernel && b->ns; k++)
        json_kernel(b, j, k);
    rnn_json_end(j, ']');
    rnn_json_end(j, '}');
}

/* --- chart ---------------------------------------------------------------- */

typedef struct Roof {
    double *x, *y, *line_x, *line_y; // of all kernels, one entry after another
    const char **name;
    RnnSeries *series;
    int nseries;
} Roof;

/* The kernels of b as points from `at` on, their number returned; the largest
 * get their names. */
static int add_points(Roof *r, const RnnBench *b, int at)
{
    double all = all_ns(b);
    int n;
    Line *line = lines_of(b, &n);

    for (int i = 0; i < n; i++) {
        const Line *l = &line[i];
        double flops = rate(l->flops, l->ns), bytes = rate(l->bytes, l->ns);

        if (l->ns < DRAWN_PART * all)
            flops = NAN;
        r->x[at + i] = flops / bytes;
        r->y[at + i] = flops * 1e-9;
        if (i < NAMED && l->ns > 0.02 * all)
            r->name[at + i] = l->i->name;
    }
    free(line);
    r->series[r->nseries++] = (RnnSeries){
        .mark = RNN_MARK_POINT, .label = b->e->name, .n = n, .x = r->x + at,
        .y = r->y + at, .name = r->name + at, .gaps = true};
    return n;
}

/* Below the ridge memory limits, above it the arithmetic. */
static void add_roof(Roof *r, const RnnBench *b, int nb, int npoint)
{
    double peak = NAN, read = NAN, lo = INFINITY, hi = -INFINITY;

    for (int i = 0; i < nb; i++) {
        peak = fmax(peak, b[i].kernel_peak); // a NAN is passed over
        read = fmax(read, b[i].read);
    }
    for (int i = 0; i < npoint; i++) {
        lo = fmin(lo, r->x[i]);
        hi = fmax(hi, r->x[i]);
    }
    if (isnan(peak) || isnan(read))
        return;
    lo = 0.7 * fmin(lo, 0.1 * peak / read);
    hi = 3 * fmax(hi, 10 * peak / read);
    for (int i = 0; i < 3; i++) {
        r->line_x[i] = i == 0 ? lo : i == 1 ? peak / read : hi;
        r->line_y[i] = 1e-9 * fmin(peak, read * r->line_x[i]);
    }
    r->series[r->nseries++] =
        (RnnSeries){.mark = RNN_MARK_LINE, .label = "the machine", .n = 3,
                    .x = r->line_x, .y = r->line_y, .color = -1,
                    .plain = true};
}

RnnStatus rnn_bench_plot(const RnnBench *b, int n, const char *title,
                         const char *path, RnnError *err)
{
    double line[6];
    Roof r = {.line_x = line, .line_y = line + 3};
    RnnChart c = {.title = title, .width = 760, .height = 520,
                  .x = {.label = "flops per byte", .scale = RNN_SCALE_LOG},
                  .y = {.label = "GFLOP/s", .scale = RNN_SCALE_LOG}};
    int points = 0, at = 0;
    RnnStatus st;

    for (int i = 0; i < n; i++)
        points += b[i].e->nkernel;
    r.x = rnn_alloc(sizeof *r.x * (size_t)(points + 1));
    r.y = rnn_alloc(sizeof *r.y * (size_t)(points + 1));
    r.name = rnn_alloc(sizeof *r.name * (size_t)(points + 1));
    r.series = rnn_alloc(sizeof *r.series * (size_t)(n + 1));
    for (int i = 0; i < n; i++)
        at += add_points(&r, &b[i], at);
    add_roof(&r, b, n, at);
    c.series = r.series;
    c.nseries = r.nseries;
    st = rnn_chart_write(path, &c, err);
    free(r.x);
    free(r.y);
    free(r.name);
    free(r.series);
    return st;
}
