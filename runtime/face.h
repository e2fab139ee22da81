/*
 * face.h -- private to the face of compiled programs: the command line, the
 * session that runs entry points, and what the subcommands share.
 *
 *   main.c      first checks, dispatch, exit codes
 *   flags.c     argv -> RnnFlags (commands.def, flags.def); options.c,
 *               choose.c, suggest.c, help.c
 *   session.c   variables, data, arena; run.c: one entry point, ready to call
 *   weights.c   variables from a file; checkpoint.c: to a file and back
 *   train.c ... one file per subcommand
 *   table.c, json.c, output.c, progress.c, interrupt.c  what they report with
 */
#ifndef RNN_FACE_H
#define RNN_FACE_H

#include "rt.h"

/* --- flags.c ------------------------------------------------------------- */

typedef enum {
#define COMMAND(name, ...) CMD_##name,
#include "commands.def"
#undef COMMAND
    CMD_COUNT,
    CMD_NONE = -1
} RnnCommand;

typedef enum { FLAG_TEXT, FLAG_COUNT, FLAG_SEED, FLAG_SWITCH } RnnFlagKind;
typedef const char *RnnFlagTEXT;
typedef int64_t RnnFlagCOUNT;
typedef uint64_t RnnFlagSEED;
typedef bool RnnFlagSWITCH;

typedef struct RnnFlagInfo { // a row of flags.def
    const char *name, *arg, *doc;
    RnnFlagKind kind;
    int64_t lo, hi;
    unsigned commands; // bit set of RnnCommand
    size_t offset;     // in RnnFlags
} RnnFlagInfo;
extern const RnnFlagInfo rnn_flag_info[]; // ends with a NULL name
typedef struct RnnCommandInfo { // a row of commands.def
    const char *name, *arg, *doc;
    int32_t kind; // of entry, -1: any
} RnnCommandInfo;
extern const RnnCommandInfo rnn_command_info[CMD_COUNT];

/* What the command line says. A flag that was not given is 0 or NULL; every
 * option has its value. Strings are borrowed from argv. */
typedef struct RnnFlags {
#define FLAG(field, name, kind, ...) RnnFlag##kind field;
#define ALIAS(...)
#include "flags.def"
#undef FLAG
#undef ALIAS
    bool seed_given, epochs_given, help, version;
    RnnCommand command;
    int nentry;        // the entry points named (or chosen by default)
    int *entry;        // indices in the program; owned
    int nfile;         // chart: files named
    const char **file; // borrowed names; the array is owned
    double *option;    // values; owned. See rnn_option_at
    bool *option_given;
} RnnFlags;

RnnStatus rnn_flags_parse(RnnFlags *f, const RnnProgram *p, int argc,
                          char **argv, RnnError *err);
void rnn_flags_free(RnnFlags *f);

/* choose.c */
RnnStatus rnn_choose_entries(RnnFlags *f, const RnnProgram *p, int nname,
                             const char *const *name, RnnError *err);
bool rnn_command_runs(RnnCommand c, const RnnEntry *e); // NAME may be e

/* options.c. Where in RnnFlags.option stands option `ref` of an entry (as in
 * RnnInput: the program's first, then the entry's own). */
int rnn_option_at(const RnnProgram *p, const RnnEntry *e, int ref);
const RnnOption *rnn_option_info(const RnnProgram *p, const RnnEntry *e,
                                 int ref);
const RnnOption *rnn_option_find(const RnnOption *o, int n, const char *name);
RnnStatus rnn_options_default(RnnFlags *f, const RnnProgram *p, RnnError *err);
/* Sets the program's option of that name, or those of the chosen entries. */
RnnStatus rnn_option_set(RnnFlags *f, const RnnProgram *p, const char *name,
                         const char *text, RnnError *err);
RnnStatus rnn_option_parse(const RnnOption *o, const char *text, double *out,
                           RnnError *err);
/* "0.1", "3", "true" into buf; returns buf. */
const char *rnn_option_text(const RnnOption *o, double value, char *buf,
                            size_t n);
/* All of `text` must be the number; "8/255" is a quotient. */
bool rnn_parse_real(const char *text, double *out);
bool rnn_parse_int(const char *text, int64_t *out);
bool rnn_parse_seed(const char *text, uint64_t *out);
bool rnn_parse_bool(const char *text, bool *out);
/* Whether a common flag of this command hides an option of that name, which
 * is then given as --option.NAME. */
