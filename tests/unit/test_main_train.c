/*
 * Training: it learns, the same seed gives the same bits, a run that was cut
 * off goes on bit for bit, and what is not finite is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt.h"
#include "support/json_valid.h"
#include "support/main_case.h"

static RnnArrays load(const char *path)
{
    RnnArrays a = {0};
    RnnError err;

    if (rnn_arrays_read(path, &a, &err) != RNN_OK)
        fail_msg("%s", err.text);
    return a;
}

/* Same variables, bit for bit; metadata too. */
static bool same_file(const char *one, const char *two)
{
    RnnArrays a = load(one), b = load(two);
    bool same = a.n == b.n && a.n == 5 && a.nmeta == b.nmeta;

    for (int i = 0; same && i < a.n; i++) {
        const RnnArray *x = &a.array[i], *y = rnn_arrays_find(&b, x->name);

        same = y && !memcmp(x->at, y->at,
                            (size_t)rnn_type_count(&x->type) *
                                rnn_dtype_bytes(x->type.dt));
    }
    for (int i = 0; same && i < a.nmeta; i++)
        same = !strcmp(a.meta_key[i], b.meta_key[i]) &&
               !strcmp(a.meta_value[i], b.meta_value[i]);
    rnn_arrays_free(&a);
    rnn_arrays_free(&b);
    return same;
}

static char *read_text(const char *path)
{
    unsigned char *bytes;
    size_t n;
    RnnError err;

    if (rnn_file_read(path, &bytes, &n, &err) != RNN_OK)
        fail_msg("%s", err.text);
    char *text = calloc(1, n + 1);
    memcpy(text, bytes, n);
    free(bytes);
    return text;
}

static void training_reaches_a_low_loss_and_says_so(void **state)
{
    const ExeRun *r = must(0, "train --epochs 8 --json log.json --noisy");

    (void)state;
    assert_string_equal(r->err, "");
    assert_holds(r->out, "toy.train: 230 examples, 8 epochs of 11 steps");
    assert_holds(r->out, "10 examples of each epoch make no whole batch");
    assert_holds(r->out, "epoch 8/8  loss ");
    assert_holds(r->out, "weights: toy.safetensors (88 steps");
    char *json = read_text("log.json");
    assert_true(json_valid(json));
    char *last = strstr(json, "\"epoch\": 8");
    assert_non_null(last);
    assert_true(json_number(last, NULL, "loss") < 0.1);
    assert_true(json_number(last, NULL, "accuracy") > 0.95);
    assert_true(json_number(last, NULL, "each") < 0.1);
    free(json);
}

static void variables_and_position_are_in_the_file(void **state)
{
    RnnArrays a;

    (void)state;
    must(0, "train --epochs 2 --out v.safetensors --quiet");
    a = load("v.safetensors");
    assert_int_equal(a.n, 5);
    assert_int_equal(*(int32_t *)rnn_arrays_find(&a, "train.seen")->at, 440);
    int seen = 0;
    for (int i = 0; i < a.nmeta; i++) {
        if (!strcmp(a.meta_key[i], "program"))
            seen += !strcmp(a.meta_value[i], "toy");
        if (!strcmp(a.meta_key[i], "step"))
            seen += !strcmp(a.meta_value[i], "22");
        if (!strcmp(a.meta_key[i], "option.lr"))
            seen += !strcmp(a.meta_value[i], "0.5");
    }
    assert_int_equal(seen, 3);
    rnn_arrays_free(&a);
}

static void the_seed_decides_and_the_threads_do_not(void **state)
{
    (void)state;
    must(0, "train --noisy --seed 7 --threads 1 --out a.safetensors --quiet");
    must(0, "train --noisy --seed 7 --threads 2 --out b.safetensors --quiet");
    must(0, "train --noisy --seed 8 --threads 1 --out c.safetensors --quiet");
    assert_true(same_file("a.safetensors", "b.safetensors"));
    assert_false(same_file("a.safetensors", "c.safetensors"));
}

#define LONG "train --noisy --seed 7 --epochs 4 --quiet "

static void a_run_resumed_at_an_epoch_continues_bit_for_bit(void **state)
{
    (void)state;
    must(0, LONG "--out whole.safetensors");
    must(0, "train --noisy --seed 7 --epochs 2 --quiet --out two.safetensors");
    must(0, "train --epochs 4 --resume --quiet --out two.safetensors");
    assert_true(same_file("two.safetensors", "whole.safetensors"));
}

