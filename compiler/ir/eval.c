/*
 * eval.c -- the slow reference interpreter.
 *
 * Values are kept by id of their nodes. A region is its nodes in order of
 * ids; a loop runs its body's region again and again, each time into the same
 * tensors. What one op means is in eval_point, eval_move, eval_reduce,
 * eval_contract, eval_pool and eval_random.
 */
#include "ir/eval.h"
#include "ir/graph.h"

#include <string.h>

typedef struct Body {
    Val *v;
    int n;
    Tensor *spare; // next values, while variables still hold the last ones
} Body;

typedef struct Eval {
    Arena *arena; // tensors
    Arena *tmp;   // tables
    Arena *scratch;
    const EvalEnv *env;
    Tensor *val; // by id; at == NULL: not met yet
    Body *body;  // by loop id
} Eval;

typedef void EvalFn(EvalOp *e);

#define EVAL_LEAF(name) NULL
#define EVAL_REGION(name) NULL
#define EVAL_GONE(name) NULL
#define EVAL_MAP(name) eval_##name
#define EVAL_VIEW(name) eval_##name
#define EVAL_REDUCE(name) eval_##name
#define EVAL_CONTRACT(name) eval_##name
#define EVAL_KERNEL(name) eval_##name
#define EVAL_CALL(name) eval_##name
static EvalFn *const eval_fn[OP_COUNT] = {
#define OP(name, arity, attr, shape, grad, lower, ...)                        \
    [OP_##name] = EVAL_##lower(name),
#include "ir/ops.def"
#undef OP
};

static size_t tensor_bytes(const Tensor *t)
{
    return (size_t)(t->batch * shape_size(t->type.shape)) * sizeof(double);
}

void eval_alloc(Arena *a, Tensor *t, Type type, int64_t batch)
{
    t->type = type;
    t->batch = type.batched ? batch : 1;
    t->at = arena_alloc(a, tensor_bytes(t));
}

static void copy(Tensor *to, const Tensor *from)
{
    memcpy(to->at, from->at, tensor_bytes(to));
}

static void round_f32(Tensor *t)
{
    int64_t n = t->batch * shape_size(t->type.shape);

    for (int64_t k = 0; k < n; k++)
        t->at[k] = (float)t->at[k];
}

static void apply(Eval *e, Val v, Tensor *out)
{
    Tensor *src = NEW_N(e->scratch, Tensor, v->nsrc + 1);
    EvalOp op = {.v = v, .src = src, .out = out, .batch = e->env->batch,
                 .seed = e->env->seed, .index = e->env->index,
                 .tmp = e->scratch};

    if (!eval_fn[v->op])
        internal_error("%s cannot be evaluated", op_info[v->op].name);
    for (int k = 0; k < v->nsrc; k++)
        src[k] = e->val[v->src[k]->id];
    eval_fn[v->op](&op);
    arena_reset(e->scratch);
}

static void run_loop(Eval *e, Loop *l);

static void compute(Eval *e, Val v)
{
    Tensor *out = &e->val[v->id];

    if (v->op == OP_loopvar)
        return; // run_loop sets it
    if (!out->at)
        eval_alloc(e->arena, out, v->type, e->env->batch);
    switch (v->op) {
    case OP_const:
        out->at[0] = v->attr.f;
        break;
    case OP_input:
        e->env->input(e->env->user, v, out);
        break;
    case OP_batch_size:
        out->at[0] = (double)e->env->batch;
        break;
    case OP_loop:
        run_loop(e, v->attr.loop);
        break;
    case OP_proj:
        copy(out, &e->val[v->src[0]->attr.loop->var[v->attr.i[0]]->id]);
        break;
    default:
        apply(e, v, out);
    }
    if (e->env->round_f32 && v->type.dt == DT_f32)
        round_f32(out);
}

/* Variables get tensors of their own, the body its order of evaluation. */
static Body *prepare(Eval *e, Loop *l)
{
    Body *body = &e->body[l->id];

    if (body->v)
        return body;
    body->v = ir_topo(e->tmp, l->next, l->n, l, &body->n);
    body->spare = NEW_N(e->tmp, Tensor, l->n + 1);
    eval_alloc(e->arena, &e->val[l->index->id], l->index->type, 1);
    for (int k = 0; k < l->n; k++) {
        eval_alloc(e->arena, &e->val[l->var[k]->id], l->var[k]->type,
                   e->env->batch);
        eval_alloc(e->arena, &body->spare[k], l->var[k]->type, e->env->batch);
    }
    return body;
}

static void run_loop(Eval *e, Loop *l)
{
    Body *body = prepare(e, l);
    double count = e->val[l->count->id].at[0];

    for (int k = 0; k < l->n; k++)
        copy(&e->val[l->var[k]->id], &e->val[l->init[k]->id]);
    for (double t = 0; t < count; t++) {
        if (l->until >= 0 && e->val[l->var[l->until]->id].at[0] != 0)
            break;
        e->val[l->index->id].at[0] = t;
        for (int k = 0; k < body->n; k++)
            compute(e, body->v[k]);
        for (int k = 0; k < l->n; k++)
            copy(&body->spare[k], &e->val[l->next[k]->id]);
        for (int k = 0; k < l->n; k++)
            copy(&e->val[l->var[k]->id], &body->spare[k]);
    }
}

void ir_eval(Arena *arena, const Func *f, const EvalEnv *env, Tensor *out)
{
    Eval e = {.arena = arena, .tmp = arena_new(), .scratch = arena_new(),
              .env = env};
    int n;
    Val *v = ir_topo(e.tmp, f->out, f->nout, NULL, &n);

    e.val = NEW_N(e.tmp, Tensor, graph_nnodes(f->g));
    e.body = NEW_N(e.tmp, Body, f->g->nloops + 1);
    for (int k = 0; k < n; k++)
        compute(&e, v[k]);
    for (int k = 0; k < f->nout; k++)
        out[k] = e.val[f->out[k]->id];
    arena_free(e.scratch);
    arena_free(e.tmp);
}

void ir_eval_op(Arena *arena, Val node, const Tensor *src, int64_t batch,
                uint64_t seed, const int64_t *index, Tensor *out)
{
    EvalOp op = {.v = node, .src = src, .out = out, .batch = batch,
                 .seed = seed, .index = index, .tmp = arena_new()};

    if (!eval_fn[node->op])
        internal_error("%s cannot be evaluated alone", op_info[node->op].name);
    eval_alloc(arena, out, node->type, batch);
    eval_fn[node->op](&op);
    arena_free(op.tmp);
}
