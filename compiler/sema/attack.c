/*
 * attack.c -- entries that functions of the program become: attacks, nets to
 * infer with, and samples.
 *
 * The numeric formals of an attack are options of its command. One that turns
 * out to be needed when compiling (a shape, an `if` statement) stays the
 * constant of its default: trials find out which.
 */
#include "sema/elab.h"

#include <math.h>
#include <string.h>

/* --- options of an entry ------------------------------------------------- */

static const Ast *formal_type(const Ast *formal)
{
    return formal->n > 0 && formal->kid[0] && formal->kid[0]->kind == AST_type
               ? formal->kid[0] : NULL;
}

static const Ast *formal_default(const Ast *formal)
{
    return formal->kind == AST_formal && formal->n > 1 ? formal->kid[1] : NULL;
}

/* The value of a default, if it is a constant; nothing is reported. */
static Value quiet_default(Elab *e, Module *mod, const Ast *x)
{
    Frame frame = {.kind = FRAME_CONST, .mod = mod, .caller = e->frame};
    Frame *caller = e->frame;
    int mute = e->mute++;

    e->frame = &frame;
    Value v = eval(e, x);
    e->frame = caller;
    e->mute = mute;
    return v;
}

/* Makes an option of a formal; false: its default is not a plain number. */
static bool option_of(Elab *e, Module *mod, const Ast *formal, OptionDecl *o)
{
    const Ast *type = formal_type(formal), *def = formal_default(formal);
    TypeSpec t = {0};

    if (def == NULL)
        return false;
    Value v = quiet_default(e, mod, def);
    if (!is_known(&v))
        return false;
    *o = (OptionDecl){.name = formal->text, .doc = "", .lo = -INFINITY,
                      .hi = INFINITY, .span = formal->name_span};
    o->value = v.kind == V_BOOL ? (double)v.i : v.num;
    o->kind = v.kind == V_BOOL ? OPT_BOOL : v.kind == V_INT ? OPT_INT
                                                            : OPT_REAL;
    if (type) {
        t = type_eval(e, type);
        if (!t.ok || t.shape.rank || t.nclass)
            return false;
        if (t.ranged) {
            o->lo = t.lo;
            o->hi = t.hi;
        }
        if (dtype_real(t.dt) && v.kind == V_INT)
            o->kind = OPT_REAL;
    }
    return true;
}

static Value option_input(Elab *e, const OptionDecl *o)
{
    DType dt = o->kind == OPT_REAL ? e->real : o->kind == OPT_INT ? DT_i32
                                                                  : DT_bool;

    return value_tensor(input_node(e, INPUT_OPTION, o->name,
                                   type_of(dt, false, shape_of(0)), o->span));
}

static bool clashes(Elab *e, const OptionDecl *o, const char *of)
{
    for (int k = 0; k < e->u->option.n; k++)
        if (e->u->option.at[k].name == o->name) {
            sema_error(e, o->span, "\"%s\" is both an option of the program "
                       "and a setting of \"%s\"", o->name, of);
            sema_note(e, e->u->option.at[k].span, "the option is here");
            sema_help(e, "give one of them another name");
            return true;
        }
    return false;
}

static bool is_demoted(const EntryBuild *b, const char *name, int n)
{
    for (int k = 0; k < n && k < ARGS_MAX; k++)
        if (b->demoted[k] == name)
            return true;
    return false;
}

/* --- attacks ------------------------------------------------------------- */

static const FieldDecl *field_by_name(const DataDecl *d, const char *name)
{
    for (int k = 0; k < d->nfield; k++)
        if (d->field[k].name == name)
            return &d->field[k];
    return NULL;
}

/* How many leading formals are fields of d, if what follows has defaults. */
static int leading_fields(const DataDecl *d, const Ast *callable)
{
    const Ast *list = formals_of(callable);
    int n = 0;

    while (n < list->n && field_by_name(d, list->kid[n]->text))
        n++;
    for (int k = n; k < list->n; k++)
        if (formal_default(list->kid[k]) == NULL)
            return 0;
    return n;
}

typedef struct AttackEntry {
    Decl *fn;
    const Ast *decl;
    const DataDecl *data;
    const FieldDecl *like; // what the result is shaped like
    int nfield, noption;
    OptionDecl *option;
    Entry entry;
} AttackEntry;

