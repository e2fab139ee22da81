/*
 * fake_program.c -- tables and entry points as rnnc would emit them.
 *
 *   loss = mean over the batch of -log softmax(W x + b)[y]
 *   m <- 0.9 m + dloss,  (W, b) <- (W, b) - lr m
 *
 * Options of training for tests: `poison` (a step whose logits are NaN),
 * `spoil` (a step whose new bias is NaN although its loss is not), `stop_at`,
 * `raise_at` and `die_at` (steps that end the run, raise SIGINT, exit).
 */
#include "support/fake_program.h"
#include "rng.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { P = FAKE_PIXELS, C = FAKE_CLASSES };

#define REAL(...) {.dt = RNN_F32, __VA_ARGS__}
#define WIDE(...) {.dt = RNN_F64, __VA_ARGS__}
#define IMAGE .batched = 1, .rank = 3, .dim = {1, 4, 4}
#define WEIGHT .rank = 2, .dim = {C, P}
#define BIAS .rank = 1, .dim = {C}
#define LABEL {.dt = RNN_I32, .batched = 1}
#define INT {.dt = RNN_I32}
#define N(a) ((int32_t)(sizeof(a) / sizeof *(a)))

/* --- the mathematics, in f64 --------------------------------------------- */

/* Logits of one example; returns its loss. p [C]: softmax. */
static double forward(const double *w, const double *b, const double *x, int y,
                      double *z, double *p)
{
    double top = -INFINITY, sum = 0;

    for (int c = 0; c < C; c++) {
        z[c] = b[c];
        for (int i = 0; i < P; i++)
            z[c] += w[c * P + i] * x[i];
        top = fmax(top, z[c]);
    }
    for (int c = 0; c < C; c++)
        sum += exp(z[c] - top);
    for (int c = 0; c < C; c++)
        p[c] = exp(z[c] - top) / sum;
    return top + log(sum) - z[y];
}

static int best(const double *z)
{
    int c = 0;

    for (int k = 1; k < C; k++)
        c = z[k] > z[c] ? k : c;
    return c;
}

static double *widen(const float *x, int64_t n)
{
    double *d = malloc(sizeof *d * (size_t)n);

    for (int64_t i = 0; i < n; i++)
        d[i] = (double)x[i];
    return d;
}

/* Loss of a batch; gradients where their pointers are not NULL. */
static double batch_loss(int64_t n, const double *x, const int32_t *y,
                         const double *w, const double *b, double *dw,
                         double *db, double *dx, unsigned char *right,
                         float *each)
{
    double loss = 0, z[C], p[C];

    memset(dw, 0, sizeof *dw * C * P);
    memset(db, 0, sizeof *db * C);
    for (int64_t i = 0; i < n; i++) {
        double l = forward(w, b, x + i * P, y[i], z, p);

        loss += l / (double)n;
        if (right)
            right[i] = best(z) == y[i];
        if (each)
            each[i] = (float)l;
        for (int c = 0; c < C; c++) {
            double dz = (p[c] - (c == y[i])) / (double)n;

            db[c] += dz;
            for (int k = 0; k < P; k++) {
                dw[c * P + k] += dz * x[i * P + k];
                if (dx)
                    dx[i * P + k] = (c ? dx[i * P + k] : 0) + dz * w[c * P + k];
            }
        }
    }
    return loss;
}

/* --- variables, options, data -------------------------------------------- */

enum { W, B, MW, MB, SEEN };
static const RnnVar vars[] = {
    {"f.weight", "toy.rnn:3:3", REAL(WEIGHT), 1, 0},
    {"f.bias", "toy.rnn:4:3", REAL(BIAS), 1, 0},
    {"train.f.weight.m", "toy.rnn:8:3", REAL(WEIGHT), 0, 0},
    {"train.f.bias.m", "toy.rnn:8:3", REAL(BIAS), 0, 0},
    {"train.seen", "toy.rnn:9:3", INT, 0, 0},
};

enum { LR, EPS, NOISY };
static const RnnOption options[] = {
    {"lr", "step size", RNN_OPT_REAL, 0, 0.5, 0, 10},
    {"eps", "radius of the attack", RNN_OPT_REAL, 0, 0.1, 0, 1},
    {"noisy", "add noise while training", RNN_OPT_BOOL, 0, 0, 0, 1},
};
enum { POISON, SPOIL, STOP_AT, RAISE_AT, DIE_AT };
#define AT(name) {name, "", RNN_OPT_INT, 0, -1, -1, 1000000}
static const RnnOption train_options[] = {AT("poison"), AT("spoil"),
                                          AT("stop_at"), AT("raise_at"),
                                          AT("die_at")};
