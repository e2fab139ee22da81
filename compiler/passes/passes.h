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
    bool winograd;      // allow F(m, r) where it pays
    int rewrite_budget; // 0: default
} PassOptions;

typedef void PassFn(Func *f, const PassOptions *opt);
typedef struct PassInfo {
    const char *name, *doc;
    PassFn *run;
} PassInfo;
extern const PassInfo pass_info[]; // ends with a NULL name

/* Runs all passes in order; verifies after each (internal_error naming the
 * pass). after(user, pass, f), if given, is called after each: dumps,
 * timing. */
void passes_run(Func *f, const PassOptions *opt,
                void (*after)(void *user, const PassInfo *p, Func *f),
                void *user);

/* rewrite.c -- rules are data on both sides; see there. For tests and docs. */
typedef struct Rule Rule;
typedef enum {
    RULE_EXACT,  // the same for every float, but for the sign of a zero and
                 // of a NaN
    RULE_ROUND,  // the same but for rounding
    RULE_STABLE, // closer to the mathematics: no overflow, less cancellation
    RULE_FINITE  // the same for finite values; only with fast_math
} RuleClass;
int rules_count(void);
RuleClass rule_class(int i);
const char *rule_name(int i);
const char *rule_text(Arena *a, int i); // "mul(x, 1) -> x"
/* Both sides of rule i over fresh f64 inputs of shape `s` (rank 2 or more; a
 * rule about shapes may choose its own) as functions of a new graph, for
 * evaluation at random points. */
void rule_sides(Arena *a, int i, Shape s, Func *left, Func *right);

#endif
