/*
 * test_rng.c -- random draws: known answers, independence of order and split,
 * moments and bins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rng.h"
#include "rt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 200000 };

/* The top 24 bits of each word are k in k * 2^-24. */
static void check_words(uint64_t seed, int64_t stream, int32_t example,
                        uint32_t keys, int64_t block, const uint32_t *want)
{
    for (int i = 0; i < 4; i++) {
        double u = rnn_uniform_at(seed, stream, example, keys, 4 * block + i);

        assert_int_equal((int64_t)ldexp(u, 24), want[i] >> 8);
    }
}

static void philox_gives_the_published_answers(void **state)
{
    static const uint32_t zeros[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c,
                                     0x9b00dbd8};
    static const uint32_t ones[] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6,
                                    0x6d5451fd};
    static const uint32_t pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420,
                                  0x24126ea1};

    (void)state;
    check_words(0, 0, 0, 0, 0, zeros);
    check_words(UINT64_MAX, 0xffffffff, -1, 0xffffffff, 0xffffffff, ones);
    check_words(0x299f31d0a4093822, 0x13198a2e, (int32_t)0x85a308d3,
                0x03707344, 0x243f6a88, pi);
}

static void fills_agree_with_single_elements(void **state)
{
    enum { ROWS = 3, COUNT = 4999 };
    static const int32_t index[] = {7, 0, 123456}, key[] = {5, -2};
    RnnCall call = {.n = ROWS, .index = index, .seed = 0x123456789abcdef};
    uint32_t keys = rnn_fold_keys(key, 2);
    double *u = rnn_alloc(ROWS * COUNT * 8), *z = rnn_alloc(ROWS * COUNT * 8);
    float *uf = rnn_alloc(ROWS * COUNT * 4), *zf = rnn_alloc(ROWS * COUNT * 4);

    (void)state;
    rnn_fill_uniform(&call, u, RNN_F64, ROWS, COUNT, 9, key, 2);
    rnn_fill_normal(&call, z, RNN_F64, ROWS, COUNT, 9, key, 2);
    rnn_fill_uniform(&call, uf, RNN_F32, ROWS, COUNT, 9, key, 2);
    rnn_fill_normal(&call, zf, RNN_F32, ROWS, COUNT, 9, key, 2);
    for (int64_t k = 0; k < ROWS * COUNT; k++) {
        int32_t e = index[k / COUNT];
        int64_t i = k % COUNT;

        assert_true(u[k] == rnn_uniform_at(call.seed, 9, e, keys, i));
        assert_true(z[k] == rnn_normal_at(call.seed, 9, e, keys, i));
        assert_true(uf[k] == (float)u[k]);
        assert_true(zf[k] == (float)z[k]);
    }
    rnn_fill_normal(&call, z, RNN_F64, 0, COUNT, 9, NULL, 0);
    for (int64_t i = 0; i < COUNT; i++)
        assert_true(z[i] == rnn_normal_at(call.seed, 9, RNN_SHARED_EXAMPLE, 0,
                                          i));
    free(u), free(z), free(uf), free(zf);
}

static void threads_do_not_change_a_fill(void **state)
{
    enum { ROWS = 16, COUNT = 3072 };
    size_t bytes = (size_t)ROWS * COUNT * sizeof(float);
    float *one = rnn_alloc(bytes), *many = rnn_alloc(bytes);
    RnnCall call = {.n = ROWS, .seed = 3};

    (void)state;
    rnn_fill_normal(&call, one, RNN_F32, ROWS, COUNT, 1, NULL, 0);
    for (int threads = 2; threads <= 5; threads++) {
        call.pool = rnn_pool_new(threads);
        memset(many, 0, bytes);
        rnn_fill_normal(&call, many, RNN_F32, ROWS, COUNT, 1, NULL, 0);
        assert_memory_equal(one, many, bytes);
        memset(many, 0, bytes);
        rnn_fill_normal(&call, many, RNN_F32, 0, ROWS * COUNT, 1, NULL, 0);
        rnn_pool_free(call.pool);
        assert_true(many[COUNT] == (float)rnn_normal_at(3, 1, -1, 0, COUNT));
    }
    free(one), free(many);
}

