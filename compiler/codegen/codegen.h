/*
 * codegen.h -- kernels to machine code through the LLVM C API.
 */
#ifndef RNN_CODEGEN_H
#define RNN_CODEGEN_H

#include "loop/loop.h"

typedef struct Target Target; // target.c

/* cpu NULL: the host with its features. NULL with a reason (and the nearest
 * known names) in err. */
Target *target_new(Arena *a, const char *cpu, int opt_level, char *err,
                   size_t n);
void target_free(Target *t);
const char *target_cpu(const Target *t);
const char *target_required_features(const Target *t); // "avx2,fma", for the exe
LoopOptions target_loop_options(const Target *t);
const char *target_llvm_version(void);
void target_print_cpus(FILE *out);

typedef struct CodegenOptions {
    bool keep_ir;           // keep text of optimized IR and assembly (dump)
    bool verify;            // LLVM verifier before and after optimization
    bool unchecked;
} CodegenOptions;

typedef struct Module Module; // the whole program as one LLVM module
Module *codegen_unit(Arena *a, const Target *t, const Unit *u,
                     Program *const *entry, int nentry,
                     const CodegenOptions *opt);
/* Text for `dump`: optimized false = as emitted. */
char *codegen_llvm_text(Module *m, bool optimized);
void codegen_asm(Module *m, const Target *t, FILE *out);
/* The program is compiled in parts, side by side on all processors; their
 * number depends on the program alone. codegen_objects optimizes them and
 * writes part i to path[i]; false with the reason in err. */
enum { CODEGEN_PARTS_MAX = 8 };
int codegen_parts(Module *m);
bool codegen_objects(Module *m, const Target *t, const char *const *path,
                     char *err, size_t n);
/* Compile in memory for tests and folding; symbol addresses by name. The
 * runtime's functions are resolved in this process. */
typedef struct Jit Jit;
Jit *codegen_jit(Module *m, const Target *t, char *err, size_t n);
void *jit_symbol(Jit *j, const char *name); // "entry_<name>", "rnn_program"
void jit_free(Jit *j);
/* slow.c: warns ("slow-kernel") of kernels that fell back to a slow path and
 * are a noticeable part of their entry, by an estimate. */
void codegen_slow(Arena *a, Program *const *entry, int nentry, Diag *d);
bool codegen_uses_blas(const Module *m);
void codegen_free(Module *m);

#endif
