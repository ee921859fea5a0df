/* What the files of the engine share. Not for other layers. */
#ifndef DORY_DAEMON_ENGINE_INTERNAL_H
#define DORY_DAEMON_ENGINE_INTERNAL_H

#include <sys/stat.h>

#include "base/strmap.h"
#include "daemon/container.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/health.h"
#include "daemon/network_registry.h"
#include "daemon/restart_policy.h"
#include "daemon/signals.h"
#include "daemon/volumes.h"
#include "daemon/worker.h"

/* Ready seccomp programs, one per set of capabilities; they live as long as the engine. */
#define SECCOMP_CACHE_MAX 64
struct seccomp_program {
    uint64_t capabilities;
    void *bpf;
    size_t size;
};

struct exec_table;
struct oci_seccomp;
struct build_service;

struct engine {
    const struct daemon_options *options;
    struct db *db;
    struct image_store *images;
    uint64_t container_size; /* overlay2.size of the storage options; 0: no limit */
    struct network_manager *networks;
    struct network_registry *registry;
    struct supervisor *supervisor;
    struct events *events;
    struct volumes *volumes;
    struct exec_table *execs;
    struct health_monitor *health;
    _Atomic int64_t health_checks, failed_health_checks;
    struct build_service *builds;
    struct worker *cleaner; /* takes down what ended containers leave */
    struct worker *timer;   /* restarts */
    struct admission *admission;
    char *containers_dir; /* <data_root>/containers */
    int containers_fd;
    /* <exec_root>/etc/ID holds hosts, hostname and resolv.conf, made anew at each start: memory, not disk. */
    char *etc_dir;
    int etc_fd;
    char id[ID_SIZE + 1];
    int bpf_fd; /* a socket whose filter keeps the kernel's memory for BPF programs allocated */
    bool closing;
    bool any_links; /* atomic: some container has links */

    pthread_mutex_t index_lock;
    struct map by_id, by_name;
    struct container **list; /* oldest first */
    size_t count, capacity;

    pthread_mutex_t seccomp_lock;
    pthread_mutex_t init_lock;
    struct stat init_original; /* what docker-init is a copy of; zeros: none was made yet */
    struct seccomp_program seccomp[SECCOMP_CACHE_MAX];
    size_t seccomp_count;
    char *seccomp_profile; /* --seccomp-profile: JSON text or "unconfined"; NULL: the built-in one */
};

/* ---- container.c ---- */
struct container *container_new(void);
/* Waits for the container's turn and takes it, checking that `event` is possible then. `name` is for the text. */
int container_turn_begin(struct container *c, enum container_event event, const char *name, struct error *err);
void container_turn_end(struct container *c);
/* Memory that others may still be reading: freed with the container. Lock held. */
void container_retire(struct container *c, void *memory);
/* "/name" (caller frees) */
char *container_slash_name(struct engine *engine, const struct container *c);
/* Publishes a container event with image, name, labels and an extra attribute (key may be NULL). */
void container_event(struct engine *engine, struct container *c, const char *action, const char *key,
                     const char *value);
/* The same with any number of extra attributes. */
void container_event_with(struct engine *engine, struct container *c, const char *action, const struct strmap *extra);
/* References to all, oldest first; each to unref, the array to free. */
struct container **engine_snapshot(struct engine *engine, size_t *ret_count);
void engine_snapshot_free(struct container **list, size_t count);
/* Closes clients that wait for a start that does not come. Called without the lock. */
void container_drop_pending(struct container *c);
/* Where its hosts, hostname and resolv.conf are; the caller frees. */
char *container_etc_directory(struct engine *engine, const struct container *c);
/* <cgroup parent>/<id>; the caller frees */
char *container_cgroup_path(struct engine *engine, const struct container *c);
/* The container named by "container:X" modes; must be running. */
int container_find_running(struct engine *engine, const char *name, const char *what, struct container **ret,
                           struct error *err);

