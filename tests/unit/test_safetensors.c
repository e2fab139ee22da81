/*
 * test_safetensors.c -- headers that are right, and every way to be wrong.
 */
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>

static unsigned char file[1 << 16];
static size_t nfile;

static void make(const char *json, size_t ndata)
{
    size_t n = strlen(json);

    memset(file, 0, sizeof file);
    for (int k = 0; k < 8; k++)
        file[k] = (unsigned char)(n >> 8 * k);
    memcpy(file + 8, json, n);
    for (size_t k = 0; k < ndata; k++)
        file[8 + n + k] = (unsigned char)k;
    nfile = 8 + n + ndata;
}

static RnnStatus read_back(RnnArrays *a, RnnError *err)
{
    return rnn_arrays_read(scratch_file("w.safetensors", file, nfile), a, err);
}

static void refuse(const char *json, size_t ndata, const char *text)
{
    RnnArrays a;
    RnnError err = {""};

    make(json, ndata);
    assert_refused(read_back(&a, &err), &err, RNN_BAD_INPUT, "w.safetensors",
                   text);
    assert_null(a.array);
    assert_null(a.meta_key);
}

static void all_types_and_metadata_are_read(void **state)
{
    RnnArrays a;
    RnnError err;

    (void)state;
    make("{\"__metadata__\":{\"a\\u00e9\\n\":\"\\ud83d\\ude00\"},"
         "\"half\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},"
         "\"brain\" : { \"data_offsets\" : [ 2 , 6 ] , \"shape\":[2,1],"
         "\"dtype\":\"BF16\" },"
         "\"long\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[6,14]},"
         "\"none\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":"
         "[14,14]},"
         "\"byte\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[14,16]},"
         "\"flag\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":"
         "[16,17]}}   ", 0);
    memcpy(file + nfile, "\x00\x3e" "\x80\x3f\x20\xc0" "\x07\0\0\0\0\0\0\0"
                         "\x01\xff" "\x01", 17);
    nfile += 17;
    assert_good(read_back(&a, &err), &err);
    assert_int_equal(a.n, 6);
    assert_true(*(float *)rnn_arrays_find(&a, "half")->at == 1.5f);
    assert_true(((float *)rnn_arrays_find(&a, "brain")->at)[0] == 1);
    assert_true(((float *)rnn_arrays_find(&a, "brain")->at)[1] == -2.5f);
    assert_int_equal(*(int32_t *)rnn_arrays_find(&a, "long")->at, 7);
    assert_int_equal(((int32_t *)rnn_arrays_find(&a, "byte")->at)[1], 255);
    assert_int_equal(*(char *)rnn_arrays_find(&a, "flag")->at, 1);
    assert_int_equal(rnn_arrays_find(&a, "none")->type.dim[1], 3);
    assert_null(rnn_arrays_find(&a, "nobody"));
    assert_int_equal(a.nmeta, 1);
    assert_string_equal(a.meta_key[0], "a\xc3\xa9\n");
    assert_string_equal(a.meta_value[0], "\xf0\x9f\x98\x80");
    rnn_arrays_free(&a);
}

static void empty_files_hold_nothing(void **state)
{
    RnnArrays a;
    RnnError err;

    (void)state;
    make("{}", 0);
    assert_good(read_back(&a, &err), &err);
    assert_int_equal(a.n, 0);
    rnn_arrays_free(&a);
}

#define F32(name, shape, lo, hi)                                              \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[" shape "],"                   \
    "\"data_offsets\":[" lo "," hi "]}"

static void wrong_places_are_refused(void **state)
{
    (void)state;
    refuse("{" F32("a", "1", "0", "4") "," F32("b", "1", "0", "4") "}", 4,
           "overlaps");
    refuse("{" F32("a", "2", "0", "8") "," F32("b", "1", "4", "8") "}", 8,
           "overlaps");
    refuse("{" F32("a", "1", "4", "8") "}", 8, "unused bytes");
    refuse("{" F32("a", "1", "0", "4") "," F32("b", "1", "8", "12") "}", 12,
           "unused bytes");
    refuse("{" F32("a", "1", "0", "4") "}", 5, "bytes after");
    refuse("{" F32("a", "2", "0", "8") "}", 7, "cut short");
    refuse("{" F32("a", "3", "0", "8") "}", 8, "contradicts");
    refuse("{" F32("a", "1", "8", "4") "}", 8, "unused bytes");
    refuse("{" F32("a", "0", "0", "9000000000000000000") "}", 8,
           "contradicts");
    refuse("{" F32("a", "4611686018427387904,4", "0", "0") "}", 0,
           "contradicts");
    refuse("{" F32("a", "1,1,1,1,1,1,1", "0", "4") "}", 4, "7 dimensions");
    refuse("{" F32("a", "1", "0", "4") "," F32("a", "1", "4", "8") "}", 8,
           "two arrays named \"a\"");
}

