/*
 * type.c -- types of values, the sentence an error leaves behind, and aligned
 * memory: what every other file of the runtime stands on.
 */
#include "rt.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

RnnStatus rnn_fail(RnnError *err, RnnStatus s, const char *fmt, ...)
{
    char text[sizeof err->text]; // the arguments may point into err
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(err->text, text, sizeof text);
    return s;
}

bool rnn_mul_size(size_t a, size_t b, size_t *product)
{
    if (b && a > (size_t)PTRDIFF_MAX / b)
        return false;
    *product = a * b;
    return true;
}

int64_t rnn_type_count(const RnnType *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

size_t rnn_dtype_bytes(int32_t dt)
{
    switch (dt) {
    case RNN_F64:
        return 8;
    case RNN_BOOL:
        return 1;
    default:
        return 4;
    }
}

const char *rnn_dtype_name(int32_t dt)
{
    static const char *const name[] = {"f32", "f64", "i32", "bool"};

    return dt >= 0 && dt < 4 ? name[dt] : "?";
}

const char *rnn_type_text(const RnnType *t, char *buf, size_t n)
{
    size_t at = 0;

    for (int i = -1; i <= t->rank && at < n; i++) {
        if (i < 0)
            at += (size_t)snprintf(buf + at, n - at, "%s",
                                   rnn_dtype_name(t->dt));
        else if (i < t->rank)
            at += (size_t)snprintf(buf + at, n - at, "%s%lld", i ? ", " : "[",
                                   (long long)t->dim[i]);
        else if (t->rank)
            at += (size_t)snprintf(buf + at, n - at, "]");
    }
    return buf;
}

/* What holds several large pages is put on such: kernels walk weights with
 * strides of kilobytes, a page of 4 KB for each row. */
enum { LARGE_PAGE = 2 << 20 };

static size_t whole_lines(size_t bytes)
{
    return (bytes + RNN_ALIGN - 1) / RNN_ALIGN * RNN_ALIGN;
}

void *rnn_alloc(size_t bytes)
{
    return memset(rnn_alloc_unset(bytes), 0, whole_lines(bytes));
}

void *rnn_alloc_unset(size_t bytes)
{
    size_t whole = whole_lines(bytes);
    bool large = whole >= 2 * (size_t)LARGE_PAGE;
    void *at = NULL;

    if (whole < bytes || posix_memalign(&at, large ? LARGE_PAGE : RNN_ALIGN,
                                        whole ? whole : 1)) {
        fprintf(stderr, "error: out of memory: could not get %zu bytes\n",
                bytes);
        exit(RNN_SURROUNDINGS);
    }
    if (large)
        madvise(at, whole, MADV_HUGEPAGE);
    return at;
}
