#include "cmd/dory/template.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "base/parse.h"
#include "base/strv.h"

#define NESTING_MAX 32
#define OUTPUT_MAX (64u << 20)

enum node_type { NODE_TEXT, NODE_ACTION, NODE_IF, NODE_RANGE, NODE_WITH };

struct node {
    enum node_type type;
    char *text; /* the literal, or the pipeline's source */
    struct node *body, *otherwise;
    struct node *next;
};

struct template
{
    struct node *root;
};

/* ---- parsing into nodes; pipelines stay source text and are read while they are executed ---- */

struct parser {
    const char *p;
    int depth;
    bool trim_next; /* the last action ended in -}} */
};

static void node_free(struct node *n)
{
    while (n) {
        struct node *next = n->next;
        node_free(n->body);
        node_free(n->otherwise);
        free(n->text);
        free(n);
        n = next;
    }
}

static struct node *node_new(enum node_type type, char *text)
{
    struct node *n = xcalloc(1, sizeof(*n));
    n->type = type;
    n->text = text;
    return n;
}

static int syntax_error(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, 0, "template parsing error: template: :1: %s", what);
}

/* The source between {{ and }}, trimmed; quoted strings may hold braces. */
static int take_action(struct parser *ps, char **ret, struct error *err)
{
    const char *start = ps->p, *p = start;
    if (p[0] == '-' && (isspace((unsigned char)p[1])))
        start = ++p;
    for (; *p; p++) {
        if (*p == '"' || *p == '`') {
            char quote = *p++;
            while (*p && *p != quote)
                p += quote == '"' && p[0] == '\\' && p[1] ? 2 : 1;
            if (!*p)
                return syntax_error(err, "unterminated quoted string");
        } else if (p[0] == '}' && p[1] == '}') {
            break;
        }
    }
    if (!*p)
        return syntax_error(err, "unclosed action");
    const char *end = p;
    ps->trim_next = end > start + 1 && end[-1] == '-' && isspace((unsigned char)end[-2]);
    if (ps->trim_next)
        end--;
    while (start < end && isspace((unsigned char)*start))
        start++;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    ps->p = p + 2;
    *ret = xstrndup(start, (size_t)(end - start));
    return 0;
}

static char *take_text(struct parser *ps)
{
    const char *open = strstr(ps->p, "{{");
    size_t size = open ? (size_t)(open - ps->p) : strlen(ps->p);
    const char *start = ps->p;
    ps->p += size;
    if (ps->trim_next) {
        while (size > 0 && isspace((unsigned char)*start)) {
            start++;
            size--;
        }
        ps->trim_next = false;
    }
    if (open && open[2] == '-' && isspace((unsigned char)open[3])) {
        while (size > 0 && isspace((unsigned char)start[size - 1]))
            size--;
    }
    return xstrndup(start, size);
}

static bool keyword(const char *text, const char *word, const char **ret_rest)
{
    size_t n = strlen(word);
    if (strncmp(text, word, n) != 0 || (text[n] && !isspace((unsigned char)text[n])))
        return false;
    text += n;
    while (isspace((unsigned char)*text))
        text++;
    *ret_rest = text;
    return true;
}

/* What ended a list of nodes. */
enum list_end { END_INPUT, END_END, END_ELSE };

static int parse_list(struct parser *ps, struct node **ret, enum list_end *ret_end, char **ret_else, struct error *err);

/* The body of if/range/with up to its end, with else and else-if chains. */
static int parse_block(struct parser *ps, struct node *n, struct error *err)
{
    enum list_end end;
    CLEANUP_FREE char *rest = NULL;
    int r = parse_list(ps, &n->body, &end, &rest, err);
    if (r < 0)
        return r;
    if (end == END_ELSE) {
        const char *condition;
        if (rest && keyword(rest, "if", &condition)) {
            n->otherwise = node_new(NODE_IF, xstrdup(condition));
            return parse_block(ps, n->otherwise, err);
        }
        CLEANUP_FREE char *unused = NULL;
        r = parse_list(ps, &n->otherwise, &end, &unused, err);
        if (r < 0)
            return r;
    }
    return end == END_END ? 0 : syntax_error(err, "unexpected EOF");
}

