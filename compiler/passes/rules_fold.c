/*
 * rules_fold.c -- elementwise ops on constants are computed by the
 * interpreter. Only one element is: a constant of any shape stays a copied
 * scalar.
 */
#include "passes/rewrite.h"

enum { SOURCES = 3 };

static Val fold(Graph *g, Val v)
{
    Arena *tmp;
    Tensor src[SOURCES], out;
    double f[SOURCES];
    Val scalar[SOURCES];

    if (!is_elementwise(v->op) || v->nsrc > SOURCES)
        return NULL;
    for (int k = 0; k < v->nsrc; k++)
        if (!is_fill(v->src[k], &f[k]))
            return NULL;
    for (int k = 0; k < v->nsrc; k++) {
        scalar[k] = ir_const(g, v->src[k]->type.dt, f[k]);
        src[k] = (Tensor){scalar[k]->type, 1, &f[k]};
    }
    tmp = arena_new();
    Val node = ir_node(g, v->op, &v->attr, scalar, v->nsrc);
    ir_eval_op(tmp, node, src, 1, 0, NULL, &out);
    double value = out.at[0];
    arena_free(tmp);
    if (v->type.dt == DT_f32)
        value = (float)value;
    return ir_fill(g, v->type.dt, value, v->type.shape);
}

static Val fold_ex(Graph *g, Shape s)
{
    Val x = ir_input(g, INPUT_VAR, "x0", type_of(DT_f64, false, s));

    return ir_add(g, ir_like(g, x, 2), ir_like(g, x, 0.5));
}

const Rule rules_fold[] = {
    RULE_FN("fold", RULE_EXACT, OP_COUNT, fold, "f(1) -> 1", fold_ex),
    RULE_END,
};
