#include "runtime/rtnetlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"

#define ROOM 512
#define ANSWER_MAX 65536

/* One request with its attributes; more than any of ours needs. */
struct request {
    union {
        struct nlmsghdr header;
        char bytes[ROOM];
    };
};

static void *begin(struct request *q, uint16_t type, uint16_t flags, size_t payload)
{
    memset(q, 0, sizeof(*q));
    q->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(payload);
    q->header.nlmsg_type = type;
    q->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    q->header.nlmsg_seq = 1;
    return NLMSG_DATA(&q->header);
}

static void attribute(struct request *q, uint16_t type, const void *data, size_t size)
{
    struct rtattr *a = (struct rtattr *)(q->bytes + NLMSG_ALIGN(q->header.nlmsg_len));
    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(size);
    memcpy(RTA_DATA(a), data, size);
    q->header.nlmsg_len = NLMSG_ALIGN(q->header.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

int rtnetlink_open(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd < 0 ? -errno : fd;
}

/* What a message of an answer says to the request: 1 to go on, 0 for the end. */
typedef int each_fn(const struct nlmsghdr *message, void *context);

static int ask(int fd, const struct request *q, each_fn *each, void *context)
{
    if (send(fd, q->bytes, q->header.nlmsg_len, 0) < 0)
        return -errno;
    CLEANUP_FREE char *answer = xmalloc(ANSWER_MAX);
    for (;;) {
        ssize_t n = recv(fd, answer, ANSWER_MAX, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        const struct nlmsghdr *m = (const struct nlmsghdr *)answer;
        for (size_t left = (size_t)n; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_type == NLMSG_DONE)
                return 0;
            if (m->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
            int r = each != NULL ? each(m, context) : 1;
            if (r <= 0)
                return r;
        }
    }
}

/* ---- links ---- */

static int take_index(const struct nlmsghdr *m, void *context)
{
    *(unsigned *)context = (unsigned)((const struct ifinfomsg *)NLMSG_DATA(m))->ifi_index;
    return 0;
}

int rtnetlink_index(int fd, const char *name, unsigned *ret_index)
{
    struct request q;
    begin(&q, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    attribute(&q, IFLA_IFNAME, name, strlen(name) + 1);
    return ask(fd, &q, take_index, ret_index);
}

int rtnetlink_move(int fd, unsigned index, int ns_fd, const char *name)
{
    struct request q;
    struct ifinfomsg *info = begin(&q, RTM_NEWLINK, NLM_F_ACK, sizeof(*info));
    info->ifi_index = (int)index;
    uint32_t ns = (uint32_t)ns_fd;
    attribute(&q, IFLA_NET_NS_FD, &ns, sizeof(ns));
    attribute(&q, IFLA_IFNAME, name, strlen(name) + 1);
    return ask(fd, &q, NULL, NULL);
}

int rtnetlink_up(int fd, unsigned index)
{
    struct request q;
    struct ifinfomsg *info = begin(&q, RTM_NEWLINK, NLM_F_ACK, sizeof(*info));
    info->ifi_index = (int)index;
    info->ifi_flags = info->ifi_change = IFF_UP;
    return ask(fd, &q, NULL, NULL);
}

/* ---- addresses ---- */

struct collector {
    unsigned index;
    struct rtnetlink_addresses *into;
};

static void take_bytes(const struct rtattr *a, unsigned char to[16], size_t *ret_size)
{
    size_t size = RTA_PAYLOAD(a);
    if (size <= 16) {
        memcpy(to, RTA_DATA(a), size);
        *ret_size = size;
    }
}

static int take_address(const struct nlmsghdr *m, void *context)
{
    struct collector *c = context;
    const struct ifaddrmsg *header = NLMSG_DATA(m);
    if (m->nlmsg_type != RTM_NEWADDR || header->ifa_index != c->index || header->ifa_scope != RT_SCOPE_UNIVERSE)
        return 1;
    struct rtnetlink_address address = {.header = *header, .flags = header->ifa_flags};
    size_t left = m->nlmsg_len - NLMSG_LENGTH(sizeof(*header));
    for (const struct rtattr *a = IFA_RTA(header); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == IFA_LOCAL)
            take_bytes(a, address.local, &address.local_size);
        else if (a->rta_type == IFA_ADDRESS)
            take_bytes(a, address.address, &address.address_size);
        else if (a->rta_type == IFA_BROADCAST)
            take_bytes(a, address.broadcast, &address.broadcast_size);
        else if (a->rta_type == IFA_FLAGS && RTA_PAYLOAD(a) == sizeof(address.flags))
            memcpy(&address.flags, RTA_DATA(a), sizeof(address.flags));
    }
    if ((address.flags & IFA_F_PERMANENT) == 0)
        return 1;
    struct rtnetlink_addresses *into = c->into;
    if (into->count == RTNETLINK_ADDRESSES_MAX)
        return -E2BIG;
    into->items = xreallocarray(into->items, into->count + 1, sizeof(into->items[0]));
    into->items[into->count++] = address;
    return 1;
}

int rtnetlink_read_addresses(int fd, unsigned index, struct rtnetlink_addresses *ret)
{
    struct request q;
    *ret = (struct rtnetlink_addresses){0};
    struct collector collector = {.index = index, .into = ret};
    begin(&q, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
    return ask(fd, &q, take_address, &collector);
}

int rtnetlink_add_address(int fd, unsigned index, const struct rtnetlink_address *address)
{
    struct request q;
    struct ifaddrmsg *header = begin(&q, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*header));
    *header = address->header;
    header->ifa_index = index;
    /* What the kernel finds out by itself is not for us to say. */
    uint32_t flags =
        address->flags & ~(uint32_t)(IFA_F_PERMANENT | IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_SECONDARY);
    header->ifa_flags = (unsigned char)flags;
    attribute(&q, IFA_FLAGS, &flags, sizeof(flags));
    if (address->local_size > 0)
        attribute(&q, IFA_LOCAL, address->local, address->local_size);
    if (address->address_size > 0)
        attribute(&q, IFA_ADDRESS, address->address, address->address_size);
    if (address->broadcast_size > 0)
        attribute(&q, IFA_BROADCAST, address->broadcast, address->broadcast_size);
    return ask(fd, &q, NULL, NULL);
}
