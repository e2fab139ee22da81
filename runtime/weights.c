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

RnnStatus rnn_weights_take(RnnSession *s, const RnnArrays *a, const char *path,
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
        const RnnVar *v = &s->p->var[i];
        const RnnArray *x = array_of(s, a, v);

        if (x)
            rnn_convert(s->var[i], v->type.dt, x->at, x->type.dt,
                        rnn_type_count(&v->type));
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

RnnStatus rnn_weights_default(RnnSession *s, RnnError *err)
{
    const char *given = s->f->weights;
    char path[1024];
    bool params = false;
    RnnStatus st = rnn_session_init(s, err);

    if (st != RNN_OK)
        return st;
    for (int i = 0; i < s->p->nvar; i++)
        params |= s->p->var[i].is_param != 0;
    if (given)
        return !strcmp(given, "init") ? RNN_OK
                                      : rnn_weights_load(s, given, err);
    snprintf(path, sizeof path, "%s.safetensors", s->p->name);
    if (access(path, F_OK) == 0)
        return rnn_weights_load(s, path, err);
    if (!params)
        return RNN_OK;
    return rnn_fail(err, RNN_BAD_INPUT,
                    "no weights: there is no \"%s\" here; train first, name a "
                    "file with --weights, or say --weights init for the "
                    "initial ones", path);
}

RnnStatus rnn_weights_any(RnnSession *s, RnnError *err)
{
    char path[1024];

    snprintf(path, sizeof path, "%s.safetensors", s->p->name);
    if (!s->f->weights && access(path, F_OK))
        return rnn_session_init(s, err);
    return rnn_weights_default(s, err);
}
