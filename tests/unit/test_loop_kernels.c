/*
 * test_loop_kernels.c -- elementwise kernels, views and reductions of sizes
 * where vectors, rests of vectors and edges meet, on machines of different
 * vector widths: as the interpreter has it, and the same bits on all.
 */
#include "support/check.h"
#include "support/machine.h"
#include "support/random_graph.h"

#include <math.h>
#include <string.h>

enum { OUT_MAX = 48 };

typedef struct Fix {
    Arena *a;
    Graph *g;
    Val out[OUT_MAX];
    Func f;
    int64_t batch;
} Fix;

static void fix_open(Fix *x)
{
    memset(x, 0, sizeof *x);
    x->a = arena_new();
    x->g = graph_new(x->a);
    x->f = (Func){.name = "f", .g = x->g, .out = x->out};
    x->batch = 5;
}

static void out(Fix *x, Val v)
{
    assert_true(x->f.nout < OUT_MAX);
    x->out[x->f.nout++] = v;
}

static Shape shape(int64_t a, int64_t b, int64_t c) // 0: no such dim
{
    Shape s = {0};
    int64_t dim[] = {a, b, c};

    for (int k = 0; k < 3; k++)
        if (dim[k])
            s.dim[s.rank++] = dim[k];
    return s;
}

static Val field(Fix *x, const char *name, Shape s)
{
    return ir_input(x->g, INPUT_FIELD, name, type_of(DT_f32, true, s));
}

static Val var(Fix *x, const char *name, Shape s)
{
    return ir_input(x->g, INPUT_VAR, name, type_of(DT_f32, false, s));
}

static int64_t bytes_of(const Tensor *t)
{
    return t->batch * shape_size(t->type.shape) * (int64_t)sizeof(double);
}

static bool has(const char *list, const char *word)
{
    return !*word || strstr(list, word);
}

/* Runs on three levels of instruction sets as far as this machine has them. */
static void agrees(Fix *x, Tol tol)
{
    static const char *const cpu[] = {"x86-64-v3", "x86-64-v4"};
    Tensor want[OUT_MAX], first[OUT_MAX], got[OUT_MAX];
    RandomData data = {.seed = 5};
    EvalEnv env = {.batch = x->batch, .input = random_input, .user = &data};
    Entry *e = machine_entry(x->a, &x->f, ENTRY_TRAIN);
    char err[200];
    Target *host = target_new(x->a, NULL, 2, err, sizeof err);
    const char *features = target_required_features(host);

    ir_eval(x->a, &x->f, &env, want);
    for (int i = 0; i < (int)ARRAY_LEN(cpu); i++) {
        Machine *m;

        if (!has(features, i ? "avx512f" : "avx2"))
            continue;
        m = machine_new(x->a, &e, 1, cpu[i], i ? 2 : 3);
        machine_run(m, 0, x->a, &env, &(MachineRun){.threads = 1 + i}, got);
        for (int k = 0; k < x->f.nout; k++) {
            assert_tensors_close(&got[k], &want[k], tol, "output %d on %s", k,
                                 cpu[i]);
            if (i)
                assert_memory_equal(got[k].at, first[k].at,
                                    (size_t)bytes_of(&got[k]));
        }
        memcpy(first, got, sizeof got);
        machine_free(m);
    }
    target_free(host);
    arena_free(x->a);
}

/* --- views --------------------------------------------------------------- */

static void views_of(Fix *x, Val v)
{
    Graph *g = x->g;
    Shape s = v->type.shape;
    int64_t d0 = s.dim[0], d1 = s.dim[1], d2 = s.dim[2], n = shape_size(s);
    int64_t zero[3] = {0}, one[3] = {1, 1, 1}, lo[3] = {2, 1, 3};
    int64_t half[3] = {(d0 + 1) / 2, (d1 + 1) / 2, (d2 + 1) / 2};
    Val parts[3] = {v, ir_neg(g, v), ir_exp(g, v)};

    out(x, ir_transpose(g, v, (int[]){2, 0, 1}));
    out(x, ir_transpose(g, v, (int[]){1, 0, 2}));
    out(x, ir_reverse(g, v, (int[]){2}, 1));
    out(x, ir_reverse(g, v, (int[]){0, 1}, 2));
    out(x, ir_pad(g, v, lo, one, NULL, 0.5));
    out(x, ir_pad(g, v, (int64_t[]){1, 2, 0}, one, (int64_t[]){2, 0, 1}, 0));
    out(x, ir_pad(g, ir_op1(g, OP_tanh, v), one, zero, NULL, -1));
    out(x, ir_slice(g, v, zero, half, NULL));
    out(x, ir_slice(g, v, (int64_t[]){d0 / 2, d1 / 2, d2 / 2}, s.dim,
                    (int64_t[]){1, 2, 3}));
    for (int axis = 0; axis < 3; axis++)
        out(x, ir_concat(g, parts, 3, axis));
    out(x, ir_reshape(g, ir_transpose(g, v, (int[]){0, 2, 1}), shape(n, 0, 0)));
    out(x, ir_transpose(g, ir_reshape(g, v, shape(d0 * d1, d2, 0)),
                        (int[]){1, 0}));
    out(x, ir_reverse(g, ir_pad(g, v, one, lo, NULL, 2), (int[]){0, 2}, 2));
}

