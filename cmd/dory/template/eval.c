/* Pipelines, commands, fields and calls. */
#include <errno.h>
#include <string.h>

#include "cmd/dory/template/exec.h"
#include "cmd/dory/template/functions.h"

#define ARGUMENTS_MAX 64
/* Parentheses and calls within each other. */
#define EVAL_DEPTH_MAX 300

/* The value that a pipeline hands on to its next command; `present` tells it from the first command's none. */
struct final {
    struct value value;
    bool present;
};

static int eval_argument(struct state *s, struct value dot, const struct node *node, struct value *ret);
static int eval_function(struct state *s, struct value dot, const struct node *name, const struct node *command,
                         struct final final, struct value *ret);

static int not_a_function(struct state *s, const struct node *command, struct final final)
{
    if ((!command || command->count <= 1) && !final.present)
        return 0;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    node_print(command->children[0], &text);
    return state_error(s, "can't give argument to non-function %s", strbuf_str(&text));
}

/* The type of what a field was asked of, as errors name it. */
static const char *receiver_name(struct state *s, struct value v)
{
    if (s->options->type_name && s->variable_count > 0 && v.json == s->variables[0].value.json)
        return s->options->type_name;
    if (v.type == GO_ANY)
        return "interface {}";
    return value_type_name(v);
}

static int missing_member(struct state *s, struct value object, const char *name)
{
    if (s->options->type_name || !value_is_map(object))
        return state_error(
            s, s->options->type_name ? "can't evaluate field %s in type %s" : "map has no entry for key \"%s\"", name,
            receiver_name(s, object));
    return state_error(s, "map has no entry for key \"%s\"", name);
}

/* `.Label "key"`: the one method of rows of lists. */
static int call_label(struct state *s, struct value dot, struct value row, const struct node *command,
                      struct final final, struct value *ret)
{
    struct value key = final.value;
    int r = 0;
    size_t given = (command ? command->count - 1 : 0) + final.present;
    if (given != 1)
        return state_error(s, "wrong number of args for Label: want 1 got %zu", given);
    if (!final.present)
        r = eval_argument(s, dot, command->children[1], &key);
    if (r < 0)
        return r;
    if (value_kind(key) != JSON_STRING)
        return state_error(s, "wrong type for value; expected string; got %s", value_type_name(key));
    const char *name = key.json->string.data;
    const struct json *label = json_get(json_get(row.json, "LabelMap"), name);
    if (s->options->header) {
        const char *last = strrchr(name, '.');
        CLEANUP_FREE char *title = xstrdup(last ? last + 1 : name);
        for (char *p = title; *p; p++)
            *p = *p == '-' || *p == '_' ? ' ' : *p;
        *ret = value_string(&s->arena, title, strlen(title));
    } else {
        *ret = label ? (struct value){label, GO_FIELD} : value_string(&s->arena, "", 0);
    }
    return 0;
}

static int eval_field(struct state *s, struct value dot, struct value receiver, const char *name,
                      const struct node *command, struct final final, struct value *ret)
{
    bool arguments = (command && command->count > 1) || final.present;
    if (!receiver.json && s->options->typed) {
        *ret = NO_VALUE;
        return 0;
    }
    if (!receiver.json)
        return state_error(s, "nil data; no entry for key \"%s\"", name);
    if (strcmp(name, "Label") == 0 && value_kind(receiver) == JSON_OBJECT && json_get(receiver.json, "LabelMap"))
        return call_label(s, dot, receiver, command, final, ret);
    if (value_kind(receiver) == JSON_NULL)
        return state_error(s, "nil pointer evaluating %s.%s", receiver.type == GO_ANY ? "interface {}" : "*struct",
                           name);
    if (value_kind(receiver) != JSON_OBJECT)
        return state_error(s, "can't evaluate field %s in type %s", name, receiver_name(s, receiver));
    if (arguments)
        return state_error(s, "%s is not a method but has arguments", name);
    *ret = value_member(receiver, name, s->options->typed);
    /* A map of Go's types answers with nothing; what was asked of a struct or of untyped data is an error. */
    if (!ret->json && (receiver.type == GO_ANY || receiver.type == GO_FIELD) && !s->options->header)
        return missing_member(s, receiver, name);
    return 0;
}

static int eval_chain(struct state *s, struct value dot, struct value receiver, const struct strv *names, size_t first,
                      const struct node *command, struct final final, struct value *ret)
{
    int r = 0;
    for (size_t i = first; i < names->count && r == 0; i++) {
        bool last = i + 1 == names->count;
        r = eval_field(s, dot, receiver, names->items[i], last ? command : NULL, last ? final : (struct final){0},
                       &receiver);
    }
    *ret = receiver;
    return r;
}

