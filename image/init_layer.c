/*
 * The mount points that every container needs and few images have (/etc/hosts, /.dockerenv, ...), made once per image
 * in a directory that lies between the image's layers and each container's own. A start then creates nothing in the
 * container's upper directory: creating an inode costs 0.1 to 0.3 ms on a busy ext4.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "image/store.h"

static const struct {
    const char *path;
    bool is_dir;
} targets[] = {
    {"/dev", true},         {"/proc", true},          {"/sys", true},
    {"/etc/hosts", false},  {"/etc/hostname", false}, {"/etc/resolv.conf", false},
    {"/.dockerenv", false},
};

/* What cannot be made here (an image whose /etc is a file) is no failure: the start of a container will say so. */
void init_layer_make_targets(int root_fd)
{
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        fd_close(beneath_make_target(root_fd, targets[i].path, targets[i].is_dir));
    }
    CLEANUP_FREE char *name = NULL;
    int CLEANUP_CLOSE etc = beneath_open_parent(root_fd, "/etc/mtab", true, &name);
    if (etc >= 0) {
        (void)symlinkat("/proc/mounts", etc, name); /* there already, mostly */
    }
}

static int find(struct image_store *store, const char *image_id, char dir[STORE_ID_SIZE + 1], bool *ret_found,
                struct error *err)
{
    struct db_statement *s;
    db_lock(store->db);
    int r = db_query(store->db, "SELECT dir FROM init_layer WHERE image = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, image_id);
        r = db_step(s, ret_found, err);
    }
    if (r == 0 && *ret_found) {
        snprintf(dir, STORE_ID_SIZE + 1, "%s", db_text(s, 0));
        db_reset(s);
    }
    db_unlock(store->db);
    return r;
}

/* Nothing is inserted when the image has been removed meanwhile. */
static int insert(struct image_store *store, const char *image_id, const char *dir, struct error *err)
{
    struct db_statement *s;
    db_lock(store->db);
    int r = db_query(store->db,
                     "INSERT INTO init_layer (image, dir) SELECT ?1, ?2 WHERE EXISTS"
                     " (SELECT 1 FROM image WHERE id = ?1)",
                     &s, err);
    if (r == 0) {
        db_bind_text(s, 1, image_id);
        db_bind_text(s, 2, dir);
        r = db_run(s, err);
    }
    if (r == 0 && db_changes(store->db) == 0) {
        r = error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", image_id);
    }
    db_unlock(store->db);
    return r;
}

static int fill(struct image_store *store, const char *dir, const char *lowers, struct error *err)
{
    int CLEANUP_CLOSE root = rootfs_mount_layers(store, dir, lowers, 0, err);
    if (root < 0) {
        return root;
    }
    init_layer_make_targets(root);
    root = fd_close(root);
    int CLEANUP_CLOSE dir_fd = openat(store->overlay_fd, dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = dir_fd < 0 ? -errno : beneath_remove_tree(dir_fd, "work");
    return r < 0 ? error_errno(err, r, "remove overlay/%s/work", dir) : 0;
}

static int make(struct image_store *store, const char *image_id, const char *lowers, char dir[STORE_ID_SIZE + 1],
                struct error *err)
{
    store_new_id(dir);
    int r = rootfs_make_directories(store, dir, lowers, 0, err);
    if (r == 0) {
        r = fill(store, dir, lowers, err);
    }
    if (r == 0) {
        r = insert(store, image_id, dir, err);
    }
    if (r < 0) {
        (void)store_trash(store, store->overlay_fd, dir); /* without a row it goes at the next start at the latest */
    }
    return r;
}

int init_layer_lowers(struct image_store *store, const struct image *image, char **ret, struct error *err)
{
    const char *lowers = image != NULL ? ((const struct image_object *)image)->lowers : "";
    char dir[STORE_ID_SIZE + 1];
    bool found = false;
    if (lowers[0] == 0) {
        *ret = xstrdup("");
        return 0;
    }
    int r = find(store, image->id, dir, &found, err);
    if (r == 0 && !found) {
        pthread_mutex_lock(&store->init_lock); /* two containers may be the first of an image at the same time */
        r = find(store, image->id, dir, &found, err);
        if (r == 0 && !found) {
            r = make(store, image->id, lowers, dir, err);
        }
        pthread_mutex_unlock(&store->init_lock);
    }
    if (r == 0) {
        *ret = xasprintf("%s %s", dir, lowers);
    }
    return r;
}

int init_layer_drop_unused(struct image_store *store, struct strv *dirs, struct error *err)
{
    static const char unused[] = "image NOT IN (SELECT id FROM image)"
                                 " AND NOT EXISTS (SELECT 1 FROM rootfs WHERE instr(lowers, init_layer.dir) > 0)";
    CLEANUP_FREE char *select = xasprintf("SELECT dir FROM init_layer WHERE %s", unused);
    CLEANUP_FREE char *delete = xasprintf("DELETE FROM init_layer WHERE %s", unused);
    struct db_statement *s;
    size_t before = dirs->count;
    bool row = true;
    int r = db_query(store->db, select, &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        strv_add(dirs, db_text(s, 0));
    }
    return r < 0 || dirs->count == before ? r : db_exec(store->db, delete, err);
}

int init_layer_recover(struct image_store *store, struct error *err)
{
    struct strv CLEANUP_STRV dirs = STRV_INIT;
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db, "SELECT dir FROM init_layer", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        strv_add(&dirs, db_text(s, 0));
    }
    /* It only saves work: one that was lost is as good empty. */
    for (size_t i = 0; r == 0 && i < dirs.count; i++) {
        if (faccessat(store->overlay_fd, dirs.items[i], F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
            r = rootfs_make_directories(store, dirs.items[i], "", 0, err);
        }
    }
    struct strv CLEANUP_STRV dropped = STRV_INIT;
    return r < 0 ? r : init_layer_drop_unused(store, &dropped, err); /* their directories go as unknown ones */
}