static int parse_one_action(struct parser *ps, char *action, struct node **ret, struct error *err)
{
    static const struct {
        const char *word;
        enum node_type type;
    } blocks[] = {{"if", NODE_IF}, {"range", NODE_RANGE}, {"with", NODE_WITH}};
    const char *rest;
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        if (!keyword(action, blocks[i].word, &rest))
            continue;
        if (!*rest) {
            CLEANUP_FREE char *why = xasprintf("missing value for %s", blocks[i].word);
            return syntax_error(err, why);
        }
        *ret = node_new(blocks[i].type, xstrdup(rest));
        if (++ps->depth > NESTING_MAX)
            return syntax_error(err, "nested too deeply");
        int r = parse_block(ps, *ret, err);
        ps->depth--;
        return r;
    }
    if (!*action)
        return syntax_error(err, "missing value for command");
    *ret = node_new(NODE_ACTION, xstrdup(action));
    return 0;
}

static int parse_list(struct parser *ps, struct node **ret, enum list_end *ret_end, char **ret_else, struct error *err)
{
    struct node **tail = ret;
    *ret_end = END_INPUT;
    while (*ps->p) {
        if (strncmp(ps->p, "{{", 2) != 0) {
            *tail = node_new(NODE_TEXT, take_text(ps));
            tail = &(*tail)->next;
            continue;
        }
        ps->p += 2;
        CLEANUP_FREE char *action = NULL;
        int r = take_action(ps, &action, err);
        if (r < 0)
            return r;
        const char *rest;
        if (strncmp(action, "/*", 2) == 0)
            continue;
        if (keyword(action, "end", &rest)) {
            *ret_end = END_END;
            return 0;
        }
        if (keyword(action, "else", &rest)) {
            *ret_end = END_ELSE;
            *ret_else = xstrdup(rest);
            return 0;
        }
        r = parse_one_action(ps, action, tail, err);
        if (r < 0)
            return r;
        tail = &(*tail)->next;
    }
    return 0;
}

