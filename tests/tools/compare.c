/*
 * compare -- do two array files hold the same numbers?
 *
 *     compare FILE EXPECTED [--rel TOL] [--exact] [--only NAME[=NAME_IN_EXPECTED]]...
 *
 * Every array of EXPECTED (or the named ones) must be in FILE with the same
 * shape. The error of an array is max |a - b| / max |b|; --exact asks for the
 * same bits. Prints a line per array; exit 1 if any is off.
 */
#include "rt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double element(const RnnArray *a, int64_t i)
{
    switch (a->type.dt) {
    case RNN_F32:
        return ((const float *)a->at)[i];
    case RNN_F64:
        return ((const double *)a->at)[i];
    case RNN_I32:
        return ((const int32_t *)a->at)[i];
    default:
        return ((const unsigned char *)a->at)[i];
    }
}

static bool same(const RnnArray *a, const RnnArray *b, const char *name,
                 double tol, bool exact)
{
    int64_t n = rnn_type_count(&b->type);
    double worst = 0, scale = 0;

    if (n != rnn_type_count(&a->type)) {
        printf("%-28s sizes differ\n", name);
        return false;
    }
    if (exact) {
        bool ok = a->type.dt == b->type.dt &&
                  !memcmp(a->at, b->at, (size_t)n * rnn_dtype_bytes(a->type.dt));
        printf("%-28s %s\n", name, ok ? "same bits" : "bits differ");
        return ok;
    }
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(element(a, i) - element(b, i));
        worst = d > worst || isnan(d) ? d : worst;
        scale = fmax(scale, fabs(element(b, i)));
    }
    double rel = scale > 0 ? worst / scale : worst;
    bool ok = rel <= tol;
    printf("%-28s %lld values, error %.2e of %.3g%s\n", name, (long long)n, rel,
           scale, ok ? "" : "  TOO LARGE");
    return ok;
}

static RnnArrays load(const char *path)
{
    RnnArrays a = {0};
    RnnError err = {{0}};

    if (rnn_arrays_read(path, &a, &err) != RNN_OK) {
        fprintf(stderr, "compare: %s\n", err.text);
        exit(2);
    }
    return a;
}

static bool same_named(const RnnArrays *a, const RnnArrays *b,
                       const char *name_a, const char *name_b, double tol,
                       bool exact)
{
    const RnnArray *x = rnn_arrays_find(a, name_a);
    const RnnArray *y = rnn_arrays_find(b, name_b);

    if (!x || !y) {
        printf("%-28s missing\n", x ? name_b : name_a);
        return false;
    }
    return same(x, y, name_a, tol, exact);
}

int main(int argc, char **argv)
{
    double tol = 0;
    bool exact = false, ok = true, only = false;

    if (argc < 3) {
        fprintf(stderr, "usage: compare FILE EXPECTED [--rel TOL] [--exact] "
                        "[--only NAME[=NAME]]...\n");
        return 2;
    }
    RnnArrays a = load(argv[1]), b = load(argv[2]);
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "--exact"))
            exact = true;
        else if (!strcmp(argv[i], "--rel") && i + 1 < argc)
            tol = strtod(argv[++i], NULL);
    }
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--only") || i + 1 >= argc)
            continue;
        char *name = argv[++i], *other = strchr(name, '=');
        only = true;
        if (other)
            *other++ = 0;
        ok &= same_named(&a, &b, name, other ? other : name, tol, exact);
    }
    for (int i = 0; !only && i < b.n; i++)
        ok &= same_named(&a, &b, b.array[i].name, b.array[i].name, tol, exact);
    rnn_arrays_free(&a);
    rnn_arrays_free(&b);
    return ok ? 0 : 1;
}
