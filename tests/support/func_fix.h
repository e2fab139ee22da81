/*
 * func_fix.h -- a function in the making, lowered and run beside the
 * interpreter. Everything lives in the fixture's arena until fix_close.
 */
#ifndef TEST_FUNC_FIX_H
#define TEST_FUNC_FIX_H

#include "support/check.h"
#include "support/machine.h"
#include "support/random_graph.h"

typedef struct Fix {
    Arena *a;
    Graph *g;
    Func f; // its outputs are those of out[]
    Val out[8];
    const char *name[8];
    Entry *e;   // made by the first of fix_lower and fix_agrees
    Program *p; // by fix_lower
    EvalEnv env; // 3 examples of random inputs
    RandomData data;
} Fix;

void fix_open(Fix *x);
void fix_close(Fix *x);

/* Inputs in f32 (the clock in i32), and one more output. */
Val fix_field(Fix *x, const char *name, Shape s);
Val fix_var(Fix *x, const char *name, Shape s);
Val fix_clock(Fix *x, const char *name);
void fix_out(Fix *x, Val v);
Val fix_wide(Fix *x, Val v, Val like); // v broadcast to the shape of `like`

/* Lowers to x->p, for vectors of 32 bytes. */
void fix_lower(Fix *x, EntryKind kind);
/* Machine code, on one thread and two, gives what the interpreter does. */
void fix_agrees(Fix *x, EntryKind kind);

/* Steps of this kind, in loops too. */
int fix_steps(const Steps *s, StepKind kind);
/* The kernel that computes root; NULL if none does. */
const Kernel *fix_kernel(const Program *p, Val root);

#endif
