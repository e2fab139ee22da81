/*
 * loop.h -- the loop IR: an entry point as a sequence of kernels on buffers.
 *
 * A value is *materialized* (has a buffer) or *inlined* (computed again, in
 * registers, by each kernel that reads it). A kernel fills one buffer: for
 * every example and every index of dst, dst[index] = root[index], where the
 * expression of `root` stops at materialized values. Contractions and nests
 * compute `core` in their own way and apply the elementwise expression from
 * `core` to `root` (bias, activation, ...) before storing: the epilogue.
 *
 * How a kernel is computed is data: the Schedule, chosen per shape by
 * schedule.c and obeyed by codegen. Better kernels are better schedules.
 */
#ifndef RNN_LOOP_H
#define RNN_LOOP_H

#include "ir/ir.h"
#include "sema/sema.h"

typedef enum {
    PLACE_ARENA,  // workspace, at offset (per example if the type is batched)
    PLACE_INPUT,  // caller's, call->in[slot]
    PLACE_OUTPUT, // caller's, call->out[slot]
    PLACE_ALIAS   // the same memory as `alias` (reshape, in-place update)
} Place;

typedef struct Buffer Buffer;
struct Buffer {
    int id;
    Type type;        // row-major over type.shape, example outermost
    Place place;
    int slot;
    Buffer *alias;
    int64_t offset;   // bytes; batched: per example, multiplied by n
    int64_t bytes;    // of one example, or of the whole if shared; padded to 64
    bool setup;       // written by the set-up part: lives for the whole run
    int first, last;  // lifetime in step numbers, see buffers.c
    struct Chain *chain; // whose kernels alone touch it, or NULL; where it lies
    int64_t within;      // in their memory
    Val val;          // what it holds
};
/* The buffer whose memory b is: b itself, or the end of its aliases. */
static inline Buffer *buffer_storage(Buffer *b)
{
    while (b->place == PLACE_ALIAS)
        b = b->alias;
    return b;
}

/* Register tile and loop order of a contraction, reduced to
 *   C[m, n] = sum over q, k of A[m, q, k] * B[q, k, n]
 * with m output rows (pixels of a row, examples, or taps x channels), n
 * contiguous in B and C, and q the outer reduction loops. See schedule.c. */
typedef enum {
    FORM_OUTER, // broadcast A, vectors along n
    FORM_INNER, // vectors along k in A and B, horizontal sum: few outputs
    FORM_BLAS   // a call of OpenBLAS
} Form;
typedef enum {
    PACK_NONE,      // read in place
    PACK_COPY,      // rows of B, contiguous along n
    PACK_TRANSPOSE, // contiguous along k
    PACK_GATHER,    // neither
    PACK_BEFORE     // stands in panels of nr vectors already (panels.c)
} Pack;
typedef struct Schedule {
    Form form;
    int lanes;     // vector lanes
    int mr, nr;    // tile: mr rows x nr vectors (INNER: nr outputs)
    int64_t kc;    // reduction block, 0: all at once
    int unroll;    // of the innermost k loop
    int64_t tasks; // tasks to split into; 0: examples (of a shared dst: 1)
    int row;       // the row axis the tile runs along; -1: a tile of one row
    int outside;   // row axes outside the loop over panels: the first ones
    int64_t blocks; // of tiles along a row, each a task of its own
    int64_t parts; // > 1: an example is this many tasks, cut along row axis 1
    bool sparse;   // a batch of one reads rows and leaves out those that meet
                   // zeros of A (finite values); of a nest: 0 x is 0
    int kb;        // the reduction axis cut into blocks of kc
    bool apart;    // the reduction is ALONG_LANES parts, each summed by itself
    Pack pack;     // how a block of B comes to rows of nr vectors
    int64_t group; // examples of a task, if more than one
    int64_t tiles; // WINO: rows of output tiles of a task
    int64_t work;  // WINO: tiles there is room for
    int mc, nc;    // conv_dw_wino: channels of x and of dy in a task
    const char *why; // one clause, for dump and info
} Schedule;

/* A contraction as loops with strides (contract.c), in elements. Axes of
 * extent 1 are left out, and neighbours that walk memory alike are one. */
typedef struct Axis {
    int64_t extent;  // 0: the examples of this call
    int64_t a, b, c; // strides in A, B, C; 0 where it does not occur
    int dim, ndim;   // the dims of C it runs over, row-major
    int win;         // number of its window, from 1; 0: none
    int64_t start, step; // step > 0: i stands for start + step i of its dim
} Axis;
/* A row axis and a reduction axis whose places i and k lie in A only if
 * 0 <= row i + k - pad < size (row axis of taps: i + row k - pad). */
