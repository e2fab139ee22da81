/*
 * layout -- transposes move off the activations.
 *
 * needs:  simplify (transposes next to each other merged)
 * keeps:  the value of every output, but for the order of sums
 * breaks: nothing; leaves transposes of parameters and inputs, and in front of
 *         reshapes
 *
 * Every value has an order it is stored in (layout_order.c). `in_order` gives
 * a value in any order: its stored form, transposed if need be; or, for a
 * value without an order of its own, built in the wanted order from its
 * sources. In a network of transpose(conv(transpose(x), transpose(w))) the
 * stored forms fit, and nothing is transposed in between.
 */
#include "passes/layout.h"

#include <string.h>

typedef struct Made Made;
struct Made { // a value in one order
    Order order;
    Val v;
    Made *next;
};

typedef struct Layout {
    Graph *g;
    Arena *tmp;
    Orders orders;
    Made **made; // by old id
} Layout;

static Val in_order(Layout *y, Val v, Order q);

static Val plain(Layout *y, Val v)
{
    return in_order(y, v, order_plain(v->type.shape.rank, false));
}

/* `stored` is v in order p; gives v in order q. */
static Val reorder(Layout *y, Val stored, Order p, Order q)
{
    int rank = stored->type.shape.rank, perm[RANK_MAX];

    for (int k = 0; k < rank; k++)
        for (int j = 0; j < rank; j++)
            if (p.p[j] == q.p[k])
                perm[k] = j;
    return ir_transpose(y->g, stored, perm);
}

static Shape ordered_shape(Val v, Order q)
{
    Shape s = v->type.shape;

    for (int k = 0; k < s.rank; k++)
        s.dim[k] = v->type.shape.dim[q.p[k]];
    return s;
}

static int place_of(Order q, int64_t dim)
{
    int k = 0;

    while (q.p[k] != dim)
        k++;
    return k;
}

/* ---- one way of building for each kind of op ---- */

/* All sources and the result in the plain order. */
static Val build_plain(Layout *y, Val v, Order q)
{
    Val *src = NEW_N(y->tmp, Val, v->nsrc + 1), to;

    for (int k = 0; k < v->nsrc; k++)
        src[k] = plain(y, v->src[k]);
    if (op_info[v->op].attr == ATTR_RAND)
        to = ir_random(y->g, v->op, v->attr.i[0], v->type, src, v->nsrc);
    else
        to = ir_node(y->g, v->op, &v->attr, src, v->nsrc);
    return reorder(y, to, order_plain(v->type.shape.rank, true), q);
}

/* Attributes that speak of dims, in order q. */
static Attr ordered_attr(Val v, Order q)
{
    Attr a = v->attr;
    int rank = v->type.shape.rank;

    switch (v->op) {
    case OP_pad: case OP_slice:
        for (int k = 0; k < rank; k++)
            memcpy(a.i + 3 * k, v->attr.i + 3 * q.p[k], 3 * sizeof a.i[0]);
        break;
    case OP_reverse: case OP_concat: case OP_sort: case OP_argsort:
    case OP_cumsum:
        for (int k = 0; k < a.n; k++)
            a.i[k] = place_of(q, v->attr.i[k]);
        break;
    default:
        break;
    }
    return a;
}

static Val build_same(Layout *y, Val v, Order q)
{
    Val *src = NEW_N(y->tmp, Val, v->nsrc + 1);
    Attr a = ordered_attr(v, q);

    for (int k = 0; k < v->nsrc; k++)
        src[k] = in_order(y, v->src[k], q);
    if (v->op == OP_reverse) {
        int axes[RANK_MAX];
        for (int k = 0; k < a.n; k++)
            axes[k] = (int)a.i[k];
        return ir_reverse(y->g, src[0], axes, a.n);
    }
    return ir_node(y->g, v->op, &a, src, v->nsrc);
}

static Val build_transpose(Layout *y, Val v, Order q)
{
    Order r = q;

    for (int k = 0; k < v->type.shape.rank; k++)
        r.p[k] = (signed char)v->attr.i[q.p[k]];
    return in_order(y, v->src[0], r);
}

