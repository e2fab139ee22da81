/*
 * test_loop.c -- lowering: what becomes a kernel, what shares memory, in which
 * order things run; and that the result computes what the interpreter does.
 */
#include "support/check.h"
#include "support/machine.h"
#include "support/random_graph.h"

#include <string.h>

/* --- a function in the making -------------------------------------------- */

typedef struct Fix {
    Arena *a;
    Graph *g;
    Func f;
    Val out[8];
    const char *name[8];
    Entry *e;
    Program *p;
    EvalEnv env;
    RandomData data;
} Fix;

static void fix_open(Fix *x)
{
    memset(x, 0, sizeof *x);
    x->a = arena_new();
    x->g = graph_new(x->a);
    x->f = (Func){.name = "f", .g = x->g, .out = x->out, .out_name = x->name};
    x->env = (EvalEnv){.batch = 3, .seed = 7, .input = random_input,
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

static Val clock_of(Fix *x, const char *name)
{
    return ir_input(x->g, INPUT_CLOCK, name,
                    type_of(DT_i32, false, shape_of(0)));
}

static void out(Fix *x, Val v)
{
    x->name[x->f.nout] = "out";
    x->out[x->f.nout++] = v;
}

static void lower(Fix *x, EntryKind kind)
{
    LoopOptions opt = {.vector_bytes = 32, .registers = 16};

    if (!x->e)
        x->e = machine_entry(x->a, &x->f, kind);
    x->p = loop_lower(x->a, x->e, &opt);
}

static void agrees(Fix *x, EntryKind kind)
{
    Tensor want[8], got[8];
    Machine *m;

    if (!x->e)
        x->e = machine_entry(x->a, &x->f, kind);
    m = machine_new(x->a, &x->e, 1, NULL, 2);
    ir_eval(x->a, &x->f, &x->env, want);
    for (int threads = 1; threads <= 2; threads++) {
        MachineRun how = {.threads = threads};

        machine_run(m, 0, x->a, &x->env, &how, got);
        for (int i = 0; i < x->f.nout; i++)
            assert_tensors_close(&got[i], &want[i],
                                 tol_graph(want[i].type.dt), "output %d", i);
    }
    machine_free(m);
}

static void fix_close(Fix *x)
{
    arena_free(x->a);
}

/* --- what the program looks like ----------------------------------------- */

static int count_steps(const Steps *s, StepKind kind)
{
    int n = 0;

    for (int i = 0; i < s->list.n; i++) {
        n += s->list.at[i].kind == kind;
        if (s->list.at[i].kind == STEP_LOOP)
            n += count_steps(s->list.at[i].body, kind);
    }
    return n;
}

static int count_setup(const Program *p)
{
    int n = 0;

    for (int i = 0; i < p->steps.list.n; i++)
        n += p->steps.list.at[i].setup;
    return n;
}

static const Step *loop_step(const Program *p)
{
    for (int i = 0; i < p->steps.list.n; i++)
        if (p->steps.list.at[i].kind == STEP_LOOP)
            return &p->steps.list.at[i];
    return NULL;
}

static const Kernel *kernel_of(const Program *p, Val root)
{
    for (int i = 0; i < p->kernel.n; i++)
        if (p->kernel.at[i]->root == root)
            return p->kernel.at[i];
    return NULL;
}

/* --- fusion -------------------------------------------------------------- */

static Val wide(Fix *x, Val v, Val like)
{
    return ir_broadcast_to(x->g, v, like->type.shape);
}

static void bias_and_activation_join_the_convolution(void **state)
{
    Fix x;
    Val y, b;

    (void)state;
    fix_open(&x);
    y = ir_conv(x.g, field(&x, "x", shape_of(3, (int64_t)6, (int64_t)6,
                                             (int64_t)3)),
                var(&x, "w", shape_of(4, (int64_t)3, (int64_t)3, (int64_t)3,
                                      (int64_t)8)),
                (ConvDims){1, 1, 0, 0, 0, 0});
    b = var(&x, "b", shape_of(1, (int64_t)8));
    y = ir_op1(x.g, OP_relu, ir_add(x.g, y, wide(&x, b, y)));
    out(&x, y);
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 1);
    assert_ptr_equal(x.p->kernel.at[0]->root, y);
    assert_int_equal(x.p->kernel.at[0]->core->op, OP_conv);
    assert_int_equal(x.p->example_bytes, 0);
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void cheap_work_is_repeated_and_dear_work_is_not(void **state)
{
    Fix x;
    Val v, cheap, dear;

    (void)state;
    fix_open(&x);
    v = field(&x, "x", shape_of(1, (int64_t)40));
    cheap = ir_neg(x.g, v);
    dear = ir_exp(x.g, v);
    out(&x, ir_reduce_all(x.g, OP_sum, ir_mul(x.g, cheap, dear)));
    out(&x, ir_reduce_all(x.g, OP_max_reduce, ir_add(x.g, cheap, dear)));
    lower(&x, ENTRY_EVALUATE);
    assert_null(kernel_of(x.p, cheap));
    assert_non_null(kernel_of(x.p, dear));
    assert_int_equal(x.p->kernel.n, 3);
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_sum_is_not_repeated_by_its_readers(void **state)
{
    Fix x;
    Val v, s;

    (void)state;
    fix_open(&x);
    v = field(&x, "x", shape_of(2, (int64_t)5, (int64_t)9));
    s = ir_reduce(x.g, OP_sum, ir_exp(x.g, v), (int[]){1}, 1);
    s = ir_op1(x.g, OP_sqrt, s);
    out(&x, ir_div(x.g, v, ir_broadcast(x.g, s, v->type.shape, (int[]){0})));
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 2);
    assert_int_equal(kernel_of(x.p, s)->core->op, OP_sum);
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_reshape_shares_memory(void **state)
{
    Fix x;
    Val v, y;

    (void)state;
    fix_open(&x);
    v = ir_exp(x.g, field(&x, "x", shape_of(2, (int64_t)4, (int64_t)6)));
    y = ir_reshape(x.g, v, shape_of(1, (int64_t)24));
    out(&x, ir_dot(x.g, y, var(&x, "w", shape_of(2, (int64_t)24, (int64_t)3)),
                   &(DotDims){.ncontract = 1, .cx = {0}, .cy = {0}}));
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 2);
    assert_non_null(kernel_of(x.p, v));
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void outputs_may_be_inputs_equal_or_constant(void **state)
{
    Fix x;
    Val v, y;

    (void)state;
    fix_open(&x);
    v = field(&x, "x", shape_of(1, (int64_t)7));
    y = ir_exp(x.g, v);
    out(&x, v);
    out(&x, y);
    out(&x, y);
    out(&x, ir_reshape(x.g, y, shape_of(2, (int64_t)7, (int64_t)1)));
    out(&x, ir_const(x.g, DT_i32, 5));
    out(&x, ir_fill(x.g, DT_f32, 2.5, shape_of(1, (int64_t)3)));
    agrees(&x, ENTRY_EVALUATE);
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->kernel.n, 3);
    assert_int_equal(count_steps(&x.p->steps, STEP_COPY), 5);
    fix_close(&x);
}

/* --- loops --------------------------------------------------------------- */

static Val index_like(Fix *x, Loop *l, Val like)
{
    return wide(x, ir_cast(x->g, l->index, DT_f32), like);
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
    v = field(&x, "x", shape_of(1, (int64_t)19));
    l = open_loop(&x, ir_const(x.g, DT_i32, 5), &v, 1);
    next = damped(&x, l, 0);
    out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(loop_step(x.p)->body->list.n, 1);
    assert_int_equal(loop_step(x.p)->trip, 5);
    assert_int_equal(x.p->example_bytes, 0); // it lives in the output
    agrees(&x, ENTRY_EVALUATE);
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
        v = field(&x, "x", shape_of(1, (int64_t)8));
        count = c < 2 ? ir_const(x.g, DT_i32, c) : clock_of(&x, "step");
        l = open_loop(&x, count, &v, 1);
        next = damped(&x, l, 0);
        out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
        agrees(&x, ENTRY_EVALUATE);
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
        init[k] = field(&x, k == 0 ? "a" : k == 1 ? "b" : "c",
                        shape_of(1, (int64_t)6));
    l = open_loop(&x, ir_const(x.g, DT_i32, 4), init, 3);
    next[0] = l->var[1];
    next[1] = l->var[2];
    next[2] = ir_add(x.g, l->var[0], l->var[1]);
    node = ir_loop_close(x.g, l, next);
    for (int k = 0; k < 3; k++)
        out(&x, ir_proj(x.g, node, k));
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void two_variables_may_swap(void **state)
{
    Fix x;
    Val init[2], next[2], node;
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = field(&x, "a", shape_of(1, (int64_t)5));
    init[1] = field(&x, "b", shape_of(1, (int64_t)5));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), init, 2);
    next[0] = l->var[1];
    next[1] = l->var[0];
    node = ir_loop_close(x.g, l, next);
    out(&x, ir_proj(x.g, node, 0));
    out(&x, ir_proj(x.g, node, 1));
    agrees(&x, ENTRY_EVALUATE);
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
    init[0] = field(&x, "a", shape_of(1, (int64_t)11));
    init[1] = field(&x, "b", shape_of(1, (int64_t)11));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), init, 2);
    next[0] = ir_add(x.g, damped(&x, l, 0), l->var[1]);
    next[1] = l->var[0];
    node = ir_loop_close(x.g, l, next);
    out(&x, ir_proj(x.g, node, 0));
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(count_steps(loop_step(x.p)->body, STEP_COPY), 2);
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_variable_read_after_its_update_is_copied(void **state)
{
    Fix x;
    Val init[2], next[2], v;
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = field(&x, "a", shape_of(1, (int64_t)9));
    init[1] = field(&x, "b", shape_of(1, (int64_t)9));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), init, 2);
    next[0] = ir_op1(x.g, OP_tanh, l->var[0]);
    // Reads both the new value (its reversal, so it needs memory) and the old.
    v = ir_mul(x.g, ir_reverse(x.g, next[0], (int[]){0}, 1), l->var[0]);
    next[1] = ir_add(x.g, l->var[1], v);
    v = ir_loop_close(x.g, l, next);
    out(&x, ir_proj(x.g, v, 0));
    out(&x, ir_proj(x.g, v, 1));
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void a_variable_may_be_reversed_into_itself(void **state)
{
    Fix x;
    Val v, next;
    Loop *l;

    (void)state;
    fix_open(&x);
    v = field(&x, "x", shape_of(1, (int64_t)10));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), &v, 1);
    next = ir_add(x.g, ir_reverse(x.g, l->var[0], (int[]){0}, 1),
                  f32_like(&x, v, 1));
    out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void loops_nest(void **state)
{
    Fix x;
    Val v, inner, next;
    Loop *l, *m;

    (void)state;
    fix_open(&x);
    v = field(&x, "x", shape_of(1, (int64_t)13));
    l = open_loop(&x, ir_const(x.g, DT_i32, 3), &v, 1);
    m = ir_loop_open(x.g, ir_add(x.g, l->index, ir_const(x.g, DT_i32, 1)),
                     l->var, 1, &v->type, 2, (Span){0});
    inner = ir_add(x.g, damped(&x, m, 0),
                   ir_mul(x.g, l->var[0], f32_like(&x, v, 0.25)));
    next = ir_proj(x.g, ir_loop_close(x.g, m, &inner), 0);
    next = ir_mul(x.g, next, ir_exp(x.g, ir_neg(x.g, ir_mul(x.g, v, v))));
    out(&x, ir_proj(x.g, ir_loop_close(x.g, l, &next), 0));
    agrees(&x, ENTRY_EVALUATE);
    fix_close(&x);
}

