/*
 * builtin_shape.c -- movement of elements, shapes, and tensors of constants.
 */
#include "sema/builtin.h"

#include <string.h>

Value prim_reshape(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is reshaped");
    Shape to;

    (void)p;
    if (x == NULL || !need_shape(e, &arg[1], "the new shape", &to))
        return POISON;
    if (shape_size(to) != shape_size(x->type.shape)) {
        sema_error(e, at, "cannot reshape %s to %s: %lld elements to %lld",
                   shape_text(e->a, x->type.shape), shape_text(e->a, to),
                   (long long)shape_size(x->type.shape),
                   (long long)shape_size(to));
        note_operand(e, &arg[0]);
        return POISON;
    }
    return value_tensor(node_reshape(e, at, x, to));
}

Value prim_flatten(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is flattened");

    (void)p;
    if (x == NULL)
        return POISON;
    Shape flat = shape_of(1, shape_size(x->type.shape));
    return value_tensor(node_reshape(e, at, x, flat));
}

Value prim_transpose(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is transposed");
    int rank = x ? x->type.shape.rank : 0, perm[RANK_MAX];
    bool seen[RANK_MAX] = {0};

    (void)p;
    if (x == NULL)
        return POISON;
    for (int k = 0; k < rank; k++)
        perm[k] = rank - 1 - k;
    if (given(&arg[1])) {
        if (arg[1].v.kind != V_LIST || arg[1].v.n != rank)
            return sema_error(e, arg[1].span, "the order of the dims of %s is "
                                              "a "
                              "list of %d", type_words(e, x->type), rank);
        for (int k = 0; k < rank; k++) {
            Arg item = item_arg(&arg[1], k);
            if (!axis_of(e, &item, rank, 0, &perm[k]))
                return POISON;
            if (seen[perm[k]])
                return sema_error(e, item.span, "the dim %d stands twice",
                                  perm[k]);
            seen[perm[k]] = true;
        }
    }
    return value_tensor(node_transpose(e, at, x, perm));
}

Value prim_pad(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is padded");
    const Value *w = &arg[1].v;
    int64_t width[2];
    Attr a = {0};

    (void)p;
    if (x == NULL)
        return POISON;
    int rank = x->type.shape.rank;
    if (w->kind != V_LIST || w->n != rank) {
        sema_error(e, arg[1].span, "the widths are a list of [lo, hi] for each "
                                   "of the %d dims", rank);
        note_operand(e, &arg[0]);
        return POISON;
    }
    for (int k = 0; k < rank; k++) {
        Arg item = item_arg(&arg[1], k);
        if (!need_ints(e, &item, "a width", 2, width))
            return POISON;
        if (width[0] < 0 || width[1] < 0 || width[0] > INT32_MAX ||
            width[1] > INT32_MAX)
            return sema_error(e, item.span, "a width cannot be %lld",
                              (long long)(width[0] < 0 || width[0] > INT32_MAX
                                              ? width[0] : width[1]));
        a.i[a.n++] = width[0];
        a.i[a.n++] = width[1];
        a.i[a.n++] = 0;
    }
    if (given(&arg[2]) && !need_real(e, &arg[2], "the padding value", &a.f))
        return POISON;
    return value_tensor(node_make(e, at, OP_pad, &a, &x, 1));
}

Value prim_slice(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is sliced");
    int64_t lo, hi, stride = 1;
    int axis;

    (void)p;
    if (x == NULL || !axis_of(e, &arg[1], x->type.shape.rank, 0, &axis) ||
        !need_int(e, &arg[2], "the start of a slice", &lo) ||
        !need_int(e, &arg[3], "the end of a slice", &hi) ||
        (given(&arg[4]) && !need_int(e, &arg[4], "a stride", &stride)))
        return POISON;
    if (lo < 0 || hi > x->type.shape.dim[axis] || lo > hi || stride < 1) {
        sema_error(e, at, "the slice %lld .. %lld by %lld is out of range for "
                          "dim %d of %s", (long long)lo, (long long)hi,
                   (long long)stride, axis, shape_text(e->a, x->type.shape));
        note_operand(e, &arg[0]);
        return POISON;
    }
    return value_tensor(node_slice(e, at, x, axis, lo, hi, stride));
}

Value prim_reverse(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is reversed");
    int axis;

    if (x == NULL || !axis_of(e, &arg[1], x->type.shape.rank, 0, &axis))
        return POISON;
    return value_tensor(node_make(e, at, p->op, &(Attr){.n = 1, .i = {axis}},
                                  &x, 1));
}

/* The parts as nodes of one element type, all per example if one is. */
static Val *parts_of(Elab *e, const Arg *list, int *n)
{
    Val *part = NULL;
    bool batched = false, real = false;

    if (list->v.kind != V_LIST || list->v.n == 0) {
        sema_error(e, list->span, "a list of tensors is wanted, not %s",
                   value_text(e, &list->v));
        return NULL;
    }
    if (list->v.n > ARGS_MAX) {
        sema_error(e, list->span, "at most %d tensors can be joined at once",
                   ARGS_MAX);
        return NULL;
    }
    *n = list->v.n;
    part = NEW_N(e->a, Val, *n);
    for (int k = 0; k < *n; k++) {
        Arg item = item_arg(list, k);
        if ((part[k] = need_val(e, &item, "a part")) == NULL)
            return NULL;
        batched = batched || part[k]->type.batched;
        real = real || dtype_real(part[k]->type.dt);
    }
    for (int k = 0; k < *n; k++) {
        if (real && list->v.item[k].kind == V_INT)
            part[k] = ir_cast(e->g, part[k], e->real);
        if (batched)
            part[k] = ir_spread(e->g, part[k]);
    }
    for (int k = 1; k < *n; k++)
        if (part[k]->type.dt != part[0]->type.dt) {
            Arg first = item_arg(list, 0), bad = item_arg(list, k);
            sema_error(e, bad.span, "the parts have different types: %s and %s",
                       type_words(e, part[0]->type),
                       type_words(e, part[k]->type));
            note_operand(e, &first);
            note_operand(e, &bad);
            return NULL;
        }
    return part;
}

