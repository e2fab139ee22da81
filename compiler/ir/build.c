/*
 * build.c -- one convenience constructor per kind of op.
 *
 * They fill in the attributes and leave out what does nothing (a reshape to
 * the same shape, a reduction over no dim); everything else is ir_node's.
 */
#include "ir/graph.h"

#include <math.h>
#include <string.h>

Val ir_op1(Graph *g, Op op, Val x)
{
    return ir_node(g, op, NULL, &x, 1);
}

Val ir_op2(Graph *g, Op op, Val x, Val y)
{
    return ir_node(g, op, NULL, (Val[]){x, y}, 2);
}

Val ir_op3(Graph *g, Op op, Val x, Val y, Val z)
{
    return ir_node(g, op, NULL, (Val[]){x, y, z}, 3);
}

/* ---- leaves ---- */

Val ir_const(Graph *g, DType dt, double f)
{
    Attr a = {.f = f};

    if (dt == DT_bool)
        a.f = f != 0;
    else if (dt == DT_i32)
        a.f = trunc(f) + 0.0; // no -0
    return ir_leaf(g, OP_const, &a, type_of(dt, false, shape_of(0)));
}

Val ir_fill(Graph *g, DType dt, double f, Shape shape)
{
    return ir_broadcast(g, ir_const(g, dt, f), shape, NULL);
}

Val ir_like(Graph *g, Val like, double f)
{
    return ir_fill(g, like->type.dt, f, like->type.shape);
}

Val ir_input(Graph *g, InputKind kind, const char *name, Type type)
{
    Attr a = {.n = 1, .i = {kind}, .s = intern(name)};

    return ir_leaf(g, OP_input, &a, type);
}

Val ir_iota(Graph *g, int64_t n)
{
    return ir_node(g, OP_iota, &(Attr){.n = 1, .i = {n}}, NULL, 0);
}

/* ---- types and views ---- */

Val ir_cast(Graph *g, Val x, DType to)
{
    if (x->type.dt == to)
        return x;
    return ir_node(g, OP_cast, &(Attr){.n = 1, .i = {to}}, &x, 1);
}

Val ir_spread(Graph *g, Val x)
{
    return x->type.batched ? x : ir_op1(g, OP_spread, x);
}

Val ir_broadcast(Graph *g, Val x, Shape to, const int *place)
{
    Attr a = {.n = to.rank + x->type.shape.rank};

    if (shape_eq(x->type.shape, to))
        return x;
    for (int k = 0; k < to.rank; k++)
        a.i[k] = to.dim[k];
    for (int k = 0; k < x->type.shape.rank; k++)
        a.i[to.rank + k] = place[k];
    return ir_node(g, OP_broadcast, &a, &x, 1);
}

Val ir_broadcast_to(Graph *g, Val x, Shape to)
{
    int place[RANK_MAX];

    for (int k = 0; k < x->type.shape.rank; k++)
        place[k] = to.rank - x->type.shape.rank + k;
    return ir_broadcast(g, x, to, place);
}

Val ir_reshape(Graph *g, Val x, Shape to)
{
    Attr a = {.n = to.rank};

    if (shape_eq(x->type.shape, to))
        return x;
    for (int k = 0; k < to.rank; k++)
        a.i[k] = to.dim[k];
    return ir_node(g, OP_reshape, &a, &x, 1);
}

Val ir_transpose(Graph *g, Val x, const int *perm)
{
    Attr a = {.n = x->type.shape.rank};
    bool moved = false;

    for (int k = 0; k < a.n; k++) {
        a.i[k] = perm[k];
        moved = moved || perm[k] != k;
    }
    return moved ? ir_node(g, OP_transpose, &a, &x, 1) : x;
}

Val ir_slice(Graph *g, Val x, const int64_t *start, const int64_t *limit,
             const int64_t *stride)
{
    Attr a = {.n = 3 * x->type.shape.rank};

    for (int k = 0; k < x->type.shape.rank; k++) {
        a.i[3 * k] = start[k];
        a.i[3 * k + 1] = limit[k];
        a.i[3 * k + 2] = stride ? stride[k] : 1;
    }
    return ir_node(g, OP_slice, &a, &x, 1);
}