static const RnnOption attack_options[] = {
    {"steps", "how many", RNN_OPT_INT, 0, 1, 0, 1000}};

static const RnnField fields[] = {
    {"x", REAL(IMAGE), 0, 1, 0},
    {"y", LABEL, -INFINITY, INFINITY, C},
};
static const char *const arg_name[] = {""}, *const arg[] = {"toy"};
static const RnnData data[] = {
    {"toy", "idx", "toy.rnn:1:1", 1, 2, arg_name, arg, fields}};

/* --- init ---------------------------------------------------------------- */

static void init(RnnCall *c)
{
    float *w = c->out[W];

    rnn_fill_normal(c, w, RNN_F32, 0, C * P, 1, NULL, 0);
    for (int i = 0; i < C * P; i++)
        w[i] *= 0.1f;
    for (int o = B; o <= MB; o++)
        memset(c->out[o], 0, sizeof(float) * (o == MW ? C * P : C));
    *(int32_t *)c->out[SEEN] = 0;
}

static const RnnOutput init_out[] = {
    {RNN_OUT_VAR, W, "", "", "", REAL(WEIGHT), 0, 0},
    {RNN_OUT_VAR, B, "", "", "", REAL(BIAS), 0, 0},
    {RNN_OUT_VAR, MW, "", "", "", REAL(WEIGHT), 0, 0},
    {RNN_OUT_VAR, MB, "", "", "", REAL(BIAS), 0, 0},
    {RNN_OUT_VAR, SEEN, "", "", "", INT, 0, 0},
};

/* --- train --------------------------------------------------------------- */

enum {
    T_X, T_Y, T_W, T_B, T_MW, T_MB, T_SEEN, T_LR, T_NOISY, T_POISON, T_SPOIL,
    T_STOP, T_RAISE, T_DIE, T_STEP
};
#define IN(kind, i, ...) {RNN_IN_##kind, i, __VA_ARGS__, 0, 0}
#define OPT(i, ...) IN(OPTION, i, __VA_ARGS__)
static const RnnInput train_in[] = {
    IN(FIELD, 0, REAL(IMAGE)),  IN(FIELD, 1, LABEL),
    IN(VAR, W, REAL(WEIGHT)),   IN(VAR, B, REAL(BIAS)),
    IN(VAR, MW, REAL(WEIGHT)),  IN(VAR, MB, REAL(BIAS)),
    IN(VAR, SEEN, INT),         OPT(LR, REAL(.rank = 0)),
    OPT(NOISY, {.dt = RNN_BOOL}),    OPT(3 + POISON, INT),
    OPT(3 + SPOIL, INT),             OPT(3 + STOP_AT, INT),
    OPT(3 + RAISE_AT, INT),          OPT(3 + DIE_AT, INT),
    IN(CLOCK, RNN_CLOCK_STEP, INT),
};
enum { O_LOSS = SEEN + 1, O_RIGHT, O_EACH, O_STOP };
static const RnnOutput train_out[] = {
    {RNN_OUT_VAR, W, "", "", "", REAL(WEIGHT), 0, 0},
    {RNN_OUT_VAR, B, "", "", "", REAL(BIAS), 0, 0},
    {RNN_OUT_VAR, MW, "", "", "", REAL(WEIGHT), 0, 0},
    {RNN_OUT_VAR, MB, "", "", "", REAL(BIAS), 0, 0},
    {RNN_OUT_VAR, SEEN, "", "", "", INT, 1, 0},
    {RNN_OUT_LOSS, 0, "loss", "", "toy.rnn:7:3", REAL(.rank = 0), 0, 0},
    {RNN_OUT_WATCH, 0, "accuracy", "", "", {.dt = RNN_BOOL, .batched = 1}, 0,
     0},
    {RNN_OUT_WATCH, 0, "each", "", "", REAL(.batched = 1), 0, 0},
    {RNN_OUT_STOP, 0, "", "enough at eps {eps}", "", {.dt = RNN_BOOL}, 0, 0},
};
static const RnnKernelInfo kernels[] = {
    {"dot 3x16", "toy.rnn:5:7", 96, 0, 64, 192, 0, 0, 1},
    {"softmax", "toy.rnn:7:12", 12, 0, 24, 0, 1, 2, 1},
};

