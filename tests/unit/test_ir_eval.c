/*
 * test_ir_eval.c -- the interpreter: loops, contractions against formulas
 * written here, per-example and shared values, draws, rounding.
 */
#include "support/check.h"

#include <string.h>

/* Input "x<k>" has elements k + 1, k + 2, ... ; ints likewise. */
static void count_up(void *user, Val input, Tensor *t)
{
    int64_t n = t->batch * shape_size(t->type.shape);

    (void)user;
    for (int64_t k = 0; k < n; k++)
        t->at[k] = (double)k + (input->attr.s[1] - '0') + 1;
}

/* Pseudorandom elements that depend on the name. */
static void scatter_about(void *user, Val input, Tensor *t)
{
    Dice d = {.state = (uint64_t)input->attr.s[1]};
    int64_t n = t->batch * shape_size(t->type.shape);

    (void)user;
    for (int64_t k = 0; k < n; k++)
        t->at[k] = dice_real(&d, -2, 2);
}

static Func *read_ok(Arena *a, const char *text)
{
    char err[300] = "";
    Func *f = ir_read(a, text, err, sizeof err);

    assert_string_equal(err, "");
    return f;
}

static Tensor eval_one(Arena *a, const Func *f, int64_t batch,
                       void (*input)(void *, Val, Tensor *))
{
    EvalEnv env = {.batch = batch, .seed = 7, .input = input};
    Tensor *out = NEW_N(a, Tensor, f->nout);

    ir_eval(a, f, &env, out);
    return out[0];
}

/* ---- loops ---- */

static Tensor power_of_two(Arena *a, const char *count)
{
    Func *f = read_ok(a, arena_printf(a,
        "func \"f\" { %%0 = const %s : i32 %%1 = input field \"x0\" : batch f32"
        " %%2 = loop %%0 index %%3 depth 1 { carry %%4 = %%1 : batch f32"
        " %%5 = add %%4, %%4 : batch f32 next %%5 }"
        " %%6 = proj %%2 {0} : batch f32 return %%6 }", count));

    return eval_one(a, f, 2, count_up);
}

static void a_loop_runs_count_times(void **state)
{
    static const struct {
        const char *count;
        double times;
    } of[] = {{"0", 1}, {"-3", 1}, {"1", 2}, {"5", 32}};
    Arena *a = arena_new();

    (void)state;
    for (int k = 0; k < ARRAY_LEN(of); k++) {
        Tensor t = power_of_two(a, of[k].count);
        assert_close(t.at[0], of[k].times, tol_exact(), "%s", of[k].count);
        assert_close(t.at[1], 2 * of[k].times, tol_exact(), "%s",
                     of[k].count);
    }
    arena_free(a);
}

/* Fibonacci: both next values are made of the old variables. */
static void variables_change_all_at_once(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a,
        "func \"f\" { %0 = const 10 : i32 %1 = const 0 : i32 %2 = const 1 : i32"
        " %3 = loop %0 index %4 depth 1 { carry %5 = %1 : i32"
        " carry %6 = %2 : i32 %7 = add %5, %6 : i32 next %6, %7 }"
        " %8 = proj %3 {0} : i32 return %8 }");

    (void)state;
    assert_close(eval_one(a, f, 1, count_up).at[0], 55, tol_exact(), "fib");
    arena_free(a);
}

/* sum over i < 4, j < i of (i + j): 1 + 2 + 3 + 3 + 4 + 5. */
static void nested_loops_begin_anew_each_time(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a,
        "func \"f\" { %0 = const 4 : i32 %1 = const 0 : i32"
        " %2 = loop %0 index %3 depth 1 { carry %4 = %1 : i32"
        "  %5 = loop %3 index %6 depth 2 { carry %7 = %1 : i32"
        "   %8 = add %3, %6 : i32 %9 = add %7, %8 : i32 next %9 }"
        "  %10 = proj %5 {0} : i32 %11 = add %4, %10 : i32 next %11 }"
        " %12 = proj %2 {0} : i32 return %12 }");

    (void)state;
    assert_close(eval_one(a, f, 1, count_up).at[0], 18, tol_exact(), "sum");
    arena_free(a);
}

