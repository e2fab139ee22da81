/*
 * fuse.c -- which values are materialized.
 *
 * A core (reduction, contraction, nest) takes what is computed from it element
 * by element as its epilogue, up to the last value that all of it leads to:
 * nothing inside has a reader outside. Other elementwise values and views are
 * inlined where they are read, unless somebody needs them in memory or the
 * work done again would cost more than a buffer does: with c the operations of
 * one element and t the evaluations of it, inlining repeats c (t - 1)
 * operations and a buffer costs a store and a load.
 */
#include "loop/lower.h"

enum {
    SCALAR_COST = 24,  // of a kernel for one shared number
    MANY_EXAMPLES = 32,
    MANY_PASSES = 8,
    MANY_NODES = 200,  // in one kernel
    MANY_REACHES = 12,
    EPILOGUE_MAX = 24
};

/* --- what must be in memory ---------------------------------------------- */

static bool use_needs_buffer(const Lower *lo, Val v, Use u)
{
    if (!u.user)
        return true;
    switch (kind_of(u.user)) {
    case LOWER_CONTRACT:
        return !panels_is_view(lo, v);
    case LOWER_KERNEL:
        return true;
    case LOWER_CALL:
        return v->op != OP_const || u.user->op == OP_solved;
    case LOWER_REGION:
        return u.slot > 0 || v->op != OP_const;
    default:
        return false;
    }
}

/* Contractions read the panels in place of their view. */
static void hide_view(Lower *lo, Val view)
{
    Val p = panels_base(view);

    for (Val v = view; v != p; v = v->src[0])
        fact_of(lo, v)->unseen = true;
    fact_of(lo, p)->must = true;
}

static void find_needs(Lower *lo)
{
    for (int i = 0; i < lo->rows.n; i++)
        fact_of(lo, lo->rows.at[i].rows)->must = true;
    for (int i = lo->norder; i-- > 0;) {
        Val v = lo->order[i];
        Fact *f = fact_of(lo, v);

        for (int k = 0; k < f->use.n; k++)
            if (use_needs_buffer(lo, v, f->use.at[k]))
                f->must = true;
        if (!f->must && panels_is_view(lo, v))
            hide_view(lo, v);
        // A reshape shares the memory of its source.
        if (f->must && v->op == OP_reshape)
            fact_of(lo, v->src[0])->must = true;
    }
}

/* Is every element of v the same number (per example)? Then it is computed
 * outside the loops over the elements. */
static bool is_even(const Lower *lo, Val v)
{
    if (shape_size(v->type.shape) == 1)
        return true;
    if (!v->nsrc || (kind_of(v) != LOWER_MAP && v->op != OP_broadcast &&
                     v->op != OP_reshape && v->op != OP_spread))
        return false;
    for (int i = 0; i < v->nsrc; i++)
        if (!fact_of(lo, v->src[i])->even)
            return false;
    return true;
}

static void find_costs(Lower *lo)
{
    for (int i = 0; i < lo->norder; i++) {
        Val v = lo->order[i];
        Fact *f = fact_of(lo, v);
        LowerKind kind = kind_of(v);

        f->even = is_even(lo, v);
        if (f->must || f->unseen || f->root || (kind != LOWER_MAP && kind != LOWER_VIEW))
            continue;
        f->cost = cost_op(v);
        for (int k = 0; k < v->nsrc; k++)
            f->cost += fact_of(lo, v->src[k])->cost;
        if (f->cost > 1e6)
            f->cost = 1e6;
    }
}

/* --- epilogues ----------------------------------------------------------- */

static bool takes_epilogue(Val core)
{
    switch (kind_of(core)) {
    case LOWER_REDUCE: case LOWER_CONTRACT:
        return true;
    case LOWER_KERNEL:
        return core->op == OP_max_pool || core->op == OP_pool_gather ||
               core->op == OP_sum_pool || core->op == OP_conv_dx_pooled ||
               core->op == OP_conv_wino;
    default:
        return false;
    }
}

/* May u be computed where `core` is, element by element? */
static bool may_join(const Lower *lo, Val u, Val core)
{
    return kind_of(u) == LOWER_MAP && u->region == core->region &&
           shape_eq(u->type.shape, core->type.shape) &&
           u->type.batched == core->type.batched && !fact_of(lo, u)->root &&
           fact_of(lo, u)->varies == fact_of(lo, core)->varies;
}

