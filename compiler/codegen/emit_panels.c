/*
 * emit_panels.c -- within a block of the reduction: tasks, row axes, panels of
 * columns and tiles of rows, see emit_contract.c.
 */
#include "codegen/tile.h"

/* --- tiles ---------------------------------------------------------------- */

static void one_tile(Tiler *t, Tile at)
{
    if (t->s->form == FORM_INNER)
        tile_inner(t, &at);
    else
        tile_outer(t, &at);
}

/* Tiles [from, to) of `mr` rows, the first of which would start at `base`. */
static void run_tiles(Tiler *t, Tile at, int mr, V from, V to, int64_t base)
{
    EmitLoop l = emit_loop(t->e, t->k->fn, from, to, 1, "tile");

    at.mr = mr;
    at.m0 = tile_add(t, tile_scale(t, l.i, mr), tile_int(t, base));
    one_tile(t, at);
    emit_loop_end(t->e, &l);
}

/* Tile i of those that M rows are cut into; does it reach outside? */
static bool edge_tile(Tiler *t, Tile *at, int64_t M, int64_t n, int64_t i)
{
    int64_t less = M / n, extra = M % n;
    int64_t m0 = i < extra ? i * (less + 1) : extra + i * less;

    at->mr = (int)(i < extra ? less + 1 : less);
    at->m0 = tile_int(t, m0);
    at->edge = window_is_edge(t, m0, at->mr);
    return at->edge;
}

/* M rows as ceil(M / mr) tiles, of which the first M % that are one row
 * longer than the others. Those at the edges stand one by one. */
static void known_tiles(Tiler *t, Tile at, int64_t M)
{
    int64_t n = (M + t->s->mr - 1) / t->s->mr, less = M / n, extra = M % n;
    int64_t first = 0, end = n, longer, shorter;
    Tile edge = at;
    V from, to;

    if (n == 1) {
        edge_tile(t, &at, M, n, 0);
        one_tile(t, at);
        return;
    }
    for (; first < n && edge_tile(t, &edge, M, n, first); first++)
        one_tile(t, edge);
    while (end > first && edge_tile(t, &edge, M, n, end - 1))
        end--;
    from = t->tile_from ? t->tile_from : tile_int(t, first);
    to = t->tile_to ? t->tile_to : tile_int(t, end);
    longer = extra < end ? extra : end;
    shorter = extra > first ? extra : first;
    if (first < longer)
        run_tiles(t, at, (int)less + 1, from,
                  t->tile_to ? emit_smaller(t->e, to, tile_int(t, extra))
                             : tile_int(t, longer), 0);
    if (shorter < end)
        run_tiles(t, at, (int)less,
                  t->tile_from ? emit_larger(t->e, from, tile_int(t, extra))
                               : tile_int(t, shorter), to, extra);
    for (; end < n; end++) {
        edge_tile(t, &edge, M, n, end);
        one_tile(t, edge);
    }
}

static bool by_examples(const Tiler *t)
{
    return t->k->k->tasks == 0;
}

static void example_range(Tiler *t, V *from, V *to)
{
    *from = by_examples(t) ? t->k->lo : tile_int(t, 0);
    *to = by_examples(t) ? t->k->hi : t->k->n;
}

/* n tiles of mr examples from `from` on; where they end. */
static V tiles_of(Tiler *t, Tile at, int mr, V from, V n)
{
    EmitLoop l = emit_loop(t->e, t->k->fn, tile_int(t, 0), n, 1, "tile");

    at.mr = mr;
    at.m0 = tile_add(t, tile_scale(t, l.i, mr), from);
    one_tile(t, at);
    emit_loop_end(t->e, &l);
    return tile_add(t, tile_scale(t, n, mr), from);
}

/* The x examples as the fewest tiles, of mr and of mr - 1: as many of them as
 * return. If that cannot be, as many of mr as there are, and *less 0. */
