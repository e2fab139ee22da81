/*
 * shape_rules.c -- result types: the entrance and elementwise ops. Movement
 * and indexing are in shape_move.c, all else in shape_contract.c.
 *
 * The sentences stand under a caret in the user's program, so they speak of
 * the values and name both shapes.
 */
#include "ir/shape.h"

#include <string.h>

/* ---- what the rules share ---- */

ShapeStr shape_str(Shape s)
{
    ShapeStr t = {"["};
    size_t n = 1;

    for (int k = 0; k < s.rank; k++)
        n += (size_t)snprintf(t.s + n, sizeof t.s - n, "%s%lld",
                              k ? ", " : "", (long long)s.dim[k]);
    snprintf(t.s + n, sizeof t.s - n, "]");
    return t;
}

const char *dtype_word(DType dt)
{
    static const char *const word[DT_COUNT] = {
        [DT_f32] = "real", [DT_f64] = "real64", [DT_i32] = "int",
        [DT_bool] = "bool"};

    return word[dt];
}

bool misfit(Infer *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->err, r->err_bytes, fmt, ap);
    va_end(ap);
    return false;
}

bool has_attrs(Infer *r, int n)
{
    if (r->attr->n != n)
        return misfit(r, "%d numbers are given where %d are needed",
                      r->attr->n, n);
    for (int k = 0; k < n; k++)
        if (r->attr->i[k] > EXTENT_MAX || r->attr->i[k] < -EXTENT_MAX)
            return misfit(r, "%lld is too large a number",
                          (long long)r->attr->i[k]);
    return true;
}

bool is_axis(Infer *r, Shape s, int64_t axis)
{
    if (axis < 0 || axis >= s.rank)
        return misfit(r, "a value of shape %s has no dim %lld",
                      shape_str(s).s, (long long)axis);
    return true;
}

bool push_dim(Infer *r, int64_t dim)
{
    Shape *s = &r->out->shape;

    if (s->rank == RANK_MAX)
        return misfit(r, "the result has more than %d dims", RANK_MAX);
    s->dim[s->rank++] = dim;
    return true;
}

bool same_dtype(Infer *r, Type a, Type b)
{
    if (a.dt != b.dt)
        return misfit(r, "%s and %s do not mix", dtype_word(a.dt),
                      dtype_word(b.dt));
    return true;
}

bool any_batched(const Infer *r)
{
    for (int k = 0; k < r->nsrc; k++)
        if (r->src[k].batched)
            return true;
    return false;
}

/* ---- the entrance ---- */

enum { REALS = 1 << DT_f32 | 1 << DT_f64, NUMBERS = REALS | 1 << DT_i32,
       BOOLS = 1 << DT_bool, ANY = NUMBERS | BOOLS };

/* Element types an op takes. */
static unsigned takes(Op op)
{
    switch (op) {
    case OP_not: case OP_and: case OP_or:
        return BOOLS;
    case OP_exp: case OP_expm1: case OP_log: case OP_log1p: case OP_sqrt:
    case OP_tanh: case OP_sigmoid: case OP_softplus: case OP_erf: case OP_sin:
    case OP_cos: case OP_floor: case OP_round: case OP_is_finite: case OP_pow:
    case OP_conv: case OP_conv_dx: case OP_conv_up: case OP_conv_dw:
    case OP_max_pool:
    case OP_pool_gather: case OP_pool_scatter: case OP_sum_pool:
    case OP_sum_pool_dx: case OP_pool_place: case OP_wino_w:
    case OP_conv_wino: case OP_conv_dw_wino: case OP_grad:
        return REALS;
    case OP_cast: case OP_stop_gradient: case OP_eq: case OP_ne:
    case OP_select: case OP_spread: case OP_broadcast: case OP_reshape:
    case OP_transpose: case OP_slice: case OP_pad: case OP_reverse:
    case OP_concat: case OP_take: case OP_put: case OP_scatter_add:
    case OP_loop: case OP_proj:
        return ANY;
    default:
        return NUMBERS;
    }
}

static bool dtypes_fit(Infer *r)
{
    unsigned set = takes(r->op);

    for (int k = 0; k < r->nsrc; k++)
        if (!(set & 1u << r->src[k].dt))
            return misfit(r, "%s expected, not %s",
                          set == BOOLS   ? "bool"
                          : set == REALS ? "a real"
                                         : "a number",
                          dtype_word(r->src[k].dt));
    return true;
}

bool shape_check(Shape s, char *err, size_t err_bytes)
{
    int64_t n = 1;

    for (int k = 0; k < s.rank; k++) {
        if (s.dim[k] < 1) {
            snprintf(err, err_bytes, "dim %d of shape %s is empty", k,
                     shape_str(s).s);
            return false;
        }
        if (s.dim[k] > EXTENT_MAX / n) {
            snprintf(err, err_bytes, "a value of shape %s is too large",
                     shape_str(s).s);
            return false;
        }
        n *= s.dim[k];
    }
    return true;
}

