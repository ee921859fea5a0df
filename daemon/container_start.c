/*
 * Starting a container: named steps, each with its undo. The shim is spawned first, so that its own start-up runs
 * beside the preparation of root, network and spec.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/condition.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/admission.h"
#include "daemon/capabilities.h"
#include "daemon/container_runtime.h"
#include "daemon/engine_internal.h"
#include "daemon/ipc_share.h"
#include "daemon/links.h"
#include "daemon/log_target.h"
#include "daemon/mount_sources.h"
#include "daemon/spec_generate.h"

/* How long a start waits for a client that does not take its answer. */
#define ATTACH_PATIENCE_S 2

struct start {
    struct engine *engine;
    struct container *c;
    const struct userns_remap *remap; /* NULL: in the host's user namespace */
    struct shim *shim;
    int rootfs_fd, netns_fd;
    bool attached;
    struct network_sandbox sandbox;
    bool host_network;
    struct container *network_peer, *pid_peer;
    char *hostname;
    char *etc_dir;
    char *pid_path;
    struct identity identity;
    struct device_list devices;
    uint64_t capabilities;
    struct mount_sources sources;
    struct strv hosts, link_env; /* of links */
    char *shm_path, *ipc_path;
    struct strbuf spec;
    struct log_target log;
    const void *seccomp_bpf;
    size_t seccomp_size;
    unsigned seccomp_flags;
    bool seccomp_owned;
    struct container_runtime runtime;
    int64_t started_before;
};

static const char *peer_of(const char *mode)
{
    return mode != NULL && strncmp(mode, "container:", 10) == 0 ? mode + 10 : NULL;
}

/* ---- shim ---- */

static int step_shim(struct start *s, struct error *err)
{
    return supervisor_spawn(s->engine->supervisor, s->c->id, &s->shim, err);
}

static void undo_shim(struct start *s)
{
    if (s->shim == NULL)
        return;
    shim_abandon(s->shim);
    shim_unref(TAKE_PTR(s->shim));
}

/* ---- root ---- */

static int step_root(struct start *s, struct error *err)
{
    /* With --rm the root is gone after this run: its writes need not reach the disk. */
    unsigned flags = (s->c->host.auto_remove ? ROOTFS_ONCE : 0) | (s->remap != NULL ? ROOTFS_MAPPED : 0);
    s->rootfs_fd = image_rootfs_mount(s->engine->images, s->c->rootfs_id, flags, err);
    return s->rootfs_fd < 0 ? s->rootfs_fd : 0;
}

static void undo_root(struct start *s)
{
    s->rootfs_fd = fd_close(s->rootfs_fd);
}

/* ---- network ---- */

static int join_network(struct start *s, const char *peer, struct error *err)
{
    int r = container_find_running(s->engine, peer, "network namespace", &s->network_peer, err);
    if (r < 0)
        return r;
    char path[64];
    pthread_mutex_lock(&s->network_peer->lock);
    snprintf(path, sizeof(path), "/proc/%d/ns/net", s->network_peer->pid);
    pthread_mutex_unlock(&s->network_peer->lock);
    s->netns_fd = open(path, O_RDONLY | O_CLOEXEC);
    return s->netns_fd < 0 ? error_errno(err, errno, "network namespace of container %s", s->network_peer->id)
                           : container_userns_check_network(s->engine, s->c, s->netns_fd, err);
}

static int step_network(struct start *s, struct error *err)
{
    struct container *c = s->c;
    const char *mode = c->host.network_mode;
    s->host_network = strcmp(mode, "host") == 0;
    if (s->host_network) {
        s->sandbox = (struct network_sandbox){.endpoints = xcalloc(1, sizeof(*s->sandbox.endpoints)), .count = 1};
        network_predefined_id(s->engine->networks, "host", s->sandbox.endpoints[0].network_id);
        id_generate(s->sandbox.endpoints[0].endpoint_id);
        return 0;
    }
    if (peer_of(mode) != NULL)
        return join_network(s, peer_of(mode), err);
    CLEANUP_FREE char *name = container_slash_name(s->engine, c);
    int r = container_networks_attach(s->engine, c, name + 1, &s->netns_fd, &s->sandbox, err);
    s->attached = r == 0;
    return r;
}

