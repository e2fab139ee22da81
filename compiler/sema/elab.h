/*
 * elab.h -- what the files of sema/ share: values while compiling, names,
 * frames, entry points being built. Private to this folder.
 *
 * Elaboration walks the tree once per use of a function. A Value is either
 * known (a number, a list, a function, ...) or a tensor of the graph. After a
 * mistake a poison value goes on in its place and silences what follows.
 */
#ifndef RNN_SEMA_ELAB_H
#define RNN_SEMA_ELAB_H

#include "sema/value.h"

/* names.c: a table from interned names (or other pointers) to pointers. */
typedef struct Names {
    const void **key;
    void **value;
    uint32_t n, cap;
} Names;
void *names_get(const Names *t, const void *key); // NULL: none
void names_put(Arena *a, Names *t, const void *key, void *value);

/* --- names --------------------------------------------------------------- */

typedef enum { DECL_CONST, DECL_OPTION, DECL_DATA, DECL_CALLABLE } DeclKind;

struct Decl { // a name of a module
    DeclKind kind;
    const char *name;
    Module *mod;
    const Ast *ast;          // of a callable: its first overload
    VEC(const Ast *) over;   // CALLABLE: one for each number of arguments
    int stage;               // CONST: 0 not evaluated, 1 being, 2 done
    Value v;                 // CONST, OPTION
    int index;               // DATA, OPTION: place in the unit
};

struct Module {
    const char *name;
    const Source *src;
    const Ast *file;
    bool library; // embedded
    VEC(Decl *) decl;
    Names by_name; // of the declarations
    VEC(Module *) uses;
};

typedef struct Binding { // a name in a function or entry
    const char *name;
    Value v;
    Span span;   // of the declaration or last assignment
    int var;     // state: index of the unit's var; else -1
    bool fixed;  // declared by param or state
} Binding;

/* Where `param` and layers get their paths. */
typedef struct ParamScope {
    const char *path;
    VEC(const char *) used;  // path components given to layers so far
    VEC(const char *) layer; // and whose they are; NULL: named in the call
} ParamScope;

typedef enum { FRAME_CALL, FRAME_ENTRY, FRAME_CONST } FrameKind;
typedef struct Frame Frame;
struct Frame { // one activation of a function, or an entry's body
    FrameKind kind;
    Frame *caller;
    Module *mod;
    const Ast *decl;  // CALL: the overload
    const char *name;
    Span call;
    VEC(Binding) bind;
    ParamScope *params; // NULL: no parameters may be declared here
    bool owns_params;   // a net's or layer's own frame
    // a state's path is before + name + after; NULL: none may be declared
    const char *state_before, *state_after;
    int loops;          // open loops when it was entered
    bool returned;
    Arg result;
};

/* --- an entry point being built ------------------------------------------ */

typedef struct AttackNote { // one call of an attack, for the row's record
    Val result;
    const char *text;
} AttackNote;

typedef struct Soft { // a value made by softmax or log_softmax
    Val val;
    const char *by;
} Soft;

typedef struct Suspect { // a log, a division, a root: warn_value.c
    Val val;
    Span at;
    const char *entry; // its key
} Suspect;

typedef struct ModelDraw { // a draw inside an attacked model
    int64_t stream;
    Span at;
} ModelDraw;

typedef struct AttackDraw { // such a draw in what an attack differentiates
    Val grad, by; // by: the variable
    ModelDraw draw;
    Span at;
    bool averaged; // over draws of the same place
} AttackDraw;

typedef struct GradNote { // a gradient
    Val val;
    int depth; // 1: computed from no other gradient
    int order; // 1: none of them depends on its variable
} GradNote;

typedef struct Fold { // a value of each example, folded over the data set
    FoldKind kind;
    Val val, scale; // scale: of a log-domain real
    int slot, level; // level: passes over the data it takes
    Span at;
} Fold;

typedef struct EntryBuild {
    EntryKind kind;
    const char *key;     // of its random streams
    const char *name;
    int ndraw;
    bool draws_batched;
    Frame *frame;        // of its body
    const DataDecl *data;
    const char *suffix;  // "[k=0]" inside `for`
    bool stepping;       // step, epoch, ... are known
    bool training;
    VEC(Output) output;
    VEC(Val) out;
    VEC(Value) state;    // current value by var index; V_ABSENT: unchanged
    VEC(AttackNote) attack;
    VEC(StatDecl) stat;
    int64_t each;        // sample: of each class one after the other; 0: none
    int nminimize;
    Val loss;            // sum of what is minimized, as it is reported
    const char *loss_name;
    VEC(int) minimized;  // var indices
    VEC(Fold) fold;
    const Ast *epoch;    // train: the block at the end of an epoch
    const Ast *accept;   // epoch: its `accept`
    Frame *accept_frame; // and what was known there
    const char **demoted; // attack: formals that must be constants
    int ndemoted;
} EntryBuild;

