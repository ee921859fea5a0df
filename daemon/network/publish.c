/* Published ports of a container: which network they lead to, claiming them, and putting them into the rules. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/log.h"
#include "daemon/network/network_internal.h"
#include "daemon/network/network_ports.h"
#include "daemon/network/port_socket.h"

enum { PORTS_MAX = 65536 };

static bool has_ipv4(const struct endpoint *e)
{
    return e->network->bridge.subnet.prefix != 0;
}

/* A container may be older than its network's IPv6. */
static bool has_ipv6(const struct endpoint *e)
{
    return !IN6_IS_ADDR_UNSPECIFIED(&e->address6);
}

/* Is `a` the better gateway? */
static bool precedes(const struct endpoint *a, const struct endpoint *b)
{
    bool both_a = has_ipv4(a) && has_ipv6(a), both_b = has_ipv4(b) && has_ipv6(b);
    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    return both_a != both_b ? both_a : strcmp(a->network->name, b->network->name) < 0;
}

struct gateways record_gateways(const struct record *record)
{
    struct gateways best = {0};
    for (size_t i = 0; i < record->count; i++) {
        struct endpoint *e = record->endpoints[i];
        if (e->network->internal) {
            continue;
        }
        if (has_ipv4(e) && (!best.v4 || precedes(e, best.v4))) {
            best.v4 = e;
        }
        if (has_ipv6(e) && (!best.v6 || precedes(e, best.v6))) {
            best.v6 = e;
        }
    }
    return best;
}

bool endpoint_publishes(const struct endpoint *gateway)
{
    return gateway && gateway->network->driver->publishes;
}

bool gateways_publish(const struct gateways *gateways)
{
    return endpoint_publishes(gateways->v4) || endpoint_publishes(gateways->v6);
}

/* What one published port means on these networks: for IPv4, for IPv6, for both, or for none. */
struct meaning {
    bool v4, v6;
    struct port_request request4, request6;
};

/* A host address of IPv6. */
static int parse_port6(const struct gateways *g, const struct network_port *port, struct meaning *ret,
                       struct error *err)
{
    bool ruled_out = g->v6 && g->v6->network->no_rules6;
    if (inet_pton(AF_INET6, port->host_address, &ret->request6.host_address6) != 1) {
        return error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", port->host_address);
    }
    if (ruled_out || !endpoint_publishes(g->v6)) {
        return error_set(err, ERROR_INVALID, EAFNOSUPPORT, "a port cannot be published on %s: %s%s%s",
                         port->host_address,
                         ruled_out ? "IPv6 is kept out of the firewall (\"ip6tables\": false)" : "network ",
                         ruled_out ? "" : g->v4->network->name, ruled_out ? "" : " has no IPv6 addresses");
    }
    if (IN6_IS_ADDR_LOOPBACK(&ret->request6.host_address6) && !ret->request6.routed) {
        return error_set(err, ERROR_NOT_IMPLEMENTED, EADDRNOTAVAIL,
                         "a port cannot be published on ::1: the kernel translates no IPv6 loopback addresses; "
                         "127.0.0.1 is for this host alone, too");
    }
    ret->v6 = true;
    return 0;
}

/* "::ffff:127.0.0.1" is an address of IPv4. */
static bool is_mapped(const char *text, uint32_t *ret)
{
    struct in6_addr address;
    if (inet_pton(AF_INET6, text, &address) != 1 || !IN6_IS_ADDR_V4MAPPED(&address)) {
        return false;
    }
    memcpy(ret, address.s6_addr + 12, sizeof(*ret));
    *ret = ntohl(*ret);
    return true;
}

