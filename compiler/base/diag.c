/*
 * diag.c -- what the compiler says about a program: collected, sorted by
 * place, printed once.
 *
 * A Message is an error or a warning with the notes and helps that follow it.
 * An identical error at the same place is dropped, its notes with it; so is a
 * warning that `# allow NAME` or diag_silence switched off.
 */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

enum { PRINT_MAX = 20, KEEP_MAX = 1000, NAME_MAX_BYTES = 64 };

typedef enum { SAY_ERROR, SAY_WARNING, SAY_NOTE, SAY_HELP } SayKind;

typedef struct Say { // one line with its place
    SayKind kind;
    Span at;
    const char *text;
} Say;

typedef struct Message {
    Say say;
    const char *name; // of a warning
    int source;       // order in which its text was first mentioned
    int number;       // order of arrival
    VEC(Say) more;
} Message;

struct Diag {
    Arena *a;
    VEC(Message *) list;
    VEC(const Source *) source;
    VEC(const char *) silent;
    Message *last; // what a note belongs to; NULL: a dropped one
    int nerrors, nwarnings;
    int nprinted; // errors printed or counted away by diag_flush
    bool mute;
};

Diag *diag_new(Arena *unit)
{
    Diag *d = NEW(unit, Diag);

    d->a = unit;
    return d;
}

static int source_number(Diag *d, const Source *s)
{
    for (int i = 0; i < d->source.n; i++)
        if (d->source.at[i] == s)
            return i;
    VEC_PUSH(d->a, &d->source, s);
    return d->source.n - 1;
}

static bool is_same(const Say *a, const Say *b)
{
    return a->kind == b->kind && a->at.src == b->at.src &&
           a->at.lo == b->at.lo && a->at.hi == b->at.hi &&
           strcmp(a->text, b->text) == 0;
}

static void add(Diag *d, Say say, const char *name)
{
    d->last = NULL;
    for (int i = 0; i < d->list.n; i++)
        if (is_same(&d->list.at[i]->say, &say))
            return;
    if (say.kind == SAY_ERROR)
        d->nerrors++;
    else
        d->nwarnings++;
    if (d->list.n == KEEP_MAX)
        return;
    Message *m = NEW(d->a, Message);
    m->say = say;
    m->name = name;
    m->source = source_number(d, say.at.src);
    m->number = d->list.n;
    VEC_PUSH(d->a, &d->list, m);
    d->last = m;
}

void diag_error(Diag *d, Span at, const char *fmt, ...)
{
    va_list ap;

    d->last = NULL;
    if (d->mute)
        return;
    va_start(ap, fmt);
    add(d, (Say){SAY_ERROR, at, arena_vprintf(d->a, fmt, ap)}, NULL);
    va_end(ap);
}

/* --- silencing ----------------------------------------------------------- */

/* Does the text of a comment say `allow ..., name, ...`? */
static bool comment_allows(const char *s, const char *end, const char *name)
{
    static const char word[] = "allow";
    size_t n = strlen(name);

    while (s < end && (*s == '#' || *s == ' ' || *s == '\t'))
        s++;
    if ((size_t)(end - s) < sizeof word || memcmp(s, word, sizeof word - 1))
        return false;
    for (s += sizeof word - 1; s < end;) {
        const char *from = s += strspn(s, " \t,");

        s += strcspn(s, " \t,\r\n");
        if (s > end)
            s = end;
        if (s == from)
            return false;
        if ((size_t)(s - from) == n && memcmp(from, name, n) == 0)
            return true;
    }
    return false;
}

/* `whole`: only if nothing but the comment stands on the line. */
static bool line_allows(const Source *s, uint32_t line, bool whole,
                        const char *name)
{
    const char *from = s->text + s->line[line - 1];
    const char *end = s->text + s->line[line];

    for (const char *c = from; c < end; c++) {
        if (*c == '#')
            return comment_allows(c, end, name);
        if (whole && *c != ' ' && *c != '\t')
            return false;
    }
    return false;
}