static int eval_variable(struct state *s, struct value dot, const struct node *node, const struct node *command,
                         struct final final, struct value *ret)
{
    const char *name = node->names.items[0];
    s->node = node;
    for (size_t i = s->variable_count; i-- > 0;) {
        if (strcmp(s->variables[i].name, name) != 0)
            continue;
        if (node->names.count > 1)
            return eval_chain(s, dot, s->variables[i].value, &node->names, 1, command, final, ret);
        *ret = s->variables[i].value;
        return not_a_function(s, command, final);
    }
    return state_error(s, "undefined variable: %s", name);
}

static int eval_chain_node(struct state *s, struct value dot, const struct node *node, const struct node *command,
                           struct final final, struct value *ret)
{
    struct value v;
    s->node = node;
    int r = eval_argument(s, dot, node->children[0], &v);
    if (r < 0)
        return r;
    s->node = node;
    return eval_chain(s, dot, v, &node->names, 0, command, final, ret);
}

static void constant(struct state *s, const struct node *node, struct value *ret)
{
    if (node->type == NODE_BOOL)
        *ret = value_bool(&s->arena, node->number.integer != 0);
    else if (node->type == NODE_STRING)
        *ret = value_string(&s->arena, node->value, node->value_size);
    else if (node->real)
        *ret = value_real(&s->arena, node->number.floating);
    else
        *ret = value_integer(&s->arena, node->number.integer);
}

/* A node that stands as an argument. */
static int eval_argument(struct state *s, struct value dot, const struct node *node, struct value *ret)
{
    struct final none = {0};
    int r;
    s->node = node;
    *ret = NO_VALUE;
    switch (node->type) {
    case NODE_DOT:
        *ret = dot;
        return 0;
    case NODE_NIL:
        return 0;
    case NODE_FIELD:
        return eval_chain(s, dot, dot, &node->names, 0, NULL, none, ret);
    case NODE_VARIABLE:
        return eval_variable(s, dot, node, NULL, none, ret);
    case NODE_CHAIN:
        return eval_chain_node(s, dot, node, NULL, none, ret);
    case NODE_IDENTIFIER:
        return eval_function(s, dot, node, NULL, none, ret);
    case NODE_PIPE:
        if (++s->depth > EVAL_DEPTH_MAX)
            return state_error(s, "nested too deeply");
        r = eval_pipeline(s, dot, node, ret);
        s->depth--;
        return r;
    default:
        constant(s, node, ret);
        return 0;
    }
}

/* ---- calls ---- */

/* and, or: evaluate until the answer is known. */
static int eval_shortcut(struct state *s, struct value dot, bool and, const struct node *command, struct final final,
                         struct value *ret)
{
    size_t count = command ? command->count : 1;
    for (size_t i = 1; i < count; i++) {
        int r = eval_argument(s, dot, command->children[i], ret);
        if (r < 0 || value_truth(*ret) != and)
            return r;
    }
    if (final.present)
        *ret = final.value;
    return 0;
}

static bool is_strings(struct value v)
{
    if (value_kind(v) == JSON_NULL)
        return v.json != NULL;
    for (size_t i = 0; value_kind(v) == JSON_ARRAY && i < v.json->array.count; i++) {
        if (v.json->array.items[i].kind != JSON_STRING)
            return false;
    }
    return value_kind(v) == JSON_ARRAY;
}

static int check_argument(struct state *s, enum argument_type type, struct value v)
{
    static const char *const names[] = {"interface {}", "string", "int", "[]string"};
    if (type == ARGUMENT_ANY || (type == ARGUMENT_STRING && value_kind(v) == JSON_STRING) ||
        (type == ARGUMENT_INT && value_kind(v) == JSON_INTEGER) || (type == ARGUMENT_STRINGS && is_strings(v)))
        return 0;
    if (!v.json)
        return state_error(s, "invalid value; expected %s", names[type]);
    bool null = v.type == GO_ANY && value_kind(v) == JSON_NULL;
    return state_error(s, "wrong type for value; expected %s; got %s", names[type],
                       null ? "interface {}" : value_type_name(v));
}

