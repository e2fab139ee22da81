/*
 * test_pool.c -- the pool runs every task once, whoever runs it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rt.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { MOST = 1000 };

static void count_tasks(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    int *runs = ptr[0];

    assert_int_equal(n, 17);
    assert_true(lo < hi);
    for (int64_t i = lo; i < hi; i++)
        runs[i]++;
}

static void every_task_runs_once(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 100, MOST};

    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        RnnCall call = {.n = 17, .pool = rnn_pool_new(threads)};

        assert_int_equal(rnn_pool_threads(call.pool), threads);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            int runs[MOST] = {0};
            void *ptr[] = {runs};

            rnn_parallel(&call, count_tasks, ptr, sizes[k]);
            for (int64_t i = 0; i < MOST; i++)
                assert_int_equal(runs[i], i < sizes[k]);
        }
        rnn_pool_free(call.pool);
    }
}

static void no_pool_means_this_thread(void **state)
{
    RnnCall call = {.n = 17};
    int runs[5] = {0};
    void *ptr[] = {runs};

    (void)state;
    assert_int_equal(rnn_pool_threads(NULL), 1);
    rnn_pool_free(NULL);
    rnn_parallel(&call, count_tasks, ptr, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(runs[i], 1);
}

/* Slices are contiguous, in the order of the threads, equal to within one. */
static void note_slice(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    atomic_llong *size = ptr[0];

    (void)n;
    atomic_store(&size[lo], hi - lo);
}

/* Four threads share ten tasks two or three each; a slice is at most two
 * pieces, the last no more than a quarter of it. */
static void pieces_are_whole_slices_but_for_a_last_part(void **state)
{
    atomic_llong size[64] = {0};
    void *ptr[] = {size};
    RnnCall call = {.pool = rnn_pool_new(4)};

    (void)state;
    rnn_parallel(&call, note_slice, ptr, 10);
    for (long long at = 0; at < 10; at += atomic_load(&size[at])) {
        assert_true(atomic_load(&size[at]) >= 2);
        assert_true(atomic_load(&size[at]) <= 3);
    }
    rnn_parallel(&call, note_slice, ptr, 64);
    for (long long at = 0; at < 64; at += 16) {
        assert_int_equal(atomic_load(&size[at]), 12);
        assert_int_equal(atomic_load(&size[at + 12]), 4);
    }
    rnn_pool_free(call.pool);
}

static void add_one(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    atomic_int *sum = ptr[0];

    (void)n;
    atomic_fetch_add(sum, (int)(hi - lo));
}

static void call_inside(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    RnnCall *call = ptr[1];

    (void)n;
    for (int64_t i = lo; i < hi; i++)
        rnn_parallel(call, add_one, ptr, 10);
}

static void a_call_from_inside_runs_serially(void **state)
{
    atomic_int sum = 0;
    RnnCall call = {.pool = rnn_pool_new(3)};
    void *ptr[] = {&sum, &call};

    (void)state;
    for (int k = 0; k < 100; k++)
        rnn_parallel(&call, call_inside, ptr, 30);
    rnn_pool_free(call.pool);
    assert_int_equal(atomic_load(&sum), 100 * 30 * 10);
}

/* Longer than the spin, so that workers and caller fall asleep. */
static void sleep_a_little(void *const *ptr, int64_t n, int64_t lo, int64_t hi)
{
    nanosleep(&(struct timespec){.tv_nsec = 300000 * (long)lo}, NULL);
    add_one(ptr, n, lo, hi);
}

static void sleepers_wake(void **state)
{
    atomic_int sum = 0;
    RnnCall call = {.pool = rnn_pool_new(3)};
    void *ptr[] = {&sum};

    (void)state;
    for (int k = 0; k < 50; k++) {
        rnn_parallel(&call, sleep_a_little, ptr, 3);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    rnn_pool_free(call.pool);
    assert_int_equal(atomic_load(&sum), 150);
}

static void many_short_jobs_are_all_done(void **state)
{
    atomic_int sum = 0;
    RnnCall call = {.pool = rnn_pool_new(2)};
    void *ptr[] = {&sum};

    (void)state;
    for (int k = 0; k < 20000; k++)
        rnn_parallel(&call, add_one, ptr, 2);
    rnn_pool_free(call.pool);
    assert_int_equal(atomic_load(&sum), 40000);
}

static void pools_start_and_stop_quickly(void **state)
{
    (void)state;
    for (int k = 0; k < 50; k++)
        rnn_pool_free(rnn_pool_new(1 + k % 5));
}

static void a_few_tasks_are_not_plenty(void **state)
{
    RnnCall call = {.pool = NULL};

    (void)state;
    assert_true(rnn_is_plenty(&call, 1));
    call.pool = rnn_pool_new(3);
    assert_false(rnn_is_plenty(&call, 23));
    assert_true(rnn_is_plenty(&call, 24));
    rnn_pool_free(call.pool);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(no_pool_means_this_thread),
        cmocka_unit_test(pieces_are_whole_slices_but_for_a_last_part),
        cmocka_unit_test(a_call_from_inside_runs_serially),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(many_short_jobs_are_all_done),
        cmocka_unit_test(pools_start_and_stop_quickly),
        cmocka_unit_test(a_few_tasks_are_not_plenty),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
