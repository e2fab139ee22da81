/*
 * fold.c -- elementwise ops on numbers known when compiling.
 *
 * ints are 64-bit with overflow reported; reals are doubles. A result that is
 * no number is an error where it arises, so that it cannot hide in a graph.
 */
#include "sema/elab.h"

#include <math.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static bool int_pow(int64_t x, int64_t n, int64_t *out)
{
    *out = 1;
    if (x == 0 || x == 1 || x == -1) {
        *out = x == -1 && n % 2 == 0 ? 1 : n == 0 ? 1 : x;
        return true;
    }
    for (; n > 0; n--)
        if (__builtin_mul_overflow(*out, x, out))
            return false;
    return true;
}

static Value overflow(Elab *e, Span at)
{
    return sema_error(e, at, "the int overflows: it does not fit 64 bits");
}

static Value fold_int(Elab *e, Span at, Op op, int64_t x, int64_t y)
{
    int64_t z = 0;
    bool over = false;

    switch (op) {
    case OP_add:
        over = __builtin_add_overflow(x, y, &z);
        break;
    case OP_sub:
        over = __builtin_sub_overflow(x, y, &z);
        break;
    case OP_mul:
        over = __builtin_mul_overflow(x, y, &z);
        break;
    case OP_neg:
        over = __builtin_sub_overflow((int64_t)0, x, &z);
        break;
    case OP_abs:
        over = x < 0 && __builtin_sub_overflow((int64_t)0, x, &z);
        z = x < 0 ? z : x;
        break;
    case OP_sign:
        z = (x > 0) - (x < 0);
        break;
    case OP_div:
    case OP_mod:
        if (y == 0)
            return sema_error(e, at, "division by zero");
        if (y == -1) // INT64_MIN / -1 overflows
            over = __builtin_sub_overflow((int64_t)0, x, &z);
        else
            z = floor_div(x, y);
        if (op == OP_mod)
            return value_int(y == -1 ? 0 : x - y * z);
        break;
    case OP_pow:
        over = !int_pow(x, y, &z);
        break;
    case OP_max:
        z = x > y ? x : y;
        break;
    case OP_min:
        z = x < y ? x : y;
        break;
    case OP_lt:
        return value_bool(x < y);
    case OP_le:
        return value_bool(x <= y);
    case OP_eq:
        return value_bool(x == y);
    case OP_ne:
        return value_bool(x != y);
    default:
        internal_error("no int meaning of %s", op_info[op].name);
    }
    return over ? overflow(e, at) : value_int(z);
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double real1(Op op, double x)
{
    switch (op) {
    case OP_neg: return -x;
    case OP_abs: return fabs(x);
    case OP_sign: return (x > 0) - (x < 0);
    case OP_exp: return exp(x);
    case OP_expm1: return expm1(x);
    case OP_log: return log(x);
    case OP_log1p: return log1p(x);
    case OP_sqrt: return sqrt(x);
    case OP_tanh: return tanh(x);
    case OP_sigmoid: return sigmoid(x);
    case OP_softplus: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case OP_erf: return erf(x);
    case OP_sin: return sin(x);
    case OP_cos: return cos(x);
    case OP_floor: return floor(x);
    case OP_round: return nearbyint(x);
    case OP_relu: return x > 0 ? x : 0;
    case OP_stop_gradient: return x;
    default: internal_error("no real meaning of %s", op_info[op].name);
    }
}

static double real2(Op op, double x, double y)
{
    switch (op) {
    case OP_add: return x + y;
    case OP_sub: return x - y;
    case OP_mul: return x * y;
    case OP_div: return x / y;
    case OP_mod: return x - y * floor(x / y);
    case OP_pow: return pow(x, y);
    case OP_max: return x > y ? x : y;
    case OP_min: return x < y ? x : y;
    default: internal_error("no real meaning of %s", op_info[op].name);
    }
}

static bool compare(Op op, double x, double y)
{
    switch (op) {
    case OP_lt: return x < y;
    case OP_le: return x <= y;
    case OP_eq: return x == y;
    default: return x != y;
    }
}

static Value fold_bool(Elab *e, Span at, Op op, const Arg *arg)
{
    bool x = arg[0].v.i != 0, y = arg[1].v.i != 0;

    switch (op) {
    case OP_not: return value_bool(!x);
    case OP_and: return value_bool(x && y);
    case OP_or: return value_bool(x || y);
    case OP_eq: return value_bool(x == y);
    case OP_ne: return value_bool(x != y);
    default:
        return sema_error(e, at, "\"%s\" needs numbers, not bools",
                          op_info[op].name);
    }
}

/* Does the op of two ints stay among the ints? */
static bool is_int_op(Op op)
{
    switch (op) {
    case OP_add: case OP_sub: case OP_mul: case OP_neg: case OP_abs:
    case OP_sign: case OP_div: case OP_mod: case OP_max: case OP_min:
    case OP_lt: case OP_le: case OP_eq: case OP_ne: case OP_pow:
        return true;
    default:
        return false;
    }
}

Value fold(Elab *e, Span at, Op op, const Arg *arg, int n)
{
    const Value *x = &arg[0].v, *y = n > 1 ? &arg[1].v : x;
    bool ints = x->kind == V_INT && y->kind == V_INT;

    if (op == OP_select)
        return x->i ? arg[1].v : arg[2].v;
    if (op == OP_is_finite && is_number(x))
        return value_bool(isfinite(x->num));
    if (x->kind == V_BOOL && y->kind == V_BOOL)
        return fold_bool(e, at, op, (Arg[]){arg[0], arg[n > 1]});
    if (!is_number(x) || !is_number(y) || op == OP_not || op == OP_and ||
        op == OP_or) {
        const Arg *bad = is_number(x) == (op == OP_not || op == OP_and ||
                                          op == OP_or) ? &arg[0] : &arg[n > 1];
        return sema_error(e, bad->span, "%s does not fit here: %s is wanted",
                          value_text(e, &bad->v),
                          is_number(&bad->v) ? "a bool" : "a number");
    }
    if (ints && is_int_op(op) && !(op == OP_pow && y->i < 0))
        return fold_int(e, at, op, x->i, y->i);
    if (op == OP_lt || op == OP_le || op == OP_eq || op == OP_ne)
        return value_bool(compare(op, x->num, y->num));
    if ((op == OP_div || op == OP_mod) && y->num == 0)
        return sema_error(e, at, "division by zero");
    double z = n == 1 ? real1(op, x->num) : real2(op, x->num, y->num);
    if (isnan(z))
        return sema_error(e, at, "the result of \"%s\" is not a number: %s%s%s",
                          op_info[op].name, value_text(e, x), n > 1 ? ", " : "",
                          n > 1 ? value_text(e, y) : "");
    return value_real(z);
}
