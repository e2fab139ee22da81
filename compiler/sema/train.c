/*
 * train.c -- train entries: one step from the old values of the variables to
 * the new ones.
 *
 * `minimize e using o(..)` calls the optimizer once for each parameter that e
 * depends on along a path that gradients pass, with the parameter and the
 * derivative of the batch's mean of e. All derivatives are taken at the old
 * values. A CHECK entry elaborates the same body in f64 and returns the
 * derivatives themselves.
 */
#include "sema/elab.h"

#include "autodiff/autodiff.h"

#include <math.h>
#include <string.h>

/* --- minimize ------------------------------------------------------------ */

/* The batch's mean of what is minimized: a tensor or a log-domain real. */
static Value loss_of(Elab *e, const Ast *x)
{
    Arg value = eval_arg(e, x);
    Val v;

    if (value.v.kind == V_LOG && value.v.val->type.shape.rank == 0)
        return log_batched(&value.v) ? log_batch(e, x->span, value.v, true)
                                     : value.v;
    if (is_known(&value.v)) {
        sema_error(e, x->span, "what is minimized is the constant %s",
                   value_text(e, &value.v));
        return POISON;
    }
    v = need_real_val(e, &value, "what is minimized");
    if (v && v->type.shape.rank) {
        sema_error(e, x->span, "what is minimized must be a scalar, not %s",
                   type_words(e, v->type));
        note_operand(e, &value);
        return POISON;
    }
    if (v == NULL || !v->type.batched)
        return value_tensor(v);
    return batch_mean_of(e, x->span, v);
}

/* Prefix of the paths of `over NET`; "" without it. NULL after an error. */
static const char *prefix_of(Elab *e, const Ast *over)
{
    if (over == NULL)
        return "";
    Value net = eval(e, over);
    if (net.kind == V_POISON)
        return NULL;
    if (net.kind == V_FN && (is_flavour(net.decl->ast, "net") ||
                             is_flavour(net.decl->ast, "dynamics")))
        return arena_printf(e->a, "%s.", net.decl->name);
    sema_error(e, over->span, "`over` names a net, not %s",
               value_text(e, &net));
    return NULL;
}

typedef struct Step { // the optimizer's call as written
    Decl *fn;
    Arg *arg; // [n], room for p and g before them
    int n;
    Span at;
} Step;

static bool optimizer_of(Elab *e, const Ast *call, Step *out)
{
    bool is_call = call && call->kind == AST_call;
    const Ast *name = is_call ? call->kid[0] : call;
    Value fn = name ? eval(e, name) : POISON;
    int n = is_call ? call->n - 1 : 0;
    bool ok = true;

    if (fn.kind == V_POISON)
        return false;
    if (fn.kind != V_FN || !is_flavour(fn.decl->ast, "optimizer")) {
        sema_error(e, name->span, "`using` calls an optimizer, not %s",
                   value_text(e, &fn));
        return false;
    }
    *out = (Step){fn.decl, NEW_N(e->a, Arg, n + 3), n, call->span};
    for (int k = 0; k < n; k++) {
        const Ast *a = call->kid[k + 1];
        const Ast *value = a->kind == AST_arg ? a->kid[0] : a;
        out->arg[k + 2] = eval_arg(e, value);
        if (a->kind == AST_arg && a->text) {
            out->arg[k + 2].name = a->text;
            out->arg[k + 2].name_span = a->name_span;
        }
        ok = ok && out->arg[k + 2].v.kind != V_POISON;
    }
    return ok;
}

static bool update(Elab *e, const Step *s, int var, Val p, Value g)
{
    const VarDecl *decl = &e->u->var.at[var];
    Type type = p->type;
    bool batched = e->entry->draws_batched;

    s->arg[0] = (Arg){.v = value_tensor(p), .span = s->at};
    s->arg[1] = (Arg){.v = g, .span = s->at};
    e->entry->draws_batched = false;
    Value v = call_optimizer(e, s->fn, s->arg, s->n + 2, s->at, decl->path);
    e->entry->draws_batched = batched;
    if (v.kind == V_POISON)
        return false;
    v = draw_settle(e, v, &type.shape);
    Val next = node_exact(e, s->at, &v, type);
    if (next == NULL) {
        sema_error(e, s->at, "the optimizer \"%s\" returns %s for the "
                             "parameter "
                   "\"%s\", which is %s", s->fn->name,
                   v.kind == V_TENSOR ? type_words_batch(e, v.val->type)
                                      : value_text(e, &v),
                   decl->path, type_words(e, type));
        if (v.kind == V_LOG)
            sema_help(e, "real(..) makes a plain real of it: the gradient of "
                         "a log-domain loss is scaled, and then real");
        return false;
    }
    state_set(e, var, value_tensor(next));
    return true;
}

static bool is_minimized(const EntryBuild *b, int var)
{
    for (int k = 0; k < b->minimized.n; k++)
        if (b->minimized.at[k] == var)
            return true;
    return false;
}