bool rnn_option_hidden(const RnnOption *o, RnnCommand c);

/* suggest.c: the candidate nearest to `name` by edit distance, NULL if none
 * is near; '-' and '_' are the same letter. */
const char *rnn_closest(const char *name, const char *const *cand, int n);
bool rnn_same_name(const char *a, const char *b);

/* help.c */
void rnn_help(FILE *out, const RnnProgram *p, RnnCommand c);

/* cpu.c: whether this CPU has the features in the comma-separated list; the
 * first missing one is written to `missing`. */
bool rnn_cpu_has(const char *features, char *missing, size_t n);
const char *rnn_cpu_text(char *buf, size_t n); // the features it has

/* --- session.c ----------------------------------------------------------- */

typedef struct RnnSession {
    const RnnProgram *p;
    const RnnFlags *f;
    RnnPool *pool;
    uint64_t seed;
    void **var;        // [nvar] values
    void **next;       // [nvar] new values in the making, NULL until needed
    char *arena;
    size_t arena_bytes;
    const RnnEntry *arena_of; // whose set-up part it holds
    char weights[1024];       // where the values came from, for headers
    int nset;
    RnnDataset *set;          // those opened so far
    double *fold;             // results over whole data sets, by slot
} RnnSession;

RnnStatus rnn_session_open(RnnSession *s, const RnnProgram *p,
                           const RnnFlags *f, RnnError *err);
void rnn_session_close(RnnSession *s);
/* Every variable from the seed. */
RnnStatus rnn_session_init(RnnSession *s, RnnError *err);
/* The data set of an entry (--data, --examples, --limit obeyed); borrowed. */
RnnStatus rnn_session_data(RnnSession *s, const RnnEntry *e,
                           const RnnDataset **out, RnnError *err);
/* Another one, for which --examples does not count. */
RnnStatus rnn_session_split(RnnSession *s, int data, const char *split,
                            const RnnDataset **out, RnnError *err);
size_t rnn_var_bytes(const RnnVar *v);
int rnn_default_threads(void);
/* Refuses what exceeds the machine's memory, before the system kills us. */
RnnStatus rnn_memory_check(double want, const char *what, RnnError *err);
/* Zeroed pages from the system for a batch of entry e; `buffers`: bytes that
 * its inputs and outputs will take besides. */
RnnStatus rnn_session_arena(RnnSession *s, const RnnEntry *e, int64_t batch,
                            double buffers, RnnError *err);
/* Arena bytes of a batch; false if that does not fit a size. */
bool rnn_entry_bytes(const RnnEntry *e, int64_t batch, size_t *bytes);
/* Copies count elements, converting between the number types. */
void rnn_convert(void *dst, int32_t dt, const void *src, int32_t src_dt,
                 int64_t count);
double rnn_element(const void *at, int32_t dt, int64_t i);

/* --- run.c: an entry point with its buffers ------------------------------ */

typedef struct RnnRun {
    RnnSession *s;
    const RnnEntry *e;
    int64_t batch; // capacity
    RnnCall call;
    void **in, **out;   // by input and output
    bool *own_in, *own_out; // allocated here (others are variables)
    int32_t *index;     // [batch]
    int32_t *others;    // [batch] scratch
    int32_t clock[RNN_CLOCK_INDEX];
    const int *field_of; // [nfield] NULL: fields of d in rnn_run_load are those
                         // of the entry's data; else which each is, -1: none
    /* other[k - 1][i]: which is the k-th other example of the i-th. NULL: the
     * k-th next one in the order of the data. */
    int32_t *const *other;
    RnnFailure failure; // of the calls so far
} RnnRun;

/* Allocates all buffers for up to `batch` examples; options are set. */
RnnStatus rnn_run_open(RnnRun *r, RnnSession *s, const RnnEntry *e,
                       int64_t batch, RnnError *err);
void rnn_run_close(RnnRun *r);
/* Chooses the examples index[0 .. n) of d (NULL: no data) for the next call. */
void rnn_run_load(RnnRun *r, const RnnDataset *d, const int32_t *index,
                  int64_t n);
/* Examples first .. first + n - 1 in order. */
void rnn_run_load_range(RnnRun *r, const RnnDataset *d, int64_t first,
                        int64_t n);
void rnn_run_call(RnnRun *r);
/* Calls with the inputs and outputs as they are: the variables of the last
 * rnn_run_call, or what the caller put in their place. */
