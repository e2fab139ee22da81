/*
 * evaluate.c -- evaluate entries: one output per row.
 *
 * A row is a scalar assigned in the body, or a bare expression. Its record
 * names the attacks its value was computed with and their settings, so that a
 * printed number says how it came about.
 */
#include "sema/elab.h"

#include <math.h>
#include <string.h>

void row_add(Elab *e, const char *name, Value v, Span span)
{
    EntryBuild *b = e->entry;
    Arg x = {.v = v, .span = span};

    if (name == NULL)
        x.v = draw_settle(e, v, NULL);
    if (e->mute || x.v.kind == V_POISON)
        return;
    if (x.v.kind == V_STAT) {
        stat_add(e, name, &x.v, span);
        return;
    }
    if (x.v.kind != V_TENSOR || x.v.val->type.shape.rank ||
        x.v.val->type.dt == DT_i32) {
        if (name)
            return; // a name for use in other rows
        sema_error(e, span, "a row is a scalar, real or bool, of each example "
                            "or of the batch, and this is %s",
                   value_text(e, &x.v));
        return;
    }
    if (name && b->suffix)
        name = arena_printf(e->a, "%s%s", name, b->suffix);
    if (name == NULL)
        name = arena_printf(e->a, "%s%s", span_text(e->a, span),
                            b->suffix ? b->suffix : "");
    name = intern(name);
    for (int k = 0; k < b->out.n; k++)
        if (b->output.at[k].name == name) {
            b->out.at[k] = x.v.val;
            b->output.at[k].span = span;
            return;
        }
    entry_output(e, OUT_ROW, 0, name, "", span, x.v.val);
}

/* --- records of attacks -------------------------------------------------- */

/* Appends the options that the value depends on. */
static const char *options_of(Elab *e, const char *text, Val root)
{
    Arena *tmp = arena_new();
    int n;
    Val *all = ir_topo(tmp, &root, 1, NULL, &n);

    for (int k = 0; k < n; k++) {
        Val v = all[k];
        if (v->op != OP_input || v->attr.i[0] != INPUT_OPTION)
            continue;
        const char *mark = arena_printf(e->a, "{%s}", v->attr.s);
        if (!strstr(text, mark))
            text = arena_printf(e->a, "%s%s%s=%s", text, *text ? ", " : "",
                                v->attr.s, mark);
    }
    arena_free(tmp);
    return text;
}

const char *attack_settings(Elab *e, const Frame *f)
{
    const Ast *formals = formals_of(f->decl);
    const char *text = "", *value;

    for (int k = 0; k < formals->n; k++) {
        const Binding *b = NULL;
        for (int i = 0; i < f->bind.n && !b; i++)
            if (f->bind.at[i].name == formals->kid[k]->text)
                b = &f->bind.at[i];
        if (b == NULL)
            continue;
        if (is_known(&b->v))
            value = value_text(e, &b->v);
        else if (b->v.kind == V_FN && !is_flavour(b->v.decl->ast, "net"))
            value = b->v.decl->name;
        else if (b->v.kind == V_TENSOR && b->v.val->op == OP_input &&
                 b->v.val->attr.i[0] == INPUT_OPTION)
            value = arena_printf(e->a, "{%s}", b->v.val->attr.s);
        else
            continue;
        text = arena_printf(e->a, "%s%s%s=%s", text, *text ? ", " : "",
                            b->name, value);
    }
    return text;
}

void attack_note(Elab *e, const Frame *f, const char *set, Val result)
{
    EntryBuild *b = e->entry;

    if (b == NULL || b->kind != ENTRY_EVALUATE || result->op == OP_input)
        return;
    const char *text = options_of(e, set, result);
    VEC_PUSH(e->a, &b->attack,
             ((AttackNote){result, arena_printf(e->a, "%s(%s)", f->name,
                                                text)}));
}

static void record_rows(Elab *e, EntryBuild *b)
{
    for (int k = 0; k < b->out.n && b->attack.n; k++) {
        const char *text = "";
        Arena *tmp = arena_new();
        int *uses = ir_uses(tmp, e->g, &b->out.at[k], 1);
        for (int i = 0; i < b->attack.n; i++) {
            const AttackNote *a = &b->attack.at[i];
            if (!uses[a->result->id] || strstr(text, a->text))
                continue;
            text = arena_printf(e->a, "%s%s%s", text, *text ? "; " : "",
                                a->text);
        }
        arena_free(tmp);
        b->output.at[k].text = text;
    }
}

/* --- the entry ----------------------------------------------------------- */

void unit_evaluate(Elab *e, const Ast *decl)
{
    Entry entry = {.name = decl->text ? decl->text : "evaluate", .doc = "",
                   .data = -1, .check = -1, .span = decl->span};
    EntryBuild b;
    Frame frame;

    bool header = header_int(e, decl->kid[2], "batch", 0, 1, &entry.batch);
    if (decl->kid[0] == NULL)
        sema_error(e, decl->span, "an evaluate needs data: `evaluate NAME on "
                                  "NAME.test`");
    if (!split_of(e, decl->kid[0], &entry.data, &entry.split) || !header)
        return;
    entry_begin(e, &b, ENTRY_EVALUATE, entry.name,
                &e->u->data.at[entry.data], &frame, e->main);
    exec_block(e, decl->kid[3]);
    if (b.out.n == 0 && b.stat.n == 0 && diag_nerrors(e->d) == 0)
        sema_error(e, decl->span, "this evaluate has no row: assign a scalar "
                                  "in it");
    record_rows(e, &b);
    fold_entries(e, &b, &entry);
    entry.stat = b.stat.at;
    entry.nstat = b.stat.n;
    entry_finish(e, &b, &entry);
    if (decl->kid[1] && decl->kid[1]->n && diag_nerrors(e->d) == 0 && !e->dead)
        unit_rivals(e, decl->kid[1], &e->u->entry.at[e->u->entry.n - 1]);
}
