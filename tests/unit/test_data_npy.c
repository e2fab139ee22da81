/*
 * test_data_npy.c -- data sets in .npy and .npz files.
 */
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static RnnField field[2];
static const char *arg_name[3], *arg[3];
static RnnData decl;

static int reset(void **state)
{
    (void)state;
    scratch_empty();
    field[0] = (RnnField){"x", {.dt = RNN_F32, .batched = 1, .rank = 1,
                                .dim = {2}}, 0, 0.7, 0};
    field[1] = (RnnField){"y", {.dt = RNN_I32, .batched = 1}, -HUGE_VAL,
                          HUGE_VAL, 3};
    arg_name[0] = "x", arg[0] = "x.npy";
    arg_name[1] = "y", arg[1] = "y.npy";
    decl = (RnnData){"points", "npy", "t.rnn:1:1", 2, 2, arg_name, arg, field};
    return 0;
}

/* An .npy file of any element type, from its bytes. */
static const char *write_npy(const char *name, const char *descr,
                             const char *shape, const void *bytes, size_t n)
{
    unsigned char file[4096];
    int k = snprintf((char *)file + 10, 200, "{'descr': '%s', "
                     "'fortran_order': False, 'shape': %s, }\n", descr, shape);

    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (unsigned char)k;
    file[9] = 0;
    memcpy(file + 10 + k, bytes, n);
    return scratch_file(name, file, 10 + (size_t)k + n);
}

static RnnStatus open_split(const char *split, int64_t limit, RnnDataset *d,
                            RnnError *err)
{
    return rnn_data_open(&decl, split, scratch(""), limit, d, err);
}

static const float points[] = {0, 0.1f, 0.2f, 0.3f, 0.5f, 0.7f};
static const int64_t classes[] = {2, 0, 1};

static void write_points(const char *prefix)
{
    char name[64];

    snprintf(name, sizeof name, "%sx.npy", prefix);
    write_npy(name, "<f4", "(3, 2)", points, sizeof points);
    snprintf(name, sizeof name, "%sy.npy", prefix);
    write_npy(name, "<i8", "(3,)", classes, sizeof classes);
}

static void arrays_become_columns(void **state)
{
    static const int32_t pick[] = {2, 0};
    RnnDataset d;
    RnnError err;
    float x[4];
    double x64[4];
    int32_t y[2];

    (void)state;
    write_points("");
    assert_good(open_split("train", 0, &d, &err), &err);
    assert_int_equal(d.n, 3);
    rnn_data_gather(&d, 0, pick, 2, RNN_F32, x);
    rnn_data_gather(&d, 0, pick, 2, RNN_F64, x64);
    rnn_data_gather(&d, 1, pick, 2, RNN_I32, y);
    assert_true(x[0] == 0.5f && x[1] == 0.7f && x[2] == 0 && x[3] == 0.1f);
    assert_true(x64[1] == (double)0.7f);
    assert_int_equal(y[0], 1);
    assert_int_equal(y[1], 2);
    rnn_data_close(&d);
    assert_good(open_split("test", 2, &d, &err), &err);
    assert_int_equal(d.n, 2);
    rnn_data_close(&d);
}

static void a_split_may_have_files_of_its_own(void **state)
{
    RnnDataset d;
    RnnError err;
    int32_t zero = 0;
    double x[2];

    (void)state;
    write_points("");
    write_npy("other.npy", ">f8", "(3, 1, 2)",
              "\x3f\xe0\0\0\0\0\0\0\x3f\xd0\0\0\0\0\0\0\x3f\xd0\0\0\0\0\0\0"
              "\x3f\xd0\0\0\0\0\0\0\x3f\xd0\0\0\0\0\0\0\x3f\xd0\0\0\0\0\0\0",
              48);
    decl.narg = 3;
    arg_name[2] = "test_x", arg[2] = "other.npy";
    assert_good(open_split("test", 0, &d, &err), &err);
    rnn_data_gather(&d, 0, &zero, 1, RNN_F64, x);
    assert_true(x[0] == 0.5 && x[1] == 0.25);
    rnn_data_close(&d);
    decl.narg = 1;
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "\"points\"", "\"y\"", "test_y");
}

static void bytes_are_mapped_and_other_integers_are_not(void **state)
{
    static const unsigned char b[] = {0, 255, 51, 102, 0, 0};
    static const short s[] = {0, 1, 5, -7, 0, 0};
    RnnDataset d;
    RnnError err;
    int32_t zero = 0, one = 1;
    double x[2];

    (void)state;
    write_points("");
    write_npy("x.npy", "|u1", "(3, 2)", b, sizeof b);
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_gather(&d, 0, &zero, 1, RNN_F64, x);
    assert_true(x[0] == 0 && x[1] == 0.7);
    rnn_data_close(&d);
    write_npy("x.npy", "<i2", "(3, 2)", s, sizeof s);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "example 0", "holds 1,", "[0, 0.7]");
    field[0].lo = -7, field[0].hi = 5;
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_gather(&d, 0, &one, 1, RNN_F64, x);
    assert_true(x[0] == 5 && x[1] == -7);
    rnn_data_close(&d);
}

