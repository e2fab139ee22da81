/*
 * vjp_index.c -- rules of indexing, sorting and running sums.
 */
#include "autodiff/walk.h"

/* y = x[i]:  dx = dy added up at i */
void vjp_take(Ad *ad, Val y, Val dy)
{
    Val x = y->src[0], i = y->src[1];
    Attr rows = {.n = 1, .i = {x->type.shape.dim[0]}};

    ad_add(ad, x, ir_node(ad_graph(ad), OP_scatter_add, &rows,
                          (Val[]){i, dy}, 2));
}

/* Do several examples write into one shared value? */
static bool is_shared_write(Val y)
{
    return !y->src[0]->type.batched &&
           (y->src[1]->type.batched || y->src[2]->type.batched);
}

/*
 * bool, shaped like i: did this write of put survive? Each write puts its own
 * number; it survived if it can be read back. Examples that write into a
 * shared value are told apart by their "index".
 */
static Val survived(Graph *g, Val y)
{
    Val x = y->src[0], i = y->src[1];
    Shape one = shape_of(1, shape_size(i->type.shape));
    Val number = ir_reshape(g, ir_iota(g, one.dim[0]), i->type.shape);
    Shape rows = shape_of(1, x->type.shape.dim[0]);
    Val table = ir_fill(g, DT_i32, -1, rows);

    if (x->type.batched)
        table = ir_spread(g, table);
    else if (is_shared_write(y)) {
        Val example = ir_input(g, INPUT_CLOCK, "index",
                               type_of(DT_i32, true, shape_of(0)));
        Val size = ir_const(g, DT_i32, (double)one.dim[0]);
        number = ir_add(g, number, ir_broadcast_to(g,
                        ir_mul(g, example, size), i->type.shape));
    }
    table = ir_op3(g, OP_put, table, i, number);
    return ir_eq(g, ir_op2(g, OP_take, table, i), number);
}

/* y = x with x[i] = v:  dx = dy with dx[i] = 0, dv = dy[i] where v survived */
void vjp_put(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val x = y->src[0], i = y->src[1], v = y->src[2];

    if (ad_wants(ad, x)) {
        Val none = ir_like(g, v, 0);
        if (is_shared_write(y))
            none = ir_spread(g, none);
        ad_add(ad, x, ir_op3(g, OP_put, dy, i, none));
    }
    if (!ad_wants(ad, v))
        return;
    Val dv = ir_op2(g, OP_take, dy, i);
    if (i->type.shape.rank || is_shared_write(y)) {
        int place[RANK_MAX] = {0, 1, 2, 3, 4, 5};
        Val here = ir_broadcast(g, survived(g, y), dv->type.shape, place);
        dv = ir_select(g, here, dv, ir_like(g, dv, 0));
    }
    ad_add(ad, v, dv);
}

/* y = zeros with v added at i:  dv = dy[i] */
void vjp_scatter_add(Ad *ad, Val y, Val dy)
{
    ad_add(ad, y->src[1], ir_op2(ad_graph(ad), OP_take, dy, y->src[0]));
}

/*
 * y = sort(x), that is y[j] = x[p[j]] with p = argsort(x):  dx[p[j]] = dy[j]
 * The sorted dim is moved last; places count over the whole value, so that
 * one scatter serves all rows.
 */
void vjp_sort(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    Val x = y->src[0];
    int axis = (int)y->attr.i[0], rank = x->type.shape.rank;
    int last[RANK_MAX], home[RANK_MAX], n = 0;

    for (int k = 0; k < rank; k++)
        if (k != axis)
            last[n++] = k;
    last[n] = axis;
    for (int k = 0; k < rank; k++)
        home[last[k]] = k;

    Val p = ir_transpose(g, ir_axis(g, OP_argsort, x, axis), last);
    int64_t len = x->type.shape.dim[axis], all = shape_size(x->type.shape);
    Shape rows = shape_of(2, all / len, len), flat = shape_of(1, all);
    Val start = ir_mul(g, ir_iota(g, all / len),
                       ir_fill(g, DT_i32, (double)len, shape_of(1, all / len)));
    p = ir_add(g, ir_reshape(g, p, rows),
               ir_broadcast(g, start, rows, (int[]){0}));

    Val from = ir_transpose(g, dy, last);
    Attr size = {.n = 1, .i = {all}};
    Val dx = ir_node(g, OP_scatter_add, &size,
                     (Val[]){ir_reshape(g, p, flat),
                             ir_reshape(g, from, flat)}, 2);
    ad_add(ad, x, ir_transpose(g, ir_reshape(g, dx, from->type.shape), home));
}

/* y_j = x_0 + .. + x_j:  dx_j = dy_j + dy_{j+1} + .. */
void vjp_cumsum(Ad *ad, Val y, Val dy)
{
    Graph *g = ad_graph(ad);
    int axis = (int)y->attr.i[0];
    Val back = ir_reverse(g, dy, &axis, 1);

    back = ir_axis(g, OP_cumsum, back, axis);
    ad_add(ad, y->src[0], ir_reverse(g, back, &axis, 1));
}
