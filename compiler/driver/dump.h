/*
 * dump.h -- private to driver/: what the compiler shows of itself.
 */
#ifndef RNN_DUMP_H
#define RNN_DUMP_H

#include "driver/job.h"

/* Prints the entries (or the one --entry names) at o->stage to stdout. */
void dump_stage(Job *job);
/* false with a message if --entry names none. */
bool dump_has_entry(const Job *job);

/* A file of textual IR instead of a program: one function, shown as it is
 * after reading, after expanding its grads, or after the passes. */
bool dump_is_ir(const char *path);
int dump_ir_file(Job *job);

void dump_list_ops(FILE *out);
void dump_list_passes(FILE *out);

#endif
