/*
 * plot_svg.c -- the SVG itself: frame, styles, lines and text.
 *
 * Styles are classes, so that one rule turns the picture dark where the reader
 * prefers that; converters ignore the rule and draw it light. Colors are those
 * of Okabe and Ito (2008), which the colour-blind tell apart, with the yellow
 * left out, too faint on white.
 */
#include "plot_draw.h"

#include <math.h>
#include <string.h>

static const char style[] =
    "text{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;"
    "font-size:12px;fill:#222}\n"
    ".title{font-size:15px;font-weight:bold}\n"
    ".label{font-size:13px}\n"
    ".sub,.note{fill:#666}\n"
    ".name{font-size:11px;fill:#444}\n"
    ".paper{fill:#fff}\n"
    ".axis{stroke:#444;stroke-width:1}\n"
    ".grid{stroke:#e4e4e4;stroke-width:1}\n"
    ".ideal{stroke:#888;stroke-width:1.2;stroke-dasharray:5 4}\n"
    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round;"
    "stroke-linecap:round}\n"
    ".dash{stroke-dasharray:6 4;stroke-linecap:butt}\n"
    ".bar{stroke:none;fill-opacity:.85}\n"
    ".under{stroke:none;fill-opacity:.16}\n"
    ".err{stroke:#444;stroke-width:1.1;fill:none}\n"
    ".lead{stroke:#999;stroke-width:.7}\n"
    ".halo{stroke:#fff;stroke-width:.9}\n";
static const char dark[] =
    "text{fill:#ddd}.sub,.note{fill:#999}.name{fill:#bbb}"
    ".paper{fill:#15181c}.axis,.err{stroke:#aaa}.grid{stroke:#2c3138}"
    ".halo{stroke:#15181c}";
/* On white and on black. */
static const char *const color[PLOT_COLORS][2] = {
    {"#0072b2", "#3d9bd6"}, {"#d55e00", "#f07b28"}, {"#009e73", "#1fbf92"},
    {"#cc79a7", "#dd92bb"}, {"#e69f00", "#eeb02a"}, {"#56b4e9", "#7fc8f2"},
    {"#7a5195", "#a98ac4"}, {"#8a8a8a", "#a2a2a2"}};

void plot_number(FILE *to, const char *key, double v)
{
    char text[48];
    size_t n;

    snprintf(text, sizeof text, "%.2f", v);
    n = strlen(text);
    while (n && text[n - 1] == '0')
        text[--n] = 0;
    if (n && text[n - 1] == '.')
        text[--n] = 0;
    if (!strcmp(text, "-0"))
        strcpy(text, "0");
    if (key)
        fprintf(to, " %s=\"%s\"", key, text);
    else
        fputs(text, to);
}

/* --- text ----------------------------------------------------------------- */

/* The bytes of the UTF-8 character at s; 0 if there is none or XML has none
 * for it (control characters). */
static int character(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    int n = u[0] < 0x80 ? 1 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2
          : u[0] >= 0xe0 && u[0] < 0xf0 ? 3
          : u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : 0;

    for (int i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f) ||
        (u[0] == 0xef && u[1] == 0xbf && u[2] > 0xbd))
        return 0;
    return u[0] < 0x20 || u[0] == 0x7f ? 0 : n;
}

static void escaped(FILE *to, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        int k = character(s + i);

        if (s[i] == '<')
            fputs("&lt;", to);
        else if (s[i] == '>')
            fputs("&gt;", to);
        else if (s[i] == '&')
            fputs("&amp;", to);
        else if (s[i] == '"')
            fputs("&quot;", to);
        else if (k)
            fwrite(s + i, 1, (size_t)k, to);
        else
            fputs(s[i] == '\n' || s[i] == '\t' ? " " : "\xef\xbf\xbd", to);
        i += k ? (size_t)k : 1;
    }
}

/* The length of the exponent in "10^-400" at s, 0: there is none. */
static size_t exponent(const char *s)
{
    size_t n;

    if (strncmp(s, "10^", 3))
        return 0;
    n = s[3] == '-';
    n += strspn(s + 3 + n, "0123456789");
    return n > (size_t)(s[3] == '-') ? n : 0;
}

/* A minus sign is wider than a hyphen. */
static void put_numeral(FILE *to, const char *s, size_t n)
{
    if (n && *s == '-')
        fputs("\xe2\x88\x92", to);
    escaped(to, s + (n && *s == '-'), n - (n && *s == '-'));
}

