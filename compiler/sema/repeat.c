/*
 * repeat.c -- `repeat n { }` as a loop region of the IR.
 *
 * Carried are the names assigned in the body that are known before it. Their
 * types are found by running the body: what comes out wider than it went in
 * (per example, broader, real instead of int) widens the variable, and the
 * body is run again. Trials are mute and undone; the run that counts is the
 * first one whose types are stable, or the next one, aloud, if the trial had
 * something to say.
 *
 * Draws and plain numbers get their shape and type in one more trial: the body
 * run once on the initial values, outside any loop.
 */
#include "sema/elab.h"

#include <string.h>

enum { CARRIED_MAX = 64, TRIALS_MAX = 100 };

typedef struct Carried {
    const char *name;
    Span span;
    Value init;
    Type type;
    bool real; // after one pass it is
} Carried;

typedef struct Repeat {
    const Ast *ast;
    Val count;
    int n;
    Carried at[CARRIED_MAX];
} Repeat;

/* --- undoing ------------------------------------------------------------- */

Mark trial_mark(Elab *e)
{
    Frame *f = e->frame;
    EntryBuild *b = e->entry;
    Mark m = {.nvar = e->u->var.n, .ndraw = b->ndraw, .nattack = b->attack.n,
              .nbind = f->bind.n, .nstate = b->state.n,
              .nscope = f->params ? f->params->used.n : 0};

    m.bind = NEW_N(e->a, Binding, m.nbind + 1);
    if (m.nbind)
        memcpy(m.bind, f->bind.at, sizeof *m.bind * (size_t)m.nbind);
    m.state = NEW_N(e->a, Value, m.nstate + 1);
    if (m.nstate)
        memcpy(m.state, b->state.at, sizeof *m.state * (size_t)m.nstate);
    return m;
}

void trial_undo(Elab *e, const Mark *m)
{
    Frame *f = e->frame;
    EntryBuild *b = e->entry;

    e->u->var.n = m->nvar;
    b->ndraw = m->ndraw;
    b->attack.n = m->nattack;
    f->bind.n = m->nbind;
    if (m->nbind)
        memcpy(f->bind.at, m->bind, sizeof *m->bind * (size_t)m->nbind);
    b->state.n = m->nstate;
    if (m->nstate)
        memcpy(b->state.at, m->state, sizeof *m->state * (size_t)m->nstate);
    if (f->params) {
        f->params->used.n = m->nscope;
        f->params->layer.n = m->nscope;
    }
}

static int trial_mute(Elab *e)
{
    return e->mute++;
}

/* --- what is carried ----------------------------------------------------- */

static void carry(Elab *e, Repeat *r, const char *name)
{
    Binding *b = frame_find(e->frame, name);

    if (b == NULL)
        return;
    for (int k = 0; k < r->n; k++)
        if (r->at[k].name == name)
            return;
    if (r->n == CARRIED_MAX) {
        sema_error(e, r->ast->span, "more than %d names change in this repeat",
                   CARRIED_MAX);
        e->dead = true;
        return;
    }
    r->at[r->n++] = (Carried){.name = name, .span = b->span};
}

/* Names assigned anywhere in the statements, nested blocks included. */
static void find_carried(Elab *e, Repeat *r, const Ast *s)
{
    if (s == NULL)
        return;
    if (s->kind == AST_assign) {
        const Ast *t = s->kid[0];
        for (int k = 0; k < (t->kind == AST_tuple ? t->n : 1); k++) {
            const Ast *one = t->kind == AST_tuple ? t->kid[k] : t;
            if (one->kind == AST_index)
                one = one->kid[0];
            if (one->kind == AST_name)
                carry(e, r, one->text);
        }
        return;
    }
    if (s->kind == AST_block || s->kind == AST_repeat || s->kind == AST_for_ ||
        s->kind == AST_if_)
        for (int k = 0; k < s->n; k++)
            find_carried(e, r, s->kid[k]);
}

static Val count_of(Elab *e, const Ast *x)
{
    Arg count = eval_arg(e, x);

    if (count.v.kind == V_REAL) {
        sema_error(e, count.span, "the count of a repeat must be an int, not "
                                  "%s", value_text(e, &count.v));
        return NULL;
    }
    Val v = need_val(e, &count, "the count of a repeat");
    if (v == NULL)
        return NULL;
    if (v->type.dt != DT_i32 || v->type.shape.rank) {
        sema_error(e, count.span, "the count of a repeat must be an int, not "
                                  "%s", type_words(e, v->type));
        return NULL;
    }
    if (v->type.batched) {
        sema_error(e, count.span, "the count of a repeat must be the same for "
                                  "all examples, but this is %s",
                   phase_text(e, &count.v));
        return NULL;
    }
    return v;
}

