/* The walk over the tree, with the errors of Go's text/template/exec.go. */
#include "cmd/dory/template/exec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dory/template/quote.h"

/* {{template}} within {{template}}. */
#define DEPTH_MAX 200
#define OUTPUT_MAX (64u << 20)
/* Nodes that a template may run through: it ends also when it loops over its own results. */
#define STEPS_MAX 50000000u

enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

int state_error(struct state *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    CLEANUP_FREE char *what = xvasprintf(format, args);
    va_end(args);
    if (!s->node)
        return error_set(s->err, ERROR_INVALID, 0, "template: %s: %s", s->name, what);
    CLEANUP_STRBUF struct strbuf at = STRBUF_INIT;
    CLEANUP_FREE char *name = quote_go(s->name, strlen(s->name));
    const char *text = s->template->text;
    int line = 1;
    size_t start = 0;
    for (size_t i = 0; i < s->node->position; i++) {
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    node_print(s->node, &at);
    return error_set(s->err, ERROR_INVALID, 0, "template: :%d:%zu: executing %s at <%s>: %s", line,
                     s->node->position - start, name, strbuf_str(&at), what);
}

void push_variable(struct state *s, const char *name, struct value value)
{
    xgrow((void **)&s->variables, s->variable_count, &s->variable_capacity, sizeof(*s->variables));
    s->variables[s->variable_count++] = (struct variable){name, value};
}

int set_variable(struct state *s, const char *name, struct value value)
{
    for (size_t i = s->variable_count; i-- > 0;) {
        if (strcmp(s->variables[i].name, name) == 0) {
            s->variables[i].value = value;
            return 0;
        }
    }
    return state_error(s, "undefined variable: %s", name);
}

static int walk(struct state *s, struct value dot, const struct node *node, enum flow *flow);

static int walk_condition(struct state *s, struct value dot, const struct node *node, enum flow *flow)
{
    struct value v;
    size_t mark = s->variable_count;
    int r = eval_pipeline(s, dot, node->pipe, &v);
    if (r == 0 && value_truth(v))
        r = walk(s, node->type == NODE_WITH ? v : dot, node->list, flow);
    else if (r == 0 && node->otherwise)
        r = walk(s, dot, node->otherwise, flow);
    s->variable_count = mark;
    return r;
}

/* What range goes over. */
struct range {
    struct value over;
    size_t count;
    size_t *order; /* of a map's members */
};

static int range_begin(struct state *s, struct value v, struct range *ret)
{
    ret->over = v;
    switch (value_kind(v)) {
    case JSON_NULL:
        ret->count = 0;
        return 0;
    case JSON_ARRAY:
        ret->count = v.json->array.count;
        return 0;
    case JSON_OBJECT:
        if (!value_is_map(v))
            break;
        ret->count = v.json->object.count;
        ret->order = value_sorted_keys(v.json);
        return 0;
    case JSON_INTEGER:
        ret->count = v.json->integer > 0 ? (size_t)v.json->integer : 0;
        return 0;
    default:
        break;
    }
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    value_print(v, &text);
    return state_error(s, "range can't iterate over %s", strbuf_str(&text));
}

static void range_item(struct state *s, const struct range *range, size_t i, struct value *ret_key,
                       struct value *ret_item)
{
    if (range->order) {
        const char *key = range->over.json->object.keys[range->order[i]];
        *ret_key = value_string(&s->arena, key, strlen(key));
        *ret_item = value_entry(range->over, range->order[i]);
        return;
    }
    *ret_key = value_integer(&s->arena, (int64_t)i);
    *ret_item = value_kind(range->over) == JSON_INTEGER ? *ret_key : value_element(range->over, i);
}

static int range_variables(struct state *s, const struct node *pipe, struct value key, struct value item)
{
    size_t count = pipe->names.count;
    int r = 0;
    if (pipe->assign) {
        if (count > 0)
            r = set_variable(s, pipe->names.items[0], count == 1 ? item : key);
        if (r == 0 && count > 1)
            r = set_variable(s, pipe->names.items[1], item);
        return r;
    }
    /* eval_pipeline has pushed them; these are of the iteration. */
    if (count > 0)
        push_variable(s, pipe->names.items[0], count == 1 ? item : key);
    if (count > 1)
        push_variable(s, pipe->names.items[1], item);
    return 0;
}

static int walk_range(struct state *s, struct value dot, const struct node *node, enum flow *flow)
{
    struct value v;
    struct range range = {0};
    size_t mark = s->variable_count;
    int r = eval_pipeline(s, dot, node->pipe, &v);
    if (r == 0)
        r = range_begin(s, v, &range);
    size_t inner = s->variable_count;
    for (size_t i = 0; i < range.count && r == 0; i++) {
        struct value key, item;
        enum flow one = FLOW_NEXT;
        range_item(s, &range, i, &key, &item);
        s->variable_count = inner;
        r = range_variables(s, node->pipe, key, item);
        if (r == 0)
            r = walk(s, item, node->list, &one);
        if (one == FLOW_BREAK)
            break;
    }
    free(range.order);
    if (r == 0 && range.count == 0 && node->otherwise)
        r = walk(s, dot, node->otherwise, flow);
    s->variable_count = mark;
    return r;
}

static int walk_template(struct state *s, struct value dot, const struct node *node)
{
    struct value v = NO_VALUE;
    enum flow flow = FLOW_NEXT;
    const struct node *list = template_definition_find(s->template, node->value);
    s->node = node;
    if (!list)
        return state_error(s, "template \"%s\" not defined", node->value);
    if (s->depth >= DEPTH_MAX)
        return state_error(s, "exceeded maximum template depth (%d)", DEPTH_MAX);
    int r = node->pipe ? eval_pipeline(s, dot, node->pipe, &v) : 0;
    if (r < 0)
        return r;
    /* A world of its own: no variables but its own "$". */
    const char *name = s->name;
    struct variable *variables = s->variables;
    size_t count = s->variable_count, capacity = s->variable_capacity;
    s->variables = NULL;
    s->variable_count = s->variable_capacity = 0;
    s->name = node->value;
    s->depth++;
    push_variable(s, "$", v);
    r = walk(s, v, list, &flow);
    s->depth--;
    s->name = name;
    free(s->variables);
    s->variables = variables;
    s->variable_count = count;
    s->variable_capacity = capacity;
    return r;
}

static int walk_action(struct state *s, struct value dot, const struct node *node)
{
    struct value v;
    int r = eval_pipeline(s, dot, node->pipe, &v);
    if (r < 0 || node->pipe->names.count > 0)
        return r;
    s->node = node;
    if (!v.json || (v.type == GO_ANY && value_kind(v) == JSON_NULL))
        strbuf_adds(s->out, "<no value>");
    else
        value_print(v, s->out);
    return 0;
}

static int walk_list(struct state *s, struct value dot, const struct node *node, enum flow *flow)
{
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0 && *flow == FLOW_NEXT; i++)
        r = walk(s, dot, node->children[i], flow);
    return r;
}

