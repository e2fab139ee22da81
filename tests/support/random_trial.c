/*
 * random_trial.c -- see random_trial.h: runs functions in all the ways that
 * must agree.
 */
#include "support/random_parts.h"

#include "support/machine.h"

enum { BATCH = 8, LARGE = 41 };

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

typedef struct Case {
    const Trial *t;
    Func *f, *before;
    Entry *e;
    Reference want;
    Tensor *base; // the results at -O0
} Case;

static const int64_t numbers[BATCH] = {4, 9, 2, 7, 11, 0, 5, 3};

static Tensor *run(Arena *a, Machine *m, int k, const Case *c, EvalEnv env,
                   MachineRun how)
{
    Tensor *out = NEW_N(a, Tensor, c->f->nout);

    machine_run(m, k, a, &env, &how, out);
    return out;
}

/* More examples than a block of them. */
static bool check_large(Arena *a, Machine *m, int k, const Case *c,
                        Finding *out)
{
    int64_t index[LARGE], size = 0;

    for (int j = 0; j < c->f->nout; j++)
        size += shape_size(c->f->out[j]->type.shape);
    if (size > 512)
        return true;
    for (int j = 0; j < LARGE; j++)
        index[j] = (j * 7 + 3) % LARGE;
    EvalEnv env = part_env(a, c->t, index, LARGE);
    Reference want = part_reference(a, c->f, c->t, env);
    return part_close(c->f, run(a, m, k, c, env, (MachineRun){.threads = 3}),
                      want, FOUND_VALUES, "large batch", out);
}

static bool check_small(Arena *a, Machine *m, int k, const Case *c,
                        const int *row, int n, int threads, Finding *out)
{
    int64_t *index = NEW_N(a, int64_t, n);

    for (int j = 0; j < n; j++)
        index[j] = numbers[row[j]];
    EvalEnv env = part_env(a, c->t, index, n);
    Reference want = part_reference(a, c->f, c->t, env);
    Tensor *got = run(a, m, k, c, env, (MachineRun){.threads = threads});
    return part_close(c->f, got, want, FOUND_VALUES, "small batch", out) &&
           part_same_rows(a, c->f, got, c->base, row, n, out);
}

static bool check_code(Arena *a, Machine *m, int k, Case *c, Finding *out)
{
    EvalEnv env = part_env(a, c->t, numbers, BATCH);
    MachineRun again = {.stale = true, .probe = true}, two = {.threads = 2};

    again.kernel_ns = NEW_N(a, double, machine_program(m, k)->kernel.n + 1);
    c->base = run(a, m, k, c, env, (MachineRun){.threads = 1});
    return part_close(c->f, c->base, c->want, FOUND_VALUES, "-O0", out) &&
           part_same_bits(c->f, run(a, m, k, c, env, again), c->base,
                          FOUND_AGAIN, out) &&
           part_same_bits(c->f, run(a, m, k, c, env, two), c->base,
                          FOUND_THREADS, out) &&
           check_small(a, m, k, c, (int[]){5, 1, 6}, 3, 2, out) &&
           check_small(a, m, k, c, (int[]){3}, 1, 1, out) &&
           check_large(a, m, k, c, out);
}

static bool check_optimized(Arena *a, Machine *m, int k, Case *c, Finding *out)
{
    EvalEnv env = part_env(a, c->t, numbers, BATCH);
    MachineRun two = {.threads = 2};

    return part_same_bits(c->f, run(a, m, k, c, env, two), c->base,
                          FOUND_LEVELS, out) &&
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

/* Central differences say nothing about what is meant to have no slope. */
static bool check_slopes(Arena *a, const Case *c, EvalEnv env, Finding *out)
{
    Seen s = {0};

    if (c->t->guise < GUISE_GRADIENT)
        return true;
    note_values(a, c->before->out, c->before->nout, NULL, &s);
    return s.op[OP_stop_gradient] || s.op[OP_batch_max] ||
           part_slopes_fit(a, c->before, env,
                           part_eval(a, c->before, env, false), out);
}

/* Wild data are left out: the frame of zeros the passes draw around an image
 * meets weights that may be infinite. */
static bool check_passes(Arena *a, const Case *c, EvalEnv env, Finding *out)
{
    Reference before = {.want = part_eval(a, c->before, env, false)};

    return c->t->wild || part_close(c->f, c->want.want, before, FOUND_PASSES,
                                    "interpreter", out);
}

static bool make_case(Arena *a, const Trial *t, const Func *source, Case *c,
                      Finding *out)
{
    EvalEnv env = part_env(a, t, numbers, BATCH);

    *c = (Case){.t = t};
    c->f = trial_func(a, source, t, &c->before, out);
    if (!c->f)
        return !out->found;
    if (!check_slopes(a, c, env, out))
        return false;
    c->want = part_reference(a, c->f, c->t, env);
    if (!check_passes(a, c, env, out))
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
