/*
 * random_graph.h -- random valid functions, to compare machine code with the
 * interpreter, and one level of optimization with another.
 *
 * A function is determined by its seed. Values stay of moderate size; what
 * jumps (comparisons, floor, argmax, ...) is applied only to values that are
 * the same in f32 and f64; so two correct evaluations agree to random_tol.
 */
#ifndef TEST_RANDOM_GRAPH_H
#define TEST_RANDOM_GRAPH_H

#include "support/check.h"

/* About nops ops, f32; nothing else in the graph. Names are in a. */
Func *random_func(Arena *a, uint64_t seed, int nops);
Func *random_func_of(Arena *a, uint64_t seed, int nops, DType real);

/* Data for its inputs, by name: reals in (-2, 2) that f32 holds, ints -2 .. 5,
 * bools; the clock "index" is the example's number. An example's data depends
 * only on its number. */
typedef struct RandomData {
    uint64_t seed;
    const int64_t *index; // numbers of the examples, or NULL: 0, 1, ...
    bool wild;            // some reals are NaN, infinite, 0 or -0
} RandomData;
void random_input(void *data, Val input, Tensor *t); // EvalEnv.input

Tol random_tol(DType dt);

/* A smaller function that still fails: outputs dropped, values replaced by
 * one of their sources or by an input, as long as still_fails says so. Works
 * in f's graph; f itself is not changed. */
typedef bool StillFails(void *env, const Func *f);
Func *random_func_reduce(Arena *a, const Func *f, StillFails *still_fails,
                         void *env);

#endif
