/*
 * emit_entries.c -- one row a program of the constant rnn_program: its inputs
 * and outputs, its kernels with their work, statistics and rival data.
 */
#include "codegen/emit_literal.h"

static int find_field(const Unit *u, const Entry *e, const char *name)
{
    const DataDecl *d = e->data < 0 ? NULL : &u->data.at[e->data];

    if (!d)
        return 0; // the formal of a net: an entry without data has one
    size_t n = strcspn(name, "@"); // "x@2": of the second other example
    for (int i = 0; i < d->nfield; i++)
        if (strlen(d->field[i].name) == n && !memcmp(d->field[i].name, name, n))
            return i;
    return -1;
}

static int find_var(const Unit *u, const char *path)
{
    for (int i = 0; i < u->var.n; i++)
        if (u->var.at[i].path == path)
            return i;
    return -1;
}

/* An entry's own options hide the program's. */
static int find_option(const Unit *u, const Entry *e, const char *name)
{
    for (int i = 0; i < e->nopt; i++)
        if (e->option[i].name == name)
            return u->option.n + i;
    for (int i = 0; i < u->option.n; i++)
        if (u->option.at[i].name == name)
            return i;
    return -1;
}

static int find_clock(const char *name)
{
    static const char *const clock[] = {
        [RNN_CLOCK_STEP] = "step",
        [RNN_CLOCK_EPOCH] = "epoch",
        [RNN_CLOCK_EPOCHS] = "epochs",
        [RNN_CLOCK_STEPS_PER_EPOCH] = "steps_per_epoch",
        [RNN_CLOCK_INDEX] = "index"};

    for (int i = 0; i < (int)ARRAY_LEN(clock); i++)
        if (!strcmp(clock[i], name))
            return i;
    return -1;
}

static LLVMValueRef input_row(Emit *em, const Unit *u, const Entry *e, Val v)
{
    static const RnnInKind kind[] = {
        [INPUT_FIELD] = RNN_IN_FIELD, [INPUT_VAR] = RNN_IN_VAR,
        [INPUT_OPTION] = RNN_IN_OPTION, [INPUT_CLOCK] = RNN_IN_CLOCK,
        [INPUT_FOLD] = RNN_IN_FOLD};
    InputKind k = (InputKind)v->attr.i[0];
    const char *name = v->attr.s;
    Row x = {.e = em};
    int ref = k == INPUT_FIELD    ? find_field(u, e, name)
              : k == INPUT_VAR    ? find_var(u, name)
              : k == INPUT_OPTION ? find_option(u, e, name)
              : k == INPUT_FOLD   ? (int)strtol(name, NULL, 10)
                                  : find_clock(name);

    if (ref < 0)
        internal_error("entry \"%s\" reads \"%s\", which nothing declares",
                       e->name, name);
    row_int(&x, kind[k]);
    row_int(&x, ref);
    row_type(&x, v->type);
    row_int(&x, k == INPUT_FIELD && strchr(name, '@')
                    ? strchr(name, '@')[1] - '0' : 0);
    row_int(&x, 0);
    return row_literal(&x);
}

static void put_inputs(Row *r, const Unit *u, const Program *p)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, p->nin + 1);

    for (int i = 0; i < p->nin; i++)
        row[i] = input_row(r->e, u, p->entry, p->in[i]);
    row_array(r, row, p->nin, "inputs");
}

static void put_outputs(Row *r, const Program *p)
{
    const Func *f = &p->entry->func;
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, f->nout + 1);

    for (int i = 0; i < f->nout; i++) {
        const Output *o = &p->entry->output[i];
        Row x = {.e = r->e};

        row_int(&x, o->kind);
        row_int(&x, o->ref);
        row_text(&x, o->name);
        row_text(&x, o->text);
        row_place(&x, o->span);
        row_type(&x, f->out[i]->type);
        row_int(&x, p->inplace && p->inplace[i]);
        row_int(&x, o->fold);
        row[i] = row_literal(&x);
    }
    row_array(r, row, f->nout, "outputs");
}

/* Work of the kernels in these steps; those in loops of run-time length are
 * counted for one pass and marked. */
typedef struct Work {
    double *times; // by kernel id
    bool *open;    // in a loop of run-time length
} Work;

static void count_steps(Work *w, const Steps *s, double times, bool open)
{
    for (int i = 0; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];

        if (st->kind == STEP_KERNEL) {
            w->times[st->kernel->id] = times;
            w->open[st->kernel->id] = open;
        } else if (st->kind == STEP_LOOP) {
            count_steps(w, st->body, st->count ? times
                                               : times * (double)st->trip,
                        open || st->count);
        }
    }
}

