/*
 * warn.c -- what is allowed but probably not meant.
 *
 *   zero-gradient  an attack whose gradient is 0 everywhere or is stopped
 *   softmax-loss   a loss of logits applied to probabilities
 *   no-range       an attack on an input without a declared range
 *   wide-eps       a radius wider than the range of the input
 *   unused         a name nobody uses
 *
 * Others are found once the values of an entry are known: warn_value.c,
 * warn_random.c, warn_batch.c.
 *
 * `# allow NAME` silences one where it stands.
 */
#include "sema/elab.h"

#include "autodiff/autodiff.h"

#include <math.h>
#include <string.h>

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

void warn_call(Elab *e, Decl *fn, const Frame *f, const Arg *arg, int n,
               const Value *result)
{
    static const char *const makers[] = {"softmax", "log_softmax", NULL};
    static const char *const losses[] = {"cross_entropy", "margin_loss",
                                         "dlr_loss", "logsumexp", NULL};

    if (!fn->mod->library)
        return;
    if (is_one_of(fn->name, makers) && result->kind == V_TENSOR)
        VEC_PUSH(e->a, &e->soft, ((Soft){result->val, fn->name}));
    if (!is_one_of(fn->name, losses) || n == 0 || arg[0].v.kind != V_TENSOR)
        return;
    for (int k = 0; k < e->soft.n; k++) {
        if (e->soft.at[k].val != arg[0].v.val)
            continue;
        sema_warn(e, f->call, "softmax-loss", "\"%s\" takes logits, but this "
                              "is "
                  "the result of \"%s\"", fn->name, e->soft.at[k].by);
        return;
    }
}

/* The radius of an attack as far as it is known: a constant, or the default of
 * the option it is. */
static bool radius(Elab *e, const Value *v, double *out)
{
    if (is_number(v)) {
        *out = v->num;
        return true;
    }
    if (v->kind != V_TENSOR || v->val->op != OP_input ||
        v->val->attr.i[0] != INPUT_OPTION)
        return false;
    for (int k = 0; k < e->u->option.n; k++)
        if (e->u->option.at[k].name == v->val->attr.s) {
            *out = e->u->option.at[k].value;
            return true;
        }
    return false;
}

static bool mentions(const Ast *x, const char *name)
{
    if (x == NULL || (x->kind == AST_name && x->text == name))
        return x != NULL;
    for (int k = 0; k < x->n; k++)
        if (mentions(x->kid[k], name))
            return true;
    return false;
}

/* The radius: a formal eps, or else the option or const of that name that the
 * attack reads. */
static bool radius_of(Elab *e, const Frame *f, double *out)
{
    const char *name = intern("eps");
    Value v = ABSENT;

    for (int k = 0; k < f->bind.n; k++)
        if (f->bind.at[k].name == name)
            v = f->bind.at[k].v;
    Decl *d = v.kind == V_ABSENT ? module_own(f->mod, name) : NULL;
    if (d && mentions(f->decl->kid[2], name) &&
        (d->kind == DECL_OPTION || d->kind == DECL_CONST))
        v = decl_value(e, d, d->ast->name_span);
    return radius(e, &v, out);
}

/* The input and the radius are told by their names, x and eps. */
void warn_attack(Elab *e, const Frame *f, Span at)
{
    const Binding *x = NULL;
    double lo, hi, r;

    if (at.src == NULL) // an entry of its own: its calls have warned
        at = f->decl->name_span;
    for (int k = 0; k < f->bind.n; k++)
        if (strcmp(f->bind.at[k].name, "x") == 0)
            x = &f->bind.at[k];
    if (x == NULL || x->v.kind != V_TENSOR)
        return;
    if (!range_of(e, &x->v, &lo, &hi)) {
        if (f->mod->library)
            sema_warn(e, at, "no-range", "the attack \"%s\" does not know the "
                      "range of its input: nothing keeps the result in it",
                      f->name);
        return;
    }
    if (radius_of(e, f, &r) && r > hi - lo)
        sema_warn(e, at, "wide-eps", "the radius %g is wider than the range "
                  "[%g, %g] of the input", r, lo, hi);
}

