/*
 * emit_pooled_list.c -- listing what is not zero in a block of channels.
 *
 * A vector of channels of one window, or of windows of one channel, is
 * squeezed to the lanes that lie at one tap and are not zero, and laid behind
 * the list; the next one overwrites what is beyond its end. AVX-512 squeezes
 * in one instruction, AVX2 by a table of permutations; elsewhere it goes lane
 * by lane.
 */
#include "codegen/pooled.h"

#include <string.h>

typedef enum { LANE_BY_LANE, BY_TABLE, BY_INSTRUCTION } Squeeze;

static Squeeze squeeze_of(const Pooled *p)
{
#if defined(__x86_64__)
    int bytes = p->e->opt.vector_bytes;

    if (bytes == 64 && p->e->opt.registers == 32)
        return BY_INSTRUCTION;
    if (bytes == 32 && p->e->opt.registers == 16 && p->dt == DT_f32)
        return BY_TABLE;
#endif
    return LANE_BY_LANE;
}

int pooled_list_lanes(const Pooled *p)
{
    return p->e->opt.vector_bytes / p->size;
}

/* For each of 256 masks the numbers of its bits, ascending. */
static V permutations(Pooled *p)
{
    Emit *e = p->e;
    V table = LLVMGetNamedGlobal(e->m, "squeeze"), row[256], c[8];
    LLVMTypeRef vec = LLVMVectorType(e->i8, 8);

    if (table)
        return table;
    for (unsigned mask = 0; mask < 256; mask++) {
        unsigned n = 0;

        for (unsigned bit = 0; bit < 8; bit++)
            if (mask & 1u << bit)
                c[n++] = LLVMConstInt(e->i8, bit, 0);
        while (n < 8)
            c[n++] = LLVMConstInt(e->i8, 0, 0);
        row[mask] = LLVMConstVector(c, 8);
    }
    table = LLVMAddGlobal(e->m, LLVMArrayType2(vec, 256), "squeeze");
    LLVMSetInitializer(table, LLVMConstArray2(vec, row, 256));
    LLVMSetGlobalConstant(table, true);
    LLVMSetLinkage(table, LLVMInternalLinkage);
    LLVMSetAlignment(table, 64);
    return table;
}

static V mask_bits(Pooled *p, V mask)
{
    unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(mask));

    mask = LLVMBuildBitCast(p->e->b, mask,
                            LLVMIntTypeInContext(p->e->c, lanes), "");
    return LLVMBuildZExt(p->e->b, mask, p->e->i64, "");
}

static V permute(Emit *e, V x, V order)
{
    const char *name = LLVMGetElementType(LLVMTypeOf(x)) == e->f32
                           ? "llvm.x86.avx2.permps"
                           : "llvm.x86.avx2.permd";
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    V fn = LLVMGetIntrinsicDeclaration(e->m, id, NULL, 0);

    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn,
                          (V[]){x, order}, 2, "");
}

static V squeeze(Pooled *p, Squeeze how, V x, V mask)
{
    Emit *e = p->e;
    LLVMTypeRef bytes = LLVMVectorType(e->i8, 8);
    V order;

    if (how == BY_INSTRUCTION)
        return vec_intrinsic(e, "llvm.x86.avx512.mask.compress",
                             (V[]){x, LLVMConstNull(LLVMTypeOf(x)), mask}, 3);
    order = LLVMBuildLoad2(e->b, bytes,
                           pooled_at(p, bytes, permutations(p),
                                     mask_bits(p, mask)), "");
    order = LLVMBuildZExt(e->b, order, LLVMVectorType(e->i32, 8), "");
    return permute(e, x, order);
}

static void put(Pooled *p, V x, V base, LLVMTypeRef t, V pos, int size)
{
    V s = LLVMBuildStore(p->e->b, x, pooled_at(p, t, base, pos));

    LLVMSetAlignment(s, (unsigned)size);
}

static V lane(Pooled *p, V x, int i)
{
    if (LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMVectorTypeKind)
        return x;
    return LLVMBuildExtractElement(p->e->b, x,
                                   LLVMConstInt(p->e->i32, (unsigned)i, 0),
                                   "");
}

