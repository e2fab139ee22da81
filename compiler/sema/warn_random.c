/*
 * warn_random.c -- random-net: an attack that follows the gradient of one draw
 * of a random model.
 *
 * A draw belongs to the model if it is made in a net or layer that an attack
 * calls, or in a function the attack was given. The gradient passes it if the
 * loss needs it otherwise than through the variable. It is averaged if it
 * stands in a repeat that the variable does not stand in, or if the draws of
 * its place come from several streams: in one loss, or in several gradients in
 * the same variable. An attack's own draws are its own affair.
 */
#include "sema/elab.h"

#include <string.h>

static bool is_given(const Frame *attack, const Frame *f)
{
    for (int k = 0; k < attack->bind.n; k++) {
        const Value *v = &attack->bind.at[k].v;
        if (v->kind != V_FN)
            continue;
        for (int i = 0; i < v->decl->over.n; i++)
            if (v->decl->over.at[i] == f->decl)
                return true;
    }
    return false;
}

static bool is_model(const Frame *f)
{
    return is_flavour(f->decl, "net") || is_flavour(f->decl, "layer") ||
           is_flavour(f->decl, "dynamics");
}

static bool in_model(const Elab *e)
{
    const Frame *attack = e->frame;
    bool model = false;

    while (attack && !(attack->kind == FRAME_CALL &&
                       is_flavour(attack->decl, "attack")))
        attack = attack->caller;
    for (const Frame *f = e->frame; attack && f != attack; f = f->caller)
        model = model || (f->kind == FRAME_CALL &&
                          (is_model(f) || is_given(attack, f)));
    return model;
}

void warn_draw(Elab *e, int64_t stream, Span at)
{
    if (e->attacks > 0 && in_model(e))
        VEC_PUSH(e->a, &e->model_draw,
                 ((ModelDraw){stream, warn_place(e, at)}));
}

/* --- at a gradient ------------------------------------------------------- */

static const ModelDraw *model_draw(const Elab *e, Val v)
{
    for (int k = 0; op_info[v->op].attr == ATTR_RAND && k < e->model_draw.n;
         k++)
        if (e->model_draw.at[k].stream == v->attr.i[0])
            return &e->model_draw.at[k];
    return NULL;
}

/* Made anew wherever the variable changes, and only there. Several samples in
 * one tensor are an average too. */
static bool is_single(Val draw, Val x)
{
    const Loop *mine = draw->region, *its = x->region;

    return (mine == NULL || ir_inside(x, mine)) &&
           (its == NULL || ir_inside(draw, its)) &&
           draw->type.shape.rank <= x->type.shape.rank;
}

static bool same_place(Span a, Span b)
{
    return a.src == b.src && a.lo == b.lo && a.hi == b.hi;
}

static void note_draw(Elab *e, Val grad, const ModelDraw *m, Span at)
{
    AttackDraw new = {grad, grad->src[1], *m, at, false};

    for (int k = 0; k < e->attack_draw.n; k++) {
        AttackDraw *d = &e->attack_draw.at[k];
        if (d->by != new.by || !same_place(d->draw.at, m->at))
            continue;
        if (d->draw.stream != m->stream)
            d->averaged = new.averaged = true;
    }
    VEC_PUSH(e->a, &e->attack_draw, new);
}

void warn_attack_draws(Elab *e, Val grad, Span at)
{
    Val y = grad->src[0], x = grad->src[1];
    VEC(Val) todo = {0};

    if (e->attacks == 0 || e->model_draw.n == 0)
        return;
    Arena *tmp = arena_new();
    bool *seen = NEW_N(tmp, bool, y->id + 1);
    VEC_PUSH(tmp, &todo, y);
    while (todo.n) {
        Val v = todo.at[--todo.n];
        const Loop *l = v->op == OP_loop ? v->attr.loop : NULL;
        const ModelDraw *m = model_draw(e, v);
        if (v == x)
            continue;
        if (m && is_single(v, x))
            note_draw(e, grad, m, warn_place(e, at));
        for (int k = 0; k < v->nsrc + (l ? l->n : 0); k++) {
            Val s = k < v->nsrc ? v->src[k] : l->next[k - v->nsrc];
            if (!seen[s->id])
                VEC_PUSH(tmp, &todo, s);
            seen[s->id] = true;
        }
    }
    arena_free(tmp);
}

/* --- at the end of an entry ---------------------------------------------- */

void warn_random(Elab *e, const Func *f)
{
    if (e->attack_draw.n == 0)
        return;
    Arena *tmp = arena_new();
    int *uses = ir_uses(tmp, e->g, f->out, f->nout);

    for (int k = 0; k < e->attack_draw.n; k++) {
        const AttackDraw *d = &e->attack_draw.at[k];
        if (d->averaged || !uses[d->grad->id])
            continue;
        sema_warn(e, d->at, "random-net", "this gradient of an attack is that "
                  "of a single random draw of the model");
        sema_note(e, d->draw.at, "the draw is made here");
        sema_help(e, "average the loss over several draws: repeat n { l = l + "
                     "loss(f(x), y) }");
    }
    arena_free(tmp);
}
