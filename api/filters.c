#include "api/filters.h"

#include <string.h>

#define FILTERS_TEXT_MAX (256 * 1024)

static bool is_known(const char *name, const char *const *known)
{
    if (!known)
        return true;
    for (; *known; known++) {
        if (strcmp(*known, name) == 0)
            return true;
    }
    return false;
}

static int malformed(struct error *err, const char *name)
{
    return error_set(err, ERROR_INVALID, 0, "invalid filter: the values of '%s' are neither a list nor a map", name);
}

static int write_values(struct json_writer *w, const char *name, const struct json *values, struct error *err)
{
    json_begin_array(w);
    if (values->kind == JSON_ARRAY) {
        for (size_t i = 0; i < values->array.count; i++) {
            const char *text = json_string(&values->array.items[i]);

            if (!text)
                return malformed(err, name);
            json_put_string(w, text);
        }
    } else if (values->kind == JSON_OBJECT) {
        for (size_t i = 0; i < values->object.count; i++) {
            if (values->object.values[i].kind != JSON_BOOL)
                return malformed(err, name);
            if (values->object.values[i].boolean)
                json_put_string(w, values->object.keys[i]);
        }
    } else {
        return malformed(err, name);
    }
    json_end_array(w);
    return 0;
}

int filters_normalise(const char *text, const char *const *known_names, struct json **ret, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    int r;

    *ret = NULL;
    if (!text || !*text)
        return 0;
    if (strlen(text) > FILTERS_TEXT_MAX)
        return error_set(err, ERROR_INVALID, 0, "invalid filter: too long");
    r = json_parse(text, strlen(text), &tree, err);
    if (r < 0) {
        if (err)
            err->kind = ERROR_INVALID;
        return error_context(err, "invalid filter");
    }
    if (tree->kind == JSON_NULL)
        return 0;
    if (tree->kind != JSON_OBJECT)
        return error_set(err, ERROR_INVALID, 0, "invalid filter: not an object");
    json_writer_init(&w, &out);
    json_begin_object(&w);
    for (size_t i = 0; i < tree->object.count; i++) {
        const char *name = tree->object.keys[i];

        if (!is_known(name, known_names))
            return error_set(err, ERROR_INVALID, 0, "invalid filter '%s'", name);
        json_key(&w, name);
        r = write_values(&w, name, &tree->object.values[i], err);
        if (r < 0)
            return r;
    }
    json_end_object(&w);
    return json_parse(out.data, out.size, ret, err);
}
