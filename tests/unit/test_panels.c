/*
 * test_panels.c -- weights that a contraction reads from panels, and results
 * stored in passing: where that is done and where not, and that panels change
 * no bit, whatever the shape, the width of vectors and the size of the batch.
 */
#include "support/check.h"
#include "support/kernel.h"
#include "support/machine.h"
#include "support/random_graph.h"

#include <string.h>

typedef struct Fix {
    Arena *a;
    Graph *g;
    Func f;
    Val out[4];
    Entry *e;
    EvalEnv env;
    RandomData data;
    bool along; // sums in another order than when training
} Fix;

static void fix_open(Fix *x)
{
    memset(x, 0, sizeof *x);
    x->a = arena_new();
    x->g = graph_new(x->a);
    x->f = (Func){.name = "f", .g = x->g, .out = x->out};
    x->env = (EvalEnv){.batch = 13, .seed = 3, .input = random_input,
                       .user = &x->data};
}

static Val field(Fix *x, const char *name, Shape s)
{
    return ir_input(x->g, INPUT_FIELD, name, type_of(DT_f32, true, s));
}

static Val var(Fix *x, const char *name, Shape s)
{
    return ir_input(x->g, INPUT_VAR, name, type_of(DT_f32, false, s));
}

static void out(Fix *x, Val v)
{
    x->out[x->f.nout++] = v;
}

/* Kernels of a program that read panels, in loops too. */
static int count_panels(const Program *p)
{
    int n = 0;

    for (int i = 0; i < p->kernel.n; i++)
        n += p->kernel.at[i]->kind == KERNEL_CONTRACT &&
             p->kernel.at[i]->sched.pack == PACK_BEFORE;
    return n;
}

static int count_setup(const Program *p)
{
    int n = 0;

    for (int i = 0; i < p->steps.list.n; i++)
        n += p->steps.list.at[i].setup;
    return n;
}

static Program *lower(Fix *x, EntryKind kind, int vector_bytes)
{
    LoopOptions opt = {.vector_bytes = vector_bytes,
                       .registers = vector_bytes == 64 ? 32 : 16,
                       .finite = true};

    x->e = machine_entry(x->a, &x->f, kind);
    return loop_lower(x->a, x->e, &opt);
}

/* Kernels of which a batch of one reads rows; steps made for these batches. */
static int count_rows(const Program *p)
{
    int n = 0;

    for (int i = 0; i < p->kernel.n; i++)
        n += p->kernel.at[i]->rows != NULL;
    return n;
}

static int count_for(const Program *p, Batches batches)
{
    int n = 0;

    for (int i = 0; i < p->steps.list.n; i++)
        n += p->steps.list.at[i].setup &&
             p->steps.list.at[i].batches == batches;
    return n;
}

/* As the interpreter has it; the same bits alone, with mates, and, but for sums
 * along rows, packed anew in each call (as when training). */
static void agrees(Fix *x, const char *cpu)
{
    Tensor want[4], got[4], one[4];
    Machine *m;
    int64_t n = x->env.batch, size = shape_size(x->f.out[0]->type.shape);
    int64_t number[16];

    for (int64_t i = 0; i < n; i++)
        number[i] = 3 * i + 1;
    x->data.index = x->env.index = number;
    ir_eval(x->a, &x->f, &x->env, want);
    for (int train = 0; train < 2; train++) {
        x->e = machine_entry(x->a, &x->f,
                             train ? ENTRY_TRAIN : ENTRY_EVALUATE);
        m = machine_new_finite(x->a, &x->e, 1, cpu, 2);
        machine_run(m, 0, x->a, &x->env, &(MachineRun){.threads = 2}, got);
        for (int i = 0; i < x->f.nout; i++) {
            assert_tensors_close(&got[i], &want[i], tol_graph(DT_f32),
                                 "output %d", i);
            errors_note(x->along ? "along rows" : "panels", &got[i], &want[i]);
        }
        for (int64_t at = 0; at < n; at++) {
            x->data.index = x->env.index = number + at;
            x->env.batch = at % 3 + 1 < n - at ? at % 3 + 1 : 1;
            machine_run(m, 0, x->a, &x->env,
                        &(MachineRun){.threads = (int)(at % 2) + 1}, one);
            assert_memory_equal(one[0].at, got[0].at + at * size,
                                (size_t)size * sizeof(double));
        }
        x->env.batch = n;
        x->data.index = x->env.index = number;
        if (train && !x->along)
            assert_memory_equal(got[0].at, want[1].at,
                                (size_t)(n * size) * sizeof(double));
        want[1] = got[0];
        machine_free(m);
    }
}

