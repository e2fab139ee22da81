/*
 * index.c -- x[i], x[0 .. 3], x[:, k], and x[i] = v.
 *
 * A known index or range is a slice. An index known only at run time is a
 * `take` along its dim, which is moved to the front for it; out of range, it
 * is clamped by the op.
 */
#include "sema/elab.h"

static Value list_item(Elab *e, const Arg *list, const Ast *x)
{
    Arg at = eval_arg(e, x->kid[1]);
    int64_t k;

    if (x->n != 2)
        return sema_error(e, x->span, "a list has one subscript");
    if (at.v.kind == V_RANGE) {
        if (at.v.i < 0 || at.v.j > list->v.n || at.v.i > at.v.j)
            return sema_error(e, at.span, "%s is out of the list's range "
                              "0 .. %d", value_text(e, &at.v), list->v.n);
        return value_list(e, list->v.item + at.v.i, (int)(at.v.j - at.v.i));
    }
    if (!need_int(e, &at, "the index of a list", &k))
        return POISON;
    if (k < 0 || k >= list->v.n) {
        sema_error(e, at.span, "the index %lld is out of range: the list has "
                               "%d items", (long long)k, list->v.n);
        return POISON;
    }
    return list->v.item[k];
}

/* Drops dim k, which has size 1. */
static Val drop_dim(Elab *e, Span at, Val x, int k)
{
    Shape s = x->type.shape;

    s.rank--;
    for (int i = k; i < s.rank; i++)
        s.dim[i] = s.dim[i + 1];
    s.dim[s.rank] = 0;
    return node_reshape(e, at, x, s);
}

/* x[.., i, ..] with a run-time index at dim k. */
static Val take(Elab *e, Span at, Val x, int k, Val i)
{
    int rank = x->type.shape.rank, ri = i->type.shape.rank;
    int perm[2 * RANK_MAX];
    Val src[2];

    if (i->type.dt != DT_i32) {
        sema_error(e, at, "an index must be an int, not %s",
                   type_words(e, i->type));
        sema_help(e, "int(..) converts");
        return NULL;
    }
    if (rank - 1 + ri > RANK_MAX) {
        sema_error(e, at, "the result would have %d dims; at most %d are "
                          "possible", rank - 1 + ri, RANK_MAX);
        return NULL;
    }
    perm[0] = k;
    for (int d = 1; d < rank; d++)
        perm[d] = d <= k ? d - 1 : d;
    src[0] = node_transpose(e, at, x, perm);
    src[1] = i;
    Val y = src[0] ? node_make(e, at, OP_take, NULL, src, 2) : NULL;
    if (y == NULL || k == 0)
        return y;
    // dims of i stand first; they belong behind the first k of x
    for (int d = 0; d < rank - 1 + ri; d++)
        perm[d] = d < k ? ri + d : d < k + ri ? d - k : d;
    return node_transpose(e, at, y, perm);
}

static bool is_index(Elab *e, Span at, int64_t i, Shape s, int dim)
{
    if (i >= 0 && i < s.dim[dim])
        return true;
    sema_error(e, at, "the index %lld is out of range: this dim of %s has %lld",
               (long long)i, shape_text(e->a, s), (long long)s.dim[dim]);
    return false;
}

static bool is_range(Elab *e, Span at, int64_t lo, int64_t hi, Shape s, int dim)
{
    if (lo >= 0 && hi <= s.dim[dim] && lo < hi)
        return true;
    sema_error(e, at, "%lld .. %lld is %s: this dim of %s has %lld",
               (long long)lo, (long long)hi, lo < hi ? "out of range" : "empty",
               shape_text(e->a, s), (long long)s.dim[dim]);
    return false;
}

/* Applies subscript `sub` to dim k; *kept: does the dim stay. */
static Val subscript(Elab *e, Val x, int k, const Ast *sub, int *dims)
{
    Shape s = x->type.shape;

    *dims = 1;
    if (sub->kind == AST_whole)
        return x;
    Arg i = eval_arg(e, sub);
    if (i.v.kind == V_POISON)
        return NULL;
    if (i.v.kind == V_RANGE)
        return is_range(e, i.span, i.v.i, i.v.j, s, k)
                   ? node_slice(e, i.span, x, k, i.v.i, i.v.j, 1) : NULL;
    *dims = 0;
    if (i.v.kind == V_INT || i.v.kind == V_REAL) {
        int64_t at;
        if (!need_int(e, &i, "an index", &at) ||
            !is_index(e, i.span, at, s, k))
            return NULL;
        Val one = node_slice(e, i.span, x, k, at, at + 1, 1);
        return one ? drop_dim(e, i.span, one, k) : NULL;
    }
    Val node = need_val(e, &i, "an index");
    if (node == NULL)
        return NULL;
    *dims = node->type.shape.rank;
    return take(e, i.span, x, k, node);
}