/* The lanes of `mask` go behind the list; its new end. */
static V append(Pooled *p, V pos, V mask, V x, V offset)
{
    Emit *e = p->e;
    Squeeze how = squeeze_of(p);

    if (how == LANE_BY_LANE) {
        for (int i = 0; i < pooled_list_lanes(p); i++) {
            put(p, lane(p, x, i), p->values, p->elem, pos, p->size);
            put(p, lane(p, offset, i), p->offsets, e->i32, pos, 4);
            pos = LLVMBuildAdd(e->b, pos,
                               LLVMBuildZExt(e->b, lane(p, mask, i), e->i64,
                                             ""), "");
        }
        return pos;
    }
    put(p, squeeze(p, how, x, mask), p->values, p->elem, pos, p->size);
    put(p, squeeze(p, how, offset, mask), p->offsets, e->i32, pos, 4);
    return LLVMBuildAdd(e->b, pos,
                        vec_intrinsic(e, "llvm.ctpop",
                                      (V[]){mask_bits(p, mask)}, 1), "");
}

typedef struct Block { // of channels
    V o, inside;       // first one; lanes below O, NULL: all
    V starts;
    int64_t channel, row;
} Block;

static V lane_numbers(Pooled *p, int64_t step)
{
    int lanes = pooled_list_lanes(p);
    V x[64];

    for (int i = 0; i < lanes; i++)
        x[i] = LLVMConstInt(p->e->i32, (unsigned long long)(i * step), true);
    return lanes > 1 ? LLVMConstVector(x, (unsigned)lanes) : x[0];
}

static V small(Pooled *p, V x)
{
    return emit_splat(p->e, LLVMBuildTrunc(p->e->b, x, p->e->i32, ""),
                      pooled_list_lanes(p));
}

static V channels(Pooled *p, const Block *k, Val v, V i)
{
    Emit *e = p->e;
    LLVMTypeRef t = emit_type(e, v->type.dt, pooled_list_lanes(p));
    V at = pooled_at(p, emit_mem_type(e, v->type.dt), pooled_base(p, v), i);
    unsigned align = (unsigned)dtype_bytes(v->type.dt);

    if (k->inside)
        return compat_masked_load(e->m, e->b, t, at, k->inside, align);
    at = LLVMBuildLoad2(e->b, t, at, "");
    LLVMSetAlignment(at, align);
    return at;
}

/* What lies in column s of the windows (w, q). */
static V one_window(Pooled *p, const Block *k, V w, V q, V s, V at, V pos)
{
    Emit *e = p->e;
    int lanes = pooled_list_lanes(p);
    V i, x, place, live, offset;

    i = emit_index_add(e, emit_index_mul(e, w, p->Wo), q);
    i = emit_index_add(e, emit_index_mul(e, i, p->O), k->o);
    x = channels(p, k, p->dy, i);
    place = channels(p, k, p->place, i);
    live = LLVMBuildFCmp(e->b, LLVMRealUNE, x, emit_num(e, p->dt, lanes, 0),
                         "");
    for (int64_t r = 0; r < p->u.kh; r++) {
        V row = nest_add(p->n, emit_index_mul(e, w, p->u.kh), r);
        V tap = small(p, nest_add(p->n, s, r * p->u.kw)), here;

        put(p, LLVMBuildTrunc(e->b, pos, e->i32, ""), k->starts, e->i32,
            emit_index_add(e, at, row), 4);
        here = LLVMBuildICmp(e->b, LLVMIntEQ, place, tap, "");
        here = LLVMBuildAnd(e->b, here, live, "");
        offset = LLVMBuildSub(e->b, emit_index_mul(e, k->o, k->channel),
                              emit_index_mul(e, row, k->row), "");
        offset = LLVMBuildAdd(e->b, small(p, offset),
                              lane_numbers(p, k->channel), "");
        pos = append(p, pos, here, x, offset);
    }
    return pos;
}

static V lanes_inside(Pooled *p, V o)
{
    if (p->O % pooled_list_lanes(p) == 0)
        return NULL;
    return LLVMBuildICmp(p->e->b, LLVMIntSLT, lane_numbers(p, 1),
                         small(p, LLVMBuildSub(p->e->b,
                                               nest_int(p->n, p->O), o, "")),
                         "");
}