static int parse_port(const struct gateways *g, const struct network_port *port, struct meaning *ret, struct error *err)
{
    bool ipv4 = endpoint_publishes(g->v4), ipv6 = endpoint_publishes(g->v6) && !g->v6->network->no_rules6;
    struct port_request request = {
        .host_address = (ipv4 ? g->v4 : g->v6)->network->default_address,
        .host_port = port->host_port,
        .host_port_end = port->host_port_end,
        .container_port = port->container_port,
    };
    *ret = (struct meaning){0};
    if (port_protocol_parse(port->protocol, &request.protocol) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid proto: %s", port->protocol);
    }
    if (port->container_port == 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid containerPort: 0");
    }
    ret->request4 = ret->request6 = request;
    ret->request6.ipv6 = true;
    ret->request4.routed = ipv4 && g->v4->network->gateway_mode == GATEWAY_ROUTED;
    ret->request6.routed = ipv6 && g->v6->network->gateway_mode6 == GATEWAY_ROUTED;
    if (strchr(port->host_address, ':') && !is_mapped(port->host_address, &ret->request4.host_address)) {
        return parse_port6(g, port, ret, err);
    }
    if (port->host_address[0] && !strchr(port->host_address, ':') &&
        ipam_parse_address(port->host_address, &ret->request4.host_address) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", port->host_address);
    }
    ret->v4 = ipv4;
    ret->v6 = ipv6 && !port->host_address[0] && ret->request4.host_address == 0;
    return 0;
}

static void add_port(struct network_sandbox *sandbox, const struct port_request *request, uint16_t host_port)
{
    struct network_port p = {.container_port = request->container_port, .host_port = host_port};
    snprintf(p.protocol, sizeof(p.protocol), "%s", port_protocol_name(request->protocol));
    if (request->ipv6) {
        inet_ntop(AF_INET6, &request->host_address6, p.host_address, sizeof(p.host_address));
    } else {
        char text[IPAM_TEXT_MAX];
        ipam_format_address(text, request->host_address);
        snprintf(p.host_address, sizeof(p.host_address), "%s", text);
    }
    network_ports_add(&sandbox->ports, &sandbox->port_count, &p);
}

static int claim_one(struct network_manager *manager, void *owner, const struct port_request *request,
                     struct network_sandbox *sandbox, uint16_t *ret_port, struct error *err)
{
    int r = port_table_claim(&manager->ports, request, owner, port_socket_reserve, NULL, ret_port, err);
    if (r == 0) {
        add_port(sandbox, request, *ret_port);
    }
    return r;
}

static int claim_both(struct network_manager *manager, void *owner, const struct meaning *meaning,
                      struct network_sandbox *sandbox, struct error *err)
{
    uint16_t chosen = 0;
    struct port_request request6 = meaning->request6;
    int r = meaning->v4 ? claim_one(manager, owner, &meaning->request4, sandbox, &chosen, err) : 0;
    if (r == 0 && meaning->v6) {
        if (meaning->v4 && !meaning->request4.routed) { /* both have the same port */
            request6.host_port = chosen;
            request6.host_port_end = 0;
        }
        r = claim_one(manager, owner, &request6, sandbox, &chosen, err);
    }
    return r;
}

/* A network that is routed has no use for what the host is asked for; one without IPv4 has none for host addresses of
 * IPv4, as with docker. */
static void note_unused(const struct gateways *g, const struct network_port *port, const struct meaning *meaning)
{
    const struct network *network = (g->v4 ? g->v4 : g->v6)->network;
    if (!meaning->v4 && !meaning->v6) {
        log_warn("network: port %u/%s is not published on %s: network %s has no IPv4 addresses", port->container_port,
                 port->protocol, port->host_address[0] ? port->host_address : "the daemon's default address",
                 network->name);
        return;
    }
    bool routed4 = !meaning->v4 || meaning->request4.routed, routed6 = !meaning->v6 || meaning->request6.routed;
    bool specific =
        port->host_address[0] && strcmp(port->host_address, "0.0.0.0") != 0 && strcmp(port->host_address, "::") != 0;
    if (routed4 && routed6 && (specific || port->host_port)) {
        log_warn("network: %s is routed: port %u/%s is reached at the container's own address, not at \"%s\" and %u",
                 network->name, port->container_port, port->protocol, port->host_address, port->host_port);
    }
}

/* Of those that follow: each random one is chosen by itself. */
static void next_port(struct port_request *request)
{
    request->container_port++;
    request->host_port += request->host_port ? 1 : 0;
}

/* The networks are others than when the port was asked for, or the daemon's settings are: it goes without. */
static bool is_out_of_reach(const struct network_port *port, const struct record *record, int r, struct error *err)
{
    if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL) {
        return false;
    }
    log_warn("network: port %u/%s of container %s: %s", port->container_port, port->protocol, record->container_id,
             err->message);
    error_clear(err);
    return true;
}

