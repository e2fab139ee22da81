/*
 * plot.h -- charts and image grids as files.
 *
 * A chart is series of numbers over two axes, written as one self-contained
 * SVG; an image grid is a PNG. Both files are whole or absent. What is drawn
 * depends on the numbers alone, so the same numbers give the same bytes.
 *
 * Values that are not finite, and values not above 0 on a logarithmic axis,
 * are not drawn: a line is broken there, and the chart says below how many
 * points it leaves out. A series without any value keeps its place in the
 * legend, marked "no values"; a chart without any says so in its middle.
 */
#ifndef RNN_PLOT_H
#define RNN_PLOT_H

#include "rt.h"

typedef enum {
    RNN_MARK_LINE,  // x[n], y[n]; lo, hi: a band around it
    RNN_MARK_POINT, // x[n], y[n]; lo, hi: error bars; name: beside each point
    RNN_MARK_STEP,  // y[n] over n bins with edges x[n + 1]
    RNN_MARK_BAR    // y[n] from 0 at x[n]; lo, hi: error bars
} RnnMark;

/* A series of one mark. Strings and arrays are borrowed. */
typedef struct RnnSeries {
    RnnMark mark;
    const char *label;   // in the legend; NULL: not there
    int64_t n;
    const double *x;     // NULL: 0, 1, 2, ... (STEP: as edges)
    const double *y;
    const double *lo, *hi; // both or neither: ends of the band or error bars
    const char *const *name; // POINT: [n] texts, NULL or "": none; those
                             // that find no room beside others are left out
    double width; // BAR: in units of x; 0: bars of several series side by side
    int color;    // 0: the next of the palette; k: its k-th; -1: the text's
    bool dashed;  // LINE, STEP
    bool gaps;    // NaN in y is no value on purpose (an empty bin): not counted
    bool plain;   // STEP: no filling; LINE: no marks at its points, however few
} RnnSeries;

typedef enum {
    RNN_SCALE_LINEAR,
    RNN_SCALE_LOG,  // logarithmic
    RNN_SCALE_LOG10 // logarithmic, and the numbers given are log10 of the
                    // values: for those beyond the range of a double
} RnnScale;

typedef struct RnnAxis {
    const char *label; // NULL or "": none
    RnnScale scale;
    /* Ends of the axis, used if lo < hi; else chosen from the values. In the
     * numbers given, so log10 of the value for LOG10. */
    double lo, hi;
    const char *const *category; // [ncategory] names of x = 0, 1, ...; x only
    int ncategory;
} RnnAxis;

typedef struct RnnChart {
    const char *title, *subtitle; // NULL: none
    RnnAxis x, y;
    int nseries;
    const RnnSeries *series;
    bool diagonal; // a dashed line y = x behind the series
    bool square;   // a square plot area
    double width, height; // of the picture in pixels; 0: 640 x 420
} RnnChart;

/* The chart as SVG text in memory: returned. *n: its length. */
char *rnn_chart_svg(const RnnChart *c, size_t *n);
/* The same to a file. `path` must end in .svg. */
RnnStatus rnn_chart_write(const char *path, const RnnChart *c, RnnError *err);
/* Whether the name is one rnn_chart_write takes. */
RnnStatus rnn_chart_check(const char *path, RnnError *err);

/* plot_bins.c. Counts of the finite v[n] in `bins` equal bins over lo .. hi
 * (lo >= hi: over the values' own range), hi in the last one. edge[bins + 1],
 * y[bins] written; density: y integrates to 1 over all finite values. Returns
 * how many values lay outside or were not finite. */
int64_t rnn_histogram(const double *v, int64_t n, double lo, double hi,
                      int bins, bool density, double *edge, double *y);
/* Reliability: confidence[n] in 0 .. 1 and whether each prediction was right,
 * in `bins` equal bins, lo < confidence <= hi. Per bin: mid, accuracy and mean
 * confidence (NAN where empty) and share of the examples, each [bins]. Returns
 * the expected calibration error: the sum of share * |accuracy - confidence|
 * (Guo et al. 2017, eq. 3). */
double rnn_reliability(const double *confidence, const bool *right, int64_t n,
                       int bins, double *mid, double *accuracy, double *mean,
                       double *share);

/* plot_png.c. n images [C, H, W] with C = 1 (grey) or 3 (RGB), row by row in
 * `columns` columns (0: as square as can be); values lo .. hi become black ..
 * white, what lies outside is clamped, NaN is mid-grey in grey pictures and
 * magenta in RGB. */
typedef struct RnnImages {
    int64_t n, channels, height, width;
    const float *at;  // [n, C, H, W]
    double lo, hi;    // lo < hi
    int64_t columns;
    int gap;          // pixels between images and around them
    int zoom;         // each pixel becomes zoom x zoom; 0: such that images
                      // are at least 56 pixels high
} RnnImages;
/* `path` must end in .png. */
RnnStatus rnn_images_write(const char *path, const RnnImages *im,
                           RnnError *err);

#endif
