/* A container's networks: which ones it is to be on, and how they are told to the network manager and to clients. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "daemon/container_networks.h"
#include "daemon/engine_internal.h"
#include "daemon/network/ipam.h"
#include "daemon/network/ipam6.h"
#include "daemon/user_namespace.h"

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

static bool is_none(const char *mode)
{
    return strcmp(mode, "none") == 0;
}

/* ---- what is asked for ---- */

static bool contains4(const char *subnet, const char *address)
{
    struct ipam_subnet parsed;
    uint32_t number;
    return subnet != NULL && ipam_subnet_parse(subnet, &parsed, NULL) == 0 &&
           ipam_parse_address(address, &number) == 0 && ipam_overlaps(number, 32, parsed.network, parsed.prefix);
}

static bool contains6(const char *subnet, const char *address)
{
    struct ipam6_subnet parsed;
    struct in6_addr number;
    return subnet != NULL && ipam6_subnet_parse(subnet, &parsed, NULL) == 0 &&
           inet_pton(AF_INET6, address, &number) == 1 && ipam6_contains(&parsed, &number);
}

static void check_address(const struct network_identity *network, const char *address, bool ipv6, struct strv *wrong)
{
    const char *subnet = ipv6 ? network->subnet6 : network->subnet;
    const struct strv *further = ipv6 ? &network->further6 : &network->further;
    uint8_t parsed[sizeof(struct in6_addr)];
    if (!is_set(address))
        return;
    if (inet_pton(ipv6 ? AF_INET6 : AF_INET, address, parsed) != 1)
        strv_addf(wrong, "invalid IPv%d address: %s", ipv6 ? 6 : 4, address);
    if ((ipv6 ? contains6 : contains4)(subnet, address))
        return;
    for (size_t i = 0; i < further->count; i++)
        if ((ipv6 ? contains6 : contains4)(further->items[i], address))
            return;
    if (network->predefined)
        strv_add(wrong, "user specified IP address is supported on user defined networks only");
    else if (subnet == NULL)
        strv_add(wrong, "user specified IP address is supported only when connecting to networks with user configured "
                        "subnets");
    else
        strv_addf(wrong, "no configured subnet or ip-range contain the IP address %s", address);
}

/* Everything at once, as docker has it. */
static int check_settings(const struct network_identity *network, const struct endpoint_settings *settings,
                          struct error *err)
{
    CLEANUP_STRV struct strv wrong = STRV_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    check_address(network, settings->ipam.ipv4, false, &wrong);
    check_address(network, settings->ipam.ipv6, true, &wrong);
    if (network->predefined && settings->aliases.count > 0)
        strv_add(&wrong, "network-scoped aliases are only supported for user-defined networks");
    for (size_t i = 0; i < wrong.count; i++)
        strbuf_addf(&text, "\n%s%s", wrong.count > 1 ? "* " : "", wrong.items[i]);
    return wrong.count == 0 ? 0 : error_set(err, ERROR_INVALID, 0, "invalid endpoint settings:%s", strbuf_str(&text));
}

static int check_links(const struct strv *links, struct error *err)
{
    for (size_t i = 0; i < links->count; i++) {
        const char *link = links->items[i], *colon = strchr(link, ':');
        if (link[0] == '\0' || colon == link || (colon != NULL && (colon[1] == '\0' || strchr(colon + 1, ':') != NULL)))
            return error_set(err, ERROR_INVALID, 0, "bad format for links: %s", link);
    }
    return 0;
}

int container_networks_check(const struct network_identity *network, const struct endpoint_settings *settings,
                             bool creating, struct error *err)
{
    if (network->config_only)
        return error_set(err, ERROR_FORBIDDEN, 0, "cannot create endpoint on configuration-only network %s",
                         network->name);
    int r = check_settings(network, settings, err);
    if (r < 0)
        return creating ? error_context(err, "invalid config for network %s", network->name) : r;
    if (is_set(settings->mac))
        r = network_check_mac(settings->mac, err);
    if (r == 0)
        r = check_links(&settings->links, err);
    if (r == 0 && network->predefined && settings->links.count > 0)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, 0, "links on network %s are not supported by dory yet",
                      network->name);
    return r;
}

