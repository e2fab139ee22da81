/*
 * emit_wino.c -- Winograd's convolution.
 *
 *     for tasks (group of tiles, panel of output channels)
 *       V[t] = B^T d B                for a new group: every tile, channel
 *       M[t] = V[t] U[t]              for the panel, register tiles
 *       y    = A^T M A                every tile, through the epilogue
 *
 * V lies in vectors of channels with the tiles of a group below each other, U
 * in panels of WINO_PANEL outputs, so the product streams through both.
 */
#include "codegen/wino.h"

enum { SHORT = 12 };

V wino_frame(Winograd *w, int64_t elements)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(w->e->b);
    LLVMBasicBlockRef top = LLVMGetEntryBasicBlock(w->n->k->fn);
    V first = LLVMGetFirstInstruction(top), x;

    if (first)
        LLVMPositionBuilderBefore(w->e->b, first);
    else
        LLVMPositionBuilderAtEnd(w->e->b, top);
    x = LLVMBuildAlloca(w->e->b,
                        LLVMArrayType2(w->elem, (uint64_t)elements), "");
    LLVMSetAlignment(x, 64);
    LLVMPositionBuilderAtEnd(w->e->b, here);
    return x;
}

void wino_open(Winograd *w, Nest *n, Shape x, Shape y)
{
    w->n = n;
    w->e = n->e;
    w->s = &n->k->k->sched;
    w->d = wino_dims(n->core);
    wino_of(w->d.m, w->d.r, w->d.form, &w->f);
    w->dt = n->core->type.dt;
    w->elem = emit_mem_type(n->e, w->dt);
    w->size = dtype_bytes(w->dt);
    w->lanes = w->s->lanes;
    w->points = w->f.t * w->f.t;
    w->H = x.dim[0];
    w->W = x.dim[1];
    w->C = x.dim[2];
    w->Ho = y.dim[0];
    w->Wo = y.dim[1];
    w->th = (w->Ho + w->f.out - 1) / w->f.out;
    w->tw = (w->Wo + w->f.out - 1) / w->f.out;
    w->lead_h = wino_lead(w->d.form, w->d.ph_lo);
    w->lead_w = wino_lead(w->d.form, w->d.pw_lo);
    w->zeros = wino_frame(w, w->lanes);
    wino_save(w, LLVMConstNull(emit_type(w->e, w->dt, w->lanes)), w->zeros);
}

/* --- tiles ---------------------------------------------------------------- */

typedef struct Spot { // of a tile
    V example, i, j; // row and column of tiles
    V row;           // in the group
} Spot;

static void each_tile(WinoConv *c, void (*run)(WinoConv *c, const Spot *p))
{
    Winograd *w = &c->w;
    Nest *n = w->n;
    EmitLoop e = nest_loop(n, emit_int(w->e, 0), c->examples, "image");
    EmitLoop i = nest_loop(n, emit_int(w->e, 0), c->rows, "i");
    EmitLoop j = nest_loop(n, emit_int(w->e, 0), emit_int(w->e, w->tw), "j");
    Spot p = {.j = j.i};

    p.example = wino_add(w, c->first, e.i);
    p.i = wino_add(w, c->top, i.i);
    p.row = wino_add(w, LLVMBuildNSWMul(w->e->b, e.i, c->rows, ""), i.i);
    p.row = wino_add(w, wino_mul(w, p.row, w->tw), j.i);
    run(c, &p);
    emit_loop_end(w->e, &j);
    emit_loop_end(w->e, &i);
    emit_loop_end(w->e, &e);
}

static void tile_in(WinoConv *c, const Spot *p)
{
    Winograd *w = &c->w;
    V d[WINO_SIDE * WINO_SIDE], v[WINO_SIDE * WINO_SIDE];
    int64_t hop = w->f.hop;
    bool batched = w->n->core->src[0]->type.batched;
    Square q = {.image = c->x, .height = w->H, .width = w->W,
                .channels = w->C, .row_lo = -w->lead_h, .col_lo = -w->lead_w,
                .row_hi = (w->th - 1) * hop - w->lead_h,
                .col_hi = (w->tw - 1) * hop - w->lead_w, .place = w->f.from};

    if (batched)
        q.image = wino_at(w, c->x, wino_mul(w, p->example,
                                            w->H * w->W * w->C));
    q.row = wino_add(w, wino_mul(w, p->i, hop), emit_int(w->e, -w->lead_h));
    q.col = wino_add(w, wino_mul(w, p->j, hop), emit_int(w->e, -w->lead_w));
    wino_square(w, &q, w->f.in, wino_mul(w, c->block, w->lanes), c->width, d);
    wino_both(w, &w->f.bt, w->f.t, w->f.in, false, d, v);
    wino_spread(w, &c->v, c->block, p->row, v);
}

