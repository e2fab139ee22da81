/*
 * test_ir_text.c -- printer and reader are inverses, and the reader answers
 * bad text with a place and a reason.
 */
#include "support/op_case.h"

#include <string.h>

static void stays(const char *text)
{
    Arena *a = arena_new();
    char err[300] = "";
    Func *f = ir_read(a, text, err, sizeof err);

    assert_string_equal(err, "");
    assert_text(text_of_func(a, f), text);
    arena_free(a);
}

static void loops_names_and_attributes_stay(void **state)
{
    (void)state;
    stays("func \"train\" {\n"
          "    %0 = input field \"x\" : batch f32[4, 4, 1] \"x\"\n"
          "    %1 = input option \"steps\" : i32\n"
          "    %2 = const 0.1 : f32\n"
          "    %3 = loop %1 index %4 \"i\" depth 1 {\n"
          "        carry %5 = %0 : batch f32[4, 4, 1] \"adv\"\n"
          "        %6 = uniform %4 {7, 1, 4, 4, 1} : batch f32[4, 4, 1]\n"
          "        %7 = add %5, %6 : batch f32[4, 4, 1]\n"
          "        %8 = loop %4 index %9 depth 3 {\n"
          "            carry %10 = %7 : batch f32[4, 4, 1]\n"
          "            %11 = tanh %10 : batch f32[4, 4, 1]\n"
          "            next %11\n"
          "        }\n"
          "        %12 = proj %8 {0} : batch f32[4, 4, 1]\n"
          "        next %12\n"
          "    } \"attack\"\n"
          "    %13 = proj %3 {0} : batch f32[4, 4, 1]\n"
          "    %14 = pad %13 {1, 1, 0, 0, 2, 1, 0, 0, 0} fill -inf : "
          "batch f32[6, 9, 1]\n"
          "    %15 = sum %14 {0, 1, 2} : batch f32\n"
          "    %16 = grad %15, %0 : batch f32[4, 4, 1]\n"
          "    return %16 \"dx\", %2 \"a \\\"name\\\" \\\\ \\n \\x01\"\n"
          "}\n");
    stays("func \"\" {\n    return\n}\n");
    stays("func \"f\" {\n"
          "    %0 = const 3 : i32\n"
          "    %1 = loop %0 index %2 depth 1 {\n"
          "        carry %3 = %0 : i32\n"
          "        next %2\n"
          "    }\n"
          "    %4 = proj %1 {0} : i32\n"
          "    return %4\n"
          "}\n");
}

static void numbers_read_back_as_they_were(void **state)
{
    static const double f[] = {0.1, 1.0 / 3, 1e300, 5e-324, -0.0, INFINITY,
                               -INFINITY, NAN, 1, 16777217, 0x1.fffffep127};
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    Val out[ARRAY_LEN(f)];
    char err[300] = "";

    (void)state;
    for (int k = 0; k < ARRAY_LEN(f); k++)
        out[k] = ir_const(g, DT_f64, f[k]);
    Func fn = {.name = "f", .g = g, .nout = ARRAY_LEN(f), .out = out};
    Func *again = ir_read(a, text_of_func(a, &fn), err, sizeof err);
    assert_string_equal(err, "");
    for (int k = 0; k < ARRAY_LEN(f); k++)
        assert_memory_equal(&again->out[k]->attr.f, &out[k]->attr.f,
                            sizeof(double));
    assert_true(again->out[0]->attr.f == 0.1);
    assert_non_null(strstr(text_of_func(a, &fn), "const 0.1 :"));
    arena_free(a);
}

/* One function with every op that stands alone, on inputs of its own. */
static void every_op_survives_printing(void **state)
{
    Arena *a = arena_new();
    Graph *g = graph_new(a);
    Dice d = {.state = 5};
    VEC(Val) out = {0};
    char err[300] = "";

    (void)state;
    for (int op = 0; op < OP_COUNT; op++)
        for (int k = 0; k < 20; k++) {
            OpCase c;
            if (op_case(a, g, (Op)op, k % 5 == 4 ? DT_i32 : DT_f32, &d, &c))
                VEC_PUSH(a, &out, c.y);
        }
    Func f = {.name = "all", .g = g, .nout = out.n, .out = out.at};
    char *text = text_of_func(a, &f);
    Func *again = ir_read(a, text, err, sizeof err);
    assert_string_equal(err, "");
    assert_text(text_of_func(a, again), text);
    for (int k = 0; k < f.nout; k++) {
        assert_int_equal(again->out[k]->op, f.out[k]->op);
        assert_true(type_eq(again->out[k]->type, f.out[k]->type));
        assert_memory_equal(again->out[k]->attr.i, f.out[k]->attr.i,
                            sizeof f.out[k]->attr.i);
    }
    arena_free(a);
}

typedef struct BadText {
    const char *text, *err;
} BadText;

