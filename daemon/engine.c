#include "daemon/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "daemon/admission.h"
#include "daemon/build/context.h"
#include "daemon/build/service.h"
#include "daemon/capabilities.h"
#include "daemon/engine_internal.h"
#include "daemon/storage_options.h"
#include "daemon/userns_remap.h"
#include "runtime/container.h"

#define SHUTDOWN_TIMEOUT 15

struct image_store *engine_images(struct engine *engine)
{
    return engine->images;
}

struct network_manager *engine_networks(struct engine *engine)
{
    return engine->networks;
}

struct network_registry *engine_network_registry(struct engine *engine)
{
    return engine->registry;
}

const struct daemon_options *engine_options(struct engine *engine)
{
    return engine->options;
}

struct db *engine_db(struct engine *engine)
{
    return engine->db;
}

struct events *engine_events(struct engine *engine)
{
    return engine->events;
}

struct volumes *engine_volumes(struct engine *engine)
{
    return engine->volumes;
}

const char *engine_id(struct engine *engine)
{
    return engine->id;
}

/* ---- opening, step by step ---- */

static int open_directories(struct engine *engine, struct error *err)
{
    const struct daemon_options *o = engine->options;
    int r = file_mkdirs(o->data_root, 0710, err);
    if (r == 0)
        r = file_mkdirs(o->exec_root, 0711, err);
    if (r < 0)
        return r;
    /* Nobody but root may reach setuid files in layers: CVE-2021-41091. */
    if (chmod(o->data_root, 0710) < 0)
        return error_errno(err, errno, "%s", o->data_root);
    engine->containers_dir = xasprintf("%s/containers", o->data_root);
    r = file_mkdirs(engine->containers_dir, 0710, err);
    if (r < 0)
        return r;
    engine->containers_fd = open(engine->containers_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (engine->containers_fd < 0)
        return error_errno(err, errno, "%s", engine->containers_dir);
    file_spread(engine->containers_fd);
    engine->etc_dir = xasprintf("%s/etc", o->exec_root);
    r = file_mkdirs(engine->etc_dir, 0710, err);
    if (r < 0)
        return r;
    engine->etc_fd = open(engine->etc_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (engine->etc_fd < 0)
        return error_errno(err, errno, "%s", engine->etc_dir);
    file_spread(engine->etc_fd);
    return 0;
}

static int open_database(struct engine *engine, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/dory.db", engine->options->data_root);
    int r = db_open(path, &engine->db, err);
    return r < 0 ? r : store_open(engine, err);
}

/* The daemon's id lives as long as the data root. */
static int load_id(struct engine *engine, struct error *err)
{
    int r = db_exec(engine->db, "CREATE TABLE IF NOT EXISTS engine(key TEXT PRIMARY KEY, value TEXT NOT NULL)", err);
    if (r < 0)
        return r;
    char fresh[ID_SIZE + 1];
    id_generate(fresh);
    db_lock(engine->db);
    struct db_statement *s;
    bool row = false;
    r = db_query(engine->db, "INSERT OR IGNORE INTO engine(key, value) VALUES('id', ?)", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, fresh);
        r = db_run(s, err);
    }
    if (r == 0)
        r = db_query(engine->db, "SELECT value FROM engine WHERE key = 'id'", &s, err);
    if (r == 0)
        r = db_step(s, &row, err);
    if (r == 0 && row)
        snprintf(engine->id, sizeof(engine->id), "%s", db_text(s, 0));
    if (r == 0)
        db_reset(s);
    db_unlock(engine->db);
    return r;
}

static int map_images(struct engine *engine, struct error *err)
{
    CLEANUP_CLOSE int fd = userns_remap_make_disk(engine->options->remap, err);
    int r = fd < 0 ? fd : image_store_map_ids(engine->images, fd, err);
    return r < 0 ? error_context(err, "userns-remap") : 0;
}

static int open_images(struct engine *engine, struct error *err)
{
    const struct daemon_options *options = engine->options;
    struct image_limits limits = {.layer_entries = options->max_layer_entries};
    if (parse_size(options->max_layer_size, false, &limits.layer_bytes) < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid max-layer-size: %s", options->max_layer_size);
    int r = storage_options_size(&options->storage_options, &engine->container_size, err);
    if (r == 0)
        r = image_store_open(options->data_root, engine->db, &engine->images, err);
    if (r < 0)
        return r;
    image_store_set_limits(engine->images, &limits);
    r = options->remap != NULL ? map_images(engine, err) : 0;
    if (r < 0)
        return r;
    if (engine->container_size > 0 && !image_store_has_quota(engine->images))
        return error_set(err, ERROR_INVALID, 0,
                         "storage-opt overlay2.size is supported only where %s lies on xfs or ext4 with project quotas",
                         options->data_root);
    image_restore_downloads(engine->images, options->keep_downloads);
    return 0;
}

static int open_volumes(struct engine *engine, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/volumes", engine->options->data_root);
    const struct userns_remap *remap = engine->options->remap;
    return volumes_open(path, engine->db, remap != NULL ? remap->root.uid : 0, remap != NULL ? remap->root.gid : 0,
                        &engine->volumes, err);
}

static int make_network_namespace(void *data, struct error *err)
{
    const struct userns_remap *remap = data;
    int netns = -1;
    int fd = userns_remap_make(remap, &netns, err);
    fd_close(fd); /* the network namespace knows whose it is */
    return fd < 0 ? fd : netns;
}

static int open_networks(struct engine *engine, struct error *err)
{
    const struct daemon_options *o = engine->options;
    bool no_bridge = strcmp(o->bridge, "none") == 0;
    /* Several daemons without a bridge side by side have tables of their own, too. */
    CLEANUP_FREE char *own = xasprintf("none-%.8s", engine->id);
    struct network_options options = {.bridge = no_bridge ? own : o->bridge,
                                      .no_bridge = no_bridge,
                                      .bip = o->bip,
                                      .fixed_cidr = o->fixed_cidr,
                                      .ipv6 = o->ipv6,
                                      .bip6 = o->bip6,
                                      .fixed_cidr6 = o->fixed_cidr6,
                                      .gateway = o->default_gateway,
                                      .gateway6 = o->default_gateway6,
                                      .default_address = o->ip,
                                      .mtu = (int)o->mtu,
                                      .no_firewall = !o->iptables,
                                      .no_rules6 = !o->ip6tables,
                                      .no_ip_forward = !o->ip_forward,
                                      .no_ip_masq = !o->ip_masq,
                                      .no_icc = !o->icc,
                                      .address_pools = &o->address_pools,
                                      .make_namespace = o->remap != NULL ? make_network_namespace : NULL,
                                      .make_data = (void *)o->remap,
                                      .seed = engine->id};
    int r = network_manager_open(&options, &engine->networks, err);
    if (r == 0 && no_bridge)
        log_info("no default bridge: the packet filter's tables are named dory-%s", own);
    return r < 0 ? r : network_registry_open(engine->db, engine->networks, &engine->registry, err);
}

static int open_workers(struct engine *engine, struct error *err)
{
    int r = worker_new("cleaner", &engine->cleaner, err);
    return r < 0 ? r : worker_new("timer", &engine->timer, err);
}

static int open_supervisor(struct engine *engine, struct error *err)
{
    struct supervisor_options options = {.exec_root = engine->options->exec_root,
                                         .shim_path = engine->options->shim_path,
                                         .exited = engine_exited,
                                         .detached = engine_detached,
                                         .exec_exited = engine_exec_exited,
                                         .data = engine};
    return supervisor_open(&options, &engine->supervisor, err);
}

/*
 * The kernel places compiled BPF programs in 2 MB packs. On a machine without any other program the filter of every
 * container would allocate and prepare a whole pack, and free it with the container: a sixth of a start's time. One
 * small program that stays keeps the pack. A kernel that refuses is merely slower.
 */
static int open_bpf(struct engine *engine, struct error *err)
{
    (void)err;
    struct sock_filter accept_all = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    struct sock_fprog program = {.len = 1, .filter = &accept_all};
    engine->bpf_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (engine->bpf_fd < 0 || setsockopt(engine->bpf_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
        log_debug("a filter of our own: %s", strerror(errno));
    return 0;
}

/* Makes moves between v1 cgroups quick; a host that refuses is merely slower. */
static int open_cgroups(struct engine *engine, struct error *err)
{
    (void)engine;
    (void)err;
    struct error failed = {0};
    if (runtime_cgroup_favordynmods(&failed) < 0)
        log_debug("favordynmods: %s", failed.message);
    return 0;
}

static void compile_default_seccomp(void *data)
{
    struct engine *engine = data;
    struct host_config host = {0};
    uint64_t capabilities;
    const void *bpf;
    size_t size;
    unsigned flags;
    bool owned;
    struct error err = {0};
    if (capabilities_resolve(&host, &capabilities, &err) < 0 ||
        engine_seccomp(engine, NULL, capabilities, &bpf, &size, &flags, &owned, &err) < 0)
        log_error("default seccomp profile: %s", err.message);
}

static int prepare_seccomp(struct engine *engine, struct error *err)
{
    int r = engine_seccomp_load(engine, err);
    if (r == 0 && engine->seccomp_profile == NULL)
        worker_add(engine->timer, 0, compile_default_seccomp, NULL, engine);
    return r;
}

static int open_builds(struct engine *engine, struct error *err)
{
    build_files_sweep(engine);
    return build_service_open(engine, &engine->builds, err);
}

static int (*const open_steps[])(struct engine *engine, struct error *err) = {
    open_directories, open_database, load_id,         open_cgroups,    open_bpf,       open_images, open_volumes,
    open_networks,    open_workers,  prepare_seccomp, open_supervisor, engine_recover, open_builds,
};

/* Destructors take what is half-built. */
static void engine_free(struct engine *engine)
{
    /* No restart is begun any more, then nobody reports ends, then the last leftovers are taken down. */
    build_service_free(engine->builds);
    health_monitor_free(engine->health);
    worker_free(engine->timer);
    supervisor_stop(engine->supervisor);
    worker_free(engine->cleaner); /* has the supervisor forget them */
    if (engine->supervisor != NULL)
        supervisor_close(engine->supervisor);
    exec_table_free(engine->execs);
    for (size_t i = 0; i < engine->count; i++)
        container_unref(engine->list[i]);
    free(engine->list);
    map_release(&engine->by_id);
    map_release(&engine->by_name);
    network_registry_close(engine->registry);
    if (engine->networks != NULL)
        network_manager_close(engine->networks);
    volumes_close(engine->volumes);
    if (engine->images != NULL)
        image_store_close(engine->images);
    if (engine->db != NULL)
        db_close(engine->db);
    events_free(engine->events);
    for (size_t i = 0; i < engine->seccomp_count; i++)
        free(engine->seccomp[i].bpf);
    free(engine->seccomp_profile);
    admission_free(engine->admission);
    fd_close(engine->bpf_fd);
    fd_close(engine->containers_fd);
    fd_close(engine->etc_fd);
    free(engine->containers_dir);
    free(engine->etc_dir);
    pthread_mutex_destroy(&engine->index_lock);
    pthread_mutex_destroy(&engine->seccomp_lock);
    pthread_mutex_destroy(&engine->init_lock);
    free(engine);
}

int engine_open(const struct daemon_options *options, struct engine **ret, struct error *err)
{
    struct engine *engine = xcalloc(1, sizeof(*engine));
    engine->options = options;
    engine->containers_fd = engine->etc_fd = engine->bpf_fd = -1;
    engine->events = events_new();
    engine->execs = exec_table_new();
    engine->health = health_monitor_new(engine);
    pthread_mutex_init(&engine->index_lock, NULL);
    pthread_mutex_init(&engine->seccomp_lock, NULL);
    pthread_mutex_init(&engine->init_lock, NULL);
    engine->admission = admission_new(&(struct admission_options){0});
    for (size_t i = 0; i < ARRAY_SIZE(open_steps); i++) {
        int r = open_steps[i](engine, err);
        if (r < 0) {
            engine_free(engine);
            return r;
        }
    }
    *ret = engine;
    return 0;
}

/* An orderly stop that takes the containers along: all are asked, then all are waited for. */
static void stop_containers(struct engine *engine)
{
    int64_t patience = engine->options->shutdown_timeout > 0 ? engine->options->shutdown_timeout : SHUTDOWN_TIMEOUT;
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    for (size_t i = 0; i < count; i++)
        container_kill(engine, list[i], list[i]->config.stop_signal ? list[i]->config.stop_signal : "TERM", NULL);
    int64_t deadline = timestamp_monotonic() + patience * 1000000000;
    for (size_t i = 0; i < count; i++) {
        int64_t left_ms = (deadline - timestamp_monotonic()) / 1000000;
        struct container_waiter *waiter = container_wait_begin(list[i], CONTAINER_WAIT_NOT_RUNNING);
        if (container_wait_for(waiter, -1, left_ms > 0 ? (int)left_ms : 0, NULL) == -ETIMEDOUT)
            container_kill(engine, list[i], "KILL", NULL);
        container_wait_end(waiter);
    }
    engine_snapshot_free(list, count);
}

void engine_close(struct engine *engine)
{
    if (engine == NULL)
        return;
    engine->closing = true;
    if (!engine->options->live_restore)
        stop_containers(engine);
    engine_free(engine);
}

/* ---- for the API ---- */

void engine_counts(struct engine *engine, struct engine_counts *ret)
{
    *ret = (struct engine_counts){0};
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    ret->containers = (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&list[i]->lock);
        if (list[i]->state == CONTAINER_PAUSED)
            ret->paused++;
        else if (list[i]->state == CONTAINER_RUNNING || list[i]->state == CONTAINER_RESTARTING)
            ret->running++;
        else
            ret->stopped++;
        pthread_mutex_unlock(&list[i]->lock);
    }
    engine_snapshot_free(list, count);
    ret->events = events_total(engine->events);
    ret->event_subscribers = (int64_t)events_subscribers(engine->events);
    ret->health_checks = engine->health_checks;
    ret->failed_health_checks = engine->failed_health_checks;
}

int64_t engine_image_containers(struct engine *engine, const char *image_id)
{
    int64_t n = 0;
    pthread_mutex_lock(&engine->index_lock);
    for (size_t i = 0; i < engine->count; i++)
        n += engine->list[i]->image_id != NULL && strcmp(engine->list[i]->image_id, image_id) == 0;
    pthread_mutex_unlock(&engine->index_lock);
    return n;
}

void engine_image_event(struct engine *engine, const char *action, const char *id, const char *name)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    if (name != NULL)
        strmap_set(&attributes, "name", name);
    events_publish(engine->events, "image", action, id, &attributes);
}
