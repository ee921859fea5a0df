#include "daemon/build/context_sync.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "daemon/build/context.h"
#include "daemon/build/context_internal.h"
#include "daemon/engine.h"

#define CAPABILITY_MAX 64

struct context_sync {
    struct build_files own; /* the directory of a build that may not use the kept one */
    int keep_fd;            /* of keep-KEY; -1: `own` is used */
    int lock_fd;
    int tree_fd;
    struct strbuf text;
    struct context_manifest manifest;
    bool changed, finished;
    struct open_file {
        int fd;
        uint32_t index;
    } open[CONTEXT_OPEN_MAX]; /* that are being received */
    size_t open_count;
};

static int fail(struct error *err, int errnum, const char *doing, const struct context_entry *entry)
{
    return error_errno(err, errnum, "build context: %s %s", doing, entry->path);
}

/* ---- locks: fcntl(2), open file description locks, which change from one kind to the other at once ---- */

static bool lock(int fd, short type)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

int context_keep_lock(int keep_fd, bool exclusive)
{
    int fd = openat(keep_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && !lock(fd, exclusive ? F_WRLCK : F_RDLCK)) {
        fd_close(fd);
        return -EBUSY;
    }
    return fd < 0 ? -errno : fd;
}

/* ---- changing the tree ---- */

static bool same(const struct context_entry *a, const struct context_entry *b)
{
    return strcmp(a->head, b->head) == 0 && strcmp(a->extra, b->extra) == 0;
}

/* Directories stay as long as they are directories. */
static bool replaces(const struct context_entry *old, const struct context_entry *new)
{
    return !(old->kind == 'd' && new->kind == 'd') && !same(old, new);
}

