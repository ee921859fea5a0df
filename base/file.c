#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/memory.h"

int file_read(int dir_fd, const char *path, size_t limit, char **ret_data, size_t *ret_size, struct error *err)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_errno(err, errno, "open %s", path);
    int r = fd_read_all(fd, limit, ret_data, ret_size);
    return r < 0 ? error_errno(err, r, "read %s", path) : 0;
}

static int write_new(int dir_fd, const char *path, const void *data, size_t size, mode_t mode)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    /* The umask may have taken bits away. */
    if (fchmod(fd, mode) < 0)
        return -errno;
    return fd_write_all(fd, data, size);
}

static int move_onto(int dir_fd, const char *from, const char *to)
{
    return renameat(dir_fd, from, dir_fd, to) < 0 ? -errno : 0;
}

static int change_places(int dir_fd, const char *from, const char *to)
{
    /* Nothing is there yet, or the file system cannot do it. */
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_EXCHANGE) < 0)
        return move_onto(dir_fd, from, to);
    if (unlinkat(dir_fd, from, 0) == 0)
        return 0;
    int r = -errno; /* a directory, for one: it gets its place back */
    return renameat2(dir_fd, from, dir_fd, to, RENAME_EXCHANGE) < 0 ? -errno : r;
}

static int write_and_place(int dir_fd, const char *path, const void *data, size_t size, mode_t mode,
                           int (*place)(int dir_fd, const char *from, const char *to), struct error *err)
{
    const char *slash = strrchr(path, '/');
    int parent = slash ? (int)(slash - path) + 1 : 0;
    char random[16 + 1];
    id_random_hex(random, 8);
    /* Not made from the name: that one may be as long as names can be. */
    CLEANUP_FREE char *temporary = xasprintf("%.*s.tmp-%s", parent, path, random);
    int r = write_new(dir_fd, temporary, data, size, mode);
    r = r < 0 ? r : place(dir_fd, temporary, path);
    if (r < 0) {
        unlinkat(dir_fd, temporary, 0);
        return error_errno(err, r, "write %s", path);
    }
    return 0;
}

int file_write_atomic(int dir_fd, const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    return write_and_place(dir_fd, path, data, size, mode, move_onto, err);
}

int file_write_fleeting(int dir_fd, const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    return write_and_place(dir_fd, path, data, size, mode, change_places, err);
}

int file_write_control(int dir_fd, const char *path, const char *text)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    /* Exactly one write: the kernel takes each as a whole command. */
    size_t size = strlen(text);
    ssize_t n;
    do {
        n = write(fd, text, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == size ? 0 : -EIO;
}

void file_spread(int dir_fd)
{
    int flags = 0;
    if (ioctl(dir_fd, FS_IOC_GETFLAGS, &flags) < 0 || (flags & FS_TOPDIR_FL))
        return;
    flags |= FS_TOPDIR_FL;
    (void)ioctl(dir_fd, FS_IOC_SETFLAGS, &flags);
}

int file_mkdirs(const char *path, mode_t mode, struct error *err)
{
    if (!*path)
        return error_errno(err, ENOENT, "mkdir");
    CLEANUP_FREE char *prefix = xstrdup(path);
    char *end = prefix;
    for (;;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char saved = *end;
        *end = '\0';
        if (mkdir(prefix, mode) < 0) {
            int errnum = errno;
            struct stat st;
            /* Any error will do for a directory that exists: EROFS and EACCES come before EEXIST on some systems. */
            if (stat(prefix, &st) < 0)
                return error_errno(err, errnum == EEXIST ? errno : errnum, "mkdir %s", prefix);
            if (!S_ISDIR(st.st_mode))
                return error_errno(err, ENOTDIR, "mkdir %s", prefix);
        }
        *end = saved;
        if (!saved)
            return 0;
    }
}
