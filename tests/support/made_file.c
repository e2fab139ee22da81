/*
 * made_file.c -- see made_file.h.
 */
#include "support/made_file.h"

#include <string.h>

unsigned char made[1 << 16];
size_t nmade;

void made_put(const void *bytes, size_t n)
{
    memcpy(made + nmade, bytes, n);
    nmade += n;
}

void made_number(uint64_t x, int bytes, bool big)
{
    for (int k = 0; k < bytes; k++) {
        int at = big ? bytes - 1 - k : k;

        made[nmade++] = at < 8 ? (unsigned char)(x >> 8 * at) : 0;
    }
}

uint64_t bits_of_f64(double x)
{
    uint64_t u;

    memcpy(&u, &x, 8);
    return u;
}

uint64_t bits_of_f32(float x)
{
    uint32_t u;

    memcpy(&u, &x, 4);
    return u;
}

void made_npy(int version, const char *dict)
{
    nmade = 0;
    made_put("\x93NUMPY", 6);
    made_number((uint64_t)version, 1, false);
    made_number(0, 1, false);
    made_number(strlen(dict), version == 1 ? 2 : 4, false);
    made_put(dict, strlen(dict));
}

RnnStatus made_read(const char *name, RnnArrays *a, RnnError *err)
{
    return rnn_arrays_read(scratch_file(name, made, nmade), a, err);
}

double number_at(const RnnArray *a, int64_t i)
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

void made_damage(const char *name, size_t step)
{
    unsigned char whole[8192];
    size_t n = nmade;
    RnnArrays a;
    RnnError err;

    assert_true(n <= sizeof whole);
    memcpy(whole, made, n);
    for (nmade = 0; nmade < n; nmade += step)
        assert_int_not_equal(made_read(name, &a, &err), RNN_OK);
    nmade = n;
    for (size_t k = 0; k < n; k += step)
        for (int flip = 1; flip < 256; flip = flip * 5 + 2) {
            made[k] = whole[k] ^ (unsigned char)flip;
            if (made_read(name, &a, &err) == RNN_OK)
                rnn_arrays_free(&a);
            made[k] = whole[k];
        }
}
