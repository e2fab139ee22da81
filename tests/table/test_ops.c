/*
 * test_ops.c -- every row of ops.def: the interpreter's results have the
 * inferred shape, stay finite on the row's domain, agree with values worked
 * out by hand, and survive printing and reading.
 */
#include "support/op_case.h"

#include <string.h>

enum { TRIALS = 40 };

static bool stands_alone(Op op)
{
    return op != OP_const && op != OP_input && op != OP_loopvar &&
           op != OP_loop && op != OP_proj && op != OP_grad &&
           op != OP_adjoint;
}

static void every_row_is_documented(void **state)
{
    (void)state;
    for (int op = 0; op < OP_COUNT; op++) {
        assert_non_null(op_info[op].name);
        assert_true(strlen(op_info[op].doc) > 1);
        assert_true(op_info[op].arity <= OP_CASE_IN);
        if (op_info[op].props & OP_COMM)
            assert_int_equal(op_info[op].arity, 2);
    }
}

/* One row: shape, finiteness, verifier, print and read. */
static void row_holds(void **state)
{
    Op op = (Op)((const OpInfo *)*state - op_info);
    Dice d = {.state = op};
    int tried = 0;

    for (int trial = 0; trial < TRIALS; trial++) {
        Arena *a = arena_new();
        Graph *g = graph_new(a);
        DType number = trial % 4 == 3 ? DT_i32 : trial % 4 == 2 ? DT_f64
                                                                : DT_f32;
        OpCase c;
        char err[400] = "";
        if (op_case(a, g, op, number, &d, &c)) {
            Tensor t = op_case_eval(a, g, &c);
            Func f = {.name = "f", .g = g, .nout = 1, .out = &c.y};
            tried++;
            assert_true(type_eq(t.type, c.y->type));
            assert_int_equal(t.batch, c.y->type.batched ? c.batch : 1);
            for (int64_t k = 0; k < t.batch * shape_size(t.type.shape); k++)
                assert_true(isfinite(t.at[k]));
            assert_true(ir_verify(&f, false, err, sizeof err));
            char *text = text_of_func(a, &f);
            Func *again = ir_read(a, text, err, sizeof err);
            assert_string_equal(err, "");
            assert_text(text_of_func(a, again), text);
        }
        arena_free(a);
    }
    assert_int_equal(stands_alone(op), tried > 0);
    if (stands_alone(op))
        assert_true(tried >= TRIALS / 2);
}

/* ---- values by hand: op, x, y, result ---- */

typedef struct Known {
    Op op;
    DType dt;
    double x, y, z;
} Known;

