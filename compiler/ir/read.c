/*
 * read.c -- textual IR to a function; the form is described in print.c.
 *
 * One pass, top down. The first mistake is reported and ends the reading:
 * `bad` is set and every step after it does nothing.
 */
#include "ir/read.h"
#include "ir/graph.h"
#include "ir/print.h"

#include <ctype.h>
#include <string.h>

enum { NESTING_MAX = 64, SOURCES_MAX = 1 << 16 };

/* ---- values ---- */

static uint32_t read_number(Read *r)
{
    if (!read_expect(r, "%"))
        return 0;
    int64_t k = isdigit((unsigned char)*r->at) ? read_int(r) : -1;
    if (k < 0 || k >= r->nval) {
        read_wrong(r, "no number of a value");
        return 0;
    }
    return (uint32_t)k;
}

static Val read_use(Read *r)
{
    uint32_t k = read_number(r);

    if (!r->bad && !r->val[k])
        read_wrong(r, "%%%u is not defined here", k);
    return r->bad ? NULL : r->val[k];
}

static void define(Read *r, uint32_t k, Val v, const char *name)
{
    if (r->bad)
        return;
    if (r->val[k]) {
        read_wrong(r, "%%%u is defined twice", k);
        return;
    }
    r->val[k] = ir_origin(r->g, v, (Span){0}, name);
    VEC_PUSH(r->unit, &r->number, k);
}

static void read_attr(Read *r, Op op, Attr *a)
{
    switch (op_info[op].attr) {
    case ATTR_NONE:
    case ATTR_TO:
        return;
    case ATTR_VALUE:
        a->f = read_float(r);
        return;
    case ATTR_INPUT:
        a->n = 1;
        while (a->i[0] < INPUT_COUNT && !read_is(r, input_word[a->i[0]]))
            a->i[0]++;
        a->s = read_string(r);
        if (a->i[0] == INPUT_COUNT || !a->s)
            read_wrong(r, "the kind and name of an input expected");
        return;
    default:
        break;
    }
    read_expect(r, "{");
    if (!read_is(r, "}")) {
        do {
            if (a->n == ATTR_MAX) {
                read_wrong(r, "more than %d numbers", ATTR_MAX);
                return;
            }
            a->i[a->n++] = read_int(r);
        } while (read_is(r, ","));
        read_expect(r, "}");
    }
    if (op_info[op].attr == ATTR_PAD && read_expect(r, "fill"))
        a->f = read_float(r);
}

static Val make_proj(Read *r, const Attr *a, Val const *src, int nsrc)
{
    if (nsrc != 1 || src[0]->op != OP_loop || a->n != 1 || a->i[0] < 0 ||
        a->i[0] >= src[0]->attr.loop->n) {
        read_wrong(r, "no value of a loop");
        return NULL;
    }
    return ir_proj(r->g, src[0], (int)a->i[0]);
}

static Val make_node(Read *r, Op op, const Attr *a, Val const *src, int nsrc,
                     Type type)
{
    Type *types = NEW_N(r->unit, Type, nsrc + 1);
    char why[256];
    Type t;

    for (int k = 0; k < nsrc; k++) {
        types[k] = src[k]->type;
        if (src[k]->op == OP_loop && op != OP_proj) {
            read_wrong(r, "a loop is used as a value");
            return NULL;
        }
    }
    if (op == OP_proj)
        return make_proj(r, a, src, nsrc);
    if (op == OP_const || op == OP_input) {
        if (nsrc)
            read_wrong(r, "%s has no sources", op_info[op].name);
        return nsrc ? NULL : ir_leaf(r->g, op, a, type);
    }
    if (!ir_infer(op, a, types, nsrc, &t, why, sizeof why)) {
        read_wrong(r, "%s", why);
        return NULL;
    }
    if (op_info[op].attr != ATTR_RAND)
        return ir_node(r->g, op, a, src, nsrc);
    if (dtype_real(t.dt) && dtype_real(type.dt))
        t.dt = type.dt;
    return ir_random(r->g, op, a->i[0], t, src, nsrc);
}

static void read_node(Read *r, uint32_t number, Op op)
{
    VEC(Val) src = {0};
    Attr a = {0};

    read_space(r);
    if (*r->at == '%')
        do {
            Val v = read_use(r);
            if (src.n == SOURCES_MAX)
                read_wrong(r, "too many sources");
            if (r->bad)
                return;
            VEC_PUSH(r->unit, &src, v);
        } while (read_is(r, ","));
    read_attr(r, op, &a);
    read_expect(r, ":");
    Type type = read_type(r);
    if (op_info[op].attr == ATTR_TO) {
        a.n = 1;
        a.i[0] = type.dt;
    }
    const char *name = read_string(r);
    if (r->bad)
        return;
    Val v = make_node(r, op, &a, src.at, src.n, type);
    if (v && !type_eq(v->type, type))
        read_wrong(r, "the type is %s, not %s", type_text(r->unit, v->type),
                   type_text(r->unit, type));
    define(r, number, v, name);
}

/* ---- loops ---- */

static bool read_lines(Read *r);

