/*
 * Parse and check any bytes: no input may crash the front end, hang it or
 * make it take memory without bound. Built and run by tests/fuzz/run.
 *
 * A program with syntax errors is not elaborated, as in the driver. So half of
 * the mutations keep to whole words (replace one by another of its kind, drop
 * one, repeat or drop a line): many of their results are still programs.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "autodiff/autodiff.h"
#include "sema/sema.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t max,
                               unsigned seed);

static void check(Arena *unit, Diag *d, const Ast *tree, const Source *src)
{
    SemaOptions opt = {.real = DT_f32, .check_entries = true,
                       .memory_mib = 400}; // run's limit counts ASan's too
    Unit *u = sema_build(unit, d, tree, src, &opt);

    if (diag_nerrors(d))
        return;
    for (int i = 0; i < u->entry.n; i++)
        ad_expand(&u->entry.at[i].func, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char err[200];

    if (!source_is_text((const char *)bytes, n, err, sizeof err))
        return -1; // refused by source_read; not worth keeping
    Arena *unit = arena_new();
    Diag *d = diag_new(unit);
    const Source *src =
        source_text(unit, "fuzz.rnn", (const char *)bytes, n);
    const Ast *tree = front_parse(unit, src, d);
    FILE *nowhere = fopen("/dev/null", "w");

    if (diag_nerrors(d) == 0)
        check(unit, d, tree, src);
    ast_print(nowhere, tree);
    diag_flush(d, nowhere, true);
    fclose(nowhere);
    arena_free(unit);
    return 0;
}

/* --- mutation by words --------------------------------------------------- */

enum { WORDS_MAX = 2048 };

typedef struct Word {
    size_t at, n;
    char kind; // a name, 0 number, " string, \n line break, else itself
} Word;

static size_t find_words(const uint8_t *s, size_t n, Word *w)
{
    size_t count = 0;

    for (size_t i = 0; i < n && count < WORDS_MAX;) {
        size_t from = i++;
        char c = (char)s[from];

        if (c == ' ')
            continue;
        if (c == '#') {
            while (i < n && s[i] != '\n')
                i++;
            continue;
        }
        if (isalpha(s[from]) || c == '_')
            for (c = 'a'; i < n && (isalnum(s[i]) || s[i] == '_');)
                i++;
        else if (isdigit(s[from]))
            for (c = '0'; i < n && (isalnum(s[i]) || s[i] == '.');)
                i++;
        else if (c == '"') {
            while (i < n && s[i] != '"' && s[i] != '\n')
                i++;
            i += i < n;
        }
        w[count++] = (Word){from, i - from, c};
    }
    return count;
}

/* Puts m bytes where s has `old` at `at`; the new size, n if too large. */
static size_t splice(uint8_t *s, size_t n, size_t max, size_t at, size_t old,
                     const void *bytes, size_t m)
{
    uint8_t copy[256];

    if (m > sizeof copy || n - old + m > max)
        return n;
    memcpy(copy, bytes, m); // it may lie in s
    memmove(s + at + m, s + at + old, n - at - old);
    memcpy(s + at, copy, m);
    return n - old + m;
}

static size_t mutate_words(uint8_t *s, size_t n, size_t max)
{
    static const char *const number[] = {"0", "1", "2", "3", "7", "1000000",
                                         "0.5", "1e30", "9223372036854775807"};
    static const char mark[] = "()[]{},:=+-*/%@<>.";
    static Word w[WORDS_MAX];
    size_t count = find_words(s, n, w);

    if (count == 0)
        return n;
    Word a = w[(size_t)rand() % count], b = w[(size_t)rand() % count];
    switch (rand() % 6) {
    case 0: // another word of the same kind
    case 1:
        for (int tries = 0; tries < 64 && a.kind != b.kind; tries++)
            b = w[(size_t)rand() % count];
        return splice(s, n, max, a.at, a.n, s + b.at, b.n);
    case 2:
        return splice(s, n, max, a.at, a.n, "", 0);
    case 3: { // another number, or another mark
        const char *to = number[(size_t)rand() % ARRAY_LEN(number)];

        if (a.kind == '0')
            return splice(s, n, max, a.at, a.n, to, strlen(to));
        if (ispunct(a.kind) && a.kind != '"')
            return splice(s, n, max, a.at, a.n,
                          mark + (size_t)rand() % (sizeof mark - 1), 1);
        return splice(s, n, max, a.at, 0, s + b.at, b.n);
    }
    default: { // drop a line, or repeat it somewhere else
        size_t lo = a.at, hi = a.at;

        while (lo > 0 && s[lo - 1] != '\n')
            lo--;
        while (hi < n && s[hi++] != '\n')
            ;
        if (rand() % 2)
            return splice(s, n, max, lo, hi - lo, "", 0);
        for (b.at = b.at < n ? b.at : 0; b.at > 0 && s[b.at - 1] != '\n';)
            b.at--;
        return splice(s, n, max, b.at, 0, s + lo, hi - lo);
    }
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t max,
                               unsigned seed)
{
    srand(seed);
    if (seed % 2)
        return LLVMFuzzerMutate(bytes, n, max);
    for (int times = 1 + rand() % 3; times > 0; times--)
        n = mutate_words(bytes, n, max);
    return n;
}
