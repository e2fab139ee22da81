/*
 * emit_run.c -- what stands around each kernel: the choice between a call and
 * a split over the threads, the probe for bad numbers, the clock of bench.
 * It is a function of its own, so that an entry is a short list of calls.
 */
#include "codegen/host.h"

LLVMValueRef host_bytes(Emit *e, LLVMValueRef p, LLVMValueRef bytes)
{
    return LLVMBuildGEP2(e->b, e->i8, p, &bytes, 1, "");
}

LLVMValueRef host_field(Emit *e, LLVMValueRef call, LLVMTypeRef t,
                               size_t offset)
{
    LLVMValueRef at = host_bytes(e, call, emit_int(e, (int64_t)offset));

    return LLVMBuildLoad2(e->b, t, at, "");
}

LLVMValueRef host_element(Emit *e, LLVMTypeRef t, LLVMValueRef p,
                               LLVMValueRef i)
{
    return LLVMBuildGEP2(e->b, t, p, &i, 1, "");
}

LLVMValueRef host_runtime(Emit *e, const char *name, LLVMTypeRef result,
                                 LLVMValueRef *x, int n)
{
    LLVMTypeRef arg[16], type;

    for (int i = 0; i < n; i++)
        arg[i] = LLVMTypeOf(x[i]);
    type = LLVMFunctionType(result, arg, (unsigned)n, false);
    return LLVMBuildCall2(e->b, type, emit_runtime(e, name, type), x,
                          (unsigned)n, "");
}

LLVMBasicBlockRef host_block(Emit *e, LLVMValueRef fn, const char *name)
{
    return LLVMAppendBasicBlockInContext(e->c, fn, name);
}

LLVMBasicBlockRef host_if(Emit *e, LLVMValueRef fn, LLVMValueRef cond)
{
    LLVMBasicBlockRef then = host_block(e, fn, "then");
    LLVMBasicBlockRef after = host_block(e, fn, "end");

    LLVMBuildCondBr(e->b, cond, then, after);
    LLVMPositionBuilderAtEnd(e->b, then);
    return after;
}

void host_end_if(Emit *e, LLVMBasicBlockRef after)
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
    LLVMPositionBuilderAtEnd(e->b, host_block(e, fn, "entry"));
    return fn;
}

LLVMValueRef host_is_set(Emit *e, LLVMValueRef x)
{
    return LLVMBuildICmp(e->b, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
}

LLVMValueRef host_groups(Emit *e, LLVMValueRef n, int64_t group)
{
    if (group <= 1)
        return n;
    n = emit_index_add(e, n, emit_int(e, group - 1));
    return LLVMBuildSDiv(e->b, n, emit_int(e, group), "");
}

static LLVMValueRef make_start(Emit *e)
{
    LLVMValueRef fn = helper(e, "start_clock", e->f64, &e->ptr, 1), ns;
    LLVMBasicBlockRef after;

    ns = LOAD_FIELD(e, LLVMGetParam(fn, 0), e->ptr, kernel_ns);
    after = host_if(e, fn, host_is_set(e, ns));
    LLVMBuildRet(e->b, host_runtime(e, "rnn_now_ns", e->f64, NULL, 0));
    LLVMPositionBuilderAtEnd(e->b, after);
    LLVMBuildRet(e->b, LLVMConstReal(e->f64, 0));
    return fn;
}

static LLVMValueRef make_finish(Emit *e)
{
    LLVMTypeRef arg[] = {e->ptr, e->i32, e->ptr, e->i32, e->i64, e->f64};
    LLVMValueRef fn = helper(e, "finish", e->voidt, arg, 6);
    LLVMValueRef p[6], ns, runs, at, real, on, t;
    LLVMBasicBlockRef after;

    for (unsigned i = 0; i < 6; i++)
        p[i] = LLVMGetParam(fn, i);
    real = LLVMBuildICmp(e->b, LLVMIntSGE, p[3], LLVMConstNull(e->i32), "");
    on = host_is_set(e, LOAD_FIELD(e, p[0], e->i32, probe));
    after = host_if(e, fn, LLVMBuildAnd(e->b, real, on, ""));
    host_runtime(e, "rnn_probe", e->voidt, p, 5);
    host_end_if(e, after);
    ns = LOAD_FIELD(e, p[0], e->ptr, kernel_ns);
    after = host_if(e, fn, host_is_set(e, ns));
    at = host_element(e, e->f64, ns, LLVMBuildSExt(e->b, p[1], e->i64, ""));
    t = host_runtime(e, "rnn_now_ns", e->f64, NULL, 0);
    t = LLVMBuildFSub(e->b, t, p[5], "");
    t = LLVMBuildFAdd(e->b, LLVMBuildLoad2(e->b, e->f64, at, ""), t, "");
    LLVMBuildStore(e->b, t, at);
    host_end_if(e, after);
    runs = LOAD_FIELD(e, p[0], e->ptr, kernel_runs);
    after = host_if(e, fn, host_is_set(e, runs));
    at = host_element(e, e->i64, runs, LLVMBuildSExt(e->b, p[1], e->i64, ""));
    t = LLVMBuildLoad2(e->b, e->i64, at, "");
    LLVMBuildStore(e->b, LLVMBuildAdd(e->b, t, emit_int(e, 1), ""), at);
    host_end_if(e, after);
    LLVMBuildRetVoid(e->b);
    return fn;
}

static LLVMValueRef make_run(Emit *e)
{
    LLVMTypeRef arg[] = {e->ptr, e->ptr, e->ptr, e->i64,
                         e->i1,  e->i32, e->i32, e->i64};
    LLVMTypeRef kernel[] = {e->ptr, e->i64, e->i64, e->i64};
    LLVMValueRef fn = helper(e, "run_kernel", e->voidt, arg, 8);
    LLVMValueRef p[8], x[6], t;
    LLVMBasicBlockRef split = host_block(e, fn, "split");
    LLVMBasicBlockRef all = host_block(e, fn, "all");
    LLVMBasicBlockRef done = host_block(e, fn, "done");

    for (unsigned i = 0; i < 8; i++)
        p[i] = LLVMGetParam(fn, i);
    t = host_call(e, HOST_START, p, 1);
    LLVMBuildCondBr(e->b, p[4], split, all);
    LLVMPositionBuilderAtEnd(e->b, split);
    host_runtime(e, "rnn_parallel", e->voidt, p, 4);
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
    host_call(e, HOST_FINISH, x, 6);
    LLVMBuildRetVoid(e->b);
    return fn;
}

LLVMValueRef host_call(Emit *e, HostHelper number, LLVMValueRef *x, int n)
{
    static const struct {
        const char *name;
        LLVMValueRef (*make)(Emit *);
    } known[] = {[HOST_START] = {"start_clock", make_start},
                 [HOST_FINISH] = {"finish", make_finish},
                 [HOST_RUN] = {"run_kernel", make_run}};
    LLVMValueRef fn = LLVMGetNamedFunction(e->m, known[number].name);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);

    if (!fn)
        fn = known[number].make(e);
    LLVMPositionBuilderAtEnd(e->b, here);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, x, (unsigned)n,
                          "");
}
