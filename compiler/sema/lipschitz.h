/*
 * lipschitz.h -- a bound on how far a value follows another one, as a formula
 * of the norms of parameters. Private to sema/.
 */
#ifndef RNN_SEMA_LIPSCHITZ_H
#define RNN_SEMA_LIPSCHITZ_H

#include "sema/sema.h"

/* In which order the runtime computes a bound: constants and norms go onto a
 * stack, MUL and ADD take two off it. */
typedef struct Bounds {
    bool found;
    Val at;          // not found: the operation that has no bound
    int n;
    BoundTerm *term; // [n]
} Bounds;

/* Of `root` in `of`, in the Euclidean norm of one example. */
Bounds lipschitz_of(Arena *a, Val root, Val of);

#endif
