/*
 * A container between commands: <root>/<id>/state.json and, until it is started, <root>/<id>/exec.fifo. The record is
 * there from before anything else is made, so that whatever a killed command leaves behind is found and removed by
 * `delete`. Commands that move a container from one state to another hold a lock on the directory (flock(2)), which
 * ends with the process.
 */
#ifndef DORY_CMD_RUNTIME_STATE_H
#define DORY_CMD_RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/container.h"
#include "runtime/spec.h"

#define STATE_FIFO "exec.fifo"

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };

struct state {
    char *id;
    char *version;      /* ociVersion */
    int64_t pid;        /* 0: being created, or left by a create that was killed */
    int64_t start_time; /* of the process, in clock ticks since boot: tells whether the pid is still ours */
    char *bundle;
    char *rootfs;
    char *created;                     /* RFC 3339 */
    char *cgroups_path;                /* "": none, a rootless container */
    char *systemd_unit;                /* of its cgroup; NULL: a directory of ours */
    bool systemd_user;                 /* a unit of the user's own systemd */
    char *resctrl_clos, *resctrl_made; /* struct resctrl_group */
    bool shared_pids;                  /* its pid namespace is not its own */
    bool no_new_keyring;               /* its processes are in the session keyring of whoever starts them */
    struct strmap annotations;
    struct json_array poststart, poststop; /* struct oci_hook */
};

/* Letters, digits and _ + - . only, as runc. */
int state_check_id(const char *id, struct error *err);
/* Makes the container's directory, locked; EEXIST when the id is taken. A directory without a record, left by a command
 * that was killed, is taken over. *ret_fd is the directory. */
int state_make(const char *root, const char *id, int *ret_fd, struct error *err);
int state_write(int dir_fd, const struct state *state, struct error *err);
/* ERROR_NOT_FOUND "container does not exist". ret_fd may be NULL. */
int state_read(const char *root, const char *id, struct state *ret, int *ret_fd, struct error *err);
/* The same with the lock, waited for. */
int state_lock(const char *root, const char *id, struct state *ret, int *ret_fd, struct error *err);
/* Takes the lock of a directory that was made or read; false when the container has been deleted meanwhile. */
bool state_relock(int dir_fd);
/* Before the descriptor is closed: our children may still have it. */
void state_unlock(int dir_fd);
int state_remove(const char *root, const char *id, struct error *err);
void state_release(struct state *state);

/* A pidfd of the container's init, checked against the recorded start time: the pid may have been given to somebody
 * else. ERROR_CONFLICT "container not running". */
int state_open_init(const struct state *state, int *ret_pid_fd, struct error *err);

/* Asks the kernel. Paused is what the cgroup says. */
enum status state_status(const struct state *state, int dir_fd);
const char *status_name(enum status status);
/* kill.c: a signal to the container's init, which is thawed if that is what it takes to die. */
int container_signal(const struct state *state, int signal, struct error *err);
/* delete.c: ends it if need be, removes its cgroup, runs its poststop hooks, forgets it. Call with the lock held. */
struct global;
int container_delete(const struct global *global, struct state *state, int dir_fd, bool force, struct error *err);
/* The container's cgroup, which exists; ERROR_UNAVAILABLE when it never had one. */
int state_open_cgroup(const struct state *state, struct runtime_cgroup **ret, struct error *err);
/* Field 22 of /proc/PID/stat, or 0; *ret_zombie (may be NULL) when it has ended. */
int64_t process_start_time(pid_t pid, bool *ret_zombie);

#endif
