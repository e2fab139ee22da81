/*
 * vars.c -- parameters and states: their paths, types, initial values.
 *
 * The first elaboration of a `param` or `state` declares it; later ones find
 * it by its path and must agree. Its initial value is elaborated there and
 * then, as a piece of the INIT entry: shared, with draws keyed by the path.
 */
#include "sema/elab.h"

#include <string.h>

int var_find(Elab *e, const char *path)
{
    const char *name = intern(path);
    intptr_t k = (intptr_t)names_get(&e->vars, name) - 1;

    return k >= 0 && k < e->u->var.n && e->u->var.at[k].path == name ? (int)k
                                                                     : -1;
}

Val var_node(Elab *e, int var)
{
    const VarDecl *v = &e->u->var.at[var];
    Type type = v->type;

    type.dt = real_now(e, type.dt);
    return input_node(e, INPUT_VAR, v->path, type, v->span);
}

/* --- states -------------------------------------------------------------- */

Value state_current(Elab *e, int var)
{
    EntryBuild *b = e->entry;

    if (b && var < b->state.n && b->state.at[var].kind != V_ABSENT)
        return b->state.at[var];
    return value_tensor(var_node(e, var));
}

void state_set(Elab *e, int var, Value v)
{
    EntryBuild *b = e->entry;

    while (b->state.n <= var)
        VEC_PUSH(e->a, &b->state, ABSENT);
    b->state.at[var] = v;
}

Value state_fit(Elab *e, int var, Value v, Span at)
{
    Type type = e->u->var.at[var].type;

    type.dt = real_now(e, type.dt);
    v = draw_settle(e, v, &type.shape);
    Val fit = node_convert(e, at, &v, type);
    if (fit)
        return value_tensor(fit);
    if (v.kind == V_POISON)
        return POISON;
    sema_error(e, at, "the state \"%s\" is %s and cannot become %s",
               e->u->var.at[var].path, type_words(e, type),
               v.kind == V_TENSOR ? type_words_batch(e, v.val->type)
                                  : value_text(e, &v));
    sema_note(e, e->u->var.at[var].span, "it is declared here");
    if (v.kind == V_TENSOR && v.val->type.batched)
        sema_help(e, "batch_mean(..) or batch_sum(..) makes one value of those "
                     "of all examples");
    return POISON;
}

/* --- initial values ------------------------------------------------------ */

/* In an initial value other variables stand for their own initial values. */
static Val initial(void *env, Graph *g, Val old, Val rebuilt)
{
    Elab *e = env;

    (void)g;
    (void)rebuilt;
    if (old->op != OP_input || old->attr.i[0] != INPUT_VAR)
        return NULL;
    return e->u->var.at[var_find(e, old->attr.s)].init;
}

static bool is_initial(Elab *e, Val v, Span at)
{
    Arena *tmp = arena_new();
    const char *why = v->region ? "the index of a repeat" : NULL;
    int n;
    Val *all = ir_topo(tmp, &v, 1, NULL, &n);

    for (int k = 0; k < n && !why; k++) {
        InputKind kind = (InputKind)all[k]->attr.i[0];
        if (all[k]->op == OP_input && kind != INPUT_VAR && kind != INPUT_OPTION)
            why = all[k]->attr.s;
        if (all[k]->op == OP_batch_size)
            why = "the batch size";
    }
    arena_free(tmp);
    if (why)
        sema_error(e, at, "an initial value cannot depend on %s", why);
    return why == NULL;
}

/* The initial value as a shared node of the type, or of its own type. */
static Val eval_init(Elab *e, const char *path, const Ast *x,
                     const Ast *type_ast, bool typed, Type *type)
{
    EntryBuild init = {.kind = ENTRY_INIT, .name = "init",
                       .key = arena_printf(e->a, "init/%s", path)};
    EntryBuild *entry = e->entry;
    int nloops = e->nloops;
    DType real = e->real;

    e->entry = &init;
    e->nloops = 0;
    e->real = e->u->real;
    Arg v = eval_arg(e, x);
    Val node = NULL;
    if (v.v.kind == V_TENSOR && v.v.val->type.batched) {
        sema_error(e, x->span, "an initial value cannot be %s",
                   phase_text(e, &v.v));
        v.v = POISON;
    }
    if (typed)
        v.v = draw_settle(e, v.v, &type->shape);
    else if ((node = need_val(e, &v, "an initial value")) != NULL)
        *type = type_of(node->type.dt, false, node->type.shape);
    if (typed && v.v.kind != V_POISON)
        node = node_convert(e, x->span, &v.v, *type);
    if (typed && node == NULL && v.v.kind != V_POISON) {
        sema_error(e, x->span, "the initial value of \"%s\" is %s where %s is "
                               "wanted", path, value_text(e, &v.v),
                   type_words(e, *type));
        note_operand(e, &v);
        sema_note(e, type_ast->span, "the type is declared here");
    }
    if (node && !is_initial(e, node, x->span))
        node = NULL;
    if (node)
        ir_rewrite(e->g, &node, 1, initial, e);
    e->entry = entry;
    e->nloops = nloops;
    e->real = real;
    return node;
}

