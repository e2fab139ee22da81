/*
 * table.c -- text for people: aligned tables, numbers with units, durations,
 * attack records.
 */
#include "face.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void rnn_cell(RnnTable *t, const char *fmt, ...)
{
    char buf[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    if (t->ncell == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cell = realloc(t->cell, (size_t)t->cap * sizeof *t->cell);
    }
    char *copy = t->cell ? strdup(buf) : NULL;
    if (!copy) {
        fprintf(stderr, "error: out of memory for a table\n");
        exit(RNN_SURROUNDINGS);
    }
    t->cell[t->ncell++] = copy;
}

/* Columns on a terminal: bytes that start a UTF-8 character. */
static int width(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

void rnn_table_print(FILE *out, RnnTable *t, int indent)
{
    int ncol = (int)strlen(t->align);
    int wide[32] = {0};

    for (int i = 0; i < t->ncell; i++) {
        int w = width(t->cell[i]);

        if (w > wide[i % ncol])
            wide[i % ncol] = w;
    }
    for (int i = 0; i < t->ncell; i++) {
        int col = i % ncol, last = i - col;
        int gap = wide[col] - width(t->cell[i]);

        for (int k = i; k < i - col + ncol && k < t->ncell; k++)
            if (t->cell[k][0])
                last = k;
        if (last >= i) {
            fprintf(out, "%*s", col ? (wide[col] ? 2 : 0) : indent, "");
            if (t->align[col] == 'r')
                fprintf(out, "%*s%s", gap, "", t->cell[i]);
            else
                fprintf(out, "%s%*s", t->cell[i], last > i ? gap : 0, "");
        }
        if (col == ncol - 1 || i == t->ncell - 1)
            fputc('\n', out);
    }
    rnn_table_drop(t);
}

void rnn_table_drop(RnnTable *t)
{
    for (int i = 0; i < t->ncell; i++)
        free(t->cell[i]);
    free(t->cell);
    *t = (RnnTable){.align = t->align};
}

const char *rnn_scaled(double x, const char *unit, char *buf, size_t n)
{
    static const char *const prefix[] = {"", "k", "M", "G", "T", "P"};
    int k = 0;

    while (fabs(x) >= 999.5 && k < 5)
        x /= 1000, k++;
    if (k == 0 && x == floor(x))
        snprintf(buf, n, "%.0f %s", x, unit);
    else
        snprintf(buf, n, "%.*f %s%s", x < 9.995 ? 2 : x < 99.95 ? 1 : 0, x,
                 prefix[k], unit);
    return buf;
}

const char *rnn_duration(double s, char *buf, size_t n)
{
    long whole = (long)(s + 0.5);

    if (!(s >= 0 && s < 1e8))
        snprintf(buf, n, "?");
    else if (s < 9.95)
        snprintf(buf, n, "%.1f s", s);
    else if (whole < 3600)
        snprintf(buf, n, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(buf, n, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60,
                 whole % 60);
    return buf;
}

double rnn_seconds(void)
{
    return rnn_now_ns() * 1e-9;
}

/* The value of an option by name, as text; false if there is none. */
static bool option_by_name(const RnnSession *s, const RnnEntry *e,
                           const char *name, size_t n, char *buf, size_t size)
{
    for (int ref = 0; ref < s->p->nopt + e->nopt; ref++) {
        const RnnOption *o = rnn_option_info(s->p, e, ref);

        if (strlen(o->name) != n || memcmp(o->name, name, n))
            continue;
        rnn_option_text(o, s->f->option[rnn_option_at(s->p, e, ref)], buf,
                        size);
        return true;
    }
    return false;
}

char *rnn_record_text(const RnnSession *s, const RnnEntry *e, const char *text)
{
    char *out = NULL, value[64];
    size_t bytes;
    FILE *to = open_memstream(&out, &bytes);

    if (!to) {
        fprintf(stderr, "error: out of memory for a record\n");
        exit(RNN_SURROUNDINGS);
    }
    for (const char *p = text ? text : ""; *p; p++) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;

        if (end && option_by_name(s, e, p + 1, (size_t)(end - p - 1), value,
                                  sizeof value)) {
            fputs(value, to);
            p = end;
        } else {
            fputc(*p, to);
        }
    }
    fclose(to);
    return out;
}
