/*
 * interval_math.c -- what operations do to intervals.
 *
 * An end keeps whether it is open and whether it is reached; the end of a
 * result is reached where those of its operands can be at once.
 */
#include "sema/interval.h"

#include <math.h>

static const End from_below = {-INFINITY, true, HIT_NONE};
static const End to_above = {INFINITY, true, HIT_NONE};

Interval iv_anything(void)
{
    return (Interval){from_below, to_above, false};
}

Interval iv_between(double lo, double hi, Hit hit, bool dense)
{
    return (Interval){{lo, isinf(lo), hit}, {hi, isinf(hi), hit}, dense};
}

Interval iv_any_sign(void)
{
    return iv_between(-INFINITY, INFINITY, HIT_ALL, false);
}

Interval iv_point(double c)
{
    return iv_between(c, c, HIT_ALL, true);
}

bool iv_is_point(const Interval *x)
{
    return x->lo.at == x->hi.at;
}

static Hit lesser(Hit a, Hit b)
{
    return a < b ? a : b;
}

/* How the ends of both are reached at once. */
static Hit together(Hit a, Hit b)
{
    return a == HIT_SOME && b == HIT_SOME ? HIT_NONE : lesser(a, b);
}

Interval iv_unreached(Interval x)
{
    x.lo.hit = x.hi.hit = HIT_NONE;
    x.dense = false;
    return x;
}

Interval iv_negated(Interval x)
{
    return (Interval){{-x.hi.at, x.hi.open, x.hi.hit},
                      {-x.lo.at, x.lo.open, x.lo.hit}, x.dense};
}

Interval iv_rising(Interval x, double (*f)(double))
{
    x.lo.at = f(x.lo.at);
    x.hi.at = f(x.hi.at);
    if (isnan(x.lo.at) || isnan(x.hi.at))
        return iv_anything();
    return x;
}

/* |x|; of an interval around 0 the end 0 is reached inside it. */
Interval iv_magnitude(Interval x)
{
    if (x.lo.at >= 0)
        return x;
    if (x.hi.at <= 0)
        return iv_negated(x);
    Hit inside = x.dense ? lesser(x.lo.hit, x.hi.hit) : HIT_NONE;
    End top = x.hi.at >= -x.lo.at ? x.hi : iv_negated(x).hi;
    return (Interval){{0, false, inside}, top, x.dense};
}

static double squared(double x)
{
    return x * x;
}

Interval iv_squared(Interval x)
{
    return iv_rising(iv_magnitude(x), squared);
}

Interval iv_summed(Interval x, double n)
{
    x.lo.at *= n;
    x.hi.at *= n;
    if (n > 1 && x.lo.hit == HIT_SOME)
        x.lo.hit = HIT_NONE;
    if (n > 1 && x.hi.hit == HIT_SOME)
        x.hi.hit = HIT_NONE;
    return x;
}

Interval iv_part(Interval x)
{
    if (x.lo.hit == HIT_SOME)
        x.lo.hit = HIT_NONE;
    if (x.hi.hit == HIT_SOME)
        x.hi.hit = HIT_NONE;
    return x;
}

static End sum_end(End a, End b)
{
    End sum = {a.at + b.at, a.open || b.open, together(a.hit, b.hit)};

    if (isinf(a.at) || isinf(b.at)) // one of them is enough
        sum.hit = isinf(a.at) && a.hit > b.hit ? a.hit
                  : isinf(b.at)                ? b.hit : a.hit;
    return sum;
}

Interval iv_sum_of(Interval x, Interval y)
{
    return (Interval){sum_end(x.lo, y.lo), sum_end(x.hi, y.hi),
                      x.dense || y.dense};
}