int ports_claim(struct network_manager *manager, void *owner, const struct gateways *gateways,
                const struct network_port *ports, size_t count, struct network_sandbox *sandbox, struct error *err)
{
    if (network_ports_total(ports, count) > PORTS_MAX) {
        return error_set(err, ERROR_INVALID, 0, "too many published ports");
    }
    if (count > 0 && !manager->firewall) {
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "ports cannot be published: the firewall is switched off "
                         "(\"iptables\": false)");
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct meaning meaning;
        r = parse_port(gateways, &ports[i], &meaning, err);
        if (sandbox->republish && is_out_of_reach(&ports[i], owner, r, err)) {
            r = 0;
            continue;
        }
        if (r == 0) {
            note_unused(gateways, &ports[i], &meaning);
        }
        for (unsigned int n = 0; r == 0 && n <= ports[i].more; n++) {
            r = claim_both(manager, owner, &meaning, sandbox, err);
            next_port(&meaning.request4);
            next_port(&meaning.request6);
        }
    }
    return r;
}

static int restore_ports(struct network_manager *manager, struct record *record, struct port_request *request,
                         const struct network_port *port, struct error *err)
{
    int r = 0;
    for (unsigned int n = 0; r == 0 && n <= port->more; n++, next_port(request)) {
        bool reserved = true;
        r = port_table_restore(&manager->ports, request, record, port_socket_reserve, NULL, &reserved, err);
        if (r == 0 && !reserved) {
            log_warn("network: another program has taken port %u/%s of container %s; the container keeps being served",
                     request->host_port, port->protocol, record->container_id);
        }
    }
    return r;
}

/* Lock held. */
static void set_target(struct network_manager *manager, const void *owner, const struct gateways *gateways)
{
    port_table_set_target(&manager->ports, owner, endpoint_publishes(gateways->v4) ? gateways->v4->address : 0,
                          endpoint_publishes(gateways->v6) ? &gateways->v6->address6 : NULL);
}

int ports_restore(struct network_manager *manager, struct record *record, const struct network_port *ports,
                  size_t count, struct error *err)
{
    struct gateways gateways = record_gateways(record);
    int r = 0;
    for (size_t i = 0; r == 0 && i < count && gateways_publish(&gateways) && manager->firewall; i++) {
        struct meaning meaning;
        r = parse_port(&gateways, &ports[i], &meaning, err);
        if (is_out_of_reach(&ports[i], record, r, err)) {
            r = 0;
            continue;
        }
        if (r == 0 && (meaning.v4 || meaning.v6)) {
            r = restore_ports(manager, record, meaning.v4 ? &meaning.request4 : &meaning.request6, &ports[i], err);
        }
    }
    set_target(manager, record, &gateways);
    return r;
}

static void forget_udp_flows_to(struct network_manager *manager, const struct port_claim *claims, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (claims[i].protocol == IPPROTO_UDP && !claims[i].routed) {
            struct pool_job job = {.flows = {.host_port = claims[i].host_port, .more = claims[i].more}};
            pool_add_job(manager->pool, &job);
        }
    }
}

int ports_publish(struct network_manager *manager, void *owner, const struct gateways *gateways, struct error *err)
{
    CLEANUP_FREE struct port_claim *claims = NULL;
    pthread_mutex_lock(&manager->lock);
    set_target(manager, owner, gateways);
    size_t count = port_table_of(&manager->ports, owner, false, &claims);
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

void ports_withdraw(struct network_manager *manager, void *owner, bool *ret_udp)
{
    CLEANUP_FREE struct port_claim *claims = NULL;
    struct error err = {0};
    *ret_udp = false;
    pthread_mutex_lock(&manager->lock);
    size_t count = port_table_of(&manager->ports, owner, true, &claims);
    pthread_mutex_unlock(&manager->lock);
    if (count > 0 && firewall_withdraw(manager->firewall, claims, count, &err) < 0) {
        log_error("network: %s", err.message);
    }
    for (size_t i = 0; i < count; i++) {
        *ret_udp = *ret_udp || claims[i].protocol == IPPROTO_UDP;
    }
    pthread_mutex_lock(&manager->lock);
    port_table_drop(&manager->ports, owner);
    pthread_mutex_unlock(&manager->lock);
}
