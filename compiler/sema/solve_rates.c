/*
 * solve_rates.c -- the right-hand side of `solve`, and the types of its state.
 *
 * Rates are elaborated anew for every stage, like the body of a function. A
 * layer among them is the same layer each time: the ordinals of layers are set
 * back before each evaluation but the first.
 */
#include "sema/solve.h"

static bool call_rates(Elab *e, Solve *s, const Value *y, Value t, Value *rate)
{
    Arg arg[COMPONENTS_MAX + 2];
    int n = 0;

    for (int k = 0; k < s->n; k++) {
        if (n == s->time_formal)
            arg[n++] = (Arg){.v = t, .span = s->fn.span};
        arg[n++] = (Arg){.v = y[k], .span = s->init[k].span};
    }
    if (n == s->time_formal)
        arg[n++] = (Arg){.v = t, .span = s->fn.span};
    Value v = call_value(e, &s->fn, arg, n, s->fn.span);
    if (v.kind == V_POISON)
        return false;
    if (s->n == 1) {
        rate[0] = v;
        return true;
    }
    if ((v.kind != V_TUPLE && v.kind != V_LIST) || v.n != s->n) {
        sema_error(e, s->fn.span, "the state has %d components, but its rates "
                   "are %s", s->n, value_text(e, &v));
        return false;
    }
    for (int k = 0; k < s->n; k++)
        rate[k] = v.item[k];
    return true;
}

static void push(Elab *e, const char *name, Value v, Span at)
{
    VEC_PUSH(e->a, &e->frame->bind, ((Binding){name, v, at, -1, false}));
}

static bool named_rates(Elab *e, Solve *s, const Value *y, Value t, Value *rate)
{
    int nbind = e->frame->bind.n;
    bool ok = true;

    push(e, intern("t"), t, s->at);
    for (int k = 0; k < s->n; k++)
        push(e, s->name[k], y[k], s->rate->kid[k]->name_span);
    for (int k = 0; k < s->n; k++) {
        rate[k] = eval(e, s->rate->kid[k]->kid[0]);
        ok = ok && rate[k].kind != V_POISON;
    }
    e->frame->bind.n = nbind;
    return ok;
}

static bool raw_rates(Elab *e, Solve *s, const Value *y, Value t, Value *rate)
{
    ParamScope *scope = e->frame->params;

    if (scope && s->rated) {
        scope->used.n = s->nscope;
        scope->layer.n = s->nscope;
    } else if (scope) {
        s->nscope = scope->used.n;
    }
    s->rated = true;
    return s->rate ? named_rates(e, s, y, t, rate)
                   : call_rates(e, s, y, t, rate);
}

static Span rate_span(const Solve *s, int k)
{
    return s->rate ? s->rate->kid[k]->kid[0]->span : s->fn.span;
}

bool solve_rates(Elab *e, Solve *s, const Value *y, Value t, Value *rate)
{
    if (s->back)
        return adjoint_rates(e, s, y, t, rate);
    if (!raw_rates(e, s, y, t, rate))
        return false;
    for (int k = 0; k < s->n; k++) {
        Val v = node_convert(e, rate_span(s, k), &rate[k], s->type[k]);
        if (v == NULL) {
            sema_error(e, rate_span(s, k), "the rate is %s, but the state it "
                       "changes is %s", value_text(e, &rate[k]),
                       type_words_batch(e, s->type[k]));
            sema_note(e, s->init[k].span, "the state begins here");
            return false;
        }
        rate[k] = value_tensor(v);
    }
    return true;
}

Value solve_event(Elab *e, Solve *s, const Value *y, Value t)
{
    int nbind = e->frame->bind.n;
    Span at = s->event->span;

    push(e, intern("t"), t, s->at);
    for (int k = 0; k < s->n && s->name[k]; k++)
        push(e, s->name[k], y[k], s->rate->kid[k]->name_span);
    Arg v = eval_arg(e, s->event);
    e->frame->bind.n = nbind;
    if (v.v.kind == V_POISON)
        return POISON;
    if (v.v.kind != V_TENSOR || !dtype_real(v.v.val->type.dt) ||
        v.v.val->type.shape.rank)
        return sema_error(e, at, "an event is a real scalar that becomes 0 "
                          "where the solve ends, not %s",
                          value_text(e, &v.v));
    return elem_cast(e, at, &v, DT_f64);
}

/* --- types --------------------------------------------------------------- */

static bool first_type(Elab *e, Solve *s, int k)
{
    Arg *x = &s->init[k];

    x->v = draw_settle(e, x->v, NULL);
    if (x->v.kind == V_POISON)
        return false;
    if (is_number(&x->v)) {
        x->v = value_real(x->v.num);
        s->type[k] = type_of(e->real, false, shape_of(0));
        return true;
    }
    if (x->v.kind != V_TENSOR || !dtype_real(x->v.val->type.dt)) {
        sema_error(e, x->span, "the state of a solve is real, not %s",
                   value_text(e, &x->v));
        note_operand(e, x);
        return false;
    }
    s->type[k] = x->v.val->type;
    return true;
}

/* Does the rate make the component wider? Misfits are left to solve_rates. */
static bool widen(Elab *e, Type *t, Value rate)
{
    Type joint = *t;

    rate = draw_settle(e, rate, &t->shape);
    if (rate.kind != V_TENSOR || !dtype_real(rate.val->type.dt))
        return false;
    joint.batched = joint.batched || rate.val->type.batched;
    if (rate.val->type.dt == DT_f64)
        joint.dt = DT_f64;
    if (!broadcast_shapes(joint.shape, rate.val->type.shape, &joint.shape))
        return false;
    bool wider = !type_eq(joint, *t);
    *t = joint;
    return wider;
}

/* One muted evaluation at the initial state, undone. */
static bool trial(Elab *e, Solve *s)
{
    Value y[COMPONENTS_MAX], rate[COMPONENTS_MAX];
    Mark m = trial_mark(e);
    int mute = e->mute++;
    bool ok = true, wider = false;

    for (int k = 0; k < s->n && ok; k++) {
        Val v = node_convert(e, s->init[k].span, &s->init[k].v, s->type[k]);
        y[k] = value_tensor(v);
        ok = v != NULL;
    }
    Value t = value_tensor(node_const(e, s->at, e->real, 0));
    for (int k = 0; k < s->ntime; k++) // a time of each example
        if (s->time[k].v.kind == V_TENSOR)
            t = elem2(e, s->at, OP_add, t, s->time[k].v);
    ok = ok && raw_rates(e, s, y, t, rate);
    s->rated = false;
    for (int k = 0; k < s->n && ok; k++)
        if (widen(e, &s->type[k], rate[k]))
            wider = true;
    e->mute = mute;
    trial_undo(e, &m);
    return wider;
}

/* Steps of each example: what moves with them is per example too. */
static void share_out(Solve *s)
{
    bool batched = false;

    for (int k = 0; k < s->n; k++)
        batched = batched || s->type[k].batched;
    for (int k = 0; k < s->ntime; k++)
        batched = batched || (s->time[k].v.kind == V_TENSOR &&
                              s->time[k].v.val->type.batched);
    for (int k = 0; k < s->n; k++)
        s->type[k].batched = batched;
}

bool solve_types(Elab *e, Solve *s)
{
    for (int k = 0; k < s->n; k++)
        if (!first_type(e, s, k))
            return false;
    for (int pass = 0; pass <= s->n + 2 && !e->dead; pass++)
        if (!trial(e, s))
            break;
    if (s->adaptive && !s->whole_batch)
        share_out(s);
    return !e->dead;
}
