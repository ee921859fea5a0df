/* Starting execs: who, where, with which rights; then the shim does it. */
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/stream_frame.h"
#include "base/timestamp.h"
#include "daemon/capabilities.h"
#include "daemon/exec_internal.h"
#include "daemon/links.h"
#include "daemon/spec_generate.h"

/* docker's exit codes of a command that could not be run */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

/* lock held */
static int check_state(struct container *c, struct error *err)
{
    enum container_state next;
    int r = container_state_next(c->state, CONTAINER_EXEC, c->id, &next, err);
    if (r == 0 && (c->pid == 0 || c->shim == NULL))
        r = error_set(err, ERROR_CONFLICT, 0, "container %s is not running", c->id);
    return r;
}

static int check_container(struct container *c, struct shim **ret_shim, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    int r = check_state(c, err);
    if (r == 0 && ret_shim != NULL)
        *ret_shim = shim_ref(c->shim);
    pthread_mutex_unlock(&c->lock);
    return r;
}

/* From here to leave_container() nobody pauses the container. */
static int enter_container(struct container *c, struct shim **ret_shim, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    while (c->freezing)
        pthread_cond_wait(&c->turn_free, &c->lock);
    int r = check_state(c, err);
    if (r == 0) {
        *ret_shim = shim_ref(c->shim);
        c->execs_starting++;
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

static void leave_container(struct container *c, struct shim *shim)
{
    pthread_mutex_lock(&c->lock);
    c->execs_starting--;
    pthread_cond_broadcast(&c->turn_free);
    pthread_mutex_unlock(&c->lock);
    shim_unref(shim);
}

int exec_claim(struct engine *engine, struct exec *exec, struct error *err)
{
    int r = check_container(exec->container, NULL, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&engine->execs->lock);
    if (exec->state == EXEC_ENDED)
        r = error_set(err, ERROR_CONFLICT, 0, "exec command %s has already run", exec->id);
    else if (exec->state != EXEC_CREATED)
        r = error_set(err, ERROR_CONFLICT, 0, "exec command %s is already running", exec->id);
    else
        exec->state = EXEC_STARTING;
    pthread_mutex_unlock(&engine->execs->lock);
    return r;
}

void exec_unclaim(struct engine *engine, struct exec *exec)
{
    pthread_mutex_lock(&engine->execs->lock);
    if (exec->state == EXEC_STARTING)
        exec->state = EXEC_CREATED;
    pthread_mutex_unlock(&engine->execs->lock);
}

/* ---- what the process is ---- */

struct launch {
    struct exec *exec;
    struct identity identity;
    uint64_t capabilities;
    const void *seccomp_bpf;
    size_t seccomp_size;
    unsigned seccomp_flags;
    bool seccomp_owned;
    struct strv link_env;
    struct strbuf process, note;
};

static void launch_release(struct launch *l)
{
    identity_release(&l->identity);
    strv_release(&l->link_env);
    strbuf_release(&l->process);
    strbuf_release(&l->note);
    if (l->seccomp_owned)
        free((void *)l->seccomp_bpf);
}

/* The container's root, for its passwd. The mount that the daemon holds, or what the process sees: after a restart. */
static int open_root(struct container *c, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    int fd = c->rootfs_fd >= 0 ? fd_dup(c->rootfs_fd) : -EBADF;
    pid_t pid = c->pid;
    pthread_mutex_unlock(&c->lock);
    if (fd >= 0)
        return fd;
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/root", pid);
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "root of container %s", c->id) : fd;
}

static int resolve_identity(struct launch *l, struct error *err)
{
    struct container *c = l->exec->container;
    const char *user = l->exec->config.user;
    if (user == NULL || *user == '\0')
        user = c->config.user;
    CLEANUP_CLOSE int root_fd = open_root(c, err);
    if (root_fd < 0)
        return root_fd;
    return identity_resolve_beneath(user, root_fd, &c->host.group_add, &l->identity, err);
}

int exec_check_user(struct exec *exec, struct error *err)
{
    CLEANUP(launch_release) struct launch l = {.exec = exec};
    if (exec->config.user == NULL || *exec->config.user == '\0') /* the container's own was found when it started */
        return 0;
    return resolve_identity(&l, err);
}

/* As with docker --privileged gives capabilities; the filter stays the container's. */
static int resolve_rights(struct engine *engine, struct launch *l, struct error *err)
{
    struct container *c = l->exec->container;
    struct host_config all = {.privileged = true};
    uint64_t own;
    int r = capabilities_resolve(&c->host, &own, err);
    if (r == 0)
        r = engine_seccomp(engine, c, own, &l->seccomp_bpf, &l->seccomp_size, &l->seccomp_flags, &l->seccomp_owned,
                           err);
    l->capabilities = own;
    if (r == 0 && l->exec->config.privileged)
        r = capabilities_resolve(&all, &l->capabilities, err);
    return r;
}

static void write_process(struct launch *l)
{
    const struct exec_config *config = &l->exec->config;
    const struct container *c = l->exec->container;
    struct spec_input input = {.container = c,
                               .identity = &l->identity,
                               .capabilities = l->capabilities,
                               .link_env = &l->link_env,
                               .hostname = c->config.hostname};
    struct spec_process process = {.args = &config->cmd,
                                   .env = &config->env,
                                   .cwd = config->working_dir != NULL && *config->working_dir != '\0'
                                              ? config->working_dir
                                              : c->config.working_dir,
                                   .tty = config->tty,
                                   .console_size = {config->console_size[0], config->console_size[1]}};
    spec_generate_process(&input, &process, &l->process);
    if (!l->exec->transient) {
        struct json_writer w;
        json_writer_init(&w, &l->note);
        json_table_encode(&exec_config_table, config, &w);
    }
}

/* What the runtime says, as docker's clients expect to read it. Returns the exit code that docker gives the exec. */
static int launch_error(struct error *err)
{
    int code = err->kind == ERROR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    CLEANUP_FREE char *message = xstrdup(err->message);
    err->kind = err->kind == ERROR_NOT_FOUND || err->kind == ERROR_FORBIDDEN ? ERROR_INVALID : ERROR_SYSTEM;
    snprintf(err->message, sizeof(err->message),
             "OCI runtime exec failed: exec failed: unable to start container process: %.1700s: unknown", message);
    return code;
}

static int launch(struct engine *engine, struct launch *l, const struct shim_attach *attach,
                  const struct exec_start *how, int *ret_code, struct error *err)
{
    struct exec *exec = l->exec;
    struct shim *shim = NULL;
    pid_t pid = 0;
    *ret_code = EXIT_NOT_EXECUTABLE;
    int r = enter_container(exec->container, &shim, err);
    if (r == 0)
        r = resolve_identity(l, err);
    if (r == 0)
        r = resolve_rights(engine, l, err);
    if (r == 0)
        r = links_start(engine, exec->container, NULL, &l->link_env, err);
    if (r == 0) {
        write_process(l);
        struct shim_exec request = {.exec_id = exec->id,
                                    .process_json = strbuf_str(&l->process),
                                    .process_size = l->process.size,
                                    .seccomp_bpf = l->seccomp_bpf,
                                    .seccomp_size = l->seccomp_size,
                                    .seccomp_flags = l->seccomp_flags,
                                    .tty = exec->config.tty,
                                    .tty_rows = how->rows ? how->rows : (uint16_t)exec->config.console_size[0],
                                    .tty_columns = how->columns ? how->columns : (uint16_t)exec->config.console_size[1],
                                    .raw = how->raw,
                                    .transient = exec->transient,
                                    .note = strbuf_str(&l->note),
                                    .attach = attach};
        r = shim_exec(shim, &request, &pid, err);
        if (r < 0 && r != -ESRCH)
            *ret_code = launch_error(err);
    }
    if (shim != NULL)
        leave_container(exec->container, shim);
    if (r < 0)
        return r;
    pthread_mutex_lock(&engine->execs->lock);
    exec->pid = pid;
    if (exec->state == EXEC_STARTING) /* else it has ended already */
        exec->state = EXEC_RUNNING;
    pthread_mutex_unlock(&engine->execs->lock);
    return 0;
}

/* A client of a stream reads why there is none, as docker tells it. */
static void tell_client(int fd, bool raw, const struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    unsigned char header[STREAM_FRAME_HEADER];
    stream_frame_header(header, false, strlen(err->message) + 2);
    if (!raw)
        strbuf_add(&text, header, sizeof(header));
    strbuf_addf(&text, "%s\r\n", err->message);
    fd_write_all(fd, text.data, text.size); /* a client that has gone needs no telling */
}

int exec_start(struct engine *engine, struct exec *exec, const struct exec_start *how, struct error *err)
{
    CLEANUP(launch_release) struct launch l = {.exec = exec};
    CLEANUP_CLOSE int fd = how->fd;
    struct shim_attach attach = {.fd = fd,
                                 .use_stdin = exec->config.attach_stdin,
                                 .use_stdout = exec->config.attach_stdout,
                                 .use_stderr = exec->config.attach_stderr,
                                 .detach_keys = exec->config.detach_keys};
    struct error failed = {0};
    int code;
    exec_event(engine, exec, "exec_start", NULL);
    int r = launch(engine, &l, fd >= 0 ? &attach : NULL, how, &code, &failed);
    if (r < 0) {
        log_debug("exec %.12s: %s", exec->id, failed.message);
        exec_note_end(engine, exec, code);
        if (fd >= 0)
            tell_client(fd, how->raw, &failed);
        return error_propagate(err, &failed);
    }
    return 0;
}

int exec_resize(struct engine *engine, struct exec *exec, uint16_t rows, uint16_t columns, struct error *err)
{
    struct shim *shim = NULL;
    int r = check_container(exec->container, &shim, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&engine->execs->lock);
    bool running = exec->state == EXEC_RUNNING;
    pthread_mutex_unlock(&engine->execs->lock);
    r = running ? shim_exec_resize(shim, exec->id, rows, columns, err)
                : error_set(err, ERROR_CONFLICT, 0, "exec %s is not running", exec->id);
    shim_unref(shim);
    return r;
}
