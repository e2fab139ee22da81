/*
 * test_solve.c -- `solve` by the interpreter in f64: values of closed forms,
 * the observed order of every method, gradients against central differences,
 * what is said about programs that make no sense.
 */
#include "support/check.h"
#include "support/program.h"
#include "sema/tableau.h"

#include <math.h>
#include <string.h>

#define DATA "data d = npz(\"a.npz\") : x real[2], y class[2]\n"
#define ROWS(body) DATA "evaluate e on d.test {\n" body "\n}\n"

static double row(const char *text, const char *name, const double *x)
{
    static const double label[] = {1};
    SemaOptions opt = {.real = DT_f64};
    Program p = program_build(text, &opt);
    Feed feed[] = {{"x", x, 2}, {"y", label, 1}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 2};

    if (p.nerrors)
        fail_msg("%s", p.said);
    double v = program_row(&p, name, &run);
    program_free(&p);
    return v;
}

static const double here[] = {0.5, -0.25};

/* ---- values --------------------------------------------------------------- */

static void test_forms_of_the_statement(void **state)
{
    const char *text =
        "dynamics turn(z: real[2]) -> real[2] { return stack([z[1], -z[0]]) }\n"
        "fn lotka(a, b) = (a - a * b, a * b - b)\n"
        "fn timed(t, z) = z * cos(t)\n"
        "const late = 2\n"
        ROWS("c = solve turn from x over 0 .. 1.5 by rk4(steps: 100)\n"
             "c0 = c[0]  c1 = c[1]\n"
             "m = solve timed from 2 over 0 .. late by rk4(step: 0.01)\n"
             "back = solve timed from m over late .. 0 by rk4(step: 0.01)\n"
             "r = solve (dz = -z, ds = abs(-z)) from (x, 0) over [0, 1, 1.5] by rk38(step: 0.01)\n"
             "z1 = r.z[1][0]  s2 = r.s[2][1] z0 = r.z[0][1]\n"
             "q = solve (dz = z * sin(t)) from 1 over [0, 0.5, 1, 1.5, 2] by heun(step: 0.001)\n"
             "q3 = q.z[3] q0 = q.z[0]\n"
             "l = solve lotka from (2, 1.5) over 0 .. 3 by rk4(step: 0.01)\n"
             "(a, b) = l\n"
             "conserved = a - log(a) + b - log(b)\n"
             "same = solve turn from x over [1, 1] by euler(step: 0.1) k = same[1][0]\n");
    (void)state;
    const Tol near = {1e-8, 1e-8};
    assert_close(row(text, "c0", here), 0.5 * cos(1.5) - 0.25 * sin(1.5), near,
                 "rotation");
    assert_close(row(text, "m", here), 2 * exp(sin(2)), near, "with time");
    assert_close(row(text, "back", here), 2, near, "decreasing time");
    assert_close(row(text, "z1", here), 0.5 * exp(-1), near, "a listed time");
    assert_close(row(text, "s2", here), 0.25 * (1 - exp(-1.5)), near,
                 "an integral beside the state");
    assert_close(row(text, "z0", here), -0.25, near, "the first time");
    assert_close(row(text, "q3", here), exp(1 - cos(1.5)), ((Tol){1e-6, 1e-6}),
                 "rows of equal intervals");
    assert_close(row(text, "q0", here), 1, near, "the first row");
    assert_close(row(text, "conserved", here), 2 - log(2) + 1.5 - log(1.5),
                 near, "two components");
    assert_close(row(text, "k", here), 0.5, near, "no time at all");
}

