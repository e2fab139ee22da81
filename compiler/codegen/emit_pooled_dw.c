/*
 * emit_pooled_dw.c -- conv_dw_pooled: the gradient of the weights of a
 * convolution whose result went through a max-pooling.
 *
 *     for the channels o of this task
 *       for examples
 *         list what is not zero
 *         for groups of rows of taps
 *           rows of dw += spot * rows of x
 *
 * One row of taps is contiguous in x and in dw. Sums go from example to
 * example through dw itself, in the order of the examples.
 */
#include "codegen/pooled.h"

typedef struct Dw {
    V o, x, dw;     // the channel; x of the example; the channel's taps
    V first, count; // first row of the group; spots
    int64_t width;  // elements of a row of x
    V tap_offset;   // by tap of the window: into x
} Dw;

static V tap_offsets(Pooled *p, int64_t width)
{
    int64_t n = p->u.kh * p->u.kw;
    V *x = NEW_N(p->e->a, V, n), table;

    for (int64_t k = 0; k < n; k++)
        x[k] = LLVMConstInt(p->e->i32,
                            (unsigned long long)(k / p->u.kw * width +
                                                 k % p->u.kw * p->C), true);
    table = LLVMAddGlobal(p->e->m, LLVMArrayType2(p->e->i32, (uint64_t)n),
                          "taps");
    LLVMSetInitializer(table, LLVMConstArray2(p->e->i32, x, (uint64_t)n));
    LLVMSetGlobalConstant(table, true);
    LLVMSetLinkage(table, LLVMPrivateLinkage);
    return table;
}

static V load(Pooled *p, LLVMTypeRef t, V base, V i)
{
    V x = LLVMBuildLoad2(p->e->b, t, pooled_at(p, t, base, i), "");

    LLVMSetAlignment(x, t == p->e->i32 ? 4 : (unsigned)p->size);
    return x;
}

static void put(Pooled *p, V x, V base, V i, int size)
{
    V s = LLVMBuildStore(p->e->b, x,
                         pooled_at(p, LLVMTypeOf(x), base, i));

    LLVMSetAlignment(s, (unsigned)size);
}

/* Window (w, q): its place and value go behind the list, which grows if they
 * count. */
static V one_window(Pooled *p, const Dw *d, V w, V q, V pos)
{
    LLVMBuilderRef b = p->e->b;
    V i = emit_index_add(p->e, emit_index_mul(p->e, w, p->Wo), q), x, k, off;
    V live, inside, taps = LLVMConstInt(p->e->i32,
                                        (unsigned)(p->u.kh * p->u.kw), 0);

    i = emit_index_add(p->e, emit_index_mul(p->e, i, p->O), d->o);
    x = load(p, p->elem, pooled_base(p, p->dy), i);
    k = load(p, p->e->i32, pooled_base(p, p->place), i);
    live = LLVMBuildFCmp(b, LLVMRealUNE, x, emit_num(p->e, p->dt, 1, 0), "");
    inside = LLVMBuildICmp(b, LLVMIntULT, k, taps, "");
    k = LLVMBuildSelect(b, inside, k, LLVMConstNull(p->e->i32), "");
    off = emit_index_add(
        p->e, emit_index_mul(p->e, w, p->u.kh * d->width),
        emit_index_mul(p->e, q, p->u.kw * p->C));
    off = LLVMBuildAdd(b, LLVMBuildTrunc(b, off, p->e->i32, ""),
                       load(p, p->e->i32, d->tap_offset,
                            LLVMBuildZExt(b, k, p->e->i64, "")), "");
    put(p, x, p->values, pos, p->size);
    put(p, off, p->offsets, pos, 4);
    live = LLVMBuildAnd(b, live, inside, "");
    return LLVMBuildAdd(b, pos, LLVMBuildZExt(b, live, p->e->i64, ""), "");
}

static V list_channel(Pooled *p, const Dw *d)
{
    V zero = nest_int(p->n, 0);
    EmitLoop w = nest_loop(p->n, zero, nest_int(p->n, p->Ho), "p"), q;

    emit_loop_carry(p->e, &w, zero);
    q = nest_loop(p->n, zero, nest_int(p->n, p->Wo), "q");
    emit_loop_carry(p->e, &q, w.carry[0]);
    emit_loop_next(&q, 0, one_window(p, d, w.i, q.i, q.carry[0]));
    emit_loop_end(p->e, &q);
    emit_loop_next(&w, 0, q.carry[0]);
    emit_loop_end(p->e, &w);
    return w.carry[0];
}

