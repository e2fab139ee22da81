/*
 * module.c -- the whole program as one LLVM module.
 */
#include "codegen/emit.h"

LLVMValueRef emit_runtime(Emit *e, const char *name, LLVMTypeRef type)
{
    LLVMValueRef fn = LLVMGetNamedFunction(e->m, name);

    if (!fn) {
        fn = LLVMAddFunction(e->m, name, type);
        compat_attr(e->c, fn, LLVMAttributeFunctionIndex, "nounwind", 0);
    }
    return fn;
}

Emit emit_open(Arena *a, const Target *t, const char *name)
{
    LLVMContextRef c = LLVMContextCreate();
    Emit e = {.a = a, .target = t, .opt = target_loop_options(t), .c = c};

    e.m = LLVMModuleCreateWithNameInContext(name, c);
    e.b = LLVMCreateBuilderInContext(c);
    e.i1 = LLVMInt1TypeInContext(c);
    e.i8 = LLVMInt8TypeInContext(c);
    e.i32 = LLVMInt32TypeInContext(c);
    e.i64 = LLVMInt64TypeInContext(c);
    e.f32 = LLVMFloatTypeInContext(c);
    e.f64 = LLVMDoubleTypeInContext(c);
    e.ptr = LLVMPointerTypeInContext(c, 0);
    e.voidt = LLVMVoidTypeInContext(c);
    target_module(t, e.m);
    return e;
}

Module *codegen_unit(Arena *a, const Target *t, const Unit *u,
                     Program *const *entry, int nentry,
                     const CodegenOptions *opt)
{
    Module *m = NEW(a, Module);
    Emit e = emit_open(a, t, u->name);
    LLVMValueRef *fn = NEW_N(a, LLVMValueRef, nentry);

    m->a = a;
    m->target = t;
    if (opt)
        m->opt = *opt;
    m->c = e.c;
    m->m = e.m;
    for (int i = 0; i < nentry; i++) {
        fn[i] = emit_host(&e, entry[i], i);
        if (entry[i]->entry->kind == ENTRY_CHECK)
            compat_attr_text(e.c, fn[i], RARE_ATTRIBUTE, "");
    }
    emit_tables(&e, u, entry, nentry, fn);
    LLVMDisposeBuilder(e.b);
    m->blas = e.blas;
    return m;
}

bool codegen_uses_blas(const Module *m)
{
    return m->blas;
}
