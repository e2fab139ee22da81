/*
 * safetensors.c -- named arrays after a JSON header:
 *
 *   u64 n, n bytes of JSON (safetensors_header.c), the elements
 *
 * The elements of all arrays must tile the rest of the file: no overlap, no
 * hole, nothing after the end, and each size as type and shape say. Written
 * with wide elements first, so that every array is aligned.
 */
#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const StEntry *)a)->name, ((const StEntry *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const StEntry *x = a, *y = b;

    if (x->lo != y->lo)
        return x->lo < y->lo ? -1 : 1;
    return (x->hi > y->hi) - (x->hi < y->hi);
}

static RnnStatus check_size(const char *path, const StEntry *e,
                            RnnError *err)
{
    size_t want = (size_t)rnn_elem_info[e->elem].bytes;
    bool fits = e->hi >= e->lo;

    if (e->type.rank > RNN_RANK_MAX)
        return rnn_bad(err, "array \"%.200s\" of \"%s\" has %d dimensions; "
                               "at most %d are supported", e->name,
                       path, e->type.rank, RNN_RANK_MAX);
    for (int k = 0; k < e->type.rank; k++)
        fits = fits && rnn_mul_size(want, (size_t)e->type.dim[k], &want);
    if (!fits || want != e->hi - e->lo)
        return rnn_bad(err, "array \"%.200s\" of \"%s\" has a size that "
                               "contradicts its type and shape", e->name,
                       path);
    return RNN_OK;
}

static RnnStatus check_places(StHeader *h, uint64_t bytes, const char *path,
                              RnnError *err)
{
    uint64_t at = 0;
    RnnStatus st = RNN_OK;

    if (h->n)
        qsort(h->entry, (size_t)h->n, sizeof *h->entry, by_name);
    for (int k = 1; k < h->n; k++)
        if (!by_name(&h->entry[k - 1], &h->entry[k]))
            return rnn_bad(err, "\"%s\" holds two arrays named \"%.200s\"",
                           path, h->entry[k].name);
    if (h->n)
        qsort(h->entry, (size_t)h->n, sizeof *h->entry, by_place);
    for (int k = 0; k < h->n && st == RNN_OK; at = h->entry[k++].hi) {
        const StEntry *e = &h->entry[k];

        if (e->lo != at)
            return rnn_bad(err, "array \"%.200s\" of \"%s\" %s", e->name, path,
                           e->lo < at ? "overlaps another one"
                                      : "is preceded by unused bytes");
        st = check_size(path, e, err);
    }
    if (st != RNN_OK || at == bytes)
        return st;
    return rnn_bad(err, "\"%s\" %s: its arrays need %llu bytes, %llu are there",
                   path,
                   at > bytes ? "is cut short" : "has bytes after its arrays",
                   (unsigned long long)at, (unsigned long long)bytes);
}

static RnnStatus read_array(const RnnSource *s, const StEntry *e,
                            size_t data_at, RnnArrays *out, RnnError *err)
{
    RnnArray *a = rnn_arrays_add(out, e->name, strlen(e->name));
    char what[600];
    size_t n = (size_t)(e->hi - e->lo);
    void *raw;
    RnnStatus st;

    a->type = e->type;
    a->type.dt = rnn_elem_info[e->elem].dt;
    if (out->wanted && !out->wanted(out->env, a->name))
        return RNN_OK;
    raw = rnn_alloc_unset(n);
    st = rnn_source_read(s, data_at + (size_t)e->lo, raw, n, err);
    snprintf(what, sizeof what, "array \"%.200s\" of \"%.300s\"", e->name,
             s->path);
    if (st == RNN_OK)
        return rnn_array_fill(a, e->elem, false, raw, what, err);
    free(raw);
    return st;
}

static RnnStatus header_length(const RnnSource *s, uint64_t *n, RnnError *err)
{
    unsigned char b[8] = {0};
    RnnStatus st;

    *n = 0;
    if (s->n < 8)
        return rnn_bad(err, "\"%s\" is cut short in its header", s->path);
    if ((st = rnn_source_read(s, 0, b, 8, err)) != RNN_OK)
        return st;
    for (int k = 7; k >= 0; k--)
        *n = *n << 8 | b[k];
    if (*n > RNN_HEADER_MAX)
        return rnn_bad(err, "\"%s\" promises a header of %llu bytes; "
                            "safetensors allows %u", s->path,
                       (unsigned long long)*n, RNN_HEADER_MAX);
    if (*n > s->n - 8)
        return rnn_bad(err, "\"%s\" is cut short in its header", s->path);
    return RNN_OK;
}

