/*
 * emit_contract.c -- the loops around the tiles of a contraction.
 *
 *     for blocks of the reduction
 *       for tasks (or examples)
 *         for row axes outside the panels
 *           for panels of nr vectors            [pack the block of B]
 *             for the other row axes
 *               for tiles of mr rows            tile_outer, _sparse, _inner
 *
 * Each loop is there only if the schedule (loop/schedule.c) asks for it. The
 * order in which one element of C is summed is that of the blocks and, within
 * them, of the axes: nothing that depends on tasks, tiles or the batch.
 */
#include "codegen/tile.h"

#include <string.h>

V tile_int(Tiler *t, int64_t x)
{
    return emit_int(t->e, x);
}

V tile_add(Tiler *t, V x, V y)
{
    if (!x || !y)
        return x ? x : y;
    return LLVMBuildNSWAdd(t->e->b, x, y, "");
}

V tile_scale(Tiler *t, V x, int64_t c)
{
    if (!x || !c)
        return NULL;
    return c == 1 ? x : LLVMBuildNSWMul(t->e->b, x, tile_int(t, c), "");
}

V tile_gep(Tiler *t, V base, V index)
{
    if (!index)
        return base;
    // A window may begin in front of the operand.
    if (t->c.nwin || t->c.b0)
        return LLVMBuildGEP2(t->e->b, t->elem, base, &index, 1, "");
    return LLVMBuildInBoundsGEP2(t->e->b, t->elem, base, &index, 1, "");
}

void tile_fetch(Tiler *t, V at, Fetch how)
{
    const char *name = "llvm.prefetch";
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    V fn = LLVMGetIntrinsicDeclaration(t->e->m, id, &t->e->ptr, 1);
    V arg[4] = {at, LLVMConstInt(t->e->i32, how == FETCH_WRITE, 0),
                LLVMConstInt(t->e->i32, how == FETCH_SECOND ? 2 : 3, 0),
                LLVMConstInt(t->e->i32, 1, 0)};

    LLVMBuildCall2(t->e->b, LLVMGlobalGetValueType(fn), fn, arg, 4, "");
}

static int64_t stride(const Axis *x, int which)
{
    return which == 'a' ? x->a : which == 'b' ? x->b : x->c;
}

V tile_operand(Tiler *t, const Tile *at, int which)
{
    const Contract *c = &t->c;
    V x = tile_scale(t, at->n0, stride(&c->n, which));

    for (int i = 0; i < c->nrow; i++)
        x = tile_add(t, x,
                     tile_scale(t, i == t->s->row ? at->m0 : t->row[i],
                                stride(&c->row[i], which)));
    for (int i = 0; i < c->nk && which != 'c'; i++)
        x = tile_add(t, x, tile_scale(t, t->range[i].from,
                                      stride(&c->k[i], which)));
    return tile_gep(t, which == 'a' ? t->a : which == 'b' ? t->b : t->dst, x);
}

V tile_multiply_add(Tiler *t, V x, V y, V z)
{
    LLVMBuilderRef b = t->e->b;

    if (t->dt == DT_bool)
        return LLVMBuildOr(b, LLVMBuildAnd(b, x, y, ""), z, "");
    if (!dtype_real(t->dt))
        return LLVMBuildAdd(b, LLVMBuildMul(b, x, y, ""), z, "");
    return vec_multiply_add(t->e, x, y, z);
}

/* --- blocks --------------------------------------------------------------- */

static V both(Tiler *t, V x, V y)
{
    return x ? LLVMBuildAnd(t->e->b, x, y, "") : y;
}

/* Blocks of reduction axis q, `step` long. */
static void blocks(Tiler *t, int q);

/* Blocks of one place, each with code of its own: which rows of a tile they
 * count for differs. */
static void block_places(Tiler *t, int q)
{
    int64_t extent = t->c.k[q].extent;
    V first = t->first, last = t->last;

    for (int64_t i = 0; i < extent; i++) {
        t->range[q] = (Range){.from = tile_int(t, i), .len = 1};
        t->first = both(t, first, LLVMConstInt(t->e->i1, i == 0, 0));
        t->last = both(t, last, LLVMConstInt(t->e->i1, i == extent - 1, 0));
        blocks(t, q + 1);
    }
    t->range[q] = (Range){0};
    t->first = first;
    t->last = last;
}

