/*
 * test_ir_walk.c -- traversal and rewriting, through nested loops, and on a
 * chain too deep for recursion.
 */
#include "support/check.h"

#include <string.h>

/* i32 count, x; l: { m: { m.var + exp(x) + l.var }, l.var * index } */
static const char *const nested =
    "func \"f\" {\n"
    "    %0 = input field \"x\" : batch f32[3]\n"
    "    %1 = const 3 : i32\n"
    "    %2 = exp %0 : batch f32[3]\n"
    "    %3 = loop %1 index %4 depth 1 {\n"
    "        carry %5 = %0 : batch f32[3]\n"
    "        carry %6 = %1 : i32\n"
    "        %7 = mul %4, %6 : i32\n"
    "        %8 = loop %6 index %9 depth 2 {\n"
    "            carry %10 = %5 : batch f32[3]\n"
    "            %11 = add %2, %10 : batch f32[3]\n"
    "            %12 = add %5, %11 : batch f32[3]\n"
    "            next %12\n"
    "        }\n"
    "        %13 = proj %8 {0} : batch f32[3]\n"
    "        next %13, %7\n"
    "    }\n"
    "    %14 = proj %3 {0} : batch f32[3]\n"
    "    %15 = tanh %14 : batch f32[3]\n"
    "    return %15 \"y\"\n"
    "}\n";

static Func *read_ok(Arena *a, const char *text)
{
    char err[300] = "";
    Func *f = ir_read(a, text, err, sizeof err);

    assert_string_equal(err, "");
    return f;
}

static Val keep(void *env, Graph *g, Val old, Val rebuilt)
{
    (void)g, (void)rebuilt;
    if (env)
        ++*(int *)env;
    assert_non_null(old);
    return NULL;
}

static void topo_lists_a_region_in_order(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, nested);
    int n;
    Val *v = ir_topo(a, f->out, f->nout, NULL, &n);

    (void)state;
    assert_int_equal(n, 6); // x, 3, exp, loop, proj, tanh
    for (int k = 0; k < n; k++) {
        assert_null(v[k]->region);
        assert_true(k == 0 || v[k]->id > v[k - 1]->id);
    }
    Loop *l = v[3]->attr.loop;
    v = ir_topo(a, l->next, l->n, l, &n);
    assert_int_equal(n, 6); // index, 2 variables, mul, loop, proj
    for (int k = 0; k < n; k++)
        assert_ptr_equal(v[k]->region, l);
    arena_free(a);
}

static void reaching_goes_through_bodies(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, nested);
    int n;
    Val *v = ir_topo(a, f->out, f->nout, NULL, &n);

    (void)state;
    assert_true(ir_reaches(f->out[0], v[2])); // exp, captured two loops down
    assert_true(ir_reaches(f->out[0], f->out[0]));
    assert_false(ir_reaches(v[2], f->out[0]));
    assert_false(ir_reaches(v[2], v[1]));
    assert_true(ir_reaches(f->out[0], v[3]->attr.loop->var[1]));
    arena_free(a);
}

static void uses_are_counted_in_bodies(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, nested);
    int *uses = ir_uses(a, f->g, f->out, f->nout);
    int n;
    Val *v = ir_topo(a, f->out, f->nout, NULL, &n);

    (void)state;
    assert_int_equal(uses[f->out[0]->id], 1);
    assert_int_equal(uses[v[0]->id], 2); // exp and the initial value
    assert_int_equal(uses[v[2]->id], 1); // captured
    assert_int_equal(uses[v[3]->attr.loop->var[0]->id], 2);
    assert_int_equal(uses[v[3]->attr.loop->next[1]->id], 1);
    arena_free(a);
}

static void keeping_all_keeps_every_node(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, nested);
    uint32_t before = graph_nnodes(f->g);
    Val out = f->out[0];
    int asked = 0;

    (void)state;
    ir_rewrite(f->g, f->out, f->nout, keep, &asked);
    assert_ptr_equal(f->out[0], out);
    assert_int_equal(graph_nnodes(f->g), before);
    assert_int_equal(asked, before - 1); // once each; the inner index is idle
    arena_free(a);
}

static Val exp_to_sin(void *env, Graph *g, Val old, Val rebuilt)
{
    (void)env;
    return old->op == OP_exp ? ir_op1(g, OP_sin, rebuilt->src[0]) : NULL;
}

/* Everything that reads a changed value is rebuilt: here both loops. */
static void a_captured_value_is_replaced_in_nested_bodies(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, nested);
    char err[300];
    char *want = text_of_func(a, f), *at = strstr(want, "= exp");

    (void)state;
    memcpy(at, "= sin", 5);
    ir_rewrite(f->g, f->out, f->nout, exp_to_sin, NULL);
    assert_true(ir_verify(f, false, err, sizeof err));
    assert_text(text_of_func(a, f), want);
    arena_free(a);
}

