/*
 * emit_inner.c -- one register tile, FORM_INNER.
 *
 *     acc[i][j] += A[m0 + i, k .. k + lanes) * B[n0 + j, k .. k + lanes)
 *
 * and at the end the lanes of each are summed, neighbours first. The tree of
 * that sum is the same however many rows are summed together.
 */
#include "codegen/tile.h"

typedef struct Walk {
    Tiler *t;
    const Tile *at;
    V acc[ACC_MAX];
} Walk;

static Axis row_axis(const Tiler *t)
{
    return t->s->row >= 0 ? t->c.row[t->s->row] : (Axis){.extent = 1};
}

static V load(Tiler *t, V p, int64_t off, int width)
{
    return tile_load_part(t, tile_gep(t, p, off ? tile_int(t, off) : NULL),
                          width, t->s->lanes);
}

/* One vector step at a and b, `width` lanes of it. */
static void step(Walk *w, V a, V b, int width)
{
    Tiler *t = w->t;
    Axis row = row_axis(t);
    V y[ACC_MAX], x;

    for (int j = 0; j < w->at->nv && !row.b; j++)
        y[j] = load(t, b, j * t->c.n.b, width);
    for (int i = 0; i < w->at->mr; i++) {
        x = load(t, a, i * row.a, width);
        for (int j = 0; j < w->at->nv; j++) {
            V *acc = &w->acc[i * w->at->nv + j];

            if (row.b)
                y[j] = load(t, b, j * t->c.n.b + i * row.b, width);
            *acc = tile_multiply_add(t, x, y[j], *acc);
        }
    }
}

static EmitLoop open_loop(Walk *w, V to, int64_t by)
{
    EmitLoop l = emit_loop(w->t->e, w->t->k->fn, tile_int(w->t, 0), to, by,
                           "k");

    l.unroll_off = true;
    for (int i = 0; i < w->at->mr * w->at->nv; i++)
        w->acc[i] = emit_loop_carry(w->t->e, &l, w->acc[i]);
    return l;
}

static void close_loop(Walk *w, EmitLoop *l)
{
    int n = w->at->mr * w->at->nv;

    for (int i = 0; i < n; i++)
        emit_loop_next(l, i, w->acc[i]);
    emit_loop_end(w->t->e, l);
    for (int i = 0; i < n; i++)
        w->acc[i] = l->carry[i];
}

static V moved(Walk *w, V p, V i, int64_t stride)
{
    return tile_gep(w->t, p, tile_scale(w->t, i, stride));
}

static void axes(Walk *w, int q, V a, V b)
{
    Tiler *t = w->t;
    bool last = q >= t->c.nk - 1;
    int64_t len = q < t->c.nk ? t->range[q].len : 1, by = 1;
    Axis k = q < t->c.nk ? t->c.k[q] : (Axis){.extent = 1, .a = 1, .b = 1};
    EmitLoop l;

    if (last)
        by = t->s->lanes;
    if (!len || len >= by) {
        V to = len ? tile_int(t, len / by * by) : t->range[q].run_len;

        l = open_loop(w, to, by);
        if (last)
            step(w, moved(w, a, l.i, k.a), moved(w, b, l.i, k.b),
                 t->s->lanes);
        else
            axes(w, q + 1, moved(w, a, l.i, k.a), moved(w, b, l.i, k.b));
        close_loop(w, &l);
    }
    if (len % by) {
        int64_t done = len / by * by;

        step(w, moved(w, a, tile_int(t, done), k.a),
             moved(w, b, tile_int(t, done), k.b), (int)(len % by));
    }
}

/* Every second lane of (x, y) from `odd`, `n` of them. */
static V lanes_of(Tiler *t, V x, V y, int odd, int n)
{
    V index[64];

    for (int i = 0; i < n; i++)
        index[i] = LLVMConstInt(t->e->i32, (unsigned)(2 * i + odd), 0);
    return LLVMBuildShuffleVector(t->e->b, x, y,
                                  LLVMConstVector(index, (unsigned)n), "");
}

static V pair_sums(Tiler *t, V x, V y, int n)
{
    return LLVMBuildFAdd(t->e->b, lanes_of(t, x, y, 0, n),
                         lanes_of(t, x, y, 1, n), "");
}

/* The sums over the lanes of x[0 .. n), n a power of two up to the lanes, as
 * one vector (n = 1: a scalar). */
static V lane_sums(Tiler *t, V *x, int n)
{
    int lanes = t->s->lanes, rows = n;
    V y[ACC_MAX] = {NULL}, zero = LLVMConstInt(t->e->i32, 0, 0);

    if (lanes == 1)
        return x[0];
    for (int i = 0; i < n; i++)
        y[i] = x[i];
    for (; rows > 1; rows /= 2)
        for (int i = 0; i < rows / 2; i++)
            y[i] = pair_sums(t, y[2 * i], y[2 * i + 1], lanes);
    for (int w = lanes; w > n; w /= 2)
        y[0] = pair_sums(t, y[0], LLVMGetPoison(LLVMTypeOf(y[0])), w / 2);
    return n > 1 ? y[0] : LLVMBuildExtractElement(t->e->b, y[0], zero, "");
}

static void store_column(Walk *w, int j)
{
    Tiler *t = w->t;
    int mr = w->at->mr, most = tile_rows_are_lanes(t) ? t->s->lanes : 1;
    V n = tile_add(t, w->at->n0, j ? tile_int(t, j) : NULL), x[ACC_MAX];

    for (int i = 0; i < mr;) {
        int chunk = most;

        while (chunk > mr - i)
            chunk /= 2;
        for (int r = 0; r < chunk; r++)
            x[r] = w->acc[(i + r) * w->at->nv + j];
        tile_store_lanes(t, tile_add(t, w->at->m0, tile_int(t, i)), n,
                         lane_sums(t, x, chunk), chunk);
        i += chunk;
    }
}

void tile_inner(Tiler *t, const Tile *at)
{
    Walk w = {.t = t, .at = at};
    V a = tile_operand(t, at, 'a'), b = tile_operand(t, at, 'b');

    for (int i = 0; i < at->mr * at->nv; i++)
        w.acc[i] = LLVMConstNull(emit_type(t->e, t->dt, t->s->lanes));
    axes(&w, 0, a, b);
    for (int j = 0; j < at->nv; j++)
        store_column(&w, j);
}
