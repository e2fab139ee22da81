/*
 * lower.h -- private to loop/: what is known of each value while an entry
 * becomes kernels.
 *
 * Facts are kept by node id. Ids grow from sources to users (a loop's body
 * comes before its node), so ascending ids are an order of computation and
 * descending ids meet every user before the value.
 */
#ifndef RNN_LOWER_H
#define RNN_LOWER_H

#include "loop/loop.h"

/* One kernel that computes a value in passing. Two uses in one kernel are one
 * computation if they lie on the same path of index changes. */
typedef struct Reach {
    Val root;
    uint32_t path;
    double times; // evaluations per element of the value
} Reach;

typedef struct Use {
    Val user; // NULL: an output
    int slot; // source number; of a loop: see lower_source
} Use;

typedef struct Fact {
    Val v;              // NULL: not needed
    VEC(Use) use;
    bool must;          // somebody needs it in memory
    bool buffered;      // it has a buffer
    bool even;          // all its elements are the same number
    bool unseen;        // part of a view of panels: never computed
    bool varies;        // depends on more than parameters, options, constants
    double cost;        // of one element, in simple operations
    int nnodes;         // of a root: values its kernel computes
    Val root;           // of a core or epilogue: the root of its kernel
    Val core;           // of a root: its core
    Val beside;         // the root whose kernel stores it in passing, or NULL
    Val mask;           // of a root: the condition on it stored so, or NULL
    VEC(Reach) reach;   // inlined: where
    bool *live;         // of a loop: [n] the variables that matter
    Buffer *buf;
    Kernel *kernel;     // of a root
    int mark;           // the last kernel that met it, see kernel.c
    int item;           // its step's number in its region; -1: none
} Fact;

typedef struct RowsOf { // the same weights, as a batch of one reads them
    Val view, rows;
} RowsOf;

typedef struct Lower {
    Arena *a;   // what outlives lowering
    Arena *tmp;
    const Entry *e; // once chosen, with weights in panels
    const LoopOptions *opt;
    Program *p;
    uint32_t nnodes;
    Fact *fact; // by node id
    int norder;
    Val *order; // needed values by ascending id
    VEC(Val) view; // sources of contractions that stand in panels
    VEC(RowsOf) rows; // of some of them
    VEC(RowsOf) along; // contractions (`view`) that may sum along those rows
} Lower;

static inline Fact *fact_of(const Lower *lo, Val v)
{
    return &lo->fact[v->id];
}

static inline LowerKind kind_of(Val v)
{
    return op_info[v->op].lower;
}

/* Sources as lowering sees them: those of a loop are its count, then the
 * initial values, then the next values (NULL where the variable is dead). */
int lower_nsource(Val v);
Val lower_source(const Lower *lo, Val v, int slot);

/* panels.c: rewrites f so that contractions read what changes less often than
 * they run from panels, and notes the views in lo. Needs facts up to varies. */
void panels_choose(Lower *lo, Func *f);
bool panels_is_view(const Lower *lo, Val v);
Val panels_base(Val view); // what it is a view of
Val panels_rows(const Lower *lo, Val view); // or NULL

/* cost.c: operations of one element of v; does this reshape put neighbours
 * apart; of a buffer for v, in operations; leaves that are there before any
 * kernel runs. */
double cost_op(Val v);
bool cost_breaks_lanes(Val reshape);
double cost_buffer(const Lower *lo, Val v);
bool stands_in_memory(Val v);

/* fuse.c: sets buffered, root and core of every needed value. */
void fuse_choose(Lower *lo);

/* beside.c: sets `beside`; after fuse_choose. */
void beside_choose(Lower *lo);

Buffer *buffer_new(Lower *lo, Type type, Val v);

/* kernel.c: the kernel of a root whose reads have their buffers. */
Kernel *kernel_make(Lower *lo, Val root);

/* order.c: the steps of one region (NULL: the top level). */
void order_region(Lower *lo, Loop *region, Steps *out);

/* along.c. The rows of another contraction that v, whose free dim in source
 * `slot` is `axis`, may sum along; NULL: there are none, or that does not pay.
 * Dim `axis` of v in the order of partial sums. The mask, a select, of a result
 * summed so in the shape of that result, whose epilogue it becomes, or NULL.
 * The rows that a contraction so noted sums along, or NULL. */
Val along_rows(const Lower *lo, Graph *g, Val old, Val v, int slot, int axis);
Val along_order(Graph *g, Val v, int axis);
Val along_mask(const Lower *lo, Graph *g, Val v);
Val along_of(const Lower *lo, Val dot);

/* setup.c: which batches need the steps of the set-up part. */
void setup_choose(Program *p);

/* chain.c: of all steps, before their buffers are placed. */
void chains_choose(Program *p);

#endif