static bool is_allowed(const Diag *d, Span at, const char *name)
{
    uint32_t line, col;

    for (int i = 0; i < d->silent.n; i++)
        if (strcmp(d->silent.at[i], name) == 0)
            return true;
    if (!at.src)
        return false;
    source_place(at, &line, &col);
    return line_allows(at.src, line, false, name) ||
           (line > 1 && line_allows(at.src, line - 1, true, name));
}

void diag_silence(Diag *d, const char *name)
{
    VEC_PUSH(d->a, &d->silent, name);
}

void diag_warn(Diag *d, Span at, const char *name, const char *fmt, ...)
{
    va_list ap;

    d->last = NULL;
    if (d->mute || is_allowed(d, at, name))
        return;
    va_start(ap, fmt);
    add(d, (Say){SAY_WARNING, at, arena_vprintf(d->a, fmt, ap)}, name);
    va_end(ap);
}

void diag_note(Diag *d, Span at, const char *fmt, ...)
{
    va_list ap;

    if (d->mute || !d->last)
        return;
    va_start(ap, fmt);
    Say say = {SAY_NOTE, at, arena_vprintf(d->a, fmt, ap)};
    VEC_PUSH(d->a, &d->last->more, say);
    va_end(ap);
}

void diag_help(Diag *d, const char *fmt, ...)
{
    va_list ap;

    if (d->mute || !d->last)
        return;
    va_start(ap, fmt);
    Say say = {SAY_HELP, {0}, arena_vprintf(d->a, fmt, ap)};
    VEC_PUSH(d->a, &d->last->more, say);
    va_end(ap);
}

int diag_nerrors(const Diag *d)
{
    return d->nerrors;
}

int diag_nwarnings(const Diag *d)
{
    return d->nwarnings;
}

bool diag_mute(Diag *d, bool on)
{
    bool old = d->mute;

    d->mute = on;
    return old;
}

/* --- printing ------------------------------------------------------------ */

enum { EXCERPT_BEFORE = 100, EXCERPT_MAX = 160 };

static const char *const kind_name[] = {"error", "warning", "note", "help"};
static const char *const kind_colour[] = {"\033[1;31m", "\033[1;35m",
                                          "\033[1;36m", "\033[1;32m"};

/* Bytes of the program, but nothing a terminal would obey. */
static void put_clean(FILE *out, const char *s, const char *end)
{
    for (; s < end; s++)
        fputc((unsigned char)*s < 0x20 && *s != '\t' ? '?' : *s, out);
}

static void put_text(FILE *out, const char *s)
{
    for (; *s; s++)
        fputc((unsigned char)*s < 0x20 ? ' ' : *s, out);
}

static bool is_middle(char c) // of a UTF-8 sequence
{
    return (c & 0xc0) == 0x80;
}

/*
 * The first line of a span with the span underlined. Tabs are echoed as tabs
 * so that the caret stands under the text in any tab width. Of a very long
 * line only the part around the span is shown.
 */
static void show_span(FILE *out, Span at, uint32_t line, const char *colour)
{
    const char *text = at.src->text;
    const char *bol = text + at.src->line[line - 1];
    const char *eol = text + at.src->line[line];
    const char *lo = text + at.lo, *hi = text + at.hi;

    while (eol > bol && (eol[-1] == '\n' || eol[-1] == '\r'))
        eol--;
    if (lo > eol)
        lo = eol;
    if (lo - bol > EXCERPT_BEFORE)
        for (bol = lo - EXCERPT_BEFORE; is_middle(*bol); bol++)
            ;
    if (eol - bol > EXCERPT_MAX)
        for (eol = bol + EXCERPT_MAX; is_middle(*eol); eol--)
            ;
    if (hi > eol)
        hi = eol;
    fprintf(out, "%5u | ", line);
    put_clean(out, bol, eol);
    fputs("\n      | ", out);
    for (const char *c = bol; c < lo; c++)
        if (!is_middle(*c))
            fputc(*c == '\t' ? '\t' : ' ', out);
    fprintf(out, "%s^", colour);
    for (const char *c = lo + 1; c < hi; c++)
        if (!is_middle(*c))
            fputc('~', out);
    fprintf(out, "%s\n", *colour ? "\033[0m" : "");
}

