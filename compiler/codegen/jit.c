/*
 * jit.c -- run a module in this process: tests, benches, folding.
 *
 * The module becomes an object by the same path as a program's, and ORC links
 * that object here. The runtime's functions are given by address, so the
 * linker keeps them; everything else (libc, libm) is found in the process.
 */
#include "codegen/emit.h"
#include "rnn_rt.h"

#include <stdio.h>

struct Jit {
    LLVMOrcLLJITRef j;
};

#define RUNTIME(name) {#name, (uintptr_t)name}
static const struct {
    const char *name;
    uintptr_t at;
} runtime[] = {
    RUNTIME(rnn_parallel),     RUNTIME(rnn_is_plenty),
    RUNTIME(rnn_fill_uniform),
    RUNTIME(rnn_fill_normal),  RUNTIME(rnn_fill_permutation),
    RUNTIME(rnn_probe),        RUNTIME(rnn_now_ns),
    RUNTIME(rnn_solved),
};

static bool failed(LLVMErrorRef e, char *err, size_t n)
{
    char *msg;

    if (!e)
        return false;
    msg = LLVMGetErrorMessage(e);
    snprintf(err, n, "could not link in memory: %s", msg);
    LLVMDisposeErrorMessage(msg);
    return true;
}

static LLVMErrorRef define_runtime(LLVMOrcLLJITRef j, LLVMOrcJITDylibRef lib)
{
    LLVMOrcCSymbolMapPair pair[ARRAY_LEN(runtime)];

    for (size_t i = 0; i < ARRAY_LEN(runtime); i++) {
        pair[i].Name = LLVMOrcLLJITMangleAndIntern(j, runtime[i].name);
        pair[i].Sym.Address = runtime[i].at;
        pair[i].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported;
        pair[i].Sym.Flags.TargetFlags = 0;
    }
    return LLVMOrcJITDylibDefine(
        lib, LLVMOrcAbsoluteSymbols(pair, ARRAY_LEN(pair)));
}

static LLVMErrorRef use_process(LLVMOrcLLJITRef j, LLVMOrcJITDylibRef lib)
{
    LLVMOrcDefinitionGeneratorRef gen = NULL;
    LLVMErrorRef e = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
        &gen, LLVMOrcLLJITGetGlobalPrefix(j), NULL, NULL);

    if (!e)
        LLVMOrcJITDylibAddGenerator(lib, gen);
    return e;
}

Jit *codegen_jit(Module *m, const Target *t, char *err, size_t n)
{
    Jit *jit = NEW(m->a, Jit);
    LLVMMemoryBufferRef obj = module_emit(m, LLVMObjectFile, err, n);
    LLVMOrcJITDylibRef lib;

    (void)t;
    if (!obj)
        return NULL;
    if (failed(LLVMOrcCreateLLJIT(&jit->j, NULL), err, n)) {
        LLVMDisposeMemoryBuffer(obj);
        return NULL;
    }
    lib = LLVMOrcLLJITGetMainJITDylib(jit->j);
    // From here the JIT owns the object.
    if (failed(define_runtime(jit->j, lib), err, n) ||
        failed(use_process(jit->j, lib), err, n) ||
        failed(LLVMOrcLLJITAddObjectFile(jit->j, lib, obj), err, n)) {
        jit_free(jit);
        return NULL;
    }
    return jit;
}

void *jit_symbol(Jit *j, const char *name)
{
    LLVMOrcExecutorAddress at = 0;
    char err[512];

    if (failed(LLVMOrcLLJITLookup(j->j, &at, name), err, sizeof err)) {
        fprintf(stderr, "%s: %s\n", name, err);
        return NULL;
    }
    return (void *)(uintptr_t)at;
}

void jit_free(Jit *j)
{
    LLVMErrorRef e;

    if (!j || !j->j)
        return;
    e = LLVMOrcDisposeLLJIT(j->j);
    if (e)
        LLVMConsumeError(e);
    j->j = NULL;
}
