/*
 * test_data_idx.c -- IDX files: found where they should be, mapped onto the
 * declared range, and refused with a reason when they are not what they say.
 */
#include "support/scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const RnnField image = {
    "x", {.dt = RNN_F32, .batched = 1, .rank = 3, .dim = {1, 2, 3}}, 0, 1, 0};
static const RnnField label = {
    "y", {.dt = RNN_I32, .batched = 1}, -HUGE_VAL, HUGE_VAL, 10};

static RnnField field[2];
static const char *arg_name[1] = {""}, *arg[1] = {"fashion-mnist"};
static RnnData decl = {"fashion", "idx", "t.rnn:1:1", 1, 2, arg_name, arg,
                       field};

/* The bytes of an IDX file: n examples of 2 x 3 pixels, or n labels. */
static unsigned char idx[4096];
static size_t make_images(int n)
{
    static const unsigned char head[] = {0, 0, 8, 3, 0, 0, 0, 0,
                                         0, 0, 0, 2, 0, 0, 0, 3};

    memcpy(idx, head, 16);
    idx[7] = (unsigned char)n;
    for (int k = 0; k < 6 * n; k++)
        idx[16 + k] = (unsigned char)(k * 255 / 5);
    return 16 + 6 * (size_t)n;
}

static size_t make_labels(int n)
{
    static const unsigned char head[] = {0, 0, 8, 1, 0, 0, 0, 0};

    memcpy(idx, head, 8);
    idx[7] = (unsigned char)n;
    for (int k = 0; k < n; k++)
        idx[8 + k] = (unsigned char)(k % 10);
    return 8 + (size_t)n;
}

static void write_split(const char *prefix, int n, bool gzip)
{
    char name[128];
    const char *(*save)(const char *, const void *, size_t) =
        gzip ? scratch_gzip : scratch_file;

    snprintf(name, sizeof name, "%s-images-idx3-ubyte%s", prefix,
             gzip ? ".gz" : "");
    save(name, idx, make_images(n));
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte%s", prefix,
             gzip ? ".gz" : "");
    save(name, idx, make_labels(n));
}

static int reset(void **state)
{
    (void)state;
    scratch_empty();
    field[0] = image;
    field[1] = label;
    decl.nfield = 2;
    decl.reader = "idx";
    arg[0] = "fashion-mnist";
    unsetenv("RNN_DATA");
    return 0;
}

static RnnStatus open_split(const char *split, int64_t limit, RnnDataset *d,
                            RnnError *err)
{
    err->text[0] = 0;
    return rnn_data_open(&decl, split, scratch(""), limit, d, err);
}

static void both_splits_are_read_plain_and_gzip(void **state)
{
    static const int32_t pick[] = {2, 0};
    RnnDataset d;
    RnnError err;
    float x[12];
    double x64[12];
    int32_t y[2];

    (void)state;
    write_split("train", 5, true);
    write_split("t10k", 3, false);
    assert_good(open_split("train", 0, &d, &err), &err);
    assert_int_equal(d.n, 5);
    rnn_data_close(&d);
    assert_good(open_split("test", 0, &d, &err), &err);
    assert_int_equal(d.n, 3);
    rnn_data_gather(&d, 0, pick, 2, RNN_F32, x);
    rnn_data_gather(&d, 0, pick, 2, RNN_F64, x64);
    rnn_data_gather(&d, 1, pick, 2, RNN_I32, y);
    assert_int_equal(y[0], 2);
    assert_int_equal(y[1], 0);
    for (int k = 0; k < 12; k++) {
        int byte = (k < 6 ? 12 + k : k - 6) * 51 & 255;

        assert_true(x64[k] == byte / 255.0);
        assert_true(x[k] == (float)x64[k]);
    }
    rnn_data_close(&d);
}

static void bytes_fill_the_declared_range(void **state)
{
    static const int32_t pick[] = {0};
    RnnDataset d;
    RnnError err;
    double x[6];

    (void)state;
    write_split("train", 1, false);
    field[0].lo = -1;
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_gather(&d, 0, pick, 1, RNN_F64, x);
    assert_true(x[0] == -1 && x[5] == 1);
    rnn_data_close(&d);
    field[0].lo = -HUGE_VAL, field[0].hi = HUGE_VAL;
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_gather(&d, 0, pick, 1, RNN_F64, x);
    assert_true(x[0] == 0 && x[1] == 51 && x[5] == 255);
    rnn_data_close(&d);
}