/* The step is never longer than asked for, and divides the interval. */
static void test_steps_are_counted(void **state)
{
    const char *text =
        ROWS("one = solve (dn = 1 + 0 * n) from 0 over 0 .. 1 by euler(step: 0.3)\n"
             "a = one.n\n"
             "b = (solve (dz = -z) from 1 over 0 .. 0.9 by euler(step: 0.05)).z\n"
             "c = (solve (dz = -z) from 1 over 0 .. 1 by euler(step: 0.3)).z\n");
    (void)state;
    assert_close(row(text, "a", here), 1, ((Tol){1e-14, 0}), "the end");
    assert_close(row(text, "b", here), pow(0.95, 18), ((Tol){1e-14, 0}),
                 "18 steps of 0.05");
    assert_close(row(text, "c", here), pow(0.75, 4), ((Tol){1e-14, 0}),
                 "4 steps for 1 / 0.3");
}

/* ---- orders ---------------------------------------------------------------- */

/* A pendulum, driven or not, against a much finer solution; errors are summed
 * over four times, as each alone can be small by accident. */
static double pendulum_error(const char *method, int steps, const char *force)
{
    Arena *a = arena_new();
    const char *text = arena_printf(
        a, "dynamics swing(z, t) { return stack([z[1], %s - sin(z[0])]) }\n"
        ROWS("z0 = stack([real(1), 0.5])\n"
             "w = solve swing from z0 over [0, 1, 2, 3, 4] by dopri8(steps: 200)\n"
             "r = solve swing from z0 over [0, 1, 2, 3, 4] by %s(steps: %d)\n"
             "v = sum(abs(r - w))"),
        force, method, steps);
    double v = row(text, "v", here);

    arena_free(a);
    return v;
}

static void test_observed_orders(void **state)
{
    static const char *const force[] = {"real(0)", "cos(t)"};

    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++)
        for (int p = 0; p < 2; p++) {
            // as many steps as leave an error far above rounding
            int n = m->order >= 8 ? 2 : m->order >= 5 ? 20 : 32;
            double x = pendulum_error(m->name, n, force[p]);
            double y = pendulum_error(m->name, 4 * n, force[p]);
            double order = log2(x / y) / 2;
            if (fabs(order - m->order) > 0.3)
                fail_msg("%s with force %s: order %.3f (errors %.3g, %.3g)",
                         m->name, force[p], order, x, y);
        }
}

/* ---- gradients -------------------------------------------------------------- */

static void check_gradient(const char *text, const char *what)
{
    const double h = 1e-5;

    for (int k = 0; k < 2; k++) {
        double lo[] = {here[0], here[1]}, hi[] = {here[0], here[1]};
        lo[k] -= h;
        hi[k] += h;
        double slope = (row(text, "v", hi) - row(text, "v", lo)) / (2 * h);
        assert_close(row(text, k ? "g1" : "g0", here), slope,
                     ((Tol){1e-8, 1e-6}), "%s: d / d x[%d]", what, k);
    }
}

static void test_gradients_of_every_method(void **state)
{
    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++)
        for (int way = 0; way < 2; way++) {
            Arena *a = arena_new();
            const char *text = arena_printf(
                a, ROWS("w = stack([x[1] * x[0], sin(x[0])])\n"
                        "r = solve (dz = tanh(w * z) + sin(t) * x, ds = z * z) "
                        "from (x, 0) over [0, 0.5, 1.5] by %s(steps: 7%s)\n"
                        "v = sum(r.z[1] * r.z[2]) + sum(r.s[2])\n"
                        "g = grad(v, x)  g0 = g[0]  g1 = g[1]"),
                m->name, way ? ", gradient: checkpointed, memory: 5" : "");
            check_gradient(text, m->name);
            arena_free(a);
        }
}

