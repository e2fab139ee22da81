/*
 * kernels.c -- single contractions through the JIT against the machine's peak.
 *
 *     bench_kernels [--cpu NAME] [--reps N] [--tile MRxNR] [--kc N]
 *                   [--unroll N] [SUBSTRING ...]
 *
 * One thread, f32. Each sample is divided by a loop of independent FMAs timed
 * right before and after it, and time is what this thread got of its core, so
 * that a busy or slow machine shows in both.
 * Percentages count every multiplication of the plain formula. The median of
 * the samples is shown, and the best.
 */
#include "codegen/emit.h"
#include "rnn_rt.h"
#include "ir/wino.h"
#include "support/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- the peak ------------------------------------------------------------- */

typedef struct Peak {
    RnnKernelFn *fn;
    int lanes;
} Peak;

/* The loop that every program carries for bench (emit_peak.c). */
static Peak make_peak(Arena *a, const char *cpu)
{
    char err[512];
    Target *t = target_new(a, cpu, 2, err, sizeof err);
    Emit e = emit_open(a, t, "peak");
    Module *m = NEW(a, Module);
    Peak p = {.lanes = e.opt.vector_bytes / 4};
    void *sym;

    emit_peak(&e);
    *m = (Module){.a = a, .target = t, .c = e.c, .m = e.m};
    sym = jit_symbol(codegen_jit(m, t, err, sizeof err), "rnn_peak");
    memcpy(&p.fn, &sym, sizeof sym);
    return p;
}

static double peak_gflops(const Peak *p)
{
    static float x[RNN_PEAK_FLOATS];
    void *ptr[1] = {x};
    int64_t n = 20000;
    double t = now();

    p->fn(ptr, n, 0, 1);
    return 2e-9 * (double)(n * RNN_PEAK_CHAINS * p->lanes) / (now() - t);
}

enum { REPS_MAX = 101 };

/* What the command line changes in every schedule; 0: nothing. */
typedef struct Changes {
    int mr, nr, unroll;
    int64_t kc;
    bool sparse;
} Changes;

static Changes change;
static int lanes;

/* The columns of a tile of N. */
static int64_t panel_width(int64_t N)
{
    int nr = change.nr ? change.nr : lanes < 16 ? 2 : N == 640 ? 3 : 4;

    return nr * lanes;
}

/* --- what is timed -------------------------------------------------------- */

static Val input(Graph *g, const char *name, bool batched, Shape s)
{
    return ir_input(g, INPUT_VAR, intern(name), type_of(DT_f32, batched, s));
}

/* Padding that keeps H x H. The compiler pads few channels by a copy. */
static bool few(int64_t C, int64_t O)
{
    return C < 8 || O < 8;
}

static ConvDims padding(int64_t C, int64_t R, int64_t O)
{
    int64_t p = few(C, O) ? 0 : R / 2;

    return (ConvDims){1, 1, p, p, p, p};
}

static Val image(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    int64_t wide = H + (few(C, O) ? R - 1 : 0);

    return input(g, "x", true, shape_of(3, wide, wide, C));
}

static Val conv(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return ir_conv(g, image(g, H, C, R, O),
                   input(g, "w", false, shape_of(4, R, R, C, O)),
                   padding(C, R, O));
}

/* At stride 2: half the size, or from half the size (H is the larger). */
static Val conv_down(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    int64_t lo = (R - 1) / 2, hi = R - 2 - lo;

    return ir_conv(g, input(g, "x", true, shape_of(3, H, H, C)),
                   input(g, "w", false, shape_of(4, R, R, C, O)),
                   (ConvDims){2, 2, lo, hi, lo, hi});
}

static Val conv_up(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    int64_t lo = (R - 1) / 2, hi = R - 2 - lo;

    return ir_conv_up(g, input(g, "x", true, shape_of(3, H / 2, H / 2, C)),
                      input(g, "w", false, shape_of(4, R, R, C, O)),
                      (ConvDims){2, 2, lo, hi, lo, hi}, H, H);
}

/* With weights in panels as wide as the tiles for O columns. */
static Val conv_panels(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    int64_t W = panel_width(O);
    Val p = input(g, "p", false, shape_of(3, (O + W - 1) / W, R * R * C, W));

    return ir_conv(g, image(g, H, C, R, O),
                   panels_view(g, p, shape_of(4, R, R, C, O)), padding(C, R, O));
}

