/*
 * data.c -- data sets: opening by reader, the checks all of them share, and
 * gathering examples into a batch.
 *
 * Bytes in a real field stand for 0 .. 255 mapped onto the field's range (or
 * for themselves if it has none), by a table of 256 values: the same value in
 * every precision up to rounding, and the range's ends exact.
 */
#include "data.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    RnnStatus (*read)(RnnOpening *o);
} reader[] = {
    {"idx", rnn_data_idx},           {"cifar10", rnn_data_cifar10},
    {"cifar100", rnn_data_cifar100}, {"npy", rnn_data_npy},
    {"npz", rnn_data_npz},
};

const char *rnn_data_arg(const RnnData *d, const char *name)
{
    for (int i = 0; i < d->narg; i++)
        if (!strcmp(d->arg_name[i], name))
            return d->arg[i];
    return NULL;
}

bool rnn_field_is_label(const RnnField *f)
{
    return f->nclass > 0 || (f->type.dt == RNN_I32 && f->type.rank == 0);
}

static bool is_real(const RnnField *f)
{
    return f->type.dt == RNN_F32 || f->type.dt == RNN_F64;
}

/* --- shapes --------------------------------------------------------------- */

/* The dims other than 1; returns how many. */
static int squeeze(int rank, const int64_t *dim, int64_t *out)
{
    int n = 0;

    for (int k = 0; k < rank; k++)
        if (dim[k] != 1)
            out[n++] = dim[k];
    return n;
}

static const char *shape_text(int rank, const int64_t *dim, char *buf,
                              size_t n)
{
    size_t at = (size_t)snprintf(buf, n, "[");

    for (int k = 0; k < rank && at < n; k++)
        at += (size_t)snprintf(buf + at, n - at, "%s%lld", k ? ", " : "",
                               (long long)dim[k]);
    if (at < n)
        snprintf(buf + at, n - at, "]");
    return buf;
}

RnnStatus rnn_field_fits(const RnnField *f, int rank, const int64_t *dim,
                         const char *path, RnnError *err)
{
    int64_t a[RNN_RANK_MAX], b[RNN_RANK_MAX], count = 1;
    int na = squeeze(rank, dim, a);
    int nb = squeeze(f->type.rank, f->type.dim, b);
    char found[160], want[160];
    const char *why = NULL;

    for (int k = 0; k < rank; k++)
        count *= dim[k];
    if (count != rnn_type_count(&f->type))
        why = "";
    else if (na > 1 && nb > 1 &&
             (na != nb || memcmp(a, b, (size_t)na * sizeof *a)))
        why = "; the dimensions stand in another order";
    if (!why)
        return RNN_OK;
    return rnn_bad(err, "examples in \"%s\" are %s, but field \"%s\" is "
                        "declared as %s%s", path,
                   shape_text(rank, dim, found, sizeof found), f->name,
                   shape_text(f->type.rank, f->type.dim, want, sizeof want),
                   why);
}

int64_t rnn_opening_keeps(const RnnOpening *o, int64_t total)
{
    return o->limit > 0 && o->limit < total ? o->limit : total;
}

RnnStatus rnn_column_new(RnnColumn *c, const RnnField *f, RnnElem elem,
                         int64_t total, int64_t kept, const char *path,
                         RnnError *err)
{
    size_t bytes;

    c->elem = elem;
    c->size = rnn_type_count(&f->type);
    c->total = total;
    c->path = rnn_join(path, "");
    if (!rnn_mul_size((size_t)kept, (size_t)c->size, &bytes) ||
        !rnn_mul_size(bytes, (size_t)rnn_elem_info[elem].bytes, &bytes))
        return rnn_bad(err, "\"%s\" promises more than fits any memory", path);
    return rnn_get(bytes, &c->at, path, err);
}

/* --- values --------------------------------------------------------------- */

