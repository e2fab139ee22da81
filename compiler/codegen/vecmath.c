/*
 * vecmath.c -- exp and log and what follows from them, as polynomials in IR.
 *
 * No branches: what would be a special case is a select, so a lane never
 * waits for another and the code fuses with its neighbours. Each function is
 * one formula over a reduced argument; the coefficients are minimax fits of
 * that formula's free part. Largest errors, in ulp, stand above each function
 * as f32 / f64 and are asserted by tests/unit/test_vecmath.c.
 */
#include "codegen/vecmath.h"

/* --- the element type ----------------------------------------------------- */

Real real_of(Emit *e, V x)
{
    Real r = {.e = e, .t = LLVMTypeOf(x)};
    LLVMTypeRef elem = r.t;

    if (LLVMGetTypeKind(r.t) == LLVMVectorTypeKind) {
        r.lanes = (int)LLVMGetVectorSize(r.t);
        elem = LLVMGetElementType(r.t);
    }
    r.f64 = LLVMGetTypeKind(elem) == LLVMDoubleTypeKind;
    r.it = r.f64 ? e->i64 : e->i32;
    if (r.lanes)
        r.it = LLVMVectorType(r.it, (unsigned)r.lanes);
    r.frac = r.f64 ? 52 : 23;
    r.bias = r.f64 ? 1023 : 127;
    r.magic = r.f64 ? 0x1.8p52 : 0x1.8p23;
    return r;
}

static V splat(V one, int lanes)
{
    V all[64];

    if (!lanes)
        return one;
    if (lanes > (int)ARRAY_LEN(all))
        internal_error("a vector of %d lanes", lanes);
    for (int i = 0; i < lanes; i++)
        all[i] = one;
    return LLVMConstVector(all, (unsigned)lanes);
}

V real_num(const Real *r, double x)
{
    return splat(LLVMConstReal(r->f64 ? r->e->f64 : r->e->f32, x), r->lanes);
}

V real_int(const Real *r, int64_t x)
{
    LLVMTypeRef t = r->f64 ? r->e->i64 : r->e->i32;

    return splat(LLVMConstInt(t, (unsigned long long)x, 1), r->lanes);
}

V real_bits(const Real *r, V x)
{
    return LLVMBuildBitCast(r->e->b, x, r->it, "");
}

V real_from(const Real *r, V bits)
{
    return LLVMBuildBitCast(r->e->b, bits, r->t, "");
}

V real_add(const Real *r, V x, V y)
{
    return LLVMBuildFAdd(r->e->b, x, y, "");
}

V real_sub(const Real *r, V x, V y)
{
    return LLVMBuildFSub(r->e->b, x, y, "");
}

V real_mul(const Real *r, V x, V y)
{
    return LLVMBuildFMul(r->e->b, x, y, "");
}

V real_div(const Real *r, V x, V y)
{
    return LLVMBuildFDiv(r->e->b, x, y, "");
}

V real_fma(const Real *r, V x, V y, V z)
{
    return vec_fma(r->e, x, y, z);
}

V real_abs(const Real *r, V x)
{
    return vec_intrinsic(r->e, "llvm.fabs", &x, 1);
}

V real_test(const Real *r, LLVMRealPredicate p, V x, double y)
{
    return LLVMBuildFCmp(r->e->b, p, x, real_num(r, y), "");
}

V real_select(const Real *r, V c, V x, V y)
{
    return LLVMBuildSelect(r->e->b, c, x, y, "");
}

V real_sign(const Real *r, V magnitude, V sign)
{
    return vec_intrinsic(r->e, "llvm.copysign", (V[]){magnitude, sign}, 2);
}

V real_poly(const Real *r, V x, const double *c, int n)
{
    V y = real_num(r, c[n - 1]);

    for (int i = n - 2; i >= 0; i--)
        y = real_fma(r, y, x, real_num(r, c[i]));
    return y;
}

V vec_intrinsic(Emit *e, const char *name, V *x, int n)
{
    LLVMTypeRef t = LLVMTypeOf(x[0]);
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    V fn;

    if (!id)
        internal_error("LLVM has no intrinsic %s", name);
    fn = LLVMGetIntrinsicDeclaration(e->m, id, &t, 1);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, x, (unsigned)n,
                          "");
}

V vec_fma(Emit *e, V x, V y, V z)
{
    return vec_intrinsic(e, "llvm.fma", (V[]){x, y, z}, 3);
}

