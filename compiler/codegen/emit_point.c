/*
 * emit_point.c -- one emit_<op> for each MAP row of ops.def.
 *
 * Operands are scalars or vectors alike; no fast-math flag is ever set, so a
 * lane and a scalar give the same bits. Comparisons are ordered: false where
 * a NaN takes part, which each formula uses as it needs.
 */
#include "codegen/emit.h"

typedef LLVMValueRef V;
typedef struct Point { // one op on one element
    Emit *e;
    LLVMBuilderRef b;
    Val v;
    DType dt; // of the first source
    bool real;
    int lanes;
} Point;

static V num(const Point *p, double x)
{
    return emit_num(p->e, p->dt, p->lanes, x);
}

static V pick(const Point *p, V c, V x, V y)
{
    return LLVMBuildSelect(p->b, c, x, y, "");
}

static V less(const Point *p, V x, V y)
{
    return p->real ? LLVMBuildFCmp(p->b, LLVMRealOLT, x, y, "")
                   : LLVMBuildICmp(p->b, LLVMIntSLT, x, y, "");
}

static V equal(const Point *p, V x, V y)
{
    return p->real ? LLVMBuildFCmp(p->b, LLVMRealOEQ, x, y, "")
                   : LLVMBuildICmp(p->b, LLVMIntEQ, x, y, "");
}

/* --- one source ---------------------------------------------------------- */

static V emit_neg(const Point *p, V *x)
{
    return p->real ? LLVMBuildFNeg(p->b, x[0], "")
                   : LLVMBuildNeg(p->b, x[0], "");
}

static V emit_abs(const Point *p, V *x)
{
    if (p->real)
        return vec_intrinsic(p->e, "llvm.fabs", x, 1);
    return pick(p, less(p, x[0], num(p, 0)), LLVMBuildNeg(p->b, x[0], ""),
                x[0]);
}

static V emit_sign(const Point *p, V *x)
{
    V zero = num(p, 0), y;

    y = pick(p, less(p, x[0], zero), num(p, -1), zero);
    y = pick(p, less(p, zero, x[0]), num(p, 1), y);
    if (!p->real)
        return y;
    return pick(p, LLVMBuildFCmp(p->b, LLVMRealUNO, x[0], x[0], ""), x[0], y);
}

static V emit_exp(const Point *p, V *x)
{
    return vec_exp(p->e, x[0]);
}

static V emit_expm1(const Point *p, V *x)
{
    return vec_expm1(p->e, x[0]);
}

static V emit_log(const Point *p, V *x)
{
    return vec_log(p->e, x[0]);
}

static V emit_log1p(const Point *p, V *x)
{
    return vec_log1p(p->e, x[0]);
}

static V emit_sqrt(const Point *p, V *x)
{
    return vec_intrinsic(p->e, "llvm.sqrt", x, 1);
}

static V emit_tanh(const Point *p, V *x)
{
    return vec_tanh(p->e, x[0]);
}

static V emit_sigmoid(const Point *p, V *x)
{
    return vec_sigmoid(p->e, x[0]);
}

static V emit_softplus(const Point *p, V *x)
{
    return vec_softplus(p->e, x[0]);
}

static V emit_erf(const Point *p, V *x)
{
    return vec_erf(p->e, x[0]);
}

static V emit_sin(const Point *p, V *x)
{
    return vec_sin(p->e, x[0]);
}

static V emit_cos(const Point *p, V *x)
{
    return vec_cos(p->e, x[0]);
}

static V emit_floor(const Point *p, V *x)
{
    return vec_intrinsic(p->e, "llvm.floor", x, 1);
}

static V emit_round(const Point *p, V *x)
{
    return vec_intrinsic(p->e, "llvm.rint", x, 1);
}

static V emit_relu(const Point *p, V *x)
{
    V zero = num(p, 0);

    if (!p->real)
        return pick(p, less(p, zero, x[0]), x[0], zero);
    // OLE, not OGT: a NaN compares false and comes out as itself.
    return pick(p, LLVMBuildFCmp(p->b, LLVMRealOLE, x[0], zero, ""), zero,
                x[0]);
}

static V emit_is_finite(const Point *p, V *x)
{
    V most = vec_intrinsic(p->e, "llvm.fabs", x, 1);

    return LLVMBuildFCmp(p->b, LLVMRealOLT, most, num(p, 1.0 / 0.0), "");
}

static V emit_not(const Point *p, V *x)
{
    return LLVMBuildNot(p->b, x[0], "");
}

