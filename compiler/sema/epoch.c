/*
 * epoch.c -- what needs all examples: values folded over a data set, and the
 * block at the end of each epoch of a train.
 *
 * `data_mean(e)` and its kin stand in an evaluation or an epoch block. Where
 * e is computed from other such values, the data set is gone through again:
 * a fold of level k is an output of the k-th FOLD entry before this one, and
 * its result is an input of all later ones.
 *
 * An epoch block becomes an EPOCH entry that sees states, parameters and
 * folds, but no examples. Its `accept if c else rollback { }` says whether the
 * epoch stays: if not, all variables go back to what they were at its
 * beginning, and the block after `rollback`, an entry of its own, changes the
 * states from there. What else the block assigns holds if it stays.
 */
#include "sema/builtin.h"

#include <stdlib.h>
#include <string.h>

/* --- folds --------------------------------------------------------------- */

/* Passes over the data that v takes: 0 without a fold. */
static int level_of(const EntryBuild *b, Val v)
{
    Arena *tmp = arena_new();
    int n, level = 0;
    Val *all = v ? ir_topo(tmp, &v, 1, NULL, &n) : NULL;

    for (int k = 0; v && k < n; k++) {
        if (all[k]->op != OP_input || all[k]->attr.i[0] != INPUT_FOLD)
            continue;
        for (int i = 0; i < b->fold.n; i++) {
            const Fold *f = &b->fold.at[i];
            int slot = atoi(all[k]->attr.s);
            if ((slot == f->slot || (f->scale && slot == f->slot + 1)) &&
                f->level > level)
                level = f->level;
        }
    }
    arena_free(tmp);
    return level;
}

static Val slot_input(Elab *e, int slot, DType dt, Span at)
{
    return input_node(e, INPUT_FOLD, internf("%d", slot),
                      type_of(dt, false, shape_of(0)), at);
}

static Value fold_result(Elab *e, const Fold *f)
{
    bool place = f->kind == FOLD_ARGMAX || f->kind == FOLD_ARGMIN;
    Val v = slot_input(e, f->slot, place ? DT_i32 : DT_f64, f->at);

    if (f->scale == NULL)
        return value_tensor(v);
    return (Value){.kind = V_LOG, .val = v,
                   .scale = slot_input(e, f->slot + 1, DT_f64, f->at)};
}

static Value fold_new(Elab *e, FoldKind kind, Val val, Val scale, Span at)
{
    EntryBuild *b = e->entry;
    int slot = 0, level = level_of(b, val), other = level_of(b, scale);

    for (int k = 0; k < b->fold.n; k++) {
        const Fold *f = &b->fold.at[k];
        if (f->kind == kind && f->val == val && f->scale == scale)
            return fold_result(e, f);
        slot = f->slot + (f->scale ? 2 : 1);
    }
    Fold f = {kind, val, scale, slot, 1 + (level > other ? level : other), at};
    VEC_PUSH(e->a, &b->fold, f);
    return fold_result(e, &f);
}

static bool fold_kind(const char *name, FoldKind *out)
{
    static const char *const word[] = {"sum", "mean", "max", "min", "argmax",
                                       "argmin"};

    for (int k = 0; k < (int)ARRAY_LEN(word); k++) {
        *out = (FoldKind)k;
        if (strcmp(name + strlen("data_"), word[k]) == 0)
            return true;
    }
    return false;
}

static Value not_here(Elab *e, const Prim *p, Span at)
{
    sema_error(e, at, "%s goes over the whole data set: it stands in an "
                      "evaluation or in the epoch block of a train", p->name);
    sema_help(e, "batch_mean(..) and its kin are of one batch");
    return POISON;
}

Value prim_data(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    const EntryBuild *b = e->entry;
    const Value *x = &arg[0].v;
    FoldKind kind;

    if (b == NULL || (b->kind != ENTRY_EVALUATE && b->kind != ENTRY_EPOCH))
        return not_here(e, p, at);
    if (e->nloops)
        return sema_error(e, at, "%s cannot stand in a repeat", p->name);
    if (!fold_kind(p->name, &kind))
        internal_error("no fold \"%s\"", p->name);
    bool log = x->kind == V_LOG && kind <= FOLD_MEAN;
    Val v = log ? x->val : need_val(e, &arg[0], "what goes over the data set");
    if (v == NULL)
        return POISON;
    if (v->type.shape.rank) {
        sema_error(e, arg[0].span, "%s takes a scalar of each example, not %s",
                   p->name, type_words(e, v->type));
        note_operand(e, &arg[0]);
        return POISON;
    }
    if (!v->type.batched && !(log && x->scale->type.batched))
        return sema_error(e, arg[0].span, "%s takes a value of each example, "
                          "and this is shared by all", p->name);
    if (!log)
        return fold_new(e, kind, v, NULL, at);
    return fold_new(e, kind == FOLD_SUM ? FOLD_LOG_SUM : FOLD_LOG_MEAN,
                    ir_spread(e->g, v), ir_spread(e->g, x->scale), at);
}