static void each_parameter(Elab *e, const Ast *s, const Value *what,
                           const char *prefix, const Step *step)
{
    Val loss = what->val;
    EntryBuild *b = e->entry;
    int found = 0, nvar = e->u->var.n;
    Arena *tmp = arena_new();
    int *uses = ir_uses(tmp, e->g, &loss, 1);
    uint32_t known = graph_nnodes(e->g);

    for (int var = 0; var < nvar; var++) {
        const VarDecl *decl = &e->u->var.at[var];
        if (!decl->is_param ||
            strncmp(decl->path, prefix, strlen(prefix)) != 0)
            continue;
        Val p = var_node(e, var);
        if (p->id >= known || !uses[p->id] || !ad_active(loss, p, NULL))
            continue;
        found++;
        if (is_minimized(b, var)) {
            sema_error(e, s->span, "the parameter \"%s\" is minimized twice in "
                                   "one step", decl->path);
            sema_help(e, "minimize the sum, or say `over NET` in each");
            found = -1;
            break;
        }
        VEC_PUSH(e->a, &b->minimized, var);
        if (b->kind == ENTRY_CHECK)
            continue;
        Val g = node_make(e, s->span, OP_grad, NULL, (Val[]){loss, p}, 2);
        Value d = *what; // a log-domain loss: the mantissa's beside its scale
        d.val = g;
        if (g == NULL || !update(e, step, var, p, d)) {
            found = -1;
            break;
        }
    }
    arena_free(tmp);
    if (found)
        return;
    sema_error(e, s->kid[0]->span, "what is minimized depends on no "
                                   "parameter%s",
               *prefix ? " of the net" : "");
    if (s->kid[1])
        sema_note(e, s->kid[1]->span, "the net is named here");
}

/* What is reported: the sum of what is minimized. A log-domain loss may be
 * outside the range of reals; its decimal logarithm never is. */
static void shown_loss(Elab *e, const Value *loss, Span at)
{
    EntryBuild *b = e->entry;
    Val v = loss->val;

    if (loss->kind == V_LOG) {
        Value l = elem2(e, at, OP_mul, elem1(e, at, OP_log, *loss),
                        value_real(0.43429448190325182765));
        if (l.kind != V_TENSOR)
            return;
        v = l.val;
        b->loss_name = "log10(loss)";
    }
    if (b->loss && b->loss->type.dt != v->type.dt)
        b->loss = ir_cast(e->g, b->loss, DT_f64);
    if (b->loss && v->type.dt != b->loss->type.dt)
        v = ir_cast(e->g, v, DT_f64);
    b->loss = b->loss ? ir_add(e->g, b->loss, v) : v;
}

static void exec_minimize(Elab *e, const Ast *s)
{
    EntryBuild *b = e->entry;
    Step step = {0};

    b->nminimize++;
    Value loss = loss_of(e, s->kid[0]);
    frame_bind(e, e->frame, intern("loss"), loss, s->kid[0]->span);
    const char *prefix = prefix_of(e, s->kid[1]);
    bool ok = b->kind == ENTRY_CHECK || optimizer_of(e, s->kid[2], &step);
    if (loss.kind == V_POISON || prefix == NULL || !ok)
        return;
    each_parameter(e, s, &loss, prefix, &step);
    shown_loss(e, &loss, s->kid[0]->span);
}

/* --- watch and stop ------------------------------------------------------ */

static void exec_watch(Elab *e, const Ast *s)
{
    const Ast *list = s->n == 1 && s->kid[0]->kind == AST_list ? s->kid[0] : s;

    for (int k = 0; k < list->n; k++) {
        const Ast *w = list->kid[k];
        Arg x = eval_arg(e, w->kid[0]);
        Val v = shown_scalar(e, &x, "a watched value");
        if (v)
            entry_output(e, OUT_WATCH, 0,
                         w->name_span.src ? w->text : label_of(e, w->kid[0]),
                         "",
                         w->span, v);
    }
}

/* The block at the end of an epoch is elaborated after the train itself. */
static void exec_epoch(Elab *e, const Ast *s)
{
    EntryBuild *b = e->entry;

    if (b->epoch) {
        sema_error(e, s->span, "a train has one epoch block");
        sema_note(e, b->epoch->span, "it is here");
    } else {
        b->epoch = s;
    }
}

void exec_entry_statement(Elab *e, const Ast *s)
{
    EntryBuild *b = e->entry;
    const char *word = s->kind == AST_minimize ? "minimize"
                       : s->kind == AST_watch  ? "watch"
                       : s->kind == AST_stop   ? "stop"
                       : s->kind == AST_epoch  ? "epoch"
                       : s->kind == AST_rollback ? "rollback" : "plot";
    bool step = b && e->frame == b->frame &&
                (b->kind == ENTRY_TRAIN || b->kind == ENTRY_CHECK);
    bool end = b && e->frame == b->frame && b->kind == ENTRY_EPOCH &&
               (s->kind == AST_watch || s->kind == AST_stop);

    switch (s->kind) {
    case AST_plot:
        exec_plot(e, s);
        return;
    case AST_accept:
    case AST_save:
        exec_epoch_statement(e, s);
        return;
    case AST_minimize: case AST_watch: case AST_stop: case AST_epoch:
    case AST_rollback:
        break;
    default:
        sema_error(e, s->span, "a statement is wanted here");
        return;
    }
    if (!step && !end)
        sema_error(e, s->span, "%s stands only in the body of a train", word);
    else if (e->nloops)
        sema_error(e, s->span, "%s cannot stand in a repeat", word);
    else if (s->kind == AST_minimize)
        exec_minimize(e, s);
    else if (s->kind == AST_watch)
        exec_watch(e, s);
    else if (s->kind == AST_epoch)
        exec_epoch(e, s);
    else
        exec_condition(e, s, s->kind == AST_stop ? OUT_STOP : OUT_BACK);
}

