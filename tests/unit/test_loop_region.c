/*
 * test_loop_region.c -- loops lowered: which variables are updated in place,
 * which are copied, in which order, and what a put writes into.
 */
#include "support/func_fix.h"

#include <string.h>

static const Step *loop_step(const Program *p)
{
    for (int i = 0; i < p->steps.list.n; i++)
        if (p->steps.list.at[i].kind == STEP_LOOP)
            return &p->steps.list.at[i];
    return NULL;
}

/* --- loops --------------------------------------------------------------- */

static Val index_like(Fix *x, Loop *l, Val like)
{
    return fix_wide(x, ir_cast(x->g, l->index, DT_f32), like);
}

static Val f32_like(Fix *x, Val like, double c)
{
    return ir_like(x->g, like, c);
}

/* x <- 0.9 x + tanh(x) / (i + 1): elementwise in place. */
static Loop *open_loop(Fix *x, Val count, const Val *init, int n)
{
    Type t[8];

    for (int k = 0; k < n; k++)
        t[k] = init[k]->type;
    return ir_loop_open(x->g, count, init, n, t, 1, (Span){0});
}

static Val damped(Fix *x, Loop *l, int k)
{
    Val v = l->var[k];
    Val step = ir_op1(x->g, OP_tanh, v);

    step = ir_div(x->g, step,
                  ir_add(x->g, index_like(x, l, v), f32_like(x, v, 1)));
    return ir_add(x->g, ir_mul(x->g, v, f32_like(x, v, 0.9)), step);
}

