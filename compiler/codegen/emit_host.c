/*
 * emit_host.c -- the function of an entry point: void entry_<name>(RnnCall *).
 *
 * It runs the steps in order: kernels through `run_kernel`, which splits what
 * is worth it over the threads and serves --probe and bench; loops as loops;
 * random fills and copies as calls. The set-up part runs if call->fresh.
 */
#include "codegen/emit.h"
#include "rnn_rt.h"

#include <math.h>

enum { SPLIT_NS = 20000 }; // less work than this is not split

typedef struct Host {
    Emit *e;
    const Program *p;
    LLVMValueRef fn, call, n, arena, examples; // examples: the batched region
    LLVMValueRef *in, *out;
    LLVMValueRef pointers, keys; // room for a kernel's arguments
    LLVMValueRef copy;           // and for an RnnCall
} Host;

static LLVMValueRef byte_offset(Emit *e, LLVMValueRef p, LLVMValueRef bytes)
{
    return LLVMBuildGEP2(e->b, e->i8, p, &bytes, 1, "");
}

static LLVMValueRef load_field(Emit *e, LLVMValueRef call, LLVMTypeRef t,
                               size_t offset)
{
    LLVMValueRef at = byte_offset(e, call, emit_int(e, (int64_t)offset));

    return LLVMBuildLoad2(e->b, t, at, "");
}
#define LOAD_FIELD(e, call, t, name)                                          \
    load_field((e), (call), (t), offsetof(RnnCall, name))

static LLVMValueRef element_of(Emit *e, LLVMTypeRef t, LLVMValueRef p,
                               LLVMValueRef i)
{
    return LLVMBuildGEP2(e->b, t, p, &i, 1, "");
}

static LLVMValueRef call_runtime(Emit *e, const char *name, LLVMTypeRef result,
                                 LLVMValueRef *x, int n)
{
    LLVMTypeRef arg[16], type;

    for (int i = 0; i < n; i++)
        arg[i] = LLVMTypeOf(x[i]);
    type = LLVMFunctionType(result, arg, (unsigned)n, false);
    return LLVMBuildCall2(e->b, type, emit_runtime(e, name, type), x,
                          (unsigned)n, "");
}

/* --- functions every module has once ------------------------------------------ */

static LLVMBasicBlockRef block(Emit *e, LLVMValueRef fn, const char *name)
{
    return LLVMAppendBasicBlockInContext(e->c, fn, name);
}

/* if (condition) { ... } -- returns the block behind it. */
static LLVMBasicBlockRef begin_if(Emit *e, LLVMValueRef fn, LLVMValueRef cond)
{
    LLVMBasicBlockRef then = block(e, fn, "then"), after = block(e, fn, "end");

    LLVMBuildCondBr(e->b, cond, then, after);
    LLVMPositionBuilderAtEnd(e->b, then);
    return after;
}

static void end_if(Emit *e, LLVMBasicBlockRef after)
{
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, after);
}

static LLVMValueRef helper(Emit *e, const char *name, LLVMTypeRef result,
                           LLVMTypeRef *arg, int n)
{
    LLVMValueRef fn = LLVMAddFunction(
        e->m, name, LLVMFunctionType(result, arg, (unsigned)n, false));

    LLVMSetLinkage(fn, LLVMInternalLinkage);
    target_attributes(e->target, e->c, fn);
    compat_attr(e->c, fn, LLVMAttributeFunctionIndex, "noinline", 0);
    LLVMPositionBuilderAtEnd(e->b, block(e, fn, "entry"));
    return fn;
}

