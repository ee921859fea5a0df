/* What create, run and restore have in common: from a bundle to a container with a record of its state. */
#ifndef DORY_CMD_RUNTIME_LAUNCH_H
#define DORY_CMD_RUNTIME_LAUNCH_H

#include "cmd/dory-runtime/runtime.h"
#include "runtime/container.h"
#include "runtime/systemd.h"

struct criu_options;

/* Begin with launch_empty and fill in the upper part. */
struct launch {
    const struct global *global;
    const char *id;
    const char *bundle, *console_socket, *pidfd_socket, *pid_file, *preserve_text;
    bool no_pivot, detach, keep, no_keyring, no_subreaper;
    bool create; /* stop before exec */
    /* What makes `container` and sets `started`; NULL: a start from the spec. */
    int (*begin)(struct launch *launch, struct error *err);
    const struct criu_options *criu; /* for a `begin` that restores */

    int bundle_fd, state_fd, fifo_fd;
    char *bundle_path;
    char *resctrl_planned; /* runtime_resctrl_plan(); NULL */
    struct oci_spec spec;
    void *seccomp;
    size_t seccomp_size;
    unsigned seccomp_flags;
    struct systemd_unit unit; /* with --systemd-cgroup */
    struct runtime_container container;
    bool state_made, started, without_cgroup;
    bool unit_made; /* by us: only then is the unit of that name ours to stop */
    unsigned preserve_fds, listen_fds;
};
extern const struct launch launch_empty;

/* make_cgroup of runtime_options and runtime_restore, with the launch as context: the unit of --systemd-cgroup. */
int launch_make_unit(void *launch, pid_t pid, struct error *err);

/* All of it, to the end of the container when it is neither created only nor detached. Exit status or -errno; releases
 * what it has filled in. */
int launch_run(struct launch *launch, struct error *err);

#endif
