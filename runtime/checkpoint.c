/*
 * checkpoint.c -- a training run as one safetensors file: every variable, and
 * as metadata where the run stands. The file is the weights file too.
 *
 * Written only between steps and atomically, so it is always a whole step.
 * The order of examples is a function of seed and epoch, so two numbers (epoch
 * and step) and the sums of the epoch's watched values are all there is to
 * remember; sums are hexadecimal floats, so nothing is rounded.
 */
#include "face.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE = 64 };

typedef struct Meta { // metadata in the making
    int n, cap;
    char **key, **value;
} Meta;

static void meta_add(Meta *m, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void meta_add(Meta *m, const char *key, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (m->n == m->cap) {
        fprintf(stderr, "error: too many options for a checkpoint\n");
        abort();
    }
    m->key[m->n] = strdup(key);
    m->value[m->n] = strdup(text);
    if (!m->key[m->n] || !m->value[m->n]) {
        fprintf(stderr, "error: out of memory for a checkpoint\n");
        exit(RNN_SURROUNDINGS);
    }
    m->n++;
}

static int noptions(const RnnSession *s, const RnnTraining *t)
{
    return s->p->nopt + t->e->nopt;
}

static void describe(Meta *m, const RnnSession *s, const RnnTraining *t)
{
    char key[256], text[64];

    m->cap = 16 + noptions(s, t) + t->nsum;
    m->key = rnn_alloc(sizeof *m->key * (size_t)m->cap);
    m->value = rnn_alloc(sizeof *m->value * (size_t)m->cap);
    meta_add(m, "program", "%s", s->p->name);
    meta_add(m, "version", "%s", s->p->version);
    meta_add(m, "precision", "%s", rnn_dtype_name(s->p->real));
    meta_add(m, "entry", "%s", t->e->name);
    meta_add(m, "seed", "%llu", (unsigned long long)s->seed);
    meta_add(m, "epoch", "%lld", (long long)t->epoch);
    meta_add(m, "epochs", "%lld", (long long)t->epochs);
    meta_add(m, "step", "%lld", (long long)t->step);
    meta_add(m, "rollbacks", "%lld", (long long)t->rollbacks);
    meta_add(m, "batch", "%lld", (long long)t->batch);
    meta_add(m, "examples", "%lld", (long long)t->examples);
    for (int i = 0; i < noptions(s, t); i++) {
        const RnnOption *o = rnn_option_info(s->p, t->e, i);
        double v = s->f->option[rnn_option_at(s->p, t->e, i)];

        snprintf(key, sizeof key, "option.%s", o->name);
        if (o->kind == RNN_OPT_REAL)
            snprintf(text, sizeof text, "%.17g", v);
        else
            rnn_option_text(o, v, text, sizeof text);
        meta_add(m, key, "%s", text);
    }
    for (int i = 0; i < t->nsum; i++) {
        snprintf(key, sizeof key, "sum.%d", i);
        meta_add(m, key, "%a", t->sum[i]);
    }
}

static char *back_name(const RnnVar *v)
{
    size_t n = strlen(RNN_BACK_PREFIX) + strlen(v->path) + 1;
    char *name = rnn_alloc(n);

    snprintf(name, n, "%s%s", RNN_BACK_PREFIX, v->path);
    return name;
}

/* What a rollback would restore, if the file is of the middle of an epoch. */
static RnnStatus take_back(const RnnSession *s, RnnTraining *t,
                           const RnnArrays *a, const char *path, RnnError *err)
{
    for (int i = 0; t->back && i < s->p->nvar; i++) {
        const RnnVar *v = &s->p->var[i];
        char *name = back_name(v);
        const RnnArray *x = rnn_arrays_find(a, name);
        bool same = !x || (x->type.dt == v->type.dt &&
                           rnn_type_count(&x->type) ==
                               rnn_type_count(&v->type));

        free(name);
        if (!same)
            return rnn_fail(err, RNN_BAD_INPUT, "\"%s\" is damaged: what is "
                            "kept of \"%s\" has another type", path, v->path);
        memcpy(t->back[i], x ? x->at : s->var[i], rnn_var_bytes(v));
    }
    return RNN_OK;
}

RnnStatus rnn_checkpoint_write(const RnnSession *s, const RnnTraining *t,
                               const char *path, RnnError *err)
{
    const RnnProgram *p = s->p;
    bool both = t->back && t->step != t->epoch * t->steps_per_epoch;
    RnnArrays a = {.n = both ? 2 * p->nvar : p->nvar};
    Meta m = {0};
    RnnStatus st;

    a.array = rnn_alloc(sizeof *a.array * (size_t)a.n);
    for (int i = 0; i < a.n; i++) {
        const RnnVar *v = &p->var[i % p->nvar];

        a.array[i].name = i < p->nvar ? strdup(v->path) : back_name(v);
        a.array[i].type = v->type;
        a.array[i].at = i < p->nvar ? s->var[i] : t->back[i - p->nvar];
    }
    describe(&m, s, t);
    a.nmeta = m.n;
    a.meta_key = m.key;
    a.meta_value = m.value;
    rnn_interrupt_hold(true);
    st = rnn_arrays_write(path, &a, err);
    rnn_interrupt_hold(false);
    for (int i = 0; i < m.n; i++) {
        free(m.key[i]);
        free(m.value[i]);
    }
    free(m.key);
    free(m.value);
    for (int i = 0; i < a.n; i++)
        free(a.array[i].name);
    free(a.array);
    return st;
}

/* --- reading ------------------------------------------------------------- */

static const char *meta(const RnnArrays *a, const char *key)
{
    for (int i = 0; i < a->nmeta; i++)
        if (!strcmp(a->meta_key[i], key))
            return a->meta_value[i];
    return NULL;
}

static bool meta_int(const RnnArrays *a, const char *key, int64_t *out)
{
    const char *text = meta(a, key);

    return text && rnn_parse_int(text, out) && *out >= 0;
}

static RnnStatus check_word(const RnnArrays *a, const char *path,
                            const char *key, const char *want, RnnError *err)
{
    const char *is = meta(a, key);

    if (!is)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" is no checkpoint of a training run: it has no "
                        "\"%s\" in its metadata; --weights takes its values "
                        "as a start", path, key);
    if (strcmp(is, want))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" cannot be resumed: its %s is \"%s\", not "
                        "\"%s\"", path, key, is, want);
    return RNN_OK;
}

