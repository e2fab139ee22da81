/*
 * test_loop.c -- lowering: what becomes a kernel, what is set up once, how
 * memory is shared and checked; and that the result computes what the
 * interpreter does, the same bits however it runs. Loops: test_loop_region.c.
 */
#include "support/func_fix.h"

#include <string.h>

static int count_setup(const Program *p)
{
    int n = 0;

    for (int i = 0; i < p->steps.list.n; i++)
        n += p->steps.list.at[i].setup;
    return n;
}

/* --- fusion -------------------------------------------------------------- */

static void bias_and_activation_join_the_convolution(void **state)
{
    Fix x;
    Val y, b;

    (void)state;
    fix_open(&x);
    y = ir_conv(x.g, fix_field(&x, "x", shape_of(3, (int64_t)6, (int64_t)6,
                                             (int64_t)3)),
                fix_var(&x, "w", shape_of(4, (int64_t)3, (int64_t)3, (int64_t)3,
                                      (int64_t)8)),
                (ConvDims){1, 1, 0, 0, 0, 0});
    b = fix_var(&x, "b", shape_of(1, (int64_t)8));
    y = ir_op1(x.g, OP_relu, ir_add(x.g, y, fix_wide(&x, b, y)));
    fix_out(&x, y);
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 1);
    assert_ptr_equal(x.p->kernel.at[0]->root, y);
    assert_int_equal(x.p->kernel.at[0]->core->op, OP_conv);
    assert_int_equal(x.p->example_bytes, 0);
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void cheap_work_is_repeated_and_dear_work_is_not(void **state)
{
    Fix x;
    Val v, cheap, dear;

    (void)state;
    fix_open(&x);
    v = fix_field(&x, "x", shape_of(1, (int64_t)40));
    cheap = ir_neg(x.g, v);
    dear = ir_exp(x.g, v);
    fix_out(&x, ir_reduce_all(x.g, OP_sum, ir_mul(x.g, cheap, dear)));
    fix_out(&x, ir_reduce_all(x.g, OP_max_reduce, ir_add(x.g, cheap, dear)));
    fix_lower(&x, ENTRY_EVALUATE);
    assert_null(fix_kernel(x.p, cheap));
    assert_non_null(fix_kernel(x.p, dear));
    assert_int_equal(x.p->kernel.n, 3);
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_sum_is_not_repeated_by_its_readers(void **state)
{
    Fix x;
    Val v, s;

    (void)state;
    fix_open(&x);
    v = fix_field(&x, "x", shape_of(2, (int64_t)5, (int64_t)9));
    s = ir_reduce(x.g, OP_sum, ir_exp(x.g, v), (int[]){1}, 1);
    s = ir_op1(x.g, OP_sqrt, s);
    fix_out(&x, ir_div(x.g, v,
                       ir_broadcast(x.g, s, v->type.shape, (int[]){0})));
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 2);
    assert_int_equal(fix_kernel(x.p, s)->core->op, OP_sum);
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_reshape_shares_memory(void **state)
{
    Fix x;
    Val v, y;

    (void)state;
    fix_open(&x);
    v = ir_exp(x.g, fix_field(&x, "x", shape_of(2, (int64_t)4, (int64_t)6)));
    y = ir_reshape(x.g, v, shape_of(1, (int64_t)24));
    fix_out(&x, ir_dot(x.g, y, fix_var(&x, "w", shape_of(2, 24, 3)),
                   &(DotDims){.ncontract = 1, .cx = {0}, .cy = {0}}));
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 2);
    assert_non_null(fix_kernel(x.p, v));
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void outputs_may_be_inputs_equal_or_constant(void **state)
{
    Fix x;
    Val v, y;

    (void)state;
    fix_open(&x);
    v = fix_field(&x, "x", shape_of(1, (int64_t)7));
    y = ir_exp(x.g, v);
    fix_out(&x, v);
    fix_out(&x, y);
    fix_out(&x, y);
    fix_out(&x, ir_reshape(x.g, y, shape_of(2, (int64_t)7, (int64_t)1)));
    fix_out(&x, ir_const(x.g, DT_i32, 5));
    fix_out(&x, ir_fill(x.g, DT_f32, 2.5, shape_of(1, (int64_t)3)));
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 3);
    assert_int_equal(fix_steps(&x.p->steps, STEP_COPY), 5);
    fix_close(&x);
}

