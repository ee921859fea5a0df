/* Names of images, and what they stand for. */
#include <errno.h>

#include "base/memory.h"
#include "base/timestamp.h"
#include "image/index.h"

static int note_naming(struct image_store *store, const char *id, struct error *err)
{
    struct db_statement *s;
    int r = db_query(
        store->db,
        "INSERT INTO image_tagged (image, time) VALUES (?, ?) ON CONFLICT (image) DO UPDATE SET time = excluded.time",
        &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, id);
    db_bind_int(s, 2, timestamp_now());
    return db_run(s, err);
}

int image_name_set(struct image_store *store, const char *id, const char *index, const struct reference *ref,
                   struct error *err)
{
    CLEANUP_FREE char *key = image_name_key(ref);
    struct db_statement *s;
    int r = db_query(
        store->db,
        "INSERT INTO image_name (name, image) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET image = excluded.image",
        &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, key);
    db_bind_text(s, 2, id);
    r = db_run(s, err);
    if (r == 0) {
        r = index_name(store, key, index, id, err);
    }
    return r < 0 ? r : note_naming(store, id, err);
}

static int add_refs(struct image_store *store, const struct image_target *target, const struct reference *refs,
                    size_t count, struct error *err)
{
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = image_name_set(store, target->id, target->index, &refs[i], err);
    }
    return index_commit(store, r, err);
}

int image_add_refs(struct image_store *store, const char *id, const struct reference *refs, size_t count,
                   struct error *err)
{
    struct image_target target = {.index = ""};
    snprintf(target.id, sizeof(target.id), "%s", id);
    return add_refs(store, &target, refs, count, err);
}

int image_tag(struct image_store *store, const char *image, const struct reference *ref, struct error *err)
{
    struct image_target target;
    if (ref->digest != NULL) {
        return error_set(err, ERROR_INVALID, EINVAL, "refusing to create a tag with a digest reference");
    }
    db_lock(store->db);
    int r = image_find_target(store, image, &target, err);
    if (r == 0) {
        r = add_refs(store, &target, ref, 1, err);
    }
    db_unlock(store->db);
    return r;
}
