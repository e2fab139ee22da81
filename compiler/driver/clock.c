/*
 * clock.c -- how long each stage took, in the order of their first start.
 */
#include "driver/clock.h"

#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int find(Clock *c, const char *name, int depth)
{
    for (int i = 0; i < c->n; i++)
        if (c->depth[i] == depth && strcmp(c->name[i], name) == 0)
            return i;
    if (c->n == CLOCK_MAX)
        return CLOCK_MAX - 1;
    c->name[c->n] = name;
    c->depth[c->n] = depth;
    return c->n++;
}

void clock_stop(Clock *c)
{
    if (c->now)
        c->seconds[c->now - 1] += now() - c->since;
    c->now = 0;
}

void clock_start(Clock *c, const char *stage)
{
    clock_stop(c);
    c->now = find(c, stage, 0) + 1;
    c->since = c->marked = now();
}

void clock_mark(Clock *c, const char *part)
{
    double t = now();

    c->seconds[find(c, part, 1)] += t - c->marked;
    c->marked = t;
}

void clock_report(const Clock *c, FILE *out)
{
    double sum = 0;

    for (int i = 0; i < c->n; i++) {
        fprintf(out, "%9.1f ms  %s%s\n", 1e3 * c->seconds[i],
                c->depth[i] ? "  " : "", c->name[i]);
        sum += c->depth[i] ? 0 : c->seconds[i];
    }
    fprintf(out, "%9.1f ms  in all\n", 1e3 * sum);
}
