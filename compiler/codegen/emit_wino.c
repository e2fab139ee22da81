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

enum { SMALL_TILE = 4, SHORT = 8 };

typedef struct Conv {
    Winograd w;
    V x, u;
    Panel v;         // of the group
    V m;             // M: [points][work][WINO_PANEL]
    int64_t m_point; // distance of points in it
    V stage;         // outputs of a tile, where they are stored in a loop
    V first, examples; // of the group
    V top, rows;     // rows of tiles: the first, their number
    V count;         // tiles
    V panel;
} Conv;

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
    wino_of(w->d.m, w->d.r, &w->f);
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
    w->th = (w->Ho + w->f.m - 1) / w->f.m;
    w->tw = (w->Wo + w->f.m - 1) / w->f.m;
    w->zeros = wino_frame(w, w->lanes);
    wino_save(w, LLVMConstNull(emit_type(w->e, w->dt, w->lanes)), w->zeros);
}

/* --- tiles ----------------------------------------------------------------- */

typedef struct Spot { // of a tile
    V example, i, j; // row and column of tiles
    V row;           // in the group
} Spot;

static void each_tile(Conv *c, void (*run)(Conv *c, const Spot *p))
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

static void transform(Conv *c, const Square *q, V block, V row, int width)
{
    Winograd *w = &c->w;
    V d[WINO_MAX * WINO_MAX], v[WINO_MAX * WINO_MAX];

    wino_square(w, q, w->f.t, wino_mul(w, block, w->lanes), width, d);
    wino_both(w, &w->f.bt, w->f.t, w->f.t, false, d, v);
    wino_spread(w, &c->v, block, row, v);
}

static void tile_in(Conv *c, const Spot *p)
{
    Winograd *w = &c->w;
    int64_t m = w->f.m, blocks = w->C / w->lanes;
    bool batched = w->n->core->src[0]->type.batched;
    Square q = {.image = c->x, .height = w->H, .width = w->W,
                .channels = w->C, .row_lo = -w->d.ph_lo, .col_lo = -w->d.pw_lo,
                .row_hi = (w->th - 1) * m - w->d.ph_lo,
                .col_hi = (w->tw - 1) * m - w->d.pw_lo};
    EmitLoop l;

    if (batched)
        q.image = wino_at(w, c->x, wino_mul(w, p->example,
                                            w->H * w->W * w->C));
    q.row = wino_add(w, wino_mul(w, p->i, m), emit_int(w->e, -w->d.ph_lo));
    q.col = wino_add(w, wino_mul(w, p->j, m), emit_int(w->e, -w->d.pw_lo));
    if (blocks) {
        l = nest_loop(w->n, emit_int(w->e, 0), emit_int(w->e, blocks), "block");
        l.unroll_off = true;
        transform(c, &q, l.i, p->row, w->lanes);
        emit_loop_end(w->e, &l);
    }
    if (w->C % w->lanes)
        transform(c, &q, emit_int(w->e, blocks), p->row,
                  (int)(w->C % w->lanes));
}

/* --- the product ----------------------------------------------------------- */

enum { ACC_MAX = 32 };

typedef struct Product {
    Conv *c;
    int mr, nr;
    V a, b; // first row of V, first column of U
    V acc[ACC_MAX];
} Product;

static void step(Product *p, V a, V b, int64_t k)
{
    Winograd *w = &p->c->w;
    V col[8], x;

    for (int j = 0; j < p->nr; j++)
        col[j] = wino_load(w, wino_at(w, b, emit_int(w->e, k * WINO_PANEL +
                                                               j * w->lanes)),
                           w->lanes);
    for (int i = 0; i < p->mr; i++) {
        x = LLVMBuildLoad2(w->e->b, w->elem,
                           wino_at(w, a, emit_int(w->e, i * w->lanes + k)),
                           "");
        x = emit_splat(w->e, x, w->lanes);
        for (int j = 0; j < p->nr; j++)
            p->acc[i * p->nr + j] = vec_fma(w->e, x, col[j],
                                            p->acc[i * p->nr + j]);
    }
}