/* Tiles below each other are neighbours in V: they come last, so that the
 * pages written stay the same. */
static void group_in(WinoConv *c)
{
    Winograd *w = &c->w;
    int64_t blocks = w->C / w->lanes;
    EmitLoop l;

    if (blocks) {
        l = nest_loop(w->n, emit_int(w->e, 0), emit_int(w->e, blocks), "block");
        l.unroll_off = true;
        c->block = l.i;
        c->width = w->lanes;
        each_tile(c, tile_in);
        emit_loop_end(w->e, &l);
    }
    if (w->C % w->lanes) {
        c->block = emit_int(w->e, blocks);
        c->width = (int)(w->C % w->lanes);
        each_tile(c, tile_in);
    }
}

/* --- back ----------------------------------------------------------------- */

static int count_nodes(const Kernel *k, Val v, int most)
{
    int n = 1;

    if (v == k->core || most <= 0)
        return 0;
    if (emit_find_read(k, v) >= 0)
        return 1;
    for (int i = 0; i < v->nsrc && n < most; i++)
        n += count_nodes(k, v->src[i], most - n);
    return n;
}

/* The first `width` lanes of x to output (h, q), channel o; a part of a vector
 * in powers of two. */
static void put(WinoConv *c, V x, V h, V q, V o, int width)
{
    Winograd *w = &c->w;
    Nest *n = w->n;

    n->at.i[0] = h;
    n->at.i[1] = q;
    for (int from = 0, part = w->lanes; from < width; part /= 2) {
        if (from + part > width)
            continue;
        n->at.i[2] = wino_add(w, o, emit_int(w->e, from));
        n->at.lanes = part;
        nest_store(n, wino_part(w, x, from, part));
        from += part;
    }
}

V wino_at_most(Winograd *w, V x, int64_t n)
{
    return emit_smaller(w->e, x, emit_int(w->e, n));
}

/* Where output i of a tile lies in it, row-major. */
static int place(const Winograd *w, int i)
{
    int n = w->f.out;

    return w->f.to[i / n] * n + w->f.to[i % n];
}

/* Outputs laid down and stored in loops: only those inside, and the code of
 * the epilogue is there once. */
static void put_staged(WinoConv *c, const V *y, V h, V q, V o, int width)
{
    Winograd *w = &c->w;
    int m = w->f.out;
    V left_h = LLVMBuildSub(w->e->b, emit_int(w->e, w->Ho), h, "");
    V left_q = LLVMBuildSub(w->e->b, emit_int(w->e, w->Wo), q, ""), x;
    EmitLoop a, b;

    for (int i = 0; i < m * m; i++)
        wino_save(w, y[i], wino_at(w, c->stage,
                                   emit_int(w->e, place(w, i) * w->lanes)));
    a = nest_loop(w->n, emit_int(w->e, 0), wino_at_most(w, left_h, m), "a");
    a.unroll_off = true;
    b = nest_loop(w->n, emit_int(w->e, 0), wino_at_most(w, left_q, m), "b");
    b.unroll_off = true;
    x = wino_add(w, wino_mul(w, a.i, m), b.i);
    x = wino_load(w, wino_at(w, c->stage, wino_mul(w, x, w->lanes)), w->lanes);
    put(c, x, wino_add(w, h, a.i), wino_add(w, q, b.i), o, width);
    emit_loop_end(w->e, &b);
    emit_loop_end(w->e, &a);
}

static void vector_out(WinoConv *c, const Spot *p, V lane, int width)
{
    Winograd *w = &c->w;
    V x[WINO_SIDE * WINO_SIDE], y[WINO_SIDE * WINO_SIDE], at, h, q, o;
    int m = w->f.out;

    at = wino_add(w, wino_mul(w, p->row, WINO_PANEL), lane);
    at = wino_at(w, c->m, at);
    for (int k = 0; k < w->points; k++)
        x[k] = wino_load(w, wino_at(w, at, emit_int(w->e, k * c->m_point)),
                         w->lanes);
    wino_both(w, &w->f.at, m, w->f.t, false, x, y);
    h = wino_mul(w, p->i, m);
    q = wino_mul(w, p->j, m);
    o = wino_add(w, wino_mul(w, c->panel, WINO_PANEL), lane);
    w->n->at.example = p->example;
    if (c->stage) {
        put_staged(c, y, h, q, o, width);
        return;
    }
    for (int i = 0; i < m * m; i++)
        put(c, y[i], wino_add(w, h, emit_int(w->e, w->f.to[i / m])),
            wino_add(w, q, emit_int(w->e, w->f.to[i % m])), o, width);
}

