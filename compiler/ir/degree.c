/*
 * degree.c -- degrees of homogeneity, from the sources of a value to it.
 *
 * Three kinds of degree: any (0 and infinities, which scaling does not
 * change), a number in each group and in the input, or none. Where a sum meets
 * equal totals that are made up differently, as in x W1 + x W2, the value is
 * homogeneous only in those groups together: they are joined.
 */
#include "ir/degree.h"

#include <math.h>

typedef enum {
    RULE_NONE, RULE_LEAF, RULE_FREE, RULE_SAME, RULE_EQUAL, RULE_TEST,
    RULE_FLAT, RULE_TIMES, RULE_OVER, RULE_POWER, RULE_ROOT, RULE_CHOOSE,
    RULE_FRAME, RULE_FIRST, RULE_SECOND, RULE_ROWS, RULE_GRAD
} DegreeRule;

static const DegreeRule rule_of[OP_COUNT] = {
#define DEGREE(op, rule) [OP_##op] = RULE_##rule,
#include "ir/degree.def"
#undef DEGREE
};

bool ir_degree_known(Op op)
{
    return rule_of[op] != RULE_NONE;
}

typedef enum { UNSEEN, ANY, SOME, BROKEN } Kind;

typedef struct Degree {
    Kind kind;
    double total, input;    // input NAN: none
    const double *in;       // [ngroup]; NULL: all 0
    Val at;                 // BROKEN
    const char *why;
} Degree;

typedef struct Walk {
    const DegreeQuery *q;
    Arena *a;
    Degree *of; // by node id
    int *with;  // union-find over groups
} Walk;

static Degree broken(Val at, const char *why)
{
    return (Degree){.kind = BROKEN, .at = at, .why = why};
}

static double in_group(const Degree *d, int k)
{
    return d->in ? d->in[k] : 0;
}

static bool is_flat(const Degree *d) // in the parameters
{
    bool flat = d->kind == ANY || d->total == 0;

    return d->kind != BROKEN && flat;
}

static bool is_zero(const Walk *w, const Degree *d)
{
    bool zero = is_flat(d);

    for (int k = 0; zero && d->kind == SOME && k < w->q->ngroup; k++)
        zero = in_group(d, k) == 0;
    return zero;
}

static int root_of(const int *with, int k)
{
    while (with[k] != k)
        k = with[k];
    return k;
}

static void join(Walk *w, int a, int b)
{
    a = root_of(w->with, a);
    b = root_of(w->with, b);
    w->with[a > b ? a : b] = a > b ? b : a;
}

/* Groups in which a and b differ, though their totals agree, are one. */
static void join_differing(Walk *w, const Degree *a, const Degree *b)
{
    int first = -1;

    if (a->in == b->in)
        return;
    for (int k = 0; k < w->q->ngroup; k++) {
        if (in_group(a, k) == in_group(b, k))
            continue;
        if (first >= 0)
            join(w, first, k);
        else
            first = k;
    }
}

/* p a + r b in every group and the input. */
static Degree combine(Walk *w, const Degree *a, double p, const Degree *b,
                      double r)
{
    int n = w->q->ngroup;
    Degree d = {.kind = SOME, .total = p * a->total + r * b->total,
                .input = p * a->input + r * b->input};

    if (a->in || b->in) {
        double *in = NEW_N(w->a, double, n + 1);
        for (int k = 0; k < n; k++)
            in[k] = p * in_group(a, k) + r * in_group(b, k);
        d.in = in;
    }
    return d;
}

static Degree scaled(Walk *w, const Degree *a, double p)
{
    Degree zero = {.kind = SOME};

    return a->kind == SOME ? combine(w, a, p, &zero, 0) : *a;
}

/* "degree 4", "degree 0 (it does not depend on them)". */
static const char *degree_words(Walk *w, const Degree *d)
{
    return arena_printf(w->a, "degree %g%s", d->total,
                        is_zero(w, d) ? " (nothing of it is scaled)" : "");
}

/* Both must have the same degree: that degree, or a break at `at`. */
static Degree agree(Walk *w, Val at, const Degree *a, const Degree *b)
{
    if (a->kind == BROKEN || b->kind == ANY)
        return *a;
    if (b->kind == BROKEN || a->kind == ANY)
        return *b;
    if (a->total != b->total)
        return broken(at, arena_printf(w->a, "%s meets %s in the parameters",
                                       degree_words(w, a),
                                       degree_words(w, b)));
    join_differing(w, a, b);
    Degree d = *a;
    if (d.input != b->input)
        d.input = NAN;
    return d;
}