static void wrong_json_is_refused(void **state)
{
    static const char *const json[] = {
        "{", "{}x", "{\"a\"", "{\"a\":", "{\"a\":1}", "{\"a\":{}}", "{,}",
        "{" F32("a", "1", "0", "4") ",}", "{\"a\" {}}", "{a:{}}",
        "{\"\\x\":{}}",
        "{\"\\u12\":{}}", "{\"\\ud800\":{}}", "{\"\\ud800\\u0041\":{}}",
        "{\"\\udc00\":{}}", "{\"\\u0000\":{}}", "{\"a\n\":{}}", "{\"a\\",
        "{" F32("a", "01", "0", "4") "}", "{" F32("a", "-1", "0", "4") "}",
        "{" F32("a", "1.0", "0", "4") "}", "{" F32("a", "1e0", "0", "4") "}",
        "{" F32("a", "1,", "0", "4") "}",
        "{" F32("a", "99999999999999999999", "0", "4") "}",
        "{\"a\":{\"dtype\":\"F8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,1]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}}",
        "{\"a\":{\"more\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}",
        "{\"__metadata__\":[]}", "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":{\"a\":\"b\",}}", "{\"__metadata__\":{\"a\":\"b\"",
        "{\"__metadata__\":{},\"__metadata__\":{}}",
    };

    (void)state;
    for (size_t k = 0; k < sizeof json / sizeof *json; k++)
        refuse(json[k], 4, "wrong safetensors header at byte");
    refuse("{\"__metadata__\":{\"a\":\"b\",\"a\":\"c\"}}", 0, "twice");
}

static void lying_lengths_are_refused(void **state)
{
    RnnArrays a;
    RnnError err;

    (void)state;
    make("{}", 0);
    file[0] = 3;
    assert_refused(read_back(&a, &err), &err, RNN_BAD_INPUT, "cut short");
    file[3] = 0x40;
    assert_refused(read_back(&a, &err), &err, RNN_BAD_INPUT,
                   "safetensors allows 104857600");
    memset(file, 0xff, 8);
    assert_refused(read_back(&a, &err), &err, RNN_BAD_INPUT,
                   "18446744073709551615");
}

static void damaged_headers_never_crash(void **state)
{
    static const char json[] =
        "{\"__metadata__\":{\"k\":\"\\u00e9\\ud83d\\ude00\"},"
        F32("a", "1,2", "0", "8") "," F32("b", "", "8", "12") "}";
    RnnArrays a;
    RnnError err;
    size_t whole;

    (void)state;
    make(json, 12);
    for (whole = nfile, nfile = 0; nfile < whole; nfile++)
        assert_int_not_equal(read_back(&a, &err), RNN_OK);
    for (size_t k = 0; k < 8 + sizeof json; k++)
        for (int flip = 1; flip < 256; flip = flip * 3 + 1) {
            make(json, 12);
            file[k] ^= (unsigned char)flip;
            if (read_back(&a, &err) == RNN_OK)
                rnn_arrays_free(&a);
        }
}

static void metadata_comes_back(void **state)
{
    static char *key[] = {"step", "quote \" \\ \n"}, *value[] = {"17", "\t"};
    RnnArrays want = {.nmeta = 2, .meta_key = key, .meta_value = value}, got;
    RnnError err;

    (void)state;
    assert_good(rnn_arrays_write(scratch("m.safetensors"), &want, &err), &err);
    assert_good(rnn_arrays_read(scratch("m.safetensors"), &got, &err), &err);
    assert_int_equal(got.nmeta, 2);
    for (int k = 0; k < 2; k++) {
        assert_string_equal(got.meta_key[k], key[k]);
        assert_string_equal(got.meta_value[k], value[k]);
    }
    rnn_arrays_free(&got);
}

static bool is_named(const void *env, const char *name)
{
    return strcmp(env, name) == 0;
}

/* Name and type of the others are known, and the file is checked as a whole. */
static void arrays_not_wanted_are_left_unread(void **state)
{
    static const char json[] =
        "{\"a\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        "\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[8,10]}}";
    RnnArrays a;
    RnnError err;

    (void)state;
    make(json, 10);
    file[nfile - 1] = 2; // no bool, but nobody asks
    scratch_file("w.safetensors", file, nfile);
    assert_good(rnn_arrays_read_some(scratch("w.safetensors"), is_named, "a",
                                     &a, &err), &err);
    assert_int_equal(a.n, 2);
    assert_int_equal(((int32_t *)rnn_arrays_find(&a, "a")->at)[0], 0x03020100);
    assert_null(rnn_arrays_find(&a, "b")->at);
    assert_int_equal(rnn_arrays_find(&a, "b")->type.dt, RNN_BOOL);
    rnn_arrays_free(&a);
    scratch_file("w.safetensors", file, nfile - 1);
    assert_int_equal(rnn_arrays_read_some(scratch("w.safetensors"), is_named,
                                          "a", &a, &err), RNN_BAD_INPUT);
}

/* Every array starts at a multiple of its element's size. */
static void written_arrays_are_aligned(void **state)
{
    static unsigned char flag[3] = {1, 1, 0};
    static double wide[2] = {1, 2};
    RnnArray array[] = {{"flag", {.dt = RNN_BOOL, .rank = 1, .dim = {3}}, false,
                         flag},
                        {"wide", {.dt = RNN_F64, .rank = 1, .dim = {2}}, false,
                         wide}};
    RnnArrays a = {.n = 2, .array = array};
    unsigned char *bytes;
    size_t n;
    RnnError err;

    (void)state;
    assert_good(rnn_arrays_write(scratch("m.safetensors"), &a, &err), &err);
    assert_good(rnn_file_read(scratch("m.safetensors"), &bytes, &n, &err),
                &err);
    assert_int_equal((n - 3) % 8, 0);
    assert_memory_equal(bytes + n - 3, flag, 3);
    assert_memory_equal(bytes + n - 19, wide, 16);
    free(bytes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_and_metadata_are_read),
        cmocka_unit_test(empty_files_hold_nothing),
        cmocka_unit_test(wrong_places_are_refused),
        cmocka_unit_test(wrong_json_is_refused),
        cmocka_unit_test(lying_lengths_are_refused),
        cmocka_unit_test(damaged_headers_never_crash),
        cmocka_unit_test(metadata_comes_back),
        cmocka_unit_test(arrays_not_wanted_are_left_unread),
        cmocka_unit_test(written_arrays_are_aligned),
    };

    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
