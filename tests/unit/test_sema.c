/*
 * Elaboration: entries, parameters by path, draws, loops, shapes, phases.
 */
#include "support/check.h"
#include "support/program.h"

#include <math.h>
#include <string.h>

#define DATA "data d = npz(\"a.npz\") : x real[3] in [0, 1], y class[4]\n"
#define NET "use nn\n" DATA "net f(x: real[3]) -> real[4] = dense(x, 4)\n"
#define ROWS(body) DATA "evaluate e on d.test {\n" body "\n}\n"

static const double x_values[] = {0.5, 0.25, 1};
static const double y_values[] = {2};
static const Feed feeds[] = {{"x", x_values, 3}, {"y", y_values, 1}};
static const Run one = {.batch = 1, .feed = feeds, .nfeed = 2};

static double row(const char *text, const char *name)
{
    Program p = program_ok(text);
    double v = program_row(&p, name, &one);

    program_free(&p);
    return v;
}

/* ---- entries --------------------------------------------------------------- */

static void test_declared_entries_are_built(void **state)
{
    Program p = program_ok(
        NET "train on d.train batch 8 epochs 3 {"
            " minimize cross_entropy(f(x), y) using sgd(lr: 0.1)"
            " watch accuracy(f(x), y), twice = 2 * loss"
            " stop if loss > 1e8 \"diverged\" }\n"
            "evaluate e on d.test { a = accuracy(f(x), y) }\n"
            "attack flip(x, y, size: real = 0.5, n_: int = 2) {"
            " return clamp(x + size * real(n_), 0, 1) }\n"
            "sample s(n: int = 5, scale: real = 2) {"
            " return scale * normal(shape: [3]) }\n");
    Entry *train = program_entry(&p, ENTRY_TRAIN, "train");
    Entry *attack = program_entry(&p, ENTRY_ATTACK, "flip");

    (void)state;
    assert_int_equal(p.unit->entry.at[0].kind, ENTRY_INIT);
    assert_int_equal(p.unit->entry.at[0].func.nout, 2);
    assert_int_equal(train->batch, 8);
    assert_int_equal(train->epochs, 3);
    assert_string_equal(train->split, "train");
    assert_int_equal(train->func.nout, 6);
    assert_int_equal(train->output[0].kind, OUT_VAR);
    assert_int_equal(train->output[2].kind, OUT_LOSS);
    assert_string_equal(train->output[3].name, "accuracy");
    assert_string_equal(train->output[4].name, "twice");
    assert_string_equal(train->output[5].text, "diverged");
    assert_int_equal(attack->nopt, 2);
    assert_string_equal(attack->option[0].name, "size");
    assert_int_equal(attack->option[1].kind, OPT_INT);
    assert_int_equal(program_entry(&p, ENTRY_INFER, "f")->data, -1);
    assert_int_equal(program_entry(&p, ENTRY_SAMPLE, "s")->count, 5);
    assert_int_equal(program_entry(&p, ENTRY_SAMPLE, "s")->nopt, 1);
    program_free(&p);
}

static void test_a_setting_needed_when_compiling_is_no_option(void **state)
{
    Program p = program_ok(DATA "attack a(x, y, n_: int = 2, m: int = 3) {"
                                " for i in 0 .. n_ { x = x * 0.5 }"
                                " repeat m { x = x * 0.5 } return x }\n");
    Entry *attack = program_entry(&p, ENTRY_ATTACK, "a");

    (void)state;
    assert_int_equal(attack->nopt, 1);
    assert_string_equal(attack->option[0].name, "m");
    program_free(&p);
}

static void test_rows_record_their_attacks(void **state)
{
    Program p = program_ok(
        "use attacks\n" NET "option eps: real in [0, 1] = 0.1\n"
        "evaluate e on d.test {\n"
        " clean = accuracy(f(x), y)\n"
        " adv = fgsm(f, x, y, eps)\n"
        " hit = accuracy(f(adv), y)\n"
        " for k in [1, 2] { acc = accuracy(f(bim(f, x, y, 0.5, steps: k)), y) }"
        "}\n");
    Entry *e = program_entry(&p, ENTRY_EVALUATE, "e");

    (void)state;
    assert_int_equal(e->func.nout, 4);
    assert_string_equal(e->output[0].text, "");
    assert_string_equal(e->output[1].text,
                        "fgsm(eps={eps}, loss=cross_entropy)");
    assert_string_equal(e->output[3].name, "acc[k=2]");
    assert_non_null(strstr(e->output[3].text, "steps=2"));
    program_free(&p);
}

