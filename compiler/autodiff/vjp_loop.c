/*
 * vjp_loop.c -- the reverse of a loop whose greatest count is known when
 * compiling.
 *
 *     v_0 = init;  v_{i+1} = next(v_i, i, c)  for i = 0 .. n-1;  proj = v_n
 *
 * with captured values c. Going back from i = n-1,
 *
 *     dv_i = (d next / d v)^T dv_{i+1},   dc += (d next / d c)^T dv_{i+1}
 *
 * is a loop again: it carries dv and dc and needs v_i. A second forward loop
 * records what is needed of v_i at the start of each pass (a tape: a carried
 * buffer [n, ...] with put); the backward loop takes it and rebuilds from it
 * what its body needs. A loop that is to be kept also has tapes of the
 * contractions in its body, by which next was computed. Being loops with constant counts, both can be
 * differentiated in turn. Where a variable ends the loop, the second forward
 * loop counts its passes, and the backward loop ends after as many. What the
 * plain loop and the taped one have in
 * common is computed once after passes/loops.c.
 */
#include "autodiff/walk.h"

#include <string.h>

/* y = variable k of a loop after its last pass: noted for the loop's rule */
void vjp_proj(Ad *ad, Val y, Val dy)
{
    walk_loop(ad, y->src[0])->cot[y->attr.i[0]] = dy;
}

typedef struct Back { // one loop being reversed
    Ad *ad; // the walk it was met in
    Arena *tmp;
    Graph *g;
    LoopInfo *info;
    Loop *l;
    int64_t count;
    bool *live;  // [n] does dv of k take part
    Val *seed;   // [n] stands for dv of k at the end of a pass
    int nc;
    Val *c;      // captures whose adjoint is wanted
    Val *dv;     // [n] dv of k at the start of the pass
    Val *dc;     // [nc] what a pass adds to dc
    bool *taped; // [n] is v needed
    Val *tape;   // [n]
    int nkept;   // values of a pass that are recorded, not computed again
    Val *kept, *kept_tape;
    Val passes;  // how many there were; NULL: count
} Back;

/* Variables whose adjoint can be other than 0: those with a cotangent, and
 * those the next value of such a one depends on. */
static void find_live(Back *b)
{
    bool changed = true;

    for (int k = 0; k < b->l->n; k++)
        b->live[k] = b->info->cot[k] && b->info->active[k];
    while (changed) {
        VEC(Val) root = {0};
        int n;
        changed = false;
        for (int k = 0; k < b->l->n; k++)
            if (b->live[k])
                VEC_PUSH(b->tmp, &root, b->l->next[k]);
        Val *node = walk_collect(b->tmp, root.at, root.n, b->l, false, &n);
        for (int i = 0; i < n; i++) {
            int64_t k = node[i]->attr.i[0];
            if (node[i]->op != OP_loopvar || node[i]->attr.loop != b->l ||
                k < 0 || b->live[k] || !b->info->active[k])
                continue;
            b->live[k] = changed = true;
        }
    }
}

/* The walk of the body, with inputs of no meaning standing for dv. */
static bool walk_body(Back *b)
{
    Loop *l = b->l;
    Val *root = NEW_N(b->tmp, Val, l->n + 1);
    Val *seed = NEW_N(b->tmp, Val, l->n + 1);
    Val *wrt = NEW_N(b->tmp, Val, l->n + b->nc + 1);
    Val *out = NEW_N(b->tmp, Val, l->n + b->nc + 1);
    int nroot = 0, nwrt = 0;

    for (int k = 0; k < l->n; k++) {
        if (!b->live[k])
            continue;
        b->seed[k] = ir_input(b->g, INPUT_VAR,
                              internf("adjoint %u.%d", l->id, k),
                              l->var[k]->type);
        root[nroot] = l->next[k];
        seed[nroot++] = b->seed[k];
        wrt[nwrt++] = l->var[k];
    }
    for (int k = 0; k < b->nc; k++)
        wrt[nwrt++] = b->c[k];

    Ad *body = walk_new(b->g, b->tmp, l, b->ad->d, b->ad->at);
    bool ok = walk_run(body, root, seed, nroot, wrt, nwrt, out);
    nwrt = 0;
    for (int k = 0; k < l->n; k++)
        if (b->live[k])
            b->dv[k] = out[nwrt++];
    for (int k = 0; k < b->nc; k++)
        b->dc[k] = out[nwrt++];
    return ok;
}

static Val zero_like(Graph *g, Val v)
{
    Val zero = ir_like(g, v, 0);

    return v->type.batched ? ir_spread(g, zero) : zero;
}