static Val conv_dw(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return ir_conv_dw(g, image(g, H, C, R, O),
                      input(g, "dy", true, shape_of(3, H, H, O)),
                      padding(C, R, O), R, R);
}

/* Forward, or (dx) back. */
static Val dense_panels(Graph *g, int64_t I, int64_t O, int64_t dx,
                        int64_t unused)
{
    int64_t K = dx ? O : I, N = dx ? I : O, width = panel_width(N);
    Val p = input(g, "p", false, shape_of(3, (N + width - 1) / width, K,
                                          width));

    (void)unused;
    return ir_dot(g, input(g, "x", true, shape_of(1, K)),
                  panels_view(g, p, shape_of(2, K, N)),
                  &(DotDims){.ncontract = 1});
}

/* H, W: of the image; a frame keeps its size, or gives half or twice it. */
static Val conv_form(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O,
                     int64_t m, WinoForm form)
{
    int64_t lo = form == WINO_UP_ODD || form == WINO_SAME ? R / 2 : 0;
    int64_t hi = form == WINO_UP_ODD ? 0 : R / 2;
    int64_t panels = (O + WINO_PANEL - 1) / WINO_PANEL;
    WinoDims d = {m, R, lo, hi, lo, hi, O, form};
    Wino f;

    wino_of(m, R, form, &f);
    return ir_conv_wino(g, input(g, "x", true, shape_of(3, H, H, C)),
                        input(g, "u", false,
                              shape_of(4, panels, (int64_t)(f.nu * f.nu), C,
                                       (int64_t)WINO_PANEL)), d);
}

static Val conv_wino(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O,
                     int64_t m)
{
    return conv_form(g, H, C, R, O, m, WINO_SAME);
}

static Val conv_half(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return conv_form(g, H, C, R, O, 4, WINO_DOWN);
}

static Val conv_twice(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return conv_form(g, H, C, R, O, 4, WINO_UP_ODD);
}

static Val conv_f2(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return conv_wino(g, H, C, R, O, 2);
}

static Val conv_f4(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return conv_wino(g, H, C, R, O, 4);
}

static Val conv_dw_wino(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O,
                        int64_t m)
{
    WinoDims d = {m, R, R / 2, R / 2, R / 2, R / 2, O, WINO_SAME};

    return ir_conv_dw_wino(g, input(g, "x", true, shape_of(3, H, H, C)),
                           input(g, "dy", true, shape_of(3, H, H, O)), d);
}

static Val conv_dw_f2(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return conv_dw_wino(g, H, C, R, O, 2);
}

static Val conv_dw_f4(Graph *g, int64_t H, int64_t C, int64_t R, int64_t O)
{
    return conv_dw_wino(g, H, C, R, O, 4);
}

static Val wino_w(Graph *g, int64_t m, int64_t C, int64_t R, int64_t O)
{
    return ir_wino_w(g, input(g, "w", false, shape_of(4, R, R, C, O)), 
                     (WinoRead){.m = m});
}

static Val dense(Graph *g, int64_t I, int64_t O, int64_t unused, int64_t mode)
{
    Val w = input(g, "w", false, shape_of(2, I, O));
    Val x = input(g, "x", true, shape_of(1, mode == 1 ? O : I));
    DotDims d = {.ncontract = 1};

    (void)unused;
    if (mode == 2) { // weight gradient
        d = (DotDims){.sum_batch = true};
        w = input(g, "dy", true, shape_of(1, O));
    }
    d.cy[0] = mode == 1; // 1: input gradient
    return ir_dot(g, x, w, &d);
}

/* Behind a 2x2 max-pooling and a ReLU: of the windows, half let something
 * through, so an eighth of the convolution's dy is not zero. */
static Val place(Graph *g, Shape s)
{
    return ir_input(g, INPUT_VAR, intern("place"), type_of(DT_i32, true, s));
}

static Val pooled_dx(Graph *g, int64_t windows, int64_t C, int64_t R, int64_t O)
{
    Shape s = shape_of(3, windows, windows, O);

    return ir_conv_dx_pooled(
        g, input(g, "dy", true, s),
        input(g, "w", false, shape_of(4, O, R, R, C)), place(g, s),
        (UnpoolDims){2, 2, R / 2, R / 2, 2 * windows, 2 * windows, R, R});
}

