/*
 * check.c -- compiled gradients against central differences, in f64.
 *
 * For each variable and real field v, along directions u of length 1 (the
 * gradient's own, random ones, single coordinates):
 *
 *     <g, u>  ==  (loss(v + h u) - loss(v - h u)) / 2 h + O(h^2)
 *
 * with h about the cube root of the machine epsilon. A kink (relu, max)
 * between the two points spoils a difference, so a smaller h gets a chance
 * where the first fails. Fields are moved off the ends of their range and off
 * ties by a little noise, for the same reason.
 */
#include "face.h"
#include "rng.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-5
#define LOSS_TOLERANCE 1e-3
enum { NRANDOM = 2, NCOORD = 3, JITTER_STREAM = -100, DIRECTION_STREAM = -101 };

typedef struct Check {
    RnnSession *s;
    const RnnEntry *e; // the train entry
    RnnRun run;        // its CHECK entry
    void **was;        // inputs as rnn_run_open made them
    double **now;      // [nin] what the entry reads: own copies of real inputs
    int loss;          // output
    int64_t n;
    uint32_t draws;    // of directions
    RnnTable table;
    RnnJson *json;
    int nbad, ndone;
    double worst;
} Check;

static double loss_now(Check *c)
{
    rnn_run_again(&c->run);
    return rnn_run_value(&c->run, c->loss, 0);
}

/* --- one direction ------------------------------------------------------- */

/* Relative error of <g, u> = slope against differences along u [count]. */
static double error_along(Check *c, double *x, const double *u, int64_t count,
                          double slope)
{
    double *keep = rnn_alloc(sizeof *keep * (size_t)count);
    double most = 1, best = INFINITY;

    memcpy(keep, x, sizeof *keep * (size_t)count);
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs(x[i]));
    for (int k = 0; k < 3 && !(best < TOLERANCE / 10); k++) {
        double h = cbrt(DBL_EPSILON) * most * (k == 1 ? 1.0 / 16
                                               : k == 2 ? 16
                                                        : 1);
        double side[2];

        for (int plus = 0; plus < 2; plus++) {
            for (int64_t i = 0; i < count; i++)
                x[i] = keep[i] + (plus ? h : -h) * u[i];
            side[plus] = loss_now(c);
        }
        double fd = (side[1] - side[0]) / (2 * h);
        double noise = 64 * DBL_EPSILON * (fabs(side[0]) + fabs(side[1])) / h;
        double size = fmax(fabs(fd), fabs(slope)), off = fabs(fd - slope);
        double rel = off > 0 ? off / size : off;

        if (rel > TOLERANCE / 10) // what rounding of the loss can explain
            rel = fmax(0, off - noise) / size;
        best = isnan(rel) ? best : fmin(best, rel);
    }
    memcpy(x, keep, sizeof *keep * (size_t)count);
    free(keep);
    return best;
}

