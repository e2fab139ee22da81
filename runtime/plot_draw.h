/*
 * plot_draw.h -- private to the plot_*.c files: the SVG being written, its
 * text, and how numbers become places.
 */
#ifndef RNN_PLOT_DRAW_H
#define RNN_PLOT_DRAW_H

#include "plot.h"

enum { PLOT_COLORS = 8, PLOT_TICKS = 24 };

/* plot_scale.c. An axis from lo to hi over pixels from .. to. Coordinates are
 * the numbers given, or log10 of them on a LOG axis. */
typedef struct PlotScale {
    RnnScale kind;
    double lo, hi, from, to;
    int ntick, nminor;
    double tick[PLOT_TICKS], minor[10 * PLOT_TICKS]; // coordinates
    char text[PLOT_TICKS][24]; // "0.25"; a power of ten is "10^-400"
    char factor[16];           // what all are to be multiplied by, "" or "10^6"
} PlotScale;
/* The coordinate of a number, NAN if it has none. */
double plot_coordinate(RnnScale kind, double v);
/* The pixel of a coordinate. */
double plot_at(const PlotScale *s, double c);
/* Ends and ticks for coordinates lo .. hi (lo > hi: there are none), asked to
 * be exactly those if `fixed`, along `pixels` with `room` pixels a tick. whole:
 * linear ticks are whole numbers. */
void plot_scale_choose(PlotScale *s, RnnScale kind, double lo, double hi,
                       bool fixed, bool whole, double pixels, double room);

/* plot_svg.c. `to` is in memory; numbers are written shortly. */
void plot_begin(FILE *to, double width, double height, const char *title);
void plot_end(FILE *to);
void plot_number(FILE *to, const char *key, double v); // key="12.5"
void plot_line(FILE *to, const char *class, double x0, double y0, double x1,
               double y1);
/* Text with its middle, start or end at x. "10^-4" inside is set raised. */
void plot_text(FILE *to, const char *class, double x, double y, char align,
               const char *text);
void plot_text_up(FILE *to, const char *class, double x, double y,
                  const char *text); // rotated, its middle at x, y
/* Its width in pixels at a font size, within a few percent. */
double plot_text_width(const char *text, double size);

/* plot_marks.c */
enum { PLOT_NAMES = 64, PLOT_NAME_TRIES = 30 };
typedef struct PlotBox {
    double x0, y0, x1, y1;
} PlotBox;
typedef struct PlotFrame {
    PlotScale x, y;
    int nbar, bar; // series of side-by-side bars: how many, the one at hand
    double slot;   // distance of neighbouring bars of one series, in x
    int nbox;      // texts in the plot area so far
    PlotBox box[PLOT_NAMES];
} PlotFrame;
/* Color of series i of the chart: -1 is the text's, else 0 .. PLOT_COLORS. */
int plot_color(const RnnChart *c, int i);
void plot_series(FILE *to, const PlotFrame *f, const RnnSeries *s, int color,
                 bool dashed);
/* The names of points, where they hide no other; one that finds no room is
 * left out. */
void plot_names(FILE *to, PlotFrame *f, const RnnSeries *s);
/* The mark of a legend entry, 22 pixels wide from x, around y. */
void plot_swatch(FILE *to, const RnnSeries *s, int color, bool dashed,
                 double x, double y);
/* Number of x edge or place k of a series. */
double plot_series_x(const RnnSeries *s, int64_t k);

#endif
