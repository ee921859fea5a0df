/* From text to tree, with the errors of Go's text/template/parse. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dory/template.h"
#include "cmd/dory/template/functions.h"
#include "cmd/dory/template/lexer.h"
#include "cmd/dory/template/node.h"
#include "cmd/dory/template/number.h"
#include "cmd/dory/template/quote.h"

/* Actions and parentheses within each other. */
#define NESTING_MAX 100

struct parser {
    struct template *template;
    struct tokens tokens;
    size_t next;
    struct strv variables; /* in scope */
    int depth, ranges;
    bool failed;
    struct error *err;
};

static struct node *fail(struct parser *p, char *what)
{
    CLEANUP_FREE char *message = what;
    const struct token *token = &p->tokens.items[p->next > 0 ? p->next - 1 : 0];
    if (!p->failed)
        error_set(p->err, ERROR_INVALID, 0, "template: :%d: %s", token->line, message);
    p->failed = true;
    return NULL;
}

static const struct token *next(struct parser *p)
{
    const struct token *token = &p->tokens.items[p->next];
    /* The last token is given again and again. */
    p->next += p->next + 1 < p->tokens.count;
    return token;
}

static const struct token *peek(struct parser *p)
{
    return &p->tokens.items[p->next];
}

static const struct token *next_nonspace(struct parser *p)
{
    while (peek(p)->type == TOKEN_SPACE)
        p->next++;
    return next(p);
}

static const struct token *peek_nonspace(struct parser *p)
{
    while (peek(p)->type == TOKEN_SPACE)
        p->next++;
    return peek(p);
}

static struct node *unexpected(struct parser *p, const struct token *token, const char *context)
{
    CLEANUP_FREE char *described = token_describe(token);
    if (token->type == TOKEN_ERROR)
        return fail(p, xstrdup(described));
    return fail(p, xasprintf("unexpected %s in %s", described, context));
}

static bool expect(struct parser *p, enum token_type type, const char *context)
{
    const struct token *token = next_nonspace(p);
    if (token->type != type)
        unexpected(p, token, context);
    return token->type == type;
}

static bool deeper(struct parser *p)
{
    if (++p->depth > NESTING_MAX)
        fail(p, xstrdup("nested too deeply"));
    return !p->failed;
}

static struct node *parse_pipeline(struct parser *p, const char *context, enum token_type end);
static struct node *parse_text_or_action(struct parser *p);

/* ---- operands ---- */

static struct node *parse_number(struct parser *p, const struct token *token)
{
    struct node *n = node_new(p->template, NODE_NUMBER, token->position);
    n->text = xstrdup(token->text);
    int r = number_parse(token->text, &n->real, &n->number.integer, &n->number.floating);
    if (r == -ERANGE)
        return fail(p, xasprintf("integer overflow: \"%s\"", token->text));
    if (r < 0)
        return fail(p, xasprintf("illegal number syntax: \"%s\"", token->text));
    return n;
}

static struct node *parse_character(struct parser *p, const struct token *token)
{
    struct node *n = node_new(p->template, NODE_NUMBER, token->position);
    n->text = xstrdup(token->text);
    if (number_parse_character(token->text, &n->number.integer) < 0)
        return fail(p, xasprintf("malformed character constant: %s", token->text));
    return n;
}

static struct node *parse_string(struct parser *p, const struct token *token)
{
    struct node *n = node_new(p->template, NODE_STRING, token->position);
    CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
    n->text = xstrdup(token->text);
    if (unquote_go(token->text, &value) < 0)
        return fail(p, xstrdup("invalid syntax"));
    n->value_size = value.size;
    n->value = strbuf_take(&value);
    return n;
}

static struct node *parse_variable(struct parser *p, const struct token *token)
{
    struct node *n = node_new(p->template, NODE_VARIABLE, token->position);
    strv_add(&n->names, token->text);
    if (!strv_contains(&p->variables, token->text))
        return fail(p, xasprintf("undefined variable \"%s\"", token->text));
    return n;
}

static struct node *parse_word(struct parser *p, const struct token *token)
{
    if (!function_find(token->text))
        return fail(p, xasprintf("function \"%s\" not defined", token->text));
    struct node *n = node_new(p->template, NODE_IDENTIFIER, token->position);
    n->text = xstrdup(token->text);
    return n;
}