/* One pass over the data: the folds of a level. */
static int fold_pass(Elab *e, const EntryBuild *b, const Entry *of, int level,
                     int before)
{
    Entry entry = {.name = of->name, .doc = "", .data = of->data,
                   .split = of->split, .batch = of->batch, .check = -1,
                   .before = before, .span = of->span};
    EntryBuild p = {.kind = ENTRY_FOLD, .key = b->key, .name = of->name};
    EntryBuild *outer = e->entry;
    Frame *frame = e->frame;
    int at = e->u->entry.n;

    e->entry = &p;
    for (int k = 0; k < b->fold.n; k++) {
        const Fold *f = &b->fold.at[k];
        if (f->level != level)
            continue;
        entry_output(e, OUT_FOLD, f->slot, "fold", "", f->at, f->val);
        p.output.at[p.output.n - 1].fold = f->kind;
        if (f->scale == NULL)
            continue;
        entry_output(e, OUT_FOLD, f->slot + 1, "scale", "", f->at, f->scale);
        p.output.at[p.output.n - 1].fold = FOLD_SCALE;
    }
    entry_finish(e, &p, &entry);
    e->entry = outer;
    e->frame = frame;
    return at;
}

void fold_entries(Elab *e, const EntryBuild *b, Entry *entry)
{
    int last = 0;

    if (diag_nerrors(e->d) > 0 || e->dead)
        return;
    for (int k = 0; k < b->fold.n; k++)
        last = b->fold.at[k].level > last ? b->fold.at[k].level : last;
    for (int level = 1; level <= last; level++)
        entry->before = fold_pass(e, b, entry, level, entry->before);
}

/* --- statements of an epoch block ---------------------------------------- */

static const char *word_of(const Ast *s)
{
    return s->kind == AST_accept ? "accept" : s->kind == AST_save ? "save"
           : s->kind == AST_stop ? "stop" : "rollback";
}

void exec_condition(Elab *e, const Ast *s, OutKind kind)
{
    Arg x = eval_arg(e, s->kid[0]);
    Val v = need_val(e, &x, arena_printf(e->a, "the condition of %s",
                                         word_of(s)));

    if (v == NULL)
        return;
    if (v->type.dt != DT_bool || v->type.shape.rank) {
        sema_error(e, x.span, "the condition of %s must be a bool, not %s",
                   word_of(s), type_words(e, v->type));
    } else if (v->type.batched) {
        sema_error(e, x.span, "the condition of %s is different for each "
                              "example", word_of(s));
        sema_help(e, "%s makes one value of those of all examples",
                  e->entry->kind == ENTRY_EPOCH
                      ? "data_max(..) or data_mean(..)"
                      : "batch_max(..) or batch_mean(..)");
    } else {
        entry_output(e, kind, 0, word_of(s),
                     s->text ? s->text : span_text(e->a, s->kid[0]->span),
                     s->span, v);
    }
}

static bool file_word(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    return *s && *s != '.' && strspn(s, letters) == strlen(s);
}

static void exec_accept(Elab *e, const Ast *s)
{
    EntryBuild *b = e->entry;

    if (b->accept) {
        sema_error(e, s->span, "an epoch is accepted once");
        sema_note(e, b->accept->span, "it is decided here already");
        return;
    }
    b->accept = s;
    b->accept_frame = NEW(e->a, Frame);
    *b->accept_frame = *e->frame;
    b->accept_frame->bind.at =
        arena_copy(e->a, e->frame->bind.at,
                   sizeof *e->frame->bind.at * (size_t)e->frame->bind.n);
    exec_condition(e, s, OUT_ACCEPT);
}

void exec_epoch_statement(Elab *e, const Ast *s)
{
    EntryBuild *b = e->entry;

    if (b == NULL || b->kind != ENTRY_EPOCH || e->frame != b->frame) {
        sema_error(e, s->span, "%s stands only in the epoch block of a train",
                   word_of(s));
    } else if (e->nloops) {
        sema_error(e, s->span, "%s cannot stand in a repeat", word_of(s));
    } else if (s->kind == AST_accept) {
        exec_accept(e, s);
    } else if (!file_word(s->text)) {
        sema_error(e, s->span, "\"%s\" is no part of a file's name: letters, "
                   "digits, \"_\", \"-\" and \".\"", s->text);
    } else {
        exec_condition(e, s, OUT_SAVE);
    }
}

