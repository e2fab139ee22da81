/*
 * emit_list.c -- the numbers of what is wanted, in a list.
 */
#include "codegen/tile.h"

#include <string.h>

static LLVMTypeRef index_type(Tiler *t)
{
    return t->e->i32;
}

static V slot(Tiler *t, V i)
{
    return LLVMBuildInBoundsGEP2(t->e->b, index_type(t), t->list, &i, 1, "");
}

V tile_listed(Tiler *t, V i)
{
    V k = LLVMBuildLoad2(t->e->b, index_type(t), slot(t, i), "");

    return LLVMBuildZExt(t->e->b, k, t->e->i64, "");
}

/* The AVX-512 instruction that moves lanes chosen by a mask to the front. */
static unsigned compress_id(const Tiler *t)
{
    const char *name = "llvm.x86.avx512.mask.compress";

    if (t->e->opt.vector_bytes != 64 || t->size != 4)
        return 0;
    return LLVMLookupIntrinsicID(name, strlen(name));
}

/* Appends what is picked among from .. to, 16 at a time, to a list of n. */
static V list_wide(Tiler *t, V from, V to, TilePick *pick, V n, unsigned id)
{
    LLVMBuilderRef b = t->e->b;
    LLVMTypeRef type = LLVMVectorType(index_type(t), 16);
    LLVMTypeRef i16 = LLVMIntTypeInContext(t->e->c, 16);
    V fn = LLVMGetIntrinsicDeclaration(t->e->m, id, &type, 1), lane[16], x, k;
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, 16, "wanted");

    for (int i = 0; i < 16; i++)
        lane[i] = LLVMConstInt(index_type(t), (unsigned)i, 0);
    n = emit_loop_carry(t->e, &l, n);
    x = pick(t, l.i, 16);
    k = emit_splat(t->e, LLVMBuildTrunc(b, l.i, index_type(t), ""), 16);
    k = LLVMBuildAdd(b, k, LLVMConstVector(lane, 16), "");
    k = LLVMBuildCall2(b, LLVMGlobalGetValueType(fn), fn,
                       (V[]){k, LLVMConstNull(type), x}, 3, "");
    LLVMSetAlignment(LLVMBuildStore(b, k, slot(t, n)), 4);
    x = vec_intrinsic(t->e, "llvm.ctpop",
                      (V[]){LLVMBuildBitCast(b, x, i16, "")}, 1);
    n = LLVMBuildAdd(b, n, LLVMBuildZExt(b, x, t->e->i64, ""), "");
    emit_loop_next(&l, 0, n);
    emit_loop_end(t->e, &l);
    return l.carry[0];
}

/* The same one by one. No branches: every number is written, and stays if the
 * place moves on. */
static V list_narrow(Tiler *t, V from, V to, TilePick *pick, V n)
{
    LLVMBuilderRef b = t->e->b;
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, 1, "wanted");

    n = emit_loop_carry(t->e, &l, n);
    LLVMBuildStore(b, LLVMBuildTrunc(b, l.i, index_type(t), ""), slot(t, n));
    n = LLVMBuildAdd(b, n, LLVMBuildZExt(b, pick(t, l.i, 1), t->e->i64, ""),
                     "");
    emit_loop_next(&l, 0, n);
    emit_loop_end(t->e, &l);
    return l.carry[0];
}

V tile_list(Tiler *t, V from, V to, TilePick *pick, bool wide)
{
    LLVMBuilderRef b = t->e->b;
    unsigned id = wide ? compress_id(t) : 0;
    V n = tile_int(t, 0), done = from;

    if (id) {
        done = LLVMBuildAnd(b, LLVMBuildSub(b, to, from, ""),
                            tile_int(t, -16), "");
        done = tile_add(t, from, done);
        n = list_wide(t, from, done, pick, n, id);
    }
    return list_narrow(t, done, to, pick, n);
}

void tile_list_fill(Tiler *t, V n, int step)
{
    LLVMBuilderRef b = t->e->b;
    V last = LLVMBuildLoad2(b, index_type(t),
                            slot(t, LLVMBuildSub(b, n, tile_int(t, 1), "")),
                            "");

    for (int i = 0; i < step - 1; i++)
        LLVMBuildStore(b, last, slot(t, tile_add(t, n, tile_int(t, i))));
}
