/*
 * choose.c -- which entry points a command is about: those named on the
 * command line, or the only ones there are.
 */
#include "face.h"

#include <stdlib.h>
#include <string.h>

bool rnn_command_runs(RnnCommand c, const RnnEntry *e)
{
    int32_t kind = rnn_command_info[c].kind;

    if (kind < 0)
        return e->kind != RNN_ENTRY_INIT && e->kind < RNN_ENTRY_CHECK;
    return e->kind == kind && (c != CMD_check_grad || e->check >= 0);
}

static RnnStatus unknown_entry(const RnnProgram *p, RnnCommand c,
                               const char *name, RnnError *err)
{
    const char *cand[64];
    char list[512];
    size_t at = 0;
    int n = 0;

    list[0] = 0;
    for (int i = 0; i < p->nentry && n < 64; i++)
        if (rnn_command_runs(c, &p->entry[i])) {
            cand[n++] = p->entry[i].name;
            if (at < sizeof list)
                at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
                                       n > 1 ? ", " : "", p->entry[i].name);
        }
    const char *cmd = rnn_command_info[c].name;
    if (!n)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "the program has nothing to %s", cmd);
    if (!name)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" needs a name; there are: %s", cmd, list);
    const char *near = rnn_closest(name, cand, n);
    return rnn_fail(err, RNN_BAD_INPUT,
                    "nothing named \"%s\" to %s; %s%s%s", name, cmd,
                    near ? "did you mean \"" : "there are: ",
                    near ? near : list, near ? "\"?" : "");
}

RnnStatus rnn_choose_entries(RnnFlags *f, const RnnProgram *p, int nname,
                             const char *const *name, RnnError *err)
{
    RnnCommand c = f->command;
    bool many = c == CMD_evaluate || c == CMD_bench || c == CMD_check_grad;
    int only = -1, nonly = 0;

    if (c == CMD_info)
        return nname ? rnn_fail(err, RNN_BAD_INPUT,
                                   "\"info\" takes no name, but \"%s\" was "
                                   "given", name[0])
                        : RNN_OK;
    if (!many && nname > 1)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" takes one name, but also \"%s\" was given",
                        rnn_command_info[c].name, name[1]);
    f->entry = malloc(sizeof *f->entry *
                      (size_t)(p->nentry * (nname + 1) + 1));
    if (!f->entry)
        return rnn_fail(err, RNN_SURROUNDINGS, "out of memory");
    for (int k = 0; k < nname; k++) {
        int before = f->nentry;

        for (int i = 0; i < p->nentry; i++)
            if (rnn_command_runs(c, &p->entry[i]) &&
                rnn_same_name(p->entry[i].name, name[k]))
                f->entry[f->nentry++] = i;
        if (f->nentry == before)
            return unknown_entry(p, c, name[k], err);
    }
    if (nname)
        return RNN_OK;
    for (int i = 0; i < p->nentry; i++) {
        if (!rnn_command_runs(c, &p->entry[i]))
            continue;
        if (many)
            f->entry[f->nentry++] = i;
        if (!nonly++ ||
            (c == CMD_train && !strcmp(p->entry[i].name, "train")))
            only = i;
    }
    if (many && f->nentry)
        return RNN_OK;
    if (nonly == 1 || (nonly && c == CMD_train &&
                       !strcmp(p->entry[only].name, "train"))) {
        f->entry[f->nentry++] = only;
        return RNN_OK;
    }
    return unknown_entry(p, c, NULL, err);
}