/* --- the types of the variables ------------------------------------------ */

static bool value_type(Elab *e, const Value *v, Type *out)
{
    switch (v->kind) {
    case V_INT:
        *out = type_of(DT_i32, false, shape_of(0));
        return true;
    case V_REAL:
        *out = type_of(e->real, false, shape_of(0));
        return true;
    case V_BOOL:
        *out = type_of(DT_bool, false, shape_of(0));
        return true;
    case V_TENSOR:
        *out = v->val->type;
        return true;
    default:
        return false;
    }
}

/* The first types: of the initial values. A value that cannot change from pass
 * to pass is reported. */
static bool first_types(Elab *e, Repeat *r)
{
    for (int k = 0; k < r->n; k++) {
        Carried *c = &r->at[k];
        c->init = draw_settle(e, frame_find(e->frame, c->name)->v, NULL);
        if (c->init.kind == V_POISON)
            return false;
        if (!value_type(e, &c->init, &c->type)) {
            sema_error(e, r->ast->span, "\"%s\" is %s, which cannot change "
                                        "from "
                       "pass to pass", c->name, value_text(e, &c->init));
            sema_note(e, c->span, "it gets its value here");
            return false;
        }
    }
    return true;
}

/* Widens the variable to hold `next` too. 1: it did, 0: no need, -1: cannot. */
static int join(Elab *e, Carried *c, const Value *next)
{
    Type t, joint = c->type;

    if (next->kind == V_POISON)
        return 0;
    if (!value_type(e, next, &t))
        return -1;
    joint.batched = joint.batched || t.batched;
    if (!broadcast_shapes(joint.shape, t.shape, &joint.shape))
        return -1;
    if (t.dt != joint.dt) {
        bool number = c->init.kind == V_INT || c->init.kind == V_REAL;
        if (dtype_real(t.dt) && dtype_real(joint.dt))
            joint.dt = DT_f64;
        else if (dtype_real(t.dt) && number)
            joint.dt = t.dt;
        else if (!(next->kind == V_INT && dtype_real(joint.dt)))
            return -1;
    }
    bool wider = !type_eq(joint, c->type);
    c->type = joint;
    return wider;
}

static void cannot_carry(Elab *e, const Carried *c, const Binding *b)
{
    sema_error(e, b->span, "\"%s\" changes its type from pass to pass: it goes "
               "in as %s and comes out as %s", c->name,
               type_words(e, c->type), value_text(e, &b->v));
    sema_note(e, c->span, "it has its value before the repeat from here");
    sema_help(e, "if the two have nothing to do with each other, give them "
                 "different names");
}

/* --- running the body ---------------------------------------------------- */

/* One pass on the initial values, outside any loop: it gives carried draws
 * their shape, and tells which of the carried ints are reals (`s = 0` before
 * `s = s + 0.5`). */
static void rehearse(Elab *e, Repeat *r)
{
    bool needed = false;

    for (int k = 0; k < r->n; k++) {
        ValueKind kind = frame_find(e->frame, r->at[k].name)->v.kind;
        needed = needed || kind == V_DRAW || kind == V_INT;
    }
    if (!needed)
        return;
    Mark m = trial_mark(e);
    int mute = trial_mute(e);
    exec_block(e, r->ast->kid[1]);
    e->mute = mute;
    e->frame->returned = false;
    for (int k = 0; k < r->n; k++) {
        Value v = frame_find(e->frame, r->at[k].name)->v;
        r->at[k].real = v.kind == V_REAL || v.kind == V_DRAW ||
                        (v.kind == V_TENSOR && dtype_real(v.val->type.dt));
    }
    trial_undo(e, &m);
    for (int k = 0; k < r->n; k++) {
        Binding *b = frame_find(e->frame, r->at[k].name);
        b->v = draw_look(e, b->v);
        if (b->v.kind == V_INT && r->at[k].real)
            b->v = value_real(b->v.num);
    }
}

