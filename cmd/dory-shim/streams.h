/*
 * What goes in and out of one process of the container, its init or an exec: pipes or a terminal, the clients that are
 * attached to it, and the container's log.
 */
#ifndef DORY_CMD_SHIM_STREAMS_H
#define DORY_CMD_SHIM_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/detach_keys.h"
#include "base/error.h"
#include "base/loop.h"
#include "daemon/shim_log.h"
#include "daemon/shim_protocol.h"

struct shim;
struct streams;

/* One of a process's outputs: a pipe, or the terminal (as stdout). */
struct output {
    struct streams *streams;
    enum log_stream stream;
    int fd;                     /* -1: ended */
    struct loop_source *source; /* NULL while it is held back because a client is slow */
};

/* The one way into the process: the write end of its stdin, or the terminal. */
struct input {
    int fd;                     /* -1: none, or closed */
    struct loop_source *source; /* while it is full */
};

struct client {
    struct streams *streams;
    struct client *next;
    int fd; /* -1: dropped, freed at the end of the pass */
    struct loop_source *source;
    bool to_stdin, from_stream[LOG_STREAM_COUNT];
    bool input_ended;
    struct detach_matcher matcher;
    char *queue; /* what the socket did not take yet */
    size_t queue_size, queue_sent;
    char *pending; /* what the process's stdin did not take yet */
    size_t pending_size, pending_sent;
};

/* What goes in and out of one process: the container's init, or an exec. */
struct streams {
    struct shim *shim;
    const char *exec_id; /* NULL: the container's. Not owned */
    bool tty, stdin_once;
    bool raw;        /* clients get the output without frames */
    bool running;    /* clients are served; before that they wait */
    bool grace_over; /* no more patience: what has not ended by itself is cut off */
    struct output outputs[LOG_STREAM_COUNT];
    struct input input;
    struct client *clients;
    struct log_writer *log; /* NULL: none */
    struct log_sink *rest;  /* the log's, after its end, while something has still to be sent */
    bool log_failing;
    struct loop_source *log_source; /* while a sink has something to send, or waits for an answer */
    uint32_t log_events;            /* what it waits for */
    struct loop_source *log_timer;  /* while its time is limited, or it is without a connection */
    struct loop_source *rest_timer; /* then the server has had its time */
};

/* ---- streams.c ---- */
/* The two sides of a process's descriptors 0, 1 and 2: -1 where it has /dev/null or the terminal. */
struct streams_pipes {
    int theirs[3];
    int ours[3];
};
#define STREAMS_PIPES_INIT                                                                                             \
    {                                                                                                                  \
        {-1, -1, -1},                                                                                                  \
        {                                                                                                              \
            -1, -1, -1                                                                                                 \
        }                                                                                                              \
    }
void streams_init(struct streams *streams, struct shim *shim);
int streams_make_pipes(struct streams_pipes *pipes, bool use_stdin, bool use_stdout, bool use_stderr,
                       struct error *err);
void streams_release_pipes(struct streams_pipes *pipes);
/* Begins to serve a process that runs; takes our ends, or the terminal (console_fd >= 0), over. */
int streams_open(struct streams *streams, struct streams_pipes *pipes, int console_fd, bool use_stdin,
                 struct error *err);
/* Everything that is held for it is closed and freed. */
void streams_release(struct streams *streams);

/* ---- log.c: a process without a log is fine ---- */
void log_add(struct streams *streams, enum log_stream stream, const char *data, size_t size);
void log_end(struct streams *streams, enum log_stream stream);
/* What it is sent to cannot keep up: the process has to wait. */
bool log_is_slow(const struct streams *streams);
bool log_all_sent(const struct streams *streams);
/* The file is closed. What a server has not taken yet is sent for LOG_REST_MS more: until log_all_sent(), for which
 * ending_advance() looks. */
void log_close(struct streams *streams);

/* ---- output.c ---- */
int output_open(struct streams *streams, enum log_stream stream, int fd, struct error *err);
/* Starts or stops reading according to what the clients can take. */
void output_update(struct streams *streams);
bool output_ended(const struct streams *streams);
/* The process is gone: reads what is there already and ends. */
void output_finish(struct streams *streams);

/* ---- client.c ---- */
int client_add(struct streams *streams, const struct shim_attach_request *request, const struct detach_keys *keys,
               int fd, struct error *err);
/* Begins to watch those that came before the start. */
void client_start_all(struct streams *streams);
/* One frame to everyone who wants the stream. */
void client_broadcast(struct streams *streams, enum log_stream stream, const char *data, size_t size);
bool client_is_slow(const struct streams *streams, enum log_stream stream);
/* Everything that was read from the process is out. */
bool client_all_sent(const struct streams *streams);
void client_drop(struct client *client);
/* What the loop should wait for, from the client's state. */
void client_update(struct client *client);
/* Once the outputs have ended: closes those who have everything. True when none is left. */
bool client_finish_all(struct streams *streams);
void client_sweep(struct streams *streams); /* frees the dropped */

/* ---- input.c ---- */
/* The client's socket has something, or its end. */
void input_from_client(struct client *client);
/* Closes the process's stdin for good. */
void input_close(struct streams *streams);

#endif