/* --- shapes --------------------------------------------------------------- */

typedef struct Case {
    int64_t k, n;
    bool first, turned; // weights as the first source; stored [n, k]
} Case;

static Val dense(Fix *x, Case c, bool clip)
{
    Val v = field(x, "x", shape_of(1, c.k));
    Val w = var(x, "w", c.turned ? shape_of(2, c.n, c.k)
                                 : shape_of(2, c.k, c.n));
    DotDims d = {.ncontract = 1};

    if (clip)
        v = ir_op1(x->g, OP_relu, v);
    *(c.first ? d.cx : d.cy) = c.turned;
    return c.first ? ir_dot(x->g, w, v, &d) : ir_dot(x->g, v, w, &d);
}

static void dense_layers_agree(void **state)
{
    static const Case list[] = {
        {600, 320, false, false}, {601, 300, true, false},
        {130, 64, false, true},   {257, 77, true, true},
        {700, 10, true, true},    {40, 500, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(list); i++)
        for (int wide = 0; wide < 2; wide++) {
            Fix x;
            Val y;

            fix_open(&x);
            y = dense(&x, list[i], i % 2);
            out(&x, ir_op1(x.g, OP_relu, y));
            assert_int_equal(
                count_panels(lower(&x, ENTRY_EVALUATE, wide ? 64 : 32)), 1);
            assert_int_equal(
                count_panels(lower(&x, ENTRY_TRAIN, wide ? 64 : 32)), 0);
            agrees(&x, wide ? NULL : test_cpu("x86-64-v3"));
            arena_free(x.a);
        }
}

/* Rows only where zeros are likely, panels only for more examples than one. */
static void a_batch_of_one_reads_rows(void **state)
{
    (void)state;
    for (int clip = 0; clip < 2; clip++)
        for (int turned = 0; turned < 2; turned++) {
            Case c = {130, 320, turned, turned};
            Fix x;
            Program *p;

            fix_open(&x);
            out(&x, dense(&x, c, clip));
            p = lower(&x, ENTRY_EVALUATE, 64);
            assert_int_equal(count_rows(p), clip);
            assert_int_equal(count_for(p, FOR_MORE), clip);
            assert_int_equal(count_for(p, FOR_ALL), !clip);
            // weights kept as rows are read where they are
            assert_int_equal(count_for(p, FOR_ONE), clip && turned);
            assert_int_equal(count_rows(lower(&x, ENTRY_TRAIN, 64)), 0);
            agrees(&x, NULL);
            arena_free(x.a);
        }
}

/* z = W relu(x), and W' z behind the mask of that relu: [N] or [4, N / 4]. */
static Val there_and_back(Fix *x, int64_t K, int64_t N, bool turned, bool cut)
{
    Val v = field(x, "x", shape_of(1, N)), w, z, zero, on;
    Shape s = cut ? shape_of(2, (int64_t)4, N / 4) : shape_of(1, N);

    w = var(x, "w", turned ? shape_of(2, N, K) : shape_of(2, K, N));
    z = ir_dot(x->g, w, ir_op1(x->g, OP_relu, v),
               &(DotDims){.ncontract = 1, .cx = {!turned}});
    z = ir_dot(x->g, w, ir_op1(x->g, OP_tanh, z),
               &(DotDims){.ncontract = 1, .cx = {turned}});
    zero = ir_fill(x->g, DT_f32, 0, s);
    on = ir_lt(x->g, zero, ir_reshape(x->g, v, s));
    return ir_select(x->g, on, ir_reshape(x->g, z, s),
                     cut ? ir_fill(x->g, DT_f32, 7, s) : zero);
}

static void both_ways_read_the_same_rows(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++)
        for (int turned = 0; turned < 2; turned++) {
            // some with tasks to share out, the last of them short
            int64_t K = cut ? 592 : 1024, N = turned ? 656 : 320;
            Program *p;
            int along = 0;
            Fix x;

            fix_open(&x);
            x.along = true;
            out(&x, there_and_back(&x, K, N, turned, cut));
            p = lower(&x, ENTRY_EVALUATE, 64);
            for (int i = 0; i < p->kernel.n; i++)
                along += p->kernel.at[i]->along;
            assert_int_equal(along, 1);
            assert_int_equal(count_rows(p), 2);
            assert_int_equal(count_for(p, FOR_ONE), !turned);
            assert_true(count_for(p, FOR_MORE) >= 2);
            agrees(&x, NULL);
            x.along = false; // for vectors of 16 only
            if (test_cpu("x86-64-v3"))
                agrees(&x, "x86-64-v3");
            arena_free(x.a);
        }
}

