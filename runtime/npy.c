/*
 * npy.c -- one array in NumPy's format, versions 1 to 3.
 *
 *   "\x93NUMPY" major minor, length of the header (u16, from 2.0 on u32),
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, elements
 */
#include "files.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_MOST = 1 << 20 };

static const char magic[6] = "\x93NUMPY";

typedef struct Cursor {
    const char *p, *end;
} Cursor;

static void skip_space(Cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t'))
        c->p++;
}

static bool take(Cursor *c, char want)
{
    skip_space(c);
    if (c->p == c->end || *c->p != want)
        return false;
    c->p++;
    return true;
}

static bool take_word(Cursor *c, const char *word)
{
    size_t n = strlen(word);

    skip_space(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n))
        return false;
    c->p += n;
    return true;
}

/* A quoted text without escapes, of at most n - 1 bytes. */
static bool take_text(Cursor *c, char *buf, size_t n)
{
    char quote;
    size_t k = 0;

    skip_space(c);
    if (c->p == c->end || (*c->p != '\'' && *c->p != '"'))
        return false;
    quote = *c->p++;
    while (c->p < c->end && *c->p != quote && k + 1 < n)
        buf[k++] = *c->p++;
    buf[k] = 0;
    return take(c, quote);
}

static bool take_size(Cursor *c, int64_t *x)
{
    skip_space(c);
    if (c->p == c->end || *c->p < '0' || *c->p > '9')
        return false;
    for (*x = 0; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
        if (*x > (INT64_MAX - 9) / 10)
            return false;
        *x = *x * 10 + (*c->p - '0');
    }
    if (c->p < c->end && *c->p == 'L') // written by Python 2
        c->p++;
    return true;
}

/* (), (n,), (n, m), (n, m,). The rank goes on counting beyond what fits. */
static bool take_shape(Cursor *c, RnnType *t)
{
    int64_t x;

    t->rank = 0;
    if (!take(c, '('))
        return false;
    while (!take(c, ')')) {
        if (!take_size(c, &x))
            return false;
        if (t->rank < RNN_RANK_MAX)
            t->dim[t->rank] = x;
        t->rank++;
        if (!take(c, ','))
            return take(c, ')');
    }
    return true;
}

static bool take_dict(Cursor *c, char descr[16], bool *fortran, RnnType *t)
{
    char key[16];
    int seen = 0;

    if (!take(c, '{'))
        return false;
    while (!take(c, '}')) {
        int bit;

        if (!take_text(c, key, sizeof key) || !take(c, ':'))
            return false;
        if (!strcmp(key, "descr"))
            bit = take_text(c, descr, 16) ? 1 : 0;
        else if (!strcmp(key, "shape"))
            bit = take_shape(c, t) ? 2 : 0;
        else if (!strcmp(key, "fortran_order"))
            bit = (*fortran = take_word(c, "True")) || take_word(c, "False")
                      ? 4
                      : 0;
        else
            return false;
        if (!bit || (seen & bit))
            return false;
        seen |= bit;
        if (!take(c, ',') && (skip_space(c), c->p == c->end || *c->p != '}'))
            return false;
    }
    skip_space(c);
    return seen == 7 && c->p == c->end;
}

/* "<f4": byte order, kind, size. */
static bool find_elem(const char *descr, RnnNpy *h)
{
    if (!strchr("<>|=", descr[0]) || !descr[0])
        return false;
    for (int e = 0; e < RNN_NEL; e++) {
        const char *name = rnn_elem_info[e].npy;

        if (name && !strcmp(descr + 1, name)) {
            h->elem = (RnnElem)e;
            h->swap = descr[0] == '>';
            return rnn_elem_info[e].bytes == 1 || descr[0] != '|';
        }
    }
    return false;
}

/* Where the header's text is, from the first bytes of the file. */
static RnnStatus find_text(const RnnSource *s, const char *what, size_t *at,
                           size_t *n, RnnError *err)
{
    unsigned char b[12] = {0};
    size_t have = s->n < sizeof b ? s->n : sizeof b;
    RnnStatus st = rnn_source_read(s, 0, b, have, err);

    if (st != RNN_OK)
        return st;
    if (memcmp(b, magic, sizeof magic) || have < 10)
        return rnn_bad(err, "%s is not a .npy array", what);
    if (b[6] < 1 || b[6] > 3)
        return rnn_bad(err, "%s has .npy format version %d.%d; versions 1 to 3 "
                            "can be read", what, b[6], b[7]);
    *at = b[6] == 1 ? 10 : 12;
    *n = b[8] | (size_t)b[9] << 8;
    if (b[6] > 1)
        *n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (*n > HEADER_MOST)
        return rnn_bad(err, "%s promises a header of %zu bytes; at most %d "
                            "make sense", what, *n, HEADER_MOST);
    if (*at > s->n || *n > s->n - *at)
        return rnn_bad(err, "%s is cut short in its header", what);
    return RNN_OK;
}

static RnnStatus parse(const char *text, size_t n, const char *what, RnnNpy *h,
                       RnnError *err)
{
    Cursor c = {text, text + n};
    char descr[16] = "", shown[61];

    if (!take_dict(&c, descr, &h->fortran, &h->type)) {
        snprintf(shown, sizeof shown, "%s", text);
        for (char *p = shown; *p; p++)
            if (*p < ' ' || *p > '~')
                *p = '?';
        return rnn_bad(err,
                       "%s has a header that cannot be read: %s%s; arrays of "
                       "records are not supported", what, shown,
                       n >= sizeof shown ? "..." : "");
    }
    if (!find_elem(descr, h))
        return rnn_bad(err,
                       "%s has elements of type \"%s\"; expected bool, f2, f4, "
                       "f8, or i or u of 1, 2, 4 or 8 bytes", what, descr);
    if (h->type.rank > RNN_RANK_MAX)
        return rnn_bad(err, "%s has %d dimensions; at most %d are supported",
                       what, h->type.rank, RNN_RANK_MAX);
    h->type.dt = rnn_elem_info[h->elem].dt;
    return RNN_OK;
}

