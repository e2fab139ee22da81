/*
 * func_fix.c -- see func_fix.h.
 */
#include "support/func_fix.h"

#include <string.h>

void fix_open(Fix *x)
{
    memset(x, 0, sizeof *x);
    x->a = arena_new();
    x->g = graph_new(x->a);
    x->f = (Func){.name = "f", .g = x->g, .out = x->out, .out_name = x->name};
    x->env = (EvalEnv){.batch = 3, .seed = 7, .input = random_input,
                       .user = &x->data};
}

Val fix_field(Fix *x, const char *name, Shape s)
{
    return ir_input(x->g, INPUT_FIELD, name, type_of(DT_f32, true, s));
}

Val fix_var(Fix *x, const char *name, Shape s)
{
    return ir_input(x->g, INPUT_VAR, name, type_of(DT_f32, false, s));
}

Val fix_clock(Fix *x, const char *name)
{
    return ir_input(x->g, INPUT_CLOCK, name,
                    type_of(DT_i32, false, shape_of(0)));
}

void fix_out(Fix *x, Val v)
{
    x->name[x->f.nout] = "out";
    x->out[x->f.nout++] = v;
}

void fix_lower(Fix *x, EntryKind kind)
{
    LoopOptions opt = {.vector_bytes = 32, .registers = 16};

    if (!x->e)
        x->e = machine_entry(x->a, &x->f, kind);
    x->p = loop_lower(x->a, x->e, &opt);
}

void fix_agrees(Fix *x, EntryKind kind)
{
    Tensor want[8], got[8];
    Machine *m;

    if (!x->e)
        x->e = machine_entry(x->a, &x->f, kind);
    m = machine_new(x->a, &x->e, 1, NULL, 2);
    ir_eval(x->a, &x->f, &x->env, want);
    for (int threads = 1; threads <= 2; threads++) {
        MachineRun how = {.threads = threads};

        machine_run(m, 0, x->a, &x->env, &how, got);
        for (int i = 0; i < x->f.nout; i++)
            assert_tensors_close(&got[i], &want[i],
                                 tol_graph(want[i].type.dt), "output %d", i);
    }
    machine_free(m);
}

void fix_close(Fix *x)
{
    arena_free(x->a);
}

Val fix_wide(Fix *x, Val v, Val like)
{
    return ir_broadcast_to(x->g, v, like->type.shape);
}

int fix_steps(const Steps *s, StepKind kind)
{
    int n = 0;

    for (int i = 0; i < s->list.n; i++) {
        n += s->list.at[i].kind == kind;
        if (s->list.at[i].kind == STEP_LOOP)
            n += fix_steps(s->list.at[i].body, kind);
    }
    return n;
}

const Kernel *fix_kernel(const Program *p, Val root)
{
    for (int i = 0; i < p->kernel.n; i++)
        if (p->kernel.at[i]->root == root)
            return p->kernel.at[i];
    return NULL;
}
