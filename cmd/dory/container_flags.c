#include "cmd/dory/container_flags.h"

#include <ctype.h>
#include <errno.h>

#include "base/parse.h"
#include "cmd/dory/container_flags_check.h"
#include "cmd/dory/global_flags.h"

#define AT(member) offsetof(struct container_flags, member)

int check_ulimit(const char *value, struct error *err)
{
    static const char *const names[] = {"core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
                                        "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};
    const char *equals = strchr(value, '=');
    if (!equals)
        return error_set(err, ERROR_INVALID, 0, "invalid ulimit argument: %s", value);
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        known = known || (strlen(names[i]) == (size_t)(equals - value) &&
                          memcmp(names[i], value, (size_t)(equals - value)) == 0);
    if (!known)
        return error_set(err, ERROR_INVALID, 0, "invalid ulimit type: %.*s", (int)(equals - value), value);
    CLEANUP_FREE char *soft = xstrdup(equals + 1);
    char *hard = strchr(soft, ':');
    if (hard)
        *hard++ = '\0';
    int64_t s, h;
    if (parse_int64(soft, -1, INT64_MAX, &s) < 0)
        return error_set(err, ERROR_INVALID, 0, "strconv.ParseInt: parsing \"%s\": invalid syntax", soft);
    if (hard && parse_int64(hard, -1, INT64_MAX, &h) < 0)
        return error_set(err, ERROR_INVALID, 0, "strconv.ParseInt: parsing \"%s\": invalid syntax", hard);
    if (hard && h != -1 && (s == -1 || s > h))
        return error_set(err, ERROR_INVALID, 0, "ulimit soft limit must be less than or equal to hard limit: %s > %s",
                         soft, hard);
    return 0;
}

int check_add_host(const char *value, struct error *err)
{
    /* docker takes host:ip and host=ip. */
    const char *separator = strchr(value, '=');
    if (!separator)
        separator = strchr(value, ':');
    if (!separator || separator == value)
        return error_set(err, ERROR_INVALID, 0, "bad format for add-host: \"%s\"", value);
    return 0;
}

static int check_attach(const char *value, struct error *err)
{
    if (strcasecmp(value, "stdin") != 0 && strcasecmp(value, "stdout") != 0 && strcasecmp(value, "stderr") != 0)
        return error_set(err, ERROR_INVALID, 0, "valid streams are STDIN, STDOUT and STDERR");
    return 0;
}

int check_env(const char *value, struct error *err)
{
    if (value[0] == '\0' || value[0] == '=')
        return error_set(err, ERROR_INVALID, 0, "invalid environment variable: %s", value);
    return 0;
}

#define FLAG(name, letter, member, help)                                                                               \
    {                                                                                                                  \
        name, letter, OPTION_BOOL, AT(member), NULL, help, 0, 0, NULL                                                  \
    }
#define TEXT(name, letter, member, help)                                                                               \
    {                                                                                                                  \
        name, letter, OPTION_STRING, AT(member), "string", help, 0, 0, NULL                                            \
    }
#define LIST(name, letter, member, help)                                                                               \
    {                                                                                                                  \
        name, letter, OPTION_LIST, AT(member), "list", help, 0, 0, NULL                                                \
    }
#define CHECKED(name, letter, member, check, help)                                                                     \
    {                                                                                                                  \
        name, letter, OPTION_LIST, AT(member), "list", help, 0, 0, check                                               \
    }
#define NUMBER(name, letter, member, help)                                                                             \
    {                                                                                                                  \
        name, letter, OPTION_INT, AT(member), "int", help, 0, 0, NULL                                                  \
    }
#define BYTES(name, letter, member, help)                                                                              \
    {                                                                                                                  \
        name, letter, OPTION_BYTES, AT(member), "bytes", help, 0, 0, NULL                                              \
    }
#define TIME(name, member, help)                                                                                       \
    {                                                                                                                  \
        name, 0, OPTION_DURATION, AT(member), "duration", help, 0, 0, NULL                                             \
    }
#define REFUSED(name, help)                                                                                            \
    {                                                                                                                  \
        name, 0, OPTION_STRING, 0, "string", help, OPTION_REFUSED, 0, NULL                                             \
    }

const struct option run_options[] = {
    /* run's own: RUN_ONLY_OPTIONS of them */
    FLAG("detach", 'd', detach, "Run container in background and print container ID"),
    FLAG("sig-proxy", 0, sig_proxy, "Proxy received signals to the process (default true)"),
    /* and create's */
    {"add-host", 0, OPTION_LIST, AT(add_hosts), "list", "Add a custom host-to-IP mapping (host:ip)", 0, 0,
     check_add_host},
    {"annotation", 0, OPTION_LIST, AT(annotations), "map",
     "Add an annotation to the container (passed through to the OCI runtime)", 0, 0, NULL},
    {"attach", 'a', OPTION_LIST, AT(attach), "list", "Attach to STDIN, STDOUT or STDERR", 0, 0, check_attach},
    {"blkio-weight", 0, OPTION_INT, AT(blkio_weight), "uint16",
     "Block IO (relative weight), between 10 and 1000, or 0 to disable", 0, 0, NULL},
    CHECKED("blkio-weight-device", 0, blkio_weight_devices, check_device_weight,
            "Block IO weight (relative device weight)"),
    LIST("cap-add", 0, cap_add, "Add Linux capabilities"),
    LIST("cap-drop", 0, cap_drop, "Drop Linux capabilities"),
    TEXT("cgroup-parent", 0, cgroup_parent, "Optional parent cgroup for the container"),
    TEXT("cgroupns", 0, cgroupns, "Cgroup namespace to use (host|private)"),
    TEXT("cidfile", 0, cidfile, "Write the container ID to the file"),
    NUMBER("cpu-period", 0, cpu_period, "Limit CPU CFS (Completely Fair Scheduler) period"),
    NUMBER("cpu-quota", 0, cpu_quota, "Limit CPU CFS (Completely Fair Scheduler) quota"),
    NUMBER("cpu-rt-period", 0, cpu_rt_period, "Limit CPU real-time period in microseconds"),
    NUMBER("cpu-rt-runtime", 0, cpu_rt_runtime, "Limit CPU real-time runtime in microseconds"),
    NUMBER("cpu-shares", 'c', cpu_shares, "CPU shares (relative weight)"),
    {"cpus", 0, OPTION_CPUS, AT(cpus), "decimal", "Number of CPUs", 0, 0, NULL},
    TEXT("cpuset-cpus", 0, cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)"),
    TEXT("cpuset-mems", 0, cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)"),
    TEXT("detach-keys", 0, detach_keys, "Override the key sequence for detaching a container"),
    LIST("device", 0, devices, "Add a host device to the container"),
    CHECKED("device-cgroup-rule", 0, device_cgroup_rules, check_device_rule,
            "Add a rule to the cgroup allowed devices list"),
    CHECKED("device-read-bps", 0, device_read_bps, check_device_bytes,
            "Limit read rate (bytes per second) from a device"),
    CHECKED("device-read-iops", 0, device_read_iops, check_device_rate,
            "Limit read rate (IO per second) from a device"),
    CHECKED("device-write-bps", 0, device_write_bps, check_device_bytes,
            "Limit write rate (bytes per second) to a device"),
    CHECKED("device-write-iops", 0, device_write_iops, check_device_rate,
            "Limit write rate (IO per second) to a device"),
    {"disable-content-trust", 0, OPTION_BOOL, AT(content_trust), NULL, "Skip image verification (default true)",
     OPTION_HIDDEN, 0, NULL},
    {"dns", 0, OPTION_LIST, AT(dns), "list", "Set custom DNS servers", 0, 0, check_address},
    LIST("dns-option", 0, dns_options, "Set DNS options"),
    {"dns-opt", 0, OPTION_LIST, AT(dns_options), "list", "Set DNS options", OPTION_HIDDEN, 0, NULL},
    CHECKED("dns-search", 0, dns_search, check_dns_search, "Set custom DNS search domains"),
    TEXT("domainname", 0, domainname, "Container NIS domain name"),
    {"entrypoint", 0, OPTION_STRING, AT(entrypoint), "string", "Overwrite the default ENTRYPOINT of the image", 0,
     AT(entrypoint_given), NULL},
    {"env", 'e', OPTION_LIST, AT(env), "list", "Set environment variables", 0, 0, check_env},
    LIST("env-file", 0, env_files, "Read in a file of environment variables"),
    LIST("expose", 0, expose, "Expose a port or a range of ports"),
    REFUSED("gpus", "GPU devices to add to the container ('all' to pass all GPUs)"),
    LIST("group-add", 0, group_add, "Add additional groups to join"),
    TEXT("health-cmd", 0, health_cmd, "Command to run to check health"),
    TIME("health-interval", health_interval, "Time between running the check (ms|s|m|h) (default 0s)"),
    NUMBER("health-retries", 0, health_retries, "Consecutive failures needed to report unhealthy"),
    TIME("health-start-interval", health_start_interval,
         "Time between running the check during the start period (ms|s|m|h) (default 0s)"),
    TIME("health-start-period", health_start_period,
         "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default "
         "0s)"),
    TIME("health-timeout", health_timeout, "Maximum time to allow one check to run (ms|s|m|h) (default 0s)"),
    {"hostname", 'h', OPTION_STRING, AT(hostname), "string", "Container host name", 0, AT(hostname_given), NULL},
    {"init", 0, OPTION_BOOL, AT(init), NULL,
     "Run an init inside the container that forwards signals and reaps processes", 0, AT(init_given), NULL},
    FLAG("interactive", 'i', interactive, "Keep STDIN open even if not attached"),
    TEXT("ip", 0, ip, "IPv4 address (e.g., 172.30.100.104)"),
    TEXT("ip6", 0, ip6, "IPv6 address (e.g., 2001:db8::33)"),
    TEXT("ipc", 0, ipc, "IPC mode to use"),
    TEXT("isolation", 0, isolation, "Container isolation technology"),
    BYTES("kernel-memory", 0, kernel_memory, "Kernel memory limit"),
    CHECKED("label", 'l', labels, check_label, "Set meta data on a container"),
    LIST("label-file", 0, label_files, "Read in a line delimited file of labels"),
    LIST("link", 0, links, "Add link to another container"),
    LIST("link-local-ip", 0, link_local, "Container IPv4/IPv6 link-local addresses"),
    TEXT("log-driver", 0, log_driver, "Logging driver for the container"),
    LIST("log-opt", 0, log_options, "Log driver options"),
    TEXT("mac-address", 0, mac_address, "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    BYTES("memory", 'm', memory, "Memory limit"),
    BYTES("memory-reservation", 0, memory_reservation, "Memory soft limit"),
    {"memory-swap", 0, OPTION_BYTES, AT(memory_swap), "bytes",
     "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", OPTION_MINUS_ONE, 0, NULL},
    NUMBER("memory-swappiness", 0, memory_swappiness, "Tune container memory swappiness (0 to 100) (default -1)"),
    {"mount", 0, OPTION_LIST, AT(mounts), "mount", "Attach a filesystem mount to the container", 0, 0, NULL},
    TEXT("name", 0, name, "Assign a name to the container"),
    {"network", 0, OPTION_LIST, AT(networks), "network", "Connect a container to a network", 0, 0, NULL},
    {"net", 0, OPTION_LIST, AT(networks), "network", "Connect a container to a network", OPTION_HIDDEN, 0, NULL},
    LIST("network-alias", 0, network_aliases, "Add network-scoped alias for the container"),
    {"net-alias", 0, OPTION_LIST, AT(network_aliases), "list", "Add network-scoped alias", OPTION_HIDDEN, 0, NULL},
    FLAG("no-healthcheck", 0, no_healthcheck, "Disable any container-specified HEALTHCHECK"),
    FLAG("oom-kill-disable", 0, oom_kill_disable, "Disable OOM Killer"),
    NUMBER("oom-score-adj", 0, oom_score_adj, "Tune host's OOM preferences (-1000 to 1000)"),
    TEXT("pid", 0, pid, "PID namespace to use"),
    {"pids-limit", 0, OPTION_INT, AT(pids_limit), "int", "Tune container pids limit (set -1 for unlimited)", 0,
     AT(pids_limit_given), NULL},
    TEXT("platform", 0, platform, "Set platform if server is multi-platform capable"),
    FLAG("privileged", 0, privileged, "Give extended privileges to this container"),
    LIST("publish", 'p', publish, "Publish a container's port(s) to the host"),
    FLAG("publish-all", 'P', publish_all, "Publish all exposed ports to random ports"),
    TEXT("pull", 0, pull, "Pull image before running (\"always\", \"missing\", \"never\") (default \"missing\")"),
    FLAG("quiet", 'q', quiet, "Suppress the pull output"),
    FLAG("read-only", 0, read_only, "Mount the container's root filesystem as read only"),
    TEXT("restart", 0, restart, "Restart policy to apply when a container exits (default \"no\")"),
    FLAG("rm", 0, remove, "Automatically remove the container and its associated anonymous volumes when it exits"),
    TEXT("runtime", 0, runtime, "Runtime to use for this container"),
    LIST("security-opt", 0, security_options, "Security Options"),
    BYTES("shm-size", 0, shm_size, "Size of /dev/shm"),
    TEXT("stop-signal", 0, stop_signal, "Signal to stop the container"),
    {"stop-timeout", 0, OPTION_INT, AT(stop_timeout), "int", "Timeout (in seconds) to stop a container", 0,
     AT(stop_timeout_given), NULL},
    LIST("storage-opt", 0, storage_options, "Storage driver options for the container"),
    {"sysctl", 0, OPTION_LIST, AT(sysctls), "map", "Sysctl options", 0, 0, check_sysctl},
    LIST("tmpfs", 0, tmpfs, "Mount a tmpfs directory"),
    FLAG("tty", 't', tty, "Allocate a pseudo-TTY"),
    {"ulimit", 0, OPTION_LIST, AT(ulimits), "ulimit", "Ulimit options", 0, 0, check_ulimit},
    REFUSED("use-api-socket", "Bind mount API socket and required auth"),
    TEXT("user", 'u', user, "Username or UID (format: <name|uid>[:<group|gid>])"),
    TEXT("userns", 0, userns, "User namespace to use"),
    TEXT("uts", 0, uts, "UTS namespace to use"),
    LIST("volume", 'v', volumes, "Bind mount a volume"),
    TEXT("volume-driver", 0, volume_driver, "Optional volume driver for the container"),
    LIST("volumes-from", 0, volumes_from, "Mount volumes from the specified container(s)"),
    TEXT("workdir", 'w', workdir, "Working directory inside the container"),
    {0},
};

void container_flags_defaults(void *flags)
{
    struct container_flags *f = flags;
    f->memory_swappiness = -1;
    f->sig_proxy = true;
    f->pull = xstrdup("missing");
    f->content_trust = true;
    f->platform = default_platform();
}

/* ---- ports ---- */

void port_mappings_release(struct port_mappings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].container);
        free(list->items[i].host_ip);
        free(list->items[i].host_port);
    }
    free(list->items);
    *list = (struct port_mappings){0};
}

