/*
 * test_npy.c -- .npy and .npz files: every element type in both byte orders
 * and both orders of dimensions, round trips, and files that lie.
 */
#include "support/scratch.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* A file under construction. */
static unsigned char file[1 << 16];
static size_t nfile;

static void put(const void *bytes, size_t n)
{
    memcpy(file + nfile, bytes, n);
    nfile += n;
}

static void put_number(uint64_t x, int bytes, bool big)
{
    for (int k = 0; k < bytes; k++) {
        int at = big ? bytes - 1 - k : k;

        file[nfile++] = at < 8 ? (unsigned char)(x >> 8 * at) : 0;
    }
}

static void begin_npy(int version, const char *dict)
{
    nfile = 0;
    put("\x93NUMPY", 6);
    put_number((uint64_t)version, 1, false);
    put_number(0, 1, false);
    put_number(strlen(dict), version == 1 ? 2 : 4, false);
    put(dict, strlen(dict));
}

static const char *save(const char *name)
{
    return scratch_file(name, file, nfile);
}

static RnnStatus read_back(const char *name, RnnArrays *a, RnnError *err)
{
    return rnn_arrays_read(save(name), a, err);
}

static double number_at(const RnnArray *a, int64_t i)
{
    switch (a->type.dt) {
    case RNN_F32:
        return ((float *)a->at)[i];
    case RNN_F64:
        return ((double *)a->at)[i];
    case RNN_I32:
        return ((int32_t *)a->at)[i];
    default:
        return ((unsigned char *)a->at)[i];
    }
}

static uint64_t bits_of_f64(double x)
{
    uint64_t u;

    memcpy(&u, &x, 8);
    return u;
}

static uint64_t bits_of_f32(float x)
{
    uint32_t u;

    memcpy(&u, &x, 4);
    return u;
}

static void every_element_type_is_read_in_both_byte_orders(void **state)
{
    static const struct {
        const char *descr;
        int bytes, dt;
        double a, b;
        uint64_t abits, bbits;
    } type[] = {
        {"b1", 1, RNN_BOOL, 1, 0, 1, 0},
        {"u1", 1, RNN_I32, 0, 255, 0, 255},
        {"i1", 1, RNN_I32, -128, 127, 0x80, 0x7f},
        {"u2", 2, RNN_I32, 1, 65535, 1, 65535},
        {"i2", 2, RNN_I32, -2, 258, 0xfffe, 258},
        {"u4", 4, RNN_I32, 7, INT32_MAX, 7, INT32_MAX},
        {"i4", 4, RNN_I32, INT32_MIN, 5, 0x80000000, 5},
        {"u8", 8, RNN_I32, 7, INT32_MAX, 7, INT32_MAX},
        {"i8", 8, RNN_I32, INT32_MIN, -1, 0xffffffff80000000, UINT64_MAX},
        {"f2", 2, RNN_F32, 1.5, -65504, 0x3e00, 0xfbff},
        {"f2", 2, RNN_F32, 0x1p-24, -0x1.8p-15, 0x0001, 0x8300},
        {"f4", 4, RNN_F32, 0.25, -3, 0x3e800000, 0xc0400000},
        {"f8", 8, RNN_F64, 0.1, -1e300, 0, 0},
    };

    (void)state;
    for (size_t k = 0; k < sizeof type / sizeof *type; k++)
        for (int big = 0; big < 2; big++) {
            RnnArrays a;
            RnnError err;
            char dict[128];
            bool f8 = type[k].descr[1] == '8' && type[k].descr[0] == 'f';

            snprintf(dict, sizeof dict,
                     "{'descr': '%c%s', 'fortran_order': False, 'shape': (2,), "
                     "}\n", type[k].bytes == 1 ? '|' : big ? '>' : '<',
                     type[k].descr);
            begin_npy(1 + (int)(k % 3), dict);
            put_number(f8 ? bits_of_f64(type[k].a) : type[k].abits,
                       type[k].bytes, big);
            put_number(f8 ? bits_of_f64(type[k].b) : type[k].bbits,
                       type[k].bytes, big);
            assert_good(read_back("x.npy", &a, &err), &err);
            assert_int_equal(a.n, 1);
            assert_string_equal(a.array[0].name, "x");
            assert_int_equal(a.array[0].type.dt, type[k].dt);
            assert_int_equal(a.array[0].type.rank, 1);
            assert_int_equal(a.array[0].type.dim[0], 2);
            assert_true(number_at(&a.array[0], 0) == type[k].a);
            assert_true(number_at(&a.array[0], 1) == type[k].b);
            rnn_arrays_free(&a);
        }
}

