#include "cmd/dory/template/lexer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "cmd/dory/template/quote.h"

#define BLANKS " \t\r\n"

struct lexer {
    const char *input;
    size_t pos, start;
    int line;
    int parens;
    struct tokens *out;
};

static void add(struct lexer *l, enum token_type type, char *text)
{
    struct tokens *t = l->out;
    xgrow((void **)&t->items, t->count, &t->capacity, sizeof(*t->items));
    t->items[t->count++] = (struct token){type, l->start, l->line, text};
    for (; l->start < l->pos; l->start++)
        l->line += l->input[l->start] == '\n';
}

static void emit(struct lexer *l, enum token_type type)
{
    add(l, type, xstrndup(l->input + l->start, l->pos - l->start));
}

static bool fail(struct lexer *l, char *message)
{
    add(l, TOKEN_ERROR, message);
    return false;
}

/* The character at p as Go's %#U: "U+0040 '@'". The caller frees. */
static char *name_character(const char *what, const char *p)
{
    uint32_t c;
    size_t size = utf8_decode(p, strlen(p), &c);
    return xasprintf("%s U+%04X '%.*s'", what, c, (int)size, p);
}

static bool blank(char c)
{
    return c && strchr(BLANKS, c) != NULL;
}

static bool alphanumeric(char c)
{
    return c == '_' || isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool at(const struct lexer *l, const char *text)
{
    return strncmp(l->input + l->pos, text, strlen(text)) == 0;
}

/* " -}}" */
static bool at_trimmed_end(const char *p)
{
    return blank(p[0]) && strncmp(p + 1, "-}}", 3) == 0;
}

/* May a name end here? */
static bool at_terminator(const struct lexer *l)
{
    char c = l->input[l->pos];
    return c == '\0' || blank(c) || strchr(".,|:)(", c) || at(l, "}}");
}

static bool right_delim(struct lexer *l)
{
    bool trim = at_trimmed_end(l->input + l->pos);
    if (trim) {
        l->pos += 2;
        l->start = l->pos;
    }
    l->pos += 2;
    emit(l, TOKEN_RIGHT_DELIM);
    if (trim) {
        l->pos += strspn(l->input + l->pos, BLANKS);
        for (; l->start < l->pos; l->start++)
            l->line += l->input[l->start] == '\n';
    }
    return true;
}

static bool lex_space(struct lexer *l)
{
    while (blank(l->input[l->pos]) && !at_trimmed_end(l->input + l->pos))
        l->pos++;
    emit(l, TOKEN_SPACE);
    return true;
}

static bool lex_quoted(struct lexer *l, char quote, enum token_type type, const char *what)
{
    for (l->pos++;; l->pos++) {
        char c = l->input[l->pos];
        if (c == '\\' && quote != '`' && l->input[l->pos + 1] && l->input[l->pos + 1] != '\n')
            l->pos++;
        else if (c == '\0' || (c == '\n' && quote != '`'))
            return fail(l, xstrdup(what));
        else if (c == quote)
            break;
    }
    l->pos++;
    emit(l, type);
    return true;
}

/* ".name" or "$name"; alone they are the dot and the root. */
static bool lex_name(struct lexer *l, enum token_type type)
{
    l->pos++;
    if (at_terminator(l)) {
        emit(l, type == TOKEN_VARIABLE ? TOKEN_VARIABLE : TOKEN_DOT);
        return true;
    }
    while (alphanumeric(l->input[l->pos]))
        l->pos++;
    if (!at_terminator(l))
        return fail(l, name_character("bad character", l->input + l->pos));
    emit(l, type);
    return true;
}

static bool lex_number(struct lexer *l)
{
    const char *p = l->input + l->pos, *digits = "0123456789_", *exponent = "eE";
    p += *p == '+' || *p == '-';
    if (*p == '0') {
        p++;
        if (*p == 'x' || *p == 'X') {
            p++;
            digits = "0123456789abcdefABCDEF_";
            exponent = "pP";
        } else if (*p == 'o' || *p == 'O') {
            p++;
            digits = "01234567_";
        } else if (*p == 'b' || *p == 'B') {
            p++;
            digits = "01_";
        }
    }
    p += strspn(p, digits);
    if (*p == '.')
        p += 1 + strspn(p + 1, digits);
    if (*p && strchr(exponent, *p)) {
        p++;
        p += *p == '+' || *p == '-';
        p += strspn(p, "0123456789_");
    }
    bool good = !alphanumeric(*p);
    l->pos = (size_t)(p - l->input) + !good;
    if (!good) {
        CLEANUP_FREE char *text = xstrndup(l->input + l->start, l->pos - l->start);
        CLEANUP_FREE char *quoted = quote_go(text, strlen(text));
        return fail(l, xasprintf("bad number syntax: %s", quoted));
    }
    emit(l, TOKEN_NUMBER);
    return true;
}

static bool lex_word(struct lexer *l)
{
    static const struct {
        const char *word;
        enum token_type type;
    } words[] = {{"block", TOKEN_BLOCK},
                 {"break", TOKEN_BREAK},
                 {"continue", TOKEN_CONTINUE},
                 {"define", TOKEN_DEFINE},
                 {"else", TOKEN_ELSE},
                 {"end", TOKEN_END},
                 {"if", TOKEN_IF},
                 {"nil", TOKEN_NIL},
                 {"range", TOKEN_RANGE},
                 {"template", TOKEN_TEMPLATE},
                 {"with", TOKEN_WITH},
                 {"true", TOKEN_BOOL},
                 {"false", TOKEN_BOOL}};
    while (alphanumeric(l->input[l->pos]))
        l->pos++;
    if (!at_terminator(l))
        return fail(l, name_character("bad character", l->input + l->pos));
    enum token_type type = TOKEN_IDENTIFIER;
    size_t size = l->pos - l->start;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strlen(words[i].word) == size && memcmp(words[i].word, l->input + l->start, size) == 0)
            type = words[i].type;
    }
    emit(l, type);
    return true;
}

