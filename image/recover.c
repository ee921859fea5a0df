#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/memory.h"
#include "image/digest.h"
#include "image/store.h"

int store_list_directory(int dir_fd, struct strv *names, struct error *err)
{
    int r = directory_list(dir_fd, ".", names);
    return r < 0 ? error_errno(err, r, "list a directory of the store") : 0;
}

int store_select_set(struct image_store *store, const char *sql, struct map *set, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db, sql, &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        map_set(set, db_text(s, 0), set);
    }
    return r;
}

bool store_layer_exists(struct image_store *store, const char *id)
{
    CLEANUP_FREE char *path = xasprintf("%s/diff", id);
    struct stat st;
    return fstatat(store->overlay_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* ---- Rows whose files are gone or doubtful ---- */

struct lost_layer {
    char *diff_id, *dir;
    bool unsafe;
};

static void lost_release(struct lost_layer *lost, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(lost[i].diff_id);
        free(lost[i].dir);
    }
    free(lost);
}

/* Layers without their directory, and those that another boot left unwritten: after a power failure a file may be empty
 * there, and nobody would notice. */
static int find_lost_layers(struct image_store *store, struct lost_layer **ret, size_t *ret_count, struct error *err)
{
    struct db_statement *s;
    struct lost_layer *lost = NULL;
    size_t count = 0, capacity = 0;
    bool row = true;
    int r = db_query(store->db, "SELECT diff_id, dir, boot FROM layer", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        const char *boot = db_text(s, 2);
        bool unsafe = boot != NULL && strcmp(boot, store->boot) != 0;
        if (unsafe || !store_layer_exists(store, db_text(s, 1))) {
            xgrow((void **)&lost, count, &capacity, sizeof(*lost));
            lost[count++] = (struct lost_layer){xstrdup(db_text(s, 0)), xstrdup(db_text(s, 1)), unsafe};
        }
    }
    *ret = lost;
    *ret_count = count;
    return r;
}

/* An image without one of its layers is no image: it goes, too, and can be pulled again. */
int store_drop_lost_layer(struct image_store *store, const char *diff_id, const char *why, struct strv *said,
                          struct error *err)
{
    struct map images = MAP_INIT;
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db, "SELECT DISTINCT image FROM image_layer WHERE diff_id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, diff_id);
    }
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        map_set(&images, db_text(s, 0), store);
    }
    size_t i = 0;
    const char *id;
    void *value;
    while (r == 0 && map_next(&images, &i, &id, &value)) {
        r = store_run(store, "DELETE FROM image WHERE id = ?", id, err);
        strv_addf(said, "image %s removed: its layer %s %s", id, diff_id, why);
    }
    map_release(&images);
    if (r == 0) {
        strv_addf(said, "layer %s removed: it %s", diff_id, why);
        r = store_run(store, "DELETE FROM layer WHERE diff_id = ?", diff_id, err);
    }
    return r;
}

static int recover_layers(struct image_store *store, struct error *err)
{
    struct lost_layer *lost = NULL;
    size_t count = 0;
    int r = find_lost_layers(store, &lost, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const char *why = lost[i].unsafe ? "was not on the disk yet when the machine went down" : STORE_LAYER_GONE;
        r = store_drop_lost_layer(store, lost[i].diff_id, why, &store->repairs, err);
    }
    lost_release(lost, count);
    return r;
}

