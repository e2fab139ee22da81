/*
 * program.h -- .rnn texts in tests: build, read the messages, and run an entry
 * with the reference interpreter.
 */
#ifndef TEST_PROGRAM_H
#define TEST_PROGRAM_H

#include "sema/sema.h"

typedef struct Program {
    Arena *a;
    Diag *d;
    Unit *unit;
    const char *text;
    const char *said; // messages as rnnc prints them; "" if there are none
    int nerrors;
} Program;

/* Builds the text; nothing fails here. Options may be NULL. */
Program program_build(const char *text, const SemaOptions *opt);
void program_free(Program *p);
/* Fails the test with the messages unless the text is a program. */
Program program_ok(const char *text);
/* Fails unless the text has an error and the messages contain every one of
 * the given pieces (ended by NULL). */
void program_says(const char *text, ...);

Entry *program_entry(const Program *p, EntryKind kind, const char *name);
int program_output(const Entry *e, const char *name); // fails if there is none

/* Values for inputs by name; what is not named is 0. */
typedef struct Feed {
    const char *name;
    const double *at; // [batch * size], or [size] of a shared input
    int n;
} Feed;
typedef struct Run {
    int64_t batch;
    uint64_t seed;
    const Feed *feed;
    int nfeed;
    bool round_f32;
} Run;
/* All outputs of the entry, its grads expanded first. */
Tensor *program_run(Program *p, Entry *e, const Run *run);
/* Example 0 of the scalar row `name` of the only evaluate entry. */
double program_row(Program *p, const char *name, const Run *run);

#endif
