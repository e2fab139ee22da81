/*
 * conv -- one form of convolution for the kernels: no padding, and no adjoint
 * in x.
 *
 * needs:  nothing
 * keeps:  everything
 * breaks: nothing; afterwards conv and conv_dw have no padding and there is no
 *         conv_dx
 *
 *     conv(x, w) with padding  = conv(pad(x), w)
 *     conv_dw(x, dy)           = conv_dw(pad(x), dy)
 *     conv_dx(dy, w)           = conv(pad(dy), w') at stride 1
 *
 * where w' is w with R and S reversed and C and O exchanged, and dy has
 * stride - 1 zeros between its elements and a frame that makes the result
 * H x W. The pad becomes part of the store of what produces its source.
 */
#include "passes/rewrite.h"

#define CONV(name, op, fn, text, example) \
    RULE_FN(name, RULE_ROUND, OP_##op, fn, text, example)

static Val real_in(Graph *g, int k, bool batched, Shape s)
{
    return ir_input(g, batched ? INPUT_FIELD : INPUT_VAR, internf("x%d", k),
                    type_of(DT_f64, batched, s));
}

/* x [H, W, C] with a frame; a negative frame cuts off. */
static Val frame(Graph *g, Val x, const int64_t *lo, const int64_t *hi,
                 const int64_t *interior)
{
    int64_t from[3] = {0}, to[3], wide_lo[3], wide_hi[3];
    bool cut = false;

    for (int k = 0; k < 3; k++) {
        wide_lo[k] = lo[k] > 0 ? lo[k] : 0;
        wide_hi[k] = hi[k] > 0 ? hi[k] : 0;
        cut = cut || lo[k] < 0 || hi[k] < 0;
    }
    x = ir_pad(g, x, wide_lo, wide_hi, interior, 0);
    for (int k = 0; k < 3; k++) {
        from[k] = lo[k] < 0 ? -lo[k] : 0;
        to[k] = x->type.shape.dim[k] + (hi[k] < 0 ? hi[k] : 0);
    }
    return cut ? ir_slice(g, x, from, to, NULL) : x;
}

static bool is_padded(ConvDims c)
{
    return c.ph_lo || c.ph_hi || c.pw_lo || c.pw_hi;
}

static Val with_frame(Graph *g, Val x, ConvDims c)
{
    int64_t lo[3] = {c.ph_lo, c.pw_lo, 0}, hi[3] = {c.ph_hi, c.pw_hi, 0};

    return frame(g, x, lo, hi, (int64_t[]){0, 0, 0});
}

static Val conv_padded(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);

    if (!is_padded(c))
        return NULL;
    return ir_conv(g, with_frame(g, v->src[0], c), v->src[1],
                   (ConvDims){.sh = c.sh, .sw = c.sw});
}

static Val conv_dw_padded(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);

    if (!is_padded(c))
        return NULL;
    return ir_conv_dw(g, with_frame(g, v->src[0], c), v->src[1],
                      (ConvDims){.sh = c.sh, .sw = c.sw}, v->attr.i[6],
                      v->attr.i[7]);
}

/* The frame of dy: R-1-ph before, and after it what makes H of
 * lo + (Ho-1) sh + 1 + hi - (R-1). */
static Val conv_dx(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);
    Val dy = v->src[0], w = v->src[1];
    const int64_t *r = w->type.shape.dim, *o = dy->type.shape.dim;
    int64_t H = v->attr.i[6], W = v->attr.i[7];
    int64_t lo[3] = {r[0] - 1 - c.ph_lo, r[1] - 1 - c.pw_lo, 0};
    int64_t hi[3] = {H + r[0] - 1 - lo[0] - (o[0] - 1) * c.sh - 1,
                     W + r[1] - 1 - lo[1] - (o[1] - 1) * c.sw - 1, 0};
    int64_t interior[3] = {c.sh - 1, c.sw - 1, 0};

    w = ir_transpose(g, w, (int[]){0, 1, 3, 2});
    w = ir_reverse(g, w, (int[]){0, 1}, 2);
    return ir_conv(g, frame(g, dy, lo, hi, interior), w,
                   (ConvDims){.sh = 1, .sw = 1});
}

static Val conv_padded_ex(Graph *g, Shape s)
{
    Shape x = shape_of(3, (int64_t)5, (int64_t)4, (int64_t)2);
    Shape w = shape_of(4, (int64_t)3, (int64_t)2, (int64_t)2, (int64_t)3);

    (void)s;
    return ir_conv(g, real_in(g, 0, true, x), real_in(g, 1, false, w),
                   (ConvDims){2, 1, 1, 0, 0, 2});
}

static Val conv_dw_padded_ex(Graph *g, Shape s)
{
    Shape x = shape_of(3, (int64_t)5, (int64_t)4, (int64_t)2);
    Shape dy = shape_of(3, (int64_t)2, (int64_t)5, (int64_t)3);

    (void)s;
    return ir_conv_dw(g, real_in(g, 0, true, x), real_in(g, 1, true, dy),
                      (ConvDims){2, 1, 1, 0, 0, 2}, 3, 2);
}

static Val conv_dx_ex(Graph *g, Shape s)
{
    Shape w = shape_of(4, (int64_t)3, (int64_t)2, (int64_t)2, (int64_t)3);
    Shape dy = shape_of(3, (int64_t)2, (int64_t)6, (int64_t)3);

    (void)s;
    return ir_conv_dx(g, real_in(g, 0, true, dy), real_in(g, 1, false, w),
                      (ConvDims){2, 1, 1, 0, 1, 2}, 5, 4);
}

const Rule rules_conv[] = {
    CONV("conv-padded", conv, conv_padded, "conv(x, w) -> conv(pad(x), w)",
         conv_padded_ex),
    CONV("conv-dw-padded", conv_dw, conv_dw_padded,
         "conv_dw(x, y) -> conv_dw(pad(x), y)", conv_dw_padded_ex),
    CONV("conv-dx", conv_dx, conv_dx,
         "conv_dx(y, w) -> conv(pad(y), reverse(transpose(w)))", conv_dx_ex),
    RULE_END,
};

void pass_conv(Func *f, const PassOptions *opt)
{
    static const Rule *const sets[] = {rules_conv, NULL};

    rewrite_run(f, opt, sets);
}
