#include "daemon/network/network_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/network/firewall_monitor.h"
#include "daemon/network/names.h"

enum { DEFAULT_POOL_SIZE = 3, BARE_POOL_SIZE = 2, POOL_SIZE_MAX = 100 };

/* ---- addresses for the pool ---- */

static int allocate_address(struct namespace_address *ret, void *data, struct error *err)
{
    struct network_manager *manager = data;
    struct network *bridge = manager->bridge;
    pthread_mutex_lock(&manager->lock);
    int r = ipam_allocate(&bridge->ipam, &ret->v4, err);
    if (r == 0 && bridge->subnet6.prefix) {
        r = ipam6_allocate(&bridge->ipam6, &ret->v6, err);
        if (r < 0) {
            ipam_free(&bridge->ipam, ret->v4);
        }
    }
    pthread_mutex_unlock(&manager->lock);
    return r;
}

static void free_address(const struct namespace_address *address, void *owner, void *data)
{
    struct network_manager *manager = data;
    pthread_mutex_lock(&manager->lock);
    if (owner) {
        endpoint_free(owner);
    } else {
        ipam_free(&manager->bridge->ipam, address->v4);
        if (!IN6_IS_ADDR_UNSPECIFIED(&address->v6)) {
            ipam6_free(&manager->bridge->ipam6, &address->v6);
        }
    }
    pthread_mutex_unlock(&manager->lock);
}

/* ---- the firewall ---- */

void network_in_rules(const struct network *network, struct firewall_network *ret)
{
    *ret = (struct firewall_network){
        .subnet = network->bridge.subnet,
        .subnet6 = network->subnet6,
        .internal = network->internal,
        .no_masquerade = network->no_masquerade,
        .no_icc = network->no_icc,
        .mode = network->gateway_mode,
        .mode6 = network->gateway_mode6,
    };
    if (network->no_rules6) {
        ret->subnet6.prefix = 0;
    }
    memcpy(ret->bridge, network->bridge.name, sizeof(ret->bridge));
}

static void snapshot(struct firewall_rules *ret, void *data)
{
    struct network_manager *manager = data;
    size_t capacity = 0;
    pthread_mutex_lock(&manager->lock);
    ret->networks = xcalloc(manager->count + 1, sizeof(*ret->networks));
    for (size_t i = 0; i < manager->count; i++) {
        if (manager->networks[i]->driver->publishes) {
            network_in_rules(manager->networks[i], &ret->networks[ret->network_count++]);
        }
    }
    for (size_t i = 0; i < manager->ports.count; i++) {
        const struct port_claim *claim = &manager->ports.claims[i];
        if (!claim->leaving && port_claim_has_target(claim)) {
            xgrow((void **)&ret->claims, ret->claim_count, &capacity, sizeof(*ret->claims));
            ret->claims[ret->claim_count++] = *claim;
        }
    }
    pthread_mutex_unlock(&manager->lock);
}

int network_firewall_apply(struct network_manager *manager, struct error *err)
{
    return manager->firewall ? firewall_apply(manager->firewall, snapshot, manager, err) : 0;
}

/* ---- opening and closing ---- */

static void init_ports(struct network_manager *manager)
{
    CLEANUP_FREE char *text = NULL;
    unsigned int first = 0, last = 0;
    if (file_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range", 64, &text, NULL, NULL) < 0 ||
        sscanf(text, "%u %u", &first, &last) != 2 || first > UINT16_MAX || last > UINT16_MAX) {
        first = last = 0; /* the table has a default */
    }
    port_table_init(&manager->ports, first, last);
}

