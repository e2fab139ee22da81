/*
 * walk.h -- private to autodiff/: the state of one reverse walk.
 *
 * A walk goes over the nodes between its roots and the values it is asked
 * for, in descending order of ids (which is a reverse topological order). A
 * walk of a loop's body treats everything outside the body as leaves.
 */
#ifndef RNN_AUTODIFF_WALK_H
#define RNN_AUTODIFF_WALK_H

#include "autodiff/autodiff.h"

typedef struct LoopInfo { // of a loop met by a walk
    Loop *loop;
    bool *active; // [n] does variable k depend on what is asked for
    Val *cot;     // [n] adjoint of proj k, or NULL
    int ncapture;
    Val *capture; // real values from outside its body
    int nbody;
    Val *body; // nodes its next values depend on, gradients passing
} LoopInfo;

struct Ad {
    Graph *g;
    Arena *tmp;
    Diag *d; // may be NULL
    Span at; // of the grad
    bool failed;
    const Loop *inside;  // walk this body only; NULL: no bound
    uint32_t n;          // nodes there were when the walk began
    Val *adj;            // [n] adjoints so far
    unsigned char *flag; // [n] WALK_*
    VEC(LoopInfo *) loop;
};

enum {
    WALK_REACHED = 1, // the roots depend on it by a path gradients pass
    WALK_ACTIVE = 2,  // it depends on what is asked for, or is asked for
    WALK_DEEP = 4,    // one of its sources is active
    WALK_ASKED = 8
};

/* reverse.c */
Ad *walk_new(Graph *g, Arena *tmp, const Loop *inside, Diag *d, Span at);
/* Marks what lies between the roots and wrt; returns the nodes, sources
 * first. */
Val *walk_mark(Ad *ad, const Val *root, int nroot, const Val *wrt, int nwrt,
               int *n);
/* out[i] = adjoint of wrt[i], NULL where nothing arrives, given the adjoints
 * droot of the roots. False after an error. */
bool walk_run(Ad *ad, const Val *root, const Val *droot, int nroot,
              const Val *wrt, int nwrt, Val *out);
LoopInfo *walk_loop(Ad *ad, Val loop); // made on first use
bool walk_edge(Val y, int k); // may a gradient pass from y to its source k
bool walk_flag(const Ad *ad, Val x, int flag);
/* Nodes the roots need over edges gradients pass (or over all edges),
 * bodies not entered, ascending by id; only those inside l if l is given. */
Val *walk_collect(Arena *tmp, const Val *root, int nroot, const Loop *l,
                  bool all_edges, int *n);
/* vjp_adjoint.c: puts the values in place of those with gradients of their
 * own. */
void ad_strip(Func *f);
int walk_loop_depth(const Loop *region); // 0 for NULL

#endif
