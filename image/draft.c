#include "image/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "image/store.h"

static char *base_lowers(struct image_store *store, const struct draft_base *base, struct error *err)
{
    CLEANUP_FREE char *beneath = NULL;
    if (base->image != NULL && base->with_init) {
        if (init_layer_lowers(store, base->image, &beneath, err) < 0)
            return NULL;
    } else {
        beneath = xstrdup(base->image != NULL ? ((const struct image_object *)base->image)->lowers : "");
    }
    const char *above = base->above != NULL ? base->above : "";
    return xasprintf("%s%s%s", above, above[0] != 0 && beneath[0] != 0 ? " " : "", beneath);
}

/* Nothing beneath a draft can go while it is made: the builder has pinned it. */
static int insert_row(struct image_store *store, const char *id, const struct image *image, const char *lowers,
                      struct error *err)
{
    db_lock(store->db);
    int r = rootfs_insert_row(store, id, image, lowers, err);
    db_unlock(store->db);
    return r;
}

int image_draft_create(struct image_store *store, const struct draft_base *base, char ret_id[DRAFT_ID_MAX],
                       struct error *err)
{
    char id[STORE_ID_SIZE + 1];
    CLEANUP_FREE char *lowers = base_lowers(store, base, err);
    if (lowers == NULL) {
        return err != NULL ? -err->errnum : -EIO;
    }
    store_new_id(id);
    int r = rootfs_make_directories(store, id, lowers, 0, err);
    if (r == 0) {
        r = insert_row(store, id, base->image, lowers, err);
    }
    if (r < 0) {
        (void)store_trash(store, store->overlay_fd, id); /* without a row it goes at the next start at the latest */
        return r;
    }
    memcpy(ret_id, id, sizeof(id));
    return 0;
}

int image_draft_make_init(struct image_store *store, const char *id, struct error *err)
{
    int CLEANUP_CLOSE root = image_rootfs_mount(store, id, ROOTFS_ONCE, err); /* what is beneath keeps its modes */
    if (root < 0) {
        return root;
    }
    init_layer_make_targets(root);
    return 0;
}

int image_draft_mount_over(struct image_store *store, const char *id, int lower_fd, bool mapped, struct error *err)
{
    char path[sizeof("/proc/self/fd/") + 12];
    struct stat st;
    int CLEANUP_CLOSE dir =
        openat(mapped ? store->mapped_fd : store->overlay_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || fstat(lower_fd, &st) < 0 || fchownat(dir, "diff", st.st_uid, st.st_gid, 0) < 0 ||
        fchmodat(dir, "diff", st.st_mode & 07777, 0) < 0) {
        return error_errno(err, errno, "overlay/%s", id);
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", lower_fd);
    return rootfs_mount_over(store, id, path, mapped, err);
}

void image_draft_remove(struct image_store *store, const char *id)
{
    /* What stays goes at the next start. */
    (void)image_rootfs_remove(store, id, NULL);
}

int image_layers_view(struct image_store *store, const struct draft_base *base, bool mapped, struct error *err)
{
    CLEANUP_FREE char *lowers = base_lowers(store, base, err);
    if (lowers == NULL) {
        return err != NULL ? -err->errnum : -EIO;
    }
    if (lowers[0] == 0) {
        return error_set(err, ERROR_SYSTEM, ENODATA, "an empty root has no layers");
    }
    if (strchr(lowers, ' ') != NULL) {
        return rootfs_mount_layers(store, NULL, lowers, mapped ? ROOTFS_MAPPED : 0, err);
    }
    /* overlayfs wants two layers where nothing can be written. */
    char path[STORE_ID_SIZE + sizeof("/diff")];
    snprintf(path, sizeof(path), "%s/diff", lowers);
    return rootfs_read_only_clone(store, path, mapped, err);
}

/* ---- A draft becomes a layer ---- */

static int insert_layer(struct image_store *store, const char *id, const struct draft_info *info, struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db, "INSERT INTO layer (diff_id, dir, size, opaque, boot) VALUES (?, ?, ?, 0, ?)", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, info->diff_id);
    db_bind_text(s, 2, id);
    db_bind_int(s, 3, info->size);
    db_bind_text(s, 4, store->boot);
    r = db_run(s, err);
    if (r == 0) {
        r = store_run(store, "DELETE FROM rootfs WHERE id = ?", id, err);
    }
    return r < 0 ? r
                 : store_run(store, "INSERT OR IGNORE INTO layer_digest (digest, diff_id) VALUES (?1, ?1)",
                             info->diff_id, err);
}