struct endpoint_settings *container_networks_find(const struct container *c, const char *network_id)
{
    for (size_t i = 0; i < c->network_count; i++)
        if (is_set(c->networks[i].network_id) && strcmp(c->networks[i].network_id, network_id) == 0)
            return &c->networks[i];
    return NULL;
}

struct endpoint_settings *container_networks_add(struct container *c, const struct network_identity *network,
                                                 struct endpoint_settings *settings)
{
    struct endpoint_settings *there = container_networks_find(c, network->id);
    xstrset(&settings->name, network->name);
    xstrset(&settings->network_id, network->id);
    if (there != NULL) {
        endpoint_settings_release(there);
        *there = *settings;
        *settings = (struct endpoint_settings){0};
        return there;
    }
    c->networks = xreallocarray(c->networks, c->network_count + 1, sizeof(*c->networks));
    c->networks[c->network_count] = *settings;
    *settings = (struct endpoint_settings){0};
    return &c->networks[c->network_count++];
}

void container_networks_remove(struct container *c, const char *network_id)
{
    struct endpoint_settings *found = container_networks_find(c, network_id);
    if (found == NULL)
        return;
    size_t i = (size_t)(found - c->networks);
    endpoint_settings_release(found);
    memmove(found, found + 1, (c->network_count - i - 1) * sizeof(*found));
    c->network_count--;
}

/*
 * A daemon without the default bridge still has containers of that network, which is what those are that name no other:
 * they get the loopback interface alone, as docker's, and the bridge when the daemon has one again.
 */
static int find_network(struct engine *engine, const char *name, struct network_identity *ret, struct error *err)
{
    if (network_has_bridge(engine->networks) || strcmp(name, "bridge") != 0)
        return network_registry_find(engine->registry, name, ret, err);
    *ret = (struct network_identity){.name = xstrdup(name), .driver = xstrdup("bridge"), .predefined = true};
    network_predefined_id(engine->networks, name, ret->id);
    return 0;
}

static bool is_missing(struct engine *engine, const char *name)
{
    return strcmp(name, "bridge") == 0 && !network_has_bridge(engine->networks);
}

int container_networks_check_bridge(struct engine *engine, const struct container *c, size_t port_count,
                                    struct error *err)
{
    if (!is_missing(engine, c->host.network_mode) || (port_count == 0 && c->host.links.count == 0))
        return 0;
    return error_set(
        err, ERROR_INVALID, 0,
        "container %s: %s need a network: the daemon has no default bridge (bridge: none), and no other is "
        "named",
        c->id, port_count > 0 ? "published ports" : "links");
}

/* The network of HostConfig.NetworkMode, with what HostConfig and Config ask of it. */
static int resolve_mode(struct engine *engine, struct container *c, struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    struct endpoint_settings settings = {0};
    const char *mode = c->host.network_mode;
    if (strncmp(mode, "container:", 10) == 0) {
        CLEANUP_CONTAINER struct container *peer = NULL;
        int r = container_find(engine, mode + 10, &peer, err);
        if (r < 0)
            return r;
        free(c->host.network_mode);
        c->host.network_mode = xasprintf("container:%s", peer->id);
        return 0;
    }
    int r = find_network(engine, mode, &network, err);
    if (r < 0)
        return r;
    if (network.predefined)
        xstrset(&c->host.network_mode, network.name);
    if (is_set(c->config.mac_address))
        settings.mac = xstrdup(c->config.mac_address);
    if (!network.predefined) /* on the default bridge: links.c */
        strv_copy(&settings.links, &c->host.links);
    r = container_networks_check(&network, &settings, true, err);
    if (r == 0)
        container_networks_add(c, &network, &settings);
    endpoint_settings_release(&settings);
    return r;
}

