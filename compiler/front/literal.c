/*
 * literal.c -- what the scanner's actions do: places, numbers, strings, and
 * words of other languages.
 *
 * A mistake here is reported at once and read as what was likely meant, so
 * that the parser need not stumble over it a second time.
 */
#include "front/parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void scan_begin(Parse *ps, Token *t, size_t bytes)
{
    *t = (Token){0};
    t->span = (Span){ps->src, ps->pos, ps->pos + (uint32_t)bytes};
    t->first = ps->new_line;
    ps->pos += (uint32_t)bytes;
}

void scan_line(Parse *ps)
{
    ps->new_line = true;
}

/* A byte order mark is welcome at the start only. */
void scan_mark(Parse *ps, const Token *t)
{
    if (t->span.lo > 0)
        scan_stray(ps, t);
}

/* --- numbers ------------------------------------------------------------- */

void scan_int(Parse *ps, Token *t, const char *text)
{
    t->ast = ast_new(ps->a, AST_int_, t->span, intern(text), 0);
    errno = 0;
    t->ast->inum = strtoll(text, NULL, 10);
    t->ast->num = (double)t->ast->inum;
    if (errno == ERANGE) {
        diag_error(ps->d, t->span, "integer is larger than 2^63 - 1");
        diag_help(ps->d, "a real number is written with a point or an "
                         "exponent, as in 1e20");
    }
}

void scan_real(Parse *ps, Token *t, const char *text)
{
    t->ast = ast_new(ps->a, AST_real_, t->span, intern(text), 0);
    t->ast->num = strtod(text, NULL);
    if (isinf(t->ast->num)) {
        diag_error(ps->d, t->span, "number is larger than any real can be");
        t->ast->num = 0;
    }
}

void scan_bad_number(Parse *ps, Token *t, const char *text)
{
    diag_error(ps->d, t->span, "\"%.40s\" is neither a number nor a name",
               text);
    scan_int(ps, t, "0");
}

void scan_bare_fraction(Parse *ps, Token *t, const char *text)
{
    diag_error(ps->d, t->span, "a number cannot start with its point");
    diag_help(ps->d, "write 0%.40s", text);
    scan_real(ps, t, text);
}

/* --- strings ------------------------------------------------------------- */

/* The bytes between the quotes with their escapes resolved. */
static const char *unescape(Parse *ps, const Token *t, const char *from,
                            size_t n)
{
    static const char escape[] = "n\nt\t\"\"\\\\''";
    char *to = arena_alloc(ps->a, n + 1);
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)from[i];
        const char *e = NULL;

        if (c == 0 || (c < 0x20 && c != '\t')) {
            diag_error(ps->d, t->span,
                       "string contains a control character (byte 0x%02x)", c);
            continue;
        }
        if (c == '\\' && i + 1 < n) {
            c = (unsigned char)from[++i];
            for (e = escape; *e && (unsigned char)*e != c; e += 2)
                ;
            if (!*e) {
                diag_error(ps->d, t->span,
                           "unknown escape in a string: a backslash stands "
                           "before n, t, \" or \\ only");
                continue;
            }
            c = (unsigned char)e[1];
        }
        to[used++] = (char)c;
    }
    return intern_n(to, used);
}

static void make_string(Parse *ps, Token *t, const char *from, size_t n)
{
    t->ast = ast_new(ps->a, AST_string, t->span, unescape(ps, t, from, n), 0);
}

void scan_string(Parse *ps, Token *t, const char *text, size_t n)
{
    make_string(ps, t, text + 1, n - 2);
}

void scan_open_string(Parse *ps, Token *t, const char *text, size_t n)
{
    Span open = {ps->src, t->span.lo, t->span.lo + 1};

    diag_error(ps->d, open, "string is not closed on its line");
    while (n > 1 && (text[n - 1] == '\\' || text[n - 1] == '\r'))
        n--;
    make_string(ps, t, text + 1, n - 1);
}

void scan_quoted(Parse *ps, Token *t, const char *text, size_t n)
{
    diag_error(ps->d, t->span, "strings stand in double quotes");
    make_string(ps, t, text + 1, n - 2);
}

/* --- words of other languages -------------------------------------------- */

void scan_update(Parse *ps, const Token *t, const char *op)
{
    diag_error(ps->d, t->span, "there is no \"%s\"", op);
    if (*op == ':')
        diag_help(ps->d, "a name gets a value by \"=\"");
    else
        diag_help(ps->d, "write the operation out: x = x %c ...", *op);
}

void scan_foreign(Parse *ps, Token *t, const char *theirs, const char *ours)
{
    diag_error(ps->d, t->span, "there is no \"%s\"", theirs);
    diag_help(ps->d, "it is written \"%s\"", ours);
    t->text = intern(ours);
}

static bool is_one_of(const char *list, const char *bytes, size_t n)
{
    for (; *list; list += strlen(list) + 1)
        if (strlen(list) == n && memcmp(list, bytes, n) == 0)
            return true;
    return false;
}

void scan_stray(Parse *ps, const Token *t)
{
    static const char quotes[] = "\u201c\0\u201d\0\u201e\0\u2018\0\u2019\0"
                                 "\u00ab\0\u00bb\0'\0\"\0";
    static const char minuses[] = "\u2212\0\u2013\0\u2014\0";
    static const char spaces[] = "\u00a0\0\u2009\0\u202f\0\u200b\0\ufeff\0";
    const char *at = ps->src->text + t->span.lo;
    size_t n = t->span.hi - t->span.lo;
    unsigned char c = (unsigned char)*at;

    if (n == 1 && (c < 0x20 || c >= 0x7f)) {
        diag_error(ps->d, t->span, "stray byte 0x%02x", c);
        return;
    }
    if (is_one_of(spaces, at, n)) {
        diag_error(ps->d, t->span, "this space is not a plain space");
        return;
    }
    diag_error(ps->d, t->span, "stray character \"%.*s\"", (int)n, at);
    if (is_one_of(quotes, at, n))
        diag_help(ps->d, "strings stand in plain double quotes");
    else if (is_one_of(minuses, at, n))
        diag_help(ps->d, "the minus sign is the plain \"-\"");
    else if (c == '?')
        diag_help(ps->d, "a choice is written \"if c then a else b\"");
    else if (c == '\\')
        diag_help(ps->d, "lines need no mark to go on: a statement ends where "
                         "the next one begins");
}
