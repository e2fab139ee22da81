/*
 * emit_pack.c -- a block of B as rows of one panel's width.
 *
 *     pack[k][0 .. nv lanes) = B[from + k, n0 ..]
 *
 * Rows contiguous along n are copied. A B contiguous along k is transposed
 * square by square in registers: log2(lanes) rounds in which vectors swap
 * halves, quarters, ... with the vector that many rows below. Columns beyond
 * the panel's width stay undefined; their sums are never stored.
 */
#include "codegen/tile.h"

typedef struct Block {
    Tiler *t;
    const Tile *at;
    V b;        // first element of the block
    V pack;     // and its place
    Axis k;     // the last reduction axis
    int64_t len; // 0: run_len
    V run_len;
    int width;  // elements of a packed row
    int columns; // valid ones
} Block;

static V packed_row(Block *p, V k, int64_t off)
{
    Tiler *t = p->t;
    V x = tile_scale(t, k, p->width);

    return tile_gep(t, p->pack, tile_add(t, x, tile_int(t, off)));
}

static V end_of(Block *p)
{
    return p->len ? tile_int(p->t, p->len) : p->run_len;
}

static void copy_rows(Block *p)
{
    Tiler *t = p->t;
    int lanes = t->s->lanes;
    EmitLoop l = emit_loop(t->e, t->k->fn, tile_int(t, 0), end_of(p), 1,
                           "copy");
    V from = tile_gep(t, p->b, tile_scale(t, l.i, p->k.b));

    for (int j = 0; j < p->at->nv; j++) {
        int w = j == p->at->nv - 1 ? p->at->width : lanes;
        V x = tile_load_part(t, tile_gep(t, from, tile_int(t, j * lanes)), w,
                             lanes);
        V st = LLVMBuildStore(t->e->b, x,
                              packed_row(p, l.i, (int64_t)j * lanes));

        LLVMSetAlignment(st, (unsigned)(lanes * t->size));
    }
    emit_loop_end(t->e, &l);
}

/* Elements [from, to) of k, one by one. */
static void copy_elements(Block *p, V from, V to)
{
    Tiler *t = p->t;
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, 1, "k");
    EmitLoop m = emit_loop(t->e, t->k->fn, tile_int(t, 0),
                           tile_int(t, p->columns), 1, "n");
    V at = tile_add(t, tile_scale(t, l.i, p->k.b),
                    tile_scale(t, m.i, t->c.n.b));
    V x = LLVMBuildLoad2(t->e->b, t->elem, tile_gep(t, p->b, at), "");

    LLVMBuildStore(t->e->b, x,
                   tile_gep(t, packed_row(p, l.i, 0), m.i));
    emit_loop_end(t->e, &m);
    emit_loop_end(t->e, &l);
}

/* lanes columns from column j, lanes steps of k from `k`. */
static void transpose_square(Block *p, V k, int j)
{
    Tiler *t = p->t;
    int n = t->s->lanes;
    V x[64], at;

    for (int i = 0; i < n; i++) {
        if (j + i >= p->columns) {
            x[i] = LLVMConstNull(emit_type(t->e, t->dt, n));
            continue;
        }
        at = tile_add(t, k, tile_int(t, (j + i) * t->c.n.b));
        x[i] = tile_load_part(t, tile_gep(t, p->b, at), n, n);
    }
    emit_square(t->e, x, n);
    for (int i = 0; i < n; i++) {
        V st = LLVMBuildStore(
            t->e->b, x[i],
            packed_row(p, tile_add(t, k, tile_int(t, i)), j));

        LLVMSetAlignment(st, (unsigned)(n * t->size));
    }
}

static void transpose_block(Block *p)
{
    Tiler *t = p->t;
    int lanes = t->s->lanes;
    V rest = LLVMBuildSRem(t->e->b, end_of(p), tile_int(t, lanes), "");
    V main = LLVMBuildSub(t->e->b, end_of(p), rest, "");
    EmitLoop l;

    if (lanes == 1 || lanes > 64) {
        copy_elements(p, tile_int(t, 0), end_of(p));
        return;
    }
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0), main, lanes, "square");
    for (int j = 0; j < p->columns; j += lanes)
        transpose_square(p, l.i, j);
    emit_loop_end(t->e, &l);
    if (!p->len || p->len % lanes)
        copy_elements(p, main, end_of(p));
}

