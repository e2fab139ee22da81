/*
 * contract.c -- a contraction as loops with strides.
 *
 * dot, conv and conv_dw are one thing here: C[row, n] = sum over k of
 * A[row, k] B[k, n], where every axis is an extent and three strides. For a
 * convolution the axes of one tap row, (s, c), are contiguous in x and in w
 * and join to one reduction axis; for its weight gradient they join to one
 * row axis. The order of the reduction axes is fixed by the op alone, so each
 * element of C is one order of additions whatever the batch.
 *
 * Padding is no memory: a pair of axes (output row, tap row) has a window that
 * says where both together lie inside, and the others are left out.
 */
#include "loop/loop.h"

/* Strides of the dims of a row-major value. */
static void strides_of(Shape s, int64_t *stride)
{
    int64_t n = 1;

    for (int d = s.rank; d-- > 0;) {
        stride[d] = n;
        n *= s.dim[d];
    }
}

/* Strides of source `v` of k as it stands in memory. In panels a step of the
 * others is a panel's width, and N of them make a panel apart. */
static void source_strides(const Kernel *k, Val v, int64_t *stride)
{
    Val p = panel_source(k, v);
    Shape s = v->type.shape;

    if (p)
        s.dim[s.rank - 1] = p->type.shape.dim[2];
    strides_of(s, stride);
    if (p)
        stride[s.rank - 1] = p->type.shape.dim[1];
}

static void add_axis(Axis *list, int *n, Axis x)
{
    if (x.extent != 1 || x.win || x.step)
        list[(*n)++] = x;
}

/* Places are x places + k taps - pad of `size`: gives both axes a window if
 * some lie outside. */
static void add_window(Contract *c, Axis *place, Axis *tap, int64_t stride,
                       int64_t pad, int64_t size, bool rows_are_taps)
{
    int64_t last = stride * (place->extent - 1) + tap->extent - 1 - pad;

    if (pad <= 0 && last < size)
        return;
    c->win[c->nwin++] = (Bounds){stride, pad, size, rows_are_taps};
    place->win = tap->win = c->nwin;
}

/* Strides of the example axis; 0 for what is shared. */
static Axis example_axis(Val core)
{
    Val a = core->src[0], b = core->src[1];

    return (Axis){.extent = 0,
                  .a = a->type.batched ? shape_size(a->type.shape) : 0,
                  .b = b->type.batched ? shape_size(b->type.shape) : 0,
                  .c = core->type.batched ? shape_size(core->type.shape) : 0};
}

/* --- the axes of each op -------------------------------------------------- */

static void conv_axes(const Kernel *k, Contract *c)
{
    Val v = k->core;
    const int64_t *x = v->src[0]->type.shape.dim;
    const int64_t *w = v->src[1]->type.shape.dim, *y = v->type.shape.dim;
    ConvDims d = ir_conv_dims(v);
    int64_t O = w[3], ws[RANK_MAX];
    Axis p = {.extent = y[0], .a = d.sh * x[1] * x[2], .c = y[1] * O,
              .dim = 0, .ndim = 1};
    Axis q = {.extent = y[1], .a = d.sw * x[2], .c = O, .dim = 1, .ndim = 1};
    Axis r = {.extent = w[0], .a = x[1] * x[2]};
    Axis s = {.extent = w[1], .a = x[2]};

    source_strides(k, v->src[1], ws);
    r.b = ws[0];
    s.b = ws[1];
    add_window(c, &p, &r, d.sh, d.ph_lo, x[0], false);
    add_window(c, &q, &s, d.sw, d.pw_lo, x[1], false);
    c->a0 = -(d.ph_lo * x[1] + d.pw_lo) * x[2];
    if (v->type.batched)
        add_axis(c->row, &c->nrow, example_axis(v));
    add_axis(c->row, &c->nrow, p);
    add_axis(c->row, &c->nrow, q);
    add_axis(c->row, &c->nrow,
             (Axis){.extent = O, .b = ws[3], .c = 1, .dim = 2, .ndim = 1});
    add_axis(c->k, &c->nk, r);
    add_axis(c->k, &c->nk, s);
    add_axis(c->k, &c->nk, (Axis){.extent = w[2], .a = 1, .b = ws[2]});
}

