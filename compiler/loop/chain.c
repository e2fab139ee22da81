/*
 * chain.c -- neighbouring kernels that take a few examples through all of
 * them before the next few.
 *
 * A kernel that works example by example reads nothing of other examples, so
 * any order of (kernel, example) that keeps each example's own order gives the
 * same bits. With a few examples at a time what one kernel writes is still
 * near when the next one reads it; and where nothing else reads it, the next
 * few examples use the same memory again (emit_chain.c).
 */
#include "loop/lower.h"

enum {
    NEAR_BYTES = 384 * 1024,   // of a few examples: in the second-level cache
    SHARED_BYTES = 512 * 1024, // of weights that each few examples read again
    FEW_MOST = 16,
    FEW_CHANNELS = 8,
    MEMBERS_MAX = 64
};

/* Does it begin with work for all of its examples, or share it among them? */
static bool prepares(const Kernel *k)
{
    Contract c;
    const Schedule *s = &k->sched;

    if (wino_is_core(k->core->op)) // works on groups of its own
        return true;
    if (k->core->op == OP_conv_dx_pooled) // lays out its weights
        return k->core->type.shape.dim[2] < FEW_CHANNELS;
    if (k->kind != KERNEL_CONTRACT)
        return false;
    c = contract_of(k, s->form);
    return s->form == FORM_BLAS || s->pack != PACK_NONE || c.padded ||
           !c.nrow || c.row[0].extent || s->row == 0 ||
           (s->form == FORM_OUTER && s->outside < 1);
}

static bool may_join(const Step *st)
{
    const Kernel *k = st->kernel;

    return st->kind == STEP_KERNEL && !st->setup && k->tasks == 0 &&
           k->kind != KERNEL_CALL && k->kind != KERNEL_BATCH &&
           k->root->type.batched && k->bytes_call <= SHARED_BYTES &&
           !prepares(k);
}

static int64_t example_bytes(const Buffer *b)
{
    return shape_size(b->type.shape) * dtype_bytes(b->type.dt);
}

typedef struct Members { // steps at .. at + n, and what they touch
    const Step *at;
    int n;
    Buffer *seen[MEMBERS_MAX];
    int nseen;
    int64_t bytes; // of an example
} Members;

static bool add_buffer(Members *m, Buffer *b)
{
    b = buffer_storage(b);
    if (!b->type.batched)
        return true;
    for (int i = 0; i < m->nseen; i++)
        if (m->seen[i] == b)
            return true;
    if (m->nseen == MEMBERS_MAX)
        return false;
    m->seen[m->nseen++] = b;
    m->bytes += example_bytes(b);
    return true;
}

static bool add_step(Members *m, const Step *st)
{
    Members with = *m;

    if (!may_join(st))
        return false;
    for (int i = 0; i < st->kernel->nread; i++)
        if (!add_buffer(&with, st->kernel->read[i]))
            return false;
    if (!add_buffer(&with, st->kernel->dst) ||
        (m->n && with.bytes > NEAR_BYTES))
        return false;
    with.n++;
    *m = with;
    return true;
}

/* --- what only the chain touches ------------------------------------------ */

static int touches(const Kernel *k, const Buffer *b)
{
    int n = buffer_storage(k->dst) == b;

    for (int i = 0; i < k->nread; i++)
        n += buffer_storage(k->read[i]) == b;
    return n;
}

static bool is(Buffer *x, const Buffer *b)
{
    return x && buffer_storage(x) == b;
}

/* Kernels, copies and loops that touch b. */
static int count_touches(const Steps *s, const Buffer *b)
{
    int n = 0;

    for (int i = 0; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];

        if (st->kind == STEP_KERNEL)
            n += touches(st->kernel, b);
        else
            n += is(st->from, b) + is(st->to, b) + is(st->count, b) +
                 is(st->index, b) + is(st->until, b);
        if (st->kind == STEP_LOOP)
            n += count_touches(st->body, b);
    }
    return n;
}

/* Written before it is read, and touched by these alone. */
static bool is_local(const Program *p, const Members *m, const Buffer *b)
{
    int n = 0;
    bool fresh = false;

    if (b->place != PLACE_ARENA)
        return false;
    for (int i = 0; i < m->n; i++) {
        const Kernel *k = m->at[i].kernel;
        int t = touches(k, b);

        if (t && !n)
            fresh = t == 1 && buffer_storage(k->dst) == b;
        n += t;
    }
    return fresh && n == count_touches(&p->steps, b);
}

static Chain *make_chain(Program *p, const Members *m)
{
    Chain *c = NEW(p->arena, Chain);
    int64_t few = NEAR_BYTES / (m->bytes ? m->bytes : 1);

    c->few = few < 1 ? 1 : few > FEW_MOST ? FEW_MOST : few;
    c->local = NEW_N(p->arena, Buffer *, m->nseen + 1);
    for (int i = 0; i < m->nseen; i++)
        if (is_local(p, m, m->seen[i]))
            c->local[c->nlocal++] = m->seen[i];
    return c;
}

static void choose(Program *p, Steps *s)
{
    for (int i = 0; i < s->list.n; i++) {
        Members m = {.at = &s->list.at[i]};
        Chain *c;

        if (s->list.at[i].kind == STEP_LOOP)
            choose(p, s->list.at[i].body);
        while (i + m.n < s->list.n && add_step(&m, &m.at[m.n]))
            continue;
        if (m.n < 2)
            continue;
        c = make_chain(p, &m);
        for (int k = 0; c->nlocal && k < m.n; k++)
            s->list.at[i + k].chain = c;
        i += m.n - 1;
    }
}

void chains_choose(Program *p)
{
    choose(p, &p->steps);
}