/* ---- contractions, by formulas written for one layout each ---- */

static void dot_is_the_matrix_product(void **state)
{
    enum { B = 3, M = 4, K = 5, N = 2 };
    Arena *a = arena_new();
    Func *f = read_ok(a,
        "func \"f\" { %0 = input field \"x0\" : batch f32[4, 5]"
        " %1 = input var \"x1\" : f32[2, 5]"
        " %2 = dot %0, %1 {1, 0, 0, 1, 1} : batch f32[4, 2] return %0, %1, %2"
        " }");
    EvalEnv env = {.batch = B, .input = scatter_about};
    Tensor t[3];

    (void)state;
    ir_eval(a, f, &env, t);
    for (int b = 0; b < B; b++)
        for (int m = 0; m < M; m++)
            for (int n = 0; n < N; n++) {
                double sum = 0;
                for (int k = 0; k < K; k++)
                    sum += t[0].at[(b * M + m) * K + k] * t[1].at[n * K + k];
                assert_close(t[2].at[(b * M + m) * N + n], sum,
                             tol_sum(DT_f64, K, 4), "%d %d %d", b, m, n);
            }
    arena_free(a);
}

/* out[j, i, k] = sum over l of x[l, i, j] y[k, j, l]: paired j, inner l. */
static void dot_puts_paired_dims_first(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a,
        "func \"f\" { %0 = input var \"x0\" : f32[4, 2, 3]"
        " %1 = input var \"x1\" : f32[5, 3, 4]"
        " %2 = dot %0, %1 {1, 1, 0, 0, 2, 2, 1} : f32[3, 2, 5]"
        " return %0, %1, %2 }");
    EvalEnv env = {.batch = 1, .input = scatter_about};
    Tensor t[3];

    (void)state;
    ir_eval(a, f, &env, t);
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 2; i++)
            for (int k = 0; k < 5; k++) {
                double sum = 0;
                for (int l = 0; l < 4; l++)
                    sum += t[0].at[(l * 2 + i) * 3 + j] *
                           t[1].at[(k * 3 + j) * 4 + l];
                assert_close(t[2].at[(j * 2 + i) * 5 + k], sum,
                             tol_sum(DT_f64, 4, 4), "%d %d %d", j, i, k);
            }
    arena_free(a);
}

enum { H = 5, W = 6, C = 2, R = 3, S = 2, O = 3, SH = 2, PH = 1, PW = 1,
       HO = (H + 2 * PH - R) / SH + 1, WO = W + PW - S + 1, EXAMPLES = 2 };

static double pixel(const double *x, int i, int j, int c)
{
    return i < 0 || i >= H || j < 0 || j >= W ? 0 : x[(i * W + j) * C + c];
}

static const char *const convs =
    "func \"f\" { %0 = input field \"x0\" : batch f32[5, 6, 2]"
    " %1 = input var \"x1\" : f32[3, 2, 2, 3]"
    " %2 = conv %0, %1 {2, 1, 1, 1, 1, 0} : batch f32[3, 6, 3]"
    " %3 = input field \"x3\" : batch f32[3, 6, 3]"
    " %4 = conv_dx %3, %1 {2, 1, 1, 1, 1, 0, 5, 6} : batch f32[5, 6, 2]"
    " %5 = conv_dw %0, %3 {2, 1, 1, 1, 1, 0, 3, 2} : f32[3, 2, 2, 3]"
    " return %0, %1, %2, %3, %4, %5 }";

