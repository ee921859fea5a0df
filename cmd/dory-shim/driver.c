#include "cmd/dory-shim/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parse.h"
#include "daemon/shim_protocol.h"

/* Hooks may take their time; the daemon waits for as long as it takes. */
#define CREATE_TIMEOUT_MS 120000
/* Below SHIM_ANSWER_SECONDS of the daemon. */
#define CALL_TIMEOUT_MS 8000
#define PID_NAME "runtime.pid"
#define SPEC_NAME "config.json"
#define PROCESS_NAME "process.json"

int driver_new(const char *command, size_t command_size, const char *id, int dir_fd, struct driver **ret,
               struct error *err)
{
    CLEANUP_JSON struct json *list = NULL;
    CLEANUP_FREE char *link = xasprintf("/proc/self/fd/%d", dir_fd), *path = realpath(link, NULL);
    struct driver *driver;
    int r = json_parse(command, command_size, &list, err);

    if (r < 0)
        return r;
    if (json_count(list) == 0 || !json_string(json_at(list, 0)))
        return error_set(err, ERROR_INVALID, EPROTO, "a runtime without a program");
    if (!path)
        return error_errno(err, errno, "path of the container's bundle");
    driver = xcalloc(1, sizeof(*driver));
    for (size_t i = 0; i < json_count(list); i++)
        strv_add(&driver->command, json_string(json_at(list, i)));
    driver->id = xstrdup(id);
    driver->dir_fd = dir_fd;
    driver->bundle = xstrdup(path);
    *ret = driver;
    return 0;
}

void driver_free(struct driver *driver)
{
    if (!driver)
        return;
    strv_release(&driver->command);
    free(driver->id);
    free(driver->bundle);
    free(driver);
}

/* ---- create ---- */

/* Mounts below the bundle do not travel to the host; all other mounts go on being shared with it as they are, so that a
 * volume's propagation is what it is with the linked runtime. */
