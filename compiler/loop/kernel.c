/*
 * kernel.c -- one kernel from the value it stores.
 *
 * What a kernel reads are the buffered values its expression stops at. Its
 * name, and the estimates of its work, are for people and for the choice to
 * split it over threads; nothing else depends on them.
 */
#include "loop/lower.h"

/* --- what is read -------------------------------------------------------- */

typedef struct Walk {
    Lower *lo;
    Kernel *k;
    int mark; // of the values seen
    VEC(Buffer *) read;
    VEC(Buffer *) beside;
    int before, after; // elementwise operations in front of and behind the core
} Walk;

static void walk(Walk *w, Val v, bool behind)
{
    Fact *f = fact_of(w->lo, v);

    if (f->mark == w->mark)
        return;
    f->mark = w->mark;
    if (f->beside == w->k->root)
        VEC_PUSH(w->lo->tmp, &w->beside, f->buf);
    else if (v != w->k->root && f->buffered) {
        VEC_PUSH(w->lo->tmp, &w->read, f->buf);
        return;
    }
    if (v == w->k->core)
        behind = false;
    if (kind_of(v) == LOWER_MAP && v->nsrc > 0)
        *(behind ? &w->after : &w->before) += 1;
    for (int i = 0; i < v->nsrc; i++)
        walk(w, v->src[i], behind);
}

/* Rows of weights that the core reads in panels. */
static void find_rows(Walk *w)
{
    const Val core = w->k->core;
    Val rows = along_of(w->lo, core);

    w->k->along = rows != NULL;
    for (int i = 0; i < core->nsrc && !rows; i++)
        rows = panels_rows(w->lo, core->src[i]);
    if (!rows)
        return;
    w->k->rows = fact_of(w->lo, rows)->buf;
    VEC_PUSH(w->lo->tmp, &w->read, w->k->rows);
}

bool kernel_stores(const Kernel *k, const Buffer *b)
{
    bool found = buffer_storage(k->dst) == b;

    for (int i = 0; i < k->nbeside; i++)
        found = found || buffer_storage(k->beside[i]) == b;
    return found;
}

Batches kernel_reads_for(const Kernel *k, int i)
{
    Contract c;

    if (!k->rows)
        return FOR_ALL;
    if (k->read[i] == k->rows)
        return FOR_ONE;
    c = contract_of(k, k->sched.form);
    return k->read[i]->val == c.b ? FOR_MORE : FOR_ALL;
}

/* --- names --------------------------------------------------------------- */

static const char *dims_text(Arena *a, Shape s)
{
    const char *t = "";

    for (int d = 0; d < s.rank; d++)
        t = arena_printf(a, "%s%s%lld", t, d ? "x" : "",
                         (long long)s.dim[d]);
    return t;
}

static const char *conv_text(Arena *a, Shape w, Shape out)
{
    const char *at = out.dim[0] == out.dim[1]
                         ? arena_printf(a, "%lld", (long long)out.dim[0])
                         : arena_printf(a, "%lldx%lld", (long long)out.dim[0],
                                        (long long)out.dim[1]);

    return arena_printf(a, "%lldx%lld %lld->%lld @%s", (long long)w.dim[0],
                        (long long)w.dim[1], (long long)w.dim[2],
                        (long long)w.dim[3], at);
}

/* As the convolution it is the adjoint of. */
static const char *pooled_text(Arena *a, Val c)
{
    UnpoolDims u = ir_unpool_dims(c);
    bool dx = c->op == OP_conv_dx_pooled;
    const int64_t *dy = c->src[dx ? 0 : 1]->type.shape.dim;
    const int64_t *w = (dx ? c->src[1] : c)->type.shape.dim;

    return conv_text(a, shape_of(4, u.R, u.S, w[3], w[0]),
                     shape_of(2, dy[0] * u.kh, dy[1] * u.kw));
}

static int64_t contracted(Val dot)
{
    DotDims d = ir_dot_dims(dot);
    int64_t n = 1;

    for (int i = 0; i < d.ncontract; i++)
        n *= dot->src[0]->type.shape.dim[d.cx[i]];
    return n;
}