typedef struct Bounds {
    int64_t row, pad, size;
    bool rows_are_taps;
} Bounds;
enum { AXIS_MAX = 2 * RANK_MAX + 2 };
typedef struct Contract {
    Val a, b;           // the core's sources, in the order that suits
    int nrow, nk;
    Axis row[AXIS_MAX]; // of C, outermost first, without n
    Axis n;             // the dim of C along vectors; extent 1: none
    Axis k[AXIS_MAX];   // reduced, outermost first
    /* B stands in panels of so many columns, each a dense [k.., panel]; n.b is
     * then the distance of panels divided by it. 0: it does not. */
    int64_t panel;
    int nwin;
    Bounds win[2];
    int64_t a0, b0, c0; // where place 0 of all axes lies
    bool empty;         // nothing is summed
    bool padded;        // cannot be described so: windows reach outside
} Contract;

typedef enum {
    KERNEL_MAP,      // elementwise and views
    KERNEL_REDUCE,   // one reduction over dims, producers inlined
    KERNEL_BATCH,    // batch_sum, batch_max: over the examples, fixed order
    KERNEL_CONTRACT, // dot, conv, conv_dw
    KERNEL_NEST,     // ops with lower = KERNEL
    KERNEL_CALL      // random fills
} KernelKind;


typedef struct Kernel {
    int id;
    KernelKind kind;
    Val core, root; // core == root for MAP; epilogue between them else
    Buffer *dst;
    int nread;
    /* Materialized values the expression stops at, read[i]->val. The sources
     * of a CONTRACT or NEST core are always among them. A read whose storage
     * is dst's is updated in place (`put`; elementwise). */
    Buffer **read;
    Buffer *rows;    // one of them: what a batch of one reads in place of B in
                     // panels, or NULL; see panels.c
    bool along;      // it sums along those rows, each of which is a column of B
    int nbeside;     // what it stores too, at each element: see beside.c
    Buffer **beside;
    Schedule sched; // CONTRACT
    bool parallel;  // worth splitting: over examples (batched dst) or tasks
    /* 0: one task per example, lo..hi are examples; else lo..hi lie in
     * 0..tasks (1: not divisible). MAP, REDUCE and BATCH: task t is the rows
     * D t / tasks .. D (t + 1) / tasks of dim kernel_row_dim. */
    int64_t tasks;
    const char *name;
    double flops_example, flops_call, bytes_example, bytes_call;
} Kernel;

/* Its buffers in the order that its function gets their pointers in: dst, then
 * those it reads, then those beside. */
static inline int kernel_nbuffer(const Kernel *k)
{
    return 1 + k->nread + k->nbeside;
}
static inline Buffer *kernel_buffer(const Kernel *k, int i)
{
    if (i == 0)
        return k->dst;
    return i <= k->nread ? k->read[i - 1] : k->beside[i - 1 - k->nread];
}

/* Does k write storage b? */
bool kernel_stores(const Kernel *k, const Buffer *b);

/* Batches: of one example, of more, all; a set of them. */
typedef enum {
    FOR_NONE, FOR_ONE = 1, FOR_MORE = 2, FOR_ALL = FOR_ONE | FOR_MORE
} Batches;

/* The batches for which k reads its read number i. */
Batches kernel_reads_for(const Kernel *k, int i);

/* The dim of a shared result whose D rows tasks share out: the first before
 * the last one that has rows for many, else the first larger than 1; -1: a
 * single element. */
int kernel_row_dim(Shape s);

/* Of a kernel with rows, k->tasks > 0: a batch of one has so many tasks, each
 * of kernel_one_unit panels (the last of what is left). */
int64_t kernel_one_unit(const Kernel *k);
int64_t kernel_one_tasks(const Kernel *k);

/* Examples that one task takes, or sched.parts of them together; 1 unless its
 * tasks are groups of examples. */
int64_t kernel_group(const Kernel *k);

/* Neighbouring kernels that take a few examples at a time through all of them,
 * where there are more examples than that. See chain.c. */
typedef struct Chain {
    int64_t few, unit; // a few begin at a multiple of unit, and are one
    Buffer **local; // [nlocal] storage that only they touch, one after another
    int nlocal;
    int64_t offset, bytes; // the memory of that, like a buffer of an example
} Chain;

