/*
 * read.h -- private to ir/: the reader of textual IR and its words.
 */
#ifndef RNN_IR_READ_H
#define RNN_IR_READ_H

#include "ir/ir.h"

typedef struct Read {
    Arena *unit;
    Graph *g;
    const char *text, *at;
    Val *val;             // by number
    uint32_t nval;        // numbers allowed
    VEC(uint32_t) number; // defined so far, in order
    const Loop *loop;     // whose body is read
    int nesting;
    bool bad;
    char *err;
    size_t n;
} Read;

/* Notes the place and the reason, once; false. */
bool read_wrong(Read *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void read_space(Read *r); // over blanks and comments
/* Takes `s` if it stands here, as a word of its own if it is one. */
bool read_is(Read *r, const char *s);
bool read_expect(Read *r, const char *s); // likewise, else read_wrong
int64_t read_int(Read *r);
double read_float(Read *r);
/* A quoted string, interned, or NULL if none stands here. */
const char *read_string(Read *r);
Type read_type(Read *r);

#endif
