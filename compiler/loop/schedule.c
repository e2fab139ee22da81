/*
 * schedule.c -- how a contraction is computed, per shape.
 *
 * FORM_OUTER keeps mr rows x nr vectors of C in registers and adds, for each
 * k, the products of mr broadcast numbers of A and nr vectors of B. B is read
 * in place where its rows lie close together, else a block of kc rows is
 * packed first. FORM_INNER is for results too narrow for that: vectors run
 * along k. FORM_BLAS is never chosen: on every product of the benches (128 x
 * 3136 x 1024 and its gradients, 128 x 784 x 300, 128 x 1024 x 10) one thread
 * of ours took 0.6 to 0.97 of OpenBLAS's time, whose blocking besides may
 * depend on the number of rows, that is, on the batch.
 *
 * Nothing here changes the order in which an element of C is added up between
 * batch sizes or thread counts; sizes known only when running never take part
 * in a choice.
 */
#include "loop/loop.h"

enum {
    EXAMPLES = 128,          // assumed where their number would matter
    PACK_STRIDE = 1024,      // bytes between rows of B from which on to pack
    SUM_STRIDE = 512,        // the same where a sum runs over examples, and
    SUM_MOST = 512 * 1024,   // what one of them may take, packed
    PACK_BYTES = 32 * 1024,  // of a packed block: the first-level cache
    PACK_MOST = 128 * 1024,  // if it cannot be cut
    B_BYTES = 512 * 1024,    // weights that stay near while examples change
    BLOCK_BYTES = 384 * 1024, // of operands re-read per tile
    TASKS = 16,              // enough to share among threads
    FEW_TASKS = 8,
    MIN_REUSE = 8,           // rows that pay for packing
    TASK_FLOPS = 1 << 15,
    PARTS = 8,               // of an example
    PART_FLOPS = 1 << 20     // of an example worth cutting
};

static int64_t extent_of(Axis x)
{
    return x.extent ? x.extent : EXAMPLES;
}

static int64_t ceil_div(int64_t x, int64_t y)
{
    return (x + y - 1) / y;
}

/* Rows that use the same B. */
static int64_t reuse_of(const Contract *c)
{
    int64_t n = 1;

    for (int i = 0; i < c->nrow; i++)
        if (!c->row[i].b)
            n *= extent_of(c->row[i]);
    return n;
}

static int64_t reduction_of(const Contract *c)
{
    int64_t n = 1;

    for (int i = 0; i < c->nk; i++)
        n *= extent_of(c->k[i]);
    return n;
}

static Axis last_k(const Contract *c)
{
    return c->nk ? c->k[c->nk - 1] : (Axis){.extent = 1, .a = 1, .b = 1};
}

/* Partial sums may be kept in C between blocks. */
static bool sums_in_c(const Kernel *k)
{
    if (k->root->type.dt != k->core->type.dt)
        return false;
    for (int i = 0; i < k->nread; i++)
        if (buffer_storage(k->read[i]) == buffer_storage(k->dst))
            return false;
    return true;
}

/* --- the tile ------------------------------------------------------------- */

/* All places of a tile must sum over the same reduction, but for taps. */
static bool may_tile(const Contract *c, const Axis *x)
{
    return !x->b && !(x->win && c->win[x->win - 1].rows_are_taps);
}

/* The row axis along which B stays the same and tiles are fullest: an inner
 * one of at least six, else the examples, else the longest. */
static int choose_row(const Contract *c)
{
    int best = -1;

    for (int i = c->nrow; i-- > 0;)
        if (may_tile(c, &c->row[i]) && c->row[i].extent >= 6)
            return i;
    for (int i = 0; i < c->nrow; i++)
        if (may_tile(c, &c->row[i]) && (best < 0 || extent_of(c->row[i]) >=
                                             extent_of(c->row[best])))
            best = i;
    return best;
}

/* Time of one k step of a tile, in units of one vector FMA: an FMA for each
 * accumulator, but never less than the chain of dependent ones allows, nor
 * than the loads take, which cost a little in any case. */
static double step_cost(double rows, double vectors)
{
    double fma = rows * vectors, loads = rows + vectors;

    fma = fma < 8 ? 8 : fma;
    return (fma < loads ? loads : fma) + 0.15 * loads;
}