/* A flag that was given must agree with the file; else it takes its value. */
static RnnStatus agree(const char *path, const char *flag, int64_t saved,
                       int64_t *given, RnnError *err)
{
    if (*given && *given != saved)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" cannot be resumed with --%s %lld: it was made "
                        "with %lld", path, flag, (long long)*given,
                        (long long)saved);
    *given = saved;
    return RNN_OK;
}

static RnnStatus take_options(RnnFlags *f, const RnnSession *s,
                              const RnnTraining *t, const RnnArrays *a,
                              const char *path, RnnError *err)
{
    char key[256], was[64], now[64];

    for (int i = 0; i < noptions(s, t); i++) {
        const RnnOption *o = rnn_option_info(s->p, t->e, i);
        int at = rnn_option_at(s->p, t->e, i);
        double v;

        snprintf(key, sizeof key, "option.%s", o->name);
        const char *text = meta(a, key);
        if (!text)
            continue;
        if (rnn_option_parse(o, text, &v, err) != RNN_OK)
            return rnn_fail(err, RNN_BAD_INPUT,
                            "\"%s\" is damaged: its %s is \"%s\"", path, key,
                            text);
        if (!f->option_given[at])
            f->option[at] = v;
        else if (f->option[at] != v && !f->quiet)
            fprintf(stderr, "note: going on with --%s %s, which was %s\n",
                    o->name,
                    rnn_option_text(o, f->option[at], now, sizeof now),
                    rnn_option_text(o, v, was, sizeof was));
    }
    return RNN_OK;
}

static RnnStatus take_sums(RnnTraining *t, const RnnArrays *a,
                           const char *path, RnnError *err)
{
    char key[VALUE], *end;

    for (int i = 0; i < t->nsum; i++) {
        snprintf(key, sizeof key, "sum.%d", i);
        const char *text = meta(a, key);
        if (!text)
            continue;
        t->sum[i] = strtod(text, &end);
        if (end == text || *end)
            return rnn_fail(err, RNN_BAD_INPUT,
                            "\"%s\" is damaged: its %s is \"%s\"", path, key,
                            text);
    }
    return RNN_OK;
}

static RnnStatus take_position(RnnSession *s, RnnTraining *t, RnnFlags *f,
                               const RnnArrays *a, const char *path,
                               RnnError *err)
{
    int64_t batch, epochs;
    uint64_t seed;
    RnnStatus st;

    if (!meta_int(a, "epoch", &t->epoch) || !meta_int(a, "step", &t->step) ||
        !meta_int(a, "batch", &batch) || !meta_int(a, "epochs", &epochs) ||
        !meta_int(a, "examples", &t->examples) || batch < 1 ||
        !meta(a, "seed") || !rnn_parse_seed(meta(a, "seed"), &seed))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" is damaged: its metadata does not say where "
                        "the run stands", path);
    if (f->seed_given && f->seed != seed)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" cannot be resumed with --seed %llu: it was "
                        "made with %llu", path, (unsigned long long)f->seed,
                        (unsigned long long)seed);
    if (meta(a, "rollbacks") && !meta_int(a, "rollbacks", &t->rollbacks))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" is damaged: its rollbacks are \"%s\"", path,
                        meta(a, "rollbacks"));
    f->seed = s->seed = seed;
    if ((st = agree(path, "batch", batch, &f->batch, err)) != RNN_OK)
        return st;
    if (!f->epochs_given)
        f->epochs = epochs;
    f->epochs_given = true;
    return RNN_OK;
}

RnnStatus rnn_checkpoint_read(RnnSession *s, RnnTraining *t, RnnFlags *f,
                              const char *path, RnnError *err)
{
    RnnArrays a = {0};
    RnnStatus st = rnn_arrays_read(path, &a, err);

    if (st == RNN_OK)
        st = check_word(&a, path, "program", s->p->name, err);
    if (st == RNN_OK)
        st = check_word(&a, path, "entry", t->e->name, err);
    if (st == RNN_OK)
        st = check_word(&a, path, "precision", rnn_dtype_name(s->p->real), err);
    if (st == RNN_OK)
        st = take_position(s, t, f, &a, path, err);
    if (st == RNN_OK)
        st = take_options(f, s, t, &a, path, err);
    if (st == RNN_OK)
        st = take_sums(t, &a, path, err);
    if (st == RNN_OK)
        st = rnn_weights_take(s, &a, path, true, err);
    if (st == RNN_OK)
        st = take_back(s, t, &a, path, err);
    rnn_arrays_free(&a);
    return st;
}
