/*
 * machine.c -- see machine.h.
 *
 * Values go in and out as doubles in Tensors, as the interpreter has them.
 * Memory handed to the code is filled with NaNs first, so that what a kernel
 * forgets to write shows; it ends where pages end that nobody may touch, and
 * what lies between it and there must stay as it was.
 */
#include "support/machine.h"

#include "codegen/emit.h"
#include "rt.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, FILL = 0xff };

typedef struct Memory {
    unsigned char *at;
    size_t bytes;
} Memory;

struct Machine {
    Arena *a;
    int n;
    Program **program;
    RnnEntryFn **fn;
    Memory *arena; // kept between runs, by entry
    int64_t *batch;
    int32_t *ready; // RnnCall.ready
    Target *target;
    Module *module;
    Jit *jit;
};

/* --- memory ---------------------------------------------------------------- */

static size_t whole(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static Memory memory_new(int64_t bytes)
{
    Memory m = {.bytes = (size_t)bytes};
    size_t size = whole(m.bytes, PAGE);
    unsigned char *p = mmap(NULL, size + 2 * PAGE, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED ||
        (size && mprotect(p + PAGE, size, PROT_READ | PROT_WRITE)))
        fatal_surroundings("out of memory");
    memset(p + PAGE, FILL, size);
    m.at = p + PAGE + size - whole(m.bytes, RNN_ALIGN);
    return m;
}

static void memory_free(Memory m, const char *what)
{
    size_t size = whole(m.bytes, PAGE), end = whole(m.bytes, RNN_ALIGN);
    unsigned char *p = m.at + end - size;

    if (!m.at)
        return;
    for (unsigned char *c = p; c < p + size; c++)
        if ((c < m.at || c >= m.at + m.bytes) && *c != FILL)
            internal_error("%s of %zu bytes: something written at %td", what,
                           m.bytes, c - m.at);
    munmap(p - PAGE, size + 2 * PAGE);
}

Entry *machine_entry(Arena *a, const Func *f, EntryKind kind)
{
    Entry *e = NEW(a, Entry);

    e->kind = kind;
    e->name = f->name ? f->name : "f";
    e->data = -1;
    e->split = "";
    e->check = -1;
    e->func = *f;
    e->output = NEW_N(a, Output, f->nout);
    for (int i = 0; i < f->nout; i++) {
        e->output[i].kind = OUT_TENSOR;
        e->output[i].name = f->out_name ? f->out_name[i] : "out";
    }
    return e;
}

static Machine *make(Arena *a, Entry *const *entry, int n, const char *cpu,
                     int level, bool finite)
{
    Machine *m = NEW(a, Machine);
    const char **name = NEW_N(a, const char *, n);
    LoopOptions opt;
    char err[512];
    Emit e;

    m->a = a;
    m->n = n;
    m->program = NEW_N(a, Program *, n);
    m->fn = NEW_N(a, RnnEntryFn *, n);
    m->arena = NEW_N(a, Memory, n);
    m->batch = NEW_N(a, int64_t, n);
    m->ready = NEW_N(a, int32_t, n);
    m->target = target_new(a, cpu, level, err, sizeof err);
    if (!m->target)
        fatal_surroundings("%s", err);
    opt = target_loop_options(m->target);
    opt.finite = finite;
    e = emit_open(a, m->target, "machine");
    for (int i = 0; i < n; i++) {
        m->program[i] = loop_lower(a, entry[i], &opt);
        name[i] = intern(LLVMGetValueName(emit_host(&e, m->program[i], i)));
    }
    LLVMDisposeBuilder(e.b);
    m->module = NEW(a, Module);
    *m->module = (Module){.a = a, .target = m->target, .c = e.c, .m = e.m,
                          .opt = {.verify = true, .keep_ir = true}};
    m->jit = codegen_jit(m->module, m->target, err, sizeof err);
    if (!m->jit)
        fatal_surroundings("%s", err);
    for (int i = 0; i < n; i++) {
        void *at = jit_symbol(m->jit, name[i]);

        if (!at)
            fatal_surroundings("\"%s\" has no address", name[i]);
        memcpy(&m->fn[i], &at, sizeof at);
    }
    return m;
}

Machine *machine_new(Arena *a, Entry *const *entry, int n, const char *cpu,
                     int level)
{
    return make(a, entry, n, cpu, level, false);
}

Machine *machine_new_finite(Arena *a, Entry *const *entry, int n,
                            const char *cpu, int level)
{
    return make(a, entry, n, cpu, level, true);
}

const Program *machine_program(const Machine *m, int entry)
{
    return m->program[entry];
}

const char *machine_llvm(Machine *m)
{
    return codegen_llvm_text(m->module, false);
}

void machine_free(Machine *m)
{
    for (int i = 0; i < m->n; i++)
        memory_free(m->arena[i], "the workspace");
    jit_free(m->jit);
    codegen_free(m->module);
    target_free(m->target);
}

/* --- tensors ------------------------------------------------------------- */

static int64_t count_of(const Tensor *t)
{
    return shape_size(t->type.shape) * t->batch;
}

static Tensor tensor_of(Arena *a, Type type, int64_t batch)
{
    Tensor t = {.type = type, .batch = type.batched ? batch : 1};

    t.at = NEW_N(a, double, count_of(&t));
    return t;
}

static Memory new_memory(const Tensor *t)
{
    return memory_new(count_of(t) * dtype_bytes(t->type.dt));
}

static void to_memory(const Tensor *t, void *p)
{
    for (int64_t i = 0; i < count_of(t); i++)
        switch (t->type.dt) {
        case DT_f32: ((float *)p)[i] = (float)t->at[i]; break;
        case DT_f64: ((double *)p)[i] = t->at[i]; break;
        case DT_i32: ((int32_t *)p)[i] = (int32_t)t->at[i]; break;
        default: ((uint8_t *)p)[i] = t->at[i] != 0; break;
        }
}

static void from_memory(const Tensor *t, const void *p)
{
    for (int64_t i = 0; i < count_of(t); i++)
        switch (t->type.dt) {
        case DT_f32: t->at[i] = (double)((const float *)p)[i]; break;
        case DT_f64: t->at[i] = ((const double *)p)[i]; break;
        case DT_i32: t->at[i] = ((const int32_t *)p)[i]; break;
        default: t->at[i] = ((const uint8_t *)p)[i]; break;
        }
}

/* --- running ------------------------------------------------------------- */

static Memory input_memory(Arena *a, const EvalEnv *env, Val v)
{
    Tensor t = tensor_of(a, v->type, env->batch);
    Memory m = new_memory(&t);

    env->input(env->user, v, &t);
    to_memory(&t, m.at);
    return m;
}

/* The variable an output updates in place: the end of its chain of puts. */
static void *own_storage(const Program *p, int output, void *const *in)
{
    Val v = p->entry->func.out[output];

    while (v->op == OP_put)
        v = v->src[0];
    for (int i = 0; i < p->nin; i++)
        if (p->in[i] == v)
            return in[i];
    internal_error("output %d has no variable", output);
}

static void keep_arena(Machine *m, int entry, int64_t batch)
{
    const Program *p = m->program[entry];

    if (m->batch[entry] == batch)
        return;
    memory_free(m->arena[entry], "the workspace");
    m->arena[entry] = memory_new(p->shared_bytes + batch * p->example_bytes);
    m->batch[entry] = batch;
    m->ready[entry] = 0;
}

static void call_entry(Machine *m, int entry, RnnCall *call, MachineRun *how)
{
    call->pool = rnn_pool_new(how && how->threads ? how->threads : 1);
    call->arena = (char *)m->arena[entry].at;
    call->fresh = !how || !how->stale;
    call->probe = how && how->probe;
    call->kernel_ns = how ? how->kernel_ns : NULL;
    call->kernel_runs = how ? how->kernel_runs : NULL;
    call->ready = m->ready[entry];
    m->fn[entry](call);
    m->ready[entry] = call->ready;
    if (how)
        how->bad_kernel = call->bad_kernel;
    rnn_pool_free(call->pool);
}

void machine_run(Machine *m, int entry, Arena *a, const EvalEnv *env,
                 MachineRun *how, Tensor *out)
{
    const Program *p = m->program[entry];
    const Func *f = &p->entry->func;
    void **in = NEW_N(a, void *, p->nin), **res = NEW_N(a, void *, f->nout);
    Memory *given = NEW_N(a, Memory, p->nin), *made = NEW_N(a, Memory, f->nout);
    Memory index = memory_new(env->batch * 4);
    RnnCall call = {.n = env->batch, .in = in, .out = res,
                    .index = (int32_t *)(void *)index.at, .seed = env->seed,
                    .bad_kernel = -1};

    keep_arena(m, entry, env->batch);
    for (int64_t i = 0; i < env->batch; i++)
        ((int32_t *)(void *)index.at)[i] =
            (int32_t)(env->index ? env->index[i] : i);
    for (int i = 0; i < p->nin; i++) {
        given[i] = input_memory(a, env, p->in[i]);
        in[i] = given[i].at;
    }
    for (int i = 0; i < f->nout; i++) {
        out[i] = tensor_of(a, f->out[i]->type, env->batch);
        if (!p->inplace[i])
            made[i] = new_memory(&out[i]);
        res[i] = p->inplace[i] ? own_storage(p, i, in) : made[i].at;
    }
    call_entry(m, entry, &call, how);
    for (int i = 0; i < f->nout; i++) {
        from_memory(&out[i], res[i]);
        memory_free(made[i], "a result");
    }
    for (int i = 0; i < p->nin; i++)
        memory_free(given[i], "an input");
    memory_free(index, "the index");
}
