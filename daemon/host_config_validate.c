/*
 * What HostConfig may ask: wrong values are refused in docker's words, wishes that dory does not fulfil by their name.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "daemon/capabilities.h"
#include "daemon/cpuset.h"
#include "daemon/devices.h"
#include "daemon/host_config.h"
#include "daemon/log_options.h"
#include "daemon/security_opt.h"
#include "daemon/ulimits.h"

#define MINIMUM_MEMORY (6 * 1024 * 1024)

static int unsupported(struct error *err, const char *what)
{
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "HostConfig.%s is not supported by dory yet", what);
}

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

static bool has_prefix(const char *s, const char *prefix)
{
    return s != NULL && strncmp(s, prefix, strlen(prefix)) == 0;
}

/* --gpus and the like: no driver is there to select. */
static int refuse_device_request(const struct json *request, struct error *err)
{
    const char *driver = json_get_string(request, "Driver");
    const struct json *capabilities = json_get(request, "Capabilities");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < json_count(capabilities); i++) {
        strbuf_adds(&text, i ? " [" : "[");
        for (size_t j = 0; j < json_count(json_at(capabilities, i)); j++) {
            const char *name = json_string(json_at(json_at(capabilities, i), j));
            strbuf_addf(&text, "%s%s", j ? " " : "", name ? name : "");
        }
        strbuf_addc(&text, ']');
    }
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                     "could not select device driver \"%s\" with capabilities: [%s] (HostConfig.DeviceRequests)",
                     driver ? driver : "", strbuf_str(&text));
}

