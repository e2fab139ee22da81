/*
 * rnn_rt.h -- the whole interface between a compiled program and its runtime.
 *
 * The compiler emits one constant RnnProgram named `rnn_program` and one
 * function per entry point; the runtime's main() does the rest. C11, libc,
 * libm, pthreads, zlib. Pointers in these tables are borrowed and constant.
 */
#ifndef RNN_RT_H
#define RNN_RT_H

#include <stddef.h>
#include <stdint.h>

#define RNN_ABI 2
#define RNN_RANK_MAX 6
#define RNN_ALIGN 64 // of every buffer, in bytes

typedef enum { RNN_F32, RNN_F64, RNN_I32, RNN_BOOL } RnnDType; // as in ir.h

typedef struct RnnType {
    int32_t dt, batched, rank, pad;
    int64_t dim[RNN_RANK_MAX]; // without the batch
} RnnType;

/* A parameter or state: kept between batches, saved in the checkpoint. */
typedef struct RnnVar {
    const char *path; // "f.conv1.weight"
    const char *place; // "fashion.rnn:9:11"
    RnnType type;     // never batched
    int32_t is_param, pad;
} RnnVar;

typedef enum { RNN_OPT_REAL, RNN_OPT_INT, RNN_OPT_BOOL } RnnOptKind;
typedef struct RnnOption {
    const char *name, *doc; // doc may be ""
    int32_t kind, pad;
    double value, lo, hi; // default and closed range (+-inf: none)
} RnnOption;

typedef struct RnnField {
    const char *name;
    RnnType type;   // batched; a class label is an i32 scalar
    double lo, hi;  // declared range (+-inf: none)
    int64_t nclass; // > 0: label in 0 .. nclass - 1
} RnnField;

typedef struct RnnData {
    const char *name, *reader; // "fashion", "idx"
    const char *place;
    int32_t narg, nfield;
    const char *const *arg_name; // "" where positional
    const char *const *arg;      // strings as written
    const RnnField *field;
} RnnData;

typedef enum {
    RNN_IN_FIELD,  // ref = field of the entry's data; batched
    RNN_IN_VAR,    // ref = var
    RNN_IN_OPTION, // ref = option of the program, or nopt + option of the entry
    RNN_IN_CLOCK,  // ref = RnnClock
    RNN_IN_FOLD    // ref = slot of a result over the whole data set
} RnnInKind;
typedef enum {
    RNN_CLOCK_STEP, RNN_CLOCK_EPOCH, RNN_CLOCK_EPOCHS,
    RNN_CLOCK_STEPS_PER_EPOCH, RNN_CLOCK_INDEX
} RnnClock; // shared i32 scalars; INDEX: batched i32, number of the example
typedef struct RnnInput {
    int32_t kind, ref;
    RnnType type;
    int32_t other, pad; // FIELD: 0 this example's; k: the k-th other example's
} RnnInput;

typedef enum {
    RNN_OUT_VAR,    // new value of var `ref`
    RNN_OUT_LOSS,   // shared real scalar: the value minimized
    RNN_OUT_WATCH,  // scalar, shared or per example, shown while training
    RNN_OUT_ROW,    // scalar, shared or per example: a row of an evaluation
    RNN_OUT_TENSOR, // a result to save: adversarial or generated examples
    RNN_OUT_STOP,   // shared bool: end the run with `text` as the reason
    RNN_OUT_BACK,   // shared bool: undo the epoch so far; `text` says why
    RNN_OUT_ACCEPT, // shared bool of an EPOCH entry: keep the epoch
    RNN_OUT_SAVE,   // likewise: write the variables to a file named by `text`
    RNN_OUT_FOLD,   // per example: goes into slot `ref` by `fold`
    RNN_OUT_SCORE   // of each example: gathered for the entry's RnnStats
} RnnOutKind;
/* How values of all examples become one (f64). A LOG_SUM or LOG_MEAN is of
 * log-domain reals m exp(s): m is this output, s the next one, which is of
 * kind SCALE; the result is m in slot ref and s in that of the next. */
