/*
 * beside.c -- results stored in passing by the kernel of another.
 *
 * An optimizer computes new moments and, from them, a new parameter: three
 * results of one shape, each an output, over operands larger than any cache.
 * A value that is an output, and that besides only one elementwise kernel
 * reads, at the element it writes, gets no kernel of its own: that kernel
 * computes it anyway and stores it beside its result. So an update is one pass
 * over parameter, moments and gradient.
 */
#include "loop/lower.h"

enum { BESIDE_BYTES = 1 << 14 }; // of what is worth it

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

void beside_choose(Lower *lo)
{
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
