/*
 * normal.h -- the inverse of the normal distribution function, by Wichura's AS
 * 241 (PPND16), for words of 32 bits; private to rng.c, which inlines it into
 * loops.
 *
 * Only + - * / decide the bits (logarithm and root are our own), and no product
 * and sum may contract into one rounding: every CPU gives the same. So this
 * header also sets how the file that includes it is compiled.
 */
#ifndef RNN_NORMAL_H
#define RNN_NORMAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("O3", "fp-contract=off")
#endif
#define INLINE static inline __attribute__((always_inline))

/*
 * log(x) for normal x > 0 to about 1 ulp: x = 2^e m with m in [3/4, 3/2),
 * s = (m - 1) / (m + 1), log m = 2 (s + s^3 / 3 + s^5 / 5 + ...), |s| <= 1/5.
 */
INLINE double normal_log(double x)
{
    uint64_t bits, up, e_bits;
    double m, e, s, z, p;

    memcpy(&bits, &x, 8);
    up = (bits + 0x0008000000000000u) >> 52; // e + 1023
    bits -= (up - 1023) << 52;
    memcpy(&m, &bits, 8);
    e_bits = up | 0x4330000000000000u; // 2^52 + up: no 64-bit conversion
    memcpy(&e, &e_bits, 8);
    e -= 0x1p52 + 1023;
    s = (m - 1) / (m + 1);
    z = s * s;
    p = 1.0 / 23;
    p = p * z + 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return e * 0x1.62e42fefa39efp-1 + 2 * (s + s * (z * p));
}

/* sqrt(x) for normal x > 0: Newton's y <- y (3 - x y^2) / 2 towards
 * 1 / sqrt(x). The library's sqrt may set errno, which keeps it out of vector
 * loops. */
INLINE double normal_root(double x)
{
    uint64_t bits;
    double y;

    memcpy(&bits, &x, 8);
    bits = 0x5fe6eb50c7b537a9u - (bits >> 1);
    memcpy(&y, &bits, 8);
    y = y * (1.5 - 0.5 * x * y * y);
    y = y * (1.5 - 0.5 * x * y * y);
    y = y * (1.5 - 0.5 * x * y * y);
    y = y * (1.5 - 0.5 * x * y * y);
    return x * y;
}

/* The distance of a word's (w + 1/2) 2^-32 from 1/2; exact. */
INLINE double normal_centred(uint32_t w)
{
    int32_t i = (int32_t)(w ^ 0x80000000u);

    return ((double)i + 0.5) * 0x1p-32;
}

/* PPND16 for |q| <= 0.425. */
INLINE double normal_middle(double q)
{
    double r = 0.180625 - q * q;
    double a = 2.5090809287301226727e+3, b = 5.2264952788528545610e+3;

    a = a * r + 3.3430575583588128105e+4;
    a = a * r + 6.7265770927008700853e+4;
    a = a * r + 4.5921953931549871457e+4;
    a = a * r + 1.3731693765509461125e+4;
    a = a * r + 1.9715909503065514427e+3;
    a = a * r + 1.3314166789178437745e+2;
    a = a * r + 3.3871328727963666080e+0;
    b = b * r + 2.8729085735721942674e+4;
    b = b * r + 3.9307895800092710610e+4;
    b = b * r + 2.1213794301586595867e+4;
    b = b * r + 5.3941960214247511077e+3;
    b = b * r + 6.8718700749205790830e+2;
    b = b * r + 4.2313330701600911252e+1;
    b = b * r + 1;
    return q * a / b;
}

/* PPND16 for 0.425 < |q|, down to a tail of e^-25 = 1.4e-11; 32-bit words end
 * at 2^-33 = 1.2e-10, so its third branch is never needed. */
INLINE double normal_tail(double q)
{
    double p = 0.5 - fabs(q);
    double r = normal_root(-normal_log(p)) - 1.6;
    double c = 7.74545014278341407640e-4, d = 1.05075007164441684324e-9;

    c = c * r + 2.27238449892691845833e-2;
    c = c * r + 2.41780725177450611770e-1;
    c = c * r + 1.27045825245236838258e+0;
    c = c * r + 3.64784832476320460504e+0;
    c = c * r + 5.76949722146069140550e+0;
    c = c * r + 4.63033784615654529590e+0;
    c = c * r + 1.42343711074968357734e+0;
    d = d * r + 5.47593808499534494600e-4;
    d = d * r + 1.51986665636164571966e-2;
    d = d * r + 1.48103976427480074590e-1;
    d = d * r + 6.89767334985100004550e-1;
    d = d * r + 1.67638483018380384940e+0;
    d = d * r + 2.05319162663775882187e+0;
    d = d * r + 1;
    return copysign(c / d, q);
}

#endif
