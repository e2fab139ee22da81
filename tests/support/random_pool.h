/*
 * random_pool.h -- private to random_*.c: the values made so far and what is
 * known of their size and error.
 */
#ifndef TEST_RANDOM_POOL_H
#define TEST_RANDOM_POOL_H

#include "support/random_graph.h"

typedef struct Known {
    Val v;
    double size;  // typical magnitude
    double bound; // no element is larger
    double err;   // typical error in units of the last place at 1
    bool exact;   // the same in f32 and f64
} Known;

typedef struct Gen {
    Arena *a;
    Graph *g;
    Dice dice;
    DType real;
    VEC(Known) pool;
    int ninput, stream;
    int depth; // open loops
    int budget;
} Gen;

enum { SIZE_MAX_ELEMS = 2048, ERR_MAX = 200 };

int64_t gen_int(Gen *r, int64_t lo, int64_t hi);
bool gen_chance(Gen *r, int percent);
int64_t gen_dim(Gen *r);
Shape gen_shape(Gen *r, int rank_lo, int rank_hi);

/* A value from the pool for which `fits` holds, or one with v == NULL. */
typedef bool Fits(Gen *r, const Known *k, Type want);
Known gen_pick(Gen *r, Fits *fits, Type want);
bool fits_real(Gen *r, const Known *k, Type want);
bool fits_int(Gen *r, const Known *k, Type want);
bool fits_number(Gen *r, const Known *k, Type want);
bool fits_exact_real(Gen *r, const Known *k, Type want);
bool fits_like(Gen *r, const Known *k, Type want); // dtype and shape of want
bool fits_exact_like(Gen *r, const Known *k, Type want);

Known gen_input(Gen *r, Type t);            // a new input
Known gen_like(Gen *r, Type t, bool exact); // of this dtype and shape
Known gen_const(Gen *r, DType dt, double f, Shape s);

/* Into the pool, brought to moderate size; false if its error is too large. */
bool gen_keep(Gen *r, Known k);
/* Reals: squashed into -1 .. 1; positive, at least 0.5. */
Known gen_squash(Gen *r, Known x);
Known gen_positive(Gen *r, Known x);

/* One use of op on values of the pool; false if there is none. */
bool gen_op(Gen *r, Op op);     // random_ops.c
bool gen_view(Gen *r, Op op);   // random_move.c
bool gen_indexing(Gen *r, Op op);
bool gen_window(Gen *r, Op op); // random_window.c: conv and pooling
bool gen_loop(Gen *r);          // random_loop.c

#endif
