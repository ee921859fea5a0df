#include "daemon/network/firewall_foreign.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "daemon/network/firewall_internal.h"
#include "daemon/network/firewalld.h"

#define FILTER "filter"
#define FORWARD "FORWARD"
#define TRIES 8

void firewall_foreign_chain(const char *bridge, char *buf, size_t size)
{
    if (strcmp(bridge, "dory0") == 0) {
        snprintf(buf, size, "DORY");
    } else {
        snprintf(buf, size, "DORY-%s", bridge);
    }
}

/* ---- looking ---- */

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

static void take_chain(struct firewall_foreign *found, uint8_t family, const char *table, const char *name)
{
    bool iptables = strcmp(table, FILTER) == 0 && strcmp(name, FORWARD) == 0;
    if (iptables && family == NFPROTO_IPV4) {
        found->ip.drops = true;
    } else if (iptables && family == NFPROTO_IPV6) {
        found->ip6.drops = true;
    } else if ((family == NFPROTO_IPV4 || family == NFPROTO_INET) && !found->other[0]) {
        snprintf(found->other, sizeof(found->other), "%s %s", table, name);
    }
}

static int on_chain(const struct nlmsghdr *message, void *data)
{
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
    if ((header->nfgen_family == NFPROTO_INET && strcmp(table, FIREWALLD_TABLE) == 0) ||
        (strcmp(table, FILTER) == 0 && strcmp(name, FIREWALLD_CHAIN) == 0)) {
        ((struct firewall_foreign *)data)->firewalld = true;
    }
    if (hook == NF_INET_FORWARD && policy == NF_DROP) {
        take_chain(data, header->nfgen_family, table, name);
    }
    return 0;
}

static const struct nlattr *nested(const struct nlattr *in, int type)
{
    const struct nlattr *attr;
    if (in) {
        mnl_attr_for_each_nested(attr, in)
        {
            if (mnl_attr_get_type(attr) == type) {
                return attr;
            }
        }
    }
    return NULL;
}

/* The expression is a jump to the chain. */
static bool leads_to(const struct nlattr *expression, const char *chain)
{
    const struct nlattr *name = nested(expression, NFTA_EXPR_NAME);
    if (!name || strcmp(mnl_attr_get_str(name), "immediate") != 0) {
        return false;
    }
    const struct nlattr *verdict =
        nested(nested(nested(expression, NFTA_EXPR_DATA), NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
    const struct nlattr *target = nested(verdict, NFTA_VERDICT_CHAIN);
    return target && strcmp(mnl_attr_get_str(target), chain) == 0;
}

struct search {
    const char *chain;
    struct foreign_forward *found;
    bool interrupted; /* somebody changed the rules meanwhile */
};

static int on_rule(const struct nlmsghdr *message, void *data)
{
    struct search *search = data;
    uint64_t handle = 0;
    bool found = false;
    const struct nlattr *attr, *expression;
    search->interrupted = search->interrupted || (message->nlmsg_flags & NLM_F_DUMP_INTR);
    mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attr) == NFTA_RULE_HANDLE) {
            handle = be64toh(mnl_attr_get_u64(attr));
        } else if (mnl_attr_get_type(attr) == NFTA_RULE_EXPRESSIONS) {
            mnl_attr_for_each_nested(expression, attr)
            {
                found = found || leads_to(expression, search->chain);
            }
        }
    }
    if (found && search->found->jump_count < FOREIGN_JUMPS_MAX) {
        search->found->jumps[search->found->jump_count++] = handle;
    }
    return 0;
}

static struct nlmsghdr *begin_dump(struct netlink_batch *batch, int message, uint8_t family)
{
    struct nlmsghdr *m = netlink_batch_begin(batch, NFNL_SUBSYS_NFTABLES << 8 | message, NLM_F_DUMP);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    return m;
}

static int find_jumps(struct netlink *netlink, uint8_t family, const char *chain, struct foreign_forward *ret)
{
    struct search search = {.chain = chain, .found = ret, .interrupted = true};
    int r = 0;
    for (int i = 0; i < TRIES && search.interrupted && r == 0; i++) {
        struct netlink_batch batch = {.used = 0};
        struct nlmsghdr *m = begin_dump(&batch, NFT_MSG_GETRULE, family);
        mnl_attr_put_strz(m, NFTA_RULE_TABLE, FILTER);
        mnl_attr_put_strz(m, NFTA_RULE_CHAIN, FORWARD);
        netlink_batch_end(&batch, m);
        search.interrupted = false;
        ret->jump_count = 0;
        r = netlink_dump(netlink, &batch, on_rule, &search);
    }
    return r == -ENOENT ? 0 : r;
}

void firewall_foreign_look(struct netlink *netlink, const char *bridge, struct firewall_foreign *ret)
{
    struct netlink_batch batch = {.used = 0};
    char chain[64];
    *ret = (struct firewall_foreign){0};
    firewall_foreign_chain(bridge, chain, sizeof(chain));
    netlink_batch_end(&batch, begin_dump(&batch, NFT_MSG_GETCHAIN, AF_UNSPEC));
    if (netlink_dump(netlink, &batch, on_chain, ret) < 0) {
        return;
    }
    /* Not known whether there is one: then a second one must not be added. The next look may tell. */
    if (find_jumps(netlink, NFPROTO_IPV4, chain, &ret->ip) < 0) {
        ret->ip = (struct foreign_forward){0};
    }
    if (find_jumps(netlink, NFPROTO_IPV6, chain, &ret->ip6) < 0) {
        ret->ip6 = (struct foreign_forward){0};
    }
}

/* ---- joining and leaving ---- */

static bool is_joined(const struct foreign_forward *forward)
{
    return !forward->drops || forward->jump_count > 0;
}

