/*
 * scratch.c -- see scratch.h.
 */
#include "support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char folder[64];

static void remove_folder(void)
{
    scratch_empty();
    rmdir(folder);
}

static void make_folder(void)
{
    if (*folder)
        return;
    strcpy(folder, "/tmp/rnn-test-XXXXXX");
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(2);
    }
    atexit(remove_folder);
}

const char *scratch(const char *name)
{
    static char path[9][256];
    static int next;

    make_folder();
    next = (next + 1) % 9;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* Counts the entries below `path`, removing them if asked; one level of
 * folders is enough for the tests. */
static int walk(const char *path, bool removes)
{
    DIR *d = opendir(path);
    int n = 0;

    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));) {
        char at[512];

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(at, sizeof at, "%s/%s", path, e->d_name);
        if (removes) {
            walk(at, true);
            remove(at);
        }
        n++;
    }
    closedir(d);
    return n;
}

int scratch_count(void)
{
    make_folder();
    return walk(folder, false);
}

void scratch_empty(void)
{
    make_folder();
    walk(folder, true);
}

const char *scratch_file(const char *name, const void *bytes, size_t n)
{
    const char *path = scratch(name);
    FILE *f = fopen(path, "wb");

    if (!f || (n && fwrite(bytes, n, 1, f) != 1) || fclose(f)) {
        perror(path);
        exit(2);
    }
    return path;
}

const char *scratch_gzip(const char *name, const void *bytes, size_t n)
{
    const char *path = scratch(name);
    gzFile f = gzopen(path, "wb");

    if (!f || gzwrite(f, bytes, (unsigned)n) != (int)n ||
        gzclose(f) != Z_OK) {
        perror(path);
        exit(2);
    }
    return path;
}

void check_refused(const char *file, int line, RnnStatus got,
                   const RnnError *err, RnnStatus want,
                   const char *const *texts)
{
    if (got != want) {
        print_error("%s:%d: status %d, expected %d%s%s\n", file, line, got,
                    want, got ? ": " : "", got ? err->text : "");
        _fail(file, line);
    }
    print_message("    %s\n", err->text);
    for (; *texts; texts++)
        if (!strstr(err->text, *texts)) {
            print_error("%s:%d: nothing of \"%s\" in: %s\n", file, line,
                        *texts, err->text);
            _fail(file, line);
        }
}

void check_good(const char *file, int line, RnnStatus got, const RnnError *err)
{
    if (got == RNN_OK)
        return;
    print_error("%s:%d: %s\n", file, line, err->text);
    _fail(file, line);
}
