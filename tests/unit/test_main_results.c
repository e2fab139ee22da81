/*
 * evaluate, attack, infer and sample: what they compute, what they save, and
 * that neither batch size nor threads show in it.
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

enum { P = FAKE_PIXELS, C = FAKE_CLASSES, N = FAKE_TEST };

static int set_up(void **state)
{
    main_set_up(state);
    must(0, "train --epochs 3 --quiet");
    return 0;
}

static RnnArrays load(const char *path)
{
    RnnArrays a = {0};
    RnnError err;

    if (rnn_arrays_read(path, &a, &err) != RNN_OK)
        fail_msg("%s", err.text);
    return a;
}

static const RnnArray *array(const RnnArrays *a, const char *name, int64_t n)
{
    const RnnArray *x = rnn_arrays_find(a, name);

    if (!x)
        fail_msg("no array \"%s\"", name);
    assert_int_equal(x->type.dim[0], n);
    return x;
}

static void a_table_states_rates_means_and_their_intervals(void **state)
{
    const ExeRun *r = must(0, "evaluate robustness --json e.json");
    double lo, hi;

    (void)state;
    assert_holds(r->out, "robustness on toy.test: 101 examples, weights "
                         "toy.safetensors, seed 0, f32");
    assert_holds(r->out, "sign step of 0.1, {nothing}");
    assert_holds(r->out, "/101)");
    assert_holds(r->out, "\xc2\xb1");
    r = must(0, "evaluate --json -"); // all of them, to standard output
    assert_true(json_valid(r->out));
    double k = json_number(r->out, "clean", "k");
    assert_true(k > 90 && json_number(r->out, "attacked", "k") < k);
    assert_true(json_number(r->out, "clean", "value") == k / N);
    lo = json_number(r->out, "clean", "lo");
    hi = json_number(r->out, "clean", "hi");
    /* Wilson: |k/n - p| = z sqrt(p (1 - p) / n) at both ends. */
    for (int end = 0; end < 2; end++) {
        double p = end ? hi : lo;

        assert_true(fabs(fabs(k / N - p) -
                         1.959963984540054 * sqrt(p * (1 - p) / N)) < 1e-12);
    }
    assert_true(json_number(r->out, "norm", "value") > 0);
}

static void results_do_not_depend_on_batch_or_threads(void **state)
{
    static const char *const flags[] = {"--batch 100", "--batch 7",
                                        "--batch 1 --threads 2",
                                        "--batch 5000 --threads 1"};
    char *first = NULL;

    (void)state;
    for (int i = 0; i < 4; i++) {
        const ExeRun *r = exe_run(&fake_program, "evaluate --json - %s",
                                  flags[i]);
        char *tables;

        assert_int_equal(r->code, 0);
        tables = strstr(r->out, "\"tables\"");
        assert_non_null(tables);
        if (!first)
            first = strdup(tables);
        assert_string_equal(tables, first);
    }
    free(first);
}

static void limit_keeps_the_first_examples(void **state)
{
    const ExeRun *r = must(0, "evaluate --limit 10 --json -");

    (void)state;
    assert_true(json_number(r->out, "clean", "n") == 10);
    assert_holds(must(0, "evaluate --limit 10")->out, "/10)");
    // One example has no standard error.
    r = must(0, "evaluate robustness --limit 1");
    assert_holds(r->out, ": 1 example,");
    assert_null(strstr(r->out, "\xc2\xb1"));
}

static void initial_weights_must_be_asked_for(void **state)
{
    (void)state;
    assert_holds(must(0, "evaluate --weights init --seed 3")->out,
                 "weights initial values (seed 3)");
    assert_int_equal(exe_run(&fake_renamed, "evaluate")->code, 1);
}