int template_parse(const char *text, struct template **ret, struct error *err)
{
    struct parser ps = {.p = text};
    struct template *t = xcalloc(1, sizeof(*t));
    enum list_end end;
    CLEANUP_FREE char *unused = NULL;
    int r = parse_list(&ps, &t->root, &end, &unused, err);
    if (r == 0 && end != END_INPUT)
        r = syntax_error(err, end == END_END ? "unexpected {{end}}" : "unexpected {{else}}");
    if (r < 0) {
        template_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    node_free(t->root);
    free(t);
}

/* ---- execution ---- */

struct variable {
    char *name;
    const struct json *value;
};

/* Values made on the way (strings, numbers) live until the end of the execution. */
struct context {
    const struct json *root;
    struct json **made;
    size_t made_count, made_capacity;
    struct variable variables[NESTING_MAX * 2];
    size_t variable_count;
    struct strbuf *out;
    const char *source; /* of the pipeline, for errors */
    int depth;
};

static struct json *make(struct context *c, enum json_kind kind)
{
    xgrow((void **)&c->made, c->made_count, &c->made_capacity, sizeof(*c->made));
    struct json *v = xcalloc(1, sizeof(*v));
    v->kind = kind;
    c->made[c->made_count++] = v;
    return v;
}

static const struct json *make_string(struct context *c, const char *s, size_t size)
{
    struct json *v = make(c, JSON_STRING);
    v->string.data = xstrndup(s, size);
    v->string.size = strlen(v->string.data);
    return v;
}

static const struct json *make_bool(struct context *c, bool b)
{
    struct json *v = make(c, JSON_BOOL);
    v->boolean = b;
    return v;
}

static const struct json *make_int(struct context *c, int64_t n)
{
    struct json *v = make(c, JSON_INTEGER);
    v->integer = n;
    return v;
}

static bool truth(const struct json *v)
{
    if (!v)
        return false;
    switch (v->kind) {
    case JSON_NULL:
        return false;
    case JSON_BOOL:
        return v->boolean;
    case JSON_INTEGER:
        return v->integer != 0;
    case JSON_REAL:
        return v->real != 0;
    case JSON_STRING:
        return v->string.size > 0;
    case JSON_ARRAY:
        return v->array.count > 0;
    case JSON_OBJECT:
        return v->object.count > 0;
    }
    return false;
}

static int compare_keys(const void *a, const void *b, void *object)
{
    const struct json *o = object;
    return strcmp(o->object.keys[*(const size_t *)a], o->object.keys[*(const size_t *)b]);
}

/* The order in which Go walks the keys of a map. The caller frees. */
static size_t *sorted_keys(const struct json *object)
{
    size_t *order = xcalloc(object->object.count + 1, sizeof(*order));
    for (size_t i = 0; i < object->object.count; i++)
        order[i] = i;
    qsort_r(order, object->object.count, sizeof(*order), compare_keys, (void *)object);
    return order;
}

/* Go's %v. */
static void print_value(struct strbuf *out, const struct json *v)
{
    if (!v || v->kind == JSON_NULL) {
        strbuf_adds(out, "<no value>");
    } else if (v->kind == JSON_STRING) {
        strbuf_add(out, v->string.data, v->string.size);
    } else if (v->kind == JSON_ARRAY) {
        strbuf_addc(out, '[');
        for (size_t i = 0; i < v->array.count; i++) {
            strbuf_adds(out, i ? " " : "");
            print_value(out, &v->array.items[i]);
        }
        strbuf_addc(out, ']');
    } else if (v->kind == JSON_OBJECT) {
        CLEANUP_FREE size_t *order = sorted_keys(v);
        strbuf_adds(out, "map[");
        for (size_t i = 0; i < v->object.count; i++) {
            strbuf_addf(out, "%s%s:", i ? " " : "", v->object.keys[order[i]]);
            print_value(out, &v->object.values[order[i]]);
        }
        strbuf_addc(out, ']');
    } else {
        struct json_writer w;
        json_writer_init(&w, out);
        json_put_value(&w, v);
    }
}

static int eval_pipeline(struct context *c, const char **p, const struct json *dot, const struct json **ret,
                         struct error *err);

static int exec_error(struct context *c, struct error *err, const char *at, const char *what)
{
    return error_set(err, ERROR_INVALID, 0, "template: :1:%d: executing \"\" at <%s>: %s", (int)(at - c->source) + 2,
                     c->source, what);
}

static void skip_blanks(const char **p)
{
    while (isspace((unsigned char)**p))
        (*p)++;
}

static size_t identifier_size(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return n;
}

/* ".A.B" behind an operand. Labels answer through `.Label "key"` (see eval_command). */
static int eval_fields(struct context *c, const char **p, const struct json **value, struct error *err)
{
    while ((*p)[0] == '.' && identifier_size(*p + 1) > 0) {
        const char *at = *p;
        size_t n = identifier_size(at + 1);
        CLEANUP_FREE char *name = xstrndup(at + 1, n);
        *p = at + 1 + n;
        const struct json *object = *value, *member = NULL;
        if (object && object->kind == JSON_OBJECT)
            member = json_get(object, name);
        if (!member && object && object->kind != JSON_OBJECT && object->kind != JSON_NULL) {
            CLEANUP_FREE char *why = xasprintf("can't evaluate field %s in type interface {}", name);
            return exec_error(c, err, at, why);
        }
        if (!member) {
            CLEANUP_FREE char *why = xasprintf("map has no entry for key \"%s\"", name);
            return exec_error(c, err, at, why);
        }
        *value = member;
    }
    return 0;
}

static int unquote(struct context *c, const char **p, const struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const char *q = *p;
    char quote = *q++;
    for (; *q && *q != quote; q++) {
        if (quote == '`' || *q != '\\') {
            strbuf_addc(&text, *q);
            continue;
        }
        q++;
        switch (*q) {
        case 'n':
            strbuf_addc(&text, '\n');
            break;
        case 't':
            strbuf_addc(&text, '\t');
            break;
        case '"':
        case '\\':
        case '\'':
            strbuf_addc(&text, *q);
            break;
        default:
            return exec_error(c, err, *p, "invalid escape in string");
        }
    }
    *p = q + 1;
    *ret = make_string(c, strbuf_str(&text), text.size);
    return 0;
}

static const struct json *find_variable(struct context *c, const char *name, size_t size)
{
    for (size_t i = c->variable_count; i-- > 0;) {
        if (strlen(c->variables[i].name) == size && memcmp(c->variables[i].name, name, size) == 0)
            return c->variables[i].value;
    }
    return NULL;
}

static bool at_operand(const char *p)
{
    return *p && *p != '|' && *p != ')' && !isspace((unsigned char)*p);
}

/* A value that is no function call: literal, field, variable, parenthesis. *ret_is_function when it is a bare name. */
static int eval_operand(struct context *c, const char **p, const struct json *dot, const struct json **ret,
                        struct error *err)
{
    const char *at = *p;
    if (*at == '"' || *at == '`')
        return unquote(c, p, ret, err);
    if (*at == '(') {
        (*p)++;
        int r = eval_pipeline(c, p, dot, ret, err);
        if (r < 0)
            return r;
        skip_blanks(p);
        if (**p != ')')
            return exec_error(c, err, at, "unclosed left paren");
        (*p)++;
        return eval_fields(c, p, ret, err);
    }
    if (*at == '.') {
        *ret = dot;
        if (identifier_size(at + 1) == 0) {
            (*p)++;
            return 0;
        }
        return eval_fields(c, p, ret, err);
    }
    if (*at == '$') {
        size_t n = identifier_size(at + 1);
        *p = at + 1 + n;
        *ret = n == 0 ? c->root : find_variable(c, at + 1, n);
        if (!*ret)
            return exec_error(c, err, at, "undefined variable");
        return eval_fields(c, p, ret, err);
    }
    if (isdigit((unsigned char)*at) || *at == '-') {
        char *end;
        errno = 0;
        long long n = strtoll(at, &end, 10);
        if (errno || end == at)
            return exec_error(c, err, at, "bad number syntax");
        *p = end;
        *ret = make_int(c, n);
        return 0;
    }
    size_t n = identifier_size(at);
    if (n == 4 && memcmp(at, "true", 4) == 0)
        *ret = make_bool(c, true);
    else if (n == 5 && memcmp(at, "false", 5) == 0)
        *ret = make_bool(c, false);
    else if (n == 3 && memcmp(at, "nil", 3) == 0)
        *ret = make(c, JSON_NULL);
    else
        return exec_error(c, err, at, "function not defined");
    *p = at + n;
    return 0;
}

/* ---- functions ---- */

#define ARGUMENTS_MAX 16
typedef int (*function)(struct context *c, const struct json **args, size_t count, const struct json **ret,
                        struct error *err);

static int wrong_arguments(struct error *err, const char *name)
{
    return error_set(err, ERROR_INVALID, 0, "template: wrong arguments for %s", name);
}

static int fn_json(struct context *c, const struct json **args, size_t count, const struct json **ret,
                   struct error *err)
{
    if (count != 1)
        return wrong_arguments(err, "json");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_put_value(&w, args[0]);
    *ret = make_string(c, strbuf_str(&text), text.size);
    return 0;
}

static int fn_join(struct context *c, const struct json **args, size_t count, const struct json **ret,
                   struct error *err)
{
    if (count != 2 || args[0]->kind != JSON_ARRAY || args[1]->kind != JSON_STRING)
        return wrong_arguments(err, "join");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < args[0]->array.count; i++) {
        strbuf_adds(&text, i ? args[1]->string.data : "");
        print_value(&text, &args[0]->array.items[i]);
    }
    *ret = make_string(c, strbuf_str(&text), text.size);
    return 0;
}