static void tile_out(WinoConv *c, const Spot *p)
{
    Winograd *w = &c->w;
    int64_t O = w->d.O;
    V left = LLVMBuildSub(w->e->b, emit_int(w->e, O),
                          wino_mul(w, c->panel, WINO_PANEL), "");
    V full = wino_at_most(w, left, WINO_PANEL);
    EmitLoop l;

    full = LLVMBuildSub(w->e->b, full, emit_int(w->e, w->lanes - 1), "");
    l = emit_loop(w->e, w->n->k->fn, emit_int(w->e, 0), full, w->lanes,
                  "vector");
    l.unroll_off = true;
    vector_out(c, p, l.i, w->lanes);
    emit_loop_end(w->e, &l);
    if (O % w->lanes) {
        int64_t last = O / WINO_PANEL;
        EmitLoop once = nest_loop(w->n, emit_int(w->e, last),
                                  wino_add(w, c->panel, emit_int(w->e, 1)),
                                  "last");

        once.unroll_off = true;
        vector_out(c, p, emit_int(w->e, O % WINO_PANEL / w->lanes * w->lanes),
                   (int)(O % w->lanes));
        emit_loop_end(w->e, &once);
    }
}

/* --- tasks ---------------------------------------------------------------- */

/* Task x = (examples, rows of tiles, panel), row-major. */
static void place_group(WinoConv *c, V x, V *panel)
{
    Winograd *w = &c->w;
    LLVMBuilderRef b = w->e->b;
    int64_t panels = (w->d.O + WINO_PANEL - 1) / WINO_PANEL;
    int64_t parts = w->s->parts / panels, rows = w->s->tiles;
    V n = w->n->core->type.batched ? w->n->k->n : emit_int(w->e, 1), part;

    *panel = LLVMBuildSRem(b, x, emit_int(w->e, panels), "");
    x = LLVMBuildSDiv(b, x, emit_int(w->e, panels), "");
    part = LLVMBuildSRem(b, x, emit_int(w->e, parts), "");
    x = LLVMBuildSDiv(b, x, emit_int(w->e, parts), "");
    c->first = wino_mul(w, x, w->s->group);
    c->examples = wino_at_most(w, LLVMBuildSub(b, n, c->first, ""),
                               w->s->group);
    c->top = wino_mul(w, part, rows);
    c->rows = wino_at_most(
        w, LLVMBuildSub(b, emit_int(w->e, w->th), c->top, ""), rows);
    c->count = LLVMBuildMul(b, c->examples, c->rows, "");
    c->count = wino_mul(w, c->count, w->tw);
    c->panel = *panel;
}

static void task(WinoConv *c, V x)
{
    Winograd *w = &c->w;
    LLVMBuilderRef b = w->e->b;
    LLVMBasicBlockRef fresh, after;
    V panel, is_new;

    place_group(c, x, &panel);
    fresh = LLVMAppendBasicBlockInContext(w->e->c, w->n->k->fn, "fresh");
    after = LLVMAppendBasicBlockInContext(w->e->c, w->n->k->fn, "ready");
    is_new = LLVMBuildOr(
        b, LLVMBuildICmp(b, LLVMIntEQ, panel, emit_int(w->e, 0), ""),
        LLVMBuildICmp(b, LLVMIntEQ, x, w->n->k->lo, ""), "");
    LLVMBuildCondBr(b, is_new, fresh, after);
    LLVMPositionBuilderAtEnd(b, fresh);
    group_in(c);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    wino_product(c);
    each_tile(c, tile_out);
}

void nest_conv_wino(Nest *n)
{
    WinoConv c = {.stage = NULL};
    Winograd *w = &c.w;
    int64_t blocks;
    EmitLoop l;

    wino_open(w, n, n->core->src[0]->type.shape, n->core->type.shape);
    blocks = (w->C + w->lanes - 1) / w->lanes;
    c.x = emit_base(n->k, n->core->src[0]);
    c.u = emit_base(n->k, n->core->src[1]);
    // Not a multiple of a page: the points of one tile spread over the cache.
    c.v.rows = w->s->work;
    c.v.point = (blocks * c.v.rows + 1) * w->lanes;
    c.v.at = wino_frame(w, w->points * c.v.point);
    c.m_point = (w->s->work + 1) * WINO_PANEL;
    c.m = wino_frame(w, w->points * c.m_point);
    if (w->Ho % w->f.out || w->Wo % w->f.out ||
        count_nodes(n->k->k, n->k->k->root, SHORT + 1) > SHORT)
        c.stage = wino_frame(w, w->f.out * w->f.out * w->lanes);
    l = nest_loop(n, n->k->lo, n->k->hi, "task");
    l.unroll_off = true;
    task(&c, l.i);
    emit_loop_end(w->e, &l);
}
