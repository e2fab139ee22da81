/*
 * random_trial.h -- one function in one guise: what the interpreter makes of
 * it against what the machine does.
 */
#ifndef TEST_RANDOM_TRIAL_H
#define TEST_RANDOM_TRIAL_H

#include "loop/loop.h"
#include "support/random_graph.h"

typedef enum {
    GUISE_PLAIN,    // as it is (but for the forms of conv no kernel has)
    GUISE_PASSES,   // after the passes
    GUISE_GRADIENT, // slopes of a sum of its outputs, after the passes
    GUISE_CURVATURE, // slopes of a sum of these
    GUISE_COUNT
} Guise;
extern const char *const guise_name[GUISE_COUNT];

typedef struct Trial {
    Guise guise;
    uint64_t seed;   // of data, draws and small choices
    bool fast;       // with rules_fast
    bool train;      // the entry is of kind train: no set-up part
    bool per_example; // slopes of each example's own sum
    bool wild;       // data with NaNs, infinities and zeros
    double slack;    // f32: so many times the usual error
    const char *cpu; // NULL: the host
    int level;       // 0, or 3: also at -O3
} Trial;

typedef enum {
    FOUND_NOTHING,
    FOUND_REFUSAL,  // a gradient that could not be built
    FOUND_PASSES,   // not the same function after the passes
    FOUND_SLOPES,   // not the slopes central differences find
    FOUND_VALUES,   // machine code differs from the interpreter
    FOUND_LEVELS,   // -O0 differs from -O3
    FOUND_THREADS,  // two threads differ from one
    FOUND_BATCH,    // an example depends on its batch mates
    FOUND_AGAIN,    // a second run differs from the first
    FOUND_BY_STRAY, // in its own words only: it crashed or hung
    FOUND_COUNT
} Found;
extern const char *const found_text[FOUND_COUNT];

typedef struct Seen { // what was covered
    long op[OP_COUNT], kernel[KERNEL_CALL + 1], form[FORM_BLAS + 1];
    long pack[PACK_BEFORE + 1], steps[STEP_COPY + 1], setup, inplace, tasks;
} Seen;

typedef struct Finding {
    Found found;
    int trial; // which one
    char text[1000];
    Seen seen;
} Finding;

/* The function of a trial as it goes to lowering; NULL if it has none (no
 * real result to differentiate). `before`, if not NULL: before the passes. */
Func *trial_func(Arena *a, const Func *source, const Trial *t, Func **before,
                 Finding *out);

/* All of them through one module at -O0, and if the first says so one at -O3,
 * for the cpu of the first. Stops at the first finding. */
void trials_run(Arena *a, const Trial *t, Func *const *source, int n,
                Finding *out);

#endif