static const char *kernel_name(Arena *a, const Kernel *k)
{
    Val c = k->core;
    const char *op = op_info[c->op].name;
    Shape out = c->type.shape, in = c->nsrc ? c->src[0]->type.shape : out;

    switch (c->op) {
    case OP_conv:
        return arena_printf(a, "conv %s", conv_text(a, c->src[1]->type.shape,
                                                    out));
    case OP_conv_up:
        return arena_printf(a, "conv_up %s", conv_text(a, c->src[1]->type.shape,
                                                       out));
    case OP_conv_dw:
        return arena_printf(a, "conv_dw %s",
                            conv_text(a, out, c->src[1]->type.shape));
    case OP_conv_wino: case OP_conv_dw_wino:
        return wino_name(a, c);
    case OP_conv_dx:
        return arena_printf(a, "conv_dx %s",
                            conv_text(a, c->src[1]->type.shape, in));
    case OP_conv_dx_pooled: case OP_conv_dw_pooled:
        return arena_printf(a, "%s %s", op, pooled_text(a, c));
    case OP_dot:
        if (ir_dot_dims(c).sum_batch)
            return arena_printf(a, "dot batch->%s", dims_text(a, out));
        return arena_printf(a, "dot %lld->%s", (long long)contracted(c),
                            out.rank ? dims_text(a, out) : "1");
    default:
        break;
    }
    if (k->kind == KERNEL_MAP) {
        op = "map";
        in = k->root->type.shape;
    }
    return in.rank ? arena_printf(a, "%s %s", op, dims_text(a, in)) : op;
}

/* --- work ---------------------------------------------------------------- */

static double core_flops(Val c)
{
    double out = (double)shape_size(c->type.shape);
    const int64_t *w = c->nsrc > 1 ? c->src[1]->type.shape.dim : NULL;

    switch (c->op) {
    case OP_dot:
        return 2 * out * (double)contracted(c);
    case OP_conv:
        return 2 * out * (double)(w[0] * w[1] * w[2]);
    case OP_conv_up:
        return 2 * (double)(shape_size(c->src[0]->type.shape) * w[0] * w[1] *
                            w[3]);
    case OP_conv_dx:
        return 2 * (double)(shape_size(c->src[0]->type.shape) * w[0] * w[1] *
                            w[2]);
    case OP_conv_dw:
        return 2 * out * (double)(w[0] * w[1]);
    case OP_conv_wino: case OP_conv_dw_wino:
        return wino_flops(c);
    case OP_max_pool: case OP_pool_gather: case OP_sum_pool:
    case OP_pool_place: {
        PoolDims p = ir_pool_dims(c);
        return out * (double)(p.kh * p.kw);
    }
    case OP_conv_dx_pooled: // of the windows, half a ReLU let through
        return (double)(shape_size(c->src[0]->type.shape) * w[1] * w[2] *
                        w[3]);
    case OP_conv_dw_pooled:
        return (double)shape_size(c->src[1]->type.shape) * out /
               (double)c->type.shape.dim[0];
    case OP_uniform: case OP_normal: case OP_permutation:
        return 10 * out;
    default:
        return c->nsrc ? (double)shape_size(c->src[0]->type.shape) : out;
    }
}

static bool works_per_example(Val core)
{
    for (int i = 0; i < core->nsrc; i++)
        if (core->src[i]->type.batched)
            return true;
    return core->type.batched;
}

static void add_bytes(Kernel *k, Type t, double most)
{
    double bytes = (double)(shape_size(t.shape) * dtype_bytes(t.dt));

    if (bytes > most)
        bytes = most;
    if (t.batched)
        k->bytes_example += bytes;
    else
        k->bytes_call += bytes;
}

static void estimate(Kernel *k, int before, int after)
{
    double out = (double)shape_size(k->root->type.shape);
    double in = k->core->nsrc && k->kind != KERNEL_MAP
                    ? (double)shape_size(k->core->src[0]->type.shape)
                    : out;
    double core = k->kind == KERNEL_MAP ? 0 : core_flops(k->core);
    double most = 64 * (in > out ? in : out);

    if (works_per_example(k->core))
        k->flops_example += core + before * in;
    else
        k->flops_call += core + before * in;
    if (k->root->type.batched)
        k->flops_example += after * out;
    else
        k->flops_call += after * out;
    if (k->kind == KERNEL_CONTRACT || wino_is_core(k->core->op))
        most = 1e300;
    for (int i = 0; i < k->nread; i++)
        if (k->read[i] != k->rows)
            add_bytes(k, k->read[i]->type, most);
    add_bytes(k, k->root->type, most);
    for (int i = 0; i < k->nbeside; i++)
        add_bytes(k, k->beside[i]->type, most);
}

/* --- tasks --------------------------------------------------------------- */

