/* The tokens of Go's text/template (package text/template/parse). Pure; the whole text is split at once. */
#ifndef DORY_CMD_DORY_TEMPLATE_LEXER_H
#define DORY_CMD_DORY_TEMPLATE_LEXER_H

#include <stdbool.h>
#include <stddef.h>

enum token_type {
    TOKEN_ERROR, /* text: what is wrong; the last token */
    TOKEN_EOF,
    TOKEN_TEXT, /* outside of actions */
    TOKEN_LEFT_DELIM,
    TOKEN_RIGHT_DELIM,
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_SPACE,
    TOKEN_PIPE,
    TOKEN_ASSIGN,     /* = */
    TOKEN_DECLARE,    /* := */
    TOKEN_CHAR,       /* another printable character, "," */
    TOKEN_BOOL,       /* true, false */
    TOKEN_CHARACTER,  /* 'a' */
    TOKEN_NUMBER,     /* not checked further */
    TOKEN_STRING,     /* with its quotes */
    TOKEN_RAW_STRING, /* with its back quotes */
    TOKEN_FIELD,      /* ".Name" */
    TOKEN_VARIABLE,   /* "$name" or "$" */
    TOKEN_IDENTIFIER, /* name of a function */
    /* The rest are keywords. */
    TOKEN_DOT,
    TOKEN_BLOCK,
    TOKEN_BREAK,
    TOKEN_CONTINUE,
    TOKEN_DEFINE,
    TOKEN_ELSE,
    TOKEN_END,
    TOKEN_IF,
    TOKEN_NIL,
    TOKEN_RANGE,
    TOKEN_TEMPLATE,
    TOKEN_WITH,
};

struct token {
    enum token_type type;
    size_t position; /* in the template's text */
    int line;        /* from 1 */
    char *text;
};

struct tokens {
    struct token *items;
    size_t count, capacity;
};

/* Ends with TOKEN_EOF or TOKEN_ERROR. */
void template_lex(const char *text, struct tokens *ret);
void tokens_release(struct tokens *tokens);
/* How an error names the token; the caller frees. */
char *token_describe(const struct token *token);

#endif