static void conv_slides_the_window(void **state)
{
    Arena *a = arena_new();
    EvalEnv env = {.batch = EXAMPLES, .input = scatter_about};
    Tensor t[6];

    (void)state;
    ir_eval(a, read_ok(a, convs), &env, t);
    for (int b = 0; b < EXAMPLES; b++)
        for (int p = 0; p < HO; p++)
            for (int q = 0; q < WO; q++)
                for (int o = 0; o < O; o++) {
                    double sum = 0;
                    for (int r = 0; r < R; r++)
                        for (int s = 0; s < S; s++)
                            for (int c = 0; c < C; c++)
                                sum += pixel(t[0].at + b * H * W * C,
                                             p * SH + r - PH, q + s - PW, c) *
                                       t[1].at[((r * S + s) * C + c) * O + o];
                    assert_close(t[2].at[((b * HO + p) * WO + q) * O + o],
                                 sum, tol_sum(DT_f64, R * S * C, 4),
                                 "%d %d %d %d", b, p, q, o);
                }
    arena_free(a);
}

static double inner(const Tensor *x, const Tensor *y)
{
    double sum = 0;

    for (int64_t k = 0; k < x->batch * shape_size(x->type.shape); k++)
        sum += x->at[k] * y->at[k];
    return sum;
}

/* <dy, conv(x, w)> = <conv_dx(dy, w), x> = <conv_dw(x, dy), w> */
static void conv_and_its_adjoints_agree(void **state)
{
    Arena *a = arena_new();
    EvalEnv env = {.batch = EXAMPLES, .input = scatter_about};
    Tensor t[6];
    double want;

    (void)state;
    ir_eval(a, read_ok(a, convs), &env, t);
    want = inner(&t[3], &t[2]);
    assert_close(inner(&t[4], &t[0]), want, tol_graph(DT_f64), "dx");
    assert_close(inner(&t[5], &t[1]), want, tol_graph(DT_f64), "dw");
    arena_free(a);
}

/* <dy, pool_gather(x, g)> = <pool_scatter(x, dy), g>, likewise sums. */
static void pools_and_their_adjoints_agree(void **state)
{
    Arena *a = arena_new();
    EvalEnv env = {.batch = EXAMPLES, .input = scatter_about};
    Func *f = read_ok(a,
        "func \"f\" { %0 = input field \"x0\" : batch f32[5, 5, 2]"
        " %1 = input field \"x1\" : batch f32[5, 5, 2]"
        " %2 = input field \"x2\" : batch f32[3, 3, 2]"
        " %3 = pool_gather %0, %1 {3, 3, 2, 2, 1, 1, 1, 1} : "
        "batch f32[3, 3, 2]"
        " %4 = pool_scatter %0, %2 {3, 3, 2, 2, 1, 1, 1, 1} : "
        "batch f32[5, 5, 2]"
        " %5 = sum_pool %1 {3, 3, 2, 2, 1, 1, 1, 1} : batch f32[3, 3, 2]"
        " %6 = sum_pool_dx %2 {3, 3, 2, 2, 1, 1, 1, 1, 5, 5} : "
        "batch f32[5, 5, 2]"
        " %7 = max_pool %0 {3, 3, 2, 2, 1, 1, 1, 1} : batch f32[3, 3, 2]"
        " %8 = pool_gather %0, %0 {3, 3, 2, 2, 1, 1, 1, 1} : "
        "batch f32[3, 3, 2]"
        " return %1, %2, %3, %4, %5, %6, %7, %8 }");
    Tensor t[8];

    (void)state;
    ir_eval(a, f, &env, t);
    assert_close(inner(&t[3], &t[0]), inner(&t[1], &t[2]), tol_graph(DT_f64),
                 "max");
    assert_close(inner(&t[5], &t[0]), inner(&t[1], &t[4]), tol_graph(DT_f64),
                 "sum");
    assert_tensors_close(&t[7], &t[6], tol_exact(), "gather of itself");
    arena_free(a);
}

/* ---- draws ---- */

