/*
 * buffers.c -- lifetimes to offsets in one arena.
 *
 * Time counts kernels and copies in the order they run, a loop's beginning
 * and end included. The kernels of a chain run at one time; what only they
 * touch lies in a memory of the chain, for lifetimes that count its kernels.
 * Memory touched inside a loop and before it lives to the loop's end; what the
 * set-up part leaves to the rest lives always. Shared buffers lie at arena +
 * offset; per-example ones at arena + shared_bytes + n * offset, since n is
 * known only when running.
 */
#include "loop/lower.h"

#include <stdlib.h>

enum { FOREVER = 1 << 30, ALIGN = 64 };

typedef struct Block { // the memory of a chain
    Chain *chain;
    Buffer b;
} Block;

typedef struct Times {
    Program *p;
    Arena *tmp;
    int now;
    bool setup;
    VEC(Block *) block;
} Times;

static int64_t pack(Buffer **todo, int n, Arena *tmp);
static void lay_out_chain(Times *t, const Step *st, int n);

static void touch(Times *t, Buffer *b)
{
    b = buffer_storage(b);
    if (b->first < 0)
        b->first = t->now;
    b->last = t->now;
    if (t->setup)
        b->setup = true;
    else if (b->setup)
        b->last = FOREVER;
}

/* Extends what crosses the loop that ran from `begin` to now. */
static void close_loop(Times *t, int begin)
{
    for (int i = 0; i < t->p->buffer.n; i++) {
        Buffer *b = t->p->buffer.at[i];

        if (b->first >= 0 && b->first < begin && b->last >= begin &&
            b->last < t->now)
            b->last = t->now;
    }
}

static void walk_steps(Times *t, const Steps *s)
{
    for (int i = 0; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];
        bool on = i && st->chain && st->chain == s->list.at[i - 1].chain;
        int begin = on ? t->now : ++t->now;

        t->setup = st->setup;
        if (st->chain && !on)
            lay_out_chain(t, st, s->list.n - i);
        switch (st->kind) {
        case STEP_KERNEL:
            for (int k = 0; k < kernel_nbuffer(st->kernel); k++)
                touch(t, kernel_buffer(st->kernel, k));
            break;
        case STEP_COPY:
            touch(t, st->from);
            touch(t, st->to);
            break;
        case STEP_LOOP:
            if (st->count)
                touch(t, st->count);
            if (st->index)
                touch(t, st->index);
            if (st->until)
                touch(t, st->until);
            walk_steps(t, st->body);
            t->now++;
            if (st->index)
                touch(t, st->index);
            if (st->until)
                touch(t, st->until);
            close_loop(t, begin);
            break;
        }
    }
}

/* --- placing ------------------------------------------------------------- */

static int by_size(const void *x, const void *y)
{
    const Buffer *a = *(Buffer *const *)x, *b = *(Buffer *const *)y;

    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return a->id - b->id;
}

static int by_offset(const void *x, const void *y)
{
    const Buffer *a = *(Buffer *const *)x, *b = *(Buffer *const *)y;

    return (a->offset > b->offset) - (a->offset < b->offset);
}

static bool live_together(const Buffer *a, const Buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The smallest gap between the n buffers live at the same time, sorted by
 * offset, that holds `bytes`; else behind them. */
static int64_t best_gap(Buffer **with, int n, int64_t bytes)
{
    int64_t end = 0, best = -1, best_size = INT64_MAX;

    for (int i = 0; i < n; i++) {
        int64_t gap = with[i]->offset - end;

        if (gap >= bytes && gap < best_size) {
            best = end;
            best_size = gap;
        }
        if (with[i]->offset + with[i]->bytes > end)
            end = with[i]->offset + with[i]->bytes;
    }
    return best >= 0 ? best : end;
}

static int64_t round_up(int64_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Offsets of buffers by their sizes and lifetimes; the bytes used. */
static int64_t pack(Buffer **todo, int n, Arena *tmp)
{
    int64_t used = 0;
    Buffer **with = NEW_N(tmp, Buffer *, n + 1);

    qsort(todo, (size_t)n, sizeof *todo, by_size);
    for (int i = 0; i < n; i++) {
        int m = 0;

        for (int k = 0; k < i; k++)
            if (live_together(todo[i], todo[k]))
                with[m++] = todo[k];
        qsort(with, (size_t)m, sizeof *with, by_offset);
        todo[i]->offset = best_gap(with, m, todo[i]->bytes);
        if (todo[i]->offset + todo[i]->bytes > used)
            used = todo[i]->offset + todo[i]->bytes;
    }
    return round_up(used);
}

static void touch_local(Buffer *b, const Chain *c, int now)
{
    b = buffer_storage(b);
    if (b->chain != c)
        return;
    if (b->first < 0)
        b->first = now;
    b->last = now;
}

/* The memory of the chain that begins at st, one of n steps. */
static void lay_out_chain(Times *t, const Step *st, int n)
{
    Chain *c = st->chain;
    Block *block = NEW(t->tmp, Block);
    Buffer **todo = NEW_N(t->tmp, Buffer *, c->nlocal + 1);

    for (int i = 0; i < n && st[i].chain == c; i++)
        for (int k = 0; k < kernel_nbuffer(st[i].kernel); k++)
            touch_local(kernel_buffer(st[i].kernel, k), c, i);
    for (int i = 0; i < c->nlocal; i++)
        todo[i] = c->local[i];
    c->bytes = pack(todo, c->nlocal, t->tmp);
    for (int i = 0; i < c->nlocal; i++) {
        c->local[i]->within = c->local[i]->offset;
        c->local[i]->first = c->local[i]->last = -1;
    }
    *block = (Block){.chain = c, .b = {.type.batched = true, .id = -t->now,
                                       .bytes = c->bytes, .first = t->now,
                                       .last = t->now}};
    if (c->nlocal)
        VEC_PUSH(t->tmp, &t->block, block);
}

/* Offsets of all arena buffers that are batched or not; the bytes used. */
static int64_t place(Times *t, bool batched)
{
    Program *p = t->p;
    int n = 0;
    int64_t used;
    Buffer **todo = NEW_N(t->tmp, Buffer *, p->buffer.n + t->block.n);

    for (int i = 0; i < p->buffer.n; i++) {
        Buffer *b = p->buffer.at[i];

        if (b->place == PLACE_ARENA && b->first >= 0 && !b->chain &&
            b->type.batched == batched)
            todo[n++] = b;
    }
    for (int i = 0; batched && i < t->block.n; i++)
        todo[n++] = &t->block.at[i]->b;
    used = pack(todo, n, t->tmp);
    for (int i = 0; batched && i < t->block.n; i++) {
        Chain *c = t->block.at[i]->chain;

        c->offset = t->block.at[i]->b.offset;
        for (int k = 0; k < c->nlocal; k++)
            c->local[k]->offset = c->offset + c->local[k]->within;
    }
    return used;
}

void loop_place_buffers(Program *p)
{
    Times t = {.p = p, .tmp = arena_new()};

    for (int i = 0; i < p->buffer.n; i++) {
        Buffer *b = p->buffer.at[i];

        b->first = b->last = -1;
        b->setup = false;
    }
    walk_steps(&t, &p->steps);
    for (int i = 0; i < p->buffer.n; i++)
        if (p->buffer.at[i]->setup && p->buffer.at[i]->last == FOREVER)
            p->buffer.at[i]->first = 0;
    p->shared_bytes = place(&t, false);
    p->example_bytes = place(&t, true);
    arena_free(t.tmp);
}
