/*
 * conv -- the forms of convolution that kernels know: no adjoint in x, and no
 * padding of a few channels.
 *
 * needs:  nothing
 * keeps:  everything
 * breaks: nothing; afterwards there is no conv_dx, and conv has padding only
 *         where its kernel can leave out what lies outside
 *
 *     conv(x, w) with padding  = conv(pad(x), w) for a few channels
 *     conv_dw(x, dy)           = conv_dw(pad(x), dy), likewise
 *     conv_dx(dy, w)           = conv(dy, w') at stride 1
 *
 * where w' is w with R and S reversed and C and O exchanged, and dy has a
 * padding that makes the result H x W.
 *
 * At stride s > 1 the rows of dx fall into s phases: with p = a + s q counted
 * from the start of the padded x,
 *     dx[a + s q] = sum over t of dy[q - t] w[a + s t]
 * so every phase is a convolution of dy at stride 1 with every s-th tap.
 * conv_up(dy, w), with w's last two dims exchanged, is computed so. For a few
 * channels C, less than a vector, all phases together are one convolution with
 * a channel for each (phase, C), whose result is dealt out to the pixels; taps
 * are filled up with zeros to a multiple of s (9 -> 16 for a 3x3 at stride 2).
 */
#include "passes/rewrite.h"

enum { FEW = 8 };

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

/* Vectors of outputs, and enough channels to make a loop of a single tap. */
static bool leaves_out(Shape w)
{
    return w.dim[2] >= FEW && w.dim[3] >= FEW;
}

static Val conv_padded(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);

    if (!is_padded(c) || leaves_out(v->src[1]->type.shape))
        return NULL;
    return ir_conv(g, with_frame(g, v->src[0], c), v->src[1],
                   (ConvDims){.sh = c.sh, .sw = c.sw});
}

static Val conv_dw_padded(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);

    if (!is_padded(c) || leaves_out(v->type.shape))
        return NULL;
    return ir_conv_dw(g, with_frame(g, v->src[0], c), v->src[1],
                      (ConvDims){.sh = c.sh, .sw = c.sw}, v->attr.i[6],
                      v->attr.i[7]);
}

/* Stride 1. The frame of dy: R-1-ph before, and after it what makes H of
 * lo + Ho + hi - (R-1). */
static Val conv_dx_dense(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);
    Val dy = v->src[0], w = v->src[1];
    const int64_t *r = w->type.shape.dim, *o = dy->type.shape.dim;
    int64_t H = v->attr.i[6], W = v->attr.i[7];
    int64_t lo[3] = {r[0] - 1 - c.ph_lo, r[1] - 1 - c.pw_lo, 0};
    int64_t hi[3] = {H + r[0] - 1 - lo[0] - o[0],
                     W + r[1] - 1 - lo[1] - o[1], 0};

    w = ir_transpose(g, w, (int[]){0, 1, 3, 2});
    w = ir_reverse(g, w, (int[]){0, 1}, 2);
    if (lo[0] >= 0 && hi[0] >= 0 && lo[1] >= 0 && hi[1] >= 0)
        return ir_conv(g, dy, w, (ConvDims){1, 1, lo[0], hi[0], lo[1], hi[1]});
    return ir_conv(g, frame(g, dy, lo, hi, (int64_t[]){0, 0, 0}), w,
                   (ConvDims){.sh = 1, .sw = 1});
}

/* One dim of a strided conv_dx: `phases` of them hold taps, each `taps`; a
 * phase has `q` places; the result starts at `from`. */
typedef struct Phases {
    int64_t stride, phases, taps, q, from, size;
} Phases;

static Phases phases_of(int64_t r, int64_t stride, int64_t pad, int64_t size)
{
    Phases p = {.stride = stride, .from = pad, .size = size};

    p.phases = r < stride ? r : stride;
    p.taps = (r + stride - 1) / stride;
    p.q = (size + pad + stride - 1) / stride;
    return p;
}

