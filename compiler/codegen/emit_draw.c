/*
 * emit_draw.c -- what the runtime computes: random draws, and how solves went.
 */
#include "codegen/host.h"

/* The key's value; for a per-example key that of `example`. */
static LLVMValueRef key_value(Host *h, const Kernel *k, Val key,
                              LLVMValueRef example)
{
    Emit *e = h->e;
    int read = emit_find_read(k, key);
    LLVMValueRef at;

    if (read < 0 && key->op != OP_const)
        internal_error("a key of a random draw has no buffer");
    if (read < 0)
        return host_small(e, (int64_t)key->attr.f);
    at = host_address(h, k->read[read]);
    if (key->type.batched)
        at = host_element(e, e->i32, at, example);
    return LLVMBuildLoad2(e->b, e->i32, at, "");
}

/* Draws for `examples` examples (0: a shared value) to dst. */
static void draw(Host *h, const Kernel *k, LLVMValueRef call, LLVMValueRef dst,
                 LLVMValueRef examples, LLVMValueRef example)
{
    Emit *e = h->e;
    Val v = k->core;
    bool order = v->op == OP_permutation;
    const char *name = order ? "rnn_fill_permutation"
                       : v->op == OP_uniform ? "rnn_fill_uniform"
                                             : "rnn_fill_normal";
    LLVMValueRef x[8];
    int n = 0;

    for (int i = 0; i < v->nsrc; i++)
        LLVMBuildStore(e->b, key_value(h, k, v->src[i], example),
                       host_element(e, e->i32, h->keys, emit_int(e, i)));
    x[n++] = call;
    x[n++] = dst;
    if (!order)
        x[n++] = host_small(e, v->type.dt);
    x[n++] = examples;
    x[n++] = emit_int(e, shape_size(v->type.shape));
    x[n++] = emit_int(e, v->attr.i[0]);
    x[n++] = h->keys;
    x[n++] = host_small(e, v->nsrc);
    host_runtime(e, name, e->voidt, x, n);
}

/* Per-example keys: a call for each example, on a copy of the call that has
 * only this one. */
static void draw_each(Host *h, const Kernel *k, LLVMValueRef dst)
{
    Emit *e = h->e;
    Val v = k->core;
    int64_t size = shape_size(v->type.shape);
    LLVMValueRef one = emit_int(e, 1), index, at, field;
    EmitLoop l;

    LLVMBuildMemCpy(e->b, h->copy, 8, h->call, 8,
                    emit_int(e, sizeof(RnnCall)));
    index = LOAD_FIELD(e, h->call, e->ptr, index);
    l = emit_loop(e, h->fn, emit_int(e, 0), h->n, 1, "example");
    field = host_bytes(e, h->copy, emit_int(e, offsetof(RnnCall, index)));
    LLVMBuildStore(e->b, host_element(e, e->i32, index, l.i), field);
    at = host_element(e, emit_mem_type(e, v->type.dt), dst,
                    emit_index_mul(e, l.i, size));
    draw(h, k, h->copy, at, one, l.i);
    emit_loop_end(e, &l);
}

/* dst filled by the runtime. */
void host_draw(Host *h, const Kernel *k)
{
    Emit *e = h->e;
    Val v = k->core;
    LLVMValueRef dst = host_address(h, k->dst), f[6], start;
    bool each = false;

    for (int i = 0; i < v->nsrc; i++)
        each = each || v->src[i]->type.batched;
    start = host_call(e, HOST_START, &h->call, 1);
    if (each)
        draw_each(h, k, dst);
    else
        draw(h, k, h->call, dst, v->type.batched ? h->n : emit_int(e, 0), NULL);
    f[0] = h->call;
    f[1] = host_small(e, k->id);
    f[2] = dst;
    f[3] = host_small(e, host_probe(v->type));
    f[4] = host_count(h, v->type);
    f[5] = start;
    host_call(e, HOST_FINISH, f, 6);
}

/* dst[i] = (code[i] == 1), by the runtime, which keeps the first other one. */
void host_solved(Host *h, const Kernel *k)
{
    Emit *e = h->e;
    LLVMValueRef x[8];

    x[0] = h->call;
    x[1] = host_small(e, k->id);
    for (int i = 0; i < 2; i++) {
        int read = emit_find_read(k, k->core->src[i]);
        if (read < 0)
            internal_error("how a solve went has no buffer");
        x[2 + 2 * i] = host_address(h, k->read[read]);
        x[3 + 2 * i] = emit_int(e, k->core->src[i]->type.batched ? 5 * i + 1
                                                                 : 0);
    }
    x[6] = host_address(h, k->dst);
    x[7] = k->core->type.batched ? h->n : emit_int(e, 0);
    host_runtime(e, "rnn_solved", e->voidt, x, 8);
}