/* --- the set-up part ----------------------------------------------------- */

static void what_depends_on_parameters_alone_is_set_up_once(void **state)
{
    Fix x;
    Val w, packed, y;
    Machine *m;
    MachineRun how = {0};
    Tensor want, got;

    (void)state;
    fix_open(&x);
    w = fix_var(&x, "w", shape_of(2, (int64_t)9, (int64_t)4));
    packed = ir_transpose(x.g, ir_exp(x.g, w), (int[]){1, 0});
    y = fix_field(&x, "x", shape_of(1, (int64_t)9));
    fix_out(&x, ir_dot(x.g, y, packed,
                   &(DotDims){.ncontract = 1, .cx = {0}, .cy = {1}}));
    fix_lower(&x, ENTRY_TRAIN);
    assert_int_equal(count_setup(x.p), 0);
    x.e->kind = ENTRY_EVALUATE;
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(count_setup(x.p), 1);
    m = machine_new(x.a, &x.e, 1, NULL, 1);
    machine_run(m, 0, x.a, &x.env, &how, &want);
    x.data.seed = 99; // other parameters, and other examples
    how.stale = true;
    machine_run(m, 0, x.a, &x.env, &how, &got);
    how.stale = false;
    machine_run(m, 0, x.a, &x.env, &how, &want);
    assert_true(got.at[0] != want.at[0]); // still the old parameters
    machine_free(m);
    fix_close(&x);
}

/* --- reproducible -------------------------------------------------------- */

static Val softmax_loss(Fix *x)
{
    Val v = fix_field(x, "x", shape_of(1, (int64_t)37));
    Val w = fix_var(x, "w", shape_of(2, (int64_t)37, (int64_t)10));
    Val y = ir_dot(x->g, v, w, &(DotDims){.ncontract = 1, .cx = {0},
                                          .cy = {0}});
    Val m = ir_reduce_all(x->g, OP_max_reduce, y), s;

    y = ir_sub(x->g, y, fix_wide(x, m, y));
    s = ir_reduce_all(x->g, OP_sum, ir_exp(x->g, y));
    return ir_sub(x->g, fix_wide(x, ir_log(x->g, s), y), y);
}

static void an_example_does_not_see_its_mates(void **state)
{
    static const int64_t number[] = {4, 0, 9, 3, 7, 1, 8};
    Fix x;
    Machine *m;
    Tensor all, some;
    int64_t n = ARRAY_LEN(number), size = 10;

    (void)state;
    fix_open(&x);
    fix_out(&x, softmax_loss(&x));
    x.e = machine_entry(x.a, &x.f, ENTRY_EVALUATE);
    m = machine_new(x.a, &x.e, 1, NULL, 3);
    x.data.index = x.env.index = number;
    x.env.batch = n;
    machine_run(m, 0, x.a, &x.env, &(MachineRun){.threads = 2}, &all);
    for (int64_t i = 0; i < n; i++) {
        x.data.index = x.env.index = number + i;
        x.env.batch = i % 2 && i + 1 < n ? 2 : 1;
        machine_run(m, 0, x.a, &x.env, NULL, &some);
        assert_memory_equal(some.at, all.at + i * size,
                            (size_t)size * sizeof(double));
    }
    machine_free(m);
    fix_close(&x);
}

static void threads_and_levels_give_the_same_bits(void **state)
{
    Tensor first[2], got[2];
    Fix x;

    (void)state;
    fix_open(&x);
    fix_out(&x, ir_op1(x.g, OP_batch_sum, softmax_loss(&x)));
    fix_out(&x, ir_op1(x.g, OP_batch_sum,
                   ir_reduce_all(x.g, OP_sum, softmax_loss(&x))));
    x.e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    x.env.batch = 700;
    for (int level = 0; level < 4; level += 3) {
        Machine *m = machine_new(x.a, &x.e, 1, NULL, level);

        for (int threads = 1; threads <= 3; threads++) {
            MachineRun how = {.threads = threads};

            machine_run(m, 0, x.a, &x.env, &how, got);
            if (level == 0 && threads == 1)
                memcpy(first, got, sizeof got);
            assert_memory_equal(got[0].at, first[0].at, 10 * sizeof(double));
            assert_memory_equal(got[1].at, first[1].at, sizeof(double));
        }
        machine_free(m);
    }
    fix_close(&x);
}

