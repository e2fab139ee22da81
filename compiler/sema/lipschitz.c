/*
 * lipschitz.c -- |f(x) - f(y)| <= L |x - y|, L from the operations of f.
 *
 * L of an operation is made of that of its sources: a sum adds them up, a
 * convolution or product with a parameter multiplies by its spectral norm (a
 * convolution of R x S taps has at most sqrt(R S) times the norm of its matrix
 * [O, C R S]; Singla & Feizi 2021), a scale by its largest element, relu and
 * its kin by 1. Normalizing, d / sqrt(mean(d^2) + eps), has slopes of at most
 * 1 / sqrt(eps), and subtracting a mean is a projection. What else multiplies
 * two values that both follow x has no bound here.
 */
#include "sema/lipschitz.h"

#include <math.h>

enum { TERMS_MAX = 2000 };

typedef struct Lip Lip;
struct Lip {
    BoundOp op;
    double c;
    const char *var;
    const Lip *x, *y;
};

typedef struct Walk {
    Arena *a;
    Val of, bad;
    const Lip **memo; // by id - of->id; values that do not follow x have none
} Walk;

static const Lip zero;

static const Lip *make(Walk *w, BoundOp op, double c, const char *var,
                       const Lip *x, const Lip *y)
{
    Lip *l = NEW(w->a, Lip);

    *l = (Lip){op, c, var, x, y};
    return l;
}

static const Lip *number(Walk *w, double c)
{
    return make(w, BOUND_NUMBER, c, NULL, NULL, NULL);
}

static const Lip *times(Walk *w, const Lip *x, const Lip *y)
{
    if (!x || !y)
        return NULL;
    if (x->op == BOUND_NUMBER && y->op == BOUND_NUMBER)
        return number(w, x->c * y->c);
    if (x->op == BOUND_NUMBER && x->c == 1)
        return y;
    if (y->op == BOUND_NUMBER && y->c == 1)
        return x;
    return make(w, BOUND_MUL, 0, NULL, x, y);
}

static const Lip *plus(Walk *w, const Lip *x, const Lip *y)
{
    if (!x || !y)
        return NULL;
    if (x->op == BOUND_NUMBER && y->op == BOUND_NUMBER)
        return number(w, x->c + y->c);
    return make(w, BOUND_ADD, 0, NULL, x, y);
}

static const Lip *bound(Walk *w, Val v);

/* Does v follow x? */
static bool follows(Walk *w, Val v)
{
    return v == w->of || (v->id > w->of->id && ir_reaches(v, w->of));
}

static Val bare(Val v) // without views
{
    while (v->op == OP_broadcast || v->op == OP_reshape || v->op == OP_spread ||
           v->op == OP_transpose || v->op == OP_reverse)
        v = v->src[0];
    return v;
}

static Val unscaled(Val v) // and without constant factors
{
    for (v = bare(v);; v = bare(v->src[0])) {
        bool scaled = (v->op == OP_mul || v->op == OP_div) &&
                      bare(v->src[1])->op == OP_const;
        if (!scaled)
            return v;
    }
}

/* The largest |element| of what does not follow x. */
static const Lip *largest(Walk *w, Val v)
{
    v = bare(v);
    if (v->op == OP_const)
        return number(w, fabs(v->attr.f));
    if (v->op == OP_input && v->attr.i[0] == INPUT_VAR)
        return make(w, BOUND_LARGEST, 1, v->attr.s, NULL, NULL);
    return NULL;
}

static const Lip *spectral(Walk *w, Val v, double factor)
{
    v = bare(v);
    if (v->op != OP_input || v->attr.i[0] != INPUT_VAR)
        return NULL;
    return make(w, BOUND_NORM, factor, v->attr.s, NULL, NULL);
}

/* d / sqrt(mean(d^2) + eps): 1 / sqrt(eps); else 0. */
static double normalizing(Val v)
{
    Val root = bare(v->src[1]), sum, eps;

    if (root->op != OP_sqrt || bare(root->src[0])->op != OP_add)
        return 0;
    sum = bare(root->src[0])->src[0];
    eps = bare(bare(root->src[0])->src[1]);
    sum = unscaled(sum);
    if (eps->op != OP_const || eps->attr.f <= 0 || sum->op != OP_sum)
        return 0;
    Val square = bare(sum->src[0]);
    if (square->op != OP_mul || square->src[0] != square->src[1] ||
        bare(square->src[0]) != bare(v->src[0]))
        return 0;
    return 1 / sqrt(eps->attr.f);
}

/* x - mean(x) */
static bool projection(Val v)
{
    Val sum = unscaled(v->src[1]);

    return sum->op == OP_sum && bare(sum->src[0]) == bare(v->src[0]);
}