static void dead_variables_are_left_out(void **state)
{
    Fix x;
    Val init[2], next[2];
    Loop *l;

    (void)state;
    fix_open(&x);
    init[0] = field(&x, "a", shape_of(1, (int64_t)6));
    init[1] = field(&x, "b", shape_of(1, (int64_t)6));
    l = open_loop(&x, ir_const(x.g, DT_i32, 2), init, 2);
    next[0] = damped(&x, l, 0);
    next[1] = ir_exp(x.g, ir_mul(x.g, l->var[0], l->var[1]));
    out(&x, ir_proj(x.g, ir_loop_close(x.g, l, next), 0));
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(x.p->nin, 1);
    assert_int_equal(loop_step(x.p)->body->list.n, 1);
    agrees(&x, ENTRY_EVALUATE);
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
    init[0] = field(&x, "x", shape_of(1, (int64_t)5));
    init[1] = ir_spread(x.g, ir_fill(x.g, DT_f32, 0,
                                     shape_of(2, (int64_t)4, (int64_t)5)));
    l = open_loop(&x, ir_const(x.g, DT_i32, 4), init, 2);
    next[0] = damped(&x, l, 0);
    next[1] = ir_op3(x.g, OP_put, l->var[1], l->index, l->var[0]);
    node = ir_loop_close(x.g, l, next);
    sum = ir_reduce(x.g, OP_sum, ir_proj(x.g, node, 1), (int[]){0}, 1);
    out(&x, ir_add(x.g, sum, ir_proj(x.g, node, 0)));
    lower(&x, ENTRY_TRAIN);
    assert_int_equal(count_steps(loop_step(x.p)->body, STEP_COPY), 0);
    assert_ptr_equal(buffer_storage(kernel_of(x.p, next[1])->dst),
                     buffer_storage(kernel_of(x.p, next[1])->read[0]));
    agrees(&x, ENTRY_TRAIN);
    fix_close(&x);
}

