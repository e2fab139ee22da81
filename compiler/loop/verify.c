/*
 * verify.c -- a program computes what it should with the memory it was given.
 *
 * The steps are run on marks instead of numbers: writing a buffer spoils every
 * other whose bytes it covers, and reading one demands that it was written and
 * not spoiled since. Loops run twice, so that what a pass leaves to the next is
 * seen; the whole program runs twice, the second time without its set-up part,
 * and both for many examples and for one.
 */
#include "loop/loop.h"

typedef struct Check {
    const Program *p;
    Arena *tmp;
    bool *good;    // by buffer id, of storage
    bool *written; // outputs, by slot
    char *err;
    size_t n;
    bool ok, fresh;
    Batches batch; // a batch of one, or of more
} Check;

static void fail(Check *c, const char *what, const Buffer *b)
{
    if (!c->ok)
        return;
    c->ok = false;
    snprintf(c->err, c->n, "buffer b%d (%%%u, %s) %s", b->id, b->val->id,
             op_info[b->val->op].name, what);
}

static bool overlap(const Buffer *a, const Buffer *b)
{
    return a->place == PLACE_ARENA && b->place == PLACE_ARENA &&
           a->type.batched == b->type.batched &&
           a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

static void read_buffer(Check *c, Buffer *b)
{
    Buffer *s = buffer_storage(b);

    if (s->place != PLACE_INPUT && !c->good[s->id])
        fail(c, "is read before it is written or after it was overwritten", b);
}

static void write_buffer(Check *c, Buffer *b)
{
    Buffer *s = buffer_storage(b);

    for (int i = 0; i < c->p->buffer.n; i++)
        if (c->good[i] && overlap(s, c->p->buffer.at[i]))
            c->good[i] = false;
    c->good[s->id] = true;
    if (s->place == PLACE_OUTPUT)
        c->written[s->slot] = true;
    if (s->place == PLACE_INPUT && s->val->attr.i[0] != INPUT_VAR)
        fail(c, "overwrites an input", b);
}

static void run_steps(Check *c, const Steps *s)
{
    for (int i = 0; i < s->list.n && c->ok; i++) {
        const Step *st = &s->list.at[i];

        if (st->setup && (!c->fresh || !(st->batches & c->batch)))
            continue;
        switch (st->kind) {
        case STEP_KERNEL:
            for (int k = 0; k < st->kernel->nread; k++)
                if (kernel_reads_for(st->kernel, k) & c->batch)
                    read_buffer(c, st->kernel->read[k]);
            write_buffer(c, st->kernel->dst);
            for (int k = 0; k < st->kernel->nbeside; k++)
                write_buffer(c, st->kernel->beside[k]);
            break;
        case STEP_COPY:
            read_buffer(c, st->from);
            write_buffer(c, st->to);
            if (st->from->bytes != st->to->bytes ||
                st->from->type.batched != st->to->type.batched)
                fail(c, "is copied from one of another size", st->to);
            break;
        case STEP_LOOP:
            if (st->count)
                read_buffer(c, st->count);
            for (int pass = 0; pass < 2; pass++) {
                if (st->until)
                    read_buffer(c, st->until);
                if (st->index)
                    write_buffer(c, st->index);
                run_steps(c, st->body);
            }
            break;
        }
    }
}

static void check_buffer(Check *c, const Buffer *b)
{
    const Program *p = c->p;
    int64_t end = b->type.batched ? p->example_bytes : p->shared_bytes;

    switch (b->place) {
    case PLACE_ARENA:
        if (b->first >= 0 && (b->offset < 0 || b->offset % 64 ||
                              b->offset + b->bytes > end))
            fail(c, "does not lie in the arena", b);
        break;
    case PLACE_INPUT:
        if (b->slot < 0 || b->slot >= p->nin)
            fail(c, "has no input", b);
        break;
    case PLACE_OUTPUT:
        if (b->slot < 0 || b->slot >= p->entry->func.nout)
            fail(c, "has no output", b);
        break;
    case PLACE_ALIAS:
        if (!b->alias || b->alias->bytes != b->bytes ||
            b->alias->type.batched != b->type.batched)
            fail(c, "shares memory of another size", b);
        break;
    }
}

bool loop_verify(const Program *p, char *err, size_t n)
{
    Arena *tmp = arena_new();
    Check c = {.p = p, .tmp = tmp, .err = err, .n = n, .ok = true};
    int nout = p->entry->func.nout;

    c.good = NEW_N(tmp, bool, p->buffer.n);
    c.written = NEW_N(tmp, bool, nout);
    for (int i = 0; i < p->buffer.n; i++)
        check_buffer(&c, p->buffer.at[i]);
    for (int run = 0; run < 4 && c.ok; run++) {
        c.fresh = run % 2 == 0;
        c.batch = run < 2 ? FOR_MORE : FOR_ONE;
        run_steps(&c, &p->steps);
    }
    for (int i = 0; i < nout && c.ok; i++)
        if (!c.written[i] && !p->inplace[i]) {
            c.ok = false;
            snprintf(err, n, "output %d is never written", i);
        }
    arena_free(tmp);
    return c.ok;
}
