#include "daemon/network/network.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strmap.h"
#include "daemon/network/bridge.h"
#include "daemon/network/firewall.h"
#include "daemon/network/link.h"
#include "daemon/network/pool.h"
#include "daemon/network/port_socket.h"
#include "daemon/network/ports.h"

enum { DEFAULT_POOL_SIZE = 3, BARE_POOL_SIZE = 2, POOL_SIZE_MAX = 100, PORTS_MAX = 65536 };

/* A container on the bridge. Owned by the manager's map. */
struct record {
    char *container_id;
    uint32_t address;
    unsigned int host_index; /* 0: not known (restored from an older daemon's row) */
    bool attached;           /* attach or restore is through: it can be detached */
};

struct network_manager {
    struct bridge bridge;
    bool firewall_found; /* the table was there when the daemon started */
    uint32_t default_address;
    struct firewall *firewall; /* NULL: none is wanted */
    struct pool *pool;
    pthread_mutex_t lock; /* all below; never held while the kernel is asked for more than a bind(2) */
    struct ipam ipam;
    struct port_table ports;
    struct map records; /* container id -> struct record */
};

void network_endpoint_release(struct network_endpoint *endpoint)
{
    free(endpoint->ports);
    *endpoint = (struct network_endpoint){0};
}

/* Addresses for the pool. */

static int allocate_address(uint32_t *ret, void *data, struct error *err)
{
    struct network_manager *manager = data;
    pthread_mutex_lock(&manager->lock);
    int r = ipam_allocate(&manager->ipam, ret, err);
    pthread_mutex_unlock(&manager->lock);
    return r;
}

static void free_address(uint32_t address, void *data)
{
    struct network_manager *manager = data;
    pthread_mutex_lock(&manager->lock);
    ipam_free(&manager->ipam, address);
    pthread_mutex_unlock(&manager->lock);
}

/* Opening and closing. */

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

static size_t snapshot_claims(struct port_claim **ret, void *data)
{
    struct network_manager *manager = data;
    struct port_claim *claims = NULL;
    size_t count = 0, capacity = 0;
    pthread_mutex_lock(&manager->lock);
    for (size_t i = 0; i < manager->ports.count; i++) {
        const struct port_claim *claim = &manager->ports.claims[i];
        if (!claim->leaving && claim->container_address) {
            xgrow((void **)&claims, count, &capacity, sizeof(*claims));
            claims[count++] = *claim;
        }
    }
    pthread_mutex_unlock(&manager->lock);
    *ret = claims;
    return count;
}

int network_firewall_apply(struct network_manager *manager, struct error *err)
{
    return manager->firewall ? firewall_apply(manager->firewall, snapshot_claims, manager, err) : 0;
}

