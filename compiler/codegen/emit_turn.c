/*
 * emit_turn.c -- the squares of a transpose (loop/turn.c).
 *
 *     for the outer dims                for blocks of the run
 *       for blocks of `one`:  load rows, turn them in registers, store
 *
 * The last block of either is shifted back so that it is whole: elements are
 * then written twice, with the same value. Tasks share out the whole blocks of
 * the run, examples are tasks of their own.
 */
#include "codegen/emit.h"

typedef LLVMValueRef V;

typedef struct Squares {
    KernelEmit *k;
    Emit *e;
    const Turn *t;
    V src, dst; // first elements, of this example
    V from, to; // offsets by the outer dims
    V lo, hi;   // of the run, for this task
    LLVMTypeRef elem;
    int lanes, bytes;
} Squares;

void emit_square(Emit *e, V *x, int n)
{
    V index[64];

    for (int h = 1; h < n; h *= 2)
        for (int i = 0; i < n; i++) {
            V lo, hi;

            if (i & h)
                continue;
            for (int l = 0; l < n; l++)
                index[l] = LLVMConstInt(
                    e->i32, (unsigned)(l & h ? n + (l ^ h) : l), 0);
            lo = LLVMBuildShuffleVector(e->b, x[i], x[i + h],
                                        LLVMConstVector(index, (unsigned)n),
                                        "");
            for (int l = 0; l < n; l++)
                index[l] = LLVMConstInt(
                    e->i32, (unsigned)(l & h ? n + l : l ^ h), 0);
            hi = LLVMBuildShuffleVector(e->b, x[i], x[i + h],
                                        LLVMConstVector(index, (unsigned)n),
                                        "");
            x[i] = lo;
            x[i + h] = hi;
        }
}

static V place(Squares *s, V base, V offset)
{
    return LLVMBuildInBoundsGEP2(s->e->b, s->elem, base, &offset, 1, "");
}

static V load(Squares *s, V offset)
{
    V x = LLVMBuildLoad2(s->e->b,
                         LLVMVectorType(s->elem, (unsigned)s->lanes),
                         place(s, s->src, offset), "");

    LLVMSetAlignment(x, (unsigned)s->bytes);
    return x;
}

static void store(Squares *s, V x, V offset)
{
    V st = LLVMBuildStore(s->e->b, x, place(s, s->dst, offset));

    LLVMSetAlignment(st, (unsigned)s->bytes);
}

static V add(Squares *s, V x, V y)
{
    return emit_index_add(s->e, x, y);
}

/* Where element q of the run lies on the side on which it is none. */
static V far_offset(Squares *s, V q)
{
    const Turn *t = s->t;
    V at = emit_int(s->e, 0);

    for (int i = t->nflat; i-- > 0;) {
        V n = emit_int(s->e, t->flat[i].extent), x = q;

        if (i) {
            x = LLVMBuildURem(s->e->b, q, n, "");
            q = LLVMBuildUDiv(s->e->b, q, n, "");
        }
        at = add(s, at, emit_index_mul(s->e, x, t->stores_run
                                                    ? t->flat[i].from
                                                    : t->flat[i].to));
    }
    return at;
}

static void square(Squares *s, V p, V q, V *far)
{
    const Turn *t = s->t;
    V x[64];
    V src = add(s, s->from, t->stores_run ? p : q);
    V dst = add(s, s->to, t->stores_run ? q : p);

    for (int i = 0; i < s->lanes; i++) {
        V one = emit_index_mul(s->e, add(s, p, emit_int(s->e, i)),
                               t->one.from);

        x[i] = load(s, add(s, src, t->stores_run ? far[i] : one));
    }
    emit_square(s->e, x, s->lanes);
    for (int i = 0; i < s->lanes; i++) {
        V one = emit_index_mul(s->e, add(s, p, emit_int(s->e, i)), t->one.to);

        store(s, x[i], add(s, dst, t->stores_run ? one : far[i]));
    }
}