static void views_move_elements_whole_vectors_or_not(void **state)
{
    static const int64_t size[][3] = {{3, 4, 5}, {2, 3, 16}, {2, 1, 33},
                                      {5, 7, 1}, {1, 40, 1}, {1, 1, 20}};

    (void)state;
    for (int i = 0; i < (int)ARRAY_LEN(size); i++)
        for (int shared = 0; shared < 2; shared++) {
            Fix x;
            Shape s = shape(size[i][0], size[i][1], size[i][2]);

            fix_open(&x);
            views_of(&x, shared ? var(&x, "w", s) : field(&x, "x", s));
            agrees(&x, tol_point(DT_f32));
        }
}

static void rows_are_taken_by_number(void **state)
{
    Fix x;
    Val t, i;
    int64_t n = 11;

    (void)state;
    fix_open(&x);
    t = var(&x, "table", shape(n, 20, 0));
    i = ir_input(x.g, INPUT_FIELD, "i", type_of(DT_i32, true, shape(6, 0, 0)));
    out(&x, ir_op2(x.g, OP_take, t, i));
    out(&x, ir_op2(x.g, OP_take, ir_neg(x.g, t),
                   ir_add(x.g, i, ir_like(x.g, i, 8)))); // some too large
    out(&x, ir_op2(x.g, OP_take, ir_transpose(x.g, t, (int[]){1, 0}), i));
    out(&x, ir_op2(x.g, OP_take, ir_iota(x.g, 30), i));
    out(&x, ir_op2(x.g, OP_take, field(&x, "x", shape(n, 0, 0)),
                   ir_iota(x.g, n)));
    agrees(&x, tol_exact());
}

/* --- elementwise --------------------------------------------------------- */

static void values_spread_over_dims_and_examples(void **state)
{
    static const int64_t n[] = {1, 3, 8, 16, 31, 64};

    (void)state;
    for (int k = 0; k < (int)ARRAY_LEN(n); k++) {
        Fix x;
        Shape s = shape(3, n[k], 0);
        Val v, row, column, number, each;

        fix_open(&x);
        v = field(&x, "x", s);
        row = ir_broadcast(x.g, var(&x, "row", shape(n[k], 0, 0)), s,
                           (int[]){1});
        column = ir_broadcast(x.g, var(&x, "column", shape(3, 0, 0)), s,
                              (int[]){0});
        number = ir_broadcast(x.g, var(&x, "number", (Shape){0}), s, NULL);
        each = ir_broadcast(x.g, field(&x, "each", (Shape){0}), s, NULL);
        out(&x, ir_add(x.g, v, row));
        out(&x, ir_mul(x.g, v, column));
        out(&x, ir_exp(x.g, ir_mul(x.g, v, number)));
        out(&x, ir_sub(x.g, v, each));
        out(&x, ir_add(x.g, ir_mul(x.g, v, row), ir_mul(x.g, column, each)));
        out(&x, ir_spread(x.g, row));
        out(&x, ir_cast(x.g, ir_lt(x.g, v, row), DT_i32));
        out(&x, ir_select(x.g, ir_lt(x.g, v, each), number, v));
        agrees(&x, tol_point(DT_f32));
    }
}

