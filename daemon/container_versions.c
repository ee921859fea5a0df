#include "daemon/container_versions.h"

#include <string.h>

#include "daemon/network/endpoint_options.h"

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

/* ---- mounts ---- */

static bool is_type(const struct mount_request *m, const char *type)
{
    return m->type != NULL && strcmp(m->type, type) == 0;
}

/* Options of another type than the mount's did no harm before 1.42. */
static void drop_foreign_options(struct host_config *host)
{
    struct mount_request *mounts = host->mounts.items;
    for (size_t i = 0; i < host->mounts.count; i++) {
        if (!is_type(&mounts[i], "volume"))
            host_config_clear_mount_member(&mounts[i], "VolumeOptions");
        if (!is_type(&mounts[i], "tmpfs"))
            host_config_clear_mount_member(&mounts[i], "TmpfsOptions");
    }
}

static int check_mounts(const struct host_config *host, int api_version, struct error *err)
{
    const struct mount_request *mounts = host->mounts.items;
    for (size_t i = 0; i < host->mounts.count; i++) {
        const struct mount_request *m = &mounts[i];
        if (api_is_before(api_version, 44) && m->bind_options != NULL && m->bind_options->read_only_force_recursive)
            return error_set(err, ERROR_INVALID, 0, "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
        if (api_is_before(api_version, 45) && m->volume_options != NULL && is_set(m->volume_options->subpath))
            return error_set(err, ERROR_INVALID, 0, "VolumeOptions.Subpath needs API v1.45 or newer");
        if (api_is_before(api_version, 48) && is_type(m, "image"))
            return error_set(err, ERROR_INVALID, 0, "Mount type \"Image\" needs API v1.48 or newer");
    }
    return 0;
}

static bool has_driver(const struct mount_request *m)
{
    const struct volume_options *options = m->volume_options;
    return options != NULL && options->driver_config != NULL && is_set(options->driver_config->name);
}

static void warn_of_driver(const struct host_config *host, struct strv *warnings)
{
    const struct mount_request *mounts = host->mounts.items;
    for (size_t i = 0; is_set(host->volume_driver) && i < host->mounts.count; i++) {
        if (!is_type(&mounts[i], "volume") || has_driver(&mounts[i]))
            continue;
        strv_add(warnings, "WARNING: the container-wide volume-driver configuration is ignored for volumes specified "
                           "via 'mount'. Use '--mount type=volume,volume-driver=...' instead");
        return;
    }
}

/* ---- the rest ---- */

static void warn_of_empty_bindings(const struct json *body, struct strv *warnings)
{
    const struct json *bindings = json_get(json_get(body, "HostConfig"), "PortBindings");
    CLEANUP_STRV struct strv empty = STRV_INIT;
    for (size_t i = 0; bindings != NULL && bindings->kind == JSON_OBJECT && i < bindings->object.count; i++)
        if (json_count(&bindings->object.values[i]) == 0)
            strv_add(&empty, bindings->object.keys[i]);
    if (empty.count == 0)
        return;
    CLEANUP_FREE char *ports = strv_join(&empty, ", ");
    strv_addf(warnings,
              "Following container port(s) have an empty list of port-bindings: %s. Such bindings will be discarded in "
              "a future version.",
              ports);
}

/* Before API 1.44 a container is made on one network, and connected to others afterwards. */
static int check_endpoints(const struct json *body, int api_version, struct error *err)
{
    const struct json *endpoints = json_get(json_get(body, "NetworkingConfig"), "EndpointsConfig");
    if (!api_is_before(api_version, 44) || endpoints == NULL || endpoints->kind != JSON_OBJECT ||
        endpoints->object.count < 2)
        return 0;
    CLEANUP_STRV struct strv names = STRV_INIT;
    for (size_t i = 0; i < endpoints->object.count; i++)
        strv_add(&names, endpoints->object.keys[i]);
    CLEANUP_FREE char *text = strv_join(&names, ", ");
    return error_set(err, ERROR_INVALID, 0, "Container cannot be created with multiple network endpoints: %.1500s",
                     text);
}

int container_versions_apply(const struct container_create *request, struct container *c, struct strv *warnings,
                             struct error *err)
{
    struct host_config *host = &c->host;
    int api_version = request->api_version;
    if (api_is_before(api_version, 40) && !is_set(host->ipc_mode))
        xstrset(&host->ipc_mode, "shareable");
    if (api_is_before(api_version, 42))
        drop_foreign_options(host);
    if (!api_is_before(api_version, 48))
        warn_of_driver(host, warnings);
    if (!api_is_before(api_version, 52)) {
        warn_of_empty_bindings(request->body, warnings);
        host->kernel_memory_tcp = 0; /* no member any more */
    }
    if (!api_is_before(api_version, 44) && is_set(c->config.mac_address))
        strv_add(warnings, "The container-wide MacAddress field is now deprecated. It should be specified in "
                           "EndpointsConfig instead.");
    int r = check_endpoints(request->body, api_version, err);
    return r < 0 ? r : check_mounts(host, api_version, err);
}

/* ---- networks ---- */

/* "net.ipv4.conf.eth0.forwarding": what of it names an interface; NULL when it is none's. */
static const char *interface_of(const char *key)
{
    const char *at = key;
    if (strncmp(key, "net.", 4) != 0)
        return NULL;
    for (int i = 0; i < 3; i++) {
        at = strchr(at, '.');
        if (at == NULL)
            return NULL;
        at++;
    }
    return strncmp(at, "eth", 3) == 0 && strchr(at, '.') != NULL ? at : NULL;
}

static int check_sysctl(const char *key, const char *interface, int api_version, struct error *err)
{
    if (!api_is_before(api_version, 48))
        return error_set(err, ERROR_INVALID, 0,
                         "interface specific sysctl setting \"%s\" must be supplied using driver option '%s'", key,
                         ENDPOINT_SYSCTLS);
    if (strncmp(interface, "eth0.", 5) != 0)
        return error_set(err, ERROR_INVALID, 0,
                         "unable to determine network endpoint for sysctl %s, use driver option '%s' to set "
                         "per-interface sysctls",
                         key, ENDPOINT_SYSCTLS);
    return 0;
}

/* Those of eth0 become those of the first network's interface, whatever it is called; before what that has already. */
static int move_sysctls(struct container *c, int api_version, struct strv *warnings, struct error *err)
{
    CLEANUP_STRV struct strv moved = STRV_INIT, keys = STRV_INIT;
    struct strmap *sysctls = &c->host.sysctls;
    for (size_t i = 0; i < sysctls->count; i++) {
        const char *key = sysctls->items[i].key, *interface = interface_of(key);
        int r = interface != NULL ? check_sysctl(key, interface, api_version, err) : 0;
        if (r < 0)
            return r;
        if (interface == NULL)
            continue;
        strv_addf(&moved, "%.*sIFNAME%s=%s", (int)(interface - key), key, interface + 4, sysctls->items[i].value);
        strv_add(&keys, key);
    }
    if (moved.count == 0)
        return 0;
    struct strmap *options = &c->networks[0].driver_options;
    const char *has = strmap_get(options, ENDPOINT_SYSCTLS);
    CLEANUP_FREE char *ours = strv_join(&moved, ","), *names = strv_join(&keys, ",");
    CLEANUP_FREE char *all = is_set(has) ? xasprintf("%s,%s", ours, has) : xstrdup(ours);
    strmap_set(options, ENDPOINT_SYSCTLS, all);
    for (size_t i = 0; i < keys.count; i++)
        strmap_unset(sysctls, keys.items[i]);
    strv_addf(warnings, "Migrated sysctl \"%s\" to DriverOpts{\"%s\":\"%s\"}.", names, ENDPOINT_SYSCTLS, ours);
    return 0;
}

int container_versions_apply_networks(struct container *c, int api_version, struct strv *warnings, struct error *err)
{
    for (size_t i = 0; api_is_before(api_version, 48) && i < c->network_count; i++)
        c->networks[i].gateway_priority = 0;
    bool own = c->network_count > 0 && strcmp(c->host.network_mode, "host") != 0;
    return own ? move_sysctls(c, api_version, warnings, err) : 0;
}
