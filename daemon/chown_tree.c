#include "daemon/chown_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define DEPTH_MAX 256

static void close_dir(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

static int change(int fd, uid_t uid, gid_t gid, dev_t device, int depth);

static int change_entry(int dir_fd, const char *name, uid_t uid, gid_t gid, dev_t device, int depth)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (st.st_dev != device)
        return 0;
    if ((st.st_uid != uid || st.st_gid != gid) && fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISDIR(st.st_mode))
        return 0;
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) /* gone, or something else by now */
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
    return change(fd, uid, gid, device, depth + 1);
}

/* What is below the directory. */
static int change(int fd, uid_t uid, gid_t gid, dev_t device, int depth)
{
    if (depth > DEPTH_MAX)
        return -ELOOP;
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0)
        return -errno;
    CLEANUP(close_dir) DIR *dir = fdopendir(copy);
    if (dir == NULL) {
        int r = -errno;
        fd_close(copy);
        return r;
    }
    const struct dirent *entry;
    int r = 0;
    while (r == 0 && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = change_entry(dirfd(dir), entry->d_name, uid, gid, device, depth);
    return r;
}

int chown_tree(int fd, uid_t uid, gid_t gid)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || fchown(fd, uid, gid) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? change(fd, uid, gid, st.st_dev, 0) : 0;
}
