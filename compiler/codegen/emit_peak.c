/*
 * emit_peak.c -- what the machine can do at most, as two kernels of every
 * program: multiply-adds in registers, and reading memory in order. Made for
 * the program's own CPU, so that `bench` measures its kernels by their yard.
 */
#include "codegen/emit.h"
#include "rnn_rt.h"

enum { SUMS = 8 };

static LLVMValueRef element(Emit *e, LLVMTypeRef t, LLVMValueRef p,
                            LLVMValueRef i)
{
    return LLVMBuildGEP2(e->b, t, p, &i, 1, "");
}

/* A kernel named so; the builder stands in it, p[4] are its arguments. */
static LLVMValueRef begin(Emit *e, const char *name, LLVMValueRef *p)
{
    LLVMTypeRef arg[] = {e->ptr, e->i64, e->i64, e->i64};
    LLVMValueRef fn = LLVMAddFunction(
        e->m, name, LLVMFunctionType(e->voidt, arg, 4, false));

    target_attributes(e->target, e->c, fn);
    compat_attr(e->c, fn, LLVMAttributeFunctionIndex, "noinline", 0);
    LLVMPositionBuilderAtEnd(e->b,
                             LLVMAppendBasicBlockInContext(e->c, fn, "entry"));
    LLVMGetParams(fn, p);
    return fn;
}

static LLVMTypeRef vector(Emit *e)
{
    return LLVMVectorType(e->f32, (unsigned)e->opt.vector_bytes / 4);
}

static LLVMValueRef load(Emit *e, LLVMValueRef at)
{
    LLVMValueRef x = LLVMBuildLoad2(e->b, vector(e), at, "");

    LLVMSetAlignment(x, 4);
    return x;
}

static void store(Emit *e, LLVMValueRef x, LLVMValueRef at)
{
    LLVMSetAlignment(LLVMBuildStore(e->b, x, at), 4);
}

LLVMValueRef emit_peak(Emit *e)
{
    LLVMValueRef p[4], fn = begin(e, "rnn_peak", p), x, at;
    EmitLoop task, l;

    task = emit_loop(e, fn, p[2], p[3], 1, "task");
    at = LLVMBuildLoad2(e->b, e->ptr, p[0], "");
    at = element(e, e->f32, at, emit_index_mul(e, task.i, RNN_PEAK_FLOATS));
    x = load(e, at);
    l = emit_loop(e, fn, emit_int(e, 0), p[1], 1, "round");
    for (int i = 0; i < RNN_PEAK_CHAINS; i++)
        emit_loop_carry(e, &l, x);
    for (int i = 0; i < RNN_PEAK_CHAINS; i++)
        emit_loop_next(&l, i, vec_multiply_add(e, l.carry[i], x, x));
    emit_loop_end(e, &l);
    for (int i = 1; i < RNN_PEAK_CHAINS; i++)
        l.carry[0] = LLVMBuildFAdd(e->b, l.carry[0], l.carry[i], "");
    store(e, l.carry[0], at);
    emit_loop_end(e, &task);
    LLVMBuildRetVoid(e->b);
    return fn;
}

LLVMValueRef emit_read(Emit *e)
{
    LLVMValueRef p[4], fn = begin(e, "rnn_read", p), from, to, at;
    int64_t step = SUMS * (int64_t)e->opt.vector_bytes;
    EmitLoop task, l;

    task = emit_loop(e, fn, p[2], p[3], 1, "task");
    to = LLVMBuildLoad2(e->b, e->ptr, p[0], "");
    to = element(e, e->f32, to, emit_index_mul(e, task.i, RNN_PEAK_FLOATS));
    at = emit_int(e, 1);
    from = LLVMBuildLoad2(e->b, e->ptr, element(e, e->ptr, p[0], at), "");
    from = element(e, e->i8, from, LLVMBuildMul(e->b, task.i, p[1], ""));
    l = emit_loop(e, fn, emit_int(e, 0), p[1], step, "at");
    for (int i = 0; i < SUMS; i++)
        emit_loop_carry(e, &l, LLVMConstNull(vector(e)));
    from = element(e, e->i8, from, l.i);
    for (int i = 0; i < SUMS; i++) {
        at = element(e, e->i8, from, emit_int(e, i * e->opt.vector_bytes));
        emit_loop_next(&l, i, LLVMBuildFAdd(e->b, l.carry[i], load(e, at), ""));
    }
    emit_loop_end(e, &l);
    for (int i = 1; i < SUMS; i++)
        l.carry[0] = LLVMBuildFAdd(e->b, l.carry[0], l.carry[i], "");
    store(e, l.carry[0], to);
    emit_loop_end(e, &task);
    LLVMBuildRetVoid(e->b);
    return fn;
}
