/*
 * wino.c -- schedules of Winograd's convolutions.
 *
 * A group of tiles at a time is transformed, multiplied and transformed back,
 * so that the transformed copies stay in the second-level cache. A group is
 * some examples, or some rows of tiles of a large one; a task is a group and
 * a panel of output channels. Every sum runs over all channels (or, for the
 * weights, over all tiles in order), so neither the size of a group nor the
 * tasks change a bit of the result.
 */
#include "loop/loop.h"

#include "ir/wino.h"

enum {
    ROOM = 288 * 1024,  // of the second-level cache (1 MB), for what is
                        // transformed; activations on their way from kernel
                        // to kernel (chain.c) and weights have the rest
    LEAST_TILES = 32,   // in a group, so that a weight is used often enough
    MOST_TILES = 96,
    MOST_BYTES = 7 << 19, // of the stack
    SMALL_TILE = 4      // the least number of rows multiplied at a time
};

bool wino_is_core(Op op)
{
    return op == OP_conv_wino || op == OP_conv_dw_wino;
}

static int64_t ceil_div(int64_t x, int64_t y)
{
    return (x + y - 1) / y;
}

static const int64_t *image_of(Val core)
{
    return core->op == OP_conv_wino ? core->type.shape.dim
                                    : core->src[1]->type.shape.dim;
}

double wino_flops(Val core)
{
    WinoDims d = wino_dims(core);
    bool up = d.form == WINO_UP || d.form == WINO_UP_ODD;
    const int64_t *x = core->src[0]->type.shape.dim;
    const int64_t *y = up ? x : image_of(core);

    return 2 * (double)(y[0] * y[1] * d.r * d.r) * (double)(d.O * x[2]);
}

const char *wino_name(Arena *a, Val core)
{
    WinoDims d = wino_dims(core);
    const int64_t *y = image_of(core);

    return arena_printf(a, "%s %lldx%lld %lld->%lld @%lldx%lld F(%lld,%lld)%s",
                        core->op == OP_conv_dw_wino ? "conv_dw"
                        : d.form > WINO_DOWN        ? "conv_up"
                                                    : "conv",
                        (long long)d.r, (long long)d.r,
                        (long long)core->src[0]->type.shape.dim[2],
                        (long long)d.O, (long long)y[0], (long long)y[1],
                        (long long)d.m, (long long)d.r,
                        d.form == WINO_SAME ? "" : "/2");
}

static int64_t clamp(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* th x tw tiles an example in groups of at most `most`. */
static void group_tiles(Schedule *s, int64_t th, int64_t tw, int64_t most,
                        bool batched)
{
    s->tiles = th;
    s->group = s->parts = 1;
    if (th * tw <= most && batched) {
        s->group = most / (th * tw);
    } else {
        s->parts = ceil_div(th, clamp(most / tw, 1, th));
        s->tiles = ceil_div(th, s->parts);
        s->parts = ceil_div(th, s->tiles);
    }
    s->work = s->group * s->tiles * tw;
}

static void forward(Schedule *s, Val v)
{
    WinoDims d = wino_dims(v);
    const int64_t *y = v->type.shape.dim;
    int64_t C = v->src[0]->type.shape.dim[2], th, tw, bytes, least, most;
    Wino f;

    wino_of(d.m, d.r, d.form, &f);
    th = ceil_div(y[0], f.out);
    tw = ceil_div(y[1], f.out);
    bytes = f.t * f.t * dtype_bytes(v->type.dt) *
            (ceil_div(C, s->lanes) * s->lanes + WINO_PANEL);
    // A weight is used at every point that shares it.
    least = LEAST_TILES * f.nu / f.t / s->mr * s->mr;
    most = clamp(ROOM / bytes / s->mr * s->mr, least, MOST_TILES);

    if (most * bytes > MOST_BYTES)
        most = clamp(MOST_BYTES / bytes, 1, most);
    group_tiles(s, th, tw, most, v->type.batched);
    s->parts *= ceil_div(d.O, WINO_PANEL);
    if (!v->type.batched)
        s->tasks = s->parts;
}

static void weights(Schedule *s, Val v)
{
    WinoDims d = wino_dims(v);
    const int64_t *y = v->src[1]->type.shape.dim;
    int64_t C = v->src[0]->type.shape.dim[2], t = d.m + d.r - 1, row, most;

    s->nc = (int)clamp(d.O, 1, 2 * WINO_PANEL);
    s->nc = (int)ceil_div(s->nc, WINO_PANEL) * WINO_PANEL;
    s->mc = C >= 128 ? 64 : C >= 64 ? 32 : 16;
    s->tasks = ceil_div(C, s->mc) * ceil_div(d.O, s->nc);
    row = t * t * dtype_bytes(v->type.dt);
    most = (ROOM - row * s->mc * s->nc) / (row * (s->mc + s->nc));
    most = clamp(most, LEAST_TILES, MOST_TILES);
    s->mr = s->mr == 8 ? 8 : 4;
    if (s->mr > s->lanes)
        s->mr = s->lanes;
    group_tiles(s, ceil_div(y[0], d.m), ceil_div(y[1], d.m), most,
                v->src[0]->type.batched);
    s->parts = 1;
}

Schedule wino_schedule(const Kernel *k, const LoopOptions *opt)
{
    Val v = k->core;
    Schedule s = {.lanes = opt->vector_bytes / dtype_bytes(v->type.dt),
                  .nr = 2, .unroll = 4, .blocks = 1, .row = -1};

    s.mr = opt->registers == 32 ? 8 : 6;
    if (v->op == OP_conv_wino)
        forward(&s, v);
    else
        weights(&s, v);
    s.work = ceil_div(s.work, s.mr) * s.mr + SMALL_TILE;
    s.why = "Winograd";
    return s;
}
