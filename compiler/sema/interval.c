/*
 * interval.c -- between which bounds a value lies.
 *
 * One rule for each op, asked for on demand. For warnings a bound is worth
 * something only if it is reached: of an op on two values that have something
 * in common, as in x * x - x, nothing is known to be.
 */
#include "sema/interval.h"

#include <math.h>
#include <string.h>

enum { DEEP = 200, APARTS_MAX = 200 };

struct Intervals {
    Elab *e;
    Arena *tmp;
    Interval *at; // by node id
    bool *known;
    uint32_t n;
    int depth, aparts;
};

Intervals *intervals_new(Elab *e, Arena *tmp)
{
    Intervals *t = NEW(tmp, Intervals);

    t->e = e;
    t->tmp = tmp;
    t->n = graph_nnodes(e->g) + 1;
    t->at = NEW_N(tmp, Interval, t->n);
    t->known = NEW_N(tmp, bool, t->n);
    return t;
}

Val unmoved(Val v)
{
    while ((op_info[v->op].lower == LOWER_VIEW && v->op != OP_pad &&
            v->op != OP_concat) || v->op == OP_stop_gradient ||
           (v->op == OP_cast && dtype_real(v->src[0]->type.dt)))
        v = v->src[0];
    return v;
}

/* The same for what leaves each element where it is, or copies it. */
static Val in_place(Val v)
{
    while (v->op == OP_spread || v->op == OP_broadcast ||
           v->op == OP_stop_gradient ||
           (v->op == OP_cast && dtype_real(v->src[0]->type.dt)))
        v = v->src[0];
    return v;
}

/* --- what two values have in common -------------------------------------- */

static bool varies(Val v)
{
    return v->op == OP_input || v->op == OP_loopvar ||
           op_info[v->op].attr == ATTR_RAND;
}

/* Marks what v is computed from in a first pass; stops at a mark of `other`:
 * false. */
static bool mark(Arena *tmp, Val v, bool *seen, const bool *other)
{
    VEC(Val) todo = {0};

    VEC_PUSH(tmp, &todo, v);
    while (todo.n) {
        v = todo.at[--todo.n];
        const Loop *l = v->op == OP_loop || v->op == OP_loopvar ? v->attr.loop
                                                                : NULL;
        const Val *more = l && v->op == OP_loop ? l->next : l ? l->init : NULL;
        if (seen[v->id])
            continue;
        seen[v->id] = true;
        if (other && varies(v) && other[v->id])
            return false;
        for (int k = 0; k < v->nsrc; k++)
            VEC_PUSH(tmp, &todo, v->src[k]);
        for (int k = 0; more && k < l->n; k++)
            VEC_PUSH(tmp, &todo, more[k]);
    }
    return true;
}