static double value_at(const RnnColumn *c, int64_t i)
{
    switch (c->elem) {
    case RNN_EL_F32:
        return ((float *)c->at)[i];
    case RNN_EL_F64:
        return ((double *)c->at)[i];
    case RNN_EL_I32:
        return ((int32_t *)c->at)[i];
    default:
        return ((unsigned char *)c->at)[i];
    }
}

static RnnStatus check_labels(const RnnField *f, const RnnColumn *c, int64_t n,
                              RnnError *err)
{
    double lo = f->nclass > 0 ? 0 : f->lo;
    double hi = f->nclass > 0 ? (double)f->nclass - 1 : f->hi;

    for (int64_t i = 0; i < n * c->size; i++) {
        double v = value_at(c, i);

        if (v < lo || v > hi)
            return rnn_bad(err, "example %lld in \"%s\" has %s %.0f, but field "
                                "\"%s\" allows %.0f to %.0f",
                           (long long)(i / c->size), c->path,
                           f->nclass > 0 ? "label" : "value", v, f->name, lo,
                           hi);
    }
    return RNN_OK;
}

static RnnStatus bad_real(const RnnField *f, const RnnColumn *c, int64_t i,
                          RnnError *err)
{
    double v = value_at(c, i);

    if (!isfinite(v))
        return rnn_bad(err, "example %lld in \"%s\" holds %s",
                       (long long)(i / c->size), c->path,
                       isnan(v) ? "a NaN" : "an infinity");
    return rnn_bad(err, "example %lld in \"%s\" holds %.8g, outside the range "
                        "[%g, %g] of field \"%s\"", (long long)(i / c->size),
                   c->path, v, f->lo, f->hi, f->name);
}

/* The bounds are rounded as the data was: 0.1 in f32 is in [0, 0.1]. */
static RnnStatus check_reals(const RnnField *f, const RnnColumn *c, int64_t n,
                             RnnError *err)
{
    bool narrow = c->elem == RNN_EL_F32;
    double lo = narrow ? (double)(float)f->lo : f->lo;
    double hi = narrow ? (double)(float)f->hi : f->hi;

    lo = lo > -HUGE_VAL ? lo : -1.7976931348623157e308;
    hi = hi < HUGE_VAL ? hi : 1.7976931348623157e308;
    for (int64_t i = 0; i < n * c->size; i++) {
        double v = value_at(c, i);

        if (!(v >= lo && v <= hi))
            return bad_real(f, c, i, err);
    }
    return RNN_OK;
}

/* Bytes of a field with a range cannot leave it: they are mapped onto it. */
static void make_table(const RnnField *f, RnnColumn *c)
{
    bool maps = c->elem == RNN_EL_U8 && isfinite(f->lo) && isfinite(f->hi);

    for (int k = 0; k < 256; k++) {
        double v = maps ? f->lo + (f->hi - f->lo) * k / 255 : k;

        c->as_f64[k] = k == 255 && maps ? f->hi : v;
        c->as_f32[k] = (float)c->as_f64[k];
    }
}

static RnnStatus check_column(const RnnField *f, RnnColumn *c, int64_t n,
                              RnnError *err)
{
    if (!is_real(f))
        return f->type.dt == RNN_BOOL ? RNN_OK : check_labels(f, c, n, err);
    make_table(f, c);
    if (c->elem == RNN_EL_U8 && isfinite(f->lo) && isfinite(f->hi))
        return RNN_OK;
    return check_reals(f, c, n, err);
}

/* --- opening -------------------------------------------------------------- */

static RnnStatus check_counts(const RnnDataset *d, RnnError *err)
{
    const RnnColumn *c = d->column;

    for (int i = 1; i < d->decl->nfield; i++)
        if (c[i].total != c[0].total)
            return rnn_bad(err, "\"%s\" holds %lld examples, but \"%s\" holds "
                                "%lld; they must belong together", c[0].path,
                           (long long)c[0].total, c[i].path,
                           (long long)c[i].total);
    if (c[0].total == 0)
        return rnn_bad(err, "\"%s\" holds no examples", c[0].path);
    if (c[0].total > INT32_MAX)
        return rnn_bad(err, "\"%s\" holds %lld examples; at most %d can be "
                            "numbered", c[0].path, (long long)c[0].total,
                       INT32_MAX);
    return RNN_OK;
}

