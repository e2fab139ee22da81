/*
 * solve_adapt.h -- what the files of adaptive steps share: the loop
 * (solve_adapt.c), the control of its steps (solve_control.c) and events
 * (solve_event.c).
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

typedef struct Moment { // what the time of a stage counts from
    const Solve *s;
    const Adapt *a;
    Value tau, h; // f64
} Moment;

/* What changes from pass to pass, in the order of the loop's variables. */
typedef struct State {
    Value tau, h;       // f64
    Value before[2];    // error ratios of the last two accepted steps, f64
    Value held;         // bool: the last attempt was refused
    Value status;       // i32, a SolveStatus
    Value steps, tries; // i32
    Value y[COMPONENTS_MAX], k[COMPONENTS_MAX], row[COMPONENTS_MAX];
} State;

typedef struct Attempt { // a step before it is accepted
    Value h, step;        // f64, and with the sign of time
    Value k[STAGES_MAX][COMPONENTS_MAX];
    Value y[COMPONENTS_MAX];
    Value ratio;          // f64, constant for gradients
    Value finite, accept; // bool
    Value arrives, end;   // bool; f64, tau after it
} Attempt;

#define STAGES(t) ((const Value(*)[COMPONENTS_MAX])(t)->k)

/* solve_adapt.c */
Value solve_real(Elab *e, const Solve *s, Value v); // in the program's type
Value solve_wide(Elab *e, const Solve *s, Value v); // in f64
StageTime adapt_moment; // of a Moment
/* A step of every example, as long as its state says or to the last time;
 * false after an error. */
bool adapt_attempt(Elab *e, Solve *s, const Adapt *a, const State *st,
                   Attempt *t);
Value pick(Elab *e, const Solve *s, Value c, Value x, Value y); // c ? x : y
/* v [times] or a scalar as [times, 1, ..] against a state of this rank. */
Value as_rows(Elab *e, const Solve *s, Value v, int rank);

/* solve_control.c */
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

/* solve_event.c */
/* Does the event change its sign from the start to the end of the step? */
Value event_crossing(Elab *e, Solve *s, const Adapt *a, const State *st,
                     const Attempt *t);
/* Takes the step that the event lies in, up to it, for the examples whose
 * status is SOLVE_EVENT. */
bool event_take(Elab *e, Solve *s, const Adapt *a, State *st);

#endif
