/*
 * emit_rows.c -- put and scatter_add: rows of dim 0 written at run-time
 * indices, in order, so the last writer of a row wins.
 *
 * An index outside is clamped to the nearest row.
 */
#include "codegen/nest.h"

typedef struct Rows {
    Val i, v;     // indices and what is written there
    int64_t n;    // indices of one example
    int64_t size; // elements of a row
} Rows;

/* Address of element `x` of a value of one example. */
static V element(Nest *n, V base, Type t, V example, V x)
{
    At at = {.example = example, .flat = x, .lanes = 1};

    return emit_address(n->e, base, t, at);
}

/* First element of the row that index number k names. */
static V row_start(Nest *n, const Rows *r, V example, V k)
{
    LLVMBuilderRef b = n->e->b;
    V p = element(n, emit_base(n->k, r->i), r->i->type, example, k);
    V row = LLVMBuildLoad2(b, n->e->i32, p, "");

    row = LLVMBuildSExt(b, row, n->e->i64, "");
    row = emit_index_clamp(n->e, row, n->out.dim[0]);
    return emit_index_mul(n->e, row, r->size);
}

static V target(Nest *n, V x)
{
    return element(n, n->k->dst, n->core->type, n->at.example, x);
}

static void copy(Nest *n, V to, V from, int64_t count)
{
    unsigned align = (unsigned)dtype_bytes(n->core->type.dt);

    LLVMBuildMemCpy(n->e->b, to, align, from, align,
                    nest_int(n, count * align));
}

static void put_rows(Nest *n, const Rows *r, V example)
{
    EmitLoop l = nest_loop(n, nest_int(n, 0), nest_int(n, r->n), "row");
    V from = element(n, emit_base(n->k, r->v), r->v->type, example,
                     emit_index_mul(n->e, l.i, r->size));

    copy(n, target(n, row_start(n, r, example, l.i)), from, r->size);
    emit_loop_end(n->e, &l);
}

/* x shared: written by all examples in their order. */
static void put(Nest *n, const Rows *r)
{
    Val x = n->core->src[0];
    bool all = !n->core->type.batched &&
               (r->i->type.batched || r->v->type.batched);
    EmitLoop l;

    if (!emit_in_place(n->k->k, x))
        copy(n, target(n, nest_int(n, 0)),
             element(n, emit_base(n->k, x), x->type, n->at.example,
                     nest_int(n, 0)), shape_size(x->type.shape));
    if (!all) {
        put_rows(n, r, n->at.example);
        return;
    }
    l = nest_loop(n, nest_int(n, 0), n->k->n, "example");
    put_rows(n, r, l.i);
    emit_loop_end(n->e, &l);
}

static void scatter_add(Nest *n, const Rows *r)
{
    Emit *e = n->e;
    DType dt = n->core->type.dt;
    LLVMTypeRef t = emit_mem_type(e, dt);
    V from, to, x, y;
    EmitLoop l, c;

    LLVMBuildMemSet(e->b, target(n, nest_int(n, 0)),
                    LLVMConstInt(e->i8, 0, 0),
                    nest_int(n, shape_size(n->out) * dtype_bytes(dt)),
                    (unsigned)dtype_bytes(dt));
    l = nest_loop(n, nest_int(n, 0), nest_int(n, r->n), "row");
    to = row_start(n, r, n->at.example, l.i);
    c = nest_loop(n, nest_int(n, 0), nest_int(n, r->size), "e");
    from = emit_index_add(e, emit_index_mul(e, l.i, r->size), c.i);
    from = element(n, emit_base(n->k, r->v), r->v->type, n->at.example, from);
    x = LLVMBuildLoad2(e->b, t, from, "");
    to = target(n, emit_index_add(e, to, c.i));
    y = LLVMBuildLoad2(e->b, t, to, "");
    LLVMBuildStore(e->b, emit_merge(e, OP_sum, dt, y, x), to);
    emit_loop_end(e, &c);
    emit_loop_end(e, &l);
}

void nest_rows(Nest *n)
{
    bool is_put = n->core->op == OP_put;
    Rows r = {.i = n->core->src[is_put], .v = n->core->src[is_put + 1]};

    r.n = shape_size(r.i->type.shape);
    r.size = shape_size(n->out) / n->out.dim[0];
    if (is_put)
        put(n, &r);
    else
        scatter_add(n, &r);
}