/* Of one k step over all of M x N. */
static double tile_cost(int64_t M, int64_t nvec, int mr, int nr)
{
    int64_t tiles = ceil_div(M, mr), panels = nvec / nr, rest = nvec % nr;
    double rows = (double)M / (double)tiles;

    return (double)tiles * ((double)panels * step_cost(rows, nr) +
                            (rest ? step_cost(rows, (double)rest) : 0));
}

/* Rows of A that many bytes apart share sets of the first-level cache (64
 * sets of 8 lines); more than these push each other out. */
static int64_t most_rows(int64_t stride_bytes)
{
    int64_t sets = 64;

    while (sets > 1 && stride_bytes % (64 * sets))
        sets /= 2;
    return 6 * (64 / sets);
}

static void choose_tile(Schedule *s, int64_t M, int64_t nvec, int registers,
                        int64_t stride_bytes, int64_t panel)
{
    double best = 1e300;
    int64_t rows = most_rows(stride_bytes);
    int nr = panel ? (int)panel / s->lanes : 1;
    int most = panel ? nr : nvec < 4 ? (int)nvec : 4;

    if (rows > M)
        rows = M;
    for (; nr <= most; nr++)
        for (int mr = 1; mr * nr + nr + 1 <= registers && mr <= 16 &&
                         mr * nr <= 28; mr++) {
            double cost;

            if (mr > rows && mr > 1)
                break;
            cost = tile_cost(M, nvec, mr, nr);
            if (cost <= best * 0.9999) {
                best = cost;
                s->mr = mr;
                s->nr = nr;
            }
        }
}

/* --- FORM_INNER ----------------------------------------------------------- */

static Schedule inner(const Kernel *k, const LoopOptions *opt, const char *why)
{
    Contract c = contract_of(k, FORM_INNER);
    Schedule s = {.form = FORM_INNER, .row = c.nrow - 1, .why = why};
    Axis last = last_k(&c);
    int64_t M;

    if (choose_row(&c) >= 0)
        s.row = choose_row(&c);
    M = s.row >= 0 ? extent_of(c.row[s.row]) : 1;
    s.lanes = opt->vector_bytes / dtype_bytes(k->core->type.dt);
    if (!dtype_real(k->core->type.dt) || last.a != 1 || last.b != 1 ||
        !last.extent)
        s.lanes = 1;
    while (s.lanes > 1 && extent_of(last) < s.lanes)
        s.lanes /= 2;
    s.nr = c.n.extent >= 4 ? 4 : (int)c.n.extent;
    s.mr = s.nr > 1 ? 2 : opt->registers == 32 ? 8 : 4;
    if (s.mr > M)
        s.mr = (int)M;
    s.unroll = 1;
    s.outside = 0;
    s.blocks = 1;
    return s;
}

/* --- FORM_OUTER ----------------------------------------------------------- */

/* Of a sum over examples: one example's part of a panel of B. */
static int64_t summed_bytes(const Contract *c, const Schedule *s, int size)
{
    return reduction_of(c) / EXAMPLES * s->nr * s->lanes * size;
}

static Pack choose_pack(const Kernel *k, const Contract *c, const Schedule *s,
                        int size)
{
    Axis last = last_k(c);

    if (c->panel)
        return PACK_BEFORE;
    if (c->n.b != 1)
        return last.b == 1 ? PACK_TRANSPOSE : PACK_GATHER;
    if (reuse_of(c) < 2 * MIN_REUSE)
        return PACK_NONE;
    if (c->nk > 1 && !c->k[0].extent) // some examples, whole
        return last.b * size >= SUM_STRIDE && sums_in_c(k) &&
                       summed_bytes(c, s, size) <= SUM_MOST
                   ? PACK_COPY
                   : PACK_NONE;
    // Short inner axes would cut the sum into short pieces.
    if (last.b * size < PACK_STRIDE ||
        (c->nk > 1 && extent_of(last) < 128))
        return PACK_NONE;
    return sums_in_c(k) ? PACK_COPY : PACK_NONE;
}

/* A divisor of n near `near`, or `near` itself. */
static int64_t near_divisor(int64_t n, int64_t near)
{
    int64_t best = 0;

    for (int64_t d = near / 2; d <= near; d++)
        if (n % d == 0)
            best = d;
    return best ? best : near;
}

