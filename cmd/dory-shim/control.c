#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "cmd/dory-shim/shim.h"

static int send_message(struct shim *shim, enum shim_message_type type, uint32_t sequence, const void *fixed,
                        size_t size, const char *tail, const int *fd)
{
    struct shim_outgoing message = {
        .type = type,
        .sequence = sequence,
        .fixed = fixed,
        .fixed_size = size,
        .tail = tail,
        .tail_size = tail ? strlen(tail) : 0,
        .fds = fd,
        .fd_count = fd ? 1 : 0,
    };

    return shim_message_send(shim->control_fd, &message);
}

void control_close(struct shim *shim)
{
    loop_remove(shim->control_source);
    shim->control_source = NULL;
    shim->control_fd = fd_close(shim->control_fd);
    exec_abandon_transient(shim);
}

void control_say(struct shim *shim, enum shim_message_type type, const void *fixed, size_t size, const char *text)
{
    struct pollfd writable = {.fd = shim->control_fd, .events = POLLOUT};
    bool may_wait = type == SHIM_EXITED || type == SHIM_CLEANED || type == SHIM_EXEC_EXITED;

    if (shim->control_fd < 0)
        return;
    /* A daemon that does not read must not hold up a container that runs. */
    if (!may_wait && poll(&writable, 1, 0) != 1)
        return;
    if (send_message(shim, type, 0, fixed, size, text, NULL) < 0)
        control_close(shim);
}

void control_state(const struct shim *shim, struct shim_state *ret)
{
    *ret = (struct shim_state){
        .phase = shim->life == LIFE_REPORTED ? SHIM_PHASE_ENDED : SHIM_PHASE_RUNNING,
        .pid = shim->container.pid,
        .status = shim->status,
        .oom_killed = shim->oom_killed,
        .finished = shim->finished,
    };
}

static void answer_state(struct shim *shim, uint32_t sequence)
{
    struct shim_state state;

    control_state(shim, &state);
    if (send_message(shim, SHIM_STATE, sequence, &state, sizeof(state), shim->cgroups_path,
                     shim->container.pid_fd >= 0 ? &shim->container.pid_fd : NULL) < 0)
        control_close(shim);
}

static void answer(struct shim *shim, uint32_t sequence, int result, const struct error *err)
{
    struct shim_failure failure = {.kind = err->kind, .errnum = -result};

    if (sequence == 0)
        return;
    if (result < 0)
        result = send_message(shim, SHIM_FAILED, sequence, &failure, sizeof(failure), err->message, NULL);
    else
        result = send_message(shim, SHIM_OK, sequence, NULL, 0, NULL, NULL);
    if (result < 0)
        control_close(shim);
}

static int not_running(struct error *err)
{
    return error_set(err, ERROR_CONFLICT, ESRCH, "container is not running");
}

static int on_start(struct shim *shim, struct shim_message *message, struct error *err)
{
    int r;

    if (shim->life != LIFE_WAITING)
        return error_set(err, ERROR_CONFLICT, EEXIST, "container is already started");
    r = start_container(shim, message, err);
    if (r < 0) {
        shim->start_failed = true;
        return r;
    }
    answer_state(shim, message->header.sequence);
    start_settle(shim);
    return 0;
}

static int on_attach(struct shim *shim, struct shim_message *message, struct error *err)
{
    CLEANUP_CLOSE int fd = shim_message_take_fd(message, 0);
    CLEANUP_FREE char *text = xstrndup(message->tail, message->tail_size);
    struct shim_attach_request request;
    struct detach_keys keys;
    int r;

    shim_message_fixed(message, &request, sizeof(request));
    if (fd < 0)
        return error_set(err, ERROR_INVALID, EBADF, "attach without a descriptor");
    if (shim->life > LIFE_RUNNING)
        return not_running(err);
    r = detach_keys_parse(request.flags & SHIM_ATTACH_KEYS ? text : NULL, &keys, err);
    if (r < 0)
        return r;
    return client_add(&shim->streams, &request, &keys, TAKE_FD(fd), err);
}

