/*
 * The flags that `run` and `create` share, and the body of POST /containers/create that they make. Syntax is checked
 * here, with docker's words, before the daemon is asked.
 */
#ifndef DORY_CMD_DORY_CONTAINER_FLAGS_H
#define DORY_CMD_DORY_CONTAINER_FLAGS_H

#include "base/strbuf.h"
#include "cmd/dory/options.h"

struct container_flags {
    struct strv add_hosts, annotations, attach, blkio_weight_devices, cap_add, cap_drop, devices, device_cgroup_rules,
        device_read_bps, device_read_iops, device_write_bps, device_write_iops, dns, dns_options, dns_search, env,
        env_files, expose, group_add, labels, label_files, links, link_local, log_options, mounts, networks,
        network_aliases, publish, security_options, storage_options, sysctls, tmpfs, ulimits, volumes, volumes_from;
    char *cgroup_parent, *cgroupns, *cidfile, *cpuset_cpus, *cpuset_mems, *detach_keys, *domainname, *entrypoint,
        *health_cmd, *hostname, *ip, *ip6, *ipc, *isolation, *log_driver, *mac_address, *name, *pid, *platform, *pull,
        *restart, *runtime, *stop_signal, *user, *userns, *uts, *volume_driver, *workdir;
    int64_t blkio_weight, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_shares, cpus, health_interval,
        health_retries, health_start_interval, health_start_period, health_timeout, memory, memory_reservation,
        memory_swap, memory_swappiness, oom_score_adj, pids_limit, shm_size, stop_timeout, kernel_memory;
    bool init, init_given, interactive, no_healthcheck, oom_kill_disable, privileged, publish_all, quiet, read_only,
        tty, entrypoint_given, stop_timeout_given, pids_limit_given, content_trust, hostname_given;
    /* run only */
    bool detach, remove, sig_proxy;
};

/* Rows for struct container_flags: run's, and create's, which are the same without the first ones. */
#define RUN_ONLY_OPTIONS 2
extern const struct option run_options[];
#define create_options (run_options + RUN_ONLY_OPTIONS)

void container_flags_defaults(void *flags);

/* Appends the JSON body for IMAGE [COMMAND...]. */
int container_flags_body(const struct container_flags *flags, const struct strv *arguments, struct strbuf *body,
                         struct error *err);

/* One port specification "[address:][host[-end]:]container[-end][/protocol]" into the two JSON objects; pure. */
struct port_mapping {
    char *container; /* "80/tcp" */
    char *host_ip;   /* "" */
    char *host_port; /* "", "8080" or "8000-8010" */
};
struct port_mappings {
    struct port_mapping *items;
    size_t count, capacity;
};
int port_mappings_parse(struct port_mappings *list, const char *spec, struct error *err);
void port_mappings_release(struct port_mappings *list);
/* An object of lists, as PortBindings has it; without ports nothing is written. */
struct json_writer;
void port_bindings_write(struct json_writer *w, const char *member, const struct port_mappings *ports);
/* "80", "80-85/udp" of --expose: "80/tcp", ... */
int expose_parse(struct strv *ports, const char *spec, struct error *err);

/* --restart "on-failure:3" as the member RestartPolicy; NULL writes nothing. */
struct json_writer;
int restart_policy_write(struct json_writer *w, const char *policy, struct error *err);

/* --ulimit values, checked before, as a list of {"Name","Hard","Soft"}. */
void ulimits_write(struct json_writer *w, const struct strv *ulimits);

/* --mount "type=bind,src=/a,dst=/b,readonly" as one object of HostConfig.Mounts. */
int mount_option_write(const char *text, struct json_writer *w, struct error *err);

#endif