RnnStatus rnn_safetensors_read(const RnnSource *s, RnnArrays *out,
                               RnnError *err)
{
    StHeader h = {0};
    uint64_t n;
    void *text = NULL;
    RnnStatus st = header_length(s, &n, err);

    if (st == RNN_OK)
        st = rnn_get((size_t)n, &text, s->path, err);
    if (st == RNN_OK)
        st = rnn_source_read(s, 8, text, (size_t)n, err);
    if (st == RNN_OK)
        st = rnn_st_header(text, (size_t)n, s->path, &h, out, err);
    if (st == RNN_OK)
        st = check_places(&h, s->n - 8 - n, s->path, err);
    for (int k = 0; k < h.n && st == RNN_OK; k++)
        st = read_array(s, &h.entry[k], 8 + (size_t)n, out, err);
    rnn_st_free(&h);
    free(text);
    return st;
}

/* --- writing -------------------------------------------------------------- */

static void print_text(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else if ((unsigned char)*s < 32)
            fprintf(f, "\\u%04x", *s);
        else
            fputc(*s, f);
    fputc('"', f);
}

static size_t array_bytes(const RnnArray *a)
{
    return (size_t)rnn_type_count(&a->type) * rnn_dtype_bytes(a->type.dt);
}

static void print_entry(FILE *f, const RnnArray *a, uint64_t at)
{
    static const char *const dtype[] = {"F32", "F64", "I32", "BOOL"};

    print_text(f, a->name);
    fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", dtype[a->type.dt]);
    for (int i = 0; i < a->type.rank; i++)
        fprintf(f, "%s%lld", i ? "," : "", (long long)a->type.dim[i]);
    fprintf(f, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
            (unsigned long long)(at + array_bytes(a)));
}

/* The arrays with elements of 8, 4, 1 bytes in turn, each group in order. */
static void order_arrays(const RnnArrays *a, const RnnArray **order)
{
    int n = 0;

    for (size_t bytes = 8; bytes; bytes /= 2)
        for (int k = 0; k < a->n; k++)
            if (rnn_dtype_bytes(a->array[k].type.dt) == bytes)
                order[n++] = &a->array[k];
}

static void print_header(FILE *f, const RnnArrays *a, const RnnArray **order)
{
    uint64_t at = 0;
    const char *comma = "";

    fputc('{', f);
    if (a->nmeta) {
        fputs("\"__metadata__\":{", f);
        for (int k = 0; k < a->nmeta; k++) {
            fputs(k ? "," : "", f);
            print_text(f, a->meta_key[k]);
            fputc(':', f);
            print_text(f, a->meta_value[k]);
        }
        fputc('}', f);
        comma = ",";
    }
    for (int k = 0; k < a->n; k++, comma = ",") {
        fputs(comma, f);
        print_entry(f, order[k], at);
        at += array_bytes(order[k]);
    }
    fputc('}', f);
    while (ftell(f) % 8)
        fputc(' ', f);
}

void rnn_safetensors_write(RnnOut *o, const RnnArrays *a)
{
    const RnnArray **order = rnn_alloc((size_t)a->n * sizeof *order);
    char *text = NULL;
    size_t n = 0;
    unsigned char length[8];
    FILE *f = open_memstream(&text, &n);

    order_arrays(a, order);
    if (f)
        print_header(f, a, order);
    if (!f || fclose(f)) {
        fprintf(stderr, "error: out of memory for the names of arrays\n");
        exit(RNN_SURROUNDINGS);
    }
    for (int k = 0; k < 8; k++)
        length[k] = (unsigned char)((uint64_t)n >> (8 * k));
    rnn_out_write(o, length, 8);
    rnn_out_write(o, text, n);
    for (int k = 0; k < a->n; k++)
        rnn_out_write(o, order[k]->at, array_bytes(order[k]));
    free(text);
    free(order);
}
