/* What of the cache goes: everything that matches and that nobody uses, the least recently used first. */
#include <errno.h>
#include <sys/param.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/build/cache_list.h"
#include "daemon/build/context_sync.h"
#include "daemon/build/service.h"
#include "daemon/container_filters.h"
#include "daemon/engine_internal.h"

static const char *const known_filters[] = {"until",       "unused-for", "id",     "parent",  "type",
                                            "description", "inuse",      "shared", "private", NULL};

/* ---- Filters: {"until":["24h"], "id":["x","y"]}; values of one name are alternatives ---- */

static bool any_value(const struct json *values, bool (*matches)(const struct build_cache_record *, const char *),
                      const struct build_cache_record *record)
{
    for (size_t i = 0; i < json_count(values); i++) {
        const char *value = json_string(json_at(values, i));
        if (value != NULL && matches(record, value))
            return true;
    }
    return json_count(values) == 0;
}

static bool id_matches(const struct build_cache_record *record, const char *value)
{
    return strncmp(record->id, value, strlen(value)) == 0;
}

static bool parent_matches(const struct build_cache_record *record, const char *value)
{
    return strncmp(record->parent, value, strlen(value)) == 0;
}

static bool type_matches(const struct build_cache_record *record, const char *value)
{
    return strcmp(record->type, value) == 0;
}

static bool description_matches(const struct build_cache_record *record, const char *value)
{
    return strstr(record->description, value) != NULL;
}

static bool in_use_matches(const struct build_cache_record *record, const char *value)
{
    return record->in_use == (strcmp(value, "false") != 0 && strcmp(value, "0") != 0);
}

static bool shared_matches(const struct build_cache_record *record, const char *value)
{
    return record->shared == (strcmp(value, "false") != 0 && strcmp(value, "0") != 0);
}

static bool private_matches(const struct build_cache_record *record, const char *value)
{
    return record->shared != (strcmp(value, "false") != 0 && strcmp(value, "0") != 0);
}

static const struct {
    const char *name;
    bool (*matches)(const struct build_cache_record *record, const char *value);
} rules[] = {
    {"id", id_matches},           {"parent", parent_matches},
    {"type", type_matches},       {"description", description_matches},
    {"inuse", in_use_matches},    {"shared", shared_matches},
    {"private", private_matches},
};

static bool matches(const struct build_cache_record *record, const struct json *filters, int64_t before)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct json *values = json_get(filters, rules[i].name);
        if (values != NULL && !any_value(values, rules[i].matches, record))
            return false;
    }
    return before == 0 || record->last_used < before;
}

