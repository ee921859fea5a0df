#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "image/digest.h"
#include "image/index.h"

static const char *commit_diff_id(const struct image_commit_layer *layer)
{
    return layer->ingest != NULL ? layer_ingest_info(layer->ingest)->diff_id : layer->diff_id;
}

/* The config must say exactly what the layers are; what anybody claimed about them elsewhere does not count. */
static int commit_check(const struct image_commit *commit, const struct image *image, struct error *err)
{
    if (commit->expected_id != NULL && strcmp(commit->expected_id, image->id) != 0) {
        return error_set(err, ERROR_INVALID, EINVAL, "image config verification failed for digest %s",
                         commit->expected_id);
    }
    if (image->os != NULL && image->os[0] != 0 && strcmp(image->os, "linux") != 0) {
        return error_set(err, ERROR_INVALID, EINVAL, "cannot load %s image on linux", image->os);
    }
    bool match = image->diff_ids.count == commit->layer_count;
    for (size_t i = 0; match && i < commit->layer_count; i++) {
        match = strcmp(image->diff_ids.items[i], commit_diff_id(&commit->layers[i])) == 0;
    }
    return match ? 0 : error_set(err, ERROR_INVALID, EINVAL, "layers from manifest don't match image configuration");
}

/* Layers that came to overlay/ in this transaction. */
struct moved {
    struct layer_ingest **ingests;
    struct strv names;
};

static void moved_release(struct moved *moved)
{
    free(moved->ingests);
    strv_release(&moved->names);
}

static void moved_add(struct moved *moved, struct layer_ingest *ingest, const char *name)
{
    moved->ingests = xreallocarray(moved->ingests, moved->names.count + 1, sizeof(*moved->ingests));
    moved->ingests[moved->names.count] = ingest;
    strv_add(&moved->names, name);
}

/* Back to where they were: they are good, and other pulls may wait for them. What cannot be renamed now has no row and
 * goes at the next start. */
static void moved_undo(struct image_store *store, const struct moved *moved)
{
    for (size_t i = 0; i < moved->names.count; i++) {
        const char *name = moved->names.items[i];
        if (renameat2(store->overlay_fd, name, store->tmp_fd, name, RENAME_NOREPLACE) == 0) {
            layer_ingest_give_back(moved->ingests[i], name);
        }
    }
}

/* tmp/NAME becomes overlay/NAME; `moved` remembers it for the case that the rest fails. */
static int commit_new_layer(struct image_store *store, struct layer_ingest *ingest, struct moved *moved,
                            struct error *err)
{
    const struct layer_info *info = layer_ingest_info(ingest);
    char name[STORE_ID_SIZE + 1];
    bool opaque;
    struct db_statement *s;
    layer_ingest_take(ingest, name, &opaque);
    if (name[0] == 0) { /* a pull that shared the download took it, and could not bring it back */
        return error_set(err, ERROR_SYSTEM, ENOENT, "layer %s is not in the store any more", info->diff_id);
    }
    if (renameat2(store->tmp_fd, name, store->overlay_fd, name, RENAME_NOREPLACE) < 0) {
        int r = error_errno(err, errno, "rename tmp/%s to overlay/%s", name, name);
        layer_ingest_give_back(ingest, name);
        return r;
    }
    moved_add(moved, ingest, name);
    int r = db_query(store->db, "INSERT INTO layer (diff_id, dir, size, opaque, boot) VALUES (?, ?, ?, ?, ?)", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, info->diff_id);
    db_bind_text(s, 2, name);
    db_bind_int(s, 3, info->size);
    db_bind_int(s, 4, opaque);
    db_bind_text(s, 5, store->boot);
    return db_run(s, err);
}

static int commit_layer(struct image_store *store, const struct image_commit_layer *layer, struct moved *moved,
                        struct error *err)
{
    bool known = false;
    const char *diff_id = commit_diff_id(layer);
    int r = store_has_layer(store, diff_id, &known, err);
    if (r < 0) {
        return r;
    }
    if (layer->ingest == NULL) {
        return known ? 0 : error_set(err, ERROR_SYSTEM, ENOENT, "layer %s is not in the store any more", diff_id);
    }
    if (!known) {
        r = commit_new_layer(store, layer->ingest, moved, err);
    }
    struct db_statement *s;
    if (r == 0) {
        r = db_query(store->db, "INSERT OR IGNORE INTO layer_digest (digest, diff_id) VALUES (?, ?)", &s, err);
    }
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, layer_ingest_info(layer->ingest)->digest);
    db_bind_text(s, 2, diff_id);
    return db_run(s, err);
}

static int commit_image_row(struct image_store *store, const struct image *image, const char *parent, bool *ret_new,
                            struct error *err)
{
    struct db_statement *s;
    int r =
        db_query(store->db,
                 "INSERT OR IGNORE INTO image (id, created, parent) VALUES (?, ?, (SELECT id FROM image WHERE id = ?))",
                 &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, image->id);
    db_bind_int(s, 2, image->created);
    db_bind_text(s, 3, parent);
    r = db_run(s, err);
    *ret_new = db_changes(store->db) > 0;
    return r;
}

