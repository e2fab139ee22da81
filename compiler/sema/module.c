/*
 * module.c -- files of the program: their declarations, `use`, consts and -D.
 *
 * A module is read once whatever uses it. Its consts are evaluated when first
 * asked for; module_check asks for all of them.
 */
#include "sema/elab.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many arguments an overload can take: all its formals. */
static int nformals(const Ast *callable)
{
    return formals_of(callable)->n;
}

static void already(Elab *e, const Ast *ast, const Decl *old)
{
    sema_error(e, ast->name_span, "\"%s\" is declared twice", ast->text);
    sema_note(e, old->ast->name_span, "it is declared here already");
    if (ast->kind == AST_callable && old->kind == DECL_CALLABLE)
        sema_help(e, "functions of one name differ in their number of "
                     "arguments");
}

static void declare(Elab *e, Module *m, const Ast *ast, DeclKind kind)
{
    Decl *d = module_own(m, ast->text);

    if (ast->text == NULL)
        return;
    if (d) {
        bool fits = kind == DECL_CALLABLE && d->kind == DECL_CALLABLE;
        for (int k = 0; fits && k < d->over.n; k++)
            fits = nformals(d->over.at[k]) != nformals(ast) &&
                   d->over.at[k]->flavour == ast->flavour;
        if (!fits) {
            already(e, ast, d);
            return;
        }
        VEC_PUSH(e->a, &d->over, ast);
        return;
    }
    d = NEW(e->a, Decl);
    *d = (Decl){.kind = kind, .name = ast->text, .mod = m, .ast = ast,
                .index = -1};
    if (kind == DECL_CALLABLE)
        VEC_PUSH(e->a, &d->over, ast);
    VEC_PUSH(e->a, &m->decl, d);
    names_put(e->a, &m->by_name, d->name, d);
}

static void use(Elab *e, Module *m, const Ast *ast)
{
    Module *used = ast->text ? module_load(e, ast->text, ast->span) : NULL;

    if (used == NULL || used == m)
        return;
    for (int k = 0; k < m->uses.n; k++)
        if (m->uses.at[k] == used)
            return;
    VEC_PUSH(e->a, &m->uses, used);
}

Module *module_new(Elab *e, const char *name, const Source *src,
                   const Ast *file, bool library)
{
    Module *m = NEW(e->a, Module);

    *m = (Module){.name = name, .src = src, .file = file, .library = library};
    VEC_PUSH(e->a, &e->module, m);
    for (int k = 0; k < file->n; k++) {
        const Ast *ast = file->kid[k];
        switch (ast->kind) {
        case AST_consts:
            declare(e, m, ast, DECL_CONST);
            break;
        case AST_option:
            declare(e, m, ast, DECL_OPTION);
            break;
        case AST_data:
            declare(e, m, ast, DECL_DATA);
            break;
        case AST_callable:
            declare(e, m, ast, DECL_CALLABLE);
            break;
        default:
            break;
        }
    }
    for (int k = 0; k < file->n; k++)
        if (file->kid[k]->kind == AST_use)
            use(e, m, file->kid[k]);
    return m;
}

/* NAME.rnn in the folder of the main file. */
static const char *path_beside(Elab *e, const char *name)
{
    const char *main = e->main ? e->main->src->name : e->u->source->name;
    const char *slash = strrchr(main, '/');

    return arena_printf(e->a, "%.*s%s.rnn",
                        slash ? (int)(slash - main + 1) : 0, main, name);
}

Module *module_load(Elab *e, const char *name, Span at)
{
    const char *text = prelude_text(name);
    const Source *src;
    char err[256];

    for (int k = 0; k < e->module.n; k++)
        if (strcmp(e->module.at[k]->name, name) == 0)
            return e->module.at[k];
    if (text) {
        src = source_text(e->a, arena_printf(e->a, "%s.rnn", name), text,
                          strlen(text));
    } else {
        src = source_read(e->a, path_beside(e, name), err, sizeof err);
        if (src == NULL) {
            int n = 0;
            while (prelude_names[n])
                n++;
            const char *close = diag_closest(name, prelude_names, n);
            sema_error(e, at, "unknown module \"%s\": it is not in the library "
                              "and %s: %s", name, path_beside(e, name), err);
            if (close)
                sema_help(e, "did you mean \"%s\"?", close);
            return NULL;
        }
    }
    return module_new(e, intern(name), src, front_parse(e->a, src, e->d),
                      text != NULL);
}

void module_check(Elab *e, Module *m)
{
    types_check(e, m->file);
    for (int k = 0; k < m->decl.n; k++)
        if (m->decl.at[k]->kind == DECL_CONST)
            decl_value(e, m->decl.at[k], m->decl.at[k]->ast->name_span);
}

/* --- -D ------------------------------------------------------------------ */

static bool parse_value(const char *s, Value *out)
{
    char *end;

    if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
        *out = value_bool(*s == 't');
        return true;
    }
    errno = 0;
    long long i = strtoll(s, &end, 10);
    if (end != s && *end == '\0' && errno == 0) {
        *out = value_int(i);
        return true;
    }
    double x = strtod(s, &end);
    if (end != s && *end == '\0' && isfinite(x)) {
        *out = value_real(x);
        return true;
    }
    return false;
}

/* May the const's own value be replaced by v? ints may become reals only if
 * the const is one. */
static bool same_kind(const Decl *d, Value *v)
{
    const Ast *init = d->ast->kid[0];

    if (init->kind == AST_real_ && v->kind == V_INT)
        *v = value_real(v->num);
    return !(init->kind == AST_int_ && v->kind != V_INT) &&
           !(init->kind == AST_bool_ && v->kind != V_BOOL) &&
           !(init->kind == AST_real_ && v->kind != V_REAL) &&
           !(init->kind == AST_string && v->kind != V_STRING);
}

static void define(Elab *e, const char *text)
{
    Span nowhere = {.src = e->main->src};
    const char *eq = strchr(text, '=');
    const char *name = eq ? intern_n(text, (size_t)(eq - text)) : text;
    Decl *d = eq ? module_own(e->main, name) : NULL;
    Value v;

    if (eq == NULL) {
        sema_error(e, nowhere, "-D %s: a value is missing, as in -D %s=1",
                   text, text);
        return;
    }
    if (d == NULL || d->kind != DECL_CONST) {
        VEC(const char *) all = {0};
        for (int k = 0; k < e->main->decl.n; k++)
            if (e->main->decl.at[k]->kind == DECL_CONST)
                VEC_PUSH(e->a, &all, e->main->decl.at[k]->name);
        const char *close = diag_closest(name, all.at, all.n);
        sema_error(e, nowhere, "-D %s: the program has no const \"%s\"", text,
                   name);
        if (close)
            sema_help(e, "did you mean \"%s\"?", close);
        return;
    }
    if (!parse_value(eq + 1, &v))
        v = value_string(eq + 1);
    if (!same_kind(d, &v)) {
        sema_error(e, d->ast->name_span, "-D %s: the const \"%s\" is %s", text,
                   name, d->ast->kid[0]->kind == AST_int_ ? "an int" :
                   d->ast->kid[0]->kind == AST_bool_ ? "a bool" :
                   d->ast->kid[0]->kind == AST_real_ ? "a real" : "a string");
        return;
    }
    d->v = v;
    d->stage = 2;
}

void module_defines(Elab *e)
{
    for (int k = 0; k < e->opt->ndefine; k++)
        define(e, e->opt->define[k]);
}
