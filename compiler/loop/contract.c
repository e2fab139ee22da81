/*
 * contract.c -- a contraction as loops with strides.
 *
 * dot, conv and conv_dw are one thing here: C[row, n] = sum over k of
 * A[row, k] B[k, n], where every axis is an extent and three strides. For a
 * convolution the axes of one tap row, (s, c), are contiguous in x and in w
 * and join to one reduction axis; for its weight gradient they join to one
 * row axis. The order of the reduction axes is fixed by the op alone, so each
 * element of C is one order of additions whatever the batch.
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
    if (x.extent != 1)
        list[(*n)++] = x;
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

    source_strides(k, v->src[1], ws);
    c->padded = d.ph_lo || d.ph_hi || d.pw_lo || d.pw_hi;
    if (v->type.batched)
        add_axis(c->row, &c->nrow, example_axis(v));
    add_axis(c->row, &c->nrow, (Axis){y[0], d.sh * x[1] * x[2], 0, y[1] * O,
                                      0, 1});
    add_axis(c->row, &c->nrow, (Axis){y[1], d.sw * x[2], 0, O, 1, 1});
    add_axis(c->row, &c->nrow, (Axis){O, 0, ws[3], 1, 2, 1});
    add_axis(c->k, &c->nk, (Axis){w[0], x[1] * x[2], ws[0], 0, 0, 0});
    add_axis(c->k, &c->nk, (Axis){w[1], x[2], ws[1], 0, 0, 0});
    add_axis(c->k, &c->nk, (Axis){w[2], 1, ws[2], 0, 0, 0});
}

static void conv_dw_axes(Val v, Contract *c)
{
    const int64_t *x = v->src[0]->type.shape.dim;
    const int64_t *y = v->src[1]->type.shape.dim, *w = v->type.shape.dim;
    ConvDims d = ir_conv_dims(v);
    int64_t O = w[3];

    c->padded = d.ph_lo || d.ph_hi || d.pw_lo || d.pw_hi;
    add_axis(c->row, &c->nrow,
             (Axis){w[0], x[1] * x[2], 0, w[1] * w[2] * O, 0, 1});
    add_axis(c->row, &c->nrow, (Axis){w[1], x[2], 0, w[2] * O, 1, 1});
    add_axis(c->row, &c->nrow, (Axis){w[2], 1, 0, O, 2, 1});
    add_axis(c->row, &c->nrow, (Axis){O, 0, 1, 1, 3, 1});
    if (v->src[0]->type.batched || v->src[1]->type.batched)
        add_axis(c->k, &c->nk, example_axis(v));
    add_axis(c->k, &c->nk, (Axis){y[0], d.sh * x[1] * x[2], y[1] * O, 0, 0, 0});
    add_axis(c->k, &c->nk, (Axis){y[1], d.sw * x[2], O, 0, 0, 0});
}

static void add_free(Contract *c, Shape s, const int64_t *stride,
                     const bool *bound, bool first, const int64_t *cs,
                     int *dim)
{
    for (int d = 0; d < s.rank; d++) {
        Axis x = {s.dim[d], 0, 0, 0, *dim, 1};

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
                 (Axis){x.dim[d.bx[i]], xs[d.bx[i]], ys[d.by[i]], cs[dim], dim,
                        1});
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
                 (Axis){x.dim[d.cx[i]], xs[d.cx[i]], ys[d.cy[i]], 0, 0, 0});
}

/* --- arranging them ------------------------------------------------------- */

/* One axis for neighbours (outer o, inner i) that walk memory alike. Dims of C
 * between them have extent 1. */
static bool joins(Axis o, Axis i)
{
    return o.extent && i.extent && o.a == i.a * i.extent &&
           o.b == i.b * i.extent && o.c == i.c * i.extent;
}

static void join_axes(Axis *list, int *n)
{
    int out = 0;

    for (int i = 0; i < *n; i++) {
        if (out && joins(list[out - 1], list[i])) {
            Axis o = list[out - 1];

            list[out - 1] = (Axis){o.extent * list[i].extent, list[i].a,
                                   list[i].b, list[i].c, o.dim,
                                   list[i].dim + list[i].ndim - o.dim};
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

    c->a = c->b;
    c->b = t;
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

    if (i < 0 || !c->row[i].extent || c->row[i].c != 1 ||
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

Contract contract_of(const Kernel *k, Form form)
{
    Val v = k->core;
    Contract c = {.a = v->src[0], .b = v->src[1]};

    c.n = (Axis){1, 0, 0, 0, 0, 0};
    if (v->op == OP_conv)
        conv_axes(k, &c);
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
