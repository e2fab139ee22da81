/*
 * solve_adapt.c -- steps whose length follows an error estimate.
 *
 * One loop of the program: a pass is an attempted step of every example still
 * on its way, and the loop ends when none is. Each example has its own time,
 * step and state, chosen by its own error, so its result does not depend on
 * its batch; `norm: batch` gives all examples one step. What has arrived
 * stands still.
 *
 * tau is the time gone since the first time, never negative: decreasing times
 * only turn the sign of the step the stages see. Times, steps and norms are
 * f64 whatever the state is.
 */
#include "sema/solve_adapt.h"

#include <float.h>

Value solve_real(Elab *e, const Solve *s, Value v)
{
    return elem_cast(e, s->at, &(Arg){.v = v, .span = s->at}, e->real);
}

Value solve_wide(Elab *e, const Solve *s, Value v)
{
    if (v.kind == V_TENSOR)
        return elem_cast(e, s->at, &(Arg){.v = v, .span = s->at}, DT_f64);
    return value_tensor(ir_const(e->g, DT_f64, v.num));
}

Value pick(Elab *e, const Solve *s, Value c, Value x, Value y)
{
    Arg arg[3] = {{.v = c, .span = s->at}, {.v = x, .span = s->at},
                  {.v = y, .span = s->at}};

    return elem(e, s->at, OP_select, arg, 3);
}

/* --- the time of a stage -------------------------------------------------- */

Value adapt_moment(Elab *e, const void *env, double c)
{
    const Moment *m = env;
    Span at = m->s->at;
    Value tau = m->tau;

    if (c != 0)
        tau = elem2(e, at, OP_add, tau,
                    elem2(e, at, OP_mul, m->h, value_real(c)));
    return solve_real(e, m->s, elem2(e, at, OP_add, m->a->start,
                               elem2(e, at, OP_mul, m->a->way, tau)));
}

/* --- the variables of the loop ------------------------------------------- */

enum { FIXED_VARS = 8, VARS_MAX = FIXED_VARS + 3 * COMPONENTS_MAX + 1 };

/* Calls of each member, in one order; k only if it is kept, rows only if
 * wanted. */
static int members(const Adapt *a, const Solve *s, State *st, Value **out)
{
    int n = s->n;
    Value *fixed[FIXED_VARS] = {&st->tau, &st->h, &st->before[0],
                                &st->before[1], &st->held, &st->status,
                                &st->steps, &st->tries};
    int m = 0;

    for (int i = 0; i < FIXED_VARS; i++)
        out[m++] = fixed[i];
    for (int c = 0; c < n + s->nq; c++)
        out[m++] = &st->y[c];
    for (int c = 0; c < n && a->keeps_rate; c++)
        out[m++] = &st->k[c];
    for (int c = 0; c < n && a->rows; c++)
        out[m++] = &st->row[c];
    return m;
}

/* --- one attempt ---------------------------------------------------------- */

bool adapt_attempt(Elab *e, Solve *s, const Adapt *a, const State *st,
                    Attempt *t)
{
    const Tableau *m = s->method;
    Span at = s->at;
    Value left = elem2(e, at, OP_sub, a->length, st->tau);

    t->h = elem2(e, at, OP_min, st->h, left);
    t->step = elem2(e, at, OP_mul, a->way, t->h);
    t->arrives = elem2(e, at, OP_le, left, t->h);
    t->end = pick(e, s, t->arrives, a->length,
                  elem2(e, at, OP_add, st->tau, t->h));
    Moment now = {s, a, st->tau, t->h};
    if (a->keeps_rate)
        for (int c = 0; c < s->n; c++)
            t->k[0][c] = st->k[c];
    int last = m->stages + (a->rows ? m->extra : 0);
    adjoint_step(s);
    if (!step_stages(e, s, st->y, t->step, adapt_moment, &now, a->keeps_rate, last,
                     t->k))
        return false;
    for (int c = 0; c < s->n; c++)
        t->y[c] = step_add(e, s, st->y[c],
                           step_sum(e, s, t->step, m->b, m->stages, STAGES(t),
                                    c), c);
    t->ratio = control_ratio(e, s, a, st->y, t->y, t->step, STAGES(t));
    t->finite = elem1(e, at, OP_is_finite, t->ratio);
    t->accept = elem2(e, at, OP_and, t->finite,
                      elem2(e, at, OP_le, t->ratio, value_real(1)));
    return t->accept.kind != V_POISON;
}

