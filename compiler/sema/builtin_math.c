/*
 * builtin_math.c -- elementwise functions, reductions, batch reductions,
 * casts.
 */
#include "sema/builtin.h"

Value prim_point(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    return elem(e, at, p->op, arg, 1);
}

/* max and min do it where the bound is known: their slope at a tie is that of
 * the operand that is no constant. */
Value prim_clamp(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Arg x = arg[0];

    (void)p;
    for (int k = 1; k <= 2; k++) {
        if (is_known(&arg[k].v)) {
            x.v = elem(e, at, k == 1 ? OP_max : OP_min, (Arg[]){x, arg[k]}, 2);
            continue;
        }
        Arg pair[2] = {k == 1 ? x : arg[k], k == 1 ? arg[k] : x};
        Arg out = {.v = elem(e, at, OP_lt, pair, 2), .span = at};
        x.v = elem(e, at, OP_select, (Arg[]){out, arg[k], x}, 3);
    }
    return x.v;
}

Value prim_where(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    return elem(e, at, p->op, arg, 3);
}

/* --- reductions ---------------------------------------------------------- */

/* The dims to reduce as flags; false after an error. */
static bool reduced_dims(Elab *e, const Arg *axis, const Arg *axes, int rank,
                         bool *dim)
{
    bool all = !given(axis) && !given(axes);
    int k;

    for (k = 0; k < RANK_MAX; k++)
        dim[k] = all && k < rank;
    if (all)
        return true;
    if (given(axis) && given(axes)) {
        sema_error(e, axes->span, "axis and axes are both given");
        return false;
    }
    const Arg *list = given(axes) ? axes : axis;
    if (list->v.kind != V_LIST) {
        if (!axis_of(e, list, rank, 0, &k))
            return false;
        dim[k] = true;
        return true;
    }
    for (int i = 0; i < list->v.n; i++) {
        Arg item = item_arg(list, i);
        if (!axis_of(e, &item, rank, 0, &k))
            return false;
        if (dim[k]) {
            sema_error(e, item.span, "the axis %d is named twice", k);
            return false;
        }
        dim[k] = true;
    }
    return true;
}

/* op over the named dims; *count: elements behind each result. */
static Val reduce(Elab *e, Span at, Op op, Val x, const Arg *axis,
                  int64_t *count)
{
    Shape s = x->type.shape, kept = s;
    bool dim[RANK_MAX], keep = false;
    Attr a = {0};

    if (!reduced_dims(e, &axis[0], &axis[1], s.rank, dim) ||
        (given(&axis[2]) && !need_bool(e, &axis[2], "keep", &keep)))
        return NULL;
    *count = 1;
    for (int k = 0; k < s.rank; k++) {
        if (!dim[k])
            continue;
        a.i[a.n++] = k;
        *count *= s.dim[k];
        kept.dim[k] = 1;
    }
    if (*count == 0 && op != OP_sum) {
        sema_error(e, at, "the largest or smallest of no elements: the shape "
                          "is %s", shape_text(e->a, s));
        return NULL;
    }
    Val y = a.n ? node_make(e, at, op, &a, &x, 1) : x;
    return keep ? node_reshape(e, at, y, kept) : y;
}

static Value reduce_value(Elab *e, Span at, Op op, const Arg *x,
                          const Arg *axis)
{
    Val v = need_val(e, x, "what is reduced");
    int64_t count;

    if (v && v->type.dt == DT_bool) {
        sema_error(e, x->span, "numbers are reduced, not bools");
        sema_help(e, "real(..) makes 0 and 1 of them; any(..) and all(..) take "
                     "bools");
        return POISON;
    }
    return v ? value_tensor(reduce(e, at, op, v, axis, &count)) : POISON;
}

Value prim_reduce(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    if (arg[0].v.kind == V_LOG)
        return log_reduce(e, at, p, arg);
    return reduce_value(e, at, p->op, &arg[0], &arg[1]);
}

Value prim_extreme(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    if (!given(&arg[1]))
        return reduce_value(e, at, p->op == OP_max ? OP_max_reduce
                                                   : OP_min_reduce,
                            &arg[0], &arg[2]);
    if (given(&arg[2]) || given(&arg[3]) || given(&arg[4]))
        return sema_error(e, at, "%s(x, y) compares elements and takes no "
                                 "axis; "
                                 "%s(x, axis: k) reduces", p->name, p->name);
    return elem(e, at, p->op, arg, 2);
}