/* Nothing is masked: a batch of one would read all rows along. */
static void results_without_a_mask_stay(void **state)
{
    Fix x;
    Program *p;

    (void)state;
    fix_open(&x);
    out(&x, there_and_back(&x, 1024, 320, false, false)->src[1]);
    p = lower(&x, ENTRY_EVALUATE, 64);
    for (int i = 0; i < p->kernel.n; i++)
        assert_false(p->kernel.at[i]->along);
    agrees(&x, NULL);
    arena_free(x.a);
}

static void convolutions_agree(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        Fix x;
        Val v, w;

        fix_open(&x);
        x.env.batch = 5;
        v = field(&x, "x", shape_of(3, (int64_t)5, (int64_t)6, (int64_t)70));
        w = var(&x, "w", shape_of(4, (int64_t)3, (int64_t)3, (int64_t)70,
                                  (int64_t)300));
        out(&x, ir_conv(x.g, v, w, (ConvDims){1, 1, 0, 0, 0, 0}));
        assert_int_equal(
            count_panels(lower(&x, ENTRY_EVALUATE, wide ? 64 : 32)), 1);
        agrees(&x, wide ? NULL : test_cpu("x86-64-v3"));
        arena_free(x.a);
    }
}

/* --- zeros left out ------------------------------------------------------- */

/* A tensor of small numbers, `zeros` of each ten zero. */
static Tensor numbers(Arena *a, Type t, int64_t batch, int zeros)
{
    Tensor x = {.type = t, .batch = t.batched ? batch : 1};
    int64_t n = x.batch * shape_size(t.shape);
    uint32_t s = 77;

    x.at = NEW_N(a, double, n);
    for (int64_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        x.at[i] = (int)(s >> 24) % 10 < zeros ? 0 : (s >> 8) * 0x1p-23 - 1;
        x.at[i] = (double)(float)x.at[i];
    }
    return x;
}

/* p [P, K, W] as rows [K, M]; NaN where there is no column. */
static Tensor as_rows(Arena *a, const Tensor *p, int64_t N, int64_t M)
{
    const int64_t *d = p->type.shape.dim;
    Tensor x = {.type = type_of(p->type.dt, false, shape_of(2, d[1], M)),
                .batch = 1};

    x.at = NEW_N(a, double, d[1] * M);
    for (int64_t k = 0; k < d[1]; k++)
        for (int64_t n = 0; n < M; n++)
            x.at[k * M + n] =
                n < N ? p->at[(n / d[2] * d[1] + k) * d[2] + n % d[2]] : NAN;
    return x;
}