/* Rows of the output times that lie in the step. */
static void fill_rows(Elab *e, const Solve *s, const Adapt *a, const State *st,
                      const Attempt *t, Value taken, State *next)
{
    const Tableau *m = s->method;
    Span at = s->at;
    Value x = elem2(e, at, OP_div,
                    elem2(e, at, OP_sub, a->outputs, st->tau), t->h);
    Value in = elem2(e, at, OP_and,
                     elem2(e, at, OP_lt, st->tau, a->outputs),
                     elem2(e, at, OP_le, a->outputs, t->end));

    in = elem2(e, at, OP_and, in, taken);
    x = solve_real(e, s, elem2(e, at, OP_min, elem2(e, at, OP_max, x, value_real(0)),
                         value_real(1)));
    for (int c = 0; c < s->n; c++) {
        int rank = s->type[c].shape.rank;
        Value sum = ABSENT;
        for (int i = 0; i < m->stages + m->extra; i++) {
            Value w = value_real(0);
            for (int j = m->degree; j-- > 0;) {
                double p = m->p[i * m->degree + j];
                if (w.kind == V_TENSOR || w.num != 0 || p != 0)
                    w = elem2(e, at, OP_mul, x,
                              elem2(e, at, OP_add, w, value_real(p)));
            }
            if (w.kind != V_TENSOR)
                continue;
            w = elem2(e, at, OP_mul, w, solve_real(e, s, t->step));
            Value term = elem2(e, at, OP_mul, as_rows(e, s, w, rank),
                               t->k[i][c]);
            sum = sum.kind == V_ABSENT ? term
                                       : elem2(e, at, OP_add, sum, term);
        }
        next->row[c] = pick(e, s, as_rows(e, s, in, rank),
                            elem2(e, at, OP_add, st->y[c], sum), st->row[c]);
    }
}

/* Moves on the examples that are on their way. */
static bool pass(Elab *e, Solve *s, const Adapt *a, const State *st,
                 State *next)
{
    const Tableau *m = s->method;
    Span at = s->at;
    Attempt *t = NEW(e->a, Attempt);

    if (!adapt_attempt(e, s, a, st, t))
        return false;
    Value going = elem2(e, at, OP_eq, st->status, value_int(SOLVE_GOING));
    Value taken = elem2(e, at, OP_and, going, t->accept), ends = ABSENT;
    if (s->event) {
        Value crosses = event_crossing(e, s, a, st, t);
        if (crosses.kind == V_POISON)
            return false;
        ends = elem2(e, at, OP_and, taken, crosses);
        taken = elem2(e, at, OP_and, taken, elem1(e, at, OP_not, crosses));
    }
    Value refused = elem2(e, at, OP_and, going,
                          elem1(e, at, OP_not, t->accept));
    Value h = control_step(e, s, t->h, t->ratio, t->finite, t->accept,
                           st->before, st->held);

    next->tau = pick(e, s, taken, t->end, st->tau);
    next->h = pick(e, s, going, h, st->h);
    next->before[0] = pick(e, s, taken, t->ratio, st->before[0]);
    next->before[1] = pick(e, s, taken, st->before[0], st->before[1]);
    next->held = pick(e, s, going, refused, st->held);
    next->steps = elem2(e, at, OP_add, st->steps,
                        pick(e, s, taken, value_int(1), value_int(0)));
    next->tries = elem2(e, at, OP_add, st->tries,
                        pick(e, s, going, value_int(1), value_int(0)));

    Value too_small = elem2(e, at, OP_lt, h, a->least);
    Value failed = elem2(e, at, OP_and, refused, too_small);
    Value why = pick(e, s, t->finite, value_int(SOLVE_STEP_SMALL),
                     value_int(SOLVE_NOT_FINITE));
    Value status = pick(e, s, elem2(e, at, OP_and, taken, t->arrives),
                        value_int(SOLVE_DONE), st->status);
    next->status = pick(e, s, failed, why, status);
    if (s->event) { // the step is taken again, up to the event, afterwards
        next->status = pick(e, s, ends, value_int(SOLVE_EVENT), next->status);
        next->h = pick(e, s, ends, t->h, next->h);
    }

    for (int c = 0; c < s->n; c++) {
        next->y[c] = pick(e, s, taken, t->y[c], st->y[c]);
        if (a->keeps_rate)
            next->k[c] = pick(e, s, taken, t->k[m->stages - 1][c], st->k[c]);
    }
    if (a->rows)
        fill_rows(e, s, a, st, t, taken, next);
    for (int c = s->n; c < s->n + s->nq; c++)
        next->y[c] = st->y[c];
    return s->back == NULL || adjoint_integrals(e, s, t->step, taken,
                                                m->stages, next->y);
}

/* --- the loop -------------------------------------------------------------- */

static bool first_state(Elab *e, Solve *s, Adapt *a, Value *y, State *st)
{
    Moment now = {s, a, solve_wide(e, s, value_real(0)), solve_wide(e, s, value_real(0))};

    for (int c = 0; c < s->n + s->nq; c++)
        st->y[c] = y[c];
    st->tau = now.tau;
    if (!solve_rates(e, s, y, adapt_moment(e, &now, 0), st->k))
        return false;
    if (s->first_step > 0) {
        st->h = solve_wide(e, s, value_real(s->first_step));
    } else {
        now.h = control_probe(e, s, a, y, st->k);
        Value probe[COMPONENTS_MAX], rate[COMPONENTS_MAX];
        Value step = elem2(e, s->at, OP_mul, a->way, now.h);
        const double one = 1;
        for (int c = 0; c < s->n; c++)
            probe[c] = step_add(e, s, y[c],
                                step_sum(e, s, step, &one, 1,
                                         (const Value(*)[COMPONENTS_MAX])
                                             &st->k, c), c);
        if (!solve_rates(e, s, probe, adapt_moment(e, &now, 1), rate))
            return false;
        st->h = control_first(e, s, a, y, st->k, rate, now.h);
    }
    st->before[0] = st->before[1] = solve_wide(e, s, value_real(1));
    st->held = value_tensor(ir_const(e->g, DT_bool, 0));
    st->steps = st->tries = value_tensor(ir_const(e->g, DT_i32, 0));
    Value none = elem2(e, s->at, OP_le, a->length, value_real(0));
    st->status = pick(e, s, none, value_int(SOLVE_DONE),
                      value_int(SOLVE_GOING));
    for (int c = 0; c < s->n && a->rows; c++)
        st->row[c] = solve_rows(e, s, c, y[c].val);
    return st->status.kind != V_POISON;
}

