/*
 * Filling a new volume from the image. The image's tree is hostile: every step is by descriptor, symlinks are copied as
 * they are, and nothing is opened that is not a regular file or a directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "daemon/volumes.h"

#define DEPTH_MAX 256
#define XATTR_MAX 65536

static int is_empty(int fd)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(fd, ".", &dir);
    r = r < 0 ? r : directory_next(dir, &name);
    return r < 0 ? r : r == 0;
}

/* Extended attributes; filesystems without them, and names the target refuses, are passed over. */
static void copy_xattrs(int from, int to)
{
    CLEANUP_FREE char *names = xmalloc(XATTR_MAX);
    ssize_t size = flistxattr(from, names, XATTR_MAX);
    if (size <= 0)
        return;
    CLEANUP_FREE char *value = xmalloc(XATTR_MAX);
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        if (strncmp(name, "trusted.overlay.", 16) == 0)
            continue;
        ssize_t n = fgetxattr(from, name, value, XATTR_MAX);
        if (n >= 0)
            fsetxattr(to, name, value, (size_t)n, 0);
    }
}

static int copy_facts(int from, int to, const struct stat *st)
{
    if (fchown(to, st->st_uid, st->st_gid) < 0)
        return -errno;
    if (fchmod(to, st->st_mode & 07777) < 0)
        return -errno;
    copy_xattrs(from, to);
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    return futimens(to, times) < 0 ? -errno : 0;
}

static int copy_bytes(int from, int to)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
    }
    CLEANUP_FREE char *buffer = xmalloc(65536);
    for (;;) {
        ssize_t n = read(from, buffer, 65536);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        int r = n < 0 ? -errno : fd_write_all(to, buffer, (size_t)n);
        if (r < 0)
            return r;
    }
}

static int copy_file(int from_dir, const char *name, int to_dir, const struct stat *st)
{
    CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0)
        return -errno;
    struct stat opened;
    if (fstat(from, &opened) < 0 || opened.st_ino != st->st_ino || !S_ISREG(opened.st_mode))
        return -ESTALE;
    CLEANUP_CLOSE int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return -errno;
    int r = copy_bytes(from, to);
    return r < 0 ? r : copy_facts(from, to, st);
}

static int copy_symlink(int from_dir, const char *name, int to_dir, const struct stat *st)
{
    char target[4096];
    ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    target[n] = '\0';
    if (symlinkat(target, to_dir, name) < 0)
        return -errno;
    return fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_tree(int from, int to, int depth);

static int copy_entry(int from_dir, const char *name, int to_dir, int depth)
{
    struct stat st;
    if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISREG(st.st_mode))
        return copy_file(from_dir, name, to_dir, &st);
    if (S_ISLNK(st.st_mode))
        return copy_symlink(from_dir, name, to_dir, &st);
    if (S_ISDIR(st.st_mode)) {
        CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (from < 0)
            return -errno;
        if (mkdirat(to_dir, name, 0700) < 0)
            return -errno;
        CLEANUP_CLOSE int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0)
            return -errno;
        int r = copy_tree(from, to, depth + 1);
        return r < 0 ? r : copy_facts(from, to, &st);
    }
    if (mknodat(to_dir, name, st.st_mode & (S_IFMT | 07777), st.st_rdev) < 0)
        return -errno;
    return fchownat(to_dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The descriptors stay the caller's. */
static int copy_tree(int from, int to, int depth)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    if (depth > DEPTH_MAX)
        return -ELOOP;
    int r = directory_open(from, ".", &dir);
    while (r == 0 && (r = directory_next(dir, &name)) > 0)
        r = copy_entry(dirfd(dir), name, to, depth);
    return r;
}

int volume_populate(int to, int from, const char *what, struct error *err)
{
    int r = is_empty(to);
    if (r <= 0)
        return r < 0 ? error_errno(err, r, "volume %s", what) : 0;
    struct stat st;
    r = fstat(from, &st) < 0 ? -errno : copy_tree(from, to, 0);
    if (r == 0)
        r = copy_facts(from, to, &st);
    return r < 0 ? error_errno(err, r, "failed to populate volume %s", what) : 0;
}