static Val mul_to_add(void *env, Graph *g, Val old, Val rebuilt)
{
    (void)env;
    return old->op == OP_mul ? ir_add(g, rebuilt->src[0], rebuilt->src[1])
                             : NULL;
}

static void a_body_is_rebuilt_with_its_own_variables(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, nested);
    Val tanh_old = f->out[0];
    Loop *old = tanh_old->src[0]->src[0]->attr.loop;
    char err[300];
    char *want = text_of_func(a, f), *at = strstr(want, "= mul");

    (void)state;
    memcpy(at, "= add", 5);
    ir_rewrite(f->g, f->out, f->nout, mul_to_add, NULL);
    assert_true(ir_verify(f, false, err, sizeof err));
    assert_text(text_of_func(a, f), want);
    Loop *new = f->out[0]->src[0]->src[0]->attr.loop;
    assert_ptr_not_equal(new, old);
    assert_ptr_not_equal(new->var[0], old->var[0]);
    assert_int_equal(old->next[1]->op, OP_mul); // the old loop is untouched
    arena_free(a);
}

static Val same_as_init(void *env, Graph *g, Val old, Val rebuilt)
{
    Val *to = env;

    (void)g, (void)rebuilt;
    return old == to[0] ? to[1] : NULL;
}

/* A loop that no longer needs the loop around it leaves it. */
static void a_variable_can_be_replaced_by_an_outer_value(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, nested);
    Loop *l = f->out[0]->src[0]->src[0]->attr.loop;
    Val to[2] = {l->var[1], l->init[1]};
    char err[300];

    (void)state;
    ir_rewrite(f->g, f->out, f->nout, same_as_init, to);
    assert_true(ir_verify(f, false, err, sizeof err));
    l = f->out[0]->src[0]->src[0]->attr.loop;
    Val inner = l->next[0]->src[0];
    assert_int_equal(inner->op, OP_loop);
    assert_ptr_equal(inner->attr.loop->count, l->init[1]);
    arena_free(a);
}

static void origins_follow_the_rewrite(void **state)
{
    Arena *a = arena_new();
    Func *f = read_ok(a, "func \"f\" { %0 = input var \"x\" : f32"
                         " %1 = exp %0 : f32 \"inner\""
                         " %2 = neg %1 : f32 \"outer\" return %2 }");

    (void)state;
    ir_rewrite(f->g, f->out, f->nout, exp_to_sin, NULL);
    assert_string_equal(f->out[0]->name, "outer");
    assert_string_equal(f->out[0]->src[0]->name, "inner");
    arena_free(a);
}

enum { DEEP = 100000 };

static void fill_half(void *user, Val input, Tensor *t)
{
    (void)user, (void)input;
    t->at[0] = 0.5;
}

static void a_deep_chain_needs_no_stack(void **state)
{
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    Val x = ir_input(g, INPUT_VAR, "x",
                     type_of(DT_f32, false, shape_of(0)));
    Val v = ir_exp(g, x), out;
    char err[300] = "";

    (void)state;
    for (int k = 0; k < DEEP; k++)
        v = k % 2 ? ir_abs(g, v) : ir_neg(g, v);
    out = v;
    Func f = {.name = "deep", .g = g, .nout = 1, .out = &out};
    assert_true(ir_verify(&f, false, err, sizeof err));
    assert_true(ir_reaches(out, x));
    ir_rewrite(g, &out, 1, exp_to_sin, NULL);
    assert_ptr_not_equal(out, v);
    char *text = text_of_func(a, &f);
    Func *again = ir_read(a, text, err, sizeof err);
    assert_string_equal(err, "");
    assert_int_equal(strcmp(text_of_func(a, again), text), 0);
    EvalEnv env = {.batch = 1, .input = fill_half};
    Tensor t;
    ir_eval(a, again, &env, &t);
    assert_close(t.at[0], sin(0.5), tol_exact(), "a chain of %d", DEEP);
    arena_free(a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(topo_lists_a_region_in_order),
        cmocka_unit_test(reaching_goes_through_bodies),
        cmocka_unit_test(uses_are_counted_in_bodies),
        cmocka_unit_test(keeping_all_keeps_every_node),
        cmocka_unit_test(a_captured_value_is_replaced_in_nested_bodies),
        cmocka_unit_test(a_body_is_rebuilt_with_its_own_variables),
        cmocka_unit_test(a_variable_can_be_replaced_by_an_outer_value),
        cmocka_unit_test(origins_follow_the_rewrite),
        cmocka_unit_test(a_deep_chain_needs_no_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
