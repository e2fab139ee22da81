/*
 * solve_method.c -- METHOD(settings) of a solve: a row of tableau.def, and
 * whether the settings say fixed or adaptive steps.
 */
#include "sema/solve.h"

#include <math.h>
#include <string.h>

static const char *const gradients[] = {"unrolled", "checkpointed",
                                        "adjoint", "kept"};
static const char *const controls[] = {"i", "pi", "pid"};
static const char *const norms[] = {"example", "batch"};

static void unknown(Elab *e, Span at, const char *what, const char *name,
                    const char *const *known, int n)
{
    const char *close = diag_closest(name, known, n);
    const char *all = "";

    sema_error(e, at, "there is no %s \"%s\"", what, name);
    for (int k = 0; k < n; k++)
        all = arena_printf(e->a, "%s%s%s", all, k ? ", " : "", known[k]);
    if (close)
        sema_help(e, "did you mean \"%s\"?", close);
    sema_help(e, "there are %s", all);
}

/* A setting that is one of some words, written bare or as a string. */
static bool read_word(Elab *e, const Ast *arg, const char *const *known, int n,
                      int *out)
{
    const Ast *x = arg->kid[0];
    const char *word = x->kind == AST_name && !frame_find(e->frame, x->text)
                           ? x->text : NULL;

    for (*out = 0; word && *out < n; ++*out)
        if (strcmp(word, known[*out]) == 0)
            return true;
    if (word == NULL || module_own(e->frame->mod, word)) {
        Arg v = eval_arg(e, x);
        if (v.v.kind == V_POISON)
            return false;
        if (v.v.kind != V_STRING) {
            sema_error(e, x->span, "\"%s\" is a word, not %s", arg->text,
                       value_text(e, &v.v));
            return false;
        }
        word = v.v.s;
        for (*out = 0; *out < n; ++*out)
            if (strcmp(word, known[*out]) == 0)
                return true;
    }
    unknown(e, x->span, arg->text, word, known, n);
    return false;
}

static bool positive(Elab *e, const Arg *x, const char *what, double *out)
{
    if (!need_real(e, x, what, out))
        return false;
    if (*out > 0 && isfinite(*out))
        return true;
    sema_error(e, x->span, "%s must be positive, not %g", what, *out);
    return false;
}

static bool read_steps(Elab *e, Solve *s, const Arg *x)
{
    s->steps = *x;
    if (x->v.kind == V_INT) {
        if (x->v.i >= 1 && x->v.i <= 100000000)
            return true;
        sema_error(e, x->span, "there must be 1 to 100000000 steps, not %lld",
                   (long long)x->v.i);
        return false;
    }
    if (x->v.kind == V_TENSOR && x->v.val->type.dt == DT_i32 &&
        x->v.val->type.shape.rank == 0 && !x->v.val->type.batched)
        return true;
    sema_error(e, x->span, "the number of steps is an int that all examples "
               "share, not %s", value_text(e, &x->v));
    return false;
}

static bool read_max_steps(Elab *e, Solve *s, const Arg *x)
{
    if (!need_int(e, x, "the greatest number of steps", &s->max_steps))
        return false;
    if (s->max_steps >= 1 && s->max_steps <= 100000000)
        return true;
    sema_error(e, x->span, "there may be 1 to 100000000 steps, not %lld",
               (long long)s->max_steps);
    return false;
}

static bool read_memory(Elab *e, Solve *s, const Arg *x)
{
    if (!need_int(e, x, "the number of states kept", &s->memory))
        return false;
    if (s->memory >= 2)
        return true;
    sema_error(e, x->span, "a checkpointed gradient keeps at least 2 states");
    return false;
}

static bool read_setting(Elab *e, Solve *s, const Ast *arg)
{
    static const char *const known[] = {
        "step", "steps", "memory", "rtol", "atol", "first_step", "min_step",
        "max_steps", "gradient", "control", "norm"};
    double *const number[] = {&s->step, NULL, NULL, &s->rtol, &s->atol,
                              &s->first_step, &s->min_step, NULL};
    int word;

    if (arg->kind != AST_arg || arg->text == NULL) {
        sema_error(e, arg->span, "the settings of a method have names");
        sema_help(e, "for example: %s(step: 0.1)", s->method->name);
        return false;
    }
    if (strcmp(arg->text, "gradient") == 0) {
        if (!read_word(e, arg, gradients, ARRAY_LEN(gradients), &word))
            return false;
        s->gradient = (SolveGradient)word;
        return true;
    }
    if (strcmp(arg->text, "control") == 0) {
        if (!read_word(e, arg, controls, ARRAY_LEN(controls), &word))
            return false;
        s->control = (SolveControl)word;
        return true;
    }
    if (strcmp(arg->text, "norm") == 0) {
        if (!read_word(e, arg, norms, ARRAY_LEN(norms), &word))
            return false;
        s->whole_batch = word == 1;
        return true;
    }
    for (word = 0; word < (int)ARRAY_LEN(known); word++)
        if (strcmp(arg->text, known[word]) == 0)
            break;
    if (word == ARRAY_LEN(known)) {
        unknown(e, arg->name_span, "setting", arg->text, known, word);
        return false;
    }
    Arg v = eval_arg(e, arg->kid[0]);
    v.v = draw_settle(e, v.v, NULL);
    if (v.v.kind == V_POISON)
        return false;
    if (number[word])
        return positive(e, &v, arena_printf(e->a, "\"%s\"", arg->text),
                        number[word]);
    return word == 1   ? read_steps(e, s, &v)
           : word == 2 ? read_memory(e, s, &v)
                       : read_max_steps(e, s, &v);
}

