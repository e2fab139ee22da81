/*
 * emit_wino_move.c -- squares of vectors between images and transformed
 * panels.
 *
 * A transform is a product with a small constant matrix whose rows (or
 * columns) come in pairs that differ in the sign of every second entry: their
 * common parts are computed once, then added and subtracted.
 */
#include "codegen/wino.h"

V wino_at(Winograd *w, V base, V index)
{
    return LLVMBuildGEP2(w->e->b, w->elem, base, &index, 1, "");
}

V wino_mul(Winograd *w, V x, int64_t c)
{
    return emit_index_mul(w->e, x, c);
}

V wino_add(Winograd *w, V x, V y)
{
    return emit_index_add(w->e, x, y);
}

static V lane_mask(Winograd *w, int width)
{
    V bit[64];

    for (int i = 0; i < w->lanes; i++)
        bit[i] = LLVMConstInt(w->e->i1, i < width, 0);
    return LLVMConstVector(bit, (unsigned)w->lanes);
}

V wino_load(Winograd *w, V at, int width)
{
    LLVMTypeRef type = emit_type(w->e, w->dt, w->lanes);
    V x;

    if (width < w->lanes)
        return compat_masked_load(w->e->m, w->e->b, type, at,
                                  lane_mask(w, width), (unsigned)w->size);
    x = LLVMBuildLoad2(w->e->b, type, at, "");
    LLVMSetAlignment(x, (unsigned)w->size);
    return x;
}

V wino_gather(Winograd *w, V at, int64_t stride, int width)
{
    V x = LLVMConstNull(emit_type(w->e, w->dt, w->lanes));

    for (int i = 0; i < width; i++) {
        V p = wino_at(w, at, emit_int(w->e, i * stride));

        x = LLVMBuildInsertElement(w->e->b, x,
                                   LLVMBuildLoad2(w->e->b, w->elem, p, ""),
                                   LLVMConstInt(w->e->i32, (unsigned)i, 0),
                                   "");
    }
    return x;
}

void wino_save(Winograd *w, V x, V at)
{
    LLVMSetAlignment(LLVMBuildStore(w->e->b, x, at), (unsigned)w->size);
}

void wino_fetch(Winograd *w, V at, bool write)
{
    const char *name = "llvm.prefetch";
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    V fn = LLVMGetIntrinsicDeclaration(w->e->m, id, &w->e->ptr, 1);
    V arg[4] = {at, LLVMConstInt(w->e->i32, write, 0),
                LLVMConstInt(w->e->i32, 2, 0), LLVMConstInt(w->e->i32, 1, 0)};

    LLVMBuildCall2(w->e->b, LLVMGlobalGetValueType(fn), fn, arg, 4, "");
}

void wino_fetch_pixels(Winograd *w, const Pixels *p, V first, int64_t count)
{
    int64_t line = WINO_LINE / w->size;
    V from = wino_add(w, wino_mul(w, first, p->channels), p->c);
    EmitLoop l;

    from = wino_at(w, p->image, from);
    l = nest_loop(w->n, emit_int(w->e, 0), emit_int(w->e, count), "fetch");
    for (int64_t k = 0; k < p->width; k += line)
        wino_fetch(w, wino_at(w, from, wino_add(w, wino_mul(w, l.i,
                                                            p->channels),
                                                emit_int(w->e, k))),
                   p->write);
    emit_loop_end(w->e, &l);
}

V wino_part(Winograd *w, V x, int from, int n)
{
    V index[64];

    if (n == w->lanes)
        return x;
    for (int i = 0; i < n; i++)
        index[i] = LLVMConstInt(w->e->i32, (unsigned)(from + i), 0);
    if (n == 1)
        return LLVMBuildExtractElement(w->e->b, x, index[0], "");
    return LLVMBuildShuffleVector(w->e->b, x, LLVMGetPoison(LLVMTypeOf(x)),
                                  LLVMConstVector(index, (unsigned)n), "");
}

/* --- products with constants ---------------------------------------------- */

/* sum + c x; NULL is 0. */
static V plus(Winograd *w, V sum, double c, V x)
{
    LLVMBuilderRef b = w->e->b;

    if (c == 0)
        return sum;
    if (!sum && c == 1)
        return x;
    if (!sum)
        return LLVMBuildFMul(b, x, emit_num(w->e, w->dt, w->lanes, c), "");
    if (c == 1)
        return LLVMBuildFAdd(b, sum, x, "");
    if (c == -1)
        return LLVMBuildFSub(b, sum, x, "");
    return vec_multiply_add(w->e, x, emit_num(w->e, w->dt, w->lanes, c), sum);
}

/* Terms with coefficient 1 first: they need no multiplication. */
static V combine(Winograd *w, const double *c, const V *x, int n)
{
    V sum = NULL;
    int first = 0;

    while (first < n && c[first] != 1)
        first++;
    if (first < n)
        sum = x[first];
    for (int k = 0; k < n; k++)
        if (k != first)
            sum = plus(w, sum, c[k], x[k]);
    return sum ? sum : emit_num(w->e, w->dt, w->lanes, 0);
}

/* Entry (i, j) of the matrix meant. */
static double entry(WinoMatrix *m, bool across, int i, int j)
{
    return across ? (*m)[j][i] : (*m)[i][j];
}

/* Do rows i and i + 1 differ in the sign of every entry of one parity only?
 * That parity, or -1. */