static int parse_range(const char *text, int64_t *ret_start, int64_t *ret_end)
{
    CLEANUP_FREE char *copy = xstrdup(text);
    char *dash = strchr(copy, '-');
    if (dash)
        *dash++ = '\0';
    if (parse_int64(copy, 0, 65535, ret_start) < 0)
        return -EINVAL;
    *ret_end = *ret_start;
    if (dash && parse_int64(dash, 0, 65535, ret_end) < 0)
        return -EINVAL;
    return *ret_end < *ret_start ? -EINVAL : 0;
}

static int take_protocol(char *spec, const char **ret, struct error *err)
{
    *ret = "tcp";
    char *slash = strchr(spec, '/');
    if (!slash)
        return 0;
    *slash++ = '\0';
    for (char *p = slash; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    static const char *const protocols[] = {"tcp", "udp", "sctp"};
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (strcmp(slash, protocols[i]) == 0) {
            *ret = protocols[i];
            return 0;
        }
    }
    return error_set(err, ERROR_INVALID, 0, "invalid proto: %s", slash);
}

int expose_parse(struct strv *ports, const char *spec, struct error *err)
{
    CLEANUP_FREE char *copy = xstrdup(spec);
    const char *protocol;
    int r = take_protocol(copy, &protocol, err);
    if (r < 0)
        return r;
    int64_t start, end;
    if (strchr(copy, ':'))
        return error_set(err, ERROR_INVALID, 0, "invalid port format for --expose: %s", spec);
    if (parse_range(copy, &start, &end) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid range format for --expose: %s", spec);
    for (int64_t p = start; p <= end; p++)
        strv_addf(ports, "%d/%s", (int)p, protocol);
    return 0;
}

static void add_mapping(struct port_mappings *list, int64_t port, const char *protocol, const char *ip, char *host_port)
{
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items));
    list->items[list->count++] = (struct port_mapping){
        .container = xasprintf("%d/%s", (int)port, protocol), .host_ip = xstrdup(ip), .host_port = host_port};
}