static KernelKind kernel_kind(Val core)
{
    switch (kind_of(core)) {
    case LOWER_REDUCE:
        return core->op == OP_batch_sum || core->op == OP_batch_max
                   ? KERNEL_BATCH
                   : KERNEL_REDUCE;
    case LOWER_CONTRACT:
        return KERNEL_CONTRACT;
    case LOWER_KERNEL:
        return KERNEL_NEST;
    case LOWER_CALL:
        return KERNEL_CALL;
    default:
        return KERNEL_MAP;
    }
}

enum { TASK_FLOPS = 4096, TASK_EXAMPLES = 16, TASK_CHANNELS = 16,
       TASK_ROWS = 16, FLOP_BYTES = 8,
       ONE_COLUMNS = 256 }; // a run of memory worth a stream of its own

int64_t kernel_group(const Kernel *k)
{
    return k->tasks == 0 && k->sched.group > 1 ? k->sched.group : 1;
}

int64_t kernel_one_unit(const Kernel *k)
{
    int64_t columns = (int64_t)k->sched.nr * k->sched.lanes;

    return columns < ONE_COLUMNS ? ONE_COLUMNS / columns : 1;
}

int64_t kernel_one_tasks(const Kernel *k)
{
    int64_t unit = kernel_one_unit(k);

    return (k->tasks + unit - 1) / unit;
}

int kernel_row_dim(Shape s)
{
    int first = 0, lane = s.rank - 1;

    while (first < s.rank && s.dim[first] <= 1)
        first++;
    if (first == s.rank)
        return -1;
    while (s.dim[lane] <= 1)
        lane--;
    for (int d = first; d < lane; d++)
        if (s.dim[d] >= TASK_ROWS)
            return d;
    return first;
}

/* A shared result: rows of one dim. */
static int64_t shared_tasks(const Kernel *k)
{
    Shape s = k->root->type.shape;
    int d = kernel_row_dim(s);
    double most = k->flops_call + TASK_EXAMPLES * k->flops_example;
    double moved = k->bytes_call + TASK_EXAMPLES * k->bytes_example;

    // What only moves its elements takes time as well.
    if (k->kind == KERNEL_MAP && most < moved / FLOP_BYTES)
        most = moved / FLOP_BYTES;
    if (k->core->op == OP_conv_dw_pooled)
        return (s.dim[0] + TASK_CHANNELS - 1) / TASK_CHANNELS;
    if (k->core->op == OP_wino_w)
        return s.dim[0];
    if (k->kind == KERNEL_CONTRACT || k->kind == KERNEL_NEST ||
        k->kind == KERNEL_CALL)
        return 1;
    if (d < 0 || most < 2 * TASK_FLOPS)
        return 1;
    return most / TASK_FLOPS < (double)s.dim[d] ? (int64_t)(most / TASK_FLOPS)
                                                : s.dim[d];
}

static void choose_schedule(Lower *lo, Kernel *k)
{
    k->sched = schedule_choose(k, lo->opt);
    if (k->rows && !k->sched.sparse) { // the last read, and of no use
        k->rows = NULL;
        k->along = false;
        k->nread--;
    }
}

Kernel *kernel_make(Lower *lo, Val root)
{
    Fact *f = fact_of(lo, root);
    Kernel *k = NEW(lo->a, Kernel);
    Walk w = {.lo = lo, .k = k};

    k->id = lo->p->kernel.n;
    k->core = f->core;
    k->root = root;
    k->kind = kernel_kind(f->core);
    k->dst = f->buf;
    w.mark = lo->p->kernel.n + 1;
    walk(&w, root, true);
    find_rows(&w);
    if (f->mask)
        VEC_PUSH(lo->tmp, &w.beside, fact_of(lo, f->mask)->buf);
    k->nread = w.read.n;
    k->read = arena_copy(lo->a, w.read.at,
                         sizeof(Buffer *) * (size_t)w.read.n);
    k->nbeside = w.beside.n;
    k->beside = arena_copy(lo->a, w.beside.at,
                           sizeof(Buffer *) * (size_t)w.beside.n);
    estimate(k, w.before, w.after);
    if (k->kind == KERNEL_CONTRACT)
        choose_schedule(lo, k);
    else if (wino_is_core(k->core->op))
        k->sched = wino_schedule(k, lo->opt);
    else
        k->sched.sparse = lo->opt->finite;
    k->tasks = k->sched.tasks > 0     ? k->sched.tasks
               : root->type.batched ? 0
                                    : shared_tasks(k);
    k->parallel = k->tasks != 1 && k->kind != KERNEL_CALL;
    k->name = kernel_name(lo->a, k);
    VEC_PUSH(lo->a, &lo->p->kernel, k);
    f->kernel = k;
    return k;
}
