/*
 * loops.c -- loops are opened, their bodies built, and closed.
 *
 * Nothing marks a node as belonging to a body but its dependence on the
 * loop's variables. So what encloses a loop is known only when it is closed:
 * the deepest loop among those its count, initial values and captured values
 * depend on.
 */
#include "ir/graph.h"

static Val loop_variable(Graph *g, Loop *l, int k, Type type)
{
    Attr a = {.n = 1, .i = {k}, .loop = l};

    return ir_leaf(g, OP_loopvar, &a, type);
}

/* A shared or smaller value as one of type `to`. */
static Val widen(Graph *g, Val x, Type to, const char *what, int k)
{
    if (!shape_eq(x->type.shape, to.shape))
        x = ir_broadcast_to(g, x, to.shape);
    if (to.batched)
        x = ir_spread(g, x);
    if (!type_eq(x->type, to))
        internal_error("%s value %d of a loop is %s, its variable %s", what, k,
                       type_text(g->unit, x->type), type_text(g->unit, to));
    return x;
}

Loop *ir_loop_open(Graph *g, Val count, const Val *init, int n,
                   const Type *var_type, int depth, Span span)
{
    Loop *l = NEW(g->unit, Loop);
    Type scalar = type_of(DT_i32, false, shape_of(0));

    if (!type_eq(count->type, scalar))
        internal_error("the count of a loop is %s",
                       type_text(g->unit, count->type));
    l->id = g->nloops++;
    l->depth = depth;
    for (int k = g->open.n; k-- > 0 && !l->outer;)
        if (g->open.at[k]->depth < depth)
            l->outer = g->open.at[k];
    l->n = n;
    l->count = count;
    l->until = -1;
    l->init = NEW_N(g->unit, Val, n);
    l->var = NEW_N(g->unit, Val, n);
    l->next = NEW_N(g->unit, Val, n);
    l->span = span;
    for (int k = 0; k < n; k++)
        l->init[k] = widen(g, init[k], var_type[k], "initial", k);
    l->index = loop_variable(g, l, -1, scalar);
    for (int k = 0; k < n; k++)
        l->var[k] = loop_variable(g, l, k, var_type[k]);
    VEC_PUSH(g->unit, &g->open, l);
    return l;
}

Val ir_loop_close(Graph *g, Loop *l, const Val *next)
{
    Arena *tmp = arena_new();
    Type none = type_of(DT_f32, false, shape_of(0));
    Attr a = {.loop = l};
    Val *src = NEW_N(tmp, Val, l->n + 1);
    int kept = 0, ncapture;

    for (int k = 0; k < g->open.n; k++)
        if (g->open.at[k] != l)
            g->open.at[kept++] = g->open.at[k];
    g->open.n = kept;

    src[0] = l->count;
    for (int k = 0; k < l->n; k++) {
        src[k + 1] = l->init[k];
        l->next[k] = widen(g, next[k], l->var[k]->type, "next", k);
    }
    Node *node = graph_intern(g, OP_loop, &a, src, l->n + 1, &none);
    Val *capture = ir_captures(tmp, l, &ncapture);
    for (int k = 0; k < ncapture; k++)
        node->region = deeper(node->region, capture[k]->region);
    if (node->span.src == NULL)
        node->span = l->span;
    l->node = node;
    l->outer = node->region;
    arena_free(tmp);
    return node;
}

Val ir_proj(Graph *g, Val loop, int k)
{
    if (loop->op != OP_loop || k < 0 || k >= loop->attr.loop->n)
        internal_error("proj %d of %s", k, op_info[loop->op].name);

    Attr a = {.n = 1, .i = {k}};
    Type type = loop->attr.loop->var[k]->type;
    return graph_intern(g, OP_proj, &a, &loop, 1, &type);
}
