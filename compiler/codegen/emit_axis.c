/*
 * emit_axis.c -- sort, argsort and cumsum along one dim.
 *
 * Sorting counts: the place of x[k] in ascending order is the number of
 * elements that come before it, NaN last, equal ones in their order. That is
 * n^2 comparisons without a branch, right for the tens or hundreds of classes
 * it is used on.
 */
#include "codegen/nest.h"

static int axis_of(const Nest *n)
{
    return (int)n->core->attr.i[0];
}

static V value_at(Nest *n, V k)
{
    At at = n->at;

    at.i[axis_of(n)] = k;
    return emit_value(n->k, n->core->src[0], at);
}

static void store_at(Nest *n, V k, V x)
{
    V here = n->at.i[axis_of(n)];

    n->at.i[axis_of(n)] = k;
    nest_store(n, x);
    n->at.i[axis_of(n)] = here;
}

/* Does element j (value y) come before element k (value x)? */
static V comes_before(Nest *n, V y, V j, V x, V k)
{
    LLVMBuilderRef b = n->e->b;
    DType dt = n->core->src[0]->type.dt;
    V less = emit_beats(n->e, dt, x, y, true);
    V more = emit_beats(n->e, dt, y, x, true);
    V first = LLVMBuildICmp(b, LLVMIntSLT, j, k, "");
    V tie = LLVMBuildAnd(b, LLVMBuildNot(b, more, ""), first, "");

    return LLVMBuildOr(b, less, tie, "");
}

static void sort_line(Nest *n)
{
    Emit *e = n->e;
    V zero = nest_int(n, 0), size = nest_int(n, n->out.dim[axis_of(n)]), x;
    EmitLoop k = nest_loop(n, zero, size, "k"), j;
    V before;

    x = value_at(n, k.i);
    j = nest_loop(n, zero, size, "j");
    emit_loop_carry(e, &j, zero);
    before = comes_before(n, value_at(n, j.i), j.i, x, k.i);
    before = LLVMBuildZExt(e->b, before, e->i64, "");
    emit_loop_next(&j, 0, LLVMBuildAdd(e->b, j.carry[0], before, ""));
    emit_loop_end(e, &j);
    if (n->core->op == OP_argsort)
        x = LLVMBuildTrunc(e->b, k.i, e->i32, "");
    store_at(n, j.carry[0], x);
    emit_loop_end(e, &k);
}

static void sum_line(Nest *n)
{
    Emit *e = n->e;
    DType dt = n->core->type.dt;
    EmitLoop k = nest_loop(n, nest_int(n, 0),
                           nest_int(n, n->out.dim[axis_of(n)]), "k");
    V x;

    emit_loop_carry(e, &k, emit_num(e, dt, n->at.lanes, 0));
    x = emit_merge(e, OP_sum, dt, k.carry[0], value_at(n, k.i));
    store_at(n, k.i, x);
    emit_loop_next(&k, 0, x);
    emit_loop_end(e, &k);
}

static void vectors(Nest *n)
{
    int last = n->out.rank - 1;

    nest_lanes(n, last, n->out.dim[last], n->core->type.dt, sum_line);
}

void nest_axis(Nest *n)
{
    Shape others = n->out;
    int last = others.rank - 1;

    others.dim[axis_of(n)] = 1;
    if (n->core->op == OP_cumsum && axis_of(n) < last && others.dim[last] > 1)
        nest_dims(n, others, 0, last, vectors);
    else
        nest_dims(n, others, 0, others.rank,
                  n->core->op == OP_cumsum ? sum_line : sort_line);
}
