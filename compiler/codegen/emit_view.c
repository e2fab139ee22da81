/*
 * emit_view.c -- movement: a view asks its source for another element.
 *
 * What may lie outside its source is read at a clamped place, or under a mask
 * where lanes cross the edge, and replaced by a select. `lanes` elements are
 * asked for at once where the view keeps them next to each other; where it
 * does not, each lane is computed by itself.
 */
#include "codegen/emit.h"

/* --- what keeps neighbours together -------------------------------------- */

static bool same_lane_extent(Shape x, Shape y)
{
    return x.rank > 0 && y.rank > 0 &&
           x.dim[emit_lane_dim(x)] == y.dim[emit_lane_dim(y)];
}

static bool has_axis(const Attr *a, int axis)
{
    for (int k = 0; k < a->n; k++)
        if (a->i[k] == axis)
            return true;
    return false;
}

/* Does one view move lanes as a block? */
static bool keeps_lanes(Val v)
{
    Shape to = v->type.shape, from = v->src[0]->type.shape;
    int lane = emit_lane_dim(to);
    const int64_t *a = v->attr.i;

    if (shape_size(to) == 1)
        return true;
    switch (v->op) {
    case OP_reshape:
        return shape_size(from) == 1 || same_lane_extent(to, from);
    case OP_transpose:
        return a[lane] == emit_lane_dim(from);
    case OP_slice:
        return a[3 * lane + 2] == 1 && lane == emit_lane_dim(from);
    case OP_pad:
        return a[3 * lane + 2] == 0;
    case OP_reverse:
        return !has_axis(&v->attr, lane);
    case OP_take:
        return lane >= v->src[1]->type.shape.rank;
    default: // spread, broadcast, concat
        return true;
    }
}

/* Do the lanes of a broadcast run along a dim of its source? Else one element
 * serves them all. */
static bool moves_lanes(Val v)
{
    Shape from = v->src[0]->type.shape, to = v->type.shape;
    int lane = emit_lane_dim(to);

    for (int d = 0; d < from.rank; d++)
        if (v->attr.i[to.rank + d] == lane && from.dim[d] > 1)
            return true;
    return false;
}

bool emit_is_lanes(const KernelEmit *k, Val v)
{
    if ((v == k->k->core && v != k->k->root) ||
        emit_find_read(k->k, v) >= 0 || shape_size(v->type.shape) == 1)
        return true;
    if (op_info[v->op].lower == LOWER_VIEW && !keeps_lanes(v))
        return false;
    if (v->op == OP_broadcast && !moves_lanes(v))
        return true;
    for (int i = 0; i < (v->op == OP_take ? 1 : v->nsrc); i++)
        if (!emit_is_lanes(k, v->src[i]))
            return false;
    return true;
}

bool emit_is_flat(const KernelEmit *k, Val v, bool across)
{
    bool one = shape_size(v->type.shape) == 1;

    if (one && (!across || !v->type.batched))
        return true;
    if (v == k->k->core && v != k->k->root)
        return !across || v->type.batched == k->k->root->type.batched;
    if (emit_find_read(k->k, v) >= 0)
        return !across || v->type.batched == k->k->root->type.batched;
    switch (v->op) {
    case OP_broadcast:
        if (shape_size(v->type.shape) != shape_size(v->src[0]->type.shape))
            return shape_size(v->src[0]->type.shape) == 1 &&
                   (!across || !v->src[0]->type.batched);
        return emit_is_flat(k, v->src[0], across);
    case OP_reshape:
        return emit_is_flat(k, v->src[0], across);
    case OP_spread:
        return (!across || shape_size(v->src[0]->type.shape) == 1) &&
               emit_is_flat(k, v->src[0], across);
    case OP_iota:
        return !across || !k->k->root->type.batched;
    default:
        break;
    }
    if (op_info[v->op].lower != LOWER_MAP)
        return false;
    for (int i = 0; i < v->nsrc; i++)
        if (!emit_is_flat(k, v->src[i], across))
            return false;
    return true;
}

