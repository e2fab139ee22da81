/*
 * output.c -- arrays on their way to a file: collected batch by batch from the
 * outputs and fields of a run, written in one piece.
 */
#include "face.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

RnnStatus rnn_check_writable(const char *flag, const char *path, RnnError *err)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    char dir[1024] = ".";
    struct stat st;

    if (!strcmp(path, "-"))
        return RNN_OK;
    if (n >= sizeof dir)
        return rnn_fail(err, RNN_BAD_INPUT, "--%s: the path is too long",
                        flag);
    if (slash)
        snprintf(dir, sizeof dir, "%.*s", n ? (int)n : 1, path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--%s \"%s\" is a directory; name a file", flag, path);
    if (access(dir, W_OK | X_OK))
        return rnn_fail(err, RNN_SURROUNDINGS,
                        "--%s \"%s\" cannot be written in \"%s\": %s", flag,
                        path, dir, strerror(errno));
    return RNN_OK;
}

RnnStatus rnn_results_check(const RnnFlags *f, bool several, RnnError *err)
{
    const char *dot = f->out ? strrchr(f->out, '.') : NULL;
    const char *cmd = rnn_command_info[f->command].name;

    if (!f->out)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "\"%s\" needs --out FILE, where the result goes", cmd);
    if (dot && several && !strcmp(dot, ".npy"))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--out \"%s\": several arrays are written, which an "
                        ".npy file cannot hold; name an .npz or .safetensors",
                        f->out);
    if (!dot || (strcmp(dot, ".npz") && strcmp(dot, ".safetensors") &&
                 strcmp(dot, ".npy")))
        return rnn_fail(err, RNN_BAD_INPUT,
                        "--out \"%s\" must end in %s.npz or .safetensors",
                        f->out, several ? "" : ".npy, ");
    return rnn_check_writable("out", f->out, err);
}

void rnn_results_open(RnnResults *r, int cap, int64_t n, RnnError *err)
{
    *r = (RnnResults){.n = n, .cap = cap, .status = RNN_OK, .err = err};
    r->arrays.array = rnn_alloc(sizeof *r->arrays.array * (size_t)cap);
}

int rnn_results_add(RnnResults *r, const RnnType *type, const char *fmt, ...)
{
    RnnArray *a = &r->arrays.array[r->arrays.n];
    double bytes = (double)rnn_type_count(type) *
                   (double)rnn_dtype_bytes(type->dt) *
                   (double)(type->batched ? r->n : 1);
    char name[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    assert(r->arrays.n < r->cap);
    r->bytes += bytes;
    if (r->status == RNN_OK && type->rank >= RNN_RANK_MAX)
        r->status = rnn_fail(r->err, RNN_BAD_INPUT,
                             "\"%s\" has too many dims for a file", name);
    if (r->status == RNN_OK)
        r->status = rnn_memory_check(r->bytes, "the result", r->err);
    if (r->status != RNN_OK)
        return -1;
    a->name = rnn_alloc(strlen(name) + 1);
    strcpy(a->name, name);
    a->type.dt = type->dt;
    a->type.rank = type->batched ? type->rank + 1 : type->rank;
    for (int i = 0; i < type->rank; i++)
        a->type.dim[i + (type->batched != 0)] = type->dim[i];
    if (type->batched)
        a->type.dim[0] = r->n;
    a->at = rnn_alloc((size_t)bytes);
    return r->arrays.n++;
}

RnnStatus rnn_results_of(RnnResults *r, int *array, const RnnFlags *f,
                         const RnnEntry *e, int64_t n, RnnError *err)
{
    int ntensor = 0;
    RnnStatus st;

    for (int o = 0; o < e->nout; o++)
        ntensor += e->output[o].kind == RNN_OUT_TENSOR;
    if ((st = rnn_results_check(f, ntensor > 1, err)) != RNN_OK)
        return st;
    rnn_results_open(r, ntensor, n, err);
    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];
        bool own = ntensor > 1 && out->name[0];

        array[o] = out->kind != RNN_OUT_TENSOR
                       ? -1
                       : rnn_results_add(r, &out->type, "%s",
                                         own ? out->name : e->name);
    }
    return r->status;
}

void rnn_results_put(RnnResults *r, int k, const RnnType *type, int64_t first,
                     int64_t n, const void *from)
{
    size_t each = (size_t)rnn_type_count(type) * rnn_dtype_bytes(type->dt);

    if (k >= 0 && type->batched)
        memcpy((char *)r->arrays.array[k].at + (size_t)first * each, from,
               (size_t)n * each);
    else if (k >= 0)
        memcpy(r->arrays.array[k].at, from, each);
}

RnnStatus rnn_results_save(RnnResults *r, const RnnFlags *f, RnnError *err)
{
    char text[128];
    RnnStatus st = rnn_arrays_write(f->out, &r->arrays, err);

    if (st != RNN_OK || f->quiet || (f->json && !strcmp(f->json, "-")))
        return st;
    printf("%s:", f->out);
    for (int i = 0; i < r->arrays.n; i++)
        printf("%s %s %s", i ? "," : "", r->arrays.array[i].name,
               rnn_type_text(&r->arrays.array[i].type, text, sizeof text));
    printf("\n");
    return st;
}

void rnn_results_close(RnnResults *r)
{
    for (int i = 0; i < r->arrays.n; i++) {
        free(r->arrays.array[i].name);
        free(r->arrays.array[i].at);
    }
    free(r->arrays.array);
    *r = (RnnResults){0};
}
