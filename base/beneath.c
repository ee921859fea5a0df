#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/strbuf.h"

/* As many symlinks as the kernel follows on one path (path_resolution(7)). */
#define SYMLINKS_MAX 40
/* openat2 answers EAGAIN when a rename anywhere disturbs a ".."; one try seldom meets two. */
#define TRIES_MAX 256

static int open_resolved(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
        .resolve = resolve,
    };
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        if (errno != EINTR && (errno != EAGAIN || tries >= TRIES_MAX))
            return -errno;
    }
}

int beneath_open(int root_fd, const char *path, int flags, mode_t mode)
{
    return open_resolved(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int beneath_open_inside(int root_fd, const char *path, int flags)
{
    return open_resolved(root_fd, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

int beneath_open_nofollow(int root_fd, const char *path, int flags, mode_t mode)
{
    return open_resolved(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
}

/*
 * A walk that makes what is missing. It goes component by component, each opened without following, so that it knows
 * at every point where it is: `at` holds that place as a path without symlinks, from which ".." is taken.
 */
struct walk {
    int root_fd;
    int fd; /* owned; the directory reached */
    struct strbuf at;
    char *rest; /* owned; still to go */
    int symlinks;
    mode_t mode; /* of new directories */
    bool file;   /* the last component becomes a regular file */
    const struct beneath_owner *owner;
};

static void walk_release(struct walk *w)
{
    fd_close(w->fd);
    strbuf_release(&w->at);
    free(w->rest);
}

static int walk_reopen(struct walk *w)
{
    const char *path = w->at.size > 0 ? strbuf_str(&w->at) : "/";
    int fd = beneath_open_nofollow(w->root_fd, path, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    fd_close(w->fd);
    w->fd = fd;
    return 0;
}

static int walk_up(struct walk *w)
{
    const char *slash = w->at.size > 0 ? strrchr(w->at.data, '/') : NULL;
    if (w->at.size == 0)
        return 0; /* ".." of the root is the root */
    w->at.size = slash ? (size_t)(slash - w->at.data) : 0;
    strbuf_terminate(&w->at);
    return walk_reopen(w);
}

/* The link's text goes in front of what is still to go. */
static int walk_symlink(struct walk *w, int link_fd)
{
    if (++w->symlinks > SYMLINKS_MAX)
        return -ELOOP;
    char target[PATH_MAX];
    ssize_t n = readlinkat(link_fd, "", target, sizeof target - 1);
    if (n < 0)
        return -errno;
    if (n == 0)
        return -ENOENT;
    target[n] = '\0';
    char *rest = xasprintf("%s/%s", target, w->rest);
    free(w->rest);
    w->rest = rest;
    if (strlen(rest) >= PATH_MAX)
        return -ENAMETOOLONG;
    if (target[0] != '/')
        return 0;
    strbuf_clear(&w->at);
    return walk_reopen(w);
}

static bool in_root_mount(const struct walk *w)
{
    struct statx root, here;
    return statx(w->root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &root) == 0 &&
           statx(w->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &here) == 0 && root.stx_mnt_id == here.stx_mnt_id;
}

static int walk_give(struct walk *w, const char *name)
{
    if (w->owner == NULL || !in_root_mount(w))
        return 0;
    return fchownat(w->fd, name, w->owner->uid, w->owner->gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT ? -errno : 0;
}

/* Makes `name` unless it is there; either way returns an O_PATH descriptor to it. */
static int walk_make(struct walk *w, const char *name, bool file)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        if (errno != ENOENT)
            return -errno;
        bool there = false;
        if (file) {
            int made = openat(w->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
            if (made < 0 && errno != EEXIST)
                return -errno;
            fd_close(made);
            there = made < 0;
        } else if (mkdirat(w->fd, name, w->mode) < 0) {
            if (errno != EEXIST)
                return -errno;
            there = true;
        }
        int r = there ? 0 : walk_give(w, name);
        if (r < 0)
            return r;
    }
    return -EAGAIN;
}

/* Cuts the first component off w->rest. NULL at the end. */
static char *walk_next(struct walk *w)
{
    const char *s = w->rest + strspn(w->rest, "/");
    if (!*s)
        return NULL;
    size_t size = strcspn(s, "/");
    char *name = xstrndup(s, size);
    char *rest = xstrdup(s + size);
    free(w->rest);
    w->rest = rest;
    return name;
}

/* One component. 1 when a thing that is no directory was reached as the last one: w->fd is that thing then. */
static int walk_step(struct walk *w, const char *name)
{
    bool last = w->rest[strspn(w->rest, "/")] == '\0';
    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0)
        return walk_up(w);
    CLEANUP_CLOSE int fd = walk_make(w, name, w->file && last);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return walk_symlink(w, fd);
    if (!S_ISDIR(st.st_mode) && !(w->file && last))
        return -ENOTDIR;
    fd_close(w->fd);
    w->fd = TAKE_FD(fd);
    if (w->at.size > 0)
        strbuf_addc(&w->at, '/');
    strbuf_adds(&w->at, name);
    return S_ISDIR(st.st_mode) ? 0 : 1;
}

static int walk(int root_fd, const char *path, mode_t mode, bool file, const struct beneath_owner *owner)
{
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    CLEANUP(walk_release)
    struct walk w = {.root_fd = root_fd, .fd = -1, .rest = xstrdup(path), .mode = mode, .file = file, .owner = owner};
    int r = walk_reopen(&w);
    while (r == 0) {
        CLEANUP_FREE char *name = walk_next(&w);
        if (!name)
            break;
        r = walk_step(&w, name);
    }
    return r < 0 ? r : TAKE_FD(w.fd);
}

/* What does not exist is taken as it is written. */
static void resolve_rest(struct walk *w, char *name)
{
    while (name) {
        char *slash = w->at.size > 0 ? strrchr(w->at.data, '/') : NULL;
        if (strcmp(name, "..") == 0) {
            w->at.size = slash ? (size_t)(slash - w->at.data) : 0;
            strbuf_terminate(&w->at);
        } else if (strcmp(name, ".") != 0) {
            strbuf_addf(&w->at, "%s%s", w->at.size > 0 ? "/" : "", name);
        }
        free(name);
        name = walk_next(w);
    }
}

/* One component that is not "..". 1: what follows does not exist. */
static int resolve_step(struct walk *w, const char *name)
{
    CLEANUP_CLOSE int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 1 : -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return walk_symlink(w, fd);
    strbuf_addf(&w->at, "%s%s", w->at.size > 0 ? "/" : "", name);
    fd_close(w->fd);
    w->fd = TAKE_FD(fd);
    return 0;
}

int beneath_resolve(int root_fd, const char *path, char **ret)
{
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    CLEANUP(walk_release) struct walk w = {.root_fd = root_fd, .fd = -1, .rest = xstrdup(path)};
    int r = walk_reopen(&w);
    while (r == 0) {
        char *name = walk_next(&w);
        if (!name)
            break;
        r = strcmp(name, ".") == 0 ? 0 : strcmp(name, "..") == 0 ? walk_up(&w) : resolve_step(&w, name);
        if (r == 1)
            resolve_rest(&w, TAKE_PTR(name));
        free(name);
    }
    if (r < 0)
        return r;
    *ret = xasprintf("/%s", w.at.size > 0 ? strbuf_str(&w.at) : "");
    return 0;
}

int beneath_mkdirs(int root_fd, const char *path, mode_t mode)
{
    /* Mostly it is there. */
    int fd = beneath_open(root_fd, *path ? path : "/", O_PATH | O_DIRECTORY, 0);
    return fd != -ENOENT ? fd : walk(root_fd, path, mode, false, NULL);
}

int beneath_open_parent(int root_fd, const char *path, bool make_parents, char **ret_name)
{
    /* "a/b/" and "a/b/." are both b in a. */
    size_t end = strlen(path);
    while (end > 0 && (path[end - 1] == '/' || (path[end - 1] == '.' && (end == 1 || path[end - 2] == '/'))))
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    CLEANUP_FREE char *name = xstrndup(path + start, end - start);
    if (!*name || strcmp(name, "..") == 0)
        return -EINVAL;
    CLEANUP_FREE char *parent = start > 0 ? xstrndup(path, start) : xstrdup("/");
    int fd =
        make_parents ? beneath_mkdirs(root_fd, parent, 0755) : beneath_open(root_fd, parent, O_PATH | O_DIRECTORY, 0);
    if (fd >= 0)
        *ret_name = TAKE_PTR(name);
    return fd;
}

int beneath_make_target(int root_fd, const char *path, bool is_dir)
{
    return beneath_make_target_owned(root_fd, path, is_dir, NULL);
}

int beneath_make_target_owned(int root_fd, const char *path, bool is_dir, const struct beneath_owner *owner)
{
    int fd = beneath_open(root_fd, *path ? path : "/", O_PATH, 0);
    if (fd != -ENOENT)
        return fd;
    return walk(root_fd, path, 0755, !is_dir, owner);
}

int beneath_read_file(int root_fd, const char *path, size_t limit, char **ret_data, size_t *ret_size)
{
    CLEANUP_CLOSE int there = beneath_open(root_fd, path, O_PATH, 0);
    if (there < 0)
        return there;
    struct stat st;
    if (fstat(there, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    /* Opened for reading only now that it is known to be harmless: opening a device can do things. */
    char again[40];
    snprintf(again, sizeof again, "/proc/self/fd/%d", there);
    /* The /proc may be a container's, with anything in place of the link: a fifo would hold us up. */
    CLEANUP_CLOSE int fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat opened;
    if (fd < 0 || fstat(fd, &opened) < 0)
        return -errno;
    if (opened.st_dev != st.st_dev || opened.st_ino != st.st_ino)
        return -ESTALE;
    return fd_read_all(fd, limit, ret_data, ret_size);
}
