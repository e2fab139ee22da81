/*
 * link.c -- from object files to an executable.
 *
 * zlib and OpenBLAS are linked statically where their archives are installed,
 * so that the executable needs nothing but libc and libm.
 */
#include "driver/link.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/files.h"

enum { ARG_MAX_WORDS = 64 };

extern char **environ;

typedef struct Words { // an argv in the making
    Arena *a;
    const char *at[ARG_MAX_WORDS];
    int n;
} Words;

static void add(Words *w, const char *word)
{
    if (w->n + 1 == ARG_MAX_WORDS)
        internal_error("too many words for the linker");
    w->at[w->n++] = word;
    w->at[w->n] = NULL;
}

/* $CC may hold flags after the program's name. */
static void add_cc(Words *w)
{
    const char *cc = getenv("CC");
    char *rest = NULL;

    if (!cc || !cc[strspn(cc, " ")])
        cc = "cc";
    char *copy = arena_copy(w->a, cc, strlen(cc) + 1);
    for (char *word = strtok_r(copy, " ", &rest); word && w->n < 16;
         word = strtok_r(NULL, " ", &rest))
        add(w, word);
}

/* --- running cc ---------------------------------------------------------- */

/* Runs w; *out, if given, gets what it printed first (at most n - 1 bytes).
 * Returns its exit status, or -1 with the reason in err. */
static int run(const Words *w, char *out, size_t n, char *err, size_t nerr)
{
    posix_spawn_file_actions_t act;
    int end[2] = {-1, -1}, status = 0;
    pid_t child;

    posix_spawn_file_actions_init(&act);
    posix_spawn_file_actions_addopen(&act, 0, "/dev/null", O_RDONLY, 0);
    if (out) {
        if (pipe(end) != 0) {
            snprintf(err, nerr, "pipe: %s", strerror(errno));
            return -1;
        }
        posix_spawn_file_actions_adddup2(&act, end[1], 1);
        posix_spawn_file_actions_addclose(&act, end[0]);
        posix_spawn_file_actions_addclose(&act, end[1]);
    } else {
        posix_spawn_file_actions_adddup2(&act, 2, 1);
    }
    fflush(NULL);
    int failed = posix_spawnp(&child, w->at[0], &act, NULL,
                              (char *const *)w->at, environ);
    posix_spawn_file_actions_destroy(&act);
    if (out) {
        size_t used = 0;
        ssize_t got = 1;

        close(end[1]);
        while (!failed && got > 0 && used + 1 < n) {
            got = read(end[0], out + used, n - 1 - used);
            used += got > 0 ? (size_t)got : 0;
        }
        out[used] = 0;
        close(end[0]);
    }
    if (failed) {
        snprintf(err, nerr, "could not run \"%s\": %s", w->at[0],
                 strerror(failed));
        return -1;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status)) {
        snprintf(err, nerr, "\"%s\" was killed by signal %d", w->at[0],
                 WTERMSIG(status));
        return -1;
    }
    return WEXITSTATUS(status);
}

/* Path of an archive cc finds by itself, or NULL. */
static const char *find_archive(Arena *a, const char *name)
{
    Words w = {.a = a};
    char out[4096], err[256];

    add_cc(&w);
    add(&w, arena_printf(a, "-print-file-name=%s", name));
    if (run(&w, out, sizeof out, err, sizeof err) != 0)
        return NULL;
    out[strcspn(out, "\n")] = 0;
    if (!strchr(out, '/') || !files_exist(out)) // not found: the bare name
        return NULL;
    return arena_copy(a, out, strlen(out) + 1);
}

/* --- the runtime --------------------------------------------------------- */

static bool holds_runtime(Arena *a, const char *folder)
{
    return files_exist(arena_printf(a, "%s/librnn_start.a", folder)) &&
           files_exist(arena_printf(a, "%s/librnn_rt.a", folder)) &&
           files_exist(arena_printf(a, "%s/librnn_blas.a", folder));
}

const char *link_runtime(Arena *a, char *err, size_t n)
{
    static const char *const place[] = {"../lib/rnnc", "../lib/*/rnnc",
                                        "../lib64/rnnc"};
    const char *env = getenv("RNNC_RUNTIME");
    const char *own = files_own_folder(a, NULL);
    const char *found = NULL;

    if (env && *env) {
        if (holds_runtime(a, env))
            return env;
        snprintf(err, n, "RNNC_RUNTIME is \"%s\", where librnn_start.a, "
                 "librnn_rt.a and librnn_blas.a are not all found", env);
        return NULL;
    }
    for (size_t i = 0; own && !found && i < ARRAY_LEN(place); i++) {
        glob_t hits;

        if (glob(arena_printf(a, "%s/%s", own, place[i]), 0, NULL, &hits))
            continue;
        for (size_t k = 0; k < hits.gl_pathc && !found; k++)
            if (holds_runtime(a, hits.gl_pathv[k]))
                found = arena_printf(a, "%s", hits.gl_pathv[k]);
        globfree(&hits);
    }
    if (!found)
        snprintf(err, n, "the runtime (librnn_start.a, librnn_rt.a, "
                 "librnn_blas.a) is not in ../lib/rnnc beside \"%s\"; "
                 "RNNC_RUNTIME may name its folder", own ? own : "rnnc");
    return found;
}

static void add_library(Words *w, const char *archive, const char *flag)
{
    const char *path = find_archive(w->a, archive);

    add(w, path ? path : flag);
}

bool link_executable(Arena *a, const char *const *object, int nobject,
                     const char *output, bool blas, char *err, size_t n)
{
    const char *runtime = link_runtime(a, err, n);
    Words w = {.a = a};

    if (!runtime)
        return false;
    add_cc(&w);
    add(&w, "-o");
    add(&w, output);
    add(&w, arena_printf(a, "%s/librnn_start.a", runtime));
    for (int i = 0; i < nobject; i++)
        add(&w, object[i]);
    if (blas)
        add(&w, arena_printf(a, "%s/librnn_blas.a", runtime));
    add(&w, arena_printf(a, "%s/librnn_rt.a", runtime));
    if (blas)
        add_library(&w, "libopenblas.a", "-lopenblas");
    add_library(&w, "libz.a", "-lz");
    add(&w, "-lm");
    add(&w, "-lpthread");
    add(&w, "-Wl,--gc-sections");
    int status = run(&w, NULL, 0, err, n);
    if (status > 0)
        snprintf(err, n, "\"%s\" ended with status %d", w.at[0], status);
    return status == 0;
}