void rnn_run_again(RnnRun *r);
/* solved.c: an error if a solve in one of the calls so far failed. */
RnnStatus rnn_run_failed(const RnnRun *r, RnnError *err);
/* Random examples in the declared ranges, where there is no data set. */
void rnn_run_make_up(RnnRun *r, int64_t n);
/* The declaration of the field that input i is, or NULL. */
const RnnField *rnn_run_field(const RnnRun *r, int i);
/* Index of the first output (input) of a kind at or after `from`, or -1. */
int rnn_find_output(const RnnEntry *e, int32_t kind, int from);
int rnn_find_input(const RnnEntry *e, int32_t kind, int from);
/* Element i of output o as a number (the whole of it, if shared scalar). */
double rnn_run_value(const RnnRun *r, int o, int64_t i);
/* The batch size: --batch, else the entry's, else `usual`; at most n > 0. */
int64_t rnn_batch_of(const RnnSession *s, const RnnEntry *e, int64_t usual,
                     int64_t n);

/* fold.c: runs the FOLD entries that e needs over all of d, batch examples at
 * a time; the results are in s->fold afterwards. */
RnnStatus rnn_fold_before(RnnSession *s, const RnnEntry *e,
                          const RnnDataset *d, int64_t batch,
                          const int32_t *clock, RnnError *err);

/* --- weights.c, checkpoint.c --------------------------------------------- */

/* Variables for a command other than train: --weights, else NAME.safetensors,
 * else an error unless the program has no parameters. Variables that are not in
 * the file get initial values only if some entry reads them. */
RnnStatus rnn_weights_default(RnnSession *s, RnnError *err);
/* The same, but initial values will do: for what depends on no weights. */
RnnStatus rnn_weights_any(RnnSession *s, RnnError *err);
/* Fills the variables from a file (rnn_weights_take: its arrays may change
 * hands). Others keep what they are, initial values if any. All missing,
 * unknown and misshapen names are listed. */
RnnStatus rnn_weights_load(RnnSession *s, const char *path, RnnError *err);
RnnStatus rnn_weights_take(RnnSession *s, RnnArrays *a, const char *path,
                           bool states_too, RnnError *err);

typedef struct RnnTraining { // where a run stands, between steps
    const RnnEntry *e;
    int64_t epochs, steps_per_epoch, batch, examples;
    int64_t epoch, step; // epochs done; steps done in all
    int nsum;            // loss and watched values: sums over this epoch
    double *sum;
    int64_t rollbacks;   // epochs undone so far
    void **back;         // [nvar] variables at the beginning of this epoch, or
                         // NULL where nothing is ever undone: rollback.c
} RnnTraining;
/* Before the names of such variables in a checkpoint. */
#define RNN_BACK_PREFIX "rollback/"
RnnStatus rnn_checkpoint_write(const RnnSession *s, const RnnTraining *t,
                               const char *path, RnnError *err);
/* Reads variables and position. Before: t->e, nsum and sum are set. `f` gets
 * the saved seed, batch, epochs and options where the command line gave none;
 * what contradicts the file is refused. */
RnnStatus rnn_checkpoint_read(RnnSession *s, RnnTraining *t, RnnFlags *f,
                              const char *path, RnnError *err);

/* --- commands ------------------------------------------------------------ */

