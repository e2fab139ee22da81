/*
 * target.c -- the processor code is made for.
 *
 * Code is generated for a *level* (a fixed set of instruction sets) and
 * *tuned* for a model: a program needs exactly the features it states, and
 * says so before it runs, while the scheduling follows the model asked for.
 */
#include "codegen/emit.h"

#include <stdio.h>

typedef struct Level {
    const char *cpu;      // LLVM's name of the level
    const char *features; // as __builtin_cpu_supports spells them
    int vector_bytes, registers;
} Level;

enum { LEVEL_1, LEVEL_2, LEVEL_3, LEVEL_4, LEVEL_OTHER };
#define FEATURES_2 "sse4.2,popcnt"
#define FEATURES_3 FEATURES_2 ",avx2,fma,f16c,bmi,bmi2,lzcnt,movbe"
#define FEATURES_4 FEATURES_3 ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
static const Level levels[] = {
    [LEVEL_1] = {"x86-64", "", 16, 16},
    [LEVEL_2] = {"x86-64-v2", FEATURES_2, 16, 16},
    [LEVEL_3] = {"x86-64-v3", FEATURES_3, 32, 16},
    [LEVEL_4] = {"x86-64-v4", FEATURES_4, 64, 32},
    [LEVEL_OTHER] = {"generic", "", 16, 32},
};

typedef struct Cpu {
    const char *name;
    int level;
} Cpu;
static const Cpu cpus[] = {
    {"x86-64", LEVEL_1},         {"x86-64-v2", LEVEL_2},
    {"x86-64-v3", LEVEL_3},      {"x86-64-v4", LEVEL_4},
    {"core2", LEVEL_1},          {"nehalem", LEVEL_2},
    {"westmere", LEVEL_2},       {"sandybridge", LEVEL_2},
    {"ivybridge", LEVEL_2},      {"silvermont", LEVEL_2},
    {"goldmont", LEVEL_2},       {"tremont", LEVEL_2},
    {"btver2", LEVEL_2},         {"bdver2", LEVEL_2},
    {"haswell", LEVEL_3},        {"broadwell", LEVEL_3},
    {"skylake", LEVEL_3},        {"alderlake", LEVEL_3},
    {"raptorlake", LEVEL_3},     {"meteorlake", LEVEL_3},
    {"arrowlake", LEVEL_3},      {"lunarlake", LEVEL_3},
    {"gracemont", LEVEL_3},      {"sierraforest", LEVEL_3},
    {"bdver4", LEVEL_2},         {"znver1", LEVEL_3},
    {"znver2", LEVEL_3},         {"znver3", LEVEL_3},
    {"znver4", LEVEL_4},         {"znver5", LEVEL_4},
    {"skylake-avx512", LEVEL_4}, {"cascadelake", LEVEL_4},
    {"cooperlake", LEVEL_4},     {"cannonlake", LEVEL_4},
    {"icelake-client", LEVEL_4}, {"icelake-server", LEVEL_4},
    {"tigerlake", LEVEL_4},      {"rocketlake", LEVEL_4},
    {"sapphirerapids", LEVEL_4}, {"emeraldrapids", LEVEL_4},
    {"graniterapids", LEVEL_4},
};

struct Target {
    const char *tune; // the model asked for
    const Level *level;
    bool host_features; // not x86: LLVM's own list of the host's features
    char *features;
    int opt_level;
    char *triple;
    LLVMTargetRef ref;
    LLVMTargetMachineRef tm;
    LLVMTargetDataRef layout;
};

