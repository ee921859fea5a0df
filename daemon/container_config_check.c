#include "daemon/container_config_check.h"

#include "daemon/engine_internal.h"

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

static void merge_env(struct container_config *config, const struct container_config *image)
{
    for (size_t i = 0; i < image->env.count; i++) {
        const char *entry = image->env.items[i];
        CLEANUP_FREE char *name = xstrndup(entry, strcspn(entry, "="));
        bool found = strv_env_get(&config->env, name) != NULL || strv_contains(&config->env, name);
        if (!found)
            strv_add(&config->env, entry);
    }
}

static void merge_set(struct strv *to, const struct strv *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!strv_contains(to, from->items[i]))
            strv_add(to, from->items[i]);
}

static void merge_command(struct container_config *config, const struct container_config *image)
{
    if (config->entrypoint.count > 0)
        return;
    if (config->cmd.count == 0) {
        strv_copy(&config->cmd, &image->cmd);
        config->cmd_set = image->cmd_set;
        config->args_escaped = image->args_escaped;
    }
    if (!config->entrypoint_set) {
        strv_copy(&config->entrypoint, &image->entrypoint);
        config->entrypoint_set = image->entrypoint_set;
    }
}

void container_config_merge(struct container_config *config, const struct container_config *image)
{
    if (image == NULL)
        return;
    if (!is_set(config->user))
        xstrset(&config->user, image->user);
    if (!is_set(config->working_dir))
        xstrset(&config->working_dir, image->working_dir);
    if (!is_set(config->stop_signal))
        xstrset(&config->stop_signal, image->stop_signal);
    merge_env(config, image);
    merge_command(config, image);
    health_config_merge(config, image);
    merge_set(&config->exposed_ports, &image->exposed_ports);
    merge_set(&config->volumes, &image->volumes);
    for (size_t i = 0; i < image->labels.count; i++)
        if (strmap_get(&config->labels, image->labels.items[i].key) == NULL)
            strmap_set(&config->labels, image->labels.items[i].key, image->labels.items[i].value);
    strmap_sort(&config->labels);
}

static int validate_hostname(const char *name, struct error *err)
{
    /* What the kernel and the lines of /etc/hosts take; docker takes whatever the kernel does. */
    if (!is_set(name))
        return 0;
    if (strlen(name) > 64 || strpbrk(name, " \t\r\n/#") != NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid hostname format: %s", name);
    return 0;
}

/* A container that lives in another's network has nothing of its own there. */
static int validate_container_network(const struct container_config *config, const struct host_config *host,
                                      struct error *err)
{
    const struct {
        bool conflict;
        const char *what;
    } rows[] = {
        {is_set(config->hostname), "hostname and the network mode"},
        {host->links.count > 0, "container type network can't be used with links. This would result in undefined "
                                "behavior"},
        {host->dns.count > 0, "dns and the network mode"},
        {host->extra_hosts.count > 0, "custom host-to-IP mapping and the network mode"},
        {is_set(config->mac_address), "mac-address and the network mode"},
        {host->port_bindings.count > 0 || host->publish_all_ports,
         "port publishing and the container type network mode"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].conflict)
            return error_set(err, ERROR_INVALID, 0, "conflicting options: %s", rows[i].what);
    return 0;
}

static int validate_mac(const char *mac, struct error *err)
{
    if (!is_set(mac))
        return 0;
    bool ok = strlen(mac) == 17;
    for (size_t i = 0; ok && i < 17; i++)
        ok = i % 3 == 2 ? mac[i] == ':' : strchr("0123456789abcdefABCDEF", mac[i]) != NULL;
    return ok ? 0 : error_set(err, ERROR_INVALID, 0, "invalid mac address: %s", mac);
}

int container_config_validate(const struct container_config *config, const struct host_config *host, struct error *err)
{
    if (is_set(config->working_dir) && config->working_dir[0] != '/')
        return error_set(err, ERROR_INVALID, 0,
                         "the working directory '%s' is invalid, it needs to be an absolute path", config->working_dir);
    int r = validate_hostname(config->hostname, err);
    if (r == 0)
        r = validate_mac(config->mac_address, err);
    if (r < 0)
        return r;
    if (is_set(config->domainname) &&
        (strlen(config->domainname) > 63 || strpbrk(config->domainname, " \t\n/") != NULL))
        return error_set(err, ERROR_INVALID, 0, "invalid domainname format: %s", config->domainname);
    for (size_t i = 0; i < config->env.count; i++)
        if (config->env.items[i][0] == '\0' || config->env.items[i][0] == '=')
            return error_set(err, ERROR_INVALID, 0, "invalid environment variable: %s", config->env.items[i]);
    if (is_set(config->stop_signal) && signal_parse(config->stop_signal) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid signal: %s", config->stop_signal);
    r = health_config_validate(config->healthcheck, err);
    if (r < 0)
        return r;
    if (host->network_mode != NULL && strncmp(host->network_mode, "container:", 10) == 0)
        r = validate_container_network(config, host, err);
    if (r == 0 && host->uts_mode != NULL && strcmp(host->uts_mode, "host") == 0 && is_set(config->hostname))
        r = error_set(err, ERROR_INVALID, 0, "conflicting options: hostname and the UTS mode");
    return r;
}

int container_config_command(struct container_config *config, char **ret_path, struct strv *ret_args, struct error *err)
{
    /* --entrypoint "" arrives as [""]. */
    if (config->entrypoint.count == 1 && config->entrypoint.items[0][0] == '\0') {
        strv_clear(&config->entrypoint);
        config->entrypoint_set = false;
    }
    struct strv all = STRV_INIT;
    strv_add_all(&all, &config->entrypoint);
    strv_add_all(&all, &config->cmd);
    if (all.count == 0)
        return error_set(err, ERROR_INVALID, 0, "no command specified");
    *ret_path = xstrdup(all.items[0]);
    strv_remove(&all, 0);
    *ret_args = all;
    return 0;
}
