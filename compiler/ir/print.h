/*
 * print.h -- private to ir/: one node in print, for reports.
 */
#ifndef RNN_IR_PRINT_H
#define RNN_IR_PRINT_H

#include "ir/ir.h"

/* "%12 = add %3, %4 : f32[10]", values numbered by their ids. */
const char *print_node(Arena *tmp, Val v);

/* What an input is, as it is written: "field", "var", ... */
extern const char *const input_word[INPUT_COUNT];

#endif