/* Marks of one character or two. False when it is none of them; *ret_ok tells of an error. */
static bool lex_mark(struct lexer *l, bool *ret_ok)
{
    char c = l->input[l->pos];
    enum token_type type;
    *ret_ok = true;
    if (c == '=') {
        type = TOKEN_ASSIGN;
    } else if (c == ':') {
        if (l->input[++l->pos] != '=') {
            *ret_ok = fail(l, xstrdup("expected :="));
            return true;
        }
        type = TOKEN_DECLARE;
    } else if (c == '|') {
        type = TOKEN_PIPE;
    } else if (c == '(') {
        l->parens++;
        type = TOKEN_LEFT_PAREN;
    } else if (c == ')') {
        if (--l->parens < 0) {
            *ret_ok = fail(l, xstrdup("unexpected right paren"));
            return true;
        }
        type = TOKEN_RIGHT_PAREN;
    } else {
        return false;
    }
    l->pos++;
    emit(l, type);
    return true;
}

/* One token inside of an action; *ret_end when the action is over. */
static bool lex_inside(struct lexer *l, bool *ret_end)
{
    char c = l->input[l->pos], next = c ? l->input[l->pos + 1] : '\0';
    bool ok;
    *ret_end = at(l, "}}") || at_trimmed_end(l->input + l->pos);
    if (*ret_end)
        return l->parens == 0 ? right_delim(l) : fail(l, xstrdup("unclosed left paren"));
    if (c == '\0')
        return fail(l, xstrdup("unclosed action"));
    if (blank(c))
        return lex_space(l);
    if (lex_mark(l, &ok))
        return ok;
    if (c == '"')
        return lex_quoted(l, c, TOKEN_STRING, "unterminated quoted string");
    if (c == '`')
        return lex_quoted(l, c, TOKEN_RAW_STRING, "unterminated raw quoted string");
    if (c == '\'')
        return lex_quoted(l, c, TOKEN_CHARACTER, "unterminated character constant");
    if (c == '$')
        return lex_name(l, TOKEN_VARIABLE);
    if (c == '.' && !isdigit((unsigned char)next))
        return lex_name(l, TOKEN_FIELD);
    if (c == '.' || c == '+' || c == '-' || isdigit((unsigned char)c))
        return lex_number(l);
    if (alphanumeric(c))
        return lex_word(l);
    if (!isprint((unsigned char)c))
        return fail(l, name_character("unrecognized character in action:", l->input + l->pos));
    l->pos++;
    emit(l, TOKEN_CHAR);
    return true;
}

/* A comment, from its slash to the end of its action. */
static bool lex_comment(struct lexer *l)
{
    const char *end = strstr(l->input + l->pos, "*/");
    if (!end)
        return fail(l, xstrdup("unclosed comment"));
    l->pos = (size_t)(end + 2 - l->input);
    bool trim = at_trimmed_end(l->input + l->pos);
    if (!trim && !at(l, "}}"))
        return fail(l, xstrdup("comment ends before closing delimiter"));
    l->pos += trim ? 4 : 2;
    if (trim)
        l->pos += strspn(l->input + l->pos, BLANKS);
    for (; l->start < l->pos; l->start++)
        l->line += l->input[l->start] == '\n';
    return true;
}

static bool lex_action(struct lexer *l)
{
    bool trim = l->input[l->pos + 2] == '-' && blank(l->input[l->pos + 3]), end = false;
    size_t inside = l->pos + 2 + (trim ? 2 : 0);
    if (strncmp(l->input + inside, "/*", 2) == 0) {
        l->pos = inside;
        return lex_comment(l);
    }
    l->pos += 2;
    emit(l, TOKEN_LEFT_DELIM);
    l->pos = inside;
    for (; l->start < l->pos; l->start++)
        l->line += l->input[l->start] == '\n';
    l->parens = 0;
    while (!end) {
        if (!lex_inside(l, &end))
            return false;
    }
    return true;
}

void template_lex(const char *text, struct tokens *ret)
{
    struct lexer l = {.input = text, .line = 1, .out = ret};
    while (text[l.pos]) {
        const char *open = strstr(text + l.pos, "{{");
        size_t end = open ? (size_t)(open - text) : l.pos + strlen(text + l.pos), keep = end;
        if (open && open[2] == '-' && blank(open[3])) {
            while (keep > l.pos && blank(text[keep - 1]))
                keep--;
        }
        if (keep > l.pos) {
            l.pos = keep;
            emit(&l, TOKEN_TEXT);
        }
        l.pos = end;
        for (; l.start < l.pos; l.start++)
            l.line += text[l.start] == '\n';
        if (open && !lex_action(&l))
            return;
    }
    emit(&l, TOKEN_EOF);
}

void tokens_release(struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count; i++)
        free(tokens->items[i].text);
    free(tokens->items);
    *tokens = (struct tokens){0};
}

char *token_describe(const struct token *token)
{
    if (token->type == TOKEN_EOF)
        return xstrdup("EOF");
    if (token->type == TOKEN_ERROR)
        return xstrdup(token->text);
    if (token->type > TOKEN_DOT)
        return xasprintf("<%s>", token->text);
    size_t size = strlen(token->text);
    CLEANUP_FREE char *quoted = quote_go(token->text, size > 10 ? 10 : size);
    return xasprintf("%s%s", quoted, size > 10 ? "..." : "");
}
