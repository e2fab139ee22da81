/*
 * emit_pooled.c -- what the convolutions of an unpooled value share: panels
 * of vectors and the loop over a list.
 */
#include "codegen/pooled.h"

static int lanes_for(const Emit *e, DType dt, int64_t n)
{
    int lanes = emit_lanes(e, dt);

    while (lanes > 1 && lanes / 2 >= n)
        lanes /= 2;
    return lanes;
}

Pooled pooled_begin(Nest *n, int dy, int place, int other)
{
    Val core = n->core;
    Pooled p = {.n = n, .e = n->e, .u = ir_unpool_dims(core),
                .dy = core->src[dy], .place = core->src[place],
                .other = core->src[other], .dt = core->type.dt};
    const int64_t *d = p.dy->type.shape.dim;

    p.Ho = d[0];
    p.Wo = d[1];
    p.O = d[2];
    p.C = p.other->type.shape.dim[p.other->type.shape.rank - 1];
    p.elem = emit_type(p.e, p.dt, 1);
    p.size = dtype_bytes(p.dt);
    p.lanes = lanes_for(p.e, p.dt, core->op == OP_conv_dx_pooled
                                       ? p.C
                                       : p.u.S * p.C);
    p.most = p.e->opt.registers == 32 ? 28 : 12;
    p.example = n->at.example;
    return p;
}

V pooled_room(Pooled *p, LLVMTypeRef t, int64_t n)
{
    LLVMBuilderRef b = p->e->b;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef top = LLVMGetEntryBasicBlock(p->n->k->fn);
    V first = LLVMGetFirstInstruction(top), x;

    if (first)
        LLVMPositionBuilderBefore(b, first);
    else
        LLVMPositionBuilderAtEnd(b, top);
    x = LLVMBuildAlloca(b, LLVMArrayType2(t, (uint64_t)n), "");
    LLVMSetAlignment(x, 64);
    LLVMPositionBuilderAtEnd(b, here);
    return x;
}

V pooled_at(Pooled *p, LLVMTypeRef t, V base, V i)
{
    return LLVMBuildGEP2(p->e->b, t, base, &i, 1, "");
}

V pooled_base(Pooled *p, Val v)
{
    int64_t size = shape_size(v->type.shape);
    V base = emit_base(p->n->k, v);

    if (!v->type.batched)
        return base;
    return pooled_at(p, emit_mem_type(p->e, v->type.dt), base,
                     emit_index_mul(p->e, p->example, size));
}

V pooled_multiply_add(Pooled *p, V x, V y, V z)
{
    LLVMBuilderRef b = p->e->b;

    // x86 before AVX2 has no fused instruction; the library's is slow.
    if (p->e->opt.vector_bytes < 32 && p->e->opt.registers < 32)
        return LLVMBuildFAdd(b, LLVMBuildFMul(b, x, y, ""), z, "");
    return vec_multiply_add(p->e, x, y, z);
}

/* --- panels --------------------------------------------------------------- */

static V first_lanes(Pooled *p, int width)
{
    V bit[64];

    for (int i = 0; i < p->lanes; i++)
        bit[i] = LLVMConstInt(p->e->i1, i < width, 0);
    return LLVMConstVector(bit, (unsigned)p->lanes);
}

static bool is_part(const Pooled *p, const Panel *of, int j)
{
    return j == of->nv - 1 && of->width < p->lanes;
}

static V vector_at(Pooled *p, V at, int j)
{
    return pooled_at(p, p->elem, at, nest_int(p->n, (int64_t)j * p->lanes));
}

V pooled_load(Pooled *p, const Panel *of, V at, int j)
{
    LLVMTypeRef t = emit_type(p->e, p->dt, p->lanes);
    V x;

    at = vector_at(p, at, j);
    if (is_part(p, of, j))
        return compat_masked_load(p->e->m, p->e->b, t, at,
                                  first_lanes(p, of->width),
                                  (unsigned)p->size);
    x = LLVMBuildLoad2(p->e->b, t, at, "");
    LLVMSetAlignment(x, (unsigned)p->size);
    return x;
}

void pooled_store(Pooled *p, const Panel *of, V at, int j, V x)
{
    at = vector_at(p, at, j);
    if (is_part(p, of, j))
        compat_masked_store(p->e->m, p->e->b, x, at,
                            first_lanes(p, of->width), (unsigned)p->size);
    else
        LLVMSetAlignment(LLVMBuildStore(p->e->b, x, at), (unsigned)p->size);
}

void pooled_panels(Pooled *p, int64_t n, int most,
                   void (*run)(Pooled *p, Panel of, void *user), void *user)
{
    int64_t nv = (n + p->lanes - 1) / p->lanes;
    int64_t count = (nv + most - 1) / most, wide = (nv + count - 1) / count;
    int64_t full = n / (wide * p->lanes), rest = n % (wide * p->lanes);
    Panel of = {.nv = (int)wide, .width = p->lanes};

    if (full == 1) {
        of.from = nest_int(p->n, 0);
        run(p, of, user);
    } else if (full) {
        EmitLoop l = nest_loop(p->n, nest_int(p->n, 0),
                               nest_int(p->n, full), "panel");

        of.from = emit_index_mul(p->e, l.i, wide * p->lanes);
        run(p, of, user);
        emit_loop_end(p->e, &l);
    }
    if (!rest)
        return;
    of.from = nest_int(p->n, full * wide * p->lanes);
    of.nv = (int)((rest + p->lanes - 1) / p->lanes);
    of.width = (int)(rest - (int64_t)(of.nv - 1) * p->lanes);
    run(p, of, user);
}

/* --- the loop over a list ------------------------------------------------- */

static V load(Pooled *p, LLVMTypeRef t, V at, unsigned align)
{
    V x = LLVMBuildLoad2(p->e->b, t, at, "");

    LLVMSetAlignment(x, align);
    return x;
}

void pooled_spot(Pooled *p, V i, V b, V *x, V *at)
{
    Emit *e = p->e;

    *at = load(p, e->i32, pooled_at(p, e->i32, p->offsets, i), 4);
    *at = pooled_at(p, p->elem, b, LLVMBuildSExt(e->b, *at, e->i64, ""));
    *x = load(p, p->elem, pooled_at(p, p->elem, p->values, i),
              (unsigned)p->size);
    *x = emit_splat(e, *x, p->lanes);
}

void pooled_sum(Pooled *p, const Panel *of, V from, V to, V b, int rows,
                int64_t stride, V *acc)
{
    Emit *e = p->e;
    EmitLoop l = nest_loop(p->n, from, to, "spot");
    V x, at;

    l.unroll_off = true;
    for (int i = 0; i < rows * of->nv; i++)
        acc[i] = emit_loop_carry(e, &l, acc[i]);
    pooled_spot(p, l.i, b, &x, &at);
    for (int i = 0; i < rows; i++) {
        V row = pooled_at(p, p->elem, at, nest_int(p->n, i * stride));

        for (int j = 0; j < of->nv; j++)
            emit_loop_next(&l, i * of->nv + j,
                           pooled_multiply_add(p, x,
                                               pooled_load(p, of, row, j),
                                               acc[i * of->nv + j]));
    }
    emit_loop_end(e, &l);
    for (int i = 0; i < rows * of->nv; i++)
        acc[i] = l.carry[i];
}
