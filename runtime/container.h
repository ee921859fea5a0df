/*
 * Starting a container from an OCI spec, in this process: clone3(2) into namespaces (and into the cgroup on v2), build
 * the root, drop privileges, exec. Single-threaded callers only. Used by dory-shim and dory-runtime.
 */
#ifndef DORY_RUNTIME_CONTAINER_H
#define DORY_RUNTIME_CONTAINER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/resctrl.h"
#include "runtime/spec.h"

struct runtime_cgroup;

/* Is told in a sentence what is no error but not what was asked for either: the spec's warnings. */
typedef void runtime_warn(void *context, const char *text);

/* All integers are plain descriptors; a zeroed struct with id, spec, bundle_fd and stdio set is the default. */
struct runtime_options {
    const char *id;
    const struct oci_spec *spec;
    int bundle_fd;      /* directory that relative paths of the spec start from */
    bool has_rootfs_fd; /* rootfs_fd is a detached mount: it becomes the root (moved, not copied). Else root.path */
    int rootfs_fd;
    /* Join this network namespace instead of the spec's; where the spec wants a new user namespace, also the one that
     * the network namespace belongs to, whose maps must be the spec's. */
    bool has_netns_fd;
    int netns_fd;
    const void *seccomp_bpf; /* a ready cBPF program (struct sock_filter[]) used instead of compiling spec->seccomp */
    size_t seccomp_size;     /* bytes */
    unsigned seccomp_flags;  /* SECCOMP_FILTER_FLAG_* */
    int stdio[3];            /* become 0, 1, 2 (ignored with a terminal); -1 is /dev/null */
    bool has_console;        /* spec.process.terminal: *ret console is the pty master */
    bool plain_lines;        /* the terminal does not put carriage returns before newlines (ONLCR) */
    bool init;               /* stay as pid 1, run the process as child, reap and forward signals (docker's --init) */
    bool wait_for_start;     /* stop before exec until runtime_container_continue() (OCI create/start) */
    bool has_start_fifo;     /* with wait_for_start: wait by opening this FIFO for writing instead, so that another */
    int start_fifo_fd;       /* process can start the container: it opens the FIFO and reads one byte, and what comes */
                             /* then until the end of file is why the command could not run. Any O_PATH fd */
    unsigned preserve_fds;   /* descriptors 3 .. 3+preserve_fds-1 of this process go to the container as they are */
    bool hold_mounts;        /* fill mounts_fd */
    runtime_warn *warn;      /* NULL: nobody wants to know */
    void *warn_context;
    /* NULL, or what makes the cgroup with the process in it, instead of a directory being made before the clone. The
     * limits are written to it all the same. */
    int (*make_cgroup)(void *context, pid_t pid, struct error *err);
    void *make_cgroup_context;
    bool rootless;       /* started by an ordinary user: a cgroup that may not be made, and through which nothing is
                            limited, is gone without */
    bool no_new_keyring; /* stay in the session keyring of whoever starts the container */
    bool no_pivot;       /* move the root over "/" and chroot: for a host that runs from an initramfs */
};

/* A started container. Owned by the caller; runtime_container_free closes descriptors and leaves the container alone.
 */
struct runtime_container {
    pid_t pid;
    int pid_fd;
    int console_fd; /* pty master, or -1 */
    struct runtime_cgroup *cgroup;
    struct resctrl_group resctrl; /* of linux.intelRdt; what was made of it is the caller's to remove at the end */
    /* Its mount namespace, or -1. While this is open the kernel does not take the mounts apart when the container ends,
     * which takes a millisecond and which it would do before it tells the parent. */
    int mounts_fd;
    int start_fd; /* internal to wait_for_start */
};