static int remove_entry(int tree_fd, const struct context_entry *entry, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int parent = beneath_open_parent(tree_fd, entry->path, false, &name);
    int r = parent < 0 ? parent : unlinkat(parent, name, entry->kind == 'd' ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
    return r < 0 && r != -ENOENT ? fail(err, r, "remove", entry) : 0;
}

/* For futimens(2): the time of access stays. */
static void fill_times(int64_t mtime, struct timespec times[2])
{
    int64_t seconds = mtime / 1000000000, rest = mtime % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    times[1] = (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

static int set_times(int dir_fd, const char *name, int64_t mtime)
{
    struct timespec times[2];
    fill_times(mtime, times);
    return utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_directory(int parent, const char *name, unsigned mode)
{
    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    return fchmodat(parent, name, mode, 0) < 0 ? -errno : 0;
}

static int make_device(int parent, const char *name, const struct context_entry *entry)
{
    mode_t kind = entry->kind == 'p' ? S_IFIFO : entry->kind == 'c' ? S_IFCHR : S_IFBLK;
    if (mknodat(parent, name, kind | 0600, entry->kind == 'p' ? 0 : (dev_t)entry->size) < 0)
        return -errno;
    return fchmodat(parent, name, entry->mode, 0) < 0 ? -errno : 0;
}

/* Everything but files, whose contents come later. */
static int make_entry(int tree_fd, const struct context_entry *entry, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int parent = beneath_open_parent(tree_fd, entry->path, false, &name);
    int r = parent < 0 ? parent : 0;
    if (r == 0 && entry->kind == 'd')
        r = make_directory(parent, name, entry->mode);
    else if (r == 0 && entry->kind == 'l')
        r = symlinkat(entry->extra, parent, name) < 0 ? -errno : 0;
    else if (r == 0)
        r = make_device(parent, name, entry);
    if (r == 0 && entry->kind != 'd')
        r = set_times(parent, name, entry->mtime);
    return r < 0 ? fail(err, r, "make", entry) : 0;
}

/* Walks both lists in their common order. Removals come from the end, so that directories are empty by then. */
static int remove_old(int tree_fd, const struct context_manifest *old, const struct context_manifest *new,
                      struct error *err)
{
    size_t i = old->count, k = new->count;
    int r = 0;
    while (i > 0 && r == 0) {
        int order = k > 0 ? context_path_compare(&old->items[i - 1], &new->items[k - 1]) : 1;
        if (order < 0) {
            k--;
            continue;
        }
        i--;
        if (order > 0 || replaces(&old->items[i], &new->items[k - 1]))
            r = remove_entry(tree_fd, &old->items[i], err);
    }
    return r;
}

static int make_new(int tree_fd, const struct context_manifest *old, const struct context_manifest *new,
                    uint32_t *needed, size_t *ret_count, struct error *err)
{
    size_t i = 0;
    int r = 0;
    *ret_count = 0;
    for (size_t k = 0; k < new->count &&r == 0; k++) {
        const struct context_entry *entry = &new->items[k];
        while (i < old->count && context_path_compare(&old->items[i], entry) < 0)
            i++;
        bool known = i < old->count && context_path_compare(&old->items[i], entry) == 0;
        if (known && same(&old->items[i], entry))
            continue;
        if (entry->kind == 'f')
            needed[(*ret_count)++] = (uint32_t)k;
        else
            r = make_entry(tree_fd, entry, err);
    }
    return r;
}

/* ---- the kept directory ---- */

static int open_tree(int keep_fd)
{
    if (mkdirat(keep_fd, "tree", 0755) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(keep_fd, "tree", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What the tree holds. False: that is not known. */
static bool read_kept(int keep_fd, struct strbuf *text, struct context_manifest *ret)
{
    char *data = NULL;
    size_t size;
    if (file_read(keep_fd, "manifest", CONTEXT_MANIFEST_MAX, &data, &size, NULL) < 0)
        return false;
    strbuf_add(text, data, size);
    free(data);
    if (context_manifest_parse(text->data, text->size, ret, NULL) == 0)
        return true;
    free(ret->items);
    *ret = (struct context_manifest){0};
    return false;
}

/* It was renamed away while its lock was waited for (context_keep.c). */
static bool is_discarded(int keep_fd)
{
    char target[PATH_MAX];
    CLEANUP_FREE char *link = xasprintf("/proc/self/fd/%d", keep_fd);
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (n < 0)
        return true;
    target[n] = '\0';
    return !strstr(target, "/keep-");
}

/* An interrupted change leaves a tree without a manifest: it is worth nothing. */
static int begin_change(struct context_sync *sync, bool known, struct error *err)
{
    sync->changed = true;
    if (known)
        return unlinkat(sync->keep_fd, "manifest", 0) < 0 ? error_errno(err, errno, "build context: remove manifest")
                                                          : 0;
    int r = beneath_remove_tree(sync->keep_fd, "tree");
    if (r == 0) {
        sync->tree_fd = fd_close(sync->tree_fd);
        sync->tree_fd = open_tree(sync->keep_fd);
        r = sync->tree_fd < 0 ? sync->tree_fd : 0;
    }
    return r < 0 ? error_errno(err, r, "build context: make tree") : 0;
}

static int compare_with(struct context_sync *sync, const struct context_manifest *old, uint32_t **ret_needed,
                        size_t *ret_count, struct error *err)
{
    CLEANUP_FREE uint32_t *needed = xcalloc(sync->manifest.count + 1, sizeof(*needed));
    int r = remove_old(sync->tree_fd, old, &sync->manifest, err);
    if (r == 0)
        r = make_new(sync->tree_fd, old, &sync->manifest, needed, ret_count, err);
    if (r == 0)
        *ret_needed = TAKE_PTR(needed);
    return r;
}

/* 1: done; 0: somebody is reading other files there. */
static int use_kept(struct context_sync *sync, uint32_t **ret_needed, size_t *ret_count, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_FREE struct context_entry *items = NULL;
    struct context_manifest old = {0};
    sync->lock_fd = context_keep_lock(sync->keep_fd, false);
    if (sync->lock_fd < 0 || is_discarded(sync->keep_fd))
        return 0;
    sync->tree_fd = open_tree(sync->keep_fd);
    if (sync->tree_fd < 0)
        return error_errno(err, sync->tree_fd, "build context: open tree");
    bool known = read_kept(sync->keep_fd, &text, &old);
    items = old.items;
    if (known && text.size == sync->text.size && memcmp(strbuf_str(&text), strbuf_str(&sync->text), text.size) == 0) {
        *ret_needed = xcalloc(1, sizeof(**ret_needed));
        *ret_count = 0;
        futimens(sync->lock_fd, NULL); /* when it was used last */
        return 1;
    }
    if (!lock(sync->lock_fd, F_WRLCK))
        return 0;
    int r = begin_change(sync, known, err);
    if (r == 0)
        r = compare_with(sync, known ? &old : &(struct context_manifest){0}, ret_needed, ret_count, err);
    return r < 0 ? r : 1;
}

static int use_own(struct context_sync *sync, struct engine *engine, uint32_t **ret_needed, size_t *ret_count,
                   struct error *err)
{
    sync->tree_fd = fd_close(sync->tree_fd);
    sync->lock_fd = fd_close(sync->lock_fd);
    sync->keep_fd = fd_close(sync->keep_fd);
    sync->changed = true;
    int r = build_files_new(engine, &sync->own, err);
    if (r == 0) {
        sync->tree_fd = fd_dup(sync->own.fd);
        r = sync->tree_fd < 0 ? error_errno(err, sync->tree_fd, "dup") : 0;
    }
    return r < 0 ? r : compare_with(sync, &(struct context_manifest){0}, ret_needed, ret_count, err);
}

int context_sync_open(struct engine *engine, const char *key, struct strbuf *manifest, struct context_sync **ret,
                      uint32_t **ret_needed, size_t *ret_count, struct error *err)
{
    CLEANUP_CONTEXT_SYNC struct context_sync *sync = xcalloc(1, sizeof(*sync));
    sync->own = (struct build_files)BUILD_FILES_INIT;
    sync->keep_fd = sync->lock_fd = sync->tree_fd = -1;
    sync->text = *manifest;
    *manifest = (struct strbuf)STRBUF_INIT;
    if (strlen(key) != 64 || strspn(key, "0123456789abcdef") != 64)
        return error_set(err, ERROR_INVALID, 0, "build context: malformed key");
    int r = context_manifest_parse(sync->text.data, sync->text.size, &sync->manifest, err);
    if (r == 0)
        r = sync->keep_fd = context_keep_open(engine, key, err);
    if (r >= 0)
        r = use_kept(sync, ret_needed, ret_count, err);
    if (r == 0)
        r = use_own(sync, engine, ret_needed, ret_count, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(sync);
    return 0;
}

/* ---- contents ---- */

static struct open_file *find_open(struct context_sync *sync, uint32_t index)
{
    for (size_t i = 0; i < sync->open_count; i++) {
        if (sync->open[i].index == index)
            return &sync->open[i];
    }
    return NULL;
}

/* *ret: the file that is being received under this number; it is begun where there is none. */
static int begin_file(struct context_sync *sync, uint32_t index, struct open_file **ret, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    *ret = find_open(sync, index);
    if (*ret)
        return 0;
    if (index >= sync->manifest.count || sync->manifest.items[index].kind != 'f')
        return error_set(err, ERROR_INVALID, 0, "build context: no file has the number %u", index);
    const struct context_entry *entry = &sync->manifest.items[index];
    if (sync->open_count == CONTEXT_OPEN_MAX)
        return error_set(err, ERROR_INVALID, 0, "build context: %s: too many files at the same time", entry->path);
    CLEANUP_CLOSE int parent = beneath_open_parent(sync->tree_fd, entry->path, false, &name);
    if (parent < 0)
        return fail(err, parent, "open the directory of", entry);
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, errno, "make", entry);
    *ret = &sync->open[sync->open_count++];
    **ret = (struct open_file){.fd = fd, .index = index};
    return 0;
}

int context_sync_data(struct context_sync *sync, uint32_t index, const void *data, size_t size, struct error *err)
{
    struct open_file *file;
    int r = begin_file(sync, index, &file, err);
    if (r == 0 && (r = fd_write_all(file->fd, data, size)) < 0)
        r = fail(err, r, "write", &sync->manifest.items[index]);
    return r;
}

/* security.capability, which the manifest has in hex. */
static int set_capability(int fd, const char *hex)
{
    unsigned char value[CAPABILITY_MAX];
    size_t size = strlen(hex) / 2;
    if (*hex == '\0')
        return 0;
    if (size > sizeof(value) || strlen(hex) % 2 != 0 || strspn(hex, "0123456789abcdef") != strlen(hex))
        return -EINVAL;
    for (size_t i = 0; i < size; i++) {
        const char *digits = "0123456789abcdef";
        value[i] =
            (unsigned char)((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits, hex[2 * i + 1]) - digits));
    }
    return fsetxattr(fd, "security.capability", value, size, 0) < 0 ? -errno : 0;
}

int context_sync_end(struct context_sync *sync, uint32_t index, bool gone, struct error *err)
{
    struct open_file *file;
    int r = begin_file(sync, index, &file, err); /* an empty one is begun only here */
    if (r < 0)
        return r;
    const struct context_entry *entry = &sync->manifest.items[index];
    CLEANUP_CLOSE int fd = file->fd;
    *file = sync->open[--sync->open_count];
    if (gone)
        return remove_entry(sync->tree_fd, entry, err);
    if (fchmod(fd, entry->mode) < 0)
        return fail(err, errno, "chmod", entry);
    r = set_capability(fd, entry->extra);
    if (r < 0)
        return fail(err, r, "set the capabilities of", entry);
    struct timespec times[2];
    fill_times(entry->mtime, times);
    if (futimens(fd, times) < 0)
        return fail(err, errno, "set the time of", entry);
    return 0;
}

/* Times of directories, which making their entries has changed. */
static int set_directory_times(struct context_sync *sync, struct error *err)
{
    for (size_t i = 0; i < sync->manifest.count; i++) {
        const struct context_entry *entry = &sync->manifest.items[i];
        if (entry->kind != 'd')
            continue;
        CLEANUP_FREE char *name = NULL;
        CLEANUP_CLOSE int parent = beneath_open_parent(sync->tree_fd, entry->path, false, &name);
        int r = parent < 0 ? parent : set_times(parent, name, entry->mtime);
        if (r < 0)
            return fail(err, r, "set the time of", entry);
    }
    return 0;
}

int context_sync_finish(struct context_sync *sync, int *ret_fd, struct error *err)
{
    int r = sync->changed ? set_directory_times(sync, err) : 0;
    if (r == 0 && sync->changed && sync->keep_fd >= 0) {
        r = file_write_atomic(sync->keep_fd, "manifest", strbuf_str(&sync->text), sync->text.size, 0600, err);
        if (r == 0 && !lock(sync->lock_fd, F_RDLCK))
            r = error_errno(err, errno, "build context: lock");
        futimens(sync->lock_fd, NULL);
    }
    if (r < 0)
        return r;
    sync->finished = true;
    *ret_fd = sync->tree_fd;
    return 0;
}

void context_sync_free(struct context_sync *sync)
{
    if (!sync)
        return;
    for (size_t i = 0; i < sync->open_count; i++)
        fd_close(sync->open[i].fd);
    fd_close(sync->tree_fd);
    if (sync->changed && !sync->finished && sync->keep_fd >= 0)
        beneath_remove_tree(sync->keep_fd, "tree"); /* half of it is worth nothing, and may be what fills the disk */
    fd_close(sync->lock_fd);
    fd_close(sync->keep_fd);
    build_files_release(&sync->own);
    strbuf_release(&sync->text);
    free(sync->manifest.items);
    free(sync);
}

void context_sync_free_ptr(struct context_sync **sync)
{
    context_sync_free(*sync);
}
