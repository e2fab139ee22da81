/*
 * emit_sparse.c -- a tile of one row whose A holds many zeros, FORM_OUTER.
 *
 *     list = the k with A[m, k] != 0, ascending
 *     acc[j] += A[m, k] * B[k, n0 + j lanes ..]   for k in list
 *
 * A batch of a few examples reads each weight once or twice, so their way from
 * memory is what takes time; rows of B for which an activation is zero (after
 * relu, where a gradient is masked) need not come at all. The order of the sum
 * is that of the other tiles, and for finite weights adding 0 b changes
 * nothing, so the bits are the same. A list serves all panels: those of a
 * batch of up to TILE_LISTS examples are made before them, once.
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

static V block_steps(Tiler *t)
{
    return t->range[0].len ? tile_int(t, t->range[0].len)
                           : t->range[0].run_len;
}

/* Do rows of A differ by the example alone, and are these few? Else NULL. */
static V is_listed(Tiler *t)
{
    if (t->c.nrow > 1)
        return NULL;
    return LLVMBuildICmp(t->e->b, LLVMIntSLE, t->k->n,
                         tile_int(t, TILE_LISTS), "");
}

static V list_place(Tiler *t, V example)
{
    V at = tile_scale(t, example, t->list_room);

    return LLVMBuildInBoundsGEP2(t->e->b, index_type(t), t->lists, &at, 1, "");
}

static V length_place(Tiler *t, V example)
{
    return LLVMBuildInBoundsGEP2(t->e->b, t->e->i64, t->list_length, &example,
                                 1, "");
}

static V load_a(Tiler *t, V a, V k, const Axis *x)
{
    return LLVMBuildLoad2(t->e->b, t->elem,
                          tile_gep(t, a, tile_scale(t, k, x->a)), "");
}

/* The AVX-512 instruction that moves lanes chosen by a mask to the front. */
static unsigned compress_id(const Tiler *t)
{
    const char *name = "llvm.x86.avx512.mask.compress";

    if (t->e->opt.vector_bytes != 64 || t->size != 4 || t->s->lanes != 16)
        return 0;
    return LLVMLookupIntrinsicID(name, strlen(name));
}

/* Appends what is not zero among elements from .. to, 16 at a time, to a list
 * of n. */
static V list_wide(Tiler *t, V a, V from, V to, V n, unsigned id)
{
    LLVMBuilderRef b = t->e->b;
    LLVMTypeRef type = LLVMVectorType(index_type(t), 16);
    LLVMTypeRef i16 = LLVMIntTypeInContext(t->e->c, 16);
    V fn = LLVMGetIntrinsicDeclaration(t->e->m, id, &type, 1), lane[16], x, k;
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, 16, "nonzero");

    for (int i = 0; i < 16; i++)
        lane[i] = LLVMConstInt(index_type(t), (unsigned)i, 0);
    n = emit_loop_carry(t->e, &l, n);
    x = tile_load_part(t, tile_gep(t, a, l.i), 16, 16);
    x = LLVMBuildFCmp(b, LLVMRealUNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
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

/* The same one by one. No branches: every k is written, and stays if the place
 * moves on. */
static V list_narrow(Tiler *t, V a, V from, V to, V n, const Axis *x)
{
    LLVMBuilderRef b = t->e->b;
    V zero = LLVMConstNull(t->elem), used;
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, 1, "nonzero");

    n = emit_loop_carry(t->e, &l, n);

    LLVMBuildStore(b, LLVMBuildTrunc(b, l.i, index_type(t), ""), slot(t, n));
    used = LLVMBuildFCmp(b, LLVMRealUNE, load_a(t, a, l.i, x), zero, "");
    n = LLVMBuildAdd(b, n, LLVMBuildZExt(b, used, t->e->i64, ""), "");
    emit_loop_next(&l, 0, n);
    emit_loop_end(t->e, &l);
    return l.carry[0];
}

/* Writes the list of elements 0 .. len; its length. */
static V list_of(Tiler *t, V a, V len, const Axis *x)
{
    LLVMBuilderRef b = t->e->b;
    unsigned id = x->a == 1 ? compress_id(t) : 0;
    V zero = tile_int(t, 0), n = zero, done = zero;

    if (id) {
        done = LLVMBuildAnd(b, len, tile_int(t, -16), "");
        n = list_wide(t, a, zero, done, n, id);
    }
    n = list_narrow(t, a, done, len, n, x);
    // What is fetched ahead of the end is a row that exists.
    for (int i = 0; i < TILE_AHEAD; i++)
        LLVMBuildStore(b, LLVMConstInt(index_type(t), 0, 0),
                       slot(t, tile_add(t, n, tile_int(t, i))));
    return n;
}

