/*
 * solve_adjoint.c -- the gradient of a solve by a second solve back in time.
 *
 *   a = dL/dz at the end,   da/dt = -a^T df/dz,   dL/dc = int a^T df/dc dt
 *
 * The state is solved back beside its adjoint a instead of being kept, so the
 * memory does not grow with the steps; the gradient is that of the equation,
 * not of the computed steps, and as good as the tolerance. (Chen et al. 2018.)
 * The integrals over c, of all values that the rates use, are sums over the
 * steps taken: they stay out of the error norm, which is the seminorm of
 * Kidger et al. 2021.
 *
 * The second solve is elaborated over an input without meaning that stands for
 * dL/dz, and hung on the result by an `adjoint` node; where a gradient wants
 * it, autodiff puts the true one there.
 */
#include "sema/solve.h"

struct Back {
    Solve *over; // what is gone back over
    int n;       // its components
    Val *c;      // [nq] values its rates use
    // by stage: adjoints and rates, both over constants but for c
    Value a[STAGES_MAX][STATES_MAX], f[STAGES_MAX][STATES_MAX];
    int *stage;  // where the next evaluation is kept
};

static Value constant(Elab *e, const Solve *s, Value v)
{
    return elem1(e, s->at, OP_stop_gradient, v);
}

/* sum_c <a_c, f_c>, of each example. */
static Val product(Elab *e, const Solve *s, int n, const Value *a,
                   const Value *f)
{
    int axis[RANK_MAX] = {0, 1, 2, 3, 4, 5};
    Value sum = ABSENT;

    for (int c = 0; c < n; c++) {
        Value x = elem2(e, s->at, OP_mul, a[c], f[c]);
        if (x.kind != V_TENSOR)
            return NULL;
        if (x.val->type.shape.rank)
            x.val = ir_reduce(e->g, OP_sum, x.val, axis,
                              x.val->type.shape.rank);
        sum = c ? elem2(e, s->at, OP_add, sum, x) : x;
    }
    return sum.kind == V_TENSOR ? sum.val : NULL;
}

static Val cut(Elab *e, Val c)
{
    return ir_op1(e->g, OP_stop_gradient, c);
}

/* The rates over the values they use, each cut off from the others: one may be
 * computed from another, and that way is not theirs to go. */
static void over_cut_values(Elab *e, const Solve *s, const Back *b,
                            const Value *z, Value *rate)
{
    Val *own = NEW_N(e->a, Val, s->nq + 1);

    for (int k = 0; k < s->nq; k++)
        own[k] = cut(e, b->c[k]);
    Subst *to = ir_subst_new(e->g, e->a, e->nloops + 1);
    for (int k = 0; k < s->nq; k++) {
        ir_subst_set(to, b->c[k], own[k]);
        ir_subst_set(to, own[k], own[k]);
    }
    for (int c = 0; c < b->n; c++)
        ir_subst_set(to, z[c].val, z[c].val);
    for (int c = 0; c < b->n; c++)
        if (rate[c].kind == V_TENSOR)
            rate[c] = value_tensor(ir_subst(to, rate[c].val));
}

void adjoint_step(const Solve *s)
{
    if (s->back)
        *s->back->stage = 0;
}

bool adjoint_rates(Elab *e, Solve *s, const Value *y, Value t, Value *rate)
{
    Back *b = (Back *)s->back;
    int stage = (*b->stage)++ % STAGES_MAX;
    Value z[STATES_MAX];

    for (int c = 0; c < b->n; c++) {
        z[c] = constant(e, s, y[c]);
        b->a[stage][c] = constant(e, s, y[b->n + c]);
    }
    if (!solve_rates(e, b->over, z, t, rate))
        return false;
    over_cut_values(e, s, b, z, rate);
    for (int c = 0; c < b->n; c++)
        b->f[stage][c] = rate[c];
    Val e_sum = product(e, s, b->n, b->a[stage], rate);
    if (e_sum == NULL)
        return false;
    for (int c = 0; c < b->n; c++) {
        Val g = ir_op2(e->g, OP_grad, e_sum, z[c].val);
        rate[b->n + c] = elem1(e, s->at, OP_neg, value_tensor(g));
        rate[c] = constant(e, s, rate[c]);
    }
    return true;
}

