/*
 * vecmath_wide.c -- erf, sin, cos, pow.
 *
 * In f32 sin, cos and pow compute in f64, where plain formulas are exact to
 * well under an ulp of f32; erf stays in f32. In f64 these four call the C
 * library lane by lane: they are rare there (checks, second opinions).
 */
#include "codegen/vecmath.h"

#include <stdio.h>

static LLVMTypeRef shape_like(const Real *r, LLVMTypeRef elem)
{
    return r->lanes ? LLVMVectorType(elem, (unsigned)r->lanes) : elem;
}

V real_widen(Emit *e, V x)
{
    Real r = real_of(e, x);

    return LLVMBuildFPExt(e->b, x, shape_like(&r, e->f64), "");
}

V real_narrow(Emit *e, V x, LLVMTypeRef to)
{
    return LLVMBuildFPTrunc(e->b, x, to, "");
}

V real_libm(const Real *r, const char *name, V *x, int n)
{
    Emit *e = r->e;
    LLVMTypeRef elem = r->f64 ? e->f64 : e->f32, arg[2] = {elem, elem};
    LLVMTypeRef type = LLVMFunctionType(elem, arg, (unsigned)n, 0);
    V fn = LLVMGetNamedFunction(e->m, name), y = LLVMGetPoison(r->t);

    if (!fn) {
        fn = LLVMAddFunction(e->m, name, type);
        compat_attr(e->c, fn, LLVMAttributeFunctionIndex, "nounwind", 0);
        compat_attr(e->c, fn, LLVMAttributeFunctionIndex, "willreturn", 0);
        compat_attr(e->c, fn, LLVMAttributeFunctionIndex, "memory", 0);
    }
    if (!r->lanes)
        return LLVMBuildCall2(e->b, type, fn, x, (unsigned)n, "");
    for (int i = 0; i < r->lanes; i++) {
        V at = LLVMConstInt(e->i32, (unsigned)i, 0), lane[2];

        for (int k = 0; k < n; k++)
            lane[k] = LLVMBuildExtractElement(e->b, x[k], at, "");
        lane[0] = LLVMBuildCall2(e->b, type, fn, lane, (unsigned)n, "");
        y = LLVMBuildInsertElement(e->b, y, lane[0], at, "");
    }
    return y;
}

/* P in erf x = x + x P(x^2), |x| < 0.9 */
static const double erf_near[] = {
    0x1.06eba80000000p-3, -0x1.8127440000000p-2,  0x1.ce2e600000000p-4,
    -0x1.b8162a0000000p-6, 0x1.5513f20000000p-8, -0x1.acf7fa0000000p-11,
    0x1.6625200000000p-14};
/* log(1 - erf x), 0.85 < x < 4 */
static const double erf_far[] = {
    0x1.44036c0000000p-13, -0x1.2121620000000p+0, -0x1.4460ee0000000p-1,
    -0x1.ba92660000000p-4, 0x1.9912180000000p-6,  -0x1.0d837a0000000p-8,
    0x1.baaf7a0000000p-12, -0x1.4fd7740000000p-16};

/* f32: 1.02 ulp. */
V vec_erf(Emit *e, V x)
{
    Real r = real_of(e, x);
    V a, far, near, b;

    if (r.f64)
        return real_libm(&r, "erf", &x, 1);
    a = real_abs(&r, x);
    near = real_poly(&r, real_mul(&r, x, x), erf_near, ARRAY_LEN(erf_near));
    near = real_fma(&r, x, near, x);
    b = real_select(&r, real_test(&r, LLVMRealOGT, a, 4), real_num(&r, 4), a);
    far = vec_exp(e, real_poly(&r, b, erf_far, ARRAY_LEN(erf_far)));
    far = real_sign(&r, real_sub(&r, real_num(&r, 1), far), x);
    return real_select(&r, real_test(&r, LLVMRealOLT, a, 0.9), near, far);
}

/* S in sin r = r + r^3 S(r^2), C in cos r = 1 - r^2/2 + r^4 C(r^2),
 * |r| <= pi / 4, to 2^-33 */
static const double sin_part[] = {-0x1.5555554cb2051p-3, 0x1.111108907887fp-7,
                                  -0x1.a00f98e681337p-13,
                                  0x1.6cd7333d76bf8p-19};
static const double cos_part[] = {0x1.55554aabe0409p-5, -0x1.6c0c86859a30cp-10,
                                  0x1.9a00cd7dd35c7p-16};

/* x = n pi/2 + r with r exact to f64 for |x| < 2^28; the quadrant n mod 4
 * (one more for cos) picks the series and the sign. */
static V sin_in_range(Emit *e, V x, bool cosine)
{
    LLVMTypeRef to = LLVMTypeOf(x);
    V wide = real_widen(e, x), t, n, q, f, z, s, c, odd, flip;
    Real r = real_of(e, wide);

    t = real_fma(&r, wide, real_num(&r, 0x1.45f306dc9c883p-1),
                 real_num(&r, r.magic));
    n = real_sub(&r, t, real_num(&r, r.magic));
    q = LLVMBuildAdd(e->b, real_bits(&r, t), real_int(&r, cosine), "");
    f = real_fma(&r, n, real_num(&r, -0x1.921fb54442d18p0), wide);
    f = real_fma(&r, n, real_num(&r, -0x1.1a62633145c07p-54), f);
    z = real_mul(&r, f, f);
    s = real_poly(&r, z, sin_part, ARRAY_LEN(sin_part));
    s = real_mul(&r, real_fma(&r, z, s, real_num(&r, 1)), f);
    c = real_fma(&r, z, real_poly(&r, z, cos_part, ARRAY_LEN(cos_part)),
                 real_num(&r, -0.5));
    c = real_fma(&r, z, c, real_num(&r, 1));
    odd = LLVMBuildAnd(e->b, q, real_int(&r, 1), "");
    odd = LLVMBuildICmp(e->b, LLVMIntNE, odd, real_int(&r, 0), "");
    flip = LLVMBuildAnd(e->b, q, real_int(&r, 2), "");
    flip = LLVMBuildShl(e->b, flip, real_int(&r, 62), "");
    t = real_bits(&r, real_select(&r, odd, c, s));
    t = LLVMBuildXor(e->b, t, flip, "");
    return real_narrow(e, real_from(&r, t), to);
}

