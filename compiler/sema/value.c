/*
 * value.c -- values known while compiling, and what asks for one.
 *
 * A need_* function returns the constant of the kind a place needs or reports
 * what stands there instead, naming the phase where it comes too late.
 */
#include "sema/elab.h"

#include <math.h>
#include <string.h>

const Value POISON = {.kind = V_POISON};
const Value ABSENT = {.kind = V_ABSENT};
const Value VOID = {.kind = V_VOID};

Value value_int(int64_t i)
{
    return (Value){.kind = V_INT, .i = i, .num = (double)i};
}

Value value_real(double x)
{
    return (Value){.kind = V_REAL, .num = x};
}

Value value_bool(bool b)
{
    return (Value){.kind = V_BOOL, .i = b};
}

Value value_string(const char *s)
{
    return (Value){.kind = V_STRING, .s = s};
}

Value value_tensor(Val v)
{
    return v ? (Value){.kind = V_TENSOR, .val = v} : POISON;
}

Value value_list(Elab *e, const Value *item, int n)
{
    Value *own = NEW_N(e->a, Value, n + 1);

    if (n)
        memcpy(own, item, sizeof *item * (size_t)n);
    return (Value){.kind = V_LIST, .item = own, .n = n};
}

bool value_same(const Value *a, const Value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case V_INT:
    case V_BOOL:
        return a->i == b->i;
    case V_REAL:
        return a->num == b->num;
    case V_STRING:
        return strcmp(a->s, b->s) == 0;
    case V_TENSOR:
    case V_LOG:
        return a->val == b->val && a->scale == b->scale;
    case V_DRAW:
        return a->draw == b->draw;
    case V_LIST:
    case V_TUPLE:
        return a->item == b->item && a->n == b->n;
    default:
        return a->decl == b->decl && a->prim == b->prim;
    }
}

Arg item_arg(const Arg *list, int k)
{
    Arg x = {.v = list->v.item[k], .span = list->span};

    if (list->ast && list->ast->kind == AST_list && k < list->ast->n) {
        x.ast = list->ast->kid[k];
        x.span = x.ast->span;
    }
    return x;
}

bool need_int(Elab *e, const Arg *x, const char *what, int64_t *out)
{
    if (x->v.kind == V_INT) {
        *out = x->v.i;
        return true;
    }
    if (x->v.kind == V_POISON)
        return false;
    if (x->v.kind == V_REAL) {
        sema_error(e, x->span, "%s must be a whole number, not %s", what,
                   value_text(e, &x->v));
        sema_help(e, "\"/\" of two ints is a real where it does not divide; "
                     "\"//\" rounds down");
    } else {
        error_phase(e, x->span, what, &x->v);
    }
    return false;
}

bool need_size(Elab *e, const Arg *x, const char *what, int64_t *out)
{
    if (!need_int(e, x, what, out))
        return false;
    if (*out >= 0 && *out <= SIZE_MAX_ELEMENTS)
        return true;
    sema_error(e, x->span, *out < 0 ? "%s is negative: %lld"
                                    : "%s is too large: %lld",
               what, (long long)*out);
    return false;
}

bool need_real(Elab *e, const Arg *x, const char *what, double *out)
{
    if (is_number(&x->v)) {
        *out = x->v.num;
        return true;
    }
    if (x->v.kind != V_POISON)
        error_phase(e, x->span, what, &x->v);
    return false;
}

bool need_bool(Elab *e, const Arg *x, const char *what, bool *out)
{
    if (x->v.kind == V_BOOL) {
        *out = x->v.i != 0;
        return true;
    }
    if (x->v.kind == V_POISON)
        return false;
    if (is_number(&x->v))
        sema_error(e, x->span, "%s must be a bool, not %s", what,
                   value_text(e, &x->v));
    else
        error_phase(e, x->span, what, &x->v);
    return false;
}

bool need_shape(Elab *e, const Arg *x, const char *what, Shape *out)
{
    *out = (Shape){0};
    if (x->v.kind == V_INT) {
        out->rank = 1;
        return need_size(e, x, what, &out->dim[0]);
    }
    if (x->v.kind != V_LIST) {
        if (x->v.kind != V_POISON)
            sema_error(e, x->span, "%s is a list of sizes like [3, 4], not %s",
                       what, value_text(e, &x->v));
        return false;
    }
    if (x->v.n > RANK_MAX) {
        sema_error(e, x->span, "%s has %d dims; at most %d are possible", what,
                   x->v.n, RANK_MAX);
        return false;
    }
    out->rank = x->v.n;
    for (int k = 0; k < x->v.n; k++) {
        Arg item = item_arg(x, k);
        if (!need_size(e, &item, "a size", &out->dim[k]))
            return false;
    }
    return size_ok(e, x->span, *out);
}

bool need_ints(Elab *e, const Arg *x, const char *what, int n, int64_t *out)
{
    if (x->v.kind != V_LIST) {
        if (!need_int(e, x, what, &out[0]))
            return false;
        for (int k = 1; k < n; k++)
            out[k] = out[0];
        return true;
    }
    if (x->v.n != n) {
        sema_error(e, x->span, "%s is an int or a list of %d ints, not of %d",
                   what, n, x->v.n);
        return false;
    }
    for (int k = 0; k < n; k++) {
        Arg item = item_arg(x, k);
        if (!need_int(e, &item, what, &out[k]))
            return false;
    }
    return true;
}

Val need_val(Elab *e, const Arg *x, const char *what)
{
    Value v = draw_settle(e, x->v, NULL);

    switch (v.kind) {
    case V_POISON:
        return NULL;
    case V_TENSOR:
        return v.val;
    case V_INT:
        return node_const(e, x->span, DT_i32, v.num);
    case V_REAL:
        return node_const(e, x->span, e->real, v.num);
    case V_BOOL:
        return node_const(e, x->span, DT_bool, (double)v.i);
    default:
        sema_error(e, x->span, "%s must be a tensor or a number, not %s", what,
                   value_text(e, &v));
        if (v.kind == V_LOG)
            sema_help(e, "real64(..) is its value, log(..) its logarithm");
        return NULL;
    }
}

Val need_real_val(Elab *e, const Arg *x, const char *what)
{
    if (is_number(&x->v))
        return node_const(e, x->span, e->real, x->v.num);
    Val v = need_val(e, x, what);
    if (v == NULL || dtype_real(v->type.dt))
        return v;
    sema_error(e, x->span, "%s must be real, not %s", what,
               type_words(e, v->type));
    note_operand(e, x);
    sema_help(e, "real(..) converts");
    return NULL;
}
