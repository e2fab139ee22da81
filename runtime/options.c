/*
 * options.c -- the program's own options: where their values stand, what a
 * text on the command line means, and how a value is written.
 *
 * RnnFlags.option holds the program's options first, then those of each entry
 * point in order. All are doubles; an int has 32 bits, so none is rounded.
 */
#include "face.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int rnn_option_at(const RnnProgram *p, const RnnEntry *e, int ref)
{
    int at = p->nopt;

    if (ref < p->nopt)
        return ref;
    for (const RnnEntry *x = p->entry; x != e; x++)
        at += x->nopt;
    return at + ref - p->nopt;
}

const RnnOption *rnn_option_info(const RnnProgram *p, const RnnEntry *e,
                                 int ref)
{
    return ref < p->nopt ? &p->option[ref] : &e->option[ref - p->nopt];
}

const RnnOption *rnn_option_find(const RnnOption *o, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (rnn_same_name(o[i].name, name))
            return &o[i];
    return NULL;
}

/* --- numbers ------------------------------------------------------------- */

static bool parse_plain_real(const char *text, size_t n, double *out)
{
    char buf[64], *end;

    if (!n || n >= sizeof buf || strspn(text, "+-.0123456789eE") < n)
        return false;
    memcpy(buf, text, n);
    buf[n] = 0;
    errno = 0;
    *out = strtod(buf, &end);
    return end == buf + n && isfinite(*out);
}

bool rnn_parse_real(const char *text, double *out)
{
    const char *slash = strchr(text, '/');
    double a, b;

    if (!slash)
        return parse_plain_real(text, strlen(text), out);
    if (!parse_plain_real(text, (size_t)(slash - text), &a) ||
        !parse_plain_real(slash + 1, strlen(slash + 1), &b) || b == 0)
        return false;
    *out = a / b;
    return isfinite(*out);
}

bool rnn_parse_int(const char *text, int64_t *out)
{
    char *end;

    if (!*text || strspn(text, "+-0123456789") < strlen(text))
        return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return !*end && !errno;
}

bool rnn_parse_seed(const char *text, uint64_t *out)
{
    char *end;

    if (!*text || strspn(text, "0123456789") < strlen(text))
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return !*end && !errno;
}

bool rnn_parse_bool(const char *text, bool *out)
{
    static const char *const word[] = {"false", "true", "no", "yes",
                                       "off",   "on",   "0",  "1"};

    for (int i = 0; i < 8; i++)
        if (!strcmp(text, word[i])) {
            *out = i & 1;
            return true;
        }
    return false;
}

const char *rnn_option_text(const RnnOption *o, double value, char *buf,
                            size_t n)
{
    if (o->kind == RNN_OPT_BOOL)
        snprintf(buf, n, "%s", value != 0 ? "true" : "false");
    else if (o->kind == RNN_OPT_INT)
        snprintf(buf, n, "%lld", (long long)value);
    else
        snprintf(buf, n, "%.10g", value);
    return buf;
}

/* --- setting ------------------------------------------------------------- */

static RnnStatus check_range(const RnnOption *o, const char *text, double v,
                             RnnError *err)
{
    char lo[32] = "-inf", hi[32] = "inf";

    if (v >= o->lo && v <= o->hi)
        return RNN_OK;
    if (isfinite(o->lo))
        rnn_option_text(o, o->lo, lo, sizeof lo);
    if (isfinite(o->hi))
        rnn_option_text(o, o->hi, hi, sizeof hi);
    return rnn_fail(err, RNN_BAD_INPUT,
                    "--%s %s is outside its range %s .. %s%s%s%s", o->name,
                    text, lo, hi, o->doc[0] ? " (" : "", o->doc,
                    o->doc[0] ? ")" : "");
}

