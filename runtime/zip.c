/*
 * zip.c -- members of a .zip file: the central directory, then one member at a
 * time, stored or deflated, with its checksum. Zip64 sizes and offsets are
 * understood; encryption and files split over disks are not.
 *
 * The central directory is believed only as far as the file's length and
 * deflate's best ratio allow.
 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    DEFLATE_MOST = 1032
};

static uint64_t get(const unsigned char *p, int bytes)
{
    uint64_t u = 0;

    for (int k = bytes - 1; k >= 0; k--)
        u = u << 8 | p[k];
    return u;
}

static RnnStatus broken(const RnnSource *s, const char *why, RnnError *err)
{
    return rnn_bad(err, "\"%s\" is a damaged or cut-short zip file: %s",
                   s->path, why);
}

/* Where the central directory is, and how much of it. */
typedef struct Directory {
    uint64_t at, bytes, n;
} Directory;

static RnnStatus find_end64(const RnnSource *s, size_t end, Directory *d,
                            RnnError *err)
{
    unsigned char b[END64_BYTES];
    RnnStatus st;
    uint64_t at;

    if (end < LOCATOR_BYTES)
        return broken(s, "its zip64 locator is missing", err);
    st = rnn_source_read(s, end - LOCATOR_BYTES, b, LOCATOR_BYTES, err);
    if (st != RNN_OK)
        return st;
    at = get(b + 8, 8);
    if (get(b, 4) != 0x07064b50 || at > s->n || s->n - at < END64_BYTES)
        return broken(s, "its zip64 locator is wrong", err);
    st = rnn_source_read(s, (size_t)at, b, END64_BYTES, err);
    if (st != RNN_OK)
        return st;
    if (get(b, 4) != 0x06064b50)
        return broken(s, "its zip64 end record is wrong", err);
    *d = (Directory){get(b + 48, 8), get(b + 40, 8), get(b + 32, 8)};
    return RNN_OK;
}

/* The end record stands last, before a comment of at most 65535 bytes. */
static RnnStatus find_directory(const RnnSource *s, Directory *d,
                                RnnError *err)
{
    size_t n = s->n < END_BYTES + 65535 ? s->n : END_BYTES + 65535;
    RnnStatus st;
    void *tail;
    const unsigned char *p = NULL;

    if ((st = rnn_get(n, &tail, s->path, err)) != RNN_OK)
        return st;
    st = rnn_source_read(s, s->n - n, tail, n, err);
    for (size_t k = n < END_BYTES ? 0 : n - END_BYTES + 1; k-- && !p;)
        if (get((unsigned char *)tail + k, 4) == 0x06054b50)
            p = (unsigned char *)tail + k;
    if (st == RNN_OK && !p)
        st = broken(s, "it has no directory", err);
    if (st == RNN_OK) {
        *d = (Directory){get(p + 16, 4), get(p + 12, 4), get(p + 10, 2)};
        if (d->n == 0xffff || d->at == 0xffffffff || d->bytes == 0xffffffff)
            st = find_end64(s, s->n - n + (size_t)(p - (unsigned char *)tail),
                            d, err);
    }
    free(tail);
    if (st == RNN_OK && (d->at > s->n || d->bytes > s->n - d->at ||
                         d->n > d->bytes / ENTRY_BYTES))
        return broken(s, "its directory lies outside of it", err);
    return st;
}

/* Sizes of 0xffffffff stand in the extra field 1, in this order. */
static bool read_extra(const unsigned char *p, size_t n, RnnZipMember *m)
{
    uint64_t *wide[] = {&m->bytes, &m->packed, &m->at};

    while (n >= 4) {
        size_t id = (size_t)get(p, 2), k = (size_t)get(p + 2, 2);

        if (k > n - 4)
            return false;
        for (int i = 0; id == 1 && i < 3; i++)
            if (*wide[i] == 0xffffffff) {
                if (k < 8)
                    return false;
                *wide[i] = get(p + 4, 8);
                p += 8, n -= 8, k -= 8;
            }
        p += 4 + k;
        n -= 4 + k;
    }
    return true;
}

/* One entry of the directory at p; *used: its length. */
static RnnStatus read_entry(const RnnSource *s, const unsigned char *p,
                            size_t n, RnnZipMember *m, size_t *used,
                            RnnError *err)
{
    size_t name, extra, comment;

    if (n < ENTRY_BYTES || get(p, 4) != 0x02014b50)
        return broken(s, "its directory is wrong", err);
    name = (size_t)get(p + 28, 2);
    extra = (size_t)get(p + 30, 2);
    comment = (size_t)get(p + 32, 2);
    *used = ENTRY_BYTES + name + extra + comment;
    if (*used > n)
        return broken(s, "its directory is wrong", err);
    *m = (RnnZipMember){.method = (int)get(p + 10, 2),
                        .crc = (uint32_t)get(p + 16, 4),
                        .packed = get(p + 20, 4),
                        .bytes = get(p + 24, 4),
                        .at = get(p + 42, 4)};
    if (!read_extra(p + ENTRY_BYTES + name, extra, m))
        return broken(s, "its directory is wrong", err);
    m->name = rnn_alloc(name + 1);
    memcpy(m->name, p + ENTRY_BYTES, name);
    if (get(p + 8, 2) & 1)
        return rnn_bad(err, "\"%s\" in \"%s\" is encrypted", m->name, s->path);
    return RNN_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const RnnZipMember *)a)->name,
                  ((const RnnZipMember *)b)->name);
}

