/*
 * expr.c -- expressions, evaluated by walking them.
 *
 * What is known is computed, what is not becomes nodes. Depth and number of
 * evaluations are bounded, so no program can hang or overflow the compiler.
 */
#include "sema/elab.h"

#include <string.h>

static int memory_max_mib(const Elab *e)
{
    return e->opt->memory_mib ? e->opt->memory_mib : MEMORY_MAX_MIB;
}

bool eval_enter(Elab *e, Span at)
{
    if (e->dead)
        return false;
    if (e->evals % 1024 == 0 &&
        arena_bytes(e->a) >> 20 > (size_t)memory_max_mib(e)) {
        e->mute = 0;
        sema_error(e, at, "compiling takes more than %d MiB; it was given up "
                          "here", memory_max_mib(e));
        e->dead = true;
        return false;
    }
    if (++e->evals > EVALS_MAX) {
        e->mute = 0; // even in a trial: nothing comes after this
        sema_error(e, at, "compiling takes more than %d steps; it was given up "
                          "here", EVALS_MAX);
        sema_help(e, "`for` is unrolled when compiling; `repeat` is not");
        e->dead = true;
        return false;
    }
    if (e->depth >= DEPTH_MAX) {
        e->mute = 0;
        sema_error(e, at, "calls and expressions are nested too deep here");
        e->dead = true;
        return false;
    }
    e->depth++;
    return true;
}

void eval_leave(Elab *e)
{
    e->depth--;
}

Arg eval_arg(Elab *e, const Ast *x)
{
    return (Arg){.v = eval(e, x), .span = x->span, .ast = x};
}

/* --- operators ----------------------------------------------------------- */

static const struct {
    const char *text;
    Op op;
    bool swap; // of the operands
} operators[] = {
    {"+", OP_add, false}, {"-", OP_sub, false},  {"*", OP_mul, false},
    {"/", OP_div, false}, {"//", OP_div, false}, {"%", OP_mod, false},
    {"**", OP_pow, false}, {"==", OP_eq, false}, {"!=", OP_ne, false},
    {"<", OP_lt, false},  {"<=", OP_le, false},  {">", OP_lt, true},
    {">=", OP_le, true},  {"and", OP_and, false}, {"or", OP_or, false},
};

static bool is_int(const Value *v)
{
    return v->kind == V_INT ||
           (v->kind == V_TENSOR && v->val->type.dt == DT_i32);
}

/* Ints divide to a real unless both are known and it is exact. */
static Value divide(Elab *e, Span at, Arg *arg)
{
    const Value *x = &arg[0].v, *y = &arg[1].v;

    if (x->kind == V_INT && y->kind == V_INT) {
        if (y->i != 0 && y->i != -1 && x->i % y->i != 0)
            return value_real(x->num / y->num);
    } else if (is_int(x) && is_int(y)) {
        for (int k = 0; k < 2; k++)
            arg[k].v = elem_cast(e, arg[k].span, &arg[k], e->real);
    }
    return elem(e, at, OP_div, arg, 2);
}

/* Rounded towards minus infinity. */
static Value floor_divide(Elab *e, Span at, const Arg *arg)
{
    Value q = elem(e, at, OP_div, arg, 2);

    if (is_int(&arg[0].v) && is_int(&arg[1].v))
        return q;
    return elem1(e, at, OP_floor, q);
}

/* x ** 2 is x * x: its slope needs no logarithm, and x may be negative. */
static Value power(Elab *e, Span at, const Arg *arg)
{
    const Value *y = &arg[1].v;

    if (is_known(&arg[0].v) || !is_number(y))
        return elem(e, at, OP_pow, arg, 2);
    if (y->num == 1)
        return arg[0].v;
    if (y->num == 2)
        return elem(e, at, OP_mul, (Arg[]){arg[0], arg[0]}, 2);
    if (y->num == 0.5)
        return elem(e, at, OP_sqrt, arg, 1);
    return elem(e, at, OP_pow, arg, 2);
}

static Value range(Elab *e, Span at, const Arg *arg)
{
    int64_t lo, hi;

    if (!need_int(e, &arg[0], "a bound of \"..\"", &lo) ||
        !need_int(e, &arg[1], "a bound of \"..\"", &hi))
        return POISON;
    (void)at;
    return (Value){.kind = V_RANGE, .i = lo, .j = hi};
}

