/*
 * builtin.h -- what the files of builtins share. Private to sema/.
 */
#ifndef RNN_SEMA_BUILTIN_H
#define RNN_SEMA_BUILTIN_H

#include "sema/elab.h"

enum { PRIM_ARGS = 6 };

#define PRIM(name, formals, run, op, doc) PrimFn prim_##run;
#include "sema/prims.def"
#undef PRIM

bool given(const Arg *x);
/* An axis of a tensor with `rank` dims; negative ones count from the end. */
bool axis_of(Elab *e, const Arg *x, int rank, int otherwise, int *out);

#endif