static Loop *open(Elab *e, Repeat *r)
{
    Val init[CARRIED_MAX];
    Type type[CARRIED_MAX];

    for (int k = 0; k < r->n; k++) {
        type[k] = r->at[k].type;
        init[k] = node_convert(e, r->at[k].span, &r->at[k].init, type[k]);
        if (init[k] == NULL)
            return NULL;
    }
    Loop *l = ir_loop_open(e->g, r->count, init, r->n, type, e->nloops + 1,
                           r->ast->span);
    for (int k = 0; k < r->n; k++) {
        Binding *b = frame_find(e->frame, r->at[k].name);
        ir_origin(e->g, l->var[k], r->at[k].span, r->at[k].name);
        b->v = value_tensor(l->var[k]);
    }
    e->loop[e->nloops++] = l;
    return l;
}

/* The values of the names after a pass, in the variables' types; widened: some
 * type had to grow. false: they do not fit (reported unless mute). */
static bool next_values(Elab *e, Repeat *r, Val *next, bool *widened)
{
    bool fits = true;

    *widened = false;
    for (int k = 0; k < r->n; k++) {
        Carried *c = &r->at[k];
        Binding *b = frame_find(e->frame, c->name);
        b->v = draw_settle(e, b->v, &c->type.shape);
        int j = join(e, c, &b->v);
        if (j < 0)
            cannot_carry(e, c, b);
        fits = fits && j >= 0 && b->v.kind != V_POISON;
        *widened = *widened || j > 0;
    }
    for (int k = 0; fits && !*widened && k < r->n; k++) {
        Binding *b = frame_find(e->frame, r->at[k].name);
        next[k] = node_convert(e, b->span, &b->v, r->at[k].type);
        fits = next[k] != NULL;
    }
    return fits;
}

/* Runs the body in a loop. Returns the loop node; NULL: try again (a trial) or
 * give up (aloud). */
static Val run(Elab *e, Repeat *r, bool aloud, bool *again)
{
    Val next[CARRIED_MAX] = {0};
    int said = e->nmuted, nloops = e->nloops, nbind = e->frame->bind.n;
    int mute = aloud ? e->mute : trial_mute(e);
    bool widened = false;

    Loop *l = open(e, r);
    bool fits = l != NULL;
    if (l) {
        exec_block(e, r->ast->kid[1]);
        fits = next_values(e, r, next, &widened) && !e->dead;
        e->nloops = nloops;
    }
    e->mute = mute;
    e->frame->bind.n = nbind;
    *again = !aloud && fits && widened;
    if (l && fits && !widened && (aloud || e->nmuted == said))
        return ir_loop_close(e->g, l, next);
    if (l)
        ir_loop_close(e->g, l, l->var); // abandoned
    if (aloud && fits && widened)
        sema_error(e, r->ast->span, "the types of the names that change in "
                                    "this repeat do not settle");
    return NULL;
}

static Val run_until_stable(Elab *e, Repeat *r)
{
    for (int trial = 0; trial < TRIALS_MAX && !e->dead; trial++) {
        bool again;
        Mark m = trial_mark(e);
        Val loop = run(e, r, false, &again);
        if (loop)
            return loop;
        trial_undo(e, &m);
        if (!again)
            break;
    }
    bool again;
    return e->dead ? NULL : run(e, r, true, &again);
}

void exec_repeat(Elab *e, const Ast *s)
{
    Repeat *r = NEW(e->a, Repeat);

    if (e->nloops == LOOPS_MAX) {
        sema_error(e, s->span, "more than %d nested repeats", LOOPS_MAX);
        return;
    }
    if (e->entry == NULL) {
        sema_error(e, s->span, "repeat is a loop of the compiled program; a "
                               "const is known when compiling");
        sema_help(e, "`for i in 0 .. n { }` runs when compiling");
        return;
    }
    r->ast = s;
    r->count = count_of(e, s->kid[0]);
    if (r->count == NULL)
        return;
    if (r->count->op == OP_const && r->count->attr.f <= 0)
        return;
    find_carried(e, r, s->kid[1]);
    rehearse(e, r);
    Val loop = first_types(e, r) ? run_until_stable(e, r) : NULL;
    if (loop)
        ir_origin(e->g, loop, s->span, NULL);
    for (int k = 0; k < r->n; k++) {
        Ast target = {.kind = AST_name, .span = r->at[k].span,
                      .text = r->at[k].name};
        assign(e, &target, r->at[k].name,
               loop ? value_tensor(ir_proj(e->g, loop, k)) : POISON);
    }
}
