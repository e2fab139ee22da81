/*
 * pool.c -- a persistent pool of threads over a partition of the tasks.
 *
 * The caller publishes a job and raises a generation counter (release);
 * workers wait for it (acquire), spinning some 50 us and then asleep. Thread
 * t of T gets tasks [t N / T, (t + 1) N / T), the caller being thread 0,
 * in two pieces of which a thread that is done may take those of another; the
 * caller waits for the count of unfinished workers to fall to zero in the same
 * two ways. While a job runs the pool is busy: a call from inside runs
 * serially on the thread that makes it.
 *
 * Whoever goes to sleep says so and looks again before it does; whoever
 * changes a counter does so before it looks for sleepers. All four accesses
 * are sequentially consistent, so one of the two always sees the other.
 */
#include "rt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPIN_NS = 50000,
       PIECES = 2,        // of a thread's tasks, each taken as a whole:
       LAST_OF = 4,       // the last is one part of so many
       PLENTY = 8,        // tasks of a thread: one too many is an eighth
       STACK = 8 << 20 }; // of each thread: kernels keep up to half of it there

typedef struct Gate { // where threads wait for a counter to change
    pthread_mutex_t lock;
    pthread_cond_t moved;
    atomic_int nsleeping;
} Gate;

typedef struct Worker {
    pthread_t thread;
    RnnPool *pool;
    int number; // 1 .. nthread - 1
} Worker;

typedef struct Slice { // of the tasks: a thread's own
    _Alignas(64) atomic_int taken; // pieces
    int64_t cut[PIECES + 1];       // where they begin and end
} Slice;

struct RnnPool {
    int nthread; // the caller included
    double spin_ns;
    Worker *worker;
    RnnKernelFn *fn; // the job: written before `generation`, NULL: quit
    void *const *ptr;
    int64_t n, tasks;
    Slice *slice;
    /* Counters of different writers, each on a cache line of its own. */
    _Alignas(64) atomic_uint generation;
    _Alignas(64) atomic_uint unfinished;
    _Alignas(64) atomic_bool busy;
    Gate job, done;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void gate_open(Gate *g)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->moved, NULL);
}

static void gate_close(Gate *g)
{
    pthread_cond_destroy(&g->moved);
    pthread_mutex_destroy(&g->lock);
}

/* Until the counter is (want = true) or is not (false) at `value`. */
static void gate_wait(Gate *g, atomic_uint *counter, unsigned value, bool want,
                      double spin_ns)
{
    double until = 0;

    for (int k = 0;; k++) {
        if ((atomic_load_explicit(counter, memory_order_acquire) == value) ==
            want)
            return;
        relax();
        if (k % 64)
            continue;
        double now = rnn_now_ns();
        if (k == 0)
            until = now + spin_ns;
        if (now >= until)
            break;
    }
    pthread_mutex_lock(&g->lock);
    atomic_fetch_add(&g->nsleeping, 1);
    while ((atomic_load(counter) == value) != want)
        pthread_cond_wait(&g->moved, &g->lock);
    atomic_fetch_sub(&g->nsleeping, 1);
    pthread_mutex_unlock(&g->lock);
}

/* After the counter changed: wakes who sleeps at the gate. */
static void gate_wake(Gate *g)
{
    if (atomic_load(&g->nsleeping) == 0)
        return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
}

/* What is left of slice v. */
static void run_slice(const RnnPool *p, int v)
{
    Slice *s = &p->slice[v];

    while (atomic_load_explicit(&s->taken, memory_order_relaxed) < PIECES) {
        int k = atomic_fetch_add_explicit(&s->taken, 1, memory_order_relaxed);

        if (k < PIECES && s->cut[k] < s->cut[k + 1])
            p->fn(p->ptr, p->n, s->cut[k], s->cut[k + 1]);
    }
}

/* A thread's own slice, then what the others have left of theirs: a core that
 * something else runs on, or that is clocked lower, does not hold up the rest. */
static void run_share(const RnnPool *p, int number)
{
    for (int k = 0; k < p->nthread; k++)
        run_slice(p, (number + k) % p->nthread);
}