static const Known known[] = {
    {OP_neg, DT_f32, 3, 0, -3},
    {OP_abs, DT_f32, -2.5, 0, 2.5},
    {OP_sign, DT_f32, -0.0, 0, 0},
    {OP_sign, DT_f32, -7, 0, -1},
    {OP_sign, DT_f32, NAN, 0, NAN},
    {OP_exp, DT_f64, 1, 0, 2.718281828459045},
    {OP_expm1, DT_f64, 1e-10, 0, 1.00000000005e-10},
    {OP_log, DT_f64, 10, 0, 2.302585092994046},
    {OP_log1p, DT_f64, 1e-10, 0, 9.9999999995e-11},
    {OP_sqrt, DT_f64, 2, 0, 1.4142135623730951},
    {OP_tanh, DT_f64, 0.5, 0, 0.46211715726000976},
    {OP_sigmoid, DT_f64, 0, 0, 0.5},
    {OP_sigmoid, DT_f64, -800, 0, 0},
    {OP_softplus, DT_f64, 0, 0, 0.6931471805599453},
    {OP_softplus, DT_f64, 800, 0, 800},
    {OP_erf, DT_f64, 1, 0, 0.8427007929497149},
    {OP_sin, DT_f64, 1, 0, 0.8414709848078965},
    {OP_cos, DT_f64, 1, 0, 0.5403023058681398},
    {OP_floor, DT_f32, -0.5, 0, -1},
    {OP_round, DT_f32, 2.5, 0, 2},
    {OP_round, DT_f32, 3.5, 0, 4},
    {OP_relu, DT_f32, -3, 0, 0},
    {OP_relu, DT_f32, NAN, 0, NAN},
    {OP_is_finite, DT_f32, INFINITY, 0, 0},
    {OP_is_finite, DT_f32, 4, 0, 1},
    {OP_not, DT_bool, 1, 0, 0},
    {OP_add, DT_f32, 2, 3, 5},
    {OP_add, DT_i32, 2147483647, 1, -2147483648.0},
    {OP_sub, DT_f32, 2, 3, -1},
    {OP_mul, DT_i32, 65537, 65537, 131073},
    {OP_div, DT_f32, 1, 4, 0.25},
    {OP_div, DT_i32, -7, 2, -4},
    {OP_div, DT_i32, 7, -2, -4},
    {OP_div, DT_i32, 7, 0, 0},
    {OP_mod, DT_i32, -7, 3, 2},
    {OP_mod, DT_i32, 7, 0, 7},
    {OP_mod, DT_f64, 5.5, 2, 1.5},
    {OP_mod, DT_f64, -0.5, 2, 1.5},
    {OP_pow, DT_f64, -2, 3, -8},
    {OP_max, DT_f32, 1, 2, 2},
    {OP_max, DT_f32, NAN, 2, NAN},
    {OP_max, DT_f32, 2, NAN, NAN},
    {OP_min, DT_f32, 1, 2, 1},
    {OP_min, DT_f32, 2, NAN, NAN},
    {OP_lt, DT_f32, 1, 1, 0},
    {OP_lt, DT_f32, 1, 2, 1},
    {OP_le, DT_f32, 1, 1, 1},
    {OP_le, DT_f32, NAN, 1, 0},
    {OP_eq, DT_f32, NAN, NAN, 0},
    {OP_eq, DT_f32, 0.0, -0.0, 1},
    {OP_ne, DT_f32, NAN, NAN, 1},
    {OP_and, DT_bool, 1, 0, 0},
    {OP_or, DT_bool, 1, 0, 1},
    {OP_stop_gradient, DT_f32, 1.5, 0, 1.5},
};

static void known_values(void **state)
{
    (void)state;
    for (int k = 0; k < ARRAY_LEN(known); k++) {
        const Known *c = &known[k];
        Arena *a = arena_new();
        Graph *g = graph_new(a);
        Type t = type_of(c->dt, false, shape_of(0));
        Val in[2] = {ir_input(g, INPUT_VAR, "x", t),
                     ir_input(g, INPUT_VAR, "y", t)};
        double x = c->x, y = c->y;
        Tensor src[2] = {{t, 1, &x}, {t, 1, &y}}, out;

        int n = op_info[c->op].arity;
        ir_eval_op(a, ir_node(g, c->op, NULL, in, n), src, 1, 0, NULL, &out);
        assert_close(out.at[0], c->z, tol_point(DT_f64), "%s(%g, %g)",
                     op_info[c->op].name, x, y);
        arena_free(a);
    }
}

/* Does `text`, a function of x and y, give these values? */
static void gives(const char *text, const double *want, int n, int64_t batch)
{
    static double count[64];
    Arena *a = arena_new();
    char err[300] = "";
    Func *f = ir_read(a, text, err, sizeof err);

    assert_string_equal(err, "");
    for (int k = 0; k < 64; k++)
        count[k] = k + 1;
    OpCase c = {.batch = batch};
    int ntopo;
    Val *v = ir_topo(a, f->out, f->nout, NULL, &ntopo);
    for (int k = 0; k < ntopo; k++)
        if (v[k]->op == OP_input) {
            c.in[c.nin] = v[k];
            c.at[c.nin++].at = count;
        }
    EvalEnv env = {.batch = batch, .input = op_case_input, .user = &c};
    Tensor out;
    ir_eval(a, f, &env, &out);
    assert_int_equal(out.batch * shape_size(out.type.shape), n);
    for (int k = 0; k < n; k++)
        assert_close(out.at[k], want[k], tol_point(DT_f64), "%s\nelement %d",
                     text, k);
    arena_free(a);
}

#define ONE(in, op, ...)                                                      \
    gives("func \"f\" { %0 = input " in " %1 = " op " return %1 }",           \
          (const double[]){__VA_ARGS__},                                      \
          (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), 1)
