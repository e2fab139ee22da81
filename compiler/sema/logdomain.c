/*
 * logdomain.c -- reals kept as mantissa and logarithm: m * exp(s).
 *
 * `from_log(x)` is the number whose natural logarithm is x, far outside the
 * range of doubles if need be: a loss of 1e-882 is x = -2031. Its mantissa is
 * exp(x - s) with s = x behind stop_gradient: always 1, but it carries the
 * derivatives. So s never has a gradient, and grad(m exp(s), v) is
 * grad(m, v) exp(s): again a mantissa of ordinary size beside the same scale.
 *
 *   product    (m n, s + t)            quotient, powers, roots likewise
 *   sum        m exp(s - u) + n exp(t - u) beside u = max(s, t), after both
 *              mantissas were brought to size 1
 *   batch_sum  sum of m exp(s - u) beside u = max of s over the batch
 *   order      that of the mantissas beside one scale
 *   log        s + log(m)
 *
 * Nothing is ever exp(s) itself but where real(..) or real64(..) asks for the
 * plain number. The graph below is ordinary arithmetic in double precision;
 * 0 has a scale of -1e300.
 */
#include "sema/builtin.h"

#include <math.h>

static const double NOTHING = -1e300; // the logarithm of 0

static Value log_make(Value m, Value s)
{
    if (m.kind != V_TENSOR || s.kind != V_TENSOR)
        return POISON;
    return (Value){.kind = V_LOG, .val = m.val, .scale = s.val};
}

static Value mantissa(const Value *v)
{
    return value_tensor(v->val);
}

static Value scale(const Value *v)
{
    return value_tensor(v->scale);
}

static Value apply2(Elab *e, Span at, Op op, Value x, Value y)
{
    return x.kind == V_POISON || y.kind == V_POISON ? POISON
                                                    : elem2(e, at, op, x, y);
}

static Value apply1(Elab *e, Span at, Op op, Value x)
{
    return x.kind == V_POISON ? POISON : elem1(e, at, op, x);
}

static Value choose(Elab *e, Span at, Value c, Value x, Value y)
{
    Arg arg[3] = {{.v = c, .span = at}, {.v = x, .span = at},
                  {.v = y, .span = at}};

    if (c.kind == V_POISON || x.kind == V_POISON || y.kind == V_POISON)
        return POISON;
    return elem(e, at, OP_select, arg, 3);
}

static Value real64_of(Elab *e, Span at, Value v)
{
    Arg x = {.v = v, .span = at};

    if (v.kind == V_POISON)
        return POISON;
    if (is_number(&v)) // a tensor, so that what follows is double precision
        return value_tensor(ir_const(e->g, DT_f64, v.num));
    return elem_cast(e, at, &x, DT_f64);
}

/* exp(x - stop(x)) beside stop(x). */
static Value make_from_log(Elab *e, Span at, Value x)
{
    x = real64_of(e, at, x);
    Value s = apply1(e, at, OP_stop_gradient,
                     apply2(e, at, OP_max, x, value_real(NOTHING)));

    return log_make(apply1(e, at, OP_exp, apply2(e, at, OP_sub, x, s)), s);
}

Value prim_from_log(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)p;
    if (!is_number(&arg[0].v) && need_real_val(e, &arg[0], "a logarithm") ==
        NULL)
        return POISON;
    return make_from_log(e, at, arg[0].v);
}

/* A plain number as m = x beside 0; not yet of size 1. */
static Value promote(Elab *e, const Arg *x)
{
    if (x->v.kind == V_LOG)
        return x->v;
    Value m = draw_settle(e, x->v, NULL);
    if (is_number(&m))
        m = real64_of(e, x->span, m);
    if (m.kind == V_TENSOR && !dtype_real(m.val->type.dt))
        return sema_error(e, x->span, "a log-domain real is combined with "
                          "reals, not with %s", value_text(e, &m));
    return log_make(m, value_tensor(ir_const(e->g, DT_f64, 0)));
}

