/*
 * Diagnostics: their form, their order, what is left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

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

static Source *text(const char *name, const char *s)
{
    return source_text(a, name, s, strlen(s));
}

static const char *flush(bool colour)
{
    char *bytes = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&bytes, &n);

    diag_flush(d, out, colour);
    fclose(out);
    char *copy = arena_copy(a, bytes, n + 1);
    free(bytes);
    return copy;
}

static void an_error_points_at_its_text(void **state)
{
    Source *s = text("mlp.rnn", "a\n\th = W @ x\n");

    (void)state;
    diag_error(d, (Span){s, 7, 12}, "inner dimensions of \"%s\" differ", "@");
    diag_note(d, (Span){s, 0, 1}, "\"W\" is declared here");
    diag_help(d, "transpose it");
    assert_string_equal(
        flush(false),
        "mlp.rnn:2:6: error: inner dimensions of \"@\" differ\n"
        "    2 | \th = W @ x\n"
        "      | \t    ^~~~~\n"
        "mlp.rnn:1:1: note: \"W\" is declared here\n"
        "    1 | a\n"
        "      | ^\n"
        "      help: transpose it\n");
    assert_int_equal(diag_nerrors(d), 1);
}

static void messages_come_in_the_order_of_their_places(void **state)
{
    Source *s = text("t", "abcdef");

    (void)state;
    diag_error(d, (Span){s, 4, 5}, "second");
    diag_warn(d, (Span){s, 1, 2}, "w", "first");
    diag_error(d, (Span){0}, "without a place");
    const char *out = flush(false);
    const char *first = strstr(out, "t:1:2: warning: first [w]");
    const char *second = strstr(out, "t:1:5: error: second");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    assert_non_null(strstr(out, "rnnc: error: without a place\n"));
    assert_int_equal(diag_nerrors(d), 2);
    assert_int_equal(diag_nwarnings(d), 1);
    assert_string_equal(flush(false), "");
}

static void an_error_is_said_once(void **state)
{
    Source *s = text("t", "abc");

    (void)state;
    for (int i = 0; i < 3; i++) {
        diag_error(d, (Span){s, 0, 1}, "again");
        diag_note(d, (Span){0}, "and its note");
    }
    diag_error(d, (Span){s, 1, 2}, "again");
    assert_int_equal(diag_nerrors(d), 2);
    const char *out = flush(false);
    const char *note = strstr(out, "and its note");
    assert_non_null(note);
    assert_null(strstr(note + 1, "and its note"));
}

static void after_twenty_errors_the_rest_is_counted(void **state)
{
    char bytes[100];
    Source *s;

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    s = source_text(a, "t", bytes, sizeof bytes);
    for (uint32_t i = 0; i < 23; i++)
        diag_error(d, (Span){s, i, i + 1}, "e%u", i);
    const char *out = flush(false);
    assert_non_null(strstr(out, "error: e19\n"));
    assert_null(strstr(out, "error: e20\n"));
    assert_non_null(strstr(out, "\n3 more errors\n"));
    assert_int_equal(diag_nerrors(d), 23);
    diag_error(d, (Span){s, 50, 51}, "late");
    assert_string_equal(flush(false), "1 more error\n");
}

static void allow_silences_a_warning_where_it_stands(void **state)
{
    Source *s = text("t", "a # allow sign-gradient\n"
                          "# allow other, sign-gradient\n"
                          "b\n"
                          "c # allow sign-gradients\n"
                          "d\n");
    const char *lines[] = {"a", "b", "c", "d"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *at = s->text;

        while (*at != *lines[i] || (at > s->text && at[-1] != '\n'))
            at++;
        uint32_t lo = (uint32_t)(at - s->text);
        diag_warn(d, (Span){s, lo, lo + 1}, "sign-gradient", "at %s",
                  lines[i]);
    }
    const char *out = flush(false);
    assert_null(strstr(out, "at a"));
    assert_null(strstr(out, "at b"));
    assert_non_null(strstr(out, "at c"));
    assert_non_null(strstr(out, "at d"));
}

static void warnings_can_be_silenced_by_name(void **state)
{
    Source *s = text("t", "abc");

    (void)state;
    diag_silence(d, "noisy");
    diag_warn(d, (Span){s, 0, 1}, "noisy", "unheard");
    diag_note(d, (Span){s, 0, 1}, "its note");
    diag_warn(d, (Span){s, 0, 1}, "other", "heard");
    const char *out = flush(false);
    assert_null(strstr(out, "unheard"));
    assert_null(strstr(out, "its note"));
    assert_non_null(strstr(out, "heard [other]"));
}

static void a_mute_diag_collects_nothing(void **state)
{
    (void)state;
    assert_false(diag_mute(d, true));
    diag_error(d, (Span){0}, "speculation");
    assert_true(diag_mute(d, false));
    assert_int_equal(diag_nerrors(d), 0);
    assert_string_equal(flush(false), "");
}

static void a_span_over_lines_is_cut_at_its_first(void **state)
{
    Source *s = text("t", "one {\r\n two }\n");

    (void)state;
    diag_error(d, (Span){s, 4, 13}, "e");
    assert_string_equal(flush(false), "t:1:5: error: e\n"
                                      "    1 | one {\n"
                                      "      |     ^\n");
}

static void a_long_line_is_shown_in_part(void **state)
{
    char *bytes = arena_alloc(a, 5001);

    (void)state;
    memset(bytes, 'x', 5000);
    bytes[3000] = '!';
    Source *s = source_text(a, "t", bytes, 5000);
    diag_error(d, (Span){s, 3000, 4000}, "e");
    const char *out = flush(false);
    assert_true(strlen(out) < 400);
    assert_non_null(strstr(out, "x!x"));
}

static void the_program_cannot_speak_to_the_terminal(void **state)
{
    Source *s = text("t", "a\033[2Jb");

    (void)state;
    diag_error(d, (Span){s, 0, 1}, "name \"%s\"", "x\033]0;y\ny");
    const char *out = flush(false);
    assert_null(strchr(out, '\033'));
    assert_non_null(strstr(out, "    1 | a?[2Jb"));
}

static void colour_is_given_only_when_asked_for(void **state)
{
    Source *s = text("t", "abc");

    (void)state;
    diag_error(d, (Span){s, 0, 1}, "e");
    assert_non_null(strstr(flush(true), "\033[1;31merror:\033[0m"));
}

static void caret_counts_characters_not_bytes(void **state)
{
    Source *s = text("t", "\xc3\xa9\xc3\xa9x\xc3\xa9 y");

    (void)state;
    diag_error(d, (Span){s, 4, 7}, "e");
    assert_string_equal(flush(false),
                        "t:1:3: error: e\n"
                        "    1 | \xc3\xa9\xc3\xa9x\xc3\xa9 y\n"
                        "      |   ^~\n");
}

static void the_closest_name_is_proposed(void **state)
{
    static const char *const cand[] = {"train", "conv", "conv2d", "relu",
                                       "max_pool", "x"};
    int n = (int)ARRAY_LEN(cand);

    (void)state;
    assert_string_equal(diag_closest("trian", cand, n), "train");
    assert_string_equal(diag_closest("convd", cand, n), "conv");
    assert_string_equal(diag_closest("maxpool", cand, n), "max_pool");
    assert_string_equal(diag_closest("rleu", cand, n), "relu");
    assert_null(diag_closest("softmax", cand, n));
    assert_null(diag_closest("y", cand, n));
    assert_null(diag_closest("", cand, n));
    assert_null(diag_closest("anything", cand, 0));
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        FRESH(an_error_points_at_its_text),
        FRESH(messages_come_in_the_order_of_their_places),
        FRESH(an_error_is_said_once),
        FRESH(after_twenty_errors_the_rest_is_counted),
        FRESH(allow_silences_a_warning_where_it_stands),
        FRESH(warnings_can_be_silenced_by_name),
        FRESH(a_mute_diag_collects_nothing),
        FRESH(a_span_over_lines_is_cut_at_its_first),
        FRESH(a_long_line_is_shown_in_part),
        FRESH(the_program_cannot_speak_to_the_terminal),
        FRESH(colour_is_given_only_when_asked_for),
        FRESH(caret_counts_characters_not_bytes),
        FRESH(the_closest_name_is_proposed),
    };

    return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
