#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "base/condition.h"
#include "base/detach_keys.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/supervisor_internal.h"

struct shim *shim_new(struct supervisor *supervisor)
{
    struct shim *shim = xcalloc(1, sizeof(*shim));

    atomic_init(&shim->references, 1);
    shim->supervisor = supervisor;
    shim->socket_fd = shim->process_fd = shim->container_fd = shim->listen_fd = shim->dir_fd = -1;
    shim->socket_watch = (struct watch){.kind = WATCH_SOCKET, .shim = shim};
    shim->process_watch = (struct watch){.kind = WATCH_PROCESS, .shim = shim};
    pthread_mutex_init(&shim->request_lock, NULL);
    pthread_mutex_init(&shim->lock, NULL);
    pthread_cond_init(&shim->answered, NULL);
    return shim;
}

struct shim *shim_ref(struct shim *shim)
{
    atomic_fetch_add(&shim->references, 1);
    return shim;
}

void shim_unref(struct shim *shim)
{
    if (!shim || atomic_fetch_sub(&shim->references, 1) > 1)
        return;
    fd_close(shim->socket_fd);
    fd_close(shim->process_fd);
    fd_close(shim->container_fd);
    fd_close(shim->listen_fd);
    fd_close(shim->dir_fd);
    free(shim->cgroups_path);
    free(shim->id);
    pthread_cond_destroy(&shim->answered);
    pthread_mutex_destroy(&shim->lock);
    pthread_mutex_destroy(&shim->request_lock);
    free(shim);
}

static bool is_listed(const struct shim *shim)
{
    return shim->socket_watch.active || shim->process_watch.active;
}

static void enlist(struct supervisor *s, struct shim *shim)
{
    shim->previous = NULL;
    shim->next = s->shims;
    if (s->shims)
        s->shims->previous = shim;
    s->shims = shim;
}

static void delist(struct supervisor *s, struct shim *shim)
{
    if (shim->previous)
        shim->previous->next = shim->next;
    else
        s->shims = shim->next;
    if (shim->next)
        shim->next->previous = shim->previous;
}

int shim_watch(struct shim *shim, struct watch *watch, int fd, struct error *err)
{
    struct supervisor *s = shim->supervisor;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
    int r = 0;

    shim_ref(shim);
    pthread_mutex_lock(&s->lock);
    if (!is_listed(shim))
        enlist(s, shim);
    watch->active = true;
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        r = -errno;
        watch->active = false;
        if (!is_listed(shim))
            delist(s, shim);
    }
    pthread_mutex_unlock(&s->lock);
    if (r < 0) {
        shim_unref(shim);
        return error_errno(err, r, "watch the container's shim");
    }
    return 0;
}

void shim_unwatch(struct watch *watch, int *fd)
{
    struct shim *shim = watch->shim;
    struct supervisor *s = shim->supervisor;
    bool active;

    pthread_mutex_lock(&s->lock);
    active = watch->active;
    if (active) {
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
        watch->active = false;
        if (!is_listed(shim))
            delist(s, shim);
    }
    pthread_mutex_unlock(&s->lock);
    if (!active)
        return;
    /* A request may be about to use the socket: it is closed with the last reference. */
    if (watch->kind == WATCH_PROCESS)
        fd_close_ptr(fd);
    shim_unref(shim);
}

static void set_flag(struct shim *shim, bool *flag)
{
    pthread_mutex_lock(&shim->supervisor->lock);
    *flag = true;
    pthread_cond_broadcast(&shim->supervisor->changed);
    pthread_mutex_unlock(&shim->supervisor->lock);
}

void shim_set_cleaned(struct shim *shim)
{
    set_flag(shim, &shim->cleaned);
}

void shim_set_gone(struct shim *shim)
{
    set_flag(shim, &shim->gone);
    pthread_mutex_lock(&shim->lock);
    if (shim->answer.sequence && !shim->answer.ready) {
        shim->answer.ready = true;
        shim->answer.result = error_set(&shim->answer.error, ERROR_CONFLICT, ESRCH, "container is not running");
    }
    pthread_cond_broadcast(&shim->answered);
    pthread_mutex_unlock(&shim->lock);
}

static bool is_gone(struct shim *shim)
{
    bool gone;

    pthread_mutex_lock(&shim->supervisor->lock);
    gone = shim->gone || shim->exited;
    pthread_mutex_unlock(&shim->supervisor->lock);
    return gone;
}

/* ---- what the shim says ---- */

