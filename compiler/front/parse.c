/*
 * parse.c -- between the scanner and the parser, and around both.
 *
 * A token handed out (`now`) counts as accepted when the parser asks for the
 * next one; only then does it change the stack of brackets. So at a mistake
 * the stack is what the parser has really read, and the repair is:
 *
 *   in a block    skip to the next line that starts a statement, or to the
 *                 end of the block; then send T_RESYNC, for which the grammar
 *                 waits
 *   outside       the parser ends; front_parse starts it again at the next
 *                 declaration
 *
 * A declaration that starts a line while brackets are open means one was not
 * closed: that is reported, and the parser ends and starts again there.
 */
#include "front/parse.h"

#include <string.h>

#include "rnn_parser.h"
#include "rnn_scanner.h"

/* --- words --------------------------------------------------------------- */

typedef enum { ROLE_NONE, ROLE_DECL, ROLE_STMT, ROLE_EXPR, ROLE_PART } Role;

static const struct {
    const char *text;
    int kind;
    Role role;
} keyword[] = {
#define KEYWORD(word, role) {#word, T_##word, ROLE_##role},
#include "../../grammar/keywords.def"
#undef KEYWORD
};

static void find_keyword(Token *t)
{
    for (size_t i = 0; i < ARRAY_LEN(keyword); i++)
        if (strcmp(keyword[i].text, t->text) == 0)
            t->kind = keyword[i].kind;
}

static Role role_of(const Token *t)
{
    for (size_t i = 0; i < ARRAY_LEN(keyword); i++)
        if (keyword[i].kind == t->kind)
            return keyword[i].role;
    return ROLE_NONE;
}

bool parse_is_keyword(const Token *t)
{
    return role_of(t) != ROLE_NONE;
}

/* --- looking ahead in the text ------------------------------------------- */

static uint32_t skip_blank(const Parse *ps, uint32_t at)
{
    const char *text = ps->src->text;

    for (;;) {
        at += (uint32_t)strspn(text + at, " \t\r\n\f\v");
        if (text[at] != '#')
            return at;
        at += (uint32_t)strcspn(text + at, "\n");
    }
}

static bool is_word_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

bool parse_is_followed_by(const Parse *ps, const Token *t, char c)
{
    const char *text = ps->src->text + skip_blank(ps, t->span.hi);

    return *text == c && !(c == '=' && text[1] == '=');
}

/* Is t, a "(", the start of `(a, b) =`? Not where it touches what is before
 * it: `f(x, y) = 3` is a mistake, not two statements. */
static bool opens_names(const Parse *ps, const Token *t)
{
    const char *text = ps->src->text;
    uint32_t at = skip_blank(ps, t->span.hi);

    if (t->span.lo > 0 && (is_word_char(text[t->span.lo - 1], false) ||
                           strchr(")]", text[t->span.lo - 1])))
        return false;
    for (;;) {
        if (!is_word_char(text[at], true))
            return false;
        while (is_word_char(text[at], false))
            at++;
        at = skip_blank(ps, at);
        if (text[at] == ',')
            at = skip_blank(ps, at + 1);
        else if (text[at] != ')')
            return false;
        if (text[at] == ')')
            break;
    }
    at = skip_blank(ps, at + 1);
    return text[at] == '=' && text[at + 1] != '=';
}

static bool is_flavour(const Token *t)
{
    return t->kind >= T_fn && t->kind <= T_optimizer;
}

bool parse_starts_declaration(const Parse *ps, const Token *t)
{
    if (!t->first || role_of(t) != ROLE_DECL)
        return false;
    const char *text = ps->src->text + skip_blank(ps, t->span.hi);
    return is_word_char(*text, true) || (t->kind == T_train && *text == '{');
}

bool parse_starts_statement(const Token *t)
{
    if (!t->first)
        return false;
    return t->kind == T_NAME || t->kind == T_TUPLE ||
           t->kind == T_epoch_block || t->kind == T_accept_if ||
           t->kind == T_save_if || role_of(t) == ROLE_STMT;
}

