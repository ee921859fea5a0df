/*
 * What doryd and dory-shim say to each other: one message per SEQPACKET packet, a header, a fixed part and a tail.
 *
 * The shim outlives the daemon, so the two may be of different ages. Fixed parts only ever grow at their end: the
 * receiver takes what it knows of it, the rest reads as zero, and what it does not know is ignored. A type that the
 * receiver does not know is answered with SHIM_FAILED (ENOSYS). SHIM_VERSION changes when that is not enough.
 *
 * The daemon asks with a sequence number > 0 and gets exactly one answer that carries it: SHIM_OK, SHIM_FAILED,
 * SHIM_STATE, or SHIM_EXEC_STARTED. With sequence 0 nothing is answered. What the shim says by itself (SHIM_EXITED,
 * SHIM_CLEANED, SHIM_DETACHED, SHIM_LOG_FAILED, SHIM_EXEC_EXITED) has sequence 0.
 *
 * Life: descriptor 3 of a new shim is one end of a socketpair. ATTACH messages may come first, then START. If the
 * connection ends before START the shim exits. START carries a listening socket (exec_root/shim/ID/sock) on which a
 * later daemon connects and asks STATUS. After the container's end: the record is written, EXITED is sent, the cgroup
 * is removed, CLEANED is sent, and the shim goes once it was acknowledged (or has no daemon) and every client has its
 * output.
 *
 * EXEC starts a further process in the container. Its clients' connections end only after the daemon has acknowledged
 * EXEC_EXITED (or is gone), so that whoever sees the end of the stream and asks for the exit code gets it. The note
 * that came with EXEC, and the end, are kept as files for a later daemon, which removes them when it has no more use
 * for them; an exec that is transient has none, and is killed when the connection of its daemon ends.
 */
#ifndef DORY_DAEMON_SHIM_PROTOCOL_H
#define DORY_DAEMON_SHIM_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/fd.h"

#define SHIM_MAGIC 0x6d687364u /* "dshm" */
#define SHIM_VERSION 1
/* Largest packet. A START whose tail does not fit travels in a memfd. */
#define SHIM_MESSAGE_MAX (96 * 1024)
/* Largest packet once the container runs. */
#define SHIM_MESSAGE_SMALL 4096
/* Largest tail of START in a memfd: the spec, mostly its environment. */
#define SHIM_TAIL_MAX (32u << 20)
/* The descriptor that a new shim finds its control connection on. */
#define SHIM_CONTROL_FD 3

/* Names in exec_root/shim/ID/. */
#define SHIM_SOCKET_NAME "sock"
#define SHIM_EXIT_NAME "exit" /* {"status":0,"oom_killed":false,"finished":NS} */
/* {"shim":1,"shim_start_time":TICKS,"pid":1,"start_time":TICKS,"cgroups_path":""}; pid 0: another runtime makes it */
#define SHIM_CONTAINER_NAME "container"
#define SHIM_NETNS_NAME "netns"       /* where another runtime finds the network namespace */
#define SHIM_USERNS_NAME "userns"     /* and the user namespace that this belongs to, unless that is the host's */
#define SHIM_EXEC_PREFIX "exec."      /* exec.EXECID: {"pid":1,"note":...} */
#define SHIM_EXEC_EXIT_SUFFIX ".exit" /* exec.EXECID.exit: {"status":0,"finished":NS} */

enum shim_message_type {
    /* requests */
    SHIM_START = 1,        /* struct shim_start_request; descriptors by its flags; answer: SHIM_STATE */
    SHIM_ATTACH,           /* struct shim_attach_request, tail: detach keys; one descriptor */
    SHIM_RESIZE,           /* struct shim_resize_request */
    SHIM_SIGNAL,           /* struct shim_signal_request */
    SHIM_STATUS,           /* answer: SHIM_STATE */
    SHIM_ACKNOWLEDGE,      /* the daemon has taken note of EXITED; never answered */
    SHIM_END,              /* kill the container; EXITED follows */
    SHIM_EXEC,             /* struct shim_exec_request; answer: SHIM_EXEC_STARTED */
    SHIM_EXEC_RESIZE,      /* struct shim_resize_request, tail: id of the exec */
    SHIM_EXEC_SIGNAL,      /* struct shim_signal_request, tail: id of the exec */
    SHIM_EXEC_ACKNOWLEDGE, /* tail: id of the exec; the daemon has taken note of EXEC_EXITED; never answered */
    /* answers */
    SHIM_OK = 64,
    SHIM_FAILED,       /* struct shim_failure, tail: message */
    SHIM_STATE,        /* struct shim_state, tail: cgroups path; while it runs one descriptor: pidfd of the container */
    SHIM_EXEC_STARTED, /* struct shim_exec_started */
    /* by itself */
    SHIM_EXITED = 128, /* struct shim_state */
    SHIM_CLEANED,      /* the cgroup is gone: the container may be started again */
    SHIM_DETACHED,     /* a client has left by its detach keys; tail: id of the exec, or nothing: the container's */
    SHIM_LOG_FAILED,   /* struct shim_failure: the log cannot be written; said once until it works again */
    SHIM_EXEC_EXITED,  /* struct shim_exec_exit, tail: id of the exec */
};

struct shim_header {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t sequence;
    uint32_t fixed_size; /* bytes of the fixed part that follows; the rest of the packet is the tail */
};

