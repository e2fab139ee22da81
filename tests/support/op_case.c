/*
 * op_case.c -- see op_case.h. One function for each kind of attributes draws
 * the types of the sources and the attributes; the rest is common.
 */
#include "ir/wino.h"
#include "support/op_case.h"

#include <string.h>

typedef struct Draw { // a use in the making
    Dice *d;
    Op op;
    DType number;
    int nsrc;
    Type src[OP_CASE_IN];
    Domain domain[OP_CASE_IN];
    Attr attr;
} Draw;

static int64_t pick(Draw *w, int64_t lo, int64_t hi)
{
    return dice_int(w->d, lo, hi);
}

static Shape some_shape(Draw *w, int rank_lo, int rank_hi)
{
    Shape s = {.rank = (int)pick(w, rank_lo, rank_hi)};

    for (int k = 0; k < s.rank; k++)
        s.dim[k] = pick(w, 1, 4);
    return s;
}

static void source(Draw *w, DType dt, Shape s)
{
    int k = w->nsrc++;

    w->src[k] = type_of(dt, pick(w, 0, 1), s);
    w->domain[k] = op_info[w->op].domain;
}

static void index_source(Draw *w, Shape s, double lo, double hi)
{
    source(w, DT_i32, s);
    w->domain[w->nsrc - 1] = (Domain){DOM_IN, lo, hi, 0};
}

static void push(Attr *a, int64_t i)
{
    a->i[a->n++] = i;
}

/* n different dims of a value of this rank, ascending unless `mixed`. */
static int some_axes(Draw *w, int rank, int n, int *axis, bool mixed)
{
    int all[RANK_MAX];

    for (int k = 0; k < rank; k++)
        all[k] = k;
    for (int k = 0; k < n; k++) {
        int j = (int)pick(w, k, rank - 1), t = all[k];
        all[k] = all[j];
        all[j] = t;
    }
    for (int k = 1; k < n && !mixed; k++)
        for (int j = k; j > 0 && all[j - 1] > all[j]; j--) {
            int t = all[j];
            all[j] = all[j - 1];
            all[j - 1] = t;
        }
    memcpy(axis, all, (size_t)n * sizeof *axis);
    return n;
}

/* ---- one function per kind ---- */

static void plain(Draw *w)
{
    Shape s = some_shape(w, 0, 3);
    bool logic = w->op == OP_not || w->op == OP_and || w->op == OP_or;

    if (w->op == OP_take) {
        Shape x = some_shape(w, 1, 3);
        source(w, w->number, x);
        index_source(w, some_shape(w, 0, 2), -2, (double)x.dim[0] + 1);
        return;
    }
    if (w->op == OP_put) {
        Shape x = some_shape(w, 1, 3), i = some_shape(w, 0, 1), v = i;
        source(w, w->number, x);
        index_source(w, i, -1, (double)x.dim[0]);
        for (int k = 1; k < x.rank; k++)
            v.dim[v.rank++] = x.dim[k];
        source(w, w->number, v);
        return;
    }
    if (w->op == OP_select)
        source(w, DT_bool, s);
    while (w->nsrc < op_info[w->op].arity)
        source(w, logic ? DT_bool : w->number, s);
    if (w->op == OP_spread)
        w->src[0].batched = false;
    if (w->op == OP_batch_sum || w->op == OP_batch_max)
        w->src[0].batched = true;
}

static void scatter(Draw *w)
{
    Shape i = some_shape(w, 0, 2), v = i, row = some_shape(w, 0, 1);
    int64_t n = pick(w, 1, 4);

    for (int k = 0; k < row.rank; k++)
        v.dim[v.rank++] = row.dim[k];
    index_source(w, i, -1, (double)n);
    source(w, w->number, v);
    push(&w->attr, n);
}

static void dims(Draw *w) // reshape
{
    Shape s = some_shape(w, 0, 3);

    source(w, w->number, s);
    if (pick(w, 0, 1)) { // flat
        push(&w->attr, shape_size(s));
        return;
    }
    for (int k = s.rank - 1; k >= 0; k--)
        push(&w->attr, s.dim[k]);
    push(&w->attr, 1);
}

static void broadcast(Draw *w)
{
    Shape s = some_shape(w, 0, 2), to = {0};
    int place[RANK_MAX];

    for (int k = 0; k < s.rank; k++) {
        if (pick(w, 0, 1))
            to.dim[to.rank++] = pick(w, 1, 3);
        place[k] = to.rank;
        to.dim[to.rank++] = s.dim[k] == 1 ? pick(w, 1, 3) : s.dim[k];
    }
    if (to.rank == s.rank)
        to.dim[to.rank++] = 2;
    source(w, w->number, s);
    for (int k = 0; k < to.rank; k++)
        push(&w->attr, to.dim[k]);
    for (int k = 0; k < s.rank; k++)
        push(&w->attr, place[k]);
}

