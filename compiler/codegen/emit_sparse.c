/*
 * emit_sparse.c -- one example whose row of A holds many zeros, FORM_OUTER.
 *
 *     list = the k with A[k] != 0, ascending
 *     acc[j] += A[k] * B[k, n0 + j lanes ..]   for k in list
 *
 * A batch of one reads each weight once, so the weights' way from the third
 * cache is what takes time, and rows of B for which an activation is zero
 * (after relu, where a gradient is masked) need not come at all. The order of
 * the sum is that of the other tiles, and for finite weights adding 0 b
 * changes nothing, so the bits are the same.
 *
 * The hardware foresees no rows in no regular order, and a core has few
 * requests of the first cache under way at a time (24 lines on Zen 4: 27 GB/s
 * where a plain stream brings 80). So rows are asked into the second cache far
 * ahead and into the first a little ahead, and PANELS panels go through the
 * list together: 1.2 to 1.7 times as fast as one panel fetched 16 rows ahead.
 * All of the reduction is one block: a list that starts anew every hundred
 * rows has nothing to fetch ahead for most of the time. For the same reason the
 * list goes on past its end with its beginning, PANELS panels further.
 */
#include "codegen/tile.h"

#include <string.h>

enum {
    NEAR = 8,   // rows ahead in the first cache,
    FAR = 48,   // in the second
    PANELS = 4  // together
};

static LLVMTypeRef index_type(Tiler *t)
{
    return t->e->i32;
}

static V slot(Tiler *t, V i)
{
    return LLVMBuildInBoundsGEP2(t->e->b, index_type(t), t->list, &i, 1, "");
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

/* How many rows after a row of one panel the same row of the next one comes. */
static int64_t panel_rows(const Tiler *t)
{
    int64_t columns = (int64_t)t->s->nr * t->s->lanes;

    return t->c.panel ? t->c.n.b * columns / t->c.k[0].b : 0;
}

/* Writes the list of elements 0 .. len; its length. */
static V list_of(Tiler *t, V a, V len, const Axis *x)
{
    LLVMBuilderRef b = t->e->b;
    unsigned id = x->a == 1 ? compress_id(t) : 0;
    V zero = tile_int(t, 0), n = zero, done = zero, k;
    V next = LLVMConstInt(index_type(t), (uint64_t)(PANELS * panel_rows(t)),
                          0);

    if (id) {
        done = LLVMBuildAnd(b, len, tile_int(t, -16), "");
        n = list_wide(t, a, zero, done, n, id);
    }
    n = list_narrow(t, a, done, len, n, x);
    for (int i = 0; i < FAR; i++) {
        k = LLVMBuildLoad2(b, index_type(t), slot(t, tile_int(t, i)), "");
        LLVMBuildStore(b, LLVMBuildAdd(b, k, next, ""),
                       slot(t, tile_add(t, n, tile_int(t, i))));
    }
    return n;
}

/* Row number i of the list, in the panel at w. */
static V row_of(Tiler *t, V w, V i, const Axis *x)
{
    V k = LLVMBuildLoad2(t->e->b, index_type(t), slot(t, i), "");

    k = LLVMBuildZExt(t->e->b, k, t->e->i64, "");
    return tile_gep(t, w, tile_scale(t, k, x->b));
}

static void fetch_row(Tiler *t, V row, int bytes, Fetch how)
{
    for (int at = 0; at < bytes; at += 64)
        tile_fetch(t, tile_gep(t, row, tile_int(t, at / t->size)), how);
}

/* One step of the list, for the panels at w. */
static void add_row(Tiler *t, const Tile *at, int n, const V *w, V a,
                    EmitLoop *l, V *acc)
{
    LLVMBuilderRef b = t->e->b;
    const Axis *x = &t->c.k[0];
    int lanes = t->s->lanes, bytes = at->nv * lanes * t->size;
    V near = tile_add(t, l->i, tile_int(t, NEAR));
    V far = tile_add(t, l->i, tile_int(t, FAR)), k, y;

    for (int p = 0; p < n; p++) {
        fetch_row(t, row_of(t, w[p], near, x), bytes, FETCH_READ);
        fetch_row(t, row_of(t, w[p], far, x), bytes, FETCH_SECOND);
    }
    k = LLVMBuildLoad2(b, index_type(t), slot(t, l->i), "");
    k = LLVMBuildZExt(b, k, t->e->i64, "");
    y = emit_splat(t->e, load_a(t, a, k, x), lanes);
    for (int p = 0; p < n; p++) {
        V row = row_of(t, w[p], l->i, x);

        for (int j = 0; j < at->nv; j++) {
            V v = tile_load_part(t, tile_gep(t, row, tile_int(t, j * lanes)),
                                 lanes, lanes);
            int i = p * at->nv + j;

            emit_loop_next(l, i, tile_multiply_add(t, y, v, acc[i]));
        }
    }
}

/* n panels from `first` on, `columns` apart, each as wide as `at`. */
static void sum_panels(Tiler *t, Tile at, V first, int n, int64_t columns)
{
    V w[PANELS], acc[PANELS * ACC_MAX], a;
    EmitLoop l;

    for (int p = 0; p < n; p++) {
        at.n0 = tile_scale(t, tile_add(t, first, tile_int(t, p)), columns);
        w[p] = tile_operand(t, &at, 'b');
        tile_start(t, &at, acc + p * at.nv);
    }
    a = tile_operand(t, &at, 'a');
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0), t->list_length, 1, "k");
    for (int i = 0; i < n * at.nv; i++)
        acc[i] = emit_loop_carry(t->e, &l, acc[i]);
    add_row(t, &at, n, w, a, &l, acc);
    emit_loop_end(t->e, &l);
    for (int p = 0; p < n; p++) {
        at.n0 = tile_scale(t, tile_add(t, first, tile_int(t, p)), columns);
        tile_store(t, &at, l.carry + p * at.nv);
    }
}

