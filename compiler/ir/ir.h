/*
 * ir.h -- the tensor IR: pure, hash-consed, statically shaped values.
 *
 * A Val is a pointer to an immutable node; equal structure is the same
 * pointer, so common subexpressions do not arise and comparison is ==. The
 * constructor simplifies nothing (a gradient with respect to a value must find
 * that value where the program used it); it only puts the operands of
 * commutative ops in order of their ids, constants last.
 *
 * A value is per example (`batched`: one tensor of the stated shape for each
 * example of the batch) or shared. Elementwise ops accept a mixture; the
 * result is batched if any source is. Shapes never include the batch.
 *
 * Loops are regions. Body values are ordinary nodes that depend on the loop's
 * `loopvar`s; what does not depend on them is outside, so loop-invariant code
 * is never inside a loop. Values from outside are used in a body directly.
 */
#ifndef RNN_IR_H
#define RNN_IR_H

#include "base/base.h"

enum { RANK_MAX = 6, ATTR_MAX = 24 };

typedef enum { // columns of ops.def
#define OP(name, ...) OP_##name,
#include "ir/ops.def"
#undef OP
    OP_COUNT
} Op;

typedef enum { DT_f32, DT_f64, DT_i32, DT_bool, DT_COUNT } DType;

typedef struct Shape {
    int rank;
    int64_t dim[RANK_MAX]; // >= 0; unused entries are 0
} Shape;

typedef struct Type {
    DType dt;
    bool batched;
    Shape shape;
} Type;

typedef enum {
    ATTR_NONE, ATTR_VALUE, ATTR_INPUT, ATTR_DIMS, ATTR_BCAST, ATTR_PERM,
    ATTR_SLICE, ATTR_PAD, ATTR_AXIS, ATTR_AXES, ATTR_DOT, ATTR_CONV,
    ATTR_POOL, ATTR_UNPOOL, ATTR_WINO, ATTR_SIZE, ATTR_TO, ATTR_RAND, ATTR_LOOP,
    ATTR_PROJ
} AttrKind;
typedef enum { GRAD_OWN, GRAD_ZERO, GRAD_NONE } GradKind;
typedef enum {
    LOWER_LEAF, LOWER_MAP, LOWER_VIEW, LOWER_REDUCE, LOWER_CONTRACT,
    LOWER_KERNEL, LOWER_CALL, LOWER_REGION, LOWER_GONE
} LowerKind;
enum { OP_COMM = 1, OP_ASSOC = 2, OP_IDEM = 4, OP_LIN = 8, OP_TIE = 16 };
typedef enum { DOM_NONE, DOM_IN, DOM_AWAY, DOM_APART } DomKind;
typedef struct Domain {
    DomKind kind;
    double lo, hi, away;
} Domain;

typedef struct OpInfo {
    const char *name;
    int arity; // -1: any
    AttrKind attr;
    GradKind grad;
    LowerKind lower;
    unsigned props;
    Domain domain;
    const char *doc;
} OpInfo;
extern const OpInfo op_info[OP_COUNT];

/* What an OP_input node stands for; attr.s is its name or path. */
typedef enum {
    INPUT_FIELD,  // a field of the data set ("x"); batched
    INPUT_VAR,    // a parameter or state by path ("f.conv1.weight"); shared
    INPUT_OPTION, // a run-time option ("eps"); shared scalar
    INPUT_CLOCK,  // shared i32 scalars "step", "epoch", "epochs",
                  // "steps_per_epoch"; real "progress"; batched i32 "index"
    INPUT_FOLD,   // a result over the whole data set, its slot as a number;
                  // shared scalar
    INPUT_COUNT
} InputKind;

typedef struct Loop Loop;
typedef struct Attr {
    int n;
    int64_t i[ATTR_MAX];
    double f;
    const char *s; // interned
    Loop *loop;
} Attr;

