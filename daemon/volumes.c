#include "daemon/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json_table.h"
#include "base/log.h"
#include "base/project_quota.h"
#include "base/timestamp.h"
#include "daemon/volume_options.h"
#include "daemon/volumes_internal.h"

#define TRASH_PREFIX ".removed-"

void volume_release(struct volume *v)
{
    free(v->name);
    strmap_release(&v->labels);
    strmap_release(&v->options);
    *v = (struct volume){0};
}

int volumes_open(const char *root, struct db *db, uid_t uid, gid_t gid, struct volumes **ret, struct error *err)
{
    int r = file_mkdirs(root, 0710, err);
    if (r == 0)
        r = db_exec(db,
                    "CREATE TABLE IF NOT EXISTS volumes(name TEXT PRIMARY KEY, created INTEGER NOT NULL, "
                    "labels TEXT NOT NULL, options TEXT NOT NULL, anonymous INTEGER NOT NULL) WITHOUT ROWID",
                    err);
    if (r == 0)
        r = db_exec(db, "CREATE TABLE IF NOT EXISTS volume_rename(old TEXT PRIMARY KEY, new TEXT NOT NULL)", err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "%s", root);
    file_spread(fd);
    struct volumes *v = xcalloc(1, sizeof(*v));
    *v = (struct volumes){.root = xstrdup(root), .root_fd = TAKE_FD(fd), .db = db, .uid = uid, .gid = gid};
    pthread_mutex_init(&v->lock, NULL);
    *ret = v;
    return 0;
}

void volumes_close(struct volumes *v)
{
    if (v == NULL)
        return;
    volume_uses_free(v);
    fd_close(v->root_fd);
    pthread_mutex_destroy(&v->lock);
    free(v->root);
    free(v);
}

static char *strmap_to_text(const struct strmap *map)
{
    struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (size_t i = 0; map != NULL && i < map->count; i++)
        json_member_string(&w, map->items[i].key, map->items[i].value);
    json_end_object(&w);
    return strbuf_take(&text);
}

static void strmap_from_text(struct strmap *map, const char *text)
{
    CLEANUP_JSON struct json *tree = NULL;
    if (text == NULL || json_parse(text, strlen(text), &tree, NULL) < 0 || tree->kind != JSON_OBJECT)
        return;
    for (size_t i = 0; i < tree->object.count; i++)
        strmap_set(map, tree->object.keys[i], json_string(&tree->object.values[i]));
}

/* The row a statement stands on: name, created, labels, options, anonymous. */
static void from_row(struct db_statement *s, struct volume *ret)
{
    *ret = (struct volume){.name = xstrdup(db_text(s, 0)), .created = db_int(s, 1), .anonymous = db_int(s, 4) != 0};
    strmap_from_text(&ret->labels, db_text(s, 2));
    strmap_from_text(&ret->options, db_text(s, 3));
}

int volume_find(struct volumes *v, const char *name, bool *ret_found, struct volume *ret, struct error *err)
{
    db_lock(v->db);
    struct db_statement *s;
    int r = db_query(v->db, "SELECT name, created, labels, options, anonymous FROM volumes WHERE name = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, name);
        r = db_step(s, ret_found, err);
        if (r == 0 && *ret_found)
            from_row(s, ret);
        db_reset(s);
    }
    db_unlock(v->db);
    return r;
}

int volume_check_name(const char *name, struct error *err)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t size = strlen(name);
    if (size == 1)
        return error_set(err, ERROR_INVALID, 0,
                         "create %s: volume name is too short, names should be at least two alphanumeric characters",
                         name);
    if (size > 255 || strspn(name, first) == 0 || strspn(name, rest) != size)
        return error_set(err, ERROR_INVALID, 0,
                         "create %s: \"%s\" includes invalid characters for a local volume name, only "
                         "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use "
                         "absolute path",
                         name, name);
    return 0;
}

/* Values of the column "anonymous". */
enum { VOLUME_NAMED, VOLUME_ANONYMOUS, VOLUME_PENDING };