static Val pooled_dw(Graph *g, int64_t windows, int64_t C, int64_t R, int64_t O)
{
    Shape s = shape_of(3, windows, windows, O);
    int64_t H = 2 * windows + R - 1;

    return ir_conv_dw_pooled(g, input(g, "x", true, shape_of(3, H, H, C)),
                             input(g, "dy", true, s), place(g, s),
                             (UnpoolDims){.kh = 2, .kw = 2, .R = R, .S = R});
}

static const struct {
    const char *name;
    Val (*make)(Graph *g, int64_t, int64_t, int64_t, int64_t);
    int64_t arg[4], batch;
} rows[] = {
    {"conv 5x5 1->32 @28", conv, {28, 1, 5, 32}, 128},
    {"conv 5x5 32->1 @28 (dx)", conv, {28, 32, 5, 1}, 128},
    {"conv_dw 5x5 1->32 @28", conv_dw, {28, 1, 5, 32}, 128},
    {"pooled dx 5x5 32->1 @28, 1/8", pooled_dx, {14, 1, 5, 32}, 128},
    {"pooled dw 5x5 1->32 @28, 1/8", pooled_dw, {14, 1, 5, 32}, 128},
    {"pooled dx 5x5 64->32 @14, 1/8", pooled_dx, {7, 32, 5, 64}, 128},
    {"pooled dw 5x5 32->64 @14, 1/8", pooled_dw, {7, 32, 5, 64}, 128},
    {"pooled dx 3x3 64->64 @32, 1/8", pooled_dx, {16, 64, 3, 64}, 16},
    {"pooled dw 3x3 64->64 @32, 1/8", pooled_dw, {16, 64, 3, 64}, 16},
    {"conv 5x5 32->64 @14", conv, {14, 32, 5, 64}, 128},
    {"conv 5x5 64->32 @14 (dx)", conv, {14, 64, 5, 32}, 128},
    {"conv_dw 5x5 32->64 @14", conv_dw, {14, 32, 5, 64}, 128},
    {"conv 3x3 32->64 @14", conv, {14, 32, 3, 64}, 128},
    {"conv 3x3 64->32 @14 (dx)", conv, {14, 64, 3, 32}, 128},
    {"conv_dw 3x3 32->64 @14", conv_dw, {14, 32, 3, 64}, 128},
    {"conv 3x3 64->64 @13", conv, {13, 64, 3, 64}, 64},
    {"conv_dw 3x3 64->64 @13", conv_dw, {13, 64, 3, 64}, 64},
    {"dense 3136->1024", dense, {3136, 1024, 0, 0}, 128},
    {"dense 3136->1024 dx", dense, {3136, 1024, 0, 1}, 128},
    {"dense 3136->1024 dw", dense, {3136, 1024, 0, 2}, 128},
    {"panels 3136->1024", dense_panels, {3136, 1024, 0, 0}, 128},
    {"panels 3136->1024 dx", dense_panels, {3136, 1024, 1, 0}, 128},
    {"panels 784->300", dense_panels, {784, 300, 0, 0}, 128},
    {"dense 1024->10", dense, {1024, 10, 0, 0}, 128},
    {"dense 1024->10 dx", dense, {1024, 10, 0, 1}, 128},
    {"dense 1024->10 dw", dense, {1024, 10, 0, 2}, 128},
    {"dense 784->300", dense, {784, 300, 0, 0}, 128},
    {"conv 3x3 3->16 @32", conv, {32, 3, 3, 16}, 16},
    {"conv 3x3 160->160 @32", conv, {32, 160, 3, 160}, 4},
    {"conv_dw 3x3 160->160 @32", conv_dw, {32, 160, 3, 160}, 4},
    {"conv 3x3 320->320 @16", conv, {16, 320, 3, 320}, 8},
    {"conv_dw 3x3 320->320 @16", conv_dw, {16, 320, 3, 320}, 8},
    {"conv 3x3 640->640 @8", conv, {8, 640, 3, 640}, 8},
    {"conv_dw 3x3 640->640 @8", conv_dw, {8, 640, 3, 640}, 8},
    {"conv/2 4x4 16->32 @28", conv_down, {28, 16, 4, 32}, 64},
    {"conv/2 4x4 32->64 @14", conv_down, {14, 32, 4, 64}, 64},
    {"conv/2 4x4 64->64 @26", conv_down, {26, 64, 4, 64}, 64},
    {"conv_up 4x4 32->16 @28", conv_up, {28, 32, 4, 16}, 64},
    {"conv_up 4x4 64->32 @14", conv_up, {14, 64, 4, 32}, 64},
    {"conv_up 4x4 64->64 @26", conv_up, {26, 64, 4, 64}, 64},
    {"panels 3x3 160->160 @32", conv_panels, {32, 160, 3, 160}, 4},
    {"panels 3x3 320->320 @16", conv_panels, {16, 320, 3, 320}, 8},
    {"panels 3x3 640->640 @8", conv_panels, {8, 640, 3, 640}, 8},
    {"conv 1x1 160->320 @16", conv, {16, 160, 1, 320}, 8},
    {"conv 3x3 64->64 @6", conv, {6, 64, 3, 64}, 128},
    {"conv_dw 3x3 64->64 @6", conv_dw, {6, 64, 3, 64}, 128},
    {"batch 1: conv 5x5 32->64 @14", conv, {14, 32, 5, 64}, 1},
    {"batch 1: panels 3136->1024", dense_panels, {3136, 1024, 0, 0}, 1},
    {"batch 1: panels 3136->1024 dx", dense_panels, {3136, 1024, 1, 0}, 1},
    {"batch 1: half zeros 3136->1024", dense_panels, {3136, 1024, 0, 0}, 1},
    {"batch 1: half zeros dx", dense_panels, {3136, 1024, 1, 0}, 1},
    {"F(4,3) 160->160 @32", conv_f4, {32, 160, 3, 160}, 4},
    {"F(2,3) 160->160 @32", conv_f2, {32, 160, 3, 160}, 4},
    {"F(4,3) 320->320 @16", conv_f4, {16, 320, 3, 320}, 8},
    {"F(2,3) 320->320 @16", conv_f2, {16, 320, 3, 320}, 8},
    {"F(4,3) 640->640 @8", conv_f4, {8, 640, 3, 640}, 8},
    {"F(2,3) 640->640 @8", conv_f2, {8, 640, 3, 640}, 8},
    {"F(2,5) 32->64 @14", conv_f2, {14, 32, 5, 64}, 128},
    {"F(2,5) 64->32 @14", conv_f2, {14, 64, 5, 32}, 128},
    {"F(2,3) 64->64 @6", conv_f2, {6, 64, 3, 64}, 128},
    {"F(4,3) 64->64 @6", conv_f4, {6, 64, 3, 64}, 128},
    {"F(2,3) 64->64 @7", conv_f2, {7, 64, 3, 64}, 128},
    {"F(4,3) 64->64 @7", conv_f4, {7, 64, 3, 64}, 128},
    {"F(4,3) 64->64 @13", conv_f4, {13, 64, 3, 64}, 128},
    {"batch 8: F(4,3) 64->64 @13", conv_f4, {13, 64, 3, 64}, 8},
    {"F(4,3) 32->64 @14", conv_f4, {14, 32, 3, 64}, 128},
    {"F(4,3) 32->32 @32", conv_f4, {32, 32, 3, 32}, 64},
    {"F(4,3) 64->64 @16", conv_f4, {16, 64, 3, 64}, 64},
    {"F(4,3) 128->128 @8", conv_f4, {8, 128, 3, 128}, 64},
    {"batch 1: F(4,3) 160->160 @32", conv_f4, {32, 160, 3, 160}, 1},
    {"batch 1: F(4,3) 320->320 @16", conv_f4, {16, 320, 3, 320}, 1},
    {"batch 1: F(4,3) 640->640 @8", conv_f4, {8, 640, 3, 640}, 1},
    {"batch 1: F(2,3) 640->640 @8", conv_f2, {8, 640, 3, 640}, 1},
    {"batch 1: F(2,5) 32->64 @14", conv_f2, {14, 32, 5, 64}, 1},
    {"batch 1: F(2,3) 64->64 @6", conv_f2, {6, 64, 3, 64}, 1},
    {"batch 1: F(4,3) 64->64 @7", conv_f4, {7, 64, 3, 64}, 1},
    {"dw F(4,3) 160->160 @32", conv_dw_f4, {32, 160, 3, 160}, 4},
    {"F(4,3)/2 64->64 @32", conv_half, {32, 64, 3, 64}, 64},
    {"F(4,3)/2 128->128 @16", conv_half, {16, 128, 3, 128}, 64},
    {"up F(4,3)/2 64->64 @16", conv_twice, {16, 64, 3, 64}, 64},
    {"up F(4,3)/2 128->128 @8", conv_twice, {8, 128, 3, 128}, 64},
    {"dw F(4,3) 320->320 @16", conv_dw_f4, {16, 320, 3, 320}, 8},
    {"dw F(4,3) 640->640 @8", conv_dw_f4, {8, 640, 3, 640}, 8},
    {"dw F(2,5) 32->64 @14", conv_dw_f2, {14, 32, 5, 64}, 128},
    {"dw F(2,3) 64->64 @6", conv_dw_f2, {6, 64, 3, 64}, 128},
    {"dw F(4,3) 64->64 @7", conv_dw_f4, {7, 64, 3, 64}, 128},
    {"weights F(4,3) 160->160", wino_w, {4, 160, 3, 160}, 1},
    {"weights F(4,3) 640->640", wino_w, {4, 640, 3, 640}, 1},
    {"weights F(2,5) 32->64", wino_w, {2, 32, 5, 64}, 1},
};