static Degree agree_all(Walk *w, Val v, int step)
{
    Degree d = w->of[v->src[0]->id];

    for (int k = step; k < v->nsrc; k += step)
        d = agree(w, v, &d, &w->of[v->src[k]->id]);
    return d;
}

/* Degree 0, if all sources have it; it is not linear, so the input has none. */
static Degree flat(Walk *w, Val v)
{
    Degree d = {.kind = SOME};

    for (int k = 0; k < v->nsrc; k++) {
        const Degree *s = &w->of[v->src[k]->id];
        if (s->kind == BROKEN)
            return *s;
        if (!is_zero(w, s))
            return broken(v, arena_printf(w->a, "\"%s\" of a value of degree "
                                          "%g in the parameters has no degree",
                                          op_info[v->op].name, s->total));
        if (s->kind == SOME && s->input != 0)
            d.input = NAN;
    }
    return d;
}

static bool constant_of(Val v, double *out)
{
    while (v->op == OP_broadcast || v->op == OP_spread || v->op == OP_cast ||
           v->op == OP_reshape)
        v = v->src[0];
    *out = v->attr.f;
    return v->op == OP_const;
}

static Degree times(Walk *w, const Degree *a, const Degree *b, double sign)
{
    if (a->kind == BROKEN || (b->kind != BROKEN && a->kind == ANY))
        return *a;
    if (b->kind != SOME)
        return *b;
    return combine(w, a, 1, b, sign);
}

static Degree test(Walk *w, Val v)
{
    Degree d = agree_all(w, v, 1), zero = {.kind = SOME};

    if (d.kind == SOME && d.input != d.input)
        zero.input = NAN;
    return d.kind == BROKEN ? d : zero;
}

static Degree leaf_degree(Walk *w, Val v, int leaf)
{
    Degree d = {.kind = SOME};

    if (v->op == OP_const && leaf == DEGREE_INNER &&
        (v->attr.f == 0 || isinf(v->attr.f)))
        d.kind = ANY;
    if (leaf == DEGREE_INPUT)
        d.input = 1;
    if (leaf >= 0) {
        double *in = NEW_N(w->a, double, w->q->ngroup + 1);
        in[leaf] = 1;
        d.in = in;
        d.total = 1;
    }
    return d;
}

static void walk(Walk *w, const Val *root, int n, const Loop *l);

static bool same_degree(const Walk *w, const Degree *a, const Degree *b)
{
    bool same = a->kind == b->kind && a->total == b->total;

    for (int k = 0; same && a->kind == SOME && k < w->q->ngroup; k++)
        same = in_group(a, k) == in_group(b, k);
    return same;
}

/*
 * A carried variable has the degree it starts with, if the body hands on the
 * same; one that starts as 0 has that of what the body makes of it. Degrees
 * in the input may get lost on the way.
 */
static void loop_degrees(Walk *w, Val v)
{
    Loop *l = v->attr.loop;
    bool again = true;

    w->of[l->index->id] = (Degree){.kind = SOME};
    for (int k = 0; k < l->n; k++)
        w->of[l->var[k]->id] = w->of[l->init[k]->id];
    for (int pass = 0; pass <= 2 * l->n + 1 && again; pass++) {
        again = false;
        walk(w, l->next, l->n, l);
        for (int k = 0; k < l->n; k++) {
            Degree *var = &w->of[l->var[k]->id];
            const Degree *next = &w->of[l->next[k]->id];
            if (var->kind == BROKEN || next->kind == ANY)
                continue;
            if (var->kind == ANY && next->kind == SOME) {
                *var = *next;
                again = true;
            } else if (next->kind == BROKEN || !same_degree(w, var, next)) {
                *var = next->kind == BROKEN ? *next : broken(
                    l->next[k], arena_printf(w->a, "a pass of the repeat "
                    "takes a value from %s to %s", degree_words(w, var),
                    degree_words(w, next)));
                again = true;
            } else if (var->input == var->input && var->input != next->input) {
                var->input = NAN;
                again = true;
            }
        }
    }
    w->of[v->id] = (Degree){.kind = SOME};
}

