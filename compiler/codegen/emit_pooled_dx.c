/*
 * emit_pooled_dx.c -- conv_dx_pooled: the gradient in front of a convolution
 * whose result went through a max-pooling.
 *
 *     for panels of channels c, blocks of channels o
 *       list what is not zero in the block, column by column
 *       for rows a of dx, columns q of windows
 *         for the spots of rows a + ph - R + 1 .. a + ph of those columns
 *           S pixels of row a += spot * row of w
 *
 * The pixels that one column of windows reaches, kw + S - 1, are held in
 * registers and slide along the row; sums wait in a scratch image with a
 * margin on both sides, so that there are no borders, until the last block.
 * Spots of neighbouring rows lie side by side in the list, and an offset holds
 * the row of the spot with the sign that makes it a row of w.
 */
#include "codegen/pooled.h"

typedef struct Dx {
    V starts, scratch;
    int64_t rows;  // of the unpooled value
    int64_t width; // pixels of a row of scratch
    int64_t pixel; // elements of one
} Dx;

static int64_t larger(int64_t x, int64_t y)
{
    return x > y ? x : y;
}

static V start_of(Pooled *p, const Dx *d, V column, V row)
{
    V at = emit_index_add(p->e, emit_index_mul(p->e, column, d->rows + 1),
                          row);

    at = LLVMBuildLoad2(p->e->b, p->e->i32,
                        pooled_at(p, p->e->i32, d->starts, at), "");
    LLVMSetAlignment(at, 4);
    return LLVMBuildSExt(p->e->b, at, p->e->i64, "");
}

static V pixel_at(Pooled *p, const Dx *d, V row, V x)
{
    return pooled_at(p, p->elem, row, emit_index_mul(p->e, x, d->pixel));
}

static void load_pixels(Pooled *p, const Dx *d, const Panel *of, V row, V x,
                        int n, V *acc)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < of->nv; j++)
            acc[i * of->nv + j] =
                pooled_load(p, of, pixel_at(p, d, row, nest_add(p->n, x, i)),
                            j);
}

static void store_pixels(Pooled *p, const Dx *d, const Panel *of, V row, V x,
                         int n, const V *acc)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < of->nv; j++)
            pooled_store(p, of, pixel_at(p, d, row, nest_add(p->n, x, i)), j,
                         acc[i * of->nv + j]);
}

/* One row of dx. w: the panel's row of w for the offset of row 0. */
static void one_row(Pooled *p, const Dx *d, const Panel *of, V row, V w,
                    V from, V to)
{
    int64_t kw = p->u.kw;
    int keep = (int)p->u.S - 1, all = keep + (int)kw, nv = of->nv;
    V acc[128], left[128], x;
    EmitLoop q;

    load_pixels(p, d, of, row, nest_int(p->n, 0), keep, left);
    q = nest_loop(p->n, nest_int(p->n, 0), nest_int(p->n, p->Wo), "q");
    q.unroll_off = true;
    for (int i = 0; i < keep * nv; i++)
        acc[i] = emit_loop_carry(p->e, &q, left[i]);
    x = emit_index_mul(p->e, q.i, kw);
    load_pixels(p, d, of, row, nest_add(p->n, x, keep), (int)kw,
                acc + keep * nv);
    for (int s = 0; s < kw; s++) {
        V column = nest_add(p->n, x, s);

        pooled_sum(p, of, start_of(p, d, column, from),
                   start_of(p, d, column, to), w, (int)p->u.S, p->C,
                   acc + s * nv);
    }
    store_pixels(p, d, of, row, x, (int)kw, acc);
    for (int i = 0; i < keep * nv; i++)
        emit_loop_next(&q, i, acc[(all - keep) * nv + i]);
    emit_loop_end(p->e, &q);
    store_pixels(p, d, of, row, nest_int(p->n, p->Wo * kw), keep, q.carry);
}