static double flops_of(Val v, int64_t batch)
{
    const int64_t *w = v->src[v->nsrc - 1]->type.shape.dim;
    double out = (double)shape_size(v->type.shape);

    if (v->op == OP_conv_dx_pooled || v->op == OP_conv_dw_pooled) {
        UnpoolDims u = ir_unpool_dims(v);
        bool dx = v->op == OP_conv_dx_pooled;
        const int64_t *dy = v->src[dx ? 0 : 1]->type.shape.dim;

        return 2.0 * (double)(batch * dy[0] * u.kh * dy[1] * u.kw * dy[2] *
                              u.R * u.S * v->type.shape.dim[dx ? 2 : 3]);
    }
    if (wino_is_core(v->op))
        return (double)batch * wino_flops(v);
    if (v->op == OP_wino_w)
        return 2 * out * (double)w[0];

    if (v->op == OP_conv)
        return 2 * out * (double)(batch * w[0] * w[1] * w[2]);
    if (v->op == OP_conv_up) // each of its inputs meets each weight
        return 2 * (double)(shape_size(v->src[0]->type.shape) * batch * w[0] *
                            w[1] * w[3]);
    if (v->op == OP_conv_dw)
        return 2 * out * (double)(batch * w[0] * w[1]);
    if (ir_dot_dims(v).sum_batch)
        return 2 * out * (double)batch;
    return 2 * out * (double)(batch * v->src[0]->type.shape.dim[0]);
}

