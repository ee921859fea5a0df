/*
 * dory-shim: the parent of one container. It owns the container's pipes or terminal, writes its log, carries its
 * streams to and from the attached clients, and knows how it ended. It is started by doryd and outlives it; what the
 * two say to each other is in daemon/shim_protocol.h. One thread, one event loop, and little memory: there is one of
 * these per running container.
 *
 *   main.c     the process: signals, identity, loop
 *   control.c  the daemon's connection and its requests
 *   start.c    START: spec, log, pipes, runtime
 *   tail.c     the long part of a request, wherever it travelled
 *   exec.c     EXEC: further processes in the container, from their start to their end
 *   driver*.c  another OCI runtime in the place of the linked one
 *   init.c     docker-init, under whose name another runtime starts this program
 *   streams.c  pipes or terminal of one process
 *   log.c      the container's log: file and sink
 *   output.c   process -> log and clients
 *   client.c   attached clients and what waits to be sent to them
 *   input.c    clients -> process
 *   ending.c   the end: status, record, report, cgroup, exit
 */
#ifndef DORY_CMD_SHIM_SHIM_H
#define DORY_CMD_SHIM_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/detach_keys.h"
#include "base/error.h"
#include "base/loop.h"
#include "cmd/dory-shim/driver.h"
#include "cmd/dory-shim/streams.h"
#include "daemon/shim_protocol.h"
#include "runtime/container.h"
#include "runtime/spec.h"

/* One read from the container, and one frame to a client. */
#define CHUNK 65536
/* One read from a client. */
#define INPUT_CHUNK 16384
#define SCRATCH SHIM_MESSAGE_MAX
/* How long output may keep the report of the end waiting: a client that does not read, or a process that has escaped
 * with the pipe. */
#define ENDING_GRACE_MS 2000
/* A log server that is slow gets the rest after the container's end was told, if it takes it within this time. */
#define LOG_REST_MS 60000
/* Buffers go back to the kernel after so much silence. */
#define TRIM_MS 300

enum shim_life {
    LIFE_WAITING,  /* no START yet */
    LIFE_RUNNING,  /* the container runs */
    LIFE_ENDED,    /* its init has ended, output is being drained */
    LIFE_REPORTED, /* the record is written, the daemon told if there is one */
};

_Static_assert(SCRATCH >= CHUNK && SCRATCH >= 2 * INPUT_CHUNK + DETACH_KEYS_MAX, "every read fits");

enum exec_life {
    EXEC_RUNNING,
    EXEC_ENDED,    /* the process has ended, output is being drained */
    EXEC_REPORTED, /* the record is written, the daemon told if there is one */
    EXEC_DONE,     /* the daemon knows, or there is none: clients may go */
};

/* One further process in the container. */
struct exec {
    struct shim *shim;
    struct exec *next;
    char *id;
    char *note; /* until it is written */
    enum exec_life life;
    bool transient; /* of no use without the daemon that asked: no records, killed when its connection ends */
    pid_t pid;
    int pid_fd;
    struct streams streams;
    int status;
    int64_t finished;
    struct loop_source *grace_timer;
};

struct shim {
    struct loop *loop;
    enum shim_life life;

    /* control.c */
    int control_fd, listen_fd;
    struct loop_source *control_source, *listen_source;
    bool acknowledged;

    /* start.c */
    char *title; /* argv[1], a placeholder of the length of an id: ps shows whose shim this is */
    int dir_fd;
    struct oci_spec *spec; /* until start_settle */
    bool start_failed;
    bool open_stdin, own_pid_namespace;
    char *cgroups_path;
    /* The container's root stays open until its end is reported: whoever closes an overlay last waits for a sync of the
     * file system below it, and that must not be the container's init. */
    int rootfs_fd;
    struct runtime_container container;
    struct driver *driver; /* NULL: the linked runtime */

    struct streams streams;
    char *scratch; /* SCRATCH bytes, mapped: every read goes there and is dealt with before the next */
    struct loop_source *trim_timer;

    /* exec.c */
    struct exec *execs;

    /* ending.c */
    int status;
    bool oom_killed;
    int64_t finished;
    bool cleaned;
    struct loop_source *grace_timer;
};

/* ---- init.c ---- */
/* Becomes the init of a container: runs the program that the arguments name (behind "--"). */
int init_main(int argc, char **argv);

/* ---- control.c ---- */
int control_open(struct shim *shim, struct error *err);
/* Listens for later daemons; takes the descriptor. */
int control_listen(struct shim *shim, int listen_fd, struct error *err);
void control_stop_listening(struct shim *shim);
/* Something the shim says by itself. Nothing happens without a daemon. */
void control_say(struct shim *shim, enum shim_message_type type, const void *fixed, size_t size, const char *text);
void control_state(const struct shim *shim, struct shim_state *ret);
void control_close(struct shim *shim);

/* ---- tail.c ---- */
struct tail {
    const char *data;
    size_t size;
    void *mapping; /* NULL: it lies in the message */
    size_t mapped;
};
#define CLEANUP_TAIL CLEANUP(tail_release)
/* The message's own tail, or the content of its descriptor `i`. */
int tail_open(struct tail *tail, struct shim_message *message, bool in_memfd, size_t i, struct error *err);
void tail_release(struct tail *tail);
/* The next `size` bytes of it; for sizes whose sum was checked. */
const char *tail_take(struct tail *tail, size_t size);
/* The same as a string of its own, NULL when it is empty. */
char *tail_take_text(struct tail *tail, size_t size);

/* ---- start.c ---- */
int start_container(struct shim *shim, struct shim_message *message, struct error *err);
/*
 * What need not happen before the daemon has its answer: writes SHIM_CONTAINER_NAME, for a daemon that finds neither us
 * nor an exit record, and gives back the memory that the start has taken.
 */
void start_settle(struct shim *shim);

/* ---- exec.c ---- */
/* EXEC: on success the process has exec'ed. */
int exec_start(struct shim *shim, struct shim_message *message, struct exec **ret, struct error *err);
/* What need not happen before the daemon has its answer: the note for a later daemon. May free the exec. */
void exec_settle(struct exec *exec);
/* NULL when there is none that lives or waits for its daemon. */
struct exec *exec_find(struct shim *shim, const char *id, size_t id_size);
/* A child has ended. */
void exec_ended(struct shim *shim, pid_t pid, int wait_status);
/* The daemon has taken note of the end. */
void exec_acknowledge(struct shim *shim, const char *id, size_t id_size);
/* The daemon's connection has ended. */
void exec_abandon_transient(struct shim *shim);
/* Moves all of them on as far as they can. */
void exec_advance(struct shim *shim);
/* The end of every one is recorded. */
bool exec_all_reported(const struct shim *shim);

/* ---- ending.c ---- */
int ending_watch(struct shim *shim, struct error *err);
/* SIGCHLD: reaps; notices the container's end. */
void ending_reap(struct shim *shim);
/* Moves on as far as it can; called after everything that happens. */
void ending_advance(struct shim *shim);
/* No container will ever run here. */
void ending_abandon(struct shim *shim);

#endif