Value prim_mean(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    if (arg[0].v.kind == V_LOG)
        return log_reduce(e, at, p, arg);
    Val x = need_real_val(e, &arg[0], "what is averaged");
    int64_t count;
    Val y = x ? reduce(e, at, p->op, x, &arg[1], &count) : NULL;

    if (y == NULL)
        return POISON;
    if (count == 0)
        return sema_error(e, at, "the mean of no elements");
    return count == 1 ? value_tensor(y)
                      : elem2(e, at, OP_div, value_tensor(y),
                              value_real((double)count));
}

Value prim_truth(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is reduced");
    int64_t count;

    if (x == NULL)
        return POISON;
    if (x->type.dt != DT_bool)
        return sema_error(e, arg[0].span, "\"%s\" takes bools, not %s", p->name,
                          type_words(e, x->type));
    Val y = reduce(e, at, p->op, ir_cast(e->g, x, DT_i32), &arg[1], &count);
    return y ? elem2(e, at, OP_ne, value_tensor(y), value_int(0)) : POISON;
}

Value prim_along(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_val(e, &arg[0], "what is ordered");
    int axis;

    if (x == NULL)
        return POISON;
    if (x->type.shape.rank == 0)
        return sema_error(e, arg[0].span, "\"%s\" needs a dim, and this is a "
                                          "scalar", p->name);
    if (x->type.dt == DT_bool)
        return sema_error(e, arg[0].span, "\"%s\" takes numbers, not bools",
                          p->name);
    if (!axis_of(e, &arg[1], x->type.shape.rank, x->type.shape.rank - 1, &axis))
        return POISON;
    if (x->type.shape.dim[axis] == 0)
        return sema_error(e, arg[0].span, "the dim is empty");
    return value_tensor(node_make(e, at, p->op, &(Attr){.n = 1, .i = {axis}},
                                  &x, 1));
}

/* --- over the examples --------------------------------------------------- */

static Val batched_val(Elab *e, const Prim *p, const Arg *arg)
{
    Val x = need_val(e, arg, "what is reduced over the batch");

    if (x == NULL || x->type.batched)
        return x;
    sema_error(e, arg->span, "\"%s\" takes a value of each example, but this "
                             "is shared by all", p->name);
    note_operand(e, arg);
    return NULL;
}

Value prim_batch(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    if (arg[0].v.kind == V_LOG && p->op == OP_batch_sum &&
        log_batched(&arg[0].v))
        return log_batch(e, at, arg[0].v, false);
    Val x = batched_val(e, p, &arg[0]);

    return value_tensor(node_op(e, at, p->op, x));
}

Value batch_mean_of(Elab *e, Span at, Val x)
{
    Val n = node_make(e, at, OP_batch_size, NULL, NULL, 0);
    Val total = node_op(e, at, OP_batch_sum, x);

    if (n == NULL || total == NULL)
        return POISON;
    return elem2(e, at, OP_div, value_tensor(total),
                 value_tensor(ir_cast(e->g, n, total->type.dt)));
}

Value prim_batch_mean(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    if (arg[0].v.kind == V_LOG && log_batched(&arg[0].v))
        return log_batch(e, at, arg[0].v, true);
    Val x = batched_val(e, p, &arg[0]);

    if (x == NULL)
        return POISON;
    if (!dtype_real(x->type.dt)) {
        sema_error(e, arg[0].span, "what is averaged must be real, not %s",
                   type_words(e, x->type));
        sema_help(e, "real(..) converts");
        return POISON;
    }
    return batch_mean_of(e, at, x);
}

Value prim_batch_size(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)arg;
    if (!draw_is_batched(e))
        return sema_error(e, at, "there is no batch here");
    return value_tensor(node_make(e, at, p->op, NULL, NULL, 0));
}

/* --- casts --------------------------------------------------------------- */

Value prim_to_real(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)p;
    return elem_cast(e, at, &arg[0], e->real);
}

Value prim_to_real64(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)p;
    return elem_cast(e, at, &arg[0], DT_f64);
}

Value prim_to_int(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)p;
    return elem_cast(e, at, &arg[0], DT_i32);
}

Value prim_to_bool(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)p;
    return elem_cast(e, at, &arg[0], DT_bool);
}
