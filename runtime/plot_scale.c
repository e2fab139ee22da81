/*
 * plot_scale.c -- where an axis begins and ends, and its ticks.
 *
 * Linear ticks are multiples of 1, 2 or 5 times a power of ten; logarithmic
 * ones are powers of ten, every so many if there are too many, with 2 and 5
 * between where there are few. Labels share their decimals, and a common power
 * of ten if they would get long.
 */
#include "plot_draw.h"

#include <math.h>
#include <string.h>

#define MOST 1e300 // what an axis can show: differences stay finite

double plot_coordinate(RnnScale kind, double v)
{
    if (kind == RNN_SCALE_LOG)
        v = v > 0 ? log10(v) : NAN;
    return isfinite(v) ? v : NAN;
}

double plot_at(const PlotScale *s, double c)
{
    return s->from + (c - s->lo) / (s->hi - s->lo) * (s->to - s->from);
}

/* The step 1, 2 or 5 times 10^k that is at least `least`. */
static double nice_step(double least)
{
    double unit = pow(10, floor(log10(least)));
    double f = least / unit;

    return (f <= 1.0000001 ? 1 : f <= 2.0000001 ? 2 : f <= 5.0000001 ? 5 : 10) *
           unit;
}

static void add_tick(PlotScale *s, double c)
{
    double slack = 1e-9 * (s->hi - s->lo);

    if (s->ntick < PLOT_TICKS && c >= s->lo - slack && c <= s->hi + slack)
        s->tick[s->ntick++] = c;
}

/* --- linear --------------------------------------------------------------- */

static void linear_texts(PlotScale *s, double step)
{
    double most = fmax(fabs(s->lo), fabs(s->hi));
    int power = (int)floor(log10(most) + 1e-9), decimals;
    double unit = 1;

    s->factor[0] = 0;
    if (power >= 6 || power <= -4) {
        power = (int)(3 * floor(power / 3.0));
        unit = pow(10, power);
        snprintf(s->factor, sizeof s->factor, "10^%d", power);
    }
    decimals = (int)-floor(log10(step / unit) + 1e-9);
    for (int k = 0; k < s->ntick; k++) {
        double v = s->tick[k] / unit;

        if (fabs(v) < 1e-9 * most / unit)
            v = 0; // not -0
        snprintf(s->text[k], sizeof s->text[k], "%.*f",
                 decimals > 0 ? decimals < 12 ? decimals : 12 : 0, v);
    }
}

/* Ends at the tick beyond if that is near, else with a little air. */
static void round_ends(PlotScale *s, double step)
{
    double lo = step * floor(s->lo / step + 1e-9);
    double hi = step * ceil(s->hi / step - 1e-9);
    double air = 0.04 * (s->hi - s->lo);

    s->lo = s->lo - lo < 0.45 * step ? lo : s->lo - air;
    s->hi = hi - s->hi < 0.45 * step ? hi : s->hi + air;
}

static void choose_linear(PlotScale *s, bool fixed, bool whole, double count)
{
    double step, first;

    s->lo = fmax(s->lo, -MOST);
    s->hi = fmin(s->hi, MOST);
    if (s->hi - s->lo <= 1e-12 * fmax(fabs(s->lo), fabs(s->hi))) {
        double half = s->lo == 0 ? 1 : 0.1 * fabs(s->lo);

        s->lo -= half;
        s->hi += half;
    }
    step = nice_step((s->hi - s->lo) / count);
    if (whole && step < 1)
        step = 1;
    if (!fixed)
        round_ends(s, step);
    first = ceil(s->lo / step - 1e-9);
    for (int k = 0; k < PLOT_TICKS; k++)
        if ((first + k) * step <= s->hi + 1e-9 * step)
            add_tick(s, (first + k) * step);
    linear_texts(s, step);
}

/* --- logarithmic ---------------------------------------------------------- */

static void power_text(char *to, size_t n, double power)
{
    if (power >= -2 && power <= 3)
        snprintf(to, n, "%.*f", power < 0 ? (int)-power : 0, pow(10, power));
    else
        snprintf(to, n, "10^%.0f", power);
}

