/*
 * test_ir_graph.c -- the constructor: equal structure is one node, regions,
 * loops, and types that do not fit.
 */
#include "support/check.h"

#include <string.h>

typedef struct Fixture {
    Arena *a;
    Graph *g;
    Val x, y, n; // per-example f32[3], shared f32[3], i32
} Fixture;

static Fixture *fixture(void)
{
    Arena *a = arena_new();
    Fixture *f = NEW(a, Fixture);
    Shape s = shape_of(1, (int64_t)3);

    f->a = a;
    f->g = graph_new(a);
    f->x = ir_input(f->g, INPUT_FIELD, "x", type_of(DT_f32, true, s));
    f->y = ir_input(f->g, INPUT_VAR, "y", type_of(DT_f32, false, s));
    f->n = ir_const(f->g, DT_i32, 5);
    return f;
}

static Loop *open_at(Fixture *f, Val count, Val init, int depth)
{
    return ir_loop_open(f->g, count, &init, 1, &init->type, depth, (Span){0});
}

static void equal_structure_is_one_node(void **state)
{
    Fixture *f = fixture();
    Graph *g = f->g;

    (void)state;
    assert_ptr_equal(ir_exp(g, f->x), ir_exp(g, f->x));
    assert_ptr_equal(ir_const(g, DT_f32, 0.1), ir_const(g, DT_f32, 0.1));
    assert_ptr_equal(ir_const(g, DT_f32, NAN), ir_const(g, DT_f32, -NAN));
    assert_ptr_not_equal(ir_const(g, DT_f32, 0), ir_const(g, DT_f32, -0.0));
    assert_ptr_not_equal(ir_const(g, DT_f32, 1), ir_const(g, DT_i32, 1));
    assert_ptr_not_equal(ir_input(g, INPUT_FIELD, "x", f->x->type),
                         ir_input(g, INPUT_VAR, "x", f->y->type));
    assert_ptr_equal(ir_input(g, INPUT_FIELD, "x", f->x->type), f->x);
    assert_ptr_not_equal(ir_exp(g, f->x), ir_exp(g, f->y));
    assert_ptr_equal(ir_reduce(g, OP_sum, ir_broadcast(g, f->y,
                         shape_of(2, (int64_t)3, (int64_t)2), (int[]){0}),
                         (int[]){1, 0}, 2),
                     ir_reduce(g, OP_sum, ir_broadcast(g, f->y,
                         shape_of(2, (int64_t)3, (int64_t)2), (int[]){0}),
                         (int[]){0, 1}, 2));
    arena_free(f->a);
}

static void many_nodes_stay_distinct(void **state)
{
    Fixture *f = fixture();
    Val *v = NEW_N(f->a, Val, 5000);

    (void)state;
    for (int k = 0; k < 5000; k++)
        v[k] = ir_const(f->g, DT_f32, k);
    for (int k = 0; k < 5000; k++) {
        assert_ptr_equal(ir_const(f->g, DT_f32, k), v[k]);
        assert_true(v[k]->attr.f == k);
    }
    arena_free(f->a);
}

static void commuted_operands_are_ordered(void **state)
{
    Fixture *f = fixture();
    Val two = ir_like(f->g, f->x, 2), late = ir_exp(f->g, f->x);
    Val sum;

    (void)state;
    assert_ptr_equal(ir_add(f->g, f->x, f->y), ir_add(f->g, f->y, f->x));
    assert_ptr_not_equal(ir_sub(f->g, f->x, f->y), ir_sub(f->g, f->y, f->x));
    sum = ir_add(f->g, two, late); // the constant is older, yet stands last
    assert_ptr_equal(sum->src[0], late);
    assert_ptr_equal(sum->src[1], two);
    arena_free(f->a);
}

static void mixed_values_are_per_example(void **state)
{
    Fixture *f = fixture();
    Val c = ir_lt(f->g, f->y, f->y);

    (void)state;
    assert_true(ir_add(f->g, f->y, f->x)->type.batched);
    assert_false(ir_add(f->g, f->y, f->y)->type.batched);
    assert_true(ir_select(f->g, c, f->x, f->y)->type.batched);
    assert_int_equal(c->type.dt, DT_bool);
    arena_free(f->a);
}

