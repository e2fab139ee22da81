/*
 * solve_control.c -- how long a step is.
 *
 *   r    = rms( err / (atol + rtol max(|y|, |y'|)) ),   accepted if r <= 1
 *   h'   = h clip(0.9 r^-b1 q^-b2 p^-b3, 0.2, 10),  q, p the ratios before
 *
 * with b / (order of the estimate + 1): I (1, 0, 0); PI (0.7, -0.4, 0), as in
 * Hairer & Wanner II, IV.2; PID (0.58, -0.21, 0.1), as in Kennedy & Carpenter
 * 2003. After a refused step h does not grow, nor does it in the step after
 * it. DOP853 has two estimates: r^2 = e5^4 / (e5^2 + e3^2 / 100).
 *
 * Norms are f64 and carry no gradient: the gradient of a solve is that of its
 * steps as they were.
 */
#include "sema/solve_adapt.h"

#include <math.h>

static Value op2(Elab *e, const Solve *s, Op op, Value x, Value y)
{
    return elem2(e, s->at, op, x, y);
}

static Value wide(Elab *e, const Solve *s, Value v)
{
    if (v.kind == V_TENSOR)
        return elem_cast(e, s->at, &(Arg){.v = v, .span = s->at}, DT_f64);
    return value_tensor(ir_const(e->g, DT_f64, v.num));
}

static Value constant(Elab *e, const Solve *s, Value v)
{
    return elem1(e, s->at, OP_stop_gradient, v);
}

Value as_rows(Elab *e, const Solve *s, Value v, int rank)
{
    Shape to = {.rank = rank + 1};

    if (v.kind != V_TENSOR || rank == 0)
        return v;
    for (int k = 1; k <= rank; k++)
        to.dim[k] = 1;
    to.dim[0] = v.val->type.shape.rank ? v.val->type.shape.dim[0] : 1;
    return value_tensor(node_reshape(e, s->at, v.val, to));
}

/* --- norms ---------------------------------------------------------------- */

/* atol + rtol max(|y|, |next|) */
static Value scale(Elab *e, const Solve *s, Value y, Value next)
{
    Value size = elem1(e, s->at, OP_abs, y);

    if (next.kind != V_ABSENT)
        size = op2(e, s, OP_max, size, elem1(e, s->at, OP_abs, next));
    return op2(e, s, OP_add, value_real(s->atol),
               op2(e, s, OP_mul, value_real(s->rtol), size));
}

/* The sum of squares of x over its elements, f64; over the examples too where
 * they share their steps. */
static Value squares(Elab *e, const Solve *s, Value x)
{
    int axis[RANK_MAX];
    Value v = wide(e, s, constant(e, s, x));

    v = op2(e, s, OP_mul, v, v);
    if (v.kind != V_TENSOR)
        return v;
    Val sum = v.val;
    for (int k = 0; k < RANK_MAX; k++)
        axis[k] = k;
    if (sum->type.shape.rank)
        sum = ir_reduce(e->g, OP_sum, sum, axis, sum->type.shape.rank);
    return s->whole_batch && sum->type.batched
               ? value_tensor(batch_mean_of(e, s->at, sum).val)
               : value_tensor(sum);
}

static Value total(Elab *e, const Solve *s, Value sum, Value more)
{
    return sum.kind == V_ABSENT ? more : op2(e, s, OP_add, sum, more);
}

static Value rms(Elab *e, const Solve *s, const Adapt *a, Value sum)
{
    return elem1(e, s->at, OP_sqrt,
                 op2(e, s, OP_mul, sum, value_real(1 / (double)a->size)));
}

static Value estimate(Elab *e, const Solve *s, const Value *y,
                      const Value *next, Value step, const double *w,
                      const Value (*k)[COMPONENTS_MAX])
{
    Value sum = ABSENT;

    for (int c = 0; c < s->n; c++) {
        Value err = step_sum(e, s, step, w, s->method->stages, k, c);
        err = op2(e, s, OP_div, err, scale(e, s, y[c], next[c]));
        sum = total(e, s, sum, squares(e, s, err));
    }
    return sum;
}

