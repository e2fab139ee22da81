/*
 * slow.c -- which kernels fell back to a slow path, and whether that matters.
 *
 * A kernel is slow if it works on single elements where it could not be laid
 * out for vectors. What it costs is estimated from its flops and bytes with
 * rates as of today's machines; only a kernel that takes a noticeable part of
 * its entry is worth a word.
 */
#include "codegen/emit.h"

enum { EXAMPLES = 128, PASSES = 10 }; // assumed where they are not known

/* Flops and bytes per ns on one core, on the fast path and on the slow one. */
typedef struct Rates {
    double flops, bytes;
} Rates;
static const Rates contract_rates[2] = {{60, 15}, {2, 5}};
static const Rates point_rates[2] = {{15, 15}, {4, 7}};

static bool is_flat(const KernelEmit *k, Val v)
{
    return emit_is_flat(k, v, true) || emit_is_flat(k, v, false);
}

static const char *slow_elements(const KernelEmit *k, Val x)
{
    Shape s = x->type.shape;
    int lane = emit_lane_dim(s);

    if (shape_size(s) < 4 || is_flat(k, x))
        return NULL;
    if (!emit_is_lanes(k, x))
        return "neighbouring elements come from places far apart, so each is "
               "fetched alone";
    if (lane >= 0 && s.dim[lane] < 4)
        return "its last dim is too short for vectors";
    return NULL;
}

const char *emit_slow(const Kernel *k)
{
    KernelEmit ke = {.k = k};
    Turn t;

    switch (k->kind) {
    case KERNEL_CONTRACT:
        if (k->sched.lanes > 1 || shape_size(k->core->type.shape) < 4)
            return NULL;
        return k->sched.why && k->sched.why[0]
                   ? k->sched.why
                   : "neither of its operands is contiguous along the sum";
    case KERNEL_MAP:
        if (emit_is_turn(k, &t))
            return NULL;
        return slow_elements(&ke, k->root);
    case KERNEL_REDUCE:
    case KERNEL_BATCH:
        return slow_elements(&ke, k->core->src[0]);
    case KERNEL_NEST:
        if (k->core->op == OP_sort || k->core->op == OP_argsort)
            return "sorting goes element by element";
        return NULL;
    case KERNEL_CALL:
        return NULL;
    }
    return NULL;
}

/* --- what it costs -------------------------------------------------------- */

/* ns of one run, roughly. */
static double cost(const Kernel *k, double examples)
{
    double flops = k->flops_example * examples + k->flops_call;
    double bytes = k->bytes_example * examples + k->bytes_call;
    const Rates *r = k->kind == KERNEL_CONTRACT ? contract_rates : point_rates;

    r += emit_slow(k) != NULL;
    return flops / r->flops > bytes / r->bytes ? flops / r->flops
                                               : bytes / r->bytes;
}

static double add_costs(const Steps *s, double times, double examples,
                        double *each)
{
    double sum = 0;

    for (int i = 0; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];

        if (st->setup)
            continue;
        if (st->kind == STEP_LOOP) {
            double n = st->count ? PASSES : (double)st->trip;

            sum += add_costs(st->body, times * n, examples, each);
        } else if (st->kind == STEP_KERNEL) {
            double ns = times * cost(st->kernel, examples);

            each[st->kernel->id] += ns;
            sum += ns;
        }
    }
    return sum;
}

static bool said(const Kernel *const *list, int n, const Kernel *k)
{
    for (int i = 0; i < n; i++)
        if (list[i]->root == k->root || !strcmp(list[i]->name, k->name))
            return true;
    return false;
}

double *emit_slow_parts(Arena *a, const Program *p)
{
    const Entry *e = p->entry;
    double *each = NEW_N(a, double, p->kernel.n + 1);
    double sum = add_costs(&p->steps, 1, e->batch > 0 ? (double)e->batch
                                                      : EXAMPLES, each);

    for (int k = 0; k < p->kernel.n; k++)
        each[k] = sum > 0 && emit_slow(p->kernel.at[k]) ? each[k] / sum : 0;
    return each;
}

void codegen_slow(Arena *a, Program *const *p, int n, Diag *d)
{
    const Kernel **list;
    int nlist = 0, most = 0;

    for (int i = 0; i < n; i++)
        most += p[i]->kernel.n;
    list = NEW_N(a, const Kernel *, most + 1);
    for (int i = 0; i < n; i++) {
        const Entry *e = p[i]->entry;
        double *part = emit_slow_parts(a, p[i]);

        for (int k = 0; k < p[i]->kernel.n; k++) {
            const Kernel *x = p[i]->kernel.at[k];
            Span at = x->root->span.src ? x->root->span : x->core->span;

            if (e->kind == ENTRY_CHECK || e->kind == ENTRY_INIT ||
                100 * part[k] < SLOW_PERCENT || said(list, nlist, x))
                continue;
            list[nlist++] = x;
            diag_warn(d, at.src ? at : e->span, "slow-kernel",
                      "kernel \"%s\", perhaps %.0f %% of \"%s\", is slow: %s",
                      x->name, 100 * part[k], e->name, emit_slow(x));
        }
    }
}
