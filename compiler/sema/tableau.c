/*
 * tableau.c -- the rows of tableau.def as structs.
 */
#include "sema/tableau.h"

#include <stddef.h>
#include <string.h>

#define L(...) ((const double[]){__VA_ARGS__})
#define COUNT(list) ((int)(sizeof(list) / sizeof(double)))
#define METHOD(name, order, lower, stages, fsal, extra, doc, c, a, b, e, e2,  \
               p)                                                             \
    {#name, doc, order, lower, stages, extra, fsal,                           \
     COUNT(p) > 1 ? COUNT(p) / ((stages) + (extra)) : 0, c, a, b, e,          \
     COUNT(e2) > 1 ? (e2) : NULL, p},

const Tableau tableau_table[] = {
#include "sema/tableau.def"
    {0}};

const Tableau *tableau_find(const char *name)
{
    for (const Tableau *t = tableau_table; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

double tableau_a(const Tableau *t, int i, int j)
{
    return t->a[i * (i - 1) / 2 + j];
}

int tableau_plain_stages(const Tableau *t)
{
    int n = t->stages;

    while (n > 1 && t->b[n - 1] == 0)
        n--;
    return n;
}
