/*
 * nest.h -- private to emit_nest.c and its parts: one nest in the making.
 */
#ifndef RNN_NEST_H
#define RNN_NEST_H

#include "codegen/emit.h"

typedef LLVMValueRef V;

typedef struct Nest {
    KernelEmit *k;
    Emit *e;
    Val core;
    Shape out;  // of the core
    At at;      // where the loops stand
} Nest;

/* emit_nest.c: `run` for each range of the last dim of extent n, in vectors
 * and then in ever smaller ones; at->lanes and at->i[dim] are set. */
void nest_lanes(Nest *n, int dim, int64_t extent, DType dt,
                void (*run)(Nest *n));
/* Loops over dims d .. end of `s`, then `run`. */
void nest_dims(Nest *n, Shape s, int d, int end, void (*run)(Nest *n));
/* The result at n->at, through the epilogue, to dst. */
void nest_store(Nest *n, V x);
V nest_int(Nest *n, int64_t x);
V nest_add(Nest *n, V x, int64_t c);
EmitLoop nest_loop(Nest *n, V from, V to, const char *name);

void nest_pool(Nest *n);   // emit_pool.c
void nest_conv_dx_pooled(Nest *n); // emit_pooled_dx.c, with its own loop over
void nest_conv_dw_pooled(Nest *n); // examples; emit_pooled_dw.c, likewise
void nest_rows(Nest *n);   // emit_rows.c: put, scatter_add
void nest_axis(Nest *n);   // emit_axis.c: sort, argsort, cumsum

#endif