static void choose_blocks(Schedule *s, const Kernel *k, const Contract *c,
                          int size)
{
    Axis last = last_k(c);

    s->kb = c->nk - 1;
    if (c->nk > 1 && !c->k[0].extent && sums_in_c(k)) {
        // A few examples at a time stay in the second-level cache.
        int64_t bytes = (c->k[0].a + c->k[0].b) * size, most = BLOCK_BYTES;

        if (s->pack != PACK_NONE) {
            bytes = summed_bytes(c, s, size);
            most = PACK_MOST;
        }
        s->kb = 0;
        s->kc = bytes ? most / bytes : EXAMPLES;
        if (s->kc < 1)
            s->kc = 1;
    } else if (s->pack != PACK_NONE) {
        int64_t most = PACK_BYTES / (s->nr * s->lanes * size);

        if (sums_in_c(k) && (!last.extent || last.extent > most))
            s->kc = last.extent ? near_divisor(last.extent, most) : most;
    }
}

static void choose_outside(Schedule *s, const Contract *c, int size)
{
    int64_t bytes = c->n.extent * reduction_of(c) * size;

    for (int i = 0; i < c->nrow; i++)
        if (c->row[i].b && i != s->row)
            s->outside = i + 1;
    if (!s->outside && s->pack == PACK_NONE && c->nrow > 1 &&
        !c->row[0].extent && s->row != 0 && bytes <= B_BYTES)
        s->outside = 1;
    // Reductions over examples keep whole rows of taps apart.
    if (!s->outside && c->nrow > 1 && c->row[0].extent && s->row != 0 &&
        c->nk && !c->k[0].extent)
        s->outside = 1;
}

static double flops_of(const Contract *c)
{
    double f = 2 * (double)reduction_of(c) * (double)c->n.extent;

    for (int i = 0; i < c->nrow; i++)
        f *= (double)extent_of(c->row[i]);
    return f;
}

/* A per-example result: panels, if nothing outside them varies with the
 * examples and they share out evenly; else examples, a large one in parts of
 * its rows, so that a batch of one is shared out too. */
static void choose_batch_tasks(Schedule *s, const Contract *c, int64_t outer,
                               int64_t panels)
{
    if (outer && (panels >= 8 || panels == 4 || panels == 6)) {
        s->tasks = panels * outer;
        return;
    }
    if (s->outside == 1 && !c->row[0].extent && c->nrow > 2 && s->row != 1 &&
        s->kc == 0 && flops_of(c) / EXAMPLES >= PART_FLOPS)
        s->parts = c->row[1].extent < PARTS ? c->row[1].extent : PARTS;
}

/* Tasks are outside rows x panels x blocks of tiles. */
static void choose_tasks(Schedule *s, const Kernel *k, const Contract *c)
{
    int64_t panels = ceil_div(c->n.extent, s->nr * s->lanes), outer = 1, tiles;

    s->blocks = 1;
    for (int i = 0; i < s->outside; i++)
        if (i != s->row)
            outer *= c->row[i].extent;
    if (k->core->type.batched) {
        choose_batch_tasks(s, c, outer, panels);
        return;
    }
    tiles = s->row >= 0 ? ceil_div(c->row[s->row].extent, s->mr) : 1;
    // Three taps are too few to share out evenly; three times three are not.
    if (outer * panels < FEW_TASKS && flops_of(c) >= TASK_FLOPS * TASKS &&
        s->outside < c->nrow && s->outside != s->row && sums_in_c(k))
        outer *= c->row[s->outside++].extent;
    if (outer * panels < TASKS)
        s->blocks = ceil_div(TASKS, outer * panels);
    if (s->blocks > tiles / 2)
        s->blocks = tiles / 2;
    if (s->row >= 0 && c->row[s->row].win)
        s->blocks = 1;
    if (s->blocks < 1 || flops_of(c) < 2.0 * TASK_FLOPS * TASKS)
        s->blocks = 1;
    s->tasks = outer * panels * s->blocks;
}

static bool is_zero(Val v)
{
    while (v->op == OP_broadcast || v->op == OP_spread || v->op == OP_reshape)
        v = v->src[0];
    return v->op == OP_const && v->attr.f == 0;
}

bool schedule_has_zeros(Val v)
{
    switch (v->op) {
    case OP_relu: case OP_pool_scatter:
        return true;
    case OP_select:
        return is_zero(v->src[1]) || is_zero(v->src[2]);
    case OP_reshape: case OP_transpose: case OP_max_pool:
        return schedule_has_zeros(v->src[0]);
    default:
        return false;
    }
}

