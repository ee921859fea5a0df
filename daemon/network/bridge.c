#include "daemon/network/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/fd.h"
#include "base/file.h"
#include "daemon/network/link.h"
#include "daemon/network/segments.h"

#define IP6_FORWARD "/proc/sys/net/ipv6/conf/all/forwarding"
#define ARP_IGNORE_ALL "8"
#define IP_FORWARD "/proc/sys/net/ipv4/ip_forward"

int bridge_check_name(const char *name, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(name);
    if (size == 0 || size >= IF_NAMESIZE || strspn(name, allowed) != size || name[0] == '.') {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid bridge name: %s", name);
    }
    if (strncmp(name, SEGMENTS_PREFIX, strlen(SEGMENTS_PREFIX)) == 0) {
        return error_set(err, ERROR_INVALID, EINVAL,
                         "invalid bridge name: %s: names that begin with " SEGMENTS_PREFIX
                         " are for the extensions of full bridges",
                         name);
    }
    return 0;
}

static int make_interface(struct netlink *netlink, struct bridge *bridge, bool existing, struct error *err)
{
    bridge->index = link_index(bridge->name);
    if (bridge->index && existing) {
        return 0;
    }
    uint8_t mac[6] = {0x02, 0x42};
    if (getrandom(mac + 2, 4, 0) != 4) {
        return error_errno(err, errno, "get random bytes");
    }
    int r = link_add_bridge(netlink, bridge->name, mac, bridge->mtu, err);
    if (r == -EEXIST && existing) {
        error_clear(err); /* another daemon was quicker */
        r = 0;
    }
    bridge->index = link_index(bridge->name);
    return r;
}

/* Leaves exactly the wanted address on the bridge, if any. */
static int set_address(struct netlink *netlink, struct bridge *bridge, const struct ipam_subnet *present, size_t count,
                       struct error *err)
{
    bool there = false, wanted = !bridge->no_address && bridge->subnet.prefix;
    for (size_t i = 0; i < count; i++) {
        if (wanted && present[i].gateway == bridge->subnet.gateway && present[i].prefix == bridge->subnet.prefix) {
            there = true;
            continue;
        }
        int r = link_delete_address(netlink, bridge->index, present[i].gateway, present[i].prefix, err);
        if (r < 0) {
            return r;
        }
    }
    return there || !wanted
               ? 0
               : link_add_address(netlink, bridge->index, bridge->subnet.gateway, bridge->subnet.prefix, err);
}

static int choose_subnet(struct netlink *netlink, struct bridge *bridge, const char *bip,
                         const struct ipam_subnet *present, size_t count, struct error *err)
{
    if (bip && *bip) {
        return ipam_subnet_parse(bip, &bridge->subnet, err);
    }
    for (size_t i = 0; i < count; i++) {
        if (present[i].prefix >= 8 && present[i].prefix <= 30) {
            bridge->subnet = present[i];
            return 0;
        }
    }
    CLEANUP_FREE struct ipam_subnet *used = NULL;
    size_t used_count;
    int r = link_used_subnets(netlink, bridge->index, &used, &used_count, err);
    return r < 0 ? r : ipam_subnet_choose(used, used_count, &bridge->subnet, err);
}

static int write_setting(const struct bridge *bridge, const char *family, const char *setting, const char *value,
                         struct error *err)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, bridge->name, setting);
    int r = file_write_control(AT_FDCWD, path, value);
    /* Without IPv6 in the kernel its settings are missing. */
    return r < 0 && r != -ENOENT ? error_errno(err, r, "write %s", path) : 0;
}

static int enable_forwarding(struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    int r = file_read(AT_FDCWD, IP_FORWARD, 16, &text, NULL, err);
    if (r < 0 || text[0] == '1') {
        return r;
    }
    r = file_write_control(AT_FDCWD, IP_FORWARD, "1");
    return r < 0 ? error_errno(err, r, "write %s", IP_FORWARD) : 0;
}

static int configure(struct netlink *netlink, struct bridge *bridge, const char *bip, struct error *err)
{
    CLEANUP_FREE struct ipam_subnet *present = NULL;
    size_t count;
    int r = link_addresses(netlink, bridge->index, &present, &count, err);
    if (r == 0) {
        r = choose_subnet(netlink, bridge, bip, present, count, err);
    }
    if (r == 0) {
        r = set_address(netlink, bridge, present, count, err);
    }
    if (r == 0) {
        r = write_setting(bridge, "ipv4", "route_localnet", "1", err);
    }
    return r < 0 ? r : link_set_up(netlink, bridge->index, bridge->mtu, err);
}

static int find_subnet6(struct netlink *netlink, const struct bridge *bridge, struct ipam6_subnet *ret,
                        struct error *err)
{
    CLEANUP_FREE struct ipam6_subnet *present = NULL;
    size_t count = 0;
    int r = link_addresses6(netlink, bridge->index, &present, &count, err);
    *ret = count > 0 ? present[0] : (struct ipam6_subnet){0};
    return r;
}