static V any_lane(Emit *e, const Real *r, V c)
{
    return r->lanes ? vec_intrinsic(e, "llvm.vector.reduce.or", &c, 1) : c;
}

/* A function of the module that takes the C library's way where any lane is
 * beyond 2^28, so that callers stay without branches until it is inlined. */
static V circle_function(Emit *e, const Real *r, bool cosine)
{
    char name[32];
    LLVMTypeRef type = LLVMFunctionType(r->t, (LLVMTypeRef *)&r->t, 1, 0);
    LLVMBasicBlockRef back = LLVMGetInsertBlock(e->b), top, far, near;
    V fn, x, c, y;

    snprintf(name, sizeof name, "%s.x%d", cosine ? "cos" : "sin", r->lanes);
    fn = LLVMGetNamedFunction(e->m, name);
    if (fn)
        return fn;
    fn = LLVMAddFunction(e->m, name, type);
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    target_attributes(e->target, e->c, fn);
    x = LLVMGetParam(fn, 0);
    top = LLVMAppendBasicBlockInContext(e->c, fn, "top");
    far = LLVMAppendBasicBlockInContext(e->c, fn, "far");
    near = LLVMAppendBasicBlockInContext(e->c, fn, "near");
    LLVMPositionBuilderAtEnd(e->b, top);
    c = real_test(r, LLVMRealOGT, real_abs(r, x), 0x1p28);
    LLVMBuildCondBr(e->b, any_lane(e, r, c), far, near);
    LLVMPositionBuilderAtEnd(e->b, far);
    // A lane's result must not depend on its neighbours.
    y = real_libm(r, cosine ? "cosf" : "sinf", &x, 1);
    LLVMBuildRet(e->b, real_select(r, c, y, sin_in_range(e, x, cosine)));
    LLVMPositionBuilderAtEnd(e->b, near);
    LLVMBuildRet(e->b, sin_in_range(e, x, cosine));
    LLVMPositionBuilderAtEnd(e->b, back);
    return fn;
}

static V circle(Emit *e, V x, bool cosine)
{
    Real r = real_of(e, x);
    LLVMTypeRef type = LLVMFunctionType(r.t, &r.t, 1, 0);

    if (r.f64)
        return real_libm(&r, cosine ? "cos" : "sin", &x, 1);
    return LLVMBuildCall2(e->b, type, circle_function(e, &r, cosine), &x, 1,
                          "");
}

/* f32: 0.56 ulp. */
V vec_sin(Emit *e, V x)
{
    return circle(e, x, false);
}

/* f32: 0.56 ulp. */
V vec_cos(Emit *e, V x)
{
    return circle(e, x, true);
}

static V is_whole(const Real *r, V x)
{
    V near = vec_intrinsic(r->e, "llvm.rint", &x, 1);

    return LLVMBuildFCmp(r->e->b, LLVMRealOEQ, near, x, "");
}

/* |x|^y = exp(y log |x|) in f64; 1 where y = 0 or |x| = 1; negative for odd
 * y of negative x; NaN for x < 0 and y no integer. f32: 0.50 ulp. */
V vec_pow(Emit *e, V x, V y)
{
    LLVMTypeRef to = LLVMTypeOf(x);
    Real r = real_of(e, x);
    LLVMBuilderRef b = e->b;
    V l, z, one, odd, bad, p, zero;

    if (r.f64)
        return real_libm(&r, "pow", (V[]){x, y}, 2);
    x = real_widen(e, x);
    y = real_widen(e, y);
    r = real_of(e, x);
    zero = real_num(&r, 0);
    l = vec_log(e, real_abs(&r, x));
    one = LLVMBuildOr(b, real_test(&r, LLVMRealOEQ, y, 0),
                      real_test(&r, LLVMRealOEQ, l, 0), "");
    z = real_select(&r, one, zero, real_mul(&r, y, l));
    p = vec_exp(e, z);
    odd = is_whole(&r, real_mul(&r, y, real_num(&r, 0.5)));
    odd = LLVMBuildAnd(b, is_whole(&r, y), LLVMBuildNot(b, odd, ""), "");
    p = real_sign(&r, p, real_select(&r, odd, x, real_num(&r, 1)));
    bad = LLVMBuildAnd(b, real_test(&r, LLVMRealOLT, x, 0),
                       real_test(&r, LLVMRealONE, x, -__builtin_inf()), "");
    bad = LLVMBuildAnd(b, bad, LLVMBuildNot(b, is_whole(&r, y), ""), "");
    p = real_select(&r, bad, real_num(&r, __builtin_nan("")), p);
    return real_narrow(e, p, to);
}
