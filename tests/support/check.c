/*
 * check.c -- see check.h.
 */
#include "support/check.h"

#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- assertions ---- */

_Noreturn static void report(const char *file, int line, const char *why,
                             const char *what, va_list ap)
{
    char name[400];

    vsnprintf(name, sizeof name, what, ap);
    print_error("%s: %s\n", name, why);
    _fail(file, line);
    abort(); // _fail does not come back
}

void check_close(const char *file, int line, double got, double want, Tol tol,
                 const char *what, ...)
{
    char why[200];
    va_list ap;

    if (is_close(got, want, tol))
        return;
    snprintf(why, sizeof why, "%.17g is not close to %.17g (abs %g, rel %g)",
             got, want, tol.abs, tol.rel);
    va_start(ap, what);
    report(file, line, why, what, ap);
}

void check_tensors(const char *file, int line, const Tensor *got,
                   const Tensor *want, Tol tol, const char *what, ...)
{
    int64_t n = want->batch * shape_size(want->type.shape);
    char why[200];
    va_list ap;

    va_start(ap, what);
    if (!type_eq(got->type, want->type) || got->batch != want->batch) {
        Arena *a = arena_new();
        snprintf(why, sizeof why, "%s of %lld examples, not %s of %lld",
                 type_text(a, got->type), (long long)got->batch,
                 type_text(a, want->type), (long long)want->batch);
        arena_free(a);
        report(file, line, why, what, ap);
    }
    for (int64_t k = 0; k < n; k++) {
        if (is_close(got->at[k], want->at[k], tol))
            continue;
        snprintf(why, sizeof why,
                 "element %lld is %.17g, not close to %.17g (abs %g, rel %g)",
                 (long long)k, got->at[k], want->at[k], tol.abs, tol.rel);
        report(file, line, why, what, ap);
    }
    va_end(ap);
}

void check_text(const char *file, int line, const char *got, const char *want)
{
    if (!strcmp(got, want))
        return;
    print_error("got:\n%s\nwanted:\n%s\n", got, want);
    _fail(file, line);
}

/* ---- random inputs ---- */

uint64_t dice_bits(Dice *d) // splitmix64
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double dice_real(Dice *d, double lo, double hi)
{
    return lo + (hi - lo) * (double)(dice_bits(d) >> 11) * 0x1p-53;
}

int64_t dice_int(Dice *d, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(dice_bits(d) % (uint64_t)(hi - lo + 1));
}

/* Points of a grid of more than n steps, each moved by less than a fifth of
 * a step, in a random order. */
static void fill_apart(Dice *d, double *x, int64_t n, double lo, double hi)
{
    double step = (hi - lo) / (double)(n + 1);

    for (int64_t k = 0; k < n; k++)
        x[k] = lo + step * ((double)k + 1 + dice_real(d, -0.2, 0.2));
    for (int64_t k = n - 1; k > 0; k--) {
        int64_t j = dice_int(d, 0, k);
        double t = x[k];
        x[k] = x[j];
        x[j] = t;
    }
}

static double draw(Dice *d, DType dt, Domain domain)
{
    double x;

    if (dt == DT_bool)
        return (double)dice_int(d, 0, 1);
    do
        x = dice_real(d, domain.lo, domain.hi);
    while (domain.kind == DOM_AWAY && fabs(x - domain.away) < 0.05);
    return dt == DT_i32 ? rint(x) : x;
}

Tensor dice_tensor(Arena *a, Dice *d, Type type, int64_t batch, Domain domain)
{
    Tensor t = {.type = type, .batch = type.batched ? batch : 1};
    int64_t n = t.batch * shape_size(type.shape);

    if (domain.kind == DOM_NONE)
        domain = (Domain){DOM_IN, -4, 4, 0};
    t.at = NEW_N(a, double, n);
    if (domain.kind == DOM_APART && dtype_real(type.dt))
        fill_apart(d, t.at, n, domain.lo, domain.hi);
    else
        for (int64_t k = 0; k < n; k++)
            t.at[k] = draw(d, type.dt, domain);
    if (type.dt == DT_f32)
        for (int64_t k = 0; k < n; k++)
            t.at[k] = (float)t.at[k];
    return t;
}

/* ---- text and files ---- */

char *text_of(Arena *a, void (*write)(FILE *out, const void *what),
              const void *what)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    write(out, what);
    fclose(out);
    char *copy = arena_copy(a, text, n + 1);
    free(text);
    return copy;
}

static void print_func(FILE *out, const void *what)
{
    ir_print(out, what);
}

char *text_of_func(Arena *a, const Func *f)
{
    return text_of(a, print_func, f);
}

char *temp_folder(Arena *a)
{
    const char *base = getenv("TMPDIR");
    char *path = arena_printf(a, "%s/rnn-test-XXXXXX", base ? base : "/tmp");

    assert_non_null(mkdtemp(path));
    return path;
}

static int unlink_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void temp_gone(const char *folder)
{
    nftw(folder, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

void temp_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* ---- errors ---- */

typedef struct Error {
    const char *kind;
    DType dt;
    int n; // results
    double most;
} Error;
static Error error[32];

static Error *error_of(const char *kind, DType dt)
{
    for (size_t i = 0; i < ARRAY_LEN(error); i++) {
        Error *e = &error[i];

        if (!e->kind)
            *e = (Error){.kind = kind, .dt = dt};
        if (!strcmp(e->kind, kind) && e->dt == dt)
            return e;
    }
    fail_msg("more kinds of errors than there is room for");
    return NULL;
}

void errors_note(const char *kind, const Tensor *got, const Tensor *want)
{
    int64_t n = want->batch * shape_size(want->type.shape);
    double most = 0, squares = 0;
    Error *e;

    if (!dtype_real(want->type.dt))
        return;
    for (int64_t k = 0; k < n; k++)
        if (isfinite(want->at[k]) && isfinite(got->at[k])) {
            most = fmax(most, fabs(got->at[k] - want->at[k]));
            squares += want->at[k] * want->at[k];
        }
    if (squares == 0)
        return;
    e = error_of(kind, want->type.dt);
    e->n++;
    e->most = fmax(e->most, most / sqrt(squares / (double)n));
}

void errors_print(void)
{
    for (size_t i = 0; i < ARRAY_LEN(error) && error[i].kind; i++)
        printf("%-14s %s error/rms: at most %.1e in %d results\n",
               error[i].kind, dtype_name[error[i].dt], error[i].most,
               error[i].n);
}