static void test_check_entries_are_in_f64(void **state)
{
    SemaOptions opt = {.real = DT_f32, .check_entries = true};
    Program p = program_build(NET "train on d.train { minimize"
                                  " cross_entropy(f(x), y) using adam() }\n",
                              &opt);
    Entry *train = program_entry(&p, ENTRY_TRAIN, "train");
    Entry *check = &p.unit->entry.at[train->check];

    (void)state;
    assert_int_equal(check->kind, ENTRY_CHECK);
    assert_int_equal(check->func.nout, 4); // loss, weight, bias, x
    for (int k = 0; k < 4; k++)
        assert_int_equal(check->func.out[k]->type.dt, DT_f64);
    assert_int_equal(check->output[3].ref, -1);
    assert_true(check->func.out[3]->type.batched);
    program_free(&p);
}

static void test_precision_f64_has_no_f32(void **state)
{
    SemaOptions opt = {.real = DT_f64};
    Program p = program_build(NET "train on d.train { minimize"
                                  " cross_entropy(f(x + normal()), y)"
                                  " using adam() }\n", &opt);
    Entry *train = program_entry(&p, ENTRY_TRAIN, "train");
    int n;

    (void)state;
    Val *all = ir_topo(p.a, train->func.out, train->func.nout, NULL, &n);
    for (int k = 0; k < n; k++)
        assert_int_not_equal(all[k]->type.dt, DT_f32);
    program_free(&p);
}

/* ---- parameters and states ---------------------------------------------------- */

static void test_parameters_have_paths(void **state)
{
    static const char *const want[] = {
        "f.stem.weight", "f.stem.bias", "f.block1.dense1.weight",
        "f.block1.dense2.weight", "f.block1.dense2.bias",
        "f.block2.dense1.weight", "f.block2.dense2.weight",
        "f.block2.dense2.bias", "f.dense1.weight", "f.dense1.bias",
        "f.scale"};
    Program p = program_ok(
        "use nn\n" DATA "layer block(x) {"
        " return dense(dense(x, 3, bias: false), 3) }\n"
        "net f(x: real[3]) -> real[4] {"
        " h = block(block(dense(x, 3, name: \"stem\")))\n"
        " h = dense(h, 4)\n param scale: real = 1\n return scale * h }\n"
        "evaluate e on d.test { a = accuracy(f(x), y) b = f(2 * x)[0] }\n");

    (void)state;
    assert_int_equal(p.unit->var.n, ARRAY_LEN(want));
    for (int k = 0; k < p.unit->var.n; k++)
        assert_string_equal(p.unit->var.at[k].path, want[k]);
    program_free(&p);
}

static void test_initial_values_follow_the_path_alone(void **state)
{
    const char *a = "use nn\n" DATA
                    "net f(x: real[3]) = dense(x, 4)\n"
                    "evaluate e on d.test { r = f(x)[0] }\n";
    const char *b = "use nn\n" DATA
                    "net g(x: real[3]) = dense(normal() + x, 2)\n"
                    "net f(x: real[3]) = dense(x, 4)\n"
                    "evaluate e on d.test { q = g(x)[0] r = f(x)[0] }\n";
    Program p = program_ok(a), q = program_ok(b);
    Run run = {.batch = 1, .seed = 3};
    Entry *pe = &p.unit->entry.at[0], *qe = &q.unit->entry.at[0];
    Tensor *pv = program_run(&p, pe, &run), *qv = program_run(&q, qe, &run);
    int i = program_output(pe, "f.dense1.weight");
    int k = program_output(qe, "f.dense1.weight");
    double bound = 1 / sqrt(3), other;

    (void)state;
    assert_memory_equal(pv[i].at, qv[k].at, 12 * sizeof(double));
    other = qv[program_output(qe, "g.dense1.weight")].at[0];
    assert_true(pv[i].at[0] != other);
    for (int n = 0; n < 12; n++)
        assert_true(fabs(pv[i].at[n]) <= bound);
    program_free(&p);
    program_free(&q);
}

static void test_states_live_across_steps(void **state)
{
    Program p = program_ok(
        NET "train on d.train { state seen: real[5, 3] = 0\n state n_: int = 7\n"
            " seen[y] = x\n n_ = n_ + 1\n"
            " minimize cross_entropy(f(x), y) using sgd(lr: 0.1, momentum: 0.9)"
            "}\nsample s { return seen[random_int(5)] }\n");
    Entry *e = program_entry(&p, ENTRY_TRAIN, "train");
    Tensor *out = program_run(&p, e, &one);
    int seen = program_output(e, "seen");

    (void)state;
    assert_false(e->func.out[seen]->type.batched);
    assert_true(out[seen].at[2 * 3 + 1] == 0.25);
    assert_true(out[seen].at[0] == 0);
    assert_true(out[program_output(e, "n_")].at[0] == 1);
    program_output(e, "sgd.velocity.f.dense1.weight");
    program_free(&p);
}

/* ---- draws ---------------------------------------------------------------------- */

