/*
 * front.h -- text to syntax tree: names and spans, no meaning.
 *
 * The grammar is in grammar/rnn.l and grammar/rnn.y; its actions call ast_new
 * and nothing else. The tree lives in the arena given to front_parse.
 */
#ifndef RNN_FRONT_H
#define RNN_FRONT_H

#include "base/base.h"

typedef enum {
#define AST(kind, ...) AST_##kind,
#include "front/ast.def"
#undef AST
    AST_COUNT
} AstKind;

typedef struct Ast Ast;
struct Ast {
    AstKind kind;
    Span span;        // the whole construct
    Span name_span;   // of `text` where it is a declared or used name
    const char *text; // interned; meaning by row of ast.def; may be NULL
    const char *flavour; // callable only: interned "fn", "layer", "net", ...
    int64_t inum;     // int_, bool_
    double num;       // real_, and int_ as a real
    int depth;        // 1 + the deepest kid's; at most a little over 200
    int n;            // kids
    Ast **kid;
};

/* ast.c */
extern const char *const ast_kind_name[AST_COUNT];
Ast *ast_new(Arena *a, AstKind kind, Span span, const char *text, int n, ...);
Ast *ast_newv(Arena *a, AstKind kind, Span span, const char *text, int n,
              va_list kids);
void ast_push(Arena *a, Ast *list, Ast *kid); // amortized O(1)

/* ast_print.c -- the tree as indented text, for dump and golden tests. */
void ast_print(FILE *out, const Ast *tree);

/* parse.c -- never NULL: after errors (counted in d) the tree holds what
 * could be read, with poison nodes where it could not. Nesting deeper than
 * 200 levels is an error, not a crash. */
Ast *front_parse(Arena *unit, const Source *src, Diag *d);

#endif
