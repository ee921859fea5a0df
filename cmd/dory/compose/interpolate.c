#include "cmd/dory/compose/interpolate.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define DEPTH_MAX 32
#define SIZE_MAX_RESULT (16u << 20)

/* One "$..." at the start of a text. */
struct reference {
    size_t size;      /* of all of it */
    size_t name_size; /* 0: "$$" */
    const char *name;
    const char *operator; /* "" without one */
    const char *value;    /* behind the operator, value_size bytes */
    size_t value_size;
};

static size_t name_length(const char *text)
{
    size_t n = 0;
    if (!isalpha((unsigned char)*text) && *text != '_')
        return 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_')
        n++;
    return n;
}

/* Where the brace that text (behind "${") is in closes; NULL when it does not. */
static const char *closing_brace(const char *text)
{
    unsigned open = 1;
    for (; *text; text++) {
        if (*text == '}' && --open == 0)
            return text;
        if (text[0] == '$' && text[1] == '{') {
            open++;
            text++;
        }
    }
    return NULL;
}

static const char *operator_at(const char *text)
{
    static const char *const operators[] = {":-", ":?", ":+", "-", "?", "+"};
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        if (strncmp(text, operators[i], strlen(operators[i])) == 0)
            return operators[i];
    }
    return NULL;
}

/* Reads "$..." at text: 1 and *ret, 0 (a dollar sign that means itself), or -EINVAL. */
static int read_reference(const char *text, struct reference *ret)
{
    *ret = (struct reference){.operator= "", .value = "", .size = 2};
    if (text[1] == '$')
        return 1;
    bool braced = text[1] == '{';
    ret->name = text + 1 + braced;
    ret->name_size = name_length(ret->name);
    if (ret->name_size == 0)
        return braced ? -EINVAL : 0;
    ret->size = (size_t)(ret->name - text) + ret->name_size;
    if (!braced)
        return 1;
    const char *rest = ret->name + ret->name_size, *end = closing_brace(rest);
    if (!end)
        return -EINVAL;
    ret->size = (size_t)(end - text) + 1;
    if (rest == end)
        return 1;
    const char *operator= operator_at(rest);
    if (!operator)
        return -EINVAL;
    ret->operator= operator;
    ret->value = rest + strlen(operator);
    ret->value_size = (size_t)(end - ret->value);
    return 1;
}

static int substitute(const struct interpolation *how, const char *text, unsigned depth, struct strbuf *out,
                      struct error *err);

/* The text behind the operator, itself interpolated. */
static int nested(const struct interpolation *how, const struct reference *reference, unsigned depth,
                  struct strbuf *out, struct error *err)
{
    CLEANUP_FREE char *value = xstrndup(reference->value, reference->value_size);
    return substitute(how, value, depth + 1, out, err);
}

static int replace(const struct interpolation *how, const struct reference *reference, unsigned depth,
                   struct strbuf *out, struct error *err)
{
    const char *value = how->lookup(how->data, reference->name, reference->name_size);
    const char *operator= reference->operator;
    bool colon = *operator== ':';
    bool there = value && !(colon && !*value);
    switch (operator[colon]) {
    case '-':
        if (!there)
            return nested(how, reference, depth, out, err);
        break;
    case '+':
        if (there)
            return nested(how, reference, depth, out, err);
        break;
    case '?':
        if (!there) {
            CLEANUP_STRBUF struct strbuf why = STRBUF_INIT;
            int r = nested(how, reference, depth, &why, err);
            if (r < 0)
                return r;
            return error_set(err, ERROR_INVALID, 0, "required variable %.*s is missing a value%s%s",
                             (int)reference->name_size, reference->name, why.size ? ": " : "", strbuf_str(&why));
        }
        break;
    default:
        if (!value && how->warnings) {
            CLEANUP_FREE char *warning = xasprintf("The \"%.*s\" variable is not set. Defaulting to a blank string.",
                                                   (int)reference->name_size, reference->name);
            strv_add(how->warnings, warning);
        }
    }
    strbuf_adds(out, value ? value : "");
    return 0;
}

static int substitute(const struct interpolation *how, const char *text, unsigned depth, struct strbuf *out,
                      struct error *err)
{
    if (depth > DEPTH_MAX)
        return error_set(err, ERROR_INVALID, 0, "variables are nested more than %d levels deep", DEPTH_MAX);
    while (*text) {
        size_t plain = strcspn(text, "$");
        strbuf_add(out, text, plain);
        text += plain;
        if (!*text)
            break;
        struct reference reference;
        int r = read_reference(text, &reference);
        if (r < 0)
            return error_set(err, ERROR_INVALID, 0,
                             "invalid interpolation format: \"%s\".\nYou may need to escape any $ with another $",
                             text);
        if (r == 0 || reference.name_size == 0) {
            strbuf_addc(out, '$');
            text += r == 0 ? 1 : 2;
            continue;
        }
        r = replace(how, &reference, depth, out, err);
        if (r < 0)
            return r;
        if (out->size > SIZE_MAX_RESULT)
            return error_set(err, ERROR_INVALID, E2BIG, "the value is longer than %u MiB", SIZE_MAX_RESULT >> 20);
        text += reference.size;
    }
    return 0;
}

int interpolate_text(const struct interpolation *how, const char *text, char **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = substitute(how, text, 0, &out, err);
    if (r == 0)
        *ret = strbuf_take(&out);
    return r;
}

int interpolate_tree(const struct interpolation *how, struct yaml_pool *pool, struct yaml *node, struct error *err)
{
    if (node->kind == YAML_STRING && strchr(node->text, '$')) {
        CLEANUP_FREE char *text = NULL;
        struct error why = {0};
        int r = interpolate_text(how, node->text, &text, &why);
        if (r < 0)
            return yaml_error(&node->place, err, "%s", why.message);
        node->text = yaml_pool_strdup(pool, text);
    }
    for (size_t i = 0; i < yaml_count(node); i++) {
        int r = interpolate_tree(how, pool, node->pairs[i].value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

const char *interpolate_from_list(void *data, const char *name, size_t size)
{
    const struct strv *list = data;
    for (size_t i = list->count; i-- > 0;) {
        if (strncmp(list->items[i], name, size) == 0 && list->items[i][size] == '=')
            return list->items[i] + size + 1;
    }
    return NULL;
}

static void visit_text(const char *text, unsigned depth, interpolate_visit visit, void *data)
{
    struct reference reference;
    for (text = strchr(text, '$'); text; text = strchr(text, '$')) {
        int r = read_reference(text, &reference);
        if (r <= 0 || reference.name_size == 0) {
            text += r == 1 ? 2 : 1;
            continue;
        }
        CLEANUP_FREE char *name = xstrndup(reference.name, reference.name_size);
        CLEANUP_FREE char *value = xstrndup(reference.value, reference.value_size);
        visit(data, name, reference.operator, value);
        if (depth < DEPTH_MAX && strchr(reference.operator, '?') == NULL)
            visit_text(value, depth + 1, visit, data);
        text += reference.size;
    }
}

void interpolate_variables(const char *text, interpolate_visit visit, void *data)
{
    visit_text(text, 0, visit, data);
}
