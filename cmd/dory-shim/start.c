#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process_tree.h"
#include "cmd/dory-shim/shim.h"
#include "daemon/shim_sink.h"

/* START taken apart. Descriptors are owned; texts lie in the message or in the mapping. */
struct start {
    struct shim_start_request request;
    int listen_fd, dir_fd, rootfs_fd, netns_fd;
    struct tail tail;
    char *id;
    char *log_path, *log_attrs, *log_sink;
    const char *spec, *seccomp, *runtime;
    struct streams_pipes pipes;
};

static void start_init(struct start *s)
{
    *s = (struct start){.listen_fd = -1, .dir_fd = -1, .rootfs_fd = -1, .netns_fd = -1, .pipes = STREAMS_PIPES_INIT};
}

static void start_release(struct start *s)
{
    fd_close(s->listen_fd);
    fd_close(s->dir_fd);
    fd_close(s->rootfs_fd);
    fd_close(s->netns_fd);
    streams_release_pipes(&s->pipes);
    tail_release(&s->tail);
    free(s->id);
    free(s->log_path);
    free(s->log_attrs);
    free(s->log_sink);
}

static int start_decode(struct start *s, struct shim_message *message, struct error *err)
{
    const struct shim_start_request *q = &s->request;
    size_t fd = 0;
    uint64_t expected;
    int r;

    shim_message_fixed(message, &s->request, sizeof(s->request));
    s->listen_fd = shim_message_take_fd(message, fd++);
    s->dir_fd = shim_message_take_fd(message, fd++);
    if (q->flags & SHIM_FLAG_HAS_ROOTFS)
        s->rootfs_fd = shim_message_take_fd(message, fd++);
    if (q->flags & SHIM_FLAG_HAS_NETNS)
        s->netns_fd = shim_message_take_fd(message, fd++);
    r = tail_open(&s->tail, message, q->flags & SHIM_FLAG_TAIL_IN_MEMFD, fd, err);
    if (r < 0)
        return r;
    expected = (uint64_t)q->id_size + q->spec_size + q->seccomp_size + q->log_path_size + q->log_attrs_size +
               q->log_sink_size + q->runtime_size;
    if (s->listen_fd < 0 || s->dir_fd < 0 || message->fd_count < fd || expected != s->tail.size || !q->id_size)
        return error_set(err, ERROR_INVALID, EPROTO, "malformed start request");
    s->id = tail_take_text(&s->tail, q->id_size);
    s->spec = tail_take(&s->tail, q->spec_size);
    s->seccomp = tail_take(&s->tail, q->seccomp_size);
    s->log_path = tail_take_text(&s->tail, q->log_path_size);
    s->log_attrs = tail_take_text(&s->tail, q->log_attrs_size);
    s->log_sink = tail_take_text(&s->tail, q->log_sink_size);
    s->runtime = tail_take(&s->tail, q->runtime_size);
    return 0;
}

static int open_log(struct shim *shim, const struct start *s, struct error *err)
{
    struct log_writer_options options = {
        .path = s->log_path,
        .max_size = s->request.log_max_size,
        .max_files = s->request.log_max_files,
        .attrs = s->log_attrs,
        .compress = s->request.flags & SHIM_FLAG_LOG_COMPRESS,
    };
    int r = 0;

    if (!s->log_path && !s->log_sink)
        return 0;
    if (s->log_sink)
        r = log_sink_open(s->log_sink, strlen(s->log_sink), &options.sink, err);
    if (r >= 0)
        r = log_writer_open(&options, &shim->streams.log, err);
    if (r < 0) {
        log_sink_close(options.sink);
        return error_context(err, "failed to initialize logging driver");
    }
    return 0;
}

static int load_spec(struct shim *shim, const struct start *s, struct error *err)
{
    struct oci_process *process;
    const struct oci_namespace *pid_namespace;
    int r;

    shim->spec = xcalloc(1, sizeof(*shim->spec));
    r = oci_spec_parse(s->spec, s->request.spec_size, shim->spec, err);
    if (r < 0)
        return r;
    process = &shim->spec->process;
    process->terminal = shim->streams.tty;
    if (s->request.rows && s->request.columns)
        process->console_size = (struct oci_console_size){.height = s->request.rows, .width = s->request.columns};
    /* Our own value is that of a supervisor. */
    if (!process->oom_score_adj)
        process->oom_score_adj = xcalloc(1, sizeof(*process->oom_score_adj));
    pid_namespace = oci_spec_namespace(shim->spec, "pid");
    shim->own_pid_namespace = pid_namespace && !pid_namespace->path;
    shim->cgroups_path = xstrdup(shim->spec->linux_.cgroups_path);
    return 0;
}