Value index_value(Elab *e, const Ast *x)
{
    Arg object = eval_arg(e, x->kid[0]);

    if (object.v.kind == V_POISON)
        return POISON;
    if (object.v.kind == V_LIST || object.v.kind == V_TUPLE)
        return list_item(e, &object, x);
    if (object.v.kind != V_TENSOR)
        return sema_error(e, object.span, "%s cannot be indexed",
                          value_text(e, &object.v));
    Val v = object.v.val;
    if (x->n - 1 > v->type.shape.rank) {
        sema_error(e, x->span, "%d subscripts for %d dims", x->n - 1,
                   v->type.shape.rank);
        note_operand(e, &object);
        return POISON;
    }
    for (int sub = 1, dim = 0; sub < x->n; sub++) {
        int dims;
        v = subscript(e, v, dim, x->kid[sub], &dims);
        if (v == NULL)
            return POISON;
        dim += dims;
    }
    ir_origin(e->g, v, x->span, NULL);
    return value_tensor(v);
}

/* v as the rows that x[i] has, per example if need be. */
static Val rows_of(Elab *e, const Arg *v, Type x, Type i)
{
    Type row = {.dt = x.dt};

    row.shape.rank = i.shape.rank + x.shape.rank - 1;
    if (row.shape.rank > RANK_MAX) {
        sema_error(e, v->span, "the rows have %d dims; at most %d are possible",
                   row.shape.rank, RANK_MAX);
        return NULL;
    }
    for (int k = 0; k < i.shape.rank; k++)
        row.shape.dim[k] = i.shape.dim[k];
    for (int k = 1; k < x.shape.rank; k++)
        row.shape.dim[i.shape.rank + k - 1] = x.shape.dim[k];
    Value settled = draw_settle(e, v->v, &row.shape);
    row.batched = settled.kind == V_TENSOR && settled.val->type.batched;
    Val rows = node_convert(e, v->span, &settled, row);
    if (rows == NULL && settled.kind != V_POISON) {
        sema_error(e, v->span, "the value is %s where %s is wanted",
                   value_text(e, &settled), type_words(e, row));
        note_operand(e, v);
    }
    return rows;
}

/* x with v at i along dim 0. If anything is per example, all writes are. */
Value put_rows(Elab *e, Span at, const Arg *x, const Arg *i, const Arg *v)
{
    Val src[3];

    if (x->v.kind != V_TENSOR || x->v.val->type.shape.rank == 0)
        return sema_error(e, x->span, "%s cannot be assigned at an index",
                          value_text(e, &x->v));
    Type type = x->v.val->type;
    if (i->v.kind == V_INT && !is_index(e, i->span, i->v.i, type.shape, 0))
        return POISON;
    src[0] = x->v.val;
    src[1] = need_val(e, i, "an index");
    if (src[1] == NULL)
        return POISON;
    if (src[1]->type.dt != DT_i32)
        return sema_error(e, i->span, "an index must be an int, not %s",
                          type_words(e, src[1]->type));
    src[2] = rows_of(e, v, type, src[1]->type);
    if (src[2] == NULL)
        return POISON;
    if (type.batched || src[1]->type.batched || src[2]->type.batched) {
        src[1] = ir_spread(e->g, src[1]);
        src[2] = ir_spread(e->g, src[2]);
    }
    return value_tensor(node_make(e, at, OP_put, NULL, src, 3));
}

Value index_assign(Elab *e, const Ast *target, Value old, const Arg *v)
{
    Arg x = {.v = old, .span = target->kid[0]->span, .ast = target->kid[0]};

    if (target->n != 2 || target->kid[1]->kind == AST_whole)
        return sema_error(e, target->span, "only `name[i] = value` can be "
                                           "assigned, along the first dim");
    Arg i = eval_arg(e, target->kid[1]);
    if (old.kind == V_POISON || i.v.kind == V_POISON || v->v.kind == V_POISON)
        return POISON;
    return put_rows(e, target->span, &x, &i, v);
}
