/*
 * probe.c -- what a kernel may be asked while it runs: whether its result is
 * finite, and what time it is.
 */
#include "rt.h"

#include <string.h>
#include <time.h>

/* A float is not finite iff its exponent is all ones; the test on the bits is
 * free of traps and vectorizes. */
static bool any_bad_f32(const void *at, int64_t n)
{
    enum { RUN = 64 }; // of known length, for the compiler
    const char *p = at;
    uint32_t bad = 0, u[RUN];

    for (; n >= RUN; n -= RUN, p += sizeof u) {
        memcpy(u, p, sizeof u);
        for (int i = 0; i < RUN; i++)
            bad |= (u[i] & 0x7f800000u) == 0x7f800000u;
    }
    memcpy(u, p, 4 * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        bad |= (u[i] & 0x7f800000u) == 0x7f800000u;
    return bad;
}

static bool any_bad_f64(const void *at, int64_t n)
{
    const uint64_t ones = 0x7ff0000000000000u;
    const char *p = at;
    uint64_t bad = 0;

    for (int64_t i = 0; i < n; i++) {
        uint64_t u;

        memcpy(&u, p + 8 * i, 8);
        bad |= (u & ones) == ones;
    }
    return bad;
}

void rnn_probe(RnnCall *call, int32_t kernel, const void *at, int32_t dt,
               int64_t count)
{
    if (call->bad_kernel >= 0)
        return;
    if (dt == RNN_F32 ? any_bad_f32(at, count)
                      : dt == RNN_F64 && any_bad_f64(at, count))
        call->bad_kernel = kernel;
}

double rnn_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
