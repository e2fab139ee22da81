/*
 * loops -- one loop where two compute the same, and none of what nobody needs.
 *
 * needs:  no grad nodes
 * keeps:  the value of every output
 * breaks: nothing; ids and identity of the loops it changes
 *
 * One change at a time, until there is none to make:
 *   a loop that runs never or once is its initial values or its body;
 *   a variable that never changes is its initial value;
 *   a variable that no needed result depends on goes;
 *   loops with the same count and a common part become one. (Reverse mode
 *   leaves such pairs: a loop, and the same loop with a tape.)
 */
#include "passes/loops.h"

#include <string.h>

enum { CHANGES_MAX = 1000 };

typedef struct Use { // of a loop
    Loop *l;
    bool *used; // [n] is proj k needed
} Use;

typedef struct Change {
    Arena *tmp;
    Func *f;
    VEC(Use) use;
    Subst *s; // made when there is something to change
} Change;

static Use *use_of(Change *c, Loop *l)
{
    for (int k = 0; k < c->use.n; k++)
        if (c->use.at[k].l == l)
            return &c->use.at[k];
    Use u = {l, NEW_N(c->tmp, bool, l->n + 1)};
    VEC_PUSH(c->tmp, &c->use, u);
    return &c->use.at[c->use.n - 1];
}

static void note(Change *c, Val *node, int n)
{
    for (int k = 0; k < n; k++) {
        if (node[k]->op == OP_loop)
            use_of(c, node[k]->attr.loop);
        if (node[k]->op == OP_proj)
            use_of(c, node[k]->src[0]->attr.loop)->used[node[k]->attr.i[0]] =
                true;
    }
}

/* All loops the function needs, outer ones first. */
static void find_loops(Change *c)
{
    int n;
    Val *node = ir_topo(c->tmp, c->f->out, c->f->nout, NULL, &n);

    note(c, node, n);
    for (int k = 0; k < c->use.n; k++) {
        Loop *l = c->use.at[k].l;
        node = ir_topo(c->tmp, l->next, l->n, l, &n);
        note(c, node, n);
    }
}

static void put(Change *c, Loop *l, int k, Val to)
{
    if (!c->s)
        c->s = ir_subst_new(c->f->g, c->tmp, 0);
    ir_subst_set(c->s, ir_proj(c->f->g, l->node, k), to);
}

/* The results `to` of l's projections, then in place of them everywhere. */
static void replace(Change *c, Loop *l, const bool *used, const Val *to)
{
    for (int k = 0; k < l->n; k++)
        if (used[k])
            put(c, l, k, to[k]);
}

/* Runs never, or once. */
static bool unloop(Change *c, Use *u)
{
    Loop *l = u->l;
    Graph *g = c->f->g;
    Val *to = l->init;

    if (l->count->op != OP_const || l->count->attr.f > 1 ||
        (l->count->attr.f == 1 && l->until >= 0))
        return false;
    if (l->count->attr.f == 1) {
        Subst *s = ir_subst_new(g, c->tmp, 0);
        ir_subst_set(s, l->index, ir_const(g, DT_i32, 0));
        for (int k = 0; k < l->n; k++)
            ir_subst_set(s, l->var[k], l->init[k]);
        to = NEW_N(c->tmp, Val, l->n + 1);
        for (int k = 0; k < l->n; k++)
            to[k] = ir_subst(s, l->next[k]);
    }
    replace(c, l, u->used, to);
    return true;
}

/* Adds the variables of l that next[k] of a needed k depends on. */
static void find_needed(Change *c, const Loop *l, bool *needed)
{
    bool changed = true;

    while (changed) {
        VEC(Val) root = {0};
        int n;
        changed = false;
        for (int k = 0; k < l->n; k++)
            if (needed[k])
                VEC_PUSH(c->tmp, &root, l->next[k]);
        Val *node = ir_topo(c->tmp, root.at, root.n, l, &n);
        for (int i = 0; i < n; i++) {
            int64_t k = node[i]->attr.i[0];
            if (node[i]->op != OP_loopvar || node[i]->attr.loop != l ||
                k < 0 || needed[k])
                continue;
            needed[k] = changed = true;
        }
    }
}

/* The loop with the kept variables only; the others are their initial value
 * if they never change, else not needed. */
static bool shrink(Change *c, Use *u)
{
    Loop *l = u->l;
    Graph *g = c->f->g;
    bool *keep = NEW_N(c->tmp, bool, l->n + 1);
    Val *init = NEW_N(c->tmp, Val, l->n + 1);
    Val *to = NEW_N(c->tmp, Val, l->n + 1);
    Type *type = NEW_N(c->tmp, Type, l->n + 1);
    int n = 0;

    memcpy(keep, u->used, sizeof *keep * (size_t)l->n);
    if (l->until >= 0)
        keep[l->until] = true;
    find_needed(c, l, keep);
    for (int k = 0; k < l->n; k++) {
        to[k] = l->init[k];
        keep[k] = k == l->until ||
                  (keep[k] && l->next[k] != l->var[k]);
        if (!keep[k])
            continue;
        init[n] = l->init[k];
        type[n++] = l->var[k]->type;
    }
    if (n == l->n)
        return false;
    if (n) {
        Loop *m = ir_loop_open(g, l->count, init, n, type, l->depth, l->span);
        Subst *s = ir_subst_new(g, c->tmp, l->depth);
        m->keep = l->keep;
        ir_subst_set(s, l->index, m->index);
        for (int k = 0, at = 0; k < l->n; k++) {
            ir_subst_set(s, l->var[k], keep[k] ? m->var[at] : l->init[k]);
            if (k == l->until)
                m->until = at;
            if (keep[k])
                ir_origin(g, m->var[at++], l->var[k]->span, l->var[k]->name);
        }
        for (int k = 0, at = 0; k < l->n; k++)
            if (keep[k])
                init[at++] = ir_subst(s, l->next[k]);
        Val node = ir_loop_close(g, m, init);
        for (int k = 0, at = 0; k < l->n; k++)
            if (keep[k])
                to[k] = ir_proj(g, node, at++);
    }
    replace(c, l, u->used, to);
    return true;
}

