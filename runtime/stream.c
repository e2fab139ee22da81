/*
 * stream.c -- the bytes of a plain or gzip file in order, inflated as they are
 * read, so that a data set needs no second buffer.
 */
#include "files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

/* Deflate packs at most 1032 to 1. */
enum { DEFLATE_MOST = 1032 };

RnnStatus rnn_stream_open(RnnStream *s, const char *path, RnnError *err)
{
    struct stat info = {0};

    *s = (RnnStream){.path = path};
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        errno = EISDIR;
    else
        s->gz = gzopen(path, "rbe");
    if (!s->gz)
        return rnn_fail(err,
                        errno == ENOENT || errno == EISDIR ? RNN_BAD_INPUT
                                                           : RNN_SURROUNDINGS,
                        "could not read \"%s\": %s", path,
                        errno ? strerror(errno) : "out of memory");
    gzbuffer(s->gz, 1 << 17);
    s->is_gzip = !gzdirect(s->gz);
    s->most = S_ISREG(info.st_mode) ? (uint64_t)info.st_size : UINT64_MAX / 2;
    if (s->is_gzip && s->most < UINT64_MAX / DEFLATE_MOST)
        s->most *= DEFLATE_MOST;
    return RNN_OK;
}

static RnnStatus explain(RnnStream *s, RnnError *err)
{
    int why;
    const char *text = gzerror(s->gz, &why);

    if (why == Z_ERRNO)
        return rnn_fail(err, RNN_SURROUNDINGS, "could not read \"%s\": %s",
                        s->path, strerror(errno));
    if (why == Z_BUF_ERROR)
        return rnn_bad(err, "\"%s\" is a gzip file cut short; copy or "
                            "download it again", s->path);
    if (why == Z_MEM_ERROR)
        return rnn_fail(err, RNN_SURROUNDINGS,
                        "out of memory while inflating \"%s\"", s->path);
    (void)text;
    return rnn_bad(err, "\"%s\" is a damaged gzip file (its checksum or coding "
                        "is wrong); copy or download it again", s->path);
}

RnnStatus rnn_stream_read(RnnStream *s, void *to, size_t n, size_t *got,
                          RnnError *err)
{
    enum { AT_ONCE = 1 << 30 }; // gzread counts in int

    *got = 0;
    while (*got < n) {
        size_t left = n - *got;
        int k = gzread(s->gz, (char *)to + *got,
                       left < AT_ONCE ? (unsigned)left : AT_ONCE);
        int why = Z_OK;

        if (k < 0)
            return explain(s, err);
        *got += (size_t)k;
        if (k == 0) {
            gzerror(s->gz, &why);
            return why == Z_OK || why == Z_STREAM_END ? RNN_OK
                                                      : explain(s, err);
        }
    }
    return RNN_OK;
}

void rnn_stream_close(RnnStream *s)
{
    if (s->gz)
        gzclose_r(s->gz);
    s->gz = NULL;
}