/* Splits "a:b:c" from the right into address, host port, container port; the address may be [v6]. */
static void split_port_spec(char *spec, const char **ip, const char **host, const char **container)
{
    char *last = strrchr(spec, ':');
    *ip = *host = "";
    *container = spec;
    if (!last)
        return;
    *last = '\0';
    *container = last + 1;
    *host = spec;
    char *bracket = spec[0] == '[' ? strrchr(spec, ']') : NULL;
    char *colon = bracket ? (bracket[1] == ':' ? bracket + 1 : NULL) : strrchr(spec, ':');
    if (!colon)
        return;
    *colon = '\0';
    *ip = spec;
    *host = colon + 1;
    if (bracket) {
        *bracket = '\0';
        *ip = spec + 1;
    }
}

int port_mappings_parse(struct port_mappings *list, const char *spec, struct error *err)
{
    CLEANUP_FREE char *copy = xstrdup(spec);
    const char *protocol;
    int r = take_protocol(copy, &protocol, err);
    if (r < 0)
        return r;
    const char *ip, *host, *container;
    split_port_spec(copy, &ip, &host, &container);
    if (!*container)
        return error_set(err, ERROR_INVALID, 0, "no port specified: %s<empty>", spec);
    int64_t start, end, host_start = 0, host_end = 0;
    if (*ip && check_address(ip, NULL) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", ip);
    if (parse_range(container, &start, &end) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid containerPort: %s", container);
    if (*host && parse_range(host, &host_start, &host_end) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid hostPort: %s", host);
    /* A range on the host's side of one container port means: any free one of it. */
    if (*host && end != start && host_end - host_start != end - start)
        return error_set(err, ERROR_INVALID, 0, "invalid ranges specified for container and host Ports: %s and %s",
                         container, host);
    for (int64_t i = 0; i <= end - start; i++) {
        char *host_port = !*host ? xstrdup("") : end == start ? xstrdup(host) : xasprintf("%d", (int)(host_start + i));
        add_mapping(list, start + i, protocol, ip, host_port);
    }
    return 0;
}
