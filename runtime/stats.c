/*
 * stats.c -- results over whole data sets: gathers the values of each example
 * in double precision, in the order of the examples, then computes each row
 * of stats.def that the entry asks for.
 */
#include "stats.h"

#include "metrics.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- gathering ----------------------------------------------------------- */

void rnn_scores_open(RnnScores *s, const RnnEntry *e, const char *name,
                     int64_t n)
{
    *s = (RnnScores){.e = e, .name = name};
    s->value = rnn_alloc(sizeof *s->value * (size_t)e->nout);
    s->tensor = rnn_alloc(sizeof *s->tensor * (size_t)e->nout);
    for (int o = 0; o < e->nout; o++) {
        const RnnType *t = &e->output[o].type;
        int64_t keep = n < RNN_IMAGES_MAX ? n : RNN_IMAGES_MAX;

        if (e->output[o].kind != RNN_OUT_SCORE)
            continue;
        if (t->rank)
            s->tensor[o] = rnn_alloc(sizeof(float) * (size_t)keep *
                                     (size_t)rnn_type_count(t));
        else
            s->value[o] = rnn_alloc(sizeof(double) * (size_t)n);
    }
}

void rnn_scores_add(RnnScores *s, const RnnRun *r, int64_t n)
{
    for (int o = 0; o < s->e->nout; o++) {
        const RnnType *t = &s->e->output[o].type;
        int64_t each = rnn_type_count(t), keep = RNN_IMAGES_MAX - s->n;

        for (int64_t i = 0; s->value[o] && i < n; i++)
            s->value[o][s->n + i] = rnn_run_value(r, o, i);
        if (s->tensor[o] && keep > 0)
            rnn_convert(s->tensor[o] + s->n * each, RNN_F32, r->out[o], t->dt,
                        (keep < n ? keep : n) * each);
    }
    s->n += n;
}

void rnn_scores_close(RnnScores *s)
{
    for (int o = 0; s->e && o < s->e->nout; o++) {
        free(s->value[o]);
        free(s->tensor[o]);
    }
    free(s->value);
    free(s->tensor);
    *s = (RnnScores){0};
}

/* --- the numbers --------------------------------------------------------- */

typedef struct Sides { // which set is positive, scores high for it
    const double *pos, *neg;
    int64_t npos, nneg;
    double *own; // what is to be freed
} Sides;

/* out: the rival is positive, so scores are negated. */
static Sides sides(const RnnStatAt *a, int rival, bool out)
{
    const RnnScores *in = &a->all->set[0], *other = &a->all->set[rival];
    Sides s = {rnn_stat_value(a, 0, 0), rnn_stat_value(a, rival, 0), in->n,
               other->n, NULL};

    if (!out)
        return s;
    s.own = rnn_alloc(sizeof(double) * (size_t)(in->n + other->n));
    for (int64_t i = 0; i < other->n; i++)
        s.own[i] = -s.neg[i];
    for (int64_t i = 0; i < in->n; i++)
        s.own[other->n + i] = -s.pos[i];
    return (Sides){s.own, s.own + other->n, other->n, in->n, s.own};
}

static double number_auroc(const RnnStatAt *a, int rival, char *note, size_t n)
{
    Sides s = sides(a, rival, false);

    snprintf(note, n, "ties one half; high scores are %s",
             a->all->set[0].name);
    return rnn_auroc(s.pos, s.npos, s.neg, s.nneg);
}

static double number_aupr(const RnnStatAt *a, int rival, char *note, size_t n)
{
    bool out = rnn_stat_param(a, 0, 0) != 0;
    Sides s = sides(a, rival, out);
    double v = rnn_average_precision(s.pos, s.npos, s.neg, s.nneg);

    snprintf(note, n, "positive: %s, base rate %.1f %%",
             a->all->set[out ? rival : 0].name,
             100 * (double)s.npos / (double)(s.npos + s.nneg));
    free(s.own);
    return v;
}

static double number_fpr(const RnnStatAt *a, int rival, char *note, size_t n)
{
    double tpr = rnn_stat_param(a, 0, 0.95);
    bool out = rnn_stat_param(a, 1, 0) != 0;
    Sides s = sides(a, rival, out);
    double v = rnn_fpr_at(s.pos, s.npos, s.neg, s.nneg, tpr);

    snprintf(note, n, "at a true positive rate of %g; positive: %s", tpr,
             a->all->set[out ? rival : 0].name);
    free(s.own);
    return v;
}

static double number_calibration(const RnnStatAt *a, int rival, char *note,
                                 size_t n)
{
    int bins = (int)rnn_stat_param(a, 0, 15);
    double norm = rnn_stat_param(a, 1, 1);
    bool mass = rnn_stat_param(a, 2, 0) != 0;

    (void)rival;
    snprintf(note, n, "%d %s; norm %s", bins,
             mass ? "equal-mass bins, ties together"
                  : "equal-width bins, first [0, hi], others (lo, hi]",
             isinf(norm) ? "infinity" : norm == 2 ? "2" : "1");
    return rnn_calibration(rnn_stat_value(a, 0, 0), rnn_stat_value(a, 0, 1),
                           a->all->set[0].n, bins, norm, mass);
}

static double number_quantile(const RnnStatAt *a, int rival, char *note,
                              size_t n)
{
    double q = rnn_stat_param(a, 0, 0.5);

    (void)rival;
    snprintf(note, n, "quantile %g", q);
    return rnn_quantile(rnn_stat_value(a, 0, 0), a->all->set[0].n, q);
}

