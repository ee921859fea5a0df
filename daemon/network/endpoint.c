/* Endpoints: a container's addresses on one network. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/network/network_internal.h"

int endpoint_parse_mac(const char *text, uint8_t mac[6], struct error *err)
{
    unsigned int part[6];
    int end = 0;
    if (strlen(text) != 17 ||
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5], &end) !=
            6 ||
        end != 17) {
        return error_set(err, ERROR_INVALID, 0, "invalid MAC address %s", text);
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

int network_check_mac(const char *text, struct error *err)
{
    uint8_t mac[6];
    return endpoint_parse_mac(text, mac, err);
}

static int taken_error(int r, const char *text, struct error *err)
{
    if (r == -EADDRINUSE) {
        return error_set(err, ERROR_FORBIDDEN, EADDRINUSE, "Address already in use: %s", text);
    }
    return error_set(err, ERROR_INVALID, -r, "Invalid address %s: It does not belong to any of this network's subnets",
                     text);
}

static int take_given4(struct network *network, const char *text, uint32_t *ret, struct error *err)
{
    uint32_t address;
    if (ipam_parse_address(text, &address) < 0) {
        return error_set(err, ERROR_INVALID, 0, "invalid IPv4 address: %s", text);
    }
    struct ipam *ipam = network_subnet_of(network, address);
    int r = network->bridge.subnet.prefix ? ipam_take(ipam, address) : -ERANGE;
    if (r == -ERANGE && ipam_overlaps(address, 32, ipam->subnet.network, ipam->subnet.prefix) && ipam->subnet.prefix) {
        r = -EADDRINUSE; /* the network's own address, or broadcasts' */
    }
    if (r < 0) {
        return taken_error(r, text, err);
    }
    *ret = address;
    return 0;
}

static int take_given6(struct network *network, const char *text, struct in6_addr *ret, struct error *err)
{
    struct in6_addr address;
    if (inet_pton(AF_INET6, text, &address) != 1) {
        return error_set(err, ERROR_INVALID, 0, "invalid IPv6 address: %s", text);
    }
    int r = network->subnet6.prefix ? ipam6_take(network_subnet6_of(network, &address), &address) : -ERANGE;
    if (r < 0) {
        return taken_error(r, text, err);
    }
    *ret = address;
    return 0;
}

/* Is it part of the network's subnet as that is now? */
static bool network_has6(const struct network *network, const char *text)
{
    struct in6_addr address;
    return network->subnet6.prefix && inet_pton(AF_INET6, text, &address) == 1 &&
           ipam6_contains(&network->subnet6, &address);
}

/* Lock held. The endpoint owns what was taken before a failure. */
static int take_addresses(struct endpoint *e, const struct network_attachment *attachment, struct error *err)
{
    struct network *network = e->network;
    bool ipv4 = network->bridge.subnet.prefix != 0;
    int r = 0;
    if (attachment->address) {
        r = take_given4(network, attachment->address, &e->address, err);
    } else if (ipv4) {
        r = network_allocate_address(network, &e->address, err);
    }
    if (r == 0 && attachment->address6) {
        r = take_given6(network, attachment->address6, &e->address6, err);
    } else if (r == 0 && network->subnet6.prefix) {
        r = network_allocate_address6(network, &e->address6, err);
    }
    if (r == 0 && !attachment->mac) {
        ipam_mac(ipv4 ? e->address : ipam6_digest(&e->address6), e->mac);
    }
    return r;
}

static struct endpoint *blank(struct network *network, const struct network_attachment *attachment)
{
    struct endpoint *e = xcalloc(1, sizeof(*e));
    e->network = network_ref(network);
    e->priority = attachment->priority;
    if (attachment->aliases) {
        strv_copy(&e->aliases, attachment->aliases);
    }
    if (attachment->links) {
        strv_copy(&e->links, attachment->links);
    }
    return e;
}