static void named_dims(Draw *w) // transpose, reverse, reductions
{
    Shape s = some_shape(w, 1, 4);
    bool perm = op_info[w->op].attr == ATTR_PERM;
    int axis[RANK_MAX];
    int n = perm ? s.rank : (int)pick(w, 1, s.rank);

    some_axes(w, s.rank, n, axis, perm);
    source(w, w->number, s);
    for (int k = 0; k < n; k++)
        push(&w->attr, axis[k]);
}

static void slice(Draw *w)
{
    Shape s = some_shape(w, 0, 3);

    source(w, w->number, s);
    for (int k = 0; k < s.rank; k++) {
        int64_t start = pick(w, 0, s.dim[k] - 1);
        push(&w->attr, start);
        push(&w->attr, pick(w, start + 1, s.dim[k]));
        push(&w->attr, pick(w, 1, 3));
    }
}

static void pad(Draw *w)
{
    Shape s = some_shape(w, 0, 3);

    source(w, w->number, s);
    for (int k = 0; k < 3 * s.rank; k++)
        push(&w->attr, pick(w, 0, 2));
    w->attr.f = (double)pick(w, -1, 1);
}

static void one_axis(Draw *w)
{
    Shape s = some_shape(w, 1, 3);
    int64_t axis = pick(w, 0, s.rank - 1);

    push(&w->attr, axis);
    source(w, w->number, s);
    for (int k = w->op == OP_concat ? (int)pick(w, 0, 2) : 0; k > 0; k--) {
        s.dim[axis] = pick(w, 1, 4);
        source(w, w->number, s);
    }
}

static void dot(Draw *w)
{
    int nc = (int)pick(w, 0, 2), nb = (int)pick(w, 0, 1);
    Shape x = {.rank = nc + nb + (int)pick(w, 0, 2)};
    Shape y = {.rank = nc + nb + (int)pick(w, 0, 2)};
    int dx[RANK_MAX], dy[RANK_MAX];

    for (int k = 0; k < RANK_MAX; k++) {
        x.dim[k] = k < x.rank ? pick(w, 1, 4) : 0;
        y.dim[k] = k < y.rank ? pick(w, 1, 4) : 0;
    }
    some_axes(w, x.rank, nc + nb, dx, true);
    some_axes(w, y.rank, nc + nb, dy, true);
    for (int k = 0; k < nc + nb; k++)
        y.dim[dy[k]] = x.dim[dx[k]];
    source(w, w->number, x);
    source(w, w->number, y);
    push(&w->attr, nc);
    push(&w->attr, nb);
    push(&w->attr, w->src[0].batched && w->src[1].batched && pick(w, 0, 1));
    for (int k = 0; k < nc; k++)
        push(&w->attr, dx[k]);
    for (int k = 0; k < nc; k++)
        push(&w->attr, dy[k]);
    for (int k = 0; k < nb; k++)
        push(&w->attr, dx[nc + k]);
    for (int k = 0; k < nb; k++)
        push(&w->attr, dy[nc + k]);
}

static void conv(Draw *w)
{
    Shape x = shape_of(3, pick(w, 3, 6), pick(w, 3, 6), pick(w, 1, 3));
    Shape k = shape_of(4, pick(w, 1, 3), pick(w, 1, 3), x.dim[2],
                       pick(w, 1, 3));
    int64_t sh = pick(w, 1, 2), sw = pick(w, 1, 2), p[4];
    Attr *a = &w->attr;

    push(a, sh);
    push(a, sw);
    for (int j = 0; j < 4; j++)
        push(a, p[j] = pick(w, 0, 2));
    Shape y = shape_of(3, (x.dim[0] + p[0] + p[1] - k.dim[0]) / sh + 1,
                       (x.dim[1] + p[2] + p[3] - k.dim[1]) / sw + 1, k.dim[3]);
    source(w, w->number, w->op == OP_conv_dx || w->op == OP_conv_up ? y : x);
    if (w->op == OP_conv_up) {
        int64_t c = k.dim[2];
        k.dim[2] = k.dim[3];
        k.dim[3] = c;
    }
    source(w, w->number, w->op == OP_conv_dw ? y : k);
    if (w->op == OP_conv_dw)
        w->src[1].batched = w->src[0].batched;
    if (w->op != OP_conv) {
        const Shape *s = w->op == OP_conv_dw ? &k : &x;
        push(a, s->dim[0]);
        push(a, s->dim[1]);
    }
}