static void a_loop_updates_its_variable_in_place(void **state)
{
    Fix x;
    Val v, next;
    Loop *l;

    (void)state;
    fix_open(&x);
    v = fix_field(&x, "x", shape_of(1, (int64_t)19));
    l = open_loop(&x, ir_const(x.g, DT_i32, 5), &v, 1);
    next = damped(&x, l, 0);
    fix_out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(loop_step(x.p)->body->list.n, 1);
    assert_int_equal(loop_step(x.p)->trip, 5);
    assert_int_equal(x.p->example_bytes, 0); // it lives in the output
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_count_may_be_zero_or_known_only_when_running(void **state)
{
    (void)state;
    for (int c = -1; c < 3; c++) {
        Fix x;
        Val v, next, count;
        Loop *l;

        fix_open(&x);
        v = fix_field(&x, "x", shape_of(1, (int64_t)8));
        count = c < 2 ? ir_const(x.g, DT_i32, c) : fix_clock(&x, "step");
        l = open_loop(&x, count, &v, 1);
        next = damped(&x, l, 0);
        fix_out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
        fix_agrees(&x, ENTRY_EVALUATE);
        fix_close(&x);
    }
}

static void variables_may_change_places(void **state)
{
    Fix x;
    Val init[3], next[3], node;
    Loop *l;

    (void)state;
    fix_open(&x);
    for (int k = 0; k < 3; k++)
        init[k] = fix_field(&x, k == 0 ? "a" : k == 1 ? "b" : "c",
                        shape_of(1, (int64_t)6));
    l = open_loop(&x, ir_const(x.g, DT_i32, 4), init, 3);
    next[0] = l->var[1];
    next[1] = l->var[2];
    next[2] = ir_add(x.g, l->var[0], l->var[1]);
    node = ir_loop_close(x.g, l, next);
    for (int k = 0; k < 3; k++)
        fix_out(&x, ir_proj(x.g, node, k));
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void two_variables_may_swap(void **state)
{
    Fix x;
    Val init[2], next[2], node;
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = fix_field(&x, "a", shape_of(1, (int64_t)5));
    init[1] = fix_field(&x, "b", shape_of(1, (int64_t)5));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), init, 2);
    next[0] = l->var[1];
    next[1] = l->var[0];
    node = ir_loop_close(x.g, l, next);
    fix_out(&x, ir_proj(x.g, node, 0));
    fix_out(&x, ir_proj(x.g, node, 1));
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

/* prev = x; x = f(x, prev): the new x needs memory of its own, since x is
 * copied before it is overwritten and prev read before that. */
static void an_old_value_is_kept(void **state)
{
    Fix x;
    Val init[2], next[2], node;
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = fix_field(&x, "a", shape_of(1, (int64_t)11));
    init[1] = fix_field(&x, "b", shape_of(1, (int64_t)11));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), init, 2);
    next[0] = ir_add(x.g, damped(&x, l, 0), l->var[1]);
    next[1] = l->var[0];
    node = ir_loop_close(x.g, l, next);
    fix_out(&x, ir_proj(x.g, node, 0));
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(fix_steps(loop_step(x.p)->body, STEP_COPY), 2);
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_variable_read_after_its_update_is_copied(void **state)
{
    Fix x;
    Val init[2], next[2], v;
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = fix_field(&x, "a", shape_of(1, (int64_t)9));
    init[1] = fix_field(&x, "b", shape_of(1, (int64_t)9));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), init, 2);
    next[0] = ir_op1(x.g, OP_tanh, l->var[0]);
    // Reads both the new value (its reversal, so it needs memory) and the old.
    v = ir_mul(x.g, ir_reverse(x.g, next[0], (int[]){0}, 1), l->var[0]);
    next[1] = ir_add(x.g, l->var[1], v);
    v = ir_loop_close(x.g, l, next);
    fix_out(&x, ir_proj(x.g, v, 0));
    fix_out(&x, ir_proj(x.g, v, 1));
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_variable_may_be_reversed_into_itself(void **state)
{
    Fix x;
    Val v, next;
    Loop *l;

    (void)state;
    fix_open(&x);
    v = fix_field(&x, "x", shape_of(1, (int64_t)10));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), &v, 1);
    next = ir_add(x.g, ir_reverse(x.g, l->var[0], (int[]){0}, 1),
                  f32_like(&x, v, 1));
    fix_out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void loops_nest(void **state)
{
    Fix x;
    Val v, inner, next;
    Loop *l, *m;

    (void)state;
    fix_open(&x);
    v = fix_field(&x, "x", shape_of(1, (int64_t)13));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), &v, 1);
    m = ir_loop_open(x.g, ir_add(x.g, l->index, ir_const(x.g, DT_i32, 1)),
                     l->var, 1, &v->type, 2, (Span){0});
    inner = ir_add(x.g, damped(&x, m, 0),
                   ir_mul(x.g, l->var[0], f32_like(&x, v, 0.25)));
    next = ir_proj(x.g, ir_loop_close(x.g, m, &inner), 0);
    next = ir_mul(x.g, next, ir_exp(x.g, ir_neg(x.g, ir_mul(x.g, v, v))));
    fix_out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void dead_variables_are_left_out(void **state)
{
    Fix x;
    Val init[2], next[2];
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = fix_field(&x, "a", shape_of(1, (int64_t)6));
    init[1] = fix_field(&x, "b", shape_of(1, (int64_t)6));
    l = open_loop(&x, ir_const(x.g, DT_i32, 2), init, 2);
    next[0] = damped(&x, l, 0);
    next[1] = ir_exp(x.g, ir_mul(x.g, l->var[0], l->var[1]));
    fix_out(&x, ir_proj(x.g, ir_loop_close(x.g, l, next), 0));
    fix_lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->nin, 1);
    assert_int_equal(loop_step(x.p)->body->list.n, 1);
    fix_agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

/* --- put ----------------------------------------------------------------- */