RnnStatus rnn_option_parse(const RnnOption *o, const char *text, double *out,
                           RnnError *err)
{
    int64_t n;
    bool b;

    switch (o->kind) {
    case RNN_OPT_BOOL:
        if (!rnn_parse_bool(text, &b))
            return rnn_fail(err, RNN_BAD_INPUT,
                            "--%s must be true or false, not \"%s\"", o->name,
                            text);
        *out = b;
        return RNN_OK;
    case RNN_OPT_INT:
        if (!rnn_parse_int(text, &n) || n < INT32_MIN || n > INT32_MAX)
            return rnn_fail(err, RNN_BAD_INPUT,
                            "--%s must be a whole number, not \"%s\"", o->name,
                            text);
        *out = (double)n;
        break;
    default:
        if (!rnn_parse_real(text, out))
            return rnn_fail(err, RNN_BAD_INPUT,
                            "--%s must be a number like 0.1, 1e-3 or 8/255, "
                            "not \"%s\"", o->name, text);
    }
    return check_range(o, text, *out, err);
}

static void put(RnnFlags *f, int at, double value)
{
    f->option[at] = value;
    f->option_given[at] = true;
}

/* Sets an entry's own option, and that of the check entry that goes with it;
 * false if the entry has none of that name. */
static bool put_own(RnnFlags *f, const RnnProgram *p, const RnnEntry *e,
                    const char *name, double value)
{
    const RnnOption *o = rnn_option_find(e->option, e->nopt, name);

    if (!o)
        return false;
    put(f, rnn_option_at(p, e, p->nopt + (int)(o - e->option)), value);
    if (e->kind == RNN_ENTRY_TRAIN && e->check >= 0)
        put_own(f, p, &p->entry[e->check], name, value);
    return true;
}

RnnStatus rnn_option_set(RnnFlags *f, const RnnProgram *p, const char *name,
                         const char *text, RnnError *err)
{
    const RnnOption *o = rnn_option_find(p->option, p->nopt, name);
    double value;
    bool found = false;
    RnnStatus st;

    if (o) {
        st = rnn_option_parse(o, text, &value, err);
        if (st == RNN_OK)
            put(f, (int)(o - p->option), value);
        return st;
    }
    for (int i = 0; i < f->nentry; i++) {
        const RnnEntry *e = &p->entry[f->entry[i]];

        o = rnn_option_find(e->option, e->nopt, name);
        if (!o)
            continue;
        if ((st = rnn_option_parse(o, text, &value, err)) != RNN_OK)
            return st;
        found = put_own(f, p, e, name, value);
    }
    if (found)
        return RNN_OK;
    for (int i = 0; i < p->nentry && f->nentry; i++)
        if (rnn_command_runs(f->command, &p->entry[i]) &&
            rnn_option_find(p->entry[i].option, p->entry[i].nopt, name))
            return rnn_fail(err, RNN_BAD_INPUT,
                            "--%s is an option of \"%s\", not of \"%s\"", name,
                            p->entry[i].name, p->entry[f->entry[0]].name);
    return rnn_fail(err, RNN_BAD_INPUT, "--%s has no meaning for \"%s\"", name,
                    rnn_command_info[f->command].name);
}

RnnStatus rnn_options_default(RnnFlags *f, const RnnProgram *p, RnnError *err)
{
    size_t n = (size_t)p->nopt + 1, at = 0;

    for (int i = 0; i < p->nentry; i++)
        n += (size_t)p->entry[i].nopt;
    f->option = calloc(n, sizeof *f->option);
    f->option_given = calloc(n, sizeof *f->option_given);
    if (!f->option || !f->option_given)
        return rnn_fail(err, RNN_SURROUNDINGS, "out of memory");
    for (int k = 0; k < p->nopt; k++)
        f->option[at++] = p->option[k].value;
    for (int i = 0; i < p->nentry; i++)
        for (int k = 0; k < p->entry[i].nopt; k++)
            f->option[at++] = p->entry[i].option[k].value;
    return RNN_OK;
}
