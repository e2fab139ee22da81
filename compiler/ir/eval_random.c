/*
 * eval_random.c -- calls of the runtime: random draws, by its own generator,
 * and how a solve went.
 */
#include "ir/eval.h"
#include "rng.h"

/* What the keys and the example make of the counter, for example b. */
static int32_t example_of(const EvalOp *e, int64_t b)
{
    if (!e->out->type.batched)
        return RNN_SHARED_EXAMPLE;
    return (int32_t)(e->index ? e->index[b] : b);
}

static uint32_t keys_of(const EvalOp *e, int64_t b)
{
    int32_t *key = NEW_N(e->tmp, int32_t, e->v->nsrc + 1);

    for (int k = 0; k < e->v->nsrc; k++)
        key[k] = (int32_t)eval_at(&e->src[k], b)[0];
    return rnn_fold_keys(key, e->v->nsrc);
}

typedef double Draw(uint64_t seed, int64_t stream, int32_t example,
                    uint32_t keys, int64_t i);

static void draw(EvalOp *e, Draw *f)
{
    int64_t n = shape_size(e->out->type.shape), stream = e->v->attr.i[0];

    for (int64_t b = 0; b < e->out->batch; b++) {
        int32_t example = example_of(e, b);
        uint32_t keys = keys_of(e, b);
        for (int64_t k = 0; k < n; k++)
            eval_at(e->out, b)[k] = f(e->seed, stream, example, keys, k);
    }
}

void eval_uniform(EvalOp *e)
{
    draw(e, rnn_uniform_at);
}

void eval_normal(EvalOp *e)
{
    draw(e, rnn_normal_at);
}

void eval_solved(EvalOp *e)
{
    for (int64_t b = 0; b < e->out->batch; b++)
        eval_at(e->out, b)[0] = eval_at(&e->src[0], b)[0] == 1;
}

void eval_permutation(EvalOp *e)
{
    int64_t n = shape_size(e->out->type.shape), stream = e->v->attr.i[0];
    int32_t *order = NEW_N(e->tmp, int32_t, n);

    for (int64_t b = 0; b < e->out->batch; b++) {
        rnn_permutation(e->seed, stream, example_of(e, b), keys_of(e, b), n,
                        order);
        for (int64_t k = 0; k < n; k++)
            eval_at(e->out, b)[k] = order[k];
    }
}
