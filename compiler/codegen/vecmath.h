/*
 * vecmath.h -- private to vecmath*.c: the element type's facts and the shared
 * cores. All functions take and return scalars or vectors of f32 or f64.
 */
#ifndef RNN_VECMATH_H
#define RNN_VECMATH_H

#include "codegen/emit.h"

typedef LLVMValueRef V;

/* What the bits of x's element type look like. */
typedef struct Real {
    Emit *e;
    LLVMTypeRef t, it; // its type, the integer type of the same shape
    int lanes;         // 0: a scalar
    bool f64;
    int frac, bias;    // bits of the fraction, exponent of 1
    double magic;      // 1.5 * 2^frac: adding it rounds to an integer
} Real;
Real real_of(Emit *e, V x);

V real_num(const Real *r, double x);        // splat constant
V real_int(const Real *r, int64_t x);       // integer of the same shape
V real_bits(const Real *r, V x);            // bitcast to integer
V real_from(const Real *r, V bits);         // and back
V real_add(const Real *r, V x, V y);
V real_sub(const Real *r, V x, V y);
V real_mul(const Real *r, V x, V y);
V real_div(const Real *r, V x, V y);
V real_fma(const Real *r, V x, V y, V z);
V real_abs(const Real *r, V x);
V real_test(const Real *r, LLVMRealPredicate p, V x, double y);
V real_select(const Real *r, V c, V x, V y);
V real_sign(const Real *r, V magnitude, V sign);
V real_poly(const Real *r, V x, const double *c, int n); // c[0] + c[1] x + ..

/* The wider type's twin of x and back: f32 <-> f64, lanes kept. */
V real_widen(Emit *e, V x);
V real_narrow(Emit *e, V x, LLVMTypeRef to);

/* Calls the C library's `name` lane by lane. */
V real_libm(const Real *r, const char *name, V *x, int n);

#endif