static void take_answer(struct shim *shim, struct shim_message *message)
{
    pthread_mutex_lock(&shim->lock);
    if (shim->answer.sequence == message->header.sequence && !shim->answer.ready) {
        shim->answer.ready = true;
        shim->answer.result =
            message->header.type == SHIM_FAILED ? shim_message_error(message, &shim->answer.error) : 0;
        if (message->header.type == SHIM_EXEC_STARTED) {
            struct shim_exec_started started;

            shim_message_fixed(message, &started, sizeof(started));
            shim->answer.pid = started.pid;
        }
        pthread_cond_broadcast(&shim->answered);
    }
    pthread_mutex_unlock(&shim->lock);
}

static void report_exit(struct shim *shim, const struct shim_exit *exit)
{
    const struct supervisor_options *options = &shim->supervisor->options;

    set_flag(shim, &shim->exited);
    options->exited(shim->id, exit, options->data);
}

static void on_exited(struct shim *shim, struct shim_message *message)
{
    struct shim_state state;
    struct shim_exit exit;

    shim_message_fixed(message, &state, sizeof(state));
    exit = (struct shim_exit){.status = state.status, .oom_killed = state.oom_killed != 0, .finished = state.finished};
    report_exit(shim, &exit);
    /* When this does not arrive the shim is gone already. */
    shim_send(shim, SHIM_ACKNOWLEDGE, 0, NULL, 0);
}

static void on_detached(struct shim *shim, const struct shim_message *message)
{
    const struct supervisor_options *options = &shim->supervisor->options;
    CLEANUP_FREE char *exec_id = message->tail_size ? xstrndup(message->tail, message->tail_size) : NULL;

    if (options->detached)
        options->detached(shim->id, exec_id, options->data);
}

void shim_on_message(struct shim *shim, struct shim_message *message)
{
    if (message->header.sequence > 0) {
        take_answer(shim, message);
        return;
    }
    switch (message->header.type) {
    case SHIM_EXITED:
        on_exited(shim, message);
        break;
    case SHIM_CLEANED:
        shim_set_cleaned(shim);
        break;
    case SHIM_DETACHED:
        on_detached(shim, message);
        break;
    case SHIM_EXEC_EXITED:
        shim_on_exec_exited(shim, message);
        break;
    case SHIM_LOG_FAILED:
        log_warn("container %s: its log cannot be written: %.*s", shim->id, (int)message->tail_size, message->tail);
        break;
    default:
        log_debug("container %s: its shim says something unknown (%u)", shim->id, message->header.type);
    }
}

void shim_on_hangup(struct shim *shim)
{
    struct shim_exit killed = {.status = 137};

    if (!shim->exited) {
        log_error("container %s: its shim is gone, ending the container", shim->id);
        /* It may hang instead. One that is not our child ends by itself when it goes on. */
        if (shim->process_fd >= 0)
            pidfd_send_signal(shim->process_fd, SIGKILL, NULL, 0);
        orphan_kill(shim->container_fd, shim->cgroups_path);
        killed.finished = timestamp_now();
        report_exit(shim, &killed);
    }
    shim_set_gone(shim);
    shim_unwatch(&shim->socket_watch, &shim->socket_fd);
}

void shim_take_state(struct shim *shim, struct shim_message *message, struct shim_state *ret)
{
    shim_message_fixed(message, ret, sizeof(*ret));
    shim->container_pid = ret->pid;
    fd_close(shim->container_fd);
    shim->container_fd = shim_message_take_fd(message, 0);
    free(shim->cgroups_path);
    shim->cgroups_path = xstrndup(message->tail, message->tail_size);
}

/* ---- requests ---- */

int shim_send(struct shim *shim, enum shim_message_type type, uint32_t sequence, const void *fixed, size_t size)
{
    struct shim_outgoing message = {.type = type, .sequence = sequence, .fixed = fixed, .fixed_size = size};

    return shim_message_send(shim->socket_fd, &message);
}

static void forget_answer(struct shim *shim)
{
    pthread_mutex_lock(&shim->lock);
    shim->answer.sequence = 0;
    pthread_mutex_unlock(&shim->lock);
}

