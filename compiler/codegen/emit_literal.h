/*
 * emit_literal.h -- the C structs of rnn_rt.h as LLVM literals, field by field.
 *
 * Each C struct becomes one literal of the same fields in the same order;
 * LLVM lays literals out as C does, padding fields are written out. Arrays
 * and strings are private constants of their own.
 */
#ifndef RNN_EMIT_LITERAL_H
#define RNN_EMIT_LITERAL_H

#include "codegen/emit.h"
#include "rnn_rt.h"

#include <stdlib.h>

enum { FIELDS_MAX = 32 };

typedef struct Row { // a struct literal in the making
    Emit *e;
    int n;
    LLVMValueRef at[FIELDS_MAX];
} Row;

/* The next field: any value, an int32_t, an int64_t, a double, a const char *
 * (NULL is ""), the text "file:line:col" of a place, an RnnType. */
void row_value(Row *r, LLVMValueRef x);
void row_int(Row *r, int64_t x);
void row_long(Row *r, int64_t x);
void row_real(Row *r, double x);
void row_text(Row *r, const char *s);
void row_place(Row *r, Span at);
void row_type(Row *r, Type t);

/* The next field, a pointer to n rows of one type, to int32_t, doubles or
 * texts; NULL if there are none. */
void row_array(Row *r, LLVMValueRef *row, int n, const char *name);
void row_ints(Row *r, const int *v, int n);
void row_reals(Row *r, const double *v, int n);
void row_texts(Row *r, const char *const *s, int n);

LLVMValueRef row_literal(Row *r); // all fields are there

/* emit_entries.c: RnnEntry of program number `which` of n, whose code is fn. */
LLVMValueRef entry_row(Emit *em, const Unit *u, Program *const *all, int n,
                       int which, LLVMValueRef fn);
/* emit_tables.c: the next field, a pointer to n RnnOptions. */
void row_options(Row *r, const OptionDecl *o, int n);

#endif
