/*
 * sema.h -- from syntax to meaning: names, phases, shapes, entry points.
 *
 * Elaboration is a staged interpreter: what is known when compiling (ints,
 * strings, lists, functions, shapes) is computed while walking the tree;
 * tensors become nodes of the IR. Shapes are therefore concrete everywhere and
 * every mistake is reported at the expression that made it.
 */
#ifndef RNN_SEMA_H
#define RNN_SEMA_H

#include "front/front.h"
#include "ir/ir.h"

typedef struct VarDecl { // a parameter or a state
    const char *path;
    Type type;
    bool is_param;
    Val init; // in the unit's graph, shared
    Span span;
    Span use; // the program's own text that led to it: a layer's call
} VarDecl;

/* A net and its degree of homogeneity, from its first call: ir/degree.h. */
typedef struct NetDecl {
    const char *name;
    bool promised, homogeneous;
    double order, input; // input NAN: none
    int ngroup;
    const char *const *group; // paths of layers
    const double *degree;     // [ngroup]
    const int *with;          // [ngroup] as in Degrees
    Val at;                   // not homogeneous: where it breaks, and why
    const char *why;
    Span span;
} NetDecl;

typedef enum { // same order as RnnBoundOp
    BOUND_NUMBER, BOUND_NORM, BOUND_LARGEST, BOUND_MUL, BOUND_ADD
} BoundOp;
typedef struct BoundTerm {
    BoundOp op;
    double c;        // NUMBER; a factor of NORM and LARGEST
    const char *var; // path
} BoundTerm;

/* A solve of the program, by its first use. */
typedef struct SolveDecl {
    const char *method, *gradient;
    bool autonomous, adaptive, bounded;
    int64_t steps;   // 0: known only when running; adaptive: the most
    int evaluations; // of a step
    int64_t size;    // elements of the state
    int64_t products; // elements of the contractions of an evaluation
    int64_t levels;  // of loops that a checkpointed gradient makes of it
    int nterm;
    const BoundTerm *term; // bounded: the Lipschitz bound of its rates
    Val at;                // else: the operation that has none
    Span span;
} SolveDecl;

typedef enum { OPT_REAL, OPT_INT, OPT_BOOL } OptKind;
typedef struct OptionDecl {
    const char *name, *doc;
    OptKind kind;
    double value, lo, hi;
    Span span;
} OptionDecl;

typedef struct FieldDecl {
    const char *name;
    Type type; // batched
    double lo, hi;
    int64_t nclass; // 0: no class label
    Span span;
} FieldDecl;

typedef struct DataDecl {
    const char *name, *reader;
    int narg, nfield;
    const char **arg_name, **arg;
    FieldDecl *field;
    Span span;
} DataDecl;

typedef enum { // same order as RnnOutKind
    OUT_VAR, OUT_LOSS, OUT_WATCH, OUT_ROW, OUT_TENSOR, OUT_STOP, OUT_BACK,
    OUT_ACCEPT, OUT_SAVE, OUT_FOLD, OUT_SCORE
} OutKind;
typedef enum { // same order as RnnFold
    FOLD_SUM, FOLD_MEAN, FOLD_MAX, FOLD_MIN, FOLD_ARGMAX, FOLD_ARGMIN,
    FOLD_LOG_SUM, FOLD_LOG_MEAN, FOLD_SCALE
} FoldKind;
typedef struct Output {
    OutKind kind;
    int ref;          // OUT_VAR: index of the var; OUT_FOLD: the slot
    const char *name, *text;
    Span span;
    FoldKind fold;    // OUT_FOLD
} Output;

typedef enum { // same order as RnnEntryKind
    ENTRY_INIT, ENTRY_TRAIN, ENTRY_EVALUATE, ENTRY_ATTACK, ENTRY_INFER,
    ENTRY_SAMPLE, ENTRY_CHECK, ENTRY_FOLD, ENTRY_EPOCH, ENTRY_ROLLBACK,
    ENTRY_RIVAL
} EntryKind;

/* A number or picture computed from values of all examples: stat.c. */
typedef struct StatDecl {
    const char *kind;  // the primitive, a row of the runtime's stats.def
    const char *name;  // of the row or picture
    bool plot;
    int nvalue, nparam;
    const int *value;         // [nvalue] outputs of kind OUT_SCORE
    const char *const *label; // [nvalue] how they are written
    const double *param;      // [nparam] NAN: left out
    Span span;
} StatDecl;

/* What an evaluate's data is compared with: another data set, or the same one
 * with a field replaced by the result of an entry of kind RIVAL. */
typedef struct RivalDecl {
    const char *name;
    int data;          // index; -1: made by `entry`
    const char *split;
    int entry;         // index in the unit, -1: none
    int field;         // the one that is replaced
    Span span;
} RivalDecl;

typedef struct Entry {
    EntryKind kind;
    const char *name, *doc;
    int data; // index, -1: none
    const char *split;
    int64_t batch, epochs, count;
    int nopt;
    OptionDecl *option;
    Func func;      // func.out[i] is described by output[i]
    Output *output;
    int check;      // of a train entry: index of its CHECK entry
    int before;     // FOLD entry to run over all the data before, 0: none
    int epoch, rollback; // of a train entry: EPOCH and ROLLBACK, 0: none
    int nstat, nrival;
    StatDecl *stat;
    RivalDecl *rival;
    Span span;
} Entry;

typedef struct Unit {
    const char *name; // of the program: the file's name without .rnn
    const Source *source;
    DType real;
    Graph *g;
    VEC(VarDecl) var;
    VEC(NetDecl) net;
    VEC(SolveDecl) solve;
    VEC(OptionDecl) option;
    VEC(DataDecl) data;
    VEC(Entry) entry;
} Unit;

typedef struct SemaOptions {
    DType real;                // DT_f32, or DT_f64 for --precision f64
    int ndefine;
    const char *const *define; // "width=10", from -D
    bool check_entries;        // also build ENTRY_CHECK (f64) entries
    int memory_mib;            // a larger program is an error; 0: 4 GiB
} SemaOptions;

/* The program of a parsed file, with its grads not yet expanded. Reads the
 * modules it uses (embedded library first, then NAME.rnn beside the file).
 * Errors are counted in d; the unit is then incomplete. */
Unit *sema_build(Arena *unit, Diag *d, const Ast *file, const Source *src,
                 const SemaOptions *opt);

/* The embedded library: text of module `name`, or NULL. Made from prelude/. */
const char *prelude_text(const char *name);
extern const char *const prelude_names[]; // ends with NULL

#endif
