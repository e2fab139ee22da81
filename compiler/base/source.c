/*
 * source.c -- a text, its lines, and places in it.
 *
 * Text is checked once, on the way in: at most 16 MiB of UTF-8 without NUL.
 * Whoever reads it later may rely on that. Columns count characters.
 */
#include "base/base.h"

#include <errno.h>
#include <string.h>

enum { SOURCE_MAX = 16 * 1024 * 1024 };

/* Length of the UTF-8 sequence at s (n bytes left), 0 if it is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    static const struct {
        unsigned char lo, hi, next_lo, next_hi;
        size_t length;
    } form[] = {
        {0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t f = 0; f < ARRAY_LEN(form); f++) {
        if (s[0] < form[f].lo || s[0] > form[f].hi)
            continue;
        size_t length = form[f].length;
        if (length > n)
            return 0;
        if (length > 1 && (s[1] < form[f].next_lo || s[1] > form[f].next_hi))
            return 0;
        for (size_t i = 2; i < length; i++)
            if ((s[i] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

bool source_is_text(const char *text, size_t n, char *err, size_t err_bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    uint32_t line = 1;

    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(s + i, n - i);

        if (length == 0) {
            snprintf(err, err_bytes,
                     "not UTF-8 text: byte 0x%02x at offset %zu, line %u",
                     s[i], i, line);
            return false;
        }
        line += s[i] == '\n';
        i += length;
    }
    return true;
}

Source *source_text(Arena *a, const char *name, const char *text, size_t n)
{
    Source *s = NEW(a, Source);
    char *copy = arena_alloc(a, n + 1);
    uint32_t nlines = 1;

    if (n)
        memcpy(copy, text, n);
    for (size_t i = 0; i < n; i++)
        nlines += copy[i] == '\n';
    s->name = arena_copy(a, name, strlen(name) + 1);
    s->text = copy;
    s->bytes = n;
    s->line = NEW_N(a, uint32_t, nlines + 1);
    for (size_t i = 0; i < n; i++)
        if (copy[i] == '\n')
            s->line[++s->nlines] = (uint32_t)i + 1;
    s->line[++s->nlines] = (uint32_t)n;
    return s;
}

Source *source_read(Arena *a, const char *path, char *err, size_t err_bytes)
{
    FILE *in = fopen(path, "rb");

    if (!in) {
        snprintf(err, err_bytes, "%s", strerror(errno));
        return NULL;
    }
    Arena *tmp = arena_new();
    size_t n = 0, cap = 64 * 1024;
    char *text = arena_alloc(tmp, cap);
    for (;;) {
        n += fread(text + n, 1, cap - n, in);
        if (n < cap || n > SOURCE_MAX)
            break;
        char *bigger = arena_alloc(tmp, 2 * cap);
        memcpy(bigger, text, n);
        text = bigger;
        cap *= 2;
    }
    Source *s = NULL;
    if (ferror(in))
        snprintf(err, err_bytes, "%s", strerror(errno));
    else if (n > SOURCE_MAX)
        snprintf(err, err_bytes, "larger than 16 MiB");
    else if (source_is_text(text, n, err, err_bytes))
        s = source_text(a, path, text, n);
    fclose(in);
    arena_free(tmp);
    return s;
}

void source_place(Span at, uint32_t *line, uint32_t *col)
{
    const Source *s = at.src;
    uint32_t below = 0, above = s->nlines;
    uint32_t pos = at.lo < s->bytes ? at.lo : (uint32_t)s->bytes;

    while (above - below > 1) {
        uint32_t mid = below + (above - below) / 2;

        if (s->line[mid] <= pos)
            below = mid;
        else
            above = mid;
    }
    *line = below + 1;
    *col = 1;
    for (uint32_t i = s->line[below]; i < pos; i++)
        *col += (s->text[i] & 0xc0) != 0x80;
}

Span span_join(Span a, Span b)
{
    if (!a.src)
        return b;
    if (a.src != b.src)
        return a;
    if (b.lo < a.lo)
        a.lo = b.lo;
    if (b.hi > a.hi)
        a.hi = b.hi;
    return a;
}

const char *span_text(Arena *a, Span at)
{
    if (!at.src || at.lo >= at.src->bytes || at.hi <= at.lo)
        return "";
    uint32_t hi = at.hi < at.src->bytes ? at.hi : (uint32_t)at.src->bytes;
    char *text = arena_copy(a, at.src->text + at.lo, hi - at.lo + 1);

    text[hi - at.lo] = 0;
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' ';
    return text;
}
