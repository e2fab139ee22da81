/*
 * elem.c -- elementwise ops on values of any kind.
 *
 *   numbers only               folded
 *   a draw and no shaped tensor  a new draw expression
 *   else                       every operand becomes a node of the joint type:
 *                              numbers take the type of the tensors, draws the
 *                              joint shape, shapes are broadcast from the right
 */
#include "sema/elab.h"

typedef enum { // what an op takes
    TAKE_NUMBER, TAKE_REAL, TAKE_BOOL, TAKE_ANY, TAKE_SELECT
} Take;

static Take taken(Op op)
{
    switch (op) {
    case OP_add: case OP_sub: case OP_mul: case OP_div: case OP_mod:
    case OP_max: case OP_min: case OP_neg: case OP_abs: case OP_sign:
    case OP_lt: case OP_le:
        return TAKE_NUMBER;
    case OP_not: case OP_and: case OP_or:
        return TAKE_BOOL;
    case OP_eq: case OP_ne: case OP_stop_gradient:
        return TAKE_ANY;
    case OP_select:
        return TAKE_SELECT;
    default:
        return TAKE_REAL;
    }
}

/* How messages call the op. */
static const char *spelling(Op op)
{
    switch (op) {
    case OP_add: return "+";
    case OP_sub: case OP_neg: return "-";
    case OP_mul: return "*";
    case OP_div: return "/";
    case OP_mod: return "%";
    case OP_pow: return "**";
    case OP_lt: return "<";
    case OP_le: return "<=";
    case OP_eq: return "==";
    case OP_ne: return "!=";
    case OP_select: return "if ... then ... else";
    default: return op_info[op].name;
    }
}

bool broadcast_shapes(Shape a, Shape b, Shape *out)
{
    int rank = a.rank > b.rank ? a.rank : b.rank;

    *out = (Shape){.rank = rank};
    for (int k = 1; k <= rank; k++) {
        int64_t x = k <= a.rank ? a.dim[a.rank - k] : 1;
        int64_t y = k <= b.rank ? b.dim[b.rank - k] : 1;
        if (x != y && x != 1 && y != 1)
            return false;
        out->dim[rank - k] = x == 1 ? y : x;
    }
    return true;
}

/* The joint shape of the tensors among the operands; *shaped: is any of them
 * more than a scalar. */
static bool joint_shape(Elab *e, Span at, Op op, const Arg *arg, int n,
                        Shape *out, bool *shaped)
{
    const Arg *first = NULL;

    *out = (Shape){0};
    *shaped = false;
    for (int k = 0; k < n; k++) {
        if (arg[k].v.kind != V_TENSOR || arg[k].v.val->type.shape.rank == 0)
            continue;
        Shape s = arg[k].v.val->type.shape;
        if (!broadcast_shapes(*out, s, out)) {
            sema_error(e, at, "the shapes %s and %s do not fit in \"%s\"",
                       shape_text(e->a, first->v.val->type.shape),
                       shape_text(e->a, s), spelling(op));
            note_operand(e, first);
            note_operand(e, &arg[k]);
            return false;
        }
        *shaped = true;
        first = first ? first : &arg[k];
    }
    return true;
}

static Value misfit(Elab *e, const Arg *x, Op op, const char *wanted)
{
    sema_error(e, x->span, "\"%s\" takes %s, not %s", spelling(op), wanted,
               value_text(e, &x->v));
    if (x->v.kind == V_TENSOR) {
        note_operand(e, x);
        if (x->v.val->type.dt == DT_i32)
            sema_help(e, "real(..) converts an int");
        else if (x->v.val->type.dt == DT_bool)
            sema_help(e, "real(..) makes 0 and 1 of a bool");
    }
    return POISON;
}

/* The common element type of operands lo .. n - 1, from what is there. */
static bool joint_dtype(Elab *e, Op op, const Arg *arg, int lo, int n,
                        Take take, DType *out)
{
    const Arg *real = NULL, *whole = NULL, *truth = NULL;
    bool wide = false, number_is_real = take == TAKE_REAL;

    for (int k = lo; k < n; k++) {
        const Value *v = &arg[k].v;
        if (v->kind == V_REAL || (v->kind == V_TENSOR &&
                                  dtype_real(v->val->type.dt)))
            real = real ? real : &arg[k];
        else if (v->kind == V_BOOL || (v->kind == V_TENSOR &&
                                       v->val->type.dt == DT_bool))
            truth = &arg[k];
        else if (v->kind == V_TENSOR)
            whole = &arg[k];
        wide = wide || (v->kind == V_TENSOR && v->val->type.dt == DT_f64);
    }
    if (truth && (take == TAKE_NUMBER || take == TAKE_REAL))
        return misfit(e, truth, op, take == TAKE_REAL ? "reals" : "numbers"),
               false;
    if (whole && take == TAKE_REAL)
        return misfit(e, whole, op, "reals"), false;
    if ((whole && real) || (truth && (real || whole))) {
        const Arg *bad = truth ? truth : whole;
        sema_error(e, bad->span, "\"%s\" does not mix %s with %s", spelling(op),
                   truth ? "bools" : "ints", real ? "reals" : "ints");
        note_operand(e, bad);
        note_operand(e, real ? real : whole);
        sema_help(e, "real(..) converts");
        return false;
    }
    *out = truth ? DT_bool : real || number_is_real
               ? (wide ? DT_f64 : e->real) : DT_i32;
    return true;
}

/* One operand as a node of element type dt and the joint shape. */
static Val operand(Elab *e, const Arg *x, DType dt, Shape shape)
{
    Val v;

    if (x->v.kind == V_TENSOR)
        v = ir_cast(e->g, x->v.val, dt);
    else
        v = node_const(e, x->span, dt, x->v.kind == V_BOOL ? (double)x->v.i
                                                         : x->v.num);
    return v ? node_broadcast(e, x->span, v, shape) : NULL;
}