/* --- lanes one by one ---------------------------------------------------- */

static LLVMValueRef emit_each_lane(KernelEmit *k, Val v, At at)
{
    Emit *e = k->e;
    int lanes = at.lanes, d = emit_lane_dim(v->type.shape);
    LLVMValueRef first = at.i[d], mask = at.mask;
    LLVMValueRef x = LLVMGetPoison(emit_type(e, v->type.dt, lanes));

    at.lanes = 1;
    at.mask = NULL;
    for (int l = 0; l < lanes; l++) {
        LLVMValueRef lane = LLVMConstInt(e->i32, (unsigned)l, false);

        at.i[d] = emit_index_add(e, first, emit_int(e, l));
        if (mask) // a masked lane may lie outside
            at.i[d] = emit_index_clamp(e, at.i[d], v->type.shape.dim[d]);
        x = LLVMBuildInsertElement(e->b, x, emit_value(k, v, at), lane, "");
    }
    return x;
}

/* <lanes x i1>: which of x, x + 1, ... lie in 0 .. n - 1. */
static LLVMValueRef lanes_inside(Emit *e, LLVMValueRef x, int64_t n, int lanes)
{
    LLVMValueRef step[64], at;

    for (int l = 0; l < lanes; l++)
        step[l] = LLVMConstInt(e->i32, (unsigned)l, false);
    at = emit_splat(e, LLVMBuildTrunc(e->b, x, e->i32, ""), lanes);
    at = LLVMBuildAdd(e->b, at, LLVMConstVector(step, (unsigned)lanes), "");
    return LLVMBuildICmp(
        e->b, LLVMIntULT, at,
        emit_splat(e, LLVMConstInt(e->i32, (unsigned long long)n, false),
                   lanes),
        "inside");
}

static LLVMValueRef both(Emit *e, LLVMValueRef x, LLVMValueRef y)
{
    if (!x || !y)
        return x ? x : y;
    return LLVMBuildAnd(e->b, x, y, "");
}

/* --- the views ----------------------------------------------------------- */

static LLVMValueRef view_spread(KernelEmit *k, Val v, At at)
{
    return emit_value(k, v->src[0], at);
}

static LLVMValueRef view_broadcast(KernelEmit *k, Val v, At at)
{
    Val x = v->src[0];
    Shape from = x->type.shape, to = v->type.shape;
    const int64_t *place = v->attr.i + to.rank;
    int lanes = at.lanes;
    At src = at;

    if (at.flat && shape_size(from) == shape_size(to))
        return emit_value(k, x, at);
    if (shape_size(from) == 1)
        return emit_uniform(k, x, at);
    for (int d = 0; d < from.rank; d++)
        src.i[d] = from.dim[d] == 1 ? emit_int(k->e, 0) : at.i[place[d]];
    if (moves_lanes(v))
        return emit_value(k, x, src);
    src.lanes = 1;
    src.mask = NULL;
    return emit_splat(k->e, emit_value(k, x, src), lanes);
}

/* Dims larger than 1. */
static int real_dims(Shape s, int *d)
{
    int n = 0;

    for (int k = 0; k < s.rank; k++)
        if (s.dim[k] > 1)
            d[n++] = k;
    return n;
}

/* Dims that agree at both ends keep their index; the rest goes through the
 * row-major number. */
