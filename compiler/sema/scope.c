/*
 * scope.c -- what a name means.
 *
 * In order: names of the function or entry being elaborated, the module's own
 * declarations, those of the modules it uses, core and optim, states of a
 * train (in other entries), clocks, builtins. Functions do not see the names
 * of their callers.
 */
#include "sema/elab.h"

#include <math.h>
#include <string.h>

Binding *frame_find(Frame *f, const char *name)
{
    for (int k = f->bind.n; k-- > 0;)
        if (f->bind.at[k].name == name)
            return &f->bind.at[k];
    return NULL;
}

void frame_bind(Elab *e, Frame *f, const char *name, Value v, Span span)
{
    Binding *b = frame_find(f, name);

    if (b) {
        b->v = v;
        b->span = span;
    } else if (f->bind.n == BINDINGS_MAX) {
        sema_error(e, span, "more than %d names in one body", BINDINGS_MAX);
        e->dead = true;
    } else {
        VEC_PUSH(e->a, &f->bind, ((Binding){name, v, span, -1, false}));
    }
}

Decl *module_own(Module *m, const char *name)
{
    return names_get(&m->by_name, name);
}

Decl *module_find(Elab *e, Module *m, const char *name, Span at)
{
    Decl *d = module_own(m, name), *found = NULL;

    if (d)
        return d;
    for (int k = 0; k < m->uses.n; k++) {
        d = module_own(m->uses.at[k], name);
        if (d && found) {
            sema_error(e, at, "\"%s\" is a name of both \"%s\" and \"%s\"",
                       name, found->mod->name, d->mod->name);
            sema_help(e, "write %s.%s or %s.%s", found->mod->name, name,
                      d->mod->name, name);
            return found;
        }
        found = d ? d : found;
    }
    if (found == NULL && e->core)
        found = module_own(e->core, name);
    if (found == NULL && e->optim)
        found = module_own(e->optim, name);
    return found;
}

/* --- clocks -------------------------------------------------------------- */

static const char *const clocks[] = {
    "step", "epoch", "epochs", "steps_per_epoch", "progress", "index",
    "training"};

static Val clock(Elab *e, const char *name, bool batched)
{
    return input_node(e, INPUT_CLOCK, name,
                      type_of(DT_i32, batched, shape_of(0)), (Span){0});
}

/* progress = step / (epochs * steps_per_epoch), 0 at the first step. */
static Val progress(Elab *e)
{
    Val step = ir_cast(e->g, clock(e, "step", false), e->real);
    Val epochs = ir_cast(e->g, clock(e, "epochs", false), e->real);
    Val per = ir_cast(e->g, clock(e, "steps_per_epoch", false), e->real);

    return ir_div(e->g, step, ir_mul(e->g, epochs, per));
}

bool clock_value(Elab *e, const char *name, Span at, Value *out)
{
    int which = 0;

    while (which < (int)ARRAY_LEN(clocks) && strcmp(clocks[which], name) != 0)
        which++;
    if (which == ARRAY_LEN(clocks))
        return false;
    if (e->entry == NULL) {
        *out = sema_error(e, at, "\"%s\" is known only while an entry runs, "
                                 "not in a const", name);
    } else if (which == 6) {
        *out = value_bool(e->entry->training);
    } else if (which == 5) {
        *out = draw_is_batched(e) ? value_tensor(clock(e, name, true))
                                  : sema_error(e, at, "\"index\" is the number "
                                               "of an example; there is none "
                                               "here");
    } else if (!e->entry->stepping) {
        *out = sema_error(e, at, "\"%s\" is known only in a train", name);
    } else {
        *out = value_tensor(which == 4 ? progress(e) : clock(e, name, false));
    }
    return true;
}

/* --- values of declarations ---------------------------------------------- */

static Value option_value(Elab *e, Decl *d)
{
    OptionDecl *o = &e->u->option.at[d->index];
    DType dt = o->kind == OPT_REAL ? e->real : o->kind == OPT_INT ? DT_i32
                                                                  : DT_bool;
    Value v = value_tensor(input_node(e, INPUT_OPTION, o->name,
                                      type_of(dt, false, shape_of(0)),
                                      o->span));

    v.ranged = isfinite(o->lo) && isfinite(o->hi);
    v.lo = o->lo;
    v.hi = o->hi;
    return v;
}

static Value const_value(Elab *e, Decl *d, Span at)
{
    if (d->stage == 1) {
        sema_error(e, at, "the const \"%s\" is defined by itself", d->name);
        sema_note(e, d->ast->name_span, "\"%s\" is defined here", d->name);
        return POISON;
    }
    if (d->stage == 2)
        return d->v;

    Frame frame = {.kind = FRAME_CONST, .caller = e->frame, .mod = d->mod,
                   .name = d->name};
    Frame *caller = e->frame;
    EntryBuild *entry = e->entry;
    int nloops = e->nloops;
    e->frame = &frame;
    e->entry = NULL;
    e->nloops = 0;
    d->stage = 1;
    d->v = eval(e, d->ast->kid[0]);
    if (d->v.kind == V_TENSOR || d->v.kind == V_DRAW)
        d->v = error_phase(e, d->ast->kid[0]->span, "the value of a const",
                           &d->v);
    d->stage = 2;
    e->frame = caller;
    e->entry = entry;
    e->nloops = nloops;
    return d->v;
}