struct Elab {
    Arena *a;
    Diag *d;
    Unit *u;
    Graph *g;
    const SemaOptions *opt;
    DType real;          // what `real` means now
    Module *main, *core, *optim;
    VEC(Module *) module;
    Frame *frame;
    EntryBuild *entry;   // NULL while evaluating declarations
    int ncalls, depth, evals;
    bool dead;           // a limit was hit: everything is poison from here
    Loop *loop[LOOPS_MAX];
    int nloops;
    int attacks;         // nested calls of attacks
    unsigned settled;    // leaves of draws that got their shape
    Names streams;       // stream number + 1 -> the key that has it
    Names vars;          // path -> its VarDecl's index + 1, maybe stale
    VEC(Soft) soft;
    VEC(Suspect) suspect;
    VEC(ModelDraw) model_draw;
    VEC(AttackDraw) attack_draw;
    VEC(GradNote) grads;
    VEC(Decl *) net;     // instance of each net path, by first use
    int mute;            // > 0: a trial; messages are counted only
    int nmuted;
    int nerrors;         // those said before and those of trials too
    VEC(const char *) known; // closest_name: its candidates
    bool note_ok;        // may notes follow the last message
    Span said_at;        // where it stands
    VEC(Span) stack;     // calls around the last error, not yet noted
    VEC(const char *) stack_name;
};

/* --- report.c ------------------------------------------------------------ */