typedef struct Node Node;
typedef const Node *Val;
struct Node {
    Op op;
    Type type; // of a loop: f32 scalar, without meaning
    Attr attr;
    int nsrc;
    const Val *src;
    uint32_t id;  // creation order within the graph; sources have smaller ids
    Loop *region; // innermost loop whose variables it depends on, or NULL
    // metadata, outside identity; the first origin wins
    Span span;
    const char *name;
};

/*
 * A counted loop. Before the first pass var[k] = init[k]; after each pass
 * var[k] = next[k], all at once; proj k of the loop node is the last var[k],
 * which is init[k] if count <= 0. `count` is a shared i32 scalar and may be a
 * run-time value. A loop may have one variable that ends it: a shared bool
 * that is looked at before each pass; `count` is then the most passes. A var has the type of its next; the init is widened to it
 * by the builder (spread, broadcast).
 */
struct Loop {
    uint32_t id;
    int depth; // greater than that of every loop around it; 1 if there is none
    Loop *outer; // the loop around it (node->region); while it is open, the
                 // open loop it was opened in
    int n;
    Val count;
    int until; // the variable that ends it when true; -1: none
    bool keep; // its reverse keeps the contractions of each pass
    Val *init, *var, *next; // [n]
    Val index;              // loopvar -1
    Val node;               // the OP_loop node once closed
    Span span;
};

typedef struct Graph Graph;

/* graph.c */
Graph *graph_new(Arena *unit);
Arena *graph_arena(Graph *g);
uint32_t graph_nnodes(const Graph *g);

/* The node for these arguments, new or old. Infers the type; a mistake in
 * the types is a programmer's error here (internal_error): front ends ask
 * ir_infer first. */
Val ir_node(Graph *g, Op op, const Attr *attr, const Val *src, int nsrc);
/* Nodes whose type is given, not inferred (shape rule `given`, and RAND). */
Val ir_leaf(Graph *g, Op op, const Attr *attr, Type type);
/* Sets span and name if the node has none yet; returns v. */
Val ir_origin(Graph *g, Val v, Span span, const char *name);
/* From now on new nodes have this span: what is made of a node on the way to
 * its derivative, or instead of it, comes from the same place. Returns the one
 * before ({0}: none), to be set again. */
Span ir_within(Graph *g, Span span);

/* One builder per fixed-arity op without attributes: ir_add(g, x, y), ... */
Val ir_op1(Graph *g, Op op, Val x);
Val ir_op2(Graph *g, Op op, Val x, Val y);
Val ir_op3(Graph *g, Op op, Val x, Val y, Val z);
#define ir_neg(g, x) ir_op1(g, OP_neg, x)
#define ir_abs(g, x) ir_op1(g, OP_abs, x)
#define ir_sign(g, x) ir_op1(g, OP_sign, x)
#define ir_exp(g, x) ir_op1(g, OP_exp, x)
#define ir_log(g, x) ir_op1(g, OP_log, x)
#define ir_sqrt(g, x) ir_op1(g, OP_sqrt, x)
#define ir_not(g, x) ir_op1(g, OP_not, x)
#define ir_add(g, x, y) ir_op2(g, OP_add, x, y)
#define ir_sub(g, x, y) ir_op2(g, OP_sub, x, y)
#define ir_mul(g, x, y) ir_op2(g, OP_mul, x, y)
#define ir_div(g, x, y) ir_op2(g, OP_div, x, y)
#define ir_lt(g, x, y) ir_op2(g, OP_lt, x, y)
#define ir_le(g, x, y) ir_op2(g, OP_le, x, y)
#define ir_eq(g, x, y) ir_op2(g, OP_eq, x, y)
#define ir_select(g, c, x, y) ir_op3(g, OP_select, c, x, y)