/* A constant of the wrong type is told by its text. */
static int check_constant(struct state *s, enum argument_type type, const struct node *node)
{
    bool constant = node->type == NODE_STRING || node->type == NODE_NUMBER || node->type == NODE_BOOL;
    bool right = (type == ARGUMENT_STRING && node->type == NODE_STRING) ||
                 (type == ARGUMENT_INT && node->type == NODE_NUMBER && !node->real) || type == ARGUMENT_ANY;
    if (!constant || right)
        return 0;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    node_print(node, &text);
    s->node = node;
    if (type == ARGUMENT_STRINGS)
        return state_error(s, "can't handle %s for arg of type []string", strbuf_str(&text));
    return state_error(s, "expected %s; found %s", type == ARGUMENT_STRING ? "string" : "integer", strbuf_str(&text));
}

static int check_count(struct state *s, const struct function *function, size_t given)
{
    if ((function->max < 0 || function->max != function->min) && given < (size_t)function->min)
        return state_error(s, "wrong number of args for %s: want at least %d got %zu", function->name, function->min,
                           given);
    if (function->max >= 0 && (given > (size_t)function->max || given < (size_t)function->min))
        return state_error(s, "wrong number of args for %s: want %d got %zu", function->name, function->max, given);
    return given > ARGUMENTS_MAX ? state_error(s, "more than %d arguments for %s", ARGUMENTS_MAX, function->name) : 0;
}

static int eval_arguments(struct state *s, struct value dot, const struct function *function,
                          const struct node *command, struct final final, struct value *args, size_t *ret_count)
{
    size_t count = 0, written = command ? command->count - 1 : 0;
    for (size_t i = 0; i < written + final.present; i++) {
        enum argument_type type = i < ARRAY_SIZE(function->types) ? function->types[i] : ARGUMENT_ANY;
        int r = 0;
        if (i < written) {
            r = check_constant(s, type, command->children[i + 1]);
            if (r == 0)
                r = eval_argument(s, dot, command->children[i + 1], &args[count]);
            s->node = r == 0 ? command->children[i + 1] : s->node;
        } else {
            args[count] = final.value;
        }
        if (r == 0)
            r = check_argument(s, type, args[count]);
        if (r < 0)
            return r;
        count++;
    }
    *ret_count = count;
    return 0;
}

static int eval_function(struct state *s, struct value dot, const struct node *name, const struct node *command,
                         struct final final, struct value *ret)
{
    const struct function *function = function_find(name->text);
    struct value args[ARGUMENTS_MAX + 1];
    struct error failure = {0};
    size_t count = 0;
    s->node = name;
    int r = check_count(s, function, (command ? command->count - 1 : 0) + final.present);
    if (r < 0)
        return r;
    if (!function->run)
        return eval_shortcut(s, dot, strcmp(function->name, "and") == 0, command, final, ret);
    r = eval_arguments(s, dot, function, command, final, args, &count);
    if (r < 0)
        return r;
    struct call call = {&s->arena, s->options->header, args, count};
    if (function->run(&call, ret, &failure) < 0) {
        s->node = command ? command : name;
        return state_error(s, "error calling %s: %s", function->name, failure.message);
    }
    return 0;
}

/* ---- commands and pipelines ---- */

static int eval_command(struct state *s, struct value dot, const struct node *command, struct final final,
                        struct value *ret)
{
    const struct node *first = command->children[0];
    int r;
    s->node = first;
    switch (first->type) {
    case NODE_FIELD:
        return eval_chain(s, dot, dot, &first->names, 0, command, final, ret);
    case NODE_CHAIN:
        return eval_chain_node(s, dot, first, command, final, ret);
    case NODE_IDENTIFIER:
        return eval_function(s, dot, first, command, final, ret);
    case NODE_VARIABLE:
        return eval_variable(s, dot, first, command, final, ret);
    case NODE_PIPE:
        r = not_a_function(s, command, final);
        return r < 0 ? r : eval_argument(s, dot, first, ret);
    case NODE_NIL:
        return state_error(s, "nil is not a command");
    default:
        r = not_a_function(s, command, final);
        return r < 0 ? r : eval_argument(s, dot, first, ret);
    }
}

int eval_pipeline(struct state *s, struct value dot, const struct node *pipe, struct value *ret)
{
    struct final final = {0};
    s->node = pipe;
    for (size_t i = 0; i < pipe->count; i++) {
        struct value v = NO_VALUE;
        int r = eval_command(s, dot, pipe->children[i], final, &v);
        if (r < 0)
            return r;
        final = (struct final){v, true};
    }
    for (size_t i = 0; i < pipe->names.count; i++) {
        int r = 0;
        if (pipe->assign)
            r = set_variable(s, pipe->names.items[i], final.value);
        else
            push_variable(s, pipe->names.items[i], final.value);
        if (r < 0)
            return r;
    }
    *ret = final.value;
    return 0;
}