/* Where the container is, for a daemon that finds nobody who would tell it. */
static void write_record(const struct shim *shim, int dir_fd)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;

    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_int(&w, "shim", getpid());
    json_member_int(&w, "shim_start_time", process_start_time(getpid()));
    json_member_int(&w, "pid", shim->container.pid);
    json_member_int(&w, "start_time", shim->container.pid ? process_start_time(shim->container.pid) : 0);
    json_member_string(&w, "cgroups_path", shim->cgroups_path);
    json_end_object(&w);
    file_write_atomic(dir_fd, SHIM_CONTAINER_NAME, text.data, text.size, 0600, NULL);
}

static int run_driven(struct shim *shim, struct start *s, struct error *err)
{
    struct driver_start start = {
        .spec = s->spec,
        .spec_size = s->request.spec_size,
        .cgroups_path = shim->cgroups_path,
        .rootfs_fd = s->rootfs_fd,
        .netns_fd = s->netns_fd,
        .terminal = shim->streams.tty,
        .rows = s->request.rows,
        .columns = s->request.columns,
        .stdio = {s->pipes.theirs[0], s->pipes.theirs[1], s->pipes.theirs[2]},
    };
    int r = driver_new(s->runtime, s->request.runtime_size, s->id, s->dir_fd, &shim->driver, err);

    /* Another program may take its time, hang, or be killed with us: whoever comes finds what there is by then. */
    if (r >= 0)
        write_record(shim, s->dir_fd);
    return r < 0 ? r : driver_start(shim->driver, &start, &shim->container, err);
}

static int run(struct shim *shim, struct start *s, struct error *err)
{
    struct runtime_options options = {
        .id = s->id,
        .spec = shim->spec,
        .bundle_fd = s->dir_fd,
        .has_rootfs_fd = s->rootfs_fd >= 0,
        .rootfs_fd = s->rootfs_fd,
        .has_netns_fd = s->netns_fd >= 0,
        .netns_fd = s->netns_fd,
        .seccomp_bpf = s->request.seccomp_size ? s->seccomp : NULL,
        .seccomp_size = s->request.seccomp_size,
        .seccomp_flags = s->request.seccomp_flags,
        .stdio = {s->pipes.theirs[0], s->pipes.theirs[1], s->pipes.theirs[2]},
        .has_console = shim->streams.tty,
        .init = s->request.flags & SHIM_FLAG_INIT,
    };

    /* The container's process empties its signal mask itself. */
    return runtime_container_start(&options, &shim->container, err);
}

static void show_id(char *title, const char *id)
{
    size_t size = title ? strlen(title) : 0;
    size_t id_size = strlen(id);

    if (size == 0)
        return;
    memset(title, ' ', size);
    memcpy(title, id, id_size < size ? id_size : size);
}

static int start_steps(struct shim *shim, struct start *s, struct error *err)
{
    int r;

    shim->streams.tty = shim->streams.raw = s->request.flags & SHIM_FLAG_TTY;
    shim->open_stdin = s->request.flags & SHIM_FLAG_OPEN_STDIN;
    shim->streams.stdin_once = s->request.flags & SHIM_FLAG_STDIN_ONCE;
    show_id(shim->title, s->id);
    r = control_listen(shim, TAKE_FD(s->listen_fd), err);
    if (r >= 0)
        r = load_spec(shim, s, err);
    if (r >= 0)
        r = open_log(shim, s, err);
    if (r >= 0 && !shim->streams.tty)
        r = streams_make_pipes(&s->pipes, shim->open_stdin, true, true, err);
    if (r >= 0)
        r = s->request.runtime_size ? run_driven(shim, s, err) : run(shim, s, err);
    if (r < 0)
        return r;
    /* The container runs. From here on nothing may fail the start; what fails ends the container. */
    shim->life = LIFE_RUNNING;
    shim->dir_fd = TAKE_FD(s->dir_fd);
    shim->rootfs_fd = TAKE_FD(s->rootfs_fd);
    for (int i = 0; i < 3; i++)
        s->pipes.theirs[i] = fd_close(s->pipes.theirs[i]);
    if (streams_open(&shim->streams, &s->pipes, TAKE_FD(shim->container.console_fd), shim->open_stdin, NULL) < 0)
        kill(shim->container.pid, SIGKILL);
    client_start_all(&shim->streams);
    return 0;
}

int start_container(struct shim *shim, struct shim_message *message, struct error *err)
{
    struct start s;
    int r;

    start_init(&s);
    r = start_decode(&s, message, err);
    if (r >= 0)
        r = start_steps(shim, &s, err);
    start_release(&s);
    return r;
}

void start_settle(struct shim *shim)
{
    /* A container that ends at once is reported before anything else. */
    ending_reap(shim);
    write_record(shim, shim->dir_fd);
    oci_spec_release(shim->spec);
    free(shim->spec);
    shim->spec = NULL;
    malloc_trim(0);
    madvise(shim->scratch, SCRATCH, MADV_DONTNEED);
}
