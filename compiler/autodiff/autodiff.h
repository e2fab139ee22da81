/*
 * autodiff.h -- symbolic reverse mode on the tensor IR, closed under itself.
 *
 * Rules build ordinary nodes, so gradients of gradients need nothing new.
 */
#ifndef RNN_AUTODIFF_H
#define RNN_AUTODIFF_H

#include "ir/ir.h"

/* reverse.c */
/*
 * Replaces every `grad` node the function needs by the values that compute
 * it, inner gradients first. Gradients of the same value share one reverse
 * walk. false after an error reported to d at the span of the grad node (an
 * op that has no derivative; a loop with a run-time count; a per-example
 * value differentiated in a shared one without a batch reduction).
 */
bool ad_expand(Func *f, Diag *d);

/* The walk itself: out[i] = d e / d wrt[i], shaped like wrt[i]. e is a real
 * scalar; per-example e stands for one function per example. Zero where e
 * does not depend on wrt[i]. */
bool ad_grads(Graph *g, Val e, const Val *wrt, int n, Val *out, Diag *d,
              Span at);

/* Does e depend on v along a path on which gradients pass? For warnings:
 * *blocked gets the first op that stopped one (sign, round, ...). */
bool ad_active(Val e, Val v, Val *blocked);

/* for the rules (vjp_*.c) only: the adjoint accumulator of one walk */
typedef struct Ad Ad;
Graph *ad_graph(Ad *ad);
bool ad_wants(Ad *ad, Val x); // is x's adjoint needed at all
/* Add dx to x's adjoint. A batched dx for a shared x is summed over the
 * examples; a broadcast is never implied. */
void ad_add(Ad *ad, Val x, Val dx);

/* One rule per OWN row: y is the node, dy its adjoint. */
#define GRAD_RULE_OWN(name) void vjp_##name(Ad *ad, Val y, Val dy);
#define GRAD_RULE_ZERO(name)
#define GRAD_RULE_NONE(name)
#define OP(name, arity, attr, shape, grad, ...) GRAD_RULE_##grad(name)
#include "ir/ops.def"
#undef OP
#undef GRAD_RULE_OWN
#undef GRAD_RULE_ZERO
#undef GRAD_RULE_NONE

#endif
