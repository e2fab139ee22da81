/*
 * test_degree.c -- degrees of homogeneity: every op has a rule, and what the
 * rules claim holds when the parameters are doubled: a value of degree L is
 * multiplied by 2^L, to the last bit.
 */
#include "support/check.h"

#include <math.h>
#include <string.h>

#include "ir/degree.h"

static void every_op_has_a_rule(void **state)
{
    (void)state;
    for (int op = 0; op < OP_COUNT; op++)
        if (!ir_degree_known((Op)op))
            fail_msg("\"%s\" has no row in degree.def", op_info[op].name);
}

/* Variables are "A", "B", ...: each its own group. */
static int leaf(void *user, Val v)
{
    (void)user;
    if (v->op != OP_input)
        return DEGREE_INNER;
    if (v->attr.i[0] == INPUT_VAR)
        return v->attr.s[0] - 'A';
    return v->attr.i[0] == INPUT_FIELD ? DEGREE_INPUT : DEGREE_FIXED;
}

static void fill(void *user, Val input, Tensor *t)
{
    Dice d = {.state = (uint64_t)input->attr.s[0]};
    double by = input->attr.i[0] == INPUT_VAR ? *(double *)user : 1;
    int64_t n = t->batch * shape_size(t->type.shape);

    for (int64_t k = 0; k < n; k++)
        t->at[k] = by * dice_real(&d, -2, 2);
}

static Degrees degrees(Arena *a, const char *body, Func **f)
{
    char err[300] = "";

    *f = ir_read(a, arena_printf(a, "func \"f\" {"
                 " %%0 = input field \"x\" : batch f64[4]"
                 " %%1 = input var \"A\" : f64[4]"
                 " %%2 = input var \"B\" : f64[4]"
                 " %%3 = input var \"C\" : f64[4]"
                 " %%4 = mul %%0, %%1 : batch f64[4]" // A: 1, x: 1
                 " %%5 = relu %%4 : batch f64[4]"
                 " %%6 = mul %%5, %%2 : batch f64[4]" // A: 1, B: 1, x: 1
                 " %s }", body), err, sizeof err);
    assert_string_equal(err, "");
    DegreeQuery q = {(*f)->out[0], 3, leaf, NULL};
    return ir_degrees(a, &q);
}

typedef struct Case {
    const char *body;
    double order, input; // input NAN: none
    double group[3];
    int with[3];
} Case;

#define NONE NAN
static const Case cases[] = {
    {"return %5 \"y\"", 1, 1, {1, 0, 0}, {0, 1, 2}},
    {"return %6 \"y\"", 2, 1, {1, 1, 0}, {0, 1, 2}},
    // a bias beside the first weights: x A + B
    {"%7 = spread %2 : batch f64[4] %8 = add %4, %7 : batch f64[4]"
     " return %8 \"y\"", 1, NONE, {1, 0, 0}, {0, 0, 2}},
    // sums of equal degree made up differently join their groups
    {"%7 = mul %0, %3 : batch f64[4] %8 = mul %7, %2 : batch f64[4]"
     " %9 = add %6, %8 : batch f64[4] return %9 \"y\"",
     2, 1, {1, 1, 0}, {0, 1, 0}},
    {"%7 = mul %6, %6 : batch f64[4] return %7 \"y\"", 4, 2, {2, 2, 0},
     {0, 1, 2}},
    {"%7 = abs %6 : batch f64[4] %8 = sqrt %7 : batch f64[4]"
     " return %8 \"y\"", 1, 0.5, {0.5, 0.5, 0}, {0, 1, 2}},
    {"%7 = sum %6 {0} : batch f64 %8 = max_reduce %5 {0} : batch f64"
     " %9 = div %7, %8 : batch f64 return %9 \"y\"", 1, 0, {0, 1, 0},
     {0, 1, 2}},
    // leaky: where(0 < h, h, h * A): the condition does not change
    {"%7 = const 0 : f64 %8 = broadcast %7 {4} : f64[4]"
     " %9 = spread %8 : batch f64[4] %10 = lt %9, %6 : batch bool[4]"
     " %11 = neg %6 : batch f64[4]"
     " %12 = select %10, %6, %11 : batch f64[4] return %12 \"y\"",
     2, 1, {1, 1, 0}, {0, 1, 2}},
    // what cancels: softmax-like quotients of equal degree are of degree 0
    {"%7 = sign %6 : batch f64[4] %8 = tanh %7 : batch f64[4]"
     " return %8 \"y\"", 0, 0, {0, 0, 0}, {0, 1, 2}},
    {"%7 = const 3 : i32 %8 = loop %7 index %9 depth 1 {"
     " carry %10 = %6 : batch f64[4] %11 = relu %10 : batch f64[4]"
     " %12 = add %11, %6 : batch f64[4] next %12 }"
     " %13 = proj %8 {0} : batch f64[4] return %13 \"y\"", 2, 1, {1, 1, 0},
     {0, 1, 2}},
};

