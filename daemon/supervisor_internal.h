/* What the files of supervisor*.c share; for nobody else. */
#ifndef DORY_DAEMON_SUPERVISOR_INTERNAL_H
#define DORY_DAEMON_SUPERVISOR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "daemon/shim_protocol.h"
#include "daemon/supervisor.h"

/* How long a shim may take to answer anything but a start. */
#define SHIM_ANSWER_SECONDS 10

enum watch_kind { WATCH_WAKE, WATCH_REFILL, WATCH_SOCKET, WATCH_PROCESS };

/* What epoll gives back. A watch of a shim holds a reference to it, and only the supervisor's thread takes it away. */
struct watch {
    enum watch_kind kind;
    bool active;
    struct shim *shim;
};

/*
 * `lock` guards the list, `warm`, and the flags of the shims in it; `changed` is signalled when one of those becomes
 * cleaned or gone. A shim's own `lock` guards its answer. Neither is held while the other is taken, nor in callbacks.
 */
struct supervisor {
    struct supervisor_options options;
    int root_fd;  /* exec_root/shim */
    int image_fd; /* sealed copy of the program */
    int epoll_fd, wake_fd, refill_fd;
    struct watch wake_watch, refill_watch;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct shim *shims; /* those that are watched */
    struct shim *warm;  /* idle one; a reference of its own */
    bool closing;
};

struct answer {
    uint32_t sequence; /* 0: nobody waits */
    bool ready;
    int result;
    pid_t pid; /* of SHIM_EXEC_STARTED */
    struct error error;
};

struct shim {
    atomic_int references;
    struct supervisor *supervisor;
    struct shim *previous, *next;
    char *id; /* NULL while warm */
    int socket_fd;
    int process_fd;        /* pidfd of the shim when it is our child, or -1 */
    int container_fd;      /* pidfd of the container, or -1 */
    int listen_fd, dir_fd; /* until START */
    pid_t container_pid;
    char *cgroups_path;
    struct watch socket_watch, process_watch;
    bool started, exited, cleaned, gone;
    pthread_mutex_t request_lock; /* one request at a time */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    uint32_t sequence;
    struct answer answer;
};

/* supervisor_shim.c */
struct shim *shim_new(struct supervisor *supervisor);
/* Puts it into the supervisor's list and the descriptor into epoll. */
int shim_watch(struct shim *shim, struct watch *watch, int fd, struct error *err);
/* The supervisor's thread only. */
void shim_unwatch(struct watch *watch, int *fd);
/* The connection is gone: whoever waits for an answer or for the cgroup is let go. */
void shim_set_gone(struct shim *shim);
void shim_set_cleaned(struct shim *shim);
void shim_on_message(struct shim *shim, struct shim_message *message);
void shim_on_hangup(struct shim *shim);
/* SHIM_STATE: takes pid, descriptor and cgroup. */
void shim_take_state(struct shim *shim, struct shim_message *message, struct shim_state *ret);
int shim_send(struct shim *shim, enum shim_message_type type, uint32_t sequence, const void *fixed, size_t size);

/* Sends the message with a sequence number of its own and waits for the answer; ret_pid may be NULL. */
int shim_request(struct shim *shim, struct shim_outgoing *message, pid_t *ret_pid, struct error *err);

/* supervisor_start.c */
/* Moves a tail that is too long for a packet into a memfd, which is the caller's. */
int shim_tail_to_memfd(struct strbuf *tail, int *ret_fd, struct error *err);

/* supervisor_exec.c */
void shim_on_exec_exited(struct shim *shim, struct shim_message *message);

/* supervisor_spawn.c */
int supervisor_copy_image(const char *path, int *ret_fd, struct error *err);
void supervisor_refill_soon(struct supervisor *supervisor);
void supervisor_refill(struct supervisor *supervisor);
void supervisor_reap(struct shim *shim);
void supervisor_remove_directory(struct supervisor *supervisor, const char *id);

/* supervisor_orphan.c: what a shim that died has left */
/* Kills the container behind the descriptor and waits for its end; removes its cgroup. */
void orphan_kill(int container_fd, const char *cgroups_path);
/* By the note in its directory: also the shim, should it live and hang, with the runtime that it waits for. True when
 * there was a container, or a shim, alive. */
bool orphan_kill_recorded(int dir_fd);
/* By the note: the container's process lives. */
bool orphan_is_up(int dir_fd);

#endif
