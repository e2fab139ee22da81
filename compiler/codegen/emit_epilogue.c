/*
 * emit_epilogue.c -- from accumulators to C.
 *
 * Where the kernel's root is its core, sums go to memory as they are. Else
 * the last block applies the expression from core to root at each place: a
 * short one in line, a long one in a loop over the tile laid down in memory,
 * so that its code is there once and not once per accumulator.
 */
#include "codegen/tile.h"

enum { SHORT_EPILOGUE = 8 };

static LLVMTypeRef vector(Tiler *t, int lanes)
{
    return emit_type(t->e, t->dt, lanes);
}

static V lane_mask(Tiler *t, int width, int lanes)
{
    V bit[64];

    for (int i = 0; i < lanes; i++)
        bit[i] = LLVMConstInt(t->e->i1, i < width, 0);
    return LLVMConstVector(bit, (unsigned)lanes);
}

V tile_load_part(Tiler *t, V at, int width, int lanes)
{
    V x;

    if (width < lanes)
        return compat_masked_load(t->e->m, t->e->b, vector(t, lanes), at,
                                  lane_mask(t, width, lanes),
                                  (unsigned)t->size);
    x = LLVMBuildLoad2(t->e->b, vector(t, lanes), at, "");
    LLVMSetAlignment(x, (unsigned)t->size);
    return x;
}

static void store_part(Tiler *t, V x, V at, int width, int lanes)
{
    if (width < lanes) {
        compat_masked_store(t->e->m, t->e->b, x, at,
                            lane_mask(t, width, lanes), (unsigned)t->size);
    } else {
        V st = LLVMBuildStore(t->e->b, x, at);
        LLVMSetAlignment(st, (unsigned)t->size);
    }
}

static int64_t row_stride(const Tiler *t)
{
    return t->s->row >= 0 ? t->c.row[t->s->row].c : 0;
}

static int width_of(const Tiler *t, const Tile *at, int j)
{
    return j == at->nv - 1 ? at->width : t->s->lanes;
}

/* Where accumulator (i, j) lies in C, from the tile's address. */
static V place(Tiler *t, V c, int i, int j)
{
    int64_t off = i * row_stride(t) + (int64_t)j * t->s->lanes;

    return tile_gep(t, c, off ? tile_int(t, off) : NULL);
}

static LLVMBasicBlockRef block(Tiler *t, const char *name)
{
    return LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, name);
}

void tile_start(Tiler *t, const Tile *at, V *acc)
{
    LLVMBuilderRef b = t->e->b;
    int n = at->mr * at->nv;
    LLVMBasicBlockRef before, load, after;
    V zero = LLVMConstNull(vector(t, t->s->lanes)), c;

    for (int i = 0; i < n; i++)
        acc[i] = zero;
    if (!t->first)
        return;
    c = tile_operand(t, at, 'c');
    before = LLVMGetInsertBlock(b);
    load = block(t, "sofar");
    after = block(t, "sum");
    LLVMBuildCondBr(b, t->first, after, load);
    LLVMPositionBuilderAtEnd(b, load);
    for (int i = 0; i < n; i++)
        acc[i] = tile_load_part(t, place(t, c, i / at->nv, i % at->nv),
                                width_of(t, at, i % at->nv), t->s->lanes);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    for (int i = 0; i < n; i++) {
        V phi = LLVMBuildPhi(b, LLVMTypeOf(zero), "");

        LLVMAddIncoming(phi, (V[]){zero, acc[i]},
                        (LLVMBasicBlockRef[]){before, load}, 2);
        acc[i] = phi;
    }
}

/* --- ahead of time -------------------------------------------------------- */

enum { FAR_BYTES = 1 << 20 }; // of what will hardly be near

/* Is `b` read by the epilogue element by element, and large? */
static bool is_read_along(const Tiler *t, const Buffer *b)
{
    Val root = t->k->k->root, v = b->val;

    return v != t->k->k->core->src[0] && v != t->k->k->core->src[1] &&
           v->type.dt == t->dt && v->type.batched == root->type.batched &&
           shape_eq(v->type.shape, root->type.shape) && b->bytes >= FAR_BYTES;
}