static Val run_attack(Elab *e, AttackEntry *a, EntryBuild *b, Frame *frame,
                      const char **demoted, int ndemoted)
{
    const Ast *list = formals_of(a->decl);
    Arg *arg = NEW_N(e->a, Arg, list->n + 1);
    int n = 0;

    entry_begin(e, b, ENTRY_ATTACK, a->fn->name, a->data, frame, a->fn->mod);
    for (int k = 0; k < ndemoted && k < ARGS_MAX; k++)
        b->demoted[k] = demoted[k];
    b->ndemoted = ndemoted;
    for (int k = 0; k < a->nfield; k++) {
        const FieldDecl *f = field_by_name(a->data, list->kid[k]->text);
        arg[n++] = (Arg){.v = field_value(e, f),
                         .span = list->kid[k]->name_span};
    }
    a->entry.option = a->option;
    a->entry.nopt = 0;
    for (int k = 0; k < a->noption; k++) {
        if (is_demoted(b, a->option[k].name, ndemoted))
            continue;
        arg[n++] = (Arg){.name = a->option[k].name,
                         .v = option_input(e, &a->option[k]),
                         .span = a->option[k].span};
    }
    Value v = call_fn(e, a->fn, arg, n, (Span){0});
    Type type = field_value(e, a->like).val->type;
    v = draw_settle(e, v, &type.shape);
    Val x = v.kind == V_POISON ? NULL
                               : node_exact(e, a->decl->name_span, &v, type);
    if (x == NULL && v.kind != V_POISON) {
        sema_error(e, a->decl->name_span, "the attack \"%s\" returns %s where "
                   "%s like \"%s\" is wanted", a->fn->name, value_text(e, &v),
                   type_words(e, type), a->like->name);
        sema_note(e, a->like->span, "\"%s\" is declared here", a->like->name);
    }
    return x;
}

/* The result, with the options that can be options. Leaves b ready to finish.*/
static void elaborate_attack(Elab *e, AttackEntry *a)
{
    const char *demoted[ARGS_MAX];
    int ndemoted = 0;
    EntryBuild b;
    Frame frame;
    Val x = NULL;

    for (int trial = 0; trial <= a->noption + 1 && !e->dead; trial++) {
        int mute = e->mute++;
        run_attack(e, a, &b, &frame, demoted, ndemoted);
        e->mute = mute;
        int n = ndemoted;
        for (int k = n; k < b.ndemoted && k < ARGS_MAX; k++)
            demoted[ndemoted++] = b.demoted[k];
        if (n == ndemoted)
            break;
    }
    x = run_attack(e, a, &b, &frame, demoted, ndemoted);
    OptionDecl *kept = NEW_N(e->a, OptionDecl, a->noption + 1);
    int n = 0;
    for (int k = 0; k < a->noption; k++)
        if (!is_demoted(&b, a->option[k].name, ndemoted))
            kept[n++] = a->option[k];
    a->entry.option = kept;
    a->entry.nopt = n;
    if (x)
        entry_output(e, OUT_TENSOR, 0, "x", "", a->decl->name_span, x);
    entry_finish(e, &b, &a->entry);
}

void unit_attack(Elab *e, Decl *fn, const Ast *decl)
{
    AttackEntry a = {.fn = fn, .decl = decl};
    const Ast *list = formals_of(decl);
    int d = 0;

    while (d < e->u->data.n &&
           (a.nfield = leading_fields(&e->u->data.at[d], decl)) == 0)
        d++;
    if (d == e->u->data.n)
        return;
    a.data = &e->u->data.at[d];
    for (int k = a.nfield; k-- > 0;) {
        const FieldDecl *f = field_by_name(a.data, list->kid[k]->text);
        a.like = f->nclass == 0 && dtype_real(f->type.dt) ? f : a.like;
    }
    if (a.like == NULL)
        return;
    a.option = NEW_N(e->a, OptionDecl, list->n + 1);
    e->frame = &(Frame){.kind = FRAME_CONST, .mod = fn->mod};
    for (int k = a.nfield; k < list->n; k++)
        if (option_of(e, fn->mod, list->kid[k], &a.option[a.noption]) &&
            !clashes(e, &a.option[a.noption], fn->name))
            a.noption++;
    e->frame = NULL;
    a.entry = (Entry){.name = fn->name, .doc = "", .data = d, .split = "test",
                      .check = -1, .span = decl->name_span};
    elaborate_attack(e, &a);
}

/* --- nets ---------------------------------------------------------------- */

static bool has_shape_variable(Elab *e, const Ast *type)
{
    const Ast *dims = type->kid[0];

    for (int k = 0; dims && k < dims->n; k++) {
        const Ast *dim = dims->kid[k];
        if (dim->kind != AST_name)
            continue;
        Decl *d = module_find(e, e->frame->mod, dim->text, dim->span);
        if (d == NULL || d->kind != DECL_CONST)
            return true;
    }
    return false;
}

/* The type of the net's only input: as written, or of the field so named. */
static bool input_type(Elab *e, const Ast *formal, Type *type, TypeSpec *spec)
{
    const Ast *written = formal_type(formal);

    if (written == NULL) {
        for (int d = 0; d < e->u->data.n; d++) {
            const FieldDecl *f = field_by_name(&e->u->data.at[d], formal->text);
            if (f) {
                *type = f->type;
                return true;
            }
        }
        return false;
    }
    if (has_shape_variable(e, written))
        return false;
    *spec = type_eval(e, written);
    *type = type_of(spec->dt, true, spec->shape);
    return spec->ok && dtype_real(spec->dt);
}

