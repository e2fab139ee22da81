/*
 * safetensors_header.c -- the JSON in front of a safetensors file:
 *
 *   {"__metadata__": {"k": "v"}, "w": {"dtype": "F32", "shape": [3, 4],
 *    "data_offsets": [0, 48]}, ...}
 *
 * It needs no general reader: the grammar is read directly, nothing nests, and
 * whatever else stands there is an error at its byte.
 */
#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

enum { METADATA_MOST = 4096 };

typedef struct Reader {
    const char *path, *p, *begin, *end;
    StHeader *h;
    RnnArrays *out;
    RnnError *err;
} Reader;

static RnnStatus wrong(Reader *r, const char *what)
{
    return rnn_bad(r->err, "\"%s\" has a wrong safetensors header at byte %zu: "
                           "expected %s", r->path,
                   (size_t)(r->p - r->begin) + 8, what);
}

/* --- the little JSON there is --------------------------------------------- */

static void skip_space(Reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' ||
                             *r->p == '\r'))
        r->p++;
}

static bool take(Reader *r, char want)
{
    skip_space(r);
    if (r->p == r->end || *r->p != want)
        return false;
    r->p++;
    return true;
}

static int hex4(const char *p)
{
    int u = 0;

    for (int k = 0; k < 4; k++) {
        char c = p[k];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;

        if (d < 0)
            return -1;
        u = u << 4 | d;
    }
    return u;
}

static char *put_utf8(char *to, uint32_t u)
{
    if (u < 0x80) {
        *to++ = (char)u;
        return to;
    }
    if (u < 0x800) {
        *to++ = (char)(0xc0 | u >> 6);
    } else {
        if (u < 0x10000) {
            *to++ = (char)(0xe0 | u >> 12);
        } else {
            *to++ = (char)(0xf0 | u >> 18);
            *to++ = (char)(0x80 | (u >> 12 & 63));
        }
        *to++ = (char)(0x80 | (u >> 6 & 63));
    }
    *to++ = (char)(0x80 | (u & 63));
    return to;
}

/* After a backslash; surrogates must come in pairs, and no text holds NUL. */
static char *take_escape(Reader *r, char *to)
{
    static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    const char *at;
    int u, low;

    if (r->p == r->end)
        return NULL;
    if (*r->p && (at = strchr(plain, *r->p))) {
        r->p++;
        *to++ = means[at - plain];
        return to;
    }
    if (*r->p != 'u' || r->end - r->p < 5 || (u = hex4(r->p + 1)) <= 0)
        return NULL;
    r->p += 5;
    if (u >= 0xdc00 && u < 0xe000)
        return NULL;
    if (u < 0xd800 || u >= 0xe000)
        return put_utf8(to, (uint32_t)u);
    if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
        return NULL;
    low = hex4(r->p + 2);
    r->p += 6;
    if (low < 0xdc00 || low >= 0xe000)
        return NULL;
    return put_utf8(to, 0x10000 + ((uint32_t)(u - 0xd800) << 10) +
                            (uint32_t)(low - 0xdc00));
}

/* A string, returned; NULL if it is none. No escape grows by being read. */
static char *take_string(Reader *r)
{
    const char *end;
    char *text, *to;

    if (!take(r, '"'))
        return NULL;
    for (end = r->p; end < r->end && *end != '"'; end++)
        end += *end == '\\';
    if (end >= r->end)
        return NULL;
    to = text = rnn_alloc((size_t)(end - r->p) + 1);
    while (to && r->p < end) {
        if ((unsigned char)*r->p < 32) {
            to = NULL;
        } else if (*r->p == '\\') {
            r->p++;
            to = take_escape(r, to);
        } else {
            *to++ = *r->p++;
        }
    }
    if (!to) {
        free(text);
        return NULL;
    }
    r->p = end + 1;
    return text;
}

static bool take_uint(Reader *r, uint64_t *x)
{
    skip_space(r);
    if (r->p == r->end || *r->p < '0' || *r->p > '9')
        return false;
    if (*r->p == '0' && r->end - r->p > 1 && r->p[1] >= '0' && r->p[1] <= '9')
        return false;
    for (*x = 0; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        if (*x > ((uint64_t)INT64_MAX - 9) / 10)
            return false;
        *x = *x * 10 + (uint64_t)(*r->p - '0');
    }
    return true;
}

/* --- the header ----------------------------------------------------------- */

static RnnStatus read_metadata(Reader *r)
{
    if (!take(r, '{'))
        return wrong(r, "an object of texts");
    if (take(r, '}'))
        return RNN_OK;
    do {
        char *key = take_string(r), *value = NULL;
        bool good = key && take(r, ':') && (value = take_string(r));

        for (int k = 0; good && k < r->out->nmeta; k++)
            if (!strcmp(r->out->meta_key[k], key)) {
                RnnStatus st = rnn_bad(r->err, "\"%s\" has metadata \"%s\" "
                                               "twice", r->path, key);
                free(key);
                free(value);
                return st;
            }
        if (good && r->out->nmeta < METADATA_MOST)
            rnn_arrays_add_meta(r->out, key, value);
        else
            good = false;
        free(key);
        free(value);
        if (!good)
            return wrong(r, "\"key\": \"value\", at most 4096 times");
    } while (take(r, ','));
    return take(r, '}') ? RNN_OK : wrong(r, "\",\" or \"}\"");
}

