/*
 * emit_pooled_patch.c -- conv_dx_pooled for few channels of dx.
 *
 * What one window reaches, kh + R - 1 rows of kw + S - 1 pixels, stands in
 * registers as a patch of rows padded to a power of two. The weights are laid
 * out as such patches once per call, one for each tap of the window and
 * channel o, so that a spot is one multiplication of a whole patch:
 *
 *     for windows
 *       list what is not zero, all channels
 *       patch = sum over spots of spot * patch of (tap, o)
 *       scratch image += patch
 *
 * Spots are taken two at a time, even and odd ones summed apart; an odd
 * number of them is filled up with one whose patch is zero.
 */
#include "codegen/pooled.h"

typedef struct Patch {
    int64_t rows, width; // of a patch, in elements
    int64_t size;        // padded to vectors
    int64_t line;        // elements of a row of scratch
    V weights, scratch, spread;
} Patch;

static Patch patch_of(const Pooled *p, int lanes)
{
    Patch d = {.rows = p->u.kh + p->u.R - 1, .width = 1};
    int64_t n = (p->u.kw + p->u.S - 1) * p->C;

    while (d.width < n)
        d.width *= 2;
    d.size = (d.rows * d.width + lanes - 1) / lanes * lanes;
    d.line = (p->Wo - 1) * p->u.kw * p->C + d.width;
    if (d.line < (p->u.W + p->u.pw) * p->C)
        d.line = (p->u.W + p->u.pw) * p->C;
    return d;
}

bool pooled_patch_pays(const Pooled *p)
{
    int lanes = emit_lanes(p->e, p->dt);
    Patch d = patch_of(p, lanes);
    int64_t vectors = d.size / lanes, taps = p->u.kh * p->u.kw;
    int64_t pixel = (p->C + lanes - 1) / lanes;

    // The taps that a patch holds as 0 are multiplied too.
    return p->n->k->k->sched.sparse && !p->other->type.batched &&
           d.width <= 2 * lanes &&
           2 * vectors <= p->most &&
           vectors + 2 < p->u.R * (p->u.S * pixel + 2) &&
           taps * p->O * d.size <= 1 << 16;
}

static V index2(Pooled *p, V x, int64_t n, V y)
{
    return emit_index_add(p->e, emit_index_mul(p->e, x, n), y);
}

/* Element c of tap (r, s) of channel o to the patches of all taps (i, j) of a
 * window: row i + r, pixel j + s. */
static void place_weight(Pooled *p, const Patch *d, V o, V r, V s, V c)
{
    const UnpoolDims *u = &p->u;
    V at = index2(p, index2(p, index2(p, o, u->R, r), u->S, s), p->C, c), x;

    x = LLVMBuildLoad2(p->e->b, p->elem,
                       pooled_at(p, p->elem, pooled_base(p, p->other), at),
                       "");
    at = index2(p, r, d->width, index2(p, s, p->C, c));
    at = index2(p, o, d->size, at);
    for (int64_t i = 0; i < u->kh; i++)
        for (int64_t j = 0; j < u->kw; j++) {
            int64_t tap = (i * u->kw + j) * p->O * d->size + i * d->width +
                          j * p->C;

            LLVMBuildStore(p->e->b, x,
                           pooled_at(p, p->elem, d->weights,
                                     nest_add(p->n, at, tap)));
        }
}

static void clear(Pooled *p, V at, int64_t n)
{
    LLVMBuildMemSet(p->e->b, at, LLVMConstInt(p->e->i8, 0, 0),
                    nest_int(p->n, n * p->size), 64);
}

static void lay_out_weights(Pooled *p, const Patch *d)
{
    const UnpoolDims *u = &p->u;
    V zero = nest_int(p->n, 0);
    EmitLoop o, r, s, c;

    clear(p, d->weights, (u->kh * u->kw * p->O + 1) * d->size);
    o = nest_loop(p->n, zero, nest_int(p->n, p->O), "o");
    r = nest_loop(p->n, zero, nest_int(p->n, u->R), "r");
    s = nest_loop(p->n, zero, nest_int(p->n, u->S), "s");
    c = nest_loop(p->n, zero, nest_int(p->n, p->C), "c");
    place_weight(p, d, o.i, r.i, s.i, c.i);
    emit_loop_end(p->e, &c);
    emit_loop_end(p->e, &s);
    emit_loop_end(p->e, &r);
    emit_loop_end(p->e, &o);
}

/* An even number of spots: those of window w, and one of the zero patch. */
static V list_window(Pooled *p, const Patch *d, V w)
{
    LLVMBuilderRef b = p->e->b;
    int64_t last = p->u.kh * p->u.kw * p->O * d->size;
    V n = pooled_list_window(p, w, p->O * d->size, d->size);

    LLVMBuildStore(b, LLVMConstNull(p->elem),
                   pooled_at(p, p->elem, p->values, n));
    LLVMBuildStore(b, LLVMConstInt(p->e->i32, (unsigned)last, 0),
                   pooled_at(p, p->e->i32, p->offsets, n));
    return LLVMBuildAnd(b, nest_add(p->n, n, 1),
                        LLVMConstInt(p->e->i64, ~1ULL, 1), "");
}