/* Words that are reserved only where they begin a statement: `epoch {`,
 * `accept if`, `save if`. */
static void find_statement_word(const Parse *ps, Token *t)
{
    const char *next = ps->src->text + skip_blank(ps, t->span.hi);
    int before = ps->before.kind;
    bool starts = t->first || before == T_LBRACE || before == T_RBRACE ||
                  before == T_SEMI;
    const char *near = ps->src->text + t->span.hi;
    near += strspn(near, " \t"); // on the same line
    bool cond = strncmp(near, "if", 2) == 0 && !is_word_char(near[2], false);

    if (!starts)
        return;
    if (*next == '{' && strcmp(t->text, "epoch") == 0)
        t->kind = T_epoch_block;
    else if (cond && strcmp(t->text, "accept") == 0)
        t->kind = T_accept_if;
    else if (cond && strcmp(t->text, "save") == 0)
        t->kind = T_save_if;
}

/* `each` after a number in parentheses, where no name can stand. */
static void find_each(const Parse *ps, Token *t)
{
    int before = ps->before.kind;
    bool after_value = before == T_INT || before == T_NAME ||
                       before == T_RPAREN || before == T_RBRACK;

    if (after_value && ps->nbrackets > 0 &&
        ps->bracket[ps->nbrackets - 1].open == '(' &&
        strcmp(t->text, "each") == 0)
        t->kind = T_each;
}

/* --- tokens -------------------------------------------------------------- */

static void scan(Parse *ps, Token *t)
{
    t->kind = rnn_scan(t, ps->scanner);
    ps->new_line = false;
    if (t->kind == T_NAME)
        find_keyword(t);
    if (t->kind != T_EOF)
        ps->last_end = t->span.hi;
    else if (ps->last_end) // what is missing is missed after the last word
        t->span.lo = t->span.hi = ps->last_end;
}

static char opening(int kind)
{
    return kind == T_LPAREN || kind == T_TUPLE ? '('
           : kind == T_LBRACK                  ? '['
           : kind == T_LBRACE                  ? '{'
                                               : 0;
}

static bool is_closing(int kind)
{
    return kind == T_RPAREN || kind == T_RBRACK || kind == T_RBRACE;
}

void parse_too_deep(Parse *ps)
{
    if (ps->give_up)
        return;
    diag_error(ps->d, ps->now.span, "nested deeper than %d levels",
               NESTING_MAX);
    diag_help(ps->d, "give the inner parts names of their own");
    ps->quiet = ps->ended = ps->give_up = true;
}

/* The parser has accepted ps->now. */
static void accept(Parse *ps)
{
    char open = opening(ps->now.kind);

    if (open && ps->nbrackets == NESTING_MAX) {
        parse_too_deep(ps);
    } else if (open) {
        ps->bracket[ps->nbrackets++] = (Bracket){open, ps->now.span};
    } else if (is_closing(ps->now.kind) && ps->nbrackets > 0) {
        ps->nbrackets--;
    }
    ps->before2 = ps->before;
    ps->before = ps->now;
    ps->has_now = false;
}

static void fetch(Parse *ps)
{
    if (ps->has_next)
        ps->now = ps->next;
    else
        scan(ps, &ps->now);
    ps->has_next = false;
    ps->has_now = true;
    if (ps->now.kind == T_LPAREN && !is_flavour(&ps->before2) &&
        ps->before2.kind != T_sample && opens_names(ps, &ps->now))
        ps->now.kind = T_TUPLE;
    if (ps->now.kind == T_NAME)
        find_statement_word(ps, &ps->now);
    if (ps->now.kind == T_NAME)
        find_each(ps, &ps->now);
}

