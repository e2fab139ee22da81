/*
 * emit_pool.c -- pooling over [H, W, C] and its adjoints, channels along
 * vectors.
 *
 * A window starts at (p sh - ph, q sw - pw); its taps are cut to what lies
 * inside, so padding never takes part and every window holds an element. The
 * place of a largest is the first in row-major order; a NaN counts as
 * largest.
 */
#include "codegen/nest.h"

typedef struct Window { // taps r, s from .. to; their origin in x
    V r0, r1, s0, s1, i0, j0;
} Window;

static Shape input_shape(const Nest *n)
{
    return n->core->op == OP_sum_pool_dx ? n->core->type.shape
                                         : n->core->src[0]->type.shape;
}

static V cut(Nest *n, V x, V bound, LLVMIntPredicate keep)
{
    V c = LLVMBuildICmp(n->e->b, keep, x, bound, "");

    return LLVMBuildSelect(n->e->b, c, x, bound, "");
}

/* Taps of a window along one dim: output o, window k, stride s, padding on
 * both sides, extent of x. Sets origin and range. */
static void taps(Nest *n, V o, int64_t k, int64_t s, int64_t lo, int64_t hi,
                 int64_t extent, V *origin, V *from, V *to)
{
    LLVMBuilderRef b = n->e->b;

    *origin = nest_add(n, emit_index_mul(n->e, o, s), -lo);
    *from = nest_int(n, 0);
    *to = nest_int(n, k);
    if (!lo && !hi)
        return;
    *from = cut(n, LLVMBuildNSWNeg(b, *origin, ""), *from, LLVMIntSGT);
    *to = cut(n, LLVMBuildNSWSub(b, nest_int(n, extent), *origin, ""), *to,
              LLVMIntSLT);
}

static Window window_at(Nest *n, V p, V q)
{
    PoolDims d = ir_pool_dims(n->core);
    Shape in = input_shape(n);
    Window w;

    taps(n, p, d.kh, d.sh, d.ph_lo, d.ph_hi, in.dim[0], &w.i0, &w.r0, &w.r1);
    taps(n, q, d.kw, d.sw, d.pw_lo, d.pw_hi, in.dim[1], &w.j0, &w.s0, &w.s1);
    return w;
}

static At tap(Nest *n, const Window *w, V r, V s)
{
    At at = n->at;

    at.i[0] = emit_index_add(n->e, w->i0, r);
    at.i[1] = emit_index_add(n->e, w->j0, s);
    return at;
}

static V in_tap(Nest *n, int src, const Window *w, V r, V s)
{
    return emit_value(n->k, n->core->src[src], tap(n, w, r, s));
}

/* Are all windows whole, and so small that their taps stand side by side in
 * the code? */
static bool is_unrolled(const Nest *n)
{
    enum { TAPS = 16 };
    PoolDims d = ir_pool_dims(n->core);

    return !d.ph_lo && !d.ph_hi && !d.pw_lo && !d.pw_hi &&
           d.kh * d.kw <= TAPS;
}

/* --- one value from each window ------------------------------------------- */

static V next_value(Nest *n, const Window *w, V r, V s, V so_far)
{
    Op op = n->core->op == OP_sum_pool ? OP_sum : OP_max_reduce;

    return emit_merge(n->e, op, n->core->type.dt, so_far,
                      in_tap(n, 0, w, r, s));
}

static V fold_window(Nest *n, const Window *w)
{
    Op op = n->core->op == OP_sum_pool ? OP_sum : OP_max_reduce;
    V x = emit_merge_start(n->e, op, n->core->type.dt, n->at.lanes);
    PoolDims d = ir_pool_dims(n->core);
    EmitLoop rows, cols;

    for (int64_t k = 0; is_unrolled(n) && k < d.kh * d.kw; k++)
        x = next_value(n, w, nest_int(n, k / d.kw), nest_int(n, k % d.kw), x);
    if (is_unrolled(n))
        return x;
    rows = nest_loop(n, w->r0, w->r1, "r");

    emit_loop_carry(n->e, &rows, x);
    cols = nest_loop(n, w->s0, w->s1, "s");
    emit_loop_carry(n->e, &cols, rows.carry[0]);
    emit_loop_next(&cols, 0,
                   next_value(n, w, rows.i, cols.i, cols.carry[0]));
    emit_loop_end(n->e, &cols);
    emit_loop_next(&rows, 0, cols.carry[0]);
    emit_loop_end(n->e, &rows);
    return rows.carry[0];
}

