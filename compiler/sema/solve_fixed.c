/*
 * solve_fixed.c -- steps of one length, counted in ints.
 *
 * An interval of n steps is a loop of n passes; step i starts at t0 + i h,
 * never at a sum of steps. Intervals of one length and step count are one loop
 * around another that writes the states into rows. A checkpointed gradient is
 * the same loop cut into loops of loops: reversing the outer one keeps the
 * states between the inner ones and runs those again.
 */
#include "sema/solve.h"

#include <math.h>

typedef struct Interval { // steps base + i, i = 0 .. n - 1, of one interval
    Value t0, h;
    Value base;  // an int, or absent: 0
    Arg n;       // an int
} Interval;

typedef struct Clock { // one step: the time t0 + (i + c) h
    Value t0, h, i;
} Clock;

static Value stage_time(Elab *e, const void *env, double c)
{
    const Clock *k = env;
    Span at = {0};
    Arg i = {.v = k->i, .span = at};
    Value steps = elem_cast(e, at, &i, e->real);

    if (c != 0)
        steps = elem2(e, at, OP_add, steps, value_real(c));
    Value t = elem2(e, at, OP_mul, steps, k->h);
    return k->t0.kind == V_REAL && k->t0.num == 0
               ? t : elem2(e, at, OP_add, k->t0, t);
}

static bool one_step(Elab *e, Solve *s, const Interval *v, Value i, Value *y)
{
    Value k[STAGES_MAX][COMPONENTS_MAX];
    Clock clock = {v->t0, v->h, i};
    int n = tableau_plain_stages(s->method);

    adjoint_step(s);
    if (!step_stages(e, s, y, v->h, stage_time, &clock, 0, n, k))
        return false;
    for (int c = 0; c < s->n; c++) {
        Value sum = step_sum(e, s, v->h, s->method->b, n,
                             (const Value(*)[COMPONENTS_MAX])k, c);
        y[c] = step_add(e, s, y[c], sum, c);
        if (y[c].kind == V_POISON)
            return false;
    }
    return s->back == NULL ||
           adjoint_integrals(e, s, v->h, ABSENT, n, y);
}

/* --- loops --------------------------------------------------------------- */

static Loop *open(Elab *e, const Solve *s, Val count, const Val *init, int n,
                  const Type *type)
{
    if (e->nloops == LOOPS_MAX) {
        sema_error(e, s->at, "more than %d nested loops", LOOPS_MAX);
        return NULL;
    }
    Loop *l = ir_loop_open(e->g, count, init, n, type, e->nloops + 1, s->at);
    l->keep = s->gradient == GRADIENT_KEPT;
    e->loop[e->nloops++] = l;
    return l;
}

static Val close(Elab *e, Loop *l, const Val *next)
{
    e->nloops--;
    return ir_origin(e->g, ir_loop_close(e->g, l, next), l->span, NULL);
}

typedef bool Pass(Elab *e, Solve *s, const void *env, Value i, Value *y);

/* A loop over the state. */
static bool repeat(Elab *e, Solve *s, Val count, Pass *pass, const void *env,
                   Value *y)
{
    Val at[COMPONENTS_MAX];

    for (int c = 0; c < s->n + s->nq; c++)
        at[c] = y[c].val;
    Loop *l = open(e, s, count, at, s->n + s->nq, s->type);
    if (l == NULL)
        return false;
    for (int c = 0; c < s->n + s->nq; c++)
        y[c] = value_tensor(ir_origin(e->g, l->var[c], s->at,
                                          c < s->n ? s->name[c] : NULL));
    bool ok = pass(e, s, env, value_tensor(l->index), y);
    for (int c = 0; c < s->n + s->nq; c++)
        at[c] = ok ? y[c].val : l->var[c];
    Val node = close(e, l, at);
    for (int c = 0; c < s->n + s->nq; c++)
        y[c] = value_tensor(ir_proj(e->g, node, c));
    return ok;
}

static Value at_base(Elab *e, const Interval *v, Value i)
{
    return v->base.kind == V_ABSENT ? i
                                    : elem2(e, (Span){0}, OP_add, v->base, i);
}

static bool pass_step(Elab *e, Solve *s, const void *env, Value i, Value *y)
{
    const Interval *v = env;

    return one_step(e, s, v, at_base(e, v, i), y);
}