void pooled_list(Pooled *p, V o, V starts, int64_t channel, int64_t row)
{
    Emit *e = p->e;
    Block k = {o, lanes_inside(p, o), starts, channel, row};
    int64_t rows = p->Ho * p->u.kh;
    V zero = nest_int(p->n, 0), at;
    EmitLoop q = nest_loop(p->n, zero, nest_int(p->n, p->Wo), "q"), s, w;

    emit_loop_carry(e, &q, zero);
    s = nest_loop(p->n, zero, nest_int(p->n, p->u.kw), "s");
    emit_loop_carry(e, &s, q.carry[0]);
    at = emit_index_add(e, emit_index_mul(e, q.i, p->u.kw), s.i);
    at = emit_index_mul(e, at, rows + 1);
    w = nest_loop(p->n, zero, nest_int(p->n, p->Ho), "p");
    emit_loop_carry(e, &w, s.carry[0]);
    emit_loop_next(&w, 0,
                   one_window(p, &k, w.i, q.i, s.i, at, w.carry[0]));
    emit_loop_end(e, &w);
    put(p, LLVMBuildTrunc(e->b, w.carry[0], e->i32, ""), starts, e->i32,
        nest_add(p->n, at, rows), 4);
    emit_loop_next(&s, 0, w.carry[0]);
    emit_loop_end(e, &s);
    emit_loop_next(&q, 0, s.carry[0]);
    emit_loop_end(e, &q);
}

/* Channels o .. of window w, behind the list. */
static V window_block(Pooled *p, V w, V o, int64_t tap, int64_t channel, V pos)
{
    Emit *e = p->e;
    int lanes = pooled_list_lanes(p);
    Block k = {.o = o, .inside = lanes_inside(p, o)};
    V i = emit_index_add(e, emit_index_mul(e, w, p->O), o), x, place, live;
    V offset, taps = LLVMConstInt(e->i32, (unsigned)(p->u.kh * p->u.kw), 0);

    x = channels(p, &k, p->dy, i);
    place = channels(p, &k, p->place, i);
    live = LLVMBuildFCmp(e->b, LLVMRealUNE, x, emit_num(e, p->dt, lanes, 0),
                         "");
    live = LLVMBuildAnd(e->b, live,
                        LLVMBuildICmp(e->b, LLVMIntULT, place,
                                      emit_splat(e, taps, lanes), ""), "");
    offset = LLVMConstInt(e->i32, (unsigned)tap, 0);
    offset = LLVMBuildMul(e->b, place, emit_splat(e, offset, lanes), "");
    offset = LLVMBuildAdd(e->b, offset, lane_numbers(p, channel), "");
    offset = LLVMBuildAdd(e->b, offset,
                          small(p, emit_index_mul(e, o, channel)), "");
    return append(p, pos, live, x, offset);
}

V pooled_list_window(Pooled *p, V w, int64_t tap, int64_t channel)
{
    V zero = nest_int(p->n, 0);
    EmitLoop o = emit_loop(p->e, p->n->k->fn, zero, nest_int(p->n, p->O),
                           pooled_list_lanes(p), "o");

    emit_loop_carry(p->e, &o, zero);
    emit_loop_next(&o, 0,
                   window_block(p, w, o.i, tap, channel, o.carry[0]));
    emit_loop_end(p->e, &o);
    return o.carry[0];
}

/* --- a list for each channel ---------------------------------------------- */

int64_t pooled_room_of_channel(const Pooled *p)
{
    return p->Ho * p->Wo + pooled_list_lanes(p);
}

/* Rows x[0 .. lanes) become columns: blocks off the diagonal change places,
 * halves of all, then halves of halves. */
static void turn(Pooled *p, V *x)
{
    int lanes = pooled_list_lanes(p);
    V low[64], high[64];

    for (int half = lanes / 2; half; half /= 2) {
        for (int j = 0; j < lanes; j++) {
            unsigned a = (unsigned)(j & half ? lanes + j - half : j);
            unsigned b = (unsigned)(j & half ? lanes + j : j + half);

            low[j] = LLVMConstInt(p->e->i32, a, 0);
            high[j] = LLVMConstInt(p->e->i32, b, 0);
        }
        for (int i = 0; i < lanes; i++) {
            V a = x[i], b;

            if (i & half)
                continue;
            b = x[i + half];
            x[i] = LLVMBuildShuffleVector(
                p->e->b, a, b, LLVMConstVector(low, (unsigned)lanes), "");
            x[i + half] = LLVMBuildShuffleVector(
                p->e->b, a, b, LLVMConstVector(high, (unsigned)lanes), "");
        }
    }
}

