/*
 * wino.c -- the matrices of wino.h, and the builders of its ops.
 *
 * With n = t - 1 finite points p_j and q_j(x) = prod over l != j of (x - p_l):
 *     A^T[i][j] = p_j^i           infinity: 1 at i = m - 1
 *     G[j][k]   = p_j^k / q_j(p_j)          1 at k = r - 1
 *     B^T[j]    = coefficients of q_j       those of prod (x - p_l)
 */
#include "ir/wino.h"

#include <string.h>

static const double point[WINO_MAX - 1] = {0, 1, -1, 2, -2};

/* Coefficients of the product of (x - point[l]), l < n, l != skip. */
static void product(int n, int skip, double *c)
{
    int degree = 0;

    c[0] = 1;
    for (int l = 0; l < n; l++) {
        if (l == skip)
            continue;
        c[degree + 1] = c[degree];
        for (int k = degree; k > 0; k--)
            c[k] = c[k - 1] - point[l] * c[k];
        c[0] *= -point[l];
        degree++;
    }
}

static double value_at(const double *c, int degree, double x)
{
    double y = 0;

    for (int k = degree; k >= 0; k--)
        y = y * x + c[k];
    return y;
}

static bool plain(int64_t m, int64_t r, Wino *w)
{
    int n = (int)(m + r - 2);

    memset(w, 0, sizeof *w);
    if (m < 1 || r < 2 || m + r - 1 > WINO_MAX)
        return false;
    w->m = w->out = w->hop = (int)m;
    w->r = (int)r;
    w->t = w->in = w->nu = n + 1;
    for (int k = 0; k < w->t; k++)
        w->from[k] = w->to[k] = k;
    for (int j = 0; j < n; j++) {
        double p = 1, q;

        product(n, j, w->bt[j]);
        q = value_at(w->bt[j], n - 1, point[j]);
        for (int k = 0; k < w->t; k++, p *= point[j]) {
            if (k < w->m)
                w->at[k][j] = p;
            if (k < w->r)
                w->g[j][k] = p / q;
        }
    }
    product(n, -1, w->bt[n]);
    w->at[w->m - 1][n] = w->g[n][w->r - 1] = 1;
    return true;
}

/* The phases of w's inputs: first those of taps 0 and 2. */
static void down(const Wino *two, Wino *w)
{
    int m = two->m;

    w->in = w->t;
    w->out = m;
    w->hop = 2 * m;
    for (int k = 0; k < two->t; k++) {
        w->from[k] = 2 * k;
        w->g[k][0] = two->g[k][0];
        w->g[k][2] = two->g[k][1];
    }
    for (int a = 0; a < m; a++) {
        w->from[two->t + a] = 2 * a + 1;
        w->to[a] = a;
        w->bt[two->t + a][two->t + a] = w->at[a][two->t + a] = 1;
    }
}

/* The phases of w's outputs. Outputs of taps 0 and 2 are the places 0, 2, ..
 * or 1, 3, ..; those of tap 1 between them see the later or earlier input. */
static void up(const Wino *two, bool odd, Wino *w)
{
    int m = two->m;

    w->in = two->t;
    w->out = 2 * m;
    w->hop = m;
    for (int k = 0; k < two->t; k++) {
        w->from[k] = k;
        w->g[k][2] = two->g[k][0];
        w->g[k][0] = two->g[k][1];
    }
    for (int a = 0; a < m; a++) {
        w->to[a] = 2 * a + odd;
        w->to[m + a] = 2 * a + !odd;
        w->bt[two->t + a][a + !odd] = w->at[m + a][two->t + a] = 1;
    }
}

bool wino_of(int64_t m, int64_t r, int64_t form, Wino *w)
{
    Wino two;

    if (form == WINO_SAME)
        return plain(m, r, w);
    if (form < 0 || form >= WINO_FORMS || r != 3 || 2 * m + 1 > WINO_SIDE ||
        !plain(m, 2, &two))
        return false;
    *w = two;
    memset(w->g, 0, sizeof w->g);
    w->r = (int)r;
    w->t = two.t + two.m;
    w->nu = two.t + 1;
    w->g[two.t][1] = 1;
    if (form == WINO_DOWN)
        down(&two, w);
    else
        up(&two, form == WINO_UP_ODD, w);
    return true;
}

int64_t wino_lead(int64_t form, int64_t pad)
{
    return form == WINO_SAME || form == WINO_DOWN ? pad : 1 - (pad + 1) / 2;
}

WinoDims wino_dims(Val v)
{
    const int64_t *i = v->attr.i;

    return (WinoDims){i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7]};
}

static Attr wino_attr(WinoDims d)
{
    return (Attr){.n = 8, .i = {d.m, d.r, d.ph_lo, d.ph_hi, d.pw_lo, d.pw_hi,
                                d.O, d.form}};
}

WinoRead wino_read(Val v)
{
    const int64_t *i = v->attr.i;

    return (WinoRead){i[0], i[1], i[2], i[3]};
}

WinoWeights wino_weights(Shape w, WinoRead read)
{
    // dims of r, s, c and o in memory
    static const int dim[WINO_ORDERS][4] = {
        [WINO_RRCO] = {0, 1, 2, 3},
        [WINO_OCRR] = {2, 3, 1, 0},
        [WINO_CORR] = {2, 3, 0, 1},
    };
    const int *d = dim[read.order];
    int64_t stride[4] = {1, 1, 1, 1};
    WinoWeights x;

    for (int k = 3; k-- > 0;)
        stride[k] = stride[k + 1] * w.dim[k + 1];
    x = (WinoWeights){w.dim[d[0]], w.dim[d[2]], w.dim[d[3]], 0, stride[d[0]],
                      stride[d[1]], stride[d[2]], stride[d[3]]};
    if (read.turned) {
        x.at = (x.R - 1) * (x.r + x.s);
        x.r = -x.r;
        x.s = -x.s;
    }
    return x;
}

Val ir_wino_w(Graph *g, Val w, WinoRead read)
{
    Attr a = {.n = 4, .i = {read.m, read.form, read.order, read.turned}};

    return ir_node(g, OP_wino_w, &a, &w, 1);
}

Val ir_conv_wino(Graph *g, Val x, Val u, WinoDims d)
{
    Attr a = wino_attr(d);

    return ir_node(g, OP_conv_wino, &a, (Val[]){x, u}, 2);
}

Val ir_conv_dw_wino(Graph *g, Val x, Val dy, WinoDims d)
{
    Attr a = wino_attr(d);

    return ir_node(g, OP_conv_dw_wino, &a, (Val[]){x, dy}, 2);
}
