/*
 * check-grad on a right and a wrong gradient, bench, info, and the parts they
 * report with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "face.h"
#include "support/json_valid.h"
#include "support/main_case.h"

static void a_right_gradient_passes(void **state)
{
    const ExeRun *r = exe_run(&fake_program, "check-grad --json c.json");

    (void)state;
    assert_string_equal(r->err, "");
    assert_int_equal(r->code, 0);
    assert_holds(r->out, "f.weight");
    assert_holds(r->out, "f.bias");
    assert_holds(r->out, "toy.x");
    assert_null(strstr(r->out, "WRONG"));
    r = exe_run(&fake_program, "--check-grad --json - --batch 3 --seed 9");
    assert_int_equal(r->code, 0);
    assert_true(json_valid(r->out));
    assert_true(json_number(r->out, "f.weight", "directions") < 1e-7);
    assert_true(fabs(json_number(r->out, NULL, "loss") -
                     json_number(r->out, NULL, "loss_f64")) < 1e-6);
}

static void a_gradient_off_by_a_thousandth_is_found(void **state)
{
    const ExeRun *r = exe_run(&fake_wrong, "check-grad");

    (void)state;
    assert_int_equal(r->code, 1);
    assert_holds(r->err, "1 of 3 gradients of \"train\"");
    const char *bias = strstr(r->out, "f.bias");
    assert_non_null(bias);
    assert_true(strstr(bias, "WRONG") < strstr(bias, "toy.x"));
}

static void without_data_the_check_takes_random_examples(void **state)
{
    const ExeRun *r;

    (void)state;
    assert_int_equal(system("mv toy away"), 0);
    r = exe_run(&fake_program, "check-grad");
    assert_int_equal(system("mv away toy"), 0);
    assert_int_equal(r->code, 0);
    assert_holds(r->err, "random examples");
}

static void bench_reports_every_entry_and_its_kernels(void **state)
{
    const ExeRun *r = exe_run(&fake_program, "bench --reps 5 --json b.json");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_holds(r->out, "train (training step, batch 20)");
    assert_holds(r->out, "fgsm (attack, batch 128)");
    assert_holds(r->out, "in 5 calls");
    assert_holds(r->out, "dot 3x16");
    assert_holds(r->out, "slow path");
    assert_null(strstr(r->out, "check_train"));
    r = exe_run(&fake_program, "bench f --reps 3 --batch 2 --json -");
    assert_int_equal(r->code, 0);
    assert_true(json_valid(r->out));
    assert_true(json_number(r->out, "f", "calls") == 3);
    double lo = json_number(r->out, "f", "min_s");
    double mid = json_number(r->out, "f", "median_s");
    double hi = json_number(r->out, "f", "max_s");
    assert_true(0 < lo && lo <= mid && mid <= hi);
}

static void bench_draws_what_it_measured(void **state)
{
    const ExeRun *r =
        exe_run(&fake_program, "bench f --seconds 0.01 --plot roof.svg");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_int_equal(access("roof.svg", R_OK), 0);
    r = exe_run(&fake_program, "bench f --plot roof.pdf");
    assert_int_equal(r->code, 1);
    assert_holds(r->err, "roof.pdf");
    r = exe_run(&fake_program, "bench f --seconds 0");
    assert_int_equal(r->code, 1);
    assert_holds(r->err, "--seconds");
}

static void info_lists_what_the_program_is_made_of(void **state)
{
    const ExeRun *r = exe_run(&fake_program, "info --batch 10");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_holds(r->out, "parameters: 51 in 2 tensors");
    assert_holds(r->out, "f.weight");
    assert_holds(r->out, "f32[3, 16]");
    assert_holds(r->out, "states: 52 in 3 tensors");
    assert_holds(r->out, "1.34 kB"); // 64 + 10 * 128 bytes
    assert_holds(r->out, "96 flop + 12 flop per pass of its loop");
    assert_holds(r->out, "toy = idx(\"toy\")");
    assert_holds(r->out, "class of 3");
    assert_holds(r->out, "--lr");
    assert_holds(r->out, "needs: sse4.2");
    r = exe_run(&fake_program, "info --json -");
    assert_true(json_valid(r->out));
    assert_true(json_number(r->out, NULL, "parameter_count") == 51);
}

static void json_escapes_what_text_may_hold(void **state)
{
    RnnFlags f = {.json = "-", .command = CMD_info};
    RnnJson j;

    (void)state;
    rnn_json_open(&j, &fake_program, &f);
    rnn_json_text(&j, "a\"b\\c\n\x01", "\xff\xc3\xa9\xe2\x82\xac\xed\xa0\x80");
    rnn_json_real(&j, "nan", NAN);
    rnn_json_real(&j, "inf", -INFINITY);
    rnn_json_real(&j, "tenth", 0.1);
    rnn_json_begin(&j, "empty", '[');
    rnn_json_end(&j, ']');
    rnn_json_line(&j, "line", '{');
    rnn_json_begin(&j, "in", '[');
    rnn_json_int(&j, NULL, 1);
    rnn_json_int(&j, NULL, -2);
    rnn_json_end(&j, ']');
    rnn_json_end(&j, '}');
    rnn_json_seed(&j, "seed", UINT64_MAX);
    rnn_json_end(&j, '}');
    fflush(j.to);
    assert_true(json_valid(j.text));
    assert_holds(j.text, "\"a\\\"b\\\\c\\u000a\\u0001\": \"\\ufffd\xc3\xa9");
    assert_holds(j.text, "\"nan\": null");
    assert_holds(j.text, "\"inf\": null");
    assert_holds(j.text, "\"tenth\": 0.1,");
    assert_holds(j.text, "\"line\": {\"in\": [1, -2]}");
    assert_holds(j.text, "18446744073709551615");
    rnn_json_drop(&j);
    assert_false(json_valid("{\"a\": 01}"));
    assert_false(json_valid("{\"a\": nan}"));
    assert_false(json_valid("[1,]"));
}

static void tables_align_by_characters_not_bytes(void **state)
{
    RnnTable t = {.align = "lrl"};
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    static const char *const cell[] = {"\xc2\xb1x", "1", "", "long", "1234",
                                       "end"};
    for (int i = 0; i < 6; i++)
        rnn_cell(&t, "%s", cell[i]);
    rnn_table_print(out, &t, 1);
    fclose(out);
    assert_string_equal(text, " \xc2\xb1x       1\n long  1234  end\n");
    free(text);
}

static void numbers_for_people_keep_three_digits(void **state)
{
    char buf[32];

    (void)state;
    assert_string_equal(rnn_scaled(999, "B", buf, sizeof buf), "999 B");
    assert_string_equal(rnn_scaled(1234, "B", buf, sizeof buf), "1.23 kB");
    assert_string_equal(rnn_scaled(12.5e9, "flop", buf, sizeof buf),
                        "12.5 Gflop");
    assert_string_equal(rnn_duration(65, buf, sizeof buf), "1:05");
    assert_string_equal(rnn_duration(3661, buf, sizeof buf), "1:01:01");
    assert_string_equal(rnn_duration(NAN, buf, sizeof buf), "?");
}

static void an_order_is_a_permutation_that_seed_and_epoch_choose(void **state)
{
    enum { MANY = 1000 };
    int32_t a[MANY], b[MANY];
    int seen[MANY] = {0};

    (void)state;
    rnn_epoch_order(3, 5, MANY, a);
    for (int i = 0; i < MANY; i++)
        seen[a[i]]++;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(seen[i], 1);
    rnn_epoch_order(3, 5, MANY, b);
    assert_memory_equal(a, b, sizeof a);
    rnn_epoch_order(3, 6, MANY, b);
    assert_int_not_equal(memcmp(a, b, sizeof a), 0);
    rnn_epoch_order(4, 5, MANY, b);
    assert_int_not_equal(memcmp(a, b, sizeof a), 0);
}

static void features_are_looked_up_by_llvm_names(void **state)
{
    char missing[32];

    (void)state;
    assert_true(rnn_cpu_has("", missing, sizeof missing));
    assert_true(rnn_cpu_has("+sse3,sse4.2,popcnt", missing, sizeof missing));
    assert_false(rnn_cpu_has("sse3,xop", missing, sizeof missing));
    assert_string_equal(missing, "xop");
    setenv("RNN_CPU_HIDE", "fma,popcnt", 1);
    assert_false(rnn_cpu_has("sse3,popcnt", missing, sizeof missing));
    assert_string_equal(missing, "popcnt");
    unsetenv("RNN_CPU_HIDE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_gradient_passes),
        cmocka_unit_test(a_gradient_off_by_a_thousandth_is_found),
        cmocka_unit_test(without_data_the_check_takes_random_examples),
        cmocka_unit_test(bench_reports_every_entry_and_its_kernels),
        cmocka_unit_test(bench_draws_what_it_measured),
        cmocka_unit_test(info_lists_what_the_program_is_made_of),
        cmocka_unit_test(json_escapes_what_text_may_hold),
        cmocka_unit_test(tables_align_by_characters_not_bytes),
        cmocka_unit_test(numbers_for_people_keep_three_digits),
        cmocka_unit_test(an_order_is_a_permutation_that_seed_and_epoch_choose),
        cmocka_unit_test(features_are_looked_up_by_llvm_names),
    };

    return cmocka_run_group_tests_name("main check", tests, main_set_up,
                                       main_tear_down);
}
