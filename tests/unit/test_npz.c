/*
 * test_npz.c -- several arrays in a file: round trips through each format, and
 * zip files of other writers, whole and damaged.
 */
#include "support/made_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static RnnArrays three_arrays(void)
{
    static float f[6] = {1, 2, 3, 4, 5, -0.0f};
    static double d[1] = {M_PI};
    static int32_t i[2] = {-7, INT32_MAX};
    static unsigned char b[3] = {1, 0, 1};
    static RnnArray a[4];

    a[0] = (RnnArray){"f.conv1.weight",
                      {.dt = RNN_F32, .rank = 2, .dim = {2, 3}}, false, f};
    a[1] = (RnnArray){"mask", {.dt = RNN_BOOL, .rank = 1, .dim = {3}}, false,
                      b};
    a[2] = (RnnArray){"pi", {.dt = RNN_F64}, false, d};
    a[3] = (RnnArray){"count \"q\"", {.dt = RNN_I32, .rank = 1, .dim = {2}},
                      false, i};
    return (RnnArrays){.n = 4, .array = a};
}

static void assert_same_arrays(const RnnArrays *got, const RnnArrays *want)
{
    assert_int_equal(got->n, want->n);
    for (int k = 0; k < want->n; k++) {
        const RnnArray *w = &want->array[k];
        const RnnArray *g = rnn_arrays_find(got, w->name);

        assert_non_null(g);
        assert_memory_equal(&g->type, &w->type, sizeof g->type);
        assert_memory_equal(g->at, w->at,
                            (size_t)rnn_type_count(&w->type) *
                                rnn_dtype_bytes(w->type.dt));
    }
}

static void arrays_come_back_as_they_were_written(void **state)
{
    static const char *const name[] = {"a.npz", "a.safetensors", "A.NPZ"};
    RnnArrays want = three_arrays(), got;
    RnnError err;

    (void)state;
    for (int k = 0; k < 3; k++) {
        assert_good(rnn_arrays_write(scratch(name[k]), &want, &err), &err);
        assert_good(rnn_arrays_read(scratch(name[k]), &got, &err), &err);
        assert_same_arrays(&got, &want);
        rnn_arrays_free(&got);
    }
    want.n = 1;
    assert_good(rnn_arrays_write(scratch("a.npy"), &want, &err), &err);
    assert_good(rnn_arrays_read(scratch("a.npy"), &got, &err), &err);
    assert_string_equal(got.array[0].name, "a");
    assert_memory_equal(&got.array[0].type, &want.array[0].type,
                        sizeof(RnnType));
    assert_memory_equal(got.array[0].at, want.array[0].at, 24);
    rnn_arrays_free(&got);
}

static void the_same_arrays_make_the_same_bytes(void **state)
{
    RnnArrays a = three_arrays();
    unsigned char *x, *y;
    size_t nx, ny;
    RnnError err;

    (void)state;
    assert_good(rnn_arrays_write(scratch("a.npz"), &a, &err), &err);
    assert_good(rnn_arrays_write(scratch("b.npz"), &a, &err), &err);
    assert_good(rnn_file_read(scratch("a.npz"), &x, &nx, &err), &err);
    assert_good(rnn_file_read(scratch("b.npz"), &y, &ny, &err), &err);
    assert_int_equal(nx, ny);
    assert_memory_equal(x, y, nx);
    free(x), free(y);
}

