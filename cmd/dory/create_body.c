/* The body of POST /containers/create, written member by member in the order of the API document. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>

#include "base/error_words.h"
#include "base/file.h"
#include "base/groups.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/dory/body_members.h"
#include "cmd/dory/container_flags.h"
#include "cmd/dory/env_file.h"
#include "cmd/dory/network_option.h"

#define SECCOMP_PROFILE_MAX (1 << 20)

/* ---- Config ---- */

static bool wants_stream(const struct container_flags *f, const char *stream)
{
    for (size_t i = 0; i < f->attach.count; i++) {
        if (strcasecmp(f->attach.items[i], stream) == 0)
            return true;
    }
    return false;
}

static int put_environment(struct json_writer *w, const struct container_flags *f, struct error *err)
{
    CLEANUP_STRV struct strv env = STRV_INIT;
    for (size_t i = 0; i < f->env_files.count; i++) {
        int r = env_file_read(f->env_files.items[i], true, &env, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < f->env.count; i++) {
        const char *entry = f->env.items[i];
        if (strchr(entry, '=')) {
            strv_env_set(&env, entry);
        } else if (getenv(entry)) {
            CLEANUP_FREE char *full = xasprintf("%s=%s", entry, getenv(entry));
            strv_env_set(&env, full);
        } else {
            /* A bare name without a value here removes what the image sets. */
            strv_add(&env, entry);
        }
    }
    put_strings(w, "Env", &env);
    return 0;
}

static int put_labels(struct json_writer *w, const struct container_flags *f, struct error *err)
{
    CLEANUP_STRV struct strv all = STRV_INIT;
    for (size_t i = 0; i < f->label_files.count; i++) {
        int r = env_file_read(f->label_files.items[i], false, &all, err);
        if (r < 0)
            return r;
    }
    strv_add_all(&all, &f->labels);
    return put_entries(w, "Labels", &all, NULL, err);
}

static int put_ports(struct json_writer *w, const struct container_flags *f, const struct port_mappings *ports,
                     struct error *err)
{
    CLEANUP_STRV struct strv exposed = STRV_INIT;
    CLEANUP_GROUPS struct groups groups = GROUPS_INIT;
    for (size_t i = 0; i < ports->count; i++) {
        if (groups_add(&groups, ports->items[i].container))
            strv_add(&exposed, ports->items[i].container);
    }
    for (size_t i = 0; i < f->expose.count; i++) {
        int r = expose_parse(&exposed, f->expose.items[i], err);
        if (r < 0)
            return r;
    }
    put_set(w, "ExposedPorts", &exposed);
    return 0;
}

static void put_health(struct json_writer *w, const struct container_flags *f)
{
    if (!f->no_healthcheck && !f->health_cmd && !f->health_interval && !f->health_retries && !f->health_timeout &&
        !f->health_start_period && !f->health_start_interval)
        return;
    json_key(w, "Healthcheck");
    json_begin_object(w);
    if (f->no_healthcheck || f->health_cmd) {
        json_key(w, "Test");
        json_begin_array(w);
        json_put_string(w, f->no_healthcheck ? "NONE" : "CMD-SHELL");
        if (!f->no_healthcheck)
            json_put_string(w, f->health_cmd);
        json_end_array(w);
    }
    put_number(w, "Interval", f->health_interval);
    put_number(w, "Timeout", f->health_timeout);
    put_number(w, "StartPeriod", f->health_start_period);
    put_number(w, "StartInterval", f->health_start_interval);
    put_number(w, "Retries", f->health_retries);
    json_end_object(w);
}

static void put_volume_paths(struct json_writer *w, const struct container_flags *f)
{
    CLEANUP_STRV struct strv paths = STRV_INIT;
    for (size_t i = 0; i < f->volumes.count; i++) {
        if (!strchr(f->volumes.items[i], ':'))
            strv_add(&paths, f->volumes.items[i]);
    }
    put_set(w, "Volumes", &paths);
}

static int put_config(struct json_writer *w, const struct container_flags *f, const struct strv *arguments,
                      const struct port_mappings *ports, struct error *err)
{
    bool explicit_streams = f->attach.count > 0;
    bool attach_stdin = explicit_streams ? wants_stream(f, "stdin") : f->interactive && !f->detach;
    put_text(w, "Hostname", f->hostname);
    put_text(w, "Domainname", f->domainname);
    put_text(w, "User", f->user);
    json_member_bool(w, "AttachStdin", attach_stdin);
    json_member_bool(w, "AttachStdout", explicit_streams ? wants_stream(f, "stdout") : !f->detach);
    json_member_bool(w, "AttachStderr", explicit_streams ? wants_stream(f, "stderr") : !f->detach);
    put_flag(w, "Tty", f->tty);
    put_flag(w, "OpenStdin", f->interactive);
    put_flag(w, "StdinOnce", f->interactive && attach_stdin);
    int r = put_ports(w, f, ports, err);
    if (r == 0)
        r = put_environment(w, f, err);
    if (r == 0)
        r = put_labels(w, f, err);
    if (r < 0)
        return r;
    json_member_string(w, "Image", arguments->items[0]);
    if (arguments->count > 1) {
        json_key(w, "Cmd");
        json_begin_array(w);
        for (size_t i = 1; i < arguments->count; i++)
            json_put_string(w, arguments->items[i]);
        json_end_array(w);
    }
    if (f->entrypoint_given) {
        json_key(w, "Entrypoint");
        json_begin_array(w);
        json_put_string(w, f->entrypoint);
        json_end_array(w);
    }
    put_health(w, f);
    put_volume_paths(w, f);
    put_text(w, "WorkingDir", f->workdir);
    put_text(w, "StopSignal", f->stop_signal);
    if (f->stop_timeout_given)
        json_member_int(w, "StopTimeout", f->stop_timeout);
    if (!network_option_takes_mac(f))
        put_text(w, "MacAddress", f->mac_address);
    return 0;
}

/* ---- HostConfig ---- */

static void put_binds(struct json_writer *w, const struct container_flags *f)
{
    CLEANUP_STRV struct strv binds = STRV_INIT;
    for (size_t i = 0; i < f->volumes.count; i++) {
        const char *spec = f->volumes.items[i], *colon = strchr(spec, ':');
        if (!colon)
            continue;
        /* A source that starts with a dot is a path relative to here; anything else without a slash is a name. */
        CLEANUP_FREE char *source = xstrndup(spec, (size_t)(colon - spec));
        char real[PATH_MAX];
        if (source[0] == '.' && (realpath(source, real) || errno == ENOENT)) {
            CLEANUP_FREE char *cwd = getcwd(NULL, 0);
            if (errno == ENOENT && access(source, F_OK) < 0)
                strv_addf(&binds, "%s/%s%s", cwd ? cwd : "", source, colon);
            else
                strv_addf(&binds, "%s%s", real, colon);
        } else {
            strv_add(&binds, spec);
        }
    }
    put_strings(w, "Binds", &binds);
}

void port_bindings_write(struct json_writer *w, const char *member, const struct port_mappings *ports)
{
    if (ports->count == 0)
        return;
    CLEANUP_GROUPS struct groups groups = GROUPS_INIT;
    for (size_t i = 0; i < ports->count; i++)
        groups_add(&groups, ports->items[i].container);
    json_key(w, member);
    json_begin_object(w);
    for (size_t i = 0; i < ports->count; i++) {
        if (!groups_is_first(&groups, i))
            continue;
        json_key(w, ports->items[i].container);
        json_begin_array(w);
        for (size_t j = i; j != GROUPS_END; j = groups_next(&groups, j)) {
            json_begin_object(w);
            json_member_string(w, "HostIp", ports->items[j].host_ip);
            json_member_string(w, "HostPort", ports->items[j].host_port);
            json_end_object(w);
        }
        json_end_array(w);
    }
    json_end_object(w);
}

int restart_policy_write(struct json_writer *w, const char *policy, struct error *err)
{
    if (!policy || !*policy)
        return 0;
    CLEANUP_FREE char *name = xstrdup(policy);
    char *count = strchr(name, ':');
    int64_t retries = 0;
    if (count) {
        *count++ = '\0';
        if (strchr(count, ':'))
            return error_set(err, ERROR_INVALID, 0, "invalid restart policy format");
        if (parse_int64(count, INT32_MIN, INT32_MAX, &retries) < 0)
            return error_set(err, ERROR_INVALID, 0,
                             "invalid restart policy format: maximum retry count must be an integer");
    }
    if (!*name)
        return error_set(err, ERROR_INVALID, 0, "invalid restart policy format: no policy provided before colon");
    json_key(w, "RestartPolicy");
    json_begin_object(w);
    json_member_string(w, "Name", name);
    json_member_int(w, "MaximumRetryCount", retries);
    json_end_object(w);
    return 0;
}

static bool valid_device_mode(const char *mode)
{
    size_t n = strlen(mode);
    return n > 0 && n <= 3 && strspn(mode, "rwm") == n;
}

static int put_devices(struct json_writer *w, const struct strv *devices, struct error *err)
{
    if (devices->count == 0)
        return 0;
    json_key(w, "Devices");
    json_begin_array(w);
    for (size_t i = 0; i < devices->count; i++) {
        CLEANUP_STRV struct strv parts = STRV_INIT;
        strv_split(&parts, devices->items[i], ':');
        const char *source = parts.items[0], *target = source, *mode = "rwm";
        if (parts.count == 3 && valid_device_mode(parts.items[2])) {
            mode = parts.items[2];
            target = parts.items[1];
        } else if (parts.count == 2 && valid_device_mode(parts.items[1])) {
            mode = parts.items[1];
        } else if (parts.count == 2) {
            target = parts.items[1];
        } else if (parts.count != 1) {
            return error_set(err, ERROR_INVALID, 0, "invalid device specification: %s", devices->items[i]);
        }
        json_begin_object(w);
        json_member_string(w, "PathOnHost", source);
        json_member_string(w, "PathInContainer", *target ? target : source);
        json_member_string(w, "CgroupPermissions", mode);
        json_end_object(w);
    }
    json_end_array(w);
    return 0;
}

/* "/dev/sda:1mb" lists of the blkio flags. */
static int put_rates(struct json_writer *w, const char *key, const struct strv *rates, bool bytes, const char *member,
                     struct error *err)
{
    if (rates->count == 0)
        return 0;
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < rates->count; i++) {
        const char *colon = strchr(rates->items[i], ':');
        int64_t rate = 0;
        if (!colon || rates->items[i][0] != '/' ||
            (bytes ? parse_size(colon + 1, false, &rate) : parse_int64(colon + 1, 0, INT64_MAX, &rate)) < 0)
            return error_set(err, ERROR_INVALID, 0, "bad format: %s", rates->items[i]);
        CLEANUP_FREE char *path = xstrndup(rates->items[i], (size_t)(colon - rates->items[i]));
        json_begin_object(w);
        json_member_string(w, "Path", path);
        json_member_int(w, member, rate);
        json_end_object(w);
    }
    json_end_array(w);
    return 0;
}