/* `data = 3`: meant as a statement, though the word is reserved. */
static bool misuses_word(const Parse *ps, const Token *t)
{
    return t->first && parse_is_keyword(t) && parse_is_followed_by(ps, t, '=');
}

/*
 * Skip to where the block at hand can go on: t is the first token not to be
 * skipped. Blocks that begin on the way are skipped with what is in them.
 */
static Token skip_in_block(Parse *ps)
{
    int braces = 0, others = 0;

    for (;; fetch(ps)) {
        const Token *t = &ps->now;
        bool again = t->span.lo + 1 == ps->last_resync;

        if (t->kind == T_EOF || parse_starts_declaration(ps, t))
            return *t;
        if (t->kind == T_RBRACE && braces == 0)
            return *t;
        if (t->kind == T_SEMI && braces + others == 0 && !again)
            return *t;
        if (braces + others == 0 && !again &&
            (parse_starts_statement(t) || misuses_word(ps, t)))
            return *t;
        if (t->kind == T_LBRACE)
            braces++;
        else if (opening(t->kind))
            others++;
        else if (t->kind == T_RBRACE)
            braces--;
        else if (is_closing(t->kind) && others > 0)
            others--;
        if (t->kind == T_LBRACE || t->kind == T_RBRACE)
            others = 0;
    }
}

static void resync(Parse *ps)
{
    while (ps->nbrackets > 0 && ps->bracket[ps->nbrackets - 1].open != '{')
        ps->nbrackets--;
    ps->next = skip_in_block(ps);
    ps->has_next = true;
    ps->has_now = false;
    ps->recover = false;
    ps->last_resync = ps->next.span.lo + 1;
    ps->before = ps->before2 = (Token){0};
}

const Token *parse_token(Parse *ps)
{
    static const Token end = {.kind = T_EOF};

    if (ps->has_now && !ps->recover && !ps->ended)
        accept(ps);
    if (ps->ended)
        return &end;
    if (ps->recover) {
        Token new_start = {.kind = T_RESYNC, .span = ps->now.span};

        resync(ps);
        ps->now = new_start; // not accepted: it opens and closes nothing
        return &ps->now;
    }
    fetch(ps);
    if (ps->nbrackets > 0 && parse_starts_declaration(ps, &ps->now)) {
        parse_complain_open(ps, &ps->now);
        ps->quiet = ps->ended = true;
        return &end;
    }
    return &ps->now;
}

/* --- the whole ----------------------------------------------------------- */

/* The parser ended early: go on at the next declaration, if there is one. */
static bool restart(Parse *ps)
{
    if (ps->give_up || !ps->has_now)
        return false;
    while (ps->now.kind != T_EOF &&
           (!parse_starts_declaration(ps, &ps->now) ||
            ps->now.span.lo + 1 == ps->last_resync))
        fetch(ps);
    if (ps->now.kind == T_EOF)
        return false;
    ps->next = ps->now;
    ps->has_next = true;
    ps->has_now = ps->recover = ps->quiet = ps->ended = false;
    ps->nbrackets = 0;
    ps->last_resync = ps->next.span.lo + 1;
    ps->before = ps->before2 = (Token){0};
    return true;
}

Ast *front_parse(Arena *unit, const Source *src, Diag *d)
{
    Span whole = {src, 0, (uint32_t)src->bytes};
    Parse *ps = NEW(unit, Parse);
    yyscan_t scanner;

    ps->a = unit;
    ps->src = src;
    ps->d = d;
    ps->new_line = true;
    ps->file = ast_new(unit, AST_file, whole, NULL, 0);
    if (rnn_scan_lex_init_extra(ps, &scanner))
        fatal_surroundings("out of memory (scanner)");
    ps->scanner = scanner;
    rnn_scan__scan_bytes(src->text, (int)src->bytes, scanner);
    while (rnn_yyparse(ps) != 0 && restart(ps))
        ;
    rnn_scan_lex_destroy(scanner);
    return ps->file;
}