/* --- the entries --------------------------------------------------------- */

/* Orders the outputs: new values of variables, the loss, then the rest. */
static void train_outputs(Elab *e, EntryBuild *b, Span span)
{
    EntryBuild rest = *b;

    b->output.n = b->out.n = 0;
    b->output.at = NULL;
    b->out.at = NULL;
    b->output.cap = b->out.cap = 0;
    for (int var = 0; var < b->state.n; var++)
        if (b->state.at[var].kind == V_TENSOR)
            entry_output(e, OUT_VAR, var, e->u->var.at[var].path, "",
                         e->u->var.at[var].span, b->state.at[var].val);
    entry_output(e, OUT_LOSS, 0, b->loss_name, "", span, b->loss);
    for (int k = 0; k < rest.out.n; k++) {
        Output o = rest.output.at[k];
        entry_output(e, o.kind, o.ref, o.name, o.text, o.span,
                     rest.out.at[k]);
    }
}

static void check_outputs(Elab *e, EntryBuild *b, Span span)
{
    b->output.n = b->out.n = 0;
    entry_output(e, OUT_LOSS, 0, b->loss_name, "", span, b->loss);
    for (int k = 0; k < b->minimized.n; k++) {
        int var = b->minimized.at[k];
        Val src[2] = {b->loss, var_node(e, var)};
        entry_output(e, OUT_TENSOR, var, e->u->var.at[var].path, "", span,
                     node_make(e, span, OP_grad, NULL, src, 2));
    }
    for (int k = 0; k < b->data->nfield; k++) {
        Val x = field_value(e, &b->data->field[k]).val;
        Val src[2] = {b->loss, x};
        if (dtype_real(x->type.dt) && ir_reaches(b->loss, x) &&
            ad_active(b->loss, x, NULL))
            entry_output(e, OUT_TENSOR, -1 - k, b->data->field[k].name, "",
                         span, node_make(e, span, OP_grad, NULL, src, 2));
    }
}

/* Its place among the entries; 0 after an error. */
static int run_train(Elab *e, const Ast *decl, EntryKind kind, Entry *entry)
{
    const Ast *body = decl->kid[2];
    EntryBuild b;
    Frame frame;

    entry_begin(e, &b, kind, entry->name, &e->u->data.at[entry->data], &frame,
                e->main);
    b.stepping = b.training = true;
    b.loss_name = "loss";
    frame.state_before = frame.state_after = "";
    exec_block(e, body);
    if (b.nminimize == 0 && !e->dead) {
        sema_error(e, decl->name_span.src ? decl->name_span : decl->span,
                   "this train minimizes nothing");
        sema_help(e, "`minimize e using sgd(lr: 0.1)` in its body");
    }
    if (b.loss && kind == ENTRY_TRAIN)
        train_outputs(e, &b, decl->span);
    else if (b.loss)
        check_outputs(e, &b, decl->span);
    entry_finish(e, &b, entry);
    bool ok = diag_nerrors(e->d) == 0 && !e->dead;
    int at = e->u->entry.n - 1;
    if (b.epoch && kind == ENTRY_TRAIN && !e->dead) {
        Entry train = ok ? e->u->entry.at[at] : *entry;
        unit_epoch(e, &b, &frame, &train);
        if (ok)
            e->u->entry.at[at] = train;
    }
    return ok ? at : 0;
}

void unit_train(Elab *e, const Ast *decl)
{
    Entry entry = {.name = decl->text ? decl->text : "train", .doc = "",
                   .data = -1, .check = -1, .span = decl->span};
    const Ast *on = decl->kid[0];

    bool batch = header_int(e, decl->kid[1], "batch", 128, 1, &entry.batch);
    bool epochs = header_int(e, decl->kid[1], "epochs", 1, 0, &entry.epochs);
    if (on == NULL)
        sema_error(e, decl->span, "a train needs data: `train on NAME.train`");
    if (!split_of(e, on, &entry.data, &entry.split) || !batch || !epochs)
        return;
    Entry check = entry;
    int train = run_train(e, decl, ENTRY_TRAIN, &entry);
    if (!e->opt->check_entries || diag_nerrors(e->d) > 0 || e->dead)
        return;
    DType real = e->real;
    e->real = DT_f64;
    int at = run_train(e, decl, ENTRY_CHECK, &check);
    e->real = real;
    if (at > 0)
        e->u->entry.at[train].check = at;
}
