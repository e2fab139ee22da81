/*
 * cost.c -- what fuse.c weighs: operations done again against the way to
 * memory and back.
 *
 * In simple operations of one element. A large value of each example has left
 * the cache before it is read again, so storing it is dear; but a kernel that
 * computes it again reads what it is made of instead, which is no gain if that
 * is two large values and not one.
 */
#include "loop/lower.h"

enum {
    BUFFER_COST = 3, // of a store and a load
    FAR_COST = 16,   // the same where it leaves the cache in between
    FAR_SIZE = 1024, // elements of an example from which on it does
    SMALL_PART = 8,  // what has so many times fewer elements stays near
    LOOK_MAX = 24
};

/* The last dim larger than 1: vectors run along it. */
static int64_t lane_extent(Shape s)
{
    int64_t n = 1;

    for (int d = 0; d < s.rank; d++)
        if (s.dim[d] > 1)
            n = s.dim[d];
    return n;
}

bool cost_breaks_lanes(Val reshape)
{
    return lane_extent(reshape->type.shape) !=
           lane_extent(reshape->src[0]->type.shape);
}

double cost_op(Val v)
{
    switch (v->op) {
    case OP_const: case OP_cast: case OP_broadcast: case OP_spread:
    case OP_stop_gradient: case OP_iota:
        return 0;
    case OP_reshape:
        return cost_breaks_lanes(v) ? 1 : 0;
    case OP_exp: case OP_expm1: case OP_log: case OP_log1p: case OP_tanh:
    case OP_sigmoid: case OP_softplus: case OP_erf: case OP_sin: case OP_cos:
    case OP_pow:
        return 10;
    case OP_div: case OP_mod: case OP_sqrt:
        return v->type.dt == DT_i32 ? 10 : 3;
    case OP_take: case OP_concat:
        return 2;
    case OP_slice: case OP_reverse:
        return 0.5;
    default:
        return 1;
    }
}

/* Leaves that stand in memory before any kernel runs. */
bool stands_in_memory(Val v)
{
    return v->op == OP_input || v->op == OP_loopvar || v->op == OP_proj;
}

/* The large values that v is computed from element by element, as far as
 * they are surely in memory. */
typedef struct Leaves {
    int64_t size; // what is large
    int n, seen;
    Val at[2];
} Leaves;

static void find_leaves(const Lower *lo, Val v, Leaves *l)
{
    for (int i = 0; i < v->nsrc && l->n < 2; i++) {
        Val s = v->src[i];
        const Fact *f = fact_of(lo, s);

        if (!s->type.batched || f->even ||
            shape_size(s->type.shape) * SMALL_PART <= l->size)
            continue;
        if (f->must || f->root || stands_in_memory(s) || !s->nsrc ||
            ++l->seen > LOOK_MAX) {
            if (!l->n || l->at[0] != s)
                l->at[l->n++] = s;
        } else {
            find_leaves(lo, s, l);
        }
    }
}

/* Computing v again reads one large value, as reading v itself would; so a
 * buffer would only cost the way to memory and back. */
double cost_buffer(const Lower *lo, Val v)
{
    Leaves l = {.size = shape_size(v->type.shape)};

    if (!v->type.batched || l.size < FAR_SIZE)
        return BUFFER_COST;
    find_leaves(lo, v, &l);
    return l.n < 2 ? FAR_COST : BUFFER_COST;
}
