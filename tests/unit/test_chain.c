/*
 * test_chain.c -- kernels that take a few examples through all of them: which
 * join, what stands between them, what they keep of what passes, and that
 * neither the chain nor the threads change a bit.
 */
#include "ir/wino.h"
#include "support/check.h"
#include "support/machine.h"
#include "support/random_graph.h"

typedef struct Net {
    Graph *g;
    Val out[2];
} Net;

static Val field(Graph *g, int64_t H, int64_t C)
{
    return ir_input(g, INPUT_FIELD, "x", type_of(DT_f32, true,
                                                 shape_of(3, H, H, C)));
}

/* 3x3 over x [H, H, C] to O channels, of the same size or half. */
static Val layer(Graph *g, Val x, int64_t O, WinoForm form)
{
    int64_t C = x->type.shape.dim[2];
    Val w = ir_input(g, INPUT_VAR, "w", type_of(DT_f32, false,
                                                shape_of(4, 3, 3, C, O)));

    w = ir_wino_w(g, w, (WinoRead){.m = 4, .form = form});
    return ir_conv_wino(g, x, w, (WinoDims){4, 3, 1, 1, 1, 1, O, form});
}

static Val squash(Graph *g, Val x)
{
    return ir_op1(g, OP_tanh, ir_op2(g, OP_mul, x, ir_like(g, x, 0.1)));
}

/* The sum over examples of each channel: a kernel of an example, and one that
 * waits for all of them. */
static Val totals(Graph *g, Val x)
{
    return ir_op1(g, OP_batch_sum, ir_reduce(g, OP_sum, x, (int[]){0, 1}, 2));
}

/* Three convolutions, of which one halves; each group of tiles is of another
 * number of examples. A total is wanted of what is in the middle. */
static Net some_layers(Arena *a, int64_t H, int64_t C)
{
    Net n = {.g = graph_new(a)};
    Val x = field(n.g, H, C), h;

    h = squash(n.g, layer(n.g, x, C, WINO_SAME));
    n.out[1] = totals(n.g, h);
    h = squash(n.g, layer(n.g, h, C, WINO_DOWN));
    h = squash(n.g, layer(n.g, ir_op2(n.g, OP_mul, h, h), 7, WINO_SAME));
    n.out[0] = h;
    return n;
}

typedef struct Found {
    int kernels, longest; // of all steps, of the longest chain
    int64_t few, unit;    // of that
} Found;

static Found look(const Program *p)
{
    Found f = {0};
    int run = 0;

    for (int i = 0; i < p->steps.list.n; i++) {
        const Step *st = &p->steps.list.at[i];

        run = !st->chain ? 0
              : i && st->chain == p->steps.list.at[i - 1].chain ? run + 1 : 1;
        f.kernels += st->kind == STEP_KERNEL;
        if (run > f.longest) {
            f.longest = run;
            f.few = st->chain->few;
            f.unit = st->chain->unit;
        }
        if (st->chain) {
            assert_true(st->kernel->root->type.batched);
            assert_int_not_equal(st->kernel->kind, KERNEL_BATCH);
        }
    }
    return f;
}

static void assert_same_bits(const Tensor *a, const Tensor *b)
{
    int64_t n = a->batch * shape_size(a->type.shape);

    assert_int_equal(a->batch, b->batch);
    for (int64_t i = 0; i < n; i++)
        assert_memory_equal(&a->at[i], &b->at[i], sizeof *a->at);
}

/* With counted runs the kernels run one by one. */
static void same_as_one_by_one(Arena *a, Machine *m, int64_t batch,
                               int threads)
{
    RandomData data = {.seed = 5};
    EvalEnv env = {.batch = batch, .seed = 1, .input = random_input,
                   .user = &data};
    int64_t *runs = NEW_N(a, int64_t, machine_program(m, 0)->kernel.n);
    Tensor each[2], all[2];

    machine_run(m, 0, a, &env, &(MachineRun){.kernel_runs = runs}, each);
    machine_run(m, 0, a, &env, &(MachineRun){.threads = threads}, all);
    for (int i = 0; i < 2; i++)
        assert_same_bits(&each[i], &all[i]);
}

static void same_as_interpreted(Arena *a, Machine *m, const Func *f,
                                int64_t batch)
{
    RandomData data = {.seed = 5};
    EvalEnv env = {.batch = batch, .seed = 1, .input = random_input,
                   .user = &data};
    Tensor want[2], got[2];

    ir_eval(a, f, &env, want);
    machine_run(m, 0, a, &env, NULL, got);
    for (int i = 0; i < 2; i++)
        assert_tensors_close(&got[i], &want[i], tol_graph(DT_f32),
                             "output %d", i);
}