/* --- the place of the largest --------------------------------------------- */

/* x and m are those of the first tap. */
static V largest_of_taps(Nest *n, const Window *w,
                         V (*mark)(Nest *n, const Window *w, V r, V s), V x,
                         V m)
{
    DType dt = n->core->src[0]->type.dt;
    PoolDims d = ir_pool_dims(n->core);

    for (int64_t k = 1; k < d.kh * d.kw; k++) {
        V r = nest_int(n, k / d.kw), s = nest_int(n, k % d.kw);
        V y = in_tap(n, 0, w, r, s), c = emit_beats(n->e, dt, y, x, true);

        x = LLVMBuildSelect(n->e->b, c, y, x, "");
        m = LLVMBuildSelect(n->e->b, c, mark(n, w, r, s), m, "");
    }
    return m;
}

/* Of the largest x in the window: what `mark` gives at its tap (carried like
 * the largest itself). */
static V at_largest(Nest *n, const Window *w,
                    V (*mark)(Nest *n, const Window *w, V r, V s))
{
    DType dt = n->core->src[0]->type.dt;
    V x = in_tap(n, 0, w, w->r0, w->s0), m = mark(n, w, w->r0, w->s0), c;
    EmitLoop rows, cols;

    if (is_unrolled(n))
        return largest_of_taps(n, w, mark, x, m);
    rows = nest_loop(n, w->r0, w->r1, "r");

    emit_loop_carry(n->e, &rows, x);
    emit_loop_carry(n->e, &rows, m);
    cols = nest_loop(n, w->s0, w->s1, "s");
    emit_loop_carry(n->e, &cols, rows.carry[0]);
    emit_loop_carry(n->e, &cols, rows.carry[1]);
    x = in_tap(n, 0, w, rows.i, cols.i);
    m = mark(n, w, rows.i, cols.i);
    c = emit_beats(n->e, dt, x, cols.carry[0], true);
    emit_loop_next(&cols, 0,
                   LLVMBuildSelect(n->e->b, c, x, cols.carry[0], ""));
    emit_loop_next(&cols, 1,
                   LLVMBuildSelect(n->e->b, c, m, cols.carry[1], ""));
    emit_loop_end(n->e, &cols);
    emit_loop_next(&rows, 0, cols.carry[0]);
    emit_loop_next(&rows, 1, cols.carry[1]);
    emit_loop_end(n->e, &rows);
    return rows.carry[1];
}

static V value_mark(Nest *n, const Window *w, V r, V s)
{
    return in_tap(n, 1, w, r, s);
}

/* Number of a tap, a vector of i32. */
static V place_mark(Nest *n, const Window *w, V r, V s)
{
    V x = emit_index_add(n->e, emit_index_mul(n->e, r,
                                              ir_pool_dims(n->core).kw), s);

    (void)w;
    x = LLVMBuildTrunc(n->e->b, x, n->e->i32, "");
    return emit_splat(n->e, x, n->at.lanes);
}

static void gather_channels(Nest *n)
{
    Window w = window_at(n, n->at.i[0], n->at.i[1]);

    switch (n->core->op) {
    case OP_pool_gather:
        nest_store(n, at_largest(n, &w, value_mark));
        break;
    case OP_pool_place:
        nest_store(n, at_largest(n, &w, place_mark));
        break;
    default:
        nest_store(n, fold_window(n, &w));
    }
}

static void gather(Nest *n)
{
    nest_lanes(n, 2, n->out.dim[2], n->core->src[0]->type.dt,
               gather_channels);
}

/* --- pool_scatter --------------------------------------------------------- */

static bool windows_overlap(PoolDims d)
{
    return d.sh < d.kh || d.sw < d.kw;
}

static bool windows_cover(const Nest *n)
{
    PoolDims d = ir_pool_dims(n->core);
    Shape y = n->core->src[1]->type.shape;

    return d.sh == d.kh && d.sw == d.kw &&
           (y.dim[0] * d.kh == n->out.dim[0] + d.ph_lo + d.ph_hi) &&
           (y.dim[1] * d.kw == n->out.dim[1] + d.pw_lo + d.pw_hi);
}

/* dx at the largest of the window is dy (more, if windows overlap), at the
 * other taps 0 (what it was). */
