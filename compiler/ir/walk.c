/*
 * walk.c -- traversal that knows about regions.
 *
 * Ids are a topological order (see graph.c), so every walk is the same: mark
 * what the roots reach, by an explicit stack, then read the marks in order of
 * ids. A loop node reaches its initial values and, through its body, its
 * `next` values and what they capture.
 */
#include "ir/graph.h"

#include <string.h>

typedef struct Reach { // nodes with lo <= id < hi, by id - lo; NULL: not met
    Val *at;
    uint32_t lo, hi;
    const Loop *region; // stay inside, NULL: go everywhere
    VEC(Val) stack;
} Reach;

static void meet(Arena *tmp, Reach *r, Val v)
{
    if (v->id < r->lo || (r->region && !loop_within(v->region, r->region)) ||
        r->at[v->id - r->lo])
        return;
    r->at[v->id - r->lo] = v;
    VEC_PUSH(tmp, &r->stack, v);
}

/* All that is reached from the roots within `region`, ids from lo on. */
static Reach reach(Arena *tmp, const Val *root, int nroot, const Loop *region,
                   uint32_t lo)
{
    Reach r = {.lo = lo, .hi = lo, .region = region};

    for (int k = 0; k < nroot; k++)
        if (root[k]->id >= r.hi)
            r.hi = root[k]->id + 1;
    r.at = NEW_N(tmp, Val, r.hi - r.lo + 1);
    for (int k = 0; k < nroot; k++)
        meet(tmp, &r, root[k]);
    while (r.stack.n) {
        Val v = r.stack.at[--r.stack.n];
        for (int k = 0; k < v->nsrc; k++)
            meet(tmp, &r, v->src[k]);
        if (v->op == OP_loop)
            for (int k = 0; k < v->attr.loop->n; k++)
                meet(tmp, &r, v->attr.loop->next[k]);
    }
    return r;
}

static uint32_t first_id(const Loop *region)
{
    return region ? region->index->id : 0;
}

Val *ir_topo(Arena *tmp, const Val *root, int nroot, const Loop *region,
             int *n)
{
    Reach r = reach(tmp, root, nroot, region, first_id(region));

    *n = 0;
    for (uint32_t k = 0; k < r.hi - r.lo; k++)
        if (r.at[k] && r.at[k]->region == region)
            r.at[(*n)++] = r.at[k];
    return r.at;
}

Val *ir_captures(Arena *tmp, const Loop *l, int *n)
{
    Reach r = reach(tmp, l->next, l->n, l, first_id(l));
    VEC(Val) found = {0};
    uint32_t top = 0;

    // Candidates in the order of their use, then each once by a table of ids.
    for (int k = 0; k < l->n; k++)
        if (!loop_within(l->next[k]->region, l))
            VEC_PUSH(tmp, &found, l->next[k]);
    for (uint32_t j = 0; j < r.hi - r.lo; j++) {
        Val v = r.at[j];
        if (!v)
            continue;
        for (int k = 0; k < v->nsrc; k++)
            if (!loop_within(v->src[k]->region, l))
                VEC_PUSH(tmp, &found, v->src[k]);
        for (int k = 0; v->op == OP_loop && k < v->attr.loop->n; k++)
            if (!loop_within(v->attr.loop->next[k]->region, l))
                VEC_PUSH(tmp, &found, v->attr.loop->next[k]);
    }
    for (int k = 0; k < found.n; k++)
        if (found.at[k]->id >= top)
            top = found.at[k]->id + 1;
    bool *seen = NEW_N(tmp, bool, top + 1);
    *n = 0;
    for (int k = 0; k < found.n; k++) {
        Val v = found.at[k];
        if (!seen[v->id])
            found.at[(*n)++] = v;
        seen[v->id] = true;
    }
    return found.at;
}

bool ir_inside(Val v, const Loop *l)
{
    return loop_within(v->region, l);
}

bool ir_reaches(Val from, Val what)
{
    if (from->id < what->id)
        return false;
    Arena *tmp = arena_new();
    Reach r = reach(tmp, &from, 1, NULL, what->id);
    bool met = r.at[0] == what;

    arena_free(tmp);
    return met;
}

int *ir_uses(Arena *tmp, Graph *g, const Val *root, int nroot)
{
    int *uses = NEW_N(tmp, int, graph_nnodes(g) + 1);
    Reach r = reach(tmp, root, nroot, NULL, 0);

    for (int k = 0; k < nroot; k++)
        uses[root[k]->id]++;
    for (uint32_t j = 0; j < r.hi; j++) {
        Val v = r.at[j];
        if (!v)
            continue;
        for (int k = 0; k < v->nsrc; k++)
            uses[v->src[k]->id]++;
        for (int k = 0; v->op == OP_loop && k < v->attr.loop->n; k++)
            uses[v->attr.loop->next[k]->id]++;
    }
    return uses;
}
