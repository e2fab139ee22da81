/*
 * emit_sparse.c -- one example whose row of A holds many zeros, FORM_OUTER.
 *
 *     list = the k with A[k] != 0, ascending
 *     sum[n] += A[k] * B[k, n]     for k in list, TOGETHER at a time
 *
 * A batch of one reads each weight once, so the weights' way from the third
 * cache is what takes time, and rows of B for which an activation is zero
 * (after relu, where a gradient is masked) need not come at all. The order of
 * the sum is that of the other tiles, and for finite weights adding 0 b
 * changes nothing, so the bits are the same.
 *
 * B is not read from panels but as rows (panels.c), each one long run of
 * memory, and the sums, short enough for the first cache, are read and written
 * for every few rows. A few such streams at a time are what the prefetcher of
 * the second cache is good at. Rows of a panel, 256 bytes here and there, need
 * prefetches of our own, which hold the first cache's few requests for as long
 * as the third one takes: 0.115 ms for 0.074 of "half zeros 3136->1024" in
 * bench_kernels on Zen 4.
 */
#include "codegen/tile.h"

enum {
    TOGETHER = 6,  // rows
    UNROLL = 4,    // vectors of a step along them
    BLOCK = 4096   // columns whose sums are in the first cache
};

/* Is A[k] used? */
static V is_used(Tiler *t, V k, int lanes)
{
    V a = tile_gep(t, t->a, tile_scale(t, k, t->c.k[0].a));
    V x = tile_load_part(t, a, lanes, lanes);

    if (lanes == 1)
        x = LLVMBuildLoad2(t->e->b, t->elem, a, "");
    return LLVMBuildFCmp(t->e->b, LLVMRealUNE, x,
                         LLVMConstNull(LLVMTypeOf(x)), "");
}

/* --- sums ----------------------------------------------------------------- */

typedef struct Block { // of columns
    V from, width; // the first, their number: whole vectors
    V rows;        // row 0 at column `from`
    int64_t pitch; // of rows
} Block;

static V load(Tiler *t, V base, V i)
{
    return tile_load_part(t, tile_gep(t, base, i), t->s->lanes, t->s->lanes);
}

/* Columns from .. to, `by` vectors at a time: sum += x[k] row[k], in order. */
static void add_columns(Tiler *t, const V *x, const V *row, int n, V from,
                        V to, int by)
{
    int lanes = t->s->lanes;
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, (int64_t)by * lanes, "n");

    l.unroll_off = true;
    for (int j = 0; j < by; j++) {
        V at = tile_add(t, l.i, tile_int(t, (int64_t)j * lanes)), sum, st;

        sum = load(t, t->sums, at);
        for (int k = 0; k < n; k++)
            sum = tile_multiply_add(t, x[k], load(t, row[k], at), sum);
        st = LLVMBuildStore(t->e->b, sum, tile_gep(t, t->sums, at));
        LLVMSetAlignment(st, (unsigned)t->size);
    }
    emit_loop_end(t->e, &l);
}

/* Rows from .. to of the list, n at a time; where they end. */
static V add_rows(Tiler *t, const Block *b, V from, V to, int n)
{
    LLVMBuilderRef bb = t->e->b;
    V count = LLVMBuildSub(bb, to, from, ""), x[TOGETHER], row[TOGETHER], k;
    V end, whole = LLVMBuildSRem(bb, b->width,
                                 tile_int(t, (int64_t)UNROLL * t->s->lanes),
                                 "");
    EmitLoop l;

    count = LLVMBuildSub(bb, count,
                         LLVMBuildSRem(bb, count, tile_int(t, n), ""), "");
    end = tile_add(t, from, count);
    whole = LLVMBuildSub(bb, b->width, whole, "");
    l = emit_loop(t->e, t->k->fn, from, end, n, "k");
    l.unroll_off = true;
    for (int i = 0; i < n; i++) {
        k = tile_listed(t, tile_add(t, l.i, tile_int(t, i)));
        x[i] = tile_gep(t, t->a, tile_scale(t, k, t->c.k[0].a));
        x[i] = LLVMBuildLoad2(bb, t->elem, x[i], "");
        x[i] = emit_splat(t->e, x[i], t->s->lanes);
        row[i] = tile_gep(t, b->rows, tile_scale(t, k, b->pitch));
    }
    add_columns(t, x, row, n, tile_int(t, 0), whole, UNROLL);
    add_columns(t, x, row, n, whole, b->width, 1);
    emit_loop_end(t->e, &l);
    return end;
}

