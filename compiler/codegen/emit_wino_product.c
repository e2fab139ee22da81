/*
 * emit_wino_product.c -- M[t] = V[t] U[t] for every point t: register tiles of
 * mr rows (tiles of the image) and nr vectors of outputs.
 */
#include "codegen/wino.h"

enum { ACC_MAX = 32, SMALL_TILE = 4,
       FETCHED = 16 * 1024, // bytes of a result that is not near anyway
       FAR = 4 << 20,       // bytes of weights that come from afar
       PASSES = 2 };        // over a point's rows that fetch the next one's

typedef struct Product {
    WinoConv *c;
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
            p->acc[i * p->nr + j] = vec_multiply_add(
                w->e, x, col[j], p->acc[i * p->nr + j]);
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

/* The point of U that V's multiplies. */
static V weights_of(Winograd *w, V point)
{
    LLVMBuilderRef b = w->e->b;
    V t = emit_int(w->e, w->f.t), last = emit_int(w->e, w->f.nu - 1);
    V i[2] = {LLVMBuildSDiv(b, point, t, ""), LLVMBuildSRem(b, point, t, "")};

    if (w->f.nu == w->f.t)
        return point;
    for (int k = 0; k < 2; k++)
        i[k] = emit_smaller(w->e, i[k], last);
    return wino_add(w, wino_mul(w, i[0], w->f.nu), i[1]);
}

/* Of a batch of a few examples each weight is used twice or three times, and
 * a stream fetches only ahead of the first use: memory would rest in between.
 * So each of the first passes over a point's weights, at step k, fetches its
 * part of the next point's, which follow in memory. */
static void fetch_weights(Product *p, V pass, V k)
{
    Winograd *w = &p->c->w;
    int64_t all = w->C * WINO_PANEL, line = WINO_LINE / w->size;
    int64_t ahead = w->s->unroll * WINO_PANEL / PASSES;
    V at;

    if (w->f.nu * w->f.nu * all * w->d.O / WINO_PANEL * w->size < FAR)
        return;
    pass = wino_mul(w, wino_at_most(w, pass, PASSES - 1), all / PASSES);
    at = wino_add(w, wino_mul(w, k, WINO_PANEL / PASSES), pass);
    at = wino_at(w, p->b, wino_add(w, at, emit_int(w->e, all)));
    for (int64_t i = 0; i < ahead; i += line)
        wino_fetch(w, wino_at(w, at, emit_int(w->e, i)), false);
}

/* A register tile: mr rows from `row`, nr vectors; of the full tiles number
 * `pass`. */
static void product_tile(WinoConv *c, int mr, V point, V row, int column,
                         V pass)
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
    at = wino_mul(w, c->panel, w->f.nu * w->f.nu);
    at = wino_add(w, at, weights_of(w, point));
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
        if (pass)
            fetch_weights(&p, pass, l.i);
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
static void product_rows(WinoConv *c, V point, int column)
{
    Winograd *w = &c->w;
    int mr = w->s->mr;
    V full = LLVMBuildSDiv(w->e->b, c->count, emit_int(w->e, mr), "");
    EmitLoop l = nest_loop(w->n, emit_int(w->e, 0), full, "tile");

    l.unroll_off = true;
    product_tile(c, mr, point, wino_mul(w, l.i, mr), column, l.i);
    emit_loop_end(w->e, &l);
    l = emit_loop(w->e, w->n->k->fn, wino_mul(w, full, mr), c->count,
                  SMALL_TILE, "rest");
    l.unroll_off = true;
    product_tile(c, SMALL_TILE, point, l.i, column, NULL);
    emit_loop_end(w->e, &l);
}

/* Does the epilogue read v where it writes y? */
static bool is_like_y(const Nest *n, Val v)
{
    Type y = n->core->type;

    return v != n->core->src[0] && v->type.batched && v->type.dt == y.dt &&
           shape_eq(v->type.shape, y.shape);
}

/* While a point is multiplied, its share of the next group's x is fetched, of
 * where this panel's y goes and of what the epilogue reads there. */
static void fetch_share(WinoConv *c, V point)
{
    Winograd *w = &c->w;
    int64_t line = WINO_LINE / w->size, m = w->f.out;
    int64_t hop = w->f.hop, rows = w->s->tiles * hop;
    int64_t panels = (w->d.O + WINO_PANEL - 1) / WINO_PANEL;
    int64_t slots = panels * w->points, out, each;
    int64_t size = (rows < w->H ? rows : w->H) * w->W * w->C * w->s->group;
    V first = wino_mul(w, c->first, w->H), at, slot;
    Pixels y = {.image = w->n->k->dst, .channels = w->d.O,
                .c = wino_mul(w, c->panel, WINO_PANEL),
                .width = WINO_PANEL, .write = true};
    EmitLoop l;

    if (!w->n->core->src[0]->type.batched || w->size != 4 ||
        w->Ho * w->Wo * w->d.O * w->size < FETCHED)
        return;
    slot = wino_add(w, wino_mul(w, c->panel, w->points), point);
    each = (size / line + slots - 1) / slots;
    first = wino_add(w, first, wino_mul(w, c->top, hop));
    at = wino_add(w, wino_mul(w, first, w->W * w->C), emit_int(w->e, size));
    at = wino_add(w, at, wino_mul(w, slot, each * line));
    at = wino_at(w, c->x, at);
    l = nest_loop(w->n, emit_int(w->e, 0), emit_int(w->e, each), "fetch");
    wino_fetch(w, wino_at(w, at, wino_mul(w, l.i, line)), false);
    emit_loop_end(w->e, &l);
    rows = w->s->tiles * m;
    out = (rows < w->Ho ? rows : w->Ho) * w->Wo * w->s->group;
    each = (out + w->points - 1) / w->points;
    first = wino_mul(w, c->first, w->Ho);
    first = wino_add(w, first, wino_mul(w, c->top, m));
    first = wino_add(w, wino_mul(w, first, w->Wo), wino_mul(w, point, each));
    wino_fetch_pixels(w, &y, first, each);
    y.write = false;
    for (int i = 0; i < w->n->k->k->nread; i++)
        if (is_like_y(w->n, w->n->k->k->read[i]->val)) {
            y.image = w->n->k->read[i];
            wino_fetch_pixels(w, &y, first, each);
        }
}

void wino_product(WinoConv *c)
{
    Winograd *w = &c->w;
    EmitLoop l = nest_loop(w->n, emit_int(w->e, 0), emit_int(w->e, w->points),
                           "point");

    for (int col = 0; col < WINO_PANEL; col += w->s->nr * w->lanes)
        product_rows(c, l.i, col);
    fetch_share(c, l.i);
    emit_loop_end(w->e, &l);
}
