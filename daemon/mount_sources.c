#include "daemon/mount_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "daemon/chown_tree.h"
#include "daemon/engine_internal.h"
#include "daemon/host_mounts.h"
#include "daemon/idmap.h"
#include "daemon/passwd.h"
#include "daemon/userns_remap.h"

static void publish(struct engine *engine, const struct container *c, const struct mount_point *m, const char *action)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    strmap_set(&attributes, "container", c->id);
    strmap_set(&attributes, "driver", "local");
    if (strcmp(action, "mount") == 0) {
        strmap_set(&attributes, "destination", m->destination);
        strmap_set(&attributes, "propagation", m->propagation ? m->propagation : "");
        strmap_set(&attributes, "read/write", m->read_only ? "false" : "true");
    }
    events_publish(engine->events, "volume", action, m->name, &attributes);
}

int mount_source_make(const struct mount_point *m, struct error *err)
{
    struct stat st;
    if (stat(m->source, &st) == 0)
        return 0;
    if (errno != ENOENT)
        return error_errno(err, errno, "mount source %s", m->source);
    if (!m->create_source)
        return error_set(err, ERROR_INVALID, ENOENT,
                         "invalid mount config for type \"bind\": bind source path does not exist: %s", m->source);
    int r = file_mkdirs(m->source, 0755, err);
    return r < 0 ? error_context(err, "error while creating mount source path '%s'", m->source) : 0;
}

int mount_subpath_open(const struct mount_point *m, int root_fd, int flags, struct error *err)
{
    const char *subpath = m->subpath != NULL ? m->subpath : ".";
    int fd = beneath_open_inside(root_fd, subpath, flags);
    if (fd == -EXDEV)
        return error_set(err, ERROR_INVALID, EXDEV,
                         "path concatenation escapes the base directory, base: %s, subpath: %s", m->source, subpath);
    if (fd < 0 && m->type == MOUNT_IMAGE)
        return error_errno(err, fd, "cannot access path %s of image %s", subpath, m->source);
    return fd < 0 ? error_errno(err, fd, "cannot access path %s/%s", m->source, subpath) : fd;
}

