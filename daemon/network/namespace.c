#include "daemon/network/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "daemon/network/link.h"

enum { VISITOR_STACK = 256 * 1024 };

void namespace_release(struct namespace *ns)
{
    netlink_close(ns->inside);
    fd_close(ns->netns);
    *ns = (struct namespace)NAMESPACE_INIT;
}

int namespace_write_setting(const char *path, const char *value, struct error *err)
{
    int r = file_write_control(AT_FDCWD, path, value);
    return r < 0 && r != -ENOENT ? error_errno(err, r, "write %s", path) : 0;
}

/*
 * eth0 comes without IPv6, or with it and deaf to routers. A write to its own disable_ipv6 spins in the kernel for as
 * long as anybody on the host holds the lock of network devices, which containers that start and end one after the
 * other keep busy; a write to the one that new devices get takes no lock.
 */
static int add_eth0_link(const struct namespace_maker *maker, unsigned int bridge_index, struct namespace *ns,
                         struct error *err)
{
    bool ipv6 = maker->subnet6.prefix != 0;
    const char *path =
        ipv6 ? "/proc/sys/net/ipv6/conf/default/accept_ra" : "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    CLEANUP_FREE char *before = NULL;
    char random[9];
    int r = file_read(AT_FDCWD, path, 16, &before, NULL, err);
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    r = namespace_write_setting(path, ipv6 ? "0" : "1", err);
    if (r < 0) {
        return r;
    }
    do {
        error_clear(err);
        id_random_hex(random, 4);
        snprintf(ns->host_name, sizeof(ns->host_name), "veth%.7s", random);
        r = link_add_veth(maker->host, ns->host_name, "eth0", bridge_index, ns->netns, maker->mtu, err);
    } while (r == -EEXIST);
    return r == 0 && before != NULL ? namespace_write_setting(path, before, err) : r;
}

static int add_eth0(const struct namespace_maker *maker, unsigned int bridge_index, struct namespace *ns,
                    struct error *err)
{
    int r = add_eth0_link(maker, bridge_index, ns, err);
    if (r < 0) {
        return r;
    }
    ns->inside_index = link_index("eth0");
    struct link_setup setup = {
        .index = ns->inside_index,
        .address = ns->address.v4,
        .gateway = maker->gateway,
        .prefix = maker->subnet.prefix,
        .address6 = ns->address.v6,
        .gateway6 = maker->gateway6,
        .prefix6 = maker->subnet6.prefix,
    };
    memcpy(setup.mac, ns->mac, sizeof(setup.mac));
    return link_setup(ns->inside, &setup, err);
}

/* What is done from inside the new namespace, whoever it will be for. */
static int set_up(struct namespace *ns, struct error *err)
{
    int r = namespace_write_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", err);
    if (r == 0) {
        r = namespace_write_setting("/proc/sys/net/ipv4/ping_group_range", "0 2147483647", err);
    }
    return r == 0 ? netlink_open(NETLINK_ROUTE, &ns->inside, err) : r;
}

static int fill(const struct namespace_maker *maker, unsigned int bridge_index, struct namespace *ns, struct error *err)
{
    ns->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (ns->netns < 0) {
        return error_errno(err, errno, "open the new network namespace");
    }
    int r = set_up(ns, err);
    if (r < 0) {
        return r;
    }
    return ns->address.v4 ? add_eth0(maker, bridge_index, ns, err) : link_set_lo_up(ns->inside, err);
}

/*
 * Where br_netfilter lets the packet filter see bridged frames, a container that goes through its own published port is
 * answered by the bridge and not by the host's routing: out of the port it came in by. Asked every time, since the
 * module may come later.
 */