static int walk(struct state *s, struct value dot, const struct node *node, enum flow *flow)
{
    s->node = node;
    if (s->out->size > OUTPUT_MAX)
        return state_error(s, "more than %u bytes of output", OUTPUT_MAX);
    if (++s->steps > STEPS_MAX)
        return state_error(s, "more than %u steps", STEPS_MAX);
    switch (node->type) {
    case NODE_LIST:
        return walk_list(s, dot, node, flow);
    case NODE_TEXT:
        strbuf_adds(s->out, node->text);
        return 0;
    case NODE_ACTION:
        return walk_action(s, dot, node);
    case NODE_IF:
    case NODE_WITH:
        return walk_condition(s, dot, node, flow);
    case NODE_RANGE:
        return walk_range(s, dot, node, flow);
    case NODE_TEMPLATE:
        return walk_template(s, dot, node);
    case NODE_BREAK:
        *flow = FLOW_BREAK;
        return 0;
    case NODE_CONTINUE:
        *flow = FLOW_CONTINUE;
        return 0;
    default:
        return state_error(s, "unknown node");
    }
}

int template_execute_with(const struct template *t, const struct json *data, const struct template_options *options,
                          struct strbuf *out, struct error *err)
{
    struct state s = {.template = t, .options = options, .name = "", .out = out, .err = err};
    struct value root = {data, options->typed ? GO_FIELD : GO_ANY};
    enum flow flow = FLOW_NEXT;
    push_variable(&s, "$", root);
    int r = walk(&s, root, t->root, &flow);
    free(s.variables);
    arena_release(&s.arena);
    return r;
}

int template_execute(const struct template *t, const struct json *data, struct strbuf *out, struct error *err)
{
    return template_execute_with(t, data, &(struct template_options){0}, out, err);
}

int template_execute_object(const struct template *t, const struct json *data, struct strbuf *out, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int r = template_execute_with(t, data, &(struct template_options){.typed = true}, &text, err);
    if (r < 0) {
        strbuf_clear(&text);
        r = template_execute(t, data, &text, err);
    }
    if (r < 0)
        return error_context(err, "template parsing error");
    strbuf_add(out, strbuf_str(&text), text.size);
    return 0;
}

int template_render(const char *text, const struct json *data, const struct template_options *options,
                    struct strbuf *out, struct error *err)
{
    struct template *t;
    int r = template_parse(text, &t, err);
    if (r < 0)
        return r;
    r = template_execute_with(t, data, options, out, err);
    template_free(t);
    return r < 0 ? error_context(err, "template parsing error") : 0;
}