/* What NetworkingConfig says of the network that is there already. */
static int merge(struct container *c, struct endpoint_settings *to, struct endpoint_settings *from, struct error *err)
{
    if (is_set(from->mac) && is_set(c->config.mac_address) && strcmp(from->mac, c->config.mac_address) != 0)
        return error_set(err, ERROR_INVALID, 0,
                         "the container-wide MAC address must match the endpoint-specific MAC address for the main "
                         "network, or be left empty");
    if (is_set(from->mac))
        xstrset(&to->mac, from->mac);
    to->ipam = from->ipam;
    from->ipam = (struct endpoint_ipam){0};
    strv_add_all(&to->aliases, &from->aliases);
    strv_add_all(&to->links, &from->links);
    strmap_copy(&to->driver_options, &from->driver_options);
    to->gateway_priority = from->gateway_priority;
    return 0;
}

static int resolve_endpoint(struct engine *engine, struct container *c, const char *name, const struct json *value,
                            struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    struct endpoint_settings settings = {0};
    const char *mode = c->host.network_mode;
    int r = find_network(engine, strcmp(name, "default") == 0 ? mode : name, &network, err);
    if (r == 0)
        r = endpoint_settings_decode(value, &settings, err);
    if (r == 0)
        r = container_networks_check(&network, &settings, true, err);
    struct endpoint_settings *there = r == 0 ? container_networks_find(c, network.id) : NULL;
    if (r == 0 && there != NULL)
        r = merge(c, there, &settings, err);
    else if (r == 0 && (strcmp(mode, "host") == 0 || strcmp(network.name, "host") == 0))
        r = error_set(err, ERROR_INVALID, 0,
                      "conflicting options: a container of the host's network cannot be on other networks (%s)",
                      network.name);
    else if (r == 0 && (is_none(mode) || is_none(network.name)))
        r = error_set(err, ERROR_INVALID, 0,
                      "container cannot be connected to multiple networks with one of the networks in private (none) "
                      "mode");
    else if (r == 0)
        container_networks_add(c, &network, &settings);
    endpoint_settings_release(&settings);
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct endpoint_settings *)a)->name, ((const struct endpoint_settings *)b)->name);
}

int container_networks_resolve(struct engine *engine, const struct json *body, struct container *c, struct error *err)
{
    int r = resolve_mode(engine, c, err);
    const struct json *endpoints = json_get(json_get(body, "NetworkingConfig"), "EndpointsConfig");
    if (r < 0 || endpoints == NULL || endpoints->kind != JSON_OBJECT)
        return r;
    if (c->network_count == 0 && endpoints->object.count > 0)
        return error_set(err, ERROR_INVALID, 0,
                         "container sharing network namespace with another container or host cannot be connected to "
                         "any other network");
    for (size_t i = 0; r == 0 && i < endpoints->object.count; i++)
        r = resolve_endpoint(engine, c, endpoints->object.keys[i], &endpoints->object.values[i], err);
    if (r == 0 && c->network_count > 2)
        qsort(c->networks + 1, c->network_count - 1, sizeof(*c->networks), by_name);
    if (r == 0 && c->network_count > 0 && is_set(c->networks[0].mac))
        xstrset(&c->config.mac_address, c->networks[0].mac);
    return r;
}

/* ---- for the manager ---- */

bool container_uses_resolver(const struct container *c)
{
    for (size_t i = 0; i < c->network_count; i++) {
        const char *name = c->networks[i].name;
        if (strcmp(name, "bridge") != 0 && strcmp(name, "host") != 0 && !is_none(name))
            return true;
    }
    return false;
}

void container_networks_attachment(const struct container *c, const struct endpoint_settings *settings,
                                   struct strv *aliases, struct network_attachment *ret)
{
    strv_add_all(aliases, &settings->aliases);
    strv_add_take(aliases, xstrndup(c->id, ID_SHORT_SIZE));
    if (is_set(c->config.hostname) && !strv_contains(aliases, c->config.hostname))
        strv_add(aliases, c->config.hostname);
    *ret = (struct network_attachment){.network_id = settings->network_id,
                                       .address = settings->ipam.ipv4,
                                       .address6 = settings->ipam.ipv6,
                                       .mac = settings->mac,
                                       .aliases = aliases,
                                       .links = &settings->links,
                                       .options = &settings->driver_options,
                                       .link_local = &settings->ipam.link_local,
                                       .priority = (int)settings->gateway_priority};
}