/* Of windows w .., x[c]: channel c. Beyond the last window it is repeated. */
static void windows_of(Pooled *p, const Block *k, Val v, V w, V *x)
{
    V last = nest_int(p->n, p->Ho * p->Wo - 1);

    for (int i = 0; i < pooled_list_lanes(p); i++) {
        V at = nest_add(p->n, w, i);

        at = emit_smaller(p->e, at, last);
        at = emit_index_add(p->e, emit_index_mul(p->e, at, p->O), k->o);
        x[i] = channels(p, k, v, at);
    }
    turn(p, x);
}

static V splat_of(Pooled *p, int64_t x)
{
    return emit_splat(p->e, LLVMConstInt(p->e->i32, (unsigned long long)x, 1),
                      pooled_list_lanes(p));
}

static V tap_offset(Pooled *p, V tap, int64_t row)
{
    LLVMBuilderRef b = p->e->b;
    V r = LLVMBuildUDiv(b, tap, splat_of(p, p->u.kw), "");
    V s = LLVMBuildSub(b, tap,
                       LLVMBuildMul(b, r, splat_of(p, p->u.kw), ""), "");

    return LLVMBuildAdd(b, LLVMBuildMul(b, r, splat_of(p, row), ""),
                        LLVMBuildMul(b, s, splat_of(p, p->C), ""), "");
}

static void append_channel(Pooled *p, int c, V x, V tap, V inside, V window,
                           int64_t row, V counts)
{
    Emit *e = p->e;
    Pooled at = *p;
    V first = nest_int(p->n, c * pooled_room_of_channel(p)), live, pos;
    V count = pooled_at(p, e->i64, counts, nest_int(p->n, c));

    at.values = pooled_at(p, p->elem, p->values, first);
    at.offsets = pooled_at(p, e->i32, p->offsets, first);
    live = LLVMBuildFCmp(e->b, LLVMRealUNE, x, LLVMConstNull(LLVMTypeOf(x)),
                         "");
    live = LLVMBuildAnd(e->b, live, inside, "");
    live = LLVMBuildAnd(e->b, live,
                        LLVMBuildICmp(e->b, LLVMIntULT, tap,
                                      splat_of(p, p->u.kh * p->u.kw), ""), "");
    pos = LLVMBuildLoad2(e->b, e->i64, count, "");
    pos = append(&at, pos, live, x,
                 LLVMBuildAdd(e->b, window, tap_offset(p, tap, row), ""));
    LLVMBuildStore(e->b, pos, count);
}

void pooled_channel_lists(Pooled *p, V o, V windows, int64_t row, V counts)
{
    Emit *e = p->e;
    int lanes = pooled_list_lanes(p);
    int64_t n = p->Ho * p->Wo;
    Block k = {.o = o, .inside = lanes_inside(p, o)};
    V x[64], tap[64], inside, window;
    EmitLoop w;

    for (int c = 0; c < lanes; c++)
        LLVMBuildStore(e->b, LLVMConstNull(e->i64),
                       pooled_at(p, e->i64, counts, nest_int(p->n, c)));
    w = emit_loop(e, p->n->k->fn, nest_int(p->n, 0), nest_int(p->n, n), lanes,
                  "w");
    windows_of(p, &k, p->dy, w.i, x);
    windows_of(p, &k, p->place, w.i, tap);
    inside = LLVMBuildICmp(
        e->b, LLVMIntSLT, lane_numbers(p, 1),
        small(p, LLVMBuildSub(e->b, nest_int(p->n, n), w.i, "")), "");
    window = LLVMBuildLoad2(e->b, emit_type(e, DT_i32, lanes),
                            pooled_at(p, e->i32, windows, w.i), "");
    LLVMSetAlignment(window, 4);
    for (int c = 0; c < lanes; c++)
        append_channel(p, c, x[c], tap[c], inside, window, row, counts);
    emit_loop_end(e, &w);
}