/* ---- container_networks.c ---- */
/* From HostConfig.NetworkMode and NetworkingConfig: which networks, and what is wanted of each. */
int container_networks_resolve(struct engine *engine, const struct json *body, struct container *c, struct error *err);
/* Ports and links on the default bridge are refused where the daemon has none. */
int container_networks_check_bridge(struct engine *engine, const struct container *c, size_t port_count,
                                    struct error *err);
/* The namespace of a start. */
int container_networks_attach(struct engine *engine, struct container *c, const char *name, int *ret_netns_fd,
                              struct network_sandbox *ret, struct error *err);
/* At the daemon's start, for one that runs. */
int container_networks_restore(struct engine *engine, struct container *c, pid_t pid, struct error *err);
/* On a network that users made: then the daemon's resolver serves it. Lock held, or not in the index yet. */
bool container_uses_resolver(const struct container *c);
/* NetworkSettings.Networks; with short_id the short id is among the aliases. Lock held. */
void container_networks_write(const struct container *c, const char *name, bool short_id, struct json_writer *w);
/* The endpoint whose addresses NetworkSettings shows itself: the default bridge's, as docker; NULL. Lock held. */
const struct network_endpoint *container_bridge_endpoint(const struct container *c);
/* "connect" or "disconnect" of every network that the container is on. */
void container_network_event(struct engine *engine, struct container *c, const char *action);

/* ---- container_userns.c ---- */
/* The ids of the container's user namespace; NULL: it is in the host's. */
const struct userns_remap *container_remap(const struct engine *engine, const struct container *c);
/* The user namespace that a container of its own ids has to be in because it shares the IPC or pid namespace of another
 * one, whose it is; the caller's, or -errno; -ENOENT: it is free to be in any. What cannot be shared is refused. */
int container_userns_shared(struct engine *engine, const struct container *c, struct error *err);
/* Refuses another container's network namespace that belongs to another user namespace than that. */
int container_userns_check_network(struct engine *engine, const struct container *c, int netns_fd, struct error *err);
/* What a container with a user namespace cannot have is refused; with HostConfig complete, before anything is made. */
int container_userns_check(const struct engine *engine, const struct container *c, struct error *err);

/* ---- container_etc.c ---- */
/* Writes hosts, hostname and resolv.conf. hosts: "names:address", beside its own names. */
int container_etc_write(struct engine *engine, struct container *c, const struct network_sandbox *sandbox,
                        const struct strv *hosts, struct error *err);
/* Again, after the networks of a container have changed; a failure is logged. */
void container_etc_refresh(struct engine *engine, struct container *c);

/* ---- container_store.c ---- */
int store_open(struct engine *engine, struct error *err);
int store_insert(struct engine *engine, struct container *c, struct error *err);
/* The changing part of the row. Called with the container's lock held. Failure is logged: the kernel's truth is found
 * again at the next start. */
void store_save_state(struct engine *engine, struct container *c);
/* The row's configuration with `host` and `mounts` (of struct mount_point; NULL: the container's) in place of the
 * container's own. Called with the turn held. */
int store_save_config(struct engine *engine, const struct container *c, const struct host_config *host,
                      const struct json_array *mounts, struct error *err);
int store_rename(struct engine *engine, const struct container *c, const char *name, struct error *err);
int store_delete(struct engine *engine, const char *id, struct error *err);
/* Adds every row to the index. */
int store_load(struct engine *engine, struct error *err);
/* index lock held */
void index_add(struct engine *engine, struct container *c);
void index_remove(struct engine *engine, struct container *c);

/* ---- container_exit.c ---- */
/* supervisor_options.exited */
void engine_exited(const char *id, const struct shim_exit *exit, void *engine);
/* supervisor_options.detached */
void engine_detached(const char *id, const char *exec_id, void *engine);
/* Records the end of the process and everything that follows from it. daemon_start: found at the daemon's start. */
void container_process_exit(struct engine *engine, struct container *c, const struct shim_exit *exit,
                            bool daemon_start);
