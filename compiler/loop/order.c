/*
 * order.c -- the steps of a region, and which of them update in place.
 *
 * Each kernel, loop and copy of a region is an item. An item comes after the
 * items whose results it reads; where it overwrites memory that holds an older
 * value, it also comes after the readers of that value. If such an order does
 * not exist (a reader needs the new value too), the item gets memory of its
 * own and a copy follows. Overwriting happens for
 *   - the next value of a loop variable, written into the variable's buffer;
 *   - `put` on a value nobody needs afterwards;
 *   - `put` on a variable whose new value it is (a replay buffer).
 */
#include "loop/lower.h"

#include <string.h>

typedef struct Item {
    Step step;
    Val val; // root or loop node; NULL: a copy
    VEC(Buffer *) read;
    VEC(int) after; // items that come before this one
    int mark;
} Item;

typedef struct Region {
    Lower *lo;
    Loop *loop; // NULL: the top level
    VEC(Item) item;
    VEC(Step) done;
    int round; // of marks
} Region;

/* The value whose computation fills the memory of v: v without reshapes. */
static Val base_of(Val v)
{
    while (v->op == OP_reshape)
        v = v->src[0];
    return v;
}

/* Number of the item of this region that computes v, or -1. */
static int maker_of(Region *r, Val v)
{
    v = base_of(v);
    if (v->op == OP_proj)
        v = v->src[0];
    return v->region == r->loop ? fact_of(r->lo, v)->item : -1;
}

static int add_item(Region *r, Step step, Val v)
{
    VEC_PUSH(r->lo->tmp, &r->item, ((Item){.step = step, .val = v}));
    return r->item.n - 1;
}

static void add_read(Region *r, int item, Buffer *b)
{
    Item *it = &r->item.at[item];

    for (int i = 0; i < it->read.n; i++)
        if (it->read.at[i] == b)
            return;
    VEC_PUSH(r->lo->tmp, &it->read, b);
}

static void add_order(Region *r, int first, int then)
{
    if (first >= 0 && first != then)
        VEC_PUSH(r->lo->tmp, &r->item.at[then].after, first);
}

static int add_copy(Region *r, Buffer *from, Buffer *to)
{
    int c = add_item(r, (Step){.kind = STEP_COPY, .from = from, .to = to},
                     NULL);

    add_read(r, c, from);
    add_order(r, maker_of(r, from->val), c);
    return c;
}

/* --- order --------------------------------------------------------------- */

static bool depends_in(Region *r, int item, int on)
{
    Item *it = &r->item.at[item];

    if (item == on)
        return true;
    if (it->mark == r->round)
        return false;
    it->mark = r->round;
    for (int i = 0; i < it->after.n; i++)
        if (depends_in(r, it->after.at[i], on))
            return true;
    return false;
}

static bool reads(Region *r, int item, Val base)
{
    Item *it = &r->item.at[item];

    for (int i = 0; i < it->read.n; i++)
        if (base_of(it->read.at[i]->val) == base)
            return true;
    return false;
}

/* Puts `item` after every other reader of the value `old`; false, changing
 * nothing, if one of those needs what the item computes. */
static bool make_last(Region *r, int item, Val old)
{
    for (int i = 0; i < r->item.n; i++) {
        r->round++;
        if (i != item && reads(r, i, old) && depends_in(r, i, item))
            return false;
    }
    for (int i = 0; i < r->item.n; i++)
        if (i != item && reads(r, i, old))
            add_order(r, i, item);
    return true;
}

static void place_item(Region *r, int item);

/* The places of maxima are needed in the gradient, and small; what they are
 * found in is large, and near when `item` has just made it. */
static void place_next(Region *r, int item)
{
    for (int i = 0; i < r->item.n; i++) {
        Item *it = &r->item.at[i];

        if (it->step.kernel && it->step.kernel->core->op == OP_pool_place &&
            it->after.n == 1 && it->after.at[0] == item)
            place_item(r, i);
    }
}

