#include "daemon/network/endpoint_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "daemon/network/ipam.h"

static int unknown_sysctl(const char *text, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0,
                     "unrecognised network interface sysctl '%s'; represent 'net.X.Y.ethN.Z=V' as "
                     "'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'",
                     text);
}

/* They become parts of a path. */
static bool is_plain(const char *part)
{
    size_t size = strlen(part);
    return size > 0 && strspn(part, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

static bool is_family(const char *part)
{
    return strcmp(part, "ipv4") == 0 || strcmp(part, "ipv6") == 0 || strcmp(part, "mpls") == 0;
}

/* The command line turns IFNAME into lower case. */
static bool is_placeholder(const char *part)
{
    return strcmp(part, "IFNAME") == 0 || strcmp(part, "ifname") == 0;
}

/* "net.ipv4.conf.IFNAME.log_martians=1" */
static int add_sysctl(const char *text, struct endpoint_options *options, struct error *err)
{
    enum { NET, FAMILY, GROUP, PLACE, NAME, PARTS };
    CLEANUP_STRV struct strv parts = STRV_INIT;
    const char *value = strchr(text, '=');
    CLEANUP_FREE char *key = xstrndup(text, value ? (size_t)(value - text) : strlen(text));
    strv_split(&parts, key, '.');
    if (!value || parts.count != PARTS || strcmp(parts.items[NET], "net") != 0 || !is_family(parts.items[FAMILY]) ||
        !is_plain(parts.items[GROUP]) || !is_placeholder(parts.items[PLACE]) || !is_plain(parts.items[NAME])) {
        return unknown_sysctl(text, err);
    }
    options->sysctls = xreallocarray(options->sysctls, options->sysctl_count + 1, sizeof(*options->sysctls));
    options->sysctls[options->sysctl_count++] = (struct endpoint_sysctl){
        .family = xstrdup(parts.items[FAMILY]),
        .group = xstrdup(parts.items[GROUP]),
        .name = xstrdup(parts.items[NAME]),
        .value = xstrdup(value + 1),
    };
    return 0;
}

static int set_sysctls(const char *value, struct endpoint_options *options, struct error *err)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    int r = 0;
    strv_split(&list, value, ',');
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        r = add_sysctl(list.items[i], options, err);
    }
    return r;
}

static int set_interface(const char *value, struct endpoint_options *options, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t size = strlen(value);
    /* Settings of "all" and "default" are those of every interface. */
    bool reserved = strcmp(value, "lo") == 0 || strcmp(value, "all") == 0 || strcmp(value, "default") == 0;
    if (size == 0 || size >= IF_NAMESIZE || strspn(value, allowed) != size || reserved) {
        return error_set(err, ERROR_INVALID, 0, "invalid interface name: \"%s\"", value);
    }
    memcpy(options->interface, value, size + 1);
    return 0;
}

static const struct {
    const char *key;
    int (*set)(const char *value, struct endpoint_options *options, struct error *err);
} known[] = {
    {"com.docker.network.endpoint.ifname", set_interface},
    {ENDPOINT_SYSCTLS, set_sysctls},
};

static int set_option(const char *key, const char *value, struct endpoint_options *options, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strcmp(key, known[i].key) == 0) {
            return known[i].set(value, options, err);
        }
    }
    /* Options of others are notes for their readers, kept and shown; those of drivers would have to do something. */
    if (strncmp(key, "com.docker.network.", strlen("com.docker.network.")) != 0) {
        return 0;
    }
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "DriverOpts: option \"%s\" is not supported by dory", key);
}

static int add_link_local(const char *text, struct endpoint_options *options, struct error *err)
{
    struct endpoint_link_local address = {.ipv6 = strchr(text, ':') != NULL};
    bool valid = address.ipv6
                     ? inet_pton(AF_INET6, text, &address.address6) == 1 && IN6_IS_ADDR_LINKLOCAL(&address.address6)
                     : ipam_parse_address(text, &address.address) == 0 && address.address >> 16 == 0xa9fe;
    if (!valid) {
        return error_set(err, ERROR_INVALID, 0, "invalid link-local IP address: %s", text);
    }
    options->link_local =
        xreallocarray(options->link_local, options->link_local_count + 1, sizeof(*options->link_local));
    options->link_local[options->link_local_count++] = address;
    return 0;
}

int endpoint_options_parse(const struct strmap *driver_options, const struct strv *link_local,
                           struct endpoint_options *ret, struct error *err)
{
    struct endpoint_options options = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && driver_options && i < driver_options->count; i++) {
        r = set_option(driver_options->items[i].key, driver_options->items[i].value, &options, err);
    }
    for (size_t i = 0; r == 0 && link_local && i < link_local->count; i++) {
        r = add_link_local(link_local->items[i], &options, err);
    }
    if (r < 0) {
        endpoint_options_release(&options);
        return r;
    }
    *ret = options;
    return 0;
}

void endpoint_options_release(struct endpoint_options *options)
{
    for (size_t i = 0; i < options->sysctl_count; i++) {
        free(options->sysctls[i].family);
        free(options->sysctls[i].group);
        free(options->sysctls[i].name);
        free(options->sysctls[i].value);
    }
    free(options->sysctls);
    free(options->link_local);
    *options = (struct endpoint_options){0};
}