/* Steps k .. k + by of the sum over channels; k / lanes is their block. */
static void steps(Product *p, V k, int64_t by)
{
    Winograd *w = &p->c->w;
    LLVMBuilderRef b = w->e->b;
    V block = LLVMBuildSDiv(b, k, emit_int(w->e, w->lanes), "");
    V lane = LLVMBuildSRem(b, k, emit_int(w->e, w->lanes), "");
    V a = wino_add(w, wino_mul(w, block, p->c->v.rows * w->lanes), lane);
    V from = wino_at(w, p->b, wino_mul(w, k, WINO_PANEL));

    a = wino_at(w, p->a, a);
    for (int64_t u = 0; u < by; u++)
        step(p, a, from, u);
}

/* A register tile: mr rows from `row`, nr vectors. */
static void product_tile(Conv *c, int mr, V point, V row, int column)
{
    Winograd *w = &c->w;
    Product p = {.c = c, .mr = mr, .nr = w->s->nr};
    int64_t u = w->s->unroll, main = w->C / u * u;
    int n = p.mr * p.nr;
    EmitLoop l;
    V at;

    at = wino_add(w, wino_mul(w, point, c->v.point),
                  wino_mul(w, row, w->lanes));
    p.a = wino_at(w, c->v.at, at);
    at = wino_add(w, wino_mul(w, c->panel, w->points), point);
    p.b = wino_at(w, c->u, wino_add(w, wino_mul(w, at, w->C * WINO_PANEL),
                                    emit_int(w->e, column)));
    for (int i = 0; i < n; i++)
        p.acc[i] = LLVMConstNull(emit_type(w->e, w->dt, w->lanes));
    if (main) {
        l = emit_loop(w->e, w->n->k->fn, emit_int(w->e, 0),
                      emit_int(w->e, main), u, "k");
        l.unroll_off = true;
        for (int i = 0; i < n; i++)
            p.acc[i] = emit_loop_carry(w->e, &l, p.acc[i]);
        steps(&p, l.i, u);
        for (int i = 0; i < n; i++)
            emit_loop_next(&l, i, p.acc[i]);
        emit_loop_end(w->e, &l);
        for (int i = 0; i < n; i++)
            p.acc[i] = l.carry[i];
    }
    for (int64_t k = main; k < w->C; k++)
        steps(&p, emit_int(w->e, k), 1);
    at = wino_add(w, wino_mul(w, point, c->m_point),
                  wino_mul(w, row, WINO_PANEL));
    at = wino_at(w, c->m, wino_add(w, at, emit_int(w->e, column)));
    for (int i = 0; i < n; i++)
        wino_save(w, p.acc[i],
                  wino_at(w, at, emit_int(w->e, i / p.nr * WINO_PANEL +
                                                    i % p.nr * w->lanes)));
}

/* Rows in full tiles, what is left in small ones. */
static void product_rows(Conv *c, V point, int column)
{
    Winograd *w = &c->w;
    int mr = w->s->mr;
    V full = LLVMBuildSDiv(w->e->b, c->count, emit_int(w->e, mr), "");
    EmitLoop l = nest_loop(w->n, emit_int(w->e, 0), full, "tile");

    l.unroll_off = true;
    product_tile(c, mr, point, wino_mul(w, l.i, mr), column);
    emit_loop_end(w->e, &l);
    l = emit_loop(w->e, w->n->k->fn, wino_mul(w, full, mr), c->count,
                  SMALL_TILE, "rest");
    l.unroll_off = true;
    product_tile(c, SMALL_TILE, point, l.i, column);
    emit_loop_end(w->e, &l);
}

static void product(Conv *c)
{
    Winograd *w = &c->w;
    EmitLoop l = nest_loop(w->n, emit_int(w->e, 0), emit_int(w->e, w->points),
                           "point");

    for (int col = 0; col < WINO_PANEL; col += w->s->nr * w->lanes)
        product_rows(c, l.i, col);
    emit_loop_end(w->e, &l);
}

