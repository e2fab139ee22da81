/*
 * flatten -- in front of a dense layer the weights are transposed, not the
 * activations.
 *
 * needs:  layout
 * keeps:  the value of every output, but for the order of sums
 * breaks: nothing
 *
 *     dot(reshape(transpose(h)), W)   = dot(reshape(h), W')
 *     transpose(reshape(dot(dy, W)))  = reshape(dot(dy, W'))
 *
 * with W' = W, its dim split into those of the activation, these transposed
 * and merged again. Done where W' is computed less often than h: in a loop
 * that leaves W alone, and where nothing is trained. (In a training step the
 * transposed weights and their gradient cost more than the activation.)
 */
#include "passes/rewrite.h"

/* w with dim `axis`, a merger of dims of shape `split`, in order perm. */
static Val permute_dim(Graph *g, Val w, int axis, Shape split,
                       const int64_t *perm)
{
    Shape wide = w->type.shape, tail = w->type.shape;
    int order[RANK_MAX];

    if (wide.rank - 1 + split.rank > RANK_MAX)
        return NULL;
    wide.rank = axis;
    for (int k = 0; k < split.rank; k++)
        wide.dim[wide.rank++] = split.dim[k];
    for (int k = axis + 1; k < tail.rank; k++)
        wide.dim[wide.rank++] = tail.dim[k];
    for (int k = 0; k < wide.rank; k++)
        order[k] = k;
    for (int k = 0; k < split.rank; k++)
        order[axis + k] = axis + (int)perm[k];
    Val x = ir_transpose(g, ir_reshape(g, w, wide), order);
    return ir_reshape(g, x, w->type.shape);
}

static bool pays(Val user, Val w, bool trains)
{
    return !w->type.batched && (!trains || user->region != w->region);
}

/* Side x of dot v is a flattened transpose and contracted whole. */
static Val flat_source(Graph *g, Val v, int side, bool trains)
{
    DotDims d = ir_dot_dims(v);
    Val x = v->src[side], w = v->src[1 - side], t;
    int64_t inverse[RANK_MAX] = {0};

    if (x->op != OP_reshape || x->type.shape.rank != 1 || d.ncontract != 1 ||
        d.nbatch || d.sum_batch || !x->type.batched || !pays(v, w, trains))
        return NULL;
    t = x->src[0];
    if (t->op != OP_transpose)
        return NULL;
    for (int k = 0; k < t->attr.n; k++)
        inverse[t->attr.i[k]] = k;
    Val h = ir_reshape(g, t->src[0], x->type.shape);
    w = permute_dim(g, w, side ? d.cx[0] : d.cy[0], t->type.shape, inverse);
    if (!w)
        return NULL;
    return side ? ir_dot(g, w, h, &d) : ir_dot(g, h, w, &d);
}

/* v = transpose(reshape(dot)) with one free dim, a dim of the weights. */
static Val flat_result(Graph *g, Val v, bool trains)
{
    Val r = v->src[0], p = r->op == OP_reshape ? r->src[0] : NULL;

    if (!p || p->op != OP_dot || p->type.shape.rank != 1)
        return NULL;

    DotDims d = ir_dot_dims(p);
    if (d.ncontract != 1 || d.nbatch || d.sum_batch)
        return NULL;
    for (int side = 0; side < 2; side++) {
        Val w = p->src[side], src[2] = {p->src[0], p->src[1]};
        if (w->type.shape.rank != 2 || !pays(v, w, trains))
            continue;
        int axis = 1 - (side ? d.cy[0] : d.cx[0]);
        src[side] = permute_dim(g, w, axis, r->type.shape, v->attr.i);
        if (src[side])
            return ir_reshape(g, ir_dot(g, src[0], src[1], &d),
                              v->type.shape);
    }
    return NULL;
}

static Val flatten_node(void *env, Graph *g, Val old, Val v)
{
    bool trains = *(bool *)env;
    Val to = NULL;

    (void)old;
    if (v->op == OP_dot)
        to = flat_source(g, v, 0, trains);
    if (v->op == OP_dot && !to)
        to = flat_source(g, v, 1, trains);
    if (v->op == OP_transpose)
        to = flat_result(g, v, trains);
    return to;
}

/* Is there a weight gradient in the function? */
static bool has_weight_gradient(const Func *f)
{
    Arena *tmp = arena_new();
    VEC(const Loop *) loop = {0};
    bool found = false;
    int n;
    Val *node = ir_topo(tmp, f->out, f->nout, NULL, &n);

    for (int next = -1; next < loop.n; next++) {
        const Loop *l = next < 0 ? NULL : loop.at[next];
        if (l)
            node = ir_topo(tmp, l->next, l->n, l, &n);
        for (int k = 0; k < n; k++) {
            if (node[k]->op == OP_loop)
                VEC_PUSH(tmp, &loop, node[k]->attr.loop);
            found = found || node[k]->op == OP_conv_dw ||
                    (node[k]->op == OP_dot && ir_dot_dims(node[k]).sum_batch);
        }
    }
    arena_free(tmp);
    return found;
}

void pass_flatten(Func *f, const PassOptions *opt)
{
    bool trains = has_weight_gradient(f);

    (void)opt;
    ir_rewrite(f->g, f->out, f->nout, flatten_node, &trains);
}
