/*
 * test_passes.c -- what the passes make of whole functions: the same values,
 * and the structure they promise.
 */
#include "passes/passes.h"
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

    b->dice.state = 23;
    b->p = point_new(a, &b->dice, 3);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    arena_free(((Bench *)*state)->p.a);
    return 0;
}

/* ---- running passes ---- */

static void run_all(Func *f)
{
    PassOptions opt = {0};

    passes_run(f, &opt, NULL, NULL);
}

/* v after all passes; its value is the same. */
static Val optimized(Point *p, Val v)
{
    static const char *const name[] = {"out"};
    Tensor before, after;

    v = point_expand(p, v);
    before = point_eval(p, v);
    Func f = {"test", p->g, 1, &v, (const char **)name};
    run_all(&f);
    after = point_eval(p, v);
    assert_tensors_close(&after, &before, tol_graph(DT_f64), "after passes");
    return v;
}

typedef bool Test(Val v);

static int count(Point *p, const Val *root, int nroot, Test *test)
{
    VEC(const Loop *) todo = {0};
    int found = 0, n;
    Val *node = ir_topo(p->a, root, nroot, NULL, &n);

    for (int next = -1; next < todo.n; next++) {
        const Loop *l = next < 0 ? NULL : todo.at[next];
        if (l)
            node = ir_topo(p->a, l->next, l->n, l, &n);
        for (int k = 0; k < n; k++) {
            found += test(node[k]);
            if (node[k]->op == OP_loop)
                VEC_PUSH(p->a, &todo, node[k]->attr.loop);
        }
    }
    return found;
}

static bool is_batched_transpose(Val v)
{
    return v->op == OP_transpose && v->type.batched;
}

static bool is_loop(Val v)
{
    return v->op == OP_loop;
}

static bool is_put(Val v)
{
    return v->op == OP_put;
}

static bool is_batch_sum(Val v)
{
    return v->op == OP_batch_sum && v->type.shape.rank > 1;
}

static bool is_summed_dot(Val v)
{
    return v->op == OP_dot && ir_dot_dims(v).sum_batch;
}

static bool is_padded_or_adjoint(Val v)
{
    if (v->op == OP_conv || v->op == OP_conv_dw) {
        ConvDims c = ir_conv_dims(v);
        return c.ph_lo || c.ph_hi || c.pw_lo || c.pw_hi;
    }
    return v->op == OP_conv_dx;
}

/* ---- a small network as the language builds it, channels first ---- */

static Val param(Point *p, Shape s)
{
    return point_input(p, DT_f64, false, s, small);
}

/* conv2d(x[C,H,W], w[O,C,R,S]) + bias */
static Val conv2d(Point *p, Val x, int64_t out, int64_t kernel, int64_t stride)
{
    int64_t half = kernel / 2;
    ConvDims c = {stride, stride, half, half, half, half};
    Val w = param(p, shape_of(4, out, x->type.shape.dim[0], kernel, kernel));
    Val b = param(p, shape_of(1, out));

    x = ir_transpose(p->g, x, (int[]){1, 2, 0});
    w = ir_transpose(p->g, w, (int[]){2, 3, 1, 0});
    x = ir_transpose(p->g, ir_conv(p->g, x, w, c), (int[]){2, 0, 1});
    b = ir_reshape(p->g, b, shape_of(3, out, (int64_t)1, (int64_t)1));
    return ir_add(p->g, x, ir_broadcast_to(p->g, b, x->type.shape));
}

static Val pool2d(Point *p, Op op, Val x)
{
    PoolDims d = {2, 2, 2, 2, 0, 0, 0, 0};

    x = ir_transpose(p->g, x, (int[]){1, 2, 0});
    x = ir_pool(p->g, op, x, NULL, d);
    return ir_transpose(p->g, x, (int[]){2, 0, 1});
}

static Val relu(Point *p, Val x)
{
    return ir_op1(p->g, OP_relu, x);
}

static Val dense(Point *p, Val x, int64_t out)
{
    Val w = param(p, shape_of(2, out, x->type.shape.dim[0]));
    DotDims d = {.ncontract = 1, .cx = {1}, .cy = {0}};

    return ir_add(p->g, ir_dot(p->g, w, x, &d), param(p, shape_of(1, out)));
}

static Val flatten(Point *p, Val x)
{
    return ir_reshape(p->g, x, shape_of(1, shape_size(x->type.shape)));
}

static Val image(Point *p, int64_t channels)
{
    return point_input(p, DT_f64, true,
                       shape_of(3, channels, (int64_t)8, (int64_t)8), small);
}