/* Members that nothing in dory implements: asking for them is an error with their name. */
static int refuse_unsupported(const struct host_config *h, struct error *err)
{
    const struct {
        bool asked;
        const char *name;
    } rows[] = {
        {is_set(h->cgroup), "Cgroup"},
        {h->kernel_memory > 0, "KernelMemory"},
        {h->kernel_memory_tcp > 0, "KernelMemoryTCP"},
        {h->cpu_count != 0, "CpuCount (Windows)"},
        {h->cpu_percent != 0, "CpuPercent (Windows)"},
        {h->io_maximum_iops != 0, "IOMaximumIOps (Windows)"},
        {h->io_maximum_bandwidth != 0, "IOMaximumBandwidth (Windows)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].asked)
            return unsupported(err, rows[i].name);
    if (h->device_requests != NULL && json_count(h->device_requests) > 0)
        return refuse_device_request(json_at(h->device_requests, 0), err);
    if (is_set(h->isolation) && strcmp(h->isolation, "default") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid isolation (%s): linux only supports 'default'", h->isolation);
    return 0;
}

int host_config_storage_size(const struct host_config *h, uint64_t *ret_bytes, struct error *err)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < h->storage_opt.count; i++) {
        const struct strmap_entry *option = &h->storage_opt.items[i];
        if (strcasecmp(option->key, "size") != 0)
            return error_set(err, ERROR_INVALID, 0, "Unknown option %s (HostConfig.StorageOpt)", option->key);
        if (parse_size(option->value, false, &bytes) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid size: '%s' (HostConfig.StorageOpt size)", option->value);
    }
    *ret_bytes = (uint64_t)bytes;
    return 0;
}

static int validate_modes(const struct host_config *h, struct error *err)
{
    const struct {
        const char *value, *what;
        const char *allowed[5];
        bool container;
    } rows[] = {
        {h->ipc_mode, "IPC", {"", "private", "shareable", "host", "none"}, true},
        {h->pid_mode, "PID", {"", "host"}, true},
        {h->uts_mode, "UTS", {"", "host"}, false},
        {h->userns_mode, "user namespace", {"", "host"}, false},
        {h->cgroupns_mode, "cgroup namespace", {"", "private", "host"}, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *value = rows[i].value ? rows[i].value : "";
        bool ok = rows[i].container && has_prefix(value, "container:") && value[10] != '\0';
        for (size_t j = 0; j < ARRAY_SIZE(rows[i].allowed) && rows[i].allowed[j] != NULL; j++)
            ok = ok || strcmp(value, rows[i].allowed[j]) == 0;
        if (!ok)
            return error_set(err, ERROR_INVALID, 0, "invalid %s mode: %s", rows[i].what, value);
    }
    return 0;
}

static int validate_restart(const struct host_config *h, struct error *err)
{
    const struct restart_policy *p = &h->restart_policy;
    const char *name = p->name ? p->name : "";
    bool restarts = strcmp(name, "always") == 0 || strcmp(name, "unless-stopped") == 0;
    if (restarts || strcmp(name, "no") == 0 || *name == '\0') {
        if (p->maximum_retry_count > 0)
            return error_set(err, ERROR_INVALID, 0,
                             "invalid restart policy: maximum retry count can only be used with 'on-failure'");
        if (p->maximum_retry_count < 0)
            return error_set(err, ERROR_INVALID, 0,
                             "invalid restart policy: maximum retry count can only be used with 'on-failure' and "
                             "cannot be negative");
    } else if (strcmp(name, "on-failure") == 0 || strcmp(name, "on-unhealthy") == 0) {
        if (p->maximum_retry_count < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid restart policy: maximum retry count cannot be negative");
        restarts = true;
    } else {
        return error_set(err, ERROR_INVALID, 0,
                         "invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', "
                         "'on-unhealthy', or 'unless-stopped'",
                         name);
    }
    if (restarts && h->auto_remove)
        return error_set(err, ERROR_INVALID, 0, "can't create 'AutoRemove' container with restart policy");
    return 0;
}

static int validate_memory(const struct host_config *h, struct strv *warnings, struct error *err)
{
    if (h->memory != 0 && h->memory < MINIMUM_MEMORY)
        return error_set(err, ERROR_INVALID, 0, "Minimum memory limit allowed is 6MB");
    if (h->memory > 0 && h->memory_swap > 0 && h->memory_swap < h->memory)
        return error_set(err, ERROR_INVALID, 0,
                         "Minimum memoryswap limit should be larger than memory limit, see usage");
    if (h->memory == 0 && h->memory_swap > 0)
        return error_set(err, ERROR_INVALID, 0,
                         "You should always set the Memory limit when using Memoryswap limit, see usage");
    if (h->memory_swap < -1)
        return error_set(err, ERROR_INVALID, 0, "invalid MemorySwap: %lld", (long long)h->memory_swap);
    if (h->memory_swappiness != NULL && (*h->memory_swappiness < -1 || *h->memory_swappiness > 100))
        return error_set(err, ERROR_INVALID, 0, "Invalid value: %lld, valid memory swappiness range is 0-100",
                         (long long)*h->memory_swappiness);
    if (h->memory_reservation != 0 && h->memory_reservation < MINIMUM_MEMORY)
        return error_set(err, ERROR_INVALID, 0, "Minimum memory reservation allowed is 6MB");
    if (h->memory > 0 && h->memory_reservation > 0 && h->memory < h->memory_reservation)
        return error_set(err, ERROR_INVALID, 0,
                         "Minimum memory limit can not be less than memory reservation limit, see usage");
    if (h->oom_kill_disable != NULL && *h->oom_kill_disable && h->memory == 0)
        strv_add(warnings, "OOM killer is disabled for the container, but no memory limit is set, this can result in "
                           "the system running out of resources.");
    return 0;
}

static int validate_cpu(const struct host_config *h, struct error *err)
{
    if (h->nano_cpus != 0 && (h->cpu_period > 0 || h->cpu_quota > 0))
        return error_set(err, ERROR_INVALID, 0, "Conflicting options: Nano CPUs and CPU %s cannot both be set",
                         h->cpu_period > 0 ? "Period" : "Quota");
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (h->nano_cpus < 0 || h->nano_cpus > cpus * 1000000000LL || (h->nano_cpus > 0 && h->nano_cpus < 10000000))
        return error_set(err, ERROR_INVALID, 0,
                         "range of CPUs is from 0.01 to %ld.00, as there are only %ld CPUs available", cpus, cpus);
    if (h->cpu_shares < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid CPU shares (%lld): value must be a positive integer",
                         (long long)h->cpu_shares);
    if (h->cpu_period != 0 && (h->cpu_period < 1000 || h->cpu_period > 1000000))
        return error_set(err, ERROR_INVALID, 0,
                         "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    if (h->cpu_quota > 0 && h->cpu_quota < 1000)
        return error_set(err, ERROR_INVALID, 0, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
    int r = cpuset_check(h->cpuset_cpus, CPUSET_CPUS, err);
    if (r == 0)
        r = cpuset_check(h->cpuset_mems, CPUSET_MEMS, err);
    if (r < 0)
        return r;
    if (h->blkio_weight != 0 && (h->blkio_weight < 10 || h->blkio_weight > 1000))
        return error_set(err, ERROR_INVALID, 0, "Range of blkio weight is from 10 to 1000");
    return 0;
}

static int validate_throttle(const struct json_array *list, const char *name, struct error *err)
{
    const struct throttle_device *items = list->items;
    for (size_t i = 0; i < list->count; i++) {
        struct stat st;
        if (!is_set(items[i].path) || stat(items[i].path, &st) < 0)
            return error_set(err, ERROR_INVALID, 0, "%s: %s: %s", name, items[i].path ? items[i].path : "",
                             strerror(errno));
        if (!S_ISBLK(st.st_mode))
            return error_set(err, ERROR_INVALID, 0, "%s: %s: not a block device", name, items[i].path);
        if (items[i].rate < 0)
            return error_set(err, ERROR_INVALID, 0, "%s: %s: invalid rate", name, items[i].path);
    }
    return 0;
}

static int validate_weight_devices(const struct json_array *list, struct error *err)
{
    const struct weight_device *items = list->items;
    for (size_t i = 0; i < list->count; i++) {
        const char *path = items[i].path ? items[i].path : "";
        struct stat st;
        if (stat(path, &st) < 0)
            return error_set(err, ERROR_INVALID, 0, "BlkioWeightDevice: stat %s: %s", path, strerror(errno));
        if (!S_ISBLK(st.st_mode))
            return error_set(err, ERROR_INVALID, 0, "BlkioWeightDevice: %s: not a block device", path);
        if (items[i].weight < 10 || items[i].weight > 1000)
            return error_set(err, ERROR_INVALID, 0, "Range of blkio weight is from 10 to 1000");
    }
    return 0;
}

static int validate_annotations(const struct host_config *h, struct error *err)
{
    if (strmap_get(&h->annotations, "") != NULL)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid Annotations: the empty string is not permitted as an annotation key");
    return 0;
}

static int validate_logging(const struct host_config *h, struct error *err)
{
    struct log_settings settings;
    return is_set(h->log_config.type) ? log_settings_parse(h->log_config.type, &h->log_config.config, &settings, err)
                                      : 0;
}

/* "[::1]" stands for an IPv6 address, too. */
static bool is_host_address(const char *text)
{
    struct in6_addr address;
    size_t size = strlen(text);
    bool brackets = *text == '[' && size > 2 && text[size - 1] == ']';
    CLEANUP_FREE char *plain = brackets ? xstrndup(text + 1, size - 2) : xstrdup(text);
    return strcmp(text, "host-gateway") == 0 || inet_pton(AF_INET6, plain, &address) == 1 ||
           (!brackets && inet_pton(AF_INET, plain, &address) == 1);
}

static int validate_lists(const struct host_config *h, struct error *err)
{
    for (size_t i = 0; i < h->extra_hosts.count; i++) {
        const char *entry = h->extra_hosts.items[i], *colon = strpbrk(entry, ":=");
        if (colon == NULL || colon == entry || colon[1] == '\0' || strpbrk(entry, "\n\r\t ") != NULL)
            return error_set(err, ERROR_INVALID, 0, "bad format for add-host: \"%s\"", entry);
        if (!is_host_address(colon + 1))
            return error_set(err, ERROR_INVALID, 0, "invalid IP address in add-host: \"%s\"", colon + 1);
    }
    const struct strv *dns[] = {&h->dns, &h->dns_options, &h->dns_search};
    for (size_t i = 0; i < ARRAY_SIZE(dns); i++)
        for (size_t j = 0; j < dns[i]->count; j++)
            if (strpbrk(dns[i]->items[j], "\n\r\t ") != NULL)
                return error_set(err, ERROR_INVALID, 0, "invalid DNS setting: \"%s\"", dns[i]->items[j]);
    const struct device_mapping *devices = h->devices.items;
    for (size_t i = 0; i < h->devices.count; i++) {
        const char *p = devices[i].cgroup_permissions;
        if (is_set(p) && strspn(p, "rwm") != strlen(p))
            return error_set(err, ERROR_INVALID, 0, "invalid device mode: %s", p);
    }
    for (size_t i = 0; i < h->device_cgroup_rules.count; i++) {
        struct device_rule rule;
        int r = device_rule_parse(h->device_cgroup_rules.items[i], &rule, err);
        if (r < 0)
            return r;
    }
    if (is_set(h->cgroup_parent) && strstr(h->cgroup_parent, "..") != NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid CgroupParent: %s: a path without \"..\" is needed",
                         h->cgroup_parent);
    for (size_t i = 0; i < h->sysctls.count; i++) {
        const char *key = h->sysctls.items[i].key;
        bool host_network = h->network_mode && strcmp(h->network_mode, "host") == 0;
        bool host_ipc = h->ipc_mode && strcmp(h->ipc_mode, "host") == 0;
        if (strstr(key, "..") != NULL || (has_prefix(key, "net.") && host_network) ||
            ((has_prefix(key, "kernel.") || has_prefix(key, "fs.mqueue.")) && host_ipc))
            return error_set(err, ERROR_INVALID, 0, "sysctl '%s' is not allowed in this namespace mode", key);
    }
    return 0;
}

int host_config_validate(const struct host_config *h, struct strv *warnings, struct error *err)
{
    int r = refuse_unsupported(h, err);
    if (r == 0)
        r = validate_modes(h, err);
    if (r == 0)
        r = validate_restart(h, err);
    if (r == 0)
        r = validate_memory(h, warnings, err);
    if (r == 0)
        r = validate_cpu(h, err);
    if (r == 0)
        r = validate_weight_devices(&h->blkio_weight_device, err);
    if (r == 0)
        r = validate_throttle(&h->blkio_device_read_bps, "BlkioDeviceReadBps", err);
    if (r == 0)
        r = validate_throttle(&h->blkio_device_write_bps, "BlkioDeviceWriteBps", err);
    if (r == 0)
        r = validate_throttle(&h->blkio_device_read_iops, "BlkioDeviceReadIOps", err);
    if (r == 0)
        r = validate_throttle(&h->blkio_device_write_iops, "BlkioDeviceWriteIOps", err);
    if (r == 0)
        r = validate_logging(h, err);
    if (r == 0)
        r = validate_lists(h, err);
    if (r == 0)
        r = ulimits_validate(h, err);
    if (r == 0)
        r = validate_annotations(h, err);
    uint64_t storage;
    if (r == 0)
        r = host_config_storage_size(h, &storage, err);
    uint64_t capabilities;
    if (r == 0)
        r = capabilities_resolve(h, &capabilities, err);
    struct security_options security = {0};
    if (r == 0)
        r = security_options_parse(&h->security_opt, &security, err);
    if (r < 0)
        return r;
    if (is_set(h->network_mode) && strcmp(h->network_mode, "host") == 0 && h->port_bindings.count > 0)
        strv_add(warnings, "Published ports are discarded when using host network mode");
    if (h->shm_size < 0)
        return error_set(err, ERROR_INVALID, 0, "SHM size can not be less than 0");
    if (h->oom_score_adj < -1000 || h->oom_score_adj > 1000)
        return error_set(err, ERROR_INVALID, 0, "Invalid value %lld, range for oom score adj is [-1000, 1000]",
                         (long long)h->oom_score_adj);
    return 0;
}
