/*
 * stmt.c -- statements that give names values or choose what is compiled.
 *
 * `for` and `if` are resolved here and leave no trace; names first assigned in
 * them are known afterwards. `repeat` is in repeat.c, entry statements
 * (minimize, watch, ...) in train.c.
 */
#include "sema/elab.h"

void assign(Elab *e, const Ast *target, const char *name, Value v)
{
    Frame *f = e->frame;
    Binding *b = frame_find(f, name);
    int var = b ? b->var : -1;

    if (v.kind == V_VOID)
        v = sema_error(e, target->span, "there is no value to assign: the call "
                                        "returns nothing");
    if (v.kind == V_TENSOR)
        ir_origin(e->g, v.val, target->span, name);
    if (var >= 0 && v.kind != V_POISON) {
        if (f->kind == FRAME_CALL && f->loops > 0)
            sema_error(e, target->span, "a state cannot change in a function "
                                        "called inside repeat");
        v = state_fit(e, var, v, target->span);
        state_set(e, var, v);
    }
    frame_bind(e, f, name, v, target->span);
    if (e->entry && e->entry->kind == ENTRY_EVALUATE && f == e->entry->frame &&
        e->nloops == 0)
        row_add(e, name, v, target->span);
}

static void assign_target(Elab *e, const Ast *target, const Arg *v)
{
    if (target->kind == AST_name) {
        assign(e, target, target->text, v->v);
    } else if (target->kind == AST_index &&
               target->kid[0]->kind == AST_name) {
        Value old = name_value(e, target->kid[0]);
        if (old.kind != V_POISON &&
            frame_find(e->frame, target->kid[0]->text) == NULL)
            old = sema_error(e, target->span, "\"%s\" cannot be assigned here: "
                             "it belongs to another place",
                             target->kid[0]->text);
        assign(e, target, target->kid[0]->text,
               index_assign(e, target, old, v));
    } else if (target->kind != AST_poison) {
        sema_error(e, target->span, "only a name can be assigned, or "
                                    "name[i], or a tuple of names");
    }
}

static void exec_assign(Elab *e, const Ast *s)
{
    const Ast *target = s->kid[0];
    Arg v = eval_arg(e, s->kid[1]);

    if (target->kind != AST_tuple) {
        assign_target(e, target, &v);
        return;
    }
    if (v.v.kind != V_POISON && ((v.v.kind != V_TUPLE && v.v.kind != V_LIST) ||
                                 v.v.n != target->n)) {
        sema_error(e, v.span, "%d names are assigned %s%s", target->n,
                   v.v.kind == V_TUPLE || v.v.kind == V_LIST ? "from " : "",
                   value_text(e, &v.v));
        v.v = POISON;
    }
    for (int k = 0; k < target->n; k++) {
        Arg item = v.v.kind == V_POISON ? v : item_arg(&v, k);
        assign_target(e, target->kid[k], &item);
    }
}

static void exec_return(Elab *e, const Ast *s)
{
    Frame *f = e->frame;
    Arg v = {.v = VOID, .span = s->span};

    if (f->kind == FRAME_ENTRY && e->entry->kind != ENTRY_SAMPLE) {
        sema_error(e, s->span, "return stands only in functions and samples");
        return;
    }
    if (s->n > 0 && s->kid[0])
        v = eval_arg(e, s->kid[0]);
    if (e->nloops > f->loops) {
        sema_error(e, s->span, "return cannot leave a repeat");
        sema_help(e, "assign the result to a name and return it afterwards");
        return;
    }
    f->result = v;
    f->returned = true;
}

static void exec_if(Elab *e, const Ast *s)
{
    Arg c = eval_arg(e, s->kid[0]);

    if (c.v.kind == V_TENSOR || c.v.kind == V_DRAW) {
        error_phase(e, c.span, "the condition of an if statement", &c.v);
        sema_help(e, "the expression `if c then a else b` chooses at run time");
        return;
    }
    bool yes;
    if (!need_bool(e, &c, "the condition of an if statement", &yes))
        return;
    if (yes)
        exec_block(e, s->kid[1]);
    else if (s->n > 2 && s->kid[2])
        exec(e, s->kid[2]);
}

/* One pass of a `for`; the suffix tells its rows from those of other passes. */
static void pass(Elab *e, const Ast *s, Value v)
{
    const char *old = e->entry ? e->entry->suffix : NULL;

    frame_bind(e, e->frame, s->text, v, s->name_span);
    if (e->entry)
        e->entry->suffix = arena_printf(e->a, "%s[%s=%s]", old ? old : "",
                                        s->text, value_text(e, &v));
    exec_block(e, s->kid[1]);
    if (e->entry)
        e->entry->suffix = old;
}

static void exec_for(Elab *e, const Ast *s)
{
    Arg over = eval_arg(e, s->kid[0]);
    int64_t n;

    if (over.v.kind == V_INT)
        over.v = (Value){.kind = V_RANGE, .i = 0, .j = over.v.i};
    if (over.v.kind == V_RANGE) {
        if (__builtin_sub_overflow(over.v.j, over.v.i, &n))
            n = INT64_MAX;
    } else if (over.v.kind == V_LIST || over.v.kind == V_TUPLE) {
        n = over.v.n;
    } else {
        if (over.v.kind != V_POISON)
            sema_error(e, over.span, "`for` goes over a range like 0 .. 3 or a "
                                     "list, not %s", value_text(e, &over.v));
        return;
    }
    if (n > UNROLL_MAX) {
        sema_error(e, over.span, "`for` is unrolled when compiling; %lld "
                                 "passes "
                                 "are too many (at most %d)", (long long)n,
                   UNROLL_MAX);
        sema_help(e, "`repeat n { }` is a loop of the compiled program");
        return;
    }
    // Passes after one with an error would only say it again.
    int errors = e->nerrors;
    for (int64_t k = 0; k < n && !e->dead && !e->frame->returned &&
                        e->nerrors == errors; k++)
        pass(e, s, over.v.kind == V_RANGE ? value_int(over.v.i + k)
                                          : over.v.item[k]);
}

static void exec_bare(Elab *e, const Ast *s)
{
    Arg v = eval_arg(e, s->kid[0]);

    if (e->entry && e->entry->kind == ENTRY_EVALUATE &&
        e->frame == e->entry->frame && e->nloops == 0) {
        row_add(e, NULL, v.v, s->span);
        return;
    }
    if (v.v.kind != V_VOID && v.v.kind != V_POISON) {
        sema_error(e, s->span, "the value of this expression is not used");
        sema_help(e, "give it a name, or return it");
    }
}

void exec(Elab *e, const Ast *s)
{
    if (s == NULL || !eval_enter(e, s->span))
        return;
    switch (s->kind) {
    case AST_block:
        exec_block(e, s);
        break;
    case AST_assign:
        exec_assign(e, s);
        break;
    case AST_return_:
        exec_return(e, s);
        break;
    case AST_repeat:
        exec_repeat(e, s);
        break;
    case AST_for_:
        exec_for(e, s);
        break;
    case AST_if_:
        exec_if(e, s);
        break;
    case AST_param:
        exec_param(e, s);
        break;
    case AST_state:
        exec_state(e, s);
        break;
    case AST_eval:
        exec_bare(e, s);
        break;
    case AST_poison:
        break;
    default:
        exec_entry_statement(e, s);
    }
    eval_leave(e);
}

void exec_block(Elab *e, const Ast *block)
{
    for (int k = 0; k < block->n && !e->dead && !e->frame->returned; k++)
        exec(e, block->kid[k]);
}
