/*
 * test_wino.c -- Winograd's convolutions: the algebra, the error of machine
 * code against f64 (printed), the same bits for every batch, cut and
 * processor, and where the pass takes them.
 */
#include "ir/wino.h"
#include "passes/passes.h"
#include "support/check.h"
#include "support/kernel.h"
#include "support/machine.h"
#include "support/op_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static Arena *arena;

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* One convolution of [H, H, C] with R x R taps, of the same size, half or
 * twice it, and its forms. */
typedef struct Net {
    int64_t H, C, R, O, m, batch;
    WinoForm form;
    DType dt;
    Graph *g;
    Val x, w, dy;
    Tensor at[3];
} Net;

static bool is_up(const Net *n)
{
    return n->form == WINO_UP || n->form == WINO_UP_ODD;
}

/* To 2 H: a row or column short before, or behind. */
static ConvDims up_dims(const Net *n)
{
    int64_t lo = n->form == WINO_UP_ODD;

    return (ConvDims){2, 2, lo, 1 - lo, lo, 1 - lo};
}

static Val plain(const Net *n, bool weights)
{
    int64_t p = n->R / 2;
    int64_t s = n->form == WINO_SAME ? 1 : 2;
    ConvDims d = {s, s, p, p, p, p};

    if (is_up(n))
        return ir_conv_up(n->g, n->x, n->w, up_dims(n), 2 * n->H, 2 * n->H);
    return weights ? ir_conv_dw(n->g, n->x, n->dy, d, n->R, n->R)
                   : ir_conv(n->g, n->x, n->w, d);
}

static Val fast(const Net *n, bool weights)
{
    int64_t p = n->R / 2;
    WinoDims d = {n->m, n->R, p, p, p, p, n->O, n->form};

    if (is_up(n)) {
        d.ph_lo = d.pw_lo = n->form == WINO_UP_ODD;
        d.ph_hi = d.pw_hi = n->form == WINO_UP;
    }
    return weights ? ir_conv_dw_wino(n->g, n->x, n->dy, d)
                   : ir_conv_wino(n->g, n->x, ir_wino_w(n->g, n->w, (WinoRead){
                         .m = n->m, .form = n->form}), d);
}

static void net_open(Net *n)
{
    Dice dice = {(uint64_t)(n->H * 1000 + n->C)};
    Domain wide = {DOM_IN, -1.7, 1.7, 0}, narrow = wide;
    Val *v[3] = {&n->x, &n->w, &n->dy};

    n->g = graph_new(arena);
    n->x = ir_input(n->g, INPUT_FIELD, intern("x"),
                    type_of(n->dt, true, shape_of(3, n->H, n->H, n->C)));
    n->dy = ir_input(n->g, INPUT_FIELD, intern("dy"),
                     type_of(n->dt, true, shape_of(3, n->H, n->H, n->O)));
    n->w = ir_input(n->g, INPUT_VAR, intern("w"),
                    type_of(n->dt, false, shape_of(4, n->R, n->R, n->C,
                                                   n->O)));
    narrow.hi = 1.7 * sqrt(2.0 / (double)(n->R * n->R * n->C));
    narrow.lo = -narrow.hi;
    for (int k = 0; k < 3; k++) {
        int64_t size = shape_size((*v[k])->type.shape);

        n->at[k] = dice_tensor(arena, &dice, (*v[k])->type, n->batch,
                               k == 1 ? narrow : wide);
        size *= n->at[k].batch;
        for (int64_t i = 0; i < size; i++) {
            double y = (double)(float)n->at[k].at[i];

            n->at[k].at[i] = k == 0 && y < 0 ? 0 : y; // as after a relu
        }
    }
}

static void net_input(void *user, Val input, Tensor *t)
{
    const Net *n = user;
    const Tensor *from = &n->at[input == n->x ? 0 : input == n->w ? 1 : 2];

    memcpy(t->at, from->at,
           (size_t)(t->batch * shape_size(t->type.shape)) * sizeof *t->at);
}

static EvalEnv env_of(Net *n)
{
    return (EvalEnv){.batch = n->batch, .seed = 1, .input = net_input,
                     .user = n};
}

static Tensor exactly(Net *n, Val v)
{
    Func f = {.name = "f", .g = n->g, .nout = 1, .out = &v};
    EvalEnv env = env_of(n);
    Tensor t;

    ir_eval(arena, &f, &env, &t);
    return t;
}

static Tensor by_machine(Net *n, Val v, const char *cpu, int threads)
{
    Func f = {.name = "f", .g = n->g, .nout = 1, .out = &v};
    Entry *e = machine_entry(arena, &f, ENTRY_TRAIN);
    Machine *m = machine_new(arena, &e, 1, cpu, 2);
    MachineRun how = {.threads = threads};
    EvalEnv env = env_of(n);
    Tensor t;

    machine_run(m, 0, arena, &env, &how, &t);
    machine_free(m);
    return t;
}

