/*
 * emit_tables.c -- the constant rnn_program: what the runtime's main() knows
 * of the program (rnn_rt.h).
 *
 * Each C struct becomes one literal of the same fields in the same order;
 * LLVM lays literals out as C does, padding fields are written out. Arrays
 * and strings are private constants of their own.
 */
#include "codegen/emit.h"
#include "rnn_rt.h"

#include <stdlib.h>

enum { FIELDS_MAX = 32 };

typedef struct Row { // a struct literal in the making
    Emit *e;
    int n;
    LLVMValueRef at[FIELDS_MAX];
} Row;

static void put(Row *r, LLVMValueRef x)
{
    if (r->n == FIELDS_MAX)
        internal_error("a table row of more than %d fields", FIELDS_MAX);
    r->at[r->n++] = x;
}

static void put_int(Row *r, int64_t x) // int32_t
{
    put(r, LLVMConstInt(r->e->i32, (unsigned long long)x, 1));
}

static void put_long(Row *r, int64_t x) // int64_t
{
    put(r, LLVMConstInt(r->e->i64, (unsigned long long)x, 1));
}

static void put_real(Row *r, double x)
{
    put(r, LLVMConstReal(r->e->f64, x));
}

static LLVMValueRef constant(Emit *e, LLVMValueRef x, const char *name)
{
    LLVMValueRef g = LLVMAddGlobal(e->m, LLVMTypeOf(x), name);

    LLVMSetInitializer(g, x);
    LLVMSetGlobalConstant(g, 1);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
    return g;
}

static LLVMValueRef text(Emit *e, const char *s)
{
    s = s ? s : "";
    return constant(e, LLVMConstStringInContext2(e->c, s, strlen(s), 0), "s");
}

static void put_text(Row *r, const char *s)
{
    put(r, text(r->e, s));
}

static LLVMValueRef finish(Row *r)
{
    return LLVMConstStructInContext(r->e->c, r->at, (unsigned)r->n, 0);
}

/* A pointer to n rows of one type; NULL if there are none. */
static void put_rows(Row *r, LLVMValueRef *row, int n, const char *name)
{
    put(r, n ? constant(r->e,
                        LLVMConstArray2(LLVMTypeOf(row[0]), row, (uint64_t)n),
                        name)
             : LLVMConstNull(r->e->ptr));
}

static void put_place(Row *r, Span at)
{
    uint32_t line, col;

    if (!at.src) {
        put_text(r, "");
        return;
    }
    source_place(at, &line, &col);
    put_text(r, arena_printf(r->e->a, "%s:%u:%u", at.src->name, line, col));
}

static void put_type(Row *r, Type t)
{
    Row row = {.e = r->e};
    LLVMValueRef dim[RNN_RANK_MAX];

    put_int(&row, t.dt);
    put_int(&row, t.batched);
    put_int(&row, t.shape.rank);
    put_int(&row, 0);
    for (int d = 0; d < RNN_RANK_MAX; d++)
        dim[d] = LLVMConstInt(
            r->e->i64, (unsigned long long)(d < t.shape.rank ? t.shape.dim[d]
                                                             : 0), 1);
    put(&row, LLVMConstArray2(r->e->i64, dim, RNN_RANK_MAX));
    put(r, finish(&row));
}

/* --- the program's declarations ------------------------------------------- */

static void put_vars(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->var.n + 1);

    for (int i = 0; i < u->var.n; i++) {
        const VarDecl *v = &u->var.at[i];
        Row x = {.e = r->e};

        put_text(&x, v->path);
        put_place(&x, v->span);
        put_type(&x, v->type);
        put_int(&x, v->is_param);
        put_int(&x, 0);
        row[i] = finish(&x);
    }
    put_rows(r, row, u->var.n, "vars");
}

static void put_groups(Row *r, const NetDecl *d)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, d->ngroup + 1);

    for (int i = 0; i < d->ngroup; i++) {
        Row x = {.e = r->e};

        put_text(&x, d->group[i]);
        put_real(&x, d->degree[i]);
        put_int(&x, d->with[i]);
        put_int(&x, 0);
        row[i] = finish(&x);
    }
    put_rows(r, row, d->ngroup, "groups");
}

static void put_nets(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->net.n + 1);

    for (int i = 0; i < u->net.n; i++) {
        const NetDecl *d = &u->net.at[i];
        Row x = {.e = r->e};

        put_text(&x, d->name);
        put_place(&x, d->span);
        put_text(&x, d->homogeneous ? "" : d->why);
        put_place(&x, d->homogeneous ? (Span){0} : d->at->span);
        put_real(&x, d->order);
        put_real(&x, d->input);
        put_int(&x, d->promised);
        put_int(&x, d->ngroup);
        put_groups(&x, d);
        row[i] = finish(&x);
    }
    put_rows(r, row, u->net.n, "nets");
}