bool firewall_foreign_is_joined(const struct firewall_foreign *found, bool ip6)
{
    return is_joined(&found->ip) && (!ip6 || is_joined(&found->ip6));
}

/* Rules that iptables can list: no sets. */
static void join(const char *family, const char *chain, const struct firewall_rules *rules,
                 const struct foreign_forward *forward, struct strbuf *out)
{
    if (!forward->drops && forward->jump_count == 0) {
        return;
    }
    strbuf_addf(out, "add chain %s " FILTER " %s\nflush chain %s " FILTER " %s\n", family, chain, family, chain);
    for (size_t i = 0; i < rules->network_count; i++) {
        static const char *const ways[] = {"iifname", "oifname"};
        for (size_t j = 0; !rules->networks[i].internal && j < ARRAY_SIZE(ways); j++) {
            strbuf_addf(out, "add rule %s " FILTER " %s %s \"%s\" counter accept\n", family, chain, ways[j],
                        rules->networks[i].bridge);
        }
    }
    if (forward->jump_count == 0) {
        strbuf_addf(out, "add rule %s " FILTER " " FORWARD " counter jump %s\n", family, chain);
    }
}

void firewall_foreign_join(const char *bridge, const struct firewall_rules *rules, bool ip6,
                           const struct firewall_foreign *found, struct strbuf *out)
{
    char chain[64];
    firewall_foreign_chain(bridge, chain, sizeof(chain));
    join("ip", chain, rules, &found->ip, out);
    if (ip6) {
        join("ip6", chain, rules, &found->ip6, out);
    }
}

bool firewall_foreign_has_chain(const struct firewall_foreign *found)
{
    return found->ip.jump_count > 0 || found->ip6.jump_count > 0;
}

static struct nlattr *begin_expression(struct nlmsghdr *m, const char *name, struct nlattr **ret_data)
{
    struct nlattr *expression = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
    mnl_attr_put_strz(m, NFTA_EXPR_NAME, name);
    *ret_data = mnl_attr_nest_start(m, NFTA_EXPR_DATA);
    return expression;
}

static void end_expression(struct nlmsghdr *m, struct nlattr *expression, struct nlattr *data)
{
    mnl_attr_nest_end(m, data);
    mnl_attr_nest_end(m, expression);
}

/* "iifname X counter accept", or oifname: as join() writes it. */
static void put_rule(uint8_t family, const char *chain, uint32_t way, const char *interface,
                     struct netlink_batch *batch)
{
    uint8_t name[IF_NAMESIZE] = {0};
    struct nlattr *data;
    memcpy(name, interface, strlen(interface));
    struct nlmsghdr *m = firewall_begin(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
    mnl_attr_put_strz(m, NFTA_RULE_TABLE, FILTER);
    mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
    struct nlattr *list = mnl_attr_nest_start(m, NFTA_RULE_EXPRESSIONS);
    struct nlattr *expression = begin_expression(m, "meta", &data);
    mnl_attr_put_u32(m, NFTA_META_KEY, htonl(way));
    mnl_attr_put_u32(m, NFTA_META_DREG, htonl(NFT_REG_1));
    end_expression(m, expression, data);
    expression = begin_expression(m, "cmp", &data);
    mnl_attr_put_u32(m, NFTA_CMP_SREG, htonl(NFT_REG_1));
    mnl_attr_put_u32(m, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
    firewall_put_data(m, NFTA_CMP_DATA, name, sizeof(name));
    end_expression(m, expression, data);
    expression = begin_expression(m, "counter", &data);
    end_expression(m, expression, data);
    expression = begin_expression(m, "immediate", &data);
    mnl_attr_put_u32(m, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
    struct nlattr *value = mnl_attr_nest_start(m, NFTA_IMMEDIATE_DATA);
    struct nlattr *verdict = mnl_attr_nest_start(m, NFTA_DATA_VERDICT);
    mnl_attr_put_u32(m, NFTA_VERDICT_CODE, htonl(NF_ACCEPT));
    mnl_attr_nest_end(m, verdict);
    mnl_attr_nest_end(m, value);
    end_expression(m, expression, data);
    mnl_attr_nest_end(m, list);
    netlink_batch_end(batch, m);
}

void firewall_foreign_admit(const char *bridge, const char *interface, const struct firewall_foreign *found, bool ip6,
                            struct netlink_batch *batch)
{
    char chain[64];
    firewall_foreign_chain(bridge, chain, sizeof(chain));
    for (int i = 0; i <= ip6; i++) {
        uint8_t family = i ? NFPROTO_IPV6 : NFPROTO_IPV4;
        if ((i ? &found->ip6 : &found->ip)->jump_count > 0) {
            put_rule(family, chain, NFT_META_IIFNAME, interface, batch);
            put_rule(family, chain, NFT_META_OIFNAME, interface, batch);
        }
    }
}

static void leave(const char *family, const char *chain, const struct foreign_forward *forward, struct strbuf *out)
{
    for (size_t i = 0; i < forward->jump_count; i++) {
        strbuf_addf(out, "delete rule %s " FILTER " " FORWARD " handle %llu\n", family,
                    (unsigned long long)forward->jumps[i]);
    }
    if (forward->jump_count > 0) {
        strbuf_addf(out, "flush chain %s " FILTER " %s\ndelete chain %s " FILTER " %s\n", family, chain, family, chain);
    }
}

void firewall_foreign_leave(const char *bridge, const struct firewall_foreign *found, struct strbuf *out)
{
    char chain[64];
    firewall_foreign_chain(bridge, chain, sizeof(chain));
    leave("ip", chain, &found->ip, out);
    leave("ip6", chain, &found->ip6, out);
}