static void sum_spots(Pooled *p, const Patch *d, V count, V *acc)
{
    Panel of = {.nv = (int)(d->size / p->lanes), .width = p->lanes};
    LLVMTypeRef t = emit_type(p->e, p->dt, p->lanes);
    EmitLoop l = emit_loop(p->e, p->n->k->fn, nest_int(p->n, 0), count, 2,
                           "spots");

    l.unroll_off = true;
    for (int i = 0; i < 2 * of.nv; i++)
        acc[i] = emit_loop_carry(p->e, &l, LLVMConstNull(t));
    for (int k = 0; k < 2; k++) {
        V at, x;

        pooled_spot(p, nest_add(p->n, l.i, k), d->weights, &x, &at);
        for (int j = 0; j < of.nv; j++)
            emit_loop_next(&l, k * of.nv + j,
                           pooled_multiply_add(p, x,
                                               pooled_load(p, &of, at, j),
                                               acc[k * of.nv + j]));
    }
    emit_loop_end(p->e, &l);
    for (int j = 0; j < of.nv; j++)
        acc[j] = LLVMBuildFAdd(p->e->b, l.carry[j], l.carry[of.nv + j], "");
}

/* The patch, laid down in memory, row by row to the image. */
static void add_patch(Pooled *p, const Patch *d, V row, V column, V *acc)
{
    Panel all = {.nv = (int)(d->size / p->lanes), .width = p->lanes}, line;
    int lanes = p->lanes;
    V at = emit_index_add(p->e,
                          emit_index_mul(p->e, row, p->u.kh * d->line),
                          emit_index_mul(p->e, column, p->u.kw * p->C));

    for (int j = 0; j < all.nv; j++)
        pooled_store(p, &all, d->spread, j, acc[j]);
    if (d->width < p->lanes)
        p->lanes = (int)d->width;
    line = (Panel){.nv = (int)(d->width / p->lanes), .width = p->lanes};
    for (int64_t i = 0; i < d->rows; i++) {
        V from = pooled_at(p, p->elem, d->spread, nest_int(p->n, i * d->width));
        V to = pooled_at(p, p->elem, d->scratch,
                         nest_add(p->n, at, i * d->line));

        for (int j = 0; j < line.nv; j++)
            pooled_store(p, &line, to, j,
                         LLVMBuildFAdd(p->e->b, pooled_load(p, &line, to, j),
                                       pooled_load(p, &line, from, j), ""));
    }
    p->lanes = lanes;
}

static void one_window(Pooled *p, const Patch *d, V row, V column)
{
    V acc[64], w = index2(p, row, p->Wo, column);

    sum_spots(p, d, list_window(p, d, w), acc);
    add_patch(p, d, row, column, acc);
}

static V scratch_load(Pooled *p, const Patch *d, V a, V x, int lanes)
{
    V at = index2(p, nest_add(p->n, a, p->u.ph), d->line,
                  nest_add(p->n, x, p->u.pw * p->C));

    at = LLVMBuildLoad2(p->e->b, emit_type(p->e, p->dt, lanes),
                        pooled_at(p, p->elem, d->scratch, at), "");
    LLVMSetAlignment(at, (unsigned)p->size);
    return at;
}

/* Rows of dx, W C elements each, through the epilogue. */
static void finish(Pooled *p, const Patch *d)
{
    Nest *n = p->n;
    const KernelEmit *k = n->k;
    bool flat = k->k->root == n->core || emit_is_flat(k, k->k->root, false);
    int64_t line = p->u.W * p->C, from = 0;
    EmitLoop a = nest_loop(n, nest_int(n, 0), nest_int(n, p->u.H), "a"), x;

    n->at.i[0] = a.i;
    for (int lanes = flat || p->C == 1 ? emit_lanes(p->e, p->dt) : 1; lanes;
         lanes /= 2) {
        int64_t to = from + (line - from) / lanes * lanes;

        if (to == from)
            continue;
        x = emit_loop(p->e, k->fn, nest_int(n, from), nest_int(n, to), lanes,
                      "x");
        n->at.lanes = lanes;
        n->at.i[1] = LLVMBuildSDiv(p->e->b, x.i, nest_int(n, p->C), "");
        n->at.i[2] = LLVMBuildSRem(p->e->b, x.i, nest_int(n, p->C), "");
        n->at.flat = flat ? index2(p, a.i, line, x.i) : NULL;
        nest_store(n, scratch_load(p, d, a.i, x.i, lanes));
        n->at.flat = NULL;
        emit_loop_end(p->e, &x);
        from = to;
    }
    n->at.lanes = 1;
    emit_loop_end(p->e, &a);
}

static void one_example(Pooled *p, const Patch *d, int64_t lines)
{
    V zero = nest_int(p->n, 0);
    EmitLoop w, q;

    p->example = p->n->at.example;
    clear(p, d->scratch, lines * d->line);
    w = nest_loop(p->n, zero, nest_int(p->n, p->Ho), "p");
    q = nest_loop(p->n, zero, nest_int(p->n, p->Wo), "q");
    one_window(p, d, w.i, q.i);
    emit_loop_end(p->e, &q);
    emit_loop_end(p->e, &w);
    finish(p, d);
}

void pooled_patches(Pooled *p)
{
    int lanes = emit_lanes(p->e, p->dt);
    Patch d = patch_of(p, lanes);
    int64_t taps = p->u.kh * p->u.kw, list = p->O + 1 + pooled_list_lanes(p);
    int64_t lines = p->Ho * p->u.kh + p->u.R - 1;
    EmitLoop l;

    if (lines < p->u.H + p->u.ph)
        lines = p->u.H + p->u.ph;
    p->lanes = lanes;
    p->values = pooled_room(p, p->elem, list);
    p->offsets = pooled_room(p, p->e->i32, list);
    d.weights = pooled_room(p, p->elem, (taps * p->O + 1) * d.size);
    d.spread = pooled_room(p, p->elem, d.size);
    d.scratch = pooled_room(p, p->elem, lines * d.line);
    lay_out_weights(p, &d);
    if (!p->n->core->type.batched) {
        one_example(p, &d, lines);
        return;
    }
    l = nest_loop(p->n, p->n->k->lo, p->n->k->hi, "example");
    p->n->at.example = l.i;
    one_example(p, &d, lines);
    emit_loop_end(p->e, &l);
}
