#include "daemon/network/firewall_monitor.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/network/firewalld.h"

/* Rules are replaced in several messages, ours as others': looked at when it has been quiet for a moment. */
enum { QUIET_MS = 100, STACK = 256 * 1024 };

struct firewall_monitor {
    struct firewall *firewall;
    char table[64];
    int (*restore)(void *data, struct error *err);
    void *data;
    int fd, stop_fd;
    bool in_vain;   /* theirs do not take ours: not tried again before they change */
    bool firewalld; /* it has made its rules anew */
    pthread_t thread;
};

enum { TABLE_NAME = NFTA_TABLE_NAME }; /* NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are the same number */

static const char *text_of(const struct nlmsghdr *m, int type)
{
    const struct nlattr *attr;
    mnl_attr_for_each(attr, m, sizeof(struct nfgenmsg))
    {
        if (mnl_attr_get_type(attr) == type) {
            return mnl_attr_get_str(attr);
        }
    }
    return "";
}

/* A table or a rule of ours has gone, or iptables' chains have changed: their policy, or our place in them. */
static bool concerns(struct firewall_monitor *monitor, const struct nlmsghdr *m)
{
    int type = m->nlmsg_type & 0xff;
    bool removal = type == NFT_MSG_DELTABLE || type == NFT_MSG_DELRULE;
    if (m->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || (!removal && type != NFT_MSG_NEWCHAIN)) {
        return false;
    }
    const char *table = text_of(m, TABLE_NAME);
    bool theirs = strcmp(table, "filter") == 0;
    bool firewalld =
        type == NFT_MSG_NEWCHAIN &&
        (strcmp(table, FIREWALLD_TABLE) == 0 || (theirs && strcmp(text_of(m, NFTA_CHAIN_NAME), FIREWALLD_CHAIN) == 0));
    monitor->in_vain = monitor->in_vain && !theirs;
    monitor->firewalld = monitor->firewalld || firewalld;
    return theirs || firewalld || (removal && strcmp(table, monitor->table) == 0);
}

static bool read_events(struct firewall_monitor *monitor)
{
    char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    ssize_t n = recv(monitor->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n < 0) {
        bool lost = errno == ENOBUFS; /* more than could be kept: better look, and firewalld's may be among it */
        monitor->firewalld = monitor->firewalld || lost;
        return lost;
    }
    bool found = false;
    int left = (int)n;
    for (const struct nlmsghdr *m = (const void *)buffer; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
        found = concerns(monitor, m) || found; /* each of them may be firewalld's */
    }
    return found;
}

static void look(struct firewall_monitor *monitor)
{
    struct error err = {0};
    if (!firewall_is_intact(monitor->firewall)) {
        log_warn("network: the rules of nftables table %s have been removed; making them again", monitor->table);
    } else if (!monitor->in_vain && !firewall_is_joined(monitor->firewall)) {
        log_info("network: iptables' chain FORWARD drops by default; what is ours gets a chain of its own there");
    } else if (!monitor->firewalld) {
        return;
    }
    monitor->firewalld = false;
    if (monitor->restore(monitor->data, &err) < 0) {
        log_error("network: %s", err.message);
    }
    monitor->in_vain = !firewall_is_joined(monitor->firewall);
    if (monitor->in_vain) {
        log_error("network: iptables' chain FORWARD drops by default and takes no rule for %s", monitor->table);
    }
}

static void *run(void *data)
{
    struct firewall_monitor *monitor = data;
    struct pollfd fds[] = {{.fd = monitor->fd, .events = POLLIN}, {.fd = monitor->stop_fd, .events = POLLIN}};
    bool suspicious = false;
    for (;;) {
        int n = poll(fds, 2, suspicious ? QUIET_MS : -1);
        if (fds[1].revents) {
            return NULL;
        }
        if (n == 0) {
            suspicious = false;
            look(monitor);
        } else if (n > 0) {
            suspicious = read_events(monitor) || suspicious;
        }
    }
}

static int open_events(struct error *err)
{
    int group = NFNLGRP_NFTABLES;
    CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
        return error_errno(err, errno, "listen to changes of nftables");
    }
    return TAKE_FD(fd);
}

int firewall_monitor_start(struct firewall *firewall, const char *bridge, int (*restore)(void *data, struct error *err),
                           void *data, struct firewall_monitor **ret, struct error *err)
{
    int fd = open_events(err);
    if (fd < 0) {
        return fd;
    }
    struct firewall_monitor *monitor = xcalloc(1, sizeof(*monitor));
    *monitor = (struct firewall_monitor){
        .firewall = firewall, .restore = restore, .data = data, .fd = fd, .stop_fd = eventfd(0, EFD_CLOEXEC)};
    firewall_table_name(bridge, monitor->table, sizeof(monitor->table));
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    int r = monitor->stop_fd < 0 ? errno : pthread_create(&monitor->thread, &attr, run, monitor);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        fd_close(monitor->fd);
        fd_close(monitor->stop_fd);
        free(monitor);
        return error_errno(err, r, "start the firewall's monitor");
    }
    *ret = monitor;
    return 0;
}

void firewall_monitor_stop(struct firewall_monitor *monitor)
{
    if (monitor) {
        (void)eventfd_write(monitor->stop_fd, 1);
        pthread_join(monitor->thread, NULL);
        fd_close(monitor->fd);
        fd_close(monitor->stop_fd);
        free(monitor);
    }
}
