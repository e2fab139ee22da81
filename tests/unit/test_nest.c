/*
 * test_nest.c -- kernels with a loop nest of their own against the
 * interpreter: random legal uses of each op, then shapes that meet vectors,
 * ties, NaNs and overlapping windows.
 */
#include "support/kernel.h"
#include "support/op_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static Arena *arena;

static Tol tol_of(Val y)
{
    if (!dtype_real(y->type.dt))
        return tol_exact();
    // Sums over channels and taps, through transforms that lose a few bits.
    if (op_info[y->op].attr == ATTR_WINO)
        return tol_sum(y->type.dt, 500, 256);
    return tol_sum(y->type.dt, 20, 4);
}

/* Compiles c->y for a processor, runs it whole and cut, compares. */
static void check_on(Graph *g, OpCase *c, const char *cpu, int number)
{
    TestKernel *t = test_kernel(arena, c->y, c->y, test_cpu(cpu), 2);
    Tensor want = op_case_eval(arena, g, c), in[OP_CASE_IN], got;

    for (int i = 0; i < t->k.nread; i++)
        for (int k = 0; k < c->nin; k++)
            if (t->k.read[i]->val == c->in[k])
                in[i] = c->at[k];
    for (int cuts = 1; cuts <= 2; cuts++) {
        got = test_kernel_eval(t, arena, in, c->batch, cuts);
        assert_tensors_close(&got, &want,
                             tol_of(c->y),
                             "%s, use %d in %d cuts on %s",
                             op_info[c->y->op].name, number, cuts,
                             cpu ? cpu : "host");
    }
    test_kernel_free(t);
}

static void random_uses(Op op, DType number, int n)
{
    Dice d = {(uint64_t)op * 77 + (uint64_t)number + 1};

    for (int i = 0; i < n; i++) {
        Graph *g = graph_new(arena);
        OpCase c;

        if (!op_case(arena, g, op, number, &d, &c))
            return;
        check_on(g, &c, i % 2 ? "x86-64-v3" : NULL, i);
    }
}

static void nests_agree_with_the_interpreter(void **state)
{
    (void)state;
    for (int op = 0; op < OP_COUNT; op++) {
        if (op_info[op].lower != LOWER_KERNEL)
            continue;
        random_uses((Op)op, DT_f32, 12);
        random_uses((Op)op, DT_f64, 6);
        random_uses((Op)op, DT_i32, 6);
    }
}

/* --- chosen uses ---------------------------------------------------------- */

static void add_input(OpCase *c, Graph *g, DType dt, bool batched, Shape s,
                      Domain dom, Dice *d)
{
    Type t = type_of(dt, batched, s);
    int k = c->nin++;

    c->in[k] = ir_input(g, INPUT_VAR, intern(internf("%c", 'a' + k)), t);
    c->domain[k] = dom;
    c->at[k] = dice_tensor(arena, d, t, c->batch, dom);
}

static const struct {
    int64_t H, W, C;
    PoolDims d;
} pools[] = {
    {28, 28, 32, {2, 2, 2, 2, 0, 0, 0, 0}},
    {7, 9, 19, {3, 2, 2, 2, 0, 0, 0, 0}},
    {6, 6, 5, {3, 3, 2, 2, 1, 1, 1, 1}},
    {5, 7, 1, {2, 3, 1, 1, 0, 1, 2, 0}},
    {8, 8, 17, {8, 8, 8, 8, 0, 0, 0, 0}},
    {9, 8, 16, {2, 2, 3, 3, 0, 0, 0, 0}},
};

static void set_specials(Tensor *t)
{
    int64_t n = shape_size(t->type.shape);

    for (int64_t i = 0; i < n; i += 7)
        t->at[i] = 1; // ties
    for (int64_t i = 3; i < n; i += 29)
        t->at[i] = NAN;
    for (int64_t i = 5; i < n; i += 31)
        t->at[i] = -INFINITY;
}

static void pools_meet_ties_and_nans(void **state)
{
    static const Op op[] = {OP_max_pool, OP_pool_gather, OP_pool_scatter,
                            OP_sum_pool, OP_sum_pool_dx};
    static const Domain any = {DOM_IN, -1, 1, 0};
    Dice d = {5};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pools); i++)
        for (size_t k = 0; k < ARRAY_LEN(op); k++) {
            Graph *g = graph_new(arena);
            OpCase c = {.batch = 3};
            PoolDims p = pools[i].d;
            Shape x = shape_of(3, pools[i].H, pools[i].W, pools[i].C);
            Shape y = shape_of(
                3, (x.dim[0] + p.ph_lo + p.ph_hi - p.kh) / p.sh + 1,
                (x.dim[1] + p.pw_lo + p.pw_hi - p.kw) / p.sw + 1, x.dim[2]);

            if (op[k] == OP_sum_pool_dx) {
                add_input(&c, g, DT_f32, true, y, any, &d);
                c.y = ir_sum_pool_dx(g, c.in[0], p, x.dim[0], x.dim[1]);
            } else {
                add_input(&c, g, DT_f32, true, x, any, &d);
                if (op[k] == OP_pool_gather || op[k] == OP_pool_scatter)
                    add_input(&c, g, DT_f32, true,
                              op[k] == OP_pool_gather ? x : y, any, &d);
                c.y = ir_pool(g, op[k], c.in[0], c.nin > 1 ? c.in[1] : NULL,
                              p);
                if (op[k] != OP_sum_pool)
                    set_specials(&c.at[0]);
            }
            check_on(g, &c, NULL, (int)i);
            check_on(g, &c, "x86-64-v3", (int)i);
        }
}

static void an_epilogue_follows_the_window(void **state)
{
    Graph *g = graph_new(arena);
    OpCase c = {.batch = 2};
    Dice d = {9};
    Val pool;

    (void)state;
    add_input(&c, g, DT_f32, true, shape_of(3, 8, 8, 20),
              (Domain){DOM_IN, -1, 1, 0}, &d);
    pool = ir_pool(g, OP_max_pool, c.in[0], NULL,
                   (PoolDims){2, 2, 2, 2, 0, 0, 0, 0});
    c.y = ir_mul(g, ir_op1(g, OP_relu, pool), ir_like(g, pool, 3));
    {
        TestKernel *t = test_kernel(arena, c.y, pool, NULL, 3);
        Tensor want = op_case_eval(arena, g, &c);
        Tensor got = test_kernel_eval(t, arena, c.at, c.batch, 1);

        assert_tensors_close(&got, &want, tol_point(DT_f32), "epilogue");
        test_kernel_free(t);
    }
}

static void sorting_is_stable_and_puts_nan_last(void **state)
{
    static const Op op[] = {OP_sort, OP_argsort};
    Dice d = {3};

    (void)state;
    for (int k = 0; k < 2; k++)
        for (int axis = 0; axis < 2; axis++) {
            Graph *g = graph_new(arena);
            OpCase c = {.batch = 2};

            add_input(&c, g, DT_f64, true, shape_of(2, 37, 18),
                      (Domain){DOM_IN, -1, 1, 0}, &d);
            set_specials(&c.at[0]);
            c.y = ir_axis(g, op[k], c.in[0], axis);
            check_on(g, &c, NULL, axis);
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
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nests_agree_with_the_interpreter),
        cmocka_unit_test(pools_meet_ties_and_nans),
        cmocka_unit_test(an_epilogue_follows_the_window),
        cmocka_unit_test(sorting_is_stable_and_puts_nan_last),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
