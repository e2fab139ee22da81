/*
 * unpool -- convolutions of a max-pooling's gradient skip what is zero.
 *
 * needs:  layout
 * keeps:  the value of every output, but for the order of sums
 * breaks: nothing
 *
 * pool_scatter(x, g) holds at most one element of each window that is not
 * zero. So
 *
 *     conv(pad(pool_scatter(x, g)), w)  = conv_dx_pooled(g, w', pool_place(x))
 *     conv_dw(x', pool_scatter(x, g))   = conv_dw_pooled(x', g, pool_place(x))
 *     sum(pool_scatter(x, g))           = sum(g)  over the pixels
 *
 * and the mask of a ReLU in front of the pooling applies to g:
 *
 *     c(x) ? pool_scatter(x, g) : 0
 *         = pool_scatter(x, c(max_pool(x)) ? g : 0)
 *
 * A dense kernel multiplies for every pixel, a sparse one at about half its
 * speed, but for one pixel in a window at most: it pays wherever a window has
 * four or more.
 */
#include "passes/rewrite.h"

enum {
    WINDOW = 4,             // least pixels of a window
    SCRATCH = 1 << 18,      // most elements of dx
    LIST = 1 << 10,         // most windows
    COLUMNS = 12            // most pixels a column of windows reaches
};

#define UNPOOL(name, cls, op, fn, text, example) \
    RULE_FN(name, RULE_##cls, OP_##op, fn, text, example)

static bool side_by_side(Val v)
{
    PoolDims d = ir_pool_dims(v);

    return d.sh == d.kh && d.sw == d.kw && !d.ph_lo && !d.ph_hi &&
           !d.pw_lo && !d.pw_hi;
}

static bool is_scatter(Val v)
{
    return v->op == OP_pool_scatter;
}

/* A scatter that is worth leaving sparse. */
static bool is_sparse(Val v)
{
    PoolDims d;

    if (!is_scatter(v) || !side_by_side(v))
        return false;
    d = ir_pool_dims(v);
    const int64_t *w = v->src[1]->type.shape.dim;
    return d.kh * d.kw >= WINDOW && w[0] * w[1] <= LIST;
}

static Val place_of(Graph *g, Val scatter)
{
    return ir_pool(g, OP_pool_place, scatter->src[0], NULL,
                   ir_pool_dims(scatter));
}

/* --- the mask ------------------------------------------------------------- */

/* c with y, which decides it alone, replaced by its maximum; NULL: it is no
 * such test. x is what was pooled: y, or its ReLU. */
static Val test_maximum(Graph *g, Val c, Val x, PoolDims d)
{
    Val y, top;

    if (c->op != OP_lt || !same_fill(c->src[0], 0))
        return NULL;
    y = c->src[1];
    if (y != x && !(x->op == OP_relu && x->src[0] == y))
        return NULL;
    top = ir_pool(g, OP_max_pool, x, NULL, d);
    return ir_lt(g, ir_like(g, top, 0), top);
}

static Val mask_first(Graph *g, Val v)
{
    Val s = v->src[1], c;

    if (!is_scatter(s) || !same_fill(v->src[2], 0))
        return NULL;
    c = test_maximum(g, v->src[0], s->src[0], ir_pool_dims(s));
    if (!c)
        return NULL;
    return ir_pool(g, OP_pool_scatter, s->src[0],
                   ir_select(g, c, s->src[1], ir_like(g, s->src[1], 0)),
                   ir_pool_dims(s));
}

/* --- sums ----------------------------------------------------------------- */

static Val sum_first(Graph *g, Val v)
{
    int axes[RANK_MAX];
    unsigned seen = 0;

    if (!is_scatter(v->src[0]))
        return NULL;
    for (int k = 0; k < v->attr.n; k++) {
        axes[k] = (int)v->attr.i[k];
        seen |= 1u << axes[k];
    }
    if ((seen & 3) != 3)
        return NULL;
    Val dy = v->src[0]->src[1];
    if (v->type.batched)
        dy = ir_spread(g, dy);
    return ir_reduce(g, OP_sum, dy, axes, v->attr.n);
}

/* --- convolutions --------------------------------------------------------- */

/* The scatter behind v, or behind a frame of zeros around its pixels. */
static Val unframed(Val v, int64_t *lo_h, int64_t *lo_w)
{
    const int64_t *i = v->attr.i;

    *lo_h = *lo_w = 0;
    if (v->op != OP_pad)
        return v;
    if (v->attr.f != 0 || i[2] || i[5] || i[6] || i[7] || i[8])
        return NULL;
    *lo_h = i[0];
    *lo_w = i[3];
    return is_scatter(v->src[0]) ? v->src[0] : NULL;
}

static bool fits(Val v, UnpoolDims u)
{
    const int64_t *o = v->type.shape.dim;

    return u.ph >= 0 && u.pw >= 0 && u.ph < u.R && u.pw < u.S &&
           shape_size(v->type.shape) <= SCRATCH && u.kw + u.S - 1 <= COLUMNS &&
           o[2] > 0;
}

/* [R, S, O, C], reversed in R and S, as [O, R, S, C]. */
static Val weights(Graph *g, Val w)
{
    if (w->op == OP_reverse && w->attr.n == 2 && w->attr.i[0] == 0 &&
        w->attr.i[1] == 1)
        return ir_transpose(g, w->src[0], (int[]){2, 0, 1, 3});
    w = ir_transpose(g, w, (int[]){2, 0, 1, 3});
    return ir_reverse(g, w, (int[]){1, 2}, 2);
}

static Val conv_first(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);
    Val w = v->src[1], s;
    const int64_t *r = w->type.shape.dim, *o = v->type.shape.dim;
    int64_t lo_h, lo_w;

    if (c.sh != 1 || c.sw != 1 || w->type.batched)
        return NULL;
    s = unframed(v->src[0], &lo_h, &lo_w);
    if (!s || !is_sparse(s))
        return NULL;
    PoolDims d = ir_pool_dims(s);
    UnpoolDims u = {d.kh, d.kw, r[0] - 1 - lo_h - c.ph_lo,
                    r[1] - 1 - lo_w - c.pw_lo, o[0], o[1], r[0], r[1]};
    if (!fits(v, u))
        return NULL;
    return ir_conv_dx_pooled(g, s->src[1], weights(g, w), place_of(g, s), u);
}

