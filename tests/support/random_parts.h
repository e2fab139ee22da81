/*
 * random_parts.h -- private to random_{trial,guise,compare}.c.
 */
#ifndef TEST_RANDOM_PARTS_H
#define TEST_RANDOM_PARTS_H

#include "support/random_trial.h"

/* random_compare.c. What fails leaves its text in out. */
bool part_find(Finding *out, Found found, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); // false
EvalEnv part_env(Arena *a, const Trial *t, const int64_t *index, int n);
Tensor *part_eval(Arena *a, const Func *f, EvalEnv env, bool rounded);
int64_t part_count(const Tensor *t); // elements, all examples
typedef struct Reference {
    const Tensor *want, *rounded; // rounded: with every value rounded, or NULL
    double slack;                 // f32: so many times the usual error
} Reference;
Reference part_reference(Arena *a, const Func *f, const Trial *t, EvalEnv env);
bool part_close(const Func *f, const Tensor *got, Reference r, Found found,
                const char *how, Finding *out);
bool part_same_bits(const Func *f, const Tensor *got, const Tensor *want,
                    Found found, Finding *out);
/* The n examples of `small` are examples row[0..n) of `large`. */
bool part_same_rows(Arena *a, const Func *f, const Tensor *small,
                    const Tensor *large, const int *row, int n, Finding *out);
/* Does anything shared depend on examples? */
bool part_mixes(Arena *a, const Val *root, int n, const Loop *l);

/* random_guise.c. The results of f but the last are slopes d of the last one:
 * are they what central differences find? */
bool part_slopes_fit(Arena *a, const Func *f, EvalEnv env, const Tensor *d,
                     Finding *out);

#endif
