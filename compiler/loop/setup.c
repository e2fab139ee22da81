/*
 * setup.c -- which batches need a step of the set-up part.
 *
 * A batch of one reads some weights in another form than larger ones
 * (panels.c). Both forms are made by the set-up part, but the one that a batch
 * does not read is not made for it; nor is what only that one is made from.
 */
#include "loop/lower.h"

static int kernel_wants(const Kernel *of, const Kernel *k)
{
    int need = 0;

    for (int i = 0; i < k->nread; i++)
        if (kernel_stores(of, buffer_storage(k->read[i])))
            need |= kernel_reads_for(k, i);
    return need;
}

static int step_wants(const Kernel *of, const Step *st)
{
    const Buffer *b[] = {st->from, st->count, st->until};
    int need = 0;

    for (int i = 0; i < (int)ARRAY_LEN(b); i++)
        if (b[i] && kernel_stores(of, buffer_storage((Buffer *)b[i])))
            need = FOR_ALL;
    return need;
}

/* The batches for which steps from `from` on read what `of` stores. */
static int wanted(const Kernel *of, const Steps *s, int from)
{
    int need = 0;

    for (int i = from; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];

        if (st->kind == STEP_KERNEL)
            need |= kernel_wants(of, st->kernel) & (int)st->batches;
        else
            need |= step_wants(of, st);
        if (st->kind == STEP_LOOP)
            need |= wanted(of, st->body, 0);
    }
    return need;
}

static void need_all(Steps *s)
{
    for (int i = 0; i < s->list.n; i++) {
        s->list.at[i].batches = FOR_ALL;
        if (s->list.at[i].kind == STEP_LOOP)
            need_all(s->list.at[i].body);
    }
}

void setup_choose(Program *p)
{
    Steps *s = &p->steps;

    need_all(s);
    for (int i = s->list.n; i-- > 0;) {
        Step *st = &s->list.at[i];

        if (st->setup)
            st->batches = (Batches)wanted(st->kernel, s, i + 1);
    }
}
