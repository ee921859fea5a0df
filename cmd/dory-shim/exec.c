/* Further processes in the container: docker exec, health checks. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/timestamp.h"
#include "cmd/dory-shim/shim.h"
#include "runtime/exec.h"

/* Below SHIM_ANSWER_SECONDS of the daemon, which gives up then; and meanwhile the shim does nothing else. */
#define EXEC_TIMEOUT_MS 8000

/* EXEC taken apart. Texts lie in the message or in the mapping. */
struct request {
    struct shim_exec_request fixed;
    struct tail tail;
    const char *id, *process, *seccomp, *note;
    char *keys;
    int client_fd;
    struct oci_process spec;
    struct streams_pipes pipes;
};

static void request_init(struct request *q)
{
    *q = (struct request){.client_fd = -1, .pipes = STREAMS_PIPES_INIT};
}

static void request_release(struct request *q)
{
    tail_release(&q->tail);
    free(q->keys);
    fd_close(q->client_fd);
    json_table_release(&oci_process_table, &q->spec);
    streams_release_pipes(&q->pipes);
}

static int request_decode(struct request *q, struct shim_message *message, struct error *err)
{
    const struct shim_exec_request *f = &q->fixed;
    uint64_t expected;
    size_t fd = 0;
    int r;

    shim_message_fixed(message, &q->fixed, sizeof(q->fixed));
    if (f->flags & SHIM_EXEC_CLIENT)
        q->client_fd = shim_message_take_fd(message, fd++);
    r = tail_open(&q->tail, message, f->flags & SHIM_EXEC_TAIL_IN_MEMFD, fd, err);
    if (r < 0)
        return r;
    expected = (uint64_t)f->id_size + f->process_size + f->seccomp_size + f->keys_size + f->note_size;
    if (expected != q->tail.size || !f->id_size || message->fd_count < fd)
        return error_set(err, ERROR_INVALID, EPROTO, "malformed exec request");
    q->id = tail_take(&q->tail, f->id_size);
    q->process = tail_take(&q->tail, f->process_size);
    q->seccomp = tail_take(&q->tail, f->seccomp_size);
    q->keys = tail_take_text(&q->tail, f->keys_size);
    q->note = tail_take(&q->tail, f->note_size);
    return 0;
}

static int load_process(struct request *q, struct error *err)
{
    int r = json_table_decode_text(&oci_process_table, q->process, q->fixed.process_size, &q->spec, err);

    if (r < 0)
        return r;
    if (q->fixed.rows && q->fixed.columns)
        q->spec.console_size = (struct oci_console_size){.height = q->fixed.rows, .width = q->fixed.columns};
    /* Our own value is that of a supervisor. */
    if (!q->spec.oom_score_adj)
        q->spec.oom_score_adj = xcalloc(1, sizeof(*q->spec.oom_score_adj));
    return 0;
}

static int run_driven(struct shim *shim, const struct request *q, struct runtime_exec *ret, struct error *err)
{
    struct driver_exec exec = {
        .process = q->process,
        .process_size = q->fixed.process_size,
        .terminal = q->fixed.flags & SHIM_EXEC_TTY,
        .rows = q->fixed.rows,
        .columns = q->fixed.columns,
        .stdio = {q->pipes.theirs[0], q->pipes.theirs[1], q->pipes.theirs[2]},
    };

    return driver_exec(shim->driver, &exec, ret, err);
}

static int run(struct shim *shim, const struct request *q, struct runtime_exec *ret, struct error *err)
{
    struct runtime_exec_options options = {
        .id = shim->title ? shim->title : "",
        .pid = shim->container.pid,
        .pid_fd = shim->container.pid_fd,
        .cgroups_path = shim->cgroups_path,
        .process = &q->spec,
        .seccomp_bpf = q->fixed.seccomp_size ? q->seccomp : NULL,
        .seccomp_size = q->fixed.seccomp_size,
        .seccomp_flags = q->fixed.seccomp_flags,
        .stdio = {q->pipes.theirs[0], q->pipes.theirs[1], q->pipes.theirs[2]},
        .timeout_ms = EXEC_TIMEOUT_MS,
    };

    /* SIGCHLD stays blocked: one that came while it is not would be lost, and with it the end of another exec. The
     * child empties its mask itself. */
    return runtime_exec_start(&options, ret, err);
}

