/*
 * ast_print.c -- the syntax tree as indented text.
 *
 * One line a node: its kind (a callable's flavour), what its text holds, its
 * number. A kid that is missing where the row of ast.def has a place for it
 * is printed as "-", so that the places of the others can be counted.
 */
#include "front/front.h"

#include <inttypes.h>
#include <string.h>

static void put_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        if (*s == '\n')
            fputs("\\n", out);
        else if (*s == '\t')
            fputs("\\t", out);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else
            fputc(*s, out);
    }
    fputc('"', out);
}

static const char *shown_kind(const Ast *tree)
{
    static const char *const plain[] = {"return", "for", "if", "int", "real",
                                        "bool"};
    const char *name = ast_kind_name[tree->kind];
    size_t n = strlen(name);

    if (tree->flavour)
        return tree->flavour;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (n == strlen(plain[i]) + 1 && !strncmp(name, plain[i], n - 1))
            return plain[i];
    return name;
}

static void print(FILE *out, const Ast *tree, int depth)
{
    fprintf(out, "%*s", 2 * depth, "");
    if (!tree) {
        fputs("-\n", out);
        return;
    }
    fputs(shown_kind(tree), out);
    if (tree->kind == AST_string || tree->kind == AST_stop) {
        if (tree->text) {
            fputc(' ', out);
            put_string(out, tree->text);
        }
    } else if (tree->text) {
        fprintf(out, " %s", tree->text);
    }
    fputc('\n', out);
    for (int i = 0; i < tree->n; i++)
        print(out, tree->kid[i], depth + 1);
}

void ast_print(FILE *out, const Ast *tree)
{
    print(out, tree, 0);
}
