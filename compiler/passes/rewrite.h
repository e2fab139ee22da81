/*
 * rewrite.h -- private to passes/: rules, and the driver that applies them.
 *
 * A rule has a left and a right pattern, both data; or a function from the
 * matched node to its replacement (NULL: does not apply), with an example on
 * which it applies, so that both kinds can be tested the same way.
 */
#ifndef RNN_PASSES_REWRITE_H
#define RNN_PASSES_REWRITE_H

#include "passes/passes.h"

enum { PAT_VARS = 6 };

typedef enum {
    PAT_VAR,   // any value; the same one wherever n is the same
    PAT_CONST, // the constant f, of any shape
    PAT_ANY,   // any constant, bound like a variable
    PAT_OP,    // elementwise op
    PAT_REDUCE, // reduction; all in one pattern over the same dims
    PAT_BACK   // a reduced value copied back along these dims
} PatKind;
typedef struct Pat Pat;
struct Pat {
    PatKind kind;
    int n;
    double f;
    Op op;
    const Pat *kid[3];
};
#define PVAR(k) (&(const Pat){.kind = PAT_VAR, .n = (k)})
#define PANY(k) (&(const Pat){.kind = PAT_ANY, .n = (k)})
#define PCONST(c) (&(const Pat){.kind = PAT_CONST, .f = (c)})
#define P1(name, x) \
    (&(const Pat){.kind = PAT_OP, .op = OP_##name, .kid = {x}})
#define P2(name, x, y) \
    (&(const Pat){.kind = PAT_OP, .op = OP_##name, .kid = {x, y}})
#define P3(name, x, y, z) \
    (&(const Pat){.kind = PAT_OP, .op = OP_##name, .kid = {x, y, z}})
#define PREDUCE(name, x) \
    (&(const Pat){.kind = PAT_REDUCE, .op = OP_##name, .kid = {x}})
#define PBACK(x) (&(const Pat){.kind = PAT_BACK, .kid = {x}})

typedef struct Match {
    Val var[PAT_VARS];
    Val reduce; // the first reduction met: names the dims of all
} Match;

struct Rule {
    const char *name;
    const Pat *left, *right;
    bool (*guard)(const Match *m);
    RuleClass cls;
    // or, by function:
    Op op; // root; OP_COUNT: any
    Val (*fn)(Graph *g, Val v);
    const char *text;
    Val (*example)(Graph *g, Shape s);
};
#define RULE(name, left, right) \
    {name, left, right, NULL, RULE_EXACT, 0, 0, 0, 0}
#define RULE_IF(name, left, right, guard, cls) \
    {name, left, right, guard, cls, 0, 0, 0, 0}
#define RULE_FN(name, cls, op, fn, text, example) \
    {name, NULL, NULL, NULL, cls, op, fn, text, example}
#define RULE_END {0}

#define PASS(name, fn, doc) void pass_##fn(Func *f, const PassOptions *opt);
#include "passes/passes.def"
#undef PASS

extern const Rule rules_exact[], rules_stable[], rules_fast[], rules_shape[],
    rules_slice[], rules_copy[], rules_reduce[], rules_batch[], rules_conv[],
    rules_unpool[],
    rules_fold[], rules_merge[], rules_parts[];

/* Applies the sets (ends with NULL) everywhere until nothing changes. */
void rewrite_run(Func *f, const PassOptions *opt, const Rule *const *set);
Val rule_apply(Graph *g, const Rule *r, Val v); // NULL: does not apply

/* What several rules ask. */
bool is_fill(Val v, double *f); // a constant in any shape
bool same_fill(Val v, double f);
Val scalar_fill(Graph *g, Val scalar, Type like); // copied to like's shape
bool is_elementwise(Op op);
Val as_batched(Graph *g, Val v, bool batched);
Val copy_back(Graph *g, Val reduce, Val v); // v like reduce -> its source

#endif