static RnnStatus check_length(const RnnSource *s, const RnnNpy *h,
                              const char *what, RnnError *err)
{
    size_t want = (size_t)rnn_elem_info[h->elem].bytes;
    size_t have = s->n - h->data_at;
    bool fits = true;
    char a[32], b[32];

    for (int i = 0; i < h->type.rank; i++) // a zero dim may follow a huge one
        fits = fits && rnn_mul_size(want, (size_t)h->type.dim[i], &want);
    if (!fits)
        return rnn_bad(err, "%s has a shape larger than any memory", what);
    if (want > have)
        return rnn_bad(err, "%s is cut short: its shape needs %s, %s are there",
                       what, rnn_bytes_text(want, a, sizeof a),
                       rnn_bytes_text(have, b, sizeof b));
    if (want < have)
        return rnn_bad(err, "%s has %s after its elements", what,
                       rnn_bytes_text(have - want, a, sizeof a));
    return RNN_OK;
}

RnnStatus rnn_npy_open(const RnnSource *s, const char *what, RnnNpy *h,
                       RnnError *err)
{
    size_t at = 0, n = 0;
    void *text;
    RnnStatus st = find_text(s, what, &at, &n, err);

    *h = (RnnNpy){0};
    if (st != RNN_OK || (st = rnn_get(n + 1, &text, s->path, err)) != RNN_OK)
        return st;
    st = rnn_source_read(s, at, text, n, err);
    ((char *)text)[n] = 0;
    if (st == RNN_OK)
        st = parse(text, n, what, h, err);
    free(text);
    h->data_at = at + n;
    return st == RNN_OK ? check_length(s, h, what, err) : st;
}

/* dst (C order) from src (first dimension fastest), element by element; idx
 * counts in C order, `from` follows it through the strides of src. */
static void to_c_order(const RnnType *t, int64_t rows, size_t bytes,
                       const char *src, char *dst)
{
    int64_t idx[RNN_RANK_MAX] = {0}, stride[RNN_RANK_MAX], from = 0;
    int64_t n = rows;

    for (int k = 0; k < t->rank; k++)
        stride[k] = k ? stride[k - 1] * t->dim[k - 1] : 1;
    for (int k = 1; k < t->rank; k++)
        n *= t->dim[k];
    for (int64_t i = 0; i < n; i++) {
        memcpy(dst + (size_t)i * bytes, src + (size_t)from * bytes, bytes);
        for (int k = t->rank - 1; k >= 0; k--) {
            from += stride[k];
            if (++idx[k] < t->dim[k])
                break;
            from -= stride[k] * t->dim[k];
            idx[k] = 0;
        }
    }
}

RnnStatus rnn_npy_rows(const RnnSource *s, const RnnNpy *h, int64_t rows,
                       void *dst, RnnError *err)
{
    const RnnType *t = &h->type;
    size_t bytes = (size_t)rnn_elem_info[h->elem].bytes;
    size_t all = s->n - h->data_at;
    RnnStatus st;
    void *raw;

    if (!h->fortran || t->rank < 2) {
        size_t part = t->rank && t->dim[0]
                          ? all / (size_t)t->dim[0] * (size_t)rows
                          : all;

        return rnn_source_read(s, h->data_at, dst, part, err);
    }
    if ((st = rnn_get(all, &raw, s->path, err)) != RNN_OK)
        return st;
    st = rnn_source_read(s, h->data_at, raw, all, err);
    if (st == RNN_OK && all)
        to_c_order(t, rows, bytes, raw, dst);
    free(raw);
    return st;
}

RnnStatus rnn_npy_array(const RnnSource *s, const char *what, RnnArray *a,
                        RnnError *err)
{
    RnnNpy h;
    RnnStatus st = rnn_npy_open(s, what, &h, err);
    void *raw;

    if (st != RNN_OK)
        return st;
    a->type = h.type;
    a->big_endian_source = h.swap;
    raw = rnn_alloc(s->n - h.data_at);
    st = rnn_npy_rows(s, &h, h.type.rank ? h.type.dim[0] : 1, raw, err);
    if (st == RNN_OK)
        return rnn_array_fill(a, h.elem, h.swap, raw, what, err);
    free(raw);
    return st;
}

size_t rnn_npy_write_header(const RnnType *t, char buf[RNN_NPY_HEADER])
{
    static const char *const descr[] = {"<f4", "<f8", "<i4", "|b1"};
    size_t n = 10, end;

    memcpy(buf, magic, sizeof magic);
    buf[6] = 1;
    buf[7] = 0;
    n += (size_t)snprintf(buf + n, RNN_NPY_HEADER - n,
                          "{'descr': '%s', 'fortran_order': False, 'shape': (",
                          descr[t->dt]);
    for (int i = 0; i < t->rank; i++)
        n += (size_t)snprintf(buf + n, RNN_NPY_HEADER - n, "%lld%s",
                              (long long)t->dim[i],
                              t->rank == 1         ? ","
                              : i + 1 < t->rank    ? ", "
                                                   : "");
    n += (size_t)snprintf(buf + n, RNN_NPY_HEADER - n, "), }");
    end = (n + 64) / 64 * 64; // elements start on a cache line
    memset(buf + n, ' ', end - n);
    buf[end - 1] = '\n';
    buf[8] = (char)((end - 10) & 255);
    buf[9] = (char)((end - 10) >> 8);
    return end;
}
