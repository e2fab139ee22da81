/*
 * rules.c -- the rules as a list: names, equations, and both sides of each
 * over fresh inputs, so that every rule can be printed and tested.
 */
#include "passes/rewrite.h"

static const Rule *const all[] = {
    rules_fold,   rules_exact, rules_shape,  rules_slice, rules_copy,
    rules_reduce, rules_batch, rules_stable, rules_fast,  rules_conv,
    rules_merge, rules_unpool, rules_parts};

static const Rule *get(int i)
{
    for (size_t s = 0; s < ARRAY_LEN(all); s++)
        for (const Rule *r = all[s]; r->name; r++)
            if (i-- == 0)
                return r;
    internal_error("there is no such rule");
}

int rules_count(void)
{
    int n = 0;

    for (size_t s = 0; s < ARRAY_LEN(all); s++)
        for (const Rule *r = all[s]; r->name; r++)
            n++;
    return n;
}

const char *rule_name(int i)
{
    return get(i)->name;
}

RuleClass rule_class(int i)
{
    return get(i)->cls;
}

static const char *pat_text(Arena *a, const Pat *p)
{
    static const char *const var[PAT_VARS] = {"x", "y", "z", "c", "k", "u"};
    const char *text;

    switch (p->kind) {
    case PAT_VAR:
    case PAT_ANY:
        return var[p->n];
    case PAT_CONST:
        return arena_printf(a, "%g", p->f);
    case PAT_BACK:
        return arena_printf(a, "broadcast(%s)", pat_text(a, p->kid[0]));
    default:
        text = op_info[p->op].name;
        for (int k = 0; k < 3 && p->kid[k]; k++)
            text = arena_printf(a, "%s%s%s", text, k ? ", " : "(",
                                pat_text(a, p->kid[k]));
        return arena_printf(a, "%s)", text);
    }
}

const char *rule_text(Arena *a, int i)
{
    const Rule *r = get(i);

    if (r->text)
        return r->text;
    return arena_printf(a, "%s -> %s", pat_text(a, r->left),
                        pat_text(a, r->right));
}

/* ---- an instance of a pattern ---- */

typedef struct Instance {
    Graph *g;
    Shape shape;
    Val var[PAT_VARS];
    double k; // what stands for any constant
} Instance;

static Val instance(Instance *t, const Pat *p, DType dt, Shape s);

static Val instance_var(Instance *t, int n, DType dt, Shape s)
{
    bool batched = n != 1; // y is shared: rules hold for mixtures

    if (!t->var[n])
        t->var[n] = ir_input(t->g, batched ? INPUT_FIELD : INPUT_VAR,
                             internf("x%d", n), type_of(dt, batched, s));
    return t->var[n];
}

static Val instance_op(Instance *t, const Pat *p, DType dt, Shape s)
{
    bool logic = p->op == OP_not || p->op == OP_and || p->op == OP_or;
    Val kid[3];
    int n = 0;

    if (dt == DT_bool && !logic && p->op != OP_select)
        dt = DT_f64; // a comparison
    for (; n < 3 && p->kid[n]; n++) {
        bool cond = logic || (p->op == OP_select && n == 0);
        kid[n] = instance(t, p->kid[n], cond ? DT_bool : dt, s);
    }
    return ir_node(t->g, p->op, NULL, kid, n);
}

static Val instance(Instance *t, const Pat *p, DType dt, Shape s)
{
    int last = t->shape.rank - 1;
    Shape less = t->shape;
    int place[RANK_MAX] = {0, 1, 2, 3, 4, 5};

    less.rank--;
    less.dim[last] = 0;
    switch (p->kind) {
    case PAT_VAR:
        return instance_var(t, p->n, dt, s);
    case PAT_ANY:
        return ir_fill(t->g, dt, t->k, s);
    case PAT_CONST:
        return ir_fill(t->g, dt, p->f, s);
    case PAT_OP:
        return instance_op(t, p, dt, s);
    case PAT_REDUCE:
        return ir_reduce(t->g, p->op, instance(t, p->kid[0], dt, t->shape),
                         &last, 1);
    case PAT_BACK:
        return ir_broadcast(t->g, instance(t, p->kid[0], dt, less), t->shape,
                            place);
    }
    return NULL;
}

/* Is the root inside a reduction, that is of rank one less? */
static bool is_reduced(const Pat *p)
{
    if (p->kind == PAT_REDUCE)
        return true;
    for (int k = 0; p->kind == PAT_OP && k < 3 && p->kid[k]; k++)
        if (is_reduced(p->kid[k]))
            return true;
    return false;
}

static bool makes_bool(const Pat *p)
{
    static const Op bools[] = {OP_not, OP_and, OP_or, OP_lt,
                               OP_le,  OP_eq,  OP_ne, OP_is_finite};

    for (size_t k = 0; k < ARRAY_LEN(bools); k++)
        if (p->kind == PAT_OP && p->op == bools[k])
            return true;
    return false;
}

static Func one_output(Arena *a, Graph *g, Val v)
{
    Func f = {"rule", g, 1, NEW(a, Val), NEW(a, const char *)};

    f.out[0] = v;
    f.out_name[0] = "out";
    return f;
}

void rule_sides(Arena *a, int i, Shape s, Func *left, Func *right)
{
    static const double constants[] = {3, 4, 0.5, -2};
    const Rule *r = get(i);
    Graph *g = graph_new(a);
    Val from = NULL, to = NULL;

    for (size_t k = 0; k < ARRAY_LEN(constants) && !to; k++) {
        Instance t = {.g = g, .shape = s, .k = constants[k]};
        Shape root = s;

        if (r->left && is_reduced(r->left))
            root.dim[--root.rank] = 0;
        from = r->fn ? r->example(g, s)
                     : instance(&t, r->left,
                                makes_bool(r->left) ? DT_bool : DT_f64, root);
        // An example may hold the left side below its root.
        to = rule_apply(g, r, from);
        for (int j = 0; j < from->nsrc && !to; j++) {
            Val src[8], x = rule_apply(g, r, from->src[j]);
            if (!x || from->nsrc > 8)
                continue;
            for (int n = 0; n < from->nsrc; n++)
                src[n] = n == j ? x : from->src[n];
            to = ir_node(g, from->op, &from->attr, src, from->nsrc);
        }
    }
    if (!to)
        internal_error("rule %s does not apply to its example", r->name);
    *left = one_output(a, g, from);
    *right = one_output(a, g, to);
}