static void place_item(Region *r, int item)
{
    Item *it = &r->item.at[item];

    if (it->mark == r->round)
        return;
    it->mark = r->round;
    for (int i = 0; i < it->after.n; i++)
        place_item(r, it->after.at[i]);
    VEC_PUSH(r->lo->tmp, &r->done, it->step);
    place_next(r, item);
}

/* --- items --------------------------------------------------------------- */

static void read_steps(Region *r, int item, const Steps *s, const Loop *l)
{
    for (int i = 0; i < s->list.n; i++) {
        const Step *st = &s->list.at[i];

        if (st->kind == STEP_LOOP) {
            read_steps(r, item, st->body, l);
            if (st->count && !ir_inside(st->count->val, l))
                add_read(r, item, st->count);
        } else if (st->kind == STEP_COPY) {
            if (!ir_inside(st->from->val, l))
                add_read(r, item, st->from);
        } else {
            for (int k = 0; k < st->kernel->nread; k++)
                if (!ir_inside(st->kernel->read[k]->val, l))
                    add_read(r, item, st->kernel->read[k]);
        }
    }
}

/* Is v needed by its loop as an initial value and by nobody else? */
static bool is_only_init(Lower *lo, Val v)
{
    return fact_of(lo, v)->use.n == 1;
}

/* Initial values: the kernel of one may write into the variable's buffer. */
static void init_vars(Region *r, Loop *l, int loop_item)
{
    Lower *lo = r->lo;

    for (int k = 0; k < l->n; k++) {
        Buffer *var, *init;
        int maker;

        if (!fact_of(lo, l->node)->live[k])
            continue;
        var = fact_of(lo, l->var[k])->buf;
        init = fact_of(lo, l->init[k])->buf;
        maker = maker_of(r, l->init[k]);
        if (maker >= 0 && fact_of(lo, l->init[k])->kernel &&
            fact_of(lo, l->init[k])->varies && is_only_init(lo, l->init[k])) {
            init->place = PLACE_ALIAS;
            init->alias = var;
            add_order(r, maker, loop_item);
        } else {
            add_order(r, add_copy(r, init, var), loop_item);
        }
    }
}

static void add_loop(Region *r, Val v)
{
    Lower *lo = r->lo;
    Loop *l = v->attr.loop;
    Step st = {.kind = STEP_LOOP, .loop = l, .body = NEW(lo->a, Steps)};
    int item;

    if (l->count->op == OP_const)
        st.trip = (int64_t)l->count->attr.f;
    else
        st.count = fact_of(lo, l->count)->buf;
    if (l->until >= 0)
        st.until = fact_of(lo, l->var[l->until])->buf;
    if (fact_of(lo, l->index)->v)
        st.index = fact_of(lo, l->index)->buf;
    order_region(lo, l, st.body);
    item = add_item(r, st, v);
    fact_of(lo, v)->item = item;
    if (st.count)
        add_read(r, item, st.count);
    read_steps(r, item, st.body, l);
}

static void collect_items(Region *r)
{
    Lower *lo = r->lo;

    for (int i = 0; i < lo->norder; i++) {
        Val v = lo->order[i];
        Fact *f = fact_of(lo, v);

        if (v->region != r->loop)
            continue;
        if (v->op == OP_loop) {
            add_loop(r, v);
        } else if (f->kernel) {
            f->item = add_item(r, (Step){.kind = STEP_KERNEL,
                                         .kernel = f->kernel,
                                         .setup = !f->varies}, v);
            for (int k = 0; k < f->kernel->nread; k++)
                add_read(r, f->item, f->kernel->read[k]);
            for (int k = 0; k < f->kernel->nbeside; k++)
                fact_of(lo, f->kernel->beside[k]->val)->item = f->item;
        }
    }
    for (int i = 0; i < r->item.n; i++)
        for (int k = 0; k < r->item.at[i].read.n; k++)
            add_order(r, maker_of(r, r->item.at[i].read.at[k]->val), i);
    for (int i = 0, n = r->item.n; i < n; i++)
        if (r->item.at[i].step.kind == STEP_LOOP)
            init_vars(r, r->item.at[i].step.loop, i);
}

