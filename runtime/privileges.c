/* Labels, limits, identity, capabilities, seccomp: the order matters, see each step. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/capabilities.h"
#include "runtime/child.h"
#include "runtime/defaults.h"
#include "runtime/sync.h"

/* ---- labels ---- */

static int write_label(struct child *child, const char *const files[], const char *text, struct error *err)
{
    int r = child_open_proc(child, err);
    if (r < 0)
        return r;
    for (size_t i = 0; files[i] != NULL; i++) {
        CLEANUP_CLOSE int fd = child_open_in_proc(child, files[i], O_WRONLY);
        if (fd == -ENOENT && files[i + 1] != NULL)
            continue;
        if (fd < 0 || write(fd, text, strlen(text)) < 0)
            return error_errno(err, fd < 0 ? fd : errno, "unable to apply the security label \"%s\"", text);
        return 0;
    }
    return 0;
}

int child_set_labels(struct child *child, struct error *err)
{
    static const char *const apparmor_files[] = {"thread-self/attr/apparmor/exec", "thread-self/attr/exec", NULL};
    static const char *const selinux_files[] = {"thread-self/attr/exec", NULL};
    const struct oci_process *process = &child->spec->process;
    int r = 0;
    if (process->apparmor_profile != NULL && process->apparmor_profile[0] != '\0') {
        CLEANUP_FREE char *text = xasprintf("exec %s", process->apparmor_profile);
        r = write_label(child, apparmor_files, text, err);
    }
    if (r == 0 && process->selinux_label != NULL && process->selinux_label[0] != '\0')
        r = write_label(child, selinux_files, process->selinux_label, err);
    return r;
}

/* ---- limits ---- */

int child_set_limits(struct child *child, struct error *err)
{
    const struct oci_process *process = &child->spec->process;
    const struct oci_rlimit *limits = process->rlimits.items;
    /* In a user namespace the parent makes room for higher limits first (an exec: before it was joined). */
    int r = process->rlimits.count > 0 && (child->plan->new_user || child->plan->joins_user)
                ? child_await_cgroup(child, err)
                : 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < process->rlimits.count; i++) {
        int number = runtime_rlimit_number(limits[i].type);
        struct rlimit limit = {.rlim_cur = limits[i].soft, .rlim_max = limits[i].hard};
        if (setrlimit((__rlimit_resource_t)number, &limit) < 0)
            return error_errno(err, errno, "process.rlimits[%zu]: error setting rlimit type %d (%s)", i, number,
                               limits[i].type);
    }
    umask(process->user.umask != NULL ? (mode_t)*process->user.umask : 022);
    return 0;
}

/* ---- identity ---- */

/* Programs reopen /dev/stdout: pipes and terminals belong to the user. Files of the host keep their owner. */
static void own_stdio(uid_t uid)
{
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && st.st_uid != uid &&
            (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd))))
            (void)!fchown(fd, uid, (gid_t)-1); /* a foreign user namespace's pipe cannot be given away: no matter */
    }
}

static int set_identity(const struct oci_user *user, struct error *err)
{
    /* Groups first: afterwards there is no right to. */
    if (setgroups(user->additional_gids.count, user->additional_gids.items) < 0 &&
        !(errno == EPERM && user->additional_gids.count == 0))
        return error_errno(err, errno, "setgroups");
    if (setresgid(user->gid, user->gid, user->gid) < 0)
        return error_errno(err, errno, "setgid to %u", user->gid);
    if (setresuid(user->uid, user->uid, user->uid) < 0)
        return error_errno(err, errno, "setuid to %u", user->uid);
    return 0;
}

int child_drop_privileges(struct child *child, struct error *err)
{
    const struct oci_process *process = &child->spec->process;
    child->capabilities = capabilities_wanted(process, capabilities_permitted());
    const struct capability_sets *want = &child->capabilities;
    own_stdio(process->user.uid);
    int last = runtime_capability_last();
    for (int c = 0; c <= last; c++)
        if (!(want->bounding >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
            return error_errno(err, errno, "unable to drop %s from the bounding set", runtime_capability_name(c));
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return error_errno(err, errno, "unable to set keep caps");
    int r = set_identity(&process->user, err);
    if (r < 0)
        return r;
    /* CAP_SYS_ADMIN stays until the filter is loaded: without no_new_privs that needs it. */
    bool filter = child->options->seccomp_size > 0 && !process->no_new_privileges;
    uint64_t late = filter ? capabilities_permitted() & (UINT64_C(1) << CAP_SYS_ADMIN) : 0;
    if ((r = capabilities_set(want->effective | late, want->permitted | late, want->inheritable)) < 0)
        return error_errno(err, r, "unable to apply caps");
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return error_errno(err, errno, "unable to clear keep caps");
    for (int c = 0; c <= last; c++)
        if ((want->ambient >> c & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
            return error_errno(err, errno, "unable to raise ambient capability %s", runtime_capability_name(c));
    if (process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_errno(err, errno, "unable to set no_new_privs");
    return 0;
}

/* ---- the filter ---- */

/* The parent takes the listener's descriptor, then it is closed here: the container must not answer itself. */
static int hand_over_listener(struct child *child, int listener, struct error *err)
{
    int r = child->sync_fd < 0 ? -EPIPE : sync_send_listener(child->sync_fd, listener);
    if (r < 0)
        return error_errno(err, r, "cannot hand over the seccomp descriptor");
    r = sync_expect(child->sync_fd, SYNC_LISTENER_TAKEN, err);
    fd_close(listener);
    return r;
}

int child_lock_down(struct child *child, struct error *err)
{
    const struct runtime_options *options = child->options;
    if (child->locked_down)
        return 0;
    child->locked_down = true;
    const struct capability_sets *want = &child->capabilities;
    if (options->seccomp_bpf != NULL && options->seccomp_size > 0) {
        struct sock_fprog program = {.len = (unsigned short)(options->seccomp_size / sizeof(struct sock_filter)),
                                     .filter = (struct sock_filter *)options->seccomp_bpf};
        int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, options->seccomp_flags, &program);
        if (listener < 0)
            return error_errno(err, errno, "unable to load the seccomp filter");
        int r =
            options->seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? hand_over_listener(child, listener, err) : 0;
        if (r < 0)
            return r;
    }
    int r = capabilities_set(want->effective, want->permitted, want->inheritable);
    return r < 0 ? error_errno(err, r, "unable to apply caps") : 0;
}
