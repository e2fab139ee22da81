/*
 * llvm_compat.h -- the LLVM C API, releases 19 to 22, as codegen/ uses it.
 *
 * Everything else in codegen/ includes this and no LLVM header. What is used
 * has the same form in all four releases; differences that remain are stated
 * (and bridged) here. Attribute kinds differ between releases, so they are
 * looked up by name, and a kind of 0 (unknown here) is skipped.
 */
#ifndef RNN_LLVM_COMPAT_H
#define RNN_LLVM_COMPAT_H

#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>

#include <string.h>

#if LLVM_VERSION_MAJOR < 19
#error "rnnc needs LLVM 19 or newer"
#endif

/* 22: LLVMConst*Mul are gone and the global context is deprecated; neither is
 * used. 21: a thread-safe context no longer hands out its context, so the JIT
 * is fed with object files instead of modules. */

/* Adds an attribute without a value ("nounwind", "noalias") at an index:
 * LLVMAttributeFunctionIndex, or 1 + parameter number. */
static inline void compat_attr(LLVMContextRef c, LLVMValueRef fn, unsigned at,
                               const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));

    if (kind)
        LLVMAddAttributeAtIndex(fn, at,
                                LLVMCreateEnumAttribute(c, kind, value));
}

static inline void compat_attr_text(LLVMContextRef c, LLVMValueRef fn,
                                    const char *name, const char *value)
{
    LLVMAddAttributeAtIndex(
        fn, LLVMAttributeFunctionIndex,
        LLVMCreateStringAttribute(c, name, (unsigned)strlen(name), value,
                                  (unsigned)strlen(value)));
}

/* Loads and stores of the lanes whose mask bit (i1) is set; a lane not loaded
 * is zero. 22: the alignment moved from an argument to an attribute. */
static inline LLVMValueRef compat_masked(LLVMModuleRef m, LLVMBuilderRef b,
                                         const char *name, LLVMTypeRef type,
                                         LLVMValueRef *arg, unsigned at,
                                         unsigned align)
{
    LLVMContextRef c = LLVMGetModuleContext(m);
    LLVMTypeRef over[2] = {type, LLVMTypeOf(arg[at])};
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name)), n = 0;
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(m, id, over, 2);
    LLVMValueRef x[4], call;

    for (unsigned i = 0; i < 3; i++) {
        x[n++] = arg[i];
#if LLVM_VERSION_MAJOR < 22
        if (i == at)
            x[n++] = LLVMConstInt(LLVMInt32TypeInContext(c), align, 0);
#endif
    }
    call = LLVMBuildCall2(b, LLVMGlobalGetValueType(fn), fn, x, n, "");
#if LLVM_VERSION_MAJOR >= 22
    LLVMAddCallSiteAttribute(
        call, at + 1,
        LLVMCreateEnumAttribute(
            c, LLVMGetEnumAttributeKindForName("align", 5), align));
#else
    (void)c;
#endif
    return call;
}

static inline LLVMValueRef compat_masked_load(LLVMModuleRef m,
                                              LLVMBuilderRef b,
                                              LLVMTypeRef type,
                                              LLVMValueRef at,
                                              LLVMValueRef mask,
                                              unsigned align)
{
    LLVMValueRef arg[3] = {at, mask, LLVMConstNull(type)};

    return compat_masked(m, b, "llvm.masked.load", type, arg, 0, align);
}

static inline void compat_masked_store(LLVMModuleRef m, LLVMBuilderRef b,
                                       LLVMValueRef value, LLVMValueRef at,
                                       LLVMValueRef mask, unsigned align)
{
    LLVMValueRef arg[3] = {value, at, mask};

    compat_masked(m, b, "llvm.masked.store", LLVMTypeOf(value), arg, 1, align);
}

#endif
