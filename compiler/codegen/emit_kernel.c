/*
 * emit_kernel.c -- the function of a kernel, made once per distinct kernel.
 *
 * Two kernels are the same function if they are the same text: the expression
 * with its reads numbered by role, shapes and schedule. Entry points share
 * much (an attack inside an evaluation, the net itself), and compiling is
 * what takes time.
 */
#include "codegen/emit.h"

#include <ctype.h>
#include <stdarg.h>

typedef struct Made {
    const char *key;
    LLVMValueRef fn;
} Made;
struct KernelTable {
    VEC(Made) list;
};

/* --- the key ------------------------------------------------------------- */

typedef struct Key {
    Arena *tmp;
    const Kernel *k;
    char *text;
    size_t n, cap;
    VEC(Val) seen; // by local number
} Key;

static void put(Key *key, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put(Key *key, const char *fmt, ...)
{
    va_list ap;
    char *s;
    size_t n;

    va_start(ap, fmt);
    s = arena_vprintf(key->tmp, fmt, ap);
    va_end(ap);
    n = strlen(s);
    if (key->n + n + 1 > key->cap) {
        char *text = arena_alloc(key->tmp, 2 * (key->cap + n + 1));

        if (key->n)
            memcpy(text, key->text, key->n);
        key->text = text;
        key->cap = 2 * (key->cap + n + 1);
    }
    memcpy(key->text + key->n, s, n + 1);
    key->n += n;
}

static void put_type(Key *key, Type t)
{
    put(key, ":%d%s", (int)t.dt, t.batched ? "b" : "s");
    for (int d = 0; d < t.shape.rank; d++)
        put(key, ",%lld", (long long)t.shape.dim[d]);
}

/* Local number of v, after the text of what it is. */
static int put_value(Key *key, Val v)
{
    int src[256], read = emit_find_read(key->k, v);

    for (int i = 0; i < key->seen.n; i++)
        if (key->seen.at[i] == v)
            return i;
    if (v->nsrc > (int)ARRAY_LEN(src))
        internal_error("%s of %d values", op_info[v->op].name, v->nsrc);
    for (int i = 0; read < 0 && i < v->nsrc; i++)
        src[i] = put_value(key, v->src[i]);
    if (read >= 0) {
        put(key, "r%d", read);
    } else {
        put(key, "o%d(", (int)v->op);
        for (int i = 0; i < v->nsrc; i++)
            put(key, "%d ", src[i]);
        for (int i = 0; i < v->attr.n; i++)
            put(key, ".%lld", (long long)v->attr.i[i]);
        put(key, ".%a)", v->attr.f);
    }
    put_type(key, v->type);
    put(key, v == key->k->core ? "c;" : ";");
    VEC_PUSH(key->tmp, &key->seen, v);
    return key->seen.n - 1;
}

static const char *key_of(Arena *tmp, const Kernel *k)
{
    Key key = {.tmp = tmp, .k = k};
    const Schedule *s = &k->sched;

    put(&key, "%d.%d.%lld.%d.%d.%d.%d.%lld.%d.%d;", (int)k->kind, k->nread,
        (long long)k->tasks, (int)s->form, s->lanes, s->mr, s->nr,
        (long long)s->kc, s->unroll, s->sparse);
    for (int i = 0; i < k->nread; i++)
        put(&key, "%d%s", emit_in_place(k, k->read[i]->val),
            k->read[i] != k->rows ? "" : k->along ? "a" : "r");
    put(&key, ";");
    put_value(&key, k->root);
    for (int i = 0; i < k->nbeside; i++)
        put(&key, "b%d;", put_value(&key, k->beside[i]->val));
    return key.text;
}

/* --- the functions ------------------------------------------------------- */

static const char *symbol(Arena *a, const Kernel *k, int number)
{
    char *s = arena_printf(a, "k%d_%s", number, k->name);

    for (char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    return s;
}

static LLVMValueRef new_function(Emit *e, const char *name, LLVMTypeRef type)
{
    LLVMValueRef fn = LLVMAddFunction(e->m, name, type);
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(e->c, fn, "entry");

    LLVMSetLinkage(fn, LLVMInternalLinkage);
    target_attributes(e->target, e->c, fn);
    LLVMPositionBuilderAtEnd(e->b, entry);
    return fn;
}

static void emit_body(KernelEmit *k)
{
    switch (k->k->kind) {
    case KERNEL_MAP:
        emit_map(k);
        break;
    case KERNEL_REDUCE:
        emit_reduce(k);
        break;
    case KERNEL_BATCH:
        emit_batch(k);
        break;
    case KERNEL_CONTRACT:
        emit_contract(k);
        break;
    case KERNEL_NEST:
        emit_nest(k);
        break;
    case KERNEL_CALL:
        internal_error("\"%s\" is a call, not a kernel", k->k->name);
    }
}

/* body(dst, reads not in place .., n, lo, hi): every pointer noalias. */
static LLVMValueRef make_body(Emit *e, const Kernel *k, const char *name,
                              int npointer)
{
    LLVMTypeRef *arg = NEW_N(e->a, LLVMTypeRef, npointer + 3);
    KernelEmit ke = {.e = e, .k = k};
    unsigned at = 0;

    for (int i = 0; i < npointer + 3; i++)
        arg[i] = i < npointer ? e->ptr : e->i64;
    ke.fn = new_function(e, name,
                         LLVMFunctionType(e->voidt, arg,
                                          (unsigned)npointer + 3, false));
    compat_attr(e->c, ke.fn, LLVMAttributeFunctionIndex, "noinline", 0);
    for (int i = 0; i < npointer; i++)
        compat_attr(e->c, ke.fn, (unsigned)i + 1, "noalias", 0);
    ke.read = NEW_N(e->a, LLVMValueRef, k->nread);
    ke.dst = LLVMGetParam(ke.fn, at++);
    for (int i = 0; i < k->nread; i++)
        ke.read[i] = emit_in_place(k, k->read[i]->val)
                         ? ke.dst
                         : LLVMGetParam(ke.fn, at++);
    ke.beside = NEW_N(e->a, LLVMValueRef, k->nbeside + 1);
    for (int i = 0; i < k->nbeside; i++)
        ke.beside[i] = LLVMGetParam(ke.fn, at++);
    ke.n = LLVMGetParam(ke.fn, at++);
    ke.lo = LLVMGetParam(ke.fn, at++);
    ke.hi = LLVMGetParam(ke.fn, at++);
    emit_body(&ke);
    LLVMBuildRetVoid(e->b);
    emit_forget(&ke);
    return ke.fn;
}

static LLVMValueRef load_pointer(Emit *e, LLVMValueRef table, int i)
{
    LLVMValueRef at = emit_int(e, i);

    at = LLVMBuildInBoundsGEP2(e->b, e->ptr, table, &at, 1, "");
    return LLVMBuildLoad2(e->b, e->ptr, at, "");
}

static LLVMValueRef make_function(Emit *e, const Kernel *k)
{
    const char *name = symbol(e->a, k, e->kernels->list.n);
    LLVMTypeRef type[] = {e->ptr, e->i64, e->i64, e->i64};
    LLVMValueRef fn, body, *arg = NEW_N(e->a, LLVMValueRef,
                                   k->nread + k->nbeside + 4);
    int n = 1 + k->nbeside;

    for (int i = 0; i < k->nread; i++)
        n += !emit_in_place(k, k->read[i]->val);
    body = make_body(e, k, arena_printf(e->a, "%s_body", name), n);
    fn = new_function(e, name, LLVMFunctionType(e->voidt, type, 4, false));
    n = 0;
    arg[n++] = load_pointer(e, LLVMGetParam(fn, 0), 0);
    for (int i = 0; i < k->nread; i++)
        if (!emit_in_place(k, k->read[i]->val))
            arg[n++] = load_pointer(e, LLVMGetParam(fn, 0), 1 + i);
    for (int i = 0; i < k->nbeside; i++)
        arg[n++] = load_pointer(e, LLVMGetParam(fn, 0), 1 + k->nread + i);
    for (unsigned i = 1; i < 4; i++)
        arg[n++] = LLVMGetParam(fn, i);
    LLVMBuildCall2(e->b, LLVMGlobalGetValueType(body), body, arg, (unsigned)n,
                   "");
    LLVMBuildRetVoid(e->b);
    return fn;
}

LLVMValueRef emit_kernel(Emit *e, const Kernel *k)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    Arena *tmp = arena_new();
    const char *key = intern(key_of(tmp, k));
    LLVMValueRef fn = NULL;

    arena_free(tmp);
    if (!e->kernels)
        e->kernels = NEW(e->a, struct KernelTable);
    for (int i = 0; i < e->kernels->list.n && !fn; i++)
        if (e->kernels->list.at[i].key == key)
            fn = e->kernels->list.at[i].fn;
    if (!fn) {
        fn = make_function(e, k);
        VEC_PUSH(e->a, &e->kernels->list, ((Made){key, fn}));
    }
    if (here)
        LLVMPositionBuilderAtEnd(e->b, here);
    return fn;
}
