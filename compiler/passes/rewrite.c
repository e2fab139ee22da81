/*
 * rewrite.c -- the matcher, and the driver that applies rules to a fixpoint.
 *
 * A round rebuilds the function from its leaves; at each node rules are tried
 * until none applies. What a rule makes below its root is looked at in the
 * next round. Rounds are bounded: sets that undo each other's work are named
 * instead of running on.
 */
#include "passes/rewrite.h"

enum { ROUNDS = 100, TURNS = 32, RECENT = 8 };

/* ---- what several rules ask ---- */

bool is_fill(Val v, double *f)
{
    while (v->op == OP_broadcast || v->op == OP_spread)
        v = v->src[0];
    if (v->op == OP_const && f)
        *f = v->attr.f;
    return v->op == OP_const;
}

bool same_fill(Val v, double f)
{
    double c;

    return is_fill(v, &c) && c == f;
}

Val as_batched(Graph *g, Val v, bool batched)
{
    return batched ? ir_spread(g, v) : v;
}

Val scalar_fill(Graph *g, Val scalar, Type like)
{
    Val v = ir_broadcast(g, scalar, like.shape, NULL);

    return as_batched(g, v, like.batched);
}

bool is_elementwise(Op op)
{
    return op_info[op].lower == LOWER_MAP && op_info[op].arity > 0;
}

Val copy_back(Graph *g, Val reduce, Val v)
{
    Shape to = reduce->src[0]->type.shape;
    int place[RANK_MAX], n = 0;

    for (int k = 0, a = 0; k < to.rank; k++) {
        if (a < reduce->attr.n && reduce->attr.i[a] == k)
            a++;
        else
            place[n++] = k;
    }
    return ir_broadcast(g, v, to, place);
}

/* ---- matching ---- */

static bool match(const Pat *p, Val v, Match *m);

static bool match_kids(const Pat *p, Val v, Match *m)
{
    Match before = *m;
    int n = v->nsrc;

    for (int swap = 0; swap < 2; swap++) {
        bool ok = true;
        for (int k = 0; k < n && ok; k++)
            ok = match(p->kid[swap ? n - 1 - k : k], v->src[k], m);
        if (ok)
            return true;
        *m = before;
        if (n != 2 || !(op_info[v->op].props & OP_COMM))
            return false;
    }
    return false;
}

static bool match_reduce(const Pat *p, Val v, Match *m)
{
    if (v->op != p->op)
        return false;
    if (m->reduce &&
        (m->reduce->attr.n != v->attr.n ||
         !shape_eq(m->reduce->src[0]->type.shape, v->src[0]->type.shape)))
        return false;
    for (int k = 0; m->reduce && k < v->attr.n; k++)
        if (m->reduce->attr.i[k] != v->attr.i[k])
            return false;
    if (!m->reduce)
        m->reduce = v;
    return match(p->kid[0], v->src[0], m);
}

/* Does broadcast v copy a value back along the dims `reduce` removes? */
static bool is_back(Val v, Val reduce)
{
    Shape to = v->type.shape;
    int s = 0;

    if (!reduce || !shape_eq(to, reduce->src[0]->type.shape) ||
        !shape_eq(v->src[0]->type.shape, reduce->type.shape))
        return false;
    for (int k = 0, a = 0; k < to.rank; k++) {
        if (a < reduce->attr.n && reduce->attr.i[a] == k)
            a++;
        else if (v->attr.i[to.rank + s++] != k)
            return false;
    }
    return true;
}

static bool match(const Pat *p, Val v, Match *m)
{
    switch (p->kind) {
    case PAT_CONST:
        return same_fill(v, p->f);
    case PAT_ANY:
        if (!is_fill(v, NULL))
            return false;
        // fall through
    case PAT_VAR:
        if (!m->var[p->n])
            m->var[p->n] = v;
        return m->var[p->n] == v;
    case PAT_OP:
        return v->op == p->op && match_kids(p, v, m);
    case PAT_REDUCE:
        return match_reduce(p, v, m);
    case PAT_BACK:
        return v->op == OP_broadcast && match(p->kid[0], v->src[0], m) &&
               is_back(v, m->reduce);
    }
    return false;
}

/* ---- building the right side ---- */

typedef struct Sides { // building a pattern
    Graph *g;
    const Match *m;
} Sides;

static Val build(Sides *s, const Pat *p, Type like);

/* The type constants beside this operand take: that of a sibling. */
static Type sibling_type(const Pat *p, const Val *kid, Type like)
{
    int from = p->op == OP_select ? 1 : 0;

    for (int k = from; k < 3 && p->kid[k]; k++)
        if (kid[k])
            return kid[k]->type;
    return like;
}

