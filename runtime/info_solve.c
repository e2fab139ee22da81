/*
 * info_solve.c -- what `info` says of the solves of a program: what their
 * gradients cost, and how far apart their dynamics can carry two states.
 *
 * A bound of |f(y) - f(z)| / |y - z| is computed from the norms of the weights
 * as they are. A spectral norm comes from above, by Gram iteration: with
 * G = W W^T and G' = G G, |W| <= |G^(2^k)|_F^(1 / 2^(k+1)) for every k
 * (Delattre et al. 2023).
 */
#include "face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SQUARINGS = 6, STACK_MAX = 256 };

static double frobenius(const double *g, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n * n; i++)
        sum += g[i] * g[i];
    return sqrt(sum);
}

/* G <- G G / c^2, where c = |G|. */
static void square(double *g, double *next, int64_t n, double c)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++)
                sum += g[i * n + k] / c * (g[k * n + j] / c);
            next[i * n + j] = sum;
        }
    memcpy(g, next, sizeof *g * (size_t)(n * n));
}

/* An upper bound of the largest singular value of w [rows, columns]. */
static double norm(const void *w, int32_t dt, int64_t rows, int64_t columns)
{
    bool tall = rows > columns;
    int64_t n = tall ? columns : rows, m = tall ? rows : columns;
    double *g = rnn_alloc(sizeof *g * (size_t)(n * n));
    double *next = rnn_alloc(sizeof *g * (size_t)(n * n));
    double log_scale = 0;

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < m; k++)
                sum += rnn_element(w, dt, tall ? k * n + i : i * m + k) *
                       rnn_element(w, dt, tall ? k * n + j : j * m + k);
            g[i * n + j] = sum;
        }
    double c = frobenius(g, n), power = 1;
    for (int k = 0; k < SQUARINGS && c > 0 && isfinite(c); k++) {
        // log |G_k| is carried, G_k itself has norm about 1
        log_scale = 2 * (log_scale + log(c));
        power *= 2;
        square(g, next, n, c);
        c = frobenius(g, n);
    }
    free(g);
    free(next);
    return c > 0 ? exp((log_scale + log(c)) / (2 * power)) : c;
}

static double largest(const void *w, int32_t dt, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(rnn_element(w, dt, i)));
    return most;
}

static double bound_of(const RnnSession *s, const RnnSolve *v)
{
    double stack[STACK_MAX];
    int n = 0;

    for (int i = 0; i < v->nbound; i++) {
        const RnnBound *b = &v->bound[i];
        const RnnType *t = &s->p->var[b->var].type;
        int64_t all = rnn_type_count(t), rows = t->rank ? t->dim[0] : 1;

        if (b->op == RNN_BOUND_MUL || b->op == RNN_BOUND_ADD) {
            n--;
            stack[n - 1] = b->op == RNN_BOUND_MUL ? stack[n - 1] * stack[n]
                                                  : stack[n - 1] + stack[n];
            continue;
        }
        if (n == STACK_MAX)
            return INFINITY;
        stack[n++] = b->op == RNN_BOUND_NUMBER ? b->c
                     : b->op == RNN_BOUND_NORM
                         ? b->c * norm(s->var[b->var], t->dt, rows, all / rows)
                         : b->c * largest(s->var[b->var], t->dt, all);
    }
    return n ? stack[0] : 0;
}

/* What each way to the gradient keeps and evaluates. */
static void costs(const RnnProgram *p, const RnnSolve *v, RnnTable *t)
{
    static const char *const way[] = {"unrolled", "kept", "checkpointed",
                                      "adjoint"};
    double element = (double)rnn_dtype_bytes(p->real) / 1000;
    double state = (double)v->size * element;
    double each = (double)v->steps * v->evaluations;

    for (int k = 0; k < 4; k++) {
        bool chosen = !strcmp(way[k], v->gradient);
        double levels = chosen && v->levels > 1 ? (double)v->levels : 2;
        double kept = k < 2    ? (double)v->steps
                      : k == 2 ? levels * ceil(pow((double)v->steps,
                                                   1 / levels))
                               : 2;
        double kb = kept * state;
        double again = k == 2 ? levels * each : each;

        if (k == 2 && v->adaptive)
            continue;
        if (k == 1)
            kb += each * (double)v->products * element;
        rnn_cell(t, "%s gradient%s", way[k], chosen ? " (chosen)" : "");
        rnn_cell(t, "%.0f states%s, %.3g kB per example", kept,
                 k == 1 ? " and all products" : "", kb);
        if (k == 1)
            rnn_cell(t, "what follows the products again");
        else
            rnn_cell(t, "%.0f evaluations more", again);
    }
}

static void one_solve(const RnnSession *s, const RnnSolve *v, RnnJson *j,
                      bool quiet)
{
    RnnTable t = {.align = "lll"};
    double bound = v->unbounded[0] ? NAN : bound_of(s, v);

    rnn_json_line(j, NULL, '{');
    rnn_json_text(j, "place", v->place);
    rnn_json_text(j, "method", v->method);
    rnn_json_text(j, "gradient", v->gradient);
    rnn_json_text(j, "rates", v->autonomous ? "autonomous" : "of time");
    rnn_json_real(j, "steps", (double)v->steps);
    rnn_json_real(j, "evaluations", v->evaluations);
    rnn_json_real(j, "lipschitz", bound);
    rnn_json_end(j, '}');
    if (quiet)
        return;
    printf("\nsolve at %s by %s: ", v->place, v->method);
    if (v->adaptive)
        printf("at most %lld adaptive steps", (long long)v->steps);
    else if (v->steps)
        printf("%lld steps", (long long)v->steps);
    else
        printf("a number of steps known when running");
    printf(" of %d evaluations, %lld elements\n", v->evaluations,
           (long long)v->size);
    printf("  the dynamics %s; ", v->autonomous ? "is autonomous"
                                                : "depends on the time");
    if (v->unbounded[0])
        printf("no Lipschitz bound, by %s\n", v->unbounded);
    else
        printf("Lipschitz bound %.4g, weights %s\n", bound, s->weights);
    if (v->steps) {
        costs(s->p, v, &t);
        rnn_table_print(stdout, &t, 2);
    }
}

RnnStatus rnn_info_solves(const RnnProgram *p, RnnFlags *f, RnnJson *j,
                          bool quiet, RnnError *err)
{
    RnnSession s;

    if (!p->nsolve)
        return RNN_OK;
    RnnStatus st = rnn_session_open(&s, p, f, err);
    if (st == RNN_OK)
        st = rnn_weights_any(&s, err);
    rnn_json_begin(j, "solves", '[');
    for (int64_t i = 0; i < p->nsolve && st == RNN_OK; i++)
        one_solve(&s, &p->solve[i], j, quiet);
    rnn_json_end(j, ']');
    rnn_session_close(&s);
    return st;
}