static float *random_floats(int64_t n, bool fill)
{
    void *p = NULL;
    uint32_t s = 12345;

    if (posix_memalign(&p, 4096, (size_t)(n * 4 + 4096)))
        exit(2);
    for (int64_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        ((float *)p)[i] = fill ? (float)(s >> 9) * 0x1p-23f - 0.5f : 0;
    }
    return p;
}

/* Half of dy zero; places 0 .. 3. */
static void make_pooled(const Buffer *b, void *at, int64_t n)
{
    uint32_t s = 54321;

    for (int64_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        if (b->type.dt == DT_i32)
            ((int32_t *)at)[i] = (int32_t)(s >> 30);
        else if (b->val->attr.s == intern("dy") && s >> 31)
            ((float *)at)[i] = 0;
    }
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return (a > b) - (a < b);
}

/* The weights of a dense layer as a batch of one reads them. */
static Val rows_of(Graph *g, Val dot)
{
    int64_t K = dot->src[0]->type.shape.dim[0], N = dot->type.shape.dim[0];

    return input(g, "rows", false, shape_of(2, K, N));
}

static TestKernel *make(Arena *a, Graph *g, Val v, const char *cpu,
                        const Changes *c)
{
    TestKernel *k;
    Schedule s;

    if (c->sparse && v->op == OP_dot)
        return test_kernel_sparse(a, v, v, rows_of(g, v), cpu, 3);
    k = test_kernel(a, v, v, cpu, 3);
    s = k->k.sched;
    if (!c->mr && !c->kc && !c->unroll && !c->sparse)
        return k;
    if (c->mr) {
        s.mr = c->mr;
        s.nr = c->nr;
    }
    if (c->kc)
        s.kc = c->kc;
    if (c->unroll)
        s.unroll = c->unroll;
    s.sparse = c->sparse;
    if (!c->sparse) {
        s.tasks = s.parts = 0;
        s.blocks = 1;
    }
    test_kernel_free(k);
    return test_kernel_as(a, v, v, cpu, 3, &s);
}

