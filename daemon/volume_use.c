/* Who uses a volume at the moment: holding, mounting, and what is possible only while nobody does. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/volume_options.h"
#include "daemon/volumes_internal.h"

struct volume_use {
    unsigned holds;  /* under the volumes' lock; the entry goes with the last one */
    unsigned mounts; /* under mount_lock */
    bool mounted;    /* likewise */
    pthread_mutex_t mount_lock;
};

static struct volume_use *hold(struct volumes *v, const char *name)
{
    pthread_mutex_lock(&v->lock);
    struct volume_use *use = map_get(&v->uses, name);
    if (use == NULL) {
        use = xcalloc(1, sizeof(*use));
        pthread_mutex_init(&use->mount_lock, NULL);
        map_set(&v->uses, name, use);
    }
    use->holds++;
    pthread_mutex_unlock(&v->lock);
    return use;
}

static void use_free(struct volume_use *use)
{
    pthread_mutex_destroy(&use->mount_lock);
    free(use);
}

void volume_hold(struct volumes *v, const char *name)
{
    hold(v, name);
}

void volume_unhold(struct volumes *v, const char *name)
{
    pthread_mutex_lock(&v->lock);
    struct volume_use *use = map_get(&v->uses, name);
    if (use != NULL && --use->holds == 0) {
        map_unset(&v->uses, name);
        use_free(use);
    }
    pthread_mutex_unlock(&v->lock);
}

void volume_uses_free(struct volumes *v)
{
    size_t position = 0;
    const char *name;
    void *use;
    while (map_next(&v->uses, &position, &name, &use))
        use_free(use);
    map_release(&v->uses);
}

/* ---- mounting ---- */