/* --- in place ------------------------------------------------------------ */

static bool reads_below(Lower *lo, Val v, Val old, bool top)
{
    if (base_of(v) == old)
        return true;
    if (!top && fact_of(lo, v)->buffered)
        return false;
    for (int i = 0; i < v->nsrc; i++)
        if (reads_below(lo, v->src[i], old, false))
            return true;
    return false;
}

/* Does the kernel of `root` read `old` only at the element it writes? */
static bool reads_same_element(Lower *lo, Val v, Val old, bool top)
{
    if (base_of(v) == old || (!top && fact_of(lo, v)->buffered))
        return true;
    if (kind_of(v) != LOWER_MAP)
        return !reads_below(lo, v, old, true);
    for (int i = 0; i < v->nsrc; i++)
        if (!reads_same_element(lo, v->src[i], old, false))
            return false;
    return true;
}

static bool may_overwrite(Region *r, Kernel *k, Val old)
{
    switch (k->kind) {
    case KERNEL_MAP: case KERNEL_REDUCE: case KERNEL_BATCH:
        return reads_same_element(r->lo, k->root, old, true);
    default:
        return !reads(r, fact_of(r->lo, k->root)->item, old);
    }
}

static void share(Buffer *b, Buffer *memory)
{
    b->place = PLACE_ALIAS;
    b->alias = memory;
}

static bool has_own_memory(const Buffer *b)
{
    return b->place == PLACE_ARENA;
}

/* Is `end` what a chain of puts through p makes: put(.. put(p, ..), ..)? */
static bool ends_chain(Val end, Val p)
{
    while (end != p && end->op == OP_put)
        end = end->src[0];
    return end == p;
}

/* The variable of the entry whose new value is the end of p's chain. */
static bool is_new_value(const Entry *e, Val x, Val p)
{
    for (int i = 0; i < e->func.nout; i++)
        if (e->output && e->output[i].kind == OUT_VAR &&
            !strcmp(e->output[i].name, x->attr.s) &&
            ends_chain(e->func.out[i], p))
            return true;
    return false;
}

/* May put p destroy its first source x: is p's chain what x becomes? */
static bool may_consume(Region *r, Val p)
{
    Lower *lo = r->lo;
    Val x = p->src[0];

    if (base_of(p->src[1]) == base_of(x) || base_of(p->src[2]) == base_of(x))
        return false;
    if (x->op == OP_loopvar && x->attr.loop == r->loop)
        return ends_chain(r->loop->next[x->attr.i[0]], p);
    if (x->op == OP_input)
        return x->attr.i[0] == INPUT_VAR && !r->loop &&
               is_new_value(lo->e, x, p);
    return fact_of(lo, x)->use.n == 1 && maker_of(r, x) >= 0 &&
           (x->op == OP_proj ||
            (fact_of(lo, x)->kernel && fact_of(lo, x)->varies));
}

static void put_in_place(Region *r)
{
    for (int i = 0; i < r->item.n; i++) {
        Val p = r->item.at[i].val;
        Kernel *k = p ? fact_of(r->lo, p)->kernel : NULL;
        Buffer *x;

        if (!k || p->op != OP_put || !fact_of(r->lo, p)->varies ||
            !may_consume(r, p) || !make_last(r, i, base_of(p->src[0])))
            continue;
        x = buffer_storage(fact_of(r->lo, p->src[0])->buf);
        if (x->place == PLACE_ARENA && k->dst->place == PLACE_OUTPUT)
            share(x, k->dst);
        else
            share(k->dst, x);
    }
}

/* After a pass var[k] = next[k], all at once. Where next[k] is another
 * variable, its old value is copied; these copies are readers of it, so they
 * are there before anything is put behind the readers. */