static void convolutions_join(void **state)
{
    static const struct {
        int64_t H, C;
    } shape[] = {{16, 16}, {8, 32}, {32, 20}, {12, 16}};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(shape); s++) {
        Arena *a = arena_new();
        Net n = some_layers(a, shape[s].H, shape[s].C);
        Func f = {.name = "f", .g = n.g, .nout = 2, .out = n.out};
        Entry *e = machine_entry(a, &f, ENTRY_EVALUATE);
        Machine *m = machine_new(a, &e, 1, NULL, 2);
        Found found = look(machine_program(m, 0));

        print_message("%lldx%lldx%lld: %d of %d kernels, %lld examples at a "
                      "time, %lld together\n", (long long)shape[s].H,
                      (long long)shape[s].H, (long long)shape[s].C,
                      found.longest, found.kernels, (long long)found.few,
                      (long long)found.unit);
        assert_int_equal(found.longest, 4);
        assert_int_equal(found.few % found.unit, 0);
        same_as_interpreted(a, m, &f, found.few + 1);
        for (int threads = 1; threads <= 3; threads++)
            for (int k = 1; k <= 4; k++)
                same_as_one_by_one(a, m, k * k * found.few + k, threads);
        // Enough for each of three threads to run its share as one.
        same_as_one_by_one(a, m, 25 * found.unit + 1, 3);
        machine_free(m);
        arena_free(a);
    }
}

/* --- conditions stored in passing ------------------------------------------ */

static Val leaky(Graph *g, Val x, Val asked)
{
    Val is = ir_op2(g, OP_lt, ir_like(g, asked, 0), asked);

    return ir_select(g, is, x, ir_op2(g, OP_mul, x, ir_like(g, x, 0.2)));
}

/* Of both carriers: the epilogue of a convolution, by Winograd or directly,
 * and a kernel of its own, since what it is made of is needed too. */
static Val convolved(Graph *g, Val x, bool direct)
{
    int64_t C = x->type.shape.dim[2];
    Val w = ir_input(g, INPUT_VAR, "w", type_of(DT_f32, false,
                                                shape_of(4, 3, 3, C, C)));

    x = direct ? ir_conv(g, x, w, (ConvDims){1, 1, 1, 1, 1, 1})
               : layer(g, x, C, WINO_SAME);
    return ir_op2(g, OP_mul, x, ir_like(g, x, 0.003));
}

/* 1 or -1: added to what is small, no rounding changes a sign. */
static Val sides(Graph *g, Val x)
{
    return ir_select(g, ir_op2(g, OP_lt, ir_like(g, x, 0), x),
                     ir_like(g, x, 1), ir_like(g, x, -1));
}

/* Forth through three layers and back, as for the gradient of an image;
 * `weights`: and for a gradient of a weight, which needs all of y1. */
static Net forth_and_back(Arena *a, bool direct, bool weights)
{
    Net n = {.g = graph_new(a)};
    Val x = field(n.g, 16, 32), side = sides(n.g, x), y1, z, y2, dy;

    y1 = ir_op2(n.g, OP_add, convolved(n.g, x, direct), side);
    y1 = leaky(n.g, y1, y1);
    z = ir_op2(n.g, OP_add, convolved(n.g, y1, direct), side);
    y2 = leaky(n.g, z, z);
    z = ir_op2(n.g, OP_add, convolved(n.g, y2, direct), z);
    n.out[1] = ir_reduce(n.g, OP_sum, z, (int[]){0, 1, 2}, 3);
    dy = leaky(n.g, convolved(n.g, z, direct), y2);
    dy = leaky(n.g, convolved(n.g, dy, direct), y1);
    n.out[0] = weights ? ir_conv_dw(n.g, y1, dy,
                                    (ConvDims){1, 1, 1, 1, 1, 1}, 3, 3)
                       : convolved(n.g, dy, direct);
    return n;
}

static int stored_in_passing(const Program *p)
{
    int n = 0;

    for (int i = 0; i < p->kernel.n; i++) {
        const Kernel *k = p->kernel.at[i];

        for (int b = 0; b < k->nbeside; b++, n++) {
            assert_int_equal(k->beside[b]->type.dt, DT_bool);
            assert_int_equal(k->beside[b]->bytes,
                             shape_size(k->root->type.shape));
        }
    }
    return n;
}

static void conditions_are_kept_in_place_of_values(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        bool direct = kind % 2, weights = kind >= 2;
        Arena *a = arena_new();
        Net n = forth_and_back(a, direct, weights);
        Func f = {.name = "f", .g = n.g, .nout = 2, .out = n.out};
        Entry *e = machine_entry(a, &f, ENTRY_EVALUATE);
        Machine *m = machine_new(a, &e, 1, NULL, 2);

        assert_int_equal(stored_in_passing(machine_program(m, 0)),
                         2 - weights);
        same_as_interpreted(a, m, &f, 3);
        same_as_one_by_one(a, m, 33, 1);
        same_as_one_by_one(a, m, 67, 2);
        machine_free(m);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_join),
        cmocka_unit_test(conditions_are_kept_in_place_of_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
