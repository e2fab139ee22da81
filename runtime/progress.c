/*
 * progress.c -- how far a long command is: a bar redrawn in place on a
 * terminal (standard error, at most ten times a second), a line on standard
 * output about every ten seconds elsewhere, nothing with --quiet.
 */
#include "face.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_S 0.1
#define LINE_S 10.0

void rnn_progress_start(RnnProgress *g, const RnnFlags *f, int64_t from,
                        int64_t total, double unit)
{
    const char *term = getenv("TERM");

    *g = (RnnProgress){.quiet = f->quiet || (f->json && !strcmp(f->json, "-")),
                       .terminal = isatty(STDERR_FILENO) &&
                                   !(term && !strcmp(term, "dumb")),
                       .from = from,
                       .total = total,
                       .unit = unit};
    g->start = g->last = rnn_seconds();
}

bool rnn_progress_due(const RnnProgress *g)
{
    return !g->quiet &&
           rnn_seconds() - g->last >= (g->terminal ? REDRAW_S : LINE_S);
}

static int columns(void)
{
    struct winsize w;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || w.ws_col < 20)
        return 80;
    return w.ws_col;
}

void rnn_progress_show(RnnProgress *g, int64_t done, const char *title,
                       const char *text)
{
    enum { BAR = 20 };
    char line[1024], eta[32], rate[32], bar[BAR + 1];
    double took = rnn_seconds() - g->start;
    double speed = (double)(done - g->from) / (took > 0 ? took : 1);
    double left = speed > 0 ? (double)(g->total - done) / speed : -1;
    int full = g->total > 0 ? (int)(BAR * done / g->total) : BAR;

    if (g->quiet)
        return;
    g->last = rnn_seconds();
    memset(bar, '-', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = 0;
    rnn_scaled(speed * g->unit, "ex/s", rate, sizeof rate);
    rnn_duration(left, eta, sizeof eta);
    if (!g->terminal) {
        printf("%s  %3.0f %%  %s  %s left%s%s\n", title,
               100.0 * (double)done / (double)(g->total ? g->total : 1), rate,
               eta, *text ? "  " : "", text);
        fflush(stdout);
        return;
    }
    snprintf(line, sizeof line, "%s [%s] %s  %s left%s%s", title, bar, rate,
             eta, *text ? "  " : "", text);
    line[(size_t)columns() - 1 < sizeof line ? (size_t)columns() - 1
                                             : sizeof line - 1] = 0;
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    g->shown = true;
}

void rnn_progress_clear(RnnProgress *g)
{
    if (g->shown)
        fprintf(stderr, "\r\033[K");
    g->shown = false;
}
