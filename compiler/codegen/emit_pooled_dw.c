/*
 * emit_pooled_dw.c -- conv_dw_pooled: the gradient of the weights of a
 * convolution whose result went through a max-pooling.
 *
 *     for examples
 *       for the channels o of this task, in blocks
 *         list what is not zero, channel by channel
 *         for channels, groups of rows of taps
 *           rows of dw += spot * rows of x
 *
 * One row of taps is contiguous in x and in dw. Sums go from example to
 * example through dw itself, in the order of the examples.
 */
#include "codegen/pooled.h"

typedef struct Dw {
    V x, dw;         // of the example; the channel's taps
    V first, count;  // first row of the group; spots
    int64_t width;   // elements of a row of x
    V values, offsets, counts; // of a block of channels
    V windows;       // where a window begins in x
} Dw;

static V window_offsets(Pooled *p, int64_t width)
{
    V table = pooled_room(p, p->e->i32, pooled_room_of_channel(p)), x, at;
    V zero = nest_int(p->n, 0);
    EmitLoop w = nest_loop(p->n, zero, nest_int(p->n, p->Ho), "p"), q;

    q = nest_loop(p->n, zero, nest_int(p->n, p->Wo), "q");
    x = emit_index_add(p->e, emit_index_mul(p->e, w.i, p->u.kh * width),
                       emit_index_mul(p->e, q.i, p->u.kw * p->C));
    at = emit_index_add(p->e, emit_index_mul(p->e, w.i, p->Wo), q.i);
    LLVMBuildStore(p->e->b, LLVMBuildTrunc(p->e->b, x, p->e->i32, ""),
                   pooled_at(p, p->e->i32, table, at));
    emit_loop_end(p->e, &q);
    emit_loop_end(p->e, &w);
    return table;
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

/* Channel c of the block that begins at o. */
static void one_channel(Pooled *p, Dw *d, V o, V c)
{
    int64_t taps = p->u.R * p->u.S * p->C;
    V list = emit_index_mul(p->e, c, pooled_room_of_channel(p));

    d->dw = pooled_at(p, p->elem, p->n->k->dst,
                      emit_index_mul(p->e, emit_index_add(p->e, o, c), taps));
    d->count = LLVMBuildLoad2(p->e->b, p->e->i64,
                              pooled_at(p, p->e->i64, d->counts, c), "");
    p->values = pooled_at(p, p->elem, d->values, list);
    p->offsets = pooled_at(p, p->e->i32, d->offsets, list);
    pooled_panels(p, p->u.S * p->C, p->most, one_panel, d);
}

/* Channels o .. of one example, below `end`. */
static void one_block(Pooled *p, Dw *d, V o, V end)
{
    LLVMBuilderRef b = p->e->b;
    V lanes = nest_int(p->n, pooled_list_lanes(p));
    V left = LLVMBuildNSWSub(b, end, o, "");
    EmitLoop c;

    p->values = d->values;
    p->offsets = d->offsets;
    pooled_channel_lists(p, o, d->windows, d->width, d->counts);
    left = emit_smaller(p->e, left, lanes);
    c = nest_loop(p->n, nest_int(p->n, 0), left, "c");
    c.unroll_off = true;
    one_channel(p, d, o, c.i);
    emit_loop_end(p->e, &c);
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
    d->x = pooled_base(p, p->other);
    o = emit_loop(p->e, n->k->fn, from, to, pooled_list_lanes(p), "o");
    o.unroll_off = true;
    one_block(p, d, o.i, to);
    emit_loop_end(p->e, &o);
    emit_loop_end(p->e, &e);
}

void nest_conv_dw_pooled(Nest *n)
{
    Pooled p = pooled_begin(n, 1, 2, 0);
    Dw d = {.width = p.other->type.shape.dim[1] * p.C};
    int64_t list = pooled_list_lanes(&p) * pooled_room_of_channel(&p);
    EmitLoop t;

    d.windows = window_offsets(&p, d.width);
    d.values = pooled_room(&p, p.elem, list);
    d.offsets = pooled_room(&p, p.e->i32, list);
    d.counts = pooled_room(&p, p.e->i64, pooled_list_lanes(&p));
    t = nest_loop(n, n->k->lo, n->k->hi, "task");
    one_task(&p, &d, t.i);
    emit_loop_end(p.e, &t);
}