/* An error at `at`, followed by the calls it stands in. Returns poison. */
Value sema_error(Elab *e, Span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sema_warn(Elab *e, Span at, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void sema_note(Elab *e, Span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sema_help(Elab *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void sema_flush(Elab *e); // notes still to come
/* A note telling what the operand is and where it came from. */
void note_operand(Elab *e, const Arg *x);
/* "f32[3, 4]" for tensors, "the int 3", "a list", ... */
const char *value_text(Elab *e, const Value *v);
const char *kind_text(const Value *v); // "a list"
const char *type_words(Elab *e, Type t); // "real[3, 4]"
const char *type_words_batch(Elab *e, Type t); // ".. of each example"
/* Does the value depend on what is known only later? "an option", ... */
const char *phase_text(Elab *e, const Value *v);
/* Reports that `what` needs a value known when compiling. */
Value error_phase(Elab *e, Span at, const char *what, const Value *v);

/* --- node.c: every node of the graph is made here ------------------------ */

/* The node, or NULL after an error at `at` saying what does not fit. */
Val node_make(Elab *e, Span at, Op op, const Attr *attr, const Val *src, int n);
Val node_op(Elab *e, Span at, Op op, Val x); // without attributes
bool size_ok(Elab *e, Span at, Shape s);
Val node_broadcast(Elab *e, Span at, Val x, Shape to);
Val node_reshape(Elab *e, Span at, Val x, Shape to);
Val node_transpose(Elab *e, Span at, Val x, const int *perm);
Val node_slice(Elab *e, Span at, Val x, int axis, int64_t lo, int64_t hi,
               int64_t stride);
Val node_const(Elab *e, Span at, DType dt, double f); // NULL: no such i32
/* A value as one of type `to`: constant, cast between reals, broadcast,
 * spread. NULL if it cannot be; no message. */
Val node_convert(Elab *e, Span at, const Value *v, Type to);
/* The same without broadcasting. */
Val node_exact(Elab *e, Span at, const Value *v, Type to);

/* --- elem.c -------------------------------------------------------------- */

/* An elementwise op on values of any kind: folds constants, mixes shared and
 * per-example, broadcasts, gives draws their shape. */
Value elem(Elab *e, Span at, Op op, const Arg *arg, int n);
Value elem_cast(Elab *e, Span at, const Arg *x, DType to);
Value elem1(Elab *e, Span at, Op op, Value x);
Value elem2(Elab *e, Span at, Op op, Value x, Value y);
/* fold.c: the op on numbers known when compiling. */
Value fold(Elab *e, Span at, Op op, const Arg *arg, int n);
bool broadcast_shapes(Shape a, Shape b, Shape *out);

/* --- logdomain.c: reals kept as mantissa and logarithm, V_LOG ------------- */

/* An elementwise op, one of whose operands is such a real; a cast; sums and
 * means over dims or the examples. */
Value log_elem(Elab *e, Span at, Op op, const Arg *arg, int n);
Value log_cast(Elab *e, Span at, const Arg *x, DType to);
Value log_reduce(Elab *e, Span at, const Prim *p, const Arg *arg);
Value log_batch(Elab *e, Span at, Value v, bool mean);
bool log_batched(const Value *v);

/* --- draw.c -------------------------------------------------------------- */

Value draw_new(Elab *e, Span at, Op op, bool batched);
Value draw_apply(Elab *e, Span at, Op op, const Arg *arg, int n, DType to);
/* A tensor of the shape; a scalar tensor where shape is NULL. Other values
 * are returned as they are. */
Value draw_settle(Elab *e, Value v, const Shape *shape);
Value draw_look(Elab *e, Value v); // the tensor, if its shape is known by now
int64_t draw_stream(Elab *e);      // of the next draw in program order
bool draw_is_batched(Elab *e);
int draw_keys(Elab *e, Val *key);

/* --- scope.c ------------------------------------------------------------- */

Binding *frame_find(Frame *f, const char *name);
void frame_bind(Elab *e, Frame *f, const char *name, Value v, Span span);
/* A name of the module, of what it uses, of core and optim. NULL: unknown. */
Decl *module_find(Elab *e, Module *m, const char *name, Span at);
Decl *module_own(Module *m, const char *name);
Value name_value(Elab *e, const Ast *name);
Value decl_value(Elab *e, Decl *d, Span at);
Value member_value(Elab *e, const Ast *x);
const char *closest_name(Elab *e, const char *name);
bool clock_value(Elab *e, const char *name, Span at, Value *out);

/* --- module.c ------------------------------------------------------------ */

Module *module_load(Elab *e, const char *name, Span at);
Module *module_new(Elab *e, const char *name, const Source *src,
                   const Ast *file, bool library);
void module_check(Elab *e, Module *m); // evaluates its consts and options
void module_defines(Elab *e);          // checks -D against the consts

/* --- expr.c, index.c ----------------------------------------------------- */

Value eval(Elab *e, const Ast *x);
Arg eval_arg(Elab *e, const Ast *x); // with its place
bool eval_enter(Elab *e, Span at);   // false: a limit is hit
void eval_leave(Elab *e);
Value solve_value(Elab *e, const Ast *x); // solve.c
Value index_value(Elab *e, const Ast *x);
Value index_assign(Elab *e, const Ast *target, Value old, const Arg *v);
Value put_rows(Elab *e, Span at, const Arg *x, const Arg *i, const Arg *v);

/* --- call.c, formals.c --------------------------------------------------- */

Value call_expr(Elab *e, const Ast *x);
/* arg has room for one more than n. */
Value call_fn(Elab *e, Decl *fn, const Arg *arg, int n, Span at);
/* One step of an optimizer for the parameter at `path`. */
Value call_optimizer(Elab *e, Decl *fn, const Arg *arg, int n, Span at,
                     const char *path);
Value call_value(Elab *e, const Arg *callee, const Arg *arg, int n, Span at);
const char *signature_text(Elab *e, const Ast *callable);

typedef struct TypeSpec { // a type as written, its dims evaluated
    bool ok;
    DType dt;
    Shape shape;
    bool ranged;
    double lo, hi;
    int64_t nclass;
} TypeSpec;
/* In the current frame. Without `shape variables` every dim must be known. */
TypeSpec type_eval(Elab *e, const Ast *type);
/* Reports type names that there are not, anywhere in the tree. */
void types_check(Elab *e, const Ast *x);
/* Binds arguments to formals in the current frame; false after an error. */
bool formals_bind(Elab *e, const Ast *callable, const Arg *arg, int n, Span at);
/* The value as one of the type, or poison after an error that calls it `what`
 * and notes where the type stands. */
Value type_fit(Elab *e, const TypeSpec *t, const Arg *x, const char *what,
               const Ast *type);
static inline const Ast *formals_of(const Ast *callable)
{
    return callable->kid[0];
}
bool is_flavour(const Ast *callable, const char *flavour);

/* --- stmt.c, repeat.c, vars.c -------------------------------------------- */

void exec_block(Elab *e, const Ast *block);
void exec(Elab *e, const Ast *s);
void assign(Elab *e, const Ast *target, const char *name, Value v);
void exec_repeat(Elab *e, const Ast *s);
void exec_param(Elab *e, const Ast *s);
void exec_state(Elab *e, const Ast *s);
int var_find(Elab *e, const char *path); // -1: none
Val var_node(Elab *e, int var);
void state_set(Elab *e, int var, Value v);
Value state_current(Elab *e, int var);
/* v in the state's type, or poison after an error. */
Value state_fit(Elab *e, int var, Value v, Span at);

/* What a trial run of a loop's body must put back. */
typedef struct Mark {
    int nvar, ndraw, nattack, nbind, nscope, nstate;
    Binding *bind;
    Value *state;
} Mark;
Mark trial_mark(Elab *e);
void trial_undo(Elab *e, const Mark *m);

/* --- builtins ------------------------------------------------------------ */

struct Prim {
    const char *name;
    const char *formals; // "x axis? keep?": names in order, `?` optional
    Value (*run)(Elab *e, const Prim *p, const Arg *arg, Span at);
    Op op;
    const char *doc;
};
extern const Prim prim_table[]; // ends with a NULL name
const Prim *prim_find(const char *name);
Value prim_call(Elab *e, const Prim *p, const Arg *arg, int n, Span at);
typedef Value PrimFn(Elab *e, const Prim *p, const Arg *arg, Span at);

/* builtin_nn.c */
Value matmul(Elab *e, Span at, const Arg *x, const Arg *y);
Value batch_mean_of(Elab *e, Span at, Val x);
/* builtin_grad.c: the declared range of a tensor, or of the field it is
 * computed from; false (and infinite) if there is none. */
bool range_of(Elab *e, const Value *v, double *lo, double *hi);

/* --- stat.c --------------------------------------------------------------- */

/* A row or a picture of the entry being built. `name` NULL: as written. */
void stat_add(Elab *e, const char *name, const Value *v, Span span);
bool stat_is_plot(const Value *v);
void exec_plot(Elab *e, const Ast *s);
void unit_rivals(Elab *e, const Ast *list, Entry *entry);

/* --- unit.c, entry.c, train.c, attack.c, unused.c ------------------------ */

void entry_begin(Elab *e, EntryBuild *b, EntryKind kind, const char *name,
                 const DataDecl *data, Frame *frame, Module *mod);
void entry_finish(Elab *e, EntryBuild *b, Entry *out);
void entry_output(Elab *e, OutKind kind, int ref, const char *name,
                  const char *text, Span span, Val v);
void entry_bind_fields(Elab *e, const DataDecl *d);
Value field_value(Elab *e, const FieldDecl *f);
Val input_node(Elab *e, InputKind kind, const char *name, Type type, Span span);
DType real_now(Elab *e, DType dt); // f64 for reals while checking

void unit_train(Elab *e, const Ast *decl);
void unit_evaluate(Elab *e, const Ast *decl);
void unit_sample(Elab *e, const Ast *decl);
void unit_attack(Elab *e, Decl *attack, const Ast *callable);
void unit_infer(Elab *e, Decl *net, const Ast *callable);
void unit_init(Elab *e);
bool split_of(Elab *e, const Ast *on, int *data, const char **split);
bool header_int(Elab *e, const Ast *list, const char *name, int64_t otherwise,
                int64_t lo, int64_t *out);
const char *label_of(Elab *e, const Ast *x);
Val shown_scalar(Elab *e, const Arg *x, const char *what);
/* "steps=40, size=0.01", from the formals just bound; and the note itself. */
const char *attack_settings(Elab *e, const Frame *f);
void attack_note(Elab *e, const Frame *f, const char *settings, Val result);
void exec_entry_statement(Elab *e, const Ast *s);
void row_add(Elab *e, const char *name, Value v, Span span);

/* epoch.c: the entries before this one that fold its values over the data
 * set; sets entry->before. Those at the end of a train's epochs. */
void fold_entries(Elab *e, const EntryBuild *b, Entry *entry);
void unit_epoch(Elab *e, const EntryBuild *train, const Frame *body,
                Entry *entry);
void exec_epoch_statement(Elab *e, const Ast *s);
/* The condition of stop, rollback, accept, save as an output of that kind. */
void exec_condition(Elab *e, const Ast *s, OutKind kind);

void warn_unused(Elab *e, const Ast *file);
/* homogeneous.c: after the first call of a net, its degrees; the promise. */
void net_order(Elab *e, Decl *fn, Frame *f, const Value *result);
/* warn.c: after a call, before an attack's body, at a gradient. */
void warn_call(Elab *e, Decl *fn, const Frame *f, const Arg *arg, int n,
               const Value *result);
void warn_attack(Elab *e, const Frame *f, Span at);
void warn_gradient(Elab *e, Val y, Val x, Span at);
/* warn_value.c: the user's place for one that may be in the library; as a node
 * is made; at the end of an entry. */
Span warn_place(const Elab *e, Span at);
void warn_node(Elab *e, Val v, Span at);
void warn_values(Elab *e, const EntryBuild *b, const Func *f);
/* warn_random.c, warn_batch.c: as a draw is made, at a gradient, at the end
 * of an entry. */
void warn_draw(Elab *e, int64_t stream, Span at);
void warn_attack_draws(Elab *e, Val grad, Span at);
void warn_random(Elab *e, const Func *f);
void warn_batch(Elab *e, const Func *f, const Output *output);

#endif