static void a_signal_checkpoints_and_the_run_goes_on_mid_epoch(void **state)
{
    static const int at[] = {0, 1, 10, 11, 17, 43};

    (void)state;
    must(0, LONG "--out whole.safetensors --json whole.json");
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        const ExeRun *r = exe_run(&fake_program, LONG "--raise_at %d "
                                  "--out cut.safetensors", at[i]);

        if (at[i] == 43) { // the last step: nothing is left to do
            assert_int_equal(r->code, 0);
            continue;
        }
        assert_int_equal(r->code, 130);
        assert_holds(r->err, "train --resume --out cut.safetensors");
        must(0, "train --resume --quiet --out cut.safetensors --raise_at -1 "
                "--json cut.json");
        RnnArrays a = load("cut.safetensors"), b = load("whole.safetensors");
        for (int k = 0; k < a.n; k++)
            assert_memory_equal(a.array[k].at, b.array[k].at,
                                (size_t)rnn_type_count(&a.array[k].type) * 4);
        rnn_arrays_free(&a);
        rnn_arrays_free(&b);
        char *one = read_text("whole.json"), *two = read_text("cut.json");
        assert_true(json_number(strstr(one, "\"epoch\": 4"), NULL, "loss") ==
                    json_number(strstr(two, "\"epoch\": 4"), NULL, "loss"));
        char *e2 = strstr(two, "\"epoch\": 2"); // its first half was cut off
        assert_non_null(e2);
        assert_true(json_number(strstr(one, "\"epoch\": 2"), NULL, "loss") ==
                    json_number(e2, NULL, "loss"));
        free(one);
        free(two);
    }
}

static void a_killed_run_goes_on_from_what_was_saved(void **state)
{
    (void)state;
    must(0, LONG "--out whole.safetensors");
    unlink("cut.safetensors");
    must(9, LONG "--die_at 3 --save-every 5 --out cut.safetensors");
    assert_int_equal(access("cut.safetensors", F_OK), -1);
    must(9, LONG "--die_at 29 --save-every 5 --resume --out cut.safetensors");
    must(0, LONG "--die_at -1 --resume --out cut.safetensors");
    assert_true(same_file("cut.safetensors", "whole.safetensors"));
}

static void a_complete_run_has_nothing_to_resume(void **state)
{
    (void)state;
    must(0, "train --epochs 1 --quiet --out done.safetensors");
    assert_holds(must(0, "train --resume --out done.safetensors")->out,
                 "complete");
}

static void resume_refuses_another_run(void **state)
{
    static const char *const row[][2] = {
        {"--seed 8", "--seed 8"},
        {"--batch 10", "--batch 10"},
        {"--limit 100", "230 examples"},
    };

    (void)state;
    must(0, "train --epochs 1 --quiet --out r.safetensors");
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const ExeRun *r = exe_run(&fake_program, "train --resume --epochs 2 "
                                  "--out r.safetensors %s", row[i][0]);

        assert_int_equal(r->code, 1);
        assert_holds(r->err, "r.safetensors");
        assert_holds(r->err, row[i][1]);
    }
    const ExeRun *r = exe_run(&fake_renamed,
                              "train --resume --out r.safetensors");
    assert_int_equal(r->code, 1);
    assert_holds(r->err, "its program is \"toy\", not \"other\"");
}

static void resume_needs_a_checkpoint_not_just_weights(void **state)
{
    RnnArrays a;
    RnnError err;

    (void)state;
    must(0, "train --epochs 1 --quiet --out p.safetensors");
    a = load("p.safetensors");
    int n = a.nmeta;
    a.nmeta = 0;
    assert_int_equal(rnn_arrays_write("p.safetensors", &a, &err), RNN_OK);
    a.nmeta = n;
    rnn_arrays_free(&a);
    assert_holds(must(1, "train --resume --out p.safetensors")->err,
                 "no checkpoint");
    must(0, "train --weights p.safetensors --epochs 1 --quiet");
    assert_int_equal(truncate("p.safetensors", 200), 0);
    must(1, "train --resume --out p.safetensors");
}

static void a_resumed_run_keeps_its_options(void **state)
{
    (void)state;
    must(0, "train --noisy --lr 0.25 --epochs 2 --quiet --out o.safetensors");
    must(0, "train --noisy --lr 0.25 --epochs 1 --quiet --out h.safetensors");
    must(0, "train --resume --epochs 2 --quiet --out h.safetensors");
    assert_true(same_file("o.safetensors", "h.safetensors"));
    assert_holds(must(0, "train --resume --epochs 3 --lr 0.125 "
                         "--out h.safetensors")->err,
                 "going on with --lr 0.125, which was 0.25");
}

