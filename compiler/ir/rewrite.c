/*
 * rewrite.c -- rebuild a graph with some values replaced.
 *
 * Nodes are visited in order of ids with a memo from old ids to new values,
 * so each is rebuilt once. A loop body is first tried with the variables it
 * has; only if something in it changes is it built again in a new loop with
 * variables of its own. So `map` may be asked about a body's node again, with
 * `rebuilt` in terms of the new variables: it must answer in terms of
 * `rebuilt` and its sources.
 */
#include "ir/graph.h"

#include <string.h>

typedef struct Rewrite {
    Graph *g;
    Arena *tmp;
    Val *new; // by old id
    IrMap *map;
    void *env;
} Rewrite;

static bool same_sources(Rewrite *r, Val v)
{
    for (int k = 0; k < v->nsrc; k++)
        if (r->new[v->src[k]->id] != v->src[k])
            return false;
    return true;
}

static bool same_types(Val v, const Val *src)
{
    for (int k = 0; k < v->nsrc; k++)
        if (!type_eq(v->src[k]->type, src[k]->type))
            return false;
    return true;
}

/* v on the rebuilt sources; not for loops. */
static Val rebuild(Rewrite *r, Val v)
{
    Val few[8], *src = few;

    if (same_sources(r, v))
        return v;
    if (v->nsrc > 8)
        src = NEW_N(r->tmp, Val, v->nsrc);
    for (int k = 0; k < v->nsrc; k++)
        src[k] = r->new[v->src[k]->id];
    if (v->op == OP_proj || !graph_type_is_given(v->op) ||
        !same_types(v, src))
        return ir_node(r->g, v->op, &v->attr, src, v->nsrc);
    return graph_intern(r->g, v->op, &v->attr, src, v->nsrc, &v->type);
}

static Val rebuild_loop(Rewrite *r, Val node);

/* The new value of v, its sources being rebuilt. */
static Val visit(Rewrite *r, Val v)
{
    Val w = v->op == OP_loopvar ? r->new[v->id]
            : v->op == OP_loop  ? rebuild_loop(r, v)
                                : rebuild(r, v);
    Span before = ir_within(r->g, v->span);
    Val to = r->map(r->env, r->g, v, w);

    ir_within(r->g, before);
    if (!to)
        to = w;
    if (to != v && to->nsrc)
        ir_origin(r->g, to, v->span, v->name);
    r->new[v->id] = to;
    return to;
}

/* Does every node of the body come out as itself, with the loop's own
 * variables? Stops at the first that does not. */
static bool body_stays(Rewrite *r, Loop *l, const Val *body, int n)
{
    int ncapture;
    Val *capture = ir_captures(r->tmp, l, &ncapture);

    for (int k = 0; k < ncapture; k++)
        if (r->new[capture[k]->id] != capture[k])
            return false;
    for (int k = 0; k < n; k++) {
        if (body[k]->op == OP_loopvar)
            r->new[body[k]->id] = body[k];
        if (visit(r, body[k]) != body[k])
            return false;
    }
    return true;
}

static Val rebuild_loop(Rewrite *r, Val node)
{
    Loop *l = node->attr.loop;
    int n;
    Val *body = ir_topo(r->tmp, l->next, l->n, l, &n);

    if (same_sources(r, node) && body_stays(r, l, body, n))
        return node;

    Val *x = NEW_N(r->tmp, Val, l->n);
    Type *type = NEW_N(r->tmp, Type, l->n);
    for (int k = 0; k < l->n; k++) {
        x[k] = r->new[l->init[k]->id];
        type[k] = l->var[k]->type;
    }
    Loop *copy = ir_loop_open(r->g, r->new[l->count->id], x, l->n, type,
                              l->depth, l->span);
    copy->until = l->until;
    copy->keep = l->keep;
    r->new[l->index->id] = copy->index;
    for (int k = 0; k < l->n; k++) {
        r->new[l->var[k]->id] = copy->var[k];
        ir_origin(r->g, copy->var[k], l->var[k]->span, l->var[k]->name);
    }
    for (int k = 0; k < n; k++)
        visit(r, body[k]);
    for (int k = 0; k < l->n; k++)
        x[k] = r->new[l->next[k]->id];
    return ir_loop_close(r->g, copy, x);
}

void ir_rewrite(Graph *g, Val *root, int nroot, IrMap *map, void *env)
{
    Rewrite r = {.g = g, .tmp = arena_new(), .map = map, .env = env};
    int n;
    Val *v = ir_topo(r.tmp, root, nroot, NULL, &n);

    r.new = NEW_N(r.tmp, Val, graph_nnodes(g));
    for (int k = 0; k < n; k++)
        visit(&r, v[k]);
    for (int k = 0; k < nroot; k++)
        root[k] = r.new[root[k]->id];
    arena_free(r.tmp);
}
