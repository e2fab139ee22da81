/*
 * plot_marks.c -- series as lines, bands, points, steps and bars.
 *
 * Neighbouring points of a line that fall into one half of a pixel column are
 * drawn as their least and greatest, so that a line of a million points is a
 * small file that looks the same.
 */
#include "plot_draw.h"

#include <math.h>
#include <stdlib.h>

enum { DOTS_MOST = 16, FAR = 20000, NAME = 16, CLASS = 40 };

int plot_color(const RnnChart *c, int i)
{
    int next = 0;

    if (c->series[i].color < 0)
        return -1;
    if (c->series[i].color > 0)
        return (c->series[i].color - 1) % PLOT_COLORS;
    for (int k = 0; k < i; k++)
        next += c->series[k].color == 0;
    return next % PLOT_COLORS;
}

double plot_series_x(const RnnSeries *s, int64_t k)
{
    return s->x ? s->x[k] : (double)k;
}

/* Pixels, NAN if there is nothing to draw; kept within reason, since an axis
 * may show a small part of the data. */
static double place(const PlotScale *s, double v)
{
    double p = plot_at(s, plot_coordinate(s->kind, v));

    return isnan(p) ? p : fmin(fmax(p, -FAR), FAR);
}

static const char *paint(char buf[NAME], char what, int color)
{
    if (color < 0)
        snprintf(buf, NAME, "%ct", what);
    else
        snprintf(buf, NAME, "%c%d", what, color);
    return buf;
}

/* --- lines and bands ------------------------------------------------------ */

typedef struct Spot { // what a half pixel column holds
    double x, y0, y1;
    int64_t n;
} Spot;

/* The next run of drawable values from *k on, as spots; y0, y1: values of a
 * and b. Returns how many spots. */
static int64_t next_run(const PlotFrame *f, const RnnSeries *s,
                        const double *a, const double *b, int64_t *k,
                        Spot *spot)
{
    int64_t n = 0;

    for (; *k < s->n; ++*k) {
        double x = place(&f->x, plot_series_x(s, *k));
        double u = place(&f->y, a[*k]), v = place(&f->y, b[*k]);

        if (isnan(x) || isnan(u) || isnan(v)) {
            if (n)
                return n;
            continue;
        }
        if (n && s->n > 2000 && floor(2 * x) == floor(2 * spot[n - 1].x)) {
            Spot *last = &spot[n - 1];

            last->y0 = fmax(last->y0, u);
            last->y1 = fmin(last->y1, v);
            last->n++;
        } else {
            spot[n++] = (Spot){x, u, v, 1};
        }
    }
    return n;
}

static void path_to(FILE *to, char how, double x, double y)
{
    fputc(how, to);
    plot_number(to, NULL, x);
    fputc(' ', to);
    plot_number(to, NULL, y);
}

static void circle(FILE *to, const char *class, double x, double y, double r)
{
    fprintf(to, "<circle class=\"%s\"", class);
    plot_number(to, "cx", x);
    plot_number(to, "cy", y);
    plot_number(to, "r", r);
    fputs("/>\n", to);
}

static void band(FILE *to, const PlotFrame *f, const RnnSeries *s, int color,
                 Spot *spot)
{
    char fill[NAME];
    int64_t k = 0, n;

    while ((n = next_run(f, s, s->lo, s->hi, &k, spot)) > 0) {
        if (n < 2)
            continue;
        fprintf(to, "<path class=\"under %s\" d=\"", paint(fill, 'f', color));
        for (int64_t i = 0; i < n; i++)
            path_to(to, i ? 'L' : 'M', spot[i].x, spot[i].y1);
        for (int64_t i = n; i-- > 0;)
            path_to(to, 'L', spot[i].x, spot[i].y0);
        fputs("Z\"/>\n", to);
    }
}

static void dots(FILE *to, const PlotFrame *f, const RnnSeries *s, int color,
                 double r)
{
    char fill[NAME], class[CLASS];

    snprintf(class, sizeof class, "%s halo", paint(fill, 'f', color));
    for (int64_t k = 0; k < s->n; k++) {
        double x = place(&f->x, plot_series_x(s, k));
        double y = place(&f->y, s->y[k]);

        if (!isnan(x) && !isnan(y))
            circle(to, class, x, y, r);
    }
}