static int find(struct network_manager *manager, const char *id, struct network **ret, struct error *err)
{
    *ret = network_find(manager, id);
    if (!*ret || (*ret)->removing) {
        return error_set(err, ERROR_NOT_FOUND, 0, "network %s not found", id);
    }
    return 0;
}

/* A parent sorts frames by MAC (macvlan): two interfaces cannot have the same. Lock held. */
static int check_mac(struct network_manager *manager, const struct endpoint *e, struct error *err)
{
    size_t i = 0;
    const char *id;
    void *value;
    while (e->network->driver == &network_macvlan && map_next(&manager->records, &i, &id, &value)) {
        const struct record *record = value;
        const struct endpoint *other = record_find(record, e->network->id);
        if (other && memcmp(other->mac, e->mac, sizeof(e->mac)) == 0) {
            return error_set(
                err, ERROR_FORBIDDEN, EEXIST,
                "Address already in use: %02x:%02x:%02x:%02x:%02x:%02x is the MAC address of container %s on "
                "network %s",
                e->mac[0], e->mac[1], e->mac[2], e->mac[3], e->mac[4], e->mac[5], record->name, e->network->name);
        }
    }
    return 0;
}

int endpoint_new(struct network_manager *manager, const struct network_attachment *attachment, struct endpoint **ret,
                 struct error *err)
{
    uint8_t mac[6] = {0};
    struct endpoint_options options = {0};
    int r = attachment->mac ? endpoint_parse_mac(attachment->mac, mac, err) : 0;
    if (r == 0) {
        r = endpoint_options_parse(attachment->options, attachment->link_local, &options, err);
    }
    if (r < 0) {
        return r;
    }
    for (int attempt = 0;; attempt++) {
        struct network *network;
        pthread_mutex_lock(&manager->lock);
        r = find(manager, attachment->network_id, &network, err);
        if (r == 0 && network_is_single(network) && network->endpoints > 0) {
            r = error_set(err, ERROR_FORBIDDEN, EBUSY,
                          "network %s has a container already: in mode passthru its parent %s is for one alone",
                          network->name, network->bridge.name);
        }
        struct endpoint *e = r == 0 ? blank(network, attachment) : NULL;
        if (r == 0) {
            memcpy(e->mac, mac, sizeof(mac));
            id_generate(e->id);
            network->endpoints++;
            r = take_addresses(e, attachment, err);
            if (r == 0) {
                r = check_mac(manager, e, err);
            }
        }
        if (r < 0 && e) {
            network->endpoints--;
            endpoint_free(e);
        }
        pthread_mutex_unlock(&manager->lock);
        if (r == 0) {
            e->options = options;
            memcpy(e->interface, options.interface, sizeof(e->interface));
            *ret = e;
            return 0;
        }
        if ((r != -ENOSPC && r != -EADDRINUSE) || attempt > 0) {
            endpoint_options_release(&options);
            return r;
        }
        error_clear(err); /* addresses of containers that have just ended are on their way back */
        pool_settle(manager->pool);
    }
}

int endpoint_restore(struct network_manager *manager, const struct network_endpoint *from,
                     const struct network_attachment *attachment, struct endpoint **ret, struct error *err)
{
    struct network *network;
    int r = find(manager, from->network_id, &network, err);
    if (r < 0) {
        return r;
    }
    struct endpoint *e = blank(network, attachment);
    r = from->address[0] ? take_given4(network, from->address, &e->address, err) : 0;
    if (r == 0 && from->address6[0] && network == manager->bridge && !network_has6(network, from->address6)) {
        log_warn("network: %s is no IPv6 address of the default bridge any more; its container goes on without",
                 from->address6);
    } else if (r == 0 && from->address6[0]) {
        r = take_given6(network, from->address6, &e->address6, err);
    }
    if (r == 0) {
        r = endpoint_parse_mac(from->mac, e->mac, err);
    }
    if (r < 0) {
        endpoint_free(e);
        return r;
    }
    network->endpoints++;
    snprintf(e->id, sizeof(e->id), "%s", from->endpoint_id);
    snprintf(e->interface, sizeof(e->interface), "%s", from->interface);
    snprintf(e->host_name, sizeof(e->host_name), "%s", from->host_interface);
    e->host_index = e->host_name[0] ? link_index(e->host_name) : 0;
    *ret = e;
    return 0;
}