Value decl_value(Elab *e, Decl *d, Span at)
{
    switch (d->kind) {
    case DECL_CONST:
        return const_value(e, d, at);
    case DECL_OPTION:
        return d->index < 0 ? POISON : option_value(e, d);
    case DECL_DATA:
        return (Value){.kind = V_DATA, .decl = d};
    case DECL_CALLABLE:
        return (Value){.kind = V_FN, .decl = d};
    }
    return POISON;
}

/* A state that a train declares, read in another entry. */
static bool train_state(Elab *e, const char *name, Value *out)
{
    int var = e->entry && e->entry->kind != ENTRY_INIT ? var_find(e, name) : -1;

    if (var < 0 || e->u->var.at[var].is_param)
        return false;
    *out = state_current(e, var);
    return true;
}

static Value unknown_name(Elab *e, const char *name, Span at)
{
    const char *close = e->mute ? NULL : closest_name(e, name);

    sema_error(e, at, "unknown name \"%s\"", name);
    if (close) {
        sema_help(e, "did you mean \"%s\"?", close);
        return POISON;
    }
    for (int k = 0; prelude_names[k]; k++) {
        Module *m = NULL;
        for (int i = 0; i < e->module.n && !m; i++)
            if (strcmp(e->module.at[i]->name, prelude_names[k]) == 0)
                m = e->module.at[i];
        if (m && module_own(m, name)) {
            sema_help(e, "`use %s` makes it known", m->name);
            break;
        }
    }
    return POISON;
}

Value name_value(Elab *e, const Ast *x)
{
    Frame *f = e->frame;
    Binding *b = frame_find(f, x->text);
    Value v;

    if (b) {
        b->v = draw_look(e, b->v);
        return b->v;
    }
    Decl *d = module_find(e, f->mod, x->text, x->span);
    if (d)
        return decl_value(e, d, x->span);
    if (train_state(e, x->text, &v) || clock_value(e, x->text, x->span, &v))
        return v;
    const Prim *p = prim_find(x->text);
    if (p)
        return (Value){.kind = V_PRIM, .prim = p};
    if (strcmp(x->text, "infinity") == 0)
        return value_real(INFINITY);
    return unknown_name(e, x->text, x->span);
}

static Module *used_module(Elab *e, const char *name)
{
    Module *m = e->frame->mod;

    for (int k = 0; k < m->uses.n; k++)
        if (strcmp(m->uses.at[k]->name, name) == 0)
            return m->uses.at[k];
    if (strcmp(name, "core") == 0)
        return e->core;
    return strcmp(name, "optim") == 0 ? e->optim : NULL;
}

Value member_value(Elab *e, const Ast *x)
{
    const Ast *object = x->kid[0];

    if (object->kind == AST_name && !frame_find(e->frame, object->text) &&
        !module_own(e->frame->mod, object->text)) {
        Module *m = used_module(e, object->text);
        Decl *d = m ? module_own(m, x->text) : NULL;
        if (d)
            return decl_value(e, d, x->span);
        if (m)
            return sema_error(e, x->span, "the module \"%s\" has no \"%s\"",
                              object->text, x->text);
    }
    Value v = eval(e, object);
    if (v.kind == V_POISON)
        return POISON;
    if (v.kind == V_DATA)
        return (Value){.kind = V_SPLIT, .decl = v.decl, .s = x->text};
    for (int k = 0; v.kind == V_TUPLE && v.member && k < v.nmember; k++)
        if (v.member[k] == x->text)
            return v.item[k];
    return sema_error(e, x->span, "%s has no member \"%s\"",
                      value_text(e, &v), x->text);
}

/* --- did you mean -------------------------------------------------------- */

const char *closest_name(Elab *e, const char *name)
{
    Module *m = e->frame->mod;

    e->known.n = 0;
    for (int k = 0; k < e->frame->bind.n; k++)
        VEC_PUSH(e->a, &e->known, e->frame->bind.at[k].name);
    for (int i = -3; i < m->uses.n; i++) {
        Module *from = i == -3 ? m : i == -2 ? e->core : i == -1 ? e->optim
                                                       : m->uses.at[i];
        for (int k = 0; from && k < from->decl.n; k++)
            VEC_PUSH(e->a, &e->known, from->decl.at[k]->name);
    }
    for (int k = 0; prim_table[k].name; k++)
        VEC_PUSH(e->a, &e->known, prim_table[k].name);
    for (int k = 0; k < (int)ARRAY_LEN(clocks); k++)
        VEC_PUSH(e->a, &e->known, clocks[k]);
    return diag_closest(name, e->known.at, e->known.n);
}