/* NULL without an error: there is no operand here. */
static struct node *parse_term(struct parser *p)
{
    const struct token *token = peek_nonspace(p);
    struct node *n;
    size_t at = p->next;
    next(p);
    switch (token->type) {
    case TOKEN_IDENTIFIER:
        return parse_word(p, token);
    case TOKEN_DOT:
        return node_new(p->template, NODE_DOT, token->position);
    case TOKEN_NIL:
        return node_new(p->template, NODE_NIL, token->position);
    case TOKEN_VARIABLE:
        return parse_variable(p, token);
    case TOKEN_FIELD:
        n = node_new(p->template, NODE_FIELD, token->position);
        strv_add(&n->names, token->text + 1);
        return n;
    case TOKEN_BOOL:
        n = node_new(p->template, NODE_BOOL, token->position);
        n->number.integer = strcmp(token->text, "true") == 0;
        return n;
    case TOKEN_CHARACTER:
        return parse_character(p, token);
    case TOKEN_NUMBER:
        return parse_number(p, token);
    case TOKEN_STRING:
    case TOKEN_RAW_STRING:
        return parse_string(p, token);
    case TOKEN_LEFT_PAREN:
        n = deeper(p) ? parse_pipeline(p, "parenthesized pipeline", TOKEN_RIGHT_PAREN) : NULL;
        p->depth--;
        return n;
    default:
        p->next = at;
        return NULL;
    }
}

/* A term and the fields behind it. */
static struct node *parse_operand(struct parser *p)
{
    struct node *n = parse_term(p);
    if (!n || p->failed || peek(p)->type != TOKEN_FIELD)
        return n;
    struct node *chain = n;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    switch (n->type) {
    case NODE_FIELD:
    case NODE_VARIABLE:
        n->position = peek(p)->position;
        break;
    case NODE_BOOL:
    case NODE_STRING:
    case NODE_NUMBER:
    case NODE_NIL:
    case NODE_DOT: {
        node_print(n, &text);
        CLEANUP_FREE char *quoted = quote_go(strbuf_str(&text), text.size);
        return fail(p, xasprintf("unexpected . after term %s", quoted));
    }
    default:
        chain = node_new(p->template, NODE_CHAIN, peek(p)->position);
        node_add(chain, n);
    }
    while (peek(p)->type == TOKEN_FIELD)
        strv_add(&chain->names, next(p)->text + 1);
    return chain;
}

static struct node *parse_command(struct parser *p)
{
    struct node *command = node_new(p->template, NODE_COMMAND, peek_nonspace(p)->position);
    while (!p->failed) {
        peek_nonspace(p);
        struct node *operand = parse_operand(p);
        if (operand)
            node_add(command, operand);
        const struct token *token = peek(p);
        if (p->failed || token->type == TOKEN_RIGHT_DELIM || token->type == TOKEN_RIGHT_PAREN)
            break;
        next(p);
        if (token->type == TOKEN_PIPE)
            break;
        if (token->type != TOKEN_SPACE)
            return unexpected(p, token, "operand");
    }
    return command->count > 0 || p->failed ? command : fail(p, xstrdup("empty command"));
}

/* ---- pipelines ---- */

static void declare(struct parser *p, struct node *pipe, const char *name)
{
    strv_add(&pipe->names, name);
    strv_add(&p->variables, name);
}

/* "$x :=", "$x =" or "$i, $x :=" in front of a pipeline. */
static void parse_declarations(struct parser *p, struct node *pipe, const char *context)
{
    while (!p->failed) {
        const struct token *name = peek_nonspace(p);
        size_t start = p->next;
        if (name->type != TOKEN_VARIABLE)
            return;
        p->next++;
        const struct token *token = peek_nonspace(p);
        if (token->type == TOKEN_ASSIGN || token->type == TOKEN_DECLARE) {
            pipe->assign = token->type == TOKEN_ASSIGN;
            next(p);
            declare(p, pipe, name->text);
            return;
        }
        if (token->type != TOKEN_CHAR || strcmp(token->text, ",") != 0) {
            p->next = start;
            return;
        }
        next(p);
        declare(p, pipe, name->text);
        if (strcmp(context, "range") != 0 || pipe->names.count >= 2) {
            fail(p, xasprintf("too many declarations in %s", context));
            return;
        }
        enum token_type type = peek_nonspace(p)->type;
        if (type != TOKEN_VARIABLE && type != TOKEN_RIGHT_DELIM && type != TOKEN_RIGHT_PAREN)
            fail(p, xstrdup("range can only initialize variables"));
    }
}

static struct node *check_pipeline(struct parser *p, struct node *pipe, const char *context)
{
    if (pipe->count == 0)
        return fail(p, xasprintf("missing value for %s", context));
    for (size_t i = 1; i < pipe->count; i++) {
        enum node_type type = pipe->children[i]->children[0]->type;
        if (type == NODE_BOOL || type == NODE_DOT || type == NODE_NIL || type == NODE_NUMBER || type == NODE_STRING)
            return fail(p, xasprintf("non executable command in pipeline stage %zu", i + 1));
    }
    return pipe;
}