static Value build(Elab *e, Span at, Op op, const Arg *arg, int n, Shape shape)
{
    Take take = taken(op);
    int lo = take == TAKE_SELECT ? 1 : 0;
    DType dt = DT_bool;
    Val src[3];

    if (lo) {
        const Value *c = &arg[0].v;
        if (c->kind != V_TENSOR || c->val->type.dt != DT_bool)
            return misfit(e, &arg[0], op, "a bool condition");
    }
    if (take == TAKE_BOOL) {
        for (int k = 0; k < n; k++)
            if (arg[k].v.kind != V_BOOL &&
                (arg[k].v.kind != V_TENSOR ||
                 arg[k].v.val->type.dt != DT_bool))
                return misfit(e, &arg[k], op, "bools");
    } else if (!joint_dtype(e, op, arg, lo, n, take, &dt)) {
        return POISON;
    }
    for (int k = 0; k < n; k++) {
        src[k] = operand(e, &arg[k], k < lo ? DT_bool : dt, shape);
        if (src[k] == NULL)
            return POISON;
    }
    return value_tensor(node_make(e, at, op, NULL, src, n));
}

/* Settles draws, refuses what is no number; false: `out` is the result. */
static bool prepare(Elab *e, Op op, Arg *arg, int n, Value *out)
{
    *out = POISON;
    for (int k = 0; k < n; k++) {
        arg[k].v = draw_look(e, arg[k].v);
        if (arg[k].v.kind == V_POISON)
            return false;
        if (!is_known(&arg[k].v) && arg[k].v.kind != V_TENSOR &&
            arg[k].v.kind != V_DRAW) {
            misfit(e, &arg[k], op, "numbers and tensors");
            return false;
        }
    }
    return true;
}

/* `x and false`, `if true ...`: what a known bool decides. */
static bool shortcut(Op op, const Arg *arg, Value *out)
{
    if (op != OP_and && op != OP_or)
        return false;
    for (int k = 0; k < 2; k++) {
        if (arg[k].v.kind != V_BOOL)
            continue;
        *out = (arg[k].v.i != 0) == (op == OP_or) ? arg[k].v : arg[1 - k].v;
        return true;
    }
    return false;
}

Value elem(Elab *e, Span at, Op op, const Arg *given, int n)
{
    Arg arg[3] = {0};
    bool known = true, draws = false, shaped;
    Shape shape;
    Value out;

    for (int k = 0; k < n; k++) {
        arg[k] = given[k];
        if (given[k].v.kind == V_LOG)
            return log_elem(e, at, op, given, n);
    }
    if (!prepare(e, op, arg, n, &out))
        return out;
    for (int k = 0; k < n; k++) {
        known = known && is_known(&arg[k].v);
        draws = draws || arg[k].v.kind == V_DRAW;
    }
    if (op == OP_select && arg[0].v.kind == V_BOOL)
        return arg[0].v.i ? arg[1].v : arg[2].v;
    if (known)
        return fold(e, at, op, arg, n);
    if (shortcut(op, arg, &out))
        return out;
    if (!joint_shape(e, at, op, arg, n, &shape, &shaped))
        return POISON;
    if (draws && !shaped)
        return draw_apply(e, at, op, arg, n, e->real);
    for (int k = 0; k < n; k++) {
        arg[k].v = draw_settle(e, arg[k].v, &shape);
        if (arg[k].v.kind == V_POISON)
            return POISON;
    }
    if (draws && !joint_shape(e, at, op, arg, n, &shape, &shaped))
        return POISON;
    return build(e, at, op, arg, n, shape);
}

static const char *dtype_word(DType dt)
{
    return dt == DT_i32 ? "an int" : dt == DT_bool ? "a bool" : "a real";
}

Value elem_cast(Elab *e, Span at, const Arg *x, DType to)
{
    Value v = draw_look(e, x->v);

    switch (v.kind) {
    case V_POISON:
        return POISON;
    case V_INT:
    case V_REAL:
    case V_BOOL: {
        double f = v.kind == V_BOOL ? (double)v.i : v.num;
        if (to == DT_bool)
            return value_bool(f != 0);
        if (to == DT_i32 && v.kind != V_REAL)
            return value_int(v.i);
        if (to == DT_i32 && !(f > -9e18 && f < 9e18))
            return sema_error(e, at, "%g is no int", f);
        if (to == DT_f64 && e->real != DT_f64) // real64(2): a tensor
            return value_tensor(ir_const(e->g, DT_f64, f));
        return to == DT_i32 ? value_int((int64_t)f) : value_real(f);
    }
    case V_LOG:
        return log_cast(e, at, &(Arg){.v = v, .span = x->span}, to);
    case V_DRAW:
        return draw_apply(e, at, OP_cast, &(Arg){.v = v, .span = x->span}, 1,
                          to);
    case V_TENSOR:
        if (v.val->type.dt == to)
            return v;
        return value_tensor(node_make(e, at, OP_cast,
                                      &(Attr){.n = 1, .i = {to}}, &v.val, 1));
    default:
        return sema_error(e, x->span, "%s cannot be made %s",
                          value_text(e, &v), dtype_word(to));
    }
}

Value elem1(Elab *e, Span at, Op op, Value x)
{
    return elem(e, at, op, &(Arg){.v = x, .span = at}, 1);
}

Value elem2(Elab *e, Span at, Op op, Value x, Value y)
{
    Arg arg[2] = {{.v = x, .span = at}, {.v = y, .span = at}};

    return elem(e, at, op, arg, 2);
}