static int32_t int_in(const RnnCall *c, int i)
{
    return *(const int32_t *)c->in[i];
}

static void momentum(RnnCall *c, int v, const double *g, int n, float lr)
{
    const float *p = c->in[T_W + v], *m = c->in[T_MW + v];
    float *pn = c->out[W + v], *mn = c->out[MW + v];

    for (int i = 0; i < n; i++) {
        mn[i] = 0.9f * m[i] + (float)g[i];
        pn[i] = p[i] - lr * mn[i];
    }
}

static void train(RnnCall *c)
{
    int64_t n = c->n;
    int32_t step = int_in(c, T_STEP);
    double *x = widen(c->in[T_X], n * P), *w = widen(c->in[T_W], C * P);
    double *b = widen(c->in[T_B], C), dw[C * P], db[C];
    float lr = *(float *)c->in[T_LR];

    if (step == int_in(c, T_DIE))
        _exit(9);
    if (step == int_in(c, T_RAISE))
        raise(SIGINT);
    if (*(unsigned char *)c->in[T_NOISY])
        for (int64_t i = 0; i < n * P; i++)
            x[i] += 0.05 * rnn_normal_at(c->seed, 2, c->index[i / P],
                                         rnn_fold_keys(&step, 1), i % P);
    if (step == int_in(c, T_POISON))
        w[5] = NAN;
    float loss = (float)batch_loss(n, x, c->in[T_Y], w, b, dw, db, NULL,
                                   c->out[O_RIGHT], c->out[O_EACH]);
    *(float *)c->out[O_LOSS] = loss;
    if (c->probe)
        rnn_probe(c, step == int_in(c, T_SPOIL), &loss, RNN_F32, 1);
    momentum(c, 0, dw, C * P, lr);
    momentum(c, 1, db, C, lr);
    if (step == int_in(c, T_SPOIL))
        ((float *)c->out[B])[1] = INFINITY;
    if (c->probe)
        rnn_probe(c, 1, c->out[B], RNN_F32, C);
    *(int32_t *)c->out[SEEN] += (int32_t)n;
    *(unsigned char *)c->out[O_STOP] = step == int_in(c, T_STOP);
    if (c->kernel_ns)
        c->kernel_ns[0] += 100, c->kernel_ns[1] += 50;
    free(x);
    free(w);
    free(b);
}

/* --- check --------------------------------------------------------------- */

static const RnnInput check_in[] = {
    IN(FIELD, 0, WIDE(IMAGE)), IN(FIELD, 1, LABEL),
    IN(VAR, W, WIDE(WEIGHT)),  IN(VAR, B, WIDE(BIAS)),
};
static const RnnOutput check_out[] = {
    {RNN_OUT_LOSS, 0, "loss", "", "", WIDE(.rank = 0), 0, 0},
    {RNN_OUT_TENSOR, W, "", "", "", WIDE(WEIGHT), 0, 0},
    {RNN_OUT_TENSOR, B, "", "", "", WIDE(BIAS), 0, 0},
    {RNN_OUT_TENSOR, -1, "", "", "", WIDE(IMAGE), 0, 0},
};

static void check(RnnCall *c)
{
    *(double *)c->out[0] =
        batch_loss(c->n, c->in[0], c->in[1], c->in[2], c->in[3], c->out[1],
                   c->out[2], c->out[3], NULL, NULL);
}

static void check_wrongly(RnnCall *c)
{
    check(c);
    ((double *)c->out[2])[1] *= 1.001;
}

/* --- evaluate, attack, infer, sample ------------------------------------- */

static const RnnInput test_in[] = {
    IN(FIELD, 0, REAL(IMAGE)), IN(FIELD, 1, LABEL),
    IN(VAR, W, REAL(WEIGHT)),  IN(VAR, B, REAL(BIAS)),
    OPT(EPS, REAL(.rank = 0)),      OPT(3, INT),
};
static const RnnOutput evaluate_out[] = {
    {RNN_OUT_ROW, 0, "clean", "", "toy.rnn:20:3",
     {.dt = RNN_BOOL, .batched = 1}, 0, 0},
    {RNN_OUT_ROW, 0, "loss", "", "toy.rnn:21:3", REAL(.batched = 1), 0, 0},
    {RNN_OUT_ROW, 0, "attacked", "sign step of {eps}, {nothing}",
     "toy.rnn:22:3", {.dt = RNN_BOOL, .batched = 1}, 0, 0},
    {RNN_OUT_ROW, 0, "norm", "", "toy.rnn:23:3", REAL(.rank = 0), 0, 0},
};