static int64_t count(const Tensor *t)
{
    return t->batch * shape_size(t->type.shape);
}

/* --- tests ---------------------------------------------------------------- */

static const Net variants[] = {
    {.H = 6, .C = 5, .R = 3, .O = 3, .m = 2}, {.H = 9, .C = 3, .R = 3, .O = 4,
                                               .m = 4},
    {.H = 7, .C = 2, .R = 5, .O = 3, .m = 2}, {.H = 5, .C = 2, .R = 3, .O = 40,
                                               .m = 3},
    {.H = 9, .C = 3, .R = 3, .O = 4, .m = 4, .form = WINO_DOWN},
    {.H = 8, .C = 5, .R = 3, .O = 33, .m = 2, .form = WINO_DOWN},
    {.H = 7, .C = 3, .R = 3, .O = 4, .m = 4, .form = WINO_UP},
    {.H = 5, .C = 3, .R = 3, .O = 40, .m = 3, .form = WINO_UP},
    {.H = 8, .C = 4, .R = 3, .O = 5, .m = 4, .form = WINO_UP_ODD},
    {.H = 3, .C = 2, .R = 3, .O = 3, .m = 2, .form = WINO_UP_ODD},
};

/* Forms of the weight gradient there are. */
static int ways(const Net *n)
{
    return n->form == WINO_SAME ? 2 : 1;
}


static void the_algebra_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        Net n = variants[i];

        n.dt = DT_f64;
        n.batch = 2;
        net_open(&n);
        for (int weights = 0; weights < ways(&n); weights++) {
            Tensor a = exactly(&n, plain(&n, weights));
            Tensor b = exactly(&n, fast(&n, weights));

            assert_tensors_close(&b, &a, tol_sum(DT_f64, 1000, 4), "F(%d,%d)",
                                 (int)n.m, (int)n.R);
        }
    }
}

/* rms and largest error over the rms of the result. */
static double error_of(const Tensor *got, const Tensor *want, double *most)
{
    double sum = 0, err = 0, n = (double)count(want);

    *most = 0;
    for (int64_t i = 0; i < count(want); i++) {
        double d = fabs(got->at[i] - want->at[i]);

        sum += want->at[i] * want->at[i];
        err += d * d;
        *most = d > *most ? d : *most;
    }
    *most /= sqrt(sum / n);
    return sqrt(err / sum);
}

static void errors_are_small(void **state)
{
    static const Net net[] = {
        {.H = 8, .C = 96, .R = 3, .O = 32, .m = 2, .batch = 2},
        {.H = 8, .C = 96, .R = 3, .O = 32, .m = 4, .batch = 2},
        {.H = 8, .C = 640, .R = 3, .O = 32, .m = 4, .batch = 1},
        {.H = 14, .C = 32, .R = 5, .O = 64, .m = 2, .batch = 1},
        {.H = 16, .C = 64, .R = 3, .O = 64, .m = 2, .batch = 2,
         .form = WINO_DOWN},
        {.H = 16, .C = 128, .R = 3, .O = 32, .m = 4, .batch = 2,
         .form = WINO_DOWN},
        {.H = 8, .C = 64, .R = 3, .O = 64, .m = 2, .batch = 2,
         .form = WINO_UP_ODD},
        {.H = 8, .C = 128, .R = 3, .O = 32, .m = 4, .batch = 2,
         .form = WINO_UP_ODD},
        {.H = 16, .C = 640, .R = 3, .O = 32, .m = 4, .batch = 1,
         .form = WINO_DOWN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(net); i++) {
        Net n = net[i];

        n.dt = DT_f32;
        net_open(&n);
        for (int weights = 0; weights < ways(&n); weights++) {
            Tensor want = exactly(&n, plain(&n, weights));
            Tensor a = by_machine(&n, plain(&n, weights), NULL, 1);
            Tensor b = by_machine(&n, fast(&n, weights), NULL, 1);
            double amax, bmax, arms = error_of(&a, &want, &amax);
            double brms = error_of(&b, &want, &bmax);

            printf("%-12s F(%d,%d) %3d -> %d @%-2d error/rms: plain %.1e (max "
                   "%.1e), Winograd %.1e (max %.1e)\n",
                   weights              ? "weights"
                   : is_up(&n)          ? "up, stride 2"
                   : n.form == WINO_SAME ? "convolution"
                                        : "stride 2", (int)n.m, (int)n.R,
                   (int)n.C, (int)n.O, (int)n.H, arms, amax, brms, bmax);
            assert_true(brms < 6e-6);
            assert_true(bmax < 1e-4);
        }
    }
}

static void assert_same_bits(const Tensor *a, const Tensor *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        assert_true(memcmp(&a->at[i], &b->at[i], sizeof *a->at) == 0);
}

static void bits_are_the_same_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        Net n = variants[i];

        n.dt = DT_f32;
        n.C = 19 + (int64_t)i;
        n.batch = 40; // more than a group
        net_open(&n);
        for (int weights = 0; weights < ways(&n); weights++) {
            Tensor all = by_machine(&n, fast(&n, weights), NULL, 1), other;

            other = by_machine(&n, fast(&n, weights), NULL, 3);
            assert_same_bits(&all, &other, count(&all));
            if (test_cpu("x86-64-v3")) {
                other = by_machine(&n, fast(&n, weights), "x86-64-v3", 2);
                assert_same_bits(&all, &other, count(&all));
            }
            if (weights)
                continue;
            n.batch = 3;
            other = by_machine(&n, fast(&n, false), NULL, 2);
            assert_same_bits(&other, &all, count(&other));
            n.batch = 40;
        }
    }
}

