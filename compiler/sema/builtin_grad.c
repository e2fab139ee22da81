/*
 * builtin_grad.c -- grad(e, v), the range a field was declared with, known(),
 * error().
 */
#include "sema/builtin.h"

#include <math.h>
#include <string.h>

/* --- grad ---------------------------------------------------------------- */

/* The scalar that is differentiated; NULL after an error. */
static Val function_of(Elab *e, const Arg *arg)
{
    Val y = need_real_val(e, arg, "what is differentiated");

    if (y == NULL || y->type.shape.rank == 0)
        return y;
    sema_error(e, arg->span, "only a scalar has a gradient, and this is %s",
               type_words(e, y->type));
    note_operand(e, arg);
    sema_help(e, "sum(..) makes a scalar of it");
    return NULL;
}

static Val variable_of(Elab *e, const Arg *arg)
{
    const Value *v = &arg->v;

    if (v->kind == V_FN) {
        sema_error(e, arg->span, "%s is no value, so there is no gradient in "
                                 "it", value_text(e, v));
        sema_help(e, "`minimize e over %s` takes the gradient of a batch's "
                     "mean in its parameters", v->decl->name);
        return NULL;
    }
    if (v->kind != V_TENSOR && v->kind != V_DRAW) {
        sema_error(e, arg->span, "a gradient is taken in a tensor, and this is "
                                 "%s", value_text(e, v));
        return NULL;
    }
    Val x = need_val(e, arg, "the variable of a gradient");
    if (x && !dtype_real(x->type.dt)) {
        sema_error(e, arg->span, "a gradient is taken in reals, and this is %s",
                   type_words(e, x->type));
        return NULL;
    }
    return x;
}

/*
 * Gradients computed from one another are expanded one after the other: an
 * unrolled loop of them would take for ever. A derivative of a derivative is
 * some times as large as what it differentiates, so their order is bounded too.
 */
static bool note_grad(Elab *e, Span at, const Val *src, GradNote *note)
{
    Arena *tmp = arena_new();
    int *uses = ir_uses(tmp, e->g, src, 2);

    *note = (GradNote){.depth = 1, .order = 1};
    for (int k = 0; k < e->grads.n; k++) {
        const GradNote *g = &e->grads.at[k];
        if (!uses[g->val->id])
            continue;
        if (g->depth >= note->depth)
            note->depth = g->depth + 1;
        if (g->order >= note->order && ir_reaches(g->val, src[1]))
            note->order = g->order + 1;
    }
    arena_free(tmp);
    if (note->order > ORDER_MAX) {
        sema_error(e, at, "a derivative of order %d: at most %d are possible",
                   note->order, ORDER_MAX);
    } else if (note->depth > GRADS_MAX) {
        sema_error(e, at, "more than %d gradients are computed from one "
                          "another", GRADS_MAX);
        sema_help(e, "`for` is unrolled when compiling; in a `repeat` there "
                     "is one gradient");
    }
    return note->order <= ORDER_MAX && note->depth <= GRADS_MAX;
}

static Value gradient(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val src[2] = {function_of(e, &arg[0]), NULL};

    src[1] = src[0] ? variable_of(e, &arg[1]) : NULL;
    if (src[1] == NULL)
        return POISON;
    if (src[0]->type.batched && !src[1]->type.batched) {
        sema_error(e, at, "the gradient of a value of each example in a shared "
                          "one");
        sema_note(e, arg[0].span, "this is %s",
                  type_words_batch(e, src[0]->type));
        sema_note(e, arg[1].span, "this is %s, shared by all examples",
                  type_words(e, src[1]->type));
        sema_help(e, "batch_sum(..) or batch_mean(..) makes one function of "
                     "those of all examples");
        return POISON;
    }
    if (!ir_reaches(src[0], src[1])) {
        sema_error(e, at, "the first argument is not computed from the second, "
                          "so the gradient would be 0");
        note_operand(e, &arg[1]);
        sema_help(e, "name the value first, use that name in the computation, "
                     "and differentiate in it");
        return POISON;
    }
    GradNote note;
    if (!note_grad(e, at, src, &note))
        return POISON;
    warn_gradient(e, src[0], src[1], at);
    note.val = node_make(e, at, p->op, NULL, src, 2);
    if (note.val) {
        VEC_PUSH(e->a, &e->grads, note);
        warn_attack_draws(e, note.val, at);
    }
    return value_tensor(note.val);
}

