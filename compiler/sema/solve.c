/*
 * solve.c -- `solve RATES from STATE over TIMES by METHOD(settings)`.
 *
 *   RATES   a function of the state, and of the time if it has a formal t; or
 *           (dz = e, ds = e): an expression a component, of z, s and t
 *   STATE   a value, or a tuple of one for each component
 *   TIMES   t0 .. t1: the state at t1; [t0, t1, ...]: the states at all of
 *           them, along a new first dim
 *   METHOD  a row of tableau.def
 *
 * The result is the state: a tensor, a tuple of them, or with named rates
 * something that has the components as members.
 */
#include "sema/solve.h"

#include <math.h>
#include <string.h>

/* --- rates and state ----------------------------------------------------- */

/* The component that `dz` is the rate of; NULL after an error. */
static const char *component(Elab *e, const Ast *rate)
{
    if (rate->text[0] == 'd' && rate->text[1] != 0)
        return intern(rate->text + 1);
    sema_error(e, rate->name_span, "a rate is called d and the name of its "
                                   "component, not \"%s\"", rate->text);
    sema_help(e, "for example: solve (dz = -z) from 1 over 0 .. 1 by ..");
    return NULL;
}

static bool read_named(Elab *e, Solve *s, const Ast *list)
{
    s->rate = list;
    s->n = list->n;
    if (s->n > STATES_MAX) {
        sema_error(e, list->span, "a state has at most %d components",
                   STATES_MAX);
        return false;
    }
    for (int k = 0; k < s->n; k++) {
        const Ast *rate = list->kid[k];
        s->name[k] = component(e, rate);
        if (s->name[k] == NULL)
            return false;
        bool twice = strcmp(s->name[k], "t") == 0;
        if (twice)
            sema_error(e, rate->name_span, "\"t\" is the time; a component "
                                           "needs another name");
        for (int i = 0; i < k && !twice; i++) {
            twice = s->name[i] == s->name[k];
            if (twice)
                sema_error(e, rate->name_span, "two rates for \"%s\"",
                           s->name[k]);
        }
        if (twice)
            return false;
    }
    return true;
}

static bool read_function(Elab *e, Solve *s, const Ast *x)
{
    s->fn = eval_arg(e, x);
    if (s->fn.v.kind == V_POISON)
        return false;
    if (s->fn.v.kind != V_FN && s->fn.v.kind != V_PRIM) {
        sema_error(e, x->span, "the rates are a function, not %s",
                   value_text(e, &s->fn.v));
        sema_help(e, "an expression is written: solve (dz = ..) from ..");
        return false;
    }
    if (s->fn.v.kind == V_PRIM)
        return true;
    const Ast *list = formals_of(s->fn.v.decl->ast);
    for (int k = 0; k < list->n; k++)
        if (strcmp(list->kid[k]->text, "t") == 0)
            s->time_formal = k;
    return true;
}

static bool read_state(Elab *e, Solve *s, const Ast *x)
{
    Arg v = eval_arg(e, x);

    if (v.v.kind == V_POISON)
        return false;
    bool many = v.v.kind == V_TUPLE || v.v.kind == V_LIST;
    int n = many ? v.v.n : 1;
    if (s->rate && n != s->n) {
        sema_error(e, x->span, "there are %d rates, but the state has %d "
                   "component%s", s->n, n, n == 1 ? "" : "s");
        return false;
    }
    if (n < 1 || n > STATES_MAX) {
        sema_error(e, x->span, "a state has 1 to %d components, not %d",
                   STATES_MAX, n);
        return false;
    }
    s->n = n;
    for (int k = 0; k < n; k++)
        s->init[k] = many ? item_arg(&v, k) : v;
    for (int k = 0; many && x->kind == AST_tuple && k < n; k++)
        s->init[k].span = x->kid[k]->span;
    return true;
}

/* --- times --------------------------------------------------------------- */