/* Contractions that the results of the walk need and no adjoint is part of. */
static void find_kept(Back *b, Val *node, int n)
{
    b->kept = NEW_N(b->tmp, Val, n + 1);
    b->kept_tape = NEW_N(b->tmp, Val, n + 1);
    for (int i = 0; b->l->keep && i < n; i++) {
        Val v = node[i];
        bool before = (v->op == OP_conv || v->op == OP_dot) &&
                      v->region == b->l && v->type.shape.rank < RANK_MAX;
        for (int k = 0; before && k < b->l->n; k++)
            before = b->seed[k] == NULL || !ir_reaches(v, b->seed[k]);
        if (before)
            b->kept[b->nkept++] = v;
    }
}

/* Which v_i the results of the walk are made of. A variable that never
 * changes is its initial value. */
static void find_taped(Back *b)
{
    VEC(Val) root = {0};
    int n;

    for (int k = 0; k < b->l->n; k++)
        if (b->dv[k])
            VEC_PUSH(b->tmp, &root, b->dv[k]);
    for (int k = 0; k < b->nc; k++)
        if (b->dc[k])
            VEC_PUSH(b->tmp, &root, b->dc[k]);
    Val *node = walk_collect(b->tmp, root.at, root.n, b->l, true, &n);
    for (int i = 0; i < n; i++) {
        int64_t k = node[i]->attr.i[0];
        if (node[i]->op == OP_loopvar && node[i]->attr.loop == b->l &&
            k >= 0 && b->l->next[k] != b->l->var[k])
            b->taped[k] = true;
    }
    find_kept(b, node, n);
}

static Val empty_tape(Back *b, Val v)
{
    Shape s = v->type.shape;

    if (s.rank == RANK_MAX)
        return NULL;
    memmove(s.dim + 1, s.dim, sizeof s.dim[0] * (size_t)s.rank++);
    s.dim[0] = b->count;
    Val zero = ir_fill(b->g, v->type.dt, 0, s);
    return v->type.batched ? ir_spread(b->g, zero) : zero;
}

/* The forward loop again, with tapes. False if a value has too many dims. */
static bool run_taped(Back *b)
{
    Loop *l = b->l;
    int n = l->n, *of = NEW_N(b->tmp, int, l->n + 1);
    int most = 2 * l->n + b->nkept + 2;
    Val *init = NEW_N(b->tmp, Val, most);
    Val *next = NEW_N(b->tmp, Val, most);
    Type *type = NEW_N(b->tmp, Type, most);

    for (int k = 0; k < l->n; k++) {
        init[k] = l->init[k];
        type[k] = l->var[k]->type;
        if (!b->taped[k])
            continue;
        init[n] = empty_tape(b, l->var[k]);
        if (!init[n])
            return false;
        type[n] = init[n]->type;
        of[n++ - l->n] = k;
    }
    if (n == l->n && l->until < 0)
        return true;
    int kept = n;
    for (int k = 0; k < b->nkept; k++) {
        init[n] = empty_tape(b, b->kept[k]);
        type[n] = init[n]->type;
        n++;
    }
    int passes = n;
    if (l->until >= 0) {
        init[n] = ir_const(b->g, DT_i32, 0);
        type[n] = init[n]->type;
        n++;
    }

    Loop *to = ir_loop_open(b->g, l->count, init, n, type, l->depth, l->span);
    to->until = l->until;
    to->keep = l->keep;
    Subst *s = ir_subst_new(b->g, b->tmp, l->depth);
    ir_subst_set(s, l->index, to->index);
    for (int k = 0; k < l->n; k++) {
        ir_origin(b->g, to->var[k], l->var[k]->span, l->var[k]->name);
        ir_subst_set(s, l->var[k], to->var[k]);
    }
    for (int k = 0; k < l->n; k++)
        next[k] = ir_subst(s, l->next[k]);
    for (int k = 0; k < b->nkept; k++)
        next[kept + k] = ir_op3(b->g, OP_put, to->var[kept + k], to->index,
                                ir_subst(s, b->kept[k]));
    for (int k = l->n; k < kept; k++)
        next[k] = ir_op3(b->g, OP_put, to->var[k], to->index,
                         to->var[of[k - l->n]]);
    if (passes < n)
        next[passes] = ir_add(b->g, to->index, ir_const(b->g, DT_i32, 1));
    Val node = ir_loop_close(b->g, to, next);
    for (int k = 0; k < b->nkept; k++)
        b->kept_tape[k] = ir_proj(b->g, node, kept + k);
    for (int k = l->n; k < kept; k++)
        b->tape[of[k - l->n]] = ir_proj(b->g, node, k);
    if (passes < n)
        b->passes = ir_proj(b->g, node, passes);
    return true;
}

static int back_depth(const Back *b)
{
    int depth = walk_loop_depth(b->l->node->region);

    for (int k = 0; k < b->l->n; k++)
        if (b->info->cot[k] &&
            walk_loop_depth(b->info->cot[k]->region) > depth)
            depth = walk_loop_depth(b->info->cot[k]->region);
    return depth + 1;
}

/* Carried: dv of the live variables, then dc. Passes count from 0, so the
 * pass undone is n-1 minus the index. */