void ulimits_write(struct json_writer *w, const struct strv *ulimits)
{
    json_begin_array(w);
    for (size_t i = 0; i < ulimits->count; i++) {
        CLEANUP_FREE char *copy = xstrdup(ulimits->items[i]);
        char *soft_text = strchr(copy, '=');
        *soft_text++ = '\0';
        char *hard_text = strchr(soft_text, ':');
        if (hard_text)
            *hard_text++ = '\0';
        int64_t soft = 0, hard = 0;
        /* Checked when the flag was read. */
        parse_int64(soft_text, -1, INT64_MAX, &soft);
        hard = soft;
        if (hard_text)
            parse_int64(hard_text, -1, INT64_MAX, &hard);
        json_begin_object(w);
        json_member_string(w, "Name", copy);
        json_member_int(w, "Hard", hard);
        json_member_int(w, "Soft", soft);
        json_end_object(w);
    }
    json_end_array(w);
}

/* The CLI reads a seccomp profile itself, so that the daemon need not see the caller's files. */
static int put_security(struct json_writer *w, const struct strv *list, struct error *err)
{
    CLEANUP_STRV struct strv out = STRV_INIT;
    bool unconfined_paths = false;
    for (size_t i = 0; i < list->count; i++) {
        const char *option = list->items[i];
        if (strcmp(option, "systempaths=unconfined") == 0) {
            unconfined_paths = true;
            continue;
        }
        bool seccomp = strncmp(option, "seccomp=", 8) == 0 || strncmp(option, "seccomp:", 8) == 0;
        if (!seccomp || strcmp(option + 8, "unconfined") == 0 || strcmp(option + 8, "builtin") == 0) {
            strv_add(&out, option);
            continue;
        }
        CLEANUP_FREE char *text = NULL;
        int r = file_read(AT_FDCWD, option + 8, SECCOMP_PROFILE_MAX, &text, NULL, err);
        if (r < 0)
            return error_set(err, ERROR_SYSTEM, r, "opening seccomp profile (%s) failed: open %s: %s", option + 8,
                             option + 8, error_words(r));
        strv_addf(&out, "seccomp=%s", text);
    }
    put_strings(w, "SecurityOpt", &out);
    if (unconfined_paths) {
        for (int i = 0; i < 2; i++) {
            json_key(w, i == 0 ? "MaskedPaths" : "ReadonlyPaths");
            json_begin_array(w);
            json_end_array(w);
        }
    }
    return 0;
}