static int cut_propagation(const char *path, struct error *err)
{
    CLEANUP_FREE char *at = xstrdup(path);

    for (;;) {
        struct statx st;
        char *slash = strrchr(at, '/');

        if (statx(AT_FDCWD, at, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
            return error_errno(err, errno, "%s", at);
        if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
            break;
        if (!slash || strcmp(at, "/") == 0)
            return error_set(err, ERROR_SYSTEM, EINVAL, "no mount point above %s", path);
        slash[slash == at ? 1 : 0] = '\0';
    }
    return mount(NULL, at, NULL, MS_SLAVE, NULL) < 0 ? error_errno(err, errno, "mount propagation of %s", at) : 0;
}

struct places {
    const struct driver *driver;
    int rootfs_fd, netns_fd;
};

/* Binds a namespace to a file of the bundle. */
static int mount_namespace_file(const struct driver *driver, int namespace_fd, const char *name, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/%s", driver->bundle, name);
    CLEANUP_FREE char *link = xasprintf("/proc/self/fd/%d", namespace_fd);
    CLEANUP_CLOSE int file = openat(driver->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (file < 0 || mount(link, path, NULL, MS_BIND, NULL) < 0)
        return error_errno(err, errno, "mount a namespace of the container on %s", path);
    return 0;
}

/* The network namespace belongs to the container's user namespace, whose root has to find its way to its files. */
static int make_userns_place(const struct driver *driver, int netns_fd, struct error *err)
{
    CLEANUP_CLOSE int owner = ioctl(netns_fd, NS_GET_USERNS);
    CLEANUP_CLOSE int ours = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    struct stat a, b;

    if (owner < 0 || ours < 0 || fstat(owner, &a) < 0 || fstat(ours, &b) < 0)
        return error_errno(err, errno, "user namespace of the container's network");
    if (a.st_ino == b.st_ino)
        return 0;
    if (fchmod(driver->dir_fd, 0711) < 0)
        return error_errno(err, errno, "%s", driver->bundle);
    return mount_namespace_file(driver, owner, SHIM_USERNS_NAME, err);
}

/* In the child that becomes the runtime: a mount namespace with the container's root in it. */
static int make_places(const void *data, struct error *err)
{
    const struct places *p = data;
    CLEANUP_FREE char *root = xasprintf("%s/rootfs", p->driver->bundle);
    int r;

    if (unshare(CLONE_NEWNS) < 0)
        return error_errno(err, errno, "mount namespace for the runtime");
    r = cut_propagation(p->driver->bundle, err);
    if (r < 0)
        return r;
    if (mkdirat(p->driver->dir_fd, "rootfs", 0755) < 0 && errno != EEXIST)
        return error_errno(err, errno, "%s", root);
    if (move_mount(p->rootfs_fd, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return error_errno(err, errno, "mount the container's root on %s", root);
    if (p->netns_fd < 0)
        return 0;
    r = mount_namespace_file(p->driver, p->netns_fd, SHIM_NETNS_NAME, err);
    return r < 0 ? r : make_userns_place(p->driver, p->netns_fd, err);
}

/* The process that the runtime has left to us; *ret_pid_fd is a pidfd. */
static int take_process(const struct driver *driver, pid_t *ret_pid, int *ret_pid_fd, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int64_t pid;
    int r = file_read(driver->dir_fd, PID_NAME, 32, &text, &size, err);

    if (r < 0)
        return error_context(err, "the runtime %s has written no pid", driver->command.items[0]);
    text[strcspn(text, "\r\n")] = '\0';
    if (parse_int64(text, 2, INT32_MAX, &pid) < 0)
        return error_set(err, ERROR_SYSTEM, EPROTO, "the runtime %s has written a strange pid: \"%s\"",
                         driver->command.items[0], text);
    unlinkat(driver->dir_fd, PID_NAME, 0);
    *ret_pid_fd = pidfd_open((pid_t)pid, 0);
    if (*ret_pid_fd < 0)
        return error_errno(err, errno, "process %d of the runtime %s", (int)pid, driver->command.items[0]);
    *ret_pid = (pid_t)pid;
    return 0;
}

static void set_size(int console_fd, uint16_t rows, uint16_t columns)
{
    struct winsize size = {.ws_row = rows, .ws_col = columns};

    if (console_fd >= 0 && rows && columns)
        ioctl(console_fd, TIOCSWINSZ, &size); /* a terminal always can */
}

static int create(struct driver *driver, const struct driver_start *start, struct runtime_container *ret,
                  struct error *err)
{
    struct places places = {.driver = driver, .rootfs_fd = start->rootfs_fd, .netns_fd = start->netns_fd};
    CLEANUP_FREE char *pid_path = xasprintf("%s/" PID_NAME, driver->bundle);
    const char *arguments[] = {"create", "--bundle", driver->bundle, "--pid-file", pid_path, NULL};
    struct driver_call call = {.arguments = arguments,
                               .stdio = start->terminal ? NULL : start->stdio,
                               .timeout_ms = CREATE_TIMEOUT_MS,
                               .prepare = make_places,
                               .prepare_data = &places,
                               .console_fd = start->terminal ? &ret->console_fd : NULL};
    int r = file_write_atomic(driver->dir_fd, SPEC_NAME, start->spec, start->spec_size, 0600, err);

    return r < 0 ? r : driver_call(driver, &call, err);
}

static int start_created(struct driver *driver, struct error *err)
{
    const char *arguments[] = {"start", NULL};
    struct driver_call call = {.arguments = arguments, .timeout_ms = CREATE_TIMEOUT_MS};

    return driver_call(driver, &call, err);
}

/* Whatever a failed start has left: the runtime's state, processes, the cgroup. */
static void undo(struct driver *driver, const char *cgroups_path, struct runtime_container *container)
{
    struct runtime_cgroup *cgroup = container->cgroup;

    driver_delete(driver, NULL);
    if (!cgroup && cgroups_path)
        runtime_cgroup_open(cgroups_path, &cgroup, NULL);
    if (cgroup) {
        runtime_cgroup_kill(cgroup, SIGKILL, NULL);
        runtime_cgroup_remove(cgroup, NULL);
        runtime_cgroup_free(cgroup);
        runtime_cgroup_remove_named(cgroups_path);
    }
    fd_close(container->pid_fd);
    fd_close(container->console_fd);
    container->cgroup = NULL;
    container->pid_fd = container->console_fd = -1;
}

int driver_start(struct driver *driver, const struct driver_start *start, struct runtime_container *ret,
                 struct error *err)
{
    int r;

    *ret = (struct runtime_container){.pid_fd = -1, .console_fd = -1, .mounts_fd = -1, .start_fd = -1};
    r = create(driver, start, ret, err);
    if (r >= 0)
        r = take_process(driver, &ret->pid, &ret->pid_fd, err);
    if (r >= 0 && start->cgroups_path && *start->cgroups_path)
        r = runtime_cgroup_open(start->cgroups_path, &ret->cgroup, err);
    if (r >= 0) {
        set_size(ret->console_fd, start->rows, start->columns);
        r = start_created(driver, err);
    }
    if (r < 0)
        undo(driver, start->cgroups_path, ret);
    return r;
}

/* ---- the rest ---- */

/* A process that the runtime has made before it failed, or was given up. */
static void kill_stray(const struct driver *driver)
{
    CLEANUP_CLOSE int pid_fd = -1;
    pid_t pid;

    if (take_process(driver, &pid, &pid_fd, NULL) >= 0)
        pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
}

int driver_exec(struct driver *driver, const struct driver_exec *exec, struct runtime_exec *ret, struct error *err)
{
    CLEANUP_FREE char *pid_path = xasprintf("%s/" PID_NAME, driver->bundle);
    CLEANUP_FREE char *process_path = xasprintf("%s/" PROCESS_NAME, driver->bundle);
    const char *arguments[] = {"exec", "--process", process_path, "--detach", "--pid-file", pid_path, NULL};
    CLEANUP_CLOSE int console_fd = -1;
    struct driver_call call = {.arguments = arguments,
                               .stdio = exec->terminal ? NULL : exec->stdio,
                               .timeout_ms = CALL_TIMEOUT_MS,
                               .console_fd = exec->terminal ? &console_fd : NULL};
    int r = file_write_atomic(driver->dir_fd, PROCESS_NAME, exec->process, exec->process_size, 0600, err);

    if (r < 0)
        return r;
    unlinkat(driver->dir_fd, PID_NAME, 0);
    r = driver_call(driver, &call, err);
    unlinkat(driver->dir_fd, PROCESS_NAME, 0);
    if (r < 0) {
        kill_stray(driver);
        return r;
    }
    r = take_process(driver, &ret->pid, &ret->pid_fd, err);
    if (r < 0)
        return r;
    set_size(console_fd, exec->rows, exec->columns);
    ret->console_fd = TAKE_FD(console_fd);
    return 0;
}

int driver_kill(struct driver *driver, int signal, struct error *err)
{
    CLEANUP_FREE char *number = xasprintf("%d", signal);
    /* The id stands before the signal. */
    const char *arguments[] = {"kill", driver->id, number, NULL};
    struct driver_call call = {.arguments = arguments, .timeout_ms = CALL_TIMEOUT_MS, .no_id = true};

    return driver_call(driver, &call, err);
}

int driver_delete(struct driver *driver, struct error *err)
{
    const char *arguments[] = {"delete", "--force", NULL};
    struct driver_call call = {.arguments = arguments, .timeout_ms = CALL_TIMEOUT_MS};

    return driver_call(driver, &call, err);
}
