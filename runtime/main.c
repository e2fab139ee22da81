/*
 * main.c -- the whole command line of a compiled program: the checks that
 * come before anything else, dispatch, exit codes.
 *
 * 0 done, 1 a wrong flag or file, 2 the surroundings (disk, memory, CPU), 130
 * stopped by a signal.
 */
#include "face.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

typedef RnnStatus CommandFn(const RnnProgram *p, RnnFlags *f, RnnError *err);

static CommandFn *const command[CMD_COUNT] = {
#define COMMAND(name, ...) [CMD_##name] = rnn_##name,
#include "commands.def"
#undef COMMAND
};

static RnnStatus check_machine(const RnnProgram *p, RnnError *err)
{
    char missing[32];

    if (p->abi != RNN_ABI)
        return rnn_fail(err, RNN_SURROUNDINGS,
                        "the program and its runtime are of different "
                        "versions of rnnc (%d and %d); build it again",
                        (int)p->abi, RNN_ABI);
    if (!rnn_cpu_has(p->features, missing, sizeof missing))
        return rnn_fail(err, RNN_SURROUNDINGS,
                        "this CPU lacks %s; the program was built for %s: "
                        "build it here, or with rnnc build --cpu NAME for an "
                        "older one", missing, p->cpu);
    return RNN_OK;
}

static RnnStatus dispatch(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    if (f->help) {
        rnn_help(stdout, p, f->command);
        return RNN_OK;
    }
    if (f->version) {
        printf("%s (%s), built by rnnc %s for %s\n", p->name,
               rnn_dtype_name(p->real), p->version, p->cpu);
        return RNN_OK;
    }
    return command[f->command](p, f, err);
}

int rnn_main(int argc, char **argv, const RnnProgram *program)
{
    RnnError err = {""};
    RnnFlags f = {.command = CMD_NONE};
    RnnStatus st;

    // A reader that goes away must not end a training run.
    signal(SIGPIPE, SIG_IGN);
    st = check_machine(program, &err);
    if (st == RNN_OK)
        st = rnn_flags_parse(&f, program, argc, argv, &err);
    if (st == RNN_OK)
        st = dispatch(program, &f, &err);
    if (st == RNN_BAD_INPUT || st == RNN_SURROUNDINGS)
        fprintf(stderr, "%s: error: %s\n", program->name, err.text);
    rnn_flags_free(&f);
    errno = 0;
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "%s: error: could not write to standard output%s%s\n",
                program->name, errno ? ": " : "",
                errno ? strerror(errno) : "");
        return st == RNN_OK ? RNN_SURROUNDINGS : (int)st;
    }
    return (int)st;
}