static void an_attack_saves_pairs_and_verdicts(void **state)
{
    const ExeRun *r = must(0, "attack fgsm --eps 0.3 --out a.npz --batch 13");
    RnnArrays a = load("a.npz");
    const float *x = array(&a, "x", N)->at, *adv = array(&a, "x_adv", N)->at;
    const int32_t *y = array(&a, "y", N)->at;
    const int32_t *index = array(&a, "index", N)->at;
    const int32_t *pred = array(&a, "pred", N)->at;
    const int32_t *pred_adv = array(&a, "pred_adv", N)->at;
    const unsigned char *success = array(&a, "success", N)->at;
    int right = 0, fooled = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        assert_int_equal(index[i], i);
        assert_int_equal(y[i], i % C);
        assert_int_equal(success[i], pred[i] == y[i] && pred_adv[i] != y[i]);
        right += pred[i] == y[i];
        fooled += success[i];
        for (int k = 0; k < P; k++)
            assert_true(fabsf(adv[i * P + k] - x[i * P + k]) < 0.3001f);
    }
    assert_true(right > 90 && fooled > 50);
    char want[64];
    snprintf(want, sizeof want, "(%d/101)", right);
    assert_holds(r->out, want);
    assert_holds(r->out, "a.npz: x_adv f32[101, 1, 4, 4]");
    rnn_arrays_free(&a);
    r = must(0, "attack --eps 0.3 --out a.npz --json -");
    assert_true(json_valid(r->out));
    assert_true(json_number(r->out, NULL, "success") == fooled);
}

static void an_attack_that_may_do_nothing_does_nothing(void **state)
{
    static const char *const flags[] = {"--eps 0", "--steps 0 --eps 0.5"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(exe_run(&fake_program, "attack fgsm --quiet "
                                 "--out z.npz %s", flags[i])->code, 0);
        RnnArrays a = load("z.npz");
        assert_memory_equal(array(&a, "x", N)->at, array(&a, "x_adv", N)->at,
                            N * P * sizeof(float));
        rnn_arrays_free(&a);
    }
}

static void write_input(const char *path, const RnnType *type, float start)
{
    RnnArray one = {.name = (char *)"x", .type = *type};
    RnnArrays a = {.n = 1, .array = &one};
    RnnError err;
    int64_t n = rnn_type_count(type);

    one.at = calloc((size_t)n, sizeof(double));
    for (int64_t i = 0; i < n; i++)
        if (type->dt == RNN_F64)
            ((double *)one.at)[i] = (double)(start + 0.03f * (float)(i % 20));
        else if (type->dt == RNN_F32)
            ((float *)one.at)[i] = start + 0.03f * (float)(i % 20);
    if (rnn_arrays_write(path, &a, &err) != RNN_OK)
        fail_msg("%s", err.text);
    free(one.at);
}

static void inference_takes_batches_examples_and_bare_images(void **state)
{
    static const struct Case {
        RnnType type;
        int64_t n;
    } row[] = {
        {{.dt = RNN_F32, .rank = 4, .dim = {5, 1, 4, 4}}, 5},
        {{.dt = RNN_F64, .rank = 3, .dim = {5, 4, 4}}, 5},
        {{.dt = RNN_F32, .rank = 3, .dim = {1, 4, 4}}, 1},
        {{.dt = RNN_F32, .rank = 2, .dim = {4, 4}}, 1},
    };
    float want[C];

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        write_input("in.npy", &row[i].type, 0);
        must(0, "infer f --in in.npy --out out.npy --batch 2 --quiet");
        RnnArrays a = load("out.npy");
        assert_int_equal(a.array[0].type.rank, 2);
        assert_int_equal(a.array[0].type.dim[0], row[i].n);
        assert_int_equal(a.array[0].type.dim[1], C);
        if (!i)
            memcpy(want, a.array[0].at, sizeof want);
        assert_memory_equal(a.array[0].at, want, sizeof want);
        rnn_arrays_free(&a);
    }
    must(0, "infer --in in.npy --out out.npz --quiet");
    RnnArrays a = load("out.npz");
    array(&a, "f", 1);
    rnn_arrays_free(&a);
}

static void inference_agrees_with_the_predictions_of_an_attack(void **state)
{
    (void)state;
    must(0, "attack --out a.npz --quiet");
    must(0, "infer --in a.npz --out l.npy --quiet --limit 50");
    RnnArrays a = load("a.npz"), l = load("l.npy");
    const float *z = l.array[0].at;
    const int32_t *pred = array(&a, "pred", N)->at;

    assert_int_equal(l.array[0].type.dim[0], 50);
    for (int i = 0; i < 50; i++)
        for (int c = 0; c < C; c++)
            assert_true(z[i * C + c] <= z[i * C + pred[i]]);
    rnn_arrays_free(&a);
    rnn_arrays_free(&l);
}

