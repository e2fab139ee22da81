/*
 * emit_along.c -- one example, sums along rows that each are a column of B.
 *
 *     list = the n whose result is not masked, ascending
 *     part[r] += row[16 j + r] * x[16 j + r]     for j = 0, 1, ..
 *     C[n]    = ((0 + part[0]) + part[1]) + ..
 *
 * Rows are those that emit_sparse.c reads on the way there, and what is masked
 * is what was zero there: so both ways read the same part of one copy of the
 * weights. The parts are the lanes of one vector here; for more examples tiles
 * sum them one after another (Schedule.apart), A and B standing in their order:
 * the same sums in the same order, so the same bits.
 *
 * The last rows come first: they are still in the second-level cache.
 */
#include "codegen/tile.h"

enum {
    PARTS = ALONG_LANES,
    TOGETHER = 4, // rows
    UNROLL = 4,   // vectors of a step along them
    SQUARE = PARTS * PARTS
};

/* t->sums: A in the order of the rows, then the parts of PARTS rows, then
 * their sums. */
static V room(Tiler *t, int64_t from)
{
    return tile_gep(t, t->sums, tile_int(t, from));
}

int64_t tile_along_room(const Tiler *t)
{
    return t->c.k[0].extent + SQUARE + PARTS;
}

static V load(Tiler *t, V base, V i)
{
    return tile_load_part(t, tile_gep(t, base, i), PARTS, PARTS);
}

static void save(Tiler *t, V x, V at)
{
    LLVMSetAlignment(LLVMBuildStore(t->e->b, x, at), (unsigned)t->size);
}

/* A stands by parts; here it is put in the order of the rows. */
static void unfold(Tiler *t)
{
    int64_t each = t->c.k[0].extent / PARTS;
    EmitLoop l = emit_loop(t->e, t->k->fn, tile_int(t, 0), tile_int(t, each),
                           1, "j");

    l.unroll_off = true;
    for (int r = 0; r < PARTS; r++) {
        V from = tile_add(t, l.i, tile_int(t, r * each));
        V to = tile_add(t, tile_scale(t, l.i, PARTS), tile_int(t, r));

        from = tile_gep(t, t->a, tile_scale(t, from, t->c.k[0].a));
        LLVMBuildStore(t->e->b, LLVMBuildLoad2(t->e->b, t->elem, from, ""),
                       tile_gep(t, t->sums, to));
    }
    emit_loop_end(t->e, &l);
}

/* What decides whether the sum is used, or NULL. */
static Val mask_of(const Kernel *k)
{
    return k->root->op == OP_select && k->root->src[1] == k->core
               ? k->root->src[0]
               : NULL;
}

static V is_wanted(Tiler *t, V n, int lanes)
{
    Val mask = mask_of(t->k->k);
    At at = tile_index(t, tile_int(t, 0), n);

    at.lanes = lanes;
    if (mask)
        return emit_value(t->k, mask, at);
    return lanes > 1 ? LLVMConstAllOnes(LLVMVectorType(t->e->i1,
                                                       (unsigned)lanes))
                     : LLVMConstInt(t->e->i1, 1, 0);
}

/* Results from .. to as if all sums were 0: right where they are masked. */
static void store_masked(Tiler *t, V from, V to)
{
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, PARTS, "masked");

    l.unroll_off = true;
    tile_store_lanes(t, tile_int(t, 0), l.i,
                     LLVMConstNull(emit_type(t->e, t->dt, PARTS)), PARTS);
    emit_loop_end(t->e, &l);
}

typedef struct Rows { // summed together
    V at[TOGETHER], part[TOGETHER];
} Rows;

/* Places k .. k + PARTS of the rows. */
static void step(Tiler *t, Rows *r, V k)
{
    V x = load(t, t->sums, k);

    for (int q = 0; q < TOGETHER; q++)
        r->part[q] = tile_multiply_add(t, x, load(t, r->at[q], k),
                                       r->part[q]);
}

