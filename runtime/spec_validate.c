/* What the types of config.json leave open, checked before anything is made. */
#include "runtime/spec.h"

#include <errno.h>
#include <limits.h>
#include <linux/sched/types.h>
#include <stdio.h>

#include "runtime/defaults.h"
#include "runtime/mount_options.h"
#include "runtime/net_devices.h"
#include "runtime/resctrl.h"
#include "runtime/settings.h"
#include "runtime/spec_rows.h"

#define MOUNTS_MAX 10000
#define HOOKS_MAX 1000
#define STRINGS_MAX 100000
#define STRING_MAX 131071 /* MAX_ARG_STRLEN without the NUL, see execve(2) */
#define HOSTNAME_MAX 64   /* of the kernel's utsname, without the NUL */

static const char *const namespace_types[] = {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"};

static bool is_joined(const struct oci_namespace *ns)
{
    return ns != NULL && ns->path != NULL && ns->path[0] != '\0';
}

static int check_user_namespace(const struct oci_spec *spec, struct error *err)
{
    const struct oci_namespace *user = oci_spec_namespace(spec, "user");
    size_t uids = spec->linux_.uid_mappings.count, gids = spec->linux_.gid_mappings.count;
    if (user == NULL && uids + gids > 0)
        return error_set(err, ERROR_INVALID, 0,
                         "user namespace mappings specified, but user namespace isn't enabled in the config");
    if (user == NULL || is_joined(user))
        return 0;
    if (uids == 0 || gids == 0)
        return error_set(err, ERROR_INVALID, 0, "linux.%s: a new user namespace needs mappings",
                         uids == 0 ? "uidMappings" : "gidMappings");
    if (is_joined(oci_spec_namespace(spec, "mount")))
        return error_set(err, ERROR_INVALID, 0,
                         "linux.namespaces: a new user namespace has no rights in the mount namespace that is joined");
    return 0;
}

static int check_time_namespace(const struct oci_spec *spec, struct error *err)
{
    const struct oci_namespace *time = oci_spec_namespace(spec, "time");
    const struct oci_time_offsets *offsets = spec->linux_.time_offsets;
    if (offsets == NULL)
        return 0;
    if (time == NULL || is_joined(time))
        return error_set(err, ERROR_INVALID, 0, "linux.timeOffsets: %s",
                         time == NULL ? "time namespace isn't enabled in the config"
                                      : "a time namespace that is joined has its offsets already");
    if ((offsets->monotonic != NULL && offsets->monotonic->nanosecs > 999999999) ||
        (offsets->boottime != NULL && offsets->boottime->nanosecs > 999999999))
        return error_set(err, ERROR_INVALID, 0, "linux.timeOffsets: nanosecs is not below 1000000000");
    return 0;
}

static int check_namespaces(const struct oci_spec *spec, struct error *err)
{
    const struct oci_namespace *items = spec->linux_.namespaces.items;
    for (size_t i = 0; i < spec->linux_.namespaces.count; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_SIZE(namespace_types); k++)
            known = known || strcmp(items[i].type, namespace_types[k]) == 0;
        if (!known)
            return error_set(err, ERROR_INVALID, 0, "linux.namespaces[%zu].type: namespace \"%.32s\" does not exist", i,
                             items[i].type);
        for (size_t k = 0; k < i; k++)
            if (strcmp(items[k].type, items[i].type) == 0)
                return error_set(err, ERROR_INVALID, 0, "linux.namespaces[%zu].type: duplicated ns \"%s\"", i,
                                 items[i].type);
        if (items[i].path != NULL && items[i].path[0] != '\0' && items[i].path[0] != '/')
            return error_set(err, ERROR_INVALID, 0, "linux.namespaces[%zu].path: \"%s\" is not absolute", i,
                             items[i].path);
    }
    if (oci_spec_namespace(spec, "mount") == NULL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                         "linux.namespaces: a container without a mount namespace is not supported");
    int r = check_user_namespace(spec, err);
    return r < 0 ? r : check_time_namespace(spec, err);
}

static int check_seccomp(const struct oci_spec *spec, struct error *err)
{
    const struct oci_seccomp *seccomp = spec->linux_.seccomp;
    if (seccomp != NULL && seccomp->listener_path != NULL && seccomp->listener_path[0] != '/')
        return error_set(err, ERROR_INVALID, 0, "linux.seccomp.listenerPath \"%s\" is not absolute",
                         seccomp->listener_path);
    if (seccomp != NULL && seccomp->listener_path == NULL && seccomp->listener_metadata != NULL)
        return error_set(err, ERROR_INVALID, 0, "linux.seccomp.listenerMetadata without listenerPath");
    return 0;
}

