#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "image/rootfs_quota.h"
#include "image/store.h"

/* Set explicitly, because their defaults are the kernel's configuration: a root must mean the same wherever it is
 * mounted again, and layers never hold redirects or metadata-only copies. */
const struct rootfs_overlay_option rootfs_overlay_options[] = {
    {"index", "off"}, {"metacopy", "off"}, {"redirect_dir", "nofollow"}, {"xino", "off"}, {NULL, NULL},
};

static int no_such_rootfs(const char *id, struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, 0, "No such root file system: %s", id);
}

/* ---- Making and forgetting ---- */

/* Mode and owner of the root directory are those of the top layer's: overlayfs shows the upper one's. */
static int copy_root_attributes(struct image_store *store, int dir_fd, const char *lowers, struct error *err)
{
    char path[STORE_ID_SIZE + sizeof("/diff")];
    struct stat st = {.st_mode = 0755};
    size_t size = strcspn(lowers, " ");
    if (size == STORE_ID_SIZE) {
        snprintf(path, sizeof(path), "%.*s/diff", STORE_ID_SIZE, lowers);
        if (fstatat(store->overlay_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            return error_errno(err, errno, "layer %s", path);
        }
    }
    if ((st.st_uid != 0 || st.st_gid != 0) && fchownat(dir_fd, "diff", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) {
        return error_errno(err, errno, "chown the root directory");
    }
    return fchmodat(dir_fd, "diff", st.st_mode & 07777, 0) < 0 ? error_errno(err, errno, "chmod the root directory")
                                                               : 0;
}

int rootfs_make_directories(struct image_store *store, const char *id, const char *lowers, uint64_t limit,
                            struct error *err)
{
    if (mkdirat(store->overlay_fd, id, 0710) < 0) {
        return error_errno(err, errno, "mkdir overlay/%s", id);
    }
    int r = limit > 0 ? rootfs_quota_begin(store, id, limit, err) : 0;
    if (r < 0) {
        return r;
    }
    int CLEANUP_CLOSE dir = openat(store->overlay_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || mkdirat(dir, "diff", 0755) < 0 || mkdirat(dir, "work", 0700) < 0) {
        return error_errno(err, errno, "mkdir overlay/%s/diff", id);
    }
    return copy_root_attributes(store, dir, lowers, err);
}

int rootfs_insert_row(struct image_store *store, const char *id, const struct image *image, const char *lowers,
                      struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db, "INSERT INTO rootfs (id, image, lowers) VALUES (?, ?, ?)", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, image != NULL ? image->id : NULL);
    db_bind_text(s, 3, lowers);
    return db_run(s, err);
}

/* The image may have been removed since it was looked up; the row is only right while its layers are there. */
static int check_layers(struct image_store *store, const struct image *image, const char *lowers, struct error *err)
{
    struct db_statement *s;
    bool row = false;
    if (image == NULL) {
        return 0;
    }
    int r = db_query(store->db,
                     "SELECT 1 FROM image WHERE id = ?1 AND (?2 = '' OR EXISTS"
                     " (SELECT 1 FROM init_layer WHERE image = ?1 AND instr(?2, dir) = 1)"
                     " OR EXISTS (SELECT 1 FROM layer WHERE instr(?2, dir) = 1))",
                     &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, image->id);
    db_bind_text(s, 2, lowers);
    r = db_step(s, &row, err);
    db_reset(s);
    return r < 0 || row ? r : error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", image->id);
}

static int insert_checked(struct image_store *store, const char *id, const struct image *image, const char *lowers,
                          struct error *err)
{
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = check_layers(store, image, lowers, err);
    if (r == 0) {
        r = rootfs_insert_row(store, id, image, lowers, err);
    }
    if (r < 0) {
        db_rollback(store->db);
        return r;
    }
    return db_commit(store->db, err);
}

int image_rootfs_create(struct image_store *store, const struct image *image,
                        const struct image_rootfs_options *options, char **ret_id, struct error *err)
{
    char id[STORE_ID_SIZE + 1];
    CLEANUP_FREE char *lowers = NULL;
    int CLEANUP_CLOSE mounted = -1;
    int r = init_layer_lowers(store, image, &lowers, err);
    if (r < 0) {
        return r;
    }
    bool once = options->once && lowers[0] != 0 && options->size == 0 && options->mapped == (store->mapped_fd >= 0);
    if (!once || !rootfs_pool_take(store, lowers, id, &mounted)) {
        store_new_id(id);
        r = rootfs_make_directories(store, id, lowers, options->size, err);
    }
    if (r == 0) {
        r = insert_checked(store, id, image, lowers, err);
    }
    if (r < 0) {
        mounted = fd_close(mounted);
        (void)store_trash(store, store->overlay_fd, id); /* without a row it goes at the next start at the latest */
        return r;
    }
    if (mounted >= 0) {
        rootfs_pool_hold(store, id, TAKE_FD(mounted));
    }
    if (once) {
        rootfs_pool_want(store, lowers);
    }
    *ret_id = xstrdup(id);
    return 0;
}

int image_rootfs_create_view(struct image_store *store, const struct image *image, char **ret_id, struct error *err)
{
    const char *lowers = ((const struct image_object *)image)->lowers;
    char id[STORE_ID_SIZE + 1];
    store_new_id(id);
    int r = rootfs_make_directories(store, id, lowers, 0, err);
    if (r == 0) {
        r = insert_checked(store, id, image, lowers, err);
    }
    if (r < 0) {
        (void)store_trash(store, store->overlay_fd, id); /* without a row it goes at the next start at the latest */
        return r;
    }
    *ret_id = xstrdup(id);
    return 0;
}

/* Layers that were only kept for this root, because its image was removed while the container was there. */
static int drop_layers(struct image_store *store, const char *lowers, struct strv *dirs, struct error *err)
{
    struct strv CLEANUP_STRV lower = STRV_INIT;
    int r = 0;
    strv_split(&lower, lowers, ' ');
    for (size_t i = 0; r == 0 && i < lower.count; i++) {
        struct db_statement *s;
        bool row = false;
        r = db_query(store->db, "SELECT diff_id FROM layer WHERE dir = ?", &s, err);
        if (r == 0) {
            db_bind_text(s, 1, lower.items[i]);
            r = db_step(s, &row, err);
        }
        if (r == 0 && row) {
            CLEANUP_FREE char *diff_id = xstrdup(db_text(s, 0));
            db_reset(s);
            r = store_drop_unused_layer(store, diff_id, dirs, err);
        }
    }
    return r;
}

static int remove_row(struct image_store *store, const char *id, struct strv *dirs, struct error *err)
{
    struct db_statement *s;
    CLEANUP_FREE char *lowers = NULL;
    bool row = false, orphan = false;
    int r = db_query(store->db,
                     "SELECT lowers, image NOT NULL AND image NOT IN (SELECT id FROM image) FROM rootfs WHERE id = ?",
                     &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, id);
    r = db_step(s, &row, err);
    if (r < 0 || !row) {
        return r;
    }
    lowers = xstrdup(db_text(s, 0));
    orphan = db_int(s, 1) != 0;
    db_reset(s);
    r = db_query(store->db, "DELETE FROM rootfs WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, id);
        r = db_run(s, err);
    }
    if (r == 0 && orphan) {
        r = drop_layers(store, lowers, dirs, err);
    }
    return r == 0 && orphan ? init_layer_drop_unused(store, dirs, err) : r;
}

int image_rootfs_remove(struct image_store *store, const char *rootfs_id, struct error *err)
{
    struct strv CLEANUP_STRV dirs = STRV_INIT;
    if (!store_is_id(rootfs_id)) {
        return no_such_rootfs(rootfs_id, err);
    }
    fd_close(rootfs_pool_held(store, rootfs_id, true));
    int r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = remove_row(store, rootfs_id, &dirs, err);
    if (r < 0) {
        db_rollback(store->db);
        return r;
    }
    r = db_commit(store->db, err);
    for (size_t i = 0; r == 0 && i < dirs.count; i++) {
        (void)store_trash(store, store->overlay_fd, dirs.items[i]); /* without a row it goes at the next start */
    }
    if (r == 0) {
        r = store_trash(store, store->overlay_fd, rootfs_id);
        if (r < 0) {
            error_errno(err, r, "remove overlay/%s", rootfs_id);
        }
    }
    return r;
}

int image_rootfs_list(struct image_store *store, struct strv *ret, struct error *err)
{
    struct db_statement *s;
    bool row = true;
    db_lock(store->db);
    int r = db_query(store->db, "SELECT id FROM rootfs ORDER BY id", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        strv_add(ret, db_text(s, 0));
    }
    db_unlock(store->db);
    return r;
}

int image_rootfs_upper(struct image_store *store, const char *rootfs_id, struct error *err)
{
    char path[STORE_ID_SIZE + sizeof("/diff")];
    if (!store_is_id(rootfs_id)) {
        return no_such_rootfs(rootfs_id, err);
    }
    snprintf(path, sizeof(path), "%s/diff", rootfs_id);
    int fd = openat(store->overlay_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? no_such_rootfs(rootfs_id, err) : error_errno(err, errno, "open overlay/%s", path);
    }
    return fd;
}

/* ---- Mounting ---- */

/* What the kernel says in words about a mount that it refuses goes into the message. */
static int mount_failed(int fs_fd, int errnum, const char *step, struct error *err)
{
    char text[512];
    ssize_t n = read(fs_fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return n > 0 ? error_errno(err, errnum, "mount overlay: %s: %s", step, text)
                 : error_errno(err, errnum, "mount overlay: %s", step);
}

static int set_string(int fs_fd, const char *key, const char *value)
{
    return syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int set_upper(struct image_store *store, int fs_fd, const char *id, bool mapped, struct error *err)
{
    char path[FSCONFIG_VALUE_MAX + 1];
    rootfs_overlay_path(store, mapped, id, "diff", path, sizeof(path));
    int r = set_string(fs_fd, "upperdir", path);
    if (r == 0) {
        rootfs_overlay_path(store, mapped, id, "work", path, sizeof(path));
        r = set_string(fs_fd, "workdir", path);
    }
    return r < 0 ? mount_failed(fs_fd, r, path, err) : 0;
}

static int set_layers(struct image_store *store, int fs_fd, const char *id, const char *lowers, bool mapped,
                      struct error *err)
{
    char path[FSCONFIG_VALUE_MAX + 1];
    char lower[STORE_ID_SIZE + 1];
    for (const char *p = lowers; strlen(p) >= STORE_ID_SIZE; p += STORE_ID_SIZE + (p[STORE_ID_SIZE] == ' ')) {
        snprintf(lower, sizeof(lower), "%s", p);
        rootfs_overlay_path(store, mapped, lower, "diff", path, sizeof(path));
        int r = set_string(fs_fd, "lowerdir+", path);
        if (r == -EINVAL && p == lowers) {
            store->old_overlay = true;
            return -EINVAL;
        }
        if (r < 0) {
            return mount_failed(fs_fd, r, path, err);
        }
    }
    if (id == NULL) {
        return 0; /* a view without an upper directory is read-only */
    }
    return set_upper(store, fs_fd, id, mapped, err);
}

/* What all overlays have; then the mount itself. once: its writes need not outlive it. */
static int finish_mount(int fs_fd, bool once, struct error *err)
{
    for (const struct rootfs_overlay_option *o = rootfs_overlay_options; o->key != NULL; o++) {
        int r = set_string(fs_fd, o->key, o->value);
        if (r < 0) {
            return mount_failed(fs_fd, r, o->key, err);
        }
    }
    if (once && syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0) {
        return mount_failed(fs_fd, errno, "volatile", err);
    }
    if (syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        return mount_failed(fs_fd, errno, "create", err);
    }
    int fd = (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, 0);
    return fd < 0 ? mount_failed(fs_fd, errno, "fsmount", err) : fd;
}

static int mount_new(struct image_store *store, const char *id, const char *lowers, unsigned flags, struct error *err)
{
    int CLEANUP_CLOSE fs_fd = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs_fd < 0) {
        return error_errno(err, errno, "mount overlay: fsopen");
    }
    int r = set_string(fs_fd, "source", "overlay"); /* what df and mount(8) show */
    r = r < 0 ? mount_failed(fs_fd, r, "source", err)
              : set_layers(store, fs_fd, id, lowers, flags & ROOTFS_MAPPED, err);
    return r < 0 ? r : finish_mount(fs_fd, flags & ROOTFS_ONCE, err);
}

int rootfs_mount_over(struct image_store *store, const char *id, const char *lower, bool mapped, struct error *err)
{
    int CLEANUP_CLOSE fs_fd = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs_fd < 0) {
        return error_errno(err, errno, "mount overlay: fsopen");
    }
    int r = set_string(fs_fd, "lowerdir", lower);
    r = r < 0 ? mount_failed(fs_fd, r, "lowerdir", err) : set_upper(store, fs_fd, id, mapped, err);
    return r < 0 ? r : finish_mount(fs_fd, true, err);
}

/* The kernel marks a volatile mount's work directory, and refuses to mount it again: after a crash of the machine its
 * content would be anything. A second start of the same container on the same boot is meant. */
static void forget_volatile(struct image_store *store, const char *id)
{
    char path[STORE_ID_SIZE + sizeof("/work")];
    snprintf(path, sizeof(path), "%s/work", id);
    int CLEANUP_CLOSE work = openat(store->overlay_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (work >= 0) {
        (void)beneath_remove_tree(work, "work"); /* else the mount will fail and say so */
    }
}

/* A root without an image is a plain directory. */
static int mount_plain(struct image_store *store, const char *id, bool mapped, struct error *err)
{
    char path[STORE_ID_SIZE + sizeof("/diff")];
    snprintf(path, sizeof(path), "%s/diff", id);
    int fd = (int)syscall(SYS_open_tree, mapped ? store->mapped_fd : store->overlay_fd, path,
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "open_tree overlay/%s", path) : fd;
}

int rootfs_read_only_clone(struct image_store *store, const char *path, bool mapped, struct error *err)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    int CLEANUP_CLOSE fd = (int)syscall(SYS_open_tree, mapped ? store->mapped_fd : store->overlay_fd, path,
                                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0) {
        return error_errno(err, errno, "open_tree overlay/%s", path);
    }
    return TAKE_FD(fd);
}

static int rootfs_lowers(struct image_store *store, const char *id, char **ret, struct error *err)
{
    struct db_statement *s;
    bool row = false;
    db_lock(store->db);
    int r = db_query(store->db, "SELECT lowers FROM rootfs WHERE id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, id);
        r = db_step(s, &row, err);
    }
    if (r == 0 && row) {
        *ret = xstrdup(db_text(s, 0));
        db_reset(s);
    }
    db_unlock(store->db);
    return r < 0 || row ? r : no_such_rootfs(id, err);
}

static int mount_layers(struct image_store *store, const char *id, const char *lowers, unsigned flags,
                        struct error *err)
{
    if (!store->old_overlay) {
        int fd = mount_new(store, id, lowers, flags, err);
        if (fd >= 0 || !store->old_overlay) {
            return fd;
        }
    }
    return rootfs_mount_old(store, id, lowers, err);
}

int rootfs_mount_layers(struct image_store *store, const char *id, const char *lowers, unsigned flags,
                        struct error *err)
{
    struct rootfs_quota_mounting mounting;
    if (lowers[0] == 0) {
        return mount_plain(store, id, flags & ROOTFS_MAPPED, err);
    }
    if (flags & ROOTFS_ONCE) {
        forget_volatile(store, id);
    }
    if (id == NULL || !rootfs_quota_is_set(store, id)) {
        return mount_layers(store, id, lowers, flags, err);
    }
    int r = rootfs_quota_mount_begin(store, id, &mounting);
    if (r < 0) {
        return error_errno(err, r, "mount overlay/%s", id);
    }
    r = mount_layers(store, id, lowers, flags, err);
    rootfs_quota_mount_end(&mounting);
    return r;
}

int image_rootfs_mount(struct image_store *store, const char *rootfs_id, unsigned flags, struct error *err)
{
    CLEANUP_FREE char *lowers = NULL;
    int fd = rootfs_pool_held(store, rootfs_id, flags & ROOTFS_ONCE);
    if (fd >= 0) {
        return fd;
    }
    int r = rootfs_lowers(store, rootfs_id, &lowers, err);
    return r < 0 ? r : rootfs_mount_layers(store, rootfs_id, lowers, flags, err);
}

int image_rootfs_view(struct image_store *store, const char *rootfs_id, enum rootfs_view view, bool mapped,
                      struct error *err)
{
    unsigned flags = mapped ? ROOTFS_MAPPED : 0;
    CLEANUP_FREE char *lowers = NULL;
    if (view == ROOTFS_UPPER) {
        return image_rootfs_upper(store, rootfs_id, err);
    }
    int r = rootfs_lowers(store, rootfs_id, &lowers, err);
    if (r < 0) {
        return r;
    }
    if (view == ROOTFS_WRITE) {
        fd_close(rootfs_pool_held(store, rootfs_id, true)); /* its start makes a new one */
        forget_volatile(store, rootfs_id);
        return rootfs_mount_layers(store, rootfs_id, lowers, flags, err);
    }
    if (lowers[0] == 0) {
        return view == ROOTFS_READ ? mount_plain(store, rootfs_id, mapped, err)
                                   : error_set(err, ERROR_SYSTEM, ENODATA, "an empty root has no layers");
    }
    CLEANUP_FREE char *all = xasprintf("%s %s", rootfs_id, lowers);
    return rootfs_mount_layers(store, NULL, view == ROOTFS_READ ? all : lowers, flags, err);
}
