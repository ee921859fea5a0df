/* Ports of bridges. */
#include "daemon/network/link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <time.h>

#include "daemon/network/link_request.h"

static int on_operstate(const struct nlmsghdr *m, void *data)
{
    const struct nlattr *attr;
    mnl_attr_for_each(attr, m, sizeof(struct ifinfomsg))
    {
        if (mnl_attr_get_type(attr) == IFLA_OPERSTATE) {
            *(uint8_t *)data = mnl_attr_get_u8(attr);
        }
    }
    return 0;
}

int link_is_operational(struct netlink *netlink, unsigned int index, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    uint8_t state = IF_OPER_UNKNOWN;
    link_begin(&batch, RTM_GETLINK, 0, index, &m);
    mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    netlink_batch_end(&batch, m);
    int r = netlink_query(netlink, &batch, NULL, on_operstate, &state);
    return r < 0 ? error_errno(err, r, "look at interface %u", index) : state == IF_OPER_UP;
}

int link_set_port(struct netlink *netlink, unsigned int index, const struct link_port_settings *settings,
                  struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    struct ifinfomsg *info = link_begin(&batch, RTM_SETLINK, NLM_F_ACK, index, &m);
    info->ifi_family = AF_BRIDGE;
    struct nlattr *port = mnl_attr_nest_start(m, IFLA_PROTINFO);
    if (settings->hairpin) {
        mnl_attr_put_u8(m, IFLA_BRPORT_MODE, 1);
    }
    if (settings->isolated || settings->shared) {
        mnl_attr_put_u8(m, IFLA_BRPORT_ISOLATED, settings->isolated);
    }
    if (settings->disabled) {
        mnl_attr_put_u8(m, IFLA_BRPORT_STATE, BR_STATE_DISABLED);
        mnl_attr_put(m, IFLA_BRPORT_FLUSH, 0, NULL);
    }
    mnl_attr_nest_end(m, port);
    netlink_batch_end(&batch, m);
    return link_run_indexed(netlink, &batch, err, "set bridge port", index);
}

int link_wait_operational(struct netlink *netlink, unsigned int index, struct error *err)
{
    enum { TRIES = 20000 };
    const struct timespec pause = {.tv_nsec = 50000};
    for (int i = 0; i < TRIES; i++) {
        int r = link_is_operational(netlink, index, err);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
        nanosleep(&pause, NULL);
    }
    return error_set(err, ERROR_SYSTEM, ETIMEDOUT, "interface %u gets no carrier", index);
}

int link_add_port(struct netlink *netlink, unsigned int index, unsigned int bridge_index, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    struct ifinfomsg *info = link_begin(&batch, RTM_NEWLINK, NLM_F_ACK, index, &m);
    info->ifi_flags = info->ifi_change = IFF_UP;
    mnl_attr_put_u32(m, IFLA_MASTER, bridge_index);
    netlink_batch_end(&batch, m);
    return link_run_indexed(netlink, &batch, err, "add a bridge port: interface", index);
}

static int count_port(const struct nlmsghdr *m, void *data)
{
    *(size_t *)data += m->nlmsg_type == RTM_NEWLINK;
    return 0;
}

int link_count_ports(struct netlink *netlink, unsigned int bridge_index, size_t *ret, struct error *err)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m;
    size_t count = 0;
    link_begin(&batch, RTM_GETLINK, NLM_F_DUMP, 0, &m);
    mnl_attr_put_u32(m, IFLA_MASTER, bridge_index);
    mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    netlink_batch_end(&batch, m);
    int r = netlink_dump(netlink, &batch, count_port, &count);
    if (r < 0) {
        return error_errno(err, r, "count the ports of bridge %u", bridge_index);
    }
    *ret = count;
    return 0;
}
