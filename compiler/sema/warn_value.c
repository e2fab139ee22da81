/*
 * warn_value.c -- warnings about the values of a finished entry.
 *
 *   log-of-zero       the logarithm of what can be 0
 *   division-by-zero  a division by what can be 0, or an infinite slope of a
 *                     root at 0
 *   f32-loss          the logarithm of a rounded probability
 *
 * Suspects are noted with their place in the user's text as they are built;
 * which of them the entry needs, and where they are used, is known at its end.
 */
#include "sema/interval.h"

#include "autodiff/autodiff.h"

#include <math.h>
#include <string.h>

static bool in_library(const Elab *e, Span at)
{
    for (int k = 0; k < e->module.n; k++)
        if (e->module.at[k]->src == at.src)
            return e->module.at[k]->library;
    return false;
}

Span warn_place(const Elab *e, Span at)
{
    for (const Frame *f = e->frame; f && in_library(e, at); f = f->caller)
        if (f->kind == FRAME_CALL && f->call.src)
            at = f->call;
    return at;
}

void warn_node(Elab *e, Val v, Span at)
{
    switch (v->op) {
    case OP_div:
        if (!dtype_real(v->type.dt) || unmoved(v->src[1])->op == OP_const)
            return;
        break;
    case OP_pow:
        if (unmoved(v->src[1])->op != OP_const)
            return;
        break;
    case OP_log:
    case OP_log1p:
    case OP_sqrt:
        break;
    default:
        return;
    }
    Suspect s = {v, warn_place(e, at), e->entry ? e->entry->key : NULL};
    VEC_PUSH(e->a, &e->suspect, s);
}

/* --- what uses what ------------------------------------------------------ */

typedef struct Nodes { // the nodes of one entry, by id; NULL: not needed
    Elab *e;
    Arena *tmp;
    Val *at;
    uint32_t n;
    bool *bare; // is it used other than as one branch of a choice
    bool *said;
    Intervals *in;
    VEC(Val) grad;
} Nodes;

static void meet(Nodes *t, Val root)
{
    VEC(Val) todo = {0};

    VEC_PUSH(t->tmp, &todo, root);
    while (todo.n) {
        Val v = todo.at[--todo.n];
        const Loop *l = v->op == OP_loop ? v->attr.loop : NULL;
        if (t->at[v->id])
            continue;
        t->at[v->id] = v;
        if (v->op == OP_grad)
            VEC_PUSH(t->tmp, &t->grad, v);
        for (int k = 0; k < (v->op == OP_adjoint ? 1 : v->nsrc); k++)
            VEC_PUSH(t->tmp, &todo, v->src[k]);
        for (int k = 0; l && k < l->n; k++)
            VEC_PUSH(t->tmp, &todo, l->next[k]);
    }
}

/* A choice, or a bound, may leave out what is not finite. */
static bool shields(Val user, int k)
{
    return (user->op == OP_select && k > 0) || user->op == OP_max ||
           user->op == OP_min || user->op == OP_is_finite;
}

static bool passes_on(Val user)
{
    LowerKind kind = op_info[user->op].lower;

    return kind == LOWER_MAP || kind == LOWER_VIEW;
}

static void find_bare(Nodes *t, const Func *f)
{
    for (int k = 0; k < f->nout; k++)
        t->bare[f->out[k]->id] = true;
    for (uint32_t j = t->n; j-- > 0;) { // users have larger ids
        Val v = t->at[j];
        const Loop *l = v && v->op == OP_loop ? v->attr.loop : NULL;
        for (int k = 0; l && k < l->n; k++)
            t->bare[l->next[k]->id] = true;
        for (int k = 0; v && k < v->nsrc; k++)
            if (!shields(v, k) && (t->bare[j] || !passes_on(v)))
                t->bare[v->src[k]->id] = true;
    }
}

/* Does a gradient of the entry pass v? */
static bool differentiated(const Nodes *t, Val v)
{
    for (int k = 0; k < t->grad.n; k++) {
        Val y = t->grad.at[k]->src[0], x = t->grad.at[k]->src[1];
        if (ir_reaches(y, v) && ir_reaches(v, x) && ad_active(v, x, NULL) &&
            ad_active(y, v, NULL))
            return true;
    }
    return false;
}

/* --- what is said -------------------------------------------------------- */

/* What can be 0, or what the library computes it from. */
static void note_source(Nodes *t, Val v)
{
    Val s = unmoved(v);
    bool deeper = false;

    while (s->nsrc > 0 && in_library(t->e, s->span)) {
        s = unmoved(s->src[s->op == OP_select]);
        deeper = true;
    }
    if (s->span.src == NULL || in_library(t->e, s->span))
        return;
    if (s->op == OP_input)
        sema_note(t->e, s->span, "\"%s\" is declared here", s->attr.s);
    else
        sema_note(t->e, s->span, deeper ? "it is computed from this"
                                        : "this can be 0");
}