static void undo_network(struct start *s)
{
    s->netns_fd = fd_close(s->netns_fd);
    if (s->attached)
        network_detach(s->engine->networks, s->c->id);
    s->attached = false;
    network_sandbox_release(&s->sandbox);
}

/* ---- hosts, hostname, resolv.conf ---- */

static int step_files(struct start *s, struct error *err)
{
    struct container *c = s->c;
    if (mkdirat(s->engine->containers_fd, c->id, 0710) < 0 && errno != EEXIST)
        return error_errno(err, errno, "%s/%s", s->engine->containers_dir, c->id);
    s->hostname = xstrdup(c->config.hostname);
    strv_add_all(&s->hosts, &c->host.extra_hosts);
    int r = links_start(s->engine, c, &s->hosts, &s->link_env, err);
    if (r < 0)
        return r;
    strv_add_all(&s->link_env, &c->hidden_env);
    if (s->network_peer != NULL) { /* its name, address and resolver are this container's, too */
        s->etc_dir = container_etc_directory(s->engine, s->network_peer);
        return 0;
    }
    s->etc_dir = container_etc_directory(s->engine, c);
    return container_etc_write(s->engine, c, &s->sandbox, &s->hosts, err);
}

/* ---- who, where, what ---- */

static int step_identity(struct start *s, struct error *err)
{
    return identity_resolve_beneath(s->c->config.user, s->rootfs_fd, &s->c->host.group_add, &s->identity, err);
}

/* Docker makes a missing working directory in the root, owned by root. */
static int step_working_directory(struct start *s, struct error *err)
{
    const char *path = s->c->config.working_dir;
    if (path == NULL || *path == '\0' || strcmp(path, "/") == 0)
        return 0;
    /* What we make is nobody's in a user namespace: there the runtime does it, as its root. */
    CLEANUP_CLOSE int fd = s->remap != NULL ? beneath_open(s->rootfs_fd, path, O_PATH | O_DIRECTORY, 0)
                                            : beneath_mkdirs(s->rootfs_fd, path, 0755);
    if (s->remap != NULL && fd == -ENOENT)
        return 0;
    if (fd == -ENOTDIR)
        return error_set(err, ERROR_SYSTEM, ENOTDIR, "Cannot mkdir: %s is not a directory", path);
    return fd < 0 ? error_errno(err, fd, "working directory %s", path) : 0;
}

static int step_sources(struct start *s, struct error *err)
{
    int r = mount_sources_prepare(s->engine, s->c, &s->identity, &s->sources, err);
    return r < 0 ? r : ipc_share_start(s->engine, s->c, &s->shm_path, &s->ipc_path, err);
}

static void undo_sources(struct start *s)
{
    mount_sources_undo(s->engine, s->c, &s->sources);
    ipc_share_end(s->engine, s->c);
}

static int step_security(struct start *s, struct error *err)
{
    int r = capabilities_resolve(&s->c->host, &s->capabilities, err);
    if (r == 0)
        r = devices_collect(&s->c->host, &s->devices, err);
    if (r == 0)
        r = container_runtime_choose(s->engine, s->c, s->capabilities, s->netns_fd >= 0, &s->runtime, err);
    if (r == 0 && s->runtime.command.count == 0)
        r = engine_seccomp(s->engine, s->c, s->capabilities, &s->seccomp_bpf, &s->seccomp_size, &s->seccomp_flags,
                           &s->seccomp_owned, err);
    return r;
}

