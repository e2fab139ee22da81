/*
 * chain.c -- neighbouring kernels that take a few examples through all of
 * them before the next few.
 *
 * A kernel that works example by example reads nothing of other examples, so
 * any order of (kernel, example) that keeps each example's own order gives the
 * same bits. With a few examples at a time what one kernel writes is still
 * near when the next one reads it; and where nothing else reads it, the next
 * few examples use the same memory again (emit_chain.c). A Winograd convolution
 * works on groups of examples; then what is taken at a time is whole groups.
 */
#include "loop/lower.h"

#include <string.h>

enum {
    NEAR_BYTES = 384 * 1024,   // of what a kernel touches of a few examples: in
    WIDE_BYTES = 640 * 1024,   // the second-level cache, at most this of a unit
    SHARED_BYTES = 512 * 1024, // of weights that each few examples read again;
    SHARED_FLOPS = 32,         // more, with so many flops for each byte
    FEW_MOST = 16,
    FEW_CHANNELS = 8,
    MEMBERS_MAX = 64,
    REACH = 4 * MEMBERS_MAX    // steps, with what stands between
};

/* Does it begin with work for all of its examples, or share it among them? */
static bool prepares(const Kernel *k)
{
    Contract c;
    const Schedule *s = &k->sched;

    if (wino_is_core(k->core->op)) // of its weights: sums over the batch
        return k->core->op != OP_conv_wino;
    if (k->core->op == OP_conv_dx_pooled) // lays out its weights
        return k->core->type.shape.dim[2] < FEW_CHANNELS;
    if (k->kind != KERNEL_CONTRACT)
        return false;
    c = contract_of(k, s->form);
    return s->form == FORM_BLAS || s->pack != PACK_NONE || c.padded ||
           !c.nrow || c.row[0].extent || s->row == 0 ||
           (s->form == FORM_OUTER && s->outside < 1);
}

/* Weights come from the third cache for every few examples. */
static bool shares_little(const Kernel *k)
{
    return k->bytes_call <= SHARED_BYTES ||
           k->bytes_call * SHARED_FLOPS <=
               (double)kernel_group(k) * k->flops_example;
}

static bool may_join(const Step *st)
{
    const Kernel *k = st->kernel;

    return st->kind == STEP_KERNEL && !st->setup && k->tasks == 0 &&
           k->kind != KERNEL_CALL && k->kind != KERNEL_BATCH &&
           k->root->type.batched && shares_little(k) &&
           !prepares(k);
}

static int64_t example_bytes(const Buffer *b)
{
    return shape_size(b->type.shape) * dtype_bytes(b->type.dt);
}

typedef struct Members { // of a chain, and what they touch
    const Kernel *kernel[MEMBERS_MAX];
    int n;
    Buffer *seen[MEMBERS_MAX];
    int nseen;
    int64_t bytes;  // of an example
    int64_t widest; // the most that one of the kernels touches of it
    int64_t unit;   // examples that stay together
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

static bool add_buffers(Members *m, const Kernel *k)
{
    bool ok = true;

    for (int i = 0; ok && i < kernel_nbuffer(k); i++)
        ok = add_buffer(m, kernel_buffer(k, i));
    return ok;
}

static int64_t gcd(int64_t a, int64_t b)
{
    return b ? gcd(b, a % b) : a;
}

static bool add_step(Members *m, const Step *st)
{
    Members with = *m, own = {.n = 0};
    int64_t group;

    if (!may_join(st) || m->n == MEMBERS_MAX ||
        !add_buffers(&own, st->kernel) || !add_buffers(&with, st->kernel))
        return false;
    group = kernel_group(st->kernel);
    with.widest = own.bytes > m->widest ? own.bytes : m->widest;
    with.unit = m->n ? m->unit / gcd(m->unit, group) * group : group;
    if (m->n && with.widest * with.unit > WIDE_BYTES)
        return false;
    with.kernel[with.n++] = st->kernel;
    *m = with;
    return true;
}

/* --- what only the chain touches ------------------------------------------ */

static int touches(const Kernel *k, const Buffer *b)
{
    int n = 0;

    for (int i = 0; i < kernel_nbuffer(k); i++)
        n += buffer_storage(kernel_buffer(k, i)) == b;
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
        const Kernel *k = m->kernel[i];
        int t = touches(k, b);

        if (t && !n)
            fresh = t == 1 && kernel_stores(k, b);
        n += t;
    }
    return fresh && n == count_touches(&p->steps, b);
}

