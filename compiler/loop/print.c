/*
 * print.c -- a program as text, for `dump --stage loop`.
 *
 * Buffers with their places and lifetimes, then the steps; under each kernel
 * the expression it computes, one value a line: bN stands for a load.
 */
#include "loop/loop.h"

static void print_type(FILE *out, Type t)
{
    fprintf(out, "%s%s[", t.batched ? "batch " : "", dtype_name[t.dt]);
    for (int d = 0; d < t.shape.rank; d++)
        fprintf(out, "%s%lld", d ? ", " : "", (long long)t.shape.dim[d]);
    fprintf(out, "]");
}

static void print_buffer(FILE *out, const Program *p, const Buffer *b)
{
    fprintf(out, "  b%-4d ", b->id);
    print_type(out, b->type);
    switch (b->place) {
    case PLACE_ARENA:
        fprintf(out, " at %lld%s, %lld bytes, steps %d..", (long long)b->offset,
                b->type.batched ? " n" : "", (long long)b->bytes, b->first);
        if (b->setup && b->first == 0)
            fprintf(out, "end, set up");
        else
            fprintf(out, "%d", b->last);
        break;
    case PLACE_INPUT:
        fprintf(out, " input %d \"%s\"", b->slot, b->val->attr.s);
        break;
    case PLACE_OUTPUT:
        fprintf(out, " output %d", b->slot);
        if (p->entry->func.out_name && p->entry->func.out_name[b->slot])
            fprintf(out, " \"%s\"", p->entry->func.out_name[b->slot]);
        break;
    case PLACE_ALIAS:
        fprintf(out, " is b%d", b->alias->id);
        break;
    }
    fprintf(out, "  # %%%u %s\n", b->val->id, op_info[b->val->op].name);
}

/* --- expressions --------------------------------------------------------- */

typedef struct Expr {
    FILE *out;
    const Kernel *k;
    int indent;
    VEC(Val) seen;
    Arena *tmp;
} Expr;

static const Buffer *read_of(const Kernel *k, Val v)
{
    for (int i = 0; v != k->root && i < k->nread; i++)
        if (k->read[i]->val == v)
            return k->read[i];
    return NULL;
}

static void print_ref(const Expr *x, Val v)
{
    const Buffer *b = read_of(x->k, v);

    if (b)
        fprintf(x->out, " b%d", b->id);
    else if (v->op == OP_const)
        fprintf(x->out, " %g", v->attr.f);
    else
        fprintf(x->out, " %%%u", v->id);
}

static void print_value(Expr *x, Val v)
{
    for (int i = 0; i < x->seen.n; i++)
        if (x->seen.at[i] == v)
            return;
    VEC_PUSH(x->tmp, &x->seen, v);
    if (read_of(x->k, v) || (v->op == OP_const && v != x->k->root))
        return;
    for (int i = 0; i < v->nsrc; i++)
        print_value(x, v->src[i]);
    fprintf(x->out, "%*s%%%u = %s", x->indent, "", v->id, op_info[v->op].name);
    for (int i = 0; i < v->nsrc; i++)
        print_ref(x, v->src[i]);
    if (v->op == OP_const)
        fprintf(x->out, " %g", v->attr.f);
    if (v->attr.n)
        fprintf(x->out, " {");
    for (int i = 0; i < v->attr.n; i++)
        fprintf(x->out, "%s%lld", i ? ", " : "", (long long)v->attr.i[i]);
    fprintf(x->out, v->attr.n ? "} : " : " : ");
    print_type(x->out, v->type);
    fprintf(x->out, v == x->k->core && v != x->k->root ? "  # core\n" : "\n");
}

/* --- steps --------------------------------------------------------------- */

static const char *const form_name[] = {"outer", "inner", "blas"};