static bool is_plain(const Value *v) // compared when compiling
{
    return v->kind == V_STRING || v->kind == V_FN || v->kind == V_PRIM;
}

static Value binary(Elab *e, const Ast *x)
{
    Arg arg[2] = {eval_arg(e, x->kid[0]), eval_arg(e, x->kid[1])};
    const char *op = x->text;

    if (arg[0].v.kind == V_POISON || arg[1].v.kind == V_POISON)
        return POISON;
    if (strcmp(op, "..") == 0)
        return range(e, x->span, arg);
    if (strcmp(op, "@") == 0)
        return matmul(e, x->span, &arg[0], &arg[1]);
    if (strcmp(op, "/") == 0)
        return divide(e, x->span, arg);
    if (strcmp(op, "//") == 0)
        return floor_divide(e, x->span, arg);
    if (strcmp(op, "**") == 0)
        return power(e, x->span, arg);
    for (int k = 0; k < (int)ARRAY_LEN(operators); k++) {
        if (strcmp(op, operators[k].text) != 0)
            continue;
        Op node = operators[k].op;
        if ((node == OP_eq || node == OP_ne) && is_plain(&arg[0].v) &&
            is_plain(&arg[1].v))
            return value_bool(value_same(&arg[0].v, &arg[1].v) ==
                              (node == OP_eq));
        if (operators[k].swap)
            return elem(e, x->span, node, (Arg[]){arg[1], arg[0]}, 2);
        return elem(e, x->span, node, arg, 2);
    }
    internal_error("no meaning for the operator %s", op);
}

static Value unary(Elab *e, const Ast *x)
{
    Arg arg = eval_arg(e, x->kid[0]);

    if (strcmp(x->text, "not") == 0)
        return elem(e, x->span, OP_not, &arg, 1);
    if (strcmp(x->text, "+") == 0)
        return arg.v;
    return elem(e, x->span, OP_neg, &arg, 1);
}

/* A known condition chooses; its other branch is not even looked at. */
static Value conditional(Elab *e, const Ast *x)
{
    Arg arg[3] = {eval_arg(e, x->kid[0])};

    arg[0].v = draw_settle(e, arg[0].v, NULL);
    if (arg[0].v.kind == V_POISON)
        return POISON;
    if (arg[0].v.kind == V_BOOL)
        return eval(e, x->kid[arg[0].v.i ? 1 : 2]);
    if (arg[0].v.kind != V_TENSOR || arg[0].v.val->type.dt != DT_bool) {
        sema_error(e, arg[0].span, "the condition must be a bool, not %s",
                   value_text(e, &arg[0].v));
        return POISON;
    }
    arg[1] = eval_arg(e, x->kid[1]);
    arg[2] = eval_arg(e, x->kid[2]);
    return elem(e, x->span, OP_select, arg, 3);
}

static Value items(Elab *e, const Ast *x, ValueKind kind)
{
    Value *item = NEW_N(e->a, Value, x->n + 1);

    for (int k = 0; k < x->n; k++) {
        item[k] = eval(e, x->kid[k]);
        if (item[k].kind == V_POISON)
            return POISON;
    }
    return (Value){.kind = kind, .item = item, .n = x->n};
}

static Value eval_kind(Elab *e, const Ast *x)
{
    switch (x->kind) {
    case AST_int_:
        return value_int(x->inum);
    case AST_real_:
        return value_real(x->num);
    case AST_string:
        return value_string(x->text);
    case AST_bool_:
        return value_bool(x->inum != 0);
    case AST_name:
        return name_value(e, x);
    case AST_member:
        return member_value(e, x);
    case AST_unary:
        return unary(e, x);
    case AST_binary:
        return binary(e, x);
    case AST_call:
        return call_expr(e, x);
    case AST_index:
        return index_value(e, x);
    case AST_solve:
        return solve_value(e, x);
    case AST_cond:
        return conditional(e, x);
    case AST_list:
        return items(e, x, V_LIST);
    case AST_tuple:
        return items(e, x, V_TUPLE);
    case AST_whole:
        return sema_error(e, x->span, "\":\" stands only in a subscript");
    case AST_poison:
        return POISON;
    default:
        return sema_error(e, x->span, "a value is wanted here");
    }
}

Value eval(Elab *e, const Ast *x)
{
    if (x == NULL || !eval_enter(e, x->span))
        return POISON;
    Value v = eval_kind(e, x);
    eval_leave(e);
    return v;
}
