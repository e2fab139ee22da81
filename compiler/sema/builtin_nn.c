/*
 * builtin_nn.c -- products of matrices, convolutions, pools.
 *
 * The language's images are [C, H, W] and kernels [O, C, R, S]; the IR's are
 * [H, W, C] and [R, S, C, O]. The transposes between them are built here and
 * cancelled by the passes.
 */
#include "sema/builtin.h"

/* --- a @ b --------------------------------------------------------------- */

/*
 * Contracts the last dim of x with the last but one of y (its only one, if y
 * has one dim). Dims before them are matched pairwise when both have them.
 */
static bool product_dims(Shape x, Shape y, Attr *a)
{
    int nb = x.rank > 2 && y.rank > 2 ? x.rank - 2 : 0;
    int cx = x.rank - 1, cy = y.rank > 1 ? y.rank - 2 : 0;

    if (x.rank > 2 && y.rank > 2 && x.rank != y.rank)
        return false;
    if (y.rank > 2 && x.rank <= 2)
        return false;
    *a = (Attr){.n = 3, .i = {1, nb, 0}};
    a->i[a->n++] = cx;
    a->i[a->n++] = cy;
    for (int k = 0; k < nb; k++)
        a->i[a->n++] = k;
    for (int k = 0; k < nb; k++)
        a->i[a->n++] = k;
    for (int k = 0; k < nb; k++)
        if (x.dim[k] != y.dim[k])
            return false;
    return true;
}

Value matmul(Elab *e, Span at, const Arg *xa, const Arg *ya)
{
    Val src[2] = {need_real_val(e, xa, "an operand of \"@\""), NULL};
    Attr a;

    src[1] = src[0] ? need_real_val(e, ya, "an operand of \"@\"") : NULL;
    if (src[1] == NULL)
        return POISON;
    Shape x = src[0]->type.shape, y = src[1]->type.shape;
    if (x.rank == 0 || y.rank == 0 || !product_dims(x, y, &a)) {
        sema_error(e, at, "\"@\" cannot multiply the shapes %s and %s",
                   shape_text(e->a, x), shape_text(e->a, y));
    } else if (x.dim[a.i[3]] != y.dim[a.i[4]]) {
        sema_error(e, at, "inner dimensions of \"@\" differ: %lld and %lld",
                   (long long)x.dim[a.i[3]], (long long)y.dim[a.i[4]]);
    } else {
        if (src[0]->type.dt != src[1]->type.dt)
            for (int k = 0; k < 2; k++)
                src[k] = ir_cast(e->g, src[k], DT_f64);
        return value_tensor(node_make(e, at, OP_dot, &a, src, 2));
    }
    note_operand(e, xa);
    note_operand(e, ya);
    return POISON;
}

/* --- windows ------------------------------------------------------------- */

typedef struct Window { // extent, stride and padding along H and W
    int64_t k[2], s[2], p[4];
} Window;

static bool padding_of(Elab *e, const Arg *x, int64_t *p)
{
    p[0] = p[1] = p[2] = p[3] = 0;
    if (!given(x))
        return true;
    if (x->v.kind == V_LIST && x->v.n == 2 &&
        x->v.item[0].kind == V_LIST) { // [[lo, hi], [lo, hi]]
        Arg h = item_arg(x, 0), w = item_arg(x, 1);
        return need_ints(e, &h, "a padding", 2, p) &&
               need_ints(e, &w, "a padding", 2, p + 2);
    }
    int64_t both[2];
    if (!need_ints(e, x, "the padding", 2, both))
        return false;
    p[0] = p[1] = both[0];
    p[2] = p[3] = both[1];
    return true;
}

static bool window_of(Elab *e, const Arg *stride, const Arg *padding, Window *w)
{
    if (!need_ints(e, stride, "the stride", 2, w->s) ||
        !padding_of(e, padding, w->p))
        return false;
    for (int k = 0; k < 2; k++)
        if (w->s[k] < 1 || w->s[k] > INT32_MAX) {
            sema_error(e, stride->span, "the stride cannot be %lld",
                       (long long)w->s[k]);
            return false;
        }
    for (int k = 0; k < 4; k++)
        if (w->p[k] < 0 || w->p[k] > INT32_MAX) {
            sema_error(e, padding->span, "the padding cannot be %lld",
                       (long long)w->p[k]);
            return false;
        }
    return true;
}