static void builders_leave_out_what_does_nothing(void **state)
{
    Fixture *f = fixture();
    Graph *g = f->g;
    Val s = ir_const(g, DT_f32, 1);

    (void)state;
    assert_ptr_equal(ir_reduce_all(g, OP_sum, s), s);
    assert_ptr_equal(ir_cast(g, f->x, DT_f32), f->x);
    assert_ptr_equal(ir_spread(g, f->x), f->x);
    assert_ptr_equal(ir_reshape(g, f->x, f->x->type.shape), f->x);
    assert_ptr_equal(ir_transpose(g, f->x, (int[]){0}), f->x);
    assert_ptr_equal(ir_broadcast_to(g, f->x, f->x->type.shape), f->x);
    assert_int_equal(ir_reduce_all(g, OP_sum, f->x)->type.shape.rank, 0);
    arena_free(f->a);
}

static void the_first_origin_stays(void **state)
{
    Fixture *f = fixture();

    (void)state;
    ir_origin(f->g, f->x, (Span){0}, "first");
    ir_origin(f->g, f->x, (Span){0}, "second");
    assert_string_equal(f->x->name, "first");
    arena_free(f->a);
}

static void a_body_is_what_depends_on_the_loop(void **state)
{
    Fixture *f = fixture();
    Loop *l = open_at(f, f->n, f->x, 1);
    Val invariant = ir_exp(f->g, f->y);
    Val inside = ir_add(f->g, l->var[0], invariant);
    Val loop = ir_loop_close(f->g, l, &inside);

    (void)state;
    assert_null(invariant->region);
    assert_ptr_equal(inside->region, l);
    assert_ptr_equal(l->var[0]->region, l);
    assert_ptr_equal(l->index->region, l);
    assert_null(loop->region);
    assert_null(ir_proj(f->g, loop, 0)->region);
    assert_ptr_equal(l->node, loop);
    assert_true(ir_inside(inside, l));
    assert_false(ir_inside(invariant, l));
    arena_free(f->a);
}

static void a_loop_lies_where_its_values_come_from(void **state)
{
    Fixture *f = fixture();
    Graph *g = f->g;
    Loop *l = open_at(f, f->n, f->x, 1);
    Loop *by_init = open_at(f, f->n, l->var[0], 2);
    Val v = ir_loop_close(g, by_init, &(Val){ir_exp(g, by_init->var[0])});
    Loop *by_count = open_at(f, l->index, f->x, 2);
    Val w = ir_loop_close(g, by_count, &(Val){ir_exp(g, by_count->var[0])});
    Loop *by_capture = open_at(f, f->n, f->x, 2);
    Val u = ir_loop_close(g, by_capture, &(Val){
        ir_add(g, by_capture->var[0], ir_exp(g, l->var[0]))});
    Loop *by_next = open_at(f, f->n, f->x, 2);
    Val t = ir_loop_close(g, by_next, &(Val){l->var[0]});
    Loop *free_one = open_at(f, f->n, f->x, 2);
    Val z = ir_loop_close(g, free_one, &(Val){ir_exp(g, free_one->var[0])});

    (void)state;
    assert_ptr_equal(v->region, l);
    assert_ptr_equal(w->region, l);
    assert_ptr_equal(u->region, l);
    assert_ptr_equal(t->region, l);
    assert_null(z->region);
    assert_true(ir_inside(by_init->var[0], l));
    assert_false(ir_inside(free_one->var[0], l));
    arena_free(f->a);
}

static void captures_pass_through_nested_loops(void **state)
{
    Fixture *f = fixture();
    Graph *g = f->g;
    Loop *l = open_at(f, f->n, f->x, 1);
    Val held = ir_exp(g, f->y), mine = ir_exp(g, l->var[0]);
    Loop *m = open_at(f, f->n, l->var[0], 2);
    Val next = ir_add(g, ir_add(g, m->var[0], held), mine);
    Val inner = ir_loop_close(g, m, &next);
    Val outer = ir_loop_close(g, l, &(Val){ir_proj(g, inner, 0)});
    int n;
    Val *capture = ir_captures(f->a, m, &n);

    (void)state;
    assert_int_equal(n, 2);
    assert_true((capture[0] == held && capture[1] == mine) ||
                (capture[1] == held && capture[0] == mine));
    capture = ir_captures(f->a, l, &n);
    assert_int_equal(n, 2); // held, and the count of the inner loop
    assert_true(capture[0] == held || capture[1] == held);
    assert_true(capture[0] == f->n || capture[1] == f->n);
    assert_null(outer->region);
    arena_free(f->a);
}

