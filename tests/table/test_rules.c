/*
 * test_rules.c -- both sides of every rewrite rule, evaluated at random
 * points: the same values, and the same NaN and infinities where the rule
 * claims to be exact.
 */
#include "passes/passes.h"
#include "support/check.h"

#include <string.h>

enum { TRIALS = 8, BATCH = 3 };

typedef struct Inputs {
    Arena *a;
    Dice *dice;
    int nwild; // some elements are wild_values[0 .. nwild)
    Domain domain;
    VEC(Val) in;
    VEC(Tensor) at;
} Inputs;

static const double wild_values[] = {0,         -0.0, 1,     -1,    INFINITY,
                                     -INFINITY, NAN,  1e300, -1e300};
enum { NOT_HUGE = 7 }; // so many of them

static void fill_input(void *user, Val input, Tensor *t)
{
    Inputs *p = user;
    size_t n = (size_t)(t->batch * shape_size(t->type.shape));

    for (int k = 0; k < p->in.n; k++)
        if (p->in.at[k]->attr.s == input->attr.s) {
            memcpy(t->at, p->at.at[k].at, n * sizeof(double));
            return;
        }
    Tensor x = dice_tensor(p->a, p->dice, t->type, t->batch, p->domain);
    for (size_t k = 0; p->nwild && dtype_real(t->type.dt) && k < n; k++)
        if (dice_int(p->dice, 0, 1))
            x.at[k] = wild_values[dice_int(p->dice, 0, p->nwild - 1)];
    VEC_PUSH(p->a, &p->in, input);
    VEC_PUSH(p->a, &p->at, x);
    memcpy(t->at, x.at, n * sizeof(double));
}

static Tensor eval(Inputs *p, const Func *f)
{
    EvalEnv env = {.batch = BATCH, .seed = 3, .input = fill_input, .user = p};
    Tensor out;
    char err[1000];

    if (!ir_verify(f, false, err, sizeof err))
        fail_msg("%s", err);
    ir_eval(p->a, f, &env, &out);
    return out;
}

/* A sum in another order may be NaN where it was infinite, and the other way
 * round, but not finite. And a frame of zeros meets weights that are NaN; the
 * zeros that a convolution of a pooled value leaves out do not. */
static void forgive_infinity(Tensor *x, Tensor *y, bool framed)
{
    for (int64_t k = 0; k < x->batch * shape_size(x->type.shape); k++)
        if ((framed || !isfinite(x->at[k])) && !isfinite(y->at[k]))
            x->at[k] = y->at[k] = 0;
}

static void compare(int i, uint64_t trial, bool wild)
{
    Arena *a = arena_new();
    Dice dice = {trial * 1000 + (uint64_t)i};
    Inputs p = {.a = a, .dice = &dice, };
    Func left, right;

    if (wild)
        p.nwild = rule_class(i) == RULE_EXACT ? ARRAY_LEN(wild_values)
                                              : NOT_HUGE;
    // Positive, so that logarithms and roots are of something.
    p.domain = (Domain){DOM_IN, rule_class(i) == RULE_FINITE ? 0.2 : -3, 3, 0};
    rule_sides(a, i, shape_of(2, (int64_t)3, (int64_t)4), &left, &right);
    Tensor x = eval(&p, &left), y = eval(&p, &right);
    if (wild && rule_class(i) == RULE_ROUND)
        forgive_infinity(&x, &y, !strncmp(rule_name(i), "conv", 4));
    if (wild && strstr(rule_name(i), "-pooled"))
        forgive_infinity(&y, &x, true);
    Tol tol = rule_class(i) == RULE_EXACT ? tol_exact() : (Tol){1e-13, 1e-11};
    assert_tensors_close(&y, &x, tol, "%s: %s", rule_name(i),
                         rule_text(a, i));
    arena_free(a);
}

static void sides_are_equal(void **state)
{
    (void)state;
    for (int i = 0; i < rules_count(); i++)
        for (uint64_t trial = 0; trial < TRIALS; trial++)
            compare(i, trial, false);
}

static void nan_and_infinity_are_kept(void **state)
{
    (void)state;
    for (int i = 0; i < rules_count(); i++)
        for (uint64_t trial = 0; trial < TRIALS; trial++)
            if (rule_class(i) == RULE_EXACT || rule_class(i) == RULE_ROUND)
                compare(i, trial, true);
}

static void names_are_distinct(void **state)
{
    (void)state;
    for (int i = 0; i < rules_count(); i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rule_name(i), rule_name(j));
}

/* Stable forms: finite where the plain form overflows. */
static void stable_forms_do_not_overflow(void **state)
{
    (void)state;
    int tried = 0;

    for (int i = 0; i < rules_count(); i++) {
        if (strcmp(rule_name(i), "softmax") != 0 &&
            strcmp(rule_name(i), "log-sum-exp") != 0 &&
            strcmp(rule_name(i), "softplus") != 0)
            continue;
        Arena *a = arena_new();
        Dice dice = {9};
        Inputs p = {.a = a, .dice = &dice, .domain = {DOM_IN, 900, 1000, 0}};
        Func left, right;
        rule_sides(a, i, shape_of(2, (int64_t)3, (int64_t)4), &left, &right);
        assert_false(isfinite(eval(&p, &left).at[0]));
        assert_true(isfinite(eval(&p, &right).at[0]));
        arena_free(a);
        tried++;
    }
    assert_int_equal(tried, 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_distinct),
        cmocka_unit_test(sides_are_equal),
        cmocka_unit_test(nan_and_infinity_are_kept),
        cmocka_unit_test(stable_forms_do_not_overflow),
    };

    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
