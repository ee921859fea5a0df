/*
 * Supervision, the daemon's half: spawns one dory-shim per container, gives it what it needs, hears of its exit, and
 * finds it again after a restart of the daemon. The other half is cmd/dory-shim/; between them runs the protocol of
 * daemon/shim_protocol.h over a SEQPACKET socket.
 *
 * Start is in two calls so that the shim's own start-up overlaps with the preparation of root and network:
 * supervisor_spawn() returns as soon as the process exists; shim_start() hands everything over and waits for exec.
 * The shim runs from a sealed memfd copy of its binary, made once by supervisor_open(). One idle shim is kept ready, so
 * that a start does not wait for a process to come up.
 *
 * The callbacks run in the supervisor's own thread, without locks held. They may come before shim_start() has returned,
 * must not wait for anything that needs a shim, and must not call shim_start or the requests below (they would wait for
 * this very thread): those fail with EDEADLK. A shim that dies without a word (killed by hand) takes its container
 * along, which is then reported with status 137.
 */
#ifndef DORY_DAEMON_SUPERVISOR_H
#define DORY_DAEMON_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strmap.h"
#include "base/strv.h"

struct json;
struct supervisor;
struct shim; /* reference counted, thread-safe */

struct shim_exit {
    int status; /* 0-255: exit code, or 128 + signal */
    bool oom_killed;
    int64_t finished; /* ns since the epoch, as the shim saw it */
};

struct supervisor_options {
    const char *exec_root; /* <exec_root>/shim/ID/ holds the socket (0600), a note of the container, the exit record */
    const char *shim_path; /* the dory-shim program */
    /* Called from the supervisor's own thread, once per container, when its process has ended and all its output is in
     * the log and with the attached clients (the shim waits for pipes to reach end of file, but at most briefly when
     * background processes hold them). */
    void (*exited)(const char *id, const struct shim_exit *exit, void *data);
    /* A client has left by typing its detach keys: the container's, or (exec_id not NULL) an exec's. From the
     * supervisor's thread. May be NULL. */
    void (*detached)(const char *id, const char *exec_id, void *data);
    /* An exec has ended; may come before shim_exec() has returned. From the supervisor's thread. May be NULL. */
    void (*exec_exited)(const char *id, const char *exec_id, const struct shim_exit *exit, void *data);
    void *data;
};

int supervisor_open(const struct supervisor_options *options, struct supervisor **ret, struct error *err);
/* Nothing is reported any more; what was reported can still be worked off, up to supervisor_close(). NULL is fine. */
void supervisor_stop(struct supervisor *supervisor);
/* Closes the daemon's side only: shims and containers go on. */
void supervisor_close(struct supervisor *supervisor);

/* Where another runtime finds the network namespace that a start of `id` hands over; the caller frees. */
char *supervisor_netns_path(const struct supervisor *supervisor, const char *id);

/* Likewise the user namespace that this belongs to. */
char *supervisor_userns_path(const struct supervisor *supervisor, const char *id);

int supervisor_spawn(struct supervisor *supervisor, const char *id, struct shim **ret, struct error *err);

/* A client to be attached: the descriptor goes to the shim, which speaks docker's stream format on it (raw with a tty,
 * 8-byte frame headers without), and closes it. */
struct shim_attach {
    int fd;
    bool use_stdin, use_stdout, use_stderr;
    const char *detach_keys; /* "ctrl-p,ctrl-q" style; NULL: the default; "" none */
};

/* Where the output goes beside the clients; zeroed: nowhere. */
struct shim_log {
    const char *path;   /* a json-file; its directory must exist. NULL: no file */
    uint64_t max_size;  /* bytes; 0: unlimited */
    unsigned max_files; /* with max_size */
    bool compress;
    const struct strmap *attrs; /* go into each record; may be NULL */
    const char *sink;           /* the configuration of daemon/shim_sink.h, or NULL */
};

