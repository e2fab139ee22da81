/*
 * test_vecmath.c -- the polynomials of codegen/vecmath*.c against the C
 * library in long double: largest error in ulp over all magnitudes, the exact
 * values at the edges, and that scalars and vectors agree bit for bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "codegen/emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LANES = 8 };

typedef LLVMValueRef Make1(Emit *e, LLVMValueRef x);
typedef long double Ref1(long double x);

static long double sigmoid_ref(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double softplus_ref(long double x)
{
    return x > 60 ? x + expl(-x) : log1pl(expl(x));
}

typedef struct Row {
    const char *name;
    Make1 *make;
    Ref1 *ref;
    double lo, hi; // where the function bends: sampled densely besides
    double max_f32, max_f64; // ulp
} Row;
static const Row rows[] = {
    {"exp", vec_exp, expl, -110, 90, 1.0, 1.0},
    {"expm1", vec_expm1, expm1l, -20, 90, 1.5, 1.8},
    {"log", vec_log, logl, 0, 10, 1.0, 1.0},
    {"log1p", vec_log1p, log1pl, -1, 10, 1.5, 1.5},
    {"tanh", vec_tanh, tanhl, -12, 12, 2.5, 2.5},
    {"sigmoid", vec_sigmoid, sigmoid_ref, -110, 20, 2.5, 2.5},
    {"softplus", vec_softplus, softplus_ref, -110, 100, 2.0, 2.0},
    {"erf", vec_erf, erfl, -5, 5, 1.5, 4.0},
    {"sin", vec_sin, sinl, -100, 100, 1.0, 1.0},
    {"cos", vec_cos, cosl, -100, 100, 1.0, 1.0},
};

typedef void Fn(const void *x, const void *y, void *out);
typedef struct Built {
    Fn *f32, *f64, *f32_one, *f64_one; // LANES at a time, and one
} Built;

static Arena *arena;
static Target *target;
static Module module;
static Emit emit;
static Jit *jit;
static Built built[ARRAY_LEN(rows)], built_pow;

/* void name(ptr x, ptr y, ptr out): out[0..lanes) = f(x[..], y[..]) */
static void make_fn(const char *name, LLVMTypeRef elem, int lanes, Make1 *f)
{
    Emit *e = &emit;
    LLVMTypeRef arg[3] = {e->ptr, e->ptr, e->ptr};
    LLVMTypeRef t = lanes > 1 ? LLVMVectorType(elem, (unsigned)lanes) : elem;
    LLVMValueRef fn = LLVMAddFunction(
        e->m, name, LLVMFunctionType(e->voidt, arg, 3, 0)), x, y, st;

    target_attributes(e->target, e->c, fn);
    LLVMPositionBuilderAtEnd(
        e->b, LLVMAppendBasicBlockInContext(e->c, fn, "top"));
    x = LLVMBuildLoad2(e->b, t, LLVMGetParam(fn, 0), "");
    LLVMSetAlignment(x, 4);
    y = LLVMBuildLoad2(e->b, t, LLVMGetParam(fn, 1), "");
    LLVMSetAlignment(y, 4);
    st = LLVMBuildStore(e->b, f ? f(e, x) : vec_pow(e, x, y),
                        LLVMGetParam(fn, 2));
    LLVMSetAlignment(st, 4);
    LLVMBuildRetVoid(e->b);
}

static void make_all(const char *name, Make1 *f)
{
    make_fn(intern(internf("%s_f32", name)), emit.f32, LANES, f);
    make_fn(intern(internf("%s_f64", name)), emit.f64, LANES, f);
    make_fn(intern(internf("%s_f32_one", name)), emit.f32, 1, f);
    make_fn(intern(internf("%s_f64_one", name)), emit.f64, 1, f);
}

static Fn *find(const char *name, const char *suffix)
{
    void *p = jit_symbol(jit, internf("%s_%s", name, suffix));
    Fn *f;

    assert_non_null(p);
    memcpy(&f, &p, sizeof f);
    return f;
}

