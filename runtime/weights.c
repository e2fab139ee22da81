/*
 * weights.c -- variables from a file, by path.
 *
 * Every difference between the file and the program is found before anything
 * is refused, so that one message lists them all.
 */
#include "face.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct List { // "a, b, c and 3 more", as much as fits
    char text[280];
    size_t at;
    int n, left;
} List;

static void list_add(List *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void list_add(List *l, const char *fmt, ...)
{
    char item[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(item, sizeof item, fmt, ap);
    va_end(ap);
    l->n++;
    if (l->left || l->at + strlen(item) + 24 > sizeof l->text) {
        l->left++;
        snprintf(l->text + l->at, sizeof l->text - l->at, " and %d more",
                 l->left);
        return;
    }
    l->at += (size_t)snprintf(l->text + l->at, sizeof l->text - l->at, "%s%s",
                              l->n > 1 ? ", " : "", item);
}

typedef struct Fit { // how a file and the program differ
    List missing, unknown, shape, bad;
} Fit;

static bool same_shape(const RnnType *a, const RnnType *b)
{
    return a->rank == b->rank &&
           !memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->rank);
}

/* Reals convert into each other, whole numbers into reals. */
static bool converts(int32_t to, int32_t from)
{
    bool real = to == RNN_F32 || to == RNN_F64;

    return to == from || (real && from != RNN_BOOL);
}

/* The array of a variable; an .npy file has one array without a name. */
static const RnnArray *array_of(const RnnSession *s, const RnnArrays *a,
                                const RnnVar *v)
{
    const RnnArray *found = rnn_arrays_find(a, v->path);
    int nparam = 0;

    for (int i = 0; i < s->p->nvar; i++)
        nparam += s->p->var[i].is_param;
    if (!found && a->n == 1 && nparam == 1 && v->is_param &&
        (!a->array[0].name || !a->array[0].name[0]))
        return &a->array[0];
    return found;
}

static bool is_variable(const RnnProgram *p, const char *name)
{
    for (int i = 0; i < p->nvar; i++)
        if (!strcmp(p->var[i].path, name))
            return true;
    return false;
}

static void compare(const RnnSession *s, const RnnArrays *a, bool states_too,
                    Fit *fit)
{
    char want[128], is[128];

    for (int i = 0; i < s->p->nvar; i++) {
        const RnnVar *v = &s->p->var[i];
        const RnnArray *x = array_of(s, a, v);
        int64_t at;

        rnn_type_text(&v->type, want, sizeof want);
        if (!x) {
            if (v->is_param || states_too)
                list_add(&fit->missing, "%s %s", v->path, want);
        } else if (!same_shape(&x->type, &v->type) ||
                   !converts(v->type.dt, x->type.dt)) {
            list_add(&fit->shape, "%s is %s in the file but %s in the program",
                     v->path, rnn_type_text(&x->type, is, sizeof is), want);
        } else if (v->is_param &&
                   (at = rnn_first_bad(x->at, x->type.dt,
                                       rnn_type_count(&x->type))) >= 0) {
            list_add(&fit->bad, "%s at element %lld", v->path, (long long)at);
        }
    }
    for (int k = 0; k < a->n; k++)
        if (a->array[k].name && a->array[k].name[0] &&
            strncmp(a->array[k].name, RNN_BACK_PREFIX,
                    strlen(RNN_BACK_PREFIX)) &&
            !is_variable(s->p, a->array[k].name))
            list_add(&fit->unknown, "%s %s", a->array[k].name,
                     rnn_type_text(&a->array[k].type, is, sizeof is));
}

/* Array x becomes variable number i: as it is if the types agree. */
static void take_array(RnnSession *s, int i, RnnArray *x)
{
    const RnnVar *v = &s->p->var[i];
    void *old = s->var[i];

    if (!x->at)
        return;
    if (x->type.dt == v->type.dt) {
        s->var[i] = x->at;
        x->at = old;
        return;
    }
    rnn_convert(s->var[i], v->type.dt, x->at, x->type.dt,
                rnn_type_count(&v->type));
}

RnnStatus rnn_weights_take(RnnSession *s, RnnArrays *a, const char *path,
                           bool states_too, RnnError *err)
{
    Fit fit = {0};

    compare(s, a, states_too, &fit);
    if (fit.missing.n || fit.shape.n)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" does not hold the weights of this program"
                        "%s%s%s%s%s%s", path,
                        fit.missing.n ? "; missing: " : "", fit.missing.text,
                        fit.shape.n ? "; wrong shape: " : "", fit.shape.text,
                        fit.unknown.n ? "; unknown: " : "", fit.unknown.text);
    if (fit.bad.n)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" holds values that are not finite: %s", path,
                        fit.bad.text);
    if (fit.unknown.n && !s->f->quiet)
        fprintf(stderr, "note: \"%s\" also holds what this program does not "
                        "know: %s\n", path, fit.unknown.text);
    for (int i = 0; i < s->p->nvar; i++) {
        const RnnArray *x = array_of(s, a, &s->p->var[i]);

        if (x)
            take_array(s, i, &a->array[x - a->array]);
    }
    snprintf(s->weights, sizeof s->weights, "%s", path);
    return RNN_OK;
}

