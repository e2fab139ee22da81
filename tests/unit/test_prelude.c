/*
 * The library modules against formulas written out here.
 */
#include "support/check.h"
#include "support/program.h"

#include <math.h>
#include <string.h>

#define DATA "data d = npz(\"a.npz\") : x real[4] in [0, 1], y class[4]\n"
#define ROWS(body) DATA "evaluate e on d.test {\n" body "\n}\n"
#define NEAR ((Tol){1e-12, 1e-9})

static const double label[] = {1};

static double row(const char *text, const char *name, const double *x)
{
    Program p = program_ok(text);
    Feed feed[] = {{"x", x, 4}, {"y", label, 1}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 2};
    double v = program_row(&p, name, &run);

    program_free(&p);
    return v;
}

/* ---- core ------------------------------------------------------------------ */

static void test_softmax_family(void **state)
{
    const double x[] = {0.5, 2, -1, 0.25};
    double sum = 0;

    (void)state;
    for (int k = 0; k < 4; k++)
        sum += exp(x[k]);
    const char *text = ROWS(
        "ce = cross_entropy(x, y) lse = logsumexp(x) p = softmax(x)[0]\n"
        "lp = log_softmax(x)[2] kl = kl_divergence(x, 2 * x)\n"
        "sm = smooth_cross_entropy(x, y, 0.1)\n"
        "g = grad(cross_entropy(x, y), x)\n g0 = g[0] g1 = g[1]\n"
        "h = grad(g[0], x)\n h0 = h[0] h1 = h[1] m = margin(x, y)\n"
        "top1 = in_top(x, y, 1) top0 = in_top(x, y, 0)");
    double p0 = exp(x[0]) / sum, p1 = exp(x[1]) / sum, mean = 1.75 / 4;
    assert_close(row(text, "ce", x), log(sum) - 2, NEAR, "cross_entropy");
    assert_close(row(text, "lse", x), log(sum), NEAR, "logsumexp");
    assert_close(row(text, "p", x), p0, NEAR, "softmax");
    assert_close(row(text, "lp", x), -1 - log(sum), NEAR, "log_softmax");
    assert_close(row(text, "sm", x), 0.9 * (log(sum) - 2) +
                 0.1 * (log(sum) - mean), NEAR, "smooth_cross_entropy");
    assert_close(row(text, "g0", x), p0, NEAR, "d ce / d z_0");
    assert_close(row(text, "g1", x), p1 - 1, NEAR, "d ce / d z_y");
    assert_close(row(text, "h0", x), p0 - p0 * p0, NEAR, "d2 ce / d z_0^2");
    assert_close(row(text, "h1", x), -p0 * p1, NEAR, "d2 ce / d z_0 d z_y");
    assert_close(row(text, "m", x), 1.5, NEAR, "margin");
    assert_true(row(text, "top1", x) == 1 && row(text, "top0", x) == 0);
}

static void test_cross_entropy_keeps_small_losses(void **state)
{
    Program p = program_ok(ROWS("ce = cross_entropy(60 * x, y)\n"
                                "z = 60 * x\n"
                                "g = grad(cross_entropy(z, y), z)[1]"));
    const double x[] = {0, 1, 0.25, 0}; // a margin of 45
    Feed feed[] = {{"x", x, 4}, {"y", label, 1}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 2, .round_f32 = true};

    (void)state;
    assert_close(program_row(&p, "ce", &run), exp(-45), ((Tol){0, 1e-5}),
                 "loss of 3e-20");
    assert_close(program_row(&p, "g", &run), -exp(-45), ((Tol){0, 1e-5}),
                 "its gradient");
    program_free(&p);
}

static void test_nothing_overflows_for_large_logits(void **state)
{
    const double x[] = {1000, -1000, 500, 0};

    (void)state;
    assert_close(row(ROWS("r = logsumexp(x)"), "r", x), 1000, NEAR, "lse");
    assert_close(row(ROWS("r = cross_entropy(x, y)"), "r", x), 2000, NEAR, "ce");
    assert_close(row(ROWS("r = softmax(x)[0]"), "r", x), 1, NEAR, "softmax");
}

static void test_norms_have_slopes_at_zero(void **state)
{
    const double zero[4] = {0}, x[] = {3, 0, -4, 0};

    (void)state;
    assert_true(row(ROWS("r = norm2(x)"), "r", x) == 5);
    assert_true(row(ROWS("r = norm1(x)"), "r", x) == 7);
    assert_true(row(ROWS("r = norm_inf(x)"), "r", x) == 4);
    assert_true(row(ROWS("r = sum(abs(grad(norm2(x), x)))"), "r", zero) == 0);
    assert_close(row(ROWS("r = sum(grad(norm2(x), x))"), "r", x), -0.2, NEAR,
                 "slope of norm2");
}

