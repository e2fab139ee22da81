/*
 * machine.h -- functions lowered, compiled and run in this process, beside
 * ir_eval: same inputs, same kind of results.
 */
#ifndef TEST_MACHINE_H
#define TEST_MACHINE_H

#include "codegen/codegen.h"
#include "rnn_rt.h"

typedef struct Machine Machine; // some entries, compiled together

/* An entry around a function: an evaluation unless its kind, outputs (which
 * are variables) or name are changed afterwards. */
Entry *machine_entry(Arena *a, const Func *f, EntryKind kind);

/* Lowers and compiles. cpu NULL: the host. Ends the process with a message if
 * it cannot. */
Machine *machine_new(Arena *a, Entry *const *e, int n, const char *cpu,
                     int level);
/* As programs are compiled: only finite values need be right. */
Machine *machine_new_finite(Arena *a, Entry *const *e, int n, const char *cpu,
                            int level);
const Program *machine_program(const Machine *m, int entry);
const char *machine_llvm(Machine *m); // as emitted
void machine_free(Machine *m);

/* Runs an entry on what env gives as inputs. Results live in a. Memory is kept
 * from run to run (for the set-up part) until the batch changes. */
typedef struct MachineRun {
    int threads; // 0: 1
    bool stale;  // leave the set-up part out
    bool probe;
    int bad_kernel;     // after a run with probe
    double *kernel_ns;  // or NULL
    int64_t *kernel_runs; // or NULL
} MachineRun;
void machine_run(Machine *m, int entry, Arena *a, const EvalEnv *env,
                 MachineRun *how, Tensor *out);

#endif