static bool is_numeral(const char *s)
{
    size_t sign = *s == '-', n = strspn(s + sign, "0123456789.");

    return n && !s[sign + n];
}

/* Raised characters instead of raised text: every renderer sets them well. */
static void put_exponent(FILE *to, const char *s, size_t n)
{
    static const char *const digit[] = {
        "\xe2\x81\xb0", "\xc2\xb9",     "\xc2\xb2",     "\xc2\xb3",
        "\xe2\x81\xb4", "\xe2\x81\xb5", "\xe2\x81\xb6", "\xe2\x81\xb7",
        "\xe2\x81\xb8", "\xe2\x81\xb9"};

    for (size_t i = 0; i < n; i++)
        fputs(s[i] == '-' ? "\xe2\x81\xbb" : digit[s[i] - '0'], to);
}

static void put_content(FILE *to, const char *text)
{
    const char *from = text;

    if (is_numeral(text)) {
        put_numeral(to, text, strlen(text));
        return;
    }
    for (const char *s = text; *s; s++) {
        size_t n = exponent(s);

        if (!n)
            continue;
        escaped(to, from, (size_t)(s + 2 - from));
        put_exponent(to, s + 3, n);
        from = s + 3 + n;
        s = from - 1;
    }
    escaped(to, from, strlen(from));
}

void plot_text(FILE *to, const char *class, double x, double y, char align,
               const char *text)
{
    fprintf(to, "<text class=\"%s\"", class);
    plot_number(to, "x", x);
    plot_number(to, "y", y);
    if (align != 'l')
        fprintf(to, " text-anchor=\"%s\"", align == 'r' ? "end" : "middle");
    fputc('>', to);
    put_content(to, text);
    fputs("</text>\n", to);
}

void plot_text_up(FILE *to, const char *class, double x, double y,
                  const char *text)
{
    fprintf(to, "<text class=\"%s\" text-anchor=\"middle\" "
                "transform=\"translate(", class);
    plot_number(to, NULL, x);
    fputc(' ', to);
    plot_number(to, NULL, y);
    fputs(") rotate(-90)\">", to);
    put_content(to, text);
    fputs("</text>\n", to);
}

/* Widths in Helvetica, as parts of its size, by class of letter. */
double plot_text_width(const char *text, double size)
{
    double sum = 0;

    for (const char *s = text; *s;) {
        int n = character(s);

        if (strchr("iljI.,:;'|!", *s))
            sum += 0.25;
        else if (strchr("frt()[]- /\\", *s))
            sum += 0.31;
        else if (strchr("mwMW%@", *s))
            sum += 0.85;
        else if (*s >= 'A' && *s <= 'Z')
            sum += 0.69;
        else
            sum += 0.55;
        s += n ? n : 1;
    }
    return sum * size;
}

/* --- frame ---------------------------------------------------------------- */

void plot_line(FILE *to, const char *class, double x0, double y0, double x1,
               double y1)
{
    fprintf(to, "<line class=\"%s\"", class);
    plot_number(to, "x1", x0);
    plot_number(to, "y1", y0);
    plot_number(to, "x2", x1);
    plot_number(to, "y2", y1);
    fputs("/>\n", to);
}

void plot_begin(FILE *to, double width, double height, const char *title)
{
    fputs("<svg xmlns=\"http://www.w3.org/2000/svg\"", to);
    plot_number(to, "width", width);
    plot_number(to, "height", height);
    fprintf(to, " viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", width, height);
    if (title && *title) {
        fputs("<title>", to);
        escaped(to, title, strlen(title));
        fputs("</title>\n", to);
    }
    fprintf(to, "<style>\n%s", style);
    for (int i = 0; i < PLOT_COLORS; i++)
        fprintf(to, ".s%d{stroke:%s}.f%d{fill:%s}\n", i, color[i][0], i,
                color[i][0]);
    fprintf(to, ".st{stroke:#222}.ft{fill:#222}\n"
                "@media (prefers-color-scheme:dark){%s", dark);
    for (int i = 0; i < PLOT_COLORS; i++)
        fprintf(to, ".s%d{stroke:%s}.f%d{fill:%s}", i, color[i][1], i,
                color[i][1]);
    fputs(".st{stroke:#ddd}.ft{fill:#ddd}}\n</style>\n"
          "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n", to);
}

void plot_end(FILE *to)
{
    fputs("</svg>\n", to);
}
