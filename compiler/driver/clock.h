/*
 * clock.h -- private to driver/: how long each stage took.
 */
#ifndef RNN_CLOCK_H
#define RNN_CLOCK_H

#include "base/base.h"

enum { CLOCK_MAX = 48 };

typedef struct Clock {
    const char *name[CLOCK_MAX];
    double seconds[CLOCK_MAX];
    int depth[CLOCK_MAX]; // 1: a part of the stage before it
    int n, now;           // now: the stage that runs, + 1; 0: none
    double since, marked;
} Clock;

void clock_start(Clock *c, const char *stage); // ends the one before
/* The time since the last mark (or the start) belongs to this part of the
 * stage that runs. */
void clock_mark(Clock *c, const char *part);
void clock_stop(Clock *c);
void clock_report(const Clock *c, FILE *out);

#endif
