/*
 * dory-shim: the parent of one container. It owns the container's pipes or terminal, writes its log, carries its
 * streams to and from the attached clients, and knows how it ended. It is started by doryd and outlives it; what the
 * two say to each other is in daemon/shim_protocol.h. One thread, one event loop, and little memory: there is one of
 * these per running container.
 *
 *   main.c     the process: signals, identity, loop
 *   control.c  the daemon's connection and its requests
 *   start.c    START: spec, log, pipes, runtime
 *   output.c   container -> log and clients
 *   client.c   attached clients and what waits to be sent to them
 *   input.c    clients -> container
 *   ending.c   the end: status, record, report, cgroup, exit
 */
#ifndef DORY_CMD_SHIM_SHIM_H
#define DORY_CMD_SHIM_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/detach_keys.h"
#include "base/error.h"
#include "base/loop.h"
#include "daemon/shim_log.h"
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
/* Buffers go back to the kernel after so much silence. */
#define TRIM_MS 300

enum shim_life {
    LIFE_WAITING,  /* no START yet */
    LIFE_RUNNING,  /* the container runs */
    LIFE_ENDED,    /* its init has ended, output is being drained */
    LIFE_REPORTED, /* the record is written, the daemon told if there is one */
};

_Static_assert(SCRATCH >= CHUNK && SCRATCH >= 2 * INPUT_CHUNK + DETACH_KEYS_MAX, "every read fits");

struct shim;

/* One of the container's outputs: a pipe, or the terminal (as stdout). */
struct output {
    struct shim *shim;
    enum log_stream stream;
    int fd;                     /* -1: ended */
    struct loop_source *source; /* NULL while it is held back because a client is slow */
};

/* The one way into the container: the write end of its stdin, or the terminal. */
struct input {
    int fd;                     /* -1: none, or closed */
    struct loop_source *source; /* while it is full */
};

struct client {
    struct shim *shim;
    struct client *next;
    int fd; /* -1: dropped, freed at the end of the pass */
    struct loop_source *source;
    bool to_stdin, from_stream[LOG_STREAM_COUNT];
    bool input_ended;
    struct detach_matcher matcher;
    char *queue; /* what the socket did not take yet */
    size_t queue_size, queue_sent;
    char *pending; /* what the container's stdin did not take yet */
    size_t pending_size, pending_sent;
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
    bool tty, open_stdin, stdin_once, own_pid_namespace;
    char *cgroups_path;
    /* The container's root stays open until its end is reported: whoever closes an overlay last waits for a sync of the
     * file system below it, and that must not be the container's init. */
    int rootfs_fd;
    struct runtime_container container;

    struct output outputs[LOG_STREAM_COUNT];
    struct input input;
    struct log_writer *log;
    bool log_failing;
    char *scratch; /* SCRATCH bytes, mapped: every read goes there and is dealt with before the next */
    struct loop_source *trim_timer;
    struct client *clients;

    /* ending.c */
    int status;
    bool oom_killed;
    int64_t finished;
    bool grace_over, cleaned;
    struct loop_source *grace_timer;
};

/* ---- control.c ---- */
int control_open(struct shim *shim, struct error *err);
/* Listens for later daemons; takes the descriptor. */
int control_listen(struct shim *shim, int listen_fd, struct error *err);
void control_stop_listening(struct shim *shim);
/* Something the shim says by itself. Nothing happens without a daemon. */
void control_say(struct shim *shim, enum shim_message_type type, const void *fixed, size_t size, const char *text);
void control_state(const struct shim *shim, struct shim_state *ret);
void control_close(struct shim *shim);

/* ---- start.c ---- */
int start_container(struct shim *shim, struct shim_message *message, struct error *err);
/*
 * What need not happen before the daemon has its answer: writes SHIM_CONTAINER_NAME, for a daemon that finds neither us
 * nor an exit record, and gives back the memory that the start has taken.
 */
void start_settle(struct shim *shim);

/* ---- output.c ---- */
int output_open(struct shim *shim, enum log_stream stream, int fd, struct error *err);
/* Starts or stops reading according to what the clients can take. */
void output_update(struct shim *shim);
bool output_ended(const struct shim *shim);
/* The container is gone: reads what is there already and ends. */
void output_finish(struct shim *shim);

/* ---- client.c ---- */
int client_add(struct shim *shim, const struct shim_attach_request *request, const struct detach_keys *keys, int fd,
               struct error *err);
/* Begins to watch those that came before the start. */
void client_start_all(struct shim *shim);
/* One frame to everyone who wants the stream. */
void client_broadcast(struct shim *shim, enum log_stream stream, const char *data, size_t size);
bool client_is_slow(const struct shim *shim, enum log_stream stream);
/* Everything that was read from the container is out. */
bool client_all_sent(const struct shim *shim);
void client_drop(struct client *client);
/* What the loop should wait for, from the client's state. */
void client_update(struct client *client);
/* Once the outputs have ended: closes those who have everything. True when none is left. */
bool client_finish_all(struct shim *shim);
void client_sweep(struct shim *shim); /* frees the dropped */

/* ---- input.c ---- */
/* The client's socket has something, or its end. */
void input_from_client(struct client *client);
/* Closes the container's stdin for good. */
void input_close(struct shim *shim);

/* ---- ending.c ---- */
int ending_watch(struct shim *shim, struct error *err);
/* SIGCHLD: reaps; notices the container's end. */
void ending_reap(struct shim *shim);
/* Moves on as far as it can; called after everything that happens. */
void ending_advance(struct shim *shim);
/* No container will ever run here. */
void ending_abandon(struct shim *shim);

#endif
