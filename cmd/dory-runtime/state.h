/* A container between commands: <root>/<id>/state.json and, until it is started, <root>/<id>/exec.fifo. */
#ifndef DORY_CMD_RUNTIME_STATE_H
#define DORY_CMD_RUNTIME_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/spec.h"

#define STATE_FIFO "exec.fifo"

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_STOPPED };

struct state {
    char *id;
    char *version; /* ociVersion */
    int64_t pid;
    int64_t start_time; /* of the process, in clock ticks since boot: tells whether the pid is still ours */
    char *bundle;
    char *rootfs;
    char *created; /* RFC 3339 */
    char *cgroups_path;
    struct strmap annotations;
    struct json_array poststop; /* struct oci_hook */
};

/* Letters, digits and _ + - . only, as runc. */
int state_check_id(const char *id, struct error *err);
/* Makes the container's directory; EEXIST when the id is taken. *ret_fd is the directory. */
int state_make(const char *root, const char *id, int *ret_fd, struct error *err);
int state_write(int dir_fd, const struct state *state, struct error *err);
/* ERROR_NOT_FOUND "container does not exist". ret_fd may be NULL. */
int state_read(const char *root, const char *id, struct state *ret, int *ret_fd, struct error *err);
int state_remove(const char *root, const char *id, struct error *err);
void state_release(struct state *state);

/* A pidfd of the container's init, checked against the recorded start time: the pid may have been given to somebody
 * else. ERROR_CONFLICT "container not running". */
int state_open_init(const struct state *state, int *ret_pid_fd, struct error *err);

enum status state_status(const struct state *state, int dir_fd);
const char *status_name(enum status status);
/* Field 22 of /proc/PID/stat, or 0; *ret_zombie (may be NULL) when it has ended. */
int64_t process_start_time(pid_t pid, bool *ret_zombie);

#endif