static int change_case(struct context *c, const struct json **args, size_t count, const struct json **ret,
                       struct error *err, int (*change)(int), bool first_only)
{
    if (count != 1 || args[0]->kind != JSON_STRING)
        return wrong_arguments(err, "a function of strings");
    CLEANUP_FREE char *copy = xstrndup(args[0]->string.data, args[0]->string.size);
    for (char *p = copy; *p; p++) {
        if (!first_only || p == copy || p[-1] == ' ')
            *p = (char)change((unsigned char)*p);
    }
    *ret = make_string(c, copy, strlen(copy));
    return 0;
}

static int fn_lower(struct context *c, const struct json **args, size_t count, const struct json **ret,
                    struct error *err)
{
    return change_case(c, args, count, ret, err, tolower, false);
}

static int fn_upper(struct context *c, const struct json **args, size_t count, const struct json **ret,
                    struct error *err)
{
    return change_case(c, args, count, ret, err, toupper, false);
}

static int fn_title(struct context *c, const struct json **args, size_t count, const struct json **ret,
                    struct error *err)
{
    return change_case(c, args, count, ret, err, toupper, true);
}

static int fn_split(struct context *c, const struct json **args, size_t count, const struct json **ret,
                    struct error *err)
{
    if (count != 2 || args[0]->kind != JSON_STRING || args[1]->kind != JSON_STRING || args[1]->string.size == 0)
        return wrong_arguments(err, "split");
    struct json *list = make(c, JSON_ARRAY);
    size_t capacity = 0;
    for (const char *p = args[0]->string.data; p;) {
        const char *end = strstr(p, args[1]->string.data);
        xgrow((void **)&list->array.items, list->array.count, &capacity, sizeof(struct json));
        struct json *item = &list->array.items[list->array.count++];
        *item = (struct json){.kind = JSON_STRING};
        item->string.data = end ? xstrndup(p, (size_t)(end - p)) : xstrdup(p);
        item->string.size = strlen(item->string.data);
        p = end ? end + args[1]->string.size : NULL;
    }
    *ret = list;
    return 0;
}