static void a_replay_buffer_is_updated_in_its_own_storage(void **state)
{
    Fix x;
    Val replay, slot, start, fake;

    (void)state;
    fix_open(&x);
    replay = var(&x, "replay", shape_of(2, (int64_t)20, (int64_t)6));
    slot = ir_input(x.g, INPUT_FIELD, "slot",
                    type_of(DT_i32, true, shape_of(0)));
    start = ir_op2(x.g, OP_take, replay, slot);
    fake = ir_op1(x.g, OP_tanh, ir_add(x.g, start, start));
    out(&x, ir_op3(x.g, OP_put, replay, slot, fake));
    out(&x, ir_op1(x.g, OP_batch_sum, fake));
    // A reader of the old contents, written after the update in the program.
    out(&x, ir_reduce_all(x.g, OP_sum, ir_exp(x.g, replay)));
    x.e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    x.e->output[0].kind = OUT_VAR;
    x.e->output[0].name = "replay";
    lower(&x, ENTRY_TRAIN);
    assert_true(x.p->inplace[0]);
    assert_false(x.p->inplace[1]);
    assert_int_equal(count_steps(&x.p->steps, STEP_COPY), 0);
    agrees(&x, ENTRY_TRAIN);
    fix_close(&x);
}

static void a_put_whose_source_is_needed_is_a_copy(void **state)
{
    Fix x;
    Val replay, slot, old;

    (void)state;
    fix_open(&x);
    replay = var(&x, "replay", shape_of(2, (int64_t)7, (int64_t)3));
    slot = ir_const(x.g, DT_i32, 2);
    old = ir_op3(x.g, OP_put, replay, slot,
                 var(&x, "row", shape_of(1, (int64_t)3)));
    // Needs the new contents and the old.
    out(&x, ir_add(x.g, ir_reverse(x.g, old, (int[]){0}, 1), replay));
    out(&x, old);
    x.e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    x.e->output[1].kind = OUT_VAR;
    x.e->output[1].name = "replay";
    lower(&x, ENTRY_TRAIN);
    assert_false(x.p->inplace[1]);
    agrees(&x, ENTRY_TRAIN);
    fix_close(&x);
}

