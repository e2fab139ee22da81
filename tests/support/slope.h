/*
 * slope.h -- derivatives against central differences.
 *
 * A Point is a graph with inputs and a value for each of them. Everything is
 * evaluated by the reference interpreter, in f64.
 */
#ifndef TEST_SLOPE_H
#define TEST_SLOPE_H

#include "autodiff/autodiff.h"
#include "support/check.h"

typedef struct Point {
    Arena *a;
    Graph *g;
    Dice *dice;
    int64_t batch;
    VEC(Val) in;
    VEC(Tensor) at;
} Point;

Point point_new(Arena *a, Dice *dice, int64_t batch);
/* A new input with a value from the domain. */
Val point_input(Point *p, DType dt, bool batched, Shape s, Domain domain);
/* New real inputs whose elements are all apart from each other. */
void point_apart(Point *p, Domain domain);
/* Grads are expanded first (failing the test if that fails) and the result
 * verified. */
Val point_expand(Point *p, Val v);
Tensor point_eval(Point *p, Val v);
/* sum of v * r over everything, r random but fixed: a shared scalar */
Val point_scalar(Point *p, Val v);
/* Compares grad(e, x) with differences of e, for each real input x; and the
 * same for the derivative of <grad(e, x), u>, `orders` times in all. */
void check_slopes(Point *p, Val e, int orders, const char *what);

#endif