static void half_precision_keeps_infinity_and_nan(void **state)
{
    RnnArrays a;
    RnnError err;

    (void)state;
    begin_npy(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (3,)}");
    put_number(0x7c00, 2, false);
    put_number(0xfc00, 2, false);
    put_number(0x7e01, 2, false);
    assert_good(read_back("x.npy", &a, &err), &err);
    assert_true(number_at(&a.array[0], 0) == HUGE_VAL);
    assert_true(number_at(&a.array[0], 1) == -HUGE_VAL);
    assert_true(isnan(number_at(&a.array[0], 2)));
    rnn_arrays_free(&a);
}

/* Element (i, j, k) holds 100 i + 10 j + k. */
static void fortran_order_becomes_c_order(void **state)
{
    RnnArrays a;
    RnnError err;

    (void)state;
    begin_npy(1, "{'descr': '>i2', 'fortran_order': True, "
                 "'shape': (2, 3, 4)}");
    for (int k = 0; k < 4; k++)
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < 2; i++)
                put_number((uint64_t)(100 * i + 10 * j + k), 2, true);
    assert_good(read_back("x.npy", &a, &err), &err);
    for (int n = 0; n < 24; n++)
        assert_true(number_at(&a.array[0], n) ==
                    n / 12 * 100 + n / 4 % 3 * 10 + n % 4);
    rnn_arrays_free(&a);
}

static void headers_of_other_writers_are_read(void **state)
{
    static const char *const dict[] = {
        "{\"shape\": (1L, 2L), \"fortran_order\": False, \"descr\": \"<f4\"}",
        "{'descr':'<f4','fortran_order':False,'shape':(1,2,),}",
        "  { 'descr' : '=f4' , 'shape' : ( 1 , 2 ) , 'fortran_order' : False }",
    };

    (void)state;
    for (size_t k = 0; k < sizeof dict / sizeof *dict; k++) {
        RnnArrays a;
        RnnError err;

        begin_npy(2, dict[k]);
        put_number(bits_of_f32(1), 4, false);
        put_number(bits_of_f32(2), 4, false);
        assert_good(read_back("x.npy", &a, &err), &err);
        assert_int_equal(a.array[0].type.rank, 2);
        assert_int_equal(a.array[0].type.dim[1], 2);
        rnn_arrays_free(&a);
    }
}

static void scalars_and_empty_arrays_are_read(void **state)
{
    RnnArrays a;
    RnnError err;

    (void)state;
    begin_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}");
    put_number(bits_of_f32(5), 4, false);
    assert_good(read_back("x.npy", &a, &err), &err);
    assert_int_equal(a.array[0].type.rank, 0);
    assert_true(number_at(&a.array[0], 0) == 5);
    rnn_arrays_free(&a);
    begin_npy(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 0)}");
    assert_good(read_back("x.npy", &a, &err), &err);
    assert_int_equal(rnn_type_count(&a.array[0].type), 0);
    rnn_arrays_free(&a);
}

static void refuse(const char *text)
{
    RnnArrays a;
    RnnError err = {""};
    RnnStatus st = read_back("bad.npy", &a, &err);

    assert_refused(st, &err, RNN_BAD_INPUT, "bad.npy", text);
    assert_null(a.array);
}

#define DICT(descr, shape)                                                    \
    "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape "}"

