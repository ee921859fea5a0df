#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/condition.h"
#include "base/detach_keys.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "base/timestamp.h"
#include "daemon/shim_log.h"
#include "daemon/supervisor_internal.h"

/* ---- START ---- */

struct outgoing_start {
    struct shim_start_request request;
    struct strbuf tail;
    int fds[FD_PASS_MAX];
    size_t fd_count;
    int memfd;
};

static void outgoing_release(struct outgoing_start *out)
{
    strbuf_release(&out->tail);
    fd_close(out->memfd);
}

static uint32_t add_tail(struct outgoing_start *out, const void *data, size_t size)
{
    if (size)
        strbuf_add(&out->tail, data, size);
    return (uint32_t)size;
}

static uint32_t add_attrs(struct outgoing_start *out, const struct strmap *attrs)
{
    struct json_writer w;
    size_t before = out->tail.size;

    if (!attrs || attrs->count == 0)
        return 0;
    json_writer_init(&w, &out->tail);
    json_begin_object(&w);
    for (size_t i = 0; i < attrs->count; i++)
        json_member_string(&w, attrs->items[i].key, attrs->items[i].value);
    json_end_object(&w);
    return (uint32_t)(out->tail.size - before);
}

static uint32_t add_runtime(struct outgoing_start *out, const struct strv *command)
{
    struct json_writer w;
    size_t before = out->tail.size;

    if (!command || command->count == 0)
        return 0;
    json_writer_init(&w, &out->tail);
    json_begin_array(&w);
    for (size_t i = 0; i < command->count; i++)
        json_put_string(&w, command->items[i]);
    json_end_array(&w);
    return (uint32_t)(out->tail.size - before);
}

char *supervisor_userns_path(const struct supervisor *s, const char *id)
{
    return xasprintf("%s/shim/%s/" SHIM_USERNS_NAME, s->options.exec_root, id);
}

char *supervisor_netns_path(const struct supervisor *s, const char *id)
{
    return xasprintf("%s/shim/%s/" SHIM_NETNS_NAME, s->options.exec_root, id);
}

