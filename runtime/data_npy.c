/*
 * data_npy.c -- data sets in NumPy's files: one .npy file per field, or one
 * .npz file with an array per field. The first dimension counts examples.
 *
 * npy: the file of field x is the argument SPLIT_x, else x.
 * npz: the file is the argument SPLIT, else the positional one; the array of
 *      field x is the one of SPLIT_x, x_SPLIT and x that is there, where x may
 *      be renamed by an argument x.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256 };

/* Which element a column keeps for one of the file. */
static RnnElem kept_as(RnnElem e)
{
    switch (rnn_elem_info[e].dt) {
    case RNN_I32:
        return e == RNN_EL_U8 ? RNN_EL_U8 : RNN_EL_I32;
    case RNN_BOOL:
        return RNN_EL_BOOL;
    case RNN_F64:
        return RNN_EL_F64;
    default:
        return RNN_EL_F32;
    }
}

static RnnStatus check_header(const RnnField *f, const RnnNpy *h,
                              const char *what, RnnError *err)
{
    bool is_real = h->type.dt == RNN_F32 || h->type.dt == RNN_F64;

    if (h->type.rank == 0)
        return rnn_bad(err, "%s is a single number; the first dimension must "
                            "count the examples", what);
    if (is_real && f->type.dt != RNN_F32 && f->type.dt != RNN_F64)
        return rnn_bad(err, "%s holds %s, but field \"%s\" needs whole "
                            "numbers; save it as integers", what,
                       rnn_elem_info[h->elem].name, f->name);
    return RNN_OK;
}

/* The elements of the first `kept` examples, converted if they must be. */
static RnnStatus read_elements(const RnnSource *s, const RnnNpy *h,
                               const char *what, RnnColumn *c, int64_t kept,
                               RnnError *err)
{
    int64_t count = kept * c->size, bad;
    size_t bytes = (size_t)rnn_elem_info[h->elem].bytes;
    bool same = c->elem == h->elem && !h->swap;
    void *raw = c->at;
    RnnStatus st = RNN_OK;

    if (!same)
        st = rnn_get((size_t)count * bytes, &raw, s->path, err);
    if (st == RNN_OK)
        st = rnn_npy_rows(s, h, kept, raw, err);
    if (st == RNN_OK && !same) {
        bad = rnn_elem_convert(h->elem, h->swap, raw, count, c->at);
        if (bad >= 0)
            st = rnn_elem_misfit(h->elem, h->swap, raw, bad, what, err);
    }
    if (!same)
        free(raw);
    return st;
}

static RnnStatus read_column(RnnOpening *o, const RnnSource *s,
                             const char *what, int field)
{
    const RnnField *f = &o->decl->field[field];
    RnnColumn *c = &o->out->column[field];
    RnnNpy h;
    int64_t kept;
    RnnStatus st = rnn_npy_open(s, what, &h, o->err);

    if (st == RNN_OK)
        st = check_header(f, &h, what, o->err);
    if (st == RNN_OK)
        st = rnn_field_fits(f, h.type.rank - 1, h.type.dim + 1, s->path,
                            o->err);
    if (st != RNN_OK)
        return st;
    kept = rnn_opening_keeps(o, h.type.dim[0]);
    st = rnn_column_new(c, f, kept_as(h.elem), h.type.dim[0], kept, s->path,
                        o->err);
    return st == RNN_OK ? read_elements(s, &h, what, c, kept, o->err) : st;
}

static RnnStatus read_npy_field(RnnOpening *o, int field)
{
    const char *name = o->decl->field[field].name, *file;
    char arg[NAME_BYTES], what[NAME_BYTES + 300], *path;
    RnnSource s;
    RnnStatus st;

    snprintf(arg, sizeof arg, "%s_%s", o->split, name);
    file = rnn_data_arg(o->decl, arg);
    if (!file)
        file = rnn_data_arg(o->decl, name);
    if (!file)
        return rnn_bad(o->err, "data set \"%s\" names no file for field "
                               "\"%s\": give npy an argument \"%s\" or \"%s\"",
                       o->decl->name, name, name, arg);
    if ((st = rnn_places_file(o, file, &path)) != RNN_OK)
        return st;
    st = rnn_source_open(&s, path, o->err);
    if (st == RNN_OK) {
        snprintf(what, sizeof what, "\"%.500s\"", path);
        st = read_column(o, &s, what, field);
        rnn_source_close(&s);
    }
    if (st == RNN_OK && field == 0)
        snprintf(o->out->path, sizeof o->out->path, "%s", path);
    free(path);
    return st;
}

RnnStatus rnn_data_npy(RnnOpening *o)
{
    RnnStatus st = RNN_OK;

    for (int i = 0; i < o->decl->nfield && st == RNN_OK; i++)
        st = read_npy_field(o, i);
    return st;
}

/* --- npz ------------------------------------------------------------------ */

static const RnnZipMember *find_member(const RnnZip *z, const char *name)
{
    char file[NAME_BYTES + 8];

    snprintf(file, sizeof file, "%s.npy", name);
    for (int k = 0; k < z->n; k++)
        if (!strcmp(z->member[k].name, file))
            return &z->member[k];
    return NULL;
}

static RnnStatus read_npz_field(RnnOpening *o, const RnnZip *z, int field)
{
    const char *name = rnn_data_arg(o->decl, o->decl->field[field].name);
    char form[3][NAME_BYTES], what[NAME_BYTES + 300];
    const RnnZipMember *m = NULL;
    RnnSource s = {.path = z->source->path, .fd = -1};
    RnnStatus st;
    int k;

    if (!name)
        name = o->decl->field[field].name;
    snprintf(form[0], NAME_BYTES, "%s_%s", o->split, name);
    snprintf(form[1], NAME_BYTES, "%s_%s", name, o->split);
    snprintf(form[2], NAME_BYTES, "%s", name);
    for (k = 0; k < 3 && !(m = find_member(z, form[k])); k++)
        ;
    if (!m)
        return rnn_bad(o->err, "\"%s\" holds no array \"%s\", \"%s\" or \"%s\" "
                               "for field \"%s\" of data set \"%s\"", s.path,
                       form[0], form[1], form[2], o->decl->field[field].name,
                       o->decl->name);
    st = rnn_zip_read(z, m, &s.bytes, o->err);
    if (st != RNN_OK)
        return st;
    s.n = (size_t)m->bytes;
    snprintf(what, sizeof what, "array \"%.200s\" of \"%.300s\"", form[k],
             s.path);
    st = read_column(o, &s, what, field);
    rnn_source_close(&s);
    return st;
}

RnnStatus rnn_data_npz(RnnOpening *o)
{
    const char *file = rnn_data_arg(o->decl, *o->split ? o->split : "train");
    char *path;
    RnnSource s;
    RnnZip z;
    RnnStatus st;

    if (!file)
        file = rnn_data_arg(o->decl, "");
    if (!file)
        return rnn_bad(o->err, "data set \"%s\" names no file: write "
                               "npz(\"FILE.npz\")", o->decl->name);
    if ((st = rnn_places_file(o, file, &path)) != RNN_OK)
        return st;
    st = rnn_source_open(&s, path, o->err);
    if (st == RNN_OK) {
        st = rnn_zip_open(&z, &s, o->err);
        for (int i = 0; i < o->decl->nfield && st == RNN_OK; i++)
            st = read_npz_field(o, &z, i);
        rnn_zip_close(&z);
        rnn_source_close(&s);
    }
    if (st == RNN_OK)
        snprintf(o->out->path, sizeof o->out->path, "%s", path);
    free(path);
    return st;
}
