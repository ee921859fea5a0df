#include "daemon/build/cache.h"

#include "base/db.h"
#include "base/timestamp.h"
#include "image/draft.h"

struct cache_row *cache_row_new(const char *key, const char *parent, const char *description, const char *content)
{
    struct cache_row *row = xcalloc(1, sizeof(*row));
    snprintf(row->key, sizeof(row->key), "%s", key);
    snprintf(row->parent, sizeof(row->parent), "%s", parent);
    row->description = xstrdup(description);
    row->content = xstrdup(content);
    return row;
}

void cache_row_free(struct cache_row *row)
{
    if (row != NULL) {
        free(row->description);
        free(row->content);
        free(row);
    }
}

void cache_row_free_ptr(struct cache_row **row)
{
    cache_row_free(*row);
    *row = NULL;
}

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS build_cache(key TEXT PRIMARY KEY, parent TEXT NOT NULL, description TEXT NOT NULL,"
    " content TEXT, diff_id TEXT, size INTEGER NOT NULL, created INTEGER NOT NULL, last_used INTEGER NOT NULL,"
    " use_count INTEGER NOT NULL, second INTEGER NOT NULL, nonce TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS build_cache_layer ON build_cache(diff_id);"
    /* Layers in the form in which they were sent to other caches. */
    "CREATE TABLE IF NOT EXISTS build_cache_blob(diff_id TEXT PRIMARY KEY, digest TEXT NOT NULL, size INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "DELETE FROM build_cache_blob WHERE diff_id NOT IN (SELECT diff_id FROM layer);"
    /* Containers of steps that run. */
    "CREATE TABLE IF NOT EXISTS build_container(id TEXT PRIMARY KEY) WITHOUT ROWID;"
    /* Cache mounts: directories below build/mounts. */
    "CREATE TABLE IF NOT EXISTS build_mount(name TEXT PRIMARY KEY, id TEXT NOT NULL, created INTEGER NOT NULL,"
    " last_used INTEGER NOT NULL, use_count INTEGER NOT NULL) WITHOUT ROWID";

int cache_open(struct db *db, struct error *err)
{
    return db_exec(db, schema, err);
}

/* Lock held. */
static int delete_row(struct db *db, const char *key, struct error *err)
{
    struct db_statement *s;
    int r = db_query(db, "DELETE FROM build_cache WHERE key = ?", &s, err);
    if (r < 0)
        return r;
    db_bind_text(s, 1, key);
    return db_run(s, err);
}

int cache_find(struct db *db, const char *key, struct cache_row **ret, struct error *err)
{
    struct db_statement *s;
    bool row = false, lost = false;
    *ret = NULL;
    db_lock(db);
    int r = db_query(db,
                     "SELECT parent, description, content, diff_id, size, second, created, nonce, diff_id IS NOT NULL "
                     "AND diff_id NOT IN"
                     " (SELECT diff_id FROM layer) FROM build_cache WHERE key = ?",
                     &s, err);
    if (r == 0) {
        db_bind_text(s, 1, key);
        r = db_step(s, &row, err);
    }
    if (r == 0 && row) {
        lost = db_int(s, 8) != 0;
        *ret = cache_row_new(key, db_text(s, 0), db_text(s, 1), db_text(s, 2));
        snprintf((*ret)->diff_id, sizeof((*ret)->diff_id), "%s", db_text(s, 3) != NULL ? db_text(s, 3) : "");
        (*ret)->size = db_int(s, 4);
        (*ret)->result_only = db_int(s, 5) != 0;
        (*ret)->created = db_int(s, 6);
        snprintf((*ret)->nonce, sizeof((*ret)->nonce), "%s", db_text(s, 7));
        db_reset(s);
    }
    if (r == 0 && lost) {
        cache_row_free(TAKE_PTR(*ret));
        r = delete_row(db, key, err);
    }
    db_unlock(db);
    return r;
}

int cache_put(struct db *db, const struct cache_row *row, struct error *err)
{
    struct db_statement *s;
    db_lock(db);
    int r = db_query(db,
                     "INSERT OR REPLACE INTO build_cache(key, parent, description, content, diff_id, size, created, "
                     "last_used, use_count, second, nonce) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?9, 1, ?8, ?10)",
                     &s, err);
    if (r == 0) {
        db_bind_text(s, 1, row->key);
        db_bind_text(s, 2, row->parent);
        db_bind_text(s, 3, row->description != NULL ? row->description : "");
        db_bind_text(s, 4, row->content);
        db_bind_text(s, 5, row->diff_id[0] != 0 ? row->diff_id : NULL);
        db_bind_int(s, 6, row->size);
        db_bind_int(s, 7, row->created != 0 ? row->created : timestamp_now());
        db_bind_int(s, 8, row->result_only);
        db_bind_int(s, 9, timestamp_now());
        db_bind_text(s, 10, row->nonce);
        r = db_run(s, err);
    }
    db_unlock(db);
    return r;
}

int cache_touch(struct db *db, const struct strv *keys, struct error *err)
{
    int64_t now = timestamp_now();
    if (keys->count == 0)
        return 0;
    int r = db_begin(db, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < keys->count; i++) {
        struct db_statement *s;
        r = db_query(db, "UPDATE build_cache SET last_used = ?, use_count = use_count + 1 WHERE key = ?", &s, err);
        if (r == 0) {
            db_bind_int(s, 1, now);
            db_bind_text(s, 2, keys->items[i]);
            r = db_run(s, err);
        }
    }
    if (r < 0) {
        db_rollback(db);
        return r;
    }
    return db_commit(db, err);
}

/* The name under which a record uses its layer. */
static char *layer_user(const char *key)
{
    return xasprintf("build:%s", key);
}

int cache_row_use(struct cache_row *row, struct image_store *store, const struct draft_info *info, struct error *err)
{
    CLEANUP_FREE char *user = layer_user(row->key);
    row->size = info->size;
    if (info->empty)
        return 0;
    memcpy(row->diff_id, info->diff_id, sizeof(row->diff_id));
    return image_layer_use(store, info->diff_id, user, err);
}

/* The record first: a layer whose use a crash leaves behind costs space until its key is used again. */
int cache_remove(struct db *db, struct image_store *store, const char *key, struct error *err)
{
    CLEANUP_FREE char *user = layer_user(key);
    db_lock(db);
    int r = delete_row(db, key, err);
    db_unlock(db);
    return r < 0 ? r : image_layer_release(store, user, err);
}

int cache_blob_find(struct db *db, const char *diff_id, struct cache_blob *ret, struct error *err)
{
    struct db_statement *s;
    bool row = false;
    *ret = (struct cache_blob){0};
    db_lock(db);
    int r = db_query(db, "SELECT digest, size FROM build_cache_blob WHERE diff_id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, diff_id);
        r = db_step(s, &row, err);
    }
    if (r == 0 && row) {
        snprintf(ret->digest, sizeof(ret->digest), "%s", db_text(s, 0));
        ret->size = db_int(s, 1);
        db_reset(s);
    }
    db_unlock(db);
    return r;
}

int cache_blob_put(struct db *db, const char *diff_id, const struct cache_blob *blob, struct error *err)
{
    struct db_statement *s;
    db_lock(db);
    int r = db_query(db, "INSERT OR REPLACE INTO build_cache_blob(diff_id, digest, size) VALUES(?, ?, ?)", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, diff_id);
        db_bind_text(s, 2, blob->digest);
        db_bind_int(s, 3, blob->size);
        r = db_run(s, err);
    }
    db_unlock(db);
    return r;
}

int cache_list_followers(struct db *db, bool all, struct strv *ret, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    db_lock(db);
    int r = db_query(db,
                     "SELECT key FROM build_cache WHERE second = 1 AND (?1 OR (parent <> '' AND parent NOT IN "
                     "(SELECT key FROM build_cache WHERE second = 0) AND 'sha256:' || parent NOT IN (SELECT id FROM "
                     "image)))",
                     &s, err);
    if (r == 0)
        db_bind_int(s, 1, all);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row)
        strv_add(ret, db_text(s, 0));
    db_unlock(db);
    return r;
}