Val ir_const(Graph *g, DType dt, double f);
/* A constant filling `like`'s shape (shared): broadcast of a const. */
Val ir_fill(Graph *g, DType dt, double f, Shape shape);
Val ir_like(Graph *g, Val like, double f); // fill with like's dtype and shape
Val ir_input(Graph *g, InputKind kind, const char *name, Type type);
Val ir_iota(Graph *g, int64_t n);
Val ir_cast(Graph *g, Val x, DType to);           // x itself if it is one
Val ir_spread(Graph *g, Val x);                   // x itself if batched
Val ir_broadcast(Graph *g, Val x, Shape to, const int *place); // [x rank]
Val ir_broadcast_to(Graph *g, Val x, Shape to);   // trailing dims aligned
Val ir_reshape(Graph *g, Val x, Shape to);        // x itself if it has it
Val ir_transpose(Graph *g, Val x, const int *perm);
Val ir_slice(Graph *g, Val x, const int64_t *start, const int64_t *limit,
             const int64_t *stride);
Val ir_pad(Graph *g, Val x, const int64_t *lo, const int64_t *hi,
           const int64_t *interior, double fill);
Val ir_reverse(Graph *g, Val x, const int *axes, int n);
Val ir_concat(Graph *g, const Val *x, int n, int axis);
Val ir_reduce(Graph *g, Op op, Val x, const int *axes, int n);
Val ir_reduce_all(Graph *g, Op op, Val x);        // over every dim
Val ir_axis(Graph *g, Op op, Val x, int axis);    // argmax sort cumsum ...
typedef struct DotDims { // dims of x and y by role
    int ncontract, nbatch;
    int cx[RANK_MAX], cy[RANK_MAX], bx[RANK_MAX], by[RANK_MAX];
    bool sum_batch; // also contract the examples; both sources batched
} DotDims;
Val ir_dot(Graph *g, Val x, Val y, const DotDims *d);
DotDims ir_dot_dims(Val dot);
typedef struct ConvDims { int64_t sh, sw, ph_lo, ph_hi, pw_lo, pw_hi; } ConvDims;
Val ir_conv(Graph *g, Val x, Val w, ConvDims c);
Val ir_conv_dx(Graph *g, Val dy, Val w, ConvDims c, int64_t H, int64_t W);
Val ir_conv_up(Graph *g, Val x, Val w, ConvDims c, int64_t H, int64_t W);
Val ir_conv_dw(Graph *g, Val x, Val dy, ConvDims c, int64_t R, int64_t S);
ConvDims ir_conv_dims(Val conv);
typedef struct PoolDims {
    int64_t kh, kw, sh, sw, ph_lo, ph_hi, pw_lo, pw_hi;
} PoolDims;
Val ir_pool(Graph *g, Op op, Val x, Val g_or_dy, PoolDims p); // 2nd may be NULL
Val ir_sum_pool_dx(Graph *g, Val dy, PoolDims p, int64_t H, int64_t W);
PoolDims ir_pool_dims(Val pool);
/* Convolutions of an unpooled value, see ops.def. ph and pw count as in
 * conv_dx; conv_dw_pooled has no padding. */
typedef struct UnpoolDims { int64_t kh, kw, ph, pw, H, W, R, S; } UnpoolDims;
Val ir_conv_dx_pooled(Graph *g, Val dy, Val w, Val place, UnpoolDims u);
Val ir_conv_dw_pooled(Graph *g, Val x, Val dy, Val place, UnpoolDims u);
UnpoolDims ir_unpool_dims(Val conv);
Val ir_random(Graph *g, Op op, int64_t stream, Type type, const Val *keys,
              int nkeys);

/* Loops: open, build the body from var[] and index, close with next[]. While
 * a loop is open its vars have the types given. Closing computes the node's
 * region (a loop that uses nothing of an outer loop leaves it). */
Loop *ir_loop_open(Graph *g, Val count, const Val *init, int n,
                   const Type *var_type, int depth, Span span);
Val ir_loop_close(Graph *g, Loop *l, const Val *next); // the OP_loop node
Val ir_proj(Graph *g, Val loop, int k);

/* A function: named outputs over one graph. What it needs is what they reach. */
typedef struct Func {
    const char *name;
    Graph *g;
    int nout;
    Val *out;
    const char **out_name;
} Func;

