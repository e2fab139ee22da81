/*
 * random_trial.c -- see random_trial.h.
 *
 * Results must be close to the interpreter's: in f64 to a few units in the
 * last place of what is computed; in f32 to a multiple of what rounding every
 * value of the interpreter to single precision changes. Everything else
 * (levels, threads, batches, repetition) must agree to the last bit.
 */
#include "support/random_trial.h"

#include "autodiff/autodiff.h"
#include "passes/rewrite.h"
#include "support/machine.h"

#include <string.h>

enum { BATCH = 8, SLOPES = 3 };

const char *const guise_name[GUISE_COUNT] = {"plain", "passes", "gradient",
                                             "curvature"};
const char *const found_text[FOUND_COUNT] = {
    "nothing", "its gradient is refused", "the passes change it",
    "its gradient is wrong", "machine code differs from the interpreter",
    "-O0 and -O3 differ", "one thread and two differ",
    "an example depends on its batch", "a second run differs",
    "crashed, ended or hung"};

static bool find(Finding *out, Found found, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool find(Finding *out, Found found, const char *fmt, ...)
{
    va_list ap;

    out->found = found;
    va_start(ap, fmt);
    vsnprintf(out->text, sizeof out->text, fmt, ap);
    va_end(ap);
    return false;
}

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
            find(out, FOUND_REFUSAL, "%s", text);
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

/* ---- results ---- */

static void note_values(Arena *a, const Val *root, int n, const Loop *l,
                        Seen *s)
{
    int count;
    Val *v = ir_topo(a, root, n, l, &count);

    for (int k = 0; k < count; k++) {
        s->op[v[k]->op]++;
        if (v[k]->op == OP_loop)
            note_values(a, v[k]->attr.loop->next, v[k]->attr.loop->n,
                        v[k]->attr.loop, s);
    }
}

static EvalEnv env_of(Arena *a, const Trial *t, const int64_t *index, int n)
{
    RandomData *data = NEW(a, RandomData);

    *data = (RandomData){t->seed, index};
    return (EvalEnv){.batch = n, .seed = t->seed, .index = index,
                     .input = random_input, .user = data};
}

static Tensor *eval(Arena *a, const Func *f, EvalEnv env, bool rounded)
{
    Tensor *out = NEW_N(a, Tensor, f->nout);

    env.round_f32 = rounded;
    ir_eval(a, f, &env, out);
    return out;
}

static int64_t count_of(const Tensor *t)
{
    return t->batch * shape_size(t->type.shape);
}

static double largest(const Tensor *x, const Tensor *y)
{
    double most = 0;

    for (int64_t k = 0; k < count_of(x); k++) {
        double v = y ? x->at[k] - y->at[k] : x->at[k];
        if (isfinite(v) && fabs(v) > most)
            most = fabs(v);
    }
    return most;
}

/* `rounded`: the interpreter's results with every value rounded, or NULL. */
static bool close_to(const Func *f, const Tensor *got, const Tensor *want,
                     const Tensor *rounded, Found found, const char *how,
                     Finding *out)
{
    for (int k = 0; k < f->nout; k++) {
        const Tensor *w = &want[k];
        Tol tol = random_tol(w->type.dt);

        if (!type_eq(w->type, got[k].type))
            return find(out, found, "output %d changes its type", k);
        tol.abs *= 1 + largest(w, NULL);
        if (rounded && w->type.dt == DT_f32)
            tol.abs += 16 * largest(&rounded[k], w);
        for (int64_t i = 0; i < count_of(w); i++) {
            if (!isfinite(w->at[i]) && (rounded || found == FOUND_PASSES))
                continue; // says nothing about the rest
            if (!is_close(got[k].at[i], w->at[i], tol))
                return find(out, found,
                            "%s: output %d \"%s\", element %lld: %.17g, not "
                            "%.17g (tolerance %g)", how, k, f->out_name[k],
                            (long long)i, got[k].at[i], w->at[i], tol.abs);
        }
    }
    return true;
}

static bool same_bits(const Func *f, const Tensor *got, const Tensor *want,
                      Found found, Finding *out)
{
    for (int k = 0; k < f->nout; k++)
        for (int64_t i = 0; i < count_of(&want[k]); i++) {
            double x = got[k].at[i], y = want[k].at[i];
            if (x != y && !(isnan(x) && isnan(y)))
                return find(out, found,
                            "output %d \"%s\", element %lld: %.17g and %.17g",
                            k, f->out_name[k], (long long)i, x, y);
        }
    return true;
}

/* Does anything shared depend on examples? */
static bool mixes(Arena *a, const Val *root, int n, const Loop *l)
{
    int count;
    Val *v = ir_topo(a, root, n, l, &count);

    for (int k = 0; k < count; k++) {
        const Loop *inner = v[k]->op == OP_loop ? v[k]->attr.loop : NULL;
        if (inner && mixes(a, inner->next, inner->n, inner))
            return true;
        if (v[k]->op == OP_batch_size)
            return true;
        for (int j = 0; !inner && v[k]->op != OP_proj && j < v[k]->nsrc; j++)
            if (v[k]->src[j]->type.batched && !v[k]->type.batched)
                return true;
    }
    return false;
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
    RandomData data = {s->data.seed + 1, s->data.index};

    random_input(&data, s->in, t);
}

static void slanted_input(void *env, Val input, Tensor *t)
{
    Slant *s = env;
    Tensor v = *t;

    random_input(&s->data, input, t);
    if (input != s->in)
        return;
    v.at = NEW_N(s->scratch, double, count_of(t));
    direction(s, &v);
    for (int64_t k = 0; k < count_of(t); k++)
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
    return *eval(a, &e, env, false);
}

/* Do the slopes d in s->in agree with differences of this step? Of each
 * example by itself, if they have nothing to do with each other. */
static bool slopes_fit(Arena *a, const Func *f, EvalEnv env, Slant *s,
                       const Tensor *d, double step, double *got,
                       double *want)
{
    Tensor hi = moved(a, f, env, s, step), lo = moved(a, f, env, s, -step);
    Tensor v = *d;
    bool own = !mixes(a, &f->out[f->nout - 1], 1, NULL);
    int64_t n = count_of(d) / d->batch;

    v.at = NEW_N(a, double, count_of(d));
    direction(s, &v);
    *got = *want = 0;
    for (int64_t b = 0; b < hi.batch; b++) {
        *want += (hi.at[b] - lo.at[b]) / (2 * step);
        if (!own && b + 1 < hi.batch)
            continue;
        int64_t from = own && hi.batch > 1 ? b * n : 0;
        int64_t to = own && hi.batch > 1 ? from + n : count_of(d);
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
static bool check_slopes(Arena *a, const Func *f, EvalEnv env,
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
            return find(out, FOUND_SLOPES, "output %d \"%s\": %.17g, not "
                        "%.17g", k, f->out_name[k], got, want);
    }
    return true;
}

/* ---- examples by themselves ---- */

/* Examples `row[0..n)` of the large batch are those of the small one. */
static bool same_rows(Arena *a, const Func *f, const Tensor *small,
                      const Tensor *large, const int *row, int n, Finding *out)
{
    for (int k = 0; k < f->nout; k++) {
        int64_t size = shape_size(f->out[k]->type.shape);
        if (mixes(a, &f->out[k], 1, NULL))
            continue;
        for (int j = 0; j < (f->out[k]->type.batched ? n : 1); j++)
            for (int64_t i = 0; i < size; i++) {
                double x = small[k].at[j * size + i];
                double y = large[k].at[(f->out[k]->type.batched ? row[j] : 0) *
                                       size + i];
                if (x != y && !(isnan(x) && isnan(y)))
                    return find(out, FOUND_BATCH,
                                "output %d \"%s\", element %lld, batch of "
                                "%d: %.17g, of %d: %.17g", k, f->out_name[k],
                                (long long)i, n, x, BATCH, y);
            }
    }
    return true;
}

/* ---- trials ---- */

typedef struct Case {
    const Trial *t;
    Func *f, *before;
    Entry *e;
    Tensor *want, *rounded, *base; // base: the results at -O0
} Case;

static const int64_t numbers[BATCH] = {4, 9, 2, 7, 11, 0, 5, 3};

static Tensor *run(Arena *a, Machine *m, int k, const Case *c, EvalEnv env,
                   MachineRun how)
{
    Tensor *out = NEW_N(a, Tensor, c->f->nout);

    machine_run(m, k, a, &env, &how, out);
    return out;
}

static bool check_small(Arena *a, Machine *m, int k, const Case *c,
                        const int *row, int n, int threads, Finding *out)
{
    int64_t *index = NEW_N(a, int64_t, n);

    for (int j = 0; j < n; j++)
        index[j] = numbers[row[j]];
    EvalEnv env = env_of(a, c->t, index, n);
    Tensor *got = run(a, m, k, c, env, (MachineRun){.threads = threads});
    return close_to(c->f, got, eval(a, c->f, env, false),
                    eval(a, c->f, env, true), FOUND_VALUES, "small batch",
                    out) &&
           same_rows(a, c->f, got, c->base, row, n, out);
}

static bool check_code(Arena *a, Machine *m, int k, Case *c, Finding *out)
{
    EvalEnv env = env_of(a, c->t, numbers, BATCH);

    c->base = run(a, m, k, c, env, (MachineRun){.threads = 1});
    return close_to(c->f, c->base, c->want, c->rounded, FOUND_VALUES, "-O0",
                    out) &&
           same_bits(c->f, run(a, m, k, c, env, (MachineRun){.stale = true}),
                     c->base, FOUND_AGAIN, out) &&
           same_bits(c->f, run(a, m, k, c, env, (MachineRun){.threads = 2}),
                     c->base, FOUND_THREADS, out) &&
           check_small(a, m, k, c, (int[]){5, 1, 6}, 3, 2, out) &&
           check_small(a, m, k, c, (int[]){3}, 1, 1, out);
}

static bool check_optimized(Arena *a, Machine *m, int k, Case *c, Finding *out)
{
    EvalEnv env = env_of(a, c->t, numbers, BATCH);

    return same_bits(c->f, run(a, m, k, c, env, (MachineRun){.threads = 2}),
                     c->base, FOUND_LEVELS, out) &&
           check_small(a, m, k, c, (int[]){0, 2, 7}, 3, 1, out);
}

static void note_steps(const Steps *steps, Seen *s)
{
    for (int k = 0; k < steps->list.n; k++) {
        s->steps[steps->list.at[k].kind]++;
        s->setup += steps->list.at[k].setup;
        if (steps->list.at[k].kind == STEP_LOOP)
            note_steps(steps->list.at[k].body, s);
    }
}

static void note(Arena *a, const Func *f, const Program *p, Seen *s)
{
    note_values(a, f->out, f->nout, NULL, s);
    note_steps(&p->steps, s);
    for (int k = 0; k < f->nout; k++)
        s->inplace += p->inplace[k];
    for (int k = 0; k < p->kernel.n; k++) {
        const Kernel *kernel = p->kernel.at[k];
        s->kernel[kernel->kind]++;
        s->tasks += kernel->tasks > 1;
        if (kernel->kind == KERNEL_CONTRACT) {
            s->form[kernel->sched.form]++;
            s->pack[kernel->sched.pack]++;
        }
    }
}

/* Results that are what variables become after a chain of puts. */
static void name_variables(const Func *f, Entry *e)
{
    for (int k = 0; k < f->nout; k++) {
        Val v = f->out[k];
        bool taken = v->op != OP_put;
        while (v->op == OP_put)
            v = v->src[0];
        for (int j = 0; j < k; j++)
            taken = taken || (e->output[j].kind == OUT_VAR &&
                              e->output[j].name == v->attr.s);
        if (taken || v->op != OP_input || v->attr.i[0] != INPUT_VAR)
            continue;
        e->output[k].kind = OUT_VAR;
        e->output[k].name = v->attr.s;
    }
}

static bool make_case(Arena *a, const Trial *t, const Func *source, Case *c,
                      Finding *out)
{
    EvalEnv env = env_of(a, t, numbers, BATCH);

    *c = (Case){.t = t};
    c->f = trial_func(a, source, t, &c->before, out);
    if (!c->f)
        return !out->found;
    if (t->guise >= GUISE_GRADIENT) {
        Seen s = {0};
        note_values(a, c->before->out, c->before->nout, NULL, &s);
        if (!s.op[OP_stop_gradient] && !s.op[OP_batch_max] &&
            !check_slopes(a, c->before, env, eval(a, c->before, env, false),
                          out))
            return false;
    }
    c->want = eval(a, c->f, env, false);
    c->rounded = eval(a, c->f, env, true);
    if (!close_to(c->f, c->want, eval(a, c->before, env, false), NULL,
                  FOUND_PASSES, "interpreter", out))
        return false;
    c->e = machine_entry(a, c->f, t->train ? ENTRY_TRAIN : ENTRY_EVALUATE);
    if (t->train)
        name_variables(c->f, c->e);
    return true;
}

void trials_run(Arena *a, const Trial *t, Func *const *source, int n,
                Finding *out)
{
    Case *c = NEW_N(a, Case, n);
    Entry **e = NEW_N(a, Entry *, n);
    int made = 0;

    for (int k = 0; k < n; k++) {
        out->trial = k;
        if (!make_case(a, &t[k], source[k], &c[made], out))
            return;
        if (c[made].f)
            e[made] = c[made].e, made++;
    }
    if (!made)
        return;
    for (int level = 0; level <= t->level; level += 3) {
        Machine *m = machine_new(a, e, made, t->cpu, level);
        for (int k = 0; k < made && !out->found; k++) {
            out->trial = (int)(c[k].t - t);
            if (!level)
                note(a, c[k].f, machine_program(m, k), &out->seen);
            if (!level)
                check_code(a, m, k, &c[k], out);
            else
                check_optimized(a, m, k, &c[k], out);
        }
        machine_free(m);
        if (out->found)
            return;
    }
}
