/*
 * test_random.c -- random functions, and slopes of random functions, as
 * machine code against the interpreter, for RNN_RANDOM_SECONDS (20).
 *
 * Seeds count up from RNN_RANDOM_SEED (1). Trials run in processes of their
 * own, so that a crash is a finding like others; a finding is reduced to a
 * small function, which is printed. What was found once stands in
 * tests/random/ and is tried first.
 */
#include "support/random_trial.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GROUP = 4, TRIALS = GROUP * GUISE_COUNT, LIMIT_SECONDS = 120,
       ENOUGH = 200 };

static Finding *shared; // written by the processes of the trials
static Seen seen;
static long functions;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- trials in a process of their own ---- */

/* What happened is left in `shared`. */
static Found run_apart(const Trial *t, Func *const *source, int n, bool loud)
{
    int status;
    pid_t child;

    memset(shared, 0, sizeof *shared);
    fflush(NULL);
    child = fork();
    if (child < 0)
        fatal_surroundings("no more processes");
    if (child == 0) {
        alarm(LIMIT_SECONDS);
        if (!loud && !freopen("/dev/null", "w", stderr))
            _exit(3);
        trials_run(arena_new(), t, source, n, shared);
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (status != 0) {
        shared->found = FOUND_BY_STRAY;
        snprintf(shared->text, sizeof shared->text,
                 WIFSIGNALED(status) ? "signal %d" : "exit status %d",
                 WIFSIGNALED(status) ? WTERMSIG(status)
                                     : WEXITSTATUS(status));
    }
    return shared->found;
}

typedef struct Same {
    const Trial *t;
    Found found;
} Same;

static bool still_found(void *env, const Func *f)
{
    const Same *s = env;

    return run_apart(s->t, &(Func *){(Func *)f}, 1, false) == s->found;
}

/* What lowering gets: if that shows the finding, it is reduced instead. */
static Func *lowered(Arena *a, const Trial *t, Func *source, Trial *plain)
{
    Func *f;

    *plain = *t;
    plain->guise = GUISE_PLAIN;
    if (shared->found < FOUND_VALUES || shared->found == FOUND_BY_STRAY)
        return NULL;
    f = trial_func(a, source, t, NULL, &(Finding){0});
    return f && still_found(&(Same){plain, shared->found}, f) ? f : NULL;
}

/* Prints the smallest function that shows what was found. */
static void explain(Arena *a, const Trial *t, Func *source)
{
    Found found = run_apart(t, &source, 1, true);
    Trial plain;

    if (!found) {
        printf("seed %llu: found only in company\n",
               (unsigned long long)t->seed);
        return;
    }
    Func *f = lowered(a, t, source, &plain);
    if (f)
        t = &plain;
    f = random_func_reduce(a, f ? f : source, still_found,
                           &(Same){t, found});
    run_apart(t, &f, 1, true);
    printf("seed %llu, %s%s%s%s%s, %s: %s\n%s\n%s\n",
           (unsigned long long)t->seed, guise_name[t->guise],
           t->wild ? ", wild" : "", t->fast ? ", fast" : "",
           t->train ? ", train" : "", t->per_example ? ", per example" : "",
           t->cpu ? t->cpu : "host", found_text[found], shared->text,
           text_of_func(a, f));
}

static void add_up(Seen *to, const Seen *more)
{
    long *x = (long *)to;
    const long *y = (const long *)more;

    for (size_t k = 0; k < sizeof *to / sizeof *x; k++)
        x[k] += y[k];
}

/* Returns the number of findings: 0 or, if any, at least 1. */
static int try_all(Arena *a, const Trial *t, Func *const *source, int n)
{
    int findings = 0;
    Found found = run_apart(t, source, n, true);

    add_up(&seen, &shared->seen);
    if (!found)
        return 0;
    for (int k = 0; k < n; k++)
        if (run_apart(&t[k], &source[k], 1, false)) {
            explain(a, &t[k], source[k]);
            findings++;
        }
    if (!findings)
        printf("seed %llu: %s, but only in company: %s\n",
               (unsigned long long)t[0].seed, found_text[found],
               shared->text);
    return findings ? findings : 1;
}

/* ---- which ones ---- */

static const char *cpu_of(uint64_t seed)
{
    static const char *const cpu[] = {NULL, "x86-64-v3", NULL, "x86-64"};

    return cpu[seed / GROUP % ARRAY_LEN(cpu)];
}

static Trial trial_of(uint64_t seed, Guise guise)
{
    Trial t = {.seed = seed, .guise = guise};

    t.fast = seed % 2;
    t.train = seed / 2 % 2;
    t.per_example = (seed ^ seed / 2) % 2;
    // Slopes may be small differences of large numbers.
    t.slack = guise < GUISE_GRADIENT ? 1 : 30;
    return t;
}

static int try_group(uint64_t seed)
{
    Arena *a = arena_new();
    Trial t[TRIALS];
    Func *f[TRIALS];
    int n = 0;

    for (uint64_t s = seed; s < seed + GROUP; s++)
        for (Guise guise = 0; guise < GUISE_COUNT; guise++) {
            bool twice = guise == GUISE_CURVATURE;
            if (twice && s % GROUP)
                continue;
            t[n] = trial_of(s, guise);
            t[n].cpu = cpu_of(seed);
            t[n].wild = guise < GUISE_GRADIENT && s % 4 == 1;
            t[n].level = seed / GROUP % 3 ? 0 : 3; // which is much slower
            // Rounding twice-differentiated functions says little.
            f[n++] = random_func_of(a, s, twice ? 8 : 5 + (int)(s % 30),
                                    s % 2 || twice ? DT_f64 : DT_f32);
        }
    int findings = try_all(a, t, f, n);
    arena_free(a);
    return findings;
}

static void machine_code_agrees_with_the_interpreter(void **state)
{
    double end = now() + (double)setting("RNN_RANDOM_SECONDS", 20);
    uint64_t seed = setting("RNN_RANDOM_SEED", 1);
    int findings = 0, most = (int)setting("RNN_RANDOM_FINDINGS", 1);

    (void)state;
    for (; now() < end && findings < most; seed += GROUP) {
        findings += try_group(seed);
        functions += GROUP;
    }
    printf("%ld functions\n", functions);
    assert_int_equal(findings, 0);
}

/* ---- what was found once ---- */

static Func *read_func(Arena *a, const char *path, DType real)
{
    char err[500];
    Source *s = source_read(a, path, err, sizeof err);
    char *text;
    Func *f;

    if (!s)
        fail_msg("%s", err);
    text = arena_printf(a, "%s", s->text);
    if (real == DT_f64)
        for (char *p = text; (p = strstr(p, "f32")) != NULL;)
            memcpy(p, "f64", 3);
    f = ir_read(a, text, err, sizeof err);
    if (!f)
        fail_msg("%s: %s", path, err);
    return f;
}

static int try_file(const char *path)
{
    static const char *const cpu[] = {NULL, "x86-64-v3", "x86-64"};
    int findings = 0;

    for (size_t c = 0; c < ARRAY_LEN(cpu); c++) {
        Arena *a = arena_new();
        Trial t[12];
        Func *f[12];
        int n = 0;

        for (Guise guise = 0; guise < GUISE_CURVATURE; guise++)
            for (int k = 0; k < 4; k++) {
                t[n] = (Trial){.seed = (uint64_t)(k + 1), .guise = guise,
                               .fast = k % 2, .train = k < 2,
                               .per_example = k % 2, .cpu = cpu[c],
                               .level = 3, .slack = 30};
                f[n++] = read_func(a, path, k % 2 ? DT_f64 : DT_f32);
            }
        findings += try_all(a, t, f, n);
        arena_free(a);
    }
    return findings;
}

static void what_was_found_once_is_not_found_again(void **state)
{
    struct dirent **name;
    int n = scandir("random", &name, NULL, alphasort), findings = 0;

    (void)state;
    if (n < 0)
        fail_msg("no folder \"random\"; run this in tests/");
    for (int k = 0; k < n; k++) {
        char path[300];
        snprintf(path, sizeof path, "random/%s", name[k]->d_name);
        if (strstr(path, ".ir") && try_file(path)) {
            printf("found again: %s\n", path);
            findings++;
        }
        free(name[k]);
    }
    free(name);
    assert_int_equal(findings, 0);
}

/* ---- what was covered ---- */

static void print_counts(const char *title, const char *const *name,
                         const long *count, int n)
{
    printf("%s:", title);
    for (int k = 0; k < n; k++)
        printf(" %s %ld%s", name[k], count[k], k + 1 < n ? "," : "\n");
}

/* But for conv_dx, which passes remove, and Winograd's convolutions, which are
 * made of larger ones than these; see unit/test_wino.c. */
static void every_op_was_lowered(void **state)
{
    static const char *const kernel[] = {"map", "reduce", "batch", "contract",
                                         "nest", "call"};
    static const char *const form[] = {"outer", "inner", "blas"};
    static const char *const pack[] = {"none", "copy", "transpose", "gather",
                                       "before"};
    static const char *const step[] = {"kernel", "loop", "copy"};
    int missing = 0;

    (void)state;
    for (int op = 0; op < OP_COUNT; op++)
        printf("%-14s %8ld%s", op_info[op].name, seen.op[op],
               op % 4 == 3 || op + 1 == OP_COUNT ? "\n" : "   ");
    print_counts("kernels", kernel, seen.kernel, ARRAY_LEN(kernel));
    print_counts("forms", form, seen.form, ARRAY_LEN(form));
    print_counts("packs", pack, seen.pack, ARRAY_LEN(pack));
    print_counts("steps", step, seen.steps, ARRAY_LEN(step));
    printf("set-up steps %ld, outputs in place %ld, kernels in tasks %ld\n",
           seen.setup, seen.inplace, seen.tasks);
    if (functions < ENOUGH)
        skip();
    for (int op = 0; op < OP_COUNT; op++)
        if (!seen.op[op] && op_info[op].lower != LOWER_GONE &&
            op != OP_conv_dx && op_info[op].attr != ATTR_WINO) {
            printf("%s was never lowered\n", op_info[op].name);
            missing++;
        }
    assert_int_equal(missing, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_found_once_is_not_found_again),
        cmocka_unit_test(machine_code_agrees_with_the_interpreter),
        cmocka_unit_test(every_op_was_lowered),
    };

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
