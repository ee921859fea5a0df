#include "daemon/container_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/engine_internal.h"
#include "daemon/mount_sources.h"
#include "daemon/userns_remap.h"

/* Trees are walked by recursion (PACK_DEPTH_MAX levels). */
#define STACK ((size_t)4 * 1024 * 1024)
#define CGROUP_FILE_MAX 65536

struct job {
    struct engine *engine;
    struct container *c;
    bool write;
    bool alone;
    enum rootfs_view view;
    container_files_fn fn;
    void *data;
    pid_t pid;      /* of the running container, or 0 */
    bool ended;     /* it was gone before anything was done */
    size_t volumes; /* how many of the mounts were looked through for volumes to mount */
    int result;
    struct error error;
};

/* ---- a running container ---- */

/* Its cgroup has the id in it. */
bool container_has_process(int proc_fd, const char *id)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_CLOSE int fd = openat(proc_fd, "cgroup", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && fd_read_all(fd, CGROUP_FILE_MAX, &text, NULL) == 0 && strstr(text, id) != NULL;
}

/* Both through the same directory of /proc, which never becomes another process's. */
static int open_running(struct job *job)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d", job->pid);
    CLEANUP_CLOSE int proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc_fd < 0 || !container_has_process(proc_fd, job->c->id))
        return -ESRCH;
    int root = openat(proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -ESRCH : root;
}

/* ---- one that does not run ---- */

/* By path, since a descriptor of the host's namespace cannot be copied in this one; what is below the volume's
 * directory is a container's, and reached from there. */
static int open_volume(struct job *job, const struct mount_point *m, struct error *err)
{
    CLEANUP_FREE char *path = volume_path(job->engine->volumes, m->name);
    CLEANUP_CLOSE int data = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (data < 0)
        return errno == ENOENT ? -ENOENT : error_errno(err, errno, "volume %s", m->name);
    CLEANUP_CLOSE int at = mount_subpath_open(m, data, O_PATH, err);
    if (at < 0)
        return at;
    int fd = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH);
    return fd < 0 ? error_errno(err, errno, "volume %s", m->name) : fd;
}

/* An image's files, or a part of them: a detached mount. */
static int open_image(struct job *job, const struct mount_point *m, struct error *err)
{
    CLEANUP_CLOSE int root = image_rootfs_view(job->engine->images, m->rootfs_id, ROOTFS_READ,
                                               container_remap(job->engine, job->c) != NULL, err);
    if (root < 0 || m->subpath == NULL)
        return TAKE_FD(root);
    CLEANUP_CLOSE int at = mount_subpath_open(m, root, O_PATH, err);
    if (at < 0)
        return at;
    /* Of a mount that is attached nowhere: Linux 6.15. */
    int fd = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH);
    return fd < 0 ? error_errno(err, errno, "path %s of image %s", m->subpath, m->source) : fd;
}

/* A copy of what shall be mounted; -ENOENT when it is not there. */
static int open_source(struct job *job, const struct mount_point *m, struct error *err)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->non_recursive ? 0 : (unsigned)AT_RECURSIVE);
    CLEANUP_CLOSE int fd = m->type == MOUNT_VOLUME  ? open_volume(job, m, err)
                           : m->type == MOUNT_IMAGE ? open_image(job, m, err)
                                                    : open_tree(AT_FDCWD, m->source, flags);
    if (fd < 0 && m->type != MOUNT_BIND)
        return fd;
    if (fd < 0)
        return errno == ENOENT ? -ENOENT : error_errno(err, errno, "mount source %s", m->source);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (m->read_only && mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return error_errno(err, errno, "mount source %s", m->source);
    return TAKE_FD(fd);
}

static int attach(const struct job *job, int fd, int root_fd, const struct mount_point *m, struct error *err)
{
    const struct userns_remap *remap = container_remap(job->engine, job->c);
    bool make = job->write;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "mount %s", m->destination);
    CLEANUP_CLOSE int target = make ? beneath_make_target_owned(root_fd, m->destination, S_ISDIR(st.st_mode),
                                                                remap != NULL ? &remap->root : NULL)
                                    : beneath_open(root_fd, m->destination, O_PATH, 0);
    if (target == -ENOENT && !make)
        return 0; /* nothing can be mounted there without writing */
    if (target < 0)
        return error_errno(err, target, "mount %s", m->destination);
    if (move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return error_errno(err, errno, "mount %s", m->destination);
    return 0;
}

static void close_sources(int *sources, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fd_close(sources[i]);
    free(sources);
}

/* Sources are copied before the root appears anywhere, so that none of them can contain it. tmpfs has no contents while
 * the container does not run. */