static void initial_values_are_widened(void **state)
{
    Fixture *f = fixture();
    Val zero = ir_const(f->g, DT_f32, 0);
    Loop *l = ir_loop_open(f->g, f->n, &zero, 1, &f->x->type, 1, (Span){0});

    (void)state;
    assert_true(type_eq(l->init[0]->type, f->x->type));
    assert_true(type_eq(l->var[0]->type, f->x->type));
    ir_loop_close(f->g, l, &(Val){f->y}); // a shared next is spread
    assert_true(type_eq(l->next[0]->type, f->x->type));
    arena_free(f->a);
}

/* ---- misfits ---- */

typedef struct Misfit {
    const char *line; // values of %0 .. and the op, in textual IR
    const char *why;
} Misfit;

#define V(k, type) "%" #k " = input var \"v" #k "\" : " type " "

static const Misfit misfits[] = {
    {V(0, "f32[10]") V(1, "f32[12]") "%2 = add %0, %1 : f32[10]",
     "shapes [10] and [12] differ"},
    {V(0, "f32[10]") V(1, "i32[10]") "%2 = add %0, %1 : f32[10]",
     "real and int do not mix"},
    {V(0, "bool[2]") "%1 = neg %0 : bool[2]", "a number expected, not bool"},
    {V(0, "i32[2]") "%1 = exp %0 : i32[2]", "a real expected, not int"},
    {V(0, "f32[2]") "%1 = not %0 : bool[2]", "bool expected, not real"},
    {V(0, "f32[2, 784]") V(1, "f32[256, 3]")
     "%2 = dot %0, %1 {1, 0, 0, 1, 0} : f32[2, 3]",
     "inner sizes differ: 784 and 256"},
    {V(0, "f32[2, 3]") V(1, "f32[3, 3]")
     "%2 = dot %0, %1 {0, 1, 0, 0, 0} : f32[2, 3, 3]",
     "paired sizes differ: 2 and 3"},
    {V(0, "f32[2]") V(1, "f32[2]") "%2 = dot %0, %1 {1, 0, 1, 0, 0} : f32",
     "a sum over the examples needs two per-example values"},
    {V(0, "f32[1, 1, 1, 1]")
     "%2 = dot %0, %0 {0, 0, 0} : f32[1, 1, 1, 1, 1, 1]",
     "the result has more than 6 dims"},
    {V(0, "f32[2, 3]") "%1 = reshape %0 {7} : f32[7]",
     "shape [2, 3] has 6 elements, shape [7] has 7"},
    {V(0, "f32[2]") "%1 = broadcast %0 {3, 0} : f32[3]",
     "shape [2] does not stretch to [3]"},
    {V(0, "f32[5]") "%1 = slice %0 {3, 3, 1} : f32[1]",
     "3 .. 3 is no part of dim 0 of shape [5]"},
    {V(0, "f32[5]") "%1 = slice %0 {3, 6, 1} : f32[3]",
     "3 .. 6 is no part of dim 0 of shape [5]"},
    {V(0, "f32[5]") "%1 = pad %0 {-1, 0, 0} fill 0 : f32[4]",
     "the padding of dim 0 is negative"},
    {V(0, "f32[5]") "%1 = sum %0 {1} : f32[5]",
     "a value of shape [5] has no dim 1"},
    {V(0, "f32[5, 5]") "%1 = sum %0 {1, 1} : f32[5]", "dim 1 is named twice"},
    {V(0, "f32[5, 5]") "%1 = transpose %0 {1, 1} : f32[5]",
     "dim 1 is named twice"},
    {V(0, "f32[2, 3]") V(1, "f32[4, 4]") "%2 = concat %0, %1 {0} : f32[6, 3]",
     "shapes [2, 3] and [4, 4] differ in more than dim 0"},
    {V(0, "f32[3]") "%1 = take %0, %0 : f32[3]", "the index is real, not int"},
    {V(0, "f32") V(1, "i32") "%2 = take %0, %1 : f32",
     "a scalar cannot be indexed"},
    {V(0, "f32[3]") V(1, "i32") "%2 = put %0, %1, %0 : f32[3]",
     "places of shape [] are given values of shape [3]"},
    {V(0, "f32[3]") "%1 = batch_sum %0 : f32[3]",
     "the value is the same for every example, so there is nothing to reduce "
     "over the batch"},
    {V(0, "f32[8, 8, 3]") V(1, "f32[5, 5, 4, 2]")
     "%2 = conv %0, %1 {1, 1, 0, 0, 0, 0} : f32[4, 4, 2]",
     "numbers of channels differ: 3 in [8, 8, 3] and 4 in [5, 5, 4, 2]"},
    {V(0, "f32[4, 4, 3]") V(1, "f32[7, 5, 3, 2]")
     "%2 = conv %0, %1 {1, 1, 1, 1, 0, 0} : f32[4, 4, 2]",
     "a window of 7 does not fit into 6 (with its padding)"},
    {V(0, "f32[4, 4, 3]")
     "%1 = max_pool %0 {2, 2, 2, 2, 2, 0, 0, 0} : f32[4, 4, 2]",
     "the padding is as wide as the window"},
    {V(0, "f32[4, 4, 3]")
     "%1 = max_pool %0 {2, 2, 0, 2, 0, 0, 0, 0} : f32[4, 4, 2]",
     "the stride is 0, less than 1"},
    {V(0, "bool") V(1, "f32[2]") "%2 = select %0, %1, %1 : f32[2]",
     "the condition has shape [], the branches [2]"},
    {V(0, "f32[2]") V(1, "f32") "%2 = grad %0, %1 : f32",
     "a scalar to differentiate expected, not a value of shape [2]"},
    {"%0 = iota {0} : i32[1]", "dim 0 of shape [0] is empty"},
    {V(0, "f32") "%1 = broadcast %0 {1048576, 1048576, 2} : f32",
     "a value of shape [1048576, 1048576, 2] is too large"},
};