static int open_firewall(struct network_manager *manager, const struct network_options *options, struct error *err)
{
    if (options->no_firewall) {
        return 0;
    }
    int r = firewall_open(manager->bridge->bridge.name, &manager->firewall, err);
    if (r < 0) {
        return r;
    }
    char chain[128];
    if (firewall_foreign_drop(manager->firewall, chain, sizeof(chain))) {
        log_warn("network: the chain \"%s\" drops forwarded packets by default: containers will not reach other hosts, "
                 "nor be reached, unless it accepts those of %s",
                 chain, manager->bridge->bridge.name);
    }
    /* Rules that are there serve running containers: they stay until those have been restored. */
    manager->firewall_found = firewall_exists(manager->firewall);
    return manager->firewall_found ? 0 : network_firewall_apply(manager, err);
}

static int open_pool(struct network_manager *manager, const struct network_options *options, struct netlink *netlink,
                     struct error *err)
{
    CLEANUP_CLOSE int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (netns < 0) {
        return error_errno(err, errno, "open the host's network namespace");
    }
    int size = options->pool_size > 0 ? options->pool_size : DEFAULT_POOL_SIZE;
    struct pool_options pool = {
        .maker = {.host_netns = netns,
                  .host = netlink,
                  .segments = manager->bridge->segments,
                  .subnet = manager->bridge->bridge.subnet,
                  .subnet6 = manager->bridge->subnet6,
                  .gateway = manager->bridge->gateway,
                  .gateway6 = manager->bridge->gateway6,
                  .isolated = manager->bridge->no_icc,
                  .mtu = manager->bridge->bridge.mtu,
                  .make = options->make_namespace,
                  .make_data = options->make_data},
        .sizes = {[POOL_BARE] = BARE_POOL_SIZE},
        .allocate = allocate_address,
        .free = free_address,
        .data = manager,
    };
    if (!manager->no_bridge) {
        pool.sizes[POOL_BRIDGE] = size < POOL_SIZE_MAX ? size : POOL_SIZE_MAX;
    }
    int r = pool_open(&pool, &manager->pool, err);
    if (r == 0) {
        TAKE_FD(netns);
    }
    return r;
}

static int parse_default_address(const char *text, uint32_t *ret, struct error *err)
{
    if (!text || !text[0]) {
        *ret = 0;
        return 0;
    }
    return ipam_parse_address(text, ret) < 0 ? error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", text) : 0;
}

/* "base=fd00::/48,size=64" has colons in it. */
static int parse_address_pool6(struct network_manager *manager, const char *text, struct error *err)
{
    CLEANUP_STRV struct strv fields = STRV_INIT;
    strv_split(&fields, text, ',');
    const char *base = strv_env_get(&fields, "base"), *size = strv_env_get(&fields, "size");
    struct ipam6_pool *pools =
        xreallocarray(manager->address_pools6, manager->address_pool6_count + 1, sizeof(*manager->address_pools6));
    manager->address_pools6 = pools;
    if (!base || !size || ipam6_pool_parse(base, size, &pools[manager->address_pool6_count]) < 0) {
        return error_set(err, ERROR_INVALID, EINVAL,
                         "invalid default address pool %s: wanted is base=fd00:1::/48,size=64", text);
    }
    manager->address_pool6_count++;
    return 0;
}

static int parse_address_pools(struct network_manager *manager, const struct strv *pools, struct error *err)
{
    int r = 0;
    manager->address_pools = pools && pools->count ? xcalloc(pools->count, sizeof(*manager->address_pools)) : NULL;
    for (size_t i = 0; r == 0 && pools && i < pools->count; i++) {
        if (strchr(pools->items[i], ':')) {
            r = parse_address_pool6(manager, pools->items[i], err);
        } else {
            r = ipam_pool_parse(pools->items[i], &manager->address_pools[manager->address_pool_count++], err);
        }
    }
    return r;
}

