/*
 * subst.c -- the same expressions over other leaves.
 *
 * Nodes are rebuilt in order of their ids, so nothing recurses but the nesting
 * of loops. A loop is rebuilt if its count, an initial value or its body
 * changes: first the body over the old variables, then, with a new loop open,
 * over the new ones. So a replacement may itself mention variables of a loop
 * that is being rebuilt.
 */
#include "ir/ir.h"

#include <stdlib.h>

struct Subst {
    Graph *g;
    Arena *tmp;
    int floor;
    uint32_t lo, n; // ids below lo cannot change; [n] nodes at the start
    Val *memo;
};

Subst *ir_subst_new(Graph *g, Arena *tmp, int floor)
{
    Subst *s = NEW(tmp, Subst);

    *s = (Subst){.g = g, .tmp = tmp, .floor = floor};
    s->lo = s->n = graph_nnodes(g);
    s->memo = NEW_N(tmp, Val, s->n);
    return s;
}

void ir_subst_set(Subst *s, Val from, Val to)
{
    if (from->id >= s->n)
        internal_error("substitution of a value newer than itself");
    s->memo[from->id] = to;
    if (from->id < s->lo)
        s->lo = from->id;
}

static Val done(const Subst *s, Val v)
{
    Val to = v->id >= s->lo && v->id < s->n ? s->memo[v->id] : NULL;

    return to ? to : v;
}

static int by_id(const void *a, const void *b)
{
    Val x = *(const Val *)a, y = *(const Val *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* What the roots need and is not rebuilt yet, bodies included, sources
 * first. */
static Val *pending(Subst *s, const Val *root, int nroot, int *n)
{
    VEC(Val) list = {0};
    bool *seen = NEW_N(s->tmp, bool, s->n - s->lo + 1);

    for (int next = -1; next < list.n; next++) {
        Val y = next < 0 ? NULL : list.at[next];
        const Val *x = y ? y->src : root;
        int nx = y ? y->nsrc : nroot;
        for (int k = 0; k < nx; k++) {
            uint32_t id = x[k]->id;
            if (id < s->lo || id >= s->n || s->memo[id] || seen[id - s->lo])
                continue;
            seen[id - s->lo] = true;
            VEC_PUSH(s->tmp, &list, x[k]);
        }
        if (!y || y->op != OP_loop)
            continue;
        for (int k = 0; k < y->attr.loop->n; k++) {
            Val v = y->attr.loop->next[k];
            if (v->id < s->lo || v->id >= s->n || s->memo[v->id] ||
                seen[v->id - s->lo])
                continue;
            seen[v->id - s->lo] = true;
            VEC_PUSH(s->tmp, &list, v);
        }
    }
    if (list.n)
        qsort(list.at, (size_t)list.n, sizeof list.at[0], by_id);
    *n = list.n;
    return list.at;
}

static Val rebuild_loop(Subst *s, Val v)
{
    Loop *l = v->attr.loop;
    Val *init = NEW_N(s->tmp, Val, l->n + 1);
    Val *next = NEW_N(s->tmp, Val, l->n + 1);
    Type *type = NEW_N(s->tmp, Type, l->n + 1);
    Val count = done(s, l->count);
    bool changed = count != l->count;
    int depth = l->depth > s->floor ? l->depth : s->floor + 1;

    for (int k = 0; k < l->n; k++) {
        init[k] = done(s, l->init[k]);
        next[k] = done(s, l->next[k]);
        type[k] = l->var[k]->type;
        changed = changed || init[k] != l->init[k] || next[k] != l->next[k];
    }
    if (!changed)
        return v;

    Loop *to = ir_loop_open(s->g, count, init, l->n, type, depth, l->span);
    to->until = l->until;
    to->keep = l->keep;
    Subst *vars = ir_subst_new(s->g, s->tmp, depth);
    ir_subst_set(vars, l->index, to->index);
    for (int k = 0; k < l->n; k++) {
        ir_origin(s->g, to->var[k], l->var[k]->span, l->var[k]->name);
        ir_subst_set(vars, l->var[k], to->var[k]);
    }
    for (int k = 0; k < l->n; k++)
        next[k] = ir_subst(vars, next[k]);
    return ir_loop_close(s->g, to, next);
}

static Val rebuild(Subst *s, Val v)
{
    if (v->op == OP_loop)
        return rebuild_loop(s, v);
    if (v->nsrc == 0)
        return v;
    if (v->op == OP_proj) {
        Val loop = done(s, v->src[0]);
        return loop == v->src[0] ? v
                                 : ir_proj(s->g, loop, (int)v->attr.i[0]);
    }

    Val *src = NEW_N(s->tmp, Val, v->nsrc);
    bool changed = false;
    for (int k = 0; k < v->nsrc; k++) {
        src[k] = done(s, v->src[k]);
        changed = changed || src[k] != v->src[k];
    }
    if (!changed)
        return v;
    if (op_info[v->op].attr == ATTR_RAND)
        return ir_random(s->g, v->op, v->attr.i[0], v->type, src, v->nsrc);
    return ir_node(s->g, v->op, &v->attr, src, v->nsrc);
}

Val ir_subst(Subst *s, Val root)
{
    int n;
    Val *node = pending(s, &root, 1, &n);

    for (int k = 0; k < n; k++) {
        Val v = rebuild(s, node[k]);
        if (v != node[k])
            ir_origin(s->g, v, node[k]->span, node[k]->name);
        s->memo[node[k]->id] = v;
    }
    return done(s, root);
}
