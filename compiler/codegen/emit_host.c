/*
 * emit_host.c -- the function of an entry point: void entry_<name>(RnnCall *).
 *
 * It runs the steps in order: kernels through run_kernel (emit_run.c), loops
 * as loops, random fills and copies as calls. The set-up part runs only if
 * call->fresh; where it depends on the batch, also if it was not run for one
 * like this.
 */
#include "codegen/host.h"

#include <math.h>

enum { SPLIT_NS = 20000 }; // less work than this is not split
enum { BYTES_NS = 10 };

/* --- addresses ----------------------------------------------------------- */

LLVMValueRef host_address(Host *h, const Buffer *b)
{
    Emit *e = h->e;
    const Buffer *s = b;

    while (s->place == PLACE_ALIAS)
        s = s->alias;
    if (s->place == PLACE_INPUT)
        return h->in[s->slot];
    if (s->place == PLACE_OUTPUT)
        return h->out[s->slot];
    if (!s->type.batched)
        return host_bytes(e, h->arena, emit_int(e, s->offset));
    return host_bytes(e, h->examples,
                       emit_index_mul(e, h->n, s->offset));
}

/* Elements of all examples. */
LLVMValueRef host_count(Host *h, Type t)
{
    int64_t n = shape_size(t.shape);

    return t.batched ? emit_index_mul(h->e, h->n, n) : emit_int(h->e, n);
}

static LLVMValueRef is_one(Host *h)
{
    return LLVMBuildICmp(h->e->b, LLVMIntEQ, h->n, emit_int(h->e, 1), "");
}

LLVMValueRef host_small(Emit *e, int64_t x)
{
    return LLVMConstInt(e->i32, (unsigned long long)x, true);
}

/* --- steps --------------------------------------------------------------- */

/* Rough times in ns: contractions at 40 flops a ns, the rest at 2, or at the
 * pace of memory. */
static double rate_of(const Kernel *k)
{
    return k->kind == KERNEL_CONTRACT || k->sched.lanes ? 40 : 2;
}

static double larger(double x, double y)
{
    return x > y ? x : y;
}

static LLVMValueRef worth_splitting(Host *h, const Kernel *k)
{
    double rate = rate_of(k);
    double once = k->flops_call / rate, each = k->flops_example / rate;
    double least;

    if (!k->parallel)
        return LLVMConstInt(h->e->i1, 0, false);
    if (k->kind == KERNEL_MAP) {
        once = larger(once, k->bytes_call / BYTES_NS);
        each = larger(each, k->bytes_example / BYTES_NS);
    }
    if (once >= SPLIT_NS)
        return LLVMConstInt(h->e->i1, 1, false);
    if (each <= 0)
        return LLVMConstInt(h->e->i1, 0, false);
    least = ceil((SPLIT_NS - once) / each);
    if (k->tasks == 0 && k->sched.parts <= 1 && least < 2)
        least = 2;
    return LLVMBuildICmp(h->e->b, LLVMIntSGE, h->n,
                         emit_int(h->e, (int64_t)least), "");
}

static void set_pointer(Host *h, int i, LLVMValueRef p)
{
    Emit *e = h->e;

    LLVMBuildStore(e->b, p,
                   host_element(e, e->ptr, h->pointers, emit_int(e, i)));
}

int host_probe(Type t)
{
    return dtype_real(t.dt) ? (int)t.dt : -1;
}

static LLVMValueRef count_tasks(Host *h, const Kernel *k)
{
    Emit *e = h->e;
    LLVMValueRef tasks;

    if (k->tasks && k->rows)
        return LLVMBuildSelect(e->b, is_one(h),
                               emit_int(e, kernel_one_tasks(k)),
                               emit_int(e, k->tasks), "");
    if (k->tasks)
        return emit_int(e, k->tasks);
    tasks = host_groups(e, h->n, kernel_group(k));
    return k->sched.parts > 1
               ? LLVMBuildMul(e->b, tasks, emit_int(e, k->sched.parts), "")
               : tasks;
}

