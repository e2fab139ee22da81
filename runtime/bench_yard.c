/*
 * bench_yard.c -- what the machine can do at most, by two kernels that the
 * compiler adds to every program for the program's own CPU.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TASK = 1 << 20, TRIES = 4 }; // bytes of a task of reading
#define SAMPLE_NS 2e5
#define MEMORY_LEAST (64.0 * TASK)
#define MEMORY_MOST (512.0 * TASK)

static void keep(RnnSamples *s, double x)
{
    s->at[s->n++ % RNN_YARD_SAMPLES] = x;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double rnn_samples_median(const RnnSamples *s)
{
    int n = s->n < RNN_YARD_SAMPLES ? s->n : RNN_YARD_SAMPLES;
    double at[RNN_YARD_SAMPLES];

    if (!n)
        return NAN;
    memcpy(at, s->at, (size_t)n * sizeof *at);
    qsort(at, (size_t)n, sizeof *at, by_size);
    return n % 2 ? at[n / 2] : 0.5 * (at[n / 2 - 1] + at[n / 2]);
}

static double peak_ns(RnnYard *y)
{
    void *ptr[1] = {y->sums};
    double from = rnn_now_ns();

    y->call.n = y->rounds;
    rnn_parallel(&y->call, y->p->peak, ptr, y->threads);
    return rnn_now_ns() - from;
}

/* Twice the last level of cache, but no more than an eighth of the memory. */
static void get_memory(RnnYard *y)
{
    double cache = (double)sysconf(_SC_LEVEL3_CACHE_SIZE);
    double all = (double)sysconf(_SC_PHYS_PAGES) *
                 (double)sysconf(_SC_PAGESIZE);
    double bytes = fmin(fmax(2 * cache, MEMORY_LEAST), MEMORY_MOST);
    void *at;

    if (bytes > all / 8)
        return;
    y->tasks = (int64_t)(bytes / TASK);
    at = mmap(NULL, (size_t)y->tasks * TASK, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        y->tasks = 0;
        return;
    }
    madvise(at, (size_t)y->tasks * TASK, MADV_HUGEPAGE);
    y->memory = at;
    memset(y->memory, 0, (size_t)y->tasks * TASK);
}

void rnn_yard_open(RnnYard *y, const RnnProgram *p, RnnPool *pool)
{
    int64_t most;

    *y = (RnnYard){.p = p, .call = {.pool = pool},
                   .threads = rnn_pool_threads(pool), .rounds = 1000};
    if (!p->peak)
        return;
    get_memory(y);
    most = y->tasks > y->threads ? y->tasks : y->threads;
    y->sums = rnn_alloc((size_t)most * RNN_PEAK_FLOATS * sizeof *y->sums);
    while (peak_ns(y) < SAMPLE_NS && y->rounds < INT64_C(1) << 30)
        y->rounds *= 2;
}

void rnn_yard_close(RnnYard *y)
{
    if (y->memory)
        munmap(y->memory, (size_t)y->tasks * TASK);
    free(y->sums);
    *y = (RnnYard){0};
}

void rnn_yard_peak(RnnYard *y)
{
    double flops = (double)y->p->peak_flops * (double)y->rounds * y->threads;
    double least = INFINITY;

    if (!y->p->peak)
        return;
    // Of several, since threads may have to wake up, or lose their core.
    for (int i = 0; i < TRIES; i++)
        least = fmin(least, peak_ns(y));
    // Doubles are half as many to a register.
    keep(&y->peak, flops / (y->p->real == RNN_F64 ? 2 : 1) / least * 1e9);
    y->last = rnn_seconds();
}

void rnn_yard_read(RnnYard *y)
{
    void *ptr[2] = {y->sums, y->memory};
    double from = rnn_now_ns();

    if (!y->memory)
        return;
    y->call.n = TASK;
    rnn_parallel(&y->call, y->p->read, ptr, y->tasks);
    keep(&y->read, (double)y->tasks * TASK / (rnn_now_ns() - from) * 1e9);
}