static Val loss(Point *p, Val logits)
{
    Val e = ir_exp(p->g, logits);
    Val sum = ir_reduce_all(p->g, OP_sum, e);
    Val first = ir_op2(p->g, OP_take, logits, ir_const(p->g, DT_i32, 0));

    return ir_sub(p->g, ir_log(p->g, sum), first);
}

/* conv-relu-pool, a residual conv, pool, dense, dense */
static Val network(Point *p, Val x)
{
    Val h = pool2d(p, OP_max_pool, relu(p, conv2d(p, x, 4, 3, 1)));
    Val skip = h;

    h = conv2d(p, relu(p, conv2d(p, h, 4, 3, 1)), 4, 3, 1);
    h = relu(p, ir_add(p->g, h, skip));
    h = pool2d(p, OP_sum_pool, relu(p, conv2d(p, h, 6, 3, 1)));
    return dense(p, relu(p, dense(p, flatten(p, h), 5)), 3);
}

/* Transposes of activations between the layers: none. */
static void no_activation_is_transposed(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = image(p, 1);
    Val e = loss(p, network(p, x));
    Val dx = optimized(p, ir_op2(p->g, OP_grad, e, x));

    assert_int_equal(count(p, &dx, 1, is_batched_transpose), 0);
    assert_int_equal(count(p, &dx, 1, is_padded_or_adjoint), 0);
}

/* With colours, one on the way in and one on the way out. */
static void only_colour_inputs_are_transposed(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = image(p, 3);
    Val e = loss(p, network(p, x));
    Val dx = optimized(p, ir_op2(p->g, OP_grad, e, x));

    assert_true(count(p, &dx, 1, is_batched_transpose) <= 2);
}

/* Images out of a table: of a replay buffer, the few that were drawn are turned,
 * not all that it holds. */
static void tables_are_not_transposed(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val table = param(p, shape_of(4, (int64_t)20, (int64_t)3, (int64_t)8,
                                  (int64_t)8));
    Val x = ir_op2(p->g, OP_take, table,
                   point_input(p, DT_i32, true, shape_of(0), small));
    Val y = optimized(p, loss(p, network(p, x)));
    int n;
    Val *node = ir_topo(p->a, &y, 1, NULL, &n);

    for (int k = 0; k < n; k++)
        assert_false(node[k]->op == OP_transpose &&
                     node[k]->type.shape.rank == 4 &&
                     node[k]->type.shape.dim[0] == 20);
    assert_true(count(p, &y, 1, is_batched_transpose) <= 1);
}

/* d = clamp(d + s sign(grad(loss(x + d), d))), with transposes only before
 * and after the loop. */
static void attack_loops_do_not_transpose(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = image(p, 3), zero = ir_spread(g, ir_like(g, x, 0));
    Loop *l = ir_loop_open(g, ir_const(g, DT_i32, 3), &zero, 1, &zero->type,
                           1, (Span){0});
    Val d = l->var[0];
    Val slope = ir_op2(g, OP_grad, loss(p, network(p, ir_add(g, x, d))), d);
    Val eps = ir_like(g, d, 0.1);
    Val next = ir_add(g, d, ir_mul(g, ir_sign(g, slope), ir_like(g, d, 0.05)));
    next = ir_op2(g, OP_max, ir_op2(g, OP_min, next, eps), ir_neg(g, eps));
    Val adv = ir_add(g, x, ir_proj(g, ir_loop_close(g, l, &next), 0));
    adv = optimized(p, adv);
    int n, in_body = 0;
    Val *node = ir_topo(p->a, &adv, 1, NULL, &n);
    Loop *body = NULL;

    for (int k = 0; k < n; k++)
        if (node[k]->op == OP_loop)
            body = node[k]->attr.loop;
    assert_non_null(body);
    node = ir_topo(p->a, body->next, body->n, body, &n);
    for (int k = 0; k < n; k++)
        in_body += node[k]->op == OP_transpose;
    assert_int_equal(in_body, 0);
}

static int transposes_in_loops(Point *p, Val v)
{
    VEC(const Loop *) todo = {0};
    int n, found = 0;
    Val *node = ir_topo(p->a, &v, 1, NULL, &n);

    for (int next = -1; next < todo.n; next++) {
        const Loop *l = next < 0 ? NULL : todo.at[next];
        if (l)
            node = ir_topo(p->a, l->next, l->n, l, &n);
        for (int k = 0; k < n; k++) {
            found += l && node[k]->op == OP_transpose;
            if (node[k]->op == OP_loop)
                VEC_PUSH(p->a, &todo, node[k]->attr.loop);
        }
    }
    return found;
}

