/*
 * Internal to runtime/: the container's side of a start. Everything here runs in the cloned process, between clone3
 * and execve, in the order of the steps of child.c. All of a container's paths are resolved beneath root_fd and used by
 * descriptor.
 */
#ifndef DORY_RUNTIME_CHILD_H
#define DORY_RUNTIME_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/capabilities.h"
#include "runtime/cgroup.h"
#include "runtime/container.h"
#include "runtime/namespaces.h"
#include "runtime/sources.h"

#define CHILD_DEFERRED_MAX 64

struct child {
    const struct runtime_options *options;
    const struct oci_spec *spec;
    const struct namespace_plan *plan;
    const struct runtime_cgroup *cgroup; /* for its layout: its descriptors belong to the host's mounts */
    int sync_fd;                         /* to the parent: messages of sync.h */
    int root_fd;                         /* the container's root mount, attached in our mount namespace */
    int proc_fd;                         /* a procfs for certain; go into it with child_open_in_proc(); -1 before */
    int null_fd;                         /* O_PATH of the container's verified /dev/null */
    int start_fd;                        /* the start FIFO, kept until exec to tell what went wrong; or -1 */
    int pts_fd;                          /* the terminal's slave side, or -1 */
    bool own_dev;                        /* /dev is ours to fill (not a bind mount) */
    bool cgroup_ready;
    bool has_affinity; /* the CPUs it may use have been chosen */
    bool locked_down;
    int readonly_fds[CHILD_DEFERRED_MAX]; /* mounts that become read-only when everything inside is made */
    size_t readonly_count;
    const struct oci_mount *late_mount;
    struct capability_sets capabilities; /* once privileges were dropped */
    struct strv env;
    char *command; /* what execve gets */
    struct sources *sources;
    pid_t hook_pid; /* ours, as the host sees it */
};

/* child.c: steps that an exec has too. Signal dispositions and the mask as a new program expects them. */
int child_reset_signals(struct child *child, struct error *err);
/* A session and a session keyring of the container's. */
int child_new_session(struct child *child, struct error *err);
/* Stands in process.cwd, which is certainly inside the root. */
int child_enter_cwd(struct child *child, struct error *err);
/* Fills `command`. */
int child_resolve_command(struct child *child, struct error *err);
/* execve(2); returns only on failure. */
int child_exec(struct child *child, struct error *err);

/* Waits until the parent has put us into the cgroup, then makes the cgroup namespace (whose root is that place). */
int child_await_cgroup(struct child *child, struct error *err);
/* Fills proc_fd. */
int child_open_proc(struct child *child, struct error *err);
/* Opens a file of proc_fd; whatever is mounted in there or any symlink but "thread-self" is refused. -errno on failure.
 */
int child_open_in_proc(const struct child *child, const char *path, int flags);

/* rootfs.c */
int child_attach_root(struct child *child, struct error *err);
/* Covers a directory with an empty read-only tmpfs, which is made once (-1 before) and cloned. 0 or -errno. */
int child_mask_directory(int target_fd, int *tmpfs_fd);
int child_mask_paths(struct child *child, struct error *err);
int child_readonly_paths(struct child *child, struct error *err);
int child_finish_readonly(struct child *child, struct error *err);
int child_pivot(struct child *child, struct error *err);

/*
 * host_proc.c: takes the host's procfs and sysfs off our mount namespace, which chroot(2) leaves there. As long as
 * there is one without masks the kernel lets a user namespace in the container mount another one (mount_too_revealing()
 * in fs/namespace.c). Before the root is changed.
 */
int child_hide_host_proc(struct child *child, struct error *err);

/* mounts.c */
int child_mount_all(struct child *child, struct error *err);
/* The cgroup mount that child_mount_all() left for later. */
int child_mount_late(struct child *child, struct error *err);
/* cgroup_mount.c */
struct mount_options;
int child_mount_cgroup(struct child *child, const struct oci_mount *mount, const struct mount_options *options,
                       struct error *err);

/* devices.c */
int child_make_devices(struct child *child, struct error *err);
/* Fills null_fd with the container's /dev/null, if it has one; one that is another device is refused. */
int child_find_null(struct child *child, struct error *err);
/* The terminal of a start, which is /dev/console too, and that of an exec. The master goes to the parent. */
int child_make_console(struct child *child, struct error *err);
int child_open_terminal(struct child *child, struct error *err);

/* sysctl.c */
int child_network_up(struct child *child, struct error *err);
int child_set_names(struct child *child, struct error *err);
int child_set_sysctls(struct child *child, struct error *err);

/* scheduling.c */
int child_set_scheduling(struct child *child, struct error *err);

/* privileges.c: called in this order, nothing in between */
int child_set_labels(struct child *child, struct error *err);
int child_set_limits(struct child *child, struct error *err);
int child_drop_privileges(struct child *child, struct error *err);
/* The last step before exec: the filter, then the final capabilities. Nothing more happens the second time. */
int child_lock_down(struct child *child, struct error *err);

/* process.c */
int child_set_descriptors(struct child *child, struct error *err);
/* The process's environment, with HOME from the container's passwd when it is not set. Before the pivot. */
int child_make_environment(struct child *child, struct error *err);
/* Path of the command as execve wants it; docker's words when there is none. The caller frees *ret. */
int child_find_command(struct child *child, char **ret, struct error *err);

/* init.c: forks; returns in the process that shall exec, the caller itself stays and never returns. */
int child_stay_as_init(struct child *child, struct error *err);

#endif