static bool begins_operand(enum token_type type)
{
    return type == TOKEN_BOOL || type == TOKEN_CHARACTER || type == TOKEN_NUMBER || type == TOKEN_STRING ||
           type == TOKEN_RAW_STRING || type == TOKEN_FIELD || type == TOKEN_VARIABLE || type == TOKEN_IDENTIFIER ||
           type == TOKEN_DOT || type == TOKEN_NIL || type == TOKEN_LEFT_PAREN;
}

static struct node *parse_pipeline(struct parser *p, const char *context, enum token_type end)
{
    struct node *pipe = node_new(p->template, NODE_PIPE, peek_nonspace(p)->position);
    parse_declarations(p, pipe, context);
    while (!p->failed) {
        const struct token *token = peek_nonspace(p);
        if (token->type == end) {
            next(p);
            return check_pipeline(p, pipe, context);
        }
        if (!begins_operand(token->type)) {
            next(p);
            return unexpected(p, token, context);
        }
        struct node *command = parse_command(p);
        if (command)
            node_add(pipe, command);
    }
    return NULL;
}

/* ---- actions ---- */

/* Up to the {{end}} or {{else}} that ends the list. */
static struct node *parse_list(struct parser *p, struct node **ret_end)
{
    struct node *list = node_new(p->template, NODE_LIST, peek_nonspace(p)->position);
    while (!p->failed && peek_nonspace(p)->type != TOKEN_EOF) {
        struct node *n = parse_text_or_action(p);
        if (p->failed)
            return NULL;
        if (n->type == NODE_END || n->type == NODE_ELSE) {
            *ret_end = n;
            return list;
        }
        node_add(list, n);
    }
    return fail(p, xstrdup("unexpected EOF"));
}

static void forget_variables(struct parser *p, size_t count)
{
    while (p->variables.count > count)
        strv_remove(&p->variables, p->variables.count - 1);
}

static struct node *parse_control(struct parser *p, enum node_type type, const char *context);

/* What follows {{else}}: another condition without an {{end}} of its own, or a list. */
static struct node *parse_else(struct parser *p, enum node_type type, const char *context)
{
    enum token_type again = type == NODE_IF ? TOKEN_IF : TOKEN_WITH;
    if ((type == NODE_IF || type == NODE_WITH) && peek(p)->type == again) {
        struct node *list = node_new(p->template, NODE_LIST, next(p)->position);
        struct node *n = parse_control(p, type, context);
        if (n)
            node_add(list, n);
        return list;
    }
    struct node *end = NULL, *list = parse_list(p, &end);
    if (!p->failed && end->type != NODE_END)
        return fail(p, xstrdup("expected end; found {{else}}"));
    return list;
}

static struct node *parse_control(struct parser *p, enum node_type type, const char *context)
{
    size_t variables = p->variables.count;
    struct node *n = node_new(p->template, type, peek(p)->position), *end = NULL;
    n->pipe = parse_pipeline(p, context, TOKEN_RIGHT_DELIM);
    if (p->failed || !deeper(p))
        return NULL;
    p->ranges += type == NODE_RANGE;
    n->list = parse_list(p, &end);
    p->ranges -= type == NODE_RANGE;
    if (!p->failed && end->type == NODE_ELSE)
        n->otherwise = parse_else(p, type, context);
    p->depth--;
    forget_variables(p, variables);
    return p->failed ? NULL : n;
}

static char *parse_name(struct parser *p, const struct token *token, const char *context)
{
    CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
    if (token->type != TOKEN_STRING && token->type != TOKEN_RAW_STRING) {
        unexpected(p, token, context);
        return NULL;
    }
    if (unquote_go(token->text, &name) < 0) {
        fail(p, xstrdup("invalid syntax"));
        return NULL;
    }
    return strbuf_take(&name);
}

static struct node *parse_template(struct parser *p)
{
    const struct token *token = next_nonspace(p);
    struct node *n = node_new(p->template, NODE_TEMPLATE, token->position);
    n->value = parse_name(p, token, "template clause");
    n->text = xstrdup(token->text);
    if (p->failed)
        return NULL;
    if (peek_nonspace(p)->type == TOKEN_RIGHT_DELIM)
        next(p);
    else
        n->pipe = parse_pipeline(p, "template clause", TOKEN_RIGHT_DELIM);
    return n;
}

static void define(struct template *t, const char *name, struct node *list)
{
    xgrow((void **)&t->definitions, t->definition_count, &t->definition_capacity, sizeof(*t->definitions));
    t->definitions[t->definition_count++] = (struct template_definition){xstrdup(name), list};
}

/* The body of {{define}} and {{block}}: variables from outside are not seen in it. */
static void parse_body(struct parser *p, const char *name, const char *context)
{
    struct strv outer = p->variables;
    struct node *end = NULL;
    int ranges = p->ranges;
    p->variables = (struct strv){0};
    p->ranges = 0;
    strv_add(&p->variables, "$");
    struct node *list = deeper(p) ? parse_list(p, &end) : NULL;
    p->depth--;
    if (!p->failed && end->type != NODE_END)
        fail(p, xasprintf("unexpected {{else}} in %s", context));
    strv_release(&p->variables);
    p->variables = outer;
    p->ranges = ranges;
    if (!p->failed)
        define(p->template, name, list);
}