/* The same number with a mantissa of size 1, or 0 beside NOTHING. */
static Value normalized(Elab *e, Span at, Value v)
{
    Value m = real64_of(e, at, mantissa(&v));
    Value size = apply1(e, at, OP_abs, m);
    Value some = apply2(e, at, OP_lt, value_real(0), size);
    Value l = choose(e, at, some, size, value_real(1));

    l = apply1(e, at, OP_stop_gradient, apply1(e, at, OP_log, l));
    m = apply2(e, at, OP_mul, m,
               apply1(e, at, OP_exp, apply1(e, at, OP_neg, l)));
    return log_make(m, choose(e, at, some,
                              apply2(e, at, OP_add, scale(&v), l),
                              value_real(NOTHING)));
}

/* m exp(s - u) */
static Value beside(Elab *e, Span at, const Value *v, Value u)
{
    Value f = apply1(e, at, OP_exp, apply2(e, at, OP_sub, scale(v), u));

    return apply2(e, at, OP_mul, mantissa(v), f);
}

/* Both mantissas beside one scale u. */
static bool align(Elab *e, Span at, Value x, Value y, Value *m, Value *n,
                  Value *u)
{
    if (x.scale == y.scale) {
        *m = mantissa(&x);
        *n = mantissa(&y);
        *u = scale(&x);
        return true;
    }
    x = normalized(e, at, x);
    y = normalized(e, at, y);
    if (x.kind == V_POISON || y.kind == V_POISON)
        return false;
    *u = apply2(e, at, OP_max, scale(&x), scale(&y));
    *m = beside(e, at, &x, *u);
    *n = beside(e, at, &y, *u);
    return m->kind != V_POISON && n->kind != V_POISON;
}

/* A scalar mantissa takes the precision of the tensor it scales. */
static void narrow(Elab *e, Value *x, Value *y)
{
    for (int k = 0; k < 2; k++) {
        Value *one = k ? y : x;
        const Value *many = k ? x : y;
        if (one->val->type.shape.rank == 0 && many->val->type.shape.rank &&
            many->val->type.dt == DT_f32)
            one->val = ir_cast(e->g, one->val, DT_f32);
    }
}

static Value product(Elab *e, Span at, Op op, Value x, Value y)
{
    narrow(e, &x, &y);
    return log_make(elem2(e, at, op, mantissa(&x), mantissa(&y)),
                    elem2(e, at, op == OP_mul ? OP_add : OP_sub, scale(&x),
                          scale(&y)));
}

static Value power(Elab *e, Span at, const Arg *arg)
{
    Value x = promote(e, &arg[0]), k = arg[1].v;

    if (x.kind == V_POISON)
        return POISON;
    if (!is_number(&k)) {
        sema_error(e, arg[1].span, "a log-domain real is raised to a number "
                                   "known when compiling, not to %s",
                   value_text(e, &k));
        return POISON;
    }
    return log_make(elem2(e, at, OP_pow, mantissa(&x), k),
                    elem2(e, at, OP_mul, scale(&x), k));
}

static Value select_log(Elab *e, Span at, const Arg *arg)
{
    if (arg[0].v.kind == V_LOG)
        return sema_error(e, arg[0].span, "the condition must be a bool, not "
                          "%s", value_text(e, &arg[0].v));
    Value x = promote(e, &arg[1]), y = promote(e, &arg[2]);

    if (x.kind == V_POISON || y.kind == V_POISON)
        return POISON;
    return log_make(choose(e, at, arg[0].v, mantissa(&x), mantissa(&y)),
                    choose(e, at, arg[0].v, scale(&x), scale(&y)));
}

static Value misfit(Elab *e, const Arg *x, Op op)
{
    sema_error(e, x->span, "\"%s\" takes plain reals, and this is %s",
               op_info[op].name, value_text(e, &x->v));
    sema_help(e, "real64(..) is its value, log(..) its logarithm");
    return POISON;
}

static Value one_operand(Elab *e, Span at, Op op, const Arg *arg)
{
    const Value *v = &arg->v;

    switch (op) {
    case OP_neg:
    case OP_abs:
    case OP_relu:
    case OP_stop_gradient:
        return log_make(elem1(e, at, op, mantissa(v)), scale(v));
    case OP_sqrt:
        return log_make(elem1(e, at, op, mantissa(v)),
                        elem2(e, at, OP_mul, scale(v), value_real(0.5)));
    case OP_sign:
        return elem1(e, at, op, mantissa(v));
    case OP_is_finite:
        return apply2(e, at, OP_and, elem1(e, at, op, mantissa(v)),
                      elem1(e, at, op, scale(v)));
    case OP_log:
        return apply2(e, at, OP_add, scale(v),
                      real64_of(e, at, elem1(e, at, OP_log, mantissa(v))));
    default:
        return misfit(e, arg, op);
    }
}