/* Do x and y depend on nothing both? */
static bool apart(Intervals *t, Val x, Val y)
{
    if (t->aparts++ >= APARTS_MAX)
        return false;
    Arena *tmp = arena_new();
    bool *of_x = NEW_N(tmp, bool, t->n), *of_y = NEW_N(tmp, bool, t->n);
    bool nothing = mark(tmp, x, of_x, NULL) && mark(tmp, y, of_y, of_x);
    arena_free(tmp);
    return nothing;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sign(double x)
{
    return (x > 0) - (x < 0);
}

static double elements(Val v)
{
    return (double)shape_size(v->type.shape);
}

static Interval two(Intervals *t, Val v, Interval x, Interval y)
{
    bool same = v->src[0] == v->src[1];
    bool free = iv_is_point(&x) || iv_is_point(&y);
    Interval r;

    switch (v->op) {
    case OP_add:
        r = iv_sum_of(x, y);
        break;
    case OP_sub:
        r = iv_sum_of(x, iv_negated(y));
        break;
    case OP_mul:
        if (same)
            return iv_squared(x);
        r = iv_product(x, y);
        break;
    case OP_div:
        r = iv_product(x, iv_reciprocal(y));
        break;
    case OP_max:
        r = iv_larger(x, y);
        break;
    case OP_min:
        r = iv_negated(iv_larger(iv_negated(x), iv_negated(y)));
        break;
    default:
        return iv_is_point(&y) ? iv_to_the(x, y.lo.at) : iv_anything();
    }
    if (isnan(r.lo.at) || isnan(r.hi.at))
        return iv_anything();
    return free || (!same && apart(t, v->src[0], v->src[1])) ? r
                                                             : iv_unreached(r);
}

/* --- choices ------------------------------------------------------------- */

/* The operand of the condition "s OP c" when it is `outcome`; false: that
 * cannot happen, as far as is known. */
static bool given_outcome(Intervals *t, Val c, bool outcome, Val *s,
                          Interval *in)
{
    Interval x, y;

    if (c->op != OP_lt && c->op != OP_le && c->op != OP_eq && c->op != OP_ne)
        return false;
    x = interval_of(t, c->src[0]);
    y = interval_of(t, c->src[1]);
    bool flip = iv_is_point(&x);
    if (!flip && !iv_is_point(&y))
        return false;
    double limit = flip ? x.lo.at : y.lo.at;
    *s = in_place(c->src[flip]);
    *in = flip ? y : x;
    if (c->op == OP_lt || c->op == OP_le)
        return iv_cut(in, limit, flip == outcome, (c->op == OP_le) == outcome);
    if ((c->op == OP_eq) == outcome) {
        bool at = in->lo.at == limit && in->lo.hit && !in->lo.open;
        *in = iv_point(limit);
        return at;
    }
    in->lo.open = in->lo.open || in->lo.at == limit;
    in->hi.open = in->hi.open || in->hi.at == limit;
    if (in->lo.at < limit && limit < in->hi.at)
        *in = iv_unreached(*in);
    return true;
}

static Interval branch(Intervals *t, Val v, int k)
{
    Interval x = interval_of(t, v->src[k]), in;
    Val s = NULL;
    bool happens = given_outcome(t, in_place(v->src[0]), k == 1, &s, &in);

    if (s && s == in_place(v->src[k]))
        x = in;
    else if (!happens || !iv_is_point(&x) ||
             !(in.lo.hit || in.hi.hit))
        x = iv_unreached(x);
    return x;
}

/* --- leaves -------------------------------------------------------------- */

static bool is_weight(Intervals *t, Val v)
{
    Elab *e = t->e;
    int var;

    v = unmoved(v);
    if (v->op != OP_input || v->attr.i[0] != INPUT_VAR)
        return false;
    var = var_find(e, v->attr.s);
    return var >= 0 && e->u->var.at[var].is_param;
}

static Interval field_interval(const Elab *e, Val v)
{
    const char *name = intern_n(v->attr.s, strcspn(v->attr.s, "@"));

    for (int i = 0; i < e->u->data.n; i++)
        for (int k = 0; k < e->u->data.at[i].nfield; k++) {
            const FieldDecl *f = &e->u->data.at[i].field[k];
            if (f->name != name ||
                !shape_eq(f->type.shape, v->type.shape))
                continue;
            if (f->nclass)
                return iv_between(0, (double)f->nclass - 1, HIT_ALL, false);
            if (isfinite(f->lo) && isfinite(f->hi))
                return iv_between(f->lo, f->hi, HIT_ALL, true);
        }
    return iv_anything();
}

static Interval clock_interval(Val v)
{
    if (strcmp(v->attr.s, "progress") == 0)
        return (Interval){{0, false, HIT_ALL}, {1, true, HIT_ALL}, true};
    if (strcmp(v->attr.s, "epochs") == 0 ||
        strcmp(v->attr.s, "steps_per_epoch") == 0)
        return iv_between(1, INFINITY, HIT_ALL, false);
    return iv_between(0, INFINITY, HIT_ALL, false);
}

static Interval input_interval(Intervals *t, Val v)
{
    switch ((InputKind)v->attr.i[0]) {
    case INPUT_FIELD:
        return field_interval(t->e, v);
    case INPUT_CLOCK:
        return clock_interval(v);
    case INPUT_VAR:
        return is_weight(t, v) ? iv_any_sign() : iv_anything();
    default:
        for (int k = 0; k < t->e->u->option.n; k++) {
            const OptionDecl *o = &t->e->u->option.at[k];
            if (o->name == v->attr.s && isfinite(o->lo) && isfinite(o->hi))
                return iv_between(o->lo, o->hi, HIT_ALL, o->kind == OPT_REAL);
        }
        return iv_anything();
    }
}

static Interval loopvar_interval(Intervals *t, Val v)
{
    int64_t k = v->attr.i[0];

    return k < 0 ? iv_between(0, INFINITY, HIT_ALL, false)
                 : interval_of(t, v->attr.loop->init[k]);
}

/* Where f has a value all over x. */
static Interval rising_from(double lo, Interval x, double (*f)(double))
{
    return x.lo.at < lo ? iv_anything() : iv_rising(x, f);
}

/* --- the rules ----------------------------------------------------------- */

static Interval of_one(Intervals *t, Val v)
{
    Interval x = interval_of(t, v->src[0]);

    switch (v->op) {
    case OP_neg:          return iv_negated(x);
    case OP_abs:          return iv_magnitude(x);
    case OP_sign:         x.dense = false; return iv_rising(x, sign);
    case OP_exp:          return iv_rising(x, exp);
    case OP_expm1:        return iv_rising(x, expm1);
    case OP_log:          return rising_from(0, x, log);
    case OP_log1p:        return rising_from(-1, x, log1p);
    case OP_sqrt:         return rising_from(0, x, sqrt);
    case OP_tanh:         return iv_rising(x, tanh);
    case OP_sigmoid:      return iv_rising(x, sigmoid);
    case OP_softplus:     return iv_rising(x, softplus);
    case OP_erf:          return iv_rising(x, erf);
    case OP_sin:
    case OP_cos:          return iv_between(-1, 1, HIT_NONE, false);
    case OP_relu:         return iv_larger(x, iv_point(0));
    case OP_spread:
    case OP_broadcast:
    case OP_reshape:
    case OP_transpose:
    case OP_reverse:
    case OP_sort:
    case OP_stop_gradient: return x;
    case OP_cast:
        return v->src[0]->type.dt == DT_bool
                   ? iv_between(0, 1, HIT_NONE, false)
               : dtype_real(v->type.dt) ? x : iv_anything();
    case OP_slice:
    case OP_max_pool:
    case OP_max_reduce:
    case OP_min_reduce:
    case OP_batch_max:    return iv_part(x);
    case OP_sum:
        return iv_summed(x, elements(v->src[0]) / elements(v));
    case OP_batch_sum:    // of one example or more
        if (x.lo.at < 0)
            return iv_anything();
        x.lo = iv_part(x).lo;
        x.hi = iv_anything().hi;
        return x;
    case OP_pad:          return iv_framed(x, v->attr.f);
    default:
        return iv_anything();
    }
}

static Interval contraction(Intervals *t, Val v)
{
    if (is_weight(t, v->src[0]) || is_weight(t, v->src[1]))
        return iv_any_sign();
    if (v->op == OP_dot && v->src[0] == v->src[1] && v->type.shape.rank == 0)
        return iv_squared(interval_of(t, v->src[0])).lo.hit
                   ? iv_between(0, INFINITY, HIT_ALL, true) : iv_anything();
    return iv_anything();
}

static Interval rule(Intervals *t, Val v)
{
    switch (v->op) {
    case OP_const:
        return iv_point(v->attr.f);
    case OP_input:
        return input_interval(t, v);
    case OP_loopvar:
        return loopvar_interval(t, v);
    case OP_iota:
        return iv_between(0, elements(v) - 1, HIT_SOME, false);
    case OP_batch_size:
        return iv_between(1, INFINITY, HIT_ALL, false);
    case OP_uniform:
        return (Interval){{0, false, HIT_ALL}, {1, true, HIT_ALL}, true};
    case OP_normal:
        return iv_any_sign();
    case OP_grad: // exactly 0 wherever the loss is flat
        return iv_between(-INFINITY, INFINITY, HIT_ALL, true);
    case OP_add: case OP_sub: case OP_mul: case OP_div: case OP_max:
    case OP_min: case OP_pow:
        return two(t, v, interval_of(t, v->src[0]), interval_of(t, v->src[1]));
    case OP_select:
        return iv_hull(branch(t, v, 1), branch(t, v, 2));
    case OP_take:
        return iv_part(interval_of(t, v->src[0]));
    case OP_dot:
    case OP_conv:
        return contraction(t, v);
    default:
        return v->nsrc == 1 ? of_one(t, v) : iv_anything();
    }
}

Interval interval_of(Intervals *t, Val v)
{
    if (t->known[v->id])
        return t->at[v->id];
    if (t->depth > DEEP || v->type.dt == DT_bool)
        return iv_anything();
    t->depth++;
    t->at[v->id] = rule(t, v);
    t->depth--;
    t->known[v->id] = true;
    return t->at[v->id];
}

static bool is_field(Val v)
{
    v = unmoved(v);
    return v->op == OP_input && v->attr.i[0] == INPUT_FIELD;
}

bool interval_reaches(Intervals *t, Val v, double c)
{
    Interval x = interval_of(t, v);

    if ((x.lo.at == c && !x.lo.open && x.lo.hit) ||
        (x.hi.at == c && !x.hi.open && x.hi.hit))
        return true;
    return is_field(v) && x.dense && x.lo.at < c && c < x.hi.at && x.lo.hit;
}
