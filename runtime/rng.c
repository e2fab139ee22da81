/*
 * rng.c -- random numbers as a function of where they are used.
 *
 * Philox4x32-10 (Salmon et al., SC 2011) turns a 128-bit counter and a 64-bit
 * key into four words. Key = seed; counter = (i / 4, example, stream, keys);
 * element i is word i % 4. So no draw depends on another, and neither the
 * order of the fills nor their split over threads can show.
 *
 *   uniform  top 24 bits * 2^-24
 *   normal   Phi^-1((word + 1/2) * 2^-32), by Wichura's AS 241 (PPND16)
 *
 * Only + - * / decide the bits (logarithm and root are our own), and no product
 * and sum may contract into one rounding: every CPU gives the same.
 */
#include "rng.h"
#include "rt.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("O3", "fp-contract=off")
#endif
#define INLINE static inline __attribute__((always_inline))

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

/*
 * log(x) for normal x > 0 to about 1 ulp: x = 2^e m with m in [3/4, 3/2),
 * s = (m - 1) / (m + 1), log m = 2 (s + s^3 / 3 + s^5 / 5 + ...), |s| <= 1/5.
 */
INLINE double log_of(double x)
{
    uint64_t bits, up, e_bits;
    double m, e, s, z, p;

    memcpy(&bits, &x, 8);
    up = (bits + 0x0008000000000000u) >> 52; // e + 1023
    bits -= (up - 1023) << 52;
    memcpy(&m, &bits, 8);
    e_bits = up | 0x4330000000000000u; // 2^52 + up: no 64-bit conversion
    memcpy(&e, &e_bits, 8);
    e -= 0x1p52 + 1023;
    s = (m - 1) / (m + 1);
    z = s * s;
    p = 1.0 / 23;
    p = p * z + 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return e * 0x1.62e42fefa39efp-1 + 2 * (s + s * (z * p));
}

/* sqrt(x) for normal x > 0: Newton's y <- y (3 - x y^2) / 2 towards
 * 1 / sqrt(x). The library's sqrt may set errno, which keeps it out of vector
 * loops. */
INLINE double root_of(double x)
{
    uint64_t bits;
    double y;

    memcpy(&bits, &x, 8);
    bits = 0x5fe6eb50c7b537a9u - (bits >> 1);
    memcpy(&y, &bits, 8);
    y = y * (1.5 - 0.5 * x * y * y);
    y = y * (1.5 - 0.5 * x * y * y);
    y = y * (1.5 - 0.5 * x * y * y);
    y = y * (1.5 - 0.5 * x * y * y);
    return x * y;
}

/* The distance of a word's (w + 1/2) 2^-32 from 1/2; exact. */
INLINE double centred(uint32_t w)
{
    int32_t i = (int32_t)(w ^ 0x80000000u);

    return ((double)i + 0.5) * 0x1p-32;
}

/* PPND16 for |q| <= 0.425. */
INLINE double normal_middle(double q)
{
    double r = 0.180625 - q * q;
    double a = 2.5090809287301226727e+3, b = 5.2264952788528545610e+3;

    a = a * r + 3.3430575583588128105e+4;
    a = a * r + 6.7265770927008700853e+4;
    a = a * r + 4.5921953931549871457e+4;
    a = a * r + 1.3731693765509461125e+4;
    a = a * r + 1.9715909503065514427e+3;
    a = a * r + 1.3314166789178437745e+2;
    a = a * r + 3.3871328727963666080e+0;
    b = b * r + 2.8729085735721942674e+4;
    b = b * r + 3.9307895800092710610e+4;
    b = b * r + 2.1213794301586595867e+4;
    b = b * r + 5.3941960214247511077e+3;
    b = b * r + 6.8718700749205790830e+2;
    b = b * r + 4.2313330701600911252e+1;
    b = b * r + 1;
    return q * a / b;
}

/* PPND16 for 0.425 < |q|, down to a tail of e^-25 = 1.4e-11; 32-bit words end
 * at 2^-33 = 1.2e-10, so its third branch is never needed. */
INLINE double normal_tail(double q)
{
    double p = 0.5 - fabs(q);
    double r = root_of(-log_of(p)) - 1.6;
    double c = 7.74545014278341407640e-4, d = 1.05075007164441684324e-9;

    c = c * r + 2.27238449892691845833e-2;
    c = c * r + 2.41780725177450611770e-1;
    c = c * r + 1.27045825245236838258e+0;
    c = c * r + 3.64784832476320460504e+0;
    c = c * r + 5.76949722146069140550e+0;
    c = c * r + 4.63033784615654529590e+0;
    c = c * r + 1.42343711074968357734e+0;
    d = d * r + 5.47593808499534494600e-4;
    d = d * r + 1.51986665636164571966e-2;
    d = d * r + 1.48103976427480074590e-1;
    d = d * r + 6.89767334985100004550e-1;
    d = d * r + 1.67638483018380384940e+0;
    d = d * r + 2.05319162663775882187e+0;
    d = d * r + 1;
    return copysign(c / d, q);
}

/* n <= CHUNK normals from words: the middle for all of them, then the tails
 * (15 in 100), gathered so that they too fill vectors. */
INLINE void normals(const uint32_t *w, int n, double *out)
{
    double tail[CHUNK];
    int16_t at[CHUNK];
    int ntail = 0;

    for (int i = 0; i < n; i++)
        out[i] = normal_middle(centred(w[i]));
    for (int i = 0; i < n; i++) {
        double q = centred(w[i]);

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