/* x_adv = clamp(x + eps sign(dloss/dx), 0, 1), `steps` times; f32 in `to`. */
static void perturb(const RnnCall *c, const double *w, const double *b,
                    int steps, float *to)
{
    const float *x = c->in[0];
    const int32_t *y = c->in[1];
    float eps = *(float *)c->in[4];
    double wide[P], dw[C * P], db[C], dx[P];

    for (int64_t i = 0; i < c->n; i++) {
        memcpy(to + i * P, x + i * P, sizeof *x * P);
        for (int s = 0; s < steps; s++) {
            for (int k = 0; k < P; k++)
                wide[k] = (double)to[i * P + k];
            batch_loss(1, wide, y + i, w, b, dw, db, dx, NULL, NULL);
            for (int k = 0; k < P; k++) {
                float v = to[i * P + k] +
                          eps * (float)((dx[k] > 0) - (dx[k] < 0));
                to[i * P + k] = fminf(1, fmaxf(0, v));
            }
        }
    }
}

static void evaluate(RnnCall *c)
{
    int64_t n = c->n;
    double *x = widen(c->in[0], n * P), *w = widen(c->in[2], C * P);
    double *b = widen(c->in[3], C), dw[C * P], db[C], norm = 0;
    float *adv = malloc(sizeof *adv * (size_t)(n * P));

    batch_loss(n, x, c->in[1], w, b, dw, db, NULL, c->out[0], c->out[1]);
    perturb(c, w, b, 1, adv);
    double *far = widen(adv, n * P);
    batch_loss(n, far, c->in[1], w, b, dw, db, NULL, c->out[2], NULL);
    for (int i = 0; i < C * P; i++)
        norm += w[i] * w[i];
    *(float *)c->out[3] = (float)sqrt(norm);
    free(x);
    free(w);
    free(b);
    free(adv);
    free(far);
}

static const RnnOutput attack_out[] = {
    {RNN_OUT_TENSOR, 0, "", "", "toy.rnn:15:3", REAL(IMAGE), 0, 0}};

static void attack(RnnCall *c)
{
    double *w = widen(c->in[2], C * P), *b = widen(c->in[3], C);

    perturb(c, w, b, int_in(c, 5), c->out[0]);
    free(w);
    free(b);
}

static const RnnInput infer_in[] = {
    IN(FIELD, 0, REAL(IMAGE)),
    IN(VAR, W, REAL(WEIGHT)),
    IN(VAR, B, REAL(BIAS)),
};
static const RnnOutput infer_out[] = {
    {RNN_OUT_TENSOR, 0, "logits", "", "", REAL(.batched = 1, BIAS), 0, 0}};

static void infer(RnnCall *c)
{
    double *x = widen(c->in[0], c->n * P), *w = widen(c->in[1], C * P);
    double *b = widen(c->in[2], C), z[C], p[C];

    for (int64_t i = 0; i < c->n; i++) {
        forward(w, b, x + i * P, 0, z, p);
        for (int k = 0; k < C; k++)
            ((float *)c->out[0])[i * C + k] = (float)z[k];
    }
    free(x);
    free(w);
    free(b);
}

static const RnnOutput sample_out[] = {
    {RNN_OUT_TENSOR, 0, "", "", "", REAL(IMAGE), 0, 0}};

static void sample(RnnCall *c)
{
    rnn_fill_uniform(c, c->out[0], RNN_F32, c->n, P, 7, NULL, 0);
}

/* --- the tables ---------------------------------------------------------- */

