/*
 * solve_step.c -- one Runge-Kutta step as expressions.
 *
 *   k_i = f(t + c_i h, y + sum_j (h a_ij) k_j)
 *
 * Increments are added up before they meet y, and h is multiplied into the
 * weights, which folds where it is known: a step of Euler is one fused
 * multiply-add in the last kernel of the dynamics.
 */
#include "sema/solve.h"

Value step_sum(Elab *e, const Solve *s, Value h, const double *w, int n,
               const Value (*k)[COMPONENTS_MAX], int c)
{
    Value sum = ABSENT;

    for (int j = 0; j < n; j++) {
        if (w[j] == 0)
            continue;
        Value factor = elem2(e, s->at, OP_mul, h, value_real(w[j]));
        if (factor.kind == V_TENSOR && factor.val->type.dt != s->type[c].dt)
            factor = elem_cast(e, s->at, &(Arg){.v = factor, .span = s->at},
                               s->type[c].dt);
        Value term = elem2(e, s->at, OP_mul, factor, k[j][c]);
        sum = sum.kind == V_ABSENT ? term
                                   : elem2(e, s->at, OP_add, sum, term);
    }
    return sum;
}

Value step_add(Elab *e, const Solve *s, Value y, Value sum, int c)
{
    if (sum.kind == V_ABSENT)
        return y;
    y = elem2(e, s->at, OP_add, y, sum);
    if (y.kind == V_POISON)
        return POISON;
    Val v = node_convert(e, s->at, &y, s->type[c]);
    return v ? value_tensor(v)
             : sema_error(e, s->at, "a step makes %s of a state that is %s",
                          value_text(e, &y), type_words_batch(e, s->type[c]));
}

bool step_stages(Elab *e, Solve *s, const Value *y, Value h, StageTime *time,
                 const void *env, int first, int n,
                 Value (*k)[COMPONENTS_MAX])
{
    const Tableau *m = s->method;
    double a[STAGES_MAX];

    for (int i = first; i < n; i++) {
        Value at[COMPONENTS_MAX];
        for (int j = 0; j < i; j++)
            a[j] = tableau_a(m, i, j);
        for (int c = 0; c < s->n; c++) {
            Value sum = step_sum(e, s, h, a, i,
                                 (const Value(*)[COMPONENTS_MAX])k, c);
            at[c] = step_add(e, s, y[c], sum, c);
            if (at[c].kind == V_POISON)
                return false;
        }
        if (!solve_rates(e, s, at, time(e, env, m->c[i]), k[i]))
            return false;
    }
    return true;
}