static struct node *parse_block(struct parser *p)
{
    struct node *n = node_new(p->template, NODE_TEMPLATE, peek(p)->position);
    const struct token *token = next_nonspace(p);
    n->value = parse_name(p, token, "block clause");
    n->text = xstrdup(token->text);
    if (!p->failed)
        n->pipe = parse_pipeline(p, "block clause", TOKEN_RIGHT_DELIM);
    if (!p->failed)
        parse_body(p, n->value, "block clause");
    return n;
}

static void parse_define(struct parser *p)
{
    CLEANUP_FREE char *name = parse_name(p, next_nonspace(p), "define clause");
    if (!p->failed && expect(p, TOKEN_RIGHT_DELIM, "define clause"))
        parse_body(p, name, "define clause");
}

static struct node *parse_loop_control(struct parser *p, enum node_type type, const char *word)
{
    CLEANUP_FREE char *context = xasprintf("{{%s}}", word);
    struct node *n = node_new(p->template, type, peek(p)->position);
    if (!expect(p, TOKEN_RIGHT_DELIM, context))
        return NULL;
    return p->ranges > 0 ? n : fail(p, xasprintf("{{%s}} outside {{range}}", word));
}

static struct node *parse_action(struct parser *p)
{
    const struct token *token = peek_nonspace(p);
    struct node *n;
    switch (token->type) {
    case TOKEN_IF:
        next(p);
        return parse_control(p, NODE_IF, "if");
    case TOKEN_RANGE:
        next(p);
        return parse_control(p, NODE_RANGE, "range");
    case TOKEN_WITH:
        next(p);
        return parse_control(p, NODE_WITH, "with");
    case TOKEN_BLOCK:
        next(p);
        return parse_block(p);
    case TOKEN_TEMPLATE:
        next(p);
        return parse_template(p);
    case TOKEN_BREAK:
        next(p);
        return parse_loop_control(p, NODE_BREAK, "break");
    case TOKEN_CONTINUE:
        next(p);
        return parse_loop_control(p, NODE_CONTINUE, "continue");
    case TOKEN_END:
        next(p);
        expect(p, TOKEN_RIGHT_DELIM, "end");
        return node_new(p->template, NODE_END, token->position);
    case TOKEN_ELSE:
        next(p);
        n = node_new(p->template, NODE_ELSE, token->position);
        if (peek_nonspace(p)->type != TOKEN_IF && peek(p)->type != TOKEN_WITH)
            expect(p, TOKEN_RIGHT_DELIM, "else");
        return n;
    default:
        n = node_new(p->template, NODE_ACTION, token->position);
        n->pipe = parse_pipeline(p, "command", TOKEN_RIGHT_DELIM);
        return n;
    }
}

static struct node *parse_text_or_action(struct parser *p)
{
    const struct token *token = next_nonspace(p);
    if (token->type == TOKEN_LEFT_DELIM)
        return parse_action(p);
    if (token->type != TOKEN_TEXT)
        return unexpected(p, token, "input");
    struct node *n = node_new(p->template, NODE_TEXT, token->position);
    n->text = xstrdup(token->text);
    return n;
}

static void parse_all(struct parser *p)
{
    p->template->root = node_new(p->template, NODE_LIST, 0);
    while (!p->failed && peek(p)->type != TOKEN_EOF) {
        if (peek(p)->type == TOKEN_LEFT_DELIM) {
            size_t start = p->next++;
            if (peek_nonspace(p)->type == TOKEN_DEFINE) {
                next(p);
                parse_define(p);
                continue;
            }
            p->next = start;
        }
        struct node *n = parse_text_or_action(p);
        if (p->failed)
            return;
        if (n->type == NODE_END || n->type == NODE_ELSE)
            fail(p, xasprintf("unexpected {{%s}}", n->type == NODE_END ? "end" : "else"));
        node_add(p->template->root, n);
    }
}

int template_parse(const char *text, struct template **ret, struct error *err)
{
    struct error failure = {0};
    struct parser p = {.template = xcalloc(1, sizeof(struct template)), .err = &failure};
    p.template->text = xstrdup(text);
    template_lex(text, &p.tokens);
    strv_add(&p.variables, "$");
    parse_all(&p);
    tokens_release(&p.tokens);
    strv_release(&p.variables);
    if (p.failed) {
        template_free(p.template);
        error_context(&failure, "template parsing error");
        return error_propagate(err, &failure);
    }
    *ret = p.template;
    return 0;
}