static Val build_broadcast(Layout *y, Val v, Order q)
{
    Val x = v->src[0];
    const int64_t *at = v->attr.i + v->type.shape.rank;
    Order r = {0};
    int place[RANK_MAX], n = 0;

    for (int k = 0; k < v->type.shape.rank; k++)
        for (int s = 0; s < x->type.shape.rank; s++)
            if (at[s] == q.p[k]) {
                r.p[n] = (signed char)s;
                place[n++] = k;
            }
    return ir_broadcast(y->g, in_order(y, x, r), ordered_shape(v, q), place);
}

static Val build_reshape(Layout *y, Val v, Order q, const int *from)
{
    Val x = v->src[0];
    Order r = {0};
    int n = 0;

    for (int k = 0; k < v->type.shape.rank; k++)
        if (from[q.p[k]] >= 0)
            r.p[n++] = (signed char)from[q.p[k]];
    for (int k = 0; k < x->type.shape.rank; k++)
        if (x->type.shape.dim[k] == 1)
            r.p[n++] = (signed char)k;
    return ir_reshape(y->g, in_order(y, x, r), ordered_shape(v, q));
}

/* The source as it is stored if the kept dims then are in order q; else those
 * first, the reduced ones after them. */
static Val build_reduce(Layout *y, Val v, Order q, const int *from)
{
    Val x = v->src[0];
    int rank = v->type.shape.rank, n = 0, axes[RANK_MAX], naxes = 0;
    Order s = y->orders.at[x->id], r = {0};
    bool fits = s.fixed;

    for (int k = 0, j = 0; fits && k < rank; k++) {
        while (j < x->type.shape.rank && s.p[j] != from[q.p[k]])
            j++;
        fits = j++ < x->type.shape.rank;
    }
    for (int k = 0; k < rank; k++)
        r.p[n++] = (signed char)from[q.p[k]];
    for (int k = 0; k < v->attr.n; k++)
        r.p[n++] = (signed char)v->attr.i[k];
    if (fits)
        r = s;
    for (int k = 0; k < v->attr.n; k++)
        axes[naxes++] = place_of(r, v->attr.i[k]);
    x = in_order(y, x, r);
    if (v->op == OP_argmax || v->op == OP_argmin)
        return ir_axis(y->g, v->op, x, axes[0]);
    return ir_reduce(y->g, v->op, x, axes, naxes);
}

/* take, put and scatter_add, where dim 0 of the table stays first and index
 * dims stay in front. */
static Order table_order(Order rows, int index, int rank)
{
    Order table = {0};

    for (int k = 1; k < rank; k++)
        table.p[k] = (signed char)(rows.p[index + k - 1] - index + 1);
    return table;
}

static Order rows_order(Order table, int index, int rank)
{
    Order rows = order_plain(index, false);

    for (int k = 1; k < rank; k++)
        rows.p[index + k - 1] = (signed char)(table.p[k] + index - 1);
    return rows;
}

static bool in_front(Order q, int n)
{
    for (int k = 0; k < n; k++)
        if (q.p[k] != k)
            return false;
    return true;
}

static Val build_index(Layout *y, Val v, Order q)
{
    Val i = v->op == OP_scatter_add ? v->src[0] : v->src[1];
    int index = i->type.shape.rank, rank = v->type.shape.rank;

    if (!in_front(q, v->op == OP_take ? index : 1))
        return build_plain(y, v, q);
    if (v->op == OP_take) {
        Val x = v->src[0];
        Order r = table_order(q, index, x->type.shape.rank);
        return ir_op2(y->g, OP_take, in_order(y, x, r), plain(y, i));
    }
    Order r = rows_order(q, index, rank);
    if (v->op == OP_put)
        return ir_op3(y->g, OP_put, in_order(y, v->src[0], q), plain(y, i),
                      in_order(y, v->src[2], r));
    return ir_node(y->g, v->op, &v->attr,
                   (Val[]){plain(y, i), in_order(y, v->src[1], r)}, 2);
}

static Val build_loop(Layout *y, Val node);