static void copy_old_values(Region *r, int *copy)
{
    for (int k = 0; k < r->loop->n; k++) {
        Val next = r->loop->next[k], old = base_of(next);

        copy[k] = -1;
        if (fact_of(r->lo, r->loop->node)->live[k] && old->op == OP_loopvar &&
            old->attr.loop == r->loop && old != r->loop->var[k])
            copy[k] = add_copy(r, fact_of(r->lo, next)->buf,
                               fact_of(r->lo, r->loop->var[k])->buf);
    }
}

/* The copy through memory of its own: variables change places. */
static void copy_twice(Region *r, int copy, Val var)
{
    Step *st = &r->item.at[copy].step;
    Buffer *to = st->to, *own = buffer_new(r->lo, var->type, st->from->val);
    int second;

    st->to = own;
    second = add_item(r, (Step){.kind = STEP_COPY, .from = own, .to = to},
                      NULL);
    add_order(r, copy, second);
    if (!make_last(r, second, var))
        internal_error("the variables of a loop depend on their own copies");
}

static void carry_var(Region *r, int k, int copy)
{
    Lower *lo = r->lo;
    Val var = r->loop->var[k], next = r->loop->next[k];
    Buffer *to = fact_of(lo, var)->buf, *from = fact_of(lo, next)->buf;
    Fact *made = fact_of(lo, base_of(next));
    int item = maker_of(r, next);

    if (buffer_storage(from) == buffer_storage(to))
        return;
    if (item >= 0 && made->kernel && has_own_memory(made->buf) &&
        may_overwrite(r, made->kernel, var) && make_last(r, item, var)) {
        share(made->buf, to);
        return;
    }
    if (copy < 0)
        copy = add_copy(r, from, to);
    if (!make_last(r, copy, var))
        copy_twice(r, copy, var);
}

/* --- outputs ------------------------------------------------------------- */

static Buffer *output_buffer(Lower *lo, int i)
{
    Buffer *b = buffer_new(lo, lo->e->func.out[i]->type, lo->e->func.out[i]);

    b->place = PLACE_OUTPUT;
    b->slot = i;
    return b;
}

/* Results computed at the top level are written where they are wanted. */
static void write_outputs(Region *r)
{
    Lower *lo = r->lo;

    for (int i = 0; i < lo->e->func.nout; i++) {
        Val v = lo->e->func.out[i];
        Buffer *b = fact_of(lo, v)->buf, *own = buffer_storage(b);

        if (maker_of(r, v) >= 0 && has_own_memory(own) &&
            fact_of(lo, base_of(v))->varies) {
            own->place = PLACE_OUTPUT;
            own->slot = i;
        } else {
            add_copy(r, b, output_buffer(lo, i));
        }
    }
}

static void mark_inplace(Lower *lo)
{
    const Entry *e = lo->e;

    for (int i = 0; i < e->func.nout; i++) {
        Buffer *b = buffer_storage(fact_of(lo, e->func.out[i])->buf);

        lo->p->inplace[i] = b->place == PLACE_INPUT &&
                            base_of(e->func.out[i])->op == OP_put;
    }
}

void order_region(Lower *lo, Loop *region, Steps *out)
{
    Region r = {.lo = lo, .loop = region};
    int *copy = region ? NEW_N(lo->tmp, int, region->n) : NULL;

    collect_items(&r);
    if (region)
        copy_old_values(&r, copy);
    else
        write_outputs(&r);
    put_in_place(&r);
    for (int k = 0; region && k < region->n; k++)
        if (fact_of(lo, region->node)->live[k])
            carry_var(&r, k, copy[k]);
    if (!region)
        mark_inplace(lo);
    r.round++;
    for (int i = 0; i < r.item.n; i++)
        place_item(&r, i);
    for (int pass = 0; pass < 2; pass++) // the set-up part first
        for (int i = 0; i < r.done.n; i++)
            if (r.done.at[i].setup == !pass)
                VEC_PUSH(lo->a, &out->list, r.done.at[i]);
}