static struct exec *exec_new(struct shim *shim, const struct request *q, const struct runtime_exec *process)
{
    struct exec *exec = xcalloc(1, sizeof(*exec));

    exec->shim = shim;
    exec->id = xstrndup(q->id, q->fixed.id_size);
    exec->transient = q->fixed.flags & SHIM_EXEC_TRANSIENT;
    exec->pid = process->pid;
    exec->pid_fd = process->pid_fd;
    streams_init(&exec->streams, shim);
    exec->streams.exec_id = exec->id;
    exec->streams.tty = q->fixed.flags & SHIM_EXEC_TTY;
    exec->streams.raw = q->fixed.flags & SHIM_EXEC_RAW;
    /* The end of the client's input is the end of the process's. */
    exec->streams.stdin_once = true;
    exec->note = q->fixed.note_size ? xstrndup(q->note, q->fixed.note_size) : NULL;
    exec->next = shim->execs;
    shim->execs = exec;
    return exec;
}

static void exec_free(struct exec *exec)
{
    loop_remove(exec->grace_timer);
    streams_release(&exec->streams);
    fd_close(exec->pid_fd);
    free(exec->note);
    free(exec->id);
    free(exec);
}

/* The process runs: what fails now ends it. */
static void serve(struct exec *exec, struct request *q, const struct detach_keys *keys, int console_fd)
{
    uint32_t flags = q->fixed.flags;
    struct shim_attach_request attach = {.flags = (flags & SHIM_EXEC_STDIN ? SHIM_ATTACH_STDIN : 0) |
                                                  (flags & SHIM_EXEC_STDOUT ? SHIM_ATTACH_STDOUT : 0) |
                                                  (flags & SHIM_EXEC_STDERR ? SHIM_ATTACH_STDERR : 0)};
    bool use_stdin = flags & SHIM_EXEC_STDIN;
    int r;

    for (int i = 0; i < 3; i++)
        q->pipes.theirs[i] = fd_close(q->pipes.theirs[i]);
    r = streams_open(&exec->streams, &q->pipes, console_fd, use_stdin, NULL);
    if (r >= 0 && q->client_fd >= 0)
        r = client_add(&exec->streams, &attach, keys, TAKE_FD(q->client_fd), NULL);
    if (r < 0)
        kill(exec->pid, SIGKILL);
}

int exec_start(struct shim *shim, struct shim_message *message, struct exec **ret, struct error *err)
{
    CLEANUP(request_release) struct request q;
    struct exec *exec;
    struct runtime_exec process = {.pid_fd = -1, .console_fd = -1};
    struct detach_keys keys;
    int r;

    request_init(&q);
    r = request_decode(&q, message, err);
    if (r >= 0 && exec_find(shim, q.id, q.fixed.id_size))
        r = error_set(err, ERROR_CONFLICT, EEXIST, "exec %.*s is already running", (int)q.fixed.id_size, q.id);
    if (r >= 0)
        r = detach_keys_parse(q.fixed.flags & SHIM_EXEC_KEYS ? (q.keys ? q.keys : "") : NULL, &keys, err);
    if (r >= 0)
        r = load_process(&q, err);
    if (r >= 0 && !(q.fixed.flags & SHIM_EXEC_TTY))
        r = streams_make_pipes(&q.pipes, q.fixed.flags & SHIM_EXEC_STDIN, q.fixed.flags & SHIM_EXEC_STDOUT,
                               q.fixed.flags & SHIM_EXEC_STDERR, err);
    if (r >= 0)
        r = shim->driver ? run_driven(shim, &q, &process, err) : run(shim, &q, &process, err);
    if (r < 0)
        return r;
    exec = exec_new(shim, &q, &process);
    serve(exec, &q, &keys, TAKE_FD(process.console_fd));
    *ret = exec;
    return 0;
}

static void write_record(struct shim *shim, const char *id, const char *suffix, const struct strbuf *text)
{
    CLEANUP_FREE char *name = xasprintf(SHIM_EXEC_PREFIX "%s%s", id, suffix);

    /* A failure is one of /run, and costs a later daemon this exec: there is nobody here to tell. */
    file_write_atomic(shim->dir_fd, name, text->data, text->size, 0600, NULL);
}

