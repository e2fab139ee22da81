/*
 * loops.h -- private to passes/: comparing loops.
 */
#ifndef RNN_PASSES_LOOPS_H
#define RNN_PASSES_LOOPS_H

#include "passes/rewrite.h"

/* same_loops.c: [a->n * b->n], does variable i of a always equal variable j
 * of b? The loops have the same count. */
bool *loops_related(Arena *tmp, const Loop *a, const Loop *b);

#endif
