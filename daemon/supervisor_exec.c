/* Execs, the daemon's half: see cmd/dory-shim/exec.c for the other. */
#include <errno.h>
#include <fcntl.h>

#include "base/detach_keys.h"
#include "base/directory.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "daemon/supervisor_internal.h"

struct outgoing_exec {
    struct shim_exec_request request;
    struct strbuf tail;
    int fds[2];
    size_t fd_count;
    int memfd;
};

static void outgoing_release(struct outgoing_exec *out)
{
    strbuf_release(&out->tail);
    fd_close(out->memfd);
}

static uint32_t add(struct outgoing_exec *out, const void *data, size_t size)
{
    if (size > 0)
        strbuf_add(&out->tail, data, size);
    return (uint32_t)size;
}

static uint32_t flags_of(const struct shim_exec *exec)
{
    const struct shim_attach *attach = exec->attach;
    uint32_t flags =
        (exec->tty ? SHIM_EXEC_TTY : 0) | (exec->raw ? SHIM_EXEC_RAW : 0) | (exec->transient ? SHIM_EXEC_TRANSIENT : 0);

    if (attach)
        flags |= SHIM_EXEC_CLIENT | (attach->use_stdin ? SHIM_EXEC_STDIN : 0) |
                 (attach->use_stdout ? SHIM_EXEC_STDOUT : 0) | (attach->use_stderr ? SHIM_EXEC_STDERR : 0) |
                 (attach->detach_keys ? SHIM_EXEC_KEYS : 0);
    return flags;
}

static int compose(const struct shim_exec *exec, struct outgoing_exec *out, struct error *err)
{
    struct shim_exec_request *q = &out->request;
    const char *keys = exec->attach ? exec->attach->detach_keys : NULL;
    const char *note = exec->transient ? NULL : exec->note;
    int r;

    q->flags = flags_of(exec);
    q->rows = exec->tty_rows;
    q->columns = exec->tty_columns;
    q->seccomp_flags = exec->seccomp_flags;
    q->id_size = add(out, exec->exec_id, strlen(exec->exec_id));
    q->process_size = add(out, exec->process_json, exec->process_size);
    q->seccomp_size = add(out, exec->seccomp_bpf, exec->seccomp_bpf ? exec->seccomp_size : 0);
    q->keys_size = add(out, keys, keys ? strlen(keys) : 0);
    q->note_size = add(out, note, note ? strlen(note) : 0);
    if (out->tail.size > SHIM_TAIL_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "the exec's configuration is too large");
    if (exec->attach)
        out->fds[out->fd_count++] = exec->attach->fd;
    if (sizeof(struct shim_header) + sizeof(*q) + out->tail.size <= SHIM_MESSAGE_MAX)
        return 0;
    r = shim_tail_to_memfd(&out->tail, &out->memfd, err);
    if (r < 0)
        return r;
    q->flags |= SHIM_EXEC_TAIL_IN_MEMFD;
    out->fds[out->fd_count++] = out->memfd;
    return 0;
}

int shim_exec(struct shim *shim, const struct shim_exec *exec, pid_t *ret_pid, struct error *err)
{
    CLEANUP(outgoing_release) struct outgoing_exec out = {.memfd = -1};
    struct shim_outgoing message = {.type = SHIM_EXEC, .fixed = &out.request, .fixed_size = sizeof(out.request)};
    int r = detach_keys_parse(exec->attach ? exec->attach->detach_keys : NULL, NULL, err);

    if (r >= 0)
        r = compose(exec, &out, err);
    if (r < 0)
        return r;
    message.tail = out.tail.data;
    message.tail_size = out.tail.size;
    message.fds = out.fds;
    message.fd_count = out.fd_count;
    return shim_request(shim, &message, ret_pid, err);
}

int shim_exec_resize(struct shim *shim, const char *exec_id, uint16_t rows, uint16_t columns, struct error *err)
{
    struct shim_resize_request q = {.rows = rows, .columns = columns};
    struct shim_outgoing message = {
        .type = SHIM_EXEC_RESIZE, .fixed = &q, .fixed_size = sizeof(q), .tail = exec_id, .tail_size = strlen(exec_id)};

    return shim_request(shim, &message, NULL, err);
}