V vec_multiply_add(Emit *e, V x, V y, V z)
{
    if (e->opt.vector_bytes < 32 && e->opt.registers < 32)
        return LLVMBuildFAdd(e->b, LLVMBuildFMul(e->b, x, y, ""), z, "");
    return vec_fma(e, x, y, z);
}

/* --- exp ------------------------------------------------------------------ */

/* x capped to at most / at least y; a NaN stays. */
static V at_most(const Real *r, V x, double y)
{
    return real_select(r, real_test(r, LLVMRealOGT, x, y), real_num(r, y), x);
}

static V at_least(const Real *r, V x, double y)
{
    return real_select(r, real_test(r, LLVMRealOLT, x, y), real_num(r, y), x);
}

/* The integer nearest to x, |x| < 2^21: as a real and as bits. */
static V nearest(const Real *r, V x, V scale, V *bits)
{
    V magic = real_num(r, r->magic);
    V t = real_fma(r, x, scale, magic);

    *bits = LLVMBuildSub(r->e->b, real_bits(r, t), real_bits(r, magic), "");
    return real_sub(r, t, magic);
}

static V power_of_two(const Real *r, V n) // 2^n, n an integer in range
{
    V biased = LLVMBuildAdd(r->e->b, n, real_int(r, r->bias), "");

    return real_from(r, LLVMBuildShl(r->e->b, biased, real_int(r, r->frac),
                                     ""));
}

/* q in expm1(r) = r + r^2 q(r), |r| <= ln 2 / 2 */
static const double exp_f32[] = {
    0x1.0000000000000p-1, 0x1.5555560000000p-3,  0x1.55549c0000000p-5,
    0x1.11101a0000000p-7, 0x1.6d85740000000p-10, 0x1.a2a6f60000000p-13};
static const double exp_f64[] = {
    0x1.0000000000001p-1,  0x1.5555555555557p-3,  0x1.5555555554d0dp-5,
    0x1.1111111110085p-7,  0x1.6c16c16f1749bp-10, 0x1.a01a01ac17dd6p-13,
    0x1.a019f36d91cf8p-16, 0x1.71de019828f6cp-19, 0x1.28024f9aafa04p-22,
    0x1.af4f2b2a7f982p-26, 0x1.e632e9dfb84f3p-30};

/* x = n ln 2 + r: returns expm1(r); n as a real and as bits. */
static V reduced_expm1(const Real *r, V x, V *n, V *bits)
{
    double hi = r->f64 ? 0x1.62e42fefa39efp-1 : 0x1.62e430p-1;
    double lo = r->f64 ? 0x1.abc9e3b39803fp-56 : -0x1.05c610p-29;
    V f, q;

    *n = nearest(r, x, real_num(r, 0x1.71547652b82fep0), bits);
    f = real_fma(r, *n, real_num(r, -hi), x);
    f = real_fma(r, *n, real_num(r, -lo), f);
    q = r->f64 ? real_poly(r, f, exp_f64, ARRAY_LEN(exp_f64))
               : real_poly(r, f, exp_f32, ARRAY_LEN(exp_f32));
    return real_fma(r, real_mul(r, f, f), q, f);
}

/* exp x = 2^n (1 + expm1 r). The scale is applied in two halves, so results
 * below the normal range and above it come out right. 0.97 / 0.96 ulp. */
V vec_exp(Emit *e, V x)
{
    Real r = real_of(e, x);
    V n, bits, half, rest, p;

    x = at_most(&r, x, r.f64 ? 710 : 89);
    x = at_least(&r, x, r.f64 ? -746 : -104);
    p = real_add(&r, reduced_expm1(&r, x, &n, &bits), real_num(&r, 1));
    nearest(&r, n, real_num(&r, 0.5), &half);
    rest = LLVMBuildSub(e->b, bits, half, "");
    return real_mul(&r, real_mul(&r, p, power_of_two(&r, half)),
                    power_of_two(&r, rest));
}

/* expm1 x = 2 (2^(n-1) expm1 r + (2^(n-1) - 1/2)), exact where n = 0. */
static V expm1_in_range(const Real *r, V x)
{
    V n, bits, s, p = reduced_expm1(r, x, &n, &bits);

    s = power_of_two(r, LLVMBuildSub(r->e->b, bits, real_int(r, 1), ""));
    p = real_fma(r, p, s, real_sub(r, s, real_num(r, 0.5)));
    return real_add(r, p, p);
}

