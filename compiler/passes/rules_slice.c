/*
 * rules_slice.c -- slices, pads, reversals and indexing among themselves and
 * on copied values. All are exact.
 */
#include "passes/rewrite.h"

#define SHAPE(name, op, fn, text, example) \
    RULE_FN(name, RULE_EXACT, OP_##op, fn, text, example)

static Val real_in(Graph *g, int k, bool batched, Shape s)
{
    return ir_input(g, batched ? INPUT_FIELD : INPUT_VAR, internf("x%d", k),
                    type_of(DT_f64, batched, s));
}

/* slice(slice(x)) = slice(x) */
static Val slice_slice(Graph *g, Val v)
{
    Val x = v->src[0];
    int64_t start[RANK_MAX], limit[RANK_MAX], stride[RANK_MAX];

    if (x->op != OP_slice)
        return NULL;
    for (int k = 0; k < v->type.shape.rank; k++) {
        const int64_t *in = x->attr.i + 3 * k, *out = v->attr.i + 3 * k;
        start[k] = in[0] + out[0] * in[2];
        stride[k] = in[2] * out[2];
        limit[k] = start[k] + (v->type.shape.dim[k] - 1) * stride[k] + 1;
    }
    return ir_slice(g, x->src[0], start, limit, stride);
}

static Val slice_slice_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(2, (int64_t)9, (int64_t)5));

    (void)s;
    x = ir_slice(g, x, (int64_t[]){1, 0}, (int64_t[]){9, 5},
                 (int64_t[]){2, 1});
    return ir_slice(g, x, (int64_t[]){1, 1}, (int64_t[]){4, 4},
                    (int64_t[]){2, 2});
}

/* A slice of everything is its source. */
static Val slice_all(Graph *g, Val v)
{
    (void)g;
    return shape_eq(v->type.shape, v->src[0]->type.shape) ? v->src[0] : NULL;
}

static Val slice_all_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(1, (int64_t)4));

    (void)s;
    return ir_slice(g, x, (int64_t[]){0}, (int64_t[]){4}, NULL);
}

/* slice(broadcast(x)) = broadcast(slice(x)) */
static Val slice_broadcast(Graph *g, Val v)
{
    Val b = v->src[0];

    if (b->op != OP_broadcast)
        return NULL;

    Shape s = b->src[0]->type.shape;
    int64_t start[RANK_MAX], limit[RANK_MAX], stride[RANK_MAX];
    int place[RANK_MAX];
    for (int k = 0; k < s.rank; k++) {
        int64_t at = b->attr.i[b->type.shape.rank + k];
        bool copied = s.dim[k] != b->type.shape.dim[at];
        place[k] = (int)at;
        start[k] = copied ? 0 : v->attr.i[3 * at];
        limit[k] = copied ? 1 : v->attr.i[3 * at + 1];
        stride[k] = copied ? 1 : v->attr.i[3 * at + 2];
    }
    Val x = s.rank ? ir_slice(g, b->src[0], start, limit, stride) : b->src[0];
    return ir_broadcast(g, x, v->type.shape, place);
}

static Val slice_broadcast_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(1, (int64_t)5));

    (void)s;
    x = ir_broadcast(g, x, shape_of(2, (int64_t)4, (int64_t)5), (int[]){1});
    return ir_slice(g, x, (int64_t[]){1, 1}, (int64_t[]){3, 5},
                    (int64_t[]){1, 2});
}

/* A pad that adds nothing is its source; of its own fill, a fill. */
static Val pad_nothing(Graph *g, Val v)
{
    if (shape_eq(v->type.shape, v->src[0]->type.shape))
        return v->src[0];
    if (!same_fill(v->src[0], v->attr.f))
        return NULL;
    return ir_fill(g, v->type.dt, v->attr.f, v->type.shape);
}

static Val pad_nothing_ex(Graph *g, Shape s)
{
    (void)s;
    Val x = ir_fill(g, DT_f64, 0.5, shape_of(1, (int64_t)4));
    Val y = real_in(g, 0, true, shape_of(1, (int64_t)6));

    x = ir_pad(g, x, (int64_t[]){1}, (int64_t[]){1}, NULL, 0.5);
    return ir_add(g, x, y);
}

/* slice(pad(x)) = x where it takes back what the pad added */
static Val slice_pad(Graph *g, Val v)
{
    Val p = v->src[0];

    (void)g;
    if (p->op != OP_pad || !shape_eq(v->type.shape, p->src[0]->type.shape))
        return NULL;
    for (int k = 0; k < v->type.shape.rank; k++) {
        const int64_t *in = p->attr.i + 3 * k, *out = v->attr.i + 3 * k;
        if (in[0] != out[0] ||
            (v->type.shape.dim[k] > 1 && in[2] + 1 != out[2]))
            return NULL;
    }
    return p->src[0];
}