static void one_block(Pooled *p, const Dx *d, const Panel *of, V o)
{
    const UnpoolDims *u = &p->u;
    int64_t tap = u->S * p->C; // a row of taps
    V end = nest_int(p->n, d->rows), from, to, w;
    EmitLoop a;

    pooled_list(p, o, d->starts, u->R * tap, tap);
    a = nest_loop(p->n, nest_int(p->n, 0), nest_int(p->n, u->H), "a");
    a.unroll_off = true;
    from = emit_larger(p->e, nest_add(p->n, a.i, u->ph - u->R + 1),
                       nest_int(p->n, 0));
    from = emit_smaller(p->e, from, end);
    to = emit_smaller(p->e, nest_add(p->n, a.i, u->ph + 1), end);
    w = emit_index_mul(p->e, nest_add(p->n, a.i, u->ph), tap);
    w = emit_index_add(p->e, w, of->from);
    w = pooled_at(p, p->elem, pooled_base(p, p->other), w);
    one_row(p, d, of,
            pooled_at(p, p->elem, d->scratch,
                      emit_index_mul(p->e, a.i, d->width * d->pixel)),
            w, from, to);
    emit_loop_end(p->e, &a);
}

/* Pixel (a, b) of the panel from scratch to dx, through the epilogue. */
static void finish_pixel(Pooled *p, const Dx *d, const Panel *of, V a, V b)
{
    Nest *n = p->n;
    int64_t end = (int64_t)(of->nv - 1) * p->lanes + of->width, c = 0;
    V at = emit_index_mul(p->e, a, d->width), x;

    at = emit_index_add(p->e, at, nest_add(n, b, p->u.pw));
    at = pooled_at(p, p->elem, d->scratch,
                   emit_index_mul(p->e, at, d->pixel));
    n->at.i[0] = a;
    n->at.i[1] = b;
    for (int lanes = p->lanes; lanes >= 1; lanes /= 2)
        for (; c + lanes <= end; c += lanes) {
            n->at.i[2] = nest_add(n, of->from, c);
            n->at.lanes = lanes;
            x = LLVMBuildLoad2(p->e->b, emit_type(p->e, p->dt, lanes),
                               pooled_at(p, p->elem, at, nest_int(n, c)), "");
            LLVMSetAlignment(x, (unsigned)p->size);
            nest_store(n, x);
        }
    n->at.lanes = 1;
}

static void one_panel(Pooled *p, Panel of, void *user)
{
    Dx *d = user;
    Nest *n = p->n;
    V zero = nest_int(n, 0);
    EmitLoop o, a, b;

    LLVMBuildMemSet(p->e->b, d->scratch, LLVMConstInt(p->e->i8, 0, 0),
                    nest_int(n, p->u.H * d->width * d->pixel * p->size), 64);
    o = emit_loop(p->e, n->k->fn, zero, nest_int(n, p->O),
                  pooled_list_lanes(p), "o");
    o.unroll_off = true;
    one_block(p, d, &of, o.i);
    emit_loop_end(p->e, &o);
    a = nest_loop(n, zero, nest_int(n, p->u.H), "a");
    b = nest_loop(n, zero, nest_int(n, p->u.W), "b");
    finish_pixel(p, d, &of, a.i, b.i);
    emit_loop_end(p->e, &b);
    emit_loop_end(p->e, &a);
}

static void one_example(Pooled *p, Dx *d, int64_t wide)
{
    p->example = p->n->at.example;
    pooled_panels(p, p->C, (int)wide, one_panel, d);
}

static void columns(Pooled *p)
{
    Nest *n = p->n;
    int lanes = pooled_list_lanes(p);
    int64_t pixels = p->u.kw + p->u.S - 1, wide = p->most / pixels, nv;
    int64_t list = p->Ho * p->Wo * lanes + lanes;
    Dx d = {.rows = p->Ho * p->u.kh};
    EmitLoop l;

    nv = (p->C + p->lanes - 1) / p->lanes;
    wide = larger(1, wide < nv ? wide : nv);
    d.width = larger(p->Wo * p->u.kw + p->u.S - 1, p->u.W + p->u.pw);
    d.pixel = wide * p->lanes;
    p->values = pooled_room(p, p->elem, list);
    p->offsets = pooled_room(p, p->e->i32, list);
    d.starts = pooled_room(p, p->e->i32, p->Wo * p->u.kw * (d.rows + 1));
    d.scratch = pooled_room(p, p->elem, p->u.H * d.width * d.pixel);
    if (!n->core->type.batched) {
        one_example(p, &d, wide);
        return;
    }
    l = nest_loop(n, n->k->lo, n->k->hi, "example");
    n->at.example = l.i;
    one_example(p, &d, wide);
    emit_loop_end(p->e, &l);
}

void nest_conv_dx_pooled(Nest *n)
{
    Pooled p = pooled_begin(n, 0, 2, 1);

    if (pooled_patch_pays(&p))
        pooled_patches(&p);
    else
        columns(&p);
}