void warn_gradient(Elab *e, Val y, Val x, Span at)
{
    Val blocked = NULL;

    if (e->attacks == 0 || ad_active(y, x, &blocked))
        return;
    sema_warn(e, at, "zero-gradient", "this gradient of an attack is 0 "
              "everywhere%s%s%s", blocked ? ": \"" : "",
              blocked ? op_info[blocked->op].name : "",
              blocked ? "\" stops it" : "");
    if (blocked && blocked->span.src)
        sema_note(e, blocked->span, "it is stopped here");
}

/* --- names nobody reads -------------------------------------------------- */

/* Collects the names that are read in the tree. The target of an assignment is
 * no reading, but an index of it is. */
static void find_reads(Elab *e, const Ast *x, Names *reads)
{
    if (x == NULL)
        return;
    if (x->kind == AST_name)
        names_put(e->a, reads, x->text, (void *)1);
    for (int k = 0; k < x->n; k++) {
        bool target = x->kind == AST_assign && k == 0;
        if (!target || x->kid[k]->kind == AST_index)
            find_reads(e, x->kid[k], reads);
    }
}

static bool is_read(const Names *reads, const char *name)
{
    return names_get(reads, name) != NULL;
}

static void unused(Elab *e, Span at, const char *what, const char *name)
{
    if (name && name[0] != '_')
        sema_warn(e, at, "unused", "the %s \"%s\" is never used", what, name);
}

/* Names assigned or declared in a body. A state counts as read by the
 * checkpoint. */
static void unused_in(Elab *e, const Names *reads, const Ast *s)
{
    if (s == NULL)
        return;
    if (s->kind == AST_assign && s->kid[0]->kind == AST_name) {
        if (!is_read(reads, s->kid[0]->text))
            unused(e, s->kid[0]->span, "name", s->kid[0]->text);
    } else if (s->kind == AST_param) {
        if (!is_read(reads, s->text))
            unused(e, s->name_span, "parameter", s->text);
    } else if (s->kind == AST_block || s->kind == AST_repeat ||
               s->kind == AST_for_ || s->kind == AST_if_) {
        for (int k = 0; k < s->n; k++)
            unused_in(e, reads, s->kid[k]);
    }
}

static void unused_formals(Elab *e, const Names *reads, const Ast *c)
{
    const Ast *list = formals_of(c);
    // an attack is called with the fields, an optimizer with p and g
    int from = is_flavour(c, "attack")      ? list->n
               : is_flavour(c, "optimizer") ? 2 : 0;

    for (int k = from; k < list->n; k++)
        if (!is_read(reads, list->kid[k]->text))
            unused(e, list->kid[k]->name_span, "argument", list->kid[k]->text);
}

/* What is declared in one callable or train. */
static void unused_inside(Elab *e, const Ast *x)
{
    Names reads = {0};

    find_reads(e, x, &reads);
    if (x->kind == AST_callable)
        unused_formals(e, &reads, x);
    unused_in(e, &reads, x->kid[2]);
}

void warn_unused(Elab *e, const Ast *file)
{
    Names reads = {0};

    if (diag_nerrors(e->d) > 0)
        return;
    find_reads(e, file, &reads);
    for (int k = 0; k < file->n; k++) {
        const Ast *x = file->kid[k];
        if (x->kind == AST_callable) {
            bool entry = is_flavour(x, "net") || is_flavour(x, "attack");
            if (!entry && !is_read(&reads, x->text))
                unused(e, x->name_span, x->flavour, x->text);
            unused_inside(e, x);
        } else if (x->kind == AST_consts || x->kind == AST_option) {
            if (!is_read(&reads, x->text))
                unused(e, x->name_span,
                       x->kind == AST_consts ? "const" : "option", x->text);
        } else if (x->kind == AST_train) {
            unused_inside(e, x);
        }
    }
}