static void lying_arrays_are_refused(void **state)
{
    (void)state;
    nfile = 0;
    refuse("is empty");
    put("nonsense", 8);
    refuse("holds no arrays");
    begin_npy(4, DICT("<f4", "(1,)"));
    refuse("version 4.0");
    begin_npy(1, DICT("<f4", "(3, 4)"));
    put_number(0, 8, false);
    refuse("needs 48 bytes, 8 bytes are there");
    begin_npy(1, DICT("<f4", "(1,)"));
    put_number(0, 8, false);
    refuse("has 4 bytes after");
    begin_npy(1, DICT("<f4", "(4611686018427387904, 4)"));
    refuse("larger than any memory");
    begin_npy(1, DICT("<f4", "(99999999999999999999,)"));
    refuse("cannot be read");
    begin_npy(1, DICT("<f4", "(1000000000000,)"));
    refuse("cut short");
    begin_npy(1, DICT("<c8", "(1,)"));
    refuse("\"<c8\"");
    begin_npy(1, DICT("|O", "(1,)"));
    refuse("\"|O\"");
    begin_npy(1, DICT("f4", "(1,)"));
    refuse("\"f4\"");
    begin_npy(1, DICT("<f4", "(1, 1, 1, 1, 1, 1, 1)"));
    refuse("7 dimensions");
    begin_npy(1, DICT("<f4", "(-1,)"));
    refuse("cannot be read");
    begin_npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, "
                 "'shape': (1,)}");
    refuse("records");
    begin_npy(1, "{'descr': '<f4', 'shape': (1,)}");
    refuse("cannot be read");
    begin_npy(1, "{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}");
    refuse("cannot be read");
    begin_npy(1, DICT("<f4", "(1,)") "x");
    refuse("cannot be read");
    begin_npy(1, DICT("<i8", "(2,)"));
    put_number(1, 8, false);
    put_number((uint64_t)-5000000000, 8, false);
    refuse("element 1 of \"");
    begin_npy(1, DICT("<u8", "(1,)"));
    put_number(5000000000, 8, false);
    refuse("is 5000000000, which does not fit");
    begin_npy(2, DICT("<f4", "(1,)"));
    memset(file + 8, 0xff, 4);
    refuse("header of 4294967295 bytes");
}

/* Cut anywhere, a file is refused; with any byte changed it never crashes. */
static void damage_never_crashes(const char *name, size_t step)
{
    unsigned char whole[8192];
    size_t n = nfile;
    RnnArrays a;
    RnnError err;

    assert_true(n <= sizeof whole);
    memcpy(whole, file, n);
    for (nfile = 0; nfile < n; nfile += step)
        assert_int_not_equal(read_back(name, &a, &err), RNN_OK);
    nfile = n;
    for (size_t k = 0; k < n; k += step)
        for (int flip = 1; flip < 256; flip = flip * 5 + 2) {
            file[k] = whole[k] ^ (unsigned char)flip;
            if (read_back(name, &a, &err) == RNN_OK)
                rnn_arrays_free(&a);
            file[k] = whole[k];
        }
}

static void damaged_npy_files_never_crash(void **state)
{
    (void)state;
    begin_npy(1, DICT("<f4", "(2, 1)"));
    put_number(0, 8, false);
    damage_never_crashes("x.npy", 1);
}

