/*
 * lower.c -- an entry point becomes a program of kernels and buffers.
 *
 *   1. find what the outputs need, and the uses of each value;
 *      let contractions read panels (panels.c) and look again;
 *   2. choose which values are materialized (fuse.c);
 *   3. give each of those a buffer, and each core a kernel (kernel.c);
 *   4. put kernels, loops and copies in order (order.c);
 *   5. place the buffers (buffers.c).
 */
#include "loop/lower.h"

/* --- what is needed ------------------------------------------------------ */

typedef struct Reached {
    Lower *lo;
    VEC(Val) todo;
} Reached;

static void reach(Reached *r, Val v)
{
    Fact *f = fact_of(r->lo, v);

    if (f->v)
        return;
    f->v = v;
    f->item = -1;
    VEC_PUSH(r->lo->tmp, &r->todo, v);
    r->lo->norder++;
}

/* Variable k of l matters: so do its initial and next values. */
static void reach_var(Reached *r, Loop *l, int k)
{
    Fact *f = fact_of(r->lo, l->node);

    if (!f->live)
        f->live = NEW_N(r->lo->tmp, bool, l->n);
    if (f->live[k])
        return;
    f->live[k] = true;
    reach(r, l->node);
    reach(r, l->var[k]);
    reach(r, l->init[k]);
    reach(r, l->next[k]);
}

static void reach_sources(Reached *r, Val v)
{
    switch (v->op) {
    case OP_loop:
        reach(r, v->attr.loop->count);
        if (v->attr.loop->until >= 0)
            reach_var(r, v->attr.loop, v->attr.loop->until);
        break;
    case OP_proj:
        reach(r, v->src[0]);
        reach_var(r, v->src[0]->attr.loop, (int)v->attr.i[0]);
        break;
    case OP_loopvar:
        if (v->attr.i[0] >= 0)
            reach_var(r, v->attr.loop, (int)v->attr.i[0]);
        break;
    default:
        for (int k = 0; k < v->nsrc; k++)
            reach(r, v->src[k]);
    }
}

static void find_needed(Lower *lo)
{
    const Func *f = &lo->e->func;
    Reached r = {.lo = lo};
    int n = 0;

    for (int i = 0; i < f->nout; i++)
        reach(&r, f->out[i]);
    for (int i = 0; i < lo->rows.n; i++)
        reach(&r, lo->rows.at[i].rows);
    while (r.todo.n)
        reach_sources(&r, r.todo.at[--r.todo.n]);
    lo->order = NEW_N(lo->tmp, Val, lo->norder);
    for (uint32_t id = 0; id < lo->nnodes; id++)
        if (lo->fact[id].v)
            lo->order[n++] = lo->fact[id].v;
}

int lower_nsource(Val v)
{
    return v->op == OP_loop ? 1 + 2 * v->attr.loop->n : v->nsrc;
}

Val lower_source(const Lower *lo, Val v, int slot)
{
    Loop *l = v->attr.loop;

    if (v->op != OP_loop)
        return v->src[slot];
    if (slot == 0)
        return l->count;
    if (!fact_of(lo, v)->live[(slot - 1) % l->n])
        return NULL;
    return slot <= l->n ? l->init[slot - 1] : l->next[slot - 1 - l->n];
}

static void find_uses(Lower *lo)
{
    for (int i = 0; i < lo->norder; i++) {
        Val v = lo->order[i];

        for (int k = 0; k < lower_nsource(v); k++) {
            Val s = lower_source(lo, v, k);

            if (s)
                VEC_PUSH(lo->tmp, &fact_of(lo, s)->use, ((Use){v, k}));
        }
    }
    for (int i = 0; i < lo->e->func.nout; i++) {
        Fact *f = fact_of(lo, lo->e->func.out[i]);
        VEC_PUSH(lo->tmp, &f->use, ((Use){NULL, i}));
    }
}

/* What does not vary is computed once per run, by the set-up part. */
static bool varies(const Lower *lo, Val v)
{
    EntryKind kind = lo->e->kind;

    if (kind == ENTRY_TRAIN || kind == ENTRY_CHECK || kind == ENTRY_INIT ||
        v->type.batched || v->region)
        return true;
    switch (v->op) {
    case OP_input:
        return v->attr.i[0] != INPUT_VAR && v->attr.i[0] != INPUT_OPTION;
    case OP_batch_size: case OP_loopvar: case OP_loop: case OP_proj:
        return true;
    default:
        break;
    }
    if (kind_of(v) == LOWER_CALL)
        return true;
    for (int k = 0; k < v->nsrc; k++)
        if (fact_of(lo, v->src[k])->varies)
            return true;
    return false;
}

