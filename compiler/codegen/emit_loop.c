/*
 * emit_loop.c -- counted loops: for (i = from; i < to; i += step).
 *
 * Loop-carried values are phis of the head block, so they hold the final
 * value after the loop too. Carries are added while the builder stands at the
 * beginning of the body.
 */
#include "codegen/emit.h"

EmitLoop emit_loop(Emit *e, LLVMValueRef fn, LLVMValueRef from,
                   LLVMValueRef to, int64_t step, const char *name)
{
    EmitLoop l = {.fn = fn, .to = to, .step = emit_int(e, step)};
    LLVMValueRef more;

    l.before = LLVMGetInsertBlock(e->b);
    l.head = LLVMAppendBasicBlockInContext(e->c, fn, name);
    l.body = LLVMAppendBasicBlockInContext(e->c, fn, "body");
    l.after = LLVMAppendBasicBlockInContext(e->c, fn, "after");
    LLVMBuildBr(e->b, l.head);
    LLVMPositionBuilderAtEnd(e->b, l.head);
    l.i = LLVMBuildPhi(e->b, e->i64, name);
    LLVMAddIncoming(l.i, &from, &l.before, 1);
    more = LLVMBuildICmp(e->b, LLVMIntSLT, l.i, to, "more");
    LLVMBuildCondBr(e->b, more, l.body, l.after);
    LLVMPositionBuilderAtEnd(e->b, l.body);
    return l;
}

LLVMValueRef emit_loop_carry(Emit *e, EmitLoop *l, LLVMValueRef init)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMValueRef phi;

    if (l->ncarry == CARRY_MAX)
        internal_error("a loop carries more than %d values", CARRY_MAX);
    LLVMPositionBuilderBefore(e->b, LLVMGetFirstInstruction(l->head));
    phi = LLVMBuildPhi(e->b, LLVMTypeOf(init), "carry");
    LLVMAddIncoming(phi, &init, &l->before, 1);
    LLVMPositionBuilderAtEnd(e->b, here);
    l->carry[l->ncarry] = phi;
    l->next[l->ncarry++] = phi;
    return phi;
}

void emit_loop_next(EmitLoop *l, int k, LLVMValueRef value)
{
    l->next[k] = value;
}

/* Metadata that keeps LLVM from unrolling the loop of branch `br`. */
static void forbid_unrolling(Emit *e, LLVMValueRef br)
{
    static const char name[] = "llvm.loop.unroll.disable";
    LLVMMetadataRef off = LLVMMDStringInContext2(e->c, name, sizeof name - 1);
    LLVMMetadataRef node[2], id;
    LLVMValueRef value;

    node[0] = LLVMMDStringInContext2(e->c, "", 0);
    node[1] = LLVMMDNodeInContext2(e->c, &off, 1);
    id = LLVMMDNodeInContext2(e->c, node, 2);
    value = LLVMMetadataAsValue(e->c, id);
    // A loop's metadata names itself first, which makes it distinct.
    LLVMReplaceMDNodeOperandWith(value, 0, id);
    LLVMSetMetadata(br, LLVMGetMDKindIDInContext(e->c, "llvm.loop", 9), value);
}

void emit_loop_end(Emit *e, EmitLoop *l)
{
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b);
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, l->i, l->step, "next");
    LLVMValueRef br = LLVMBuildBr(e->b, l->head);

    if (l->unroll_off)
        forbid_unrolling(e, br);
    LLVMAddIncoming(l->i, &next, &latch, 1);
    for (int k = 0; k < l->ncarry; k++)
        LLVMAddIncoming(l->carry[k], &l->next[k], &latch, 1);
    LLVMPositionBuilderAtEnd(e->b, l->after);
}
