/*
 * The command line of compiled programs: help, flags, options, entry points,
 * and the checks that come first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "face.h"
#include "support/main_case.h"

/* Each row: a command line, its exit code, words of its message. */
static void refusals_name_the_flag_and_the_way_out(void **state)
{
    static const struct Case {
        const char *args;
        int code;
        const char *words[3];
    } row[] = {
        {"", 1, {"which command", "--help"}},
        {"trian", 1, {"unknown command \"trian\"", "\"train\""}},
        {"xyzzy", 1, {"unknown command", "--help lists"}},
        {"--seed 3 train", 1, {"command comes first", "--seed"}},
        {"train --epcohs 3", 1, {"--epcohs", "did you mean --epochs"}},
        {"train --esp 0.1", 1, {"--esp", "--eps"}},
        {"train --frobnicate", 1, {"unknown flag", "train --help"}},
        {"train -x", 1, {"-x", "no flag"}},
        {"evaluate --epochs 3", 1, {"--epochs", "evaluate", "train"}},
        {"train --epochs", 1, {"--epochs needs a value"}},
        {"train --epochs --quiet", 1, {"--epochs needs a value"}},
        {"train --epochs three", 1, {"--epochs", "whole number", "three"}},
        {"train --epochs 3x", 1, {"whole number"}},
        {"train --epochs -1", 1, {"from 0"}},
        {"train --batch 0", 1, {"--batch", "from 1"}},
        {"train --batch 99999999999999999999", 1, {"--batch"}},
        {"train --limit -5", 1, {"--limit"}},
        {"train --threads 100000000", 1, {"--threads", "1024"}},
        {"train --seed -1", 1, {"--seed"}},
        {"train --seed 18446744073709551616", 1, {"--seed", "2^64"}},
        {"train --eps abc", 1, {"--eps", "number", "abc"}},
        {"train --eps nan", 1, {"--eps", "number"}},
        {"train --eps 0x1", 1, {"--eps", "number"}},
        {"train --eps 1/0", 1, {"--eps", "number"}},
        {"train --eps 7", 1, {"--eps 7", "0 .. 1", "radius of the attack"}},
        {"train --noisy=maybe", 1, {"--noisy", "true or false"}},
        {"train --quiet=2", 1, {"--quiet", "switch"}},
        {"train --no-eps", 1, {"unknown flag"}},
        {"train --stop_at 1.5", 1, {"--stop_at", "whole number"}},
        {"train --steps 3", 1, {"--steps", "option of \"fgsm\""}},
        {"train a b", 1, {"one name", "\"b\""}},
        {"train other", 1, {"nothing named \"other\"", "train"}},
        {"evaluate robustnes", 1, {"robustnes", "did you mean \"robustness\""}},
        {"attack pgd --out a.npz", 1, {"\"pgd\"", "fgsm"}},
        {"attack fgsm --weights init", 1, {"--out"}},
        {"attack fgsm --weights init --out a.npy", 1, {"several arrays"}},
        {"attack fgsm --weights init --out a.txt", 1, {".npz"}},
        {"infer --weights init --out y.npy", 1, {"--in FILE"}},
        {"infer --in x.npy --weights init", 1, {"x.npy"}},
        {"sample --out s.png --weights init", 1, {".npy"}},
        {"info robustness", 1, {"takes no name"}},
        {"info --steps 3", 1, {"--steps"}},
        {"evaluate --weights init --json nowhere/x.json", 2, {"nowhere"}},
        {"train --out nowhere/w.safetensors", 2, {"nowhere", "--out"}},
        {"train --out w.npz", 1, {".safetensors"}},
        {"train --out toy", 1, {"toy"}},
        {"train --resume --weights w.npz", 1, {"--resume", "--weights"}},
        {"train --weights none.npz", 1, {"none.npz"}},
        {"train --batch 231", 1, {"231", "230 examples", "--batch"}},
        {"train --data nowhere", 1, {"nowhere"}},
        {"evaluate", 1, {"toy.safetensors", "--weights"}},
        {"evaluate --weights none.safetensors", 1, {"none.safetensors"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const ExeRun *r = exe_run(&fake_program, "%s", row[i].args);

        printf("%2d  %-44s %s", r->code, row[i].args, r->err);
        if (r->code != row[i].code)
            fail_msg("\"%s\" gave %d: %s", row[i].args, r->code, r->err);
        for (int k = 0; k < 3 && row[i].words[k]; k++)
            assert_holds(r->err, row[i].words[k]);
        assert_string_equal(r->out, "");
        assert_int_equal(exe_files(), 0);
    }
}

static void help_lists_commands_entries_and_options(void **state)
{
    const ExeRun *r = exe_run(&fake_program, "--help");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_string_equal(r->err, "");
    for (int c = 0; c < CMD_COUNT; c++)
        assert_holds(r->out, rnn_command_info[c].name);
    assert_holds(r->out, "--lr REAL");
    assert_holds(r->out, "step size (default 0.5, in 0 .. 10)");
    assert_holds(r->out, "--noisy");
    assert_holds(r->out, ": fgsm");
    assert_lacks(r->out, "check_train");
}

static void help_of_a_command_lists_its_flags_and_entry_options(void **state)
{
    const ExeRun *r = exe_run(&fake_program, "attack --help");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_holds(r->out, "the sign of the gradient");
    assert_holds(r->out, "on toy.test");
    assert_holds(r->out, "options of fgsm:");
    assert_holds(r->out, "--steps INT");
    assert_holds(r->out, "--weights FILE");
    assert_lacks(r->out, "--epochs");
    r = exe_run(&fake_program, "help train");
    assert_int_equal(r->code, 0);
    assert_holds(r->out, "--epochs N");
    assert_holds(r->out, "batch 20, 3 epochs");
}

static void version_names_program_and_compiler(void **state)
{
    const ExeRun *r = exe_run(&fake_program, "--version");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_holds(r->out, "toy (f32), built by rnnc 0.1.0");
}

static void a_missing_cpu_feature_is_named_before_anything_runs(void **state)
{
    const ExeRun *r = exe_run(&fake_needs_xop, "train");

    (void)state;
    assert_int_equal(r->code, 2);
    assert_holds(r->err, "lacks xop");
    assert_holds(r->err, "rnnc build --cpu");
}

static void a_program_of_another_abi_is_refused(void **state)
{
    RnnProgram p = fake_program;

    (void)state;
    p.abi = RNN_ABI + 1;
    assert_int_equal(exe_run(&p, "info")->code, 2);
}

static void parse(RnnFlags *f, const char *text)
{
    static char line[256]; // flags borrow their texts
    char *argv[32] = {"exe"};
    int argc = 1;
    RnnError err;

    snprintf(line, sizeof line, "%s", text);
    for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    if (rnn_flags_parse(f, &fake_program, argc, argv, &err) != RNN_OK)
        fail_msg("%s: %s", text, err.text);
}

static void values_and_spellings_reach_the_flags(void **state)
{
    const RnnEntry *train = &fake_program.entry[1];
    RnnFlags f;

    (void)state;
    parse(&f, "train --eps=8/255 --noisy --stop-at 12 --seed "
              "18446744073709551615 --save_every 7 --checkpoint a.safetensors");
    assert_true(f.option[1] == 8.0 / 255);
    assert_true(f.option[2] == 1);
    assert_true(f.option[rnn_option_at(&fake_program, train, 3 + 2)] == 12);
    assert_true(f.seed == UINT64_MAX && f.seed_given);
    assert_int_equal(f.save_every, 7);
    assert_string_equal(f.out, "a.safetensors");
    assert_int_equal(f.nentry, 1);
    rnn_flags_free(&f);
    parse(&f, "train --no-noisy --quiet --lr -0 --lr 1e-3");
    assert_true(f.option[2] == 0 && f.option[0] == 1e-3 && f.quiet);
    rnn_flags_free(&f);
    parse(&f, "attack --steps 5 fgsm --out x.npz");
    assert_int_equal(f.entry[0], 3);
    assert_true(f.option[rnn_option_at(&fake_program, &fake_program.entry[3],
                                       3)] == 5);
    rnn_flags_free(&f);
    parse(&f, "--check-grad");
    assert_int_equal(f.command, CMD_check_grad);
    assert_int_equal(f.entry[0], 1);
    rnn_flags_free(&f);
    parse(&f, "sample --n 3 --out x.npy");
    assert_int_equal(f.count, 3);
    rnn_flags_free(&f);
}

static void an_option_hidden_by_a_flag_has_a_spelling_of_its_own(void **state)
{
    RnnProgram p = fake_program;
    RnnOption seed = {"seed", "of nothing", RNN_OPT_INT, 0, 4, 0, 9};
    const ExeRun *r;

    (void)state;
    p.option = &seed;
    p.nopt = 1;
    p.nentry = 1;
    r = exe_run(&p, "train --help");
    assert_int_equal(r->code, 0);
    assert_holds(r->out, "--option.seed INT");
    r = exe_run(&p, "info --option.seed 12");
    assert_holds(r->err, "0 .. 9");
}

static void output_that_cannot_be_written_is_noticed(void **state)
{
    const char *const to[] = {"/dev/full", NULL};

    (void)state;
    fflush(NULL);
    for (int i = 0; to[i]; i++) {
        int keep = dup(1), full = open(to[i], O_WRONLY);
        char *argv[] = {"exe", "info"};

        assert_true(keep >= 0 && full >= 0);
        dup2(full, 1);
        int code = rnn_main(2, argv, &fake_program);
        clearerr(stdout);
        dup2(keep, 1);
        close(keep);
        close(full);
        assert_int_equal(code, 2);
    }
}

static void near_names_are_suggested_and_far_ones_are_not(void **state)
{
    static const char *const cand[] = {"train", "robustness", "save-every"};

    (void)state;
    assert_string_equal(rnn_closest("trian", cand, 3), "train");
    assert_string_equal(rnn_closest("robustnes", cand, 3), "robustness");
    assert_string_equal(rnn_closest("save_evry", cand, 3), "save-every");
    assert_null(rnn_closest("zzz", cand, 3));
    assert_true(rnn_same_name("save-every", "save_every"));
    assert_false(rnn_same_name("save", "save_every"));
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    double x;
    int64_t i;
    uint64_t u;

    (void)state;
    assert_true(rnn_parse_real("1e-3", &x) && x == 1e-3);
    assert_true(rnn_parse_real("-8/16", &x) && x == -0.5);
    static const char *const bad[] = {"", " 1", "1 ", "1e", "inf", "nan", "0x2",
                                      "1/", "/2", "1/2/3", "1e999", "--1"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_false(rnn_parse_real(bad[k], &x));
        assert_false(rnn_parse_int(bad[k], &i));
        assert_false(rnn_parse_seed(bad[k], &u));
    }
    assert_true(rnn_parse_int("-12", &i) && i == -12);
    assert_false(rnn_parse_int("9223372036854775808", &i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_name_the_flag_and_the_way_out),
        cmocka_unit_test(help_lists_commands_entries_and_options),
        cmocka_unit_test(help_of_a_command_lists_its_flags_and_entry_options),
        cmocka_unit_test(version_names_program_and_compiler),
        cmocka_unit_test(a_missing_cpu_feature_is_named_before_anything_runs),
        cmocka_unit_test(a_program_of_another_abi_is_refused),
        cmocka_unit_test(values_and_spellings_reach_the_flags),
        cmocka_unit_test(an_option_hidden_by_a_flag_has_a_spelling_of_its_own),
        cmocka_unit_test(output_that_cannot_be_written_is_noticed),
        cmocka_unit_test(near_names_are_suggested_and_far_ones_are_not),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests_name("main flags", tests, main_set_up,
                                       main_tear_down);
}
