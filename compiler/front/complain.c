/*
 * complain.c -- a token that does not fit, in words.
 *
 * The common slips have messages of their own, tried from the most particular
 * to the most general; the last resort names the token and what could have
 * stood there, with the parser's set of tokens folded into "an expression",
 * "a statement", "a declaration".
 */
#include "front/parse.h"

#include <string.h>

#include "rnn_parser.h"

enum { MENTION_MAX = 5, TEXT_MAX = 400, MISTAKES_MAX = 100 };

typedef struct Expected {
    const char *const *name;
    int n;
} Expected;

static bool expects(Expected e, const char *name)
{
    for (int i = 0; i < e.n; i++)
        if (strcmp(e.name[i], name) == 0)
            return true;
    return false;
}

static const char *show(Parse *ps, const Token *t)
{
    switch (t->kind) {
    case T_EOF:
        return "the end of the file";
    case T_STRING:
        return "a string";
    case T_NAME:
        return arena_printf(ps->a, "name \"%.60s\"", t->text);
    case T_INT:
    case T_REAL:
        return arena_printf(ps->a, "number \"%.40s\"",
                            span_text(ps->a, t->span));
    default:
        return arena_printf(ps->a, "\"%.20s\"", span_text(ps->a, t->span));
    }
}

/* --- brackets ------------------------------------------------------------ */

static char closing(char open)
{
    return open == '(' ? ')' : open == '[' ? ']' : '}';
}

static const Bracket *innermost(const Parse *ps)
{
    return ps->nbrackets ? &ps->bracket[ps->nbrackets - 1] : NULL;
}

void parse_complain_open(Parse *ps, const Token *t)
{
    const Bracket *b = innermost(ps);

    ps->nmistakes++;
    diag_error(ps->d, t->span, "missing \"%c\" before %s", closing(b->open),
               show(ps, t));
    diag_note(ps->d, b->span, "\"%c\" was opened here", b->open);
}

static bool is_close_token(const Token *t, char close)
{
    return (t->kind == T_RPAREN && close == ')') ||
           (t->kind == T_RBRACK && close == ']') ||
           (t->kind == T_RBRACE && close == '}');
}

/* A bracket that was not closed, or closed without being open. */
static bool about_brackets(Parse *ps, const Token *t)
{
    const Bracket *b = innermost(ps);
    bool closes =
        t->kind == T_RPAREN || t->kind == T_RBRACK || t->kind == T_RBRACE;

    if (closes && (!b || (b->open == '{' && t->kind != T_RBRACE))) {
        diag_error(ps->d, t->span, "%s closes nothing", show(ps, t));
        return true;
    }
    if (!b || is_close_token(t, closing(b->open)))
        return false;
    if (t->kind == T_EOF ||
        (b->open != '{' && (closes || t->kind == T_LBRACE ||
                            parse_starts_statement(t)))) {
        diag_error(ps->d, t->span, "missing \"%c\" before %s",
                   closing(b->open), show(ps, t));
        diag_note(ps->d, b->span, "\"%c\" was opened here", b->open);
        return true;
    }
    return false;
}

/* --- slips --------------------------------------------------------------- */

static bool say_reserved(Parse *ps, const Token *t)
{
    diag_error(ps->d, t->span,
               "\"%s\" is a reserved word and cannot be a name", t->text);
    diag_help(ps->d, "another name is needed, for example \"%s_\"", t->text);
    return true;
}

static bool about_reserved(Parse *ps, const Token *t, Expected e)
{
    if (t->kind == T_ASSIGN && parse_is_keyword(&ps->before))
        return say_reserved(ps, &ps->before);
    if (!parse_is_keyword(t) || !expects(e, "a name"))
        return false;
    if (parse_is_followed_by(ps, t, '=') || parse_is_followed_by(ps, t, ':') ||
        (!expects(e, "a number") && !parse_starts_statement(t)))
        return say_reserved(ps, t);
    if (!t->first && (parse_is_followed_by(ps, t, ',') ||
                      parse_is_followed_by(ps, t, ')')))
        return say_reserved(ps, t);
    return false;
}

static bool about_assign(Parse *ps, const Token *t)
{
    const Bracket *b = innermost(ps);

    if (t->kind != T_ASSIGN)
        return false;
    diag_error(ps->d, t->span, "unexpected \"=\" inside an expression");
    if (b && b->open == '(' && ps->before.kind == T_NAME &&
        (ps->before2.kind == T_LPAREN || ps->before2.kind == T_COMMA))
        diag_help(ps->d, "an argument is named with \":\", as in \"%s: ...\"",
                  ps->before.text);
    else
        diag_help(ps->d, "to compare two values, write \"==\"");
    return true;
}

static bool about_compare(Parse *ps, const Token *t, Expected e)
{
    if (t->kind < T_EQ || t->kind > T_GE || expects(e, "=="))
        return false;
    if (parse_is_keyword(&ps->before) || !expects(e, "and"))
        return false;
    diag_error(ps->d, t->span, "comparisons cannot be chained");
    diag_help(ps->d, "write \"a < b and b < c\"");
    return true;
}

