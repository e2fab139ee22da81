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

static void set_types(Emit *e)
{
    e->i1 = LLVMInt1TypeInContext(e->c);
    e->i8 = LLVMInt8TypeInContext(e->c);
    e->i32 = LLVMInt32TypeInContext(e->c);
    e->i64 = LLVMInt64TypeInContext(e->c);
    e->f32 = LLVMFloatTypeInContext(e->c);
    e->f64 = LLVMDoubleTypeInContext(e->c);
    e->ptr = LLVMPointerTypeInContext(e->c, 0);
    e->voidt = LLVMVoidTypeInContext(e->c);
}

Module *codegen_unit(Arena *a, const Target *t, const Unit *u,
                     Program *const *entry, int nentry,
                     const CodegenOptions *opt)
{
    Module *m = NEW(a, Module);
    Emit e = {.a = a, .target = t, .opt = target_loop_options(t)};
    LLVMValueRef *fn = NEW_N(a, LLVMValueRef, nentry);

    m->a = a;
    m->target = t;
    if (opt)
        m->opt = *opt;
    m->c = e.c = LLVMContextCreate();
    m->m = e.m = LLVMModuleCreateWithNameInContext(u->name, e.c);
    target_module(t, e.m);
    e.b = LLVMCreateBuilderInContext(e.c);
    set_types(&e);
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
