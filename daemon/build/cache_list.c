#include "daemon/build/cache_list.h"

#include <errno.h>

#include "base/beneath.h"
#include "base/db.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/timestamp.h"
#include "daemon/build/cache_mounts.h"
#include "daemon/build/service.h"
#include "daemon/engine_internal.h"

bool cache_record_is_mount(const struct build_cache_record *record)
{
    return strcmp(record->type, "exec.cachemount") == 0;
}

void build_cache_records_free(struct build_cache_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(records[i].id);
        free(records[i].parent);
        free(records[i].type);
        free(records[i].description);
    }
    free(records);
}

/* ---- Cache mounts ---- */

static int run_named(struct engine *engine, const char *sql, const char *name, const char *id, struct error *err)
{
    struct db_statement *s;
    db_lock(engine->db);
    int r = db_query(engine->db, sql, &s, err);
    if (r == 0) {
        db_bind_text(s, 1, name);
        if (id != NULL)
            db_bind_text(s, 2, id);
        db_bind_int(s, id != NULL ? 3 : 2, timestamp_now());
        r = db_run(s, err);
    }
    db_unlock(engine->db);
    return r;
}

int cache_mount_note(struct engine *engine, const char *name, const char *id, struct error *err)
{
    return run_named(engine,
                     "INSERT OR REPLACE INTO build_mount(name, id, created, last_used, use_count) "
                     "VALUES(?1, ?2, ?3, ?3, 0)",
                     name, id, err);
}

int cache_mount_touch(struct engine *engine, const char *name, struct error *err)
{
    return run_named(engine, "UPDATE build_mount SET use_count = use_count + 1, last_used = ?2 WHERE name = ?1", name,
                     NULL, err);
}

int cache_mount_remove(struct engine *engine, const char *name, bool *ret_removed, struct error *err)
{
    CLEANUP_CLOSE int mounts = cache_mounts_directory(engine, err);
    struct db_statement *s;
    if (mounts < 0)
        return mounts;
    if (!cache_mount_enter(engine->builds, name)) {
        *ret_removed = false;
        return 0;
    }
    int r = beneath_remove_tree(mounts, name);
    if (r < 0)
        error_errno(err, r, "remove build/mounts/%s", name);
    db_lock(engine->db);
    if (r == 0)
        r = db_query(engine->db, "DELETE FROM build_mount WHERE name = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, name);
        r = db_run(s, err);
    }
    db_unlock(engine->db);
    cache_mount_leave(engine->builds, name);
    *ret_removed = r == 0;
    return r;
}

/* ---- The list ---- */

struct record_list {
    struct build_cache_record *items;
    size_t count, capacity;
};

static struct build_cache_record *add(struct record_list *list)
{
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items));
    struct build_cache_record *record = &list->items[list->count++];
    *record = (struct build_cache_record){0};
    return record;
}

/* Lock held. */
static int list_results(struct engine *engine, struct record_list *list, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(engine->db,
                     "SELECT key, parent, description, size, created, last_used, use_count, diff_id IS NOT NULL AND "
                     "diff_id IN (SELECT diff_id FROM image_layer) FROM build_cache WHERE second = 0 ORDER BY created",
                     &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        struct build_cache_record *record = add(list);
        record->id = xstrdup(db_text(s, 0));
        record->parent = xstrdup(db_text(s, 1));
        record->type = xstrdup("regular");
        record->description = xstrdup(db_text(s, 2));
        record->size = db_int(s, 3);
        record->created = db_int(s, 4);
        record->last_used = db_int(s, 5);
        record->use_count = db_int(s, 6);
        record->shared = db_int(s, 7) != 0;
        record->in_use = build_key_is_held(engine->builds, record->id);
    }
    return r;
}

static int list_mounts(struct engine *engine, struct record_list *list, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(engine->db, "SELECT name, id, created, last_used, use_count FROM build_mount ORDER BY created", &s,
                     err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        struct build_cache_record *record = add(list);
        record->id = xstrdup(db_text(s, 0));
        record->parent = xstrdup("");
        record->type = xstrdup("exec.cachemount");
        record->description = xasprintf("cached mount %s", db_text(s, 1));
        record->created = db_int(s, 2);
        record->last_used = db_int(s, 3);
        record->use_count = db_int(s, 4);
    }
    return r;
}

static int measure_mounts(struct engine *engine, struct record_list *list, struct error *err)
{
    CLEANUP_CLOSE int mounts = cache_mounts_directory(engine, err);
    if (mounts < 0)
        return mounts;
    for (size_t i = 0; i < list->count; i++) {
        struct build_cache_record *record = &list->items[i];
        if (!cache_record_is_mount(record))
            continue;
        (void)directory_size(mounts, record->id, &record->size); /* one that is gone has none */
        record->in_use = !cache_mount_enter(engine->builds, record->id);
        if (!record->in_use)
            cache_mount_leave(engine->builds, record->id);
    }
    return 0;
}

int build_cache_list(struct engine *engine, struct build_cache_record **ret, size_t *ret_count, struct error *err)
{
    struct record_list list = {0};
    db_lock(engine->db);
    int r = list_results(engine, &list, err);
    if (r == 0)
        r = list_mounts(engine, &list, err);
    db_unlock(engine->db);
    if (r == 0)
        r = measure_mounts(engine, &list, err);
    *ret = list.items;
    *ret_count = list.count;
    return r;
}