static int open_firewall(struct network_manager *manager, const struct network_options *options, struct error *err)
{
    if (options->no_firewall) {
        return 0;
    }
    struct firewall_options firewall = {
        .bridge = manager->bridge.name,
        .subnet = manager->bridge.subnet,
        .no_masquerade = options->no_ip_masq,
    };
    int r = firewall_open(&firewall, &manager->firewall, err);
    if (r < 0) {
        return r;
    }
    char chain[128];
    if (firewall_foreign_drop(chain, sizeof(chain))) {
        log_warn(
            "network: the chain \"%s\" drops forwarded packets by default (docker's rules do): containers will not "
            "reach other hosts, nor be reached, unless it accepts those of %s",
            chain, manager->bridge.name);
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
                  .bridge_index = manager->bridge.index,
                  .subnet = manager->bridge.subnet,
                  .mtu = manager->bridge.mtu},
        .sizes = {[POOL_BRIDGE] = size < POOL_SIZE_MAX ? size : POOL_SIZE_MAX, [POOL_BARE] = BARE_POOL_SIZE},
        .allocate = allocate_address,
        .free = free_address,
        .data = manager,
    };
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
    manager->default_address = default_address;
    r = bridge_open(netlink, options, &manager->bridge, err);
    if (r == 0) {
        ipam_init(&manager->ipam, &manager->bridge.subnet);
        init_ports(manager);
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

static void record_free(struct record *record)
{
    if (record) {
        free(record->container_id);
        free(record);
    }
}

void network_manager_close(struct network_manager *manager)
{
    if (!manager) {
        return;
    }
    pool_close(manager->pool);
    firewall_close(manager->firewall);
    size_t i = 0;
    const char *id;
    void *record;
    while (map_next(&manager->records, &i, &id, &record)) {
        record_free(record);
    }
    map_release(&manager->records);
    port_table_release(&manager->ports);
    ipam_release(&manager->ipam);
    pthread_mutex_destroy(&manager->lock);
    free(manager);
}

int network_manager_destroy(struct network_manager *manager, struct error *err)
{
    struct bridge bridge = manager->bridge;
    struct netlink *netlink;
    int r = manager->firewall ? firewall_remove(manager->firewall, err) : 0;
    network_manager_close(manager);
    if (r == 0) {
        r = netlink_open(NETLINK_ROUTE, &netlink, err);
    }
    if (r < 0) {
        return r;
    }
    r = bridge_remove(netlink, &bridge, err);
    netlink_close(netlink);
    return r;
}

/* Requests. */

static int parse_mac(const char *text, uint8_t mac[6], struct error *err)
{
    unsigned int part[6];
    int end = 0;
    if (strlen(text) != 17 ||
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5], &end) !=
            6 ||
        end != 17) {
        return error_set(err, ERROR_INVALID, 0, "%s is not a valid mac address", text);
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = part[i];
    }
    static const uint8_t zero[6];
    if (mac[0] & 1 || memcmp(mac, zero, 6) == 0) {
        return error_set(err, ERROR_INVALID, 0, "%s is not the address of one interface", text);
    }
    return 0;
}

static int parse_port(const struct network_manager *manager, const struct network_port *port, struct port_request *ret,
                      struct error *err)
{
    *ret = (struct port_request){
        .host_address = manager->default_address,
        .host_port = port->host_port,
        .host_port_end = port->host_port_end,
        .container_port = port->container_port,
    };
    if (port_protocol_parse(port->protocol, &ret->protocol) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid proto: %s", port->protocol);
    }
    if (port->container_port == 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid containerPort: 0");
    }
    if (strchr(port->host_address, ':')) {
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "publishing ports on IPv6 addresses (%s) is not supported",
                         port->host_address);
    }
    if (port->host_address[0] && ipam_parse_address(port->host_address, &ret->host_address) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", port->host_address);
    }
    return 0;
}

static void describe_port(const struct port_request *request, uint16_t host_port, struct network_port *ret)
{
    char address[IPAM_TEXT_MAX];
    ipam_format_address(address, request->host_address);
    *ret = (struct network_port){.container_port = request->container_port, .host_port = host_port};
    snprintf(ret->protocol, sizeof(ret->protocol), "%s", port_protocol_name(request->protocol));
    snprintf(ret->host_address, sizeof(ret->host_address), "%s", address);
}

/* Claims every port of the request; those that were claimed before a failure are the caller's to drop. */
static int claim_ports(struct network_manager *manager, const struct network_request *request, struct record *record,
                       struct network_port *ret_ports, struct error *err)
{
    struct port_request port;
    for (size_t i = 0; i < request->port_count; i++) {
        uint16_t chosen;
        int r = parse_port(manager, &request->ports[i], &port, err);
        if (r == 0) {
            r = port_table_claim(&manager->ports, &port, record, port_socket_reserve, NULL, &chosen, err);
        }
        if (r < 0) {
            return r;
        }
        describe_port(&port, chosen, &ret_ports[i]);
    }
    return 0;
}

