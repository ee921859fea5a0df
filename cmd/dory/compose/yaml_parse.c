/* From text to the tree of yaml.h: libfyaml's events, one recursive builder with a depth limit. */
#include <errno.h>
#include <libfyaml.h>
#include <string.h>

#include "base/strmap.h"
#include "base/utf8.h"
#include "cmd/dory/compose/yaml_scalar.h"

struct parse {
    struct yaml_pool *pool;
    struct fy_parser *parser;
    struct fy_diag *diag; /* collects what the parser complains about */
    struct map anchors;   /* name -> struct yaml * */
    const char *file;
    unsigned depth;
};

static struct yaml *build(struct parse *parse, struct fy_event *event, struct error *err);

static struct yaml_place place_of(const struct parse *parse, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    struct yaml_place place = {.file = parse->file};
    if (mark && mark->line >= 0) {
        place.line = (unsigned)mark->line + 1;
        place.column = (unsigned)mark->column + 1;
    }
    return place;
}

static void drop_message(struct fy_diag *diag, void *user, const char *text, size_t size)
{
    (void)diag, (void)user, (void)text, (void)size;
}

/* What libfyaml complained about, with the first place that it names. */
static int syntax_error(struct parse *parse, struct error *err)
{
    void *position = NULL;
    struct fy_diag_error *first = fy_diag_errors_iterate(parse->diag, &position);
    struct yaml_place place = {.file = parse->file};
    if (first && first->line > 0) {
        place.line = (unsigned)first->line;
        place.column = (unsigned)first->column;
    }
    return yaml_error(&place, err, "yaml: %s", first && first->msg ? first->msg : "the text cannot be parsed");
}

/* A place for messages that prints none of them. */
static struct fy_diag *new_diag(void)
{
    struct fy_diag_cfg config;
    fy_diag_cfg_default(&config);
    config.fp = NULL;
    config.output_fn = drop_message;
    struct fy_diag *diag = fy_diag_create(&config);
    if (diag)
        fy_diag_set_collect_errors(diag, true);
    return diag;
}

/* NULL with err filled at a syntax error or at the end. */
static struct fy_event *next_event(struct parse *parse, struct error *err)
{
    struct fy_event *event = fy_parser_parse(parse->parser);
    if (!event || fy_parser_get_stream_error(parse->parser)) {
        if (event)
            fy_parser_event_free(parse->parser, event);
        syntax_error(parse, err);
        return NULL;
    }
    return event;
}

static char *token_text(struct parse *parse, struct fy_token *token)
{
    size_t size = 0;
    const char *text = token ? fy_token_get_text(token, &size) : NULL;
    char *copy = yaml_pool_alloc(parse->pool, size + 1);
    if (text && size)
        memcpy(copy, text, size);
    return copy;
}

/* "!reset", "!override", "!!str" ...; *ret_tag is NULL without one. */
static int read_tag(struct parse *parse, const struct yaml_place *place, struct fy_token *token, struct yaml *node,
                    const char **ret_core, struct error *err)
{
    static const char core[] = "tag:yaml.org,2002:";
    *ret_core = NULL;
    if (!token)
        return 0;
    const char *tag = token_text(parse, token);
    if (strcmp(tag, "!reset") == 0)
        node->mark = YAML_RESET;
    else if (strcmp(tag, "!override") == 0)
        node->mark = YAML_OVERRIDE;
    else if (strncmp(tag, core, strlen(core)) == 0)
        *ret_core = tag + strlen(core);
    else if (strcmp(tag, "!") == 0)
        *ret_core = "str";
    else
        return yaml_error(place, err, "unknown tag %s (there are !reset and !override)", tag);
    return 0;
}

static bool valid_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = utf8_sequence(text + i, size - i);
        if (n == 0 || text[i] == '\0')
            return false;
        i += n;
    }
    return true;
}

static int build_scalar(struct parse *parse, struct fy_event *event, struct yaml *node, struct error *err)
{
    const char *core;
    size_t size = 0;
    struct fy_token *value = event->scalar.value;
    const char *text = value ? fy_token_get_text(value, &size) : NULL;
    int r = read_tag(parse, &node->place, event->scalar.tag, node, &core, err);
    if (r < 0)
        return r;
    if (!valid_text(text ? text : "", text ? size : 0))
        return yaml_error(&node->place, err, "yaml: the text has characters that are not UTF-8 or NUL");
    const char *copy = token_text(parse, value);
    bool plain = !value || fy_scalar_token_get_style(value) == FYSS_PLAIN;
    return yaml_scalar_resolve(parse->pool, node, copy, plain, core, err);
}