static int attach_all(struct job *job, int root_fd, struct error *err)
{
    const struct container *c = job->c;
    int *sources = xcalloc(c->mount_count + 1, sizeof(*sources));
    size_t count = 0;
    int r = 0;
    for (; r >= 0 && count < c->mount_count; count++) {
        const struct mount_point *m = &c->mounts[count];
        r = sources[count] = m->type == MOUNT_TMPFS ? -ENOENT : open_source(job, m, err);
        if (r == -ENOENT)
            r = 0;
    }
    if (r >= 0)
        r = move_mount(root_fd, "", AT_FDCWD, job->engine->containers_dir, MOVE_MOUNT_F_EMPTY_PATH) < 0
                ? error_errno(err, errno, "mount the root of container %s", c->id)
                : 0;
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = sources[i] >= 0 ? attach(job, sources[i], root_fd, &c->mounts[i], err) : 0;
    close_sources(sources, count);
    return r < 0 ? r : 0;
}

/* Volumes that are mounts themselves are mounted on the host first, so that the new namespace has them. */
static int mount_volumes(struct job *job, struct error *err)
{
    for (; job->volumes < job->c->mount_count; job->volumes++) {
        const struct mount_point *m = &job->c->mounts[job->volumes];
        int r = m->type == MOUNT_VOLUME ? volume_mount(job->engine->volumes, m->name, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static void unmount_volumes(struct job *job)
{
    for (; job->volumes > 0; job->volumes--)
        if (job->c->mounts[job->volumes - 1].type == MOUNT_VOLUME)
            volume_unmount(job->engine->volumes, job->c->mounts[job->volumes - 1].name);
}

/* The namespace is this thread's and ends with it, and its mounts with it. */
static int open_stopped(struct job *job, struct error *err)
{
    int mounted = mount_volumes(job, err);
    if (mounted < 0)
        return mounted;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_errno(err, errno, "mount namespace");
    CLEANUP_CLOSE int root =
        image_rootfs_view(job->engine->images, job->c->rootfs_id, job->write ? ROOTFS_WRITE : ROOTFS_READ,
                          container_remap(job->engine, job->c) != NULL, err);
    int r = root < 0 ? root : attach_all(job, root, err);
    return r < 0 ? r : TAKE_FD(root);
}

/* ---- the thread ---- */

static int open_root(struct job *job)
{
    if (job->alone)
        return image_rootfs_view(job->engine->images, job->c->rootfs_id, job->view, false, &job->error);
    if (job->pid == 0)
        return open_stopped(job, &job->error);
    int root = open_running(job);
    job->ended = root < 0;
    return root;
}

static void *run_job(void *data)
{
    struct job *job = data;
    if (unshare(CLONE_FS) < 0) {
        job->result = error_errno(&job->error, errno, "unshare");
        return NULL;
    }
    umask(0);
    CLEANUP_CLOSE int root = open_root(job);
    job->result = root < 0 ? root : job->fn(root, job->data, &job->error);
    return NULL;
}

static int run_in_thread(struct job *job, struct error *err)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    int r = pthread_create(&thread, &attributes, run_job, job);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        return error_errno(err, r, "start a thread");
    pthread_join(thread, NULL);
    unmount_volumes(job); /* now that the namespace that had copies of them is gone */
    return job->result < 0 && !job->ended ? error_propagate(err, &job->error) : job->result;
}

static pid_t running_pid(struct container *c)
{
    pthread_mutex_lock(&c->lock);
    pid_t pid = c->pid;
    pthread_mutex_unlock(&c->lock);
    return pid;
}

static bool was_started(struct container *c)
{
    pthread_mutex_lock(&c->lock);
    bool started = c->started != 0;
    pthread_mutex_unlock(&c->lock);
    return started;
}

static int run_stopped(struct job *job, struct error *err)
{
    /* The mount points of a container that never ran are not there yet. */
    job->write = job->write || !was_started(job->c);
    if (!job->write)
        return run_in_thread(job, err);
    int r = container_turn_begin(job->c, CONTAINER_FILES, job->c->id, err);
    if (r < 0)
        return r;
    job->pid = running_pid(job->c); /* it may have been started while we waited */
    r = run_in_thread(job, err);
    container_turn_end(job->c);
    return r;
}

static int check_state(struct container *c, struct error *err)
{
    enum container_state next;
    pthread_mutex_lock(&c->lock);
    int r = container_state_next(c->state, CONTAINER_FILES, c->id, &next, err);
    pthread_mutex_unlock(&c->lock);
    return r;
}

int container_files_run(struct engine *engine, struct container *c, bool write, container_files_fn fn, void *data,
                        struct error *err)
{
    struct job job = {.engine = engine, .c = c, .write = write, .fn = fn, .data = data, .pid = running_pid(c)};
    int r = check_state(c, err);
    if (r < 0)
        return r;
    if (job.pid != 0) {
        r = run_in_thread(&job, err);
        if (!job.ended)
            return r;
        job.pid = 0;
        job.ended = false;
    }
    r = run_stopped(&job, err);
    return job.ended ? error_set(err, ERROR_CONFLICT, ESRCH, "container %s has just ended", c->id) : r;
}

int container_files_run_alone(struct engine *engine, struct container *c, enum rootfs_view view, container_files_fn fn,
                              void *data, struct error *err)
{
    struct job job = {.engine = engine, .c = c, .alone = true, .view = view, .fn = fn, .data = data};
    int r = check_state(c, err);
    return r < 0 ? r : run_in_thread(&job, err);
}
