/*
 * wino.h -- private to emit_wino*.c: Winograd's convolutions in the making.
 */
#ifndef RNN_CODEGEN_WINO_H
#define RNN_CODEGEN_WINO_H

#include "codegen/nest.h"
#include "ir/wino.h"

typedef struct Winograd {
    Nest *n;
    Emit *e;
    const Schedule *s;
    Wino f;
    WinoDims d;
    DType dt;
    LLVMTypeRef elem;
    int size, lanes, points; // bytes of an element; t t
    int64_t H, W, C, Ho, Wo, th, tw; // of x and y; tiles along y
    int64_t lead_h, lead_w;  // of the first tile's inputs, before x
    V zeros;                 // a vector of zeros in memory
} Winograd;

/* A block of transformed values, [points][blocks][rows][lanes]: channels cut
 * into vectors, a row for each tile. Strides in elements. */
typedef struct Panel {
    V at;
    int64_t rows, point; // rows of a block; distance of points
} Panel;

enum { WINO_LINE = 64 }; // bytes

/* Where a square of values lies in an image [height, width, channels]. */
typedef struct Square {
    V image;      // the example's first element
    V row, col;   // of the square, may be outside
    int64_t height, width, channels;
    int64_t row_lo, row_hi, col_lo, col_hi; // bounds of row and col
    const int *place;    // of the rows and columns wanted, from row and col
} Square;

/* `width` channels from channel c of the pixels of a stack of images. */
typedef struct Pixels {
    V image;            // the first pixel
    int64_t channels;   // of a pixel
    V c;
    int64_t width;
    bool write;         // are they to be written?
} Pixels;

/* A convolution, and where its task stands. */
typedef struct WinoConv {
    Winograd w;
    V x, u;
    Panel v;         // of the group
    V m;             // M: [points][work][WINO_PANEL]
    int64_t m_point; // distance of points in it
    V stage;         // outputs of a tile, where they are stored in a loop
    V first, examples; // of the group
    V top, rows;     // rows of tiles: the first, their number
    V count;         // tiles
    V panel;
    V block;         // of channels of x, of so many
    int width;
} WinoConv;

/* emit_wino_move.c */
V wino_at(Winograd *w, V base, V index);     // address of an element
V wino_mul(Winograd *w, V x, int64_t c);
V wino_add(Winograd *w, V x, V y);
V wino_at_most(Winograd *w, V x, int64_t n); // the smaller
V wino_load(Winograd *w, V at, int width);   // zeros past width
V wino_gather(Winograd *w, V at, int64_t stride, int width);
void wino_save(Winograd *w, V x, V at);
void wino_fetch(Winograd *w, V at, bool write); // to the second-level cache
/* So many of them, from pixel `first`, to the second-level cache. */
void wino_fetch_pixels(Winograd *w, const Pixels *p, V first, int64_t count);
V wino_part(Winograd *w, V x, int from, int n); // n lanes
/* y = M x, M rows x cols (or its transpose, if `across`), of vectors. */
typedef double WinoMatrix[WINO_SIDE][WINO_SIDE];
void wino_times(Winograd *w, WinoMatrix *m, int rows, int cols,
                bool across, const V *x, V *y);
/* The side x side values at q's places of `width` channels from channel c; 0
 * outside. */
void wino_square(Winograd *w, const Square *q, int side, V c, int width,
                 V *x);
/* y[out x out] = M x M^T, x [in x in]. */
void wino_both(Winograd *w, WinoMatrix *m, int out, int in, bool across,
               const V *x, V *y);
/* Stores points vectors at row `row` of block `block` of p. */
void wino_spread(Winograd *w, const Panel *p, V block, V row, const V *x);

/* emit_wino_product.c: M = V U of the task's panel. */
void wino_product(WinoConv *c);

/* emit_wino.c, emit_wino_w.c, emit_wino_dw.c */
void nest_conv_wino(Nest *n);
void nest_wino_w(Nest *n);
void nest_conv_dw_wino(Nest *n);
/* What the two convolutions share; x is source 0, y [Ho, Wo, O]. */
void wino_open(Winograd *w, Nest *n, Shape x, Shape y);
V wino_frame(Winograd *w, int64_t elements); // an array in the frame

#endif