/* Phi(z) = p to the precision of the library's erfc, relative in the tails. */
static void normals_invert_the_distribution(void **state)
{
    static const uint32_t edge[] = {0, 1, 2, 0x7fffffff, 0x80000000,
                                    322122547, 322122548};

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t w = i < 7 ? edge[i] : i * 21473u; // up to 2^32
        double p = (w + 0.5) * 0x1p-32, z = rnn_normal_of(w);
        double lo = 0.5 * erfc(-z / sqrt(2)), hi = 0.5 * erfc(z / sqrt(2));

        assert_true(fabs(lo - p) <= 2e-14 * p);
        assert_true(fabs(hi - (1 - p)) <= 2e-14 * (1 - p));
        assert_true(rnn_normal_of(~w) == -z);
    }
}

/* No seam where the middle meets the tail, at a word of 0.075 2^32. */
static void normals_rise_with_their_word(void **state)
{
    (void)state;
    for (uint32_t w = 322122547 - 2000; w < 322122547 + 2000; w++)
        assert_true(rnn_normal_of(w) < rnn_normal_of(w + 1));
    for (uint32_t w = 0; w < UINT32_MAX - 65536; w += 65536)
        assert_true(rnn_normal_of(w) < rnn_normal_of(w + 65536));
}

static void moments_are_those_of_the_distributions(void **state)
{
    double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z3 = 0, z4 = 0;

    (void)state;
    for (int64_t i = 0; i < N; i++) {
        double u = rnn_uniform_at(11, 0, 0, 0, i) - 0.5;
        double z = rnn_normal_at(11, 1, 0, 0, i);

        u1 += u, u2 += u * u;
        z1 += z, z2 += z * z, z3 += z * z * z, z4 += z * z * z * z;
    }
    /* Five standard errors of each mean of N. */
    double e = 5 / sqrt(N);
    assert_true(fabs(u1 / N) < e * sqrt(1.0 / 12));
    assert_true(fabs(u2 / N - 1.0 / 12) < e * sqrt(1.0 / 180));
    assert_true(fabs(z1 / N) < e);
    assert_true(fabs(z2 / N - 1) < e * sqrt(2));
    assert_true(fabs(z3 / N) < e * sqrt(15));
    assert_true(fabs(z4 / N - 3) < e * sqrt(96));
}

/* Chi-square of uniforms on 256 bins: mean 255, deviation sqrt(510). */
static void bins_fill_evenly(void **state)
{
    (void)state;
    for (int dim = 0; dim < 4; dim++) { // along elements, examples, ...
        int64_t count[256] = {0};
        double chi = 0, want = N / 256.0;

        for (int64_t i = 0; i < N; i++) {
            int64_t c[4] = {7, 7, 7, 7};

            c[dim] = i;
            double u = rnn_uniform_at(2, c[0], (int32_t)c[1], (uint32_t)c[2],
                                      c[3]);
            assert_true(u >= 0 && u < 1);
            count[(int)(u * 256)]++;
        }
        for (int k = 0; k < 256; k++)
            chi += ((double)count[k] - want) * ((double)count[k] - want) / want;
        assert_true(fabs(chi - 255) < 5 * sqrt(510));
    }
}

static double correlation(int64_t stream, int32_t example, uint32_t keys,
                          uint64_t seed, int64_t shift)
{
    double sum = 0;

    for (int64_t i = 0; i < N; i++)
        sum += rnn_normal_at(1, 1, 1, 1, i) *
               rnn_normal_at(seed, stream, example, keys, i + shift);
    return sum / N;
}