static Degree apply(Walk *w, Val v)
{
    const Degree *s = v->nsrc ? &w->of[v->src[0]->id] : NULL;
    double f;

    switch (rule_of[v->op]) {
    case RULE_FREE:
        return (Degree){.kind = SOME};
    case RULE_SAME:
        return v->op == OP_cast && !dtype_real(v->type.dt) ? flat(w, v) : *s;
    case RULE_EQUAL:
        return agree_all(w, v, 1);
    case RULE_TEST:
        return test(w, v);
    case RULE_FLAT:
        return flat(w, v);
    case RULE_TIMES:
        return times(w, s, &w->of[v->src[1]->id], 1);
    case RULE_OVER:
    case RULE_GRAD:
        return times(w, s, &w->of[v->src[1]->id], -1);
    case RULE_POWER:
        return constant_of(v->src[1], &f) ? scaled(w, s, f) : flat(w, v);
    case RULE_ROOT:
        return scaled(w, s, 0.5);
    case RULE_CHOOSE: {
        Degree d = agree(w, v, &w->of[v->src[1]->id], &w->of[v->src[2]->id]);
        return s->kind == BROKEN ? *s : d;
    }
    case RULE_FRAME: {
        Degree fill = {.kind = v->attr.f == 0 || isinf(v->attr.f) ? ANY : SOME};
        return agree(w, v, s, &fill);
    }
    case RULE_FIRST:
        return w->of[v->src[1]->id].kind == BROKEN ? w->of[v->src[1]->id] : *s;
    case RULE_SECOND:
        return s->kind == BROKEN ? *s : w->of[v->src[1]->id];
    case RULE_ROWS:
        return agree_all(w, v, 2);
    default:
        return broken(v, arena_printf(w->a, "the degree of \"%s\" is not known",
                                      op_info[v->op].name));
    }
}

static void visit(Walk *w, Val v)
{
    int leaf = w->q->leaf(w->q->user, v);

    if (leaf != DEGREE_INNER || v->op == OP_const || v->op == OP_input)
        w->of[v->id] = leaf_degree(w, v, leaf);
    else if (v->op == OP_loop)
        loop_degrees(w, v);
    else if (v->op == OP_proj)
        w->of[v->id] =
            w->of[v->src[0]->attr.loop->var[v->attr.i[0]]->id];
    else if (v->op != OP_loopvar)
        w->of[v->id] = apply(w, v);
    else if (w->of[v->id].kind == UNSEEN) // of a loop around the whole
        w->of[v->id] = (Degree){.kind = SOME};
}

/*
 * Visits what the roots need, sources first: what has no degree yet, and of
 * the body of l everything, as its variables may have changed.
 */
static void walk(Walk *w, const Val *root, int n, const Loop *l)
{
    Arena *tmp = arena_new();
    uint32_t top = 0;
    VEC(Val) todo = {0};

    for (int k = n; k-- > 0;) {
        VEC_PUSH(tmp, &todo, root[k]);
        top = root[k]->id >= top ? root[k]->id + 1 : top;
    }
    bool *done = NEW_N(tmp, bool, top), *open = NEW_N(tmp, bool, top);
    while (todo.n) {
        Val v = todo.at[todo.n - 1];
        if (done[v->id] ||
            (w->of[v->id].kind != UNSEEN && !(l && ir_inside(v, l)))) {
            todo.n--;
        } else if (open[v->id]) {
            visit(w, v);
            done[v->id] = true;
            todo.n--;
        } else {
            open[v->id] = true;
            bool inner = w->q->leaf(w->q->user, v) == DEGREE_INNER;
            for (int k = 0; inner && k < v->nsrc; k++)
                VEC_PUSH(tmp, &todo, v->src[k]);
        }
    }
    arena_free(tmp);
}

Degrees ir_degrees(Arena *a, const DegreeQuery *q)
{
    int n = q->ngroup;
    Degrees out = {.group = NEW_N(a, double, n + 1),
                   .with = NEW_N(a, int, n + 1)};
    Arena *tmp = arena_new();
    Walk w = {.q = q, .a = a, .with = out.with,
              .of = NEW_N(tmp, Degree, q->value->id + 1)};

    for (int k = 0; k < n; k++)
        out.with[k] = k;
    walk(&w, &q->value, 1, NULL);
    Degree d = w.of[q->value->id];
    arena_free(tmp);
    out.homogeneous = d.kind == SOME || d.kind == ANY;
    out.at = d.at;
    out.why = d.why;
    out.order = d.total;
    out.input = d.input;
    for (int k = 0; k < n; k++) {
        out.with[k] = root_of(out.with, k);
        out.group[k] = d.kind == SOME ? in_group(&d, k) : 0;
    }
    return out;
}
