/*
 * kernel.c -- one kernel by itself. See kernel.h.
 */
#include "support/kernel.h"

#include "codegen/emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *test_cpu(const char *cpu)
{
#ifdef __x86_64__
    if (cpu && strcmp(cpu, "x86-64-v3") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                   ? cpu
                   : NULL;
    return cpu;
#else
    (void)cpu;
    return NULL;
#endif
}

static Buffer *buffer_of(Arena *a, Val v)
{
    Buffer *b = NEW(a, Buffer);

    b->type = v->type;
    b->place = PLACE_INPUT;
    b->val = v;
    b->bytes = shape_size(v->type.shape) * dtype_bytes(v->type.dt);
    return b;
}

static void add_reads(Arena *a, Kernel *k, Val v)
{
    for (int i = 0; i < k->nread; i++)
        if (k->read[i]->val == v)
            return;
    if (v->op == OP_input)
        k->read[k->nread++] = buffer_of(a, v);
    for (int i = 0; i < v->nsrc; i++)
        add_reads(a, k, v->src[i]);
}

static TestKernel *make(Arena *a, Val root, Val core, Val rows,
                        const char *cpu, int level, const Schedule *s)
{
    TestKernel *t = NEW(a, TestKernel);
    char err[512];
    LLVMValueRef fn;
    Emit e;
    void *at = NULL;

    t->a = a;
    t->k.core = core;
    t->k.root = root;
    t->k.name = op_info[core->op].name;
    t->k.kind = op_info[core->op].lower == LOWER_CONTRACT ? KERNEL_CONTRACT
                                                          : KERNEL_NEST;
    t->k.read = NEW_N(a, Buffer *, 64);
    add_reads(a, &t->k, root);
    if (rows)
        t->k.rows = t->k.read[t->k.nread++] = buffer_of(a, rows);
    t->k.dst = buffer_of(a, root);
    t->target = target_new(a, cpu, level, err, sizeof err);
    if (!t->target)
        fatal_surroundings("%s", err);
    e = emit_open(a, t->target, "kernel");
    if (t->k.kind == KERNEL_CONTRACT) {
        t->k.sched = s ? *s : schedule_choose(&t->k, &e.opt);
        t->k.sched.sparse = rows != NULL;
        t->k.tasks = t->k.sched.tasks;
    } else if (s) {
        t->k.sched = *s;
    }
    if (wino_is_core(core->op)) {
        t->k.sched = s ? *s : wino_schedule(&t->k, &e.opt);
        t->k.tasks = t->k.sched.tasks;
    }
    if (!root->type.batched && t->k.tasks < 1)
        t->k.tasks = 1;
    fn = emit_kernel(&e, &t->k);
    LLVMSetLinkage(fn, LLVMExternalLinkage);
    t->module = NEW(a, Module);
    *t->module = (Module){.a = a, .target = t->target, .c = e.c, .m = e.m,
                          .opt = {.verify = true, .keep_ir = true}};
    LLVMDisposeBuilder(e.b);
    {
        const char *name = intern(LLVMGetValueName(fn));

        t->jit = codegen_jit(t->module, t->target, err, sizeof err);
        if (!t->jit)
            fatal_surroundings("%s", err);
        at = jit_symbol(t->jit, name);
    }
    if (!at)
        fatal_surroundings("the kernel has no address");
    memcpy(&t->fn, &at, sizeof at);
    return t;
}

TestKernel *test_kernel_as(Arena *a, Val root, Val core, const char *cpu,
                           int level, const Schedule *s)
{
    return make(a, root, core, NULL, cpu, level, s);
}

TestKernel *test_kernel_sparse(Arena *a, Val root, Val core, Val rows,
                               const char *cpu, int level)
{
    return make(a, root, core, rows, cpu, level, NULL);
}

TestKernel *test_kernel(Arena *a, Val root, Val core, const char *cpu,
                        int level)
{
    return test_kernel_as(a, root, core, cpu, level, NULL);
}

int64_t test_kernel_tasks(const TestKernel *t, int64_t n)
{
    if (t->k.tasks && t->k.rows && n == 1)
        return kernel_one_tasks(&t->k);
    return t->k.tasks ? t->k.tasks : schedule_tasks(&t->k.sched, n);
}

void test_kernel_free(TestKernel *t)
{
    jit_free(t->jit);
    codegen_free(t->module);
    target_free(t->target);
}

/* --- tensors -------------------------------------------------------------- */

static void *aligned(size_t bytes)
{
    void *p = NULL;

    if (posix_memalign(&p, 64, bytes + 64))
        fatal_surroundings("out of memory");
    memset(p, 0xff, bytes + 64); // NaNs: what is not written shows
    return p;
}

static int64_t count_of(Type t, int64_t batch)
{
    return shape_size(t.shape) * (t.batched ? batch : 1);
}

static void *to_memory(const Tensor *t, int64_t batch)
{
    int64_t n = count_of(t->type, batch);
    void *p = aligned((size_t)(n * dtype_bytes(t->type.dt)));

    for (int64_t i = 0; i < n; i++)
        switch (t->type.dt) {
        case DT_f32: ((float *)p)[i] = (float)t->at[i]; break;
        case DT_f64: ((double *)p)[i] = t->at[i]; break;
        case DT_i32: ((int32_t *)p)[i] = (int32_t)t->at[i]; break;
        default: ((uint8_t *)p)[i] = t->at[i] != 0; break;
        }
    return p;
}

static Tensor from_memory(Arena *a, Type type, int64_t batch, const void *p)
{
    Tensor t = {.type = type, .batch = type.batched ? batch : 1};
    int64_t n = count_of(type, batch);

    t.at = NEW_N(a, double, n);
    for (int64_t i = 0; i < n; i++)
        switch (type.dt) {
        case DT_f32: t.at[i] = (double)((const float *)p)[i]; break;
        case DT_f64: t.at[i] = ((const double *)p)[i]; break;
        case DT_i32: t.at[i] = ((const int32_t *)p)[i]; break;
        default: t.at[i] = ((const uint8_t *)p)[i]; break;
        }
    return t;
}

Tensor test_kernel_eval(TestKernel *t, Arena *a, const Tensor *in,
                        int64_t batch, int cuts)
{
    void *buf[65];
    Type type = t->k.root->type;
    int64_t tasks = test_kernel_tasks(t, batch);
    Tensor out;

    buf[0] = aligned((size_t)(count_of(type, batch) * dtype_bytes(type.dt)));
    for (int i = 0; i < t->k.nread; i++)
        buf[1 + i] = to_memory(&in[i], batch);
    for (int i = 0; i < cuts; i++)
        t->fn(buf, batch, tasks * i / cuts, tasks * (i + 1) / cuts);
    out = from_memory(a, type, batch, buf[0]);
    for (int i = 0; i <= t->k.nread; i++)
        free(buf[i]);
    return out;
}