#define X23 "var \"x\" : f32[2, 3]"

static void movement_by_hand(void **state)
{
    (void)state;
    ONE(X23, "transpose %0 {1, 0} : f32[3, 2]", 1, 4, 2, 5, 3, 6);
    ONE(X23, "reverse %0 {1} : f32[2, 3]", 3, 2, 1, 6, 5, 4);
    ONE(X23, "slice %0 {1, 2, 1, 0, 3, 2} : f32[1, 2]", 4, 6);
    ONE("var \"x\" : f32[2]", "pad %0 {1, 2, 1} fill 9 : f32[6]", 9, 1, 9, 2,
        9, 9);
    ONE("var \"x\" : f32[2]", "broadcast %0 {2, 2, 0} : f32[2, 2]", 1, 1, 2,
        2);
    ONE("var \"x\" : f32[2]", "broadcast %0 {2, 2, 1} : f32[2, 2]", 1, 2, 1,
        2);
    ONE(X23, "reshape %0 {3, 2} : f32[3, 2]", 1, 2, 3, 4, 5, 6);
    ONE("var \"x\" : f32[2]", "concat %0, %0 {0} : f32[4]", 1, 2, 1, 2);
}

static void reductions_by_hand(void **state)
{
    (void)state;
    ONE(X23, "sum %0 {0} : f32[3]", 5, 7, 9);
    ONE(X23, "sum %0 {0, 1} : f32", 21);
    ONE(X23, "max_reduce %0 {1} : f32[2]", 3, 6);
    ONE(X23, "min_reduce %0 {0} : f32[3]", 1, 2, 3);
    ONE(X23, "argmax %0 {1} : i32[2]", 2, 2);
    ONE(X23, "argmin %0 {0} : i32[3]", 0, 0, 0);
    ONE(X23, "cumsum %0 {1} : f32[2, 3]", 1, 3, 6, 4, 9, 15);
    ONE(X23, "cumsum %0 {0} : f32[2, 3]", 1, 2, 3, 5, 7, 9);
}

static void sorting_by_hand(void **state)
{
    (void)state;
    gives("func \"f\" { %0 = input var \"x\" : f32[3]"
          " %1 = reverse %0 {0} : f32[3] %2 = sort %1 {0} : f32[3]"
          " return %2 }", (double[]){1, 2, 3}, 3, 1);
    gives("func \"f\" { %0 = input var \"x\" : f32[3]"
          " %1 = reverse %0 {0} : f32[3] %2 = argsort %1 {0} : i32[3]"
          " return %2 }", (double[]){2, 1, 0}, 3, 1);
    // NaN last, equals in their old order.
    gives("func \"f\" { %0 = const nan : f32 %1 = const 1 : f32"
          " %2 = broadcast %0 {1} : f32[1] %3 = broadcast %1 {2} : f32[2]"
          " %4 = concat %2, %3 {0} : f32[3] %5 = argsort %4 {0} : i32[3]"
          " return %5 }", (double[]){1, 2, 0}, 3, 1);
}

static void indexing_by_hand(void **state)
{
    (void)state;
    gives("func \"f\" { %0 = input var \"x\" : f32[2, 2]"
          " %1 = iota {4} : i32[4] %2 = const -1 : i32"
          " %3 = broadcast %2 {4} : i32[4] %4 = add %1, %3 : i32[4]"
          " %5 = take %0, %4 : f32[4, 2] return %5 }",
          (double[]){1, 2, 1, 2, 3, 4, 3, 4}, 8, 1);
    // A shared x written by the examples in their order: the last wins.
    gives("func \"f\" { %0 = input var \"x\" : f32[3]"
          " %1 = const 1 : i32 %2 = input field \"v\" : batch f32"
          " %3 = put %0, %1, %2 : f32[3] return %3 }",
          (double[]){1, 4, 3}, 3, 4);
    gives("func \"f\" { %0 = const 1 : i32 %1 = broadcast %0 {3} : i32[3]"
          " %2 = input var \"v\" : f32[3]"
          " %3 = scatter_add %1, %2 {2} : f32[2] return %3 }",
          (double[]){0, 6}, 2, 1);
}

