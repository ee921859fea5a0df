/* Lists and mappings of texts, and command lines. */
#include <errno.h>
#include <string.h>

#include "base/strmap.h"
#include "cmd/dory/compose/schema.h"

int schema_check_different(const struct yaml *node, const struct schema_path *path, struct error *err)
{
    struct map seen = MAP_INIT;
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0; i++) {
        if (node->pairs[i].value->mark != YAML_RESET && map_set(&seen, node->pairs[i].value->text, (void *)node))
            r = schema_wrong(path, node->pairs[i].value, err, "items must be unique: \"%s\" is there twice",
                             node->pairs[i].value->text);
    }
    map_release(&seen);
    return r;
}

static int list_of_texts(const struct schema_walk *walk, struct yaml *node, bool numbers,
                         const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_SEQUENCE)
        return schema_wrong(path, node, err, "must be an array");
    for (size_t i = 0; i < node->count; i++) {
        struct yaml *item = node->pairs[i].value;
        struct schema_path next = {path, NULL, i};
        if (item->mark == YAML_RESET)
            continue;
        if (item->kind != YAML_STRING && !(numbers && item->kind == YAML_INTEGER))
            return schema_wrong(&next, item, err, "must be a string%s", numbers ? " or an integer" : "");
        if (!walk->raw)
            item->kind = YAML_STRING;
    }
    return 0;
}

static void become_sequence(const struct schema_walk *walk, struct yaml *node)
{
    struct yaml *text = yaml_new_string(walk->pool, node->text, node);
    node->kind = YAML_SEQUENCE;
    node->pairs = NULL;
    node->count = node->capacity = 0;
    node->text = "";
    yaml_append(walk->pool, node, text);
}

/* What is merged by key is there once at the end: Compose looks for equal ones behind that. */
static bool may_repeat(const struct schema_row *row)
{
    return row->flags & (SCHEMA_REPEATED | SCHEMA_BY_KEY);
}

static int texts(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                 const struct schema_path *path, struct error *err)
{
    if (row->shape == SHAPE_ONE_OR_MORE && node->kind == YAML_STRING)
        become_sequence(walk, node);
    int r = list_of_texts(walk, node, row->shape == SHAPE_TEXTS_OR_NUMBERS, path, err);
    for (size_t i = node->count; r == 0 && (row->flags & SCHEMA_NO_EMPTY) && i-- > 0;) {
        if (!*node->pairs[i].value->text && node->pairs[i].value->mark != YAML_RESET)
            yaml_remove_at(node, i);
    }
    return r < 0 || may_repeat(row) ? r : schema_check_different(node, path, err);
}

int schema_split_words(const char *text, struct strv *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;
    bool started = false;
    char quote = '\0';
    for (const char *p = text; *p; p++) {
        if (*p == '\\' && quote != '\'' && p[1]) {
            strbuf_addc(&word, *++p);
            started = true;
        } else if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? '\0' : *p;
            started = true;
        } else if (!quote && strchr(" \t\r\n", *p)) {
            if (started)
                strv_add_take(ret, strbuf_take(&word));
            started = false;
        } else if (!quote && strchr(";&|<>", *p)) {
            if (*p == '>' && word.size > 0 && word.data[0] >= '0' && word.data[0] <= '9')
                started = false;
            break;
        } else {
            strbuf_addc(&word, *p);
            started = true;
        }
        if (quote && !p[1])
            return error_set(err, ERROR_INVALID, 0, "invalid command line string: a %c is not closed", quote);
    }
    if (started)
        strv_add_take(ret, strbuf_take(&word));
    return 0;
}

static int command(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_STRING)
        return list_of_texts(walk, node, false, path, err);
    if (walk->raw)
        return 0;
    CLEANUP_STRV struct strv words = STRV_INIT;
    struct error why = {0};
    if (schema_split_words(node->text, &words, &why) < 0)
        return schema_wrong(path, node, err, ": %s", why.message);
    become_sequence(walk, node);
    node->count = 0;
    for (size_t i = 0; i < words.count; i++)
        yaml_append(walk->pool, node, yaml_new_string(walk->pool, words.items[i], node));
    return 0;
}

static int test(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_STRING)
        return list_of_texts(walk, node, false, path, err);
    if (walk->raw)
        return 0;
    become_sequence(walk, node);
    node->count = 0;
    struct yaml *line = yaml_new_string(walk->pool, node->pairs[0].value->text, node);
    yaml_append(walk->pool, node, yaml_new_string(walk->pool, "CMD-SHELL", node));
    yaml_append(walk->pool, node, line);
    return 0;
}

/* "key=value" items as a mapping; a key alone is null. */
static int list_to_mapping(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                           const struct schema_path *path, struct error *err)
{
    struct yaml items = *node;
    int r = list_of_texts(walk, node, false, path, err);
    if (r == 0 && !may_repeat(row))
        r = schema_check_different(node, path, err);
    if (r < 0 || (walk->raw && !(row->flags & SCHEMA_PAIRS)))
        return r;
    node->kind = YAML_MAPPING;
    node->pairs = NULL;
    node->count = node->capacity = 0;
    for (size_t i = 0; i < items.count; i++) {
        const struct yaml *item = items.pairs[i].value;
        const char *equals = strchr(item->text, '=');
        size_t size = equals ? (size_t)(equals - item->text) : strlen(item->text);
        CLEANUP_FREE char *key = xstrndup(item->text, size);
        if (row->shape == SHAPE_ENVIRONMENT && size > 0 && strchr(" \t", key[size - 1]))
            return schema_wrong(path, item, err, ": environment variable %s is declared with a trailing space", key);
        if (!equals && (row->flags & SCHEMA_PAIRS))
            return schema_wrong(path, item, err, ": invalid value %s, expected key=value", key);
        struct yaml *value =
            equals ? yaml_new_string(walk->pool, equals + 1, item) : yaml_new(walk->pool, YAML_NULL, item);
        value->mark = item->mark;
        yaml_set(walk->pool, node, key, value);
    }
    return 0;
}

