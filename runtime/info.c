/*
 * info.c -- what a program is made of: parameters and states, homogeneity of
 * its nets, memory and flops of its entry points, data sets, options, and what
 * it was built for.
 */
#include "face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_name[] = {"initial values", "train", "evaluate",
                                        "attack", "infer", "sample",
                                        "gradient check", "fold", "epoch",
                                        "rollback", "rival"};

typedef struct Info {
    const RnnProgram *p;
    const RnnFlags *f;
    RnnJson json;
    bool quiet;
} Info;

static const char *grouped(int64_t n, char *buf) // 1234567 -> 1,234,567
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

static void header(Info *x)
{
    const RnnProgram *p = x->p;
    char has[512];

    rnn_cpu_text(has, sizeof has);
    if (!x->quiet) {
        printf("%s, from %s, built by rnnc %s, reals are %s\n", p->name,
               p->source, p->version, rnn_dtype_name(p->real));
        printf("built for %s, needs: %s\n", p->cpu,
               p->features[0] ? p->features : "nothing beyond the baseline");
        printf("this CPU has: %s; %d allowed\n", has, rnn_default_threads());
    }
    rnn_json_text(&x->json, "source", p->source);
    rnn_json_text(&x->json, "cpu", p->cpu);
    rnn_json_text(&x->json, "features", p->features);
    rnn_json_text(&x->json, "cpu_has", has);
}

static void variables(Info *x, bool params)
{
    const RnnProgram *p = x->p;
    RnnTable t = {.align = "lllr"};
    int64_t total = 0, n = 0;
    double bytes = 0;
    char text[128], num[48], size[32];

    rnn_json_begin(&x->json, params ? "parameters" : "states", '[');
    for (int i = 0; i < p->nvar; i++) {
        const RnnVar *v = &p->var[i];
        int64_t count = rnn_type_count(&v->type);

        if ((v->is_param != 0) != params)
            continue;
        n++;
        total += count;
        bytes += (double)rnn_var_bytes(v);
        rnn_cell(&t, "%s", v->path);
        rnn_cell(&t, "%s", rnn_type_text(&v->type, text, sizeof text));
        rnn_cell(&t, "%s", v->place);
        rnn_cell(&t, "%s", grouped(count, num));
        rnn_json_line(&x->json, NULL, '{');
        rnn_json_text(&x->json, "path", v->path);
        rnn_json_text(&x->json, "type", text);
        rnn_json_int(&x->json, "count", count);
        rnn_json_text(&x->json, "place", v->place);
        rnn_json_end(&x->json, '}');
    }
    rnn_json_end(&x->json, ']');
    rnn_json_int(&x->json, params ? "parameter_count" : "state_count", total);
    if (x->quiet || (!n && !params)) {
        rnn_table_drop(&t);
        return;
    }
    printf("\n%s: %s in %lld tensors, %s\n", params ? "parameters" : "states",
           grouped(total, num), (long long)n,
           rnn_scaled(bytes, "B", size, sizeof size));
    rnn_table_print(stdout, &t, 2);
}

static void one_net(Info *x, const RnnNet *n)
{
    RnnTable t = {.align = "lrl"};
    const RnnNetGroup *g = n->group;

    rnn_json_line(&x->json, NULL, '{');
    rnn_json_text(&x->json, "name", n->name);
    if (n->why[0])
        rnn_json_text(&x->json, "why", n->why);
    else
        rnn_json_real(&x->json, "order", n->order);
    rnn_json_end(&x->json, '}');
    if (x->quiet || (!n->promised && n->why[0]))
        return;
    printf("\nnet %s: homogeneous of order %g in its parameters, ", n->name,
           n->order);
    if (isnan(n->input))
        printf("not in its input\n");
    else
        printf("%g in its input\n", n->input);
    for (int i = 0; i < n->ngroup; i++) {
        rnn_cell(&t, "%s", g[i].path);
        rnn_cell(&t, "%g", g[i].degree);
        rnn_cell(&t, "%s%s", g[i].with == i ? "" : "together with ",
                 g[i].with == i ? "" : g[g[i].with].path);
    }
    rnn_table_print(stdout, &t, 2);
}

static void nets(Info *x)
{
    rnn_json_begin(&x->json, "nets", '[');
    for (int i = 0; i < x->p->nnet; i++)
        one_net(x, &x->p->net[i]);
    rnn_json_end(&x->json, ']');
}

/* Flops per example: outside loops of run-time length, and per pass of them.
 */
static void flops(const RnnEntry *e, int64_t batch, double *fixed,
                  double *pass)
{
    *fixed = e->nkernel ? 0 : e->flops_example + e->flops_call / (double)batch;
    *pass = 0;
    for (int k = 0; k < e->nkernel; k++)
        *(e->kernel[k].in_loop ? pass : fixed) +=
            e->kernel[k].flops_example +
            e->kernel[k].flops_call / (double)batch;
}

