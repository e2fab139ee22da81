/*
 * blame.c -- where the first NaN or infinity came from.
 *
 * A step is a pure function of the variables and the batch, so the same step
 * is run again with the probe on: after each kernel the generated code asks
 * whether its result is finite. What was bad before the step is named first.
 */
#include "face.h"

#include <math.h>
#include <string.h>

bool rnn_any_bad(const void *at, int32_t dt, int64_t count)
{
    RnnCall c = {.bad_kernel = -1};

    rnn_probe(&c, 0, at, dt, count);
    return c.bad_kernel >= 0;
}

enum { BLOCK = 4096 }; // elements looked at together

int64_t rnn_first_bad(const void *at, int32_t dt, int64_t count)
{
    if (dt != RNN_F32 && dt != RNN_F64)
        return -1;
    for (int64_t from = 0; from < count; from += BLOCK) {
        int64_t n = count - from < BLOCK ? count - from : BLOCK;

        if (!rnn_any_bad((const char *)at + (size_t)from * rnn_dtype_bytes(dt),
                         dt, n))
            continue;
        for (int64_t i = from; i < from + n; i++)
            if (!isfinite(rnn_element(at, dt, i)))
                return i;
    }
    return -1;
}

static bool written_in_place(const RnnEntry *e, int var)
{
    for (int o = 0; o < e->nout; o++)
        if (e->output[o].kind == RNN_OUT_VAR && e->output[o].ref == var &&
            e->output[o].inplace)
            return true;
    return false;
}

/* A sentence about the first bad input in buf; false if all are finite. */
static bool bad_input(const RnnRun *r, char *buf, size_t n)
{
    const RnnProgram *p = r->s->p;
    const RnnEntry *e = r->e;

    for (int i = 0; i < e->nin; i++) {
        const RnnInput *in = &e->input[i];
        int64_t each = rnn_type_count(&in->type);
        int64_t all = each * (in->type.batched ? r->call.n : 1), at;

        if ((in->kind != RNN_IN_FIELD && in->kind != RNN_IN_VAR) ||
            (in->kind == RNN_IN_VAR && written_in_place(e, in->ref)))
            continue;
        at = rnn_first_bad(r->in[i], in->type.dt, all);
        if (at < 0)
            continue;
        if (in->kind == RNN_IN_FIELD)
            snprintf(buf, n, "example %ld of %s.%s held a value that is not "
                     "finite in field \"%s\"", (long)r->index[at / each],
                     p->data[e->data].name, e->split,
                     p->data[e->data].field[in->ref].name);
        else
            snprintf(buf, n, "%s \"%s\" (%s) held a value that is not finite "
                     "before this step", p->var[in->ref].is_param ? "parameter"
                                                                  : "state",
                     p->var[in->ref].path, p->var[in->ref].place);
        return true;
    }
    return false;
}

/* What the step made that is not finite: the loss or a new parameter. */
static void symptom(const RnnRun *r, char *buf, size_t n)
{
    const RnnProgram *p = r->s->p;
    const RnnEntry *e = r->e;

    snprintf(buf, n, "a value is not finite");
    for (int o = 0; o < e->nout; o++) {
        const RnnOutput *out = &e->output[o];

        if (out->kind == RNN_OUT_LOSS && !isfinite(rnn_run_value(r, o, 0))) {
            snprintf(buf, n, "the loss became %g", rnn_run_value(r, o, 0));
            return;
        }
        if (out->kind == RNN_OUT_VAR && p->var[out->ref].is_param &&
            rnn_any_bad(r->out[o], out->type.dt, rnn_type_count(&out->type)))
            snprintf(buf, n, "the new value of parameter \"%s\" is not finite",
                     p->var[out->ref].path);
    }
}

RnnStatus rnn_blame(RnnRun *r, const RnnTraining *t, RnnError *err)
{
    char what[256], where[512];
    int32_t k;

    symptom(r, what, sizeof what);
    bool before = bad_input(r, where, sizeof where);

    r->call.probe = 1;
    rnn_run_call(r);
    r->call.probe = 0;
    k = r->call.bad_kernel;
    if (!before && k >= 0 && k < r->e->nkernel)
        snprintf(where, sizeof where,
                 "the first value that is not finite came from \"%s\" (%s)",
                 r->e->kernel[k].name, r->e->kernel[k].place);
    else if (!before)
        snprintf(where, sizeof where,
                 "running the step again, no kernel made such a value");
    return rnn_fail(err, RNN_BAD_INPUT,
                    "%s in step %lld (epoch %lld, batch %lld of %lld)\n"
                    "  note: %s", what, (long long)t->step + 1,
                    (long long)t->epoch + 1,
                    (long long)(t->step % t->steps_per_epoch) + 1,
                    (long long)t->steps_per_epoch, where);
}
