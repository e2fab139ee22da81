/*
 * test_passes_random.c -- random functions, and gradients of them, compute the
 * same after the passes.
 */
#include "autodiff/autodiff.h"
#include "passes/passes.h"
#include "support/check.h"
#include "support/random_graph.h"

#include <stdlib.h>
#include <string.h>

enum { SEEDS = 300, BATCH = 3 };

static int seeds(void)
{
    const char *n = getenv("RNN_SEEDS");

    return n ? atoi(n) : SEEDS;
}

static Tensor *eval(Arena *a, const Func *f, uint64_t seed)
{
    RandomData data = {.seed = seed};
    EvalEnv env = {.batch = BATCH, .seed = seed, .input = random_input,
                   .user = &data};
    Tensor *out = NEW_N(a, Tensor, f->nout + 1);

    ir_eval(a, f, &env, out);
    return out;
}

static void compare(Arena *a, Func *f, uint64_t seed, bool fast, Tol tol)
{
    PassOptions opt = {.fast_math = fast};
    Tensor *before = eval(a, f, seed);
    char *text = text_of_func(a, f);

    passes_run(f, &opt, NULL, NULL);
    Tensor *after = eval(a, f, seed);
    for (int k = 0; k < f->nout; k++) {
        Tensor *x = &before[k], *y = &after[k];
        int64_t n = x->batch * shape_size(x->type.shape);
        bool same = type_eq(x->type, y->type);
        // What is not finite says nothing about the rest.
        for (int64_t i = 0; same && i < n; i++)
            same = !isfinite(x->at[i]) || is_close(y->at[i], x->at[i], tol);
        if (!same && getenv("RNN_SEEDS"))
            printf("%s\n%s\n", text, text_of_func(a, f));
        if (!same)
            assert_tensors_close(y, x, tol, "seed %d, output %d", (int)seed,
                                 k);
    }
}

static void values_are_kept(void **state)
{
    (void)state;
    for (int seed = 0; seed < seeds(); seed++) {
        Arena *a = arena_new();
        Func *f = random_func_of(a, (uint64_t)seed, 5 + seed % 40, DT_f64);
        compare(a, f, (uint64_t)seed, seed % 2, random_tol(DT_f64));
        arena_free(a);
    }
}

/* Real inputs of the function. */
static int inputs(Arena *a, const Func *f, Val **out)
{
    VEC(Val) in = {0};
    int n;
    Val *node = ir_topo(a, f->out, f->nout, NULL, &n);

    for (int k = 0; k < n; k++)
        if (node[k]->op == OP_input && dtype_real(node[k]->type.dt))
            VEC_PUSH(a, &in, node[k]);
    *out = in.at;
    return in.n;
}

/* All real outputs, squashed and added up. */
static Val total(const Func *f)
{
    Val sum = NULL;

    for (int k = 0; k < f->nout; k++) {
        Val v = f->out[k];
        if (!dtype_real(v->type.dt))
            continue;
        v = ir_reduce_all(f->g, OP_sum, ir_op1(f->g, OP_tanh, v));
        if (v->type.batched)
            v = ir_op1(f->g, OP_batch_sum, v);
        v = ir_cast(f->g, v, DT_f64);
        sum = sum ? ir_add(f->g, sum, v) : v;
    }
    return sum;
}

static void gradients_are_kept(void **state)
{
    (void)state;
    for (int seed = 0; seed < seeds(); seed++) {
        Arena *a = arena_new();
        Func *f = random_func_of(a, (uint64_t)seed, 5 + seed % 20, DT_f64);
        Val *in, e = total(f);
        int n = inputs(a, f, &in);
        Func g = {"slopes", f->g, e ? n : 0, NEW_N(a, Val, n + 1),
                  NEW_N(a, const char *, n + 1)};
        for (int k = 0; k < g.nout; k++) {
            g.out[k] = ir_op2(f->g, OP_grad, e, in[k]);
            g.out_name[k] = internf("d%d", k);
        }
        Diag *d = diag_new(a);
        if (ad_expand(&g, d)) // else a loop with a run-time count
            compare(a, &g, (uint64_t)seed, seed % 2, random_tol(DT_f64));
        arena_free(a);
    }
}