static Value join(Elab *e, const Arg *list, Val *part, int n, int axis, Span at)
{
    for (int k = 1; k < n; k++) {
        Shape a = part[0]->type.shape, b = part[k]->type.shape;
        if (a.rank == b.rank)
            b.dim[axis] = a.dim[axis];
        if (!shape_eq(a, b)) {
            Arg first = item_arg(list, 0), bad = item_arg(list, k);
            sema_error(e, bad.span, "the shapes %s and %s cannot be joined "
                       "along dim %d", shape_text(e->a, a),
                       shape_text(e->a, part[k]->type.shape), axis);
            note_operand(e, &first);
            note_operand(e, &bad);
            return POISON;
        }
    }
    return n == 1 ? value_tensor(part[0])
                  : value_tensor(node_make(e, at, OP_concat,
                                           &(Attr){.n = 1, .i = {axis}}, part,
                                           n));
}

Value prim_concat(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    int n, axis;
    Val *part = parts_of(e, &arg[0], &n);

    (void)p;
    if (part == NULL)
        return POISON;
    if (part[0]->type.shape.rank == 0)
        return sema_error(e, arg[0].span, "scalars have no dim to be joined "
                                          "along; stack(..) makes one");
    if (!axis_of(e, &arg[1], part[0]->type.shape.rank, 0, &axis))
        return POISON;
    return join(e, &arg[0], part, n, axis, at);
}

Value prim_stack(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    int n, axis;
    Val *part = parts_of(e, &arg[0], &n);

    (void)p;
    if (part == NULL)
        return POISON;
    if (part[0]->type.shape.rank == RANK_MAX)
        return sema_error(e, at, "a tensor has at most %d dims", RANK_MAX);
    if (!axis_of(e, &arg[1], part[0]->type.shape.rank + 1, 0, &axis))
        return POISON;
    for (int k = 0; k < n; k++) {
        Shape s = part[k]->type.shape, to = s;
        if (axis > s.rank)
            continue; // another rank: refused by join
        to.rank++;
        for (int i = s.rank; i > axis; i--)
            to.dim[i] = s.dim[i - 1];
        to.dim[axis] = 1;
        if ((part[k] = node_reshape(e, at, part[k], to)) == NULL)
            return POISON;
    }
    return join(e, &arg[0], part, n, axis, at);
}

Value prim_put(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)p;
    return put_rows(e, at, &arg[0], &arg[1], &arg[2]);
}

/* --- shapes and constants ------------------------------------------------ */

static bool shape_arg(Elab *e, const Arg *x, Shape *out)
{
    Val v = need_val(e, x, "what has a shape");

    if (v)
        *out = v->type.shape;
    return v != NULL;
}

Value prim_shape(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Value item[RANK_MAX];
    Shape s;

    (void)p;
    (void)at;
    if (!shape_arg(e, &arg[0], &s))
        return POISON;
    for (int k = 0; k < s.rank; k++)
        item[k] = value_int(s.dim[k]);
    return value_list(e, item, s.rank);
}

Value prim_size(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Shape s;

    (void)p;
    (void)at;
    return shape_arg(e, &arg[0], &s) ? value_int(shape_size(s)) : POISON;
}

Value prim_rank(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Shape s;

    (void)p;
    (void)at;
    return shape_arg(e, &arg[0], &s) ? value_int(s.rank) : POISON;
}

Value prim_len(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)p;
    (void)at;
    if (arg[0].v.kind == V_LIST || arg[0].v.kind == V_TUPLE)
        return value_int(arg[0].v.n);
    sema_error(e, arg[0].span, "len takes a list, not %s",
               value_text(e, &arg[0].v));
    sema_help(e, "size(x) is the number of elements of a tensor, shape(x) the "
                 "list of its dims");
    return POISON;
}

Value prim_filled(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Shape s;

    if (!need_shape(e, &arg[0], "the shape", &s))
        return POISON;
    if (strcmp(p->name, "full") != 0)
        return value_tensor(ir_origin(e->g, ir_fill(e->g, e->real,
                                      strcmp(p->name, "ones") == 0, s), at,
                                      NULL));
    Val v = arg[1].v.kind == V_INT ? need_real_val(e, &arg[1], "the value")
                                   : need_val(e, &arg[1], "the value");
    if (v == NULL)
        return POISON;
    if (v->type.shape.rank)
        return sema_error(e, arg[1].span, "the value must be a scalar, not %s",
                          type_words(e, v->type));
    return value_tensor(node_broadcast(e, at, v, s));
}

Value prim_zeros_like(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what has a shape");

    (void)p;
    return x ? value_tensor(ir_origin(e->g, ir_like(e->g, x, 0), at, NULL))
             : POISON;
}

Value prim_iota(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    int64_t n;

    if (!need_size(e, &arg[0], "the length", &n))
        return POISON;
    return value_tensor(node_make(e, at, p->op, &(Attr){.n = 1, .i = {n}},
                                  NULL, 0));
}
