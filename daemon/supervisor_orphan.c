#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/process_tree.h"
#include "daemon/supervisor_internal.h"
#include "runtime/container.h"

/* SIGKILL works at once, or the process hangs in the kernel and nothing helps. */
#define KILL_WAIT_MS 2000

void orphan_kill(int container_fd, const char *cgroups_path)
{
    struct pollfd ended = {.fd = container_fd, .events = POLLIN};
    struct runtime_cgroup *cgroup = NULL;

    if (container_fd >= 0 && pidfd_send_signal(container_fd, SIGKILL, NULL, 0) == 0)
        poll(&ended, 1, KILL_WAIT_MS);
    if (!cgroups_path || !*cgroups_path || runtime_cgroup_open(cgroups_path, &cgroup, NULL) < 0)
        return;
    /* What fails here is found by the check of the engine. */
    runtime_cgroup_kill(cgroup, SIGKILL, NULL);
    runtime_cgroup_remove(cgroup, NULL);
    runtime_cgroup_free(cgroup);
    runtime_cgroup_remove_named(cgroups_path);
}

struct orphan {
    int shim_fd, container_fd; /* pidfds, -1: it is gone */
    pid_t shim;
    char *cgroups_path;
};

static void orphan_release(struct orphan *o)
{
    fd_close(o->shim_fd);
    fd_close(o->container_fd);
    free(o->cgroups_path);
}

/* First the descriptor, then the comparison: from there on it cannot become another process. */
static int open_process(const struct json *record, const char *pid_name, const char *time_name, pid_t *ret)
{
    int64_t pid = json_get_int(record, pid_name, 0);
    int fd;

    if (pid <= 1 || pid > INT32_MAX)
        return -1;
    fd = pidfd_open((pid_t)pid, 0);
    if (fd >= 0 && process_start_time((pid_t)pid) != json_get_int(record, time_name, -2))
        return fd_close(fd);
    *ret = (pid_t)pid;
    return fd;
}

static bool read_record(int dir_fd, struct orphan *ret)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_JSON struct json *record = NULL;
    size_t size;
    pid_t container;

    if (file_read(dir_fd, SHIM_CONTAINER_NAME, 4096, &text, &size, NULL) < 0 ||
        json_parse(text, size, &record, NULL) < 0)
        return false;
    ret->shim_fd = open_process(record, "shim", "shim_start_time", &ret->shim);
    ret->container_fd = open_process(record, "pid", "start_time", &container);
    if (json_get_string(record, "cgroups_path"))
        ret->cgroups_path = xstrdup(json_get_string(record, "cgroups_path"));
    return true;
}

bool orphan_is_up(int dir_fd)
{
    CLEANUP(orphan_release) struct orphan o = {.shim_fd = -1, .container_fd = -1};

    return read_record(dir_fd, &o) && o.container_fd >= 0;
}

bool orphan_kill_recorded(int dir_fd)
{
    CLEANUP(orphan_release) struct orphan o = {.shim_fd = -1, .container_fd = -1};

    if (!read_record(dir_fd, &o))
        return false;
    if (o.shim_fd >= 0) {
        struct pollfd ended = {.fd = o.shim_fd, .events = POLLIN};

        process_kill_tree(o.shim);
        poll(&ended, 1, KILL_WAIT_MS);
    }
    orphan_kill(o.container_fd, o.cgroups_path);
    return o.container_fd >= 0 || o.shim_fd >= 0;
}
