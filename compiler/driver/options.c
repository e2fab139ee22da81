/*
 * options.c -- the command line by its two tables.
 *
 * A flag's value may follow its name as the next word, after "=", or, for a
 * letter, at once. For `run` everything after FILE belongs to the program.
 */
#include "driver/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BUILD = 1 << CMD_build, CHECK = 1 << CMD_check, DUMP = 1 << CMD_dump,
    RUN = 1 << CMD_run, GLOBAL = 1 << CMD_COUNT
};

typedef bool SetFn(Options *o, const char *value);

const char *const command_name[CMD_COUNT] = {
#define COMMAND(name, usage, doc) #name,
#include "driver/commands.def"
#undef COMMAND
};

static const struct {
    const char *usage, *doc;
} command_info[CMD_COUNT] = {
#define COMMAND(name, usage, doc) {usage, doc},
#include "driver/commands.def"
#undef COMMAND
};

static const char *const stage_name[STAGE_COUNT] = {
#define STAGE(id, spelling) spelling,
    STAGES
#undef STAGE
};

/* --- messages ------------------------------------------------------------ */

__attribute__((format(printf, 1, 2))) static bool wrong(const char *fmt, ...)
{
    va_list ap;

    fputs("rnnc: error: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return false;
}

static void suggest(const char *word, const char *const *cand, int n,
                    const char *dashes)
{
    const char *near = diag_closest(word, cand, n);

    if (near)
        fprintf(stderr, "      help: did you mean \"%s%s\"?\n", dashes, near);
}

/* --- one function for each row ------------------------------------------- */

static bool set_output(Options *o, const char *value)
{
    o->output = value;
    return *value || wrong("--output needs the name of a file");
}

static bool set_stage(Options *o, const char *value)
{
    for (int i = 0; i < STAGE_COUNT; i++)
        if (strcmp(stage_name[i], value) == 0) {
            o->stage = (Stage)i;
            return true;
        }
    wrong("there is no stage \"%s\" (ast, ir, grad, opt, loop, llvm, "
          "llvm-opt, asm)", value);
    suggest(value, stage_name, STAGE_COUNT, "");
    return false;
}

static bool set_entry(Options *o, const char *value)
{
    o->entry = value;
    return true;
}

static bool set_define(Options *o, const char *value)
{
    const char *eq = strchr(value, '=');

    if (!eq || eq == value || !eq[1])
        return wrong("-D needs NAME=VALUE, not \"%s\"", value);
    VEC_PUSH(o->a, &o->define, value);
    return true;
}

static bool set_precision(Options *o, const char *value)
{
    if (strcmp(value, "f32") != 0 && strcmp(value, "f64") != 0)
        return wrong("--precision is f32 or f64, not \"%s\"", value);
    o->real = value[1] == '3' ? DT_f32 : DT_f64;
    return true;
}

static bool set_cpu(Options *o, const char *value)
{
    o->cpu = value;
    if (strcmp(value, "help") == 0)
        o->ask = ASK_CPUS;
    return true;
}

static bool set_opt_level(Options *o, const char *value)
{
    if (*value < '0' || *value > '3' || value[1])
        return wrong("-O is followed by 0, 1, 2 or 3, not by \"%s\"", value);
    o->opt_level = *value - '0';
    return true;
}

static bool set_exact(Options *o, const char *value)
{
    (void)value;
    return o->exact = true;
}

static bool set_no_winograd(Options *o, const char *value)
{
    (void)value;
    return o->no_winograd = true;
}

static bool set_no_blas(Options *o, const char *value)
{
    (void)value;
    return o->no_blas = true;
}

static bool set_no_warn(Options *o, const char *value)
{
    VEC_PUSH(o->a, &o->no_warn, value);
    return true;
}

static bool set_colour(Options *o, const char *value)
{
    if (strcmp(value, "auto") == 0)
        return true;
    if (strcmp(value, "always") != 0 && strcmp(value, "never") != 0)
        return wrong("--color is auto, always or never, not \"%s\"", value);
    o->colour = *value == 'a';
    return true;
}

static bool set_time(Options *o, const char *value)
{
    (void)value;
    return o->time = true;
}

static bool set_list_ops(Options *o, const char *value)
{
    (void)value;
    return o->ask = ASK_LIST_OPS, true;
}

static bool set_list_passes(Options *o, const char *value)
{
    (void)value;
    return o->ask = ASK_LIST_PASSES, true;
}

static bool set_version(Options *o, const char *value)
{
    (void)value;
    return o->ask = ASK_VERSION, true;
}

static bool set_man(Options *o, const char *value)
{
    (void)value;
    return o->ask = ASK_MAN, true;
}

static bool set_help(Options *o, const char *value)
{
    (void)value;
    return o->ask = ASK_HELP, true;
}

typedef struct Flag {
    char letter;
    const char *name, *arg, *doc;
    unsigned where;
    SetFn *set;
} Flag;

static const Flag flags[] = {
#define OPTION(id, letter, name, arg, where, doc)                             \
    {letter, name, arg, doc, where, set_##id},
#include "driver/options.def"
#undef OPTION
};

/* --- the parser ---------------------------------------------------------- */

/* The flag `word` names, with the value glued to it (NULL: none). */
static const Flag *find_flag(const char *word, const char **value)
{
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : strlen(word);

    *value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const Flag *f = &flags[i];

        if (word[1] == '-' && n - 2 == strlen(f->name) &&
            strncmp(word + 2, f->name, n - 2) == 0) {
            *value = eq ? eq + 1 : NULL;
            return f;
        }
        if (word[1] != '-' && f->letter && word[1] == f->letter) {
            *value = word[2] ? word + 2 : NULL;
            return f;
        }
    }
    return NULL;
}

static bool no_such_flag(const char *word)
{
    const char *name[ARRAY_LEN(flags)];
    char bare[64] = "";

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        name[i] = flags[i].name;
    snprintf(bare, sizeof bare, "%s", word + strspn(word, "-"));
    bare[strcspn(bare, "=")] = 0;
    wrong("there is no flag \"%s\"", word);
    suggest(bare, name, (int)ARRAY_LEN(flags), "--");
    return false;
}

static bool takes(const Options *o, const Flag *f)
{
    return f->where & (1u << o->command);
}

static bool say_where(const Options *o, const Flag *f)
{
    char list[64] = "";

    for (int c = 0; c < CMD_COUNT; c++)
        if (f->where & (1u << c))
            sprintf(list + strlen(list), "%s%s", *list ? ", " : "",
                    command_name[c]);
    if (o->command == CMD_COUNT)
        return wrong("--%s stands after a command (%s)", f->name, list);
    return *list ? wrong("\"%s\" takes no --%s (%s does)",
                         command_name[o->command], f->name, list)
                 : wrong("--%s stands alone, without a command", f->name);
}

static bool set_flag(Options *o, const Flag *f, const char *value, int argc,
                     char **argv, int *i)
{
    if (!takes(o, f))
        return say_where(o, f);
    if (!*f->arg && value)
        return wrong("--%s takes no value", f->name);
    if (*f->arg && !value) {
        if (*i + 1 >= argc)
            return wrong("--%s needs a value (%s)", f->name, f->arg);
        value = argv[++*i];
    }
    return f->set(o, value);
}

static bool find_command(Options *o, const char *word)
{
    for (int c = 0; c < CMD_COUNT; c++)
        if (strcmp(command_name[c], word) == 0) {
            o->command = (Command)c;
            return true;
        }
    wrong("there is no command \"%s\" (build, check, dump, run)", word);
    const char *near = diag_closest(word, command_name, CMD_COUNT);
    size_t n = strlen(word);
    if (near)
        fprintf(stderr, "      help: did you mean \"%s\"?\n", near);
    else if (n > 4 && strcmp(word + n - 4, ".rnn") == 0)
        fprintf(stderr, "      help: did you mean \"rnnc build %s\"?\n", word);
    return false;
}

static bool is_complete(const Options *o)
{
    if (o->ask != ASK_NOTHING)
        return true;
    if (o->command == CMD_COUNT)
        return wrong("what shall be done? (build, check, dump, run; see "
                     "rnnc --help)");
    if (!o->file)
        return wrong("\"%s\" needs a FILE (a .rnn program)",
                     command_name[o->command]);
    if (o->command == CMD_dump && o->stage == STAGE_COUNT)
        return wrong("\"dump\" needs --stage (ast, ir, grad, opt, loop, "
                     "llvm, llvm-opt or asm)");
    return true;
}

bool options_parse(Options *o, int argc, char **argv)
{
    const char *value;
    bool ended = false; // "--" was seen

    o->command = CMD_COUNT;
    o->stage = STAGE_COUNT;
    o->real = DT_f32;
    o->opt_level = 3;
    o->colour = isatty(2) && !getenv("NO_COLOR");
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
        } else if (!ended && word[0] == '-' && word[1]) {
            const Flag *f = find_flag(word, &value);

            if (!f)
                return no_such_flag(word);
            if (!set_flag(o, f, value, argc, argv, &i))
                return false;
        } else if (o->command == CMD_COUNT) {
            if (!find_command(o, word))
                return false;
        } else if (!o->file) {
            o->file = word;
            if (o->command == CMD_run) {
                o->arg = argv + i + 1;
                o->narg = argc - i - 1;
                break;
            }
        } else {
            return wrong("one FILE at a time: \"%s\" and \"%s\"", o->file,
                         word);
        }
    }
    return is_complete(o);
}