static void entries(Info *x)
{
    static const char *const head[] = {"entry point", "", "data", "batch",
                                       "memory", "flops per example"};
    const RnnProgram *p = x->p;
    RnnTable t = {.align = "lllrrl"};

    for (int i = 0; i < 6; i++)
        rnn_cell(&t, "%s", head[i]);
    rnn_json_begin(&x->json, "entries", '[');
    for (int i = 0; i < p->nentry; i++) {
        const RnnEntry *e = &p->entry[i];
        int64_t batch = e->kind == RNN_ENTRY_INIT ? 1
                        : x->f->batch             ? x->f->batch
                        : e->batch > 0            ? e->batch
                                                  : 128;
        size_t bytes = 0;
        double fixed, pass;
        char size[32], a[32], b[32];

        if (e->kind >= RNN_ENTRY_CHECK)
            continue;
        rnn_entry_bytes(e, batch, &bytes);
        flops(e, batch, &fixed, &pass);
        rnn_cell(&t, "%s", e->name);
        rnn_cell(&t, "%s", kind_name[e->kind]);
        if (e->data >= 0)
            rnn_cell(&t, "%s.%s", p->data[e->data].name, e->split);
        else
            rnn_cell(&t, "%s", "");
        rnn_cell(&t, "%lld", (long long)batch);
        rnn_cell(&t, "%s", rnn_scaled((double)bytes, "B", size, sizeof size));
        rnn_scaled(fixed, "flop", a, sizeof a);
        rnn_scaled(pass, "flop", b, sizeof b);
        rnn_cell(&t, "%s%s%s%s", a, pass > 0 ? " + " : "", pass > 0 ? b : "",
                 pass > 0 ? " per pass of its loop" : "");
        rnn_json_line(&x->json, NULL, '{');
        rnn_json_text(&x->json, "name", e->name);
        rnn_json_text(&x->json, "kind", kind_name[e->kind]);
        rnn_json_int(&x->json, "batch", batch);
        rnn_json_int(&x->json, "bytes", (int64_t)bytes);
        rnn_json_real(&x->json, "flops_example", fixed);
        rnn_json_real(&x->json, "flops_example_pass", pass);
        rnn_json_int(&x->json, "kernels", e->nkernel);
        rnn_json_end(&x->json, '}');
    }
    rnn_json_end(&x->json, ']');
    if (x->quiet) {
        rnn_table_drop(&t);
        return;
    }
    printf("\nentry points (memory of the arena at that batch):\n");
    rnn_table_print(stdout, &t, 2);
    for (int i = 0; i < p->nentry; i++)
        for (int k = 0; k < p->entry[i].nkernel; k++)
            if (p->entry[i].kernel[k].slow > 1)
                printf("  slow path: \"%s\" (%s) of %s\n",
                       p->entry[i].kernel[k].name,
                       p->entry[i].kernel[k].place, p->entry[i].name);
}

static void data_sets(Info *x)
{
    const RnnProgram *p = x->p;
    RnnTable t = {.align = "lll"};
    char text[128];

    rnn_json_begin(&x->json, "data", '[');
    for (int i = 0; i < p->ndata; i++) {
        const RnnData *d = &p->data[i];

        rnn_json_line(&x->json, NULL, '{');
        rnn_json_text(&x->json, "name", d->name);
        rnn_json_text(&x->json, "reader", d->reader);
        rnn_json_begin(&x->json, "fields", '[');
        for (int k = 0; k < d->nfield; k++) {
            const RnnField *f = &d->field[k];
            char range[64] = "";

            if (f->nclass)
                snprintf(range, sizeof range, "class of %lld",
                         (long long)f->nclass);
            else if (isfinite(f->lo) || isfinite(f->hi))
                snprintf(range, sizeof range, "in [%g, %g]", f->lo, f->hi);
            rnn_type_text(&f->type, text, sizeof text);
            if (k)
                rnn_cell(&t, "%s", "");
            else
                rnn_cell(&t, "%s = %s(%s%s%s)", d->name, d->reader,
                         d->narg ? "\"" : "", d->narg ? d->arg[0] : "",
                         d->narg ? "\"" : "");
            rnn_cell(&t, "%s %s", f->name, text);
            rnn_cell(&t, "%s", range);
            rnn_json_text(&x->json, NULL, f->name);
        }
        rnn_json_end(&x->json, ']');
        rnn_json_end(&x->json, '}');
    }
    rnn_json_end(&x->json, ']');
    if (!x->quiet && p->ndata)
        printf("\ndata sets:\n");
    if (x->quiet)
        rnn_table_drop(&t);
    else
        rnn_table_print(stdout, &t, 2);
}

static void options(Info *x)
{
    const RnnProgram *p = x->p;
    RnnTable t = {.align = "lll"};
    char text[64];

    rnn_json_line(&x->json, "options", '{');
    for (int e = -1; e < p->nentry; e++) {
        const RnnOption *o = e < 0 ? p->option : p->entry[e].option;
        int n = e < 0 ? p->nopt : p->entry[e].nopt;

        if (e >= 0 && p->entry[e].kind >= RNN_ENTRY_CHECK)
            continue;
        for (int i = 0; i < n; i++) {
            rnn_option_text(&o[i], o[i].value, text, sizeof text);
            rnn_cell(&t, "--%s", o[i].name);
            rnn_cell(&t, "%s", text);
            rnn_cell(&t, "%s%s%s%s", o[i].doc,
                     e < 0 ? "" : o[i].doc[0] ? " (" : "(",
                     e >= 0 ? p->entry[e].name : "", e >= 0 ? ")" : "");
            if (e < 0)
                rnn_json_real(&x->json, o[i].name, o[i].value);
        }
    }
    rnn_json_end(&x->json, '}');
    if (!x->quiet && t.ncell)
        printf("\noptions:\n");
    if (x->quiet)
        rnn_table_drop(&t);
    else
        rnn_table_print(stdout, &t, 2);
}

RnnStatus rnn_info(const RnnProgram *p, RnnFlags *f, RnnError *err)
{
    Info x = {.p = p,
              .f = f,
              .quiet = f->quiet || (f->json && !strcmp(f->json, "-"))};

    rnn_json_open(&x.json, p, f);
    header(&x);
    variables(&x, true);
    variables(&x, false);
    nets(&x);
    RnnStatus st = rnn_info_solves(p, f, &x.json, x.quiet, err);
    entries(&x);
    data_sets(&x);
    options(&x);
    if (st == RNN_OK)
        st = rnn_json_save(&x.json, f, err);
    rnn_json_drop(&x.json);
    return st;
}