static void a_tape_is_written_in_place(void **state)
{
    Fix x;
    Val init[2], next[2], node, sum;
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = fix_field(&x, "x", shape_of(1, (int64_t)5));
    init[1] = ir_spread(x.g, ir_fill(x.g, DT_f32, 0,
                                     shape_of(2, (int64_t)4, (int64_t)5)));
    l = open_loop(&x, ir_const(x.g, DT_i32, 4), init, 2);
    next[0] = damped(&x, l, 0);
    next[1] = ir_op3(x.g, OP_put, l->var[1], l->index, l->var[0]);
    node = ir_loop_close(x.g, l, next);
    sum = ir_reduce(x.g, OP_sum, ir_proj(x.g, node, 1), (int[]){0}, 1);
    fix_out(&x, ir_add(x.g, sum, ir_proj(x.g, node, 0)));
    fix_lower(&x, ENTRY_TRAIN);
    assert_int_equal(fix_steps(loop_step(x.p)->body, STEP_COPY), 0);
    assert_ptr_equal(buffer_storage(fix_kernel(x.p, next[1])->dst),
                     buffer_storage(fix_kernel(x.p, next[1])->read[0]));
    fix_agrees(&x, ENTRY_TRAIN);
    fix_close(&x);
}

static void a_replay_buffer_is_updated_in_its_own_storage(void **state)
{
    Fix x;
    Val replay, slot, start, fake;

    (void)state;
    fix_open(&x);
    replay = fix_var(&x, "replay", shape_of(2, (int64_t)20, (int64_t)6));
    slot = ir_input(x.g, INPUT_FIELD, "slot",
                    type_of(DT_i32, true, shape_of(0)));
    start = ir_op2(x.g, OP_take, replay, slot);
    fake = ir_op1(x.g, OP_tanh, ir_add(x.g, start, start));
    fix_out(&x, ir_op3(x.g, OP_put, replay, slot, fake));
    fix_out(&x, ir_op1(x.g, OP_batch_sum, fake));
    // A reader of the old contents, written after the update in the program.
    fix_out(&x, ir_reduce_all(x.g, OP_sum, ir_exp(x.g, replay)));
    x.e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    x.e->output[0].kind = OUT_VAR;
    x.e->output[0].name = "replay";
    fix_lower(&x, ENTRY_TRAIN);
    assert_true(x.p->inplace[0]);
    assert_false(x.p->inplace[1]);
    assert_int_equal(fix_steps(&x.p->steps, STEP_COPY), 0);
    fix_agrees(&x, ENTRY_TRAIN);
    fix_close(&x);
}

static void a_put_whose_source_is_needed_is_a_copy(void **state)
{
    Fix x;
    Val replay, slot, old;

    (void)state;
    fix_open(&x);
    replay = fix_var(&x, "replay", shape_of(2, (int64_t)7, (int64_t)3));
    slot = ir_const(x.g, DT_i32, 2);
    old = ir_op3(x.g, OP_put, replay, slot,
                 fix_var(&x, "row", shape_of(1, (int64_t)3)));
    // Needs the new contents and the old.
    fix_out(&x, ir_add(x.g, ir_reverse(x.g, old, (int[]){0}, 1), replay));
    fix_out(&x, old);
    x.e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    x.e->output[1].kind = OUT_VAR;
    x.e->output[1].name = "replay";
    fix_lower(&x, ENTRY_TRAIN);
    assert_false(x.p->inplace[1]);
    fix_agrees(&x, ENTRY_TRAIN);
    fix_close(&x);
}

int main(void)
{
    const struct CMUnitTest test[] = {
        cmocka_unit_test(a_loop_updates_its_variable_in_place),
        cmocka_unit_test(a_count_may_be_zero_or_known_only_when_running),
        cmocka_unit_test(variables_may_change_places),
        cmocka_unit_test(two_variables_may_swap),
        cmocka_unit_test(an_old_value_is_kept),
        cmocka_unit_test(a_variable_read_after_its_update_is_copied),
        cmocka_unit_test(a_variable_may_be_reversed_into_itself),
        cmocka_unit_test(loops_nest),
        cmocka_unit_test(dead_variables_are_left_out),
        cmocka_unit_test(a_tape_is_written_in_place),
        cmocka_unit_test(a_replay_buffer_is_updated_in_its_own_storage),
        cmocka_unit_test(a_put_whose_source_is_needed_is_a_copy),
    };

    return cmocka_run_group_tests(test, NULL, NULL);
}
