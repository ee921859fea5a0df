#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "cmd/doryd/options.h"
#include "daemon/log_options.h"
#include "daemon/network/network.h"
#include "daemon/runtimes.h"
#include "daemon/storage_options.h"
#include "daemon/ulimits.h"

/* One of two words. */
static int check_choice(const char *name, const char *value, const char *one, const char *other, struct error *err)
{
    if (strcmp(value, one) == 0 || strcmp(value, other) == 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "invalid %s \"%s\": it is \"%s\" or \"%s\"", name, value, one, other);
}

static int check_container_defaults(const struct daemon_options *options, struct error *err)
{
    int64_t size;
    int r = check_choice("default-cgroupns-mode", options->default_cgroupns_mode, "private", "host", err);

    if (r == 0)
        r = check_choice("default-ipc-mode", options->default_ipc_mode, "private", "shareable", err);
    if (r < 0)
        return r;
    if (parse_size(options->default_shm_size, false, &size) < 0 || size <= 0)
        return error_set(err, ERROR_INVALID, 0, "invalid default-shm-size: %s", options->default_shm_size);
    for (size_t i = 0; i < options->default_ulimits.count; i++) {
        const struct strmap_entry *entry = &options->default_ulimits.items[i];
        int64_t soft, hard;

        r = ulimit_parse(entry->key, entry->value, &soft, &hard, err);
        if (r < 0)
            return error_context(err, "default-ulimits");
    }
    if (strcmp(options->storage_driver, "overlay2") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "storage driver %s is not there: overlay2 is the only one",
                         options->storage_driver);
    uint64_t storage;
    r = storage_options_size(&options->storage_options, &storage, err);
    if (r < 0)
        return error_context(err, "storage-opts");
    for (size_t i = 0; i < options->exec_options.count; i++) {
        if (strcmp(options->exec_options.items[i], "native.cgroupdriver=cgroupfs") != 0)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                             "exec-opt %s is not there: native.cgroupdriver=cgroupfs is the only one",
                             options->exec_options.items[i]);
    }
    return 0;
}

/* What would fail at the first pull only. */
static int check_mirrors(const struct strmap *mirrors, struct error *err)
{
    for (size_t i = 0; i < mirrors->count; i++) {
        CLEANUP_STRV struct strv urls = STRV_INIT;

        strv_split(&urls, mirrors->items[i].value, ',');
        for (size_t k = 0; k < urls.count; k++) {
            if (strncmp(urls.items[k], "http://", 7) != 0 && strncmp(urls.items[k], "https://", 8) != 0)
                return error_set(err, ERROR_INVALID, 0, "invalid mirror of %s: \"%s\" is no http or https URL",
                                 mirrors->items[i].key, urls.items[k]);
        }
        if (strcmp(mirrors->items[i].key, "docker.io") == 0)
            return error_set(err, ERROR_INVALID, 0, "mirrors of docker.io are given by registry-mirrors");
    }
    return 0;
}

static int check_features(const struct strmap *features, struct error *err)
{
    for (size_t i = 0; i < features->count; i++) {
        const char *name = features->items[i].key;
        bool on, is_buildkit = strcmp(name, "buildkit") == 0;

        if (parse_bool(features->items[i].value, &on) < 0)
            return error_set(err, ERROR_INVALID, 0, "features: %s: \"%s\" is neither true nor false", name,
                             features->items[i].value);
        if (on && !is_buildkit)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "features: %s is not supported", name);
        if (!on && is_buildkit)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "features: buildkit cannot be switched off");
    }
    return 0;
}

static int check_proxies(const struct strmap *proxies, struct error *err)
{
    static const char *const names[] = {"http-proxy", "https-proxy", "no-proxy"};

    for (size_t i = 0; i < proxies->count; i++) {
        bool known = false;

        for (size_t k = 0; k < ARRAY_SIZE(names); k++)
            known = known || strcmp(names[k], proxies->items[i].key) == 0;
        if (!known)
            return error_set(err, ERROR_INVALID, 0,
                             "the following directives don't match any configuration option: proxies.%s",
                             proxies->items[i].key);
    }
    return 0;
}

