/*
 * arena.c -- memory by lifetime.
 *
 * An arena is a list of chunks, the newest first; allocation moves a mark
 * through the newest one. Nothing is freed alone: a reset gives everything
 * back at once and keeps one chunk for the next round. Debug builds fill the
 * memory given back with 0xdb, so that a pointer kept across a reset shows.
 */
#include "base/base.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024, CHUNK_MAX = 8 * 1024 * 1024, ALIGN = 16 };

typedef struct Chunk Chunk;
struct Chunk {
    Chunk *older;
    size_t used, cap;
    _Alignas(ALIGN) unsigned char at[];
};

struct Arena {
    Chunk *chunk;
    size_t next_cap; // of the next chunk; doubles up to CHUNK_MAX
    size_t bytes;    // handed out since the last reset
};

_Noreturn static void out_of_memory(size_t bytes)
{
    fatal_surroundings("out of memory (could not get %zu bytes more)", bytes);
}

static Chunk *chunk_new(size_t cap, Chunk *older)
{
    Chunk *c = malloc(sizeof *c + cap);

    if (!c)
        out_of_memory(cap);
    c->older = older;
    c->used = 0;
    c->cap = cap;
    return c;
}

Arena *arena_new(void)
{
    Arena *a = calloc(1, sizeof *a);

    if (!a)
        out_of_memory(sizeof *a);
    a->next_cap = CHUNK_BYTES;
    return a;
}

void *arena_alloc(Arena *a, size_t bytes)
{
    Chunk *c = a->chunk;

    if (bytes > SIZE_MAX / 4)
        out_of_memory(bytes);
    size_t need = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (need == 0)
        need = ALIGN;
    if (!c || c->cap - c->used < need) {
        size_t cap = need > a->next_cap ? need : a->next_cap;

        c = a->chunk = chunk_new(cap, c);
        if (a->next_cap < CHUNK_MAX)
            a->next_cap *= 2;
    }
    void *at = c->at + c->used;
    c->used += need;
    a->bytes += need;
    return memset(at, 0, need);
}

void *arena_copy(Arena *a, const void *from, size_t bytes)
{
    void *at = arena_alloc(a, bytes);

    return bytes ? memcpy(at, from, bytes) : at;
}

char *arena_vprintf(Arena *a, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        internal_error("cannot format \"%s\"", fmt);
    char *s = arena_alloc(a, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    return s;
}

char *arena_printf(Arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *s = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return s;
}

static void free_chunks(Chunk *c)
{
    while (c) {
        Chunk *older = c->older;

        free(c);
        c = older;
    }
}

void arena_reset(Arena *a)
{
    if (!a->chunk)
        return;
    free_chunks(a->chunk->older);
    a->chunk->older = NULL;
    a->chunk->used = 0;
    a->bytes = 0;
#ifndef NDEBUG
    memset(a->chunk->at, 0xdb, a->chunk->cap);
#endif
}

void arena_free(Arena *a)
{
    if (!a)
        return;
    free_chunks(a->chunk);
    free(a);
}

size_t arena_bytes(const Arena *a)
{
    return a->bytes;
}

void *vec_grow(Arena *a, void *at, size_t elem_bytes, int *cap)
{
    if (*cap > INT_MAX / 2)
        out_of_memory(SIZE_MAX);
    int bigger = *cap ? 2 * *cap : 8;
    void *to = arena_alloc(a, elem_bytes * (size_t)bigger);

    if (*cap)
        memcpy(to, at, elem_bytes * (size_t)*cap);
    *cap = bigger;
    return to;
}
