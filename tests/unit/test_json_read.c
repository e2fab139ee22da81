/*
 * test_json_read.c -- JSON files as trees: what is one is read, and nothing
 * else is.
 */
#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"

static RnnStatus read_text(const char *text, size_t n, RnnJsonValue *v,
                           RnnError *err)
{
    Arena *a = arena_new();
    char *dir = temp_folder(a);
    const char *path = arena_printf(a, "%s/x.json", dir);

    temp_write(path, text, n);
    RnnStatus st = rnn_json_read(path, v, err);
    temp_gone(dir);
    arena_free(a);
    return st;
}

static void values_of_all_kinds(void **state)
{
    const char *text = " {\"a\": [1, -2.5e-3, null, true, false, "
                       "\"x\\n\\\"y\"],\n \"b\": {}, \"c\": [], \"long\": -881.51}\n";
    RnnJsonValue v;
    RnnError err = {""};

    (void)state;
    assert_int_equal(read_text(text, strlen(text), &v, &err), RNN_OK);
    const RnnJsonValue *a = rnn_json_get(&v, "a");
    assert_non_null(a);
    assert_int_equal(a->n, 6);
    assert_true(a->item[0].number == 1 && a->item[1].number == -2.5e-3);
    assert_int_equal(a->item[2].kind, RNN_JSON_NULL);
    assert_true(a->item[3].number == 1 && a->item[4].number == 0);
    assert_string_equal(a->item[5].text, "x\n\"y");
    assert_int_equal(rnn_json_get(&v, "b")->n, 0);
    assert_int_equal(rnn_json_get(&v, "c")->n, 0);
    assert_true(rnn_json_get(&v, "long")->number == -881.51);
    assert_null(rnn_json_get(&v, "d"));
    assert_null(rnn_json_get(a, "a"));
    rnn_json_drop_value(&v);
}

static void what_is_none_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "{", "[1, 2", "[1 2]", "{\"a\" 1}", "{a: 1}", "{\"a\": }", "\"x",
        "[1,]", "nul", "{} {}", "]", "{\"a\": \"b\\"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        RnnJsonValue v;
        RnnError err = {""};

        if (read_text(bad[i], strlen(bad[i]), &v, &err) == RNN_OK)
            fail_msg("taken for JSON: %s", bad[i]);
        assert_non_null(strstr(err.text, "is no JSON"));
        rnn_json_drop_value(&v);
    }
}

static void depth_is_bounded(void **state)
{
    enum { N = 200000 };
    char *text = malloc(N);
    RnnJsonValue v;
    RnnError err = {""};

    (void)state;
    memset(text, '[', N);
    assert_int_equal(read_text(text, N, &v, &err), RNN_BAD_INPUT);
    assert_non_null(strstr(err.text, "nested too deep"));
    rnn_json_drop_value(&v);
    free(text);
}

/* Every file cut short, and with a byte changed, ends in one of two ways. */
static void damaged_files_do_no_harm(void **state)
{
    const char text[] = "{\"epochs\": [{\"epoch\": 1, \"loss\": 0.5}], "
                        "\"t\": \"\\u00e4 \\\\\", \"n\": -1e-9}";
    Dice d = {.state = 3};

    (void)state;
    for (int i = 0; i < 400; i++) {
        char copy[sizeof text];
        size_t n = i < (int)sizeof text ? (size_t)i : sizeof text - 1;
        RnnJsonValue v;
        RnnError err = {""};

        memcpy(copy, text, sizeof text);
        copy[dice_int(&d, 0, sizeof text - 2)] = (char)dice_int(&d, 1, 255);
        read_text(copy, n, &v, &err);
        rnn_json_drop_value(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_all_kinds),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(damaged_files_do_no_harm)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
