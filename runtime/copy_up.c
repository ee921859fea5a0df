#include "runtime/copy_up.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"

#define DEPTH_MAX 128

static int set_attributes(int dir, const char *name, const struct stat *st)
{
    struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (fchownat(dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISLNK(st->st_mode) && fchmodat(dir, name, st->st_mode & 07777, 0) < 0) /* `dir` is ours alone: no race */
        return -errno;
    return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
    CLEANUP_CLOSE int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    CLEANUP_CLOSE int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (in < 0 || out < 0)
        return -errno;
    for (off_t left = st->st_size; left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            break;
        left -= n > 0 ? n : 0;
    }
    return 0;
}

static int copy_symlink(int from, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    target[n] = '\0';
    return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int copy_tree(int from, int to, int depth);

static int copy_directory(int from, int to, const char *name, int depth)
{
    if (mkdirat(to, name, 0700) < 0)
        return -errno;
    CLEANUP_CLOSE int in = openat(from, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP_CLOSE int out = openat(to, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0 || out < 0)
        return -errno;
    return copy_tree(in, out, depth + 1);
}

static int copy_entry(int from, int to, const char *name, int depth)
{
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    int r;
    if (S_ISDIR(st.st_mode))
        r = copy_directory(from, to, name, depth);
    else if (S_ISREG(st.st_mode))
        r = copy_file(from, to, name, &st);
    else if (S_ISLNK(st.st_mode))
        r = copy_symlink(from, to, name);
    else
        r = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno : 0;
    return r < 0 ? r : set_attributes(to, name, &st);
}

static int copy_tree(int from, int to, int depth)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = depth > DEPTH_MAX ? -ELOOP : directory_open(from, ".", &dir);
    while (r == 0 && (r = directory_next(dir, &name)) > 0)
        r = copy_entry(dirfd(dir), to, name, depth);
    return r;
}

int copy_up(int from, int to)
{
    return copy_tree(from, to, 0);
}