static double copies(Val v) // of each element, by a broadcast
{
    return sqrt((double)shape_size(v->type.shape) /
                (double)shape_size(v->src[0]->type.shape));
}

static const Lip *two(Walk *w, Val v)
{
    bool x = follows(w, v->src[0]), y = follows(w, v->src[1]);
    Val other = v->src[x ? 1 : 0];

    switch (v->op) {
    case OP_sub:
        if (x && y && projection(v))
            return bound(w, v->src[0]);
        return plus(w, bound(w, v->src[0]), bound(w, v->src[1]));
    case OP_add: case OP_max: case OP_min:
        return x && y ? plus(w, bound(w, v->src[0]), bound(w, v->src[1]))
                      : bound(w, v->src[x ? 0 : 1]);
    case OP_mul:
        return x && y ? NULL : times(w, bound(w, v->src[x ? 0 : 1]),
                                     largest(w, other));
    case OP_div:
        if (x && y && normalizing(v) > 0)
            return times(w, bound(w, v->src[0]), number(w, normalizing(v)));
        if (y || bare(other)->op != OP_const || bare(other)->attr.f == 0)
            return NULL;
        return times(w, bound(w, v->src[0]),
                     number(w, 1 / fabs(bare(other)->attr.f)));
    case OP_conv: {
        Shape k = v->src[1]->type.shape;
        double taps = sqrt((double)(k.dim[0] * k.dim[1]));
        return y ? NULL : times(w, bound(w, v->src[0]),
                                spectral(w, v->src[1], taps));
    }
    case OP_dot:
        return x && y ? NULL : times(w, bound(w, v->src[x ? 0 : 1]),
                                     spectral(w, other, 1));
    default:
        return NULL;
    }
}

static const Lip *rule(Walk *w, Val v)
{
    switch (v->op) {
    case OP_relu: case OP_abs: case OP_tanh: case OP_sin: case OP_cos:
    case OP_neg: case OP_softplus: case OP_spread: case OP_reshape:
    case OP_transpose: case OP_reverse: case OP_slice: case OP_pad:
        return bound(w, v->src[0]);
    case OP_sigmoid:
        return times(w, bound(w, v->src[0]), number(w, 0.25));
    case OP_erf:
        return times(w, bound(w, v->src[0]), number(w, 2 / sqrt(M_PI)));
    case OP_broadcast:
        return times(w, bound(w, v->src[0]), number(w, copies(v)));
    case OP_sum:
        return times(w, bound(w, v->src[0]),
                     number(w, sqrt((double)shape_size(
                                        v->src[0]->type.shape) /
                                    (double)shape_size(v->type.shape))));
    case OP_sub:
        if (!follows(w, v->src[0]) || !follows(w, v->src[1]))
            return bound(w, v->src[follows(w, v->src[0]) ? 0 : 1]);
        return two(w, v);
    case OP_concat: {
        const Lip *sum = NULL;
        for (int k = 0; k < v->nsrc; k++) {
            if (!follows(w, v->src[k]))
                continue;
            const Lip *one = bound(w, v->src[k]);
            if (one == NULL)
                return NULL;
            sum = sum ? plus(w, sum, one) : one;
        }
        return sum;
    }
    default:
        return v->nsrc == 2 ? two(w, v) : NULL;
    }
}

static const Lip *bound(Walk *w, Val v)
{
    if (v == w->of)
        return number(w, 1);
    if (!follows(w, v))
        return number(w, 0);
    const Lip **memo = &w->memo[v->id - w->of->id];
    if (*memo == NULL) {
        const Lip *l = rule(w, v);
        if (l == NULL && w->bad == NULL)
            w->bad = v;
        *memo = l ? l : &zero;
    }
    return *memo == &zero ? NULL : *memo;
}

static bool write(Walk *w, Bounds *b, const Lip *l)
{
    if (b->n >= TERMS_MAX)
        return false;
    if (l->x && (!write(w, b, l->x) || !write(w, b, l->y)))
        return false;
    if (b->n >= TERMS_MAX)
        return false;
    b->term[b->n++] = (BoundTerm){l->op, l->c, l->var};
    return true;
}

Bounds lipschitz_of(Arena *a, Val root, Val of)
{
    Walk w = {.a = a, .of = of};
    Bounds b = {.term = NEW_N(a, BoundTerm, TERMS_MAX + 1)};

    w.memo = NEW_N(a, const Lip *,
                   root->id > of->id ? root->id - of->id + 1 : 1);
    const Lip *l = bound(&w, root);
    b.found = l && write(&w, &b, l);
    b.at = w.bad ? w.bad : root;
    return b;
}
