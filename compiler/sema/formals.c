/*
 * formals.c -- types as written, and arguments against formals.
 *
 * Shape variables are the bare names among the dims of formals that mean
 * nothing else. The first argument that has one solves it; then every type is
 * evaluated with them and each argument must fit its own.
 */
#include "sema/elab.h"

#include <math.h>
#include <string.h>

bool is_flavour(const Ast *callable, const char *flavour)
{
    return callable && callable->flavour &&
           strcmp(callable->flavour, flavour) == 0;
}

/* --- types --------------------------------------------------------------- */

static bool base_dtype(Elab *e, const Ast *type, DType *out)
{
    static const char *const names[] = {"real", "int", "bool", "real64",
                                        "class"};
    const DType dt[] = {e->real, DT_i32, DT_bool, DT_f64, DT_i32};

    for (int k = 0; k < (int)ARRAY_LEN(names); k++)
        if (strcmp(type->text, names[k]) == 0) {
            *out = dt[k];
            return true;
        }
    const char *close = diag_closest(type->text, names, ARRAY_LEN(names));
    sema_error(e, type->span, "unknown type \"%s\"", type->text);
    if (close)
        sema_help(e, "did you mean \"%s\"?", close);
    return false;
}

void types_check(Elab *e, const Ast *x)
{
    DType dt;

    if (x == NULL)
        return;
    if (x->kind == AST_type)
        base_dtype(e, x, &dt);
    for (int k = 0; k < x->n; k++)
        types_check(e, x->kid[k]);
}

static bool eval_range(Elab *e, const Ast *type, TypeSpec *t)
{
    Arg lo = eval_arg(e, type->kid[1]), hi = eval_arg(e, type->kid[2]);

    if (!need_real(e, &lo, "the lower end of a range", &t->lo) ||
        !need_real(e, &hi, "the upper end of a range", &t->hi))
        return false;
    t->ranged = true;
    if (t->lo <= t->hi)
        return true;
    sema_error(e, span_join(lo.span, hi.span), "the range [%g, %g] is empty",
               t->lo, t->hi);
    return false;
}

TypeSpec type_eval(Elab *e, const Ast *type)
{
    TypeSpec t = {0};
    const Ast *dims = type->kid[0];

    if (type->kind != AST_type || !base_dtype(e, type, &t.dt))
        return t;
    if (type->n > 3 && type->kid[3]) {
        Arg n = eval_arg(e, type->kid[3]);
        if (!need_int(e, &n, "the number of classes", &t.nclass))
            return t;
        if (t.nclass < 1 || t.nclass > INT32_MAX) {
            sema_error(e, n.span, "the number of classes cannot be %lld",
                       (long long)t.nclass);
            return t;
        }
    }
    if (dims && dims->n > RANK_MAX) {
        sema_error(e, dims->span, "a type has at most %d dims", RANK_MAX);
        return t;
    }
    for (int k = 0; dims && k < dims->n; k++) {
        Arg dim = eval_arg(e, dims->kid[k]);
        if (!need_size(e, &dim, "a dim", &t.shape.dim[t.shape.rank++]))
            return t;
    }
    if (!size_ok(e, type->span, t.shape))
        return t;
    if (type->n > 2 && type->kid[1] && !eval_range(e, type, &t))
        return t;
    t.ok = true;
    return t;
}

/* --- does a value fit a type --------------------------------------------- */

/* "declared here as real[N], which is real[3]", and where N comes from. */
static void note_type(Elab *e, const TypeSpec *t, const Ast *type)
{
    const Ast *dims = type->kid[0];
    const char *written = span_text(e->a, type->span);
    const char *full = type_words(e, type_of(t->dt, false, t->shape));
    bool solved = t->shape.rank && strncmp(written, full, strlen(full)) != 0;

    sema_note(e, type->span, "it is declared here as %s%s%s", written,
              solved ? ", which is " : "", solved ? full : "");
    for (int k = 0; dims && k < dims->n; k++) {
        const Binding *b = dims->kid[k]->kind == AST_name && e->frame
                               ? frame_find(e->frame, dims->kid[k]->text)
                               : NULL;
        if (b && b->v.kind == V_INT && b->span.src)
            sema_note(e, b->span, "%s = %lld comes from here", b->name,
                      (long long)b->v.i);
    }
}