RnnStatus rnn_weights_load(RnnSession *s, const char *path, RnnError *err)
{
    RnnArrays a = {0};
    RnnStatus st = rnn_arrays_read(path, &a, err);

    if (st == RNN_OK)
        st = rnn_weights_take(s, &a, path, false, err);
    rnn_arrays_free(&a);
    return st;
}

/* Does an entry other than training read variable i? */
static bool is_read(const RnnProgram *p, int i)
{
    for (int k = 0; k < p->nentry; k++) {
        const RnnEntry *e = &p->entry[k];

        if (e->kind == RNN_ENTRY_TRAIN || e->kind == RNN_ENTRY_CHECK ||
            e->kind == RNN_ENTRY_INIT)
            continue;
        for (int j = 0; j < e->nin; j++)
            if (e->input[j].kind == RNN_IN_VAR && e->input[j].ref == i)
                return true;
    }
    return false;
}

/* Must the array be read? Not what training alone uses: the state of its
 * optimizer, a replay buffer. */
static bool is_wanted(const void *env, const char *name)
{
    const RnnProgram *p = env;

    for (int i = 0; i < p->nvar; i++)
        if (!strcmp(p->var[i].path, name))
            return p->var[i].is_param || is_read(p, i);
    return strncmp(name, RNN_BACK_PREFIX, strlen(RNN_BACK_PREFIX)) != 0;
}

static bool reads_others(const RnnSession *s, const RnnArrays *a)
{
    for (int i = 0; i < s->p->nvar; i++)
        if (is_read(s->p, i) && !array_of(s, a, &s->p->var[i]))
            return true;
    return false;
}

/* The file, over initial values only where those may be read: drawing them
 * takes longer than loading. `all`: for training too. */
static RnnStatus load_over_init(RnnSession *s, const char *path, bool all,
                                RnnError *err)
{
    RnnArrays a = {0};
    RnnStatus st = rnn_arrays_read_some(path, all ? NULL : is_wanted, s->p, &a,
                                        err);

    if (st == RNN_OK && (all || reads_others(s, &a)))
        st = rnn_session_init(s, err);
    if (st == RNN_OK)
        st = rnn_weights_take(s, &a, path, false, err);
    rnn_arrays_free(&a);
    return st;
}

static RnnStatus find_weights(RnnSession *s, bool all, RnnError *err)
{
    const char *given = s->f->weights;
    char path[1024];
    bool params = false;

    for (int i = 0; i < s->p->nvar; i++)
        params |= s->p->var[i].is_param != 0;
    if (given && strcmp(given, "init") != 0)
        return load_over_init(s, given, all, err);
    snprintf(path, sizeof path, "%s.safetensors", s->p->name);
    if (!given && access(path, F_OK) == 0)
        return load_over_init(s, path, all, err);
    if (given || !params || all)
        return rnn_session_init(s, err);
    return rnn_fail(err, RNN_BAD_INPUT,
                    "no weights: there is no \"%s\" here; train first, name a "
                    "file with --weights, or say --weights init for the "
                    "initial ones", path);
}

RnnStatus rnn_weights_default(RnnSession *s, RnnError *err)
{
    return find_weights(s, false, err);
}

RnnStatus rnn_weights_any(RnnSession *s, RnnError *err)
{
    return find_weights(s, true, err);
}