int network_manager_open(const struct network_options *options, struct network_manager **ret, struct error *err)
{
    uint32_t default_address;
    struct netlink *netlink;
    int r = parse_default_address(options->default_address, &default_address, err);
    if (r == 0) {
        r = netlink_open(NETLINK_ROUTE, &netlink, err);
    }
    if (r < 0) {
        return r;
    }
    struct network_manager *manager = xcalloc(1, sizeof(*manager));
    pthread_mutex_init(&manager->lock, NULL);
    pthread_cond_init(&manager->idle, NULL);
    manager->no_ip_forward = options->no_ip_forward;
    manager->no_rules6 = options->no_rules6;
    manager->seed = xstrdup(options->seed ? options->seed : "");
    manager->resolver = resolver_new(names_lookup, manager);
    manager->retired = timestamp_monotonic(); /* the daemon before this one may have removed containers and networks */
    init_ports(manager);
    r = parse_address_pools(manager, options->address_pools, err);
    if (r == 0) {
        r = default_bridge_open(manager, options, default_address, netlink, err);
    }
    if (r == 0) {
        r = open_firewall(manager, options, err);
    }
    if (r == 0) {
        r = open_pool(manager, options, netlink, err);
    }
    if (r < 0) {
        netlink_close(netlink);
        network_manager_close(manager);
        return r;
    }
    *ret = manager;
    return 0;
}

/* Of a container that runs on without the daemon. */
static void forget_record(struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        endpoint_free(record->endpoints[i]);
    }
    record_free(record);
}

void network_manager_close(struct network_manager *manager)
{
    if (!manager) {
        return;
    }
    firewall_monitor_stop(manager->monitor);
    resolver_free(manager->resolver);
    pool_close(manager->pool);
    firewall_close(manager->firewall);
    size_t i = 0;
    const char *id;
    void *record;
    while (map_next(&manager->records, &i, &id, &record)) {
        forget_record(record);
    }
    map_release(&manager->records);
    for (i = 0; i < manager->count; i++) {
        network_unref(manager->networks[i]);
    }
    if (manager->no_bridge) {
        network_unref(manager->bridge);
    }
    free(manager->networks);
    free(manager->address_pools);
    free(manager->address_pools6);
    free(manager->seed);
    port_table_release(&manager->ports);
    pthread_mutex_destroy(&manager->lock);
    pthread_cond_destroy(&manager->idle);
    free(manager);
}

int network_manager_destroy(struct network_manager *manager, struct error *err)
{
    struct bridge bridge = manager->bridge->bridge;
    bool no_bridge = manager->no_bridge;
    struct segments *segments = TAKE_PTR(manager->bridge->segments);
    struct netlink *netlink;
    firewall_monitor_stop(manager->monitor);
    manager->monitor = NULL;
    int r = manager->firewall ? firewall_remove(manager->firewall, err) : 0;
    network_manager_close(manager);
    if (no_bridge) {
        return r;
    }
    if (r == 0) {
        r = netlink_open(NETLINK_ROUTE, &netlink, err);
    }
    if (r == 0) {
        r = segments_remove(segments, netlink, err);
        if (r == 0) {
            r = bridge_remove(netlink, &bridge, err);
        }
        netlink_close(netlink);
    }
    segments_free(segments);
    return r;
}

/* ---- after a restart ---- */

static bool is_known(const struct network_manager *manager, unsigned int index)
{
    size_t i = 0;
    const char *id;
    void *value;
    while (map_next(&manager->records, &i, &id, &value)) {
        const struct record *record = value;
        for (size_t j = 0; j < record->count; j++) {
            if (record->endpoints[j]->host_index == index) {
                return true;
            }
        }
    }
    return false;
}

/* "veth" and seven hexadecimal digits: what we name them. Others' interfaces on a bridge of ours are theirs. */
static bool is_our_name(const char *name)
{
    return strncmp(name, "veth", 4) == 0 && strlen(name) == 11 && strspn(name + 4, "0123456789abcdef") == 7;
}

/*
 * Ports that belong to no container: a daemon was killed between connecting a container and writing that down, and the
 * address that it has there is anybody's again. Those of namespaces that nobody holds any more go by themselves.
 */
