/*
 * random_window.c -- convolutions and pooling in random functions.
 */
#include "support/random_pool.h"

static bool fits_image(Gen *r, const Known *k, Type want)
{
    (void)want;
    return k->v->type.dt == r->real && k->v->type.shape.rank == 3;
}

static bool fits_exact_image(Gen *r, const Known *k, Type want)
{
    return k->exact && fits_image(r, k, want);
}

/* An image: from the pool, or made of anything by reshaping it. */
static Known image(Gen *r, bool exact)
{
    Known k = {.v = NULL};

    if (gen_chance(r, 80))
        k = gen_pick(r, exact ? fits_exact_image : fits_image, (Type){0});
    if (k.v)
        return k;
    return gen_input(r, type_of(r->real, gen_chance(r, 70),
                                shape_of(3, gen_int(r, 3, 9),
                                         gen_int(r, 3, 9), gen_dim(r))));
}

static int64_t less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static Known contracted(Val v, Known x, Known y, double terms)
{
    double n = sqrt(terms);

    return (Known){v, n * x.size * y.size, terms * x.bound * y.bound,
                   n * (x.size * y.err + y.size * x.err + x.size * y.size),
                   false};
}

static Val exchanged(Graph *g, Val w)
{
    return ir_transpose(g, w, (int[]){0, 1, 3, 2});
}

/* With as many channels as networks have. */
static bool wide_conv(Gen *r, Op op)
{
    static const int64_t many[] = {5, 16, 33, 40, 70};
    int64_t n = gen_int(r, 3, 6), k = gen_int(r, 1, 3), c, o;
    ConvDims d = {gen_int(r, 1, 2), 1, gen_int(r, 0, 1), 0, 0, k / 2};

    c = many[gen_int(r, 0, 3)];
    o = many[gen_int(r, 0, 4)];
    int64_t h = (n + d.ph_lo - k) / d.sh + 1, w = n + d.pw_hi - k + 1;
    bool batched = gen_chance(r, 70) || op == OP_conv_dw;
    Known x = gen_input(r, type_of(r->real, batched, shape_of(3, n, n, c)));
    Known y = gen_input(r, type_of(r->real, batched, shape_of(3, h, w, o)));
    Known f = gen_input(r, type_of(r->real, gen_chance(r, 10),
                                   shape_of(4, k, k, c, o)));
    r->pool.n -= 3; // too large for the others
    if (op == OP_conv)
        return gen_keep(r, contracted(ir_conv(r->g, x.v, f.v, d), x, f,
                                      (double)(k * k * c)));
    if (op == OP_conv_dx)
        return gen_keep(r, contracted(
            ir_conv_dx(r->g, y.v, f.v, d, n, n), y, f, (double)(k * k * o)));
    if (op == OP_conv_up)
        return gen_keep(r, contracted(
            ir_conv_up(r->g, y.v, exchanged(r->g, f.v), d, n, n), y, f,
            (double)(k * k * o)));
    return gen_keep(r, contracted(ir_conv_dw(r->g, x.v, y.v, d, k, k), x, y,
                                  4 * (double)(h * w)));
}

static bool conv(Gen *r, Op op)
{
    if (gen_chance(r, 10))
        return wide_conv(r, op);
    Known x = image(r, false);
    const int64_t *d = x.v->type.shape.dim;
    Shape w = shape_of(4, gen_int(r, 1, less(3, d[0])),
                       gen_int(r, 1, less(3, d[1])), d[2], gen_dim(r));
    ConvDims c = {gen_int(r, 1, 2), gen_int(r, 1, 2), gen_int(r, 0, 2),
                  gen_int(r, 0, 2), gen_int(r, 0, 2), gen_int(r, 0, 2)};
    Shape y = shape_of(3, (d[0] + c.ph_lo + c.ph_hi - w.dim[0]) / c.sh + 1,
                       (d[1] + c.pw_lo + c.pw_hi - w.dim[1]) / c.sw + 1,
                       w.dim[3]);
    double taps = (double)(w.dim[0] * w.dim[1]);

    if (shape_size(w) > SIZE_MAX_ELEMS || shape_size(y) > SIZE_MAX_ELEMS)
        return false;
    if (op == OP_conv) {
        Known k = gen_like(r, type_of(r->real, false, w), false);
        return gen_keep(r, contracted(ir_conv(r->g, x.v, k.v, c), x, k,
                                      taps * (double)w.dim[2]));
    }
    Known dy = gen_like(r, type_of(r->real, false, y), false);
    if (op == OP_conv_dx) {
        Known k = gen_like(r, type_of(r->real, false, w), false);
        return gen_keep(r, contracted(
            ir_conv_dx(r->g, dy.v, k.v, c, d[0], d[1]), dy, k,
            taps * (double)w.dim[3]));
    }
    if (op == OP_conv_up) {
        Known k = gen_like(r, type_of(r->real, false, w), false);
        return gen_keep(r, contracted(
            ir_conv_up(r->g, dy.v, exchanged(r->g, k.v), c, d[0], d[1]), dy,
            k, taps * (double)w.dim[3]));
    }
    if (dy.v->type.batched || x.v->type.batched) {
        dy.v = ir_spread(r->g, dy.v);
        x.v = ir_spread(r->g, x.v);
    }
    return gen_keep(r, contracted(
        ir_conv_dw(r->g, x.v, dy.v, c, w.dim[0], w.dim[1]), x, dy,
        4 * (double)(y.dim[0] * y.dim[1])));
}