Val ir_pad(Graph *g, Val x, const int64_t *lo, const int64_t *hi,
           const int64_t *interior, double fill)
{
    Attr a = {.n = 3 * x->type.shape.rank, .f = isnan(fill) ? NAN : fill};

    for (int k = 0; k < x->type.shape.rank; k++) {
        a.i[3 * k] = lo[k];
        a.i[3 * k + 1] = hi[k];
        a.i[3 * k + 2] = interior ? interior[k] : 0;
    }
    return ir_node(g, OP_pad, &a, &x, 1);
}

/* The named dims in ascending order, so that equal sets are equal nodes. */
static Attr axes_attr(const int *axes, int n)
{
    Attr a = {.n = n};

    if (n > RANK_MAX)
        internal_error("%d dims named, a value has at most %d", n, RANK_MAX);
    for (int k = 0; k < n; k++) {
        int at = k;
        for (; at > 0 && a.i[at - 1] > axes[k]; at--)
            a.i[at] = a.i[at - 1];
        a.i[at] = axes[k];
    }
    return a;
}

Val ir_reverse(Graph *g, Val x, const int *axes, int n)
{
    Attr a = axes_attr(axes, n);

    return n ? ir_node(g, OP_reverse, &a, &x, 1) : x;
}

Val ir_concat(Graph *g, const Val *x, int n, int axis)
{
    if (n == 1)
        return x[0];
    return ir_node(g, OP_concat, &(Attr){.n = 1, .i = {axis}}, x, n);
}

/* ---- reductions ---- */

Val ir_reduce(Graph *g, Op op, Val x, const int *axes, int n)
{
    Attr a = axes_attr(axes, n);

    return n ? ir_node(g, op, &a, &x, 1) : x;
}

Val ir_reduce_all(Graph *g, Op op, Val x)
{
    static const int all[RANK_MAX] = {0, 1, 2, 3, 4, 5};

    return ir_reduce(g, op, x, all, x->type.shape.rank);
}

Val ir_axis(Graph *g, Op op, Val x, int axis)
{
    return ir_node(g, op, &(Attr){.n = 1, .i = {axis}}, &x, 1);
}

/* ---- contractions and pooling ---- */

static void push(Attr *a, const int *dims, int n)
{
    for (int k = 0; k < n; k++)
        a->i[a->n++] = dims[k];
}

Val ir_dot(Graph *g, Val x, Val y, const DotDims *d)
{
    Attr a = {.n = 3, .i = {d->ncontract, d->nbatch, d->sum_batch}};

    push(&a, d->cx, d->ncontract);
    push(&a, d->cy, d->ncontract);
    push(&a, d->bx, d->nbatch);
    push(&a, d->by, d->nbatch);
    return ir_node(g, OP_dot, &a, (Val[]){x, y}, 2);
}

static int pull(int *dims, const Attr *a, int at, int n)
{
    for (int k = 0; k < n; k++)
        dims[k] = (int)a->i[at + k];
    return at + n;
}

DotDims ir_dot_dims(Val dot)
{
    const Attr *a = &dot->attr;
    DotDims d = {.ncontract = (int)a->i[0], .nbatch = (int)a->i[1],
                 .sum_batch = a->i[2] != 0};
    int at = pull(d.cx, a, 3, d.ncontract);

    at = pull(d.cy, a, at, d.ncontract);
    at = pull(d.bx, a, at, d.nbatch);
    pull(d.by, a, at, d.nbatch);
    return d;
}

static Attr conv_attr(ConvDims c)
{
    return (Attr){.n = 6,
                  .i = {c.sh, c.sw, c.ph_lo, c.ph_hi, c.pw_lo, c.pw_hi}};
}

static Attr with_extent(Attr a, int64_t h, int64_t w)
{
    a.i[a.n++] = h;
    a.i[a.n++] = w;
    return a;
}

