/*
 * cache.c -- executables kept for `rnnc run`, by a hash of what made them.
 *
 * Hashed are: the text of the program and of every module file it uses, the
 * flags, the target, and the size and time of the compiler and the runtime's
 * archives (which stand for their contents).
 */
#include "driver/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "driver/files.h"
#include "driver/link.h"

enum { KEEP_SECONDS = 30 * 24 * 3600 };

/* Two FNV-1a sums of different start: 128 bits. */
typedef struct Hash {
    uint64_t a, b;
} Hash;

static void mix(Hash *h, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < n; i++) {
        h->a = (h->a ^ at[i]) * 1099511628211u;
        h->b = (h->b ^ at[i]) * 1099511628211u;
        h->b ^= h->b >> 29;
    }
}

static void mix_text(Hash *h, const char *s) // with its end
{
    if (s)
        mix(h, s, strlen(s) + 1);
    else
        mix(h, "\xff", 1);
}

static void mix_file_state(Hash *h, const char *path)
{
    struct stat st;

    if (!path || stat(path, &st) != 0)
        return;
    int64_t what[] = {st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                      (int64_t)st.st_ino};
    mix(h, what, sizeof what);
}

/* --- modules ------------------------------------------------------------- */

typedef struct Modules {
    Job *job;
    Hash *hash;
    VEC(const char *) seen;
} Modules;

static bool was_seen(Modules *m, const char *name)
{
    for (int i = 0; i < m->seen.n; i++)
        if (m->seen.at[i] == name)
            return true;
    VEC_PUSH(m->job->a, &m->seen, name);
    return false;
}

static const char *beside(Arena *a, const char *file, const char *module)
{
    const char *slash = strrchr(file, '/');
    int n = slash ? (int)(slash - file) + 1 : 0;

    return arena_printf(a, "%.*s%s.rnn", n, file, module);
}

/* Hash a text and those of the module files it uses, each once. Mistakes are
 * not reported: the build that follows does. */
static void mix_source(Modules *m, const Source *src)
{
    Diag *quiet = diag_new(m->job->a);
    char err[256];

    mix_text(m->hash, src->text);
    diag_mute(quiet, true);
    const Ast *tree = front_parse(m->job->a, src, quiet);
    for (int i = 0; i < tree->n; i++) {
        const Ast *use = tree->kid[i];

        if (use->kind != AST_use || was_seen(m, use->text) ||
            prelude_text(use->text))
            continue;
        const char *path = beside(m->job->a, src->name, use->text);
        const Source *module =
            source_read(m->job->a, path, err, sizeof err);
        mix_text(m->hash, path);
        if (module)
            mix_source(m, module);
    }
}

/* --- the name ------------------------------------------------------------ */

static void mix_options(Hash *h, const Job *job)
{
    const Options *o = job->o;
    int number[] = {(int)o->real, o->opt_level, o->exact, o->no_winograd,
                    o->no_blas};

    mix(h, number, sizeof number);
    for (int i = 0; i < o->define.n; i++)
        mix_text(h, o->define.at[i]);
    mix_text(h, "");
    mix_text(h, target_cpu(job->target));
    mix_text(h, target_required_features(job->target));
}

static const char *cache_folder(Job *job, char *err, size_t n)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *folder = NULL;

    if (cache && *cache == '/')
        folder = arena_printf(job->a, "%s/rnnc", cache);
    else if (home && *home == '/')
        folder = arena_printf(job->a, "%s/.cache/rnnc", home);
    if (!folder) {
        snprintf(err, n, "no folder for the cache: neither XDG_CACHE_HOME "
                         "nor HOME is set");
        return NULL;
    }
    return files_make_folder(job->a, folder, err, n) ? folder : NULL;
}

const char *cache_path(Job *job, char *err, size_t n)
{
    static const char *const archive[] = {"librnn_start.a", "librnn_rt.a",
                                          "librnn_blas.a"};
    Hash h = {14695981039346656037u, 0x6c62272e07bb0142u};
    Modules m = {.job = job, .hash = &h};
    const char *exe = NULL;

    const Source *src = source_read(job->a, job->o->file, err, n);
    if (!src) {
        const char *why = arena_printf(job->a, "%s", err);

        snprintf(err, n, "could not read \"%s\": %s", job->o->file, why);
        return NULL;
    }
    mix_text(&h, RNN_VERSION);
    mix_text(&h, target_llvm_version());
    mix_text(&h, job->o->file);
    mix_source(&m, src);
    mix_options(&h, job);
    files_own_folder(job->a, &exe);
    mix_file_state(&h, exe);
    mix_text(&h, getenv("CC"));
    const char *runtime = link_runtime(job->a, err, n);
    if (!runtime)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(archive); i++)
        mix_file_state(&h, arena_printf(job->a, "%s/%s", runtime, archive[i]));
    const char *folder = cache_folder(job, err, n);
    if (!folder)
        return NULL;
    return arena_printf(job->a, "%s/%.64s-%016" PRIx64 "%016" PRIx64, folder,
                        job_program_name(job), h.a, h.b);
}

/* --- use ----------------------------------------------------------------- */

static void prune(const char *path)
{
    char folder[4096];
    time_t now = time(NULL);

    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;

        if (e->d_name[0] != '.' && !fstatat(dirfd(dir), e->d_name, &st, 0) &&
            S_ISREG(st.st_mode) && now - st.st_mtime > KEEP_SECONDS)
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

bool cache_hit(const char *path)
{
    if (access(path, X_OK) == 0) {
        utimensat(AT_FDCWD, path, NULL, 0);
        return true;
    }
    prune(path);
    return false;
}
