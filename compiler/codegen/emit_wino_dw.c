/*
 * emit_wino_dw.c -- the weight gradient of Winograd's convolution, its exact
 * adjoint.
 *
 *     for tasks (channels of x, channels of dy)
 *       for groups of tiles, in the order of the examples
 *         V[t] = B^T d B,  D[t] = A dy A^T
 *         dU[t] += V[t]^T D[t]          register tiles
 *       dW = G^T dU G                   through the epilogue
 *
 * An element of dU is summed tile by tile in one order, whatever the groups
 * and tasks.
 */
#include "codegen/wino.h"

typedef struct Weights {
    Winograd w;
    V x, dy;
    Panel v, d;
    V u;             // dU: [points][mc][nc]
    int64_t group, tiles; // examples and rows of tiles of a group
    V c0, o0;        // the task's channels
    V first, examples, top, rows, count; // the group
    V fresh;         // is it the first?
} Weights;

/* Channels left from `from`, `most` at most. */
static V channels(Winograd *w, V from, int64_t total, int64_t most)
{
    return wino_at_most(
        w, LLVMBuildSub(w->e->b, emit_int(w->e, total), from, ""), most);
}

/* --- transforms ----------------------------------------------------------- */

typedef struct Side { // x or dy
    Val v;
    V base;
    const Panel *to;
    Square q;        // all but where it lies
    int64_t row, col; // of the square of tile (0, 0)
    int side;        // of a square
    WinoMatrix *m;
    bool across;
    V from;          // the first channel of the task
    int64_t total, most;
} Side;

static Side side_x(Weights *k)
{
    Winograd *w = &k->w;
    int64_t i_hi = (w->th - 1) * w->f.m, j_hi = (w->tw - 1) * w->f.m;

    return (Side){.v = w->n->core->src[0], .base = k->x, .to = &k->v,
                  .side = w->f.t, .m = &w->f.bt, .from = k->c0,
                  .row = -w->d.ph_lo, .col = -w->d.pw_lo,
                  .total = w->C, .most = w->s->mc,
                  .q = {.place = w->f.from, .height = w->H, .width = w->W, .channels = w->C,
                        .row_lo = -w->d.ph_lo, .row_hi = i_hi - w->d.ph_lo,
                        .col_lo = -w->d.pw_lo, .col_hi = j_hi - w->d.pw_lo}};
}

static Side side_y(Weights *k)
{
    Winograd *w = &k->w;

    return (Side){.v = w->n->core->src[1], .base = k->dy, .to = &k->d,
                  .side = w->f.m, .m = &w->f.at, .across = true,
                  .from = k->o0, .total = w->d.O, .most = w->s->nc,
                  .q = {.place = w->f.to, .height = w->Ho, .width = w->Wo, .channels = w->d.O,
                        .row_hi = (w->th - 1) * w->f.m,
                        .col_hi = (w->tw - 1) * w->f.m}};
}

static void block_in(Weights *k, Side *s, V block, V row, int width)
{
    Winograd *w = &k->w;
    V x[WINO_SIDE * WINO_SIDE], y[WINO_SIDE * WINO_SIDE];
    V c = wino_add(w, s->from, wino_mul(w, block, w->lanes));

    wino_square(w, &s->q, s->side, c, width, x);
    wino_both(w, s->m, w->f.t, s->side, s->across, x, y);
    wino_spread(w, s->to, block, row, y);
}

/* All channels of the task at the square. */
static void channels_in(Weights *k, Side *s, V row)
{
    Winograd *w = &k->w;
    int64_t rest = s->total % w->lanes;
    V n = channels(w, s->from, s->total, s->most), full, part;
    EmitLoop l;

    full = LLVMBuildSDiv(w->e->b, n, emit_int(w->e, w->lanes), "");
    l = nest_loop(w->n, emit_int(w->e, 0), full, "block");
    l.unroll_off = true;
    block_in(k, s, l.i, row, w->lanes);
    emit_loop_end(w->e, &l);
    if (!rest)
        return;
    part = LLVMBuildSRem(w->e->b, n, emit_int(w->e, w->lanes), "");
    part = wino_add(w, full, wino_at_most(w, part, 1));
    l = nest_loop(w->n, full, part, "part");
    l.unroll_off = true;
    block_in(k, s, l.i, row, (int)rest);
    emit_loop_end(w->e, &l);
}

/* Every tile of the group. Channels of a pixel, neighbours in memory, come
 * last. */