/* ---- a derivative along a line ---- */

typedef struct Line { // inputs at x + h u, u a wave over the elements
    RandomData data;
    double h;
} Line;

static double wave(int64_t k, const char *name)
{
    return sin((double)k * 1.7 + name[1]);
}

static void input_on_line(void *user, Val input, Tensor *t)
{
    Line *line = user;
    int64_t n = t->batch * shape_size(t->type.shape);

    random_input(&line->data, input, t);
    for (int64_t k = 0; dtype_real(t->type.dt) && k < n; k++)
        t->at[k] += line->h * wave(k, input->attr.s);
}

static double value_at(Arena *a, Func *f, uint64_t seed, double h)
{
    Line line = {{.seed = seed}, h};
    EvalEnv env = {.batch = BATCH, .seed = seed, .input = input_on_line,
                   .user = &line};
    Tensor out;

    ir_eval(a, f, &env, &out);
    return out.at[0];
}

/* Is this an op said to be flat that is not; or a write of several examples
 * into one value, where the slope needs true numbers of the examples? */
static bool is_cut(Val v)
{
    if (v->op == OP_put)
        return !v->type.batched &&
               (v->src[1]->type.batched || v->src[2]->type.batched);
    return v->op == OP_batch_max || v->op == OP_mod ||
           v->op == OP_stop_gradient;
}

static bool has_cut(Arena *a, Val e)
{
    VEC(const Loop *) loop = {0};
    int n;
    Val *node = ir_topo(a, &e, 1, NULL, &n);

    for (int next = -1; next < loop.n; next++) {
        const Loop *l = next < 0 ? NULL : loop.at[next];
        if (l)
            node = ir_topo(a, l->next, l->n, l, &n);
        for (int k = 0; k < n; k++) {
            if (node[k]->op == OP_loop)
                VEC_PUSH(a, &loop, node[k]->attr.loop);
            if (is_cut(node[k]))
                return true;
        }
    }
    return false;
}

static void slopes_match_differences(void **state)
{
    (void)state;
    int tried = 0;

    for (int seed = 0; seed < seeds(); seed++) {
        Arena *a = arena_new();
        Func *f = random_func_of(a, (uint64_t)seed, 5 + seed % 20, DT_f64);
        Val *in, e = total(f);
        int n = inputs(a, f, &in);
        Func value = {"value", f->g, 1, &e, f->out_name};
        Func slope = {"slope", f->g, e ? n : 0, NEW_N(a, Val, n + 1),
                      NEW_N(a, const char *, n + 1)};
        Diag *d = diag_new(a);
        for (int k = 0; k < slope.nout; k++) {
            slope.out[k] = ir_op2(f->g, OP_grad, e, in[k]);
            slope.out_name[k] = "d";
        }
        if (slope.nout && !has_cut(a, e) && ad_expand(&slope, d)) {
            Tensor *t = eval(a, &slope, (uint64_t)seed);
            double got = 0, h = 1e-5;
            for (int k = 0; k < n; k++) {
                int64_t m = t[k].batch * shape_size(t[k].type.shape);
                for (int64_t i = 0; i < m; i++)
                    got += t[k].at[i] * wave(i, in[k]->attr.s);
            }
            double up = value_at(a, &value, (uint64_t)seed, h);
            double down = value_at(a, &value, (uint64_t)seed, -h);
            double want = (up - down) / (2 * h);
            double mid = value_at(a, &value, (uint64_t)seed, 0);
            // A kink or a jump nearby: no slope to speak of.
            if (isfinite(want) && fabs(up - 2 * mid + down) < 1e-7) {
                assert_close(got, want, ((Tol){1e-3, 1e-4}), "seed %d",
                             seed);
                tried++;
            }
        }
        arena_free(a);
    }
    assert_true(tried > seeds() / 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_kept),
        cmocka_unit_test(gradients_are_kept),
        cmocka_unit_test(slopes_match_differences),
    };

    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
