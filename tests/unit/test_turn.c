/*
 * test_turn.c -- transposes that go by squares: which do, and that every
 * element arrives where the interpreter puts it, whatever divides what, alone
 * and read by an elementwise kernel, shared among threads, in both widths.
 */
#include "support/check.h"
#include "support/kernel.h"
#include "support/machine.h"
#include "support/random_graph.h"

#include <string.h>

typedef struct Case {
    int rank;
    int64_t dim[5];
    int perm[5];
    bool turns; // goes by squares
} Case;

static const Case cases[] = {
    {2, {64, 48}, {1, 0}, true},
    {2, {37, 101}, {1, 0}, true},
    {2, {300, 5}, {1, 0}, true},
    {2, {5, 300}, {1, 0}, true},
    {2, {3, 500}, {1, 0}, false},          // no square in it
    {2, {20, 20}, {1, 0}, false},          // small
    {3, {40, 30, 16}, {1, 0, 2}, false},   // neighbours stay
    {3, {7, 33, 18}, {0, 2, 1}, true},
    {3, {19, 9, 21}, {2, 0, 1}, true},     // two dims that stay together
    {3, {19, 9, 21}, {2, 1, 0}, true},
    {4, {3, 3, 24, 40}, {3, 2, 0, 1}, true}, // [R, S, C, O] to [O, C, R, S]
    {4, {40, 24, 3, 3}, {2, 3, 1, 0}, true}, // and back
    {4, {3, 3, 70, 67}, {0, 1, 3, 2}, true}, // many tasks, few whole squares
    {4, {1, 33, 1, 35}, {3, 0, 1, 2}, true},
    {5, {2, 3, 11, 4, 13}, {1, 4, 0, 3, 2}, true},
};

static Val input(Graph *g, const Case *c, DType dt, bool batched)
{
    Shape s = {.rank = c->rank};

    memcpy(s.dim, c->dim, sizeof c->dim);
    return ir_input(g, batched ? INPUT_FIELD : INPUT_VAR, "x",
                    type_of(dt, batched, s));
}

static void agrees(const Case *c, DType dt, bool batched, bool joined,
                   const char *cpu)
{
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    Val x = input(g, c, dt, batched), v = ir_transpose(g, x, c->perm), out[1];
    Func f = {.name = "f", .g = g, .nout = 1, .out = out};
    RandomData data = {.seed = 5};
    EvalEnv env = {.batch = 3, .seed = 1, .input = random_input,
                   .user = &data};
    Tensor want, got;
    Entry *e;
    Machine *m;
    Turn t;

    assert_int_equal(turn_of(v, &t), c->turns);
    if (joined) // an operation on both sides
        v = ir_op2(g, OP_mul, ir_transpose(g, ir_op1(g, OP_neg, x), c->perm),
                   ir_op1(g, OP_abs, v));
    out[0] = v;
    ir_eval(a, &f, &env, &want);
    e = machine_entry(a, &f, ENTRY_EVALUATE);
    m = machine_new(a, &e, 1, cpu, 2);
    for (int threads = 1; threads <= 3; threads++) {
        machine_run(m, 0, a, &env, &(MachineRun){.threads = threads}, &got);
        assert_tensors_close(&got, &want, tol_graph(dt), "threads %d",
                             threads);
    }
    machine_free(m);
    arena_free(a);
}

static void every_element_arrives(void **state)
{
    static const DType types[] = {DT_f32, DT_f64, DT_i32};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t d = 0; d < ARRAY_LEN(types); d++)
            for (int how = 0; how < 8; how++)
                agrees(&cases[i], types[d], how & 1, how & 2,
                       how & 4 ? NULL : test_cpu("x86-64-v3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_arrives),
    };

    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
