/*
 * npz.c -- several named arrays: a zip file whose members NAME.npy are .npy
 * files. Written stored, as numpy.savez does, with no date, so that the same
 * arrays make the same bytes; zip64 fields only where a size needs them.
 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static bool ends_in_npy(const char *name, size_t n)
{
    return n >= 4 && !memcmp(name + n - 4, ".npy", 4);
}

static RnnStatus read_member(const RnnZip *z, const RnnZipMember *m, size_t n,
                             RnnArrays *out, RnnError *err)
{
    RnnSource inner = {.path = z->source->path, .fd = -1,
                       .n = (size_t)m->bytes};
    char what[600];
    RnnStatus st = rnn_zip_read(z, m, &inner.bytes, err);

    if (st != RNN_OK)
        return st;
    snprintf(what, sizeof what, "array \"%.*s\" of \"%.300s\"",
             n < 200 ? (int)n : 200, m->name, z->source->path);
    st = rnn_npy_array(&inner, what, rnn_arrays_add(out, m->name, n), err);
    rnn_source_close(&inner);
    return st;
}

RnnStatus rnn_npz_read(const RnnSource *s, RnnArrays *out, RnnError *err)
{
    RnnZip z;
    RnnStatus st = rnn_zip_open(&z, s, err);

    if (st != RNN_OK)
        return st;
    for (int k = 0; k < z.n && st == RNN_OK; k++) {
        size_t n = strlen(z.member[k].name);

        if (ends_in_npy(z.member[k].name, n))
            st = read_member(&z, &z.member[k], n - 4, out, err);
    }
    if (st == RNN_OK && out->n == 0)
        st = rnn_bad(err, "\"%s\" is a zip file without any .npy member",
                     s->path);
    rnn_zip_close(&z);
    return st;
}

/* --- writing -------------------------------------------------------------- */

enum { RECORD_MOST = 128 };

/* Fixed-size records are built here, lowest byte first. */
typedef struct Record {
    unsigned char at[RECORD_MOST];
    size_t n;
} Record;

static void put(Record *r, int bytes, uint64_t x)
{
    for (int k = 0; k < bytes; k++)
        r->at[r->n++] = (unsigned char)(x >> (8 * k));
}

/* Sizes that the 32-bit fields cannot hold; they then hold all ones. */
static bool is_wide(uint64_t x)
{
    return x >= 0xffffffff;
}

typedef struct Member {
    char npy[RNN_NPY_HEADER];
    size_t npy_bytes, name_bytes;
    uint64_t at, bytes;
    uint32_t crc;
} Member;

static Member describe(const RnnArray *a, uint64_t at)
{
    Member m = {.at = at, .name_bytes = strlen(a->name) + 4};
    size_t n = (size_t)rnn_type_count(&a->type) * rnn_dtype_bytes(a->type.dt);
    const unsigned char *p = a->at;
    uLong crc;

    m.npy_bytes = rnn_npy_write_header(&a->type, m.npy);
    m.bytes = m.npy_bytes + n;
    crc = crc32(0, (unsigned char *)m.npy, (uInt)m.npy_bytes);
    for (size_t k; n; n -= k, p += k) {
        k = n < 1 << 30 ? n : 1 << 30;
        crc = crc32(crc, p, (uInt)k);
    }
    m.crc = (uint32_t)crc;
    return m;
}

/* What local header and directory entry share: from "version needed" to the
 * length of the extra field. */
static void put_shared(Record *r, const Member *m, size_t extra)
{
    uint64_t bytes = is_wide(m->bytes) ? 0xffffffff : m->bytes;

    put(r, 2, extra ? 45 : 20);
    put(r, 2, 1 << 11);            // names are UTF-8
    put(r, 2, 0);                  // stored
    put(r, 4, (1 << 5 | 1) << 16); // 1980-01-01 00:00
    put(r, 4, m->crc);
    put(r, 4, bytes);
    put(r, 4, bytes);
    put(r, 2, m->name_bytes);
    put(r, 2, extra);
}

/* Extra field 1: both sizes if they are wide, then `at` if it is not NULL. */
static Record wide_fields(const Member *m, const uint64_t *at)
{
    Record r = {.n = 0};
    int sizes = is_wide(m->bytes) ? 2 : 0;

    if (!sizes && !at)
        return r;
    put(&r, 2, 1);
    put(&r, 2, (uint64_t)(8 * (sizes + (at != NULL))));
    for (int k = 0; k < sizes; k++)
        put(&r, 8, m->bytes);
    if (at)
        put(&r, 8, *at);
    return r;
}

static void write_name(RnnOut *o, const RnnArray *a, const Record *extra)
{
    rnn_out_write(o, a->name, strlen(a->name));
    rnn_out_write(o, ".npy", 4);
    rnn_out_write(o, extra->at, extra->n);
}

static void write_member(RnnOut *o, const RnnArray *a, const Member *m)
{
    Record r = {.n = 0}, extra = wide_fields(m, NULL);

    put(&r, 4, 0x04034b50);
    put_shared(&r, m, extra.n);
    rnn_out_write(o, r.at, r.n);
    write_name(o, a, &extra);
    rnn_out_write(o, m->npy, m->npy_bytes);
    rnn_out_write(o, a->at, (size_t)m->bytes - m->npy_bytes);
}

static void write_entry(RnnOut *o, const RnnArray *a, const Member *m)
{
    bool far = is_wide(m->at);
    Record r = {.n = 0}, extra = wide_fields(m, far ? &m->at : NULL);

    put(&r, 4, 0x02014b50);
    put(&r, 2, 45); // made by
    put_shared(&r, m, extra.n);
    put(&r, 2, 0); // no comment,
    put(&r, 2, 0); // disk 0,
    put(&r, 2, 0); // no attributes
    put(&r, 4, 0);
    put(&r, 4, far ? 0xffffffff : m->at);
    rnn_out_write(o, r.at, r.n);
    write_name(o, a, &extra);
}

static void write_end(RnnOut *o, uint64_t at, int n)
{
    Record r = {.n = 0};
    uint64_t end = o->written, bytes = end - at;
    bool wide = is_wide(end) || n >= 0xffff;

    if (wide) {
        put(&r, 4, 0x06064b50);
        put(&r, 8, 44); // bytes that follow
        put(&r, 2, 45);
        put(&r, 2, 45);
        put(&r, 8, 0); // disks
        put(&r, 8, (uint64_t)n);
        put(&r, 8, (uint64_t)n);
        put(&r, 8, bytes);
        put(&r, 8, at);
        put(&r, 4, 0x07064b50); // the locator
        put(&r, 4, 0);
        put(&r, 8, end);
        put(&r, 4, 1);
    }
    put(&r, 4, 0x06054b50);
    put(&r, 4, 0);
    put(&r, 2, wide ? 0xffff : (uint64_t)n);
    put(&r, 2, wide ? 0xffff : (uint64_t)n);
    put(&r, 4, wide ? 0xffffffff : bytes);
    put(&r, 4, wide ? 0xffffffff : at);
    put(&r, 2, 0);
    rnn_out_write(o, r.at, r.n);
}

void rnn_npz_write(RnnOut *o, const RnnArrays *a)
{
    Member *m = rnn_alloc((size_t)a->n * sizeof *m);
    uint64_t at;

    for (int k = 0; k < a->n; k++) {
        m[k] = describe(&a->array[k], o->written);
        write_member(o, &a->array[k], &m[k]);
    }
    at = o->written;
    for (int k = 0; k < a->n; k++)
        write_entry(o, &a->array[k], &m[k]);
    write_end(o, at, a->n);
    free(m);
}
