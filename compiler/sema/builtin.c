/*
 * builtin.c -- the table of builtins and how their arguments are matched.
 *
 * What they build is in builtin_*.c and random.c.
 */
#include "sema/builtin.h"

#include <string.h>

const Prim prim_table[] = {
#define PRIM(name, formals, run, op, doc) \
    {#name, formals, prim_##run, OP_##op, doc},
#include "sema/prims.def"
#undef PRIM
    {0}};

const Prim *prim_find(const char *name)
{
    for (const Prim *p = prim_table; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

typedef struct Formal {
    const char *at;
    size_t n;
    bool optional, rest;
} Formal;

static int split(const char *formals, Formal *out)
{
    int n = 0;

    for (const char *s = formals; *s;) {
        size_t len = strcspn(s, " ");
        out[n] = (Formal){s, len, s[len - 1] == '?', *s == '.'};
        out[n].n -= out[n].optional;
        n++;
        s += len;
        s += strspn(s, " ");
    }
    return n;
}

static void note_formals(Elab *e, const Prim *p)
{
    sema_help(e, "%s takes (%s), where ? marks what may be left out: %s",
              p->name, p->formals, p->doc);
}

static int find_formal(const Formal *f, int n, const char *name)
{
    for (int k = 0; k < n; k++)
        if (!f[k].rest && strlen(name) == f[k].n &&
            memcmp(name, f[k].at, f[k].n) == 0)
            return k;
    return -1;
}

static bool place(Elab *e, const Prim *p, const Formal *f, int nf, const Arg *x,
                  int k, Arg *out)
{
    int to = x->name ? find_formal(f, nf, x->name) : k;

    if (x->name && to < 0) {
        VEC(const char *) names = {0};
        for (int i = 0; i < nf; i++)
            VEC_PUSH(e->a, &names, intern_n(f[i].at, f[i].n));
        const char *close = diag_closest(x->name, names.at, names.n);
        sema_error(e, x->name_span, "\"%s\" has no argument \"%s\"", p->name,
                   x->name);
        note_formals(e, p);
        if (close)
            sema_help(e, "did you mean \"%s\"?", close);
        return false;
    }
    if (to >= nf) {
        sema_error(e, x->span, "\"%s\" takes at most %d argument%s", p->name,
                   nf, nf == 1 ? "" : "s");
        note_formals(e, p);
        return false;
    }
    if (out[to].v.kind != V_ABSENT) {
        sema_error(e, x->span, "the argument \"%.*s\" of \"%s\" is given twice",
                   (int)f[to].n, f[to].at, p->name);
        return false;
    }
    out[to] = *x;
    return true;
}

Value prim_call(Elab *e, const Prim *p, const Arg *arg, int n, Span at)
{
    Formal f[PRIM_ARGS];
    int nf = split(p->formals, f);
    bool rest = nf > 0 && f[nf - 1].rest;
    Arg out[PRIM_ARGS];

    for (int k = 0; k < PRIM_ARGS; k++)
        out[k] = (Arg){.v = ABSENT, .span = at};
    for (int k = 0; k < n; k++) {
        if (rest && k >= nf - 1 && k < PRIM_ARGS)
            out[k] = arg[k];
        else if (!place(e, p, f, nf - rest, &arg[k], k, out))
            return POISON;
    }
    for (int k = 0; k < nf; k++)
        if (out[k].v.kind == V_ABSENT && !f[k].optional && !f[k].rest) {
            sema_error(e, at, "the argument \"%.*s\" of \"%s\" is missing",
                       (int)f[k].n, f[k].at, p->name);
            note_formals(e, p);
            return POISON;
        }
    for (int k = 0; k < PRIM_ARGS; k++) {
        out[k].v = draw_look(e, out[k].v);
        if (out[k].v.kind == V_POISON)
            return POISON;
        if (out[k].v.kind == V_VOID)
            return sema_error(e, out[k].span, "the call returns no value");
    }
    return p->run(e, p, out, at);
}

bool given(const Arg *x)
{
    return x->v.kind != V_ABSENT;
}

bool axis_of(Elab *e, const Arg *x, int rank, int otherwise, int *out)
{
    int64_t k;

    *out = otherwise;
    if (!given(x))
        return true;
    if (!need_int(e, x, "an axis", &k))
        return false;
    if (k < -rank || k >= rank) {
        sema_error(e, x->span, "the axis %lld is out of range: there are %d "
                               "dims", (long long)k, rank);
        return false;
    }
    *out = (int)(k < 0 ? k + rank : k);
    return true;
}