static void sparse_as_dense(int64_t K, int64_t N, int64_t W, DType dt,
                            const char *cpu, int zeros)
{
    static const int64_t batch[] = {1, 2, 5, 13};
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    Val v = ir_input(g, INPUT_FIELD, "x", type_of(dt, true, shape_of(1, K)));
    Val p = ir_input(g, INPUT_VAR, "p",
                     type_of(dt, false, shape_of(3, (N + W - 1) / W, K, W)));
    Val y = ir_dot(g, v, panels_view(g, p, shape_of(2, K, N)),
                   &(DotDims){.ncontract = 1});
    int64_t lanes = (cpu ? 32 : 64) / dtype_bytes(dt);
    int64_t M = (N + lanes - 1) / lanes * lanes;
    Val rows = ir_input(g, INPUT_VAR, "rows",
                        type_of(dt, false, shape_of(2, K, M)));
    TestKernel *dense = test_kernel(a, y, y, cpu, 2);
    TestKernel *sparse = test_kernel_sparse(a, y, y, rows, cpu, 2);

    for (size_t i = 0; i < ARRAY_LEN(batch); i++) {
        Tensor in[3] = {numbers(a, v->type, batch[i], zeros),
                        numbers(a, p->type, 1, 1)}, x, z;

        in[2] = as_rows(a, &in[1], N, M);
        x = test_kernel_eval(dense, a, in, batch[i], 1);
        z = test_kernel_eval(sparse, a, in, batch[i], 2);
        for (int64_t k = 0; k < x.batch * N; k++)
            if (x.at[k] != z.at[k])
                fail_msg("%lldx%lld in %lld %s, batch %lld, element %lld: "
                         "%.9g, not %.9g", (long long)K, (long long)N,
                         (long long)W, cpu ? cpu : "host",
                         (long long)batch[i], (long long)k, z.at[k], x.at[k]);
    }
    test_kernel_free(dense);
    test_kernel_free(sparse);
    arena_free(a);
}

static void zeros_may_be_left_out(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const char *cpu = i % 2 ? test_cpu("x86-64-v3") : NULL;
        DType dt = i / 2 ? DT_f64 : DT_f32;

        int64_t W = i / 2 ? 16 : 32;

        sparse_as_dense(700, 8, 8, dt, cpu, 5);
        sparse_as_dense(37, 13, 8, dt, cpu, 9);
        sparse_as_dense(5, 30, 16, dt, cpu, 10);
        sparse_as_dense(643, 70, W, dt, cpu, 4);
        // tasks of panels, more of them than one block of columns
        sparse_as_dense(150, 13 * W + 5, W, dt, cpu, 6);
        sparse_as_dense(150, 8 * W, W, dt, cpu, 6);
        sparse_as_dense(90, 4500, W, dt, cpu, 6);
        sparse_as_dense(64, 24, W, dt, cpu, 0);
    }
}

/* --- where ---------------------------------------------------------------- */

/* h = relu(W h + x), six times. */
static Val steps(Fix *x, Val w)
{
    Val v = field(x, "x", shape_of(1, (int64_t)384)), y;
    Loop *l = ir_loop_open(x->g, ir_const(x->g, DT_i32, 6), &v, 1, &v->type, 1,
                           (Span){0});

    y = ir_dot(x->g, w, l->var[0], &(DotDims){.ncontract = 1, .cx = {1},
                                              .cy = {0}});
    y = ir_add(x->g, ir_mul(x->g, y, ir_fill(x->g, DT_f32, 0.01,
                                             y->type.shape)), v);
    return ir_proj(x->g, ir_loop_close(x->g, l, &y), 0);
}

static void a_loop_in_a_training_step_packs_once_before_it(void **state)
{
    Fix x;
    Program *p;

    (void)state;
    fix_open(&x);
    out(&x, steps(&x, var(&x, "w", shape_of(2, (int64_t)384, (int64_t)384))));
    p = lower(&x, ENTRY_TRAIN, 32);
    assert_int_equal(count_panels(p), 1);
    assert_int_equal(count_setup(p), 0);
    assert_true(p->kernel.at[0]->kind == KERNEL_MAP); // before the loop
    agrees(&x, NULL);
    arena_free(x.a);
}

static void contractions_share_panels(void **state)
{
    Fix x;
    Program *p;
    Val w, y;

    (void)state;
    fix_open(&x);
    w = var(&x, "w", shape_of(2, (int64_t)384, (int64_t)384));
    y = steps(&x, w);
    y = ir_dot(x.g, w, y, &(DotDims){.ncontract = 1, .cx = {1}, .cy = {0}});
    out(&x, y);
    p = lower(&x, ENTRY_EVALUATE, 64);
    assert_int_equal(count_panels(p), 2);
    assert_int_equal(count_setup(p), 1);
    agrees(&x, NULL);
    arena_free(x.a);
}