/* --- npz ------------------------------------------------------------------ */

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

    begin_npy(1, DICT("<f4", "(8, 8)"));
    for (int k = 0; k < 64; k++)
        put_number(bits_of_f32((float)k), 4, false);
    memcpy(npy, file, nnpy = nfile);
    z.next_in = npy;
    z.avail_in = (unsigned)nnpy;
    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, 0);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    npacked = z.total_out;
    deflateEnd(&z);

    uint64_t crc = crc32(0, npy, (unsigned)nnpy);
    nfile = 0;
    for (int local = 1; local >= 0; local--) {
        directory = nfile;
        put_number(local ? 0x04034b50 : 0x02014b50, 4, false);
        if (!local)
            put_number(45, 2, false);
        put_number(45, 2, false);
        put_number(0, 2, false);
        put_number(8, 2, false);
        put_number(0, 4, false);
        put_number(crc, 4, false);
        put_number(zip64 ? all : npacked, 4, false);
        put_number(zip64 ? all : nnpy, 4, false);
        put_number(5, 2, false);
        put_number(zip64 ? 28 : 0, 2, false);
        if (!local) {
            put_number(0, 8, false);
            put_number(0, 2, false);
            put_number(zip64 ? all : 0, 4, false);
        }
        put("w.npy", 5);
        if (zip64) {
            put_number(1, 2, false);
            put_number(24, 2, false);
            put_number(nnpy, 8, false);
            put_number(npacked, 8, false);
            put_number(0, 8, false);
        }
        if (local)
            put(packed, npacked);
    }
    size_t end = nfile;
    if (zip64) {
        put_number(0x06064b50, 4, false);
        put_number(44, 8, false);
        put_number(0, 12, false);
        put_number(1, 8, false);
        put_number(1, 8, false);
        put_number(end - directory, 8, false);
        put_number(directory, 8, false);
        put_number(0x07064b50, 4, false);
        put_number(0, 4, false);
        put_number(end, 8, false);
        put_number(1, 4, false);
    }
    put_number(0x06054b50, 4, false);
    put_number(0, 4, false);
    put_number(zip64 ? 0xffff : 1, 2, false);
    put_number(zip64 ? 0xffff : 1, 2, false);
    put_number(zip64 ? all : end - directory, 4, false);
    put_number(zip64 ? all : directory, 4, false);
    put_number(0, 2, false);
}

static void deflated_and_zip64_members_are_read(void **state)
{
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        RnnArrays a;
        RnnError err;

        make_npz(zip64);
        assert_good(read_back("x.npz", &a, &err), &err);
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
    damage_never_crashes("x.npz", 1);
    make_npz(true);
    damage_never_crashes("x.npz", 3);
}

static void refuse_zip(size_t at, uint64_t x, int bytes, const char *text)
{
    RnnArrays a;
    RnnError err;

    make_npz(false);
    for (int k = 0; k < bytes; k++)
        file[at + (size_t)k] = (unsigned char)(x >> 8 * k);
    assert_refused(read_back("x.npz", &a, &err), &err, RNN_BAD_INPUT, "x.npz",
                   text);
}

static void lying_zip_files_are_refused(void **state)
{
    size_t directory;

    (void)state;
    make_npz(false);
    directory = nfile - 22 - 46 - 5;
    refuse_zip(0, 0, 4, "holds no arrays");
    refuse_zip(40, 0x55, 1, "damaged");
    refuse_zip(directory + 8, 1, 2, "encrypted");
    refuse_zip(directory + 10, 12, 2, "method 12");
    refuse_zip(directory + 16, 0, 4, "checksum");
    refuse_zip(directory + 20, 0x7fffffff, 4, "outside");
    refuse_zip(directory + 24, 0x7fffffff, 4, "contradict");
    refuse_zip(directory + 42, 0x7fffffff, 4, "outside");
    refuse_zip(nfile - 6, 0x7fffffff, 4, "outside");
    refuse_zip(nfile - 12, 60000, 2, "outside");
    refuse_zip(nfile - 22, 0, 4, "no directory");
    refuse_zip(directory + 46 + 4, 'z', 1, "without any .npy member");
}

/* --- writing -------------------------------------------------------------- */

static void formats_are_told_by_their_names(void **state)
{
    RnnArrays a = three_arrays();
    RnnError err;

    (void)state;
    assert_refused(rnn_arrays_write(scratch("a.bin"), &a, &err), &err,
                   RNN_BAD_INPUT, "a.bin", ".safetensors");
    assert_refused(rnn_arrays_write(scratch("a.npy"), &a, &err), &err,
                   RNN_BAD_INPUT, "a.npy", "4 arrays", ".npz");
}