static void cut_slices(RnnPool *p)
{
    for (int t = 0; t < p->nthread; t++) {
        int64_t lo = p->tasks * t / p->nthread;
        int64_t hi = p->tasks * (t + 1) / p->nthread;

        p->slice[t].cut[0] = lo;
        p->slice[t].cut[1] = hi - (hi - lo) / LAST_OF;
        p->slice[t].cut[2] = hi;
        atomic_store_explicit(&p->slice[t].taken, 0, memory_order_relaxed);
    }
}

static void *work(void *arg)
{
    Worker *w = arg;
    RnnPool *p = w->pool;

    for (unsigned seen = 0;; seen++) {
        gate_wait(&p->job, &p->generation, seen, false, p->spin_ns);
        if (!p->fn)
            return NULL;
        run_share(p, w->number);
        if (atomic_fetch_sub(&p->unfinished, 1) == 1)
            gate_wake(&p->done);
    }
}

static void publish(RnnPool *p)
{
    atomic_store(&p->unfinished, (unsigned)p->nthread - 1);
    atomic_fetch_add(&p->generation, 1);
    gate_wake(&p->job);
}

/* The caller's stack may grow to STACK, as far as the system lets it. */
static void let_stack_grow(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_STACK, &r) || r.rlim_cur == RLIM_INFINITY ||
        r.rlim_cur >= STACK)
        return;
    r.rlim_cur = r.rlim_max == RLIM_INFINITY || r.rlim_max > STACK
                     ? STACK
                     : r.rlim_max;
    setrlimit(RLIMIT_STACK, &r);
}

/* Signals go to the thread that made the pool: it is the one that stops the
 * run at a whole step. */
static int start_workers(RnnPool *p, int threads)
{
    sigset_t all, old;
    pthread_attr_t attr;
    int n = 1;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; n < threads; n++) {
        Worker *w = &p->worker[n];

        *w = (Worker){.pool = p, .number = n};
        if (pthread_create(&w->thread, &attr, work, w))
            break;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return n;
}

RnnPool *rnn_pool_new(int threads)
{
    RnnPool *p = rnn_alloc(sizeof *p);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (threads < 1)
        threads = 1;
    let_stack_grow();
    gate_open(&p->job);
    gate_open(&p->done);
    p->spin_ns = threads <= cores ? SPIN_NS : 0;
    p->worker = rnn_alloc(sizeof *p->worker * (size_t)threads);
    p->slice = rnn_alloc(sizeof *p->slice * (size_t)threads);
    /* Workers read nthread only after the first job is published. */
    p->nthread = start_workers(p, threads);
    return p;
}

int rnn_pool_threads(const RnnPool *p)
{
    return p ? p->nthread : 1;
}

void rnn_pool_free(RnnPool *p)
{
    if (!p)
        return;
    p->fn = NULL;
    publish(p);
    for (int i = 1; i < p->nthread; i++)
        pthread_join(p->worker[i].thread, NULL);
    gate_close(&p->job);
    gate_close(&p->done);
    free(p->slice);
    free(p->worker);
    free(p);
}

int32_t rnn_is_plenty(const RnnCall *call, int64_t tasks)
{
    int threads = rnn_pool_threads(call->pool);

    return threads == 1 || tasks >= (int64_t)PLENTY * threads;
}

void rnn_parallel(RnnCall *call, RnnKernelFn *fn, void *const *ptr,
                  int64_t tasks)
{
    RnnPool *p = call->pool;

    if (tasks <= 0)
        return;
    if (!p || p->nthread == 1 || tasks == 1 ||
        atomic_exchange_explicit(&p->busy, true, memory_order_acquire)) {
        fn(ptr, call->n, 0, tasks);
        return;
    }
    p->fn = fn;
    p->ptr = ptr;
    p->n = call->n;
    p->tasks = tasks;
    cut_slices(p);
    publish(p);
    run_share(p, 0);
    gate_wait(&p->done, &p->unfinished, 0, true, p->spin_ns);
    atomic_store_explicit(&p->busy, false, memory_order_release);
}