static void other_spellings_and_folders_are_found(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    mkdir(scratch("fashion-mnist"), 0777);
    scratch_gzip("fashion-mnist/train-images.idx3-ubyte.gz", idx,
                 make_images(2));
    scratch_file("fashion-mnist/train-labels.idx1-ubyte", idx, make_labels(2));
    assert_good(open_split("train", 0, &d, &err), &err);
    assert_int_equal(d.n, 2);
    assert_non_null(strstr(d.path, "/fashion-mnist"));
    rnn_data_close(&d);
    /* The folder of the name goes before the place itself. */
    write_split("train", 4, false);
    assert_good(open_split("train", 0, &d, &err), &err);
    assert_int_equal(d.n, 2);
    rnn_data_close(&d);
    setenv("RNN_DATA", scratch(""), 1);
    assert_good(rnn_data_open(&decl, "train", NULL, 0, &d, &err), &err);
    assert_int_equal(d.n, 2);
    rnn_data_close(&d);
    arg[0] = scratch("fashion-mnist");
    assert_good(rnn_data_open(&decl, "train", NULL, 0, &d, &err), &err);
    assert_int_equal(d.n, 2);
    rnn_data_close(&d);
}

static void several_folders_may_be_given(void **state)
{
    RnnDataset d;
    RnnError err;
    char list[600];

    (void)state;
    mkdir(scratch("a"), 0777);
    write_split("a/train", 3, false);
    arg[0] = "mnist";
    snprintf(list, sizeof list, "%s:%s", scratch(""), scratch("a"));
    assert_good(rnn_data_open(&decl, "train", list, 0, &d, &err), &err);
    assert_int_equal(d.n, 3);
    rnn_data_close(&d);
}

static void a_limit_reads_only_the_beginning(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    scratch_file("train-images-idx3-ubyte", idx, make_images(5) - 6);
    scratch_file("train-labels-idx1-ubyte", idx, make_labels(5));
    assert_good(open_split("train", 4, &d, &err), &err);
    assert_int_equal(d.n, 4);
    rnn_data_close(&d);
    assert_refused(open_split("train", 5, &d, &err), &err, RNN_BAD_INPUT,
                   "train-images-idx3-ubyte", "cut short", "5 examples");
}

static void only_the_files_of_declared_fields_are_needed(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    scratch_file("train-images-idx3-ubyte", idx, make_images(2));
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "train-labels-idx1-ubyte", "\"y\"");
    decl.nfield = 1;
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_close(&d);
}

static void flat_shapes_agree_with_images(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    write_split("train", 2, false);
    field[0].type = (RnnType){.dt = RNN_F32, .rank = 1, .dim = {6}};
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_close(&d);
    field[0].type = (RnnType){.dt = RNN_F32, .rank = 2, .dim = {2, 3}};
    assert_good(open_split("train", 0, &d, &err), &err);
    rnn_data_close(&d);
    field[0].type = (RnnType){.dt = RNN_F32, .rank = 2, .dim = {3, 2}};
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "[2, 3]", "[3, 2]", "another order");
    field[0].type = (RnnType){.dt = RNN_F32, .rank = 1, .dim = {7}};
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "[2, 3]", "[7]", "\"x\"");
}

static void missing_files_name_the_places_tried(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "train-images-idx3-ubyte", scratch("fashion-mnist"),
                   "--data", "dataset-fashion-mnist");
    assert_refused(rnn_data_open(&decl, "train", scratch("none"), 0, &d, &err),
                   &err, RNN_BAD_INPUT, "--data", "none", "not a folder");
    arg[0] = "no-such-data";
    setenv("RNN_DATA", scratch("elsewhere"), 1);
    assert_refused(rnn_data_open(&decl, "test", NULL, 0, &d, &err), &err,
                   RNN_BAD_INPUT, "t10k-images-idx3-ubyte", "elsewhere",
                   "\"no-such-data\"", "/usr/share/datasets/no-such-data");
    decl.reader = "parquet";
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "parquet", "cifar10");
}

static void refuse_images(size_t n, bool gzip, const char *text)
{
    RnnDataset d;
    RnnError err;

    if (gzip)
        scratch_gzip("train-images-idx3-ubyte", idx, n);
    else
        scratch_file("train-images-idx3-ubyte", idx, n);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "train-images-idx3-ubyte", text);
    assert_null(d.column);
}