/* At the multiples of `some` of each power of ten. */
static void ticks_at(PlotScale *s, const double *some, int n)
{
    s->ntick = 0;
    for (double p = floor(s->lo); p <= s->hi; p++)
        for (int i = 0; i < n; i++) {
            int at = s->ntick;

            add_tick(s, p + log10(some[i]));
            if (s->ntick == at)
                continue;
            if (p >= -4 && p <= 5)
                snprintf(s->text[at], sizeof s->text[at], "%.*f",
                         p < 0 ? (int)-p : 0, some[i] * pow(10, p));
            else if (i == 0)
                power_text(s->text[at], sizeof s->text[at], p);
            else
                snprintf(s->text[at], sizeof s->text[at],
                         "%.0f\xc2\xb7" "10^%.0f", some[i], p);
        }
}

/* Within a power of ten: multiples of a step, as on a linear axis. */
static void ticks_between(PlotScale *s)
{
    double lo = pow(10, s->lo), hi = pow(10, s->hi);
    double step = nice_step((hi - lo) / 5);

    s->ntick = 0;
    for (int k = 0; k < 12; k++) {
        double v = step * (ceil(lo / step) + k);
        int at = s->ntick;

        add_tick(s, log10(v));
        if (s->ntick > at)
            snprintf(s->text[at], sizeof s->text[at], "%.6g", v);
    }
}

/* Few powers of ten. */
static void fine_ticks(PlotScale *s)
{
    static const double some[] = {1, 2, 5};
    static const double all[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

    ticks_at(s, some, 3);
    if (s->ntick < 3)
        ticks_at(s, all, 9);
    if (s->ntick < 3 && s->lo > -300 && s->hi < 300)
        ticks_between(s);
}

/* Powers of ten, every `step`-th. */
static void power_ticks(PlotScale *s, double step)
{
    double first = ceil(s->lo / step - 1e-9);

    for (int k = 0; k < PLOT_TICKS; k++)
        if ((first + k) * step <= s->hi + 1e-9)
            add_tick(s, (first + k) * step);
    for (int k = 0; k < s->ntick; k++)
        power_text(s->text[k], sizeof s->text[k], s->tick[k]);
}

static void minor_ticks(PlotScale *s)
{
    for (double p = floor(s->lo); p <= s->hi; p++)
        for (int i = 2; i < 10; i++) {
            double c = p + log10(i);

            if (c > s->lo && c < s->hi && s->nminor < 10 * PLOT_TICKS)
                s->minor[s->nminor++] = c;
        }
}

static void choose_log(PlotScale *s, bool fixed, double count)
{
    double decades, step;

    if (s->hi - s->lo < 1e-9) {
        s->lo -= 0.5;
        s->hi += 0.5;
    }
    decades = s->hi - s->lo;
    step = decades > count ? nice_step(decades / count) : 1;
    if (!fixed && decades > 2)
        round_ends(s, decades > 12 ? step : 1);
    else if (!fixed) {
        s->lo -= 0.04 * decades;
        s->hi += 0.04 * decades;
    }
    if (s->hi - s->lo < 1.5 || s->hi - s->lo < 0.25 * count)
        fine_ticks(s);
    else
        power_ticks(s, step);
    if (step == 1)
        minor_ticks(s);
}

void plot_scale_choose(PlotScale *s, RnnScale kind, double lo, double hi,
                       bool fixed, bool whole, double pixels, double room)
{
    double count = fmax(2, floor(pixels / room));

    s->kind = kind;
    s->ntick = s->nminor = 0;
    s->factor[0] = 0;
    if (lo > hi) {
        lo = 0;
        hi = 1;
    }
    s->lo = lo;
    s->hi = hi;
    if (count > PLOT_TICKS - 2)
        count = PLOT_TICKS - 2;
    if (kind == RNN_SCALE_LINEAR)
        choose_linear(s, fixed, whole, count);
    else
        choose_log(s, fixed, count);
}