/* w[R, S, C, O] -> [taps, taps, O, phase, phase, C], last three as one dim. */
static Val phase_weights(Graph *g, Val w, Phases h, Phases v)
{
    const int64_t *d = w->type.shape.dim;
    int64_t none[4] = {0}, C = d[2], O = d[3];
    int64_t fill[4] = {h.taps * h.phases - d[0], v.taps * v.phases - d[1], 0, 0};

    w = ir_pad(g, w, none, fill, none, 0);
    w = ir_reshape(g, w, shape_of(6, h.taps, h.phases, v.taps, v.phases, C, O));
    w = ir_reverse(g, w, (int[]){0, 2}, 2);
    w = ir_transpose(g, w, (int[]){0, 2, 5, 1, 3, 4});
    return ir_reshape(g, w,
                      shape_of(4, h.taps, v.taps, O, h.phases * v.phases * C));
}

/* y[qh, qw, phase x phase x C] -> [H, W, C], each phase to its pixels. */
static Val deal_out(Graph *g, Val y, Phases h, Phases v)
{
    int64_t C = y->type.shape.dim[2] / (h.phases * v.phases), none[5] = {0};
    int64_t rest[5] = {0, h.stride - h.phases, 0, v.stride - v.phases, 0};
    int64_t from[3] = {h.from, v.from, 0};
    int64_t to[3] = {h.from + h.size, v.from + v.size, C};

    y = ir_reshape(g, y, shape_of(5, h.q, v.q, h.phases, v.phases, C));
    y = ir_transpose(g, y, (int[]){0, 2, 1, 3, 4});
    if (rest[1] || rest[3])
        y = ir_pad(g, y, none, rest, none, 0);
    y = ir_reshape(g, y, shape_of(3, h.q * h.stride, v.q * v.stride, C));
    return ir_slice(g, y, from, to, NULL);
}

static Val conv_dx_narrow(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);
    Val dy = v->src[0], w = v->src[1];
    const int64_t *r = w->type.shape.dim, *o = dy->type.shape.dim;
    Phases ph = phases_of(r[0], c.sh, c.ph_lo, v->attr.i[6]);
    Phases pw = phases_of(r[1], c.sw, c.pw_lo, v->attr.i[7]);
    int64_t lo[3] = {ph.taps - 1, pw.taps - 1, 0};
    int64_t hi[3] = {ph.q - o[0], pw.q - o[1], 0};

    dy = frame(g, dy, lo, hi, (int64_t[]){0, 0, 0});
    return deal_out(g, ir_conv(g, dy, phase_weights(g, w, ph, pw),
                               (ConvDims){.sh = 1, .sw = 1}), ph, pw);
}

static Val conv_dx(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);

    if (c.sh == 1 && c.sw == 1)
        return conv_dx_dense(g, v);
    return v->type.shape.dim[2] < FEW ? conv_dx_narrow(g, v) : NULL;
}

static Val conv_dx_wide(Graph *g, Val v)
{
    ConvDims c = ir_conv_dims(v);
    Val w = ir_transpose(g, v->src[1], (int[]){0, 1, 3, 2});

    if ((c.sh == 1 && c.sw == 1) || v->type.shape.dim[2] < FEW)
        return NULL;
    return ir_conv_up(g, v->src[0], w, c, v->attr.i[6], v->attr.i[7]);
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

static Val conv_up_ex(Graph *g, Shape s)
{
    Shape w = shape_of(4, (int64_t)3, (int64_t)2, (int64_t)FEW, (int64_t)3);
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
    CONV("conv-dx-strided", conv_dx, conv_dx_wide,
         "conv_dx(y, w) -> conv_up(y, transpose(w))", conv_up_ex),
    RULE_END,
};

void pass_conv(Func *f, const PassOptions *opt)
{
    static const Rule *const sets[] = {rules_conv, NULL};

    rewrite_run(f, opt, sets);
}
