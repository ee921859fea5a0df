#include "daemon/network/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ip.h>
#include <linux/veth.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/network/link_request.h"

unsigned int link_index(const char *name)
{
    return if_nametoindex(name);
}

struct ifinfomsg *link_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags, unsigned int index,
                             struct nlmsghdr **ret)
{
    *ret = netlink_batch_begin(batch, type, flags);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(*ret, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    info->ifi_index = index;
    return info;
}

static void set_up_flag(struct ifinfomsg *info)
{
    info->ifi_flags |= IFF_UP;
    info->ifi_change |= IFF_UP;
}

int link_run(struct netlink *netlink, struct netlink_batch *batch, struct error *err, const char *what,
             const char *name)
{
    char detail[NETLINK_DETAIL_MAX];
    int r = netlink_run(netlink, batch, detail);
    if (r < 0 && detail[0]) {
        return error_errno(err, r, "%s %s: %s", what, name, detail);
    }
    return r < 0 ? error_errno(err, r, "%s %s", what, name) : 0;
}

int link_run_indexed(struct netlink *netlink, struct netlink_batch *batch, struct error *err, const char *what,
                     unsigned int index)
{
    char name[32];
    snprintf(name, sizeof(name), "%u", index);
    return link_run(netlink, batch, err, what, name);
}

int link_add_bridge(struct netlink *netlink, const char *name, const uint8_t mac[6], int mtu, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    link_begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, &m);
    mnl_attr_put_strz(m, IFLA_IFNAME, name);
    mnl_attr_put(m, IFLA_ADDRESS, 6, mac);
    mnl_attr_put_u32(m, IFLA_MTU, mtu);
    struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_strz(m, IFLA_INFO_KIND, "bridge");
    struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
    mnl_attr_put_u32(m, IFLA_BR_STP_STATE, 0);
    mnl_attr_put_u32(m, IFLA_BR_FORWARD_DELAY, 0);
    mnl_attr_nest_end(m, data);
    mnl_attr_nest_end(m, info);
    netlink_batch_end(&batch, m);
    return link_run(netlink, &batch, err, "create bridge", name);
}

int link_delete(struct netlink *netlink, unsigned int index, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    link_begin(&batch, RTM_DELLINK, NLM_F_ACK, index, &m);
    netlink_batch_end(&batch, m);
    return link_run_indexed(netlink, &batch, err, "delete interface", index);
}

int link_set_up(struct netlink *netlink, unsigned int index, int mtu, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    set_up_flag(link_begin(&batch, RTM_NEWLINK, NLM_F_ACK, index, &m));
    if (mtu > 0) {
        mnl_attr_put_u32(m, IFLA_MTU, mtu);
    }
    netlink_batch_end(&batch, m);
    return link_run_indexed(netlink, &batch, err, "set up interface", index);
}

/* The host's end gets no IPv6 link-local address: IPv6 is off on this network. Not possible in the message that makes
 * the link, and early enough after it: the peer is down still. */