/* walk.c -- traversal that knows about regions. */
/* Every value the roots need that lies in `region` (NULL: top level), sources
 * first. A loop's body is not listed; walk it with region = loop. Captured
 * outer values of a body are listed among the top level as if they were
 * sources of the loop node. Returned array lives in tmp. */
Val *ir_topo(Arena *tmp, const Val *root, int nroot, const Loop *region,
             int *n);
/* Values used in the body of l that lie outside it (each once). */
Val *ir_captures(Arena *tmp, const Loop *l, int *n);
bool ir_inside(Val v, const Loop *l); // does v depend on l's variables
bool ir_reaches(Val from, Val what);  // is `what` used in computing `from`
/* Rebuild the roots with some values replaced: `map` is asked for each node
 * after its sources were rebuilt; it returns the replacement or NULL to keep
 * the (rebuilt) node. Loops are rebuilt when their body changes; their
 * untouched vars keep their identity only if nothing in the loop changes. */
typedef Val IrMap(void *env, Graph *g, Val old, Val rebuilt);
void ir_rewrite(Graph *g, Val *root, int nroot, IrMap *map, void *env);
/* Number of times each node is used by others or as root, by node id. */
int *ir_uses(Arena *tmp, Graph *g, const Val *root, int nroot);

/* subst.c -- the same expressions over other values: set replacements, then
 * ask for any number of roots (of any region). A replacement may mention
 * variables of loops the old value stood in. What is replaced is older than
 * the Subst; rebuilt loops get a depth above `floor`. */
typedef struct Subst Subst;
Subst *ir_subst_new(Graph *g, Arena *tmp, int floor);
void ir_subst_set(Subst *s, Val from, Val to); // all before the first ask
Val ir_subst(Subst *s, Val root);

/* shape_rules.c -- the result type, or false with a sentence in err: what
 * does not fit, both shapes named. */
bool ir_infer(Op op, const Attr *attr, const Type *src, int nsrc, Type *out,
              char *err, size_t err_bytes);
/* No empty dim and not too many elements? Else false with a sentence. */
bool shape_check(Shape s, char *err, size_t err_bytes);
bool shape_eq(Shape a, Shape b);
bool type_eq(Type a, Type b);
int64_t shape_size(Shape s);
Shape shape_of(int rank, ...); // dims as int64_t
Type type_of(DType dt, bool batched, Shape s);
int dtype_bytes(DType dt);
bool dtype_real(DType dt);
extern const char *const dtype_name[DT_COUNT];
/* "f32[1, 28, 28]", a leading "batch " for per-example values. */
const char *type_text(Arena *a, Type t);
const char *shape_text(Arena *a, Shape s);

/* verify.c -- legality of every node the function needs; false with a report
 * naming the node and its printed form. Called after every pass. */
bool ir_verify(const Func *f, bool grads_allowed, char *err, size_t n);

/* print.c and read.c -- textual IR, exact inverses of each other. */
void ir_print(FILE *out, const Func *f);
/* NULL with "line:col: reason" in err. */
Func *ir_read(Arena *unit, const char *text, char *err, size_t n);

/* eval.c -- the slow reference interpreter: the meaning of each op, in f64
 * (i32 and bool exactly), whatever the declared type. */
typedef struct Tensor {
    Type type;
    int64_t batch; // examples held: 1 if shared
    double *at;    // [batch * size], row-major
} Tensor;
typedef struct EvalEnv {
    int64_t batch;
    uint64_t seed;
    const int64_t *index; // [batch] example numbers for random draws, or NULL
    /* Value of an input node: fill t->at (already allocated). */
    void (*input)(void *user, Val input, Tensor *t);
    void *user;
    bool round_f32; // round every f32 result to single precision
} EvalEnv;
/* Evaluates the outputs. Tensors live in arena. */
void ir_eval(Arena *arena, const Func *f, const EvalEnv *env, Tensor *out);
/* One op on given sources; used by fold and the table tests. Not for leaves,
 * loops and grad. */
void ir_eval_op(Arena *arena, Val node, const Tensor *src, int64_t batch,
                uint64_t seed, const int64_t *index, Tensor *out);

#endif