/* The keys that << brings; those that are there already count. */
static int merge_from(struct parse *parse, struct yaml *into, const struct yaml *source, struct error *err)
{
    if (yaml_is(source, YAML_SEQUENCE)) {
        int r = 0;
        for (size_t i = 0; i < source->count && r == 0; i++)
            r = yaml_is(source->pairs[i].value, YAML_MAPPING) ? merge_from(parse, into, source->pairs[i].value, err)
                                                              : -EINVAL;
        if (r == 0 || err->kind)
            return r;
    }
    if (!yaml_is(source, YAML_MAPPING))
        return yaml_error(&source->place, err, "yaml: map merge requires map or sequence of maps as the value");
    for (size_t i = 0; i < source->count; i++) {
        if (!yaml_pair_of(into, source->pairs[i].key))
            yaml_add_pair(parse->pool, into, &source->pairs[i]);
    }
    return 0;
}

static int build_key(struct parse *parse, struct fy_event *event, struct yaml_pair *pair, bool *ret_merge,
                     struct error *err)
{
    pair->place = place_of(parse, event);
    *ret_merge = false;
    if (event->type != FYET_SCALAR)
        return yaml_error(&pair->place, err, "yaml: a key must be text");
    struct fy_token *value = event->scalar.value;
    bool plain = !value || fy_scalar_token_get_style(value) == FYSS_PLAIN;
    struct yaml *key = yaml_new(parse->pool, YAML_STRING, NULL);
    key->place = pair->place;
    int r = build_scalar(parse, event, key, err);
    if (r < 0)
        return r;
    *ret_merge = plain && strcmp(key->text, "<<") == 0;
    if (key->kind != YAML_STRING)
        return yaml_error(&pair->place, err, "non-string key: %s", key->kind == YAML_NULL ? "null" : key->text);
    pair->key = key->text;
    return 0;
}

/* One key and its value. */
static int build_pair(struct parse *parse, struct yaml *node, struct fy_event *event, struct yaml *merges,
                      struct error *err)
{
    struct yaml_pair pair = {0};
    bool merge;
    int r = build_key(parse, event, &pair, &merge, err);
    if (r < 0)
        return r;
    struct yaml_pair *there = merge ? NULL : yaml_pair_of(node, pair.key);
    if (there)
        return yaml_error(&pair.place, err, "yaml: mapping key \"%s\" already defined at line %u", pair.key,
                          there->place.line);
    struct fy_event *next = next_event(parse, err);
    if (!next)
        return -EINVAL;
    pair.value = build(parse, next, err);
    fy_parser_event_free(parse->parser, next);
    if (!pair.value)
        return -EINVAL;
    /* Nothing at all has no place of its own. */
    if (pair.value->place.line == 0)
        pair.value->place = pair.place;
    if (merge)
        yaml_append(parse->pool, merges, pair.value);
    else
        yaml_add_pair(parse->pool, node, &pair);
    return 0;
}

static int build_collection(struct parse *parse, struct yaml *node, struct error *err)
{
    bool mapping = node->kind == YAML_MAPPING;
    struct yaml *merges = yaml_new(parse->pool, YAML_SEQUENCE, NULL);
    for (;;) {
        struct fy_event *event = next_event(parse, err);
        int r = event ? 0 : -EINVAL;
        if (event && event->type == (mapping ? FYET_MAPPING_END : FYET_SEQUENCE_END)) {
            fy_parser_event_free(parse->parser, event);
            break;
        }
        if (event && mapping) {
            r = build_pair(parse, node, event, merges, err);
        } else if (event) {
            struct yaml *value = build(parse, event, err);
            r = value ? 0 : -EINVAL;
            if (value)
                yaml_append(parse->pool, node, value);
        }
        if (event)
            fy_parser_event_free(parse->parser, event);
        if (r < 0)
            return r;
    }
    int r = 0;
    for (size_t i = 0; i < merges->count && r == 0; i++)
        r = merge_from(parse, node, merges->pairs[i].value, err);
    return r;
}

static struct yaml *build_alias(struct parse *parse, struct fy_event *event, struct error *err)
{
    struct yaml_place place = place_of(parse, event);
    const char *name = token_text(parse, event->alias.anchor);
    struct yaml *copy = yaml_copy(parse->pool, map_get(&parse->anchors, name));
    if (!copy)
        yaml_error(&place, err, "yaml: unknown anchor '%s' referenced", name);
    return copy;
}