static bool time_fits(Elab *e, const Arg *t)
{
    const Value *v = &t->v;

    if (v->kind == V_POISON)
        return false;
    if (is_number(v) && isfinite(v->num))
        return true;
    if (v->kind == V_TENSOR && dtype_real(v->val->type.dt) &&
        v->val->type.shape.rank == 0)
        return true;
    sema_error(e, t->span, "a time is a finite real number, not %s",
               value_text(e, v));
    note_operand(e, t);
    return false;
}

/* Known times must go one way. */
static bool in_order(Elab *e, const Solve *s)
{
    const Arg *t = s->time;

    for (int k = 2; k < s->ntime; k++) {
        if (!is_number(&t[k - 2].v) || !is_number(&t[k - 1].v) ||
            !is_number(&t[k].v))
            continue;
        double a = t[k - 1].v.num - t[k - 2].v.num;
        double b = t[k].v.num - t[k - 1].v.num;
        if (a * b > 0)
            continue;
        sema_error(e, t[k].span, "the times do not go on in one direction: "
                   "%g, %g, %g", t[k - 2].v.num, t[k - 1].v.num, t[k].v.num);
        return false;
    }
    return true;
}

static bool read_times(Elab *e, Solve *s, const Ast *x)
{
    if (x->kind == AST_binary && strcmp(x->text, "..") == 0) {
        s->ntime = 2;
        s->time = NEW_N(e->a, Arg, 2);
        for (int k = 0; k < 2; k++)
            s->time[k] = eval_arg(e, x->kid[k]);
    } else {
        Arg v = eval_arg(e, x);
        if (v.v.kind == V_POISON)
            return false;
        if (v.v.kind != V_LIST || v.v.n < 2 || v.v.n > TIMES_MAX) {
            sema_error(e, x->span, "the times are t0 .. t1, or a list of 2 to "
                       "%d times, not %s", TIMES_MAX, value_text(e, &v.v));
            return false;
        }
        s->listed = true;
        s->ntime = v.v.n;
        s->time = NEW_N(e->a, Arg, v.v.n);
        for (int k = 0; k < v.v.n; k++)
            s->time[k] = item_arg(&v, k);
    }
    for (int k = 0; k < s->ntime; k++) {
        s->time[k].v = draw_settle(e, s->time[k].v, NULL);
        if (!time_fits(e, &s->time[k]))
            return false;
    }
    return in_order(e, s);
}

/* --- the result ---------------------------------------------------------- */

/* The values of component c at all times as one tensor. */
static Value rows_of(Elab *e, const Solve *s,
                     const Value (*out)[COMPONENTS_MAX], int c)
{
    Shape to = s->type[c].shape;
    Attr axis = {.n = 1, .i = {0}};
    Val part[ARGS_MAX];

    if (s->ntime > ARGS_MAX)
        return sema_error(e, s->at, "more than %d times that are not equally "
                          "far apart", ARGS_MAX);
    for (int k = to.rank++; k > 0; k--)
        to.dim[k] = to.dim[k - 1];
    to.dim[0] = 1;
    for (int k = 0; k < s->ntime; k++) {
        part[k] = node_reshape(e, s->at, out[k][c].val, to);
        if (part[k] == NULL)
            return POISON;
    }
    return value_tensor(node_make(e, s->at, OP_concat, &axis, part, s->ntime));
}

enum { COUNTS = 4 };

/* Steps taken, steps refused, and evaluations of the rates they cost. */
static void count(Elab *e, const Solve *s, Value *out)
{
    const Tableau *m = s->method;
    const Run *r = &s->run;
    int each = m->stages - m->fsal + (s->listed ? m->extra : 0);

    out[0] = r->steps;
    out[3] = s->time[s->ntime - 1].v;
    if (s->event)
        out[3] = elem_cast(e, s->at, &(Arg){.v = elem2(
                     e, s->at, OP_add, r->start,
                     elem2(e, s->at, OP_mul, r->way, r->tau)),
                     .span = s->at}, e->real);
    if (!s->adaptive) {
        out[1] = value_int(0);
        out[2] = elem2(e, s->at, OP_mul, r->steps,
                       value_int(tableau_plain_stages(m)));
        return;
    }
    out[1] = elem2(e, s->at, OP_sub, r->tries, r->steps);
    out[2] = elem2(e, s->at, OP_add, value_int(s->first_step > 0 ? 1 : 2),
                   elem2(e, s->at, OP_mul, r->tries, value_int(each)));
}