/* Does the window fit the padded image? */
static bool fits(Elab *e, Span at, const Window *w, Shape image, const Arg *x)
{
    for (int k = 0; k < 2; k++) {
        int64_t n = image.dim[1 + k] + w->p[2 * k] + w->p[2 * k + 1];
        if (w->k[k] <= n)
            continue;
        sema_error(e, at, "a window of %lld x %lld is larger than the image: "
                          "%lld x %lld%s", (long long)w->k[0],
                   (long long)w->k[1], (long long)image.dim[1],
                   (long long)image.dim[2],
                   w->p[0] + w->p[1] + w->p[2] + w->p[3] ? " and its padding"
                                                         : "");
        note_operand(e, x);
        return false;
    }
    return true;
}

static bool is_image(Elab *e, Val x, const Arg *arg)
{
    if (x->type.shape.rank == 3)
        return true;
    sema_error(e, arg->span, "an image has the dims [C, H, W], and this is %s",
               type_words(e, x->type));
    note_operand(e, arg);
    return false;
}

static const int to_last[] = {1, 2, 0}, to_first[] = {2, 0, 1};

Value prim_conv2d(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    static const int kernel[] = {2, 3, 1, 0};
    Val x = need_real_val(e, &arg[0], "the image");
    Val w = x ? need_real_val(e, &arg[1], "the kernel") : NULL;
    Arg stride = given(&arg[2]) ? arg[2] : (Arg){.v = value_int(1), .span = at};
    Window win;

    if (w == NULL || !is_image(e, x, &arg[0]) ||
        !window_of(e, &stride, &arg[3], &win))
        return POISON;
    Shape xs = x->type.shape, ws = w->type.shape;
    if (ws.rank != 4) {
        sema_error(e, arg[1].span, "a kernel has the dims [O, C, R, S], and "
                                   "this is %s", type_words(e, w->type));
        note_operand(e, &arg[1]);
        return POISON;
    }
    if (ws.dim[1] != xs.dim[0]) {
        sema_error(e, at, "the image has %lld channels, the kernel takes %lld",
                   (long long)xs.dim[0], (long long)ws.dim[1]);
        note_operand(e, &arg[0]);
        note_operand(e, &arg[1]);
        return POISON;
    }
    win.k[0] = ws.dim[2];
    win.k[1] = ws.dim[3];
    if (!fits(e, at, &win, xs, &arg[0]))
        return POISON;
    if (x->type.dt != w->type.dt) {
        x = ir_cast(e->g, x, DT_f64);
        w = ir_cast(e->g, w, DT_f64);
    }
    Attr a = {.n = 6, .i = {win.s[0], win.s[1], win.p[0], win.p[1], win.p[2],
                            win.p[3]}};
    Val src[2] = {node_transpose(e, at, x, to_last),
                  node_transpose(e, at, w, kernel)};
    Val y = src[0] && src[1] ? node_make(e, at, p->op, &a, src, 2) : NULL;
    return value_tensor(node_transpose(e, at, y, to_first));
}

Value prim_pool2d(Elab *e, const Prim *p, const Arg *arg, Span at)
{
    Val x = need_real_val(e, &arg[0], "the image");
    const Arg *stride = given(&arg[2]) ? &arg[2] : &arg[1];
    Window w;

    if (x == NULL || !is_image(e, x, &arg[0]) ||
        !need_ints(e, &arg[1], "the window", 2, w.k) ||
        !window_of(e, stride, &arg[3], &w))
        return POISON;
    for (int k = 0; k < 2; k++) {
        if (w.k[k] < 1 || w.k[k] > INT32_MAX)
            return sema_error(e, arg[1].span, "the window cannot be %lld",
                              (long long)w.k[k]);
        if (w.p[2 * k] >= w.k[k] || w.p[2 * k + 1] >= w.k[k])
            return sema_error(e, arg[3].span, "the padding must be smaller "
                                              "than "
                                              "the window");
    }
    if (!fits(e, at, &w, x->type.shape, &arg[0]))
        return POISON;
    Attr a = {.n = 8, .i = {w.k[0], w.k[1], w.s[0], w.s[1], w.p[0], w.p[1],
                            w.p[2], w.p[3]}};
    Val last = node_transpose(e, at, x, to_last);
    Val y = last ? node_make(e, at, p->op, &a, &last, 1) : NULL;
    return value_tensor(node_transpose(e, at, y, to_first));
}