/* The whole image is mounted, and the part of it named by its path: what lies in there does not change any more. */
static int place_image(struct engine *engine, const struct container *c, size_t i, struct mount_sources *sources,
                       struct error *err)
{
    const struct mount_point *m = &c->mounts[i];
    CLEANUP_FREE char *path = NULL;
    CLEANUP_CLOSE int tree =
        image_rootfs_view(engine->images, m->rootfs_id, ROOTFS_READ, container_remap(engine, c) != NULL, err);
    char name[24], link[40];
    snprintf(name, sizeof(name), "%zu", i);
    sources->on_host = true;
    int r = tree < 0 ? tree : host_mount_attach(engine, c->id, name, tree, &path, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = mount_subpath_open(m, tree, O_PATH, err);
    if (fd < 0)
        return fd;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    sources->paths[i] = realpath(link, NULL);
    return sources->paths[i] == NULL ? error_errno(err, errno, "image %s", m->source) : 0;
}

/* What is to be mounted: the volume, its subpath, the bind's source. A descriptor that is not O_PATH, or -errno. */
static int open_source(struct engine *engine, const struct mount_point *m, struct error *err)
{
    if (m->type == MOUNT_BIND) {
        int fd = open(m->source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? error_errno(err, errno, "mount source %s", m->source) : fd;
    }
    CLEANUP_CLOSE int data = volume_open_data(engine->volumes, m->name, err); /* made if missing */
    if (data < 0 || m->subpath == NULL)
        return TAKE_FD(data);
    CLEANUP_CLOSE int found = mount_subpath_open(m, data, O_PATH, err);
    struct stat st;
    if (found < 0)
        return found;
    int r = fstat(found, &st) < 0 ? -errno : !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) ? -EINVAL : 0;
    if (r < 0)
        return error_errno(err, r, "cannot access path %s/%s", m->source, m->subpath);
    return mount_subpath_open(m, data, O_RDONLY | O_NONBLOCK, err);
}

static int change_owner(const struct mount_point *m, int fd, uint32_t uid, uint32_t gid, struct error *err)
{
    if (m->idmap != NULL) /* seen through the map, those are the user's */
        idmap_parse(m->idmap, &uid, &gid);
    int r = chown_tree(fd, uid, gid);
    return r < 0 ? error_errno(err, r, "changing the owner of %s", m->source) : 0;
}

/* A copy of the mount at a place of ours, so that what the container does to the names in a volume does not change what
 * is mounted; with mapped ids where asked for. */
static int place(struct engine *engine, const struct container *c, size_t i, int fd, uint32_t user, uint32_t group,
                 struct mount_sources *sources, struct error *err)
{
    const struct mount_point *m = &c->mounts[i];
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH;
    if (m->idmap == NULL)
        flags |= (unsigned)AT_RECURSIVE;
    CLEANUP_CLOSE int tree = open_tree(fd, "", flags);
    if (tree < 0)
        return error_errno(err, errno, "mount source %s", m->source);
    uint32_t uid, gid;
    if (m->idmap != NULL && idmap_parse(m->idmap, &uid, &gid) == 0) {
        int r = idmap_apply(tree, uid, gid, user, group, err);
        if (r < 0)
            return error_context(err, "mount source %s", m->source);
    }
    char name[24];
    snprintf(name, sizeof(name), "%zu", i);
    sources->on_host = true;
    return host_mount_attach(engine, c->id, name, tree, &sources->paths[i], err);
}

static int prepare_one(struct engine *engine, const struct container *c, size_t i, const struct identity *identity,
                       struct mount_sources *sources, struct error *err)
{
    const struct mount_point *m = &c->mounts[i];
    if (m->type == MOUNT_TMPFS)
        return 0;
    if (m->type == MOUNT_IMAGE)
        return place_image(engine, c, i, sources, err);
    int r = m->type == MOUNT_BIND ? mount_source_make(m, err) : volume_mount(engine->volumes, m->name, err);
    if (r < 0)
        return r;
    sources->prepared = i + 1;
    if (m->type == MOUNT_VOLUME)
        publish(engine, c, m, "mount");
    if (m->type == MOUNT_BIND && m->idmap == NULL && !m->change_owner)
        return 0;
    CLEANUP_CLOSE int fd = open_source(engine, m, err);
    if (fd < 0)
        return fd;
    uint32_t uid, gid;
    r = userns_remap_outside(container_remap(engine, c), identity->uid, identity->gid, &uid, &gid, err);
    if (r == 0 && m->change_owner)
        r = change_owner(m, fd, uid, gid, err);
    return r < 0 || (m->subpath == NULL && m->idmap == NULL) ? r : place(engine, c, i, fd, uid, gid, sources, err);
}

int mount_sources_prepare(struct engine *engine, const struct container *c, const struct identity *identity,
                          struct mount_sources *sources, struct error *err)
{
    sources->count = c->mount_count;
    sources->paths = c->mount_count > 0 ? xcalloc(c->mount_count, sizeof(*sources->paths)) : NULL;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->mount_count; i++)
        r = prepare_one(engine, c, i, identity, sources, err);
    return r;
}

static void unmount(struct engine *engine, const struct container *c, const struct mount_point *mounts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (mounts[i].type == MOUNT_VOLUME) {
            volume_unmount(engine->volumes, mounts[i].name);
            publish(engine, c, &mounts[i], "unmount");
        }
}

void mount_sources_undo(struct engine *engine, const struct container *c, struct mount_sources *sources)
{
    unmount(engine, c, c->mounts, sources->prepared);
    sources->prepared = 0;
}

void mount_sources_release(struct engine *engine, const struct container *c, struct mount_sources *sources)
{
    if (sources->on_host)
        host_mounts_remove(engine, c->id, "shm");
    for (size_t i = 0; i < sources->count; i++)
        free(sources->paths[i]);
    free(sources->paths);
    *sources = (struct mount_sources){0};
}

void mount_sources_unmount(struct engine *engine, const struct container *c, const struct mount_point *mounts,
                           size_t count)
{
    unmount(engine, c, mounts, count);
}
