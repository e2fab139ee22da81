/*
 * random_loop.c -- loops in random functions, and what their variables do:
 * new values, one another's places, puts into themselves, whole numbers.
 */
#include "support/random_pool.h"

enum { VARS = 3 };

static bool fits_next(Gen *r, const Known *k, Type want)
{
    return fits_like(r, k, want) && (want.batched || !k->v->type.batched);
}

static Known half(Gen *r, Known k)
{
    k.v = ir_mul(r->g, k.v, gen_const(r, r->real, 0.5, k.v->type.shape).v);
    return k;
}

/* var with a few elements written over, or else a new value: no larger than
 * 1, its error damped. */
static Val put_into(Gen *r, Known var)
{
    Shape s = var.v->type.shape;
    Type row = {.dt = var.v->type.dt};

    for (int k = 1; k < s.rank; k++)
        row.shape.dim[row.shape.rank++] = s.dim[k];
    Known v = gen_pick(r, fits_next, row);
    Known i = gen_pick(r, fits_next, type_of(DT_i32, false, shape_of(0)));
    if (row.dt == DT_i32 && s.rank == 1 && gen_chance(r, 40)) {
        i = var; // the places are what is written over
        v = gen_pick(r, fits_next, var.v->type);
    }
    if (!v.v || !i.v)
        return var.v;
    if (row.dt != DT_i32)
        v = half(r, gen_squash(r, v));
    return ir_op3(r->g, OP_put, var.v, i.v, v.v);
}

/* The elements of x in another order along one dim. */
static Val moved(Gen *r, Val x)
{
    Shape s = x->type.shape;
    int64_t from[RANK_MAX] = {0}, cut[RANK_MAX], end[RANK_MAX];
    int axis = (int)gen_int(r, 0, s.rank - 1);

    if (s.dim[axis] == 1)
        return x;
    if (gen_chance(r, 30))
        return ir_reverse(r->g, x, &axis, 1);
    if (gen_chance(r, 30)) {
        Val i = ir_reverse(r->g, ir_iota(r->g, s.dim[0]), (int[]){0}, 1);
        return ir_op2(r->g, OP_take, x, i);
    }
    for (int k = 0; k < s.rank; k++)
        cut[k] = end[k] = s.dim[k];
    cut[axis] = gen_int(r, 1, s.dim[axis] - 1);
    Val head = ir_slice(r->g, x, from, cut, NULL);
    from[axis] = cut[axis];
    Val tail = ir_slice(r->g, x, from, end, NULL);
    return ir_concat(r->g, (Val[]){tail, head}, 2, axis);
}

static Val next_real(Gen *r, Known var)
{
    Known k = gen_pick(r, fits_next, var.v->type);

    if (var.v->type.shape.rank && gen_chance(r, 30))
        return put_into(r, var);
    if (!k.v || gen_chance(r, 20))
        k = var;
    if (k.v->type.shape.rank && gen_chance(r, 30))
        k.v = moved(r, k.v);
    return half(r, gen_squash(r, k)).v;
}

/* The next value, of the variable's type but perhaps shared. */
static Val next_value(Gen *r, const Known *var, int n, int k)
{
    Type t = var[k].v->type;
    int j = (int)gen_int(r, 0, n - 1);

    if (gen_chance(r, 20) && type_eq(var[j].v->type, t))
        return var[j].v;
    if (dtype_real(t.dt))
        return next_real(r, var[k]);
    Known next = gen_pick(r, fits_next, t);
    if (t.shape.rank && gen_chance(r, 40))
        return put_into(r, var[k]);
    Val x = ir_add(r->g, next.v ? next.v : var[k].v, var[k].v);
    return ir_op2(r->g, OP_mod, x, gen_const(r, DT_i32, 5, t.shape).v);
}

/* Variables that may exchange their values start alike. */
static Known start_value(Gen *r, const Known *init, int k)
{
    Known x = k && gen_chance(r, 50)
                  ? gen_pick(r, fits_like, init[0].v->type)
                  : gen_pick(r, fits_number, (Type){0});

    if (dtype_real(x.v->type.dt))
        return gen_squash(r, x);
    x.v = ir_op2(r->g, OP_mod, x.v,
                 gen_const(r, DT_i32, 5, x.v->type.shape).v);
    return x;
}

static Known variable(Val v, bool after)
{
    if (v->type.dt == DT_i32)
        return (Known){v, 4, 4, 0, true};
    return after ? (Known){v, 0.4, 1, 60, false}
                 : (Known){v, 0.7, 1, 20, false};
}

static Val count_of(Gen *r)
{
    if (gen_chance(r, 50))
        return ir_const(r->g, DT_i32, (double)gen_int(r, 0, 4));
    return ir_input(r->g, INPUT_OPTION, "n",
                    type_of(DT_i32, false, shape_of(0)));
}

/* What was made in the body stays there. */
static void forget_body(Gen *r, const Loop *l, int before)
{
    int kept = before;

    for (int k = before; k < r->pool.n; k++)
        if (!ir_inside(r->pool.at[k].v, l))
            r->pool.at[kept++] = r->pool.at[k];
    r->pool.n = kept;
}

/* A variable that ends the loop once a shared whole number says so. */
static void add_end(Gen *r, Val *start, Type *type)
{
    *start = ir_const(r->g, DT_bool, gen_chance(r, 10));
    *type = (*start)->type;
}

static Val next_end(Gen *r, const Loop *l)
{
    Known x = gen_pick(r, fits_next, l->index->type);

    return ir_le(r->g, ir_const(r->g, DT_i32, (double)gen_int(r, 0, 3)),
                 x.v ? x.v : l->index);
}

bool gen_loop(Gen *r)
{
    Known init[VARS], var[VARS];
    Val start[VARS + 1], next[VARS + 1];
    Type type[VARS + 1];
    int n = (int)gen_int(r, 1, VARS), before = r->pool.n;
    bool ends = gen_chance(r, 30);

    if (r->depth == 2)
        return false;
    for (int k = 0; k < n; k++) {
        init[k] = start_value(r, init, k);
        start[k] = init[k].v;
        type[k] = start[k]->type;
        type[k].batched = type[k].batched || gen_chance(r, 30);
        if (k && gen_chance(r, 50) && shape_eq(type[0].shape, type[k].shape))
            type[k].batched = type[0].batched || type[k].batched;
    }
    if (ends)
        add_end(r, &start[n], &type[n]);
    Loop *l = ir_loop_open(r->g, count_of(r), start, n + ends, type,
                           ++r->depth, (Span){0});
    l->until = ends ? n : -1;
    VEC_PUSH(r->a, &r->pool, ((Known){l->index, 2, 4, 0, true}));
    for (int k = 0; k < n; k++) {
        var[k] = variable(l->var[k], false);
        VEC_PUSH(r->a, &r->pool, var[k]);
    }
    int body = (int)gen_int(r, 2, gen_chance(r, 50) ? 6 : 14);
    for (int tries = 0; body > 0 && tries < 40; tries++)
        body -= gen_op(r, (Op)gen_int(r, 0, OP_COUNT - 1));
    for (int k = 0; k < n; k++)
        next[k] = next_value(r, var, n, k);
    if (ends)
        next[n] = next_end(r, l);
    Val loop = ir_loop_close(r->g, l, next);
    r->depth--;
    forget_body(r, l, before);
    for (int k = 0; k < n; k++)
        gen_keep(r, variable(ir_proj(r->g, loop, k), true));
    return true;
}
