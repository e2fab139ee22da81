/*
 * test_contract.c -- contraction kernels against the interpreter: every role
 * a dim can play, sizes around the tiles' edges, both vector widths, packing,
 * blocks, epilogues; and that results depend neither on the cut into tasks
 * nor on the batch.
 */
#include "support/check.h"
#include "support/kernel.h"

#include <stdio.h>
#include <string.h>

typedef struct Built { // a value to compute, over inputs "x", "y" and "b"
    Graph *g;
    Val core, root;
} Built;

static Arena *arena;

/* Vectors of another width than the host's own, and none fused. */
#define WIDTH_2 "x86-64-v3"
#define UNFUSED "x86-64-v2"

static Val input(Graph *g, const char *name, DType dt, bool batched, Shape s)
{
    return ir_input(g, INPUT_VAR, intern(name), type_of(dt, batched, s));
}

/* --- running a case ------------------------------------------------------- */

typedef struct Values {
    int n;
    Val val[8];
    Tensor at[8];
} Values;

static void give(void *user, Val v, Tensor *t)
{
    const Values *w = user;

    for (int i = 0; i < w->n; i++)
        if (w->val[i] == v) {
            int64_t n = shape_size(v->type.shape) *
                        (v->type.batched ? t->batch : 1);
            memcpy(t->at, w->at[i].at, (size_t)n * sizeof(double));
            return;
        }
    fail_msg("an input has no value");
}

static Values draw(const TestKernel *t, int64_t batch, uint64_t seed)
{
    Values w = {.n = t->k.nread};
    Dice d = {seed};

    for (int i = 0; i < w.n; i++) {
        w.val[i] = t->k.read[i]->val;
        w.at[i] = dice_tensor(arena, &d, w.val[i]->type, batch,
                              (Domain){DOM_IN, -1, 1, 0});
        if (w.val[i]->type.dt == DT_f32) {
            int64_t n = shape_size(w.val[i]->type.shape) *
                        (w.val[i]->type.batched ? batch : 1);
            for (int64_t k = 0; k < n; k++)
                w.at[i].at[k] = (double)(float)w.at[i].at[k];
        }
    }
    return w;
}

static int64_t terms(Val core, int64_t batch)
{
    int64_t in = shape_size(core->src[0]->type.shape);
    int64_t out = shape_size(core->type.shape);

    return in * batch > out ? in * batch : out;
}

static void same_bits(const Tensor *x, const Tensor *y, int64_t n,
                      const char *what, const char *why)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&x->at[i], &y->at[i], sizeof(double)))
            fail_msg("%s: element %lld differs with %s: %.17g and %.17g", what,
                     (long long)i, why, x->at[i], y->at[i]);
}

/* Compiles for a processor and compares. */
static void check_on(Built b, const char *what, const char *cpu,
                     int64_t batch)
{
    TestKernel *t = test_kernel(arena, b.root, b.core, test_cpu(cpu), 1);
    Values w = draw(t, batch, 7);
    Func f = {.name = "f", .g = b.g, .nout = 1, .out = &b.root,
              .out_name = (const char *[]){"y"}};
    EvalEnv env = {.batch = batch, .input = give, .user = &w};
    Tensor want, got, cut;
    Tol tol = tol_sum(b.core->type.dt, terms(b.core, batch), 2);

    ir_eval(arena, &f, &env, &want);
    got = test_kernel_eval(t, arena, w.at, batch, 1);
    assert_tensors_close(&got, &want, tol, "%s on %s: form %d, %d x %d x %d, "
                         "pack %d (%s)", what, cpu ? cpu : "host",
                         (int)t->k.sched.form, t->k.sched.mr, t->k.sched.nr,
                         t->k.sched.lanes, (int)t->k.sched.pack,
                         t->k.sched.why);
    errors_note(op_info[b.core->op].name, &got, &want);
    cut = test_kernel_eval(t, arena, w.at, batch, 3);
    same_bits(&got, &cut, shape_size(b.root->type.shape) * got.batch, what,
              "the number of tasks");
    if (b.root->type.batched && batch > 1) {
        Tensor one = test_kernel_eval(t, arena, w.at, 1, 1);

        same_bits(&got, &one, shape_size(b.root->type.shape), what,
                  "the batch size");
    }
    test_kernel_free(t);
}