Value control_ratio(Elab *e, const Solve *s, const Adapt *a, const Value *y,
                    const Value *next, Value step,
                    const Value (*k)[COMPONENTS_MAX])
{
    const Tableau *m = s->method;
    Value e5 = estimate(e, s, y, next, step, m->e, k);

    if (m->e2 == NULL)
        return rms(e, s, a, e5);
    Value e3 = estimate(e, s, y, next, step, m->e2, k);
    Value both = op2(e, s, OP_add, e5,
                     op2(e, s, OP_mul, e3, value_real(0.01)));
    both = op2(e, s, OP_mul, both, value_real((double)a->size));
    both = op2(e, s, OP_max, both, value_real(1e-300));
    return op2(e, s, OP_div, e5, elem1(e, s->at, OP_sqrt, both));
}

/* --- the next step ---------------------------------------------------------- */

static Value power(Elab *e, const Solve *s, Value r, double b)
{
    r = op2(e, s, OP_max, r, value_real(1e-10));
    return op2(e, s, OP_pow, r, wide(e, s, value_real(-b)));
}

Value control_step(Elab *e, const Solve *s, Value h, Value ratio, Value finite,
                   Value accept, const Value *before, Value held)
{
    static const double gain[][3] = {
        [CONTROL_I] = {1, 0, 0}, [CONTROL_PI] = {0.7, -0.4, 0},
        [CONTROL_PID] = {0.58, -0.21, 0.1}};
    const double *b = gain[s->control];
    double p = 1.0 / (s->method->lower + 1);
    Value r = pick(e, s, finite, ratio, wide(e, s, value_real(1e10)));
    Value alone = op2(e, s, OP_mul, value_real(0.9), power(e, s, r, p));
    Value factor = alone;

    if (b[1] != 0) {
        factor = op2(e, s, OP_mul, value_real(0.9), power(e, s, r, b[0] * p));
        for (int k = 0; k < 2 && b[k + 1] != 0; k++) {
            Value q = op2(e, s, OP_max, before[k], value_real(1e-4));
            factor = op2(e, s, OP_mul, factor, power(e, s, q, b[k + 1] * p));
        }
    }
    factor = op2(e, s, OP_max, factor, value_real(0.2));
    Value most = pick(e, s, held, wide(e, s, value_real(1)),
                      wide(e, s, value_real(10)));
    factor = op2(e, s, OP_min, factor, most);
    alone = op2(e, s, OP_min, op2(e, s, OP_max, alone, value_real(0.2)),
                value_real(1));
    return op2(e, s, OP_mul, h, pick(e, s, accept, factor, alone));
}

/* --- the first step ----------------------------------------------------------- */

static Value norm(Elab *e, const Solve *s, const Adapt *a, const Value *y,
                  const Value *x)
{
    Value sum = ABSENT;

    for (int c = 0; c < s->n; c++) {
        Value part = op2(e, s, OP_div, x[c], scale(e, s, y[c], ABSENT));
        sum = total(e, s, sum, squares(e, s, part));
    }
    return rms(e, s, a, sum);
}

/* Where a norm is no number, the steps begin small and fail by themselves. */
static Value known_or(Elab *e, const Solve *s, Value v, double otherwise)
{
    return pick(e, s, elem1(e, s->at, OP_is_finite, v), v,
                wide(e, s, value_real(otherwise)));
}

