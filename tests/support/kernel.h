/*
 * kernel.h -- one kernel by itself: made from a value, compiled, called.
 * For tests and benches of contractions and nests, without an entry around.
 */
#ifndef TEST_KERNEL_H
#define TEST_KERNEL_H

#include "codegen/codegen.h"
#include "rnn_rt.h"

typedef struct TestKernel {
    Arena *a;
    Kernel k;
    Target *target;
    Module *module;
    Jit *jit;
    RnnKernelFn *fn; // buf: dst, then the inputs in the order of k.read
} TestKernel;

/* `cpu` if code for it runs here, else NULL (the host). */
const char *test_cpu(const char *cpu);

/* The kernel of `root`, whose contraction or nest is `core` and which reads
 * OP_input nodes only. cpu NULL: the host. Ends the process with a message if
 * it cannot be compiled. */
TestKernel *test_kernel(Arena *a, Val root, Val core, const char *cpu,
                        int level);
/* The same with the schedule given (NULL: chosen, for any values). A batch of
 * one of a sparse contraction reads its weights as `rows`, the last input. */
TestKernel *test_kernel_as(Arena *a, Val root, Val core, const char *cpu,
                           int level, const Schedule *s);
TestKernel *test_kernel_sparse(Arena *a, Val root, Val core, Val rows,
                               const char *cpu, int level);
int64_t test_kernel_tasks(const TestKernel *t, int64_t n); // to call fn with
void test_kernel_free(TestKernel *t);

/* Runs it on tensors (in the order of k.read) cut into `cuts` ranges of
 * tasks; the result, in doubles, lives in a. */
Tensor test_kernel_eval(TestKernel *t, Arena *a, const Tensor *in,
                        int64_t batch, int cuts);

#endif