static void time_one(const char *name, Graph *g, Val v, int64_t batch,
                     const char *cpu, int reps, const Peak *peak,
                     const Changes *c)
{
    Arena *a = arena_new();
    TestKernel *k = make(a, g, v, cpu, c);
    const Schedule *s = &k->k.sched;
    double flops = flops_of(v, batch), share[REPS_MAX], ms[REPS_MAX], best = 0;
    int64_t tasks = test_kernel_tasks(k, batch);
    void *buf[4];
    int inner = 1;

    buf[0] = random_floats(shape_size(v->type.shape) *
                           (v->type.batched ? batch : 1), false);
    for (int i = 0; i < k->k.nread; i++) {
        Type t = k->k.read[i]->type;
        buf[1 + i] = random_floats(shape_size(t.shape) *
                                   (t.batched ? batch : 1), true);
        if (v->nsrc == 3)
            make_pooled(k->k.read[i], buf[1 + i],
                        shape_size(t.shape) * (t.batched ? batch : 1));
        for (int64_t j = 0; c->sparse && v->nsrc == 2 && i == 0 && j < shape_size(t.shape);
             j++)
            if (((float *)buf[1 + i])[j] < 0)
                ((float *)buf[1 + i])[j] = 0;
    }
    k->fn(buf, batch, 0, tasks);
    {
        double t = now();
        k->fn(buf, batch, 0, tasks);
        t = now() - t;
        inner = t < 2e-3 ? (int)(2e-3 / (t + 1e-9)) + 1 : 1;
    }
    for (int r = 0; r < reps; r++) {
        double before = peak_gflops(peak), after, t = now();

        for (int i = 0; i < inner; i++)
            k->fn(buf, batch, 0, tasks);
        t = (now() - t) / inner;
        after = peak_gflops(peak);
        ms[r] = t * 1e3;
        share[r] = 1e-9 * flops / t / (before > after ? before : after);
        best = share[r] > best ? share[r] : best;
    }
    qsort(share, (size_t)reps, sizeof *share, by_value);
    qsort(ms, (size_t)reps, sizeof *ms, by_value);
    printf("%-30s %8.3f ms %5.1f %% (best %5.1f)  %s %2d x %d x %-2d %s\n",
           name, ms[reps / 2], 100 * share[reps / 2], 100 * best,
           s->form == FORM_INNER ? "inner" : "outer", s->mr, s->nr, s->lanes,
           s->why ? s->why : "");
    fflush(stdout);
    for (int i = 0; i <= k->k.nread; i++)
        free(buf[i]);
    test_kernel_free(k);
    arena_free(a);
}

static bool wanted(const char *name, char **word, int n)
{
    for (int i = 0; i < n; i++)
        if (strstr(name, word[i]))
            return true;
    return n == 0;
}

int main(int argc, char **argv)
{
    const char *cpu = NULL;
    int reps = 9, at = 1;
    Arena *a = arena_new();
    Peak peak;

    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        if (!strcmp(argv[at], "--cpu"))
            cpu = argv[at + 1];
        else if (!strcmp(argv[at], "--reps"))
            reps = atoi(argv[at + 1]);
        else if (!strcmp(argv[at], "--tile"))
            sscanf(argv[at + 1], "%dx%d", &change.mr, &change.nr);
        else if (!strcmp(argv[at], "--kc"))
            change.kc = atoi(argv[at + 1]);
        else if (!strcmp(argv[at], "--unroll"))
            change.unroll = atoi(argv[at + 1]);
    }
    if (reps < 1 || reps > REPS_MAX)
        reps = 9;
    peak = make_peak(a, cpu);
    lanes = peak.lanes;
    printf("peak %.1f GFLOP/s, %d lanes\n", peak_gflops(&peak), peak.lanes);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Graph *g = graph_new(a);
        const int64_t *x = rows[i].arg;

        change.sparse = strstr(rows[i].name, "half zeros") ||
                        strstr(rows[i].name, "pooled");
        if (wanted(rows[i].name, argv + at, argc - at))
            time_one(rows[i].name, g,
                     rows[i].make(g, x[0], x[1], x[2], x[3]), rows[i].batch,
                     cpu, reps, &peak, &change);
    }
    return 0;
}
