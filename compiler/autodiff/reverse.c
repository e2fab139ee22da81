/*
 * reverse.c -- the reverse walk: which nodes take part, in which order, and
 * the sums of their adjoints. It knows no op; each vjp_<op> knows no other.
 *
 * A node takes part if the roots depend on it (reached) and it depends on what
 * is asked for (active), both over edges a gradient can pass. So a parameter
 * nobody asks about costs nothing. The adjoint of a per-example value is
 * always per example, that of a shared value shared.
 */
#include "autodiff/walk.h"

#include <stdlib.h>

typedef void Rule(Ad *ad, Val y, Val dy);

static Rule *const rule[OP_COUNT] = {
#define RULE_OWN(name) vjp_##name
#define RULE_ZERO(name) NULL
#define RULE_NONE(name) NULL
#define OP(name, arity, attr, shape, grad, ...) [OP_##name] = RULE_##grad(name),
#include "ir/ops.def"
#undef OP
};

Graph *ad_graph(Ad *ad)
{
    return ad->g;
}

bool walk_flag(const Ad *ad, Val x, int flag)
{
    return x->id < ad->n && (ad->flag[x->id] & flag) == flag;
}

bool ad_wants(Ad *ad, Val x)
{
    return walk_flag(ad, x, WALK_ACTIVE | WALK_REACHED);
}

/* A shared value repeated for the examples' sake, as a scale per channel is
 * over an image. Its examples' adjoints go to its source one by one, each
 * summed over what repeats, then over the examples: an image's sum is made
 * where the image is, and not of all images long after. */
static bool is_repeated(const Ad *ad, Val x)
{
    return x->op == OP_broadcast && !x->type.batched &&
           !walk_flag(ad, x, WALK_ASKED);
}

void ad_add(Ad *ad, Val x, Val dx)
{
    if (!dx || !ad_wants(ad, x))
        return;
    if (is_repeated(ad, x) && dx->type.batched) {
        rule[OP_broadcast](ad, x, dx);
        return;
    }
    if (dx->type.batched && !x->type.batched)
        dx = ir_op1(ad->g, OP_batch_sum, dx);
    else if (x->type.batched)
        dx = ir_spread(ad->g, dx);
    if (!type_eq(x->type, dx->type))
        internal_error("adjoint of %s %s is %s", op_info[x->op].name,
                       type_text(ad->tmp, x->type),
                       type_text(ad->tmp, dx->type));

    Val *sum = &ad->adj[x->id];
    *sum = *sum ? ir_add(ad->g, *sum, dx) : dx;
}

int walk_loop_depth(const Loop *region)
{
    return region ? region->depth : 0;
}

bool walk_edge(Val y, int k)
{
    Val x = y->src[k];

    // ad_active is also asked before the grads in e are expanded
    if (op_info[y->op].grad != GRAD_OWN && y->op != OP_grad)
        return false;
    if (y->op != OP_loop && !dtype_real(y->type.dt))
        return false;
    if (y->op == OP_adjoint && (k < 2 || k % 2))
        return false; // its own gradients, not those of how it was computed
    if ((y->op == OP_pool_gather || y->op == OP_pool_scatter) && k == 0)
        return false; // only the places of the maxima depend on it
    return x->op == OP_loop || dtype_real(x->type.dt);
}

static int by_id(const void *a, const void *b)
{
    Val x = *(const Val *)a, y = *(const Val *)b;

    return x->id < y->id ? -1 : x->id > y->id;
}

Val *walk_collect(Arena *tmp, const Val *root, int nroot, const Loop *l,
                  bool all_edges, int *n)
{
    VEC(Val) list = {0};
    uint32_t top = 0;

    for (int k = 0; k < nroot; k++)
        if (root[k]->id >= top)
            top = root[k]->id + 1;
    bool *seen = NEW_N(tmp, bool, top);
    for (int next = -nroot; next < list.n; next++) {
        Val y = next < 0 ? root[next + nroot] : list.at[next];
        int ncapture = 0;
        Val *capture = NULL;

        if (next < 0) {
            if (!seen[y->id] && (!l || ir_inside(y, l)))
                VEC_PUSH(tmp, &list, y);
            seen[y->id] = true;
            continue;
        }
        if (y->op == OP_loop)
            capture = ir_captures(tmp, y->attr.loop, &ncapture);
        for (int k = 0; k < y->nsrc + ncapture; k++) {
            Val x = k < y->nsrc ? y->src[k] : capture[k - y->nsrc];
            bool open = k < y->nsrc ? walk_edge(y, k) : dtype_real(x->type.dt);

            if ((!open && !all_edges) || seen[x->id])
                continue;
            seen[x->id] = true;
            if (!l || ir_inside(x, l))
                VEC_PUSH(tmp, &list, x);
        }
    }
    if (list.n)
        qsort(list.at, (size_t)list.n, sizeof list.at[0], by_id);
    *n = list.n;
    return list.at;
}