/* --- help ---------------------------------------------------------------- */

static void help_flags(FILE *out, unsigned where)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const Flag *f = &flags[i];
        char left[64] = "    ";

        if (!(f->where & where))
            continue;
        if (f->letter)
            sprintf(left, "-%c, ", f->letter);
        sprintf(left + strlen(left), "--%s%s%s", f->name, *f->arg ? " " : "",
                f->arg);
        fprintf(out, "  %-26s %s\n", left, f->doc);
    }
}

void options_help(FILE *out, Command command)
{
    if (command < CMD_COUNT) {
        fprintf(out, "usage: rnnc %s %s\n\n%s\n\n", command_name[command],
                command_info[command].usage, command_info[command].doc);
        help_flags(out, 1u << command);
        return;
    }
    fputs("usage: rnnc COMMAND FILE [OPTION ...]\n\n"
          "rnnc compiles .rnn experiment files to executables that train, "
          "attack and evaluate.\n\ncommands:\n", out);
    for (int c = 0; c < CMD_COUNT; c++)
        fprintf(out, "  %-8s %s\n", command_name[c], command_info[c].doc);
    fputs("\nwithout a command:\n", out);
    help_flags(out, GLOBAL);
    fputs("\n\"rnnc COMMAND --help\" lists the flags of a command.\n", out);
}