static End product_end(End a, End b)
{
    bool zero = (a.at == 0 && !a.open) || (b.at == 0 && !b.open);
    End p = {a.at == 0 || b.at == 0 ? 0 : a.at * b.at,
             !zero && (a.open || b.open), together(a.hit, b.hit)};

    // 0 times anything is reached with the 0 alone
    if (p.at == 0)
        p.hit = a.at == 0 && b.at != 0 ? a.hit
                : b.at == 0 && a.at != 0 ? b.hit : p.hit;
    return p;
}

Interval iv_product(Interval x, Interval y)
{
    End c[4] = {product_end(x.lo, y.lo), product_end(x.lo, y.hi),
                product_end(x.hi, y.lo), product_end(x.hi, y.hi)};
    Interval p = {c[0], c[0], x.dense && y.dense};

    for (int k = 1; k < 4; k++) {
        if (c[k].at < p.lo.at || (c[k].at == p.lo.at && !c[k].open))
            p.lo = c[k];
        if (c[k].at > p.hi.at || (c[k].at == p.hi.at && !c[k].open))
            p.hi = c[k];
    }
    return p;
}

Interval iv_reciprocal(Interval y)
{
    if (y.hi.at < 0 || (y.hi.at == 0 && y.hi.open))
        return iv_negated(iv_reciprocal(iv_negated(y)));
    if (y.lo.at < 0 || (y.lo.at == 0 && !y.lo.open))
        return iv_anything();
    End lo = {1 / y.hi.at, y.hi.open, y.hi.hit};
    End hi = {y.lo.at == 0 ? INFINITY : 1 / y.lo.at, y.lo.open, y.lo.hit};
    return (Interval){lo, hi, y.dense};
}

/* The lower end of max(x, y): at it both are at or below it. */
Interval iv_larger(Interval x, Interval y)
{
    End lo = x.lo.at > y.lo.at || (x.lo.at == y.lo.at && x.lo.open) ? x.lo
                                                                    : y.lo;
    End hi = x.hi.at > y.hi.at || (x.hi.at == y.hi.at && !x.hi.open) ? x.hi
                                                                     : y.hi;
    lo.hit = together(x.lo.hit, y.lo.hit);
    return (Interval){lo, hi, x.dense && y.dense};
}

Interval iv_hull(Interval x, Interval y)
{
    Interval h = {x.lo, x.hi, false};

    if (y.lo.at < x.lo.at || (y.lo.at == x.lo.at && x.lo.hit < y.lo.hit))
        h.lo = y.lo;
    if (y.hi.at > x.hi.at || (y.hi.at == x.hi.at && x.hi.hit < y.hi.hit))
        h.hi = y.hi;
    return h;
}

Interval iv_to_the(Interval x, double y)
{
    if (y == 0 || isnan(y) || isinf(y))
        return iv_anything();
    if (y == floor(y) && fmod(y, 2) == 0)
        x = iv_magnitude(x);
    if (x.lo.at < 0)
        return iv_anything();
    if (y < 0)
        return iv_to_the(iv_reciprocal(x), -y);
    x.lo.at = pow(x.lo.at, y);
    x.hi.at = pow(x.hi.at, y);
    return x;
}

/* Some elements are f, the others as they were. */
Interval iv_framed(Interval x, double f)
{
    x = iv_hull(x, iv_point(f));
    x.lo.hit = x.lo.at == f ? HIT_SOME : lesser(x.lo.hit, HIT_SOME);
    x.hi.hit = x.hi.at == f ? HIT_SOME : lesser(x.hi.hit, HIT_SOME);
    return x;
}

bool iv_cut(Interval *x, double c, bool above, bool closed)
{
    if (above) {
        *x = iv_negated(*x);
        c = -c;
    }
    bool some = x->lo.at < c || (x->lo.at == c && closed && !x->lo.open);
    if (c < x->hi.at || (c == x->hi.at && !closed))
        x->hi = (End){c, !closed, x->dense || c == x->lo.at ? x->lo.hit
                                                            : HIT_NONE};
    if (above)
        *x = iv_negated(*x);
    return some;
}
