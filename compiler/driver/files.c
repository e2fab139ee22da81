/*
 * files.c -- files that appear whole or not at all.
 *
 * The names of temporary files stand in a fixed table, so that a signal
 * handler can remove them.
 */
#include "driver/files.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMPORARY_MAX = 16 };

static char temporary[TEMPORARY_MAX][PATH_MAX];

static void remove_all(void)
{
    for (int i = 0; i < TEMPORARY_MAX; i++)
        if (temporary[i][0]) {
            unlink(temporary[i]);
            temporary[i][0] = 0;
        }
}

static char *find(const char *path)
{
    for (int i = 0; i < TEMPORARY_MAX; i++)
        if (strcmp(temporary[i], path) == 0)
            return temporary[i];
    return NULL;
}

const char *files_temporary(Arena *a, const char *path, const char *suffix,
                            char *err, size_t n)
{
    static bool registered;
    char *name = arena_printf(a, "%s.XXXXXX%s", path, suffix);

    if (!registered)
        registered = atexit(remove_all) == 0;
    char *slot = find("");
    if (!slot)
        internal_error("more than %d temporary files", TEMPORARY_MAX);
    if (strlen(name) >= PATH_MAX) {
        snprintf(err, n, "name too long");
        return NULL;
    }
    int fd = mkstemps(name, (int)strlen(suffix));
    if (fd < 0) {
        snprintf(err, n, "%s", strerror(errno));
        return NULL;
    }
    close(fd);
    strcpy(slot, name);
    return name;
}

bool files_keep(const char *from, const char *path, char *err, size_t n)
{
    char *slot = find(from);
    mode_t mask = umask(0);

    umask(mask);
    if (chmod(from, 0777 & ~mask) != 0 || rename(from, path) != 0) {
        snprintf(err, n, "%s", strerror(errno));
        return false;
    }
    if (slot)
        *slot = 0;
    return true;
}

void files_remove(const char *path)
{
    char *slot = find(path);

    unlink(path);
    if (slot)
        *slot = 0;
}

bool files_make_folder(Arena *a, const char *path, char *err, size_t n)
{
    char *part = arena_copy(a, path, strlen(path) + 1);

    for (char *c = part + 1;; c++) {
        char was = *c;

        if (was != '/' && was != 0)
            continue;
        *c = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            snprintf(err, n, "could not create \"%s\": %s", part,
                     strerror(errno));
            return false;
        }
        *c = was;
        if (was == 0)
            return true;
    }
}

bool files_exist(const char *path)
{
    return access(path, F_OK) == 0;
}

bool files_are_same(const char *a, const char *b)
{
    struct stat sa, sb;

    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

bool files_may_replace(const char *path)
{
    struct stat st;

    return stat(path, &st) != 0 || S_ISREG(st.st_mode);
}

const char *files_own_folder(Arena *a, const char **exe)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0)
        return NULL;
    path[n] = 0;
    if (exe)
        *exe = arena_copy(a, path, (size_t)n + 1);
    *strrchr(path, '/') = 0;
    return arena_copy(a, path, strlen(path) + 1);
}

/* --- signals ------------------------------------------------------------- */

static void on_stop(int sig)
{
    remove_all();
    signal(sig, SIG_DFL);
    raise(sig);
}

#ifndef __SANITIZE_ADDRESS__
static void on_crash(int sig)
{
    static const char text[] =
        "rnnc: internal error: crashed\nThis is a mistake in rnnc, not in "
        "your program. Please report it with the program\nand the command "
        "line.\n";
    ssize_t n = write(2, text, sizeof text - 1);

    (void)n;
    (void)sig;
    remove_all();
    _exit(70);
}
#endif

void files_watch_signals(void)
{
    static const int stop[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = on_stop};

    for (size_t i = 0; i < ARRAY_LEN(stop); i++)
        sigaction(stop[i], &act, NULL);
#ifndef __SANITIZE_ADDRESS__
    static const int crash[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    static char stack[64 * 1024]; // the usual one may be what overflowed
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};

    sigaltstack(&alternate, NULL);
    act = (struct sigaction){.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    for (size_t i = 0; i < ARRAY_LEN(crash); i++)
        sigaction(crash[i], &act, NULL);
#endif
}
