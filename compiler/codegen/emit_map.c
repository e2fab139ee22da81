/*
 * emit_map.c -- elementwise kernels: dst[index] = root[index].
 *
 * Three shapes of loops, the first that the expression allows:
 *   flat across   one run over all elements of all examples;
 *   flat          for each example one run over its elements;
 *   by dims       nested loops, the lanes along the last dim.
 * Large transposes go by squares instead (emit_turn.c).
 * A run goes in steps of whole vectors, then of smaller ones. Every element is
 * computed by the same formula whatever the step, so neither the vector width
 * nor the split into tasks shows in the result.
 */
#include "codegen/emit.h"

int emit_lanes(const Emit *e, DType dt)
{
    return e->opt.vector_bytes / (dt == DT_f64 ? 8 : 4);
}

void emit_rows(KernelEmit *k, Shape s, LLVMValueRef *from, LLVMValueRef *to)
{
    Emit *e = k->e;
    int row = kernel_row_dim(s);
    LLVMValueRef tasks = emit_int(e, k->k->tasks);
    LLVMValueRef rows = emit_int(e, row < 0 ? 1 : s.dim[row]);

    *from = emit_int(e, 0);
    *to = rows;
    if (k->k->tasks <= 1)
        return;
    *from = LLVMBuildUDiv(e->b, LLVMBuildNUWMul(e->b, k->lo, rows, ""), tasks,
                          "");
    *to = LLVMBuildUDiv(e->b, LLVMBuildNUWMul(e->b, k->hi, rows, ""), tasks,
                        "");
}

static void store_at(KernelEmit *k, At at)
{
    emit_store(k, k->k->root, at, emit_value(k, k->k->root, at));
}

typedef struct Run { // of neighbouring elements
    At at;
    int dim;   // of at that counts them; -1: flat
    int lanes; // at most
} Run;

static void step_at(KernelEmit *k, Run *r, LLVMValueRef i, int lanes)
{
    At at = r->at;

    *(r->dim < 0 ? &at.flat : &at.i[r->dim]) = i;
    at.lanes = lanes;
    store_at(k, at);
}

static void run_loop(KernelEmit *k, Run *r, LLVMValueRef from, LLVMValueRef to,
                     int lanes)
{
    EmitLoop l = emit_loop(k->e, k->fn, from, to, lanes, "e");

    step_at(k, r, l.i, lanes);
    emit_loop_end(k->e, &l);
}

/* Elements 0 .. n of a run whose length is known. */
static void run_known(KernelEmit *k, Run *r, int64_t n)
{
    int64_t at = 0;

    for (int lanes = r->lanes; lanes >= 1; lanes /= 2) {
        int64_t end = at + (n - at) / lanes * lanes;

        if (end - at > lanes)
            run_loop(k, r, emit_int(k->e, at), emit_int(k->e, end), lanes);
        else if (end > at)
            step_at(k, r, emit_int(k->e, at), lanes);
        at = end;
    }
}

/* Elements from .. to, a multiple of `unit` of them. */
static void run_between(KernelEmit *k, Run *r, LLVMValueRef from,
                        LLVMValueRef to, int64_t unit)
{
    Emit *e = k->e;
    LLVMValueRef n, rest, whole;

    if (unit % r->lanes == 0) {
        run_loop(k, r, from, to, r->lanes);
        return;
    }
    n = LLVMBuildSub(e->b, to, from, "");
    rest = LLVMBuildURem(e->b, n, emit_int(e, r->lanes), "");
    whole = LLVMBuildSub(e->b, to, rest, "");
    run_loop(k, r, from, whole, r->lanes);
    run_loop(k, r, whole, to, 1);
}

static void map_across(KernelEmit *k, LLVMValueRef from, LLVMValueRef to,
                       int64_t unit)
{
    Emit *e = k->e;
    Run r = {.dim = -1, .lanes = emit_lanes(e, k->k->root->type.dt)};

    from = LLVMBuildMul(e->b, from, emit_int(e, unit), "");
    to = LLVMBuildMul(e->b, to, emit_int(e, unit), "");
    run_between(k, &r, from, to, unit);
}

/* The loops over the dims from d on; `row` is the one already set. */
static void map_dims(KernelEmit *k, At at, int d, int row)
{
    Emit *e = k->e;
    Val root = k->k->root;
    Shape s = root->type.shape;
    int lane = emit_lane_dim(s);
    EmitLoop l;

    if (d == s.rank) {
        store_at(k, at);
    } else if (d == row) {
        map_dims(k, at, d + 1, row);
    } else if (s.dim[d] == 1) {
        at.i[d] = emit_int(e, 0);
        map_dims(k, at, d + 1, row);
    } else if (d == lane) {
        Run r = {.at = at, .dim = d, .lanes = emit_lanes(e, root->type.dt)};

        for (int c = d; c < s.rank; c++)
            r.at.i[c] = emit_int(e, 0);
        if (!emit_is_lanes(k, root))
            r.lanes = 1;
        run_known(k, &r, s.dim[d]);
    } else {
        l = emit_loop(e, k->fn, emit_int(e, 0), emit_int(e, s.dim[d]), 1, "i");
        l.unroll_off = true;
        at.i[d] = l.i;
        map_dims(k, at, d + 1, row);
        emit_loop_end(e, &l);
    }
}

static void map_examples(KernelEmit *k)
{
    Emit *e = k->e;
    Val root = k->k->root;
    int64_t n = shape_size(root->type.shape);
    EmitLoop l;
    At at = {0};

    if (emit_is_flat(k, root, true)) {
        map_across(k, k->lo, k->hi, n);
        return;
    }
    l = emit_loop(e, k->fn, k->lo, k->hi, 1, "example");
    l.unroll_off = true;
    at.example = l.i;
    if (emit_is_flat(k, root, false)) {
        Run r = {.at = at, .dim = -1, .lanes = emit_lanes(e, root->type.dt)};

        run_known(k, &r, n);
    } else {
        map_dims(k, at, 0, -1);
    }
    emit_loop_end(e, &l);
}

static void map_shared(KernelEmit *k)
{
    Emit *e = k->e;
    Val root = k->k->root;
    Shape s = root->type.shape;
    int row = kernel_row_dim(s);
    LLVMValueRef from, to;
    EmitLoop l;
    At at = {0};

    emit_rows(k, s, &from, &to);
    if (row >= 0 && emit_is_flat(k, root, true)) {
        map_across(k, from, to, shape_size(s) / s.dim[row]);
        return;
    }
    if (k->k->tasks <= 1) {
        map_dims(k, at, 0, -1);
        return;
    }
    l = emit_loop(e, k->fn, from, to, 1, "row");
    l.unroll_off = true;
    at.i[row] = l.i;
    for (int d = 0; d < row; d++)
        at.i[d] = emit_int(e, 0);
    map_dims(k, at, 0, row);
    emit_loop_end(e, &l);
}

void emit_map(KernelEmit *k)
{
    Turn t;

    if (emit_is_turn(k->k, &t))
        emit_turn(k, &t);
    else if (k->k->root->type.batched)
        map_examples(k);
    else
        map_shared(k);
}
