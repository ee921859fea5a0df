/* The parse tree of a template, as Go's text/template/parse has it. */
#ifndef DORY_CMD_DORY_TEMPLATE_NODE_H
#define DORY_CMD_DORY_TEMPLATE_NODE_H

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strv.h"

enum node_type {
    NODE_LIST,       /* children */
    NODE_TEXT,       /* text */
    NODE_ACTION,     /* pipe */
    NODE_PIPE,       /* names it declares or assigns, children: commands */
    NODE_COMMAND,    /* children: a function or value and its arguments */
    NODE_FIELD,      /* names: .A.B */
    NODE_VARIABLE,   /* names: $x, then fields */
    NODE_CHAIN,      /* children[0] and fields of its value */
    NODE_IDENTIFIER, /* text: a function */
    NODE_DOT,
    NODE_NIL,
    NODE_BOOL,   /* number.integer */
    NODE_NUMBER, /* text, number */
    NODE_STRING, /* text as written, value */
    NODE_IF,     /* pipe, list, otherwise; so are RANGE and WITH */
    NODE_RANGE,
    NODE_WITH,
    NODE_TEMPLATE, /* value: its name; pipe may be NULL */
    NODE_BREAK,
    NODE_CONTINUE,
    /* Only while parsing. */
    NODE_END,
    NODE_ELSE,
};

struct node {
    enum node_type type;
    size_t position; /* in the text */
    char *text, *value;
    size_t value_size;
    struct strv names;
    struct node **children; /* pointers into the template's list of all nodes */
    size_t count, capacity;
    struct node *pipe, *list, *otherwise;
    bool assign; /* PIPE: "=" instead of ":=" */
    bool real;   /* NUMBER: a floating point constant */
    union {
        int64_t integer;
        double floating;
    } number;
};

struct template_definition {
    char *name;
    struct node *list;
};

struct template
{
    char *text;
    struct node *root;
    struct template_definition *definitions; /* {{define}} and {{block}} */
    size_t definition_count, definition_capacity;
    struct node **nodes; /* every node, for release */
    size_t node_count, node_capacity;
};

struct node *node_new(struct template *t, enum node_type type, size_t position);
void node_add(struct node *node, struct node *child);
/* The node as text, as Go prints it in errors. */
void node_print(const struct node *node, struct strbuf *out);
/* The list of {{define "name"}}, or NULL. */
const struct node *template_definition_find(const struct template *t, const char *name);

#endif
