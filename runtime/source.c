/*
 * source.c -- the bytes of a file at any offset, plain or gzip, or whole.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

RnnStatus rnn_get(size_t bytes, void **at, const char *path, RnnError *err)
{
    char size[32];

    *at = malloc(bytes ? bytes : 1);
    if (*at)
        return RNN_OK;
    return rnn_fail(err, RNN_SURROUNDINGS,
                    "out of memory: could not get %s for \"%s\"",
                    rnn_bytes_text(bytes, size, sizeof size), path);
}

const char *rnn_bytes_text(uint64_t bytes, char *buf, size_t n)
{
    static const char *const unit[] = {"kB", "MB", "GB", "TB"};
    double x = (double)bytes / 1000;
    int k = 0;

    if (bytes < 10000) {
        snprintf(buf, n, "%llu byte%s", (unsigned long long)bytes,
                 bytes == 1 ? "" : "s");
        return buf;
    }
    for (; x >= 1000 && k < 3; k++)
        x /= 1000;
    snprintf(buf, n, "%.1f %s", x, unit[k]);
    return buf;
}

static RnnStatus cannot_read(const char *path, RnnError *err)
{
    int why = errno;
    bool users = why == ENOENT || why == ENOTDIR || why == EISDIR ||
                 why == ENAMETOOLONG || why == ELOOP;

    return rnn_fail(err, users ? RNN_BAD_INPUT : RNN_SURROUNDINGS,
                    "could not read \"%s\": %s", path, strerror(why));
}

/* All that is left of a descriptor that cannot seek. */
static RnnStatus slurp(RnnSource *s, RnnError *err)
{
    size_t cap = 0;

    for (;;) {
        if (s->n == cap) {
            void *more = realloc(s->bytes, cap = cap ? 2 * cap : 65536);

            if (!more)
                return rnn_fail(err, RNN_SURROUNDINGS,
                                "out of memory while reading \"%s\"", s->path);
            s->bytes = more;
        }
        ssize_t got = read(s->fd, s->bytes + s->n, cap - s->n);
        if (got < 0 && errno != EINTR)
            return cannot_read(s->path, err);
        if (got == 0)
            return RNN_OK;
        if (got > 0)
            s->n += (size_t)got;
    }
}

/* Replaces the source's content by its inflated form. */
static RnnStatus inflate_all(RnnSource *s, RnnError *err)
{
    RnnStream in;
    RnnSource out = {.path = s->path, .fd = -1};
    size_t cap = 0, got = 1;
    RnnStatus st = rnn_stream_open(&in, s->path, err);

    while (st == RNN_OK && got) {
        if (out.n == cap) {
            void *more = realloc(out.bytes, cap = cap ? 2 * cap : 1 << 20);

            if (!more) {
                st = rnn_fail(err, RNN_SURROUNDINGS,
                              "out of memory while inflating \"%s\"", s->path);
                break;
            }
            out.bytes = more;
        }
        st = rnn_stream_read(&in, out.bytes + out.n, cap - out.n, &got, err);
        out.n += got;
    }
    rnn_stream_close(&in);
    if (st != RNN_OK) {
        free(out.bytes);
        return st;
    }
    rnn_source_close(s);
    *s = out;
    return RNN_OK;
}

static bool is_gzip(const RnnSource *s)
{
    unsigned char magic[3];

    return s->n > 18 && pread(s->fd, magic, 3, 0) == 3 && magic[0] == 0x1f &&
           magic[1] == 0x8b && magic[2] == 8;
}

RnnStatus rnn_source_open(RnnSource *s, const char *path, RnnError *err)
{
    RnnStatus st = RNN_OK;
    struct stat info;

    *s = (RnnSource){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (s->fd < 0 || fstat(s->fd, &info)) {
        st = cannot_read(path, err);
    } else if (S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        st = cannot_read(path, err);
    } else if (!S_ISREG(info.st_mode)) {
        st = slurp(s, err);
        close(s->fd);
        s->fd = -1;
    } else {
        s->n = (size_t)info.st_size;
        if (is_gzip(s))
            st = inflate_all(s, err);
    }
    if (st != RNN_OK)
        rnn_source_close(s);
    return st;
}

RnnStatus rnn_source_read(const RnnSource *s, size_t at, void *to, size_t n,
                          RnnError *err)
{
    if (s->fd < 0) {
        if (n)
            memcpy(to, s->bytes + at, n);
        return RNN_OK;
    }
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(s->fd, (char *)to + done, n - done,
                            (off_t)(at + done));

        if (got == 0)
            return rnn_fail(err, RNN_SURROUNDINGS,
                            "\"%s\" became shorter while it was read",
                            s->path);
        if (got < 0 && errno != EINTR)
            return cannot_read(s->path, err);
        if (got > 0)
            done += (size_t)got;
    }
    return RNN_OK;
}

void rnn_source_close(RnnSource *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->bytes);
    *s = (RnnSource){.path = s->path, .fd = -1};
}

RnnStatus rnn_file_read(const char *path, unsigned char **bytes, size_t *n,
                        RnnError *err)
{
    RnnSource s;
    RnnStatus st = rnn_source_open(&s, path, err);
    void *at = NULL;

    if (st != RNN_OK)
        return st;
    if (s.fd < 0) {
        at = s.bytes;
        s.bytes = NULL;
    } else {
        st = rnn_get(s.n, &at, path, err);
        if (st == RNN_OK)
            st = rnn_source_read(&s, 0, at, s.n, err);
    }
    *n = s.n;
    rnn_source_close(&s);
    if (st != RNN_OK) {
        free(at);
        at = NULL;
    }
    *bytes = at;
    return st;
}
