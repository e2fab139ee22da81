/*
 * The front end: what is read, where it stands, what is said about mistakes.
 * The shape of the tree is tested by the golden files in tests/parse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "front/front.h"

static Arena *a;
static Diag *d;

static int setup(void **state)
{
    (void)state;
    a = arena_new();
    d = diag_new(a);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static Ast *parse(const char *text)
{
    return front_parse(a, source_text(a, "t", text, strlen(text)), d);
}

static const char *said(void)
{
    char *bytes = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&bytes, &n);

    diag_flush(d, out, false);
    fclose(out);
    char *copy = arena_copy(a, bytes, n + 1);
    free(bytes);
    return copy;
}

/* The value of `fn f() = TEXT`. */
static const Ast *expression(const char *text)
{
    Ast *file = parse(arena_printf(a, "fn f() = %s", text));

    assert_string_equal(said(), "");
    return file->kid[0]->kid[2]->kid[0]->kid[0];
}

/* An expression with every pair of operands in parentheses. */
static const char *grouped(const Ast *e)
{
    if (e->kind == AST_binary)
        return arena_printf(a, "(%s %s %s)", grouped(e->kid[0]), e->text,
                            grouped(e->kid[1]));
    if (e->kind == AST_unary)
        return arena_printf(a, "(%s %s)", e->text, grouped(e->kid[0]));
    if (e->kind == AST_cond)
        return arena_printf(a, "(if %s then %s else %s)", grouped(e->kid[0]),
                            grouped(e->kid[1]), grouped(e->kid[2]));
    return span_text(a, e->span);
}