/*
 * One dim of a phase of y = conv_up(x, w): with y's place i and x's place p,
 *     i + pad = stride p + r,   i = start + stride m,   r = phase + stride t
 * so p = q0 + m - t. Taps run backwards, that p may run forwards:
 * p = m + t' - (taps - 1 - q0).
 */
typedef struct Phase {
    int64_t start, extent, taps, pad, tap; // tap: the r of t' = 0
} Phase;

static Phase phase_of(int64_t phase, int64_t stride, int64_t pad, int64_t H,
                      int64_t R)
{
    Phase f = {.start = ((phase - pad) % stride + stride) % stride};
    int64_t q0 = (f.start + pad - phase) / stride;

    f.extent = f.start < H ? (H - f.start + stride - 1) / stride : 0;
    f.taps = phase < R ? (R - phase + stride - 1) / stride : 0;
    f.pad = f.taps - 1 - q0;
    f.tap = phase + stride * (f.taps - 1);
    return f;
}

static bool conv_up_axes(const Kernel *k, int phase, Contract *c)
{
    Val v = k->core;
    const int64_t *x = v->src[0]->type.shape.dim;
    const int64_t *w = v->src[1]->type.shape.dim, *y = v->type.shape.dim;
    ConvDims d = ir_conv_dims(v);
    Phase h = phase_of(phase / d.sw, d.sh, d.ph_lo, y[0], w[0]);
    Phase l = phase_of(phase % d.sw, d.sw, d.pw_lo, y[1], w[1]);
    int64_t O = w[3], ws[RANK_MAX];
    Axis p = {.extent = h.extent, .a = x[1] * x[2], .c = d.sh * y[1] * O,
              .dim = 0, .ndim = 1, .start = h.start, .step = d.sh};
    Axis q = {.extent = l.extent, .a = x[2], .c = d.sw * O, .dim = 1,
              .ndim = 1, .start = l.start, .step = d.sw};
    Axis r = {.extent = h.taps, .a = x[1] * x[2], .step = 1};
    Axis s = {.extent = l.taps, .a = x[2], .step = 1};

    source_strides(k, v->src[1], ws);
    r.b = -d.sh * ws[0];
    s.b = -d.sw * ws[1];

    c->empty = !h.taps || !l.taps;
    if (!c->empty) {
        add_window(c, &p, &r, 1, h.pad, x[0], false);
        add_window(c, &q, &s, 1, l.pad, x[1], false);
        c->a0 = -(h.pad * x[1] + l.pad) * x[2];
        c->b0 = h.tap * ws[0] + l.tap * ws[1];
        add_axis(c->k, &c->nk, r);
        add_axis(c->k, &c->nk, s);
        add_axis(c->k, &c->nk, (Axis){.extent = w[2], .a = 1, .b = ws[2]});
    }
    c->c0 = (h.start * y[1] + l.start) * O;
    if (v->type.batched)
        add_axis(c->row, &c->nrow, example_axis(v));
    add_axis(c->row, &c->nrow, p);
    add_axis(c->row, &c->nrow, q);
    add_axis(c->row, &c->nrow,
             (Axis){.extent = O, .b = ws[3], .c = 1, .dim = 2, .ndim = 1});
    return h.extent && l.extent;
}