static int check_filters(const struct json *filters, int64_t *ret_before, struct error *err)
{
    static const char *const ages[] = {"until", "unused-for"};
    for (size_t i = 0; filters != NULL && i < filters->object.count; i++) {
        const char *name = filters->object.keys[i];
        size_t j = 0;
        while (known_filters[j] != NULL && strcmp(known_filters[j], name) != 0)
            j++;
        if (known_filters[j] == NULL)
            return error_set(err, ERROR_INVALID, 0, "invalid filter '%s'", name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(ages); i++) {
        const struct json *values = json_get(filters, ages[i]);
        const char *text = json_string(json_at(values, 0));
        if (values == NULL)
            continue;
        if (json_count(values) != 1 || text == NULL)
            return error_set(err, ERROR_INVALID, 0, "%s expects only one value", ages[i]);
        if (timestamp_parse_human(text, timestamp_now(), ret_before) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid %s filter: %s", ages[i], text);
    }
    return 0;
}

/* ---- Pruning ---- */

static int by_use(const void *a, const void *b)
{
    const struct build_cache_record *left = a, *right = b;
    return (left->last_used > right->last_used) - (left->last_used < right->last_used);
}

static int remove_record(struct engine *engine, const struct build_cache_record *record, bool *ret_removed,
                         struct error *err)
{
    if (cache_record_is_mount(record))
        return cache_mount_remove(engine, record->id, ret_removed, err);
    *ret_removed = !build_key_is_held(engine->builds, record->id);
    return *ret_removed ? cache_remove(engine->db, engine->images, record->id, err) : 0;
}

/* Second keys and config steps that lead to nothing any more, or when everything goes. */
static int remove_followers(struct engine *engine, bool all, struct error *err)
{
    CLEANUP_STRV struct strv keys = STRV_INIT;
    int r = cache_list_followers(engine->db, all, &keys, err);
    for (size_t i = 0; r == 0 && i < keys.count; i++)
        if (!build_key_is_held(engine->builds, keys.items[i]))
            r = cache_remove(engine->db, engine->images, keys.items[i], err);
    return r;
}

bool build_prune_is_limited(const struct build_prune *how)
{
    return how->keep_storage > 0 || how->max_used > 0 || how->min_free > 0;
}

/* Bytes of the total that may stay. */
static int may_stay(struct engine *engine, const struct build_prune *how, int64_t total, int64_t *ret,
                    struct error *err)
{
    const char *root = engine_options(engine)->data_root;
    int64_t keep = how->max_used > 0 ? how->max_used : how->min_free > 0 ? total : 0;
    if (how->min_free > 0) {
        struct statvfs disk;
        if (statvfs(root, &disk) < 0)
            return error_errno(err, errno, "the room below %s", root);
        int64_t room = (int64_t)(disk.f_bavail * disk.f_frsize);
        if (room < how->min_free)
            keep = MIN(keep, total - (how->min_free - room));
    }
    *ret = MAX(keep, how->keep_storage);
    return 0;
}

static int prune(struct engine *engine, const struct build_prune *how, int64_t before,
                 const struct build_cache_record *records, size_t count, struct strv *ret_ids, int64_t *ret_bytes,
                 struct error *err)
{
    bool limited = build_prune_is_limited(how);
    int64_t total = 0, keep = 0;
    for (size_t i = 0; i < count; i++)
        total += records[i].size;
    int r = may_stay(engine, how, total, &keep, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct build_cache_record *record = &records[i];
        bool removed = false;
        if ((limited && total <= keep) || record->in_use || (!how->all && record->shared) ||
            !matches(record, how->filters, before))
            continue;
        r = remove_record(engine, record, &removed, err);
        if (r < 0 || !removed)
            continue;
        strv_add(ret_ids, record->id);
        total -= record->size;
        *ret_bytes += record->shared ? 0 : record->size; /* an image keeps it on the disk */
    }
    return r;
}

/* Contexts that are kept count as unused when nobody builds from them; only filters by which they are meant, or none,
 * take them. */
static int prune_contexts(struct engine *engine, const struct build_prune *how, struct strv *ids, int64_t *bytes,
                          struct error *err)
{
    const struct json *types = json_get(how->filters, "type");
    bool meant = how->filters == NULL || how->filters->object.count == 0 ||
                 (how->filters->object.count == 1 && json_count(types) == 1 &&
                  strcmp(json_string(json_at(types, 0)), "source.local") == 0);
    int64_t freed = 0;
    size_t count = 0;
    if (!meant || build_prune_is_limited(how))
        return 0;
    int r = context_sync_usage(engine, true, &freed, &count, err);
    if (r == 0 && count > 0)
        strv_add(ids, "contexts");
    *bytes += freed;
    return r;
}

int build_prune(struct engine *engine, const struct build_prune *how, struct strv *ret_ids, int64_t *ret_bytes,
                struct error *err)
{
    struct build_cache_record *records = NULL;
    size_t count = 0;
    int64_t before = 0;
    *ret_bytes = 0;
    int r = check_filters(how->filters, &before, err);
    if (r < 0)
        return r;
    r = build_cache_list(engine, &records, &count, err);
    if (r == 0 && count > 0) {
        qsort(records, count, sizeof(*records), by_use);
        r = prune(engine, how, before, records, count, ret_ids, ret_bytes, err);
    }
    build_cache_records_free(records, count);
    bool everything =
        how->all && !build_prune_is_limited(how) && (how->filters == NULL || how->filters->object.count == 0);
    if (r == 0)
        r = remove_followers(engine, everything, err);
    return r < 0 ? r : prune_contexts(engine, how, ret_ids, ret_bytes, err);
}
