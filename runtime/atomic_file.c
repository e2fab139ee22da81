/*
 * atomic_file.c -- files that are whole or absent.
 *
 * Bytes go to ".NAME.tmp" beside the target, which is synced and renamed over
 * it; whatever fails, the temporary file is removed and the old file stands.
 * The temporary file is locked while it is written: one left by a killed
 * process is free to be written again, one in use by another process makes us
 * take a name of our own. A device or pipe is written in place.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static RnnStatus fail(RnnOut *o, const char *doing)
{
    int why = errno;
    char size[32];
    const char *help = why == ENOENT    ? "; its folder does not exist"
                       : why == ENOTDIR ? "; its folder is a file"
                       : o->tmp && o->written ? "; nothing of it was left"
                                              : "";

    if (o->status != RNN_OK)
        return o->status;
    if (o->written)
        o->status = rnn_fail(o->err, RNN_SURROUNDINGS,
                             "could not %s \"%s\" after %s: %s%s", doing,
                             o->path,
                             rnn_bytes_text(o->written, size, sizeof size),
                             strerror(why), help);
    else
        o->status = rnn_fail(o->err, RNN_SURROUNDINGS,
                             "could not %s \"%s\": %s%s", doing, o->path,
                             strerror(why), help);
    return o->status;
}

/* The length of the folder part of a path, with its slash. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) + 1 : 0;
}

static char *text_of(const char *fmt, const char *target, long number)
{
    size_t n = strlen(target) + 64;
    int folder = (int)folder_length(target);
    char *text = rnn_alloc(n);

    snprintf(text, n, fmt, folder, target, target + folder, number);
    return text;
}

/* Opens tmp for us alone: false if another process is writing it. */
static bool take(RnnOut *o, int flags)
{
    struct stat here, there;

    o->fd = open(o->tmp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags,
                 0666);
    if (o->fd < 0)
        return false;
    if (flock(o->fd, LOCK_EX | LOCK_NB) == 0 && fstat(o->fd, &here) == 0 &&
        stat(o->tmp, &there) == 0 && here.st_ino == there.st_ino &&
        S_ISREG(here.st_mode) && ftruncate(o->fd, 0) == 0)
        return true;
    close(o->fd);
    o->fd = -1;
    errno = EBUSY;
    return false;
}

static bool open_temporary(RnnOut *o)
{
    o->tmp = text_of("%.*s.%.200s.tmp", o->target, 0);
    if (take(o, 0))
        return true;
    if (errno == EBUSY || errno == ELOOP || errno == EACCES ||
        errno == EEXIST) {
        free(o->tmp);
        o->tmp = text_of("%.*s.%.180s.%ld.tmp", o->target, (long)getpid());
        o->fd = open(o->tmp, O_RDWR | O_CREAT | O_CLOEXEC | O_EXCL, 0666);
    }
    return o->fd >= 0;
}

RnnStatus rnn_out_open(RnnOut *o, const char *path, RnnError *err)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;

    *o = (RnnOut){.path = path, .fd = -1, .err = err};
    if (!*path) {
        o->status = rnn_bad(err, "cannot write a file with an empty name");
        return o->status;
    }
    if (exists && S_ISDIR(old.st_mode)) {
        o->status = rnn_bad(err, "cannot write \"%s\": it is a folder; name a "
                                 "file in it", path);
        return o->status;
    }
    if (exists && !S_ISREG(old.st_mode)) {
        o->fd = open(path, O_WRONLY | O_CLOEXEC);
        return o->fd < 0 ? fail(o, "write") : RNN_OK;
    }
    /* A link keeps pointing where it does: its target is replaced. */
    o->target = exists ? realpath(path, NULL) : NULL;
    if (!o->target)
        o->target = strdup(path);
    if (!o->target || !open_temporary(o)) {
        fail(o, "write");
        free(o->tmp);
        free(o->target);
        o->tmp = o->target = NULL;
        return o->status;
    }
    if (exists)
        (void)!fchmod(o->fd, old.st_mode & 0777);
    return RNN_OK;
}

void rnn_out_write(RnnOut *o, const void *bytes, size_t n)
{
    const char *from = bytes;

    while (n && o->status == RNN_OK) {
        ssize_t k = write(o->fd, from, n < 1 << 30 ? n : 1 << 30);

        if (k < 0 && errno != EINTR)
            fail(o, "write");
        if (k > 0) {
            from += k;
            n -= (size_t)k;
            o->written += (uint64_t)k;
        }
    }
}

/* The rename itself must reach the disk. A folder we may not open, or one that
 * cannot be synced, is left to the system. */
static void sync_folder(RnnOut *o)
{
    size_t n = folder_length(o->target);
    char *folder = n ? strndup(o->target, n) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        if (fsync(fd) && errno != EINVAL && errno != EROFS && errno != EBADF)
            fail(o, "sync the folder of");
        close(fd);
    }
    free(folder);
}

RnnStatus rnn_out_close(RnnOut *o)
{
    if (o->fd < 0)
        return o->status;
    if (o->status == RNN_OK && fsync(o->fd) && errno != EINVAL &&
        errno != EROFS)
        fail(o, "write");
    /* Renamed while the lock is held, so nobody takes it for a left-over. */
    if (o->tmp && o->status == RNN_OK && rename(o->tmp, o->target))
        fail(o, "rename the temporary file to");
    if (o->tmp && o->status != RNN_OK)
        unlink(o->tmp);
    if (close(o->fd) && errno != EINTR)
        fail(o, "close");
    if (o->tmp && o->status == RNN_OK)
        sync_folder(o);
    free(o->tmp);
    free(o->target);
    o->tmp = o->target = NULL;
    o->fd = -1;
    return o->status;
}

RnnStatus rnn_file_write(const char *path, const void *bytes, size_t n,
                         RnnError *err)
{
    RnnOut o;

    if (rnn_out_open(&o, path, err) != RNN_OK)
        return o.status;
    rnn_out_write(&o, bytes, n);
    return rnn_out_close(&o);
}

RnnStatus rnn_file_can_write(const char *path, RnnError *err)
{
    RnnOut o;

    if (rnn_out_open(&o, path, err) != RNN_OK)
        return o.status;
    if (o.tmp)
        unlink(o.tmp);
    close(o.fd);
    free(o.tmp);
    free(o.target);
    return RNN_OK;
}