static int check_settings(const struct oci_spec *spec, struct error *err)
{
    const struct oci_process *p = &spec->process;
    struct sched_attr attr;
    struct settings_memory_policy policy;
    struct settings_mask mask;
    int io;
    unsigned long persona;
    int r = p->scheduler != NULL ? settings_scheduler(p->scheduler, &attr, err) : 0;
    if (r == 0 && p->io_priority != NULL)
        r = settings_io_priority(p->io_priority, &io, err);
    if (r == 0 && p->exec_cpu_affinity != NULL && p->exec_cpu_affinity->initial != NULL)
        r = settings_list("process.execCPUAffinity.initial", p->exec_cpu_affinity->initial, &mask, err);
    if (r == 0 && p->exec_cpu_affinity != NULL && p->exec_cpu_affinity->final != NULL)
        r = settings_list("process.execCPUAffinity.final", p->exec_cpu_affinity->final, &mask, err);
    if (r == 0 && spec->linux_.personality != NULL)
        r = settings_personality(spec->linux_.personality, &persona, err);
    if (r == 0 && spec->linux_.intel_rdt != NULL)
        r = resctrl_check(spec->linux_.intel_rdt, err);
    if (r == 0 && spec->linux_.memory_policy != NULL)
        r = settings_memory_policy(spec->linux_.memory_policy, &policy, err);
    return r;
}

static int check_mount(const struct oci_spec *spec, const struct oci_mount *mount, struct error *err)
{
    CLEANUP(mount_options_release) struct mount_options options = {0};
    int r = mount_options_parse(mount, &options, err);
    if (r < 0 || !options.idmap || mount->uid_mappings.count > 0)
        return r;
    if (oci_spec_namespace(spec, "user") == NULL)
        return error_set(err, ERROR_INVALID, 0, "mount %s: ids cannot be mapped: there are no mappings",
                         mount->destination);
    return 0;
}

static int check_mounts(const struct oci_spec *spec, struct error *err)
{
    if (spec->mounts.count > MOUNTS_MAX)
        return error_set(err, ERROR_INVALID, 0, "mounts: more than %d", MOUNTS_MAX);
    const struct oci_mount *mounts = spec->mounts.items;
    for (size_t i = 0; i < spec->mounts.count; i++)
        if (check_mount(spec, &mounts[i], err) < 0)
            return error_context(err, "mounts[%zu]", i);
    return 0;
}

static int check_hooks(const struct oci_hooks *hooks, struct error *err)
{
    const struct {
        const char *name;
        const struct json_array *hooks;
    } kinds[] = {
        {"prestart", &hooks->prestart},
        {"createRuntime", &hooks->create_runtime},
        {"createContainer", &hooks->create_container},
        {"startContainer", &hooks->start_container},
        {"poststart", &hooks->poststart},
        {"poststop", &hooks->poststop},
    };
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        const struct oci_hook *items = kinds[k].hooks->items;
        if (kinds[k].hooks->count > HOOKS_MAX)
            return error_set(err, ERROR_INVALID, 0, "hooks.%s: more than %d", kinds[k].name, HOOKS_MAX);
        for (size_t i = 0; i < kinds[k].hooks->count; i++) {
            if (items[i].path[0] != '/')
                return error_set(err, ERROR_INVALID, 0, "hooks.%s[%zu].path: \"%s\" is not absolute", kinds[k].name, i,
                                 items[i].path);
            if (items[i].timeout != NULL && *items[i].timeout <= 0)
                return error_set(err, ERROR_INVALID, 0, "hooks.%s[%zu].timeout: %lld is not greater than zero",
                                 kinds[k].name, i, (long long)*items[i].timeout);
        }
    }
    return 0;
}

static int check_rlimits(const struct oci_process *process, struct error *err)
{
    const struct oci_rlimit *limits = process->rlimits.items;
    for (size_t i = 0; i < process->rlimits.count; i++) {
        if (runtime_rlimit_number(limits[i].type) < 0)
            return error_set(err, ERROR_INVALID, 0, "process.rlimits[%zu].type: invalid rlimit type: %s", i,
                             limits[i].type);
        if (limits[i].soft > limits[i].hard)
            return error_set(err, ERROR_INVALID, 0, "process.rlimits[%zu]: %s: the soft limit is above the hard limit",
                             i, limits[i].type);
        for (size_t k = 0; k < i; k++)
            if (strcmp(limits[k].type, limits[i].type) == 0)
                return error_set(err, ERROR_INVALID, 0, "process.rlimits[%zu].type: %s is there twice", i,
                                 limits[i].type);
    }
    return 0;
}

