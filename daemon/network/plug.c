/* Interfaces in a container's namespace: made, configured and taken away again. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/network/namespace.h"
#include "daemon/network/network_internal.h"

struct plug {
    struct endpoint **endpoints;
    size_t count;
    struct netlink *inside;
};

static int write_interface_setting(const struct endpoint *e, const char *setting, const char *value, struct error *err)
{
    char path[96];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", e->interface, setting);
    return namespace_write_setting(path, value, err);
}

/* What was asked for comes after what everybody gets. */
static int write_sysctls(const struct endpoint *e, struct error *err)
{
    for (size_t i = 0; i < e->options.sysctl_count; i++) {
        const struct endpoint_sysctl *s = &e->options.sysctls[i];
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "/proc/sys/net/%s/%s/%s/%s", s->family, s->group, e->interface, s->name);
        int r = file_write_control(AT_FDCWD, path, s->value);
        if (r < 0) {
            return error_errno(err, r, "set sysctl net.%s.%s.%s.%s to \"%s\"", s->family, s->group, e->interface,
                               s->name, s->value);
        }
    }
    return 0;
}

static int add_link_local(const struct endpoint *e, struct netlink *inside, struct error *err)
{
    enum { PREFIX = 16, PREFIX6 = 64 };
    int r = 0;
    for (size_t i = 0; r == 0 && i < e->options.link_local_count; i++) {
        const struct endpoint_link_local *address = &e->options.link_local[i];
        r = address->ipv6 ? link_add_address6(inside, e->inside_index, &address->address6, PREFIX6, err)
                          : link_add_address(inside, e->inside_index, address->address, PREFIX, err);
    }
    return r;
}

/*
 * The interface of a container that has just ended keeps its address and MAC, on a parent that knows them all (macvlan,
 * ipvlan), until the kernel gets round to its namespace: mostly some tens of milliseconds. Where none has ended, the
 * address is somebody else's and stays so.
 */
static int take_over(struct netlink *inside, struct endpoint *e, const struct link_setup *setup, struct error *err)
{
    int r = link_setup(inside, setup, err);
    while (r == -EADDRINUSE && network_has_predecessor(e->network)) {
        error_clear(err);
        usleep(PREDECESSOR_WAIT_US);
        r = link_setup(inside, setup, err);
    }
    return r;
}

static int configure(struct endpoint *e, struct netlink *inside, struct error *err)
{
    bool ipv6 = !IN6_IS_ADDR_UNSPECIFIED(&e->address6);
    int r = write_interface_setting(e, "accept_ra", "0", err);
    if (r == 0) {
        r = write_interface_setting(e, "disable_ipv6", ipv6 ? "0" : "1", err);
    }
    if (r == 0) {
        r = write_sysctls(e, err);
    }
    if (r < 0) {
        return r;
    }
    e->inside_index = link_index(e->interface);
    struct link_setup setup = {
        .index = e->inside_index,
        .keep_mac = e->network->driver->keeps_mac,
        .address = e->address,
        .prefix = network_subnet_of(e->network, e->address)->subnet.prefix,
        .address6 = e->address6,
        .prefix6 = ipv6 ? network_subnet6_of(e->network, &e->address6)->subnet.prefix : 0,
    };
    memcpy(setup.mac, e->mac, sizeof(setup.mac));
    r = take_over(inside, e, &setup, err);
    return r < 0 ? r : add_link_local(e, inside, err);
}

/* In the namespace. */
static int configure_all(void *data, struct error *err)
{
    struct plug *plug = data;
    int r = netlink_open(NETLINK_ROUTE, &plug->inside, err);
    for (size_t i = 0; r == 0 && i < plug->count; i++) {
        r = configure(plug->endpoints[i], plug->inside, err);
    }
    return r;
}

static int open_port(struct endpoint *e, struct netlink *host, struct netlink *inside, struct error *err)
{
    int r = namespace_open_port(host, e->network->bridge.index, e->host_index, e->network->no_icc, err);
    return r < 0 ? r : link_announce(inside, e->inside_index, e->mac, err);
}

int endpoints_plug(struct endpoint **endpoints, size_t count, int netns_fd, struct error *err)
{
    struct plug plug = {.endpoints = endpoints, .count = count};
    struct netlink *host;
    size_t made = 0;
    int r = netlink_open(NETLINK_ROUTE, &host, err);
    if (r < 0) {
        return r;
    }
    for (; r == 0 && made < count; made += r == 0) {
        r = endpoints[made]->network->driver->add_link(endpoints[made], netns_fd, host, err);
    }
    if (r == 0) {
        r = namespace_visit(netns_fd, configure_all, &plug, err);
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (endpoints[i]->host_index) {
            r = open_port(endpoints[i], host, plug.inside, err);
        }
    }
    netlink_close(plug.inside);
    netlink_close(host);
    for (size_t i = 0; r < 0 && i < made; i++) {
        endpoint_unplug(endpoints[i], netns_fd);
    }
    return r;
}

static int delete_inside(void *data, struct error *err)
{
    const struct endpoint *e = data;
    struct netlink *inside;
    unsigned int index = link_index(e->interface);
    if (index == 0) {
        return 0;
    }
    int r = netlink_open(NETLINK_ROUTE, &inside, err);
    if (r == 0) {
        r = link_delete(inside, index, err);
        netlink_close(inside);
    }
    return r;
}

static int delete_outside(unsigned int index, struct error *err)
{
    struct netlink *host;
    int r = netlink_open(NETLINK_ROUTE, &host, err);
    if (r == 0) {
        r = link_delete(host, index, err);
        netlink_close(host);
    }
    return r;
}

void endpoint_unplug(struct endpoint *e, int netns_fd)
{
    struct error err = {0};
    int r = e->host_index ? delete_outside(e->host_index, &err) : namespace_visit(netns_fd, delete_inside, e, &err);
    if (r < 0 && r != -ENODEV) {
        log_error("network: %s", err.message);
    }
    e->host_index = 0;
}

static int set_gateways(void *data, struct error *err)
{
    const struct gateways *gateways = data;
    struct link_gateway gateway = {0};
    struct netlink *inside;
    if (gateways->v4) {
        gateway.index = link_index(gateways->v4->interface);
        gateway.gateway = gateways->v4->network->direct ? 0 : endpoint_gateway(gateways->v4);
    }
    if (gateways->v6) {
        gateway.index6 = link_index(gateways->v6->interface);
        gateway.gateway6 = gateways->v6->network->direct ? in6addr_any : endpoint_gateway6(gateways->v6);
    }
    int r = netlink_open(NETLINK_ROUTE, &inside, err);
    if (r == 0) {
        r = link_set_gateway(inside, &gateway, err);
        netlink_close(inside);
    }
    return r;
}

int namespace_set_gateways(const struct gateways *gateways, int netns_fd, struct error *err)
{
    return namespace_visit(netns_fd, set_gateways, (void *)gateways, err);
}
