/*
 * solve.h -- what the files of `solve` share. Private to sema/.
 *
 *   solve.c         the statement read: rates, initial state, times
 *   solve_method.c  its method and settings
 *   solve_rates.c   the rates at a state and time; the types of the state
 *   solve_step.c    one Runge-Kutta step
 *   solve_fixed.c   steps of one length, as loops of the program
 *   solve_adapt.c   steps that follow an error estimate (solve_adapt.h)
 *   solve_control.c how long those are
 *   solve_event.c   where a step crosses the root of an event
 */
#ifndef RNN_SEMA_SOLVE_H
#define RNN_SEMA_SOLVE_H

#include "sema/elab.h"
#include "sema/tableau.h"

enum { COMPONENTS_MAX = 64, STATES_MAX = 16, TIMES_MAX = 10000, STEPS_DEFAULT = 1000 };

typedef enum { GRADIENT_UNROLLED, GRADIENT_CHECKPOINTED, GRADIENT_ADJOINT,
               GRADIENT_KEPT
} SolveGradient;

typedef enum { CONTROL_I, CONTROL_PI, CONTROL_PID } SolveControl;

typedef enum { // how far a solve with adaptive steps has got
    SOLVE_GOING, SOLVE_DONE, SOLVE_NOT_FINITE, SOLVE_STEP_SMALL,
    SOLVE_EVENT // the event lies in the next step, of length h
} SolveStatus;

typedef struct Run {
    Value status, steps, tries; // i32: SolveStatus; accepted; attempted
    Value tau, h, start, way;   // f64: where it stood, see solve_adapt.c
    Value rate[COMPONENTS_MAX]; // at the last state; absent: not known
} Run;

typedef struct Solve {
    const Ast *ast;
    Span at;
    const Tableau *method;

    // rates: a function of the state, or one expression a component
    Arg fn;
    const Ast *rate;   // list of AST_rate; NULL: a function
    int time_formal;   // of the function: -1, it takes no time
    int nscope;        // layers of the caller so far
    bool rated;        // the rates were evaluated before

    // state
    int n;
    const char *name[COMPONENTS_MAX]; // of the components; NULL: no names
    Arg init[COMPONENTS_MAX];
    Type type[COMPONENTS_MAX];

    // times
    int ntime;
    Arg *time;
    bool listed; // the state at all of them is wanted, not the last only

    // of the solve back in time of an adjoint gradient: what it goes back
    // over, and integrals beside the state, y[n .. n + nq)
    const struct Back *back;
    int nq;

    const Ast *event; // ends the solve where it becomes 0; NULL: none

    // settings
    bool adaptive;
    double rtol, atol, first_step, min_step; // 0: not given
    int64_t max_steps;
    SolveControl control;
    bool whole_batch; // one step for all examples
    double step;  // 0: not given
    Arg steps;    // absent: not given
    SolveGradient gradient;
    Run run;        // of adaptive steps
    int64_t memory; // states a checkpointed gradient may hold; 0: its choice
} Solve;

/* solve_method.c: reads x into the method and settings of s; false after an
 * error. */
bool solve_method(Elab *e, Solve *s, const Ast *x);

/* solve_rates.c */
/* The rates at state y and time t, in the types of the state; false after an
 * error. Layers among them have the same parameters each time. */
bool solve_rates(Elab *e, Solve *s, const Value *y, Value t, Value *rate);
/* Finds s->type: the initial values' types, widened by the rates'. */
bool solve_types(Elab *e, Solve *s);

/* The event at state y and time t, a scalar in f64; poison after an error. */
Value solve_event(Elab *e, Solve *s, const Value *y, Value t);

/* solve_step.c */
/* sum_j h w_j k_j of component c; poison after an error. Absent: no term. */
Value step_sum(Elab *e, const Solve *s, Value h, const double *w, int n,
               const Value (*k)[COMPONENTS_MAX], int c);
/* Stages 1 .. n - 1 from stage 0; t(i) is t0 + c_i h. */
typedef Value StageTime(Elab *e, const void *env, double c);
bool step_stages(Elab *e, Solve *s, const Value *y, Value h, StageTime *time,
                 const void *env, int first, int n,
                 Value (*k)[COMPONENTS_MAX]);
/* y + sum in the component's type. */
Value step_add(Elab *e, const Solve *s, Value y, Value sum, int c);

/* solve_fixed.c: the states at all times, out[time][component]; or, where
 * rows[component] is not absent after it, as its rows. */
bool solve_fixed(Elab *e, Solve *s, Value (*out)[COMPONENTS_MAX],
                 Value *rows);

/* The initial state in the types of the components. */
bool solve_begin(Elab *e, Solve *s, Value *y);
/* [times] rows in the type of component c, all of them y. */
Value solve_rows(Elab *e, const Solve *s, int c, Val y);

int solve_levels(const Solve *s, int64_t n); // of loops for n steps

/* solve_record.c: adds a solve to the unit, once for each place. */
void solve_record(Elab *e, Solve *s);

/* solve_adjoint.c */
typedef struct Back Back;
bool solve_adjoint(Elab *e, Solve *s, Value (*out)[COMPONENTS_MAX],
                   Value *rows);
/* The rates of the state going back, and of its adjoint. */
void adjoint_step(const Solve *s); // a step begins: its stages are kept
bool adjoint_rates(Elab *e, Solve *s, const Value *y, Value t, Value *rate);
/* Adds what a step of this signed length makes of the integrals in y; where
 * `taken` (or absent) says so. */
bool adjoint_integrals(Elab *e, Solve *s, Value step, Value taken, int n,
                       Value *y);

/* solve_adapt.c: y from the initial state to the last time; rows as above. */
/* solve_check.c: NaN for the examples that did not arrive; the runtime is told
 * of the first. */
bool solve_checked(Elab *e, Solve *s, Value *y, Value *rows);
bool solve_adaptive(Elab *e, Solve *s, Value *y, Value *rows, Run *run);

#endif
