/*
 * emit_reduce.c -- many elements to one.
 *
 * The order of additions is a function of the shape alone:
 *   - where the last dim is summed (along), 8 accumulators of f32 or 4 of f64
 *     take turns on it, four such groups if it is long, starting anew every 64
 *     turns, and what does not fill a vector is summed beside them;
 *   - where the last dim stays (beside), its elements are computed side by
 *     side, each one's sum in order.
 * Each further dim sums the results of the dims inside it, starting from
 * nothing, which keeps partial sums short and their rounding small. Neither
 * the machine's vector width nor the threads change a bit.
 */
#include "codegen/emit.h"

enum { GROUPS = 4, SUMS_MAX = 8, BLOCK = 64 };

typedef struct Reduce {
    KernelEmit *k;
    Val core, x; // x is what is reduced
    Shape s;     // of x
    DType dt;
    bool gone[RANK_MAX]; // summed dims
    int lane;
    bool flat;     // along: the summed dims are one run
    int64_t run;   // along: its length
    int lanes, nv; // of one value; beside: values computed side by side
} Reduce;

typedef struct Sums {
    int n;
    LLVMValueRef v[SUMS_MAX];
} Sums;

static LLVMValueRef merge(Reduce *r, LLVMValueRef x, LLVMValueRef y)
{
    return emit_merge(r->k->e, r->core->op, r->dt, x, y);
}

/* Stores the kernel's result at the place of `at` (an index of x). */
static void store(Reduce *r, At at, LLVMValueRef value, int lanes)
{
    KernelEmit *k = r->k;
    At out = {.example = at.example, .lanes = lanes};
    int n = 0;

    for (int d = 0; d < r->s.rank; d++)
        if (!r->gone[d])
            out.i[n++] = at.i[d];
    k->core = value;
    emit_store(k, k->k->root, out, emit_value(k, k->k->root, out));
    k->core = NULL;
}

/* Joins the lanes of a vector, halves first. */
static LLVMValueRef join_lanes(Reduce *r, LLVMValueRef v, int lanes)
{
    Emit *e = r->k->e;

    while (lanes > 1) {
        LLVMValueRef lo[64], hi[64], none = LLVMGetPoison(LLVMTypeOf(v));
        int half = lanes / 2;

        for (int l = 0; l < half; l++) {
            lo[l] = LLVMConstInt(e->i32, (unsigned)l, false);
            hi[l] = LLVMConstInt(e->i32, (unsigned)(half + l), false);
        }
        v = merge(r,
                  LLVMBuildShuffleVector(
                      e->b, v, none, LLVMConstVector(lo, (unsigned)half), ""),
                  LLVMBuildShuffleVector(
                      e->b, v, none, LLVMConstVector(hi, (unsigned)half), ""));
        lanes = half;
        if (half == 1)
            v = LLVMBuildExtractElement(e->b, v,
                                        LLVMConstInt(e->i32, 0, false), "");
    }
    return v;
}

/* --- the summed dims ----------------------------------------------------- */

typedef Sums Leaf(Reduce *r, At at);

/* Sums over the summed dims from d on, `skip` left to the leaf. */
static Sums sum_dims(Reduce *r, At at, int d, int skip, Leaf *leaf)
{
    Emit *e = r->k->e;
    Sums in, out = {0};
    EmitLoop l;

    while (d < r->s.rank && (!r->gone[d] || d == skip || r->s.dim[d] == 1)) {
        if (r->gone[d] && d != skip)
            at.i[d] = emit_int(e, 0);
        d++;
    }
    if (d == r->s.rank)
        return leaf(r, at);
    l = emit_loop(e, r->k->fn, emit_int(e, 0), emit_int(e, r->s.dim[d]), 1,
                  "sum");
    at.i[d] = l.i;
    // The phis are made when it is known how many sums there are; until then
    // the head block is open.
    in = sum_dims(r, at, d + 1, skip, leaf);
    out.n = in.n;
    for (int k = 0; k < in.n; k++) {
        LLVMTypeRef t = LLVMTypeOf(in.v[k]);
        int lanes = LLVMGetTypeKind(t) == LLVMVectorTypeKind
                        ? (int)LLVMGetVectorSize(t)
                        : 1;
        LLVMValueRef zero = emit_merge_start(e, r->core->op, r->dt, lanes);

        out.v[k] = emit_loop_carry(e, &l, zero);
        emit_loop_next(&l, k, merge(r, out.v[k], in.v[k]));
    }
    emit_loop_end(e, &l);
    return out;
}