Ad *walk_new(Graph *g, Arena *tmp, const Loop *inside, Diag *d, Span at)
{
    Ad *ad = NEW(tmp, Ad);

    *ad = (Ad){.g = g, .tmp = tmp, .d = d, .at = at, .inside = inside};
    ad->n = graph_nnodes(g);
    ad->adj = NEW_N(tmp, Val, ad->n);
    ad->flag = NEW_N(tmp, unsigned char, ad->n);
    return ad;
}

LoopInfo *walk_loop(Ad *ad, Val loop)
{
    for (int k = 0; k < ad->loop.n; k++)
        if (ad->loop.at[k]->loop == loop->attr.loop)
            return ad->loop.at[k];

    LoopInfo *info = NEW(ad->tmp, LoopInfo);
    Loop *l = loop->attr.loop;
    int ncapture;
    Val *capture = ir_captures(ad->tmp, l, &ncapture);

    info->loop = l;
    info->active = NEW_N(ad->tmp, bool, l->n + 1);
    info->cot = NEW_N(ad->tmp, Val, l->n + 1);
    info->capture = NEW_N(ad->tmp, Val, ncapture + 1);
    for (int k = 0; k < ncapture; k++)
        if (dtype_real(capture[k]->type.dt))
            info->capture[info->ncapture++] = capture[k];
    info->body = walk_collect(ad->tmp, l->next, l->n, l, false, &info->nbody);
    VEC_PUSH(ad->tmp, &ad->loop, info);
    return info;
}

/* ---- activity ---- */

static void mark_body(Ad *ad, LoopInfo *info);

static bool has_active_source(Ad *ad, Val y)
{
    if (y->op == OP_proj)
        return walk_edge(y, 0) &&
               walk_loop(ad, y->src[0])->active[y->attr.i[0]];
    if (y->op == OP_loop) {
        LoopInfo *info = walk_loop(ad, y);
        mark_body(ad, info);
        for (int k = 0; k < info->loop->n; k++)
            if (info->active[k])
                return true;
        return false;
    }
    for (int k = 0; k < y->nsrc; k++)
        if (walk_edge(y, k) && walk_flag(ad, y->src[k], WALK_ACTIVE))
            return true;
    return false;
}

static void mark_active(Ad *ad, Val y)
{
    if (has_active_source(ad, y))
        ad->flag[y->id] |= WALK_ACTIVE | WALK_DEEP;
}

static bool mark_variables(Ad *ad, LoopInfo *info)
{
    Loop *l = info->loop;
    bool changed = false;

    for (int k = 0; k < l->n; k++) {
        if (info->active[k] || !dtype_real(l->var[k]->type.dt))
            continue;
        if (!walk_flag(ad, l->init[k], WALK_ACTIVE) &&
            !walk_flag(ad, l->next[k], WALK_ACTIVE))
            continue;
        info->active[k] = changed = true;
        ad->flag[l->var[k]->id] |= WALK_ACTIVE;
    }
    return changed;
}

/* Which variables of a loop are active: the smallest set closed under
 * next[k] depending on an active variable or capture. */
static void mark_body(Ad *ad, LoopInfo *info)
{
    do {
        for (int k = 0; k < info->nbody; k++)
            mark_active(ad, info->body[k]);
    } while (mark_variables(ad, info));
}

Val *walk_mark(Ad *ad, const Val *root, int nroot, const Val *wrt, int nwrt,
               int *n)
{
    Val *node = walk_collect(ad->tmp, root, nroot, ad->inside, false, n);

    for (int k = 0; k < *n; k++)
        ad->flag[node[k]->id] |= WALK_REACHED;
    for (int k = 0; k < nwrt; k++)
        if (wrt[k]->id < ad->n)
            ad->flag[wrt[k]->id] |= WALK_ACTIVE | WALK_ASKED;
    if (ad->inside) // captured values are leaves, whatever they are made of
        for (int k = 0; k < nwrt; k++)
            if (wrt[k]->id < ad->n && !ir_inside(wrt[k], ad->inside))
                ad->flag[wrt[k]->id] |= WALK_REACHED;
    for (int k = 0; k < *n; k++)
        mark_active(ad, node[k]);
    return node;
}