bool adjoint_integrals(Elab *e, Solve *s, Value step, Value taken, int n,
                       Value *y)
{
    Back *b = (Back *)s->back;
    Value sum = ABSENT, w = elem1(e, s->at, OP_neg, step);

    if (taken.kind == V_TENSOR) {
        Arg arg[3] = {{.v = taken, .span = s->at}, {.v = w, .span = s->at},
                      {.v = value_real(0), .span = s->at}};
        w = elem(e, s->at, OP_select, arg, 3);
    }
    if (w.kind == V_TENSOR)
        w = constant(e, s, elem_cast(e, s->at, &(Arg){.v = w, .span = s->at},
                                     s->type[0].dt));
    for (int i = 0; i < n; i++) {
        if (s->method->b[i] == 0)
            continue;
        Val x = product(e, s, b->n, b->a[i], b->f[i]);
        if (x == NULL)
            return false;
        Value term = elem2(e, s->at, OP_mul,
                           elem2(e, s->at, OP_mul, w,
                                 value_real(s->method->b[i])),
                           value_tensor(x));
        sum = sum.kind == V_ABSENT ? term
                                   : elem2(e, s->at, OP_add, sum, term);
    }
    if (sum.kind != V_TENSOR)
        return false;
    Val all = sum.val;
    if (all->type.batched)
        all = ir_op1(e->g, OP_batch_sum, all);
    for (int k = 0; k < s->nq; k++) {
        Val g = ir_op2(e->g, OP_grad, all, cut(e, b->c[k]));
        y[s->n + k] = elem2(e, s->at, OP_add, y[s->n + k], value_tensor(g));
    }
    return true;
}

/* --- what the rates use ----------------------------------------------------- */

static bool may_have_gradient(Val v)
{
    while (v->op == OP_broadcast || v->op == OP_spread || v->op == OP_reshape)
        v = v->src[0];
    return dtype_real(v->type.dt) && v->op != OP_const;
}

/* The values from outside that the rates are computed from: what a loop over
 * the state, made for this and left alone, captures. */
static bool find_used(Elab *e, Solve *s, Back *b, int *nq)
{
    Val init[STATES_MAX + 1], next[STATES_MAX + 1];
    Type type[STATES_MAX + 1];
    Value y[STATES_MAX], rate[COMPONENTS_MAX];
    int n = s->n, ncapture;

    for (int c = 0; c < n; c++) {
        type[c] = s->type[c];
        init[c] = node_convert(e, s->at, &s->init[c].v, type[c]);
        if (init[c] == NULL)
            return false;
    }
    type[n] = type_of(e->real, false, shape_of(0));
    init[n] = ir_const(e->g, e->real, 0);
    Loop *l = ir_loop_open(e->g, ir_const(e->g, DT_i32, 1), init, n + 1, type,
                           e->nloops + 1, s->at);
    e->loop[e->nloops++] = l;
    for (int c = 0; c < n; c++)
        y[c] = value_tensor(l->var[c]);
    bool ok = solve_rates(e, s, y, value_tensor(l->var[n]), rate);
    e->nloops--;
    for (int c = 0; c < n; c++)
        next[c] = ok ? rate[c].val : l->var[c];
    next[n] = l->var[n];
    ir_loop_close(e->g, l, next);
    if (!ok)
        return false;
    Val *v = ir_captures(e->a, l, &ncapture);
    b->c = NEW_N(e->a, Val, ncapture + 1);
    *nq = 0;
    for (int k = 0; k < ncapture; k++)
        if (may_have_gradient(v[k]))
            b->c[(*nq)++] = v[k];
    if (*nq + 2 * n <= COMPONENTS_MAX)
        return true;
    sema_error(e, s->at, "these rates use %d values; an adjoint gradient takes "
               "at most %d", *nq, COMPONENTS_MAX - 2 * n);
    return false;
}

/* --- one interval -------------------------------------------------------------- */

static bool run(Elab *e, Solve *s, Value *y)
{
    Value (*out)[COMPONENTS_MAX] = arena_alloc(e->a, 2 * sizeof *out);
    Value rows[COMPONENTS_MAX];

    if (s->adaptive) {
        Value *last = out[1];
        if (!solve_begin(e, s, last) ||
            !solve_adaptive(e, s, last, rows, &s->run) ||
            !solve_checked(e, s, last, rows))
            return false;
    } else if (!solve_fixed(e, s, out, rows)) {
        return false;
    }
    for (int c = 0; c < s->n + s->nq; c++)
        y[c] = out[1][c];
    return true;
}

/* All components one after another, and back. */
static Val flat(Elab *e, const Solve *s, const Value *y)
{
    Val part[STATES_MAX];
    Attr axis = {.n = 1, .i = {0}};

    for (int c = 0; c < s->n; c++) {
        int64_t n = shape_size(s->type[c].shape);
        part[c] = node_reshape(e, s->at, y[c].val, shape_of(1, n));
        if (part[c] == NULL)
            return NULL;
    }
    return s->n == 1 ? part[0] : node_make(e, s->at, OP_concat, &axis, part,
                                           s->n);
}

static void unflat(Elab *e, const Solve *s, Val all, Value *y)
{
    int64_t from = 0;

    for (int c = 0; c < s->n; c++) {
        int64_t n = shape_size(s->type[c].shape);
        Val part = node_slice(e, s->at, all, 0, from, from + n, 1);
        y[c] = value_tensor(node_reshape(e, s->at, part, s->type[c].shape));
        from += n;
    }
}

