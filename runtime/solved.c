/*
 * solved.c -- how a solve with adaptive steps went.
 *
 * Compiled programs ask after each one. A call goes on with NaN for an example
 * that failed, and whoever made the call asks afterwards what it was.
 */
#include "face.h"

#include <string.h>

void rnn_solved(RnnCall *call, int32_t kernel, const int32_t *code,
                int64_t code_step, const double *number, int64_t number_step,
                uint8_t *dst, int64_t n)
{
    RnnFailure *f = call->failure;

    for (int64_t i = 0; i < (n ? n : 1); i++) {
        dst[i] = code[i * code_step] == RNN_SOLVE_DONE;
        if (dst[i] || !f || f->code != RNN_SOLVE_DONE)
            continue;
        f->code = code[i * code_step];
        f->kernel = kernel;
        f->example = n && call->index ? call->index[i] : n ? i : -1;
        memcpy(f->number, number + i * number_step, sizeof f->number);
    }
}

static const char *reason(int32_t code)
{
    switch (code) {
    case RNN_SOLVE_NOT_FINITE:
        return "the state is not finite after even the smallest step";
    case RNN_SOLVE_STEP_SMALL:
        return "the error stays too large down to the smallest step";
    default:
        return "it has taken all the steps it may";
    }
}

static const char *advice(int32_t code)
{
    return code == RNN_SOLVE_GOING
               ? "allow more with max_steps, or loosen rtol and atol; a stiff "
                 "problem needs very many"
               : "the dynamics may have a pole or a jump there; bound it, or "
                 "loosen rtol and atol";
}

RnnStatus rnn_run_failed(const RnnRun *r, RnnError *err)
{
    const RnnFailure *f = &r->failure;
    const double *x = f->number;
    char who[64] = "", part[96] = "";

    if (f->code == RNN_SOLVE_DONE)
        return RNN_OK;
    if (f->example >= 0)
        snprintf(who, sizeof who, " of example %lld", (long long)f->example);
    if (x[5] > 1)
        snprintf(part, sizeof part, "component %.0f, ", x[3]);
    return rnn_fail(err, RNN_BAD_INPUT,
                    "the solve at %s%s stopped at time %.6g with a step of "
                    "%.3g after %.0f steps: %s\n"
                    "  note: %selement %.0f changes fastest there, measured by "
                    "the tolerance\n  help: %s",
                    f->kernel < r->e->nkernel ? r->e->kernel[f->kernel].place
                                              : r->e->place,
                    who, x[0], x[1], x[2], reason(f->code), part, x[4],
                    advice(f->code));
}
