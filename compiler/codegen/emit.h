/*
 * emit.h -- private to codegen/: what its files share while emitting kernels.
 *
 * Every kernel becomes
 *     void <name>(ptr *buf, i64 n, i64 lo, i64 hi)          (RnnKernelFn)
 * buf[0] is dst, buf[1 + i] is kernel->read[i], then come kernel->beside[];
 * n the examples of this call, lo..hi the tasks to do. A wrapper loads the pointers and calls the body,
 * whose pointer arguments are noalias.
 */
#ifndef RNN_EMIT_H
#define RNN_EMIT_H

#include "codegen/codegen.h"
#include "codegen/llvm_compat.h"

/* The whole program as one LLVM module; codegen_unit (module.c) makes it. */
struct Module {
    Arena *a;
    const Target *target;
    CodegenOptions opt;
    LLVMContextRef c;
    LLVMModuleRef m;
    bool optimized;
    char *emitted_text; // as emitted, kept if opt.keep_ir
    bool blas;          // calls OpenBLAS
    struct Plan *plan;  // of its parts, once made (parts.c)
};

/* Marks entry points whose speed does not matter (parts.c). */
#define RARE_ATTRIBUTE "rnn-rare"

/* object.c (with the codegen_ functions on a finished module) */
void module_optimize(Module *m);  // once; later calls do nothing
char *module_text(Module *m);     // as it is now
void module_verify(Module *m);    // before optimization, if asked for
/* Object or assembly in memory, optimized first; NULL with the reason. */
LLVMMemoryBufferRef module_emit(Module *m, LLVMCodeGenFileType type, char *err,
                                size_t n);
/* The two steps for any LLVM module: the passes `first`, then those of the
 * level; machine code in memory, NULL with the reason. Safe in any thread. */
void optimize(LLVMModuleRef m, LLVMTargetMachineRef tm, const char *first,
              int level, bool check);
LLVMMemoryBufferRef emit_file(LLVMModuleRef m, LLVMTargetMachineRef tm,
                              LLVMCodeGenFileType type, char *err, size_t n);

/* target.c */
LLVMTargetMachineRef target_machine(const Target *t);
LLVMTargetMachineRef target_new_machine(const Target *t); // another such
LLVMTargetDataRef target_layout(const Target *t);
int target_opt_level(const Target *t);
void target_module(const Target *t, LLVMModuleRef m); // triple and layout
/* nounwind, target-cpu, tune-cpu, vector width: every function needs them. */
void target_attributes(const Target *t, LLVMContextRef c, LLVMValueRef fn);

typedef struct Emit { // one LLVM module in the making
    Arena *a;
    const Target *target;
    LoopOptions opt;
    LLVMContextRef c;
    LLVMModuleRef m;
    LLVMBuilderRef b;
    LLVMTypeRef i1, i8, i32, i64, f32, f64, ptr, voidt;
    struct KernelTable *kernels; // functions made so far, emit_kernel.c
    bool blas;                   // set when OpenBLAS is called
} Emit;

/* module.c: a new context, module of this name and builder; the caller owns
 * all three. */
Emit emit_open(Arena *a, const Target *t, const char *name);

/* A function of the runtime (or libm), declared on first use. */
LLVMValueRef emit_runtime(Emit *e, const char *name, LLVMTypeRef type);

typedef struct KernelEmit { // one kernel in the making
    Emit *e;
    const Kernel *k;
    LLVMValueRef fn, n, lo, hi;
    LLVMValueRef dst;   // base pointers, noalias
    LLVMValueRef *read; // [k->nread]
    LLVMValueRef *beside; // [k->nbeside]
    // While an epilogue is emitted: the value of k->core at the current index,
    // a scalar or a vector of `lanes`; NULL otherwise.
    LLVMValueRef core;
    struct Memo *memo; // emit_expr.c
} KernelEmit;

/* An index into a per-example shape: one i64 per dim; `example` is used by
 * batched values. `lanes` > 1: the value is wanted for `lanes` consecutive
 * places of the last dim, starting there (of the last dim larger than 1, where
 * the last is 1). `flat`, if set, replaces i: the row-major number of the
 * element; only for expressions emit_is_flat() accepts. */
