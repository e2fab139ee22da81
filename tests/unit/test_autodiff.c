/*
 * test_autodiff.c -- the reverse walk: loops, gradients in and of loops,
 * gradients of gradients, what is not computed, and what is refused.
 */
#include "support/slope.h"

#include <string.h>

static const Domain small = {DOM_IN, -1, 1, 0};

typedef struct Bench {
    Point p;
    Dice dice;
} Bench;

static int setup(void **state)
{
    Arena *a = arena_new();
    Bench *b = NEW(a, Bench);

    b->dice.state = 11;
    b->p = point_new(a, &b->dice, 3);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    Bench *b = *state;

    arena_free(b->p.a);
    return 0;
}

static Val real_in(Point *p, bool batched, int64_t n)
{
    Shape s = n ? shape_of(1, n) : shape_of(0);

    return point_input(p, DT_f64, batched, s, small);
}

static Loop *open_loop(Point *p, int64_t count, const Val *init, int n,
                       int depth)
{
    Type type[4];
    Span none = {0};

    for (int k = 0; k < n; k++)
        type[k] = init[k]->type;
    return ir_loop_open(p->g, ir_const(p->g, DT_i32, (double)count), init, n,
                        type, depth, none);
}

static Val mean_square(Point *p, Val x)
{
    return ir_reduce_all(p->g, OP_sum, ir_mul(p->g, x, x));
}

static Val tanh_of(Point *p, Val x)
{
    return ir_op1(p->g, OP_tanh, x);
}

/* x = tanh(w x + c), n times; the last one. */
static Val recurrence(Point *p, Val x, Val w, Val c, int64_t n)
{
    Loop *l = open_loop(p, n, &x, 1, 1);
    Val next = tanh_of(p, ir_add(p->g, ir_mul(p->g, w, l->var[0]), c));

    return ir_proj(p->g, ir_loop_close(p->g, l, &next), 0);
}

static void loop_with_captured_parameters(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = real_in(p, true, 2), w = real_in(p, false, 2);
    Val c = real_in(p, true, 2);
    Val y = recurrence(p, x, w, c, 4);

    check_slopes(p, point_scalar(p, y), 2, "recurrence");
}

static void loop_that_runs_once_or_not_at_all(void **state)
{
    Point *p = &((Bench *)*state)->p;

    for (int64_t n = 0; n < 2; n++) {
        Val x = real_in(p, true, 2), w = real_in(p, false, 2);
        Val y = recurrence(p, x, w, x, n);
        check_slopes(p, point_scalar(p, y), 2, "short loop");
    }
}

static void two_variables_swap(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val init[2] = {real_in(p, true, 2), real_in(p, true, 2)};
    Loop *l = open_loop(p, 3, init, 2, 1);
    Val next[2] = {tanh_of(p, l->var[1]),
                   ir_mul(p->g, l->var[0], l->var[1])};
    Val node = ir_loop_close(p->g, l, next);
    Val e = ir_add(p->g, point_scalar(p, ir_proj(p->g, node, 0)),
                   point_scalar(p, ir_proj(p->g, node, 1)));

    check_slopes(p, e, 2, "swap");
}

static void only_one_result_is_used(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val init[2] = {real_in(p, true, 2), real_in(p, false, 2)};
    init[1] = ir_spread(p->g, init[1]);
    Loop *l = open_loop(p, 3, init, 2, 1);
    Val next[2] = {ir_mul(p->g, l->var[0], l->var[1]),
                   ir_op1(p->g, OP_sin, l->var[0])};
    Val node = ir_loop_close(p->g, l, next);

    check_slopes(p, point_scalar(p, ir_proj(p->g, node, 1)), 2, "one result");
}

static void nested_loops(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = real_in(p, true, 2), w = real_in(p, false, 2);
    Loop *outer = open_loop(p, 2, &x, 1, 1);
    Val start = ir_mul(p->g, outer->var[0], w);
    Loop *inner = open_loop(p, 3, &start, 1, 2);
    Val step = tanh_of(p, ir_add(p->g, ir_mul(p->g, inner->var[0], w),
                                 outer->var[0]));
    Val last = ir_proj(p->g, ir_loop_close(p->g, inner, &step), 0);
    Val next = ir_add(p->g, last, outer->var[0]);
    Val y = ir_proj(p->g, ir_loop_close(p->g, outer, &next), 0);

    check_slopes(p, point_scalar(p, y), 2, "nested loops");
}

