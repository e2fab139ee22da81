/*
 * interval.h -- between which bounds a value lies, and which are reached.
 * Private to sema/.
 */
#ifndef RNN_SEMA_INTERVAL_H
#define RNN_SEMA_INTERVAL_H

#include "sema/elab.h"

typedef enum {
    HIT_NONE, // not known to be reached
    HIT_SOME, // by some element
    HIT_ALL   // by all elements at once
} Hit;

typedef struct End {
    double at;
    bool open; // approached, never reached
    Hit hit;
} End;

typedef struct Interval {
    End lo, hi;
    bool dense; // where both ends are reached, so is all between them
} Interval;

/* --- interval_math.c ----------------------------------------------------- */

Interval iv_anything(void); // nothing known
Interval iv_between(double lo, double hi, Hit hit, bool dense);
/* Anything of either sign, but hardly ever one given number. */
Interval iv_any_sign(void);
Interval iv_point(double c);
bool iv_is_point(const Interval *x);
Interval iv_unreached(Interval x);
Interval iv_negated(Interval x);
Interval iv_rising(Interval x, double (*f)(double)); // f monotone
Interval iv_magnitude(Interval x);
Interval iv_squared(Interval x);
Interval iv_summed(Interval x, double n); // n elements
Interval iv_part(Interval x);             // not all elements
Interval iv_framed(Interval x, double f);
Interval iv_hull(Interval x, Interval y);
/* Of two values that have nothing in common. */
Interval iv_sum_of(Interval x, Interval y);
Interval iv_product(Interval x, Interval y);
Interval iv_larger(Interval x, Interval y);
Interval iv_reciprocal(Interval y);
Interval iv_to_the(Interval x, double y);
/* x where x < c (or, `above`, x > c); closed: where it may be c too. false: it
 * never is. */
bool iv_cut(Interval *x, double c, bool above, bool closed);

/* --- interval.c ---------------------------------------------------------- */

/* The intervals of one graph; results are kept. */
typedef struct Intervals Intervals;
Intervals *intervals_new(Elab *e, Arena *tmp);

/*
 * The interval of a value in its first pass through the loops around it: what
 * is reached there is reached. Parameters are taken to have any sign, gradients
 * any value; of what has no rule nothing is known to be reached.
 */
Interval interval_of(Intervals *t, Val v);

/* Is c an end that is reached, or inside the declared range of a field? */
bool interval_reaches(Intervals *t, Val v, double c);

/* The value that v is a movement of (reshape, slice, broadcast, cast, ...). */
Val unmoved(Val v);

#endif