static int step_spec(struct start *s, struct error *err)
{
    if (peer_of(s->c->host.pid_mode) != NULL) {
        int r = container_find_running(s->engine, peer_of(s->c->host.pid_mode), "PID namespace", &s->pid_peer, err);
        if (r < 0)
            return r;
        pthread_mutex_lock(&s->pid_peer->lock);
        s->pid_path = xasprintf("/proc/%d/ns/pid", s->pid_peer->pid);
        pthread_mutex_unlock(&s->pid_peer->lock);
    }
    CLEANUP_FREE char *cgroup = container_cgroup_path(s->engine, s->c);
    struct spec_input input = {.container = s->c,
                               .identity = &s->identity,
                               .devices = &s->devices,
                               .capabilities = s->capabilities,
                               .hostname = s->hostname,
                               .cgroups_path = cgroup,
                               .etc_dir = s->etc_dir,
                               .sources = s->sources.paths,
                               .link_env = &s->link_env,
                               .shm_path = s->shm_path,
                               .ipc_path = s->ipc_path,
                               .host_network = s->host_network,
                               .netns_path = s->runtime.netns_path,
                               .userns_path = s->runtime.userns_path,
                               .seccomp = s->runtime.seccomp,
                               .init_path = s->runtime.init_path,
                               .host_mqueue = access("/dev/mqueue", F_OK) == 0,
                               .pid_path = s->pid_path,
                               .remap = s->remap};
    spec_generate(&input, &s->spec);
    return 0;
}

static int step_log(struct start *s, struct error *err)
{
    int r = log_target_make(s->engine, s->c, &s->log, err);
    return r < 0 ? error_context(err, "failed to create task for container: failed to initialize logging driver") : 0;
}

/* ---- the row, then the process ---- */

/*
 * The row says "running" before the process does: whatever happens to the daemon from here on, the next one looks for
 * the process, and frees the address if there is none.
 */