static void streams_are_independent(void **state)
{
    double e = 5 / sqrt(N);

    (void)state;
    assert_true(fabs(correlation(1, 1, 1, 1, 0) - 1) < 2 * e);
    assert_true(fabs(correlation(2, 1, 1, 1, 0)) < e);
    assert_true(fabs(correlation(1, 2, 1, 1, 0)) < e);
    assert_true(fabs(correlation(1, 1, 2, 1, 0)) < e);
    assert_true(fabs(correlation(1, 1, 1, 2, 0)) < e);
    assert_true(fabs(correlation(1, 1, 1, 1, 1)) < e);
    assert_true(fabs(correlation(1 + ((int64_t)1 << 32), 1, 1, 1, 0)) < e);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void folded_keys_of_long_loops_differ(void **state)
{
    enum { STEPS = 5000, PASSES = 100 };
    uint32_t *h = rnn_alloc((size_t)STEPS * PASSES * 4);

    (void)state;
    for (int32_t s = 0; s < STEPS; s++)
        for (int32_t k = 0; k < PASSES; k++)
            h[s * PASSES + k] = rnn_fold_keys((int32_t[]){s, k}, 2);
    qsort(h, STEPS * PASSES, 4, by_value);
    for (int i = 1; i < STEPS * PASSES; i++)
        assert_true(h[i] != h[i - 1]);
    free(h);
}

static void permutations_hold_each_number_once(void **state)
{
    static const int64_t size[] = {1, 2, 3, 10, 1001};
    int32_t p[1001];

    (void)state;
    for (int k = 0; k < 5; k++) {
        bool seen[1001] = {0};

        rnn_permutation(9, 8, 7, 6, size[k], p);
        for (int64_t i = 0; i < size[k]; i++) {
            assert_in_range(p[i], 0, (uint64_t)size[k] - 1);
            assert_false(seen[p[i]]);
            seen[p[i]] = true;
        }
    }
}

static void all_orders_are_equally_likely(void **state)
{
    int64_t count[24] = {0};
    double chi = 0, want = 24000 / 24.0;

    (void)state;
    for (int32_t e = 0; e < 24000; e++) {
        int32_t p[4];
        int rank = 0;

        rnn_permutation(1, 2, e, 0, 4, p);
        for (int i = 0; i < 4; i++) {
            int less = 0;

            for (int j = i + 1; j < 4; j++)
                less += p[j] < p[i];
            rank = rank * (4 - i) + less;
        }
        count[rank]++;
    }
    for (int k = 0; k < 24; k++)
        chi += ((double)count[k] - want) * ((double)count[k] - want) / want;
    assert_true(fabs(chi - 23) < 5 * sqrt(46));
}

static void permutation_fills_agree_with_single_ones(void **state)
{
    enum { ROWS = 40, COUNT = 300 };
    RnnCall call = {.n = ROWS, .seed = 4, .pool = rnn_pool_new(3)};
    int32_t *p = rnn_alloc(ROWS * COUNT * 4), want[COUNT];

    (void)state;
    rnn_fill_permutation(&call, p, ROWS, COUNT, 5, NULL, 0);
    for (int32_t e = 0; e < ROWS; e++) {
        rnn_permutation(4, 5, e, 0, COUNT, want);
        assert_memory_equal(p + e * COUNT, want, sizeof want);
    }
    rnn_fill_permutation(&call, p, 0, COUNT, 5, NULL, 0);
    rnn_permutation(4, 5, RNN_SHARED_EXAMPLE, 0, COUNT, want);
    assert_memory_equal(p, want, sizeof want);
    rnn_pool_free(call.pool);
    free(p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(fills_agree_with_single_elements),
        cmocka_unit_test(threads_do_not_change_a_fill),
        cmocka_unit_test(normals_invert_the_distribution),
        cmocka_unit_test(normals_rise_with_their_word),
        cmocka_unit_test(moments_are_those_of_the_distributions),
        cmocka_unit_test(bins_fill_evenly),
        cmocka_unit_test(streams_are_independent),
        cmocka_unit_test(folded_keys_of_long_loops_differ),
        cmocka_unit_test(permutations_hold_each_number_once),
        cmocka_unit_test(all_orders_are_equally_likely),
        cmocka_unit_test(permutation_fills_agree_with_single_ones),
    };

    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