/* The components, and how the solve went. */
static void add_members(Elab *e, const Solve *s, Value *v, Value *item)
{
    const char **name = NEW_N(e->a, const char *, s->n + COUNTS);

    for (int c = 0; c < s->n; c++)
        name[c] = s->name[c];
    name[s->n] = intern("steps");
    name[s->n + 1] = intern("refused");
    name[s->n + 2] = intern("evaluations");
    name[s->n + 3] = intern("time");
    count(e, s, &item[s->n]);
    v->member = name;
    v->nmember = s->n + COUNTS;
}

static Value result(Elab *e, const Solve *s,
                    const Value (*out)[COMPONENTS_MAX], const Value *rows)
{
    Value *item = NEW_N(e->a, Value, s->n + COUNTS);

    for (int c = 0; c < s->n; c++) {
        item[c] = out[s->ntime - 1][c];
        if (s->listed)
            item[c] = rows[c].kind != V_ABSENT ? rows[c]
                                               : rows_of(e, s, out, c);
        if (item[c].kind == V_POISON)
            return POISON;
    }
    if (s->rate == NULL && s->n == 1)
        return item[0];
    Value v = {.kind = V_TUPLE, .item = item, .n = s->n};
    if (s->rate)
        add_members(e, s, &v, item);
    return v;
}

static bool adaptive(Elab *e, Solve *s, Value *y, Value *rows)
{
    return solve_begin(e, s, y) && solve_adaptive(e, s, y, rows, &s->run) &&
           solve_checked(e, s, y, rows);
}

static bool event_fits(Elab *e, const Solve *s, bool named)
{
    if (s->event == NULL)
        return true;
    if (!named || !s->adaptive || s->gradient == GRADIENT_ADJOINT) {
        sema_error(e, s->event->span, "an event needs %s",
                   !named         ? "names of the components: (dz = ..)"
                   : !s->adaptive ? "adaptive steps: rtol, atol"
                                  : "an unrolled gradient");
        return false;
    }
    return true;
}

Value solve_value(Elab *e, const Ast *x)
{
    Solve *s = NEW(e->a, Solve);
    Value rows[COMPONENTS_MAX];

    *s = (Solve){.ast = x, .at = x->span, .time_formal = -1,
                 .steps = {.v = ABSENT}, .control = CONTROL_I};
    if (e->entry == NULL)
        return sema_error(e, x->span, "solve runs in the compiled program; a "
                                      "const is known when compiling");
    const Ast *rates = x->kid[0];
    bool named = rates->kind == AST_list && rates->n > 0 &&
                 rates->kid[0]->kind == AST_rate;
    bool ok = named ? read_named(e, s, rates) : read_function(e, s, rates);
    s->event = x->n > 4 ? x->kid[4] : NULL;
    ok = solve_method(e, s, x->kid[3]) && ok;
    ok = ok && event_fits(e, s, named);
    ok = read_state(e, s, x->kid[1]) && ok;
    ok = read_times(e, s, x->kid[2]) && ok;
    if (!ok || !solve_types(e, s))
        return POISON;
    if (e->nloops >= LOOPS_MAX)
        return sema_error(e, x->span, "more than %d nested loops", LOOPS_MAX);
    Value (*out)[COMPONENTS_MAX] =
        arena_alloc(e->a, sizeof *out * (size_t)s->ntime);
    if (s->gradient == GRADIENT_ADJOINT ? !solve_adjoint(e, s, out, rows)
        : s->adaptive                   ? !adaptive(e, s, out[s->ntime - 1], rows)
                                        : !solve_fixed(e, s, out, rows))
        return POISON;
    solve_record(e, s);
    return result(e, s, (const Value(*)[COMPONENTS_MAX])out, rows);
}