/* --- back ------------------------------------------------------------------ */

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

/* The first `width` lanes of x to output (h, q), channel o, in powers of two. */
static void put(Conv *c, V x, V h, V q, V o, int width)
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

/* min(x, n) */
static V at_most(Winograd *w, V x, int64_t n)
{
    V c = LLVMBuildICmp(w->e->b, LLVMIntSLT, x, emit_int(w->e, n), "");

    return LLVMBuildSelect(w->e->b, c, x, emit_int(w->e, n), "");
}

/* Outputs laid down and stored in loops: only those inside, and the code of
 * the epilogue is there once. */
static void put_staged(Conv *c, const V *y, V h, V q, V o, int width)
{
    Winograd *w = &c->w;
    int m = w->f.m;
    V left_h = LLVMBuildSub(w->e->b, emit_int(w->e, w->Ho), h, "");
    V left_q = LLVMBuildSub(w->e->b, emit_int(w->e, w->Wo), q, ""), x;
    EmitLoop a, b;

    for (int i = 0; i < m * m; i++)
        wino_save(w, y[i], wino_at(w, c->stage,
                                   emit_int(w->e, i * w->lanes)));
    a = nest_loop(w->n, emit_int(w->e, 0), at_most(w, left_h, m), "a");
    a.unroll_off = true;
    b = nest_loop(w->n, emit_int(w->e, 0), at_most(w, left_q, m), "b");
    b.unroll_off = true;
    x = wino_add(w, wino_mul(w, a.i, m), b.i);
    x = wino_load(w, wino_at(w, c->stage, wino_mul(w, x, w->lanes)), w->lanes);
    put(c, x, wino_add(w, h, a.i), wino_add(w, q, b.i), o, width);
    emit_loop_end(w->e, &b);
    emit_loop_end(w->e, &a);
}

static void vector_out(Conv *c, const Spot *p, V lane, int width)
{
    Winograd *w = &c->w;
    V x[WINO_MAX * WINO_MAX], y[WINO_MAX * WINO_MAX], at, h, q, o;
    int m = w->f.m;

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
        put(c, y[i], wino_add(w, h, emit_int(w->e, i / m)),
            wino_add(w, q, emit_int(w->e, i % m)), o, width);
}

static void tile_out(Conv *c, const Spot *p)
{
    Winograd *w = &c->w;
    int64_t O = w->d.O;
    V left = LLVMBuildSub(w->e->b, emit_int(w->e, O),
                          wino_mul(w, c->panel, WINO_PANEL), "");
    V full = at_most(w, left, WINO_PANEL);
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

/* --- tasks ----------------------------------------------------------------- */

/* Task x = (examples, rows of tiles, panel), row-major. */
static void place_group(Conv *c, V x, V *panel)
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
    c->examples = at_most(w, LLVMBuildSub(b, n, c->first, ""), w->s->group);
    c->top = wino_mul(w, part, rows);
    c->rows = at_most(w, LLVMBuildSub(b, emit_int(w->e, w->th), c->top, ""),
                      rows);
    c->count = LLVMBuildMul(b, c->examples, c->rows, "");
    c->count = wino_mul(w, c->count, w->tw);
    c->panel = *panel;
}

static void task(Conv *c, V x)
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
    each_tile(c, tile_in);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    product(c);
    each_tile(c, tile_out);
}

void nest_conv_wino(Nest *n)
{
    Conv c = {.stage = NULL};
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
    if (w->Ho % w->f.m || w->Wo % w->f.m ||
        count_nodes(n->k->k, n->k->k->root, SHORT + 1) > SHORT)
        c.stage = wino_frame(w, w->f.m * w->f.m * w->lanes);
    l = nest_loop(n, n->k->lo, n->k->hi, "task");
    l.unroll_off = true;
    task(&c, l.i);
    emit_loop_end(w->e, &l);
}
