/*
 * test_machine.c -- every row of ops.def as machine code: the same as the
 * interpreter, in f32 and f64, per example and shared, for any batch, with
 * one thread and two, optimized and not.
 */
#include "support/kernel.h"
#include "support/machine.h"
#include "support/op_case.h"

#include <string.h>

enum { CASES = 6 };

static bool stands_alone(Op op)
{
    return op != OP_const && op != OP_input && op != OP_loopvar &&
           op != OP_loop && op != OP_proj && op != OP_grad;
}

/* conv's adjoint is gone when lowering begins. */
static bool is_lowered(const OpCase *c)
{
    return c->y->op != OP_conv_dx;
}

static Tol tol_of(const OpCase *c)
{
    DType dt = c->y->type.dt;
    int64_t n = 1;

    for (int k = 0; k < c->nin; k++)
        if (!dtype_real(dt) && dtype_real(c->in[k]->type.dt))
            return tol_exact();
    switch (op_info[c->y->op].lower) {
    case LOWER_REDUCE: case LOWER_CONTRACT: case LOWER_KERNEL:
        for (int k = 0; k < c->nin; k++)
            n += shape_size(c->in[k]->type.shape) * c->batch;
        // Winograd's transforms lose a few bits.
        return tol_sum(dt, n, op_info[c->y->op].attr == ATTR_WINO ? 128 : 16);
    default:
        return tol_point(dt);
    }
}

typedef struct Cases {
    int n;
    OpCase c[CASES];
    Graph *g[CASES];
    Entry *e[CASES];
    Tensor want[CASES];
} Cases;

/* Inputs are rounded to what the machine can hold. */
static void round_inputs(OpCase *c)
{
    for (int k = 0; k < c->nin; k++)
        if (c->in[k]->type.dt == DT_f32)
            for (int64_t i = 0;
                 i < c->at[k].batch * shape_size(c->at[k].type.shape); i++)
                c->at[k].at[i] = (double)(float)c->at[k].at[i];
}

static void draw_cases(Arena *a, Op op, DType number, Dice *d, Cases *all)
{
    for (int trial = 0; trial < 4 * CASES && all->n < CASES; trial++) {
        OpCase *c = &all->c[all->n];
        Func f = {.name = arena_printf(a, "c%d", all->n), .nout = 1};

        f.g = graph_new(a);
        if (!op_case(a, f.g, op, number, d, c) || !is_lowered(c))
            continue;
        round_inputs(c);
        f.out = &c->y;
        all->e[all->n] = machine_entry(a, &f, all->n % 2 ? ENTRY_EVALUATE
                                                         : ENTRY_TRAIN);
        all->want[all->n] = op_case_eval(a, f.g, c);
        all->n++;
    }
}

static void run_cases(Arena *a, Cases *all, const char *cpu, int level,
                      int threads)
{
    Machine *m = machine_new(a, all->e, all->n, cpu, level);

    for (int i = 0; i < all->n; i++) {
        OpCase *c = &all->c[i];
        EvalEnv env = {.batch = c->batch, .seed = 1, .input = op_case_input,
                       .user = c};
        MachineRun how = {.threads = threads};
        Tensor got;

        machine_run(m, i, a, &env, &how, &got);
        assert_tensors_close(&got, &all->want[i], tol_of(c),
                             "%s, case %d, -O%d", op_info[c->y->op].name, i,
                             level);
    }
    machine_free(m);
}

static void row_agrees(void **state)
{
    Op op = (Op)((const OpInfo *)*state - op_info);
    static const DType number[] = {DT_f32, DT_f64, DT_i32};

    for (int t = 0; t < (int)ARRAY_LEN(number); t++) {
        Arena *a = arena_new();
        Dice d = {.state = (uint64_t)(op * 8 + t)};
        Cases all = {0};

        draw_cases(a, op, number[t], &d, &all);
        if (all.n) {
            run_cases(a, &all, NULL, 3, 1);
            run_cases(a, &all, t ? NULL : "x86-64", 0, 2);
            if (op_info[op].attr == ATTR_WINO && test_cpu("x86-64-v3"))
                run_cases(a, &all, "x86-64-v3", 2, 1);
        }
        arena_free(a);
    }
}

int main(void)
{
    struct CMUnitTest test[OP_COUNT];
    size_t n = 0;

    for (int op = 0; op < OP_COUNT; op++)
        if (stands_alone((Op)op)) {
            test[n] = (struct CMUnitTest)cmocka_unit_test_prestate(
                row_agrees, (void *)&op_info[op]);
            test[n++].name = op_info[op].name;
        }
    return _cmocka_run_group_tests("machine", test, n, NULL, NULL);
}