typedef struct Group { // a core and what may be computed with it
    int n;
    Val v[EPILOGUE_MAX];
} Group;

static bool has(const Group *g, Val v)
{
    for (int i = 0; i < g->n; i++)
        if (g->v[i] == v)
            return true;
    return false;
}

/* The readers of the group outside it: how many, and the first to be computed;
 * 0 if one of them cannot join, or a member must be in memory. */
static int readers_outside(const Lower *lo, const Group *g, Val *first)
{
    Val found[EPILOGUE_MAX];
    int n = 0;

    for (int i = 0; i < g->n; i++) {
        const Fact *f = fact_of(lo, g->v[i]);

        if (f->must)
            return 0;
        for (int k = 0; k < f->use.n; k++) {
            Val u = f->use.at[k].user;
            bool known = has(g, u);

            for (int j = 0; j < n; j++)
                known = known || found[j] == u;
            if (known)
                continue;
            if (n == EPILOGUE_MAX || !may_join(lo, u, g->v[0]))
                return 0;
            found[n++] = u;
        }
    }
    for (int j = 0; j < n; j++)
        if (j == 0 || found[j]->id < (*first)->id)
            *first = found[j];
    return n;
}

/* Readers join one after the other; whenever all of them meet in one value,
 * that may be the root. */
static void claim_epilogue(Lower *lo, Val core)
{
    Group g = {.n = 1, .v = {core}};
    Val root = core, u = NULL;
    int n, nroot = 1;

    while (takes_epilogue(core) && g.n < EPILOGUE_MAX &&
           (n = readers_outside(lo, &g, &u)) > 0) {
        g.v[g.n++] = u;
        if (n == 1) {
            root = u;
            nroot = g.n;
        }
    }
    for (int i = 0; i < nroot; i++)
        fact_of(lo, g.v[i])->root = root;
    fact_of(lo, root)->core = core;
    fact_of(lo, root)->buffered = true;
}

/* Contractions choose first: their epilogue saves the most. */
static void claim_epilogues(Lower *lo)
{
    static const LowerKind turn[] = {LOWER_CONTRACT, LOWER_KERNEL,
                                     LOWER_REDUCE, LOWER_CALL};

    for (int t = 0; t < (int)ARRAY_LEN(turn); t++)
        for (int i = lo->norder; i-- > 0;)
            if (kind_of(lo->order[i]) == turn[t])
                claim_epilogue(lo, lo->order[i]);
}

/* --- inlining ------------------------------------------------------------ */

/* Do the dims of the source of a broadcast come first in the result? Then the
 * inner loops run over the others and the value is computed outside them. */
static bool is_prefix(Val bcast)
{
    Shape from = bcast->src[0]->type.shape, to = bcast->type.shape;
    int64_t seen = 1;
    int k = 0;

    for (int d = 0; d < to.rank && seen < shape_size(from); d++) {
        while (k < from.rank && from.dim[k] == 1)
            k++;
        if (to.dim[d] == 1)
            continue;
        if (k == from.rank || bcast->attr.i[to.rank + k] != d)
            return false;
        seen *= from.dim[k++];
    }
    return true;
}

/* How often user u evaluates each element of its source in slot k. */
static double times_read(const Lower *lo, Val u, int k)
{
    Val v = u->src[k];
    double nv = (double)shape_size(v->type.shape);
    double nu = (double)shape_size(u->type.shape);
    double t = 1;

    if (fact_of(lo, v)->even)
        return 1;
    if (u->type.batched && !v->type.batched)
        t = MANY_EXAMPLES;
    if (kind_of(u) == LOWER_REDUCE)
        return t;
    if (u->op == OP_broadcast && !is_prefix(u))
        t *= nu / nv;
    if (u->op == OP_take && k == 0 && nu > nv)
        t *= nu / nv;
    return t;
}

static void add_reach(Lower *lo, Fact *f, Val root, uint32_t path, double times)
{
    for (int i = 0; i < f->reach.n; i++)
        if (f->reach.at[i].root == root && f->reach.at[i].path == path) {
            if (f->reach.at[i].times < times)
                f->reach.at[i].times = times;
            return;
        }
    VEC_PUSH(lo->tmp, &f->reach, ((Reach){root, path, times}));
}

static uint32_t step_path(uint32_t path, Val u, int slot)
{
    if (kind_of(u) == LOWER_MAP || u->op == OP_spread)
        return path;
    return (path * 31 + u->id) * 31 + (uint32_t)slot + 1;
}