/* A request with everything that the manager is told; what it points to lives as long as this. */
struct told {
    struct network_request request;
    struct network_attachment *attachments;
    struct strv *aliases;
};

static void told_release(struct told *told)
{
    for (size_t i = 0; told->aliases != NULL && i < told->request.attachment_count; i++)
        strv_release(&told->aliases[i]);
    free(told->aliases);
    free(told->attachments);
}

static void tell(struct engine *engine, const struct container *c, struct told *ret)
{
    bool none = c->config.network_disabled || c->network_count == 0 || is_none(c->networks[0].name) ||
                (c->network_count == 1 && is_missing(engine, c->networks[0].name));
    const struct strv *dns = c->host.dns.count ? &c->host.dns : &engine->options->dns;
    *ret = (struct told){.request = {.container_id = c->id,
                                     .mode = none ? NETWORK_NONE : NETWORK_BRIDGE,
                                     .ports = c->ports,
                                     .port_count = none ? 0 : c->port_count,
                                     .dns = dns}};
    if (none)
        return;
    ret->attachments = xcalloc(c->network_count, sizeof(*ret->attachments));
    ret->aliases = xcalloc(c->network_count, sizeof(*ret->aliases));
    ret->request.attachments = ret->attachments;
    for (size_t i = 0; i < c->network_count; i++) {
        size_t *n = &ret->request.attachment_count;
        if (is_missing(engine, c->networks[i].name))
            continue;
        container_networks_attachment(c, &c->networks[i], &ret->aliases[*n], &ret->attachments[*n]);
        (*n)++;
    }
}

int container_networks_identify(struct engine *engine, struct endpoint_settings *settings, struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    if (is_set(settings->network_id) &&
        network_registry_find(engine->registry, settings->network_id, &network, NULL) == 0)
        return 0;
    int r = find_network(engine, settings->name, &network, err);
    if (r == 0)
        xstrset(&settings->network_id, network.id);
    return r;
}

static int make_in_userns(void *data, struct error *err)
{
    const int *userns = data;
    return user_namespace_make_net(*userns, err);
}

int container_networks_attach(struct engine *engine, struct container *c, const char *name, int *ret_netns_fd,
                              struct network_sandbox *ret, struct error *err)
{
    struct told told;
    int r = 0;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; r == 0 && i < c->network_count; i++)
        r = container_networks_identify(engine, &c->networks[i], err);
    pthread_mutex_unlock(&c->lock);
    if (r == 0)
        r = container_networks_check_bridge(engine, c, c->port_count, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int userns = container_userns_shared(engine, c, err);
    if (userns < 0 && userns != -ENOENT)
        return userns;
    tell(engine, c, &told); /* the turn is held: nobody changes the networks */
    if (userns >= 0) {
        told.request.make_namespace = make_in_userns;
        told.request.make_data = &userns;
    }
    r = network_attach(engine->networks, &told.request, name, ret_netns_fd, ret, err);
    told_release(&told);
    return r;
}

int container_networks_restore(struct engine *engine, struct container *c, pid_t pid, struct error *err)
{
    if (c->sandbox.count == 0)
        return 0;
    struct told told;
    CLEANUP_FREE char *path = xasprintf("/proc/%d/ns/net", pid);
    CLEANUP_CLOSE int netns_fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    tell(engine, c, &told);
    int r = network_restore(engine->networks, &told.request, name + 1, netns_fd, &c->sandbox, err);
    told_release(&told);
    return r;
}

/* ---- for clients ---- */

static void put_list(const char *key, const struct strv *names, size_t count, struct json_writer *w)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_put_string(w, names->items[i]);
    json_end_array(w);
}

/* The names that were asked for, with `short_id` the container's after them; and all by which it is found, each once.
 */
