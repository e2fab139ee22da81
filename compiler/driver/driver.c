/*
 * driver.c -- the straight line, and the commands that walk it.
 *
 *   read      text           source_read, front_parse
 *   elaborate Unit           sema_build
 *   grads     Funcs          ad_expand
 *   simplify  Funcs          passes_run
 *   lower     Programs       loop_lower, loop_verify
 *   generate  Module         codegen_unit
 *   write     executable     codegen_objects, link_executable
 *
 * Each step returns the exit status so far, 0 to go on. Mistakes in the
 * program are printed once, after the last step that can find one.
 */
#include "driver/driver.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "autodiff/autodiff.h"
#include "driver/cache.h"
#include "driver/clock.h"
#include "driver/dump.h"
#include "driver/files.h"
#include "driver/job.h"
#include "driver/link.h"

enum { DONE = 0, PROGRAM_FAULT = 1, SURROUNDINGS_FAULT = 2 };

/* --- what is wrong ------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static int surroundings(const char *fmt,
                                                              ...)
{
    va_list ap;

    fputs("rnnc: error: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return SURROUNDINGS_FAULT;
}

/* Prints what was found so far; 1 if there were errors. */
static int settle(Job *job)
{
    diag_flush(job->d, stderr, job->o->colour);
    return diag_nerrors(job->d) ? PROGRAM_FAULT : DONE;
}

/* --- steps --------------------------------------------------------------- */

static int step_read(Job *job)
{
    char err[512];

    clock_start(&job->clock, "parse");
    job->src = source_read(job->a, job->o->file, err, sizeof err);
    if (!job->src)
        return surroundings("could not read \"%s\": %s", job->o->file, err);
    job->tree = front_parse(job->a, job->src, job->d);
    return diag_nerrors(job->d) ? settle(job) : DONE;
}

static int step_elaborate(Job *job)
{
    const Options *o = job->o;
    SemaOptions opt = {
        .real = o->real,
        .ndefine = o->define.n,
        .define = o->define.at,
        .check_entries = o->command == CMD_build || o->command == CMD_run,
    };

    clock_start(&job->clock, "elaborate");
    job->unit = sema_build(job->a, job->d, job->tree, job->src, &opt);
    return diag_nerrors(job->d) ? settle(job) : DONE;
}

static int step_grads(Job *job)
{
    clock_start(&job->clock, "grad");
    for (int i = 0; i < job->unit->entry.n; i++)
        ad_expand(&job->unit->entry.at[i].func, job->d);
    clock_stop(&job->clock);
    return settle(job);
}

static void after_pass(void *user, const PassInfo *p, Func *f)
{
    Job *job = user;

    (void)f;
    clock_mark(&job->clock, p->name);
}

static void step_simplify(Job *job)
{
    PassOptions opt = {
        .fast_math = !job->o->exact && job->o->opt_level > 0,
        .winograd = !job->o->exact && !job->o->no_winograd,
    };

    clock_start(&job->clock, "simplify");
    for (int i = 0; i < job->unit->entry.n; i++)
        passes_run(&job->unit->entry.at[i].func, &opt, after_pass, job);
}

static int step_target(Job *job)
{
    char err[512];

    job->target = target_new(job->a, job->o->cpu, job->o->opt_level, err,
                             sizeof err);
    return job->target ? DONE : surroundings("%s", err);
}

static void step_lower(Job *job)
{
    LoopOptions opt = target_loop_options(job->target);
    char err[1024];

    clock_start(&job->clock, "lower");
    opt.blas = opt.blas && !job->o->no_blas;
    opt.finite = !job->o->exact && job->o->opt_level > 0;
    job->program = NEW_N(job->a, Program *, job->unit->entry.n + 1);
    for (int i = 0; i < job->unit->entry.n; i++) {
        const Entry *e = &job->unit->entry.at[i];

        if (job->o->entry && strcmp(job->o->entry, e->name) != 0)
            continue;
        Program *p = loop_lower(job->a, e, &opt);
        if (!loop_verify(p, err, sizeof err))
            internal_error("entry \"%s\" after lowering: %s", e->name, err);
        job->program[job->nprogram++] = p;
    }
}

static void step_generate(Job *job)
{
    CodegenOptions opt = {.keep_ir = job->o->command == CMD_dump,
                          .verify = true};

    clock_start(&job->clock, "generate");
    job->module = codegen_unit(job->a, job->target, job->unit, job->program,
                               job->nprogram, &opt);
}