static void lying_files_are_refused(void **state)
{
    (void)state;
    scratch_file("train-labels-idx1-ubyte", idx, make_labels(3));
    make_images(3);
    refuse_images(0, false, "begins with 00 00 00 00");
    refuse_images(3, false, "no IDX file of images");
    refuse_images(9, false, "cut short in its header");
    refuse_images(20, false, "cut short");
    refuse_images(20, true, "cut short");
    refuse_images(16 + 19, false, "bytes after the 3 examples");
    idx[4] = 255;
    refuse_images(16 + 18, true, "cut short");
    memset(idx + 4, 255, 12);
    refuse_images(16 + 18, false, "cut short");
    make_images(3);
    idx[2] = 0x0d;
    refuse_images(16 + 18, false, "00 00 0d 03, expected 00 00 08 03");
    refuse_images(make_labels(3), false, "no IDX file of images");
    refuse_images(make_images(0), false, "0 examples");
    refuse_images(make_images(2), false, "they must belong together");
}

static void damaged_gzip_files_are_refused(void **state)
{
    unsigned char *bytes;
    size_t n;
    RnnError err;

    (void)state;
    scratch_file("train-labels-idx1-ubyte", idx, make_labels(3));
    scratch_gzip("good.gz", idx, make_images(3));
    FILE *f = fopen(scratch("good.gz"), "rb");
    bytes = malloc(4096);
    n = fread(bytes, 1, 4096, f);
    fclose(f);
    memcpy(idx, bytes, n);
    refuse_images(n - 1, false, "cut short");
    refuse_images(n - 12, false, "cut short");
    idx[n - 6] ^= 1;
    refuse_images(n, false, "damaged gzip");
    memcpy(idx, bytes, n);
    for (size_t k = 10; k < n - 9; k++) { // byte n - 9 ends in unused bits
        RnnDataset d;

        idx[k] ^= 0x10;
        scratch_file("train-images-idx3-ubyte", idx, n);
        assert_int_not_equal(open_split("train", 0, &d, &err), RNN_OK);
        idx[k] ^= 0x10;
    }
    free(bytes);
}

static void labels_out_of_range_name_the_example(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    write_split("train", 12, false);
    field[1].nclass = 9;
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "example 9", "label 9", "\"y\"", "0 to 8");
}

static void empty_sets_are_refused(void **state)
{
    RnnDataset d;
    RnnError err;

    (void)state;
    write_split("train", 0, false);
    assert_refused(open_split("train", 0, &d, &err), &err, RNN_BAD_INPUT,
                   "no examples");
}

static void the_distributed_data_set_is_read(void **state)
{
    static const RnnField fashion = {
        "x", {.dt = RNN_F32, .rank = 3, .dim = {1, 28, 28}}, 0, 1, 0};
    int64_t count[10] = {0};
    RnnDataset d;
    RnnError err;

    (void)state;
    if (access("/usr/share/datasets/fashion-mnist/"
               "t10k-images-idx3-ubyte.gz", R_OK))
        skip();
    field[0] = fashion;
    assert_good(rnn_data_open(&decl, "test", NULL, 0, &d, &err), &err);
    assert_int_equal(d.n, 10000);
    for (int32_t i = 0; i < 10000; i++) {
        int32_t y;

        rnn_data_gather(&d, 1, &i, 1, RNN_I32, &y);
        count[y]++;
    }
    for (int k = 0; k < 10; k++)
        assert_int_equal(count[k], 1000);
    rnn_data_close(&d);
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(both_splits_are_read_plain_and_gzip),
        TEST(bytes_fill_the_declared_range),
        TEST(other_spellings_and_folders_are_found),
        TEST(several_folders_may_be_given),
        TEST(a_limit_reads_only_the_beginning),
        TEST(only_the_files_of_declared_fields_are_needed),
        TEST(flat_shapes_agree_with_images),
        TEST(missing_files_name_the_places_tried),
        TEST(lying_files_are_refused),
        TEST(damaged_gzip_files_are_refused),
        TEST(labels_out_of_range_name_the_example),
        TEST(empty_sets_are_refused),
        TEST(the_distributed_data_set_is_read),
    };

    return cmocka_run_group_tests_name("data_idx", tests, NULL, NULL);
}
