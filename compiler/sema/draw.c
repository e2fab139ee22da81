/*
 * draw.c -- random draws before and after their shape is known.
 *
 * A draw is a pure function of (seed, stream, example, keys): the stream names
 * its place in program order within an entry (or the parameter it begins), the
 * keys are the step and the indices of the loops around it. In a body that
 * works on examples every example draws its own value; in initial values and
 * optimizers a draw is shared.
 */
#include "sema/elab.h"

#include <string.h>

enum { DRAW_DEPTH = 200 };

/* A stream number of 31 bits that no other key of the program has. */
static int64_t stream_of(Elab *e, const char *key)
{
    uint32_t h = 2166136261u; // FNV-1a

    for (const char *s = key; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    for (h &= 0x7fffffff;; h = (h + 1) & 0x7fffffff) {
        const void *number = (const void *)(uintptr_t)(h + 1);
        char *owner = names_get(&e->streams, number);
        if (owner && strcmp(owner, key) != 0)
            continue;
        if (owner == NULL)
            names_put(e->a, &e->streams, number,
                      arena_printf(e->a, "%s", key));
        return h;
    }
}

int64_t draw_stream(Elab *e)
{
    return stream_of(e, arena_printf(e->a, "%s#%d", e->entry->key,
                                     e->entry->ndraw++));
}

bool draw_is_batched(Elab *e)
{
    return e->entry && e->entry->draws_batched;
}

int draw_keys(Elab *e, Val *key)
{
    Type clock = type_of(DT_i32, false, shape_of(0));
    int n = 0;

    if (e->entry->stepping)
        key[n++] = input_node(e, INPUT_CLOCK, "step", clock, (Span){0});
    for (int k = 0; k < e->nloops; k++)
        key[n++] = e->loop[k]->index;
    return n;
}

Value draw_new(Elab *e, Span at, Op op, bool batched)
{
    if (e->entry == NULL)
        return sema_error(e, at, "a random draw has no place here: a const is "
                                 "known when compiling");
    Draw *d = NEW(e->a, Draw);
    *d = (Draw){.op = op, .span = at, .batched = batched};
    d->stream = draw_stream(e);
    d->nkey = draw_keys(e, d->key);
    warn_draw(e, d->stream, at);
    return (Value){.kind = V_DRAW, .draw = d};
}

Value draw_apply(Elab *e, Span at, Op op, const Arg *arg, int n, DType to)
{
    Draw *d = NEW(e->a, Draw);

    *d = (Draw){.op = op, .span = at, .narg = n, .to = to};
    for (int k = 0; k < n; k++) {
        d->arg[k] = arg[k].v;
        if (arg[k].v.kind == V_DRAW && arg[k].v.draw->depth >= d->depth)
            d->depth = arg[k].v.draw->depth + 1;
    }
    if (d->depth > DRAW_DEPTH) {
        sema_error(e, at, "this expression of random draws is too long to wait "
                          "for its shape");
        sema_help(e, "give the draw a shape: normal(shape: [..])");
        return POISON;
    }
    return (Value){.kind = V_DRAW, .draw = d};
}

static bool is_leaf(const Draw *d)
{
    return d->op == OP_uniform || d->op == OP_normal;
}

/* The shape that a leaf of the expression has got by now: a scalar does not
 * count, it fits any shape. */
static bool has_shape(Elab *e, Draw *d, Shape *out)
{
    if (d->done) {
        *out = d->done->type.shape;
        return out->rank > 0;
    }
    if (is_leaf(d) || d->seen == e->settled + 1)
        return false;
    for (int k = 0; k < d->narg; k++)
        if (d->arg[k].kind == V_DRAW && has_shape(e, d->arg[k].draw, out))
            return true;
    d->seen = e->settled + 1;
    return false;
}

static Val settle(Elab *e, Draw *d, const Shape *shape)
{
    Arg arg[3];
    Value v;

    if (d->done || e->dead)
        return d->done;
    if (is_leaf(d)) {
        Type type = type_of(e->real, d->batched, shape ? *shape : shape_of(0));
        d->done = ir_random(e->g, d->op, d->stream, type, d->key, d->nkey);
        d->done = ir_origin(e->g, d->done, d->span, NULL);
        e->settled++;
        return d->done;
    }
    for (int k = 0; k < d->narg; k++) {
        arg[k] = (Arg){.v = d->arg[k], .span = d->span};
        if (d->arg[k].kind == V_DRAW)
            arg[k].v = value_tensor(settle(e, d->arg[k].draw, shape));
        if (arg[k].v.kind == V_POISON)
            return NULL;
    }
    v = d->op == OP_cast ? elem_cast(e, d->span, &arg[0], d->to)
                         : elem(e, d->span, d->op, arg, d->narg);
    d->done = v.kind == V_TENSOR ? v.val : NULL;
    return d->done;
}

Value draw_settle(Elab *e, Value v, const Shape *shape)
{
    return v.kind == V_DRAW ? value_tensor(settle(e, v.draw, shape)) : v;
}

Value draw_look(Elab *e, Value v)
{
    Shape shape;

    if (v.kind == V_DRAW && has_shape(e, v.draw, &shape))
        return value_tensor(settle(e, v.draw, &shape));
    return v;
}
