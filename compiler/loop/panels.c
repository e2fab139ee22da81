/*
 * panels.c -- weights that stand in panels before a contraction reads them.
 *
 * A contraction that packs its B anew in each call does the same work again
 * whenever B has not changed since: in every step of an attack or a sampler,
 * in every batch of an evaluation. There B is replaced by a view of a copy in
 * panels, which is a value like others: loop-invariant, so outside the loop;
 * computed by the set-up part where it depends on parameters only; one for
 * all contractions that want the same.
 *
 *     w [K.., N]  =  view(p),   p [ceil(N / W), K, W]
 *
 * with N filled up by zeros. The view (a transpose, a slice if N was filled
 * up, reshapes) is never computed: contract.c sees through it.
 *
 * Panels are for many examples. A batch of one reads each weight once, and
 * where it may leave some out it wants whole rows [K, N] of them, one after
 * another in memory (emit_sparse.c). That is a value too; the set-up part makes
 * for a batch what it needs (setup.c).
 */
#include "loop/lower.h"

/* --- the view ------------------------------------------------------------- */

static Val skip_reshape(Val v)
{
    return v->op == OP_reshape ? v->src[0] : v;
}

/* [P, K, W] of which v is the view; NULL: none. */
static Val viewed(Val v)
{
    Shape s = v->type.shape, p;
    Val x = v;
    int64_t N = s.rank ? s.dim[s.rank - 1] : 0;

    if (x->op != OP_reshape || x->type.batched)
        return NULL;
    x = x->src[0];
    if (x->op == OP_slice)
        x = skip_reshape(x->src[0]);
    if (x->op != OP_transpose || x->type.shape.rank != 3 ||
        x->attr.i[0] != 1 || x->attr.i[1] != 0)
        return NULL;
    p = x->src[0]->type.shape;
    if (shape_size(s) != N * p.dim[1] || N > p.dim[0] * p.dim[2] ||
        N <= (p.dim[0] - 1) * p.dim[2])
        return NULL;
    return x->src[0];
}

Val panel_source(const Kernel *k, Val v)
{
    Val p = viewed(v);

    for (int i = 0; p && i < k->nread; i++)
        if (k->read[i]->val == p)
            return p;
    return NULL;
}

/* w, whose dim `axis` is N and which is [N, K..] or [K.., N], in panels. */
static Val to_panels(Graph *g, Val w, int axis, int64_t width)
{
    int64_t N = w->type.shape.dim[axis], K = shape_size(w->type.shape) / N;
    int64_t P = (N + width - 1) / width, no[2] = {0, 0}, more[2] = {0, 0};

    more[axis ? 1 : 0] = P * width - N;
    w = ir_reshape(g, w, axis ? shape_of(2, K, N) : shape_of(2, N, K));
    if (P * width > N)
        w = ir_pad(g, w, no, more, no, 0);
    if (axis)
        return ir_transpose(g, ir_reshape(g, w, shape_of(3, K, P, width)),
                            (int[]){1, 0, 2});
    return ir_transpose(g, ir_reshape(g, w, shape_of(3, P, width, K)),
                        (int[]){0, 2, 1});
}

Val panels_view(Graph *g, Val p, Shape like)
{
    Shape s = p->type.shape;
    int64_t N = like.dim[like.rank - 1], K = s.dim[1], W = s.dim[0] * s.dim[2];
    Val v = ir_transpose(g, p, (int[]){1, 0, 2});

    if (W > N)
        v = ir_slice(g, ir_reshape(g, v, shape_of(2, K, W)),
                     (int64_t[]){0, 0}, (int64_t[]){K, N}, NULL);
    // A view always ends in a reshape, if only to the shape it has.
    return ir_node(g, OP_reshape,
                   &(Attr){.n = like.rank,
                           .i = {like.dim[0], like.dim[1], like.dim[2],
                                 like.dim[3], like.dim[4], like.dim[5]}},
                   &v, 1);
}

/* w as `axis` of to_panels says as rows [K, N], filled up to whole vectors. */
static Val to_rows(Graph *g, Val w, int axis, int64_t lanes)
{
    int64_t N = w->type.shape.dim[axis], K = shape_size(w->type.shape) / N;
    int64_t no[2] = {0, 0}, more[2] = {0, (N + lanes - 1) / lanes * lanes - N};

    w = ir_reshape(g, w, axis ? shape_of(2, K, N) : shape_of(2, N, K));
    if (!axis)
        w = ir_transpose(g, w, (int[]){1, 0});
    return more[1] ? ir_pad(g, w, no, more, no, 0) : w;
}

Val panels_rows(const Lower *lo, Val view)
{
    for (int i = 0; i < lo->rows.n; i++)
        if (lo->rows.at[i].view == view)
            return lo->rows.at[i].rows;
    return NULL;
}

/* --- where it pays -------------------------------------------------------- */

/* Is w computed less often than v reads it? */
static bool is_kept(const Lower *lo, Val v, Val w)
{
    if (!fact_of(lo, w)->v || w->type.batched || lo->e->kind == ENTRY_CHECK ||
        lo->e->kind == ENTRY_INIT)
        return false;
    return !fact_of(lo, w)->varies || v->region != w->region;
}