static void put_tmpfs(struct json_writer *w, const struct strv *list)
{
    CLEANUP_STRMAP struct strmap map = STRMAP_INIT;
    for (size_t i = 0; i < list->count; i++) {
        const char *colon = strchr(list->items[i], ':');
        CLEANUP_FREE char *path =
            colon ? xstrndup(list->items[i], (size_t)(colon - list->items[i])) : xstrdup(list->items[i]);
        strmap_set(&map, path, colon ? colon + 1 : "");
    }
    put_map(w, "Tmpfs", &map);
}

static int put_mounts(struct json_writer *w, const struct strv *mounts, struct error *err)
{
    if (mounts->count == 0)
        return 0;
    json_key(w, "Mounts");
    json_begin_array(w);
    for (size_t i = 0; i < mounts->count; i++) {
        int r = mount_option_write(mounts->items[i], w, err);
        if (r < 0)
            return r;
    }
    json_end_array(w);
    return 0;
}

static void put_console_size(struct json_writer *w)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return;
    json_key(w, "ConsoleSize");
    json_begin_array(w);
    json_put_int(w, size.ws_row);
    json_put_int(w, size.ws_col);
    json_end_array(w);
}

static void put_plain_limits(struct json_writer *w, const struct container_flags *f)
{
    put_number(w, "CpuShares", f->cpu_shares);
    put_number(w, "Memory", f->memory);
    put_number(w, "NanoCpus", f->cpus);
    put_text(w, "CgroupParent", f->cgroup_parent);
    put_number(w, "BlkioWeight", f->blkio_weight);
    put_number(w, "CpuPeriod", f->cpu_period);
    put_number(w, "CpuQuota", f->cpu_quota);
    put_number(w, "CpuRealtimePeriod", f->cpu_rt_period);
    put_number(w, "CpuRealtimeRuntime", f->cpu_rt_runtime);
    put_text(w, "CpusetCpus", f->cpuset_cpus);
    put_text(w, "CpusetMems", f->cpuset_mems);
    put_number(w, "KernelMemory", f->kernel_memory);
    put_number(w, "MemoryReservation", f->memory_reservation);
    put_number(w, "MemorySwap", f->memory_swap);
    if (f->memory_swappiness != -1)
        json_member_int(w, "MemorySwappiness", f->memory_swappiness);
    put_flag(w, "OomKillDisable", f->oom_kill_disable);
    if (f->pids_limit_given)
        json_member_int(w, "PidsLimit", f->pids_limit);
    put_strings(w, "DeviceCgroupRules", &f->device_cgroup_rules);
    if (f->ulimits.count > 0) {
        json_key(w, "Ulimits");
        ulimits_write(w, &f->ulimits);
    }
}