/* --- the table ----------------------------------------------------------- */

typedef enum { STAT_NUMBER, STAT_VERSUS, STAT_PICTURE } StatKind;
typedef struct StatInfo {
    const char *name;
    StatKind kind;
    RnnStatNumber *number;
    RnnStatPicture *picture;
} StatInfo;

#define OF_NUMBER(f) number_##f, NULL
#define OF_VERSUS(f) number_##f, NULL
#define OF_PICTURE(f) NULL, rnn_picture_##f
static const StatInfo stat_table[] = {
#define STAT(name, kind, fn) {#name, STAT_##kind, OF_##kind(fn)},
#include "stats.def"
#undef STAT
};

static const StatInfo *info_of(const RnnStat *s)
{
    int n = (int)(sizeof stat_table / sizeof *stat_table);

    for (int i = 0; i < n; i++)
        if (!strcmp(stat_table[i].name, s->kind))
            return &stat_table[i];
    return NULL;
}

/* The record of the attacks that the values were computed with. */
static const char *record_of(const RnnEntry *e, const RnnStat *s)
{
    for (int k = 0; k < s->nvalue; k++)
        if (e->output[s->value[k]].text[0])
            return e->output[s->value[k]].text;
    return "";
}

static void number_row(const RnnStatAt *a, const StatInfo *info, int rival)
{
    const RnnStats *st = a->all;
    const char *with = info->kind == STAT_VERSUS ? st->set[rival].name : NULL;
    char note[256];
    double v = info->number(a, rival, note, sizeof note);
    char *record = rnn_record_text(st->s, st->e, record_of(st->e, a->stat));

    if (st->text) {
        rnn_cell(st->text, "%s%s%s", a->stat->name, with ? " vs " : "",
                 with ? with : "");
        rnn_cell(st->text, "%.6g", v);
        rnn_cell(st->text, "%s", "");
        rnn_cell(st->text, "%s", note);
        rnn_cell(st->text, "%s", record);
    }
    rnn_json_line(st->j, NULL, '{');
    rnn_json_text(st->j, "name", a->stat->name);
    rnn_json_text(st->j, "kind", a->stat->kind);
    if (with)
        rnn_json_text(st->j, "against", with);
    rnn_json_real(st->j, "value", v);
    rnn_json_int(st->j, "n", st->set[0].n);
    if (with)
        rnn_json_int(st->j, "n_against", st->set[rival].n);
    rnn_json_text(st->j, "note", note);
    if (record[0])
        rnn_json_text(st->j, "record", record);
    rnn_json_text(st->j, "place", a->stat->place);
    rnn_json_end(st->j, '}');
    free(record);
}

RnnStatus rnn_stats_numbers(const RnnStats *st, RnnError *err)
{
    for (int i = 0; i < st->e->nstat; i++) {
        const RnnStat *s = &st->e->stat[i];
        const StatInfo *info = info_of(s);
        RnnStatAt a = {st, s, s->param};

        if (!info)
            return rnn_fail(err, RNN_SURROUNDINGS, "the runtime knows no "
                            "\"%s\"", s->kind);
        if (info->kind == STAT_NUMBER)
            number_row(&a, info, 0);
        for (int r = 1; info->kind == STAT_VERSUS && r < st->nset; r++)
            number_row(&a, info, r);
    }
    return RNN_OK;
}

/* "jem-ood-histogram-2": letters, digits and what reads well in a path. */
static void file_name(const RnnSession *of, const RnnEntry *e,
                      const RnnStat *s, int k, char *buf, size_t n)
{
    const char *dir = of->f->plots;
    size_t from;

    from = (size_t)snprintf(buf, n, "%s%s", dir ? dir : "",
                            dir && dir[0] ? "/" : "");
    snprintf(buf + from, n - from, "%s-%s-%s%s%.0d.%s", of->p->name,
             e->name, s->kind, k > 1 ? "-" : "", k > 1 ? k : 0,
             !strcmp(s->kind, "images") ? "png" : "svg");
    for (char *c = buf + (from < n ? from : n - 1); *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
            *c = '_';
}

RnnStatus rnn_stats_check(const RnnSession *s, const RnnEntry *e, RnnError *err)
{
    char path[1024];

    for (int i = 0; i < e->nstat; i++)
        if (e->stat[i].plot) {
            file_name(s, e, &e->stat[i], 1, path, sizeof path);
            return rnn_check_writable("plots", path, err);
        }
    return RNN_OK;
}

RnnStatus rnn_stats_pictures(const RnnStats *st, RnnError *err)
{
    RnnStatus status = RNN_OK;
    char path[1024];

    for (int i = 0; i < st->e->nstat && status == RNN_OK; i++) {
        const RnnStat *s = &st->e->stat[i];
        const StatInfo *info = info_of(s);
        RnnStatAt a = {st, s, s->param};
        int k = 1;

        if (!info || info->kind != STAT_PICTURE)
            continue;
        for (int j = 0; j < i; j++)
            k += !strcmp(st->e->stat[j].kind, s->kind);
        file_name(st->s, st->e, s, k, path, sizeof path);
        status = info->picture(&a, path, err);
        if (status == RNN_OK && st->text)
            printf("  %s: \"%s\"\n", s->name, path);
        rnn_json_line(st->j, NULL, '{');
        rnn_json_text(st->j, "name", s->name);
        rnn_json_text(st->j, "kind", s->kind);
        rnn_json_text(st->j, "file", path);
        rnn_json_end(st->j, '}');
    }
    return status;
}