static LLVMValueRef is_set(Emit *e, LLVMValueRef x)
{
    return LLVMBuildICmp(e->b, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
}

/* double start_clock(call): the time if kernels are timed. */
static LLVMValueRef make_start(Emit *e)
{
    LLVMValueRef fn = helper(e, "start_clock", e->f64, &e->ptr, 1), ns;
    LLVMBasicBlockRef after;

    ns = LOAD_FIELD(e, LLVMGetParam(fn, 0), e->ptr, kernel_ns);
    after = begin_if(e, fn, is_set(e, ns));
    LLVMBuildRet(e->b, call_runtime(e, "rnn_now_ns", e->f64, NULL, 0));
    LLVMPositionBuilderAtEnd(e->b, after);
    LLVMBuildRet(e->b, LLVMConstReal(e->f64, 0));
    return fn;
}

/* void finish(call, kernel, at, dt, count, start): probes the result if asked
 * to (dt < 0: none), and adds the time. */
static LLVMValueRef make_finish(Emit *e)
{
    LLVMTypeRef arg[] = {e->ptr, e->i32, e->ptr, e->i32, e->i64, e->f64};
    LLVMValueRef fn = helper(e, "finish", e->voidt, arg, 6);
    LLVMValueRef p[6], ns, at, real, on, t;
    LLVMBasicBlockRef after;

    for (unsigned i = 0; i < 6; i++)
        p[i] = LLVMGetParam(fn, i);
    real = LLVMBuildICmp(e->b, LLVMIntSGE, p[3], LLVMConstNull(e->i32), "");
    on = is_set(e, LOAD_FIELD(e, p[0], e->i32, probe));
    after = begin_if(e, fn, LLVMBuildAnd(e->b, real, on, ""));
    call_runtime(e, "rnn_probe", e->voidt, p, 5);
    end_if(e, after);
    ns = LOAD_FIELD(e, p[0], e->ptr, kernel_ns);
    after = begin_if(e, fn, is_set(e, ns));
    at = element_of(e, e->f64, ns, LLVMBuildSExt(e->b, p[1], e->i64, ""));
    t = call_runtime(e, "rnn_now_ns", e->f64, NULL, 0);
    t = LLVMBuildFSub(e->b, t, p[5], "");
    t = LLVMBuildFAdd(e->b, LLVMBuildLoad2(e->b, e->f64, at, ""), t, "");
    LLVMBuildStore(e->b, t, at);
    end_if(e, after);
    LLVMBuildRetVoid(e->b);
    return fn;
}

static LLVMValueRef named(Emit *e, const char *name,
                          LLVMValueRef (*make)(Emit *))
{
    LLVMValueRef fn = LLVMGetNamedFunction(e->m, name);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);

    if (!fn)
        fn = make(e);
    LLVMPositionBuilderAtEnd(e->b, here);
    return fn;
}

static LLVMValueRef call_helper(Emit *e, LLVMValueRef fn, LLVMValueRef *x,
                                int n)
{
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, x, (unsigned)n,
                          "");
}

/* void run_kernel(call, fn, pointers, tasks, split, kernel, dt, count) */
static LLVMValueRef make_run(Emit *e)
{
    LLVMTypeRef arg[] = {e->ptr, e->ptr, e->ptr, e->i64,
                         e->i1,  e->i32, e->i32, e->i64};
    LLVMTypeRef kernel[] = {e->ptr, e->i64, e->i64, e->i64};
    LLVMValueRef start = named(e, "start_clock", make_start);
    LLVMValueRef finish = named(e, "finish", make_finish);
    LLVMValueRef fn = helper(e, "run_kernel", e->voidt, arg, 8);
    LLVMValueRef p[8], x[6], t;
    LLVMBasicBlockRef split = block(e, fn, "split"), all = block(e, fn, "all");
    LLVMBasicBlockRef done = block(e, fn, "done");

    for (unsigned i = 0; i < 8; i++)
        p[i] = LLVMGetParam(fn, i);
    t = call_helper(e, start, p, 1);
    LLVMBuildCondBr(e->b, p[4], split, all);
    LLVMPositionBuilderAtEnd(e->b, split);
    call_runtime(e, "rnn_parallel", e->voidt, p, 4);
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, all);
    x[0] = p[2];
    x[1] = LOAD_FIELD(e, p[0], e->i64, n);
    x[2] = emit_int(e, 0);
    x[3] = p[3];
    LLVMBuildCall2(e->b, LLVMFunctionType(e->voidt, kernel, 4, false), p[1], x,
                   4, "");
    LLVMBuildBr(e->b, done);
    LLVMPositionBuilderAtEnd(e->b, done);
    x[0] = p[0];
    x[1] = p[5];
    x[2] = LLVMBuildLoad2(e->b, e->ptr, p[2], "");
    x[3] = p[6];
    x[4] = p[7];
    x[5] = t;
    call_helper(e, finish, x, 6);
    LLVMBuildRetVoid(e->b);
    return fn;
}

