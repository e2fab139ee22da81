/*
 * parts.c -- a module compiled in parts, side by side.
 *
 * Making machine code is most of a build, and functions do not depend on each
 * other for it: calls worth inlining are emitted inline. So the functions are
 * dealt out to parts of like size; each part is optimized and written as an
 * object of its own, in a context of its own, by whichever thread is free.
 * The parts depend on the program alone, so the objects do too.
 *
 * A part begins as the whole module read from bitcode. What other parts define
 * is "available externally", which one pass turns into declarations; constants
 * remain where they are used. Functions used from other parts become hidden
 * symbols, under a name that no C symbol can have.
 */
#include "codegen/emit.h"

#include <errno.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/BitWriter.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
    PART_SIZE = 3000, // instructions that are worth a part
    RARE_DEPTH = 2    // an entry point's kernels and their bodies
};

/* --- which function goes where ------------------------------------------- */

typedef struct Share { // a function, or one called from it alone
    LLVMValueRef fn;
    struct Share *with; // the caller's, if it is called from there alone
    int size, part;     // size of those with it too
    bool rare;
} Share;

typedef struct Plan {
    Share *share; // in the module's order, declarations too
    int nshare, nparts;
    int64_t size;
} Plan;

static int size_of(LLVMValueRef fn)
{
    int n = 0;

    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b;
         b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
             i = LLVMGetNextInstruction(i))
            n++;
    return n;
}

/* Is fn an entry point for checking gradients, or used by nothing else? */
static bool is_rare(LLVMValueRef fn, int depth)
{
    LLVMUseRef use = LLVMGetFirstUse(fn);

    if (LLVMGetStringAttributeAtIndex(fn, LLVMAttributeFunctionIndex,
                                      RARE_ATTRIBUTE,
                                      sizeof RARE_ATTRIBUTE - 1))
        return true;
    if (LLVMGetLinkage(fn) != LLVMInternalLinkage || !use || depth == 0)
        return false;
    for (; use; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (!LLVMIsAInstruction(user) ||
            !is_rare(LLVMGetBasicBlockParent(LLVMGetInstructionParent(user)),
                     depth - 1))
            return false;
    }
    return true;
}

/* The function that is the only one to use fn, by one call; or NULL. */
static LLVMValueRef only_caller(LLVMValueRef fn)
{
    LLVMUseRef use = LLVMGetFirstUse(fn);
    LLVMValueRef call;

    if (LLVMGetLinkage(fn) != LLVMInternalLinkage || !use ||
        LLVMGetNextUse(use))
        return NULL;
    call = LLVMGetUser(use);
    if (!LLVMIsACallInst(call) || LLVMGetCalledValue(call) != fn)
        return NULL;
    return LLVMGetBasicBlockParent(LLVMGetInstructionParent(call));
}

static Share *find(const Plan *p, LLVMValueRef fn)
{
    for (int i = 0; i < p->nshare; i++)
        if (p->share[i].fn == fn)
            return &p->share[i];
    return NULL;
}

/* Where a chain of only callers ends. */
static Share *last(Share *s)
{
    while (s->with)
        s = s->with;
    return s;
}

static void list_functions(Arena *a, Plan *p, LLVMModuleRef m)
{
    LLVMValueRef fn;

    for (fn = LLVMGetFirstFunction(m); fn; fn = LLVMGetNextFunction(fn))
        p->nshare++;
    p->share = NEW_N(a, Share, p->nshare + 1);
    p->nshare = 0;
    for (fn = LLVMGetFirstFunction(m); fn; fn = LLVMGetNextFunction(fn))
        p->share[p->nshare++] =
            (Share){fn, NULL, size_of(fn), -1, is_rare(fn, RARE_DEPTH)};
    for (int i = 0; i < p->nshare; i++) {
        LLVMValueRef caller = only_caller(p->share[i].fn);

        p->size += p->share[i].size;
        if (caller && caller != p->share[i].fn)
            p->share[i].with = find(p, caller);
    }
    for (int i = 0; i < p->nshare; i++)
        if (p->share[i].with)
            last(&p->share[i])->size += p->share[i].size;
}

/* The largest first, each to the part that has least so far. */
static void deal(Plan *p)
{
    int64_t load[CODEGEN_PARTS_MAX] = {0};

    for (;;) {
        Share *most = NULL;
        int part = 0;

        for (int i = 0; i < p->nshare; i++) {
            Share *s = &p->share[i];

            if (!s->with && s->part < 0 && (!most || s->size > most->size))
                most = s;
        }
        if (!most)
            break;
        for (int i = 1; i < p->nparts; i++)
            if (load[i] < load[part])
                part = i;
        most->part = part;
        load[part] += most->size;
    }
    for (int i = 0; i < p->nshare; i++)
        p->share[i].part = last(&p->share[i])->part;
}

int codegen_parts(Module *m)
{
    Plan p = {0};
    int64_t n;

    if (m->plan)
        return m->plan->nparts;
    list_functions(m->a, &p, m->m);
    n = 1 + p.size / PART_SIZE;
    p.nparts = n < CODEGEN_PARTS_MAX ? (int)n : CODEGEN_PARTS_MAX;
    deal(&p);
    m->plan = NEW(m->a, Plan);
    *m->plan = p;
    return p.nparts;
}

