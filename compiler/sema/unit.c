/*
 * unit.c -- the program as a whole: options, data sets, then every entry.
 *
 * Trains come first, as they declare the parameters and states that others
 * read; INIT is last to be built (all variables are known then) and first in
 * the list.
 */
#include "sema/elab.h"

#include <math.h>
#include <string.h>

/* --- options ------------------------------------------------------------- */

/* Flags every executable has; an option cannot be called so. */
static const char *const taken[] = {
    "weights", "seed", "threads", "batch", "limit", "data", "json", "quiet",
    "epochs", "out", "in", "resume", "save-every", "count", "reps", "help",
    "version", "n", "checkpoint", "plots"};

static void declare_option(Elab *e, Decl *d)
{
    const Ast *ast = d->ast;
    Frame frame = {.kind = FRAME_CONST, .mod = d->mod};
    OptionDecl o = {.name = d->name, .doc = "", .lo = -INFINITY,
                    .hi = INFINITY, .span = ast->name_span};

    e->frame = &frame;
    TypeSpec t = type_eval(e, ast->kid[0]);
    if (t.ok && (t.shape.rank || t.nclass)) {
        sema_error(e, ast->kid[0]->span, "an option is a real, int or bool");
        t.ok = false;
    }
    Arg x = eval_arg(e, ast->kid[1]);
    Value v = t.ok ? type_fit(e, &t, &x, arena_printf(e->a, "the default of "
                              "\"%s\"", d->name), ast->kid[0]) : POISON;
    if (v.kind != V_POISON && !is_known(&v))
        v = error_phase(e, x.span, "the default of an option", &v);
    for (int k = 0; k < (int)ARRAY_LEN(taken); k++)
        if (strcmp(taken[k], d->name) == 0)
            v = sema_error(e, ast->name_span, "every executable has a flag "
                           "--%s; the option needs another name", d->name);
    for (int k = 0; k < e->u->option.n; k++)
        if (e->u->option.at[k].name == d->name)
            v = sema_error(e, ast->name_span, "two modules declare the option "
                           "\"%s\"", d->name);
    e->frame = NULL;
    if (v.kind == V_POISON)
        return;
    if (t.ranged) {
        o.lo = t.lo;
        o.hi = t.hi;
    }
    if (ast->n > 2 && ast->kid[2])
        o.doc = ast->kid[2]->text;
    o.kind = t.dt == DT_bool ? OPT_BOOL : t.dt == DT_i32 ? OPT_INT : OPT_REAL;
    o.value = v.kind == V_BOOL ? (double)v.i : v.num;
    d->index = e->u->option.n;
    VEC_PUSH(e->a, &e->u->option, o);
}

/* --- data ---------------------------------------------------------------- */

static bool declare_field(Elab *e, const Ast *ast, FieldDecl *f)
{
    TypeSpec t = type_eval(e, ast->kid[0]);

    *f = (FieldDecl){.name = ast->text, .lo = -INFINITY, .hi = INFINITY,
                     .nclass = t.nclass, .span = ast->name_span};
    f->type = type_of(t.dt, true, t.shape);
    if (t.ranged) {
        f->lo = t.lo;
        f->hi = t.hi;
    }
    if (t.nclass) {
        f->lo = 0;
        f->hi = (double)t.nclass - 1;
    }
    if (t.ok && t.nclass && t.shape.rank) {
        sema_error(e, ast->kid[0]->span, "a class label is a scalar");
        return false;
    }
    return t.ok;
}

static void data_argument(Elab *e, const Ast *a, DataDecl *d)
{
    const Ast *value = a->kind == AST_arg ? a->kid[0] : a;
    Arg x = eval_arg(e, value);

    if (x.v.kind == V_POISON)
        return;
    if (x.v.kind != V_STRING && !is_known(&x.v)) {
        sema_error(e, x.span, "a data set is described by strings and numbers, "
                              "not %s", value_text(e, &x.v));
        return;
    }
    d->arg_name[d->narg] = a->kind == AST_arg && a->text ? a->text : "";
    d->arg[d->narg++] = x.v.kind == V_STRING ? x.v.s : value_text(e, &x.v);
}

static void declare_data(Elab *e, Decl *decl)
{
    static const char *const readers[] = {"idx", "cifar10", "cifar100", "npy",
                                          "npz"};
    const Ast *ast = decl->ast, *call = ast->kid[0], *fields = ast->kid[1];
    const Ast *reader = call->kind == AST_call ? call->kid[0] : call;
    DataDecl d = {.name = decl->name, .span = ast->name_span};
    Frame frame = {.kind = FRAME_CONST, .mod = decl->mod};
    bool ok = reader->kind == AST_name, known = false;

    d.reader = ok ? reader->text : "";
    for (int k = 0; k < (int)ARRAY_LEN(readers); k++)
        known = known || strcmp(readers[k], d.reader) == 0;
    if (!known) {
        const char *close = diag_closest(d.reader, readers,
                                         ARRAY_LEN(readers));
        sema_error(e, reader->span, "unknown reader \"%s\": there are idx, "
                   "cifar10, cifar100, npy and npz", d.reader);
        if (close)
            sema_help(e, "did you mean \"%s\"?", close);
        ok = false;
    }
    e->frame = &frame;
    int nargs = call->kind == AST_call ? call->n - 1 : 0;
    d.arg = NEW_N(e->a, const char *, nargs + 1);
    d.arg_name = NEW_N(e->a, const char *, nargs + 1);
    for (int k = 0; k < nargs; k++)
        data_argument(e, call->kid[k + 1], &d);
    d.nfield = fields->n;
    d.field = NEW_N(e->a, FieldDecl, fields->n + 1);
    for (int k = 0; k < fields->n; k++) {
        ok = declare_field(e, fields->kid[k], &d.field[k]) && ok;
        for (int i = 0; i < k; i++)
            if (d.field[i].name == d.field[k].name) {
                sema_error(e, d.field[k].span, "\"%s\" has two fields \"%s\"",
                           d.name, d.field[k].name);
                ok = false;
            }
    }
    e->frame = NULL;
    if (!ok)
        return;
    decl->index = e->u->data.n;
    VEC_PUSH(e->a, &e->u->data, d);
}