static int var_number(const Unit *u, const char *path)
{
    for (int i = 0; path && i < u->var.n; i++)
        if (u->var.at[i].path == path)
            return i;
    return 0;
}

static void put_bound(Row *r, const Unit *u, const SolveDecl *d)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, d->nterm + 1);

    for (int i = 0; i < d->nterm; i++) {
        Row x = {.e = r->e};

        put_int(&x, d->term[i].op);
        put_int(&x, var_number(u, d->term[i].var));
        put_real(&x, d->term[i].c);
        row[i] = finish(&x);
    }
    put_rows(r, row, d->nterm, "bound");
}

static void put_solves(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->solve.n + 1);

    for (int i = 0; i < u->solve.n; i++) {
        const SolveDecl *d = &u->solve.at[i];
        Row x = {.e = r->e};

        put_place(&x, d->span);
        put_text(&x, d->method);
        put_text(&x, d->gradient);
        if (d->bounded)
            put_text(&x, "");
        else
            put_place(&x, d->at->span);
        put_long(&x, d->steps);
        put_long(&x, d->size);
        put_long(&x, d->levels);
        put_long(&x, d->products);
        put_int(&x, d->evaluations);
        put_int(&x, d->autonomous);
        put_int(&x, d->adaptive);
        put_int(&x, d->nterm);
        put_bound(&x, u, d);
        row[i] = finish(&x);
    }
    put_rows(r, row, u->solve.n, "solves");
}

static void put_options(Row *r, const OptionDecl *o, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++) {
        Row x = {.e = r->e};

        put_text(&x, o[i].name);
        put_text(&x, o[i].doc);
        put_int(&x, o[i].kind);
        put_int(&x, 0);
        put_real(&x, o[i].value);
        put_real(&x, o[i].lo);
        put_real(&x, o[i].hi);
        row[i] = finish(&x);
    }
    put_rows(r, row, n, "options");
}

static void put_fields(Row *r, const DataDecl *d)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, d->nfield + 1);

    for (int i = 0; i < d->nfield; i++) {
        const FieldDecl *f = &d->field[i];
        Row x = {.e = r->e};

        put_text(&x, f->name);
        put_type(&x, f->type);
        put_real(&x, f->lo);
        put_real(&x, f->hi);
        put_long(&x, f->nclass);
        row[i] = finish(&x);
    }
    put_rows(r, row, d->nfield, "fields");
}

static void put_texts(Row *r, const char *const *s, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++)
        row[i] = text(r->e, s[i]);
    put_rows(r, row, n, "texts");
}

static void put_data(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->data.n + 1);

    for (int i = 0; i < u->data.n; i++) {
        const DataDecl *d = &u->data.at[i];
        Row x = {.e = r->e};

        put_text(&x, d->name);
        put_text(&x, d->reader);
        put_place(&x, d->span);
        put_int(&x, d->narg);
        put_int(&x, d->nfield);
        put_texts(&x, d->arg_name, d->narg);
        put_texts(&x, d->arg, d->narg);
        put_fields(&x, d);
        row[i] = finish(&x);
    }
    put_rows(r, row, u->data.n, "data");
}

/* --- entries -------------------------------------------------------------- */

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
    put_int(&x, kind[k]);
    put_int(&x, ref);
    put_type(&x, v->type);
    put_int(&x, k == INPUT_FIELD && strchr(name, '@')
                    ? strchr(name, '@')[1] - '0' : 0);
    put_int(&x, 0);
    return finish(&x);
}

static void put_inputs(Row *r, const Unit *u, const Program *p)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, p->nin + 1);

    for (int i = 0; i < p->nin; i++)
        row[i] = input_row(r->e, u, p->entry, p->in[i]);
    put_rows(r, row, p->nin, "inputs");
}

static void put_outputs(Row *r, const Program *p)
{
    const Func *f = &p->entry->func;
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, f->nout + 1);

    for (int i = 0; i < f->nout; i++) {
        const Output *o = &p->entry->output[i];
        Row x = {.e = r->e};

        put_int(&x, o->kind);
        put_int(&x, o->ref);
        put_text(&x, o->name);
        put_text(&x, o->text);
        put_place(&x, o->span);
        put_type(&x, f->out[i]->type);
        put_int(&x, p->inplace && p->inplace[i]);
        put_int(&x, o->fold);
        row[i] = finish(&x);
    }
    put_rows(r, row, f->nout, "outputs");
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

        put_text(&x, k->name);
        put_place(&x, k->root->span.src ? k->root->span : k->core->span);
        put_real(&x, k->flops_example * times);
        put_real(&x, k->flops_call * times);
        put_real(&x, k->bytes_example * times);
        put_real(&x, k->bytes_call * times);
        put_int(&x, w->open[i]);
        put_int(&x, (emit_slow(k) != NULL) + (100 * part[i] >= SLOW_PERCENT));
        put_real(&x, times);
        row[i] = finish(&x);
    }
    put_rows(r, row, p->kernel.n, "kernels");
}