static void operators_bind_as_the_reference_says(void **state)
{
    static const char *const pair[][2] = {
        {"a + b * c - d", "((a + (b * c)) - d)"},
        {"a - b - c", "((a - b) - c)"},
        {"a / b // c % d @ e", "((((a / b) // c) % d) @ e)"},
        {"-x ** 2", "(- (x ** 2))"},
        {"a ** b ** c", "(a ** (b ** c))"},
        {"2 ** -x", "(2 ** (- x))"},
        {"-a * b", "((- a) * b)"},
        {"not a == b and c or d", "(((not (a == b)) and c) or d)"},
        {"a < b + 1", "(a < (b + 1))"},
        {"0 .. n + 1", "(0 .. (n + 1))"},
        {"if a then b else c + d", "(if a then b else (c + d))"},
        {"if a then b else if c then d else e",
         "(if a then b else (if c then d else e))"},
        {"1 + if a then b else c", "(1 + (if a then b else c))"},
        {"-f(x)[y].z", "(- f(x)[y].z)"},
        {"(a + b) * c", "((a + b) * c)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pair); i++)
        assert_string_equal(grouped(expression(pair[i][0])), pair[i][1]);
}

static void numbers_have_their_values(void **state)
{
    (void)state;
    assert_int_equal(expression("12")->inum, 12);
    assert_true(expression("12")->num == 12);
    assert_int_equal(expression("9223372036854775807")->inum, INT64_MAX);
    assert_true(expression("1e-4")->num == 1e-4);
    assert_true(expression("0.5")->num == 0.5);
    assert_true(expression("2.5e+3")->num == 2500);
    assert_int_equal(expression("2e3")->kind, AST_real_);
    assert_int_equal(expression("true")->inum, 1);
    assert_int_equal(expression("false")->inum, 0);
}

static void numbers_too_large_are_errors(void **state)
{
    (void)state;
    parse("const a = 9223372036854775808, b = 1e999");
    const char *out = said();
    assert_non_null(strstr(out, "t:1:11: error: integer is larger"));
    assert_non_null(strstr(out, "t:1:36: error: number is larger"));
}

static void strings_are_unescaped(void **state)
{
    (void)state;
    assert_string_equal(expression("\"a\\n\\t\\\"\\\\b\"")->text,
                        "a\n\t\"\\b");
    assert_string_equal(expression("\"\"")->text, "");
}

static void spans_cover_exactly_the_construct(void **state)
{
    (void)state;
    Ast *file = parse("fn f(x: real[2]) {\n  y = g(x, k: 1) + 2\n  return y\n}");
    const Ast *fn = file->kid[0];
    const Ast *assign = fn->kid[2]->kid[0];
    const Ast *sum = assign->kid[1];

    assert_int_equal(diag_nerrors(d), 0);
    assert_string_equal(span_text(a, fn->name_span), "f");
    assert_string_equal(span_text(a, assign->span), "y = g(x, k: 1) + 2");
    assert_string_equal(span_text(a, sum->span), "g(x, k: 1) + 2");
    assert_string_equal(span_text(a, sum->kid[0]->span), "g(x, k: 1)");
    assert_string_equal(span_text(a, sum->kid[0]->kid[2]->name_span), "k");
    assert_string_equal(span_text(a, fn->kid[0]->kid[0]->span), "x: real[2]");
    assert_string_equal(span_text(a, fn->kid[2]->span) + 0,
                        "{   y = g(x, k: 1) + 2   return y }");
}

static void line_breaks_separate_nothing(void **state)
{
    const char *apart = "fn f(x) {\n a = x\n (b, c) = g(a)\n return b\n}\n"
                        "const k = 1\n";
    char *together = arena_printf(a, "%s", apart);

    (void)state;
    for (char *c = together; *c; c++)
        if (*c == '\n')
            *c = ' ';
    for (int i = 0; i < 2; i++) {
        const Ast *file = parse(i ? together : apart);

        assert_int_equal(diag_nerrors(d), 0);
        assert_int_equal(file->n, 2);
        assert_int_equal(file->kid[0]->kid[2]->n, 3);
        assert_int_equal(file->kid[0]->kid[2]->kid[1]->kid[0]->kind,
                         AST_tuple);
    }
}

static void keywords_may_name_members_and_arguments(void **state)
{
    (void)state;
    const Ast *call = expression("f(d.train, batch: 3, in: x.for, if: 1)");

    assert_int_equal(call->kid[1]->kid[0]->kind, AST_member);
    assert_string_equal(call->kid[1]->kid[0]->text, "train");
    assert_string_equal(call->kid[2]->text, "batch");
    assert_string_equal(call->kid[3]->text, "in");
    assert_string_equal(call->kid[4]->text, "if");
}

/* --- mistakes ------------------------------------------------------------ */

static void every_slip_has_its_message(void **state)
{
    static const char *const slip[][2] = {
        {"fn f() { if x = 3 { } }", "write \"==\""},
        {"fn f() = g(x, k=5)", "named with \":\""},
        {"fn f() { a = (1 + 2 }", "missing \")\" before \"}\""},
        {"fn f() { a = [1, 2 }", "\"[\" was opened here"},
        {"fn f() {\n a = f(1\n b = 2 }", "missing \")\" before name \"b\""},
        {"fn f() {\nfn g() = 3", "missing \"}\" before \"fn\""},
        {"fn f() {", "missing \"}\" before the end of the file"},
        {"fn f() = 1)", "\")\" closes nothing"},
        {"fn f() { } }", "\"}\" closes nothing"},
        {"fn f() {\n net = 3 }", "\"net\" is a reserved word"},
        {"fn f() {\n state = 3 }", "\"state\" is a reserved word"},
        {"fn f(on) = 3", "\"on\" is a reserved word"},
        {"fn f() = a < b < c", "cannot be chained"},
        {"fn f() = x && y", "written \"and\""},
        {"fn f() = x || y", "written \"or\""},
        {"fn f() = !x", "written \"not\""},
        {"fn f() = x ^ 2", "written \"**\""},
        {"fn f() { x += 1 }", "there is no \"+=\""},
        {"fn f() { x := 1 }", "by \"=\""},
        {"fn f() = \"abc", "not closed on its line"},
        {"fn f() = \"a\\qb\"", "unknown escape"},
        {"fn f() = 'abc'", "double quotes"},
        {"fn f() = 12abc", "neither a number nor a name"},
        {"fn f() = .5", "write 0.5"},
        {"fn f() = x ? y", "if c then a else b"},
        {"fn f() = \xe2\x80\x9cx\xe2\x80\x9d", "plain double quotes"},
        {"fn f() = a \xe2\x88\x92 b", "plain \"-\""},
        {"fn f() = $x", "stray character \"$\""},
        {"fn f() = \001", "stray byte 0x01"},
        {"def f(x) { }", "starts with \"fn\""},
        {"x = 3", "const x = ..."},
        {"trian on d.train { }", "did you mean \"train\"?"},
        {"fn f() { while x { } }", "loops count"},
        {"fn f() { if a { } elif b { } }", "else if"},
        {"evaluate on d.test { }", "needs a name"},
        {"train on a.b against c.d { }", "belongs to an evaluation"},
        {"fn f(y: class) = 1", "number of classes"},
        {"fn f() { g(x) = 3 }", "cannot assign to this"},
        {"fn f() { a = }", "unexpected \"}\", expected an expression"},
        {"fn f() { for 3 in x { } }", "expected a name"},
        {"fn f() { if a: b }", "a block stands in \"{ }\""},
        {"fn f(x", "missing \")\" before the end of the file"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slip); i++) {
        int before = diag_nerrors(d);

        assert_non_null(parse(slip[i][0]));
        const char *out = said();
        if (!strstr(out, slip[i][1]))
            fail_msg("\"%s\" was answered by:\n%s", slip[i][0], out);
        assert_true(diag_nerrors(d) > before);
        d = diag_new(a);
    }
}

static void every_mistake_of_a_file_is_reported(void **state)
{
    (void)state;
    Ast *file = parse("fn f(x) {\n"
                      "  a = ) 1\n"
                      "  b = 2\n"
                      "  c = * 3\n"
                      "  repeat ) { e = 1 }\n"
                      "  return b\n"
                      "}\n"
                      "fn g(1) = 3\n"
                      "fn h(x) = x\n"
                      "net n(x) { return ( }\n"
                      "fn k(x) = x\n");
    const char *out = said();

    assert_int_equal(diag_nerrors(d), 5);
    assert_non_null(strstr(out, "t:2:7:"));
    assert_non_null(strstr(out, "t:4:7:"));
    assert_non_null(strstr(out, "t:5:10:"));
    assert_non_null(strstr(out, "t:8:6:"));
    assert_non_null(strstr(out, "t:10:21:"));
    const Ast *f = file->kid[0], *last = file->kid[file->n - 1];
    assert_string_equal(f->text, "f");
    assert_string_equal(last->text, "k");
    int npoison = 0;
    for (int i = 0; i < f->kid[2]->n; i++)
        npoison += f->kid[2]->kid[i]->kind == AST_poison;
    assert_int_equal(npoison, 3);
    assert_int_equal(f->kid[2]->kid[f->kid[2]->n - 1]->kind, AST_return_);
}

static char *repeated(const char *head, const char *part, int n,
                      const char *tail)
{
    size_t size = strlen(part);
    char *text = arena_alloc(a, strlen(head) + size * (size_t)n +
                                    strlen(tail) + 1);
    char *to = stpcpy(text, head);

    for (int i = 0; i < n; i++)
        to = stpcpy(to, part);
    stpcpy(to, tail);
    return text;
}

static void deep_nesting_is_an_error_not_a_crash(void **state)
{
    static const char *const deep[][3] = {
        {"fn f() = ", "(", ""},       {"fn f() = ", "- ", "x"},
        {"fn f() = ", "not ", "x"},   {"fn f() = x", " + x", ""},
        {"fn f() = x", "(1)", ""},    {"fn f() = x", ".a", ""},
        {"fn f() = x", " ** x", ""},  {"fn f() { ", "repeat 2 { ", ""},
        {"fn f() { ", "if a { } else ", "{ } }"},
        {"fn f() = ", "if a then b else ", "c"},
        {"fn f() = ", "[", ""},       {"fn f() = ", "g(x, ", ""},
        {"fn f() = x", "[0", ""},     {"", "fn f() { ", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(deep); i++) {
        d = diag_new(a);
        assert_non_null(
            parse(repeated(deep[i][0], deep[i][1], 100000, deep[i][2])));
        assert_true(diag_nerrors(d) > 0);
        if (i < ARRAY_LEN(deep) - 1)
            assert_non_null(strstr(said(), "nested deeper than 200 levels"));
    }
}

static void nesting_below_the_limit_is_fine(void **state)
{
    char *text = repeated("fn f() = ", "(", 190, "x");

    (void)state;
    parse(repeated(text, ")", 190, ""));
    assert_int_equal(diag_nerrors(d), 0);
    parse(repeated("fn f() = x", " + x", 150, ""));
    assert_int_equal(diag_nerrors(d), 0);
}

static void long_programs_are_read_in_linear_time(void **state)
{
    (void)state;
    Ast *file = parse(repeated("", "fn f(x) { a = x; return a }\n", 20000, ""));

    assert_int_equal(diag_nerrors(d), 0);
    assert_int_equal(file->n, 20000);
    parse(repeated("fn f(x) {\n", "a = )\n", 20000, "}"));
    assert_true(diag_nerrors(d) >= 20);
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        FRESH(operators_bind_as_the_reference_says),
        FRESH(numbers_have_their_values),
        FRESH(numbers_too_large_are_errors),
        FRESH(strings_are_unescaped),
        FRESH(spans_cover_exactly_the_construct),
        FRESH(line_breaks_separate_nothing),
        FRESH(keywords_may_name_members_and_arguments),
        FRESH(every_slip_has_its_message),
        FRESH(every_mistake_of_a_file_is_reported),
        FRESH(deep_nesting_is_an_error_not_a_crash),
        FRESH(nesting_below_the_limit_is_fine),
        FRESH(long_programs_are_read_in_linear_time),
    };

    return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
