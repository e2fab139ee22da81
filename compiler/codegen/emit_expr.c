/*
 * emit_expr.c -- the value of an expression at one index.
 *
 * Movement is done on indices: a view asks its source for another element.
 * There is no control flow, so everything of one emit_value call stands in one
 * basic block, and a value wanted twice at the same index is made once (Memo).
 */
#include "codegen/emit.h"

/* --- types and constants ------------------------------------------------- */

static LLVMTypeRef widen(LLVMTypeRef t, int lanes)
{
    return lanes > 1 ? LLVMVectorType(t, (unsigned)lanes) : t;
}

LLVMTypeRef emit_type(Emit *e, DType dt, int lanes)
{
    LLVMTypeRef t[] = {[DT_f32] = e->f32, [DT_f64] = e->f64, [DT_i32] = e->i32,
                       [DT_bool] = e->i1};

    return widen(t[dt], lanes);
}

LLVMTypeRef emit_mem_type(Emit *e, DType dt)
{
    return dt == DT_bool ? e->i8 : emit_type(e, dt, 1);
}

LLVMValueRef emit_int(Emit *e, int64_t x)
{
    return LLVMConstInt(e->i64, (unsigned long long)x, true);
}

LLVMValueRef emit_smaller(Emit *e, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef less = LLVMBuildICmp(e->b, LLVMIntSLT, x, y, "");

    return LLVMBuildSelect(e->b, less, x, y, "");
}

LLVMValueRef emit_larger(Emit *e, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef less = LLVMBuildICmp(e->b, LLVMIntSLT, x, y, "");

    return LLVMBuildSelect(e->b, less, y, x, "");
}

LLVMValueRef emit_splat(Emit *e, LLVMValueRef x, int lanes)
{
    LLVMTypeRef t = LLVMVectorType(LLVMTypeOf(x), (unsigned)lanes);
    LLVMTypeRef mask = LLVMVectorType(e->i32, (unsigned)lanes);
    LLVMValueRef v;

    if (lanes <= 1)
        return x;
    v = LLVMBuildInsertElement(e->b, LLVMGetPoison(t), x,
                               LLVMConstInt(e->i32, 0, false), "");
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(t),
                                  LLVMConstNull(mask), "splat");
}

LLVMValueRef emit_num(Emit *e, DType dt, int lanes, double x)
{
    LLVMTypeRef t = emit_type(e, dt, 1);
    LLVMValueRef c;

    if (dtype_real(dt))
        c = LLVMConstReal(t, dt == DT_f32 ? (float)x : x);
    else
        c = LLVMConstInt(t, dt == DT_bool ? x != 0
                                          : (unsigned long long)(int64_t)x,
                         true);
    return emit_splat(e, c, lanes);
}

/* --- index arithmetic ---------------------------------------------------- */

static bool is_int(LLVMValueRef x, int64_t c)
{
    return LLVMIsAConstantInt(x) && LLVMConstIntGetSExtValue(x) == c;
}

LLVMValueRef emit_index_add(Emit *e, LLVMValueRef x, LLVMValueRef y)
{
    if (is_int(x, 0))
        return y;
    return is_int(y, 0) ? x : LLVMBuildNSWAdd(e->b, x, y, "");
}

LLVMValueRef emit_index_mul(Emit *e, LLVMValueRef x, int64_t c)
{
    if (c == 0)
        return emit_int(e, 0);
    return c == 1 ? x : LLVMBuildNSWMul(e->b, x, emit_int(e, c), "");
}

LLVMValueRef emit_index_clamp(Emit *e, LLVMValueRef x, int64_t n)
{
    LLVMValueRef zero = emit_int(e, 0), last = emit_int(e, n > 0 ? n - 1 : 0);
    LLVMValueRef low = LLVMBuildICmp(e->b, LLVMIntSLT, x, zero, "");
    LLVMValueRef high = LLVMBuildICmp(e->b, LLVMIntSGT, x, last, "");

    x = LLVMBuildSelect(e->b, high, last, x, "");
    return LLVMBuildSelect(e->b, low, zero, x, "");
}

int emit_lane_dim(Shape s)
{
    int d = s.rank - 1;

    while (d > 0 && s.dim[d] == 1)
        d--;
    return d;
}