/* z = z + h conv2d(relu(z)), a few times, and its weight gradients: what is
 * carried and recorded is stored as the convolutions want it. */
static void solver_loops_do_not_transpose(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = image(p, 3), z = conv2d(p, x, 4, 3, 2), dw = NULL;
    int first = p->in.n;
    Loop *l = ir_loop_open(g, ir_const(g, DT_i32, 3), &z, 1, &z->type, 1,
                           (Span){0});
    Val dz = conv2d(p, relu(p, l->var[0]), 4, 3, 1);
    Val next = ir_add(g, l->var[0], ir_mul(g, dz, ir_like(g, dz, 0.1)));
    Val y = ir_proj(g, ir_loop_close(g, l, &next), 0);
    Val e = ir_op1(g, OP_batch_sum, loss(p, dense(p, flatten(p, y), 3)));

    for (int k = first; k < p->in.n; k++) {
        Val d = ir_op2(g, OP_grad, e, p->in.at[k]);
        Val size = ir_reduce_all(g, OP_sum, ir_mul(g, d, d));
        dw = dw ? ir_add(g, dw, size) : size;
    }
    dw = optimized(p, ir_add(g, dw, e));
    assert_int_equal(count(p, &dw, 1, is_loop), 2);
    assert_int_equal(count(p, &dw, 1, is_put), 1);
    // the weights' gradient is turned at the end of each pass back, no more
    assert_true(transposes_in_loops(p, dw) <= 1);
}

/* A train step: weight gradients are single contractions. */
static void weight_gradients_are_single_contractions(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = image(p, 1);
    Val e = loss(p, network(p, x)), sum = ir_op1(g, OP_batch_sum, e);
    Val all = NULL;
    int dense_weights = 0;

    for (int k = 1; k < p->in.n; k++) {
        Val dw = ir_op2(g, OP_grad, sum, p->in.at[k]);
        Val size = ir_reduce_all(g, OP_sum, ir_mul(g, dw, dw));
        all = all ? ir_add(g, all, size) : size;
        dense_weights += p->in.at[k]->type.shape.rank == 2;
    }
    all = optimized(p, all);
    assert_int_equal(count(p, &all, 1, is_batch_sum), 0);
    assert_int_equal(count(p, &all, 1, is_summed_dot), dense_weights);
    // in front of the dense layer, and back
    assert_true(count(p, &all, 1, is_batched_transpose) <= 2);
}

/* ---- loops ---- */

static Val one_step_loop(Point *p, Val x, int64_t n, Val *extra)
{
    Graph *g = p->g;
    Val init[3] = {x, x, x};
    Type type[3] = {x->type, x->type, x->type};
    Loop *l = ir_loop_open(g, ir_const(g, DT_i32, (double)n), init, 3, type,
                           1, (Span){0});
    Val next[3] = {ir_op1(g, OP_tanh, ir_add(g, l->var[0], l->var[1])),
                   l->var[1], ir_exp(g, l->var[2])};
    Val node = ir_loop_close(g, l, next);

    if (extra)
        *extra = ir_proj(g, node, 2);
    return ir_proj(g, node, 0);
}

static void unneeded_variables_leave_loops(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = point_input(p, DT_f64, true, shape_of(1, (int64_t)3), small);
    Val y = optimized(p, one_step_loop(p, x, 4, NULL));

    assert_int_equal(y->op, OP_proj);
    assert_int_equal(y->src[0]->attr.loop->n, 1);
}

static void short_loops_are_unrolled(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Val x = point_input(p, DT_f64, true, shape_of(1, (int64_t)3), small);

    for (int64_t n = 0; n < 2; n++) {
        Val extra, y = one_step_loop(p, x, n, &extra);
        y = optimized(p, ir_add(p->g, y, extra));
        assert_int_equal(count(p, &y, 1, is_loop), 0);
    }
}

static void a_loop_and_its_taped_copy_become_one(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = point_input(p, DT_f64, true, shape_of(1, (int64_t)3), small);
    Val y = one_step_loop(p, x, 4, NULL);
    Val e = ir_reduce_all(g, OP_sum, ir_mul(g, y, y));
    Val both = ir_add(g, y, ir_op2(g, OP_grad, e, x));

    both = optimized(p, both);
    assert_int_equal(count(p, &both, 1, is_loop), 2);
    assert_int_equal(count(p, &both, 1, is_put), 1);
}

