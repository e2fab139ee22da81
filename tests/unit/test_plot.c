/*
 * test_plot.c -- charts are well-formed XML that shows what was given, whatever
 * the numbers are; image grids decode back to their pixels; bins count.
 */
#include "support/scratch.h"

#include "plot.h"
#include "plot_draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* --- charts --------------------------------------------------------------- */

/* Elements nest and attributes are quoted; text holds no bare '<' or '&'. */
static bool well_formed(const char *s)
{
    char open[32][32];
    int depth = 0, roots = 0;

    while (*s) {
        size_t n = strcspn(s + 1, " />\n");
        bool end = s[1] == '/';

        if (*s == '&') {
            size_t k = strcspn(s, "; <");

            if (s[k] != ';' || k < 3)
                return false;
            s += k;
            continue;
        }
        if (*s != '<') {
            s++;
            continue;
        }
        if (end)
            n = strcspn(s + 2, ">");
        if (n == 0 || n >= 32 || (end && depth == 0) || depth == 31)
            return false;
        if (end) {
            depth--;
            if (strncmp(s + 2, open[depth], n) || open[depth][n])
                return false;
            s += 2 + n;
            continue;
        }
        memcpy(open[depth], s + 1, n);
        open[depth++][n] = 0;
        roots += depth == 1;
        for (s += 1 + n; *s && *s != '>' && *s != '/';) {
            s += strspn(s, " \n");
            s += strcspn(s, "=/>");
            if (*s != '=')
                continue;
            if (s[1] != '"' || !strchr(s + 2, '"'))
                return false;
            s = strchr(s + 2, '"') + 1;
        }
        depth -= *s == '/';
        s += *s == '/';
        if (*s != '>')
            return false;
    }
    return depth == 0 && roots == 1;
}

static char *svg_of(const RnnChart *c)
{
    size_t n = 0;
    char *text = rnn_chart_svg(c, &n);

    assert_int_equal(n, strlen(text));
    assert_true(well_formed(text));
    return text;
}