static void a_loss_that_is_not_finite_names_step_and_kernel(void **state)
{
    const ExeRun *r;

    (void)state;
    must(0, "train --epochs 1 --quiet --out n.safetensors");
    r = must(1, "train --epochs 3 --poison 17 --out n.safetensors");
    assert_holds(r->err, "the loss became nan in step 18 (epoch 2, batch 7 of "
                         "11)");
    assert_holds(r->err, "came from \"dot 3x16\" (toy.rnn:5:7)");
    assert_holds(r->err, "\"n.safetensors\" keeps what was saved last");
    RnnArrays a = load("n.safetensors"); // the end of epoch 1
    assert_int_equal(*(int32_t *)rnn_arrays_find(&a, "train.seen")->at, 220);
    rnn_arrays_free(&a);
}

static void a_bad_new_parameter_stops_the_same_step(void **state)
{
    const ExeRun *r = must(1, "train --spoil 4 --out s.safetensors");

    (void)state;
    assert_holds(r->err, "new value of parameter \"f.bias\" is not finite in "
                         "step 5 (epoch 1, batch 5 of 11)");
    assert_holds(r->err, "came from \"softmax\" (toy.rnn:7:12)");
    assert_int_equal(access("s.safetensors", F_OK), -1);
}

static void a_stop_ends_the_run_with_its_reason(void **state)
{
    const ExeRun *r = must(0, "train --stop_at 13 --eps 0.2 "
                              "--out stop.safetensors");

    (void)state;
    assert_holds(r->out, "stopped after step 14: enough at eps 0.2");
    RnnArrays a = load("stop.safetensors");
    assert_int_equal(*(int32_t *)rnn_arrays_find(&a, "train.seen")->at, 280);
    rnn_arrays_free(&a);
}

static void no_epochs_save_the_initial_weights(void **state)
{
    (void)state;
    must(0, "train --epochs 0 --quiet --out zero.safetensors");
    must(0, "evaluate --weights zero.safetensors --quiet");
    assert_string_equal(must(0, "train --epochs 1 --quiet")->out, "");
}

static void weights_that_do_not_fit_are_listed(void **state)
{
    RnnArrays a;
    RnnError err;
    const ExeRun *r;

    (void)state;
    must(0, "train --epochs 1 --quiet --out fit.safetensors");
    a = load("fit.safetensors");
    RnnArray *w = (RnnArray *)rnn_arrays_find(&a, "f.weight");
    RnnArray *b = (RnnArray *)rnn_arrays_find(&a, "f.bias");
    w->type.dim[0] = 16;
    w->type.dim[1] = 3;
    b->name[2] = 'B';
    assert_int_equal(rnn_arrays_write("misfit.npz", &a, &err), RNN_OK);
    r = must(1, "evaluate --weights misfit.npz");
    assert_holds(r->err, "missing: f.bias f32[3]");
    assert_holds(r->err, "f.weight is f32[16, 3] in the file but f32[3, 16]");
    assert_holds(r->err, "unknown: f.Bias f32[3]");
    b->name[2] = 'b';
    w->type.dim[0] = 3;
    w->type.dim[1] = 16;
    ((float *)w->at)[7] = 0.0f / 0.0f;
    assert_int_equal(rnn_arrays_write("nan.npz", &a, &err), RNN_OK);
    assert_holds(must(1, "evaluate --weights nan.npz")->err,
                 "f.weight at element 7");
    rnn_arrays_free(&a);
}

static void a_second_name_in_the_way_leaves_nothing(void **state)
{
    int before = exe_files();

    (void)state;
    must(1, "train --batch 300 --out left.safetensors");
    must(1, "train --poison 0 --out left.safetensors");
    assert_int_equal(exe_files(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_reaches_a_low_loss_and_says_so),
        cmocka_unit_test(variables_and_position_are_in_the_file),
        cmocka_unit_test(the_seed_decides_and_the_threads_do_not),
        cmocka_unit_test(a_run_resumed_at_an_epoch_continues_bit_for_bit),
        cmocka_unit_test(a_signal_checkpoints_and_the_run_goes_on_mid_epoch),
        cmocka_unit_test(a_killed_run_goes_on_from_what_was_saved),
        cmocka_unit_test(a_complete_run_has_nothing_to_resume),
        cmocka_unit_test(resume_refuses_another_run),
        cmocka_unit_test(resume_needs_a_checkpoint_not_just_weights),
        cmocka_unit_test(a_resumed_run_keeps_its_options),
        cmocka_unit_test(a_loss_that_is_not_finite_names_step_and_kernel),
        cmocka_unit_test(a_bad_new_parameter_stops_the_same_step),
        cmocka_unit_test(a_stop_ends_the_run_with_its_reason),
        cmocka_unit_test(no_epochs_save_the_initial_weights),
        cmocka_unit_test(weights_that_do_not_fit_are_listed),
        cmocka_unit_test(a_second_name_in_the_way_leaves_nothing),
    };

    return cmocka_run_group_tests_name("main train", tests, main_set_up,
                                       main_tear_down);
}
