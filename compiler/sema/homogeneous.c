/*
 * homogeneous.c -- the order of homogeneity of each net, and what programs ask
 * of a net: its parameters, by layer, and that order.
 *
 * The first call of a net that stays (not a trial) is analysed by
 * ir/degree.c: a group is what one layer holds, the net's arguments are the
 * input. `homogeneous` after a net's header is a promise: where the analysis
 * fails, the operation that broke it is an error.
 */
#include "sema/builtin.h"

#include <math.h>
#include <string.h>

#include "ir/degree.h"

typedef struct Groups {
    Elab *e;
    const Frame *f;
    VEC(const char *) path;
} Groups;

/* "f.conv1" of "f.conv1.weight"; "f.w" of itself: the net's own. */
static const char *group_path(const char *path)
{
    const char *first = strchr(path, '.'), *last = strrchr(path, '.');

    return first == last ? intern(path)
                         : intern_n(path, (size_t)(last - path));
}

static bool is_parameter(Elab *e, Val v)
{
    int var = v->op == OP_input && v->attr.i[0] == INPUT_VAR
                  ? var_find(e, v->attr.s) : -1;

    return var >= 0 && e->u->var.at[var].is_param;
}

static int group_of(Groups *g, const char *name)
{
    for (int k = 0; k < g->path.n; k++)
        if (g->path.at[k] == name)
            return k;
    VEC_PUSH(g->e->a, &g->path, name);
    return g->path.n - 1;
}

static bool is_argument(const Frame *f, Val v)
{
    const Ast *formals = formals_of(f->decl);

    for (int k = 0; k < formals->n; k++)
        for (int i = 0; i < f->bind.n; i++)
            if (f->bind.at[i].name == formals->kid[k]->text &&
                f->bind.at[i].v.kind == V_TENSOR &&
                f->bind.at[i].v.val == v)
                return dtype_real(v->type.dt);
    return false;
}

static int leaf(void *user, Val v)
{
    Groups *g = user;

    if (is_parameter(g->e, v))
        return group_of(g, group_path(v->attr.s));
    if (is_argument(g->f, v))
        return DEGREE_INPUT;
    return v->op == OP_input ? DEGREE_FIXED : DEGREE_INNER;
}

/* All groups are known before the degrees are counted in them. */
static void find_groups(Groups *g, Val value)
{
    for (int k = 0; k < g->e->u->var.n; k++) {
        const VarDecl *v = &g->e->u->var.at[k];
        if (v->is_param && ir_reaches(value, var_node(g->e, k)))
            group_of(g, group_path(v->path));
    }
}

/* --- the promise --------------------------------------------------------- */

static bool in_library(const Elab *e, Span at)
{
    for (int k = 0; k < e->module.n; k++)
        if (e->module.at[k]->src == at.src)
            return e->module.at[k]->library;
    return false;
}

/* The parameter that an operand only moves: of a bias. -1: none. */
static int moved_parameter(Elab *e, Val v)
{
    while (!is_parameter(e, v)) {
        if (v->nsrc != 1 || op_info[v->op].lower != LOWER_VIEW)
            return -1;
        v = v->src[0];
    }
    return var_find(e, v->attr.s);
}

static void explain(Elab *e, const NetDecl *n, Span promise)
{
    Span at = n->at->span;
    int var = -1;

    for (int k = 0; k < n->at->nsrc && var < 0; k++)
        var = moved_parameter(e, n->at->src[k]);
    if (in_library(e, at) && var >= 0)
        at = e->u->var.at[var].use;
    if (at.src == NULL)
        at = promise;
    sema_error(e, at, "\"%s\" is not homogeneous: %s here", n->name, n->why);
    if (var >= 0)
        sema_note(e, e->u->var.at[var].span, "\"%s\" is scaled once where the "
                  "other operand is scaled by every layer before",
                  e->u->var.at[var].path);
    sema_note(e, promise, "\"%s\" promises it here", n->name);
    if (var >= 0)
        sema_help(e, "a bias keeps the promise in the first layer only; "
                     "`bias: false` in the others");
}

static bool is_promised(Elab *e, Frame *f)
{
    const Ast *marker = f->decl->n > 3 ? f->decl->kid[3] : NULL;
    bool yes = marker != NULL;

    if (marker && marker->n) {
        Frame *caller = e->frame;
        e->frame = f;
        Arg c = eval_arg(e, marker->kid[0]);
        if (!need_bool(e, &c, "the condition of `homogeneous`", &yes))
            yes = false;
        e->frame = caller;
    }
    return yes;
}

