#include "runtime/hooks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

#define OUTPUT_SHOWN 512

static const struct runtime_hook_place usual;

void runtime_hook_state_write(const struct runtime_hook_state *state, struct json_writer *w)
{
    json_member_string(w, "ociVersion", state->version);
    json_member_string(w, "id", state->id);
    json_member_string(w, "status", state->status);
    if (state->pid > 0)
        json_member_int(w, "pid", state->pid);
    json_member_string(w, "bundle", state->bundle);
    if (state->annotations != NULL && state->annotations->count > 0) {
        json_key(w, "annotations");
        json_begin_object(w);
        for (size_t i = 0; i < state->annotations->count; i++)
            json_member_string(w, state->annotations->items[i].key, state->annotations->items[i].value);
        json_end_object(w);
    }
}

/* A file rather than a pipe: a hook that does not read its input blocks nobody. */
static int state_file(const struct runtime_hook_state *state)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    runtime_hook_state_write(state, &w);
    json_end_object(&w);
    CLEANUP_CLOSE int fd = memfd_create("state", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, text.data, text.size);
    if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return r < 0 ? r : -errno;
    return TAKE_FD(fd);
}

/* 0 when it ended, -ETIME when it was killed at its deadline. */
static int wait_until(pid_t pid, const int64_t *timeout)
{
    if (timeout == NULL)
        return 0;
    CLEANUP_CLOSE int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    int64_t deadline = timestamp_monotonic() + *timeout * INT64_C(1000000000);
    for (;;) {
        int64_t left = (deadline - timestamp_monotonic()) / 1000000;
        struct pollfd end = {.fd = fd, .events = POLLIN};
        int n = left > 0 ? poll(&end, 1, left > INT32_MAX ? INT32_MAX : (int)left) : 0;
        if (n > 0)
            return 0;
        if (n == 0 && left <= 0) {
            kill(-pid, SIGKILL); /* a session of its own: whatever it started goes too */
            return -ETIME;
        }
    }
}

static int run_hook(const struct oci_hook *hook, const struct runtime_hook_place *place, int input, int output,
                    struct error *err)
{
    char *default_argv[] = {hook->path, NULL};
    const struct strv *env = hook->env.count > 0 ? &hook->env : place->env;
    int fds[] = {input, output, output};
    struct process_options options = {
        .path = hook->path,
        .argv = hook->args.count > 0 ? hook->args.items : default_argv,
        .env = env == NULL      ? environ
               : env->count > 0 ? env->items
                                : NULL,
        .directory = place->directory,
        .fds = fds,
        .fd_count = 3,
        .new_session = 1,
        .close_others = 1,
    };
    pid_t pid;
    int r = process_spawn(&options, &pid, err);
    if (r < 0)
        return r;
    int late = wait_until(pid, hook->timeout), status = 0;
    r = process_wait(pid, &status);
    if (late < 0)
        return error_set(err, ERROR_SYSTEM, ETIME, "hook ran past specified timeout of %lld s",
                         (long long)*hook->timeout);
    if (r < 0)
        return error_errno(err, r, "wait");
    if (status == 0)
        return 0;
    char text[OUTPUT_SHOWN + 1] = "";
    ssize_t n = pread(output, text, OUTPUT_SHOWN, 0);
    text[n > 0 ? n : 0] = '\0';
    return error_set(err, ERROR_SYSTEM, EIO, "exit status %d, output: %s", status, text);
}

static int run_one(const char *kind, size_t i, const struct oci_hook *hook, const struct runtime_hook_state *state,
                   const struct runtime_hook_place *place, struct error *err)
{
    CLEANUP_CLOSE int input = state_file(state);
    CLEANUP_CLOSE int output = memfd_create("output", MFD_CLOEXEC);
    int r = input < 0 || output < 0 ? error_errno(err, input < 0 ? input : errno, "cannot prepare it")
                                    : run_hook(hook, place, input, output, err);
    return r < 0 ? error_context(err, "error running %s hook #%zu: %s", kind, i, hook->path) : 0;
}

int runtime_hooks_run(const char *kind, const struct json_array *hooks, const struct runtime_hook_state *state,
                      const struct runtime_hook_place *place, struct error *err)
{
    const struct oci_hook *items = hooks->items;
    for (size_t i = 0; i < hooks->count; i++) {
        int r = run_one(kind, i, &items[i], state, place != NULL ? place : &usual, err);
        if (r < 0)
            return r;
    }
    return 0;
}

void runtime_hooks_run_poststop(const struct json_array *hooks, struct runtime_hook_state state, runtime_warn *warn,
                                void *warn_context)
{
    const struct oci_hook *items = hooks->items;
    state.status = "stopped";
    state.pid = 0;
    for (size_t i = 0; i < hooks->count; i++) {
        struct error err = {0};
        if (run_one("poststop", i, &items[i], &state, &usual, &err) < 0 && warn != NULL)
            warn(warn_context, err.message);
    }
}
