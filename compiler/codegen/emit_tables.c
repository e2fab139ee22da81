/*
 * emit_tables.c -- the constant rnn_program: what the runtime's main() knows
 * of the program (rnn_rt.h).
 */
#include "codegen/emit_literal.h"

static void put_vars(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->var.n + 1);

    for (int i = 0; i < u->var.n; i++) {
        const VarDecl *v = &u->var.at[i];
        Row x = {.e = r->e};

        row_text(&x, v->path);
        row_place(&x, v->span);
        row_type(&x, v->type);
        row_int(&x, v->is_param);
        row_int(&x, 0);
        row[i] = row_literal(&x);
    }
    row_array(r, row, u->var.n, "vars");
}

static void put_groups(Row *r, const NetDecl *d)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, d->ngroup + 1);

    for (int i = 0; i < d->ngroup; i++) {
        Row x = {.e = r->e};

        row_text(&x, d->group[i]);
        row_real(&x, d->degree[i]);
        row_int(&x, d->with[i]);
        row_int(&x, 0);
        row[i] = row_literal(&x);
    }
    row_array(r, row, d->ngroup, "groups");
}

static void put_nets(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->net.n + 1);

    for (int i = 0; i < u->net.n; i++) {
        const NetDecl *d = &u->net.at[i];
        Row x = {.e = r->e};

        row_text(&x, d->name);
        row_place(&x, d->span);
        row_text(&x, d->homogeneous ? "" : d->why);
        row_place(&x, d->homogeneous ? (Span){0} : d->at->span);
        row_real(&x, d->order);
        row_real(&x, d->input);
        row_int(&x, d->promised);
        row_int(&x, d->ngroup);
        put_groups(&x, d);
        row[i] = row_literal(&x);
    }
    row_array(r, row, u->net.n, "nets");
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

        row_int(&x, d->term[i].op);
        row_int(&x, var_number(u, d->term[i].var));
        row_real(&x, d->term[i].c);
        row[i] = row_literal(&x);
    }
    row_array(r, row, d->nterm, "bound");
}

static void put_solves(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->solve.n + 1);

    for (int i = 0; i < u->solve.n; i++) {
        const SolveDecl *d = &u->solve.at[i];
        Row x = {.e = r->e};

        row_place(&x, d->span);
        row_text(&x, d->method);
        row_text(&x, d->gradient);
        if (d->bounded)
            row_text(&x, "");
        else
            row_place(&x, d->at->span);
        row_long(&x, d->steps);
        row_long(&x, d->size);
        row_long(&x, d->levels);
        row_long(&x, d->products);
        row_int(&x, d->evaluations);
        row_int(&x, d->autonomous);
        row_int(&x, d->adaptive);
        row_int(&x, d->nterm);
        put_bound(&x, u, d);
        row[i] = row_literal(&x);
    }
    row_array(r, row, u->solve.n, "solves");
}

static void put_fields(Row *r, const DataDecl *d)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, d->nfield + 1);

    for (int i = 0; i < d->nfield; i++) {
        const FieldDecl *f = &d->field[i];
        Row x = {.e = r->e};

        row_text(&x, f->name);
        row_type(&x, f->type);
        row_real(&x, f->lo);
        row_real(&x, f->hi);
        row_long(&x, f->nclass);
        row[i] = row_literal(&x);
    }
    row_array(r, row, d->nfield, "fields");
}

static void put_data(Row *r, const Unit *u)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, u->data.n + 1);

    for (int i = 0; i < u->data.n; i++) {
        const DataDecl *d = &u->data.at[i];
        Row x = {.e = r->e};

        row_text(&x, d->name);
        row_text(&x, d->reader);
        row_place(&x, d->span);
        row_int(&x, d->narg);
        row_int(&x, d->nfield);
        row_texts(&x, d->arg_name, d->narg);
        row_texts(&x, d->arg, d->narg);
        put_fields(&x, d);
        row[i] = row_literal(&x);
    }
    row_array(r, row, u->data.n, "data");
}

void row_options(Row *r, const OptionDecl *o, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++) {
        Row x = {.e = r->e};

        row_text(&x, o[i].name);
        row_text(&x, o[i].doc);
        row_int(&x, o[i].kind);
        row_int(&x, 0);
        row_real(&x, o[i].value);
        row_real(&x, o[i].lo);
        row_real(&x, o[i].hi);
        row[i] = row_literal(&x);
    }
    row_array(r, row, n, "options");
}

void emit_tables(Emit *e, const Unit *u, Program *const *p, int n,
                 LLVMValueRef *entry_fn)
{
    LLVMValueRef *row = NEW_N(e->a, LLVMValueRef, n + 1), g, init;
    Row x = {.e = e};

    for (int i = 0; i < n; i++)
        row[i] = entry_row(e, u, p, n, i, entry_fn[i]);
    row_int(&x, RNN_ABI);
    row_int(&x, u->real);
    row_text(&x, u->name);
    row_text(&x, u->source ? u->source->name : "");
    row_text(&x, RNN_VERSION);
    row_text(&x, target_cpu(e->target));
    row_text(&x, target_required_features(e->target));
    row_int(&x, u->var.n);
    row_int(&x, u->option.n);
    row_int(&x, u->data.n);
    row_int(&x, n);
    put_vars(&x, u);
    row_options(&x, u->option.at, u->option.n);
    put_data(&x, u);
    row_array(&x, row, n, "entries");
    row_int(&x, u->net.n);
    row_int(&x, 0);
    put_nets(&x, u);
    row_value(&x, emit_peak(e));
    row_value(&x, emit_read(e));
    row_long(&x, 2 * RNN_PEAK_CHAINS * e->opt.vector_bytes / 4);
    row_long(&x, u->solve.n);
    put_solves(&x, u);
    init = row_literal(&x);
    g = LLVMAddGlobal(e->m, LLVMTypeOf(init), "rnn_program");
    LLVMSetInitializer(g, init);
    LLVMSetGlobalConstant(g, 1);
}