static NetDecl *net_find(Elab *e, const char *name)
{
    for (int k = 0; k < e->u->net.n; k++)
        if (e->u->net.at[k].name == name)
            return &e->u->net.at[k];
    return NULL;
}

void net_order(Elab *e, Decl *fn, Frame *f, const Value *result)
{
    bool net = is_flavour(f->decl, "net") || is_flavour(f->decl, "dynamics");

    if (!net && f->decl->n > 3 && f->decl->kid[3]) {
        sema_error(e, f->decl->kid[3]->span, "only a net can promise to be "
                   "homogeneous; \"%s\" is of kind \"%s\"", fn->name,
                   f->decl->flavour);
        return;
    }
    if (!net || e->mute || result->kind != V_TENSOR ||
        net_find(e, fn->name))
        return;
    Groups g = {.e = e, .f = f};
    find_groups(&g, result->val);
    DegreeQuery q = {result->val, g.path.n, leaf, &g};
    Degrees d = ir_degrees(e->a, &q);
    NetDecl n = {.name = fn->name, .span = f->decl->name_span,
                 .promised = is_promised(e, f), .homogeneous = d.homogeneous,
                 .order = d.order, .input = d.input, .ngroup = g.path.n,
                 .group = g.path.at, .degree = d.group, .with = d.with,
                 .at = d.at, .why = d.why};
    VEC_PUSH(e->a, &e->u->net, n);
    if (n.promised && !n.homogeneous)
        explain(e, &n, f->decl->kid[3]->span);
}

/* --- what programs ask of a net ------------------------------------------ */

/* The net's name, or NULL after an error. */
static const NetDecl *called_net(Elab *e, const Arg *x)
{
    const NetDecl *n;

    if (x->v.kind == V_POISON)
        return NULL;
    if (x->v.kind != V_FN || (!is_flavour(x->v.decl->ast, "net") &&
                              !is_flavour(x->v.decl->ast, "dynamics"))) {
        sema_error(e, x->span, "a net is wanted here, not %s",
                   value_text(e, &x->v));
        return NULL;
    }
    n = net_find(e, x->v.decl->name);
    if (n == NULL && !e->mute) {
        sema_error(e, x->span, "\"%s\" has no parameters yet: it is called "
                               "nowhere before", x->v.decl->name);
        sema_help(e, "call it first; trains are read before evaluations");
    }
    return n;
}

static bool belongs(const VarDecl *v, const char *net)
{
    size_t n = strlen(net);

    return v->is_param && strncmp(v->path, net, n) == 0 && v->path[n] == '.';
}

/* parameters(f): all of them, in the order of their declaration. */
Value prim_parameters(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    const NetDecl *n = called_net(e, &arg[0]);
    VEC(Value) list = {0};

    (void)p;
    (void)at;
    for (int k = 0; n && k < e->u->var.n; k++)
        if (belongs(&e->u->var.at[k], n->name))
            VEC_PUSH(e->a, &list, value_tensor(var_node(e, k)));
    return n ? value_list(e, list.at, list.n) : POISON;
}

/* layers(f): a list for each layer, of the parameters it holds. */
Value prim_layers(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    const NetDecl *n = called_net(e, &arg[0]);
    const char *now = NULL;
    VEC(Value) all = {0}, one = {0};

    (void)p;
    (void)at;
    for (int k = 0; n && k < e->u->var.n; k++) {
        const VarDecl *v = &e->u->var.at[k];
        if (!belongs(v, n->name))
            continue;
        if (one.n && group_path(v->path) != now) {
            VEC_PUSH(e->a, &all, value_list(e, one.at, one.n));
            one.n = 0;
        }
        now = group_path(v->path);
        VEC_PUSH(e->a, &one, value_tensor(var_node(e, k)));
    }
    if (one.n)
        VEC_PUSH(e->a, &all, value_list(e, one.at, one.n));
    return n ? value_list(e, all.at, all.n) : POISON;
}

/* degree(f, otherwise?): the order of homogeneity in the parameters. */
Value prim_degree(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    const NetDecl *n = called_net(e, &arg[0]);

    (void)p;
    if (n == NULL)
        return POISON;
    if (!n->homogeneous && given(&arg[1]))
        return arg[1].v;
    if (!n->homogeneous) {
        sema_error(e, at, "\"%s\" is not homogeneous, so it has no degree",
                   n->name);
        sema_note(e, n->at->span, "%s here", n->why);
        return POISON;
    }
    return n->order == floor(n->order) ? value_int((int64_t)n->order)
                                       : value_real(n->order);
}
