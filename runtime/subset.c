/*
 * subset.c -- the examples that a file lists, in its order: --examples FILE.
 *
 * A subset takes the place of the data set: its examples are numbered from 0,
 * and --limit counts among them.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>

/* The numbers in the file, checked against the n examples there are. */
static RnnStatus numbers_of(const char *path, int64_t n, RnnArray *a,
                            RnnError *err)
{
    RnnSource src;
    char what[1100];
    RnnStatus st = rnn_source_open(&src, path, err);

    if (st != RNN_OK)
        return st;
    snprintf(what, sizeof what, "\"%s\"", path);
    st = rnn_npy_array(&src, what, a, err);
    rnn_source_close(&src);
    if (st != RNN_OK)
        return st;
    if (a->type.rank != 1 || a->type.dt != RNN_I32 || a->type.dim[0] < 1)
        return rnn_bad(err, "\"%s\" should list numbers of examples: ints, "
                            "along one dim", path);
    for (int64_t k = 0; k < a->type.dim[0]; k++) {
        int32_t at = ((const int32_t *)a->at)[k];

        if (at < 0 || at >= n)
            return rnn_bad(err, "element %lld of \"%s\" is example %d, and "
                                "there are 0 to %lld",
                           (long long)k, path, (int)at, (long long)n - 1);
    }
    return RNN_OK;
}

static RnnStatus pick(RnnColumn *c, const int32_t *number, int64_t n,
                      RnnError *err)
{
    size_t bytes, each = (size_t)c->size * (size_t)rnn_elem_info[c->elem].bytes;
    void *to;

    if (!rnn_mul_size((size_t)n, each, &bytes))
        return rnn_bad(err, "\"%s\": a subset too large for any memory",
                       c->path);
    RnnStatus st = rnn_get(bytes, &to, c->path, err);
    if (st != RNN_OK)
        return st;
    for (int64_t k = 0; k < n; k++)
        memcpy((char *)to + (size_t)k * each,
               (const char *)c->at + (size_t)number[k] * each, each);
    free(c->at);
    c->at = to;
    return RNN_OK;
}

RnnStatus rnn_data_pick(RnnDataset *d, const char *path, int64_t limit,
                        RnnError *err)
{
    RnnArray a = {0};
    RnnStatus st = numbers_of(path, d->n, &a, err);
    int64_t n = st == RNN_OK ? a.type.dim[0] : 0;

    if (limit > 0 && limit < n)
        n = limit;
    for (int k = 0; k < d->decl->nfield && st == RNN_OK; k++)
        st = pick(&d->column[k], a.at, n, err);
    d->picked = true;
    if (st == RNN_OK)
        d->n = n;
    free(a.at);
    return st;
}