static void test_clamp_has_slope_one_at_its_bounds(void **state)
{
    const double x[] = {0, 1, 2, -1};
    const char *text = DATA
        "option hi: real = 1\nevaluate e on d.test {\n"
        "a = sum(grad(sum(clamp(x, 0, 1)), x))\n"
        "b = sum(grad(sum(clamp(x, 0 * x, 1 + 0 * stop_gradient(x))), x))}";

    (void)state;
    assert_true(row(text, "a", x) == 2);
    assert_true(row(text, "b", x) == 2);
}

/* ---- nn ---------------------------------------------------------------------- */

/* x[c][h][w] of the image of ones, twos, ...; 0 outside. */
static double pixel(int c, int h, int w)
{
    return h < 0 || h > 4 || w < 0 || w > 4 ? 0 : 0.1 * (c * 25 + h * 5 + w) - 2;
}

static double weight(int o, int c, int r, int s)
{
    return 0.3 * sin(1 + o * 27 + c * 9 + r * 3 + s);
}

static void test_conv2d_is_a_correlation(void **state)
{
    Program p = program_ok(
        "data d = npz(\"a.npz\") : x real[2, 5, 5], w real[3, 2, 3, 3]\n"
        "evaluate e on d.test { h = conv2d(x, batch_mean(w), stride: 2,"
        " padding: [1, 0]) r = h[2, 1, 1] q = h[0, 2, 0]\n"
        " m = max_pool2d(x, 2, stride: 1)[1, 3, 2]\n"
        " s = sum_pool2d(x, [2, 3], stride: 2, padding: [1, 1])[0, 0, 1] }\n");
    double x[50], w[54], r = 0, q = 0;

    (void)state;
    for (int k = 0; k < 50; k++)
        x[k] = pixel(k / 25, k / 5 % 5, k % 5);
    for (int k = 0; k < 54; k++)
        w[k] = weight(k / 18, k / 9 % 2, k / 3 % 3, k % 3);
    for (int c = 0; c < 2; c++)
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 3; k++) {
                r += pixel(c, 2 + i - 1, 2 + k) * weight(2, c, i, k);
                q += pixel(c, 4 + i - 1, k) * weight(0, c, i, k);
            }
    Feed feed[] = {{"x", x, 50}, {"w", w, 54}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 2};
    assert_close(program_row(&p, "r", &run), r, NEAR, "conv2d");
    assert_close(program_row(&p, "q", &run), q, NEAR, "conv2d at the edge");
    assert_close(program_row(&p, "m", &run), pixel(1, 4, 3), NEAR, "max_pool");
    assert_close(program_row(&p, "s", &run),
                 pixel(0, 0, 1) + pixel(0, 0, 2) + pixel(0, 0, 3), NEAR,
                 "sum_pool");
    program_free(&p);
}

static void test_group_norm_standardizes_groups(void **state)
{
    Program p = program_ok(
        "use nn\ndata d = npz(\"a.npz\") : x real[4, 2, 1]\n"
        "net f(x: real[4, 2, 1]) = group_norm(x, 2, eps: 0.5)\n"
        "evaluate e on d.test { r = f(x)[1, 0, 0] }\n");
    const double x[] = {1, 2, 4, 9, 0, 0, 1, 1};
    double gamma[] = {1, 3, 1, 1}, beta[] = {0, 0.25, 0, 0}, var = 0;
    Feed feed[] = {{"x", x, 8}, {"f.group_norm1.weight", gamma, 4},
                   {"f.group_norm1.bias", beta, 4}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 3};

    (void)state;
    for (int k = 0; k < 4; k++)
        var += (x[k] - 4) * (x[k] - 4) / 4;
    assert_close(program_row(&p, "r", &run), 3 * (4 - 4) / sqrt(var + 0.5) + 0.25,
                 NEAR, "group_norm");
    program_free(&p);
}

static void test_dropout_is_for_training(void **state)
{
    const char *net = "use nn\n" DATA
                      "net f(x: real[4]) = dense(dropout(x, 0.5), 1)\n";
    const double x[] = {1, 1, 1, 1}, w[] = {1, 1, 1, 1};
    Feed feed[] = {{"x", x, 4}, {"f.dense1.weight", w, 4}};
    Run run = {.batch = 1, .seed = 5, .feed = feed, .nfeed = 2};
    char text[1024];

    (void)state;
    snprintf(text, sizeof text, "%s%s", net,
             "evaluate e on d.test { r = f(x)[0] }");
    Program p = program_ok(text);
    assert_true(program_row(&p, "r", &run) == 4);
    program_free(&p);
    snprintf(text, sizeof text, "%s%s", net,
             "train on d.train { minimize f(x)[0] using sgd(lr: 0.1) }");
    p = program_ok(text);
    Entry *e = program_entry(&p, ENTRY_TRAIN, NULL);
    bool dropped = false;
    for (run.seed = 0; run.seed < 8; run.seed++) {
        double v = program_run(&p, e, &run)[program_output(e, "loss")].at[0];
        assert_true(v == 0 || v == 2 || v == 4 || v == 6 || v == 8);
        dropped = dropped || v != 4;
    }
    assert_true(dropped);
    program_free(&p);
}