/* The op the pass makes of a convolution with a frame from a pad. */
static Val chosen(DType dt, int64_t H, int64_t C, int64_t R, int64_t O,
                  int64_t stride, bool each, bool on)
{
    Graph *g = graph_new(arena);
    Val x = ir_input(g, INPUT_FIELD, intern("x"),
                     type_of(dt, true, shape_of(3, H, H, C)));
    Val w = ir_input(g, each ? INPUT_FIELD : INPUT_VAR, intern("w"),
                     type_of(dt, each, shape_of(4, R, R, C, O)));
    int64_t p = R / 2, lo[3] = {p, p, 0}, hi[3] = {0, 0, 0};
    Val v = ir_conv(g, ir_pad(g, x, lo, hi, (int64_t[]){0, 0, 0}, 0), w,
                    (ConvDims){stride, stride, 0, p, 0, p});
    Func f = {.name = "f", .g = g, .nout = 1, .out = &v};

    passes_run(&f, &(PassOptions){.winograd = on}, NULL, NULL);
    return v;
}

/* What becomes of the adjoint in x of a convolution of [H, H, 64] at stride 2
 * with this frame. */
static Val adjoint(int64_t lo, int64_t hi, int64_t H, bool on)
{
    Graph *g = graph_new(arena);
    int64_t Ho = (H + lo + hi - 3) / 2 + 1;
    Val dy = ir_input(g, INPUT_FIELD, intern("dy"),
                      type_of(DT_f32, true, shape_of(3, Ho, Ho,
                                                     (int64_t)64)));
    Val w = ir_input(g, INPUT_VAR, intern("w"),
                     type_of(DT_f32, false, shape_of(4, (int64_t)3, (int64_t)3,
                                                     (int64_t)64,
                                                     (int64_t)64)));
    Val v = ir_conv_dx(g, dy, w, (ConvDims){2, 2, lo, hi, lo, hi}, H, H);
    Func f = {.name = "f", .g = g, .nout = 1, .out = &v};

    passes_run(&f, &(PassOptions){.winograd = on}, NULL, NULL);
    return v;
}

static void the_pass_takes_it_where_it_pays(void **state)
{
    Val v;

    (void)state;
    v = chosen(DT_f32, 32, 160, 3, 160, 1, false, true);
    assert_int_equal(v->op, OP_conv_wino);
    assert_int_equal(v->src[0]->op, OP_input);
    assert_int_equal(wino_dims(v).m, 4);
    assert_int_equal(wino_dims(v).ph_lo, 1);
    assert_int_equal(wino_dims(v).ph_hi, 1);
    assert_int_equal(v->src[1]->op, OP_wino_w);
    assert_int_equal(
        wino_dims(chosen(DT_f32, 14, 32, 5, 64, 1, false, true)).m, 2);
    assert_int_equal(chosen(DT_f32, 32, 160, 3, 160, 1, false, false)->op,
                     OP_conv);
    v = chosen(DT_f32, 32, 160, 3, 160, 2, false, true);
    assert_int_equal(v->op, OP_conv_wino);
    assert_int_equal(wino_dims(v).form, WINO_DOWN);
    assert_int_equal(wino_dims(v).m, 4);
    assert_int_equal(chosen(DT_f32, 32, 160, 3, 160, 2, false, false)->op,
                     OP_conv);
    assert_int_equal(chosen(DT_f32, 32, 160, 5, 160, 2, false, true)->op,
                     OP_conv);
    v = adjoint(0, 1, 32, true);
    assert_int_equal(v->op, OP_conv_wino);
    assert_int_equal(wino_dims(v).form, WINO_UP);
    assert_int_equal(wino_dims(v).ph_hi, 1);
    v = adjoint(1, 1, 32, true);
    assert_int_equal(wino_dims(v).form, WINO_UP_ODD);
    assert_int_equal(wino_dims(v).ph_hi, 0);
    assert_int_equal(adjoint(0, 0, 32, true)->op, OP_conv_up);
    assert_int_equal(adjoint(1, 1, 32, false)->op, OP_conv_up);
    assert_int_equal(chosen(DT_f32, 32, 160, 3, 160, 1, true, true)->op,
                     OP_conv);
    assert_int_equal(chosen(DT_f64, 32, 160, 3, 160, 1, false, true)->op,
                     OP_conv);
    assert_int_equal(chosen(DT_f32, 32, 160, 1, 160, 1, false, true)->op,
                     OP_conv);
    assert_int_not_equal(chosen(DT_f32, 32, 3, 3, 16, 1, false, true)->op,
                         OP_conv_wino);
}

