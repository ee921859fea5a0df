/*
 * Execs: further processes in running containers. A record is made by exec_create(), started once, and kept for some
 * time after its end, so that clients can ask for its exit code. Records of execs that were started outlive the daemon
 * (their shim keeps them); those that were only created do not, as with docker.
 *
 * All functions are thread-safe. Refusals carry docker's texts: ERROR_NOT_FOUND for an exec that is not known,
 * ERROR_CONFLICT for a container that does not run or is paused and for an exec that was started before.
 */
#ifndef DORY_DAEMON_EXEC_H
#define DORY_DAEMON_EXEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include "daemon/container.h"

struct exec; /* reference counted */

/* POST /containers/{id}/exec. `asked` is the name that the client gave: docker tells a paused container by it. *ret is
 * a reference. A user that the container does not know is refused. */
int exec_create(struct engine *engine, struct container *container, const char *asked, const struct json *body,
                struct exec **ret, struct error *err);
/* "No such exec instance: X". *ret is a reference. */
int exec_find(struct engine *engine, const char *id, struct exec **ret, struct error *err);
void exec_unref(struct exec *exec); /* NULL is fine */
void exec_unref_ptr(struct exec **exec);
#define CLEANUP_EXEC CLEANUP(exec_unref_ptr)

const char *exec_id(const struct exec *exec);
/* What the client takes part in, as it was created. */
bool exec_is_attached(const struct exec *exec);

/*
 * Starting is in two calls, because a client of a stream has to have its answer (the connection taken over) between
 * them: exec_claim() makes the exec this caller's to start, and either exec_start() or exec_unclaim() must follow.
 */
int exec_claim(struct engine *engine, struct exec *exec, struct error *err);
void exec_unclaim(struct engine *engine, struct exec *exec);
struct exec_start {
    int fd;   /* the client's connection, closed by the shim at the end, and here in every case; -1: detached */
    bool raw; /* no frames */
    uint16_t rows, columns; /* 0: as it was created */
};
/* Returns when the process has exec'ed. After a failure the exec has ended with docker's exit code (126 or 127), and
 * a connection has been sent the message as docker does. */
int exec_start(struct engine *engine, struct exec *exec, const struct exec_start *how, struct error *err);
int exec_resize(struct engine *engine, struct exec *exec, uint16_t rows, uint16_t columns, struct error *err);
/* GET /exec/{id}/json */
void exec_inspect(struct engine *engine, const struct exec *exec, struct strbuf *out);

/* ---- for the daemon's own use: commands whose output is collected ---- */

struct exec_command {
    const struct strv *arguments;
    const struct strv *env;  /* over the container's; may be NULL */
    const char *user;        /* NULL: the container's */
    const char *working_dir; /* NULL: the container's */
    bool privileged;
};
/*
 * Starts the command; it has no record that outlives the daemon, and ends with it. *ret_fd yields what it writes to
 * stdout and stderr, and its end of file means that exec_result() knows the exit code. The caller closes it, and hands
 * *ret to exec_end().
 */
int exec_begin(struct engine *engine, struct container *container, const struct exec_command *command,
               struct exec **ret, int *ret_fd, struct error *err);
/* False while it runs, or when its end was lost with its container. */
bool exec_result(struct engine *engine, const struct exec *exec, int *ret_exit_code);
/* Forgets the command that exec_begin() has started, and the reference to it. */
void exec_end(struct engine *engine, struct exec *exec);
int exec_kill(struct engine *engine, struct exec *exec, int signal, struct error *err);
/*
 * Runs the command and waits for its end, collecting at most `output_max` bytes of its output; more is read and
 * dropped. After timeout_ms (negative: none) it is killed and -ETIMEDOUT returned.
 */
int exec_run(struct engine *engine, struct container *container, const struct exec_command *command, int timeout_ms,
             size_t output_max, struct strbuf *output, int *ret_exit_code, struct error *err);

#endif
