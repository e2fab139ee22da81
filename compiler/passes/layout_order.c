/*
 * layout_order.c -- which order each value is stored in.
 *
 * Convolutions and pools fix the order of their results; a transpose and
 * elementwise ops hand it on, so that after transpose(conv) the order says
 * "stored as the convolution left it". Values made of leaves only have no
 * order of their own: they are built in the order their readers want. Only
 * per-example values fix an order: parameters are small and stay as they are.
 * A loop's variable takes the order of its next value.
 */
#include "passes/layout.h"

#include <string.h>

enum { TRIES = 8, CHAIN_MAX = 500 };

Order order_plain(int rank, bool fixed)
{
    Order o = {.fixed = fixed};

    for (int k = 0; k < rank; k++)
        o.p[k] = (signed char)k;
    return o;
}

bool order_eq(Order a, Order b, int rank)
{
    return !memcmp(a.p, b.p, (size_t)rank);
}

bool is_ones_reshape(Val v)
{
    Shape a = v->type.shape, b = v->src[0]->type.shape;
    int i = 0, j = 0;

    for (;; i++, j++) {
        while (i < a.rank && a.dim[i] == 1)
            i++;
        while (j < b.rank && b.dim[j] == 1)
            j++;
        if (i == a.rank || j == b.rank)
            return i == a.rank && j == b.rank;
        if (a.dim[i] != b.dim[j])
            return false;
    }
}

static bool has_axis(Val v, int64_t axis)
{
    for (int k = 0; k < v->attr.n; k++)
        if (v->attr.i[k] == axis)
            return true;
    return false;
}

/* from[k]: the dim of source `*source` that dim k of v is. */
bool dims_kept(Val v, int *source, int *from)
{
    int rank = v->type.shape.rank, n = 0;
    Shape s = v->nsrc ? v->src[0]->type.shape : v->type.shape;
    int index = v->op == OP_take ? v->src[1]->type.shape.rank : 0;

    *source = 0;
    for (int k = 0; k < rank; k++)
        from[k] = k;
    switch (v->op) {
    case OP_transpose:
        for (int k = 0; k < rank; k++)
            from[k] = (int)v->attr.i[k];
        return true;
    case OP_sum: case OP_max_reduce: case OP_min_reduce: case OP_argmax:
    case OP_argmin:
        for (int k = 0; k < s.rank; k++)
            if (!has_axis(v, k))
                from[n++] = k;
        return true;
    case OP_reshape:
        if (!is_ones_reshape(v))
            return false;
        for (int k = 0; k < rank; k++) {
            from[k] = -1;
            while (v->type.shape.dim[k] != 1 && s.dim[n] == 1)
                n++;
            if (v->type.shape.dim[k] != 1)
                from[k] = n++;
        }
        return true;
    case OP_take:
        for (int k = 0; k < rank; k++)
            from[k] = k < index ? -1 : k - index + 1;
        return true;
    case OP_pad: case OP_slice: case OP_reverse: case OP_concat: case OP_sort:
    case OP_argsort: case OP_cumsum: case OP_spread:
        return true;
    default:
        return is_elementwise(v->op);
    }
}

/* ---- handing orders on ---- */

/* The dims of v in the order of the source's; dims the op adds stay in front
 * (take) or go last (reshape). */
static Order handed_on(Val v, Order src, int src_rank, const int *from)
{
    int rank = v->type.shape.rank, n = 0;
    Order o = {.fixed = true};

    for (int k = 0; k < rank && v->op == OP_take; k++)
        if (from[k] < 0)
            o.p[n++] = (signed char)k;
    for (int j = 0; j < src_rank; j++)
        for (int k = 0; k < rank; k++)
            if (from[k] == src.p[j])
                o.p[n++] = (signed char)k;
    for (int k = 0; k < rank && v->op != OP_take; k++)
        if (from[k] < 0)
            o.p[n++] = (signed char)k;
    return o;
}