/* ---- optim ------------------------------------------------------------------- */

enum { NSTEP = 4 };

/* Runs steps of `minimize a w^2 / 2 ... using OPT` with w from 1; g = a w. */
static void descend(const char *opt, double *w)
{
    char text[1024];
    snprintf(text, sizeof text, "use nn\n" DATA
             "net f(x: real[4]) { param w: real[1] = 1\n return w * sum(x) }\n"
             "train on d.train { minimize 1.5 * f(x)[0] ** 2 using %s }\n", opt);
    Program p = program_ok(text);
    Entry *e = program_entry(&p, ENTRY_TRAIN, NULL);
    const double x[] = {1, 0, 0, 0};
    double value[8] = {1}, step[1];
    Feed feed[16] = {{"x", x, 4}, {"step", step, 1}};
    int nvar = p.unit->var.n;

    assert_true(nvar < 8);
    for (int k = 0; k < nvar; k++)
        feed[2 + k] = (Feed){p.unit->var.at[k].path, &value[k], 1};
    for (int t = 0; t < NSTEP; t++) {
        Run run = {.batch = 1, .feed = feed, .nfeed = 2 + nvar};
        step[0] = t;
        Tensor *out = program_run(&p, e, &run);
        for (int k = 0; k < e->func.nout; k++)
            if (e->output[k].kind == OUT_VAR)
                value[e->output[k].ref] = out[k].at[0];
        w[t] = value[0];
    }
    program_free(&p);
}

static void test_sgd(void **state)
{
    double got[NSTEP], w = 1, v = 0;

    (void)state;
    descend("sgd(lr: 0.1)", got);
    for (int t = 0; t < NSTEP; t++) {
        w -= 0.1 * 3 * w;
        assert_close(got[t], w, NEAR, "plain, step %d", t);
    }
    descend("sgd(lr: 0.1, momentum: 0.9, weight_decay: 0.01, dampening: 0.5)",
            got);
    w = 1;
    for (int t = 0; t < NSTEP; t++) {
        double g = 3 * w + 0.01 * w;
        v = t == 0 ? g : 0.9 * v + 0.5 * g;
        w -= 0.1 * v;
        assert_close(got[t], w, NEAR, "momentum, step %d", t);
    }
    descend("sgd(lr: 0.1, momentum: 0.9, nesterov: true)", got);
    w = 1;
    v = 0;
    for (int t = 0; t < NSTEP; t++) {
        double g = 3 * w;
        v = 0.9 * v + g;
        w -= 0.1 * (g + 0.9 * v);
        assert_close(got[t], w, NEAR, "nesterov, step %d", t);
    }
}

static void test_adam(void **state)
{
    for (int decoupled = 0; decoupled < 2; decoupled++) {
        double got[NSTEP], w = 1, m = 0, v = 0;

        descend(decoupled ? "adamw(lr: 0.05, weight_decay: 0.1)"
                          : "adam(lr: 0.05, weight_decay: 0.1)", got);
        for (int t = 0; t < NSTEP; t++) {
            double g = 3 * w + (decoupled ? 0 : 0.1 * w);
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            double mh = m / (1 - pow(0.9, t + 1));
            double vh = v / (1 - pow(0.999, t + 1));
            w = (decoupled ? w - 0.05 * 0.1 * w : w) -
                0.05 * mh / (sqrt(vh) + 1e-8);
            assert_close(got[t], w, NEAR, "adam%s, step %d",
                         decoupled ? "w" : "", t);
        }
    }
    (void)state;
}