static const BadText bad[] = {
    {"", "1:1: \"func\" expected"},
    {"func f {", "1:6: the name of the function expected"},
    {"func \"f", "1:8: the string does not end"},
    {"func \"f\" { %0 = nonsense : f32 return %0 }", "1:17: an op expected"},
    {"func \"f\" { %0 = const 1 : f32\n %0 = const 2 : f32 return %0 }",
     "2:21: %0 is defined twice"},
    {"func \"f\" { return %0 }", "1:21: %0 is not defined here"},
    {"func \"f\" { %0 = const 1 : f32[2] return %0 }",
     "1:45: %0 = const 1 : f32[2]: a constant is a shared scalar"},
    {"func \"f\" { %0 = const 1 : f16 return %0 }", "1:27: a type expected"},
    {"func \"f\" { %0 = const x : f32 return %0 }",
     "1:23: a number expected"},
    {"func \"f\" { %0 = const 1 : f32[0] return %0 }",
     "1:33: dim 0 of shape [0] is empty"},
    {"func \"f\" { %0 = const 1 : f32[1, 1, 1, 1, 1, 1, 1] return %0 }",
     "1:48: more than 6 dims"},
    {"func \"f\" { %0 = input thing \"x\" : f32 return %0 }",
     "1:23: the kind and name of an input expected"},
    {"func \"f\" { %0 = input field \"x\" : f32 return %0 }",
     "1:50: %0 = input field \"x\" : f32: a field is per example"},
    {"func \"f\" { %0 = const 1 : f32 %1 = neg %0 : f64 return %1 }",
     "1:49: the type is f32, not f64"},
    {"func \"f\" { %0 = const 1 : f32 %1 = loop %0 index %2 depth 1 { next }"
     " return %0 }", "1:62: the count is f32"},
    {"func \"f\" { %0 = const 1 : i32 %1 = loop %0 index %2 depth 0 { next }"
     " return %0 }", "1:62: 0 is no depth for a loop here"},
    {"func \"f\" { %0 = const 1 : i32 %1 = loop %0 index %2 depth 1 {"
     " %3 = neg %2 : i32 next } return %3 }",
     "1:97: %3 is not defined here"},
    {"func \"f\" { %0 = const 1 : i32 %1 = loop %0 index %2 depth 1 {"
     " carry %3 = %0 : f32 next %3 } return %0 }",
     "1:83: the initial value is i32"},
    {"func \"f\" { %0 = const 1 : i32 %1 = loop %0 index %2 depth 1 {"
     " next } %4 = proj %1 {0} : i32 return %4 }",
     "1:93: no value of a loop"},
    {"func \"f\" { %0 = const 1 : i32 %1 = loop %0 index %2 depth 1 {"
     " next } %4 = neg %1 : i32 return %4 }",
     "1:88: a loop is used as a value"},
    {"func \"f\" { return } more", "1:21: nothing more expected"},
    {"func \"f\" { %99999999999 = const 1 : f32 return }",
     "1:24: no number of a value"},
};

static void bad_text_is_answered_with_its_place(void **state)
{
    (void)state;
    for (int k = 0; k < ARRAY_LEN(bad); k++) {
        Arena *a = arena_new();
        char err[300] = "";
        assert_null(ir_read(a, bad[k].text, err, sizeof err));
        assert_text(err, bad[k].err);
        arena_free(a);
    }
}

/* Cut short anywhere, or with any byte changed, text is read or refused. */
static void damaged_text_is_never_fatal(void **state)
{
    static const char text[] =
        "func \"f\" { %0 = input field \"x\" : batch f32[3]"
        " %1 = const 3 : i32 %2 = loop %1 index %3 depth 1 {"
        " carry %4 = %0 : batch f32[3] %5 = dot %4, %0 {1, 0, 0, 0, 0} :"
        " batch f32 %6 = broadcast %5 {3} : batch f32[3] next %6 }"
        " %7 = proj %2 {0} : batch f32[3] return %7 \"y\" }";
    char copy[sizeof text], err[300];
    Dice d = {.state = 3};

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        Arena *a = arena_new();
        memcpy(copy, text, sizeof text);
        copy[n] = 0;
        assert_true((ir_read(a, copy, err, sizeof err) != NULL) ==
                    (n == sizeof text - 1));
        arena_free(a);
    }
    for (int k = 0; k < 3000; k++) {
        Arena *a = arena_new();
        memcpy(copy, text, sizeof text);
        for (int64_t j = dice_int(&d, 1, 3); j > 0; j--)
            copy[dice_int(&d, 0, sizeof text - 2)] =
                text[dice_int(&d, 0, sizeof text - 2)];
        ir_read(a, copy, err, sizeof err);
        arena_free(a);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_names_and_attributes_stay),
        cmocka_unit_test(numbers_read_back_as_they_were),
        cmocka_unit_test(every_op_survives_printing),
        cmocka_unit_test(bad_text_is_answered_with_its_place),
        cmocka_unit_test(damaged_text_is_never_fatal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