/* put(x, i, v): as v is stored, if its index dims are in front, else as x. */
static Order put_order(const Orders *o, Val v)
{
    Val x = v->src[0], part = v->src[2];
    int rank = v->type.shape.rank, index = v->src[1]->type.shape.rank;
    Order to = order_plain(rank, true), p = o->at[part->id];
    bool front = p.fixed;

    for (int k = 0; k < index; k++)
        front = front && p.p[k] == k;
    if (front) {
        for (int k = 1; k < rank; k++)
            to.p[k] = (signed char)(p.p[index + k - 1] - index + 1);
        return to;
    }
    if (o->at[x->id].fixed && o->at[x->id].p[0] == 0)
        return o->at[x->id];
    to.fixed = false;
    return to;
}

static Order source_order(const Orders *o, Val v)
{
    int rank = v->type.shape.rank, source, from[RANK_MAX];

    if (!dims_kept(v, &source, from))
        return order_plain(rank, true);
    for (int k = 0; k < v->nsrc; k++) {
        Val x = v->src[k];
        Order s = o->at[x->id];
        if (!s.fixed || x->type.shape.rank < 2 ||
            (k > 0 && v->op == OP_take))
            continue;
        if (v->op == OP_take && s.p[0] != 0)
            return order_plain(rank, true);
        return handed_on(v, s, x->type.shape.rank, from);
    }
    return order_plain(rank, false);
}

static Order natural(const Orders *o, Val v)
{
    int rank = v->type.shape.rank;

    if (rank < 2)
        return order_plain(rank, true);
    if (!v->type.batched)
        return order_plain(rank, false);
    switch (v->op) {
    case OP_input: case OP_uniform: case OP_normal: case OP_broadcast:
        return order_plain(rank, false);
    case OP_loopvar:
        return o->at[v->id];
    case OP_proj:
        return o->at[v->src[0]->attr.loop->var[v->attr.i[0]]->id];
    case OP_put:
        return put_order(o, v);
    case OP_take: // a transpose of the rows is less than one of the table
        return o->at[v->src[0]->id].fixed ? source_order(o, v)
                                          : order_plain(rank, true);
    default:
        return source_order(o, v);
    }
}

/* Values without an order are built by recursion, so chains are cut. */
static void count_chain(Orders *o, Val v)
{
    Order *to = &o->at[v->id];

    to->chain = 0;
    for (int k = 0; k < v->nsrc && !to->fixed; k++) {
        Order s = o->at[v->src[k]->id];
        if (!s.fixed && s.chain >= to->chain)
            to->chain = s.chain + 1;
    }
    if (to->chain > CHAIN_MAX)
        *to = order_plain(v->type.shape.rank, true);
}

static void assign(Orders *o, Val *node, int n);

/* Until the variables agree with their next values. */
static void assign_loop(Orders *o, Loop *l)
{
    int n;
    Val *body = ir_topo(o->tmp, l->next, l->n, l, &n);
    bool changed = true;

    for (int k = 0; k < l->n; k++)
        o->at[l->var[k]->id] =
            order_plain(l->var[k]->type.shape.rank,
                        l->var[k]->type.shape.rank < 2);
    for (int tries = 0; changed && tries < TRIES; tries++) {
        changed = false;
        assign(o, body, n);
        for (int k = 0; k < l->n; k++) {
            Order *var = &o->at[l->var[k]->id], next = o->at[l->next[k]->id];
            int rank = l->var[k]->type.shape.rank;
            if (!next.fixed || (var->fixed && order_eq(*var, next, rank)))
                continue;
            *var = next;
            changed = true;
        }
    }
}

static void assign(Orders *o, Val *node, int n)
{
    for (int k = 0; k < n; k++) {
        if (node[k]->op == OP_loop)
            assign_loop(o, node[k]->attr.loop);
        o->at[node[k]->id] = natural(o, node[k]);
        count_chain(o, node[k]);
    }
}

Orders orders_assign(Arena *tmp, const Func *f)
{
    Orders o = {.tmp = tmp, .n = graph_nnodes(f->g)};
    int n;
    Val *node = ir_topo(tmp, f->out, f->nout, NULL, &n);

    o.at = NEW_N(tmp, Order, o.n);
    assign(&o, node, n);
    return o;
}
