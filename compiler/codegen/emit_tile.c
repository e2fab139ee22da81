/*
 * emit_tile.c -- one register tile, FORM_OUTER.
 *
 *     acc[i][j] += A[m0 + i, k] * B[k, n0 + j lanes ..]
 *
 * The accumulators are values of the loops, so they live in registers; A is
 * broadcast from where it lies; B is loaded as vectors, in place or packed.
 */
#include "codegen/tile.h"

typedef struct Walk { // what one tile sums over, and how
    Tiler *t;
    const Tile *at;
    int n;                     // axes
    Range range[AXIS_MAX];
    int axis[AXIS_MAX];        // which of the contraction's
    bool edge[AXIS_MAX];       // each place counts for some rows only
    int64_t a[AXIS_MAX], b[AXIS_MAX]; // steps
    int lo, hi;                // rows that the step counts for
    V acc[ACC_MAX];
} Walk;

static V opaque(Tiler *t, V p)
{
    LLVMTypeRef ft = LLVMFunctionType(t->e->ptr, &t->e->ptr, 1, 0);
    V code = LLVMGetInlineAsm(ft, "", 0, "=r,0", 4, 0, 0,
                              LLVMInlineAsmDialectATT, 0);

    return LLVMBuildCall2(t->e->b, ft, code, &p, 1, "");
}

static V load_b(Walk *w, V p, int j)
{
    Tiler *t = w->t;
    int lanes = t->s->lanes;
    bool part = j == w->at->nv - 1 && !t->pack && !t->c.panel;

    p = tile_gep(t, p, tile_int(t, (int64_t)j * lanes));
    return tile_load_part(t, p, part ? w->at->width : lanes, lanes);
}

/* One step of the innermost axis: the product of a column of A and a row of
 * B, `u` steps from a and b. */
static void step(Walk *w, V a, V b, int64_t u)
{
    Tiler *t = w->t;
    int q = w->n - 1, lanes = t->s->lanes, nv = w->at->nv;
    int64_t da = w->n ? w->a[q] * u : 0, db = w->n ? w->b[q] * u : 0;
    int64_t row = t->s->row >= 0 ? t->c.row[t->s->row].a : 0;
    V vec[8], x;

    // Taps that overlap from row to row: without this the compiler would keep
    // each broadcast for the next row and run out of registers.
    if (w->n && w->at->mr > 1 && row <= w->a[q] * t->s->unroll)
        a = opaque(t, a);
    for (int j = 0; j < nv; j++)
        vec[j] = load_b(w, tile_gep(t, b, db ? tile_int(t, db) : NULL), j);
    for (int i = w->lo; i < w->hi; i++) {
        int64_t at = da + row * i;

        x = LLVMBuildLoad2(t->e->b, t->elem,
                           tile_gep(t, a, at ? tile_int(t, at) : NULL), "");
        x = emit_splat(t->e, x, lanes);
        for (int j = 0; j < nv; j++)
            w->acc[i * nv + j] = tile_multiply_add(t, x, vec[j],
                                                   w->acc[i * nv + j]);
    }
}

static int naccs(const Walk *w)
{
    return w->at->mr * w->at->nv;
}

static EmitLoop open_loop(Walk *w, V from, V to, int64_t by, const char *name)
{
    EmitLoop l = emit_loop(w->t->e, w->t->k->fn, from, to, by, name);

    l.unroll_off = true;
    for (int i = 0; i < naccs(w); i++)
        w->acc[i] = emit_loop_carry(w->t->e, &l, w->acc[i]);
    return l;
}

static void close_loop(Walk *w, EmitLoop *l)
{
    for (int i = 0; i < naccs(w); i++)
        emit_loop_next(l, i, w->acc[i]);
    emit_loop_end(w->t->e, l);
    for (int i = 0; i < naccs(w); i++)
        w->acc[i] = l->carry[i];
}

static V moved(Walk *w, V p, V i, int64_t stride)
{
    return tile_gep(w->t, p, tile_scale(w->t, i, stride));
}

static void steps(Walk *w, V a, V b, V from, V to, int64_t by)
{
    int q = w->n - 1;
    EmitLoop l = open_loop(w, from, to, by, "k");
    V pa = moved(w, a, l.i, w->a[q]), pb = moved(w, b, l.i, w->b[q]);

    for (int64_t u = 0; u < by; u++)
        step(w, pa, pb, u);
    close_loop(w, &l);
}

static void innermost(Walk *w, V a, V b)
{
    Tiler *t = w->t;
    int64_t u = t->s->unroll > 0 ? t->s->unroll : 1, len;
    V zero = tile_int(t, 0);

    if (!w->n) {
        step(w, a, b, 0);
        return;
    }
    len = w->range[w->n - 1].len;
    if (!len) {
        V n = w->range[w->n - 1].run_len;
        V rest = LLVMBuildSRem(t->e->b, n, tile_int(t, u), "");
        V main = LLVMBuildSub(t->e->b, n, rest, "");

        steps(w, a, b, zero, main, u);
        if (u > 1)
            steps(w, a, b, main, n, 1);
        return;
    }
    if (len > u)
        steps(w, a, b, zero, tile_int(t, len / u * u), u);
    for (int64_t i = len > u ? len / u * u : 0; i < len; i++)
        step(w, a, b, i);
}

static void axes(Walk *w, int q, V a, V b);

