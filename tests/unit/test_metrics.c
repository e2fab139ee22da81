/*
 * test_metrics.c -- numbers about whole data sets against values made by
 * definition (tests/parity/make_metrics.py), with ties and saturated
 * probabilities; and what has to hold whatever the values are.
 */
#include "support/made_file.h"

#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static RnnArrays values;

#define near(got, want, by) assert_true(fabs((got) - (want)) <= (by))

static int read_values(void **state)
{
    RnnError err;

    (void)state;
    return rnn_arrays_read("parity/metrics.npz", &values, &err) != RNN_OK;
}

static int free_values(void **state)
{
    (void)state;
    rnn_arrays_free(&values);
    return 0;
}

static const RnnArray *get(const char *a, const char *b)
{
    char name[128];

    snprintf(name, sizeof name, "%s%s", a, b);
    const RnnArray *x = rnn_arrays_find(&values, name);
    assert_non_null(x);
    assert_int_equal(x->type.dt, RNN_F64);
    return x;
}

static double number(const char *a, const char *b)
{
    return *(const double *)get(a, b)->at;
}

static void scores_of_two_sets(void **state)
{
    static const char *const name[] = {"plain", "ties", "equal", "apart",
                                       "infinite"};

    (void)state;
    for (int k = 0; k < 5; k++) {
        const RnnArray *in = get(name[k], ".in"), *out = get(name[k], ".out");
        int64_t n = in->type.dim[0], m = out->type.dim[0];

        near(rnn_auroc(in->at, n, out->at, m),
                            number(name[k], ".auroc"), 1e-12);
        near(rnn_average_precision(in->at, n, out->at, m),
                            number(name[k], ".ap"), 1e-12);
        near(rnn_fpr_at(in->at, n, out->at, m, 0.95),
                            number(name[k], ".fpr"), 1e-12);
        near(rnn_auroc(out->at, m, in->at, n),
                            1 - number(name[k], ".auroc"), 1e-12);
    }
}

static void calibration_over_bins(void **state)
{
    static const char *const norm[] = {"1", "2", "inf"};
    static const int bins[] = {1, 15, 20};
    const RnnArray *conf = get("conf", ""), *right = get("right", "");
    int64_t n = conf->type.dim[0];
    char name[64];

    (void)state;
    for (int b = 0; b < 3; b++)
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "calibration.%d.%s", bins[b], norm[k]);
            near(
                rnn_calibration(conf->at, right->at, n, bins[b],
                                k == 2 ? INFINITY : k + 1, false),
                number(name, ""), 1e-12);
        }
}

/* Closed forms: one confidence everywhere; a perfect and a worst predictor. */
static void calibration_by_hand(void **state)
{
    double conf[8] = {.7, .7, .7, .7, .7, .7, .7, .7};
    double right[8] = {1, 0, 0, 1, 0, 0, 0, 0};
    double ends[2] = {0, 1}, no[2] = {0, 0}, yes[2] = {0, 1};

    (void)state;
    for (int mass = 0; mass < 2; mass++) {
        near(rnn_calibration(conf, right, 8, 15, 1, mass), .45,
                            1e-12);
        near(rnn_calibration(ends, yes, 2, 15, 1, mass), 0, 0);
        near(rnn_calibration(ends, no, 2, 15, 1, mass), .5, 0);
        near(rnn_calibration(ends, no, 2, 15, INFINITY, mass),
                            1, 0);
    }
    double four[4] = {.1, .2, .3, .4}, hit[4] = {0, 1, 0, 1};
    near(rnn_calibration(four, hit, 4, 2, 1, true),
                        .5 * .35 + .5 * .15, 1e-12);
}

static void quantiles(void **state)
{
    static const char *const q[] = {"0", "0.25", "0.5", "0.9", "1"};
    const RnnArray *conf = get("conf", "");

    (void)state;
    for (int k = 0; k < 5; k++)
        near(rnn_quantile(conf->at, conf->type.dim[0],
                                         atof(q[k])),
                            number("quantile.", q[k]), 1e-12);
}

static void nan_is_no_number(void **state)
{
    double a[2] = {1, NAN}, b[2] = {0, 1};

    (void)state;
    assert_true(isnan(rnn_auroc(a, 2, b, 2)));
    assert_true(isnan(rnn_average_precision(b, 2, a, 2)));
    assert_true(isnan(rnn_fpr_at(a, 2, b, 2, 0.95)));
    assert_true(isnan(rnn_calibration(a, b, 2, 10, 1, false)));
    assert_true(isnan(rnn_quantile(a, 2, 0.5)));
    assert_true(isnan(rnn_auroc(a, 0, b, 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_of_two_sets),
        cmocka_unit_test(calibration_over_bins),
        cmocka_unit_test(calibration_by_hand),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(nan_is_no_number),
    };

    return cmocka_run_group_tests(tests, read_values, free_values);
}
