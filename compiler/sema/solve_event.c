/*
 * solve_event.c -- terminal events: a step that crosses the root of an
 * expression is taken again, up to the root of its dense output.
 */
#include "sema/solve_adapt.h"

Value event_crossing(Elab *e, Solve *s, const Adapt *a, const State *st,
                     const Attempt *t)
{
    Moment from = {s, a, st->tau, t->h}, to = {s, a, t->end, t->h};
    Span at = s->at;
    Value g = solve_event(e, s, st->y, adapt_moment(e, &from, 0));
    Value h = solve_event(e, s, t->y, adapt_moment(e, &to, 0));

    if (g.kind == V_POISON || h.kind == V_POISON)
        return POISON;
    Value zero = value_real(0);
    Value up = elem2(e, at, OP_and, elem2(e, at, OP_lt, g, zero),
                     elem2(e, at, OP_le, zero, h));
    Value down = elem2(e, at, OP_and, elem2(e, at, OP_lt, zero, g),
                       elem2(e, at, OP_le, h, zero));
    return elem2(e, at, OP_or, up, down);
}

/* The dense output of the step at x in [0, 1]. */
static bool inside(Elab *e, const Solve *s, const State *st, const Attempt *t,
                   Value x, Value *y)
{
    const Tableau *m = s->method;

    for (int c = 0; c < s->n; c++) {
        Value sum = ABSENT;
        for (int i = 0; i < m->stages + m->extra; i++) {
            Value w = value_real(0);
            for (int j = m->degree; j-- > 0;) {
                double p = m->p[i * m->degree + j];
                if (w.kind == V_TENSOR || w.num != 0 || p != 0)
                    w = elem2(e, s->at, OP_mul, x,
                              elem2(e, s->at, OP_add, w, value_real(p)));
            }
            if (w.kind != V_TENSOR)
                continue;
            w = solve_real(e, s, elem2(e, s->at, OP_mul, w, t->step));
            Value term = elem2(e, s->at, OP_mul, w, t->k[i][c]);
            sum = sum.kind == V_ABSENT ? term
                                       : elem2(e, s->at, OP_add, sum, term);
        }
        y[c] = step_add(e, s, st->y[c], sum, c);
        if (y[c].kind == V_POISON)
            return false;
    }
    return true;
}

static Value event_at(Elab *e, Solve *s, const Adapt *a, const State *st,
                      const Attempt *t, Value x)
{
    Value y[COMPONENTS_MAX];
    Moment now = {s, a, elem2(e, s->at, OP_add, st->tau,
                              elem2(e, s->at, OP_mul, x, t->h)), t->h};

    return inside(e, s, st, t, x, y)
               ? solve_event(e, s, y, adapt_moment(e, &now, 0)) : POISON;
}

/* 52 halvings of [0, 1]: x where the event changes its sign. */
static Value bisect(Elab *e, Solve *s, const Adapt *a, const State *st,
                    const Attempt *t, Value first)
{
    Span at = s->at;
    Val init[2], next[2];
    Type type[2];

    if (e->nloops == LOOPS_MAX)
        return sema_error(e, at, "more than %d nested loops", LOOPS_MAX);
    for (int k = 0; k < 2; k++) { // lo, hi
        init[k] = ir_const(e->g, DT_f64, k);
        type[k] = type_of(DT_f64, first.val->type.batched, shape_of(0));
    }
    Loop *l = ir_loop_open(e->g, ir_const(e->g, DT_i32, 52), init, 2, type,
                           e->nloops + 1, at);
    e->loop[e->nloops++] = l;
    Value lo = value_tensor(l->var[0]), hi = value_tensor(l->var[1]);
    Value mid = elem2(e, at, OP_mul, elem2(e, at, OP_add, lo, hi),
                      value_real(0.5));
    Value g = event_at(e, s, a, st, t, mid);
    bool ok = g.kind != V_POISON;
    if (ok) { // the sign at mid is that at the start: go on right of it
        Value same = elem2(e, at, OP_lt, value_real(0),
                           elem2(e, at, OP_mul, elem1(e, at, OP_sign, g),
                                 elem1(e, at, OP_sign, first)));
        Value a0 = pick(e, s, same, mid, lo), a1 = pick(e, s, same, hi, mid);
        next[0] = node_convert(e, at, &a0, type[0]);
        next[1] = node_convert(e, at, &a1, type[1]);
        ok = next[0] && next[1];
    }
    e->nloops--;
    Val node = ir_loop_close(e->g, l, ok ? next : l->var);
    return ok ? value_tensor(ir_proj(e->g, node, 1)) : POISON;
}

/* The root x carries no gradient; subtracting (g - the number g) / slope, which
 * is 0, gives it that of an implicit function. */
bool event_take(Elab *e, Solve *s, const Adapt *a, State *st)
{
    Span at = s->at;
    Attempt *t = NEW(e->a, Attempt);
    Adapt dense = *a;
    Value y[COMPONENTS_MAX];
    const double dx = 1e-4;

    dense.rows = true; // the extra stages too
    if (!adapt_attempt(e, s, &dense, st, t))
        return false;
    Value first = event_at(e, s, a, st, t, solve_wide(e, s, value_real(0)));
    if (first.kind == V_POISON)
        return false;
    Value x = bisect(e, s, a, st, t, first);
    if (x.kind == V_POISON)
        return false;
    x = elem1(e, at, OP_stop_gradient, x);
    Value lo = event_at(e, s, a, st, t,
                        elem2(e, at, OP_sub, x, value_real(dx)));
    Value hi = event_at(e, s, a, st, t,
                        elem2(e, at, OP_add, x, value_real(dx)));
    Value g = event_at(e, s, a, st, t, x);
    Value slope = elem2(e, at, OP_mul, elem2(e, at, OP_sub, hi, lo),
                        value_real(1 / (2 * dx)));
    Value flat = elem2(e, at, OP_eq, slope, value_real(0));
    slope = pick(e, s, flat, solve_wide(e, s, value_real(1)), slope);
    slope = elem1(e, at, OP_stop_gradient, slope);
    Value zero = elem2(e, at, OP_sub, g, elem1(e, at, OP_stop_gradient, g));
    x = elem2(e, at, OP_sub, x, elem2(e, at, OP_div, zero, slope));
    if (x.kind == V_POISON || !inside(e, s, st, t, x, y))
        return false;
    Value hit = elem2(e, at, OP_eq, st->status, value_int(SOLVE_EVENT));
    for (int c = 0; c < s->n; c++)
        st->y[c] = pick(e, s, hit, y[c], st->y[c]);
    st->tau = pick(e, s, hit, elem2(e, at, OP_add, st->tau,
                                    elem2(e, at, OP_mul, x, t->h)), st->tau);
    st->status = pick(e, s, hit, value_int(SOLVE_DONE), st->status);
    st->steps = elem2(e, at, OP_add, st->steps,
                      pick(e, s, hit, value_int(1), value_int(0)));
    return true;
}