static int count(const char *text, const char *what)
{
    int n = 0;

    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static void the_checker_finds_faults(void **state)
{
    (void)state;
    assert_true(well_formed("<a b=\"c\"><d/>x &lt; y</a>"));
    assert_false(well_formed("<a><b></a></b>"));
    assert_false(well_formed("<a>x & y</a>"));
    assert_false(well_formed("<a b=c/>"));
    assert_false(well_formed("<a>"));
    assert_false(well_formed("<a/><b/>"));
}

static void every_mark_on_every_scale_is_well_formed(void **state)
{
    double x[] = {1, 2, 4, 8, 20}, y[] = {3, 0.1, 0.4, 2, 9};
    double lo[] = {2, 0.05, 0.3, 1, 8}, hi[] = {4, 0.2, 0.5, 3, 10};

    (void)state;
    for (int mark = 0; mark < 4; mark++)
        for (int scale = 0; scale < 9; scale++) {
            RnnSeries s = {.mark = (RnnMark)mark, .label = "one",
                           .n = mark == RNN_MARK_STEP ? 4 : 5, .x = x, .y = y,
                           .lo = lo, .hi = hi};
            RnnChart c = {.title = "t", .x = {.scale = (RnnScale)(scale % 3)},
                          .y = {.scale = (RnnScale)(scale / 3)},
                          .nseries = 1, .series = &s};
            char *text = svg_of(&c);

            assert_null(strstr(text, "nan"));
            assert_null(strstr(text, "inf"));
            assert_non_null(strstr(text, ">one<"));
            assert_null(strstr(text, "not shown"));
            free(text);
        }
}

static void names_are_text_whatever_they_hold(void **state)
{
    static const char *const name[] = {"a<b", "\"q\"", "bad \xff byte"};
    double x[] = {0, 1, 2};
    RnnSeries s = {.mark = RNN_MARK_POINT, .label = "x & y", .n = 3, .y = x,
                   .name = name};
    RnnChart c = {.title = "<title>\n&amp;", .x = {.label = "10^-400 a"},
                  .nseries = 1, .series = &s};
    char *text = svg_of(&c);

    (void)state;
    assert_non_null(strstr(text, "a&lt;b"));
    assert_non_null(strstr(text, "x &amp; y"));
    assert_non_null(strstr(text, "&amp;amp;"));
    assert_non_null(strstr(text, "10\xe2\x81\xbb\xe2\x81\xb4"));
    assert_null(strchr(text, '\xff'));
    free(text);
}

static void what_cannot_be_drawn_is_counted(void **state)
{
    double y[] = {1, NAN, 2, INFINITY, -INFINITY, 3, 4, -1};
    RnnSeries s = {.mark = RNN_MARK_LINE, .n = 8, .y = y, .plain = true};
    RnnChart c = {.nseries = 1, .series = &s};
    char *text = svg_of(&c);

    (void)state;
    assert_non_null(strstr(text, ">3 points not shown: not finite<"));
    assert_int_equal(count(text, "class=\"line"), 1);
    free(text);
    c.y.scale = RNN_SCALE_LOG;
    text = svg_of(&c);
    assert_non_null(strstr(text, ">4 points not shown: not finite, or not "));
    free(text);
    s.gaps = true;
    c.y.scale = RNN_SCALE_LINEAR;
    text = svg_of(&c);
    assert_non_null(strstr(text, ">2 points not shown"));
    free(text);
}

static void nothing_to_draw_is_said(void **state)
{
    double bad[] = {NAN, NAN};
    RnnSeries s[] = {{.label = "none"},
                     {.label = "bad", .n = 2, .y = bad, .mark = RNN_MARK_BAR}};
    RnnChart c = {.nseries = 2, .series = s};
    char *text = svg_of(&c);

    (void)state;
    assert_non_null(strstr(text, ">none (no values)<"));
    assert_non_null(strstr(text, ">bad<"));
    assert_non_null(strstr(text, ">no values<"));
    assert_non_null(strstr(text, ">2 points not shown"));
    free(text);
    c.nseries = 0;
    text = svg_of(&c);
    assert_non_null(strstr(text, ">no values<"));
    free(text);
}

/* A million points are drawn by their extremes. */
static void long_lines_are_short_files(void **state)
{
    int n = 1000000;
    double *y = rnn_alloc(sizeof *y * (size_t)n);
    RnnSeries s = {.mark = RNN_MARK_LINE, .n = n, .y = y};
    RnnChart c = {.nseries = 1, .series = &s};
    char *text;

    (void)state;
    for (int i = 0; i < n; i++)
        y[i] = sin(i * 0.37);
    y[n / 2] = 5;
    text = svg_of(&c);
    assert_true(strlen(text) < 60000);
    free(text);
    free(y);
}

static void extreme_numbers_have_axes(void **state)
{
    static const double pair[][2] = {
        {0, 0},         {5, 5},       {1e300, 1.1e300}, {-1e-300, 1e-300},
        {1e-320, 1},    {-7, -7},     {1e15, 1e15 + 1}, {0, 1e308},
        {-1e308, 1e308}};

    (void)state;
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        for (int scale = 0; scale < 2; scale++) {
            RnnSeries s = {.mark = RNN_MARK_LINE, .n = 2, .y = pair[i]};
            RnnChart c = {.y = {.scale = (RnnScale)scale}, .nseries = 1,
                          .series = &s};
            char *text = svg_of(&c);

            assert_null(strstr(text, "nan"));
            assert_null(strstr(text, "inf"));
            free(text);
        }
}

static void ticks_are_round_numbers(void **state)
{
    PlotScale s;

    (void)state;
    plot_scale_choose(&s, RNN_SCALE_LINEAR, 0.02, 0.97, false, false, 400, 64);
    assert_int_equal(s.ntick, 6);
    assert_string_equal(s.text[0], "0.0");
    assert_string_equal(s.text[5], "1.0");
    plot_scale_choose(&s, RNN_SCALE_LINEAR, 1, 3, true, true, 400, 50);
    assert_int_equal(s.ntick, 3);
    assert_string_equal(s.text[1], "2");
    plot_scale_choose(&s, RNN_SCALE_LINEAR, 0, 3e7, true, false, 400, 100);
    assert_string_equal(s.factor, "10^6");
    assert_string_equal(s.text[1], "10");
    plot_scale_choose(&s, RNN_SCALE_LOG10, -882, 1, true, false, 300, 46);
    assert_string_equal(s.text[0], "10^-800");
    assert_string_equal(s.text[s.ntick - 1], "1");
    plot_scale_choose(&s, RNN_SCALE_LOG, log10(0.5), log10(0.72), true, false,
                      300, 46);
    assert_true(s.ntick >= 3);
    assert_string_equal(s.text[0], "0.5");
}

static void charts_go_to_svg_files_only(void **state)
{
    RnnChart c = {.title = "t"};
    RnnError err;

    (void)state;
    assert_good(rnn_chart_write(scratch("plot.svg"), &c, &err), &err);
    assert_refused(rnn_chart_write("x.pdf", &c, &err), &err, RNN_BAD_INPUT,
                   "x.pdf", ".svg");
    assert_refused(rnn_chart_write("/nowhere/x.svg", &c, &err), &err,
                   RNN_SURROUNDINGS, "/nowhere/x.svg");
}

/* --- bins ----------------------------------------------------------------- */

static void histograms_count_every_value(void **state)
{
    double v[] = {0, 0.5, 1, 1.5, 2, -1, 3, NAN}, edge[5], y[4];

    (void)state;
    assert_int_equal(rnn_histogram(v, 8, 0, 2, 4, false, edge, y), 3);
    assert_true(y[0] == 1 && y[1] == 1 && y[2] == 1 && y[3] == 2);
    assert_true(edge[0] == 0 && edge[4] == 2);
    assert_int_equal(rnn_histogram(v, 8, 0, 0, 4, true, edge, y), 1);
    assert_true(edge[0] == -1 && edge[4] == 3);
    assert_true(fabs(y[0] + y[1] + y[2] + y[3] - 1) < 1e-12);
    assert_int_equal(rnn_histogram(v, 0, 0, 0, 4, true, edge, y), 0);
    assert_true(y[0] == 0);
}

static void reliability_is_the_mean_gap(void **state)
{
    double conf[] = {0.55, 0.6, 0.95, 1.0, 0.0};
    bool right[] = {true, false, true, true, false};
    double mid[10], acc[10], mean[10], share[10], gap;

    (void)state;
    gap = rnn_reliability(conf, right, 5, 10, mid, acc, mean, share);
    assert_true(acc[5] == 0.5 && acc[9] == 1 && isnan(acc[3]));
    assert_true(fabs(mean[5] - 0.575) < 1e-12 && fabs(share[9] - 0.4) < 1e-12);
    assert_true(fabs(gap - (0.4 * 0.075 + 0.4 * 0.025)) < 1e-12);
}

/* --- images --------------------------------------------------------------- */

static uint32_t word(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

typedef struct Png {
    uint32_t width, height, channels;
    unsigned char *lines; // each with its filter byte
} Png;

static Png decode(const char *path)
{
    unsigned char *file;
    size_t n, at = 8;
    RnnError err;
    Png p = {0};

    assert_good(rnn_file_read(path, &file, &n, &err), &err);
    assert_memory_equal(file, "\x89PNG\r\n\x1a\n", 8);
    while (at < n) {
        uint32_t bytes = word(file + at);
        const unsigned char *data = file + at + 8;

        assert_true(at + 12 + bytes <= n);
        assert_int_equal(crc32(0, file + at + 4, bytes + 4),
                         word(data + bytes));
        if (!memcmp(data - 4, "IHDR", 4)) {
            p.width = word(data);
            p.height = word(data + 4);
            assert_int_equal(data[8], 8);
            p.channels = data[9] == 0 ? 1 : 3;
        } else if (!memcmp(data - 4, "IDAT", 4)) {
            uLong all = (1 + p.width * p.channels) * p.height;

            p.lines = rnn_alloc(all);
            assert_int_equal(uncompress(p.lines, &all, data, bytes), Z_OK);
            assert_int_equal(all, (1 + p.width * p.channels) * p.height);
        }
        at += 12 + bytes;
    }
    free(file);
    return p;
}

static int pixel(const Png *p, int y, int x, int c)
{
    return p->lines[(size_t)y * (1 + p->width * p->channels) + 1 +
                    (size_t)x * p->channels + (size_t)c];
}

static void grids_decode_to_their_pixels(void **state)
{
    // 3 images of 2 channels-first pixels: [3, 3, 1, 2]
    float at[] = {-1, 1, 0, 1, 1,  -1, -1, -1, 0, 0,
                  9,  NAN, -1, -1, -1, 1,  1,  1};
    RnnImages im = {.n = 3, .channels = 3, .height = 1, .width = 2, .at = at,
                    .lo = -1, .hi = 1, .columns = 2, .gap = 1, .zoom = 2};
    RnnError err;
    Png p;

    (void)state;
    assert_good(rnn_images_write(scratch("g.png"), &im, &err), &err);
    p = decode(scratch("g.png"));
    assert_int_equal(p.channels, 3);
    assert_int_equal(p.width, 1 + 2 * (4 + 1));
    assert_int_equal(p.height, 1 + 2 * (2 + 1));
    assert_int_equal(pixel(&p, 0, 0, 0), 255);
    for (int y = 1; y < 3; y++)
        for (int x = 1; x < 3; x++) {
            assert_int_equal(pixel(&p, y, x, 0), 0);
            assert_int_equal(pixel(&p, y, x, 1), 128);
            assert_int_equal(pixel(&p, y, x, 2), 255);
        }
    assert_int_equal(pixel(&p, 1, 8, 1), 0);   // NaN: magenta
    assert_int_equal(pixel(&p, 1, 6, 2), 255); // 9 is clamped
    assert_int_equal(pixel(&p, 4, 3, 1), 255);
    assert_int_equal(pixel(&p, 4, 9, 1), 255); // no fourth image
    free(p.lines);
}

static void grids_refuse_what_they_cannot_show(void **state)
{
    float at[4] = {0};
    RnnImages im = {.n = 1, .channels = 2, .height = 1, .width = 2, .at = at,
                    .hi = 1};
    RnnError err;

    (void)state;
    assert_refused(rnn_images_write("x.png", &im, &err), &err, RNN_BAD_INPUT,
                   "x.png", "2 channels");
    im.channels = 1;
    assert_refused(rnn_images_write("x.jpg", &im, &err), &err, RNN_BAD_INPUT,
                   "x.jpg", ".png");
    im.n = 0;
    assert_refused(rnn_images_write("x.png", &im, &err), &err, RNN_BAD_INPUT,
                   "no images");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_finds_faults),
        cmocka_unit_test(every_mark_on_every_scale_is_well_formed),
        cmocka_unit_test(names_are_text_whatever_they_hold),
        cmocka_unit_test(what_cannot_be_drawn_is_counted),
        cmocka_unit_test(nothing_to_draw_is_said),
        cmocka_unit_test(long_lines_are_short_files),
        cmocka_unit_test(extreme_numbers_have_axes),
        cmocka_unit_test(ticks_are_round_numbers),
        cmocka_unit_test(charts_go_to_svg_files_only),
        cmocka_unit_test(histograms_count_every_value),
        cmocka_unit_test(reliability_is_the_mean_gap),
        cmocka_unit_test(grids_decode_to_their_pixels),
        cmocka_unit_test(grids_refuse_what_they_cannot_show),
    };

    return cmocka_run_group_tests_name("plot", tests, NULL, NULL);
}
