/*
 * emit_chain.c -- the function of a chain (loop/chain.c):
 *     void chain(ptr *buf, i64 n, i64 lo, i64 hi)
 * where buf holds the pointers of all its kernels one after the other.
 *
 *     for c = lo unit; c < min(hi unit, n); c += few
 *       for kernels: kernel(pointers, n, its tasks of c .. c + few)
 *
 * A kernel finds example e of a buffer at base + e * bytes. What only the
 * chain touches lies in `bytes` of each example together (buffers.c), and every
 * few examples use the same: those of the first, lo unit and on, which no other
 * range of examples touches. With m of them at most, a buffer lies there at
 * m * within.
 */
#include "codegen/host.h"

typedef struct Few { // the examples at hand
    LLVMValueRef lo, most; // of the call: the first; as many at a time
    LLVMValueRef n, first; // of all; the first of them
} Few;

/* From n * (offset + within) in the arena to n * offset + lo * (the chain's
 * bytes) + most * within, less what the first example is away. */
static LLVMValueRef local_pointer(Emit *e, LLVMValueRef p, Buffer *b,
                                  const Few *f)
{
    int64_t bytes = shape_size(b->type.shape) * dtype_bytes(b->type.dt);
    const Buffer *s = buffer_storage(b);
    LLVMValueRef rest = LLVMBuildNSWSub(e->b, f->most, f->n, "");

    p = host_bytes(e, p, emit_index_mul(e, f->lo, s->chain->bytes));
    p = host_bytes(e, p, emit_index_mul(e, rest, s->within));
    return host_bytes(e, p, emit_index_mul(e, f->first, -bytes));
}

/* The pointers of `from` to `to`: of what only the chain touches, or of the
 * rest, which stay. */
static void copy_pointers(Emit *e, const Step *s, int n, LLVMValueRef to,
                          LLVMValueRef from, const Few *few)
{
    int at = 0;

    for (int k = 0; k < n; k++)
        for (int i = 0; i < kernel_nbuffer(s[k].kernel); i++, at++) {
            Buffer *b = kernel_buffer(s[k].kernel, i);
            LLVMValueRef x = emit_int(e, at), p;

            if ((buffer_storage(b)->chain == s->chain) != (few != NULL))
                continue;
            p = LLVMBuildLoad2(e->b, e->ptr, host_element(e, e->ptr, from, x),
                               "");
            if (few)
                p = local_pointer(e, p, b, few);
            LLVMBuildStore(e->b, p, host_element(e, e->ptr, to, x));
        }
}

static void run_kernels(Emit *e, const Step *s, int n, LLVMValueRef table,
                        LLVMValueRef examples, LLVMValueRef lo,
                        LLVMValueRef hi, LLVMValueRef *kernel)
{
    int at = 0;

    for (int k = 0; k < n; k++) {
        int64_t parts = s[k].kernel->sched.parts;
        int64_t group = kernel_group(s[k].kernel);
        LLVMValueRef x[4] = {host_element(e, e->ptr, table, emit_int(e, at)),
                             examples, lo, hi};

        for (int i = 2; i < 4; i++) {
            x[i] = host_groups(e, x[i], group);
            x[i] = emit_index_mul(e, x[i], parts > 1 ? parts : 1);
        }
        LLVMBuildCall2(e->b, LLVMGlobalGetValueType(kernel[k]), kernel[k], x,
                       4, "");
        at += kernel_nbuffer(s[k].kernel);
    }
}

LLVMValueRef emit_chain(Emit *e, const Step *s, int n)
{
    LLVMTypeRef type[] = {e->ptr, e->i64, e->i64, e->i64};
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMValueRef *kernel = NEW_N(e->a, LLVMValueRef, n), fn, p[4], table, to;
    LLVMValueRef hi;
    EmitLoop l;
    Few few;

    for (int k = 0; k < n; k++)
        kernel[k] = emit_kernel(e, s[k].kernel);
    fn = LLVMAddFunction(e->m, "chain",
                         LLVMFunctionType(e->voidt, type, 4, false));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    target_attributes(e->target, e->c, fn);
    LLVMPositionBuilderAtEnd(e->b, host_block(e, fn, "entry"));
    for (unsigned i = 0; i < 4; i++)
        p[i] = LLVMGetParam(fn, i);
    table = LLVMBuildArrayAlloca(
        e->b, e->ptr,
        LLVMConstInt(e->i32, (unsigned)chain_pointers(s, n), 0), "");
    copy_pointers(e, s, n, table, p[0], NULL);
    few.n = p[1];
    few.lo = emit_index_mul(e, p[2], s->chain->unit);
    hi = emit_smaller(e, emit_index_mul(e, p[3], s->chain->unit), p[1]);
    few.most = emit_smaller(e, LLVMBuildNSWSub(e->b, hi, few.lo, ""),
                            emit_int(e, s->chain->few));
    l = emit_loop(e, fn, few.lo, hi, s->chain->few, "few");
    l.unroll_off = true;
    few.first = l.i;
    copy_pointers(e, s, n, table, p[0], &few);
    to = emit_index_add(e, l.i, emit_int(e, s->chain->few));
    run_kernels(e, s, n, table, p[1], l.i, emit_smaller(e, to, hi), kernel);
    emit_loop_end(e, &l);
    LLVMBuildRetVoid(e->b);
    LLVMPositionBuilderAtEnd(e->b, here);
    return fn;
}

int chain_pointers(const Step *s, int n)
{
    int pointers = 0;

    for (int k = 0; k < n; k++)
        pointers += kernel_nbuffer(s[k].kernel);
    return pointers;
}
