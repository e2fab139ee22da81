/*
 * print.c -- textual IR; read.c is its exact inverse.
 *
 *     func "f" {
 *         %0 = input field "x" : batch f32[3]
 *         %1 = const 0.5 : f32
 *         %2 = const 10 : i32
 *         %3 = loop %2 index %4 depth 1 {
 *             carry %5 = %0 : batch f32[3] "x"
 *             %6 = broadcast %1 {3, 0} : f32[3]
 *             ...
 *             next %8
 *         }
 *         %9 = proj %3 {0} : batch f32[3]
 *         return %9 "out"
 *     }
 *
 * After an op come its sources, its attributes (integers in braces), the type
 * and the name, if it has one. Values are numbered as they are printed.
 * Operands of commutative ops are printed in the order the constructor will
 * give them on reading, which is the order of these numbers.
 */
#include "ir/graph.h"
#include "ir/print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const input_word[INPUT_COUNT] = {
    [INPUT_FIELD] = "field", [INPUT_VAR] = "var", [INPUT_OPTION] = "option",
    [INPUT_CLOCK] = "clock", [INPUT_FOLD] = "fold"};

typedef struct Print {
    FILE *out;
    Arena *tmp;
    uint32_t *number; // by id; NULL: the id itself
    uint32_t n;
} Print;

static uint32_t number(Print *p, Val v)
{
    return p->number ? p->number[v->id] : v->id;
}

static uint32_t define(Print *p, Val v)
{
    if (p->number)
        p->number[v->id] = p->n++;
    return number(p, v);
}

static void put_string(Print *p, const char *s)
{
    fputc('"', p->out);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(p->out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", p->out);
        else if (c < 32)
            fprintf(p->out, "\\x%02x", c);
        else
            fputc(c, p->out);
    }
    fputc('"', p->out);
}

static void put_name(Print *p, const char *name)
{
    if (name) {
        fputc(' ', p->out);
        put_string(p, name);
    }
}

/* The shortest of 15, 16 or 17 digits that reads back as f. */
static void put_float(Print *p, double f)
{
    char text[40];

    if (isnan(f)) {
        fputs("nan", p->out);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, f);
        if (strtod(text, NULL) == f)
            break;
    }
    fputs(text, p->out);
}

static void put_ints(Print *p, const Attr *a)
{
    for (int k = 0; k < a->n; k++)
        fprintf(p->out, "%s%lld", k ? ", " : " {", (long long)a->i[k]);
    fputs(a->n ? "}" : " {}", p->out);
}

static void put_attr(Print *p, Val v)
{
    const Attr *a = &v->attr;

    switch (op_info[v->op].attr) {
    case ATTR_NONE:
    case ATTR_TO: // the result type says it
        break;
    case ATTR_VALUE:
        fputc(' ', p->out);
        put_float(p, a->f);
        break;
    case ATTR_INPUT:
        fprintf(p->out, " %s ", input_word[a->i[0]]);
        put_string(p, a->s);
        break;
    case ATTR_PAD:
        put_ints(p, a);
        fputs(" fill ", p->out);
        put_float(p, a->f);
        break;
    default:
        put_ints(p, a);
    }
}

static void put_sources(Print *p, Val v)
{
    Val x = v->nsrc == 2 ? v->src[0] : NULL, y = x ? v->src[1] : NULL;

    if (x && p->number &&
        (op_info[v->op].props & (OP_COMM | OP_TIE)) == OP_COMM &&
        is_constant(x) == is_constant(y) && number(p, x) > number(p, y)) {
        fprintf(p->out, " %%%u, %%%u", number(p, y), number(p, x));
        return;
    }
    for (int k = 0; k < v->nsrc; k++)
        fprintf(p->out, "%s%%%u", k ? ", " : " ", number(p, v->src[k]));
}

static void put_node(Print *p, Val v)
{
    fprintf(p->out, "%%%u = %s", define(p, v), op_info[v->op].name);
    put_sources(p, v);
    put_attr(p, v);
    fprintf(p->out, " : %s", type_text(p->tmp, v->type));
    put_name(p, v->name);
}

static void indent(Print *p, int by)
{
    fprintf(p->out, "%*s", 4 * by, "");
}

static void put_region(Print *p, const Val *root, int nroot, const Loop *l,
                       int by);

static void put_loop(Print *p, Val v, int by)
{
    Loop *l = v->attr.loop;

    fprintf(p->out, "%%%u = loop", define(p, v));
    fprintf(p->out, " %%%u index %%%u", number(p, l->count),
            define(p, l->index));
    put_name(p, l->index->name);
    fprintf(p->out, " depth %d", l->depth);
    if (l->until >= 0)
        fprintf(p->out, " until %d", l->until);
    if (l->keep)
        fputs(" keep", p->out);
    fputs(" {\n", p->out);
    for (int k = 0; k < l->n; k++) {
        indent(p, by + 1);
        fprintf(p->out, "carry %%%u = %%%u : %s", define(p, l->var[k]),
                number(p, l->init[k]), type_text(p->tmp, l->var[k]->type));
        put_name(p, l->var[k]->name);
        fputc('\n', p->out);
    }
    put_region(p, l->next, l->n, l, by + 1);
    indent(p, by + 1);
    fputs("next", p->out);
    for (int k = 0; k < l->n; k++)
        fprintf(p->out, "%s%%%u", k ? ", " : " ", number(p, l->next[k]));
    fputc('\n', p->out);
    indent(p, by);
    fputc('}', p->out);
    put_name(p, v->name);
}

static void put_region(Print *p, const Val *root, int nroot, const Loop *l,
                       int by)
{
    int n;
    Val *v = ir_topo(p->tmp, root, nroot, l, &n);

    for (int k = 0; k < n; k++) {
        if (v[k]->op == OP_loopvar)
            continue; // declared with its loop
        indent(p, by);
        if (v[k]->op == OP_loop)
            put_loop(p, v[k], by);
        else
            put_node(p, v[k]);
        fputc('\n', p->out);
    }
}

void ir_print(FILE *out, const Func *f)
{
    Print p = {.out = out, .tmp = arena_new()};

    p.number = NEW_N(p.tmp, uint32_t, graph_nnodes(f->g) + 1);
    fputs("func ", out);
    put_string(&p, f->name ? f->name : "");
    fputs(" {\n", out);
    put_region(&p, f->out, f->nout, NULL, 1);
    indent(&p, 1);
    fputs("return", out);
    for (int k = 0; k < f->nout; k++) {
        fprintf(out, "%s%%%u", k ? ", " : " ", number(&p, f->out[k]));
        put_name(&p, f->out_name ? f->out_name[k] : NULL);
    }
    fputs("\n}\n", out);
    arena_free(p.tmp);
}

const char *print_node(Arena *tmp, Val v)
{
    char *text = NULL;
    size_t bytes = 0;
    Print p = {.out = open_memstream(&text, &bytes), .tmp = tmp};

    if (!p.out)
        fatal_surroundings("out of memory");
    put_node(&p, v);
    fclose(p.out);
    const char *copy = arena_printf(tmp, "%s", text);
    free(text);
    return copy;
}