static int find_entry(const Unit *u, Program *const *p, int n, int which)
{
    for (int i = 0; which >= 0 && i < n; i++)
        if (p[i]->entry == &u->entry.at[which])
            return i;
    return -1;
}

static void put_ints(Row *r, const int *v, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++)
        row[i] = LLVMConstInt(r->e->i32, (unsigned long long)v[i], 1);
    put_rows(r, row, n, "ints");
}

static void put_reals(Row *r, const double *v, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++)
        row[i] = LLVMConstReal(r->e->f64, v[i]);
    put_rows(r, row, n, "reals");
}

static void put_stats(Row *r, const Entry *e)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, e->nstat + 1);

    for (int i = 0; i < e->nstat; i++) {
        const StatDecl *s = &e->stat[i];
        Row x = {.e = r->e};

        put_text(&x, s->kind);
        put_text(&x, s->name);
        put_place(&x, s->span);
        put_int(&x, s->plot);
        put_int(&x, s->nvalue);
        put_int(&x, s->nparam);
        put_int(&x, 0);
        put_ints(&x, s->value, s->nvalue);
        put_texts(&x, s->label, s->nvalue);
        put_reals(&x, s->param, s->nparam);
        row[i] = finish(&x);
    }
    put_rows(r, row, e->nstat, "stats");
}

static void put_rivals(Row *r, const Unit *u, Program *const *all, int n,
                       const Entry *e)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, e->nrival + 1);

    for (int i = 0; i < e->nrival; i++) {
        const RivalDecl *d = &e->rival[i];
        Row x = {.e = r->e};

        put_text(&x, d->name);
        put_place(&x, d->span);
        put_text(&x, d->split);
        put_int(&x, d->data);
        put_int(&x, find_entry(u, all, n, d->entry));
        put_int(&x, d->field);
        put_int(&x, 0);
        row[i] = finish(&x);
    }
    put_rows(r, row, e->nrival, "rivals");
}

static LLVMValueRef entry_row(Emit *em, const Unit *u, Program *const *all,
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
    put_int(&x, e->kind);
    put_int(&x, e->data);
    put_text(&x, e->name);
    put_text(&x, e->doc);
    put_place(&x, e->span);
    put_text(&x, e->split);
    put_long(&x, e->batch);
    put_long(&x, e->epochs);
    put_long(&x, e->count);
    put_int(&x, p->nin);
    put_int(&x, e->func.nout);
    put_int(&x, e->nopt);
    put_int(&x, p->kernel.n);
    put_inputs(&x, u, p);
    put_outputs(&x, p);
    put_options(&x, e->option, e->nopt);
    put_kernels(&x, p, &w);
    put_long(&x, p->shared_bytes);
    put_long(&x, p->example_bytes);
    put_real(&x, example);
    put_real(&x, call);
    put(&x, fn);
    put_int(&x, e->kind == ENTRY_TRAIN ? find_entry(u, all, n, e->check) : -1);
    put_int(&x, find_entry(u, all, n, e->before ? e->before : -1));
    put_int(&x, find_entry(u, all, n, e->epoch ? e->epoch : -1));
    put_int(&x, find_entry(u, all, n, e->rollback ? e->rollback : -1));
    put_int(&x, e->nstat);
    put_int(&x, e->nrival);
    put_stats(&x, e);
    put_rivals(&x, u, all, n, e);
    return finish(&x);
}

void emit_tables(Emit *e, const Unit *u, Program *const *p, int n,
                 LLVMValueRef *entry_fn)
{
    LLVMValueRef *row = NEW_N(e->a, LLVMValueRef, n + 1), g, init;
    Row x = {.e = e};

    for (int i = 0; i < n; i++)
        row[i] = entry_row(e, u, p, n, i, entry_fn[i]);
    put_int(&x, RNN_ABI);
    put_int(&x, u->real);
    put_text(&x, u->name);
    put_text(&x, u->source ? u->source->name : "");
    put_text(&x, RNN_VERSION);
    put_text(&x, target_cpu(e->target));
    put_text(&x, target_required_features(e->target));
    put_int(&x, u->var.n);
    put_int(&x, u->option.n);
    put_int(&x, u->data.n);
    put_int(&x, n);
    put_vars(&x, u);
    put_options(&x, u->option.at, u->option.n);
    put_data(&x, u);
    put_rows(&x, row, n, "entries");
    put_int(&x, u->net.n);
    put_int(&x, 0);
    put_nets(&x, u);
    put(&x, emit_peak(e));
    put(&x, emit_read(e));
    put_long(&x, 2 * RNN_PEAK_CHAINS * e->opt.vector_bytes / 4);
    put_long(&x, u->solve.n);
    put_solves(&x, u);
    init = finish(&x);
    g = LLVMAddGlobal(e->m, LLVMTypeOf(init), "rnn_program");
    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, 1);
}