static int fn_truncate(struct context *c, const struct json **args, size_t count, const struct json **ret,
                       struct error *err)
{
    if (count != 2 || args[0]->kind != JSON_STRING || args[1]->kind != JSON_INTEGER || args[1]->integer < 0)
        return wrong_arguments(err, "truncate");
    size_t size = args[0]->string.size, limit = (size_t)args[1]->integer;
    *ret = make_string(c, args[0]->string.data, size < limit ? size : limit);
    return 0;
}

static int fn_pad(struct context *c, const struct json **args, size_t count, const struct json **ret, struct error *err)
{
    if (count != 3 || args[0]->kind != JSON_STRING || args[1]->kind != JSON_INTEGER || args[2]->kind != JSON_INTEGER ||
        args[1]->integer < 0 || args[2]->integer < 0 || args[1]->integer > 4096 || args[2]->integer > 4096)
        return wrong_arguments(err, "pad");
    CLEANUP_FREE char *text = args[0]->string.size == 0 ? xstrdup("")
                                                        : xasprintf("%*s%s%*s", (int)args[1]->integer, "",
                                                                    args[0]->string.data, (int)args[2]->integer, "");
    *ret = make_string(c, text, strlen(text));
    return 0;
}

static int fn_len(struct context *c, const struct json **args, size_t count, const struct json **ret, struct error *err)
{
    if (count != 1)
        return wrong_arguments(err, "len");
    const struct json *v = args[0];
    int64_t n = v->kind == JSON_STRING   ? (int64_t)v->string.size
                : v->kind == JSON_ARRAY  ? (int64_t)v->array.count
                : v->kind == JSON_OBJECT ? (int64_t)v->object.count
                                         : 0;
    *ret = make_int(c, n);
    return 0;
}

static int fn_index(struct context *c, const struct json **args, size_t count, const struct json **ret,
                    struct error *err)
{
    if (count < 1)
        return wrong_arguments(err, "index");
    const struct json *v = args[0];
    for (size_t i = 1; i < count && v; i++) {
        if (v->kind == JSON_ARRAY && args[i]->kind == JSON_INTEGER) {
            if (args[i]->integer < 0 || (size_t)args[i]->integer >= v->array.count)
                return error_set(err, ERROR_INVALID, 0,
                                 "template: :1: executing \"\" at <index>: error calling index: index out of range: "
                                 "%" PRId64,
                                 args[i]->integer);
            v = &v->array.items[args[i]->integer];
        } else if (v->kind == JSON_OBJECT && args[i]->kind == JSON_STRING) {
            v = json_get(v, args[i]->string.data);
        } else if (v->kind == JSON_NULL) {
            return error_set(err, ERROR_INVALID, 0,
                             "template: :1: executing \"\" at <index>: error calling index: index of untyped nil");
        } else {
            return wrong_arguments(err, "index");
        }
    }
    *ret = v ? v : make(c, JSON_NULL);
    return 0;
}

/* Go's Print puts blanks between operands when neither is a string; Println always. */
static int fn_print(struct context *c, const struct json **args, size_t count, const struct json **ret,
                    struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && args[i]->kind != JSON_STRING && args[i - 1]->kind != JSON_STRING)
            strbuf_addc(&text, ' ');
        print_value(&text, args[i]);
    }
    *ret = make_string(c, strbuf_str(&text), text.size);
    return 0;
}

static int fn_println(struct context *c, const struct json **args, size_t count, const struct json **ret,
                      struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(&text, i ? " " : "");
        print_value(&text, args[i]);
    }
    strbuf_addc(&text, '\n');
    *ret = make_string(c, strbuf_str(&text), text.size);
    return 0;
}