static Val conv_dw_first(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);
    Val x = v->src[0], s = v->src[1];

    if (c.sh != 1 || c.sw != 1 || !is_sparse(s) ||
        s->src[0]->type.batched != s->src[1]->type.batched)
        return NULL;
    PoolDims d = ir_pool_dims(s);
    UnpoolDims u = {.kh = d.kh, .kw = d.kw, .R = v->attr.i[6],
                    .S = v->attr.i[7]};
    if (c.ph_lo || c.ph_hi || c.pw_lo || c.pw_hi)
        x = ir_pad(g, x, (int64_t[]){c.ph_lo, c.pw_lo, 0},
                   (int64_t[]){c.ph_hi, c.pw_hi, 0}, (int64_t[]){0, 0, 0}, 0);
    v = ir_conv_dw_pooled(g, x, s->src[1], place_of(g, s), u);
    return ir_transpose(g, v, (int[]){1, 2, 3, 0});
}

/* --- examples ------------------------------------------------------------- */

static Val real_in(Graph *g, int k, bool batched, Shape s)
{
    return ir_input(g, batched ? INPUT_FIELD : INPUT_VAR, internf("x%d", k),
                    type_of(DT_f64, batched, s));
}

static Val scatter_ex(Graph *g, int64_t C)
{
    PoolDims d = {2, 3, 2, 3, 0, 0, 0, 0};

    return ir_pool(g, OP_pool_scatter,
                   real_in(g, 0, true, shape_of(3, (int64_t)5, (int64_t)6, C)),
                   real_in(g, 1, true, shape_of(3, (int64_t)2, (int64_t)2, C)),
                   d);
}

static Val mask_first_ex(Graph *g, Shape s)
{
    Val v = scatter_ex(g, 2), zero = ir_like(g, v, 0);

    (void)s;
    return ir_select(g, ir_lt(g, zero, v->src[0]), v, zero);
}

static Val sum_first_ex(Graph *g, Shape s)
{
    (void)s;
    return ir_reduce(g, OP_sum, scatter_ex(g, 2), (int[]){0, 1}, 2);
}

static Val conv_first_ex(Graph *g, Shape s)
{
    Val v = ir_pad(g, scatter_ex(g, 2), (int64_t[]){2, 1, 0},
                   (int64_t[]){2, 0, 0}, (int64_t[]){0, 0, 0}, 0);
    Val w = real_in(g, 2, false, shape_of(4, (int64_t)3, (int64_t)2,
                                          (int64_t)2, (int64_t)3));

    (void)s;
    return ir_conv(g, v, w, (ConvDims){.sh = 1, .sw = 1});
}

static Val conv_dw_first_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 2, true, shape_of(3, (int64_t)5, (int64_t)7,
                                         (int64_t)3));

    (void)s;
    return ir_conv_dw(g, x, scatter_ex(g, 2), (ConvDims){1, 1, 1, 1, 1, 0}, 3,
                      3);
}

const Rule rules_unpool[] = {
    UNPOOL("mask-pooled", EXACT, select, mask_first,
           "select(0 < x, pool_scatter(x, g), 0) -> "
           "pool_scatter(x, select(0 < max_pool(x), g, 0))", mask_first_ex),
    UNPOOL("sum-pooled", ROUND, sum, sum_first,
           "sum(pool_scatter(x, g)) -> sum(g)", sum_first_ex),
    UNPOOL("conv-pooled", ROUND, conv, conv_first,
           "conv(pool_scatter(x, g), w) -> "
           "conv_dx_pooled(g, w', pool_place(x))", conv_first_ex),
    UNPOOL("conv-dw-pooled", ROUND, conv_dw, conv_dw_first,
           "conv_dw(x, pool_scatter(y, g)) -> "
           "conv_dw_pooled(x, g, pool_place(y))", conv_dw_first_ex),
    RULE_END,
};

void pass_unpool(Func *f, const PassOptions *opt)
{
    static const Rule *const sets[] = {rules_unpool, NULL};

    rewrite_run(f, opt, sets);
}
