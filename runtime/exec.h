/*
 * Another process in a running container: joins its namespaces (setns(2) with a pidfd, Linux 5.8) and its cgroup, takes
 * on the process's user, capabilities, limits, labels and filter, and runs the command. Single-threaded callers only:
 * dory-shim and dory-runtime. The caller itself never leaves its namespaces: a helper joins them and forks the process,
 * which is nevertheless the caller's child (CLONE_PARENT), so that it is waited for like any other.
 */
#ifndef DORY_RUNTIME_EXEC_H
#define DORY_RUNTIME_EXEC_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strmap.h"
#include "runtime/hooks.h"
#include "runtime/spec.h"

/* A zeroed struct with id, pid, pid_fd, process and stdio set is the default. */
struct runtime_exec_options {
    const char *id;           /* of the container: names its session keyring */
    pid_t pid;                /* the container's init, as this process's /proc names it */
    int pid_fd;               /* a pidfd of it; borrowed */
    const char *cgroups_path; /* as runtime_cgroup_open() takes it; NULL: the process stays in the caller's cgroups */
    /* Cgroups below that one, as cgroup_below_parse() names them; NULL or empty: that one, or the one below it that the
     * container's init has moved to. Borrowed. */
    const struct strmap *below;
    const struct oci_process *process; /* what to run: all of it is honoured. args, env and cwd must be complete; cwd
                                          must exist. terminal: *ret console_fd is the pty master. Borrowed */
    const void *seccomp_bpf;           /* a ready cBPF program (struct sock_filter[]), or NULL */
    size_t seccomp_size;               /* bytes */
    unsigned seccomp_flags;            /* SECCOMP_FILTER_FLAG_* */
    /* For a filter that notifies: where the listener is, and the container's state, which it is told. Borrowed. */
    const struct oci_seccomp *seccomp;
    const struct runtime_hook_state *state;
    /* Of the container, which its further processes are given too. NULL: as the caller's. Borrowed. */
    struct oci_personality *personality;
    struct oci_memory_policy *memory_policy;
    bool plain_lines;      /* the terminal does not put carriage returns before newlines (ONLCR) */
    bool no_new_keyring;   /* stay in the caller's session keyring */
    int stdio[3];          /* become 0, 1, 2 (ignored with a terminal); -1 is the container's /dev/null */
    unsigned preserve_fds; /* descriptors 3 .. 3+preserve_fds-1 of this process go along as they are */
    /* Milliseconds until the command must have been reached; 0: no limit. Processes of the container that may signal
     * the new one can stop it on the way. A caller that sets it reaps children that it does not know. */
    unsigned timeout_ms;
};

/* A child of the caller, to be waited for by pid. Both descriptors are the caller's to close. */
struct runtime_exec {
    pid_t pid;
    int pid_fd;
    int console_fd; /* pty master, or -1 */
};

/*
 * Returns when the process has exec'ed. Failures come back as the step and errno of whoever met them, in runc's words;
 * the kinds are those of runtime_container_start(): ERROR_NOT_FOUND with ENOENT when the command is not found (127),
 * ERROR_FORBIDDEN with EACCES when it cannot be executed (126), ERROR_CONFLICT with ESRCH when the container has ended,
 * ERROR_INVALID for a bad process, else ERROR_SYSTEM. On failure no process is left that has not been
 * sent SIGKILL. ERROR_SYSTEM with ETIMEDOUT: timeout_ms has passed. A container that is frozen takes the helper in and
 * freezes it: the call then blocks until it is thawed or killed, or until the timeout.
 */
int runtime_exec_start(const struct runtime_exec_options *options, struct runtime_exec *ret, struct error *err);
/* Closes the descriptors and leaves the process alone. */
void runtime_exec_release(struct runtime_exec *exec);

#endif
