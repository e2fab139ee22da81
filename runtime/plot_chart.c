/*
 * plot_chart.c -- a chart: what range the axes show, where things stand, and
 * the file.
 *
 * From the top: title, subtitle, legend in as many rows as it needs, the plot
 * area, x ticks and label, and the note on what could not be drawn. The legend
 * stands above the data, where it hides none.
 */
#include "files.h"
#include "plot_draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SIDE = 18, SWATCH = 28, ENTRY_GAP = 20, ROW = 18 };

typedef struct Range {
    double lo, hi; // coordinates; lo > hi: none
} Range;

typedef struct Chart {
    const RnnChart *c;
    FILE *to;
    PlotFrame f;
    double width, height, left, right, top, bottom;
    int64_t missing; // points that cannot be drawn
    bool any, whole; // whole: every x is a whole number
} Chart;

static void widen(Range *r, double c)
{
    if (isnan(c))
        return;
    r->lo = fmin(r->lo, c);
    r->hi = fmax(r->hi, c);
}

static bool has_label(const RnnSeries *s)
{
    return s->label && *s->label;
}

/* --- ranges --------------------------------------------------------------- */

/* The least distance of neighbouring bars, 1 if there is only one. */
static double slot_of(const RnnChart *c)
{
    double slot = INFINITY;

    for (int i = 0; i < c->nseries; i++) {
        const RnnSeries *s = &c->series[i];

        for (int64_t k = 1; k < s->n && s->mark == RNN_MARK_BAR; k++) {
            double d = fabs(plot_series_x(s, k) - plot_series_x(s, k - 1));

            if (d > 0 && d < slot)
                slot = d;
        }
    }
    return isfinite(slot) ? slot : 1;
}

/* Whether point k can be drawn; its coordinates are joined to the ranges. */
static bool join_point(const Chart *h, const RnnSeries *s, int64_t k, Range *x,
                       Range *y)
{
    const RnnChart *c = h->c;
    double u = plot_coordinate(c->x.scale, plot_series_x(s, k));
    double v = plot_coordinate(c->y.scale, s->y[k]);
    double half = s->mark != RNN_MARK_BAR ? 0
                  : s->width > 0 ? 0.5 * s->width : 0.5 * h->f.slot;

    if (s->mark == RNN_MARK_STEP && !isnan(u)) {
        double w = plot_coordinate(c->x.scale, plot_series_x(s, k + 1));

        widen(x, w);
        u = isnan(w) ? w : u;
    }
    if (isnan(u) || isnan(v))
        return false;
    widen(x, u - half);
    widen(x, u + half);
    widen(y, v);
    if (s->lo && s->hi) {
        widen(y, plot_coordinate(c->y.scale, s->lo[k]));
        widen(y, plot_coordinate(c->y.scale, s->hi[k]));
    }
    return true;
}

static void find_ranges(Chart *h, Range *x, Range *y)
{
    const RnnChart *c = h->c;

    *x = *y = (Range){INFINITY, -INFINITY};
    h->f.slot = slot_of(c);
    h->whole = c->nseries > 0;
    for (int i = 0; i < c->nseries; i++) {
        const RnnSeries *s = &c->series[i];

        for (int64_t k = 0; k < s->n; k++) {
            double at = plot_series_x(s, k);
            bool good = join_point(h, s, k, x, y);

            h->missing += !good && !(s->gaps && isnan(s->y[k]));
            h->any = h->any || good;
            h->whole = h->whole && (!good || at == floor(at));
        }
        if ((s->mark == RNN_MARK_BAR || s->mark == RNN_MARK_STEP) &&
            c->y.scale == RNN_SCALE_LINEAR && y->lo <= y->hi)
            widen(y, 0);
        h->f.nbar += s->mark == RNN_MARK_BAR && !(s->width > 0);
    }
    if (c->x.ncategory)
        *x = (Range){-0.5, c->x.ncategory - 0.5};
}

/* Points need not touch the frame: a little air where they would, but not
 * below 0 of values that never are. */