#define ENTRIES(check_fn)                                                     \
    {                                                                         \
        {.kind = RNN_ENTRY_INIT, .data = -1, .name = "init", .doc = "",       \
         .place = "", .split = "", .nout = N(init_out), .output = init_out,   \
         .check = -1, .fn = init},                                            \
        {.kind = RNN_ENTRY_TRAIN, .data = 0, .name = "train", .doc = "",      \
         .place = "toy.rnn:6:1", .split = "train", .batch = 20, .epochs = 3,  \
         .nin = N(train_in), .nout = N(train_out), .nopt = N(train_options),  \
         .nkernel = N(kernels), .input = train_in, .output = train_out,       \
         .option = train_options, .kernel = kernels, .shared_bytes = 64,      \
         .example_bytes = 128, .flops_example = 300, .check = 6,              \
         .fn = train},                                                        \
        {.kind = RNN_ENTRY_EVALUATE, .data = 0, .name = "robustness",         \
         .doc = "clean and attacked", .place = "toy.rnn:19:1",                \
         .split = "test", .nin = 5, .nout = N(evaluate_out),                  \
         .input = test_in, .output = evaluate_out, .example_bytes = 64,       \
         .check = -1, .fn = evaluate},                                        \
        {.kind = RNN_ENTRY_ATTACK, .data = 0, .name = "fgsm",                 \
         .doc = "the sign of the gradient", .place = "toy.rnn:14:1",          \
         .split = "test", .nin = N(test_in), .nout = 1,                       \
         .nopt = N(attack_options), .input = test_in, .output = attack_out,   \
         .option = attack_options, .check = -1, .fn = attack},                \
        {.kind = RNN_ENTRY_INFER, .data = 0, .name = "f", .doc = "",          \
         .place = "toy.rnn:2:1", .split = "test", .nin = N(infer_in),         \
         .nout = 1, .input = infer_in, .output = infer_out, .check = -1,      \
         .fn = infer},                                                        \
        {.kind = RNN_ENTRY_SAMPLE, .data = -1, .name = "grid", .doc = "",     \
         .place = "toy.rnn:30:1", .split = "", .count = 6, .nout = 1,         \
         .output = sample_out, .check = -1, .fn = sample},                    \
        {.kind = RNN_ENTRY_CHECK, .data = 0, .name = "check_train",           \
         .doc = "", .place = "toy.rnn:6:1", .split = "train",                 \
         .nin = N(check_in), .nout = N(check_out), .input = check_in,         \
         .output = check_out, .check = -1, .fn = check_fn},                   \
    }

static const RnnEntry entries[] = ENTRIES(check);
static const RnnEntry wrong_entries[] = ENTRIES(check_wrongly);

#define PROGRAM(name_, features_, entries_)                                   \
    {                                                                         \
        .abi = RNN_ABI, .real = RNN_F32, .name = name_, .source = "toy.rnn",  \
        .version = "0.1.0", .cpu = "x86-64", .features = features_,           \
        .nvar = N(vars), .nopt = N(options), .ndata = N(data),                \
        .nentry = N(entries), .var = vars, .option = options, .data = data,   \
        .entry = entries_                                                     \
    }
const RnnProgram fake_program = PROGRAM("toy", "sse4.2", entries);
const RnnProgram fake_wrong = PROGRAM("toy", "", wrong_entries);
const RnnProgram fake_needs_xop = PROGRAM("toy", "avx,xop,fma", entries);
const RnnProgram fake_renamed = PROGRAM("other", "", entries);

/* --- the data set -------------------------------------------------------- */

static void put_be(FILE *f, uint32_t v)
{
    for (int k = 24; k >= 0; k -= 8)
        fputc((int)(v >> k & 255), f);
}

static FILE *create(const char *dir, const char *name)
{
    char path[1024];
    FILE *f;

    snprintf(path, sizeof path, "%s/toy/%s", dir, name);
    f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(2);
    }
    return f;
}

/* Class c: row c of the image is bright; everything carries noise. */
static void write_split(const char *dir, const char *prefix, int n, int stream)
{
    char name[64];

    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    FILE *images = create(dir, name);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    FILE *labels = create(dir, name);
    put_be(images, 0x803);
    put_be(images, (uint32_t)n);
    put_be(images, 4);
    put_be(images, 4);
    put_be(labels, 0x801);
    put_be(labels, (uint32_t)n);
    for (int i = 0; i < n; i++) {
        fputc(i % C, labels);
        for (int k = 0; k < P; k++) {
            double u = rnn_uniform_at(99, stream, i, 0, k);
            fputc((int)((k / 4 == i % C ? 100 : 0) + 155 * u), images);
        }
    }
    fclose(images);
    fclose(labels);
}

void fake_data_write(const char *dir)
{
    char path[1024];

    snprintf(path, sizeof path, "%s/toy", dir);
    mkdir(path, 0777);
    write_split(dir, "train", FAKE_TRAIN, 0);
    write_split(dir, "t10k", FAKE_TEST, 1);
}
