#include "daemon/chown_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"

#define DEPTH_MAX 256

static int change(int dir_fd, const char *name, uid_t uid, gid_t gid, dev_t device, int depth);

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
    return change(dir_fd, name, uid, gid, device, depth + 1);
}

/* What is below the directory. */
static int change(int dir_fd, const char *name, uid_t uid, gid_t gid, dev_t device, int depth)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *entry;
    if (depth > DEPTH_MAX)
        return -ELOOP;
    int r = directory_open(dir_fd, name, &dir);
    if (r < 0) /* gone, or something else by now */
        return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
    while (r == 0 && (r = directory_next(dir, &entry)) > 0)
        r = change_entry(dirfd(dir), entry, uid, gid, device, depth);
    return r;
}

int chown_tree(int fd, uid_t uid, gid_t gid)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || fchown(fd, uid, gid) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? change(fd, ".", uid, gid, st.st_dev, 0) : 0;
}
