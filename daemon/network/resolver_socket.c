#include "daemon/network/resolver_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "daemon/network/namespace.h"
#include "daemon/network/netlink.h"

#define TABLE "dory"
#define CHAIN "resolver"
#define DNS_PORT 53

/* ---- sockets ---- */

static int open_socket(int type, uint16_t port, int *ret, uint16_t *ret_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(RESOLVER_ADDRESS)};
    socklen_t size = sizeof(address);
    CLEANUP_CLOSE int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        (type == SOCK_STREAM && listen(fd, 16) < 0) || getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        return -errno;
    }
    *ret = TAKE_FD(fd);
    *ret_port = ntohs(address.sin_port);
    return 0;
}

/* Both on one port that the kernel chooses. */
static int open_pair(struct resolver_sockets *ret, uint16_t *ret_port)
{
    enum { TRIES = 8 };
    int r = -EADDRINUSE;
    for (int i = 0; i < TRIES && r == -EADDRINUSE; i++) {
        CLEANUP_CLOSE int udp = -1;
        CLEANUP_CLOSE int tcp = -1;
        r = open_socket(SOCK_DGRAM, 0, &udp, ret_port);
        if (r == 0) {
            r = open_socket(SOCK_STREAM, *ret_port, &tcp, ret_port);
        }
        if (r == 0) {
            ret->udp = TAKE_FD(udp);
            ret->tcp = TAKE_FD(tcp);
        }
    }
    return r;
}

/* ---- rules (nf_tables over netlink: libnftables would be loaded for each container) ---- */

static struct nlmsghdr *begin(struct netlink_batch *batch, uint16_t type, uint16_t flags, uint8_t family, uint16_t id)
{
    struct nlmsghdr *m = netlink_batch_begin(batch, type, flags);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    header->res_id = htons(id);
    return m;
}

static void put_marker(struct netlink_batch *batch, uint16_t type)
{
    netlink_batch_end(batch, begin(batch, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

static struct nlmsghdr *begin_nft(struct netlink_batch *batch, int message, uint16_t flags)
{
    return begin(batch, NFNL_SUBSYS_NFTABLES << 8 | message, flags | NLM_F_ACK, NFPROTO_IPV4, 0);
}

static void put_table(struct netlink_batch *batch, int message, uint16_t flags)
{
    struct nlmsghdr *m = begin_nft(batch, message, flags);
    mnl_attr_put_strz(m, NFTA_TABLE_NAME, TABLE);
    netlink_batch_end(batch, m);
}

static void put_chain(struct netlink_batch *batch)
{
    enum { MANGLE = -150 };
    struct nlmsghdr *m = begin_nft(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, TABLE);
    mnl_attr_put_strz(m, NFTA_CHAIN_NAME, CHAIN);
    struct nlattr *hook = mnl_attr_nest_start(m, NFTA_CHAIN_HOOK);
    mnl_attr_put_u32(m, NFTA_HOOK_HOOKNUM, htonl(NF_INET_LOCAL_OUT));
    mnl_attr_put_u32(m, NFTA_HOOK_PRIORITY, htonl((uint32_t)MANGLE));
    mnl_attr_nest_end(m, hook);
    mnl_attr_put_strz(m, NFTA_CHAIN_TYPE, "filter");
    netlink_batch_end(batch, m);
}

struct expression {
    struct nlattr *element, *data;
};

static struct expression begin_expression(struct nlmsghdr *m, const char *name)
{
    struct expression e;
    e.element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
    mnl_attr_put_strz(m, NFTA_EXPR_NAME, name);
    e.data = mnl_attr_nest_start(m, NFTA_EXPR_DATA);
    return e;
}

static void end_expression(struct nlmsghdr *m, struct expression e)
{
    mnl_attr_nest_end(m, e.data);
    mnl_attr_nest_end(m, e.element);
}

static void put_value(struct nlmsghdr *m, int type, const void *value, size_t size)
{
    struct nlattr *nest = mnl_attr_nest_start(m, type);
    mnl_attr_put(m, NFTA_DATA_VALUE, size, value);
    mnl_attr_nest_end(m, nest);
}

/* The packet has `value` at this place. */
static void put_match(struct nlmsghdr *m, uint32_t base, uint32_t offset, const void *value, uint32_t size)
{
    struct expression load = begin_expression(m, "payload");
    mnl_attr_put_u32(m, NFTA_PAYLOAD_DREG, htonl(NFT_REG_1));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_BASE, htonl(base));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_OFFSET, htonl(offset));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_LEN, htonl(size));
    end_expression(m, load);
    struct expression compare = begin_expression(m, "cmp");
    mnl_attr_put_u32(m, NFTA_CMP_SREG, htonl(NFT_REG_1));
    mnl_attr_put_u32(m, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
    put_value(m, NFTA_CMP_DATA, value, size);
    end_expression(m, compare);
}

static void put_port_change(struct nlmsghdr *m, uint32_t offset, const uint16_t *port, uint32_t checksum_offset)
{
    struct expression immediate = begin_expression(m, "immediate");
    mnl_attr_put_u32(m, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_1));
    put_value(m, NFTA_IMMEDIATE_DATA, port, sizeof(*port));
    end_expression(m, immediate);
    struct expression write = begin_expression(m, "payload");
    mnl_attr_put_u32(m, NFTA_PAYLOAD_SREG, htonl(NFT_REG_1));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_BASE, htonl(NFT_PAYLOAD_TRANSPORT_HEADER));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_OFFSET, htonl(offset));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_LEN, htonl(sizeof(*port)));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_CSUM_TYPE, htonl(NFT_PAYLOAD_CSUM_INET));
    mnl_attr_put_u32(m, NFTA_PAYLOAD_CSUM_OFFSET, htonl(checksum_offset));
    end_expression(m, write);
}