static void test_a_draw_is_one_value_wherever_it_is_used(void **state)
{
    (void)state;
    assert_true(row(ROWS("u = uniform(-1, 1)\n a = x + u\n b = a - u\n"
                         "r = sum(abs(b - x))"), "r") < 1e-12);
    assert_true(row(ROWS("u = normal()\n v = 2 * u\n a = u + x\n"
                         "r = sum(abs(v - 2 * (a - x)))"), "r") < 1e-12);
}

static void test_two_draws_differ(void **state)
{
    const char *text = ROWS("fn_ = sum(x)\n a = x + normal()\n"
                            " b = x + normal()\n r = sum(abs(a - b))");

    (void)state;
    assert_true(row(text, "r") > 1e-3);
}

static void test_draws_differ_from_pass_to_pass(void **state)
{
    const char *text = ROWS("a = x\n b = x\n n = 0\n"
                            "repeat 2 { b = a\n a = x + normal() }\n"
                            "r = sum(abs(a - b))");

    (void)state;
    assert_true(row(text, "r") > 1e-3);
}

static void test_a_condition_or_index_draws_a_scalar(void **state)
{
    Program p = program_ok(ROWS("c = if bernoulli(0.5) then x else -x\n"
                                "r = max(c) * min(c)\n"
                                "i = x[random_int(3)]"));
    Entry *e = program_entry(&p, ENTRY_EVALUATE, NULL);

    (void)state;
    assert_true(program_row(&p, "r", &one) > 0); // one sign for all elements
    assert_int_equal(e->func.out[program_output(e, "i")]->type.shape.rank, 0);
    program_free(&p);
}

static void test_a_carried_draw_gets_its_shape_from_the_body(void **state)
{
    Program p = program_ok(DATA "attack a(x, y) { d = uniform(-0.1, 0.1)\n"
                                "repeat 3 { d = 0.5 * d + 0 * x }\n"
                                "return x + d }\n");

    (void)state;
    program_entry(&p, ENTRY_ATTACK, "a");
    program_free(&p);
}

/* ---- loops ------------------------------------------------------------------------ */

static void test_repeat_carries_names(void **state)
{
    (void)state;
    assert_true(row(ROWS("s = 0\n repeat 5 { s = s + sum(x) }\n r = s + 0 * x[0]"),
                    "r") == 5 * 1.75);
    assert_true(row(ROWS("a = x\n repeat 2 { t = a[0] a = a * 2 }\n"
                         "r = a[0]"), "r") == 2);
    assert_true(row(ROWS("s = sum(x)\n repeat 0 { s = s + 1 }\n r = s"), "r") ==
                1.75);
    assert_true(row(ROWS("a = 1.0 b = sum(x)\n repeat 1 { (a, b) = (b, a) }\n"
                         "r = a - b"), "r") == 0.75);
}

static void test_repeat_widens_what_it_carries(void **state)
{
    Program p = program_ok(
        DATA "option k: int in [0, 9] = 2\n"
             "evaluate e on d.test { a = 0 b = zeros([3]) c = 0 d_ = false\n"
             "repeat k { c = b b = a a = a + x d_ = d_ or a[0] > 0.6 }\n"
             "r = sum(c) + sum(b) + sum(a) s = real(d_) }\n");
    static const double two[] = {2};
    Feed feed[] = {{"x", x_values, 3}, {"k", two, 1}};
    Run run = {.batch = 1, .feed = feed, .nfeed = 2};

    (void)state;
    assert_true(program_row(&p, "r", &run) == 3 * 1.75);
    run.nfeed = 1; // k = 0: nothing happens
    assert_true(program_row(&p, "r", &run) == 0);
    program_free(&p);
}

static void test_for_and_if_leave_no_trace(void **state)
{
    (void)state;
    assert_true(row(ROWS("s = sum(x)\n for i in 0 .. 4 { if i % 2 == 0 "
                         "{ s = s + i } else { s = s - 1 } }\n r = s"), "r") ==
                1.75 + 0 + 2 - 2);
}

/* ---- shapes and constants ----------------------------------------------------------- */

static void test_shape_variables_are_solved_at_calls(void **state)
{
    const char *text =
        DATA "fn both(a: real[N], b: real[N, M]) -> real[M] = a @ b\n"
             "evaluate e on d.test { r = sum(both(x, ones([3, 5]))) }\n";

    (void)state;
    assert_true(row(text, "r") == 1.75 * 5);
    program_says(DATA "fn g(a: real[N], b: real[N]) = a + b\n"
                      "evaluate e on d.test { r = sum(g(x, ones([4]))) }\n",
                 "real[4] where real[3] is wanted", "N = 3 comes from here",
                 NULL);
}

