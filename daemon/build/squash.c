/*
 * Layers are laid upon each other, the lowest first, as overlayfs would show them (kernel documentation,
 * overlayfs.rst): a whiteout (character device 0:0) takes away what is there and stays, because the base may have the
 * name, too; an opaque directory does the same with its contents. Files of a layer never change, so links to them will
 * do.
 */
#include "daemon/build/squash.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "daemon/build/content.h"
#include "daemon/engine.h"

#define OPAQUE "trusted.overlay.opaque"
#define NAMES_SIZE 4096
#define VALUE_SIZE (64 * 1024)

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int fd)
{
    char value = 0;
    return fgetxattr(fd, OPAQUE, &value, 1) == 1 && value == 'y';
}

static int failed(const char *name, struct error *err)
{
    return error_errno(err, errno, "squash: %s", name);
}

static int copy_attributes(int from, int to, const char *name, struct error *err)
{
    char names[NAMES_SIZE];
    struct stat st;
    ssize_t size = flistxattr(from, names, sizeof(names));
    if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0 ||
        (size < 0 && errno != ENOTSUP))
        return failed(name, err);
    for (const char *p = names; size > 0 && p < names + size; p += strlen(p) + 1) {
        CLEANUP_FREE char *value = xmalloc(VALUE_SIZE);
        if (!content_keeps_xattr(p))
            continue;
        ssize_t n = fgetxattr(from, p, value, VALUE_SIZE);
        if (n < 0 || fsetxattr(to, p, value, (size_t)n, 0) < 0)
            return failed(name, err);
    }
    return 0;
}

static int set_time(int from, int to, const char *name, struct error *err)
{
    struct stat st;
    if (fstat(from, &st) < 0)
        return failed(name, err);
    const struct timespec times[2] = {st.st_mtim, st.st_mtim};
    return futimens(to, times) < 0 ? failed(name, err) : 0;
}

static int lay(int from, int to, unsigned depth, struct error *err);

/* A directory over what is there. */
static int lay_directory(int from_dir, int to_dir, const char *name, unsigned depth, struct error *err)
{
    struct stat there;
    bool exists = fstatat(to_dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0;
    CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return failed(name, err);
    /* What hides the base's name, as a file or as a whiteout, has to go on hiding it. */
    bool opaque = is_opaque(from) || (exists && !S_ISDIR(there.st_mode));
    if (exists && opaque && beneath_remove_tree(to_dir, name) < 0)
        return failed(name, err);
    if (mkdirat(to_dir, name, 0700) < 0 && errno != EEXIST)
        return failed(name, err);
    CLEANUP_CLOSE int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0 || (opaque && fsetxattr(to, OPAQUE, "y", 1, 0) < 0))
        return failed(name, err);
    int r = copy_attributes(from, to, name, err);
    if (r == 0)
        r = lay(from, to, depth + 1, err);
    return r == 0 ? set_time(from, to, name, err) : r;
}

static int lay_entry(int from, int to, const char *name, unsigned depth, struct error *err)
{
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(name, err);
    if (S_ISDIR(st.st_mode))
        return lay_directory(from, to, name, depth, err);
    if (beneath_remove_tree(to, name) < 0)
        return failed(name, err);
    int r = is_whiteout(&st) ? mknodat(to, name, S_IFCHR, 0) : linkat(from, name, to, name, 0);
    return r < 0 ? failed(name, err) : 0;
}

static int lay(int from, int to, unsigned depth, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = depth > PACK_DEPTH_MAX ? -ELOOP : directory_open(from, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0) {
        r = lay_entry(from, to, name, depth, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? error_errno(err, r, "squash: read a directory") : 0;
}

static int open_layer(struct image_store *store, const char *id, struct error *err)
{
    CLEANUP_CLOSE int place = image_rootfs_upper(store, id, err);
    if (place < 0)
        return place;
    int fd = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "squash") : fd;
}

static int lay_all(struct image_store *store, const struct build_state *state, const char *id, struct error *err)
{
    CLEANUP_CLOSE int to = open_layer(store, id, err);
    int r = to < 0 ? to : 0;
    for (size_t i = 0; r == 0 && i < state->layer_count; i++) {
        CLEANUP_CLOSE int from = open_layer(store, state->layers[i]->dir, err);
        r = from < 0 ? from : lay(from, to, 0, err);
    }
    return r;
}

int build_squash(struct build *build, const struct build_state *state, struct build_layer **ret, struct error *err)
{
    struct image_store *store = engine_images(build->engine);
    CLEANUP_BUILD_LAYER struct build_layer *layer = NULL;
    const struct draft_base base = {.image = state->base};
    const struct draft_info *info;
    int r = build_layer_new(build->service, &base, &layer, err);
    if (r == 0)
        r = lay_all(store, state, layer->dir, err);
    if (r < 0)
        return r;
    build_layer_digest(layer, &(struct build_digest){.not_after = build->options->source_date_epoch});
    r = build_layer_wait(layer, &info, err);
    if (r == 0)
        *ret = TAKE_PTR(layer);
    return r;
}