/* One verb of printf: %s %v %d %q %t %x with optional minus and width. */
static int print_verb(struct strbuf *out, const char **p, const struct json *arg)
{
    bool left = **p == '-';
    const char *q = *p + left;
    int width = 0;
    for (; isdigit((unsigned char)*q) && width < 1000; q++)
        width = width * 10 + (*q - '0');
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (*q == 'q' && arg->kind == JSON_STRING)
        json_quote(&text, arg->string.data, arg->string.size);
    else if (*q == 'x' && arg->kind == JSON_INTEGER)
        strbuf_addf(&text, "%" PRIx64, (uint64_t)arg->integer);
    else if (*q == 's' || *q == 'v' || *q == 'd' || *q == 't')
        print_value(&text, arg);
    else
        return -EINVAL;
    strbuf_addf(out, "%*s", left ? -width : width, strbuf_str(&text));
    *p = q + 1;
    return 0;
}

static int fn_printf(struct context *c, const struct json **args, size_t count, const struct json **ret,
                     struct error *err)
{
    if (count < 1 || args[0]->kind != JSON_STRING)
        return wrong_arguments(err, "printf");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    size_t next = 1;
    for (const char *p = args[0]->string.data; *p;) {
        if (*p != '%') {
            strbuf_addc(&text, *p++);
        } else if (p[1] == '%') {
            strbuf_addc(&text, '%');
            p += 2;
        } else {
            p++;
            if (next >= count || print_verb(&text, &p, args[next++]) < 0)
                return wrong_arguments(err, "printf");
        }
    }
    *ret = make_string(c, strbuf_str(&text), text.size);
    return 0;
}

/* -1, 0, 1; -2 when the kinds do not compare. */
static int compare(const struct json *a, const struct json *b)
{
    if (a->kind == JSON_STRING && b->kind == JSON_STRING) {
        int r = strcmp(a->string.data, b->string.data);
        return r < 0 ? -1 : r > 0;
    }
    if (a->kind == JSON_BOOL && b->kind == JSON_BOOL)
        return (int)a->boolean - (int)b->boolean;
    if ((a->kind == JSON_INTEGER || a->kind == JSON_REAL) && (b->kind == JSON_INTEGER || b->kind == JSON_REAL)) {
        double x = a->kind == JSON_REAL ? a->real : (double)a->integer;
        double y = b->kind == JSON_REAL ? b->real : (double)b->integer;
        return x < y ? -1 : x > y;
    }
    if (a->kind == JSON_NULL || b->kind == JSON_NULL)
        return a->kind == b->kind ? 0 : 1;
    return -2;
}

static int order(const char *name, struct context *c, const struct json **args, size_t count, bool lt, bool eq, bool gt,
                 const struct json **ret, struct error *err)
{
    int r = count == 2 ? compare(args[0], args[1]) : -2;
    if (r == -2)
        return error_set(err, ERROR_INVALID, 0, "template: error calling %s: incompatible types for comparison", name);
    *ret = make_bool(c, r < 0 ? lt : r == 0 ? eq : gt);
    return 0;
}

static int fn_eq(struct context *c, const struct json **args, size_t count, const struct json **ret, struct error *err)
{
    /* eq takes several: is the first equal to any of the rest. */
    for (size_t i = 1; i < count; i++) {
        const struct json *pair[2] = {args[0], args[i]};
        int r = order("eq", c, pair, 2, false, true, false, ret, err);
        if (r < 0 || (*ret)->boolean)
            return r;
    }
    return count < 2 ? wrong_arguments(err, "eq") : 0;
}

