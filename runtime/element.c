/*
 * element.c -- elements as files hold them, turned into the four types that
 * programs know. One table row per type; sizes and names stand nowhere else.
 */
#include "files.h"

#include <string.h>

const RnnElemInfo rnn_elem_info[RNN_NEL] = {
    [RNN_EL_BOOL] = {"bool", "b1", "BOOL", 1, RNN_BOOL},
    [RNN_EL_U8] = {"u8", "u1", "U8", 1, RNN_I32},
    [RNN_EL_I8] = {"i8", "i1", "I8", 1, RNN_I32},
    [RNN_EL_U16] = {"u16", "u2", "U16", 2, RNN_I32},
    [RNN_EL_I16] = {"i16", "i2", "I16", 2, RNN_I32},
    [RNN_EL_U32] = {"u32", "u4", "U32", 4, RNN_I32},
    [RNN_EL_I32] = {"i32", "i4", "I32", 4, RNN_I32},
    [RNN_EL_U64] = {"u64", "u8", "U64", 8, RNN_I32},
    [RNN_EL_I64] = {"i64", "i8", "I64", 8, RNN_I32},
    [RNN_EL_F16] = {"f16", "f2", "F16", 2, RNN_F32},
    [RNN_EL_BF16] = {"bf16", NULL, "BF16", 2, RNN_F32},
    [RNN_EL_F32] = {"f32", "f4", "F32", 4, RNN_F32},
    [RNN_EL_F64] = {"f64", "f8", "F64", 8, RNN_F64},
};

/* The element's bytes as an unsigned number, lowest byte first. */
static uint64_t load(const unsigned char *p, int bytes, bool swap)
{
    uint64_t u = 0;

    for (int k = 0; k < bytes; k++)
        u |= (uint64_t)p[swap ? bytes - 1 - k : k] << (8 * k);
    return u;
}

/* Half precision, exactly: sign, 5 bits of exponent (bias 15), 10 of fraction;
 * subnormals are fraction * 2^-24. */
static float from_f16(uint32_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, e = h >> 10 & 31, f = h & 1023, u;
    float x;

    if (e == 0) {
        x = (float)f * 0x1p-24f;
        return sign ? -x : x;
    }
    u = sign | (e == 31 ? 0x7f800000u : (e + 112) << 23) | f << 13;
    memcpy(&x, &u, 4);
    return x;
}

static float from_bits32(uint32_t u)
{
    float x;

    memcpy(&x, &u, 4);
    return x;
}

static int64_t convert_ints(RnnElem from, bool swap, const unsigned char *src,
                            int64_t n, int32_t *dst)
{
    int bytes = rnn_elem_info[from].bytes;
    bool is_signed = from == RNN_EL_I8 || from == RNN_EL_I16 ||
                     from == RNN_EL_I32 || from == RNN_EL_I64;
    int unused = 64 - 8 * bytes;

    for (int64_t i = 0; i < n; i++) {
        uint64_t u = load(src + i * bytes, bytes, swap);
        int64_t v = is_signed ? (int64_t)(u << unused) >> unused : (int64_t)u;

        if (v > INT32_MAX || v < INT32_MIN || (!is_signed && v < 0))
            return i;
        dst[i] = (int32_t)v;
    }
    return -1;
}

static void convert_reals(RnnElem from, bool swap, const unsigned char *src,
                          int64_t n, void *dst)
{
    int bytes = rnn_elem_info[from].bytes;

    if (!swap && (from == RNN_EL_F32 || from == RNN_EL_F64)) {
        if (n)
            memcpy(dst, src, (size_t)n * (size_t)bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint64_t u = load(src + i * bytes, bytes, swap);

        if (from == RNN_EL_F64)
            memcpy((double *)dst + i, &u, 8);
        else
            ((float *)dst)[i] = from == RNN_EL_F16 ? from_f16((uint32_t)u)
                                : from == RNN_EL_BF16
                                    ? from_bits32((uint32_t)u << 16)
                                    : from_bits32((uint32_t)u);
    }
}

int64_t rnn_elem_convert(RnnElem from, bool swap, const void *src, int64_t n,
                         void *dst)
{
    switch (rnn_elem_info[from].dt) {
    case RNN_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((unsigned char *)dst)[i] = ((const unsigned char *)src)[i] != 0;
        return -1;
    case RNN_I32:
        return convert_ints(from, swap, src, n, dst);
    default:
        convert_reals(from, swap, src, n, dst);
        return -1;
    }
}

RnnStatus rnn_elem_misfit(RnnElem from, bool swap, const void *src, int64_t i,
                          const char *what, RnnError *err)
{
    int bytes = rnn_elem_info[from].bytes;
    uint64_t u = load((const unsigned char *)src + i * bytes, bytes, swap);
    bool negative = from == RNN_EL_I64 && (int64_t)u < 0;

    return rnn_bad(err,
                   "element %lld of %s is %s%llu, which does not fit a 32-bit "
                   "integer",
                   (long long)i, what, negative ? "-" : "",
                   (unsigned long long)(negative ? 0 - u : u));
}