/* Smallest x whose square no longer counts beside it. */
static double tiny(const Real *r)
{
    return r->f64 ? 0x1p-55 : 0x1p-26;
}

/* 1.41 / 1.74 ulp. */
V vec_expm1(Emit *e, V x)
{
    Real r = real_of(e, x);
    V small = real_test(&r, LLVMRealOLT, real_abs(&r, x), tiny(&r));
    V y = at_least(&r, at_most(&r, x, r.f64 ? 710 : 89), -40);

    return real_select(&r, small, x, expm1_in_range(&r, y));
}

/* tanh |x| = t / (t + 2), t = expm1(2 |x|) 2.17 / 2.05 ulp. */
V vec_tanh(Emit *e, V x)
{
    Real r = real_of(e, x);
    V a = at_most(&r, real_abs(&r, x), r.f64 ? 20 : 10);
    V t = expm1_in_range(&r, real_add(&r, a, a));

    t = real_div(&r, t, real_add(&r, t, real_num(&r, 2)));
    return real_sign(&r, t, x);
}

static V exp_minus_abs(const Real *r, V x)
{
    return vec_exp(r->e, LLVMBuildFNeg(r->e->b, real_abs(r, x), ""));
}

/* sigmoid x = {1, t} / (1 + t) for x {>=, <} 0, t = exp(-|x|)
 * 2.17 / 1.87 ulp. */
V vec_sigmoid(Emit *e, V x)
{
    Real r = real_of(e, x);
    V t = exp_minus_abs(&r, x), one = real_num(&r, 1);
    V top = real_select(&r, real_test(&r, LLVMRealOLT, x, 0), t, one);

    return real_div(&r, top, real_add(&r, one, t));
}

/* --- log ------------------------------------------------------------------ */

/* P in log(1 + f) = 2 s + s^3 P(s^2), s = f / (2 + f): log2 for f in
 * [sqrt(1/2) - 1, sqrt 2 - 1], log1 for f in [0, 1] */
static const double log2_f32[] = {0x1.5555540000000p-1, 0x1.999a7c0000000p-2,
                                  0x1.2438a80000000p-2, 0x1.e2fdd40000000p-3};
static const double log2_f64[] = {
    0x1.555555555557cp-1, 0x1.99999999845d8p-2, 0x1.2492493fd0d45p-2,
    0x1.c71c529dde8e5p-3, 0x1.74664f2799779p-3, 0x1.399c613190f2dp-3,
    0x1.2f59344bb061cp-3};
static const double log1_f32[] = {0x1.5555580000000p-1, 0x1.9996a80000000p-2,
                                  0x1.2509720000000p-2, 0x1.b6d6a40000000p-3,
                                  0x1.f1aee00000000p-3};
static const double log1_f64[] = {
    0x1.5555555555556p-1, 0x1.999999999955dp-2, 0x1.24924924c1d93p-2,
    0x1.c71c71a5de1fdp-3, 0x1.745d1e030c881p-3, 0x1.3b12d5d963ac7p-3,
    0x1.112345c07e7eap-3, 0x1.dfe2a5a23dcfcp-4, 0x1.c16fb43742ccep-4,
    0x1.1e7bfae231909p-4, 0x1.5141d9f85e400p-3};

/* x = 2^k m, m in [sqrt(1/2), sqrt 2), for normal x > 0; returns m. */
static V split_power(const Real *r, V x, V *k)
{
    LLVMBuilderRef b = r->e->b;
    int64_t one = (int64_t)r->bias << r->frac;
    int64_t root = r->f64 ? 0x3fe6a09e667f3bcd : 0x3f3504f3;
    int64_t fraction = ((int64_t)1 << r->frac) - 1;
    double base = r->f64 ? 0x1p52 : 0x1p23;
    V bits = LLVMBuildAdd(b, real_bits(r, x), real_int(r, one - root), "");
    V m = LLVMBuildAnd(b, bits, real_int(r, fraction), "");
    V p = LLVMBuildLShr(b, bits, real_int(r, r->frac), "");

    p = LLVMBuildOr(b, p, real_bits(r, real_num(r, base)), "");
    *k = real_sub(r, real_from(r, p), real_num(r, base + r->bias));
    return real_from(r, LLVMBuildAdd(b, m, real_int(r, root), ""));
}