int bridge_open(struct netlink *netlink, const struct network_options *options, struct bridge *ret,
                struct ipam6_subnet *present6, struct error *err)
{
    struct bridge bridge = {.mtu = options->mtu > 0 ? options->mtu : 1500};
    const char *name = options->bridge ? options->bridge : "dory0";
    int r = bridge_check_name(name, err);
    if (r < 0) {
        return r;
    }
    snprintf(bridge.name, sizeof(bridge.name), "%s", name);
    /* Daemons that start at the same moment must not choose the same subnet. The lock is on a file that is there
     * anyway, one per network namespace; a failure only means that nobody else can be kept waiting. */
    CLEANUP_CLOSE int lock = open(IP_FORWARD, O_RDONLY | O_CLOEXEC);
    if (lock >= 0) {
        (void)flock(lock, LOCK_EX);
    }
    r = make_interface(netlink, &bridge, true, err);
    if (r == 0) {
        r = configure(netlink, &bridge, options->bip, err);
    }
    if (r == 0) {
        r = find_subnet6(netlink, &bridge, present6, err);
    }
    if (r == 0 && !options->no_ip_forward) {
        r = enable_forwarding(err);
    }
    if (r < 0) {
        return error_context(err, "set up bridge %s", name);
    }
    *ret = bridge;
    return 0;
}

/* Leaves no other address on the bridge than the wanted one. */
static int drop_others6(struct netlink *netlink, const struct bridge *bridge, const struct ipam6_subnet *subnet6,
                        struct error *err)
{
    CLEANUP_FREE struct ipam6_subnet *present = NULL;
    size_t count = 0;
    int r = link_addresses6(netlink, bridge->index, &present, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (present[i].prefix != subnet6->prefix || !IN6_ARE_ADDR_EQUAL(&present[i].gateway, &subnet6->gateway)) {
            r = link_delete_address6(netlink, bridge->index, &present[i].gateway, present[i].prefix, err);
        }
    }
    return r;
}

int bridge_set_subnet6(struct netlink *netlink, const struct bridge *bridge, const struct ipam6_subnet *subnet6,
                       struct error *err)
{
    int r = write_setting(bridge, "ipv6", "accept_ra", "0", err);
    if (r == 0) {
        r = write_setting(bridge, "ipv6", "disable_ipv6", subnet6->prefix ? "0" : "1", err);
    }
    if (r < 0 || !subnet6->prefix) {
        return r;
    }
    r = drop_others6(netlink, bridge, subnet6, err);
    if (r < 0) {
        return r;
    }
    return link_add_address6(netlink, bridge->index, &subnet6->gateway, subnet6->prefix, err);
}

int bridge_make(struct netlink *netlink, struct bridge *bridge, const struct ipam6_subnet *subnet6, bool existing,
                struct error *err)
{
    static const struct ipam6_subnet none6;
    CLEANUP_FREE struct ipam_subnet *present = NULL;
    size_t count;
    int r = make_interface(netlink, bridge, existing, err);
    if (r < 0) {
        return r;
    }
    r = link_addresses(netlink, bridge->index, &present, &count, err);
    if (r == 0) {
        r = set_address(netlink, bridge, present, count, err);
    }
    if (r == 0) {
        r = write_setting(bridge, "ipv4", "route_localnet", "1", err);
    }
    if (r == 0 && bridge->no_address) { /* nor do its other addresses answer there */
        r = write_setting(bridge, "ipv4", "arp_ignore", ARP_IGNORE_ALL, err);
    }
    if (r == 0) {
        r = bridge_set_subnet6(netlink, bridge, bridge->no_address6 ? &none6 : subnet6, err);
    }
    if (r == 0) {
        r = link_set_up(netlink, bridge->index, bridge->mtu, err);
    }
    if (r < 0) {
        (void)link_delete(netlink, bridge->index, NULL);
        return error_context(err, "set up bridge %s", bridge->name);
    }
    return 0;
}

int bridge_make_plain(struct netlink *netlink, struct bridge *bridge, struct error *err)
{
    int r = make_interface(netlink, bridge, true, err);
    /* The host is not to be found by it: neither for those who ask for its addresses, as every interface answers to,
     * nor for broadcasts. */
    if (r == 0) {
        r = write_setting(bridge, "ipv4", "arp_ignore", ARP_IGNORE_ALL, err);
    }
    if (r == 0) {
        r = write_setting(bridge, "ipv4", "rp_filter", "1", err);
    }
    if (r == 0) {
        r = write_setting(bridge, "ipv6", "disable_ipv6", "1", err);
    }
    return r < 0 ? r : link_set_up(netlink, bridge->index, bridge->mtu, err);
}

/* A host that forwards takes no router's word any more, unless accept_ra is 2. */
static void keep_learning(void)
{
    char path[96];
    struct if_nameindex *all = if_nameindex();
    for (const struct if_nameindex *i = all; i && i->if_index; i++) {
        CLEANUP_FREE char *text = NULL;
        snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", i->if_name);
        if (file_read(AT_FDCWD, path, 16, &text, NULL, NULL) == 0 && text[0] == '1') {
            (void)file_write_control(AT_FDCWD, path, "2");
        }
    }
    if_freenameindex(all);
}

int bridge_enable_forwarding6(struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    int r = file_read(AT_FDCWD, IP6_FORWARD, 16, &text, NULL, err);
    if (r < 0 || text[0] == '1') {
        return r;
    }
    keep_learning();
    r = file_write_control(AT_FDCWD, IP6_FORWARD, "1");
    return r < 0 ? error_errno(err, r, "write %s", IP6_FORWARD) : 0;
}

int bridge_remove(struct netlink *netlink, const struct bridge *bridge, struct error *err)
{
    unsigned int index = link_index(bridge->name);
    if (index == 0) {
        return 0;
    }
    int r = link_delete(netlink, index, err);
    return r == -ENODEV ? 0 : r;
}
