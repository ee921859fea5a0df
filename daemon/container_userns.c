/* Containers in user namespaces (userns-remap), and what they cannot have. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "daemon/engine_internal.h"
#include "daemon/userns_remap.h"

static bool is(const char *mode, const char *value)
{
    return mode != NULL && strcmp(mode, value) == 0;
}

const struct userns_remap *container_remap(const struct engine *engine, const struct container *c)
{
    return is(c->host.userns_mode, "host") ? NULL : engine->options->remap;
}

int container_userns_check(const struct engine *engine, const struct container *c, struct error *err)
{
    const struct host_config *h = &c->host;
    if (container_remap(engine, c) == NULL)
        return 0;
    if (h->privileged)
        return error_set(
            err, ERROR_INVALID, 0,
            "privileged mode is incompatible with user namespaces.  You must run the container in the host "
            "namespace when running privileged mode");
    if (is(h->network_mode, "host"))
        return error_set(err, ERROR_INVALID, 0,
                         "cannot share the host's network namespace when user namespaces are enabled");
    if (is(h->pid_mode, "host"))
        return error_set(err, ERROR_INVALID, 0, "cannot share the host PID namespace when user namespaces are enabled");
    return 0;
}

/* ---- namespaces of other containers: only their user namespace has a right to mount procfs, mqueue and sysfs of
 * them ---- */

static int open_peer(struct engine *engine, const char *mode, const char *what, struct error *err)
{
    CLEANUP_CONTAINER struct container *peer = NULL;
    char path[64];
    if (mode == NULL || strncmp(mode, "container:", 10) != 0)
        return -ENOENT;
    int r = container_find_running(engine, mode + 10, what, &peer, err);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    if (container_remap(engine, peer) == NULL)
        return error_set(err, ERROR_INVALID, EINVAL,
                         "cannot share the %s of container %s, which is in the host's user namespace: "
                         "--userns=host is needed for both",
                         what, peer->id);
    pthread_mutex_lock(&peer->lock);
    snprintf(path, sizeof(path), "/proc/%d/ns/user", peer->pid);
    pthread_mutex_unlock(&peer->lock);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno == ENOENT ? ESRCH : errno, "user namespace of container %s", peer->id) : fd;
}

static int check_same(int a, int b, struct error *err)
{
    struct stat sa, sb;
    if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0)
        return error_errno(err, errno, "user namespaces of other containers");
    return sa.st_ino == sb.st_ino
               ? 0
               : error_set(err, ERROR_INVALID, EINVAL,
                           "cannot share namespaces of several containers: each has a user namespace "
                           "of its own");
}

int container_userns_shared(struct engine *engine, const struct container *c, struct error *err)
{
    if (container_remap(engine, c) == NULL)
        return -ENOENT;
    CLEANUP_CLOSE int ipc = open_peer(engine, c->host.ipc_mode, "IPC namespace", err);
    if (ipc < 0 && ipc != -ENOENT)
        return ipc;
    CLEANUP_CLOSE int pid = open_peer(engine, c->host.pid_mode, "PID namespace", err);
    if (pid < 0)
        return pid == -ENOENT ? TAKE_FD(ipc) : pid;
    int r = ipc >= 0 ? check_same(ipc, pid, err) : 0;
    return r < 0 ? r : TAKE_FD(pid);
}

int container_userns_check_network(struct engine *engine, const struct container *c, int netns_fd, struct error *err)
{
    if (container_remap(engine, c) == NULL)
        return 0;
    CLEANUP_CLOSE int owner = ioctl(netns_fd, NS_GET_USERNS);
    CLEANUP_CLOSE int ours = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    struct stat a, b;
    if (owner < 0 || ours < 0 || fstat(owner, &a) < 0 || fstat(ours, &b) < 0)
        return error_errno(err, errno, "user namespace of another container's network");
    if (a.st_ino == b.st_ino)
        return error_set(
            err, ERROR_INVALID, EINVAL,
            "cannot share the network of a container that has the host's: --userns=host is needed for both");
    CLEANUP_CLOSE int shared = container_userns_shared(engine, c, err);
    return shared == -ENOENT ? 0 : shared < 0 ? shared : check_same(owner, shared, err);
}
