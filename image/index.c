#include "image/index.h"

#include <errno.h>

#include "base/memory.h"
#include "image/digest.h"

void index_members_release(struct index_members *members)
{
    free(members->items);
    *members = (struct index_members){0};
}

/* ---- Reading ---- */

int index_of_name(struct image_store *store, const char *name, char ret[DIGEST_TEXT_MAX], struct error *err)
{
    struct db_statement *s;
    bool row = false;
    ret[0] = 0;
    int r = db_query(store->db, "SELECT idx FROM name_index WHERE name = ?", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, name);
    r = db_step(s, &row, err);
    if (r == 0 && row) {
        snprintf(ret, DIGEST_TEXT_MAX, "%s", db_text(s, 0));
        db_reset(s);
    }
    return r;
}

int index_members(struct image_store *store, const char *index, struct index_members *ret, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(
        store->db, "SELECT image, os, architecture, variant FROM index_image WHERE idx = ? ORDER BY position", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, index);
    }
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        ret->items = xreallocarray(ret->items, ret->count + 1, sizeof(*ret->items));
        struct index_member *member = &ret->items[ret->count++];
        snprintf(member->image, sizeof(member->image), "%s", db_text(s, 0));
        platform_set(&member->platform, db_text(s, 1), db_text(s, 2), db_text(s, 3));
    }
    return r;
}

const struct index_member *index_choose(const struct index_members *members, const struct platform *platform,
                                        bool exact)
{
    const struct index_member *best = NULL;
    int best_distance = 0;
    for (size_t i = 0; i < members->count; i++) {
        int distance = platform_distance(platform, &members->items[i].platform);
        if (distance < 0 || (exact && distance > 0)) {
            continue;
        }
        if (best == NULL || distance < best_distance) {
            best = &members->items[i];
            best_distance = distance;
        }
    }
    return best;
}

/* ---- Keeping ---- */

/* The image that a manifest is kept with; "" when there is none. */
static int image_of_manifest(struct image_store *store, const char *manifest, char ret[DIGEST_TEXT_MAX],
                             struct error *err)
{
    struct db_statement *s;
    bool row = false;
    ret[0] = 0;
    int r = db_query(store->db, "SELECT image FROM image_blob WHERE digest = ? LIMIT 1", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, manifest);
    r = db_step(s, &row, err);
    if (r == 0 && row) {
        snprintf(ret, DIGEST_TEXT_MAX, "%s", db_text(s, 0));
        db_reset(s);
    }
    return r;
}

/* What an index does not say of a member its config does. */
static int member_platform(struct image_store *store, const struct descriptor *item, const char *id,
                           struct platform *ret, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    if (item->has_platform) {
        *ret = item->platform;
        return 0;
    }
    int r = image_get(store, id, &image, err);
    if (r == 0) {
        platform_set(ret, image->os, image->architecture, image->variant);
    }
    return r;
}

static int keep_member(struct image_store *store, const char *index, const struct descriptor *item, size_t position,
                       struct error *err)
{
    char image[DIGEST_TEXT_MAX];
    struct platform platform = {0};
    struct db_statement *s;
    int r = image_of_manifest(store, item->digest, image, err);
    if (r < 0 || image[0] == 0) {
        return r;
    }
    r = member_platform(store, item, image, &platform, err);
    if (r == 0) {
        r = db_query(store->db,
                     "INSERT OR REPLACE INTO index_image (idx, position, image, os, architecture, variant)"
                     " VALUES (?, ?, ?, ?, ?, ?)",
                     &s, err);
    }
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, index);
    db_bind_int(s, 2, (int64_t)position);
    db_bind_text(s, 3, image);
    db_bind_text(s, 4, platform.os);
    db_bind_text(s, 5, platform.architecture);
    db_bind_text(s, 6, platform.variant);
    return db_run(s, err);
}

int index_parse(const char *text, size_t size, struct manifest *ret, struct error *err)
{
    /* An OCI index need not name its own type. */
    int r = manifest_parse(NULL, text, size, ret, NULL);
    if (r < 0) {
        r = manifest_parse(MEDIA_OCI_INDEX, text, size, ret, err);
    }
    return r == 0 && ret->kind != MANIFEST_LIST
               ? error_set(err, ERROR_INVALID, EINVAL, "the manifest of an image where an index is needed")
               : r;
}