static void test_overloads_go_by_number_of_arguments(void **state)
{
    const char *text = DATA "fn g(a) = sum(a)\n fn g(a, b) = sum(a) + b\n"
                            "evaluate e on d.test { r = g(x) s = g(x, b: 1) }\n";

    (void)state;
    assert_true(row(text, "r") == 1.75);
    assert_true(row(text, "s") == 2.75);
}

static void test_consts_fold(void **state)
{
    (void)state;
    assert_true(row("const n = 7, k = n // 2, h = 7 / 2, e4 = 8 / 2\n"
                    ROWS("r = sum(x) * 0 + k + h + size(zeros([e4, 2]))"),
                    "r") == 3 + 3.5 + 8);
    assert_true(row(ROWS("r = sum(x) * 0 + -7 // 2 + -7 % 3 + 2 ** 10"), "r") ==
                -4 + 2 + 1024);
}

static void test_defines_replace_consts(void **state)
{
    const char *define[] = {"n=5", "h=2"}, *wrong[] = {"m=5"}, *kind[] = {"n=x"};
    const char *text = "const n = 3, h = 0.5\n" ROWS("r = sum(x) * 0 + n + h");
    SemaOptions opt = {.real = DT_f32, .ndefine = 2, .define = define};
    Program p = program_build(text, &opt);

    (void)state;
    assert_int_equal(p.nerrors, 0);
    assert_true(program_row(&p, "r", &one) == 7);
    program_free(&p);
    opt.ndefine = 1;
    opt.define = wrong;
    p = program_build(text, &opt);
    assert_non_null(strstr(p.said, "no const \"m\""));
    program_free(&p);
    opt.define = kind;
    p = program_build(text, &opt);
    assert_non_null(strstr(p.said, "the const \"n\" is an int"));
    program_free(&p);
}

static void test_later_phases_are_named(void **state)
{
    (void)state;
    program_says("option k: int = 3\n" ROWS("r = sum(zeros([k])) + sum(x)"),
                 "must be known when compiling", "option", NULL);
    program_says(ROWS("for i in 0 .. y { r = sum(x) }"), "each example", NULL);
    program_says(ROWS("s = sum(x)\n repeat y { s = s + 1 }\n r = s"),
                 "the same for all examples", NULL);
}

static void test_settings_of_an_optimizer_may_be_options(void **state)
{
    Program p = program_ok("option m: real = 0.9\noption wd: real = 0\n" NET
                           "train on d.train { minimize cross_entropy(f(x), y)"
                           " using sgd(lr: 0.1, momentum: m, weight_decay: wd,"
                           " nesterov: true) }\n");

    (void)state;
    assert_int_equal(p.unit->var.n, 4);
    program_free(&p);
}

static void test_parameters_behind_stop_gradient_stay(void **state)
{
    Program p = program_ok(
        NET "net h(x: real[3]) = dense(x, 1)\n"
            "train on d.train { g = grad(logsumexp(f(x)), x)\n"
            " minimize sum(g * g) + stop_gradient(h(x)[0])"
            " using sgd(lr: 0.1) }\n");
    Entry *e = program_entry(&p, ENTRY_TRAIN, NULL);

    (void)state;
    assert_int_equal(e->func.nout, 3); // weight, bias, loss
    assert_string_equal(e->output[0].name, "f.dense1.weight");
    program_free(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared_entries_are_built),
        cmocka_unit_test(test_a_setting_needed_when_compiling_is_no_option),
        cmocka_unit_test(test_rows_record_their_attacks),
        cmocka_unit_test(test_check_entries_are_in_f64),
        cmocka_unit_test(test_precision_f64_has_no_f32),
        cmocka_unit_test(test_parameters_have_paths),
        cmocka_unit_test(test_initial_values_follow_the_path_alone),
        cmocka_unit_test(test_states_live_across_steps),
        cmocka_unit_test(test_a_draw_is_one_value_wherever_it_is_used),
        cmocka_unit_test(test_two_draws_differ),
        cmocka_unit_test(test_draws_differ_from_pass_to_pass),
        cmocka_unit_test(test_a_condition_or_index_draws_a_scalar),
        cmocka_unit_test(test_a_carried_draw_gets_its_shape_from_the_body),
        cmocka_unit_test(test_repeat_carries_names),
        cmocka_unit_test(test_repeat_widens_what_it_carries),
        cmocka_unit_test(test_for_and_if_leave_no_trace),
        cmocka_unit_test(test_shape_variables_are_solved_at_calls),
        cmocka_unit_test(test_overloads_go_by_number_of_arguments),
        cmocka_unit_test(test_consts_fold),
        cmocka_unit_test(test_defines_replace_consts),
        cmocka_unit_test(test_later_phases_are_named),
        cmocka_unit_test(test_parameters_behind_stop_gradient_stay),
        cmocka_unit_test(test_settings_of_an_optimizer_may_be_options),
    };

    return cmocka_run_group_tests_name("sema", tests, NULL, NULL);
}