static double length(const double *v, int64_t n)
{
    double most = 0, sum = 0;

    for (int64_t i = 0; i < n; i++)
        most = isnan(v[i]) ? v[i] : fmax(most, fabs(v[i]));
    if (!(most > 0) || !isfinite(most))
        return most;
    for (int64_t i = 0; i < n; i++)
        sum += v[i] / most * (v[i] / most);
    return most * sqrt(sum);
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The worst of the gradient's own and random directions. */
static double check_directions(Check *c, double *x, const double *g,
                               int64_t count, double norm)
{
    double *u = rnn_alloc(sizeof *u * (size_t)count), worst = 0;

    for (int k = 0; k <= NRANDOM; k++) {
        for (int64_t i = 0; i < count; i++)
            u[i] = k ? rnn_normal_at(c->s->seed, DIRECTION_STREAM,
                                     RNN_SHARED_EXAMPLE, c->draws + (uint32_t)k,
                                     i)
                     : g[i];
        double len = length(u, count);
        if (!(len > 0) || !isfinite(norm))
            continue;
        for (int64_t i = 0; i < count; i++)
            u[i] /= len;
        worst = fmax(worst, error_along(c, x, u, count, dot(g, u, count)));
    }
    c->draws += NRANDOM + 1;
    free(u);
    return worst;
}

/* The worst of the steepest coordinate and random ones. */
static double check_coordinates(Check *c, double *x, const double *g,
                                int64_t count)
{
    double *u = rnn_alloc(sizeof *u * (size_t)count), worst = 0;
    int64_t at = 0;

    for (int64_t i = 1; i < count; i++)
        if (fabs(g[i]) > fabs(g[at]))
            at = i;
    for (int k = 0; k < NCOORD && k < count; k++) {
        u[at] = 1;
        worst = fmax(worst, error_along(c, x, u, count, g[at]));
        u[at] = 0;
        at = (int64_t)(rnn_uniform_at(c->s->seed, DIRECTION_STREAM,
                                      RNN_SHARED_EXAMPLE, c->draws++, 0) *
                       (double)count);
    }
    free(u);
    return worst;
}

/* --- one gradient -------------------------------------------------------- */

static int input_of(const RnnEntry *e, int ref)
{
    for (int i = 0; i < e->nin; i++)
        if (ref >= 0 ? e->input[i].kind == RNN_IN_VAR && e->input[i].ref == ref
                     : e->input[i].kind == RNN_IN_FIELD &&
                           e->input[i].ref == -1 - ref)
            return i;
    return -1;
}

static void report(Check *c, const char *name, const RnnType *type,
                   double norm, double along, double coord)
{
    char text[128];
    double worst = fmax(along, coord);
    bool bad = !(worst <= TOLERANCE);

    c->ndone++;
    c->nbad += bad;
    c->worst = fmax(c->worst, worst);
    rnn_cell(&c->table, "%s", name);
    rnn_cell(&c->table, "%s", rnn_type_text(type, text, sizeof text));
    rnn_cell(&c->table, "%.4g", norm);
    rnn_cell(&c->table, "%.1e", along);
    rnn_cell(&c->table, "%.1e", coord);
    rnn_cell(&c->table, "%s", bad ? "WRONG" : "ok");
    rnn_json_line(c->json, NULL, '{');
    rnn_json_text(c->json, "name", name);
    rnn_json_real(c->json, "norm", norm);
    rnn_json_real(c->json, "directions", along);
    rnn_json_real(c->json, "coordinates", coord);
    rnn_json_bool(c->json, "ok", !bad);
    rnn_json_end(c->json, '}');
}

static void check_one(Check *c, int o)
{
    const RnnProgram *p = c->s->p;
    const RnnOutput *out = &c->run.e->output[o];
    int i = input_of(c->run.e, out->ref);
    char name[256];

    if (i < 0 || !c->now[i])
        return;
    if (out->ref >= 0)
        snprintf(name, sizeof name, "%s", p->var[out->ref].path);
    else
        snprintf(name, sizeof name, "%s.%s", p->data[c->e->data].name,
                 p->data[c->e->data].field[-1 - out->ref].name);
    int64_t count = rnn_type_count(&out->type) *
                    (out->type.batched ? c->n : 1);
    double *g = rnn_alloc(sizeof *g * (size_t)count);
    rnn_convert(g, RNN_F64, c->run.out[o], out->type.dt, count);
    double norm = length(g, count);
    double along = isfinite(norm)
                       ? check_directions(c, c->now[i], g, count, norm)
                       : INFINITY;
    double coord = isfinite(norm) ? check_coordinates(c, c->now[i], g, count)
                                  : INFINITY;
    free(g);
    loss_now(c); // the gradients at the base point again
    report(c, name, &out->type, norm, along, coord);
}

/* --- set-up -------------------------------------------------------------- */

/* Moves a field off the ends of its range and off ties; values a f32 program
 * can hold too, if it is one. */
static void jitter(const Check *c, int i, double *x, int64_t count)
{
    const RnnField *f = rnn_run_field(&c->run, i);
    bool ranged = f && isfinite(f->lo) && isfinite(f->hi);

    for (int64_t k = 0; k < count; k++) {
        double u = rnn_uniform_at(c->s->seed, JITTER_STREAM, i, 0, k);

        if (ranged)
            x[k] = f->lo + 0.1 * (f->hi - f->lo) + 0.7 * (x[k] - f->lo) +
                   0.1 * u * (f->hi - f->lo);
        else
            x[k] += 0.01 * (u - 0.5);
        if (c->s->p->real == RNN_F32)
            x[k] = (double)(float)x[k];
    }
}

static void take_inputs(Check *c)
{
    const RnnEntry *e = c->run.e;

    c->was = rnn_alloc(sizeof *c->was * (size_t)e->nin);
    c->now = rnn_alloc(sizeof *c->now * (size_t)e->nin);
    for (int i = 0; i < e->nin; i++) {
        const RnnInput *in = &e->input[i];
        int64_t count = rnn_type_count(&in->type) *
                        (in->type.batched ? c->n : 1);

        c->was[i] = c->run.in[i];
        if (in->type.dt != RNN_F64 ||
            (in->kind != RNN_IN_FIELD && in->kind != RNN_IN_VAR))
            continue;
        c->now[i] = rnn_alloc(sizeof *c->now[i] * (size_t)count);
        memcpy(c->now[i], c->run.in[i], sizeof *c->now[i] * (size_t)count);
        if (in->kind == RNN_IN_FIELD)
            jitter(c, i, c->now[i], count);
        c->run.in[i] = c->now[i];
    }
}

static void give_back(Check *c)
{
    for (int i = 0; c->was && i < c->run.e->nin; i++) {
        c->run.in[i] = c->was[i];
        free(c->now[i]);
    }
    free(c->was);
    free(c->now);
}

/* The loss of the train entry itself, in the program's precision, on the same
 * batch. */
static RnnStatus compare_losses(Check *c, double exact, bool quiet,
                                RnnError *err)
{
    const RnnEntry *check = c->run.e;
    int loss = rnn_find_output(c->e, RNN_OUT_LOSS, 0);
    RnnRun r;
    RnnStatus st = rnn_run_open(&r, c->s, c->e, c->n, err);

    if (st != RNN_OK || loss < 0) {
        rnn_run_close(&r);
        return st;
    }
    memcpy(r.clock, c->run.clock, sizeof r.clock);
    rnn_run_load(&r, NULL, c->run.index, c->n);
    for (int i = 0; i < c->e->nin; i++) {
        const RnnInput *in = &c->e->input[i];
        int from = input_of(check, -1 - in->ref);

        if (in->kind == RNN_IN_FIELD && from >= 0)
            rnn_convert(r.in[i], in->type.dt, c->run.in[from],
                        check->input[from].type.dt,
                        c->n * rnn_type_count(&in->type));
    }
    rnn_run_call(&r);
    double is = rnn_run_value(&r, loss, 0);
    double off = fabs(is - exact) / fmax(fabs(exact), DBL_MIN);
    bool bad = !(off <= LOSS_TOLERANCE);

    rnn_run_close(&r);
    rnn_json_real(c->json, "loss", is);
    rnn_json_real(c->json, "loss_f64", exact);
    if (!quiet)
        printf("  loss %.9g in %s, %.9g in f64: off by %.1e%s\n", is,
               rnn_dtype_name(c->s->p->real), exact, off, bad ? " WRONG" : "");
    if (bad)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "the loss of \"%s\" is %.9g in %s but %.9g in f64",
                        c->e->name, is, rnn_dtype_name(c->s->p->real), exact);
    return RNN_OK;
}

