/*
 * test_data_cifar.c -- CIFAR-10 and CIFAR-100 in the binary version.
 */
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { IMAGE = 3072 };

static RnnField field[2];
static const char *arg_name[2], *arg[2];
static RnnData decl;

static int reset(void **state)
{
    (void)state;
    scratch_empty();
    field[0] = (RnnField){
        "x", {.dt = RNN_F32, .batched = 1, .rank = 3, .dim = {3, 32, 32}}, -1,
        1, 0};
    field[1] = (RnnField){"y", {.dt = RNN_I32, .batched = 1}, -HUGE_VAL,
                          HUGE_VAL, 10};
    arg_name[0] = "", arg[0] = "cifar10";
    arg_name[1] = "labels", arg[1] = "fine";
    decl = (RnnData){"cifar", "cifar10", "t.rnn:1:1", 1, 2, arg_name, arg,
                     field};
    return 0;
}

/* Example k of a file that begins with number `first`: fine label k % 10,
 * coarse label 3, every byte of plane p is k + p. */
static void write_batch(const char *name, int n, int first, int labels)
{
    size_t record = (size_t)labels + IMAGE;
    unsigned char *b = calloc((size_t)n + 1, record);

    for (int i = 0; i < n; i++) {
        unsigned char *r = b + (size_t)i * record;

        r[0] = 3;
        r[labels - 1] = (unsigned char)((first + i) % 10);
        for (int k = 0; k < IMAGE; k++)
            r[labels + k] = (unsigned char)(first + i + k / 1024);
    }
    scratch_file(name, b, (size_t)n * record);
    free(b);
}

static RnnStatus open_split(const char *split, int64_t limit, RnnDataset *d,
                            RnnError *err)
{
    return rnn_data_open(&decl, split, scratch(""), limit, d, err);
}

static void check_examples(const RnnDataset *d, int32_t n)
{
    static float x[IMAGE];

    assert_int_equal(d->n, n);
    for (int32_t i = 0; i < n; i++) {
        int32_t y;

        rnn_data_gather(d, 1, &i, 1, RNN_I32, &y);
        rnn_data_gather(d, 0, &i, 1, RNN_F32, x);
        assert_int_equal(y, i % 10);
        for (int k = 0; k < IMAGE; k += 512)
            assert_true(x[k] ==
                        (float)(-1 + 2.0 * ((i + k / 1024) & 255) / 255));
    }
}

static void training_files_follow_each_other(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    mkdir(scratch("cifar-10-batches-bin"), 0777);
    write_batch("cifar-10-batches-bin/data_batch_1.bin", 70, 0, 1);
    write_batch("cifar-10-batches-bin/data_batch_3.bin", 20, 70, 1);
    write_batch("cifar-10-batches-bin/test_batch.bin", 5, 0, 1);
    assert_good(open_split("train", 0, &d, &err), &err);
    assert_non_null(strstr(d.path, "(2 of 5 files)"));
    check_examples(&d, 90);
    rnn_data_close(&d);
    assert_good(open_split("train", 75, &d, &err), &err);
    check_examples(&d, 75);
    rnn_data_close(&d);
    assert_good(open_split("test", 0, &d, &err), &err);
    assert_null(strstr(d.path, " of "));
    check_examples(&d, 5);
    rnn_data_close(&d);
}

static void cifar100_has_two_labels(void **state)
{
    RnnDataset d;
    RnnError err;
    int32_t zero = 0, y;

    (void)state;
    decl.reader = "cifar100";
    field[1].nclass = 100;
    write_batch("train.bin", 12, 0, 2);
    assert_good(open_split("train", 0, &d, &err), &err);
    check_examples(&d, 12);
    rnn_data_close(&d);
    decl.narg = 2;
    arg[1] = "coarse";
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_gather(&d, 1, &zero, 1, RNN_I32, &y);
    assert_int_equal(y, 3);
    rnn_data_close(&d);
    arg[1] = "rough";
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "rough", "coarse");
}

static void wrong_files_are_refused(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "test_batch.bin", "cifar10", "--data");
    scratch_file("test_batch.bin", "short", 5);
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "test_batch.bin", "5 bytes", "3073");
    scratch_file("test_batch.bin", "", 0);
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "no examples");
    write_batch("test_batch.bin", 10, 0, 1);
    field[1].nclass = 5;
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "example 5", "label 5");
    field[0].type.dim[1] = 28;
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "[3, 32, 32]", "[3, 28, 32]");
    field[0].type = (RnnType){.rank = 3, .dim = {32, 32, 3}};
    assert_refused(open_split("test", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "another order");
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(training_files_follow_each_other),
        TEST(cifar100_has_two_labels),
        TEST(wrong_files_are_refused),
    };

    return cmocka_run_group_tests_name("data_cifar", tests, NULL, NULL);
}