typedef enum {
    RNN_FOLD_SUM, RNN_FOLD_MEAN, RNN_FOLD_MAX, RNN_FOLD_MIN, RNN_FOLD_ARGMAX,
    RNN_FOLD_ARGMIN, RNN_FOLD_LOG_SUM, RNN_FOLD_LOG_MEAN, RNN_FOLD_SCALE
} RnnFold;
typedef struct RnnOutput {
    int32_t kind, ref;
    const char *name;  // label of the row or watched value
    const char *text;  // row: attack record with {option} to fill in; stop: why
    const char *place; // "fashion.rnn:33:3"
    RnnType type;      // bool rows are rates, shown as percent with k/n
    int32_t inplace;   // RNN_OUT_VAR: pass the variable's own storage
    int32_t fold;      // RNN_OUT_FOLD: RnnFold
} RnnOutput;

typedef struct RnnKernelInfo {
    const char *name;  // "conv 5x5 1->32 @28"
    const char *place; // where in the program it came from
    double flops_example, flops_call; // per example; and once per call
    double bytes_example, bytes_call; // read and written, likewise
    int32_t in_loop;   // 1: flops are per pass of a loop of run-time length
    int32_t slow;      // 1: fell back to a slow path; 2: and a noticeable
                       // part of the entry, by an estimate
    double runs;       // in which the above is done
} RnnKernelInfo;

/* Why a solve with adaptive steps did not arrive: the first example of a call
 * that failed. */
typedef enum {
    RNN_SOLVE_GOING, RNN_SOLVE_DONE, RNN_SOLVE_NOT_FINITE, RNN_SOLVE_STEP_SMALL
} RnnSolveCode; // GOING: there were no more steps
enum { RNN_SOLVE_NUMBERS = 6 };
typedef struct RnnFailure {
    int32_t code, kernel; // RNN_SOLVE_DONE: none; kernel: whose place it is
    int64_t example;      // its number in the data; -1: of no example
    // time, step, attempted steps, component of the state that changes most
    // over its tolerance, its element, number of components
    double number[RNN_SOLVE_NUMBERS];
} RnnFailure;

typedef struct RnnPool RnnPool;
typedef struct RnnCall {
    int64_t n;             // examples in this batch, >= 1
    void *const *in;       // by RnnEntry.input
    void *const *out;      // by RnnEntry.output; [n, dims] if batched
    char *arena;           // RNN_ALIGN aligned: shared_bytes + n * example_bytes
    const int32_t *index;  // [n] numbers of the examples, for random draws
    uint64_t seed;
    RnnPool *pool;
    int32_t fresh;         // 1: first call with these parameters and options in
                           //    this arena: run the set-up part too
    int32_t probe;         // 1: look for the first non-finite value
    int32_t bad_kernel;    // set by rnn_probe, -1 before
    int32_t ready;         // what the set-up part was run for: 0 none, 1 one
                           //    example, 2 more; kept from call to call
    double *kernel_ns;     // bench: add the time of each kernel here, or NULL
    int64_t *kernel_runs;  // bench: count the runs of each kernel, or NULL
    RnnFailure *failure;   // room for one, or NULL
} RnnCall;

typedef void RnnEntryFn(RnnCall *call);
typedef void RnnKernelFn(void *const *ptr, int64_t n, int64_t lo, int64_t hi);