/* A batch of one may skip zeros: its rows are its examples, its reduction has
 * one axis, which counts rows. */
static bool is_sparse(const Kernel *k, const Schedule *s, const Contract *c,
                      const LoopOptions *opt)
{
    return k->rows && opt->finite && s->pack == PACK_BEFORE && c->nk == 1 &&
           c->k[0].extent && c->k[0].b == c->panel && c->nrow == 1 &&
           !c->row[0].extent &&
           (k->along || schedule_has_zeros(c->a));
}

static const char *reason(const Schedule *s)
{
    switch (s->pack) {
    case PACK_COPY: return "rows of B lie far apart: packed";
    case PACK_TRANSPOSE: return "B is contiguous along k: transposed";
    case PACK_BEFORE:
        return s->apart    ? "B stands in panels; sums along rows, in 16 parts"
               : s->sparse ? "B stands in panels; rows of zeros are left out"
                         : "B stands in panels";
    case PACK_GATHER: return "B is contiguous nowhere: gathered";
    default: return s->kc ? "sums over examples, a few at a time"
                          : "B read in place";
    }
}

static Schedule outer(const Kernel *k, const LoopOptions *opt,
                      const Contract *c)
{
    int size = dtype_bytes(k->core->type.dt);
    Schedule s = {.form = FORM_OUTER, .lanes = opt->vector_bytes / size,
                  .mr = 1, .nr = 1, .unroll = 2};
    int64_t M;

    while (s.lanes > 1 && s.lanes / 2 >= c->n.extent)
        s.lanes /= 2;
    while (c->panel % s.lanes)
        s.lanes /= 2;
    s.row = choose_row(c);
    M = s.row >= 0 ? extent_of(c->row[s.row]) : 1;
    choose_tile(&s, M, ceil_div(c->n.extent, s.lanes), opt->registers,
                s.row >= 0 ? c->row[s.row].a * size : 64, c->panel);
    if (c->panel && s.nr * s.lanes != c->panel)
        internal_error("a panel of %lld columns for tiles of %d",
                       (long long)c->panel, s.nr * s.lanes);
    s.pack = choose_pack(k, c, &s, size);
    choose_blocks(&s, k, c, size);
    choose_outside(&s, c, size);
    choose_tasks(&s, k, c);
    if (last_k(c).extent && last_k(c).extent <= 5)
        s.unroll = (int)last_k(c).extent;
    s.sparse = is_sparse(k, &s, c, opt);
    if (s.sparse && k->along) {
        s.apart = true;
        s.kc = 0; // tiles keep what is summed so far
    }
    s.why = reason(&s);
    return s;
}

/* A block of B that must be packed but cannot be cut: is it too large? */
static bool too_large(const Kernel *k, const Contract *c, const Schedule *s)
{
    int64_t bytes = s->nr * s->lanes * dtype_bytes(k->core->type.dt);

    if (s->pack == PACK_NONE || sums_in_c(k))
        return false;
    return c->nk > 1 || !last_k(c).extent ||
           last_k(c).extent * bytes > PACK_MOST;
}

Schedule schedule_choose(const Kernel *k, const LoopOptions *opt)
{
    Contract c = contract_of(k, FORM_OUTER);
    Axis last = last_k(&c);
    Schedule s;

    if (c.padded || contract_is_plain(k, &c))
        return (Schedule){.form = FORM_INNER, .lanes = 1, .mr = 1, .nr = 1,
                          .row = -1, .blocks = 1,
                          .why = "windows reach outside: plain loops"};
    if (!dtype_real(k->core->type.dt))
        return inner(k, opt, "integers: plain loops");
    if (c.n.extent == 1)
        return inner(k, opt, "one column");
    if (c.n.b != 1 && !c.panel && reuse_of(&c) < MIN_REUSE &&
        ((last.a == 1 && last.b == 1) || c.n.extent < 8))
        return inner(k, opt, "few rows share B");
    s = outer(k, opt, &c);
    if (c.panel || !too_large(k, &c, &s))
        return s;
    if (c.n.b != 1)
        return inner(k, opt, "C cannot hold partial sums");
    s.pack = PACK_NONE;
    s.kc = 0;
    s.why = "C cannot hold partial sums";
    return s;
}