/* Starts the container again after delay_ms unless something else happens to it first. Lock held. */
void container_schedule_restart(struct engine *engine, struct container *c, int64_t delay_ms);

/* ---- exec.c ---- */
struct exec_table *exec_table_new(void);
void exec_table_free(struct exec_table *table); /* NULL is fine */
/* supervisor_options.exec_exited */
void engine_exec_exited(const char *id, const char *exec_id, const struct shim_exit *exit, void *engine);
void engine_exec_detached(struct engine *engine, const char *exec_id);
/* The container's process has ended, and its execs with it, whether that was reported or not. Those that were made and
 * not started are gone: they do not outlast the run they were made for. */
void container_execs_ended(struct engine *engine, struct container *c);
/* The container is removed. */
void container_execs_forget(struct engine *engine, struct container *c);
/* The container was found running when the daemon started. */
void container_execs_recover(struct engine *engine, struct container *c);
/* Value of ExecIDs: those that have not ended. */
void container_put_exec_ids(struct engine *engine, const struct container *c, struct json_writer *w);

/* ---- container_create.c ---- */
/* The volume of a mount (its name is known), made if missing; the mount's source is set. */
int engine_volume_make(struct engine *engine, struct mount_point *m, bool *ret_new, struct error *err);
/* Volumes made for what then could not be: they go, unless somebody else has begun to use one. */
void engine_volumes_undo(struct engine *engine, const struct strv *made);

/* ---- container_connect.c ---- */
/* A running container's sandbox as a change of its networks left it; taken over. One that has ended meanwhile gives up
 * what it got. */
void container_keep_sandbox(struct engine *engine, struct container *c, struct network_sandbox *sandbox);

/* ---- container_start.c ---- */
/* The turn is held and stays so; `starting` was set together with the decision to start, and is cleared here. */
int container_launch(struct engine *engine, struct container *c, struct error *err);

/* ---- container_signal.c ---- */
/* Thaws the processes of a paused container; the state is the caller's business. */
int container_thaw(struct engine *engine, struct container *c, struct error *err);

/* ---- container_remove.c ---- */
/* Row, index, waiters; leftovers go to the cleaner. The state is REMOVING; the process is gone. */
int container_forget(struct engine *engine, struct container *c, bool volumes, struct error *err);

/* ---- container_wait.c ---- */
/* With the lock held: wakes whoever waits for what is now true. */
void container_wake_exit(struct container *c);
void container_wake_healthy(struct container *c);
void container_wake_removed(struct container *c);

/* ---- seccomp.c ---- */
/* Reads and tries the daemon's own default profile, if it names one. */
int engine_seccomp_load(struct engine *engine, struct error *err);
/* The program of the default profile; NULL with size 0 when nothing is to be filtered. *ret_owned: the caller frees. */
int engine_seccomp(struct engine *engine, const struct container *c, uint64_t capabilities, const void **ret_bpf,
                   size_t *ret_size, unsigned *ret_flags, bool *ret_owned, struct error *err);
/* The same profile in the OCI form, for other runtimes; *ret stays as it is when nothing is to be filtered. The caller
 * releases (oci_seccomp_table) and frees. */
int engine_seccomp_spec(struct engine *engine, const struct container *c, uint64_t capabilities,
                        struct oci_seccomp **ret, struct error *err);

/* ---- seccomp_cache.c ---- */
bool seccomp_cache_read(struct engine *engine, uint64_t capabilities, void **ret_bpf, size_t *ret_size);
void seccomp_cache_write(struct engine *engine, uint64_t capabilities, const void *bpf, size_t size);

/* ---- recovery.c ---- */
int engine_recover(struct engine *engine, struct error *err);

/* ---- ports.c ---- */
/* The ports that PortBindings, ExposedPorts and PublishAllPorts ask for; *ret is a heap array. */
int ports_collect(const struct container_config *config, const struct host_config *host, struct network_port **ret,
                  size_t *ret_count, struct error *err);

#endif