static void put_no_ipv6_address(struct netlink_batch *batch, const char *name)
{
    struct nlmsghdr *m;
    link_begin(batch, RTM_NEWLINK, NLM_F_ACK, 0, &m);
    mnl_attr_put_strz(m, IFLA_IFNAME, name);
    struct nlattr *spec = mnl_attr_nest_start(m, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(m, AF_INET6);
    mnl_attr_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(m, inet6);
    mnl_attr_nest_end(m, spec);
    netlink_batch_end(batch, m);
}

static void put_veth_peer(struct nlmsghdr *m, const char *name, int netns_fd, int mtu)
{
    struct nlattr *peer = mnl_attr_nest_start(m, VETH_INFO_PEER);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(m, sizeof(*info));
    info->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(m, IFLA_IFNAME, name);
    mnl_attr_put_u32(m, IFLA_NET_NS_FD, netns_fd);
    mnl_attr_put_u32(m, IFLA_MTU, mtu);
    /* One queue: the default is one per possible processor, all to be allocated, and veth does not profit. */
    mnl_attr_put_u32(m, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(m, IFLA_NUM_RX_QUEUES, 1);
    mnl_attr_nest_end(m, peer);
}

int link_add_veth(struct netlink *netlink, const char *name, const char *peer, unsigned int bridge_index, int netns_fd,
                  int mtu, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    set_up_flag(link_begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, &m));
    mnl_attr_put_strz(m, IFLA_IFNAME, name);
    mnl_attr_put_u32(m, IFLA_MTU, mtu);
    mnl_attr_put_u32(m, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(m, IFLA_NUM_RX_QUEUES, 1);
    mnl_attr_put_u32(m, IFLA_MASTER, bridge_index);
    struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO);
    mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
    put_veth_peer(m, peer, netns_fd, mtu);
    mnl_attr_nest_end(m, data);
    mnl_attr_nest_end(m, info);
    netlink_batch_end(&batch, m);
    put_no_ipv6_address(&batch, name);
    char detail[NETLINK_DETAIL_MAX];
    int r = netlink_run(netlink, &batch, detail);
    if (r == -EAFNOSUPPORT) {
        return 0; /* the second message, in a kernel without IPv6 */
    }
    return r < 0 ? error_errno(err, r, "create veth pair %s%s%s", name, detail[0] ? ": " : "", detail) : 0;
}

static void put_address(struct netlink_batch *batch, uint16_t type, uint16_t flags, unsigned int index,
                        uint32_t address, int prefix)
{
    struct nlmsghdr *m = netlink_batch_begin(batch, type, flags);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof(*info));
    info->ifa_family = AF_INET;
    info->ifa_prefixlen = prefix;
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    info->ifa_index = index;
    mnl_attr_put_u32(m, IFA_LOCAL, htonl(address));
    mnl_attr_put_u32(m, IFA_ADDRESS, htonl(address));
    mnl_attr_put_u32(m, IFA_BROADCAST, htonl(address | ~ipam_mask(prefix)));
    netlink_batch_end(batch, m);
}

int link_add_address(struct netlink *netlink, unsigned int index, uint32_t address, int prefix, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    put_address(&batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, index, address, prefix);
    return link_run_indexed(netlink, &batch, err, "add an address to interface", index);
}

int link_delete_address(struct netlink *netlink, unsigned int index, uint32_t address, int prefix, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    put_address(&batch, RTM_DELADDR, NLM_F_ACK, index, address, prefix);
    return link_run_indexed(netlink, &batch, err, "remove an address from interface", index);
}

static void put_address6(struct netlink_batch *batch, uint16_t type, uint16_t flags, unsigned int index,
                         const struct in6_addr *address, int prefix)
{
    struct nlmsghdr *m = netlink_batch_begin(batch, type, flags | NLM_F_ACK);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof(*info));
    info->ifa_family = AF_INET6;
    info->ifa_prefixlen = prefix;
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    info->ifa_index = index;
    /* The address is ours by our own book-keeping: nobody waits a second for duplicates. */
    mnl_attr_put_u32(m, IFA_FLAGS, IFA_F_NODAD);
    mnl_attr_put(m, IFA_LOCAL, sizeof(*address), address);
    netlink_batch_end(batch, m);
}

int link_add_address6(struct netlink *netlink, unsigned int index, const struct in6_addr *address, int prefix,
                      struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    put_address6(&batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address, prefix);
    return link_run_indexed(netlink, &batch, err, "add an IPv6 address to interface", index);
}

int link_delete_address6(struct netlink *netlink, unsigned int index, const struct in6_addr *address, int prefix,
                         struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    put_address6(&batch, RTM_DELADDR, 0, index, address, prefix);
    return link_run_indexed(netlink, &batch, err, "remove an IPv6 address from interface", index);
}

