/*
 * test_npy.c -- .npy files: every element type in both byte orders and both
 * orders of dimensions, and files that lie.
 */
#include "support/made_file.h"

#include <math.h>
#include <string.h>

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
            made_npy(1 + (int)(k % 3), dict);
            made_number(f8 ? bits_of_f64(type[k].a) : type[k].abits,
                       type[k].bytes, big);
            made_number(f8 ? bits_of_f64(type[k].b) : type[k].bbits,
                       type[k].bytes, big);
            assert_good(made_read("x.npy", &a, &err), &err);
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
    made_npy(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (3,)}");
    made_number(0x7c00, 2, false);
    made_number(0xfc00, 2, false);
    made_number(0x7e01, 2, false);
    assert_good(made_read("x.npy", &a, &err), &err);
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
    made_npy(1, "{'descr': '>i2', 'fortran_order': True, "
                 "'shape': (2, 3, 4)}");
    for (int k = 0; k < 4; k++)
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < 2; i++)
                made_number((uint64_t)(100 * i + 10 * j + k), 2, true);
    assert_good(made_read("x.npy", &a, &err), &err);
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

        made_npy(2, dict[k]);
        made_number(bits_of_f32(1), 4, false);
        made_number(bits_of_f32(2), 4, false);
        assert_good(made_read("x.npy", &a, &err), &err);
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
    made_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}");
    made_number(bits_of_f32(5), 4, false);
    assert_good(made_read("x.npy", &a, &err), &err);
    assert_int_equal(a.array[0].type.rank, 0);
    assert_true(number_at(&a.array[0], 0) == 5);
    rnn_arrays_free(&a);
    made_npy(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 0)}");
    assert_good(made_read("x.npy", &a, &err), &err);
    assert_int_equal(rnn_type_count(&a.array[0].type), 0);
    rnn_arrays_free(&a);
}

static void refuse(const char *text)
{
    RnnArrays a;
    RnnError err = {""};
    RnnStatus st = made_read("bad.npy", &a, &err);

    assert_refused(st, &err, RNN_BAD_INPUT, "bad.npy", text);
    assert_null(a.array);
}

static void lying_arrays_are_refused(void **state)
{
    (void)state;
    nmade = 0;
    refuse("is empty");
    made_put("nonsense", 8);
    refuse("holds no arrays");
    made_npy(4, NPY_DICT("<f4", "(1,)"));
    refuse("version 4.0");
    made_npy(1, NPY_DICT("<f4", "(3, 4)"));
    made_number(0, 8, false);
    refuse("needs 48 bytes, 8 bytes are there");
    made_npy(1, NPY_DICT("<f4", "(1,)"));
    made_number(0, 8, false);
    refuse("has 4 bytes after");
    made_npy(1, NPY_DICT("<f4", "(4611686018427387904, 4)"));
    refuse("larger than any memory");
    made_npy(1, NPY_DICT("<f4", "(99999999999999999999,)"));
    refuse("cannot be read");
    made_npy(1, NPY_DICT("<f4", "(1000000000000,)"));
    refuse("cut short");
    made_npy(1, NPY_DICT("<c8", "(1,)"));
    refuse("\"<c8\"");
    made_npy(1, NPY_DICT("|O", "(1,)"));
    refuse("\"|O\"");
    made_npy(1, NPY_DICT("f4", "(1,)"));
    refuse("\"f4\"");
    made_npy(1, NPY_DICT("<f4", "(1, 1, 1, 1, 1, 1, 1)"));
    refuse("7 dimensions");
    made_npy(1, NPY_DICT("<f4", "(-1,)"));
    refuse("cannot be read");
    made_npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, "
                 "'shape': (1,)}");
    refuse("records");
    made_npy(1, "{'descr': '<f4', 'shape': (1,)}");
    refuse("cannot be read");
    made_npy(1, "{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}");
    refuse("cannot be read");
    made_npy(1, NPY_DICT("<f4", "(1,)") "x");
    refuse("cannot be read");
    made_npy(1, NPY_DICT("<i8", "(2,)"));
    made_number(1, 8, false);
    made_number((uint64_t)-5000000000, 8, false);
    refuse("element 1 of \"");
    made_npy(1, NPY_DICT("<u8", "(1,)"));
    made_number(5000000000, 8, false);
    refuse("is 5000000000, which does not fit");
    made_npy(2, NPY_DICT("<f4", "(1,)"));
    memset(made + 8, 0xff, 4);
    refuse("header of 4294967295 bytes");
}

static void damaged_npy_files_never_crash(void **state)
{
    (void)state;
    made_npy(1, NPY_DICT("<f4", "(2, 1)"));
    made_number(0, 8, false);
    made_damage("x.npy", 1);
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
    };

    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