static V even_tiles(Tiler *t, V x, int mr, V *less)
{
    LLVMBuilderRef b = t->e->b;
    V zero = tile_int(t, 0), n, large, even;

    n = LLVMBuildSDiv(b, tile_add(t, x, tile_int(t, mr - 1)),
                      tile_int(t, mr), "");
    large = LLVMBuildSub(b, x, tile_scale(t, n, mr - 1), "");
    even = LLVMBuildICmp(b, LLVMIntSGE, large, zero, "");
    *less = LLVMBuildSelect(b, even, LLVMBuildSub(b, n, large, ""), zero, "");
    return LLVMBuildSelect(b, even, large,
                           LLVMBuildSDiv(b, x, tile_int(t, mr), ""), "");
}

/* Examples as rows: tiles of mr and mr - 1 if they come out even; else full
 * tiles, then halves and halves of halves. */
static void example_tiles(Tiler *t, Tile at)
{
    LLVMBuilderRef b = t->e->b;
    int mr = t->s->mr;
    V from, to, less;

    example_range(t, &from, &to);
    if (mr > 3 && t->s->form == FORM_OUTER) {
        V n = even_tiles(t, LLVMBuildSub(b, to, from, ""), mr, &less);

        from = tiles_of(t, at, mr, from, n);
        from = tiles_of(t, at, mr - 1, from, less);
        mr /= 2;
    }
    for (; mr; mr /= 2)
        from = tiles_of(t, at, mr, from,
                        LLVMBuildSDiv(b, LLVMBuildSub(b, to, from, ""),
                                      tile_int(t, mr), ""));
}

static void tiles(Tiler *t, Tile at)
{
    if (t->s->row < 0) {
        at.mr = 1;
        at.m0 = NULL;
        one_tile(t, at);
    } else if (t->c.row[t->s->row].extent) {
        known_tiles(t, at, t->c.row[t->s->row].extent);
    } else {
        example_tiles(t, at);
    }
}

/* --- rows and panels ------------------------------------------------------ */

/* Opens loops over row axes i .. stop, then runs `inside`. */
static void rows(Tiler *t, int i, int stop, Tile at,
                 void (*inside)(Tiler *t, Tile at))
{
    V from, to;
    EmitLoop l;

    while (i < stop && i == t->s->row)
        i++;
    if (i >= stop) {
        inside(t, at);
        return;
    }
    if (!t->c.row[i].extent) {
        example_range(t, &from, &to);
    } else if (i == 1 && t->part_from) {
        from = t->part_from;
        to = t->part_to;
    } else {
        from = tile_int(t, 0);
        to = tile_int(t, t->c.row[i].extent);
    }
    l = emit_loop(t->e, t->k->fn, from, to, 1, "row");
    t->row[i] = l.i;
    rows(t, i + 1, stop, at, inside);
    t->row[i] = NULL;
    emit_loop_end(t->e, &l);
}

static void panel(Tiler *t, Tile at)
{
    if (t->pack)
        tile_pack(t, &at);
    rows(t, t->s->outside, t->c.nrow, at, tiles);
}

/* Columns of one panel, and the panels: all but the last are full. */
typedef struct Panels {
    int64_t columns, full, rest;
} Panels;

static Panels panels_of(const Tiler *t)
{
    Panels p;

    p.columns = (int64_t)t->s->nr * (t->s->form == FORM_INNER ? 1
                                                              : t->s->lanes);
    p.full = t->c.n.extent / p.columns;
    p.rest = t->c.n.extent % p.columns;
    return p;
}

static Tile full_panel(const Tiler *t)
{
    return (Tile){.nv = t->s->nr, .width = t->s->lanes};
}

static Tile rest_panel(const Tiler *t, int64_t rest)
{
    int lanes = t->s->form == FORM_INNER ? 1 : t->s->lanes;
    int nv = (int)((rest + lanes - 1) / lanes);

    return (Tile){.nv = nv, .width = (int)(rest - (int64_t)(nv - 1) * lanes)};
}

static void panel_number(Tiler *t, Tile at, V p, int64_t columns)
{
    at.n0 = tile_scale(t, p, columns);
    panel(t, at);
}

