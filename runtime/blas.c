/*
 * blas.c -- matrix products by OpenBLAS, in an archive of its own.
 *
 * Threads are the pool's business: every call here runs on the thread that
 * makes it. OPENBLAS_NUM_THREADS is set before the library starts its own
 * threads where the order of constructors allows, and the count is set again
 * before main() for where it does not.
 */
#include "rnn_rt.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <stdlib.h>

__attribute__((constructor(101))) static void forbid_threads(void)
{
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
}

__attribute__((constructor)) static void stop_threads(void)
{
    openblas_set_num_threads(1);
}

/* The sizes as the library's 32-bit ints; every buffer of ours is smaller. */
static void check_sizes(int64_t m, int64_t n, int64_t k, int64_t lda,
                        int64_t ldb, int64_t ldc)
{
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    assert(lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
    (void)m, (void)n, (void)k, (void)lda, (void)ldb, (void)ldc;
}

void rnn_sgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k,
               const float *a, int64_t lda, const float *b, int64_t ldb,
               float *c, int64_t ldc, int32_t accumulate)
{
    check_sizes(m, n, k, lda, ldb, ldc);
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a,
                (int)lda, b, (int)ldb, accumulate ? 1 : 0, c, (int)ldc);
}

void rnn_dgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k,
               const double *a, int64_t lda, const double *b, int64_t ldb,
               double *c, int64_t ldc, int32_t accumulate)
{
    check_sizes(m, n, k, lda, ldb, ldc);
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a,
                (int)lda, b, (int)ldb, accumulate ? 1 : 0, c, (int)ldc);
}
