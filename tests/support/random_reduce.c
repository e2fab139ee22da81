/*
 * random_reduce.c -- makes a failing function smaller.
 *
 * Tried in turn until nothing helps: leave out an output; have one value as
 * the only output; put in place of a value one of its sources of the same
 * type, the initial value of a loop's result, or a new input.
 */
#include "support/random_graph.h"

#include <string.h>

typedef struct Swap {
    Val old;
    int source; // -1: the new input
    Val input;
} Swap;

static Val swap(void *env, Graph *g, Val old, Val rebuilt)
{
    const Swap *s = env;

    (void)g;
    if (old != s->old)
        return NULL;
    if (s->source < 0)
        return s->input;
    return old->op == OP_proj
               ? rebuilt->src[0]->src[1 + rebuilt->attr.i[0]]
               : rebuilt->src[s->source];
}

static Func *copy_of(Arena *a, const Func *f)
{
    Func *c = arena_copy(a, f, sizeof *f);

    c->out = arena_copy(a, f->out, (size_t)f->nout * sizeof(Val));
    if (f->out_name)
        c->out_name = arena_copy(a, f->out_name,
                                 (size_t)f->nout * sizeof(char *));
    return c;
}

static Func *without_output(Arena *a, const Func *f, int k)
{
    Func *c = copy_of(a, f);

    c->nout--;
    memmove(c->out + k, c->out + k + 1,
            (size_t)(c->nout - k) * sizeof(Val));
    if (c->out_name)
        memmove(c->out_name + k, c->out_name + k + 1,
                (size_t)(c->nout - k) * sizeof(char *));
    return c;
}

static Func *only_output(Arena *a, const Func *f, Val v)
{
    Func *c = copy_of(a, f);

    c->nout = 1;
    c->out[0] = v;
    return c;
}

/* The k-th way to replace v, or NULL after the last. */
static Func *replaced(Arena *a, const Func *f, Val v, int k)
{
    Swap s = {.old = v, .source = v->op == OP_proj ? 0 : k};
    Func *c;

    if (v->op == OP_proj ? k > 1 : k > v->nsrc)
        return NULL;
    if (k == (v->op == OP_proj ? 1 : v->nsrc)) {
        s.source = -1;
        s.input = ir_input(f->g, v->type.batched ? INPUT_FIELD : INPUT_VAR,
                           internf("r%u", v->id), v->type);
    } else if (v->op != OP_proj && !type_eq(v->src[k]->type, v->type)) {
        return copy_of(a, f); // no change, refused by the caller
    }
    c = copy_of(a, f);
    ir_rewrite(c->g, c->out, c->nout, swap, &s);
    return c;
}

/* All values that may be replaced, loop bodies included, users first. */
typedef struct Values {
    Val *at;
    int n, cap;
} Values;

static void collect(Arena *a, Values *all, const Val *root, int nroot,
                    const Loop *l)
{
    int n;
    Val *v = ir_topo(a, root, nroot, l, &n);

    for (int k = n - 1; k >= 0; k--) {
        if (v[k]->op == OP_loop) {
            Loop *inner = v[k]->attr.loop;
            collect(a, all, inner->next, inner->n, inner);
        } else if (v[k]->op != OP_input && v[k]->op != OP_const &&
                   v[k]->op != OP_loopvar) {
            VEC_PUSH(a, all, v[k]);
        }
    }
}

static int size_of(Arena *a, const Func *f)
{
    Values all = {0};

    collect(a, &all, f->out, f->nout, NULL);
    return all.n;
}

static const Func *smaller(Arena *a, const Func *f, StillFails *fails,
                           void *env)
{
    Values all = {0};
    int size = size_of(a, f);

    for (int k = 0; k < f->nout && f->nout > 1; k++) {
        Func *c = without_output(a, f, k);
        if (fails(env, c))
            return c;
    }
    collect(a, &all, f->out, f->nout, NULL);
    for (int j = all.n - 1; j >= 0; j--) {
        Func *c = only_output(a, f, all.at[j]);
        if (!all.at[j]->region && size_of(a, c) < size && fails(env, c))
            return c;
    }
    for (int j = 0; j < all.n; j++) {
        Func *c;
        for (int k = 0; (c = replaced(a, f, all.at[j], k)) != NULL; k++)
            if (size_of(a, c) < size && fails(env, c))
                return c;
    }
    return NULL;
}

Func *random_func_reduce(Arena *a, const Func *f, StillFails *still_fails,
                         void *env)
{
    for (const Func *c = f; c; c = smaller(a, f, still_fails, env))
        f = c;
    return copy_of(a, f);
}
