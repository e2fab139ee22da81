/*
 * flags.c -- argv to RnnFlags: the command, the entry points it names, common
 * flags (flags.def) and the program's own options.
 *
 * Two passes. The first splits argv into names and (flag, value) pairs; for
 * that it must know only which flags take a value. Then the entry points are
 * chosen, and the second pass knows whose options are meant.
 */
#include "face.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ON(c) (1u << CMD_##c)
#define ALL ((1u << CMD_COUNT) - 1)

const RnnCommandInfo rnn_command_info[CMD_COUNT] = {
#define COMMAND(name, spelling, kind, arg, doc) {spelling, arg, doc, kind},
#include "commands.def"
#undef COMMAND
};

const RnnFlagInfo rnn_flag_info[] = {
#define FLAG(field, name, kind, lo, hi, commands, arg, doc)                  \
    {name, arg, doc, FLAG_##kind, lo, hi, commands, offsetof(RnnFlags, field)},
#define ALIAS(...)
#include "flags.def"
#undef FLAG
#undef ALIAS
    {0}};

static const struct Alias {
    const char *name;
    size_t offset;
    unsigned commands;
} alias[] = {
#define FLAG(...)
#define ALIAS(name, field, commands)                                         \
    {name, offsetof(RnnFlags, field), commands},
#include "flags.def"
#undef FLAG
#undef ALIAS
};

typedef struct Given { // one flag of the command line
    const char *text;  // as typed, without a value: for messages
    char name[64];
    const char *value; // NULL: none
    bool negated;      // --no-NAME
    const RnnFlagInfo *flag; // NULL: an option
} Given;

typedef struct Parse {
    RnnFlags *f;
    const RnnProgram *p;
    int ngiven, nname;
    Given *given;
    const char **name;
    RnnError *err;
} Parse;

static const RnnFlagInfo *find_flag(const char *name, RnnCommand c)
{
    for (const RnnFlagInfo *i = rnn_flag_info; i->name; i++)
        if (rnn_same_name(i->name, name) && (i->commands >> c & 1))
            return i;
    for (size_t k = 0; k < sizeof alias / sizeof *alias; k++)
        if (rnn_same_name(alias[k].name, name) && (alias[k].commands >> c & 1))
            for (const RnnFlagInfo *i = rnn_flag_info; i->name; i++)
                if (i->offset == alias[k].offset)
                    return i;
    return NULL;
}

bool rnn_option_hidden(const RnnOption *o, RnnCommand c)
{
    return find_flag(o->name, c) != NULL;
}

/* Any option of that name that this command could have. */
static const RnnOption *any_option(const Parse *s, const char *name)
{
    const RnnOption *o = rnn_option_find(s->p->option, s->p->nopt, name);

    for (int i = 0; !o && i < s->p->nentry; i++) {
        const RnnEntry *e = &s->p->entry[i];

        if (rnn_command_runs(s->f->command, e))
            o = rnn_option_find(e->option, e->nopt, name);
    }
    return o;
}

/* --- first pass ---------------------------------------------------------- */

static RnnStatus unknown_flag(const Parse *s, const char *name)
{
    const char *cand[256];
    int n = 0;
    const RnnProgram *p = s->p;
    RnnCommand c = s->f->command;

    for (const RnnFlagInfo *i = rnn_flag_info; i->name; i++) {
        if (rnn_same_name(i->name, name)) {
            int owner = 0;

            while (!(i->commands >> owner & 1))
                owner++;
            return rnn_fail(s->err, RNN_BAD_INPUT,
                            "--%s has no meaning for \"%s\"; it belongs to "
                            "\"%s\"", i->name, rnn_command_info[c].name,
                            rnn_command_info[owner].name);
        }
        if (i->commands >> c & 1)
            cand[n++] = i->name;
    }
    for (int k = 0; k < p->nopt && n < 200; k++)
        cand[n++] = p->option[k].name;
    for (int e = 0; e < p->nentry; e++)
        for (int k = 0; k < p->entry[e].nopt && n < 256; k++)
            if (rnn_command_runs(c, &p->entry[e]))
                cand[n++] = p->entry[e].option[k].name;
    for (int e = 0; e < p->nentry; e++)
        if (rnn_option_find(p->entry[e].option, p->entry[e].nopt, name))
            return rnn_fail(s->err, RNN_BAD_INPUT,
                            "--%s is an option of \"%s\", which \"%s\" does "
                            "not run by itself", name, p->entry[e].name,
                            rnn_command_info[c].name);
    const char *near = rnn_closest(name, cand, n);
    if (near)
        return rnn_fail(s->err, RNN_BAD_INPUT,
                        "unknown flag --%s; did you mean --%s?", name, near);
    return rnn_fail(s->err, RNN_BAD_INPUT,
                    "unknown flag --%s; \"%s --help\" lists the flags", name,
                    rnn_command_info[c].name);
}

/* argv[*at] is a flag: note it, with its value if it takes one. */
static RnnStatus take_flag(Parse *s, int argc, char **argv, int *at)
{
    const char *text = argv[*at], *body = text + 2;
    Given *g = &s->given[s->ngiven];
    size_t n = strcspn(body, "=");
    const RnnOption *o = NULL;

    if (!strcmp(text, "--help") || !strcmp(text, "-h")) {
        s->f->help = true;
        return RNN_OK;
    }
    if (text[1] != '-' || n == 0 || n >= sizeof g->name)
        return rnn_fail(s->err, RNN_BAD_INPUT,
                        "\"%s\" is no flag; flags start with --", text);
    *g = (Given){.text = text, .value = body[n] ? body + n + 1 : NULL};
    memcpy(g->name, body, n);
    if (!strncmp(g->name, "option.", 7))
        memmove(g->name, g->name + 7, n - 6);
    else
        g->flag = find_flag(g->name, s->f->command);
    if (!g->flag) {
        o = any_option(s, g->name);
        if (!o && !strncmp(g->name, "no-", 3)) {
            o = any_option(s, g->name + 3);
            if (!o || o->kind != RNN_OPT_BOOL || g->value)
                return unknown_flag(s, g->name);
            memmove(g->name, g->name + 3, n - 2);
            g->negated = true;
        }
        if (!o)
            return unknown_flag(s, g->name);
    }
    bool is_switch = g->flag ? g->flag->kind == FLAG_SWITCH
                             : o->kind == RNN_OPT_BOOL;
    if (!is_switch && !g->value) {
        if (*at + 1 >= argc || !strncmp(argv[*at + 1], "--", 2))
            return rnn_fail(s->err, RNN_BAD_INPUT, "--%s needs a value",
                            g->name);
        g->value = argv[++*at];
    }
    s->ngiven++;
    return RNN_OK;
}

static RnnStatus take_command(Parse *s, const char *word)
{
    const char *cand[CMD_COUNT];

    for (int i = 0; i < CMD_COUNT; i++) {
        cand[i] = rnn_command_info[i].name;
        if (rnn_same_name(cand[i], word)) {
            s->f->command = (RnnCommand)i;
            return RNN_OK;
        }
    }
    const char *near = rnn_closest(word, cand, CMD_COUNT);
    return rnn_fail(s->err, RNN_BAD_INPUT, "unknown command \"%s\"%s%s%s",
                    word, near ? "; did you mean \"" : "", near ? near : "",
                    near ? "\"?" : "; --help lists the commands");
}

static RnnStatus split(Parse *s, int argc, char **argv)
{
    RnnFlags *f = s->f;
    int at = 1;
    RnnStatus st;

    if (at < argc && !strcmp(argv[at], "help")) {
        f->help = true;
        at++;
    } else if (at < argc && !strcmp(argv[at], "--version")) {
        f->version = true;
        return RNN_OK;
    } else if (at < argc &&
               (!strcmp(argv[at], "--help") || !strcmp(argv[at], "-h"))) {
        f->help = true;
        at++;
    }
    if (at >= argc) {
        if (f->help)
            return RNN_OK;
        return rnn_fail(s->err, RNN_BAD_INPUT,
                        "which command? --help lists them");
    }
    if (!strcmp(argv[at], "--check-grad"))
        f->command = CMD_check_grad;
    else if (argv[at][0] == '-')
        return rnn_fail(s->err, RNN_BAD_INPUT,
                        "the command comes first, then \"%s\"", argv[at]);
    else if ((st = take_command(s, argv[at])) != RNN_OK)
        return st;
    while (++at < argc) {
        if (argv[at][0] == '-' && argv[at][1]) {
            if ((st = take_flag(s, argc, argv, &at)) != RNN_OK)
                return st;
        } else {
            s->name[s->nname++] = argv[at];
        }
    }
    return RNN_OK;
}

/* --- second pass --------------------------------------------------------- */

static RnnStatus set_flag(Parse *s, const Given *g)
{
    void *at = (char *)s->f + g->flag->offset;
    const RnnFlagInfo *i = g->flag;
    int64_t n;
    uint64_t u;

    switch (i->kind) {
    case FLAG_TEXT:
        if (!*g->value)
            return rnn_fail(s->err, RNN_BAD_INPUT,
                            "--%s needs a value, not \"\"", i->name);
        memcpy(at, &g->value, sizeof g->value);
        return RNN_OK;
    case FLAG_COUNT:
        if (!rnn_parse_int(g->value, &n) || n < i->lo || n > i->hi)
            return rnn_fail(s->err, RNN_BAD_INPUT,
                            "--%s must be a whole number from %lld to %lld, "
                            "not \"%s\"", i->name, (long long)i->lo,
                            (long long)i->hi, g->value);
        memcpy(at, &n, sizeof n);
        if (i->offset == offsetof(RnnFlags, epochs))
            s->f->epochs_given = true;
        return RNN_OK;
    case FLAG_SEED:
        if (!rnn_parse_seed(g->value, &u))
            return rnn_fail(s->err, RNN_BAD_INPUT,
                            "--%s must be a whole number from 0 to 2^64 - 1, "
                            "not \"%s\"", i->name, g->value);
        memcpy(at, &u, sizeof u);
        s->f->seed_given = true;
        return RNN_OK;
    default:
        if (g->value && !rnn_parse_bool(g->value, at))
            return rnn_fail(s->err, RNN_BAD_INPUT,
                            "--%s is a switch, \"%s\" is neither true nor "
                            "false", i->name, g->value);
        if (!g->value)
            *(bool *)at = true;
        return RNN_OK;
    }
}

static RnnStatus set_all(Parse *s)
{
    RnnStatus st = RNN_OK;

    for (int i = 0; i < s->ngiven && st == RNN_OK; i++) {
        const Given *g = &s->given[i];

        if (g->flag)
            st = set_flag(s, g);
        else
            st = rnn_option_set(s->f, s->p, g->name,
                                g->negated ? "false"
                                : g->value ? g->value
                                           : "true",
                                s->err);
    }
    return st;
}

RnnStatus rnn_flags_parse(RnnFlags *f, const RnnProgram *p, int argc,
                          char **argv, RnnError *err)
{
    Parse s = {.f = f, .p = p, .err = err};
    RnnStatus st;

    *f = (RnnFlags){.command = CMD_NONE};
    s.given = calloc((size_t)argc + 1, sizeof *s.given);
    s.name = calloc((size_t)argc + 1, sizeof *s.name);
    if (!s.given || !s.name)
        st = rnn_fail(err, RNN_SURROUNDINGS, "out of memory");
    else
        st = split(&s, argc, argv);
    if (st == RNN_OK && !f->help && !f->version) {
        if (f->command == CMD_chart) {
            f->file = s.name;
            f->nfile = s.nname;
            s.name = NULL;
        } else {
            st = rnn_choose_entries(f, p, s.nname, s.name, err);
        }
        if (st == RNN_OK)
            st = rnn_options_default(f, p, err);
        if (st == RNN_OK)
            st = set_all(&s);
    }
    free(s.given);
    free(s.name);
    return st;
}

void rnn_flags_free(RnnFlags *f)
{
    free(f->entry);
    free(f->file);
    free(f->option);
    free(f->option_given);
    *f = (RnnFlags){.command = CMD_NONE};
}