static void nothing_is_left_where_writing_fails(void **state)
{
    RnnArrays a = three_arrays();
    RnnError err;

    (void)state;
    scratch_empty();
    assert_refused(rnn_arrays_write(scratch("no/a.npz"), &a, &err), &err,
                   RNN_SURROUNDINGS, "no/a.npz", "folder does not exist");
    assert_refused(rnn_file_can_write(scratch("no/a.npz"), &err), &err,
                   RNN_SURROUNDINGS, "no/a.npz");
    mkdir(scratch("folder.npz"), 0777);
    assert_refused(rnn_arrays_write(scratch("folder.npz"), &a, &err), &err,
                   RNN_BAD_INPUT, "is a folder");
    assert_refused(rnn_arrays_write("/dev/full/a.npz", &a, &err), &err,
                   RNN_SURROUNDINGS, "folder is a file");
    assert_refused(rnn_file_write("", "x", 1, &err), &err, RNN_BAD_INPUT,
                   "empty name");
    assert_int_equal(scratch_count(), 1);
}

static void a_full_disk_is_reported(void **state)
{
    static char large[1 << 20];
    RnnError err;

    (void)state;
    assert_refused(rnn_file_write("/dev/full", large, sizeof large, &err), &err,
                   RNN_SURROUNDINGS, "/dev/full", "No space left");
    assert_good(rnn_file_write("/dev/null", large, sizeof large, &err), &err);
}

static void writing_replaces_only_as_a_whole(void **state)
{
    unsigned char *bytes;
    size_t n;
    RnnError err;
    struct stat info;

    (void)state;
    scratch_empty();
    assert_good(rnn_file_can_write(scratch("r.json"), &err), &err);
    assert_int_equal(scratch_count(), 0);
    assert_good(rnn_file_write(scratch("r.json"), "one", 3, &err), &err);
    assert_int_equal(chmod(scratch("r.json"), 0640), 0);
    assert_int_equal(symlink("r.json", scratch("link")), 0);
    scratch_file(".r.json.tmp", "left by a killed process", 24);
    assert_good(rnn_file_can_write(scratch("link"), &err), &err);
    assert_good(rnn_file_write(scratch("link"), "second", 6, &err), &err);
    assert_good(rnn_file_read(scratch("r.json"), &bytes, &n, &err), &err);
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "second", 6);
    free(bytes);
    assert_int_equal(stat(scratch("r.json"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(lstat(scratch("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(scratch_count(), 2);
}

static void whole_files_are_read_and_inflated(void **state)
{
    unsigned char *bytes;
    size_t n;
    RnnError err;
    static char text[300000];

    (void)state;
    for (size_t k = 0; k < sizeof text; k++)
        text[k] = (char)(k % 251);
    assert_good(rnn_file_read(scratch_gzip("t.gz", text, sizeof text), &bytes,
                              &n, &err), &err);
    assert_int_equal(n, sizeof text);
    assert_memory_equal(bytes, text, n);
    free(bytes);
    assert_refused(rnn_file_read(scratch("none"), &bytes, &n, &err), &err,
                   RNN_BAD_INPUT, "none", "No such file");
    assert_refused(rnn_file_read("/tmp", &bytes, &n, &err), &err,
                   RNN_BAD_INPUT, "/tmp", "directory");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_type_is_read_in_both_byte_orders),
        cmocka_unit_test(half_precision_keeps_infinity_and_nan),
        cmocka_unit_test(fortran_order_becomes_c_order),
        cmocka_unit_test(headers_of_other_writers_are_read),
        cmocka_unit_test(scalars_and_empty_arrays_are_read),
        cmocka_unit_test(lying_arrays_are_refused),
        cmocka_unit_test(damaged_npy_files_never_crash),
        cmocka_unit_test(arrays_come_back_as_they_were_written),
        cmocka_unit_test(the_same_arrays_make_the_same_bytes),
        cmocka_unit_test(deflated_and_zip64_members_are_read),
        cmocka_unit_test(damaged_npz_files_never_crash),
        cmocka_unit_test(lying_zip_files_are_refused),
        cmocka_unit_test(formats_are_told_by_their_names),
        cmocka_unit_test(nothing_is_left_where_writing_fails),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(writing_replaces_only_as_a_whole),
        cmocka_unit_test(whole_files_are_read_and_inflated),
    };

    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
