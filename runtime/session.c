/*
 * session.c -- what lives as long as the process: variables, data sets, the
 * thread pool and one arena that all entry points share.
 *
 * The arena is mapped from the system, so its pages are zero and cost nothing
 * until they are touched. It is taken once per entry point and batch size,
 * never inside a loop.
 */
#include "face.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int rnn_default_threads(void)
{
    cpu_set_t set;
    int n;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    else
        n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 1024 ? 1024 : n;
}

size_t rnn_var_bytes(const RnnVar *v)
{
    return (size_t)rnn_type_count(&v->type) * rnn_dtype_bytes(v->type.dt);
}

RnnStatus rnn_session_open(RnnSession *s, const RnnProgram *p,
                           const RnnFlags *f, RnnError *err)
{
    size_t n = (size_t)p->nvar + 1;

    *s = (RnnSession){.p = p, .f = f, .seed = f->seed};
    s->var = calloc(n, sizeof *s->var);
    s->next = calloc(n, sizeof *s->next);
    // of each data set two splits, whole or in part
    s->set = calloc(4 * (size_t)p->ndata + 1, sizeof *s->set);
    if (!s->var || !s->next || !s->set)
        return rnn_fail(err, RNN_SURROUNDINGS, "out of memory");
    for (int i = 0; i < p->nvar; i++)
        s->var[i] = rnn_alloc_unset(rnn_var_bytes(&p->var[i]));
    int slots = 0;
    for (int i = 0; i < p->nentry; i++)
        for (int o = 0; o < p->entry[i].nout; o++)
            if (p->entry[i].output[o].kind == RNN_OUT_FOLD &&
                p->entry[i].output[o].ref >= slots)
                slots = p->entry[i].output[o].ref + 1;
    s->fold = rnn_alloc(sizeof *s->fold * (size_t)slots);
    s->pool = rnn_pool_new(f->threads ? (int)f->threads
                                      : rnn_default_threads());
    return RNN_OK;
}

void rnn_session_close(RnnSession *s)
{
    for (int i = 0; s->p && i < s->p->nvar; i++) {
        if (s->var)
            free(s->var[i]);
        if (s->next)
            free(s->next[i]);
    }
    for (int i = 0; i < s->nset; i++)
        rnn_data_close(&s->set[i]);
    free(s->var);
    free(s->next);
    free(s->set);
    free(s->fold);
    if (s->arena)
        munmap(s->arena, s->arena_bytes);
    if (s->pool)
        rnn_pool_free(s->pool);
    *s = (RnnSession){0};
}

RnnStatus rnn_session_init(RnnSession *s, RnnError *err)
{
    const RnnEntry *e = NULL;
    RnnRun r;
    int32_t zero = 0;

    snprintf(s->weights, sizeof s->weights, "initial values (seed %llu)",
             (unsigned long long)s->seed);
    for (int i = 0; i < s->p->nentry; i++)
        if (s->p->entry[i].kind == RNN_ENTRY_INIT)
            e = &s->p->entry[i];
    if (!e)
        return RNN_OK;
    RnnStatus st = rnn_run_open(&r, s, e, 1, err);
    if (st == RNN_OK) {
        rnn_run_load(&r, NULL, &zero, 1);
        rnn_run_call(&r);
        st = rnn_run_failed(&r, err);
        for (int o = 0; o < e->nout; o++)
            if (e->output[o].kind == RNN_OUT_VAR && !e->output[o].inplace) {
                int v = e->output[o].ref;

                free(s->var[v]);
                s->var[v] = s->next[v];
                s->next[v] = NULL;
            }
    }
    rnn_run_close(&r);
    return st;
}

/* `part`: a file that lists the examples to use, NULL: all. */
static RnnStatus open_split(RnnSession *s, int data, const char *split,
                            const char *part, const RnnDataset **out,
                            RnnError *err)
{
    *out = NULL;
    if (data < 0)
        return RNN_OK;
    const RnnData *decl = &s->p->data[data];

    for (int i = 0; i < s->nset; i++)
        if (s->set[i].decl == decl && !strcmp(s->set[i].split, split) &&
            s->set[i].picked == (part != NULL)) {
            *out = &s->set[i];
            return RNN_OK;
        }
    RnnDataset *d = &s->set[s->nset];
    RnnStatus st = rnn_data_open(decl, split, s->f->data,
                                 part ? 0 : s->f->limit, d, err);
    if (st != RNN_OK)
        return st;
    s->nset++;
    if (part && (st = rnn_data_pick(d, part, s->f->limit, err)) != RNN_OK)
        return st;
    *out = d;
    if (d->n < 1)
        return rnn_fail(err, RNN_BAD_INPUT, "%s.%s (%s) holds no examples",
                        decl->name, split, d->path);
    return RNN_OK;
}

