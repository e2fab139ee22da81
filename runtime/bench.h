/*
 * bench.h -- private to the bench*.c files: what was measured of an entry
 * point, and the machine it was measured on.
 *
 *   bench.c         running entry points and their kernels
 *   bench_yard.c    the machine's peak and bandwidth, measured in between
 *   bench_report.c  as text, JSON and a roofline chart
 */
#ifndef RNN_BENCH_H
#define RNN_BENCH_H

#include "face.h"

/* --- bench_yard.c: multiply-adds per second in registers and bytes read per
 * second from memory, with all threads of the pool. Clocks move, so both are
 * sampled between the timings and a result is compared with the median of the
 * samples taken around it. */
enum { RNN_YARD_SAMPLES = 64 };
typedef struct RnnSamples {
    int n; // taken so far; the last RNN_YARD_SAMPLES are kept
    double at[RNN_YARD_SAMPLES];
} RnnSamples;
typedef struct RnnYard {
    const RnnProgram *p;
    RnnCall call;     // its pool
    int threads;
    float *sums;      // of each task
    char *memory;     // beyond the caches; NULL: none to be had
    int64_t tasks;    // of a megabyte in it
    int64_t rounds;   // of a peak sample
    double last;      // when the last peak sample was taken
    RnnSamples peak;  // flop/s
    RnnSamples read;  // byte/s
} RnnYard;
void rnn_yard_open(RnnYard *y, const RnnProgram *p, RnnPool *pool);
void rnn_yard_close(RnnYard *y);
void rnn_yard_peak(RnnYard *y); // a sample, about a millisecond
void rnn_yard_read(RnnYard *y); // a sample; the caches are then cold
/* Median, NAN if there are none. */
double rnn_samples_median(const RnnSamples *s);

/* --- bench.c -------------------------------------------------------------- */

typedef struct RnnBench { // of one entry point
    const RnnEntry *e;
    int64_t n;     // examples of a call
    bool made_up;  // on random data
    int nrep;
    double *time;  // [nrep] seconds, sorted
    double *ns;    // [nkernel] of a call
    double *runs;  // [nkernel] of a call
    bool counted;  // runs are known
    double peak, kernel_peak, read; // flop/s and byte/s around them, or NAN
} RnnBench;
double rnn_bench_median(const RnnBench *b);
/* Flops (bytes) of kernel k in one call, NAN if its runs are not known. */
double rnn_bench_work(const RnnBench *b, int k, bool bytes);
double rnn_bench_flops(const RnnBench *b); // of a call

/* --- bench_report.c ------------------------------------------------------- */

void rnn_bench_print(const RnnBench *b);
void rnn_bench_json(const RnnBench *b, RnnJson *j);
/* Every kernel's flops per second over its flops per byte, under what the
 * machine can do. */
RnnStatus rnn_bench_plot(const RnnBench *b, int n, const char *title,
                         const char *path, RnnError *err);

#endif
