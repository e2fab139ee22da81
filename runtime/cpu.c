/*
 * cpu.c -- does this CPU have what the compiled code uses?
 *
 * Names as LLVM spells them. A name that is not in the table is not checked:
 * it belongs to no instruction the compiler emits on its own. $RNN_CPU_HIDE
 * lists features to take for missing, so that the message can be tested on
 * any machine.
 */
#include "face.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#define FEATURES(X)                                                          \
    X("sse3", "sse3") X("ssse3", "ssse3") X("sse4.1", "sse4.1")              \
    X("sse4.2", "sse4.2") X("sse4a", "sse4a") X("popcnt", "popcnt")          \
    X("avx", "avx") X("avx2", "avx2") X("fma", "fma") X("fma4", "fma4")      \
    X("xop", "xop") X("bmi", "bmi") X("bmi2", "bmi2") X("aes", "aes")        \
    X("pclmul", "pclmul") X("avx512f", "avx512f") X("avx512bw", "avx512bw")  \
    X("avx512cd", "avx512cd") X("avx512dq", "avx512dq")                      \
    X("avx512vl", "avx512vl") X("avx512ifma", "avx512ifma")                  \
    X("avx512vbmi", "avx512vbmi") X("avx512vbmi2", "avx512vbmi2")            \
    X("avx512vnni", "avx512vnni") X("avx512bitalg", "avx512bitalg")          \
    X("avx512vpopcntdq", "avx512vpopcntdq") X("gfni", "gfni")                \
    X("vpclmulqdq", "vpclmulqdq") X("avx512bf16", "avx512bf16")

/* 1: has it, 0: lacks it, -1: not a name we know. */
static int has(const char *name)
{
#define X(llvm, gcc)                                                         \
    if (!strcmp(name, llvm))                                                 \
        return __builtin_cpu_supports(gcc) != 0;
    FEATURES(X)
#undef X
    return -1;
}

static const char *const known[] = {
#define X(llvm, gcc) llvm,
    FEATURES(X)
#undef X
};

/* What /proc/cpuinfo calls it, for names the compiler's builtin lacks. */
static int has_by_kernel(const char *name)
{
    static const char *const ours[][2] = {
        {"amx-tile", "amx_tile"}, {"amx-bf16", "amx_bf16"},
        {"amx-int8", "amx_int8"}, {"avx512fp16", "avx512_fp16"},
        {"avxvnni", "avx_vnni"},  {"f16c", "f16c"},
        {"movbe", "movbe"},       {"lzcnt", "abm"}};
    const char *flag = NULL;
    char line[8192];
    int found = -1;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(ours[i][0], name))
            flag = ours[i][1];
    FILE *f = flag ? fopen("/proc/cpuinfo", "r") : NULL;
    if (!f)
        return -1;
    while (found < 0 && fgets(line, sizeof line, f)) {
        if (strncmp(line, "flags", 5))
            continue;
        found = 0;
        for (char *w = strtok(line, " \t\n"); w; w = strtok(NULL, " \t\n"))
            if (!strcmp(w, flag))
                found = 1;
    }
    fclose(f);
    return found;
}
#else
static int has(const char *name)
{
    (void)name;
    return -1;
}
static int has_by_kernel(const char *name)
{
    return has(name);
}
static const char *const known[] = {""};
#endif

/* Calls `each` with every name of a list like "+avx2,fma". */
static bool every(const char *features, bool (*each)(const char *, void *),
                  void *env)
{
    char name[32];

    while (features && *features) {
        size_t n = strcspn(features, ",");
        size_t skip = *features == '+';

        if (n > skip && n - skip < sizeof name) {
            memcpy(name, features + skip, n - skip);
            name[n - skip] = 0;
            if (!each(name, env))
                return false;
        }
        features += n + (features[n] == ',');
    }
    return true;
}

typedef struct Missing {
    char *text;
    size_t n;
} Missing;

static bool differs(const char *name, void *env)
{
    return strcmp(name, env) != 0;
}

static bool check(const char *name, void *env)
{
    Missing *m = env;
    int yes = has(name);

    if (yes < 0)
        yes = has_by_kernel(name);
    if (!every(getenv("RNN_CPU_HIDE"), differs, (void *)name))
        yes = 0;
    if (yes)
        return true;
    snprintf(m->text, m->n, "%s", name);
    return false;
}

bool rnn_cpu_has(const char *features, char *missing, size_t n)
{
    Missing m = {missing, n};

#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    return every(features, check, &m);
}

const char *rnn_cpu_text(char *buf, size_t n)
{
    size_t at = 0;

    buf[0] = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has(known[i]) == 1 && at < n)
            at += (size_t)snprintf(buf + at, n - at, "%s%s", at ? "," : "",
                                   known[i]);
    return buf;
}