static void draws_do_not_depend_on_the_batch(void **state)
{
    static const int64_t all[5] = {10, 11, 12, 13, 14};
    static const char *const text =
        "func \"f\" { %0 = const 3 : i32"
        " %1 = normal %0 {4, 1, 2, 3} : batch f32[2, 3]"
        " %2 = uniform %0 {4, 1, 6} : batch f32[6]"
        " %3 = permutation %0 {4, 1, 9} : batch i32[9]"
        " %4 = normal %0 {4, 0, 6} : f32[6] return %1, %2, %3, %4 }";
    Arena *a = arena_new();
    Func *f = read_ok(a, text);
    EvalEnv whole = {.batch = 5, .seed = 9, .index = all};
    EvalEnv part = {.batch = 2, .seed = 9, .index = all + 3};
    Tensor x[4], y[4];

    (void)state;
    ir_eval(a, f, &whole, x);
    ir_eval(a, f, &part, y);
    for (int k = 0; k < 4; k++) {
        int64_t n = shape_size(x[k].type.shape);
        int64_t from = k < 3 ? 3 * n : 0;
        assert_memory_equal(x[k].at + from, y[k].at,
                            (size_t)(y[k].batch * n) * sizeof(double));
    }
    for (int k = 0; k < 3; k++) // examples differ
        assert_memory_not_equal(x[k].at, x[k].at + shape_size(x[k].type.shape),
                                (size_t)shape_size(x[k].type.shape) *
                                    sizeof(double));
    for (int k = 0; k < 30; k++)
        assert_true(x[1].at[k] >= 0 && x[1].at[k] < 1);
    double sum = 0;
    for (int k = 0; k < 9; k++)
        sum += x[2].at[k];
    assert_close(sum, 36, tol_exact(), "a permutation of 0 .. 8");
    arena_free(a);
}

static void draws_depend_on_seed_stream_and_keys(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a,
        "func \"f\" { %0 = const 3 : i32 %1 = const 4 : i32"
        " %2 = uniform %0 {4, 0, 6} : f32[6] %3 = uniform %1 {4, 0, 6} : f32[6]"
        " %4 = uniform %0 {5, 0, 6} : f32[6]"
        " %5 = uniform %0, %1 {4, 0, 6} : f32[6] return %2, %3, %4, %5 }");
    EvalEnv env = {.batch = 1, .seed = 9}, other = {.batch = 1, .seed = 10};
    Tensor x[4], y[4];

    (void)state;
    ir_eval(a, f, &env, x);
    ir_eval(a, f, &other, y);
    for (int k = 1; k < 4; k++)
        assert_memory_not_equal(x[0].at, x[k].at, 6 * sizeof(double));
    assert_memory_not_equal(x[0].at, y[0].at, 6 * sizeof(double));
    arena_free(a);
}

/* ---- rounding ---- */

static void rounding_to_f32_is_asked_for(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a,
        "func \"f\" { %0 = const 0.1 : f32 %1 = exp %0 : f32"
        " %2 = cast %1 : f64 %3 = exp %2 : f64 return %1, %3 }");
    EvalEnv env = {.batch = 1};
    Tensor t[2];

    (void)state;
    ir_eval(a, f, &env, t);
    assert_close(t[0].at[0], exp(0.1), tol_exact(), "in f64");
    env.round_f32 = true;
    ir_eval(a, f, &env, t);
    assert_close(t[0].at[0], (float)exp((float)0.1), tol_exact(), "in f32");
    assert_close(t[1].at[0], exp((float)exp((float)0.1)), tol_exact(), "f64");
    arena_free(a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_runs_count_times),
        cmocka_unit_test(variables_change_all_at_once),
        cmocka_unit_test(nested_loops_begin_anew_each_time),
        cmocka_unit_test(dot_is_the_matrix_product),
        cmocka_unit_test(dot_puts_paired_dims_first),
        cmocka_unit_test(conv_slides_the_window),
        cmocka_unit_test(conv_and_its_adjoints_agree),
        cmocka_unit_test(pools_and_their_adjoints_agree),
        cmocka_unit_test(draws_do_not_depend_on_the_batch),
        cmocka_unit_test(draws_depend_on_seed_stream_and_keys),
        cmocka_unit_test(rounding_to_f32_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