/* carry %var = %init : type "name" -- all of them, then opens the loop. */
static Loop *read_header(Read *r, Val count, int depth, uint32_t index,
                         const char *index_name)
{
    VEC(uint32_t) number = {0};
    VEC(Val) init = {0};
    VEC(Type) type = {0};
    VEC(const char *) name = {0};

    while (read_is(r, "carry")) {
        uint32_t k = read_number(r);
        read_expect(r, "=");
        Val v = read_use(r);
        read_expect(r, ":");
        Type t = read_type(r);
        const char *s = read_string(r);
        if (!r->bad && (v->op == OP_loop || !type_eq(v->type, t)))
            read_wrong(r, "the initial value is %s",
                       type_text(r->unit, v->type));
        VEC_PUSH(r->unit, &number, k);
        VEC_PUSH(r->unit, &init, v);
        VEC_PUSH(r->unit, &type, t);
        VEC_PUSH(r->unit, &name, s);
    }
    if (r->bad)
        return NULL;
    Loop *l =
        ir_loop_open(r->g, count, init.at, init.n, type.at, depth, (Span){0});
    define(r, index, l->index, index_name);
    for (int k = 0; k < l->n; k++)
        define(r, number.at[k], l->var[k], name.at[k]);
    return l;
}

static Val read_next(Read *r, Loop *l)
{
    Val *next = NEW_N(r->unit, Val, l->n);

    read_expect(r, "next");
    for (int k = 0; k < l->n && !r->bad; k++) {
        if (k)
            read_expect(r, ",");
        next[k] = read_use(r);
        if (!r->bad && (next[k]->op == OP_loop ||
                        !type_eq(next[k]->type, l->var[k]->type)))
            read_wrong(r, "variable %d is %s, its next value %s", k,
                       type_text(r->unit, l->var[k]->type),
                       type_text(r->unit, next[k]->type));
    }
    read_expect(r, "}");
    return r->bad ? NULL : ir_loop_close(r->g, l, next);
}

static void read_loop(Read *r, uint32_t number)
{
    const Loop *around = r->loop;
    int before = r->number.n;
    Val count = read_use(r);

    read_expect(r, "index");
    uint32_t index = read_number(r);
    const char *index_name = read_string(r);
    read_expect(r, "depth");
    int64_t depth = read_int(r);
    int64_t until = read_is(r, "until") ? read_int(r) : -1;
    bool keep = read_is(r, "keep");
    read_expect(r, "{");
    if (!r->bad && !type_eq(count->type, type_of(DT_i32, false, shape_of(0))))
        read_wrong(r, "the count is %s", type_text(r->unit, count->type));
    if (!r->bad && (depth <= (around ? around->depth : 0) || depth > 1 << 20))
        read_wrong(r, "%lld is no depth for a loop here", (long long)depth);
    if (++r->nesting > NESTING_MAX)
        read_wrong(r, "more than %d nested loops", NESTING_MAX);
    Loop *l =
        r->bad ? NULL : read_header(r, count, (int)depth, index, index_name);
    if (r->bad)
        return;
    if (until >= l->n || until < -1 ||
        (until >= 0 && !type_eq(l->var[until]->type,
                                type_of(DT_bool, false, shape_of(0))))) {
        read_wrong(r, "%lld is no variable that can end the loop",
                   (long long)until);
        return;
    }
    l->until = (int)until;
    l->keep = keep;
    r->loop = l;
    if (!read_lines(r))
        return;
    Val node = read_next(r, l);
    const char *name = read_string(r);
    r->loop = around;
    r->nesting--;
    define(r, number, node, name);
    for (int k = before; !r->bad && k < r->number.n; k++) {
        Val *v = &r->val[r->number.at[k]];
        if (*v && loop_within((*v)->region, l))
            *v = NULL; // not defined any more
    }
}

/* ---- the whole ---- */

/* Definitions up to something else. */
static bool read_lines(Read *r)
{
    for (read_space(r); *r->at == '%' && !r->bad; read_space(r)) {
        uint32_t number = read_number(r);
        Op op = 0;
        read_expect(r, "=");
        while (op < OP_COUNT && !read_is(r, op_info[op].name))
            op++;
        if (op == OP_COUNT || op == OP_loopvar)
            read_wrong(r, "an op expected");
        else if (op == OP_loop)
            read_loop(r, number);
        else
            read_node(r, number, op);
    }
    return !r->bad;
}

static void read_return(Read *r, Func *f)
{
    VEC(Val) out = {0};
    VEC(const char *) name = {0};

    read_expect(r, "return");
    read_space(r);
    if (*r->at == '%')
        do {
            Val v = read_use(r);
            const char *s = read_string(r);
            VEC_PUSH(r->unit, &out, v);
            VEC_PUSH(r->unit, &name, s);
        } while (read_is(r, ","));
    f->nout = out.n;
    f->out = out.at;
    f->out_name = name.at;
}

Func *ir_read(Arena *unit, const char *text, char *err, size_t n)
{
    size_t bytes = strlen(text);
    Read r = {.unit = unit,
              .g = graph_new(unit),
              .text = text,
              .at = text,
              .err = err,
              .n = n};
    Func *f = NEW(unit, Func);
    char why[512];

    r.nval = (bytes < 1 << 28 ? (uint32_t)bytes / 4 : 1 << 26) + 1000;
    r.val = NEW_N(unit, Val, r.nval);
    f->g = r.g;
    read_expect(&r, "func");
    f->name = read_string(&r);
    if (!f->name)
        read_wrong(&r, "the name of the function expected");
    read_expect(&r, "{");
    if (read_lines(&r))
        read_return(&r, f);
    read_expect(&r, "}");
    read_space(&r);
    if (!r.bad && *r.at)
        read_wrong(&r, "nothing more expected");
    if (!r.bad && !ir_verify(f, true, why, sizeof why))
        read_wrong(&r, "%s", why);
    return r.bad ? NULL : f;
}