/* `rows` rows of taps from d->first, one panel of them. */
static void sum_rows(Pooled *p, const Dw *d, const Panel *of, int rows)
{
    int64_t tap = p->u.S * p->C;
    V acc[64], at[64], x;

    for (int i = 0; i < rows; i++) {
        V r = nest_add(p->n, d->first, i);

        r = emit_index_add(p->e, emit_index_mul(p->e, r, tap), of->from);
        at[i] = pooled_at(p, p->elem, d->dw, r);
        for (int j = 0; j < of->nv; j++)
            acc[i * of->nv + j] = pooled_load(p, of, at[i], j);
    }
    x = emit_index_add(p->e, emit_index_mul(p->e, d->first, d->width),
                       of->from);
    x = pooled_at(p, p->elem, d->x, x);
    pooled_sum(p, of, nest_int(p->n, 0), d->count, x, rows, d->width, acc);
    for (int i = 0; i < rows * of->nv; i++)
        pooled_store(p, of, at[i / of->nv], i % of->nv, acc[i]);
}

static void one_panel(Pooled *p, Panel of, void *user)
{
    Dw *d = user;
    int64_t rows = p->most / of.nv, R = p->u.R;
    int64_t groups;

    rows = rows < 1 ? 1 : rows > R ? R : rows;
    groups = R / rows;
    if (groups > 1) {
        EmitLoop g = nest_loop(p->n, nest_int(p->n, 0),
                               nest_int(p->n, groups), "rows");

        g.unroll_off = true;
        d->first = emit_index_mul(p->e, g.i, rows);
        sum_rows(p, d, &of, (int)rows);
        emit_loop_end(p->e, &g);
    } else {
        d->first = nest_int(p->n, 0);
        sum_rows(p, d, &of, (int)rows);
    }
    d->first = nest_int(p->n, groups * rows);
    if (R % rows)
        sum_rows(p, d, &of, (int)(R % rows));
}

static void one_channel(Pooled *p, Dw *d)
{
    int64_t taps = p->u.R * p->u.S * p->C;

    d->x = pooled_base(p, p->other);
    d->dw = pooled_at(p, p->elem, p->n->k->dst,
                      emit_index_mul(p->e, d->o, taps));
    d->count = list_channel(p, d);
    pooled_panels(p, p->u.S * p->C, p->most, one_panel, d);
}

/* Channels O t / tasks .. O (t + 1) / tasks. */
static void one_task(Pooled *p, Dw *d, V t)
{
    Nest *n = p->n;
    LLVMBuilderRef b = p->e->b;
    int64_t tasks = n->k->k->tasks, taps = p->u.R * p->u.S * p->C;
    V count = nest_int(n, tasks), from, to;
    EmitLoop e, o;

    from = LLVMBuildSDiv(b, emit_index_mul(p->e, t, p->O), count, "");
    to = LLVMBuildSDiv(b, emit_index_mul(p->e, nest_add(n, t, 1), p->O),
                       count, "");
    LLVMBuildMemSet(b, pooled_at(p, p->elem, n->k->dst,
                                 emit_index_mul(p->e, from, taps)),
                    LLVMConstInt(p->e->i8, 0, 0),
                    emit_index_mul(p->e, LLVMBuildSub(b, to, from, ""),
                                   taps * p->size), (unsigned)p->size);
    e = nest_loop(n, nest_int(n, 0),
                  p->dy->type.batched ? n->k->n : nest_int(n, 1), "example");
    p->example = e.i;
    o = nest_loop(n, from, to, "o");
    o.unroll_off = true;
    d->o = o.i;
    one_channel(p, d);
    emit_loop_end(p->e, &o);
    emit_loop_end(p->e, &e);
}

void nest_conv_dw_pooled(Nest *n)
{
    Pooled p = pooled_begin(n, 1, 2, 0);
    Dw d = {.width = p.other->type.shape.dim[1] * p.C};
    EmitLoop t;

    d.tap_offset = tap_offsets(&p, d.width);
    p.values = pooled_room(&p, p.elem, p.Ho * p.Wo + 1);
    p.offsets = pooled_room(&p, p.e->i32, p.Ho * p.Wo + 1);
    t = nest_loop(n, n->k->lo, n->k->hi, "task");
    one_task(&p, &d, t.i);
    emit_loop_end(p.e, &t);
}