static int resize(const struct streams *streams, const struct shim_message *message, struct error *err)
{
    struct shim_resize_request request;
    struct winsize size = {0};

    /* Without a terminal there is nothing to do, and docker does not call that a mistake. */
    if (!streams->tty || streams->outputs[LOG_STDOUT].fd < 0)
        return 0;
    shim_message_fixed(message, &request, sizeof(request));
    size.ws_row = request.rows;
    size.ws_col = request.columns;
    if (ioctl(streams->outputs[LOG_STDOUT].fd, TIOCSWINSZ, &size) < 0)
        return error_errno(err, errno, "resize terminal");
    return 0;
}

static int on_resize(struct shim *shim, struct shim_message *message, struct error *err)
{
    return shim->life == LIFE_RUNNING ? resize(&shim->streams, message, err) : not_running(err);
}

static bool has_ended(const struct shim *shim)
{
    struct pollfd ended = {.fd = shim->container.pid_fd, .events = POLLIN};

    return poll(&ended, 1, 0) == 1;
}

/* SIGKILL reaches the process also when its runtime fails. */
static int signal_driven(struct shim *shim, int signal, struct error *err)
{
    int r = has_ended(shim) ? -ESRCH : driver_kill(shim->driver, signal, err);

    if (r < 0 && has_ended(shim))
        return not_running(err);
    if (r < 0 && signal == SIGKILL)
        r = syscall(SYS_pidfd_send_signal, shim->container.pid_fd, signal, NULL, 0) < 0 ? r : 0;
    return r;
}

static int on_signal(struct shim *shim, struct shim_message *message, struct error *err)
{
    struct shim_signal_request request;

    shim_message_fixed(message, &request, sizeof(request));
    if (shim->life != LIFE_RUNNING)
        return not_running(err);
    if (shim->driver)
        return signal_driven(shim, request.signal, err);
    if (syscall(SYS_pidfd_send_signal, shim->container.pid_fd, request.signal, NULL, 0) < 0)
        return errno == ESRCH ? not_running(err) : error_errno(err, errno, "send signal %d", request.signal);
    return 0;
}

static int on_status(struct shim *shim, struct shim_message *message, struct error *err)
{
    (void)err;
    answer_state(shim, message->header.sequence);
    return 0;
}

static int on_acknowledge(struct shim *shim, struct shim_message *message, struct error *err)
{
    (void)message;
    (void)err;
    if (shim->life == LIFE_REPORTED)
        shim->acknowledged = true;
    return 0;
}