static void inference_refuses_what_does_not_fit(void **state)
{
    static const struct Case {
        RnnType type;
        const char *words;
    } row[] = {
        {{.dt = RNN_F32, .rank = 2, .dim = {5, 15}}, "f32[5, 15]"},
        {{.dt = RNN_F32, .rank = 4, .dim = {5, 4, 4, 2}}, "f32[1, 4, 4]"},
        {{.dt = RNN_F32, .rank = 0}, "wrong shape"},
        {{.dt = RNN_F32, .rank = 4, .dim = {0, 1, 4, 4}}, "0"},
        {{.dt = RNN_BOOL, .rank = 4, .dim = {5, 1, 4, 4}}, "bool"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        write_input("bad.npy", &row[i].type, 0);
        const ExeRun *r = must(1, "infer --in bad.npy --out no.npy");
        assert_holds(r->err, "bad.npy");
        assert_holds(r->err, row[i].words);
    }
    write_input("nan.npy", &row[1].type, NAN);
    RnnType t = {.dt = RNN_F32, .rank = 3, .dim = {1, 4, 4}};
    write_input("nan.npy", &t, NAN);
    assert_holds(must(1, "infer --in nan.npy --out no.npy")->err, "not finite");
    write_input("far.npy", &t, 5);
    assert_holds(must(0, "infer --in far.npy --out far_out.npy")->err,
                 "outside the range of \"x\", [0, 1]");
    assert_int_equal(access("no.npy", 0), -1);
}

static void samples_depend_on_the_seed_and_on_nothing_else(void **state)
{
    (void)state;
    must(0, "sample grid --seed 5 --count 10 --out s.npy --quiet");
    must(0, "sample grid --seed 5 --n 10 --batch 3 --threads 1 --out t.npy");
    must(0, "sample grid --seed 6 --count 10 --out u.npy --quiet");
    must(0, "sample --out v.npz --quiet");
    RnnArrays s = load("s.npy"), t = load("t.npy"), u = load("u.npy");
    RnnArrays v = load("v.npz");

    array(&v, "grid", 6); // the program's own count
    assert_int_equal(s.array[0].type.rank, 4);
    assert_int_equal(s.array[0].type.dim[0], 10);
    assert_memory_equal(s.array[0].at, t.array[0].at, 10 * P * 4);
    assert_int_not_equal(memcmp(s.array[0].at, u.array[0].at, 10 * P * 4), 0);
    rnn_arrays_free(&s);
    rnn_arrays_free(&t);
    rnn_arrays_free(&u);
    rnn_arrays_free(&v);
}

static void memory_that_is_not_there_is_refused_with_its_size(void **state)
{
    RnnProgram p = fake_program;
    RnnEntry e[8];

    (void)state;
    memcpy(e, p.entry, sizeof *e * (size_t)p.nentry);
    for (int i = 0; i < p.nentry; i++)
        if (e[i].kind == RNN_ENTRY_EVALUATE)
            e[i].example_bytes = (int64_t)1 << 50;
    p.entry = e;
    const ExeRun *r = exe_run(&p, "evaluate --batch 8");
    assert_int_equal(r->code, 2);
    assert_holds(r->err, "\"robustness\" with --batch 8 needs 9.01 PB of memory");
    r = exe_run(&fake_program, "bench fgsm --batch 100000000000");
    assert_int_equal(r->code, 1);
    RnnError err;
    assert_int_equal(rnn_memory_check(1e18, "it", &err), RNN_SURROUNDINGS);
    assert_holds(err.text, "it needs 1000 PB of memory");
    assert_int_equal(rnn_memory_check(1e6, "it", &err), RNN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_states_rates_means_and_their_intervals),
        cmocka_unit_test(results_do_not_depend_on_batch_or_threads),
        cmocka_unit_test(limit_keeps_the_first_examples),
        cmocka_unit_test(initial_weights_must_be_asked_for),
        cmocka_unit_test(an_attack_saves_pairs_and_verdicts),
        cmocka_unit_test(an_attack_that_may_do_nothing_does_nothing),
        cmocka_unit_test(inference_takes_batches_examples_and_bare_images),
        cmocka_unit_test(inference_agrees_with_the_predictions_of_an_attack),
        cmocka_unit_test(inference_refuses_what_does_not_fit),
        cmocka_unit_test(samples_depend_on_the_seed_and_on_nothing_else),
        cmocka_unit_test(memory_that_is_not_there_is_refused_with_its_size),
    };

    return cmocka_run_group_tests_name("main results", tests, set_up,
                                       main_tear_down);
}
