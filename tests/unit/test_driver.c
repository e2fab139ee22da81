/*
 * The compiler's face: commands, flags, exit codes, files whole or not at
 * all. Runs the rnnc binary.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "support/process.h"

enum { WORDS = 12, SECONDS = 120 };

static Arena *a;
static char folder[] = "/tmp/rnnc_driver_XXXXXX";

static const char small_program[] =
    "option scale: real in [0, 2] = 1 \"factor\"\n"
    "const n = 3\n"
    "sample numbers(k: int = 4) { return scale * normal(shape: [n]) }\n";

static const char *in_folder(const char *name)
{
    return arena_printf(a, "%s/%s", folder, name);
}

static void write_text(const char *name, const char *text)
{
    FILE *out = fopen(in_folder(name), "w");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static int setup(void **state)
{
    (void)state;
    a = arena_new();
    if (!mkdtemp(folder))
        return -1;
    setenv("XDG_CACHE_HOME", in_folder("cache"), 1);
    write_text("small.rnn", small_program);
    write_text("wrong.rnn", "fn f(x) = x +\n");
    return 0;
}

static int teardown(void **state)
{
    const char *argv[] = {"rm", "-rf", folder, NULL};

    (void)state;
    Process p = process_run(NULL, argv, SECONDS);
    free(p.output);
    arena_free(a);
    return p.status;
}

/* Runs rnnc with the words of `line`; what it said is in `output`. */
static int status_of(const char *line, const char **output)
{
    const char *argv[WORDS] = {process_rnnc()};
    char *words = arena_printf(a, "%s", line), *rest = NULL;
    int n = 1;

    for (char *word = strtok_r(words, " ", &rest); word && n < WORDS - 1;
         word = strtok_r(NULL, " ", &rest))
        argv[n++] = word;
    Process p = process_run(folder, argv, SECONDS);
    if (output)
        *output = arena_printf(a, "%s", p.output);
    free(p.output);
    return p.status;
}

static void expect(const char *line, int status, const char *said)
{
    const char *output;
    int got = status_of(line, &output);

    if (got != status || !strstr(output, said))
        fail_msg("rnnc %s: status %d, expected %d and \"%s\":\n%s", line, got,
                 status, said, output);
}

static int nfiles(void) // in the folder, the cache apart
{
    const char *argv[] = {"sh", "-c", "ls -A | grep -cv cache", NULL};
    Process p = process_run(folder, argv, SECONDS);
    int n = atoi(p.output);

    free(p.output);
    return n;
}

static void a_wrong_command_line_is_explained(void **state)
{
    (void)state;
    expect("", 2, "what shall be done?");
    expect("biuld small.rnn", 2, "did you mean \"build\"?");
    expect("small.rnn", 2, "did you mean \"rnnc build small.rnn\"?");
    expect("build", 2, "needs a FILE");
    expect("build small.rnn wrong.rnn", 2, "one FILE at a time");
    expect("build small.rnn --ouptut x", 2, "did you mean \"--output\"?");
    expect("build small.rnn -o", 2, "--output needs a value");
    expect("check small.rnn -o x", 2, "\"check\" takes no --output");
    expect("dump small.rnn", 2, "needs --stage");
    expect("dump small.rnn --stage optt", 2, "did you mean \"opt\"?");
    expect("check small.rnn --precision f16", 2, "f32 or f64");
    expect("build small.rnn -O4", 2, "0, 1, 2 or 3");
    expect("check small.rnn -D n", 2, "NAME=VALUE");
    expect("check small.rnn --time-passes=3", 2, "takes no value");
    expect("--cpu x", 2, "stands after a command");
    expect("check --version", 2, "stands alone");
    expect("build small.rnn --cpu pentium9", 2, "pentium9");
    expect("check small.rnn --color maybe", 2, "auto, always or never");
}

static void help_and_lists_are_printed(void **state)
{
    (void)state;
    expect("--help", 0, "check    report the mistakes");
    expect("build --help", 0, "--output FILE");
    expect("dump -h", 0, "--stage STAGE");
    expect("--version", 0, "(LLVM ");
    expect("--list-ops", 0, "conv_dx");
    expect("--list-passes", 0, "simplify");
    expect("build --cpu help", 0, "x86-64-v3");
}

static void the_manual_page_is_up_to_date(void **state)
{
    const char *made;
    FILE *in = fopen("../docs/rnnc.1", "r");
    char kept[32768] = "";

    (void)state;
    assert_non_null(in);
    kept[fread(kept, 1, sizeof kept - 1, in)] = 0;
    fclose(in);
    assert_int_equal(status_of("--man", &made), 0);
    assert_string_equal(made, kept); // else: rnnc --man > docs/rnnc.1
}