static V emit_stop_gradient(const Point *p, V *x)
{
    (void)p;
    return x[0];
}

static V emit_iota(const Point *p, V *x)
{
    (void)p;
    return x[0];
}

/* Reals are cut towards 0, to the nearest int where there is none, NaN to 0:
 * the saturating conversion. */
static V real_to_int(const Point *p, V x)
{
    LLVMTypeRef over[2] = {emit_type(p->e, DT_i32, p->lanes), LLVMTypeOf(x)};
    unsigned id = LLVMLookupIntrinsicID("llvm.fptosi.sat", 15);
    V fn = LLVMGetIntrinsicDeclaration(p->e->m, id, over, 2);

    return LLVMBuildCall2(p->b, LLVMGlobalGetValueType(fn), fn, &x, 1, "");
}

static V emit_cast(const Point *p, V *x)
{
    DType to = p->v->type.dt;
    LLVMTypeRef t = emit_type(p->e, to, p->lanes);

    if (to == p->dt)
        return x[0];
    if (to == DT_bool)
        return p->real ? LLVMBuildFCmp(p->b, LLVMRealUNE, x[0], num(p, 0), "")
                       : LLVMBuildICmp(p->b, LLVMIntNE, x[0], num(p, 0), "");
    if (p->dt == DT_bool)
        return to == DT_i32 ? LLVMBuildZExt(p->b, x[0], t, "")
                            : LLVMBuildUIToFP(p->b, x[0], t, "");
    if (p->dt == DT_i32)
        return LLVMBuildSIToFP(p->b, x[0], t, "");
    if (to == DT_i32)
        return real_to_int(p, x[0]);
    return LLVMBuildFPCast(p->b, x[0], t, "");
}

/* --- two and three sources ----------------------------------------------- */

static V emit_add(const Point *p, V *x)
{
    return p->real ? LLVMBuildFAdd(p->b, x[0], x[1], "")
                   : LLVMBuildAdd(p->b, x[0], x[1], "");
}

static V emit_sub(const Point *p, V *x)
{
    return p->real ? LLVMBuildFSub(p->b, x[0], x[1], "")
                   : LLVMBuildSub(p->b, x[0], x[1], "");
}

static V emit_mul(const Point *p, V *x)
{
    return p->real ? LLVMBuildFMul(p->b, x[0], x[1], "")
                   : LLVMBuildMul(p->b, x[0], x[1], "");
}

/* floor(x / y) of ints, 0 for y = 0. The quotient by -1 is -x, which the
 * machine's division refuses for the smallest x. */
static V floor_div(const Point *p, V x, V y)
{
    V zero = num(p, 0), one = num(p, 1), minus = num(p, -1);
    V is_zero = equal(p, y, zero), is_minus = equal(p, y, minus);
    V safe = pick(p, LLVMBuildOr(p->b, is_zero, is_minus, ""), one, y);
    V q = LLVMBuildSDiv(p->b, x, safe, "");
    V r = LLVMBuildSub(p->b, x, LLVMBuildMul(p->b, q, safe, ""), "");
    V signs = less(p, LLVMBuildXor(p->b, r, safe, ""), zero);
    V inexact = LLVMBuildICmp(p->b, LLVMIntNE, r, zero, "");
    V below = LLVMBuildAnd(p->b, signs, inexact, "");

    q = pick(p, below, LLVMBuildAdd(p->b, q, minus, ""), q);
    q = pick(p, is_minus, LLVMBuildNeg(p->b, x, ""), q);
    return pick(p, is_zero, zero, q);
}

static V emit_div(const Point *p, V *x)
{
    return p->real ? LLVMBuildFDiv(p->b, x[0], x[1], "")
                   : floor_div(p, x[0], x[1]);
}

static V emit_mod(const Point *p, V *x)
{
    V q;

    if (!p->real) {
        q = floor_div(p, x[0], x[1]);
        return LLVMBuildSub(p->b, x[0], LLVMBuildMul(p->b, x[1], q, ""), "");
    }
    q = LLVMBuildFDiv(p->b, x[0], x[1], "");
    q = vec_intrinsic(p->e, "llvm.floor", &q, 1);
    return LLVMBuildFSub(p->b, x[0], LLVMBuildFMul(p->b, x[1], q, ""), "");
}

static V emit_pow(const Point *p, V *x)
{
    return vec_pow(p->e, x[0], x[1]);
}