/* Is every example there? */
static Val all_done(Elab *e, const Solve *s, Value status)
{
    Value going = elem2(e, s->at, OP_eq, status, value_int(SOLVE_GOING));

    if (going.kind != V_TENSOR)
        return NULL;
    if (!going.val->type.batched)
        return node_op(e, s->at, OP_not, going.val);
    Val some = ir_cast(e->g, going.val, DT_f32);
    some = node_op(e, s->at, OP_batch_max, some);
    return ir_op2(e->g, OP_eq, some, ir_const(e->g, DT_f32, 0));
}

/* Variables have the types of what a pass makes of them: a trial finds out. */
static bool settle(Elab *e, Solve *s, const Adapt *a, State *st)
{
    Value *from[VARS_MAX], *to[VARS_MAX];
    int n = members(a, s, st, from);

    for (int round = 0; round < 3; round++) {
        State next = *st;
        Mark m = trial_mark(e);
        int mute = e->mute++;
        bool ok = pass(e, s, a, st, &next), same = true;
        e->mute = mute;
        trial_undo(e, &m);
        if (!ok)
            return true; // said aloud by the loop itself
        members(a, s, &next, to);
        for (int k = 0; k < n; k++) {
            Type t = to[k]->val->type;
            same = same && type_eq(t, from[k]->val->type);
            if (t.batched && !from[k]->val->type.batched)
                *from[k] = value_tensor(ir_spread(e->g, from[k]->val));
        }
        if (same)
            return true;
    }
    return true;
}

bool solve_adaptive(Elab *e, Solve *s, Value *y, Value *rows, Run *run)
{
    Adapt a = {0};
    State st = {0}, next = {0};
    Value *member[VARS_MAX], *after[VARS_MAX];
    Val init[VARS_MAX], x[VARS_MAX];
    Type type[VARS_MAX];

    if (e->nloops == LOOPS_MAX) {
        sema_error(e, s->at, "more than %d nested loops", LOOPS_MAX);
        return false;
    }
    if (!control_prepare(e, s, &a) || !first_state(e, s, &a, y, &st))
        return false;
    settle(e, s, &a, &st);
    int n = members(&a, s, &st, member);
    for (int k = 0; k < n; k++) {
        init[k] = member[k]->val;
        type[k] = init[k]->type;
    }
    type[n] = type_of(DT_bool, false, shape_of(0));
    init[n] = all_done(e, s, st.status);
    if (init[n] == NULL)
        return false;
    Loop *l = ir_loop_open(e->g, ir_const(e->g, DT_i32, (double)s->max_steps),
                           init, n + 1, type, e->nloops + 1, s->at);
    l->until = n;
    e->loop[e->nloops++] = l;
    for (int k = 0; k < n; k++)
        *member[k] = value_tensor(l->var[k]);
    for (int c = 0; c < s->n; c++)
        ir_origin(e->g, st.y[c].val, s->at, s->name[c]);
    next = st;
    bool ok = pass(e, s, &a, &st, &next);
    e->nloops--;
    members(&a, s, &next, after);
    for (int k = 0; k < n; k++) {
        x[k] = ok ? node_convert(e, s->at, after[k], type[k]) : l->var[k];
        if (x[k] == NULL)
            internal_error("variable %d of a solve has no settled type", k);
    }
    x[n] = ok ? all_done(e, s, *after[5]) : l->var[n];
    Val node = ir_origin(e->g, ir_loop_close(e->g, l, x), s->at, NULL);
    for (int k = 0; k < n; k++)
        *member[k] = value_tensor(ir_proj(e->g, node, k));
    if (!ok)
        return false;
    if (s->event && !event_take(e, s, &a, &st))
        return false;
    for (int c = s->n; c < s->n + s->nq; c++)
        y[c] = st.y[c];
    for (int c = 0; c < s->n; c++) {
        y[c] = st.y[c];
        rows[c] = a.rows ? st.row[c] : ABSENT;
        run->rate[c] = a.keeps_rate ? st.k[c] : ABSENT;
    }
    run->status = st.status;
    run->steps = st.steps;
    run->tries = st.tries;
    run->tau = st.tau;
    run->h = st.h;
    run->start = a.start;
    run->way = a.way;
    return true;
}