/* --- buffers and kernels ------------------------------------------------- */

Buffer *buffer_new(Lower *lo, Type type, Val v)
{
    Buffer *b = NEW(lo->a, Buffer);

    b->id = lo->p->buffer.n;
    b->type = type;
    b->val = v;
    b->place = PLACE_ARENA;
    b->slot = -1;
    b->bytes = (shape_size(type.shape) * dtype_bytes(type.dt) + 63) / 64 * 64;
    VEC_PUSH(lo->a, &lo->p->buffer, b);
    return b;
}

static void make_input(Lower *lo, Buffer *b)
{
    Program *p = lo->p;

    b->place = PLACE_INPUT;
    b->slot = p->nin;
    p->in[p->nin] = b->val;
    p->input[p->nin++] = b;
}

static Buffer *memory_of(Lower *lo, Val v)
{
    if (v->op == OP_reshape && !fact_of(lo, v)->core)
        return fact_of(lo, v->src[0])->buf;
    if (v->op == OP_proj)
        return fact_of(lo, v->src[0]->attr.loop->var[v->attr.i[0]])->buf;
    return NULL;
}

static void make_buffers(Lower *lo)
{
    lo->p->in = NEW_N(lo->a, Val, lo->norder);
    lo->p->input = NEW_N(lo->a, Buffer *, lo->norder);
    for (int i = 0; i < lo->norder; i++) {
        Val v = lo->order[i];
        Fact *f = fact_of(lo, v);

        if (!f->buffered || f->buf)
            continue;
        f->buf = buffer_new(lo, v->type, v);
        if (f->mask) // its kernel stores it
            fact_of(lo, f->mask)->buf =
                buffer_new(lo, f->mask->type, f->mask);
        f->buf->alias = memory_of(lo, v);
        if (f->buf->alias)
            f->buf->place = PLACE_ALIAS;
        else if (v->op == OP_input)
            make_input(lo, f->buf);
        else if (f->core && !f->beside)
            kernel_make(lo, v);
    }
}

/* Kernels are numbered in the order they run. */
static void number_kernels(Program *p, const Steps *s)
{
    for (int i = 0; i < s->list.n; i++) {
        Step *st = &s->list.at[i];

        if (st->kind == STEP_LOOP)
            number_kernels(p, st->body);
        if (st->kind != STEP_KERNEL)
            continue;
        st->kernel->id = p->kernel.n;
        p->kernel.at[p->kernel.n++] = st->kernel;
    }
}

static void look(Lower *lo)
{
    lo->norder = 0;
    lo->nnodes = graph_nnodes(lo->e->func.g);
    lo->fact = NEW_N(lo->tmp, Fact, lo->nnodes);
    find_needed(lo);
    find_uses(lo);
    for (int i = 0; i < lo->norder; i++)
        fact_of(lo, lo->order[i])->varies = varies(lo, lo->order[i]);
}

/* e with weights in panels where that pays. */
static const Entry *with_panels(Lower *lo)
{
    Entry *e = NEW(lo->a, Entry);

    *e = *lo->e;
    e->func.out = arena_copy(lo->a, e->func.out,
                             sizeof *e->func.out * (size_t)e->func.nout);
    panels_choose(lo, &e->func);
    return e;
}

Program *loop_lower(Arena *unit, const Entry *e, const LoopOptions *opt)
{
    Arena *tmp = arena_new();
    Program *p = NEW(unit, Program);
    Lower lo = {.a = unit, .tmp = tmp, .e = e, .opt = opt, .p = p};
    char err[512];

    p->entry = e;
    p->arena = unit;
    p->inplace = NEW_N(unit, bool, e->func.nout);
    look(&lo);
    lo.e = with_panels(&lo);
    if (lo.view.n)
        look(&lo);
    fuse_choose(&lo);
    beside_choose(&lo);
    make_buffers(&lo);
    order_region(&lo, NULL, &p->steps);
    p->kernel.n = 0;
    number_kernels(p, &p->steps);
    setup_choose(p);
    chains_choose(p);
    loop_place_buffers(p);
    arena_free(tmp);
    if (!loop_verify(p, err, sizeof err))
        internal_error("lowering of \"%s\": %s", e->name, err);
    return p;
}
