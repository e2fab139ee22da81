/*
 * tensor_file.c -- arrays in files, whatever the format: read by content,
 * written by extension.
 */
#include "files.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Grows by powers of two: n is the count before the new one. */
static void *grow(void *at, int n, size_t bytes)
{
    void *more;

    if (n & (n - 1))
        return at;
    more = realloc(at, (size_t)(n ? 2 * n : 1) * bytes);
    if (!more) {
        fprintf(stderr, "error: out of memory: too many arrays (%d)\n", n);
        exit(RNN_SURROUNDINGS);
    }
    return more;
}

static char *copy_text(const char *s, size_t n)
{
    char *to = rnn_alloc(n + 1);

    memcpy(to, s, n);
    return to;
}

RnnArray *rnn_arrays_add(RnnArrays *out, const char *name, size_t n)
{
    out->array = grow(out->array, out->n, sizeof *out->array);
    out->array[out->n] = (RnnArray){.name = copy_text(name, n)};
    return &out->array[out->n++];
}

void rnn_arrays_add_meta(RnnArrays *out, const char *key, const char *value)
{
    out->meta_key = grow(out->meta_key, out->nmeta, sizeof *out->meta_key);
    out->meta_value =
        grow(out->meta_value, out->nmeta, sizeof *out->meta_value);
    out->meta_key[out->nmeta] = copy_text(key, strlen(key));
    out->meta_value[out->nmeta++] = copy_text(value, strlen(value));
}

void rnn_arrays_free(RnnArrays *a)
{
    for (int i = 0; i < a->n; i++) {
        free(a->array[i].name);
        free(a->array[i].at);
    }
    for (int i = 0; i < a->nmeta; i++) {
        free(a->meta_key[i]);
        free(a->meta_value[i]);
    }
    free(a->array);
    free(a->meta_key);
    free(a->meta_value);
    *a = (RnnArrays){0};
}

const RnnArray *rnn_arrays_find(const RnnArrays *a, const char *name)
{
    for (int i = 0; i < a->n; i++)
        if (!strcmp(a->array[i].name, name))
            return &a->array[i];
    return NULL;
}

/* Takes over raw, whose elements need no more room than they get. */
RnnStatus rnn_array_fill(RnnArray *a, RnnElem elem, bool swap, void *raw,
                         const char *what, RnnError *err)
{
    const RnnElemInfo *e = &rnn_elem_info[elem];
    int64_t count = rnn_type_count(&a->type), bad;

    if (!swap && (elem == RNN_EL_F32 || elem == RNN_EL_F64 ||
                  elem == RNN_EL_I32)) {
        a->at = raw;
        return RNN_OK;
    }
    a->at = rnn_alloc((size_t)count * rnn_dtype_bytes(e->dt));
    bad = rnn_elem_convert(elem, swap, raw, count, a->at);
    RnnStatus st = bad < 0 ? RNN_OK
                           : rnn_elem_misfit(elem, swap, raw, bad, what, err);
    free(raw);
    return st;
}

/* The name of a lone array: the file's, without folder and extension. */
static RnnArray *add_by_path(RnnArrays *out, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    return rnn_arrays_add(out, name, dot && dot > name ? (size_t)(dot - name)
                                                       : strlen(name));
}

static RnnStatus read_by_content(const RnnSource *s, RnnArrays *out,
                                 RnnError *err)
{
    unsigned char head[9] = {0};
    char what[600];
    RnnStatus st = rnn_source_read(s, 0, head, s->n < 9 ? s->n : 9, err);

    if (st != RNN_OK)
        return st;
    if (s->n == 0)
        return rnn_bad(err, "\"%s\" is empty", s->path);
    if (!memcmp(head, "\x93NUMPY", 6)) {
        snprintf(what, sizeof what, "\"%.590s\"", s->path);
        return rnn_npy_array(s, what, add_by_path(out, s->path), err);
    }
    if (!memcmp(head, "PK\3\4", 4) || !memcmp(head, "PK\5\6", 4))
        return rnn_npz_read(s, out, err);
    if (head[8] == '{')
        return rnn_safetensors_read(s, out, err);
    return rnn_bad(err, "\"%s\" holds no arrays: it is not a .npy, .npz or "
                        ".safetensors file", s->path);
}

RnnStatus rnn_arrays_read(const char *path, RnnArrays *out, RnnError *err)
{
    return rnn_arrays_read_some(path, NULL, NULL, out, err);
}

RnnStatus rnn_arrays_read_some(const char *path,
                               bool (*wanted)(const void *, const char *name),
                               const void *env, RnnArrays *out, RnnError *err)
{
    RnnSource s;
    RnnStatus st = rnn_source_open(&s, path, err);

    *out = (RnnArrays){.wanted = wanted, .env = env};
    if (st != RNN_OK)
        return st;
    st = read_by_content(&s, out, err);
    rnn_source_close(&s);
    if (st != RNN_OK)
        rnn_arrays_free(out);
    return st;
}

static bool ends_in(const char *path, const char *extension)
{
    size_t n = strlen(path), k = strlen(extension);

    return n > k && !strcasecmp(path + n - k, extension);
}

RnnStatus rnn_arrays_check_path(const char *path, RnnError *err)
{
    if (ends_in(path, ".npy") || ends_in(path, ".npz") ||
        ends_in(path, ".safetensors"))
        return RNN_OK;
    return rnn_bad(err, "cannot tell the format of \"%s\" by its name; end it "
                        "in .npy, .npz or .safetensors", path);
}

static void write_npy(RnnOut *o, const RnnArray *a)
{
    char header[RNN_NPY_HEADER];

    rnn_out_write(o, header, rnn_npy_write_header(&a->type, header));
    rnn_out_write(o, a->at, (size_t)rnn_type_count(&a->type) *
                                rnn_dtype_bytes(a->type.dt));
}

RnnStatus rnn_arrays_write(const char *path, const RnnArrays *a, RnnError *err)
{
    RnnOut o;
    RnnStatus st = rnn_arrays_check_path(path, err);

    if (st != RNN_OK)
        return st;
    if (ends_in(path, ".npy") && a->n != 1)
        return rnn_bad(err, "cannot write %d arrays to \"%s\": a .npy file "
                            "holds one; end the name in .npz", a->n, path);
    if (rnn_out_open(&o, path, err) != RNN_OK)
        return o.status;
    if (ends_in(path, ".npy"))
        write_npy(&o, a->array);
    else if (ends_in(path, ".npz"))
        rnn_npz_write(&o, a);
    else
        rnn_safetensors_write(&o, a);
    return rnn_out_close(&o);
}