static bool march(Elab *e, Solve *s, const Interval *v, int levels, Value *y);

typedef struct Blocks {
    const Interval *whole;
    int64_t length;
    int levels;
} Blocks;

static bool pass_block(Elab *e, Solve *s, const void *env, Value i, Value *y)
{
    const Blocks *b = env;
    Interval part = *b->whole;

    Value first = elem2(e, s->at, OP_mul, i, value_int(b->length));
    part.base = at_base(e, b->whole, first);
    part.n.v = value_int(b->length);
    return march(e, s, &part, b->levels - 1, y);
}

/* n steps as loops `levels` deep, with about n^(1/levels) passes each. */
static bool march(Elab *e, Solve *s, const Interval *v, int levels, Value *y)
{
    if (v->n.v.kind != V_INT) {
        Val count = need_val(e, &v->n, "the number of steps");
        return count && repeat(e, s, count, pass_step, v, y);
    }
    int64_t n = v->n.v.i;
    if (n == 1)
        return pass_step(e, s, v, value_int(0), y);
    if (levels < 2 || n < 4)
        return repeat(e, s, ir_const(e->g, DT_i32, (double)n), pass_step, v,
                      y);
    int64_t blocks = llround(pow((double)n, 1.0 / levels));
    Blocks b = {v, n / blocks, levels};
    Interval rest = *v;
    if (!repeat(e, s, ir_const(e->g, DT_i32, (double)blocks), pass_block, &b,
                y))
        return false;
    if (blocks * b.length == n)
        return true;
    rest.base = at_base(e, v, value_int(blocks * b.length));
    rest.n.v = value_int(n - blocks * b.length);
    return march(e, s, &rest, 1, y);
}

/* Levels of loops for a gradient that may keep `memory` states at a time:
 * n^(1/l) of each level are kept, all levels at once. */
int solve_levels(const Solve *s, int64_t n)
{
    if (s->gradient != GRADIENT_CHECKPOINTED || n < 4)
        return 1;
    if (s->memory == 0)
        return 2;
    for (int levels = 1; levels < 6; levels++)
        if (levels * ceil(pow((double)n, 1.0 / levels)) <= (double)s->memory)
            return levels;
    return 6;
}

/* --- intervals ----------------------------------------------------------- */

static bool known_times(const Solve *s)
{
    for (int k = 0; k < s->ntime; k++)
        if (!is_number(&s->time[k].v))
            return false;
    return true;
}

/* Steps of at most the length asked for, all equal. */
static bool interval(Elab *e, Solve *s, int k, Interval *v)
{
    const Arg *a = &s->time[k], *b = &s->time[k + 1];
    Value length = elem(e, s->at, OP_sub, (Arg[]){*b, *a}, 2);

    *v = (Interval){.t0 = a->v, .base = ABSENT, .n = s->steps};
    if (length.kind == V_POISON)
        return false;
    if (is_number(&v->t0))
        v->t0 = value_real(v->t0.num);
    if (s->step > 0) {
        if (!is_number(&length)) {
            sema_error(e, s->at, "the number of steps must be known when "
                       "compiling, but the times are %s",
                       phase_text(e, &length));
            sema_help(e, "give the number of steps: %s(steps: 20)",
                      s->method->name);
            return false;
        }
        double n = fabs(length.num) / s->step;
        n = fabs(n - round(n)) <= 1e-6 * fmax(n, 1) ? round(n) : ceil(n);
        if (n > 1e8) {
            sema_error(e, s->at, "%g steps are too many", n);
            return false;
        }
        v->n = (Arg){.v = value_int((int64_t)fmax(n, 1)), .span = s->at};
    }
    Value n = v->n.v;
    if (n.kind == V_INT)
        n = value_real(n.num);
    else
        n = elem_cast(e, s->at, &(Arg){.v = n, .span = v->n.span}, e->real);
    v->h = elem2(e, s->at, OP_div, length, n);
    return v->h.kind != V_POISON;
}

static bool march_over(Elab *e, Solve *s, const Interval *v, Value *y)
{
    int levels = v->n.v.kind == V_INT ? solve_levels(s, v->n.v.i) : 1;

    if (is_number(&v->h) && v->h.num == 0)
        return true;
    return march(e, s, v, levels, y);
}

