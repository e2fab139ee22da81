/*
 * check.h -- assertions on numbers and tensors, random inputs, scratch
 * folders. Includes cmocka.
 */
#ifndef TEST_CHECK_H
#define TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/tolerance.h"

/* ---- assertions; `what` (a printf form) names the thing in the report ---- */

#define assert_close(got, want, tol, ...)                                     \
    check_close(__FILE__, __LINE__, (got), (want), (tol), __VA_ARGS__)
/* Same type and batch, every element close. */
#define assert_tensors_close(got, want, tol, ...)                             \
    check_tensors(__FILE__, __LINE__, (got), (want), (tol), __VA_ARGS__)
void check_close(const char *file, int line, double got, double want, Tol tol,
                 const char *what, ...) __attribute__((format(printf, 6, 7)));
void check_tensors(const char *file, int line, const Tensor *got,
                   const Tensor *want, Tol tol, const char *what, ...)
    __attribute__((format(printf, 6, 7)));
/* Of what the machine made of a kind of kernel, the largest error against the
 * interpreter's f64, relative to the root mean square of the right result; kept
 * for each kind (a string that lives on) and type, and printed when asked. */
void errors_note(const char *kind, const Tensor *got, const Tensor *want);
void errors_print(void);
/* Fails with both texts if they differ. */
#define assert_text(got, want) check_text(__FILE__, __LINE__, (got), (want))
void check_text(const char *file, int line, const char *got, const char *want);

/* ---- random inputs: a function of the seed alone ---- */

typedef struct Dice {
    uint64_t state;
} Dice;
uint64_t dice_bits(Dice *d);
double dice_real(Dice *d, double lo, double hi);   // in [lo, hi)
int64_t dice_int(Dice *d, int64_t lo, int64_t hi); // in lo .. hi, both
/* A tensor of this type with elements from the domain: pairwise more than
 * 0.05 apart (as far as the range has room), or away from a point, if the
 * domain says so. i32 elements are whole numbers, bools 0 or 1. */
Tensor dice_tensor(Arena *a, Dice *d, Type type, int64_t batch, Domain domain);

/* ---- text and files ---- */

/* What `write` prints to its stream, as a string in a. */
char *text_of(Arena *a, void (*write)(FILE *out, const void *what),
              const void *what);
char *text_of_func(Arena *a, const Func *f); // ir_print

/* A new empty folder; removed with all it holds by temp_gone. */
char *temp_folder(Arena *a);
void temp_gone(const char *folder);
void temp_write(const char *path, const void *bytes, size_t n);

#endif
