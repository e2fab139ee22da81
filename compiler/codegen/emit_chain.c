/*
 * emit_chain.c -- the function of a chain (loop/chain.c):
 *     void chain(ptr *buf, i64 n, i64 lo, i64 hi)
 * where buf holds the pointers of all its kernels one after the other.
 *
 *     for c = lo; c < hi; c += few
 *       for kernels: kernel(pointers, n, c, min(c + few, hi))
 *
 * A kernel finds example e of a buffer at base + e * bytes. A local buffer's
 * base is moved by lo - c examples, so that every few examples use the memory
 * of the first: that of example lo and on, which no other range of examples
 * touches.
 */
#include "codegen/host.h"

static bool is_local(const Chain *c, Buffer *b)
{
    for (int i = 0; i < c->nlocal; i++)
        if (buffer_storage(b) == c->local[i])
            return true;
    return false;
}

static Buffer *argument(const Kernel *k, int i)
{
    return i ? k->read[i - 1] : k->dst;
}

/* Pointer `at` of the table `from` to the table `to`, moved by so many
 * examples. */
static void move_pointer(Emit *e, LLVMValueRef to, LLVMValueRef from, int at,
                         const Buffer *b, LLVMValueRef examples)
{
    int64_t bytes = shape_size(b->type.shape) * dtype_bytes(b->type.dt);
    LLVMValueRef i = emit_int(e, at), p;

    p = LLVMBuildLoad2(e->b, e->ptr, host_element(e, e->ptr, from, i), "");
    if (examples)
        p = host_bytes(e, p, emit_index_mul(e, examples, bytes));
    LLVMBuildStore(e->b, p, host_element(e, e->ptr, to, i));
}

static void copy_pointers(Emit *e, const Step *s, int n, LLVMValueRef to,
                          LLVMValueRef from, LLVMValueRef examples)
{
    const Chain *c = s->chain;
    int at = 0;

    for (int k = 0; k < n; k++)
        for (int i = 0; i <= s[k].kernel->nread; i++, at++) {
            Buffer *b = argument(s[k].kernel, i);

            if (is_local(c, b) == (examples != NULL))
                move_pointer(e, to, from, at, b, examples);
        }
}

static void run_kernels(Emit *e, const Step *s, int n, LLVMValueRef table,
                        LLVMValueRef examples, LLVMValueRef lo,
                        LLVMValueRef hi, LLVMValueRef *kernel)
{
    int at = 0;

    for (int k = 0; k < n; k++) {
        int64_t parts = s[k].kernel->sched.parts;
        LLVMValueRef x[4] = {host_element(e, e->ptr, table, emit_int(e, at)),
                             examples, lo, hi};

        for (int i = 2; i < 4 && parts > 1; i++)
            x[i] = emit_index_mul(e, x[i], parts);
        LLVMBuildCall2(e->b, LLVMGlobalGetValueType(kernel[k]), kernel[k], x,
                       4, "");
        at += s[k].kernel->nread + 1;
    }
}

LLVMValueRef emit_chain(Emit *e, const Step *s, int n)
{
    LLVMTypeRef type[] = {e->ptr, e->i64, e->i64, e->i64};
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMValueRef *kernel = NEW_N(e->a, LLVMValueRef, n), fn, p[4], table, to;
    EmitLoop l;

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
    l = emit_loop(e, fn, p[2], p[3], s->chain->few, "few");
    l.unroll_off = true;
    copy_pointers(e, s, n, table, p[0],
                  LLVMBuildNSWSub(e->b, p[2], l.i, ""));
    to = emit_index_add(e, l.i, emit_int(e, s->chain->few));
    run_kernels(e, s, n, table, p[1], l.i, emit_smaller(e, to, p[3]), kernel);
    emit_loop_end(e, &l);
    LLVMBuildRetVoid(e->b);
    LLVMPositionBuilderAtEnd(e->b, here);
    return fn;
}

int chain_pointers(const Step *s, int n)
{
    int pointers = 0;

    for (int k = 0; k < n; k++)
        pointers += s[k].kernel->nread + 1;
    return pointers;
}