static void print_kernel(FILE *out, const Kernel *k, int indent)
{
    Expr x = {.out = out, .k = k, .indent = indent + 6, .tmp = arena_new()};

    fprintf(out, "%*sk%-3d %s: b%d <-", indent, "", k->id, k->name, k->dst->id);
    for (int i = 0; i < k->nread; i++)
        fprintf(out, " b%d", k->read[i]->id);
    for (int i = 0; i < k->nbeside; i++)
        fprintf(out, "%s b%d = %%%u", i ? "," : "; beside it", k->beside[i]->id,
                k->beside[i]->val->id);
    if (k->rows)
        fprintf(out, ", of one example b%d", k->rows->id);
    if (k->tasks)
        fprintf(out, " (%lld task%s)", (long long)k->tasks,
                k->tasks == 1 ? "" : "s");
    fprintf(out, "; %g + %g n flops, %g + %g n bytes\n", k->flops_call,
            k->flops_example, k->bytes_call, k->bytes_example);
    if (k->kind != KERNEL_CONTRACT && k->sched.why)
        fprintf(out, "%*sschedule %d x %d x %d: %s\n", indent + 5, "",
                k->sched.mr, k->sched.nr, k->sched.lanes, k->sched.why);
    if (k->kind == KERNEL_CONTRACT)
        fprintf(out, "%*sschedule %s %d x %d x %d, kc %lld, unroll %d: %s\n",
                indent + 5, "", form_name[k->sched.form], k->sched.mr,
                k->sched.nr, k->sched.lanes, (long long)k->sched.kc,
                k->sched.unroll, k->sched.why ? k->sched.why : "");
    print_value(&x, k->root);
    arena_free(x.tmp);
}

static const char *const batches_text[] = {
    [FOR_NONE] = "for no batch",
    [FOR_ONE] = "for a batch of one",
    [FOR_MORE] = "for a batch of more",
    [FOR_ALL] = "for every batch",
};

static void print_steps(FILE *out, const Steps *s, int indent)
{
    Batches before = FOR_ALL;

    for (int i = 0; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];

        if (i == 0 && st->setup)
            fprintf(out, "%*sset-up\n", indent, "");
        if (i > 0 && !st->setup && s->list.at[i - 1].setup)
            fprintf(out, "%*severy call\n", indent, "");
        if (st->setup && st->batches != before)
            fprintf(out, "%*s%s:\n", indent + 2, "", batches_text[st->batches]);
        before = st->batches;
        switch (st->kind) {
        case STEP_KERNEL:
            if (st->chain && (!i || st->chain != s->list.at[i - 1].chain))
                fprintf(out, "%*schain of %lld examples at a time:\n",
                        indent + 2, "", (long long)st->chain->few);
            if (i && !st->chain && s->list.at[i - 1].chain)
                fprintf(out, "%*send of chain\n", indent + 2, "");
            print_kernel(out, st->kernel, indent + 2);
            break;
        case STEP_COPY:
            fprintf(out, "%*scopy b%d <- b%d\n", indent + 2, "", st->to->id,
                    st->from->id);
            break;
        case STEP_LOOP:
            if (st->count)
                fprintf(out, "%*sloop b%d times", indent + 2, "",
                        st->count->id);
            else
                fprintf(out, "%*sloop %lld times", indent + 2, "",
                        (long long)st->trip);
            if (st->index)
                fprintf(out, ", index b%d", st->index->id);
            if (st->until)
                fprintf(out, ", until b%d", st->until->id);
            fprintf(out, "\n");
            print_steps(out, st->body, indent + 2);
            break;
        }
    }
}

void loop_print(FILE *out, const Program *p)
{
    fprintf(out,
            "program %s: %d kernels, %lld bytes shared, %lld per example\n",
            p->entry->name, p->kernel.n, (long long)p->shared_bytes,
            (long long)p->example_bytes);
    for (int i = 0; i < p->buffer.n; i++)
        if (p->buffer.at[i]->first >= 0 ||
            p->buffer.at[i]->place != PLACE_ARENA)
            print_buffer(out, p, p->buffer.at[i]);
    print_steps(out, &p->steps, 0);
}
