/*
 * solve_record.c -- what `info` is told of a solve: steps, evaluations, whether
 * its rates depend on the time, and a Lipschitz bound of them.
 */
#include "sema/solve.h"
#include "sema/lipschitz.h"

#include <math.h>

/* The rates as one vector over the state as one vector and the time: the body
 * of a loop that is made for this and left alone. */
static bool rates_over(Elab *e, Solve *s, Loop **loop, Val *root)
{
    Val init[2], next[2], part[STATES_MAX];
    Type type[2] = {type_of(e->real, false, shape_of(0)),
                    type_of(e->real, false, shape_of(0))};
    Value y[STATES_MAX], rate[COMPONENTS_MAX];
    Attr axis = {.n = 1, .i = {0}};
    int64_t size = 0, from = 0;

    for (int c = 0; c < s->n; c++) {
        if (s->type[c].dt != e->real)
            return false;
        size += shape_size(s->type[c].shape);
        type[0].batched = type[0].batched || s->type[c].batched;
    }
    type[0].shape = s->n == 1 ? s->type[0].shape : shape_of(1, size);
    for (int c = 1; c < s->n; c++)
        if (s->type[c].batched != s->type[0].batched)
            return false;
    for (int k = 0; k < 2; k++)
        init[k] = ir_const(e->g, e->real, 0);
    Loop *l = ir_loop_open(e->g, ir_const(e->g, DT_i32, 1), init, 2, type,
                           e->nloops + 1, s->at);
    for (int c = 0; c < s->n; c++) {
        int64_t n = shape_size(s->type[c].shape);
        Val v = l->var[0];
        if (s->n > 1)
            v = node_reshape(e, s->at, node_slice(e, s->at, v, 0, from,
                                                  from + n, 1),
                             s->type[c].shape);
        y[c] = value_tensor(v);
        from += n;
    }
    e->loop[e->nloops++] = l;
    bool ok = solve_rates(e, s, y, value_tensor(l->var[1]), rate);
    e->nloops--;
    for (int c = 0; c < s->n && ok; c++)
        part[c] = s->n == 1 ? rate[c].val
                            : node_reshape(e, s->at, rate[c].val,
                                           shape_of(1, shape_size(
                                                           s->type[c].shape)));
    *root = !ok ? NULL : s->n == 1 ? part[0]
                                   : node_make(e, s->at, OP_concat, &axis,
                                               part, s->n);
    next[0] = *root ? *root : l->var[0];
    next[1] = l->var[1];
    ir_loop_close(e->g, l, next);
    *loop = l;
    return *root != NULL;
}

/* Elements of the contractions that the rates are made of. */
static int64_t products_of(Val rates, const Loop *l)
{
    Arena *tmp = arena_new();
    int64_t sum = 0;
    int n;
    Val *all = ir_topo(tmp, &rates, 1, l, &n);

    for (int k = 0; k < n; k++)
        if (all[k]->op == OP_conv || all[k]->op == OP_dot)
            sum += shape_size(all[k]->type.shape);
    arena_free(tmp);
    return sum;
}

void solve_record(Elab *e, Solve *s)
{
    static const char *const gradient[] = {"unrolled", "checkpointed",
                                           "adjoint", "kept"};
    SolveDecl d = {.method = s->method->name, .adaptive = s->adaptive,
                   .gradient = gradient[s->gradient], .span = s->at,
                   .evaluations = tableau_plain_stages(s->method)};
    Value steps = s->run.steps;
    Loop *l;
    Val root;

    if (e->mute || s->back)
        return;
    for (int k = 0; k < e->u->solve.n; k++)
        if (e->u->solve.at[k].span.src == s->at.src &&
            e->u->solve.at[k].span.lo == s->at.lo)
            return;
    if (!rates_over(e, s, &l, &root))
        return;
    d.autonomous = !ir_reaches(root, l->var[1]);
    Bounds b = lipschitz_of(e->a, root, l->var[0]);
    d.bounded = b.found;
    d.at = b.at;
    d.nterm = b.found ? b.n : 0;
    d.term = b.term;
    for (int c = 0; c < s->n; c++)
        d.size += shape_size(s->type[c].shape);
    if (s->adaptive) {
        d.steps = s->max_steps;
        d.evaluations = s->method->stages - s->method->fsal;
    } else if (steps.kind == V_INT) {
        d.steps = steps.i;
    }
    d.products = products_of(root, l);
    d.levels = solve_levels(s, d.steps);
    VEC_PUSH(e->a, &e->u->solve, d);
}
