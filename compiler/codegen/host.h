/*
 * host.h -- private to emit_host.c, emit_draw.c and emit_run.c: code around
 * kernels.
 */
#ifndef RNN_HOST_H
#define RNN_HOST_H

#include "codegen/emit.h"
#include "rnn_rt.h"

typedef struct Host {
    Emit *e;
    const Program *p;
    LLVMValueRef fn, call, n, arena, examples; // examples: the batched region
    LLVMValueRef *in, *out;
    LLVMValueRef pointers, keys; // room for a kernel's arguments
    LLVMValueRef copy;           // and for an RnnCall
} Host;

/* emit_host.c: where a buffer begins; elements of all examples; an i32; the
 * type that rnn_probe is to look at, -1: none. */
LLVMValueRef host_address(Host *h, const Buffer *b);
LLVMValueRef host_count(Host *h, Type t);
LLVMValueRef host_small(Emit *e, int64_t x);
int host_probe(Type t);

/* emit_draw.c: kernels that are calls of the runtime. */
void host_draw(Host *h, const Kernel *k);
void host_solved(Host *h, const Kernel *k);

/* A field of the RnnCall at `call`. */
#define LOAD_FIELD(e, call, t, name)                                          \
    host_field((e), (call), (t), offsetof(RnnCall, name))
LLVMValueRef host_field(Emit *e, LLVMValueRef call, LLVMTypeRef t,
                        size_t offset);
LLVMValueRef host_bytes(Emit *e, LLVMValueRef p, LLVMValueRef bytes);
LLVMValueRef host_element(Emit *e, LLVMTypeRef t, LLVMValueRef p,
                          LLVMValueRef i);
/* Calls a function of the runtime with these arguments. */
LLVMValueRef host_runtime(Emit *e, const char *name, LLVMTypeRef result,
                          LLVMValueRef *x, int n);

LLVMBasicBlockRef host_block(Emit *e, LLVMValueRef fn, const char *name);
/* if (cond) { .. } -- host_if returns the block behind it, for host_end_if. */
LLVMBasicBlockRef host_if(Emit *e, LLVMValueRef fn, LLVMValueRef cond);
void host_end_if(Emit *e, LLVMBasicBlockRef after);
LLVMValueRef host_is_set(Emit *e, LLVMValueRef x); // x != 0
LLVMValueRef host_groups(Emit *e, LLVMValueRef n, int64_t group); // ceil

/* Functions every module has once, made when first asked for:
 *   double start_clock(call)      the time, if kernels are timed
 *   void finish(call, kernel, at, dt, count, start)
 *       probes the result if asked to (dt < 0: none), adds the time and counts
 *   void run_kernel(call, fn, pointers, tasks, split, kernel, dt, count)
 *       all of it around one kernel */
typedef enum { HOST_START, HOST_FINISH, HOST_RUN } HostHelper;
LLVMValueRef host_call(Emit *e, HostHelper helper, LLVMValueRef *x, int n);

/* emit_chain.c: the function of the n steps of a chain; the pointers it takes.
 */
LLVMValueRef emit_chain(Emit *e, const Step *s, int n);
int chain_pointers(const Step *s, int n);

#endif
