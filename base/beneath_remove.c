/* rm -rf for trees that were somebody else's: as deep as they like, with mounts left in them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"

/* Directories open at once. Those further out are closed and found again by "..". */
#define OPEN_MAX_LEVELS 64
/* How often a directory is read anew because something appeared in it meanwhile. */
#define REWINDS_MAX 16

struct level {
    DIR *dir; /* NULL while closed */
    char *name;
    dev_t dev;
    ino_t ino;
    int rewinds;
};

struct removal {
    int top_fd; /* the caller's */
    struct level *levels;
    size_t depth;
    size_t capacity;
};

static void removal_release(struct removal *r)
{
    for (size_t i = 0; i < r->depth; i++) {
        if (r->levels[i].dir)
            closedir(r->levels[i].dir);
        free(r->levels[i].name);
    }
    free(r->levels);
}

/* Neither a symlink nor, bind mounts included, into another mount (-EXDEV). */
static int open_directory(int dir_fd, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    long fd;
    do {
        fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd >= 0 ? (int)fd : -errno;
}

static int level_attach(struct level *level, int *fd)
{
    struct stat st;
    if (fstat(*fd, &st) < 0)
        return -errno;
    level->dev = st.st_dev;
    level->ino = st.st_ino;
    level->dir = fdopendir(*fd);
    if (!level->dir)
        return -errno;
    *fd = -1;
    return 0;
}

static int descend(struct removal *r, int dir_fd, const char *name)
{
    CLEANUP_CLOSE int fd = open_directory(dir_fd, name);
    if (fd < 0)
        return fd;
    struct level level = {.name = NULL};
    int result = level_attach(&level, &fd);
    if (result < 0)
        return result;
    level.name = xstrdup(name);
    xgrow((void **)&r->levels, r->depth, &r->capacity, sizeof *r->levels);
    r->levels[r->depth++] = level;
    if (r->depth > OPEN_MAX_LEVELS) {
        struct level *outer = &r->levels[r->depth - 1 - OPEN_MAX_LEVELS];
        if (outer->dir)
            closedir(outer->dir);
        outer->dir = NULL;
    }
    return 0;
}

/* The level above the innermost one, opened anew from below. */
static int reopen_outer(struct removal *r)
{
    struct level *inner = &r->levels[r->depth - 1];
    struct level *outer = inner - 1;
    CLEANUP_CLOSE int fd = openat(dirfd(inner->dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct level found = *outer;
    int result = level_attach(&found, &fd);
    if (result < 0)
        return result;
    if (found.dev != outer->dev || found.ino != outer->ino) {
        /* Somebody moved the directory we were in. */
        closedir(found.dir);
        return -EBUSY;
    }
    outer->dir = found.dir;
    return 0;
}

/* The innermost directory has been read to its end: out of it and away with it. */
static int ascend(struct removal *r)
{
    struct level *inner = &r->levels[r->depth - 1];
    if (r->depth > 1 && !inner[-1].dir) {
        int result = reopen_outer(r);
        if (result < 0)
            return result;
    }
    int outer_fd = r->depth > 1 ? dirfd(inner[-1].dir) : r->top_fd;
    if (unlinkat(outer_fd, inner->name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        /* Some file systems skip entries when others go while they are read; and somebody may have added one. */
        if ((errno == ENOTEMPTY || errno == EEXIST) && inner->rewinds++ < REWINDS_MAX) {
            rewinddir(inner->dir);
            return 0;
        }
        return -errno;
    }
    closedir(inner->dir);
    free(inner->name);
    r->depth--;
    return 0;
}

static int remove_entry(struct removal *r, int dir_fd, const char *name, unsigned char type)
{
    if (type != DT_DIR) {
        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR && errno != EPERM)
            return -errno;
        /* EPERM is POSIX's EISDIR, and also a real refusal. */
        struct stat st;
        if (errno == EPERM && (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
            return -EPERM;
    }
    int result = descend(r, dir_fd, name);
    return result == -ENOENT ? 0 : result;
}

int beneath_remove_tree(int dir_fd, const char *name)
{
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
        return -EINVAL;
    CLEANUP(removal_release) struct removal r = {.top_fd = dir_fd};
    int result = remove_entry(&r, dir_fd, name, DT_UNKNOWN);
    while (result == 0 && r.depth > 0) {
        DIR *dir = r.levels[r.depth - 1].dir;
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            result = errno ? -errno : ascend(&r);
        else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = remove_entry(&r, dirfd(dir), entry->d_name, entry->d_type);
    }
    return result;
}
