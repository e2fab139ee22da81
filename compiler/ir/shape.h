/*
 * shape.h -- private to ir/: what the shape rules share.
 */
#ifndef RNN_IR_SHAPE_H
#define RNN_IR_SHAPE_H

#include "ir/ir.h"

typedef struct Infer { // one question to ir_infer
    Op op;
    const Attr *attr;
    const Type *src;
    int nsrc;
    Type *out;
    char *err;
    size_t err_bytes;
} Infer;

/* Elements a value may have, and the largest number an attribute may be. */
#define EXTENT_MAX ((int64_t)1 << 40)

typedef struct ShapeStr { // a printed shape, by value
    char s[RANK_MAX * 22 + 4];
} ShapeStr;
ShapeStr shape_str(Shape s);
const char *dtype_word(DType dt); // as the language calls it

/* Writes the sentence; false. */
bool misfit(Infer *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Exactly n integer attributes, none of them absurdly large? */
bool has_attrs(Infer *r, int n);
/* Is `axis` a dim of s? */
bool is_axis(Infer *r, Shape s, int64_t axis);
/* Adds a dim to the result; false if that is one too many. */
bool push_dim(Infer *r, int64_t dim);
/* Do two sources agree in their element type? */
bool same_dtype(Infer *r, Type a, Type b);
bool any_batched(const Infer *r);

/* One rule per spelling of the shape column; out starts zeroed. */
typedef bool ShapeRule(Infer *r);
#define OP(name, arity, attr, shape, ...) ShapeRule shape_##shape;
#include "ir/ops.def"
#undef OP

#endif