static Val build(Layout *y, Val v, Order q)
{
    int source, from[RANK_MAX];

    if (v->op == OP_loop)
        return build_loop(y, v);
    if (v->op == OP_proj)
        return ir_proj(y->g, plain(y, v->src[0]), (int)v->attr.i[0]);
    if (v->nsrc == 0)
        return reorder(y, v, order_plain(v->type.shape.rank, true), q);
    switch (v->op) {
    case OP_transpose:
        return build_transpose(y, v, q);
    case OP_broadcast:
        return build_broadcast(y, v, q);
    case OP_take: case OP_put: case OP_scatter_add:
        return build_index(y, v, q);
    case OP_batch_sum: case OP_batch_max:
        return build_same(y, v, q);
    default:
        break;
    }
    if (!dims_kept(v, &source, from))
        return build_plain(y, v, q);
    if (v->op == OP_reshape)
        return build_reshape(y, v, q, from);
    if (op_info[v->op].lower == LOWER_REDUCE)
        return build_reduce(y, v, q, from);
    return build_same(y, v, q);
}

/* ---- values in an order ---- */

static Val look_up(Layout *y, Val v, Order q)
{
    for (Made *m = y->made[v->id]; m; m = m->next)
        if (order_eq(m->order, q, v->type.shape.rank))
            return m->v;
    return NULL;
}

static void keep(Layout *y, Val old, Order q, Val v)
{
    Made *m = NEW(y->tmp, Made);

    *m = (Made){q, v, y->made[old->id]};
    y->made[old->id] = m;
}

static Val in_order(Layout *y, Val v, Order q)
{
    Order home = y->orders.at[v->id];
    Val to = look_up(y, v, q);
    Span before;

    if (to)
        return to;
    before = ir_within(y->g, v->span);
    if ((v->op == OP_loopvar || v->op == OP_proj) && !home.fixed)
        home = order_plain(v->type.shape.rank, true);
    else if (!home.fixed)
        home = q;
    if (!order_eq(home, q, v->type.shape.rank))
        to = reorder(y, in_order(y, v, home), home, q);
    else
        to = ir_origin(y->g, build(y, v, q), v->span, v->name);
    ir_within(y->g, before);
    keep(y, v, q, to);
    return to;
}

static void build_fixed(Layout *y, Val *node, int n)
{
    for (int k = 0; k < n; k++)
        if (node[k]->op != OP_loopvar && y->orders.at[node[k]->id].fixed)
            in_order(y, node[k], y->orders.at[node[k]->id]);
}

static Order var_order(const Layout *y, Val var)
{
    Order o = y->orders.at[var->id];

    return o.fixed ? o : order_plain(var->type.shape.rank, true);
}

static Val build_loop(Layout *y, Val node)
{
    Loop *l = node->attr.loop;
    Val *x = NEW_N(y->tmp, Val, l->n + 1);
    Type *type = NEW_N(y->tmp, Type, l->n + 1);
    int n;

    for (int k = 0; k < l->n; k++) {
        x[k] = in_order(y, l->init[k], var_order(y, l->var[k]));
        type[k] = x[k]->type;
    }
    Loop *to = ir_loop_open(y->g, plain(y, l->count), x, l->n, type, l->depth,
                            l->span);
    to->until = l->until;
    to->keep = l->keep;
    keep(y, l->index, order_plain(0, true), to->index);
    for (int k = 0; k < l->n; k++) {
        ir_origin(y->g, to->var[k], l->var[k]->span, l->var[k]->name);
        keep(y, l->var[k], var_order(y, l->var[k]), to->var[k]);
    }
    Val *body = ir_topo(y->tmp, l->next, l->n, l, &n);
    build_fixed(y, body, n);
    for (int k = 0; k < l->n; k++)
        x[k] = in_order(y, l->next[k], var_order(y, l->var[k]));
    return ir_loop_close(y->g, to, x);
}

void pass_layout(Func *f, const PassOptions *opt)
{
    Arena *tmp = arena_new();
    Layout y = {.g = f->g, .tmp = tmp, .orders = orders_assign(tmp, f)};
    int n;
    Val *node = ir_topo(tmp, f->out, f->nout, NULL, &n);

    (void)opt;
    y.made = NEW_N(tmp, Made *, y.orders.n);
    build_fixed(&y, node, n);
    for (int k = 0; k < f->nout; k++)
        f->out[k] = plain(&y, f->out[k]);
    arena_free(tmp);
}