/* k ln 2 + log(1 + f) + c, the small parts added first. */
static V log_sum(const Real *r, V k, V f, V c)
{
    double hi = r->f64 ? 0x1.62e42feep-1 : 0x1.62e3p-1;
    double lo = r->f64 ? 0x1.a39ef35793c76p-33 : 0x1.2fefa2p-17;
    V s = real_div(r, f, real_add(r, f, real_num(r, 2)));
    V z = real_mul(r, s, s);
    V p = r->f64 ? real_poly(r, z, log2_f64, ARRAY_LEN(log2_f64))
                 : real_poly(r, z, log2_f32, ARRAY_LEN(log2_f32));
    V h = real_mul(r, real_mul(r, f, real_num(r, 0.5)), f);
    V low = real_fma(r, k, real_num(r, lo), c);

    low = real_fma(r, s, real_fma(r, z, p, h), low);
    return real_fma(r, k, real_num(r, hi),
                    real_add(r, f, real_sub(r, low, h)));
}

/* y, except: NaN for x < edge or NaN, -inf at the edge, inf at inf. */
static V log_edges(const Real *r, V x, double edge, V y)
{
    V out = real_select(r, real_test(r, LLVMRealOEQ, x, edge),
                        real_num(r, -__builtin_inf()),
                        real_num(r, __builtin_nan("")));

    y = real_select(r, real_test(r, LLVMRealOEQ, x, __builtin_inf()), x, y);
    return real_select(r, real_test(r, LLVMRealOGT, x, edge), y, out);
}

/* 0.74 / 0.76 ulp. */
V vec_log(Emit *e, V x)
{
    Real r = real_of(e, x);
    double up = r.f64 ? 54 : 25, least = r.f64 ? 0x1p-1022 : 0x1p-126;
    V sub = real_test(&r, LLVMRealOLT, x, least);
    V big = real_mul(&r, x, real_num(&r, r.f64 ? 0x1p54 : 0x1p25));
    V k, m = split_power(&r, real_select(&r, sub, big, x), &k);

    k = real_sub(&r, k,
                 real_select(&r, sub, real_num(&r, up), real_num(&r, 0)));
    m = real_sub(&r, m, real_num(&r, 1));
    return log_edges(&r, x, 0, log_sum(&r, k, m, real_num(&r, 0)));
}

/* u = 1 + x rounded; what the rounding lost, over u, is added to log u. Where
 * u needs no power of two, f = x itself. 0.79 / 0.77 ulp. */
V vec_log1p(Emit *e, V x)
{
    Real r = real_of(e, x);
    V one = real_num(&r, 1), u = real_add(&r, x, one), k, f, c, same, y;

    f = real_sub(&r, split_power(&r, u, &k), one);
    c = real_select(&r, real_test(&r, LLVMRealOGE, u, 2),
                    real_sub(&r, one, real_sub(&r, u, x)),
                    real_sub(&r, x, real_sub(&r, u, one)));
    c = real_div(&r, c, u);
    same = real_test(&r, LLVMRealOEQ, k, 0);
    f = real_select(&r, same, x, f);
    c = real_select(&r, same, real_num(&r, 0), c);
    y = log_edges(&r, x, -1, log_sum(&r, k, f, c));
    return real_select(
        &r, real_test(&r, LLVMRealOLT, real_abs(&r, x), tiny(&r)), x, y);
}

/* softplus x = max(x, 0) + log1p t, t = exp(-|x|) in (0, 1];
 * log1p t = t - s (t - s^2 P(s^2)), s = t / (2 + t) 1.46 / 1.50 ulp. */
V vec_softplus(Emit *e, V x)
{
    Real r = real_of(e, x);
    V t = exp_minus_abs(&r, x), zero = real_num(&r, 0), s, z, p, w;

    s = real_div(&r, t, real_add(&r, t, real_num(&r, 2)));
    z = real_mul(&r, s, s);
    p = r.f64 ? real_poly(&r, z, log1_f64, ARRAY_LEN(log1_f64))
              : real_poly(&r, z, log1_f32, ARRAY_LEN(log1_f32));
    w = real_sub(&r, t, real_mul(&r, z, p));
    t = real_fma(&r, LLVMBuildFNeg(e->b, s, ""), w, t);
    return real_add(
        &r, real_select(&r, real_test(&r, LLVMRealOGT, x, 0), x, zero), t);
}
