/*
 * eval_point.c -- meaning of the elementwise ops, one formula each.
 *
 * x, y, z are the elements of the sources in f64, `type` the element type of
 * the first source; eval_fit brings the result into the result's type.
 */
#include "ir/eval.h"

#include <math.h>

double eval_fit(DType dt, double x)
{
    if (dt == DT_bool)
        return x != 0;
    if (dt != DT_i32)
        return x;
    return isfinite(x) ? (int32_t)(uint32_t)(int64_t)fmod(x, 0x1p32) : 0;
}

typedef double Point(DType type, double x, double y, double z);

static void each(EvalOp *e, Point *f)
{
    int64_t n = shape_size(e->out->type.shape);
    DType dt = e->out->type.dt, type = e->src[0].type.dt;

    for (int64_t b = 0; b < e->out->batch; b++) {
        double *out = eval_at(e->out, b);
        const double *x = eval_at(&e->src[0], b);
        const double *y = e->v->nsrc > 1 ? eval_at(&e->src[1], b) : x;
        const double *z = e->v->nsrc > 2 ? eval_at(&e->src[2], b) : x;
        for (int64_t k = 0; k < n; k++)
            out[k] = eval_fit(dt, f(type, x[k], y[k], z[k]));
    }
}

#define POINT(name, formula)                                                  \
    static double point_##name(DType type, double x, double y, double z)      \
    {                                                                         \
        (void)type, (void)x, (void)y, (void)z;                                \
        return formula;                                                       \
    }                                                                         \
    void eval_##name(EvalOp *e)                                               \
    {                                                                         \
        each(e, point_##name);                                                \
    }

POINT(neg, -x)
POINT(abs, fabs(x))
POINT(sign, isnan(x) ? x : (x > 0) - (x < 0))
POINT(exp, exp(x))
POINT(expm1, expm1(x))
POINT(log, log(x))
POINT(log1p, log1p(x))
POINT(sqrt, sqrt(x))
POINT(tanh, tanh(x))
POINT(sigmoid, 1 / (1 + exp(-x)))
POINT(softplus, isnan(x) ? x : fmax(x, 0) + log1p(exp(-fabs(x))))
POINT(erf, erf(x))
POINT(sin, sin(x))
POINT(cos, cos(x))
POINT(floor, floor(x))
POINT(round, rint(x))
POINT(relu, x <= 0 ? 0 : x)
POINT(is_finite, isfinite(x))
POINT(not, !x)
POINT(stop_gradient, x)

POINT(add, x + y)
POINT(sub, x - y)
POINT(pow, pow(x, y))
POINT(max, eval_beats(y, x) ? y : x)
POINT(min, eval_under(y, x) ? y : x)
POINT(lt, x < y)
POINT(le, x <= y)
POINT(eq, x == y)
POINT(ne, x != y)
POINT(and, x && y)
POINT(or, x || y)
POINT(select, x ? y : z)

/* Products of ints may need 62 bits, more than an f64 holds. */
static double product(DType type, double x, double y)
{
    if (type != DT_i32)
        return x * y;
    return (double)(int32_t)(uint32_t)((int64_t)x * (int64_t)y);
}

/* floor(x / y); of ints 0 for y = 0. */
static double floor_div(DType type, double x, double y)
{
    return type == DT_i32 && y == 0 ? 0 : floor(x / y);
}

POINT(mul, product(type, x, y))
POINT(div, type == DT_i32 ? floor_div(type, x, y) : x / y)
POINT(mod, x - y * floor_div(type, x, y))

/* Reals become ints by cutting, the nearest int where there is none, 0 for
 * NaN. */
static double to_int(double x)
{
    if (isnan(x))
        return 0;
    return x <= INT32_MIN ? INT32_MIN : x >= INT32_MAX ? INT32_MAX : trunc(x);
}

static double point_to_int(DType type, double x, double y, double z)
{
    (void)type, (void)y, (void)z;
    return to_int(x);
}

void eval_cast(EvalOp *e)
{
    DType to = e->out->type.dt;

    each(e, to == DT_i32 ? point_to_int : point_stop_gradient);
}

void eval_iota(EvalOp *e)
{
    for (int64_t k = 0; k < shape_size(e->out->type.shape); k++)
        e->out->at[k] = (double)k;
}