/* ---- two loops in one ---- */

typedef struct Merge {
    Loop *a, *b;
    int *twin; // [b->n] variable of a that b's always equals, or -1
} Merge;

/* Is there a real variable, one that changes, in both? */
static bool find_twins(Change *c, Merge *m)
{
    bool *related = loops_related(c->tmp, m->a, m->b), found = false;

    m->twin = NEW_N(c->tmp, int, m->b->n + 1);
    for (int j = 0; j < m->b->n; j++) {
        m->twin[j] = -1;
        for (int i = 0; i < m->a->n && m->twin[j] < 0; i++)
            if (related[i * m->b->n + j])
                m->twin[j] = i;
        found = found || (m->twin[j] >= 0 &&
                          dtype_real(m->b->var[j]->type.dt) &&
                          m->b->next[j] != m->b->var[j]);
    }
    return found;
}

static Subst *over(Change *c, const Loop *from, const Loop *to)
{
    Subst *s = ir_subst_new(c->f->g, c->tmp, to->depth);

    ir_subst_set(s, from->index, to->index);
    return s;
}

/* One loop with the variables of a, then those of b without a twin. to_a and
 * to_b: what the projections become. */
static void build_merged(Change *c, Merge *m, Val *to_a, Val *to_b)
{
    Graph *g = c->f->g;
    Loop *a = m->a, *b = m->b;
    int n = a->n, depth = a->depth > b->depth ? a->depth : b->depth;
    Val *x = NEW_N(c->tmp, Val, a->n + b->n);
    Type *type = NEW_N(c->tmp, Type, a->n + b->n);

    memcpy(x, a->init, sizeof *x * (size_t)a->n);
    for (int k = 0; k < a->n; k++)
        type[k] = a->var[k]->type;
    for (int k = 0; k < b->n; k++) {
        if (m->twin[k] >= 0)
            continue;
        x[n] = b->init[k];
        type[n++] = b->var[k]->type;
    }

    Loop *to = ir_loop_open(g, a->count, x, n, type, depth, a->span);
    to->until = a->until;
    to->keep = a->keep;
    Subst *sa = over(c, a, to), *sb = over(c, b, to);
    n = a->n;
    for (int k = 0; k < a->n; k++) {
        ir_origin(g, to->var[k], a->var[k]->span, a->var[k]->name);
        ir_subst_set(sa, a->var[k], to->var[k]);
    }
    for (int k = 0; k < b->n; k++)
        ir_subst_set(sb, b->var[k],
                     to->var[m->twin[k] >= 0 ? m->twin[k] : n++]);
    for (int k = 0; k < a->n; k++)
        x[k] = ir_subst(sa, a->next[k]);
    n = a->n;
    for (int k = 0; k < b->n; k++)
        if (m->twin[k] < 0)
            x[n++] = ir_subst(sb, b->next[k]);
    Val node = ir_loop_close(g, to, x);
    n = a->n;
    for (int k = 0; k < a->n; k++)
        to_a[k] = ir_proj(g, node, k);
    for (int k = 0; k < b->n; k++)
        to_b[k] = ir_proj(g, node, m->twin[k] >= 0 ? m->twin[k] : n++);
}

/* Do both end in the same pass? */
static bool end_together(const Merge *m)
{
    int until = m->b->until;

    return until < 0 ? m->a->until < 0 : m->twin[until] == m->a->until;
}

static bool merge(Change *c, Use *u, Use *v)
{
    Merge m = {.a = u->l, .b = v->l};
    bool whole = true;

    if (m.a->count != m.b->count || m.a->node->region != m.b->node->region ||
        !find_twins(c, &m) || !end_together(&m) || ir_reaches(m.a->node, m.b->node) ||
        ir_reaches(m.b->node, m.a->node))
        return false;

    Val *to_a = NEW_N(c->tmp, Val, m.a->n + 1);
    Val *to_b = NEW_N(c->tmp, Val, m.b->n + 1);
    for (int k = 0; k < m.b->n; k++)
        whole = whole && m.twin[k] >= 0;
    if (whole) {
        for (int k = 0; k < m.b->n; k++)
            to_b[k] = ir_proj(c->f->g, m.a->node, m.twin[k]);
    } else {
        build_merged(c, &m, to_a, to_b);
        replace(c, m.a, u->used, to_a);
    }
    replace(c, m.b, v->used, to_b);
    return true;
}

static bool change(Change *c)
{
    for (int k = 0; k < c->use.n; k++)
        if (unloop(c, &c->use.at[k]) || shrink(c, &c->use.at[k]))
            return true;
    for (int k = 0; k < c->use.n; k++)
        for (int j = 0; j < c->use.n; j++)
            if (j != k && c->use.at[j].l->n >= c->use.at[k].l->n &&
                merge(c, &c->use.at[j], &c->use.at[k]))
                return true;
    return false;
}

void pass_loops(Func *f, const PassOptions *opt)
{
    bool more = true;

    (void)opt;
    for (int round = 0; more && round < CHANGES_MAX; round++) {
        Change c = {.tmp = arena_new(), .f = f};

        find_loops(&c);
        more = change(&c);
        for (int k = 0; more && k < f->nout; k++)
            f->out[k] = ir_subst(c.s, f->out[k]);
        arena_free(c.tmp);
    }
}