static int commit_layer_rows(struct image_store *store, const struct image *image, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < image->diff_ids.count; i++) {
        struct db_statement *s;
        r = db_query(store->db, "INSERT INTO image_layer (image, position, diff_id) VALUES (?, ?, ?)", &s, err);
        if (r == 0) {
            db_bind_text(s, 1, image->id);
            db_bind_int(s, 2, (int64_t)i);
            db_bind_text(s, 3, image->diff_ids.items[i]);
            r = db_run(s, err);
        }
    }
    return r;
}

static int commit_manifest(struct image_store *store, const char *id, const char *text, size_t size, struct error *err)
{
    char digest[DIGEST_TEXT_MAX];
    struct db_statement *s;
    digest_of(text, size, digest);
    int r = store_write_blob(store, digest, text, size, err);
    if (r == 0) {
        r = db_query(store->db, "INSERT OR IGNORE INTO image_blob (image, digest) VALUES (?, ?)", &s, err);
    }
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, digest);
    return db_run(s, err);
}

/* Manifest, index and names. */
static int commit_naming(struct image_store *store, const struct image_commit *commit, const char *id,
                         struct error *err)
{
    char index[DIGEST_TEXT_MAX] = "";
    int r = commit->manifest != NULL ? commit_manifest(store, id, commit->manifest, commit->manifest_size, err) : 0;
    if (r == 0 && commit->index != NULL) {
        r = index_keep(store, commit->index, commit->index_size, index, err);
    }
    for (size_t i = 0; r == 0 && i < commit->ref_count; i++) {
        r = image_name_set(store, id, index, &commit->refs[i], err);
    }
    return r;
}

/* Everything within the transaction. Blobs that a failure leaves without rows go at the next start, and are harmless
 * until then: they are what their names say. */
static int commit_rows(struct image_store *store, const struct image_commit *commit, const struct image *image,
                       struct moved *moved, struct error *err)
{
    bool is_new = false;
    int r = commit_image_row(store, image, commit->parent, &is_new, err);
    if (r == 0 && is_new) {
        r = store_write_blob(store, image->id, commit->config, commit->config_size, err);
        for (size_t i = 0; r == 0 && i < commit->layer_count; i++) {
            r = commit_layer(store, &commit->layers[i], moved, err);
        }
        if (r == 0) {
            r = commit_layer_rows(store, image, err);
        }
    }
    return r < 0 ? r : commit_naming(store, commit, image->id, err);
}

static int commit_transaction(struct image_store *store, const struct image_commit *commit, const struct image *image,
                              struct error *err)
{
    struct moved CLEANUP(moved_release) moved = {0};
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = commit_rows(store, commit, image, &moved, err);
    db_lock(store->db); /* nobody looks for the layers between the end of the transaction and their return */
    r = index_commit(store, r, err);
    if (r < 0) {
        moved_undo(store, &moved);
    }
    db_unlock(store->db);
    if (r == 0 && moved.names.count > 0) {
        store_sync_later(store);
    }
    return r;
}

int image_commit(struct image_store *store, const struct image_commit *commit, char ret_id[DIGEST_TEXT_MAX],
                 struct error *err)
{
    struct image_object *object = NULL;
    int r = image_parse_config(commit->config, commit->config_size, &object, err);
    if (r < 0) {
        return r;
    }
    r = commit_check(commit, &object->image, err);
    if (r == 0) {
        r = commit_transaction(store, commit, &object->image, err);
    }
    if (r == 0 && ret_id != NULL) {
        memcpy(ret_id, object->image.id, DIGEST_TEXT_MAX);
    }
    image_unref(&object->image);
    return r;
}

int image_layer_commit(struct image_store *store, struct layer_ingest *ingest, struct error *err)
{
    struct moved CLEANUP(moved_release) moved = {0};
    const struct image_commit_layer layer = {.ingest = ingest};
    const char *diff_id = layer_ingest_info(ingest)->diff_id;
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = commit_layer(store, &layer, &moved, err);
    db_lock(store->db); /* as above */
    if (r < 0) {
        db_rollback(store->db);
    } else {
        store_pin(store, diff_id);
        r = db_commit(store->db, err);
        if (r < 0) {
            image_layer_unpin(store, diff_id);
        }
    }
    if (r < 0) {
        moved_undo(store, &moved);
    }
    db_unlock(store->db);
    if (r == 0 && moved.names.count > 0) {
        store_sync_later(store);
    }
    return r;
}

int image_add_manifest(struct image_store *store, const char *id, const struct image_commit *what, struct error *err)
{
    int r = db_begin(store->db, err);
    return r < 0 ? r : index_commit(store, commit_naming(store, what, id, err), err);
}

int image_manifests(struct image_store *store, const char *id, struct strv *ret, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    db_lock(store->db);
    int r = db_query(store->db,
                     "SELECT DISTINCT digest, image <> ?1 FROM image_blob WHERE image IN (SELECT image FROM image_layer"
                     " WHERE diff_id IN (SELECT diff_id FROM image_layer WHERE image = ?1)) ORDER BY 2, 1",
                     &s, err);
    if (r == 0) {
        db_bind_text(s, 1, id);
    }
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        strv_add(ret, db_text(s, 0));
    }
    db_unlock(store->db);
    return r;
}
