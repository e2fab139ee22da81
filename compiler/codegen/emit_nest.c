/*
 * emit_nest.c -- ops with a loop nest of their own, and what they share.
 *
 * A per-example result is made example by example, a shared one in one task.
 * Channels (the last dim) run along vectors wherever the op allows.
 */
#include "codegen/wino.h"

V nest_int(Nest *n, int64_t x)
{
    return emit_int(n->e, x);
}

V nest_add(Nest *n, V x, int64_t c)
{
    return emit_index_add(n->e, x, nest_int(n, c));
}

EmitLoop nest_loop(Nest *n, V from, V to, const char *name)
{
    return emit_loop(n->e, n->k->fn, from, to, 1, name);
}

void nest_lanes(Nest *n, int dim, int64_t extent, DType dt,
                void (*run)(Nest *n))
{
    int64_t from = 0;

    for (int lanes = emit_lanes(n->e, dt); lanes >= 1; lanes /= 2) {
        int64_t to = from + (extent - from) / lanes * lanes;
        EmitLoop l;

        if (to == from)
            continue;
        l = emit_loop(n->e, n->k->fn, nest_int(n, from), nest_int(n, to),
                      lanes, "lane");
        n->at.i[dim] = l.i;
        n->at.lanes = lanes;
        run(n);
        emit_loop_end(n->e, &l);
        from = to;
    }
    n->at.lanes = 1;
}

void nest_dims(Nest *n, Shape s, int d, int end, void (*run)(Nest *n))
{
    EmitLoop l;

    if (d >= end) {
        run(n);
        return;
    }
    l = nest_loop(n, nest_int(n, 0), nest_int(n, s.dim[d]), "dim");
    n->at.i[d] = l.i;
    nest_dims(n, s, d + 1, end, run);
    emit_loop_end(n->e, &l);
}

void nest_store(Nest *n, V x)
{
    Val root = n->k->k->root;

    if (root != n->core) {
        n->k->core = x;
        x = emit_value(n->k, root, n->at);
        n->k->core = NULL;
    }
    emit_store(n->k, root, n->at, x);
}

static void one_example(Nest *n)
{
    switch (n->core->op) {
    case OP_max_pool: case OP_pool_gather: case OP_pool_scatter:
    case OP_sum_pool: case OP_sum_pool_dx: case OP_pool_place:
        nest_pool(n);
        break;
    case OP_put: case OP_scatter_add:
        nest_rows(n);
        break;
    case OP_sort: case OP_argsort: case OP_cumsum:
        nest_axis(n);
        break;
    case OP_wino_w:
        nest_wino_w(n);
        break;
    case OP_conv_dw_wino:
        nest_conv_dw_wino(n);
        break;
    default:
        internal_error("%s has no loop nest", op_info[n->core->op].name);
    }
}

void emit_nest(KernelEmit *k)
{
    Nest n = {.k = k, .e = k->e, .core = k->k->core,
              .out = k->k->core->type.shape};
    EmitLoop l;

    n.at.lanes = 1;
    n.at.example = nest_int(&n, 0);
    for (int d = 0; d < RANK_MAX; d++)
        n.at.i[d] = nest_int(&n, 0);
    if (n.core->op == OP_conv_dx_pooled || n.core->op == OP_conv_dw_pooled) {
        (n.core->op == OP_conv_dx_pooled ? nest_conv_dx_pooled
                                         : nest_conv_dw_pooled)(&n);
        return;
    }
    if (n.core->op == OP_conv_wino) {
        nest_conv_wino(&n);
        return;
    }
    if (!n.core->type.batched) {
        one_example(&n);
        return;
    }
    l = nest_loop(&n, k->lo, k->hi, "example");
    n.at.example = l.i;
    one_example(&n);
    emit_loop_end(k->e, &l);
}