static int put_limits(struct json_writer *w, const struct container_flags *f, struct error *err)
{
    put_plain_limits(w, f);
    int r = put_devices(w, &f->devices, err);
    if (r == 0)
        r = put_rates(w, "BlkioWeightDevice", &f->blkio_weight_devices, false, "Weight", err);
    if (r == 0)
        r = put_rates(w, "BlkioDeviceReadBps", &f->device_read_bps, true, "Rate", err);
    if (r == 0)
        r = put_rates(w, "BlkioDeviceWriteBps", &f->device_write_bps, true, "Rate", err);
    if (r == 0)
        r = put_rates(w, "BlkioDeviceReadIOps", &f->device_read_iops, false, "Rate", err);
    if (r == 0)
        r = put_rates(w, "BlkioDeviceWriteIOps", &f->device_write_iops, false, "Rate", err);
    return r;
}

static int put_log_config(struct json_writer *w, const struct container_flags *f, struct error *err)
{
    if (!f->log_driver && f->log_options.count == 0)
        return 0;
    json_key(w, "LogConfig");
    json_begin_object(w);
    json_member_string(w, "Type", f->log_driver ? f->log_driver : "");
    int r = put_entries(w, "Config", &f->log_options, NULL, err);
    json_end_object(w);
    return r;
}

/* docker writes HOST:IP; users may give either separator. */
static void put_extra_hosts(struct json_writer *w, const struct strv *hosts)
{
    CLEANUP_STRV struct strv out = STRV_INIT;
    for (size_t i = 0; i < hosts->count; i++) {
        CLEANUP_FREE char *entry = xstrdup(hosts->items[i]);
        char *equals = strchr(entry, '=');
        if (equals)
            *equals = ':';
        strv_add(&out, entry);
    }
    put_strings(w, "ExtraHosts", &out);
}

