/*
 * rng.c -- random numbers as a function of where they are used.
 *
 * Philox4x32-10 (Salmon et al., SC 2011) turns a 128-bit counter and a 64-bit
 * key into four words. Key = seed; counter = (i / 4, example, stream, keys);
 * element i is word i % 4. So no draw depends on another, and neither the
 * order of the fills nor their split over threads can show.
 *
 *   uniform  top 24 bits * 2^-24
 *   normal   Phi^-1((word + 1/2) * 2^-32), see normal.h
 */
#include "normal.h"
#include "rng.h"
#include "rt.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 64,  // Philox blocks in flight; CHUNK / 4 or a divisor of it
    CHUNK = 256, // elements made at a time, in buffers on the stack
    PIECE = 4096 // elements of one task of the pool; a multiple of CHUNK
};

/* What names a draw, but for the element: the seed and the counter's words. */
typedef struct Draw {
    uint32_t seed_lo, seed_hi, example, stream, keys;
} Draw;

static Draw draw_of(uint64_t seed, int64_t stream, int32_t example,
                    uint32_t keys)
{
    uint64_t s = (uint64_t)stream;

    return (Draw){(uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)example,
                  (uint32_t)s + (uint32_t)(s >> 32) * 0x85ebca6bu, keys};
}

/*
 * Two keys (a, b) collide with (a', b') only if (a - a') G = b' - b mod 2^32.
 * G is 2^32 over the golden ratio, whose multiples keep their distance: that
 * takes |a - a'| |b - b'| > 2^32 / sqrt(5), so a million steps of a loop of
 * 1900 passes never share a draw.
 */
uint32_t rnn_fold_keys(const int32_t *key, int nkey)
{
    uint32_t h = 0;

    for (int i = 0; i < nkey; i++)
        h = h * 0x9e3779b9u + (uint32_t)key[i];
    return h;
}

/* Blocks b .. b + LANES - 1 of a draw, four words each, into out. */
INLINE void philox(const Draw *d, uint32_t b, uint32_t *out)
{
    uint32_t x0[LANES], x1[LANES], x2[LANES], x3[LANES];
    uint32_t k0 = d->seed_lo, k1 = d->seed_hi;

    for (uint32_t l = 0; l < LANES; l++) {
        x0[l] = b + l;
        x1[l] = d->example;
        x2[l] = d->stream;
        x3[l] = d->keys;
    }
    for (int round = 0; round < 10; round++) {
#pragma GCC unroll 1
        for (int l = 0; l < LANES; l++) {
            uint64_t p0 = (uint64_t)x0[l] * 0xd2511f53u;
            uint64_t p1 = (uint64_t)x2[l] * 0xcd9e8d57u;

            x0[l] = (uint32_t)(p1 >> 32) ^ x1[l] ^ k0;
            x1[l] = (uint32_t)p1;
            x2[l] = (uint32_t)(p0 >> 32) ^ x3[l] ^ k1;
            x3[l] = (uint32_t)p0;
        }
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
#pragma GCC unroll 1
    for (int l = 0; l < LANES; l++) {
        out[4 * l] = x0[l];
        out[4 * l + 1] = x1[l];
        out[4 * l + 2] = x2[l];
        out[4 * l + 3] = x3[l];
    }
}

/* One block, for single elements; also what the tests check. */
static void philox_one(const Draw *d, uint32_t b, uint32_t out[4])
{
    uint32_t x[4] = {b, d->example, d->stream, d->keys};
    uint32_t k0 = d->seed_lo, k1 = d->seed_hi;

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)x[0] * 0xd2511f53u;
        uint64_t p1 = (uint64_t)x[2] * 0xcd9e8d57u;

        x[0] = (uint32_t)(p1 >> 32) ^ x[1] ^ k0;
        x[1] = (uint32_t)p1;
        x[2] = (uint32_t)(p0 >> 32) ^ x[3] ^ k1;
        x[3] = (uint32_t)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    memcpy(out, x, sizeof x);
}