/* --- along --------------------------------------------------------------- */

static LLVMValueRef value_along(Reduce *r, At at, LLVMValueRef i, int lanes)
{
    if (r->flat)
        at.flat = emit_index_add(r->k->e, at.flat, i);
    else
        at.i[r->lane] = i;
    at.lanes = lanes;
    return emit_value(r->k, r->x, at);
}

/* Adds the vectors from .. to, a multiple of groups of them. */
static void sum_between(Reduce *r, At at, LLVMValueRef *acc, int groups,
                        LLVMValueRef from, LLVMValueRef to)
{
    Emit *e = r->k->e;
    EmitLoop l = emit_loop(e, r->k->fn, from, to, (int64_t)r->lanes * groups,
                           "run");

    for (int g = 0; g < groups; g++)
        emit_loop_carry(e, &l, acc[g]);
    for (int g = 0; g < groups; g++) {
        LLVMValueRef i = emit_index_add(e, l.i, emit_int(e, g * r->lanes));

        emit_loop_next(&l, g, merge(r, l.carry[g],
                                    value_along(r, at, i, r->lanes)));
    }
    emit_loop_end(e, &l);
    for (int g = 0; g < groups; g++)
        acc[g] = l.carry[g];
}

/* The same from 0 to `whole` in blocks, each with sums of its own. */
static void sum_blocks(Reduce *r, At at, LLVMValueRef *acc, int groups,
                       int64_t whole, int64_t block)
{
    Emit *e = r->k->e;
    LLVMValueRef part[GROUPS], end, last;
    EmitLoop l = emit_loop(e, r->k->fn, emit_int(e, 0), emit_int(e, whole),
                           block, "block");

    for (int g = 0; g < groups; g++) {
        part[g] = acc[g];
        emit_loop_carry(e, &l, acc[g]);
    }
    end = LLVMBuildAdd(e->b, l.i, emit_int(e, block), "");
    last = LLVMBuildICmp(e->b, LLVMIntSLT, end, emit_int(e, whole), "");
    end = LLVMBuildSelect(e->b, last, end, emit_int(e, whole), "end");
    sum_between(r, at, part, groups, l.i, end);
    for (int g = 0; g < groups; g++)
        emit_loop_next(&l, g, merge(r, l.carry[g], part[g]));
    emit_loop_end(e, &l);
    for (int g = 0; g < groups; g++)
        acc[g] = l.carry[g];
}

/* The run's whole vectors into acc[0..groups). */
static void sum_vectors(Reduce *r, At at, LLVMValueRef *acc, int groups)
{
    Emit *e = r->k->e;
    int64_t step = (int64_t)r->lanes * groups, whole = r->run / step * step;
    int64_t block = BLOCK * step;

    if (whole > 2 * block)
        sum_blocks(r, at, acc, groups, whole, block);
    else if (whole > step)
        sum_between(r, at, acc, groups, emit_int(e, 0), emit_int(e, whole));
    else
        whole = 0;
    for (int g = 0; whole + r->lanes <= r->run; g++, whole += r->lanes)
        acc[g % groups] = merge(r, acc[g % groups],
                                value_along(r, at, emit_int(e, whole),
                                            r->lanes));
}

/* Sums of one run: accumulators joined to one vector, and the rest. */
static Sums leaf_along(Reduce *r, At at)
{
    Emit *e = r->k->e;
    int groups = r->run >= 8 * GROUPS * r->lanes ? GROUPS : 1;
    int64_t done = r->run / r->lanes * r->lanes;
    LLVMValueRef acc[GROUPS], rest = NULL;
    Sums s = {0};

    for (int g = 0; g < groups; g++)
        acc[g] = emit_merge_start(e, r->core->op, r->dt, r->lanes);
    if (done) {
        sum_vectors(r, at, acc, groups);
        for (int half = groups / 2; half >= 1; half /= 2)
            for (int g = 0; g < half; g++)
                acc[g] = merge(r, acc[g], acc[g + half]);
        s.v[s.n++] = acc[0];
    }
    for (int lanes = r->lanes / 2; lanes >= 1; lanes /= 2) {
        LLVMValueRef v;

        if (done + lanes > r->run)
            continue;
        v = value_along(r, at, emit_int(e, done), lanes);
        v = join_lanes(r, v, lanes);
        rest = rest ? merge(r, rest, v) : v;
        done += lanes;
    }
    if (rest)
        s.v[s.n++] = rest;
    return s;
}