static void nested_taped_loops_become_one(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = point_input(p, DT_f64, true, shape_of(1, (int64_t)3), small);
    Loop *l = ir_loop_open(g, ir_const(g, DT_i32, 2), &x, 1, &x->type, 1,
                           (Span){0});
    Loop *m = ir_loop_open(g, ir_const(g, DT_i32, 3), &l->var[0], 1, &x->type,
                           2, (Span){0});
    Val step = ir_op1(g, OP_sin, ir_mul(g, m->var[0], x));
    Val next = ir_proj(g, ir_loop_close(g, m, &step), 0);
    Val y = ir_proj(g, ir_loop_close(g, l, &next), 0);
    Val e = ir_reduce_all(g, OP_sum, ir_mul(g, y, y));
    Val both = ir_add(g, y, ir_op2(g, OP_grad, e, x));

    both = optimized(p, both);
    // outer and inner forward; outer back, with inner forward again and back
    assert_int_equal(count(p, &both, 1, is_loop), 5);
}

/* ---- small things ---- */

static void stable_forms_are_found(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = point_input(p, DT_f64, true, shape_of(1, (int64_t)4),
                        (Domain){DOM_IN, -2000, 2000, 0});
    static const char *const name[] = {"out"};
    Val e = ir_log(g, ir_reduce_all(g, OP_sum, ir_exp(g, x)));
    Func f = {"test", g, 1, &e, (const char **)name};

    run_all(&f);
    Tensor t = point_eval(p, e);
    for (int b = 0; b < 3; b++)
        assert_true(isfinite(t.at[b]));
}

static void constants_are_folded(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = point_input(p, DT_f64, true, shape_of(1, (int64_t)4), small);
    Val two = ir_like(g, x, 2), y = ir_mul(g, x, ir_sub(g, two, ir_like(g, x,
                                                                        1)));

    assert_ptr_equal(optimized(p, y), x);
}

static void rewriting_is_bounded(void **state)
{
    Point *p = &((Bench *)*state)->p;
    static const char *const name[] = {"out"};
    Val x = image(p, 3), y = network(p, x);
    Func f = {"test", p->g, 1, &y, (const char **)name};
    PassOptions opt = {.rewrite_budget = 1};
    Tensor before = point_eval(p, y);

    passes_run(&f, &opt, NULL, NULL);
    Tensor after = point_eval(p, y);
    assert_tensors_close(&after, &before, tol_graph(DT_f64), "budget of 1");
}

static void passes_are_idempotent(void **state)
{
    Point *p = &((Bench *)*state)->p;
    static const char *const name[] = {"out"};
    Val x = image(p, 3), y = optimized(p, loss(p, network(p, x)));
    Func f = {"test", p->g, 1, &y, (const char **)name};
    char *once = text_of_func(p->a, &f);

    run_all(&f);
    assert_text(text_of_func(p->a, &f), once);
}

/* Neither reverse mode nor the passes go down a chain by recursion. */
static void long_chains_are_no_danger(void **state)
{
    Point *p = &((Bench *)*state)->p;
    Graph *g = p->g;
    Val x = image(p, 2), w = param(p, shape_of(2, (int64_t)3, (int64_t)2));
    Val s = ir_reduce_all(g, OP_sum, w), v = w, y = x;

    for (int k = 0; k < 20000; k++) {
        v = ir_op1(g, OP_sin, ir_add(g, v, w));
        y = ir_op1(g, OP_sin, ir_transpose(g, y, (int[]){0, 2, 1}));
    }
    s = ir_add(g, s, ir_reduce_all(g, OP_sum, v));
    s = ir_add(g, s, ir_op1(g, OP_batch_sum, ir_reduce_all(g, OP_sum, y)));
    optimized(p, ir_reduce_all(g, OP_sum, ir_op2(g, OP_grad, s, w)));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(no_activation_is_transposed),
        TEST(only_colour_inputs_are_transposed),
        TEST(tables_are_not_transposed),
        TEST(attack_loops_do_not_transpose),
        TEST(solver_loops_do_not_transpose),
        TEST(weight_gradients_are_single_contractions),
        TEST(unneeded_variables_leave_loops),
        TEST(short_loops_are_unrolled),
        TEST(a_loop_and_its_taped_copy_become_one),
        TEST(nested_taped_loops_become_one),
        TEST(stable_forms_are_found),
        TEST(constants_are_folded),
        TEST(rewriting_is_bounded),
        TEST(passes_are_idempotent),
        TEST(long_chains_are_no_danger),
    };

    return cmocka_run_group_tests_name("passes", tests, NULL, NULL);
}