Value control_probe(Elab *e, const Solve *s, const Adapt *a, const Value *y,
                    const Value *rate)
{
    Value d0 = norm(e, s, a, y, y), d1 = norm(e, s, a, y, rate);
    Value tiny = op2(e, s, OP_or, op2(e, s, OP_lt, d0, value_real(1e-5)),
                     op2(e, s, OP_lt, d1, value_real(1e-5)));
    Value h = op2(e, s, OP_div, op2(e, s, OP_mul, value_real(0.01), d0),
                  pick(e, s, tiny, wide(e, s, value_real(1)), d1));

    h = pick(e, s, tiny, wide(e, s, value_real(1e-6)), h);
    return op2(e, s, OP_min, known_or(e, s, h, 1e-6), constant(e, s,
                                                               a->length));
}

Value control_first(Elab *e, const Solve *s, const Adapt *a, const Value *y,
                    const Value *rate, const Value *probed, Value h0)
{
    Value change[COMPONENTS_MAX];
    Value safe = op2(e, s, OP_max, h0, value_real(1e-300));

    for (int c = 0; c < s->n; c++)
        change[c] = op2(e, s, OP_sub, probed[c], rate[c]);
    Value d1 = norm(e, s, a, y, rate);
    Value d2 = op2(e, s, OP_div, norm(e, s, a, y, change), safe);
    Value d = op2(e, s, OP_max, d1, d2);
    Value flat = op2(e, s, OP_le, d, value_real(1e-15));
    Value h1 = op2(e, s, OP_div, wide(e, s, value_real(0.01)),
                   op2(e, s, OP_max, d, value_real(1e-15)));
    h1 = op2(e, s, OP_pow, h1,
             wide(e, s, value_real(1.0 / (s->method->lower + 1))));
    Value small = op2(e, s, OP_max, wide(e, s, value_real(1e-6)),
                      op2(e, s, OP_mul, h0, value_real(1e-3)));
    h1 = pick(e, s, flat, small, h1);
    h1 = op2(e, s, OP_min, h1, op2(e, s, OP_mul, h0, value_real(100)));
    return op2(e, s, OP_min, known_or(e, s, h1, 1e-6),
               constant(e, s, a->length));
}

/* --- times -------------------------------------------------------------------- */

bool control_prepare(Elab *e, Solve *s, Adapt *a)
{
    Value first = wide(e, s, s->time[0].v);
    Value last = wide(e, s, s->time[s->ntime - 1].v);
    Value length = op2(e, s, OP_sub, last, first);

    a->start = first;
    a->way = pick(e, s, op2(e, s, OP_lt, length, value_real(0)),
                  wide(e, s, value_real(-1)), wide(e, s, value_real(1)));
    a->length = op2(e, s, OP_mul, a->way, length);
    Value most = op2(e, s, OP_max, elem1(e, s->at, OP_abs, first),
                     elem1(e, s->at, OP_abs, last));
    a->least = constant(e, s, s->min_step > 0
                                  ? wide(e, s, value_real(s->min_step))
                                  : op2(e, s, OP_mul, most,
                                        value_real(0x1p-48)));
    a->rows = s->listed;
    a->keeps_rate = s->method->fsal && s->back == NULL;
    for (int c = 0; c < s->n; c++)
        a->size += shape_size(s->type[c].shape);
    if (!a->rows)
        return a->least.kind != V_POISON;
    if (s->method->degree == 0) {
        sema_error(e, s->at, "%s has no dense output", s->method->name);
        return false;
    }
    Val part[ARGS_MAX];
    if (s->ntime > ARGS_MAX) {
        sema_error(e, s->at, "more than %d times", ARGS_MAX);
        return false;
    }
    for (int k = 0; k < s->ntime; k++) {
        Value t = op2(e, s, OP_mul, a->way,
                      op2(e, s, OP_sub, wide(e, s, s->time[k].v), first));
        if (t.kind == V_POISON)
            return false;
        part[k] = node_reshape(e, s->at, t.val, shape_of(1, (int64_t)1));
    }
    Attr axis = {.n = 1, .i = {0}};
    a->outputs = value_tensor(node_make(e, s->at, OP_concat, &axis, part,
                                        s->ntime));
    return a->outputs.kind != V_POISON;
}