static void sweep_ports(struct network_manager *manager, const char *bridge, struct netlink *host)
{
    char path[64];
    snprintf(path, sizeof(path), "/sys/class/net/%s/brif", bridge);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        unsigned int index = is_our_name(entry->d_name) ? link_index(entry->d_name) : 0;
        if (index && !is_known(manager, index)) {
            (void)link_delete(host, index, NULL);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

/* Those of the default bridge that ran on while the daemon got another setting of `icc`. */
static void set_isolation(struct network_manager *manager, struct netlink *host)
{
    struct link_port_settings settings = {.isolated = manager->bridge->no_icc, .shared = !manager->bridge->no_icc};
    size_t i = 0;
    const char *id;
    void *value;
    while (map_next(&manager->records, &i, &id, &value)) {
        const struct record *record = value;
        for (size_t j = 0; j < record->count; j++) {
            const struct endpoint *e = record->endpoints[j];
            struct error err = {0};
            if (e->network == manager->bridge && e->host_index &&
                link_set_port(host, e->host_index, &settings, &err) < 0) {
                log_error("network: container %s: %s", id, err.message);
            }
        }
    }
}

static int sweep(struct network_manager *manager, struct error *err)
{
    struct netlink *host;
    int r = netlink_open(NETLINK_ROUTE, &host, err);
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&manager->lock);
    for (size_t i = 0; i < manager->count; i++) {
        char name[IF_NAMESIZE];
        struct segments *segments = manager->networks[i]->segments;
        for (size_t n = 0; segments && segments_name(segments, n, name); n++) {
            sweep_ports(manager, name, host);
        }
    }
    set_isolation(manager, host);
    pthread_mutex_unlock(&manager->lock);
    netlink_close(host);
    return 0;
}

static int restore_rules(void *data, struct error *err)
{
    return network_firewall_apply(data, err);
}

int network_restore_done(struct network_manager *manager, struct error *err)
{
    pthread_mutex_lock(&manager->lock);
    bool changed = manager->firewall_found || manager->ports.count > 0 || manager->count > (manager->no_bridge ? 0 : 1);
    pthread_mutex_unlock(&manager->lock);
    changed = changed || (manager->firewall && !firewall_is_joined(manager->firewall));
    int r = changed ? network_firewall_apply(manager, err) : 0;
    if (r == 0) {
        r = sweep(manager, err);
    }
    if (r == 0 && manager->firewall) {
        r = firewall_monitor_start(manager->firewall, manager->bridge->bridge.name, restore_rules, manager,
                                   &manager->monitor, err);
    }
    pool_start(manager->pool);
    return r;
}

/* ---- what is predefined ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    return x ^ x >> 31;
}

void network_predefined_id(const struct network_manager *manager, const char *name, char id[65])
{
    uint64_t state = 0x646f72796e657473;
    const char *parts[] = {manager->bridge->bridge.name, name};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        for (const char *c = parts[i]; *c; c++) {
            state = mix(state ^ (uint8_t)*c);
        }
        state = mix(state + 0x9e3779b97f4a7c15);
    }
    do {
        for (int i = 0; i < 4; i++) {
            state += 0x9e3779b97f4a7c15;
            snprintf(id + 16 * i, 17, "%016llx", (unsigned long long)mix(state));
        }
    } while (strspn(id, "0123456789") >= ID_SHORT_SIZE);
}

bool network_bridge_address(const struct network_manager *manager, const char *network_id, char ret[64])
{
    char text[IPAM_TEXT_MAX];
    if (manager->no_bridge || strcmp(network_id, manager->bridge->id) != 0) {
        return false;
    }
    ipam_format_address(text, manager->bridge->bridge.subnet.gateway);
    snprintf(ret, 64, "%s", text);
    return true;
}

bool network_has_bridge(const struct network_manager *manager)
{
    return !manager->no_bridge;
}