static void line(FILE *to, const PlotFrame *f, const RnnSeries *s, int color,
                 bool dashed)
{
    Spot *spot = rnn_alloc(sizeof *spot * (size_t)(s->n + 1));
    char stroke[NAME], fill[NAME];
    int64_t k = 0, n;

    if (s->lo && s->hi)
        band(to, f, s, color, spot);
    while ((n = next_run(f, s, s->y, s->y, &k, spot)) > 0) {
        if (n == 1 && spot->n == 1) {
            circle(to, paint(fill, 'f', color), spot->x, spot->y0, 1.8);
            continue;
        }
        fprintf(to, "<path class=\"line %s%s\" d=\"",
                paint(stroke, 's', color), dashed ? " dash" : "");
        for (int64_t i = 0; i < n; i++) {
            path_to(to, i ? 'L' : 'M', spot[i].x, spot[i].y0);
            if (spot[i].n > 1)
                path_to(to, 'L', spot[i].x, spot[i].y1);
        }
        fputs("\"/>\n", to);
    }
    if (s->n <= DOTS_MOST && !s->plain && !dashed)
        dots(to, f, s, color, 3);
    free(spot);
}

/* --- points --------------------------------------------------------------- */

static void error_bar(FILE *to, const PlotFrame *f, const RnnSeries *s,
                      int64_t k, double x)
{
    double lo = place(&f->y, s->lo[k]), hi = place(&f->y, s->hi[k]);

    if (isnan(x) || isnan(lo) || isnan(hi))
        return;
    plot_line(to, "err", x, lo, x, hi);
    plot_line(to, "err", x - 3.5, lo, x + 3.5, lo);
    plot_line(to, "err", x - 3.5, hi, x + 3.5, hi);
}

static void points(FILE *to, const PlotFrame *f, const RnnSeries *s,
                   int color)
{
    for (int64_t k = 0; k < s->n && s->lo && s->hi; k++)
        error_bar(to, f, s, k, place(&f->x, plot_series_x(s, k)));
    dots(to, f, s, color, s->n > 500 ? 2 : s->n > 100 ? 2.6 : 3.6);
}

/* --- names ---------------------------------------------------------------- */

static bool is_free(const PlotFrame *f, const PlotBox *b)
{
    if (b->x0 < f->x.from || b->x1 > f->x.to + 8 || b->y0 < f->y.to - 4 ||
        b->y1 > f->y.from)
        return false;
    for (int i = 0; i < f->nbox; i++) {
        const PlotBox *o = &f->box[i];

        if (b->x0 < o->x1 && o->x0 < b->x1 && b->y0 < o->y1 && o->y0 < b->y1)
            return false;
    }
    return true;
}

/* The nearest free place beside the point, else below or above that. */
static bool find_room(const PlotFrame *f, double x, double y, double width,
                      PlotBox *b)
{
    for (int k = 0; k < 2 * PLOT_NAME_TRIES; k++) {
        double dy = (k / 2 + 1) / 2 * 13.0 * (k / 2 % 2 ? 1 : -1);
        double dx = dy == 0 ? 7 : 16;
        double from = k % 2 ? x - dx - width : x + dx;

        *b = (PlotBox){from, y + dy - 6, from + width, y + dy + 6};
        if (is_free(f, b))
            return true;
    }
    return false;
}

void plot_names(FILE *to, PlotFrame *f, const RnnSeries *s)
{
    for (int64_t k = 0; k < s->n && s->name; k++) {
        double x = place(&f->x, plot_series_x(s, k));
        double y = place(&f->y, s->y[k]);
        const char *text = s->name[k];
        double width = 1.15 * plot_text_width(text ? text : "", 11);
        PlotBox b;
        bool left;

        if (!text || !*text || isnan(x) || isnan(y) ||
            f->nbox == PLOT_NAMES || !find_room(f, x, y, width, &b))
            continue;
        f->box[f->nbox++] = b;
        left = b.x0 < x;
        if (fabs(0.5 * (b.y0 + b.y1) - y) > 1)
            plot_line(to, "lead", x, y, left ? b.x1 + 1 : b.x0 - 2,
                      0.5 * (b.y0 + b.y1));
        plot_text(to, "name", left ? b.x1 : b.x0, b.y1 - 2.5, left ? 'r' : 'l',
                  text);
    }
}

/* --- steps and bars ------------------------------------------------------- */

/* Where bars stand: 0, or the axis where 0 is not on it. */
static double ground(const PlotFrame *f)
{
    double zero = f->y.kind == RNN_SCALE_LINEAR ? 0 : f->y.lo;

    return plot_at(&f->y, fmin(fmax(zero, f->y.lo), f->y.hi));
}

/* The outline over bins k .. (*k) that can be drawn. */
static void step_run(FILE *to, const PlotFrame *f, const RnnSeries *s,
                     int64_t from, int64_t till, const char *class, bool close)
{
    double foot = ground(f);

    fprintf(to, "<path class=\"%s\" d=\"", class);
    path_to(to, 'M', place(&f->x, plot_series_x(s, from)), foot);
    for (int64_t k = from; k < till; k++) {
        double y = place(&f->y, s->y[k]);

        path_to(to, 'L', place(&f->x, plot_series_x(s, k)), y);
        path_to(to, 'L', place(&f->x, plot_series_x(s, k + 1)), y);
    }
    path_to(to, 'L', place(&f->x, plot_series_x(s, till)), foot);
    fputs(close ? "Z\"/>\n" : "\"/>\n", to);
}

