/* Commands that the daemon itself runs in a container. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "daemon/exec_internal.h"

int exec_begin(struct engine *engine, struct container *c, const struct exec_command *command, struct exec **ret,
               int *ret_fd, struct error *err)
{
    CLEANUP_EXEC struct exec *exec = exec_new(c);
    int pair[2];
    exec->transient = true;
    exec->config.attach_stdout = exec->config.attach_stderr = true;
    exec->config.privileged = command->privileged;
    exec->config.user = xstrdup(command->user);
    exec->config.working_dir = xstrdup(command->working_dir);
    strv_copy(&exec->config.cmd, command->arguments);
    if (command->env != NULL)
        strv_copy(&exec->config.env, command->env);
    int r = exec_config_validate(&exec->config, err);
    if (r == 0 && (r = fd_socketpair(SOCK_STREAM, pair)) < 0)
        error_errno(err, r, "socketpair");
    if (r < 0)
        return r;
    CLEANUP_CLOSE int output = pair[0];
    struct exec_start how = {.fd = pair[1], .raw = true};
    id_generate(exec->id);
    exec->state = EXEC_STARTING;
    exec_list_add(engine, exec);
    exec_event(engine, exec, "exec_create", NULL);
    r = exec_start(engine, exec, &how, err);
    if (r < 0) {
        exec_list_remove(engine, exec);
        return r;
    }
    *ret = TAKE_PTR(exec);
    *ret_fd = TAKE_FD(output);
    return 0;
}

bool exec_result(struct engine *engine, const struct exec *exec, int *ret_exit_code)
{
    pthread_mutex_lock(&engine->execs->lock);
    bool known = exec->state == EXEC_ENDED && exec->has_result;
    if (known)
        *ret_exit_code = exec->exit_code;
    pthread_mutex_unlock(&engine->execs->lock);
    return known;
}

void exec_end(struct engine *engine, struct exec *exec)
{
    exec_list_remove(engine, exec);
    exec_unref(exec);
}

int exec_kill(struct engine *engine, struct exec *exec, int signal, struct error *err)
{
    (void)engine;
    pthread_mutex_lock(&exec->container->lock);
    struct shim *shim = exec->container->shim != NULL ? shim_ref(exec->container->shim) : NULL;
    pthread_mutex_unlock(&exec->container->lock);
    if (shim == NULL)
        return error_set(err, ERROR_CONFLICT, ESRCH, "container %s is not running", exec->container->id);
    int r = shim_exec_signal(shim, exec->id, signal, err);
    shim_unref(shim);
    return r;
}

/* To the end of the output. -ETIMEDOUT. */
static int collect(int fd, int64_t deadline, size_t output_max, struct strbuf *output)
{
    char block[4096];
    for (;;) {
        int64_t left = deadline < 0 ? -1 : (deadline - timestamp_monotonic()) / 1000000;
        if (deadline >= 0 && left < 0)
            return -ETIMEDOUT;
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, left < 0 ? -1 : (int)(left < INT32_MAX ? left + 1 : INT32_MAX)) <= 0)
            continue;
        ssize_t n = read(fd, block, sizeof(block));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        size_t room = output->size < output_max ? output_max - output->size : 0;
        strbuf_add(output, block, (size_t)n < room ? (size_t)n : room);
    }
}

int exec_run(struct engine *engine, struct container *c, const struct exec_command *command, int timeout_ms,
             size_t output_max, struct strbuf *output, int *ret_exit_code, struct error *err)
{
    struct exec *exec = NULL;
    CLEANUP_CLOSE int fd = -1;
    int64_t deadline = timeout_ms < 0 ? -1 : timestamp_monotonic() + (int64_t)timeout_ms * 1000000;
    int r = exec_begin(engine, c, command, &exec, &fd, err);
    if (r < 0)
        return r;
    r = collect(fd, deadline, output_max, output);
    if (r == -ETIMEDOUT) {
        exec_kill(engine, exec, SIGKILL, NULL); /* it may end just now */
        error_set(err, ERROR_SYSTEM, ETIMEDOUT, "%s did not end within %d ms", command->arguments->items[0],
                  timeout_ms);
    } else if (!exec_result(engine, exec, ret_exit_code)) {
        r = error_set(err, ERROR_CONFLICT, ESRCH, "container %s ended before the command did", c->id);
    }
    exec_end(engine, exec);
    return r;
}