static void host_kernel(Host *h, const Kernel *k)
{
    Emit *e = h->e;
    LLVMValueRef fn = emit_kernel(e, k), x[8];

    for (int i = 0; i < kernel_nbuffer(k); i++)
        set_pointer(h, i, host_address(h, kernel_buffer(k, i)));
    x[0] = h->call;
    x[1] = fn;
    x[2] = h->pointers;
    x[3] = count_tasks(h, k);
    x[4] = worth_splitting(h, k);
    x[5] = host_small(e, k->id);
    x[6] = host_small(e, host_probe(k->root->type));
    x[7] = host_count(h, k->root->type);
    host_call(e, HOST_RUN, x, 8);
}

/* Does a chain run as one: are there more examples than a few, enough of them
 * for all threads, and does nobody look at its kernels one by one? */
static LLVMValueRef runs_as_one(Host *h, const Chain *c)
{
    Emit *e = h->e;
    LLVMValueRef x[2] = {h->call, host_groups(e, h->n, c->unit)};
    LLVMValueRef many, alone;

    many = host_runtime(e, "rnn_is_plenty", e->i32, x, 2);
    many = host_is_set(e, many);
    alone = LLVMBuildICmp(e->b, LLVMIntSGT, h->n, emit_int(e, c->few), "");
    many = LLVMBuildAnd(e->b, many, alone, "");
    alone = LOAD_FIELD(e, h->call, e->i32, probe);
    alone = LLVMBuildNot(e->b, host_is_set(e, alone), "");
    many = LLVMBuildAnd(e->b, many, alone, "");
    alone = LOAD_FIELD(e, h->call, e->ptr, kernel_ns);
    alone = LLVMBuildNot(e->b, host_is_set(e, alone), "");
    many = LLVMBuildAnd(e->b, many, alone, "");
    alone = LOAD_FIELD(e, h->call, e->ptr, kernel_runs);
    alone = LLVMBuildNot(e->b, host_is_set(e, alone), "");
    return LLVMBuildAnd(e->b, many, alone, "");
}

static void host_chain(Host *h, const Step *s, int n)
{
    Emit *e = h->e;
    LLVMValueRef x[8];
    double each = 0;
    int at = 0;

    x[1] = emit_chain(e, s, n);
    for (int k = 0; k < n; k++) {
        const Kernel *kernel = s[k].kernel;

        for (int i = 0; i < kernel_nbuffer(kernel); i++)
            set_pointer(h, at++, host_address(h, kernel_buffer(kernel, i)));
        each += kernel->flops_example / rate_of(kernel);
    }
    x[0] = h->call;
    x[2] = h->pointers;
    x[3] = host_groups(e, h->n, s->chain->unit);
    x[4] = LLVMBuildICmp(e->b, LLVMIntSGE, h->n,
                         emit_int(e, (int64_t)ceil(SPLIT_NS / (each + 1))),
                         "");
    x[5] = host_small(e, s->kernel->id);
    x[6] = host_small(e, -1);
    x[7] = emit_int(e, 0);
    host_call(e, HOST_RUN, x, 8);
}

static void host_copy(Host *h, const Step *s)
{
    Emit *e = h->e;
    Type t = s->to->type;
    LLVMValueRef bytes;

    bytes = LLVMBuildMul(e->b, host_count(h, t),
                         emit_int(e, dtype_bytes(t.dt)), "");
    LLVMBuildMemCpy(e->b, host_address(h, s->to), 1, host_address(h, s->from),
                    1, bytes);
}

static void host_steps(Host *h, const Steps *s, int from, int to);