static Value no_fit(Elab *e, const TypeSpec *t, const Arg *x, const char *what,
                    const Ast *type)
{
    sema_error(e, x->span, "%s is %s where %s is wanted", what,
               value_text(e, &x->v),
               t->nclass ? "a class label"
                         : type_words(e, type_of(t->dt, false, t->shape)));
    if (x->v.kind == V_TENSOR && x->ast && x->ast->kind == AST_name)
        note_operand(e, x);
    note_type(e, t, type);
    if (x->v.kind == V_TENSOR && dtype_real(t->dt) &&
        !dtype_real(x->v.val->type.dt))
        sema_help(e, "real(..) converts");
    return POISON;
}

static Value known_fit(Elab *e, const TypeSpec *t, const Arg *x,
                       const char *what, const Ast *type)
{
    const Value *v = &x->v;
    double f = v->kind == V_BOOL ? 0 : v->num;

    if ((t->dt == DT_bool) != (v->kind == V_BOOL) ||
        (t->dt == DT_i32 && v->kind != V_INT) || t->shape.rank)
        return no_fit(e, t, x, what, type);
    if (t->nclass && (v->i < 0 || v->i >= t->nclass))
        return sema_error(e, x->span, "%s is %lld; there are the classes 0 to "
                          "%lld", what, (long long)v->i,
                          (long long)t->nclass - 1);
    if (t->ranged && (f < t->lo || f > t->hi)) {
        sema_error(e, x->span, "%s is %g, outside its range [%g, %g]", what, f,
                   t->lo, t->hi);
        sema_note(e, type->span, "the range is declared here");
        return POISON;
    }
    return dtype_real(t->dt) ? value_real(v->num) : *v;
}

Value type_fit(Elab *e, const TypeSpec *t, const Arg *x, const char *what,
               const Ast *type)
{
    Arg settled = *x;
    Value *v = &settled.v;

    *v = draw_settle(e, *v, &t->shape);
    if (v->kind == V_POISON || !t->ok)
        return POISON;
    if (is_known(v))
        return known_fit(e, t, &settled, what, type);
    if (v->kind == V_LOG && dtype_real(t->dt) && !t->nclass &&
        shape_eq(v->val->type.shape, t->shape))
        return *v;
    if (v->kind != V_TENSOR)
        return no_fit(e, t, &settled, what, type);
    if (v->val->type.dt != t->dt && t->dt == DT_f64 &&
        dtype_real(v->val->type.dt))
        v->val = ir_cast(e->g, v->val, DT_f64);
    if (v->val->type.dt != t->dt || !shape_eq(v->val->type.shape, t->shape))
        return no_fit(e, t, &settled, what, type);
    if (t->ranged) {
        v->ranged = true;
        v->lo = t->lo;
        v->hi = t->hi;
    }
    return *v;
}

/* --- arguments ----------------------------------------------------------- */

static const Ast *default_of(const Ast *formal)
{
    return formal->kind == AST_formal && formal->n > 1 ? formal->kid[1] : NULL;
}

static const Ast *type_of_formal(const Ast *formal)
{
    return formal->n > 0 ? formal->kid[0] : NULL;
}

const char *signature_text(Elab *e, const Ast *callable)
{
    const Ast *list = formals_of(callable);
    const char *text = arena_printf(e->a, "%s(", callable->text);

    for (int k = 0; k < list->n; k++)
        text = arena_printf(e->a, "%s%s%s", text, k ? ", " : "",
                            span_text(e->a, list->kid[k]->span));
    return arena_printf(e->a, "%s)", text);
}

static void note_signature(Elab *e, const Ast *callable)
{
    sema_note(e, callable->name_span, "it is declared %s",
              signature_text(e, callable));
}

static int formal_index(const Ast *list, const char *name)
{
    for (int k = 0; k < list->n; k++)
        if (list->kid[k]->text == name)
            return k;
    return -1;
}

/* Which argument belongs to which formal; false after an error. */
static bool match(Elab *e, const Ast *callable, const Arg *arg, int n, Span at,
                  const Arg **given)
{
    const Ast *list = formals_of(callable);

    for (int k = 0; k < n; k++) {
        int to = arg[k].name ? formal_index(list, arg[k].name) : k;
        if (arg[k].name == NULL && k >= list->n) {
            sema_error(e, arg[k].span, "\"%s\" takes %d argument%s, not %d",
                       callable->text, list->n, list->n == 1 ? "" : "s", n);
            note_signature(e, callable);
            return false;
        }
        if (to < 0) {
            VEC(const char *) names = {0};
            for (int i = 0; i < list->n; i++)
                VEC_PUSH(e->a, &names, list->kid[i]->text);
            const char *close = diag_closest(arg[k].name, names.at, names.n);
            sema_error(e, arg[k].name_span, "\"%s\" has no argument \"%s\"",
                       callable->text, arg[k].name);
            note_signature(e, callable);
            if (close)
                sema_help(e, "did you mean \"%s\"?", close);
            return false;
        }
        if (given[to]) {
            sema_error(e, arg[k].span, "the argument \"%s\" of \"%s\" is given "
                       "twice", list->kid[to]->text, callable->text);
            sema_note(e, given[to]->span, "it is given here already");
            return false;
        }
        given[to] = &arg[k];
    }
    for (int k = 0; k < list->n; k++)
        if (!given[k] && !default_of(list->kid[k])) {
            sema_error(e, at, "the argument \"%s\" of \"%s\" is missing",
                       list->kid[k]->text, callable->text);
            note_signature(e, callable);
            return false;
        }
    return true;
}

