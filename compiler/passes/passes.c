/*
 * passes.c -- runs the rows of passes.def, and verifies after each.
 */
#include "passes/rewrite.h"

const PassInfo pass_info[] = {
#define PASS(name, fn, doc) {#name, doc, pass_##fn},
#include "passes/passes.def"
#undef PASS
    {NULL, NULL, NULL}};

void passes_run(Func *f, const PassOptions *opt,
                void (*after)(void *user, const PassInfo *p, Func *f),
                void *user)
{
    for (const PassInfo *p = pass_info; p->name; p++) {
        char err[2000];

        p->run(f, opt);
        if (!ir_verify(f, false, err, sizeof err))
            internal_error("after pass %s: %s", p->name, err);
        if (after)
            after(user, p, f);
    }
}