/* Is y further than x in one direction, or the only NaN? */
static V beats(const Point *p, V y, V x, bool up)
{
    V c = up ? less(p, x, y) : less(p, y, x), nan;

    if (!p->real)
        return c;
    nan = LLVMBuildAnd(p->b, LLVMBuildFCmp(p->b, LLVMRealUNO, y, y, ""),
                       LLVMBuildFCmp(p->b, LLVMRealORD, x, x, ""), "");
    return LLVMBuildOr(p->b, c, nan, "");
}

static V further(const Point *p, V x, V y, bool up)
{
    V c = up ? less(p, x, y) : less(p, y, x);

    if (p->real) // if both are NaN, either will do
        c = LLVMBuildOr(p->b, c, LLVMBuildFCmp(p->b, LLVMRealUNO, y, y, ""),
                        "");
    return pick(p, c, y, x);
}

static V emit_max(const Point *p, V *x)
{
    return further(p, x[0], x[1], true);
}

static V emit_min(const Point *p, V *x)
{
    return further(p, x[0], x[1], false);
}

static V emit_lt(const Point *p, V *x)
{
    return less(p, x[0], x[1]);
}

static V emit_le(const Point *p, V *x)
{
    return p->real ? LLVMBuildFCmp(p->b, LLVMRealOLE, x[0], x[1], "")
                   : LLVMBuildICmp(p->b, LLVMIntSLE, x[0], x[1], "");
}

static V emit_eq(const Point *p, V *x)
{
    return equal(p, x[0], x[1]);
}

static V emit_ne(const Point *p, V *x)
{
    return p->real ? LLVMBuildFCmp(p->b, LLVMRealUNE, x[0], x[1], "")
                   : LLVMBuildICmp(p->b, LLVMIntNE, x[0], x[1], "");
}

static V emit_and(const Point *p, V *x)
{
    return LLVMBuildAnd(p->b, x[0], x[1], "");
}

static V emit_or(const Point *p, V *x)
{
    return LLVMBuildOr(p->b, x[0], x[1], "");
}

static V emit_select(const Point *p, V *x)
{
    return pick(p, x[0], x[1], x[2]);
}

/* --- the table ----------------------------------------------------------- */

typedef V PointFn(const Point *p, V *x);

#define ROW_LEAF(name)
#define ROW_MAP(name) [OP_##name] = emit_##name,
#define ROW_VIEW(name)
#define ROW_REDUCE(name)
#define ROW_CONTRACT(name)
#define ROW_KERNEL(name)
#define ROW_CALL(name)
#define ROW_REGION(name)
#define ROW_GONE(name)
static PointFn *const row[OP_COUNT] = {
#define OP(name, arity, attr, shape, grad, lower, ...) ROW_##lower(name)
#include "ir/ops.def"
#undef OP
};

LLVMValueRef emit_point(Emit *e, Val v, LLVMValueRef *x, int lanes)
{
    DType dt = v->nsrc ? v->src[0]->type.dt : v->type.dt;
    Point p = {.e = e, .b = e->b, .v = v, .dt = dt, .real = dtype_real(dt),
               .lanes = lanes};

    return row[v->op](&p, x);
}

/* --- reductions ---------------------------------------------------------- */

static Point point_of(Emit *e, DType dt, int lanes)
{
    return (Point){.e = e, .b = e->b, .dt = dt, .real = dtype_real(dt),
                   .lanes = lanes};
}

LLVMValueRef emit_merge(Emit *e, Op op, DType dt, LLVMValueRef x,
                        LLVMValueRef y)
{
    Point p = point_of(e, dt, 1);

    switch (op) {
    case OP_max_reduce: case OP_batch_max:
        return further(&p, x, y, true);
    case OP_min_reduce:
        return further(&p, x, y, false);
    default:
        return emit_add(&p, (V[]){x, y});
    }
}

LLVMValueRef emit_merge_start(Emit *e, Op op, DType dt, int lanes)
{
    bool max = op == OP_max_reduce || op == OP_batch_max;

    if (!max && op != OP_min_reduce)
        return emit_num(e, dt, lanes, 0);
    if (dtype_real(dt))
        return emit_num(e, dt, lanes, max ? -1.0 / 0.0 : 1.0 / 0.0);
    return emit_num(e, dt, lanes, max ? INT32_MIN : INT32_MAX);
}

LLVMValueRef emit_beats(Emit *e, DType dt, LLVMValueRef y, LLVMValueRef x,
                        bool up)
{
    Point p = point_of(e, dt, 1);

    return beats(&p, y, x, up);
}