static bool extent_fits(Infer *r)
{
    return shape_check(r->out->shape, r->err, r->err_bytes);
}

bool ir_infer(Op op, const Attr *attr, const Type *src, int nsrc, Type *out,
              char *err, size_t err_bytes)
{
    static ShapeRule *const rule[OP_COUNT] = {
#define OP(name, arity, attr, shape, ...) [OP_##name] = shape_##shape,
#include "ir/ops.def"
#undef OP
    };
    static const Attr none;
    const OpInfo *info = &op_info[op];
    Infer r = {op, attr ? attr : &none, src, nsrc, out, err, err_bytes};

    memset(out, 0, sizeof *out);
    if (info->arity >= 0 ? nsrc != info->arity : nsrc < 0)
        return misfit(&r, "%d values are given where %d are needed", nsrc,
                      info->arity);
    return dtypes_fit(&r) && rule[op](&r) && extent_fits(&r);
}

/* ---- leaves ---- */

bool shape_given(Infer *r)
{
    return misfit(r, "the type of %s is given, not inferred",
                  op_info[r->op].name);
}

bool shape_loop(Infer *r)
{
    r->out->dt = DT_f32;
    return true;
}

bool shape_proj(Infer *r)
{
    return shape_given(r);
}

bool shape_iota(Infer *r)
{
    r->out->dt = DT_i32;
    if (!has_attrs(r, 1))
        return false;
    if (r->attr->i[0] > INT32_MAX)
        return misfit(r, "%lld is too large an int",
                      (long long)r->attr->i[0]);
    return push_dim(r, r->attr->i[0]);
}

bool shape_count(Infer *r)
{
    r->out->dt = DT_i32;
    return has_attrs(r, 0);
}

/* ---- elementwise ---- */

bool shape_same(Infer *r)
{
    *r->out = r->src[0];
    for (int k = 1; k < r->nsrc; k++) {
        if (!shape_eq(r->src[0].shape, r->src[k].shape))
            return misfit(r, "shapes %s and %s differ",
                          shape_str(r->src[0].shape).s,
                          shape_str(r->src[k].shape).s);
        if (!same_dtype(r, r->src[0], r->src[k]))
            return false;
    }
    r->out->batched = any_batched(r);
    if (op_info[r->op].attr == ATTR_AXIS) // sort, cumsum
        return has_attrs(r, 1) && is_axis(r, r->out->shape, r->attr->i[0]);
    return true;
}

bool shape_test(Infer *r)
{
    bool ok = shape_same(r);

    r->out->dt = DT_bool;
    return ok;
}

bool shape_adjoint(Infer *r)
{
    bool ok = r->nsrc >= 2 && r->nsrc % 2 == 0 &&
              type_eq(r->src[0], r->src[1]) && dtype_real(r->src[0].dt);

    for (int k = 2; ok && k < r->nsrc; k += 2)
        ok = type_eq(r->src[k], r->src[k + 1]);
    if (!ok)
        return misfit(r, "its sources do not stand in pairs of one type");
    *r->out = r->src[0];
    return true;
}

bool shape_solved(Infer *r)
{
    Type x = r->src[0], y = r->src[1];

    if (x.dt != DT_i32 || x.shape.rank || y.dt != DT_f64 ||
        !shape_eq(y.shape, shape_of(1, (int64_t)6)))
        return misfit(r, "it takes an i32 scalar and f64[6]");
    *r->out = type_of(DT_bool, x.batched || y.batched, shape_of(0));
    return true;
}

bool shape_compare(Infer *r)
{
    return shape_test(r);
}

bool shape_cast(Infer *r)
{
    if (!has_attrs(r, 1) || !shape_same(r))
        return false;
    if (r->attr->i[0] < 0 || r->attr->i[0] >= DT_COUNT)
        return misfit(r, "there is no type number %lld",
                      (long long)r->attr->i[0]);
    r->out->dt = (DType)r->attr->i[0];
    return true;
}

bool shape_select(Infer *r)
{
    const Type *c = &r->src[0], *x = &r->src[1], *y = &r->src[2];

    if (c->dt != DT_bool)
        return misfit(r, "the condition is %s, not bool", dtype_word(c->dt));
    if (!shape_eq(x->shape, y->shape))
        return misfit(r, "the two branches differ in shape: %s and %s",
                      shape_str(x->shape).s, shape_str(y->shape).s);
    if (!shape_eq(c->shape, x->shape))
        return misfit(r, "the condition has shape %s, the branches %s",
                      shape_str(c->shape).s, shape_str(x->shape).s);
    *r->out = *x;
    r->out->batched = any_batched(r);
    return same_dtype(r, *x, *y);
}