Value log_elem(Elab *e, Span at, Op op, const Arg *arg, int n)
{
    Value m, k, u, c;

    for (int i = 0; i < n; i++)
        if (arg[i].v.kind == V_POISON)
            return POISON;
    if (n == 1)
        return one_operand(e, at, op, arg);
    if (op == OP_select)
        return select_log(e, at, arg);
    if (op == OP_pow)
        return power(e, at, arg);
    Value x = promote(e, &arg[0]), y = promote(e, &arg[1]);
    if (x.kind == V_POISON || y.kind == V_POISON)
        return POISON;
    switch (op) {
    case OP_mul:
    case OP_div:
        return product(e, at, op, x, y);
    case OP_add:
    case OP_sub:
        return align(e, at, x, y, &m, &k, &u)
                   ? log_make(apply2(e, at, op, m, k), u) : POISON;
    case OP_lt: case OP_le: case OP_eq: case OP_ne:
        return align(e, at, x, y, &m, &k, &u) ? apply2(e, at, op, m, k)
                                              : POISON;
    case OP_max:
    case OP_min:
        if (!align(e, at, x, y, &m, &k, &u))
            return POISON;
        c = op == OP_max ? apply2(e, at, OP_lt, m, k)
                         : apply2(e, at, OP_lt, k, m);
        return log_make(choose(e, at, c, mantissa(&y), mantissa(&x)),
                        choose(e, at, c, scale(&y), scale(&x)));
    default:
        return misfit(e, arg[0].v.kind == V_LOG ? &arg[0] : &arg[1], op);
    }
}

/* The plain number: the one place where it may leave the range of doubles. */
Value log_cast(Elab *e, Span at, const Arg *x, DType to)
{
    Value f = apply1(e, at, OP_exp, scale(&x->v)), m = mantissa(&x->v);

    if (!dtype_real(to))
        return sema_error(e, x->span, "%s is made a plain real first: "
                          "real64(..)", value_text(e, &x->v));
    if (f.kind == V_POISON)
        return POISON;
    narrow(e, &m, &f);
    Value plain = apply2(e, at, OP_mul, m, f);
    return elem_cast(e, at, &(Arg){.v = plain, .span = at}, to);
}

/* --- reductions ---------------------------------------------------------- */

/* sum, mean over dims: axis[0 .. 2] are axis, axes, keep. */
Value log_reduce(Elab *e, Span at, const Prim *p, const Arg *arg)
{
    Value v = arg[0].v;
    Arg in[PRIM_ARGS];

    for (int k = 0; k < PRIM_ARGS; k++)
        in[k] = arg[k];
    if (v.scale->type.shape.rank == 0) {
        in[0].v = mantissa(&v);
        return log_make(p->run(e, p, in, at), scale(&v));
    }
    const Prim *max = prim_find("max");
    v = normalized(e, at, v);
    if (v.kind == V_POISON)
        return POISON;
    Arg top[PRIM_ARGS] = {{.v = scale(&v), .span = at}, {.v = ABSENT},
                          in[1], in[2], {.v = value_bool(true), .span = at},
                          {.v = ABSENT}};
    Value u = max->run(e, max, top, at);
    if (u.kind == V_POISON)
        return POISON;
    in[0].v = beside(e, at, &v, u);
    top[4] = in[3];
    return log_make(p->run(e, p, in, at), max->run(e, max, top, at));
}

Value log_batch(Elab *e, Span at, Value v, bool mean)
{
    if (v.scale->type.batched) {
        v = normalized(e, at, v);
        if (v.kind == V_POISON)
            return POISON;
        Value u = value_tensor(node_op(e, at, OP_batch_max, v.scale));
        v = log_make(beside(e, at, &v, u), u);
        if (v.kind == V_POISON)
            return POISON;
    }
    Value m = mean ? batch_mean_of(e, at, v.val)
                   : value_tensor(node_op(e, at, OP_batch_sum, v.val));
    return log_make(m, scale(&v));
}

bool log_batched(const Value *v)
{
    return v->val->type.batched || v->scale->type.batched;
}