static void conv_dw_axes(Val v, Contract *c)
{
    const int64_t *x = v->src[0]->type.shape.dim;
    const int64_t *y = v->src[1]->type.shape.dim, *w = v->type.shape.dim;
    ConvDims d = ir_conv_dims(v);
    int64_t O = w[3];
    Axis r = {.extent = w[0], .a = x[1] * x[2], .c = w[1] * w[2] * O,
              .dim = 0, .ndim = 1};
    Axis s = {.extent = w[1], .a = x[2], .c = w[2] * O, .dim = 1, .ndim = 1};
    Axis p = {.extent = y[0], .a = d.sh * x[1] * x[2], .b = y[1] * O};
    Axis q = {.extent = y[1], .a = d.sw * x[2], .b = O};

    add_window(c, &p, &r, d.sh, d.ph_lo, x[0], true);
    add_window(c, &q, &s, d.sw, d.pw_lo, x[1], true);
    c->a0 = -(d.ph_lo * x[1] + d.pw_lo) * x[2];
    add_axis(c->row, &c->nrow, r);
    add_axis(c->row, &c->nrow, s);
    add_axis(c->row, &c->nrow, (Axis){.extent = w[2], .a = 1, .c = O, .dim = 2,
                                      .ndim = 1});
    add_axis(c->row, &c->nrow,
             (Axis){.extent = O, .b = 1, .c = 1, .dim = 3, .ndim = 1});
    if (v->src[0]->type.batched || v->src[1]->type.batched)
        add_axis(c->k, &c->nk, example_axis(v));
    add_axis(c->k, &c->nk, p);
    add_axis(c->k, &c->nk, q);
}

static void add_free(Contract *c, Shape s, const int64_t *stride,
                     const bool *bound, bool first, const int64_t *cs,
                     int *dim)
{
    for (int d = 0; d < s.rank; d++) {
        Axis x = {.extent = s.dim[d], .dim = *dim, .ndim = 1};

        if (bound[d])
            continue;
        *(first ? &x.a : &x.b) = stride[d];
        x.c = cs[(*dim)++];
        add_axis(c->row, &c->nrow, x);
    }
}

/* Result dims: paired dims, free dims of x, free dims of y. */
static void dot_axes(const Kernel *k, Contract *c)
{
    Val v = k->core;
    Shape x = v->src[0]->type.shape, y = v->src[1]->type.shape;
    int64_t xs[RANK_MAX], ys[RANK_MAX], cs[RANK_MAX];
    bool bx[RANK_MAX] = {0}, by[RANK_MAX] = {0};
    DotDims d = ir_dot_dims(v);
    int dim = 0;

    source_strides(k, v->src[0], xs);
    source_strides(k, v->src[1], ys);
    strides_of(v->type.shape, cs);
    if (v->type.batched)
        add_axis(c->row, &c->nrow, example_axis(v));
    for (int i = 0; i < d.nbatch; i++, dim++) {
        add_axis(c->row, &c->nrow,
                 (Axis){.extent = x.dim[d.bx[i]], .a = xs[d.bx[i]],
                        .b = ys[d.by[i]], .c = cs[dim], .dim = dim,
                        .ndim = 1});
        bx[d.bx[i]] = by[d.by[i]] = true;
    }
    for (int i = 0; i < d.ncontract; i++)
        bx[d.cx[i]] = by[d.cy[i]] = true;
    add_free(c, x, xs, bx, true, cs, &dim);
    add_free(c, y, ys, by, false, cs, &dim);
    if (d.sum_batch)
        add_axis(c->k, &c->nk, example_axis(v));
    for (int i = 0; i < d.ncontract; i++)
        add_axis(c->k, &c->nk,
                 (Axis){.extent = x.dim[d.cx[i]], .a = xs[d.cx[i]],
                        .b = ys[d.cy[i]]});
}

/* --- arranging them ------------------------------------------------------- */

/* One axis for neighbours (outer o, inner i) that walk memory alike. Dims of C
 * between them have extent 1. */
static bool joins(Axis o, Axis i)
{
    return o.extent && i.extent && !o.win && !i.win && !o.step && !i.step &&
           o.a == i.a * i.extent &&
           o.b == i.b * i.extent && o.c == i.c * i.extent;
}

static void join_axes(Axis *list, int *n)
{
    int out = 0;

    for (int i = 0; i < *n; i++) {
        if (out && joins(list[out - 1], list[i])) {
            Axis o = list[out - 1];

            list[out - 1] = (Axis){
                .extent = o.extent * list[i].extent, .a = list[i].a,
                .b = list[i].b, .c = list[i].c, .dim = o.dim,
                .ndim = list[i].dim + list[i].ndim - o.dim};
        } else {
            list[out++] = list[i];
        }
    }
    *n = out;
}