/* Words that begin such things in other languages. */
static const char *foreign_help(const char *word)
{
    static const struct {
        const char *word, *help;
    } table[] = {
        {"def", "a function starts with \"fn\""},
        {"func", "a function starts with \"fn\""},
        {"function", "a function starts with \"fn\""},
        {"lambda", "functions have names: fn f(x) = ..."},
        {"let", "a value gets its name by \"name = value\" alone"},
        {"var", "a value gets its name by \"name = value\" alone"},
        {"import", "a module is used by \"use NAME\""},
        {"from", "a module is used by \"use NAME\""},
        {"include", "a module is used by \"use NAME\""},
        {"class", "a network starts with \"net\" or \"layer\""},
        {"model", "a network starts with \"net\""},
        {"module", "a network starts with \"net\" or \"layer\""},
        {"while", "loops count: \"repeat n { }\" or \"for i in a .. b { }\""},
        {"loop", "loops count: \"repeat n { }\" or \"for i in a .. b { }\""},
        {"elif", "write \"else if\""},
        {"elseif", "write \"else if\""},
        {"test", "an evaluation starts with \"evaluate\""},
        {"eval", "an evaluation starts with \"evaluate\""},
    };

    for (size_t i = 0; word && i < ARRAY_LEN(table); i++)
        if (strcmp(word, table[i].word) == 0)
            return table[i].help;
    return NULL;
}

static void help_with_words(Parse *ps, const Token *t, Expected e)
{
    static const char *const begin[] = {
#define KEYWORD(word, role) #word,
#include "../../grammar/keywords.def"
#undef KEYWORD
    };
    const Token *word[] = {t, &ps->before, &ps->before2};

    for (size_t i = 0; i < ARRAY_LEN(word); i++) {
        const char *help =
            word[i]->kind == T_NAME ? foreign_help(word[i]->text) : NULL;
        if (help) {
            diag_help(ps->d, "%s", help);
            return;
        }
    }
    if (t->kind == T_NAME) {
        const char *near =
            diag_closest(t->text, begin, (int)ARRAY_LEN(begin));
        if (near && expects(e, near)) {
            diag_help(ps->d, "did you mean \"%s\"?", near);
            return;
        }
    }
    if (t->kind == T_NAME && expects(e, "use") &&
        parse_is_followed_by(ps, t, '='))
        diag_help(ps->d, "outside a function a value is declared by "
                         "\"const %s = ...\"",
                  t->text);
    if (t->kind == T_COLON && expects(e, "{"))
        diag_help(ps->d, "a block stands in \"{ }\"");
}

/* --- the general case ---------------------------------------------------- */

/* Groups of tokens that are mentioned by one name. A group is there if its
 * first token is expected; then all of its tokens go. */
static const struct {
    const char *title;
    const char *token[32];
} group[] = {
    {"a declaration",
     {"use", "data", "const", "option", "fn", "layer", "net", "energy",
      "sampler", "attack", "dynamics", "optimizer", "train", "evaluate",
      "sample", ";"}},
    {"a statement",
     {"return", "param", "state", "minimize", "watch", "stop", "plot",
      "rollback", "epoch", "accept", "save", "repeat", "for", "if", "a name",
      "a number", "a number with a point", "a string", "true", "false",
      "epochs", "not", "solve", "-", "(", "[", ";", "=", ","}},
    {"an expression",
     {"a number", "a number with a point", "a name", "a string", "true",
      "false", "epochs", "not", "if", "solve", "-", "(", "["}},
    {NULL, // what goes on with an expression need not be mentioned
     {"*", "/", "//", "%", "@", "**", "==", "!=", "<", "<=", ">", ">=", "..",
      "+", "-", "(", "[", ".", "and", "or"}},
    {NULL, {"(", "[", "."}},
    {NULL, {"( of names"}},
    {NULL, {"a new start"}},
};

static void describe(Expected e, char *to, size_t bytes)
{
    const char *left[128];
    const char *title[MENTION_MAX + 1];
    int nleft = 0, n = 0;

    for (int i = 0; i < e.n && nleft < (int)ARRAY_LEN(left); i++)
        left[nleft++] = e.name[i];
    for (size_t g = 0; g < ARRAY_LEN(group); g++) {
        Expected now = {left, nleft};
        int kept = 0;

        if (!expects(now, group[g].token[0]))
            continue;
        if (group[g].title && n < MENTION_MAX)
            title[n++] = group[g].title;
        for (int i = 0; i < nleft; i++) {
            bool in_group = false;

            for (int k = 0; k < 32 && group[g].token[k]; k++)
                in_group |= strcmp(left[i], group[g].token[k]) == 0;
            if (!in_group)
                left[kept++] = left[i];
        }
        nleft = kept;
    }
    *to = 0;
    if (n + nleft == 0 || n + nleft > MENTION_MAX)
        return;
    size_t used = (size_t)snprintf(to, bytes, ", expected ");
    for (int i = 0; i < n + nleft; i++) {
        const char *name = i < n ? title[i] : left[i - n];
        bool is_class = i < n || !strncmp(name, "a ", 2) ||
                        !strncmp(name, "the ", 4);

        used += (size_t)snprintf(to + used, bytes - used,
                                 is_class ? "%s%s" : "%s\"%s\"",
                                 i == 0              ? ""
                                 : i == n + nleft - 1 ? " or "
                                                      : ", ",
                                 name);
    }
}

void parse_complain(Parse *ps, const char *const *expected, int n)
{
    const Token *t = &ps->now;
    Expected e = {expected, n};
    char rest[TEXT_MAX];

    if (ps->quiet)
        return;
    ps->recover = true;
    if (++ps->nmistakes > MISTAKES_MAX) {
        ps->quiet = ps->ended = ps->give_up = true;
        return;
    }
    if (about_reserved(ps, t, e) || about_brackets(ps, t) ||
        about_assign(ps, t) || about_compare(ps, t, e))
        return;
    describe(e, rest, sizeof rest);
    diag_error(ps->d, t->span, "unexpected %s%s", show(ps, t), rest);
    help_with_words(ps, t, e);
}