RnnStatus rnn_zip_open(RnnZip *z, const RnnSource *s, RnnError *err)
{
    Directory d = {0};
    void *dir = NULL;
    size_t at = 0;
    RnnStatus st = find_directory(s, &d, err);

    *z = (RnnZip){.source = s};
    if (st == RNN_OK && d.n > INT32_MAX)
        st = broken(s, "it has too many members", err);
    if (st == RNN_OK)
        st = rnn_get((size_t)d.bytes, &dir, s->path, err);
    if (st != RNN_OK)
        return st;
    z->member = rnn_alloc((size_t)d.n * sizeof *z->member);
    st = rnn_source_read(s, (size_t)d.at, dir, (size_t)d.bytes, err);
    for (uint64_t k = 0; k < d.n && st == RNN_OK; k++) {
        size_t used = 0;

        st = read_entry(s, (unsigned char *)dir + at, (size_t)d.bytes - at,
                        &z->member[k], &used, err);
        at += used;
        z->n++;
    }
    free(dir);
    qsort(z->member, (size_t)z->n, sizeof *z->member, by_name);
    for (int k = 1; k < z->n && st == RNN_OK; k++)
        if (!by_name(&z->member[k - 1], &z->member[k]))
            st = rnn_bad(err, "\"%s\" holds two members named \"%s\"", s->path,
                         z->member[k].name);
    if (st != RNN_OK)
        rnn_zip_close(z);
    return st;
}

void rnn_zip_close(RnnZip *z)
{
    for (int k = 0; k < z->n; k++)
        free(z->member[k].name);
    free(z->member);
    *z = (RnnZip){0};
}

static bool inflate_raw(const unsigned char *from, size_t nfrom,
                        unsigned char *to, size_t nto)
{
    enum { AT_ONCE = 1 << 30 }; // zlib counts in unsigned int
    z_stream z = {0};
    int rc = Z_OK;

    if (inflateInit2(&z, -15) != Z_OK)
        return false;
    z.next_in = (unsigned char *)from;
    z.next_out = to;
    while (rc == Z_OK) {
        if (z.avail_in == 0) {
            z.avail_in = nfrom < AT_ONCE ? (unsigned)nfrom : AT_ONCE;
            nfrom -= z.avail_in;
        }
        if (z.avail_out == 0) {
            z.avail_out = nto < AT_ONCE ? (unsigned)nto : AT_ONCE;
            nto -= z.avail_out;
        }
        rc = inflate(&z, Z_NO_FLUSH);
    }
    inflateEnd(&z);
    return rc == Z_STREAM_END && nto == 0 && z.avail_out == 0;
}

static uint32_t crc_of(const unsigned char *p, size_t n)
{
    uLong crc = crc32(0, NULL, 0);

    for (size_t k; n; n -= k, p += k) {
        k = n < 1 << 30 ? n : 1 << 30;
        crc = crc32(crc, p, (uInt)k);
    }
    return (uint32_t)crc;
}

/* Where the member's bytes begin: after the local header's own fields. */
static RnnStatus find_bytes(const RnnZip *z, const RnnZipMember *m,
                            size_t *at, RnnError *err)
{
    const RnnSource *s = z->source;
    unsigned char b[LOCAL_BYTES] = {0};
    RnnStatus st;

    if (m->at > s->n || s->n - m->at < LOCAL_BYTES)
        return broken(s, "a member lies outside of it", err);
    st = rnn_source_read(s, (size_t)m->at, b, LOCAL_BYTES, err);
    if (st != RNN_OK)
        return st;
    *at = (size_t)m->at + LOCAL_BYTES + (size_t)get(b + 26, 2) +
          (size_t)get(b + 28, 2);
    if (get(b, 4) != 0x04034b50)
        return broken(s, "a member does not begin where it should", err);
    if (*at > s->n || m->packed > s->n - *at)
        return broken(s, "a member lies outside of it", err);
    if (m->method != 0 && m->method != 8)
        return rnn_bad(err, "\"%s\" in \"%s\" is packed by method %d; only "
                            "stored and deflated members can be read",
                       m->name, s->path, m->method);
    if (m->method == 0 ? m->bytes != m->packed
                       : m->bytes / DEFLATE_MOST > m->packed + 1)
        return broken(s, "a member's sizes contradict each other", err);
    return RNN_OK;
}

RnnStatus rnn_zip_read(const RnnZip *z, const RnnZipMember *m,
                       unsigned char **bytes, RnnError *err)
{
    const RnnSource *s = z->source;
    size_t at = 0;
    void *packed = NULL, *out = NULL;
    RnnStatus st = find_bytes(z, m, &at, err);
    bool good = true;

    *bytes = NULL;
    if (st == RNN_OK)
        st = rnn_get((size_t)m->packed, &packed, s->path, err);
    if (st == RNN_OK)
        st = rnn_source_read(s, at, packed, (size_t)m->packed, err);
    if (st == RNN_OK && m->method == 8) {
        st = rnn_get((size_t)m->bytes, &out, s->path, err);
        good = st == RNN_OK && inflate_raw(packed, (size_t)m->packed, out,
                                           (size_t)m->bytes);
        free(packed);
    } else {
        out = packed;
    }
    if (st == RNN_OK && (!good || crc_of(out, (size_t)m->bytes) != m->crc))
        st = rnn_bad(err, "\"%s\" in \"%s\" is damaged: its checksum is wrong; "
                          "copy the file again", m->name, s->path);
    if (st == RNN_OK)
        *bytes = out;
    else
        free(out);
    return st;
}
