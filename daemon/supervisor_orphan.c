#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/strv.h"
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

/* Field 22 of /proc/PID/stat, see cmd/dory-shim/start.c. -1: no such process. */
static int64_t start_time(int64_t pid)
{
    CLEANUP_FREE char *path = xasprintf("/proc/%lld/stat", (long long)pid);
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRV struct strv fields = STRV_INIT;
    const char *after_name;
    int64_t time = -1;

    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
        return -1;
    after_name = strrchr(text, ')');
    if (!after_name || after_name[1] != ' ')
        return -1;
    strv_split(&fields, after_name + 2, ' ');
    if (fields.count > 19)
        parse_int64(fields.items[19], 0, INT64_MAX, &time);
    return time;
}

bool orphan_kill_recorded(int dir_fd)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_JSON struct json *record = NULL;
    CLEANUP_CLOSE int container_fd = -1;
    size_t size;
    int64_t pid;

    if (file_read(dir_fd, SHIM_CONTAINER_NAME, 4096, &text, &size, NULL) < 0 ||
        json_parse(text, size, &record, NULL) < 0)
        return false;
    pid = json_get_int(record, "pid", 0);
    if (pid <= 1 || pid > INT32_MAX)
        return false;
    /* First the descriptor, then the comparison: from there on it cannot become another process. */
    container_fd = pidfd_open((pid_t)pid, 0);
    if (container_fd >= 0 && start_time(pid) != json_get_int(record, "start_time", -2))
        container_fd = fd_close(container_fd);
    orphan_kill(container_fd, json_get_string(record, "cgroups_path"));
    return container_fd >= 0;
}