/* The steps count as constants, which costs as much as the tolerance. */
static void test_gradients_of_adaptive_methods(void **state)
{
    (void)state;
    for (const Tableau *m = tableau_table; m->name; m++) {
        Arena *a = arena_new();
        const char *tol = m->order < 3 ? "1e-7" : "1e-9";
        const char *text = arena_printf(
            a, ROWS("w = stack([x[1] * x[0], sin(x[0])])\n"
                    "r = solve (dz = tanh(w * z) + sin(t) * x, ds = z * z) "
                    "from (x, 0) over [0, 0.5, 1.5] by %s(rtol: %s, atol: %s, max_steps: 4000)\n"
                    "v = sum(r.z[1] * r.z[2]) + sum(r.s[2])\n"
                    "g = grad(v, x)  g0 = g[0]  g1 = g[1]"),
            m->name, tol, tol);
        if (m->lower)
            check_gradient(text, m->name);
        arena_free(a);
    }
    check_gradient(
        ROWS("r = solve (dz = cos(z + t)) from x[0] over x[1] .. 2 + x[0] "
             "by tsit5(rtol: 1e-10, atol: 1e-10)\n"
             "v = r.z\n"
             "g = grad(v, x)  g0 = g[0]  g1 = g[1]"), "adaptive times");
}

/* The adjoint's gradient is that of the equation: with steps ever smaller it
 * comes as near to the exact one as they allow. */
static void test_adjoint_converges(void **state)
{
    static const char *const tight[] = {"steps: 10", "steps: 80",
                                        "rtol: 1e-4, atol: 1e-4",
                                        "rtol: 1e-10, atol: 1e-10"};

    (void)state;
    for (int way = 0; way < 4; way++) {
        Arena *a = arena_new();
        double g[2][2];
        for (int k = 0; k < 2; k++) {
            const char *text = arena_printf(
                a, ROWS("w = stack([x[1] * x[0], sin(x[0])])\n"
                        "r = solve (dz = tanh(w * z + x[0]) + sin(t) * x, ds = z * z) "
                        "from (x, 0 * x) over [0, 0.5, 1.5] by %s(%s%s)\n"
                        "v = sum(r.z[1] * r.z[2]) + sum(r.s[2])\n"
                        "g = grad(v, x)  g0 = g[0]  g1 = g[1]"),
                way == 2 ? "bosh3" : "dopri5", tight[way],
                k ? ", gradient: adjoint" : "");
            g[k][0] = row(text, "g0", here);
            g[k][1] = row(text, "g1", here);
        }
        double tol = way == 0 ? 1e-4 : way == 2 ? 1e-2 : 1e-8;
        for (int k = 0; k < 2; k++) {
            assert_close(g[1][k], g[0][k], ((Tol){tol, tol}),
                         "adjoint with %s", tight[way]);
            if (way % 2 == 0 && g[1][k] == g[0][k])
                fail_msg("%s: the adjoint is not another gradient", tight[way]);
        }
        arena_free(a);
    }
}

static void test_gradients_of_rows_and_times(void **state)
{
    (void)state;
    check_gradient(
        ROWS("r = solve (dz = z * sin(t) * x[1]) from x[0] over "
             "[0, 0.5, 1, 1.5, 2] by rk4(step: 0.1, gradient: checkpointed)\n"
             "v = sum(r.z * stack([real(1), 2, -1, 0.5, 3]))\n"
             "g = grad(v, x)  g0 = g[0]  g1 = g[1]"), "rows");
    check_gradient(
        ROWS("r = solve (dz = cos(z + t)) from x[0] over x[1] .. 2 + x[0] "
             "by rk4(steps: 9)\n"
             "v = r.z\n"
             "g = grad(v, x)  g0 = g[0]  g1 = g[1]"), "times");
}

/* ---- events ----------------------------------------------------------------- */