static Chain *make_chain(Program *p, const Members *m)
{
    Chain *c = NEW(p->arena, Chain);
    int64_t few = NEAR_BYTES / (m->widest ? m->widest : 1);

    few = (few > FEW_MOST ? FEW_MOST : few) / m->unit * m->unit;
    c->few = few < m->unit ? m->unit : few;
    c->unit = m->unit;
    c->local = NEW_N(p->arena, Buffer *, m->nseen + 1);
    for (int i = 0; i < m->nseen; i++)
        if (is_local(p, m, m->seen[i])) {
            m->seen[i]->chain = c;
            c->local[c->nlocal++] = m->seen[i];
        }
    return c;
}

/* --- what stands in between ----------------------------------------------- */

/* Does a write what b touches? */
static bool writes(const Kernel *a, const Kernel *b)
{
    if (touches(b, buffer_storage(a->dst)))
        return true;
    for (int i = 0; i < a->nbeside; i++)
        if (touches(b, buffer_storage(a->beside[i])))
            return true;
    return false;
}

static bool free_of(const Kernel *k, const Kernel *const *other, int n)
{
    for (int i = 0; i < n; i++)
        if (writes(k, other[i]) || writes(other[i], k))
            return false;
    return true;
}

/* Kernels between members stand before all of them or after where they may:
 * weights are transformed before, and what sums over the examples comes after.
 * So little is kept longer. */
typedef enum { BEFORE, WITHIN, AFTER } Side;

typedef struct Late { // what comes after
    const Kernel *kernel[MEMBERS_MAX];
    int n;
} Late;

static bool may_precede(const Step *st, const Members *m, const Late *late)
{
    const Kernel *k = st->kernel;

    // A variable's own memory may be another buffer's too.
    return !st->setup && k->kind != KERNEL_CALL && !k->root->type.batched &&
           k->flops_example <= 0 && k->dst->place == PLACE_ARENA &&
           !k->nbeside && free_of(k, m->kernel, m->n) &&
           free_of(k, late->kernel, late->n);
}

static bool may_follow(const Step *st, const Late *late)
{
    return !st->setup && st->kernel->kind == KERNEL_BATCH &&
           late->n < MEMBERS_MAX;
}

/* The chain that begins at step `from`; how many steps it and what stands
 * between take, and the side of each. */
static int gather(const Steps *s, int from, Members *m, Side *side)
{
    Late late = {.n = 0};
    int end = 0;

    for (int i = 0; i < REACH && from + i < s->list.n; i++) {
        const Step *st = &s->list.at[from + i];

        if (st->kind != STEP_KERNEL)
            break;
        if (free_of(st->kernel, late.kernel, late.n) && add_step(m, st)) {
            side[i] = WITHIN;
            end = i + 1;
        } else if (m->n && may_precede(st, m, &late)) {
            side[i] = BEFORE;
        } else if (m->n && may_follow(st, &late)) {
            side[i] = AFTER;
            late.kernel[late.n++] = st->kernel;
        } else {
            break;
        }
    }
    return end;
}

static void put_in_order(Steps *s, int from, int n, const Side *side, Chain *c)
{
    Step sorted[REACH];
    int at = 0;

    for (Side want = BEFORE; want <= AFTER; want++)
        for (int i = 0; i < n; i++)
            if (side[i] == want) {
                sorted[at] = s->list.at[from + i];
                sorted[at++].chain = want == WITHIN ? c : NULL;
            }
    memcpy(&s->list.at[from], sorted, (size_t)n * sizeof *sorted);
}

static void choose(Program *p, Steps *s)
{
    for (int i = 0; i < s->list.n; i++) {
        Members m = {.n = 0};
        Side side[REACH];
        int n;

        if (s->list.at[i].kind == STEP_LOOP)
            choose(p, s->list.at[i].body);
        n = gather(s, i, &m, side);
        if (m.n < 2)
            continue;
        put_in_order(s, i, n, side, make_chain(p, &m));
        i += n - 1;
    }
}

void chains_choose(Program *p)
{
    choose(p, &p->steps);
}
