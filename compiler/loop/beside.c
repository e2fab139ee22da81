/*
 * beside.c -- results stored in passing by the kernel of another.
 *
 * An optimizer computes new moments and, from them, a new parameter: three
 * results of one shape, each an output, over operands larger than any cache.
 * A value that is an output, and that besides only one elementwise kernel
 * reads, at the element it writes, gets no kernel of its own: that kernel
 * computes it anyway and stores it beside its result. So an update is one pass
 * over parameter, moments and gradient.
 *
 * The derivative of a ReLU, leaky or not, asks of its result y only where it is
 * positive. Where nobody else reads a large y so late, as when images are
 * differentiated and weights are not, the kernel that computes y stores the
 * condition beside it, a byte for each element. Then y need not last until the
 * way back and may never leave the cache (chain.c), and what does is a quarter
 * of it. Not a bit for each: that is most of the gain, and kernels read bytes
 * in any order, at any width.
 */
#include "loop/lower.h"

enum {
    BESIDE_BYTES = 1 << 14, // of what is worth it
    MASKED_BYTES = 1 << 14, // of an example
    LOOK_MAX = 200          // values of a kernel
};

/* Is u computed by the kernel of root, element by element? */
static bool is_within(const Lower *lo, Val u, Val root)
{
    const Fact *f = fact_of(lo, u);

    if (u == root || f->beside == root)
        return true;
    if (f->buffered || kind_of(u) != LOWER_MAP || !f->reach.n)
        return false;
    for (int i = 0; i < f->reach.n; i++)
        if (f->reach.at[i].root != root &&
            fact_of(lo, f->reach.at[i].root)->beside != root)
            return false;
    return true;
}

static bool may_pass(const Lower *lo, Val v, Val root)
{
    const Fact *f = fact_of(lo, v);
    bool output = false;

    if (f->root != v || f->core != v || f->beside ||
        kind_of(v) != LOWER_MAP || v->region || v->type.batched ||
        v->type.dt != root->type.dt ||
        !shape_eq(v->type.shape, root->type.shape))
        return false;
    for (int i = 0; i < f->use.n; i++) {
        Val u = f->use.at[i].user;

        output = output || !u;
        if (u && !is_within(lo, u, root))
            return false;
    }
    return output;
}

/* From v, which root's kernel computes, towards its sources. */
static void look_below(Lower *lo, Val v, Val root)
{
    for (int i = 0; i < v->nsrc; i++) {
        Val s = v->src[i];

        if (!fact_of(lo, s)->buffered) {
            if (kind_of(s) == LOWER_MAP)
                look_below(lo, s, root);
        } else if (may_pass(lo, s, root)) {
            fact_of(lo, s)->beside = root;
            look_below(lo, s, root);
        }
    }
}

/* --- masks ---------------------------------------------------------------- */

static bool is_constant(Val v)
{
    if (v->op == OP_broadcast || v->op == OP_reshape)
        return is_constant(v->src[0]);
    return v->op == OP_const;
}

/* The value that condition v asks about, besides constants; else NULL. */
static Val asked_of(Val v)
{
    Val y = NULL;

    for (int i = 0; i < v->nsrc; i++)
        if (!is_constant(v->src[i])) {
            if (y && y != v->src[i])
                return NULL;
            y = v->src[i];
        }
    return y;
}

/* Does its kernel store y element by element? */
static bool may_carry(const Lower *lo, Val y)
{
    const Fact *f = fact_of(lo, y);
    Turn t;

    if (!f->buffered || f->root != y || f->beside || f->mask || !f->core)
        return false;
    if (f->core == y)
        return kind_of(y) == LOWER_MAP && !turn_of(y, &t);
    return f->core->op == OP_conv || f->core->op == OP_conv_up ||
           f->core->op == OP_conv_dx || f->core->op == OP_conv_wino;
}

/* Sums over the examples come late, whatever their number. */
static bool ends_late(Val root, uint32_t wanted)
{
    return !root->type.batched || root->id >= wanted;
}

/* Have the other readers of y run when its condition v is first wanted? */
static bool ends_before(const Lower *lo, Val y, Val v)
{
    const Fact *f = fact_of(lo, v);
    uint32_t wanted = UINT32_MAX;

    for (int i = 0; i < f->reach.n; i++)
        if (f->reach.at[i].root->id < wanted)
            wanted = f->reach.at[i].root->id;
    f = fact_of(lo, y);
    for (int i = 0; i < f->use.n; i++) {
        Val u = f->use.at[i].user;
        const Fact *at = u ? fact_of(lo, u) : NULL;

        if (u == v)
            continue;
        if (!u || u->region != y->region)
            return false;
        for (int k = 0; k < at->reach.n; k++)
            if (ends_late(at->reach.at[k].root, wanted))
                return false;
        if (at->root ? ends_late(at->root, wanted) : !at->reach.n)
            return false;
    }
    return true;
}

/* Does what is computed at v, without memory or `except`, read y? */
static bool reads(const Lower *lo, Val v, Val y, Val except, int *steps)
{
    if (v == y || ++*steps > LOOK_MAX)
        return true;
    if (v == except)
        return false;
    for (int i = 0; i < v->nsrc; i++)
        if (v->src[i] == y ||
            (!fact_of(lo, v->src[i])->buffered &&
             reads(lo, v->src[i], y, except, steps)))
            return true;
    return false;
}

/* Is condition v all that the kernels computing it want of y? */
static bool is_all_of(const Lower *lo, Val v, Val y)
{
    const Fact *f = fact_of(lo, v);

    for (int i = 0; i < f->reach.n; i++) {
        int steps = 0;

        if (f->reach.at[i].root == y ||
            reads(lo, f->reach.at[i].root, y, v, &steps))
            return false;
    }
    return f->reach.n > 0;
}

static void choose_mask(Lower *lo, Val v)
{
    Fact *f = fact_of(lo, v);
    Val y;

    if (v->type.dt != DT_bool || !v->type.batched || f->buffered || f->root ||
        kind_of(v) != LOWER_MAP)
        return;
    y = asked_of(v);
    if (!y || y->region != v->region || !dtype_real(y->type.dt) ||
        !shape_eq(y->type.shape, v->type.shape) || !may_carry(lo, y) ||
        shape_size(y->type.shape) * dtype_bytes(y->type.dt) < MASKED_BYTES ||
        !is_all_of(lo, v, y) || !ends_before(lo, y, v))
        return;
    f->buffered = true;
    f->root = f->core = v;
    f->beside = y;
    fact_of(lo, y)->mask = v;
}

void beside_choose(Lower *lo)
{
    for (int i = 0; i < lo->norder; i++)
        choose_mask(lo, lo->order[i]);
    for (int i = lo->norder; i-- > 0;) {
        Val v = lo->order[i];
        Fact *f = fact_of(lo, v);

        if (lo->e->kind == ENTRY_TRAIN && f->root == v && f->core == v &&
            !f->beside && kind_of(v) == LOWER_MAP && !v->region &&
            !v->type.batched &&
            shape_size(v->type.shape) * dtype_bytes(v->type.dt) >=
                BESIDE_BYTES)
            look_below(lo, v, v);
    }
}
