/*
 * simplify -- all local rules, to a fixpoint.
 *
 * needs:  no grad nodes
 * keeps:  the value of every output, but for rounding (and, with fast_math,
 *         for operands that are not finite)
 * breaks: nothing
 */
#include "passes/rewrite.h"

void pass_simplify(Func *f, const PassOptions *opt)
{
    static const Rule *const sets[] = {
        rules_fold,  rules_exact,  rules_shape, rules_slice, rules_copy,
        rules_reduce, rules_merge, rules_parts, rules_batch, rules_stable,
        rules_fast, NULL};

    rewrite_run(f, opt, sets);
}