static bool pool(Gen *r, Op op)
{
    bool jumps = op == OP_pool_gather || op == OP_pool_scatter;
    Known x = image(r, jumps);
    const int64_t *d = x.v->type.shape.dim;
    PoolDims p = {.kh = gen_int(r, 1, less(3, d[0])),
                  .kw = gen_int(r, 1, less(3, d[1])),
                  .sh = gen_int(r, 1, 3), .sw = gen_int(r, 1, 3)};

    p.ph_lo = gen_int(r, 0, p.kh - 1);
    p.ph_hi = gen_int(r, 0, p.kh - 1);
    p.pw_lo = gen_int(r, 0, p.kw - 1);
    p.pw_hi = gen_int(r, 0, p.kw - 1);
    Shape y = shape_of(3, (d[0] + p.ph_lo + p.ph_hi - p.kh) / p.sh + 1,
                       (d[1] + p.pw_lo + p.pw_hi - p.kw) / p.sw + 1, d[2]);
    double area = (double)(p.kh * p.kw);
    Known k = x;

    switch (op) {
    case OP_max_pool:
        k.v = ir_pool(r->g, op, x.v, NULL, p);
        return gen_keep(r, k);
    case OP_pool_gather:
        k = gen_like(r, x.v->type, false);
        k.v = ir_pool(r->g, op, x.v, k.v, p);
        return gen_keep(r, k);
    case OP_sum_pool:
        k.v = ir_pool(r->g, op, x.v, NULL, p);
        break;
    default:
        k = gen_like(r, type_of(r->real, false, y), false);
        k.v = op == OP_pool_scatter
                  ? ir_pool(r->g, op, x.v, k.v, p)
                  : ir_sum_pool_dx(r->g, k.v, p, d[0], d[1]);
    }
    k.err = sqrt(area) * (k.err + k.size);
    k.size *= sqrt(area);
    k.bound *= area;
    k.exact = false;
    return gen_keep(r, k);
}

/* What the passes make these ops of: convolutions of a scatter, behind the
 * mask of a ReLU or not. */
static bool pooled(Gen *r, Op op)
{
    static const int64_t many[] = {1, 3, 5, 16, 33};
    int64_t kh = gen_int(r, 2, 3), kw = gen_int(r, 2, 3);
    int64_t n = gen_int(r, 1, 3), k = gen_int(r, 1, 3), p = k / 2;
    int64_t O = many[gen_int(r, 0, 4)], C = many[gen_int(r, 0, 4)];
    int64_t H = n * kh + gen_int(r, 0, 1), W = 2 * kw;
    bool batched = gen_chance(r, 70) || op == OP_conv_dw_pooled;
    ConvDims d = {1, 1, p, p, p, p};
    PoolDims pool = {kh, kw, kh, kw, 0, 0, 0, 0};
    Known x = gen_input(r, type_of(r->real, batched, shape_of(3, H, W, O)));
    Known g = gen_input(r, type_of(r->real, batched,
                                   shape_of(3, n, (int64_t)2, O)));
    Known w = gen_input(r, type_of(r->real, false, shape_of(4, k, k, C, O)));
    Known y = gen_input(r, type_of(r->real, batched,
                                   shape_of(3, H - 2 * p + k - 1,
                                            W - 2 * p + k - 1, C)));

    r->pool.n -= 4;
    Val s = ir_pool(r->g, OP_pool_scatter, x.v, g.v, pool);
    if (gen_chance(r, 70)) {
        Val zero = ir_like(r->g, s, 0);
        s = ir_select(r->g, ir_lt(r->g, zero, x.v), s, zero);
    }
    if (op == OP_conv_dx_pooled)
        return gen_keep(r, contracted(
            ir_conv_dx(r->g, s, w.v, d, H - 2 * p + k - 1, W - 2 * p + k - 1),
            g, w, (double)(k * k * O)));
    if (op == OP_conv_dw_pooled)
        return gen_keep(r, contracted(ir_conv_dw(r->g, y.v, s, d, k, k), y, g,
                                      4 * (double)(n * 2)));
    g.v = ir_reduce(r->g, OP_sum, s, (int[]){0, 1}, 2);
    g.err = (double)(2 * n) * (g.err + g.size);
    g.size *= (double)(2 * n);
    g.bound *= (double)(2 * n);
    g.exact = false;
    return gen_keep(r, g);
}

bool gen_window(Gen *r, Op op)
{
    if (op_info[op].attr == ATTR_UNPOOL || op == OP_pool_place)
        return pooled(r, op);
    return op_info[op].attr == ATTR_CONV ? conv(r, op) : pool(r, op);
}
