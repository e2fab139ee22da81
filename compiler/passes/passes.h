/*
 * passes.h -- graph to graph. One pass, one file, one pass_<name>(Func *).
 *
 * The order is passes.def read from top to bottom.
 */
#ifndef RNN_PASSES_H
#define RNN_PASSES_H

#include "ir/ir.h"

typedef struct PassOptions {
    bool fast_math;     // allow rules_fast (finite operands, reassociation)
    int rewrite_budget; // 0: default
} PassOptions;

typedef void PassFn(Func *f, const PassOptions *opt);
typedef struct PassInfo {
    const char *name, *doc;
    PassFn *run;
} PassInfo;
extern const PassInfo pass_info[]; // ends with a NULL name

/* Runs all passes in order; verifies after each (internal_error naming the
 * pass). after(user, pass, f), if given, is called after each: dumps, timing. */
void passes_run(Func *f, const PassOptions *opt,
                void (*after)(void *user, const PassInfo *p, Func *f),
                void *user);

/* rewrite.c -- rules are data on both sides; see there. For tests and docs. */
typedef struct Rule Rule;
int rules_count(void);
const char *rule_name(int i);
const char *rule_text(Arena *a, int i); // "mul(x, 1) -> x"
/* Both sides of rule i over fresh inputs of shape `s` as functions of a new
 * graph, for evaluation at random points. */
void rule_sides(Arena *a, int i, Shape s, Func *left, Func *right);

#endif
