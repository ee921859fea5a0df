#include "daemon/network/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/network/netlink.h"

/* One direction of a flow, in host byte order; addresses as the kernel has them, IPv4 in the first four bytes. */
struct tuple {
    uint8_t source[sizeof(struct in6_addr)], destination[sizeof(struct in6_addr)];
    uint16_t destination_port;
    uint8_t protocol;
};

struct flow {
    uint8_t family;
    uint16_t zone;
    uint32_t id;
    bool has_id;
    size_t original_size;
    char original[128]; /* CTA_TUPLE_ORIG as it came */
};

struct search {
    const struct conntrack_filter *filter;
    struct flow *flows;
    size_t count, capacity;
};

static void parse_address(const struct nlattr *attr, uint8_t ret[sizeof(struct in6_addr)])
{
    size_t size = mnl_attr_get_payload_len(attr);
    memcpy(ret, mnl_attr_get_payload(attr), size < sizeof(struct in6_addr) ? size : sizeof(struct in6_addr));
}

static void parse_tuple(const struct nlattr *nest, struct tuple *ret)
{
    const struct nlattr *part, *attr;
    mnl_attr_for_each_nested(part, nest)
    {
        bool ip = mnl_attr_get_type(part) == CTA_TUPLE_IP;
        if (!ip && mnl_attr_get_type(part) != CTA_TUPLE_PROTO) {
            continue;
        }
        mnl_attr_for_each_nested(attr, part)
        {
            int type = mnl_attr_get_type(attr);
            if (ip && (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC)) {
                parse_address(attr, ret->source);
            } else if (ip && (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST)) {
                parse_address(attr, ret->destination);
            } else if (!ip && type == CTA_PROTO_NUM) {
                ret->protocol = mnl_attr_get_u8(attr);
            } else if (!ip && type == CTA_PROTO_DST_PORT) {
                ret->destination_port = ntohs(mnl_attr_get_u16(attr));
            }
        }
    }
}

/* It leads to the container's address, which the client did not name. */
static bool is_translated(const struct conntrack_filter *filter, uint8_t family, const struct tuple *original,
                          const struct tuple *reply)
{
    uint32_t address = htonl(filter->container_address);
    bool asked = family == AF_INET6 ? !IN6_IS_ADDR_UNSPECIFIED(&filter->container_address6) : address != 0;
    const void *wanted = family == AF_INET6 ? (const void *)&filter->container_address6 : &address;
    size_t size = family == AF_INET6 ? sizeof(filter->container_address6) : sizeof(address);
    return asked && memcmp(reply->source, wanted, size) == 0 && memcmp(original->destination, reply->source, size) != 0;
}

static int on_flow(const struct nlmsghdr *message, void *data)
{
    struct search *search = data;
    struct tuple original = {0}, reply = {0};
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    struct flow flow = {.family = header->nfgen_family};
    const struct nlattr *attr;
    mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
    {
        switch (mnl_attr_get_type(attr)) {
        case CTA_TUPLE_ORIG:
            parse_tuple(attr, &original);
            flow.original_size = mnl_attr_get_payload_len(attr);
            if (flow.original_size > sizeof(flow.original)) {
                return 0;
            }
            memcpy(flow.original, mnl_attr_get_payload(attr), flow.original_size);
            break;
        case CTA_TUPLE_REPLY:
            parse_tuple(attr, &reply);
            break;
        case CTA_ZONE:
            flow.zone = mnl_attr_get_u16(attr);
            break;
        case CTA_ID:
            flow.id = mnl_attr_get_u32(attr);
            flow.has_id = true;
            break;
        }
    }
    const struct conntrack_filter *filter = search->filter;
    bool translated = is_translated(filter, flow.family, &original, &reply);
    bool to_port = filter->host_port && original.destination_port >= filter->host_port &&
                   original.destination_port - filter->host_port <= filter->more;
    if (original.protocol == IPPROTO_UDP && (translated || to_port)) {
        xgrow((void **)&search->flows, search->count, &search->capacity, sizeof(flow));
        search->flows[search->count++] = flow;
    }
    return 0;
}

static struct nlmsghdr *begin(struct netlink_batch *batch, int message, uint16_t flags, uint8_t family)
{
    struct nlmsghdr *m = netlink_batch_begin(batch, NFNL_SUBSYS_CTNETLINK << 8 | message, flags);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    return m;
}

static int delete_flow(struct netlink *netlink, const struct flow *flow)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m = begin(&batch, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, flow->family);
    mnl_attr_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, flow->original_size, flow->original);
    if (flow->zone) {
        mnl_attr_put_u16(m, CTA_ZONE, flow->zone);
    }
    if (flow->has_id) {
        mnl_attr_put_u32(m, CTA_ID, flow->id);
    }
    netlink_batch_end(&batch, m);
    int r = netlink_run(netlink, &batch, NULL);
    return r == -ENOENT ? 0 : r; /* gone by itself */
}

int conntrack_purge_udp(const struct conntrack_filter *filter, struct error *err)
{
    struct netlink *netlink;
    int r = netlink_open(NETLINK_NETFILTER, &netlink, err);
    if (r < 0) {
        return r;
    }
    struct search search = {.filter = filter};
    struct netlink_batch batch = {.used = 0};
    netlink_batch_end(&batch, begin(&batch, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC));
    r = netlink_dump(netlink, &batch, on_flow, &search);
    for (size_t i = 0; r == 0 && i < search.count; i++) {
        r = delete_flow(netlink, &search.flows[i]);
    }
    free(search.flows);
    netlink_close(netlink);
    return r < 0 ? error_errno(err, r, "forget tracked UDP flows") : 0;
}