/* The weights of a convolution as a layer keeps them, and taps backwards:
 * read by the transform itself, not copied. */
static void weights_are_read_as_kept(void **state)
{
    static const struct {
        int perm[4];
        bool turned;
        WinoOrder order;
    } kept[] = {
        {{2, 3, 1, 0}, false, WINO_OCRR},
        {{2, 3, 0, 1}, true, WINO_CORR},
        {{3, 2, 1, 0}, false, WINO_RRCO}, // no such order: stays
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        Graph *g = graph_new(arena);
        int64_t C = 160, O = 96, last = kept[i].order == WINO_CORR ? O : C;
        Val x = ir_input(g, INPUT_FIELD, intern("x"),
                         type_of(DT_f32, true, shape_of(3, (int64_t)32,
                                                        (int64_t)32, C)));
        Val p = ir_input(g, INPUT_VAR, intern("w"),
                         type_of(DT_f32, false,
                                 shape_of(4, C + O - last, last, (int64_t)3,
                                          (int64_t)3)));
        Val w = ir_transpose(g, p, kept[i].perm), v, u;
        Func f = {.name = "f", .g = g, .nout = 1, .out = &v};

        if (kept[i].turned)
            w = ir_reverse(g, w, (int[]){0, 1}, 2);
        v = ir_conv(g, x, w, (ConvDims){1, 1, 1, 1, 1, 1});
        passes_run(&f, &(PassOptions){.winograd = true}, NULL, NULL);
        assert_int_equal(v->op, OP_conv_wino);
        u = v->src[1];
        assert_int_equal(u->op, OP_wino_w);
        assert_int_equal(wino_read(u).order, kept[i].order);
        assert_int_equal(wino_read(u).turned, kept[i].turned);
        assert_true((u->src[0] == p) == (kept[i].order != WINO_RRCO));
    }
}

/* Transformed weights large enough to be written past the caches, with a last
 * panel that is not full. */
static void large_weights_in_every_order(void **state)
{
    int64_t C = 150, O = 200;

    (void)state;
    for (int i = 0; i < 2 * WINO_ORDERS; i++) {
        WinoRead read = {.m = 4, .order = i / 2, .turned = i % 2};
        Shape s = read.order == WINO_RRCO
                      ? shape_of(4, (int64_t)3, (int64_t)3, C, O)
                      : shape_of(4, read.order == WINO_OCRR ? O : C,
                                 read.order == WINO_OCRR ? C : O, (int64_t)3,
                                 (int64_t)3);
        Graph *g = graph_new(arena);
        Val w = ir_input(g, INPUT_VAR, intern("w"),
                         type_of(DT_f32, false, s));
        Val u = ir_wino_w(g, w, read);
        Dice dice = {(uint64_t)i + 5};
        Tensor at = dice_tensor(arena, &dice, w->type, 1,
                                (Domain){DOM_IN, -1, 1, 0});
        TestKernel *k = test_kernel(arena, u, u, NULL, 2);
        Net n = {.g = g, .w = w, .batch = 1, .at[1] = at};
        Tensor y = test_kernel_eval(k, arena, &at, 1, 2), z = exactly(&n, u);

        for (int64_t j = 0; j < shape_size(u->type.shape); j++)
            if (fabs(y.at[j] - z.at[j]) > 1e-6)
                fail_msg("order %d, turned %d, element %lld: %.9g, not %.9g",
                         i / 2, i % 2, (long long)j, y.at[j], z.at[j]);
        test_kernel_free(k);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_algebra_is_exact),
        cmocka_unit_test(errors_are_small),
        cmocka_unit_test(bits_are_the_same_everywhere),
        cmocka_unit_test(the_pass_takes_it_where_it_pays),
        cmocka_unit_test(weights_are_read_as_kept),
        cmocka_unit_test(large_weights_in_every_order),
    };

    return cmocka_run_group_tests_name("winograd", tests, open_arena,
                                       close_arena);
}
