/*
 * emit_wino_w.c -- weights into Winograd's domain: U = G w G^T for every pair
 * of channels, along vectors of output channels. These are gathered where a
 * layer keeps its weights in another order, which takes less time than a copy
 * in the order of convolutions.
 */
#include "codegen/wino.h"

#include <string.h>

enum { FAR = 4 << 20 }; // bytes of a result that memory will hold

/* Are whole lines written past the caches, without being read first? */
static bool is_far(const Winograd *w)
{
    return w->lanes * w->size == WINO_LINE &&
           w->points * w->C * w->d.O * w->size >= FAR;
}

static void save(Winograd *w, V x, V at)
{
    static const char name[] = "nontemporal";
    LLVMContextRef c = w->e->c;
    LLVMMetadataRef one = LLVMValueAsMetadata(LLVMConstInt(w->e->i32, 1, 0));
    V st;

    if (!is_far(w)) {
        wino_save(w, x, at);
        return;
    }
    st = LLVMBuildStore(w->e->b, x, at);
    LLVMSetAlignment(st, WINO_LINE);
    LLVMSetMetadata(st, LLVMGetMDKindIDInContext(c, name, sizeof name - 1),
                    LLVMMetadataAsValue(c, LLVMMDNodeInContext2(c, &one, 1)));
}

/* What was written past the caches stands in memory before a thread says that
 * it is done. */
static void fence(Winograd *w)
{
    const char *name = "llvm.x86.sse.sfence";
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    V fn = LLVMGetIntrinsicDeclaration(w->e->m, id, NULL, 0);

    LLVMBuildCall2(w->e->b, LLVMGlobalGetValueType(fn), fn, NULL, 0, "");
}

/* `width` output channels of one tap, from `at`. */
static V load(Winograd *w, const WinoWeights *x, V at, int width)
{
    LLVMTypeRef type = emit_type(w->e, w->dt, w->lanes);

    if (!width)
        return LLVMConstNull(type);
    return x->o == 1 ? wino_load(w, at, width)
                     : wino_gather(w, at, x->o, width);
}

static void transform(Winograd *w, const WinoWeights *d, const V *base,
                      V panel, V c, V o, int width)
{
    int r = w->f.r;
    V x[WINO_SIDE * WINO_SIDE], u[WINO_SIDE * WINO_SIDE], at, to;

    at = wino_add(w, wino_mul(w, panel, WINO_PANEL), o);
    at = wino_add(w, wino_mul(w, c, d->c), wino_mul(w, at, d->o));
    at = wino_at(w, base[0], at);
    for (int k = 0; k < r * r; k++) {
        int64_t tap = d->at + k / r * d->r + k % r * d->s;

        x[k] = load(w, d, wino_at(w, at, emit_int(w->e, tap)), width);
    }
    wino_both(w, &w->f.g, w->f.nu, r, false, x, u);
    to = wino_add(w, wino_mul(w, panel, w->points * w->C), c);
    to = wino_add(w, wino_mul(w, to, WINO_PANEL), o);
    to = wino_at(w, base[1], to);
    for (int k = 0; k < w->points; k++)
        save(w, u[k], wino_at(w, to, emit_int(w->e, k * w->C * WINO_PANEL)));
}

/* Panels from .. to, each with vectors of these widths. */
static void panels(Winograd *w, const WinoWeights *d, const V *base, V from,
                   V to, int64_t columns)
{
    EmitLoop p = nest_loop(w->n, from, to, "panel"), c;

    c = nest_loop(w->n, emit_int(w->e, 0), emit_int(w->e, w->C), "c");
    c.unroll_off = true;
    for (int o = 0; o < WINO_PANEL; o += w->lanes) {
        int64_t width = columns - o;

        width = width < 0 ? 0 : width > w->lanes ? w->lanes : width;
        transform(w, d, base, p.i, c.i, emit_int(w->e, o), (int)width);
    }
    emit_loop_end(w->e, &c);
    emit_loop_end(w->e, &p);
}

void nest_wino_w(Nest *n)
{
    Val v = n->core;
    Shape s = v->src[0]->type.shape;
    WinoRead read = wino_read(v);
    WinoWeights d = wino_weights(s, read);
    Winograd w = {.n = n, .e = n->e, .dt = v->type.dt};
    int64_t full = d.O / WINO_PANEL, rest = d.O % WINO_PANEL;
    V base[2], lo, hi, end = emit_int(n->e, full);

    w.size = dtype_bytes(w.dt);
    w.elem = emit_mem_type(n->e, w.dt);
    w.lanes = emit_lanes(n->e, w.dt);
    wino_of(read.m, d.R, read.form, &w.f);
    w.points = w.f.nu * w.f.nu;
    w.C = d.C;
    w.d.O = d.O;
    base[0] = emit_base(n->k, v->src[0]);
    base[1] = n->k->dst;
    lo = emit_int(n->e, 0);
    hi = emit_int(n->e, full + (rest > 0));
    if (v->type.batched) {
        int64_t from = shape_size(s), to = shape_size(v->type.shape);

        base[1] = wino_at(&w, base[1], wino_mul(&w, n->at.example, to));
        base[0] = wino_at(&w, base[0], wino_mul(&w, n->at.example, from));
    } else if (n->k->k->tasks > 1) {
        lo = n->k->lo;
        hi = n->k->hi;
    }
    if (full)
        panels(&w, &d, base, lo, emit_smaller(w.e, hi, end), WINO_PANEL);
    if (rest)
        panels(&w, &d, base, emit_larger(w.e, lo, end), hi, rest);
    if (is_far(&w))
        fence(&w);
}