static void check(Built b, const char *what, int64_t batch)
{
    check_on(b, what, NULL, batch);
    check_on(b, what, WIDTH_2, batch);
}

/* --- convolutions --------------------------------------------------------- */

typedef struct ConvCase {
    int64_t H, W, C, R, S, O, sh, sw, pad;
} ConvCase;

static Built conv(ConvCase c, DType dt, bool batched)
{
    Built b = {.g = graph_new(arena)};
    Val x = input(b.g, "x", dt, batched, shape_of(3, c.H, c.W, c.C));
    Val w = input(b.g, "y", dt, false, shape_of(4, c.R, c.S, c.C, c.O));
    ConvDims d = {c.sh, c.sw, c.pad, c.pad, c.pad, c.pad};

    b.core = b.root = ir_conv(b.g, x, w, d);
    return b;
}

static Built conv_dw(ConvCase c, DType dt)
{
    Built b = {.g = graph_new(arena)};
    Val x = input(b.g, "x", dt, true, shape_of(3, c.H, c.W, c.C));
    int64_t ho = (c.H + 2 * c.pad - c.R) / c.sh + 1;
    int64_t wo = (c.W + 2 * c.pad - c.S) / c.sw + 1;
    Val dy = input(b.g, "y", dt, true, shape_of(3, ho, wo, c.O));
    ConvDims d = {c.sh, c.sw, c.pad, c.pad, c.pad, c.pad};

    b.core = b.root = ir_conv_dw(b.g, x, dy, d, c.R, c.S);
    return b;
}

static Built conv_dx(ConvCase c, DType dt)
{
    Built b = {.g = graph_new(arena)};
    int64_t ho = (c.H + 2 * c.pad - c.R) / c.sh + 1;
    int64_t wo = (c.W + 2 * c.pad - c.S) / c.sw + 1;
    Val dy = input(b.g, "x", dt, true, shape_of(3, ho, wo, c.O));
    Val w = input(b.g, "y", dt, false, shape_of(4, c.R, c.S, c.C, c.O));
    ConvDims d = {c.sh, c.sw, c.pad, c.pad, c.pad, c.pad};

    b.core = b.root = ir_conv_dx(b.g, dy, w, d, c.H, c.W);
    return b;
}

static const ConvCase convs[] = {
    {9, 9, 1, 5, 5, 32, 1, 1, 0},   {10, 18, 3, 3, 3, 16, 1, 1, 0},
    {7, 31, 2, 3, 5, 10, 1, 1, 0},  {8, 8, 17, 3, 3, 33, 1, 1, 0},
    {9, 12, 4, 3, 3, 64, 2, 2, 0},  {9, 11, 5, 1, 1, 7, 2, 3, 0},
    {6, 6, 32, 5, 5, 1, 1, 1, 0},   {6, 9, 20, 3, 2, 3, 1, 1, 0},
    {5, 5, 8, 5, 5, 40, 1, 1, 0},   {6, 7, 48, 1, 1, 24, 1, 1, 0},
    {4, 30, 1, 3, 3, 1, 1, 1, 0},   {6, 5, 3, 3, 3, 4, 1, 1, 1},
    {7, 6, 2, 3, 3, 5, 2, 2, 1},    {12, 17, 16, 3, 3, 40, 1, 1, 0}, // in parts
    {14, 14, 8, 5, 5, 24, 1, 1, 2}, {6, 6, 16, 3, 3, 64, 1, 1, 1},
    {9, 33, 9, 3, 3, 17, 1, 1, 1},  {8, 40, 8, 5, 3, 16, 2, 2, 2},
    {3, 2, 10, 5, 5, 12, 1, 1, 2},  {7, 20, 130, 3, 3, 264, 1, 1, 1}, // packed
    {5, 9, 12, 4, 4, 8, 2, 3, 3},   {9, 8, 16, 1, 1, 32, 2, 2, 0},
    {7, 15, 8, 2, 6, 1, 1, 1, 3},
    {12, 13, 5, 3, 3, 150, 1, 1, 0}, {9, 9, 16, 3, 3, 140, 2, 2, 0}, // packed
};

static void convolutions_agree_with_the_interpreter(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(convs); i++) {
        const char *name = internf("conv %zu", i);

        check(conv(convs[i], DT_f32, true), name, 5);
        check_on(conv(convs[i], DT_f64, true), name, NULL, 3);
        check_on(conv(convs[i], DT_f32, false), name, WIDTH_2, 1);
    }
}