/* A fall from x[0]: t = sqrt(2 x / g), v = -sqrt(2 g x). */
static void test_events_end_a_solve(void **state)
{
    static const char *const method[] = {"bosh3", "dopri5", "tsit5", "dopri8"};
    const double g = 9.81, x = here[0];

    (void)state;
    for (int k = 0; k < 4; k++) {
        Arena *a = arena_new();
        const char *text = arena_printf(
            a, ROWS("r = solve (dy = v, dv = 0 * v - 9.81) from (x[0], 0 * x[0]) "
                    "over 0 .. 20 until y by %s(rtol: 1e-8, atol: 1e-8, max_steps: 3000)\n"
                    "when = r.time  speed = r.v  ground = r.y\n"
                    "dt = grad(r.time, x)[0]  dv = grad(r.v, x)[0]\n"
                    "q = solve (dz = 0 * z + x[0]) from x[1] over 0 .. 1 until z - 7 "
                    "by %s(rtol: 1e-6)\n"
                    "never = q.time  end = q.z\n"
                    "b = solve (dz = z * x[1]) from x[0] over 2 .. -5 until z - 1 "
                    "by %s(rtol: 1e-9, atol: 1e-9, max_steps: 3000)\n"
                    "back = b.time"),
            method[k], method[k], method[k]);
        Tol near = {1e-6, 1e-6};
        assert_close(row(text, "when", here), sqrt(2 * x / g), near, "%s: time",
                     method[k]);
        assert_close(row(text, "speed", here), -sqrt(2 * g * x), near,
                     "%s: speed", method[k]);
        assert_close(row(text, "ground", here), 0, near, "%s: height",
                     method[k]);
        assert_close(row(text, "dt", here), 1 / sqrt(2 * g * x), near,
                     "%s: slope of the time", method[k]);
        assert_close(row(text, "dv", here), -sqrt(g / (2 * x)), near,
                     "%s: slope of the speed", method[k]);
        assert_close(row(text, "never", here), 1, near, "no event");
        assert_close(row(text, "end", here), here[1] + x, near, "no event");
        assert_close(row(text, "back", here), 2 + log(2) / here[1], near,
                     "%s: back in time", method[k]);
        arena_free(a);
    }
}

/* ---- parameters ------------------------------------------------------------ */

/* A layer in the rates has one set of parameters; the next one another. */
static void test_layers_in_rates(void **state)
{
    Program p = program_ok(
        "use nn\n" DATA
        "net f(x: real[2]) {\n"
        "  r = solve (dz = dense(tanh(dense(z, 3)), 2)) from x over 0 .. 1 by rk4(steps: 4)\n"
        "  return dense(r.z, 2)\n}\n"
        "evaluate e on d.test { v = sum(f(x)) }\n");

    (void)state;
    assert_int_equal(p.unit->var.n, 6);
    assert_string_equal(p.unit->var.at[0].path, "f.dense1.weight");
    assert_string_equal(p.unit->var.at[5].path, "f.dense3.bias");
    program_free(&p);
}

/* ---- what is told of a solve ---------------------------------------------- */

static void test_what_info_is_told(void **state)
{
    static const struct {
        const char *rate;
        bool autonomous, bounded;
        double bound; // with LARGEST and NORM taken as 1
    } known[] = {
        {"tanh(3 * z)", true, true, 3},
        {"sin(z) + 2 * z - sigmoid(4 * z)", true, true, 1 + 2 + 1},
        {"z * t", false, false, 0},
        {"relu(z) + t", false, true, 1},
        {"z * z", true, false, 0},
        {"dense(tanh(dense(z, 5)), 2)", true, true, 1},
        {"(z - mean(z)) / sqrt(mean((z - mean(z)) * (z - mean(z))) + 0.01)",
         true, true, 10},
    };

    (void)state;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        Arena *a = arena_new();
        Program p = program_ok(arena_printf(
            a, "use nn\n" DATA "net f(x: real[2]) = (solve (dz = %s) from x "
               "over 0 .. 1 by rk4(steps: 4)).z\n"
               "evaluate e on d.test { v = sum(f(x)) }\n", known[k].rate));
        const SolveDecl *d = &p.unit->solve.at[0];
        double stack[20];
        int n = 0;
        assert_int_equal(p.unit->solve.n, 1);
        assert_int_equal(d->steps, 4);
        assert_int_equal(d->evaluations, 4);
        assert_int_equal(d->autonomous, known[k].autonomous);
        if (d->bounded != known[k].bounded)
            fail_msg("%s: a bound or none", known[k].rate);
        for (int i = 0; i < d->nterm; i++) {
            BoundOp op = d->term[i].op;
            if (op == BOUND_MUL || op == BOUND_ADD) {
                n--;
                stack[n - 1] = op == BOUND_MUL ? stack[n - 1] * stack[n]
                                               : stack[n - 1] + stack[n];
            } else {
                stack[n++] = d->term[i].c;
            }
        }
        if (d->bounded)
            assert_close(stack[0], known[k].bound, ((Tol){1e-12, 1e-12}), "%s",
                         known[k].rate);
        program_free(&p);
        arena_free(a);
    }
}