static void host_loop(Host *h, const Step *s)
{
    Emit *e = h->e;
    LLVMValueRef count = emit_int(e, s->trip);
    EmitLoop l;

    if (s->count) {
        count = LLVMBuildLoad2(e->b, e->i32, host_address(h, s->count), "");
        count = LLVMBuildSExt(e->b, count, e->i64, "");
    }
    l = emit_loop(e, h->fn, emit_int(e, 0), count, 1, "pass");
    l.unroll_off = true;
    if (s->until) {
        LLVMBasicBlockRef go = host_block(e, h->fn, "go");
        LLVMValueRef end = LLVMBuildLoad2(e->b, e->i8,
                                          host_address(h, s->until), "");

        LLVMBuildCondBr(e->b, host_is_set(e, end), l.after, go);
        LLVMPositionBuilderAtEnd(e->b, go);
    }
    if (s->index)
        LLVMBuildStore(e->b, LLVMBuildTrunc(e->b, l.i, e->i32, ""),
                       host_address(h, s->index));
    host_steps(h, s->body, 0, s->body->list.n);
    emit_loop_end(e, &l);
}

static int chain_length(const Steps *s, int from, int to)
{
    int n = 1;

    while (from + n < to &&
           s->list.at[from + n].chain == s->list.at[from].chain)
        n++;
    return n;
}

static void host_chained(Host *h, const Step *s, int n)
{
    Emit *e = h->e;
    LLVMBasicBlockRef one = host_block(e, h->fn, "chain");
    LLVMBasicBlockRef each = host_block(e, h->fn, "each");
    LLVMBasicBlockRef after = host_block(e, h->fn, "after");

    LLVMBuildCondBr(e->b, runs_as_one(h, s->chain), one, each);
    LLVMPositionBuilderAtEnd(e->b, one);
    host_chain(h, s, n);
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, each);
    for (int i = 0; i < n; i++)
        host_kernel(h, s[i].kernel);
    LLVMBuildBr(e->b, after);
    LLVMPositionBuilderAtEnd(e->b, after);
}

static void host_steps(Host *h, const Steps *s, int from, int to)
{
    for (int i = from; i < to; i++) {
        const Step *st = &s->list.at[i];

        if (st->chain) {
            int n = chain_length(s, i, to);

            host_chained(h, st, n);
            i += n - 1;
        } else if (st->kind == STEP_LOOP)
            host_loop(h, st);
        else if (st->kind == STEP_COPY)
            host_copy(h, st);
        else if (st->kernel->kind == KERNEL_CALL &&
                 st->kernel->core->op == OP_solved)
            host_solved(h, st->kernel);
        else if (st->kernel->kind == KERNEL_CALL)
            host_draw(h, st->kernel);
        else
            host_kernel(h, st->kernel);
    }
}

/* --- the function -------------------------------------------------------- */

static void load_tables(Host *h)
{
    Emit *e = h->e;
    const Program *p = h->p;
    int nout = p->entry->func.nout;
    LLVMValueRef in = LOAD_FIELD(e, h->call, e->ptr, in);
    LLVMValueRef out = LOAD_FIELD(e, h->call, e->ptr, out);

    h->n = LOAD_FIELD(e, h->call, e->i64, n);
    h->arena = LOAD_FIELD(e, h->call, e->ptr, arena);
    h->examples = host_bytes(e, h->arena, emit_int(e, p->shared_bytes));
    h->in = NEW_N(e->a, LLVMValueRef, p->nin);
    h->out = NEW_N(e->a, LLVMValueRef, nout);
    for (int i = 0; i < p->nin; i++)
        h->in[i] = LLVMBuildLoad2(e->b, e->ptr,
                                  host_element(e, e->ptr, in, emit_int(e, i)),
                                  "in");
    for (int i = 0; i < nout; i++)
        h->out[i] = LLVMBuildLoad2(e->b, e->ptr,
                                   host_element(e, e->ptr, out, emit_int(e, i)),
                                   "out");
}

/* Pointers of the longest chain. */
static int longest_chain(const Steps *s)
{
    int most = 0;

    for (int i = 0; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];
        int n = st->kind == STEP_LOOP ? longest_chain(st->body)
                : st->chain ? chain_pointers(st, chain_length(s, i, s->list.n))
                            : 0;

        most = n > most ? n : most;
    }
    return most;
}