static void weight_gradients_agree_with_the_interpreter(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(convs); i++) {
        const char *name = internf("conv_dw %zu", i);

        check(conv_dw(convs[i], DT_f32), name, 5);
        check_on(conv_dw(convs[i], DT_f64), name, UNFUSED, 2);
    }
}

/* The passes' form of a strided one; `add`: an epilogue that reads a value of
 * each place. */
static Built conv_up(ConvCase c, DType dt, bool add)
{
    Built b = {.g = graph_new(arena)};
    int64_t hi = (c.H + 2 * c.pad - c.R) / c.sh + 1;
    int64_t wi = (c.W + 2 * c.pad - c.S) / c.sw + 1;
    Val x = input(b.g, "x", dt, true, shape_of(3, hi, wi, c.O));
    Val w = input(b.g, "y", dt, false, shape_of(4, c.R, c.S, c.O, c.C));
    ConvDims d = {c.sh, c.sw, c.pad, c.pad, c.pad, c.pad};

    b.core = b.root = ir_conv_up(b.g, x, w, d, c.H, c.W);
    if (add)
        b.root = ir_add(b.g, b.core, input(b.g, "b", dt, true,
                                           b.core->type.shape));
    return b;
}

static void input_gradients_agree_with_the_interpreter(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(convs); i++) {
        check(conv_dx(convs[i], DT_f32), internf("conv_dx %zu", i), 2);
        check(conv_up(convs[i], DT_f32, false), internf("conv_up %zu", i), 3);
        check(conv_up(convs[i], DT_f64, true), internf("conv_up+ %zu", i), 2);
    }
}

/* --- dots ----------------------------------------------------------------- */

/* Dims by letter: those in both sources and in `sum` are contracted, those in
 * both and not in it paired. A leading '*' makes a source per-example, a
 * trailing '+' of sum adds up the examples. */
static Built dot(const char *x, const char *y, const char *sum, DType dt,
                 const int64_t *extent)
{
    Built b = {.g = graph_new(arena)};
    DotDims d = {0};
    const char *part[2] = {x, y};
    Val v[2];

    for (int k = 0; k < 2; k++) {
        bool batched = part[k][0] == '*';
        Shape s = {0};

        part[k] += batched;
        for (const char *c = part[k]; *c; c++)
            s.dim[s.rank++] = extent[*c - 'a'];
        v[k] = input(b.g, k ? "y" : "x", dt, batched, s);
    }
    for (const char *c = part[0]; *c; c++) {
        const char *o = strchr(part[1], *c);

        if (!o)
            continue;
        if (strchr(sum, *c)) {
            d.cx[d.ncontract] = (int)(c - part[0]);
            d.cy[d.ncontract++] = (int)(o - part[1]);
        } else {
            d.bx[d.nbatch] = (int)(c - part[0]);
            d.by[d.nbatch++] = (int)(o - part[1]);
        }
    }
    d.sum_batch = strchr(sum, '+') != NULL;
    b.core = b.root = ir_dot(b.g, v[0], v[1], &d);
    return b;
}