static void refuse_points(float bad, const char *text)
{
    float x[6];
    RnnDataset d;
    RnnError err;

    memcpy(x, points, sizeof x);
    x[3] = bad;
    write_npy("x.npy", "<f4", "(3, 2)", x, sizeof x);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "x.npy", "example 1", text);
}

static void values_outside_the_range_name_the_example(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    write_points("");
    refuse_points(-0.1f, "holds -0.1, outside the range [0, 0.7] of field");
    refuse_points(0.701f, "holds 0.70099998");
    refuse_points(NAN, "a NaN");
    refuse_points(HUGE_VALF, "an infinity");
    field[0].lo = -HUGE_VAL, field[0].hi = HUGE_VAL;
    refuse_points(NAN, "a NaN");
    refuse_points(-HUGE_VALF, "an infinity");
    write_points("");
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_close(&d);
}

static void wrong_arrays_are_refused(void **state)
{
    static const int64_t high[] = {0, 3, 1}, low[] = {0, 1, -1};
    static const int64_t huge[] = {0, (int64_t)1 << 40, 1};
    RnnDataset d;
    RnnError err;

    (void)state;
    write_points("");
    write_npy("y.npy", "<i8", "(3,)", high, 24);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "y.npy", "example 1", "label 3", "0 to 2");
    write_npy("y.npy", "<i8", "(3,)", low, 24);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "example 2", "label -1");
    write_npy("y.npy", "<i8", "(3,)", huge, 24);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "element 1", "1099511627776");
    write_npy("y.npy", "<i8", "(2,)", classes, 16);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "3 examples", "holds 2", "x.npy", "y.npy");
    write_npy("y.npy", "<f4", "(3,)", points, 12);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "holds f32", "\"y\"", "whole numbers");
    write_npy("y.npy", "<i8", "()", classes, 8);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "single number");
    write_npy("y.npy", "<i8", "(3, 2)", (int64_t[6]){0}, 48);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "[2]", "[]", "\"y\"");
    write_npy("x.npy", "<f4", "(0, 2)", points, 0);
    write_npy("y.npy", "<i8", "(0,)", classes, 0);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "x.npy", "no examples");
    write_npy("x.npy", "<f4", "(3, 2)", points, 20);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "x.npy", "cut short");
    arg[0] = "none.npy";
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "none.npy", "\"points\"", "--data");
    arg[0] = "/none.npy";
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "there is no \"/none.npy\"");
}

/* An .npz file as numpy or Keras would save it. */
static void write_npz(const char *name, const char *x, const char *y, int n)
{
    static float at[6];
    static int32_t label[3] = {2, 0, 1};
    RnnArray array[2];
    RnnArrays all = {.n = 2, .array = array};
    RnnError err;

    memcpy(at, points, sizeof at);
    array[0] = (RnnArray){(char *)x, {.dt = RNN_F32, .rank = 2, .dim = {n, 2}},
                          false, at};
    array[1] = (RnnArray){(char *)y, {.dt = RNN_I32, .rank = 1, .dim = {n}},
                          false, label};
    assert_good(rnn_arrays_write(scratch(name), &all, &err), &err);
}

static void npz_arrays_are_found_by_split_and_field(void **state)
{
    static const char *const name[][2] = {
        {"x", "y"}, {"x_train", "y_train"}, {"train_x", "y"}};
    RnnDataset d;
    RnnError err;
    int32_t pick = 1, y;

    (void)state;
    decl.reader = "npz";
    decl.narg = 1;
    arg_name[0] = "", arg[0] = "all.npz";
    for (int k = 0; k < 3; k++) {
        write_npz("all.npz", name[k][0], name[k][1], 3);
        assert_good(open_split("train", 0, &d, &err), &err);
        rnn_data_gather(&d, 1, &pick, 1, RNN_I32, &y);
        assert_int_equal(y, 0);
        assert_int_equal(d.n, 3);
        rnn_data_close(&d);
    }
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "all.npz", "\"test_x\"", "\"x_test\"", "\"x\"");
    write_npz("images.npz", "image", "y", 2);
    decl.narg = 3;
    arg_name[1] = "test", arg[1] = "images.npz";
    arg_name[2] = "x", arg[2] = "image";
    assert_good(open_split("test", 0, &d, &err), &err);
    assert_int_equal(d.n, 2);
    rnn_data_close(&d);
    decl.narg = 0;
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "\"points\"", "npz(");
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(arrays_become_columns),
        TEST(a_split_may_have_files_of_its_own),
        TEST(bytes_are_mapped_and_other_integers_are_not),
        TEST(values_outside_the_range_name_the_example),
        TEST(wrong_arrays_are_refused),
        TEST(npz_arrays_are_found_by_split_and_field),
    };

    return cmocka_run_group_tests_name("data_npy", tests, NULL, NULL);
}
