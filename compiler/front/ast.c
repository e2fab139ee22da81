/*
 * ast.c -- making nodes of the syntax tree.
 *
 * A node that grows (a block, a list) doubles its array of kids when their
 * number reaches a power of two, so it needs no field for the capacity.
 */
#include "front/front.h"

#include <string.h>

const char *const ast_kind_name[AST_COUNT] = {
#define AST(kind, ...) #kind,
#include "front/ast.def"
#undef AST
};

static void deepen(Ast *tree, const Ast *kid)
{
    if (kid && tree->depth <= kid->depth)
        tree->depth = kid->depth + 1;
}

Ast *ast_newv(Arena *a, AstKind kind, Span span, const char *text, int n,
              va_list kids)
{
    Ast *tree = NEW(a, Ast);

    tree->kind = kind;
    tree->span = span;
    tree->text = text;
    tree->depth = 1;
    for (int i = 0; i < n; i++)
        ast_push(a, tree, va_arg(kids, Ast *));
    return tree;
}

Ast *ast_new(Arena *a, AstKind kind, Span span, const char *text, int n, ...)
{
    va_list kids;

    va_start(kids, n);
    Ast *tree = ast_newv(a, kind, span, text, n, kids);
    va_end(kids);
    return tree;
}

void ast_push(Arena *a, Ast *list, Ast *kid)
{
    int n = list->n;

    if ((n & (n - 1)) == 0) { // 0, 1, 2, 4, ...: the array is full
        Ast **bigger = NEW_N(a, Ast *, n ? 2 * n : 1);

        if (n)
            memcpy(bigger, list->kid, sizeof *bigger * (size_t)n);
        list->kid = bigger;
    }
    list->kid[list->n++] = kid;
    deepen(list, kid);
}