static Val slice_pad_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(1, (int64_t)4));

    (void)s;
    x = ir_pad(g, x, (int64_t[]){2}, (int64_t[]){1}, (int64_t[]){1}, 0);
    return ir_slice(g, x, (int64_t[]){2}, (int64_t[]){9}, (int64_t[]){2});
}

/* slice(concat(.., x, ..)) = slice(x) where it stays within x */
static Val slice_concat(Graph *g, Val v)
{
    Val c = v->src[0];

    if (c->op != OP_concat)
        return NULL;

    int axis = (int)c->attr.i[0], rank = v->type.shape.rank;
    int64_t start[RANK_MAX], limit[RANK_MAX], stride[RANK_MAX], at = 0;
    for (int k = 0; k < rank; k++) {
        start[k] = v->attr.i[3 * k];
        limit[k] = v->attr.i[3 * k + 1];
        stride[k] = v->attr.i[3 * k + 2];
    }
    for (int k = 0; k < c->nsrc; k++) {
        int64_t size = c->src[k]->type.shape.dim[axis];
        if (start[axis] >= at && limit[axis] <= at + size) {
            start[axis] -= at;
            limit[axis] -= at;
            return ir_slice(g, c->src[k], start, limit, stride);
        }
        at += size;
    }
    return NULL;
}

static Val slice_concat_ex(Graph *g, Shape s)
{
    Val x[2] = {real_in(g, 0, true, shape_of(1, (int64_t)3)),
                real_in(g, 1, true, shape_of(1, (int64_t)4))};

    (void)s;
    return ir_slice(g, ir_concat(g, x, 2, 0), (int64_t[]){4}, (int64_t[]){6},
                    NULL);
}

/* reverse(reverse(x)) = x reversed along the dims named by one of them */
static Val reverse_reverse(Graph *g, Val v)
{
    Val x = v->src[0];
    int axes[2 * RANK_MAX], n = 0;

    if (x->op != OP_reverse)
        return NULL;
    for (int k = 0; k < v->type.shape.rank; k++) {
        int times = 0;
        for (int i = 0; i < v->attr.n; i++)
            times += v->attr.i[i] == k;
        for (int i = 0; i < x->attr.n; i++)
            times += x->attr.i[i] == k;
        if (times == 1)
            axes[n++] = k;
    }
    return ir_reverse(g, x->src[0], axes, n);
}

static Val reverse_reverse_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, s);

    x = ir_reverse(g, x, (int[]){0, 1}, 2);
    return ir_reverse(g, x, (int[]){1}, 1);
}

/* Reversing copies or a single element changes nothing. */
static Val reverse_nothing(Graph *g, Val v)
{
    Val x = v->src[0];
    int axes[RANK_MAX], n = 0;

    for (int i = 0; i < v->attr.n; i++) {
        int axis = (int)v->attr.i[i];
        bool copied = x->type.shape.dim[axis] == 1;
        if (x->op == OP_broadcast) {
            Shape s = x->src[0]->type.shape;
            copied = true;
            for (int k = 0; k < s.rank; k++)
                if (x->attr.i[x->type.shape.rank + k] == axis &&
                    s.dim[k] != 1)
                    copied = false;
        }
        if (!copied)
            axes[n++] = axis;
    }
    return n == v->attr.n ? NULL : ir_reverse(g, x, axes, n);
}

static Val reverse_nothing_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(1, (int64_t)3));

    (void)s;
    x = ir_broadcast(g, x, shape_of(2, (int64_t)2, (int64_t)3), (int[]){1});
    return ir_reverse(g, x, (int[]){0, 1}, 2);
}

/* ---- indexing ---- */

/* take(x, constant) = slice(x) */
static Val take_known(Graph *g, Val v)
{
    Val x = v->src[0];
    int64_t start[RANK_MAX] = {0}, limit[RANK_MAX];
    Shape s = x->type.shape;

    if (v->src[1]->op != OP_const)
        return NULL;
    for (int k = 0; k < s.rank; k++)
        limit[k] = s.dim[k];
    double i = v->src[1]->attr.f;
    start[0] = i < 0 ? 0 : i >= (double)s.dim[0] ? s.dim[0] - 1 : (int64_t)i;
    limit[0] = start[0] + 1;
    return ir_reshape(g, ir_slice(g, x, start, limit, NULL), v->type.shape);
}

static Val take_known_ex(Graph *g, Shape s)
{
    return ir_op2(g, OP_take, real_in(g, 0, true, s),
                  ir_const(g, DT_i32, 1));
}

