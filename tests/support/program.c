/*
 * program.c -- .rnn texts in tests.
 */
#include "support/program.h"

#include <stdlib.h>
#include <string.h>

#include "autodiff/autodiff.h"
#include "support/check.h"

Program program_build(const char *text, const SemaOptions *opt)
{
    static const SemaOptions usual = {.real = DT_f32};
    Program p = {.a = arena_new(), .text = text};
    char *said = NULL;
    size_t bytes = 0;

    p.d = diag_new(p.a);
    Source *src = source_text(p.a, "test.rnn", text, strlen(text));
    Ast *tree = front_parse(p.a, src, p.d);
    p.unit = sema_build(p.a, p.d, tree, src, opt ? opt : &usual);
    p.nerrors = diag_nerrors(p.d);
    FILE *out = open_memstream(&said, &bytes);
    diag_flush(p.d, out, false);
    fclose(out);
    p.said = arena_copy(p.a, said, bytes + 1);
    free(said);
    return p;
}

void program_free(Program *p)
{
    arena_free(p->a);
}

Program program_ok(const char *text)
{
    Program p = program_build(text, NULL);

    if (p.nerrors)
        fail_msg("not a program:\n%s", p.said);
    return p;
}

void program_says(const char *text, ...)
{
    Program p = program_build(text, NULL);
    const char *piece;
    va_list ap;

    va_start(ap, text);
    if (p.nerrors == 0)
        fail_msg("no error in: %s", text);
    while ((piece = va_arg(ap, const char *)))
        if (strstr(p.said, piece) == NULL)
            fail_msg("\"%s\" is not said of: %s\nbut\n%s", piece, text, p.said);
    va_end(ap);
    program_free(&p);
}

Entry *program_entry(const Program *p, EntryKind kind, const char *name)
{
    for (int k = 0; k < p->unit->entry.n; k++) {
        Entry *e = &p->unit->entry.at[k];
        if (e->kind == kind && (name == NULL || strcmp(e->name, name) == 0))
            return e;
    }
    fail_msg("no entry %d \"%s\"", (int)kind, name ? name : "");
    return NULL;
}

int program_output(const Entry *e, const char *name)
{
    for (int k = 0; k < e->func.nout; k++)
        if (strcmp(e->output[k].name, name) == 0)
            return k;
    fail_msg("the entry \"%s\" has no output \"%s\"", e->name, name);
    return -1;
}

static void feed_input(void *user, Val input, Tensor *t)
{
    const Run *run = user;
    int64_t n = t->batch * shape_size(t->type.shape);

    for (int64_t i = 0; i < n; i++)
        t->at[i] = 0;
    for (int k = 0; k < run->nfeed; k++) {
        if (strcmp(run->feed[k].name, input->attr.s) != 0)
            continue;
        assert_int_equal(run->feed[k].n, n);
        memcpy(t->at, run->feed[k].at, sizeof(double) * (size_t)n);
    }
}

Tensor *program_run(Program *p, Entry *e, const Run *run)
{
    Tensor *out = NEW_N(p->a, Tensor, e->func.nout + 1);
    EvalEnv env = {.batch = run->batch ? run->batch : 1, .seed = run->seed,
                   .input = feed_input, .user = (void *)(uintptr_t)run,
                   .round_f32 = run->round_f32};

    assert_true(ad_expand(&e->func, p->d));
    ir_eval(p->a, &e->func, &env, out);
    return out;
}

double program_row(Program *p, const char *name, const Run *run)
{
    Entry *e = program_entry(p, ENTRY_EVALUATE, NULL);
    static const Run none;

    return program_run(p, e, run ? run : &none)[program_output(e, name)].at[0];
}
