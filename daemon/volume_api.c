/* Volumes with the engine's knowledge of who uses them. */
#include <errno.h>

#include "base/timestamp.h"
#include "daemon/container_filters.h"
#include "daemon/engine_internal.h"

const char *const volume_list_filters[] = {"dangling", "driver", "label", "name", NULL};
const char *const volume_prune_filters[] = {"label", "label!", "all", NULL};

static bool uses(const struct container *c, const char *name)
{
    for (size_t i = 0; i < c->mount_count; i++)
        if (c->mounts[i].name != NULL && strcmp(c->mounts[i].name, name) == 0)
            return true;
    return false;
}

/* Ids of the containers that use it, separated by ", " (caller frees); NULL when none does. */
static char *users(const char *name, void *data)
{
    struct engine *engine = data;
    struct strbuf out = STRBUF_INIT;
    pthread_mutex_lock(&engine->index_lock);
    for (size_t i = 0; i < engine->count; i++)
        if (uses(engine->list[i], name))
            strbuf_addf(&out, "%s%s", out.size ? ", " : "", engine->list[i]->id);
    pthread_mutex_unlock(&engine->index_lock);
    return out.size > 0 ? strbuf_take(&out) : NULL;
}

static void publish(struct engine *engine, const char *action, const char *name)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    strmap_set(&attributes, "driver", "local");
    events_publish(engine->events, "volume", action, name, &attributes);
}

int engine_volume_remove(struct engine *engine, const char *name, bool force, struct error *err)
{
    struct volume volume = {0};
    int r = volume_get(engine->volumes, name, &volume, err);
    volume_release(&volume);
    if (r == -ENOENT && force) {
        error_clear(err);
        return 0;
    }
    if (r < 0)
        return r;
    r = volume_remove(engine->volumes, name, users, engine, err);
    if (r == 0)
        publish(engine, "destroy", name);
    return r;
}

int engine_volume_rename(struct engine *engine, const char *name, const char *new_name, struct error *err)
{
    int r = volume_rename(engine->volumes, name, new_name, users, engine, err);
    if (r < 0)
        return r;
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    strmap_set(&attributes, "driver", "local");
    strmap_set(&attributes, "oldName", name);
    events_publish(engine->events, "volume", "rename", new_name, &attributes);
    return 0;
}

static void put_strmap(struct json_writer *w, const char *key, const struct strmap *map)
{
    json_key(w, key);
    if (map->count == 0) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < map->count; i++)
        json_member_string(w, map->items[i].key, map->items[i].value);
    json_end_object(w);
}

void volume_write_json(struct engine *engine, const struct volume *volume, struct json_writer *w)
{
    char created[TIMESTAMP_MAX];
    timestamp_format(created, volume->created / 1000000000 * 1000000000); /* docker keeps whole seconds here */
    CLEANUP_FREE char *path = volume_path(engine->volumes, volume->name);
    json_begin_object(w);
    json_member_string(w, "CreatedAt", created);
    json_member_string(w, "Driver", "local");
    if (volume->anonymous && strmap_get(&volume->labels, "com.docker.volume.anonymous") == NULL) {
        json_key(w, "Labels");
        json_begin_object(w);
        json_member_string(w, "com.docker.volume.anonymous", "");
        for (size_t i = 0; i < volume->labels.count; i++)
            json_member_string(w, volume->labels.items[i].key, volume->labels.items[i].value);
        json_end_object(w);
    } else {
        put_strmap(w, "Labels", &volume->labels);
    }
    json_member_string(w, "Mountpoint", path);
    json_member_string(w, "Name", volume->name);
    put_strmap(w, "Options", &volume->options);
    json_member_string(w, "Scope", "local");
    json_end_object(w);
}

static bool any_equals(const struct json *values, const char *text)
{
    for (size_t i = 0; i < json_count(values); i++)
        if (strcmp(json_string(json_at(values, i)), text) == 0)
            return true;
    return json_count(values) == 0;
}

static bool any_contained(const struct json *values, const char *text)
{
    for (size_t i = 0; i < json_count(values); i++)
        if (strstr(text, json_string(json_at(values, i))) != NULL)
            return true;
    return json_count(values) == 0;
}

static bool is_true(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static bool matches(struct engine *engine, const struct json *filters, const struct volume *v)
{
    if (!any_equals(json_get(filters, "driver"), "local") || !any_contained(json_get(filters, "name"), v->name) ||
        !filter_labels_match(json_get(filters, "label"), &v->labels))
        return false;
    const char *dangling = json_string(json_at(json_get(filters, "dangling"), 0));
    if (dangling == NULL)
        return true;
    CLEANUP_FREE char *by = users(v->name, engine);
    return (by == NULL) == is_true(dangling);
}

static void free_list(struct volume *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        volume_release(&list[i]);
    free(list);
}

int engine_volume_list(struct engine *engine, const struct json *filters, struct strbuf *out, struct error *err)
{
    const struct json *dangling = json_get(filters, "dangling");
    for (size_t i = 0; i < json_count(dangling); i++) {
        const char *text = json_string(json_at(dangling, i));
        if (!is_true(text) && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
            return error_set(err, ERROR_INVALID, 0, "invalid filter 'dangling=%s'", text);
    }
    struct volume *list;
    size_t count;
    int r = volume_list(engine->volumes, &list, &count, err);
    if (r < 0)
        return r;
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "Volumes");
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        if (matches(engine, filters, &list[i]))
            volume_write_json(engine, &list[i], &w);
    json_end_array(&w);
    json_member_null(&w, "Warnings");
    json_end_object(&w);
    strbuf_addc(out, '\n');
    free_list(list, count);
    return 0;
}

int engine_volume_prune(struct engine *engine, const struct json *filters, bool all, struct strbuf *out,
                        struct error *err)
{
    const char *all_text = json_string(json_at(json_get(filters, "all"), 0));
    if (all_text != NULL && !is_true(all_text) && strcmp(all_text, "false") != 0 && strcmp(all_text, "0") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid filter 'all=%s'", all_text);
    all = all || (all_text != NULL && is_true(all_text));
    const struct json *without = json_get(filters, "label!");
    struct volume *list;
    size_t count;
    int r = volume_list(engine->volumes, &list, &count, err);
    if (r < 0)
        return r;
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "VolumesDeleted");
    json_begin_array(&w);
    int64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct volume *v = &list[i];
        int64_t size = 0;
        if ((!all && !v->anonymous) || !filter_labels_match(json_get(filters, "label"), &v->labels) ||
            (json_count(without) > 0 && filter_labels_match(without, &v->labels)))
            continue;
        volume_size(engine->volumes, v->name, &size, NULL);
        if (engine_volume_remove(engine, v->name, false, NULL) < 0)
            continue; /* in use */
        json_put_string(&w, v->name);
        bytes += size;
    }
    json_end_array(&w);
    json_member_int(&w, "SpaceReclaimed", bytes);
    json_end_object(&w);
    strbuf_addc(out, '\n');
    free_list(list, count);
    events_publish_prune(engine->events, "volume", bytes);
    return 0;
}