static void test_schedules(void **state)
{
    Program p = program_ok(
        "use nn\n" DATA "net f(x: real[4]) = dense(x, 1)\n"
        "train on d.train { minimize f(x)[0] using sgd(lr: 0.1)\n"
        "watch a = warmup(10), b = step_decay(0.1, at: [2, 4]), c = cosine(),"
        " e = piecewise([0, 4], [1, 3]), f_ = warmup(10, start: 0.5) }\n");
    Entry *e = program_entry(&p, ENTRY_TRAIN, NULL);
    double step[] = {7}, epoch[] = {2}, epochs[] = {5}, per[] = {3};
    Feed feed[] = {{"step", step, 1}, {"epoch", epoch, 1},
                   {"epochs", epochs, 1}, {"steps_per_epoch", per, 1}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 4};
    Tensor *out = program_run(&p, e, &run);

    (void)state;
    assert_close(out[program_output(e, "a")].at[0], 0.7, NEAR, "warmup");
    assert_close(out[program_output(e, "b")].at[0], 0.1, NEAR, "step_decay");
    assert_close(out[program_output(e, "c")].at[0],
                 0.5 * (1 + cos(acos(-1) * 7 / 15)), NEAR, "cosine");
    assert_close(out[program_output(e, "e")].at[0], 1 + 7.0 / 3 / 4 * 2, NEAR,
                 "piecewise");
    assert_close(out[program_output(e, "f_")].at[0], 0.85, NEAR, "start");
    program_free(&p);
}

/* ---- attacks -------------------------------------------------------------------- */

static const char *const attack_call[] = {
    "fgsm(f, x, y, %s)",  "r_fgsm(f, x, y, %s)", "bim(f, x, y, %s)",
    "mim(f, x, y, %s)",   "pgd(f, x, y, %s, steps: 5, restarts: 2)",
    "pgd_l2(f, x, y, %s, steps: 5)",
    "pgd(f, x, y, %s, steps: 3, loss: margin_loss)",
    "pgd(f, x, y, %s, steps: 3, loss: dlr_loss)"};

/* Rows: distances of the attacked input, and whether its loss grew. */
static Program attacked(const char *call)
{
    char text[2048];

    snprintf(text, sizeof text, "use nn\nuse attacks\n" DATA
             "net f(x: real[4]) = dense(x, 4)\n"
             "evaluate e on d.test { a = %s\n linf = norm_inf(a - x)\n"
             "l2 = norm2(a - x)\n lo = min(a) hi = max(a)\n"
             "gain = cross_entropy(f(a), y) - cross_entropy(f(x), y) }\n", call);
    return program_ok(text);
}

static void test_attacks_stay_in_ball_and_range(void **state)
{
    const double x[] = {0.02, 0.5, 0.97, 0.4};
    double w[16];
    Feed feed[] = {{"x", x, 4}, {"y", label, 1}, {"f.dense1.weight", w, 16}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 3};

    (void)state;
    for (int k = 0; k < 16; k++)
        w[k] = 4 * sin(1 + 3 * k);
    for (int k = 0; k < (int)ARRAY_LEN(attack_call); k++) {
        char call[128];
        bool l2 = strstr(attack_call[k], "l2") != NULL;

        snprintf(call, sizeof call, attack_call[k], "0.1");
        Program p = attacked(call);
        assert_true(program_row(&p, l2 ? "l2" : "linf", &run) <= 0.1 + 1e-9);
        assert_true(program_row(&p, "lo", &run) >= 0);
        assert_true(program_row(&p, "hi", &run) <= 1);
        assert_true(program_row(&p, "gain", &run) > 0.01);
        program_free(&p);
        snprintf(call, sizeof call, attack_call[k], "0");
        p = attacked(call);
        assert_true(program_row(&p, "linf", &run) == 0);
        program_free(&p);
    }
}

static void test_no_steps_leave_the_input(void **state)
{
    static const char *const call[] = {
        "pgd(f, x, y, 0.3, steps: 0)", "pgd_l2(f, x, y, 0.3, steps: 0)",
        "bim(f, x, y, 0.3, steps: 0)", "mim(f, x, y, 0.3, steps: 0)"};
    const double x[] = {0.02, 0.5, 0.97, 0.4};
    Feed feed[] = {{"x", x, 4}, {"y", label, 1}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 2};

    (void)state;
    for (int k = 0; k < 4; k++) {
        Program p = attacked(call[k]);
        assert_true(program_row(&p, "linf", &run) == 0);
        program_free(&p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_family),
        cmocka_unit_test(test_cross_entropy_keeps_small_losses),
        cmocka_unit_test(test_nothing_overflows_for_large_logits),
        cmocka_unit_test(test_norms_have_slopes_at_zero),
        cmocka_unit_test(test_clamp_has_slope_one_at_its_bounds),
        cmocka_unit_test(test_conv2d_is_a_correlation),
        cmocka_unit_test(test_group_norm_standardizes_groups),
        cmocka_unit_test(test_dropout_is_for_training),
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_attacks_stay_in_ball_and_range),
        cmocka_unit_test(test_no_steps_leave_the_input),
    };

    return cmocka_run_group_tests_name("prelude", tests, NULL, NULL);
}
