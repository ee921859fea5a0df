#include "daemon/mount_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "daemon/engine_internal.h"
#include "daemon/host_mounts.h"

static int make_bind_source(const struct mount_point *m, struct error *err)
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

/* A copy of the mount at the subpath, at a place of ours: what the container does to the volume's names afterwards does
 * not change what is mounted. */
static int open_subpath(struct engine *engine, const struct container *c, size_t i, struct mount_sources *sources,
                        struct error *err)
{
    const struct mount_point *m = &c->mounts[i];
    CLEANUP_CLOSE int data = volume_open_data(engine->volumes, m->name, err);
    if (data < 0)
        return data;
    CLEANUP_CLOSE int fd = beneath_open(data, m->subpath, O_PATH, 0);
    if (fd < 0)
        return error_errno(err, fd, "cannot access path %s/%s", m->source, m->subpath);
    CLEANUP_CLOSE int tree =
        open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH | (unsigned)AT_RECURSIVE);
    if (tree < 0)
        return error_errno(err, errno, "%s of volume %s", m->subpath, m->name);
    char name[24];
    snprintf(name, sizeof(name), "%zu", i);
    sources->on_host = true;
    return host_mount_attach(engine, c->id, name, tree, &sources->paths[i], err);
}

int mount_sources_prepare(struct engine *engine, const struct container *c, struct mount_sources *sources,
                          struct error *err)
{
    sources->count = c->mount_count;
    sources->paths = c->mount_count > 0 ? xcalloc(c->mount_count, sizeof(*sources->paths)) : NULL;
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct mount_point *m = &c->mounts[i];
        int r = 0;
        if (m->type == MOUNT_BIND)
            r = make_bind_source(m, err);
        if (m->type == MOUNT_VOLUME) {
            r = volume_mount(engine->volumes, m->name, err);
            if (r < 0)
                return r;
            sources->volumes = i + 1;
            CLEANUP_CLOSE int fd = volume_open_data(engine->volumes, m->name, err); /* made if missing */
            r = fd < 0 ? fd : 0;
        }
        if (r == 0 && m->subpath != NULL)
            r = open_subpath(engine, c, i, sources, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void unmount(struct engine *engine, const struct container *c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (c->mounts[i].type == MOUNT_VOLUME)
            volume_unmount(engine->volumes, c->mounts[i].name);
}

void mount_sources_undo(struct engine *engine, const struct container *c, struct mount_sources *sources)
{
    unmount(engine, c, sources->volumes);
    sources->volumes = 0;
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

void mount_sources_unmount(struct engine *engine, const struct container *c)
{
    unmount(engine, c, c->mount_count);
}