static Built find_all(const char *name)
{
    return (Built){find(name, "f32"), find(name, "f64"),
                   find(name, "f32_one"), find(name, "f64_one")};
}

static int set_up(void **state)
{
    Emit *e = &emit;
    char err[512] = "";

    (void)state;
    arena = arena_new();
    target = target_new(arena, NULL, 3, err, sizeof err);
    assert_non_null(target);
    *e = emit_open(arena, target, "vecmath");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        make_all(rows[i].name, rows[i].make);
    make_all("pow", NULL);
    module = (Module){.a = arena, .target = target, .opt = {.verify = true},
                      .c = e->c, .m = e->m};
    jit = codegen_jit(&module, target, err, sizeof err);
    if (!jit)
        fail_msg("%s", err);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        built[i] = find_all(rows[i].name);
    built_pow = find_all("pow");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jit_free(jit);
    LLVMDisposeBuilder(emit.b);
    codegen_free(&module);
    target_free(target);
    arena_free(arena);
    return 0;
}

/* |got - want| in units of the last place of want, for results with `frac`
 * fraction bits and smallest normal exponent `emin`. */
static double ulps(double got, long double want, int frac, int emin,
                   double biggest)
{
    int ex;

    if (isnan(want) || isnan(got))
        return isnan((double)want) && isnan(got) ? 0 : INFINITY;
    if (fabsl(want) > biggest || isinf(got))
        return fabsl(want) > biggest * (1 - ldexp(1, -frac)) && isinf(got) &&
                       (want > 0) == (got > 0)
                   ? 0
                   : INFINITY;
    if (want == 0)
        return got == 0 ? 0 : INFINITY;
    frexpl(want, &ex);
    ex = ex - 1 < emin ? emin : ex - 1;
    return (double)fabsl(ldexpl((long double)got - want, frac - ex));
}

static double ulps32(float got, long double want)
{
    return ulps(got, want, 23, -126, 3.4028235e38);
}

static double ulps64(double got, long double want)
{
    return ulps(got, want, 52, -1022, 1.7976931348623157e308);
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

/* Half the points over all bit patterns, half where the function bends. */
static double point(uint64_t *s, const Row *r, bool f64)
{
    uint64_t u = next_random(s);

    if (u & 1) {
        if (f64) {
            double d;
            u = next_random(s);
            memcpy(&d, &u, 8);
            return d;
        } else {
            uint32_t w = (uint32_t)(next_random(s) >> 32);
            float f;
            memcpy(&f, &w, 4);
            return (double)f;
        }
    }
    return r->lo + (r->hi - r->lo) * (double)(u >> 11) * 0x1p-53;
}

static double worst32(const Row *r, const Built *b, int n, float *where)
{
    uint64_t s = 0x9e3779b97f4a7c15;
    double worst = 0;

    for (int i = 0; i < n; i += LANES) {
        float x[LANES], y[LANES], one;

        for (int k = 0; k < LANES; k++)
            x[k] = (float)point(&s, r, false);
        b->f32(x, x, y);
        b->f32_one(x + i % LANES, x, &one);
        assert_memory_equal(&one, y + i % LANES, 4);
        for (int k = 0; k < LANES; k++) {
            double u = ulps32(y[k], r->ref((long double)x[k]));
            if (u > worst) {
                worst = u;
                *where = x[k];
            }
        }
    }
    return worst;
}

static double worst64(const Row *r, const Built *b, int n, double *where)
{
    uint64_t s = 0x2545f4914f6cdd1d;
    double worst = 0;

    for (int i = 0; i < n; i += LANES) {
        double x[LANES], y[LANES], one;

        for (int k = 0; k < LANES; k++)
            x[k] = point(&s, r, true);
        b->f64(x, x, y);
        b->f64_one(x, x, &one);
        assert_memory_equal(&one, y, 8);
        for (int k = 0; k < LANES; k++) {
            double u = ulps64(y[k], r->ref((long double)x[k]));
            if (u > worst) {
                worst = u;
                *where = x[k];
            }
        }
    }
    return worst;
}

static void errors_stay_within_their_bounds(void **state)
{
    bool bad = false;

    (void)state;
    printf("%-10s %10s %14s %10s %22s\n", "function", "f32 ulp", "at",
           "f64 ulp", "at");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const Row *r = &rows[i];
        float at32 = 0;
        double at64 = 0, u32 = worst32(r, &built[i], 400000, &at32);
        double u64 = worst64(r, &built[i], 100000, &at64);

        printf("%-10s %10.3f %14.7g %10.3f %22.15g\n", r->name, u32,
               (double)at32, u64, at64);
        bad |= !(u32 <= r->max_f32) || !(u64 <= r->max_f64);
    }
    assert_false(bad);
}