/* n <= CHUNK normals from words: the middle for all of them, then the tails
 * (15 in 100), gathered so that they too fill vectors. */
INLINE void normals(const uint32_t *w, int n, double *out)
{
    double tail[CHUNK];
    int16_t at[CHUNK];
    int ntail = 0;

    for (int i = 0; i < n; i++)
        out[i] = normal_middle(normal_centred(w[i]));
    for (int i = 0; i < n; i++) {
        double q = normal_centred(w[i]);

        tail[ntail] = q;
        at[ntail] = (int16_t)i;
        ntail += fabs(q) > 0.425;
    }
    for (int i = 0; i < ntail; i++)
        tail[i] = normal_tail(tail[i]);
    for (int i = 0; i < ntail; i++)
        out[at[i]] = tail[i];
}

INLINE void store(void *dst, int32_t dt, int64_t at, const double *x, int n)
{
    if (dt == RNN_F64) {
        memcpy((double *)dst + at, x, (size_t)n * sizeof *x);
        return;
    }
    float *y = (float *)dst + at;
    for (int i = 0; i < n; i++)
        y[i] = (float)x[i];
}

/* A fill: dst [examples, count], each example cut into `pieces` tasks. */
typedef struct Fill {
    void *dst;
    const int32_t *index; // number of each example, or NULL: 0, 1, ...
    Draw draw;
    int64_t count, pieces;
    int32_t dt;
    bool is_normal, is_shared;
} Fill;

/* Elements lo .. hi - 1 of one example, which stand at dst[base + lo]; lo is
 * a multiple of CHUNK. */