/* --- the verifier and the dump ------------------------------------------- */

static void chain(Fix *x)
{
    Val v;

    fix_open(x);
    v = fix_field(x, "x", shape_of(2, (int64_t)128, (int64_t)128));
    for (int i = 0; i < 8; i++) {
        Val s = ir_reduce(x->g, OP_sum, v, (int[]){1}, 1);
        v = ir_exp(x->g, ir_mul(x->g, v, ir_broadcast(x->g, s, v->type.shape,
                                                    (int[]){0})));
        v = ir_transpose(x->g, v, (int[]){1, 0});
    }
    fix_out(x, ir_reduce_all(x->g, OP_sum, v));
    fix_lower(x, ENTRY_EVALUATE);
}

static void memory_is_reused(void **state)
{
    Fix x;
    int64_t all = 0;

    (void)state;
    chain(&x);
    for (int i = 0; i < x.p->buffer.n; i++)
        if (x.p->buffer.at[i]->place == PLACE_ARENA)
            all += x.p->buffer.at[i]->bytes;
    assert_true(x.p->example_bytes > 0);
    assert_true(x.p->example_bytes < all);
    fix_close(&x);
}

static void the_verifier_sees_overlapping_memory(void **state)
{
    char err[200] = "";

    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        Fix x;

        chain(&x);
        for (int i = 0; broken && i < x.p->buffer.n; i++)
            x.p->buffer.at[i]->offset = 0;
        assert_int_equal(loop_verify(x.p, err, sizeof err), !broken);
        fix_close(&x);
    }
    assert_non_null(strstr(err, "overwritten"));
}

static void the_verifier_sees_a_missing_step(void **state)
{
    Fix x;
    char err[200] = "";

    (void)state;
    chain(&x);
    x.p->steps.list.n--;
    assert_false(loop_verify(x.p, err, sizeof err));
    assert_non_null(strstr(err, "output 0 is never written"));
    fix_close(&x);
}

static void print_to(FILE *f, const void *p)
{
    loop_print(f, p);
}

static void the_dump_names_buffers_kernels_and_expressions(void **state)
{
    Fix x;
    char *s;

    (void)state;
    chain(&x);
    s = text_of(x.a, print_to, x.p);
    assert_non_null(strstr(s, "program f: "));
    assert_non_null(strstr(s, "input 0 \"x\""));
    assert_non_null(strstr(s, "output 0 \"out\""));
    assert_non_null(strstr(s, "sum 128x128"));
    assert_non_null(strstr(s, "= exp"));
    fix_close(&x);
}

int main(void)
{
    const struct CMUnitTest test[] = {
        cmocka_unit_test(bias_and_activation_join_the_convolution),
        cmocka_unit_test(cheap_work_is_repeated_and_dear_work_is_not),
        cmocka_unit_test(a_sum_is_not_repeated_by_its_readers),
        cmocka_unit_test(a_reshape_shares_memory),
        cmocka_unit_test(outputs_may_be_inputs_equal_or_constant),
        cmocka_unit_test(what_depends_on_parameters_alone_is_set_up_once),
        cmocka_unit_test(an_example_does_not_see_its_mates),
        cmocka_unit_test(threads_and_levels_give_the_same_bits),
        cmocka_unit_test(memory_is_reused),
        cmocka_unit_test(the_verifier_sees_overlapping_memory),
        cmocka_unit_test(the_verifier_sees_a_missing_step),
        cmocka_unit_test(the_dump_names_buffers_kernels_and_expressions),
    };

    return cmocka_run_group_tests(test, NULL, NULL);
}
