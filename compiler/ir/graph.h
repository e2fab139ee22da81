/*
 * graph.h -- private to ir/: the table of nodes behind the constructors.
 */
#ifndef RNN_IR_GRAPH_H
#define RNN_IR_GRAPH_H

#include "ir/ir.h"

struct Graph {
    Arena *unit;
    uint32_t nnodes, nloops;
    Node **slot; // hash table, open addressing; nslots is a power of two
    uint32_t nslots;
    Span span;   // of new nodes, see ir_within
    VEC(Loop *) open; // loops opened and not yet closed, outermost first
};

/* The node of these parts, new or old. `given`: its type, else inferred. */
Node *graph_intern(Graph *g, Op op, const Attr *attr, const Val *src, int nsrc,
                   const Type *given);

/* Is the type of such a node given rather than inferred from its sources? */
bool graph_type_is_given(Op op);

/* A const, spread or broadcast or not: stands last in commutative ops. */
bool is_constant(Val v);

/* Loops that hold l, l itself included: l, l->outer, ... */
static inline bool loop_within(const Loop *l, const Loop *outer)
{
    while (l && l != outer)
        l = l->outer;
    return l == outer;
}

/* The deeper of two regions (NULL: top level). */
static inline Loop *deeper(Loop *a, Loop *b)
{
    return !a || (b && b->depth > a->depth) ? b : a;
}

#endif
