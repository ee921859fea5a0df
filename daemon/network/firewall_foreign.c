/* Looking for filters of others that stop what our rules let through: a packet has to be accepted by every table. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/error.h"
#include "daemon/network/firewall.h"
#include "daemon/network/netlink.h"

struct found {
    char *text;
    size_t size;
};

static uint32_t hook_number(const struct nlattr *hook)
{
    const struct nlattr *attr;
    mnl_attr_for_each_nested(attr, hook)
    {
        if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM) {
            return ntohl(mnl_attr_get_u32(attr));
        }
    }
    return UINT32_MAX;
}

static int on_chain(const struct nlmsghdr *message, void *data)
{
    struct found *found = data;
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    const char *table = "", *name = "";
    uint32_t hook = UINT32_MAX, policy = NF_ACCEPT;
    const struct nlattr *attr;
    mnl_attr_for_each(attr, message, sizeof(*header))
    {
        switch (mnl_attr_get_type(attr)) {
        case NFTA_CHAIN_TABLE:
            table = mnl_attr_get_str(attr);
            break;
        case NFTA_CHAIN_NAME:
            name = mnl_attr_get_str(attr);
            break;
        case NFTA_CHAIN_HOOK:
            hook = hook_number(attr);
            break;
        case NFTA_CHAIN_POLICY:
            policy = ntohl(mnl_attr_get_u32(attr));
            break;
        }
    }
    bool ipv4 = header->nfgen_family == NFPROTO_IPV4 || header->nfgen_family == NFPROTO_INET;
    if (ipv4 && hook == NF_INET_FORWARD && policy == NF_DROP && !found->text[0]) {
        snprintf(found->text, found->size, "%s %s", table, name);
    }
    return 0;
}

bool firewall_foreign_drop(char *ret_chain, size_t size)
{
    struct netlink *netlink;
    struct found found = {.text = ret_chain, .size = size};
    ret_chain[0] = '\0';
    if (netlink_open(NETLINK_NETFILTER, &netlink, NULL) < 0) {
        return false;
    }
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m = netlink_batch_begin(&batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
    header->nfgen_family = AF_UNSPEC;
    header->version = NFNETLINK_V0;
    netlink_batch_end(&batch, m);
    int r = netlink_dump(netlink, &batch, on_chain, &found);
    netlink_close(netlink);
    return r == 0 && ret_chain[0];
}