LLVMValueRef emit_linear(Emit *e, Shape s, const At *at)
{
    LLVMValueRef x = emit_int(e, 0);
    int64_t stride = 1;

    if (at->flat)
        return at->flat;
    for (int d = s.rank - 1; d >= 0; d--) {
        x = emit_index_add(e, emit_index_mul(e, at->i[d], stride), x);
        stride *= s.dim[d];
    }
    return x;
}

LLVMValueRef emit_address(Emit *e, LLVMValueRef base, Type t, At at)
{
    LLVMValueRef x = emit_linear(e, t.shape, &at);

    if (t.batched && at.example)
        x = emit_index_add(
            e, emit_index_mul(e, at.example, shape_size(t.shape)), x);
    return LLVMBuildGEP2(e->b, emit_mem_type(e, t.dt), base, &x, 1, "at");
}

/* --- memory -------------------------------------------------------------- */

bool emit_in_place(const Kernel *k, Val v)
{
    for (int i = 0; i < k->nread; i++)
        if (k->read[i]->val == v)
            return buffer_storage(k->read[i]) == buffer_storage(k->dst);
    return false;
}

int emit_find_read(const Kernel *k, Val v)
{
    for (int i = 0; v != k->root && i < k->nread; i++)
        if (k->read[i]->val == v)
            return i;
    return -1;
}

LLVMValueRef emit_base(KernelEmit *k, Val v)
{
    int i = emit_find_read(k->k, v);

    if (i < 0)
        internal_error("%s is not in memory where kernel \"%s\" needs it",
                       op_info[v->op].name, k->k->name);
    return k->read[i];
}

static LLVMValueRef load(KernelEmit *k, int read, At at)
{
    Emit *e = k->e;
    Type t = k->k->read[read]->type;
    LLVMTypeRef mem = widen(emit_mem_type(e, t.dt), at.lanes);
    LLVMValueRef p = emit_address(e, k->read[read], t, at), x;
    unsigned align = (unsigned)dtype_bytes(t.dt);

    if (at.mask) {
        x = compat_masked_load(e->m, e->b, mem, p, at.mask, align);
    } else {
        x = LLVMBuildLoad2(e->b, mem, p, "");
        LLVMSetAlignment(x, align);
        // Without optimization LLVM 19 makes a select of a loaded number one
        // that reads 16 bytes.
        if (at.lanes == 1 && target_opt_level(e->target) == 0)
            LLVMSetVolatile(x, true);
    }
    if (t.dt == DT_bool)
        x = LLVMBuildICmp(e->b, LLVMIntNE, x, LLVMConstNull(mem), "");
    return x;
}

static void store_to(KernelEmit *k, LLVMValueRef base, Type t, At at,
                     LLVMValueRef value)
{
    Emit *e = k->e;
    LLVMValueRef p = emit_address(e, base, t, at), s;

    if (t.dt == DT_bool)
        value = LLVMBuildZExt(e->b, value, widen(e->i8, at.lanes), "");
    s = LLVMBuildStore(e->b, value, p);
    LLVMSetAlignment(s, (unsigned)dtype_bytes(t.dt));
}

/* --- values made once ---------------------------------------------------- */

typedef struct Known Known;
struct Known {
    Known *next;
    Val v;
    At at;
    LLVMValueRef value;
};
enum { MEMO_SLOTS = 64 };
struct Memo {
    Arena *a;
    int depth;
    Known *slot[MEMO_SLOTS];
};

static bool same_at(const At *x, const At *y, int rank)
{
    if (x->example != y->example || x->flat != y->flat ||
        x->lanes != y->lanes || x->mask != y->mask)
        return false;
    for (int d = 0; !x->flat && d < rank; d++)
        if (x->i[d] != y->i[d])
            return false;
    return true;
}

static LLVMValueRef recall(struct Memo *m, Val v, const At *at)
{
    for (Known *n = m->slot[v->id % MEMO_SLOTS]; n; n = n->next)
        if (n->v == v && same_at(&n->at, at, v->type.shape.rank))
            return n->value;
    return NULL;
}

static void remember(struct Memo *m, Val v, const At *at, LLVMValueRef value)
{
    Known *n = NEW(m->a, Known);

    *n = (Known){m->slot[v->id % MEMO_SLOTS], v, *at, value};
    m->slot[v->id % MEMO_SLOTS] = n;
}

