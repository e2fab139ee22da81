/*
 * report.c -- what elaboration says, and how it names values.
 *
 * An error inside a function carries notes with the calls that led there. They
 * follow the error's own notes, so they wait in e->stack until the next
 * message. In a trial nothing is said; messages are counted.
 */
#include "sema/elab.h"

#include <string.h>

enum { STACK_NOTES = 3, TEXT_ITEMS = 4, TEXT_DEPTH = 3 };

void sema_flush(Elab *e)
{
    for (int i = 0; i < e->stack.n; i++)
        diag_note(e->d, e->stack.at[i], "in the call of \"%s\" here",
                  e->stack_name.at[i]);
    e->stack.n = 0;
    e->stack_name.n = 0;
}

static bool is_within(Span a, Span b)
{
    return a.src == b.src && a.lo >= b.lo && a.hi <= b.hi;
}

/* A call that the error's own line shows needs no note. */
static void note_calls(Elab *e, Span at)
{
    Frame *f = e->frame;

    for (int n = 0; f && n < STACK_NOTES; f = f->caller) {
        if (f->kind != FRAME_CALL || f->call.src == NULL ||
            is_within(at, f->call))
            continue;
        VEC_PUSH(e->a, &e->stack, f->call);
        VEC_PUSH(e->a, &e->stack_name, f->name);
        n++;
        if (is_flavour(f->decl, "net"))
            break;
    }
}

Value sema_error(Elab *e, Span at, const char *fmt, ...)
{
    va_list ap;

    e->note_ok = false;
    e->nerrors++;
    if (e->mute) {
        e->nmuted++;
        return POISON;
    }
    va_start(ap, fmt);
    const char *text = arena_vprintf(e->a, fmt, ap);
    va_end(ap);
    sema_flush(e);
    diag_error(e->d, at, "%s", text);
    if (e->nerrors > ERRORS_MAX)
        e->dead = true; // one mistake, met again and again
    e->note_ok = true;
    e->said_at = at;
    note_calls(e, at);
    return POISON;
}

void sema_warn(Elab *e, Span at, const char *name, const char *fmt, ...)
{
    va_list ap;

    e->note_ok = false;
    if (e->mute) {
        e->nmuted++;
        return;
    }
    va_start(ap, fmt);
    const char *text = arena_vprintf(e->a, fmt, ap);
    va_end(ap);
    sema_flush(e);
    diag_warn(e->d, at, name, "%s", text);
    e->note_ok = true;
    e->said_at = at;
}

void sema_note(Elab *e, Span at, const char *fmt, ...)
{
    va_list ap;

    if (!e->note_ok)
        return;
    va_start(ap, fmt);
    diag_note(e->d, at, "%s", arena_vprintf(e->a, fmt, ap));
    va_end(ap);
}

void sema_help(Elab *e, const char *fmt, ...)
{
    va_list ap;

    if (!e->note_ok)
        return;
    va_start(ap, fmt);
    diag_help(e->d, "%s", arena_vprintf(e->a, fmt, ap));
    va_end(ap);
}

const char *type_words(Elab *e, Type t)
{
    const char *word = t.dt == DT_i32    ? "int"
                       : t.dt == DT_bool ? "bool"
                       : t.dt == DT_f64 && e->u->real == DT_f32 ? "real64"
                                                               : "real";

    return t.shape.rank
               ? arena_printf(e->a, "%s%s", word, shape_text(e->a, t.shape))
               : word;
}

const char *type_words_batch(Elab *e, Type t)
{
    return arena_printf(e->a, "%s%s", type_words(e, t),
                        t.batched ? " of each example" : "");
}

const char *kind_text(const Value *v)
{
    static const char *const text[] = {
        [V_POISON] = "an error",     [V_ABSENT] = "nothing",
        [V_VOID] = "no value",       [V_INT] = "an int",
        [V_REAL] = "a real",         [V_BOOL] = "a bool",
        [V_STRING] = "a string",     [V_LIST] = "a list",
        [V_TUPLE] = "a tuple",       [V_RANGE] = "a range",
        [V_FN] = "a function",       [V_PRIM] = "a builtin function",
        [V_DATA] = "a data set",     [V_SPLIT] = "a split of a data set",
        [V_TENSOR] = "a tensor",     [V_DRAW] = "a random draw",
        [V_LOG] = "a log-domain real",
        [V_STAT] = "a result over the whole data set",
    };

    return text[v->kind];
}

