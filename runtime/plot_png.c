/*
 * plot_png.c -- images side by side as a PNG file (ISO/IEC 15948): 8 bits,
 * grey or RGB, one IDAT chunk deflated by zlib.
 */
#include "files.h"
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { SIDE_MOST = 1 << 20, PAPER = 255 };

typedef struct Grid {
    const RnnImages *im;
    int64_t columns, rows, zoom, width, height, bytes; // bytes: of a line
} Grid;

static void put4(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void chunk(RnnOut *o, const char *name, const void *bytes, uint32_t n)
{
    unsigned char head[8], tail[4];
    uLong crc = crc32(0, (const unsigned char *)name, 4);

    put4(head, n);
    memcpy(head + 4, name, 4);
    put4(tail, (uint32_t)(n ? crc32(crc, bytes, n) : crc));
    rnn_out_write(o, head, 8);
    rnn_out_write(o, bytes, n);
    rnn_out_write(o, tail, 4);
}

static unsigned char shade(const RnnImages *im, double v)
{
    v = (v - im->lo) / (im->hi - im->lo);
    return (unsigned char)(255 * (v > 0 ? v < 1 ? v : 1 : 0) + 0.5);
}

/* One pixel of image k, repeated zoom x zoom times at `to`. */
static void put_pixel(const Grid *g, unsigned char *to, int64_t k, int64_t y,
                      int64_t x)
{
    static const unsigned char odd[2][3] = {{128}, {255, 0, 255}};
    const RnnImages *im = g->im;
    int64_t area = im->height * im->width;
    const float *at = im->at + k * im->channels * area + y * im->width + x;
    bool bad = false;

    for (int c = 0; c < im->channels; c++)
        bad = bad || isnan(at[c * area]);
    for (int c = 0; c < im->channels; c++) {
        unsigned char v = bad ? odd[im->channels == 3][c]
                              : shade(im, at[c * area]);

        for (int64_t i = 0; i < g->zoom; i++)
            for (int64_t j = 0; j < g->zoom; j++)
                to[i * g->bytes + j * im->channels + c] = v;
    }
}

static void put_image(const Grid *g, unsigned char *pixels, int64_t k)
{
    const RnnImages *im = g->im;
    int64_t top = im->gap + k / g->columns * (im->height * g->zoom + im->gap);
    int64_t left = im->gap + k % g->columns * (im->width * g->zoom + im->gap);

    for (int64_t y = 0; y < im->height; y++)
        for (int64_t x = 0; x < im->width; x++)
            put_pixel(g, pixels + (top + y * g->zoom) * g->bytes + 1 +
                         (left + x * g->zoom) * im->channels, k, y, x);
}

static RnnStatus measure(Grid *g, const char *path, RnnError *err)
{
    const RnnImages *im = g->im;
    const char *dot = strrchr(path, '.');

    if (!dot || strcasecmp(dot, ".png"))
        return rnn_bad(err, "images are written as PNG; name a file that ends "
                            "in .png, not \"%s\"", path);
    if (im->n < 1)
        return rnn_bad(err, "there are no images for \"%s\"", path);
    if (im->channels != 1 && im->channels != 3)
        return rnn_bad(err, "images for \"%s\" have %lld channels; 1 (grey) "
                            "or 3 (red, green, blue) can be shown", path,
                       (long long)im->channels);
    g->columns = im->columns > 0 ? im->columns : (int64_t)ceil(sqrt(im->n));
    g->columns = g->columns < im->n ? g->columns : im->n;
    g->rows = (im->n + g->columns - 1) / g->columns;
    g->zoom = im->zoom > 0 ? im->zoom : (56 + im->height - 1) / im->height;
    g->width = im->gap + g->columns * (im->width * g->zoom + im->gap);
    g->height = im->gap + g->rows * (im->height * g->zoom + im->gap);
    g->bytes = 1 + g->width * im->channels; // a filter byte first
    if (g->width > SIDE_MOST || g->height > SIDE_MOST ||
        g->bytes * g->height > 1 << 30)
        return rnn_bad(err, "%lld images of %lld x %lld are too many for "
                            "\"%s\"; show fewer", (long long)im->n,
                       (long long)im->height, (long long)im->width, path);
    return RNN_OK;
}

RnnStatus rnn_images_write(const char *path, const RnnImages *im,
                           RnnError *err)
{
    static const unsigned char magic[] = {0x89, 'P',  'N',  'G',
                                          '\r', '\n', 0x1a, '\n'};
    Grid g = {.im = im};
    RnnStatus st = measure(&g, path, err);
    unsigned char *pixels, *packed, head[13] = {0};
    uLong n, all;
    RnnOut o;

    if (st != RNN_OK)
        return st;
    all = (uLong)(g.bytes * g.height);
    pixels = rnn_alloc(all);
    for (int64_t y = 0; y < g.height; y++)
        memset(pixels + y * g.bytes + 1, PAPER, (size_t)g.bytes - 1);
    for (int64_t k = 0; k < im->n; k++)
        put_image(&g, pixels, k);
    n = compressBound(all);
    packed = rnn_alloc(n);
    compress2(packed, &n, pixels, all, 9); // cannot fail: n is the bound
    put4(head, (uint32_t)g.width);
    put4(head + 4, (uint32_t)g.height);
    head[8] = 8;
    head[9] = im->channels == 1 ? 0 : 2;
    st = rnn_out_open(&o, path, err);
    if (st == RNN_OK) {
        rnn_out_write(&o, magic, sizeof magic);
        chunk(&o, "IHDR", head, sizeof head);
        chunk(&o, "IDAT", packed, (uint32_t)n);
        chunk(&o, "IEND", "", 0);
        st = rnn_out_close(&o);
    }
    free(pixels);
    free(packed);
    return st;
}