/* One member, deflated, its sizes in zip64 fields if asked. */
static void make_npz(bool zip64)
{
    unsigned char npy[512], packed[1024];
    size_t nnpy, npacked, directory;
    z_stream z = {.next_out = packed, .avail_out = sizeof packed};
    uint64_t all = 0xffffffff;

    made_npy(1, NPY_DICT("<f4", "(8, 8)"));
    for (int k = 0; k < 64; k++)
        made_number(bits_of_f32((float)k), 4, false);
    memcpy(npy, made, nnpy = nmade);
    z.next_in = npy;
    z.avail_in = (unsigned)nnpy;
    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    npacked = z.total_out;
    deflateEnd(&z);

    uint64_t crc = crc32(0, npy, (unsigned)nnpy);
    nmade = 0;
    for (int local = 1; local >= 0; local--) {
        directory = nmade;
        made_number(local ? 0x04034b50 : 0x02014b50, 4, false);
        if (!local)
            made_number(45, 2, false);
        made_number(45, 2, false);
        made_number(0, 2, false);
        made_number(8, 2, false);
        made_number(0, 4, false);
        made_number(crc, 4, false);
        made_number(zip64 ? all : npacked, 4, false);
        made_number(zip64 ? all : nnpy, 4, false);
        made_number(5, 2, false);
        made_number(zip64 ? 28 : 0, 2, false);
        if (!local) {
            made_number(0, 8, false);
            made_number(0, 2, false);
            made_number(zip64 ? all : 0, 4, false);
        }
        made_put("w.npy", 5);
        if (zip64) {
            made_number(1, 2, false);
            made_number(24, 2, false);
            made_number(nnpy, 8, false);
            made_number(npacked, 8, false);
            made_number(0, 8, false);
        }
        if (local)
            made_put(packed, npacked);
    }
    size_t end = nmade;
    if (zip64) {
        made_number(0x06064b50, 4, false);
        made_number(44, 8, false);
        made_number(0, 12, false);
        made_number(1, 8, false);
        made_number(1, 8, false);
        made_number(end - directory, 8, false);
        made_number(directory, 8, false);
        made_number(0x07064b50, 4, false);
        made_number(0, 4, false);
        made_number(end, 8, false);
        made_number(1, 4, false);
    }
    made_number(0x06054b50, 4, false);
    made_number(0, 4, false);
    made_number(zip64 ? 0xffff : 1, 2, false);
    made_number(zip64 ? 0xffff : 1, 2, false);
    made_number(zip64 ? all : end - directory, 4, false);
    made_number(zip64 ? all : directory, 4, false);
    made_number(0, 2, false);
}

static void deflated_and_zip64_members_are_read(void **state)
{
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        RnnArrays a;
        RnnError err;

        make_npz(zip64);
        assert_good(made_read("x.npz", &a, &err), &err);
        assert_int_equal(a.n, 1);
        assert_string_equal(a.array[0].name, "w");
        for (int k = 0; k < 64; k++)
            assert_true(number_at(&a.array[0], k) == k);
        rnn_arrays_free(&a);
    }
}

static void damaged_npz_files_never_crash(void **state)
{
    (void)state;
    make_npz(false);
    made_damage("x.npz", 1);
    make_npz(true);
    made_damage("x.npz", 3);
}

static void refuse_zip(size_t at, uint64_t x, int bytes, const char *text)
{
    RnnArrays a;
    RnnError err;

    make_npz(false);
    for (int k = 0; k < bytes; k++)
        made[at + (size_t)k] = (unsigned char)(x >> 8 * k);
    assert_refused(made_read("x.npz", &a, &err), &err, RNN_BAD_INPUT, "x.npz",
                   text);
}

static void lying_zip_files_are_refused(void **state)
{
    size_t directory;

    (void)state;
    make_npz(false);
    directory = nmade - 22 - 46 - 5;
    refuse_zip(0, 0, 4, "holds no arrays");
    refuse_zip(40, 0x55, 1, "damaged");
    refuse_zip(directory + 8, 1, 2, "encrypted");
    refuse_zip(directory + 10, 12, 2, "method 12");
    refuse_zip(directory + 16, 0, 4, "checksum");
    refuse_zip(directory + 20, 0x7fffffff, 4, "outside");
    refuse_zip(directory + 24, 0x7fffffff, 4, "contradict");
    refuse_zip(directory + 42, 0x7fffffff, 4, "outside");
    refuse_zip(nmade - 6, 0x7fffffff, 4, "outside");
    refuse_zip(nmade - 12, 60000, 2, "outside");
    refuse_zip(nmade - 22, 0, 4, "no directory");
    refuse_zip(directory + 46 + 4, 'z', 1, "without any .npy member");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_come_back_as_they_were_written),
        cmocka_unit_test(the_same_arrays_make_the_same_bytes),
        cmocka_unit_test(deflated_and_zip64_members_are_read),
        cmocka_unit_test(damaged_npz_files_never_crash),
        cmocka_unit_test(lying_zip_files_are_refused),
    };

    return cmocka_run_group_tests_name("npz", tests, NULL, NULL);
}
