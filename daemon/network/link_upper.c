/* Interfaces that are neither bridges nor veths: what macvlan and ipvlan networks are made of. */
#include <string.h>

#include "base/memory.h"
#include "daemon/network/link.h"
#include "daemon/network/link_request.h"

static const char *const kinds[] = {[LINK_MACVLAN] = "macvlan", [LINK_IPVLAN] = "ipvlan", [LINK_VLAN] = "vlan"};

static void put_data(struct nlmsghdr *m, const struct link_upper *upper)
{
    struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
    switch (upper->kind) {
    case LINK_MACVLAN:
        mnl_attr_put_u32(m, IFLA_MACVLAN_MODE, upper->mode);
        break;
    case LINK_IPVLAN:
        mnl_attr_put_u16(m, IFLA_IPVLAN_MODE, (uint16_t)upper->mode);
        mnl_attr_put_u16(m, IFLA_IPVLAN_FLAGS, upper->flags);
        break;
    case LINK_VLAN:
        mnl_attr_put_u16(m, IFLA_VLAN_ID, (uint16_t)upper->mode);
        break;
    }
    mnl_attr_nest_end(m, data);
}

int link_add_upper(struct netlink *netlink, const struct link_upper *upper, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    struct ifinfomsg *info = link_begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, &m);
    if (upper->netns_fd < 0) {
        info->ifi_flags = info->ifi_change = IFF_UP;
    } else {
        mnl_attr_put_u32(m, IFLA_NET_NS_FD, (uint32_t)upper->netns_fd);
    }
    mnl_attr_put_strz(m, IFLA_IFNAME, upper->name);
    mnl_attr_put_u32(m, IFLA_LINK, upper->parent_index);
    if (upper->mtu > 0) {
        mnl_attr_put_u32(m, IFLA_MTU, (uint32_t)upper->mtu);
    }
    if (upper->mac) {
        mnl_attr_put(m, IFLA_ADDRESS, 6, upper->mac);
    }
    struct nlattr *link_info = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_strz(m, IFLA_INFO_KIND, kinds[upper->kind]);
    put_data(m, upper);
    mnl_attr_nest_end(m, link_info);
    netlink_batch_end(&batch, m);
    CLEANUP_FREE char *what = xasprintf("create %s interface", kinds[upper->kind]);
    return link_run(netlink, &batch, err, what, upper->name);
}

int link_add_dummy(struct netlink *netlink, const char *name, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    struct ifinfomsg *info = link_begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, &m);
    info->ifi_flags = info->ifi_change = IFF_UP;
    mnl_attr_put_strz(m, IFLA_IFNAME, name);
    struct nlattr *link_info = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_strz(m, IFLA_INFO_KIND, "dummy");
    mnl_attr_nest_end(m, link_info);
    netlink_batch_end(&batch, m);
    return link_run(netlink, &batch, err, "create dummy interface", name);
}