/* take(fill, i) = fill */
static Val take_fill(Graph *g, Val v)
{
    double f;

    if (!is_fill(v->src[0], &f))
        return NULL;
    return ir_fill(g, v->type.dt, f, v->type.shape);
}

static Val take_fill_ex(Graph *g, Shape s)
{
    Val i = real_in(g, 0, true, shape_of(0));

    return ir_op2(g, OP_take, ir_fill(g, DT_f64, 1.5, s),
                  ir_cast(g, i, DT_i32));
}

/* scatter_add(constant, v) = pad(v) */
static Val scatter_known(Graph *g, Val v)
{
    Val i = v->src[0], x = v->src[1];
    Shape row = v->type.shape;
    int64_t lo[RANK_MAX] = {0}, hi[RANK_MAX] = {0}, n = row.dim[0];

    if (i->op != OP_const)
        return NULL;
    lo[0] = i->attr.f < 0            ? 0
            : i->attr.f >= (double)n ? n - 1
                                     : (int64_t)i->attr.f;
    hi[0] = n - 1 - lo[0];
    row.dim[0] = 1;
    return ir_pad(g, ir_reshape(g, x, row), lo, hi, NULL, 0);
}

static Val scatter_known_ex(Graph *g, Shape s)
{
    Val x = real_in(g, 0, true, shape_of(1, s.dim[1]));

    return ir_node(g, OP_scatter_add, &(Attr){.n = 1, .i = {4}},
                   (Val[]){ir_const(g, DT_i32, 2), x}, 2);
}

/* Is 0 <= i < n known? */
static bool in_range(Val i, int64_t n)
{
    return (i->op == OP_argmax || i->op == OP_argmin) &&
           i->src[0]->type.shape.dim[i->attr.i[0]] <= n;
}

/* One number scattered is a comparison: it can be computed where it is read.
 * scatter_add(i, v) = select(eq(iota, i), v, 0), with i clamped */
static Val scatter_scalar(Graph *g, Val v)
{
    Val i = v->src[0], x = v->src[1];
    int64_t n = v->type.shape.dim[0];

    if (i->type.shape.rank || x->type.shape.rank || i->op == OP_const)
        return NULL;
    if (!in_range(i, n))
        i = ir_op2(g, OP_max, ir_op2(g, OP_min, i,
                                     ir_const(g, DT_i32, (double)n - 1)),
                   ir_const(g, DT_i32, 0));
    i = ir_broadcast(g, i, v->type.shape, NULL);
    x = ir_broadcast(g, x, v->type.shape, NULL);
    return ir_select(g, ir_eq(g, ir_iota(g, n), i), x, ir_like(g, x, 0));
}

static Val scatter_scalar_ex(Graph *g, Shape s)
{
    Val i = real_in(g, 0, true, shape_of(0));

    (void)s;
    return ir_node(g, OP_scatter_add, &(Attr){.n = 1, .i = {2}},
                   (Val[]){ir_cast(g, i, DT_i32),
                           real_in(g, 1, false, shape_of(0))}, 2);
}

const Rule rules_slice[] = {
    SHAPE("slice-all", slice, slice_all, "slice(x) -> x", slice_all_ex),
    SHAPE("slice-slice", slice, slice_slice, "slice(slice(x)) -> slice(x)",
          slice_slice_ex),
    SHAPE("slice-pad", slice, slice_pad, "slice(pad(x)) -> x", slice_pad_ex),
    SHAPE("slice-concat", slice, slice_concat,
          "slice(concat(x, y)) -> slice(x)", slice_concat_ex),
    SHAPE("slice-broadcast", slice, slice_broadcast,
          "slice(broadcast(x)) -> broadcast(slice(x))", slice_broadcast_ex),
    SHAPE("pad-nothing", pad, pad_nothing, "pad(x) -> x", pad_nothing_ex),
    SHAPE("reverse-reverse", reverse, reverse_reverse,
          "reverse(reverse(x)) -> reverse(x)", reverse_reverse_ex),
    SHAPE("reverse-nothing", reverse, reverse_nothing, "reverse(x) -> x",
          reverse_nothing_ex),
    SHAPE("take-known", take, take_known, "take(x, 1) -> slice(x)",
          take_known_ex),
    SHAPE("scatter-known", scatter_add, scatter_known,
          "scatter_add(1, x) -> pad(x)", scatter_known_ex),
    SHAPE("scatter-scalar", scatter_add, scatter_scalar,
          "scatter_add(i, x) -> select(eq(iota, i), x, 0)",
          scatter_scalar_ex),
    SHAPE("take-fill", take, take_fill, "take(1, i) -> 1", take_fill_ex),
    RULE_END,
};
