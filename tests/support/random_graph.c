/*
 * random_graph.c -- random functions: the pool of values, loops, inputs.
 */
#include "support/random_pool.h"

#include <string.h>

/* ---- choices ---- */

int64_t gen_int(Gen *r, int64_t lo, int64_t hi)
{
    return dice_int(&r->dice, lo, hi);
}

bool gen_chance(Gen *r, int percent)
{
    return gen_int(r, 0, 99) < percent;
}

/* Mostly small; sometimes a whole vector and a rest. */
int64_t gen_dim(Gen *r)
{
    static const int64_t dim[] = {1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33};

    return dim[gen_int(r, 0, ARRAY_LEN(dim) - 1)];
}

Shape gen_shape(Gen *r, int rank_lo, int rank_hi)
{
    Shape s = {.rank = (int)gen_int(r, rank_lo, rank_hi)};

    do
        for (int k = 0; k < s.rank; k++)
            s.dim[k] = gen_dim(r);
    while (shape_size(s) > SIZE_MAX_ELEMS / 4);
    return s;
}

/* ---- the pool ---- */

bool fits_real(Gen *r, const Known *k, Type want)
{
    (void)want;
    return k->v->type.dt == r->real;
}

bool fits_int(Gen *r, const Known *k, Type want)
{
    (void)r, (void)want;
    return k->v->type.dt == DT_i32;
}

bool fits_number(Gen *r, const Known *k, Type want)
{
    return fits_real(r, k, want) || fits_int(r, k, want);
}

bool fits_exact_real(Gen *r, const Known *k, Type want)
{
    return k->exact && fits_real(r, k, want);
}

bool fits_like(Gen *r, const Known *k, Type want)
{
    (void)r;
    return k->v->type.dt == want.dt && shape_eq(k->v->type.shape, want.shape);
}

bool fits_exact_like(Gen *r, const Known *k, Type want)
{
    return k->exact && fits_like(r, k, want);
}

Known gen_pick(Gen *r, Fits *fits, Type want)
{
    int n = 0;

    for (int k = 0; k < r->pool.n; k++)
        n += fits(r, &r->pool.at[k], want);
    if (!n)
        return (Known){.v = NULL};
    // The later ones more often, so that chains grow.
    int64_t nth = gen_int(r, 0, n - 1);
    if (gen_chance(r, 50))
        nth = gen_int(r, nth, n - 1);
    for (int k = 0;; k++)
        if (fits(r, &r->pool.at[k], want) && nth-- == 0)
            return r->pool.at[k];
}

/* Fields and variables, or else options and what a clock shows. */
static Val input_of(Gen *r, Type t)
{
    bool scalar = t.shape.rank == 0;
    const char *name = internf("%c%d", t.batched ? 'x' : 'w', r->ninput++);

    if (scalar && t.batched && t.dt == DT_i32 && gen_chance(r, 30))
        return ir_input(r->g, INPUT_CLOCK, intern("index"), t);
    if (scalar && !t.batched && gen_chance(r, 30))
        return ir_input(r->g, INPUT_OPTION, name, t);
    if (scalar && !t.batched && t.dt == DT_i32 && gen_chance(r, 30))
        return ir_input(r->g, INPUT_CLOCK, intern("step"), t);
    return ir_input(r->g, t.batched ? INPUT_FIELD : INPUT_VAR, name, t);
}

Known gen_input(Gen *r, Type t)
{
    Known k = {.size = 1.15, .bound = 2, .exact = true};

    if (t.dt == DT_i32)
        k.size = k.bound = 5;
    k.v = input_of(r, t);
    if (k.v->attr.i[0] == INPUT_CLOCK)
        k.size = k.bound = 20;
    VEC_PUSH(r->a, &r->pool, k);
    return k;
}

Known gen_const(Gen *r, DType dt, double f, Shape s)
{
    Known k = {.size = fabs(f), .bound = fabs(f), .exact = true};

    k.v = ir_fill(r->g, dt, f, s);
    return k;
}

static bool fits_tail(Gen *r, const Known *k, Type want)
{
    Shape s = k->v->type.shape;

    (void)r;
    if (k->v->type.dt != want.dt || s.rank >= want.shape.rank)
        return false;
    for (int j = 1; j <= s.rank; j++)
        if (s.dim[s.rank - j] != want.shape.dim[want.shape.rank - j])
            return false;
    return true;
}

static bool fits_exact_tail(Gen *r, const Known *k, Type want)
{
    return k->exact && fits_tail(r, k, want);
}

Known gen_like(Gen *r, Type t, bool exact)
{
    Known k = {.v = NULL};

    if (gen_chance(r, 80))
        k = gen_pick(r, exact ? fits_exact_like : fits_like, t);
    if (!k.v && gen_chance(r, 60)) {
        k = gen_pick(r, exact ? fits_exact_tail : fits_tail, t);
        if (k.v)
            k.v = ir_broadcast_to(r->g, k.v, t.shape);
    }
    if (k.v)
        return k;
    return gen_input(r, type_of(t.dt, gen_chance(r, 60), t.shape));
}

Known gen_squash(Gen *r, Known x)
{
    x.v = ir_op1(r->g, OP_tanh, x.v);
    x.size = x.size < 0.8 ? x.size : 0.8;
    x.bound = 1;
    x.err += 1;
    x.exact = false;
    return x;
}

Known gen_positive(Gen *r, Known x)
{
    Known half = gen_const(r, x.v->type.dt, 0.5, x.v->type.shape);

    x.v = ir_add(r->g, ir_abs(r->g, x.v), half.v);
    x.size += 0.5;
    x.bound += 0.5;
    x.err += 1;
    x.exact = false;
    return x;
}

