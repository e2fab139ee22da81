/*
 * value.h -- what an expression can be while compiling, and the limits of a
 * compilation. Private to sema/.
 */
#ifndef RNN_SEMA_VALUE_H
#define RNN_SEMA_VALUE_H

#include "sema/sema.h"

enum {
    CALLS_MAX = 100,        // nested calls
    DEPTH_MAX = 1000,       // nested expressions and statements, all calls
    EVALS_MAX = 3000000,    // expressions evaluated in one compilation
    NODES_MAX = 1000000,    // nodes of the graph
    ERRORS_MAX = 10000,     // errors, the same ones and muted ones too
    MEMORY_MAX_MIB = 4096,  // of the arena of a compilation
    UNROLL_MAX = 10000,     // passes of one `for`
    LOOPS_MAX = 12,         // nested `repeat`s
    GRADS_MAX = 60,         // gradients computed from one another
    ORDER_MAX = 6,          // derivatives of derivatives
    ARGS_MAX = 64,          // arguments of a call
    BINDINGS_MAX = 2000,    // names in one body
    KEYS_MAX = LOOPS_MAX + 1 // loop indices and the step, for draws
};
static const int64_t SIZE_MAX_ELEMENTS = (int64_t)1 << 31;

typedef struct Elab Elab;
typedef struct Decl Decl;
typedef struct Module Module;
typedef struct Prim Prim;

/* --- values -------------------------------------------------------------- */

typedef enum {
    V_POISON, // after an error
    V_ABSENT, // an argument that was not given
    V_VOID,   // of a call that returns nothing
    V_INT, V_REAL, V_BOOL, V_STRING, V_LIST, V_TUPLE, V_RANGE,
    V_FN,     // a function of the program: all its overloads
    V_PRIM,   // a builtin
    V_DATA, V_SPLIT,
    V_TENSOR, // a node of the graph
    V_LOG,    // a log-domain real, val * exp(scale): logdomain.c
    V_STAT,   // a number or picture of a whole data set: its prim and the
              // arguments, by formal, in `item`
    V_DRAW    // a random draw without a shape, or an expression of draws
} ValueKind;

/*
 * A draw, or an elementwise expression of draws and scalars, whose shape is
 * not known yet. The first shaped tensor it meets gives the shape to every
 * leaf; `done` is then the one node that stands for it everywhere.
 */
typedef struct Draw Draw;

typedef struct Value {
    ValueKind kind;
    int64_t i, j;              // INT, BOOL (0, 1); RANGE: i .. j
    double num;                // REAL; INT as a real
    const char *s;             // STRING; SPLIT
    int n;                     // LIST, TUPLE
    const struct Value *item;
    // TUPLE: names of its items, and of more that follow them; NULL: none
    const char *const *member;
    int nmember;
    Decl *decl;                // FN, DATA, SPLIT
    const Prim *prim;
    Draw *draw;
    Val val;                   // TENSOR; LOG: the mantissa
    Val scale;                 // LOG
    bool ranged;               // TENSOR: declared in [lo, hi]
    double lo, hi;
} Value;

struct Draw {
    Op op;            // leaf: uniform or normal; else elementwise
    Span span;
    int64_t stream;   // leaf
    bool batched;     // leaf
    Val key[KEYS_MAX]; // leaf
    int nkey;
    Value arg[3];     // interior: draws, scalar tensors, numbers
    int narg;
    DType to;         // interior, op == cast
    int depth;        // of the expression
    unsigned seen;    // no leaf had a shape at this count of settled leaves
    Val done;
};

/* An operand or argument with its place in the program. */
typedef struct Arg {
    const char *name; // NULL: positional
    Span name_span;
    Value v;
    Span span;
    const Ast *ast;   // NULL: made by the compiler
} Arg;

/* --- value.c ------------------------------------------------------------- */

Value value_int(int64_t i);
Value value_real(double x);
Value value_bool(bool b);
Value value_string(const char *s);
Value value_tensor(Val v);
Value value_list(Elab *e, const Value *item, int n);
extern const Value POISON, ABSENT, VOID;
static inline bool is_number(const Value *v)
{
    return v->kind == V_INT || v->kind == V_REAL;
}
static inline bool is_known(const Value *v) // a number or bool known now
{
    return v->kind == V_INT || v->kind == V_REAL || v->kind == V_BOOL;
}
bool value_same(const Value *a, const Value *b);
/* Constants of known kind; false after an error ("what" names the use). */
bool need_int(Elab *e, const Arg *x, const char *what, int64_t *out);
bool need_size(Elab *e, const Arg *x, const char *what, int64_t *out); // >= 0
bool need_real(Elab *e, const Arg *x, const char *what, double *out);
bool need_bool(Elab *e, const Arg *x, const char *what, bool *out);
bool need_shape(Elab *e, const Arg *x, const char *what, Shape *out);
/* A list of n ints, or one int for all of them. */
bool need_ints(Elab *e, const Arg *x, const char *what, int n, int64_t *out);
/* The value as a node: numbers become scalar constants (of type `real` or
 * i32), draws scalars. NULL after an error. */
Val need_val(Elab *e, const Arg *x, const char *what);
Val need_real_val(Elab *e, const Arg *x, const char *what);
Arg item_arg(const Arg *list, int k); // item k with the list's place

#endif