static void misfits_have_a_sentence(void **state)
{
    (void)state;
    for (int k = 0; k < ARRAY_LEN(misfits); k++) {
        Arena *a = arena_new();
        char err[400] = "";
        char *text = arena_printf(a, "func \"f\" { %s return %%0 }",
                                  misfits[k].line);
        assert_null(ir_read(a, text, err, sizeof err));
        const char *why = strstr(err, ": ");
        assert_non_null(why);
        assert_text(why + 2, misfits[k].why);
        arena_free(a);
    }
}

/* ---- the verifier ---- */

static void the_verifier_finds_what_is_broken(void **state)
{
    Fixture *f = fixture();
    char err[400];
    Val v = ir_exp(f->g, f->x);
    Func fn = {.name = "f", .g = f->g, .nout = 1, .out = &v};

    (void)state;
    assert_true(ir_verify(&fn, false, err, sizeof err));
    ((Node *)v)->type.dt = DT_f64;
    assert_false(ir_verify(&fn, false, err, sizeof err));
    assert_text(err, "%3 = exp %0 : batch f64[3]: the type should be "
                     "batch f32[3]");
    ((Node *)v)->type.dt = DT_f32;

    Val e = ir_reduce_all(f->g, OP_sum, v);
    v = ir_op2(f->g, OP_grad, e, f->x);
    assert_true(ir_verify(&fn, true, err, sizeof err));
    assert_false(ir_verify(&fn, false, err, sizeof err));

    Loop *l = open_at(f, f->n, f->x, 1);
    Val inside = ir_exp(f->g, l->var[0]);
    ir_loop_close(f->g, l, &inside);
    v = inside;
    assert_false(ir_verify(&fn, false, err, sizeof err));
    v = ir_proj(f->g, l->node, 0);
    assert_true(ir_verify(&fn, false, err, sizeof err));
    l->next[0] = f->y; // shared, where the variable is per example
    assert_false(ir_verify(&fn, false, err, sizeof err));
    arena_free(f->a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_structure_is_one_node),
        cmocka_unit_test(many_nodes_stay_distinct),
        cmocka_unit_test(commuted_operands_are_ordered),
        cmocka_unit_test(mixed_values_are_per_example),
        cmocka_unit_test(builders_leave_out_what_does_nothing),
        cmocka_unit_test(the_first_origin_stays),
        cmocka_unit_test(a_body_is_what_depends_on_the_loop),
        cmocka_unit_test(a_loop_lies_where_its_values_come_from),
        cmocka_unit_test(captures_pass_through_nested_loops),
        cmocka_unit_test(initial_values_are_widened),
        cmocka_unit_test(misfits_have_a_sentence),
        cmocka_unit_test(the_verifier_finds_what_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
