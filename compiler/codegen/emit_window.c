/*
 * emit_window.c -- convolutions whose windows reach outside, and conv_dx.
 *
 * Where vectors do not fit they are rare and plain: one element at a time, the
 * sum over the taps with bounds checks.
 *
 *     conv     y[p, q, o]     = sum over r, s, c  x[i, j, c] w[r, s, c, o]
 *     conv_dx  dx[i, j, c]    = sum over r, s, o  dy[p, q, o] w[r, s, c, o]
 *     conv_up  y[i, j, o]     = sum over r, s, c  x[p, q, c] w[r, s, c, o]
 *     conv_dw  dw[r, s, c, o] = sum over n, p, q  x[i, j, c] dy[p, q, o]
 *
 * with i = p sh + r - ph and j = q sw + s - pw.
 */
#include "codegen/tile.h"

typedef struct Window {
    KernelEmit *k;
    Emit *e;
    Val v;
    ConvDims d;
    V out[4], sum[3]; // indices of the result and of the sum
    V example;
    V ok;             // is everything inside so far
} Window;

static V number(Window *w, int64_t x)
{
    return emit_int(w->e, x);
}

static void require(Window *w, V c)
{
    w->ok = w->ok ? LLVMBuildAnd(w->e->b, w->ok, c, "") : c;
}

/* x if it lies in 0 .. n - 1, else 0, and the term does not count. */
static V inside(Window *w, V x, int64_t n)
{
    LLVMBuilderRef b = w->e->b;
    V c = LLVMBuildICmp(b, LLVMIntULT, x, number(w, n), "");

    require(w, c);
    return LLVMBuildSelect(b, c, x, number(w, 0), "");
}

/* Place in x of tap r of output p. */
static V forth(Window *w, V p, V r, int64_t stride, int64_t pad, int64_t n)
{
    LLVMBuilderRef b = w->e->b;
    V i = LLVMBuildNSWMul(b, p, number(w, stride), "");

    i = LLVMBuildNSWAdd(b, i, r, "");
    return inside(w, LLVMBuildNSWSub(b, i, number(w, pad), ""), n);
}

/* The output whose tap r is at i. */
static V back(Window *w, V i, V r, int64_t stride, int64_t pad, int64_t n)
{
    LLVMBuilderRef b = w->e->b;
    V p = LLVMBuildNSWSub(b, LLVMBuildNSWAdd(b, i, number(w, pad), ""), r, "");
    V rest = LLVMBuildSRem(b, p, number(w, stride), "");

    require(w, LLVMBuildICmp(b, LLVMIntEQ, rest, number(w, 0), ""));
    return inside(w, LLVMBuildSDiv(b, p, number(w, stride), ""), n);
}

static V element(Window *w, Val v, V i0, V i1, V i2, V i3)
{
    At at = {.example = w->example, .i = {i0, i1, i2, i3}, .lanes = 1};

    return emit_value(w->k, v, at);
}

static V term(Window *w, V acc)
{
    Val a = w->v->src[0], b = w->v->src[1];
    const int64_t *da = a->type.shape.dim;
    V *o = w->out, *s = w->sum, x, y, next;

    w->ok = NULL;
    if (w->v->op == OP_conv) {
        x = element(w, a, forth(w, o[0], s[0], w->d.sh, w->d.ph_lo, da[0]),
                    forth(w, o[1], s[1], w->d.sw, w->d.pw_lo, da[1]), s[2],
                    NULL);
        y = element(w, b, s[0], s[1], s[2], o[2]);
    } else if (w->v->op == OP_conv_up) {
        x = element(w, a, back(w, o[0], s[0], w->d.sh, w->d.ph_lo, da[0]),
                    back(w, o[1], s[1], w->d.sw, w->d.pw_lo, da[1]), s[2],
                    NULL);
        y = element(w, b, s[0], s[1], s[2], o[2]);
    } else if (w->v->op == OP_conv_dx) {
        x = element(w, a, back(w, o[0], s[0], w->d.sh, w->d.ph_lo, da[0]),
                    back(w, o[1], s[1], w->d.sw, w->d.pw_lo, da[1]), s[2],
                    NULL);
        y = element(w, b, s[0], s[1], o[2], s[2]);
    } else {
        w->example = s[0];
        x = element(w, a, forth(w, s[1], o[0], w->d.sh, w->d.ph_lo, da[0]),
                    forth(w, s[2], o[1], w->d.sw, w->d.pw_lo, da[1]), o[2],
                    NULL);
        y = element(w, b, s[1], s[2], o[3], NULL);
    }
    next = vec_multiply_add(w->e, x, y, acc);
    return LLVMBuildSelect(w->e->b, w->ok, next, acc, "");
}

static void sum_extents(Window *w, V *extent)
{
    const int64_t *b = w->v->src[1]->type.shape.dim;
    bool dw = w->v->op == OP_conv_dw;

    extent[0] = dw ? w->v->src[0]->type.batched ? w->k->n : number(w, 1)
                   : number(w, b[0]);
    extent[1] = number(w, b[dw ? 0 : 1]);
    extent[2] = number(w, b[w->v->op == OP_conv_dx ? 3 : dw ? 1 : 2]);
}

static V sum(Window *w, const V *extent, int q, V acc)
{
    EmitLoop l;

    if (q == 3)
        return term(w, acc);
    l = emit_loop(w->e, w->k->fn, number(w, 0), extent[q], 1, "sum");
    acc = emit_loop_carry(w->e, &l, acc);
    w->sum[q] = l.i;
    emit_loop_next(&l, 0, sum(w, extent, q + 1, acc));
    emit_loop_end(w->e, &l);
    return l.carry[0];
}

static void results(Window *w, const V *extent, int d)
{
    Shape s = w->v->type.shape;
    EmitLoop l;
    At at;

    if (d == s.rank) {
        at = (At){.example = w->example, .lanes = 1};
        memcpy(at.i, w->out, sizeof w->out);
        w->k->core = sum(w, extent, 0, emit_num(w->e, w->v->type.dt, 1, 0));
        w->example = at.example;
        emit_store(w->k, w->k->k->root, at, emit_value(w->k, w->k->k->root,
                                                       at));
        w->k->core = NULL;
        return;
    }
    l = emit_loop(w->e, w->k->fn, number(w, 0), number(w, s.dim[d]), 1, "out");
    w->out[d] = l.i;
    results(w, extent, d + 1);
    emit_loop_end(w->e, &l);
}

void emit_windows(KernelEmit *k)
{
    Window w = {.k = k, .e = k->e, .v = k->k->core};
    V extent[3];
    EmitLoop l;

    w.d = ir_conv_dims(w.v);
    w.example = number(&w, 0);
    sum_extents(&w, extent);
    if (!w.v->type.batched) {
        results(&w, extent, 0);
        return;
    }
    l = emit_loop(k->e, k->fn, k->lo, k->hi, 1, "example");
    w.example = l.i;
    results(&w, extent, 0);
    emit_loop_end(k->e, &l);
}
