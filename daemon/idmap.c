#include "daemon/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/strv.h"

#define ID_MAX INT64_C(4294967294)
#define STACK_SIZE 16384

int idmap_parse(const char *text, uint32_t *ret_uid, uint32_t *ret_gid)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    int64_t uid, gid;
    strv_split(&parts, text, ':');
    if (parts.count != 2 || parse_int64(parts.items[0], 0, ID_MAX, &uid) < 0 ||
        parse_int64(parts.items[1], 0, ID_MAX, &gid) < 0)
        return -EINVAL;
    *ret_uid = (uint32_t)uid;
    *ret_gid = (uint32_t)gid;
    return 0;
}

static void add_line(struct strbuf *out, uint64_t inside, uint64_t outside, uint64_t count)
{
    if (count > 0)
        strbuf_addf(out, "%llu %llu %llu\n", (unsigned long long)inside, (unsigned long long)outside,
                    (unsigned long long)count);
}

void idmap_text(uint32_t on_disk, uint32_t seen, struct strbuf *out)
{
    uint64_t low = on_disk < seen ? on_disk : seen, high = on_disk < seen ? seen : on_disk;
    add_line(out, 0, 0, low);
    add_line(out, low, high, 1);
    if (high > low) {
        add_line(out, low + 1, low + 1, high - low - 1);
        add_line(out, high, low, 1);
    }
    add_line(out, high + 1, high + 1, (uint64_t)ID_MAX + 1 - (high + 1));
}

/* Waits until it is killed, or its daemon: it has a copy of all descriptors, also of locks that the next daemon wants.
 * It shares the daemon's memory: nothing but system calls are made here. */
static int hold_namespace(void *data)
{
    const pid_t *parent = data;
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (syscall(SYS_getppid) != *parent) /* it had ended before that */
        syscall(SYS_exit_group, 0);
    for (;;)
        syscall(SYS_pause);
    return 0;
}

static int write_map(pid_t pid, const char *file, uint32_t on_disk, uint32_t seen, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_FREE char *path = xasprintf("/proc/%d/%s", pid, file);
    idmap_text(on_disk, seen, &text);
    int r = file_write_control(AT_FDCWD, path, strbuf_str(&text));
    return r < 0 ? error_errno(err, r, "%s", path) : 0;
}

/* A user namespace with these maps, or -errno. Its only process lives as long as this function. */
static int make_namespace(uint32_t disk_uid, uint32_t disk_gid, uint32_t seen_uid, uint32_t seen_gid, struct error *err)
{
    CLEANUP_FREE char *stack = xmalloc(STACK_SIZE);
    pid_t parent = getpid();
    pid_t pid = clone(hold_namespace, stack + STACK_SIZE, CLONE_VM | CLONE_NEWUSER | SIGCHLD, &parent);
    if (pid < 0)
        return error_errno(err, errno, "a user namespace for the volume's ids");
    int r = write_map(pid, "uid_map", disk_uid, seen_uid, err);
    if (r == 0)
        r = write_map(pid, "gid_map", disk_gid, seen_gid, err);
    if (r == 0) {
        CLEANUP_FREE char *path = xasprintf("/proc/%d/ns/user", pid);
        r = open(path, O_RDONLY | O_CLOEXEC);
        if (r < 0)
            r = error_errno(err, errno, "%s", path);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return r;
}

int idmap_apply(int mount_fd, uint32_t disk_uid, uint32_t disk_gid, uint32_t seen_uid, uint32_t seen_gid,
                struct error *err)
{
    CLEANUP_CLOSE int userns = make_namespace(disk_uid, disk_gid, seen_uid, seen_gid, err);
    if (userns < 0)
        return userns;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
    if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
        return 0;
    if (errno == EINVAL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, EINVAL, "this file system cannot map ids (idmap)");
    return error_errno(err, errno, "idmap");
}
