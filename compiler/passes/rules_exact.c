/*
 * rules_exact.c -- identities that hold for every float, NaN and infinities
 * included (the sign of a zero or of a NaN may change), and a few that hold
 * up to rounding. What assumes finite operands belongs in rules_fast.c.
 * Constants stand right in commutative ops: the constructor sees to that.
 */
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>

#define X PVAR(0)
#define Y PVAR(1)
#define Z PVAR(2)
#define C PVAR(3)
#define K PANY(4)
#define THEN P3(select, C, X, PCONST(0)) // the two branches of a derivative
#define ELSE P3(select, C, PCONST(0), Y)
#define LEAKY P3(select, P2(lt, PCONST(0), X), X, P2(mul, X, K))
#define ROUND(name, left, right) RULE_IF(name, left, right, NULL, RULE_ROUND)

static bool is_real(const Match *m)
{
    return dtype_real(m->var[0]->type.dt);
}

static bool is_power_of_two(const Match *m)
{
    double k = 0;
    int e;

    is_fill(m->var[4], &k);
    return is_real(m) && fabs(frexp(k, &e)) == 0.5 && abs(e) < 100;
}

static bool is_divisor(const Match *m)
{
    double k = 0;

    is_fill(m->var[4], &k);
    return is_real(m) && fabs(k) > 1e-30 && fabs(k) < 1e30;
}

static bool is_leaky(Val v)
{
    return v->op == OP_select && v->src[0]->op == OP_lt &&
           same_fill(v->src[0]->src[0], 0) && v->src[0]->src[1] == v->src[1] &&
           v->src[2]->op == OP_mul && v->src[2]->src[0] == v->src[1] &&
           is_fill(v->src[2]->src[1], NULL);
}

/* Not the function itself, nor what the rule has made. */
static bool is_leaky_slope(const Match *m)
{
    double k = 0;

    is_fill(m->var[4], &k);
    return is_divisor(m) && k > 0 && m->var[1] != m->var[0] &&
           !is_leaky(m->var[0]);
}

/* cast(cast(x)) = cast(x) where nothing is lost between */
static Val cast_cast(Graph *g, Val v)
{
    static const int width[DT_COUNT] = {
        [DT_bool] = 1, [DT_f32] = 2, [DT_i32] = 3, [DT_f64] = 4};
    Val mid = v->src[0];

    if (mid->op != OP_cast)
        return NULL;
    DType from = mid->src[0]->type.dt;
    bool exact = width[from] < width[mid->type.dt] &&
                 !(from == DT_f32 && mid->type.dt == DT_i32);
    return exact || from == mid->type.dt
               ? ir_cast(g, mid->src[0], v->type.dt)
               : NULL;
}

static Val cast_example(Graph *g, Shape s)
{
    Val x = ir_input(g, INPUT_FIELD, "x0", type_of(DT_f32, true, s));

    return ir_cast(g, ir_cast(g, x, DT_f64), DT_f32);
}

/* A condition known when compiling chooses. */
static Val select_known(Graph *g, Val v)
{
    double c;

    (void)g;
    if (!is_fill(v->src[0], &c))
        return NULL;
    return c != 0 ? v->src[1] : v->src[2];
}

static Val select_example(Graph *g, Shape s)
{
    Val x = ir_input(g, INPUT_FIELD, "x0", type_of(DT_f64, true, s));
    Val y = ir_input(g, INPUT_VAR, "x1", type_of(DT_f64, false, s));

    return ir_select(g, ir_fill(g, DT_bool, 1, s), x, y);
}