/* --- addresses ------------------------------------------------------------------ */

static LLVMValueRef address(Host *h, const Buffer *b)
{
    Emit *e = h->e;
    const Buffer *s = b;

    while (s->place == PLACE_ALIAS)
        s = s->alias;
    if (s->place == PLACE_INPUT)
        return h->in[s->slot];
    if (s->place == PLACE_OUTPUT)
        return h->out[s->slot];
    if (!s->type.batched)
        return byte_offset(e, h->arena, emit_int(e, s->offset));
    return byte_offset(e, h->examples,
                       emit_index_mul(e, h->n, s->offset));
}

/* Elements of all examples. */
static LLVMValueRef count_of(Host *h, Type t)
{
    int64_t n = shape_size(t.shape);

    return t.batched ? emit_index_mul(h->e, h->n, n) : emit_int(h->e, n);
}

static LLVMValueRef small_int(Emit *e, int64_t x)
{
    return LLVMConstInt(e->i32, (unsigned long long)x, true);
}

/* --- steps ------------------------------------------------------------------------ */

/* Rough times in ns: contractions at 40 flops a ns, the rest at 2. */
static LLVMValueRef worth_splitting(Host *h, const Kernel *k)
{
    double rate = k->kind == KERNEL_CONTRACT ? 40 : 2;
    double once = k->flops_call / rate, each = k->flops_example / rate;
    double least;

    if (!k->parallel)
        return LLVMConstInt(h->e->i1, 0, false);
    if (once >= SPLIT_NS)
        return LLVMConstInt(h->e->i1, 1, false);
    if (each <= 0)
        return LLVMConstInt(h->e->i1, 0, false);
    least = ceil((SPLIT_NS - once) / each);
    if (k->tasks == 0 && least < 2)
        least = 2;
    return LLVMBuildICmp(h->e->b, LLVMIntSGE, h->n,
                         emit_int(h->e, (int64_t)least), "");
}

static void set_pointer(Host *h, int i, LLVMValueRef p)
{
    LLVMBuildStore(h->e->b, p,
                   element_of(h->e, h->e->ptr, h->pointers, emit_int(h->e, i)));
}

static int probe_type(Type t)
{
    return dtype_real(t.dt) ? (int)t.dt : -1;
}

static void host_kernel(Host *h, const Kernel *k)
{
    Emit *e = h->e;
    LLVMValueRef fn = emit_kernel(e, k), x[8];

    set_pointer(h, 0, address(h, k->dst));
    for (int i = 0; i < k->nread; i++)
        set_pointer(h, 1 + i, address(h, k->read[i]));
    x[0] = h->call;
    x[1] = fn;
    x[2] = h->pointers;
    x[3] = k->tasks ? emit_int(e, k->tasks) : h->n;
    x[4] = worth_splitting(h, k);
    x[5] = small_int(e, k->id);
    x[6] = small_int(e, probe_type(k->root->type));
    x[7] = count_of(h, k->root->type);
    call_helper(e, named(e, "run_kernel", make_run), x, 8);
}

/* The key's value; for a per-example key that of `example`. */
static LLVMValueRef key_value(Host *h, const Kernel *k, Val key,
                              LLVMValueRef example)
{
    Emit *e = h->e;
    int read = emit_find_read(k, key);
    LLVMValueRef at;

    if (read < 0 && key->op != OP_const)
        internal_error("a key of a random draw has no buffer");
    if (read < 0)
        return small_int(e, (int64_t)key->attr.f);
    at = address(h, k->read[read]);
    if (key->type.batched)
        at = element_of(e, e->i32, at, example);
    return LLVMBuildLoad2(e->b, e->i32, at, "");
}