void exec_settle(struct exec *exec)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct shim *shim = exec->shim;

    if (exec->note) {
        strbuf_addf(&text, "{\"pid\":%d,\"note\":%s}", exec->pid, exec->note);
        write_record(shim, exec->id, "", &text);
        free(exec->note);
        exec->note = NULL;
    }
    /* One that has ended at once. */
    ending_reap(shim);
}

struct exec *exec_find(struct shim *shim, const char *id, size_t id_size)
{
    for (struct exec *exec = shim->execs; exec; exec = exec->next) {
        if (strlen(exec->id) == id_size && memcmp(exec->id, id, id_size) == 0)
            return exec;
    }
    return NULL;
}

/* ---- the end ---- */

static void on_grace(struct loop_source *source, void *data)
{
    struct exec *exec = data;

    (void)source;
    exec->grace_timer = NULL;
    exec->streams.grace_over = true;
    ending_advance(exec->shim);
}

void exec_ended(struct shim *shim, pid_t pid, int wait_status)
{
    struct exec *exec = shim->execs;

    while (exec && (exec->pid != pid || exec->life != EXEC_RUNNING))
        exec = exec->next;
    if (!exec)
        return;
    exec->life = EXEC_ENDED;
    exec->finished = timestamp_now();
    exec->status = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    output_finish(&exec->streams);
    if (loop_add_timer(shim->loop, ENDING_GRACE_MS, on_grace, exec, &exec->grace_timer) < 0)
        exec->streams.grace_over = true;
}

static void report(struct exec *exec)
{
    struct shim *shim = exec->shim;
    struct shim_exec_exit exit = {.status = exec->status, .finished = exec->finished};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

    exec->life = EXEC_REPORTED;
    if (!exec->transient) {
        struct json_writer w;

        json_writer_init(&w, &text);
        json_begin_object(&w);
        json_member_int(&w, "status", exec->status);
        json_member_int(&w, "finished", exec->finished);
        json_end_object(&w);
        /* The record first: the daemon may be gone, or go before it has read what we say. */
        write_record(shim, exec->id, SHIM_EXEC_EXIT_SUFFIX, &text);
    }
    control_say(shim, SHIM_EXEC_EXITED, &exit, sizeof(exit), exec->id);
}

/* True when it can be forgotten. */
static bool advance(struct exec *exec)
{
    struct streams *streams = &exec->streams;

    if (exec->life >= EXEC_ENDED && streams->grace_over && !output_ended(streams))
        output_finish(streams);
    if (exec->life == EXEC_ENDED && ((output_ended(streams) && client_all_sent(streams)) || streams->grace_over))
        report(exec);
    if (exec->life == EXEC_REPORTED && exec->shim->control_fd < 0)
        exec->life = EXEC_DONE;
    if (exec->life == EXEC_DONE && output_ended(streams) && client_finish_all(streams))
        return true;
    client_sweep(streams);
    return false;
}

void exec_advance(struct shim *shim)
{
    struct exec **link = &shim->execs;

    while (*link) {
        struct exec *exec = *link;

        if (!advance(exec)) {
            link = &exec->next;
            continue;
        }
        *link = exec->next;
        exec_free(exec);
    }
}

void exec_acknowledge(struct shim *shim, const char *id, size_t id_size)
{
    struct exec *exec = exec_find(shim, id, id_size);

    if (exec && exec->life == EXEC_REPORTED)
        exec->life = EXEC_DONE;
}

void exec_abandon_transient(struct shim *shim)
{
    for (struct exec *exec = shim->execs; exec; exec = exec->next) {
        if (exec->transient && exec->life == EXEC_RUNNING)
            syscall(SYS_pidfd_send_signal, exec->pid_fd, SIGKILL, NULL, 0);
    }
}

bool exec_all_reported(const struct shim *shim)
{
    for (const struct exec *exec = shim->execs; exec; exec = exec->next) {
        if (exec->life < EXEC_REPORTED)
            return false;
    }
    return true;
}