static bool is_mount_root(int fd)
{
    struct statx st;
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) == 0 &&
           (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int mount_now(struct volumes *v, struct volume_use *use, const struct volume *volume, struct error *err)
{
    CLEANUP_CLOSE int fd = volume_open_data(v, volume->name, err);
    if (fd < 0)
        return fd;
    CLEANUP_FREE char *path = volume_path(v, volume->name);
    int r = is_mount_root(fd) ? 0 : volume_options_mount(&volume->options, fd, path, err);
    if (r < 0)
        return error_context(err, "error while mounting volume '%s'", path);
    use->mounted = true;
    return 0;
}

int volume_mount(struct volumes *v, const char *name, struct error *err)
{
    struct volume_use *use = hold(v, name);
    struct volume volume = {0};
    bool found = false;
    pthread_mutex_lock(&use->mount_lock);
    int r = use->mounts > 0 ? 0 : volume_find(v, name, &found, &volume, err);
    if (r == 0 && found && volume_options_mounts(&volume.options))
        r = mount_now(v, use, &volume, err);
    if (r == 0)
        use->mounts++;
    pthread_mutex_unlock(&use->mount_lock);
    volume_release(&volume);
    if (r < 0)
        volume_unhold(v, name);
    return r;
}

static void detach(struct volumes *v, const char *name)
{
    CLEANUP_FREE char *path = volume_path(v, name);
    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
        log_warn("volume %s: unmounting %s: %s", name, path, strerror(errno));
}

void volume_unmount(struct volumes *v, const char *name)
{
    pthread_mutex_lock(&v->lock);
    struct volume_use *use = map_get(&v->uses, name);
    pthread_mutex_unlock(&v->lock);
    if (use == NULL)
        return;
    pthread_mutex_lock(&use->mount_lock);
    bool last = use->mounts > 0 && --use->mounts == 0 && use->mounted;
    if (last) {
        detach(v, name);
        use->mounted = false;
    }
    pthread_mutex_unlock(&use->mount_lock);
    volume_unhold(v, name);
}

void volume_unmount_unused(struct volumes *v, const char *name)
{
    pthread_mutex_lock(&v->lock);
    bool used = map_get(&v->uses, name) != NULL;
    pthread_mutex_unlock(&v->lock);
    CLEANUP_FREE char *path = xasprintf("%s/_data", name);
    CLEANUP_CLOSE int fd = openat(v->root_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (!used && fd >= 0 && is_mount_root(fd))
        detach(v, name);
}

/* ---- only while nobody uses it ---- */

/* The volumes' lock is held. */
static int check_unused(struct volumes *v, const char *name, const char *what, volume_used_by used_by, void *data,
                        struct error *err)
{
    if (map_get(&v->uses, name) != NULL && used_by == NULL)
        return error_set(err, ERROR_CONFLICT, 0, "%s %s: volume is in use", what, name);
    CLEANUP_FREE char *users = used_by != NULL ? used_by(name, data) : NULL;
    if (users != NULL)
        return error_set(err, ERROR_CONFLICT, 0, "%s %s: volume is in use - [%s]", what, name, users);
    if (map_get(&v->uses, name) != NULL)
        return error_set(err, ERROR_CONFLICT, 0, "%s %s: volume is in use", what, name);
    return 0;
}

int volume_remove(struct volumes *v, const char *name, volume_used_by used_by, void *data, struct error *err)
{
    char trash[VOLUME_TRASH_MAX] = "";
    pthread_mutex_lock(&v->lock);
    int r = check_unused(v, name, "remove", used_by, data, err);
    if (r == 0)
        r = volume_forget(v, name, err);
    if (r == 0 && volume_trash(v, name, trash) < 0)
        trash[0] = '\0'; /* there was no directory yet */
    pthread_mutex_unlock(&v->lock);
    if (r < 0)
        return r;
    int removed = trash[0] != '\0' ? beneath_remove_tree(v->root_fd, trash) : 0;
    if (removed < 0) /* the volume is gone all the same; the next start tries again */
        log_warn("volume %s: removing its data: %s", name, strerror(-removed));
    return 0;
}

/* ---- another name: the intention, the directory, the row ---- */

static int run_two(struct volumes *v, const char *sql, const char *first, const char *second, struct error *err)
{
    struct db_statement *s;
    int r = db_query(v->db, sql, &s, err);
    if (r < 0)
        return r;
    db_bind_text(s, 1, first);
    if (second != NULL)
        db_bind_text(s, 2, second);
    return db_run(s, err);
}

static int move_row(struct volumes *v, const char *old, const char *new, bool moved, struct error *err)
{
    int r = db_begin(v->db, err);
    if (r < 0)
        return r;
    if (moved)
        r = run_two(v, "UPDATE volumes SET name = ?, anonymous = 0 WHERE name = ?", new, old, err);
    if (r == 0)
        r = run_two(v, "DELETE FROM volume_rename WHERE old = ?", old, NULL, err);
    if (r < 0) {
        db_rollback(v->db);
        return r;
    }
    return db_commit(v->db, err);
}

int volume_renames_complete(struct volumes *v, struct error *err)
{
    CLEANUP_STRMAP struct strmap renames = STRMAP_INIT;
    db_lock(v->db);
    struct db_statement *s;
    bool row = false;
    int r = db_query(v->db, "SELECT old, new FROM volume_rename", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row)
        strmap_set(&renames, db_text(s, 0), db_text(s, 1));
    if (r == 0)
        db_reset(s);
    db_unlock(v->db);
    for (size_t i = 0; r == 0 && i < renames.count; i++) {
        const char *old = renames.items[i].key, *new = renames.items[i].value;
        struct stat st;
        bool moved = fstatat(v->root_fd, old, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
                     fstatat(v->root_fd, new, &st, AT_SYMLINK_NOFOLLOW) == 0;
        r = move_row(v, old, new, moved, err);
    }
    return r;
}

static int rename_locked(struct volumes *v, const char *name, const char *new_name, struct error *err)
{
    struct volume volume = {0};
    bool found = false;
    int r = volume_find(v, name, &found, &volume, err);
    volume_release(&volume);
    if (r == 0 && !found)
        return error_set(err, ERROR_NOT_FOUND, 0, "get %s: no such volume", name);
    if (r == 0)
        r = volume_find(v, new_name, &found, &volume, err);
    volume_release(&volume);
    if (r == 0 && found)
        return error_set(err, ERROR_CONFLICT, 0, "rename %s: a volume named %s exists already", name, new_name);
    if (r == 0 && (r = db_begin(v->db, err)) == 0) {
        r = run_two(v, "INSERT OR REPLACE INTO volume_rename(old, new) VALUES(?, ?)", name, new_name, err);
        if (r < 0)
            db_rollback(v->db);
        else
            r = db_commit(v->db, err);
    }
    if (r < 0)
        return r;
    bool moved = renameat(v->root_fd, name, v->root_fd, new_name) == 0 || errno == ENOENT;
    int failed = moved ? 0 : -errno;
    r = move_row(v, name, new_name, moved, err);
    return failed < 0 ? error_errno(err, failed, "rename %s", name) : r;
}

int volume_rename(struct volumes *v, const char *name, const char *new_name, volume_used_by used_by, void *data,
                  struct error *err)
{
    int r = volume_check_name(new_name, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&v->lock);
    r = check_unused(v, name, "rename", used_by, data, err);
    if (r == 0)
        r = rename_locked(v, name, new_name, err);
    pthread_mutex_unlock(&v->lock);
    return r;
}