static bool take_dtype(Reader *r, StEntry *e)
{
    char *text = take_string(r);
    bool found = false;

    for (int k = 0; text && k < RNN_NEL && !found; k++)
        if (!strcmp(text, rnn_elem_info[k].safetensors)) {
            e->elem = (RnnElem)k;
            found = true;
        }
    free(text);
    return found;
}

/* The rank goes on counting beyond what fits. */
static bool take_shape(Reader *r, RnnType *t)
{
    uint64_t x;

    t->rank = 0;
    if (!take(r, '['))
        return false;
    if (take(r, ']'))
        return true;
    do {
        if (!take_uint(r, &x) || t->rank == INT32_MAX)
            return false;
        if (t->rank < RNN_RANK_MAX)
            t->dim[t->rank] = (int64_t)x;
        t->rank++;
    } while (take(r, ','));
    return take(r, ']');
}

static bool take_offsets(Reader *r, StEntry *e)
{
    return take(r, '[') && take_uint(r, &e->lo) && take(r, ',') &&
           take_uint(r, &e->hi) && take(r, ']');
}

static RnnStatus read_entry(Reader *r, StEntry *e)
{
    int seen = 0;

    if (!take(r, '{'))
        return wrong(r, "an object with dtype, shape and data_offsets");
    do {
        char *key = take_string(r);
        int bit = !key                            ? 0
                  : !strcmp(key, "dtype")        ? 1
                  : !strcmp(key, "shape")        ? 2
                  : !strcmp(key, "data_offsets") ? 4
                                                 : 0;

        free(key);
        if (!bit || (seen & bit) || !take(r, ':'))
            return wrong(r, "dtype, shape and data_offsets, each once");
        seen |= bit;
        if (bit == 1 && !take_dtype(r, e))
            return wrong(r, "one of the types BOOL U8 I8 U16 I16 U32 I32 U64 "
                            "I64 F16 BF16 F32 F64");
        if (bit == 2 && !take_shape(r, &e->type))
            return wrong(r, "a shape like [3, 4]");
        if (bit == 4 && !take_offsets(r, e))
            return wrong(r, "offsets like [0, 48]");
    } while (take(r, ','));
    if (seen != 7)
        return wrong(r, "dtype, shape and data_offsets, each once");
    return take(r, '}') ? RNN_OK : wrong(r, "\",\" or \"}\"");
}

static StEntry *new_entry(StHeader *h, char *name)
{
    if (h->n == h->cap) {
        StEntry *more;

        h->cap = h->cap ? 2 * h->cap : 64;
        more = rnn_alloc((size_t)h->cap * sizeof *more);
        if (h->n)
            memcpy(more, h->entry, (size_t)h->n * sizeof *more);
        free(h->entry);
        h->entry = more;
    }
    h->entry[h->n].name = name;
    return &h->entry[h->n++];
}

/* One member of the header: an array or the metadata. */
static RnnStatus read_member(Reader *r, bool *has_meta)
{
    char *name = take_string(r);

    if (!name || !take(r, ':')) {
        free(name);
        return wrong(r, "\"name\":");
    }
    if (strcmp(name, "__metadata__"))
        return read_entry(r, new_entry(r->h, name));
    free(name);
    if (*has_meta)
        return wrong(r, "one __metadata__, not two");
    *has_meta = true;
    return read_metadata(r);
}

static RnnStatus read_header(Reader *r)
{
    bool has_meta = false;
    RnnStatus st = RNN_OK;

    if (!take(r, '{'))
        return wrong(r, "\"{\"");
    if (!take(r, '}')) {
        do
            st = read_member(r, &has_meta);
        while (st == RNN_OK && take(r, ','));
        if (st != RNN_OK)
            return st;
        if (!take(r, '}'))
            return wrong(r, "\",\" or \"}\"");
    }
    skip_space(r);
    return r->p == r->end ? RNN_OK : wrong(r, "the header's end");
}

RnnStatus rnn_st_header(const char *text, size_t n, const char *path,
                        StHeader *h, RnnArrays *out, RnnError *err)
{
    Reader r = {.path = path, .p = text, .begin = text, .end = text + n,
                .h = h, .out = out, .err = err};

    return read_header(&r);
}

void rnn_st_free(StHeader *h)
{
    for (int k = 0; k < h->n; k++)
        free(h->entry[k].name);
    free(h->entry);
    *h = (StHeader){0};
}
