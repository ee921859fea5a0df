#include "daemon/ipc_share.h"

#include <errno.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "daemon/engine_internal.h"
#include "daemon/host_mounts.h"
#include "daemon/userns_remap.h"

static const char *peer_of(const struct container *c)
{
    const char *mode = c->host.ipc_mode;
    return mode != NULL && strncmp(mode, "container:", 10) == 0 ? mode + 10 : NULL;
}

static bool is_shareable(const struct container *c)
{
    return c->host.ipc_mode != NULL && strcmp(c->host.ipc_mode, "shareable") == 0;
}

int ipc_share_resolve(struct engine *engine, struct container *c, struct error *err)
{
    CLEANUP_CONTAINER struct container *peer = NULL;
    if (peer_of(c) == NULL)
        return 0;
    int r = container_find(engine, peer_of(c), &peer, err);
    if (r < 0)
        return r;
    free(c->host.ipc_mode);
    c->host.ipc_mode = xasprintf("container:%s", peer->id);
    return 0;
}

static int make_shm(struct engine *engine, const struct container *c, char **ret, struct error *err)
{
    const struct userns_remap *remap = container_remap(engine, c);
    char size[24], uid[12], gid[12];
    snprintf(uid, sizeof(uid), "%u", remap != NULL ? remap->root.uid : 0);
    snprintf(gid, sizeof(gid), "%u", remap != NULL ? remap->root.gid : 0);
    snprintf(size, sizeof(size), "%lld", (long long)c->host.shm_size);
    CLEANUP_CLOSE int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "shm", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", "1777", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
        (remap != NULL && (fsconfig(fs, FSCONFIG_SET_STRING, "uid", uid, 0) < 0 ||
                           fsconfig(fs, FSCONFIG_SET_STRING, "gid", gid, 0) < 0)) ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_errno(err, errno, "/dev/shm of the container");
    CLEANUP_CLOSE int mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (mount < 0)
        return error_errno(err, errno, "/dev/shm of the container");
    return host_mount_attach(engine, c->id, "shm", mount, ret, err);
}

static int join(struct engine *engine, const struct container *c, char **ret_shm, char **ret_namespace,
                struct error *err)
{
    CLEANUP_CONTAINER struct container *peer = NULL;
    int r = container_find_running(engine, peer_of(c), "IPC namespace", &peer, err);
    if (r < 0)
        return r;
    if (!is_shareable(peer))
        return error_set(err, ERROR_INVALID, 0,
                         "can't join IPC of container %s: non-shareable IPC (hint: use IpcMode:shareable for the "
                         "donor container)",
                         peer->id);
    pthread_mutex_lock(&peer->lock);
    *ret_namespace = xasprintf("/proc/%d/ns/ipc", peer->pid);
    pthread_mutex_unlock(&peer->lock);
    *ret_shm = host_mount_path(engine, peer->id, "shm");
    return 0;
}

int ipc_share_start(struct engine *engine, const struct container *c, char **ret_shm, char **ret_namespace,
                    struct error *err)
{
    *ret_shm = *ret_namespace = NULL;
    if (peer_of(c) != NULL)
        return join(engine, c, ret_shm, ret_namespace, err);
    return is_shareable(c) ? make_shm(engine, c, ret_shm, err) : 0;
}

void ipc_share_end(struct engine *engine, const struct container *c)
{
    if (is_shareable(c))
        host_mounts_remove(engine, c->id, NULL);
}