static void random_draws_and_the_index(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = real_in(p, true, 2), w = real_in(p, false, 3);
    Loop *l = open_loop(p, 3, &x, 1, 1);
    Val noise = ir_random(g, OP_normal, 4, type_of(DT_f32, true,
                                                   shape_of(1, (int64_t)2)),
                          &l->index, 1);
    Val row = ir_op2(g, OP_take, w, l->index);
    Val next = tanh_of(p, ir_add(g, ir_mul(g, l->var[0],
                                           ir_cast(g, noise, DT_f64)),
                                 ir_broadcast_to(g, row,
                                                 shape_of(1, (int64_t)2))));
    Val y = ir_proj(g, ir_loop_close(g, l, &next), 0);

    check_slopes(p, point_scalar(p, y), 2, "draws");
}

static void carried_ints_are_replayed(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val table = real_in(p, false, 5);
    Val init[2] = {real_in(p, true, 0), ir_const(g, DT_i32, 0)};
    Loop *l = open_loop(p, 3, init, 2, 1);
    Val two = ir_const(g, DT_i32, 2);
    Val next[2] = {ir_mul(g, l->var[0], ir_op2(g, OP_take, table, l->var[1])),
                   ir_add(g, l->var[1], two)};
    Val y = ir_proj(g, ir_loop_close(g, l, next), 0);

    check_slopes(p, point_scalar(p, y), 2, "counter");
}

/* x = x - s grad(sum tanh(w x)^2, x), a few times: gradients inside the body,
 * differentiated through. */
static void gradient_steps_are_differentiated_through(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = real_in(p, true, 2), w = real_in(p, false, 2);
    Loop *l = open_loop(p, 3, &x, 1, 1);
    Val e = mean_square(p, tanh_of(p, ir_mul(g, w, l->var[0])));
    Val slope = ir_op2(g, OP_grad, e, l->var[0]);
    Val next = ir_sub(g, l->var[0], ir_mul(g, slope, ir_like(g, slope, 0.3)));
    Val y = ir_proj(g, ir_loop_close(g, l, &next), 0);

    check_slopes(p, point_scalar(p, y), 2, "descent");
}

/* The adjoint of an invariant loop depends on variables of another loop. */
static void loop_outside_of_the_gradients_loop(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = real_in(p, true, 2), w = real_in(p, false, 2);
    Val z = real_in(p, true, 2);
    Val y = recurrence(p, x, w, x, 3);
    Loop *l = open_loop(p, 2, &z, 1, 1);
    Val e = mean_square(p, ir_mul(g, y, l->var[0]));
    Val slope = ir_op2(g, OP_grad, e, x);
    Val next = ir_add(g, l->var[0], slope);
    Val out = ir_proj(g, ir_loop_close(g, l, &next), 0);

    check_slopes(p, point_scalar(p, out), 1, "outside");
}

static void gradient_with_respect_to_an_intermediate(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = real_in(p, true, 2);
    Val h = ir_mul(g, x, x);
    Val e = ir_reduce_all(g, OP_sum, ir_mul(g, h, tanh_of(p, h)));
    Val dh = point_expand(p, ir_op2(g, OP_grad, e, h));
    Tensor t = point_eval(p, dh);

    for (int k = 0; k < 6; k++) {
        double at = p->at.at[0].at[k], q = at * at;
        double want = tanh(q) + q * (1 - tanh(q) * tanh(q));
        assert_close(t.at[k], want, tol_grad(), "element %d", k);
    }
}

static int count_op(Point *p, Val v, Op op)
{
    VEC(const Loop *) todo = {0};
    int found = 0, n;
    Val *node = ir_topo(p->a, &v, 1, NULL, &n);

    for (int next = -1; next < todo.n; next++) {
        const Loop *l = next < 0 ? NULL : todo.at[next];
        if (l)
            node = ir_topo(p->a, l->next, l->n, l, &n);
        for (int k = 0; k < n; k++) {
            found += node[k]->op == op;
            if (node[k]->op == OP_loop)
                VEC_PUSH(p->a, &todo, node[k]->attr.loop);
        }
    }
    return found;
}

static Val small_net(Point *p, Val x, Val w, Val v)
{
    ConvDims c = {1, 1, 1, 1, 1, 1};
    Val h = ir_op1(p->g, OP_relu, ir_conv(p->g, x, w, c));
    DotDims d = {.ncontract = 1};

    h = ir_reshape(p->g, h, shape_of(1, shape_size(h->type.shape)));
    return ir_reduce_all(p->g, OP_sum, ir_dot(p->g, h, v, &d));
}

