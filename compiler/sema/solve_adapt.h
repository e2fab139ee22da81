/*
 * solve_adapt.h -- what the two files of adaptive steps share: the loop
 * (solve_adapt.c) and the control of its steps (solve_control.c).
 */
#ifndef RNN_SEMA_SOLVE_ADAPT_H
#define RNN_SEMA_SOLVE_ADAPT_H

#include "sema/solve.h"

typedef struct Adapt { // what stays the same through the loop; f64
    Value start;    // the first time
    Value way;      // 1, or -1 where times decrease
    Value length;   // of the whole interval
    Value least;    // step
    Value outputs;  // [times] counted from the first; if rows
    bool rows;      // the state at all times is wanted
    bool keeps_rate; // the last stage is the next step's first
    int64_t size;   // elements of the state
} Adapt;

Value pick(Elab *e, const Solve *s, Value c, Value x, Value y); // c ? x : y
/* v [times] or a scalar as [times, 1, ..] against a state of this rank. */
Value as_rows(Elab *e, const Solve *s, Value v, int rank);

bool control_prepare(Elab *e, Solve *s, Adapt *a);
/* The root mean square of error / (atol + rtol max(|y|, |y'|)). */
Value control_ratio(Elab *e, const Solve *s, const Adapt *a, const Value *y,
                    const Value *next, Value step,
                    const Value (*k)[COMPONENTS_MAX]);
/* The length of the next step. */
Value control_step(Elab *e, const Solve *s, Value h, Value ratio, Value finite,
                   Value accept, const Value *before, Value held);
/* Hairer, Norsett & Wanner II.4: the length of a probing step, and the first
 * step after the rate at its end is known. */
Value control_probe(Elab *e, const Solve *s, const Adapt *a, const Value *y,
                    const Value *rate);
Value control_first(Elab *e, const Solve *s, const Adapt *a, const Value *y,
                    const Value *rate, const Value *probed, Value h0);

#endif
