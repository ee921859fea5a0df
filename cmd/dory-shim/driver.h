/*
 * Another OCI runtime in the place of the linked one: runc, crun, dory-runtime or whatever has their command line. The
 * shim stays the parent of the container and of its execs (it is a subreaper: what a runtime leaves behind becomes its
 * child) and owns their pipes and terminals; the runtime is called for create, start, exec, kill and delete.
 *
 *   COMMAND... --root BUNDLE/state --log BUNDLE/runtime.log --log-format json CALL ARGUMENTS... ID
 *
 * The bundle is the shim's own directory, exec_root/shim/ID, which the daemon removes after the container's end with
 * everything in it. The container's root and its network namespace are mounted in a mount namespace that ends with the
 * call of create: the host's table never has them. Limits, statistics and freezing go straight to the cgroup that the
 * spec names, as for every container, and not through the runtime.
 *
 * Calls block, the shim does nothing else meanwhile, and a runtime that does not come back is killed with everything
 * that descends from it. It ends with the shim: what it has put into the cgroup by then the daemon finds by the note
 * that lies in the bundle before the first call (SHIM_CONTAINER_NAME).
 */
#ifndef DORY_CMD_SHIM_DRIVER_H
#define DORY_CMD_SHIM_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "runtime/container.h"
#include "runtime/exec.h"

struct driver {
    struct strv command;
    char *id;
    int dir_fd;   /* the bundle; borrowed */
    char *bundle; /* its path */
};

/* command: the JSON array of START. dir_fd is borrowed and has to stay open. */
int driver_new(const char *command, size_t command_size, const char *id, int dir_fd, struct driver **ret,
               struct error *err);
void driver_free(struct driver *driver); /* NULL is fine */

struct driver_start {
    const char *spec; /* config.json; its root is "rootfs" */
    size_t spec_size;
    const char *cgroups_path;
    int rootfs_fd; /* a detached mount: becomes BUNDLE/rootfs */
    int netns_fd;  /* becomes BUNDLE/netns, its user namespace BUNDLE/userns unless that is ours; -1: none */
    bool terminal;
    uint16_t rows, columns; /* 0: as it comes */
    int stdio[3];           /* unless terminal; -1 is /dev/null */
};

/* create and start. Errors are those of runtime_container_start(); nothing is left after one. */
int driver_start(struct driver *driver, const struct driver_start *start, struct runtime_container *ret,
                 struct error *err);

struct driver_exec {
    const char *process; /* the spec's `process` as JSON */
    size_t process_size;
    bool terminal;
    uint16_t rows, columns;
    int stdio[3];
};

/* Errors are those of runtime_exec_start(). */
int driver_exec(struct driver *driver, const struct driver_exec *exec, struct runtime_exec *ret, struct error *err);

/* To the container's init. */
int driver_kill(struct driver *driver, int signal, struct error *err);
/* After the container's end: its state goes, poststop hooks run. */
int driver_delete(struct driver *driver, struct error *err);

/* ---- driver_call.c ---- */

struct driver_call {
    const char *const *arguments; /* NULL-terminated, without the id */
    const int *stdio;             /* NULL: what it writes is for error messages */
    int timeout_ms;
    bool no_id; /* the arguments have it */
    /* In the child, before the runtime; its error is that of the call. May be NULL. */
    int (*prepare)(const void *data, struct error *err);
    const void *prepare_data;
    int *console_fd; /* not NULL: the terminal that the runtime sends to --console-socket, which is added */
};

/* Runs the runtime to its end. The error is what it has written into its log, without what every runtime puts in front
 * of it, and with the kinds of runtime_container_start(). */
int driver_call(struct driver *driver, const struct driver_call *call, struct error *err);

#endif
