/*
 * op_case.h -- random legal uses of any op: the tests that walk the op table
 * (shapes, interpreter, derivatives, machine code) ask for them here.
 */
#ifndef TEST_OP_CASE_H
#define TEST_OP_CASE_H

#include "support/check.h"

enum { OP_CASE_IN = 3 };

typedef struct OpCase {
    Val y;               // the node
    int nin;
    Val in[OP_CASE_IN];  // its sources: inputs "a", "b", "c", all different
    Domain domain[OP_CASE_IN];
    Tensor at[OP_CASE_IN]; // their values
    int64_t batch;
} OpCase;

/* A use of op in g on fresh inputs: shapes, attributes, per-example or shared
 * sources and their values are drawn with d. `number` is the element type of
 * sources that may be any number; ops of other types get those. APART holds
 * over all number sources together. false if op cannot stand alone (const,
 * input, loopvar, loop, proj, grad) or does not take `number`. */
bool op_case(Arena *a, Graph *g, Op op, DType number, Dice *d, OpCase *c);

/* For EvalEnv.input with user = an OpCase. */
void op_case_input(void *user, Val input, Tensor *t);
/* The value of c->y. */
Tensor op_case_eval(Arena *a, Graph *g, OpCase *c);

#endif