/* The node that the event begins; NULL with err filled. */
static struct yaml *build(struct parse *parse, struct fy_event *event, struct error *err)
{
    struct yaml_place place = place_of(parse, event);
    struct fy_token *anchor = NULL;
    const char *core;
    int r = 0;
    if (parse->depth >= YAML_DEPTH_MAX || yaml_pool_full(parse->pool)) {
        yaml_error(&place, err, "yaml: the document has too many %s",
                   parse->depth >= YAML_DEPTH_MAX ? "levels" : "nodes");
        return NULL;
    }
    if (event->type == FYET_ALIAS)
        return build_alias(parse, event, err);
    struct yaml *node = yaml_new(parse->pool, YAML_NULL, NULL);
    node->place = place;
    parse->depth++;
    if (event->type == FYET_SCALAR) {
        anchor = event->scalar.anchor;
        r = build_scalar(parse, event, node, err);
    } else if (event->type == FYET_MAPPING_START || event->type == FYET_SEQUENCE_START) {
        bool mapping = event->type == FYET_MAPPING_START;
        node->kind = mapping ? YAML_MAPPING : YAML_SEQUENCE;
        anchor = mapping ? event->mapping_start.anchor : event->sequence_start.anchor;
        r = read_tag(parse, &place, mapping ? event->mapping_start.tag : event->sequence_start.tag, node, &core, err);
        if (r == 0)
            r = build_collection(parse, node, err);
    } else {
        r = yaml_error(&place, err, "yaml: the text ends too early");
    }
    parse->depth--;
    if (r < 0)
        return NULL;
    if (anchor)
        map_set(&parse->anchors, token_text(parse, anchor), node);
    return node;
}

static int parse_documents(struct parse *parse, struct yaml *documents, struct error *err)
{
    for (;;) {
        struct fy_event *event = fy_parser_parse(parse->parser);
        if (fy_parser_get_stream_error(parse->parser)) {
            if (event)
                fy_parser_event_free(parse->parser, event);
            return syntax_error(parse, err);
        }
        if (!event)
            return 0;
        int r = 0;
        if (event->type == FYET_SCALAR || event->type == FYET_ALIAS || event->type == FYET_MAPPING_START ||
            event->type == FYET_SEQUENCE_START) {
            struct yaml *root = build(parse, event, err);
            r = root ? 0 : -EINVAL;
            if (root && root->kind != YAML_NULL)
                yaml_append(parse->pool, documents, root);
        } else if (event->type == FYET_DOCUMENT_END) {
            map_release(&parse->anchors);
            parse->anchors = (struct map)MAP_INIT;
        }
        fy_parser_event_free(parse->parser, event);
        if (r < 0)
            return r;
    }
}

/* libfyaml goes round for ever in a directive that is not UTF-8: it gets to see nothing else. */
static int check_text(const char *file, const char *text, size_t size, struct error *err)
{
    struct yaml_place place = {.file = file, .line = 1, .column = 1};
    for (size_t i = 0; i < size;) {
        size_t n = utf8_sequence(text + i, size - i);
        if (n == 0 || text[i] == '\0')
            return yaml_error(&place, err, "yaml: the text has characters that are not UTF-8 or NUL");
        place.column = text[i] == '\n' ? 1 : place.column + 1;
        place.line += text[i] == '\n';
        i += n;
    }
    return 0;
}

int yaml_parse(struct yaml_pool *pool, const char *file, const char *text, size_t size, struct yaml ***ret_documents,
               size_t *ret_count, struct error *err)
{
    struct parse parse = {.pool = pool, .file = yaml_pool_strdup(pool, file), .anchors = MAP_INIT};
    struct yaml *documents = yaml_new(pool, YAML_SEQUENCE, NULL);
    struct error failure = {0};
    if (size > YAML_SIZE_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "%s: larger than %u MiB", file, YAML_SIZE_MAX >> 20);
    int r = check_text(parse.file, text, size, err);
    if (r < 0)
        return r;
    parse.diag = new_diag();
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_ALLOW_DUPLICATE_KEYS, .diag = parse.diag};
    parse.parser = fy_parser_create(&config);
    if (!parse.diag || !parse.parser || fy_parser_set_string(parse.parser, text, size) != 0)
        r = error_set(&failure, ERROR_SYSTEM, ENOMEM, "%s: no YAML parser", file);
    else
        r = parse_documents(&parse, documents, &failure);
    map_release(&parse.anchors);
    fy_parser_destroy(parse.parser);
    fy_diag_destroy(parse.diag);
    if (r < 0)
        return error_propagate(err, &failure);
    *ret_documents = yaml_pool_alloc(pool, (documents->count + 1) * sizeof(struct yaml *));
    for (size_t i = 0; i < documents->count; i++)
        (*ret_documents)[i] = documents->pairs[i].value;
    *ret_count = documents->count;
    return 0;
}