/* The record of a new container with its ports claimed, in the map. */
static int add_record(struct network_manager *manager, const struct network_request *request, struct record **ret,
                      struct network_port *ret_ports, struct error *err)
{
    if (request->port_count > PORTS_MAX) {
        return error_set(err, ERROR_INVALID, 0, "too many published ports");
    }
    if (request->port_count > 0 && !manager->firewall) {
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "ports cannot be published: the firewall is switched off "
                         "(\"iptables\": false)");
    }
    pthread_mutex_lock(&manager->lock);
    int r = 0;
    if (map_get(&manager->records, request->container_id)) {
        r = error_set(err, ERROR_CONFLICT, 0, "container %s is on the network already", request->container_id);
    } else {
        struct record *record = xcalloc(1, sizeof(*record));
        r = claim_ports(manager, request, record, ret_ports, err);
        if (r < 0) {
            port_table_drop(&manager->ports, record);
            record_free(record);
        } else {
            record->container_id = xstrdup(request->container_id);
            map_set(&manager->records, request->container_id, record);
            *ret = record;
        }
    }
    pthread_mutex_unlock(&manager->lock);
    return r;
}

static void drop_record(struct network_manager *manager, struct record *record)
{
    pthread_mutex_lock(&manager->lock);
    port_table_drop(&manager->ports, record);
    if (map_get(&manager->records, record->container_id) == record) {
        map_unset(&manager->records, record->container_id);
    }
    pthread_mutex_unlock(&manager->lock);
    record_free(record);
}

/* Takes the container's rules away, and tells the worker about everything that nobody has to wait for. */
static void withdraw(struct network_manager *manager, struct record *record, unsigned int host_index, uint32_t address)
{
    CLEANUP_FREE struct port_claim *claims = NULL;
    struct error err = {0};
    pthread_mutex_lock(&manager->lock);
    size_t count = port_table_of(&manager->ports, record, true, &claims);
    pthread_mutex_unlock(&manager->lock);
    if (count > 0 && firewall_withdraw(manager->firewall, claims, count, &err) < 0) {
        log_error("network: %s", err.message);
    }
    struct pool_job job = {.host_index = host_index, .address = address};
    for (size_t i = 0; i < count; i++) {
        if (claims[i].protocol == IPPROTO_UDP) {
            job.flows.container_address = address;
        }
    }
    if (job.host_index || job.address) {
        pool_add_job(manager->pool, &job);
    }
}

static void forget_udp_flows_to(struct network_manager *manager, const struct port_claim *claims, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (claims[i].protocol == IPPROTO_UDP) {
            struct pool_job job = {.flows.host_port = claims[i].host_port};
            pool_add_job(manager->pool, &job);
        }
    }
}

