/*
 * tableau.h -- the Runge-Kutta methods of tableau.def.
 */
#ifndef RNN_SEMA_TABLEAU_H
#define RNN_SEMA_TABLEAU_H

#include <stdbool.h>

enum { STAGES_MAX = 16 };

typedef struct Tableau {
    const char *name, *doc;
    int order, lower; // lower 0: no error estimate
    int stages, extra;
    bool fsal;
    int degree;       // of the dense output in x; 0: there is none
    const double *c, *a, *b, *e;
    const double *e2; // NULL: no second estimate
    const double *p;
} Tableau;

extern const Tableau tableau_table[]; // ends with a NULL name
/* NULL: there is no such method. */
const Tableau *tableau_find(const char *name);
/* a_ij, both from 0, j < i. */
double tableau_a(const Tableau *t, int i, int j);
/* Stages a step of fixed length evaluates: those y' needs. */
int tableau_plain_stages(const Tableau *t);

#endif
