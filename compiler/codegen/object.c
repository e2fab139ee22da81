/*
 * object.c -- a finished module: checked, optimized, written out.
 *
 * A module is optimized once, on first need, and remembers that. Files appear
 * whole or not at all: the object is made in memory, written beside its place
 * and renamed.
 */
#include "codegen/emit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void verify(LLVMModuleRef m, const char *when)
{
    char *msg = NULL;

    if (LLVMVerifyModule(m, LLVMReturnStatusAction, &msg))
        internal_error("LLVM refuses the module %s optimization: %s", when,
                       msg);
    LLVMDisposeMessage(msg);
}

void module_optimize(Module *m)
{
    LLVMPassBuilderOptionsRef opt;
    LLVMErrorRef e;
    char pipeline[32];

    if (m->optimized)
        return;
    if (m->opt.verify)
        verify(m->m, "before");
    if (m->opt.keep_ir)
        m->emitted_text = module_text(m);
    snprintf(pipeline, sizeof pipeline, "default<O%d>",
             target_opt_level(m->target));
    opt = LLVMCreatePassBuilderOptions();
    // Kernels come as vectors already; what is scalar is meant to be.
    LLVMPassBuilderOptionsSetLoopVectorization(opt, 0);
    LLVMPassBuilderOptionsSetSLPVectorization(opt, 0);
    e = LLVMRunPasses(m->m, pipeline, target_machine(m->target), opt);
    LLVMDisposePassBuilderOptions(opt);
    if (e) {
        char *msg = LLVMGetErrorMessage(e);
        internal_error("LLVM's passes failed: %s", msg);
    }
    if (m->opt.verify)
        verify(m->m, "after");
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

LLVMMemoryBufferRef module_emit(Module *m, LLVMCodeGenFileType type, char *err,
                                size_t n)
{
    LLVMMemoryBufferRef buf = NULL;
    char *msg = NULL;

    module_optimize(m);
    if (LLVMTargetMachineEmitToMemoryBuffer(target_machine(m->target), m->m,
                                            type, &msg, &buf)) {
        snprintf(err, n, "LLVM could not make machine code: %s", msg);
        LLVMDisposeMessage(msg);
        return NULL;
    }
    return buf;
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

/* Writes to path.PID.tmp, then renames; removes the temporary on failure. */
static bool write_whole(const char *path, const char *bytes, size_t size,
                        char *err, size_t n)
{
    size_t len = strlen(path) + 32;
    char *tmp = malloc(len);
    FILE *f;
    bool ok;

    if (!tmp)
        fatal_surroundings("out of memory while writing \"%s\"", path);
    snprintf(tmp, len, "%s.%ld.tmp", path, (long)getpid());
    f = fopen(tmp, "wb");
    if (!f) {
        snprintf(err, n, "could not write \"%s\": %s", path, strerror(errno));
        free(tmp);
        return false;
    }
    ok = fwrite(bytes, 1, size, f) == size;
    ok = !fclose(f) && ok;
    ok = ok && !rename(tmp, path);
    if (!ok) {
        snprintf(err, n, "could not write \"%s\": %s", path, strerror(errno));
        remove(tmp);
    }
    free(tmp);
    return ok;
}

bool codegen_object(Module *m, const Target *t, const char *path, char *err,
                    size_t n)
{
    LLVMMemoryBufferRef buf = module_emit(m, LLVMObjectFile, err, n);
    bool ok;

    (void)t;
    if (!buf)
        return false;
    ok = write_whole(path, LLVMGetBufferStart(buf), LLVMGetBufferSize(buf),
                     err, n);
    LLVMDisposeMemoryBuffer(buf);
    return ok;
}

void codegen_free(Module *m)
{
    if (!m)
        return;
    LLVMDisposeModule(m->m);
    LLVMContextDispose(m->c);
}