/* Where the uses of v, all decided, would compute it. */
static void find_reaches(Lower *lo, Val v)
{
    Fact *f = fact_of(lo, v);

    for (int i = 0; i < f->use.n; i++) {
        Val u = f->use.at[i].user;
        int slot = f->use.at[i].slot;
        Fact *fu;

        if (!u)
            continue;
        fu = fact_of(lo, u);
        if (fu->root || fu->buffered) {
            add_reach(lo, f, fu->root ? fu->root : u, step_path(0, u, slot),
                      times_read(lo, u, slot));
            continue;
        }
        for (int k = 0; k < fu->reach.n; k++) {
            Reach r = fu->reach.at[k];
            add_reach(lo, f, r.root, step_path(r.path, u, slot),
                      r.times * times_read(lo, u, slot));
        }
    }
}

static bool is_worth_buffer(Lower *lo, Val v)
{
    Fact *f = fact_of(lo, v);
    bool number = !v->type.batched && f->even;
    double times = 0;
    bool later = false;

    if (f->cost == 0)
        return false;
    if (f->reach.n > MANY_REACHES)
        return true;
    for (int i = 0; i < f->reach.n; i++) {
        Reach r = f->reach.at[i];
        double t = r.times;

        if (r.root->region != v->region ||
            fact_of(lo, r.root)->varies != f->varies) {
            later = true;
            t *= MANY_PASSES;
        }
        if (r.root != v && fact_of(lo, r.root)->nnodes > MANY_NODES)
            return true;
        times += t;
    }
    if (number)
        return f->cost * (f->reach.n - 1) > SCALAR_COST ||
               (later && f->cost > SCALAR_COST);
    return f->cost * (times - 1) > cost_buffer(lo, v);
}

/* Adds v to the size of the kernels that compute it. */
static void count_node(Lower *lo, Val v)
{
    Fact *f = fact_of(lo, v);

    if (f->cost > 0)
        for (int i = 0; i < f->reach.n; i++)
            fact_of(lo, f->reach.at[i].root)->nnodes++;
}

/* A reshape read in vectors many times over: not in pieces each time. */
static void need_source(Lower *lo, Val v)
{
    Val x = v->src[0];

    if (!cost_breaks_lanes(v) || shape_size(v->type.shape) == 1 ||
        kind_of(x) == LOWER_REGION || fact_of(lo, x)->root)
        return;
    fact_of(lo, x)->must = true;
    if (x->op == OP_reshape)
        need_source(lo, x);
}

/* A transpose by squares: from memory to memory, for all who read it. */
static bool turns(Lower *lo, Val v)
{
    Turn t;
    Val x;

    if (fact_of(lo, v)->unseen || !turn_of(v, &t) ||
        v->type.batched != v->src[0]->type.batched)
        return false;
    for (x = v->src[0]; x->op == OP_reshape;)
        x = x->src[0];
    if (fact_of(lo, x)->root && fact_of(lo, x)->root != x)
        return false; // inside another's epilogue
    for (x = v->src[0]; x->op == OP_reshape; x = x->src[0])
        fact_of(lo, x)->must = true;
    fact_of(lo, x)->must = true;
    return true;
}

static void decide(Lower *lo, Val v)
{
    Fact *f = fact_of(lo, v);

    if (f->root || kind_of(v) == LOWER_REGION)
        return;
    if (stands_in_memory(v)) {
        f->buffered = true;
        return;
    }
    find_reaches(lo, v);
    if (v->op == OP_reshape) {
        // It has the memory of its source.
        if (!f->must && is_worth_buffer(lo, v))
            need_source(lo, v);
    } else if (f->must || turns(lo, v) || is_worth_buffer(lo, v)) {
        f->buffered = true;
        f->root = f->core = v;
        return;
    }
    count_node(lo, v);
}

void fuse_choose(Lower *lo)
{
    find_needs(lo);
    claim_epilogues(lo);
    find_costs(lo);
    for (int i = lo->norder; i-- > 0;)
        decide(lo, lo->order[i]);
    for (int i = 0; i < lo->norder; i++) {
        Val v = lo->order[i];

        if (v->op == OP_reshape && fact_of(lo, v->src[0])->buffered)
            fact_of(lo, v)->buffered = true;
    }
}
