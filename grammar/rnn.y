/*
 * rnn.y -- from words to the syntax tree.
 *
 * Line breaks mean nothing here: a statement ends where the next one can
 * begin. Where the next word could also go on with an expression ("-", "(",
 * "["), it does; "(" that opens the names of `(a, b) = e` is a token of its
 * own (T_TUPLE, told apart by parse.c).
 *
 * After a mistake inside a block, parse.c skips to the next statement and
 * sends T_RESYNC; after one outside, it starts the parser again at the next
 * declaration. The actions build nodes and nothing else.
 */
%require "3.6"
%define api.pure full
%define api.prefix {rnn_yy}
%define api.token.prefix {T_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param {Parse *ps}
%expect 0

%code requires {
#include "front/parse.h"
}

%code {
#define YYLLOC_DEFAULT(now, rhs, n)                                           \
    ((now) = (n) ? parse_join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n))             \
                 : parse_after(YYRHSLOC(rhs, 0)))
#define YYMAXDEPTH 6000

static int rnn_yylex(RNN_YYSTYPE *value, Span *at, Parse *ps);
static void rnn_yyerror(Span *at, Parse *ps, const char *message);

// A node of the construct that spans `at`; NAMED: with a name at `where`.
// The rest is the number of kids and the kids.
#define NODE(kind, at, text, ...)                                             \
    parse_node(ps, AST_##kind, at, (Span){0}, text, __VA_ARGS__)
#define NAMED(kind, at, where, text, ...)                                     \
    parse_node(ps, AST_##kind, at, where, text, __VA_ARGS__)
#define OPERATOR(at, op, x, y)                                                \
    parse_node(ps, AST_binary, at, (Span){0}, intern(op), 2, x, y)
#define LIST_OF(at, x) parse_node(ps, AST_list, at, (Span){0}, NULL, 1, x)
#define ADD_TO(list, x) parse_push(ps, list, x)
}

%union {
    Ast *ast;
    const char *text;
}

%token EOF 0 "the end of the file"
%token <text> NAME "a name"
%token <ast> INT "a number" REAL "a number with a point" STRING "a string"
%token ADD "+" SUB "-" MUL "*" DIV "/" FLOORDIV "//" MOD "%" MATMUL "@"
       POW "**" EQ "==" NE "!=" LT "<" LE "<=" GT ">" GE ">=" RANGE ".."
       DOT "." ASSIGN "=" ARROW "->" COLON ":" COMMA "," SEMI ";"
       LPAREN "(" RPAREN ")" LBRACK "[" RBRACK "]" LBRACE "{" RBRACE "}"
%token TUPLE "( of names" RESYNC "a new start"
%token <text>
       use "use" data "data" const "const" option "option" fn "fn"
       layer "layer" net "net" energy "energy" sampler "sampler"
       attack "attack" dynamics "dynamics" optimizer "optimizer"
       train "train" evaluate "evaluate" sample "sample" on "on"
       against "against" batch "batch" epochs "epochs" param "param"
       state "state" minimize "minimize" over "over" using "using"
       watch "watch" stop "stop" plot "plot" return "return"
       repeat "repeat" for "for" in "in" if "if" then "then" else "else"
       and "and" or "or" not "not" true "true" false "false"
       homogeneous "homogeneous" solve "solve" from "from" by "by"
       until "until"
       rollback "rollback" epoch_block "epoch" accept_if "accept"
       save_if "save" each "each"

%precedence END
%precedence "else"
%left "or"
%left "and"
%precedence "not"
%nonassoc "==" "!=" "<" "<=" ">" ">="
%nonassoc ".."
%left "+" "-"
%left "*" "/" "//" "%" "@"
%precedence NEGATE
%right "**"
%precedence "(" "[" "a string"

%type <ast> data_set fields field formals formal_list formal block body
%type <ast> type opt_type result marker rivals splits
%type <ast> stmts stmt bare if_stmt target watched_list watched names
%type <ast> expr postfix primary args arg_list arg subs sub items item_list
%type <ast> system event rates rate_list rate
%type <ast> header entry_args sample_formals per_class range doc
%type <text> flavour word entry_name

%%

file:
    decls
;
decls:
    %empty
|   decls decl
|   decls ";"
;

/* --- declarations: each adds itself to the file -------------------------- */

decl:
    "use" uses
|   "const" consts
|   data_set { parse_declare(ps, $1); }
|   "option" NAME ":" type "=" expr doc
        { parse_declare(ps, NAMED(option, @$, @2, $2, 3, $4, $6, $7)); }
|   flavour NAME formals result marker body
        { Ast *c = NAMED(callable, @$, @2, $2, 4, $3, $4, $6, $5);
          c->flavour = $1;
          parse_declare(ps, c); }
|   "train" entry_name header block
        { parse_declare(ps, parse_train(ps, @$, @2, $2, $3, $4)); }
|   "evaluate" entry_name header block
        { parse_declare(ps, parse_evaluate(ps, @$, @2, $2, $3, $4)); }
|   "sample" NAME sample_formals entry_args block
        { parse_declare(ps, NAMED(sample, @$, @2, $2, 3, $4, $3, $5)); }
|   "sample" NAME per_class entry_args block
        { parse_declare(ps, parse_per_class(ps, @$, @2, $2, $3, $4, $5)); }
;
uses:
    NAME { parse_declare(ps, NAMED(use, @1, @1, $1, 0)); }
|   uses "," NAME { parse_declare(ps, NAMED(use, @3, @3, $3, 0)); }
;
consts:
    NAME "=" expr { parse_declare(ps, NAMED(consts, @$, @1, $1, 1, $3)); }
|   consts "," NAME "=" expr
        { parse_declare(ps, NAMED(consts, parse_join(@3, @5), @3, $3, 1,
                                  $5)); }
;
data_set:
    "data" NAME "=" postfix ":" fields
        { $$ = NAMED(data, @$, @2, $2, 2, $4, $6); }
;
fields:
    field { $$ = LIST_OF(@1, $1); }
|   fields "," field { $$ = ADD_TO($1, $3); }
;
field:
    NAME type { $$ = NAMED(field, @$, @1, $1, 1, $2); }
|   NAME ":" type { $$ = NAMED(field, @$, @1, $1, 1, $3); }
;
doc:
    %empty { $$ = NULL; }
|   STRING
;
flavour:
    "fn" | "layer" | "net" | "energy" | "sampler" | "attack" | "dynamics"
|   "optimizer"
;
formals:
    "(" ")" { $$ = NODE(list, @$, NULL, 0); }
|   "(" formal_list ")" { $$ = $2; }
|   "(" formal_list "," ")" { $$ = $2; }
;
formal_list:
    formal { $$ = LIST_OF(@1, $1); }
|   formal_list "," formal { $$ = ADD_TO($1, $3); }
;
formal:
    NAME { $$ = NAMED(formal, @$, @1, $1, 2, NULL, NULL); }
|   NAME ":" type { $$ = NAMED(formal, @$, @1, $1, 2, $3, NULL); }
|   NAME "=" expr { $$ = NAMED(formal, @$, @1, $1, 2, NULL, $3); }
|   NAME ":" type "=" expr { $$ = NAMED(formal, @$, @1, $1, 2, $3, $5); }
;
result:
    %empty { $$ = NULL; }
|   "->" type { $$ = $2; }
;
marker:
    %empty { $$ = NULL; }
|   "homogeneous" { $$ = NAMED(name, @1, @1, $1, 0); }
|   "homogeneous" "if" expr { $$ = NAMED(name, @$, @1, $1, 1, $3); }
;
body:
    block
|   "=" expr { $$ = NODE(block, @2, NULL, 1,
                         NODE(return_, @2, NULL, 1, $2)); }
;

/* `header` is a list of three: split, splits against it, arguments. */
entry_name:
    %empty { $$ = NULL; }
|   NAME
;
header:
    entry_args { $$ = NODE(list, @$, NULL, 3, NULL, NULL, $1); }
|   "on" postfix rivals entry_args
        { $$ = NODE(list, @$, NULL, 3, $2, $3, $4); }
;
rivals:
    %empty { $$ = NULL; }
|   "against" splits { $$ = $2; }
;
splits:
    expr { $$ = LIST_OF(@1, $1); }
|   splits "," expr { $$ = ADD_TO($1, $3); }
;
entry_args:
    %empty { $$ = NODE(list, @$, NULL, 0); }
|   entry_args "batch" expr
        { $$ = ADD_TO($1, NAMED(arg, parse_join(@2, @3), @2, $2, 1, $3)); }
|   entry_args "epochs" expr
        { $$ = ADD_TO($1, NAMED(arg, parse_join(@2, @3), @2, $2, 1, $3)); }
;
sample_formals:
    %empty { $$ = NODE(list, @$, NULL, 0); }
|   formals
;
/* A list of two: how many of each class, formals. */
per_class:
    "(" expr "each" ")"
        { $$ = NODE(list, @$, NULL, 2, $2, NODE(list, @4, NULL, 0)); }
|   "(" expr "each" "," formal_list ")"
        { $$ = NODE(list, @$, NULL, 2, $2, $5); }
;

/* --- types --------------------------------------------------------------- */

type:
    NAME range { $$ = parse_type(ps, @$, @1, $1, NULL, $2); }
|   NAME "[" "]" range { $$ = parse_type(ps, @$, @1, $1, NULL, $4); }
|   NAME "[" items "]" range { $$ = parse_type(ps, @$, @1, $1, $3, $5); }
;
range:
    %empty { $$ = NULL; }
|   "in" "[" expr "," expr "]" { $$ = NODE(list, @$, NULL, 2, $3, $5); }
;
opt_type:
    %empty { $$ = NULL; }
|   ":" type { $$ = $2; }
;

/* --- statements ---------------------------------------------------------- */

block:
    "{" stmts "}" { $$ = $2; $$->span = @$; }
;
stmts:
    %empty { $$ = NODE(block, @$, NULL, 0); }
|   stmts ";"
|   stmts stmt { $$ = ADD_TO($1, $2); }
|   stmts bare %prec END
        { $$ = parse_bare(ps, $1, $2); }
|   stmts error RESYNC
        { $$ = ADD_TO($1, NODE(poison, @2, NULL, 0)); yyerrok; }
;
bare:
    expr %prec END { $$ = LIST_OF(@1, $1); }
|   bare "," expr %prec END { $$ = ADD_TO($1, $3); }
;
stmt:
    target "=" expr %prec END { $$ = NODE(assign, @$, NULL, 2, $1, $3); }
|   "return" expr %prec END { $$ = NODE(return_, @$, NULL, 1, $2); }
|   "repeat" expr block { $$ = NODE(repeat, @$, NULL, 2, $2, $3); }
|   "for" NAME "in" expr block
        { $$ = NAMED(for_, @$, @2, $2, 2, $4, $5); }
|   if_stmt
|   "param" NAME ":" type "=" expr %prec END
        { $$ = NAMED(param, @$, @2, $2, 2, $4, $6); }
|   "state" NAME opt_type "=" expr %prec END
        { $$ = NAMED(state, @$, @2, $2, 2, $3, $5); }
|   "minimize" expr "using" expr %prec END
        { $$ = NODE(minimize, @$, NULL, 3, $2, NULL, $4); }
|   "minimize" expr "over" NAME "using" expr %prec END
        { $$ = NODE(minimize, @$, NULL, 3, $2,
                    NAMED(name, @4, @4, $4, 0), $6); }
|   "watch" watched_list %prec END { $$ = NODE(watch, @$, NULL, 1, $2); }
|   "stop" "if" expr %prec END { $$ = NODE(stop, @$, NULL, 1, $3); }
|   "stop" "if" expr STRING { $$ = NODE(stop, @$, $4->text, 1, $3); }
|   "rollback" "if" expr %prec END { $$ = NODE(rollback, @$, NULL, 1, $3); }
|   "rollback" "if" expr STRING { $$ = NODE(rollback, @$, $4->text, 1, $3); }
|   "epoch" block { $$ = NODE(epoch, @$, NULL, 1, $2); }
|   "accept" "if" expr %prec END { $$ = NODE(accept, @$, NULL, 2, $3, NULL); }
|   "accept" "if" expr "else" "rollback" block
        { $$ = NODE(accept, @$, NULL, 2, $3, $6); }
|   "save" "if" expr STRING { $$ = NODE(save, @$, $4->text, 1, $3); }
|   "plot" expr %prec END { $$ = NODE(plot, @$, NULL, 1, $2); }
;
if_stmt:
    "if" expr block { $$ = NODE(if_, @$, NULL, 3, $2, $3, NULL); }
|   "if" expr block "else" block { $$ = NODE(if_, @$, NULL, 3, $2, $3, $5); }
|   "if" expr block "else" if_stmt
        { $$ = NODE(if_, @$, NULL, 3, $2, $3, $5); }
;
target:
    postfix { $$ = parse_target(ps, $1); }
|   TUPLE names ")" { $$ = $2; $$->span = @$; }
|   TUPLE names "," ")" { $$ = $2; $$->span = @$; }
;
names:
    NAME { $$ = NODE(tuple, @1, NULL, 1, NAMED(name, @1, @1, $1, 0)); }
|   names "," NAME { $$ = ADD_TO($1, NAMED(name, @3, @3, $3, 0)); }
;
watched_list:
    watched { $$ = LIST_OF(@1, $1); }
|   watched_list "," watched { $$ = ADD_TO($1, $3); }
;
watched:
    expr %prec END { $$ = parse_watched(ps, $1); }
|   NAME "=" expr %prec END { $$ = NAMED(watched, @$, @1, $1, 1, $3); }
;

/* --- expressions --------------------------------------------------------- */

expr:
    postfix %prec END
|   "if" expr "then" expr "else" expr %prec "else"
        { $$ = NODE(cond, @$, NULL, 3, $2, $4, $6); }
|   "solve" system "from" expr "over" expr event "by" postfix %prec END
        { $$ = NODE(solve, @$, NULL, 5, $2, $4, $6, $9, $7); }
|   expr "or" expr { $$ = OPERATOR(@$, "or", $1, $3); }
|   expr "and" expr { $$ = OPERATOR(@$, "and", $1, $3); }
|   "not" expr { $$ = NODE(unary, @$, $1, 1, $2); }
|   expr "==" expr { $$ = OPERATOR(@$, "==", $1, $3); }
|   expr "!=" expr { $$ = OPERATOR(@$, "!=", $1, $3); }
|   expr "<" expr { $$ = OPERATOR(@$, "<", $1, $3); }
|   expr "<=" expr { $$ = OPERATOR(@$, "<=", $1, $3); }
|   expr ">" expr { $$ = OPERATOR(@$, ">", $1, $3); }
|   expr ">=" expr { $$ = OPERATOR(@$, ">=", $1, $3); }
|   expr ".." expr { $$ = OPERATOR(@$, "..", $1, $3); }
|   expr "+" expr { $$ = OPERATOR(@$, "+", $1, $3); }
|   expr "-" expr { $$ = OPERATOR(@$, "-", $1, $3); }
|   expr "*" expr { $$ = OPERATOR(@$, "*", $1, $3); }
|   expr "/" expr { $$ = OPERATOR(@$, "/", $1, $3); }
|   expr "//" expr { $$ = OPERATOR(@$, "//", $1, $3); }
|   expr "%" expr { $$ = OPERATOR(@$, "%", $1, $3); }
|   expr "@" expr { $$ = OPERATOR(@$, "@", $1, $3); }
|   "-" expr %prec NEGATE { $$ = NODE(unary, @$, intern("-"), 1, $2); }
|   expr "**" expr { $$ = OPERATOR(@$, "**", $1, $3); }
;
event:
    %empty { $$ = NULL; }
|   "until" expr { $$ = $2; }
;
system:
    postfix %prec END
|   "(" rates ")" { $$ = $2; $$->span = @$; }
;
rates:
    rate_list
|   rate_list ","
;
rate_list:
    rate { $$ = LIST_OF(@1, $1); }
|   rate_list "," rate { $$ = ADD_TO($1, $3); }
;
rate:
    NAME "=" expr { $$ = NAMED(rate, @$, @1, $1, 1, $3); }
;
postfix:
    primary
|   postfix "(" args ")" { $$ = parse_call(ps, @$, $1, $3); }
|   postfix "[" subs "]" { $$ = parse_index(ps, @$, $1, $3); }
|   postfix "." word { $$ = NAMED(member, @$, @3, $3, 1, $1); }
;
primary:
    NAME { $$ = NAMED(name, @1, @1, $1, 0); }
|   "epochs" { $$ = NAMED(name, @1, @1, $1, 0); }
|   INT
|   REAL
|   STRING
|   "true" { $$ = NODE(bool_, @1, $1, 0); $$->inum = 1; }
|   "false" { $$ = NODE(bool_, @1, $1, 0); }
|   "(" expr ")" { $$ = $2; }
|   "(" expr "," ")" { $$ = NODE(tuple, @$, NULL, 1, $2); }
|   "(" expr "," items ")" { $$ = parse_tuple(ps, @$, $2, $4); }
|   "[" "]" { $$ = NODE(list, @$, NULL, 0); }
|   "[" items "]" { $$ = $2; $$->span = @$; }
;
items:
    item_list
|   item_list ","
;
item_list:
    expr { $$ = LIST_OF(@1, $1); }
|   item_list "," expr { $$ = ADD_TO($1, $3); }
;
args:
    %empty { $$ = NULL; }
|   arg_list
|   arg_list ","
;
arg_list:
    arg { $$ = LIST_OF(@1, $1); }
|   arg_list "," arg { $$ = ADD_TO($1, $3); }
;
arg:
    expr { $$ = NODE(arg, @$, NULL, 1, $1); }
|   word ":" expr { $$ = NAMED(arg, @$, @1, $1, 1, $3); }
;
subs:
    sub { $$ = LIST_OF(@1, $1); }
|   subs "," sub { $$ = ADD_TO($1, $3); }
;
sub:
    expr
|   ":" { $$ = NODE(whole, @1, NULL, 0); }
;

/* A name where no keyword could stand: after a point, before a colon. */
word:
    NAME
|   "use" | "data" | "const" | "option" | "fn" | "layer" | "net" | "energy"
|   "sampler" | "attack" | "dynamics" | "optimizer" | "train" | "evaluate"
|   "sample" | "on" | "against" | "batch" | "epochs" | "param" | "state"
|   "minimize" | "over" | "using" | "watch" | "stop" | "plot" | "return"
|   "repeat" | "for" | "in" | "if" | "then" | "else" | "and" | "or" | "not"
|   "true" | "false" | "homogeneous" | "solve" | "from" | "by" | "rollback" | "until"
;

%%

static int rnn_yylex(RNN_YYSTYPE *value, Span *at, Parse *ps)
{
    const Token *t = parse_token(ps);

    *at = t->span;
    if (t->kind == T_INT || t->kind == T_REAL || t->kind == T_STRING)
        value->ast = t->ast;
    else
        value->text = t->text;
    return t->kind;
}

/* Called only when the parser's stack is full. */
static void rnn_yyerror(Span *at, Parse *ps, const char *message)
{
    (void)at;
    (void)message;
    parse_too_deep(ps);
}

static int yyreport_syntax_error(const yypcontext_t *at, Parse *ps)
{
    yysymbol_kind_t sym[YYNTOKENS];
    const char *name[YYNTOKENS];
    int n = yypcontext_expected_tokens(at, sym, YYNTOKENS);

    for (int i = 0; i < n; i++)
        name[i] = yysymbol_name(sym[i]);
    parse_complain(ps, name, n < 0 ? 0 : n);
    return 0;
}