static int row_pair(WinoMatrix *m, bool across, int i, int cols)
{
    for (int odd = 0; odd < 2; odd++) {
        bool ok = true, some[2] = {false, false};

        for (int j = 0; j < cols && ok; j++) {
            double x = entry(m, across, i, j), y = entry(m, across, i + 1, j);

            ok = y == (j % 2 == odd ? -x : x);
            some[j % 2] = some[j % 2] || x != 0;
        }
        if (ok && some[0] && some[1])
            return odd;
    }
    return -1;
}

/* Columns j, j + 1 with entries of equal size and, at odd rows, other sign. */
static bool column_pair(WinoMatrix *m, bool across, int j, int rows)
{
    bool some[2] = {false, false};

    for (int i = 0; i < rows; i++) {
        double x = entry(m, across, i, j), y = entry(m, across, i, j + 1);

        if (y != (i % 2 ? -x : x))
            return false;
        some[i % 2] = some[i % 2] || x != 0;
    }
    return some[0] && some[1];
}

static void by_rows(Winograd *w, WinoMatrix *m, int rows, int cols,
                    bool across, const V *x, V *y)
{
    for (int i = 0; i < rows; i++) {
        int odd = i + 1 < rows ? row_pair(m, across, i, cols) : -1;
        double c[2][WINO_SIDE] = {{0}};

        for (int j = 0; j < cols; j++)
            c[odd >= 0 && j % 2 == odd][j] = entry(m, across, i, j);
        V same = combine(w, c[0], x, cols);
        y[i] = same;
        if (odd >= 0) {
            V other = combine(w, c[1], x, cols);

            y[i] = LLVMBuildFAdd(w->e->b, same, other, "");
            y[++i] = LLVMBuildFSub(w->e->b, same, other, "");
        }
    }
}

static void by_columns(Winograd *w, WinoMatrix *m, int rows, int cols,
                       bool across, const V *x, V *y)
{
    V even[WINO_SIDE], odd[WINO_SIDE];
    double c[WINO_SIDE];
    int n = 0, from[WINO_SIDE];

    for (int j = 0; j < cols; j++) {
        from[n] = j;
        even[n] = odd[n] = x[j];
        if (j + 1 < cols && column_pair(m, across, j, rows)) {
            even[n] = LLVMBuildFAdd(w->e->b, x[j], x[j + 1], "");
            odd[n] = LLVMBuildFSub(w->e->b, x[j], x[j + 1], "");
            j++;
        }
        n++;
    }
    for (int i = 0; i < rows; i++) {
        for (int k = 0; k < n; k++)
            c[k] = entry(m, across, i, from[k]);
        y[i] = combine(w, c, i % 2 ? odd : even, n);
    }
}

void wino_times(Winograd *w, WinoMatrix *m, int rows, int cols,
                bool across, const V *x, V *y)
{
    for (int i = 0; i + 1 < rows; i++)
        if (row_pair(m, across, i, cols) >= 0) {
            by_rows(w, m, rows, cols, across, x, y);
            return;
        }
    by_columns(w, m, rows, cols, across, x, y);
}

void wino_both(Winograd *w, WinoMatrix *m, int out, int in, bool across,
               const V *x, V *y)
{
    V half[WINO_SIDE * WINO_SIDE], a[WINO_SIDE], b[WINO_SIDE];

    for (int s = 0; s < in; s++) {
        for (int r = 0; r < in; r++)
            a[r] = x[r * in + s];
        wino_times(w, m, out, in, across, a, b);
        for (int i = 0; i < out; i++)
            half[i * in + s] = b[i];
    }
    for (int i = 0; i < out; i++)
        wino_times(w, m, out, in, across, half + i * in, y + i * out);
}

/* --- squares -------------------------------------------------------------- */

/* Is place x + k, x in lo .. hi, inside 0 .. n - 1? NULL: always. */
static V inside(Winograd *w, V x, int k, int64_t lo, int64_t hi, int64_t n)
{
    if (lo + k >= 0 && hi + k < n)
        return NULL;
    return LLVMBuildICmp(w->e->b, LLVMIntULT,
                         wino_add(w, x, emit_int(w->e, k)),
                         emit_int(w->e, n), "");
}

void wino_square(Winograd *w, const Square *q, int side, V c, int width, V *x)
{
    LLVMBuilderRef b = w->e->b;
    V row_ok[WINO_SIDE], col_ok[WINO_SIDE], base;

    base = wino_add(w, wino_mul(w, q->row, q->width), q->col);
    base = wino_add(w, wino_mul(w, base, q->channels), c);
    base = wino_at(w, q->image, base);
    for (int k = 0; k < side; k++) {
        int at = q->place[k];

        row_ok[k] = inside(w, q->row, at, q->row_lo, q->row_hi, q->height);
        col_ok[k] = inside(w, q->col, at, q->col_lo, q->col_hi, q->width);
    }
    for (int s = 0; s < side; s++)
        for (int r = 0; r < side; r++) {
            int64_t off = (q->place[r] * q->width + q->place[s]) *
                          q->channels;
            V at = wino_at(w, base, emit_int(w->e, off)), ok = row_ok[r];

            if (col_ok[s])
                ok = ok ? LLVMBuildAnd(b, ok, col_ok[s], "") : col_ok[s];
            if (ok)
                at = LLVMBuildSelect(b, ok, at, w->zeros, "");
            x[r * side + s] = wino_load(w, at, width);
        }
}

void wino_spread(Winograd *w, const Panel *p, V block, V row, const V *x)
{
    V at = wino_add(w, wino_mul(w, block, p->rows), row);

    at = wino_at(w, p->at, wino_mul(w, at, w->lanes));
    for (int k = 0; k < w->points; k++)
        wino_save(w, x[k], wino_at(w, at, emit_int(w->e, k * p->point)));
}