static void put_names(const struct container *c, const char *name, const struct endpoint_settings *settings,
                      bool short_id, struct json_writer *w)
{
    bool user =
        strcmp(settings->name, "bridge") != 0 && strcmp(settings->name, "host") != 0 && !is_none(settings->name);
    CLEANUP_STRV struct strv aliases = STRV_INIT, found = STRV_INIT;
    struct network_attachment unused;
    size_t asked = settings->aliases.count + short_id;
    if (!user) {
        json_member_null(w, "Aliases");
        json_member_null(w, "DNSNames");
        return;
    }
    container_networks_attachment(c, settings, &aliases, &unused);
    if (asked == 0)
        json_member_null(w, "Aliases");
    else
        put_list("Aliases", &aliases, asked < aliases.count ? asked : aliases.count, w);
    strv_add(&found, name);
    for (size_t i = 0; i < aliases.count; i++)
        if (!strv_contains(&found, aliases.items[i]))
            strv_add(&found, aliases.items[i]);
    put_list("DNSNames", &found, found.count, w);
}

static void put_links(const struct endpoint_settings *settings, struct json_writer *w)
{
    json_key(w, "Links");
    if (settings->links.count == 0) {
        json_put_null(w);
        return;
    }
    json_begin_array(w);
    for (size_t i = 0; i < settings->links.count; i++)
        json_put_string(w, settings->links.items[i]);
    json_end_array(w);
}

static void put_driver_options(const struct endpoint_settings *settings, struct json_writer *w)
{
    json_key(w, "DriverOpts");
    if (settings->driver_options.count == 0) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < settings->driver_options.count; i++)
        json_member_string(w, settings->driver_options.items[i].key, settings->driver_options.items[i].value);
    json_end_object(w);
}

static void put_endpoint(const struct container *c, const char *name, const struct endpoint_settings *settings,
                         bool short_id, struct json_writer *w)
{
    static const struct network_endpoint nothing;
    const struct network_endpoint *e =
        is_set(settings->network_id) ? network_sandbox_find(&c->sandbox, settings->network_id) : NULL;
    if (e == NULL)
        e = &nothing;
    json_key(w, settings->name);
    json_begin_object(w);
    endpoint_settings_put_ipam(settings, w);
    put_links(settings, w);
    put_names(c, name, settings, short_id, w);
    json_member_string(w, "MacAddress", e->mac[0] || !is_set(settings->mac) ? e->mac : settings->mac);
    put_driver_options(settings, w);
    json_member_int(w, "GwPriority", settings->gateway_priority);
    json_member_string(w, "NetworkID", c->started != 0 ? settings->network_id : "");
    json_member_string(w, "EndpointID", e->endpoint_id);
    json_member_string(w, "Gateway", e->gateway);
    json_member_string(w, "IPAddress", e->address);
    json_member_int(w, "IPPrefixLen", e->prefix);
    json_member_string(w, "IPv6Gateway", e->gateway6);
    json_member_string(w, "GlobalIPv6Address", e->address6);
    json_member_int(w, "GlobalIPv6PrefixLen", e->prefix6);
    json_end_object(w);
}

void container_networks_write(const struct container *c, const char *name, bool short_id, struct json_writer *w)
{
    json_key(w, "Networks");
    json_begin_object(w);
    for (size_t i = 0; i < c->network_count; i++)
        put_endpoint(c, name, &c->networks[i], short_id, w);
    json_end_object(w);
}

const struct network_endpoint *container_bridge_endpoint(const struct container *c)
{
    for (size_t i = 0; i < c->network_count; i++)
        if (strcmp(c->networks[i].name, "bridge") == 0 || is_none(c->networks[i].name))
            return network_sandbox_find(&c->sandbox, c->networks[i].network_id);
    return NULL;
}

void container_networks_event(struct engine *engine, const struct container *c, const char *network_id,
                              const char *action)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    if (network_registry_find(engine->registry, network_id, &network, NULL) < 0)
        return; /* it has been removed meanwhile, and told so */
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    strmap_set(&attributes, "container", c->id);
    strmap_set(&attributes, "name", network.name);
    strmap_set(&attributes, "type", network.driver);
    events_publish(engine->events, "network", action, network.id, &attributes);
}

void container_network_event(struct engine *engine, struct container *c, const char *action)
{
    CLEANUP_STRV struct strv ids = STRV_INIT;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->network_count; i++)
        strv_add(&ids, c->networks[i].network_id);
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < ids.count; i++)
        container_networks_event(engine, c, ids.items[i], action);
}
