/*
 * graph.c -- the hash-consing constructor.
 *
 * A node's identity is (op, attributes, sources), and its type where that is
 * given and not inferred. Nothing is simplified; operands of commutative ops
 * are put in order of their ids, constants last, so that x + y and y + x are
 * one node. As sources exist before their users, ids are a topological order
 * of every graph, loop bodies included.
 */
#include "ir/graph.h"

#include <math.h>
#include <string.h>

Graph *graph_new(Arena *unit)
{
    Graph *g = NEW(unit, Graph);

    g->unit = unit;
    g->nslots = 256;
    g->slot = NEW_N(unit, Node *, g->nslots);
    return g;
}

Arena *graph_arena(Graph *g)
{
    return g->unit;
}

uint32_t graph_nnodes(const Graph *g)
{
    return g->nnodes;
}

bool graph_type_is_given(Op op)
{
    return op == OP_const || op == OP_input || op == OP_loopvar ||
           op == OP_loop || op == OP_proj || op_info[op].attr == ATTR_RAND;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static uint64_t bits(double f)
{
    uint64_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static uint64_t hash(Op op, const Attr *a, const Val *src, int nsrc)
{
    uint64_t h = mix(1, op);

    for (int k = 0; k < a->n; k++)
        h = mix(h, (uint64_t)a->i[k]);
    h = mix(h, bits(a->f));
    h = mix(h, (uintptr_t)a->s);
    h = mix(h, a->loop ? a->loop->id + 1 : 0);
    for (int k = 0; k < nsrc; k++)
        h = mix(h, src[k]->id);
    return h;
}

static bool attr_eq(const Attr *a, const Attr *b)
{
    return a->n == b->n && a->s == b->s && a->loop == b->loop &&
           bits(a->f) == bits(b->f) &&
           !memcmp(a->i, b->i, (size_t)a->n * sizeof a->i[0]);
}

static void grow(Graph *g)
{
    Node **old = g->slot;
    uint32_t nold = g->nslots;

    g->nslots *= 2;
    g->slot = NEW_N(g->unit, Node *, g->nslots);
    for (uint32_t k = 0; k < nold; k++) {
        Node *v = old[k];
        if (!v)
            continue;
        uint64_t at = hash(v->op, &v->attr, v->src, v->nsrc);
        while (g->slot[at & (g->nslots - 1)])
            at++;
        g->slot[at & (g->nslots - 1)] = v;
    }
}

static Type infer(Op op, const Attr *attr, const Val *src, int nsrc)
{
    char err[256];
    Type few[4], out = {0};
    Arena *tmp = nsrc > 4 ? arena_new() : NULL;
    Type *type = tmp ? NEW_N(tmp, Type, nsrc) : few;

    for (int k = 0; k < nsrc; k++)
        type[k] = src[k]->type;
    if (!ir_infer(op, attr, type, nsrc, &out, err, sizeof err))
        internal_error("%s: %s", op_info[op].name, err);
    if (tmp)
        arena_free(tmp);
    return out;
}

Node *graph_intern(Graph *g, Op op, const Attr *attr, const Val *src, int nsrc,
                   const Type *given)
{
    uint64_t at = hash(op, attr, src, nsrc);

    for (;; at++) {
        Node *v = g->slot[at & (g->nslots - 1)];
        if (!v)
            break;
        if (v->op == op && v->nsrc == nsrc && attr_eq(&v->attr, attr) &&
            (!nsrc || !memcmp(v->src, src, (size_t)nsrc * sizeof src[0])) &&
            (!given || type_eq(v->type, *given)))
            return v;
    }

    Type type = given ? *given : infer(op, attr, src, nsrc);
    Node *v = NEW(g->unit, Node);

    v->op = op;
    v->type = type;
    v->attr = *attr;
    v->nsrc = nsrc;
    v->src = nsrc ? arena_copy(g->unit, src, (size_t)nsrc * sizeof src[0])
                  : NULL;
    v->id = g->nnodes++;
    if (nsrc)
        v->span = g->span;
    v->region = op == OP_loopvar ? attr->loop : NULL;
    for (int k = 0; k < nsrc; k++)
        v->region = deeper(v->region, src[k]->region);
    g->slot[at & (g->nslots - 1)] = v;
    if (g->nnodes > g->nslots / 2)
        grow(g);
    return v;
}

bool is_constant(Val v)
{
    while (v->op == OP_broadcast || v->op == OP_spread)
        v = v->src[0];
    return v->op == OP_const;
}

static bool in_order(Op op, Val x, Val y)
{
    bool cx = is_constant(x), cy = is_constant(y);

    if (cx != cy)
        return cy;
    return (op_info[op].props & OP_TIE) || x->id <= y->id;
}

Val ir_node(Graph *g, Op op, const Attr *attr, const Val *src, int nsrc)
{
    static const Attr none;
    Val swapped[2];

    if (op == OP_proj)
        return ir_proj(g, src[0], (int)attr->i[0]);
    if (op == OP_loop || op == OP_const || op == OP_input || op == OP_loopvar)
        internal_error("%s is not made by ir_node", op_info[op].name);
    if ((op_info[op].props & OP_COMM) && nsrc == 2 &&
        !in_order(op, src[0], src[1])) {
        swapped[0] = src[1];
        swapped[1] = src[0];
        src = swapped;
    }
    return graph_intern(g, op, attr ? attr : &none, src, nsrc, NULL);
}

Val ir_leaf(Graph *g, Op op, const Attr *attr, Type type)
{
    static const Attr none;
    Attr a = attr ? *attr : none;

    if (!graph_type_is_given(op) || op == OP_loop || op == OP_proj)
        internal_error("%s is not a leaf of a given type", op_info[op].name);
    if (isnan(a.f))
        a.f = NAN; // one spelling
    return graph_intern(g, op, &a, NULL, 0, &type);
}

Span ir_within(Graph *g, Span span)
{
    Span before = g->span;

    g->span = span;
    return before;
}

Val ir_origin(Graph *g, Val v, Span span, const char *name)
{
    Node *node = (Node *)v; // the only place where a node is touched again

    (void)g;
    if (!node->span.src && span.src)
        node->span = span;
    if (!node->name && name)
        node->name = name;
    return v;
}
