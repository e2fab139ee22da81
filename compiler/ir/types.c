/*
 * types.c -- shapes, element types and their printed forms.
 */
#include "ir/ir.h"

const char *const dtype_name[DT_COUNT] = {
    [DT_f32] = "f32", [DT_f64] = "f64", [DT_i32] = "i32", [DT_bool] = "bool"};

int dtype_bytes(DType dt)
{
    static const int bytes[DT_COUNT] = {
        [DT_f32] = 4, [DT_f64] = 8, [DT_i32] = 4, [DT_bool] = 1};

    return bytes[dt];
}

bool dtype_real(DType dt)
{
    return dt == DT_f32 || dt == DT_f64;
}

bool shape_eq(Shape a, Shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int k = 0; k < a.rank; k++)
        if (a.dim[k] != b.dim[k])
            return false;
    return true;
}

bool type_eq(Type a, Type b)
{
    return a.dt == b.dt && a.batched == b.batched && shape_eq(a.shape, b.shape);
}

int64_t shape_size(Shape s)
{
    int64_t n = 1;

    for (int k = 0; k < s.rank; k++)
        n *= s.dim[k];
    return n;
}

Shape shape_of(int rank, ...)
{
    Shape s = {.rank = rank};
    va_list ap;

    va_start(ap, rank);
    for (int k = 0; k < rank; k++)
        s.dim[k] = va_arg(ap, int64_t);
    va_end(ap);
    return s;
}

Type type_of(DType dt, bool batched, Shape s)
{
    return (Type){.dt = dt, .batched = batched, .shape = s};
}

const char *shape_text(Arena *a, Shape s)
{
    const char *text = "[";

    for (int k = 0; k < s.rank; k++)
        text = arena_printf(a, "%s%s%lld", text, k ? ", " : "",
                            (long long)s.dim[k]);
    return arena_printf(a, "%s]", text);
}

const char *type_text(Arena *a, Type t)
{
    return arena_printf(a, "%s%s%s", t.batched ? "batch " : "",
                        dtype_name[t.dt],
                        t.shape.rank ? shape_text(a, t.shape) : "");
}
