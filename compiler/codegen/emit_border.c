/*
 * emit_border.c -- the places of a window that lie inside A.
 *
 * A row axis i and a reduction axis k of one window (contract.c) count where
 *
 *     0 <= row i + k - pad < size        (rows of taps: i + row k - pad)
 *
 * Where the rows stand still while a tile sums, that is a range of k, known
 * when running. Where they are the rows of the tile, each k has the range of
 * rows it counts for: tiles at the edge have code of their own for each.
 */
#include "codegen/tile.h"

int window_row(const Tiler *t, int q)
{
    for (int i = 0; t->c.k[q].win && i < t->c.nrow; i++)
        if (t->c.row[i].win == t->c.k[q].win)
            return i;
    return -1;
}

static V at_least(Tiler *t, V x, int64_t least)
{
    LLVMBuilderRef b = t->e->b;
    V c = tile_int(t, least);

    return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGT, x, c, ""), x, c,
                           "");
}

/* x / n rounded up, where a negative x may give anything up to 0. */
static V divided_up(Tiler *t, V x, int64_t n)
{
    if (n == 1)
        return x;
    x = tile_add(t, x, tile_int(t, n - 1));
    return LLVMBuildSDiv(t->e->b, x, tile_int(t, n), "");
}

Limits window_limits(Tiler *t, int q)
{
    const Axis *k = &t->c.k[q];
    const Bounds *w = &t->c.win[k->win - 1];
    V i = t->row[window_row(t, q)], x;
    int64_t by = w->rows_are_taps ? w->row : 1;
    Limits l;

    if (!i)
        i = tile_int(t, 0);
    i = w->rows_are_taps ? i : tile_scale(t, i, w->row);
    x = LLVMBuildNSWSub(t->e->b, tile_int(t, w->pad), i, "");
    l.from = at_least(t, divided_up(t, x, by), 0);
    x = divided_up(t, tile_add(t, x, tile_int(t, w->size)), by);
    l.to = emit_smaller(t->e, x, tile_int(t, k->extent));
    return l;
}

int64_t window_number(V x)
{
    if (x && !LLVMIsAConstantInt(x))
        internal_error("the place of a tile at the edge is not known");
    return x ? LLVMConstIntGetSExtValue(x) : 0;
}

void window_rows(Tiler *t, const Tile *at, int q, int64_t k, int *lo, int *hi)
{
    const Bounds *w = &t->c.win[t->c.k[q].win - 1];
    int64_t m0 = window_number(at->m0);

    *lo = at->mr;
    *hi = 0;
    for (int m = 0; m < at->mr; m++) {
        int64_t x = w->row * (m0 + m) + k - w->pad;

        if (x < 0 || x >= w->size)
            continue;
        *lo = m < *lo ? m : *lo;
        *hi = m + 1;
    }
}

bool window_is_edge(const Tiler *t, int64_t m0, int mr)
{
    for (int q = 0; t->s->row >= 0 && q < t->c.nk; q++) {
        const Axis *k = &t->c.k[q];
        const Bounds *w;

        if (window_row(t, q) != t->s->row)
            continue;
        w = &t->c.win[k->win - 1];
        return w->row * m0 < w->pad ||
               w->row * (m0 + mr - 1) + k->extent - 1 - w->pad >= w->size;
    }
    return false;
}
