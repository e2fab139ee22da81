/*
 * emit_batch.c -- sums and maxima over the examples of a batch.
 *
 * Each element of the result is one task's, so threads never share a sum. The
 * examples are taken in order, in chunks of 16 with a sum of their own, which
 * keeps the rounding of f32 small; a single number is summed in f64.
 */
#include "codegen/emit.h"

enum { CHUNK = 16, VECTORS = 4 };

typedef struct Batch {
    KernelEmit *k;
    Val core, x;
    DType dt;  // of the accumulators
    At at;     // of the elements in the making
    int dim;   // of at that lanes run along; -1: flat
    int lanes, nv;
} Batch;

static At at_vector(const Batch *b, int v)
{
    At at = b->at;
    LLVMValueRef *i = b->dim < 0 ? &at.flat : &at.i[b->dim];

    if (v > 0)
        *i = emit_index_add(b->k->e, *i, emit_int(b->k->e, v * b->lanes));
    at.lanes = b->lanes;
    return at;
}

/* The next example's values added to those carried by l. */
static void add_example(Batch *b, EmitLoop *l)
{
    Emit *e = b->k->e;

    for (int v = 0; v < b->nv; v++) {
        At at = at_vector(b, v);
        LLVMValueRef x;

        at.example = l->i;
        x = emit_value(b->k, b->x, at);
        if (b->dt != b->x->type.dt)
            x = LLVMBuildFPExt(e->b, x, emit_type(e, b->dt, b->lanes), "");
        emit_loop_next(l, v, emit_merge(e, b->core->op, b->dt, l->carry[v], x));
    }
}

/* All examples of nv vectors of elements, then their epilogue. */
static void batch_block(Batch *b)
{
    KernelEmit *k = b->k;
    Emit *e = k->e;
    LLVMValueRef zero = emit_merge_start(e, b->core->op, b->dt, b->lanes);
    LLVMValueRef end, last;
    EmitLoop l, in;

    l = emit_loop(e, k->fn, emit_int(e, 0), k->n, CHUNK, "chunk");
    l.unroll_off = true;
    for (int v = 0; v < b->nv; v++)
        emit_loop_carry(e, &l, zero);
    end = LLVMBuildAdd(e->b, l.i, emit_int(e, CHUNK), "");
    last = LLVMBuildICmp(e->b, LLVMIntSLT, end, k->n, "");
    end = LLVMBuildSelect(e->b, last, end, k->n, "end");
    in = emit_loop(e, k->fn, l.i, end, 1, "example");
    for (int v = 0; v < b->nv; v++)
        emit_loop_carry(e, &in, zero);
    add_example(b, &in);
    emit_loop_end(e, &in);
    for (int v = 0; v < b->nv; v++)
        emit_loop_next(&l, v, emit_merge(e, b->core->op, b->dt, l.carry[v],
                                         in.carry[v]));
    emit_loop_end(e, &l);
    for (int v = 0; v < b->nv; v++) {
        At at = at_vector(b, v);

        k->core = l.carry[v];
        if (b->dt != b->core->type.dt)
            k->core = LLVMBuildFPTrunc(e->b, k->core,
                                       emit_type(e, b->core->type.dt,
                                                 b->lanes), "");
        emit_store(k, k->k->root, at, emit_value(k, k->k->root, at));
        k->core = NULL;
    }
}

/* Elements from .. to of the dim that lanes run along: blocks of four vectors,
 * then single vectors, then one by one. */
static void batch_run(Batch *b, LLVMValueRef from, LLVMValueRef to, int most)
{
    Emit *e = b->k->e;
    const int width[] = {VECTORS * most, most, 1};

    for (int pass = 0; pass < 3; pass++) {
        LLVMValueRef n = LLVMBuildSub(e->b, to, from, ""), stop;
        EmitLoop l;

        if (pass && width[pass] == width[pass - 1])
            continue;
        stop = LLVMBuildURem(e->b, n, emit_int(e, width[pass]), "");
        stop = LLVMBuildSub(e->b, to, stop, "");
        b->lanes = pass < 2 ? most : 1;
        b->nv = pass ? 1 : VECTORS;
        l = emit_loop(e, b->k->fn, from, stop, width[pass], "e");
        l.unroll_off = true;
        *(b->dim < 0 ? &b->at.flat : &b->at.i[b->dim]) = l.i;
        batch_block(b);
        emit_loop_end(e, &l);
        from = stop;
    }
}

static void batch_dims(Batch *b, int d, int lane, LLVMValueRef from,
                       LLVMValueRef to)
{
    KernelEmit *k = b->k;
    Emit *e = k->e;
    Shape s = b->x->type.shape;
    bool row = d == kernel_row_dim(s);
    EmitLoop l;

    if (d == lane) {
        bool lanes = emit_is_lanes(k, b->x) && emit_is_lanes(k, k->k->root);

        for (int c = d + 1; c < s.rank; c++)
            b->at.i[c] = emit_int(e, 0);
        b->dim = d;
        batch_run(b, row ? from : emit_int(e, 0),
                  row ? to : emit_int(e, s.dim[d]),
                  lanes ? emit_lanes(e, b->x->type.dt) : 1);
        return;
    }
    l = emit_loop(e, k->fn, row ? from : emit_int(e, 0),
                  row ? to : emit_int(e, s.dim[d]), 1, "i");
    b->at.i[d] = l.i;
    batch_dims(b, d + 1, lane, from, to);
    emit_loop_end(e, &l);
}

void emit_batch(KernelEmit *k)
{
    Emit *e = k->e;
    Batch b = {.k = k, .core = k->k->core, .x = k->k->core->src[0]};
    Shape s = b.x->type.shape;
    LLVMValueRef from, to, unit;

    b.dt = b.core->type.dt;
    if (shape_size(s) == 1) {
        if (b.dt == DT_f32)
            b.dt = DT_f64;
        for (int d = 0; d < s.rank; d++)
            b.at.i[d] = emit_int(e, 0);
        b.lanes = b.nv = 1;
        batch_block(&b);
        return;
    }
    emit_rows(k, s, &from, &to);
    if (emit_is_flat(k, b.x, false) && emit_is_flat(k, k->k->root, true)) {
        unit = emit_int(e, shape_size(s) / s.dim[kernel_row_dim(s)]);
        b.dim = -1;
        batch_run(&b, LLVMBuildMul(e->b, from, unit, ""),
                  LLVMBuildMul(e->b, to, unit, ""),
                  emit_lanes(e, b.x->type.dt));
    } else {
        batch_dims(&b, 0, emit_lane_dim(s), from, to);
    }
}