/* --- the set-up part ----------------------------------------------------- */

static void what_depends_on_parameters_alone_is_set_up_once(void **state)
{
    Fix x;
    Val w, packed, y;
    Machine *m;
    MachineRun how = {0};
    Tensor want, got;

    (void)state;
    fix_open(&x);
    w = var(&x, "w", shape_of(2, (int64_t)9, (int64_t)4));
    packed = ir_transpose(x.g, ir_exp(x.g, w), (int[]){1, 0});
    y = field(&x, "x", shape_of(1, (int64_t)9));
    out(&x, ir_dot(x.g, y, packed,
                   &(DotDims){.ncontract = 1, .cx = {0}, .cy = {1}}));
    lower(&x, ENTRY_TRAIN);
    assert_int_equal(count_setup(x.p), 0);
    x.e->kind = ENTRY_EVALUATE;
    lower(&x, ENTRY_EVALUATE);
    assert_int_equal(count_setup(x.p), 1);
    m = machine_new(x.a, &x.e, 1, NULL, 1);
    machine_run(m, 0, x.a, &x.env, &how, &want);
    x.data.seed = 99; // other parameters, and other examples
    how.stale = true;
    machine_run(m, 0, x.a, &x.env, &how, &got);
    how.stale = false;
    machine_run(m, 0, x.a, &x.env, &how, &want);
    assert_true(got.at[0] != want.at[0]); // still the old parameters
    machine_free(m);
    fix_close(&x);
}

