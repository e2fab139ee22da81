/*
 * slope.c -- see slope.h.
 */
#include "support/slope.h"

#include <stdlib.h>
#include <string.h>

Point point_new(Arena *a, Dice *dice, int64_t batch)
{
    return (Point){.a = a, .g = graph_new(a), .dice = dice, .batch = batch};
}

Val point_input(Point *p, DType dt, bool batched, Shape s, Domain domain)
{
    char name[32];

    snprintf(name, sizeof name, "x%d", p->in.n);
    Type type = type_of(dt, batched, s);
    Val v = ir_input(p->g, batched ? INPUT_FIELD : INPUT_VAR, name, type);
    VEC_PUSH(p->a, &p->in, v);
    VEC_PUSH(p->a, &p->at, dice_tensor(p->a, p->dice, type, p->batch, domain));
    return v;
}

void point_apart(Point *p, Domain domain)
{
    int64_t n = 0, at = 0;

    for (int k = 0; k < p->in.n; k++)
        n += p->at.at[k].batch * shape_size(p->at.at[k].type.shape);
    Tensor all = dice_tensor(p->a, p->dice,
                             type_of(DT_f64, false, shape_of(1, n)), 1,
                             domain);
    for (int k = 0; k < p->in.n; k++) {
        Tensor *t = &p->at.at[k];
        int64_t size = t->batch * shape_size(t->type.shape);
        if (dtype_real(t->type.dt))
            memcpy(t->at, all.at + at, (size_t)size * sizeof(double));
        at += size;
    }
}

Val point_expand(Point *p, Val v)
{
    static const char *const name[] = {"out"};
    Func f = {"test", p->g, 1, &v, (const char **)name};
    char err[2000];
    Diag *d = diag_new(p->a);

    if (!ad_expand(&f, d)) {
        diag_flush(d, stderr, false);
        fail_msg("a gradient could not be expanded");
    }
    if (!ir_verify(&f, false, err, sizeof err))
        fail_msg("%s", err);
    return v;
}

static void fill_input(void *user, Val input, Tensor *t)
{
    Point *p = user;

    for (int k = 0; k < p->in.n; k++)
        if (p->in.at[k] == input) {
            size_t n = (size_t)(t->batch * shape_size(t->type.shape));
            memcpy(t->at, p->at.at[k].at, n * sizeof(double));
            return;
        }
    if (input->attr.s == intern("index")) {
        for (int64_t b = 0; b < t->batch; b++)
            t->at[b] = (double)b;
        return;
    }
    fail_msg("no value for input %s", input->attr.s);
}

Tensor point_eval(Point *p, Val v)
{
    static const char *const name[] = {"out"};
    Func f = {"test", p->g, 1, &v, (const char **)name};
    EvalEnv env = {.batch = p->batch, .seed = 7, .input = fill_input,
                   .user = p};
    Tensor out;

    ir_eval(p->a, &f, &env, &out);
    return out;
}

Val point_scalar(Point *p, Val v)
{
    char name[32];

    snprintf(name, sizeof name, "weight%d", p->in.n);
    Val r = ir_input(p->g, v->type.batched ? INPUT_FIELD : INPUT_VAR, name,
                     v->type);
    VEC_PUSH(p->a, &p->in, r);
    VEC_PUSH(p->a, &p->at,
             dice_tensor(p->a, p->dice, v->type, p->batch,
                         (Domain){DOM_IN, -1, 1, 0}));
    v = ir_reduce_all(p->g, OP_sum, ir_mul(p->g, v, r));
    return v->type.batched ? ir_op1(p->g, OP_batch_sum, v) : v;
}

static bool is_variable(Val x)
{
    return dtype_real(x->type.dt) && x->attr.s[0] == 'x';
}

/* e at the point with element k of input x moved by h; scratch is reset. */
static double moved(Point *p, Val e, int x, int64_t k, double h)
{
    Point q = *p;
    double *at = &p->at.at[x].at[k], was = *at;

    q.a = arena_new();
    *at = was + h;
    double value = point_eval(&q, e).at[0];
    *at = was;
    arena_free(q.a);
    return value;
}

static void check_input(Point *p, Val e, Val slope, int x, const char *what)
{
    Tensor t = point_eval(p, slope);
    int64_t n = t.batch * shape_size(t.type.shape);
    double h = 1e-5;

    assert_true(type_eq(slope->type, p->in.at[x]->type));
    for (int64_t k = 0; k < n; k++) {
        double want = (moved(p, e, x, k, h) - moved(p, e, x, k, -h)) / (2 * h);
        assert_close(t.at[k], want, tol_grad(),
                     "%s: slope in element %d of input %d", what, (int)k, x);
    }
}

void check_slopes(Point *p, Val e, int orders, const char *what)
{
    Val plain = point_expand(p, e), next = NULL;
    int n = p->in.n;

    for (int x = 0; x < n; x++) {
        if (!is_variable(p->in.at[x]))
            continue;
        Val slope = ir_op2(p->g, OP_grad, e, p->in.at[x]);
        check_input(p, plain, point_expand(p, slope), x, what);
        if (orders < 2)
            continue;
        Val s = point_scalar(p, slope);
        next = next ? ir_add(p->g, next, s) : s;
    }
    if (next)
        check_slopes(p, next, orders - 1,
                     arena_printf(p->a, "%s, differentiated", what));
}
