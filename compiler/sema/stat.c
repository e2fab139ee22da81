/*
 * stat.c -- results over a whole data set: rows like auroc(..), pictures, and
 * the rivals of an evaluate.
 *
 * Such a primitive computes nothing here. Its tensors become outputs (kind
 * SCORE) that the runtime gathers over all examples and hands, with the
 * numbers, to the row of stats.def that has the primitive's name.
 */
#include "sema/builtin.h"

#include <math.h>
#include <string.h>

enum { STAT_ARGS = 12 };

static Value stat_value(Elab *e, const Prim *p, const Arg *arg)
{
    Value *item = NEW_N(e->a, Value, STAT_ARGS);

    for (int k = 0; k < STAT_ARGS; k++)
        item[k] = k < PRIM_ARGS ? arg[k].v : ABSENT;
    return (Value){.kind = V_STAT, .prim = p, .item = item, .n = STAT_ARGS};
}

/* Formals that are numbers known when compiling, and between which bounds. The
 * others are values of each example. */
static const struct Setting {
    const char *name;
    bool whole;
    double lo, hi;
} settings[] = {
    {"bins", true, 1, 10000},    {"norm", false, 1, INFINITY},
    {"equal_mass", true, 0, 1},  {"q", false, 0, 1},
    {"tpr", false, 0, 1},        {"positive", true, 0, 1},
    {"columns", true, 0, 1000},  {"count", true, 1, 400},
    {"lo", false, -INFINITY, INFINITY}, {"hi", false, -INFINITY, INFINITY},
    {"max", false, -INFINITY, INFINITY}};

/* The name of formal k; "" of those that `...` takes. */
static const char *formal_name(const Prim *p, int k)
{
    const char *s = p->formals;
    size_t n;

    for (; k > 0 && *s; k--)
        s += strcspn(s, " ") + strspn(s + strcspn(s, " "), " ");
    n = strcspn(s, " ?.");
    return intern_n(s, n);
}

static const struct Setting *setting_of(const char *name)
{
    for (int k = 0; k < (int)ARRAY_LEN(settings); k++)
        if (strcmp(settings[k].name, name) == 0)
            return &settings[k];
    return NULL;
}

static bool setting_fits(Elab *e, const struct Setting *s, const Arg *x)
{
    const char *what = arena_printf(e->a, "\"%s\"", s->name);
    double v;

    if (x->v.kind == V_ABSENT || x->v.kind == V_BOOL)
        return true;
    if (strcmp(s->name, "positive") == 0) {
        if (x->v.kind == V_STRING && (strcmp(x->v.s, "in") == 0 ||
                                      strcmp(x->v.s, "out") == 0))
            return true;
        if (x->v.kind != V_POISON)
            sema_error(e, x->span, "\"in\" or \"out\" is wanted here, not %s",
                       value_text(e, &x->v));
        return false;
    }
    if (!need_real(e, x, what, &v))
        return false;
    if (v >= s->lo && v <= s->hi && (!s->whole || v == floor(v)) &&
        (strcmp(s->name, "norm") != 0 || v == 1 || v == 2 || isinf(v)))
        return true;
    if (strcmp(s->name, "norm") == 0)
        sema_error(e, x->span, "\"norm\" is 1, 2 or infinity, not %g", v);
    else
        sema_error(e, x->span, "\"%s\" is a %s from %g to %g, not %g",
                   s->name, s->whole ? "whole number" : "number", s->lo, s->hi,
                   v);
    return false;
}

static bool stat_argument(Elab *e, const Prim *p, int k, const Arg *x)
{
    const struct Setting *s = setting_of(formal_name(p, k));
    Value v = s ? x->v : draw_settle(e, x->v, NULL);
    bool images = strcmp(p->name, "images") == 0;

    if (s)
        return setting_fits(e, s, x);
    if (v.kind == V_ABSENT && k > 0)
        return true;
    if (v.kind != V_TENSOR) {
        if (v.kind != V_POISON)
            sema_error(e, x->span, "\"%s\" takes a value of each example here, "
                       "not %s", p->name, value_text(e, &v));
        return false;
    }
    if (images && v.val->type.shape.rank == 3)
        return true;
    if (images || v.val->type.shape.rank) {
        sema_error(e, x->span, images ? "\"%s\" draws images [C, H, W], not %s"
                                      : "\"%s\" takes scalars of each example, "
                                        "not %s",
                   p->name, type_words(e, v.val->type));
        note_operand(e, x);
        return false;
    }
    return true;
}

static Value stat_make(Elab *e, const Prim *p, const Arg *arg)
{
    Arg own[PRIM_ARGS];

    for (int k = 0; k < PRIM_ARGS; k++) {
        own[k] = arg[k];
        if (!stat_argument(e, p, k, &arg[k]))
            return POISON;
        own[k].v = draw_settle(e, arg[k].v, NULL);
    }
    return stat_value(e, p, own);
}

Value prim_stat(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)at;
    return stat_make(e, p, arg);
}

Value prim_plot(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    (void)at;
    return stat_make(e, p, arg);
}