/* The parts of TOGETHER rows from number i of the list on, to `at`. */
static void sum_rows(Tiler *t, V i, V at)
{
    int64_t K = t->c.k[0].extent, by = UNROLL * PARTS, main = K / by * by;
    int64_t pitch = t->k->k->rows->type.shape.dim[1];
    V rows = emit_base(t->k, t->k->k->rows->val);
    Rows r;
    EmitLoop l;

    for (int q = 0; q < TOGETHER; q++) {
        V n = tile_listed(t, tile_add(t, i, tile_int(t, q)));

        r.at[q] = tile_gep(t, rows, tile_scale(t, n, pitch));
    }
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0), tile_int(t, main), by, "k");
    l.unroll_off = true;
    for (int q = 0; q < TOGETHER; q++)
        r.part[q] = emit_loop_carry(
            t->e, &l, LLVMConstNull(emit_type(t->e, t->dt, PARTS)));
    for (int u = 0; u < UNROLL; u++)
        step(t, &r, tile_add(t, l.i, tile_int(t, u * PARTS)));
    for (int q = 0; q < TOGETHER; q++)
        emit_loop_next(&l, q, r.part[q]);
    emit_loop_end(t->e, &l);
    for (int q = 0; q < TOGETHER; q++)
        r.part[q] = l.carry[q];
    for (int64_t k = main; k < K; k += PARTS)
        step(t, &r, tile_int(t, k));
    for (int q = 0; q < TOGETHER; q++)
        save(t, r.part[q], tile_gep(t, at, tile_int(t, q * PARTS)));
}

/* PARTS rows from number i of the list on, to their results. */
static void finish_rows(Tiler *t, V i)
{
    LLVMBuilderRef b = t->e->b;
    V parts = room(t, t->c.k[0].extent);
    V sums = room(t, t->c.k[0].extent + SQUARE), x[PARTS], sum;
    EmitLoop l = emit_loop(t->e, t->k->fn, tile_int(t, 0), tile_int(t, PARTS),
                           TOGETHER, "rows");

    l.unroll_off = true;
    sum_rows(t, tile_add(t, i, l.i),
             tile_gep(t, parts, tile_scale(t, l.i, PARTS)));
    emit_loop_end(t->e, &l);
    for (int r = 0; r < PARTS; r++)
        x[r] = load(t, parts, tile_int(t, r * PARTS));
    emit_square(t->e, x, PARTS);
    sum = LLVMConstNull(LLVMTypeOf(x[0]));
    for (int r = 0; r < PARTS; r++)
        sum = LLVMBuildFAdd(b, sum, x[r], "");
    save(t, sum, sums);
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0), tile_int(t, PARTS), 1, "n");
    l.unroll_off = true;
    tile_store_lanes(t, tile_int(t, 0), tile_listed(t, tile_add(t, i, l.i)),
                     LLVMBuildLoad2(b, t->elem, tile_gep(t, sums, l.i), ""), 1);
    emit_loop_end(t->e, &l);
}

void tile_one_along(Tiler *t)
{
    LLVMBuilderRef b = t->e->b;
    int64_t columns = (int64_t)t->s->nr * t->s->lanes;
    V from, to, n, last;
    LLVMBasicBlockRef some, after;
    EmitLoop l;

    tile_one_panels(t, &from, &to);
    from = tile_scale(t, from, columns);
    to = emit_smaller(t->e, tile_scale(t, to, columns),
                      tile_int(t, t->c.n.extent));
    if (mask_of(t->k->k))
        store_masked(t, from, to);
    n = tile_list(t, from, to, is_wanted, true);
    some = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "some");
    after = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "after");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSGT, n, tile_int(t, 0), ""),
                    some, after);
    LLVMPositionBuilderAtEnd(b, some);
    tile_list_fill(t, n, PARTS);
    unfold(t);
    n = LLVMBuildSDiv(b, tile_add(t, n, tile_int(t, PARTS - 1)),
                      tile_int(t, PARTS), "");
    last = LLVMBuildSub(b, n, tile_int(t, 1), "");
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0), n, 1, "square");
    l.unroll_off = true;
    finish_rows(t, tile_scale(t, LLVMBuildSub(b, last, l.i, ""), PARTS));
    emit_loop_end(t->e, &l);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}
