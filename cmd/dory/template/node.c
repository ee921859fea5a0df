#include "cmd/dory/template/node.h"

#include <string.h>

#include "cmd/dory/template.h"

struct node *node_new(struct template *t, enum node_type type, size_t position)
{
    struct node *n = xcalloc(1, sizeof(*n));
    n->type = type;
    n->position = position;
    xgrow((void **)&t->nodes, t->node_count, &t->node_capacity, sizeof(struct node *));
    t->nodes[t->node_count++] = n;
    return n;
}

void node_add(struct node *node, struct node *child)
{
    xgrow((void **)&node->children, node->count, &node->capacity, sizeof(struct node *));
    node->children[node->count++] = child;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->node_count; i++) {
        free(t->nodes[i]->text);
        free(t->nodes[i]->value);
        free(t->nodes[i]->children);
        strv_release(&t->nodes[i]->names);
        free(t->nodes[i]);
    }
    free(t->nodes);
    for (size_t i = 0; i < t->definition_count; i++)
        free(t->definitions[i].name);
    free(t->definitions);
    free(t->text);
    free(t);
}

const struct node *template_definition_find(const struct template *t, const char *name)
{
    for (size_t i = t->definition_count; i-- > 0;) {
        if (strcmp(t->definitions[i].name, name) == 0)
            return t->definitions[i].list;
    }
    return NULL;
}

static void print_children(const struct node *node, const char *separator, struct strbuf *out)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = node->children[i];
        bool parenthesis = node->type == NODE_COMMAND && child->type == NODE_PIPE;
        strbuf_addf(out, "%s%s", i ? separator : "", parenthesis ? "(" : "");
        node_print(child, out);
        strbuf_adds(out, parenthesis ? ")" : "");
    }
}

static void print_pipe(const struct node *node, struct strbuf *out)
{
    for (size_t i = 0; i < node->names.count; i++)
        strbuf_addf(out, "%s%s", i ? ", " : "", node->names.items[i]);
    if (node->names.count > 0)
        strbuf_adds(out, node->assign ? " = " : " := ");
    print_children(node, " | ", out);
}

static void print_chain(const struct node *node, struct strbuf *out)
{
    bool parenthesis = node->children[0]->type == NODE_PIPE;
    strbuf_adds(out, parenthesis ? "(" : "");
    node_print(node->children[0], out);
    strbuf_adds(out, parenthesis ? ")" : "");
    for (size_t i = 0; i < node->names.count; i++)
        strbuf_addf(out, ".%s", node->names.items[i]);
}

static void print_branch(const struct node *node, const char *word, struct strbuf *out)
{
    strbuf_addf(out, "{{%s ", word);
    node_print(node->pipe, out);
    strbuf_adds(out, "}}");
    node_print(node->list, out);
    if (node->otherwise) {
        strbuf_adds(out, "{{else}}");
        node_print(node->otherwise, out);
    }
    strbuf_adds(out, "{{end}}");
}

/* What nodes without parts read as; NULL: they have parts. */
static const char *fixed_text(const struct node *node)
{
    switch (node->type) {
    case NODE_BOOL:
        return node->number.integer ? "true" : "false";
    case NODE_DOT:
        return ".";
    case NODE_NIL:
        return "nil";
    case NODE_BREAK:
        return "{{break}}";
    case NODE_CONTINUE:
        return "{{continue}}";
    case NODE_END:
        return "{{end}}";
    case NODE_ELSE:
        return "{{else}}";
    case NODE_TEXT:
    case NODE_IDENTIFIER:
    case NODE_NUMBER:
    case NODE_STRING:
        return node->text;
    default:
        return NULL;
    }
}

static void print_template(const struct node *node, struct strbuf *out)
{
    strbuf_addf(out, "{{template %s", node->text);
    if (node->pipe) {
        strbuf_addc(out, ' ');
        node_print(node->pipe, out);
    }
    strbuf_adds(out, "}}");
}

static void print_names(const struct node *node, struct strbuf *out)
{
    for (size_t i = 0; i < node->names.count; i++)
        strbuf_addf(out, "%s%s", i > 0 || node->type == NODE_FIELD ? "." : "", node->names.items[i]);
}

void node_print(const struct node *node, struct strbuf *out)
{
    switch (node->type) {
    case NODE_LIST:
        print_children(node, "", out);
        break;
    case NODE_ACTION:
        strbuf_adds(out, "{{");
        node_print(node->pipe, out);
        strbuf_adds(out, "}}");
        break;
    case NODE_PIPE:
        print_pipe(node, out);
        break;
    case NODE_COMMAND:
        print_children(node, " ", out);
        break;
    case NODE_FIELD:
    case NODE_VARIABLE:
        print_names(node, out);
        break;
    case NODE_CHAIN:
        print_chain(node, out);
        break;
    case NODE_IF:
        print_branch(node, "if", out);
        break;
    case NODE_RANGE:
        print_branch(node, "range", out);
        break;
    case NODE_WITH:
        print_branch(node, "with", out);
        break;
    case NODE_TEMPLATE:
        print_template(node, out);
        break;
    default:
        strbuf_adds(out, fixed_text(node));
        break;
    }
}
