/*
 * intern.c -- one pointer per spelling, so names compare with ==.
 *
 * An open-addressing table of all spellings of the process, in an arena that
 * is never freed. Not for threads: the compiler has one.
 */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

typedef struct Entry {
    const char *s; // NULL: free slot
    size_t n;
    uint64_t hash;
} Entry;

static Arena *perm;
static Entry *table;
static size_t ncap, nused;

static uint64_t hash_bytes(const char *s, size_t n) // FNV-1a
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h;
}

static Entry *find(const char *s, size_t n, uint64_t hash)
{
    size_t i = hash & (ncap - 1);

    while (table[i].s && (table[i].hash != hash || table[i].n != n ||
                          memcmp(table[i].s, s, n) != 0))
        i = (i + 1) & (ncap - 1);
    return &table[i];
}

static void grow(void)
{
    Entry *old = table;
    size_t nold = ncap;

    ncap = nold ? 2 * nold : 1024;
    table = calloc(ncap, sizeof *table);
    if (!table)
        fatal_surroundings("out of memory (names)");
    for (size_t i = 0; i < nold; i++)
        if (old[i].s)
            *find(old[i].s, old[i].n, old[i].hash) = old[i];
    free(old);
}

const char *intern_n(const char *s, size_t n)
{
    if (2 * nused >= ncap)
        grow();
    uint64_t hash = hash_bytes(s, n);
    Entry *e = find(s, n, hash);

    if (!e->s) {
        if (!perm)
            perm = arena_new();
        char *copy = arena_alloc(perm, n + 1);
        memcpy(copy, s, n);
        *e = (Entry){copy, n, hash};
        nused++;
    }
    return e->s;
}

const char *intern(const char *s)
{
    return intern_n(s, strlen(s));
}

const char *internf(const char *fmt, ...)
{
    Arena *tmp = arena_new();
    va_list ap;

    va_start(ap, fmt);
    const char *s = intern(arena_vprintf(tmp, fmt, ap));
    va_end(ap);
    arena_free(tmp);
    return s;
}