static LLVMValueRef view_reshape(KernelEmit *k, Val v, At at)
{
    Emit *e = k->e;
    Val x = v->src[0];
    Shape from = x->type.shape, to = v->type.shape;
    int df[RANK_MAX], dt[RANK_MAX], front = 0;
    int nf = real_dims(from, df), nt = real_dims(to, dt);
    LLVMValueRef rest = emit_int(e, 0);
    At src = at;

    if (at.flat)
        return emit_value(k, x, at);
    if (at.lanes > 1 && !keeps_lanes(v))
        return emit_each_lane(k, v, at);
    for (int d = 0; d < from.rank; d++)
        src.i[d] = emit_int(e, 0);
    while (nf && nt && from.dim[df[nf - 1]] == to.dim[dt[nt - 1]])
        src.i[df[--nf]] = at.i[dt[--nt]];
    while (front < nf && front < nt &&
           from.dim[df[front]] == to.dim[dt[front]]) {
        src.i[df[front]] = at.i[dt[front]];
        front++;
    }
    for (int d = front; d < nt; d++)
        rest = emit_index_add(e, emit_index_mul(e, rest, to.dim[dt[d]]),
                              at.i[dt[d]]);
    for (int d = nf - 1; d >= front; d--) {
        LLVMValueRef n = emit_int(e, from.dim[df[d]]);

        src.i[df[d]] = d > front ? LLVMBuildURem(e->b, rest, n, "") : rest;
        if (d > front)
            rest = LLVMBuildUDiv(e->b, rest, n, "");
    }
    return emit_value(k, x, src);
}

static LLVMValueRef view_transpose(KernelEmit *k, Val v, At at)
{
    At src = at;

    for (int d = 0; d < v->attr.n; d++)
        src.i[v->attr.i[d]] = at.i[d];
    return emit_value(k, v->src[0], src);
}

static LLVMValueRef view_slice(KernelEmit *k, Val v, At at)
{
    const int64_t *a = v->attr.i;

    for (int d = 0; d < v->type.shape.rank; d++)
        at.i[d] = emit_index_add(k->e, emit_index_mul(k->e, at.i[d],
                                                      a[3 * d + 2]),
                                 emit_int(k->e, a[3 * d]));
    return emit_value(k, v->src[0], at);
}

static LLVMValueRef view_reverse(KernelEmit *k, Val v, At at)
{
    for (int i = 0; i < v->attr.n; i++) {
        int d = (int)v->attr.i[i];
        LLVMValueRef last = emit_int(k->e, v->type.shape.dim[d] - 1);

        at.i[d] = LLVMBuildNSWSub(k->e->b, last, at.i[d], "");
    }
    return emit_value(k, v->src[0], at);
}

/* Index of a padded dim in its source; *inside gets the condition that there
 * is one, joined; a negative index is a large one unsigned. */
static LLVMValueRef unpad(Emit *e, LLVMValueRef i, const int64_t *a, int64_t n,
                          LLVMValueRef *inside)
{
    LLVMValueRef zero = emit_int(e, 0), step = emit_int(e, a[2] + 1), in;

    if (!a[0] && !a[1] && !a[2])
        return i;
    i = emit_index_add(e, i, emit_int(e, -a[0]));
    if (a[2]) {
        in = LLVMBuildICmp(e->b, LLVMIntEQ,
                           LLVMBuildSRem(e->b, i, step, ""), zero, "");
        *inside = both(e, *inside, in);
        i = LLVMBuildSDiv(e->b, i, step, "");
    }
    in = LLVMBuildICmp(e->b, LLVMIntULT, i, emit_int(e, n), "");
    *inside = both(e, *inside, in);
    return emit_index_clamp(e, i, n);
}

static LLVMValueRef view_pad(KernelEmit *k, Val v, At at)
{
    Emit *e = k->e;
    Val x = v->src[0];
    Shape from = x->type.shape;
    int lane = emit_lane_dim(v->type.shape), lanes = at.lanes;
    LLVMValueRef inside = NULL, fill, y;
    At src = at;

    fill = emit_num(e, v->type.dt, lanes, v->attr.f);
    for (int d = 0; d < from.rank; d++) {
        const int64_t *a = v->attr.i + 3 * d;

        if (lanes == 1 || d != lane) {
            src.i[d] = unpad(e, at.i[d], a, from.dim[d], &inside);
        } else if (a[0] || a[1]) {
            src.i[d] = emit_index_add(e, at.i[d], emit_int(e, -a[0]));
            src.mask = both(e, at.mask, lanes_inside(e, src.i[d], from.dim[d],
                                                     lanes));
        }
    }
    // Lanes of a dim that was 1 before: one element and fill around it.
    if (lanes > 1 && from.dim[lane] == 1) {
        LLVMValueRef mask = src.mask;

        src.lanes = 1;
        src.mask = NULL;
        src.i[lane] = emit_int(e, 0);
        y = emit_splat(e, emit_value(k, x, src), lanes);
        y = mask ? LLVMBuildSelect(e->b, mask, y, fill, "") : y;
    } else {
        y = emit_value(k, x, src);
        if (src.mask != at.mask)
            y = LLVMBuildSelect(e->b, src.mask, y, fill, "");
    }
    return inside ? LLVMBuildSelect(e->b, inside, y, fill, "pad") : y;
}

