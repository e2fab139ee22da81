/*
 * options.h -- private to driver/: a command line, taken apart.
 */
#ifndef RNN_OPTIONS_H
#define RNN_OPTIONS_H

#include "ir/ir.h"

typedef enum {
#define COMMAND(name, usage, doc) CMD_##name,
#include "driver/commands.def"
#undef COMMAND
    CMD_COUNT, // no command: a global flag
} Command;
extern const char *const command_name[CMD_COUNT];

typedef enum {
#define STAGE(id, spelling) STAGE_##id,
#define STAGES                                                                \
    STAGE(ast, "ast")                                                         \
    STAGE(ir, "ir")                                                           \
    STAGE(grad, "grad")                                                       \
    STAGE(opt, "opt")                                                         \
    STAGE(loop, "loop")                                                       \
    STAGE(llvm, "llvm")                                                       \
    STAGE(llvm_opt, "llvm-opt")                                               \
    STAGE(asm, "asm")
    STAGES
#undef STAGE
    STAGE_COUNT // none
} Stage;

typedef enum {
    ASK_NOTHING, // do the command
    ASK_HELP, ASK_VERSION, ASK_MAN, ASK_LIST_OPS, ASK_LIST_PASSES, ASK_CPUS
} Ask;

typedef struct Options {
    Arena *a;
    Command command;
    Ask ask;
    const char *file;
    char **arg; // run: what stands after FILE
    int narg;
    const char *output, *entry, *cpu; // NULL: not given
    Stage stage;
    VEC(const char *) define;
    VEC(const char *) no_warn;
    DType real;
    int opt_level;
    bool exact, no_winograd, no_blas, time;
    bool colour;
} Options;

/* Takes a command line apart; false after a message to stderr. */
bool options_parse(Options *o, int argc, char **argv);
/* Help for o->command, or for all if it is CMD_COUNT. */
void options_help(FILE *out, Command command);
void options_man(FILE *out);

#endif
