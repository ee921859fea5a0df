#include "daemon/build/copy_links.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/build/content.h"

#define NAMES_MAX 4096

/* Attributes that the copy would have to take over, or that are more than can be looked at. */
static bool has_xattrs(int fd)
{
    char list[NAMES_MAX];
    ssize_t size = flistxattr(fd, list, sizeof(list));
    for (const char *p = list; size > 0 && p < list + size; p += strlen(p) + 1)
        if (content_keeps_xattr(p))
            return true;
    return size < 0 && errno != ENOTSUP;
}

static bool fits(const struct stat *there, const struct stat *wanted)
{
    return there->st_mode == wanted->st_mode && there->st_uid == wanted->st_uid && there->st_gid == wanted->st_gid &&
           there->st_size == wanted->st_size && there->st_mtim.tv_sec == wanted->st_mtim.tv_sec &&
           there->st_mtim.tv_nsec == wanted->st_mtim.tv_nsec;
}

static bool is_there(const struct copy_links *links, const char *path, const unsigned char digest[DIGEST_SIZE],
                     const struct stat *wanted)
{
    unsigned char noted[DIGEST_SIZE];
    struct stat st;
    CLEANUP_CLOSE int fd = beneath_open_nofollow(links->from_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink < COPY_LINKS_MAX && fits(&st, wanted) &&
           content_noted(fd, &st, noted) && memcmp(noted, digest, sizeof(noted)) == 0 && !has_xattrs(fd);
}

/* The directory has to be in the layer itself, and not only beneath it: overlayfs brings it there when it changes. */
static bool bring_parent(struct copy_links *links, const char *path, int to_dir)
{
    CLEANUP_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    if (links->parent != NULL && strcmp(links->parent, parent) == 0)
        return true;
    if (futimens(to_dir, NULL) < 0)
        return false;
    xstrset(&links->parent, parent);
    return true;
}

bool copy_links_take(struct copy_links *links, const char *path, int to_dir, int source_fd, const struct stat *wanted)
{
    unsigned char digest[DIGEST_SIZE];
    struct stat source;
    if (links->from_fd < 0 || wanted->st_size < CONTENT_NOTED_SIZE || fstat(source_fd, &source) < 0 ||
        !content_noted(source_fd, &source, digest) || has_xattrs(source_fd))
        return false;
    CLEANUP_FREE char *whole = xasprintf("%s/%s", links->base, path);
    if (!is_there(links, whole, digest, wanted) || !bring_parent(links, whole, to_dir))
        return false;
    strv_add_take(&links->paths, TAKE_PTR(whole));
    links->bytes += wanted->st_size;
    return true;
}

void copy_links_note(struct copy_links *links, int source_fd, const struct stat *source, int to_fd)
{
    unsigned char digest[DIGEST_SIZE];
    struct stat st;
    if (source->st_size < CONTENT_NOTED_SIZE || !content_noted(source_fd, source, digest) || fstat(to_fd, &st) < 0)
        return;
    content_note(to_fd, &st, digest);
    links->bytes += source->st_size;
}

static int make_link(struct copy_links *links, int layer_fd, const char *path, struct error *err)
{
    CLEANUP_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    const char *name = strrchr(path, '/') + 1;
    struct stat st;
    CLEANUP_CLOSE int from = beneath_open_nofollow(links->from_fd, path, O_PATH | O_NOFOLLOW, 0);
    CLEANUP_CLOSE int dir = beneath_open_nofollow(layer_fd, parent[0] != 0 ? parent : "/", O_RDONLY | O_DIRECTORY, 0);
    if (from < 0 || dir < 0)
        return error_errno(err, from < 0 ? from : dir, "link %s", path);
    if (fstat(dir, &st) < 0 || (unlinkat(dir, name, 0) < 0 && errno != ENOENT) ||
        linkat(from, "", dir, name, AT_EMPTY_PATH) < 0)
        return error_errno(err, errno, "link %s", path);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    return futimens(dir, times) < 0 ? error_errno(err, errno, "link %s", path) : 0;
}

int copy_links_make(struct copy_links *links, int layer_fd, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < links->paths.count; i++)
        r = make_link(links, layer_fd, links->paths.items[i], err);
    return r;
}

void copy_links_release(struct copy_links *links)
{
    fd_close(links->from_fd);
    free(links->base);
    free(links->parent);
    strv_release(&links->paths);
    *links = (struct copy_links)COPY_LINKS_INIT;
}
