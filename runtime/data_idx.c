/*
 * data_idx.c -- the IDX files of MNIST and its kin, plain or gzip:
 *
 *   00 00 08 rank, one u32 (highest byte first) per dimension, bytes
 *
 * A split is two files: images, and labels of rank 1. Only the files that the
 * program has fields for are opened, and with a limit only their beginnings
 * are read.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>

enum { RANK_MOST = 4, FORMS = 4, PREFIXES = 2, NAME_BYTES = 64 };

/* The ways a file's name is spelt; %s: train or t10k. */
static const char *const spelling[2][FORMS] = {
    {"%s-images-idx3-ubyte", "%s-images-idx3-ubyte.gz", "%s-images.idx3-ubyte",
     "%s-images.idx3-ubyte.gz"},
    {"%s-labels-idx1-ubyte", "%s-labels-idx1-ubyte.gz", "%s-labels.idx1-ubyte",
     "%s-labels.idx1-ubyte.gz"},
};

typedef struct Names {
    char text[FORMS * PREFIXES][NAME_BYTES];
    const char *list[FORMS * PREFIXES + 1];
} Names;

static void spell(Names *names, const char *split, bool label)
{
    bool test = !strcmp(split, "test");
    const char *prefix[PREFIXES] = {test ? "t10k" : *split ? split : "train",
                                    test ? "test" : NULL};
    int n = 0;

    memset(names, 0, sizeof *names);
    for (int p = 0; p < PREFIXES && prefix[p]; p++)
        for (int k = 0; k < FORMS; k++, n++) {
            snprintf(names->text[n], NAME_BYTES, spelling[label][k],
                     prefix[p]);
            names->list[n] = names->text[n];
        }
}

typedef struct Header {
    int rank;
    int64_t dim[RANK_MOST]; // dim[0]: examples
} Header;

static RnnStatus read_header(RnnStream *s, bool label, Header *h,
                             RnnError *err)
{
    unsigned char b[4 + 4 * RANK_MOST] = {0};
    size_t got;
    RnnStatus st = rnn_stream_read(s, b, 4, &got, err);
    int want = label ? 1 : 3;

    if (st != RNN_OK)
        return st;
    if (got < 4 || b[0] || b[1] || b[2] != 8 || b[3] < 1 || b[3] > RANK_MOST ||
        (b[3] == 1) != label)
        return rnn_bad(err,
                       "\"%s\" is no IDX file of %s: it begins with %02x %02x "
                       "%02x %02x, expected 00 00 08 %02x", s->path,
                       label ? "labels" : "images", b[0], b[1], b[2], b[3],
                       want);
    h->rank = b[3];
    st = rnn_stream_read(s, b + 4, 4 * (size_t)h->rank, &got, err);
    if (st == RNN_OK && got < 4 * (size_t)h->rank)
        st = rnn_bad(err, "\"%s\" is cut short in its header", s->path);
    for (int k = 0; k < h->rank; k++) {
        const unsigned char *p = b + 4 + 4 * k;

        h->dim[k] = (int64_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    }
    return st;
}

static RnnStatus cut_short(const RnnStream *s, const Header *h, size_t have,
                           RnnError *err)
{
    return rnn_bad(err, "\"%s\" is cut short: its header promises %lld "
                        "examples, %zu bytes are there; copy or download it "
                        "again", s->path, (long long)h->dim[0], have);
}

/* Whether the bytes promised can be there at all. */
static RnnStatus check_promise(const RnnStream *s, const Header *h,
                               RnnError *err)
{
    size_t bytes = 1;

    for (int k = 0; k < h->rank; k++)
        if (!rnn_mul_size(bytes, (size_t)h->dim[k], &bytes))
            return cut_short(s, h, (size_t)s->most, err);
    return bytes <= s->most ? RNN_OK : cut_short(s, h, (size_t)s->most, err);
}

static RnnStatus read_examples(RnnStream *s, const Header *h, RnnColumn *c,
                               int64_t kept, RnnError *err)
{
    size_t want = (size_t)(kept * c->size), got;
    RnnStatus st = rnn_stream_read(s, c->at, want, &got, err);
    char more;

    if (st == RNN_OK && got < want)
        return cut_short(s, h, got, err);
    if (st != RNN_OK || kept < c->total)
        return st;
    st = rnn_stream_read(s, &more, 1, &got, err); // and so the gzip checksum
    if (st == RNN_OK && got)
        return rnn_bad(err, "\"%s\" has bytes after the %lld examples that its "
                            "header promises", s->path, (long long)h->dim[0]);
    return st;
}

static RnnStatus read_column(RnnOpening *o, const char *path, int field)
{
    const RnnField *f = &o->decl->field[field];
    RnnColumn *c = &o->out->column[field];
    RnnStream s;
    Header h = {0};
    RnnStatus st = rnn_stream_open(&s, path, o->err);

    if (st == RNN_OK)
        st = read_header(&s, rnn_field_is_label(f), &h, o->err);
    if (st == RNN_OK)
        st = check_promise(&s, &h, o->err);
    if (st == RNN_OK)
        st = rnn_field_fits(f, h.rank - 1, h.dim + 1, path, o->err);
    if (st == RNN_OK) {
        int64_t kept = rnn_opening_keeps(o, h.dim[0]);

        st = rnn_column_new(c, f, RNN_EL_U8, h.dim[0], kept, path, o->err);
        if (st == RNN_OK)
            st = read_examples(&s, &h, c, kept, o->err);
    }
    rnn_stream_close(&s);
    return st;
}

RnnStatus rnn_data_idx(RnnOpening *o)
{
    const char *name = rnn_data_arg(o->decl, "");
    char *folder = NULL;
    RnnStatus st = RNN_OK;

    for (int i = 0; i < o->decl->nfield && st == RNN_OK; i++) {
        Names names;
        char *path = NULL;

        spell(&names, o->split, rnn_field_is_label(&o->decl->field[i]));
        if (!folder)
            st = rnn_places_find(o, name ? name : "", NULL, names.list,
                                 &folder);
        for (int k = 0; st == RNN_OK && names.list[k] && !path; k++) {
            path = rnn_join(folder, names.list[k]);
            if (!rnn_is_file(path)) {
                free(path);
                path = NULL;
            }
        }
        if (st == RNN_OK && !path)
            st = rnn_bad(o->err, "\"%s\" holds no \"%s\" (plain or .gz), which "
                                 "field \"%s\" of data set \"%s\" needs",
                         folder, names.list[0], o->decl->field[i].name,
                         o->decl->name);
        if (st == RNN_OK)
            st = read_column(o, path, i);
        free(path);
    }
    if (st == RNN_OK)
        snprintf(o->out->path, sizeof o->out->path, "%s", folder);
    free(folder);
    return st;
}
