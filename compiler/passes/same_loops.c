/*
 * same_loops.c -- which variables of two loops always hold the same values.
 *
 * The largest relation R between the variables such that related ones start
 * equal and, related variables being equal, go on equal: start from all pairs
 * with the same type and initial value and drop what fails until none does.
 */
#include "passes/loops.h"

#include <string.h>

enum { DEPTH_MAX = 20000 }; // deeper than this is taken to differ

typedef struct Compare {
    Arena *tmp;
    int depth;
    const Loop *a, *b;
    bool *related; // [a->n * b->n]
    VEC(const Loop *) inner_a;
    VEC(const Loop *) inner_b; // loops in the bodies taken to be the same
    uint32_t lo;
    Val *equal; // by id of x, less lo: the y it is equal to
} Compare;

static bool same(Compare *c, Val x, Val y);

static bool same_vars(Compare *c, Val x, Val y)
{
    int64_t i = x->attr.i[0], j = y->attr.i[0];

    if (x->attr.loop == c->a && y->attr.loop == c->b)
        return i < 0 || j < 0 ? i == j : c->related[i * c->b->n + j];
    for (int k = 0; k < c->inner_a.n; k++)
        if (c->inner_a.at[k] == x->attr.loop &&
            c->inner_b.at[k] == y->attr.loop)
            return i == j;
    return false;
}

/* Loops in the two bodies: the same, variable by variable. */
static bool same_inner(Compare *c, const Loop *a, const Loop *b)
{
    if (a->n != b->n)
        return false;
    VEC_PUSH(c->tmp, &c->inner_a, a);
    VEC_PUSH(c->tmp, &c->inner_b, b);
    for (int k = 0; k < a->n; k++)
        if (!type_eq(a->var[k]->type, b->var[k]->type) ||
            !same(c, a->next[k], b->next[k]))
            return false;
    return true;
}

static bool same_sources(Compare *c, Val x, Val y)
{
    bool ok = true;

    for (int k = 0; k < x->nsrc && ok; k++)
        ok = same(c, x->src[k], y->src[k]);
    if (ok || x->nsrc != 2 || !(op_info[x->op].props & OP_COMM))
        return ok;
    return same(c, x->src[0], y->src[1]) && same(c, x->src[1], y->src[0]);
}

static bool same(Compare *c, Val x, Val y)
{
    if (x == y)
        return true;
    if (x->id < c->lo || !ir_inside(x, c->a) || !ir_inside(y, c->b))
        return false;
    if (c->equal[x->id - c->lo] == y)
        return true;
    if (x->op != y->op || x->nsrc != y->nsrc || !type_eq(x->type, y->type))
        return false;
    if (x->op == OP_loopvar)
        return same_vars(c, x, y);
    if (x->attr.n != y->attr.n || x->attr.s != y->attr.s ||
        memcmp(&x->attr.f, &y->attr.f, sizeof x->attr.f) != 0 ||
        memcmp(x->attr.i, y->attr.i,
               (size_t)x->attr.n * sizeof x->attr.i[0]) != 0)
        return false;
    if (c->depth == DEPTH_MAX)
        return false;
    c->depth++;
    bool ok = same_sources(c, x, y) &&
              (x->op != OP_loop ||
               same_inner(c, x->attr.loop, y->attr.loop));
    c->depth--;
    if (ok)
        c->equal[x->id - c->lo] = y;
    return ok;
}

bool *loops_related(Arena *tmp, const Loop *a, const Loop *b)
{
    Compare c = {.tmp = tmp, .a = a, .b = b, .lo = a->index->id};
    bool changed = true;
    uint32_t n = a->node->id - c.lo;

    c.related = NEW_N(tmp, bool, a->n * b->n + 1);
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n; j++)
            c.related[i * b->n + j] =
                a->init[i] == b->init[j] &&
                type_eq(a->var[i]->type, b->var[j]->type);
    while (changed) {
        changed = false;
        c.equal = NEW_N(tmp, Val, n + 1);
        for (int k = 0; k < a->n * b->n; k++) {
            if (!c.related[k] ||
                same(&c, a->next[k / b->n], b->next[k % b->n]))
                continue;
            c.related[k] = false;
            changed = true;
        }
    }
    return c.related;
}
