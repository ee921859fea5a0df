#include "cmd/dory/body_members.h"

void put_strings(struct json_writer *w, const char *key, const struct strv *list)
{
    if (list->count == 0)
        return;
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++)
        json_put_string(w, list->items[i]);
    json_end_array(w);
}

void put_text(struct json_writer *w, const char *key, const char *value)
{
    if (value)
        json_member_string(w, key, value);
}

void put_number(struct json_writer *w, const char *key, int64_t value)
{
    if (value)
        json_member_int(w, key, value);
}

void put_flag(struct json_writer *w, const char *key, bool value)
{
    if (value)
        json_member_bool(w, key, true);
}

void put_set(struct json_writer *w, const char *key, const struct strv *keys)
{
    if (keys->count == 0)
        return;
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < keys->count; i++) {
        json_key(w, keys->items[i]);
        json_begin_object(w);
        json_end_object(w);
    }
    json_end_object(w);
}

void put_map(struct json_writer *w, const char *key, const struct strmap *map)
{
    if (map->count == 0)
        return;
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < map->count; i++)
        json_member_string(w, map->items[i].key, map->items[i].value);
    json_end_object(w);
}

/* "key=value" entries; without '=' the value is empty, or an error when `need_value` names the flag. */
static int to_map(struct strmap *map, const struct strv *entries, const char *need_value, struct error *err)
{
    for (size_t i = 0; i < entries->count; i++) {
        const char *entry = entries->items[i], *equals = strchr(entry, '=');
        if (!equals && need_value)
            return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: missing '='", entry,
                             need_value);
        CLEANUP_FREE char *key = equals ? xstrndup(entry, (size_t)(equals - entry)) : xstrdup(entry);
        strmap_set(map, key, equals ? equals + 1 : "");
    }
    return 0;
}

int put_entries(struct json_writer *w, const char *key, const struct strv *entries, const char *need_value,
                struct error *err)
{
    CLEANUP_STRMAP struct strmap map = STRMAP_INIT;
    int r = to_map(&map, entries, need_value, err);
    if (r == 0)
        put_map(w, key, &map);
    return r;
}
