#include "daemon/network/firewall.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <malloc.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/network/firewall_foreign.h"
#include "daemon/network/firewall_internal.h"
#include "daemon/network/firewalld.h"

/* For the administrator: made once, and never changed. Asked before ours; what it accepts ours still has a say in. */
#define USER_CHAIN " {\n\tchain forward {\n\t\ttype filter hook forward priority -5; policy accept;\n\t}\n}\n"

static bool table_exists(struct firewall *firewall, const char *table, uint8_t family);

int firewall_open(const char *bridge, struct firewall **ret, struct error *err)
{
    struct netlink *netlink;
    int r = netlink_open(NETLINK_NETFILTER, &netlink, err);
    if (r < 0) {
        return r;
    }
    struct firewall *firewall = xcalloc(1, sizeof(*firewall));
    firewall->netlink = netlink;
    firewall->bridge = xstrdup(bridge);
    firewall_table_name(bridge, firewall->table, sizeof(firewall->table));
    snprintf(firewall->user_table, sizeof(firewall->user_table), "%.50s-user", firewall->table);
    pthread_mutex_init(&firewall->lock, NULL);
    firewall->ip6 = table_exists(firewall, firewall->table, NFPROTO_IPV6);
    *ret = firewall;
    return 0;
}

void firewall_close(struct firewall *firewall)
{
    if (firewall) {
        netlink_close(firewall->netlink);
        pthread_mutex_destroy(&firewall->lock);
        free(firewall->bridge);
        free(firewall);
    }
}

void firewall_rules_release(struct firewall_rules *rules)
{
    free(rules->networks);
    free(rules->claims);
    *rules = (struct firewall_rules){0};
}

/* The part of libnftables that is used, loaded for the time of one call. */
struct nft {
    void *library;
    struct nft_ctx *(*ctx_new)(uint32_t flags);
    void (*ctx_free)(struct nft_ctx *ctx);
    int (*buffer_output)(struct nft_ctx *ctx);
    int (*buffer_error)(struct nft_ctx *ctx);
    const char *(*error_text)(struct nft_ctx *ctx);
    int (*run)(struct nft_ctx *ctx, const char *text);
};

static int nft_load(struct nft *nft, struct error *err)
{
    const struct {
        const char *name;
        void *where;
    } symbols[] = {
        {"nft_ctx_new", &nft->ctx_new},
        {"nft_ctx_free", &nft->ctx_free},
        {"nft_ctx_buffer_output", &nft->buffer_output},
        {"nft_ctx_buffer_error", &nft->buffer_error},
        {"nft_ctx_get_error_buffer", &nft->error_text},
        {"nft_run_cmd_from_buffer", &nft->run},
    };
    nft->library = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!nft->library) {
        return error_set(err, ERROR_SYSTEM, ENOENT, "load libnftables: %s", dlerror());
    }
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        void *symbol = dlsym(nft->library, symbols[i].name);
        if (!symbol) {
            dlclose(nft->library);
            return error_set(err, ERROR_SYSTEM, ENOENT, "libnftables.so.1 has no %s", symbols[i].name);
        }
        memcpy(symbols[i].where, &symbol, sizeof(symbol));
    }
    return 0;
}

static void nft_unload(struct nft *nft)
{
    dlclose(nft->library);
    malloc_trim(0);
}

/* libnftables' complaint is several lines with carets: the first one says what it is. */
static int run_library(const char *text, struct error *err)
{
    struct nft nft;
    int r = nft_load(&nft, err);
    if (r < 0) {
        return r;
    }
    struct nft_ctx *ctx = nft.ctx_new(NFT_CTX_DEFAULT);
    if (!ctx) {
        abort(); /* out of memory, as everywhere */
    }
    nft.buffer_output(ctx);
    nft.buffer_error(ctx);
    r = 0;
    if (nft.run(ctx, text) != 0) {
        const char *detail = nft.error_text(ctx);
        r = error_set(err, ERROR_SYSTEM, EIO, "apply nftables rules: %.*s", (int)strcspn(detail, "\n"), detail);
    }
    nft.ctx_free(ctx);
    nft_unload(&nft);
    return r;
}

struct run {
    const char *text;
    struct error *err;
    int result;
};

static void *run_apart(void *data)
{
    struct run *run = data;
    /* A kernel that cannot (before 5.9) lets it have whatever descriptor comes. */
    (void)close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_UNSHARE);
    run->result = run_library(run->text, run->err);
    return NULL;
}