int index_keep(struct image_store *store, const char *text, size_t size, char ret_digest[DIGEST_TEXT_MAX],
               struct error *err)
{
    struct manifest CLEANUP_MANIFEST index = {0};
    digest_of(text, size, ret_digest);
    int r = index_parse(text, size, &index, err);
    if (r == 0) {
        r = store_write_blob(store, ret_digest, text, size, err);
    }
    if (r == 0) {
        r = store_run(store, "INSERT OR IGNORE INTO image_index (digest) VALUES (?)", ret_digest, err);
    }
    for (size_t i = 0; r == 0 && i < index.count; i++) {
        r = keep_member(store, ret_digest, &index.items[i], i, err);
    }
    return r;
}

/* ---- Names ---- */

static int set_first_choice(struct image_store *store, const char *name, const char *image, struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db, "UPDATE image_name SET image = ? WHERE name = ?", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, image);
    db_bind_text(s, 2, name);
    return db_run(s, err);
}

static int set_index(struct image_store *store, const char *name, const char *index, struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db, "INSERT INTO name_index (name, idx) VALUES (?, ?)", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, name);
    db_bind_text(s, 2, index);
    return db_run(s, err);
}

int index_name(struct image_store *store, const char *name, const char *index, const char *id, struct error *err)
{
    struct index_members CLEANUP_INDEX_MEMBERS members = {0};
    struct platform host;
    int r = store_run(store, "DELETE FROM name_index WHERE name = ?", name, err);
    if (r < 0 || index[0] == 0) {
        return r;
    }
    platform_host(&host);
    r = set_index(store, name, index, err);
    if (r == 0) {
        r = index_members(store, index, &members, err);
    }
    const struct index_member *best = index_choose(&members, &host, false);
    return r < 0 ? r : set_first_choice(store, name, best != NULL ? best->image : id, err);
}

int index_lose(struct image_store *store, const char *index, const char *image, struct error *err)
{
    struct map names = MAP_INIT;
    struct db_statement *s;
    bool row = true;
    size_t i = 0;
    const char *name;
    void *value;
    int r = db_query(store->db, "DELETE FROM index_image WHERE idx = ? AND image = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, index);
        db_bind_text(s, 2, image);
        r = db_run(s, err);
    }
    if (r == 0) {
        r = db_query(store->db,
                     "SELECT name, (SELECT image FROM index_image WHERE idx = ?1 ORDER BY position LIMIT 1)"
                     " FROM name_index WHERE idx = ?1",
                     &s, err);
    }
    if (r == 0) {
        db_bind_text(s, 1, index);
    }
    char other[DIGEST_TEXT_MAX] = "";
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        snprintf(other, sizeof(other), "%s", db_text(s, 1) != NULL ? db_text(s, 1) : "");
        map_set(&names, db_text(s, 0), store);
    }
    while (r == 0 && map_next(&names, &i, &name, &value)) {
        r = index_name(store, name, index, other, err);
    }
    map_release(&names);
    return r;
}

int index_drop_unused(struct image_store *store, struct strv *blobs, struct error *err)
{
    struct db_statement *s;
    bool row = true, any = false;
    int r =
        db_query(store->db, "SELECT digest FROM image_index WHERE digest NOT IN (SELECT idx FROM name_index)", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        strv_add(blobs, digest_hex(db_text(s, 0)));
        any = true;
    }
    return r < 0 || !any
               ? r
               : db_exec(store->db, "DELETE FROM image_index WHERE digest NOT IN (SELECT idx FROM name_index)", err);
}

int index_commit(struct image_store *store, int r, struct error *err)
{
    struct strv CLEANUP_STRV blobs = STRV_INIT;
    if (r == 0) {
        r = index_drop_unused(store, &blobs, err);
    }
    store_cache_clear(store);
    db_lock(store->db); /* until the files are gone, so that nobody writes them anew between the rows and them */
    if (r < 0) {
        db_rollback(store->db);
    } else {
        r = db_commit(store->db, err);
    }
    if (r == 0) {
        store_trash_blobs(store, &blobs);
    }
    db_unlock(store->db);
    return r;
}