typedef enum {
    RNN_ENTRY_INIT,     // out: every var, from the seed; n = 1
    RNN_ENTRY_TRAIN,    // one step: vars, loss, watched values, stops
    RNN_ENTRY_EVALUATE, // rows
    RNN_ENTRY_ATTACK,   // one tensor, shaped like field x
    RNN_ENTRY_INFER,    // one tensor from a net's input
    RNN_ENTRY_SAMPLE,   // one tensor per example, no data
    RNN_ENTRY_CHECK,    // f64: loss and gradients of a train entry, see below
    RNN_ENTRY_FOLD,     // values of each example to be folded over the data
    RNN_ENTRY_EPOCH,    // n = 1: the end of an epoch of training
    RNN_ENTRY_ROLLBACK, // n = 1: new values of variables after a rejected one
    RNN_ENTRY_RIVAL     // one tensor that takes the place of a field
} RnnEntryKind;

/* A number or a picture computed from values of all examples. */
typedef struct RnnStat {
    const char *kind;  // a row of stats.def
    const char *name, *place;
    int32_t plot, nvalue, nparam, pad;
    const int32_t *value;     // [nvalue] outputs of kind RNN_OUT_SCORE
    const char *const *label; // [nvalue] what they are called
    const double *param;      // [nparam] NaN: left out
} RnnStat;

/* What the data of an evaluate is compared with. */
typedef struct RnnRival {
    const char *name, *place, *split;
    int32_t data;  // another data set, -1: the same one with
    int32_t entry; // this entry's tensor (kind RIVAL) in place of
    int32_t field; // this field
    int32_t pad;
} RnnRival;

typedef struct RnnEntry {
    int32_t kind;
    int32_t data;        // which data set, -1: none
    const char *name, *doc, *place;
    const char *split;   // "train", "test", or ""
    int64_t batch, epochs, count; // defaults of the flags; 0 where meaningless
    int32_t nin, nout, nopt, nkernel;
    const RnnInput *input;
    const RnnOutput *output;
    const RnnOption *option; // this entry's own, besides the program's
    const RnnKernelInfo *kernel;
    int64_t shared_bytes, example_bytes;
    double flops_example, flops_call; // sum over kernels, loops of known length
    RnnEntryFn *fn;
    /* Of a train entry: index of its CHECK entry, else -1. A CHECK entry takes
     * the same data, vars and options with every real as f64; outputs are the
     * loss (LOSS), then d loss / d var as RNN_OUT_TENSOR with ref = var, then
     * d loss / d field with ref = -1 - field. */
    int32_t check;
    /* FOLD entry to be run over the whole data set before this one, -1: none.
     * It may have one before itself. */
    int32_t before;
    /* Of a train entry: its EPOCH and ROLLBACK entries, or -1. */
    int32_t epoch, rollback;
    int32_t nstat, nrival;
    const RnnStat *stat;
    const RnnRival *rival;
} RnnEntry;

/* A net: its order of homogeneity in its parameters, if it has one. */
typedef struct RnnNetGroup {
    const char *path;  // of a layer
    double degree;     // in its parameters
    int32_t with, pad; // the first group that must be scaled with this one
} RnnNetGroup;
typedef struct RnnNet {
    const char *name, *place;
    const char *why, *why_place; // why there is no order, "" if there is one
    double order, input;         // order in the input, NAN: none
    int32_t promised, ngroup;
    const RnnNetGroup *group;
} RnnNet;

/* A solve of the program: what `info` says of it. The bound is computed on a
 * stack: NUMBER, NORM (spectral norm of a variable as a matrix [first dim,
 * others]) and LARGEST (its largest |element|) go onto it, times c; MUL and ADD
 * take two off it. */
typedef enum {
    RNN_BOUND_NUMBER, RNN_BOUND_NORM, RNN_BOUND_LARGEST, RNN_BOUND_MUL,
    RNN_BOUND_ADD
} RnnBoundOp;
typedef struct RnnBound {
    int32_t op, var;
    double c;
} RnnBound;
typedef struct RnnSolve {
    const char *place, *method, *gradient;
    const char *unbounded; // where its rates lose their bound; "": they do not
    int64_t steps, size, levels, products; // see SolveDecl
    int32_t evaluations, autonomous, adaptive, nbound;
    const RnnBound *bound;
} RnnSolve;