/*
 * libnftables waits with select(2), which takes no descriptor from 1,024 on (glibc ends the process) and the daemon may
 * have ten thousand, of published ports. So it runs in a thread that has a table of descriptors of its own, with
 * nothing in it.
 */
static int run_text(const char *text, struct error *err)
{
    struct run run = {.text = text, .err = err};
    pthread_t thread;
    int r = pthread_create(&thread, NULL, run_apart, &run);
    if (r != 0) {
        return error_errno(err, r, "start a thread for nftables");
    }
    pthread_join(thread, NULL);
    return run.result;
}

static bool has_ip6(const struct firewall_rules *rules)
{
    for (size_t i = 0; i < rules->network_count; i++) {
        if (rules->networks[i].subnet6.prefix) {
            return true;
        }
    }
    return false;
}

int firewall_apply(struct firewall *firewall, firewall_snapshot_fn snapshot, void *data, struct error *err)
{
    struct firewall_rules rules = {0};
    pthread_mutex_lock(&firewall->lock);
    snapshot(&rules, data);
    bool ip6 = has_ip6(&rules);
    CLEANUP_FREE char *ruleset = firewall_ruleset(firewall->bridge, &rules, ip6);
    bool user = !table_exists(firewall, firewall->user_table, NFPROTO_INET);
    bool last6 = firewall->ip6 && !ip6; /* the last network with IPv6 has gone, and the table with it */
    CLEANUP_FREE char *text =
        xasprintf("%s%s%s%s%s%s%s%s%s", user ? "table inet " : "", user ? firewall->user_table : "",
                  user ? USER_CHAIN : "", last6 ? "add table ip6 " : "", last6 ? firewall->table : "",
                  last6 ? "\ndelete table ip6 " : "", last6 ? firewall->table : "", last6 ? "\n" : "", ruleset);
    CLEANUP_STRBUF struct strbuf joined = STRBUF_INIT;
    struct firewall_foreign foreign;
    firewall_foreign_look(firewall->netlink, firewall->bridge, &foreign);
    firewall_foreign_join(firewall->bridge, &rules, ip6, &foreign, &joined);
    int r = -1;
    if (joined.size > 0) {
        strbuf_adds(&joined, text);
        r = run_text(strbuf_str(&joined), NULL);
    }
    if (r < 0) { /* ours alone: theirs have just been replaced, and the monitor will look again */
        r = run_text(text, err);
    }
    if (r == 0) {
        firewall->ip6 = ip6;
    }
    pthread_mutex_unlock(&firewall->lock);
    if (r == 0 && foreign.firewalld) {
        firewalld_admit(rules.networks, rules.network_count);
    }
    firewall_rules_release(&rules);
    return r;
}

static struct nlmsghdr *begin_nfnetlink(struct netlink_batch *batch, uint16_t type, uint16_t flags, uint8_t family,
                                        uint16_t resource)
{
    struct nlmsghdr *m = netlink_batch_begin(batch, type, flags);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    header->res_id = htons(resource);
    return m;
}