/* The one panel of this task: full, or the rest. */
static void task_panel(Tiler *t, Panels p)
{
    LLVMBuilderRef b = t->e->b;
    LLVMBasicBlockRef full, rest, after;
    V c;

    if (!p.rest) {
        panel_number(t, full_panel(t), t->task_panel, p.columns);
        return;
    }
    full = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "full");
    rest = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "rest");
    after = LLVMAppendBasicBlockInContext(t->e->c, t->k->fn, "after");
    c = LLVMBuildICmp(b, LLVMIntSLT, t->task_panel, tile_int(t, p.full), "");
    LLVMBuildCondBr(b, c, full, rest);
    LLVMPositionBuilderAtEnd(b, full);
    if (p.full)
        panel_number(t, full_panel(t), t->task_panel, p.columns);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, rest);
    panel_number(t, rest_panel(t, p.rest), tile_int(t, p.full), p.columns);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

static void panels(Tiler *t, Tile unused)
{
    Panels p = panels_of(t);

    (void)unused;
    if (t->task_panel) {
        task_panel(t, p);
        return;
    }
    if (p.full == 1) {
        panel_number(t, full_panel(t), NULL, p.columns);
    } else if (p.full) {
        EmitLoop l = emit_loop(t->e, t->k->fn, tile_int(t, 0),
                               tile_int(t, p.full), 1, "panel");

        panel_number(t, full_panel(t), l.i, p.columns);
        emit_loop_end(t->e, &l);
    }
    if (p.rest)
        panel_number(t, rest_panel(t, p.rest),
                     p.full ? tile_int(t, p.full) : NULL, p.columns);
}

/* --- tasks ---------------------------------------------------------------- */

static V remainder_of(Tiler *t, V *x, int64_t n)
{
    LLVMBuilderRef b = t->e->b;
    V r = LLVMBuildSRem(b, *x, tile_int(t, n), "");

    *x = LLVMBuildSDiv(b, *x, tile_int(t, n), "");
    return n == 1 ? NULL : r;
}

/* The i-th of n ranges that 0 .. total is cut into. */
static void cut_range(Tiler *t, V i, int64_t n, int64_t total, V *from, V *to)
{
    V next = tile_add(t, i, tile_int(t, 1)), parts = tile_int(t, n);

    *from = LLVMBuildSDiv(t->e->b, tile_scale(t, i, total), parts, "");
    *to = LLVMBuildSDiv(t->e->b, tile_scale(t, next, total), parts, "");
}

/* Task number x = (example, part of its rows). */
static void one_part(Tiler *t, V x)
{
    V part = remainder_of(t, &x, t->s->parts);

    cut_range(t, part, t->s->parts, t->c.row[1].extent, &t->part_from,
              &t->part_to);
    t->row[0] = x;
    panels(t, (Tile){0});
    t->row[0] = t->part_from = t->part_to = NULL;
}

/* Task number x = (outside rows, panel, block of tiles), row-major. */
static void one_task(Tiler *t, V x)
{
    Panels p = panels_of(t);
    int64_t n = p.full + (p.rest != 0);

    if (t->s->blocks > 1) {
        int64_t M = t->c.row[t->s->row].extent;
        V i = remainder_of(t, &x, t->s->blocks);

        cut_range(t, i, t->s->blocks, (M + t->s->mr - 1) / t->s->mr,
                  &t->tile_from, &t->tile_to);
    }
    t->task_panel = n > 1 ? remainder_of(t, &x, n) : NULL;
    for (int i = t->s->outside; i-- > 0;)
        if (i != t->s->row)
            t->row[i] = remainder_of(t, &x, t->c.row[i].extent);
    panels(t, (Tile){0});
    t->tile_from = t->tile_to = t->task_panel = NULL;
    for (int i = 0; i < t->s->outside; i++)
        t->row[i] = NULL;
}

void tile_tasks(Tiler *t)
{
    int64_t n = t->k->k->tasks;
    EmitLoop l;

    if (n == 0 && t->s->parts > 1) {
        l = emit_loop(t->e, t->k->fn, t->k->lo, t->k->hi, 1, "part");
        one_part(t, l.i);
        emit_loop_end(t->e, &l);
        return;
    }
    if (n <= 1) {
        rows(t, 0, t->s->outside, (Tile){0}, panels);
        return;
    }
    if (n != t->s->tasks)
        internal_error("kernel \"%s\" has %lld tasks, its schedule %lld",
                       t->k->k->name, (long long)n, (long long)t->s->tasks);
    l = emit_loop(t->e, t->k->fn, t->k->lo, t->k->hi, 1, "task");
    one_task(t, l.i);
    emit_loop_end(t->e, &l);
}