/* d (m exp s) = dm exp s: the scale carries no gradient. */
Value prim_grad(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Arg m[2] = {arg[0], arg[1]};

    if (arg[0].v.kind != V_LOG)
        return gradient(e, p, arg, at);
    m[0].v = value_tensor(arg[0].v.val);
    Value g = gradient(e, p, m, at);
    if (g.kind == V_TENSOR)
        g = (Value){.kind = V_LOG, .val = g.val, .scale = arg[0].v.scale};
    return g;
}

/* --- lower, upper -------------------------------------------------------- */

static const FieldDecl *field_named(Elab *e, const char *name)
{
    if (strchr(name, '@')) // another example's
        name = intern_n(name, strcspn(name, "@"));
    for (int i = 0; i < e->u->data.n; i++)
        for (int k = 0; k < e->u->data.at[i].nfield; k++)
            if (e->u->data.at[i].field[k].name == name)
                return &e->u->data.at[i].field[k];
    return NULL;
}

/* The declared range of a field of x's shape that x is computed from. Loop
 * variables come from their initial values. */
static const FieldDecl *origin_field(Elab *e, Val x)
{
    Arena *tmp = arena_new();
    const FieldDecl *found = NULL;
    VEC(Val) todo = {0};
    bool *seen = NEW_N(tmp, bool, graph_nnodes(e->g) + 1);

    VEC_PUSH(tmp, &todo, x);
    for (int k = 0; k < todo.n && !found; k++) {
        Val v = todo.at[k];
        const Loop *l = v->op == OP_loopvar ? v->attr.loop : NULL;
        if (v->op == OP_input && v->attr.i[0] == INPUT_FIELD &&
            shape_eq(v->type.shape, x->type.shape) &&
            dtype_real(v->type.dt)) {
            const FieldDecl *f = field_named(e, v->attr.s);
            found = f && isfinite(f->lo) && isfinite(f->hi) ? f : NULL;
        }
        for (int i = 0; i < (l ? l->n : v->nsrc); i++) {
            Val s = l ? l->init[i] : v->src[i];
            if (!seen[s->id])
                VEC_PUSH(tmp, &todo, s);
            seen[s->id] = true;
        }
    }
    arena_free(tmp);
    return found;
}

bool range_of(Elab *e, const Value *v, double *lo, double *hi)
{
    const FieldDecl *f;

    if (v->kind == V_TENSOR && v->ranged) {
        *lo = v->lo;
        *hi = v->hi;
        return true;
    }
    f = v->kind == V_TENSOR ? origin_field(e, v->val) : NULL;
    *lo = f ? f->lo : -INFINITY;
    *hi = f ? f->hi : INFINITY;
    return f != NULL;
}

Value prim_bound(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    double lo, hi;

    (void)at;
    if (arg[0].v.kind != V_TENSOR && arg[0].v.kind != V_DRAW)
        return sema_error(e, arg[0].span, "%s takes a tensor, not %s", p->name,
                          value_text(e, &arg[0].v));
    range_of(e, &arg[0].v, &lo, &hi);
    return value_real(p->op == OP_min ? lo : hi);
}

Value prim_known(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)e;
    (void)p;
    (void)at;
    return value_bool(arg[0].v.kind != V_TENSOR && arg[0].v.kind != V_DRAW);
}

/* --- error --------------------------------------------------------------- */

/* error("text", value, ...): reported where the function was called. */
Value prim_error(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    const char *text = "";
    Frame *f = e->frame;

    (void)p;
    for (int k = 0; k < PRIM_ARGS && given(&arg[k]); k++)
        text = arena_printf(e->a, "%s%s", text,
                            arg[k].v.kind == V_STRING
                                ? arg[k].v.s : value_text(e, &arg[k].v));
    while (f->kind == FRAME_CALL && f->mod->library && f->caller &&
           f->caller->mod->library)
        f = f->caller;
    return sema_error(e, f->kind == FRAME_CALL ? f->call : at, "%s", text);
}