enum shim_start_flags {
    SHIM_FLAG_TTY = 1 << 0,
    SHIM_FLAG_OPEN_STDIN = 1 << 1,
    SHIM_FLAG_STDIN_ONCE = 1 << 2,
    SHIM_FLAG_INIT = 1 << 3,
    SHIM_FLAG_HAS_ROOTFS = 1 << 4,
    SHIM_FLAG_HAS_NETNS = 1 << 5,
    SHIM_FLAG_TAIL_IN_MEMFD = 1 << 6, /* the tail is the content of the last descriptor */
    SHIM_FLAG_LOG_COMPRESS = 1 << 7,
};

/*
 * Descriptors in this order: listening socket, directory exec_root/shim/ID, then rootfs, netns and memfd if flagged.
 * The tail is the id, the spec, the seccomp program, the log's path, the log's attributes, the log's sink (the
 * configuration of shim_sink.h) and the runtime, one after the other. The runtime is a JSON array: the program that
 * runs the container in the shim's place, and its first arguments. Its network namespace is then SHIM_NETNS_NAME of the
 * directory, for the spec to name.
 */
struct shim_start_request {
    uint32_t flags;
    uint16_t rows, columns;
    uint32_t id_size, spec_size, seccomp_size, log_path_size /* 0: no log */, log_attrs_size /* 0: none */;
    uint32_t log_max_files;
    uint64_t log_max_size; /* bytes; 0: unlimited */
    uint32_t seccomp_flags, log_sink_size /* 0: none */;
    uint32_t runtime_size /* 0: the shim's own */, reserved;
};

enum shim_attach_flags {
    SHIM_ATTACH_STDIN = 1 << 0,
    SHIM_ATTACH_STDOUT = 1 << 1,
    SHIM_ATTACH_STDERR = 1 << 2,
    SHIM_ATTACH_KEYS = 1 << 3, /* the tail has the detach keys; empty: none. Else the default keys */
};
struct shim_attach_request {
    uint32_t flags;
};

struct shim_resize_request {
    uint16_t rows, columns;
};

struct shim_signal_request {
    int32_t signal;
};

enum shim_exec_flags {
    SHIM_EXEC_TTY = 1 << 0,
    SHIM_EXEC_STDIN = 1 << 1, /* what the client takes part in; the rest is /dev/null */
    SHIM_EXEC_STDOUT = 1 << 2,
    SHIM_EXEC_STDERR = 1 << 3,
    SHIM_EXEC_CLIENT = 1 << 4, /* the first descriptor is the client's connection; else nobody is attached */
    SHIM_EXEC_KEYS = 1 << 5,   /* the tail has the detach keys; empty: none. Else the default keys */
    SHIM_EXEC_TRANSIENT = 1 << 6,
    SHIM_EXEC_RAW = 1 << 7,           /* the client gets no frames */
    SHIM_EXEC_TAIL_IN_MEMFD = 1 << 8, /* the tail is the content of the last descriptor */
};

/* The tail is the exec's id, the spec's `process`, the seccomp program, the detach keys and the note (JSON). */
struct shim_exec_request {
    uint32_t flags;
    uint16_t rows, columns;
    uint32_t id_size, process_size, seccomp_size, keys_size, note_size;
    uint32_t seccomp_flags;
};

struct shim_exec_started {
    int32_t pid;
};

struct shim_exec_exit {
    int32_t status; /* exit code, or 128 + signal */
    uint32_t reserved;
    int64_t finished;
};

struct shim_failure {
    int32_t kind, errnum; /* enum error_kind, errno */
};

enum shim_phase { SHIM_PHASE_RUNNING = 1, SHIM_PHASE_ENDED = 2 };

struct shim_state {
    uint32_t phase;
    int32_t pid;
    int32_t status; /* from here on: once it has ended */
    uint32_t oom_killed;
    int64_t finished;
};

/* A message taken apart. Pointers lead into the receive buffer. The descriptors are the receiver's. */
struct shim_message {
    struct shim_header header;
    const char *fixed;
    const char *tail;
    size_t tail_size;
    int fds[FD_PASS_MAX];
    size_t fd_count;
};

#define CLEANUP_SHIM_MESSAGE CLEANUP(shim_message_release)

/* What one message is made of; the sender keeps everything. */
struct shim_outgoing {
    enum shim_message_type type;
    uint32_t sequence;
    const void *fixed;
    size_t fixed_size;
    const void *tail;
    size_t tail_size;
    const int *fds;
    size_t fd_count;
};

/* One packet. Blocks as the socket does. 0 or -errno (EPIPE: the other side is gone). */
int shim_message_send(int socket_fd, const struct shim_outgoing *message);

/* Takes a packet apart without touching descriptors. -EPROTO when it is none of ours. */
int shim_message_parse(const char *packet, size_t size, struct shim_message *ret);

/* Receives one packet into `buffer`. 1: a message; 0: the other side is gone; or -errno. */
int shim_message_receive(int socket_fd, char *buffer, size_t size, struct shim_message *ret);

/* Closes the descriptors that nobody has taken (those not -1). */
void shim_message_release(struct shim_message *message);

/* The fixed part as this side knows it: missing bytes are zero. */
void shim_message_fixed(const struct shim_message *message, void *ret, size_t size);

/* SHIM_FAILED and SHIM_LOG_FAILED as an error. Returns -errno. */
int shim_message_error(const struct shim_message *message, struct error *err);

/* The i-th descriptor is taken over by the caller; -1 if there is none. */
int shim_message_take_fd(struct shim_message *message, size_t i);

#endif