static void side_in(Weights *k, Side s)
{
    Winograd *w = &k->w;
    V zero = emit_int(w->e, 0), row, example;
    EmitLoop e = nest_loop(w->n, zero, k->examples, "image");
    EmitLoop i = nest_loop(w->n, zero, k->rows, "i");
    EmitLoop j = nest_loop(w->n, zero, emit_int(w->e, w->tw), "j");

    row = wino_add(w, LLVMBuildNSWMul(w->e->b, e.i, k->rows, ""), i.i);
    row = wino_add(w, wino_mul(w, row, w->tw), j.i);
    example = wino_add(w, k->first, e.i);
    s.q.image = s.base;
    if (s.v->type.batched)
        s.q.image = wino_at(w, s.base,
                            wino_mul(w, example, shape_size(s.v->type.shape)));
    s.q.row = wino_mul(w, wino_add(w, k->top, i.i), w->f.m);
    s.q.row = wino_add(w, s.q.row, emit_int(w->e, s.row));
    s.q.col = wino_add(w, wino_mul(w, j.i, w->f.m), emit_int(w->e, s.col));
    channels_in(k, &s, row);
    emit_loop_end(w->e, &j);
    emit_loop_end(w->e, &i);
    emit_loop_end(w->e, &e);
}

/* --- the product ---------------------------------------------------------- */

enum { ACC_MAX = 32 };

/* acc so far: 0, or what the groups before left at `to`. */
static void start(Weights *k, V to, int mr, int nr, V *acc)
{
    Winograd *w = &k->w;
    LLVMBuilderRef b = w->e->b;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b), more, sum;
    V zero = LLVMConstNull(emit_type(w->e, w->dt, w->lanes)), phi;

    more = LLVMAppendBasicBlockInContext(w->e->c, w->n->k->fn, "more");
    sum = LLVMAppendBasicBlockInContext(w->e->c, w->n->k->fn, "sum");
    LLVMBuildCondBr(b, k->fresh, sum, more);
    LLVMPositionBuilderAtEnd(b, more);
    for (int i = 0; i < mr * nr; i++)
        acc[i] = wino_load(w, wino_at(w, to, emit_int(w->e, i / nr * w->s->nc +
                                                      i % nr * w->lanes)),
                           w->lanes);
    LLVMBuildBr(b, sum);
    LLVMPositionBuilderAtEnd(b, sum);
    for (int i = 0; i < mr * nr; i++) {
        phi = LLVMBuildPhi(b, LLVMTypeOf(zero), "");
        LLVMAddIncoming(phi, (V[]){zero, acc[i]},
                        (LLVMBasicBlockRef[]){before, more}, 2);
        acc[i] = phi;
    }
}

/* One tile of the group: row p of a (mr channels) and of b (nr vectors). */
static void step(Weights *k, V a, V b, int mr, int nr, V *acc)
{
    Winograd *w = &k->w;
    V col[8], x;

    for (int j = 0; j < nr; j++)
        col[j] = wino_load(w, wino_at(w, b, emit_int(w->e, j * k->d.rows *
                                                           w->lanes)),
                           w->lanes);
    for (int i = 0; i < mr; i++) {
        x = LLVMBuildLoad2(w->e->b, w->elem,
                           wino_at(w, a, emit_int(w->e, i)), "");
        x = emit_splat(w->e, x, w->lanes);
        for (int j = 0; j < nr; j++)
            acc[i * nr + j] = vec_multiply_add(w->e, x, col[j],
                                               acc[i * nr + j]);
    }
}