static void what_the_loop_changes_is_not_kept(void **state)
{
    Fix x;
    Val w, v, next;
    Loop *l;

    (void)state;
    fix_open(&x);
    w = var(&x, "w", shape_of(2, (int64_t)384, (int64_t)384));
    v = field(&x, "x", shape_of(1, (int64_t)384));
    l = ir_loop_open(x.g, ir_const(x.g, DT_i32, 3), (Val[]){v, w}, 2,
                     (Type[]){v->type, w->type}, 1, (Span){0});
    next = ir_dot(x.g, l->var[1], l->var[0],
                  &(DotDims){.ncontract = 1, .cx = {1}, .cy = {0}});
    out(&x, ir_proj(x.g, ir_loop_close(x.g, l,
                                       (Val[]){next, ir_neg(x.g, l->var[1])}),
                    0));
    assert_int_equal(count_panels(lower(&x, ENTRY_EVALUATE, 64)), 0);
    arena_free(x.a);
}

/* --- stored in passing ---------------------------------------------------- */

/* m' = 0.9 m + g, v' = v + g g, p' = p - m' / (sqrt(v') + 1); g is made by
 * another kernel. `other`: m' is needed elsewhere too. */
static void update(Fix *x, bool other)
{
    Shape s = shape_of(2, (int64_t)130, (int64_t)67);
    Val g = ir_transpose(x->g, var(x, "g", shape_of(2, (int64_t)67,
                                                    (int64_t)130)),
                         (int[]){1, 0});
    Val one = ir_fill(x->g, DT_f32, 1, s), m, v, p;

    g = ir_exp(x->g, g);
    m = ir_add(x->g, ir_mul(x->g, var(x, "m", s),
                            ir_fill(x->g, DT_f32, 0.9, s)), g);
    v = ir_add(x->g, ir_mul(x->g, var(x, "v", s), var(x, "v", s)),
               ir_mul(x->g, g, g));
    p = ir_div(x->g, m, ir_add(x->g, ir_sqrt(x->g, v), one));
    out(x, ir_sub(x->g, var(x, "p", s), p));
    out(x, m);
    out(x, v);
    if (other)
        out(x, ir_reduce_all(x->g, OP_sum, m));
}

static int count_beside(const Program *p)
{
    int n = 0;

    for (int i = 0; i < p->kernel.n; i++)
        n += p->kernel.at[i]->nbeside;
    return n;
}

static void an_update_is_one_pass(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        Fix x;
        Tensor want[4], got[4];
        Machine *m;

        fix_open(&x);
        update(&x, other);
        assert_int_equal(count_beside(lower(&x, ENTRY_TRAIN, 64)), 2 - other);
        assert_int_equal(count_beside(lower(&x, ENTRY_EVALUATE, 64)), 0);
        x.e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
        m = machine_new(x.a, &x.e, 1, NULL, 2);
        ir_eval(x.a, &x.f, &x.env, want);
        machine_run(m, 0, x.a, &x.env, &(MachineRun){.threads = 2}, got);
        for (int i = 0; i < x.f.nout; i++)
            assert_tensors_close(&got[i], &want[i], tol_graph(DT_f32),
                                 "output %d", i);
        machine_free(m);
        arena_free(x.a);
    }
}

static int tear_down(void **state)
{
    (void)state;
    errors_print();
    return 0;
}

int main(void)
{
    const struct CMUnitTest test[] = {
        cmocka_unit_test(dense_layers_agree),
        cmocka_unit_test(a_batch_of_one_reads_rows),
        cmocka_unit_test(both_ways_read_the_same_rows),
        cmocka_unit_test(results_without_a_mask_stay),
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(zeros_may_be_left_out),
        cmocka_unit_test(a_loop_in_a_training_step_packs_once_before_it),
        cmocka_unit_test(contractions_share_panels),
        cmocka_unit_test(what_the_loop_changes_is_not_kept),
        cmocka_unit_test(an_update_is_one_pass),
    };

    return cmocka_run_group_tests(test, NULL, tear_down);
}