const Rule rules_exact[] = {
    RULE("mul-one", P2(mul, X, PCONST(1)), X),
    RULE("mul-minus-one", P2(mul, X, PCONST(-1)), P1(neg, X)),
    RULE("add-zero", P2(add, X, PCONST(0)), X),
    RULE("sub-zero", P2(sub, X, PCONST(0)), X),
    RULE("zero-sub", P2(sub, PCONST(0), X), P1(neg, X)),
    RULE("div-one", P2(div, X, PCONST(1)), X),
    RULE_IF("div-minus-one", P2(div, X, PCONST(-1)), P1(neg, X), is_real,
            RULE_EXACT),
    RULE("neg-neg", P1(neg, P1(neg, X)), X),
    RULE("sub-neg", P2(sub, X, P1(neg, Y)), P2(add, X, Y)),
    RULE("add-neg", P2(add, X, P1(neg, Y)), P2(sub, X, Y)),
    RULE("neg-sub", P1(neg, P2(sub, X, Y)), P2(sub, Y, X)),
    RULE("mul-negs", P2(mul, P1(neg, X), P1(neg, Y)), P2(mul, X, Y)),
    RULE("mul-neg", P2(mul, P1(neg, X), Y), P1(neg, P2(mul, X, Y))),
    RULE_IF("div-neg", P2(div, P1(neg, X), Y), P1(neg, P2(div, X, Y)),
            is_real, RULE_EXACT),
    RULE_IF("div-by-neg", P2(div, X, P1(neg, Y)), P1(neg, P2(div, X, Y)),
            is_real, RULE_EXACT),
    RULE("neg-mul-const", P1(neg, P2(mul, X, K)), P2(mul, X, P1(neg, K))),
    RULE_IF("div-power-of-two", P2(div, X, K),
            P2(mul, X, P2(div, PCONST(1), K)), is_power_of_two, RULE_EXACT),
    RULE_IF("div-const", P2(div, X, K), P2(mul, X, P2(div, PCONST(1), K)),
            is_divisor, RULE_ROUND),
    RULE("abs-neg", P1(abs, P1(neg, X)), P1(abs, X)),
    RULE("abs-abs", P1(abs, P1(abs, X)), P1(abs, X)),
    RULE("sign-sign", P1(sign, P1(sign, X)), P1(sign, X)),
    RULE("sign-neg", P1(sign, P1(neg, X)), P1(neg, P1(sign, X))),
    RULE("relu-relu", P1(relu, P1(relu, X)), P1(relu, X)),
    RULE("floor-floor", P1(floor, P1(floor, X)), P1(floor, X)),
    RULE("round-round", P1(round, P1(round, X)), P1(round, X)),
    RULE("stop-gradient", P1(stop_gradient, X), X),
    RULE("max-same", P2(max, X, X), X),
    RULE("min-same", P2(min, X, X), X),
    RULE("max-max", P2(max, P2(max, X, Y), Y), P2(max, X, Y)),
    RULE("min-min", P2(min, P2(min, X, Y), Y), P2(min, X, Y)),
    RULE("cos-neg", P1(cos, P1(neg, X)), P1(cos, X)),
    RULE("square-neg", P2(mul, P1(abs, X), P1(abs, X)), P2(mul, X, X)),
    RULE("pow-one", P2(pow, X, PCONST(1)), X),
    RULE("pow-zero", P2(pow, X, PCONST(0)), PCONST(1)),
    ROUND("pow-minus-one", P2(pow, X, PCONST(-1)), P2(div, PCONST(1), X)),
    ROUND("pow-two", P2(pow, X, PCONST(2)), P2(mul, X, X)),
    ROUND("pow-three", P2(pow, X, PCONST(3)), P2(mul, P2(mul, X, X), X)),
    RULE("not-not", P1(not, P1(not, C)), C),
    RULE("not-eq", P1(not, P2(eq, X, Y)), P2(ne, X, Y)),
    RULE("not-ne", P1(not, P2(ne, X, Y)), P2(eq, X, Y)),
    RULE("and-same", P2(and, C, C), C),
    RULE("or-same", P2(or, C, C), C),
    RULE("select-same", P3(select, C, X, X), X),
    RULE("select-not", P3(select, P1(not, C), X, Y), P3(select, C, Y, X)),
    RULE("select-then", P3(select, C, P3(select, C, X, Z), Y),
         P3(select, C, X, Y)),
    RULE("select-else", P3(select, C, X, P3(select, C, Z, Y)),
         P3(select, C, X, Y)),
    RULE("add-branches", P2(add, THEN, ELSE), P3(select, C, X, Y)),
    RULE("add-branches-apart", P2(add, P2(add, Z, THEN), ELSE),
         P2(add, Z, P3(select, C, X, Y))),
    RULE_IF("add-branch-scaled", P2(add, THEN, P2(mul, ELSE, K)),
            P3(select, C, X, P2(mul, Y, K)), is_divisor, RULE_EXACT),
    RULE_IF("add-branch-scaled-apart",
            P2(add, P2(add, Z, THEN), P2(mul, ELSE, K)),
            P2(add, Z, P3(select, C, X, P2(mul, Y, K))), is_divisor,
            RULE_EXACT),
    // The derivative of a leaky ReLU asks for the sign of its result: so x
    // need not be kept beside it.
    RULE_IF("leaky-sign",
            P3(select, P2(lt, PCONST(0), X), Y, P2(mul, Y, K)),
            P3(select, P2(lt, PCONST(0), LEAKY), Y, P2(mul, Y, K)),
            is_leaky_slope, RULE_EXACT),
    RULE_FN("cast-cast", RULE_EXACT, OP_cast, cast_cast,
            "cast(cast(x)) -> cast(x)", cast_example),
    RULE_FN("select-known", RULE_EXACT, OP_select, select_known,
            "select(true, x, y) -> x", select_example),
    RULE_END,
};