static int step_row(struct start *s, struct error *err)
{
    (void)err;
    struct container *c = s->c;
    pthread_mutex_lock(&c->lock);
    enum container_state before = c->state;
    s->started_before = c->started;
    c->started = timestamp_now();
    c->unhealthy_end = false;
    if (health_config_has_check(&c->config))
        health_state_begin(&c->health);
    xstrset(&c->error, NULL);
    network_sandbox_release(&c->sandbox);
    c->sandbox = s->sandbox; /* lent until the start has succeeded */
    c->state = CONTAINER_RUNNING;
    store_save_state(s->engine, c);
    c->state = before;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static void undo_row(struct start *s)
{
    struct container *c = s->c;
    pthread_mutex_lock(&c->lock);
    c->started = s->started_before;
    c->sandbox = (struct network_sandbox){0};
    pthread_mutex_unlock(&c->lock);
}

/* Clients that have their answer are about to be handed over: a start does not outrun them. */
static void await_attaching(struct container *c)
{
    int64_t until = timestamp_monotonic() + ATTACH_PATIENCE_S * INT64_C(1000000000);
    pthread_mutex_lock(&c->lock);
    while (c->attaching > 0 && condition_wait_until(&c->turn_free, &c->lock, until) == 0)
        continue;
    pthread_mutex_unlock(&c->lock);
}

/* Takes the waiting clients; *ret is a heap array that owns their detach keys. */
static size_t take_pending(struct container *c, struct shim_attach **ret)
{
    size_t count = 0, capacity = 0;
    *ret = NULL;
    pthread_mutex_lock(&c->lock);
    while (c->pending != NULL) {
        struct pending_attach *p = c->pending;
        c->pending = p->next;
        xgrow((void **)ret, count, &capacity, sizeof(**ret));
        (*ret)[count++] = p->attach;
        free(p);
    }
    pthread_mutex_unlock(&c->lock);
    return count;
}

static void free_attaches(struct shim_attach *attaches, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((char *)attaches[i].detach_keys);
    free(attaches);
}

/* What the runtime says, as docker's clients expect to read it; kinds become those of the API. */
static int launch_error(struct error *err)
{
    if (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_FORBIDDEN)
        err->kind = ERROR_INVALID;
    else
        err->kind = ERROR_SYSTEM;
    CLEANUP_FREE char *message = xstrdup(err->message);
    if (strncmp(message, "failed to initialize logging driver", strlen("failed to initialize logging driver")) == 0) {
        snprintf(err->message, sizeof(err->message), "failed to create task for container: %.1700s", message);
        return -err->errnum;
    }
    snprintf(err->message, sizeof(err->message),
             "failed to create task for container: OCI runtime create failed: unable to start container process: "
             "%.1700s: unknown",
             message);
    return -err->errnum;
}

static int step_launch(struct start *s, struct error *err)
{
    struct container *c = s->c;
    struct shim_attach *attaches;
    await_attaching(c);
    size_t count = take_pending(c, &attaches);
    struct shim_start start = {.spec_json = strbuf_str(&s->spec),
                               .spec_size = s->spec.size,
                               .rootfs_fd = s->rootfs_fd,
                               .netns_fd = s->netns_fd,
                               .seccomp_bpf = s->seccomp_bpf,
                               .seccomp_size = s->seccomp_size,
                               .seccomp_flags = s->seccomp_flags,
                               .tty = c->config.tty,
                               .open_stdin = c->config.open_stdin,
                               .stdin_once = c->config.stdin_once,
                               .init = s->runtime.built_in_init,
                               .runtime = &s->runtime.command,
                               .tty_rows = (uint16_t)c->host.console_size[0],
                               .tty_columns = (uint16_t)c->host.console_size[1],
                               .log = {.path = s->log.path,
                                       .max_size = s->log.settings.max_size,
                                       .max_files = s->log.settings.max_files,
                                       .compress = s->log.settings.compress,
                                       .attrs = &s->log.attributes,
                                       .sink = s->log.sink},
                               .attaches = attaches,
                               .attach_count = count};
    pid_t pid = 0;
    struct error failed = {0};
    int r = shim_start(s->shim, &start, &pid, &failed);
    free_attaches(attaches, count);
    if (r < 0) {
        shim_unref(TAKE_PTR(s->shim)); /* it is gone already */
        pthread_mutex_lock(&c->lock);
        c->exit_code = failed.kind == ERROR_NOT_FOUND ? 127 : failed.kind == ERROR_FORBIDDEN ? 126 : 128;
        pthread_mutex_unlock(&c->lock);
        launch_error(&failed);
        return error_propagate(err, &failed);
    }
    pthread_mutex_lock(&c->lock);
    c->pid = pid;
    c->exit_code = 0;
    c->oom_killed = false;
    c->stopped_by_user = false;
    c->shim = TAKE_PTR(s->shim);
    c->rootfs_fd = TAKE_FD(s->rootfs_fd);
    c->has_volumes = true;
    c->state = CONTAINER_RUNNING;
    free(c->sandbox_key);
    c->sandbox_key = s->host_network ? NULL : xasprintf("/proc/%d/ns/net", pid);
    pthread_mutex_unlock(&c->lock);
    return 0;
}

/* ---- the sequence ---- */

static const struct {
    const char *name;
    int (*run)(struct start *s, struct error *err);
    void (*undo)(struct start *s);
} steps[] = {
    {"shim", step_shim, undo_shim},
    {"root", step_root, undo_root},
    {"network", step_network, undo_network},
    {"files", step_files, NULL},
    {"identity", step_identity, NULL},
    {"working directory", step_working_directory, NULL},
    {"mount sources", step_sources, undo_sources},
    {"security", step_security, NULL},
    {"spec", step_spec, NULL},
    {"log", step_log, NULL},
    {"row", step_row, undo_row},
    {"launch", step_launch, NULL},
};

static void start_release(struct start *s)
{
    fd_close(s->rootfs_fd);
    fd_close(s->netns_fd);
    container_unref(s->network_peer);
    container_unref(s->pid_peer);
    free(s->hostname);
    free(s->etc_dir);
    free(s->pid_path);
    identity_release(&s->identity);
    device_list_release(&s->devices);
    mount_sources_release(s->engine, s->c, &s->sources);
    strv_release(&s->hosts);
    strv_release(&s->link_env);
    free(s->shm_path);
    free(s->ipc_path);
    strbuf_release(&s->spec);
    log_target_release(&s->log);
    container_runtime_release(&s->runtime);
    if (s->seccomp_owned)
        free((void *)s->seccomp_bpf);
}

static int run_steps(struct start *s, struct error *err)
{
    int64_t times[ARRAY_SIZE(steps) + 1];
    times[0] = timestamp_monotonic();
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        int r = steps[i].run(s, err);
        times[i + 1] = timestamp_monotonic();
        if (r == 0)
            continue;
        log_debug("container %.12s: start failed at step %s", s->c->id, steps[i].name);
        for (size_t j = i + 1; j-- > 0;)
            if (steps[j].undo != NULL)
                steps[j].undo(s);
        return r;
    }
    if (log_enabled(LOG_LEVEL_DEBUG)) {
        CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
            strbuf_addf(&text, " %s=%lldus", steps[i].name, (long long)(times[i + 1] - times[i]) / 1000);
        log_debug("container %.12s: started in %lldus:%s", s->c->id,
                  (long long)(times[ARRAY_SIZE(steps)] - times[0]) / 1000, strbuf_str(&text));
    }
    return 0;
}