/* Long shared results are split into tasks by rows. */
static void tasks_cover_a_shared_result(void **state)
{
    static const int64_t size[][2] = {{7, 3001}, {1, 9000}, {9001, 1},
                                      {130, 130}};

    (void)state;
    for (int k = 0; k < (int)ARRAY_LEN(size); k++) {
        Fix x;
        Shape s = shape(size[k][0], size[k][1], 0);
        Val w;

        fix_open(&x);
        w = var(&x, "w", s);
        out(&x, ir_exp(x.g, ir_neg(x.g, ir_mul(x.g, w, w))));
        out(&x, ir_transpose(x.g, w, (int[]){1, 0}));
        out(&x, ir_add(x.g, ir_reverse(x.g, w, (int[]){0}, 1), w));
        out(&x, ir_reduce(x.g, OP_sum, w, (int[]){1}, 1));
        out(&x, ir_reduce(x.g, OP_sum, w, (int[]){0}, 1));
        agrees(&x, tol_sum(DT_f32, 9001, 2));
    }
}

/* --- reductions ---------------------------------------------------------- */

static void reductions_of(Fix *x, Val v)
{
    static const Op op[] = {OP_sum, OP_max_reduce, OP_min_reduce};
    Graph *g = x->g;

    for (int k = 0; k < 3; k++)
        for (int set = 1; set < 8; set++) {
            int axes[3], n = 0;

            for (int d = 0; d < 3; d++)
                if (set >> d & 1)
                    axes[n++] = d;
            out(x, ir_reduce(g, op[k], set == 3 ? ir_neg(g, v) : v, axes, n));
        }
    for (int d = 0; d < 3; d++) {
        out(x, ir_axis(g, OP_argmax, v, d));
        out(x, ir_axis(g, OP_argmin, v, d));
    }
    out(x, ir_reduce(g, OP_sum, ir_transpose(g, v, (int[]){2, 0, 1}),
                     (int[]){1, 2}, 2));
}

static void reductions_over_any_dims(void **state)
{
    static const int64_t size[][3] = {{3, 4, 5},  {2, 6, 37},  {4, 2, 150},
                                      {5, 70, 1}, {1, 1, 300}, {9, 1, 24}};

    (void)state;
    for (int i = 0; i < (int)ARRAY_LEN(size); i++)
        for (int shared = 0; shared < 2; shared++) {
            Fix x;
            Shape s = shape(size[i][0], size[i][1], size[i][2]);

            fix_open(&x);
            reductions_of(&x, shared ? var(&x, "w", s) : field(&x, "x", s));
            agrees(&x, tol_sum(DT_f32, shape_size(s), 2));
        }
}

static void sums_over_the_examples(void **state)
{
    static const int64_t size[] = {1, 2, 10, 64, 300};
    static const int64_t batch[] = {1, 15, 16, 17, 40};

    (void)state;
    for (int i = 0; i < (int)ARRAY_LEN(size); i++) {
        Fix x;
        Val v, t, mean;

        fix_open(&x);
        x.batch = batch[i];
        v = field(&x, "x", shape(size[i], 3, 0));
        t = ir_transpose(x.g, v, (int[]){1, 0});
        out(&x, ir_op1(x.g, OP_batch_sum, v));
        out(&x, ir_op1(x.g, OP_batch_max, v));
        out(&x, ir_op1(x.g, OP_batch_sum, ir_exp(x.g, t)));
        mean = ir_cast(x.g, ir_node(x.g, OP_batch_size, NULL, NULL, 0), DT_f32);
        mean = ir_div(x.g, ir_op1(x.g, OP_batch_sum,
                                  ir_reduce_all(x.g, OP_sum, v)), mean);
        out(&x, mean);
        out(&x, ir_op1(x.g, OP_batch_sum, ir_cast(x.g, v, DT_i32)));
        agrees(&x, tol_sum(DT_f32, 40 * size[i] * 3, 2));
    }
}

/* --- accuracy and odd numbers -------------------------------------------- */

static void million_input(void *user, Val v, Tensor *t)
{
    (void)user;
    for (int64_t k = 0; k < t->batch * shape_size(v->type.shape); k++)
        t->at[k] = 0.1f;
}

