/* Networks of driver "bridge". */
#include <errno.h>

#include "base/id.h"
#include "daemon/network/network_internal.h"

static int make(struct network *network, bool restoring, struct netlink *host, struct error *err)
{
    if (!restoring && link_index(network->bridge.name)) {
        return error_set(err, ERROR_FORBIDDEN, EEXIST, "cannot create network %s (%s): an interface %s exists already",
                         network->id, network->bridge.name, network->bridge.name);
    }
    int r = bridge_make(host, &network->bridge, &network->subnet6, restoring, err);
    if (r == 0) {
        network->segments = segments_new(&network->bridge, network->id, network->no_icc);
    }
    return r;
}

static int remove_bridge(struct network *network, struct netlink *host, struct error *err)
{
    int r = network->segments ? segments_remove(network->segments, host, err) : 0;
    return r < 0 ? r : bridge_remove(host, &network->bridge, err);
}

static int add_link(struct endpoint *e, int netns_fd, struct netlink *host, struct error *err)
{
    enum { TRIES = 16 }; /* names are random */
    const struct bridge *bridge = &e->network->bridge;
    char random[9];
    unsigned int index;
    int r = segments_choose(e->network->segments, host, &index, err);
    if (r < 0) {
        return r;
    }
    r = -EEXIST;
    for (int i = 0; r == -EEXIST && i < TRIES; i++) {
        error_clear(err);
        id_random_hex(random, 4);
        snprintf(e->host_name, sizeof(e->host_name), "veth%.7s", random);
        r = link_add_veth(host, e->host_name, e->interface, index, netns_fd, bridge->mtu, err);
    }
    if (r == 0) {
        e->host_index = link_index(e->host_name);
    }
    return r;
}

const struct network_driver network_bridge = {
    .name = "bridge",
    .publishes = true,
    .make = make,
    .remove = remove_bridge,
    .add_link = add_link,
};