/* Place `k` of edge axis q, or the places k .. k + n by a loop. */
static void edge_places(Walk *w, int q, V a, V b, int64_t k, int64_t n)
{
    EmitLoop l;
    V i = tile_int(w->t, k);

    if (q == w->n - 1) {
        for (int64_t u = 0; u < n; u++) {
            i = tile_int(w->t, k + u);
            step(w, moved(w, a, i, w->a[q]), moved(w, b, i, w->b[q]), 0);
        }
    } else if (n == 1) {
        axes(w, q + 1, moved(w, a, i, w->a[q]), moved(w, b, i, w->b[q]));
    } else {
        l = open_loop(w, i, tile_int(w->t, k + n), 1, "q");
        axes(w, q + 1, moved(w, a, l.i, w->a[q]), moved(w, b, l.i, w->b[q]));
        close_loop(w, &l);
    }
}

/* Neighbours that count for the same rows are taken together. */
static void edge_axis(Walk *w, int q, V a, V b)
{
    int64_t first = window_number(w->range[q].from), n = w->range[q].len, run;

    for (int64_t k = 0; k < n; k += run) {
        int lo, hi;

        window_rows(w->t, w->at, w->axis[q], first + k, &w->lo, &w->hi);
        for (run = 1; k + run < n; run++) {
            window_rows(w->t, w->at, w->axis[q], first + k + run, &lo, &hi);
            if (lo != w->lo || hi != w->hi)
                break;
        }
        if (w->lo < w->hi)
            edge_places(w, q, a, b, k, run);
    }
    w->lo = 0;
    w->hi = w->at->mr;
}

static void axes(Walk *w, int q, V a, V b)
{
    EmitLoop l;

    if (q < w->n && w->edge[q]) {
        edge_axis(w, q, a, b);
        return;
    }
    if (q >= w->n - 1) {
        innermost(w, a, b);
        return;
    }
    l = open_loop(w, tile_int(w->t, 0),
                  w->range[q].len ? tile_int(w->t, w->range[q].len)
                                  : w->range[q].run_len, 1, "q");
    axes(w, q + 1, moved(w, a, l.i, w->a[q]), moved(w, b, l.i, w->b[q]));
    close_loop(w, &l);
}

/* The part of the block's range of axis q that lies inside, and the operands
 * moved to its beginning. */
static Range inside(Walk *w, int q, V *a, V *b)
{
    Tiler *t = w->t;
    LLVMBuilderRef bb = t->e->b;
    Range r = t->range[q];
    V from = r.from ? r.from : tile_int(t, 0), to, skip;
    Limits in = window_limits(t, q);

    to = tile_add(t, from, r.len ? tile_int(t, r.len) : r.run_len);
    to = emit_smaller(t->e, to, in.to);
    in.from = emit_larger(t->e, from, in.from);
    skip = LLVMBuildNSWSub(bb, in.from, from, "");
    *a = moved(w, *a, skip, t->c.k[q].a);
    // A packed block has but one place of axes before the blocked one.
    if (!t->pack || q >= t->s->kb)
        *b = moved(w, *b, skip,
                   t->pack ? tile_packed_step(t, w->at, q) : t->c.k[q].b);
    return (Range){.from = in.from,
                   .run_len = LLVMBuildNSWSub(bb, to, in.from, "")};
}

/* The block's parts (schedule.apart) one after another, each summed by itself
 * and then added. */
static void axes_apart(Walk *w, V a, V b)
{
    Tiler *t = w->t;
    int64_t each = t->c.k[0].extent / ALONG_LANES;
    V zero = LLVMConstNull(emit_type(t->e, t->dt, t->s->lanes));
    EmitLoop l = open_loop(w, tile_int(t, 0),
                           tile_int(t, w->range[0].len / each), 1, "part");
    V so_far[ACC_MAX];

    for (int i = 0; i < naccs(w); i++) {
        so_far[i] = w->acc[i];
        w->acc[i] = zero;
    }
    w->range[0].len = each;
    innermost(w, moved(w, a, l.i, each * w->a[0]),
              moved(w, b, l.i, each * w->b[0]));
    for (int i = 0; i < naccs(w); i++)
        w->acc[i] = LLVMBuildFAdd(t->e->b, so_far[i], w->acc[i], "");
    close_loop(w, &l);
}

void tile_outer(Tiler *t, const Tile *at)
{
    Walk w = {.t = t, .at = at, .hi = at->mr};
    V a = tile_operand(t, at, 'a');
    V b = t->pack ? t->pack : tile_operand(t, at, 'b');

    for (int q = 0; q < t->c.nk; q++) {
        int row = window_row(t, q);
        bool tiled = row >= 0 && row == t->s->row;

        w.edge[w.n] = tiled && at->edge;
        w.range[w.n] = t->range[q];
        if (row >= 0 && !tiled)
            w.range[w.n] = inside(&w, q, &a, &b);
        else if (t->range[q].len == 1 && !w.edge[w.n])
            continue;
        w.axis[w.n] = q;
        w.a[w.n] = t->c.k[q].a;
        w.b[w.n++] = t->pack ? tile_packed_step(t, at, q) : t->c.k[q].b;
    }
    tile_foresee(t, at);
    if (t->pack)
        tile_foresee_panel(t, at);
    tile_start(t, at, w.acc);
    if (t->s->apart)
        axes_apart(&w, a, b);
    else if (!t->c.empty)
        axes(&w, 0, a, b);
    tile_store(t, at, w.acc);
}