/* Keeps the reason in the state, as docker does: Error and exit code 126, 127 or 128. */
static void record_failure(struct engine *engine, struct container *c, const struct error *err)
{
    pthread_mutex_lock(&c->lock);
    enum container_state next;
    c->starting = false;
    pthread_cond_broadcast(&c->turn_free);
    if (container_state_next(c->state, CONTAINER_START_FAILED, c->id, &next, NULL) == 0)
        c->state = next;
    if (c->exit_code == 0)
        c->exit_code = 128;
    xstrset(&c->error, err->message);
    bool auto_remove = c->host.auto_remove && c->state != CONTAINER_REMOVING;
    if (auto_remove)
        c->state = CONTAINER_REMOVING;
    else
        store_save_state(engine, c);
    pthread_mutex_unlock(&c->lock);
    container_drop_pending(c);
    struct error removal = {0};
    if (auto_remove && container_forget(engine, c, true, &removal) < 0)
        log_error("container %s: removing it: %s", c->id, removal.message);
}

/* Clients that came, and an end that happened, while the start was under way. */
static void catch_up(struct engine *engine, struct container *c)
{
    struct shim_attach *attaches;
    size_t count = take_pending(c, &attaches);
    /* While the start is under way an end waits: "start" comes before "die". */
    links_address_changed(engine, c);
    container_network_event(engine, c, "connect");
    container_event(engine, c, "start", NULL, NULL);
    pthread_mutex_lock(&c->lock);
    c->starting = false;
    bool ended = c->early_exit;
    struct shim_exit exit = c->early;
    struct shim *shim = c->shim != NULL ? shim_ref(c->shim) : NULL;
    pthread_cond_broadcast(&c->turn_free);
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < count && shim != NULL; i++)
        shim_add_client(shim, &attaches[i], NULL);
    free_attaches(attaches, count);
    if (shim != NULL)
        shim_unref(shim);
    health_watch(engine->health, c);
    if (ended)
        container_process_exit(engine, c, &exit, false);
}

int container_launch(struct engine *engine, struct container *c, struct error *err)
{
    struct error failed = {0};
    CLEANUP(start_release)
    struct start s = {.engine = engine, .c = c, .remap = container_remap(engine, c), .rootfs_fd = -1, .netns_fd = -1};
    pthread_mutex_lock(&c->lock);
    c->exit_code = 0;
    c->early_exit = false;
    pthread_mutex_unlock(&c->lock);
    uint64_t pass = admission_enter(engine->admission, ADMISSION_START);
    int r = run_steps(&s, &failed);
    admission_leave(engine->admission, pass);
    if (r < 0) {
        record_failure(engine, c, &failed);
        return error_propagate(err, &failed);
    }
    catch_up(engine, c);
    container_memory_trim(c);
    return 0;
}

int container_start(struct engine *engine, struct container *c, struct error *err)
{
    int r = container_turn_begin(c, CONTAINER_START, c->id, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&c->lock);
    c->restart_count = 0;
    c->restart_failures = 0;
    c->restart_ticket++;
    c->starting = true;
    pthread_mutex_unlock(&c->lock);
    r = container_launch(engine, c, err);
    container_turn_end(c);
    return r;
}
