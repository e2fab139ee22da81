/*
 * eval.h -- private to ir/: what the parts of the interpreter share.
 */
#ifndef RNN_IR_EVAL_H
#define RNN_IR_EVAL_H

#include "ir/ir.h"

typedef struct EvalOp { // one op on given values
    Val v;
    const Tensor *src;
    Tensor *out;          // allocated, contents undefined; all of it is written
    int64_t batch;        // examples at hand
    uint64_t seed;
    const int64_t *index; // [batch] example numbers, or NULL: 0, 1, ...
    Arena *tmp;           // lives for this op
} EvalOp;

/* Elements of example b; of a shared tensor the same for every b. */
static inline double *eval_at(const Tensor *t, int64_t b)
{
    return t->at + (t->type.batched ? b * shape_size(t->type.shape) : 0);
}

/* The next index in row-major order; false after the last (i is then 0s). */
static inline bool eval_step(Shape s, int64_t *i)
{
    for (int k = s.rank - 1; k >= 0; k--) {
        if (++i[k] < s.dim[k])
            return true;
        i[k] = 0;
    }
    return false;
}

static inline int64_t eval_offset(Shape s, const int64_t *i)
{
    int64_t at = 0;

    for (int k = 0; k < s.rank; k++)
        at = at * s.dim[k] + i[k];
    return at;
}

/* Allocates t->at for its type. */
void eval_alloc(Arena *a, Tensor *t, Type type, int64_t batch);

/* x as the element type holds it: ints wrap, bools are 0 or 1. */
double eval_fit(DType dt, double x);

/* The larger (smaller) of two, NaN before all: shall y replace x? */
static inline bool eval_beats(double y, double x)
{
    return y > x || (y != y && x == x);
}
static inline bool eval_under(double y, double x)
{
    return y < x || (y != y && x == x);
}

/* One function for each op that computes something. */
#define EVAL_LEAF(name)
#define EVAL_REGION(name)
#define EVAL_GONE(name)
#define EVAL_MAP(name) void eval_##name(EvalOp *e);
#define EVAL_VIEW(name) void eval_##name(EvalOp *e);
#define EVAL_REDUCE(name) void eval_##name(EvalOp *e);
#define EVAL_CONTRACT(name) void eval_##name(EvalOp *e);
#define EVAL_KERNEL(name) void eval_##name(EvalOp *e);
#define EVAL_CALL(name) void eval_##name(EvalOp *e);
#define OP(name, arity, attr, shape, grad, lower, ...) EVAL_##lower(name)
#include "ir/ops.def"
#undef OP
#undef EVAL_LEAF
#undef EVAL_REGION
#undef EVAL_GONE
#undef EVAL_MAP
#undef EVAL_VIEW
#undef EVAL_REDUCE
#undef EVAL_CONTRACT
#undef EVAL_KERNEL
#undef EVAL_CALL

#endif