static void add_air(const Chart *h, Range *x, Range *y)
{
    bool points = false;
    double dx = 0.03 * (x->hi - x->lo), dy = 0.03 * (y->hi - y->lo);

    if (h->c->x.scale != RNN_SCALE_LINEAR || h->c->x.ncategory)
        dx = 0;
    if (h->c->y.scale != RNN_SCALE_LINEAR)
        dy = 0;
    for (int i = 0; i < h->c->nseries; i++)
        points = points || h->c->series[i].mark == RNN_MARK_POINT;
    if (!points)
        return;
    if (dx > 0 && x->lo != 0)
        x->lo -= dx;
    if (dx > 0)
        x->hi += dx;
    if (dy > 0 && y->lo != 0)
        y->lo -= dy;
    if (dy > 0)
        y->hi += dy;
}

static bool fix(const RnnAxis *a, Range *r)
{
    double lo = plot_coordinate(a->scale, a->lo);
    double hi = plot_coordinate(a->scale, a->hi);

    if (!(a->lo < a->hi) || isnan(lo) || isnan(hi))
        return false;
    *r = (Range){lo, hi};
    return true;
}

/* --- layout --------------------------------------------------------------- */

static void categories(Chart *h)
{
    PlotScale *s = &h->f.x;

    s->ntick = s->nminor = 0;
    s->factor[0] = 0;
    s->lo = -0.5;
    s->hi = h->c->x.ncategory - 0.5;
}

/* Rows of the legend; drawn from `top` if that is not negative. */
static int legend(Chart *h, double top)
{
    double x = h->left;
    int row = 0;

    for (int i = 0; i < h->c->nseries; i++) {
        const RnnSeries *s = &h->c->series[i];
        char text[256];
        double width;
        bool dashed = s->dashed || (i >= PLOT_COLORS && !s->color);

        if (!has_label(s))
            continue;
        snprintf(text, sizeof text, "%.200s%s", s->label,
                 s->n > 0 ? "" : " (no values)");
        width = SWATCH + 1.1 * plot_text_width(text, 12);
        if (x > h->left && x + width > h->width - SIDE) {
            x = h->left;
            row++;
        }
        if (top >= 0) {
            double y = top + ROW * row + 9;

            plot_swatch(h->to, s, plot_color(h->c, i), dashed, x, y);
            plot_text(h->to, "key", x + SWATCH, y + 4, 'l', text);
        }
        x += width + ENTRY_GAP;
    }
    return x > h->left || row ? row + 1 : 0;
}

static double widest_tick(const PlotScale *s)
{
    double most = 0;

    for (int k = 0; k < s->ntick; k++) {
        bool power = strchr(s->text[k], '^') != NULL;
        double w = plot_text_width(s->text[k], power ? 10.5 : 12);

        most = fmax(most, w);
    }
    return most;
}

static bool given(const char *text)
{
    return text && *text;
}

static void choose_scales(Chart *h, Range x, Range y, bool fix_x, bool fix_y)
{
    plot_scale_choose(&h->f.y, h->c->y.scale, y.lo, y.hi, fix_y, false,
                      h->bottom - h->top, 46);
    plot_scale_choose(&h->f.x, h->c->x.scale, x.lo, x.hi, fix_x,
                      h->whole, h->right - h->left,
                      h->c->x.scale == RNN_SCALE_LINEAR ? 64 : 58);
    if (h->c->x.ncategory)
        categories(h);
}

/* Bars and steps stand on the axis itself: it begins and ends with them. */
static bool wants_tight_x(const RnnChart *c)
{
    for (int i = 0; i < c->nseries; i++)
        if (c->series[i].mark == RNN_MARK_POINT)
            return false;
    return c->x.scale == RNN_SCALE_LINEAR;
}

