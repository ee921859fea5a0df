#include <signal.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "cmd/dory-shim/shim.h"

static void on_grace(struct loop_source *source, void *data)
{
    struct shim *shim = data;

    (void)source;
    shim->grace_timer = NULL;
    shim->streams.grace_over = true;
    ending_advance(shim);
}

static void container_ended(struct shim *shim, int wait_status)
{
    struct runtime_cgroup *cgroup = shim->container.cgroup;
    uint64_t oom_kills = 0;

    shim->finished = timestamp_now();
    shim->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    shim->life = LIFE_ENDED;
    if (cgroup && runtime_cgroup_oom_kills(cgroup, &oom_kills, NULL) >= 0)
        shim->oom_killed = oom_kills > 0;
    /* With its own pid namespace the kernel has ended everything already. */
    if (cgroup && !shim->own_pid_namespace)
        runtime_cgroup_kill(cgroup, SIGKILL, NULL);
    output_finish(&shim->streams);
    if (loop_add_timer(shim->loop, ENDING_GRACE_MS, on_grace, shim, &shim->grace_timer) < 0)
        shim->streams.grace_over = true;
}

void ending_reap(struct shim *shim)
{
    int status;
    pid_t pid;

    /* We are a subreaper: processes that the container's namespaces do not hold end here too. */
    while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
        if (shim->life == LIFE_RUNNING && pid == shim->container.pid)
            container_ended(shim, status);
        else
            exec_ended(shim, pid, status);
    }
    ending_advance(shim);
}

static void on_child(struct loop_source *source, int signal, void *data)
{
    (void)source;
    (void)signal;
    ending_reap(data);
}

int ending_watch(struct shim *shim, struct error *err)
{
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    r = loop_add_signals(shim->loop, &set, on_child, shim, NULL);
    return r < 0 ? error_errno(err, r, "watch for children") : 0;
}

static void write_exit_record(const struct shim *shim)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;

    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_int(&w, "status", shim->status);
    json_member_bool(&w, "oom_killed", shim->oom_killed);
    json_member_int(&w, "finished", shim->finished);
    json_end_object(&w);
    file_write_atomic(shim->dir_fd, SHIM_EXIT_NAME, text.data, text.size, 0600, NULL);
}

static void report(struct shim *shim)
{
    struct shim_state state;

    /* Its state lies in our directory, which the daemon removes as soon as it knows of the end. */
    if (shim->driver && driver_delete(shim->driver, NULL) < 0 && shim->cgroups_path)
        runtime_cgroup_remove_named(shim->cgroups_path);
    /* The record first: the daemon may be gone, or go before it has read what we say. */
    write_exit_record(shim);
    shim->life = LIFE_REPORTED;
    control_state(shim, &state);
    control_say(shim, SHIM_EXITED, &state, sizeof(state), NULL);
}

static void clean(struct shim *shim)
{
    /* A failure leaves an empty cgroup, which the daemon's check finds; there is nobody here to tell. */
    if (shim->container.cgroup)
        runtime_cgroup_remove(shim->container.cgroup, NULL);
    shim->cleaned = true;
    control_say(shim, SHIM_CLEANED, NULL, 0, NULL);
    /* What the kernel takes apart now nobody waits for. */
    shim->container.mounts_fd = fd_close(shim->container.mounts_fd);
    shim->rootfs_fd = fd_close(shim->rootfs_fd);
}

void ending_advance(struct shim *shim)
{
    struct streams *streams = &shim->streams;
    bool no_clients = false;

    exec_advance(shim);
    if (shim->life >= LIFE_ENDED && streams->grace_over && !output_ended(streams))
        output_finish(streams);
    /* The execs' ends are told first: they belong to the life that is over then. */
    if (shim->life == LIFE_ENDED &&
        ((output_ended(streams) && client_all_sent(streams) && log_all_sent(streams) && exec_all_reported(shim)) ||
         streams->grace_over))
        report(shim);
    if (shim->life == LIFE_REPORTED && output_ended(streams))
        no_clients = client_finish_all(streams);
    if (shim->life == LIFE_REPORTED && !shim->cleaned)
        clean(shim);
    if (shim->life == LIFE_REPORTED && shim->control_fd < 0)
        shim->acknowledged = true;
    if (shim->acknowledged) {
        control_stop_listening(shim);
        /* Not before: whoever follows the log looks up when it is closed, and finds that the daemon knows. */
        if (output_ended(streams))
            log_close(streams);
        if (no_clients && !shim->execs && log_all_sent(streams))
            loop_quit(shim->loop, 0);
    }
    client_sweep(streams);
}

void ending_abandon(struct shim *shim)
{
    loop_quit(shim->loop, 0);
}