bool walk_run(Ad *ad, const Val *root, const Val *droot, int nroot,
              const Val *wrt, int nwrt, Val *out)
{
    int n;
    Val *node = walk_mark(ad, root, nroot, wrt, nwrt, &n);

    for (int k = 0; k < nroot; k++)
        ad_add(ad, root[k], droot[k]);
    while (n-- > 0 && !ad->failed) {
        Val y = node[n];
        Span before;

        if (!(ad->flag[y->id] & WALK_DEEP))
            continue;
        before = ir_within(ad->g, y->span);
        if (y->op == OP_loop)
            vjp_loop(ad, y, NULL);
        else if (ad->adj[y->id])
            rule[y->op](ad, y, ad->adj[y->id]);
        ir_within(ad->g, before);
    }
    for (int k = 0; k < nwrt; k++)
        out[k] = wrt[k]->id < ad->n ? ad->adj[wrt[k]->id] : NULL;
    return !ad->failed;
}

/* ---- the two questions others ask ---- */

static bool check_shared(Ad *ad, Val e, Val v)
{
    if (!e->type.batched || v->type.batched || !ad_wants(ad, v))
        return true;
    ad->failed = true;
    if (!ad->d)
        return false;
    diag_error(ad->d, ad->at, "gradient of a per-example value in %s%s%s, "
               "which all examples share", v->name ? "\"" : "",
               v->name ? v->name : "a value", v->name ? "\"" : "");
    diag_help(ad->d, "say how the examples are combined: batch_mean(...) or "
              "batch_sum(...) of the first argument");
    return false;
}

bool ad_grads(Graph *g, Val e, const Val *wrt, int n, Val *out, Diag *d,
              Span at)
{
    Arena *tmp = arena_new();
    Ad *ad = walk_new(g, tmp, NULL, d, at);
    Val one = ir_const(g, e->type.dt, 1);
    bool ok;

    if (e->type.shape.rank || !dtype_real(e->type.dt))
        internal_error("gradient of %s", type_text(tmp, e->type));
    ok = walk_run(ad, &e, &one, 1, wrt, n, out);
    for (int k = 0; k < n && ok; k++)
        ok = check_shared(ad, e, wrt[k]);
    for (int k = 0; k < n; k++) {
        if (!out[k])
            out[k] = ir_like(g, wrt[k], 0);
        if (wrt[k]->type.batched)
            out[k] = ir_spread(g, out[k]);
    }
    arena_free(tmp);
    return ok;
}

/* An op through which no gradient passes although v matters to it. */
static bool stops(Val y, Val v, const Loop *inside)
{
    bool flat = op_info[y->op].grad == GRAD_ZERO &&
                op_info[y->op].attr != ATTR_RAND;

    if (y->op == OP_cast && dtype_real(y->type.dt) &&
        !dtype_real(y->src[0]->type.dt))
        flat = true;
    return y->nsrc > 0 && flat && (inside || ir_reaches(y, v));
}

static Val find_stop(Ad *ad, const Val *root, int nroot, Val v,
                     const Loop *inside)
{
    int n;
    Val *node = walk_collect(ad->tmp, root, nroot, inside, false, &n);
    Val found = NULL;

    for (int k = n; k-- > 0;) {
        Val y = node[k], in = NULL;
        if (y->op == OP_loop)
            in = find_stop(ad, y->attr.loop->next, y->attr.loop->n, v,
                           y->attr.loop);
        else if (stops(y, v, inside))
            in = y;
        if (in && (!found || found->op == OP_stop_gradient))
            found = in;
    }
    return found;
}

bool ad_active(Val e, Val v, Val *blocked)
{
    Arena *tmp = arena_new();
    uint32_t top = e->id > v->id ? e->id : v->id;
    Ad ad = {.tmp = tmp, .n = top + 1};
    int n;

    ad.adj = NEW_N(tmp, Val, ad.n);
    ad.flag = NEW_N(tmp, unsigned char, ad.n);
    walk_mark(&ad, &e, 1, &v, 1, &n);
    bool active = ad_wants(&ad, v) && walk_flag(&ad, e, WALK_ACTIVE);
    if (blocked)
        *blocked = find_stop(&ad, &e, 1, v, NULL);
    arena_free(tmp);
    return active;
}