/* Code that runs rarely is made in the least time. */
static void hurry(Module *m)
{
    const Plan *p = m->plan;

    for (int i = 0; i < p->nshare; i++)
        if (p->share[i].rare) {
            compat_attr(m->c, p->share[i].fn, LLVMAttributeFunctionIndex,
                        "optnone", 0);
            compat_attr(m->c, p->share[i].fn, LLVMAttributeFunctionIndex,
                        "noinline", 0);
        }
}

/* Makes functions that other parts may use visible to them. */
static void publish(Module *m)
{
    const Plan *p = m->plan;

    for (int i = 0; i < p->nshare; i++) {
        LLVMValueRef fn = p->share[i].fn;
        const char *name;
        size_t n;

        if (LLVMGetLinkage(fn) != LLVMInternalLinkage || p->share[i].with)
            continue;
        name = LLVMGetValueName2(fn, &n);
        name = arena_printf(m->a, "%s.rnn", name);
        LLVMSetValueName2(fn, name, strlen(name));
        LLVMSetLinkage(fn, LLVMExternalLinkage);
        LLVMSetVisibility(fn, LLVMHiddenVisibility);
    }
}

/* --- one part ------------------------------------------------------------- */

typedef struct Job {
    const Module *m;
    LLVMMemoryBufferRef bitcode;
    const char *const *path;
    atomic_int next; // part
    char (*err)[256];
} Job;

/* Leaves to the linker what other parts define; variables are the first's. */
static void keep_part(const Plan *p, LLVMModuleRef m, int part)
{
    LLVMValueRef v;

    for (int i = 0; i < p->nshare; i++) {
        size_t n;

        v = LLVMGetNamedFunction(m, LLVMGetValueName2(p->share[i].fn, &n));
        if (v && p->share[i].part != part && !LLVMIsDeclaration(v))
            LLVMSetLinkage(v, LLVMAvailableExternallyLinkage);
    }
    for (v = LLVMGetFirstGlobal(m); v; v = LLVMGetNextGlobal(v))
        if (part != 0 && LLVMGetLinkage(v) == LLVMExternalLinkage)
            LLVMSetLinkage(v, LLVMAvailableExternallyLinkage);
}

static bool write_file(const char *path, LLVMMemoryBufferRef buf, char *err,
                       size_t n)
{
    FILE *f = fopen(path, "wb");
    size_t size = LLVMGetBufferSize(buf);
    bool ok = f && fwrite(LLVMGetBufferStart(buf), 1, size, f) == size;

    ok = f && !fclose(f) && ok;
    if (!ok)
        snprintf(err, n, "%s", strerror(errno));
    return ok;
}

static void make_part(const Job *j, int part)
{
    const Target *t = j->m->target;
    LLVMContextRef c = LLVMContextCreate();
    LLVMTargetMachineRef tm = target_new_machine(t);
    LLVMMemoryBufferRef buf;
    LLVMModuleRef m;
    char *err = j->err[part];

    if (!tm || LLVMParseBitcodeInContext2(c, j->bitcode, &m))
        internal_error("part %d of the program is lost", part);
    keep_part(j->m->plan, m, part);
    optimize(m, tm, "elim-avail-extern,globaldce", target_opt_level(t),
             j->m->opt.verify);
    buf = emit_file(m, tm, LLVMObjectFile, err, sizeof j->err[part]);
    if (buf) {
        write_file(j->path[part], buf, err, sizeof j->err[part]);
        LLVMDisposeMemoryBuffer(buf);
    }
    LLVMDisposeModule(m);
    LLVMDisposeTargetMachine(tm);
    LLVMContextDispose(c);
}

/* --- all ------------------------------------------------------------------ */

static void *work(void *arg)
{
    Job *j = arg;
    int i;

    while ((i = atomic_fetch_add(&j->next, 1)) < j->m->plan->nparts)
        make_part(j, i);
    return NULL;
}

static int processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) ? 2 : CPU_COUNT(&set);
}

bool codegen_objects(Module *m, const Target *t, const char *const *path,
                     char *err, size_t n)
{
    int parts = codegen_parts(m), nthread = processors() - 1, made = 0;
    pthread_t thread[CODEGEN_PARTS_MAX];
    Job j = {.m = m, .path = path};

    (void)t;
    if (nthread > parts - 1)
        nthread = parts - 1;
    hurry(m);
    module_verify(m);
    if (parts > 1)
        publish(m);
    j.err = arena_alloc(m->a, (size_t)parts * sizeof *j.err);
    for (int i = 0; i < parts; i++)
        j.err[i][0] = 0;
    j.bitcode = LLVMWriteBitcodeToMemoryBuffer(m->m);
    while (made < nthread && !pthread_create(&thread[made], NULL, work, &j))
        made++;
    work(&j);
    for (int i = 0; i < made; i++)
        pthread_join(thread[i], NULL);
    LLVMDisposeMemoryBuffer(j.bitcode);
    for (int i = 0; i < parts; i++)
        if (j.err[i][0]) {
            snprintf(err, n, "%s", j.err[i]);
            return false;
        }
    return true;
}