static void degrees_are_those_of_doubled_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Case *c = &cases[i];
        Arena *a = arena_new();
        Func *f;
        Degrees d = degrees(a, c->body, &f);
        double by[2] = {1, 4};
        Tensor t[2];

        if (!d.homogeneous)
            fail_msg("case %zu: %s", i, d.why);
        assert_true(d.order == c->order);
        assert_true(d.input == c->input ||
                    (isnan(d.input) && isnan(c->input)));
        for (int k = 0; k < 3; k++) {
            assert_true(d.group[k] == c->group[k]);
            assert_int_equal(d.with[k], c->with[k]);
        }
        for (int k = 0; k < 2; k++) {
            EvalEnv env = {.batch = 2, .input = fill, .user = &by[k]};
            ir_eval(a, f, &env, &t[k]);
        }
        for (int64_t k = 0; k < shape_size(t[0].type.shape) * 2; k++)
            assert_true(t[1].at[k] == t[0].at[k] * pow(4, d.order));
        arena_free(a);
    }
}

/* What breaks it, the op where it does, and the sentence. */
static const struct {
    const char *body;
    Op at;
    const char *why;
} breaks[] = {
    {"%7 = spread %3 : batch f64[4] %8 = add %6, %7 : batch f64[4]"
     " return %8 \"y\"", OP_add,
     "degree 2 meets degree 1 in the parameters"},
    {"%7 = add %6, %0 : batch f64[4] return %7 \"y\"", OP_add,
     "degree 0 (nothing of it is scaled) meets degree 2 in the parameters"},
    {"%7 = tanh %6 : batch f64[4] %8 = mul %7, %6 : batch f64[4]"
     " return %8 \"y\"", OP_tanh,
     "\"tanh\" of a value of degree 2 in the parameters has no degree"},
    {"%7 = pad %6 {1, 1, 0} fill 1 : batch f64[6] return %7 \"y\"", OP_pad,
     "degree 2 meets degree 0 (nothing of it is scaled) in the parameters"},
    {"%7 = const 3 : i32 %8 = loop %7 index %9 depth 1 {"
     " carry %10 = %6 : batch f64[4] %11 = mul %10, %4 : batch f64[4]"
     " next %11 } %12 = proj %8 {0} : batch f64[4] return %12 \"y\"", OP_mul,
     "a pass of the repeat takes a value from degree 2 to degree 3"},
};

static void a_break_names_the_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        Arena *a = arena_new();
        Func *f;
        Degrees d = degrees(a, breaks[i].body, &f);

        assert_false(d.homogeneous);
        assert_string_equal(d.why, breaks[i].why);
        assert_int_equal(d.at->op, breaks[i].at);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_a_rule),
        cmocka_unit_test(degrees_are_those_of_doubled_parameters),
        cmocka_unit_test(a_break_names_the_operation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
