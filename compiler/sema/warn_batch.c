/*
 * warn_batch.c -- batch-statistics: what makes one example's result depend on
 * the examples it shares a batch with.
 *
 *   pool[v]  v, shared, is computed from a batch reduction: this one
 *   mix[v]   v is computed from a value of each example that is computed from
 *            a shared one with a pool
 *
 * The gradient of a sum over the examples is each example's own.
 */
#include "sema/elab.h"

typedef struct Mixed {
    Arena *tmp;
    Val *node; // by id; NULL: not needed
    Val *pool, *mix;
    uint32_t n, round;
    uint32_t *met; // by from_sum, in which round
} Mixed;

static void meet(Mixed *m, Val root)
{
    VEC(Val) todo = {0};

    VEC_PUSH(m->tmp, &todo, root);
    while (todo.n) {
        Val v = todo.at[--todo.n];
        const Loop *l = v->op == OP_loop ? v->attr.loop : NULL;
        if (m->node[v->id])
            continue;
        m->node[v->id] = v;
        for (int k = 0; k < (v->op == OP_adjoint ? 1 : v->nsrc); k++)
            VEC_PUSH(m->tmp, &todo, v->src[k]);
        for (int k = 0; l && k < l->n; k++) {
            VEC_PUSH(m->tmp, &todo, l->next[k]);
            VEC_PUSH(m->tmp, &todo, l->var[k]);
        }
    }
}

/* Takes over what makes s mixed. */
static void from(Mixed *m, Val v, Val s)
{
    if (!m->mix[v->id])
        m->mix[v->id] = m->mix[s->id];
    if (!m->mix[v->id] && v->type.batched && !s->type.batched)
        m->mix[v->id] = m->pool[s->id];
    if (!m->pool[v->id] && !v->type.batched)
        m->pool[v->id] = s->type.batched ? v : m->pool[s->id];
}

/* v takes over from each term of y, a sum over the examples. */
static void from_sum(Mixed *m, Val v, Val y)
{
    VEC(Val) todo = {0};

    m->round++;
    VEC_PUSH(m->tmp, &todo, y);
    while (todo.n) {
        Val t = todo.at[--todo.n];
        bool two = t->nsrc == 2, factor = t->op == OP_mul || t->op == OP_div;
        if (m->met[t->id] == m->round)
            continue;
        m->met[t->id] = m->round;
        if (t->op == OP_batch_sum) {
            from(m, v, t->src[0]);
        } else if (t->op == OP_add || t->op == OP_sub || t->op == OP_neg ||
                   t->op == OP_cast || t->op == OP_reshape ||
                   (factor && !m->pool[t->src[1]->id])) {
            VEC_PUSH(m->tmp, &todo, t->src[0]);
            if (two && !factor)
                VEC_PUSH(m->tmp, &todo, t->src[1]);
        } else if (t->op == OP_mul && !m->pool[t->src[0]->id]) {
            VEC_PUSH(m->tmp, &todo, t->src[1]);
        } else {
            from(m, v, t);
        }
    }
}

static void visit(Mixed *m, Val v)
{
    const Loop *l = v->attr.loop;

    if (v->op == OP_loop)
        return;
    if (v->op == OP_loopvar && v->attr.i[0] >= 0) {
        from(m, v, l->init[v->attr.i[0]]);
        from(m, v, l->next[v->attr.i[0]]);
    } else if (v->op == OP_proj) {
        l = v->src[0]->attr.loop;
        from(m, v, l->init[v->attr.i[0]]);
        from(m, v, l->next[v->attr.i[0]]);
    } else if (v->op == OP_grad && v->type.batched) {
        from_sum(m, v, v->src[0]);
        from(m, v, v->src[1]);
    } else {
        for (int k = 0; k < (v->op == OP_adjoint ? 1 : v->nsrc); k++)
            from(m, v, v->src[k]);
    }
}

/* Until nothing changes: loops lead back. */
static void settle(Mixed *m)
{
    bool more = true;

    while (more) {
        more = false;
        for (uint32_t j = 0; j < m->n; j++) {
            bool was = m->node[j] && m->mix[j], had = m->node[j] && m->pool[j];
            if (m->node[j])
                visit(m, m->node[j]);
            more = more || (m->node[j] && ((!was && m->mix[j]) ||
                                           (!had && m->pool[j])));
        }
    }
}

void warn_batch(Elab *e, const Func *f, const Output *output)
{
    Mixed m = {.tmp = arena_new(), .n = graph_nnodes(e->g) + 1};

    m.node = NEW_N(m.tmp, Val, m.n);
    m.pool = NEW_N(m.tmp, Val, m.n);
    m.mix = NEW_N(m.tmp, Val, m.n);
    m.met = NEW_N(m.tmp, uint32_t, m.n);
    for (int k = 0; k < f->nout; k++)
        meet(&m, f->out[k]);
    settle(&m);
    for (int k = 0; k < f->nout; k++) {
        Val by = m.mix[f->out[k]->id];
        if (by == NULL)
            continue;
        sema_warn(e, by->span, "batch-statistics", "a statistic of the batch: "
                  "the result of one example depends on its neighbours");
        if (output[k].span.src)
            sema_note(e, output[k].span, "\"%s\" depends on it",
                      output[k].kind == OUT_TENSOR ? f->name : output[k].name);
    }
    arena_free(m.tmp);
}