static const struct {
    const char *x, *y, *sum;
    int64_t extent[5]; // of a, b, c, d, e
} dots[] = {
    {"*a", "ab", "a", {50, 64}},         // dense
    {"*a", "ab", "a", {33, 10}},
    {"*a", "ab", "a", {700, 300}},       // packed and cut into blocks
    {"*a", "ab", "a", {257, 529}},
    {"*b", "ab", "b", {40, 64}},         // its input gradient
    {"*b", "ab", "b", {300, 70}},
    {"*b", "ab", "b", {9, 500}},
    {"*a", "*b", "+", {50, 64}},         // its weight gradient
    {"*a", "*b", "+", {300, 280}},
    {"*a", "*b", "+", {7, 3}},
    {"*a", "a", "a", {37}},              // one number per example
    {"*a", "*a", "a", {37}},
    {"*a", "*a", "a+", {37}},
    {"*", "*", "+", {0}},
    {"*a", "*b", "", {5, 6}},            // outer products
    {"a", "b", "", {40, 50}},
    {"ab", "bc", "b", {20, 30, 40}},
    {"ba", "bc", "b", {20, 30, 40}},
    {"ab", "cb", "b", {20, 30, 40}},
    {"ba", "cb", "b", {20, 30, 40}},
    {"*ab", "bc", "b", {7, 30, 20}},     // the same weights at each place
    {"*ab", "cb", "b", {7, 30, 20}},
    {"*ab", "*bc", "b", {7, 9, 20}},     // per-example products
    {"*ab", "*cb", "b", {12, 16, 13}},
    {"*ab", "*ac", "a+", {12, 16, 18}},  // summed over places and examples
    {"*ab", "*ab", "b", {12, 33}},       // paired
    {"*abc", "*abd", "b", {3, 4, 10, 20}},
    {"abc", "abd", "b", {3, 4, 10, 20}},
    {"*abc", "*abdc", "c", {3, 4, 19, 6}},
    {"abc", "cbd", "bc", {11, 4, 10, 20}}, // two contracted dims
    {"abc", "dcb", "cb", {11, 4, 10, 20}},
    {"*abc", "cdab", "abc", {2, 3, 4, 21}},
    {"a", "ab", "a", {40, 50}},
    {"ab", "b", "b", {40, 50}},
    {"ab", "a", "a", {40, 50}},
    {"a", "*ab", "a", {40, 21}},
    {"ab", "*bc", "b", {12, 9, 30}},
    {"abcd", "bd", "bd", {3, 4, 5, 6}},
};

static void dots_agree_with_the_interpreter(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dots); i++) {
        const char *name = internf("dot %s . %s over \"%s\"", dots[i].x,
                                   dots[i].y, dots[i].sum);

        check(dot(dots[i].x, dots[i].y, dots[i].sum, DT_f32, dots[i].extent),
              name, 13);
        check_on(dot(dots[i].x, dots[i].y, dots[i].sum, DT_f64,
                     dots[i].extent), name, i % 2 ? UNFUSED : NULL, 2);
    }
}

/* --- epilogues ------------------------------------------------------------ */

/* relu(core + bias along the last dim) */
static Built with_bias(Built b)
{
    Shape s = b.core->type.shape;
    int last = s.rank - 1;
    Val bias = input(b.g, "b", b.core->type.dt, false,
                     shape_of(1, s.dim[last]));

    bias = ir_broadcast(b.g, bias, s, &last);
    b.root = ir_op1(b.g, OP_relu, ir_add(b.g, b.core, bias));
    return b;
}

/* A chain long enough to be a loop of its own. */
static Built with_chain(Built b)
{
    Val v = b.core;

    for (int i = 0; i < 6; i++)
        v = ir_add(b.g, ir_op1(b.g, OP_sin, v),
                   ir_mul(b.g, v, ir_like(b.g, v, 0.03 * i)));
    b.root = v;
    return b;
}

static Built as_test(Built b) // another element type than the sum's
{
    b.root = ir_lt(b.g, b.core, ir_like(b.g, b.core, 0.25));
    return b;
}

static void epilogues_see_the_whole_sum(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(convs); i++) {
        const char *name = internf("conv %zu with epilogue", i);

        check(with_bias(conv(convs[i], DT_f32, true)), name, 3);
        check_on(with_chain(conv(convs[i], DT_f64, true)), name, WIDTH_2, 2);
        check_on(with_chain(conv_dw(convs[i], DT_f64)), name, NULL, 2);
    }
    for (size_t i = 0; i < ARRAY_LEN(dots); i++) {
        const char *name = internf("dot %s . %s with epilogue", dots[i].x,
                                   dots[i].y);
        Built b = dot(dots[i].x, dots[i].y, dots[i].sum, DT_f64,
                      dots[i].extent);

        check_on(with_chain(b), name, i % 2 ? WIDTH_2 : NULL, 3);
        check_on(as_test(b), name, i % 2 ? NULL : WIDTH_2, 3);
        if (b.core->type.shape.rank)
            check_on(with_bias(b), name, WIDTH_2, 3);
    }
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    errors_print();
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dots_agree_with_the_interpreter),
        cmocka_unit_test(convolutions_agree_with_the_interpreter),
        cmocka_unit_test(weight_gradients_agree_with_the_interpreter),
        cmocka_unit_test(input_gradients_agree_with_the_interpreter),
        cmocka_unit_test(epilogues_see_the_whole_sum),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