INLINE void fill_range(const Fill *f, const Draw *d, int64_t base, int64_t lo,
                       int64_t hi)
{
    uint32_t w[CHUNK];
    double x[CHUNK];

    for (int64_t i = lo; i < hi; i += CHUNK) {
        int n = hi - i < CHUNK ? (int)(hi - i) : CHUNK;

        for (int k = 0; k < n; k += 4 * LANES)
            philox(d, (uint32_t)((i + k) >> 2), w + k);
        if (f->is_normal)
            normals(w, n, x);
        else
            for (int k = 0; k < n; k++)
                x[k] = (double)(int32_t)(w[k] >> 8) * 0x1p-24;
        store(f->dst, f->dt, base + i, x, n);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void
fill_range_avx2(const Fill *f, const Draw *d, int64_t base, int64_t lo,
                int64_t hi)
{
    fill_range(f, d, base, lo, hi);
}
#endif

static void fill_range_plain(const Fill *f, const Draw *d, int64_t base,
                             int64_t lo, int64_t hi)
{
    fill_range(f, d, base, lo, hi);
}

static void fill_tasks(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    const Fill *f = ptr[0];
    Draw d = f->draw;

    (void)n;
    for (int64_t t = lo; t < hi; t++) {
        int64_t e = t / f->pieces, from = t % f->pieces * PIECE;
        int64_t to = from + PIECE < f->count ? from + PIECE : f->count;

        if (!f->is_shared)
            d.example = f->index ? (uint32_t)f->index[e] : (uint32_t)e;
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2")) {
            fill_range_avx2(f, &d, e * f->count, from, to);
            continue;
        }
#endif
        fill_range_plain(f, &d, e * f->count, from, to);
    }
}

/* Waking threads costs more than a few thousand numbers do. */
static void run_tasks(const RnnCall *call, RnnKernelFn *fn, void *env,
                      int64_t tasks, int64_t elements)
{
    void *ptr[1] = {env};
    RnnCall c = *call;

    if (elements < 2 * PIECE)
        fn(ptr, c.n, 0, tasks);
    else
        rnn_parallel(&c, fn, ptr, tasks);
}

static void fill(const RnnCall *call, void *dst, int32_t dt, int64_t examples,
                 int64_t count, int64_t stream, const int32_t *key,
                 int32_t nkey, bool is_normal)
{
    uint32_t keys = rnn_fold_keys(key, nkey);
    int64_t rows = examples ? examples : 1;
    Fill f = {.dst = dst,
              .index = call->index,
              .draw = draw_of(call->seed, stream, RNN_SHARED_EXAMPLE, keys),
              .count = count,
              .pieces = (count + PIECE - 1) / PIECE,
              .dt = dt,
              .is_normal = is_normal,
              .is_shared = examples == 0};

    run_tasks(call, fill_tasks, &f, rows * f.pieces, rows * count);
}

void rnn_fill_uniform(const RnnCall *call, void *dst, int32_t dt,
                      int64_t examples, int64_t count, int64_t stream,
                      const int32_t *key, int32_t nkey)
{
    fill(call, dst, dt, examples, count, stream, key, nkey, false);
}

void rnn_fill_normal(const RnnCall *call, void *dst, int32_t dt,
                     int64_t examples, int64_t count, int64_t stream,
                     const int32_t *key, int32_t nkey)
{
    fill(call, dst, dt, examples, count, stream, key, nkey, true);
}

static uint32_t word_at(const Draw *d, int64_t i)
{
    uint32_t w[4];

    philox_one(d, (uint32_t)(i >> 2), w);
    return w[i & 3];
}

double rnn_uniform_at(uint64_t seed, int64_t stream, int32_t example,
                      uint32_t keys, int64_t i)
{
    Draw d = draw_of(seed, stream, example, keys);

    return (double)(word_at(&d, i) >> 8) * 0x1p-24;
}

double rnn_normal_of(uint32_t word)
{
    double x;

    normals(&word, 1, &x);
    return x;
}

double rnn_normal_at(uint64_t seed, int64_t stream, int32_t example,
                     uint32_t keys, int64_t i)
{
    Draw d = draw_of(seed, stream, example, keys);

    return rnn_normal_of(word_at(&d, i));
}

/* Swap i with j uniform on 0 .. i, from the top: j = floor(u (i + 1)) with u a
 * 64-bit fraction, words 2 i and 2 i + 1. */
static void permute(const Draw *d, int64_t n, int32_t *out)
{
    uint32_t w[4];

    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)i;
    for (int64_t i = n - 1; i > 0; i--) {
        if (i == n - 1 || (i & 1))
            philox_one(d, (uint32_t)(i >> 1), w);
        uint64_t hi = w[2 * (i & 1) + 1], lo = w[2 * (i & 1)];
        uint64_t m = (uint64_t)i + 1;
        int64_t j = (int64_t)((hi * m + (lo * m >> 32)) >> 32);
        int32_t swap = out[i];

        out[i] = out[j];
        out[j] = swap;
    }
}

void rnn_permutation(uint64_t seed, int64_t stream, int32_t example,
                     uint32_t keys, int64_t n, int32_t *out)
{
    Draw d = draw_of(seed, stream, example, keys);

    permute(&d, n, out);
}

static void permute_tasks(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    const Fill *f = ptr[0];
    Draw d = f->draw;

    (void)n;
    for (int64_t e = lo; e < hi; e++) {
        if (!f->is_shared)
            d.example = f->index ? (uint32_t)f->index[e] : (uint32_t)e;
        permute(&d, f->count, (int32_t *)f->dst + e * f->count);
    }
}

void rnn_fill_permutation(const RnnCall *call, int32_t *dst, int64_t examples,
                          int64_t count, int64_t stream, const int32_t *key,
                          int32_t nkey)
{
    uint32_t keys = rnn_fold_keys(key, nkey);
    int64_t rows = examples ? examples : 1;
    Fill f = {.dst = dst,
              .index = call->index,
              .draw = draw_of(call->seed, stream, RNN_SHARED_EXAMPLE, keys),
              .count = count,
              .is_shared = examples == 0};

    run_tasks(call, permute_tasks, &f, rows, rows * count);
}
