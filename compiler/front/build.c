/*
 * build.c -- what the grammar's actions do beyond making a node.
 *
 * Every node passes through parse_node or parse_push, which stop a program
 * whose tree is too deep for the recursive stages after this one.
 */
#include "front/parse.h"

Span parse_join(Span first, Span last)
{
    if (last.hi > first.hi)
        first.hi = last.hi;
    return first;
}

Span parse_after(Span before)
{
    before.lo = before.hi;
    return before;
}

Ast *parse_node(Parse *ps, AstKind kind, Span at, Span name_at,
                const char *text, int n, ...)
{
    va_list kids;

    va_start(kids, n);
    Ast *tree = ast_newv(ps->a, kind, at, text, n, kids);
    va_end(kids);
    tree->name_span = name_at;
    if (tree->depth > NESTING_MAX)
        parse_too_deep(ps);
    return tree;
}

Ast *parse_push(Parse *ps, Ast *list, Ast *kid)
{
    ast_push(ps->a, list, kid);
    list->span = parse_join(list->span, kid->span);
    return list;
}

void parse_declare(Parse *ps, Ast *decl)
{
    ast_push(ps->a, ps->file, decl);
}

/* --- entries ------------------------------------------------------------- */

Ast *parse_train(Parse *ps, Span at, Span name_at, const char *name,
                 Ast *header, Ast *block)
{
    if (header->kid[1])
        diag_error(ps->d, header->kid[1]->span,
                   "\"against\" belongs to an evaluation, not to training");
    return parse_node(ps, AST_train, at, name_at,
                      name ? name : intern("train"), 3, header->kid[0],
                      header->kid[2], block);
}

Ast *parse_evaluate(Parse *ps, Span at, Span name_at, const char *name,
                    Ast *header, Ast *block)
{
    Ast *against = header->kid[1];

    if (!name) {
        Span word = {at.src, at.lo, at.lo + 8};

        diag_error(ps->d, word, "an evaluation needs a name");
        diag_help(ps->d, "for example: evaluate accuracy on d.test { ... }");
        name = intern("evaluate");
    }
    if (!against)
        against = ast_new(ps->a, AST_list, parse_after(name_at), NULL, 0);
    return parse_node(ps, AST_evaluate, at, name_at, name, 4, header->kid[0],
                      against, header->kid[2], block);
}

/* `(10 each, ..)`: the number becomes the argument "each" of the header. */
Ast *parse_per_class(Parse *ps, Span at, Span name_at, const char *name,
                     const Ast *per_class, Ast *args, Ast *block)
{
    Ast *count = per_class->kid[0];

    parse_push(ps, args, parse_node(ps, AST_arg, count->span, count->span,
                                    intern("each"), 1, count));
    return parse_node(ps, AST_sample, at, name_at, name, 3, args,
                      per_class->kid[1], block);
}

/* --- types --------------------------------------------------------------- */

Ast *parse_type(Parse *ps, Span at, Span name_at, const char *base, Ast *dims,
                Ast *range)
{
    Ast *count = NULL;

    if (base == intern("class")) {
        if (dims && dims->n == 1) {
            count = dims->kid[0];
        } else {
            diag_error(ps->d, at, "a class type states the number of classes");
            diag_help(ps->d, "for example: class[10]");
        }
        dims = NULL;
    }
    if (!dims)
        dims = ast_new(ps->a, AST_list, parse_after(name_at), NULL, 0);
    return parse_node(ps, AST_type, at, name_at, base, 4, dims,
                      range ? range->kid[0] : NULL,
                      range ? range->kid[1] : NULL, count);
}

/* --- statements ---------------------------------------------------------- */

Ast *parse_bare(Parse *ps, Ast *block, const Ast *values)
{
    for (int i = 0; i < values->n; i++) {
        Ast *value = values->kid[i];

        parse_push(ps, block,
                   parse_node(ps, AST_eval, value->span, (Span){0}, NULL, 1,
                              value));
    }
    return block;
}

Ast *parse_target(Parse *ps, Ast *target)
{
    if (target->kind == AST_name || target->kind == AST_index)
        return target;
    if (target->kind == AST_tuple) {
        int i = 0;

        while (i < target->n && target->kid[i]->kind == AST_name)
            i++;
        if (i == target->n)
            return target;
        target = target->kid[i];
    }
    diag_error(ps->d, target->span, "cannot assign to this");
    diag_help(ps->d, "what stands left of \"=\" is a name, names in \"( )\", "
                     "or an element of a state as in \"s[i]\"");
    return ast_new(ps->a, AST_poison, target->span, NULL, 0);
}

Ast *parse_watched(Parse *ps, Ast *value)
{
    Arena *tmp = arena_new();
    const char *label = intern(span_text(tmp, value->span));

    arena_free(tmp);
    return parse_node(ps, AST_watched, value->span, (Span){0}, label, 1,
                      value);
}

/* --- expressions --------------------------------------------------------- */

static Ast *applied(Parse *ps, AstKind kind, Span at, Ast *head,
                    const Ast *rest)
{
    Ast *tree = ast_new(ps->a, kind, at, NULL, 1, head);

    for (int i = 0; rest && i < rest->n; i++)
        ast_push(ps->a, tree, rest->kid[i]);
    if (tree->depth > NESTING_MAX)
        parse_too_deep(ps);
    return tree;
}

Ast *parse_call(Parse *ps, Span at, Ast *callee, const Ast *args)
{
    return applied(ps, AST_call, at, callee, args);
}

Ast *parse_index(Parse *ps, Span at, Ast *object, const Ast *subs)
{
    return applied(ps, AST_index, at, object, subs);
}

Ast *parse_tuple(Parse *ps, Span at, Ast *first, const Ast *rest)
{
    return applied(ps, AST_tuple, at, first, rest);
}