static Work work_of(Emit *e, const Program *p)
{
    Work w = {NEW_N(e->a, double, p->kernel.n + 1),
              NEW_N(e->a, bool, p->kernel.n + 1)};

    count_steps(&w, &p->steps, 1, false);
    return w;
}

static void put_kernels(Row *r, const Program *p, const Work *w)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, p->kernel.n + 1);
    double *part = emit_slow_parts(r->e->a, p);

    for (int i = 0; i < p->kernel.n; i++) {
        const Kernel *k = p->kernel.at[i];
        double times = w->times[i];
        Row x = {.e = r->e};

        row_text(&x, k->name);
        row_place(&x, k->root->span.src ? k->root->span : k->core->span);
        row_real(&x, k->flops_example * times);
        row_real(&x, k->flops_call * times);
        row_real(&x, k->bytes_example * times);
        row_real(&x, k->bytes_call * times);
        row_int(&x, w->open[i]);
        row_int(&x, (emit_slow(k) != NULL) + (100 * part[i] >= SLOW_PERCENT));
        row_real(&x, times);
        row[i] = row_literal(&x);
    }
    row_array(r, row, p->kernel.n, "kernels");
}

static int find_entry(const Unit *u, Program *const *p, int n, int which)
{
    for (int i = 0; which >= 0 && i < n; i++)
        if (p[i]->entry == &u->entry.at[which])
            return i;
    return -1;
}

static void put_stats(Row *r, const Entry *e)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, e->nstat + 1);

    for (int i = 0; i < e->nstat; i++) {
        const StatDecl *s = &e->stat[i];
        Row x = {.e = r->e};

        row_text(&x, s->kind);
        row_text(&x, s->name);
        row_place(&x, s->span);
        row_int(&x, s->plot);
        row_int(&x, s->nvalue);
        row_int(&x, s->nparam);
        row_int(&x, 0);
        row_ints(&x, s->value, s->nvalue);
        row_texts(&x, s->label, s->nvalue);
        row_reals(&x, s->param, s->nparam);
        row[i] = row_literal(&x);
    }
    row_array(r, row, e->nstat, "stats");
}

static void put_rivals(Row *r, const Unit *u, Program *const *all, int n,
                       const Entry *e)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, e->nrival + 1);

    for (int i = 0; i < e->nrival; i++) {
        const RivalDecl *d = &e->rival[i];
        Row x = {.e = r->e};

        row_text(&x, d->name);
        row_place(&x, d->span);
        row_text(&x, d->split);
        row_int(&x, d->data);
        row_int(&x, find_entry(u, all, n, d->entry));
        row_int(&x, d->field);
        row_int(&x, 0);
        row[i] = row_literal(&x);
    }
    row_array(r, row, e->nrival, "rivals");
}

LLVMValueRef entry_row(Emit *em, const Unit *u, Program *const *all,
                              int n, int which, LLVMValueRef fn)
{
    const Program *p = all[which];
    const Entry *e = p->entry;
    Work w = work_of(em, p);
    double example = 0, call = 0;
    Row x = {.e = em};

    for (int i = 0; i < p->kernel.n; i++) {
        example += w.times[i] * p->kernel.at[i]->flops_example;
        call += w.times[i] * p->kernel.at[i]->flops_call;
    }
    row_int(&x, e->kind);
    row_int(&x, e->data);
    row_text(&x, e->name);
    row_text(&x, e->doc);
    row_place(&x, e->span);
    row_text(&x, e->split);
    row_long(&x, e->batch);
    row_long(&x, e->epochs);
    row_long(&x, e->count);
    row_int(&x, p->nin);
    row_int(&x, e->func.nout);
    row_int(&x, e->nopt);
    row_int(&x, p->kernel.n);
    put_inputs(&x, u, p);
    put_outputs(&x, p);
    row_options(&x, e->option, e->nopt);
    put_kernels(&x, p, &w);
    row_long(&x, p->shared_bytes);
    row_long(&x, p->example_bytes);
    row_real(&x, example);
    row_real(&x, call);
    row_value(&x, fn);
    row_int(&x, e->kind == ENTRY_TRAIN ? find_entry(u, all, n, e->check) : -1);
    row_int(&x, find_entry(u, all, n, e->before ? e->before : -1));
    row_int(&x, find_entry(u, all, n, e->epoch ? e->epoch : -1));
    row_int(&x, find_entry(u, all, n, e->rollback ? e->rollback : -1));
    row_int(&x, e->nstat);
    row_int(&x, e->nrival);
    put_stats(&x, e);
    put_rivals(&x, u, all, n, e);
    return row_literal(&x);
}
