/*
 * expand.c -- grad nodes become the values that compute them.
 *
 * Round by round: all grads whose arguments hold no grad are computed, one
 * walk for all that share their first argument, and put in place; their
 * neighbours outside are next. A grad inside a loop's body is treated like any
 * other: its walk sees the loop's variables as leaves.
 */
#include "autodiff/walk.h"

#include <stdlib.h>

enum { ROUNDS_MAX = 64 };

/* Every node the function needs, loop bodies included, sources first. */
typedef struct Reached {
    VEC(Val) list;
    bool *seen;
} Reached;

static void reach(Arena *tmp, Reached *r, Val v)
{
    if (r->seen[v->id])
        return;
    r->seen[v->id] = true;
    VEC_PUSH(tmp, &r->list, v);
}

static int by_id(const void *a, const void *b)
{
    Val x = *(const Val *)a, y = *(const Val *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static Reached everything(Arena *tmp, const Func *f)
{
    Reached r = {.seen = NEW_N(tmp, bool, graph_nnodes(f->g) + 1)};

    for (int k = 0; k < f->nout; k++)
        reach(tmp, &r, f->out[k]);
    for (int next = 0; next < r.list.n; next++) {
        Val y = r.list.at[next];
        for (int k = 0; k < y->nsrc; k++)
            reach(tmp, &r, y->src[k]);
        if (y->op == OP_loop)
            for (int k = 0; k < y->attr.loop->n; k++)
                reach(tmp, &r, y->attr.loop->next[k]);
    }
    if (r.list.n)
        qsort(r.list.at, (size_t)r.list.n, sizeof r.list.at[0], by_id);
    return r;
}

/* The grads without grads in their arguments. */
static Val *innermost(Arena *tmp, const Func *f, int *n)
{
    Reached r = everything(tmp, f);
    bool *has = NEW_N(tmp, bool, graph_nnodes(f->g) + 1);
    VEC(Val) out = {0};

    for (int i = 0; i < r.list.n; i++) {
        Val y = r.list.at[i];
        bool inner = false;
        for (int k = 0; k < y->nsrc; k++)
            inner = inner || has[y->src[k]->id];
        if (y->op == OP_loop)
            for (int k = 0; k < y->attr.loop->n; k++)
                inner = inner || has[y->attr.loop->next[k]->id];
        has[y->id] = inner || y->op == OP_grad;
        if (y->op == OP_grad && !inner)
            VEC_PUSH(tmp, &out, y);
    }
    *n = out.n;
    return out.at;
}

/* All grads of grad[0]'s e, in one walk. */
static bool replace_group(Arena *tmp, Graph *g, Val *grad, int n, Val *to,
                          Diag *d)
{
    Val e = grad[0]->src[0];
    Val *wrt = NEW_N(tmp, Val, n), *out = NEW_N(tmp, Val, n);
    int *from = NEW_N(tmp, int, n);
    int nwrt = 0;

    for (int k = 0; k < n; k++) {
        if (!grad[k] || grad[k]->src[0] != e)
            continue;
        from[nwrt] = k;
        wrt[nwrt++] = grad[k]->src[1];
    }
    bool ok = ad_grads(g, e, wrt, nwrt, out, d, grad[0]->span);
    for (int k = 0; k < nwrt; k++) {
        Val was = grad[from[k]];
        if (was->type.batched)
            out[k] = ir_spread(g, out[k]);
        to[from[k]] = ir_origin(g, out[k], was->span, was->name);
        if (k)
            grad[from[k]] = NULL;
    }
    return ok;
}

bool ad_expand(Func *f, Diag *d)
{
    bool ok = true;

    for (int round = 0; ok; round++) {
        Arena *tmp = arena_new();
        int n;
        Val *grad = innermost(tmp, f, &n);
        Val *all = arena_copy(tmp, grad, sizeof *grad * (size_t)n);
        Val *to = NEW_N(tmp, Val, n + 1);

        if (!n) {
            arena_free(tmp);
            break;
        }
        if (round == ROUNDS_MAX)
            internal_error("grads nested deeper than %d", ROUNDS_MAX);
        for (int k = 0; k < n; k++)
            if (grad[k] && !to[k])
                ok = replace_group(tmp, f->g, grad + k, n - k, to + k, d) &&
                     ok;

        Subst *s = ir_subst_new(f->g, tmp, 0);
        for (int k = 0; k < n; k++)
            ir_subst_set(s, all[k], to[k]);
        for (int k = 0; k < f->nout; k++)
            f->out[k] = ir_subst(s, f->out[k]);
        arena_free(tmp);
    }
    ad_strip(f);
    return ok;
}