/* --- the entries of an epoch block --------------------------------------- */

/* Names of states stand for their values now. */
static void bind_states(Elab *e, Frame *to, const Frame *from)
{
    for (int k = 0; k < from->bind.n; k++) {
        const Binding *b = &from->bind.at[k];
        if (b->var < 0)
            continue;
        frame_bind(e, to, b->name, value_tensor(var_node(e, b->var)), b->span);
        Binding *own = frame_find(to, b->name);
        own->var = b->var;
        own->fixed = true;
    }
}

static void state_outputs(Elab *e, EntryBuild *b)
{
    for (int var = 0; var < b->state.n; var++) {
        Span at = e->u->var.at[var].span;
        for (int k = 0; k < b->frame->bind.n; k++)
            if (b->frame->bind.at[k].var == var)
                at = b->frame->bind.at[k].span;
        if (b->state.at[var].kind == V_TENSOR)
            entry_output(e, OUT_VAR, var, e->u->var.at[var].path, "", at,
                         b->state.at[var].val);
    }
}

/* Values of examples and batches have no meaning at the end of an epoch. */
static bool is_settled(Elab *e, const EntryBuild *b)
{
    Arena *tmp = arena_new();
    bool ok = true;

    for (int k = 0; k < b->out.n && ok; k++) {
        int n;
        Val *all = ir_topo(tmp, &b->out.at[k], 1, NULL, &n);
        for (int i = 0; i < n && ok; i++)
            ok = !all[i]->type.batched && all[i]->op != OP_batch_size;
        if (ok)
            continue;
        sema_error(e, b->output.at[k].span, "an epoch has no batch: this is "
                   "known only for each batch or example");
        sema_help(e, "data_mean(..), data_max(..) and their kin go over all "
                     "examples");
    }
    arena_free(tmp);
    return ok;
}

static Entry entry_like(const Entry *train)
{
    return (Entry){.name = train->name, .doc = "", .data = train->data,
                   .split = train->split, .batch = train->batch, .check = -1,
                   .span = train->span};
}

static int unit_rollback(Elab *e, const EntryBuild *epoch, const Entry *train)
{
    const Ast *block = epoch->accept ? epoch->accept->kid[1] : NULL;
    Entry entry = entry_like(train);
    EntryBuild b;
    Frame frame;

    if (block == NULL || e->dead)
        return 0;
    entry_begin(e, &b, ENTRY_ROLLBACK, train->name, NULL, &frame, e->main);
    b.stepping = true;
    b.draws_batched = false;
    for (int k = 0; k < epoch->accept_frame->bind.n; k++) {
        const Binding *known = &epoch->accept_frame->bind.at[k];
        frame_bind(e, &frame, known->name, known->v, known->span);
    }
    bind_states(e, &frame, epoch->accept_frame);
    exec_block(e, block);
    state_outputs(e, &b);
    int at = b.out.n && is_settled(e, &b) ? e->u->entry.n : 0;
    if (b.out.n == 0)
        sema_error(e, block->span, "nothing is assigned here: `rollback { }` "
                                   "changes states after the epoch was undone");
    entry.data = -1;
    entry_finish(e, &b, &entry);
    return at;
}

void unit_epoch(Elab *e, const EntryBuild *train, const Frame *body,
                Entry *out)
{
    Entry entry = entry_like(out);
    EntryBuild b;
    Frame frame;

    entry_begin(e, &b, ENTRY_EPOCH, out->name, train->data, &frame, e->main);
    b.stepping = true;
    bind_states(e, &frame, body);
    exec_block(e, train->epoch->kid[0]);
    state_outputs(e, &b);
    if (b.out.n == 0 && diag_nerrors(e->d) == 0)
        sema_error(e, train->epoch->span, "this epoch block does nothing: "
                   "accept, watch, save or assign a state in it");
    bool ok = is_settled(e, &b);
    fold_entries(e, &b, &entry);
    int at = e->u->entry.n;
    entry_finish(e, &b, &entry);
    int back = unit_rollback(e, &b, out);
    if (!ok || diag_nerrors(e->d) > 0 || e->dead)
        return;
    out->epoch = at;
    out->rollback = back;
}