static void block_axis(Tiler *t, int q, int64_t step)
{
    LLVMBuilderRef b = t->e->b;
    int64_t extent = t->c.k[q].extent;
    V to = extent ? tile_int(t, extent) : t->k->n;
    V first = t->first, last = t->last, left, next;
    EmitLoop l = emit_loop(t->e, t->k->fn, tile_int(t, 0), to, step, "block");

    t->range[q].from = l.i;
    t->range[q].len = step;
    if (step > 1 && (!extent || extent % step)) {
        left = LLVMBuildSub(b, to, l.i, "");
        t->range[q].len = 0;
        t->range[q].run_len = emit_smaller(t->e, left, tile_int(t, step));
    }
    next = tile_add(t, l.i, tile_int(t, step));
    t->first = both(t, first, LLVMBuildICmp(b, LLVMIntEQ, l.i,
                                            tile_int(t, 0), ""));
    t->last = both(t, last, LLVMBuildICmp(b, LLVMIntSGE, next, to, ""));
    blocks(t, q + 1);
    emit_loop_end(t->e, &l);
    t->range[q] = (Range){0};
    t->first = first;
    t->last = last;
}

static void blocks(Tiler *t, int q)
{
    const Schedule *s = t->s;

    if (q >= t->c.nk) {
        tile_tasks(t);
        return;
    }
    t->range[q].len = t->c.k[q].extent;
    t->range[q].run_len = t->k->n;
    if (s->kc && q == s->kb)
        block_axis(t, q, s->kc);
    else if ((t->pack || s->kc) && s->pack != PACK_NONE && q < s->kb &&
             window_row(t, q) >= 0 && window_row(t, q) == s->row)
        block_places(t, q);
    else if ((t->pack || s->kc) && s->pack != PACK_NONE && q < s->kb)
        block_axis(t, q, 1);
    else
        blocks(t, q + 1);
}

/* --- the kernel ----------------------------------------------------------- */

/* A vector-aligned array in the frame of the function. */
static V frame_array(Tiler *t, LLVMTypeRef elem, int64_t n)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(t->e->b);
    LLVMBasicBlockRef top = LLVMGetEntryBasicBlock(t->k->fn);
    V first = LLVMGetFirstInstruction(top), x;

    if (first)
        LLVMPositionBuilderBefore(t->e->b, first);
    else
        LLVMPositionBuilderAtEnd(t->e->b, top);
    x = LLVMBuildAlloca(t->e->b, LLVMArrayType2(elem, (uint64_t)n), "");
    LLVMSetAlignment(x, 64);
    LLVMPositionBuilderAtEnd(t->e->b, here);
    return x;
}

/* The most steps of the reduction in one block. */
static int64_t block_length(const Tiler *t)
{
    int64_t n = 1;

    for (int q = t->s->kb > 0 ? t->s->kb : 0; q < t->c.nk; q++)
        n *= q == t->s->kb && t->s->kc ? t->s->kc : t->c.k[q].extent;
    return n;
}

/* Zeros are left out of a batch of one. */
static void one_or_more(Tiler *t)
{
    LLVMBuilderRef b = t->e->b;
    LLVMBasicBlockRef one, more, after;
    V c = LLVMBuildICmp(b, LLVMIntEQ, t->k->n, tile_int(t, 1), "");

    one = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "one");
    more = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "more");
    after = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "after");
    LLVMBuildCondBr(b, c, one, more);
    LLVMPositionBuilderAtEnd(b, one);
    if (t->s->apart)
        tile_one_along(t);
    else
        tile_one_row(t);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, more);
    blocks(t, 0);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

void emit_contract(KernelEmit *k)
{
    const Kernel *kernel = k->k;
    Tiler t = {.k = k, .e = k->e, .s = &kernel->sched};

    t.c = contract_of(kernel, t.s->form);
    t.dt = kernel->core->type.dt;
    t.elem = emit_mem_type(t.e, t.dt);
    t.size = dtype_bytes(t.dt);
    if (t.c.padded || contract_is_plain(kernel, &t.c)) {
        emit_windows(k);
        return;
    }
    if (t.s->pack != PACK_NONE && t.s->pack != PACK_BEFORE)
        t.pack = frame_array(&t, t.elem,
                             block_length(&t) * t.s->nr * t.s->lanes);
    if (t.s->sparse) {
        int64_t most = t.c.k[0].extent > t.c.n.extent ? t.c.k[0].extent
                                                      : t.c.n.extent;

        t.list = frame_array(&t, t.e->i32, (most + 31) / 16 * 16);
        t.sums = frame_array(&t, t.elem, t.s->apart ? tile_along_room(&t)
                                                    : tile_sums_room(&t));
    }
    if (kernel->core != kernel->root && t.s->form != FORM_INNER)
        t.stage = frame_array(&t, t.elem,
                              (int64_t)t.s->mr * t.s->nr * t.s->lanes);
    for (int i = 0; i < contract_phases(kernel); i++) {
        if (!contract_phase(kernel, t.s->form, i, &t.c))
            continue;
        t.a = tile_gep(&t, emit_base(k, t.c.a), tile_int(&t, t.c.a0));
        t.b = tile_gep(&t, emit_base(k, t.c.b), tile_int(&t, t.c.b0));
        t.dst = tile_gep(&t, k->dst, tile_int(&t, t.c.c0));
        if (t.s->sparse)
            one_or_more(&t);
        else
            blocks(&t, 0);
    }
}