Val ir_conv(Graph *g, Val x, Val w, ConvDims c)
{
    Attr a = conv_attr(c);

    return ir_node(g, OP_conv, &a, (Val[]){x, w}, 2);
}

Val ir_conv_dx(Graph *g, Val dy, Val w, ConvDims c, int64_t H, int64_t W)
{
    Attr a = with_extent(conv_attr(c), H, W);

    return ir_node(g, OP_conv_dx, &a, (Val[]){dy, w}, 2);
}

Val ir_conv_up(Graph *g, Val x, Val w, ConvDims c, int64_t H, int64_t W)
{
    Attr a = with_extent(conv_attr(c), H, W);

    return ir_node(g, OP_conv_up, &a, (Val[]){x, w}, 2);
}

Val ir_conv_dw(Graph *g, Val x, Val dy, ConvDims c, int64_t R, int64_t S)
{
    Attr a = with_extent(conv_attr(c), R, S);

    return ir_node(g, OP_conv_dw, &a, (Val[]){x, dy}, 2);
}

ConvDims ir_conv_dims(Val conv)
{
    const int64_t *i = conv->attr.i;

    return (ConvDims){i[0], i[1], i[2], i[3], i[4], i[5]};
}

static Attr pool_attr(PoolDims p)
{
    return (Attr){.n = 8, .i = {p.kh, p.kw, p.sh, p.sw, p.ph_lo, p.ph_hi,
                                p.pw_lo, p.pw_hi}};
}

Val ir_pool(Graph *g, Op op, Val x, Val g_or_dy, PoolDims p)
{
    Attr a = pool_attr(p);

    return ir_node(g, op, &a, (Val[]){x, g_or_dy}, g_or_dy ? 2 : 1);
}

Val ir_sum_pool_dx(Graph *g, Val dy, PoolDims p, int64_t H, int64_t W)
{
    Attr a = with_extent(pool_attr(p), H, W);

    return ir_node(g, OP_sum_pool_dx, &a, &dy, 1);
}

PoolDims ir_pool_dims(Val pool)
{
    const int64_t *i = pool->attr.i;

    return (PoolDims){i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7]};
}

Val ir_conv_dx_pooled(Graph *g, Val dy, Val w, Val place, UnpoolDims u)
{
    Attr a = {.n = 6, .i = {u.kh, u.kw, u.ph, u.pw, u.H, u.W}};

    return ir_node(g, OP_conv_dx_pooled, &a, (Val[]){dy, w, place}, 3);
}

Val ir_conv_dw_pooled(Graph *g, Val x, Val dy, Val place, UnpoolDims u)
{
    Attr a = {.n = 4, .i = {u.kh, u.kw, u.R, u.S}};

    return ir_node(g, OP_conv_dw_pooled, &a, (Val[]){x, dy, place}, 3);
}

UnpoolDims ir_unpool_dims(Val conv)
{
    const int64_t *i = conv->attr.i;
    const int64_t *d = conv->op == OP_conv_dx_pooled
                           ? conv->src[1]->type.shape.dim
                           : conv->type.shape.dim;
    UnpoolDims u = {.kh = i[0], .kw = i[1], .R = d[1], .S = d[2]};

    if (conv->op == OP_conv_dx_pooled) {
        u.ph = i[2];
        u.pw = i[3];
        u.H = i[4];
        u.W = i[5];
    }
    return u;
}

/* ---- randomness ---- */

Val ir_random(Graph *g, Op op, int64_t stream, Type type, const Val *keys,
              int nkeys)
{
    Attr a = {.n = 2 + type.shape.rank, .i = {stream, type.batched}};

    for (int k = 0; k < type.shape.rank; k++)
        a.i[2 + k] = type.shape.dim[k];
    for (int k = 0; k < nkeys; k++)
        if (keys[k]->type.dt != DT_i32 || keys[k]->type.shape.rank ||
            (keys[k]->type.batched && !type.batched))
            internal_error("a key of a random draw is no i32 scalar");
    return graph_intern(g, op, &a, keys, nkeys, &type);
}