/* The dim of source `slot` along which vectors run and panels are cut: its
 * only dim in the result, and the last there, first or last in w; else -1. */
static int panel_axis(Val v, int slot)
{
    Val w = v->src[slot];
    int rank = w->type.shape.rank;
    DotDims d;

    if (v->op == OP_conv || v->op == OP_conv_up)
        return slot == 1 ? rank - 1 : -1;
    if (v->op != OP_dot)
        return -1;
    d = ir_dot_dims(v);
    if (d.nbatch || d.sum_batch || d.ncontract != rank - 1)
        return -1;
    for (int axis = 0; axis < rank; axis++) {
        bool bound = false;

        for (int i = 0; i < d.ncontract; i++)
            bound = bound || (slot ? d.cy[i] : d.cx[i]) == axis;
        if (!bound)
            return axis == 0 || axis == rank - 1 ? axis : -1;
    }
    return -1;
}

/* The columns of a panel of source `slot` of v; 0: not packed, or too narrow
 * to be worth it. */
static int64_t panel_width(const Lower *lo, Val v, int slot, int axis)
{
    Kernel k = {.kind = KERNEL_CONTRACT, .core = v, .root = v};
    Contract c = contract_of(&k, FORM_OUTER);
    Buffer dst = {0};
    Schedule s;

    k.dst = &dst;
    if (c.padded || c.b != v->src[slot] || !c.n.b ||
        c.n.extent != v->src[slot]->type.shape.dim[axis])
        return 0;
    s = schedule_choose(&k, lo->opt);
    return s.form == FORM_OUTER && s.pack != PACK_NONE ? s.nr * s.lanes : 0;
}

/* May a batch of one leave out what meets zeros of the other source? What
 * varies is laid out anew too often for a second form of it. */
static bool may_skip(const Lower *lo, Val old, Val v, int slot)
{
    Val x = v->src[!slot];
    DotDims d;

    if (v->op != OP_dot || !lo->opt->finite ||
        fact_of(lo, old->src[slot])->varies || !schedule_has_zeros(x))
        return false;
    d = ir_dot_dims(v);
    return x->type.batched && x->type.shape.rank == d.ncontract;
}

/* --- the rewriting -------------------------------------------------------- */

/* v with source `slot` read from panels; NULL if that does not pay. */
static Val with_panels(Lower *lo, Graph *g, Val old, Val v, int slot)
{
    int axis = panel_axis(old, slot), last;
    Val src[2] = {v->src[0], v->src[1]};
    Shape like = src[slot]->type.shape;
    Attr a = v->attr;
    int64_t width;
    Val rows = NULL, along;

    if (axis < 0 || !is_kept(lo, old, old->src[slot]))
        return NULL;
    width = panel_width(lo, old, slot, axis);
    if (!width)
        return NULL;
    along = along_rows(lo, g, old, v, slot, axis);
    if (along) {
        src[slot] = along_order(g, src[slot], !axis);
        src[!slot] = along_order(g, src[!slot], 0);
    } else if (may_skip(lo, old, v, slot)) {
        rows = to_rows(g, src[slot], axis,
                       lo->opt->vector_bytes / dtype_bytes(v->type.dt));
    }
    last = like.rank - 1;
    if (axis == 0 && last > 0) { // dims of the view: K.., N
        DotDims d = ir_dot_dims(v);

        for (int k = 0; k < last; k++)
            like.dim[k] = src[slot]->type.shape.dim[k + 1];
        like.dim[last] = src[slot]->type.shape.dim[0];
        for (int k = 0; k < d.ncontract; k++)
            a.i[3 + slot * d.ncontract + k]--;
    }
    src[slot] = panels_view(g, to_panels(g, src[slot], axis, width), like);
    VEC_PUSH(lo->tmp, &lo->view, src[slot]);
    if (rows)
        VEC_PUSH(lo->tmp, &lo->rows, ((RowsOf){src[slot], rows}));
    v = ir_node(g, v->op, &a, src, 2);
    if (along)
        VEC_PUSH(lo->tmp, &lo->along, ((RowsOf){v, along}));
    return v;
}

static Val pack_node(void *env, Graph *g, Val old, Val v)
{
    Val to;

    if (old->op == OP_select)
        return along_mask(env, g, v);
    if ((old->op != OP_dot && old->op != OP_conv && old->op != OP_conv_up) ||
        !old->type.batched)
        return NULL;
    to = with_panels(env, g, old, v, 1);
    return to ? to : with_panels(env, g, old, v, 0);
}

bool panels_is_view(const Lower *lo, Val v)
{
    for (int i = 0; i < lo->view.n; i++)
        if (lo->view.at[i] == v)
            return true;
    return false;
}

Val panels_base(Val view)
{
    return viewed(view);
}

void panels_choose(Lower *lo, Func *f)
{
    ir_rewrite(f->g, f->out, f->nout, pack_node, lo);
}