/* --- reproducible -------------------------------------------------------- */

static Val softmax_loss(Fix *x)
{
    Val v = field(x, "x", shape_of(1, (int64_t)37));
    Val w = var(x, "w", shape_of(2, (int64_t)37, (int64_t)10));
    Val y = ir_dot(x->g, v, w, &(DotDims){.ncontract = 1, .cx = {0},
                                          .cy = {0}});
    Val m = ir_reduce_all(x->g, OP_max_reduce, y), s;

    y = ir_sub(x->g, y, wide(x, m, y));
    s = ir_reduce_all(x->g, OP_sum, ir_exp(x->g, y));
    return ir_sub(x->g, wide(x, ir_log(x->g, s), y), y);
}

static void an_example_does_not_see_its_mates(void **state)
{
    static const int64_t number[] = {4, 0, 9, 3, 7, 1, 8};
    Fix x;
    Machine *m;
    Tensor all, some;
    int64_t n = ARRAY_LEN(number), size = 10;

    (void)state;
    fix_open(&x);
    out(&x, softmax_loss(&x));
    x.e = machine_entry(x.a, &x.f, ENTRY_EVALUATE);
    m = machine_new(x.a, &x.e, 1, NULL, 3);
    x.data.index = x.env.index = number;
    x.env.batch = n;
    machine_run(m, 0, x.a, &x.env, &(MachineRun){.threads = 2}, &all);
    for (int64_t i = 0; i < n; i++) {
        x.data.index = x.env.index = number + i;
        x.env.batch = i % 2 && i + 1 < n ? 2 : 1;
        machine_run(m, 0, x.a, &x.env, NULL, &some);
        assert_memory_equal(some.at, all.at + i * size,
                            (size_t)size * sizeof(double));
    }
    machine_free(m);
    fix_close(&x);
}

static void threads_and_levels_give_the_same_bits(void **state)
{
    Tensor first[2], got[2];
    Fix x;

    (void)state;
    fix_open(&x);
    out(&x, ir_op1(x.g, OP_batch_sum, softmax_loss(&x)));
    out(&x, ir_op1(x.g, OP_batch_sum,
                   ir_reduce_all(x.g, OP_sum, softmax_loss(&x))));
    x.e = machine_entry(x.a, &x.f, ENTRY_TRAIN);
    x.env.batch = 700;
    for (int level = 0; level < 4; level += 3) {
        Machine *m = machine_new(x.a, &x.e, 1, NULL, level);

        for (int threads = 1; threads <= 3; threads++) {
            MachineRun how = {.threads = threads};

            machine_run(m, 0, x.a, &x.env, &how, got);
            if (level == 0 && threads == 1)
                memcpy(first, got, sizeof got);
            assert_memory_equal(got[0].at, first[0].at, 10 * sizeof(double));
            assert_memory_equal(got[1].at, first[1].at, sizeof(double));
        }
        machine_free(m);
    }
    fix_close(&x);
}

