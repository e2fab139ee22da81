/*
 * help.c -- --help, made from the tables: commands.def, flags.def and the
 * program's own options and entry points.
 */
#include "face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void option_row(RnnTable *t, const RnnOption *o, bool hidden)
{
    static const char *const word[] = {"REAL", "INT", ""};
    char value[32], lo[32], hi[32], range[80] = "";

    rnn_option_text(o, o->value, value, sizeof value);
    if (o->kind != RNN_OPT_BOOL && (isfinite(o->lo) || isfinite(o->hi))) {
        strcpy(lo, "");
        strcpy(hi, "");
        if (isfinite(o->lo))
            rnn_option_text(o, o->lo, lo, sizeof lo);
        if (isfinite(o->hi))
            rnn_option_text(o, o->hi, hi, sizeof hi);
        snprintf(range, sizeof range, ", in %s .. %s", lo, hi);
    }
    rnn_cell(t, "--%s%s%s%s", hidden ? "option." : "", o->name,
             o->kind == RNN_OPT_BOOL ? "" : " ", word[o->kind]);
    rnn_cell(t, "%s%s(default %s%s)", o->doc, o->doc[0] ? " " : "", value,
             range);
}

static void flags(FILE *out, RnnCommand c)
{
    RnnTable t = {.align = "ll"};

    for (const RnnFlagInfo *i = rnn_flag_info; i->name; i++) {
        if (!(i->commands >> c & 1))
            continue;
        rnn_cell(&t, "--%s%s%s", i->name, i->arg[0] ? " " : "", i->arg);
        rnn_cell(&t, "%s", i->doc);
    }
    fprintf(out, "\nflags:\n");
    rnn_table_print(out, &t, 2);
}

static void program_options(FILE *out, const RnnProgram *p, RnnCommand c)
{
    RnnTable t = {.align = "ll"};

    if (!p->nopt)
        return;
    for (int i = 0; i < p->nopt; i++)
        option_row(&t, &p->option[i],
                   c >= 0 && rnn_option_hidden(&p->option[i], c));
    fprintf(out, "\noptions of the program:\n");
    rnn_table_print(out, &t, 2);
}

static void entry_line(RnnTable *t, const RnnProgram *p, const RnnEntry *e)
{
    const char *dot = e->split && e->split[0] ? "." : "";

    rnn_cell(t, "%s", e->name);
    if (e->data >= 0)
        rnn_cell(t, "on %s%s%s", p->data[e->data].name, dot, e->split);
    else
        rnn_cell(t, "%s", "");
    if (e->kind == RNN_ENTRY_TRAIN)
        rnn_cell(t, "batch %lld, %lld epochs%s%s", (long long)e->batch,
                 (long long)e->epochs, e->doc[0] ? "; " : "", e->doc);
    else if (e->kind == RNN_ENTRY_SAMPLE)
        rnn_cell(t, "%lld examples%s%s", (long long)e->count,
                 e->doc[0] ? "; " : "", e->doc);
    else
        rnn_cell(t, "%s", e->doc);
}

static void entries(FILE *out, const RnnProgram *p, RnnCommand c)
{
    RnnTable t = {.align = "lll"};

    for (int i = 0; i < p->nentry; i++)
        if (rnn_command_runs(c, &p->entry[i]))
            entry_line(&t, p, &p->entry[i]);
    fprintf(out, "\n%s:\n", t.ncell ? "names" : "this program has none");
    rnn_table_print(out, &t, 2);
    for (int i = 0; i < p->nentry; i++) {
        const RnnEntry *e = &p->entry[i];
        RnnTable own = {.align = "ll"};

        if (!rnn_command_runs(c, e) || !e->nopt)
            continue;
        for (int k = 0; k < e->nopt; k++)
            option_row(&own, &e->option[k],
                       rnn_option_hidden(&e->option[k], c));
        fprintf(out, "\noptions of %s:\n", e->name);
        rnn_table_print(out, &own, 2);
    }
}

static void overview(FILE *out, const RnnProgram *p)
{
    RnnTable t = {.align = "lll"};

    fprintf(out, "usage: %s COMMAND [NAME] [FLAGS]\n\n%s, compiled from %s by "
            "rnnc %s (%s, for %s)\n\ncommands:\n", p->name, p->name, p->source,
            p->version, rnn_dtype_name(p->real), p->cpu);
    for (int c = 0; c < CMD_COUNT; c++) {
        char names[512];
        size_t at = 0;

        names[0] = 0;
        for (int i = 0; i < p->nentry && rnn_command_info[c].kind >= 0; i++)
            if (rnn_command_runs((RnnCommand)c, &p->entry[i]) &&
                at < sizeof names)
                at += (size_t)snprintf(names + at, sizeof names - at, "%s%s",
                                       at ? ", " : ": ", p->entry[i].name);
        rnn_cell(&t, "%s", rnn_command_info[c].name);
        rnn_cell(&t, "%s", rnn_command_info[c].arg);
        rnn_cell(&t, "%s%s", rnn_command_info[c].doc, names);
    }
    rnn_table_print(out, &t, 2);
    program_options(out, p, CMD_NONE);
    fprintf(out, "\n\"%s COMMAND --help\" lists the flags of a command and the "
            "options of its entry points.\nReals may be written as quotients: "
            "8/255. --version prints versions.\n", p->name);
}

void rnn_help(FILE *out, const RnnProgram *p, RnnCommand c)
{
    if (c == CMD_NONE) {
        overview(out, p);
        return;
    }
    fprintf(out, "usage: %s %s %s [FLAGS]\n\n%s\n", p->name,
            rnn_command_info[c].name, rnn_command_info[c].arg,
            rnn_command_info[c].doc);
    if (c != CMD_info && c != CMD_chart)
        entries(out, p, c);
    flags(out, c);
    program_options(out, p, c);
}