static int publish(struct network_manager *manager, struct record *record, struct error *err)
{
    CLEANUP_FREE struct port_claim *claims = NULL;
    pthread_mutex_lock(&manager->lock);
    port_table_set_target(&manager->ports, record, record->address);
    size_t count = port_table_of(&manager->ports, record, false, &claims);
    pthread_mutex_unlock(&manager->lock);
    if (count == 0) {
        return 0;
    }
    struct error first = {0};
    int r = firewall_publish(manager->firewall, claims, count, &first);
    if (r < 0) {
        /* Somebody flushed the rules, or left something in them. */
        log_warn("network: %s; making all rules again", first.message);
        r = network_firewall_apply(manager, err);
    }
    if (r == 0) {
        forget_udp_flows_to(manager, claims, count);
    }
    return r;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* A network's id is a function of the bridge's and the network's name: the same after every restart, another for
 * another daemon beside this one. Nothing about it is secret. */
static void network_id(const struct network_manager *manager, const char *name, char id[65])
{
    uint64_t state = 0x646f72796e657473;
    const char *parts[] = {manager->bridge.name, name};
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

static void describe_endpoint(const struct network_manager *manager, const struct namespace *ns,
                              struct network_endpoint *ret)
{
    char text[IPAM_TEXT_MAX];
    ipam_format_address(text, ns->address);
    snprintf(ret->address, sizeof(ret->address), "%s", text);
    ipam_format_address(text, manager->bridge.subnet.gateway);
    snprintf(ret->gateway, sizeof(ret->gateway), "%s", text);
    snprintf(ret->mac, sizeof(ret->mac), "%02x:%02x:%02x:%02x:%02x:%02x", ns->mac[0], ns->mac[1], ns->mac[2],
             ns->mac[3], ns->mac[4], ns->mac[5]);
    snprintf(ret->host_interface, sizeof(ret->host_interface), "%s", ns->host_name);
    ret->prefix = manager->bridge.subnet.prefix;
}

static int attach_none(struct network_manager *manager, int *ret_netns_fd, struct network_endpoint *ret,
                       struct error *err)
{
    struct namespace ns;
    int r = pool_take(manager->pool, POOL_BARE, &ns, err);
    if (r < 0) {
        return r;
    }
    *ret = (struct network_endpoint){0};
    network_id(manager, "none", ret->network_id);
    id_generate(ret->endpoint_id);
    *ret_netns_fd = TAKE_FD(ns.netns);
    namespace_release(&ns);
    return 0;
}

/* A namespace for the record, its ports published. On failure the record holds neither. */
static int connect_record(struct network_manager *manager, struct record *record, const uint8_t *mac,
                          struct namespace *ret, struct error *err)
{
    struct namespace ns;
    int r = pool_take(manager->pool, POOL_BRIDGE, &ns, err);
    if (r < 0) {
        return r;
    }
    record->address = ns.address;
    record->host_index = ns.host_index;
    if (mac) {
        r = namespace_set_mac(&ns, mac, err);
    }
    if (r == 0) {
        r = publish(manager, record, err);
    }
    if (r < 0) {
        withdraw(manager, record, ns.host_index, ns.address);
        namespace_release(&ns);
        return r;
    }
    *ret = ns;
    return 0;
}

int network_attach(struct network_manager *manager, const struct network_request *request, const char *container_name,
                   int *ret_netns_fd, struct network_endpoint *ret_endpoint, struct error *err)
{
    if (request->mode == NETWORK_NONE) {
        return attach_none(manager, ret_netns_fd, ret_endpoint, err);
    }
    uint8_t mac[6];
    int r = request->mac ? parse_mac(request->mac, mac, err) : 0;
    if (r < 0) {
        return r;
    }
    struct network_endpoint endpoint = {.port_count = request->port_count};
    CLEANUP_FREE struct network_port *ports = NULL;
    if (request->port_count > 0) {
        endpoint.ports = ports = xcalloc(request->port_count, sizeof(*ports));
    }
    network_id(manager, "bridge", endpoint.network_id);
    id_generate(endpoint.endpoint_id);

    struct record *record = NULL;
    struct namespace ns;
    r = add_record(manager, request, &record, ports, err);
    if (r == 0) {
        r = connect_record(manager, record, request->mac ? mac : NULL, &ns, err);
        if (r < 0) {
            drop_record(manager, record);
        }
    }
    if (r < 0) {
        return request->port_count == 0
                   ? r
                   : error_context(err, "driver failed programming external connectivity on endpoint %s (%s)",
                                   container_name, endpoint.endpoint_id);
    }
    pthread_mutex_lock(&manager->lock);
    record->attached = true;
    pthread_mutex_unlock(&manager->lock);
    describe_endpoint(manager, &ns, &endpoint);
    *ret_netns_fd = TAKE_FD(ns.netns);
    namespace_release(&ns);
    ports = NULL; /* the endpoint's now */
    *ret_endpoint = endpoint;
    return 0;
}

/* Takes the record out of the map, so that of two who detach only one does it. Its ports stay claimed. */
static struct record *take_record(struct network_manager *manager, const char *container_id)
{
    pthread_mutex_lock(&manager->lock);
    struct record *record = map_get(&manager->records, container_id);
    if (record && record->attached) {
        map_unset(&manager->records, container_id);
    } else {
        record = NULL;
    }
    pthread_mutex_unlock(&manager->lock);
    return record;
}

void network_detach(struct network_manager *manager, const char *container_id, const struct network_endpoint *endpoint)
{
    (void)endpoint; /* the manager knows what is attached; an endpoint without network has nothing to give back */
    struct record *record = take_record(manager, container_id);
    if (record) {
        withdraw(manager, record, record->host_index, record->address);
        drop_record(manager, record);
    }
}

/* Restarting. */

static int restore_port(struct network_manager *manager, const struct network_port *port, struct record *record,
                        struct error *err)
{
    struct port_request request;
    bool reserved = true;
    int r = parse_port(manager, port, &request, err);
    if (r == 0) {
        r = port_table_restore(&manager->ports, &request, record, port_socket_reserve, NULL, &reserved, err);
    }
    if (r == 0 && !reserved) {
        log_warn("network: another program has taken port %u/%s of container %s; the container keeps being served",
                 port->host_port, port->protocol, record->container_id);
    }
    return r;
}

static int restore_record(struct network_manager *manager, struct record *record,
                          const struct network_endpoint *endpoint, struct error *err)
{
    if (map_get(&manager->records, record->container_id)) {
        return error_set(err, ERROR_CONFLICT, 0, "container %s is on the network already", record->container_id);
    }
    int r = ipam_take(&manager->ipam, record->address);
    if (r < 0) {
        return error_set(err, ERROR_SYSTEM, -r,
                         r == -EADDRINUSE ? "address %s is in use by another container"
                                          : "address %s is not one of the bridge's subnet",
                         endpoint->address);
    }
    for (size_t i = 0; r == 0 && i < endpoint->port_count && manager->firewall; i++) {
        r = restore_port(manager, &endpoint->ports[i], record, err);
    }
    if (r < 0) {
        port_table_drop(&manager->ports, record);
        ipam_free(&manager->ipam, record->address);
        return r;
    }
    port_table_set_target(&manager->ports, record, record->address);
    map_set(&manager->records, record->container_id, record);
    return 0;
}

int network_restore(struct network_manager *manager, const char *container_id, const struct network_endpoint *endpoint,
                    struct error *err)
{
    if (!endpoint->address[0]) {
        return 0; /* without network */
    }
    uint32_t address;
    if (ipam_parse_address(endpoint->address, &address) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", endpoint->address);
    }
    struct record *record = xcalloc(1, sizeof(*record));
    record->container_id = xstrdup(container_id);
    record->address = address;
    record->attached = true;
    record->host_index = endpoint->host_interface[0] ? link_index(endpoint->host_interface) : 0;
    pthread_mutex_lock(&manager->lock);
    int r = restore_record(manager, record, endpoint, err);
    pthread_mutex_unlock(&manager->lock);
    if (r < 0) {
        record_free(record);
        return error_context(err, "restore the network of container %s", container_id);
    }
    return 0;
}

int network_restore_done(struct network_manager *manager, struct error *err)
{
    pthread_mutex_lock(&manager->lock);
    bool changed = manager->firewall_found || manager->ports.count > 0;
    pthread_mutex_unlock(&manager->lock);
    int r = changed ? network_firewall_apply(manager, err) : 0;
    pool_start(manager->pool);
    return r;
}

size_t network_list(struct network_manager *manager, struct network_info ret[3])
{
    static const char *const names[3][2] = {{"bridge", "bridge"}, {"host", "host"}, {"none", "null"}};
    for (size_t i = 0; i < 3; i++) {
        ret[i] = (struct network_info){.name = names[i][0], .driver = names[i][1]};
        network_id(manager, names[i][0], ret[i].id);
    }
    char text[IPAM_TEXT_MAX];
    ipam_format_subnet(text, &manager->bridge.subnet);
    snprintf(ret[0].subnet, sizeof(ret[0].subnet), "%s", text);
    ipam_format_address(text, manager->bridge.subnet.gateway);
    snprintf(ret[0].gateway, sizeof(ret[0].gateway), "%s", text);
    snprintf(ret[0].bridge, sizeof(ret[0].bridge), "%s", manager->bridge.name);
    ret[0].mtu = manager->bridge.mtu;
    return 3;
}