/* A use of Winograd's ops; sources 0 and 1 as conv's. */
static void wino(Draw *w)
{
    static const int64_t variant[][3] = {
        {2, 3, WINO_SAME}, {4, 3, WINO_SAME}, {2, 5, WINO_SAME},
        {4, 3, WINO_DOWN}, {4, 3, WINO_UP}, {2, 3, WINO_UP_ODD},
    };
    const int64_t *f = variant[pick(w, 0, w->op == OP_conv_dw_wino ? 2 : 5)];
    int64_t O = pick(w, 1, 40), C = pick(w, 1, 20), p[4];
    bool odd = f[2] == WINO_UP_ODD, up = odd || f[2] == WINO_UP;
    Wino form;
    Shape x = shape_of(3, pick(w, f[1], 9), pick(w, f[1], 9), C), y;
    Attr *a = &w->attr;

    wino_of(f[0], f[1], f[2], &form);
    push(a, f[0]);
    if (w->op == OP_wino_w) {
        int64_t order = pick(w, 0, WINO_ORDERS - 1);
        bool swap = order == WINO_OCRR;

        push(a, f[2]);
        push(a, order);
        push(a, pick(w, 0, 1));
        source(w, w->number,
               order == WINO_RRCO ? shape_of(4, f[1], f[1], C, O)
                                  : shape_of(4, swap ? O : C, swap ? C : O,
                                             f[1], f[1]));
        return;
    }
    push(a, f[1]);
    for (int j = 0; j < 4; j++)
        push(a, p[j] = up && j % 2 == 0 ? odd : pick(w, 0, 2));
    push(a, O);
    push(a, f[2]);
    y = shape_of(3, x.dim[0] + p[0] + p[1] - f[1] + 1,
                 x.dim[1] + p[2] + p[3] - f[1] + 1, O);
    source(w, w->number, x);
    if (w->op == OP_conv_wino)
        y = shape_of(4, (O + 31) / 32, (int64_t)(form.nu * form.nu), C,
                     (int64_t)32);
    source(w, w->number, y);
    w->src[1].batched = w->op == OP_conv_dw_wino && w->src[0].batched;
}

static void pool(Draw *w)
{
    Shape x = shape_of(3, pick(w, 3, 5), pick(w, 3, 5), pick(w, 1, 2));
    int64_t kh = pick(w, 1, 3), kw = pick(w, 1, 3);
    int64_t sh = pick(w, 1, 3), sw = pick(w, 1, 3), p[4];
    Attr *a = &w->attr;

    push(a, kh);
    push(a, kw);
    push(a, sh);
    push(a, sw);
    for (int j = 0; j < 4; j++)
        push(a, p[j] = pick(w, 0, (j < 2 ? kh : kw) - 1));
    Shape y = shape_of(3, (x.dim[0] + p[0] + p[1] - kh) / sh + 1,
                       (x.dim[1] + p[2] + p[3] - kw) / sw + 1, x.dim[2]);
    source(w, w->number, w->op == OP_sum_pool_dx ? y : x);
    if (op_info[w->op].arity == 2)
        source(w, w->number, w->op == OP_pool_scatter ? y : x);
    if (w->op == OP_sum_pool_dx) {
        push(a, x.dim[0]);
        push(a, x.dim[1]);
    }
}

/* Windows side by side, as many as fit. */
static void unpool(Draw *w)
{
    int64_t kh = pick(w, 1, 3), kw = pick(w, 1, 3), R = pick(w, 1, 3);
    int64_t S = pick(w, 1, 3), C = pick(w, 1, 20), O = pick(w, 1, 20);
    Shape dy = shape_of(3, pick(w, 1, 3), pick(w, 1, 3), O);
    int64_t H = dy.dim[0] * kh, W = dy.dim[1] * kw;
    Attr *a = &w->attr;

    push(a, kh);
    push(a, kw);
    if (w->op == OP_conv_dx_pooled) {
        push(a, pick(w, 0, R - 1));
        push(a, pick(w, 0, S - 1));
        push(a, pick(w, 1, H + 2));
        push(a, pick(w, 1, W + 2));
        source(w, w->number, dy);
        source(w, w->number, shape_of(4, O, R, S, C));
    } else {
        push(a, R);
        push(a, S);
        source(w, w->number, shape_of(3, H + R - 1 + pick(w, 0, 1),
                                      W + S - 1 + pick(w, 0, 1), C));
        source(w, w->number, dy);
        w->src[1].batched = w->src[0].batched;
    }
    index_source(w, dy, 0, (double)(kh * kw - 1));
    if (w->op == OP_conv_dw_pooled)
        w->src[2].batched = w->src[0].batched;
}