/* Panels [from, to), n at a time; where they end. */
static V panels_by(Tiler *t, Tile at, int n, V from, V to, int64_t columns)
{
    V left = LLVMBuildSub(t->e->b, to, from, ""), groups;
    EmitLoop l;

    groups = LLVMBuildSDiv(t->e->b, left, tile_int(t, n), "");
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0), groups, 1, "panels");
    sum_panels(t, at, tile_add(t, from, tile_scale(t, l.i, n)), n, columns);
    emit_loop_end(t->e, &l);
    return tile_add(t, from, tile_scale(t, groups, n));
}

void tile_one_row(Tiler *t)
{
    int64_t columns = (int64_t)t->s->nr * t->s->lanes;
    int64_t full = t->c.n.extent / columns, rest = t->c.n.extent % columns;
    bool tasks = t->k->k->tasks > 0;
    V from = tasks ? t->k->lo : tile_int(t, 0);
    V to = tasks ? t->k->hi : tile_int(t, full + (rest != 0));
    V whole = emit_smaller(t->e, to, tile_int(t, full));
    Tile at = {.mr = 1, .nv = t->s->nr, .width = t->s->lanes};

    t->range[0] = (Range){.len = t->c.k[0].extent};
    t->list_length = list_of(t, tile_operand(t, &at, 'a'),
                             tile_int(t, t->c.k[0].extent), &t->c.k[0]);
    for (int n = PANELS; n; n /= 2)
        from = panels_by(t, at, n, from, whole, columns);
    if (rest) {
        at.nv = (int)((rest + t->s->lanes - 1) / t->s->lanes);
        at.width = (int)(rest - (int64_t)(at.nv - 1) * t->s->lanes);
        panels_by(t, at, 1, tile_int(t, full), to, columns);
    }
    t->range[0] = (Range){0};
}

int64_t tile_list_room(const Tiler *t)
{
    return (t->c.k[0].extent + FAR + 15) / 16 * 16;
}