/* dU[point][c .. c + mr][o ..], c and o counted in the task. */
static void product_tile(Weights *k, V point, V c, V o)
{
    Winograd *w = &k->w;
    LLVMBuilderRef bld = w->e->b;
    int mr = w->s->mr, nr = w->s->nr, n = mr * nr;
    V lanes = emit_int(w->e, w->lanes), acc[ACC_MAX], a, b, to;
    EmitLoop l;

    a = wino_mul(w, LLVMBuildSDiv(bld, c, lanes, ""), k->v.rows * w->lanes);
    a = wino_add(w, a, LLVMBuildSRem(bld, c, lanes, ""));
    a = wino_at(w, k->v.at, wino_add(w, a, wino_mul(w, point, k->v.point)));
    b = wino_mul(w, LLVMBuildSDiv(bld, o, lanes, ""), k->d.rows * w->lanes);
    b = wino_at(w, k->d.at, wino_add(w, b, wino_mul(w, point, k->d.point)));
    to = wino_add(w, wino_mul(w, point, w->s->mc), c);
    to = wino_at(w, k->u, wino_add(w, wino_mul(w, to, w->s->nc), o));
    start(k, to, mr, nr, acc);
    l = nest_loop(w->n, emit_int(w->e, 0), k->count, "p");
    l.unroll_off = true;
    for (int i = 0; i < n; i++)
        acc[i] = emit_loop_carry(w->e, &l, acc[i]);
    step(k, wino_at(w, a, wino_mul(w, l.i, w->lanes)),
         wino_at(w, b, wino_mul(w, l.i, w->lanes)), mr, nr, acc);
    for (int i = 0; i < n; i++)
        emit_loop_next(&l, i, acc[i]);
    emit_loop_end(w->e, &l);
    for (int i = 0; i < n; i++)
        wino_save(w, l.carry[i],
                  wino_at(w, to, emit_int(w->e, i / nr * w->s->nc +
                                                i % nr * w->lanes)));
}

/* While a point is multiplied, its share of the next group's x or dy, an
 * image of height x width, is fetched. */
static void fetch_share(Weights *k, const Side *s, V point)
{
    Winograd *w = &k->w;
    int64_t rows = k->tiles * w->f.m, height = s->q.height, each;
    Pixels p = {.image = s->base, .channels = s->total, .c = s->from,
                .width = s->most < s->total ? s->most : s->total};
    V first = wino_mul(w, k->first, height);

    if (!s->v->type.batched || w->size != 4)
        return;
    rows = (rows < height ? rows : height) * k->group;
    each = (rows * s->q.width + w->points - 1) / w->points;
    first = wino_add(w, first, wino_mul(w, k->top, w->f.m));
    first = wino_add(w, first, emit_int(w->e, rows));
    first = wino_add(w, wino_mul(w, first, s->q.width),
                     wino_mul(w, point, each));
    wino_fetch_pixels(w, &p, first, each);
}

static void product(Weights *k)
{
    Winograd *w = &k->w;
    V nc = channels(w, k->c0, w->C, w->s->mc);
    V no = channels(w, k->o0, w->d.O, w->s->nc), zero = emit_int(w->e, 0);
    Side x = side_x(k), y = side_y(k);
    EmitLoop t = nest_loop(w->n, zero, emit_int(w->e, w->points), "point");
    EmitLoop o = emit_loop(w->e, w->n->k->fn, zero, no,
                           (int64_t)w->s->nr * w->lanes, "o");
    EmitLoop c = emit_loop(w->e, w->n->k->fn, zero, nc, w->s->mr, "c");

    c.unroll_off = true;
    product_tile(k, t.i, c.i, o.i);
    emit_loop_end(w->e, &c);
    emit_loop_end(w->e, &o);
    fetch_share(k, &x, t.i);
    fetch_share(k, &y, t.i);
    emit_loop_end(w->e, &t);
}

/* --- groups --------------------------------------------------------------- */

static void group(Weights *k, V first, V top)
{
    Winograd *w = &k->w;
    LLVMBuilderRef b = w->e->b;
    V n = w->n->core->src[0]->type.batched ? w->n->k->n : emit_int(w->e, 1);
    V zero = emit_int(w->e, 0);

    k->first = first;
    k->examples = wino_at_most(w, LLVMBuildSub(b, n, first, ""), k->group);
    k->top = top;
    k->rows = wino_at_most(w, LLVMBuildSub(b, emit_int(w->e, w->th), top, ""),
                           k->tiles);
    k->count = LLVMBuildMul(b, k->examples, k->rows, "");
    k->count = wino_mul(w, k->count, w->tw);
    k->fresh = LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntEQ, first, zero, ""),
                            LLVMBuildICmp(b, LLVMIntEQ, top, zero, ""), "");
    side_in(k, side_x(k));
    side_in(k, side_y(k));
    product(k);
}

/* --- back ----------------------------------------------------------------- */

/* x to dW[r, s, c, o ..], `width` lanes in powers of two. */
static void put(Weights *k, V x, int tap, V c, V o, int width)
{
    Winograd *w = &k->w;
    Nest *n = w->n;

    n->at.i[0] = emit_int(w->e, tap / w->f.r);
    n->at.i[1] = emit_int(w->e, tap % w->f.r);
    n->at.i[2] = c;
    for (int from = 0, part = w->lanes; from < width; part /= 2) {
        if (from + part > width)
            continue;
        n->at.i[3] = wino_add(w, o, emit_int(w->e, from));
        n->at.lanes = part;
        nest_store(n, wino_part(w, x, from, part));
        from += part;
    }
}