static void input_gradients_make_no_weight_gradients(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = point_input(p, DT_f64, true,
                        shape_of(3, (int64_t)4, (int64_t)4, (int64_t)2),
                        small);
    Val w = point_input(p, DT_f64, false,
                        shape_of(4, (int64_t)3, (int64_t)3, (int64_t)2,
                                 (int64_t)2), small);
    Val v = point_input(p, DT_f64, false,
                        shape_of(2, (int64_t)32, (int64_t)2), small);
    Val e = small_net(p, x, w, v);
    Val dx = point_expand(p, ir_op2(g, OP_grad, e, x));
    Val all = ir_op1(g, OP_batch_sum, e);
    Val dw = point_expand(p, ir_op2(g, OP_grad, all, w));

    assert_int_equal(count_op(p, dx, OP_conv_dw), 0);
    assert_int_equal(count_op(p, dx, OP_conv_dx), 1);
    assert_int_equal(count_op(p, dx, OP_batch_sum), 0);
    assert_int_equal(count_op(p, dw, OP_conv_dw), 1);
    assert_int_equal(count_op(p, dw, OP_conv_dx), 0);
}

/* The largest value summed over the examples in v's graph. */
static int64_t largest_batch_sum(Point *p, Val v)
{
    int64_t most = 0;
    int n;
    Val *node = ir_topo(p->a, &v, 1, NULL, &n);

    for (int k = 0; k < n; k++) {
        int64_t size = shape_size(node[k]->type.shape);
        if (node[k]->op == OP_batch_sum && size > most)
            most = size;
    }
    return most;
}

/* A scale per channel, used twice: images are not summed over the examples,
 * their sums are. */
static void images_sum_their_own_scales(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = point_input(p, DT_f64, true, shape_of(2, (int64_t)3, (int64_t)5),
                        small);
    Val w = real_in(p, false, 3);
    Val scale = ir_broadcast(g, w, x->type.shape, (int[]){0});
    Val y = ir_mul(g, tanh_of(p, ir_mul(g, x, scale)), scale);
    Val e = ir_op1(g, OP_batch_sum, mean_square(p, y));

    assert_int_equal(largest_batch_sum(
        p, point_expand(p, ir_op2(g, OP_grad, e, w))), 3);
    // the gradient for the repeated scale itself is as large as it is
    assert_int_equal(largest_batch_sum(
        p, point_expand(p, ir_op2(g, OP_grad, e, scale))), 15);
    check_slopes(p, e, 2, "a scale used twice");
}

static void only_what_is_needed_is_recorded(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val init[2] = {real_in(p, true, 2), real_in(p, true, 2)};
    Loop *l = open_loop(p, 3, init, 2, 1);
    Val next[2] = {ir_add(g, l->var[0], l->var[1]), // linear: nothing
                   l->var[1]};
    Val y = ir_proj(g, ir_loop_close(g, l, next), 0);
    Val e = mean_square(p, y);
    Val dx = point_expand(p, ir_op2(g, OP_grad, e, init[0]));

    assert_int_equal(count_op(p, dx, OP_put), 0);
    assert_int_equal(count_op(p, dx, OP_loop), 2);
}

static void all_gradients_share_one_walk(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = real_in(p, true, 2), w = real_in(p, false, 2);
    Val c = real_in(p, false, 2);
    Val y = recurrence(p, x, w, c, 4);
    Val e = ir_op1(g, OP_batch_sum, mean_square(p, y));
    Val both = ir_add(g, ir_op2(g, OP_grad, e, w), ir_op2(g, OP_grad, e, c));

    both = point_expand(p, both);
    assert_int_equal(count_op(p, both, OP_loop), 3); // plain, taped, back
}

static void values_at_kinks(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val bound = real_in(p, false, 3), x = real_in(p, false, 3);
    Val low = ir_neg(g, bound);
    Val clamped = ir_op2(g, OP_max, ir_op2(g, OP_min, x, bound), low);
    Val e = ir_reduce_all(g, OP_sum, clamped);
    Val dx = point_expand(p, ir_op2(g, OP_grad, e, x));
    Val top = ir_reduce_all(g, OP_max_reduce, bound);
    Val dtop = point_expand(p, ir_op2(g, OP_grad, top, bound));
    Val r = ir_reduce_all(g, OP_sum, ir_op1(g, OP_relu, x));
    Val dr = point_expand(p, ir_op2(g, OP_grad, r, x));

    memcpy(p->at.at[0].at, (double[]){1, 1, 1}, 3 * sizeof(double));
    memcpy(p->at.at[1].at, (double[]){1, -1, 0}, 3 * sizeof(double));
    Tensor t = point_eval(p, dx), u = point_eval(p, dtop);
    Tensor s = point_eval(p, dr);
    for (int k = 0; k < 3; k++) {
        assert_close(t.at[k], 1, tol_exact(), "clamp at a bound, %d", k);
        assert_close(u.at[k], k == 0, tol_exact(), "first largest, %d", k);
        assert_close(s.at[k], k == 0, tol_exact(), "relu, %d", k);
    }
}