static RnnStatus read_by_name(RnnOpening *o)
{
    size_t n = sizeof reader / sizeof *reader;

    for (size_t k = 0; k < n; k++)
        if (!strcmp(reader[k].name, o->decl->reader))
            return reader[k].read(o);
    return rnn_bad(o->err, "data set \"%s\" names no known reader: \"%s\"; "
                           "there are idx, cifar10, cifar100, npy and npz",
                   o->decl->name, o->decl->reader);
}

RnnStatus rnn_data_open(const RnnData *decl, const char *split, const char *dir,
                        int64_t limit, RnnDataset *out, RnnError *err)
{
    RnnOpening o = {.decl = decl, .split = split ? split : "",
                    .limit = limit, .out = out, .err = err};
    RnnStatus st;

    *out = (RnnDataset){.decl = decl, .split = split};
    if (decl->nfield == 0)
        return rnn_bad(err, "data set \"%s\" has no fields", decl->name);
    out->column = rnn_alloc((size_t)decl->nfield * sizeof *out->column);
    st = rnn_places_open(&o, dir);
    if (st == RNN_OK)
        st = read_by_name(&o);
    rnn_places_close(&o);
    if (st == RNN_OK)
        st = check_counts(out, err);
    if (st == RNN_OK)
        out->n = rnn_opening_keeps(&o, out->column[0].total);
    for (int i = 0; i < decl->nfield && st == RNN_OK; i++)
        st = check_column(&decl->field[i], &out->column[i], out->n, err);
    if (st != RNN_OK)
        rnn_data_close(out);
    return st;
}

void rnn_data_close(RnnDataset *d)
{
    for (int i = 0; d->column && i < d->decl->nfield; i++) {
        free(d->column[i].at);
        free(d->column[i].path);
    }
    free(d->column);
    d->column = NULL;
    d->n = 0;
}

/* --- gathering ------------------------------------------------------------ */

/* `size` values from element `from` of the column, as type dt at dst. */
static void copy_example(const RnnColumn *c, int64_t from, int32_t dt,
                         void *dst)
{
    const unsigned char *b = (const unsigned char *)c->at + from;
    bool bytes = c->elem == RNN_EL_U8 || c->elem == RNN_EL_BOOL;
    int64_t n = c->size;

    if (bytes && dt == RNN_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)dst)[i] = c->as_f32[b[i]];
    else if (bytes && dt == RNN_F64)
        for (int64_t i = 0; i < n; i++)
            ((double *)dst)[i] = c->as_f64[b[i]];
    else if (c->elem == RNN_EL_F32 && dt == RNN_F32)
        memcpy(dst, (float *)c->at + from, (size_t)n * sizeof(float));
    else
        for (int64_t i = 0; i < n; i++) {
            double v = value_at(c, from + i);

            if (dt == RNN_F32)
                ((float *)dst)[i] = (float)v;
            else if (dt == RNN_F64)
                ((double *)dst)[i] = v;
            else if (dt == RNN_I32)
                ((int32_t *)dst)[i] = (int32_t)v;
            else
                ((unsigned char *)dst)[i] = v != 0;
        }
}

void rnn_data_gather(const RnnDataset *d, int field, const int32_t *index,
                     int64_t n, int32_t dt, void *dst)
{
    const RnnColumn *c = &d->column[field];
    size_t step = (size_t)c->size * rnn_dtype_bytes(dt);

    for (int64_t k = 0; k < n; k++) {
        assert(index[k] >= 0 && index[k] < d->n);
        copy_example(c, index[k] * c->size, dt, (char *)dst + (size_t)k * step);
    }
}