/* Blobs that a query names: those without their file go from the database. An empty one never got to the disk. */
static int recover_blobs(struct image_store *store, const char *what, const char *why, const char *query,
                         const char *repair, struct error *err)
{
    struct map digests = MAP_INIT;
    struct stat st;
    size_t i = 0;
    const char *digest;
    void *value;
    int r = store_select_set(store, query, &digests, err);
    while (r == 0 && map_next(&digests, &i, &digest, &value)) {
        if (fstatat(store->blobs_fd, digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size == 0) {
            strv_addf(&store->repairs, "%s %s removed: %s", what, digest, why);
            r = store_run(store, repair, digest, err);
        }
    }
    map_release(&digests);
    return r;
}

static int recover_images(struct image_store *store, struct error *err)
{
    int r = recover_blobs(store, "image", "its config is gone from the disk", "SELECT id FROM image",
                          "DELETE FROM image WHERE id = ?", err);
    return r < 0
               ? r
               : recover_blobs(store, "manifest", "it is gone from the disk", "SELECT DISTINCT digest FROM image_blob",
                               "DELETE FROM image_blob WHERE digest = ?", err);
}

/* The names stay, and stand for their first choice alone. */
static int recover_indexes(struct image_store *store, struct error *err)
{
    int r = db_exec(store->db, "DELETE FROM image_index WHERE digest NOT IN (SELECT idx FROM name_index)", err);
    return r < 0 ? r
                 : recover_blobs(store, "index", "it is gone from the disk", "SELECT digest FROM image_index",
                                 "DELETE FROM image_index WHERE digest = ?", err);
}

static int recover_rootfs(struct image_store *store, struct error *err)
{
    struct map roots = MAP_INIT;
    size_t i = 0;
    const char *id;
    void *value;
    int r = store_select_set(store, "SELECT id FROM rootfs", &roots, err);
    while (r == 0 && map_next(&roots, &i, &id, &value)) {
        if (!store_layer_exists(store, id)) {
            strv_addf(&store->repairs, "root file system %s removed: it is gone from the disk", id);
            r = store_run(store, "DELETE FROM rootfs WHERE id = ?", id, err);
        }
    }
    map_release(&roots);
    return r;
}

/* A layer that neither an image nor a container has (its image went above, or a crash came between). */
static int recover_unused_layers(struct image_store *store, struct error *err)
{
    return db_exec(store->db,
                   "DELETE FROM layer WHERE NOT EXISTS (SELECT 1 FROM image_layer l WHERE l.diff_id = layer.diff_id)"
                   " AND NOT EXISTS (SELECT 1 FROM layer_use u WHERE u.diff_id = layer.diff_id)"
                   " AND NOT EXISTS (SELECT 1 FROM rootfs WHERE instr(lowers, layer.dir) > 0)",
                   err);
}

/* ---- Files without rows ---- */

static int trash_unknown(struct image_store *store, int dir_fd, const char *what, const char *sql, struct error *err)
{
    struct strv CLEANUP_STRV names = STRV_INIT;
    struct map known = MAP_INIT;
    int r = store_select_set(store, sql, &known, err);
    if (r == 0) {
        r = store_list_directory(dir_fd, &names, err);
    }
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        if (map_get(&known, names.items[i]) == NULL) {
            r = store_trash(store, dir_fd, names.items[i]);
            if (r < 0) {
                error_errno(err, r, "remove %s/%s", what, names.items[i]);
            }
        }
    }
    map_release(&known);
    return r;
}

static int empty_tmp(struct image_store *store, struct error *err)
{
    struct strv CLEANUP_STRV names = STRV_INIT;
    int r = store_list_directory(store->tmp_fd, &names, err);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        store_trash_tmp(store, names.items[i]);
    }
    return r;
}

static int recover_rows(struct image_store *store, struct error *err)
{
    int r = recover_layers(store, err);
    if (r == 0) {
        r = recover_images(store, err);
    }
    if (r == 0) {
        r = recover_indexes(store, err);
    }
    if (r == 0) {
        r = recover_rootfs(store, err);
    }
    if (r == 0) {
        r = init_layer_recover(store, err);
    }
    return r < 0 ? r : recover_unused_layers(store, err);
}

int store_recover(struct image_store *store, struct error *err)
{
    int r = empty_tmp(store, err);
    if (r < 0) {
        return r;
    }
    r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = recover_rows(store, err);
    if (r < 0) {
        db_rollback(store->db);
        return r;
    }
    r = db_commit(store->db, err);
    if (r == 0) {
        r = trash_unknown(store, store->overlay_fd, "overlay",
                          "SELECT dir FROM layer UNION SELECT id FROM rootfs UNION SELECT dir FROM init_layer", err);
    }
    if (r == 0) {
        r = trash_unknown(store, store->blobs_fd, "image/blobs/sha256",
                          "SELECT substr(id, 8) FROM image UNION SELECT substr(digest, 8) FROM image_blob"
                          " UNION SELECT substr(digest, 8) FROM image_index",
                          err);
    }
    struct map unsafe = MAP_INIT;
    if (r == 0) {
        r = store_select_set(store, "SELECT diff_id FROM layer WHERE boot IS NOT NULL", &unsafe, err);
    }
    if (unsafe.count > 0) {
        store_sync_later(store);
    }
    map_release(&unsafe);
    return r;
}