typedef struct At {
    LLVMValueRef example;
    LLVMValueRef i[RANK_MAX];
    LLVMValueRef flat;
    LLVMValueRef mask; // <lanes x i1>: lanes that lie inside; NULL: all
    int lanes;         // 0 is 1
} At;

/* emit_expr.c */
/* The value of v at an index: loads where v is materialized (or is k->core),
 * else emits its op on its sources' values. bool as i1 (or <lanes x i1>). */
LLVMValueRef emit_value(KernelEmit *k, Val v, At at);
/* To dst, and all that is stored beside it. */
void emit_store(KernelEmit *k, Val root, At at, LLVMValueRef value);
LLVMTypeRef emit_type(Emit *e, DType dt, int lanes);     // in registers
LLVMTypeRef emit_mem_type(Emit *e, DType dt);            // bool is i8
LLVMValueRef emit_splat(Emit *e, LLVMValueRef x, int lanes);
LLVMValueRef emit_int(Emit *e, int64_t x);               // i64
LLVMValueRef emit_smaller(Emit *e, LLVMValueRef x, LLVMValueRef y); // of i64
LLVMValueRef emit_larger(Emit *e, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef emit_num(Emit *e, DType dt, int lanes, double x);
/* Base pointer of a materialized value (one of k->k->read); internal error if
 * it is none. dst's own where it is updated in place. */
LLVMValueRef emit_base(KernelEmit *k, Val v);
bool emit_in_place(const Kernel *k, Val v); // v is read from dst's storage
int emit_lane_dim(Shape s);                 // the dim lanes run along
/* May v be emitted with At.flat? `across`: without an example, the number
 * running over the examples too. */
bool emit_is_flat(const KernelEmit *k, Val v, bool across);
/* Do neighbouring lanes of v come from neighbouring places (no gathers)? */
bool emit_is_lanes(const KernelEmit *k, Val v);
/* Index arithmetic that leaves out what does nothing. */
LLVMValueRef emit_index_add(Emit *e, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef emit_index_mul(Emit *e, LLVMValueRef x, int64_t c);
LLVMValueRef emit_index_clamp(Emit *e, LLVMValueRef x, int64_t n);
LLVMValueRef emit_view(KernelEmit *k, Val v, At at); // emit_view.c
/* A value of one element, for any index and lanes. */
LLVMValueRef emit_uniform(KernelEmit *k, Val v, At at);
LLVMValueRef emit_linear(Emit *e, Shape s, const At *at); // row-major number
int emit_find_read(const Kernel *k, Val v); // its number, or -1
void emit_forget(KernelEmit *k);            // when its body is finished
/* Address of element `at` of a buffer holding values of type t. */
LLVMValueRef emit_address(Emit *e, LLVMValueRef base, Type t, At at);

/* emit_loop.c: counted loops. Use:
 *   EmitLoop l = emit_loop(e, fn, from, to, step, "i");   ... body, l.i ...
 *   emit_loop_end(e, &l);
 * Loop-carried values: emit_loop_carry before the body, l.carry[k] inside,
 * emit_loop_next(&l, k, value) at its end; after the end l.carry[k] is the
 * final value. */
enum { CARRY_MAX = 64 };
typedef struct EmitLoop {
    LLVMBasicBlockRef before, head, body, after;
    LLVMValueRef i, to, step, fn;
    int ncarry;
    LLVMValueRef carry[CARRY_MAX], next[CARRY_MAX];
    bool unroll_off;
} EmitLoop;
EmitLoop emit_loop(Emit *e, LLVMValueRef fn, LLVMValueRef from,
                   LLVMValueRef to, int64_t step, const char *name);
LLVMValueRef emit_loop_carry(Emit *e, EmitLoop *l, LLVMValueRef init);
void emit_loop_next(EmitLoop *l, int k, LLVMValueRef value);
void emit_loop_end(Emit *e, EmitLoop *l);

/* emit_map.c. Lanes of a vector of dt here. The rows of kernel_row_dim that
 * tasks lo..hi of a shared result do. */
int emit_lanes(const Emit *e, DType dt);
void emit_rows(KernelEmit *k, Shape s, LLVMValueRef *from, LLVMValueRef *to);

/* emit_turn.c: is this map such a transpose of what stands in memory? Rows
 * x[0 .. n) of n lanes, a power of two, become columns. */
bool emit_is_turn(const Kernel *k, Turn *t);
void emit_turn(KernelEmit *k, const Turn *t);
void emit_square(Emit *e, LLVMValueRef *x, int n);

/* emit_point.c: one emit_<op> for each MAP row, from operands in registers
 * (scalars or vectors alike). */
LLVMValueRef emit_point(Emit *e, Val v, LLVMValueRef *x, int lanes);
/* x joined with y by a reduction; what joining starts with; is y strictly
 * larger (up) or smaller than x, NaN beyond all numbers. */
LLVMValueRef emit_merge(Emit *e, Op op, DType dt, LLVMValueRef x,
                        LLVMValueRef y);
LLVMValueRef emit_merge_start(Emit *e, Op op, DType dt, int lanes);
LLVMValueRef emit_beats(Emit *e, DType dt, LLVMValueRef y, LLVMValueRef x,
                        bool up);

/* vecmath.c: polynomials in IR, scalar or vector, f32 and f64; errors in ulp
 * stand above each. */
LLVMValueRef vec_exp(Emit *e, LLVMValueRef x);
LLVMValueRef vec_expm1(Emit *e, LLVMValueRef x);
LLVMValueRef vec_log(Emit *e, LLVMValueRef x);
LLVMValueRef vec_log1p(Emit *e, LLVMValueRef x);
LLVMValueRef vec_tanh(Emit *e, LLVMValueRef x);
LLVMValueRef vec_sigmoid(Emit *e, LLVMValueRef x);
LLVMValueRef vec_softplus(Emit *e, LLVMValueRef x);
LLVMValueRef vec_erf(Emit *e, LLVMValueRef x);
LLVMValueRef vec_sin(Emit *e, LLVMValueRef x);
LLVMValueRef vec_cos(Emit *e, LLVMValueRef x);
LLVMValueRef vec_pow(Emit *e, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef vec_fma(Emit *e, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z);
/* x * y + z as the kernels do it: fused where the processor can, in two steps
 * on x86 before AVX2, where a fused one is a slow call of the library. */
LLVMValueRef vec_multiply_add(Emit *e, LLVMValueRef x, LLVMValueRef y,
                              LLVMValueRef z);
LLVMValueRef vec_intrinsic(Emit *e, const char *name, LLVMValueRef *x, int n);

/* One body emitter per KernelKind; the builder stands in the body function. */
void emit_map(KernelEmit *k);      // emit_map.c
void emit_reduce(KernelEmit *k);   // emit_reduce.c
void emit_batch(KernelEmit *k);    // emit_batch.c
void emit_contract(KernelEmit *k); // emit_contract.c
void emit_nest(KernelEmit *k);     // emit_nest.c

/* emit_kernel.c: the function of a kernel (wrapper and body), made once per
 * distinct kernel. emit_host.c: the entry function `entry_<name>`, which runs
 * the steps. emit_tables.c: the constant rnn_program. */
LLVMValueRef emit_kernel(Emit *e, const Kernel *k);
LLVMValueRef emit_host(Emit *e, const Program *p, int number);
/* slow.c: why a kernel works on single elements, or NULL; and what part of the
 * entry's time each such kernel is, by an estimate, 0 for others: [kernel.n]. */
const char *emit_slow(const Kernel *k);
double *emit_slow_parts(Arena *a, const Program *p);
enum { SLOW_PERCENT = 10 }; // a part that is worth a word
/* emit_peak.c: the functions RnnProgram.peak and .read. */
LLVMValueRef emit_peak(Emit *e);
LLVMValueRef emit_read(Emit *e);
void emit_tables(Emit *e, const Unit *u, Program *const *p, int n,
                 LLVMValueRef *entry_fn);

#endif