static int step_write(Job *job, const char *output)
{
    char err[1024];
    const char *object[CODEGEN_PARTS_MAX];
    int nobject = codegen_parts(job->module);

    clock_start(&job->clock, "object");
    for (int i = 0; i < nobject; i++) {
        object[i] = files_temporary(job->a, output, ".o", err, sizeof err);
        if (!object[i])
            return surroundings("could not write \"%s\": %s", output, err);
    }
    if (!codegen_objects(job->module, job->target, object, err, sizeof err))
        return surroundings("could not write the code of \"%s\": %s", output,
                            err);
    clock_start(&job->clock, "link");
    const char *exe = files_temporary(job->a, output, "", err, sizeof err);
    if (!exe)
        return surroundings("could not write \"%s\": %s", output, err);
    if (!link_executable(job->a, object, nobject, exe,
                         codegen_uses_blas(job->module), err, sizeof err))
        return surroundings("could not link \"%s\": %s", output, err);
    for (int i = 0; i < nobject; i++)
        files_remove(object[i]);
    if (!files_keep(exe, output, err, sizeof err))
        return surroundings("could not write \"%s\": %s", output, err);
    return DONE;
}

/* --- commands ------------------------------------------------------------ */

static int understand(Job *job)
{
    int status = step_read(job);

    if (!status)
        status = step_elaborate(job);
    if (!status)
        status = step_grads(job);
    return status;
}

static int compile(Job *job, const char *output)
{
    int status = understand(job);

    if (!status)
        status = step_target(job);
    if (status)
        return status;
    step_simplify(job);
    step_lower(job);
    codegen_slow(job->a, job->program, job->nprogram, job->d);
    settle(job);
    step_generate(job);
    return step_write(job, output);
}

static int run_check(Job *job)
{
    return understand(job);
}

static int run_build(Job *job)
{
    const char *output = job->o->output;

    if (!output)
        output = job_program_name(job);
    if (files_are_same(output, job->o->file))
        return surroundings("the executable would replace its own program "
                            "\"%s\"; name another file with -o", output);
    if (!files_may_replace(output))
        return surroundings("could not write \"%s\": it is there and is not "
                            "a regular file", output);
    return compile(job, output);
}

static int run_run(Job *job)
{
    char err[1024];
    int status = step_target(job);

    if (status)
        return status;
    const char *path = cache_path(job, err, sizeof err);
    if (!path)
        return surroundings("%s", err);
    if (!cache_hit(path)) {
        status = compile(job, path);
        if (status)
            return status;
    }
    job->o->arg[-1] = (char *)job_program_name(job);
    clock_stop(&job->clock);
    if (job->o->time)
        clock_report(&job->clock, stderr);
    execv(path, job->o->arg - 1);
    return surroundings("could not run \"%s\": %s", path, strerror(errno));
}

static int run_dump(Job *job)
{
    Stage stage = job->o->stage;

    if (dump_is_ir(job->o->file))
        return dump_ir_file(job);
    int status = step_read(job);
    if (status)
        return status;
    if (stage == STAGE_ast) {
        ast_print(stdout, job->tree);
        return settle(job);
    }
    status = step_elaborate(job);
    if (!status && stage == STAGE_ir)
        status = settle(job);
    else if (!status)
        status = step_grads(job);
    if (!status && !dump_has_entry(job))
        status = SURROUNDINGS_FAULT;
    if (!status && stage >= STAGE_loop)
        status = step_target(job);
    if (status)
        return status;
    if (stage >= STAGE_opt)
        step_simplify(job);
    if (stage >= STAGE_loop)
        step_lower(job);
    if (stage >= STAGE_llvm)
        step_generate(job);
    dump_stage(job);
    return DONE;
}

/* --- all ----------------------------------------------------------------- */

static int answer(const Options *o)
{
    switch (o->ask) {
    case ASK_VERSION:
        printf("rnnc %s (LLVM %s)\n", RNN_VERSION, target_llvm_version());
        break;
    case ASK_HELP:
        options_help(stdout, o->command);
        break;
    case ASK_MAN:
        options_man(stdout);
        break;
    case ASK_LIST_OPS:
        dump_list_ops(stdout);
        break;
    case ASK_LIST_PASSES:
        dump_list_passes(stdout);
        break;
    case ASK_CPUS:
        target_print_cpus(stdout);
        break;
    case ASK_NOTHING:
        break;
    }
    return DONE;
}

static int obey(Options *o)
{
    static int (*const run[CMD_COUNT])(Job *) = {
#define COMMAND(name, usage, doc) run_##name,
#include "driver/commands.def"
#undef COMMAND
    };
    Job job = {.o = o, .a = o->a, .d = diag_new(o->a)};

    for (int i = 0; i < o->no_warn.n; i++)
        diag_silence(job.d, o->no_warn.at[i]);
    int status = run[o->command](&job);
    clock_stop(&job.clock);
    if (o->time)
        clock_report(&job.clock, stderr);
    if (job.module)
        codegen_free(job.module);
    if (job.target)
        target_free(job.target);
    return status;
}

int driver_main(int argc, char **argv)
{
    Arena *unit = arena_new();
    Options o = {.a = unit};

    files_watch_signals();
    if (!options_parse(&o, argc, argv))
        return SURROUNDINGS_FAULT;
    int status = o.ask != ASK_NOTHING ? answer(&o) : obey(&o);
    if (fflush(stdout) != 0 || ferror(stdout))
        status = surroundings("could not write to stdout: %s",
                              strerror(errno));
    arena_free(unit);
    return status;
}