/* --- entries ------------------------------------------------------------- */

static void build_init(Elab *e)
{
    Entry entry = {.kind = ENTRY_INIT, .name = "init", .doc = "", .data = -1,
                   .split = "", .check = -1};
    EntryBuild b;
    Frame frame;

    entry_begin(e, &b, ENTRY_INIT, "init", NULL, &frame, e->main);
    for (int k = 0; k < e->u->var.n; k++)
        entry_output(e, OUT_VAR, k, e->u->var.at[k].path, "",
                     e->u->var.at[k].span, e->u->var.at[k].init);
    entry_finish(e, &b, &entry);
    if (diag_nerrors(e->d) > 0 || e->dead)
        return;
    e->u->entry.at[0] = e->u->entry.at[e->u->entry.n - 1];
    e->u->entry.n--;
}

static void unique_entries(Elab *e)
{
    for (int k = 1; k < e->u->entry.n; k++)
        for (int i = 1; i < k; i++) {
            Entry *a = &e->u->entry.at[i], *b = &e->u->entry.at[k];
            if (a->kind != b->kind || a->kind == ENTRY_FOLD ||
                a->kind == ENTRY_ROLLBACK || a->kind == ENTRY_EPOCH || strcmp(a->name, b->name) != 0)
                continue;
            sema_error(e, b->span, "two entries are called \"%s\"", b->name);
            sema_note(e, a->span, "the other one is here");
        }
}

static void build_entries(Elab *e)
{
    const Ast *file = e->main->file;
    Entry placeholder = {.kind = ENTRY_INIT, .check = -1};

    VEC_PUSH(e->a, &e->u->entry, placeholder);
    for (int k = 0; k < file->n && !e->dead; k++)
        if (file->kid[k]->kind == AST_train)
            unit_train(e, file->kid[k]);
    for (int k = 0; k < file->n && !e->dead; k++)
        if (file->kid[k]->kind == AST_evaluate)
            unit_evaluate(e, file->kid[k]);
    for (int k = 0; k < e->main->decl.n && !e->dead; k++) {
        Decl *d = e->main->decl.at[k];
        if (d->kind == DECL_CALLABLE && is_flavour(d->ast, "attack"))
            unit_attack(e, d, d->over.at[0]);
    }
    for (int k = 0; k < e->main->decl.n && !e->dead; k++) {
        Decl *d = e->main->decl.at[k];
        if (d->kind == DECL_CALLABLE && is_flavour(d->ast, "net"))
            unit_infer(e, d, d->over.at[0]);
    }
    for (int k = 0; k < file->n && !e->dead; k++)
        if (file->kid[k]->kind == AST_sample)
            unit_sample(e, file->kid[k]);
    if (!e->dead)
        unique_entries(e);
    if (e->u->entry.n == 1 && diag_nerrors(e->d) == 0)
        sema_error(e, (Span){.src = e->main->src}, "the program has nothing to "
                   "run: no train, evaluate, attack, net or sample entry");
    if (!e->dead)
        build_init(e);
}

static void build(Elab *e, const Ast *file, const Source *src)
{
    e->core = module_load(e, "core", (Span){0});
    e->optim = module_load(e, "optim", (Span){0});
    e->main = module_new(e, "main", src, file, false);
    if (diag_nerrors(e->d) > 0)
        return;
    module_defines(e);
    for (int m = 0; m < e->module.n; m++) {
        Frame frame = {.kind = FRAME_CONST, .mod = e->module.at[m]};
        e->frame = &frame;
        module_check(e, e->module.at[m]);
        e->frame = NULL;
    }
    for (int m = 0; m < e->module.n; m++)
        for (int k = 0; k < e->module.at[m]->decl.n; k++) {
            Decl *d = e->module.at[m]->decl.at[k];
            if (d->kind == DECL_OPTION)
                declare_option(e, d);
            else if (d->kind == DECL_DATA)
                declare_data(e, d);
        }
    build_entries(e);
    if (!e->dead)
        warn_unused(e, file);
}

/* "fashion" of "examples/fashion.rnn". */
static const char *program_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    return intern_n(name, dot && dot > name ? (size_t)(dot - name)
                                            : strlen(name));
}

Unit *sema_build(Arena *unit, Diag *d, const Ast *file, const Source *src,
                 const SemaOptions *opt)
{
    Elab *e = NEW(unit, Elab);

    e->a = unit;
    e->d = d;
    e->opt = opt;
    e->real = opt->real;
    e->g = graph_new(unit);
    e->u = NEW(unit, Unit);
    e->u->name = program_name(src->name);
    e->u->source = src;
    e->u->real = opt->real;
    e->u->g = e->g;
    if (diag_nerrors(d) == 0)
        build(e, file, src);
    sema_flush(e);
    return e->u;
}