static int check_strings(const char *field, const struct strv *strings, struct error *err)
{
    if (strings->count > STRINGS_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "%s: more than %d entries", field, STRINGS_MAX);
    for (size_t i = 0; i < strings->count; i++)
        if (strlen(strings->items[i]) > STRING_MAX)
            return error_set(err, ERROR_INVALID, E2BIG, "%s[%zu]: longer than %d bytes", field, i, STRING_MAX);
    return 0;
}

/* (uid_t)-1 means "as it is" to setresuid(2): whoever asks for it would stay root. */
static int check_user(const struct oci_user *user, struct error *err)
{
    if (user->uid == UINT32_MAX || user->gid == UINT32_MAX)
        return error_set(err, ERROR_INVALID, 0, "process.user.%s: %u is not an id",
                         user->uid == UINT32_MAX ? "uid" : "gid", UINT32_MAX);
    for (size_t i = 0; i < user->additional_gids.count; i++)
        if (user->additional_gids.items[i] == UINT32_MAX)
            return error_set(err, ERROR_INVALID, 0, "process.user.additionalGids[%zu]: %u is not an id", i, UINT32_MAX);
    if (user->umask != NULL && (*user->umask < 0 || *user->umask > 0777))
        return error_set(err, ERROR_INVALID, 0, "process.user.umask is not from 0 to 0777");
    return 0;
}

int oci_process_validate(const struct oci_process *process, struct error *err)
{
    if (process->args.count == 0)
        return error_set(err, ERROR_INVALID, 0, "process.args must not be empty");
    if (process->cwd == NULL || process->cwd[0] == '\0')
        return error_set(err, ERROR_INVALID, 0, "process.cwd: Cwd property must not be empty");
    if (process->cwd[0] != '/')
        return error_set(err, ERROR_INVALID, 0, "process.cwd: Cwd must be an absolute path");
    if (strlen(process->cwd) >= PATH_MAX)
        return error_set(err, ERROR_INVALID, ENAMETOOLONG, "process.cwd: longer than %d bytes", PATH_MAX - 1);
    if (process->terminal && (process->console_size.height > USHRT_MAX || process->console_size.width > USHRT_MAX))
        return error_set(err, ERROR_INVALID, 0, "process.consoleSize: more than %d", USHRT_MAX);
    if (process->oom_score_adj != NULL && (*process->oom_score_adj < -1000 || *process->oom_score_adj > 1000))
        return error_set(err, ERROR_INVALID, 0, "process.oomScoreAdj is not from -1000 to 1000");
    int r = check_strings("process.args", &process->args, err);
    r = r < 0 ? r : check_strings("process.env", &process->env, err);
    r = r < 0 ? r : check_user(&process->user, err);
    return r < 0 ? r : check_rlimits(process, err);
}

/* 1.x.y, maybe with a suffix ("1.0.2-dev"). */
static bool is_version(const char *version)
{
    unsigned minor, patch;
    int n = 0;
    return version != NULL && sscanf(version, "1.%3u.%3u%n", &minor, &patch, &n) == 2 && version[2] != '+' &&
           version[2] != '-' && version[2] != ' ' && (version[n] == '\0' || version[n] == '-' || version[n] == '+');
}

static int check_names(const struct oci_spec *spec, struct error *err)
{
    const struct {
        const char *field, *value;
    } names[] = {{"hostname", spec->hostname}, {"domainname", spec->domainname}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].value == NULL || names[i].value[0] == '\0')
            continue;
        if (strlen(names[i].value) > HOSTNAME_MAX)
            return error_set(err, ERROR_INVALID, 0, "%s: longer than %d characters", names[i].field, HOSTNAME_MAX);
        if (oci_spec_namespace(spec, "uts") == NULL)
            return error_set(err, ERROR_INVALID, 0, "%s: unable to set %s without a private UTS namespace",
                             names[i].field, names[i].field);
    }
    return 0;
}

int oci_spec_validate(const struct oci_spec *spec, struct error *err)
{
    if (!is_version(spec->version))
        return error_set(err, ERROR_INVALID, 0, "ociVersion: \"%.64s\" is not supported",
                         spec->version != NULL ? spec->version : "");
    int r = oci_process_validate(&spec->process, err);
    r = r < 0 ? r : oci_limits_check(spec, err);
    r = r < 0 ? r : check_namespaces(spec, err);
    r = r < 0 ? r : check_names(spec, err);
    r = r < 0 ? r : check_seccomp(spec, err);
    r = r < 0 ? r : check_settings(spec, err);
    r = r < 0 ? r : net_devices_check(spec, err);
    r = r < 0 ? r : check_mounts(spec, err);
    r = r < 0 ? r : oci_sysctl_check(spec, err);
    return r < 0 ? r : check_hooks(&spec->hooks, err);
}
