#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

#define SIZE_DEPTH_MAX 512

void directory_close(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

int directory_open(int dir_fd, const char *name, DIR **ret)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir = fdopendir(fd);
    if (dir == NULL)
        return -errno;
    TAKE_FD(fd);
    *ret = dir;
    return 0;
}

int directory_next(DIR *dir, const char **ret_name)
{
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            *ret_name = entry->d_name;
            return 1;
        }
    return -errno;
}

int directory_list(int dir_fd, const char *name, struct strv *ret)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *entry;
    int r = directory_open(dir_fd, name, &dir);
    while (r == 0 && (r = directory_next(dir, &entry)) > 0) {
        strv_add(ret, entry);
        r = 0;
    }
    strv_sort(ret);
    return r;
}

/* Adds to *total. */
static int add_sizes(int dir_fd, const char *name, int depth, int64_t *total)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *entry;
    int r = depth > SIZE_DEPTH_MAX ? -ELOOP : directory_open(dir_fd, name, &dir);
    if (r < 0)
        return r;
    while (directory_next(dir, &entry) > 0) {
        struct stat st;
        if (fstatat(dirfd(dir), entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
            *total += st.st_size;
        else if (S_ISDIR(st.st_mode))
            add_sizes(dirfd(dir), entry, depth + 1, total);
    }
    return 0;
}

int directory_size(int dir_fd, const char *name, int64_t *ret)
{
    int64_t total = 0;
    int r = add_sizes(dir_fd, name, 0, &total);
    if (r == 0)
        *ret = total;
    return r;
}