static bool is_shape_variable(Elab *e, const Ast *callable, const Ast *dim)
{
    if (dim->kind != AST_name ||
        formal_index(formals_of(callable), dim->text) >= 0)
        return false;
    Decl *d = module_find(e, e->frame->mod, dim->text, dim->span);
    return d == NULL || d->kind != DECL_CONST;
}

static void solve(Elab *e, const Ast *callable, const Ast *type, const Arg *x)
{
    const Ast *dims = type ? type->kid[0] : NULL;

    if (dims == NULL || x->v.kind != V_TENSOR ||
        x->v.val->type.shape.rank != dims->n)
        return;
    for (int k = 0; k < dims->n; k++)
        if (is_shape_variable(e, callable, dims->kid[k]) &&
            !frame_find(e->frame, dims->kid[k]->text))
            frame_bind(e, e->frame, dims->kid[k]->text,
                       value_int(x->v.val->type.shape.dim[k]), x->span);
}

/* A rank that does not fit is reported before its dims are evaluated: they may
 * have shape variables that then stay unsolved. */
static bool rank_fits(Elab *e, const Ast *callable, const Ast *formal,
                      const Arg *x)
{
    const Ast *type = type_of_formal(formal);
    const Ast *dims = type ? type->kid[0] : NULL;
    int rank = dims ? dims->n : 0;

    if (type == NULL || x->v.kind == V_POISON)
        return true;
    for (int k = 0; k < rank; k++) {
        const Ast *dim = dims->kid[k];
        if (!is_shape_variable(e, callable, dim) ||
            frame_find(e->frame, dim->text))
            continue;
        if (x->v.kind == V_TENSOR && x->v.val->type.shape.rank == rank)
            continue;
        sema_error(e, x->span, "the argument \"%s\" of \"%s\" is %s where %s "
                   "is wanted", formal->text, callable->text,
                   value_text(e, &x->v), span_text(e->a, type->span));
        if (x->v.kind == V_DRAW)
            sema_help(e, "give the draw a shape: normal(shape: [..])");
        else
            note_operand(e, x);
        sema_note(e, type->span, "\"%s\" is declared here as %s", formal->text,
                  span_text(e->a, type->span));
        return false;
    }
    return true;
}

static bool bind_one(Elab *e, const Ast *callable, const Ast *formal,
                     const Arg *given)
{
    const Ast *type = type_of_formal(formal);
    Arg x = given ? *given : eval_arg(e, default_of(formal));

    if (x.v.kind == V_ABSENT || x.v.kind == V_VOID)
        x.v = sema_error(e, x.span, "the argument \"%s\" of \"%s\" has no "
                         "value", formal->text, callable->text);
    if (!rank_fits(e, callable, formal, &x))
        return false;
    if (type) {
        TypeSpec t = type_eval(e, type);
        x.v = type_fit(e, &t, &x, arena_printf(e->a, "the argument \"%s\" of "
                       "\"%s\"", formal->text, callable->text), type);
        if (!t.ok)
            return false;
    }
    frame_bind(e, e->frame, formal->text, x.v,
               given ? formal->name_span : formal->span);
    return true;
}

bool formals_bind(Elab *e, const Ast *callable, const Arg *arg, int n, Span at)
{
    const Ast *list = formals_of(callable);
    const Arg *given[ARGS_MAX] = {0};

    if (list->n > ARGS_MAX) {
        sema_error(e, callable->name_span, "more than %d formals", ARGS_MAX);
        return false;
    }
    if (!match(e, callable, arg, n, at, given))
        return false;
    for (int k = 0; k < list->n; k++)
        if (given[k])
            solve(e, callable, type_of_formal(list->kid[k]), given[k]);
    for (int k = 0; k < list->n; k++)
        if (!bind_one(e, callable, list->kid[k], given[k]))
            return false;
    return true;
}