static RnnStatus prepare(Check *c, RnnError *err)
{
    const RnnEntry *e = &c->s->p->entry[c->e->check];
    const RnnDataset *d = NULL;
    RnnError why;
    RnnStatus st;

    if (rnn_session_data(c->s, c->e, &d, &why) != RNN_OK) {
        if (c->s->f->data)
            return rnn_fail(err, RNN_BAD_INPUT, "%s", why.text);
        if (!c->s->f->quiet)
            fprintf(stderr, "note: random examples, because %s\n", why.text);
    }
    c->n = c->s->f->batch ? c->s->f->batch : 8;
    if (d && c->n > d->n)
        c->n = d->n;
    st = rnn_run_open(&c->run, c->s, e, c->n, err);
    c->loss = rnn_find_output(e, RNN_OUT_LOSS, 0);
    if (st == RNN_OK && c->loss < 0)
        st = rnn_fail(err, RNN_BAD_INPUT, "\"%s\" has no loss", c->e->name);
    if (st != RNN_OK)
        return st;
    c->run.clock[RNN_CLOCK_EPOCHS] = 1;
    c->run.clock[RNN_CLOCK_STEPS_PER_EPOCH] = 1;
    if (d)
        rnn_run_load_range(&c->run, d, 0, c->n);
    else
        rnn_run_make_up(&c->run, c->n);
    rnn_run_call(&c->run); // binds the variables
    take_inputs(c);
    return RNN_OK;
}