static void put_default_route(struct netlink_batch *batch, uint8_t family, unsigned int index, const void *gateway,
                              size_t size)
{
    struct nlmsghdr *m = netlink_batch_begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(m, sizeof(*route));
    route->rtm_family = family;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_BOOT;
    route->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    route->rtm_type = RTN_UNICAST;
    if (gateway) {
        mnl_attr_put(m, RTA_GATEWAY, size, gateway);
    }
    mnl_attr_put_u32(m, RTA_OIF, index);
    netlink_batch_end(batch, m);
}

static int delete_default_route(struct netlink *netlink, uint8_t family)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m = netlink_batch_begin(&batch, RTM_DELROUTE, NLM_F_ACK);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(m, sizeof(*route));
    route->rtm_family = family;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_scope = RT_SCOPE_NOWHERE; /* any */
    netlink_batch_end(&batch, m);
    int r = netlink_run(netlink, &batch, NULL);
    return r == -ESRCH || r == -ENOENT || r == -EAFNOSUPPORT || r == -ENETUNREACH || r == -EOPNOTSUPP ? 0 : r;
}

int link_set_gateway(struct netlink *netlink, const struct link_gateway *gateway, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    int r = delete_default_route(netlink, AF_INET);
    if (r == 0) {
        r = delete_default_route(netlink, AF_INET6);
    }
    if (r < 0) {
        return error_errno(err, r, "remove the default route");
    }
    uint32_t address = htonl(gateway->gateway);
    if (gateway->index) {
        put_default_route(&batch, AF_INET, gateway->index, gateway->gateway ? &address : NULL, sizeof(address));
    }
    if (gateway->index6) {
        bool direct = IN6_IS_ADDR_UNSPECIFIED(&gateway->gateway6);
        put_default_route(&batch, AF_INET6, gateway->index6, direct ? NULL : &gateway->gateway6,
                          sizeof(gateway->gateway6));
    }
    return batch.used ? link_run_indexed(netlink, &batch, err, "set the default route by interface",
                                         gateway->index ? gateway->index : gateway->index6)
                      : 0;
}

static void put_up(struct netlink_batch *batch, unsigned int index)
{
    struct nlmsghdr *m;
    set_up_flag(link_begin(batch, RTM_NEWLINK, NLM_F_ACK, index, &m));
    netlink_batch_end(batch, m);
}

static void put_lo_up(struct netlink_batch *batch)
{
    enum { LO_INDEX = 1 }; /* in every namespace: it is the first interface the kernel makes */
    put_up(batch, LO_INDEX);
}

static void put_mac(struct netlink_batch *batch, unsigned int index, const uint8_t mac[6], int arp_notify, bool up)
{
    struct nlmsghdr *m;
    struct ifinfomsg *info = link_begin(batch, RTM_NEWLINK, NLM_F_ACK, index, &m);
    if (up) {
        set_up_flag(info);
    }
    mnl_attr_put(m, IFLA_ADDRESS, 6, mac);
    struct nlattr *spec = mnl_attr_nest_start(m, IFLA_AF_SPEC);
    struct nlattr *inet = mnl_attr_nest_start(m, AF_INET);
    struct nlattr *conf = mnl_attr_nest_start(m, IFLA_INET_CONF);
    mnl_attr_put_u32(m, IPV4_DEVCONF_ARP_NOTIFY, arp_notify);
    mnl_attr_nest_end(m, conf);
    mnl_attr_nest_end(m, inet);
    mnl_attr_nest_end(m, spec);
    netlink_batch_end(batch, m);
}

