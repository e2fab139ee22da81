/*
 * json.c -- strict JSON (RFC 8259) in memory, written in one piece at the end.
 *
 * Numbers that are not finite become null, bytes that are not UTF-8 become
 * U+FFFD. Objects opened with rnn_json_line stay on one line, so that rows
 * can be read with line tools.
 */
#include "face.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 character at s, 0 if it is none. */
static int utf8(const unsigned char *s)
{
    int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
          : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
          : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void quoted(FILE *to, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    fputc('"', to);
    while (*s) {
        int n = utf8(s);

        if (*s == '"' || *s == '\\')
            fprintf(to, "\\%c", *s);
        else if (*s < 0x20)
            fprintf(to, "\\u%04x", *s);
        else if (n)
            fwrite(s, 1, (size_t)n, to);
        else
            fputs("\\ufffd", to);
        s += n ? n : 1;
    }
    fputc('"', to);
}

/* Comma, line break or space, and the key: all that stands before a value. */
static void before(RnnJson *j, const char *key)
{
    if (!j->first)
        fputc(',', j->to);
    if (j->flat && j->depth >= j->flat) {
        if (!j->first)
            fputc(' ', j->to);
    } else if (j->depth) {
        fprintf(j->to, "\n%*s", 2 * j->depth, "");
    }
    j->first = false;
    if (key) {
        quoted(j->to, key);
        fputs(": ", j->to);
    }
}

void rnn_json_begin(RnnJson *j, const char *key, char bracket)
{
    if (!j->to)
        return;
    before(j, key);
    fputc(bracket, j->to);
    j->depth++;
    j->first = true;
}

void rnn_json_line(RnnJson *j, const char *key, char bracket)
{
    if (!j->to)
        return;
    rnn_json_begin(j, key, bracket);
    if (!j->flat)
        j->flat = j->depth;
}

void rnn_json_end(RnnJson *j, char bracket)
{
    if (!j->to)
        return;
    bool on_line = j->flat && j->depth >= j->flat;

    if (j->depth == j->flat)
        j->flat = 0;
    j->depth--;
    if (!on_line && !j->first)
        fprintf(j->to, "\n%*s", 2 * j->depth, "");
    fputc(bracket, j->to);
    j->first = false;
}

void rnn_json_text(RnnJson *j, const char *key, const char *v)
{
    if (!j->to)
        return;
    before(j, key);
    quoted(j->to, v);
}

void rnn_json_real(RnnJson *j, const char *key, double v)
{
    if (!j->to)
        return;
    before(j, key);
    if (!isfinite(v)) {
        fputs("null", j->to);
        return;
    }
    char text[40];
    int digits = 15; // the fewest that read back as the same number
    do
        snprintf(text, sizeof text, "%.*g", digits, v);
    while (digits++ < 17 && strtod(text, NULL) != v);
    fputs(text, j->to);
}

void rnn_json_int(RnnJson *j, const char *key, int64_t v)
{
    if (!j->to)
        return;
    before(j, key);
    fprintf(j->to, "%lld", (long long)v);
}

void rnn_json_seed(RnnJson *j, const char *key, uint64_t v)
{
    if (!j->to)
        return;
    before(j, key);
    fprintf(j->to, "%llu", (unsigned long long)v);
}

void rnn_json_bool(RnnJson *j, const char *key, bool v)
{
    if (!j->to)
        return;
    before(j, key);
    fputs(v ? "true" : "false", j->to);
}

void rnn_json_options(RnnJson *j, const RnnSession *s, const RnnEntry *e)
{
    rnn_json_line(j, "options", '{');
    for (int ref = 0; ref < s->p->nopt + (e ? e->nopt : 0); ref++) {
        const RnnOption *o = rnn_option_info(s->p, e, ref);
        double v = s->f->option[rnn_option_at(s->p, e, ref)];

        if (o->kind == RNN_OPT_BOOL)
            rnn_json_bool(j, o->name, v != 0);
        else if (o->kind == RNN_OPT_INT)
            rnn_json_int(j, o->name, (int64_t)v);
        else
            rnn_json_real(j, o->name, v);
    }
    rnn_json_end(j, '}');
}

void rnn_json_open(RnnJson *j, const RnnProgram *p, const RnnFlags *f)
{
    *j = (RnnJson){.first = true};
    if (!f->json)
        return;
    j->to = open_memstream(&j->text, &j->bytes);
    if (!j->to) {
        fprintf(stderr, "error: out of memory for --json\n");
        exit(RNN_SURROUNDINGS);
    }
    rnn_json_begin(j, NULL, '{');
    rnn_json_text(j, "program", p->name);
    rnn_json_text(j, "version", p->version);
    rnn_json_text(j, "precision", rnn_dtype_name(p->real));
    rnn_json_text(j, "command", rnn_command_info[f->command].name);
}

void rnn_json_drop(RnnJson *j)
{
    if (j->to)
        fclose(j->to);
    free(j->text);
    *j = (RnnJson){0};
}

RnnStatus rnn_json_save(RnnJson *j, const RnnFlags *f, RnnError *err)
{
    RnnStatus st = RNN_OK;

    if (!j->to)
        return RNN_OK;
    rnn_json_end(j, '}');
    fputc('\n', j->to);
    if (fclose(j->to))
        st = rnn_fail(err, RNN_SURROUNDINGS, "out of memory for --json");
    j->to = NULL;
    if (st == RNN_OK && !strcmp(f->json, "-"))
        fwrite(j->text, 1, j->bytes, stdout); // main looks for errors
    else if (st == RNN_OK)
        st = rnn_file_write(f->json, j->text, j->bytes, err);
    rnn_json_drop(j);
    return st;
}