static int wait_for_answer(struct shim *shim, pid_t *ret_pid, struct error *err)
{
    int64_t until = timestamp_monotonic() + SHIM_ANSWER_SECONDS * INT64_C(1000000000);
    int timed_out = 0, r;

    pthread_mutex_lock(&shim->lock);
    while (!shim->answer.ready && !timed_out)
        timed_out = condition_wait_until(&shim->answered, &shim->lock, until);
    if (shim->answer.ready)
        r = shim->answer.result < 0 ? error_propagate(err, &shim->answer.error) : 0;
    else
        r = error_set(err, ERROR_SYSTEM, ETIMEDOUT, "the container's shim does not answer");
    if (r >= 0 && ret_pid)
        *ret_pid = shim->answer.pid;
    shim->answer.sequence = 0;
    pthread_mutex_unlock(&shim->lock);
    return r;
}

int shim_request(struct shim *shim, struct shim_outgoing *message, pid_t *ret_pid, struct error *err)
{
    int r;

    if (!shim->started || is_gone(shim))
        return error_set(err, ERROR_CONFLICT, ESRCH, "container is not running");
    if (pthread_equal(pthread_self(), shim->supervisor->thread))
        return error_set(err, ERROR_SYSTEM, EDEADLK, "request to a shim from the supervisor's thread");
    pthread_mutex_lock(&shim->request_lock);
    pthread_mutex_lock(&shim->lock);
    shim->answer = (struct answer){.sequence = ++shim->sequence};
    message->sequence = shim->sequence;
    pthread_mutex_unlock(&shim->lock);
    r = shim_message_send(shim->socket_fd, message);
    if (r == -EPIPE || r == -ECONNRESET || is_gone(shim)) {
        forget_answer(shim);
        r = error_set(err, ERROR_CONFLICT, ESRCH, "container is not running");
    } else if (r < 0) {
        forget_answer(shim);
        error_errno(err, r, "ask the container's shim");
    } else {
        r = wait_for_answer(shim, ret_pid, err);
    }
    pthread_mutex_unlock(&shim->request_lock);
    return r;
}

int shim_add_client(struct shim *shim, const struct shim_attach *attach, struct error *err)
{
    CLEANUP_CLOSE int fd = attach->fd;
    struct shim_attach_request q = {
        .flags = (attach->use_stdin ? SHIM_ATTACH_STDIN : 0) | (attach->use_stdout ? SHIM_ATTACH_STDOUT : 0) |
                 (attach->use_stderr ? SHIM_ATTACH_STDERR : 0) | (attach->detach_keys ? SHIM_ATTACH_KEYS : 0)};
    struct shim_outgoing message = {
        .type = SHIM_ATTACH,
        .fixed = &q,
        .fixed_size = sizeof(q),
        .tail = attach->detach_keys,
        .tail_size = attach->detach_keys ? strlen(attach->detach_keys) : 0,
        .fds = &fd,
        .fd_count = 1,
    };
    int r = detach_keys_parse(attach->detach_keys, NULL, err);

    if (r < 0)
        return r;
    /* Before the start nobody reads answers: the shim keeps the client until then. */
    if (!shim->started) {
        r = shim_message_send(shim->socket_fd, &message);
        return r < 0 ? error_errno(err, r, "attach") : 0;
    }
    return shim_request(shim, &message, NULL, err);
}

int shim_resize(struct shim *shim, uint16_t rows, uint16_t columns, struct error *err)
{
    struct shim_resize_request q = {.rows = rows, .columns = columns};
    struct shim_outgoing message = {.type = SHIM_RESIZE, .fixed = &q, .fixed_size = sizeof(q)};

    return shim_request(shim, &message, NULL, err);
}

int shim_signal(struct shim *shim, int signal, struct error *err)
{
    struct shim_signal_request q = {.signal = signal};
    struct shim_outgoing message = {.type = SHIM_SIGNAL, .fixed = &q, .fixed_size = sizeof(q)};
    int r = shim_request(shim, &message, NULL, err);

    if (r != -ETIMEDOUT || signal != SIGKILL)
        return r;
    if (err)
        error_clear(err);
    /* Without its connection the supervisor's thread takes it for gone, and kills what it has left by itself. */
    log_error("container %s: its shim does not answer, giving it up", shim->id);
    if (shutdown(shim->socket_fd, SHUT_RDWR) < 0)
        return error_errno(err, errno, "give up the container's shim");
    return 0;
}

void shim_abandon(struct shim *shim)
{
    if (shim->started)
        return;
    /* With its only connection it ends. */
    fd_close_ptr(&shim->socket_fd);
    fd_close_ptr(&shim->listen_fd);
    fd_close_ptr(&shim->dir_fd);
    if (shim->id)
        supervisor_remove_directory(shim->supervisor, shim->id);
}