static void blocks(Squares *s)
{
    Emit *e = s->e;
    V n = emit_int(e, s->lanes), far[64], p, q;
    EmitLoop run = emit_loop(e, s->k->fn, s->lo, s->hi, s->lanes, "run"), one;

    run.unroll_off = true;
    q = emit_smaller(s->e, run.i, LLVMBuildSub(e->b, s->hi, n, ""));
    for (int i = 0; i < s->lanes; i++)
        far[i] = far_offset(s, add(s, q, emit_int(e, i)));
    one = emit_loop(e, s->k->fn, emit_int(e, 0), emit_int(e, s->t->one.extent),
                    s->lanes, "one");
    one.unroll_off = true;
    p = emit_smaller(s->e, one.i, emit_int(e, s->t->one.extent - s->lanes));
    square(s, p, q, far);
    emit_loop_end(e, &one);
    emit_loop_end(e, &run);
}

static void outer(Squares *s, int d)
{
    Emit *e = s->e;
    V from = s->from, to = s->to;
    EmitLoop l;

    if (d == s->t->nouter) {
        blocks(s);
        return;
    }
    l = emit_loop(e, s->k->fn, emit_int(e, 0),
                  emit_int(e, s->t->outer[d].extent), 1, "outer");
    l.unroll_off = true;
    s->from = add(s, from, emit_index_mul(e, l.i, s->t->outer[d].from));
    s->to = add(s, to, emit_index_mul(e, l.i, s->t->outer[d].to));
    outer(s, d + 1);
    emit_loop_end(e, &l);
    s->from = from;
    s->to = to;
}

/* Lanes of the squares: as many as the smaller side has. */
static int lanes_of(const Emit *e, DType dt, const Turn *t)
{
    int n = emit_lanes(e, dt);

    while (n > t->one.extent || n > t->run)
        n /= 2;
    return n;
}

/* Where tasks before number `task` end: whole squares each, but for the last,
 * which has the rest too. */
static V part_end(Squares *s, V task, int64_t tasks)
{
    LLVMBuilderRef b = s->e->b;
    V n = emit_int(s->e, s->t->run / s->lanes), all = emit_int(s->e, tasks);
    V x = LLVMBuildUDiv(b, LLVMBuildNUWMul(b, task, n, ""), all, "");

    x = LLVMBuildNUWMul(b, x, emit_int(s->e, s->lanes), "");
    return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntEQ, task, all, ""),
                           emit_int(s->e, s->t->run), x, "");
}

static void shared_part(Squares *s)
{
    int64_t tasks = s->k->k->tasks;

    s->lo = emit_int(s->e, 0);
    s->hi = emit_int(s->e, s->t->run);
    if (tasks > 1) {
        s->lo = part_end(s, s->k->lo, tasks);
        s->hi = part_end(s, s->k->hi, tasks);
    }
}

bool emit_is_turn(const Kernel *k, Turn *t)
{
    return k->kind == KERNEL_MAP && turn_of(k->root, t) &&
           k->root->type.batched == k->root->src[0]->type.batched &&
           emit_find_read(k, k->root->src[0]) >= 0;
}

void emit_turn(KernelEmit *k, const Turn *t)
{
    Emit *e = k->e;
    Val root = k->k->root;
    Squares s = {.k = k, .e = e, .t = t,
                 .elem = emit_mem_type(e, root->type.dt),
                 .lanes = lanes_of(e, root->type.dt, t),
                 .bytes = dtype_bytes(root->type.dt)};
    At at = {0};
    EmitLoop l = {0};

    for (int d = 0; d < RANK_MAX; d++)
        at.i[d] = emit_int(e, 0);
    s.from = s.to = emit_int(e, 0);
    if (!root->type.batched) {
        shared_part(&s);
    } else {
        s.lo = emit_int(e, 0);
        s.hi = emit_int(e, t->run);
        l = emit_loop(e, k->fn, k->lo, k->hi, 1, "example");
        l.unroll_off = true;
        at.example = l.i;
    }
    s.src = emit_address(e, emit_base(k, root->src[0]), root->src[0]->type, at);
    s.dst = emit_address(e, k->dst, root->type, at);
    outer(&s, 0);
    if (root->type.batched)
        emit_loop_end(e, &l);
}
