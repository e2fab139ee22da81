/*
 * base.h -- memory, names, source text and diagnostics.
 *
 * Knows nothing of .rnn. Everything else in the compiler stands on it.
 */
#ifndef RNN_BASE_H
#define RNN_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* arena.c -- memory by lifetime: perm (process), unit (one compilation),
 * tmp (one stage). Allocation zeroes and never returns NULL: out of memory
 * ends the process with a message and exit status 2. */
typedef struct Arena Arena;

Arena *arena_new(void);
void *arena_alloc(Arena *a, size_t bytes);
void *arena_copy(Arena *a, const void *from, size_t bytes);
char *arena_printf(Arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);
void arena_reset(Arena *a); // keeps the arena, poisons its memory in debug
void arena_free(Arena *a);
size_t arena_bytes(const Arena *a);

#define NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define NEW_N(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

/* Growable array in an arena: declare `VEC(T) v = {0};`. Old storage stays in
 * the arena until its reset; growth doubles. */
#define VEC(T)                                                                \
    struct {                                                                  \
        T *at;                                                                \
        int n, cap;                                                           \
    }
#define VEC_PUSH(arena, v, x)                                                 \
    do {                                                                      \
        if ((v)->n == (v)->cap)                                               \
            (v)->at = vec_grow((arena), (v)->at, sizeof *(v)->at, &(v)->cap); \
        (v)->at[(v)->n++] = (x);                                              \
    } while (0)
void *vec_grow(Arena *a, void *at, size_t elem_bytes, int *cap);

/* intern.c -- one pointer per spelling, so names compare with ==. Interned
 * strings live as long as the process. */
const char *intern(const char *s);
const char *intern_n(const char *s, size_t n);
const char *internf(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* source.c -- a text and its lines. Spans are byte offsets, half open; a
 * Span names its Source, so notes may point into library modules. */
typedef struct Source Source;
typedef struct Span {
    const Source *src; // NULL: no place in any text
    uint32_t lo, hi;
} Span;
struct Source {
    const char *name; // as the user typed it
    const char *text; // NUL after the last byte
    size_t bytes;
    uint32_t *line;   // offset of each line's first byte; line[nlines] = end
    uint32_t nlines;
};

/* Reads a whole file. NULL with a reason in err if it cannot be read, is
 * larger than 16 MiB, or is no UTF-8 text (a NUL byte, a bad sequence). */
Source *source_read(Arena *a, const char *path, char *err, size_t err_bytes);
bool source_is_text(const char *text, size_t n, char *err, size_t err_bytes);
/* The text must be that; it is copied. */
Source *source_text(Arena *a, const char *name, const char *text, size_t n);
void source_place(Span at, uint32_t *line, uint32_t *col); // both from 1
Span span_join(Span a, Span b);
const char *span_text(Arena *a, Span at); // the bytes under it, one line

/* diag.c -- what the compiler says about a program. Messages are collected,
 * sorted by place and printed by diag_flush; at most 20 errors a run. Form:
 * one line, lower case, no full stop, the user's names in double quotes. A
 * note or help belongs to the error or warning before it; helps come last. */
typedef struct Diag Diag;

Diag *diag_new(Arena *unit);
void diag_error(Diag *d, Span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Warnings have a name ("sign-gradient"); `# allow NAME` on the line before
 * or on the line itself silences one where it stands. */
void diag_warn(Diag *d, Span at, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void diag_note(Diag *d, Span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void diag_help(Diag *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int diag_nerrors(const Diag *d); // flushed ones too, muted ones not
int diag_nwarnings(const Diag *d);
void diag_silence(Diag *d, const char *name); // no warning of this name
/* Silence while a speculative build runs; returns the old state. */
bool diag_mute(Diag *d, bool on);
void diag_flush(Diag *d, FILE *out, bool colour);
/* The closest of the n candidates to `name` by edit distance, or NULL if
 * none is near enough to be what was meant. */
const char *diag_closest(const char *name, const char *const *cand, int n);

/* The surroundings' fault: message to stderr, exit 2. Ours: exit 70. */
_Noreturn void fatal_surroundings(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
_Noreturn void internal_error_at(const char *file, int line,
                                 const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define internal_error(...) internal_error_at(__FILE__, __LINE__, __VA_ARGS__)

#endif
