/*
 * docker diff: the container's own layer against what lies beneath it. The layer is walked in overlay form (whiteouts
 * are devices 0:0, a directory that replaces one is opaque); the rest is a read-only mount of the layers beneath.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "archive/pack.h"
#include "base/directory.h"
#include "base/fd.h"
#include "daemon/container_files.h"
#include "daemon/engine_internal.h"

struct changes {
    struct container_change *items;
    size_t count, capacity;
    struct strbuf path;
};

static void add(struct changes *changes, enum container_change_kind kind)
{
    xgrow((void **)&changes->items, changes->count, &changes->capacity, sizeof(*changes->items));
    changes->items[changes->count++] =
        (struct container_change){.path = xstrdup(strbuf_str(&changes->path)), .kind = kind};
}

static int walk_errno(const struct changes *changes, int errnum, struct error *err)
{
    return error_errno(err, errnum, "diff %s", changes->path.size > 0 ? strbuf_str(&changes->path) : "/");
}

static int list(int dir_fd, struct strv *ret)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(dir_fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0)
        strv_add(ret, name);
    strv_sort(ret);
    return r;
}

static int open_directory(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int fd)
{
    char value;
    return fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* The directory itself, apart from what is in it. */
static bool differs(const struct stat *a, const struct stat *b)
{
    return a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static int walk(struct changes *changes, int upper, int lower, int depth, struct error *err);

/* What the directory had and an opaque one in its place has not. */
static int add_hidden(struct changes *changes, int upper, int lower, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    size_t size = changes->path.size;
    struct stat st;
    int r = list(lower, &names);
    if (r < 0)
        return walk_errno(changes, r, err);
    for (size_t i = 0; i < names.count; i++) {
        bool there = fstatat(upper, names.items[i], &st, AT_SYMLINK_NOFOLLOW) == 0;
        strbuf_addf(&changes->path, "/%s", names.items[i]);
        if (!there)
            add(changes, CONTAINER_CHANGE_DELETED);
        changes->path.size = size;
        strbuf_terminate(&changes->path);
    }
    return 0;
}

static int walk_directory(struct changes *changes, int upper_dir, int lower_dir, const char *name,
                          const struct stat *upper_st, const struct stat *lower_st, int depth, struct error *err)
{
    bool merged = lower_st != NULL && S_ISDIR(lower_st->st_mode);
    CLEANUP_CLOSE int upper = open_directory(upper_dir, name);
    if (upper < 0)
        return upper == -ENOENT || upper == -ENOTDIR ? 0 : walk_errno(changes, upper, err);
    CLEANUP_CLOSE int lower = merged ? open_directory(lower_dir, name) : -1;
    if (merged && lower < 0)
        return walk_errno(changes, lower, err);
    size_t before = changes->count;
    add(changes, lower_st != NULL ? CONTAINER_CHANGE_MODIFIED : CONTAINER_CHANGE_ADDED);
    int r = merged && is_opaque(upper) ? add_hidden(changes, upper, lower, err) : 0;
    if (r == 0)
        r = walk(changes, upper, lower, depth + 1, err);
    /* A directory that was only made to hold something that is not there any more has not changed. */
    if (r == 0 && changes->count == before + 1 && merged && !differs(upper_st, lower_st)) {
        free(changes->items[before].path);
        changes->count = before;
    }
    return r;
}

static int walk_entry(struct changes *changes, int upper, int lower, const char *name, int depth, struct error *err)
{
    struct stat st, below;
    if (fstatat(upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : walk_errno(changes, errno, err);
    bool has_below = lower >= 0 && fstatat(lower, name, &below, AT_SYMLINK_NOFOLLOW) == 0;
    if (S_ISDIR(st.st_mode))
        return walk_directory(changes, upper, lower, name, &st, has_below ? &below : NULL, depth, err);
    if (!is_whiteout(&st))
        add(changes, has_below ? CONTAINER_CHANGE_MODIFIED : CONTAINER_CHANGE_ADDED);
    else if (has_below)
        add(changes, CONTAINER_CHANGE_DELETED);
    return 0;
}

/* lower: the same directory beneath, -1 when there is none. */
static int walk(struct changes *changes, int upper, int lower, int depth, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    size_t size = changes->path.size;
    if (depth > PACK_DEPTH_MAX)
        return walk_errno(changes, ELOOP, err);
    int r = list(upper, &names);
    if (r < 0)
        return walk_errno(changes, r, err);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        strbuf_addf(&changes->path, "/%s", names.items[i]);
        r = walk_entry(changes, upper, lower, names.items[i], depth, err);
        changes->path.size = size;
        strbuf_terminate(&changes->path);
    }
    return r;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct container_change *)a)->path, ((const struct container_change *)b)->path);
}

struct changes_job {
    struct changes *changes;
    int upper;
};

static int run_changes(int lower_root, void *data, struct error *err)
{
    struct changes_job *job = data;
    return walk(job->changes, job->upper, lower_root, 0, err);
}

int container_changes(struct engine *engine, struct container *c, struct container_change **ret, size_t *ret_count,
                      struct error *err)
{
    struct changes changes = {0};
    struct error local = {0};
    CLEANUP_CLOSE int path = image_rootfs_upper(engine->images, c->rootfs_id, err);
    if (path < 0)
        return path;
    struct changes_job job = {.changes = &changes, .upper = path};
    int r = container_files_run_alone(engine, c, ROOTFS_LOWER, run_changes, &job, &local);
    if (r == -ENODATA && changes.count == 0) { /* no image: everything is new */
        error_clear(&local);
        r = walk(&changes, path, -1, 0, &local);
    }
    strbuf_release(&changes.path);
    if (r < 0) {
        container_changes_free(changes.items, changes.count);
        return error_propagate(err, &local);
    }
    if (changes.count > 0)
        qsort(changes.items, changes.count, sizeof(*changes.items), compare);
    *ret = changes.items;
    *ret_count = changes.count;
    return 0;
}

void container_changes_free(struct container_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(changes[i].path);
    free(changes);
}
