/*
 * node.c -- every node of the graph is made here.
 *
 * ir_infer is asked first, so that a misfit becomes a message at the operand
 * instead of an internal error, and no tensor is larger than the limit.
 */
#include "sema/elab.h"

#include <math.h>

bool size_ok(Elab *e, Span at, Shape s)
{
    double n = 1;

    for (int k = 0; k < s.rank; k++) {
        n *= (double)s.dim[k];
        if (s.dim[k] >= 1)
            continue;
        sema_error(e, at, "a tensor of shape %s has no elements",
                   shape_text(e->a, s));
        return false;
    }
    if (n < (double)SIZE_MAX_ELEMENTS)
        return true;
    sema_error(e, at, "a tensor of shape %s is too large: the limit is 2^31 "
                      "elements", shape_text(e->a, s));
    return false;
}

Val node_make(Elab *e, Span at, Op op, const Attr *attr, const Val *src, int n)
{
    static const Attr none = {0};
    Type type[ARGS_MAX], out;
    char err[512];

    if (e->dead)
        return NULL;
    for (int k = 0; k < n; k++)
        type[k] = src[k]->type;
    if (!ir_infer(op, attr ? attr : &none, type, n, &out, err, sizeof err)) {
        sema_error(e, at, "%s", err);
        return NULL;
    }
    if (!size_ok(e, at, out.shape))
        return NULL;
    if (graph_nnodes(e->g) > NODES_MAX) {
        sema_error(e, at, "the program grows beyond %d operations here",
                   NODES_MAX);
        sema_help(e, "`for` is unrolled when compiling; `repeat` is not");
        e->dead = true;
        return NULL;
    }
    Val v = ir_origin(e->g, ir_node(e->g, op, attr ? attr : &none, src, n), at,
                      NULL);
    warn_node(e, v, at);
    return v;
}

Val node_op(Elab *e, Span at, Op op, Val x)
{
    return x ? node_make(e, at, op, NULL, &x, 1) : NULL;
}

Val node_const(Elab *e, Span at, DType dt, double f)
{
    if (dt == DT_i32 && !(f >= INT32_MIN && f <= INT32_MAX)) {
        sema_error(e, at, "%.17g does not fit the 32-bit ints of the compiled "
                          "program", f);
        return NULL;
    }
    return ir_const(e->g, dt, f);
}

Val node_broadcast(Elab *e, Span at, Val x, Shape to)
{
    Attr a = {.n = to.rank + x->type.shape.rank};
    int lead = to.rank - x->type.shape.rank;

    if (shape_eq(x->type.shape, to))
        return x;
    for (int k = 0; k < to.rank; k++)
        a.i[k] = to.dim[k];
    for (int k = 0; k < x->type.shape.rank; k++)
        a.i[to.rank + k] = lead + k;
    return node_make(e, at, OP_broadcast, &a, &x, 1);
}

Val node_reshape(Elab *e, Span at, Val x, Shape to)
{
    Attr a = {.n = to.rank};

    if (x == NULL || shape_eq(x->type.shape, to))
        return x;
    for (int k = 0; k < to.rank; k++)
        a.i[k] = to.dim[k];
    return node_make(e, at, OP_reshape, &a, &x, 1);
}

Val node_transpose(Elab *e, Span at, Val x, const int *perm)
{
    Attr a = {0};
    bool moved = false;

    if (x == NULL)
        return NULL;
    a.n = x->type.shape.rank;
    for (int k = 0; k < a.n; k++) {
        a.i[k] = perm[k];
        moved = moved || perm[k] != k;
    }
    return moved ? node_make(e, at, OP_transpose, &a, &x, 1) : x;
}

Val node_slice(Elab *e, Span at, Val x, int axis, int64_t lo, int64_t hi,
               int64_t stride)
{
    Shape s = x->type.shape;
    Attr a = {.n = 3 * s.rank};

    if (lo == 0 && hi == s.dim[axis] && stride == 1)
        return x;
    for (int k = 0; k < s.rank; k++) {
        a.i[3 * k] = k == axis ? lo : 0;
        a.i[3 * k + 1] = k == axis ? hi : s.dim[k];
        a.i[3 * k + 2] = k == axis ? stride : 1;
    }
    return node_make(e, at, OP_slice, &a, &x, 1);
}

/* Can a tensor of type `from` stand where one of type `to` is wanted? */
static bool widens(Type from, Type to)
{
    Shape s;

    if (from.batched && !to.batched)
        return false;
    if (from.dt != to.dt && !(dtype_real(from.dt) && to.dt == DT_f64))
        return false;
    return broadcast_shapes(from.shape, to.shape, &s) && shape_eq(s, to.shape);
}

Val node_convert(Elab *e, Span at, const Value *given, Type to)
{
    Value v = draw_settle(e, *given, &to.shape);
    Val x;

    switch (v.kind) {
    case V_INT:
    case V_REAL:
        if (to.dt == DT_bool || (to.dt == DT_i32 && v.kind == V_REAL))
            return NULL;
        x = node_const(e, at, to.dt, v.num);
        break;
    case V_BOOL:
        x = to.dt == DT_bool ? ir_const(e->g, DT_bool, (double)v.i) : NULL;
        break;
    case V_TENSOR:
        x = widens(v.val->type, to) ? v.val : NULL;
        break;
    default:
        x = NULL;
    }
    if (x == NULL)
        return NULL;
    x = node_broadcast(e, at, ir_cast(e->g, x, to.dt), to.shape);
    return x && to.batched ? ir_spread(e->g, x) : x;
}

Val node_exact(Elab *e, Span at, const Value *given, Type to)
{
    Value v = draw_settle(e, *given, &to.shape);

    if (v.kind != V_TENSOR ? to.shape.rank > 0
                           : !shape_eq(v.val->type.shape, to.shape))
        return NULL;
    return node_convert(e, at, &v, to);
}

DType real_now(Elab *e, DType dt)
{
    return dtype_real(dt) && e->real == DT_f64 ? DT_f64 : dt;
}

Val input_node(Elab *e, InputKind kind, const char *name, Type type, Span span)
{
    return ir_origin(e->g, ir_input(e->g, kind, name, type), span, name);
}
