/*
 * test_pooled.c -- convolutions of an unpooled value against the interpreter,
 * on shapes that meet vectors, panels, blocks of channels and borders, with
 * windows that hold nothing; and infinities where 0 x may not be taken for 0.
 */
#include "support/kernel.h"
#include "support/op_case.h"

#include <math.h>

static Arena *arena;

typedef struct Use {
    int64_t Ho, Wo, O, kh, kw, R, S, C, ph, pw, moreH, moreW;
    double empty; // part of the windows
} Use;

static const Use uses[] = {
    {7, 7, 64, 2, 2, 5, 5, 32, 2, 2, 0, 0, 0.5},
    {14, 14, 32, 2, 2, 5, 5, 1, 2, 2, 0, 0, 0.5},
    {3, 5, 19, 2, 3, 3, 3, 70, 1, 0, 1, 2, 0.3},
    {4, 3, 7, 3, 2, 3, 5, 3, 1, 2, 0, 1, 0.6},
    {2, 2, 130, 2, 2, 1, 1, 17, 0, 0, 1, 1, 0.9},
    {5, 4, 33, 4, 4, 3, 3, 2, 2, 1, 3, 0, 1.0},
    {9, 1, 16, 2, 2, 7, 3, 16, 6, 0, 0, 0, 0},
};

static void add_input(OpCase *c, Graph *g, DType dt, bool batched, Shape s,
                      Domain dom, Dice *d)
{
    int k = c->nin++;

    c->in[k] = ir_input(g, INPUT_VAR, internf("%c", 'a' + k),
                        type_of(dt, batched, s));
    c->at[k] = dice_tensor(arena, d, c->in[k]->type, c->batch, dom);
}

static const Domain reals = {DOM_IN, -1, 1, 0};

static void empty_windows(Tensor *t, double part, Dice *d)
{
    int64_t n = t->batch * shape_size(t->type.shape);

    for (int64_t i = 0; i < n; i++)
        if ((double)dice_int(d, 0, 999) < 1000 * part)
            t->at[i] = i % 3 ? 0 : -0.0;
}

static void make_use(OpCase *c, Graph *g, const Use *x, DType dt, bool dx,
                     Dice *d)
{
    Shape dy = shape_of(3, x->Ho, x->Wo, x->O);
    Shape w = shape_of(4, x->O, x->R, x->S, x->C);
    int64_t H = x->Ho * x->kh, W = x->Wo * x->kw;
    UnpoolDims u = {x->kh, x->kw, x->ph, x->pw, H + x->moreH, W + x->moreW,
                    x->R, x->S};
    Domain taps = {DOM_IN, 0, (double)(x->kh * x->kw - 1), 0};

    if (!dx)
        add_input(c, g, dt, true, shape_of(3, H + x->R - 1 + x->moreH,
                                           W + x->S - 1 + x->moreW, x->C),
                  reals, d);
    add_input(c, g, dt, true, dy, reals, d);
    empty_windows(&c->at[c->nin - 1], x->empty, d);
    if (dx)
        add_input(c, g, dt, false, w, reals, d);
    add_input(c, g, DT_i32, true, dy, taps, d);
    c->y = dx ? ir_conv_dx_pooled(g, c->in[0], c->in[1], c->in[2], u)
              : ir_conv_dw_pooled(g, c->in[0], c->in[1], c->in[2], u);
}

/* Compiled for a processor; with `finite`, for finite values only. */
static void check(Graph *g, OpCase *c, const char *cpu, bool finite, int number)
{
    Schedule s = {.sparse = finite};
    TestKernel *t = test_kernel_as(arena, c->y, c->y, test_cpu(cpu), 2, &s);
    Tensor want = op_case_eval(arena, g, c), in[OP_CASE_IN], got;

    for (int i = 0; i < t->k.nread; i++)
        for (int k = 0; k < c->nin; k++)
            if (t->k.read[i]->val == c->in[k])
                in[i] = c->at[k];
    for (int cuts = 1; cuts <= 2; cuts++) {
        got = test_kernel_eval(t, arena, in, c->batch, cuts);
        assert_tensors_close(&got, &want, tol_sum(c->y->type.dt, 400, 2),
                             "%s, use %d in %d cuts on %s%s",
                             op_info[c->y->op].name, number, cuts,
                             cpu ? cpu : "host", finite ? ", finite" : "");
        errors_note(op_info[c->y->op].name, &got, &want);
    }
    test_kernel_free(t);
}

static void check_all(Graph *g, OpCase *c, bool finite, int number)
{
    static const char *const cpu[] = {NULL, "x86-64-v3", "x86-64"};

    for (size_t k = 0; k < ARRAY_LEN(cpu); k++)
        check(g, c, cpu[k], finite, number);
}

static void shapes_of_networks(void **state)
{
    Dice d = {7};

    (void)state;
    for (int i = 0; i < (int)ARRAY_LEN(uses); i++)
        for (int k = 0; k < 4; k++) {
            Graph *g = graph_new(arena);
            OpCase c = {.batch = 3};

            make_use(&c, g, &uses[i], k / 2 ? DT_f64 : DT_f32, k % 2, &d);
            check_all(g, &c, false, i);
            if (k % 2)
                check_all(g, &c, true, i);
        }
}

static void infinities_stay_where_they_are(void **state)
{
    Dice d = {8};

    (void)state;
    for (int i = 0; i < (int)ARRAY_LEN(uses); i++) {
        Graph *g = graph_new(arena);
        OpCase c = {.batch = 2};

        make_use(&c, g, &uses[i], DT_f32, true, &d);
        c.at[0].at[0] = INFINITY;
        c.at[0].at[shape_size(c.at[0].type.shape) - 1] = NAN;
        check_all(g, &c, false, i);
    }
}

/* 0 adds nothing, whatever the weights. */
static void zeros_meet_infinite_weights(void **state)
{
    Dice d = {9};

    (void)state;
    for (int i = 0; i < (int)ARRAY_LEN(uses); i++) {
        Graph *g = graph_new(arena);
        Use x = uses[i];
        OpCase c = {.batch = 1};

        x.empty = 1;
        make_use(&c, g, &x, DT_f32, true, &d);
        for (int64_t k = 0; k < shape_size(c.at[1].type.shape); k += 3)
            c.at[1].at[k] = k % 2 ? INFINITY : NAN;
        check_all(g, &c, false, i);
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
    static const struct CMUnitTest test[] = {
        cmocka_unit_test(shapes_of_networks),
        cmocka_unit_test(infinities_stay_where_they_are),
        cmocka_unit_test(zeros_meet_infinite_weights),
    };

    arena = arena_new();
    return cmocka_run_group_tests(test, NULL, tear_down);
}
