/*
 * call.c -- calls: which overload, whose parameters, what comes back.
 *
 * A function is elaborated anew at each call with its own frame. A net opens
 * the scope of its one set of parameters, a layer one within its caller's, an
 * fn none: layers it calls belong to whoever called it.
 */
#include "sema/elab.h"

#include <string.h>

/* Can these arguments be all of this overload's? */
static bool takes(const Ast *callable, const Arg *arg, int n)
{
    const Ast *list = formals_of(callable);
    int required = 0, named = 0;

    if (n > list->n)
        return false;
    for (int k = 0; k < list->n; k++)
        required += list->kid[k]->kind != AST_formal || list->kid[k]->n < 2 ||
                    list->kid[k]->kid[1] == NULL;
    for (int k = 0; k < n; k++) {
        if (arg[k].name == NULL)
            continue;
        named = -1;
        for (int i = 0; i < list->n && named < 0; i++)
            named = list->kid[i]->text == arg[k].name ? i : -1;
        if (named < 0)
            return false;
    }
    return n >= required || named > 0;
}

static const Ast *choose(Elab *e, const Decl *fn, const Arg *arg, int n,
                         Span at)
{
    const Ast *best = NULL;

    if (fn->over.n == 1)
        return fn->over.at[0];
    for (int k = 0; k < fn->over.n; k++) {
        const Ast *over = fn->over.at[k];
        if (takes(over, arg, n) &&
            (!best || formals_of(over)->n < formals_of(best)->n))
            best = over;
    }
    if (best)
        return best;
    sema_error(e, at, "no \"%s\" takes these %d argument%s", fn->name, n,
               n == 1 ? "" : "s");
    for (int k = 0; k < fn->over.n; k++)
        sema_note(e, fn->over.at[k]->name_span, "one is %s",
                  signature_text(e, fn->over.at[k]));
    return NULL;
}

/* --- parameters of nets and layers --------------------------------------- */

static bool is_net(const Ast *c)
{
    return is_flavour(c, "net") || is_flavour(c, "dynamics");
}

static ParamScope *scope_new(Elab *e, const char *path)
{
    ParamScope *s = NEW(e->a, ParamScope);

    s->path = path;
    return s;
}

static ParamScope *net_scope(Elab *e, Decl *fn, Span at)
{
    for (int k = 0; k < e->net.n; k++) {
        if (e->net.at[k] == fn)
            return scope_new(e, fn->name);
        if (e->net.at[k]->name == fn->name) {
            sema_error(e, at, "two nets are called \"%s\"; their parameters "
                              "would have the same paths", fn->name);
            sema_note(e, e->net.at[k]->ast->name_span, "one is here");
            sema_note(e, fn->ast->name_span, "one is here");
            return NULL;
        }
    }
    VEC_PUSH(e->a, &e->net, fn);
    return scope_new(e, fn->name);
}

static ParamScope *layer_scope(Elab *e, Decl *fn, const Arg *name, Span at)
{
    ParamScope *in = e->frame->params;
    const char *part;
    int ordinal = 1;

    if (in == NULL) {
        sema_error(e, at, "the layer \"%s\" is called outside a net, so its "
                          "parameters would belong to nothing", fn->name);
        sema_help(e, "call it in a net, and call the net here");
        return NULL;
    }
    for (int k = 0; k < in->layer.n; k++)
        ordinal += in->layer.at[k] == fn->name;
    part = name ? intern(name->v.s) : internf("%s%d", fn->name, ordinal);
    for (int k = 0; k < in->used.n; k++)
        if (in->used.at[k] == part) {
            sema_error(e, name ? name->span : at, "the name \"%s\" is taken by "
                       "another layer of \"%s\"", part, in->path);
            return NULL;
        }
    VEC_PUSH(e->a, &in->used, part);
    VEC_PUSH(e->a, &in->layer, name ? NULL : fn->name);
    return scope_new(e, internf("%s.%s", in->path, part));
}

/* Takes `name: ".."` out of the arguments of a layer call. */
static bool layer_name(Elab *e, const Ast *callable, Arg *arg, int *n,
                       Arg *name)
{
    const Ast *list = formals_of(callable);

    for (int k = 0; k < list->n; k++)
        if (strcmp(list->kid[k]->text, "name") == 0)
            return true;
    for (int k = 0; k < *n; k++) {
        if (arg[k].name == NULL || strcmp(arg[k].name, "name") != 0)
            continue;
        *name = arg[k];
        memmove(&arg[k], &arg[k + 1], sizeof *arg * (size_t)(*n - k - 1));
        --*n;
        if (name->v.kind == V_STRING && *name->v.s &&
            strspn(name->v.s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                              "UVWXYZ0123456789_") == strlen(name->v.s))
            return true;
        sema_error(e, name->span, "the name of a layer is a string of letters, "
                                  "digits and \"_\", not %s",
                   value_text(e, &name->v));
        return false;
    }
    return true;
}

/* --- the call ------------------------------------------------------------ */