/* Does the comma-separated list `have` ("+sse2,-avx2") switch `name` on? */
static bool has_feature(const char *have, const char *name, size_t n)
{
    for (const char *p = have; *p;) {
        size_t len = strcspn(p, ",");

        if (*p == '+' && len == n + 1 && !strncmp(p + 1, name, n))
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

static bool has_all(const char *have, const char *want)
{
    for (const char *p = want; *p;) {
        size_t len = strcspn(p, ",");

        if (!has_feature(have, p, len))
            return false;
        p += len + (p[len] == ',');
    }
    return true;
}

static bool is_x86(const char *triple)
{
    return !strncmp(triple, "x86_64", 6) || !strncmp(triple, "amd64", 5);
}

/* The widest level whose features this machine has and says it has: a virtual
 * machine may hide some of its model's. */
static const Level *host_level(const char *features)
{
    for (int i = LEVEL_4; i > LEVEL_1; i--)
        if (has_all(features, levels[i].features))
            return &levels[i];
    return &levels[LEVEL_1];
}

static const Cpu *find_cpu(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(cpus); i++)
        if (!strcmp(cpus[i].name, name))
            return &cpus[i];
    return NULL;
}

static void unknown_cpu(const char *cpu, char *err, size_t n)
{
    const char *name[ARRAY_LEN(cpus)], *near;

    for (size_t i = 0; i < ARRAY_LEN(cpus); i++)
        name[i] = cpus[i].name;
    near = diag_closest(cpu, name, ARRAY_LEN(cpus));
    if (near)
        snprintf(err, n, "unknown processor \"%s\"; did you mean \"%s\"?",
                 cpu, near);
    else
        snprintf(err, n, "unknown processor \"%s\"; known are x86-64, "
                 "x86-64-v2, x86-64-v3, x86-64-v4, haswell, skylake-avx512, "
                 "znver3, znver4, ... (--cpu help lists all)", cpu);
}

/* Sets tune, level and features from a name, or from the host. */
static bool choose(Arena *a, Target *t, const char *triple, const char *cpu,
                   char *err, size_t n)
{
    if (cpu && !strcmp(cpu, "native"))
        cpu = NULL;
    if (cpu && is_x86(triple)) {
        const Cpu *c = find_cpu(cpu);

        if (!c) {
            unknown_cpu(cpu, err, n);
            return false;
        }
        t->tune = c->name;
        t->level = &levels[c->level];
    } else if (cpu && strcmp(cpu, "generic")) {
        snprintf(err, n, "unknown processor \"%s\"; on this architecture only "
                 "\"generic\" and the host (no --cpu) are known", cpu);
        return false;
    } else if (cpu) {
        t->tune = "generic";
        t->level = &levels[LEVEL_OTHER];
    } else {
        char *name = LLVMGetHostCPUName();
        char *have = LLVMGetHostCPUFeatures();

        t->tune = intern(name);
        t->level = &levels[LEVEL_OTHER];
        if (is_x86(triple)) {
            t->level = host_level(have);
        } else {
            t->features = arena_printf(a, "%s", have);
            t->host_features = true;
        }
        LLVMDisposeMessage(name);
        LLVMDisposeMessage(have);
    }
    return true;
}

static void initialize(void)
{
    static bool done;

    if (done)
        return;
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    LLVMInitializeNativeAsmParser();
    done = true;
}

LLVMTargetMachineRef target_new_machine(const Target *t)
{
    static const LLVMCodeGenOptLevel level[] = {
        LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelDefault,
        LLVMCodeGenLevelAggressive};

    return LLVMCreateTargetMachine(
        t->ref, t->triple, t->host_features ? t->tune : t->level->cpu,
        t->features, level[t->opt_level], LLVMRelocPIC, LLVMCodeModelDefault);
}

Target *target_new(Arena *a, const char *cpu, int opt_level, char *err,
                   size_t n)
{
    Target *t = NEW(a, Target);
    char *triple, *msg = NULL;

    initialize();
    triple = LLVMGetDefaultTargetTriple();
    t->features = arena_printf(a, "%s", "");
    t->opt_level = opt_level < 0 ? 0 : opt_level > 3 ? 3 : opt_level;
    if (LLVMGetTargetFromTriple(triple, &t->ref, &msg)) {
        snprintf(err, n, "LLVM cannot make code for %s: %s", triple, msg);
        LLVMDisposeMessage(msg);
        LLVMDisposeMessage(triple);
        return NULL;
    }
    if (!choose(a, t, triple, cpu, err, n)) {
        LLVMDisposeMessage(triple);
        return NULL;
    }
    t->triple = arena_printf(a, "%s", triple);
    LLVMDisposeMessage(triple);
    t->tm = target_new_machine(t);
    if (!t->tm) {
        snprintf(err, n, "LLVM has no target machine for \"%s\"", t->tune);
        return NULL;
    }
    t->layout = LLVMCreateTargetDataLayout(t->tm);
    return t;
}

void target_free(Target *t)
{
    if (!t)
        return;
    LLVMDisposeTargetData(t->layout);
    LLVMDisposeTargetMachine(t->tm);
}

const char *target_cpu(const Target *t)
{
    return t->tune;
}

const char *target_required_features(const Target *t)
{
    return t->level->features;
}

LoopOptions target_loop_options(const Target *t)
{
    return (LoopOptions){.vector_bytes = t->level->vector_bytes,
                         .registers = t->level->registers,
                         .blas = false};
}

LLVMTargetMachineRef target_machine(const Target *t)
{
    return t->tm;
}

LLVMTargetDataRef target_layout(const Target *t)
{
    return t->layout;
}

int target_opt_level(const Target *t)
{
    return t->opt_level;
}

void target_module(const Target *t, LLVMModuleRef m)
{
    char *triple = LLVMGetTargetMachineTriple(t->tm);

    LLVMSetTarget(m, triple);
    LLVMSetModuleDataLayout(m, t->layout);
    LLVMDisposeMessage(triple);
}

void target_attributes(const Target *t, LLVMContextRef c, LLVMValueRef fn)
{
    char width[16];

    snprintf(width, sizeof width, "%d", 8 * t->level->vector_bytes);
    compat_attr(c, fn, LLVMAttributeFunctionIndex, "nounwind", 0);
    compat_attr_text(c, fn, "target-cpu",
                     t->host_features ? t->tune : t->level->cpu);
    compat_attr_text(c, fn, "tune-cpu", t->tune);
    if (*t->features)
        compat_attr_text(c, fn, "target-features", t->features);
    compat_attr_text(c, fn, "prefer-vector-width", width);
}

const char *target_llvm_version(void)
{
    return LLVM_VERSION_STRING;
}

void target_print_cpus(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(cpus); i++)
        fprintf(out, "%-16s %s\n", cpus[i].name, levels[cpus[i].level].cpu);
}