static void nothing_passes_flat_ops(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = real_in(p, true, 2), blocked = NULL;
    Val flat = mean_square(p, ir_sign(g, x));
    Val cut = mean_square(p, ir_op1(g, OP_stop_gradient, x));
    Val half = ir_add(g, flat, mean_square(p, x));
    Tensor t = point_eval(p, point_expand(p, ir_op2(g, OP_grad, flat, x)));

    assert_close(t.at[0], 0, tol_exact(), "slope of sign");
    assert_false(ad_active(flat, x, &blocked));
    assert_int_equal(blocked->op, OP_sign);
    assert_false(ad_active(cut, x, &blocked));
    assert_int_equal(blocked->op, OP_stop_gradient);
    assert_true(ad_active(half, x, &blocked));
    assert_int_equal(blocked->op, OP_sign);
    assert_true(ad_active(mean_square(p, x), x, &blocked));
    assert_null(blocked);
    assert_false(ad_active(flat, real_in(p, true, 2), NULL));
}

static void activity_is_seen_through_loops(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = real_in(p, true, 2), w = real_in(p, false, 2), blocked = NULL;
    Val y = recurrence(p, x, w, w, 4);
    Loop *l = open_loop(p, 3, &x, 1, 1);
    Val next = ir_add(p->g, ir_sign(p->g, l->var[0]), w);
    Val z = ir_proj(p->g, ir_loop_close(p->g, l, &next), 0);

    assert_true(ad_active(mean_square(p, y), x, &blocked));
    assert_true(ad_active(mean_square(p, y), w, &blocked));
    assert_null(blocked);
    assert_true(ad_active(mean_square(p, z), w, &blocked));
    assert_int_equal(blocked->op, OP_sign);
}

static char *errors_of(Point *p, Val v)
{
    static const char *const name[] = {"out"};
    Func f = {"test", p->g, 1, &v, (const char **)name};
    Diag *d = diag_new(p->a);
    char *text = arena_alloc(p->a, 4000);
    FILE *out = fmemopen(text, 4000, "w");

    assert_false(ad_expand(&f, d));
    assert_int_equal(diag_nerrors(d), 1);
    diag_flush(d, out, false);
    fclose(out);
    return text;
}

static void run_time_counts_are_refused(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = real_in(p, true, 2);
    Val steps = ir_input(g, INPUT_OPTION, "steps",
                         type_of(DT_i32, false, shape_of(0)));
    Loop *l = ir_loop_open(g, steps, &x, 1, &x->type, 1, (Span){0});
    Val next = tanh_of(p, l->var[0]);
    Val y = ir_proj(g, ir_loop_close(g, l, &next), 0);
    Val slope = ir_op2(g, OP_grad, mean_square(p, y), x);

    assert_non_null(strstr(errors_of(p, slope), "known when compiling"));
    Val cut = mean_square(p, ir_op1(g, OP_stop_gradient, y));
    point_expand(p, ir_op2(g, OP_grad, ir_add(g, cut, mean_square(p, x)), x));
}

static void shared_values_need_a_batch_reduction(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = real_in(p, true, 2), w = real_in(p, false, 2);
    Val e = mean_square(p, ir_mul(p->g, x, w));

    assert_non_null(strstr(errors_of(p, ir_op2(p->g, OP_grad, e, w)),
                           "batch_mean"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(loop_with_captured_parameters),
        TEST(loop_that_runs_once_or_not_at_all),
        TEST(two_variables_swap),
        TEST(only_one_result_is_used),
        TEST(nested_loops),
        TEST(random_draws_and_the_index),
        TEST(carried_ints_are_replayed),
        TEST(gradient_steps_are_differentiated_through),
        TEST(loop_outside_of_the_gradients_loop),
        TEST(gradient_with_respect_to_an_intermediate),
        TEST(input_gradients_make_no_weight_gradients),
        TEST(images_sum_their_own_scales),
        TEST(only_what_is_needed_is_recorded),
        TEST(all_gradients_share_one_walk),
        TEST(values_at_kinks),
        TEST(nothing_passes_flat_ops),
        TEST(activity_is_seen_through_loops),
        TEST(run_time_counts_are_refused),
        TEST(shared_values_need_a_batch_reduction),
    };

    return cmocka_run_group_tests_name("autodiff", tests, NULL, NULL);
}