static int insert(struct volumes *v, const struct volume_create *q, const char *name, struct error *err)
{
    CLEANUP_FREE char *labels = strmap_to_text(q->labels);
    CLEANUP_FREE char *options = strmap_to_text(q->options);
    db_lock(v->db);
    struct db_statement *s;
    int r = db_query(v->db, "INSERT INTO volumes(name, created, labels, options, anonymous) VALUES(?, ?, ?, ?, ?)", &s,
                     err);
    if (r == 0) {
        db_bind_text(s, 1, name);
        db_bind_int(s, 2, timestamp_now());
        db_bind_text(s, 3, labels);
        db_bind_text(s, 4, options);
        db_bind_int(s, 5, q->pending ? VOLUME_PENDING : q->anonymous ? VOLUME_ANONYMOUS : VOLUME_NAMED);
        r = db_run(s, err);
    }
    db_unlock(v->db);
    return r;
}

static void end_limit(struct volumes *v, const char *name)
{
    CLEANUP_CLOSE int dir = openat(v->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = dir < 0 ? -errno : project_quota_end(dir, v->root_fd);
    if (r < 0 && r != -ENOENT && r != -ENOTTY && r != -EOPNOTSUPP) /* file systems without projects */
        log_warn("volume %s: its quota is not given up: %s", name, strerror(-r));
}

/* Before there is a row. A directory that was there already, and is not empty, stays. */
static void undo_limited(struct volumes *v, const char *name)
{
    end_limit(v, name);
    (void)unlinkat(v->root_fd, name, AT_REMOVEDIR); /* the failure is told already; the next start tries again */
}

/* Its directory, with a limit. A crash before there is a row leaves one that the next start removes. */
static int make_limited(struct volumes *v, const char *name, uint64_t size, struct error *err)
{
    if (!project_quota_enforced(v->root_fd))
        return error_set(err, ERROR_INVALID, 0, "create %s: quota size requested but no quota support", name);
    if (mkdirat(v->root_fd, name, 0701) < 0 && errno != EEXIST)
        return error_errno(err, errno, "volume %s", name);
    CLEANUP_CLOSE int dir = openat(v->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = dir < 0 ? -errno : project_quota_begin(dir, size);
    if (r < 0)
        undo_limited(v, name);
    return r < 0 ? error_errno(err, r, "limit the size of volume %s", name) : 0;
}

int volume_create(struct volumes *v, const struct volume_create *q, struct volume *ret, bool *ret_new,
                  struct error *err)
{
    char generated[ID_SIZE + 1];
    struct volume_create request = *q;
    if (q->name == NULL || *q->name == '\0') {
        id_generate(generated);
        request.name = generated;
        request.anonymous = true;
    }
    if (q->driver != NULL && *q->driver != '\0' && strcmp(q->driver, "local") != 0)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "create %s: error looking up volume plugin %s: plugin \"%s\" not found", request.name,
                         q->driver, q->driver);
    uint64_t size = 0;
    int r = volume_check_name(request.name, err);
    if (r == 0 && q->options != NULL && volume_options_check(q->options, &size, err) < 0)
        r = error_context(err, "create %s", request.name);
    if (r < 0)
        return r;
    bool found = false;
    pthread_mutex_lock(&v->lock); /* no renaming under way */
    db_lock(v->db);               /* nobody may make the same name between look-up and insertion */
    r = volume_find(v, request.name, &found, ret, err);
    if (r == 0 && !found && size > 0)
        r = make_limited(v, request.name, size, err);
    if (r == 0 && !found) {
        r = insert(v, &request, request.name, err);
        if (r < 0 && size > 0)
            undo_limited(v, request.name);
        bool again = false;
        if (r == 0)
            r = volume_find(v, request.name, &again, ret, err);
    }
    db_unlock(v->db);
    pthread_mutex_unlock(&v->lock);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = volume_open_data(v, request.name, err);
    if (fd < 0) {
        volume_release(ret);
        return fd;
    }
    if (ret_new != NULL)
        *ret_new = !found;
    return 0;
}

int volume_get(struct volumes *v, const char *name, struct volume *ret, struct error *err)
{
    bool found = false;
    int r = volume_find(v, name, &found, ret, err);
    if (r == 0 && !found)
        r = error_set(err, ERROR_NOT_FOUND, 0, "get %s: no such volume", name);
    return r;
}

int volume_list(struct volumes *v, struct volume **ret, size_t *ret_count, struct error *err)
{
    struct volume *items = NULL;
    size_t count = 0, capacity = 0;
    db_lock(v->db);
    struct db_statement *s;
    int r = db_query(v->db, "SELECT name, created, labels, options, anonymous FROM volumes ORDER BY name", &s, err);
    bool row = false;
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        xgrow((void **)&items, count, &capacity, sizeof(*items));
        from_row(s, &items[count++]);
    }
    if (r == 0)
        db_reset(s);
    db_unlock(v->db);
    if (r < 0) {
        for (size_t i = 0; i < count; i++)
            volume_release(&items[i]);
        free(items);
        return r;
    }
    *ret = items;
    *ret_count = count;
    return 0;
}