#define ORDER_FUNCTION(word, lt, eq, gt)                                                                               \
    static int fn_##word(struct context *c, const struct json **args, size_t count, const struct json **ret,           \
                         struct error *err)                                                                            \
    {                                                                                                                  \
        return order(#word, c, args, count, lt, eq, gt, ret, err);                                                     \
    }
ORDER_FUNCTION(ne, true, false, true)
ORDER_FUNCTION(lt, true, false, false)
ORDER_FUNCTION(le, true, true, false)
ORDER_FUNCTION(gt, false, false, true)
ORDER_FUNCTION(ge, false, true, true)

static int fn_not(struct context *c, const struct json **args, size_t count, const struct json **ret, struct error *err)
{
    if (count != 1)
        return wrong_arguments(err, "not");
    *ret = make_bool(c, !truth(args[0]));
    return 0;
}

static int fn_and(struct context *c, const struct json **args, size_t count, const struct json **ret, struct error *err)
{
    (void)c;
    if (count < 1)
        return wrong_arguments(err, "and");
    for (size_t i = 0; i < count; i++) {
        *ret = args[i];
        if (!truth(args[i]))
            break;
    }
    return 0;
}

static int fn_or(struct context *c, const struct json **args, size_t count, const struct json **ret, struct error *err)
{
    (void)c;
    if (count < 1)
        return wrong_arguments(err, "or");
    for (size_t i = 0; i < count; i++) {
        *ret = args[i];
        if (truth(args[i]))
            break;
    }
    return 0;
}

static const struct {
    const char *name;
    function call;
} functions[] = {
    {"json", fn_json},
    {"join", fn_join},
    {"lower", fn_lower},
    {"upper", fn_upper},
    {"title", fn_title},
    {"split", fn_split},
    {"pad", fn_pad},
    {"len", fn_len},
    {"index", fn_index},
    {"print", fn_print},
    {"truncate", fn_truncate},
    {"not", fn_not},
    {"and", fn_and},
    {"or", fn_or},
    {"println", fn_println},
    {"printf", fn_printf},
    {"eq", fn_eq},
    {"ne", fn_ne},
    {"lt", fn_lt},
    {"le", fn_le},
    {"gt", fn_gt},
    {"ge", fn_ge},
};

static function find_function(const char *p, size_t *ret_size)
{
    size_t n = identifier_size(p);
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        if (strlen(functions[i].name) == n && memcmp(functions[i].name, p, n) == 0) {
            *ret_size = n;
            return functions[i].call;
        }
    }
    return NULL;
}

/* `.Label "key"`: the one method that docker's list rows have; the row carries its labels as an object. */
static bool is_label_call(const char *p)
{
    return strncmp(p, ".Label", 6) == 0 && isspace((unsigned char)p[6]);
}

static int eval_label(struct context *c, const char **p, const struct json *dot, const struct json **ret,
                      struct error *err)
{
    const char *at = *p;
    const struct json *key;
    *p += 6;
    skip_blanks(p);
    int r = eval_operand(c, p, dot, &key, err);
    if (r < 0)
        return r;
    const struct json *labels = json_get(dot, "LabelMap");
    if (!labels || key->kind != JSON_STRING)
        return exec_error(c, err, at, "no labels here");
    *ret = json_get(labels, key->string.data);
    if (!*ret)
        *ret = make_string(c, "", 0);
    return 0;
}

/* One command of a pipeline: a function with operands or a single operand. `piped` is its last argument, if any. */
static int eval_command(struct context *c, const char **p, const struct json *dot, const struct json *piped,
                        const struct json **ret, struct error *err)
{
    skip_blanks(p);
    const char *at = *p;
    size_t size = 0;
    if (is_label_call(at))
        return eval_label(c, p, dot, ret, err);
    function call = find_function(at, &size);
    if (!call) {
        int r = eval_operand(c, p, dot, ret, err);
        return r < 0 ? r : piped ? exec_error(c, err, at, "can't give argument to non-function") : 0;
    }
    *p += size;
    const struct json *args[ARGUMENTS_MAX];
    size_t count = 0;
    for (skip_blanks(p); at_operand(*p); skip_blanks(p)) {
        if (count == ARGUMENTS_MAX - 1)
            return exec_error(c, err, at, "too many arguments");
        size_t inner;
        function nested = find_function(*p, &inner);
        int r = nested ? exec_error(c, err, *p, "function needs parentheses here")
                       : eval_operand(c, p, dot, &args[count], err);
        if (r < 0)
            return r;
        count++;
    }
    if (piped)
        args[count++] = piped;
    return call(c, args, count, ret, err);
}

static int eval_pipeline(struct context *c, const char **p, const struct json *dot, const struct json **ret,
                         struct error *err)
{
    if (++c->depth > NESTING_MAX)
        return exec_error(c, err, *p, "nested too deeply");
    const struct json *value = NULL;
    for (;;) {
        int r = eval_command(c, p, dot, value, &value, err);
        if (r < 0)
            return r;
        skip_blanks(p);
        if (**p != '|')
            break;
        (*p)++;
    }
    c->depth--;
    *ret = value;
    return 0;
}