static V row_of(Tiler *t, V w, V i, const Axis *x, V *k)
{
    *k = LLVMBuildLoad2(t->e->b, index_type(t), slot(t, i), "");
    *k = LLVMBuildZExt(t->e->b, *k, t->e->i64, "");
    return tile_gep(t, w, tile_scale(t, *k, x->b));
}

/* The hardware foresees no rows that come in no regular order. */
static void fetch_ahead(Tiler *t, V row, int bytes)
{
    for (int at = 0; at < bytes; at += 64)
        tile_fetch(t, tile_gep(t, row, tile_int(t, at / t->size)), FETCH_READ);
}

void tile_list_rows(Tiler *t)
{
    LLVMBuilderRef b = t->e->b;
    V few = is_listed(t), zero = tile_int(t, 0);
    Tile at = {.mr = 1};
    EmitLoop l;

    if (!few)
        return;
    l = emit_loop(t->e, t->k->fn, zero,
                  LLVMBuildSelect(b, few, t->k->n, zero, ""), 1, "listed");
    at.m0 = l.i;
    t->list = list_place(t, l.i);
    LLVMBuildStore(b, list_of(t, tile_operand(t, &at, 'a'), block_steps(t),
                              &t->c.k[0]), length_place(t, l.i));
    emit_loop_end(t->e, &l);
}

/* The length of the row's list, made here or before; sets t->list. */
static V row_list(Tiler *t, const Tile *at, V a)
{
    LLVMBuilderRef b = t->e->b;
    V few = is_listed(t), n[2], phi;
    LLVMBasicBlockRef from[2], make, done;

    t->list = t->lists;
    if (!few)
        return list_of(t, a, block_steps(t), &t->c.k[0]);
    from[0] = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "listed");
    make = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "list");
    done = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "row");
    LLVMBuildCondBr(b, few, from[0], make);
    LLVMPositionBuilderAtEnd(b, from[0]);
    n[0] = LLVMBuildLoad2(b, t->e->i64, length_place(t, at->m0), "");
    LLVMBuildBr(b, done);
    LLVMPositionBuilderAtEnd(b, make);
    n[1] = list_of(t, a, block_steps(t), &t->c.k[0]);
    from[1] = LLVMGetInsertBlock(b);
    LLVMBuildBr(b, done);
    LLVMPositionBuilderAtEnd(b, done);
    phi = LLVMBuildPhi(b, t->e->i64, "");
    LLVMAddIncoming(phi, n, from, 2);
    t->list = list_place(t, LLVMBuildSelect(b, few, at->m0, tile_int(t, 0),
                                            ""));
    return phi;
}

void tile_sparse(Tiler *t, const Tile *at)
{
    const Axis *x = &t->c.k[0];
    int lanes = t->s->lanes;
    V a = tile_operand(t, at, 'a'), w = tile_operand(t, at, 'b'), k, y, row;
    V acc[ACC_MAX];
    EmitLoop l;

    tile_start(t, at, acc);
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0), row_list(t, at, a), 1, "k");
    for (int j = 0; j < at->nv; j++)
        acc[j] = emit_loop_carry(t->e, &l, acc[j]);
    row = row_of(t, w, tile_add(t, l.i, tile_int(t, TILE_AHEAD)), x, &k);
    fetch_ahead(t, row, at->nv * lanes * t->size);
    row = row_of(t, w, l.i, x, &k);
    y = emit_splat(t->e, load_a(t, a, k, x), lanes);
    for (int j = 0; j < at->nv; j++) {
        V v = tile_load_part(t, tile_gep(t, row, tile_int(t, j * lanes)),
                             lanes, lanes);

        emit_loop_next(&l, j, tile_multiply_add(t, y, v, acc[j]));
    }
    emit_loop_end(t->e, &l);
    for (int j = 0; j < at->nv; j++)
        acc[j] = l.carry[j];
    tile_store(t, at, acc);
}
