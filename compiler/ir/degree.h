/*
 * degree.h -- is a value homogeneous, and of which order?
 *
 * f is homogeneous of order L in its parameters if f(c p; x) = c^L f(p; x) for
 * every c > 0 (Lyu & Li 2020, section 2). Degrees are found op by op from the
 * rules of degree.def, in each group of parameters (those of one layer) and in
 * the input. The proof is sound, not complete: a value whose degree the rules
 * cannot tell counts as having none.
 */
#ifndef RNN_IR_DEGREE_H
#define RNN_IR_DEGREE_H

#include "ir/ir.h"

typedef enum { // what a node stands for
    DEGREE_INNER = -1, // neither: its degree follows from its sources
    DEGREE_INPUT = -2, // the input
    DEGREE_FIXED = -3  // not scaled
} DegreeLeaf;

typedef struct DegreeQuery {
    Val value;
    int ngroup;
    /* Group of a scaled node (>= 0), or a DegreeLeaf. */
    int (*leaf)(void *user, Val v);
    void *user;
} DegreeQuery;

typedef struct Degrees {
    bool homogeneous;
    double order;  // L, in all groups together
    double input;  // degree in the input, NAN: none
    double *group; // [ngroup] degree in each
    int *with;     // [ngroup] the least group it must be scaled with: where
                   // the value is homogeneous only in several together, they
                   // share one number (and their degrees add up)
    /* Else where it breaks: the operation and why, in words. */
    Val at;
    const char *why;
} Degrees;

/* Memory of the answer is in a. Cost: linear in nodes times groups. */
Degrees ir_degrees(Arena *a, const DegreeQuery *q);

/* Has the op a row in degree.def? */
bool ir_degree_known(Op op);

#endif