static bool needs_hairpin(void)
{
    CLEANUP_FREE char *text = NULL;
    return file_read(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-iptables", 16, &text, NULL, NULL) == 0 &&
           text[0] == '1';
}

/*
 * Both ends are up now, but the kernel notices the host's carrier in a work queue of its own, and until then drops what
 * the host sends and keeps the bridge port closed. Mostly it has been quicker, else it is a matter of microseconds.
 */
int namespace_open_port(struct netlink *host, unsigned int bridge_index, unsigned int host_index, bool isolated,
                        struct error *err)
{
    struct link_port_settings settings = {.hairpin = needs_hairpin(), .isolated = isolated};
    int r = link_wait_operational(host, host_index, err);
    if (r == 0) {
        r = link_wait_operational(host, bridge_index, err); /* it has one as soon as one of its ports has */
    }
    if (r == 0 && (settings.hairpin || isolated)) {
        r = link_set_port(host, host_index, &settings, err);
    }
    return r;
}

static int open_bridge_port(const struct namespace_maker *maker, unsigned int bridge_index, struct namespace *ns,
                            struct error *err)
{
    ns->host_index = link_index(ns->host_name);
    int r = namespace_open_port(maker->host, bridge_index, ns->host_index, maker->isolated, err);
    return r < 0 ? r : link_announce(ns->inside, ns->inside_index, ns->mac, err);
}

struct visit {
    int netns_fd;
    int (*fn)(void *data, struct error *err);
    void *data;
    struct error *err;
    int result;
};

static void *run_visit(void *data)
{
    struct visit *visit = data;
    visit->result = setns(visit->netns_fd, CLONE_NEWNET) < 0
                        ? error_errno(visit->err, errno, "enter the container's network namespace")
                        : visit->fn(visit->data, visit->err);
    return NULL;
}

int namespace_visit(int netns_fd, int (*fn)(void *data, struct error *err), void *data, struct error *err)
{
    struct error failed = {0};
    struct visit visit = {.netns_fd = netns_fd, .fn = fn, .data = data, .err = &failed};
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, VISITOR_STACK);
    int r = pthread_create(&thread, &attr, run_visit, &visit);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        return error_errno(err, r, "start a thread");
    }
    pthread_join(thread, NULL);
    return visit.result < 0 ? error_propagate(err, &failed) : 0;
}

/* The calling thread is in a new network namespace then. */
static int enter_new(const struct namespace_maker *maker, struct error *err)
{
    if (maker->make == NULL) {
        return unshare(CLONE_NEWNET) < 0 ? error_errno(err, errno, "create a network namespace") : 0;
    }
    CLEANUP_CLOSE int fd = maker->make(maker->make_data, err);
    if (fd < 0) {
        return fd;
    }
    return setns(fd, CLONE_NEWNET) < 0 ? error_errno(err, errno, "enter the new network namespace") : 0;
}

int namespace_make(const struct namespace_maker *maker, const struct namespace_address *address, struct namespace *ret,
                   bool *ret_astray, struct error *err)
{
    struct namespace ns = NAMESPACE_INIT;
    unsigned int bridge_index = 0;
    *ret_astray = false;
    int r = address->v4 ? segments_choose(maker->segments, maker->host, &bridge_index, err) : 0;
    if (r < 0) {
        return r;
    }
    ns.address = *address;
    ipam_mac(address->v4, ns.mac);
    r = enter_new(maker, err);
    if (r < 0) {
        return r;
    }
    r = fill(maker, bridge_index, &ns, err);
    if (setns(maker->host_netns, CLONE_NEWNET) < 0) {
        r = error_errno(err, errno, "return to the host's network namespace");
        *ret_astray = true;
    }
    if (r == 0 && address->v4) {
        r = open_bridge_port(maker, bridge_index, &ns, err);
    }
    if (r < 0) {
        namespace_release(&ns);
        return r;
    }
    if (!address->v4) {
        netlink_close(ns.inside);
        ns.inside = NULL;
    }
    *ret = ns;
    return 0;
}

static int prepare(void *data, struct error *err)
{
    struct namespace *ns = data;
    int r = set_up(ns, err);
    return r == 0 ? link_set_lo_up(ns->inside, err) : r;
}

int namespace_prepare(int netns_fd, struct error *err)
{
    struct namespace ns = NAMESPACE_INIT;
    int r = namespace_visit(netns_fd, prepare, &ns, err);
    namespace_release(&ns);
    return r;
}

int namespace_set_mac(struct namespace *ns, const uint8_t mac[6], struct error *err)
{
    memcpy(ns->mac, mac, sizeof(ns->mac));
    return link_announce(ns->inside, ns->inside_index, mac, err);
}
