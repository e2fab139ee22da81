/*
 * dump.c -- what the compiler shows of itself.
 */
#include "driver/dump.h"

#include <string.h>

#include "autodiff/autodiff.h"

static bool is_wanted(const Job *job, const Entry *e)
{
    return !job->o->entry || strcmp(job->o->entry, e->name) == 0;
}

bool dump_has_entry(const Job *job)
{
    const Unit *u = job->unit;
    const char **name = NEW_N(job->a, const char *, u->entry.n + 1);

    for (int i = 0; i < u->entry.n; i++) {
        if (is_wanted(job, &u->entry.at[i]))
            return true;
        name[i] = u->entry.at[i].name;
    }
    if (!job->o->entry)
        return true;
    fprintf(stderr, "rnnc: error: the program has no entry \"%s\" (it has",
            job->o->entry);
    for (int i = 0; i < u->entry.n; i++)
        fprintf(stderr, "%s %s", i ? "," : "", name[i]);
    fputs(")\n", stderr);
    const char *near = diag_closest(job->o->entry, name, u->entry.n);
    if (near)
        fprintf(stderr, "      help: did you mean \"%s\"?\n", near);
    return false;
}

void dump_stage(Job *job)
{
    Stage stage = job->o->stage;
    bool first = true;

    if (stage == STAGE_llvm || stage == STAGE_llvm_opt) {
        fputs(codegen_llvm_text(job->module, stage == STAGE_llvm_opt), stdout);
    } else if (stage == STAGE_asm) {
        codegen_asm(job->module, job->target, stdout);
    } else if (stage == STAGE_loop) {
        for (int i = 0; i < job->nprogram; i++) {
            fputs(i ? "\n" : "", stdout);
            loop_print(stdout, job->program[i]);
        }
    } else {
        for (int i = 0; i < job->unit->entry.n; i++) {
            const Entry *e = &job->unit->entry.at[i];

            if (!is_wanted(job, e))
                continue;
            fputs(first ? "" : "\n", stdout);
            ir_print(stdout, &e->func);
            first = false;
        }
    }
}

/* --- textual IR ---------------------------------------------------------- */

bool dump_is_ir(const char *path)
{
    size_t n = strlen(path);

    return n > 3 && strcmp(path + n - 3, ".ir") == 0;
}

int dump_ir_file(Job *job)
{
    Stage stage = job->o->stage;
    PassOptions opt = {.fast_math = !job->o->exact && job->o->opt_level > 0,
                       .winograd = !job->o->exact && !job->o->no_winograd};
    char err[512];

    if (stage != STAGE_ir && stage != STAGE_grad && stage != STAGE_opt) {
        fputs("rnnc: error: a file of IR has the stages ir, grad and opt\n",
              stderr);
        return 2;
    }
    const Source *src = source_read(job->a, job->o->file, err, sizeof err);
    if (!src) {
        fprintf(stderr, "rnnc: error: could not read \"%s\": %s\n",
                job->o->file, err);
        return 2;
    }
    Func *f = ir_read(job->a, src->text, err, sizeof err);
    if (!f || !ir_verify(f, true, err, sizeof err)) {
        fprintf(stderr, "%s:%s\n", src->name, err);
        return 1;
    }
    if (stage >= STAGE_grad && !ad_expand(f, job->d)) {
        diag_flush(job->d, stderr, job->o->colour);
        return 1;
    }
    if (stage >= STAGE_opt)
        passes_run(f, &opt, NULL, NULL);
    ir_print(stdout, f);
    return 0;
}

/* --- tables -------------------------------------------------------------- */

void dump_list_ops(FILE *out)
{
    static const char *const grad[] = {[GRAD_OWN] = "derivative",
                                       [GRAD_ZERO] = "flat",
                                       [GRAD_NONE] = "none"};

    for (int i = 0; i < OP_COUNT; i++) {
        const OpInfo *op = &op_info[i];
        char arity[16] = "any";

        if (op->arity >= 0)
            snprintf(arity, sizeof arity, "%d", op->arity);
        fprintf(out, "%-14s %-3s  %-10s  %s\n", op->name, arity,
                grad[op->grad], op->doc);
    }
}

void dump_list_passes(FILE *out)
{
    for (const PassInfo *p = pass_info; p->name; p++)
        fprintf(out, "%-16s %s\n", p->name, p->doc);
}