static int mapping(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                   const struct schema_path *path, struct error *err)
{
    if (node->kind == YAML_SEQUENCE && row->shape != SHAPE_OPTIONS) {
        int r = list_to_mapping(walk, node, row, path, err);
        if (r < 0 || node->kind == YAML_SEQUENCE)
            return r;
    }
    if (node->kind != YAML_MAPPING)
        return schema_wrong(path, node, err, "must be a mapping%s", row->shape == SHAPE_OPTIONS ? "" : " or an array");
    for (size_t i = 0; i < node->count; i++) {
        struct yaml *value = node->pairs[i].value;
        struct schema_path next = {path, node->pairs[i].key, 0};
        if (value->mark == YAML_RESET || (value->kind == YAML_NULL && row->shape == SHAPE_ENVIRONMENT))
            continue;
        if ((row->flags & SCHEMA_ONLY_TEXT) && value->kind != YAML_STRING)
            return schema_wrong(&next, value, err, "must be a string");
        bool none = value->kind == YAML_BOOL || ((row->flags & SCHEMA_STRICT) && value->kind == YAML_NULL);
        if (value->kind == YAML_SEQUENCE || value->kind == YAML_MAPPING || (none && row->shape == SHAPE_OPTIONS))
            return schema_wrong(&next, value, err, "must be a string, a number%s or null",
                                row->shape == SHAPE_OPTIONS ? "" : ", a boolean");
        if (!walk->raw)
            value->kind = YAML_STRING;
    }
    return 0;
}

static int multi_options(struct yaml *node, const struct schema_path *path, struct error *err)
{
    return node->kind == YAML_MAPPING ? 0 : schema_wrong(path, node, err, "must be a mapping");
}

static int add_host(const struct schema_walk *walk, struct yaml *into, const char *host, const char *addresses,
                    const struct schema_path *path, const struct yaml *at, struct error *err)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    if (!*host || strpbrk(host, ":="))
        return schema_wrong(path, at, err, ": bad host name '%s'", host);
    strv_split(&list, addresses, ',');
    for (size_t i = 0; i < list.count; i++) {
        char *address = list.items[i];
        size_t size = strlen(address);
        if (size > 2 && address[0] == '[' && address[size - 1] == ']') {
            address[size - 1] = '\0';
            address++;
        }
        CLEANUP_FREE char *entry = xasprintf("%s=%s", host, address);
        yaml_append(walk->pool, into, yaml_new_string(walk->pool, entry, at));
    }
    return 0;
}

static int host_item(const struct schema_walk *walk, struct yaml *into, const struct yaml *item,
                     const struct schema_path *path, struct error *err)
{
    if (item->kind != YAML_STRING)
        return schema_wrong(path, item, err, "must be an array of strings");
    size_t size = strcspn(item->text, "=");
    if (!item->text[size])
        size = strcspn(item->text, ":");
    if (!item->text[size])
        return schema_wrong(path, item, err, ": invalid additional host, missing IP: %s", item->text);
    CLEANUP_FREE char *host = xstrndup(item->text, size);
    return add_host(walk, into, host, item->text + size + 1, path, item, err);
}

static int host_member(const struct schema_walk *walk, struct yaml *into, const struct yaml_pair *pair,
                       const struct schema_path *path, struct error *err)
{
    const struct yaml *value = pair->value;
    if (value->kind == YAML_STRING)
        return add_host(walk, into, pair->key, value->text, path, value, err);
    if (value->kind != YAML_SEQUENCE)
        return schema_wrong(path, value, err, "must be a mapping of strings or arrays");
    int r = 0;
    for (size_t i = 0; i < value->count && r == 0; i++)
        r = value->pairs[i].value->kind == YAML_STRING
                ? add_host(walk, into, pair->key, value->pairs[i].value->text, path, value, err)
                : schema_wrong(path, value, err, "must be a mapping of strings or arrays");
    return r;
}

static int hosts(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path, struct error *err)
{
    if (node->kind != YAML_SEQUENCE && node->kind != YAML_MAPPING)
        return schema_wrong(path, node, err, "must be a mapping or an array");
    if (walk->raw)
        return 0;
    struct yaml *list = yaml_new(walk->pool, YAML_SEQUENCE, node);
    int r = 0;
    for (size_t i = 0; i < node->count && r == 0; i++)
        r = node->kind == YAML_SEQUENCE ? host_item(walk, list, node->pairs[i].value, path, err)
                                        : host_member(walk, list, &node->pairs[i], path, err);
    list->mark = node->mark;
    *node = *list;
    return r;
}

int schema_list(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                const struct schema_path *path, struct error *err)
{
    switch (row->shape) {
    case SHAPE_TEXTS:
    case SHAPE_TEXTS_OR_NUMBERS:
    case SHAPE_ONE_OR_MORE:
        return texts(walk, node, row, path, err);
    case SHAPE_COMMAND:
        return command(walk, node, path, err);
    case SHAPE_TEST:
        return test(walk, node, path, err);
    case SHAPE_MAPPING:
    case SHAPE_ENVIRONMENT:
    case SHAPE_OPTIONS:
        return mapping(walk, node, row, path, err);
    case SHAPE_MULTI_OPTIONS:
        return multi_options(node, path, err);
    case SHAPE_HOSTS:
        return hosts(walk, node, path, err);
    default:
        return 1;
    }
}
