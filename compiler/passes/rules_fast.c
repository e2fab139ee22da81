/*
 * rules_fast.c -- two sets. rules_stable: forms that are closer to the
 * mathematics than what was written (no overflow, no cancellation); they are
 * always on. rules_fast: identities that assume finite operands; they need
 * fast_math.
 */
#include "passes/rewrite.h"

#define X PVAR(0)
#define Y PVAR(1)
#define STABLE(name, left, right) RULE_IF(name, left, right, NULL, RULE_STABLE)
#define FINITE(name, left, right) RULE_IF(name, left, right, NULL, RULE_FINITE)

static bool is_real(const Match *m)
{
    return dtype_real(m->var[0]->type.dt);
}

/* x minus something copied over it is shifted already. */
static bool unshifted(const Match *m)
{
    Val x = m->var[0];

    return x->op != OP_sub || x->src[1]->op != OP_broadcast;
}

/* The largest of x over the dims, or 0 where that is no number. */
#define TOP                                                  \
    P3(select, P1(is_finite, PREDUCE(max_reduce, X)),         \
       PREDUCE(max_reduce, X), PCONST(0))
#define SHIFTED P2(sub, X, PBACK(TOP))

const Rule rules_stable[] = {
    STABLE("log-softmax",
           P1(log, P2(div, P1(exp, X), PBACK(PREDUCE(sum, P1(exp, X))))),
           P2(sub, X, PBACK(P1(log, PREDUCE(sum, P1(exp, X)))))),
    RULE_IF("log-sum-exp", P1(log, PREDUCE(sum, P1(exp, X))),
            P2(add, P1(log, PREDUCE(sum, P1(exp, SHIFTED))), TOP), unshifted,
            RULE_STABLE),
    RULE_IF("softmax",
            P2(div, P1(exp, X), PBACK(PREDUCE(sum, P1(exp, X)))),
            P2(div, P1(exp, SHIFTED),
               PBACK(PREDUCE(sum, P1(exp, SHIFTED)))), unshifted,
            RULE_STABLE),
    RULE_IF("softmax-slope",
            P2(mul, P1(exp, X),
               PBACK(P2(div, Y, PREDUCE(sum, P1(exp, X))))),
            P2(mul, P2(div, P1(exp, SHIFTED),
                       PBACK(PREDUCE(sum, P1(exp, SHIFTED)))), PBACK(Y)),
            unshifted, RULE_STABLE),
    STABLE("softplus", P1(log, P2(add, P1(exp, X), PCONST(1))),
           P1(softplus, X)),
    STABLE("softplus-log1p", P1(log1p, P1(exp, X)), P1(softplus, X)),
    STABLE("log-sigmoid", P1(log, P1(sigmoid, X)),
           P1(neg, P1(softplus, P1(neg, X)))),
    STABLE("sigmoid",
           P2(div, PCONST(1), P2(add, P1(exp, P1(neg, X)), PCONST(1))),
           P1(sigmoid, X)),
    STABLE("sigmoid-neg", P2(div, PCONST(1), P2(add, P1(exp, X), PCONST(1))),
           P1(sigmoid, P1(neg, X))),
    STABLE("one-minus-sigmoid", P2(sub, PCONST(1), P1(sigmoid, X)),
           P1(sigmoid, P1(neg, X))),
    STABLE("expm1", P2(sub, P1(exp, X), PCONST(1)), P1(expm1, X)),
    STABLE("expm1-add", P2(add, P1(exp, X), PCONST(-1)), P1(expm1, X)),
    STABLE("log1p", P1(log, P2(add, X, PCONST(1))), P1(log1p, X)),
    STABLE("log-exp", P1(log, P1(exp, X)), X),
    RULE_END,
};

const Rule rules_fast[] = {
    FINITE("mul-zero", P2(mul, X, PCONST(0)), PCONST(0)),
    FINITE("sub-self", P2(sub, X, X), PCONST(0)),
    RULE_IF("div-self", P2(div, X, X), PCONST(1), is_real, RULE_FINITE),
    FINITE("zero-div", P2(div, PCONST(0), X), PCONST(0)),
    RULE_IF("mul-reciprocal", P2(mul, X, P2(div, PCONST(1), Y)),
            P2(div, X, Y), is_real, RULE_FINITE),
    FINITE("mul-exp", P2(mul, P1(exp, X), P1(exp, Y)),
           P1(exp, P2(add, X, Y))),
    FINITE("exp-log", P1(exp, P1(log, X)), X),
    FINITE("log-sqrt", P1(log, P1(sqrt, X)),
           P2(mul, P1(log, X), PCONST(0.5))),
    FINITE("square-sqrt", P2(mul, P1(sqrt, X), P1(sqrt, X)), X),
    FINITE("pow-half", P2(pow, X, PCONST(0.5)), P1(sqrt, X)),
    FINITE("not-lt", P1(not, P2(lt, X, Y)), P2(le, Y, X)),
    FINITE("not-le", P1(not, P2(le, X, Y)), P2(lt, Y, X)),
    RULE_END,
};