static Value run_body(Elab *e, Frame *f)
{
    const Ast *body = f->decl->kid[2], *type = f->decl->kid[1];
    Arg *r = &f->result;

    *r = (Arg){.v = VOID, .span = f->decl->name_span};
    if (body == NULL)
        return POISON;
    if (body->kind == AST_block)
        exec_block(e, body);
    else
        *r = eval_arg(e, body);
    if (e->dead || r->v.kind == V_POISON)
        return POISON;
    if (type == NULL)
        return r->v;
    if (r->v.kind == V_VOID) {
        sema_error(e, f->decl->name_span, "\"%s\" returns nothing", f->name);
        sema_note(e, type->span, "its result is declared here");
        return POISON;
    }
    TypeSpec t = type_eval(e, type);
    return type_fit(e, &t, r, arena_printf(e->a, "the result of \"%s\"",
                                           f->name), type);
}

static Value activate(Elab *e, Frame *f, Decl *fn, const Arg *arg, int n)
{
    bool attack = is_flavour(f->decl, "attack");
    const char *settings = "";
    Value v = POISON;

    if (e->ncalls >= CALLS_MAX) {
        e->mute = 0; // even in a trial: nothing comes after this
        sema_error(e, f->call, "calls are nested too deep: \"%s\" seems to "
                               "call itself without end (recursion)", f->name);
        e->dead = true;
        return POISON;
    }
    if (!eval_enter(e, f->call))
        return POISON;
    e->ncalls++;
    e->frame = f;
    e->attacks += attack;
    if (formals_bind(e, f->decl, arg, n, f->call)) {
        if (attack) {
            warn_attack(e, f, f->call);
            settings = attack_settings(e, f);
        }
        v = run_body(e, f);
    }
    e->attacks -= attack;
    e->frame = f->caller;
    e->ncalls--;
    eval_leave(e);
    if (attack && e->attacks == 0 && v.kind == V_TENSOR)
        attack_note(e, f, settings, v.val);
    net_order(e, fn, f, &v);
    if (v.kind != V_POISON)
        warn_call(e, fn, f, arg, n, &v);
    return v;
}

Value call_fn(Elab *e, Decl *fn, const Arg *given, int n, Span at)
{
    Arg *arg = arena_copy(e->a, given, sizeof *arg * (size_t)(n + 1));
    Arg name = {.v = ABSENT};
    bool layer = is_flavour(fn->ast, "layer");

    if (layer && !layer_name(e, fn->ast, arg, &n, &name))
        return POISON;
    const Ast *decl = choose(e, fn, arg, n, at);
    if (decl == NULL)
        return POISON;
    if (is_flavour(decl, "optimizer"))
        return sema_error(e, at, "the optimizer \"%s\" is called by `minimize "
                                 ".. using %s(..)` only", fn->name, fn->name);
    Frame f = {.kind = FRAME_CALL, .caller = e->frame, .mod = fn->mod,
               .decl = decl, .name = fn->name, .call = at, .loops = e->nloops};
    f.params = e->frame->params;
    if (layer || is_net(decl)) {
        f.owns_params = true;
        f.params = layer ? layer_scope(e, fn, name.v.kind == V_ABSENT ? NULL
                                                                  : &name, at)
                         : net_scope(e, fn, at);
        if (f.params == NULL)
            return POISON;
        f.state_before = arena_printf(e->a, "%s.", f.params->path);
        f.state_after = "";
    }
    return activate(e, &f, fn, arg, n);
}

Value call_optimizer(Elab *e, Decl *fn, const Arg *arg, int n, Span at,
                     const char *path)
{
    const Ast *decl = choose(e, fn, arg, n, at);

    if (decl == NULL)
        return POISON;
    Frame f = {.kind = FRAME_CALL, .caller = e->frame, .mod = fn->mod,
               .decl = decl, .name = fn->name, .call = at, .loops = e->nloops};
    f.state_before = arena_printf(e->a, "%s.", fn->name);
    f.state_after = arena_printf(e->a, ".%s", path);
    return activate(e, &f, fn, arg, n);
}

Value call_value(Elab *e, const Arg *callee, const Arg *arg, int n, Span at)
{
    switch (callee->v.kind) {
    case V_FN:
        return call_fn(e, callee->v.decl, arg, n, at);
    case V_PRIM:
        return prim_call(e, callee->v.prim, arg, n, at);
    case V_POISON:
        return POISON;
    default:
        sema_error(e, callee->span, "%s cannot be called",
                   value_text(e, &callee->v));
        note_operand(e, callee);
        return POISON;
    }
}

Value call_expr(Elab *e, const Ast *x)
{
    Arg callee = eval_arg(e, x->kid[0]);
    Arg *arg = NEW_N(e->a, Arg, x->n + 1); // one more than needed, for copies
    bool bad = callee.v.kind == V_POISON, named = false;

    if (x->n - 1 > ARGS_MAX)
        return sema_error(e, x->span, "more than %d arguments", ARGS_MAX);
    for (int k = 1; k < x->n; k++) {
        const Ast *a = x->kid[k];
        const Ast *value = a->kind == AST_arg ? a->kid[0] : a;
        arg[k - 1] = eval_arg(e, value);
        if (a->kind == AST_arg && a->text) {
            arg[k - 1].name = a->text;
            arg[k - 1].name_span = a->name_span;
            named = true;
        } else if (named) {
            bad = true;
            sema_error(e, a->span, "arguments without a name stand before "
                                   "those with one");
        }
        bad = bad || arg[k - 1].v.kind == V_POISON;
    }
    return bad ? POISON : call_value(e, &callee, arg, x->n - 1, x->span);
}