int shim_tail_to_memfd(struct strbuf *tail, int *ret_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = memfd_create("dory-request", MFD_CLOEXEC);
    int r;

    if (fd < 0)
        return error_errno(err, errno, "pass the container's configuration on");
    r = fd_write_all(fd, tail->data, tail->size);
    if (r < 0)
        return error_errno(err, r, "pass the container's configuration on");
    strbuf_clear(tail);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int compose(const struct shim *shim, const struct shim_start *start, struct outgoing_start *out,
                   struct error *err)
{
    struct shim_start_request *q = &out->request;
    const struct shim_log *log = &start->log;
    int r;

    q->flags = (start->tty ? SHIM_FLAG_TTY : 0) | (start->open_stdin ? SHIM_FLAG_OPEN_STDIN : 0) |
               (start->stdin_once ? SHIM_FLAG_STDIN_ONCE : 0) | (start->init ? SHIM_FLAG_INIT : 0) |
               (start->rootfs_fd >= 0 ? SHIM_FLAG_HAS_ROOTFS : 0) | (log->compress ? SHIM_FLAG_LOG_COMPRESS : 0) |
               (start->netns_fd >= 0 ? SHIM_FLAG_HAS_NETNS : 0);
    q->rows = start->tty_rows;
    q->columns = start->tty_columns;
    q->log_max_size = log->max_size;
    q->log_max_files = log->max_files;
    q->seccomp_flags = start->seccomp_flags;
    q->id_size = add_tail(out, shim->id, strlen(shim->id));
    q->spec_size = add_tail(out, start->spec_json, start->spec_size);
    q->seccomp_size = add_tail(out, start->seccomp_bpf, start->seccomp_bpf ? start->seccomp_size : 0);
    q->log_path_size = log->path ? add_tail(out, log->path, strlen(log->path)) : 0;
    q->log_attrs_size = log->path ? add_attrs(out, log->attrs) : 0;
    q->log_sink_size = log->sink ? add_tail(out, log->sink, strlen(log->sink)) : 0;
    q->runtime_size = add_runtime(out, start->runtime);
    if (q->log_attrs_size > LOG_ATTRS_MAX || out->tail.size > SHIM_TAIL_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "the container's configuration is too large");
    out->fds[out->fd_count++] = shim->listen_fd;
    out->fds[out->fd_count++] = shim->dir_fd;
    if (start->rootfs_fd >= 0)
        out->fds[out->fd_count++] = start->rootfs_fd;
    if (start->netns_fd >= 0)
        out->fds[out->fd_count++] = start->netns_fd;
    if (sizeof(struct shim_header) + sizeof(*q) + out->tail.size > SHIM_MESSAGE_MAX) {
        r = shim_tail_to_memfd(&out->tail, &out->memfd, err);
        if (r < 0)
            return r;
        q->flags |= SHIM_FLAG_TAIL_IN_MEMFD;
        out->fds[out->fd_count++] = out->memfd;
    }
    return 0;
}

static bool predecessor_cleans(struct supervisor *s, const struct shim *shim)
{
    for (const struct shim *other = s->shims; other; other = other->next) {
        if (other != shim && other->started && !other->cleaned && !other->gone && other->id &&
            strcmp(other->id, shim->id) == 0)
            return true;
    }
    return false;
}

/* Started again at once, a container must not share its cgroup with the end of its former life. */
static int wait_for_predecessor(struct shim *shim, struct error *err)
{
    struct supervisor *s = shim->supervisor;
    int64_t until = timestamp_monotonic() + SHIM_ANSWER_SECONDS * INT64_C(1000000000);
    int timed_out = 0;

    pthread_mutex_lock(&s->lock);
    while (predecessor_cleans(s, shim) && !timed_out)
        timed_out = condition_wait_until(&s->changed, &s->lock, until);
    pthread_mutex_unlock(&s->lock);
    if (timed_out)
        return error_set(err, ERROR_SYSTEM, ETIMEDOUT, "what the container has left is not cleaned up yet");
    return 0;
}

/* Nothing else is said before the answer, and the connection is not watched yet: it is read right here. */
static int receive_started(struct shim *shim, pid_t *ret_pid, struct error *err)
{
    CLEANUP_SHIM_MESSAGE struct shim_message message = {0};
    char packet[SHIM_MESSAGE_SMALL];
    struct shim_state state;
    int r = shim_message_receive(shim->socket_fd, packet, sizeof(packet), &message);

    if (r <= 0) /* another runtime may have made something by then */
        orphan_kill_recorded(shim->dir_fd);
    if (r < 0)
        return error_errno(err, r, "start the container");
    if (r == 0)
        return error_set(err, ERROR_SYSTEM, EPIPE, "the container's shim has ended unexpectedly");
    if (message.header.type == SHIM_FAILED)
        return shim_message_error(&message, err);
    if (message.header.type != SHIM_STATE)
        return error_set(err, ERROR_SYSTEM, EPROTO, "the container's shim gives a strange answer");
    shim_take_state(shim, &message, &state);
    *ret_pid = state.pid;
    return 0;
}

static int send_start(struct shim *shim, const struct shim_start *start, struct error *err)
{
    CLEANUP(outgoing_release) struct outgoing_start out = {.memfd = -1};
    struct shim_outgoing message = {.type = SHIM_START, .sequence = ++shim->sequence};
    int r = compose(shim, start, &out, err);

    if (r < 0)
        return r;
    message.fixed = &out.request;
    message.fixed_size = sizeof(out.request);
    message.tail = out.tail.data;
    message.tail_size = out.tail.size;
    message.fds = out.fds;
    message.fd_count = out.fd_count;
    r = shim_message_send(shim->socket_fd, &message);
    return r < 0 ? error_errno(err, r, "start the container") : 0;
}

static int send_attaches(struct shim *shim, const struct shim_start *start, struct error *err)
{
    int result = 0;

    /* All of them, so that every descriptor is consumed. */
    for (size_t i = 0; i < start->attach_count; i++) {
        int r = shim_add_client(shim, &start->attaches[i], result < 0 ? NULL : err);

        if (r < 0 && result == 0)
            result = r;
    }
    return result;
}

/* From here on the connection belongs to the supervisor's thread. */
static int hand_over(struct shim *shim, struct error *err)
{
    struct supervisor *s = shim->supervisor;

    pthread_mutex_lock(&s->lock);
    shim->started = true;
    pthread_mutex_unlock(&s->lock);
    return shim_watch(shim, &shim->socket_watch, shim->socket_fd, err);
}

int shim_start(struct shim *shim, const struct shim_start *start, pid_t *ret_pid, struct error *err)
{
    int r = send_attaches(shim, start, err);

    if (r >= 0 && pthread_equal(pthread_self(), shim->supervisor->thread))
        r = error_set(err, ERROR_SYSTEM, EDEADLK, "start of a container from the supervisor's thread");
    if (r >= 0)
        r = wait_for_predecessor(shim, err);
    if (r >= 0)
        r = send_start(shim, start, err);
    if (r >= 0)
        r = receive_started(shim, ret_pid, err);
    if (r >= 0)
        r = hand_over(shim, err);
    supervisor_refill_soon(shim->supervisor);
    if (r < 0) {
        shim_abandon(shim);
        return r;
    }
    /* They are the shim's now. */
    fd_close_ptr(&shim->listen_fd);
    fd_close_ptr(&shim->dir_fd);
    return 0;
}
