/*
 * random.c -- the builtins that draw.
 *
 *   uniform(lo, hi) = lo + (hi - lo) u       u uniform on [0, 1)
 *   bernoulli(p)    = u < p
 *   random_int(n)   = min(floor(u n), n - 1)
 *   normal(m, s)    = m + s z
 */
#include "sema/builtin.h"

/* The draw itself: a tensor if the shape is given. */
static Value leaf(Elab *e, Span at, Op op, const Arg *shape, const Arg *shared)
{
    bool alone = false;
    Shape s;

    if (given(shared) && !need_bool(e, shared, "shared", &alone))
        return POISON;
    if (given(shape) && !need_shape(e, shape, "the shape", &s))
        return POISON;
    Value v = draw_new(e, at, op, draw_is_batched(e) && !alone);
    return given(shape) ? draw_settle(e, v, &s) : v;
}

/* a + b v, leaving out what does nothing. */
static Value scaled(Elab *e, Span at, Value a, Value b, Value v)
{
    if (!(is_number(&b) && b.num == 1))
        v = elem2(e, at, OP_mul, b, v);
    if (!(is_number(&a) && a.num == 0))
        v = elem2(e, at, OP_add, a, v);
    return v;
}

Value prim_uniform(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Value u = leaf(e, at, OP_uniform, &arg[2], &arg[3]);

    (void)p;
    if (given(&arg[0]) != given(&arg[1]))
        return sema_error(e, at, "uniform takes both ends of its range, or "
                                 "none for [0, 1)");
    if (u.kind == V_POISON || !given(&arg[0]))
        return u;
    Value width = elem(e, at, OP_sub, (Arg[]){arg[1], arg[0]}, 2);
    return scaled(e, at, arg[0].v, width, u);
}

Value prim_normal(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Value z = leaf(e, at, OP_normal, &arg[2], &arg[3]);

    (void)p;
    return scaled(e, at, given(&arg[0]) ? arg[0].v : value_int(0),
                  given(&arg[1]) ? arg[1].v : value_int(1), z);
}

Value prim_bernoulli(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Value u = leaf(e, at, OP_uniform, &arg[1], &arg[2]);
    Arg pair[2] = {{.v = u, .span = at}, arg[0]};

    (void)p;
    if (!given(&arg[0]))
        pair[1].v = value_real(0.5);
    if (is_number(&pair[1].v) && !(pair[1].v.num >= 0 && pair[1].v.num <= 1))
        return sema_error(e, arg[0].span, "a probability cannot be %g",
                          pair[1].v.num);
    return elem(e, at, OP_lt, pair, 2);
}

Value prim_random_int(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Value u = leaf(e, at, OP_uniform, &arg[1], &arg[2]);
    Value n = arg[0].v;

    (void)p;
    if (u.kind == V_POISON)
        return u;
    if (n.kind == V_REAL || (n.kind == V_INT && (n.i < 1 || n.i > 1 << 24)))
        return sema_error(e, arg[0].span, "random_int takes an int from 1 to "
                          "2^24, not %s", value_text(e, &n));
    Arg count = {.v = n, .span = arg[0].span};
    count.v = elem_cast(e, arg[0].span, &count, e->real);
    Arg k = {.v = elem1(e, at, OP_floor, elem2(e, at, OP_mul, u, count.v)),
             .span = at};
    k.v = elem_cast(e, at, &k, DT_i32);
    return elem2(e, at, OP_min, k.v, elem2(e, at, OP_sub, n, value_int(1)));
}

Value prim_permutation(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val key[KEYS_MAX];
    bool alone = false;
    int64_t n;

    if (!need_size(e, &arg[0], "the length of a permutation", &n) ||
        (given(&arg[1]) && !need_bool(e, &arg[1], "shared", &alone)))
        return POISON;
    if (e->entry == NULL)
        return sema_error(e, at, "a random draw has no place here: a const is "
                                 "known when compiling");
    Type type = type_of(DT_i32, draw_is_batched(e) && !alone, shape_of(1, n));
    int nkey = draw_keys(e, key);
    int64_t stream = draw_stream(e);
    warn_draw(e, stream, at);
    return value_tensor(ir_origin(e->g, ir_random(e->g, p->op, stream, type,
                                                  key, nkey), at, NULL));
}