typedef enum { STEP_KERNEL, STEP_LOOP, STEP_COPY } StepKind;
typedef struct Step Step;
typedef struct Steps {
    VEC(Step) list;
} Steps;
struct Step {
    StepKind kind;
    bool setup;          // in the set-up part
    Batches batches;     // of it: those that need what it makes (setup.c)
    Kernel *kernel;      // KERNEL
    Chain *chain;        // KERNEL: the same one in each of its steps, or NULL
    Loop *loop;          // LOOP
    Buffer *count;       // LOOP: i32 scalar, or NULL: trip
    int64_t trip;
    Buffer *until;       // LOOP: a bool that ends it when true, or NULL
    Buffer *index;       // LOOP: i32 scalar buffer of the index, or NULL
    Steps *body;         // LOOP; carried variables are copied or swapped inside
    Buffer *from, *to;   // COPY (same size)
};

typedef struct Program { // one entry point
    const Entry *entry;
    Arena *arena;
    int nin;
    Val *in;             // OP_input nodes by slot
    VEC(Buffer *) buffer;
    VEC(Kernel *) kernel;
    Steps steps;
    int64_t shared_bytes, example_bytes; // see buffers.c
    bool *inplace;  // [nout] the output is its variable's own storage
    Buffer **input; // [nin] by slot
} Program;
/* Address of an arena buffer: shared at arena + offset, batched at
 * arena + shared_bytes + n * offset. */

/* A transpose that puts neighbours far apart, as squares of vectors; turn.c.
 * Strides are in elements. */
typedef struct TurnAxis {
    int64_t extent, from, to; // strides in the source and in the result
} TurnAxis;
typedef struct Turn {
    TurnAxis one;             // contiguous on one side
    int nflat, nouter;
    TurnAxis flat[RANK_MAX];  // outermost first: a contiguous run on the other
    TurnAxis outer[RANK_MAX]; // loops around both
    int64_t run;              // its length
    bool stores_run;          // it lies in the result, else in the source
} Turn;

typedef struct LoopOptions {
    int vector_bytes; // 64 AVX-512, 32 AVX2, 16
    int registers;    // vector registers: 32 or 16
    bool blas;        // may use OpenBLAS
    bool finite;      // 0 x is 0: only finite values need be right
} LoopOptions;

/* lower.c: entry (grads expanded, passes run) to kernels and buffers. */
Program *loop_lower(Arena *unit, const Entry *e, const LoopOptions *opt);
/* fuse.c: which values are materialized. */
/* turn.c: false if v is no such transpose, or a small one. */
bool turn_of(Val v, Turn *t);
/* schedule.c: the schedule of a contraction. */
Schedule schedule_choose(const Kernel *k, const LoopOptions *opt);
/* wino.c: of a kernel whose core is one of ir/wino.h. */
bool wino_is_core(Op op);
const char *wino_name(Arena *a, Val core);
double wino_flops(Val core); // of the plain formula, of an example or the call
Schedule wino_schedule(const Kernel *k, const LoopOptions *opt);
/* Tasks for n examples, where there is no fixed number of them. */
static inline int64_t schedule_tasks(const Schedule *s, int64_t n)
{
    if (s->group > 1)
        n = (n + s->group - 1) / s->group;
    return n * (s->parts > 1 ? s->parts : 1);
}
/* contract.c: its axes, arranged for a form. */
Contract contract_of(const Kernel *k, Form form);
enum { ALONG_LANES = 16 }; // partial sums along rows
bool schedule_has_zeros(Val v); // are many elements of v likely to be zero?
/* panels.c: the value [P, K, W] kernel k reads in place of its source v [K..,
 * N], which is a view of it; NULL: none. */
Val panel_source(const Kernel *k, Val v);
/* p [P, K, W] seen as a value of shape `like`, [K.., N]. */
Val panels_view(Graph *g, Val p, Shape like);
/* A strided conv_up is several contractions, one for each phase of the output
 * (stride x stride of them), with the same row axes; contract_of is the one
 * with the most taps. A phase without places: false. */
int contract_phases(const Kernel *k);
/* Windows without vectors beside them: nothing but plain loops. */
bool contract_is_plain(const Kernel *k, const Contract *c);
bool contract_phase(const Kernel *k, Form form, int phase, Contract *c);
/* buffers.c: lifetimes to offsets in one arena. */
void loop_place_buffers(Program *p);
/* verify.c, print.c */
bool loop_verify(const Program *p, char *err, size_t n);
void loop_print(FILE *out, const Program *p);

#endif