static void run_back(Back *b)
{
    Graph *g = b->g;
    Loop *l = b->l;
    int n = 0;
    Val *init = NEW_N(b->tmp, Val, l->n + b->nc + 2);
    Type *type = NEW_N(b->tmp, Type, l->n + b->nc + 2);
    Val zero = ir_const(g, DT_i32, 0), one = ir_const(g, DT_i32, 1);
    Val last = b->passes ? ir_sub(g, b->passes, one)
                         : ir_const(g, DT_i32, (double)b->count - 1);
    int until = -1;

    for (int k = 0; k < l->n; k++)
        if (b->live[k])
            init[n++] = b->info->cot[k] ? b->info->cot[k]
                                        : zero_like(g, l->var[k]);
    for (int k = 0; k < b->nc; k++)
        if (b->dc[k])
            init[n++] = zero_like(g, b->c[k]);
    if (b->passes) {
        until = n;
        init[n++] = ir_le(g, b->passes, zero);
    }
    for (int k = 0; k < n; k++)
        type[k] = init[k]->type;

    int depth = back_depth(b), at = 0;
    Loop *to = ir_loop_open(g, l->count, init, n, type, depth, l->span);
    to->until = until;
    Val pass = ir_sub(g, last, to->index);
    Subst *s = ir_subst_new(g, b->tmp, depth);
    Val *next = init;

    ir_subst_set(s, l->index, pass);
    for (int k = 0; k < l->n; k++) {
        if (b->tape[k])
            ir_subst_set(s, l->var[k], ir_op2(g, OP_take, b->tape[k], pass));
        else
            ir_subst_set(s, l->var[k], l->init[k]);
        if (b->live[k])
            ir_subst_set(s, b->seed[k], to->var[at++]);
    }
    for (int k = 0; k < b->nkept; k++)
        ir_subst_set(s, b->kept[k], ir_op2(g, OP_take, b->kept_tape[k], pass));
    n = 0;
    for (int k = 0; k < l->n; k++)
        if (b->live[k])
            next[n++] = b->dv[k] ? ir_subst(s, b->dv[k])
                                 : zero_like(g, l->var[k]);
    for (int k = 0; k < b->nc; k++)
        if (b->dc[k]) {
            next[n] = ir_add(g, to->var[n], ir_subst(s, b->dc[k]));
            n++;
        }

    if (until >= 0)
        next[n++] = ir_le(g, last, to->index);

    Val node = ir_loop_close(g, to, next);
    n = 0;
    for (int k = 0; k < l->n; k++)
        if (b->live[k])
            ad_add(b->ad, l->init[k], ir_proj(g, node, n++));
    for (int k = 0; k < b->nc; k++)
        if (b->dc[k])
            ad_add(b->ad, b->c[k], ir_proj(g, node, n++));
}

static void refuse(Ad *ad, const Loop *l, const char *why, const char *help)
{
    ad->failed = true;
    if (!ad->d)
        return;
    diag_error(ad->d, ad->at, "cannot differentiate through this loop: %s",
               why);
    diag_note(ad->d, l->span, "the loop is here");
    diag_help(ad->d, "%s", help);
}

/* y = the loop, with the adjoints of its projs noted: see above */
void vjp_loop(Ad *ad, Val y, Val dy)
{
    LoopInfo *info = walk_loop(ad, y);
    Loop *l = info->loop;
    Back b = {.ad = ad, .tmp = ad->tmp, .g = ad->g, .info = info, .l = l};
    bool any = false;

    (void)dy;
    for (int k = 0; k < l->n; k++)
        any = any || (info->cot[k] && info->active[k]);
    if (!any)
        return;
    if (l->count->op != OP_const) {
        refuse(ad, l, "its count must be known when compiling",
               "write the count as a number or a const, or cut the gradient "
               "with stop_gradient");
        return;
    }
    b.count = (int64_t)l->count->attr.f;
    if (b.count <= 0) {
        for (int k = 0; k < l->n; k++)
            ad_add(ad, l->init[k], info->cot[k]);
        return;
    }
    b.live = NEW_N(b.tmp, bool, l->n);
    b.taped = NEW_N(b.tmp, bool, l->n);
    b.seed = NEW_N(b.tmp, Val, l->n);
    b.dv = NEW_N(b.tmp, Val, l->n);
    b.tape = NEW_N(b.tmp, Val, l->n);
    b.c = NEW_N(b.tmp, Val, info->ncapture + 1);
    b.dc = NEW_N(b.tmp, Val, info->ncapture + 1);
    for (int k = 0; k < info->ncapture; k++)
        if (ad_wants(ad, info->capture[k]))
            b.c[b.nc++] = info->capture[k];

    find_live(&b);
    if (!walk_body(&b)) {
        ad->failed = true;
        return;
    }
    find_taped(&b);
    if (!run_taped(&b)) {
        refuse(ad, l, "a carried value has too many dims to be recorded",
               "carry it reshaped to fewer dims");
        return;
    }
    run_back(&b);
}