/* --- declarations -------------------------------------------------------- */

/* The variable at `path`, new or known; -1 after an error. */
static int declare(Elab *e, const Ast *s, const char *path, bool is_param,
                   const Ast *type_ast, const Ast *init)
{
    const char *word = is_param ? "parameter" : "state";
    Type type = {0};
    int var = var_find(e, path);

    if (type_ast) {
        TypeSpec t = type_eval(e, type_ast);
        if (!t.ok)
            return -1;
        type = type_of(t.dt, false, t.shape);
        if (dtype_real(type.dt) && e->real != e->u->real &&
            strcmp(type_ast->text, "real") == 0)
            type.dt = e->u->real;
    }
    if (var >= 0) {
        const VarDecl *old = &e->u->var.at[var];
        if ((!type_ast || type_eq(old->type, type)) &&
            old->is_param == is_param)
            return var;
        sema_error(e, s->name_span, "the %s \"%s\" is %s here and %s elsewhere",
                   word, path, type_words(e, type),
                   type_words(e, old->type));
        sema_note(e, old->span, "it is declared here too");
        return -1;
    }
    if (is_param && !dtype_real(type.dt)) {
        sema_error(e, s->name_span, "the parameter \"%s\" must be real, not %s",
                   path, type_words(e, type));
        return -1;
    }
    Val node = eval_init(e, path, init, type_ast, type_ast != NULL, &type);
    if (node == NULL)
        return -1;
    VEC_PUSH(e->a, &e->u->var,
             ((VarDecl){intern(path), type, is_param, node, s->name_span,
                         warn_place(e, s->name_span)}));
    names_put(e->a, &e->vars, intern(path), (void *)(intptr_t)e->u->var.n);
    return e->u->var.n - 1;
}

/* Declared twice in one activation: the second would silently be the first. */
static bool is_new(Elab *e, const Ast *s)
{
    Binding *b = frame_find(e->frame, s->text);

    if (b == NULL || !b->fixed) // a formal of the name is hidden
        return true;
    sema_error(e, s->name_span, "\"%s\" is declared twice", s->text);
    sema_note(e, b->span, "it is declared here");
    return false;
}

void exec_param(Elab *e, const Ast *s)
{
    Frame *f = e->frame;

    if (!f->owns_params) {
        sema_error(e, s->span, "param stands only in a net or layer");
        frame_bind(e, f, s->text, POISON, s->name_span);
        return;
    }
    if (!is_new(e, s))
        return;
    const char *path = arena_printf(e->a, "%s.%s", f->params->path, s->text);
    int var = declare(e, s, path, true, s->kid[0], s->kid[1]);
    frame_bind(e, f, s->text, var < 0 ? POISON : value_tensor(var_node(e, var)),
               s->name_span);
    Binding *b = frame_find(f, s->text);
    if (b)
        b->fixed = true;
}

void exec_state(Elab *e, const Ast *s)
{
    Frame *f = e->frame;

    if (f->state_before == NULL) {
        sema_error(e, s->span, "state stands only in a train, an optimizer, a "
                               "net or a layer");
        frame_bind(e, f, s->text, POISON, s->name_span);
        return;
    }
    if (!is_new(e, s))
        return;
    const char *path = arena_printf(e->a, "%s%s%s", f->state_before, s->text,
                                    f->state_after);
    int var = declare(e, s, path, false, s->n > 1 ? s->kid[0] : NULL,
                      s->kid[s->n - 1]);
    frame_bind(e, f, s->text, var < 0 ? POISON : state_current(e, var),
               s->name_span);
    Binding *b = frame_find(f, s->text);
    if (b) {
        b->var = var;
        b->fixed = true;
    }
}