/* ---- mistakes ---------------------------------------------------------------- */

static void test_mistakes(void **state)
{
    (void)state;
    program_says(ROWS("solve (dz = z) from 1 over 0 .. 1 by rk5(step: 1)"),
                 "no method \"rk5\"", "there are euler, midpoint", NULL);
    program_says(ROWS("solve (dz = z) from 1 over 0 .. 1 by rk4"),
                 "the length of the steps is missing", "rk4(step: 0.05)", NULL);
    program_says(ROWS("solve (dz = z) from 1 over 0 .. 1 by rk4(steps: 0)"),
                 "1 to 100000000 steps", NULL);
    program_says(ROWS("solve (dz = z) from 1 over 0 .. 1 by rk4(step: -1)"),
                 "must be positive", NULL);
    program_says(ROWS("solve (dz = z) from 1 over 0 .. 1 by rk4(stpes: 3)"),
                 "no setting \"stpes\"", "did you mean \"steps\"", NULL);
    program_says(ROWS("solve (dz = z) from 1 over [0, 1, 0.5] by rk4(steps: 3)"),
                 "one direction", NULL);
    program_says(ROWS("solve (z = z) from 1 over 0 .. 1 by rk4(steps: 3)"),
                 "a rate is called d", NULL);
    program_says(ROWS("solve (dz = stack([z, z, z])) from x over 0 .. 1 by rk4(steps: 3)"),
                 "the rate is", "the state begins here", NULL);
    program_says(ROWS("solve (dz = z, dy = y) from 1 over 0 .. 1 by rk4(steps: 3)"),
                 "there are 2 rates, but the state has 1", NULL);
    program_says(ROWS("solve y from 1 over 0 .. 1 by rk4(steps: 3)"),
                 "the rates are a function", NULL);
    program_says(ROWS("solve (dz = z) from y over 0 .. 1 by rk4(steps: 3)"),
                 "the state of a solve is real", NULL);
    program_says(ROWS("v = (solve (dz = z) from 1 over 0 .. 1 until z - 2 by rk4(steps: 3)).z"),
                 "an event needs adaptive steps", NULL);
    program_says(ROWS("v = (solve (dz = z) from x over 0 .. 1 until z by heun(rtol: 1e-3)).z[0]"),
                 "an event is a real scalar", NULL);
    program_says("const c = solve (dz = z) from 1 over 0 .. 1 by rk4(steps: 3)\n"
                 DATA, "runs in the compiled program", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_the_statement),
        cmocka_unit_test(test_steps_are_counted),
        cmocka_unit_test(test_observed_orders),
        cmocka_unit_test(test_gradients_of_every_method),
        cmocka_unit_test(test_gradients_of_adaptive_methods),
        cmocka_unit_test(test_adjoint_converges),
        cmocka_unit_test(test_gradients_of_rows_and_times),
        cmocka_unit_test(test_events_end_a_solve),
        cmocka_unit_test(test_layers_in_rates),
        cmocka_unit_test(test_what_info_is_told),
        cmocka_unit_test(test_mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
