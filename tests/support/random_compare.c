/*
 * random_compare.c -- when two results are the same.
 *
 * They must be close to the interpreter's: in f64 to a few units in the last
 * place of what is computed; in f32 to a multiple of what rounding every value
 * of the interpreter to single precision changes. Everything else (levels,
 * threads, batches, repetition) must agree to the last bit.
 */
#include "support/random_parts.h"

const char *const found_text[FOUND_COUNT] = {
    "nothing", "its gradient is refused", "the passes change it",
    "its gradient is wrong", "machine code differs from the interpreter",
    "-O0 and -O3 differ", "one thread and two differ",
    "an example depends on its batch", "a second run differs",
    "crashed, ended or hung"};

bool part_find(Finding *out, Found found, const char *fmt, ...)
{
    va_list ap;

    out->found = found;
    va_start(ap, fmt);
    vsnprintf(out->text, sizeof out->text, fmt, ap);
    va_end(ap);
    return false;
}

EvalEnv part_env(Arena *a, const Trial *t, const int64_t *index, int n)
{
    RandomData *data = NEW(a, RandomData);

    *data = (RandomData){t->seed, index, t->wild};
    return (EvalEnv){.batch = n, .seed = t->seed, .index = index,
                     .input = random_input, .user = data};
}

Tensor *part_eval(Arena *a, const Func *f, EvalEnv env, bool rounded)
{
    Tensor *out = NEW_N(a, Tensor, f->nout);

    env.round_f32 = rounded;
    ir_eval(a, f, &env, out);
    return out;
}

int64_t part_count(const Tensor *t)
{
    return t->batch * shape_size(t->type.shape);
}

static double largest(const Tensor *x, const Tensor *y)
{
    double most = 0;

    for (int64_t k = 0; k < part_count(x); k++) {
        double v = y ? x->at[k] - y->at[k] : x->at[k];
        if (isfinite(v) && fabs(v) > most)
            most = fabs(v);
    }
    return most;
}

/* What is not finite is the same; but rounding may overflow, and the passes
 * may prevent it. */
static bool is_said(const Reference *r, int k, int64_t i)
{
    double x = r->want[k].at[i], y = r->rounded ? r->rounded[k].at[i] : x;

    return isfinite(x) ? isfinite(y)
                       : r->rounded && (x == y || (isnan(x) && isnan(y)));
}

bool part_close(const Func *f, const Tensor *got, Reference r, Found found,
                const char *how, Finding *out)
{
    for (int k = 0; k < f->nout; k++) {
        const Tensor *w = &r.want[k];
        Tol tol = random_tol(w->type.dt);

        if (!type_eq(w->type, got[k].type))
            return part_find(out, found, "output %d changes its type", k);
        tol.abs *= 1 + largest(w, NULL);
        if (r.rounded && w->type.dt == DT_f32)
            tol.abs = r.slack * (tol.abs + 16 * largest(&r.rounded[k], w));
        for (int64_t i = 0; i < part_count(w); i++)
            if (is_said(&r, k, i) && !is_close(got[k].at[i], w->at[i], tol))
                return part_find(out, found, "%s: output %d \"%s\", element "
                                 "%lld: %.17g, not %.17g (tolerance %g)", how,
                                 k, f->out_name[k], (long long)i,
                                 got[k].at[i], w->at[i], tol.abs);
    }
    return true;
}

/* Random functions keep their values moderate for small batches; errors of
 * sums over a large one grow with it, and may cancel in one order only. */
Reference part_reference(Arena *a, const Func *f, const Trial *t, EvalEnv env)
{
    return (Reference){part_eval(a, f, env, false),
                       part_eval(a, f, env, true),
                       t->slack * (env.batch > 8 ? (double)env.batch / 4 : 1)};
}

bool part_same_bits(const Func *f, const Tensor *got, const Tensor *want,
                    Found found, Finding *out)
{
    for (int k = 0; k < f->nout; k++)
        for (int64_t i = 0; i < part_count(&want[k]); i++) {
            double x = got[k].at[i], y = want[k].at[i];
            if (x != y && !(isnan(x) && isnan(y)))
                return part_find(out, found, "output %d \"%s\", element "
                                 "%lld: %.17g and %.17g", k, f->out_name[k],
                                 (long long)i, x, y);
        }
    return true;
}

bool part_mixes(Arena *a, const Val *root, int n, const Loop *l)
{
    int count;
    Val *v = ir_topo(a, root, n, l, &count);

    for (int k = 0; k < count; k++) {
        const Loop *inner = v[k]->op == OP_loop ? v[k]->attr.loop : NULL;
        if (inner && part_mixes(a, inner->next, inner->n, inner))
            return true;
        if (v[k]->op == OP_batch_size)
            return true;
        for (int j = 0; !inner && v[k]->op != OP_proj && j < v[k]->nsrc; j++)
            if (v[k]->src[j]->type.batched && !v[k]->type.batched)
                return true;
    }
    return false;
}

bool part_same_rows(Arena *a, const Func *f, const Tensor *small,
                    const Tensor *large, const int *row, int n, Finding *out)
{
    for (int k = 0; k < f->nout; k++) {
        int64_t size = shape_size(f->out[k]->type.shape);
        bool batched = f->out[k]->type.batched;

        if (part_mixes(a, &f->out[k], 1, NULL))
            continue;
        for (int64_t i = 0; i < (batched ? n : 1) * size; i++) {
            int64_t from = batched ? row[i / size] * size : 0;
            double x = small[k].at[i], y = large[k].at[from + i % size];

            if (x != y && !(isnan(x) && isnan(y)))
                return part_find(out, FOUND_BATCH, "output %d \"%s\", "
                                 "example %lld of %d, element %lld: %.17g, "
                                 "else %.17g", k, f->out_name[k],
                                 (long long)(i / size), n,
                                 (long long)(i % size), x, y);
        }
    }
    return true;
}