int volume_forget(struct volumes *v, const char *name, struct error *err)
{
    db_lock(v->db);
    struct db_statement *s;
    int r = db_query(v->db, "DELETE FROM volumes WHERE name = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, name);
        r = db_run(s, err);
    }
    db_unlock(v->db);
    return r;
}

void volume_delete_data(struct volumes *v, const char *name)
{
    end_limit(v, name);
    beneath_remove_tree(v->root_fd, name);
}

int volume_trash(struct volumes *v, const char *name, char ret_trash[VOLUME_TRASH_MAX])
{
    char id[ID_SIZE + 1];
    id_generate(id);
    snprintf(ret_trash, VOLUME_TRASH_MAX, TRASH_PREFIX "%.16s", id);
    end_limit(v, name);
    return renameat(v->root_fd, name, v->root_fd, ret_trash) < 0 ? -errno : 0;
}

int volume_settle(struct volumes *v, const char *name, struct error *err)
{
    db_lock(v->db);
    struct db_statement *s;
    int r = db_query(v->db, "UPDATE volumes SET anonymous = 1 WHERE name = ? AND anonymous = 2", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, name);
        r = db_run(s, err);
    }
    db_unlock(v->db);
    return r;
}

int volumes_sweep(struct volumes *v, struct error *err)
{
    int r = volume_renames_complete(v, err);
    if (r == 0)
        r = db_exec(v->db, "DELETE FROM volumes WHERE anonymous = 2", err);
    if (r < 0)
        return r;
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    r = directory_open(v->root_fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0) {
        if (strncmp(name, TRASH_PREFIX, strlen(TRASH_PREFIX)) == 0)
            beneath_remove_tree(v->root_fd, name);
        if (name[0] == '.')
            continue;
        volume_unmount_unused(v, name);
        bool found = false;
        struct volume volume = {0};
        int read = volume_find(v, name, &found, &volume, err);
        volume_release(&volume);
        if (read < 0)
            return read;
        if (!found)
            volume_delete_data(v, name);
    }
    return r < 0 ? error_errno(err, r, "%s", v->root) : 0;
}

char *volume_path(struct volumes *v, const char *name)
{
    return xasprintf("%s/%s/_data", v->root, name);
}

int volume_open_data(struct volumes *v, const char *name, struct error *err)
{
    if (mkdirat(v->root_fd, name, 0701) < 0 && errno != EEXIST)
        return error_errno(err, errno, "volume %s", name);
    CLEANUP_CLOSE int dir = openat(v->root_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_errno(err, errno, "volume %s", name);
    bool made = mkdirat(dir, "_data", 0755) == 0;
    if (!made && errno != EEXIST)
        return error_errno(err, errno, "volume %s", name);
    if (made && (v->uid != 0 || v->gid != 0) && fchownat(dir, "_data", v->uid, v->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, errno, "volume %s", name);
    int fd = openat(dir, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "volume %s", name) : fd;
}

int volume_size(struct volumes *v, const char *name, int64_t *ret, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/_data", name);
    int64_t bytes = 0;
    int r = directory_size(v->root_fd, path, &bytes);
    if (r < 0 && r != -ENOENT) /* not there yet, or not any more: nothing is made by looking */
        return error_errno(err, r, "volume %s", name);
    *ret = bytes;
    return 0;
}