/* --- the verifier and the dump ------------------------------------------- */

static void chain(Fix *x)
{
    Val v;

    fix_open(x);
    v = field(x, "x", shape_of(2, (int64_t)128, (int64_t)128));
    for (int i = 0; i < 8; i++) {
        Val s = ir_reduce(x->g, OP_sum, v, (int[]){1}, 1);
        v = ir_exp(x->g, ir_mul(x->g, v, ir_broadcast(x->g, s, v->type.shape,
                                                    (int[]){0})));
        v = ir_transpose(x->g, v, (int[]){1, 0});
    }
    out(x, ir_reduce_all(x->g, OP_sum, v));
    lower(x, ENTRY_EVALUATE);
}

static void memory_is_reused(void **state)
{
    Fix x;
    int64_t all = 0;

    (void)state;
    chain(&x);
    for (int i = 0; i < x.p->buffer.n; i++)
        if (x.p->buffer.at[i]->place == PLACE_ARENA)
            all += x.p->buffer.at[i]->bytes;
    assert_true(x.p->example_bytes > 0);
    assert_true(x.p->example_bytes < all);
    fix_close(&x);
}

static void the_verifier_sees_overlapping_memory(void **state)
{
    char err[200] = "";

    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        Fix x;

        chain(&x);
        for (int i = 0; broken && i < x.p->buffer.n; i++)
            x.p->buffer.at[i]->offset = 0;
        assert_int_equal(loop_verify(x.p, err, sizeof err), !broken);
        fix_close(&x);
    }
    assert_non_null(strstr(err, "overwritten"));
}

static void the_verifier_sees_a_missing_step(void **state)
{
    Fix x;
    char err[200] = "";

    (void)state;
    chain(&x);
    x.p->steps.list.n--;
    assert_false(loop_verify(x.p, err, sizeof err));
    assert_non_null(strstr(err, "output 0 is never written"));
    fix_close(&x);
}

static void print_to(FILE *f, const void *p)
{
    loop_print(f, p);
}

static void the_dump_names_buffers_kernels_and_expressions(void **state)
{
    Fix x;
    char *s;

    (void)state;
    chain(&x);
    s = text_of(x.a, print_to, x.p);
    assert_non_null(strstr(s, "program f: "));
    assert_non_null(strstr(s, "input 0 \"x\""));
    assert_non_null(strstr(s, "output 0 \"out\""));
    assert_non_null(strstr(s, "sum 128x128"));
    assert_non_null(strstr(s, "= exp"));
    fix_close(&x);
}

int main(void)
{
    const struct CMUnitTest test[] = {
        cmocka_unit_test(bias_and_activation_join_the_convolution),
        cmocka_unit_test(cheap_work_is_repeated_and_dear_work_is_not),
        cmocka_unit_test(a_sum_is_not_repeated_by_its_readers),
        cmocka_unit_test(a_reshape_shares_memory),
        cmocka_unit_test(outputs_may_be_inputs_equal_or_constant),
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
        cmocka_unit_test(what_depends_on_parameters_alone_is_set_up_once),
        cmocka_unit_test(an_example_does_not_see_its_mates),
        cmocka_unit_test(threads_and_levels_give_the_same_bits),
        cmocka_unit_test(memory_is_reused),
        cmocka_unit_test(the_verifier_sees_overlapping_memory),
        cmocka_unit_test(the_verifier_sees_a_missing_step),
        cmocka_unit_test(the_dump_names_buffers_kernels_and_expressions),
    };

    return cmocka_run_group_tests(test, NULL, NULL);
}
