/*
 * blas.c -- matrix products by OpenBLAS, in an archive of its own.
 *
 * Threads are the pool's business: every call here runs on the thread that
 * makes it. Linked statically, the library reads OPENBLAS_NUM_THREADS after our
 * constructor has set it and starts no threads; as a shared library it is
 * initialized before us, so the first call sets the count too. (Not the
 * constructor: the library may not be initialized by then.)
 */
#include "rnn_rt.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

__attribute__((constructor(101))) static void forbid_threads(void)
{
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
}

static void stop_threads(void)
{
    openblas_set_num_threads(1);
}

/* Before each call; sizes become the library's 32-bit ints. */
static void prepare(int64_t m, int64_t n, int64_t k, int64_t lda,
                    int64_t ldb, int64_t ldc)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, stop_threads);
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    assert(lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
    (void)m, (void)n, (void)k, (void)lda, (void)ldb, (void)ldc;
}

void rnn_sgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k,
               const float *a, int64_t lda, const float *b, int64_t ldb,
               float *c, int64_t ldc, int32_t accumulate)
{
    prepare(m, n, k, lda, ldb, ldc);
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a,
                (int)lda, b, (int)ldb, accumulate ? 1 : 0, c, (int)ldc);
}

void rnn_dgemm(int32_t ta, int32_t tb, int64_t m, int64_t n, int64_t k,
               const double *a, int64_t lda, const double *b, int64_t ldb,
               double *c, int64_t ldc, int32_t accumulate)
{
    prepare(m, n, k, lda, ldb, ldc);
    cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans,
                tb ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a,
                (int)lda, b, (int)ldb, accumulate ? 1 : 0, c, (int)ldc);
}