void endpoint_free(struct endpoint *e)
{
    if (!e) {
        return;
    }
    if (e->address) {
        ipam_free(network_subnet_of(e->network, e->address), e->address);
    }
    if (!IN6_IS_ADDR_UNSPECIFIED(&e->address6)) {
        ipam6_free(network_subnet6_of(e->network, &e->address6), &e->address6);
    }
    network_unref(e->network);
    strv_release(&e->aliases);
    strv_release(&e->links);
    endpoint_options_release(&e->options);
    free(e);
}

void network_note_retired(struct network *network)
{
    __atomic_store_n(&network->retired, timestamp_monotonic(), __ATOMIC_RELAXED);
}

bool network_has_predecessor(struct network *network)
{
    enum { WAIT_NS_PER_US = 1000 };
    int64_t retired = __atomic_load_n(&network->retired, __ATOMIC_RELAXED);
    return retired &&
           timestamp_monotonic() - retired < (int64_t)PREDECESSOR_TRIES * PREDECESSOR_WAIT_US * WAIT_NS_PER_US;
}

void endpoint_retire(struct network_manager *manager, struct endpoint *e, bool has_udp_ports)
{
    pthread_mutex_lock(&manager->lock);
    e->network->endpoints--;
    network_note_retired(e->network);
    pthread_mutex_unlock(&manager->lock);
    struct pool_job job = {.host_index = e->host_index, .owner = e};
    if (has_udp_ports) {
        job.flows.container_address = e->address;
        job.flows.container_address6 = e->address6;
    }
    pool_add_job(manager->pool, &job);
}

uint32_t endpoint_gateway(const struct endpoint *e)
{
    const struct ipam *subnet = network_subnet_of(e->network, e->address);
    return subnet == &e->network->ipam ? e->network->gateway : subnet->subnet.gateway;
}

struct in6_addr endpoint_gateway6(const struct endpoint *e)
{
    const struct ipam6 *subnet = network_subnet6_of(e->network, &e->address6);
    return subnet == &e->network->ipam6 ? e->network->gateway6 : subnet->subnet.gateway;
}

void endpoint_describe(const struct endpoint *e, struct network_endpoint *ret)
{
    const struct network *network = e->network;
    char text[IPAM_TEXT_MAX];
    *ret = (struct network_endpoint){0};
    memcpy(ret->network_id, network->id, sizeof(ret->network_id));
    memcpy(ret->endpoint_id, e->id, sizeof(ret->endpoint_id));
    if (e->address) {
        ipam_format_address(text, e->address);
        snprintf(ret->address, sizeof(ret->address), "%s", text);
        ret->prefix = network_subnet_of(network, e->address)->subnet.prefix;
    }
    if (e->address && !network->internal && !network->direct) {
        ipam_format_address(text, endpoint_gateway(e));
        snprintf(ret->gateway, sizeof(ret->gateway), "%s", text);
    }
    if (!IN6_IS_ADDR_UNSPECIFIED(&e->address6)) {
        inet_ntop(AF_INET6, &e->address6, ret->address6, sizeof(ret->address6));
        ret->prefix6 = network_subnet6_of(network, &e->address6)->subnet.prefix;
        if (!network->internal && !network->direct) {
            struct in6_addr gateway = endpoint_gateway6(e);
            inet_ntop(AF_INET6, &gateway, ret->gateway6, sizeof(ret->gateway6));
        }
    }
    snprintf(ret->mac, sizeof(ret->mac), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2], e->mac[3],
             e->mac[4], e->mac[5]);
    memcpy(ret->interface, e->interface, sizeof(ret->interface));
    memcpy(ret->host_interface, e->host_name, sizeof(ret->host_interface));
}