void unit_infer(Elab *e, Decl *fn, const Ast *decl)
{
    Entry entry = {.name = fn->name, .doc = "", .data = -1, .split = "",
                   .check = -1, .span = decl->name_span};
    const Ast *list = formals_of(decl);
    TypeSpec spec = {0};
    EntryBuild b;
    Frame frame;
    Type type;

    for (int k = 1; k < list->n; k++)
        if (formal_default(list->kid[k]) == NULL)
            return;
    if (list->n == 0)
        return;
    entry_begin(e, &b, ENTRY_INFER, fn->name, NULL, &frame, fn->mod);
    const Ast *formal = list->kid[0];
    if (!input_type(e, formal, &type, &spec)) {
        e->entry = NULL;
        e->frame = NULL;
        return;
    }
    Arg *x = NEW_N(e->a, Arg, 2);
    x->v = value_tensor(input_node(e, INPUT_FIELD, formal->text, type,
                                   formal->name_span));
    x->v.ranged = spec.ranged;
    x->v.lo = spec.lo;
    x->v.hi = spec.hi;
    x->span = formal->name_span;
    Arg y = {.v = call_fn(e, fn, x, 1, (Span){0}), .span = decl->name_span};
    Val v = y.v.kind == V_POISON ? NULL : need_val(e, &y, "the result of a "
                                                          "net");
    if (v)
        entry_output(e, OUT_TENSOR, 0, "y", "", decl->name_span,
                     ir_spread(e->g, v));
    entry_finish(e, &b, &entry);
}

/* --- samples ------------------------------------------------------------- */

/* The class field of the program's first data set that has one. */
static const FieldDecl *class_field(const Elab *e)
{
    for (int d = 0; d < e->u->data.n; d++)
        for (int k = 0; k < e->u->data.at[d].nfield; k++)
            if (e->u->data.at[d].field[k].nclass)
                return &e->u->data.at[d].field[k];
    return NULL;
}

/* `(10 each)`: the examples go through the classes, `each` of one after the
 * other, and the class field has the name it has in the data. */
static void bind_class(Elab *e, const Ast *decl, Entry *entry, int64_t each)
{
    const FieldDecl *f = class_field(e);
    Value index;

    if (f == NULL) {
        sema_error(e, decl->name_span, "\"each\" counts the samples of a class, "
                                       "and no data set here has classes");
        sema_help(e, "declare one with a field like y class[10]");
        return;
    }
    if (each > INT32_MAX / f->nclass) {
        sema_error(e, decl->name_span, "%lld samples of each of %lld classes "
                                       "are too many",
                   (long long)each, (long long)f->nclass);
        frame_bind(e, e->frame, f->name, POISON, f->span);
        return;
    }
    entry->count = each * f->nclass;
    e->entry->each = each;
    clock_value(e, "index", decl->name_span, &index);
    Val row = ir_op2(e->g, OP_div, index.val,
                     ir_const(e->g, DT_i32, (double)each));
    Val label = ir_op2(e->g, OP_mod, row,
                       ir_const(e->g, DT_i32, (double)f->nclass));
    frame_bind(e, e->frame, f->name, value_tensor(label), f->span);
}

void unit_sample(Elab *e, const Ast *decl)
{
    Entry entry = {.name = decl->text ? decl->text : "sample", .doc = "",
                   .data = -1, .split = "", .check = -1, .span = decl->span};
    const Ast *formals = decl->kid[1];
    EntryBuild b;
    Frame frame;
    int64_t each;

    entry.count = 64;
    if (!header_int(e, decl->kid[0], "each", 0, 1, &each) ||
        !header_int(e, decl->kid[0], "batch", 0, 1, &entry.batch))
        return;
    entry_begin(e, &b, ENTRY_SAMPLE, entry.name, NULL, &frame, e->main);
    if (each)
        bind_class(e, decl, &entry, each);
    entry.option = NEW_N(e->a, OptionDecl, (formals ? formals->n : 0) + 1);
    for (int k = 0; formals && k < formals->n; k++) {
        const Ast *formal = formals->kid[k];
        OptionDecl o;
        if (!option_of(e, e->main, formal, &o)) {
            sema_error(e, formal->span, "the settings of a sample are numbers "
                                        "with a default, as in n: int = 64");
        } else if (strcmp(formal->text, "n") == 0 && each) {
            sema_error(e, formal->span, "\"each\" says already how many "
                                        "samples there are");
        } else if (strcmp(formal->text, "n") == 0) {
            entry.count = (int64_t)o.value;
            if (entry.count < 1)
                sema_error(e, formal->span, "\"n\" cannot be %g", o.value);
        } else if (!clashes(e, &o, entry.name)) {
            entry.option[entry.nopt++] = o;
            frame_bind(e, &frame, o.name, option_input(e, &o), o.span);
        }
    }
    exec_block(e, decl->kid[2]);
    entry.stat = b.stat.at;
    entry.nstat = b.stat.n;
    Val v = NULL;
    if (frame.returned)
        v = need_val(e, &frame.result, "a sample");
    else if (diag_nerrors(e->d) == 0)
        sema_error(e, decl->span, "this sample returns nothing");
    if (v)
        entry_output(e, OUT_TENSOR, 0, "x", "", frame.result.span,
                     ir_spread(e->g, v));
    entry_finish(e, &b, &entry);
}