/*
 * Clones and waits until the process has exec'ed (or stands ready with wait_for_start). A failure in the child comes
 * back as its step and errno; kinds: ERROR_NOT_FOUND with errnum ENOENT when the command is not found (exit 127),
 * ERROR_FORBIDDEN with EACCES when it cannot be executed (126), ERROR_INVALID for a bad spec, else ERROR_SYSTEM; the
 * message is worded as runc's where users see it through docker ("exec: \"foo\": executable file not found in $PATH",
 * "unable to find user foo: no matching entries in passwd file"). On failure nothing is left: no process, no cgroup.
 */
int runtime_container_start(const struct runtime_options *options, struct runtime_container *ret, struct error *err);
int runtime_container_continue(struct runtime_container *container, struct error *err);
void runtime_container_release(struct runtime_container *container);

/* cgroup operations, on v2, v1 and hybrid alike (one const table of operations each). */
int runtime_cgroup_open(const char *cgroups_path, struct runtime_cgroup **ret, struct error *err); /* an existing one */
void runtime_cgroup_free(struct runtime_cgroup *cgroup);
/* Whether all controllers of this host are v2's. */
bool runtime_cgroup_is_v2(void);
int runtime_cgroup_kill(struct runtime_cgroup *cgroup, int signal, struct error *err); /* every process in it */
int runtime_cgroup_freeze(struct runtime_cgroup *cgroup, bool frozen, struct error *err);
/* Whether there is any: a rootless container may have none, then the operations on it fail. */
bool runtime_cgroup_exists(const struct runtime_cgroup *cgroup);
/* Moves a process into all its directories; `in_unified`: it is in the v2 one already. */
int runtime_cgroup_join(struct runtime_cgroup *cgroup, pid_t pid, bool in_unified, struct error *err);
/* Removes all its directories; processes must be gone. Retries EBUSY briefly. */
int runtime_cgroup_remove(struct runtime_cgroup *cgroup, struct error *err);
/* Other runtimes have a directory of systemd's named hierarchy beside ours on hosts with v1: what a container whose
 * runtime could not remove it has left there. */
void runtime_cgroup_remove_named(const char *cgroups_path);
/* Whether it is frozen, or on its way there. A host without freezer has no frozen cgroups. */
int runtime_cgroup_frozen(struct runtime_cgroup *cgroup, bool *ret, struct error *err);
/* Count of OOM kills in it so far. */
int runtime_cgroup_oom_kills(struct runtime_cgroup *cgroup, uint64_t *ret, struct error *err);
/* Pids of every process in it; the caller frees. */
int runtime_cgroup_pids(struct runtime_cgroup *cgroup, pid_t **ret, size_t *ret_count, struct error *err);
/* Gives a CPU quota that comes without its period the one that the cgroup has, and a period its quota: for whoever
 * needs both. A cgroup that has neither is no error. */
int runtime_cgroup_complete_cpu(const struct runtime_cgroup *cgroup, struct oci_cpu *cpu, struct error *err);
/* Changes limits of a running container. What is not given stays as it is. */
int runtime_cgroup_update(struct runtime_cgroup *cgroup, const struct oci_resources *resources, struct error *err);

struct runtime_stats {
    uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns, cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
    uint64_t memory_usage, memory_limit, memory_max_usage, memory_failcnt, memory_inactive_file, memory_cache;
    uint64_t pids_current, pids_limit; /* limit 0: none */
    uint64_t blkio_read_bytes, blkio_write_bytes;
};
int runtime_cgroup_stats(struct runtime_cgroup *cgroup, struct runtime_stats *ret, struct error *err);

/*
 * On hosts with v1 controllers, moving a process into a cgroup waits for an RCU grace period (5 to 22 ms measured)
 * unless some hierarchy has the option `favordynmods` (cgroup2(5), kernel 6.0). Sets it on the cgroup2 hierarchy,
 * mounted or not, keeping the options that it has; it stays set. Nothing is done where the controllers are v2's: there
 * containers are cloned into their cgroups. A kernel that refuses is an error that does no harm.
 */
int runtime_cgroup_favordynmods(struct error *err);

#endif