void firewall_put_marker(struct netlink_batch *batch, uint16_t type)
{
    netlink_batch_end(batch, begin_nfnetlink(batch, type, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

struct nlmsghdr *firewall_begin(struct netlink_batch *batch, int message, uint16_t flags, uint8_t family)
{
    return begin_nfnetlink(batch, NFNL_SUBSYS_NFTABLES << 8 | message, flags | NLM_F_ACK, family, 0);
}

void firewall_put_data(struct nlmsghdr *m, int type, const uint8_t *data, size_t size)
{
    struct nlattr *nest = mnl_attr_nest_start(m, type);
    mnl_attr_put(m, NFTA_DATA_VALUE, size, data);
    mnl_attr_nest_end(m, nest);
}

static bool table_exists(struct firewall *firewall, const char *table, uint8_t family)
{
    struct netlink_batch batch = {.used = 0};
    struct nlmsghdr *m = firewall_begin(&batch, NFT_MSG_GETTABLE, 0, family);
    mnl_attr_put_strz(m, NFTA_TABLE_NAME, table);
    netlink_batch_end(&batch, m);
    return netlink_run(firewall->netlink, &batch, NULL) == 0;
}

bool firewall_exists(struct firewall *firewall)
{
    pthread_mutex_lock(&firewall->lock);
    bool exists = table_exists(firewall, firewall->table, NFPROTO_IPV4);
    pthread_mutex_unlock(&firewall->lock);
    return exists;
}

static int count_rule(const struct nlmsghdr *message, void *data)
{
    (void)message;
    ++*(size_t *)data;
    return 0;
}

static bool has_rules(struct firewall *firewall, const char *table, uint8_t family)
{
    struct netlink_batch batch = {.used = 0};
    size_t count = 0;
    struct nlmsghdr *m = netlink_batch_begin(&batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(m, sizeof(*header));
    header->nfgen_family = family;
    header->version = NFNETLINK_V0;
    mnl_attr_put_strz(m, NFTA_RULE_TABLE, table);
    netlink_batch_end(&batch, m);
    return netlink_dump(firewall->netlink, &batch, count_rule, &count) == 0 && count > 0;
}

bool firewall_is_intact(struct firewall *firewall)
{
    pthread_mutex_lock(&firewall->lock);
    bool intact = has_rules(firewall, firewall->table, NFPROTO_IPV4) &&
                  (!firewall->ip6 || has_rules(firewall, firewall->table, NFPROTO_IPV6));
    pthread_mutex_unlock(&firewall->lock);
    return intact;
}

bool firewall_is_joined(struct firewall *firewall)
{
    struct firewall_foreign foreign;
    pthread_mutex_lock(&firewall->lock);
    firewall_foreign_look(firewall->netlink, firewall->bridge, &foreign);
    bool joined = firewall_foreign_is_joined(&foreign, firewall->ip6);
    pthread_mutex_unlock(&firewall->lock);
    return joined;
}

bool firewall_foreign_drop(struct firewall *firewall, char *ret_chain, size_t size)
{
    struct firewall_foreign foreign;
    pthread_mutex_lock(&firewall->lock);
    firewall_foreign_look(firewall->netlink, firewall->bridge, &foreign);
    pthread_mutex_unlock(&firewall->lock);
    snprintf(ret_chain, size, "%s", foreign.other);
    return foreign.other[0] != '\0';
}

static int leave_foreign(struct firewall *firewall, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct firewall_foreign foreign;
    firewall_foreign_look(firewall->netlink, firewall->bridge, &foreign);
    firewall_foreign_leave(firewall->bridge, &foreign, &text);
    return text.size > 0 ? run_text(strbuf_str(&text), err) : 0;
}

static int remove_table(struct firewall *firewall, const char *table, uint8_t family)
{
    struct netlink_batch batch = {.used = 0};
    firewall_put_marker(&batch, NFNL_MSG_BATCH_BEGIN);
    struct nlmsghdr *m = firewall_begin(&batch, NFT_MSG_DELTABLE, 0, family);
    mnl_attr_put_strz(m, NFTA_TABLE_NAME, table);
    netlink_batch_end(&batch, m);
    firewall_put_marker(&batch, NFNL_MSG_BATCH_END);
    int r = netlink_run(firewall->netlink, &batch, NULL);
    return r == -ENOENT ? 0 : r;
}

int firewall_remove(struct firewall *firewall, struct error *err)
{
    pthread_mutex_lock(&firewall->lock);
    int r = remove_table(firewall, firewall->table, NFPROTO_IPV4);
    if (r == 0 && firewall->ip6) {
        r = remove_table(firewall, firewall->table, NFPROTO_IPV6);
    }
    if (r == 0 && !has_rules(firewall, firewall->user_table, NFPROTO_INET)) {
        r = remove_table(firewall, firewall->user_table, NFPROTO_INET);
    }
    r = r < 0 ? error_errno(err, r, "remove nftables table %s", firewall->table) : leave_foreign(firewall, err);
    pthread_mutex_unlock(&firewall->lock);
    return r;
}

/* A field of a concatenation: registers are 4 bytes, shorter values stand at the low addresses. */
static size_t put_field(uint8_t *data, const void *value, size_t size)
{
    memset(data, 0, 4);
    memcpy(data, value, size);
    return 4;
}

static size_t put_address(uint8_t *data, bool ipv6, uint32_t address, const struct in6_addr *address6)
{
    uint32_t big = htonl(address);
    if (ipv6) {
        memcpy(data, address6, sizeof(*address6));
        return sizeof(*address6);
    }
    return put_field(data, &big, sizeof(big));
}

/* A port among claims: claims[claim], its `port`th one. */
struct position {
    size_t claim;
    unsigned int port;
};

static void advance(struct position *position, const struct port_claim *claims)
{
    if (position->port++ == claims[position->claim].more) {
        *position = (struct position){.claim = position->claim + 1};
    }
}

static const char *map_name(const struct port_claim *claim)
{
    return claim->routed ? "routed_ports" : port_claim_is_specific(claim) ? "ports_at" : "ports";
}

/* One element: the same for all requests but for the data, which a delete omits, and which a set has not. */
static void put_element(struct nlmsghdr *m, int message, const struct port_claim *claim, unsigned int port)
{
    uint8_t key[24], value[20];
    size_t key_size = 0, value_size = 0;
    uint16_t host_port = htons((uint16_t)(claim->host_port + port));
    uint16_t container_port = htons((uint16_t)(claim->container_port + port));
    if (claim->routed) {
        key_size += put_address(key, claim->ipv6, claim->container_address, &claim->container_address6);
    } else if (port_claim_is_specific(claim)) {
        key_size += put_address(key, claim->ipv6, claim->host_address, &claim->host_address6);
    }
    key_size += put_field(key + key_size, &claim->protocol, sizeof(claim->protocol));
    key_size += put_field(key + key_size, &host_port, sizeof(host_port));
    value_size += put_address(value, claim->ipv6, claim->container_address, &claim->container_address6);
    value_size += put_field(value + value_size, &container_port, sizeof(container_port));

    struct nlattr *element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
    firewall_put_data(m, NFTA_SET_ELEM_KEY, key, key_size);
    if (message == NFT_MSG_NEWSETELEM && !claim->routed) {
        firewall_put_data(m, NFTA_SET_ELEM_DATA, value, value_size);
    }
    mnl_attr_nest_end(m, element);
}

static bool same_map(const struct port_claim *a, const struct port_claim *b)
{
    return a->ipv6 == b->ipv6 && map_name(a) == map_name(b);
}

/* One message with the elements from *position on that belong to one map, as many as fit. */
static void put_elements(struct firewall *firewall, struct netlink_batch *batch, int message, uint16_t flags,
                         const struct port_claim *claims, size_t count, struct position *position)
{
    const struct port_claim *first = &claims[position->claim];
    struct nlmsghdr *m = firewall_begin(batch, message, flags, first->ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, firewall->table);
    mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, map_name(first));
    struct nlattr *list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
    do {
        put_element(m, message, &claims[position->claim], position->port);
        advance(position, claims);
    } while (position->claim < count && same_map(first, &claims[position->claim]) &&
             netlink_batch_can_extend(batch, m));
    mnl_attr_nest_end(m, list);
    netlink_batch_end(batch, m);
}

/* Runs one transaction with the elements from *position on, as many as fit, and moves *position past them. */
static int run_elements(struct firewall *firewall, int message, uint16_t flags, const struct port_claim *claims,
                        size_t count, struct position *position)
{
    struct netlink_batch batch = {.used = 0};
    firewall_put_marker(&batch, NFNL_MSG_BATCH_BEGIN);
    do {
        put_elements(firewall, &batch, message, flags, claims, count, position);
    } while (position->claim < count && netlink_batch_can_extend(&batch, NULL));
    firewall_put_marker(&batch, NFNL_MSG_BATCH_END);
    return netlink_run(firewall->netlink, &batch, NULL);
}

static void withdraw_locked(struct firewall *firewall, const struct port_claim *claims, size_t count, int *first)
{
    struct position done = {0};
    while (done.claim < count) {
        struct position i = done;
        int r = run_elements(firewall, NFT_MSG_DELSETELEM, 0, claims, count, &done);
        /* One that is missing fails the whole transaction: then one by one. */
        for (; r < 0 && (i.claim != done.claim || i.port != done.port); advance(&i, claims)) {
            struct port_claim one = claims[i.claim];
            struct position start = {0};
            one.host_port = (uint16_t)(one.host_port + i.port);
            one.container_port = (uint16_t)(one.container_port + i.port);
            one.more = 0;
            int each = run_elements(firewall, NFT_MSG_DELSETELEM, 0, &one, 1, &start);
            if (each < 0 && each != -ENOENT && *first == 0) {
                *first = each;
            }
        }
    }
}

int firewall_publish(struct firewall *firewall, const struct port_claim *claims, size_t count, struct error *err)
{
    int r = 0;
    struct position done = {0};
    pthread_mutex_lock(&firewall->lock);
    while (r == 0 && done.claim < count) {
        r = run_elements(firewall, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, claims, count, &done);
    }
    pthread_mutex_unlock(&firewall->lock);
    return r < 0 ? error_errno(err, r, "publish ports in nftables table %s", firewall->table) : 0;
}

int firewall_withdraw(struct firewall *firewall, const struct port_claim *claims, size_t count, struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&firewall->lock);
    withdraw_locked(firewall, claims, count, &r);
    pthread_mutex_unlock(&firewall->lock);
    return r < 0 ? error_errno(err, r, "withdraw ports from nftables table %s", firewall->table) : 0;
}