static void reduce_along(Reduce *r, At at)
{
    Emit *e = r->k->e;
    bool vectors = r->run >= r->lanes;
    LLVMValueRef sum;
    Sums s;

    if (r->flat) {
        At first = at;

        for (int d = 0; d < r->s.rank; d++)
            if (r->gone[d])
                first.i[d] = emit_int(e, 0);
        first.flat = emit_linear(e, r->s, &first);
        s = leaf_along(r, first);
    } else {
        s = sum_dims(r, at, 0, r->lane, leaf_along);
    }
    sum = vectors ? join_lanes(r, s.v[0], r->lanes) : s.v[0];
    if (s.n == 2)
        sum = merge(r, sum, s.v[1]);
    store(r, at, sum, 1);
}

/* Is everything behind the first summed dim summed too? */
static bool is_one_run(const Reduce *r)
{
    bool begun = false;

    for (int d = 0; d < r->s.rank; d++) {
        if (r->s.dim[d] == 1)
            continue;
        if (begun && !r->gone[d])
            return false;
        begun = begun || r->gone[d];
    }
    return emit_is_flat(r->k, r->x, false);
}

static void plan_along(Reduce *r)
{
    r->lanes = r->dt == DT_f64 ? 4 : 8;
    r->flat = is_one_run(r);
    r->run = 1;
    for (int d = 0; d < r->s.rank; d++)
        if (r->flat ? r->gone[d] : d == r->lane)
            r->run *= r->s.dim[d];
}

/* --- beside -------------------------------------------------------------- */

static Sums leaf_beside(Reduce *r, At at)
{
    LLVMValueRef first = at.i[r->lane];
    Sums s = {.n = r->nv};

    at.lanes = r->lanes;
    for (int v = 0; v < r->nv; v++) {
        at.i[r->lane] = emit_index_add(r->k->e, first,
                                       emit_int(r->k->e, v * r->lanes));
        s.v[v] = emit_value(r->k, r->x, at);
    }
    return s;
}

static void reduce_block(Reduce *r, At at, LLVMValueRef i)
{
    Sums s;

    at.i[r->lane] = i;
    s = sum_dims(r, at, 0, -1, leaf_beside);
    for (int v = 0; v < r->nv; v++) {
        at.i[r->lane] = emit_index_add(r->k->e, i,
                                       emit_int(r->k->e, v * r->lanes));
        store(r, at, s.v[v], r->lanes);
    }
}

static int most_lanes(Reduce *r)
{
    return emit_is_lanes(r->k, r->x) && emit_is_lanes(r->k, r->k->k->root)
               ? emit_lanes(r->k->e, r->dt)
               : 1;
}

static void set_width(Reduce *r, int width, int most)
{
    r->nv = width > most ? width / most : 1;
    r->lanes = width > most ? most : width;
}

static void reduce_blocks(Reduce *r, At at, LLVMValueRef from, LLVMValueRef to,
                          int width)
{
    EmitLoop l = emit_loop(r->k->e, r->k->fn, from, to, width, "c");

    l.unroll_off = true;
    reduce_block(r, at, l.i);
    emit_loop_end(r->k->e, &l);
}

/* Elements of the last dim in blocks: four vectors, one, then parts of one. */
static void reduce_beside(Reduce *r, At at)
{
    Emit *e = r->k->e;
    int most = most_lanes(r);
    int64_t n = r->s.dim[r->lane], done = 0;

    for (int width = 4 * most; width >= 1; width /= 2) {
        int64_t end = done + (n - done) / width * width;

        set_width(r, width, most);
        if (end - done > width) {
            reduce_blocks(r, at, emit_int(e, done), emit_int(e, end), width);
        } else if (end > done) {
            reduce_block(r, at, emit_int(e, done));
        }
        done = end;
    }
}