static void warn_log(Nodes *t, const Suspect *s)
{
    Val arg = s->val->src[0];
    bool one = s->val->op == OP_log1p;

    if (!interval_reaches(t->in, arg, one ? -1 : 0))
        return;
    if (t->bare[s->val->id]) {
        sema_warn(t->e, s->at, "log-of-zero", one ? "log1p of a value that can "
                  "be -1 is -infinity there" : "log of a value that can be 0 "
                  "is -infinity there");
    } else if (differentiated(t, s->val)) {
        sema_warn(t->e, s->at, "log-of-zero", "the choice around this log "
                  "leaves out its value at 0, but its slope there makes the "
                  "gradient NaN");
        note_source(t, arg);
        sema_help(t->e, "choose inside it: log(where(s > 0, s, 1))");
        return;
    } else {
        return;
    }
    if (!one)
        note_source(t, arg);
}

static void warn_division(Nodes *t, const Suspect *s)
{
    Val by = s->val->src[s->val->op == OP_div];

    if (!interval_reaches(t->in, by, 0))
        return;
    if (t->bare[s->val->id]) {
        sema_warn(t->e, s->at, "division-by-zero", "a division by a value that "
                  "can be 0");
        note_source(t, by);
    } else if (differentiated(t, s->val)) {
        sema_warn(t->e, s->at, "division-by-zero", "the choice around this "
                  "division leaves out its value at 0, but its slope there "
                  "makes the gradient NaN");
        note_source(t, by);
        sema_help(t->e, "choose inside it: x / where(s > 0, s, 1)");
    }
}

/* The slope of x ** y, y < 1, at 0 is infinite. */
static void warn_root(Nodes *t, const Suspect *s)
{
    Val x = s->val->src[0];

    if (!interval_reaches(t->in, x, 0) || !differentiated(t, s->val))
        return;
    sema_warn(t->e, s->at, "division-by-zero", "the gradient passes a root of "
              "a value that can be 0, where its slope is infinite");
    note_source(t, x);
    sema_help(t->e, "norm2(..) is safe; so is a root of where(s > 0, s, 1), or "
                    "of s + 1e-12");
}

static void warn_power(Nodes *t, const Suspect *s)
{
    Interval y = interval_of(t->in, s->val->src[1]);

    if (y.lo.at != y.hi.at)
        return;
    if (y.lo.at < 0)
        warn_division(t, s);
    else if (y.lo.at > 0 && y.lo.at < 1)
        warn_root(t, s);
}

/* 1 - p is as much of a probability as p. */
static const char *probability(Elab *e, Val v)
{
    v = unmoved(v);
    if (v->op == OP_sub && unmoved(v->src[0])->op == OP_const &&
        unmoved(v->src[0])->attr.f == 1)
        v = unmoved(v->src[1]);
    if (v->op == OP_sigmoid)
        return "sigmoid";
    for (int k = 0; k < e->soft.n; k++)
        if (e->soft.at[k].val == v && strcmp(e->soft.at[k].by, "softmax") == 0)
            return "softmax";
    return NULL;
}

static bool warn_rounded(Nodes *t, const Suspect *s)
{
    const char *by = s->val->op == OP_log && s->val->type.dt == DT_f32
                         ? probability(t->e, s->val->src[0]) : NULL;

    if (by == NULL)
        return false;
    sema_warn(t->e, s->at, "f32-loss", "the result of \"%s\" rounds to 0 or 1 "
              "in single precision; its log is then infinite or 0 and has no "
              "gradient", by);
    sema_help(t->e, strcmp(by, "softmax") == 0
                        ? "log_softmax(..) and cross_entropy(..) work with the "
                          "logits"
                        : "log(sigmoid(z)) is -softplus(-z), log(1 - "
                          "sigmoid(z)) is -softplus(z)");
    return true;
}

static void warn_suspect(Nodes *t, const Suspect *s)
{
    switch (s->val->op) {
    case OP_div:
        warn_division(t, s);
        break;
    case OP_pow:
        warn_power(t, s);
        break;
    case OP_sqrt:
        warn_root(t, s);
        break;
    default:
        if (!warn_rounded(t, s))
            warn_log(t, s);
    }
}

void warn_values(Elab *e, const EntryBuild *b, const Func *f)
{
    if (e->suspect.n == 0)
        return;
    Nodes t = {.e = e, .tmp = arena_new(), .n = graph_nnodes(e->g) + 1};

    t.at = NEW_N(t.tmp, Val, t.n);
    t.bare = NEW_N(t.tmp, bool, t.n);
    t.said = NEW_N(t.tmp, bool, t.n);
    t.in = intervals_new(e, t.tmp);
    for (int k = 0; k < f->nout; k++)
        meet(&t, f->out[k]);
    find_bare(&t, f);
    for (int k = 0; k < e->suspect.n; k++) {
        const Suspect *s = &e->suspect.at[k];
        uint32_t id = s->val->id;
        if (b->kind != ENTRY_INIT && s->entry != b->key)
            continue;
        if (t.at[id] && !t.said[id])
            warn_suspect(&t, s);
        t.said[id] = true; // written twice, it is one value
    }
    arena_free(t.tmp);
}