static Value zero(Elab *e, Val like)
{
    Val z = ir_like(e->g, like, 0);

    return value_tensor(like->type.batched ? ir_spread(e->g, z) : z);
}

/* The adjoint at the start and the integrals, given u at the end. */
static bool go_back(Elab *e, Solve *s, const Value *end, Val u, Back *b,
                    int nq, Value *grad)
{
    Solve back = *s;
    Value start[2] = {s->time[0].v, s->time[1].v};
    int stage = 0;

    back.back = b;
    back.gradient = GRADIENT_UNROLLED;
    back.n = 2 * s->n;
    back.nq = nq;
    back.rate = NULL;
    back.time = NEW_N(e->a, Arg, 2);
    for (int k = 0; k < 2; k++)
        back.time[k] = (Arg){.v = start[1 - k], .span = s->time[1 - k].span};
    b->stage = &stage;
    unflat(e, s, u, grad);
    for (int c = 0; c < s->n; c++) {
        back.type[s->n + c] = s->type[c];
        back.init[c] = (Arg){.v = constant(e, s, end[c]), .span = s->at};
        back.init[s->n + c] = (Arg){.v = grad[c], .span = s->at};
        back.name[c] = back.name[s->n + c] = NULL;
    }
    for (int k = 0; k < nq; k++) {
        back.type[back.n + k] = b->c[k]->type;
        back.init[back.n + k] = (Arg){.v = zero(e, b->c[k]), .span = s->at};
    }
    return run(e, &back, grad);
}

static bool interval(Elab *e, Solve *s, Value *y)
{
    Back *b = NEW(e->a, Back);
    Value z0[STATES_MAX], grad[COMPONENTS_MAX];
    Val src[2 * COMPONENTS_MAX];
    int nq, n = 0;

    if (!find_used(e, s, b, &nq) || !solve_begin(e, s, z0) || !run(e, s, y))
        return false;
    Val all = flat(e, s, y);
    if (all == NULL)
        return false;
    Val u = ir_input(e->g, all->type.batched ? INPUT_FIELD : INPUT_VAR,
                     internf("cotangent %u", graph_nnodes(e->g)), all->type);
    Solve *over = NEW(e->a, Solve);
    *over = *s;
    b->over = over;
    b->n = s->n;
    if (!go_back(e, s, y, u, b, nq, grad))
        return false;
    src[n++] = all;
    src[n++] = u;
    for (int c = 0; c < s->n; c++) {
        src[n++] = z0[c].val;
        src[n++] = grad[s->n + c].val;
    }
    for (int k = 0; k < nq; k++) {
        src[n++] = b->c[k];
        src[n++] = grad[2 * s->n + k].val;
    }
    Val made = node_make(e, s->at, OP_adjoint, NULL, src, n);
    if (made == NULL)
        return false;
    unflat(e, s, made, y);
    return true;
}

static bool fits(Elab *e, const Solve *s)
{
    for (int k = 0; k < s->ntime; k++)
        if (!is_number(&s->time[k].v)) {
            sema_error(e, s->time[k].span, "an adjoint gradient needs times "
                       "known when compiling, not %s",
                       phase_text(e, &s->time[k].v));
            return false;
        }
    for (int c = 1; c < s->n; c++)
        if (s->type[c].batched != s->type[0].batched ||
            s->type[c].dt != s->type[0].dt) {
            sema_error(e, s->init[c].span, "for an adjoint gradient all "
                       "components must be of each example, or all shared");
            return false;
        }
    return true;
}

bool solve_adjoint(Elab *e, Solve *s, Value (*out)[COMPONENTS_MAX],
                   Value *rows)
{
    Solve part = *s;
    Value steps = ABSENT, tries = ABSENT;

    for (int c = 0; c < s->n; c++)
        rows[c] = ABSENT;
    if (!fits(e, s) || !solve_begin(e, s, out[0]))
        return false;
    if (e->attacks > 0) {
        sema_warn(e, s->at, "adjoint-gradient", "the attack follows the "
                  "gradient of the equation, not of the computed network");
        sema_help(e, "gradient: unrolled, or checkpointed, is exact");
    }
    part.listed = false;
    part.ntime = 2;
    for (int k = 0; k + 1 < s->ntime; k++) {
        part.time = &s->time[k];
        for (int c = 0; c < s->n; c++) {
            part.init[c].v = out[k][c];
            out[k + 1][c] = out[k][c];
        }
        if (!interval(e, &part, out[k + 1]))
            return false;
        steps = k ? elem2(e, s->at, OP_add, steps, part.run.steps)
                  : part.run.steps;
        tries = k && s->adaptive
                    ? elem2(e, s->at, OP_add, tries, part.run.tries)
                    : part.run.tries;
    }
    s->run.steps = steps;
    s->run.tries = tries;
    return true;
}