static void scatter_channels(Nest *n)
{
    Emit *e = n->e;
    DType dt = n->core->type.dt;
    Window w = window_at(n, n->at.i[0], n->at.i[1]);
    V best = at_largest(n, &w, place_mark), c, x, p;
    V dy = emit_value(n->k, n->core->src[1], n->at);
    V zero = emit_num(e, dt, n->at.lanes, 0);
    EmitLoop rows = nest_loop(n, w.r0, w.r1, "r");
    EmitLoop cols = nest_loop(n, w.s0, w.s1, "s");
    At at = tap(n, &w, rows.i, cols.i);

    c = LLVMBuildICmp(e->b, LLVMIntEQ, place_mark(n, &w, rows.i, cols.i),
                      best, "");
    x = LLVMBuildSelect(e->b, c, dy, zero, "");
    if (windows_overlap(ir_pool_dims(n->core))) {
        p = emit_address(e, n->k->dst, n->core->type, at);
        p = LLVMBuildLoad2(e->b, emit_type(e, dt, n->at.lanes), p, "");
        LLVMSetAlignment(p, (unsigned)dtype_bytes(dt));
        x = emit_merge(e, OP_sum, dt, p, x);
    }
    emit_store(n->k, n->core, at, x);
    emit_loop_end(e, &cols);
    emit_loop_end(e, &rows);
}

static void clear(Nest *n)
{
    int64_t bytes = shape_size(n->out) * dtype_bytes(n->core->type.dt);
    At first = {.example = n->at.example, .lanes = 1};

    for (int d = 0; d < RANK_MAX; d++)
        first.i[d] = nest_int(n, 0);
    LLVMBuildMemSet(n->e->b,
                    emit_address(n->e, n->k->dst, n->core->type, first),
                    LLVMConstInt(n->e->i8, 0, 0), nest_int(n, bytes), 4);
}

static void scatter(Nest *n)
{
    nest_lanes(n, 2, n->out.dim[2], n->core->type.dt, scatter_channels);
}

/* --- sum_pool_dx ---------------------------------------------------------- */

/* Windows that hold place i: o s - lo <= i < o s - lo + k, 0 <= o < places. */
static void windows_of(Nest *n, V i, int64_t k, int64_t s, int64_t lo,
                       int64_t places, V *from, V *to)
{
    LLVMBuilderRef b = n->e->b;
    V top = nest_add(n, i, lo), low = nest_add(n, i, lo - k + 1 + s - 1);

    // Rounded up; below 0 no window begins there anyhow.
    low = LLVMBuildSDiv(b, low, nest_int(n, s), "");
    *from = cut(n, low, nest_int(n, 0), LLVMIntSGT);
    *to = cut(n, nest_add(n, LLVMBuildSDiv(b, top, nest_int(n, s), ""), 1),
              nest_int(n, places), LLVMIntSLT);
}

static void spread_channels(Nest *n)
{
    PoolDims d = ir_pool_dims(n->core);
    Val dy = n->core->src[0];
    DType dt = n->core->type.dt;
    V p0, p1, q0, q1;
    EmitLoop rows, cols;
    At at = n->at;

    windows_of(n, at.i[0], d.kh, d.sh, d.ph_lo, dy->type.shape.dim[0], &p0,
               &p1);
    windows_of(n, at.i[1], d.kw, d.sw, d.pw_lo, dy->type.shape.dim[1], &q0,
               &q1);
    rows = nest_loop(n, p0, p1, "p");
    emit_loop_carry(n->e, &rows, emit_num(n->e, dt, at.lanes, 0));
    cols = nest_loop(n, q0, q1, "q");
    emit_loop_carry(n->e, &cols, rows.carry[0]);
    at.i[0] = rows.i;
    at.i[1] = cols.i;
    emit_loop_next(&cols, 0, emit_merge(n->e, OP_sum, dt, cols.carry[0],
                                        emit_value(n->k, dy, at)));
    emit_loop_end(n->e, &cols);
    emit_loop_next(&rows, 0, cols.carry[0]);
    emit_loop_end(n->e, &rows);
    nest_store(n, rows.carry[0]);
}

static void spread(Nest *n)
{
    nest_lanes(n, 2, n->out.dim[2], n->core->type.dt, spread_channels);
}

void nest_pool(Nest *n)
{
    switch (n->core->op) {
    case OP_pool_scatter:
        if (!windows_cover(n))
            clear(n);
        nest_dims(n, n->core->src[1]->type.shape, 0, 2, scatter);
        break;
    case OP_sum_pool_dx:
        nest_dims(n, n->out, 0, 2, spread);
        break;
    default:
        nest_dims(n, n->out, 0, 2, gather);
    }
}