static Val build_op(Sides *s, const Pat *p, Type like)
{
    Val kid[3] = {0};
    int n = 0;

    for (; n < 3 && p->kid[n]; n++)
        if (p->kid[n]->kind != PAT_CONST)
            kid[n] = build(s, p->kid[n], like);
    like = sibling_type(p, kid, like);
    for (int k = 0; k < n; k++)
        if (!kid[k])
            kid[k] = build(s, p->kid[k], like);

    // At once: a rule that looks for negations must not see that of a constant.
    Val v = ir_node(s->g, p->op, NULL, kid, n);
    Val folded = rule_apply(s->g, rules_fold, v);
    return folded ? folded : v;
}

static Val build(Sides *s, const Pat *p, Type like)
{
    switch (p->kind) {
    case PAT_VAR:
    case PAT_ANY:
        return s->m->var[p->n];
    case PAT_CONST:
        return ir_fill(s->g, like.dt, p->f, like.shape);
    case PAT_OP:
        return build_op(s, p, like);
    case PAT_REDUCE: {
        Val x = build(s, p->kid[0], like);
        return ir_node(s->g, p->op, &s->m->reduce->attr, &x, 1);
    }
    case PAT_BACK:
        return copy_back(s->g, s->m->reduce, build(s, p->kid[0], like));
    }
    return NULL;
}

Val rule_apply(Graph *g, const Rule *r, Val v)
{
    Val to;

    if (r->fn) {
        to = r->op == OP_COUNT || r->op == v->op ? r->fn(g, v) : NULL;
    } else {
        Match m = {0};
        if (!match(r->left, v, &m) || (r->guard && !r->guard(&m)))
            return NULL;
        Sides s = {g, &m};
        to = build(&s, r->right, v->type);
    }
    if (!to)
        return NULL;
    to = as_batched(g, to, v->type.batched);
    if (!type_eq(to->type, v->type))
        internal_error("rule %s makes %s out of %s", r->name,
                       type_text(graph_arena(g), to->type),
                       type_text(graph_arena(g), v->type));
    return to;
}

/* ---- the driver ---- */

typedef struct Driver {
    const PassOptions *opt;
    VEC(const Rule *) by_op[OP_COUNT];
    bool changed;
    const Rule *recent[RECENT]; // the last rules that applied
    int nrecent;
} Driver;

static Val rewrite_node(void *env, Graph *g, Val old, Val v)
{
    Driver *d = env;

    (void)old;
    for (int turn = 0; turn < TURNS; turn++) {
        Val to = NULL;
        for (int k = 0; k < d->by_op[v->op].n && !to; k++) {
            const Rule *r = d->by_op[v->op].at[k];
            to = rule_apply(g, r, v);
            if (to == v)
                to = NULL;
            if (to)
                d->recent[d->nrecent++ % RECENT] = r;
        }
        if (!to)
            break;
        d->changed = true;
        v = to;
    }
    return v;
}

static void add_rules(Arena *tmp, Driver *d, const Rule *r)
{
    for (; r->name; r++) {
        if (r->cls == RULE_FINITE && !d->opt->fast_math)
            continue;
        Op op = r->left ? r->left->op : r->op;
        for (Op at = 0; at < OP_COUNT; at++)
            if (op == at || op == OP_COUNT)
                VEC_PUSH(tmp, &d->by_op[at], r);
    }
}

static void report(const Driver *d, int rounds)
{
    int n = d->nrecent < RECENT ? d->nrecent : RECENT;

    fprintf(stderr, "rnnc: rewriting stopped after %d rounds; rules taking "
            "turns:", rounds);
    for (int k = 0; k < n; k++) {
        bool named = false;
        for (int j = 0; j < k; j++)
            named = named || d->recent[j] == d->recent[k];
        if (!named)
            fprintf(stderr, " %s", d->recent[k]->name);
    }
    fprintf(stderr, "\n");
}

void rewrite_run(Func *f, const PassOptions *opt, const Rule *const *set)
{
    Arena *tmp = arena_new();
    Driver *d = NEW(tmp, Driver);
    int budget = opt->rewrite_budget ? opt->rewrite_budget : ROUNDS;

    d->opt = opt;
    for (; *set; set++)
        add_rules(tmp, d, *set);
    for (int round = 0;; round++) {
        if (round == budget) {
            report(d, round);
            break;
        }
        d->changed = false;
        ir_rewrite(f->g, f->out, f->nout, rewrite_node, d);
        if (!d->changed)
            break;
    }
    arena_free(tmp);
}