bool stat_is_plot(const Value *v)
{
    return v->kind == V_STAT && v->prim->run == prim_plot;
}

/* --- another example ----------------------------------------------------- */

Value prim_another(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    int64_t k = 1;
    Val x = arg[0].v.kind == V_TENSOR ? arg[0].v.val : NULL;

    (void)p;
    if (x == NULL || x->op != OP_input || x->attr.i[0] != INPUT_FIELD ||
        strchr(x->attr.s, '@'))
        return sema_error(e, arg[0].span, "another(..) takes a field of the "
                                          "data set as it is");
    if (given(&arg[1]) && !need_int(e, &arg[1], "which other example", &k))
        return POISON;
    if (k < 1 || k > 9)
        return sema_error(e, arg[1].span, "which other example is a number "
                                          "from 1 to 9, not %lld",
                          (long long)k);
    Value v = arg[0].v;
    v.val = input_node(e, INPUT_FIELD, internf("%s@%d", x->attr.s, (int)k),
                       x->type, at);
    return v;
}

/* --- rows and pictures --------------------------------------------------- */

/* The output that holds this value of each example, made if there is none. */
static int score_output(Elab *e, Val v, const char *name, Span span)
{
    EntryBuild *b = e->entry;

    v = ir_spread(e->g, v);
    for (int k = 0; k < b->out.n; k++)
        if (b->output.at[k].kind == OUT_SCORE && b->out.at[k] == v)
            return k;
    entry_output(e, OUT_SCORE, 0, name, "", span, v);
    return b->out.n - 1;
}

static const char *name_of(Elab *e, const char *name, Span span)
{
    const char *suffix = e->entry->suffix;

    return intern(arena_printf(e->a, "%s%s", name ? name
                                                  : span_text(e->a, span),
                               suffix ? suffix : ""));
}

static double param_of(const Value *v)
{
    if (v->kind == V_STRING)
        return strcmp(v->s, "out") == 0;
    return v->kind == V_BOOL ? (double)v->i : v->kind == V_ABSENT ? NAN
                                                                  : v->num;
}

void stat_add(Elab *e, const char *name, const Value *v, Span span)
{
    StatDecl s = {.kind = v->prim->name, .plot = stat_is_plot(v),
                  .span = span};
    int *value = NEW_N(e->a, int, v->n);
    double *param = NEW_N(e->a, double, v->n);
    const char **label = NEW_N(e->a, const char *, v->n);

    if (e->mute)
        return;
    s.name = name_of(e, name, span);
    for (int k = 0; k < v->n; k++) {
        if (v->item[k].kind == V_TENSOR) {
            label[s.nvalue] = v->item[k].val->name ? v->item[k].val->name : "";
            value[s.nvalue++] = score_output(e, v->item[k].val, s.name, span);
        } else {
            param[s.nparam++] = param_of(&v->item[k]);
            if (e->entry->each && v->item[k].kind == V_ABSENT &&
                strcmp(v->prim->name, "images") == 0 && s.nparam == 1)
                param[0] = (double)e->entry->each; // columns: a class a row
        }
    }
    s.value = value;
    s.param = param;
    s.label = label;
    VEC_PUSH(e->a, &e->entry->stat, s);
}

void exec_plot(Elab *e, const Ast *s)
{
    EntryBuild *b = e->entry;

    if (b == NULL || e->frame != b->frame ||
        (b->kind != ENTRY_EVALUATE && b->kind != ENTRY_SAMPLE)) {
        sema_error(e, s->span, "plot stands only in the body of an evaluate or "
                               "a sample");
        return;
    }
    if (e->nloops) {
        sema_error(e, s->span, "plot cannot stand in a repeat");
        return;
    }
    Arg x = eval_arg(e, s->kid[0]);
    if (x.v.kind == V_POISON)
        return;
    if (!stat_is_plot(&x.v)) {
        sema_error(e, x.span, "plot draws a picture, and this is %s",
                   value_text(e, &x.v));
        sema_help(e, "histogram(..), reliability_of(..), survival(..), "
                     "lines(..), points(..) and images(..) are pictures");
        return;
    }
    stat_add(e, NULL, &x.v, x.span);
}

/* --- rivals -------------------------------------------------------------- */

/* The field of d that a value of this type can replace: "x" before others. */
static int replaced_field(const DataDecl *d, Shape s)
{
    int found = -1;

    for (int k = d->nfield - 1; k >= 0; k--)
        if (d->field[k].nclass == 0 && dtype_real(d->field[k].type.dt) &&
            shape_eq(d->field[k].type.shape, s) &&
            (found < 0 || strcmp(d->field[found].name, "x") != 0))
            found = k;
    return found;
}

static int first_real_field(const DataDecl *d)
{
    for (int k = 0; k < d->nfield; k++)
        if (d->field[k].nclass == 0 && dtype_real(d->field[k].type.dt))
            return k;
    return -1;
}