static void lay_out(Chart *h)
{
    const RnnChart *c = h->c;
    Range x, y;
    bool fix_x, fix_y;

    find_ranges(h, &x, &y);
    add_air(h, &x, &y);
    fix_x = fix(&c->x, &x);
    fix_y = fix(&c->y, &y);
    if (!fix_x && x.lo < x.hi && wants_tight_x(c))
        fix_x = true;
    h->left = SIDE + (given(c->y.label) ? 20 : 0) + 46;
    h->right = h->width - SIDE;
    h->top = 14 + (given(c->title) ? 20 : 0) + (given(c->subtitle) ? 17 : 0);
    h->bottom = h->height - 34 - (given(c->x.label) ? 20 : 0) -
                (h->missing ? 18 : 0);
    choose_scales(h, x, y, fix_x, fix_y);
    h->left = SIDE + (given(c->y.label) ? 20 : 0) + widest_tick(&h->f.y) + 8;
    h->top += ROW * legend(h, -1) + (h->f.y.factor[0] ? 14 : 4);
    h->top += legend(h, -1) || given(c->title) ? 6 : 0;
    if (c->square) {
        double side = fmin(h->right - h->left, h->bottom - h->top);

        h->right = h->left + side;
        h->bottom = h->top + side;
    }
    choose_scales(h, x, y, fix_x, fix_y);
    h->f.x.from = h->left;
    h->f.x.to = h->right;
    h->f.y.from = h->bottom;
    h->f.y.to = h->top;
}

/* --- drawing -------------------------------------------------------------- */

static void draw_heads(const Chart *h)
{
    double y = 24;

    if (given(h->c->title)) {
        plot_text(h->to, "title", h->left, y, 'l', h->c->title);
        y += 18;
    }
    if (given(h->c->subtitle))
        plot_text(h->to, "sub", h->left, y, 'l', h->c->subtitle);
}

static void draw_axes(const Chart *h)
{
    const PlotScale *x = &h->f.x, *y = &h->f.y;
    double at;

    plot_line(h->to, "axis", h->left, h->bottom, h->right, h->bottom);
    plot_line(h->to, "axis", h->left, h->top, h->left, h->bottom);
    for (int k = 0; k < x->nminor; k++) {
        at = plot_at(x, x->minor[k]);
        plot_line(h->to, "axis", at, h->bottom, at, h->bottom + 3);
    }
    for (int k = 0; k < y->nminor; k++) {
        at = plot_at(y, y->minor[k]);
        plot_line(h->to, "axis", h->left - 3, at, h->left, at);
    }
    for (int k = 0; k < x->ntick; k++) {
        at = plot_at(x, x->tick[k]);
        plot_line(h->to, "axis", at, h->bottom, at, h->bottom + 5);
        plot_text(h->to, "tick", at, h->bottom + 19, 'c', x->text[k]);
    }
    for (int k = 0; k < y->ntick; k++) {
        at = plot_at(y, y->tick[k]);
        plot_line(h->to, "axis", h->left - 5, at, h->left, at);
        plot_text(h->to, "tick", h->left - 8, at + 4, 'r', y->text[k]);
    }
}

static void draw_grid(const Chart *h)
{
    const PlotScale *x = &h->f.x, *y = &h->f.y;

    for (int k = 0; k < x->ntick; k++)
        plot_line(h->to, "grid", plot_at(x, x->tick[k]), h->top,
                  plot_at(x, x->tick[k]), h->bottom);
    for (int k = 0; k < y->ntick; k++)
        plot_line(h->to, "grid", h->left, plot_at(y, y->tick[k]), h->right,
                  plot_at(y, y->tick[k]));
}

/* Every name if they fit beside each other, else every second, third ... */
static void draw_categories(const Chart *h)
{
    int n = h->c->x.ncategory, every = 1;
    double most = 0, room = (h->right - h->left) / (n ? n : 1);

    for (int k = 0; k < n; k++)
        most = fmax(most, plot_text_width(h->c->x.category[k], 12));
    while (n && most + 6 > every * room && every < n)
        every++;
    for (int k = 0; k < n; k += every)
        plot_text(h->to, "tick", plot_at(&h->f.x, k), h->bottom + 19, 'c',
                  h->c->x.category[k]);
}

static void draw_labels(const Chart *h)
{
    const RnnChart *c = h->c;
    char text[400];

    snprintf(text, sizeof text, "%.300s%s%s%s", given(c->x.label) ? c->x.label
             : "", h->f.x.factor[0] ? " (" : "", h->f.x.factor,
             h->f.x.factor[0] ? ")" : "");
    if (text[0])
        plot_text(h->to, "label", 0.5 * (h->left + h->right), h->bottom + 40,
                  'c', text);
    if (h->f.y.factor[0]) {
        snprintf(text, sizeof text, "\xc3\x97 %s", h->f.y.factor);
        plot_text(h->to, "note", h->left, h->top - 7, 'l', text);
    }
    if (given(c->y.label))
        plot_text_up(h->to, "label", SIDE + 6, 0.5 * (h->top + h->bottom),
                     c->y.label);
}