static RnnStatus check_entry(RnnSession *s, const RnnEntry *e, RnnJson *j,
                             RnnError *err)
{
    Check c = {.s = s, .e = e, .json = j, .table = {.align = "llrrrl"}};
    bool quiet = s->f->quiet || (s->f->json && !strcmp(s->f->json, "-"));
    RnnStatus st = prepare(&c, err);
    double base = 0;

    rnn_json_begin(j, NULL, '{');
    rnn_json_text(j, "name", e->name);
    if (st == RNN_OK) {
        base = loss_now(&c);
        if (!isfinite(base))
            st = rnn_fail(err, RNN_BAD_INPUT, "the loss of \"%s\" is %g",
                          e->name, base);
    }
    if (st == RNN_OK) {
        static const char *const head[] = {"gradient of", "type", "norm",
                                           "directions", "coordinates", ""};

        for (int i = 0; i < 6; i++)
            rnn_cell(&c.table, "%s", head[i]);
        rnn_json_begin(j, "gradients", '[');
        for (int o = 0; o < c.run.e->nout; o++)
            if (c.run.e->output[o].kind == RNN_OUT_TENSOR)
                check_one(&c, o);
        rnn_json_end(j, ']');
        if (!quiet) {
            printf("%s: %lld examples, weights %s, relative errors in f64\n",
                   e->name, (long long)c.n, s->weights);
            rnn_table_print(stdout, &c.table, 2);
        }
        st = compare_losses(&c, base, quiet, err);
    }
    rnn_table_drop(&c.table);
    rnn_json_end(j, '}');
    give_back(&c);
    rnn_run_close(&c.run);
    if (c.nbad)
        return rnn_fail(err, RNN_BAD_INPUT,
                        "%d of %d gradients of \"%s\" differ from central "
                        "differences by up to %.1e; a stop_gradient in the "
                        "loss is the one honest reason", c.nbad, c.ndone,
                        e->name, c.worst);
    return st;
}

RnnStatus rnn_check_grad(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    RnnSession s;
    RnnJson j;
    RnnStatus st = rnn_session_open(&s, p, f, err), first = RNN_OK;

    if (st == RNN_OK)
        st = rnn_weights_any(&s, err);
    rnn_json_open(&j, p, f);
    rnn_json_text(&j, "weights", s.weights);
    rnn_json_begin(&j, "entries", '[');
    for (int i = 0; i < f->nentry && st != RNN_SURROUNDINGS; i++) {
        RnnError one;

        if (st != RNN_OK)
            break;
        RnnStatus is = check_entry(&s, &p->entry[f->entry[i]], &j, &one);
        if (is != RNN_OK && first == RNN_OK) {
            first = is;
            *err = one;
        }
    }
    rnn_json_end(&j, ']');
    if (st == RNN_OK) {
        RnnError one;
        RnnStatus saved = rnn_json_save(&j, f, &one);

        if (first == RNN_OK && saved != RNN_OK)
            *err = one;
        st = first != RNN_OK ? first : saved;
    }
    rnn_json_drop(&j);
    rnn_session_close(&s);
    return st;
}
