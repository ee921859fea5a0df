#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/directory.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/supervisor_internal.h"

/* A shim that is found answers at once, unless it is starting its container or waits for another runtime. A start that
 * lasts is given up, for nobody was told of it yet; with a container that runs it has time for what it may be at: an
 * exec, a signal and a delete (cmd/dory-shim/driver.c). */
#define TALK_SECONDS 10
#define TALK_RUNNING_SECONDS 40

/* The directory of a container's shim, or -errno (-ENOENT: nothing is there). */
static int open_directory(struct supervisor *s, const char *id)
{
    int fd = openat(s->root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int connect_shim(int dir_fd)
{
    struct timeval limit = {.tv_sec = orphan_is_up(dir_fd) ? TALK_RUNNING_SECONDS : TALK_SECONDS};
    CLEANUP_CLOSE int fd = fd_connect_unix(dir_fd, SHIM_SOCKET_NAME, SOCK_SEQPACKET);

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return TAKE_FD(fd);
}

/* False when there is none that can be read. */
static bool read_exit_record(int dir_fd, struct shim_exit *ret)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_JSON struct json *record = NULL;
    size_t size;

    if (file_read(dir_fd, SHIM_EXIT_NAME, 4096, &text, &size, NULL) < 0 || json_parse(text, size, &record, NULL) < 0)
        return false;
    if (!json_get(record, "status"))
        return false;
    *ret = (struct shim_exit){
        .status = (int)json_get_int(record, "status", 0),
        .oom_killed = json_get_bool(record, "oom_killed", false),
        .finished = json_get_int(record, "finished", 0),
    };
    return true;
}

/* Asks and waits for the answer, passing over what the shim says by itself. 1, 0 when it is gone, or -errno. */
static int ask(int socket_fd, enum shim_message_type type, char *packet, size_t size, struct shim_message *ret)
{
    struct shim_outgoing question = {.type = type, .sequence = 1};
    int r = shim_message_send(socket_fd, &question);

    if (r == -EPIPE || r == -ECONNRESET)
        return 0;
    if (r < 0)
        return r;
    for (;;) {
        r = shim_message_receive(socket_fd, packet, size, ret);
        if (r == -ECONNRESET)
            return 0;
        if (r <= 0 || ret->header.sequence == 1)
            return r;
        shim_message_release(ret);
    }
}

static int found_running(struct supervisor *s, const char *id, int socket_fd, struct shim_message *message,
                         struct shim **ret_shim, pid_t *ret_pid, struct error *err)
{
    struct shim *shim = shim_new(s);
    struct shim_state state;
    int r;

    shim->id = xstrdup(id);
    shim->socket_fd = socket_fd;
    shim->started = true;
    shim_take_state(shim, message, &state);
    r = shim_watch(shim, &shim->socket_watch, shim->socket_fd, err);
    if (r < 0) {
        shim_unref(shim);
        return r;
    }
    *ret_shim = shim;
    *ret_pid = state.pid;
    return 0;
}

/* 1: the shim has told everything; 0: it is gone (its record may be there); -errno. */
static int talk(struct supervisor *s, const char *id, int dir_fd, enum shim_found *ret_found, struct shim **ret_shim,
                pid_t *ret_pid, struct shim_exit *ret_exit, struct error *err)
{
    CLEANUP_SHIM_MESSAGE struct shim_message message = {0};
    CLEANUP_CLOSE int socket_fd = connect_shim(dir_fd);
    struct shim_outgoing acknowledge = {.type = SHIM_ACKNOWLEDGE};
    char packet[SHIM_MESSAGE_SMALL];
    struct shim_state state;
    int r;

    if (socket_fd == -ECONNREFUSED || socket_fd == -ENOENT)
        return 0;
    if (socket_fd < 0)
        return error_errno(err, socket_fd, "connect to the shim of container %s", id);
    r = ask(socket_fd, SHIM_STATUS, packet, sizeof(packet), &message);
    if (r == 0)
        return 0;
    if (r < 0)
        return error_errno(err, r, "ask the shim of container %s", id);
    if (message.header.type != SHIM_STATE)
        return error_set(err, ERROR_SYSTEM, EPROTO, "the shim of container %s gives a strange answer", id);
    shim_message_fixed(&message, &state, sizeof(state));
    if (state.phase == SHIM_PHASE_ENDED) {
        *ret_exit =
            (struct shim_exit){.status = state.status, .oom_killed = state.oom_killed != 0, .finished = state.finished};
        *ret_found = SHIM_ENDED;
        /* Without this it would go as well, as soon as the connection ends. */
        shim_message_send(socket_fd, &acknowledge);
        return 1;
    }
    r = found_running(s, id, TAKE_FD(socket_fd), &message, ret_shim, ret_pid, err);
    if (r < 0)
        return r;
    *ret_found = SHIM_RUNNING;
    return 1;
}

int supervisor_find(struct supervisor *s, const char *id, enum shim_found *ret_found, struct shim **ret_shim,
                    pid_t *ret_pid, struct shim_exit *ret_exit, struct error *err)
{
    CLEANUP_CLOSE int dir_fd = open_directory(s, id);
    struct error failure = {0};
    int r;

    if (dir_fd == -ENOENT) {
        *ret_found = SHIM_NONE;
        return 0;
    }
    if (dir_fd < 0)
        return error_errno(err, dir_fd, "open %s/shim/%s", s->options.exec_root, id);
    r = talk(s, id, dir_fd, ret_found, ret_shim, ret_pid, ret_exit, &failure);
    if (r > 0)
        return 0;
    /* One that does not answer is there all the same: it must not go on without us, and its container with it. */
    if (r < 0)
        log_error("container %s: %s", id, failure.message);
    if (read_exit_record(dir_fd, ret_exit)) {
        *ret_found = SHIM_ENDED;
    } else if (orphan_kill_recorded(dir_fd)) {
        log_error("container %s: its shim %s, ended the container", id, r < 0 ? "does not answer" : "is gone");
        *ret_exit = (struct shim_exit){.status = 137, .finished = timestamp_now()};
        *ret_found = SHIM_ENDED;
    } else {
        *ret_found = SHIM_NONE;
    }
    return 0;
}

void supervisor_forget(struct supervisor *s, const char *id)
{
    supervisor_remove_directory(s, id);
}

/* Kills the container of a shim that nobody knows, and waits until it has said so. */
static void end_unknown(int dir_fd)
{
    CLEANUP_SHIM_MESSAGE struct shim_message message = {0};
    CLEANUP_CLOSE int socket_fd = connect_shim(dir_fd);
    struct shim_outgoing end = {.type = SHIM_END}, acknowledge = {.type = SHIM_ACKNOWLEDGE};
    char packet[SHIM_MESSAGE_SMALL];
    int r;

    if (socket_fd < 0) {
        orphan_kill_recorded(dir_fd);
        return;
    }
    if (shim_message_send(socket_fd, &end) < 0)
        return;
    /* When it has ended before us, EXITED was said to nobody: then the connection ends. */
    while ((r = shim_message_receive(socket_fd, packet, sizeof(packet), &message)) == 1) {
        shim_message_release(&message);
        if (message.header.type == SHIM_EXITED)
            shim_message_send(socket_fd, &acknowledge);
    }
    if (r < 0)
        orphan_kill_recorded(dir_fd);
}

int supervisor_sweep(struct supervisor *s, bool (*known)(const char *id, void *data), void *data, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(s->root_fd, ".", &dir);

    while (r >= 0 && (r = directory_next(dir, &name)) > 0) {
        CLEANUP_CLOSE int dir_fd = -1;

        if (name[0] == '.' || known(name, data))
            continue;
        log_warn("container %s: ending what is left of it", name);
        dir_fd = open_directory(s, name);
        if (dir_fd >= 0)
            end_unknown(dir_fd);
        supervisor_remove_directory(s, name);
    }
    return r < 0 ? error_errno(err, r, "read %s/shim", s->options.exec_root) : 0;
}