static int on_end(struct shim *shim, struct shim_message *message, struct error *err)
{
    (void)message;
    /* Whoever says this wants nothing of it any more. */
    if (shim->life == LIFE_REPORTED)
        shim->acknowledged = true;
    if (shim->life != LIFE_RUNNING)
        return 0;
    if (shim->container.cgroup)
        runtime_cgroup_kill(shim->container.cgroup, SIGKILL, NULL);
    if (syscall(SYS_pidfd_send_signal, shim->container.pid_fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return error_errno(err, errno, "kill container");
    return 0;
}

static int on_exec(struct shim *shim, struct shim_message *message, struct error *err)
{
    struct shim_exec_started started = {0};
    struct exec *exec = NULL;
    int r;

    if (shim->life != LIFE_RUNNING)
        return not_running(err);
    r = exec_start(shim, message, &exec, err);
    if (r < 0)
        return r;
    started.pid = exec->pid;
    if (send_message(shim, SHIM_EXEC_STARTED, message->header.sequence, &started, sizeof(started), NULL, NULL) < 0)
        control_close(shim);
    exec_settle(exec);
    return 0;
}

static int find_exec(struct shim *shim, const struct shim_message *message, struct exec **ret, struct error *err)
{
    struct exec *exec = exec_find(shim, message->tail, message->tail_size);

    if (!exec || exec->life != EXEC_RUNNING)
        return error_set(err, ERROR_CONFLICT, ESRCH, "exec %.*s is not running", (int)message->tail_size,
                         message->tail);
    *ret = exec;
    return 0;
}

static int on_exec_resize(struct shim *shim, struct shim_message *message, struct error *err)
{
    struct exec *exec = NULL;
    int r = find_exec(shim, message, &exec, err);

    return r < 0 ? r : resize(&exec->streams, message, err);
}

static int on_exec_signal(struct shim *shim, struct shim_message *message, struct error *err)
{
    struct shim_signal_request request;
    struct exec *exec = NULL;
    int r = find_exec(shim, message, &exec, err);

    if (r < 0)
        return r;
    shim_message_fixed(message, &request, sizeof(request));
    if (syscall(SYS_pidfd_send_signal, exec->pid_fd, request.signal, NULL, 0) < 0)
        return error_errno(err, errno, "send signal %d", request.signal);
    return 0;
}

static int on_exec_acknowledge(struct shim *shim, struct shim_message *message, struct error *err)
{
    (void)err;
    exec_acknowledge(shim, message->tail, message->tail_size);
    return 0;
}

static const struct {
    enum shim_message_type type;
    int (*handle)(struct shim *shim, struct shim_message *message, struct error *err);
    bool answers; /* has answered by itself when it succeeded */
} handlers[] = {
    {SHIM_START, on_start, true},
    {SHIM_ATTACH, on_attach, false},
    {SHIM_RESIZE, on_resize, false},
    {SHIM_SIGNAL, on_signal, false},
    {SHIM_STATUS, on_status, true},
    {SHIM_ACKNOWLEDGE, on_acknowledge, true},
    {SHIM_END, on_end, false},
    {SHIM_EXEC, on_exec, true},
    {SHIM_EXEC_RESIZE, on_exec_resize, false},
    {SHIM_EXEC_SIGNAL, on_exec_signal, false},
    {SHIM_EXEC_ACKNOWLEDGE, on_exec_acknowledge, true},
};

static void dispatch(struct shim *shim, struct shim_message *message)
{
    uint32_t sequence = message->header.sequence;
    struct error err = {0};

    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
        int r;

        if (handlers[i].type != message->header.type)
            continue;
        r = handlers[i].handle(shim, message, &err);
        if (r < 0 || !handlers[i].answers)
            answer(shim, sequence, r, &err);
        return;
    }
    answer(shim, sequence, -ENOSYS,
           &(struct error){.kind = ERROR_NOT_IMPLEMENTED, .message = "the container's shim is too old for this"});
}

static void on_control(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct shim *shim = data;
    CLEANUP_SHIM_MESSAGE struct shim_message message = {0};

    (void)source;
    (void)events;
    if (shim_message_receive(fd, shim->scratch, SCRATCH, &message) == 1) {
        dispatch(shim, &message);
    } else {
        /* End of the daemon, or of its trust: whoever comes next connects to the socket. */
        control_close(shim);
    }
    if (shim->life == LIFE_WAITING && (shim->control_fd < 0 || shim->start_failed))
        ending_abandon(shim);
    ending_advance(shim);
}

static int watch_control(struct shim *shim, struct error *err)
{
    int r = loop_add_io(shim->loop, shim->control_fd, EPOLLIN, on_control, shim, &shim->control_source);

    return r < 0 ? error_errno(err, r, "watch the daemon") : 0;
}

int control_open(struct shim *shim, struct error *err)
{
    int r = fd_set_cloexec(shim->control_fd, 1);

    if (r < 0)
        return error_errno(err, r, "control connection");
    return watch_control(shim, err);
}

static void on_listen(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct shim *shim = data;
    CLEANUP_CLOSE int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    struct ucred peer;
    socklen_t size = sizeof(peer);

    (void)source;
    (void)events;
    if (accepted < 0)
        return;
    if (getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != geteuid())
        return;
    /* A daemon comes back: the former connection is that of its predecessor. */
    control_close(shim);
    shim->control_fd = TAKE_FD(accepted);
    if (watch_control(shim, NULL) < 0)
        control_close(shim);
}

int control_listen(struct shim *shim, int listen_fd, struct error *err)
{
    int r;

    shim->listen_fd = listen_fd;
    r = fd_set_nonblock(listen_fd, 1);
    if (r >= 0)
        r = loop_add_io(shim->loop, listen_fd, EPOLLIN, on_listen, shim, &shim->listen_source);
    return r < 0 ? error_errno(err, r, "listen for the daemon") : 0;
}

void control_stop_listening(struct shim *shim)
{
    loop_remove(shim->listen_source);
    shim->listen_source = NULL;
    shim->listen_fd = fd_close(shim->listen_fd);
}