static void fetch_tile(Tiler *t, const Tile *at, V base, Fetch how)
{
    V here = tile_gep(t, base, LLVMBuildSDiv(t->e->b, LLVMBuildSub(
                 t->e->b,
                 LLVMBuildPtrToInt(t->e->b, tile_operand(t, at, 'c'),
                                   t->e->i64, ""),
                 LLVMBuildPtrToInt(t->e->b, t->k->dst, t->e->i64, ""), ""),
                 tile_int(t, t->size), ""));

    for (int i = 0; i < at->mr; i++)
        for (int j = 0; j < at->nv; j++)
            tile_fetch(t, place(t, here, i, j), how);
}

void tile_foresee(Tiler *t, const Tile *at)
{
    const Kernel *k = t->k->k;
    LLVMBasicBlockRef last, after = NULL;

    if (k->dst->bytes < FAR_BYTES)
        return;
    if (t->last) {
        last = block(t, "last");
        after = block(t, "after");
        LLVMBuildCondBr(t->e->b, t->last, last, after);
        LLVMPositionBuilderAtEnd(t->e->b, last);
    }
    for (int i = 0; i < k->nread; i++)
        if (is_read_along(t, k->read[i]))
            fetch_tile(t, at, t->k->read[i], FETCH_READ);
    fetch_tile(t, at, t->k->dst, FETCH_WRITE);
    if (after) {
        LLVMBuildBr(t->e->b, after);
        LLVMPositionBuilderAtEnd(t->e->b, after);
    }
}

/* --- the epilogue --------------------------------------------------------- */

static int count_nodes(const Kernel *k, Val v, int most)
{
    int n = 1;

    if (v == k->core || most <= 0)
        return 0;
    for (int i = 0; i < k->nread; i++)
        if (k->read[i]->val == v)
            return 1;
    for (int i = 0; i < v->nsrc && n < most; i++)
        n += count_nodes(k, v->src[i], most - n);
    return n;
}

static void set_index(Tiler *t, At *at, const Axis *x, V i)
{
    const int64_t *dim = t->k->k->core->type.shape.dim;
    LLVMBuilderRef b = t->e->b;

    if (!i)
        i = tile_int(t, 0);
    if (!x->extent) {
        at->example = i;
        return;
    }
    if (x->step)
        i = tile_add(t, tile_scale(t, i, x->step), tile_int(t, x->start));
    for (int d = x->dim + x->ndim - 1; d > x->dim; d--) {
        at->i[d] = LLVMBuildSRem(b, i, tile_int(t, dim[d]), "");
        i = LLVMBuildSDiv(b, i, tile_int(t, dim[d]), "");
    }
    if (x->ndim)
        at->i[x->dim] = i;
}

/* The index of row m, column n of C. */
At tile_index(Tiler *t, V m, V n)
{
    At at = {.lanes = 1, .example = tile_int(t, 0)};

    for (int d = 0; d < RANK_MAX; d++)
        at.i[d] = tile_int(t, 0);
    for (int i = 0; i < t->c.nrow; i++)
        set_index(t, &at, &t->c.row[i], i == t->s->row ? m : t->row[i]);
    set_index(t, &at, &t->c.n, n);
    return at;
}

static void apply(Tiler *t, At at, V x)
{
    KernelEmit *k = t->k;

    k->core = x;
    x = emit_value(k, k->k->root, at);
    k->core = NULL;
    emit_store(k, k->k->root, at, x);
}

/* Lanes from .. from + n of x. */
static V part_of(Tiler *t, V x, int from, int n)
{
    V index[64];

    if (n == 1)
        return LLVMBuildExtractElement(
            t->e->b, x, LLVMConstInt(t->e->i32, (unsigned)from, 0), "");
    for (int i = 0; i < n; i++)
        index[i] = LLVMConstInt(t->e->i32, (unsigned)(from + i), 0);
    return LLVMBuildShuffleVector(t->e->b, x, LLVMGetPoison(LLVMTypeOf(x)),
                                  LLVMConstVector(index, (unsigned)n), "");
}

