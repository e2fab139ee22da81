/*
 * emit_literal.c -- struct literals of the constant tables, see emit_literal.h.
 */
#include "codegen/emit_literal.h"

void row_value(Row *r, LLVMValueRef x)
{
    if (r->n == FIELDS_MAX)
        internal_error("a table row of more than %d fields", FIELDS_MAX);
    r->at[r->n++] = x;
}

void row_int(Row *r, int64_t x) // int32_t
{
    row_value(r, LLVMConstInt(r->e->i32, (unsigned long long)x, 1));
}

void row_long(Row *r, int64_t x) // int64_t
{
    row_value(r, LLVMConstInt(r->e->i64, (unsigned long long)x, 1));
}

void row_real(Row *r, double x)
{
    row_value(r, LLVMConstReal(r->e->f64, x));
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

void row_text(Row *r, const char *s)
{
    row_value(r, text(r->e, s));
}

LLVMValueRef row_literal(Row *r)
{
    return LLVMConstStructInContext(r->e->c, r->at, (unsigned)r->n, 0);
}

void row_array(Row *r, LLVMValueRef *row, int n, const char *name)
{
    row_value(r, n ? constant(r->e,
                        LLVMConstArray2(LLVMTypeOf(row[0]), row, (uint64_t)n),
                        name)
             : LLVMConstNull(r->e->ptr));
}

void row_place(Row *r, Span at)
{
    uint32_t line, col;

    if (!at.src) {
        row_text(r, "");
        return;
    }
    source_place(at, &line, &col);
    row_text(r, arena_printf(r->e->a, "%s:%u:%u", at.src->name, line, col));
}

void row_type(Row *r, Type t)
{
    Row row = {.e = r->e};
    LLVMValueRef dim[RNN_RANK_MAX];

    row_int(&row, t.dt);
    row_int(&row, t.batched);
    row_int(&row, t.shape.rank);
    row_int(&row, 0);
    for (int d = 0; d < RNN_RANK_MAX; d++)
        dim[d] = LLVMConstInt(
            r->e->i64, (unsigned long long)(d < t.shape.rank ? t.shape.dim[d]
                                                             : 0), 1);
    row_value(&row, LLVMConstArray2(r->e->i64, dim, RNN_RANK_MAX));
    row_value(r, row_literal(&row));
}

void row_texts(Row *r, const char *const *s, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++)
        row[i] = text(r->e, s[i]);
    row_array(r, row, n, "texts");
}

void row_ints(Row *r, const int *v, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++)
        row[i] = LLVMConstInt(r->e->i32, (unsigned long long)v[i], 1);
    row_array(r, row, n, "ints");
}

void row_reals(Row *r, const double *v, int n)
{
    LLVMValueRef *row = NEW_N(r->e->a, LLVMValueRef, n + 1);

    for (int i = 0; i < n; i++)
        row[i] = LLVMConstReal(r->e->f64, v[i]);
    row_array(r, row, n, "reals");
}
