/*
 * tolerance.h -- how close is close, by element type and kind of computation.
 *
 * got is close to want if |got - want| <= abs + rel * |want|.
 */
#ifndef TEST_TOLERANCE_H
#define TEST_TOLERANCE_H

#include "ir/ir.h"

#include <math.h>

typedef struct Tol {
    double abs, rel;
} Tol;

/* Distance of neighbouring numbers at 1; 0 where arithmetic is exact. */
static inline double tol_unit(DType dt)
{
    return dt == DT_f32 ? 0x1p-23 : dt == DT_f64 ? 0x1p-52 : 0;
}

static inline Tol tol_exact(void)
{
    return (Tol){0, 0};
}

/* One elementwise function: a few units in the last place. */
static inline Tol tol_point(DType dt)
{
    return (Tol){8 * tol_unit(dt), 8 * tol_unit(dt)};
}

/* A sum of n terms of size up to `term`, added in any order. */
static inline Tol tol_sum(DType dt, int64_t n, double term)
{
    double grow = 4 + sqrt((double)n);

    return (Tol){grow * term * tol_unit(dt), grow * tol_unit(dt)};
}

/* A whole graph of moderate values. */
static inline Tol tol_graph(DType dt)
{
    double t = dt == DT_f32 ? 2e-4 : dt == DT_f64 ? 1e-9 : 0;

    return (Tol){t, t};
}

/* A derivative against central differences in f64. */
static inline Tol tol_grad(void)
{
    return (Tol){1e-6, 1e-5};
}

static inline bool is_close(double got, double want, Tol tol)
{
    if (isnan(got) || isnan(want))
        return isnan(got) && isnan(want);
    if (isinf(got) || isinf(want))
        return got == want;
    return fabs(got - want) <= tol.abs + tol.rel * fabs(want);
}

#endif