static void batch_by_hand(void **state)
{
    (void)state;
    gives("func \"f\" { %0 = input field \"x\" : batch f32[2]"
          " %1 = batch_sum %0 : f32[2] return %1 }",
          (double[]){1 + 3 + 5, 2 + 4 + 6}, 2, 3);
    gives("func \"f\" { %0 = input field \"x\" : batch f32[2]"
          " %1 = batch_max %0 : f32[2] return %1 }", (double[]){5, 6}, 2, 3);
    gives("func \"f\" { %0 = batch_size : i32 return %0 }", (double[]){3}, 1,
          3);
    gives("func \"f\" { %0 = input var \"x\" : f32[2]"
          " %1 = spread %0 : batch f32[2] return %1 }",
          (double[]){1, 2, 1, 2}, 4, 2);
    gives("func \"f\" { %0 = input field \"x\" : batch f32[2]"
          " %1 = input field \"y\" : batch f32"
          " %2 = dot %0, %1 {0, 0, 1} : f32[2] return %2 }",
          (double[]){1 * 1 + 3 * 2, 2 * 1 + 4 * 2}, 2, 2);
}

static void pooling_by_hand(void **state)
{
    (void)state;
    ONE("var \"x\" : f32[3, 3, 1]",
        "max_pool %0 {2, 2, 2, 2, 0, 1, 0, 1} : f32[2, 2, 1]", 5, 6, 8, 9);
    ONE("var \"x\" : f32[3, 3, 1]",
        "sum_pool %0 {2, 2, 2, 2, 1, 0, 1, 0} : f32[2, 2, 1]", 1, 5, 11, 28);
    ONE("var \"x\" : f32[1, 1, 1]", "sum_pool_dx %0 {2, 2, 2, 2, 0, 0, 0, 0, "
        "3, 2} : f32[3, 2, 1]", 1, 1, 1, 1, 0, 0);
    ONE("var \"x\" : f32[2, 2, 1]", "pool_scatter %0, %0 {1, 1, 1, 1, 0, 0, "
        "0, 0} : f32[2, 2, 1]", 1, 2, 3, 4);
    // At a tie the first: all of a constant image's slope goes to (0, 0).
    gives("func \"f\" { %0 = const -3 : f32"
          " %1 = broadcast %0 {2, 2, 1} : f32[2, 2, 1]"
          " %2 = const 1 : f32 %3 = broadcast %2 {1, 1, 1} : f32[1, 1, 1]"
          " %4 = pool_scatter %1, %3 {2, 2, 1, 1, 0, 0, 0, 0} : f32[2, 2, 1]"
          " return %4 }", (double[]){1, 0, 0, 0}, 4, 1);
}

static void casts_by_hand(void **state)
{
    (void)state;
    gives("func \"f\" { %0 = const -2.7 : f32 %1 = cast %0 : i32 return %1 }",
          (double[]){-2}, 1, 1);
    gives("func \"f\" { %0 = const 0.3 : f32 %1 = cast %0 : bool return %1 }",
          (double[]){1}, 1, 1);
    gives("func \"f\" { %0 = const nan : f32 %1 = cast %0 : i32 return %1 }",
          (double[]){0}, 1, 1);
    gives("func \"f\" { %0 = const 3e9 : f32 %1 = cast %0 : i32 return %1 }",
          (double[]){2147483647}, 1, 1);
}

int main(void)
{
    static const struct CMUnitTest rows[] = {
#define OP(name, ...)                                                         \
    {"row " #name, row_holds, NULL, NULL, (void *)&op_info[OP_##name]},
#include "ir/ops.def"
#undef OP
    };
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_documented),
        cmocka_unit_test(known_values),
        cmocka_unit_test(movement_by_hand),
        cmocka_unit_test(reductions_by_hand),
        cmocka_unit_test(sorting_by_hand),
        cmocka_unit_test(indexing_by_hand),
        cmocka_unit_test(batch_by_hand),
        cmocka_unit_test(pooling_by_hand),
        cmocka_unit_test(casts_by_hand),
    };

    return cmocka_run_group_tests_name("rows", rows, NULL, NULL) +
           cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