static void show(FILE *out, const Say *say, const char *name, bool colour)
{
    uint32_t line = 0, col = 0;
    const char *on = colour ? kind_colour[say->kind] : "";
    const char *bold = colour ? "\033[1m" : "", *off = colour ? "\033[0m" : "";

    if (say->at.src) {
        source_place(say->at, &line, &col);
        fprintf(out, "%s%s:%u:%u:%s ", bold, say->at.src->name, line, col,
                off);
    } else if (say->kind == SAY_ERROR || say->kind == SAY_WARNING) {
        fprintf(out, "%srnnc:%s ", bold, off);
    } else {
        fputs("      ", out);
    }
    fprintf(out, "%s%s:%s ", on, kind_name[say->kind], off);
    put_text(out, say->text);
    if (name)
        fprintf(out, " [%s]", name);
    fputc('\n', out);
    if (say->at.src)
        show_span(out, say->at, line, on);
}

static void show_more(FILE *out, const Message *m, SayKind kind, bool colour)
{
    for (int i = 0; i < m->more.n; i++)
        if (m->more.at[i].kind == kind)
            show(out, &m->more.at[i], NULL, colour);
}

static int by_place(const void *pa, const void *pb)
{
    const Message *a = *(Message *const *)pa, *b = *(Message *const *)pb;

    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    if (a->say.at.lo != b->say.at.lo)
        return a->say.at.lo < b->say.at.lo ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

void diag_flush(Diag *d, FILE *out, bool colour)
{
    int nleft = d->nerrors - d->nprinted; // of this flush

    if (d->list.n)
        qsort(d->list.at, (size_t)d->list.n, sizeof *d->list.at, by_place);
    for (int i = 0; i < d->list.n; i++) {
        const Message *m = d->list.at[i];

        if (m->say.kind == SAY_ERROR) {
            if (d->nprinted >= PRINT_MAX)
                continue;
            d->nprinted++;
            nleft--;
        }
        show(out, &m->say, m->name, colour);
        show_more(out, m, SAY_NOTE, colour);
        show_more(out, m, SAY_HELP, colour);
    }
    if (nleft > 0)
        fprintf(out, "%d more error%s\n", nleft, nleft == 1 ? "" : "s");
    d->nprinted = d->nerrors;
    d->list.n = 0;
    d->last = NULL;
    fflush(out);
}

/* --- did you mean -------------------------------------------------------- */

/* Edits (insert, delete, replace, swap of neighbours) from a to b. */
static int distance(const char *a, int na, const char *b, int nb)
{
    int row[3][NAME_MAX_BYTES + 1];

    for (int j = 0; j <= nb; j++)
        row[0][j] = j;
    for (int i = 1; i <= na; i++) {
        int *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

        now[0] = i;
        for (int j = 1; j <= nb; j++) {
            int best = up[j - 1] + (a[i - 1] != b[j - 1]);

            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[na % 3][nb];
}

const char *diag_closest(const char *name, const char *const *cand, int n)
{
    size_t length = strlen(name);
    const char *best = NULL;

    if (length == 0 || length > NAME_MAX_BYTES)
        return NULL;
    int limit = length <= 2 ? 1 : length <= 5 ? 2 : 3, nearest = limit + 1;
    for (int i = 0; i < n; i++) {
        size_t nc = cand[i] ? strlen(cand[i]) : 0;

        if (nc == 0 || nc > NAME_MAX_BYTES || strcmp(cand[i], name) == 0)
            continue;
        int edits = distance(name, (int)length, cand[i], (int)nc);
        // More than half of the name changed is another name.
        if (edits < nearest && 2 * edits <= (int)(length > nc ? length : nc)) {
            nearest = edits;
            best = cand[i];
        }
    }
    return best;
}

/* --- the end ------------------------------------------------------------- */

void fatal_surroundings(const char *fmt, ...)
{
    va_list ap;

    fputs("rnnc: error: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

void internal_error_at(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "rnnc: internal error at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\nThis is a mistake in rnnc, not in your program. Please report it "
          "with the program\nand the command line.\n", stderr);
    exit(70);
}
