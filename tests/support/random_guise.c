/*
 * random_guise.c -- the guises of a function: its slopes, and whether they are
 * what central differences find; the form that goes to lowering.
 */
#include "support/random_parts.h"

#include "autodiff/autodiff.h"
#include "passes/rewrite.h"

#include <string.h>

enum { SLOPES = 3 };

const char *const guise_name[GUISE_COUNT] = {"plain", "passes", "gradient",
                                             "curvature"};

/* ---- the function of a trial ---- */

static Func *copy_of(Arena *a, const Func *f)
{
    Func *c = arena_copy(a, f, sizeof *f);

    c->out = arena_copy(a, f->out, (size_t)f->nout * sizeof(Val));
    return c;
}

/* Loops with a run-time count have no gradient. */
static Val fixed_count(void *env, Graph *g, Val old, Val rebuilt)
{
    const Trial *t = env;

    (void)rebuilt;
    if (old->op != OP_input || old->attr.s != intern("n"))
        return NULL;
    return ir_const(g, DT_i32, (double)(t->seed % 4));
}

/* All real results of one sort, squashed and added up. */
static Val total(const Func *f, bool per_example)
{
    Val sum = NULL;

    for (int k = 0; k < f->nout; k++) {
        Val v = f->out[k];
        if (!dtype_real(v->type.dt))
            continue;
        v = ir_reduce_all(f->g, OP_sum, ir_op1(f->g, OP_tanh, v));
        if (v->type.batched && !per_example)
            v = ir_op1(f->g, OP_batch_sum, v);
        sum = sum ? ir_add(f->g, sum, v) : v;
    }
    return sum;
}

static uint64_t hash_of(const Trial *t, Val in)
{
    Dice d = {.state = t->seed};

    for (const char *s = in->attr.s; *s; s++)
        d.state = dice_bits(&d) + (uint64_t)*s;
    return dice_bits(&d);
}

/* A few real inputs, the same ones whatever else is in the function. */
static int some_inputs(Arena *a, const Trial *t, const Func *f,
                       bool per_example, Val *in)
{
    int n, count = 0;
    Val *node = ir_topo(a, f->out, f->nout, NULL, &n);

    for (int k = 0; k < n; k++) {
        if (node[k]->op != OP_input || !dtype_real(node[k]->type.dt) ||
            (per_example && !node[k]->type.batched))
            continue;
        int at = count < SLOPES ? count++ : SLOPES - 1;
        if (at == SLOPES - 1 && in[at] &&
            hash_of(t, in[at]) < hash_of(t, node[k]))
            continue;
        for (; at > 0 && hash_of(t, in[at - 1]) > hash_of(t, node[k]); at--)
            in[at] = in[at - 1];
        in[at] = node[k];
    }
    return count;
}

/* In place of f: the slopes of the sum of its results, and that sum. */
static Func *slopes(Arena *a, const Func *f, const Trial *t)
{
    bool own = t->per_example;
    Val in[SLOPES] = {NULL}, e = total(f, own);
    Func *c = copy_of(a, f);

    if (e && own && !e->type.batched)
        e = ir_spread(f->g, e);
    c->nout = e ? some_inputs(a, t, f, own, in) : 0;
    if (!c->nout)
        return NULL;
    c->out = NEW_N(a, Val, c->nout + 1);
    c->out_name = NEW_N(a, const char *, c->nout + 1);
    for (int k = 0; k < c->nout; k++) {
        c->out[k] = ir_op2(f->g, OP_grad, e, in[k]);
        c->out_name[k] = internf("d%s", in[k]->attr.s);
    }
    c->out_name[c->nout] = intern("e");
    c->out[c->nout++] = e;
    return c;
}

static void flush(FILE *out, const void *d)
{
    diag_flush((Diag *)(uintptr_t)d, out, false);
}

static Func *differentiated(Arena *a, const Func *source, const Trial *t,
                            Finding *out)
{
    Diag *d = diag_new(a);
    Func *f = copy_of(a, source);

    ir_rewrite(f->g, f->out, f->nout, fixed_count,
               (void *)(uintptr_t)t);
    f = slopes(a, f, t);
    if (f && t->guise == GUISE_CURVATURE) {
        f->nout--; // of the slopes alone
        f = slopes(a, f, t);
    }
    if (f && !ad_expand(f, d)) {
        char *text = text_of(a, flush, d);
        bool known = strstr(text, "weights that differ") ||
                     strstr(text, "too many dims to be recorded");
        if (!known)
            part_find(out, FOUND_REFUSAL, "%s", text);
        return NULL;
    }
    return f;
}

