/*
 * golden.c -- the runner for all golden folders.
 */
#include "support/golden.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "support/process.h"

enum { FLAG_MAX = 16, SECONDS = 60 };

typedef struct Golden {
    Arena *a;
    const char *folder, *file;
    const char *body;   // up to the tail
    const char *expect; // the tail without its marks
    const char *stage;
    const char *flag[FLAG_MAX];
    int nflag;
} Golden;

static char *read_text(Arena *a, const char *path)
{
    FILE *in = fopen(path, "rb");
    size_t n = 0, cap = 1 << 20;
    char *text = arena_alloc(a, cap);

    if (!in)
        return NULL;
    n = fread(text, 1, cap - 1, in);
    fclose(in);
    text[n] = 0;
    return text;
}

/* Split the text before its last run of "#>" lines. */
static void split_tail(Golden *g, char *text)
{
    char *tail = text + strlen(text);
    char *expect = arena_alloc(g->a, strlen(text) + 2), *to = expect;

    while (tail > text) {
        char *line = tail - 1;

        while (line > text && line[-1] != '\n')
            line--;
        if (strncmp(line, "#>", 2) != 0)
            break;
        tail = line;
    }
    for (char *line = tail; *line;) {
        size_t n = strcspn(line, "\n");
        size_t mark = line[2] == ' ' ? 3 : 2;

        memcpy(to, line + mark, n - mark);
        to += n - mark;
        *to++ = '\n';
        line += n + (line[n] == '\n');
    }
    *tail = 0;
    g->body = text;
    g->expect = expect;
}

/* false if the first line is not that of a golden test. */
static bool read_head(Golden *g)
{
    static const char mark[] = "# test:";
    size_t n = strcspn(g->body, "\n");

    if (strncmp(g->body, mark, strlen(mark)) != 0)
        return false;
    char *line = arena_copy(g->a, g->body, n + 1), *rest = NULL;
    line[n] = 0;
    g->stage = strtok_r(line + strlen(mark), " ", &rest);
    for (char *word; (word = strtok_r(NULL, " ", &rest));)
        if (g->nflag < FLAG_MAX)
            g->flag[g->nflag++] = word;
    return g->stage != NULL;
}

static const char *run(const Golden *g)
{
    const char *argv[FLAG_MAX + 8] = {process_rnnc()};
    int n = 1;

    if (strcmp(g->stage, "diag") == 0) {
        argv[n++] = "check";
        argv[n++] = g->file;
    } else {
        argv[n++] = "dump";
        argv[n++] = g->file;
        argv[n++] = "--stage";
        argv[n++] = strcmp(g->stage, "parse") == 0 ? "ast" : g->stage;
    }
    for (int i = 0; i < g->nflag; i++)
        argv[n++] = g->flag[i];
    Process p = process_run(g->folder, argv, SECONDS);
    const char *end =
        p.bytes && p.output[p.bytes - 1] != '\n' ? "\n" : "";
    char *got = p.status ? arena_printf(g->a, "exit %d\n%s%s", p.status,
                                        p.output, end)
                         : arena_printf(g->a, "%s%s", p.output, end);
    free(p.output);
    return got;
}

static void rewrite(const Golden *g, const char *path, const char *got)
{
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    fputs(g->body, out);
    for (const char *line = got; *line;) {
        size_t n = strcspn(line, "\n");

        fprintf(out, n ? "#> %.*s\n" : "#>%.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    assert_int_equal(fclose(out), 0);
}

static void report(const Golden *g, const char *got)
{
    const char *want = g->expect;
    int line = 1;

    for (;; line++) {
        size_t nw = strcspn(want, "\n"), ng = strcspn(got, "\n");

        if (nw != ng || memcmp(want, got, nw) != 0) {
            print_error("%s/%s: line %d of the output\n  expected: %.*s\n"
                        "  got:      %.*s\n",
                        g->folder, g->file, line, (int)nw, want, (int)ng, got);
            return;
        }
        want += nw + (want[nw] == '\n');
        got += ng + (got[ng] == '\n');
        if (!*want && !*got)
            return;
    }
}

static void test_golden(void **state)
{
    const char *path = *state;
    Golden g = {.a = arena_new()};
    char *slash = strrchr(path, '/');

    g.file = slash + 1;
    char *folder = arena_copy(g.a, path, (size_t)(slash - path) + 1);
    folder[slash - path] = 0;
    g.folder = folder;
    char *text = read_text(g.a, path);
    assert_non_null(text);
    split_tail(&g, text);
    bool is_test = read_head(&g);
    if (is_test) {
        const char *got = run(&g);

        if (strcmp(got, g.expect) != 0) {
            if (!getenv("RNN_UPDATE")) {
                report(&g, got);
                fail();
            }
            rewrite(&g, path, got);
        }
    }
    arena_free(g.a);
}

static bool has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n > m && strcmp(s + n - m, suffix) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int golden_folder(const char *folder)
{
    Arena *a = arena_new();
    DIR *dir = opendir(folder);
    VEC(char *) path = {0};

    for (struct dirent *e; dir && (e = readdir(dir));)
        if (has_suffix(e->d_name, ".rnn") || has_suffix(e->d_name, ".ir"))
            VEC_PUSH(a, &path, arena_printf(a, "%s/%s", folder, e->d_name));
    if (dir)
        closedir(dir);
    if (path.n == 0) {
        arena_free(a);
        return 0;
    }
    qsort(path.at, (size_t)path.n, sizeof *path.at, by_name);
    struct CMUnitTest *test = NEW_N(a, struct CMUnitTest, path.n);
    for (int i = 0; i < path.n; i++)
        test[i] = (struct CMUnitTest){path.at[i], test_golden, NULL, NULL,
                                      path.at[i]};
    int failed =
        _cmocka_run_group_tests(folder, test, (size_t)path.n, NULL, NULL);
    arena_free(a);
    return failed;
}