static const char *text_of(Elab *e, const Value *v, int depth)
{
    const char *text;

    switch (v->kind) {
    case V_INT:
        return arena_printf(e->a, "%lld", (long long)v->i);
    case V_REAL:
        return arena_printf(e->a, "%g", v->num);
    case V_BOOL:
        return v->i ? "true" : "false";
    case V_STRING:
        return strlen(v->s) <= 40 ? arena_printf(e->a, "\"%s\"", v->s)
                                  : "a long string";
    case V_RANGE:
        return arena_printf(e->a, "%lld .. %lld", (long long)v->i,
                            (long long)v->j);
    case V_LIST:
    case V_TUPLE:
        if (depth == 0)
            return kind_text(v);
        text = v->kind == V_LIST ? "[" : "(";
        for (int k = 0; k < v->n && k < TEXT_ITEMS; k++)
            text = arena_printf(e->a, "%s%s%s", text, k ? ", " : "",
                                text_of(e, &v->item[k], depth - 1));
        return arena_printf(e->a, "%s%s%s", text,
                            v->n > TEXT_ITEMS ? ", ..." : "",
                            v->kind == V_LIST ? "]" : ")");
    case V_FN:
        return arena_printf(e->a, "the %s \"%s\"", v->decl->ast->flavour,
                            v->decl->name);
    case V_PRIM:
        return arena_printf(e->a, "the builtin \"%s\"", v->prim->name);
    case V_DATA:
        return arena_printf(e->a, "the data set \"%s\"", v->decl->name);
    case V_TENSOR:
        return type_words(e, v->val->type);
    case V_LOG:
        return v->val->type.shape.rank
                   ? arena_printf(e->a, "log-domain reals of shape %s",
                                  shape_text(e->a, v->val->type.shape))
                   : kind_text(v);
    default:
        return kind_text(v);
    }
}

const char *value_text(Elab *e, const Value *v)
{
    return text_of(e, v, TEXT_DEPTH);
}

/* Where the binding of a name was made, if the operand is a plain name. */
static const Binding *binding_of(Elab *e, const Ast *x)
{
    return x && x->kind == AST_name && e->frame
               ? frame_find(e->frame, x->text) : NULL;
}

void note_operand(Elab *e, const Arg *x)
{
    const Binding *b = binding_of(e, x->ast);

    if (!e->note_ok || x->v.kind == V_POISON)
        return;
    if (b && b->span.src)
        sema_note(e, b->span, "\"%s\" is %s, from here", b->name,
                  value_text(e, &x->v));
    else if (!is_within(e->said_at, x->span))
        sema_note(e, x->span, "this is %s", value_text(e, &x->v));
}

typedef enum {
    PHASE_CONST, PHASE_OPTION, PHASE_VAR, PHASE_STEP, PHASE_DRAW, PHASE_BATCH,
    PHASE_EXAMPLE, PHASE_PASS
} Phase;

static Phase phase_of_node(Val v)
{
    switch (v->op) {
    case OP_uniform:
    case OP_normal:
    case OP_permutation:
        return v->type.batched ? PHASE_EXAMPLE : PHASE_DRAW;
    case OP_batch_size:
        return PHASE_BATCH;
    case OP_input:
        switch ((InputKind)v->attr.i[0]) {
        case INPUT_OPTION:
            return PHASE_OPTION;
        case INPUT_VAR:
            return PHASE_VAR;
        case INPUT_CLOCK:
            return v->type.batched ? PHASE_EXAMPLE : PHASE_STEP;
        default:
            return PHASE_EXAMPLE;
        }
    default:
        return PHASE_CONST;
    }
}

static Phase phase_of(Val v)
{
    Arena *tmp = arena_new();
    Phase phase = PHASE_CONST;
    int n;

    if (v->region) {
        phase = PHASE_PASS;
    } else {
        Val *all = ir_topo(tmp, &v, 1, NULL, &n);
        for (int i = 0; i < n; i++) {
            Phase p = phase_of_node(all[i]);
            if (p == PHASE_EXAMPLE && !v->type.batched)
                p = PHASE_BATCH;
            phase = p > phase ? p : phase;
        }
    }
    arena_free(tmp);
    return phase;
}

const char *phase_text(Elab *e, const Value *v)
{
    static const char *const text[] = {
        [PHASE_CONST] = "a tensor",
        [PHASE_OPTION] = "an option, known when the run starts",
        [PHASE_VAR] = "computed from parameters or states",
        [PHASE_STEP] = "known only at each step",
        [PHASE_DRAW] = "a random draw",
        [PHASE_BATCH] = "known only for each batch",
        [PHASE_EXAMPLE] = "different for each example",
        [PHASE_PASS] = "different in each pass of a repeat",
    };

    (void)e;
    return v->kind == V_TENSOR ? text[phase_of(v->val)] : kind_text(v);
}

/* A formal of an attack that is an option of its command: from now on it is a
 * constant instead, and the attack is elaborated again. */
static void demote(Elab *e, Val v)
{
    EntryBuild *b = e->entry;

    if (b == NULL || b->kind != ENTRY_ATTACK)
        return;
    Arena *tmp = arena_new();
    int n;
    Val *all = ir_topo(tmp, &v, 1, NULL, &n);
    for (int i = 0; i < n; i++)
        if (all[i]->op == OP_input && all[i]->attr.i[0] == INPUT_OPTION)
            b->demoted[b->ndemoted++ % ARGS_MAX] = all[i]->attr.s;
    arena_free(tmp);
}

Value error_phase(Elab *e, Span at, const char *what, const Value *v)
{
    if (v->kind == V_TENSOR) {
        demote(e, v->val);
        sema_error(e, at, "%s must be known when compiling, but this is %s",
                   what, phase_text(e, v));
        return POISON;
    }
    return sema_error(e, at, "%s cannot be %s", what, value_text(e, v));
}