/* Draws for `examples` examples (0: a shared value) to dst. */
static void fill(Host *h, const Kernel *k, LLVMValueRef call, LLVMValueRef dst,
                 LLVMValueRef examples, LLVMValueRef example)
{
    Emit *e = h->e;
    Val v = k->core;
    bool order = v->op == OP_permutation;
    const char *name = order ? "rnn_fill_permutation"
                       : v->op == OP_uniform ? "rnn_fill_uniform"
                                             : "rnn_fill_normal";
    LLVMValueRef x[8];
    int n = 0;

    for (int i = 0; i < v->nsrc; i++)
        LLVMBuildStore(e->b, key_value(h, k, v->src[i], example),
                       element_of(e, e->i32, h->keys, emit_int(e, i)));
    x[n++] = call;
    x[n++] = dst;
    if (!order)
        x[n++] = small_int(e, v->type.dt);
    x[n++] = examples;
    x[n++] = emit_int(e, shape_size(v->type.shape));
    x[n++] = emit_int(e, v->attr.i[0]);
    x[n++] = h->keys;
    x[n++] = small_int(e, v->nsrc);
    call_runtime(e, name, e->voidt, x, n);
}

/* Per-example keys: a call for each example, on a copy of the call that has
 * only this one. */
static void fill_each(Host *h, const Kernel *k, LLVMValueRef dst)
{
    Emit *e = h->e;
    Val v = k->core;
    int64_t size = shape_size(v->type.shape);
    LLVMValueRef one = emit_int(e, 1), index, at, field;
    EmitLoop l;

    LLVMBuildMemCpy(e->b, h->copy, 8, h->call, 8,
                    emit_int(e, sizeof(RnnCall)));
    index = LOAD_FIELD(e, h->call, e->ptr, index);
    l = emit_loop(e, h->fn, emit_int(e, 0), h->n, 1, "example");
    field = byte_offset(e, h->copy, emit_int(e, offsetof(RnnCall, index)));
    LLVMBuildStore(e->b, element_of(e, e->i32, index, l.i), field);
    at = element_of(e, emit_mem_type(e, v->type.dt), dst,
                    emit_index_mul(e, l.i, size));
    fill(h, k, h->copy, at, one, l.i);
    emit_loop_end(e, &l);
}

/* dst filled by the runtime. */
static void host_call(Host *h, const Kernel *k)
{
    Emit *e = h->e;
    Val v = k->core;
    LLVMValueRef dst = address(h, k->dst), f[6], start;
    bool each = false;

    for (int i = 0; i < v->nsrc; i++)
        each = each || v->src[i]->type.batched;
    start = call_helper(e, named(e, "start_clock", make_start), &h->call, 1);
    if (each)
        fill_each(h, k, dst);
    else
        fill(h, k, h->call, dst, v->type.batched ? h->n : emit_int(e, 0), NULL);
    f[0] = h->call;
    f[1] = small_int(e, k->id);
    f[2] = dst;
    f[3] = small_int(e, probe_type(v->type));
    f[4] = count_of(h, v->type);
    f[5] = start;
    call_helper(e, named(e, "finish", make_finish), f, 6);
}

static void host_copy(Host *h, const Step *s)
{
    Emit *e = h->e;
    Type t = s->to->type;
    LLVMValueRef bytes;

    bytes = LLVMBuildMul(e->b, count_of(h, t),
                         emit_int(e, dtype_bytes(t.dt)), "");
    LLVMBuildMemCpy(e->b, address(h, s->to), 1, address(h, s->from), 1, bytes);
}

static void host_steps(Host *h, const Steps *s, int from, int to);

static void host_loop(Host *h, const Step *s)
{
    Emit *e = h->e;
    LLVMValueRef count = emit_int(e, s->trip);
    EmitLoop l;

    if (s->count) {
        count = LLVMBuildLoad2(e->b, e->i32, address(h, s->count), "");
        count = LLVMBuildSExt(e->b, count, e->i64, "");
    }
    l = emit_loop(e, h->fn, emit_int(e, 0), count, 1, "pass");
    l.unroll_off = true;
    if (s->index)
        LLVMBuildStore(e->b, LLVMBuildTrunc(e->b, l.i, e->i32, ""),
                       address(h, s->index));
    host_steps(h, s->body, 0, s->body->list.n);
    emit_loop_end(e, &l);
}