static void vector_out(Weights *k, V c, V o, int width)
{
    Winograd *w = &k->w;
    V x[WINO_SIDE * WINO_SIDE], y[WINO_SIDE * WINO_SIDE], at;
    int64_t point = (int64_t)w->s->mc * w->s->nc;

    at = wino_at(w, k->u, wino_add(w, wino_mul(w, c, w->s->nc), o));
    for (int t = 0; t < w->points; t++)
        x[t] = wino_load(w, wino_at(w, at, emit_int(w->e, t * point)),
                         w->lanes);
    wino_both(w, &w->f.g, w->f.r, w->f.t, true, x, y);
    for (int t = 0; t < w->f.r * w->f.r; t++)
        put(k, y[t], t, wino_add(w, k->c0, c), wino_add(w, k->o0, o), width);
}

static void back(Weights *k)
{
    Winograd *w = &k->w;
    V no = channels(w, k->o0, w->d.O, w->s->nc), zero = emit_int(w->e, 0);
    V lanes = emit_int(w->e, w->lanes), full, part;
    int64_t rest = w->d.O % w->lanes;
    EmitLoop c = nest_loop(w->n, zero, channels(w, k->c0, w->C, w->s->mc),
                           "c"), l;

    full = wino_mul(w, LLVMBuildSDiv(w->e->b, no, lanes, ""), w->lanes);
    l = emit_loop(w->e, w->n->k->fn, zero, full, w->lanes, "vector");
    l.unroll_off = true;
    vector_out(k, c.i, l.i, w->lanes);
    emit_loop_end(w->e, &l);
    if (rest) {
        part = LLVMBuildSRem(w->e->b, no, lanes, "");
        part = wino_add(w, full, wino_at_most(w, part, 1));
        l = nest_loop(w->n, full, part, "part");
        l.unroll_off = true;
        vector_out(k, c.i, l.i, (int)rest);
        emit_loop_end(w->e, &l);
    }
    emit_loop_end(w->e, &c);
}

static void task(Weights *k, V x)
{
    Winograd *w = &k->w;
    LLVMBuilderRef b = w->e->b;
    int64_t blocks = (w->C + w->s->mc - 1) / w->s->mc;
    bool batched = w->n->core->src[0]->type.batched;
    V n = batched ? w->n->k->n : emit_int(w->e, 1), zero = emit_int(w->e, 0);
    EmitLoop e, i;

    k->c0 = wino_mul(w, LLVMBuildSRem(b, x, emit_int(w->e, blocks), ""),
                     w->s->mc);
    k->o0 = wino_mul(w, LLVMBuildSDiv(b, x, emit_int(w->e, blocks), ""),
                     w->s->nc);
    e = emit_loop(w->e, w->n->k->fn, zero, n, k->group, "examples");
    i = emit_loop(w->e, w->n->k->fn, zero, emit_int(w->e, w->th), k->tiles,
                  "rows");
    group(k, e.i, i.i);
    emit_loop_end(w->e, &i);
    emit_loop_end(w->e, &e);
    back(k);
}

static Panel panel(Winograd *w, int64_t channels_most)
{
    int64_t blocks = (channels_most + w->lanes - 1) / w->lanes;
    Panel p = {.rows = w->s->work};

    p.point = (blocks * p.rows + 1) * w->lanes;
    p.at = wino_frame(w, w->points * p.point);
    return p;
}

void nest_conv_dw_wino(Nest *n)
{
    Weights k = {.group = n->k->k->sched.group, .tiles = n->k->k->sched.tiles};
    Winograd *w = &k.w;
    EmitLoop l;

    wino_open(w, n, n->core->src[0]->type.shape, n->core->src[1]->type.shape);
    k.x = emit_base(n->k, n->core->src[0]);
    k.dy = emit_base(n->k, n->core->src[1]);
    k.v = panel(w, w->s->mc);
    k.d = panel(w, w->s->nc);
    k.u = wino_frame(w, (int64_t)w->points * w->s->mc * w->s->nc);
    l = nest_loop(n, n->k->lo, n->k->hi, "task");
    l.unroll_off = true;
    task(&k, l.i);
    emit_loop_end(w->e, &l);
}