/* "$x := " and "$i, $x := " in front of a pipeline. Returns how many names there are. */
static int take_declaration(const char **p, char *names[2])
{
    const char *q = *p;
    int count = 0;
    while (*q == '$' && count < 2) {
        size_t n = identifier_size(q + 1);
        names[count++] = xstrndup(q + 1, n);
        q += 1 + n;
        skip_blanks(&q);
        if (*q != ',')
            break;
        q++;
        skip_blanks(&q);
    }
    if (count > 0 && (strncmp(q, ":=", 2) == 0 || (*q == '=' && q[1] != '='))) {
        *p = q + (*q == ':' ? 2 : 1);
        skip_blanks(p);
        return count;
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    return 0;
}

static void declare(struct context *c, char *name, const struct json *value)
{
    for (size_t i = c->variable_count; i-- > 0;) {
        if (strcmp(c->variables[i].name, name) == 0) {
            c->variables[i].value = value;
            free(name);
            return;
        }
    }
    if (c->variable_count == ARRAY_SIZE(c->variables)) {
        free(name);
        return;
    }
    c->variables[c->variable_count++] = (struct variable){name, value};
}

static int eval_source(struct context *c, const char *source, const struct json *dot, char *names[2], int *ret_names,
                       const struct json **ret, struct error *err)
{
    const char *p = source;
    c->source = source;
    c->depth = 0;
    *ret_names = take_declaration(&p, names);
    int r = eval_pipeline(c, &p, dot, ret, err);
    skip_blanks(&p);
    if (r == 0 && *p)
        r = exec_error(c, err, p, "unexpected token in operand");
    if (r < 0) {
        for (int i = 0; i < *ret_names; i++)
            free(names[i]);
    }
    return r;
}

static int execute_list(struct context *c, const struct node *n, const struct json *dot, struct error *err);

static int execute_range(struct context *c, const struct node *n, const struct json *over, char *names[2],
                         int name_count, const struct json *dot, struct error *err)
{
    size_t count = !over                       ? 0
                   : over->kind == JSON_ARRAY  ? over->array.count
                   : over->kind == JSON_OBJECT ? over->object.count
                                               : 0;
    CLEANUP_FREE size_t *keys = over && over->kind == JSON_OBJECT ? sorted_keys(over) : NULL;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct json *item = keys ? &over->object.values[keys[i]] : &over->array.items[i];
        if (name_count == 2) {
            const char *key = keys ? over->object.keys[keys[i]] : NULL;
            declare(c, xstrdup(names[0]), key ? make_string(c, key, strlen(key)) : make_int(c, (int64_t)i));
        }
        if (name_count > 0)
            declare(c, xstrdup(names[name_count - 1]), item);
        r = execute_list(c, n->body, item, err);
    }
    for (int i = 0; i < name_count; i++)
        free(names[i]);
    return r < 0 || count > 0 ? r : execute_list(c, n->otherwise, dot, err);
}

static int execute_node(struct context *c, const struct node *n, const struct json *dot, struct error *err)
{
    if (n->type == NODE_TEXT) {
        strbuf_adds(c->out, n->text);
        return 0;
    }
    char *names[2];
    int name_count;
    const struct json *value;
    int r = eval_source(c, n->text, dot, names, &name_count, &value, err);
    if (r < 0)
        return r;
    if (n->type == NODE_RANGE)
        return execute_range(c, n, value, names, name_count, dot, err);
    for (int i = 0; i < name_count; i++)
        declare(c, names[i], value);
    if (n->type == NODE_ACTION) {
        if (name_count == 0)
            print_value(c->out, value);
        return c->out->size > OUTPUT_MAX ? exec_error(c, err, c->source, "output too large") : 0;
    }
    if (truth(value))
        return execute_list(c, n->body, n->type == NODE_WITH ? value : dot, err);
    return execute_list(c, n->otherwise, dot, err);
}

static int execute_list(struct context *c, const struct node *n, const struct json *dot, struct error *err)
{
    int r = 0;
    for (; n && r == 0; n = n->next)
        r = execute_node(c, n, dot, err);
    return r;
}

int template_execute(const struct template *t, const struct json *data, struct strbuf *out, struct error *err)
{
    struct context c = {.root = data, .out = out, .source = ""};
    int r = execute_list(&c, t->root, data, err);
    for (size_t i = 0; i < c.variable_count; i++)
        free(c.variables[i].name);
    for (size_t i = 0; i < c.made_count; i++)
        json_free(c.made[i]);
    free(c.made);
    return r;
}