/* Does the entry read the field for a value of a row over the data set? */
static bool scores_read(Elab *e, const Entry *entry, const char *name)
{
    VEC(Val) root = {0};
    int n;

    for (int k = 0; k < entry->func.nout; k++)
        if (entry->output[k].kind == OUT_SCORE)
            VEC_PUSH(e->a, &root, entry->func.out[k]);
    Val *all = ir_topo(e->a, root.at, root.n, NULL, &n);
    for (int k = 0; k < n; k++)
        if (all[k]->op == OP_input && all[k]->attr.i[0] == INPUT_FIELD &&
            strncmp(all[k]->attr.s, name, strlen(name)) == 0 &&
            (all[k]->attr.s[strlen(name)] == 0 ||
             all[k]->attr.s[strlen(name)] == '@'))
            return true;
    return false;
}

static bool rival_data(Elab *e, const Entry *entry, const Value *v,
                       RivalDecl *r)
{
    const DataDecl *own = &e->u->data.at[entry->data];

    r->data = v->decl->index;
    r->split = v->s;
    r->name = arena_printf(e->a, "%s.%s", v->decl->name, v->s);
    if (r->data < 0)
        return false;
    if (strcmp(v->s, "train") != 0 && strcmp(v->s, "test") != 0) {
        sema_error(e, r->span, "the data set \"%s\" has no split \"%s\": there "
                   "are train and test", v->decl->name, v->s);
        return false;
    }
    const DataDecl *d = &e->u->data.at[r->data];
    for (int k = 0; k < own->nfield; k++) {
        const FieldDecl *a = &own->field[k], *b = NULL;
        if (!scores_read(e, entry, a->name))
            continue;
        for (int i = 0; i < d->nfield; i++)
            if (d->field[i].name == a->name)
                b = &d->field[i];
        if (b && shape_eq(a->type.shape, b->type.shape))
            continue;
        sema_error(e, r->span, b ? "the field \"%s\" of \"%s\" has another "
                                   "shape than that of \"%s\""
                                 : "there is no field \"%s\" in \"%s\" as in "
                                   "\"%s\"",
                   a->name, d->name, own->name);
        sema_note(e, a->span, "\"%s\" is declared here", a->name);
        return false;
    }
    return true;
}

/* A function or value of the entry's own data, as an entry of kind RIVAL. */
static bool rival_made(Elab *e, const Entry *of, const Ast *ast, EntryBuild *b,
                       Arg x, RivalDecl *r)
{
    const DataDecl *d = &e->u->data.at[of->data];
    int first = first_real_field(d);
    Entry entry = {.doc = "", .data = of->data, .split = of->split,
                   .check = -1, .span = ast->span, .batch = of->batch};

    if (x.v.kind == V_FN && first >= 0) {
        Arg own[2] = {{.v = field_value(e, &d->field[first]),
                       .span = ast->span}}; // and room for one more
        x.v = call_fn(e, x.v.decl, own, 1, ast->span);
    }
    if (x.v.kind == V_POISON || first < 0)
        return false;
    x.v = draw_settle(e, x.v, &d->field[first].type.shape);
    Val v = need_real_val(e, &x, "a rival of the data");
    if (v == NULL)
        return false;
    r->field = replaced_field(d, v->type.shape);
    if (r->field < 0) {
        sema_error(e, ast->span, "no field of \"%s\" is shaped like this "
                   "rival, %s", d->name, type_words(e, v->type));
        return false;
    }
    r->name = span_text(e->a, ast->span);
    entry_output(e, OUT_TENSOR, 0, d->field[r->field].name, "", ast->span,
                 ir_spread(e->g, v));
    entry_finish(e, b, &entry);
    r->entry = e->u->entry.n - 1;
    return true;
}

void unit_rivals(Elab *e, const Ast *list, Entry *entry)
{
    int self = (int)(entry - e->u->entry.at);
    RivalDecl *rival = NEW_N(e->a, RivalDecl, list->n);
    int n = 0;

    for (int k = 0; k < list->n && !e->dead; k++) {
        const Ast *ast = list->kid[k];
        Entry of = e->u->entry.at[self]; // the vector may move
        RivalDecl *r = &rival[n];
        EntryBuild b;
        Frame frame;

        *r = (RivalDecl){.data = -1, .entry = -1, .split = "",
                         .span = ast->span};
        entry_begin(e, &b, ENTRY_RIVAL,
                    intern(arena_printf(e->a, "%s/%d", of.name, k)),
                    &e->u->data.at[of.data], &frame, e->main);
        Arg x = eval_arg(e, ast);
        if (x.v.kind == V_DATA)
            sema_error(e, ast->span, "which part of \"%s\"? %s.train or "
                       "%s.test", x.v.decl->name, x.v.decl->name,
                       x.v.decl->name);
        else if (x.v.kind == V_SPLIT ? rival_data(e, &of, &x.v, r)
                                     : rival_made(e, &of, ast, &b, x, r))
            n++;
        e->entry = NULL;
        e->frame = NULL;
    }
    e->u->entry.at[self].rival = rival;
    e->u->entry.at[self].nrival = n;
}
