/*
 * read_word.c -- characters of textual IR to words, numbers and types.
 */
#include "ir/read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool read_wrong(Read *r, const char *fmt, ...)
{
    char why[300];
    int line = 1, col = 1;
    va_list ap;

    if (r->bad)
        return false;
    r->bad = true;
    for (const char *s = r->text; s < r->at; s++, col++)
        if (*s == '\n') {
            line++;
            col = 0;
        }
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    snprintf(r->err, r->n, "%d:%d: %s", line, col, why);
    return false;
}

void read_space(Read *r)
{
    for (;; r->at++) {
        if (*r->at == '#')
            while (r->at[1] && r->at[1] != '\n')
                r->at++;
        else if (!isspace((unsigned char)*r->at))
            return;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

bool read_is(Read *r, const char *s)
{
    size_t n = strlen(s);

    read_space(r);
    if (r->bad || strncmp(r->at, s, n) || (is_word(s[0]) && is_word(r->at[n])))
        return false;
    r->at += n;
    return true;
}

bool read_expect(Read *r, const char *s)
{
    return read_is(r, s) || read_wrong(r, "\"%s\" expected", s);
}

int64_t read_int(Read *r)
{
    char *end;

    read_space(r);
    if (r->bad)
        return 0;
    long long x = strtoll(r->at, &end, 10);
    if (end == r->at)
        read_wrong(r, "an integer expected");
    r->at = end;
    return x;
}

double read_float(Read *r)
{
    char *end;

    read_space(r);
    if (r->bad)
        return 0;
    double x = strtod(r->at, &end);
    if (end == r->at)
        read_wrong(r, "a number expected");
    r->at = end;
    return x;
}

const char *read_string(Read *r)
{
    VEC(char) s = {0};

    read_space(r);
    if (r->bad || *r->at != '"')
        return NULL;
    for (r->at++; *r->at && *r->at != '"'; r->at++) {
        char c = *r->at;
        if (c == '\\' && r->at[1]) {
            c = *++r->at;
            if (c == 'n') {
                c = '\n';
            } else if (c == 'x' && r->at[1] && r->at[2]) {
                char hex[3] = {r->at[1], r->at[2], 0};
                c = (char)strtol(hex, NULL, 16);
                r->at += 2;
            }
        }
        VEC_PUSH(r->unit, &s, c);
    }
    if (!read_is(r, "\""))
        read_wrong(r, "the string does not end");
    return s.n ? intern_n(s.at, (size_t)s.n) : intern("");
}

Type read_type(Read *r)
{
    Type t = {.batched = read_is(r, "batch")};
    char why[256];
    int dt = 0;

    while (dt < DT_COUNT && !read_is(r, dtype_name[dt]))
        dt++;
    if (dt == DT_COUNT) {
        read_wrong(r, "a type expected");
        return t;
    }
    t.dt = (DType)dt;
    if (!read_is(r, "["))
        return t;
    do {
        if (t.shape.rank == RANK_MAX) {
            read_wrong(r, "more than %d dims", RANK_MAX);
            return t;
        }
        t.shape.dim[t.shape.rank++] = read_int(r);
    } while (read_is(r, ","));
    read_expect(r, "]");
    if (!r->bad && !shape_check(t.shape, why, sizeof why))
        read_wrong(r, "%s", why);
    return t;
}