static int commit_locked(struct image_store *store, const char *id, const struct draft_info *info, bool *ret_kept,
                         struct error *err)
{
    bool known = false;
    int r = store_has_layer(store, info->diff_id, &known, err);
    if (r == 0 && !known) {
        r = insert_layer(store, id, info, err);
    }
    *ret_kept = !known;
    return r;
}

/* overlayfs's own, of no use once nothing is written any more. The mount may still be on its way out: then the
 * directory is in its hands and goes with the layer. */
static void remove_work(struct image_store *store, const char *id)
{
    int CLEANUP_CLOSE dir = openat(store->overlay_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0) {
        (void)beneath_remove_tree(dir, "work");
    }
}

int image_draft_commit(struct image_store *store, const char *id, const struct draft_info *info, bool *ret_kept,
                       struct error *err)
{
    if (!store_is_id(id)) {
        return error_set(err, ERROR_NOT_FOUND, 0, "No such layer: %s", id);
    }
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = commit_locked(store, id, info, ret_kept, err);
    if (r == 0) {
        store_pin(store, info->diff_id);
    }
    if (r < 0) {
        db_rollback(store->db);
        return r;
    }
    r = db_commit(store->db, err);
    if (r < 0) {
        image_layer_unpin(store, info->diff_id);
    }
    if (r == 0 && *ret_kept) {
        remove_work(store, id);
        store_sync_later(store);
    }
    return r;
}

/* ---- Layers that are used ---- */

int image_layer_open(struct image_store *store, const char *diff_id, char ret_dir[DRAFT_ID_MAX], int64_t *ret_size,
                     struct error *err)
{
    struct db_statement *s;
    bool row = false;
    db_lock(store->db);
    int r = db_query(store->db, "SELECT dir, size FROM layer WHERE diff_id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, diff_id);
        r = db_step(s, &row, err);
    }
    if (r == 0 && row) {
        snprintf(ret_dir, DRAFT_ID_MAX, "%s", db_text(s, 0));
        *ret_size = db_int(s, 1);
        db_reset(s);
        store_pin(store, diff_id);
    }
    db_unlock(store->db);
    return r < 0 || row ? r : error_set(err, ERROR_NOT_FOUND, 0, "No such layer: %s", diff_id);
}

int image_layer_use(struct image_store *store, const char *diff_id, const char *user, struct error *err)
{
    struct db_statement *s;
    db_lock(store->db);
    int r = db_query(store->db, "INSERT OR REPLACE INTO layer_use (user, diff_id) VALUES (?, ?)", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, user);
        db_bind_text(s, 2, diff_id);
        r = db_run(s, err);
    }
    db_unlock(store->db);
    return r;
}

int image_layer_release(struct image_store *store, const char *user, struct error *err)
{
    struct strv CLEANUP_STRV dirs = STRV_INIT;
    CLEANUP_FREE char *diff_id = NULL;
    struct db_statement *s;
    bool row = false;
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = db_query(store->db, "DELETE FROM layer_use WHERE user = ? RETURNING diff_id", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, user);
        r = db_step(s, &row, err);
        diff_id = row ? xstrdup(db_text(s, 0)) : NULL;
        db_reset(s);
    }
    if (r == 0 && diff_id != NULL) {
        r = store_drop_unused_layer(store, diff_id, &dirs, err);
    }
    if (r < 0) {
        db_rollback(store->db);
        return r;
    }
    r = db_commit(store->db, err);
    for (size_t i = 0; r == 0 && i < dirs.count; i++) {
        (void)store_trash(store, store->overlay_fd, dirs.items[i]); /* without a row it goes at the next start */
    }
    return r;
}

bool image_layer_is_shared(struct image_store *store, const char *diff_id)
{
    struct db_statement *s;
    bool row = false;
    db_lock(store->db);
    if (db_query(store->db, "SELECT 1 FROM image_layer WHERE diff_id = ? LIMIT 1", &s, NULL) == 0) {
        db_bind_text(s, 1, diff_id);
        if (db_step(s, &row, NULL) < 0) {
            row = false;
        }
        db_reset(s);
    }
    db_unlock(store->db);
    return row;
}