int64_t tile_packed_step(const Tiler *t, const Tile *at, int q)
{
    int64_t step = at->nv * t->s->lanes;

    while (++q < t->c.nk)
        step *= t->c.k[q].extent;
    return step;
}

static void pack_last(Block *p)
{
    if (p->t->s->pack == PACK_COPY)
        copy_rows(p);
    else if (p->t->s->pack == PACK_TRANSPOSE)
        transpose_block(p);
    else
        copy_elements(p, tile_int(p->t, 0), end_of(p));
}

/* Axes from q on, of which all but the last are loops around it. */
static void pack_axes(Block *p, int q)
{
    Tiler *t = p->t;
    V b = p->b, pack = p->pack;
    Range r;
    EmitLoop l;

    if (q >= t->c.nk - 1) {
        pack_last(p);
        return;
    }
    r = t->range[q];
    l = emit_loop(t->e, t->k->fn, tile_int(t, 0),
                  r.len ? tile_int(t, r.len) : r.run_len, 1, "axis");
    p->b = tile_gep(t, b, tile_scale(t, l.i, t->c.k[q].b));
    p->pack = tile_gep(t, pack,
                       tile_scale(t, l.i, tile_packed_step(t, p->at, q)));
    pack_axes(p, q + 1);
    emit_loop_end(t->e, &l);
}

enum { FAR_BYTES = 1 << 20 }; // of a B that is not near

/* Rows of the panel as they lie in B, each of `bytes`, `step` apart. */
typedef struct Lines {
    int64_t rows, step, bytes;
} Lines;

static Lines lines_of(const Tiler *t, const Tile *at, const Axis *k,
                      int64_t len)
{
    int64_t columns = (int64_t)at->nv * t->s->lanes;

    if (t->s->pack == PACK_COPY)
        return (Lines){len, k->b, columns * t->size};
    return (Lines){columns, t->c.n.b, len * t->size};
}

void tile_foresee_panel(Tiler *t, const Tile *at)
{
    LLVMBuilderRef b = t->e->b;
    int q = t->c.nk - 1, r = t->s->row;
    int64_t len = q < 0 ? 1 : t->range[q].len ? t->range[q].len : t->s->kc;
    Tile next = *at;
    V all, from, to, base, row;
    Lines l;
    EmitLoop loop;

    if (q != t->s->kb || t->s->pack == PACK_GATHER || r < 0 || !at->m0 ||
        shape_size(t->c.b->type.shape) * t->size < FAR_BYTES)
        return;
    l = lines_of(t, at, &t->c.k[q], len);
    next.m0 = NULL;
    next.n0 = tile_add(t, at->n0,
                       tile_int(t, (int64_t)at->nv * t->s->lanes));
    base = tile_operand(t, &next, 'b');
    all = t->c.row[r].extent ? tile_int(t, t->c.row[r].extent) : t->k->n;
    from = LLVMBuildSDiv(b, tile_scale(t, at->m0, l.rows), all, "");
    to = tile_scale(t, tile_add(t, at->m0, tile_int(t, at->mr)), l.rows);
    to = LLVMBuildSDiv(b, to, all, "");
    loop = emit_loop(t->e, t->k->fn, from, to, 1, "foresee");
    loop.unroll_off = true;
    row = tile_gep(t, base, tile_scale(t, loop.i, l.step));
    for (int64_t i = 0; i < l.bytes; i += 64)
        tile_fetch(t, tile_gep(t, row, tile_int(t, i / t->size)),
                   FETCH_SECOND);
    emit_loop_end(t->e, &loop);
}

void tile_pack(Tiler *t, const Tile *at)
{
    int q = t->c.nk - 1, lanes = t->s->lanes;
    Block p = {.t = t, .at = at, .width = at->nv * lanes, .pack = t->pack};
    Tile first = *at;

    // Rows do not move B in a block that is shared by them.
    first.m0 = NULL;
    p.b = tile_operand(t, &first, 'b');
    p.columns = (at->nv - 1) * lanes + at->width;
    p.len = 1;
    if (q >= 0) {
        p.k = t->c.k[q];
        p.len = t->range[q].len;
        p.run_len = t->range[q].run_len;
    }
    pack_axes(&p, t->s->kb);
}