/* Text with roff's two special characters made harmless. */
static void put_roff(FILE *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\')
            fputs("\\e", out);
        else if (*s == '-')
            fputs("\\-", out);
        else
            fputc(*s, out);
    }
}

static void man_flag(FILE *out, const Flag *f)
{
    fputs(".TP\n", out);
    if (f->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", f->letter);
    fputs("\\fB\\-\\-", out);
    put_roff(out, f->name);
    fprintf(out, "\\fR%s\\fI", *f->arg ? " " : "");
    put_roff(out, f->arg);
    fputs("\\fR\n", out);
    put_roff(out, f->doc);
    fputs(".\n", out);
    if (f->where & GLOBAL)
        return;
    fputs("For", out);
    const char *comma = " ";
    for (int c = 0; c < CMD_COUNT; c++)
        if (f->where & (1u << c)) {
            fprintf(out, "%s%s", comma, command_name[c]);
            comma = ", ";
        }
    fputs(".\n", out);
}

void options_man(FILE *out)
{
    fputs(".TH RNNC 1 \"\" \"rnnc " RNN_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nrnnc \\- compile .rnn experiment files to executables\n"
          ".SH SYNOPSIS\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, ".B rnnc %s\n", command_name[c]);
        put_roff(out, command_info[c].usage);
        fputs("\n.br\n", out);
    }
    fputs(".SH DESCRIPTION\nOne .rnn file is one experiment: data, networks, "
          "attacks, training and evaluation.\n.B rnnc\nchecks it and compiles "
          "it to one executable with a command for each of its entry "
          "points.\n.SH COMMANDS\n", out);
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(out, ".TP\n.B %s\n", command_name[c]);
        put_roff(out, command_info[c].doc);
        fputs(".\n", out);
    }
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        man_flag(out, &flags[i]);
    fputs(".SH EXIT STATUS\n"
          ".TP\n0\nDone.\n"
          ".TP\n1\nThe program has mistakes; they were reported.\n"
          ".TP\n2\nThe surroundings failed: a missing file, an output that "
          "cannot be written, the linker; or the command line was wrong. "
          "Nothing half-written is left.\n"
          ".TP\n70\nA mistake in rnnc itself.\n"
          ".SH ENVIRONMENT\n"
          ".TP\n.B CC\nThe C compiler that links (default: cc).\n"
          ".TP\n.B RNNC_RUNTIME\nThe folder with the runtime's archives "
          "(default: found beside the executable).\n"
          ".TP\n.B XDG_CACHE_HOME\nWhere\n.B rnnc run\nkeeps executables, in "
          "the folder rnnc (default: ~/.cache).\n"
          ".TP\n.B NO_COLOR\nIf set, messages have no colour.\n", out);
}
