/*
 * vjp_point.c -- rules of elementwise ops. The first line of each is its
 * formula; dy is the adjoint of the result y.
 */
#include "autodiff/autodiff.h"

#include <math.h>

/* Adds slope * dy to the adjoint of the only source. */
static void chain(Ad *ad, Val y, Val slope, Val dy)
{
    ad_add(ad, y->src[0], ir_mul(ad_graph(ad), slope, dy));
}

/* y = -x:  dx = -dy */
void vjp_neg(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], ir_neg(ad_graph(ad), dy));
}

/* y = |x|:  dx = sign(x) dy */
void vjp_abs(Ad *ad, Val y, Val dy)
{
    chain(ad, y, ir_sign(ad_graph(ad), y->src[0]), dy);
}

/* y = exp(x):  dx = y dy */
void vjp_exp(Ad *ad, Val y, Val dy)
{
    chain(ad, y, y, dy);
}

/* y = exp(x) - 1:  dx = (y + 1) dy */
void vjp_expm1(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);

    chain(ad, y, ir_add(g, y, ir_like(g, y, 1)), dy);
}

/* y = log(x):  dx = dy / x */
void vjp_log(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], ir_div(ad_graph(ad), dy, y->src[0]));
}

/* y = log(1 + x):  dx = dy / (1 + x) */
void vjp_log1p(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val x = y->src[0];

    ad_add(ad, x, ir_div(g, dy, ir_add(g, x, ir_like(g, x, 1))));
}

/* y = sqrt(x):  dx = (dy / 2) / y */
void vjp_sqrt(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);

    ad_add(ad, y->src[0], ir_div(g, ir_mul(g, dy, ir_like(g, y, 0.5)), y));
}

/* y = tanh(x):  dx = (1 - y^2) dy */
void vjp_tanh(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);

    chain(ad, y, ir_sub(g, ir_like(g, y, 1), ir_mul(g, y, y)), dy);
}

/* y = 1 / (1 + exp(-x)):  dx = y (1 - y) dy */
void vjp_sigmoid(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);

    chain(ad, y, ir_mul(g, y, ir_sub(g, ir_like(g, y, 1), y)), dy);
}

/* y = log(1 + exp(x)):  dx = sigmoid(x) dy */
void vjp_softplus(Ad *ad, Val y, Val dy)
{
    chain(ad, y, ir_op1(ad_graph(ad), OP_sigmoid, y->src[0]), dy);
}

/* y = erf(x):  dx = 2 / sqrt(pi) exp(-x^2) dy */
void vjp_erf(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val x = y->src[0];
    Val bell = ir_exp(g, ir_neg(g, ir_mul(g, x, x)));

    chain(ad, y, ir_mul(g, bell, ir_like(g, x, 2 / sqrt(acos(-1)))), dy);
}

/* y = sin(x):  dx = cos(x) dy */
void vjp_sin(Ad *ad, Val y, Val dy)
{
    chain(ad, y, ir_op1(ad_graph(ad), OP_cos, y->src[0]), dy);
}

/* y = cos(x):  dx = -sin(x) dy */
void vjp_cos(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);

    chain(ad, y, ir_neg(g, ir_op1(g, OP_sin, y->src[0])), dy);
}

/* y = max(x, 0):  dx = y > 0 ? dy : 0.  Needs y, not x, so x may die early. */
void vjp_relu(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val zero = ir_like(g, y, 0);

    ad_add(ad, y->src[0], ir_select(g, ir_lt(g, zero, y), dy, zero));
}

/* y = x as another real type:  dx = dy as the type of x */
void vjp_cast(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], ir_cast(ad_graph(ad), dy, y->src[0]->type.dt));
}

/* y = a + b:  da = dy, db = dy */
void vjp_add(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], dy);
    ad_add(ad, y->src[1], dy);
}

/* y = a - b:  da = dy, db = -dy */
void vjp_sub(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[0], dy);
    if (ad_wants(ad, y->src[1]))
        ad_add(ad, y->src[1], ir_neg(ad_graph(ad), dy));
}

/* y = a b:  da = b dy, db = a dy */
void vjp_mul(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val a = y->src[0], b = y->src[1];

    if (ad_wants(ad, a))
        ad_add(ad, a, ir_mul(g, b, dy));
    if (ad_wants(ad, b))
        ad_add(ad, b, ir_mul(g, a, dy));
}

/* y = a / b:  da = dy / b, db = -(dy / b) y */
void vjp_div(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val a = y->src[0], b = y->src[1], da = ir_div(g, dy, b);

    ad_add(ad, a, da);
    if (ad_wants(ad, b))
        ad_add(ad, b, ir_neg(g, ir_mul(g, da, y)));
}

/*
 * y = a^b:  da = b a^(b-1) dy, 0 where b = 0
 *           db = log(a) y dy,  0 where a <= 0
 * The guards replace the argument as well as the result, so that slopes of
 * slopes are finite too.
 */
void vjp_pow(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val a = y->src[0], b = y->src[1];
    Val zero = ir_like(g, a, 0), one = ir_like(g, a, 1);

    if (ad_wants(ad, a)) {
        Val flat = ir_eq(g, b, zero);
        Val less = ir_sub(g, ir_select(g, flat, one, b), one);
        chain(ad, y, ir_mul(g, b, ir_op2(g, OP_pow, a, less)), dy);
    }
    if (ad_wants(ad, b)) {
        Val inside = ir_lt(g, zero, a);
        Val slope = ir_mul(g, ir_log(g, ir_select(g, inside, a, one)), y);
        ad_add(ad, b, ir_mul(g, slope, dy));
    }
}

/* y = c ? a : b:  da = c ? dy : 0, db = c ? 0 : dy */
static void branch(Ad *ad, Val c, Val a, Val b, Val dy)
{
    Graph *g = ad_graph(ad);
    Val zero = ir_like(g, dy, 0);

    if (ad_wants(ad, a))
        ad_add(ad, a, ir_select(g, c, dy, zero));
    if (ad_wants(ad, b))
        ad_add(ad, b, ir_select(g, c, zero, dy));
}

/* y = max(a, b):  da = b <= a ? dy : 0, db = b <= a ? 0 : dy */
void vjp_max(Ad *ad, Val y, Val dy)
{
    Val a = y->src[0], b = y->src[1];

    branch(ad, ir_le(ad_graph(ad), b, a), a, b, dy);
}

/* y = min(a, b):  da = a <= b ? dy : 0, db = a <= b ? 0 : dy */
void vjp_min(Ad *ad, Val y, Val dy)
{
    Val a = y->src[0], b = y->src[1];

    branch(ad, ir_le(ad_graph(ad), a, b), a, b, dy);
}

/* y = c ? a : b:  da = c ? dy : 0, db = c ? 0 : dy */
void vjp_select(Ad *ad, Val y, Val dy)
{
    branch(ad, y->src[0], y->src[1], y->src[2], dy);
}