static void put_namespaces(struct json_writer *w, const struct container_flags *f)
{
    put_text(w, "CgroupnsMode", f->cgroupns);
    put_text(w, "IpcMode", f->ipc);
    put_text(w, "PidMode", f->pid);
    put_text(w, "UTSMode", f->uts);
    put_text(w, "UsernsMode", f->userns);
    put_text(w, "Isolation", f->isolation);
    put_text(w, "Runtime", f->runtime);
}

static int put_host_config(struct json_writer *w, const struct container_flags *f, const struct port_mappings *ports,
                           struct error *err)
{
    put_binds(w, f);
    put_text(w, "ContainerIDFile", f->cidfile);
    put_namespaces(w, f);
    port_bindings_write(w, "PortBindings", ports);
    put_flag(w, "AutoRemove", f->remove);
    put_text(w, "VolumeDriver", f->volume_driver);
    put_strings(w, "VolumesFrom", &f->volumes_from);
    put_strings(w, "CapAdd", &f->cap_add);
    put_strings(w, "CapDrop", &f->cap_drop);
    put_strings(w, "Dns", &f->dns);
    put_strings(w, "DnsOptions", &f->dns_options);
    put_strings(w, "DnsSearch", &f->dns_search);
    put_extra_hosts(w, &f->add_hosts);
    put_strings(w, "GroupAdd", &f->group_add);
    put_strings(w, "Links", &f->links);
    put_number(w, "OomScoreAdj", f->oom_score_adj);
    put_flag(w, "Privileged", f->privileged);
    put_flag(w, "PublishAllPorts", f->publish_all);
    put_flag(w, "ReadonlyRootfs", f->read_only);
    put_tmpfs(w, &f->tmpfs);
    put_number(w, "ShmSize", f->shm_size);
    if (f->init_given)
        json_member_bool(w, "Init", f->init);
    if (f->tty && !f->detach)
        put_console_size(w);
    int r = restart_policy_write(w, f->restart, err);
    if (r == 0)
        r = put_log_config(w, f, err);
    if (r == 0)
        r = put_entries(w, "Annotations", &f->annotations, NULL, err);
    if (r == 0)
        r = put_entries(w, "StorageOpt", &f->storage_options, NULL, err);
    if (r == 0)
        r = put_entries(w, "Sysctls", &f->sysctls, "sysctl", err);
    if (r == 0)
        r = put_security(w, &f->security_options, err);
    if (r == 0)
        r = put_mounts(w, &f->mounts, err);
    return r < 0 ? r : put_limits(w, f, err);
}

static int check(const struct container_flags *f, struct error *err)
{
    for (size_t i = 0; i < f->networks.count; i++) {
        if (!f->networks.items[i][0])
            return error_set(err, ERROR_INVALID, 0, "no name set for network");
    }
    if (f->memory_swappiness != -1 && (f->memory_swappiness < 0 || f->memory_swappiness > 100))
        return error_set(err, ERROR_INVALID, 0, "invalid value: %lld. Valid memory swappiness range is 0-100",
                         (long long)f->memory_swappiness);
    if (f->no_healthcheck && (f->health_cmd || f->health_interval || f->health_retries || f->health_timeout))
        return error_set(err, ERROR_INVALID, 0, "--no-healthcheck conflicts with --health-* options");
    return 0;
}

int container_flags_body(const struct container_flags *f, const struct strv *arguments, struct strbuf *body,
                         struct error *err)
{
    __attribute__((cleanup(port_mappings_release))) struct port_mappings ports = {0};
    int r = check(f, err);
    for (size_t i = 0; i < f->publish.count && r == 0; i++)
        r = port_mappings_parse(&ports, f->publish.items[i], err);
    if (r < 0)
        return r;
    struct json_writer w;
    json_writer_init(&w, body);
    json_begin_object(&w);
    r = put_config(&w, f, arguments, &ports, err);
    if (r < 0)
        return r;
    json_key(&w, "HostConfig");
    json_begin_object(&w);
    r = network_option_put_mode(&w, f, err);
    if (r == 0)
        r = put_host_config(&w, f, &ports, err);
    if (r < 0)
        return r;
    json_end_object(&w);
    r = network_option_put_endpoints(&w, f, err);
    if (r < 0)
        return r;
    json_end_object(&w);
    return 0;
}