Func *trial_func(Arena *a, const Func *source, const Trial *t, Func **before,
                 Finding *out)
{
    PassOptions opt = {.fast_math = t->fast};
    Func *f = t->guise < GUISE_GRADIENT ? copy_of(a, source)
                                        : differentiated(a, source, t, out);

    if (!f || out->found)
        return NULL;
    if (before)
        *before = copy_of(a, f);
    if (t->guise == GUISE_PLAIN)
        pass_conv(f, &opt);
    else
        passes_run(f, &opt, NULL, NULL);
    return f;
}

/* ---- slopes by central differences ---- */

typedef struct Slant {
    RandomData data;
    Val in;      // this input is moved
    double step; // by step times its direction
    Arena *scratch;
} Slant;

static void direction(const Slant *s, Tensor *t)
{
    RandomData data = s->data;

    data.seed++;
    random_input(&data, s->in, t);
}

static void slanted_input(void *env, Val input, Tensor *t)
{
    Slant *s = env;
    Tensor v = *t;

    random_input(&s->data, input, t);
    if (input != s->in)
        return;
    v.at = NEW_N(s->scratch, double, part_count(t));
    direction(s, &v);
    for (int64_t k = 0; k < part_count(t); k++)
        t->at[k] += s->step * v.at[k];
}

/* The sum e itself at one end of a difference. */
static Tensor moved(Arena *a, const Func *f, EvalEnv env, Slant *s,
                    double step)
{
    Func e = {f->name, f->g, 1, &f->out[f->nout - 1], f->out_name};

    s->step = step;
    env.input = slanted_input;
    env.user = s;
    return *part_eval(a, &e, env, false);
}

/* Do the slopes d in s->in agree with differences of this step? Of each
 * example by itself, if they have nothing to do with each other. */
static bool slopes_fit(Arena *a, const Func *f, EvalEnv env, Slant *s,
                       const Tensor *d, double step, double *got,
                       double *want)
{
    Tensor hi = moved(a, f, env, s, step), lo = moved(a, f, env, s, -step);
    Tensor v = *d;
    bool own = !part_mixes(a, &f->out[f->nout - 1], 1, NULL);
    int64_t n = part_count(d) / d->batch;

    v.at = NEW_N(a, double, part_count(d));
    direction(s, &v);
    *got = *want = 0;
    for (int64_t b = 0; b < hi.batch; b++) {
        *want += (hi.at[b] - lo.at[b]) / (2 * step);
        if (!own && b + 1 < hi.batch)
            continue;
        int64_t from = own && hi.batch > 1 ? b * n : 0;
        int64_t to = own && hi.batch > 1 ? from + n : part_count(d);
        for (int64_t k = from; k < to; k++)
            *got += d->at[k] * v.at[k];
        if (isfinite(*want) && !is_close(*got, *want, (Tol){1e-4, 1e-4}))
            return false;
        if (own)
            *got = *want = 0;
    }
    return true;
}

static Val input_called(Arena *a, const Func *f, const char *name)
{
    int n;
    Val *v = ir_topo(a, f->out, f->nout, NULL, &n);

    for (int k = 0; k < n; k++)
        if (v[k]->op == OP_input && v[k]->attr.s == name)
            return v[k];
    return NULL;
}

/* The results of f are slopes of the last one. A step may straddle a kink;
 * all steps do not. */
bool part_slopes_fit(Arena *a, const Func *f, EvalEnv env,
                         const Tensor *d, Finding *out)
{
    static const double step[] = {1e-5, 1e-6, 1e-7, 1e-8, 1e-9};
    double got = 0, want = 0;

    for (int k = 0; k + 1 < f->nout; k++) {
        Slant s = {.data = *(RandomData *)env.user};
        bool fits = false;
        s.scratch = a;
        s.in = input_called(a, f, intern(f->out_name[k] + 1));
        for (size_t j = 0; s.in && !fits && j < ARRAY_LEN(step); j++)
            fits = slopes_fit(a, f, env, &s, &d[k], step[j], &got, &want);
        if (s.in && !fits)
            return part_find(out, FOUND_SLOPES, "output %d \"%s\": %.17g, not "
                        "%.17g", k, f->out_name[k], got, want);
    }
    return true;
}
