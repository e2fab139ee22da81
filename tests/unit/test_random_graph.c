/*
 * test_random_graph.c -- the generator of random functions keeps what it
 * promises, and the reducer makes failures small.
 */
#include "support/random_graph.h"

#include <string.h>

enum { SEEDS = 120, NOPS = 40, BATCH = 3 };

static void functions_are_legal_and_print(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Arena *a = arena_new();
        char err[400] = "";
        Func *f = random_func(a, seed, NOPS);
        assert_true(f->nout > 0);
        if (!ir_verify(f, false, err, sizeof err))
            fail_msg("seed %d: %s", (int)seed, err);
        char *text = text_of_func(a, f);
        Func *again = ir_read(a, text, err, sizeof err);
        assert_string_equal(err, "");
        assert_text(text_of_func(a, again), text);
        arena_free(a);
    }
}

static void a_seed_is_a_function(void **state)
{
    Arena *a = arena_new();
    char *one = text_of_func(a, random_func(a, 5, NOPS));
    char *same = text_of_func(a, random_func(a, 5, NOPS));
    char *other = text_of_func(a, random_func(a, 6, NOPS));

    (void)state;
    assert_text(same, one);
    assert_string_not_equal(one, other);
    arena_free(a);
}

/* Rounding every f32 value moves no result by more than the tolerance, so
 * machine code has no excuse. */
static void rounding_stays_within_the_tolerance(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Arena *a = arena_new();
        Func *f = random_func(a, seed, NOPS);
        RandomData data = {.seed = seed};
        EvalEnv env = {.batch = BATCH, .seed = seed, .input = random_input,
                       .user = &data};
        Tensor *x = NEW_N(a, Tensor, f->nout), *y = NEW_N(a, Tensor, f->nout);
        ir_eval(a, f, &env, x);
        env.round_f32 = true;
        ir_eval(a, f, &env, y);
        for (int k = 0; k < f->nout; k++) {
            assert_tensors_close(&y[k], &x[k], random_tol(x[k].type.dt),
                                 "seed %d output %d", (int)seed, k);
            for (int64_t j = 0; j < x[k].batch; j++)
                assert_true(isfinite(x[k].at[j]));
        }
        arena_free(a);
    }
}

/* Only passes make these. */
static bool is_late(Op op)
{
    return op == OP_pool_place || op == OP_conv_dx_pooled ||
           op == OP_conv_dw_pooled || op_info[op].attr == ATTR_WINO;
}

/* Every op that a program may contain turns up. */
static void every_op_turns_up(void **state)
{
    int seen[OP_COUNT] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Arena *a = arena_new();
        Func *f = random_func_of(a, seed, NOPS, DT_f64);
        char *text = text_of_func(a, f);
        for (int op = 0; op < OP_COUNT; op++) {
            char *word = arena_printf(a, "= %s ", op_info[op].name);
            seen[op] += strstr(text, word) != NULL;
        }
        arena_free(a);
    }
    for (int op = 0; op < OP_COUNT; op++)
        if (!seen[op] && op != OP_loopvar && op != OP_grad &&
            op != OP_adjoint && op != OP_batch_size && !is_late((Op)op))
            fail_msg("%s never turns up", op_info[op].name);
}

static Val rename_input(void *env, Graph *g, Val old, Val rebuilt)
{
    (void)env, (void)rebuilt;
    if (old->op != OP_input)
        return NULL;
    return ir_input(g, (InputKind)old->attr.i[0],
                    internf("%s'", old->attr.s), old->type);
}

/* The data of the input that was renamed. */
static void renamed_input(void *data, Val input, Tensor *t)
{
    Node node = *input;

    node.attr.s = intern_n(input->attr.s, strlen(input->attr.s) - 1);
    random_input(data, &node, t);
}

/* Renaming every input rebuilds all there is, loops included. */
static void a_rebuilt_function_computes_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Arena *a = arena_new();
        char err[400] = "";
        Func *f = random_func(a, seed, NOPS);
        RandomData data = {.seed = seed};
        EvalEnv env = {.batch = BATCH, .seed = seed, .input = random_input,
                       .user = &data};
        Tensor *x = NEW_N(a, Tensor, f->nout), *y = NEW_N(a, Tensor, f->nout);
        ir_eval(a, f, &env, x);
        ir_rewrite(f->g, f->out, f->nout, rename_input, NULL);
        if (!ir_verify(f, false, err, sizeof err))
            fail_msg("seed %d: %s", (int)seed, err);
        env.input = renamed_input;
        ir_eval(a, f, &env, y);
        for (int k = 0; k < f->nout; k++)
            assert_tensors_close(&y[k], &x[k], tol_exact(),
                                 "seed %d output %d", (int)seed, k);
        arena_free(a);
    }
}

static bool has_erf(void *env, const Func *f)
{
    Arena *a = arena_new();
    bool has = strstr(text_of_func(a, f), "= erf ") != NULL;

    ++*(int *)env;
    arena_free(a);
    return has;
}

static void a_failure_becomes_small(void **state)
{
    int reduced = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        Arena *a = arena_new();
        int asked = 0, n = 0;
        char err[300];
        Func *f = random_func(a, seed, NOPS);
        if (has_erf(&asked, f)) {
            f = random_func_reduce(a, f, has_erf, &asked);
            assert_true(has_erf(&asked, f));
            assert_true(ir_verify(f, false, err, sizeof err));
            assert_int_equal(f->nout, 1);
            ir_topo(a, f->out, 1, NULL, &n);
            assert_true(n <= 2); // an input and its erf
            reduced++;
        }
        arena_free(a);
    }
    assert_true(reduced > 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_legal_and_print),
        cmocka_unit_test(a_seed_is_a_function),
        cmocka_unit_test(rounding_stays_within_the_tolerance),
        cmocka_unit_test(every_op_turns_up),
        cmocka_unit_test(a_rebuilt_function_computes_the_same),
        cmocka_unit_test(a_failure_becomes_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
