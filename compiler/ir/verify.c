/*
 * verify.c -- legality of every node a function needs.
 *
 * A node is legal if its number of sources and its attributes give the type
 * it has, its sources are older than it, and its region is the deepest among
 * those of its sources, all of which hold it.
 */
#include "ir/graph.h"
#include "ir/print.h"

typedef struct Verify {
    Arena *tmp;
    bool grads_allowed;
    char *err;
    size_t n;
} Verify;

static bool illegal(Verify *c, Val v, const char *why)
{
    snprintf(c->err, c->n, "%s: %s", print_node(c->tmp, v), why);
    return false;
}

/* A type given rather than inferred: const, input, loopvar. */
static const char *bad_leaf(Val v, char *why, size_t n)
{
    Shape s = v->type.shape;
    const Attr *a = &v->attr;

    if (s.rank < 0 || s.rank > RANK_MAX)
        return "too many dims";
    if (!shape_check(s, why, n))
        return why;
    switch (v->op) {
    case OP_const:
        return s.rank || v->type.batched ? "a constant is a shared scalar"
                                         : NULL;
    case OP_input:
        if (a->i[0] < 0 || a->i[0] >= INPUT_COUNT || !a->s)
            return "an input of no kind";
        if (a->i[0] == INPUT_FIELD && !v->type.batched)
            return "a field is per example";
        if ((a->i[0] == INPUT_VAR || a->i[0] == INPUT_OPTION) &&
            v->type.batched)
            return "a variable or option is shared";
        return NULL;
    case OP_loopvar:
        if (!a->loop || a->i[0] < -1 || a->i[0] >= a->loop->n)
            return "a variable of no loop";
        if ((a->i[0] < 0 ? a->loop->index : a->loop->var[a->i[0]]) != v)
            return "not the variable its loop has";
        return NULL;
    default:
        return NULL;
    }
}

static bool type_ok(Verify *c, Val v)
{
    Type few[8], *type = v->nsrc > 8 ? NEW_N(c->tmp, Type, v->nsrc) : few;
    Type t;
    char why[256];
    const char *bad;

    switch (v->op) {
    case OP_const:
    case OP_input:
    case OP_loopvar:
        bad = bad_leaf(v, why, sizeof why);
        return bad ? illegal(c, v, bad) : true;
    case OP_proj:
        if (v->nsrc != 1 || v->src[0]->op != OP_loop || v->attr.i[0] < 0 ||
            v->attr.i[0] >= v->src[0]->attr.loop->n)
            return illegal(c, v, "no value of a loop");
        t = v->src[0]->attr.loop->var[v->attr.i[0]]->type;
        break;
    default:
        for (int k = 0; k < v->nsrc; k++)
            type[k] = v->src[k]->type;
        if (!ir_infer(v->op, &v->attr, type, v->nsrc, &t, why, sizeof why))
            return illegal(c, v, why);
    }
    if (op_info[v->op].attr == ATTR_RAND && dtype_real(t.dt) &&
        dtype_real(v->type.dt))
        t.dt = v->type.dt;
    if (!type_eq(t, v->type))
        return illegal(c, v, arena_printf(c->tmp, "the type should be %s",
                                          type_text(c->tmp, t)));
    return true;
}

/* Is `used` visible where v stands, and older? */
static bool source_ok(Verify *c, Val v, Val used)
{
    if (used->id >= v->id)
        return illegal(c, v, "a source is younger than its user");
    if (!loop_within(v->region, used->region))
        return illegal(c, v, "a value of a loop is used outside the loop");
    return true;
}

static bool loop_ok(Verify *c, Val v)
{
    Loop *l = v->attr.loop;
    Loop *region = l->count->region;
    int ncapture;
    Val *capture = ir_captures(c->tmp, l, &ncapture);

    if (l->node != v || l->outer != v->region || v->nsrc != l->n + 1 ||
        v->src[0] != l->count)
        return illegal(c, v, "loop and node do not belong together");
    if (!type_eq(l->count->type, type_of(DT_i32, false, shape_of(0))))
        return illegal(c, v, "the count is no shared i32 scalar");
    if (l->until >= l->n ||
        (l->until >= 0 && !type_eq(l->var[l->until]->type,
                                   type_of(DT_bool, false, shape_of(0)))))
        return illegal(c, v, "the variable that ends it is no shared bool");
    if (v->region && v->region->depth >= l->depth)
        return illegal(c, v, "not deeper than the loop around it");
    for (int k = 0; k < l->n; k++) {
        region = deeper(region, l->init[k]->region);
        if (v->src[k + 1] != l->init[k] || l->next[k]->id >= v->id)
            return illegal(c, v, "loop and node do not belong together");
        if (!type_eq(l->init[k]->type, l->var[k]->type) ||
            !type_eq(l->next[k]->type, l->var[k]->type))
            return illegal(c, v, arena_printf(c->tmp, "variable %d is %s, "
                "its initial value %s, its next %s", k,
                type_text(c->tmp, l->var[k]->type),
                type_text(c->tmp, l->init[k]->type),
                type_text(c->tmp, l->next[k]->type)));
    }
    for (int k = 0; k < ncapture; k++) {
        region = deeper(region, capture[k]->region);
        if (!source_ok(c, v, capture[k]))
            return false;
    }
    if (region != v->region)
        return illegal(c, v, "the loop stands in the wrong loop");
    return true;
}

static bool node_ok(Verify *c, Val v)
{
    Loop *region = v->op == OP_loopvar ? v->attr.loop : NULL;

    if (v->op >= OP_COUNT)
        return illegal(c, v, "no op");
    for (int k = 0; k < v->nsrc; k++) {
        region = deeper(region, v->src[k]->region);
        if (!source_ok(c, v, v->src[k]))
            return false;
        if (v->src[k]->op == OP_loop && v->op != OP_proj)
            return illegal(c, v, "a loop is used as a value");
    }
    if (v->op != OP_loop && region != v->region)
        return illegal(c, v, "in the wrong region");
    if (v->op == OP_grad && !c->grads_allowed)
        return illegal(c, v, "a gradient is left");
    return type_ok(c, v) && (v->op != OP_loop || loop_ok(c, v));
}

static bool region_ok(Verify *c, const Val *root, int nroot, const Loop *l)
{
    int n;
    Val *v = ir_topo(c->tmp, root, nroot, l, &n);

    for (int k = 0; k < n; k++) {
        if (!node_ok(c, v[k]))
            return false;
        if (v[k]->op == OP_loop) {
            Loop *inner = v[k]->attr.loop;
            if (!region_ok(c, inner->next, inner->n, inner))
                return false;
        }
    }
    return true;
}

bool ir_verify(const Func *f, bool grads_allowed, char *err, size_t n)
{
    Verify c = {arena_new(), grads_allowed, err, n};
    bool ok = true;

    for (int k = 0; ok && k < f->nout; k++)
        if (f->out[k]->region || f->out[k]->op == OP_loop)
            ok = illegal(&c, f->out[k], "an output is no value of its own");
    ok = ok && region_ok(&c, f->out, f->nout, NULL);
    arena_free(c.tmp);
    return ok;
}