static void make_room(Host *h)
{
    Emit *e = h->e;
    int npointer = 1, nkey = 1;

    for (int i = 0; i < h->p->kernel.n; i++) {
        const Kernel *k = h->p->kernel.at[i];

        if (kernel_nbuffer(k) > npointer)
            npointer = kernel_nbuffer(k);
        if (k->kind == KERNEL_CALL && k->core->nsrc > nkey)
            nkey = k->core->nsrc;
    }
    if (longest_chain(&h->p->steps) > npointer)
        npointer = longest_chain(&h->p->steps);
    h->pointers = LLVMBuildArrayAlloca(e->b, e->ptr, host_small(e, npointer),
                                       "pointers");
    h->copy = LLVMBuildArrayAlloca(
        e->b, e->i64, host_small(e, (sizeof(RnnCall) + 7) / 8), "copy");
    h->keys = LLVMBuildArrayAlloca(e->b, e->i32, host_small(e, nkey), "keys");
}

/* --- the set-up part ------------------------------------------------------ */

static bool depends_on_batch(const Steps *s, int n)
{
    for (int i = 0; i < n; i++)
        if (s->list.at[i].batches == FOR_ONE ||
            s->list.at[i].batches == FOR_MORE)
            return true;
    return false;
}

/* Steps of the set-up part that neighbours in it need for the same batches. */
static void setup_steps(Host *h, int n)
{
    Emit *e = h->e;
    const Steps *s = &h->p->steps;

    for (int i = 0, end; i < n; i = end) {
        Batches want = s->list.at[i].batches;
        LLVMBasicBlockRef after = NULL;

        for (end = i + 1; end < n && s->list.at[end].batches == want;)
            end++;
        if (want == FOR_NONE)
            continue;
        if (want == FOR_ONE)
            after = host_if(e, h->fn, is_one(h));
        else if (want == FOR_MORE)
            after = host_if(e, h->fn, LLVMBuildNot(e->b, is_one(h), ""));
        host_steps(h, s, i, end);
        if (after)
            host_end_if(e, after);
    }
}

static void host_setup(Host *h, int n)
{
    Emit *e = h->e;
    LLVMValueRef run = host_is_set(e, LOAD_FIELD(e, h->call, e->i32, fresh));
    LLVMValueRef want, ready, at;
    LLVMBasicBlockRef after;

    if (depends_on_batch(&h->p->steps, n)) {
        at = host_bytes(e, h->call, emit_int(e, offsetof(RnnCall, ready)));
        want = LLVMBuildSelect(e->b, is_one(h), host_small(e, 1),
                               host_small(e, 2), "");
        ready = LLVMBuildLoad2(e->b, e->i32, at, "");
        ready = LLVMBuildICmp(e->b, LLVMIntNE, ready, want, "");
        run = LLVMBuildOr(e->b, run, ready, "");
        LLVMBuildStore(e->b, want, at);
    }
    after = host_if(e, h->fn, run);
    setup_steps(h, n);
    host_end_if(e, after);
}

LLVMValueRef emit_host(Emit *e, const Program *p, int number)
{
    Host h = {.e = e, .p = p};
    const char *name = arena_printf(e->a, "entry_%s", p->entry->name);
    int nsetup = 0;

    if (LLVMGetNamedFunction(e->m, name))
        name = arena_printf(e->a, "entry_%s_%d", p->entry->name, number);
    h.fn = LLVMAddFunction(e->m, name,
                           LLVMFunctionType(e->voidt, &e->ptr, 1, false));
    target_attributes(e->target, e->c, h.fn);
    LLVMPositionBuilderAtEnd(e->b, host_block(e, h.fn, "entry"));
    h.call = LLVMGetParam(h.fn, 0);
    make_room(&h);
    load_tables(&h);
    while (nsetup < p->steps.list.n && p->steps.list.at[nsetup].setup)
        nsetup++;
    if (nsetup > 0)
        host_setup(&h, nsetup);
    host_steps(&h, &p->steps, nsetup, p->steps.list.n);
    LLVMBuildRetVoid(e->b);
    return h.fn;
}