/* Panels from .. to of the block, of `nv` vectors each, the last one with
 * `width` lanes, through the epilogue. */
static void store_panels(Tiler *t, const Block *b, V from, V to, int nv,
                         int width)
{
    int64_t columns = (int64_t)t->s->nr * t->s->lanes;
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, 1, "panel");
    Tile at = {.mr = 1, .nv = nv, .width = width};
    V acc[ACC_MAX], n0;

    l.unroll_off = true;
    at.n0 = tile_scale(t, l.i, columns);
    n0 = LLVMBuildSub(t->e->b, at.n0, b->from, "");
    for (int j = 0; j < nv; j++)
        acc[j] = load(t, t->sums,
                      tile_add(t, n0, tile_int(t, (int64_t)j * t->s->lanes)));
    tile_store(t, &at, acc);
    emit_loop_end(t->e, &l);
}

/* Panels from .. to, of which those before `full` are whole. */
static void sum_block(Tiler *t, V from, V to, int64_t full)
{
    LLVMBuilderRef b = t->e->b;
    int lanes = t->s->lanes;
    int64_t columns = (int64_t)t->s->nr * lanes;
    int64_t rest = t->c.n.extent % columns;
    Block k = {.from = tile_scale(t, from, columns)};
    V end, whole = emit_smaller(t->e, to, tile_int(t, full));

    k.pitch = t->k->k->rows->type.shape.dim[1];
    k.width = LLVMBuildSub(b, emit_smaller(t->e, tile_scale(t, to, columns),
                                           tile_int(t, k.pitch)),
                           k.from, "");
    k.rows = tile_gep(t, emit_base(t->k, t->k->k->rows->val), k.from);
    LLVMBuildMemSet(b, t->sums, LLVMConstInt(t->e->i8, 0, 0),
                    LLVMBuildMul(b, k.width, tile_int(t, t->size), ""), 64);
    end = add_rows(t, &k, tile_int(t, 0), t->list_length, TOGETHER);
    add_rows(t, &k, end, t->list_length, 1);
    store_panels(t, &k, from, whole, t->s->nr, lanes);
    if (rest)
        store_panels(t, &k, whole, to, (int)((rest + lanes - 1) / lanes),
                     (int)((rest - 1) % lanes + 1));
}

static int64_t panels_of_block(const Tiler *t)
{
    int64_t columns = (int64_t)t->s->nr * t->s->lanes;

    return columns < BLOCK ? BLOCK / columns : 1;
}

void tile_one_panels(Tiler *t, V *from, V *to)
{
    int64_t columns = (int64_t)t->s->nr * t->s->lanes;
    int64_t unit = kernel_one_unit(t->k->k);

    *from = tile_int(t, 0);
    *to = tile_int(t, (t->c.n.extent + columns - 1) / columns);
    if (t->k->k->tasks) {
        *from = tile_scale(t, t->k->lo, unit);
        *to = emit_smaller(t->e, *to, tile_scale(t, t->k->hi, unit));
    }
}

void tile_one_row(Tiler *t)
{
    int64_t step = panels_of_block(t);
    int64_t full = t->c.n.extent / ((int64_t)t->s->nr * t->s->lanes);
    V from, to;
    EmitLoop l;

    tile_one_panels(t, &from, &to);
    t->list_length = tile_list(t, tile_int(t, 0),
                               tile_int(t, t->c.k[0].extent), is_used,
                               t->c.k[0].a == 1);
    l = emit_loop(t->e, t->k->fn, from, to, step, "columns");
    l.unroll_off = true;
    sum_block(t, l.i, emit_smaller(t->e, to,
                                   tile_add(t, l.i, tile_int(t, step))), full);
    emit_loop_end(t->e, &l);
}

int64_t tile_sums_room(const Tiler *t)
{
    return panels_of_block(t) * t->s->nr * t->s->lanes;
}