RnnStatus rnn_session_data(RnnSession *s, const RnnEntry *e,
                           const RnnDataset **out, RnnError *err)
{
    return open_split(s, e->data, e->split, s->f->examples, out, err);
}

RnnStatus rnn_session_split(RnnSession *s, int data, const char *split,
                            const RnnDataset **out, RnnError *err)
{
    return open_split(s, data, split, NULL, out, err);
}

bool rnn_entry_bytes(const RnnEntry *e, int64_t batch, size_t *bytes)
{
    size_t each;

    if (!rnn_mul_size((size_t)e->example_bytes, (size_t)batch, &each) ||
        each > (size_t)PTRDIFF_MAX - (size_t)e->shared_bytes)
        return false;
    *bytes = each + (size_t)e->shared_bytes;
    return true;
}

RnnStatus rnn_memory_check(double want, const char *what, RnnError *err)
{
    double have = (double)sysconf(_SC_PHYS_PAGES) *
                  (double)sysconf(_SC_PAGESIZE);
    char need[32], is[32];

    if (want <= have)
        return RNN_OK;
    return rnn_fail(err, RNN_SURROUNDINGS,
                    "%s needs %s of memory, this machine has %s", what,
                    rnn_scaled(want, "B", need, sizeof need),
                    rnn_scaled(have, "B", is, sizeof is));
}

RnnStatus rnn_session_arena(RnnSession *s, const RnnEntry *e, int64_t batch,
                            double buffers, RnnError *err)
{
    double want = (double)e->shared_bytes +
                  (double)batch * (double)e->example_bytes;
    char need[32], what[256];
    size_t bytes;

    snprintf(what, sizeof what, "\"%s\" with --batch %lld", e->name,
             (long long)batch);
    RnnStatus st = rnn_memory_check(want + buffers, what, err);
    if (st != RNN_OK)
        return st;
    if (!rnn_entry_bytes(e, batch, &bytes))
        return rnn_fail(err, RNN_SURROUNDINGS, "%s needs too much memory",
                        what);
    rnn_scaled(want, "B", need, sizeof need);
    if (bytes <= s->arena_bytes)
        return RNN_OK;
    if (s->arena)
        munmap(s->arena, s->arena_bytes);
    s->arena = NULL;
    s->arena_bytes = 0;
    s->arena_of = NULL;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return rnn_fail(err, RNN_SURROUNDINGS,
                        "could not get the %s of memory that %s needs: %s",
                        need, what, strerror(errno));
    madvise(at, bytes, MADV_HUGEPAGE);
    s->arena = at;
    s->arena_bytes = bytes;
    return RNN_OK;
}

double rnn_element(const void *at, int32_t dt, int64_t i)
{
    switch (dt) {
    case RNN_F32:
        return (double)((const float *)at)[i];
    case RNN_F64:
        return ((const double *)at)[i];
    case RNN_I32:
        return (double)((const int32_t *)at)[i];
    default:
        return ((const unsigned char *)at)[i] != 0;
    }
}

void rnn_convert(void *dst, int32_t dt, const void *src, int32_t src_dt,
                 int64_t count)
{
    if (dt == src_dt) {
        memcpy(dst, src, (size_t)count * rnn_dtype_bytes(dt));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        double x = rnn_element(src, src_dt, i);

        switch (dt) {
        case RNN_F32:
            ((float *)dst)[i] = (float)x;
            break;
        case RNN_F64:
            ((double *)dst)[i] = x;
            break;
        case RNN_I32:
            ((int32_t *)dst)[i] = (int32_t)x;
            break;
        default:
            ((unsigned char *)dst)[i] = x != 0;
        }
    }
}