/* The same where tasks are rows of the last dim. */
static void reduce_rows(Reduce *r, At at)
{
    Emit *e = r->k->e;
    int most = most_lanes(r);
    LLVMValueRef from, to, rest, whole;

    for (int d = 0; d < r->s.rank; d++)
        at.i[d] = emit_int(e, 0);
    emit_rows(r->k, r->k->k->root->type.shape, &from, &to);
    rest = LLVMBuildURem(e->b, LLVMBuildSub(e->b, to, from, ""),
                         emit_int(e, 4 * most), "");
    whole = LLVMBuildSub(e->b, to, rest, "");
    set_width(r, 4 * most, most);
    reduce_blocks(r, at, from, whole, 4 * most);
    set_width(r, 1, most);
    reduce_blocks(r, at, whole, to, 1);
}

/* --- places -------------------------------------------------------------- */

static void reduce_place(Reduce *r, At at)
{
    KernelEmit *k = r->k;
    Emit *e = k->e;
    int axis = (int)r->core->attr.i[0];
    bool up = r->core->op == OP_argmax;
    LLVMValueRef best, more, x;
    EmitLoop l;

    at.i[axis] = emit_int(e, 0);
    best = emit_value(k, r->x, at);
    l = emit_loop(e, k->fn, emit_int(e, 1), emit_int(e, r->s.dim[axis]), 1,
                  "place");
    emit_loop_carry(e, &l, best);
    emit_loop_carry(e, &l, LLVMConstInt(e->i32, 0, false));
    at.i[axis] = l.i;
    x = emit_value(k, r->x, at);
    more = emit_beats(e, r->x->type.dt, x, l.carry[0], up);
    emit_loop_next(&l, 0, LLVMBuildSelect(e->b, more, x, l.carry[0], ""));
    emit_loop_next(&l, 1,
                   LLVMBuildSelect(e->b, more,
                                   LLVMBuildTrunc(e->b, l.i, e->i32, ""),
                                   l.carry[1], ""));
    emit_loop_end(e, &l);
    store(r, at, l.carry[1], 1);
}

/* --- the dims that stay -------------------------------------------------- */

typedef void Inner(Reduce *r, At at);

static void kept_dims(Reduce *r, At at, int d, int out, int skip, Inner *inner)
{
    KernelEmit *k = r->k;
    Emit *e = k->e;
    Shape root = k->k->root->type.shape;
    LLVMValueRef from = emit_int(e, 0), to;
    EmitLoop l;

    if (d == r->s.rank) {
        inner(r, at);
        return;
    }
    if (r->gone[d] || d == skip) {
        kept_dims(r, at, d + 1, out + !r->gone[d], skip, inner);
        return;
    }
    if (r->s.dim[d] == 1) {
        at.i[d] = from;
        kept_dims(r, at, d + 1, out + 1, skip, inner);
        return;
    }
    to = emit_int(e, r->s.dim[d]);
    if (!k->k->root->type.batched && out == kernel_row_dim(root))
        emit_rows(k, root, &from, &to);
    l = emit_loop(e, k->fn, from, to, 1, "i");
    l.unroll_off = true;
    at.i[d] = l.i;
    kept_dims(r, at, d + 1, out + 1, skip, inner);
    emit_loop_end(e, &l);
}

static void reduce_example(Reduce *r, At at)
{
    int last = emit_lane_dim(r->s);
    bool only_rows = true; // the last dim is the one tasks are split over

    for (int d = 0; d < last; d++)
        only_rows = only_rows && (r->gone[d] || r->s.dim[d] == 1);
    r->lane = last;
    if (r->core->op == OP_argmax || r->core->op == OP_argmin) {
        kept_dims(r, at, 0, 0, -1, reduce_place);
    } else if (r->gone[last]) {
        plan_along(r);
        kept_dims(r, at, 0, 0, -1, reduce_along);
    } else if (only_rows && r->k->k->tasks > 1) {
        reduce_rows(r, at);
    } else {
        kept_dims(r, at, 0, 0, last, reduce_beside);
    }
}

void emit_reduce(KernelEmit *k)
{
    Reduce r = {.k = k, .core = k->k->core, .x = k->k->core->src[0]};
    At at = {0};
    EmitLoop l;

    r.s = r.x->type.shape;
    r.dt = r.x->type.dt;
    for (int i = 0; i < r.core->attr.n; i++)
        r.gone[r.core->attr.i[i]] = true;
    if (!r.core->type.batched) {
        reduce_example(&r, at);
        return;
    }
    l = emit_loop(k->e, k->fn, k->lo, k->hi, 1, "example");
    l.unroll_off = true;
    at.example = l.i;
    reduce_example(&r, at);
    emit_loop_end(k->e, &l);
}