static void pow_is_within_an_ulp(void **state)
{
    uint64_t s = 77;
    double worst = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        float x[LANES], y[LANES], z[LANES];

        for (int k = 0; k < LANES; k++) {
            uint32_t w = (uint32_t)(next_random(&s) >> 33);
            memcpy(&x[k], &w, 4);
            if (isnan(x[k]))
                x[k] = 1.5f;
            y[k] = (float)((double)(next_random(&s) >> 11) * 0x1p-53 * 8 - 4);
        }
        built_pow.f32(x, y, z);
        for (int k = 0; k < LANES; k++) {
            double u = ulps32(z[k], powl((long double)x[k],
                                         (long double)y[k]));
            worst = u > worst ? u : worst;
        }
    }
    printf("%-10s %10.3f\n", "pow", worst);
    assert_true(worst <= 0.51);
}

static void edges_are_exact(void **state)
{
    static const double edge[] = {
        0.0, -0.0, INFINITY, -INFINITY, NAN, 1, -1, 0x1p-149, -0x1p-149,
        0x1p-126, 3.4028234663852886e38, -3.4028234663852886e38, 2, 0.5, 1e-30,
        -1e-30};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t k = 0; k < ARRAY_LEN(edge); k++) {
            float x = (float)edge[k], y;
            double d, w;

            built[i].f32_one(&x, &x, &y);
            built[i].f64_one(&edge[k], &edge[k], &d);
            w = (double)rows[i].ref((long double)edge[k]);
            if (!(ulps32(y, w) <= rows[i].max_f32) ||
                !(ulps64(d, w) <= rows[i].max_f64))
                fail_msg("%s(%g) = %g and %g, not %g", rows[i].name, edge[k],
                         (double)y, d, w);
            if (w == 0 && (!!signbit(y) != !!signbit(w) ||
                           !!signbit(d) != !!signbit(w)))
                fail_msg("%s(%g) is zero of the wrong sign", rows[i].name,
                         edge[k]);
        }
}

static void pow_has_the_library_s_edges(void **state)
{
    static const float v[] = {0.0f, -0.0f, 1, -1, 2, -2, 0.5f, -0.5f, 3, -3,
                              2.5f, -2.5f, INFINITY, -INFINITY, NAN, 1e38f,
                              0x1p-149f, -0x1p-149f, 16777216.0f, 16777215.0f};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        for (size_t k = 0; k < ARRAY_LEN(v); k++) {
            float got, want = powf(v[i], v[k]);

            built_pow.f32_one(&v[i], &v[k], &got);
            if (isnan(want) ? !isnan(got)
                            : ulps32(got, (long double)want) > 1 ||
                                  !!signbit(got) != !!signbit(want))
                fail_msg("pow(%g, %g) = %g, not %g", (double)v[i],
                         (double)v[k], (double)got, (double)want);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_stay_within_their_bounds),
        cmocka_unit_test(pow_is_within_an_ulp),
        cmocka_unit_test(edges_are_exact),
        cmocka_unit_test(pow_has_the_library_s_edges),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