/* Times a power of two, which rounds nothing. */
static Known scale(Gen *r, Known x, int power)
{
    double f = ldexp(1, power);

    x.v = ir_mul(r->g, x.v,
                 gen_const(r, x.v->type.dt, f, x.v->type.shape).v);
    x.size *= f;
    x.bound *= f;
    x.err *= f;
    return x;
}

bool gen_keep(Gen *r, Known k)
{
    if (shape_size(k.v->type.shape) > SIZE_MAX_ELEMS)
        return false;
    if (k.v->type.dt == DT_i32 && k.bound > 500) {
        Val c = gen_const(r, DT_i32, (double)gen_int(r, 3, 20),
                          k.v->type.shape).v;
        k.v = ir_op2(r->g, OP_mod, k.v, c);
        k.size = k.bound = 20;
    }
    if (dtype_real(k.v->type.dt)) {
        if (k.bound > 60)
            k = gen_squash(r, k);
        if (k.size > 3 || k.size < 0.2) {
            int power = -(int)floor(log2(k.size > 1e-6 ? k.size : 1e-6));
            k = scale(r, k, power < -8 ? -8 : power > 8 ? 8 : power);
        }
        if (k.err > ERR_MAX)
            return false;
    }
    VEC_PUSH(r->a, &r->pool, k);
    return true;
}

/* ---- functions ---- */

static void first_inputs(Gen *r)
{
    Shape small = gen_shape(r, 1, 2);
    Shape image = shape_of(3, gen_int(r, 3, 9), gen_int(r, 3, 9),
                           gen_int(r, 1, 4));

    gen_input(r, type_of(r->real, true, small));
    gen_input(r, type_of(r->real, false, small));
    gen_input(r, type_of(r->real, true, image));
    gen_input(r, type_of(r->real, false, shape_of(0)));
    gen_input(r, type_of(r->real, true, gen_shape(r, 1, 3)));
    gen_input(r, type_of(DT_i32, gen_chance(r, 50), gen_shape(r, 0, 1)));
}

static void add_output(Gen *r, Func *f, Val v)
{
    f->out_name[f->nout] = arena_printf(r->a, "y%d", f->nout);
    f->out[f->nout++] = v;
}

/* Outputs: what nothing uses, the latest first, at most eight; and sometimes
 * anything: an input, a value in use, one twice. */
static void choose_outputs(Gen *r, Func *f)
{
    Val *all = NEW_N(r->a, Val, r->pool.n);

    for (int k = 0; k < r->pool.n; k++)
        all[k] = r->pool.at[k].v;
    int *uses = ir_uses(r->a, r->g, all, r->pool.n);
    f->out = NEW_N(r->a, Val, 8);
    f->out_name = NEW_N(r->a, const char *, 8);
    for (int k = r->pool.n - 1; k >= 0 && f->nout < 8; k--) {
        if (uses[all[k]->id] > 1 || all[k]->op == OP_input)
            continue;
        add_output(r, f, all[k]);
    }
    while (f->nout < 8 && gen_chance(r, 15))
        add_output(r, f, all[gen_int(r, 0, r->pool.n - 1)]);
}

static Op any_op(Gen *r)
{
    return (Op)gen_int(r, 0, OP_COUNT - 1);
}

Func *random_func_of(Arena *a, uint64_t seed, int nops, DType real)
{
    Gen r = {.a = a, .g = graph_new(a), .real = real, .dice = {seed}};
    Func *f = NEW(a, Func);
    int made = 0;

    first_inputs(&r);
    for (int tries = 0; made < nops && tries < 20 * nops; tries++)
        made += gen_chance(&r, 6)   ? gen_loop(&r)
                : gen_chance(&r, 4) ? gen_op(&r, OP_dot)
                                    : gen_op(&r, any_op(&r));
    f->name = arena_printf(a, "random%llu", (unsigned long long)seed);
    f->g = r.g;
    choose_outputs(&r, f);
    return f;
}

Func *random_func(Arena *a, uint64_t seed, int nops)
{
    return random_func_of(a, seed, nops, DT_f32);
}

static double wild_element(Dice *d)
{
    static const double wild[] = {NAN, INFINITY, -INFINITY, -0.0, 0, 1};

    return wild[dice_int(d, 0, ARRAY_LEN(wild) - 1)];
}

static double input_element(Dice *d, DType dt, bool wild)
{
    if (wild && dtype_real(dt) && dice_int(d, 0, 19) == 0)
        return wild_element(d);
    switch (dt) {
    case DT_i32:
        return (double)dice_int(d, -2, 5);
    case DT_bool:
        return (double)dice_int(d, 0, 1);
    default:
        return (float)dice_real(d, -2, 2);
    }
}

void random_input(void *data, Val input, Tensor *t)
{
    const RandomData *r = data;
    int64_t n = shape_size(t->type.shape);
    bool number = input->attr.i[0] == INPUT_CLOCK && t->type.batched;

    for (int64_t b = 0; b < t->batch; b++) {
        Dice d = {.state = r->seed};
        for (const char *s = input->attr.s; *s; s++)
            d.state = dice_bits(&d) + (uint64_t)*s;
        if (t->type.batched)
            d.state += 1 + (uint64_t)(r->index ? r->index[b] : b);
        d.state = dice_bits(&d);
        for (int64_t k = 0; k < n; k++)
            t->at[b * n + k] = number ? (double)(r->index ? r->index[b] : b)
                                      : input_element(&d, t->type.dt,
                                                      r->wild);
    }
}

Tol random_tol(DType dt)
{
    double t = dt == DT_f32 ? 2e-5 : dt == DT_f64 ? 1e-11 : 0;

    return (Tol){t, t};
}
