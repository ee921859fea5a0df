/*
 * Checkpoint and restore through criu(8), which is run as `criu swrk` and spoken to with its RPC (images/rpc.proto of
 * criu). Blocking; for single-threaded callers: dory-runtime only.
 */
#ifndef DORY_RUNTIME_CRIU_H
#define DORY_RUNTIME_CRIU_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/container.h"

enum criu_cgroup_mode {
    CRIU_CGROUPS_IGNORE = 0,
    CRIU_CGROUPS_SOFT = 3,
    CRIU_CGROUPS_FULL = 4,
    CRIU_CGROUPS_STRICT = 5
};

struct criu_options {
    const char *program;     /* NULL: criu, looked for in PATH */
    const char *image_path;  /* directory of the images; made for a dump */
    const char *work_path;   /* directory of the log; NULL: image_path */
    const char *parent_path; /* of an earlier pre-dump, relative to image_path; NULL: none */
    bool leave_running, tcp_established, tcp_skip_in_flight, ext_unix_sk, shell_job, file_locks, auto_dedup, link_remap;
    bool pre_dump;                 /* memory only, the container goes on: the parent of a later dump */
    bool empty_network;            /* the network namespace is not dumped, and is restored empty */
    const char *page_server;       /* ADDRESS:PORT that memory is sent to; NULL: into the images */
    const char *lsm_profile;       /* restore: TYPE:NAME instead of the dumped one; NULL */
    const char *lsm_mount_context; /* restore: the context of mounts, likewise */
    enum criu_cgroup_mode cgroup_mode;
};

/* Dumps the container whose init is `pid`. Unless it is left running its processes are gone after success. Errors name
 * criu's log and its last word in there; ERROR_NOT_FOUND when there is no criu. */
int runtime_checkpoint(const struct criu_options *options, const struct oci_spec *spec, pid_t pid,
                       struct runtime_cgroup *cgroup, struct error *err);

struct runtime_restore {
    const char *id;
    const struct oci_spec *spec;
    const char *bundle; /* absolute: where relative paths of the spec start from */
    const char *root; /* an empty directory: the root file system is bound there, in a mount namespace of this process,
                         which it is in afterwards */
    bool has_console; /* spec.process.terminal: *ret console_fd is the pty master */
    bool rootless;
    /* As of struct runtime_options: for criu's process, from which the container comes. NULL: a directory of ours. */
    int (*make_cgroup)(void *context, pid_t pid, struct error *err);
    void *make_cgroup_context;
};

/* Restores what was dumped as a child of this process, with its descriptors 0 to 2 in the place of the pipes that the
 * container had there. *ret as of runtime_container_start(). On failure nothing is left. */
int runtime_restore(const struct criu_options *options, const struct runtime_restore *restore,
                    struct runtime_container *ret, struct error *err);

#endif
