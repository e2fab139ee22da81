/*
 * object.c -- a finished module: checked, optimized, made into machine code.
 *
 * A module is optimized once, on first need, and remembers that. For programs
 * parts.c does the same with each part of a module.
 */
#include "codegen/emit.h"

#include <stdio.h>

/* Kernels come tiled, unrolled and as vectors, and what should be inline is:
 * left to do is cleaning up, moving what is invariant out of loops and seeing
 * through loads of what was just stored. LLVM's default pipeline takes three
 * times as long, and training steps are as fast without it (within 2 %). */
static const char pipeline[] =
    "function(sroa,early-cse<memssa>,simplifycfg,"
    "instcombine<no-verify-fixpoint>,loop-mssa(loop-rotate,licm),simplifycfg,"
    "gvn,dse,loop-unroll<O3>,early-cse,instcombine<no-verify-fixpoint>,"
    "simplifycfg)";

static void verify(LLVMModuleRef m, const char *when)
{
    char *msg = NULL;

    if (LLVMVerifyModule(m, LLVMReturnStatusAction, &msg))
        internal_error("LLVM refuses the module %s optimization: %s", when,
                       msg);
    LLVMDisposeMessage(msg);
}

void module_verify(Module *m)
{
    if (m->opt.verify)
        verify(m->m, "before");
}

void optimize(LLVMModuleRef m, LLVMTargetMachineRef tm, const char *first,
              int level, bool check)
{
    LLVMPassBuilderOptionsRef opt = LLVMCreatePassBuilderOptions();
    char text[512];
    LLVMErrorRef e;

    snprintf(text, sizeof text, "%s%s%s", first, *first ? "," : "",
             level > 0 ? pipeline : "default<O0>");
    e = LLVMRunPasses(m, text, tm, opt);
    LLVMDisposePassBuilderOptions(opt);
    if (e) {
        char *msg = LLVMGetErrorMessage(e);
        internal_error("LLVM's passes failed: %s", msg);
    }
    if (check)
        verify(m, "after");
}

void module_optimize(Module *m)
{
    if (m->optimized)
        return;
    module_verify(m);
    if (m->opt.keep_ir)
        m->emitted_text = module_text(m);
    optimize(m->m, target_machine(m->target), "", target_opt_level(m->target),
             m->opt.verify);
    m->optimized = true;
}

char *module_text(Module *m)
{
    char *s = LLVMPrintModuleToString(m->m);
    char *copy = arena_copy(m->a, s, strlen(s) + 1);

    LLVMDisposeMessage(s);
    return copy;
}

char *codegen_llvm_text(Module *m, bool optimized)
{
    if (optimized) {
        module_optimize(m);
        return module_text(m);
    }
    return m->optimized ? m->emitted_text : module_text(m);
}

LLVMMemoryBufferRef emit_file(LLVMModuleRef m, LLVMTargetMachineRef tm,
                              LLVMCodeGenFileType type, char *err, size_t n)
{
    LLVMMemoryBufferRef buf = NULL;
    char *msg = NULL;

    if (LLVMTargetMachineEmitToMemoryBuffer(tm, m, type, &msg, &buf)) {
        snprintf(err, n, "LLVM could not make machine code: %s", msg);
        LLVMDisposeMessage(msg);
        return NULL;
    }
    return buf;
}

LLVMMemoryBufferRef module_emit(Module *m, LLVMCodeGenFileType type, char *err,
                                size_t n)
{
    module_optimize(m);
    return emit_file(m->m, target_machine(m->target), type, err, n);
}

void codegen_asm(Module *m, const Target *t, FILE *out)
{
    char err[512];
    LLVMMemoryBufferRef buf = module_emit(m, LLVMAssemblyFile, err, sizeof err);

    (void)t;
    if (!buf)
        internal_error("%s", err);
    fwrite(LLVMGetBufferStart(buf), 1, LLVMGetBufferSize(buf), out);
    LLVMDisposeMemoryBuffer(buf);
}

void codegen_free(Module *m)
{
    if (!m)
        return;
    LLVMDisposeModule(m->m);
    LLVMContextDispose(m->c);
}