static void enter(KernelEmit *k)
{
    if (!k->memo) {
        k->memo = NEW(k->e->a, struct Memo);
        k->memo->a = arena_new();
    }
    k->memo->depth++;
}

static void leave(KernelEmit *k)
{
    if (--k->memo->depth > 0)
        return;
    arena_reset(k->memo->a);
    memset(k->memo->slot, 0, sizeof k->memo->slot);
}

void emit_forget(KernelEmit *k)
{
    if (k->memo)
        arena_free(k->memo->a);
    k->memo = NULL;
}

void emit_store(KernelEmit *k, Val root, At at, LLVMValueRef value)
{
    int n = k->k->nbeside;
    LLVMValueRef *beside = NEW_N(k->e->a, LLVMValueRef, n + 1);

    if (at.lanes < 1)
        at.lanes = 1;
    enter(k);
    remember(k->memo, root, &at, value);
    // All before the first store: dst may be what they read, in place.
    for (int i = 0; i < n; i++)
        beside[i] = emit_value(k, k->k->beside[i]->val, at);
    leave(k);
    store_to(k, k->dst, root->type, at, value);
    for (int i = 0; i < n; i++)
        store_to(k, k->beside[i], k->k->beside[i]->val->type, at, beside[i]);
}

/* --- any value ----------------------------------------------------------- */

/* A shared scalar wanted where elements are numbered flat. */
static bool is_uniform(Val v, const At *at)
{
    return at->flat && shape_size(v->type.shape) == 1 &&
           (at->example || !v->type.batched);
}

LLVMValueRef emit_uniform(KernelEmit *k, Val v, At at)
{
    int lanes = at.lanes;

    for (int d = 0; d < v->type.shape.rank; d++)
        at.i[d] = emit_int(k->e, 0);
    at.flat = at.mask = NULL;
    at.lanes = 1;
    return emit_splat(k->e, emit_value(k, v, at), lanes);
}

/* The number of the element along dim 0, as i32. */
static LLVMValueRef place_number(KernelEmit *k, At at)
{
    Emit *e = k->e;
    LLVMValueRef i = at.flat ? at.flat : at.i[0];
    LLVMValueRef lane[64];

    i = emit_splat(e, LLVMBuildTrunc(e->b, i, e->i32, ""), at.lanes);
    if (at.lanes <= 1)
        return i;
    for (int l = 0; l < at.lanes; l++)
        lane[l] = LLVMConstInt(e->i32, (unsigned)l, false);
    return LLVMBuildAdd(e->b, i, LLVMConstVector(lane, (unsigned)at.lanes),
                        "iota");
}

static LLVMValueRef emit_map_op(KernelEmit *k, Val v, At at)
{
    LLVMValueRef x[3];

    if (v->op == OP_iota)
        x[0] = place_number(k, at);
    for (int i = 0; i < v->nsrc; i++)
        x[i] = emit_value(k, v->src[i], at);
    return emit_point(k->e, v, x, at.lanes);
}

static LLVMValueRef compute(KernelEmit *k, Val v, At at)
{
    Emit *e = k->e;

    switch (op_info[v->op].lower) {
    case LOWER_MAP:
        return emit_map_op(k, v, at);
    case LOWER_VIEW:
        return emit_view(k, v, at);
    default:
        break;
    }
    if (v->op == OP_const)
        return emit_num(e, v->type.dt, at.lanes, v->attr.f);
    if (v->op == OP_batch_size)
        return emit_splat(e, LLVMBuildTrunc(e->b, k->n, e->i32, ""), at.lanes);
    internal_error("kernel \"%s\" meets %s, which has no buffer",
                   k->k->name, op_info[v->op].name);
}

LLVMValueRef emit_value(KernelEmit *k, Val v, At at)
{
    LLVMValueRef x;
    int read;

    if (at.lanes <= 1) {
        at.lanes = 1;
        at.mask = NULL;
    }
    if (k->core && v == k->k->core)
        return k->core;
    if (is_uniform(v, &at))
        return emit_uniform(k, v, at);
    enter(k);
    x = recall(k->memo, v, &at);
    if (!x) {
        read = emit_find_read(k->k, v);
        x = read >= 0 ? load(k, read, at) : compute(k, v, at);
        remember(k->memo, v, &at, x);
    }
    leave(k);
    return x;
}