int shim_exec_signal(struct shim *shim, const char *exec_id, int signal, struct error *err)
{
    struct shim_signal_request q = {.signal = signal};
    struct shim_outgoing message = {
        .type = SHIM_EXEC_SIGNAL, .fixed = &q, .fixed_size = sizeof(q), .tail = exec_id, .tail_size = strlen(exec_id)};

    return shim_request(shim, &message, NULL, err);
}

void shim_on_exec_exited(struct shim *shim, struct shim_message *message)
{
    const struct supervisor_options *options = &shim->supervisor->options;
    CLEANUP_FREE char *exec_id = xstrndup(message->tail, message->tail_size);
    struct shim_outgoing acknowledge = {
        .type = SHIM_EXEC_ACKNOWLEDGE, .tail = exec_id, .tail_size = message->tail_size};
    struct shim_exec_exit said;
    struct shim_exit exit;

    shim_message_fixed(message, &said, sizeof(said));
    exit = (struct shim_exit){.status = said.status, .finished = said.finished};
    if (options->exec_exited)
        options->exec_exited(shim->id, exec_id, &exit, options->data);
    /* When this does not arrive the shim is gone already. */
    shim_message_send(shim->socket_fd, &acknowledge);
}

/* ---- records ---- */

static struct json *read_record(int dir_fd, const char *name)
{
    CLEANUP_FREE char *text = NULL;
    struct json *record = NULL;
    size_t size;

    if (file_read(dir_fd, name, SHIM_TAIL_MAX, &text, &size, NULL) < 0 || json_parse(text, size, &record, NULL) < 0)
        return NULL;
    return record;
}

/* The id in "exec.ID"; NULL for every other name. */
static const char *exec_id_of(const char *name)
{
    size_t prefix = strlen(SHIM_EXEC_PREFIX);

    if (strncmp(name, SHIM_EXEC_PREFIX, prefix) != 0 || strlen(name) != prefix + ID_SIZE ||
        !id_is_hex(name + prefix, ID_SIZE))
        return NULL;
    return name + prefix;
}

void supervisor_find_execs(struct supervisor *s, const char *id,
                           void (*found)(const char *exec_id, pid_t pid, const struct json *note,
                                         const struct shim_exit *exit, void *data),
                           void *data)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;

    if (directory_open(s->root_fd, id, &dir) < 0)
        return;
    while (directory_next(dir, &name) > 0) {
        CLEANUP_FREE char *exit_name = xasprintf("%s" SHIM_EXEC_EXIT_SUFFIX, name);
        CLEANUP_JSON struct json *record = NULL, *end = NULL;
        const char *exec_id = exec_id_of(name);

        if (!exec_id || !(record = read_record(dirfd(dir), name)))
            continue;
        /* First it is made known, then its end looked for: whatever comes between is told to exec_exited(). */
        found(exec_id, (pid_t)json_get_int(record, "pid", 0), json_get(record, "note"), NULL, data);
        end = read_record(dirfd(dir), exit_name);
        if (end) {
            struct shim_exit exit = {.status = (int)json_get_int(end, "status", 0),
                                     .finished = json_get_int(end, "finished", 0)};

            found(exec_id, 0, json_get(record, "note"), &exit, data);
        }
    }
}

void supervisor_forget_exec(struct supervisor *s, const char *id, const char *exec_id)
{
    CLEANUP_CLOSE int dir_fd = openat(s->root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP_FREE char *name = xasprintf(SHIM_EXEC_PREFIX "%s", exec_id);
    CLEANUP_FREE char *exit_name = xasprintf(SHIM_EXEC_PREFIX "%s" SHIM_EXEC_EXIT_SUFFIX, exec_id);

    if (dir_fd < 0)
        return;
    unlinkat(dir_fd, name, 0);
    unlinkat(dir_fd, exit_name, 0);
}