static void exit_codes_say_whose_fault_it_is(void **state)
{
    (void)state;
    expect("check small.rnn", 0, "");
    expect("check wrong.rnn", 1, "wrong.rnn:1:14: error:");
    expect("build wrong.rnn -o x", 1, "error:");
    expect("check no_such.rnn", 2, "No such file");
    expect("check /", 2, "directory");
    expect("build small.rnn -o /no/such/folder/x", 2, "could not write");
    expect("build small.rnn -o /dev/null", 2, "not a regular file");
    expect("build small.rnn -o small.rnn", 2, "replace its own program");
    expect("dump small.rnn --stage ir --entry number", 2,
           "did you mean \"numbers\"?");
    assert_int_equal(nfiles(), 2);
}

static void a_failing_linker_leaves_nothing(void **state)
{
    (void)state;
    setenv("CC", "false", 1);
    expect("build small.rnn -o x", 2, "\"false\" ended with status 1");
    setenv("CC", "/no/such/compiler", 1);
    expect("build small.rnn -o x", 2, "could not run \"/no/such/compiler\"");
    unsetenv("CC");
    setenv("RNNC_RUNTIME", "/tmp", 1);
    expect("build small.rnn -o x", 2, "RNNC_RUNTIME");
    unsetenv("RNNC_RUNTIME");
    assert_int_equal(nfiles(), 2);
}

static void a_program_is_built_whole(void **state)
{
    struct stat st;
    mode_t mask = umask(0);

    (void)state;
    umask(mask);
    expect("build small.rnn -o small --time-passes", 0, "link");
    assert_int_equal(nfiles(), 3);
    assert_int_equal(stat(in_folder("small"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0777 & ~mask);
    const char *argv[] = {"./small", "--help", NULL};
    Process p = process_run(folder, argv, SECONDS);
    assert_int_equal(p.status, 0);
    assert_non_null(strstr(p.output, "factor"));
    free(p.output);
    expect("build small.rnn -O0 -D n=5", 0, ""); // named after the program
    assert_int_equal(nfiles(), 3);
    unlink(in_folder("small"));
}

static void run_builds_once(void **state)
{
    const char *argv[] = {"sh", "-c", "ls cache/rnnc | wc -l", NULL};

    (void)state;
    expect("run small.rnn --help", 0, "factor");
    expect("run small.rnn --help", 0, "factor");
    Process p = process_run(folder, argv, SECONDS);
    assert_int_equal(atoi(p.output), 1);
    free(p.output);
    expect("run -D n=4 small.rnn --help", 0, "factor");
    p = process_run(folder, argv, SECONDS);
    assert_int_equal(atoi(p.output), 2);
    free(p.output);
    expect("run small.rnn --no-such-flag", 1, "no-such-flag");
    expect("run wrong.rnn", 1, "wrong.rnn:1:14: error:");
}

static void every_stage_can_be_printed(void **state)
{
    static const char *const stage[][2] = {
        {"ast", "sample numbers"}, {"ir", "normal"},   {"grad", "normal"},
        {"opt", "normal"},         {"loop", "numbers"}, {"llvm", "define"},
        {"llvm-opt", "define"},    {"asm", ".text"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stage); i++)
        expect(arena_printf(a, "dump small.rnn --stage %s", stage[i][0]), 0,
               stage[i][1]);
}

static void a_full_disk_is_noticed_on_stdout(void **state)
{
    const char *argv[] = {"sh", "-c", "\"$0\" --list-ops >/dev/full",
                          process_rnnc(), NULL};

    (void)state;
    Process p = process_run(folder, argv, SECONDS);
    assert_int_equal(p.status, 2);
    assert_non_null(strstr(p.output, "No space left"));
    free(p.output);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_command_line_is_explained),
        cmocka_unit_test(help_and_lists_are_printed),
        cmocka_unit_test(the_manual_page_is_up_to_date),
        cmocka_unit_test(exit_codes_say_whose_fault_it_is),
        cmocka_unit_test(a_failing_linker_leaves_nothing),
        cmocka_unit_test(a_program_is_built_whole),
        cmocka_unit_test(run_builds_once),
        cmocka_unit_test(every_stage_can_be_printed),
        cmocka_unit_test(a_full_disk_is_noticed_on_stdout),
    };

    return cmocka_run_group_tests_name("driver", tests, setup, teardown);
}