int link_setup(struct netlink *netlink, const struct link_setup *setup, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    put_lo_up(&batch);
    /* arp_notify has to be on before link_announce changes the MAC; that one turns it off. */
    if (setup->keep_mac) {
        put_up(&batch, setup->index);
    } else {
        put_mac(&batch, setup->index, setup->mac, 1, true);
    }
    if (setup->prefix) {
        put_address(&batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, setup->index, setup->address,
                    setup->prefix);
    }
    if (setup->prefix6) {
        put_address6(&batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, setup->index, &setup->address6, setup->prefix6);
    }
    if (setup->gateway) {
        uint32_t gateway = htonl(setup->gateway);
        put_default_route(&batch, AF_INET, setup->index, &gateway, sizeof(gateway));
    }
    if (setup->prefix6 && !IN6_IS_ADDR_UNSPECIFIED(&setup->gateway6)) {
        put_default_route(&batch, AF_INET6, setup->index, &setup->gateway6, sizeof(setup->gateway6));
    }
    return link_run(netlink, &batch, err, "configure interface", "eth0");
}

int link_announce(struct netlink *netlink, unsigned int index, const uint8_t mac[6], struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    put_mac(&batch, index, mac, 1, false); /* a message's MAC is set before its settings: one to announce, */
    put_mac(&batch, index, mac, 0, false); /* one that leaves arp_notify as it was */
    return link_run(netlink, &batch, err, "announce interface", "eth0");
}

int link_set_lo_up(struct netlink *netlink, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    put_lo_up(&batch);
    return link_run(netlink, &batch, err, "set up interface", "lo");
}

struct subnet_list {
    struct ipam_subnet *items;
    size_t count, capacity;
    unsigned int only, skip; /* interface index, 0: any / none */
};

static void add_subnet(struct subnet_list *list, uint32_t address, int prefix, uint32_t own)
{
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items));
    list->items[list->count++] =
        (struct ipam_subnet){.network = address & ipam_mask(prefix), .gateway = own, .prefix = prefix};
}

static int on_address(const struct nlmsghdr *m, void *data)
{
    struct subnet_list *list = data;
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(m);
    if (m->nlmsg_type != RTM_NEWADDR || info->ifa_family != AF_INET || info->ifa_index == list->skip ||
        (list->only && info->ifa_index != list->only)) {
        return 0;
    }
    const struct nlattr *attr;
    mnl_attr_for_each(attr, m, sizeof(*info))
    {
        if (mnl_attr_get_type(attr) == IFA_LOCAL) {
            uint32_t address = ntohl(mnl_attr_get_u32(attr));
            add_subnet(list, address, info->ifa_prefixlen, address);
        }
    }
    return 0;
}

static int on_route(const struct nlmsghdr *m, void *data)
{
    struct subnet_list *list = data;
    const struct rtmsg *route = mnl_nlmsg_get_payload(m);
    if (m->nlmsg_type != RTM_NEWROUTE || route->rtm_family != AF_INET || route->rtm_dst_len == 0) {
        return 0;
    }
    const struct nlattr *attr;
    uint32_t destination = 0;
    unsigned int out = 0;
    mnl_attr_for_each(attr, m, sizeof(*route))
    {
        if (mnl_attr_get_type(attr) == RTA_DST) {
            destination = ntohl(mnl_attr_get_u32(attr));
        } else if (mnl_attr_get_type(attr) == RTA_OIF) {
            out = mnl_attr_get_u32(attr);
        }
    }
    /* 127.0.0.0/8 and multicast overlap nothing that is chosen here. */
    if (list->skip == 0 || out != list->skip) {
        add_subnet(list, destination, route->rtm_dst_len, 0);
    }
    return 0;
}

static int dump_addresses(struct netlink *netlink, uint8_t family, netlink_dump_fn on_message, void *list)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m = netlink_batch_begin(&batch, RTM_GETADDR, NLM_F_DUMP);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(m, sizeof(*info));
    info->ifa_family = family;
    netlink_batch_end(&batch, m);
    return netlink_dump(netlink, &batch, on_message, list);
}

static int dump_routes(struct netlink *netlink, uint8_t family, netlink_dump_fn on_message, void *list)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m = netlink_batch_begin(&batch, RTM_GETROUTE, NLM_F_DUMP);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(m, sizeof(*route));
    route->rtm_family = family;
    netlink_batch_end(&batch, m);
    return netlink_dump(netlink, &batch, on_message, list);
}

