#include "daemon/mount_live.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/container_files.h"

struct job {
    int (*work)(struct job *job);
    int namespace_fd, mount_fd;
    const char *destination;
    const struct beneath_owner *owner;
    int result;
    struct error err;
};

static int enter(struct job *job)
{
    /* A thread may enter a mount namespace once it shares neither root nor working directory with the others. */
    if (unshare(CLONE_FS) < 0 || setns(job->namespace_fd, CLONE_NEWNS) < 0)
        return error_errno(&job->err, errno, "entering the container's mounts");
    return 0;
}

static int attach(struct job *job)
{
    struct error *err = &job->err;
    struct stat st;
    int r = enter(job);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || fstat(job->mount_fd, &st) < 0)
        return error_errno(err, errno, "the container's root");
    CLEANUP_CLOSE int target = beneath_make_target_owned(root, job->destination, S_ISDIR(st.st_mode), job->owner);
    if (target < 0)
        return error_errno(err, target, "%s in the container", job->destination);
    if (move_mount(job->mount_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return error_errno(err, errno, "mounting on %s in the container", job->destination);
    return 0;
}

/* umount2(2) wants a path. The one of the descriptor leads to the mount wherever it is now, and to files, too; it is of
 * the daemon's /proc, since the container's may be anything. */
static int detach(struct job *job)
{
    struct error *err = &job->err;
    CLEANUP_CLOSE int descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (descriptors < 0)
        return error_errno(err, errno, "/proc/self/fd");
    int r = enter(job);
    if (r < 0)
        return r;
    char name[12];
    snprintf(name, sizeof(name), "%d", job->mount_fd);
    if (fchdir(descriptors) < 0 || umount2(name, MNT_DETACH) < 0)
        return error_errno(err, errno, "unmounting in the container");
    return 0;
}

/* The thread ends here: it cannot come back from where it is. */
static void *run(void *data)
{
    struct job *job = data;
    job->result = job->work(job);
    return NULL;
}

static int run_in_thread(struct job *job, struct error *err)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, run, job);
    if (r != 0)
        return error_errno(err, r, "a thread for the mount");
    pthread_join(thread, NULL);
    return job->result < 0 ? error_propagate(err, &job->err) : 0;
}

int mount_live_open(pid_t pid, const char *id, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d", pid);
    CLEANUP_CLOSE int proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc_fd < 0 || !container_has_process(proc_fd, id))
        return error_errno(err, ESRCH, "the container's mounts");
    int fd = openat(proc_fd, "ns/mnt", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "the container's mounts") : fd;
}

int mount_live_attach(int namespace_fd, int mount_fd, const char *destination, const struct beneath_owner *owner,
                      struct error *err)
{
    struct job job = {
        .work = attach, .namespace_fd = namespace_fd, .mount_fd = mount_fd, .destination = destination, .owner = owner};
    return run_in_thread(&job, err);
}

int mount_live_detach(int namespace_fd, int mount_fd, struct error *err)
{
    struct job job = {.work = detach, .namespace_fd = namespace_fd, .mount_fd = mount_fd};
    return run_in_thread(&job, err);
}
