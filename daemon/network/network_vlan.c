/* Networks of drivers "macvlan" and "ipvlan": containers stand beside the host on a network of the host's. */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "daemon/network/network_internal.h"

/* "eth0.10" is made when it is missing: VLAN 10 of eth0. */
static int make_vlan(struct network *network, struct netlink *host, struct error *err)
{
    const char *name = network->bridge.name, *dot = strrchr(name, '.');
    uint64_t id;
    CLEANUP_FREE char *parent = dot ? xstrndup(name, (size_t)(dot - name)) : NULL;
    if (!dot || parse_uint64(dot + 1, 4094, &id) < 0 || id == 0 || link_index(parent) == 0) {
        return error_set(err, ERROR_INVALID, ENODEV, "invalid parent interface %s: no such interface on the host",
                         name);
    }
    struct link_upper vlan = {
        .kind = LINK_VLAN, .name = name, .parent_index = link_index(parent), .mode = (uint32_t)id, .netns_fd = -1};
    return link_add_upper(host, &vlan, err);
}

static int make(struct network *network, bool restoring, struct netlink *host, struct error *err)
{
    (void)restoring; /* after a reboot the parent may be missing */
    int r = 0;
    if (link_index(network->bridge.name) == 0) {
        bool dummy = strncmp(network->bridge.name, "dm-", 3) == 0; /* nobody named a parent */
        r = dummy ? link_add_dummy(host, network->bridge.name, err) : make_vlan(network, host, err);
    }
    network->bridge.index = link_index(network->bridge.name);
    return r;
}

static int remove_parent(struct network *network, struct netlink *host, struct error *err)
{
    unsigned int index = network->parent_made[0] ? link_index(network->parent_made) : 0;
    int r = index ? link_delete(host, index, err) : 0;
    return r == -ENODEV ? 0 : r;
}

static int add_link(struct endpoint *e, int netns_fd, struct netlink *host, struct error *err)
{
    const struct network *network = e->network;
    bool macvlan = network->driver == &network_macvlan;
    struct link_upper upper = {
        .kind = macvlan ? LINK_MACVLAN : LINK_IPVLAN,
        .name = e->interface,
        .parent_index = link_index(network->bridge.name),
        .mode = network->mode,
        .flags = network->flags,
        .mac = macvlan ? e->mac : NULL,
        .netns_fd = netns_fd,
        .mtu = network->bridge.mtu,
    };
    if (upper.parent_index == 0) {
        return error_set(err, ERROR_SYSTEM, ENODEV, "network %s: its parent interface %s is gone", network->name,
                         network->bridge.name);
    }
    int r = link_add_upper(host, &upper, err);
    /* Nobody else is on it (endpoint_new), or only others of its kind: it is the one before, whose namespace the kernel
     * has not got to yet. */
    while (((r == -EINVAL && network_is_single(network)) || r == -EBUSY) && network_has_predecessor(e->network)) {
        error_clear(err);
        usleep(PREDECESSOR_WAIT_US);
        r = link_add_upper(host, &upper, err);
    }
    return r;
}

bool network_is_single(const struct network *network)
{
    return network->driver == &network_macvlan && network->mode == MACVLAN_MODE_PASSTHRU;
}

const struct network_driver network_macvlan = {
    .name = "macvlan",
    .make = make,
    .remove = remove_parent,
    .add_link = add_link,
};

const struct network_driver network_ipvlan = {
    .name = "ipvlan",
    .keeps_mac = true,
    .make = make,
    .remove = remove_parent,
    .add_link = add_link,
};
