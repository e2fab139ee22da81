/*
 * parse.h -- private to front/ and the grammar: the state of one parse.
 *
 * parse.c feeds the parser: it turns names into keywords, keeps the stack of
 * open brackets, and decides where to go on after a mistake. literal.c is
 * what the scanner's actions call, build.c what the grammar's actions call,
 * complain.c puts a token that does not fit into words.
 */
#ifndef RNN_PARSE_H
#define RNN_PARSE_H

#include "front/front.h"

enum { NESTING_MAX = 200 };

typedef struct Token {
    int kind;
    Span span;
    const char *text; // of a NAME or a keyword; interned
    Ast *ast;         // of a literal
    bool first;       // on its line
} Token;

typedef struct Bracket {
    char open; // one of ( [ {
    Span span;
} Bracket;

typedef struct Parse Parse;
struct Parse {
    Arena *a;
    const Source *src;
    Diag *d;
    Ast *file;
    void *scanner;

    // scanner
    uint32_t pos;      // of the next byte
    uint32_t last_end; // of the last token
    bool new_line;     // a line began since the last token

    // tokens handed to the parser: `now` is not yet known to be accepted, so
    // its effect on the brackets is still to come
    Token before2, before, now, next;
    bool has_now, has_next;
    Bracket bracket[NESTING_MAX];
    int nbrackets;

    // repair
    bool recover;         // a mistake was reported; look for a new start
    bool quiet;           // the parser is being wound up: say nothing
    bool ended;           // no more tokens for this run of the parser
    bool give_up;         // nor for another one
    uint32_t last_resync; // where the last new start was, + 1
    int nmistakes;
};

/* Called by the scanner (rnn.l) and defined in literal.c. */
void scan_begin(Parse *ps, Token *t, size_t bytes);
void scan_line(Parse *ps);
void scan_mark(Parse *ps, const Token *t);
void scan_int(Parse *ps, Token *t, const char *text);
void scan_real(Parse *ps, Token *t, const char *text);
void scan_bad_number(Parse *ps, Token *t, const char *text);
void scan_bare_fraction(Parse *ps, Token *t, const char *text);
void scan_string(Parse *ps, Token *t, const char *text, size_t n);
void scan_open_string(Parse *ps, Token *t, const char *text, size_t n);
void scan_quoted(Parse *ps, Token *t, const char *text, size_t n);
void scan_update(Parse *ps, const Token *t, const char *op);
void scan_foreign(Parse *ps, Token *t, const char *theirs, const char *ours);
void scan_stray(Parse *ps, const Token *t);

/* The scanner itself: fills t, returns its kind. */
int rnn_scan(Token *t, void *scanner);

/* parse.c */
const Token *parse_token(Parse *ps);
void parse_too_deep(Parse *ps);
bool parse_is_keyword(const Token *t);
bool parse_starts_declaration(const Parse *ps, const Token *t);
bool parse_starts_statement(const Token *t);
bool parse_is_followed_by(const Parse *ps, const Token *t, char c);

/* complain.c: ps->now does not fit; `expected` are names of tokens. */
void parse_complain(Parse *ps, const char *const *expected, int n);
/* A declaration begins (or the text ends) while brackets are open. */
void parse_complain_open(Parse *ps, const Token *t);

/* build.c */
Span parse_join(Span first, Span last);
Span parse_after(Span before);
Ast *parse_node(Parse *ps, AstKind kind, Span at, Span name_at,
                const char *text, int n, ...);
Ast *parse_push(Parse *ps, Ast *list, Ast *kid);
void parse_declare(Parse *ps, Ast *decl);
Ast *parse_train(Parse *ps, Span at, Span name_at, const char *name,
                 Ast *header, Ast *block);
Ast *parse_evaluate(Parse *ps, Span at, Span name_at, const char *name,
                    Ast *header, Ast *block);
Ast *parse_per_class(Parse *ps, Span at, Span name_at, const char *name,
                     const Ast *per_class, Ast *args, Ast *block);
Ast *parse_type(Parse *ps, Span at, Span name_at, const char *base, Ast *dims,
                Ast *range);
Ast *parse_bare(Parse *ps, Ast *block, const Ast *values);
Ast *parse_target(Parse *ps, Ast *target);
Ast *parse_watched(Parse *ps, Ast *value);
Ast *parse_call(Parse *ps, Span at, Ast *callee, const Ast *args);
Ast *parse_index(Parse *ps, Span at, Ast *object, const Ast *subs);
Ast *parse_tuple(Parse *ps, Span at, Ast *first, const Ast *rest);

#endif