static void steps(FILE *to, const PlotFrame *f, const RnnSeries *s, int color,
                  bool dashed)
{
    char name[NAME], under[CLASS], over[CLASS];

    snprintf(under, sizeof under, "under %s", paint(name, 'f', color));
    snprintf(over, sizeof over, "line %s%s", paint(name, 's', color),
             dashed ? " dash" : "");
    for (int64_t k = 0, from = 0; k <= s->n; k++) {
        bool bad = k == s->n || isnan(place(&f->y, s->y[k])) ||
                   isnan(place(&f->x, plot_series_x(s, k))) ||
                   isnan(place(&f->x, plot_series_x(s, k + 1)));

        if (!bad)
            continue;
        if (k > from && !s->plain)
            step_run(to, f, s, from, k, under, true);
        if (k > from)
            step_run(to, f, s, from, k, over, false);
        from = k + 1;
    }
}

/* The ends of bar k in x: of its own width, or its part of the slot. */
static void bar_ends(const PlotFrame *f, const RnnSeries *s, int64_t k,
                     double *x0, double *x1)
{
    double x = plot_series_x(s, k), width = s->width;

    if (width > 0) {
        *x0 = place(&f->x, x - 0.5 * width) + 0.75;
        *x1 = place(&f->x, x + 0.5 * width) - 0.75;
        return;
    }
    width = 0.8 * f->slot / (f->nbar ? f->nbar : 1);
    *x0 = place(&f->x, x - 0.4 * f->slot + f->bar * width);
    *x1 = place(&f->x, x - 0.4 * f->slot + (f->bar + 1) * width);
    if (f->nbar > 1)
        *x1 -= 1;
}

static void bars(FILE *to, const PlotFrame *f, const RnnSeries *s, int color)
{
    char fill[NAME];
    double foot = ground(f), x0, x1;

    for (int64_t k = 0; k < s->n; k++) {
        double y = place(&f->y, s->y[k]);

        bar_ends(f, s, k, &x0, &x1);
        if (isnan(x0) || isnan(x1) || isnan(y))
            continue;
        fprintf(to, "<rect class=\"bar %s\"", paint(fill, 'f', color));
        plot_number(to, "x", x0);
        plot_number(to, "y", fmin(y, foot));
        plot_number(to, "width", fmax(x1 - x0, 0.5));
        plot_number(to, "height", fabs(foot - y));
        fputs("/>\n", to);
        if (s->lo && s->hi)
            error_bar(to, f, s, k, 0.5 * (x0 + x1));
    }
}

void plot_series(FILE *to, const PlotFrame *f, const RnnSeries *s, int color,
                 bool dashed)
{
    switch (s->mark) {
    case RNN_MARK_LINE:
        line(to, f, s, color, dashed);
        break;
    case RNN_MARK_POINT:
        points(to, f, s, color);
        break;
    case RNN_MARK_STEP:
        steps(to, f, s, color, dashed);
        break;
    case RNN_MARK_BAR:
        bars(to, f, s, color);
        break;
    }
}

void plot_swatch(FILE *to, const RnnSeries *s, int color, bool dashed,
                 double x, double y)
{
    char name[NAME], class[CLASS];

    if (s->mark == RNN_MARK_POINT) {
        snprintf(class, sizeof class, "%s halo", paint(name, 'f', color));
        circle(to, class, x + 11, y, 3.8);
        return;
    }
    if (s->mark == RNN_MARK_LINE) {
        snprintf(class, sizeof class, "line %s%s", paint(name, 's', color),
                 dashed ? " dash" : "");
        plot_line(to, class, x, y, x + 22, y);
        return;
    }
    snprintf(class, sizeof class, "%s %s",
             s->mark == RNN_MARK_STEP ? "under" : "bar",
             paint(name, 'f', color));
    fprintf(to, "<rect class=\"%s\" width=\"18\" height=\"10\"", class);
    plot_number(to, "x", x + 2);
    plot_number(to, "y", y - 5);
    fputs("/>\n", to);
    if (s->mark == RNN_MARK_STEP) {
        snprintf(class, sizeof class, "line %s%s", paint(name, 's', color),
                 dashed ? " dash" : "");
        fprintf(to, "<rect class=\"%s\" width=\"18\" height=\"10\"", class);
        plot_number(to, "x", x + 2);
        plot_number(to, "y", y - 5);
        fputs("/>\n", to);
    }
}