/* A name of the table, or a string that is one. */
static bool read_name(Elab *e, Solve *s, const Ast *x)
{
    const char *name = NULL;
    VEC(const char *) all = {0};

    if (x->kind == AST_name) {
        s->method = tableau_find(x->text);
        if (s->method)
            return true;
        name = x->text;
    }
    if (!name || frame_find(e->frame, name) || module_own(e->frame->mod,
                                                          name)) {
        Arg v = eval_arg(e, x);
        if (v.v.kind == V_POISON)
            return false;
        if (v.v.kind != V_STRING) {
            sema_error(e, x->span, "a method is wanted here, not %s",
                       value_text(e, &v.v));
            return false;
        }
        name = v.v.s;
        s->method = tableau_find(name);
        if (s->method)
            return true;
    }
    for (const Tableau *t = tableau_table; t->name; t++)
        VEC_PUSH(e->a, &all, t->name);
    unknown(e, x->span, "method", name, all.at, all.n);
    return false;
}

static bool misplaced(Elab *e, const Solve *s, Span at, const char *name,
                      const char *where)
{
    sema_error(e, at, "\"%s\" belongs to %s", name, where);
    sema_help(e, "%s(step: 0.05) has fixed steps, %s(rtol: 1e-3) adaptive ones",
              s->method->name, s->method->name);
    return false;
}

static bool fixed_fits(Elab *e, const Solve *s, const Ast *x)
{
    bool count = s->steps.v.kind != V_ABSENT;

    if ((s->step > 0) == count) {
        sema_error(e, x->span, count ? "both a step and a number of steps are "
                                       "given"
                                     : "the length of the steps is missing");
        sema_help(e, "write %s(step: 0.05), or %s(steps: 20)%s",
                  s->method->name, s->method->name,
                  s->method->lower ? ", or let an error choose it: rtol: 1e-3"
                                   : "");
        return false;
    }
    if (s->memory && s->gradient != GRADIENT_CHECKPOINTED) {
        sema_error(e, x->span, "\"memory\" belongs to gradient: checkpointed");
        return false;
    }
    if (s->first_step > 0 || s->min_step > 0 || s->max_steps)
        return misplaced(e, s, x->span, s->first_step > 0 ? "first_step"
                         : s->min_step > 0 ? "min_step" : "max_steps",
                         "adaptive steps");
    return true;
}

/* Missing tolerances are 1e-3 and 1e-6, as in other solvers. */
static bool adaptive_fits(Elab *e, Solve *s, const Ast *x)
{
    if (s->step > 0 || s->steps.v.kind != V_ABSENT)
        return misplaced(e, s, x->span, s->step > 0 ? "step" : "steps",
                         "fixed steps");
    if (s->memory)
        return misplaced(e, s, x->span, "memory", "fixed steps");
    if (s->gradient == GRADIENT_KEPT) {
        sema_error(e, x->span, "\"gradient: kept\" belongs to fixed steps");
        return false;
    }
    if (s->method->lower == 0) {
        sema_error(e, x->span, "%s has no error estimate to choose steps by",
                   s->method->name);
        sema_help(e, "heun, bosh3, dopri5, tsit5 and dopri8 have one");
        return false;
    }
    s->adaptive = true;
    if (s->rtol == 0)
        s->rtol = 1e-3;
    if (s->atol == 0)
        s->atol = 1e-6;
    if (s->max_steps == 0)
        s->max_steps = STEPS_DEFAULT;
    return true;
}

bool solve_method(Elab *e, Solve *s, const Ast *x)
{
    bool call = x->kind == AST_call;

    if (!read_name(e, s, call ? x->kid[0] : x))
        return false;
    for (int k = 1; call && k < x->n; k++)
        if (!read_setting(e, s, x->kid[k]))
            return false;
    return s->rtol > 0 || s->atol > 0 ? adaptive_fits(e, s, x)
                                      : fixed_fits(e, s, x);
}