/* 100,000 times 0.1 in f32, one after the other, would be off by 1e-2. */
static void long_sums_stay_accurate(void **state)
{
    Fix x;
    Tensor got[3];
    EvalEnv env = {.batch = 100000, .input = million_input};
    Entry *e;
    Machine *m;

    (void)state;
    fix_open(&x);
    out(&x, ir_op1(x.g, OP_batch_sum, field(&x, "x", (Shape){0})));
    out(&x, ir_reduce_all(x.g, OP_sum, var(&x, "w", shape(100000, 0, 0))));
    out(&x, ir_reduce(x.g, OP_sum, var(&x, "v", shape(300, 300, 8)),
                      (int[]){0, 1}, 2));
    e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    m = machine_new(x.a, &e, 1, NULL, 3);
    machine_run(m, 0, x.a, &env, NULL, got);
    assert_close(got[0].at[0], 1e5 * (double)0.1f, ((Tol){0, 1e-6}), "batch");
    assert_close(got[1].at[0], 1e5 * (double)0.1f, ((Tol){0, 1e-5}), "along");
    assert_close(got[2].at[7], 9e4 * (double)0.1f, ((Tol){0, 2e-5}), "beside");
    machine_free(m);
    arena_free(x.a);
}

static void nan_input(void *user, Val v, Tensor *t)
{
    (void)user;
    (void)v;
    for (int64_t k = 0; k < 20; k++)
        t->at[k] = k == 13 || k == 15 ? NAN : k == 7 ? 1e30 : -(double)k;
}

static void a_nan_wins_every_maximum(void **state)
{
    Fix x;
    Tensor got[6];
    EvalEnv env = {.batch = 1, .input = nan_input};
    Entry *e;
    Machine *m;
    Val v;

    (void)state;
    fix_open(&x);
    v = field(&x, "x", shape(20, 0, 0));
    out(&x, ir_reduce_all(x.g, OP_max_reduce, v));
    out(&x, ir_reduce_all(x.g, OP_min_reduce, v));
    out(&x, ir_axis(x.g, OP_argmax, v, 0));
    out(&x, ir_op1(x.g, OP_relu, v));
    out(&x, ir_op2(x.g, OP_max, v, ir_like(x.g, v, 0)));
    out(&x, ir_cast(x.g, v, DT_i32));
    e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    m = machine_new(x.a, &e, 1, NULL, 3);
    machine_run(m, 0, x.a, &env, NULL, got);
    assert_true(isnan(got[0].at[0]) && isnan(got[1].at[0]));
    assert_int_equal((int)got[2].at[0], 13);
    assert_true(isnan(got[3].at[13]) && got[3].at[14] == 0);
    assert_true(isnan(got[4].at[15]) && got[4].at[7] > 1e29);
    assert_true(got[5].at[13] == 0 && got[5].at[7] == INT32_MAX);
    machine_free(m);
    arena_free(x.a);
}

/* --- probing and timing -------------------------------------------------- */

static void the_first_bad_kernel_is_found_and_all_are_timed(void **state)
{
    Fix x;
    Tensor got[2];
    double ns[8] = {0};
    int64_t runs[8] = {0};
    MachineRun how = {.probe = true, .kernel_ns = ns, .kernel_runs = runs};
    EvalEnv env = {.batch = 1, .input = nan_input};
    Val v;
    Entry *e;
    Machine *m;

    (void)state;
    fix_open(&x);
    v = field(&x, "x", shape(20, 0, 0));
    out(&x, ir_op1(x.g, OP_relu, ir_const(x.g, DT_f32, 1)));
    out(&x, ir_reduce_all(x.g, OP_sum, ir_op1(x.g, OP_exp, v)));
    e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    m = machine_new(x.a, &e, 1, NULL, 1);
    machine_run(m, 0, x.a, &env, &how, got);
    assert_int_equal(machine_program(m, 0)->kernel.n, 2);
    assert_int_equal(how.bad_kernel, 1);
    assert_true(ns[0] > 0 && ns[1] > 0);
    assert_true(runs[0] == 1 && runs[1] == 1);
    machine_free(m);
    arena_free(x.a);
}

int main(void)
{
    const struct CMUnitTest test[] = {
        cmocka_unit_test(views_move_elements_whole_vectors_or_not),
        cmocka_unit_test(rows_are_taken_by_number),
        cmocka_unit_test(values_spread_over_dims_and_examples),
        cmocka_unit_test(tasks_cover_a_shared_result),
        cmocka_unit_test(reductions_over_any_dims),
        cmocka_unit_test(sums_over_the_examples),
        cmocka_unit_test(long_sums_stay_accurate),
        cmocka_unit_test(a_nan_wins_every_maximum),
        cmocka_unit_test(the_first_bad_kernel_is_found_and_all_are_timed),
    };

    return cmocka_run_group_tests(test, NULL, NULL);
}