int link_used_subnets(struct netlink *netlink, unsigned int skip_index, struct ipam_subnet **ret, size_t *ret_count,
                      struct error *err)
{
    struct subnet_list list = {.skip = skip_index};
    int r = dump_addresses(netlink, AF_INET, on_address, &list);
    if (r == 0) {
        r = dump_routes(netlink, AF_INET, on_route, &list);
    }
    if (r < 0) {
        free(list.items);
        return error_errno(err, r, "list the host's routes");
    }
    *ret = list.items;
    *ret_count = list.count;
    return 0;
}

struct subnet6_list {
    struct ipam6_subnet *items;
    size_t count, capacity;
    unsigned int only; /* interface index */
};

static void add_subnet6(struct subnet6_list *list, const struct nlattr *attr, int prefix, bool own)
{
    if (mnl_attr_get_payload_len(attr) != sizeof(struct in6_addr)) {
        return;
    }
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items));
    struct ipam6_subnet *subnet = &list->items[list->count++];
    *subnet = (struct ipam6_subnet){.prefix = prefix};
    memcpy(&subnet->network, mnl_attr_get_payload(attr), sizeof(subnet->network));
    if (own) {
        subnet->gateway = subnet->network;
        ipam6_mask(&subnet->network, prefix);
    }
}

static int on_route6(const struct nlmsghdr *m, void *data)
{
    struct subnet6_list *list = data;
    const struct rtmsg *route = mnl_nlmsg_get_payload(m);
    if (m->nlmsg_type != RTM_NEWROUTE || route->rtm_family != AF_INET6 || route->rtm_dst_len == 0) {
        return 0;
    }
    const struct nlattr *attr;
    mnl_attr_for_each(attr, m, sizeof(*route))
    {
        if (mnl_attr_get_type(attr) == RTA_DST) {
            add_subnet6(list, attr, route->rtm_dst_len, false);
        }
    }
    return 0;
}

/* The kernel has routes to all of the host's own addresses. */
int link_used_subnets6(struct netlink *netlink, struct ipam6_subnet **ret, size_t *ret_count, struct error *err)
{
    struct subnet6_list list = {0};
    int r = dump_routes(netlink, AF_INET6, on_route6, &list);
    if (r < 0) {
        free(list.items);
        return error_errno(err, r, "list the host's IPv6 routes");
    }
    *ret = list.items;
    *ret_count = list.count;
    return 0;
}

int link_addresses(struct netlink *netlink, unsigned int index, struct ipam_subnet **ret, size_t *ret_count,
                   struct error *err)
{
    struct subnet_list list = {.only = index};
    int r = dump_addresses(netlink, AF_INET, on_address, &list);
    if (r < 0) {
        free(list.items);
        return error_errno(err, r, "list the addresses of interface %u", index);
    }
    *ret = list.items;
    *ret_count = list.count;
    return 0;
}

static int on_address6(const struct nlmsghdr *m, void *data)
{
    struct subnet6_list *list = data;
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(m);
    if (m->nlmsg_type != RTM_NEWADDR || info->ifa_family != AF_INET6 || info->ifa_index != list->only ||
        info->ifa_scope == RT_SCOPE_LINK) {
        return 0;
    }
    const struct nlattr *attr;
    mnl_attr_for_each(attr, m, sizeof(*info))
    {
        if (mnl_attr_get_type(attr) == IFA_ADDRESS) {
            add_subnet6(list, attr, info->ifa_prefixlen, true);
        }
    }
    return 0;
}

int link_addresses6(struct netlink *netlink, unsigned int index, struct ipam6_subnet **ret, size_t *ret_count,
                    struct error *err)
{
    struct subnet6_list list = {.only = index};
    int r = dump_addresses(netlink, AF_INET6, on_address6, &list);
    if (r < 0) {
        free(list.items);
        return error_errno(err, r, "list the IPv6 addresses of interface %u", index);
    }
    *ret = list.items;
    *ret_count = list.count;
    return 0;
}