static Axis take_row(Contract *c, int i)
{
    Axis x = c->row[i];

    c->nrow--;
    for (; i < c->nrow; i++)
        c->row[i] = c->row[i + 1];
    return x;
}

static void swap_operands(Contract *c)
{
    Val t = c->a;

    int64_t first = c->a0;

    c->a = c->b;
    c->b = t;
    c->a0 = c->b0;
    c->b0 = first;
    for (int i = 0; i < c->nrow + c->nk + 1; i++) {
        Axis *x = i < c->nrow           ? &c->row[i]
                  : i < c->nrow + c->nk ? &c->k[i - c->nrow]
                                        : &c->n;
        int64_t s = x->a;

        x->a = x->b;
        x->b = s;
    }
}

/* Vectors along the innermost dim of C, which must be B's alone. */
static void choose_outer_n(Contract *c)
{
    int i = c->nrow - 1;

    if (i < 0 || !c->row[i].extent || c->row[i].c != 1 || c->row[i].win ||
        c->row[i].step ||
        (c->row[i].a && c->row[i].b))
        return;
    c->n = take_row(c, i);
    if (!c->n.b)
        swap_operands(c);
}

/* Vectors along a reduction axis contiguous in both; n is a dim of C in which
 * A is the same, so that its loads are shared. */
static void choose_inner(Contract *c)
{
    for (int i = 0; i + 1 < c->nk; i++)
        if (c->k[i].a == 1 && c->k[i].b == 1) {
            Axis unit = c->k[i];

            for (int j = i; j + 1 < c->nk; j++)
                c->k[j] = c->k[j + 1];
            c->k[c->nk - 1] = unit;
            break;
        }
    for (int i = c->nrow; i-- > 0;)
        if (c->row[i].extent && !c->row[i].a) {
            c->n = take_row(c, i);
            return;
        }
}

/* The sources as they stand in memory. */
static void see_panels(const Kernel *k, Contract *c)
{
    Val a = panel_source(k, c->a), b = panel_source(k, c->b);

    if (b)
        c->panel = b->type.shape.dim[2];
    c->a = a ? a : c->a;
    c->b = b ? b : c->b;
}

bool contract_is_plain(const Kernel *k, const Contract *c)
{
    return (c->nwin || k->core->op == OP_conv_up) &&
           (c->n.extent == 1 || !dtype_real(k->core->type.dt));
}

int contract_phases(const Kernel *k)
{
    ConvDims d;

    if (k->core->op != OP_conv_up)
        return 1;
    d = ir_conv_dims(k->core);
    return (int)(d.sh * d.sw);
}

static Contract arrange(const Kernel *k, Form form, int phase, bool *any)
{
    Val v = k->core;
    Contract c = {.a = v->src[0], .b = v->src[1], .n = {.extent = 1}};

    *any = true;
    if (v->op == OP_conv)
        conv_axes(k, &c);
    else if (v->op == OP_conv_up)
        *any = conv_up_axes(k, phase, &c);
    else if (v->op == OP_conv_dw)
        conv_dw_axes(v, &c);
    else if (v->op == OP_dot)
        dot_axes(k, &c);
    else
        c.padded = true;
    if (c.padded)
        return c;
    join_axes(c.k, &c.nk);
    // With an epilogue a vector must stay within one dim of C.
    if (k->core == k->root)
        join_axes(c.row, &c.nrow);
    if (form == FORM_INNER)
        choose_inner(&c);
    else
        choose_outer_n(&c);
    join_axes(c.row, &c.nrow);
    see_panels(k, &c);
    return c;
}

Contract contract_of(const Kernel *k, Form form)
{
    bool any;

    return arrange(k, form, 0, &any);
}

bool contract_phase(const Kernel *k, Form form, int phase, Contract *c)
{
    bool any;

    *c = arrange(k, form, phase, &any);
    return any;
}