static void draw_note(const Chart *h)
{
    char text[160];

    if (!h->any)
        plot_text(h->to, "note", 0.5 * (h->left + h->right),
                  0.5 * (h->top + h->bottom), 'c', "no values");
    if (!h->missing)
        return;
    snprintf(text, sizeof text, "%lld point%s %s",
             (long long)h->missing, h->missing == 1 ? "" : "s",
             "not shown: not finite, or not above 0 on a logarithmic axis");
    if (h->c->x.scale != RNN_SCALE_LOG && h->c->y.scale != RNN_SCALE_LOG)
        snprintf(text, sizeof text, "%lld point%s not shown: not finite",
                 (long long)h->missing, h->missing == 1 ? "" : "s");
    plot_text(h->to, "note", h->width - SIDE, h->height - 10, 'r', text);
}

static void draw_diagonal(const Chart *h)
{
    double lo = fmax(h->f.x.lo, h->f.y.lo), hi = fmin(h->f.x.hi, h->f.y.hi);

    if (h->c->diagonal && lo < hi)
        plot_line(h->to, "ideal", plot_at(&h->f.x, lo), plot_at(&h->f.y, lo),
                  plot_at(&h->f.x, hi), plot_at(&h->f.y, hi));
}

static void draw_series(Chart *h)
{
    fputs("<clipPath id=\"area\"><rect", h->to);
    plot_number(h->to, "x", h->left - 4);
    plot_number(h->to, "y", h->top - 4);
    plot_number(h->to, "width", h->right - h->left + 8);
    plot_number(h->to, "height", h->bottom - h->top + 5);
    fputs("/></clipPath>\n<g clip-path=\"url(#area)\">\n", h->to);
    for (int i = 0; i < h->c->nseries; i++) {
        const RnnSeries *s = &h->c->series[i];

        plot_series(h->to, &h->f, s, plot_color(h->c, i),
                    s->dashed || (i >= PLOT_COLORS && !s->color));
        h->f.bar += s->mark == RNN_MARK_BAR && !(s->width > 0);
    }
    draw_diagonal(h);
    for (int i = 0; i < h->c->nseries; i++)
        if (h->c->series[i].mark == RNN_MARK_POINT)
            plot_names(h->to, &h->f, &h->c->series[i]);
    fputs("</g>\n", h->to);
}

char *rnn_chart_svg(const RnnChart *c, size_t *n)
{
    Chart h = {.c = c, .width = c->width > 0 ? c->width : 640,
               .height = c->height > 0 ? c->height : 420};
    char *text = NULL;

    h.to = open_memstream(&text, n);
    if (!h.to) {
        fprintf(stderr, "error: out of memory for a chart\n");
        exit(RNN_SURROUNDINGS);
    }
    lay_out(&h);
    plot_begin(h.to, h.width, h.height, c->title);
    draw_heads(&h);
    legend(&h, 14 + (given(c->title) ? 20 : 0) + (given(c->subtitle) ? 17 : 0));
    draw_grid(&h);
    draw_series(&h);
    draw_axes(&h);
    draw_categories(&h);
    draw_labels(&h);
    draw_note(&h);
    plot_end(h.to);
    if (fclose(h.to)) {
        fprintf(stderr, "error: out of memory for a chart\n");
        exit(RNN_SURROUNDINGS);
    }
    return text;
}

RnnStatus rnn_chart_check(const char *path, RnnError *err)
{
    const char *dot = strrchr(path, '.');

    if (dot && !strcasecmp(dot, ".svg"))
        return RNN_OK;
    return rnn_bad(err, "a chart is written as SVG; name a file that ends in "
                        ".svg, not \"%s\"", path);
}

RnnStatus rnn_chart_write(const char *path, const RnnChart *c, RnnError *err)
{
    size_t n;
    char *text;
    RnnStatus st = rnn_chart_check(path, err);

    if (st != RNN_OK)
        return st;
    text = rnn_chart_svg(c, &n);
    st = rnn_file_write(path, text, n, err);
    free(text);
    return st;
}