static int check_host_gateway(const struct strv *addresses, struct error *err)
{
    unsigned count4 = 0, count6 = 0;

    for (size_t i = 0; i < addresses->count; i++) {
        struct in6_addr address;

        if (inet_pton(AF_INET, addresses->items[i], &address) == 1)
            count4++;
        else if (inet_pton(AF_INET6, addresses->items[i], &address) == 1)
            count6++;
        else
            return error_set(err, ERROR_INVALID, 0, "host-gateway-ip: \"%s\" is no IP address", addresses->items[i]);
    }
    return count4 < 2 && count6 < 2 ? 0
                                    : error_set(err, ERROR_INVALID, 0,
                                                "only one IPv4 and one IPv6 host gateway IP address can be specified");
}

int daemon_options_check(const struct daemon_options *options, struct error *err)
{
    enum log_level level;
    int r;

    if (log_parse_level(options->log_level, &level) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid logging level: %s", options->log_level);
    if (options->data_root[0] != '/' || options->exec_root[0] != '/')
        return error_set(err, ERROR_INVALID, 0, "data-root and exec-root have to be absolute paths");
    struct log_settings log;
    r = log_settings_parse(options->log_driver, &options->log_options, &log, err);
    if (r < 0)
        return error_context(err, "failed to set log opts");
    r = check_container_defaults(options, err);
    if (r == 0)
        r = runtimes_check(options, err);
    if (r < 0)
        return r;
    struct network_options network = {.no_bridge = strcmp(options->bridge, "none") == 0,
                                      .bip = options->bip,
                                      .fixed_cidr = options->fixed_cidr,
                                      .ipv6 = options->ipv6,
                                      .bip6 = options->bip6,
                                      .fixed_cidr6 = options->fixed_cidr6,
                                      .gateway = options->default_gateway,
                                      .gateway6 = options->default_gateway6};
    r = network_check_default_bridge(&network, err);
    if (r < 0)
        return r;
    if (options->mtu != 0 && (options->mtu < 68 || options->mtu > 65535))
        return error_set(err, ERROR_INVALID, 0, "invalid default MTU: %" PRId64, options->mtu);
    r = check_features(&options->features, err);
    if (r == 0)
        r = check_proxies(&options->proxies, err);
    if (r == 0)
        r = check_host_gateway(&options->host_gateway, err);
    if (r < 0)
        return r;
    if (options->authz_plugins.count > 0 && (options->tls || options->tls_verify))
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "authorization-plugins: who a certificate is for is not told to plugins yet: not with tls");
    if (strcmp(options->log_format, "text") != 0 && strcmp(options->log_format, "json") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid log format: %s", options->log_format);
    if (!options->ip_forward_no_drop)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "ip-forward-no-drop: the policy for forwarded packets is not the daemon's to change "
                         "(\"ip-forward-no-drop\": true)");
    if (options->max_download_attempts < 1)
        return error_set(err, ERROR_INVALID, 0, "invalid max download attempts: %" PRId64,
                         options->max_download_attempts);
    if (options->max_concurrent_downloads < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid max concurrent downloads: %" PRId64,
                         options->max_concurrent_downloads);
    if (options->max_concurrent_uploads < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid max concurrent uploads: %" PRId64,
                         options->max_concurrent_uploads);
    if (options->keep_downloads < 0 || options->keep_downloads > 86400)
        return error_set(err, ERROR_INVALID, 0, "invalid keep-downloads: %" PRId64 " (0 to 86400 seconds)",
                         options->keep_downloads);
    int64_t layer_size;
    if (parse_size(options->max_layer_size, false, &layer_size) < 0 || layer_size <= 0)
        return error_set(err, ERROR_INVALID, 0, "invalid max-layer-size: %s", options->max_layer_size);
    if (options->max_layer_entries <= 0)
        return error_set(err, ERROR_INVALID, 0, "invalid max-layer-entries: %" PRId64, options->max_layer_entries);
    r = check_mirrors(&options->mirrors, err);
    if (r < 0)
        return r;
    if (options->shutdown_timeout < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid shutdown timeout: %" PRId64, options->shutdown_timeout);
    for (size_t i = 0; i < options->labels.count; i++) {
        if (!strchr(options->labels.items[i], '='))
            return error_set(err, ERROR_INVALID, 0, "bad attribute format: %s", options->labels.items[i]);
    }
    return 0;
}