struct shim_start {
    const char *spec_json; /* the OCI runtime spec */
    size_t spec_size;
    int rootfs_fd;           /* detached mount */
    int netns_fd;            /* -1: as the spec says */
    const void *seccomp_bpf; /* ready program, NULL: none */
    size_t seccomp_size;
    unsigned seccomp_flags; /* SECCOMP_FILTER_FLAG_* */
    bool tty, open_stdin, stdin_once, init;
    /* Another OCI runtime: its program and first arguments; NULL or empty: the shim's own. Such a spec has everything
     * in it: neither seccomp_bpf nor init is used, and the network namespace, if netns_fd is one, is named by
     * supervisor_netns_path(). */
    const struct strv *runtime;
    uint16_t tty_rows, tty_columns;
    struct shim_log log;
    const struct shim_attach *attaches; /* clients waiting since before the start */
    size_t attach_count;
};

/* Waits until the container's process has exec'ed; *ret_pid is it. Errors are those of runtime_container_start(). After
 * a failure the shim is gone. Attach descriptors are consumed in every case. */
int shim_start(struct shim *shim, const struct shim_start *start, pid_t *ret_pid, struct error *err);

int shim_add_client(struct shim *shim, const struct shim_attach *attach, struct error *err);
int shim_resize(struct shim *shim, uint16_t rows, uint16_t columns, struct error *err);
/* To the container's init. ESRCH when it has ended. A shim that does not answer to SIGKILL within 10 s is given up: it
 * and its container are killed as if the shim had died, and 0 is returned. */
int shim_signal(struct shim *shim, int signal, struct error *err);

/* A further process in the container. */
struct shim_exec {
    const char *exec_id;      /* unique among the container's; the files of its record are named by it */
    const char *process_json; /* the OCI spec's `process` */
    size_t process_size;
    const void *seccomp_bpf; /* NULL: none */
    size_t seccomp_size;
    unsigned seccomp_flags;
    bool tty;
    uint16_t tty_rows, tty_columns;
    bool raw;                         /* the client gets the output without frames, also where there is no terminal */
    bool transient;                   /* no record, and ended when the daemon goes: for the daemon's own use */
    const char *note;                 /* JSON that supervisor_find_execs() gives back; unused when transient */
    const struct shim_attach *attach; /* the client, or NULL: nobody. The shim duplicates fd, which stays the caller's,
                                         and closes it only when the end was given to exec_exited() */
};
/* Waits until the process has exec'ed. Errors are those of runtime_exec_start(); nothing is left then. */
int shim_exec(struct shim *shim, const struct shim_exec *exec, pid_t *ret_pid, struct error *err);
/* ESRCH when it has ended. */
int shim_exec_resize(struct shim *shim, const char *exec_id, uint16_t rows, uint16_t columns, struct error *err);
int shim_exec_signal(struct shim *shim, const char *exec_id, int signal, struct error *err);
/* For a shim that was spawned but must not start: ends it. */
void shim_abandon(struct shim *shim);
struct shim *shim_ref(struct shim *shim);
void shim_unref(struct shim *shim);

/* What is left of container `id` after the daemon restarted. */
enum shim_found {
    SHIM_RUNNING, /* *ret_shim and *ret_pid are set; `exited` will be called when it ends */
    SHIM_ENDED,   /* it ended while no daemon looked: *ret_exit is set from its record */
    SHIM_NONE,    /* nothing is there (machine rebooted, never started) */
};
int supervisor_find(struct supervisor *supervisor, const char *id, enum shim_found *ret_found, struct shim **ret_shim,
                    pid_t *ret_pid, struct shim_exit *ret_exit, struct error *err);
/* The container's execs as their records tell: those that run (exit NULL; exec_exited will be called) and those that
 * have ended. `found` may be called for the same one twice, the second time with its end. */
void supervisor_find_execs(struct supervisor *supervisor, const char *id,
                           void (*found)(const char *exec_id, pid_t pid, const struct json *note,
                                         const struct shim_exit *exit, void *data),
                           void *data);
/* Removes the record of an exec that has ended. */
void supervisor_forget_exec(struct supervisor *supervisor, const char *id, const char *exec_id);
/* Removes <exec_root>/shim/ID after the engine has taken note of the exit. */
void supervisor_forget(struct supervisor *supervisor, const char *id);
/* Directories under <exec_root>/shim that belong to no id in `known` are leftovers: ended and removed. */
int supervisor_sweep(struct supervisor *supervisor, bool (*known)(const char *id, void *data), void *data,
                     struct error *err);

#endif