/* Offsets in the headers of IPv4, and of UDP and TCP alike. */
enum { AT_PROTOCOL = 9, AT_SOURCE = 12, AT_DESTINATION = 16, AT_SOURCE_PORT = 0, AT_DESTINATION_PORT = 2 };

/* Towards the resolver (or back from it) the port `from` becomes `to`. */
static void put_rule(struct netlink_batch *batch, uint8_t protocol, bool towards, uint16_t from, uint16_t to)
{
    enum { UDP_CHECKSUM = 6, TCP_CHECKSUM = 16 };
    uint32_t address = htonl(RESOLVER_ADDRESS), offset = towards ? AT_DESTINATION_PORT : AT_SOURCE_PORT;
    uint16_t from_port = htons(from), to_port = htons(to);
    struct nlmsghdr *m = begin_nft(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    mnl_attr_put_strz(m, NFTA_RULE_TABLE, TABLE);
    mnl_attr_put_strz(m, NFTA_RULE_CHAIN, CHAIN);
    struct nlattr *list = mnl_attr_nest_start(m, NFTA_RULE_EXPRESSIONS);
    put_match(m, NFT_PAYLOAD_NETWORK_HEADER, towards ? AT_DESTINATION : AT_SOURCE, &address, sizeof(address));
    put_match(m, NFT_PAYLOAD_NETWORK_HEADER, AT_PROTOCOL, &protocol, sizeof(protocol));
    put_match(m, NFT_PAYLOAD_TRANSPORT_HEADER, offset, &from_port, sizeof(from_port));
    put_port_change(m, offset, &to_port, protocol == IPPROTO_UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
    mnl_attr_nest_end(m, list);
    netlink_batch_end(batch, m);
}

/* replace: for a namespace that has such a table. -EEXIST when it has one and replace is not set. */
static int put_rules(struct netlink *netlink, uint16_t port, bool replace)
{
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
    struct netlink_batch batch = {.used = 0};
    put_marker(&batch, NFNL_MSG_BATCH_BEGIN);
    if (replace) {
        put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE); /* so that there is one to delete */
        put_table(&batch, NFT_MSG_DELTABLE, 0);
    }
    put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
    put_chain(&batch);
    for (size_t i = 0; i < sizeof(protocols); i++) {
        put_rule(&batch, protocols[i], true, DNS_PORT, port);
        put_rule(&batch, protocols[i], false, port, DNS_PORT);
    }
    put_marker(&batch, NFNL_MSG_BATCH_END);
    return netlink_run(netlink, &batch, NULL);
}

/*
 * A namespace that is new has no table. Where one is deleted, closing the socket waits for what was deleted to be
 * freed: an RCU grace period, 3 to 10 ms of every start.
 */
static int make_rules(uint16_t port, struct error *err)
{
    struct netlink *netlink;
    int r = netlink_open(NETLINK_NETFILTER, &netlink, err);
    if (r < 0) {
        return r;
    }
    r = put_rules(netlink, port, false);
    if (r == -EEXIST) {
        r = put_rules(netlink, port, true);
    }
    netlink_close(netlink);
    return r < 0 ? error_errno(err, r, "make the resolver's rules in the container's network namespace") : 0;
}

static int open_inside(void *data, struct error *err)
{
    struct resolver_sockets *sockets = data;
    uint16_t port;
    int r = open_pair(sockets, &port);
    if (r < 0) {
        return error_errno(err, r, "open the resolver's sockets in the container's network namespace");
    }
    r = make_rules(port, err);
    if (r < 0) {
        close(sockets->udp);
        close(sockets->tcp);
    }
    return r;
}

int resolver_sockets_open(int netns_fd, struct resolver_sockets *ret, struct error *err)
{
    return namespace_visit(netns_fd, open_inside, ret, err);
}
