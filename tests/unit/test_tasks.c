/*
 * test_tasks.c -- shared results whose first dims are few, as those of a
 * convolution's weights: which rows tasks share out, and that any number of
 * threads leaves every element as the interpreter has it.
 */
#include "support/check.h"
#include "support/kernel.h"
#include "support/machine.h"
#include "support/random_graph.h"

static void rows_are_enough_for_many(void **state)
{
    (void)state;
    assert_int_equal(kernel_row_dim(shape_of(0)), -1);
    assert_int_equal(kernel_row_dim(shape_of(2, 1, 1)), -1);
    assert_int_equal(kernel_row_dim(shape_of(1, 5)), 0);
    assert_int_equal(kernel_row_dim(shape_of(3, 1, 40, 7)), 1);
    assert_int_equal(kernel_row_dim(shape_of(4, 3, 3, 64, 40)), 2);
    // Lanes run along the last dim, which is not cut.
    assert_int_equal(kernel_row_dim(shape_of(2, 3, 640)), 0);
    assert_int_equal(kernel_row_dim(shape_of(3, 3, 640, 1)), 0);
}

/* v, of inputs from `in`, by 1 to 3 threads. */
static void agrees(Arena *a, Graph *g, Val v)
{
    Func f = {.name = "f", .g = g, .nout = 1, .out = &v};
    RandomData data = {.seed = 7};
    EvalEnv env = {.batch = 3, .seed = 1, .input = random_input,
                   .user = &data};
    Tensor want, got;
    Entry *e;
    Machine *m;

    ir_eval(a, &f, &env, &want);
    e = machine_entry(a, &f, ENTRY_EVALUATE);
    m = machine_new(a, &e, 1, NULL, 2);
    for (int threads = 1; threads <= 3; threads++) {
        machine_run(m, 0, a, &env, &(MachineRun){.threads = threads}, &got);
        assert_tensors_close(&got, &want, tol_sum(DT_f32, 40, 4),
                             "%s, threads %d", op_info[v->op].name, threads);
    }
    machine_free(m);
}

static Val input(Graph *g, bool batched, Shape s)
{
    return ir_input(g, batched ? INPUT_FIELD : INPUT_VAR, "x",
                    type_of(DT_f32, batched, s));
}

static void every_task_does_its_rows(void **state)
{
    Arena *a = arena_new();

    (void)state;
    for (int which = 0; which < 5; which++) {
        Graph *g = graph_new(a);
        Val x = input(g, which == 4, shape_of(4, 3, 3, 65, 44)), v = NULL;

        switch (which) {
        case 0: // by dims
            v = ir_reverse(g, x, (int[]){0, 1, 3}, 3);
            break;
        case 1: // flat
            v = ir_exp(g, x);
            break;
        case 2: // along lanes
            v = ir_reduce(g, OP_sum, x, (int[]){3}, 1);
            break;
        case 3: // beside lanes
            v = ir_reduce(g, OP_max_reduce, x, (int[]){1}, 1);
            break;
        default:
            v = ir_op1(g, OP_batch_sum, x);
        }
        agrees(a, g, v);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_enough_for_many),
        cmocka_unit_test(every_task_does_its_rows),
    };

    return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
