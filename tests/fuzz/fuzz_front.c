/*
 * Parse and check any bytes: no input may crash the front end, hang it or
 * make it take memory without bound. Built and run by tests/fuzz/run.
 *
 * A program with syntax errors is not elaborated, as in the driver.
 */
#include <stdint.h>
#include <string.h>

#include "autodiff/autodiff.h"
#include "sema/sema.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(Arena *unit, Diag *d, const Ast *tree, const Source *src)
{
    SemaOptions opt = {.real = DT_f32, .check_entries = true};
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
