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

struct job {
    int namespace_fd, mount_fd;
    const char *destination;
    int result;
    struct error err;
};

static int attach(struct job *job)
{
    struct error *err = &job->err;
    struct stat st;
    /* A thread may enter a mount namespace once it shares neither root nor working directory with the others. */
    if (unshare(CLONE_FS) < 0 || setns(job->namespace_fd, CLONE_NEWNS) < 0)
        return error_errno(err, errno, "entering the container's mounts");
    CLEANUP_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || fstat(job->mount_fd, &st) < 0)
        return error_errno(err, errno, "the container's root");
    CLEANUP_CLOSE int target = beneath_make_target(root, job->destination, S_ISDIR(st.st_mode));
    if (target < 0)
        return error_errno(err, target, "%s in the container", job->destination);
    if (move_mount(job->mount_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return error_errno(err, errno, "mounting on %s in the container", job->destination);
    return 0;
}

/* The thread ends here: it cannot come back from where it is. */
static void *run(void *data)
{
    struct job *job = data;
    job->result = attach(job);
    return NULL;
}

int mount_live_attach(pid_t pid, int mount_fd, const char *destination, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%d/ns/mnt", pid);
    CLEANUP_CLOSE int namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace_fd < 0)
        return error_errno(err, errno, "the container's mounts");
    struct job job = {.namespace_fd = namespace_fd, .mount_fd = mount_fd, .destination = destination};
    pthread_t thread;
    int r = pthread_create(&thread, NULL, run, &job);
    if (r != 0)
        return error_errno(err, r, "a thread for the mount");
    pthread_join(thread, NULL);
    return job.result < 0 ? error_propagate(err, &job.err) : 0;
}