static void rand_draw(Draw *w)
{
    bool batched = pick(w, 0, 1);

    push(&w->attr, pick(w, 0, 1000));
    push(&w->attr, batched);
    push(&w->attr, pick(w, 1, 6));
    if (w->op != OP_permutation)
        push(&w->attr, pick(w, 1, 6));
    for (int64_t n = pick(w, 0, 2); n > 0; n--) {
        index_source(w, shape_of(0), 0, 1000);
        w->src[w->nsrc - 1].batched &= batched;
    }
}

static void solved(Draw *w)
{
    index_source(w, shape_of(0), 0, 3);
    source(w, DT_f64, shape_of(1, (int64_t)6));
    w->src[1].batched = w->src[0].batched;
}

static bool choose(Draw *w)
{
    switch (op_info[w->op].attr) {
    case ATTR_NONE:
        if (w->op == OP_solved)
            solved(w);
        else
            plain(w);
        break;
    case ATTR_DIMS: dims(w); break;
    case ATTR_BCAST: broadcast(w); break;
    case ATTR_PERM: case ATTR_AXES: named_dims(w); break;
    case ATTR_SLICE: slice(w); break;
    case ATTR_PAD: pad(w); break;
    case ATTR_AXIS: one_axis(w); break;
    case ATTR_DOT: dot(w); break;
    case ATTR_CONV: conv(w); break;
    case ATTR_POOL: pool(w); break;
    case ATTR_UNPOOL: unpool(w); break;
    case ATTR_WINO: wino(w); break;
    case ATTR_RAND: rand_draw(w); break;
    case ATTR_SIZE:
        if (w->op == OP_scatter_add)
            scatter(w);
        else
            push(&w->attr, pick(w, 1, 9));
        break;
    case ATTR_TO:
        plain(w);
        push(&w->attr, pick(w, 0, DT_COUNT - 1));
        break;
    default:
        return false;
    }
    return true;
}

/* ---- values ---- */

/* Number sources of an APART op are drawn as one tensor and cut apart. */
static void fill(Arena *a, Dice *d, OpCase *c)
{
    int64_t total = 0, at = 0;
    DType dt = DT_f32;

    for (int k = 0; k < c->nin; k++) {
        Type t = c->in[k]->type;
        c->at[k] = dice_tensor(a, d, t, c->batch, c->domain[k]);
        if (c->domain[k].kind == DOM_APART && dtype_real(t.dt)) {
            total += c->at[k].batch * shape_size(t.shape);
            dt = t.dt;
        }
    }
    if (!total)
        return;
    Tensor all = dice_tensor(a, d, type_of(dt, false, shape_of(1, total)), 1,
                             c->domain[c->nin - 1]);
    for (int k = 0; k < c->nin; k++) {
        Tensor *t = &c->at[k];
        int64_t n = t->batch * shape_size(t->type.shape);
        if (c->domain[k].kind != DOM_APART || !dtype_real(t->type.dt))
            continue;
        memcpy(t->at, all.at + at, (size_t)n * sizeof(double));
        at += n;
    }
}

bool op_case(Arena *a, Graph *g, Op op, DType number, Dice *d, OpCase *c)
{
    static const char *const name[OP_CASE_IN] = {"a", "b", "c"};
    Draw w = {.d = d, .op = op, .number = number};
    char err[200];
    Type t;

    memset(c, 0, sizeof *c);
    if (op == OP_grad || !choose(&w) ||
        !ir_infer(op, &w.attr, w.src, w.nsrc, &t, err, sizeof err))
        return false;
    c->nin = w.nsrc;
    c->batch = dice_int(d, 1, 3);
    for (int k = 0; k < w.nsrc; k++) {
        InputKind kind = w.src[k].batched ? INPUT_FIELD : INPUT_VAR;
        c->in[k] = ir_input(g, kind, name[k], w.src[k]);
        c->domain[k] = w.domain[k];
    }
    if (op_info[op].attr == ATTR_RAND) {
        if (dtype_real(t.dt) && dtype_real(number))
            t.dt = number;
        c->y = ir_random(g, op, w.attr.i[0], t, c->in, c->nin);
    } else {
        c->y = ir_node(g, op, &w.attr, c->in, c->nin);
    }
    fill(a, d, c);
    return true;
}

void op_case_input(void *user, Val input, Tensor *t)
{
    const OpCase *c = user;

    for (int k = 0; k < c->nin; k++)
        if (c->in[k] == input)
            memcpy(t->at, c->at[k].at,
                   (size_t)(t->batch * shape_size(t->type.shape)) *
                       sizeof(double));
}

Tensor op_case_eval(Arena *a, Graph *g, OpCase *c)
{
    Func f = {.name = "case", .g = g, .nout = 1, .out = &c->y};
    EvalEnv env = {.batch = c->batch, .seed = 1, .input = op_case_input,
                   .user = c};
    Tensor out;

    ir_eval(a, &f, &env, &out);
    return out;
}