static void host_steps(Host *h, const Steps *s, int from, int to)
{
    for (int i = from; i < to; i++) {
        const Step *st = &s->list.at[i];

        if (st->kind == STEP_LOOP)
            host_loop(h, st);
        else if (st->kind == STEP_COPY)
            host_copy(h, st);
        else if (st->kernel->kind == KERNEL_CALL)
            host_call(h, st->kernel);
        else
            host_kernel(h, st->kernel);
    }
}

/* --- the function ------------------------------------------------------------------- */

static void load_tables(Host *h)
{
    Emit *e = h->e;
    const Program *p = h->p;
    int nout = p->entry->func.nout;
    LLVMValueRef in = LOAD_FIELD(e, h->call, e->ptr, in);
    LLVMValueRef out = LOAD_FIELD(e, h->call, e->ptr, out);

    h->n = LOAD_FIELD(e, h->call, e->i64, n);
    h->arena = LOAD_FIELD(e, h->call, e->ptr, arena);
    h->examples = byte_offset(e, h->arena, emit_int(e, p->shared_bytes));
    h->in = NEW_N(e->a, LLVMValueRef, p->nin);
    h->out = NEW_N(e->a, LLVMValueRef, nout);
    for (int i = 0; i < p->nin; i++)
        h->in[i] = LLVMBuildLoad2(e->b, e->ptr,
                                  element_of(e, e->ptr, in, emit_int(e, i)),
                                  "in");
    for (int i = 0; i < nout; i++)
        h->out[i] = LLVMBuildLoad2(e->b, e->ptr,
                                   element_of(e, e->ptr, out, emit_int(e, i)),
                                   "out");
}

static void make_room(Host *h)
{
    Emit *e = h->e;
    int npointer = 1, nkey = 1;

    for (int i = 0; i < h->p->kernel.n; i++) {
        const Kernel *k = h->p->kernel.at[i];

        if (k->nread + 1 > npointer)
            npointer = k->nread + 1;
        if (k->kind == KERNEL_CALL && k->core->nsrc > nkey)
            nkey = k->core->nsrc;
    }
    h->pointers = LLVMBuildArrayAlloca(e->b, e->ptr, small_int(e, npointer),
                                       "pointers");
    h->copy = LLVMBuildArrayAlloca(
        e->b, e->i64, small_int(e, (sizeof(RnnCall) + 7) / 8), "copy");
    h->keys = LLVMBuildArrayAlloca(e->b, e->i32, small_int(e, nkey), "keys");
}

LLVMValueRef emit_host(Emit *e, const Program *p, int number)
{
    Host h = {.e = e, .p = p};
    const char *name = arena_printf(e->a, "entry_%s", p->entry->name);
    int nsetup = 0;

    if (LLVMGetNamedFunction(e->m, name))
        name = arena_printf(e->a, "entry_%s_%d", p->entry->name, number);
    h.fn = LLVMAddFunction(e->m, name,
                           LLVMFunctionType(e->voidt, &e->ptr, 1, false));
    target_attributes(e->target, e->c, h.fn);
    LLVMPositionBuilderAtEnd(e->b, block(e, h.fn, "entry"));
    h.call = LLVMGetParam(h.fn, 0);
    make_room(&h);
    load_tables(&h);
    while (nsetup < p->steps.list.n && p->steps.list.at[nsetup].setup)
        nsetup++;
    if (nsetup > 0) {
        LLVMValueRef fresh = LOAD_FIELD(e, h.call, e->i32, fresh);
        LLVMBasicBlockRef after = begin_if(e, h.fn, is_set(e, fresh));

        host_steps(&h, &p->steps, 0, nsetup);
        end_if(e, after);
    }
    host_steps(&h, &p->steps, nsetup, p->steps.list.n);
    LLVMBuildRetVoid(e->b);
    return h.fn;
}
