/*
 * entry.c -- what all entry points share: their frame, the fields of their
 * data, their outputs.
 */
#include "sema/elab.h"

#include <math.h>
#include <string.h>

void entry_begin(Elab *e, EntryBuild *b, EntryKind kind, const char *name,
                 const DataDecl *data, Frame *frame, Module *mod)
{
    static const char *const word[] = {"init", "train", "evaluate", "attack",
                                       "infer", "sample", "train", "fold",
                                       "epoch", "rollback", "rival"};

    *frame = (Frame){.kind = FRAME_ENTRY, .mod = mod, .name = name};
    *b = (EntryBuild){.kind = kind, .name = name, .data = data,
                      .frame = frame, .draws_batched = true};
    b->key = arena_printf(e->a, "%s/%s", word[kind], name);
    b->demoted = NEW_N(e->a, const char *, ARGS_MAX);
    e->entry = b;
    e->frame = frame;
    if (data)
        entry_bind_fields(e, data);
}

void entry_output(Elab *e, OutKind kind, int ref, const char *name,
                  const char *text, Span span, Val v)
{
    EntryBuild *b = e->entry;

    VEC_PUSH(e->a, &b->output,
             ((Output){kind, ref, intern(name), text, span, FOLD_SUM}));
    VEC_PUSH(e->a, &b->out, v);
}

void entry_finish(Elab *e, EntryBuild *b, Entry *out)
{
    const char **names = NEW_N(e->a, const char *, b->out.n + 1);
    char err[1024];

    for (int k = 0; k < b->out.n; k++)
        names[k] = b->output.at[k].name;
    out->kind = b->kind;
    out->name = b->name;
    out->func = (Func){.name = b->name, .g = e->g, .nout = b->out.n,
                       .out = b->out.at, .out_name = names};
    out->output = b->output.at;
    e->entry = NULL;
    e->frame = NULL;
    sema_flush(e);
    if (diag_nerrors(e->d) > 0 || e->dead)
        return;
    if (!ir_verify(&out->func, true, err, sizeof err))
        internal_error("elaboration built a wrong graph for \"%s\": %s",
                       b->name, err);
    warn_values(e, b, &out->func);
    if (b->kind == ENTRY_EVALUATE || b->kind == ENTRY_ATTACK) {
        warn_random(e, &out->func);
        warn_batch(e, &out->func, out->output);
    }
    sema_flush(e);
    VEC_PUSH(e->a, &e->u->entry, *out);
}

/* --- data ---------------------------------------------------------------- */

Value field_value(Elab *e, const FieldDecl *f)
{
    Type type = f->type;

    type.dt = real_now(e, type.dt);
    Value v = value_tensor(input_node(e, INPUT_FIELD, f->name, type, f->span));
    v.ranged = isfinite(f->lo) && isfinite(f->hi);
    v.lo = f->lo;
    v.hi = f->hi;
    return v;
}

void entry_bind_fields(Elab *e, const DataDecl *d)
{
    for (int k = 0; k < d->nfield; k++)
        frame_bind(e, e->frame, d->field[k].name, field_value(e, &d->field[k]),
                   d->field[k].span);
}

/* `on NAME.SPLIT`: which data set and which part of it. */
bool split_of(Elab *e, const Ast *on, int *data, const char **split)
{
    static const char *const splits[] = {"train", "test"};
    Module *m = e->main;
    Frame frame = {.kind = FRAME_CONST, .mod = m};
    bool ok = false;

    if (on == NULL)
        return false;
    e->frame = &frame;
    Arg v = eval_arg(e, on);
    if (v.v.kind == V_DATA) {
        sema_error(e, on->span, "which part of \"%s\"?", v.v.decl->name);
        sema_help(e, "%s.train or %s.test", v.v.decl->name, v.v.decl->name);
    } else if (v.v.kind != V_SPLIT) {
        if (v.v.kind != V_POISON)
            sema_error(e, on->span, "a data set is wanted here, as in "
                                    "`on NAME.test`, not %s",
                       value_text(e, &v.v));
    } else {
        *data = v.v.decl->index;
        for (int k = 0; k < (int)ARRAY_LEN(splits); k++)
            if (strcmp(splits[k], v.v.s) == 0) {
                *split = splits[k];
                ok = *data >= 0;
            }
        if (!ok && *data >= 0) {
            const char *close = diag_closest(v.v.s, splits, 2);
            sema_error(e, on->span, "the data set \"%s\" has no split \"%s\": "
                       "there are train and test", v.v.decl->name, v.v.s);
            if (close)
                sema_help(e, "did you mean \"%s\"?", close);
        }
    }
    e->frame = NULL;
    return ok;
}

/* A header value like `batch 128`, or `otherwise`. */
bool header_int(Elab *e, const Ast *list, const char *name, int64_t otherwise,
                int64_t lo, int64_t *out)
{
    Frame frame = {.kind = FRAME_CONST, .mod = e->main};
    bool ok = true;

    *out = otherwise;
    e->frame = &frame;
    for (int k = 0; list && k < list->n; k++) {
        const Ast *a = list->kid[k];
        if (a->text == NULL || strcmp(a->text, name) != 0)
            continue;
        Arg x = eval_arg(e, a->kid[0]);
        ok = need_int(e, &x, arena_printf(e->a, "\"%s\"", name), out);
        if (ok && (*out < lo || *out > INT32_MAX)) {
            sema_error(e, x.span, "\"%s\" cannot be %lld", name,
                       (long long)*out);
            ok = false;
        }
    }
    e->frame = NULL;
    return ok;
}

/* --- names of rows and watched values ------------------------------------ */

/* What a value without a name is called: the function's name for a call, the
 * text itself for anything else. */
const char *label_of(Elab *e, const Ast *x)
{
    const char *label;

    if (x->kind == AST_name)
        label = x->text;
    else if (x->kind == AST_call && x->kid[0]->kind == AST_name &&
             prim_find(x->kid[0]->text) == NULL)
        label = x->kid[0]->text;
    else
        label = span_text(e->a, x->span);
    return e->entry->suffix
               ? arena_printf(e->a, "%s%s", label, e->entry->suffix) : label;
}

/* A scalar to be shown: a real or a bool. NULL after an error. */
Val shown_scalar(Elab *e, const Arg *x, const char *what)
{
    Val v = need_val(e, x, what);

    if (v == NULL)
        return NULL;
    if (v->type.shape.rank) {
        sema_error(e, x->span, "%s must be a scalar, not %s", what,
                   type_words(e, v->type));
        note_operand(e, x);
        sema_help(e, "mean(..), sum(..) or max(..) makes a scalar of it");
        return NULL;
    }
    return v->type.dt == DT_i32 ? ir_cast(e->g, v, e->real) : v;
}