/* A vector of sums at row m, column n; of a part of one, powers of two. */
static void apply_vector(Tiler *t, V x, V m, V n, int width)
{
    int lanes = t->s->lanes;

    for (int from = 0, w = lanes; from < width; w /= 2)
        if (from + w <= width) {
            At at = tile_index(t, m, tile_add(t, n, tile_int(t, from)));

            at.lanes = w;
            apply(t, at, w == lanes ? x : part_of(t, x, from, w));
            from += w;
        }
}

static void apply_inline(Tiler *t, const Tile *at, V *acc)
{
    for (int i = 0; i < at->mr; i++)
        for (int j = 0; j < at->nv; j++) {
            V m = tile_add(t, at->m0, tile_int(t, i));
            V n = tile_add(t, at->n0, tile_int(t, (int64_t)j * t->s->lanes));

            apply_vector(t, acc[i * at->nv + j], m, n, width_of(t, at, j));
        }
}

static V staged(Tiler *t, const Tile *at, V i, V j)
{
    V x = tile_add(t, tile_scale(t, i, (int64_t)at->nv * t->s->lanes),
                   tile_scale(t, j, t->s->lanes));

    return tile_load_part(t, tile_gep(t, t->stage, x), t->s->lanes,
                          t->s->lanes);
}

static void apply_looping(Tiler *t, const Tile *at, V *acc)
{
    int full = at->width == t->s->lanes ? at->nv : at->nv - 1;
    V m, zero = tile_int(t, 0), last = tile_int(t, at->nv - 1);
    EmitLoop row, col;

    for (int i = 0; i < at->mr * at->nv; i++)
        store_part(t, acc[i],
                   tile_gep(t, t->stage, tile_int(t, i * t->s->lanes)),
                   t->s->lanes, t->s->lanes);
    row = emit_loop(t->e, t->k->fn, zero, tile_int(t, at->mr), 1, "row");
    row.unroll_off = true;
    m = tile_add(t, at->m0, row.i);
    if (full) {
        col = emit_loop(t->e, t->k->fn, zero, tile_int(t, full), 1, "col");
        col.unroll_off = true;
        apply_vector(t, staged(t, at, row.i, col.i), m,
                     tile_add(t, at->n0, tile_scale(t, col.i, t->s->lanes)),
                     t->s->lanes);
        emit_loop_end(t->e, &col);
    }
    if (full < at->nv)
        apply_vector(t, staged(t, at, row.i, last), m,
                     tile_add(t, at->n0, tile_scale(t, last, t->s->lanes)),
                     at->width);
    emit_loop_end(t->e, &row);
}

static void store_sums(Tiler *t, const Tile *at, V *acc)
{
    V c = tile_operand(t, at, 'c');

    for (int i = 0; i < at->mr; i++)
        for (int j = 0; j < at->nv; j++)
            store_part(t, acc[i * at->nv + j], place(t, c, i, j),
                       width_of(t, at, j), t->s->lanes);
}

void tile_store(Tiler *t, const Tile *at, V *acc)
{
    const Kernel *k = t->k->k;
    LLVMBasicBlockRef sums, done, after = NULL;
    LLVMBuilderRef b = t->e->b;

    if (k->core == k->root) {
        store_sums(t, at, acc);
        return;
    }
    if (t->last) {
        sums = block(t, "sums");
        done = block(t, "done");
        after = block(t, "after");
        LLVMBuildCondBr(b, t->last, done, sums);
        LLVMPositionBuilderAtEnd(b, sums);
        store_sums(t, at, acc);
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, done);
    }
    if (count_nodes(k, k->root, SHORT_EPILOGUE + 1) <= SHORT_EPILOGUE)
        apply_inline(t, at, acc);
    else
        apply_looping(t, at, acc);
    if (after) {
        LLVMBuildBr(b, after);
        LLVMPositionBuilderAtEnd(b, after);
    }
}

bool tile_rows_are_lanes(Tiler *t)
{
    const Axis *row = t->s->row >= 0 ? &t->c.row[t->s->row] : NULL;

    return row && row->c == 1 && row->ndim == 1 &&
           row->dim == emit_lane_dim(t->k->k->core->type.shape);
}

void tile_store_lanes(Tiler *t, V m, V n, V x, int lanes)
{
    At at = tile_index(t, m, n);

    at.lanes = lanes;
    apply(t, at, x);
}