/* One source of a concat, whose elements stand at lo .. hi - 1. */
static LLVMValueRef concat_part(KernelEmit *k, Val x, At at, int axis,
                                int64_t lo, bool across, LLVMValueRef *inside)
{
    Emit *e = k->e;
    int64_t n = x->type.shape.dim[axis];
    int lanes = at.lanes;
    LLVMValueRef i = emit_index_add(e, at.i[axis], emit_int(e, -lo));

    if (!across) {
        *inside = LLVMBuildICmp(e->b, LLVMIntSLT, at.i[axis],
                                emit_int(e, lo + n), "");
        at.i[axis] = emit_index_clamp(e, i, n);
        return emit_value(k, x, at);
    }
    *inside = lanes_inside(e, i, n, lanes);
    if (n == 1) {
        at.lanes = 1;
        at.mask = NULL;
        at.i[axis] = emit_int(e, 0);
        return emit_splat(e, emit_value(k, x, at), lanes);
    }
    at.mask = both(e, at.mask, *inside);
    at.i[axis] = i;
    return emit_value(k, x, at);
}

static LLVMValueRef view_concat(KernelEmit *k, Val v, At at)
{
    int axis = (int)v->attr.i[0];
    bool across = at.lanes > 1 && axis == emit_lane_dim(v->type.shape);
    int64_t lo = v->type.shape.dim[axis];
    LLVMValueRef y = NULL;

    for (int i = v->nsrc - 1; i >= 0; i--) {
        LLVMValueRef inside, x;

        lo -= v->src[i]->type.shape.dim[axis];
        x = concat_part(k, v->src[i], at, axis, lo, across, &inside);
        y = y ? LLVMBuildSelect(k->e->b, inside, x, y, "") : x;
    }
    return y;
}

static LLVMValueRef view_take(KernelEmit *k, Val v, At at)
{
    Emit *e = k->e;
    Val x = v->src[0], i = v->src[1];
    int ri = i->type.shape.rank;
    LLVMValueRef row;
    At src = at, index = at;

    index.lanes = 1;
    index.mask = NULL;
    row = LLVMBuildSExt(e->b, emit_value(k, i, index), e->i64, "");
    src.i[0] = emit_index_clamp(e, row, x->type.shape.dim[0]);
    for (int d = 1; d < x->type.shape.rank; d++)
        src.i[d] = at.i[ri + d - 1];
    return emit_value(k, x, src);
}

LLVMValueRef emit_view(KernelEmit *k, Val v, At at)
{
    if (at.lanes > 1 && !at.flat && !keeps_lanes(v))
        return emit_each_lane(k, v, at);
    switch (v->op) {
    case OP_spread:
        return view_spread(k, v, at);
    case OP_broadcast:
        return view_broadcast(k, v, at);
    case OP_reshape:
        return view_reshape(k, v, at);
    case OP_transpose:
        return view_transpose(k, v, at);
    case OP_slice:
        return view_slice(k, v, at);
    case OP_pad:
        return view_pad(k, v, at);
    case OP_reverse:
        return view_reverse(k, v, at);
    case OP_concat:
        return view_concat(k, v, at);
    case OP_take:
        return view_take(k, v, at);
    default:
        internal_error("%s is no view", op_info[v->op].name);
    }
}