RnnStatus rnn_train(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_evaluate(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_attack(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_infer(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_sample(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_bench(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_info(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_chart(const RnnProgram *p, RnnFlags *f, RnnError *err);
RnnStatus rnn_check_grad(const RnnProgram *p, RnnFlags *f, RnnError *err);
/* order.c: the order of the n examples in an epoch, a function of both. */
void rnn_epoch_order(uint64_t seed, int64_t epoch, int64_t n, int32_t *out);
/* blame.c: runs the step again, looking for the first non-finite value, and
 * says in err where it was. */
RnnStatus rnn_blame(RnnRun *r, const RnnTraining *t, RnnError *err);
/* Whether any of `count` reals is NaN or infinite. */
bool rnn_any_bad(const void *at, int32_t dt, int64_t count);
/* The first of `count` elements that is not finite, or -1. */
int64_t rnn_first_bad(const void *at, int32_t dt, int64_t count);

/* --- reporting ----------------------------------------------------------- */

/* table.c: rows of text cells, aligned when printed. align: one of "lr" per
 * column. */
typedef struct RnnTable {
    const char *align;
    int ncell, cap;
    char **cell;
} RnnTable;
void rnn_cell(RnnTable *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void rnn_table_drop(RnnTable *t); // frees the cells
void rnn_table_print(FILE *out, RnnTable *t, int indent); // and frees the cells
/* "1.23 MB", "12.5 GFLOP" with three digits; returns buf. */
const char *rnn_scaled(double x, const char *unit, char *buf, size_t n);
/* "1:05", "0.3 s" */
const char *rnn_duration(double seconds, char *buf, size_t n);
/* The attack record or stop reason with {option} replaced by values. */
char *rnn_record_text(const RnnSession *s, const RnnEntry *e,
                      const char *text); // returned
double rnn_seconds(void); // monotonic

/* json.c: strict JSON, written to memory, then to --json. A key of NULL is an
 * array element. Objects of rows stay on one line. */
typedef struct RnnJson {
    FILE *to; // NULL: nothing was asked for, every call does nothing
    char *text;
    size_t bytes;
    int depth, flat; // flat: depth from which all stays on one line
    bool first;
} RnnJson;
void rnn_json_open(RnnJson *j, const RnnProgram *p, const RnnFlags *f);
void rnn_json_begin(RnnJson *j, const char *key, char bracket);
void rnn_json_line(RnnJson *j, const char *key, char bracket); // on one line
void rnn_json_end(RnnJson *j, char bracket);
void rnn_json_text(RnnJson *j, const char *key, const char *v);
void rnn_json_real(RnnJson *j, const char *key, double v);
void rnn_json_int(RnnJson *j, const char *key, int64_t v);
void rnn_json_seed(RnnJson *j, const char *key, uint64_t v);
void rnn_json_bool(RnnJson *j, const char *key, bool v);
void rnn_json_options(RnnJson *j, const RnnSession *s, const RnnEntry *e);
/* Ends the object and writes it to --json, if that was given. */
RnnStatus rnn_json_save(RnnJson *j, const RnnFlags *f, RnnError *err);
void rnn_json_drop(RnnJson *j);

/* progress.c: a bar on a terminal, a line now and then elsewhere. */
typedef struct RnnProgress {
    bool quiet, terminal, shown;
    double start, last; // seconds
    int64_t from, total; // units of work
    double unit;         // examples per unit
} RnnProgress;
void rnn_progress_start(RnnProgress *g, const RnnFlags *f, int64_t from,
                        int64_t total, double unit);
bool rnn_progress_due(const RnnProgress *g); // worth making a text now
void rnn_progress_show(RnnProgress *g, int64_t done, const char *title,
                       const char *text);
void rnn_progress_clear(RnnProgress *g);

/* interrupt.c: SIGINT and SIGTERM. */
void rnn_interrupt_catch(void); // from now on the first one is only noted
bool rnn_interrupted(void);
/* While on, a second signal waits: a file is being written. */
void rnn_interrupt_hold(bool on);
#define RNN_INTERRUPTED ((RnnStatus)130) // the exit code too

/* output.c. Whether a file can be made at `path`, found out before hours of
 * work. */
RnnStatus rnn_check_writable(const char *flag, const char *path,
                             RnnError *err);
/* Arrays for --out, collected batch by batch. */
typedef struct RnnResults {
    int64_t n; // examples
    int cap;
    RnnArrays arrays;
    double bytes;
    RnnStatus status; // of all rnn_results_add so far
    RnnError *err;    // and the reason; borrowed
} RnnResults;
RnnStatus rnn_results_check(const RnnFlags *f, bool several, RnnError *err);
void rnn_results_open(RnnResults *r, int cap, int64_t n, RnnError *err);
/* A new array [n, dims]; its number, -1 if r->status went bad. */
int rnn_results_add(RnnResults *r, const RnnType *type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Checks --out and opens an array for each tensor of e; array[nout]: their
 * numbers by output, -1 for other outputs. */
RnnStatus rnn_results_of(RnnResults *r, int *array, const RnnFlags *f,
                         const RnnEntry *e, int64_t n, RnnError *err);
void rnn_results_put(RnnResults *r, int k, const RnnType *type, int64_t first,
                     int64_t n, const void *from);
RnnStatus rnn_results_save(RnnResults *r, const RnnFlags *f, RnnError *err);
void rnn_results_close(RnnResults *r);

/* info_solve.c: what `info` says of solves. */
RnnStatus rnn_info_solves(const RnnProgram *p, RnnFlags *f, RnnJson *j,
                          bool quiet, RnnError *err);

#endif
