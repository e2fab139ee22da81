/*
 * solve_check.c -- what becomes of examples whose solve did not arrive.
 *
 * Their results are NaN, and the runtime is told where they stood: the time,
 * the step, and which element of the state changed fastest by its tolerance.
 */
#include "sema/solve_adapt.h"

#include <math.h>

static Value constant(Elab *e, const Solve *s, Value v)
{
    return elem1(e, s->at, OP_stop_gradient, v);
}

/* The largest |rate| / (atol + rtol |y|) of component c, and its place. */
static bool fastest(Elab *e, const Solve *s, Value y, Value rate, int c,
                    Val *most, Val *place)
{
    int64_t n = shape_size(s->type[c].shape);
    Attr axis = {.n = 1, .i = {0}};

    Value tol = elem2(e, s->at, OP_add, value_real(s->atol),
                      elem2(e, s->at, OP_mul, value_real(s->rtol),
                            elem1(e, s->at, OP_abs, y)));
    Value x = elem2(e, s->at, OP_div, elem1(e, s->at, OP_abs, rate), tol);
    Val all = node_reshape(e, s->at, constant(e, s, x).val, shape_of(1, n));
    if (all == NULL)
        return false;
    *most = node_make(e, s->at, OP_max_reduce, &axis, &all, 1);
    *place = node_make(e, s->at, OP_argmax, &axis, &all, 1);
    return *most && *place;
}

static Value wide(Elab *e, const Solve *s, Value v)
{
    if (v.kind != V_TENSOR)
        return value_tensor(ir_const(e->g, DT_f64, v.num));
    return elem_cast(e, s->at, &(Arg){.v = v, .span = s->at}, DT_f64);
}

/* The numbers of an RnnFailure. */
static Val numbers(Elab *e, const Solve *s, const Value *y)
{
    const Run *r = &s->run;
    Value t = elem2(e, s->at, OP_add, r->start,
                    elem2(e, s->at, OP_mul, r->way, r->tau));
    Value most = ABSENT, c = value_real(0), place = value_real(0);

    for (int k = 0; k < s->n; k++) {
        Val m, p;
        if (r->rate[k].kind == V_ABSENT ||
            !fastest(e, s, y[k], r->rate[k], k, &m, &p))
            continue;
        Value mine = value_tensor(m), at = wide(e, s, value_tensor(p));
        if (most.kind == V_ABSENT) {
            most = mine;
            place = at;
            continue;
        }
        Value more = elem2(e, s->at, OP_lt, wide(e, s, most), wide(e, s, mine));
        most = pick(e, s, more, wide(e, s, mine), wide(e, s, most));
        place = pick(e, s, more, at, place);
        c = pick(e, s, more, wide(e, s, value_real(k)), wide(e, s, c));
    }
    Value number[] = {t, elem2(e, s->at, OP_mul, r->way, r->h), r->tries, c,
                      place, value_real(s->n)};
    Val part[ARRAY_LEN(number)];
    Attr axis = {.n = 1, .i = {0}};
    for (int k = 0; k < (int)ARRAY_LEN(number); k++) {
        Value v = constant(e, s, wide(e, s, number[k]));
        part[k] = v.kind == V_TENSOR
                      ? node_reshape(e, s->at, v.val, shape_of(1, (int64_t)1))
                      : NULL;
        if (part[k] == NULL)
            return NULL;
    }
    return node_make(e, s->at, OP_concat, &axis, part, ARRAY_LEN(number));
}

bool solve_checked(Elab *e, Solve *s, Value *y, Value *rows)
{
    Val src[2] = {s->run.status.val, numbers(e, s, y)};

    if (src[1] == NULL)
        return false;
    Value ok = value_tensor(node_make(e, s->at, OP_solved, NULL, src, 2));
    if (ok.kind == V_POISON)
        return false;
    ir_origin(e->g, ok.val, s->at, NULL);
    Value bad = value_real((double)NAN);
    for (int c = 0; c < s->n; c++) {
        y[c] = pick(e, s, ok, y[c], bad);
        if (rows[c].kind == V_TENSOR)
            rows[c] = pick(e, s, ok, rows[c], bad);
        if (y[c].kind == V_POISON)
            return false;
    }
    return true;
}