/* --- equal intervals: rows written in a loop ----------------------------- */

static bool equal_intervals(Elab *e, Solve *s)
{
    if (s->ntime < 5 || !known_times(s) || s->steps.v.kind == V_TENSOR)
        return false;
    double first = s->time[1].v.num - s->time[0].v.num;
    double whole = s->time[s->ntime - 1].v.num - s->time[0].v.num;
    for (int k = 0; k < s->ntime; k++) {
        double t = s->time[0].v.num + k * first;
        if (fabs(s->time[k].v.num - t) > 1e-9 * fabs(whole))
            return false;
    }
    (void)e;
    return first != 0;
}

Value solve_rows(Elab *e, const Solve *s, int c, Val y)
{
    Shape shape = s->type[c].shape;

    shape.rank++;
    for (int k = shape.rank - 1; k > 0; k--)
        shape.dim[k] = shape.dim[k - 1];
    shape.dim[0] = s->ntime;
    if (!size_ok(e, s->at, shape))
        return POISON;
    Val rows = node_broadcast(e, s->at, y, shape);
    return value_tensor(rows && s->type[c].batched ? ir_spread(e->g, rows)
                                                   : rows);
}

/* Writes row i + 1 of each component after interval i. */
static bool march_rows(Elab *e, Solve *s, Value *y, Value *rows)
{
    int n = s->n;
    Val init[2 * COMPONENTS_MAX], next[2 * COMPONENTS_MAX];
    Type type[2 * COMPONENTS_MAX];
    Interval v;

    if (!interval(e, s, 0, &v))
        return false;
    for (int c = 0; c < n; c++) {
        init[c] = y[c].val;
        type[c] = s->type[c];
        init[n + c] = solve_rows(e, s, c, y[c].val).val;
        if (init[n + c] == NULL)
            return false;
        type[n + c] = init[n + c]->type;
    }
    s->run.steps = elem2(e, s->at, OP_mul, v.n.v, value_int(s->ntime - 1));
    Val count = ir_const(e->g, DT_i32, s->ntime - 1);
    Loop *l = open(e, s, count, init, 2 * n, type);
    if (l == NULL)
        return false;
    Blocks b = {&v, v.n.v.i, 1};
    for (int c = 0; c < n; c++)
        y[c] = value_tensor(l->var[c]);
    if (v.n.v.kind == V_INT)
        b.levels = solve_levels(s, v.n.v.i) + 1;
    bool ok = pass_block(e, s, &b, value_tensor(l->index), y);
    Val row = ir_add(e->g, l->index, ir_const(e->g, DT_i32, 1));
    for (int c = 0; c < n; c++) {
        next[c] = ok ? y[c].val : l->var[c];
        next[n + c] = ir_op3(e->g, OP_put, l->var[n + c], row, next[c]);
    }
    Val node = close(e, l, next);
    for (int c = 0; c < n; c++) {
        rows[c] = value_tensor(ir_proj(e->g, node, n + c));
        y[c] = value_tensor(ir_proj(e->g, node, c));
    }
    return ok;
}

/* --- */

bool solve_begin(Elab *e, Solve *s, Value *y)
{
    for (int c = 0; c < s->n + s->nq; c++) {
        y[c] = value_tensor(node_convert(e, s->init[c].span, &s->init[c].v,
                                         s->type[c]));
        if (y[c].kind == V_POISON)
            return false;
    }
    return true;
}

bool solve_fixed(Elab *e, Solve *s, Value (*out)[COMPONENTS_MAX],
                 Value *rows)
{
    Value y[COMPONENTS_MAX];

    if (!solve_begin(e, s, y))
        return false;
    for (int c = 0; c < s->n; c++) {
        out[0][c] = y[c];
        rows[c] = ABSENT;
    }
    s->run.steps = value_int(0);
    if (s->listed && equal_intervals(e, s))
        return march_rows(e, s, y, rows);
    for (int k = 0; k + 1 < s->ntime; k++) {
        Interval v;
        if (!interval(e, s, k, &v) || !march_over(e, s, &v, y))
            return false;
        s->run.steps = elem2(e, s->at, OP_add, s->run.steps, v.n.v);
        for (int c = 0; c < s->n + s->nq; c++)
            out[k + 1][c] = y[c];
    }
    return true;
}