typedef struct RnnProgram {
    int32_t abi, real; // RNN_ABI; RNN_F32 or RNN_F64
    const char *name, *source, *version, *cpu; // "fashion", path, rnnc's, target
    const char *features; // comma-separated CPU features the code needs
    int32_t nvar, nopt, ndata, nentry;
    const RnnVar *var;
    const RnnOption *option;
    const RnnData *data;
    const RnnEntry *entry;
    int32_t nnet, net_pad;
    const RnnNet *net;
    /* What the CPU can do at most, of kernels for bench; NULL: not there. Each
     * task of either has RNN_PEAK_FLOATS floats of its own at ptr[0].
     * peak: n rounds of peak_flops flops in registers, in single precision.
     * read: n bytes (a multiple of RNN_READ_STEP) at ptr[1] + task n. */
    RnnKernelFn *peak, *read;
    int64_t peak_flops;
    int64_t nsolve;
    const RnnSolve *solve;
} RnnProgram;
enum { RNN_PEAK_CHAINS = 12, RNN_PEAK_FLOATS = 64, RNN_READ_STEP = 512 };

extern const RnnProgram rnn_program; // emitted by rnnc

/* main.c -- the whole command line of a compiled program. */
int rnn_main(int argc, char **argv, const RnnProgram *program);

/* --- what generated code calls ------------------------------------------ */

/* pool.c. Calls fn(ptr, n, lo, hi) for a static partition of 0 .. tasks into
 * contiguous ranges, one per thread, and waits. Results must not depend on
 * the partition. The number of threads is the pool's. */
void rnn_parallel(RnnCall *call, RnnKernelFn *fn, void *const *ptr,
                  int64_t tasks);

/* pool.c. Are these so many tasks that no thread waits long for another when
 * each takes its share as a whole? Always true of one thread. */
int32_t rnn_is_plenty(const RnnCall *call, int64_t tasks);

/* rng.c. dst [examples, count] (examples = 0: shared, [count]) of type dt
 * (RNN_F32 or RNN_F64); keys are folded into the counter. Philox4x32-10; the
 * same values in both precisions up to rounding. */
void rnn_fill_uniform(const RnnCall *call, void *dst, int32_t dt,
                      int64_t examples, int64_t count, int64_t stream,
                      const int32_t *key, int32_t nkey);
void rnn_fill_normal(const RnnCall *call, void *dst, int32_t dt,
                     int64_t examples, int64_t count, int64_t stream,
                     const int32_t *key, int32_t nkey);
void rnn_fill_permutation(const RnnCall *call, int32_t *dst, int64_t examples,
                          int64_t count, int64_t stream, const int32_t *key,
                          int32_t nkey);

/* solved.c. dst[i] = (code == RNN_SOLVE_DONE) for n examples (n = 0: one
 * shared value); the first other code goes to call->failure, with its
 * RNN_SOLVE_NUMBERS numbers. The steps lead to those of the next example, 0
 * where all examples share them. */
void rnn_solved(RnnCall *call, int32_t kernel, const int32_t *code,
                int64_t code_step, const double *number, int64_t number_step,
                uint8_t *dst, int64_t n);

/* probe.c. Called after each kernel while call->probe: notes the first kernel
 * whose result holds a NaN or infinity. */
void rnn_probe(RnnCall *call, int32_t kernel, const void *at, int32_t dt,
               int64_t count);
/* Monotonic time in ns, for call->kernel_ns. */
double rnn_now_ns(void);

/* blas.c, in an archive of its own so that programs without it stay small:
 * C[m,n] = A B (+ C if accumulate); row-major; ta, tb: transposed. */
void rnn_sgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k,
               const float *a, int64_t lda, const float *b, int64_t ldb,
               float *c, int64_t ldc, int32_t accumulate);
void rnn_dgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k,
               const double *a, int64_t lda, const double *b, int64_t ldb,
               double *c, int64_t ldc, int32_t accumulate);

#endif
